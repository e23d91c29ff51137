/*
 * Which rows have a text in a column: see chunk.h. Texts of layouts are not put together where it shows without: when
 * the text stands within what the layout itself says, or within one of its variables or references, none of which is
 * part of a longer word. Only where it may begin in one of these and end in another they are.
 */
#include "store/bloom.h"
#include "store/chunk_reader.h"

#include "base/json.h"

enum { SEARCH_MAX = 128 /* bytes of a text that is looked for in parts of texts */ };

struct search {
	struct chunk *chunk;
	const struct chunk_question *q;
	struct err *err;
	bool parts; /* parts of texts may be asked */
	bool word;  /* it is a word, or part of one */
	bool digits;
};

/* What is known of a layout's texts: none has it; each; those whose variables or references have; look at each text. */
enum verdict { NONE, HELD, APART, WHOLE };

static int search_column(struct search *s, struct column *c, uint64_t **ret);

static inline void set_bit(uint64_t *bits, uint32_t i, bool on)
{
	bits[i / 64] |= (uint64_t)on << i % 64;
}

static inline bool has_bit(const uint64_t *bits, uint32_t i)
{
	return bits[i / 64] >> i % 64 & 1;
}

static void *room(struct search *s, size_t n)
{
	return arena_zalloc(&s->chunk->arena, n);
}

/* Asks texts. *ret is a byte for each, good until the next call; NULL: it holds for none. */
static int ask(struct search *s, const struct chunk_values *v, bool plain, const uint8_t **ret)
{
	struct buf *b = &s->chunk->hit;
	b->n = 0;
	b->failed = false;
	uint8_t *hit = (uint8_t *)buf_room(b, v->n_texts + 1);
	if (!hit)
		return chunk_no_memory(s->err);
	memset(hit, 0, v->n_texts + 1);
	int r = s->q->ask(s->q->arg, v, plain, hit, s->err);
	*ret = !r && memchr(hit, 1, v->n_texts) ? hit : NULL;
	return r;
}

static inline bool is_digit(unsigned char c)
{
	return (unsigned char)(c - '0') <= 9;
}

static int mark(struct search *s, const struct chunk_values *v, const uint8_t *hit, uint64_t **ret)
{
	uint64_t *bits = room(s, v->n / 8 + 8);
	if (!bits)
		return chunk_no_memory(s->err);
	for (uint32_t i = 0; i < v->n; i++)
		set_bit(bits, i, hit[v->codes ? v->codes[i] : i]);
	*ret = bits;
	return 0;
}

static int how_it_went(struct search *s, const struct unlayout *x)
{
	if (!x->take.bad)
		return 0;
	return x->take.no_memory ? chunk_no_memory(s->err) : chunk_damaged("a column", s->err);
}

/* --- layouts --- */

/* Has \u, whose digits may be taken for a variable. */
static bool has_code(struct str text)
{
	for (size_t i = 0; i + 1 < text.n; i++)
		if (text.p[i] == '\\' && text.p[++i] == 'u')
			return true;
	return false;
}

/* Whether parts of its texts, their escapes undone, are texts' parts. */
static bool is_plain(const struct unlayout *x, uint32_t layout)
{
	const struct step *first = x->steps + x->layouts[layout].steps;
	for (const struct step *s = first;; s++) {
		if (has_code((struct str){ x->text + s->at, s->n }))
			return false;
		/* Two references side by side could make one letter of two halves. */
		if (s > first && !s->n && s->source < x->n_references && s[-1].source < x->n_references)
			return false;
		if (s->source == NO_SOURCE)
			return true;
	}
}

static inline char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_same(const char *a, const char *folded, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fold(a[i]) != folded[i])
			return false;
	return true;
}

/*
 * Passes one part of a layout on from how much of the text may stand right before it, at[1..n), to how much may right
 * behind it; true: the text may end in it.
 */
