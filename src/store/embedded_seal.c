#include "store/embedded_inside.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ROWS_A_LOOK = 128,
	AHEAD = 2,
	IO_FAILURES = 5,
	RAW = 12 << 20, /* bytes of JSON that go to a block: more takes memory, and searches long to unfold */
	SMALL = 4,      /* blocks of a quarter of what they may have are taken over */
};
static const int64_t RETRY_AFTER = CLOCK_S, KEPT = 10 * (int64_t)CLOCK_S;

static void drop_puts(struct seal *l)
{
	for (size_t i = 0; i < l->n_puts; i++) {
		free((void *)l->puts[i].chunk.data.p);
		free((void *)l->puts[i].chunk.filter.p);
	}
	l->n_puts = 0;
}

/* What was gathered goes; the rows still stand in the journal. */
static void forget(struct seal *l)
{
	drop_puts(l);
	free(l->order);
	l->order = NULL;
	l->n = l->at = 0;
	l->n_replaces = 0;
	l->active = l->at_day = false;
	if (l->builder)
		chunk_builder_clear(l->builder);
}

/* Memory that nobody needs for now. */
static void rest(struct seal *l)
{
	chunk_builder_free(l->builder);
	l->builder = NULL;
	journal_unload(&l->rows);
	free(l->puts);
	l->puts = NULL;
	l->cap_puts = 0;
}

void seal_abort(struct events *s)
{
	forget(&s->seal);
}

void seal_done(struct seal *l)
{
	forget(l);
	rest(l);
}

/* By day, then dataset, then as they came, which they are in: sorted by each in turn, the last first. */
static int sort(struct seal_key **keys, size_t n, uint32_t n_datasets)
{
	const size_t room = (n_datasets > DAY_LAST ? n_datasets : DAY_LAST) + 2;
	size_t *start = malloc(room * sizeof(*start));
	struct seal_key *sorted = malloc((n + 1) * sizeof(*sorted));
	if (!start || !sorted) {
		free(start);
		free(sorted);
		return -ENOMEM;
	}
	for (int by_day = 0; by_day < 2; by_day++) {
		struct seal_key *from = *keys;
		memset(start, 0, room * sizeof(*start));
		for (size_t i = 0; i < n; i++)
			start[(by_day ? (uint32_t)from[i].day : from[i].dataset) + 1]++;
		for (size_t k = 1; k < room; k++)
			start[k] += start[k - 1];
		for (size_t i = 0; i < n; i++)
			sorted[start[by_day ? (uint32_t)from[i].day : from[i].dataset]++] = from[i];
		*keys = sorted;
		sorted = from;
	}
	free(start);
	free(sorted);
	return 0;
}

/* A frame that was whole when it was indexed isn't any more. */
static void lost(struct events *s, uint32_t from, uint32_t to)
{
	char why[96];
	snprintf(why, sizeof(why), "segment %" PRIu64 ": damaged since it was written, bytes %u to %u",
	         s->pending[0]->segment, from, to);
	embedded_tell(s, "journal-damaged", s->journal_dir, why);
	s->counts.lost_frames++;
}

static size_t choose(struct events *s, struct seal_key *order)
{
	const struct pending *p = s->pending[0];
	const struct journal_gap *before = NULL;
	size_t n = 0;
	for (size_t i = 0; i < p->n; i++) {
		const struct pending_row *r = &p->rows[i];
		const struct journal_gap *gap = s->seal.rows.n_gaps ? journal_gap(&s->seal.rows, r->at) : NULL;
		int32_t day = day_of(r->time);
		if (p->n_sealed && pending_is_sealed(p, day))
			continue;
		if (!gap)
			order[n++] = (struct seal_key){ day, r->dataset, r->at, r->size };
		else if (gap != before && s->seal.told != p->segment)
			lost(s, gap->from, gap->to);
		before = gap;
	}
	if (s->seal.rows.n_gaps)
		s->seal.told = p->segment;
	return n;
}

static int begin(struct events *s, struct err *err)
{
	struct seal *l = &s->seal;
	const struct pending *p = s->pending[0];
	int code = l->builder ? 0 : chunk_builder_new(&l->builder, err);
	if (!code)
		code = journal_load(s->journal, p->segment, l->failures >= IO_FAILURES, &l->rows, err);
	if (code)
		return code;
	struct seal_key *order = malloc((p->n + 1) * sizeof(*order));
	if (!order)
		return err_set(err, -ENOMEM, "seal a segment: %m");
	size_t n = choose(s, order);
	if (sort(&order, n, p->n_datasets)) {
		free(order);
		return err_set(err, -ENOMEM, "seal a segment: %m");
	}
	l->order = order;
	l->n = n;
	l->at = 0;
	l->dataset = UINT32_MAX;
	l->active = true;
	return 0;
}

static bool copy(struct str *s)
{
	char *p = malloc(s->n + 1);
	if (p)
		memcpy(p, s->p, s->n);
	s->p = p;
	return p;
}

