/* From a framer to the taker, batch by batch, and what waits in between. Inside of collect. */
#ifndef KHIEN_COLLECT_INLET_H
#define KHIEN_COLLECT_INLET_H

#include "collect/collect.h"

/* Batches that one read of 64 kB and the end of a log can leave. */
enum { INLET_KEPT = 16 };

struct inlet {
	const struct taker *taker;
	struct origin *origin;
	struct batch *kept[INLET_KEPT]; /* oldest first: the taker had no room */
	size_t n_kept;
};

/* A batch_sink and a skip_sink; arg is the inlet. A batch that finds no room is kept, and the framer goes on. */
int inlet_take(void *inlet, struct batch *b);
void inlet_skip(void *inlet, const char *name, uint64_t line, const char *reason);
/* Tries what is kept. 0: nothing is left; -EAGAIN; -errno: end. */
int inlet_retry(struct inlet *in);
/* Drops what is kept. How many records that were. */
uint64_t inlet_drop(struct inlet *in);
/* The record furthest up in the log among those kept; NULL: none is. */
const struct record *inlet_first(const struct inlet *in);

static inline bool inlet_full(const struct inlet *in)
{
	return in->n_kept != 0;
}

#endif
