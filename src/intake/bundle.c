#include "intake/bundle.h"

#include <errno.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static const char MAGIC[4] = { 'K', 'H', 'B', '1' };
enum { VARINT = 10, HEAD_MAX = 4 + 1 + BUNDLE_FORMAT + VARINT + BUNDLE_FILE + VARINT + 1 + 8 + 2 * VARINT };

/* --- numbers --- */

static char *put_varint(char *to, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*to++ = (char)(v | 0x80);
	*to++ = (char)v;
	return to;
}

static uint64_t zigzag(uint64_t from, uint64_t to)
{
	const int64_t d = (int64_t)(to - from);
	return ((uint64_t)d << 1) ^ (uint64_t)(d >> 63);
}

/* 1; 0: it goes on behind the end; -EBADMSG. */
static int take_varint(struct str *s, uint64_t *ret)
{
	uint64_t v = 0;
	for (size_t i = 0; i < s->n && i < VARINT; i++) {
		const unsigned char c = (unsigned char)s->p[i];
		v |= (uint64_t)(c & 0x7f) << (7 * i);
		if (c & 0x80)
			continue;
		if (i == VARINT - 1 && c > 1)
			return -EBADMSG;
		*s = str_sub(*s, i + 1, s->n);
		*ret = v;
		return 1;
	}
	return s->n < VARINT ? 0 : -EBADMSG;
}

static int take_bytes(struct str *s, uint64_t n, struct str *ret)
{
	if (s->n < n)
		return 0;
	*ret = str_sub(*s, 0, n);
	*s = str_sub(*s, n, s->n);
	return 1;
}

/* --- writing --- */

static bool is_sound(const struct bundle_head *h, const struct bundle_record *records, size_t n)
{
	if (!n || n > BUNDLE_RECORDS || !h->format.n || h->format.n > BUNDLE_FORMAT || h->file.n > BUNDLE_FILE)
		return false;
	for (size_t i = 0; i < n; i++)
		if (records[i].bytes.n > BUNDLE_RECORD)
			return false;
	return true;
}

static char *put_text(char *to, struct str s)
{
	if (s.n)
		memcpy(to, s.p, s.n);
	return to + s.n;
}

static size_t make_head(char *to, const struct bundle_head *h, size_t n, size_t table)
{
	char *p = put_text(to, (struct str){ MAGIC, sizeof(MAGIC) });
	*p++ = (char)h->format.n;
	p = put_text(p, h->format);
	p = put_text(put_varint(p, h->file.n), h->file);
	p = put_varint(p, (uint64_t)h->time);
	*p++ = (char)h->ids;
	for (int i = 0; i < 8; i++)
		*p++ = (char)(h->seed >> (8 * i));
	p = put_varint(p, n);
	return (size_t)(put_varint(p, table) - to);
}

bool bundle_add(struct buf *out, const struct bundle_head *head, const struct bundle_record *records, size_t n)
{
	char first[HEAD_MAX];
	const size_t before = out->n;
	uint64_t end = 0;
	if (!is_sound(head, records, n))
		return false;
	/* the table comes first at the end of `out`, where there is room, and moves behind the head then */
	char *table = buf_room(out, HEAD_MAX + n * 2 * VARINT);
	if (!table)
		return false;
	char *to = table;
	for (size_t i = 0; i < n; i++) {
		to = put_varint(put_varint(to, zigzag(end, records[i].at)), records[i].bytes.n);
		end = records[i].at + records[i].bytes.n;
	}
	const size_t of_table = (size_t)(to - table), of_head = make_head(first, head, n, of_table);
	memmove(table + of_head, table, of_table);
	memcpy(table, first, of_head);
	out->n += of_head + of_table;
	for (size_t i = 0; i < n; i++)
		buf_add(out, records[i].bytes);
	if (out->failed)
		out->n = before;
	return !out->failed;
}

bool bundle_id(const struct bundle_head *head, const struct bundle_record *r, char id[BUNDLE_ID + 1])
{
	static const char digits[] = "0123456789abcdef";
	const uint64_t place[2] = { head->seed, head->ids == BUNDLE_PLACE ? r->at : 0 };
	XXH128_canonical_t sum;
	if (head->ids == BUNDLE_OWN)
		return false;
	XXH128_canonicalFromHash(&sum, XXH3_128bits_withSeed(r->bytes.p, r->bytes.n, XXH64(place, sizeof(place), 0)));
	for (size_t i = 0; i < sizeof(sum.digest); i++) {
		id[2 * i] = digits[sum.digest[i] >> 4];
		id[2 * i + 1] = digits[sum.digest[i] & 15];
	}
	id[BUNDLE_ID] = '\0';
	return true;
}

/* --- reading --- */

struct bundle_reader {
	bundle_fn *fn;
	void *arg;
	struct buf waiting; /* what came and isn't used yet */
	struct buf own;     /* of the bundle under way: format, file, table */
	struct bundle_head head;
	struct str table; /* what is left of it */
	uint64_t left;    /* records that are to come */
	uint64_t end;     /* where the last one ended */
	struct bundle_record next;
	bool has_next; /* its bytes are waited for */
	int code;
};

