/*
 * Blocks of events. Lines of JSON: what is taken comes back byte for byte, each value in one column, its words in the
 * filter. Then bytes of the block are changed, and anything that begins as a block is taken for one, checksums made
 * right: whatever it says is refused or read, within bounds.
 */
#include "store/bloom.h"
#include "store/chunk.h"
#include "store/chunk_format.h"

#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 512 };

static int read_memory(void *arg, uint64_t at, void *to, size_t n, struct err *err)
{
	const struct str *from = arg;
	assert(at <= from->n && n <= from->n - at);
	memcpy(to, from->p + at, n);
	return 0;
}

/* Reads all there is; with `rows`, it must be those. */
static void read_block(struct chunk *reader, struct str block, const struct str *rows, uint32_t n)
{
	struct buf out = { 0 };
	struct err err;
	struct chunk_values v;
	const int64_t *times;
	uint64_t values = 0;
	int r = chunk_open(reader, block.n, read_memory, &block, &err);
	if (!r)
		r = chunk_times(reader, &times, &err);
	assert(!rows || (!r && chunk_n_rows(reader) == n));
	for (uint32_t c = 0; !r && c < chunk_n_columns(reader); c++) {
		r = chunk_values(reader, c, &v, &err);
		for (uint32_t i = 0; !r && i < v.n; i++) {
			uint32_t text = v.codes ? v.codes[i] : i;
			assert(text < v.n_texts && v.rows[i] < chunk_n_rows(reader) &&
			       (!i || v.rows[i - 1] <= v.rows[i]));
			assert(chunk_text(&v, text).n <= CHUNK_RAW_MAX);
			values++;
		}
	}
	if (!r && chunk_n_columns(reader)) {
		uint32_t wanted = chunk_column(reader, STR("a.b"));
		r = wanted == UINT32_MAX ? 0 : chunk_values(reader, wanted, &v, &err);
	}
	for (uint32_t i = 0; !r && i < chunk_n_rows(reader); i++) {
		out.n = 0;
		r = chunk_json(reader, i, &out, &err);
		assert(!rows || (!r && str_eq(buf_str(&out), rows[i])));
	}
	assert(r == 0 || (!rows && (r == -EBADMSG || r == -ENOMEM)));
	assert(values <= CHUNK_VALUES && (!rows || !r));
	buf_free(&out);
}

static bool holds(struct str text, struct str value)
{
	for (size_t i = 0; i + text.n <= value.n; i++)
		if (!strncasecmp(value.p + i, text.p, text.n))
			return true;
	return false;
}

static bool holds_unescaped(struct str text, struct str value)
{
	char *plain = malloc(value.n + JSON_UNESCAPE_ROOM);
	assert(plain);
	bool r = holds(text, (struct str){ plain, json_kernel()->unescape(plain, value) });
	free(plain);
	return r;
}

static int ask(void *arg, const struct chunk_values *v, bool plain, uint8_t *hit, struct err *err)
{
	for (uint32_t i = 0; i < v->n_texts; i++)
		hit[i] = (plain ? holds : holds_unescaped)(*(struct str *)arg, chunk_text(v, i));
	return 0;
}

