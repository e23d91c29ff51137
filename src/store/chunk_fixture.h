/* Blocks for tests: what goes in, found out in another way than theirs, is held against what comes out. */
#ifndef KHIEN_STORE_CHUNK_FIXTURE_H
#define KHIEN_STORE_CHUNK_FIXTURE_H

#include "store/bloom.h"
#include "store/chunk.h"
#include "store/chunk_format.h"

#include "base/json_walk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <cmocka.h>

/* --- a block in the making, and what is known about it --- */

struct value {
	struct str path, text;
	uint32_t row;
};

struct fixture {
	struct chunk_builder *builder;
	struct chunk *reader;
	struct chunk_sealed sealed;
	struct arena arena;
	struct str rows[CHUNK_ROWS];
	int64_t times[CHUNK_ROWS];
	uint32_t n_rows;
	struct value *values;
	size_t n_values, room;
	const struct str *paths; /* of tags, while a row is walked */
	struct str tags[4096];
	uint32_t n_tags;
	uint64_t random;
	struct err err;
};

static int make(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	f->random = 1;
	*state = f;
	return chunk_builder_new(&f->builder, &f->err) || chunk_reader_new(&f->reader, &f->err);
}

static int destroy(void **state)
{
	struct fixture *f = *state;
	chunk_builder_free(f->builder);
	chunk_reader_free(f->reader);
	arena_free(&f->arena);
	free(f->values);
	free(f);
	return 0;
}

static uint32_t below(struct fixture *f, uint32_t n)
{
	f->random = f->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((f->random >> 33) * n >> 31);
}

static int read_memory(void *arg, uint64_t at, void *to, size_t n, struct err *err)
{
	const struct str *from = arg;
	if (at > from->n || n > from->n - at)
		return err_set(err, -EIO, "read behind the end");
	memcpy(to, from->p + at, n);
	return 0;
}

static uint32_t oracle_member(void *ctx, uint32_t tag, uint32_t object, struct str key)
{
	struct fixture *f = ctx;
	assert_true(f->n_tags < ARRAY_LEN(f->tags));
	struct str parent = f->tags[tag];
	f->tags[f->n_tags] = tag ? arena_printf(&f->arena, STR_FMT "." STR_FMT, STR_ARG(parent), STR_ARG(key))
	                         : arena_copy(&f->arena, key);
	return f->n_tags++;
}

static void oracle_scalar(void *ctx, uint32_t tag, struct str text, enum json_type type)
{
	struct fixture *f = ctx;
	if (f->n_values == f->room) {
		f->room = f->room ? f->room * 2 : 4096;
		f->values = realloc(f->values, f->room * sizeof(*f->values));
		assert_non_null(f->values);
	}
	f->values[f->n_values++] = (struct value){ f->tags[tag], text, f->n_rows };
}

static void add(struct fixture *f, int64_t time, struct str json)
{
	static const struct json_visitor visitor = { oracle_member, oracle_scalar };
	json = arena_copy(&f->arena, json);
	assert_int_equal(chunk_add(f->builder, time, json, &f->err), 0);
	struct json_error error;
	f->n_tags = 1;
	assert_true(json_walk(json_kernel(), json, 0, &visitor, f, &error));
	f->rows[f->n_rows] = json;
	f->times[f->n_rows++] = time;
}

