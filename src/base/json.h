/*
 * JSON (RFC 8259): one pass over a document that calls back for what is wanted. The hot path of khien.
 *
 * Strings are scanned 16 or 32 bytes at a time where the machine can (SSE2, AVX2, NEON) and 8 bytes at a time
 * elsewhere; every variant gives the same result. The whole document is checked, also what nobody asked for:
 * structure, literals, numbers, escapes, control characters in strings. Not checked here: UTF-8 (see utf8_valid) and
 * double keys.
 */
#ifndef KHIEN_BASE_JSON_H
#define KHIEN_BASE_JSON_H

#include "base/arena.h"
#include "base/str.h"

enum { JSON_MAX_DEPTH = 64 };

enum json_type { JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };

/* Where a document went wrong. */
struct json_error {
	size_t at;          /* byte offset */
	const char *reason; /* static text: "string without an end", ... */
};

/*
 * The text of a JSON string's inside: the bytes themselves when no escape stands in them, else unescaped into the
 * arena (\uD83D\uDE00 pairs joined; a lone surrogate becomes U+FFFD). {NULL, 0} when the arena is full.
 */
struct str json_unescape(struct arena *a, struct str inside);

#endif
