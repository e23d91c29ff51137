/* UTF-8 (RFC 3629) and Unicode simple case folding (CaseFolding.txt, status C and S). */
#ifndef KHIEN_BASE_UTF8_H
#define KHIEN_BASE_UTF8_H

#include "base/str.h"

/* Bytes of the well-formed character at the start of s, or 0: no overlong forms, no surrogates, at most U+10FFFF. */
size_t utf8_len(struct str s);
bool utf8_valid(struct str s);
/* The first `most` bytes of s, less those of a character that is cut in two. */
struct str utf8_cut(struct str s, size_t most);
/* Writes 1-4 bytes; a surrogate or a number above U+10FFFF is written as U+FFFD. Returns how many. */
size_t utf8_put(char *at, uint32_t cp);
/* The character at the start of s, which must have utf8_len(s) bytes. */
uint32_t utf8_get(struct str s);

/* Room that utf8_fold may need for n bytes. */
#define UTF8_FOLD_MAX(n) ((n)*2 + 32)

/*
 * Case-folds src into dst (room UTF8_FOLD_MAX(src.n)) and returns the length. One character becomes one character
 * (its length in bytes may change); bytes that are not UTF-8 stay as they are. All matching that ignores case is
 * done on folded bytes, on both sides.
 */
size_t utf8_fold(char *dst, struct str src);

#endif
