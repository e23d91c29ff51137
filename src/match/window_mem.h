/*
 * Memory under a bound, for state that lives long: blocks of 64, 128, 256... bytes, counted against the bound and
 * against an account of the caller's. Small blocks that come back are kept and handed out again, so a steady user, or
 * a flood whose every new group pushes an old one out, never gets as far as malloc.
 */
#ifndef KHIEN_MATCH_WINDOW_MEM_H
#define KHIEN_MATCH_WINDOW_MEM_H

#include <stdbool.h>
#include <stddef.h>

enum { MEM_SHIFT = 6, MEM_KEPT_CLASSES = 6 }; /* 64 B up to 2 KiB are kept */

struct mem {
	size_t max;
	size_t used;                  /* bytes handed out */
	size_t spare;                 /* bytes kept for reuse */
	void *kept[MEM_KEPT_CLASSES]; /* linked through their first word */
	/* The bound is reached: give some blocks back with mem_put(). False: nothing is left to give. */
	bool (*reclaim)(void *arg);
	void *arg;
};

/* The size of the block that n bytes get. */
size_t mem_size(size_t n);
/* At least n bytes, not cleared, aligned as malloc's; NULL when nothing can be reclaimed. */
void *mem_get(struct mem *m, size_t *account, size_t n);
/* n as it was asked for. p may be NULL. */
void mem_put(struct mem *m, size_t *account, void *p, size_t n);
void mem_done(struct mem *m);

#endif
