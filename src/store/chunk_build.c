/* Events into a block: see chunk.h. */
#include "store/chunk_format.h"
#include "store/chunk_shape.h"

#include "base/json_walk.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

struct chunk_builder {
	struct paths paths;
	struct shapes shapes;
	struct buf text;   /* the JSON of all rows */
	struct buf packed; /* the texts of its scalars by column, so that who works on a column finds all of it near */
	struct shape_scalar *scalars; /* CHUNK_VALUES, row after row; in `text` */
	struct chunk_scalar *sorted;  /* the same by column */
	uint32_t n_scalars, n_rows;
	int64_t times[CHUNK_ROWS];
	uint32_t shape_of[CHUNK_ROWS];
	struct put put;
	struct buf data, filter; /* what was sealed last */
	/* Of the event that is being added. */
	struct str json;
	const char *done; /* of it, what is in `shape` */
	struct buf shape;
	struct buf nodes; /* of its scalars, uint32_t */
	uint32_t n_new;
	bool full;
};

int chunk_builder_new(struct chunk_builder **ret, struct err *err)
{
	struct chunk_builder *b = calloc(1, sizeof(*b));
	if (!b)
		return err_set(err, -ENOMEM, "no memory to pack events");
	/* Without a random seed it works as well, only no longer as well for who means ill. */
	if (getrandom(&b->put.seed, sizeof(b->put.seed), GRND_NONBLOCK) != sizeof(b->put.seed))
		b->put.seed = (uint64_t)(uintptr_t)b;
	b->put.words.seed = b->put.seed | 1;
	int r = paths_init(&b->paths, b->put.seed, err);
	if (!r)
		r = shapes_init(&b->shapes, err);
	b->scalars = malloc(CHUNK_VALUES * sizeof(*b->scalars));
	b->sorted = malloc(CHUNK_VALUES * sizeof(*b->sorted));
	b->put.zstd = ZSTD_createCCtx();
	b->text.max = b->packed.max = CHUNK_RAW_MAX + COPY_SLACK;
	b->shape.max = CHUNK_RAW_MAX * 2u;
	b->put.out.max = b->data.max = CHUNK_RAW_MAX * 4u;
	if (!r && (!b->scalars || !b->sorted || !b->put.zstd))
		r = err_set(err, -ENOMEM, "no memory to pack events");
	if (r)
		chunk_builder_free(b);
	else
		*ret = b;
	return r;
}

void chunk_builder_free(struct chunk_builder *b)
{
	if (!b)
		return;
	paths_done(&b->paths);
	shapes_done(&b->shapes);
	buf_free(&b->text);
	buf_free(&b->packed);
	free(b->scalars);
	free(b->sorted);
	ZSTD_freeCCtx(b->put.zstd);
	buf_free(&b->put.out);
	chunk_words_free(&b->put.words);
	arena_free(&b->put.arena);
	arena_free(&b->put.scratch);
	buf_free(&b->data);
	buf_free(&b->filter);
	buf_free(&b->shape);
	buf_free(&b->nodes);
	free(b);
}

static uint32_t on_member(void *ctx, uint32_t tag, uint32_t object, struct str key)
{
	struct chunk_builder *b = ctx;
	uint32_t node = paths_member(&b->paths, tag, key);
	b->full |= node == UINT32_MAX;
	return node; /* which is JSON_SKIP when full */
}

static void on_scalar(void *ctx, uint32_t tag, struct str text, enum json_type type)
{
	struct chunk_builder *b = ctx;
	if (b->n_scalars + b->n_new == CHUNK_VALUES) {
		b->full = true;
		return;
	}
	size_t between = (size_t)(text.p - b->done);
	char *to = b->shape.p + b->shape.n;
	if (b->done + COPY_SLACK <= b->json.p + b->json.n)
		copy_short(to, b->done, between);
	else
		memcpy(to, b->done, between);
	to[between] = SHAPE_SLOT;
	b->shape.n += between + 1;
	b->done = text.p + text.n;
	uint32_t i = b->n_scalars + b->n_new;
	b->scalars[i].at = (uint32_t)(b->text.n + (size_t)(text.p - b->json.p));
	b->scalars[i].n = (uint32_t)text.n;
	((uint32_t *)(void *)b->nodes.p)[b->n_new++] = tag;
}

