/* Some fields of the events of a question, read where they lie. */
#include "store/find.h"

#include <errno.h>
#include <stdlib.h>

/* One field's values in the block that is gone through. */
struct column {
	struct chunk_values values; /* n 0: none here */
	struct find_texts texts;
	struct find_room room;
	uint32_t next;
};

struct pick {
	struct find_search search;
	size_t n;
	struct column *columns;
	struct event_field *fields;
	struct str *values; /* of one event */
	size_t n_values, cap;
	pick_sink *sink;
	void *arg;
	struct err *err;
};

static int add_value(struct pick *p, struct str value, struct err *err)
{
	if (p->n_values == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 64;
		struct str *values = realloc(p->values, cap * sizeof(*values));
		if (!values)
			return err_set(err, -ENOMEM, "search: %m");
		p->values = values;
		p->cap = cap;
	}
	p->values[p->n_values++] = value;
	return 0;
}

/* fields[i].n of each are known; 1: enough. */
static int hand_on(struct pick *p, int64_t time, struct str dataset)
{
	struct event_found *found = p->search.found;
	const struct event_picked event = { time, dataset, p->fields };
	size_t at = 0;
	for (size_t i = 0; i < p->n; at += p->fields[i++].n)
		p->fields[i].values = p->values + at;
	found->events++;
	return p->sink(p->arg, &event) || found->events == p->search.q->limit;
}

static int pick_loose(void *arg, uint64_t seq, const struct event_row *row)
{
	struct pick *p = arg;
	const struct find_json *j = &p->search.json;
	int r = 0;
	p->n_values = 0;
	for (size_t i = 0; i < p->n; i++) {
		size_t before = p->n_values;
		for (size_t k = 0; !r && k < j->n_values; k++)
			if (j->values[k].field == i)
				r = add_value(p, j->values[k].text, p->err);
		p->fields[i].n = p->n_values - before;
	}
	return r ? r : hand_on(p, row->time, row->dataset);
}

static int open_column(struct pick *p, struct column *c, struct str field, struct err *err)
{
	struct chunk *chunk = p->search.block.chunk;
	uint32_t column = chunk_column(chunk, field);
	c->next = c->values.n = 0;
	if (column == UINT32_MAX)
		return 0;
	int r = chunk_values(chunk, column, &c->values, err);
	c->texts = (struct find_texts){ c->values.n_texts, c->values.bytes, c->values.ends };
	return r ? r : find_unescape(&c->texts, &c->room, err);
}

/* The values that the row has in one column. Rows only grow. */
static int pick_values(struct pick *p, struct column *c, uint32_t row, size_t *n, struct err *err)
{
	const struct chunk_values *v = &c->values;
	int r = 0;
	*n = 0;
	while (c->next < v->n && v->rows[c->next] < row)
		c->next++;
	for (; !r && c->next < v->n && v->rows[c->next] == row; c->next++, ++*n) {
		uint32_t text = v->codes ? v->codes[c->next] : c->next;
		uint32_t from = text ? c->texts.ends[text - 1] : 0;
		r = add_value(p, (struct str){ c->texts.bytes + from, c->texts.ends[text] - from }, err);
	}
	return r;
}

static int pick_row(struct pick *p, uint32_t row, int64_t time, struct str dataset, struct err *err)
{
	int r = 0;
	p->n_values = 0;
	for (size_t i = 0; !r && i < p->n; i++)
		r = pick_values(p, &p->columns[i], row, &p->fields[i].n, err);
	return r ? r : hand_on(p, time, dataset);
}

static int pick_rows(struct pick *p, const struct day_block *block, const int64_t *times, struct err *err)
{
	struct find_search *s = &p->search;
	const struct str dataset = str_from(block->dataset);
	int r = 0;
	for (size_t i = 0; !r && i < p->n; i++)
		r = open_column(p, &p->columns[i], s->json.fields[i], err);
	for (uint32_t w = 0; w < FIND_ROWS; w++)
		for (uint64_t bits = s->block.rows[w]; !r && bits; bits &= bits - 1) {
			uint32_t row = w * 64 + (uint32_t)__builtin_ctzll(bits);
			r = pick_row(p, row, times[row], dataset, err);
		}
	return r;
}

static int pick_block(void *arg, const struct day_block *block, struct err *err)
{
	struct pick *p = arg;
	const int64_t *times;
	uint32_t n;
	int r = find_search_rows(&p->search, block, p->search.first, p->search.last, &times, &n, err);
	if (r || !n)
		return r;
	r = pick_rows(p, block, times, err);
	return find_search_damaged(&p->search, r) ? 0 : r;
}

static int make_room(struct pick *p, size_t n, struct err *err)
{
	p->columns = calloc(n + 1, sizeof(*p->columns));
	p->fields = calloc(n + 1, sizeof(*p->fields));
	p->n = p->columns ? n : 0;
	return p->columns && p->fields ? 0 : err_set(err, -ENOMEM, "search: %m");
}

int embedded_pick(struct events *s, const struct event_query *q, const struct str *fields, size_t n, pick_sink *sink,
                  void *arg, struct event_found *found, struct err *err)
{
	struct event_found own;
	struct pick p = { .sink = sink, .arg = arg, .err = err };
	const struct find_visit visit = { pick_block, NULL, &p };
	if (n > EVENT_PICK_MAX)
		return err_set(err, -E2BIG, "a search picks at most %d fields", EVENT_PICK_MAX);
	int r = find_search_begin(&p.search, s, q, found ? found : &own, err);
	p.search.json.fields = fields;
	p.search.json.n_fields = n;
	r = r ? r : make_room(&p, n, err);
	r = r ? r : find_search_loose(&p.search, pick_loose, &p, err);
	r = r ? r : find_search_blocks(&p.search, &visit, err);
	find_search_done(&p.search);
	for (size_t i = 0; i < p.n; i++)
		find_room_free(&p.columns[i].room);
	free(p.columns);
	free(p.fields);
	free(p.values);
	return r < 0 ? r : 0;
}
