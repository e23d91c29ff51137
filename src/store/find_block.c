#include "store/find.h"

#include <errno.h>

struct question {
	struct find_block *block;
	const struct find_term *term;
};

static int ask(void *arg, const struct chunk_values *v, bool plain, uint8_t *hit, struct err *err)
{
	const struct question *q = arg;
	struct find_texts texts = { v->n_texts, v->bytes, v->ends };
	int r = plain ? 0 : find_unescape(&texts, &q->block->room, err);
	if (!r)
		find_texts(q->term, &texts, hit);
	return r;
}

static int search_term(struct find_block *b, const struct find_term *t, struct err *err)
{
	struct question own = { b, t };
	struct chunk_question q = { .ask = ask, .arg = &own };
	int r = 0;
	memset(b->one, 0, sizeof(b->one));
	/* Whether a value equals something, or is a time, its parts don't say. */
	if (t->field.n && t->kind != TERM_EQUAL)
		q.text = t->text;
	uint32_t only = t->field.n ? chunk_column(b->chunk, t->field) : 0;
	if (t->field.n && only != UINT32_MAX)
		r = chunk_search(b->chunk, only, &q, b->one, err);
	for (uint32_t c = 0; !t->field.n && !r && c < chunk_n_columns(b->chunk); c++)
		r = chunk_search(b->chunk, c, &q, b->one, err);
	return r;
}

static uint32_t count(const uint64_t *rows)
{
	uint32_t n = 0;
	for (size_t i = 0; i < CHUNK_ROWS / 64; i++)
		n += (uint32_t)__builtin_popcountll(rows[i]);
	return n;
}

static void set_span(struct find_block *b, const int64_t *times, int64_t first, int64_t last)
{
	uint32_t n = chunk_n_rows(b->chunk);
	memset(b->rows, 0, sizeof(b->rows));
	for (uint32_t i = 0; i < n; i++)
		b->rows[i / 64] |= (uint64_t)(!times || (times[i] >= first && times[i] <= last)) << i % 64;
}

int find_block(struct find_block *b, const int64_t *times, int64_t first, int64_t last, uint32_t *n, struct err *err)
{
	if (chunk_n_rows(b->chunk) > CHUNK_ROWS)
		return err_set(err, -EBADMSG, "search: a block of too many rows");
	set_span(b, times, first, last);
	*n = count(b->rows);
	/* Terms of a field read one column, the others all: the cheap ones first, and none when no row is left. */
	for (int cheap = 1; cheap >= 0; cheap--)
		for (size_t i = 0; *n && i < b->n_terms; i++) {
			const struct find_term *t = &b->terms[i];
			if ((t->field.n > 0) != cheap)
				continue;
			int r = search_term(b, t, err);
			if (r)
				return r;
			for (size_t w = 0; w < CHUNK_ROWS / 64; w++)
				b->rows[w] &= t->negated ? ~b->one[w] : b->one[w];
			*n = count(b->rows);
		}
	return 0;
}

void find_block_done(struct find_block *b)
{
	find_room_free(&b->room);
	*b = (struct find_block){ 0 };
}