static int no_room(const struct chunk_builder *b, struct err *err)
{
	return b->n_rows ? err_set(err, -E2BIG, "the block is full")
	                 : err_set(err, -EMSGSIZE, "an event too big for any block");
}

/* An object that is like none before, or no JSON at all. */
static int take_apart(struct chunk_builder *b, struct str json, uint32_t *shape, struct err *err)
{
	static const struct json_visitor visitor = { on_member, on_scalar };
	b->shape.n = b->nodes.n = 0;
	/* A scalar takes two bytes of JSON with what parts it from the next. */
	const size_t most = json.n / 2 + 1 < CHUNK_VALUES ? json.n / 2 + 1 : CHUNK_VALUES;
	if (!buf_room(&b->shape, json.n + most + COPY_SLACK) || !buf_room(&b->nodes, most * sizeof(uint32_t))) {
		b->shape.failed = b->nodes.failed = false;
		return err_set(err, -ENOMEM, "no memory to pack events");
	}
	struct str trimmed = str_trim(json);
	if (!trimmed.n || trimmed.p[0] != '{')
		return err_set(err, -EBADMSG, "not a JSON object");
	b->json = json;
	b->done = json.p;
	b->n_new = 0;
	b->full = false;
	const uint32_t n_nodes = b->paths.n;
	struct json_error error;
	bool good = json_walk(json_kernel(), json, PATHS_ROOT, &visitor, b, &error);
	if (!good || b->full) {
		paths_cut(&b->paths, n_nodes);
		return good ? no_room(b, err)
		            : err_set(err, -EBADMSG, "not JSON at byte %zu: %s", error.at, error.reason);
	}
	buf_add(&b->shape, (struct str){ b->done, (size_t)(json.p + json.n - b->done) });
	*shape = shapes_find(&b->shapes, buf_str(&b->shape), &b->paths, (const void *)b->nodes.p, b->n_new);
	if (*shape != UINT32_MAX)
		return 0;
	paths_cut(&b->paths, n_nodes);
	return err_set(err, -ENOMEM, "no memory to pack events");
}

int chunk_add(struct chunk_builder *b, int64_t time, struct str json, struct err *err)
{
	if (b->n_rows == CHUNK_ROWS || json.n > CHUNK_RAW_MAX - b->text.n)
		return no_room(b, err);
	if (!buf_room(&b->text, json.n + COPY_SLACK)) {
		b->text.failed = false;
		return err_set(err, -ENOMEM, "no memory to pack events");
	}
	uint32_t shape = shapes_follow(&b->shapes, json, (uint32_t)b->text.n, b->scalars + b->n_scalars,
	                               CHUNK_VALUES - b->n_scalars);
	int r = shape == UINT32_MAX ? take_apart(b, json, &shape, err) : 0;
	if (r)
		return r;
	buf_add(&b->text, json);
	b->put.words.escapes = b->put.words.escapes || chunk_words_escaped(json);
	b->times[b->n_rows] = time;
	b->shape_of[b->n_rows++] = shape;
	b->n_scalars += b->shapes.all[shape].n_scalar;
	return 0;
}

uint32_t chunk_rows(const struct chunk_builder *b)
{
	return b->n_rows;
}

size_t chunk_raw(const struct chunk_builder *b)
{
	return b->text.n;
}

/* Scalars by column, in the order of rows; start[c] becomes where those of column c end. */
static void sort_scalars(struct chunk_builder *b, uint32_t start[CHUNK_COLUMNS])
{
	uint32_t sum = 0, from = 0;
	memset(start, 0, CHUNK_COLUMNS * sizeof(*start));
	for (uint32_t r = 0; r < b->n_rows; r++) {
		const struct shape *s = &b->shapes.all[b->shape_of[r]];
		for (uint32_t i = 0; i < s->n_scalar; i++)
			start[b->shapes.columns[s->column + i]]++;
	}
	for (uint32_t c = 0; c < CHUNK_COLUMNS; c++) {
		uint32_t n = start[c];
		start[c] = sum;
		sum += n;
	}
	for (uint32_t r = 0; r < b->n_rows; r++) {
		const struct shape *s = &b->shapes.all[b->shape_of[r]];
		for (uint32_t i = 0; i < s->n_scalar; i++, from++)
			b->sorted[start[b->shapes.columns[s->column + i]]++] =
			        (struct chunk_scalar){ b->scalars[from].at, b->scalars[from].n, r };
	}
}

