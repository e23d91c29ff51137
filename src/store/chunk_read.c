/* Columns and events out of a block: see chunk.h. */
#include "store/chunk_format.h"
#include "store/chunk_reader.h"
#include "store/chunk_shape.h"

#include <errno.h>
#include <stdlib.h>

int chunk_reader_new(struct chunk **ret, struct err *err)
{
	struct chunk *b = calloc(1, sizeof(*b));
	if (b)
		b->zstd = ZSTD_createDCtx();
	if (!b || !b->zstd) {
		chunk_reader_free(b);
		return err_set(err, -ENOMEM, "no memory to read events");
	}
	b->arena.max = ARENA_MAX;
	*ret = b;
	return 0;
}

void chunk_reader_free(struct chunk *b)
{
	if (!b)
		return;
	ZSTD_freeDCtx(b->zstd);
	arena_free(&b->arena);
	buf_free(&b->json);
	buf_free(&b->hit);
	free(b);
}

int chunk_damaged(const char *what, struct err *err)
{
	return err_set(err, -EBADMSG, "a block of events is damaged: %s", what);
}

int chunk_no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "no memory to read a block of events");
}

/* How a struct take went. */
static int took(const struct take *t, const char *what, struct err *err)
{
	if (t->no_memory)
		return chunk_no_memory(err);
	return t->bad || t->p != t->end ? chunk_damaged(what, err) : 0;
}

static uint64_t get_fixed(const char **from, size_t n)
{
	uint64_t v = 0;
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)(unsigned char)*(*from)++ << 8 * i;
	return v;
}

static struct part get_part(const char **from, uint64_t *at)
{
	struct part part = { .at = *at };
	part.size = (uint32_t)get_fixed(from, 4);
	part.sum = get_fixed(from, 8);
	*at += part.size;
	return part;
}

/* The directory of a head that was found good: what there is, and where. */
static int read_directory(struct chunk *b, const char *at, const char *end, uint32_t n_paths, struct err *err)
{
	uint64_t from = HEAD_SIZE + (uint64_t)(end - at);
	if ((size_t)(end - at) < (size_t)PART_ENTRY * (PART_COLUMNS + b->n_columns))
		return chunk_damaged("its directory", err);
	b->shapes = get_part(&at, &from);
	b->times = get_part(&at, &from);
	for (uint32_t c = 0; c < b->n_columns; c++)
		b->columns[c] = (struct column){ .part = get_part(&at, &from) };
	for (uint32_t c = 0; c < n_paths; c++) {
		size_t n = end - at < 2 ? SIZE_MAX : (size_t)get_fixed(&at, 2);
		if (n > CHUNK_PATH_MAX || n > (size_t)(end - at))
			return chunk_damaged("a column's path", err);
		b->columns[c].path = (struct str){ at, n };
		at += n;
	}
	return at != end || from != b->size ? chunk_damaged("its directory", err) : 0;
}

static int read_head(struct chunk *b, struct err *err)
{
	/* Most directories come along with the head. */
	size_t n = b->size < 4096 ? (size_t)b->size : 4096;
	char *p = arena_alloc(&b->arena, 4096);
	if (!p)
		return chunk_no_memory(err);
	if (n < HEAD_SIZE)
		return chunk_damaged("it is too short", err);
	int r = b->read(b->arg, 0, p, n, err);
	if (r)
		return r;
	if (memcmp(p, CHUNK_MAGIC, 7))
		return chunk_damaged("it does not begin as one", err);
	if (p[7] != CHUNK_MAGIC[7])
		return err_set(err, -EBADMSG, "a block of events of version %d, this khien reads %d", p[7],
		               CHUNK_MAGIC[7]);
	const char *at = p + 8;
	uint64_t n_rows = get_fixed(&at, 4), n_paths = get_fixed(&at, 4), rest = get_fixed(&at, 4);
	size_t directory = get_fixed(&at, 4), whole = HEAD_SIZE + directory;
	b->raw = get_fixed(&at, 8);
	uint64_t sum = get_fixed(&at, 8);
	if (!n_rows || n_rows > CHUNK_ROWS || n_paths > PATHS_REST || rest > 1 || b->raw > CHUNK_RAW_MAX ||
	    directory > CHUNK_COLUMNS * (CHUNK_PATH_MAX + PART_ENTRY + 8u) || whole > b->size)
		return chunk_damaged("its head", err);
	if (whole > n) {
		char *more = arena_alloc(&b->arena, whole);
		if (!more)
			return chunk_no_memory(err);
		memcpy(more, p, n);
		p = more;
		r = b->read(b->arg, n, p + n, whole - n, err);
		if (r)
			return r;
	}
	if (chunk_head_sum(p, directory) != sum)
		return chunk_damaged("the checksum of its directory", err);
	b->n_rows = (uint32_t)n_rows;
	b->n_columns = (uint32_t)(n_paths + rest);
	b->has_rest = rest;
	return read_directory(b, p + HEAD_SIZE, p + whole, (uint32_t)n_paths, err);
}

