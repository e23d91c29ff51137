/*
 * An arena: memory that is taken piece by piece and given back at once. One per batch, event or load.
 * Not for use from two threads.
 */
#ifndef KHIEN_BASE_ARENA_H
#define KHIEN_BASE_ARENA_H

#include "base/str.h"

struct arena_block;

struct arena {
	struct arena_block *head; /* newest block */
	char *at, *end;           /* free bytes of the newest block */
	size_t held;              /* bytes held from malloc */
	size_t max;               /* never hold more than this; 0: no bound */
};

/* Zero-initialised is an empty arena; set max before use if it is to be bounded. */

/* n bytes aligned to 16, not cleared; NULL when memory or the bound is exhausted. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_zalloc(struct arena *a, size_t n);

/* A copy with a NUL behind it (not counted in n). {NULL, 0} when exhausted. */
struct str arena_copy(struct arena *a, struct str s);
/* Same, printf-style. */
struct str arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Everything taken becomes free; one block is kept, so a steady user stops calling malloc. */
void arena_reset(struct arena *a);
void arena_free(struct arena *a);

#endif
