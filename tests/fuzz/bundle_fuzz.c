/* bundle: any cut of the bytes gives the same records; what was read and is written again reads the same. */
#include "intake/bundle.h"

#include <assert.h>
#include <stdlib.h>

struct seen {
	struct buf text;
	struct buf again;
};

static int see(void *arg, const struct bundle_head *h, const struct bundle_record *r)
{
	struct seen *s = arg;
	char id[BUNDLE_ID + 1] = "";
	assert(h->format.n && h->format.n <= BUNDLE_FORMAT && h->file.n <= BUNDLE_FILE && r->bytes.n <= BUNDLE_RECORD);
	bundle_id(h, r, id);
	buf_add(&s->text, h->format);
	buf_add(&s->text, h->file);
	buf_printf(&s->text, "|%s|%llu|", id, (unsigned long long)r->at);
	buf_add(&s->text, r->bytes);
	bool added = bundle_add(&s->again, h, r, 1);
	assert(added);
	return 0;
}

static int read_cut(struct str in, size_t piece, struct seen *s)
{
	struct bundle_reader *b;
	int code = bundle_reader_new(&b, see, s);
	assert(!code);
	for (size_t at = 0; at < in.n && !code; at += piece)
		code = bundle_feed(b, str_sub(in, at, piece));
	if (!code)
		code = bundle_end(b);
	bundle_reader_free(b);
	return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str in = { (const char *)data, size };
	struct seen whole = { 0 }, cut = { 0 }, again = { 0 };
	int code = read_cut(in, size + 1, &whole);
	int other = read_cut(in, size ? 1 + data[size - 1] % 16 : 1, &cut);
	assert(code == other && str_eq(buf_str(&whole.text), buf_str(&cut.text)));
	code = read_cut(buf_str(&whole.again), 4096, &again);
	assert(!code && str_eq(buf_str(&whole.text), buf_str(&again.text)));
	struct buf *const all[] = { &whole.text, &whole.again, &cut.text, &cut.again, &again.text, &again.again };
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		buf_free(all[i]);
	return 0;
}
