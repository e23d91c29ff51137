/*
 * One group of one correlation: its moments in order of time, and a tally over the stretch of them that is looked at.
 * Indices count from the oldest moment held. Moments of one time stand in the order they came.
 */
#ifndef KHIEN_MATCH_WINDOW_GROUP_H
#define KHIEN_MATCH_WINDOW_GROUP_H

#include "match/window_tally.h"

struct correlator; /* a correlation at work, see window_state.h */

struct group {
	struct correlator *of;
	struct group *chain;           /* the next one in the same bucket */
	struct group *newer, *quieter; /* neighbours by when a match last came */
	uint64_t hash[2];              /* who it is: keyed hash of correlation and group-by values */
	uint64_t serial;               /* tells groups apart that are due at the same time */
	uint32_t due_at;               /* place in the heap, NO_INDEX: none */
	bool busy;                     /* on the stack: not to be dropped */
	bool was_true;                 /* the condition held for the newest window */
	int64_t fired_at;              /* end of the latest window that fired, TIME_NEVER: none did */
	struct moment *moments;        /* moments[head + 0 .. n) */
	uint32_t head, n, cap;
	uint32_t lo, hi; /* what the tally covers */
	struct tally tally;
	size_t size;     /* of this block, as asked for */
	char *text;      /* group-by values: for each a uint32_t length, then its bytes */
	uint64_t tail[]; /* the tally's inputs, then the text */
};

static inline struct moment *group_at(const struct group *g, uint32_t i)
{
	return &g->moments[g->head + i];
}

/* The first moment at or after a time, and the first behind it. */
uint32_t group_from(const struct group *g, int64_t time);
uint32_t group_behind(const struct group *g, int64_t time);

/*
 * Puts a moment in its place; returns its index, or -ENOMEM (the moment's place stays the caller's). `cap` bounds how
 * many are held: where it is reached, the older half is thinned out so that the condition stays exact for the newest
 * window (see thin()), and *shed counts the moments that gave way. The tally takes the moment in where it falls inside, or is cut back to before it.
 */
int64_t group_insert(struct group *g, struct mem *mem, size_t *account, const struct moment *m, uint32_t cap,
                     uint64_t *shed);
/* Makes the tally cover [lo, hi). -ENOMEM: it covers some other stretch. */
int group_slide(struct group *g, struct mem *mem, size_t *account, uint32_t lo, uint32_t hi);
/* Forgets the k oldest. */
void group_drop(struct group *g, struct mem *mem, size_t *account, uint32_t k);
/* Gives back all that hangs on it, not the block itself. */
void group_done(struct group *g, struct mem *mem, size_t *account);

#endif
