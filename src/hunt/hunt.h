/*
 * Hunting: questions that people write, over the events of a store. docs/hunt.md tells the language.
 *
 *   host:web1 AND (status>=500 OR "select *") | count by src_ip | top 20
 *
 * A hunt is text -> struct hunt (hunt_parse) -> rows (hunt_run). It is immutable once parsed.
 */
#ifndef KHIEN_HUNT_HUNT_H
#define KHIEN_HUNT_HUNT_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/events.h"

struct hunt;

enum { HUNT_TEXT_MAX = 16 << 10 };

/* Where a text went wrong, and what to write instead. */
struct hunt_error {
	size_t at, n; /* bytes of the text; n may be 0 */
	char what[320];
};

/* text: UTF-8. -EINVAL: *error says what is wrong. -ENOMEM. */
int hunt_parse(struct hunt **ret, struct str text, struct hunt_error *error);
void hunt_free(struct hunt *h);
/* The same hunt, as khien would write it: what reads back as the same. */
void hunt_print(const struct hunt *h, struct buf *out);

/* --- fields --- */

/* A short name and what it stands for: the first of them that an event has. */
struct hunt_alias {
	const char *name;
	const char *const *fields; /* ends with NULL */
	bool text;                 /* prose: "field:value" looks for words in it */
	const char *what;
};
const struct hunt_alias *hunt_aliases(size_t *n);

/* --- running --- */

struct hunt_limits {
	uint64_t rows;   /* handed on; 0: all */
	uint64_t groups; /* counted apart; 0: HUNT_GROUPS */
	uint64_t held;   /* rows held in memory to be sorted; 0: HUNT_HELD */
	uint64_t bytes;  /* of groups, and of rows that are held; 0: HUNT_BYTES */
	int64_t time;    /* µs of the clock; 0: no bound */
	uint64_t blocks; /* of the store that are looked at; 0: no bound */
};

enum { HUNT_GROUPS = 500000, HUNT_HELD = 100000, HUNT_BYTES = 256 << 20, HUNT_COLUMNS = 64 };

enum hunt_cell_kind { CELL_NONE, CELL_TEXT, CELL_NUMBER, CELL_TIME };

struct hunt_cell {
	enum hunt_cell_kind kind;
	struct str text;
	double number;
	int64_t time; /* µs since 1970 UTC */
};

/* Of an event that was found, or of a row that was made of some. */
struct hunt_line {
	const struct event_row *event; /* NULL: a made one */
	const struct hunt_cell *cells; /* by column; none for an event as it is */
	size_t n;
};

/* What becomes of the answer. Names of columns come once, before the first row, or at the end where there is none. */
struct hunt_sink {
	int (*columns)(void *arg, const struct str *names, size_t n); /* n 0: events as they are */
	int (*row)(void *arg, const struct hunt_line *row);           /* non-zero: stop, which is no error */
	void *arg;
};

/* Why an answer may not be whole; several at once. */
enum hunt_lack {
	HUNT_CANCELLED = 1, /* by the caller's cancel, or because the sink had enough */
	HUNT_LATE = 2,      /* limits.time */
	HUNT_BLOCKS = 4,    /* limits.blocks */
	HUNT_SHED = 8,      /* groups or rows that didn't fit: `shed` */
	HUNT_DAMAGED = 16,  /* found.damaged, found.mending */
	HUNT_GAVE_UP = 32,  /* regular expressions that were stopped at their bound: `gave_up` */
};

struct hunt_result {
	struct event_found found;
	uint64_t rows;    /* handed on */
	uint64_t shed;    /* events that no group had room for, or rows that were not held */
	uint64_t without; /* events that have not all fields that are counted by */
	uint64_t gave_up; /* values that a regular expression took too long with */
	unsigned lacks;   /* enum hunt_lack */
	bool limited;     /* there was more than limits.rows */
};

struct hunt_question {
	int64_t from, to; /* as in struct event_query */
	const struct str *datasets;
	size_t n_datasets;
	bool oldest_first;
	struct hunt_limits limits;
	const struct clock *clock;
	const atomic_bool *cancel;                                  /* may be NULL */
	void (*progress)(void *arg, uint64_t done, uint64_t whole); /* may be NULL */
	void *progress_arg;
};

/*
 * Runs it over a store, in the caller's thread. Bounded in memory by limits. -EINVAL: it can't be run, *err says why;
 * what is lacking of an answer is no error, but stands in ret->lacks.
 */
int hunt_run(const struct hunt *h, const struct events_kind *kind, struct events *store, const struct hunt_question *q,
             const struct hunt_sink *sink, struct hunt_result *ret, struct err *err);

/* "incomplete because ..." of a result: words for a person; nothing where it is whole. */
void hunt_lacks(const struct hunt_result *r, struct buf *out);

/* How it will be run, in a few lines for a person. */
void hunt_explain(const struct hunt *h, struct buf *out);

/* The hunt as a Sigma rule (docs/sigma.md). -EINVAL: it can't be one; *error says where and why. */
int hunt_rule(const struct hunt *h, const char *title, struct buf *out, struct hunt_error *error);

/* Whether events come as they are, in no columns. */
bool hunt_is_events(const struct hunt *h);
/* What it looks for, to be marked where it is shown; how many of `most`. Valid as long as the hunt. */
size_t hunt_marks(const struct hunt *h, struct event_term *to, size_t most);

#endif