/* The builder's rows become a block to put. */
static int pack(struct events *s, struct err *err)
{
	struct seal *l = &s->seal;
	if (!chunk_rows(l->builder))
		return 0;
	if (l->n_puts == l->cap_puts) {
		size_t cap = l->cap_puts ? 2 * l->cap_puts : 16;
		void *more = realloc(l->puts, cap * sizeof(*l->puts));
		if (!more)
			return err_set(err, -ENOMEM, "seal a segment: %m");
		l->puts = more;
		l->cap_puts = cap;
	}
	struct seal_put *put = &l->puts[l->n_puts];
	int code = chunk_seal(l->builder, SEAL_LEVEL, &put->chunk, err);
	if (code)
		return code;
	bool data = copy(&put->chunk.data), filter = copy(&put->chunk.filter);
	l->n_puts++;
	if (!data || !filter)
		return err_set(err, -ENOMEM, "seal a segment: %m");
	memcpy(put->dataset, s->pending[0]->datasets[l->dataset], sizeof(put->dataset));
	memcpy(put->replaces, l->replaces, sizeof(l->replaces));
	put->n_replaces = l->n_replaces;
	l->n_replaces = 0;
	return 0;
}

/* -EAGAIN: the day was damaged and has been set aside; with it went what was gathered, and the segment is begun anew. */
static int open_day(struct events *s, struct day **ret, struct err *err)
{
	s->seal.at_day = true;
	int code = days_make(s, s->seal.day, ret, err);
	return code || s->seal.active ? code : -EAGAIN;
}

/* All blocks of the day, and that the segment is in it, in one transaction. */
static int commit(struct events *s, struct err *err)
{
	struct seal *l = &s->seal;
	struct pending *p = s->pending[0];
	struct day *d;
	struct day_put *puts = malloc((l->n_puts + 1) * sizeof(*puts));
	if (!puts || pending_note_sealed(p, l->day)) {
		free(puts);
		return err_set(err, -ENOMEM, "seal a segment: %m");
	}
	for (size_t i = 0; i < l->n_puts; i++)
		puts[i] = (struct day_put){ l->puts[i].dataset, l->puts[i].chunk, l->puts[i].replaces,
			                    l->puts[i].n_replaces };
	int code = open_day(s, &d, err);
	if (!code)
		code = day_seal(d, p->segment, puts, l->n_puts, err);
	free(puts);
	if (code) {
		p->n_sealed--;
		return code;
	}
	l->at_day = false;
	known_forget(s->known);
	s->counts.blocks += l->n_puts;
	drop_puts(l);
	return 0;
}

/* A block's rows, into the builder. */
static int take_block(struct events *s, struct day *d, const struct day_block *block)
{
	struct day_reader reader = { d, block->number };
	struct chunk *c = s->own_chunk;
	struct buf *json = &s->row;
	const int64_t *times;
	int code = chunk_open(c, block->size, day_bytes, &reader, NULL);
	if (!code)
		code = chunk_times(c, &times, NULL);
	for (uint32_t i = 0; !code && i < chunk_n_rows(c); i++) {
		json->n = 0;
		code = chunk_json(c, i, json, NULL);
		if (!code)
			code = chunk_add(s->seal.builder, times[i], buf_str(json), NULL);
	}
	return code;
}

/*
 * Which of the day's small blocks of this dataset are taken over by one of `rows` more: the newest while they are no
 * bigger than what goes there anyway. So a row is packed anew some ten times at most, however few come at once, and
 * there are about as many small blocks.
 */
static size_t choose_small(const char *dataset, const struct day_block *blocks, size_t n, size_t rows,
                           const struct day_block *ret[SEAL_TAKES])
{
	size_t taken = 0;
	uint64_t raw = 0;
	for (int64_t before = INT64_MAX; taken < SEAL_TAKES; taken++) {
		const struct day_block *newest = NULL;
		for (size_t i = 0; i < n; i++)
			if (blocks[i].rows < CHUNK_ROWS / SMALL && blocks[i].raw < RAW / SMALL &&
			    blocks[i].number < before && (!newest || blocks[i].number > newest->number) &&
			    !strcmp(blocks[i].dataset, dataset))
				newest = &blocks[i];
		if (!newest || newest->rows > rows || rows + newest->rows > CHUNK_ROWS || raw + newest->raw > RAW)
			break;
		rows += newest->rows;
		raw += newest->raw;
		before = newest->number;
		ret[taken] = newest;
	}
	return taken;
}

/* Small blocks' rows go before those to come. One that can't be read stays as it is, and those older than it. */
static int take_small(struct events *s, size_t rows, struct err *err)
{
	struct seal *l = &s->seal;
	const struct day_block *blocks, *small[SEAL_TAKES];
	struct day *d;
	size_t n;
	if (!days_has(s, l->day))
		return 0;
	int code = open_day(s, &d, err);
	if (!code)
		code = day_blocks(d, &blocks, &n, err);
	if (code)
		return code;
	l->at_day = false;
	n = choose_small(s->pending[0]->datasets[l->dataset], blocks, n, rows, small);
	for (size_t i = n; i--;) {
		if (!take_block(s, d, small[i]))
			continue;
		chunk_builder_clear(l->builder); /* what was taken of it doesn't go in twice */
		n = i;
	}
	for (size_t i = 0; i < n; i++)
		l->replaces[i] = small[i]->number;
	l->n_replaces = n;
	return 0;
}

