/*
 * Texts that are made by programs: the same words around changing ones, many of which other columns of the row have,
 * too. A text is taken apart into its layout - what it says, with a mark in the place of what changes - and what
 * changes, much as an event is into its shape and its scalars:
 *
 *   MARK_VARIABLE       a word with a digit in it; those of one place in one layout are coded like a column, those of
 *                       layouts that are rare all together
 *   MARK_REFERENCE + i  what the i-th of a few other columns has in this row
 *
 * Words are those of store/bloom.h: marks replace whole ones, so that a text's words are those of its parts. (Where
 * only the text with its escapes undone shows what its words are, they are added for themselves.)
 */
#include "store/chunk_layout.h"
#include "store/bloom.h"

#include <endian.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { REFERENCE_MIN = 3, REFERENCE_MAX = 512 /* bytes of a text */ };

struct layout {
	uint32_t hash, at, n;
	uint32_t uses, variables;
	uint32_t places; /* number of the first of its places */
};

struct layouts {
	struct put *put;
	uint32_t references[REFERENCES], n_references; /* columns */
	uint16_t begins[REFERENCE_MIN][256];           /* by byte: which references' texts have it there, in this row */
	struct str texts[REFERENCES];                  /* of the references in this row */
	struct layout *all;
	uint32_t n, most, *slots, n_slots; /* hash table: a layout and 1 */
	char *text;                        /* of all layouts, LAYOUT_MAX free behind them */
	uint32_t text_n, text_room;
	uint32_t *layout_of; /* of each value */
	struct chunk_scalar *variables;
	uint32_t n_variables, variables_room;
	uint64_t size; /* bytes of the variables */
};

/* --- which columns to refer to: those whose texts stand in a sample's --- */

static bool stands_in(struct str text, struct str part)
{
	const char *p = text.p, *const end = text.p + text.n;
	if (part.n < REFERENCE_MIN || part.n > REFERENCE_MAX || text.n > LAYOUT_MAX)
		return false;
	for (int tries = 4; tries && (p = memmem(p, (size_t)(end - p), part.p, part.n)) != NULL; tries--, p++) {
		const char *behind = p + part.n;
		if (!(p > text.p && bloom_is_word((unsigned char)p[-1]) && bloom_is_word((unsigned char)p[0])) &&
		    !(behind < end && bloom_is_word((unsigned char)behind[-1]) &&
		      bloom_is_word((unsigned char)behind[0])))
			return true;
	}
	return false;
}

static void find_references(struct layouts *x, const struct chunk_scalar *v, uint32_t n, uint32_t column)
{
	enum { SAMPLE = 8, ENOUGH = 3, COLUMNS = 256 };
	struct put *p = x->put;
	size_t score[REFERENCES];
	for (uint32_t o = column > COLUMNS ? column - COLUMNS : 0; o < column; o++) {
		const struct put_column *c = &p->columns[o];
		size_t hits = 0, bytes = 0;
		if (!put_may_refer(p, column, o) || c->same || (c->texts && c->n_texts == 1))
			continue;
		for (uint32_t s = 0; s < SAMPLE; s++) {
			uint32_t i = (uint32_t)((uint64_t)s * n / SAMPLE);
			struct str part = put_text(p, &c->v[put_index(c, i, v[i].row)]);
			bool hit = stands_in(put_text(p, &v[i]), part);
			hits += hit;
			bytes += hit ? part.n : 0;
		}
		if (hits < ENOUGH)
			continue;
		uint32_t at = x->n_references < REFERENCES ? x->n_references++ : REFERENCES;
		for (uint32_t k = 0; at == REFERENCES && k < REFERENCES; k++)
			if (score[k] < bytes)
				at = k;
		if (at < REFERENCES) {
			score[at] = bytes;
			x->references[at] = o;
		}
	}
}

/* --- taking a text apart --- */

static inline bool is_digit(char c)
{
	return (unsigned char)(c - '0') <= 9;
}