int chunk_open(struct chunk *b, uint64_t size, chunk_read_fn *read, void *arg, struct err *err)
{
	arena_reset(&b->arena);
	b->read = read;
	b->arg = arg;
	b->size = size;
	b->wanted = NULL;
	b->all_times = NULL;
	b->every_row = NULL;
	b->loaded = b->all = b->no_memory = false;
	b->call = b->depth = 0;
	int r = read_head(b, err);
	if (r)
		b->n_rows = b->n_columns = 0;
	return r;
}

uint32_t chunk_n_rows(const struct chunk *b)
{
	return b->n_rows;
}

uint32_t chunk_n_columns(const struct chunk *b)
{
	return b->n_columns;
}

struct str chunk_column_path(const struct chunk *b, uint32_t column)
{
	return b->columns[column].path;
}

uint32_t chunk_column(struct chunk *b, struct str path)
{
	uint32_t i = 0;
	for (; i < b->n_columns; i++)
		if (b->columns[i].path.p && str_eq(b->columns[i].path, path))
			return i;
	if (!b->has_rest)
		return UINT32_MAX;
	struct wanted **at = &b->wanted;
	for (; *at; at = &(*at)->next, i++)
		if (str_eq((*at)->path, path))
			return i;
	struct wanted *w = arena_zalloc(&b->arena, sizeof(*w));
	if (w)
		w->path = arena_copy(&b->arena, path);
	if (w && w->path.p)
		*at = w;
	else
		b->no_memory = true;
	return i;
}

/* A part's bytes, checked, ready to be taken apart. */
static int read_part(struct chunk *b, const struct part *part, struct take *t, struct err *err)
{
	uint8_t *p = part->size > CHUNK_RAW_MAX * 2u ? NULL : arena_alloc(&b->arena, part->size + TAKE_SLACK);
	if (!p)
		return chunk_no_memory(err);
	int r = part->size ? b->read(b->arg, part->at, p, part->size, err) : 0;
	if (r)
		return r;
	if (part->size && XXH64(p, part->size, 0) != part->sum)
		return chunk_damaged("a checksum", err);
	*t = (struct take){ .p = p, .end = p + part->size, .zstd = b->zstd, .arena = &b->arena };
	return 0;
}

/* Where each shape's slots end, and how many slots all of them have. */
static uint32_t find_slots(struct chunk *b)
{
	uint32_t n = 0, at = 0;
	for (uint32_t s = 0; s < b->n_shapes; s++) {
		for (; at < b->shape_ends[s]; at++)
			n += b->shape_text[at] == SHAPE_SLOT;
		b->slot_ends[s] = n;
	}
	return n;
}

/* by_column: which shapes a column's values stand in. */
static void sort_slots(struct chunk *b, uint32_t n)
{
	uint32_t *end = b->by_column_ends, sum = 0;
	memset(end, 0, (b->n_columns + 1) * sizeof(*end));
	for (uint32_t i = 0; i < n; i++)
		end[b->slot_columns[i] + 1]++;
	for (uint32_t c = 0; c <= b->n_columns; c++)
		end[c] = sum += end[c];
	for (uint32_t s = 0, i = 0; s < b->n_shapes; s++)
		for (; i < b->slot_ends[s]; i++)
			b->by_column[end[b->slot_columns[i]]++] = s;
}

