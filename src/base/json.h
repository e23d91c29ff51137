/*
 * JSON (RFC 8259), checked whole: structure, literals, numbers, escapes, control characters in strings, depth. Not
 * checked: UTF-8 (see utf8_valid) and double keys. The hot path of khien is json_walk() in json_walk.h; this is what
 * it stands on and what others need.
 *
 * Bytes are looked at 64 at a time through a kernel made for the machine (AVX-512, AVX2, SSE2, NEON; 8 bytes in a
 * word elsewhere). Every kernel gives the same results.
 */
#ifndef KHIEN_BASE_JSON_H
#define KHIEN_BASE_JSON_H

#include "base/arena.h"
#include "base/str.h"

enum { JSON_MAX_DEPTH = 64, JSON_UNESCAPE_ROOM = 64 };

enum json_type { JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };

/* Where a document went wrong. */
struct json_error {
	size_t at;          /* byte offset */
	const char *reason; /* static text: "string without an end", ... */
};

/* Whether doc is one JSON value with nothing but blanks around it. */
bool json_valid(struct str doc, struct json_error *error);

/*
 * The text of a JSON string's inside: the bytes themselves when no escape stands in them, else unescaped into the
 * arena (\uD83D\uDE00 pairs joined; a lone surrogate becomes U+FFFD). An escape that JSON doesn't know, which a
 * checked document doesn't have, stays as it is. {NULL, 0} when the arena is full.
 */
struct str json_unescape(struct arena *a, struct str inside);

/* Finds the end of a JSON value in a stream that may be cut anywhere. Follows strings and brackets, checks nothing else. */
struct json_end {
	uint64_t depth;     /* open brackets */
	uint64_t escaped;   /* 1: the next byte stands behind a backslash */
	uint64_t in_string; /* all bits set, or 0 */
	uint8_t kind;       /* of the value, once its first byte was seen */
};

/*
 * Feeds the next bytes of the stream; the first ever must be the value's first byte. Returns how many of them belong
 * to the value; *done says that it ends there. Zero-initialise `end` before each value. A number or a literal is
 * done at the delimiter behind it, which isn't part of it; where the stream ends nobody says so.
 */
size_t json_end(struct json_end *end, struct str bytes, bool *done);

/*
 * What the walk stands on: the places of all quotes that begin or end a string, found a chunk at a time.
 */
enum { JSON_CHUNK = 8192 };

struct json_index {
	struct str doc;
	const struct json_kernel *kernel;
	size_t base, next;  /* quotes are counted from base; indexed up to next */
	size_t bad;         /* the first byte in a string that may not stand there, or SIZE_MAX */
	const char *reason; /* static text, when bad is set */
	uint64_t escaped, in_string;
	uint32_t n, i;                    /* quotes found; the next to hand out */
	uint16_t quotes[JSON_CHUNK + 64]; /* kernels may write some more than they found */
};

struct json_kernel {
	const char *name;
	/* Indexes one more chunk. */
	void (*index)(struct json_index *x);
	size_t (*end)(struct json_end *end, struct str bytes, bool *done);
	/* Copies src without its escapes to dst, which has room for src.n + JSON_UNESCAPE_ROOM; the length. */
	size_t (*unescape)(char *dst, struct str src);
};

/* All that this machine can run, best first; the last is the portable one. */
const struct json_kernel *const *json_kernels(size_t *n);
const struct json_kernel *json_kernel(void);

static inline void json_index_init(struct json_index *x, struct str doc, const struct json_kernel *kernel)
{
	x->doc = doc;
	x->kernel = kernel;
	x->base = x->next = 0;
	x->bad = SIZE_MAX;
	x->reason = NULL;
	x->escaped = x->in_string = 0;
	x->n = x->i = 0;
}

/* The next quote's offset, or doc.n when there is none. */
static inline size_t json_index_next(struct json_index *x)
{
	while (x->i == x->n) {
		if (x->next >= x->doc.n)
			return x->doc.n;
		x->kernel->index(x);
	}
	return x->base + x->quotes[x->i++];
}

#endif
