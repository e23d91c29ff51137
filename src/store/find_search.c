#include "store/find.h"

#include <errno.h>
#include <stdlib.h>

enum {
	PROGRESS_PER_DAY = 1000,
	/* So many blocks are searched before a second thread is begun, and so many have to be left for it. */
	ALONE_AT_FIRST = 8,
	WORTH_AHEAD = 16,
	LOOK_EVERY = 256, /* rows of the journal: whether it is cancelled */
};

static bool wants_dataset(const struct event_query *q, struct str dataset)
{
	for (size_t i = 0; i < q->n_datasets; i++)
		if (str_eq(q->datasets[i], dataset))
			return true;
	return !q->n_datasets;
}

int find_search_begin(struct find_search *s, struct events *store, const struct event_query *q,
                      struct event_found *found, struct err *err)
{
	*found = (struct event_found){ 0 };
	*s = (struct find_search){ .store = store, .q = q, .found = found };
	s->first = q->from;
	s->last = q->to ? q->to - 1 : INT64_MAX;
	int r = find_where_init(&s->where, q->where, &s->arena, err);
	r = r ? r : find_where_init(&s->blocks, q->blocks, &s->arena, err);
	if (r)
		return r;
	s->block.chunk = embedded_chunk(store);
	s->block.where = s->json.where = &s->where;
	s->block.cancel = q->cancel;
	return 0;
}

void find_search_done(struct find_search *s)
{
	find_block_done(&s->block);
	find_json_done(&s->json);
	arena_free(&s->arena);
}

static bool is_cancelled(const struct find_search *s)
{
	return s->q->cancel && atomic_load_explicit(s->q->cancel, memory_order_relaxed);
}

struct loose {
	struct find_search *search;
	int (*fn)(void *arg, uint64_t seq, const struct event_row *row);
	void *arg;
	struct err *err;
	uint64_t n;
};

static int try_loose(void *arg, uint64_t seq, const struct event_row *row)
{
	struct loose *l = arg;
	struct find_search *s = l->search;
	bool holds = true;
	if (l->n++ % LOOK_EVERY == 0 && is_cancelled(s))
		return 1;
	if (row->time < s->first || row->time > s->last || !wants_dataset(s->q, row->dataset))
		return 0;
	s->found->rows++;
	/* Fields are asked for where there is no condition, too. */
	int r = !s->where.all || s->json.n_fields ? find_json(&s->json, row->json, &holds, l->err) : 0;
	return r || !holds ? r : l->fn(l->arg, seq, row);
}

int find_search_loose(struct find_search *s, int (*fn)(void *arg, uint64_t seq, const struct event_row *row), void *arg,
                      struct err *err)
{
	struct loose l = { s, fn, arg, err, 0 };
	return embedded_unsealed(s->store, try_loose, &l, err);
}

static int read_counted(void *arg, uint64_t at, void *to, size_t n, struct err *err)
{
	struct find_reader *r = arg;
	r->search->found->bytes += n;
	return day_bytes(&r->day, at, to, n, err);
}

bool find_search_damaged(struct find_search *s, int code)
{
	bool damaged = code == -EBADMSG || code == -EIO;
	s->found->damaged += damaged;
	return damaged;
}

int find_search_open(struct find_search *s, const struct day_block *block, struct err *err)
{
	s->reader = (struct find_reader){ { s->day, block->number }, s };
	s->opened++;
	int r = chunk_open(s->block.chunk, block->size, read_counted, &s->reader, err);
	if (!r && chunk_n_rows(s->block.chunk) != block->rows)
		r = err_set(err, -EBADMSG, "search: a block has %u rows instead of %u", chunk_n_rows(s->block.chunk),
		            block->rows);
	return r;
}

/* Times are sure to lie where the day's list says: what is handed on in order depends on it. */
static int read_times(struct find_search *s, const struct day_block *block, const int64_t **times, struct err *err)
{
	int r = chunk_times(s->block.chunk, times, err);
	for (uint32_t i = 0; !r && i < block->rows; i++)
		if ((*times)[i] < block->first || (*times)[i] > block->last)
			r = err_set(err, -EBADMSG, "search: a block has times outside of its span");
	return r;
}

static int search_rows(struct find_search *s, const struct day_block *block, int64_t first, int64_t last,
                       const int64_t **times, uint32_t *n, struct err *err)
{
	const int64_t *own = NULL;
	bool inside = first <= block->first && block->last <= last;
	int r = find_search_open(s, block, err);
	if (!r && (times || !inside))
		r = read_times(s, block, &own, err);
	r = r ? r : find_block(&s->block, inside ? NULL : own, first, last, n, err);
	if (!r && times)
		*times = own;
	return r;
}

struct filter {
	struct day *day;
	const struct day_block *block;
};

static int filter_has(void *arg, const uint64_t *hash, size_t n, bool *ret, struct err *err)
{
	const struct filter *f = arg;
	return day_may_have(f->day, f->block, hash, n, ret, err);
}

