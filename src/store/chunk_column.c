/* A column's values: which coding is the best for them, and the simple codings. */
#include "store/chunk_codec.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { TYPED_MIN = 8 /* values below which text is as small as anything */ };

/* --- text: lengths, then bytes --- */

static void put_plain(struct put *p, const struct chunk_scalar *v, uint32_t n)
{
	uint64_t size = 0;
	bool together = true; /* already, as those of a column are */
	uint32_t *lengths = put_room(p, &p->scratch, n, sizeof(*lengths));
	for (uint32_t i = 0; lengths && i < n; i++) {
		lengths[i] = v[i].n;
		together &= v[i].at == v[0].at + size;
		size += v[i].n;
	}
	char *copy = together ? NULL : put_room(p, &p->scratch, size, 1), *to = copy;
	if (!lengths || (!together && !copy))
		return;
	for (uint32_t i = 0; i < n && copy; i++) {
		memcpy(to, p->text + v[i].at, v[i].n);
		to += v[i].n;
	}
	const char *bytes = together ? p->text + v[0].at : copy;
	put_varint(p, CODING_TEXT);
	put_planes32(p, lengths, n);
	put_stream(p, bytes, size);
}

static void take_plain(struct take *t, uint32_t n, struct chunk_values *ret)
{
	uint32_t *ends = take_planes32(t, n, CHUNK_RAW_MAX);
	uint64_t size = 0;
	for (uint32_t i = 0; ends && i < n; i++) {
		size += ends[i];
		ends[i] = (uint32_t)size;
		t->bad |= size > CHUNK_RAW_MAX;
	}
	const char *bytes = t->bad ? NULL : take_stream(t, size);
	if (bytes)
		*ret = (struct chunk_values){ .n = n, .n_texts = n, .bytes = bytes, .ends = ends };
}

/* Different texts, or values all of a column. */
static void put_texts(struct put *p, const struct chunk_scalar *v, uint32_t n, uint32_t column)
{
	if (n >= TYPED_MIN && (put_numbers(p, v, n, column) || put_hex(p, v, n) || put_layouts(p, v, n, column)))
		return;
	put_plain(p, v, n);
	for (uint32_t i = 0; i < n; i++)
		chunk_words_add(&p->words, put_text(p, &v[i]));
}

/* --- dictionary: the different texts, then which of them each value is --- */

/*
 * Where the value of another column foretells this one's, a code is 0 when it is the one that came with that value last
 * (or, when the value is new, the next new one), else it is 1 more.
 */
static void foretell(const struct put *p, uint32_t column, uint32_t other, uint32_t n, uint32_t *seen, uint32_t *ret)
{
	const struct put_column *c = &p->columns[column], *o = &p->columns[other];
	uint32_t fresh = 0;
	memset(seen, 0xff, o->n_texts * sizeof(*seen));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t with = o->codes[put_index(o, i, c->v[i].row)], code = c->codes[i];
		uint32_t told = seen[with] == UINT32_MAX ? fresh : seen[with];
		ret[i] = told == code ? 0 : code + 1;
		seen[with] = code;
		fresh += code == fresh;
	}
}

static uint32_t count_misses(const uint32_t *codes, uint32_t n)
{
	uint32_t misses = 0;
	for (uint32_t i = 0; i < n; i++)
		misses += codes[i] != 0;
	return misses;
}

/* log2 of x > 0, in 1/256. */
static uint64_t log2_256(uint64_t x)
{
	uint32_t whole = 63u - (uint32_t)__builtin_clzll(x);
	return whole * 256 + (whole < 8 ? x << (8 - whole) & 255 : x >> (whole - 8) & 255);
}

/* The entropy of codes below `most`, in bits. */
static uint64_t codes_cost(struct put *p, const uint32_t *codes, uint32_t n, uint32_t most)
{
	uint64_t bits = 0;
	uint32_t *count = put_room(p, &p->scratch, most, sizeof(*count));
	if (!count)
		return 0;
	memset(count, 0, most * sizeof(*count));
	for (uint32_t i = 0; i < n; i++)
		count[codes[i]]++;
	for (uint32_t i = 0; i < most; i++)
		if (count[i])
			bits += count[i] * (log2_256(n) - log2_256(count[i]));
	return bits / 256;
}

/* How a dictionary's codes are written best. */
struct codes {
	const uint32_t *v;
	uint32_t teller; /* the column that foretells them, or UINT32_MAX */
	uint64_t bits;   /* about what they cost */
};