static bool pass_constant(struct str part, struct str text, bool *at)
{
	bool before[SEARCH_MAX];
	memcpy(before, at, text.n);
	memset(at, 0, text.n);
	for (size_t p = 1; p < text.n; p++) {
		size_t n = text.n - p < part.n ? text.n - p : part.n;
		if (before[p] && is_same(part.p, text.p + p, n)) {
			if (p + n == text.n)
				return true;
			at[p + n] = true;
		}
		at[p] |= p <= part.n && is_same(part.p + part.n - p, text.p, p);
	}
	return false;
}

static bool pass_source(const struct source *source, struct str text, bool *at)
{
	const struct source_edges *edges = source->edges;   /* of a reference; variables are words */
	bool begun = true, through = false, before = false; /* in this part; before it; right before it */
	for (size_t p = 1;; p++) {
		const unsigned char c = (unsigned char)text.p[p - 1];
		const bool fits = edges || (source->digits ? is_digit(c) : bloom_is_word(c));
		begun &= fits;
		through = fits && (through || (before && (!edges || edges->first[c])));
		if (p == text.n)
			return through;
		before = at[p];
		at[p] = (begun || through) && (!edges || edges->last[c]);
	}
}

static bool may_span(const struct search *s, const struct unlayout *x, uint32_t layout)
{
	bool at[SEARCH_MAX] = { 0 };
	for (uint32_t k = x->layouts[layout].steps;; k++) {
		if (pass_constant(chunk_text(&x->constants, k), s->q->text, at))
			return true;
		if (x->steps[k].source == NO_SOURCE)
			return false;
		if (pass_source(&x->sources[x->steps[k].source], s->q->text, at))
			return true;
	}
}

/* --- what references begin and end with, so that few texts seem to go on in one --- */

static void add_edge(bool set[256], struct str text, size_t at)
{
	if (!text.n || memchr(text.p, '\\', text.n)) /* unknown, or maybe part of an escape */
		memset(set, 1, 256);
	else
		set[(unsigned char)fold(text.p[at])] = true;
}

static void layout_edges(const struct unlayout *x, struct source_edges *ret)
{
	for (uint32_t l = 0; l < x->n_layouts; l++) {
		const struct step *s = x->steps + x->layouts[l].steps;
		add_edge(ret->first, (struct str){ x->text + s->at, s->n }, 0);
		while (s->source != NO_SOURCE)
			s++;
		add_edge(ret->last, (struct str){ x->text + s->at, s->n }, s->n - 1);
	}
}

static int find_edges(struct search *s, struct unlayout *x, struct source *source)
{
	struct column *c = source->edges ? NULL : take_open_other(&x->take, source->column, &source->by_row);
	if (!c)
		return how_it_went(s, x);
	struct source_edges *edges = room(s, sizeof(*edges));
	if (!edges)
		return chunk_no_memory(s->err);
	source->edges = edges;
	if (!c->loaded && c->layouts) {
		layout_edges(c->layouts, edges);
		return 0;
	}
	if (!c->loaded && !take_may_hold(c->take, STR("a"))) {
		for (const char *p = "-.0123456789"; *p; p++)
			edges->first[(unsigned char)*p] = edges->last[(unsigned char)*p] = true;
		return 0;
	}
	chunk_load_texts(c);
	int r = c->texts ? 0 : chunk_load_column(s->chunk, c, s->err);
	for (uint32_t i = 0; !r && i < c->values.n_texts; i++) {
		struct str text = chunk_text(&c->values, i);
		add_edge(edges->first, text, 0);
		add_edge(edges->last, text, text.n - 1);
	}
	return r;
}

/* The layouts' own bytes, by step. */
static bool make_constants(struct search *s, struct unlayout *x)
{
	if (x->constants.n)
		return true;
	char *bytes = room(s, x->ends[x->n_layouts - 1] + JSON_UNESCAPE_ROOM), *to = bytes;
	uint32_t *ends = room(s, x->n_steps * sizeof(*ends));
	if (!bytes || !ends)
		return false;
	for (uint32_t k = 0; k < x->n_steps; k++) {
		to += json_kernel()->unescape(to, (struct str){ x->text + x->steps[k].at, x->steps[k].n });
		ends[k] = (uint32_t)(to - bytes);
	}
	x->constants = (struct chunk_values){ .n = x->n_steps, .n_texts = x->n_steps, .bytes = bytes, .ends = ends };
	return true;
}

