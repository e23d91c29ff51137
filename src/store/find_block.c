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

/* What a test says yes to holds its text: asked first, because that is found in parts of texts, too. */
static int ask_hint(void *arg, const struct chunk_values *v, bool plain, uint8_t *hit, struct err *err)
{
	const struct question *q = arg;
	struct find_term hint = *q->term;
	struct question own = { q->block, &hint };
	hint.kind = TERM_SUBSTRING;
	return ask(&own, v, plain, hit, err);
}

static bool is_cancelled(const struct find_block *b)
{
	return b->cancel && atomic_load_explicit(b->cancel, memory_order_relaxed);
}

/* The rows of all columns that the term is about. 1: cancelled. */
static int search_columns(struct find_block *b, const struct find_term *t, const struct chunk_question *q,
                          uint64_t rows[FIND_ROWS], struct err *err)
{
	int r = 0;
	memset(rows, 0, FIND_ROWS * sizeof(*rows));
	for (size_t i = 0; !r && i < t->n_fields; i++) {
		uint32_t column = chunk_column(b->chunk, t->fields[i]);
		r = is_cancelled(b);
		if (!r && column != UINT32_MAX)
			r = chunk_search(b->chunk, column, q, rows, err);
	}
	for (uint32_t c = 0; !t->n_fields && !r && c < chunk_n_columns(b->chunk); c++)
		r = is_cancelled(b) ? 1 : chunk_search(b->chunk, c, q, rows, err);
	return r;
}

static bool any(const uint64_t a[FIND_ROWS], const uint64_t b[FIND_ROWS])
{
	for (size_t i = 0; i < FIND_ROWS; i++)
		if (a[i] & b[i])
			return true;
	return false;
}

/* Sets `rows` to those that the term holds for, negated or not; of others than `in` they may be wrong. */
static int search_term(struct find_block *b, const struct find_term *t, const uint64_t in[FIND_ROWS],
                       uint64_t rows[FIND_ROWS], struct err *err)
{
	struct question own = { b, t };
	struct chunk_question q = { .ask = ask, .arg = &own };
	if (t->kind == TERM_TEST && t->text.n && t->n_fields) {
		const struct chunk_question hint = { .text = t->text, .ask = ask_hint, .arg = &own };
		int r = search_columns(b, t, &hint, rows, err);
		if (r || !any(rows, in))
			return r;
	}
	/* Whether a value equals something, or is a time, its parts don't say. */
	if (t->n_fields && t->kind != TERM_EQUAL && t->kind != TERM_TEST)
		q.text = t->text;
	return search_columns(b, t, &q, rows, err);
}

static int search_node(struct find_block *b, const struct find_node *n, const uint64_t in[FIND_ROWS],
                       uint64_t out[FIND_ROWS], struct err *err);

/* What is asked next of the rows that are left: of AND those that are in so far, of OR those that aren't. */
static int search_kids(struct find_block *b, const struct find_node *n, const uint64_t in[FIND_ROWS],
                       uint64_t out[FIND_ROWS], struct err *err)
{
	const bool any_of = n->kind == EXPR_OR;
	uint64_t left[FIND_ROWS], one[FIND_ROWS];
	memcpy(left, in, sizeof(left));
	int r = 0;
	for (size_t i = 0; !r && i < n->n_kids && any(left, left); i++) {
		r = search_node(b, &n->kids[i], left, one, err);
		for (size_t w = 0; !r && w < FIND_ROWS; w++)
			left[w] = any_of ? left[w] & ~one[w] : one[w];
	}
	for (size_t w = 0; w < FIND_ROWS; w++)
		out[w] = any_of ? in[w] & ~left[w] : left[w];
	return r;
}

/* Sets `out` to those of `in` that it holds for. */
static int search_node(struct find_block *b, const struct find_node *n, const uint64_t in[FIND_ROWS],
                       uint64_t out[FIND_ROWS], struct err *err)
{
	if (n->kind != EXPR_TERM)
		return search_kids(b, n, in, out, err);
	const struct find_term *t = &b->where->terms[n->term];
	int r = search_term(b, t, in, out, err);
	for (size_t w = 0; !r && w < FIND_ROWS; w++)
		out[w] = in[w] & (t->negated ? ~out[w] : out[w]);
	return r;
}

static uint32_t count(const uint64_t *rows)
{
	uint32_t n = 0;
	for (size_t i = 0; i < FIND_ROWS; i++)
		n += (uint32_t)__builtin_popcountll(rows[i]);
	return n;
}

static void set_span(const struct find_block *b, uint64_t rows[FIND_ROWS], const int64_t *times, int64_t first,
                     int64_t last)
{
	uint32_t n = chunk_n_rows(b->chunk);
	memset(rows, 0, FIND_ROWS * sizeof(*rows));
	for (uint32_t i = 0; i < n; i++)
		rows[i / 64] |= (uint64_t)(!times || (times[i] >= first && times[i] <= last)) << i % 64;
}

int find_block(struct find_block *b, const int64_t *times, int64_t first, int64_t last, uint32_t *n, struct err *err)
{
	if (chunk_n_rows(b->chunk) > CHUNK_ROWS)
		return err_set(err, -EBADMSG, "search: a block of too many rows");
	uint64_t span[FIND_ROWS];
	set_span(b, span, times, first, last);
	int r = search_node(b, &b->where->root, span, b->rows, err);
	*n = r ? 0 : count(b->rows);
	return r;
}

void find_block_done(struct find_block *b)
{
	find_room_free(&b->room);
	*b = (struct find_block){ 0 };
}