/* Rows and values are no more than a builder would have put in, so that whatever is made of them is bounded. */
static bool count_uses(struct chunk *b)
{
	uint64_t values = 0, raw = 0;
	memset(b->uses, 0, b->n_shapes * sizeof(*b->uses));
	memset(b->count, 0, b->n_shapes * sizeof(*b->count));
	for (uint32_t r = 0; r < b->n_rows; r++) {
		uint32_t s = b->shape_of[r], slots = b->slot_ends[s] - (s ? b->slot_ends[s - 1] : 0);
		b->uses[s]++;
		values += slots;
		raw += b->shape_ends[s] - (s ? b->shape_ends[s - 1] : 0) - slots;
	}
	return values <= CHUNK_VALUES && raw <= b->raw;
}

static void take_shapes(struct chunk *b, struct take *t)
{
	b->n_shapes = (uint32_t)take_count(t, b->n_rows);
	uint32_t *ends = take_planes32(t, b->n_shapes, CHUNK_RAW_MAX * 2u);
	uint64_t size = 0;
	for (uint32_t s = 0; ends && s < b->n_shapes; s++) {
		size += ends[s];
		ends[s] = (uint32_t)size;
		t->bad |= size > CHUNK_RAW_MAX + CHUNK_VALUES;
	}
	b->shape_ends = ends;
	b->shape_text = t->bad ? NULL : take_stream(t, size);
	b->slot_ends = take_room(t, b->n_shapes, sizeof(*b->slot_ends));
	uint32_t n = b->shape_text && b->slot_ends ? find_slots(b) : 0;
	b->slot_columns = take_planes32(t, n, b->n_columns ? b->n_columns - 1 : 0);
	b->shape_of = take_planes32(t, b->n_rows, b->n_shapes ? b->n_shapes - 1 : 0);
	b->by_column = take_room(t, n, sizeof(*b->by_column));
	b->by_column_ends = take_room(t, b->n_columns + 1, sizeof(*b->by_column_ends));
	b->count = take_room(t, b->n_shapes, sizeof(*b->count));
	b->uses = take_room(t, b->n_shapes, sizeof(*b->uses));
	if (t->bad || !b->n_shapes || (n && !b->n_columns) || !count_uses(b)) {
		t->bad = true;
		return;
	}
	sort_slots(b, n);
}

static int load_shapes(struct chunk *b, struct err *err)
{
	if (b->loaded)
		return 0;
	struct take t;
	int r = read_part(b, &b->shapes, &t, err);
	if (r)
		return r;
	take_shapes(b, &t);
	r = took(&t, "its shapes", err);
	b->loaded = !r;
	return r;
}

int chunk_times(struct chunk *b, const int64_t **times, struct err *err)
{
	if (!b->all_times) {
		struct take t;
		int r = read_part(b, &b->times, &t, err);
		if (r)
			return r;
		const int64_t *v = take_integers(&t, b->n_rows);
		r = took(&t, "its times", err);
		if (r)
			return r;
		b->all_times = v;
	}
	*times = b->all_times;
	return 0;
}

/* The rows of a column's n values; `one` when each row has one. */
static const uint32_t *make_rows(struct chunk *b, const uint32_t *in_shapes, uint32_t n_in, uint32_t n, bool one)
{
	if (one && b->every_row)
		return b->every_row;
	uint32_t *rows = arena_alloc(&b->arena, (n ? n : 1) * sizeof(*rows)), i = 0;
	if (!rows)
		return NULL;
	for (uint32_t k = 0; k < n_in; k++)
		b->count[in_shapes[k]]++;
	for (uint32_t r = 0; r < b->n_rows; r++)
		for (uint32_t k = b->count[b->shape_of[r]]; k; k--)
			rows[i++] = r;
	for (uint32_t k = 0; k < n_in; k++)
		b->count[in_shapes[k]] = 0;
	if (one)
		b->every_row = rows;
	return rows;
}

