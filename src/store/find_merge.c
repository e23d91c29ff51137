#include "store/find.h"

#include <errno.h>
#include <stdlib.h>

enum {
	LOADED_MAX = 32 << 20,   /* bytes of JSON that are kept of all blocks together */
	LOADED_LEAST = 256 << 10 /* and of one at least, so that it isn't opened for a few rows each time */
};
static const uint64_t BEST_MAX = 1 << 16;

struct hit {
	int64_t time;
	uint32_t row;
};

/* An event that is in no block. */
struct loose {
	int64_t time;
	uint64_t seq;
	struct str dataset, id, json; /* the bytes stand behind */
	char bytes[];
};

/* What was found in one block, or all that is in none, in the order asked for. */
struct run {
	struct day_block block; /* number INT64_MAX: none */
	struct hit *hits;
	struct loose **loose;
	uint32_t n, next;
	/* JSON and id of hits next..loaded, one behind the other from bytes.p + at. */
	struct buf bytes;
	struct piece {
		uint32_t json, id;
	} * pieces; /* of hit i: pieces[i - first] */
	uint32_t first, loaded;
	size_t at;
};

struct find_merge {
	struct find_search *search;
	event_sink *sink;
	void *arg;
	struct run **heap; /* heap[0] has the event that comes next */
	size_t n, cap;
	struct run loose;
	size_t cap_loose;
	struct run *open; /* whose block the reader has */
	size_t loaded;    /* bytes of all runs */
	int64_t *best;    /* the best `limit` orders so far, a heap with the worst first; NULL: not kept */
	size_t n_best;
	bool enough; /* the limit is reached, or the sink has had it */
};

/* What comes first has the lesser order. */
static int64_t order(const struct find_merge *m, int64_t time)
{
	return m->search->q->oldest_first ? time : ~time;
}

static int64_t run_time(const struct run *r)
{
	return r->loose ? r->loose[r->next]->time : r->hits[r->next].time;
}

static struct str run_dataset(const struct run *r)
{
	return r->loose ? r->loose[r->next]->dataset : str_from(r->block.dataset);
}

static int compare_str(struct str a, struct str b)
{
	int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
	return c ? c : (a.n > b.n) - (a.n < b.n);
}

/*
 * Events of the same time come in the order of their datasets, and in one as they were taken: what is in no block yet
 * is the newest. So an export is the same after a re-import.
 */
static bool comes_before(const struct find_merge *m, const struct run *a, const struct run *b)
{
	int64_t x = run_time(a), y = run_time(b);
	int c = (x > y) - (x < y);
	c = c ? c : compare_str(run_dataset(a), run_dataset(b));
	c = c ? c : (a->block.number > b->block.number) - (a->block.number < b->block.number);
	return m->search->q->oldest_first ? c < 0 : c > 0;
}

static void sift_down(struct find_merge *m, size_t i)
{
	for (size_t kid; (kid = 2 * i + 1) < m->n; i = kid) {
		if (kid + 1 < m->n && comes_before(m, m->heap[kid + 1], m->heap[kid]))
			kid++;
		if (!comes_before(m, m->heap[kid], m->heap[i]))
			return;
		struct run *r = m->heap[i];
		m->heap[i] = m->heap[kid];
		m->heap[kid] = r;
	}
}

static int heap_add(struct find_merge *m, struct run *r, struct err *err)
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 16;
		struct run **heap = realloc(m->heap, cap * sizeof(struct run *));
		if (!heap)
			return err_set(err, -ENOMEM, "search: %m");
		m->heap = heap;
		m->cap = cap;
	}
	size_t i = m->n++;
	for (; i && comes_before(m, r, m->heap[(i - 1) / 2]); i = (i - 1) / 2)
		m->heap[i] = m->heap[(i - 1) / 2];
	m->heap[i] = r;
	return 0;
}

/* --- the best so far: with a limit, what comes behind them needn't be looked at --- */

