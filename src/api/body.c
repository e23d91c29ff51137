#include "api/body.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
	PIECE = 64 << 10,
	GZIP_MEMORY = 48 << 10, /* what inflate takes at most: its window and tables */
	ZSTD_WINDOW_LOG = 23,   /* RFC 9659: 8 MB is what a decoder of HTTP has to take */
	RATIO_FREE = 8 << 20,   /* so much may come out of few bytes: empty pages of a log do compress so well, */
	RATIO_MAX = 256,        /* beyond it no more than this for each byte that came in */
};

struct body {
	enum body_coding coding;
	z_stream z;
	ZSTD_DStream *zstd;
	size_t *budget, held; /* bytes of it that this one has */
	size_t max;
	uint64_t taken, made;
	bool inside; /* in a member or frame, not behind one */
	bool full;   /* the last step filled its room: more may come out without input */
	int failed;
	char piece[];
};

int body_coding(struct str header, enum body_coding *ret)
{
	static const struct {
		const char *name;
		enum body_coding coding;
	} known[] = {
		{ "", BODY_IDENTITY },   { "identity", BODY_IDENTITY }, { "gzip", BODY_GZIP },
		{ "x-gzip", BODY_GZIP }, { "zstd", BODY_ZSTD },
	};
	header = str_trim(header);
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (header.n == strlen(known[i].name) &&
		    (!header.n || !strncasecmp(header.p, known[i].name, header.n))) {
			*ret = known[i].coding;
			return 0;
		}
	}
	return -EOPNOTSUPP;
}

/* The decoder holds n bytes now. */
static int hold(struct body *b, size_t n)
{
	if (n <= b->held)
		return 0;
	if (n - b->held > *b->budget)
		return -EBUSY;
	*b->budget -= n - b->held;
	b->held = n;
	return 0;
}

int body_new(struct body **ret, enum body_coding coding, size_t max, size_t *budget)
{
	size_t room = coding == BODY_IDENTITY ? 0 : PIECE;
	struct body *b = malloc(sizeof(*b) + room);
	if (!b)
		return -ENOMEM;
	*b = (struct body){ .coding = coding, .max = max, .budget = budget, .inside = coding != BODY_IDENTITY };
	int r = hold(b, room + (coding == BODY_GZIP ? GZIP_MEMORY : 0));
	if (!r && coding == BODY_GZIP && inflateInit2(&b->z, 15 + 16) != Z_OK) {
		b->coding = BODY_IDENTITY;
		r = -ENOMEM;
	}
	if (!r && coding == BODY_ZSTD) {
		b->zstd = ZSTD_createDStream();
		if (b->zstd)
			ZSTD_DCtx_setParameter(b->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
		else
			r = -ENOMEM;
	}
	if (r) {
		body_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

void body_free(struct body *b)
{
	if (!b)
		return;
	if (b->z.state)
		inflateEnd(&b->z);
	ZSTD_freeDStream(b->zstd);
	*b->budget += b->held;
	free(b);
}

static int inflate_step(struct body *b, struct str *in, size_t *n)
{
	b->z.next_in = (Bytef *)(uintptr_t)in->p;
	b->z.avail_in = (uInt)in->n;
	b->z.next_out = (Bytef *)b->piece;
	b->z.avail_out = PIECE;
	int zr = inflate(&b->z, Z_NO_FLUSH);
	*in = str_sub(*in, in->n - b->z.avail_in, in->n);
	*n = PIECE - b->z.avail_out;
	b->inside = zr != Z_STREAM_END;
	if (zr == Z_STREAM_END)
		inflateReset(&b->z); /* members may follow one another */
	return zr == Z_OK || zr == Z_STREAM_END || zr == Z_BUF_ERROR ? 0 : -EBADMSG;
}

static int unzstd_step(struct body *b, struct str *in, size_t *n)
{
	ZSTD_inBuffer from = { in->p, in->n, 0 };
	ZSTD_outBuffer to = { b->piece, PIECE, 0 };
	size_t left = ZSTD_decompressStream(b->zstd, &to, &from);
	*in = str_sub(*in, from.pos, in->n);
	*n = to.pos;
	b->inside = left != 0;
	if (!ZSTD_isError(left))
		return hold(b, PIECE + ZSTD_sizeof_DStream(b->zstd));
	return ZSTD_getErrorCode(left) == ZSTD_error_frameParameter_windowTooLarge ? -E2BIG
	       : ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation           ? -EBUSY
	                                                                           : -EBADMSG;
}

static int unpack(struct body *b, struct str *in, struct str *out)
{
	while (in->n || (b->full && b->inside)) {
		size_t n, before = in->n;
		int r = b->coding == BODY_GZIP ? inflate_step(b, in, &n) : unzstd_step(b, in, &n);
		if (r)
			return r;
		b->taken += before - in->n;
		b->made += n;
		b->full = n == PIECE;
		if (b->made > b->max || (b->made > RATIO_FREE && b->made / RATIO_MAX > b->taken))
			return -E2BIG;
		if (n) {
			*out = (struct str){ b->piece, n };
			return 0;
		}
	}
	return 0;
}

int body_next(struct body *b, struct str *in, struct str *out)
{
	*out = (struct str){ 0 };
	if (b->failed)
		return b->failed;
	if (b->coding != BODY_IDENTITY) {
		b->failed = unpack(b, in, out);
		return b->failed;
	}
	b->made += in->n;
	if (b->made > b->max)
		return b->failed = -E2BIG;
	*out = *in;
	*in = str_sub(*in, in->n, 0);
	return 0;
}

int body_end(const struct body *b)
{
	return b->failed ? b->failed : b->inside ? -EBADMSG : 0;
}
