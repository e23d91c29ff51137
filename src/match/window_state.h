/*
 * What the files of window share: correlations at work and the table of their groups.
 */
#ifndef KHIEN_MATCH_WINDOW_STATE_H
#define KHIEN_MATCH_WINDOW_STATE_H

#include "match/window.h"
#include "match/window_group.h"

#include <sodium.h>

/* Times are kept inside these, so that sums of a few never overflow. */
#define TIME_NEVER (INT64_MIN / 2)
#define TIME_MAX   ((int64_t)1 << 60)

/* A correlation at work. */
struct correlator {
	const struct correlation *def;
	uint32_t index; /* in CORRELATIONS */
	uint64_t seed;  /* of the hashes of its groups; stays with them when rules are loaded anew */
	int64_t timespan;
	int64_t lag;    /* a match may come so late on the clock of event time and still count */
	bool when_over; /* has an upper bound: windows are judged when they are over */
	double least;   /* the result must reach this too: temporal types without a condition want every input */
	uint32_t cap;   /* moments that a group may hold */
	size_t bytes;   /* of its groups */
	struct group *newest, *quietest;
	struct str *values; /* of the group-by fields of the match at hand */
	uint32_t *same;     /* see struct tally */
	/* What it says when it fires: group-by fields, then the result, then the result under the name of the field;
	 * behind them what the match at hand carries. */
	struct match_field *fields;
	uint32_t cap_fields;
	char result_name[128];
	char result_text[32];
};

/* A correlation, and the input of it that a rule is. */
struct link {
	uint32_t correlation, input;
};

struct windows {
	const struct ruleset *rs;
	struct window_counts counts;
	struct mem mem;
	int64_t lateness;
	int64_t now;   /* event time; TIME_NEVER: nothing seen yet */
	uint32_t late; /* matches in a row that were too late */
	struct correlator *correlators;
	uint32_t *links_at; /* n_rules + 1: links[links_at[rule] .. links_at[rule + 1]) */
	struct link *links;

	/* Groups by hash. The key is random, so that nobody can choose values that meet in one bucket. */
	unsigned char key[crypto_shorthash_siphashx24_KEYBYTES];
	struct group **buckets;
	uint32_t n_buckets; /* a power of two */
	uint64_t serial, next_seed;
	uint32_t asking; /* the correlation that memory is wanted for */

	/* Groups by when their oldest window is over: a binary heap. */
	struct group **due;
	uint32_t n_due, cap_due;
};

static inline size_t *group_account(struct group *g)
{
	return &g->of->bytes;
}

/* Whether nothing that may still come can share a window with what the group holds. */
static inline bool group_is_past(const struct windows *w, const struct group *g)
{
	return !g->of->when_over && g->n && group_at(g, g->n - 1)->time < w->now - g->of->lag - g->of->timespan;
}

/* The event time after which the group's oldest window can get no more matches. */
static inline int64_t group_due(const struct group *g)
{
	return group_at(g, 0)->time + g->of->timespan + g->of->lag;
}

/* window_table.c */

/* values: of the group-by fields, in order. Makes the group if there is none; NULL: memory is at its end. */
struct group *table_group(struct windows *w, struct correlator *c, const uint64_t hash[2], const struct str *values);
void table_drop(struct windows *w, struct group *g);
/* Drops up to `most` groups of c whose time has passed. */
void table_expire(struct windows *w, struct correlator *c, uint32_t most);
/* Puts a group to its place among those that are due, or moves it there; takes it out when it is empty. */
int table_set_due(struct windows *w, struct group *g);
/* mem's hook */
bool table_reclaim(void *arg);

/* window_judge.c */

/* m has become moment `at` of g: judges the windows it stands in. g may be gone afterwards. */
int judge_moment(struct windows *w, struct group *g, uint32_t at, const struct match *m, match_sink *sink, void *arg);
/* Event time moves on to `now`: judges, in order, the windows that are over by then. */
int judge_due(struct windows *w, int64_t now, match_sink *sink, void *arg);

/* window_feed.c */

/* A match that happened at `time`, to the correlations behind `after` that refer to its rule. */
int windows_spread(struct windows *w, const struct match *m, int64_t time, int64_t after, match_sink *sink, void *arg);

#endif
