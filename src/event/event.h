/*
 * An event: one log record as the rules see it. Filled by a format in intake/, read by match/. One struct event is
 * reused for record after record: after warm-up it allocates nothing.
 */
#ifndef KHIEN_EVENT_EVENT_H
#define KHIEN_EVENT_EVENT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "event/fields.h"

enum value_type { VALUE_TEXT, VALUE_NUMBER, VALUE_BOOL, VALUE_NULL };

/* A field may have several values (a JSON array, repeated keys, the lines of one audit record). */
struct value {
	struct str text;   /* escapes undone; number and bool as written; "" for null */
	struct str folded; /* event_folded() fills it; p is NULL until then */
	uint32_t next;     /* the next value of the same field, 0: none */
	uint8_t type;      /* enum value_type */
};

/* Name and value of everything in the record, asked for or not: for keywords and for showing an event. */
struct pair {
	struct str name; /* dotted path, as received */
	struct str text;
	uint8_t type;
};

enum { EVENT_MAX_VALUES = 65535, EVENT_MAX_PAIRS = 16384 };

struct event {
	const struct fields *fields;
	struct str raw;      /* the record as it came; borrowed, valid until the next reset */
	const char *file;    /* where it came from; borrowed */
	uint64_t line;       /* first line of the record in `file`, from 1 */
	const char *format;  /* name of the format that read it; a static string */
	int64_t time;        /* µs since 1970 UTC as the format knew it, 0: unknown; use event_time() */
	bool keyword_raw;    /* keywords search the whole of `raw` (text formats) beside the values */
	uint32_t duplicates; /* keys that stood twice in one JSON object; both values are looked at */
	uint32_t shed;       /* values not kept because a bound was reached */

	uint32_t *first;   /* by field id: index of its first value, 0: absent */
	uint32_t *last;    /* by field id: index of its last value */
	uint32_t *touched; /* ids with a value */
	uint32_t n_touched;
	struct value *values; /* index 0 is never a value */
	uint32_t n_values, cap_values;

	struct pair *pairs;
	uint32_t n_pairs, cap_pairs;
	bool has_pairs;                  /* pairs is complete; else event_pairs() makes it so */
	int (*expand)(struct event *ev); /* fills pairs from raw; set by formats that put asked-for fields only */

	struct arena scratch; /* bytes that live as long as this record */
};

int event_init(struct event *ev, const struct fields *fields);
void event_done(struct event *ev);
/* Empties it for the next record; memory stays. */
void event_reset(struct event *ev);

/* Adds a value to a field by id. text is borrowed until the next reset. 0, or -E2BIG / -ENOMEM with `shed` counted. */
int event_put(struct event *ev, uint32_t field, struct str text, enum value_type type);
/* Adds a pair, and its value to every field whose path is `name`. For formats that know all names of a record. */
int event_put_named(struct event *ev, struct str name, struct str text, enum value_type type);
/* Takes all values of a field away. Pairs stay. */
void event_drop(struct event *ev, uint32_t field);
/* Adds a pair only. For expand(). */
int event_put_pair(struct event *ev, struct str name, struct str text, enum value_type type);

static inline const struct value *event_value(const struct event *ev, uint32_t field)
{
	uint32_t i = ev->first[field];
	return i ? &ev->values[i] : NULL;
}

static inline const struct value *event_next(const struct event *ev, const struct value *v)
{
	return v->next ? &ev->values[v->next] : NULL;
}

/* A folded text has so many NUL bytes behind it, so that a scanner may read past its end. */
enum { EVENT_PAD = 64 };

/*
 * The case-folded text of a value, made once per record, EVENT_PAD behind it. When memory ends: an empty text, and
 * `shed` is counted.
 */
struct str event_folded(struct event *ev, const struct value *v);

/* Case-folds any text into the event's memory, in the same way. */
struct str event_fold(struct event *ev, struct str text);

/* All names and values. The array is valid until the next reset. */
const struct pair *event_pairs(struct event *ev, uint32_t *n);

/* When it happened, µs since 1970 UTC: `time`, else parsed from FIELD_TIME, else 0. */
int64_t event_time(struct event *ev);

/*
 * Reads a point in time: RFC 3339 (any fraction, Z or offset), the same with a blank and without an offset (UTC),
 * epoch seconds, milliseconds, microseconds or nanoseconds (told by size), "17/May/2015:10:05:03 +0000". µs since
 * 1970 UTC; false when it is none of these.
 */
bool event_parse_time(struct str s, int64_t *us);

#endif
