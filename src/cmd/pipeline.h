/*
 * Batches of records in, matches out: parses and matches on several threads, hands on in the order of the records, and
 * runs the correlations over what comes out. Bounded: pipeline_push() waits while enough is under way.
 */
#ifndef KHIEN_CMD_PIPELINE_H
#define KHIEN_CMD_PIPELINE_H

#include "base/buf.h"
#include "intake/intake.h"
#include "intel/event.h"
#include "match/window.h"

struct pipeline;

struct pipeline_config {
	const struct engine *engine;
	struct window_config windows;
	const struct intel_set *indicators; /* that values are looked up in; NULL: none. Rules: known_ask() */
	int threads;                        /* 1: everything happens in pipeline_push() */
	bool merge; /* several logs come one after the other: correlations run at the end, over all in order of time */
	/* Writes a match as the output shows it; called by any thread. NULL: nothing is rendered. */
	void (*render)(const void *arg, struct buf *out, const struct match *m);
	/* Called in the order of the records, one at a time: a rule that matched, and its rendered form. -errno: stop. */
	int (*emit)(void *arg, uint32_t rule, struct str rendered);
	/* A record that no event could be made of; one at a time. */
	skip_sink *skip;
	void *arg; /* for all three */
};

struct pipeline_counts {
	struct match_counts match;
	struct window_counts windows;
	uint64_t known;   /* events with a value that is known to be bad */
	uint64_t skipped; /* records that no event could be made of */
	uint64_t shed;    /* matches too many to be merged: no correlation saw them */
};

int pipeline_new(struct pipeline **ret, const struct pipeline_config *config, struct err *err);
/* A batch_sink: takes the batch, whose origin must outlive the pipeline. -errno: a thread failed, or emit said stop. */
int pipeline_push(void *pipeline, struct batch *b);
/* What pipeline_push() would say now. */
int pipeline_failed(struct pipeline *p);
/* Waits for all that is under way. With `end`, open windows are judged as well. 0 or the first -errno. */
int pipeline_finish(struct pipeline *p, bool end);
/* After pipeline_finish(). */
void pipeline_counts(const struct pipeline *p, struct pipeline_counts *ret);
void pipeline_free(struct pipeline *p);

#endif