static void addf(struct fixture *f, int64_t time, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void addf(struct fixture *f, int64_t time, const char *fmt, ...)
{
	static char text[65536];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_true(n > 0 && (size_t)n < sizeof(text));
	add(f, time, (struct str){ text, (size_t)n });
}

static int by_path(const void *a, const void *b)
{
	const struct value *x = a, *y = b;
	size_t n = x->path.n < y->path.n ? x->path.n : y->path.n;
	int d = memcmp(x->path.p, y->path.p, n);
	if (d || x->path.n != y->path.n)
		return d ? d : x->path.n < y->path.n ? -1 : 1;
	return x->row != y->row ? (x->row < y->row ? -1 : 1) : x->text.p < y->text.p ? -1 : 1;
}

static void check_word(const struct fixture *f, struct str text)
{
	static char plain[2 << 20];
	size_t at = 0;
	assert_true(text.n + JSON_UNESCAPE_ROOM < sizeof(plain));
	struct str value = { plain, json_kernel()->unescape(plain, text) };
	for (uint64_t hash; (hash = bloom_next(value, &at)) != 0;)
		assert_true(bloom_has(f->sealed.filter.p + bloom_place(f->sealed.filter.n, hash), hash));
}

/* A column has just these values, which are of one path and in the order of rows. */
static void check_column(struct fixture *f, const struct value *v, size_t n)
{
	struct chunk_values got;
	uint32_t column = chunk_column(f->reader, v->path);
	assert_true(column != UINT32_MAX);
	if (column < chunk_n_columns(f->reader))
		assert_true(str_eq(chunk_column_path(f->reader, column), v->path));
	assert_int_equal(chunk_values(f->reader, column, &got, &f->err), 0);
	assert_int_equal(got.n, n);
	bool times = str_starts(v->path, STR("time"));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t text = got.codes ? got.codes[i] : i;
		assert_true(text < got.n_texts);
		assert_int_equal(got.rows[i], v[i].row);
		assert_true(str_eq(chunk_text(&got, text), v[i].text));
		if (!times)
			check_word(f, v[i].text);
	}
}

/* --- searching --- */

struct sought {
	struct str text; /* small letters */
	bool word;       /* only where it is no part of a longer word */
};

static bool within_word(struct str value, size_t at)
{
	return at && at < value.n && bloom_is_word((unsigned char)value.p[at - 1]) &&
	       bloom_is_word((unsigned char)value.p[at]);
}

static bool holds(const struct sought *s, struct str value)
{
	for (size_t i = 0; i + s->text.n <= value.n; i++)
		if (!strncasecmp(value.p + i, s->text.p, s->text.n) &&
		    !(s->word && (within_word(value, i) || within_word(value, i + s->text.n))))
			return true;
	return false;
}

static struct str unescaped(struct fixture *f, struct str text)
{
	char *to = arena_alloc(&f->arena, text.n + JSON_UNESCAPE_ROOM);
	return (struct str){ to, json_kernel()->unescape(to, text) };
}

static int ask_texts(void *arg, const struct chunk_values *texts, bool plain, uint8_t *hit, struct err *err)
{
	char room[4096];
	for (uint32_t i = 0; i < texts->n_texts; i++) {
		struct str text = chunk_text(texts, i);
		if (!plain && memchr(text.p, '\\', text.n)) {
			char *to =
			        text.n + JSON_UNESCAPE_ROOM < sizeof(room) ? room : malloc(text.n + JSON_UNESCAPE_ROOM);
			hit[i] = holds(arg, (struct str){ to, json_kernel()->unescape(to, text) });
			if (to != room)
				free(to);
		} else {
			hit[i] = holds(arg, text);
		}
	}
	return 0;
}

static void open_sealed(struct fixture *f)
{
	assert_int_equal(chunk_open(f->reader, f->sealed.data.n, read_memory, &f->sealed.data, &f->err), 0);
	assert_int_equal(chunk_n_rows(f->reader), f->n_rows);
}

/* Rows with some piece of one of a path's values are just those that have it. No other column was decoded before. */
static void check_search(struct fixture *f, const struct value *v, size_t n)
{
	const uint32_t rounds = n < 8 ? 2 : 8; /* few values ask for few */
	for (uint32_t round = 0; round < rounds; round++) {
		uint64_t rows[CHUNK_ROWS / 64] = { 0 }, right[CHUNK_ROWS / 64] = { 0 };
		struct str text = unescaped(f, v[below(f, (uint32_t)n)].text);
		size_t at = below(f, (uint32_t)text.n + 1), most = text.n - at < 24 ? text.n - at : 24;
		struct sought s = { str_sub(text, at, 1 + below(f, (uint32_t)most + 1)), below(f, 4) == 0 };
		struct chunk_question q = { .ask = ask_texts, .arg = &s };
		if (!s.text.n || memchr(s.text.p, 0, s.text.n))
			continue;
		for (size_t i = 0; i < s.text.n; i++)
			((char *)s.text.p)[i] =
			        (char)(text.p[at + i] >= 'A' && text.p[at + i] <= 'Z' ? text.p[at + i] | 32
			                                                              : text.p[at + i]);
		q.text = s.text;
		if (round % 2) /* with nothing read before */
			open_sealed(f);
		assert_int_equal(chunk_search(f->reader, chunk_column(f->reader, v->path), &q, rows, &f->err), 0);
		for (size_t i = 0; i < n; i++)
			right[v[i].row / 64] |= (uint64_t)holds(&s, unescaped(f, v[i].text)) << v[i].row % 64;
		assert_memory_equal(rows, right, sizeof(rows));
	}
}

