/* An open block. Inside of chunk_read.c, chunk_rest.c and chunk_search.c. */
#ifndef KHIEN_STORE_CHUNK_READER_H
#define KHIEN_STORE_CHUNK_READER_H

#include "store/chunk_layout.h"

enum { ARENA_MAX = CHUNK_RAW_MAX * 5 };

struct part {
	uint64_t at, sum;
	uint32_t size;
};

struct column {
	struct str path;
	struct part part;
	struct take *take;        /* once opened: its bytes and its values' rows */
	struct unlayout *layouts; /* and its layouts, where it has such */
	bool loaded;
	bool texts;          /* `values` has the texts of a dictionary, whose codes are to be taken next */
	uint32_t call, next; /* chunk_json: of which call `next` is, the value that comes next */
	struct chunk_values values;
};

/* A path that is asked for and has no column: its values, found among the rest. */
struct wanted {
	struct wanted *next;
	struct str path;
	bool loaded;
	struct chunk_values values;
};

struct chunk {
	struct arena arena; /* of all that the open block has decoded */
	ZSTD_DCtx *zstd;
	chunk_read_fn *read;
	void *arg;
	uint64_t size, raw;
	uint32_t n_rows, n_columns; /* with the rest */
	bool has_rest;
	struct part shapes, times;
	struct column columns[CHUNK_COLUMNS];
	struct wanted *wanted;
	bool no_memory; /* for a wanted path */
	const int64_t *all_times;
	bool loaded; /* the shapes */
	bool all;    /* and all columns */
	uint32_t call;
	uint32_t depth; /* columns that are being read one for another */
	uint32_t n_shapes;
	const char *shape_text;
	const uint32_t *shape_ends;
	uint32_t *slot_ends;          /* of each shape, in slot_columns */
	const uint32_t *slot_columns; /* of each scalar of each shape */
	const uint32_t *shape_of;     /* of each row */
	uint32_t *by_column_ends;     /* of each column, in by_column */
	uint32_t *by_column;          /* the shape of each of its scalars */
	uint32_t *count;              /* of a column's values in each shape */
	uint32_t *uses;               /* rows of each shape */
	const uint32_t *every_row;    /* 0, 1, 2... */
	struct buf json, hit;
};

int chunk_open_column(struct chunk *b, struct column *c, struct err *err);
int chunk_load_column(struct chunk *b, struct column *c, struct err *err);
/* Of a column that was opened and is a dictionary: its texts. */
void chunk_load_texts(struct column *c);
/* As take_other, only that its values are still to be loaded; NULL: bad. */
struct column *take_open_other(struct take *t, uint32_t column, bool *by_row);
int chunk_damaged(const char *what, struct err *err);
int chunk_no_memory(struct err *err);
/* The values of a wanted path, from the rows of the rest. */
int chunk_load_wanted(struct chunk *b, struct wanted *w, struct err *err);

#endif
