/*
 * Events in columns: up to CHUNK_ROWS JSON objects of one dataset, packed into one run of bytes from which single
 * columns can be read.
 *
 * An object is taken apart into its shape - all its bytes but the insides of its scalars - and its scalars, in order.
 * Equal shapes are stored once. A scalar goes to the column of its dotted path, as written (escapes not undone). So an
 * event comes back byte for byte, whatever it holds, and a column holds only rows that have it. A column is coded by
 * what its values are: few values, numbers, times, addresses, hexadecimal, texts of programs, the same as another
 * column's, or foretold by it; then zstd. Paths beyond
 * CHUNK_COLUMNS, or longer than CHUNK_PATH_MAX, share a last column without a path; who asks for such a path gets its
 * values all the same, only slower.
 *
 *   block:  head | directory | shapes, and the shape of each row | times | column | column | ...
 *
 * Bytes come from a disk: every length is checked, every part has a checksum of its own (XXH64), and whatever is wrong
 * is an error (-EBADMSG), never a wrong value. The layout is little-endian and has a version.
 */
#ifndef KHIEN_STORE_CHUNK_H
#define KHIEN_STORE_CHUNK_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
	CHUNK_ROWS = 8192,
	CHUNK_COLUMNS = 1024,
	CHUNK_PATH_MAX = 512,
	CHUNK_VALUES = 1 << 20,  /* scalars of all rows together */
	CHUNK_RAW_MAX = 32 << 20 /* bytes of JSON */
};

/* --- writing --- */

struct chunk_builder;

int chunk_builder_new(struct chunk_builder **ret, struct err *err);
void chunk_builder_free(struct chunk_builder *b);
/*
 * Copies what it needs. `json` is one JSON object; -EBADMSG where it isn't, -E2BIG when the block is full (seal it
 * first), -EMSGSIZE when no block can hold it (never so up to 1 MiB): nothing was added then.
 */
int chunk_add(struct chunk_builder *b, int64_t time, struct str json, struct err *err);
void chunk_builder_clear(struct chunk_builder *b); /* what was added goes */
uint32_t chunk_rows(const struct chunk_builder *b);
size_t chunk_raw(const struct chunk_builder *b); /* bytes of JSON in it */

/* What goes to the disk. Borrowed from the builder until its next use. */
struct chunk_sealed {
	struct str data;     /* the block */
	struct str filter;   /* the words of its values, escapes undone: see store/bloom.h */
	int64_t first, last; /* event times of its rows: the least and the greatest */
	uint32_t rows;
	uint64_t raw; /* bytes of JSON */
};
/*
 * Packs what was added and empties the builder; -EINVAL when that is nothing. `level` is zstd's; most of what makes a
 * block small has happened before zstd sees it, so 1 is as good as 3. The filter has every word of every value, escapes
 * undone, but for times: words of columns that hold nothing but RFC 3339 times aren't in it, nor are they for other
 * texts where those repeat such a column's value of their row. Who looks for a time asks by time.
 */
int chunk_seal(struct chunk_builder *b, int level, struct chunk_sealed *ret, struct err *err);

/* --- reading --- */

/* Where a block's bytes come from: n bytes at `at` into `to`. 0 or -errno. */
typedef int chunk_read_fn(void *arg, uint64_t at, void *to, size_t n, struct err *err);

struct chunk;

/*
 * A reader that is used for block after block, and then allocates nothing. chunk_open reads the head and directory
 * only; columns are read when asked for. -EBADMSG: damaged; -ENOMEM: also where a block would unfold to more than any
 * builder puts into one.
 */
int chunk_reader_new(struct chunk **ret, struct err *err);
void chunk_reader_free(struct chunk *b);
int chunk_open(struct chunk *b, uint64_t size, chunk_read_fn *read, void *arg, struct err *err);

uint32_t chunk_n_rows(const struct chunk *b);
/* All columns together hold all values. The one of the rest, if there is one, is the last and has no path ({NULL, 0}). */
uint32_t chunk_n_columns(const struct chunk *b);
struct str chunk_column_path(const struct chunk *b, uint32_t column);
/*
 * The column of this path, or UINT32_MAX. Array elements have their array's path; so may a path have several values in
 * a row. A path among the rest has a number behind chunk_n_columns, and maybe no value.
 */
uint32_t chunk_column(struct chunk *b, struct str path);
/* Event times of all rows. Borrowed until the next chunk_open. */
int chunk_times(struct chunk *b, const int64_t **times, struct err *err);

/*
 * The values of a column, decoded, as they stand in JSON: the inside of a string (escapes not undone), or a number or
 * literal. Value i belongs to row rows[i]; rows only grow. With a dictionary value i is text codes[i], and who searches
 * looks at each different text once (there may be some that no value has); without, it is text i. Texts stand one behind
 * the other in `bytes`. Borrowed until the next chunk_open. A column may be coded by others, which are read, too, then.
 */
struct chunk_values {
	uint32_t n;
	const uint32_t *rows;
	const uint32_t *codes; /* NULL: no dictionary, value i is text i */
	uint32_t n_texts;
	const char *bytes;
	const uint32_t *ends; /* of text i; it begins where text i-1 ends */
};
int chunk_values(struct chunk *b, uint32_t column, struct chunk_values *ret, struct err *err);

static inline struct str chunk_text(const struct chunk_values *v, uint32_t i)
{
	uint32_t from = i ? v->ends[i - 1] : 0;
	return (struct str){ v->bytes + from, v->ends[i] - from };
}

/*
 * What a value may hold or not, asked of texts. With `text` (n > 0; its escapes undone, small ASCII letters) it holds for
 * no value in which this doesn't stand, cases of ASCII alike; and for a value when it holds for a part of it whose ends
 * are no ends within words (store/bloom.h). So parts of texts may be asked instead of texts.
 */
struct chunk_question {
	struct str text;
	/* Sets hit[i] to 1 where it holds for text i of `texts`; `plain`: their escapes are undone already. */
	int (*ask)(void *arg, const struct chunk_values *texts, bool plain, uint8_t *hit, struct err *err);
	void *arg;
};
/* Sets the bits of rows in which the question holds for a value of the column. Leaves texts undecoded where it can. */
int chunk_search(struct chunk *b, uint32_t column, const struct chunk_question *q, uint64_t rows[CHUNK_ROWS / 64],
                 struct err *err);

/* The JSON of one row, byte for byte as it was added, appended to `out`. Decodes all columns on first use. */
int chunk_json(struct chunk *b, uint32_t row, struct buf *out, struct err *err);
/* The whole block's checksums. */
int chunk_check(struct chunk *b, struct err *err);

#endif
