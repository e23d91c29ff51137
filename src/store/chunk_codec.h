/*
 * How a block's parts are written and read. Inside of chunk*.c only.
 *
 * Everything that is stored is made of three things: varint (LEB128, up to 64 bits; signed ones zigzag), bytes whose
 * number is known, and a stream: varint of the stored size, then the bytes - as they are when that is their number,
 * else as one zstd frame.
 *
 * Reading: a struct take runs along a part. Whatever is wrong with the bytes sets `bad`; what follows gives zeros and
 * NULLs then, so that it is enough to look at it where a value would be used as a size, and at the end.
 */
#ifndef KHIEN_STORE_CHUNK_CODEC_H
#define KHIEN_STORE_CHUNK_CODEC_H

#include "store/chunk.h"

#include <zstd.h>

/* Columns that are read one for another, at most; parts within a part of a coding, at most. */
enum { COLUMN_DEPTH = 4, VALUES_DEPTH = 6 };

/* --- writing --- */

/* Different words, as hashes (store/bloom.h). */
struct word_set {
	uint64_t *slots; /* 0: free */
	size_t size, n;
	uint64_t waiting[16]; /* hashes on their way into slots, which are being fetched */
	uint32_t n_waiting;
	struct buf plain; /* a value, its escapes undone */
	uint64_t seed;    /* odd: of places in slots, so that nobody can choose words that collide */
	bool escapes;     /* values may have some; set by who knows better */
	bool full;        /* more than it may hold, or than memory allows: the filter will say yes to everything */
};

void chunk_words_clear(struct word_set *w);
void chunk_words_free(struct word_set *w);
void chunk_words_add(struct word_set *w, struct str value);     /* all words of it */
void chunk_words_add_word(struct word_set *w, struct str word); /* the one that it is, without capital letters */
/* Whether a text has an escape that stands for a letter, or before letters that are none of a word's. */
bool chunk_words_escaped(struct str text);
/* Into out: the filter. */
void chunk_words_filter(struct word_set *w, struct buf *out);

/* A scalar of a block: where its text stands in the JSON of all rows, and in which row. */
struct chunk_scalar {
	uint32_t at, n, row;
};

/* A column of the block. Its rank says which columns it may be coded by: those before it. */
struct put_column {
	const struct chunk_scalar *v;
	uint32_t n, n_texts;
	struct chunk_scalar *texts; /* the different ones, in the order of their first; NULL: too many */
	uint32_t *codes;            /* of each value, which of them */
	uint64_t size;              /* bytes of its values */
	uint32_t rows;              /* number of its set of rows; 0: one value in each row */
	uint32_t depth;             /* how many columns must be read one for another to read it */
	bool has_codes;             /* who reads it gets codes */
	bool same;                  /* coded as another */
};

struct put {
	struct buf out; /* `failed` when memory is short */
	ZSTD_CCtx *zstd;
	int level;
	const char *text;     /* what the scalars point into: the texts of all values, column by column */
	const int64_t *times; /* of all rows */
	struct word_set words;
	uint64_t seed;              /* of hash tables, so that nobody can choose texts that collide */
	struct put_column *columns; /* in their order in the block */
	struct arena arena;         /* for as long as the block is packed */
	struct arena scratch;       /* for as long as one column is */
	bool in_layout;             /* it is parts of texts that are written */
	bool failed;                /* no memory for one of them */
};

/* Bytes that copy_short() may touch behind both texts. */
enum { COPY_SLACK = 32 };

/* memcpy for texts that are mostly short; what is behind the copy. */
static inline char *copy_short(char *to, const char *from, size_t n)
{
	if (__builtin_expect(n <= COPY_SLACK, 1))
		memcpy(to, from, COPY_SLACK);
	else
		memcpy(to, from, n);
	return to + n;
}

/* n > 0 elements of `size` bytes from one of the two arenas, or NULL and `failed`. */
void *put_room(struct put *p, struct arena *a, size_t n, size_t size);
void put_varint(struct put *p, uint64_t v);
void put_signed(struct put *p, int64_t v);
void put_stream(struct put *p, const void *bytes, size_t n);
/* Numbers as byte planes: first all lowest bytes, and so on. */
void put_planes(struct put *p, const uint64_t *v, size_t n);
void put_planes32(struct put *p, const uint32_t *v, size_t n);

/* Any integers, as differences from the least or from the one before. */
struct integers {
	uint64_t *offset; /* from the least, by what all have in common */
	size_t n;
	int64_t least;
	uint64_t divisor;
	bool steps;    /* differences from the one before are smaller */
	uint64_t bits; /* about what it costs */
};
bool integers_plan(struct put *p, const int64_t *v, size_t n, struct integers *ret);
void put_integers(struct put *p, const struct integers *x);

/* A column's different values, where they are few: fills texts and codes. */
void column_study(struct put *p, struct put_column *c);
/* Column k of p->columns, and its words. */
void put_column(struct put *p, uint32_t k);
/* Values that are part of a column's coding, n > 0, and their words. */
void put_values(struct put *p, const struct chunk_scalar *v, uint32_t n);