static void best_add(struct find_merge *m, int64_t o)
{
	size_t i;
	if (!m->best)
		return;
	if (m->n_best < m->search->q->limit) {
		for (i = m->n_best++; i && m->best[(i - 1) / 2] < o; i = (i - 1) / 2)
			m->best[i] = m->best[(i - 1) / 2];
		m->best[i] = o;
		return;
	}
	if (o >= m->best[0])
		return;
	size_t kid;
	for (i = 0; (kid = 2 * i + 1) < m->n_best; i = kid) {
		if (kid + 1 < m->n_best && m->best[kid + 1] > m->best[kid])
			kid++;
		if (m->best[kid] <= o)
			break;
		m->best[i] = m->best[kid];
	}
	m->best[i] = o;
}

/* The last order that can still be among those asked for. */
static int64_t last_order(const struct find_merge *m)
{
	return m->best && m->n_best == m->search->q->limit ? m->best[0] : INT64_MAX;
}

/* --- runs --- */

static void run_free(struct find_merge *m, struct run *r)
{
	m->loaded -= r->bytes.cap;
	if (m->open == r)
		m->open = NULL;
	buf_free(&r->bytes);
	free(r->hits);
	free(r->pieces);
	free(r);
}

/* The row of column khien.id, or nothing. */
static struct str id_of(const struct chunk_values *ids, uint32_t row)
{
	uint32_t least = 0, most = ids->n;
	while (least < most) {
		uint32_t middle = least + (most - least) / 2;
		if (ids->rows[middle] < row)
			least = middle + 1;
		else
			most = middle;
	}
	if (least == ids->n || ids->rows[least] != row)
		return STR("");
	struct str id = chunk_text(ids, ids->codes ? ids->codes[least] : least);
	return id.n <= EVENT_ID_MAX ? id : STR("");
}

static int load_ids(struct find_merge *m, struct chunk_values *ids, struct err *err)
{
	struct chunk *chunk = m->search->block.chunk;
	uint32_t column = chunk_column(chunk, STR("khien.id"));
	*ids = (struct chunk_values){ 0 };
	return column == UINT32_MAX ? 0 : chunk_values(chunk, column, ids, err);
}

/* Reads the next events of a run whose block is open, as many as there is room for. */
static int load_open(struct find_merge *m, struct run *r, struct err *err)
{
	size_t room = m->loaded < LOADED_MAX ? (LOADED_MAX - m->loaded) / 2 : 0;
	struct chunk_values ids;
	if (room < LOADED_LEAST)
		room = LOADED_LEAST;
	int e = load_ids(m, &ids, err);
	if (e)
		return e;
	m->loaded -= r->bytes.cap;
	r->bytes.n = r->at = 0;
	r->first = r->next;
	for (r->loaded = r->next; !e && r->loaded < r->n && r->bytes.n < room; r->loaded++) {
		uint32_t row = r->hits[r->loaded].row;
		struct piece *piece = &r->pieces[r->loaded - r->first];
		size_t from = r->bytes.n;
		e = chunk_json(m->search->block.chunk, row, &r->bytes, err);
		piece->json = (uint32_t)(r->bytes.n - from);
		struct str id = id_of(&ids, row);
		buf_add(&r->bytes, id);
		piece->id = (uint32_t)id.n;
	}
	m->loaded += r->bytes.cap;
	return e || !r->bytes.failed ? e : err_set(err, -ENOMEM, "search: %m");
}

static int load(struct find_merge *m, struct run *r, struct err *err)
{
	int e = m->open == r ? 0 : find_search_open(m->search, &r->block, err);
	m->open = e ? NULL : r;
	return e ? e : load_open(m, r, err);
}

static int by_time(const void *x, const void *y)
{
	const struct hit *a = x, *b = y;
	if (a->time != b->time)
		return a->time > b->time ? 1 : -1;
	return (a->row > b->row) - (a->row < b->row);
}

