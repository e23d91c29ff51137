/*
 * Which log sources an event comes from. Events of one kind have the same few values in the fields that routes ask
 * for, so the answer is remembered by those values: each distinct combination is evaluated once.
 */
#ifndef KHIEN_MATCH_ROUTE_H
#define KHIEN_MATCH_ROUTE_H

#include "match/eval.h"

enum { ROUTE_SLOTS = 1024, ROUTE_KEY_MAX = 256, ROUTE_SOURCES_MAX = 24 };

struct route_slot {
	uint64_t hash;
	uint16_t key_len; /* 0: free */
	uint16_t n_sources;
	uint16_t sources[ROUTE_SOURCES_MAX];
	char key[ROUTE_KEY_MAX];
};

struct router {
	struct route_slot *slots; /* ROUTE_SLOTS, by hash; a newcomer takes its place */
	uint8_t *seen;            /* by source */
	uint16_t *answer;         /* one that isn't remembered */
};

int router_init(struct router *r, const struct ruleset *rs);
void router_done(struct router *r);

/* The sources of the event that `e` has begun, ascending; valid until the next call. */
const uint16_t *router_sources(struct router *r, struct eval *e, uint32_t *n);

#endif