enum coding { CODING_TEXT, CODING_DICTIONARY, CODING_NUMBER, CODING_HEX, CODING_LAYOUT, CODING_SAME, CODINGS };

/* Each writes its coding and returns true, or writes nothing. `column` is UINT32_MAX for parts of a coding. */
bool put_numbers(struct put *p, const struct chunk_scalar *v, uint32_t n, uint32_t column);
bool put_hex(struct put *p, const struct chunk_scalar *v, uint32_t n);
bool put_layouts(struct put *p, const struct chunk_scalar *v, uint32_t n, uint32_t column);
/* About what numbers would cost, in bits; UINT64_MAX: not numbers. */
uint64_t numbers_cost(struct put *p, uint32_t column);

/* Whether column k may be coded by column c, which stands before it. */
static inline bool put_may_refer(const struct put *p, uint32_t k, uint32_t c)
{
	const struct put_column *to = &p->columns[c];
	return to->depth < COLUMN_DEPTH && (!to->rows || to->rows == p->columns[k].rows);
}

/* Value of column c that belongs to value i of a column that refers to it. */
static inline uint32_t put_index(const struct put_column *c, uint32_t i, uint32_t row)
{
	return c->rows ? i : row;
}

static inline struct str put_text(const struct put *p, const struct chunk_scalar *v)
{
	return (struct str){ p->text + v->at, v->n };
}

static inline uint64_t text_word(const char *p, size_t n)
{
	uint64_t v = 0;
	memcpy(&v, p, n);
	return v;
}

/* str_eq for texts that are mostly short: without a call up to 32 bytes. */
static inline bool text_eq(struct str a, struct str b)
{
	const char *x = a.p, *y = b.p;
	const size_t n = a.n;
	if (n != b.n)
		return false;
	if (n > 32)
		return !memcmp(x, y, n);
	if (n >= 8) {
		/* The first and the last bytes, which may overlap. */
		uint64_t d = text_word(x, 8) ^ text_word(y, 8);
		d |= text_word(x + n - 8, 8) ^ text_word(y + n - 8, 8);
		if (n > 16) {
			d |= text_word(x + 8, 8) ^ text_word(y + 8, 8);
			d |= text_word(x + n - 16, 8) ^ text_word(y + n - 16, 8);
		}
		return !d;
	}
	if (n >= 4)
		return !((text_word(x, 4) ^ text_word(y, 4)) | (text_word(x + n - 4, 4) ^ text_word(y + n - 4, 4)));
	/* Of one to three bytes the first, the middle and the last are all. */
	return !n || !((x[0] ^ y[0]) | (x[n / 2] ^ y[n / 2]) | (x[n - 1] ^ y[n - 1]));
}

/* --- reading --- */

struct take {
	const uint8_t *p, *end;
	ZSTD_DCtx *zstd;
	struct arena *arena; /* what is decoded goes here; bounded */
	bool bad, no_memory;
	uint32_t depth; /* of values within values */
	/* For a whole column: whose, which, and the rows of its values. */
	struct chunk *chunk;
	uint32_t column, n;
	const uint32_t *rows;
};

/* Another column, before this one; *by_row says that its value i is row i's, else the values of both go in step. */
bool take_other(struct take *t, uint32_t column, struct chunk_values *ret, bool *by_row);
const int64_t *take_times(struct take *t); /* of all rows, or NULL */

/* Bytes that may be touched behind any that were decoded, and behind a part. */
enum { TAKE_SLACK = COPY_SLACK };

/* n elements of `size` bytes from the arena, or NULL and `bad`. */
void *take_room(struct take *t, size_t n, size_t size);
uint64_t take_varint(struct take *t);
int64_t take_signed(struct take *t);
uint64_t take_count(struct take *t, uint64_t max); /* a varint; bad above max */
/* n bytes, borrowed from the part or the arena; NULL: bad. */
const void *take_stream(struct take *t, size_t n);
/* n numbers of at most max, or NULL. */
uint64_t *take_planes(struct take *t, size_t n, uint64_t max);
uint32_t *take_planes32(struct take *t, size_t n, uint32_t max);
int64_t *take_integers(struct take *t, size_t n);
/* n > 0 values, all but `rows` of *ret. */
void take_values(struct take *t, uint32_t n, struct chunk_values *ret);
void take_numbers(struct take *t, uint32_t n, struct chunk_values *ret);
/* The different texts of n > 0 values that are a dictionary; false, and nothing was taken: they aren't. Then the rest. */
bool take_dictionary_texts(struct take *t, uint32_t n, struct chunk_values *ret);
void take_dictionary_codes(struct take *t, uint32_t n, struct chunk_values *ret);
/* False where values that begin here, and are not taken, hold no such text for sure: they are numbers. */
bool take_may_hold(const struct take *t, struct str text);
void take_hex(struct take *t, uint32_t n, struct chunk_values *ret);
void take_layouts(struct take *t, uint32_t n, struct chunk_values *ret);

#endif