/* Moves the rows found into the run, in order, and no more of them than can be asked for. */
static int take_hits(struct find_merge *m, struct run *r, const int64_t *times, uint32_t n, struct err *err)
{
	const struct find_search *s = m->search;
	bool sorted = true;
	r->hits = malloc(n * sizeof(*r->hits));
	if (!r->hits)
		return err_set(err, -ENOMEM, "search: %m");
	for (uint32_t row = 0; row < chunk_n_rows(s->block.chunk); row++) {
		if (!find_row(&s->block, row))
			continue;
		sorted = sorted && (!r->n || r->hits[r->n - 1].time <= times[row]);
		r->hits[r->n++] = (struct hit){ times[row], row };
	}
	if (!sorted)
		qsort(r->hits, r->n, sizeof(*r->hits), by_time);
	for (uint32_t i = 0; !s->q->oldest_first && i < r->n / 2; i++) {
		struct hit h = r->hits[i];
		r->hits[i] = r->hits[r->n - 1 - i];
		r->hits[r->n - 1 - i] = h;
	}
	if (s->q->limit && r->n > s->q->limit)
		r->n = (uint32_t)s->q->limit;
	r->pieces = malloc(r->n * sizeof(*r->pieces));
	if (!r->pieces)
		return err_set(err, -ENOMEM, "search: %m");
	return 0;
}

static int add_run(struct find_merge *m, const struct day_block *block, const int64_t *times, uint32_t n,
                   struct err *err)
{
	struct run *r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(err, -ENOMEM, "search: %m");
	r->block = *block;
	m->open = r;
	int e = take_hits(m, r, times, n, err);
	e = e ? e : load_open(m, r, err);
	e = e ? e : heap_add(m, r, err);
	if (e)
		run_free(m, r);
	for (uint32_t i = 0; !e && i < r->n; i++)
		best_add(m, order(m, r->hits[i].time));
	return e;
}

int find_merge_block(struct find_merge *m, const struct day_block *block, struct err *err)
{
	struct find_search *s = m->search;
	const int64_t *times;
	int64_t first = s->first, last = s->last, end = last_order(m);
	uint32_t n;
	int64_t begins = s->q->oldest_first ? block->first : block->last;
	int r = find_merge_before(m, begins, err);
	if (r)
		return r;
	if (order(m, begins) > end)
		return 1;
	if (s->q->oldest_first && end < last)
		last = end;
	if (!s->q->oldest_first && end != INT64_MAX && ~end > first)
		first = ~end;
	m->open = NULL;
	r = find_search_rows(s, block, first, last, &times, &n, err);
	if (r || !n)
		return r;
	r = add_run(m, block, times, n, err);
	return find_search_damaged(s, r) ? 0 : r;
}

/* --- events in no block --- */

static int loose_order(const void *x, const void *y)
{
	const struct loose *a = *(struct loose *const *)x, *b = *(struct loose *const *)y;
	int c = (a->time > b->time) - (a->time < b->time);
	c = c ? c : compare_str(a->dataset, b->dataset);
	return c ? c : (a->seq > b->seq) - (a->seq < b->seq);
}

static int loose_order_newest(const void *x, const void *y)
{
	return loose_order(y, x);
}

/* In order, and no more than can be asked for. */
static void sort_loose(struct find_merge *m)
{
	struct run *r = &m->loose;
	const struct event_query *q = m->search->q;
	if (!r->n)
		return;
	qsort(r->loose, r->n, sizeof(struct loose *), q->oldest_first ? loose_order : loose_order_newest);
	while (q->limit && r->n > q->limit)
		free(r->loose[--r->n]);
}

static struct str put(char **to, struct str s)
{
	char *p = *to;
	if (s.n)
		memcpy(p, s.p, s.n);
	*to += s.n;
	return (struct str){ p, s.n };
}

