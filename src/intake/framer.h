/*
 * Inside of the framer, shared by the framings. Bytes are gathered in the batch that is being filled, its window, and
 * records are slices of it: nothing is copied twice. A framing looks at the window from `pos`, emits the records it
 * can tell, moves `pos` behind them, and leaves an unfinished one for the next call. What it decides depends on the
 * bytes alone, never on where they were cut.
 */
#ifndef KHIEN_INTAKE_FRAMER_H
#define KHIEN_INTAKE_FRAMER_H

#include "base/buf.h"
#include "base/json.h"
#include "intake/intake.h"

enum frame_when {
	FRAME_MORE,  /* more bytes will come */
	FRAME_QUIET, /* a quiet moment: a value that is whole need not wait for what follows */
	FRAME_IDLE,  /* the same, and groups that wait for further lines are handed on */
	FRAME_END,   /* nothing will come */
};

enum json_place {
	PLACE_TOP,   /* between documents */
	PLACE_ARRAY, /* between elements of a top-level array */
	PLACE_WRAP,  /* between elements of {"Records":[...]} */
	PLACE_TAIL,  /* behind that array, before the closing brace */
};

struct audit_groups;

struct framer {
	struct framer_config c;
	const struct format *format;
	struct intake_counts counts;
	struct batch_pool *pool;
	struct batch *b;   /* the window */
	struct batch *out; /* audit only: where finished groups go */
	uint64_t base;     /* where the window begins in what was fed */
	size_t pos;        /* first byte of the window that is not used up */
	size_t looked;     /* bytes before it hold no end of the record at pos; >= pos */
	uint64_t line;     /* number of the line that pos is in */
	bool odd;          /* NUL or non-ASCII bytes came into the window: look closer */
	bool started;      /* the origin's first bytes were looked at */
	bool skipping;     /* in a record that is not to be had: bytes are dropped until it ends */
	int failed;        /* sticky -errno */

	enum json_place place;
	bool repaired;        /* a broken document was passed over: closing brackets may stand alone */
	struct json_end scan; /* of the value at pos */

	bool in_quotes; /* CSV: at `looked` */
	bool zeek;
	struct buf header; /* of Zeek, as far as it has come */
	struct columns *columns;

	struct audit_groups *audit;
};

static inline struct str framer_rest(const struct framer *f)
{
	return (struct str){ f->b->bytes + f->pos, f->b->n_bytes - f->pos };
}

/* Adds a record to the batch and counts it. */
int framer_emit(struct framer *f, struct batch *b, struct str bytes, uint64_t line);
/* Counts and reports what can't be used. */
void framer_skip(struct framer *f, uint64_t line, const char *reason);
void framer_skip_long(struct framer *f, uint64_t line);
/* Uses up n bytes of the window, counting the line breaks in them. */
void framer_use(struct framer *f, size_t n);
/* Hands the batch on if it has records, and puts a new one in its place that begins with the bytes not used up. */
int framer_hand_on(struct framer *f);

int frame_lines(struct framer *f, enum frame_when when);
int frame_json(struct framer *f, enum frame_when when);
int frame_audit(struct framer *f, enum frame_when when);
int frame_csv(struct framer *f, enum frame_when when);

/* The next line of the window, without its line break, in *line; how many bytes it takes with it; 0: not all there. */
size_t frame_next_line(struct framer *f, enum frame_when when, struct str *line);

/* Drops the rest of a line that is not to be had. True when its end was found. */
bool frame_skip_line(struct framer *f);

/* The first line of the groups that wait; false: none does. */
bool audit_groups_first(const struct audit_groups *g, uint64_t *at, uint64_t *line);
int audit_groups_new(struct audit_groups **ret);
void audit_groups_free(struct audit_groups *g);

/*
 * CSV: the columns that a header names; it is the first record, or the "#" lines of Zeek (`zeek`). -E2BIG: too many;
 * -ENOENT: lines of Zeek that name none.
 */
int columns_new(struct columns **ret, struct str header, bool zeek, struct err *err);
bool columns_is_meta(struct str line); /* a line that begins such a header of Zeek */
struct columns *columns_ref(struct columns *c);
void columns_unref(struct columns *c);

int batch_pool_new(struct batch_pool **ret);
void batch_pool_unref(struct batch_pool *pool);
/* An empty batch with room for cap_bytes; NULL: no memory. */
struct batch *batch_new(struct batch_pool *pool, size_t cap_bytes);

#endif