int chunk_open_column(struct chunk *b, struct column *c, struct err *err)
{
	if (c->take)
		return 0;
	int r = load_shapes(b, err);
	if (r)
		return r;
	const uint32_t *end = b->by_column_ends + (c - b->columns), from = c == b->columns ? 0 : end[-1];
	const uint32_t *in = b->by_column + from;
	uint32_t n = 0;
	bool one = *end - from <= b->n_shapes;
	for (uint32_t k = 0; k < *end - from; k++) {
		n += b->uses[in[k]];
		one &= !k || in[k] != in[k - 1];
	}
	struct take t, *kept = arena_alloc(&b->arena, sizeof(*kept));
	if (!kept)
		return chunk_no_memory(err);
	r = n ? read_part(b, &c->part, &t, err) : chunk_damaged("a column without values", err);
	if (r)
		return r;
	t.rows = make_rows(b, in, *end - from, n, one && n == b->n_rows);
	if (!t.rows)
		return chunk_no_memory(err);
	t.chunk = b;
	t.column = (uint32_t)(c - b->columns);
	t.n = n;
	if (t.p < t.end && *t.p == CODING_LAYOUT) {
		t.p++;
		t.depth = 1;
		c->layouts = take_unlayout(&t, n);
		r = took(&t, "a column", err);
	}
	*kept = t;
	c->take = r ? NULL : kept;
	return r;
}

int chunk_load_column(struct chunk *b, struct column *c, struct err *err)
{
	if (c->loaded)
		return 0;
	if (b->depth > COLUMN_DEPTH)
		return chunk_damaged("a column that hangs on too many others", err);
	int r = chunk_open_column(b, c, err);
	if (r)
		return r;
	struct take *t = c->layouts ? &c->layouts->take : c->take;
	struct chunk_values v = c->values;
	b->depth++;
	if (c->layouts)
		unlayout_texts(c->layouts, NULL, NULL, &v);
	else if (c->texts)
		take_dictionary_codes(t, t->n, &v);
	else
		take_values(t, t->n, &v);
	b->depth--;
	r = took(t, "a column", err);
	if (r)
		return r;
	v.n = t->n;
	v.rows = t->rows;
	c->values = v;
	c->loaded = true;
	return 0;
}

void chunk_load_texts(struct column *c)
{
	if (!c->loaded && !c->texts && !c->layouts)
		c->texts = take_dictionary_texts(c->take, c->take->n, &c->values);
}

struct column *take_open_other(struct take *t, uint32_t column, bool *by_row)
{
	struct chunk *b = t->chunk;
	/* Only what is before, so that no two hang on each other; and only for a whole column, whose rows are known. */
	if (t->bad || column >= t->column || t->depth != 1) {
		t->bad = true;
		return NULL;
	}
	int r = chunk_open_column(b, &b->columns[column], NULL);
	t->bad |= r != 0;
	t->no_memory |= r == -ENOMEM;
	if (r)
		return NULL;
	const struct take *other = b->columns[column].take;
	*by_row = other->rows == b->every_row;
	if (!*by_row && (other->n != t->n || memcmp(other->rows, t->rows, t->n * sizeof(*t->rows))))
		t->bad = true;
	return t->bad ? NULL : &b->columns[column];
}

bool take_other(struct take *t, uint32_t column, struct chunk_values *ret, bool *by_row)
{
	struct column *other = take_open_other(t, column, by_row);
	int r = other ? chunk_load_column(t->chunk, other, NULL) : -EBADMSG;
	t->bad |= r != 0;
	t->no_memory |= r == -ENOMEM;
	if (!r)
		*ret = other->values;
	return !r;
}

const int64_t *take_times(struct take *t)
{
	const int64_t *times = NULL;
	int r = t->bad || t->depth != 1 ? -EBADMSG : chunk_times(t->chunk, &times, NULL);
	t->bad |= r != 0;
	t->no_memory |= r == -ENOMEM;
	return times;
}