/* References whose first bytes stand at `at`. */
static inline unsigned may_begin(const struct layouts *x, struct str s, size_t at)
{
	const unsigned char *p = (const unsigned char *)s.p + at;
	_Static_assert(REFERENCE_MIN == 3, "bytes that are looked at");
	return s.n - at < REFERENCE_MIN ? 0 : x->begins[0][p[0]] & x->begins[1][p[1]] & x->begins[2][p[2]];
}

/* The longest reference whose text begins at `at` and ends with a word, or REFERENCES. */
static uint32_t reference_at(const struct layouts *x, struct str s, size_t at)
{
	uint32_t best = REFERENCES;
	for (unsigned bits = may_begin(x, s, at); bits; bits &= bits - 1) {
		uint32_t k = (uint32_t)__builtin_ctz(bits);
		size_t n = x->texts[k].n;
		if (n > s.n - at || (best < REFERENCES && n <= x->texts[best].n) ||
		    !text_eq((struct str){ s.p + at, n }, x->texts[k]))
			continue;
		if (at + n < s.n && bloom_is_word((unsigned char)s.p[at + n - 1]) &&
		    bloom_is_word((unsigned char)s.p[at + n]))
			continue;
		best = k;
	}
	return best;
}

static void add_variable(struct layouts *x, const struct chunk_scalar *v, size_t at, size_t n)
{
	x->variables[x->n_variables++] = (struct chunk_scalar){ v->at + (uint32_t)at, (uint32_t)n, v->row };
	x->size += n;
}

/*
 * The layout of a text to `to`; its length. Its variables are added. *escaped: it has escapes that change what its
 * words are.
 */
static size_t take_apart(struct layouts *x, const struct chunk_scalar *v, char *to, bool *escaped)
{
	const struct str s = put_text(x->put, v);
	char *const start = to;
	for (size_t i = 0; i < s.n;) {
		const char c = s.p[i];
		uint32_t k = x->begins[0][(unsigned char)c] && may_begin(x, s, i) ? reference_at(x, s, i) : REFERENCES;
		if (k < REFERENCES) {
			*to++ = (char)(MARK_REFERENCE + k);
			/* a column of times adds no words; within prose they count */
			if (is_digit(c) && bloom_is_time(x->texts[k]))
				chunk_words_add(&x->put->words, x->texts[k]);
			i += x->texts[k].n;
			continue;
		}
		if (c == '\\' && i + 1 < s.n) {
			*escaped |= s.p[i + 1] >= 'a';
			*to++ = c;
			*to++ = s.p[i + 1];
			i += 2;
			continue;
		}
		if (!bloom_is_word((unsigned char)c)) {
			*to++ = c;
			i++;
			continue;
		}
		size_t end = i;
		bool changes = false;
		for (unsigned char f; end < s.n && (f = bloom_fold[(unsigned char)s.p[end]]) != 0; end++)
			changes |= is_digit((char)f);
		if (changes) {
			add_variable(x, v, i, end - i);
			*to++ = MARK_VARIABLE;
		} else {
			to = copy_short(to, s.p + i, end - i);
		}
		i = end;
	}
	return (size_t)(to - start);
}

/* The number of the layout at the end of `text`, or UINT32_MAX: it would be one too many. */
static uint32_t find_layout(struct layouts *x, size_t n, uint32_t variables)
{
	const char *text = x->text + x->text_n;
	uint32_t hash = (uint32_t)XXH3_64bits_withSeed(text, n, x->put->seed), at = hash & (x->n_slots - 1);
	for (; x->slots[at]; at = (at + 1) & (x->n_slots - 1)) {
		const struct layout *l = &x->all[x->slots[at] - 1];
		if (l->hash == hash && l->n == n && !memcmp(x->text + l->at, text, n))
			return x->slots[at] - 1;
	}
	if (x->n == x->most || x->text_n + n + LAYOUT_MAX > x->text_room)
		return UINT32_MAX;
	x->all[x->n] = (struct layout){ .hash = hash, .at = x->text_n, .n = (uint32_t)n, .variables = variables };
	x->text_n += (uint32_t)n;
	x->slots[at] = ++x->n;
	return x->n - 1;
}

