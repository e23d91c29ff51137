#include "drill/h2.h"

#include <errno.h>
#include <string.h>

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, HAS_PRIORITY = 32 };
enum { WINDOW = 0x7fffffff, CREDIT = 1 << 28, STREAM_MAX = 0x7ffffff0, FRAME_MAX = 16384 };

static void put_u32(char *p, uint32_t n)
{
	p[0] = (char)(n >> 24);
	p[1] = (char)(n >> 16);
	p[2] = (char)(n >> 8);
	p[3] = (char)n;
}

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* --- out --- */

static int put_frame(struct h2 *h, uint8_t type, uint8_t flags, uint32_t stream, struct str body)
{
	if (h->n_out + 9 + body.n > H2_OUT)
		return -ENOSPC;
	char *p = h->out + h->n_out;
	put_u32(p, (uint32_t)body.n << 8 | type);
	p[4] = (char)flags;
	put_u32(p + 5, stream);
	if (body.n)
		memcpy(p + 9, body.p, body.n);
	h->n_out += 9 + (uint32_t)body.n;
	return 0;
}

static int put_window(struct h2 *h, uint32_t n)
{
	char body[4];
	put_u32(body, n);
	return put_frame(h, WINDOW_UPDATE, 0, 0, (struct str){ body, sizeof(body) });
}

/* Windows as wide as they go, no table of headers, nothing pushed. */
static int begin(struct h2 *h)
{
	static const struct str preface = { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24 };
	static const uint8_t settings[][6] = {
		{ 0, 1, 0, 0, 0, 0 },
		{ 0, 2, 0, 0, 0, 0 },
		{ 0, 4, 0x7f, 0xff, 0xff, 0xff },
	};
	if (h->n_out)
		return -ENOSPC;
	memcpy(h->out, preface.p, preface.n);
	h->n_out = (uint32_t)preface.n;
	h->going = true;
	const int code = put_frame(h, SETTINGS, 0, 0, (struct str){ (const char *)settings, sizeof(settings) });
	return code ? code : put_window(h, WINDOW - 65535);
}

int drill_h2_ask(struct h2 *h, struct str block)
{
	if (h->closing || h->stream > STREAM_MAX)
		return -EPIPE;
	int code = h->going ? 0 : begin(h);
	if (code)
		return code;
	const uint32_t stream = h->stream ? h->stream + 2 : 1;
	code = put_frame(h, HEADERS, END_STREAM | END_HEADERS, stream, block);
	if (!code) {
		h->stream = stream;
		h->status = 0;
	}
	return code;
}

/* Its length in 7 bits and more (RFC 7541, 5.1), as it is: not Huffman-coded. */
static void put_text(struct buf *to, struct str s)
{
	size_t n = s.n;
	if (n < 127) {
		buf_putc(to, (char)n);
	} else {
		buf_putc(to, 127);
		for (n -= 127; n >= 128; n >>= 7)
			buf_putc(to, (char)(n | 128));
		buf_putc(to, (char)n);
	}
	buf_add(to, s);
}

int drill_h2_block(struct buf *to, bool tls, const char *host, const char *path, const char *browser)
{
	const size_t before = to->n;
	buf_putc(to, (char)0x82);                    /* :method GET */
	buf_putc(to, tls ? (char)0x87 : (char)0x86); /* :scheme */
	buf_putc(to, 0x01);                          /* literal, name 1: :authority */
	put_text(to, str_from(host));
	buf_putc(to, 0x04); /* :path */
	put_text(to, str_from(path));
	buf_add(to, (struct str){ "\x0f\x2b", 2 }); /* name 58: user-agent */
	put_text(to, str_from(browser));
	buf_add(to, (struct str){ "\x0f\x04", 2 }); /* name 19: accept */
	put_text(to, STR("text/html,*/*;q=0.8"));
	return to->failed || to->n - before > H2_BLOCK_MAX ? -EMSGSIZE : 0;
}

/* --- in --- */

/* A digit of Huffman's code (RFC 7541, appendix B) at a bit; moves on. */
static int huffman_digit(const uint8_t *p, size_t n, unsigned *bit)
{
	unsigned code = 0;
	for (unsigned k = 1; k <= 6; k++, (*bit)++) {
		if (*bit / 8 >= n)
			return -1;
		code = code << 1 | (p[*bit / 8] >> (7 - *bit % 8) & 1);
		if (k == 5 && code <= 2) {
			(*bit)++;
			return (int)code;
		}
	}
	return code >= 0x19 && code <= 0x1f ? (int)(code - 0x19) + 3 : -1;
}

