/* Commands that take rows one by one, or put them in order. */
#include "hunt/flow.h"

#include <errno.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static int end_next(struct step *s)
{
	return flow_end(s);
}

static int unknown_column(struct flow *f, const struct step *s, struct str name)
{
	struct buf names = { 0 };
	for (size_t i = 0; i < s->n; i++)
		buf_printf(&names, "%s" STR_FMT, i ? ", " : "", STR_ARG(s->names[i]));
	int r = err_set(f->err, -EINVAL, "the rows have no column '" STR_FMT "'; they have " STR_FMT, STR_ARG(name),
	                STR_ARG(buf_str(&names)));
	buf_free(&names);
	return r;
}

/* The columns of the stage's keys. */
static int take_columns(struct flow *f, struct step *s, size_t **ret)
{
	size_t *columns = arena_alloc(&f->arena, (s->stage->n_keys + 1) * sizeof(*columns));
	if (!columns)
		return flow_no_memory(f);
	for (size_t i = 0; i < s->stage->n_keys; i++) {
		columns[i] = flow_column(s, s->stage->keys[i].field);
		if (columns[i] == s->n)
			return unknown_column(f, s, s->stage->keys[i].field);
	}
	*ret = columns;
	return 0;
}

static void *new_step(struct flow *f, size_t size, const struct hunt_stage *stage, struct str *const *names,
                      const size_t *n)
{
	struct step *s = flow_step(f, size, stage);
	if (s) {
		s->end = end_next;
		s->names = *names;
		s->n = *n;
	}
	return s;
}

/* --- where --- */

struct where {
	struct step step;
	struct hunt_filter *filter;
};

static int where_push(struct step *s, const struct row *row)
{
	const struct where *w = (struct where *)s;
	return hunt_filter_holds(w->filter, row->cells, row->all) ? flow_push(s, row) : 0;
}

int step_where(struct flow *f, struct step **ret, const struct hunt_stage *stage, struct str **names, size_t *n)
{
	struct where *w = new_step(f, sizeof(*w), stage, names, n);
	if (!w)
		return flow_no_memory(f);
	w->step.push = where_push;
	*ret = &w->step;
	return hunt_filter_new(&w->filter, &f->asks, stage->where, *names, *n, f->err);
}

/* --- fields --- */

struct fields {
	struct step step;
	size_t *columns;
	struct hunt_cell *cells;
	struct event_field *fields, *all;
};

static int fields_push(struct step *s, const struct row *row)
{
	struct fields *x = (struct fields *)s;
	for (size_t i = 0; i < s->stage->n_keys; i++) {
		x->cells[i] = row->cells[x->columns[i]];
		if (row->fields)
			x->fields[i] = row->fields[x->columns[i]];
		if (row->all)
			x->all[i] = row->all[x->columns[i]];
	}
	const struct row own = { x->cells, row->fields ? x->fields : NULL, row->all ? x->all : NULL, row->event };
	return flow_push(s, &own);
}

int step_fields(struct flow *f, struct step **ret, const struct hunt_stage *stage, struct str **names, size_t *n)
{
	struct fields *x = new_step(f, sizeof(*x), stage, names, n);
	if (!x)
		return flow_no_memory(f);
	int r = take_columns(f, &x->step, &x->columns);
	if (r)
		return r;
	x->cells = arena_zalloc(&f->arena, stage->n_keys * sizeof(*x->cells));
	x->fields = arena_zalloc(&f->arena, stage->n_keys * sizeof(*x->fields));
	x->all = arena_zalloc(&f->arena, stage->n_keys * sizeof(*x->all));
	struct str *own = flow_names(f, stage->n_keys);
	if (!x->cells || !x->fields || !x->all || !own)
		return flow_no_memory(f);
	for (size_t i = 0; i < stage->n_keys; i++)
		own[i] = stage->keys[i].field;
	x->step.push = fields_push;
	*ret = &x->step;
	*names = own;
	*n = stage->n_keys;
	return 0;
}

/* --- head --- */

struct head {
	struct step step;
	uint64_t left;
};

static int head_push(struct step *s, const struct row *row)
{
	struct head *h = (struct head *)s;
	if (!h->left)
		return 1;
	h->left--;
	int r = flow_push(s, row);
	return r ? r : !h->left;
}

int step_head(struct flow *f, struct step **ret, const struct hunt_stage *stage, struct str **names, size_t *n)
{
	struct head *h = new_step(f, sizeof(*h), stage, names, n);
	if (!h)
		return flow_no_memory(f);
	h->left = stage->n;
	h->step.push = head_push;
	*ret = &h->step;
	return 0;
}