/* `hit`: of the steps' bytes; NULL: none. */
static enum verdict judge(struct search *s, struct unlayout *x, const uint8_t *hit, uint32_t l)
{
	if (!is_plain(x, l))
		return WHOLE;
	const uint32_t first = x->layouts[l].steps;
	uint32_t last = first;
	while (x->steps[last].source != NO_SOURCE)
		last++;
	if (hit && memchr(hit + first, 1, last - first + 1))
		return HELD;
	if (may_span(s, x, l))
		return WHOLE;
	for (uint32_t k = first; k < last; k++)
		x->sources[x->steps[k].source].wanted = true;
	return APART;
}

static int judge_all(struct search *s, struct unlayout *x, uint8_t *verdicts)
{
	const uint8_t *hit;
	int r = make_constants(s, x) ? ask(s, &x->constants, true, &hit) : chunk_no_memory(s->err);
	for (uint32_t k = 0; k < x->n_sources; k++)
		x->sources[k].wanted = false;
	for (uint32_t l = 0; !r && l < x->n_layouts; l++)
		verdicts[l] = (uint8_t)judge(s, x, hit, l);
	return r;
}

static int search_variables(struct search *s, struct unlayout *x, struct source *source)
{
	const uint8_t *hit;
	if (!source->n || !(source->any || (source->digits ? s->digits : s->word)))
		return 0;
	unlayout_load_texts(x, source);
	if (!source->loaded && !source->texts) {
		struct take stored = unlayout_stored(x, source);
		if (!take_may_hold(&stored, s->q->text))
			return 0;
		unlayout_load(x, source);
	}
	int r = how_it_went(s, x);
	r = r ? r : ask(s, &source->values, false, &hit);
	if (r || !hit)
		return r;
	unlayout_load(x, source);
	r = how_it_went(s, x);
	return r ? r : mark(s, &source->values, hit, &source->hits);
}

static int search_source(struct search *s, struct unlayout *x, struct source *source)
{
	source->hits = NULL;
	if (!source->wanted)
		return 0;
	if (source->column == UINT32_MAX)
		return search_variables(s, x, source);
	struct column *other = take_open_other(&x->take, source->column, &source->by_row);
	int r = how_it_went(s, x);
	return r ? r : search_column(s, other, &source->hits);
}

static bool has_hits(const struct unlayout *x, uint32_t layout)
{
	for (const struct step *s = x->steps + x->layouts[layout].steps; s->source != NO_SOURCE; s++)
		if (x->sources[s->source].hits)
			return true;
	return false;
}

/* The texts of layouts all of whose texts have it, and those with a variable or reference that has. */
static void mark_parts(struct unlayout *x, uint8_t *verdicts, uint64_t *bits)
{
	struct source *rare = &x->sources[x->n_sources - 1];
	for (uint32_t s = 0; s < x->n_sources; s++)
		x->sources[s].next = 0;
	for (uint32_t l = 0; l < x->n_layouts; l++)
		if (verdicts[l] == APART && !has_hits(x, l))
			verdicts[l] = NONE;
	for (uint32_t i = 0; i < x->n; i++) {
		const uint32_t l = x->layout_of[i];
		if (verdicts[l] != APART) {
			set_bit(bits, i, verdicts[l] == HELD);
			rare->next += x->layouts[l].shared;
			continue;
		}
		for (const struct step *s = x->steps + x->layouts[l].steps; s->source != NO_SOURCE; s++) {
			struct source *from = &x->sources[s->source];
			uint32_t k = s->source >= x->n_references ? from->next++ : source_index(x, from, i);
			set_bit(bits, i, from->hits && has_bit(from->hits, k));
		}
	}
}