int find_merge_loose(struct find_merge *m, uint64_t seq, const struct event_row *row, struct err *err)
{
	struct run *r = &m->loose;
	if (r->n == m->cap_loose) {
		sort_loose(m);
		size_t cap = r->n > m->cap_loose / 2 ? m->cap_loose * 2 : m->cap_loose;
		cap = cap ? cap : 64;
		struct loose **loose = realloc(r->loose, cap * sizeof(struct loose *));
		if (!loose)
			return err_set(err, -ENOMEM, "search: %m");
		r->loose = loose;
		m->cap_loose = cap;
	}
	struct loose *l = malloc(sizeof(*l) + row->dataset.n + row->id.n + row->json.n);
	if (!l)
		return err_set(err, -ENOMEM, "search: %m");
	char *at = l->bytes;
	l->time = row->time;
	l->seq = seq;
	l->dataset = put(&at, row->dataset);
	l->id = put(&at, row->id);
	l->json = put(&at, row->json);
	r->loose[r->n++] = l;
	return 0;
}

/* All that is in no block is known: it goes among the runs. */
int find_merge_loose_end(struct find_merge *m, struct err *err)
{
	sort_loose(m);
	for (uint32_t i = 0; i < m->loose.n; i++)
		best_add(m, order(m, m->loose.loose[i]->time));
	return m->loose.n ? heap_add(m, &m->loose, err) : 0;
}

/* --- handing on --- */

/* Behind an event of heap[0]: the run goes to its new place, or away. */
static void advance(struct find_merge *m)
{
	struct run *r = m->heap[0];
	if (++r->next == r->n) {
		m->heap[0] = m->heap[--m->n];
		if (r != &m->loose)
			run_free(m, r);
	}
	sift_down(m, 0);
}

/* The rest of it is lost. What was left out because of it may be wanted now, so nothing more is left out. */
static void drop(struct find_merge *m)
{
	free(m->best);
	m->best = NULL;
	m->heap[0]->next = m->heap[0]->n - 1;
	advance(m);
}

static int hand_on(struct find_merge *m, struct err *err)
{
	struct run *r = m->heap[0];
	struct event_found *found = m->search->found;
	struct event_row row = { .time = run_time(r), .dataset = run_dataset(r) };
	if (r->loose) {
		row.id = r->loose[r->next]->id;
		row.json = r->loose[r->next]->json;
	} else {
		int e = r->next == r->loaded ? load(m, r, err) : 0;
		if (find_search_damaged(m->search, e)) {
			drop(m);
			return 0;
		}
		if (e)
			return e;
		const struct piece *piece = &r->pieces[r->next - r->first];
		row.json = (struct str){ r->bytes.p + r->at, piece->json };
		row.id = (struct str){ r->bytes.p + r->at + piece->json, piece->id };
		r->at += piece->json + piece->id;
	}
	found->events++;
	m->enough = m->sink(m->arg, &row) || found->events == m->search->q->limit;
	advance(m);
	return 0;
}

int find_merge_before(struct find_merge *m, int64_t time, struct err *err)
{
	int r = 0;
	while (!r && !m->enough && m->n && order(m, run_time(m->heap[0])) < order(m, time))
		r = hand_on(m, err);
	return r ? r : m->enough;
}

int find_merge_all(struct find_merge *m, struct err *err)
{
	int r = 0;
	while (!r && !m->enough && m->n)
		r = hand_on(m, err);
	return r;
}

int find_merge_new(struct find_merge **ret, struct find_search *s, event_sink *sink, void *arg, struct err *err)
{
	struct find_merge *m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(err, -ENOMEM, "search: %m");
	m->search = s;
	m->sink = sink;
	m->arg = arg;
	m->loose.block.number = INT64_MAX;
	if (s->q->limit && s->q->limit <= BEST_MAX) {
		m->best = malloc(s->q->limit * sizeof(*m->best));
		if (!m->best) {
			free(m);
			return err_set(err, -ENOMEM, "search: %m");
		}
	}
	*ret = m;
	return 0;
}

void find_merge_free(struct find_merge *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		if (m->heap[i] != &m->loose)
			run_free(m, m->heap[i]);
	for (uint32_t i = 0; i < m->loose.n; i++)
		free(m->loose.loose[i]);
	free(m->loose.loose);
	free(m->heap);
	free(m->best);
	free(m);
}