/* --- dedup: the first row of each combination of values --- */

struct dedup {
	struct step step;
	size_t *columns;
	uint64_t *seen; /* hashes, open addressing; 0: free */
	size_t n, cap;
};

static uint64_t *place(const struct dedup *d, uint64_t hash)
{
	for (size_t i = (size_t)hash;; i++)
		if (!d->seen[i & (d->cap - 1)] || d->seen[i & (d->cap - 1)] == hash)
			return &d->seen[i & (d->cap - 1)];
}

static bool dedup_grow(struct dedup *d)
{
	struct dedup bigger = *d;
	bigger.cap = d->cap ? d->cap * 2 : 1024;
	bigger.seen = calloc(bigger.cap, sizeof(*bigger.seen));
	if (!bigger.seen)
		return false;
	for (size_t i = 0; i < d->cap; i++)
		if (d->seen[i])
			*place(&bigger, d->seen[i]) = d->seen[i];
	free(d->seen);
	d->seen = bigger.seen;
	d->cap = bigger.cap;
	return true;
}

static uint64_t hash_row(const struct dedup *d, const struct row *row)
{
	uint64_t hash = d->step.flow->seed;
	char room[CELL_ROOM];
	for (size_t i = 0; i < d->step.stage->n_keys; i++) {
		const struct hunt_cell *cell = &row->cells[d->columns[i]];
		const struct str text = cell->kind ? hunt_cell_text(cell, room) : STR("");
		hash = XXH3_64bits_withSeed(text.p, text.n, hash + cell->kind);
	}
	return hash ? hash : 1;
}

static int dedup_push(struct step *s, const struct row *row)
{
	struct dedup *d = (struct dedup *)s;
	const uint64_t hash = hash_row(d, row);
	if (d->n * 2 >= d->cap && !dedup_grow(d))
		return flow_no_memory(s->flow);
	uint64_t *at = place(d, hash);
	if (*at)
		return 0;
	if (d->n >= s->flow->limits.groups) { /* no more is known: what may have been there is handed on */
		s->flow->result->shed++;
		return flow_push(s, row);
	}
	*at = hash;
	d->n++;
	return flow_push(s, row);
}

static void dedup_done(struct step *s)
{
	free(((struct dedup *)s)->seen);
}

int step_dedup(struct flow *f, struct step **ret, const struct hunt_stage *stage, struct str **names, size_t *n)
{
	struct dedup *d = new_step(f, sizeof(*d), stage, names, n);
	if (!d)
		return flow_no_memory(f);
	d->step.push = dedup_push;
	d->step.done = dedup_done;
	*ret = &d->step;
	return take_columns(f, &d->step, &d->columns);
}

/* --- sort --- */

/* A row that is kept; its texts stand behind the cells. */
struct held {
	uint64_t seq;
	size_t bytes;
	struct event_row event;
	struct event_field *all; /* NULL: nobody asks for it */
	struct hunt_cell cells[];
};

struct sort {
	struct step step;
	size_t *columns;
	struct held **rows;
	size_t n, cap, bytes;
	uint64_t most; /* that can be wanted */
	uint64_t seq;
	size_t full;  /* bytes from which on some are let go */
	bool bounded; /* `most` is all that is wanted: nothing is shed */
};

static struct str keep(char **to, struct str s)
{
	char *p = *to;
	if (s.n)
		memcpy(p, s.p, s.n);
	*to += s.n;
	return (struct str){ p, s.n };
}

/* Whether a step behind it asks each value. */
static bool is_asked(const struct step *s)
{
	while ((s = s->next) && s->stage)
		if (s->stage->kind == STAGE_WHERE)
			return true;
	return false;
}

/* All values of row->all: the arrays to `at`, texts to *to. */
static struct event_field *keep_all(struct event_field *at, char **to, const struct event_field *all, size_t n)
{
	struct str *values = (struct str *)(at + n);
	for (size_t i = 0; i < n; i++) {
		at[i] = (struct event_field){ values, all[i].n };
		for (size_t k = 0; k < all[i].n; k++)
			*values++ = keep(to, all[i].values[k]);
	}
	return at;
}

