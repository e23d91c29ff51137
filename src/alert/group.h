/*
 * Matches -> alerts: matches of one rule, host, user and source address are one alert that counts.
 *
 * The first match of a group is news; the further ones count. A match belongs to the open group when its event time is
 * at most `quiet` away from the group's stretch of time, and not more than `longest` from its first; else the group is
 * over and a new one begins. User and address are those of struct match; see event/who.h.
 *
 * Two clocks: event times say which matches belong together. `now` (µs of any clock that only goes forward: monotonic
 * time; event time where a recording is played) says when a group is over because nothing came, and how long people
 * have waited to hear of it again. State is bounded; a match that finds no room stands alone, and is counted.
 */
#ifndef KHIEN_ALERT_GROUP_H
#define KHIEN_ALERT_GROUP_H

#include "match/match.h"

struct groups;

struct groups_config {
	int64_t quiet;   /* a group is over when nothing came for so long; 0: 5 minutes */
	int64_t longest; /* from the first to the last; 0: 1 hour */
	int64_t again;   /* one that grows is news at least so often; 0: 5 minutes */
	uint32_t max;    /* groups open at a time; 0: 4096 */
};

enum group_news {
	GROUP_NEW,   /* its first match */
	GROUP_MORE,  /* it has grown tenfold, or for `again` */
	GROUP_OVER,  /* it is over, and has grown since it was news */
	GROUP_ALONE, /* a match that found no room; `count` is 1 */
};

/* An alert. Texts are borrowed, valid during the sink's call; long ones are cut. */
struct group {
	char id[17]; /* of rule, host, user, address and first time: the same wherever it is worked out */
	uint32_t rule;
	struct str host, user, address; /* empty: not known */
	uint64_t count;                 /* matches */
	int64_t first, last;            /* event times, µs since 1970 UTC; 0: no match had one */
};

/* m: the match that is the news, NULL with GROUP_OVER. Returns 0, or -errno to stop. */
typedef int group_sink(void *arg, enum group_news news, const struct group *g, const struct match *m);

struct groups_counts {
	uint32_t open;
	uint64_t counted; /* matches that were no news */
	uint64_t alone;
};

/* rs is borrowed. */
int groups_new(struct groups **ret, const struct ruleset *rs, const struct groups_config *config, struct err *err);
void groups_free(struct groups *g);

int groups_add(struct groups *g, const struct match *m, int64_t now, group_sink *sink, void *arg);
/* `now` has come: ends what was quiet for too long. */
int groups_advance(struct groups *g, int64_t now, group_sink *sink, void *arg);
/* Ends all, in the order of their last match. */
int groups_flush(struct groups *g, group_sink *sink, void *arg);
/* Rules are others now: rule i of the old ruleset is map[i] in rs. NO_INDEX: it is gone, and its groups end. */
int groups_remap(struct groups *g, const struct ruleset *rs, const uint32_t *map, group_sink *sink, void *arg);
struct groups_counts groups_counts(const struct groups *g);

#endif