int find_search_rows_alone(struct find_search *s, const struct day_block *block, int64_t first, int64_t last,
                           const int64_t **times, uint32_t *n, struct err *err)
{
	struct filter filter = { s->day, block };
	bool may;
	int r = find_where_may(&s->where, filter_has, &filter, &may, err);
	if (!r && may)
		r = find_where_may(&s->blocks, filter_has, &filter, &may, err);
	*n = 0;
	s->found->skipped += !may;
	if (!r && may)
		r = search_rows(s, block, first, last, times, n, err);
	if (r)
		*n = 0;
	return r;
}

int find_search_rows(struct find_search *s, const struct day_block *block, int64_t first, int64_t last,
                     const int64_t **times, uint32_t *n, struct err *err)
{
	int r;
	if (!s->ahead || !find_ahead_rows(s->ahead, s->at, n)) {
		r = find_search_rows_alone(s, block, first, last, times, n, err);
	} else {
		r = *n ? find_search_open(s, block, err) : 0;
		if (!r && *n && times)
			r = read_times(s, block, times, err);
	}
	if (r)
		*n = 0;
	return find_search_damaged(s, r) ? 0 : r;
}

static int newest_first(const void *x, const void *y)
{
	const struct day_block *a = x, *b = y;
	if (a->last != b->last)
		return a->last < b->last ? 1 : -1;
	return (a->number < b->number) - (a->number > b->number);
}

static int oldest_first(const void *x, const void *y)
{
	const struct day_block *a = x, *b = y;
	if (a->first != b->first)
		return a->first > b->first ? 1 : -1;
	return (a->number > b->number) - (a->number < b->number);
}

/* Those of the span and datasets, in order. The caller frees *ret. */
static int choose_blocks(struct find_search *s, int32_t day, struct day_block **ret, size_t *n, struct err *err)
{
	const struct day_block *all;
	size_t n_all, kept = 0;
	int r = day_blocks(s->day, &all, &n_all, err);
	if (r)
		return r;
	struct day_block *own = malloc((n_all + 1) * sizeof(*own));
	if (!own)
		return err_set(err, -ENOMEM, "search: %m");
	for (size_t i = 0; i < n_all; i++) {
		const struct day_block *b = &all[i];
		if (b->last < s->first || b->first > s->last || !wants_dataset(s->q, str_from(b->dataset)))
			continue;
		s->found->blocks++;
		s->found->rows += b->rows;
		if (b->first > b->last || day_of(b->first) != day || day_of(b->last) != day || b->rows > CHUNK_ROWS)
			s->found->damaged++;
		else
			own[kept++] = *b;
	}
	qsort(own, kept, sizeof(*own), s->q->oldest_first ? oldest_first : newest_first);
	*ret = own;
	*n = kept;
	return 0;
}

static int visit_blocks(struct find_search *s, int32_t day, const struct day_block *blocks, size_t n,
                        const struct find_visit *visit, struct err *err)
{
	int r = 0;
	for (s->at = 0; !r && s->at < n; s->at++) {
		if (s->q->progress)
			s->q->progress(s->q->progress_arg, s->done + s->at * PROGRESS_PER_DAY / n, s->whole);
		if (is_cancelled(s))
			return 1;
		if (!s->ahead && !s->where.all && s->opened >= ALONE_AT_FIRST && n - s->at >= WORTH_AHEAD)
			s->ahead = find_ahead_begin(s, day, blocks, s->at, n);
		r = visit->block(visit->arg, &blocks[s->at], err);
	}
	return r;
}

static int visit_day(struct find_search *s, int32_t day, const struct find_visit *visit, struct err *err)
{
	struct day_block *blocks = NULL;
	size_t n = 0;
	int r = embedded_day(s->store, day, &s->day, err);
	r = r ? r : choose_blocks(s, day, &blocks, &n, err);
	if (r == -ENOENT || find_search_damaged(s, r)) /* let go meanwhile; or lost, which was told */
		return 0;
	if (r)
		return r;
	r = visit_blocks(s, day, blocks, n, visit, err);
	find_ahead_end(s->ahead);
	s->ahead = NULL;
	free(blocks);
	r = r || !visit->day ? r : visit->day(visit->arg, day, err);
	day_release(s->day);
	return r;
}

int find_search_blocks(struct find_search *s, const struct find_visit *visit, struct err *err)
{
	int32_t *days;
	size_t n;
	if (s->first > s->last)
		return 0;
	int r = embedded_days(s->store, s->q->from, s->q->to, &days, &n, err);
	if (r)
		return r;
	s->found->mending = embedded_mending(s->store, s->q->from, s->q->to);
	s->whole = n * PROGRESS_PER_DAY;
	for (size_t i = 0; !r && i < n; i++, s->done += PROGRESS_PER_DAY)
		r = is_cancelled(s) ? 1 : visit_day(s, days[s->q->oldest_first ? n - 1 - i : i], visit, err);
	free(days);
	return r;
}
