#include "api/body.h"

#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

static void gzip(struct buf *out, struct str s)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)s.p, .avail_in = (uInt)s.n };
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	size_t room = deflateBound(&z, s.n);
	z.next_out = (Bytef *)buf_room(out, room);
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->n += z.total_out;
	deflateEnd(&z);
}

static void zstd(struct buf *out, struct str s, int window_log)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t room = ZSTD_compressBound(s.n);
	ZSTD_outBuffer to = { buf_room(out, room), room, 0 };
	ZSTD_inBuffer from = { s.p, s.n, 0 };
	if (window_log)
		ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
	ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
	/* In two steps: a size that is known would make the window fit it. */
	ZSTD_inBuffer first = { s.p, s.n / 2, 0 };
	while (first.pos < first.size)
		ZSTD_compressStream2(c, &to, &first, ZSTD_e_continue);
	from.pos = first.pos;
	assert_int_equal(ZSTD_compressStream2(c, &to, &from, ZSTD_e_end), 0);
	out->n += to.pos;
	ZSTD_freeCCtx(c);
}

/* Unpacks bytes fed in pieces of `cut`: the code; what came out in *out. */
static int unpack(enum body_coding coding, struct str bytes, size_t cut, size_t max, size_t *budget, struct buf *out)
{
	struct body *b;
	int code = body_new(&b, coding, max, budget);
	for (size_t i = 0; i < bytes.n && !code; i += cut) {
		/* A piece of its own, so that a read behind it is seen. */
		struct str piece = str_sub(bytes, i, cut), in = { malloc(piece.n), piece.n }, whole = in, got;
		memcpy((char *)(uintptr_t)in.p, piece.p, piece.n);
		while (!(code = body_next(b, &in, &got)) && got.n) {
			assert_true(coding == BODY_IDENTITY || got.n <= 64 << 10);
			buf_add(out, got);
		}
		assert_true(code || !in.n);
		free((char *)(uintptr_t)whole.p);
	}
	if (!code)
		code = body_end(b);
	if (code && code != -ENOMEM)
		assert_true(body_end(b) < 0);
	body_free(b);
	return code;
}

static struct buf sample(int n)
{
	struct buf b = { 0 };
	for (int i = 0; i < n; i++)
		buf_printf(&b, "{\"n\":%d,\"v\":%u}\n", i, (unsigned)i * 2654435761u);
	return b;
}

static void whole(void **state)
{
	static const size_t cuts[] = { 1, 7, 1000, 1 << 20 };
	struct buf plain = sample(20000), packed[3] = { { 0 }, { 0 }, { 0 } };
	size_t budget = 64 << 20;
	buf_add(&packed[BODY_IDENTITY], buf_str(&plain));
	/* Members and frames in a row. */
	gzip(&packed[BODY_GZIP], str_sub(buf_str(&plain), 0, 1000));
	gzip(&packed[BODY_GZIP], str_sub(buf_str(&plain), 1000, plain.n));
	zstd(&packed[BODY_ZSTD], str_sub(buf_str(&plain), 0, 1000), 0);
	zstd(&packed[BODY_ZSTD], str_sub(buf_str(&plain), 1000, plain.n), 0);
	for (size_t c = 0; c < 3; c++) {
		for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
			struct buf out = { 0 };
			assert_int_equal(unpack(c, buf_str(&packed[c]), cuts[i], plain.n, &budget, &out), 0);
			assert_true(str_eq(buf_str(&out), buf_str(&plain)));
			out.n = 0;
			assert_int_equal(unpack(c, buf_str(&packed[c]), cuts[i], plain.n - 1, &budget, &out), -E2BIG);
			buf_free(&out);
		}
	}
	assert_int_equal(budget, 64 << 20);
	buf_free(&plain), buf_free(&packed[0]), buf_free(&packed[1]), buf_free(&packed[2]);
}