/* The texts of the references in a row. */
static void look_up(struct layouts *x, uint32_t i, uint32_t row)
{
	for (uint32_t k = 0; k < x->n_references; k++) {
		for (uint32_t b = 0; b < REFERENCE_MIN && x->texts[k].n; b++)
			x->begins[b][(unsigned char)x->texts[k].p[b]] = 0;
		x->texts[k].n = 0;
	}
	for (uint32_t k = 0; k < x->n_references; k++) {
		const struct put_column *c = &x->put->columns[x->references[k]];
		struct str text = put_text(x->put, &c->v[put_index(c, i, row)]);
		if (text.n < REFERENCE_MIN || text.n > REFERENCE_MAX)
			continue;
		x->texts[k] = text;
		for (uint32_t b = 0; b < REFERENCE_MIN; b++)
			x->begins[b][(unsigned char)text.p[b]] |= (uint16_t)(1u << k);
	}
}

/* Takes all texts apart. False: they aren't such texts. */
static bool find_layouts(struct layouts *x, const struct chunk_scalar *v, uint32_t n)
{
	enum { EARLY = 512 };
	uint32_t odd = 0;
	uint64_t size = 0;
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t variables = x->n_variables, most = v[i].n / 2 + 1;
		const uint64_t before = x->size;
		uint32_t l = UINT32_MAX;
		bool escaped = false;
		size += v[i].n;
		if (most > x->variables_room - variables)
			return false;
		if (v[i].n <= LAYOUT_MAX) {
			look_up(x, i, v[i].row);
			size_t got = take_apart(x, &v[i], x->text + x->text_n, &escaped);
			l = find_layout(x, got, x->n_variables - variables);
		}
		if (l == UINT32_MAX) {
			x->n_variables = variables;
			x->size = before;
			x->text[x->text_n] = MARK_VARIABLE;
			add_variable(x, &v[i], 0, v[i].n);
			l = find_layout(x, 1, 1);
			odd++;
			if (l == UINT32_MAX)
				return false;
		} else if (escaped) {
			chunk_words_add(&x->put->words, put_text(x->put, &v[i]));
		}
		x->all[l].uses++;
		x->layout_of[i] = l;
		if (odd > n / 4 || (i == EARLY && x->n > EARLY / 2))
			return false;
	}
	return x->size < size - size / 8;
}

/* Whether n bytes are digits, all at once: 8 may be read, and of more than 8 it isn't said. */
static inline bool are_digits(const char *p, size_t n)
{
	const uint64_t all = 0x0101010101010101u;
	if (n - 1 > 7)
		return false;
	uint64_t other = n < 8 ? ~0ull << 8 * n : 0, v = le64toh(text_word(p, 8));
	v = (v & ~other) | (all * '0' & other);
	return !(((v + all * (0x7f - '9')) | (v - all * '0')) & all * 0x80);
}

/* Values, with their stored size, and whether they are digits, in front. */
static void put_place(struct put *p, const struct chunk_scalar *v, uint32_t n)
{
	const size_t at = p->out.n;
	bool digits = true;
	for (uint32_t i = 0; i < n && digits; i++)
		digits = are_digits(p->text + v[i].at, v[i].n);
	put_values(p, v, n);
	const size_t end = p->out.n, size = end - at;
	put_varint(p, size << 1 | digits);
	char length[10];
	const size_t n_length = p->out.n - end;
	if (p->out.failed)
		return;
	memcpy(length, p->out.p + end, n_length);
	memmove(p->out.p + at + n_length, p->out.p + at, size);
	memcpy(p->out.p + at, length, n_length);
}

