/* The regular expressions of a ruleset (PCRE2, JIT where the machine has it). Bounded: a runaway search gives up. */
#ifndef KHIEN_MATCH_REGEX_H
#define KHIEN_MATCH_REGEX_H

#include "rule/ruleset.h"

struct regexes;      /* immutable, shared by threads */
struct regex_search; /* one thread's working memory */

/* jit: makes machine code, which needs a process that may. */
int regexes_new(struct regexes **ret, const struct ruleset *rs, bool jit, struct err *err);
void regexes_free(struct regexes *r);

int regex_search_new(struct regex_search **ret);
void regex_search_free(struct regex_search *s);

/* Is pattern (index in PATTERNS, a PATTERN_RE) found in text? -1: gave up at the bound. Invalid UTF-8 never matches. */
int regex_find(const struct regexes *r, struct regex_search *s, uint32_t pattern, struct str text);

#endif
