/*
 * Matches of several logs, put in the order of event time: logs that were written side by side and are read one after
 * the other. Correlations need it.
 */
#ifndef KHIEN_MATCH_GATHER_H
#define KHIEN_MATCH_GATHER_H

#include "match/match.h"

struct gathered {
	struct match *match;
	size_t order; /* in which it came */
};

struct gather {
	struct arena arena; /* set max to bound it; the copies live here */
	struct gathered *at;
	size_t n, cap;
	uint64_t shed; /* matches that did not fit */
};

enum { GATHER_MAX_MATCHES = 1 << 18, GATHER_MAX_BYTES = 128 << 20 };

void gather_init(struct gather *g);
void gather_done(struct gather *g);
/* A match_sink: keeps a copy; one beyond the bounds is counted. -ENOMEM. */
int gather_add(void *gather, const struct match *m);
/* No more can be added. */
bool gather_full(const struct gather *g);
/* As gather_tell, but only those up to a time; the others stay. -ENOMEM. */
int gather_tell_until(struct gather *g, int64_t time, match_sink *sink, void *arg);
/* Hands all on by time, those of one time as they came; one without a time stands where it was read. Empties it. */
int gather_tell(struct gather *g, match_sink *sink, void *arg);

#endif
