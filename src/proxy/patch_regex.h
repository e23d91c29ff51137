/* A regular expression that a person wrote, as it may stand within a SecRule. Inside of the room. */
#ifndef KHIEN_PROXY_PATCH_REGEX_H
#define KHIEN_PROXY_PATCH_REGEX_H

#include "base/buf.h"
#include "base/err.h"

enum { PATCH_REGEX_MAX = 512 };

/*
 * Appends it so that it means the same (PCRE2, as ModSecurity compiles it: . is any byte, ^ and $ are a line's ends, and without regard to
 * case) and holds nothing that ends a text or begins a macro there. -EINVAL: why, and what to write: PCRE2 refuses it, or texts of a few hundred
 * bytes cost it more than WAF_MATCH_LIMIT.
 */
int patch_regex_add(struct buf *out, struct str regex, struct err *err);
/* Appends what matches this text alone. */
void patch_regex_quote(struct buf *out, struct str text);

#endif