/* Looks for the column that foretells best, in a sample. */
static uint32_t find_teller(struct put *p, uint32_t column, uint32_t *seen, uint32_t *told)
{
	enum { SAMPLE = 1024, TELLERS = 32 };
	const struct put_column *c = &p->columns[column];
	uint32_t n = c->n < SAMPLE ? c->n : SAMPLE, best = UINT32_MAX, least = n / 2;
	for (uint32_t o = column > TELLERS ? column - TELLERS : 0; o < column; o++) {
		if (!p->columns[o].has_codes || p->columns[o].n_texts < 2 || !put_may_refer(p, column, o))
			continue;
		foretell(p, column, o, n, seen, told);
		uint32_t misses = count_misses(told, n);
		if (misses < least) {
			least = misses;
			best = o;
		}
	}
	return best;
}

static struct codes best_codes(struct put *p, uint32_t column, const struct put_column *c)
{
	enum { WORTH = 64 /* bits of the whole column below which another is not asked for it */ };
	struct codes x = { c->codes, UINT32_MAX, codes_cost(p, c->codes, c->n, c->n_texts) };
	if (column == UINT32_MAX || c->n < 4 * TYPED_MIN || x.bits < WORTH + c->n / 16)
		return x;
	uint32_t *seen = put_room(p, &p->scratch, c->n + CHUNK_ROWS, sizeof(*seen));
	uint32_t *told = put_room(p, &p->scratch, c->n, sizeof(*told));
	uint32_t teller = seen && told ? find_teller(p, column, seen, told) : UINT32_MAX;
	if (teller == UINT32_MAX)
		return x;
	foretell(p, column, teller, c->n, seen, told);
	uint64_t bits = codes_cost(p, told, c->n, c->n_texts + 1);
	return bits < x.bits * 3 / 4 ? (struct codes){ told, teller, bits } : x;
}

static void put_dictionary(struct put *p, const struct put_column *c, const struct codes *x)
{
	put_varint(p, CODING_DICTIONARY);
	put_varint(p, c->n_texts);
	put_texts(p, c->texts, c->n_texts, UINT32_MAX);
	put_varint(p, x->teller + 1u);
	put_planes32(p, x->v, c->n);
}

static void take_texts(struct take *t, uint32_t n, struct chunk_values *ret)
{
	uint32_t n_texts = (uint32_t)take_count(t, n);
	t->bad |= !n_texts;
	if (!t->bad)
		take_values(t, n_texts, ret);
	t->bad |= ret->codes != NULL; /* a dictionary of a dictionary is nothing that is written */
}

void take_dictionary_codes(struct take *t, uint32_t n, struct chunk_values *ret)
{
	const uint32_t teller = (uint32_t)take_count(t, CHUNK_COLUMNS), n_texts = ret->n_texts;
	uint32_t *codes = take_planes32(t, n, n_texts - !teller), fresh = 0;
	ret->n = n;
	ret->codes = codes;
	if (!teller)
		return;
	struct chunk_values o;
	bool by_row;
	if (!take_other(t, teller - 1, &o, &by_row) || !o.codes) {
		t->bad = true;
		return;
	}
	uint32_t *seen = take_room(t, o.n_texts, sizeof(*seen));
	if (!seen || !codes)
		return;
	memset(seen, 0xff, o.n_texts * sizeof(*seen));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t with = o.codes[by_row ? t->rows[i] : i];
		uint32_t told = seen[with] == UINT32_MAX ? fresh : seen[with];
		uint32_t code = codes[i] ? codes[i] - 1 : told;
		if (code >= n_texts) {
			t->bad = true;
			return;
		}
		codes[i] = seen[with] = code;
		fresh += code == fresh;
	}
}

static void take_dictionary(struct take *t, uint32_t n, struct chunk_values *ret)
{
	take_texts(t, n, ret);
	if (!t->bad)
		take_dictionary_codes(t, n, ret);
}

bool take_dictionary_texts(struct take *t, uint32_t n, struct chunk_values *ret)
{
	struct chunk_values v = { 0 };
	struct take own = *t;
	own.depth++;
	if (take_count(&own, CODINGS - 1) != CODING_DICTIONARY)
		return false;
	take_texts(&own, n, &v);
	if (own.bad)
		return false;
	*t = own;
	*ret = v;
	return true;
}

/* --- same: as another column's in every row --- */

static bool is_same(const struct put *p, const struct put_column *c, const struct put_column *o, uint32_t *steps)
{
	if (c->texts && o->texts && c->rows == o->rows && c->n_texts != o->n_texts)
		return false;
	for (uint32_t i = 0; i < c->n && *steps; i++, --*steps)
		if (!text_eq(put_text(p, &c->v[i]), put_text(p, &o->v[put_index(o, i, c->v[i].row)])))
			return false;
	return *steps;
}

