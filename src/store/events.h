/*
 * Events at rest: taken, made durable, found again, let go.
 *
 * A store is a const record of functions (struct events_kind); whoever uses one goes through it alone: the
 * embedded one (events_embedded) keeps everything in a folder; a cluster of existing engines can stand behind the same
 * calls. One thread uses a struct events at a time; searching opens one of its own.
 */
#ifndef KHIEN_STORE_EVENTS_H
#define KHIEN_STORE_EVENTS_H

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#include <stdatomic.h>

struct events;

enum { EVENT_DATASET_MAX = 64, EVENT_ID_MAX = 128, EVENT_JSON_MAX = 1 << 20 };

/* An event to be kept. Borrowed for the call. */
struct event_row {
	int64_t time; /* when it happened, µs since 1970 UTC: says which day it belongs to */
	/* It has no time of its own, `time` is when it came: the same event may have been kept under another, from this
	 * one on. 0: only under `time`. */
	int64_t since;
	struct str
	        dataset; /* event.dataset: what is stored together and let go together; 1 to EVENT_DATASET_MAX bytes */
	struct str id; /* khien.id as it stands in json, escapes not undone; the same id in the same dataset at the same
	                  * time is the same event. Empty: it has none */
	struct str json; /* a JSON object, checked; it comes back byte for byte. At most EVENT_JSON_MAX */
};

enum event_verdict { EVENT_KEPT, EVENT_KNOWN /* an event of that id is kept already; nothing was added */ };

/* --- searching --- */

enum event_term_kind {
	TERM_WORD,      /* a word of any value: letters, digits and "_" in a row, cases alike */
	TERM_SUBSTRING, /* stands anywhere in the field's value, or in any value; cases alike (ASCII) */
	TERM_EQUAL,     /* is the field's value, cases alike (ASCII) */
	TERM_TEST,      /* a value that a function says yes to */
};

/* Holds for an event when it holds for one of its values. */
struct event_term {
	enum event_term_kind kind;
	bool negated;     /* it holds for none of them */
	struct str field; /* dotted name; empty: any of `fields`, or where there is none any field */
	/* TERM_TEST: may be empty; else it stands, cases alike (ASCII), in each value that the test says yes to: so that
	 * blocks without it are passed over. */
	struct str text;
	const struct str *fields; /* dotted names */
	size_t n_fields;
	/* A value is given without its JSON escapes, each different one of a block once. Called by two threads at once, so
	 * that it may only read what belongs to arg; says the same each time. */
	bool (*test)(void *arg, struct str value);
	void *arg;
};

enum { EVENT_EXPR_TERMS = 512, EVENT_EXPR_DEPTH = 64 };

enum event_expr_kind { EXPR_TERM, EXPR_AND, EXPR_OR, EXPR_NOT };

/* A tree of terms. At most EVENT_EXPR_TERMS of them, one below another at most EVENT_EXPR_DEPTH times. */
struct event_expr {
	enum event_expr_kind kind;
	struct event_term term;      /* EXPR_TERM */
	const struct event_expr *of; /* the others: what they join; EXPR_NOT has one */
	size_t n;                    /* none: EXPR_AND holds, EXPR_OR doesn't */
};

struct event_query {
	int64_t from, to;           /* event time, µs: from <= t < to; to 0: no bound */
	const struct str *datasets; /* any of these; none: all */
	size_t n_datasets;
	const struct event_expr *where; /* must hold; NULL: all events */
	/* Blocks whose filter says that it holds for none of their events are passed over; events aren't asked. May be NULL.
	 * For who asks them himself, and knows of words that must stand in them. */
	const struct event_expr *blocks;
	bool oldest_first;         /* else the newest first */
	uint64_t limit;            /* 0: all */
	const atomic_bool *cancel; /* looked at all along; may be NULL */
	/* Called between blocks: how much of the whole has been looked at, in the same unit. May be NULL. */
	void (*progress)(void *arg, uint64_t done, uint64_t whole);
	void *progress_arg;
};

/* What a search cost, and what it could not see. */
struct event_found {
	uint64_t events;          /* handed on or counted */
	uint64_t blocks, skipped; /* blocks in the span; of those: passed over thanks to filters */
	uint64_t damaged;         /* blocks that could not be read: events are missing from the answer */
	uint64_t mending;         /* days set aside as damaged, and not yet read as far as they go: the same */
	uint64_t bytes;           /* read from the disk */
	uint64_t rows;            /* events in those blocks, and those not in a block yet: what was searched */
};

/* Returns 0, or non-zero to stop, which ends the search well. Borrowed for the call. */
typedef int event_sink(void *arg, const struct event_row *row);
typedef int count_sink(void *arg, struct str value, uint64_t count);

