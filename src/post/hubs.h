/*
 * Which hub is spoken to, and when: the first that answers, in the order of preference; back to a preferred one after a
 * while; the longer nobody answers the rarer, never all posts at once (exponential backoff with jitter).
 */
#ifndef KHIEN_POST_HUBS_H
#define KHIEN_POST_HUBS_H

#include "base/clock.h"

#include <stdbool.h>

struct hubs {
	unsigned n, at; /* the one that is spoken to */
	unsigned from;  /* while `trying` a preferred one: where to return to */
	bool trying;
	unsigned failures;  /* in a row, of all of them */
	int64_t not_before; /* monotonic: nothing is asked sooner */
	int64_t back_at;    /* when a preferred one is tried next; 0: it is spoken to */
	unsigned backs;     /* how often that was in vain */
	uint64_t salt;      /* of the jitter */
};

void hubs_init(struct hubs *h, unsigned n, uint64_t salt);
/* Which to ask now; -1: none yet. */
int hubs_choose(struct hubs *h, int64_t now);
void hubs_answered(struct hubs *h, int64_t now);
/* No answer, or one that says that it can't. wait: what it asked for itself (µs), 0: nothing. */
void hubs_failed(struct hubs *h, int64_t now, int64_t wait);
/* It refuses this post: no other is asked to, but seldom. */
void hubs_denied(struct hubs *h, int64_t now);
/* It said when: it is busy, not broken. */
void hubs_wait(struct hubs *h, int64_t now, int64_t wait);

#endif
