/*
 * Inside of finding (find*.c): a question made ready, and held against texts, JSON and blocks.
 *
 * A text is compared with its JSON escapes undone. Cases are alike in ASCII; other bytes are compared as they are. A
 * value that is a time (RFC 3339) is looked at only by who names its field: the filters of blocks don't have its words.
 */
#ifndef KHIEN_STORE_FIND_H
#define KHIEN_STORE_FIND_H

#include "base/arena.h"
#include "store/embedded.h"

/* --- find_text.c: a term and texts --- */

struct find_term {
	enum event_term_kind kind;
	bool negated;
	const struct str *fields; /* any of these; none: any field */
	size_t n_fields;
	struct str text;      /* in lower case */
	size_t rare[2];       /* two places in it whose bytes are seldom: they are looked for first */
	bool begins, ends;    /* TERM_WORD: with a part of a word, beside which no other may stand */
	const uint64_t *hash; /* of the words that a block's filter has if the term holds in it; none if negated */
	size_t n_hash;
	bool (*test)(void *arg, struct str value);
	void *arg;
};

/* Borrows nothing but the fields' names and arg. -ENOMEM when the arena is full. */
int find_term_init(struct find_term *ret, const struct event_term *term, struct arena *arena);
/* Whether the term holds for one value; `negated` is not looked at. */
bool find_text(const struct find_term *t, struct str value);
/* Whether the term's text stands in `in`, bounded or not. */
bool find_anywhere(const struct find_term *t, struct str in);

/* Text i ends at ends[i]; it begins where text i - 1 ends. */
struct find_texts {
	uint32_t n;
	const char *bytes;
	const uint32_t *ends;
};

/* Sets hit[i] to 1 for each text that the term holds for; how many. */
uint32_t find_texts(const struct find_term *t, const struct find_texts *texts, uint8_t *hit);

/* Room for texts without their escapes; zero-initialised is empty. */
struct find_room {
	char *bytes;
	uint32_t *ends;
	size_t n_bytes, n_ends;
};
/* The texts with their escapes undone: as they are where there are none, else in `room`, valid until its next use. */
int find_unescape(struct find_texts *texts, struct find_room *room, struct err *err);
void find_room_free(struct find_room *room);

/* --- find_where.c: the expression --- */

/* Of an expression without NOT: the terms are negated instead. */
struct find_node {
	enum event_expr_kind kind;
	uint32_t term;          /* EXPR_TERM: of where->terms */
	struct find_node *kids; /* the cheap ones first */
	size_t n_kids;
	uint32_t cost;        /* of looking at a block, roughly */
	bool filtered;        /* a block's filter may say no */
	const uint64_t *hash; /* of the words that a block's filter has where it holds; of a kid that is a term, too */
	size_t n_hash;
};

struct find_where {
	struct find_term *terms;
	size_t n_terms;
	struct find_node root;
	bool all; /* nothing is asked */
};

/* All is the arena's but what find_term_init() borrows. -E2BIG, -EINVAL: it can't be asked. */
int find_where_init(struct find_where *ret, const struct event_expr *expr, struct arena *arena, struct err *err);

/* Whether it may hold where has() says whether all of some words may be there. */
typedef int find_has(void *arg, const uint64_t *hash, size_t n, bool *ret, struct err *err);
int find_where_may(const struct find_where *w, find_has *has, void *arg, bool *ret, struct err *err);

/* A bit for each term. */
struct find_held {
	uint64_t bits[EVENT_EXPR_TERMS / 64];
};

static inline bool find_has_term(const struct find_held *h, size_t i)
{
	return h->bits[i / 64] >> i % 64 & 1;
}

/* Whether it holds where those terms do, their negation not looked at. `maybe`: negated terms hold in any case. */
bool find_where_holds(const struct find_where *w, const struct find_held *held, bool maybe);

/* --- find_json.c: the expression and one JSON object --- */

struct find_json {
	const struct find_where *where;
	const struct str *fields; /* whose values are gathered */
	size_t n_fields;

	/* Of the last object, valid until the next: the fields' values in its order, and which field each is of. */
	struct find_value {
		struct str text;
		uint32_t field;
	} * values;
	size_t n_values;

	/* private */
	struct find_key {
		struct str key;
		uint32_t parent;
	} * keys;
	size_t n_keys, cap_keys, cap_values;
	struct find_held held; /* the terms that hold for some value */
	struct arena arena;
	bool with_keys, failed;
};

/* Whether it holds. -ENOMEM. */
int find_json(struct find_json *j, struct str json, bool *ret, struct err *err);
void find_json_done(struct find_json *j);

/* --- find_block.c: the expression and a block --- */

enum { FIND_ROWS = CHUNK_ROWS / 64 };

struct find_block {
	struct chunk *chunk; /* opened by the caller */
	const struct find_where *where;
	const atomic_bool *cancel; /* looked at between columns; may be NULL */

