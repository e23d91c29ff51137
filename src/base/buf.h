/* A growing buffer with a bound. Zero-initialised is empty; max 0 means 64 MiB. */
#ifndef KHIEN_BASE_BUF_H
#define KHIEN_BASE_BUF_H

#include "base/str.h"

struct buf {
	char *p;
	size_t n, cap;
	size_t max;
	bool failed; /* an append did not fit; what was there stays, later appends are refused */
};

/* Room for n more bytes at p + n: the place to write to, or NULL (and `failed`). */
char *buf_room(struct buf *b, size_t n);
void buf_add(struct buf *b, struct str s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* s as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void buf_add_json(struct buf *b, struct str s);
void buf_free(struct buf *b);

static inline struct str buf_str(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}

#endif