/* Finds pieces of values in just those rows that have them; in a damaged block, something or nothing. */
static void search_block(struct chunk *reader, struct str block, const struct str *json)
{
	const bool good = json != NULL;
	struct buf out = { 0 };
	struct chunk_values v;
	struct err err;
	for (uint32_t c = 0, n = 1; c < n; c++) {
		uint64_t rows[CHUNK_ROWS / 64] = { 0 }, right[CHUNK_ROWS / 64] = { 0 };
		char piece[12];
		if (chunk_open(reader, block.n, read_memory, &block, &err) || !(n = chunk_n_columns(reader)) ||
		    chunk_values(reader, c, &v, &err) || !v.n_texts)
			continue;
		struct str text = chunk_text(&v, v.n_texts / 2);
		text = str_sub(text, text.n / 3, 1 + (text.n + c) % sizeof(piece));
		for (size_t i = 0; i < text.n; i++)
			piece[i] = (char)(text.p[i] >= 'A' && text.p[i] <= 'Z' ? text.p[i] | 0x20 : text.p[i]);
		text.p = piece;
		struct chunk_question q = { .text = text, .ask = ask, .arg = &text };
		int r = chunk_open(reader, block.n, read_memory, &block, &err);
		out.n = 0;
		if (!r && c % 2) /* a row for itself, before all columns are there */
			r = chunk_json(reader, c % chunk_n_rows(reader), &out, &err);
		assert(!good || r || !out.n || str_eq(buf_str(&out), json[c % chunk_n_rows(reader)]));
		r = r ? r : chunk_search(reader, c, &q, rows, &err);
		assert(!good || !r);
		if (r || !good || !text.n)
			continue;
		assert(!chunk_values(reader, c, &v, &err));
		for (uint32_t i = 0; i < v.n; i++)
			right[v.rows[i] / 64] |=
			        (uint64_t)holds_unescaped(text, chunk_text(&v, v.codes ? v.codes[i] : i))
			        << v.rows[i] % 64;
		assert(!memcmp(rows, right, sizeof(rows)));
	}
	buf_free(&out);
}

/* Each text without times has all its words in the filter: here, words of at least three letters and no digit. */
static void check_words(const struct chunk_sealed *s, struct str json)
{
	for (size_t at = 0, end; at < json.n; at = end + 1) {
		for (end = at; end < json.n && ((json.p[end] | 0x20) >= 'a' && (json.p[end] | 0x20) <= 'z'); end++)
			;
		uint64_t hash = bloom_hash(str_sub(json, at, end - at));
		/* A value that is this word and nothing else. */
		if (end - at >= 3 && end - at <= BLOOM_WORD_MAX && at >= 2 && end < json.n && json.p[at - 1] == '"' &&
		    json.p[at - 2] == ':' && json.p[end] == '"' && str_find(json, '\\') == json.n)
			assert(bloom_has(s->filter.p + bloom_place(s->filter.n, hash), hash));
	}
}

static void change(struct chunk *reader, struct str block, const uint8_t *data, size_t size)
{
	char *copy = malloc(block.n);
	assert(copy);
	memcpy(copy, block.p, block.n);
	for (size_t i = 0; i + 2 < size && i < 12; i += 3)
		copy[(data[i] << 8 | data[i + 1]) % block.n] = (char)data[i + 2];
	chunk_mend_sums(copy, block.n);
	read_block(reader, (struct str){ copy, block.n }, NULL, 0);
	search_block(reader, (struct str){ copy, block.n }, NULL);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct chunk_builder *builder;
	static struct chunk *reader;
	struct str rows[ROWS], text = { (const char *)data, size };
	struct chunk_sealed sealed;
	struct err err;
	uint32_t n = 0;
	if (!builder)
		assert(!chunk_builder_new(&builder, &err) && !chunk_reader_new(&reader, &err));
	if (str_starts(text, STR("khchunk"))) {
		change(reader, text, NULL, 0);
		return 0;
	}
	for (size_t at = 0, end; at < size && n < ROWS; at = end + 1) {
		struct str line = str_sub(text, at, size);
		line.n = str_find(line, '\n');
		end = at + line.n;
		struct str trimmed = str_trim(line);
		struct json_error error;
		bool object = trimmed.n && trimmed.p[0] == '{' && json_valid(line, &error);
		int r = chunk_add(builder, (int64_t)(n * 1000003u), line, &err);
		assert(r == (object ? 0 : -EBADMSG));
		if (!r)
			rows[n++] = line;
	}
	if (!n)
		return 0;
	assert(!chunk_seal(builder, 1, &sealed, &err));
	read_block(reader, sealed.data, rows, n);
	search_block(reader, sealed.data, rows);
	for (uint32_t i = 0; i < n; i++)
		check_words(&sealed, rows[i]);
	change(reader, sealed.data, data, size);
	return 0;
}