/* Rows of a day and dataset begin here: they make blocks of one size. */
static int begin_group(struct events *s, struct err *err)
{
	struct seal *l = &s->seal;
	const struct seal_key *key = &l->order[l->at];
	size_t n = 0, raw = 0;
	for (; l->at + n < l->n && key[n].day == key->day && key[n].dataset == key->dataset; n++)
		raw += key[n].size;
	l->day = key->day;
	l->dataset = key->dataset;
	int code = take_small(s, n, err);
	if (code)
		return code;
	n += chunk_rows(l->builder);
	raw += chunk_raw(l->builder);
	const size_t by_rows = (n + CHUNK_ROWS - 1) / CHUNK_ROWS, by_raw = raw / RAW + 1;
	const size_t blocks = by_rows > by_raw ? by_rows : by_raw;
	l->most = (uint32_t)((n + blocks - 1) / blocks);
	return 0;
}

/* Bytes that no block takes, though they were checked, are kept as text. */
static int add_as_text(struct events *s, int64_t time, struct str json, struct err *err)
{
	struct buf text = { .max = 8 * EVENT_JSON_MAX };
	buf_add(&text, STR("{\"event.original\":"));
	buf_add_json(&text, json);
	buf_add(&text, STR("}"));
	int code = text.failed ? -ENOMEM : chunk_add(s->seal.builder, time, buf_str(&text), err);
	buf_free(&text);
	return code;
}

/* The next row: into the builder, or what has to be done before it. */
static int step(struct events *s, struct err *err)
{
	struct seal *l = &s->seal;
	const struct seal_key *key = &l->order[l->at];
	bool same_day = l->dataset != UINT32_MAX && key->day == l->day;
	if (l->dataset != UINT32_MAX && (!same_day || key->dataset != l->dataset)) {
		int code = pack(s, err);
		if (!code && !same_day)
			code = commit(s, err);
		if (code)
			return code;
		l->dataset = UINT32_MAX;
	}
	if (l->dataset == UINT32_MAX)
		return begin_group(s, err);
	if (chunk_rows(l->builder) >= l->most)
		return pack(s, err);
	struct event_row row;
	if (l->at + AHEAD < l->n)
		journal_fetch(&l->rows, key[AHEAD].at, key[AHEAD].size);
	if (!journal_loaded(&l->rows, key->at, &row)) { /* in a whole frame: can't be */
		lost(s, key->at, key->at);
		l->at++;
		return 0;
	}
	int code = chunk_add(l->builder, row.time, row.json, err);
	if (code == -E2BIG && chunk_rows(l->builder))
		return pack(s, err);
	if (code == -EBADMSG || code == -E2BIG)
		code = add_as_text(s, row.time, row.json, err);
	l->at += !code;
	return code;
}

/* Behind the last row. */
static int finish(struct events *s, struct err *err)
{
	int code = s->seal.n ? pack(s, err) : 0;
	if (!code && s->seal.n_puts)
		code = commit(s, err);
	if (!code)
		code = embedded_drop(s, err);
	if (!code)
		forget(&s->seal);
	return code;
}

/* It will be tried again, from the journal. A day that can't take it is set aside. */
static int failed(struct events *s, int code, struct err *err)
{
	struct seal *l = &s->seal;
	int32_t day = l->day;
	bool at_day = l->at_day;
	l->failures++;
	l->retry_at = embedded_now(s) + RETRY_AFTER;
	if (l->failures == 1)
		embedded_tell(s, "seal-waits", s->days.dir, err->text);
	forget(l);
	if (l->failures > IO_FAILURES)
		rest(l);
	if (!at_day || !(code == -EBADMSG || (code == -EIO && l->failures >= IO_FAILURES)))
		return code;
	l->failures = 0;
	l->retry_at = 0;
	return mend_day(s, day, err->text, err);
}

int seal_work(struct events *s, int64_t until, struct err *err)
{
	struct seal *l = &s->seal;
	struct err own;
	err = err ? err : &own;
	const int64_t now = embedded_now(s);
	if (s->n_pending < 2 || now < l->retry_at) {
		if (now - l->worked > KEPT) {
			rest(l);
			journal_rest(s->journal);
		}
		return 0;
	}
	l->worked = now;
	int code = l->active ? 0 : begin(s, err);
	for (unsigned i = 1; !code && l->active; i++) {
		code = l->at < l->n ? step(s, err) : finish(s, err);
		if (i % ROWS_A_LOOK == 0 && embedded_now(s) >= until)
			break;
	}
	if (code == -EAGAIN && !l->active) /* what begins anew comes with the next call */
		return 0;
	if (code)
		return failed(s, code, err);
	if (!l->active)
		l->failures = 0;
	return 0;
}
