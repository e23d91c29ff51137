/*
 * Rows on their way from the store to the one who asked: each command is a step that is pushed rows and pushes its own
 * to the next. For the files of hunt/ only.
 */
#ifndef KHIEN_HUNT_FLOW_H
#define KHIEN_HUNT_FLOW_H

#include "hunt/where.h"

/* Borrowed for the push. */
struct row {
	const struct hunt_cell *cells;    /* by column */
	const struct event_field *fields; /* by column: all values of it; NULL: a made row */
	const struct event_field *all;    /* the same, of all fields that the column's name stands for */
	const struct event_row *event;    /* NULL: a made row, or nobody wants it */
};

struct flow;

struct step {
	/* 0; 1: no more rows are wanted; -errno. */
	int (*push)(struct step *s, const struct row *row);
	int (*end)(struct step *s); /* no more rows come: pushes what it held, then ends the next */
	void (*done)(struct step *s);
	struct flow *flow;
	struct step *next;
	const struct hunt_stage *stage;
	const struct str *names; /* columns of what is pushed to it */
	size_t n;
};

/* Where a column's values come from. */
struct source_column {
	enum { FROM_FIELDS, FROM_TIME, FROM_DATASET } from;
	size_t first, n; /* of flow->paths: the first of them that has a value */
};

struct flow {
	const struct hunt *hunt;
	struct arena arena;
	struct hunt_asks asks;
	struct event_expr *where; /* of events */
	struct str *names;        /* of the source's columns */
	struct source_column *columns;
	size_t n;
	struct str *paths;
	size_t n_paths;
	bool ordered;  /* events are wanted one by one, in the order of time */
	bool whole;    /* and as they are */
	uint64_t most; /* of them; 0: all */
	struct step *first, *last;
	struct hunt_limits limits;
	uint64_t seed;
	const struct hunt_sink *sink; /* NULL: only checked */
	struct hunt_result *result;
	struct err *err;
};

/* -EINVAL: *stage is the command that is wrong (NULL: none of them). flow_done() in any case. */
int flow_init(struct flow *f, const struct hunt *h, const struct hunt_stage **stage, struct err *err);
void flow_done(struct flow *f);

/* The column that a written name means, or n. */
size_t flow_column(const struct step *s, struct str name);
/* A step's memory, cleared; NULL: none. */
void *flow_step(struct flow *f, size_t size, const struct hunt_stage *stage);
/* Names of the columns that a step pushes on. */
struct str *flow_names(struct flow *f, size_t n);
static inline int flow_push(struct step *s, const struct row *row)
{
	return s->next->push(s->next, row);
}
static inline int flow_end(struct step *s)
{
	return s->next->end(s->next);
}
int flow_no_memory(struct flow *f);
/* The order of cells: nothing last; numbers by size, texts that are numbers, too. */
int flow_compare(const struct hunt_cell *a, const struct hunt_cell *b);

/* --- making steps: 0 or -errno; what they push on is in *names, *n. --- */
typedef int step_make(struct flow *f, struct step **ret, const struct hunt_stage *stage, struct str **names, size_t *n);
/* rows.c */
step_make step_where, step_fields, step_head, step_dedup, step_sort;
/* group.c */
step_make step_sum;

/* pluck.c: fields of a JSON object. */
struct pluck;
int pluck_new(struct pluck **ret, const struct str *paths, size_t n, struct err *err);
/* fields[i] of paths[i]; valid until the next. */
int pluck_fields(struct pluck *p, struct str json, const struct event_field **fields, struct err *err);
void pluck_free(struct pluck *p);

#endif