/* Variables by their place, and then each place's. The last place is that of all rare layouts. */
static void put_variables(struct layouts *x, uint32_t n)
{
	struct put *p = x->put;
	uint32_t n_places = 0, from = 0, before = 0;
	for (uint32_t l = 0; l < x->n; l++) {
		x->all[l].places = n_places;
		n_places += x->all[l].uses >= OFTEN ? x->all[l].variables : 0;
	}
	uint32_t *end = put_room(p, &p->scratch, n_places + 1, sizeof(*end));
	struct chunk_scalar *sorted = put_room(p, &p->scratch, x->n_variables, sizeof(*sorted));
	if (!end || !sorted)
		return;
	memset(end, 0, (n_places + 1) * sizeof(*end));
	for (uint32_t l = 0; l < x->n; l++) {
		const struct layout *y = &x->all[l];
		for (uint32_t k = 0; k < y->variables && y->uses >= OFTEN; k++)
			end[y->places + k] = y->uses;
	}
	for (uint32_t k = 0, sum = 0; k <= n_places; k++) {
		uint32_t uses = end[k];
		end[k] = sum;
		sum += uses;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct layout *y = &x->all[x->layout_of[i]];
		bool often = y->uses >= OFTEN;
		for (uint32_t k = 0; k < y->variables; k++)
			sorted[end[often ? y->places + k : n_places]++] = x->variables[from++];
	}
	for (uint32_t k = 0; k <= n_places; k++) {
		if (end[k] > before)
			put_place(p, sorted + before, end[k] - before);
		before = end[k];
	}
}

static bool make_room(struct layouts *x, const struct chunk_scalar *v, uint32_t n)
{
	struct put *p = x->put;
	uint64_t size = 0;
	for (uint32_t i = 0; i < n; i++)
		size += v[i].n / 2 + 1;
	x->most = n / 8 + 1 < LAYOUTS ? n / 8 + 1 : LAYOUTS;
	for (x->n_slots = 16; x->n_slots < x->most * 2;)
		x->n_slots *= 2;
	x->text_room = (x->most < 256 ? 256 : x->most) * 256 + 2 * LAYOUT_MAX;
	x->variables_room = (uint32_t)(size < CHUNK_VALUES ? size : CHUNK_VALUES);
	x->all = put_room(p, &p->scratch, x->most, sizeof(*x->all));
	x->slots = put_room(p, &p->scratch, x->n_slots, sizeof(*x->slots));
	x->text = put_room(p, &p->scratch, x->text_room + COPY_SLACK, 1);
	x->layout_of = put_room(p, &p->scratch, n, sizeof(*x->layout_of));
	x->variables = put_room(p, &p->scratch, x->variables_room, sizeof(*x->variables));
	if (x->slots)
		memset(x->slots, 0, x->n_slots * sizeof(*x->slots));
	return x->all && x->slots && x->text && x->layout_of && x->variables;
}

bool put_layouts(struct put *p, const struct chunk_scalar *v, uint32_t n, uint32_t column)
{
	struct layouts x = { .put = p };
	if (p->in_layout || n < OFTEN || !make_room(&x, v, n))
		return false;
	if (column != UINT32_MAX)
		find_references(&x, v, n, column);
	if (!find_layouts(&x, v, n))
		return false;
	uint64_t size = 0;
	for (uint32_t i = 0; i < n; i++)
		size += v[i].n;
	put_varint(p, CODING_LAYOUT);
	put_varint(p, size);
	put_varint(p, x.n_references);
	for (uint32_t k = 0; k < x.n_references; k++) {
		struct put_column *c = &p->columns[x.references[k]];
		put_varint(p, x.references[k]);
		if (p->columns[column].depth <= c->depth)
			p->columns[column].depth = c->depth + 1;
	}
	put_varint(p, x.n);
	for (uint32_t l = 0; l < x.n; l++)
		put_varint(p, x.all[l].n);
	put_stream(p, x.text, x.text_n);
	put_planes32(p, x.layout_of, n);
	for (uint32_t l = 0; l < x.n; l++)
		chunk_words_add(&p->words, (struct str){ x.text + x.all[l].at, x.all[l].n });
	p->in_layout = true;
	put_variables(&x, n);
	p->in_layout = false;
	return true;
}