int bundle_reader_new(struct bundle_reader **ret, bundle_fn *fn, void *arg)
{
	struct bundle_reader *b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->fn = fn;
	b->arg = arg;
	*ret = b;
	return 0;
}

void bundle_reader_free(struct bundle_reader *b)
{
	if (!b)
		return;
	buf_free(&b->waiting);
	buf_free(&b->own);
	free(b);
}

/* Up to the table. 1; 0: not all of it is there; -EBADMSG. */
static int parse_head(struct str *in, struct bundle_head *h, uint64_t *n, uint64_t *size)
{
	struct str s = *in, seed, word;
	uint64_t length, time;
	int code;
	if (memcmp(s.p, MAGIC, s.n < sizeof(MAGIC) ? s.n : sizeof(MAGIC)) != 0)
		return -EBADMSG;
	if ((code = take_bytes(&s, sizeof(MAGIC), &word)) <= 0 || (code = take_bytes(&s, 1, &word)) <= 0)
		return code;
	length = (unsigned char)word.p[0];
	if (!length || length > BUNDLE_FORMAT)
		return -EBADMSG;
	if ((code = take_bytes(&s, length, &h->format)) <= 0 || (code = take_varint(&s, &length)) <= 0)
		return code;
	if (length > BUNDLE_FILE)
		return -EBADMSG;
	if ((code = take_bytes(&s, length, &h->file)) <= 0 || (code = take_varint(&s, &time)) <= 0 ||
	    (code = take_bytes(&s, 1, &word)) <= 0 || (code = take_bytes(&s, 8, &seed)) <= 0 ||
	    (code = take_varint(&s, n)) <= 0 || (code = take_varint(&s, size)) <= 0)
		return code;
	h->ids = (enum bundle_ids)(unsigned char)word.p[0];
	h->time = (int64_t)time;
	h->seed = 0;
	for (int i = 0; i < 8; i++)
		h->seed |= (uint64_t)(unsigned char)seed.p[i] << (8 * i);
	if (h->ids >= N_BUNDLE_IDS || time > INT64_MAX || !*n || *n > BUNDLE_RECORDS || *size > BUNDLE_TABLE)
		return -EBADMSG;
	*in = s;
	return 1;
}

static int begin_bundle(struct bundle_reader *b, struct str *in)
{
	struct str s = *in, table;
	struct bundle_head h;
	uint64_t n, size;
	int code = parse_head(&s, &h, &n, &size);
	if (code <= 0 || (code = take_bytes(&s, size, &table)) <= 0)
		return code;
	b->own.n = 0;
	char *p = buf_room(&b->own, h.format.n + h.file.n + table.n + 1);
	if (!p)
		return -ENOMEM;
	b->head = h;
	b->head.format = (struct str){ p, h.format.n };
	b->head.file = (struct str){ p + h.format.n, h.file.n };
	b->table = (struct str){ p + h.format.n + h.file.n, table.n };
	memcpy(p, h.format.p, h.format.n);
	if (h.file.n)
		memcpy(p + h.format.n, h.file.p, h.file.n);
	memcpy(p + h.format.n + h.file.n, table.p, table.n);
	b->left = n;
	b->end = 0;
	*in = s;
	return 1;
}

static int begin_record(struct bundle_reader *b)
{
	uint64_t gap, n;
	if (take_varint(&b->table, &gap) <= 0 || take_varint(&b->table, &n) <= 0 || n > BUNDLE_RECORD ||
	    (b->left == 1 && b->table.n))
		return -EBADMSG;
	b->next.at = b->end + (uint64_t)((int64_t)(gap >> 1) ^ -(int64_t)(gap & 1));
	b->next.bytes.n = n;
	b->end = b->next.at + n;
	b->has_next = true;
	return 1;
}

/* One thing more of what is there. 1; 0: more has to come. */
static int step(struct bundle_reader *b, struct str *in)
{
	int code;
	if (!b->left && !in->n)
		return 0;
	if (!b->left)
		return begin_bundle(b, in);
	if (!b->has_next)
		return begin_record(b);
	if ((code = take_bytes(in, b->next.bytes.n, &b->next.bytes)) <= 0)
		return code;
	b->has_next = false;
	b->left--;
	code = b->fn(b->arg, &b->head, &b->next);
	return code ? code : 1;
}

int bundle_feed(struct bundle_reader *b, struct str bytes)
{
	int code = b->code ? b->code : 1;
	/* what comes is used where it is, as far as nothing waits */
	const bool joined = b->waiting.n != 0;
	if (joined)
		buf_add(&b->waiting, bytes);
	struct str in = joined ? buf_str(&b->waiting) : bytes;
	if (b->waiting.failed)
		code = -ENOMEM;
	while (code > 0)
		code = step(b, &in);
	if (!code && joined) {
		memmove(b->waiting.p, in.p, in.n);
		b->waiting.n = in.n;
	} else if (!code) {
		buf_add(&b->waiting, in);
		code = b->waiting.failed ? -ENOMEM : 0;
	}
	return b->code = code;
}

int bundle_end(const struct bundle_reader *b)
{
	return b->code ? b->code : b->left || b->waiting.n ? -EBADMSG : 0;
}
