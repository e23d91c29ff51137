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

/*
 * Looks for the end of the object or array that a text begins with, while the text still grows. Follows strings and
 * brackets, checks nothing else. Zero-initialised before each value; with a depth of its own it looks for the end of
 * what was opened before the text.
 */
struct json_end {
	size_t at;          /* bytes looked at */
	uint64_t depth;     /* open brackets */
	uint64_t escaped;   /* 1: the next byte stands behind a backslash */
	uint64_t in_string; /* all bits set, or 0 */
};

enum json_ended {
	JSON_MORE, /* not in this text */
	JSON_DONE, /* the value is the first `at` bytes */
	/* A writer died within it: at `at` a line ends within a string, or begins with "{" where no value can stand. */
	JSON_CUT,
};

/* Goes on from end->at; the bytes before it are still those that were there. How the text grew makes no difference. */
enum json_ended json_end(struct json_end *end, struct str text);

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
	enum json_ended (*end)(struct json_end *end, struct str text);
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