static void damaged(void **state)
{
	struct buf plain = sample(100), packed[3] = { { 0 }, { 0 }, { 0 } }, out = { 0 };
	size_t budget = 64 << 20;
	gzip(&packed[BODY_GZIP], buf_str(&plain));
	zstd(&packed[BODY_ZSTD], buf_str(&plain), 0);
	for (size_t c = BODY_GZIP; c <= BODY_ZSTD; c++) {
		struct buf *p = &packed[c];
		for (size_t n = 0; n < p->n; n++)
			assert_int_equal(unpack(c, str_sub(buf_str(p), 0, n), 100, 1 << 20, &budget, &out), -EBADMSG);
		buf_add(p, STR("more"));
		assert_int_equal(unpack(c, buf_str(p), 100, 1 << 20, &budget, &out), -EBADMSG);
		assert_int_equal(unpack(c, buf_str(&plain), 100, 1 << 20, &budget, &out), -EBADMSG);
	}
	assert_int_equal(budget, 64 << 20);
	buf_free(&plain), buf_free(&packed[1]), buf_free(&packed[2]), buf_free(&out);
}

static void bombs(void **state)
{
	struct buf blanks = { 0 }, zipped = { 0 }, packed = { 0 }, out = { 0 };
	size_t budget = 64 << 20;
	memset(buf_room(&blanks, 32 << 20), ' ', 32 << 20);
	blanks.n = 32 << 20;
	gzip(&zipped, buf_str(&blanks));
	zstd(&packed, buf_str(&blanks), 0);
	assert_int_equal(unpack(BODY_GZIP, buf_str(&zipped), 4096, 1 << 30, &budget, &out), -E2BIG);
	assert_true(out.n <= 9 << 20);
	out.n = 0;
	assert_int_equal(unpack(BODY_ZSTD, buf_str(&packed), 4096, 1 << 30, &budget, &out), -E2BIG);
	assert_true(out.n <= 9 << 20);
	/* A window of 8 MB is what HTTP asks of a decoder, no more. */
	struct buf wide = { 0 };
	zstd(&wide, str_sub(buf_str(&blanks), 0, 1 << 20), 24);
	assert_int_equal(unpack(BODY_ZSTD, buf_str(&wide), 4096, 1 << 30, &budget, &out), -E2BIG);
	wide.n = 0;
	zstd(&wide, str_sub(buf_str(&blanks), 0, 1 << 20), 23);
	assert_int_equal(unpack(BODY_ZSTD, buf_str(&wide), 4096, 1 << 30, &budget, &out), 0);
	/* And only as far as there is memory for all. */
	size_t small = 4 << 20;
	assert_int_equal(unpack(BODY_ZSTD, buf_str(&wide), 4096, 1 << 30, &small, &out), -EBUSY);
	assert_int_equal(small, 4 << 20);
	assert_int_equal(budget, 64 << 20);
	small = 1000;
	struct body *b;
	assert_int_equal(body_new(&b, BODY_GZIP, 1000, &small), -EBUSY);
	buf_free(&blanks), buf_free(&zipped), buf_free(&packed), buf_free(&out), buf_free(&wide);
}

static void codings(void **state)
{
	enum body_coding c = BODY_ZSTD;
	assert_int_equal(body_coding(STR(""), &c), 0);
	assert_int_equal(c, BODY_IDENTITY);
	assert_int_equal(body_coding(STR(" GZip "), &c), 0);
	assert_int_equal(c, BODY_GZIP);
	assert_int_equal(body_coding(STR("zstd"), &c), 0);
	assert_int_equal(c, BODY_ZSTD);
	assert_int_equal(body_coding(STR("br"), &c), -EOPNOTSUPP);
	assert_int_equal(body_coding(STR("gzip, zstd"), &c), -EOPNOTSUPP);
	assert_int_equal(c, BODY_ZSTD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(damaged),
		cmocka_unit_test(bombs),
		cmocka_unit_test(codings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