enum { EVENT_PICK_MAX = 256 };

/* Some fields of an event that was found. Borrowed for the call. */
struct event_picked {
	int64_t time;
	struct str dataset;
	/* Of each field that was asked for, in that order: its values, without JSON escapes. */
	const struct event_field {
		const struct str *values;
		size_t n;
	} * fields;
};
typedef int pick_sink(void *arg, const struct event_picked *event);

/* --- what there is --- */

struct event_usage {
	struct str dataset;
	uint64_t events, stored_bytes, raw_bytes;
	int64_t oldest, newest; /* event time; 0: none */
};
typedef int usage_sink(void *arg, const struct event_usage *usage);

/* How long events of a source are kept. The first whose pattern fits counts. */
struct event_age {
	struct str dataset; /* as fnmatch(3) reads it */
	uint32_t days;      /* 0: as long as there is room */
};

struct event_limits {
	uint64_t max_bytes; /* of the store on disk; the oldest day goes first. 0: no bound */
	uint64_t min_free;  /* bytes that stay free on the file system: below, the oldest day goes too */
	const struct event_age *ages;
	size_t n_ages;
};

/* What enforcing them did, and when the store will be full as it grows now. */
struct event_retention {
	uint64_t dropped_events, dropped_bytes;
	int64_t kept_since;     /* the oldest event left, µs; 0: none */
	uint64_t bytes;         /* stored now */
	uint64_t bytes_per_day; /* how it grew over the last 7 days; 0: not known yet */
	int64_t full_at;        /* when the bound will be met at that pace, µs; 0: not known, or never */
};

/* --- trouble that was met and mended; told once each, in words --- */
typedef void events_note(void *arg, const char *event, const char *what, const char *why);

struct events_config {
	const char *dir;           /* of the embedded store; exists */
	bool read_only;            /* for searching beside a running hub: takes nothing, mends nothing */
	const struct clock *clock; /* borrowed */
	events_note *note;         /* may be NULL */
	void *arg;
};

struct events_counts {
	uint64_t kept, known; /* rows of append */
	uint64_t syncs;       /* fsyncs of the journal */
	uint64_t blocks;      /* sealed */
	uint64_t lost_frames; /* of the journal, found damaged */
	uint64_t lost_days;   /* set aside as damaged */
};

struct events_kind {
	const char *name;
	int (*open)(struct events **ret, const struct events_config *config, struct err *err);
	void (*close)(struct events *s);
	/*
	 * Takes all rows or none; verdict[i] says what became of row i; *seq becomes the number of the first of them
	 * (numbers go on by one per row, known ones too, and never return). Not durable until sync() has returned.
	 * -ENOSPC, -EROFS, -EIO...: none was taken, and what was durable stays so; it may be tried again.
	 */
	int (*append)(struct events *s, const struct event_row *rows, size_t n, uint8_t *verdict, uint64_t *seq,
	              struct err *err);
	/* Everything taken so far is on the disk when it returns 0. */
	int (*sync)(struct events *s, struct err *err);
	/*
	 * Housekeeping, called a few times a second: finishes what is full or old. Bounded to some 10 ms of work, so that
	 * intake goes on.
	 */
	int (*tick)(struct events *s, struct err *err);
	/*
	 * The events that were taken last and may not have been matched, oldest first, with the number of each: at
	 * start, before any append.
	 */
	int (*replay)(struct events *s, int (*fn)(void *arg, uint64_t seq, const struct event_row *row), void *arg,
	              struct err *err);

	/* Searching sees all that was taken, or with read_only all that was synced when it began. */
	int (*find)(struct events *s, const struct event_query *q, event_sink *sink, void *arg,
	            struct event_found *found, struct err *err);
	/* The fields of what is found, at most EVENT_PICK_MAX, in no order: read where they lie, events aren't put together. */
	int (*pick)(struct events *s, const struct event_query *q, const struct str *fields, size_t n, pick_sink *sink,
	            void *arg, struct event_found *found, struct err *err);
	/* How often each value of the field stands in the events of the query, most first. */
	int (*count_by)(struct events *s, const struct event_query *q, struct str field, count_sink *sink, void *arg,
	                struct event_found *found, struct err *err);

	int (*usage)(struct events *s, usage_sink *sink, void *arg, struct err *err);
	int (*enforce)(struct events *s, const struct event_limits *limits, struct event_retention *ret,
	               struct err *err);
	/* A consistent copy into an empty folder, while others write: made of whole files, usable as a store at once. */
	int (*backup)(struct events *s, const char *to, struct err *err);
	struct events_counts (*counts)(const struct events *s);
};

extern const struct events_kind events_embedded;

#endif
