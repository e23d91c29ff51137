/*
 * The bulk body's parser: byte 0 says how the bytes are cut. However they are cut, the same items come out; documents
 * are lines of the input; what the names say about a dataset stays within its bounds.
 */
#include "api/bulk.h"
#include "api/index_name.h"
#include "base/buf.h"
#include "base/utf8.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct out {
	struct buf text;
	struct str input;
	uint64_t last;
};

static int take(void *arg, const struct bulk_item *item)
{
	struct out *out = arg;
	assert(item->op < BULK_OPS && item->line > out->last);
	out->last = item->line;
	assert(item->op == BULK_DELETE ? !item->document.p : item->document.p != NULL);
	assert(!item->too_long); /* the input is not */
	if (item->document.n) {
		assert(!memchr(item->document.p, '\n', item->document.n));
		assert(memmem(out->input.p, out->input.n, item->document.p, item->document.n));
	}
	struct str dataset = index_name_dataset(item->index);
	assert(dataset.n <= INDEX_DATASET_MAX && (dataset.n || !item->index.n));
	assert(!item->index.n || memmem(item->index.p, item->index.n, dataset.p, dataset.n));
	if (index_name_valid(item->index))
		assert(utf8_valid(dataset) && item->index.n <= INDEX_NAME_MAX);
	buf_printf(&out->text, "%d %d %d:", (int)item->line, item->op, (int)item->id.n);
	buf_add(&out->text, item->index);
	buf_putc(&out->text, '/');
	buf_add(&out->text, item->id);
	buf_putc(&out->text, '/');
	buf_add(&out->text, item->document);
	return 0;
}

static int run(struct str bytes, size_t cut, struct out *out)
{
	struct bulk *b;
	int code = 0;
	out->input = bytes;
	if (bulk_new(&b, take, out))
		abort();
	for (size_t i = 0; i < bytes.n && !code; i += cut) {
		struct str piece = str_sub(bytes, i, cut);
		char *copy = malloc(piece.n); /* a piece of its own, so that a read behind it is seen */
		memcpy(copy, piece.p, piece.n);
		code = bulk_feed(b, (struct str){ copy, piece.n });
		free(copy);
	}
	if (!code)
		code = bulk_end(b);
	if (code)
		buf_printf(&out->text, "!%d %s", (int)bulk_bad_line(b), bulk_why(b));
	bulk_free(b);
	return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 4096)
		return 0;
	struct str bytes = { (const char *)data + 1, size - 1 };
	struct out whole = { 0 }, cut = { 0 };
	int code = run(bytes, bytes.n + 1, &whole);
	assert(run(bytes, 1 + data[0] % 16, &cut) == code);
	assert(str_eq(buf_str(&whole.text), buf_str(&cut.text)));
	buf_free(&whole.text), buf_free(&cut.text);
	return 0;
}