static int mark_wholes(struct search *s, struct unlayout *x, uint8_t *verdicts, uint64_t *bits)
{
	uint8_t *chosen = room(s, x->n_layouts);
	uint32_t *values = room(s, x->n * sizeof(*values));
	struct chunk_values v;
	const uint8_t *hit = NULL;
	if (!chosen || !values)
		return chunk_no_memory(s->err);
	for (uint32_t l = 0; l < x->n_layouts; l++)
		chosen[l] = verdicts[l] == WHOLE;
	if (!memchr(chosen, 1, x->n_layouts))
		return 0;
	x->peeked = true;
	unlayout_texts(x, chosen, values, &v);
	int r = how_it_went(s, x);
	r = r ? r : ask(s, &v, false, &hit);
	for (uint32_t i = 0; !r && hit && i < v.n; i++)
		set_bit(bits, values[i], hit[i]);
	return r;
}

static int search_layouts(struct search *s, struct unlayout *x, uint64_t **ret)
{
	uint64_t *bits = room(s, x->n / 8 + 8);
	uint8_t *verdicts = room(s, x->n_layouts);
	int r = bits && verdicts ? 0 : chunk_no_memory(s->err);
	for (uint32_t k = 0; !r && k < x->n_references; k++)
		r = find_edges(s, x, &x->sources[k]);
	r = r ? r : judge_all(s, x, verdicts);
	for (uint32_t k = 0; !r && k < x->n_sources; k++)
		r = search_source(s, x, &x->sources[k]);
	if (r)
		return r;
	mark_parts(x, verdicts, bits);
	*ret = bits;
	return mark_wholes(s, x, verdicts, bits);
}

/* --- columns --- */

/* A bit for each value of the column that the question holds for; NULL: none. */
static int search_column(struct search *s, struct column *c, uint64_t **ret)
{
	struct chunk *b = s->chunk;
	if (b->depth > COLUMN_DEPTH)
		return chunk_damaged("a column that hangs on too many others", s->err);
	int r = chunk_open_column(b, c, s->err);
	if (r)
		return r;
	/* Texts that a search puts together take room as long as the block is open: the next one loads the column. */
	if (s->parts && c->layouts && !c->loaded && !c->layouts->peeked) {
		b->depth++;
		r = search_layouts(s, c->layouts, ret);
		b->depth--;
		return r;
	}
	/* A dictionary's codes are read only when one of its texts has it. */
	const uint8_t *hit;
	chunk_load_texts(c);
	if (!c->texts) {
		if (s->parts && !c->loaded && !take_may_hold(c->take, s->q->text))
			return 0;
		r = chunk_load_column(b, c, s->err);
	}
	r = r ? r : ask(s, &c->values, false, &hit);
	if (r || !hit)
		return r;
	r = chunk_load_column(b, c, s->err);
	return r ? r : mark(s, &c->values, hit, ret);
}

int chunk_search(struct chunk *b, uint32_t column, const struct chunk_question *q, uint64_t rows[CHUNK_ROWS / 64],
                 struct err *err)
{
	struct search s = { .chunk = b, .q = q, .err = err, .word = true, .digits = true };
	struct chunk_values v;
	uint64_t *hits = NULL;
	s.parts = q->text.n && q->text.n < SEARCH_MAX;
	for (size_t i = 0; i < q->text.n; i++) {
		s.digits &= is_digit((unsigned char)q->text.p[i]);
		s.word &= bloom_is_word((unsigned char)q->text.p[i]);
		s.parts &= (unsigned char)q->text.p[i] >= ' '; /* marks are below */
	}
	int r;
	if (column < b->n_columns) {
		r = search_column(&s, &b->columns[column], &hits);
		v.n = hits ? b->columns[column].take->n : 0;
		v.rows = hits ? b->columns[column].take->rows : NULL;
	} else {
		r = chunk_values(b, column, &v, err);
		const uint8_t *hit = NULL;
		r = r ? r : ask(&s, &v, false, &hit);
		r = r || !hit ? r : mark(&s, &v, hit, &hits);
	}
	for (uint32_t i = 0; !r && hits && i < v.n; i++)
		set_bit(rows, v.rows[i], has_bit(hits, i));
	return r;
}