static bool put_same(struct put *p, uint32_t column)
{
	struct put_column *c = &p->columns[column];
	uint32_t steps = 16 * (c->n + TYPED_MIN); /* columns may be made to differ in their last row only */
	for (uint32_t o = 0; o < column && c->n >= TYPED_MIN && steps; o++) {
		if (!put_may_refer(p, column, o) || !is_same(p, c, &p->columns[o], &steps))
			continue;
		put_varint(p, CODING_SAME);
		put_varint(p, o);
		c->same = true;
		c->depth = p->columns[o].depth + 1;
		c->has_codes = c->codes && p->columns[o].has_codes;
		return true;
	}
	return false;
}

static void take_same(struct take *t, uint32_t n, struct chunk_values *ret)
{
	struct chunk_values o;
	bool by_row;
	if (!take_other(t, (uint32_t)take_count(t, CHUNK_COLUMNS), &o, &by_row))
		return;
	*ret = o;
	ret->n = n;
	if (!by_row || o.rows == t->rows)
		return;
	uint32_t *codes = take_room(t, n, sizeof(*codes));
	for (uint32_t i = 0; codes && i < n; i++)
		codes[i] = o.codes ? o.codes[t->rows[i]] : t->rows[i];
	ret->codes = codes;
}

/* --- the choice --- */

void column_study(struct put *p, struct put_column *c)
{
	enum { EARLY = 256, MOSTLY = 240 };
	uint32_t most = c->n / 2 + 2, size = 64, n_texts = 0, n = c->n;
	while (size < most + most / 2)
		size *= 2;
	struct slot {
		uint32_t hash, text;
	} *slots = put_room(p, &p->scratch, size, sizeof(*slots));
	struct chunk_scalar *texts = put_room(p, &p->scratch, most, sizeof(*texts));
	uint32_t *codes = put_room(p, &p->arena, n, sizeof(*codes));
	if (!slots || !texts || !codes)
		return;
	memset(slots, 0, size * sizeof(*slots));
	c->size = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct str text = put_text(p, &c->v[i]);
		c->size += text.n;
		if (i && text_eq(text, put_text(p, &c->v[i - 1]))) {
			codes[i] = codes[i - 1];
			continue;
		}
		uint32_t hash = (uint32_t)XXH3_64bits_withSeed(text.p, text.n, p->seed), at = hash & (size - 1);
		while (slots[at].text &&
		       !(slots[at].hash == hash && text_eq(put_text(p, &texts[slots[at].text - 1]), text)))
			at = (at + 1) & (size - 1);
		if (!slots[at].text) {
			if (n_texts == most || (i == EARLY && n_texts > MOSTLY && n > 4 * EARLY)) {
				c->size = c->size * n / (i + 1);
				return;
			}
			texts[n_texts++] = c->v[i];
			slots[at] = (struct slot){ hash, n_texts };
		}
		codes[i] = slots[at].text - 1;
	}
	c->texts = put_room(p, &p->arena, n_texts, sizeof(*texts));
	if (!c->texts)
		return;
	memcpy(c->texts, texts, n_texts * sizeof(*texts));
	c->n_texts = n_texts;
	c->codes = codes;
}

void put_column(struct put *p, uint32_t k)
{
	struct put_column *c = &p->columns[k];
	if (put_same(p, k))
		return;
	struct codes x = { 0 };
	if (c->texts)
		x = best_codes(p, k, c);
	/* A text of a dictionary is taken for as long as a number of 16 bits, because that is what it contends with. */
	if (!c->texts || (c->n_texts >= TYPED_MIN && x.bits + (uint64_t)c->n_texts * 16 > numbers_cost(p, k))) {
		put_texts(p, c->v, c->n, k);
		return;
	}
	put_dictionary(p, c, &x);
	c->has_codes = true;
	if (x.teller != UINT32_MAX)
		c->depth = p->columns[x.teller].depth + 1;
}

void put_values(struct put *p, const struct chunk_scalar *v, uint32_t n)
{
	struct put_column c = { .v = v, .n = n };
	column_study(p, &c);
	if (!c.texts) {
		put_texts(p, v, n, UINT32_MAX);
		return;
	}
	struct codes x = best_codes(p, UINT32_MAX, &c);
	put_dictionary(p, &c, &x);
}

void take_values(struct take *t, uint32_t n, struct chunk_values *ret)
{
	static void (*const take[CODINGS])(struct take *, uint32_t, struct chunk_values *) = {
		[CODING_TEXT] = take_plain, [CODING_DICTIONARY] = take_dictionary, [CODING_NUMBER] = take_numbers,
		[CODING_HEX] = take_hex,    [CODING_LAYOUT] = take_layouts,        [CODING_SAME] = take_same,
	};
	uint32_t coding = (uint32_t)take_count(t, CODINGS - 1);
	*ret = (struct chunk_values){ 0 };
	if (t->depth == VALUES_DEPTH)
		t->bad = true;
	if (t->bad)
		return;
	t->depth++;
	take[coding](t, n, ret);
	t->depth--;
}
