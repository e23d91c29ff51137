/* How often each value of a field stands in the events of a question. */
#include "store/find.h"

#include <errno.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { VALUES_MAX = 1 << 20, TEXT_MAX = 64 << 20 };

struct value {
	uint64_t hash, count;
	struct str text;
};

struct count {
	struct find_search search;
	struct str field;
	struct value *table; /* open addressing; text.p NULL: free */
	size_t n, cap;       /* cap: a power of two, at least twice n */
	struct arena texts;
	/* Of one block: how often each different value stands in it. */
	uint64_t *codes;
	size_t cap_codes;
	struct find_room room;
	struct err *err;
};

/* The place of the text: its own, or the free one where it belongs. */
static struct value *place(const struct count *c, uint64_t hash, struct str text)
{
	for (size_t i = (size_t)hash;; i++) {
		struct value *v = &c->table[i & (c->cap - 1)];
		if (!v->text.p || (v->hash == hash && str_eq(v->text, text)))
			return v;
	}
}

static int grow(struct count *c, struct err *err)
{
	struct count bigger = *c;
	bigger.cap = c->cap ? c->cap * 2 : 1024;
	bigger.table = calloc(bigger.cap, sizeof(*bigger.table));
	if (!bigger.table)
		return err_set(err, -ENOMEM, "count: %m");
	for (size_t i = 0; i < c->cap; i++)
		if (c->table[i].text.p)
			*place(&bigger, c->table[i].hash, c->table[i].text) = c->table[i];
	free(c->table);
	c->table = bigger.table;
	c->cap = bigger.cap;
	return 0;
}

static int add(struct count *c, struct str text, uint64_t count, struct err *err)
{
	uint64_t hash = XXH3_64bits(text.p, text.n);
	int r = c->n * 2 >= c->cap && c->n < VALUES_MAX ? grow(c, err) : 0;
	if (r)
		return r;
	struct value *v = place(c, hash, text);
	if (!v->text.p) {
		struct str own = c->n < VALUES_MAX ? arena_copy(&c->texts, text) : (struct str){ 0 };
		if (!own.p)
			return err_set(err, -E2BIG,
			               "field '" STR_FMT "' has more than %zu different values: ask for less at once, "
			               "or count by another field",
			               STR_ARG(c->field), c->n);
		*v = (struct value){ hash, 0, own };
		c->n++;
	}
	v->count += count;
	return 0;
}

static int add_loose(void *arg, uint64_t seq, const struct event_row *row)
{
	struct count *c = arg;
	const struct find_json *j = &c->search.json;
	int r = 0;
	for (size_t i = 0; !r && i < j->n_values; i++)
		r = add(c, j->values[i].text, 1, c->err);
	c->search.found->events += j->n_values > 0;
	return r;
}

static int make_codes(struct count *c, size_t n, struct err *err)
{
	if (n > c->cap_codes) {
		free(c->codes);
		c->codes = malloc(n * sizeof(*c->codes));
		c->cap_codes = c->codes ? n : 0;
	}
	if (!c->codes)
		return err_set(err, -ENOMEM, "count: %m");
	memset(c->codes, 0, n * sizeof(*c->codes));
	return 0;
}

/* Counts the column's values in the rows that were found, then adds each different one once. */
static int count_column(struct count *c, const struct chunk_values *v, struct err *err)
{
	struct find_texts texts = { v->n_texts, v->bytes, v->ends };
	uint64_t events = 0;
	uint32_t last = UINT32_MAX;
	int r = find_unescape(&texts, &c->room, err);
	r = r ? r : make_codes(c, (size_t)v->n_texts + 1, err);
	if (r)
		return r;
	for (uint32_t i = 0; i < v->n; i++) {
		uint32_t row = v->rows[i];
		if (!find_row(&c->search.block, row))
			continue;
		c->codes[v->codes ? v->codes[i] : i]++;
		events += row != last;
		last = row;
	}
	for (uint32_t i = 0; !r && i < v->n_texts; i++) {
		uint32_t from = i ? texts.ends[i - 1] : 0;
		if (c->codes[i])
			r = add(c, (struct str){ texts.bytes + from, texts.ends[i] - from }, c->codes[i], err);
	}
	c->search.found->events += events;
	return r;
}

static int count_block(void *arg, const struct day_block *block, struct err *err)
{
	struct count *c = arg;
	struct find_search *s = &c->search;
	struct chunk_values v;
	uint32_t n;
	int r = find_search_rows(s, block, s->first, s->last, NULL, &n, err);
	if (r || !n)
		return r;
	uint32_t column = chunk_column(s->block.chunk, c->field);
	if (column == UINT32_MAX)
		return 0;
	r = chunk_values(s->block.chunk, column, &v, err);
	r = r ? r : count_column(c, &v, err);
	return find_search_damaged(s, r) ? 0 : r;
}

static int most_first(const void *x, const void *y)
{
	const struct value *a = x, *b = y;
	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	int c = memcmp(a->text.p, b->text.p, a->text.n < b->text.n ? a->text.n : b->text.n);
	return c ? c : (a->text.n > b->text.n) - (a->text.n < b->text.n);
}

static void hand_on(struct count *c, count_sink *sink, void *arg)
{
	size_t n = 0;
	for (size_t i = 0; i < c->cap; i++)
		if (c->table[i].text.p)
			c->table[n++] = c->table[i];
	if (n)
		qsort(c->table, n, sizeof(*c->table), most_first);
	if (c->search.q->limit && n > c->search.q->limit)
		n = (size_t)c->search.q->limit;
	for (size_t i = 0; i < n && !sink(arg, c->table[i].text, c->table[i].count); i++)
		;
}

int embedded_count_by(struct events *s, const struct event_query *q, struct str field, count_sink *sink, void *arg,
                      struct event_found *found, struct err *err)
{
	struct event_found own;
	struct count c = { .field = field, .texts = { .max = TEXT_MAX }, .err = err };
	const struct find_visit visit = { count_block, NULL, &c };
	int r = find_search_begin(&c.search, s, q, found ? found : &own, err);
	c.search.json.fields = &c.field;
	c.search.json.n_fields = 1;
	r = r ? r : find_search_loose(&c.search, add_loose, &c, err);
	r = r ? r : find_search_blocks(&c.search, &visit, err);
	if (r >= 0)
		hand_on(&c, sink, arg);
	find_search_done(&c.search);
	arena_free(&c.texts);
	find_room_free(&c.room);
	free(c.table);
	free(c.codes);
	return r < 0 ? r : 0;
}