static char *fixed(char *to, uint64_t v, size_t n)
{
	for (; n; n--, v >>= 8)
		*to++ = (char)v;
	return to;
}

static void put_fixed(struct buf *out, uint64_t v, size_t n)
{
	char bytes[8];
	fixed(bytes, v, n);
	buf_add(out, (struct str){ bytes, n });
}

/* The part that was just written to put.out, into the directory. */
static void end_part(struct chunk_builder *b, struct buf *directory, size_t *from)
{
	struct put *p = &b->put;
	put_fixed(directory, p->out.n - *from, 4);
	put_fixed(directory, p->out.n > *from ? XXH64(p->out.p + *from, p->out.n - *from, 0) : 0, 8);
	*from = p->out.n;
	arena_reset(&p->scratch);
}

/* The texts of a column's values one behind the other. There is room for them. */
static void pack(struct chunk_builder *b, struct chunk_scalar *v, uint32_t n)
{
	enum { AHEAD = 12 };
	char *to = b->packed.p + b->packed.n;
	for (uint32_t i = 0; i < n; i++) {
		if (i + AHEAD < n)
			__builtin_prefetch(b->text.p + v[i + AHEAD].at);
		char *end = copy_short(to, b->text.p + v[i].at, v[i].n);
		v[i].at = (uint32_t)(to - b->packed.p);
		to = end;
	}
	b->packed.n = (size_t)(to - b->packed.p);
}

/* Which set of rows a column's values have: its number, the same for equal ones; 0: one value in each row. */
static uint32_t rows_of(const struct chunk_builder *b, uint32_t k, uint64_t *sums)
{
	const struct put_column *c = &b->put.columns[k];
	bool every = c->n == b->n_rows;
	uint64_t sum = c->n;
	for (uint32_t i = 0; i < c->n; i++) {
		every &= c->v[i].row == i;
		sum = (sum ^ c->v[i].row) * 0x9e3779b97f4a7c15u;
	}
	sums[k] = sum;
	for (uint32_t o = 0; o < k && !every; o++) {
		const struct put_column *other = &b->put.columns[o];
		if (sums[o] != sum || other->n != c->n || !other->rows)
			continue;
		uint32_t i = 0;
		while (i < c->n && c->v[i].row == other->v[i].row)
			i++;
		if (i == c->n)
			return other->rows;
	}
	return every ? 0 : k + 1;
}