	uint64_t rows[FIND_ROWS]; /* a bit for each row that it holds for */

	/* private */
	struct find_room room;
};

/*
 * Fills b->rows with the rows of first <= time <= last that it holds for. *n: how many they are. `times`: of all
 * rows, or NULL: all rows lie in that span, which isn't looked at then. 1: cancelled. -EBADMSG: the block is
 * damaged.
 */
int find_block(struct find_block *b, const int64_t *times, int64_t first, int64_t last, uint32_t *n, struct err *err);
void find_block_done(struct find_block *b);

static inline bool find_row(const struct find_block *b, uint32_t row)
{
	return b->rows[row / 64] >> row % 64 & 1;
}

/* --- find_search.c: a question and the store --- */

struct find_search {
	struct events *store;
	const struct event_query *q;
	int64_t first, last; /* the span: both are in it */
	struct event_found *found;
	struct find_where where, blocks;
	struct find_block block;
	struct find_json json;
	struct day *day; /* the one that is gone through */

	/* private */
	struct find_ahead *ahead; /* NULL: nobody works ahead */
	size_t at;                /* of the day's blocks, the one that is visited */
	uint64_t opened;          /* blocks so far */
	uint64_t done, whole;     /* for q->progress */
	struct arena arena;
	struct find_reader {
		struct day_reader day;
		struct find_search *search;
	} reader;
};

/* -EINVAL, -E2BIG: a question that can't be asked. find_search_done() in any case. */
int find_search_begin(struct find_search *s, struct events *store, const struct event_query *q,
                      struct event_found *found, struct err *err);
void find_search_done(struct find_search *s);

/* The events that are not in a block and that it holds for, in no order. */
int find_search_loose(struct find_search *s, int (*fn)(void *arg, uint64_t seq, const struct event_row *row), void *arg,
                      struct err *err);

/*
 * Goes through the days of the span, and in each through the blocks of the span and datasets, by the first time that
 * matters in the order asked for. `day` is called behind the blocks of each. Both return 0, 1 to stop, which then is
 * returned, or -errno.
 */
struct find_visit {
	int (*block)(void *arg, const struct day_block *block, struct err *err);
	int (*day)(void *arg, int32_t day, struct err *err);
	void *arg;
};
int find_search_blocks(struct find_search *s, const struct find_visit *visit, struct err *err);

/*
 * Opens a block of s->day and finds its rows between two times: s->block.rows. *n, how many: 0 also when the filter
 * says that there are none, or when it can't be read; both are counted. *times (may be NULL: not wanted) of all rows.
 */
int find_search_rows(struct find_search *s, const struct day_block *block, int64_t first, int64_t last,
                     const int64_t **times, uint32_t *n, struct err *err);
/* Opens it only. */
int find_search_open(struct find_search *s, const struct day_block *block, struct err *err);
/* Whether the error is one of a damaged block, which then is counted: the search goes on without it. */
bool find_search_damaged(struct find_search *s, int code);

/* The same, whether somebody works ahead or not. */
int find_search_rows_alone(struct find_search *s, const struct day_block *block, int64_t first, int64_t last,
                           const int64_t **times, uint32_t *n, struct err *err);

/* --- find_ahead.c: a second thread that searches the day's next blocks --- */

/* NULL when there can't be one: a store that is written to, one core. blocks[from..n) are still to be visited. */
struct find_ahead *find_ahead_begin(struct find_search *s, int32_t day, const struct day_block *blocks, size_t from,
                                    size_t n);
/*
 * What is known of block `at`, to which the search has come: true with its rows in s->block.rows and their number, false
 * when it is the caller's to search. While the other thread is at it, this one searches blocks behind it.
 */
bool find_ahead_rows(struct find_ahead *a, size_t at, uint32_t *n);
void find_ahead_end(struct find_ahead *a);

/* --- find_merge.c: what was found in each block becomes one row of events --- */

struct find_merge;

/* Both are borrowed. */
int find_merge_new(struct find_merge **ret, struct find_search *s, event_sink *sink, void *arg, struct err *err);
void find_merge_free(struct find_merge *m);
/* An event that is in no block; it is copied. */
int find_merge_loose(struct find_merge *m, uint64_t seq, const struct event_row *row, struct err *err);
/* There are no more of those. */
int find_merge_loose_end(struct find_merge *m, struct err *err);
/* Searches the block and takes what is found. 1: neither it nor what comes behind it matters any more. */
int find_merge_block(struct find_merge *m, const struct day_block *block, struct err *err);
/* Hands on what comes before this time, in the order asked for. 1: enough. */
int find_merge_before(struct find_merge *m, int64_t time, struct err *err);
/* Hands on the rest. */
int find_merge_all(struct find_merge *m, struct err *err);

#endif