static struct held *hold(const struct step *s, const struct row *row)
{
	const struct event_field *all = row->all && is_asked(s) ? row->all : NULL;
	size_t bytes = sizeof(struct held) + s->n * sizeof(struct hunt_cell), texts = 0;
	const size_t fields = bytes;
	for (size_t i = 0; all && i < s->n; i++) {
		bytes += sizeof(*all) + all[i].n * sizeof(struct str);
		for (size_t k = 0; k < all[i].n; k++)
			texts += all[i].values[k].n;
	}
	const size_t cells = bytes;
	bytes += texts;
	for (size_t i = 0; i < s->n; i++)
		bytes += row->cells[i].kind == CELL_TEXT ? row->cells[i].text.n : 0;
	if (row->event)
		bytes += row->event->dataset.n + row->event->id.n + row->event->json.n;
	struct held *h = malloc(bytes);
	if (!h)
		return NULL;
	char *to = (char *)h + cells;
	*h = (struct held){ .bytes = bytes };
	if (all)
		h->all = keep_all((struct event_field *)(void *)((char *)h + fields), &to, all, s->n);
	for (size_t i = 0; i < s->n; i++) {
		h->cells[i] = row->cells[i];
		if (row->cells[i].kind == CELL_TEXT)
			h->cells[i].text = keep(&to, row->cells[i].text);
	}
	if (row->event) {
		h->event = *row->event;
		h->event.dataset = keep(&to, row->event->dataset);
		h->event.id = keep(&to, row->event->id);
		h->event.json = keep(&to, row->event->json);
	}
	return h;
}

static int in_order(const void *x, const void *y, void *arg)
{
	const struct held *a = *(struct held *const *)x, *b = *(struct held *const *)y;
	const struct sort *s = arg;
	for (size_t i = 0; i < s->step.stage->n_keys; i++) {
		const struct hunt_cell *p = &a->cells[s->columns[i]], *q = &b->cells[s->columns[i]];
		int c = flow_compare(p, q);
		if (c) /* what has no value is last either way */
			return s->step.stage->keys[i].down && p->kind && q->kind ? -c : c;
	}
	return (a->seq > b->seq) - (a->seq < b->seq);
}

static void put_in_order(struct sort *s, uint64_t most)
{
	if (s->n)
		qsort_r(s->rows, s->n, sizeof(struct held *), in_order, s);
	while (s->n > most) {
		s->bytes -= s->rows[--s->n]->bytes;
		free(s->rows[s->n]);
		s->step.flow->result->shed += !s->bounded;
	}
}

static int sort_push(struct step *step, const struct row *row)
{
	struct sort *s = (struct sort *)step;
	if (s->n == s->cap) {
		const size_t cap = s->cap ? s->cap * 2 : 256;
		struct held **rows = realloc(s->rows, cap * sizeof(struct held *));
		if (!rows)
			return flow_no_memory(step->flow);
		s->rows = rows;
		s->cap = cap;
	}
	struct held *h = hold(step, row);
	if (!h)
		return flow_no_memory(step->flow);
	h->seq = s->seq++;
	s->rows[s->n++] = h;
	s->bytes += h->bytes;
	if (s->n >= s->most * 2 + 1000)
		put_in_order(s, s->most);
	if (s->bytes > s->full) {
		const size_t bound = step->flow->limits.bytes;
		put_in_order(s, s->most);
		if (s->bytes > bound) {
			s->bounded = false;
			put_in_order(s, s->n / 2);
		}
		/* some slack, or each row that comes would put them all in order */
		s->full = s->bytes + bound / 8 > bound ? s->bytes + bound / 8 : bound;
	}
	return 0;
}

static int sort_end(struct step *step)
{
	struct sort *s = (struct sort *)step;
	int r = 0;
	put_in_order(s, s->most);
	for (size_t i = 0; !r && i < s->n; i++) {
		const struct held *h = s->rows[i];
		const struct row row = { h->cells, NULL, h->all, h->event.json.p ? &h->event : NULL };
		r = flow_push(step, &row);
	}
	return r < 0 ? r : flow_end(step);
}

static void sort_done(struct step *step)
{
	struct sort *s = (struct sort *)step;
	for (size_t i = 0; i < s->n; i++)
		free(s->rows[i]);
	free(s->rows);
}

int step_sort(struct flow *f, struct step **ret, const struct hunt_stage *stage, struct str **names, size_t *n)
{
	struct sort *s = new_step(f, sizeof(*s), stage, names, n);
	if (!s)
		return flow_no_memory(f);
	s->step.push = sort_push;
	s->step.end = sort_end;
	s->step.done = sort_done;
	s->most = f->limits.held;
	s->full = f->limits.bytes;
	/* flow.c has it in stage->n when a head follows. */
	if (stage->n && stage->n < s->most) {
		s->most = stage->n;
		s->bounded = true;
	}
	*ret = &s->step;
	return take_columns(f, &s->step, &s->columns);
}
