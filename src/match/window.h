/*
 * Correlations over time (Sigma correlation rules 2.1): matches in, matches of correlation rules out.
 *
 * Windows slide over event time and are kept per correlation and group; the events of a window lie at most a timespan
 * apart. Groups go by the exact bytes of their values. A match that is late by up to `lateness` takes its place in
 * time; one that is later is counted and not used, but after 64 such in a row it is the clock that is taken to be
 * wrong, and goes back to them. A match without a time takes the newest time seen. State is bounded: when it is full,
 * the group that was quiet longest goes first, and is counted; a correlation that keeps to its equal share of memory
 * never loses one to the others.
 *
 * A group fires when its condition becomes true, and again at most once per timespan while it stays true. It is judged
 * at each of its matches; a late one is judged in the windows that it completes, and they fire unless another that
 * ended less than a timespan away did. A condition with an upper bound (lt, lte, eq, neq) can only be known when the
 * window is over: one that begins with the group's first event is judged when event time is a timespan and `lateness`
 * past it, so that no match can still come, or at windows_flush(); the next begins with the first event behind it. A
 * chained correlation sees the matches of another like events, at the time of the last event that made it up.
 *
 * Temporal types count the different rules that matched; without a condition all must. temporal_ordered counts how
 * many did in order, from the first on. A percentile is interpolated between the two nearest values.
 *
 * The match of a correlation has the group-by fields under the names as written, and the result: "count(user)",
 * "sum(bytes)", "avg(bytes)" or "percentile(bytes)". It carries the same, the result under the field's own name, and, unless it was judged when its window was over, what
 * its last match carried.
 */
#ifndef KHIEN_MATCH_WINDOW_H
#define KHIEN_MATCH_WINDOW_H

#include "match/match.h"

struct windows;

struct window_config {
	int64_t lateness; /* µs; 0: 5 minutes */
	size_t max_bytes; /* of state; 0: 64 MiB */
};

struct window_counts {
	uint64_t late;        /* matches later than `lateness`: not used */
	uint64_t clock_back;  /* times that the clock of event time was found wrong and set back */
	uint64_t shed_groups; /* groups dropped because state was full */
	uint64_t shed_events; /* events that gave way in a group that had reached its bound */
	uint64_t no_group;    /* matches that lack a group-by field: not used, as Sigma groups by value */
	uint64_t no_value;    /* matches that lack the field of the condition, or it is no number: not used */
	uint64_t groups;      /* groups now held */
	size_t bytes;         /* of state now held */
};

/* rs is borrowed and must outlive it. */
int windows_new(struct windows **ret, const struct ruleset *rs, const struct window_config *config, struct err *err);
void windows_free(struct windows *w);

/* Feeds one match of a rule with `feeds` set; calls sink for each correlation that fires, also chained ones. */
int windows_feed(struct windows *w, const struct match *m, match_sink *sink, void *arg);
/* Event time has come this far, though nothing matched: judges windows that are over. */
int windows_advance(struct windows *w, int64_t now, match_sink *sink, void *arg);
/* The newest event time it has come to; INT64_MIN: nothing has been seen. */
int64_t windows_now(const struct windows *w);
/* The input is at its end: judges every open window that has an upper bound. */
int windows_flush(struct windows *w, match_sink *sink, void *arg);
/*
 * Rules were loaded anew: what `old` remembers moves over to w, which is fresh and has seen nothing. from[i] is the
 * correlation of old that correlation i of w is the same as (same_correlation()), NO_INDEX: it starts anew. Time and
 * counts go along. `old` is to be freed. -ENOMEM: some groups are not judged when they are over.
 */
int windows_keep(struct windows *w, struct windows *old, const uint32_t *from);
const struct window_counts *windows_counts(const struct windows *w);

#endif
