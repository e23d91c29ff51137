/*
 * The framer: any cut of the bytes gives the same records, skips and counts; records are whole, in their order, and
 * none is longer than it may be. Input: format, longest record, seed of the cuts, bytes.
 */
#undef NDEBUG
#include "base/buf.h"
#include "intake/formats.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct out {
	struct buf records, skips;
	size_t max_record;
};

static int take_batch(void *arg, struct batch *b)
{
	struct out *out = arg;
	assert(b->n_records);
	for (size_t i = 0; i < b->n_records; i++) {
		const struct record *r = &b->records[i];
		assert(r->bytes.n && r->bytes.n <= out->max_record && r->line);
		assert(r->bytes.p >= b->bytes && r->bytes.p + r->bytes.n <= b->bytes + b->n_bytes);
		buf_printf(&out->records, "%d:%d:", (int)r->line, (int)r->bytes.n);
		buf_add(&out->records, r->bytes);
	}
	batch_free(b);
	return 0;
}

static void take_skip(void *arg, const char *origin, uint64_t line, const char *reason)
{
	struct out *out = arg;
	buf_printf(&out->skips, "%d:%s;", (int)line, reason);
}

/* Feeds bytes in pieces; seed 0: in one. */
static int run(const struct format *format, struct str bytes, uint32_t seed, struct out *out,
               struct intake_counts *counts)
{
	struct framer *f;
	const struct framer_config config = { .origin = "fuzz",
		                              .format = format,
		                              .max_record = out->max_record,
		                              .batch_bytes = 1 + seed % 64,
		                              .sink = take_batch,
		                              .skip = take_skip,
		                              .arg = out };
	if (framer_new(&f, &config, NULL))
		abort();
	int r = 0;
	while (bytes.n && !r) {
		size_t n = seed ? 1 + (seed >> 16) % 13 : bytes.n;
		seed = seed ? seed * 1103515245 + 12345 : 0;
		seed |= seed ? 1 : 0;
		/* A piece of its own, so that a read behind it is seen. */
		struct str piece = str_sub(bytes, 0, n);
		char *copy = malloc(piece.n);
		memcpy(copy, piece.p, piece.n);
		r = framer_feed(f, (struct str){ copy, piece.n }, 0);
		free(copy);
		bytes = str_sub(bytes, n, bytes.n);
	}
	if (!r)
		r = framer_end(f);
	*counts = *framer_counts(f);
	framer_free(f);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n_formats;
	const struct format *const *formats = intake_formats(&n_formats);
	if (size < 3 || size > 4096)
		return 0;
	const struct format *format = data[0] % 8 < n_formats ? formats[data[0] % 8] : NULL;
	struct str bytes = { (const char *)data + 3, size - 3 };
	struct out whole = { .max_record = 8 + data[1] }, cut = whole;
	struct intake_counts a, b;
	int r = run(format, bytes, 0, &whole, &a);
	assert(run(format, bytes, (data[2] + 1u) * 2654435761u | 1, &cut, &b) == r);
	assert(str_eq(buf_str(&whole.records), buf_str(&cut.records)));
	assert(str_eq(buf_str(&whole.skips), buf_str(&cut.skips)));
	assert(a.records == b.records && a.skipped == b.skipped && a.too_long == b.too_long);
	assert(a.nul == b.nul && a.invalid_utf8 == b.invalid_utf8);
	assert(r || a.bytes == bytes.n);
	buf_free(&whole.records), buf_free(&whole.skips);
	buf_free(&cut.records), buf_free(&cut.skips);
	return 0;
}
