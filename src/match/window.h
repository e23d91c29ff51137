/*
 * Correlations over time (Sigma correlation rules 2.1): matches in, matches of correlation rules out.
 *
 * Windows slide over event time and are kept per correlation and group. A match that is late by up to `lateness`
 * takes its place in time; one that is later is counted and not used. A match without a time takes the newest time
 * seen. State is bounded: when it is full, the group that was quiet longest goes first, and is counted.
 *
 * A group fires when its condition becomes true, and again at most once per timespan while it stays true. A condition
 * with an upper bound (lt, lte, eq, neq) can only be known when the window is over: it is judged a timespan after the
 * window's first event, on the clock of event time, or at window_flush(). A chained correlation sees the matches of
 * another like events, at the time of the last event that made it up.
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
	uint64_t shed_groups; /* groups dropped because state was full */
	uint64_t shed_events; /* events dropped from a group that had reached its bound */
	uint64_t no_group;    /* matches that lack a group-by field: not used, as Sigma groups by value */
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
/* The input is at its end: judges every open window that has an upper bound. */
int windows_flush(struct windows *w, match_sink *sink, void *arg);
const struct window_counts *windows_counts(const struct windows *w);

#endif