static void check_times(struct fixture *f)
{
	const int64_t *times;
	assert_int_equal(chunk_times(f->reader, &times, &f->err), 0);
	int64_t first = times[0], last = times[0];
	for (uint32_t r = 0; r < f->n_rows; r++) {
		assert_true(times[r] == f->times[r]);
		first = times[r] < first ? times[r] : first;
		last = times[r] > last ? times[r] : last;
	}
	assert_true(f->sealed.first == first && f->sealed.last == last);
}

static void check_rows(struct fixture *f)
{
	struct buf out = { 0 };
	for (uint32_t i = 0; i < 60; i++) { /* some, of which nothing was decoded before */
		uint32_t r = below(f, f->n_rows);
		if (i % 6 == 0)
			open_sealed(f);
		out.n = 0;
		assert_int_equal(chunk_json(f->reader, r, &out, &f->err), 0);
		assert_true(str_eq(buf_str(&out), f->rows[r]));
	}
	for (uint32_t i = 0; i < f->n_rows * 2; i++) {
		uint32_t r = i < f->n_rows ? i : below(f, f->n_rows); /* in order, then in none */
		out.n = 0;
		buf_add(&out, STR("before"));
		assert_int_equal(chunk_json(f->reader, r, &out, &f->err), 0);
		assert_true(str_eq(str_sub(buf_str(&out), 6, out.n), f->rows[r]));
	}
	assert_int_equal(chunk_json(f->reader, f->n_rows, &out, &f->err), -EINVAL);
	buf_free(&out);
}

static void seal(struct fixture *f, int level)
{
	size_t raw = 0;
	for (uint32_t r = 0; r < f->n_rows; r++)
		raw += f->rows[r].n;
	assert_int_equal(chunk_rows(f->builder), f->n_rows);
	assert_int_equal(chunk_raw(f->builder), raw);
	assert_int_equal(chunk_seal(f->builder, level, &f->sealed, &f->err), 0);
	assert_int_equal(chunk_rows(f->builder), 0);
	assert_true(f->sealed.rows == f->n_rows && f->sealed.raw == raw);
}

static void forget(struct fixture *f)
{
	f->n_rows = 0;
	f->n_values = 0;
	arena_reset(&f->arena);
}

/* Seals what was added, and reads all of it back. */
static void check(struct fixture *f)
{
	seal(f, 1);
	open_sealed(f);
	check_times(f);
	qsort(f->values, f->n_values, sizeof(*f->values), by_path);
	for (size_t i = 0, n; i < f->n_values; i += n) {
		for (n = 1; i + n < f->n_values && str_eq(f->values[i].path, f->values[i + n].path);)
			n++;
		if (n > 1 && f->n_values < 200000)
			check_search(f, f->values + i, n);
		check_column(f, f->values + i, n);
	}
	size_t all = 0;
	for (uint32_t c = 0; c < chunk_n_columns(f->reader); c++) {
		struct chunk_values v;
		assert_int_equal(chunk_values(f->reader, c, &v, &f->err), 0);
		all += v.n;
	}
	assert_int_equal(all, f->n_values);
	check_rows(f);
	assert_int_equal(chunk_check(f->reader, &f->err), 0);
	forget(f);
}

#endif
