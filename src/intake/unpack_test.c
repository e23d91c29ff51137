/* unpack: plain, gzip, zstd; members in a row, cut and damaged data, skipping. */
#include "intake/unpack.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

enum { SIZE = 300000 };

static char plain[SIZE], packed[2 * SIZE];

static int file_of(const void *bytes, size_t n)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	return fd;
}

static size_t gzip(char *to, const char *from, size_t n)
{
	z_stream z = { 0 };
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)from;
	z.avail_in = (uInt)n;
	z.next_out = (Bytef *)to;
	z.avail_out = SIZE;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size_t made = SIZE - z.avail_out;
	deflateEnd(&z);
	return made;
}

/* Reads all from offset `skip` in steps of `step`, and compares. */
static void expect_rest(int fd, size_t skip, size_t step, bool is_packed)
{
	struct unpack *u;
	char *got = malloc(step);
	size_t at = skip;
	long n;
	assert_int_equal(unpack_new(&u, fd, NULL), 0);
	assert_int_equal(unpack_is_packed(u), is_packed);
	assert_int_equal(unpack_skip(u, skip, NULL), 0);
	while ((n = unpack_read(u, got, step, NULL)) > 0) {
		assert_true(at + (size_t)n <= SIZE);
		assert_memory_equal(got, plain + at, n);
		at += (size_t)n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(at, SIZE);
	unpack_free(u);
	free(got);
}

static void test_any_step_from_anywhere(void **state)
{
	size_t half = gzip(packed, plain, SIZE / 2);
	size_t n = half + gzip(packed + half, plain + SIZE / 2, SIZE / 2);
	int gz = file_of(packed, n), raw = file_of(plain, SIZE);
	n = ZSTD_compress(packed, sizeof(packed), plain, SIZE / 2, 3);
	n += ZSTD_compress(packed + n, sizeof(packed) - n, plain + SIZE / 2, SIZE / 2, 3);
	int zst = file_of(packed, n);
	const size_t skips[] = { 0, 1, SIZE / 2, SIZE - 1, SIZE }, steps[] = { 7, 1024, 65536, 2 * SIZE };
	for (size_t i = 0; i < ARRAY_LEN(skips); i++)
		for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
			expect_rest(raw, skips[i], steps[k], false);
			expect_rest(gz, skips[i], steps[k], true);
			expect_rest(zst, skips[i], steps[k], true);
		}
	close(raw);
	close(gz);
	close(zst);
}

static void test_cut_and_damaged(void **state)
{
	size_t n = gzip(packed, plain, SIZE);
	for (int damaged = 0; damaged < 2; damaged++) {
		if (damaged)
			memset(packed + n / 2, 0xff, 64);
		int fd = file_of(packed, damaged ? n : n - 100);
		struct unpack *u;
		struct err err;
		char got[4096];
		long r;
		assert_int_equal(unpack_new(&u, fd, NULL), 0);
		while ((r = unpack_read(u, got, sizeof(got), &err)) > 0)
			;
		assert_int_equal(r, -EBADMSG);
		assert_non_null(strstr(err.text, damaged ? "damaged" : "cut off"));
		assert_int_equal(unpack_read(u, got, sizeof(got), &err), 0);
		unpack_free(u);
		close(fd);
	}
}

static void test_skips_no_further_than_there_is(void **state)
{
	int fd = file_of(packed, gzip(packed, plain, 1000));
	struct unpack *u;
	assert_int_equal(unpack_new(&u, fd, NULL), 0);
	assert_int_equal(unpack_skip(u, 1001, NULL), -ENODATA);
	unpack_free(u);
	close(fd);
	int folder[2];
	assert_int_equal(pipe(folder), 0);
	assert_int_equal(unpack_new(&u, folder[0], NULL), -EINVAL);
	close(folder[0]);
	close(folder[1]);
}

static void test_plain_grows(void **state)
{
	int fd = file_of("one", 3);
	struct unpack *u;
	char got[8];
	assert_int_equal(unpack_new(&u, fd, NULL), 0);
	assert_int_equal(unpack_read(u, got, sizeof(got), NULL), 3);
	assert_int_equal(unpack_read(u, got, sizeof(got), NULL), 0);
	assert_int_equal(write(fd, "two", 3), 3);
	assert_int_equal(unpack_read(u, got, sizeof(got), NULL), 3);
	assert_memory_equal(got, "two", 3);
	unpack_free(u);
	close(fd);
}

int main(void)
{
	unsigned seed = 1;
	for (size_t i = 0; i < SIZE; i++)
		plain[i] = (char)("abcdefgh \n"[(seed = seed * 1103515245 + 12345) >> 16 & 7]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_step_from_anywhere),
		cmocka_unit_test(test_cut_and_damaged),
		cmocka_unit_test(test_skips_no_further_than_there_is),
		cmocka_unit_test(test_plain_grows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