/* What can tell the most about others comes first: many different values before few; then the rest, long ones last. */
static int by_rank(const void *a, const void *b)
{
	const struct put_column *x = a, *y = b;
	if (!x->texts != !y->texts)
		return !x->texts - !y->texts;
	if (x->texts && x->n_texts != y->n_texts)
		return x->n_texts > y->n_texts ? -1 : 1;
	if (!x->texts && x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return x->v < y->v ? -1 : 1;
}

/* The columns in their order in the block; rank[c] is where column c came to stand. That of the rest stays last. */
static bool order_columns(struct chunk_builder *b, uint32_t rank[CHUNK_COLUMNS], uint32_t path_of[CHUNK_COLUMNS])
{
	uint32_t end[CHUNK_COLUMNS], before = 0, n = b->paths.n_columns, all = n + b->paths.rest;
	struct put *p = &b->put;
	uint64_t *sums = put_room(p, &p->arena, all + 1, sizeof(*sums));
	p->columns = put_room(p, &p->arena, all + 1, sizeof(*p->columns));
	b->packed.n = 0;
	b->packed.failed = false;
	if (!sums || !p->columns || !buf_room(&b->packed, b->text.n + COPY_SLACK)) {
		p->failed = true;
		return false;
	}
	sort_scalars(b, end);
	p->text = b->packed.p;
	for (uint32_t c = 0; c < all; c++) {
		uint32_t slot = c < n ? c : PATHS_REST;
		pack(b, b->sorted + before, end[slot] - before);
		p->columns[c] = (struct put_column){ .v = b->sorted + before, .n = end[slot] - before };
		p->columns[c].rows = rows_of(b, c, sums);
		before = end[slot];
		column_study(p, &p->columns[c]);
		arena_reset(&p->scratch);
	}
	qsort(p->columns, n, sizeof(*p->columns), by_rank);
	for (uint32_t k = 0; k < n; k++) {
		/* A column begins where the one before it, by path, ends. */
		uint32_t from = (uint32_t)(p->columns[k].v - b->sorted), c = 0;
		while (c < n && (c ? end[c - 1] : 0) != from)
			c++;
		rank[c] = k;
		path_of[k] = c;
	}
	rank[PATHS_REST] = n;
	return !p->failed;
}

static void put_parts(struct chunk_builder *b, struct buf *directory)
{
	uint32_t rank[CHUNK_COLUMNS], path_of[CHUNK_COLUMNS], n = b->paths.n_columns;
	size_t from = 0;
	struct put *p = &b->put;
	struct integers times;
	if (!order_columns(b, rank, path_of))
		return;
	shapes_put(&b->shapes, b->shape_of, b->n_rows, rank, p);
	end_part(b, directory, &from);
	if (integers_plan(p, b->times, b->n_rows, &times))
		put_integers(p, &times);
	end_part(b, directory, &from);
	for (uint32_t k = 0; k < n + b->paths.rest; k++) {
		put_column(p, k);
		end_part(b, directory, &from);
	}
	for (uint32_t k = 0; k < n; k++) {
		const struct path_column *path = &b->paths.columns[path_of[k]];
		put_fixed(directory, path->n, 2);
		buf_add(directory, (struct str){ b->paths.names.p + path->at, path->n });
	}
}

static void put_head(struct chunk_builder *b, size_t directory)
{
	char *to = b->data.p;
	memcpy(to, CHUNK_MAGIC, 8);
	to = fixed(to + 8, b->n_rows, 4);
	to = fixed(to, b->paths.n_columns, 4);
	to = fixed(to, b->paths.rest, 4);
	to = fixed(to, directory, 4);
	to = fixed(to, b->text.n, 8);
	fixed(to, chunk_head_sum(b->data.p, directory), 8);
}

void chunk_builder_clear(struct chunk_builder *b)
{
	paths_clear(&b->paths);
	shapes_clear(&b->shapes);
	b->text.n = 0;
	b->n_rows = b->n_scalars = 0;
	b->put.words.escapes = false;
}

int chunk_seal(struct chunk_builder *b, int level, struct chunk_sealed *ret, struct err *err)
{
	struct put *p = &b->put;
	if (!b->n_rows)
		return err_set(err, -EINVAL, "an empty block");
	struct chunk_sealed sealed = { .first = b->times[0], .last = b->times[0], .rows = b->n_rows, .raw = b->text.n };
	for (uint32_t i = 1; i < b->n_rows; i++) {
		sealed.first = b->times[i] < sealed.first ? b->times[i] : sealed.first;
		sealed.last = b->times[i] > sealed.last ? b->times[i] : sealed.last;
	}
	ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_contentSizeFlag, 0);
	p->times = b->times;
	p->failed = p->out.failed = b->data.failed = b->filter.failed = false;
	p->out.n = b->data.n = b->filter.n = 0;
	chunk_words_clear(&p->words);
	if (buf_room(&b->data, HEAD_SIZE))
		b->data.n = HEAD_SIZE;
	put_parts(b, &b->data);
	const size_t directory = b->data.n - HEAD_SIZE;
	buf_add(&b->data, buf_str(&p->out));
	chunk_words_filter(&p->words, &b->filter);
	arena_reset(&p->arena);
	if (p->failed || p->out.failed || b->data.failed || b->filter.failed)
		return err_set(err, -ENOMEM, "no memory to pack events");
	put_head(b, directory);
	sealed.data = buf_str(&b->data);
	sealed.filter = buf_str(&b->filter);
	*ret = sealed;
	chunk_builder_clear(b);
	return 0;
}