/* :status, the first field. 0: that is no status. */
static uint16_t read_status(const uint8_t *p, size_t n)
{
	static const uint16_t known[] = { 200, 204, 206, 304, 400, 404, 500 };
	unsigned bit = 0;
	int status = 0;
	while (n && *p == 0x20) /* the table's size is set again: to nothing, as we said */
		p++, n--;
	if (n && p[0] >= 0x88 && p[0] <= 0x8e)
		return known[p[0] - 0x88];
	const uint8_t name = n ? *p & 0x40 ? *p & 0x3f : *p & 0x0f : 0;
	if (name < 8 || name > 14 || n < 2)
		return 0;
	for (int i = 0; i < 3; i++) {
		int digit = -1;
		if (p[1] & 0x80)
			digit = huffman_digit(p + 2, n - 2, &bit);
		else if (n >= 5 && p[2 + i] >= '0' && p[2 + i] <= '9')
			digit = p[2 + i] - '0';
		if (digit < 0)
			return 0;
		status = status * 10 + digit;
	}
	return status >= 100 && status < 600 ? (uint16_t)status : 0;
}

/* A frame's head and the beginning of its body are there. */
static int frame_begins(struct h2 *h, uint8_t type, uint8_t flags, uint32_t stream)
{
	const uint8_t *p = h->start;
	size_t n = h->n_start;
	if (type == HEADERS && stream == h->stream && !h->status) {
		const size_t skip = (flags & PADDED ? 1u : 0u) + (flags & HAS_PRIORITY ? 5u : 0u);
		h->status = n > skip ? read_status(p + skip, n - skip) : 0;
		if (!h->status)
			return -EPROTO;
		if (h->status < 200)
			h->status = 0;
	}
	if (type == RST_STREAM && stream == h->stream)
		return -ECONNRESET;
	if (type == SETTINGS && !(flags & ACK))
		return put_frame(h, SETTINGS, ACK, 0, STR(""));
	if (type == PING && !(flags & ACK))
		return put_frame(h, PING, ACK, 0, (struct str){ (const char *)p, n < 8 ? n : 8 });
	if (type == GOAWAY) {
		h->closing = true;
		return n >= 8 && (get_u32(p) & 0x7fffffff) < h->stream ? -ECONNRESET : 0;
	}
	return type == PUSH_PROMISE ? -EPROTO : 0;
}

static int frame_ends(struct h2 *h)
{
	const uint8_t type = h->head[3], flags = h->head[4];
	const uint32_t stream = get_u32(h->head + 5) & 0x7fffffff;
	const int code = frame_begins(h, type, flags, stream);
	h->n_head = h->n_start = 0;
	if (code)
		return code;
	if (h->credit >= CREDIT) {
		const uint32_t n = h->credit;
		h->credit = 0;
		if (put_window(h, n))
			return -ENOSPC;
	}
	return (type == DATA || type == HEADERS) && (flags & END_STREAM) && stream == h->stream && h->status ? 1 : 0;
}

int drill_h2_take(struct h2 *h, struct str in)
{
	int code = 0;
	while (code >= 0 && in.n) {
		if (h->n_head < sizeof(h->head)) {
			h->head[h->n_head++] = (uint8_t)*in.p;
			in = str_sub(in, 1, in.n);
			if (h->n_head < sizeof(h->head))
				continue;
			h->left = get_u32(h->head) >> 8;
			if (h->left > FRAME_MAX)
				return -EPROTO;
			if (h->head[3] == DATA)
				h->credit += h->left;
		}
		const size_t n = in.n < h->left ? in.n : h->left, room = sizeof(h->start) - h->n_start,
		             k = n < room ? n : room;
		if (k)
			memcpy(h->start + h->n_start, in.p, k);
		h->n_start = (uint8_t)(h->n_start + k);
		h->left -= (uint32_t)n;
		in = str_sub(in, n, in.n);
		if (!h->left) {
			const int ended = frame_ends(h);
			code = ended < 0 ? ended : code | ended;
		}
	}
	return code;
}