/* Where values of this row begin: seldom far from where the last ones ended. */
static uint32_t first_of_row(const struct take *v, uint32_t guess, uint32_t row)
{
	uint32_t least = 0, n = v->n;
	if (guess < n && v->rows[guess] == row && (!guess || v->rows[guess - 1] < row))
		return guess;
	if (row < n && v->rows[row] == row && (!row || v->rows[row - 1] < row))
		return row;
	while (n) {
		uint32_t half = n / 2;
		if (v->rows[least + half] < row) {
			least += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return least;
}

/* All columns are loaded for a row's JSON, but texts of layouts only when it is not the first rows that are asked for. */
static int load_for_row(struct chunk *b, struct err *err)
{
	enum { FEW = 4 };
	const bool all = b->call >= FEW;
	int r = load_shapes(b, err);
	for (uint32_t c = 0; !r && !b->all && c < b->n_columns; c++) {
		r = chunk_open_column(b, &b->columns[c], err);
		if (!r && (all || !b->columns[c].layouts))
			r = chunk_load_column(b, &b->columns[c], err);
	}
	b->all = !r && all;
	return r;
}

static int add_text(struct column *c, uint32_t i, struct buf *out, struct err *err)
{
	const struct chunk_values *v = &c->values;
	if (c->loaded)
		buf_add(out, chunk_text(v, v->codes ? v->codes[i] : i));
	else if (!unlayout_add(c->layouts, i, out))
		return took(&c->layouts->take, "a column", err);
	return 0;
}

int chunk_json(struct chunk *b, uint32_t row, struct buf *out, struct err *err)
{
	int r = row < b->n_rows ? load_for_row(b, err) : err_set(err, -EINVAL, "no row %u in a block", row);
	if (r)
		return r;
	b->call++;
	const size_t before = out->n;
	const uint32_t s = b->shape_of[row];
	const char *p = b->shape_text + (s ? b->shape_ends[s - 1] : 0), *end = b->shape_text + b->shape_ends[s];
	const uint32_t *slot = b->slot_columns + (s ? b->slot_ends[s - 1] : 0);
	for (const char *gap; !r && (gap = memchr(p, SHAPE_SLOT, (size_t)(end - p))) != NULL; p = gap + 1) {
		buf_add(out, (struct str){ p, (size_t)(gap - p) });
		struct column *c = &b->columns[*slot++];
		if (c->call != b->call)
			c->next = first_of_row(c->take, c->next, row);
		c->call = b->call;
		r = add_text(c, c->next++, out, err);
	}
	buf_add(out, (struct str){ p, (size_t)(end - p) });
	if (!r && out->failed)
		r = err_set(err, -ENOMEM, "no room for an event");
	if (r)
		out->n = before;
	return r;
}

int chunk_check(struct chunk *b, struct err *err)
{
	for (uint32_t i = 0; i < PART_COLUMNS + b->n_columns; i++) {
		struct arena mine = { .max = ARENA_MAX }, whole = b->arena;
		struct take t;
		b->arena = mine;
		int r = read_part(b,
		                  i == PART_SHAPES  ? &b->shapes
		                  : i == PART_TIMES ? &b->times
		                                    : &b->columns[i - PART_COLUMNS].part,
		                  &t, err);
		arena_free(&b->arena);
		b->arena = whole;
		if (r)
			return r;
	}
	return 0;
}

int chunk_values(struct chunk *b, uint32_t column, struct chunk_values *ret, struct err *err)
{
	int r;
	if (column < b->n_columns) {
		r = chunk_load_column(b, &b->columns[column], err);
		if (!r)
			*ret = b->columns[column].values;
		return r;
	}
	struct wanted *w = b->wanted;
	for (column -= b->n_columns; w && column; column--)
		w = w->next;
	if (!w)
		return b->no_memory ? chunk_no_memory(err) : err_set(err, -EINVAL, "no such column in a block");
	r = w->loaded ? 0 : chunk_load_wanted(b, w, err);
	if (!r)
		*ret = w->values;
	return r;
}
