#include "store/embedded_inside.h"

#include <errno.h>
#include <stdlib.h>

enum { ROWS_A_LOOK = 128, RETRY_AFTER = CLOCK_S, IO_FAILURES = 5 };

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
	l->replaces = 0;
	l->active = l->at_day = false;
	chunk_builder_free(l->builder);
	l->builder = NULL;
}

void seal_abort(struct events *s)
{
	forget(&s->seal);
}

void seal_done(struct seal *l)
{
	forget(l);
	free(l->puts);
}

/* By day, then dataset, then as they came. */
static int by_place(const void *a, const void *b)
{
	const struct seal_key *x = a, *y = b;
	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	if (x->dataset != y->dataset)
		return x->dataset < y->dataset ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

static int begin(struct events *s, struct err *err)
{
	struct seal *l = &s->seal;
	const struct pending *p = s->pending[0];
	struct chunk_builder *builder = NULL;
	struct seal_key *order = malloc((p->n + 1) * sizeof(*order));
	if (!order)
		return err_set(err, -ENOMEM, "seal a segment: %m");
	int code = chunk_builder_new(&builder, err);
	if (code) {
		free(order);
		return code;
	}
	size_t n = 0;
	for (size_t i = 0; i < p->n; i++) {
		int32_t day = day_of(p->rows[i].time);
		if (!p->n_sealed || !pending_is_sealed(p, day))
			order[n++] = (struct seal_key){ day, p->rows[i].dataset, (uint32_t)i };
	}
	qsort(order, n, sizeof(*order), by_place);
	l->builder = builder;
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
	put->replaces = l->replaces;
	l->replaces = 0;
	return 0;
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
		puts[i] = (struct day_put){ l->puts[i].dataset, l->puts[i].chunk, l->puts[i].replaces };
	l->at_day = true;
	int code = days_make(s, l->day, &d, err);
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

/* The rows of the day's newest small block of this dataset, if there is one, go before those to come. */
static int take_small(struct events *s, struct err *err)
{
	struct seal *l = &s->seal;
	const char *dataset = s->pending[0]->datasets[l->dataset];
	const struct day_block *blocks, *small = NULL;
	const int64_t *times;
	struct day *d;
	size_t n;
	if (!days_has(s, l->day))
		return 0;
	l->at_day = true;
	int code = days_make(s, l->day, &d, err);
	if (!code)
		code = day_blocks(d, &blocks, &n, err);
	if (code)
		return code;
	l->at_day = false;
	for (size_t i = 0; i < n; i++)
		if (blocks[i].rows < CHUNK_ROWS / 2 && blocks[i].raw < CHUNK_RAW_MAX / 2 &&
		    (!small || blocks[i].number > small->number) && !strcmp(blocks[i].dataset, dataset))
			small = &blocks[i];
	if (!small)
		return 0;
	struct day_reader reader = { d, small->number };
	struct chunk *c = s->own_chunk;
	struct buf *json = &s->row;
	code = chunk_open(c, small->size, day_read, &reader, NULL);
	if (!code)
		code = chunk_times(c, &times, NULL);
	for (uint32_t i = 0; !code && i < chunk_n_rows(c); i++) {
		json->n = 0;
		code = chunk_json(c, i, json, NULL);
		if (!code)
			code = chunk_add(l->builder, times[i], buf_str(json), NULL);
	}
	if (!code) {
		l->replaces = small->number;
		return 0;
	}
	/* it can't be read: it stays as it is, and its rows don't go in twice */
	struct chunk_builder *fresh;
	code = chunk_builder_new(&fresh, err);
	if (code)
		return code;
	chunk_builder_free(l->builder);
	l->builder = fresh;
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
	if (l->dataset == UINT32_MAX) {
		l->day = key->day;
		l->dataset = key->dataset;
		return take_small(s, err);
	}
	const struct pending_row *r = &s->pending[0]->rows[key->row];
	struct event_row row;
	int code = journal_row(s->journal, s->pending[0]->segment, r->at, &s->row, &row, err);
	if (code == -EBADMSG) {
		embedded_tell(s, "journal-damaged", s->journal_dir, err->text);
		s->counts.lost_frames++;
		l->at++;
		return 0;
	}
	if (code)
		return code;
	code = chunk_add(l->builder, row.time, row.json, err);
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
	if (s->n_pending < 2 || embedded_now(s) < l->retry_at)
		return 0;
	int code = l->active ? 0 : begin(s, err);
	for (unsigned i = 1; !code && l->active; i++) {
		code = l->at < l->n ? step(s, err) : finish(s, err);
		if (i % ROWS_A_LOOK == 0 && embedded_now(s) >= until)
			break;
	}
	if (code)
		return failed(s, code, err);
	if (!l->active)
		l->failures = 0;
	return 0;
}
