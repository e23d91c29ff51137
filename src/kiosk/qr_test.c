/* What the picture says is read back by zbar in tests/kiosk; here: that both pictures are the same one, and well-formed. */
#include "kiosk/pay.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

static uint32_t be32(const char *p)
{
	const unsigned char *at = (const unsigned char *)p;
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The chunk at the start of `rest`; its checksum is looked at. */
static struct str take_chunk(struct str *rest, const char *type)
{
	assert_true(rest->n >= 12);
	uint32_t n = be32(rest->p);
	assert_true(n <= rest->n - 12);
	assert_memory_equal(rest->p + 4, type, 4);
	assert_int_equal(be32(rest->p + 8 + n), crc32(0, (const Bytef *)rest->p + 4, n + 4));
	struct str data = str_sub(*rest, 8, n);
	*rest = str_sub(*rest, 12 + n, rest->n);
	return data;
}

/* Pixels of 0 or 255, unfiltered; the caller frees them. */
static unsigned char *read_png(struct str png, size_t *side)
{
	assert_true(str_starts(png, STR("\x89PNG\r\n\x1a\n")));
	struct str rest = str_sub(png, 8, png.n), head = take_chunk(&rest, "IHDR"), data = take_chunk(&rest, "IDAT");
	assert_int_equal(take_chunk(&rest, "IEND").n, 0);
	assert_int_equal(rest.n, 0);
	assert_int_equal(head.n, 13);
	assert_int_equal(be32(head.p), be32(head.p + 4));
	assert_memory_equal(head.p + 8, "\x08\0\0\0", 5);
	*side = be32(head.p);
	uLongf n = (uLongf)((*side + 1) * *side);
	unsigned char *raw = malloc(n), *pixels = malloc(*side * *side);
	assert_int_equal(uncompress(raw, &n, (const Bytef *)data.p, data.n), Z_OK);
	assert_int_equal(n, (*side + 1) * *side);
	for (size_t y = 0; y < *side; y++) {
		const unsigned char *line = raw + y * (*side + 1);
		assert_true(line[0] == 0 || (line[0] == 2 && y));
		for (size_t x = 0; x < *side; x++)
			pixels[y * *side + x] =
			        (unsigned char)(line[1 + x] + (line[0] ? pixels[(y - 1) * *side + x] : 0));
	}
	free(raw);
	return pixels;
}

/* A module a pixel: 1 dark, 0 light. The caller frees it. */
static unsigned char *read_svg(struct buf *svg, size_t *side)
{
	buf_putc(svg, 0);
	char *at = strstr(svg->p, "viewBox=\"0 0 "), *end;
	assert_non_null(at);
	*side = strtoul(at + 13, NULL, 10);
	unsigned char *modules = calloc(*side, *side);
	at = strstr(svg->p, "<path stroke=\"#000\" d=\"");
	assert_non_null(at);
	for (at += 23; *at == 'M';) {
		size_t x = strtoul(at + 1, &end, 10), y = strtoul(end + 1, &end, 10);
		assert_memory_equal(end, ".5h", 3);
		size_t n = strtoul(end + 3, &at, 10);
		assert_true(n && x + n <= *side && y < *side);
		memset(modules + y * *side + x, 1, n);
	}
	assert_string_equal(at, "\"/></svg>\n");
	return modules;
}

static void assert_same_picture(struct str text, unsigned scale)
{
	struct buf svg = { 0 }, png = { 0 };
	assert_int_equal(qr_svg(text, &svg, NULL), 0);
	assert_int_equal(qr_png(text, scale, &png, NULL), 0);
	size_t side, pixels_side;
	unsigned char *pixels = read_png(buf_str(&png), &pixels_side), *modules = read_svg(&svg, &side);
	assert_int_equal(pixels_side, side * scale);
	for (size_t y = 0; y < pixels_side; y++)
		for (size_t x = 0; x < pixels_side; x++)
			if (pixels[y * pixels_side + x] != (modules[y / scale * side + x / scale] ? 0 : 255))
				fail_msg("differs at %zu, %zu", x, y);
	for (size_t i = 0; i < side * 4; i++)
		assert_false(modules[i] || modules[side * side - 1 - i]); /* the margin */
	assert_true(modules[4 * side + 4] && modules[10 * side + 10]);    /* the first finder's corners */
	free(pixels);
	free(modules);
	buf_free(&svg);
	buf_free(&png);
}

static void test_same_picture(void **state)
{
	assert_same_picture(STR("A"), 1);
	assert_same_picture(STR("00020101021238530010A0000007270123000697041601092576788590208QRIBFTTA5303704"
	                        "5405100005802VN62150811Chuyen tien630453E6"),
	                    8);
	char most[2331];
	memset(most, 'x', sizeof(most));
	assert_same_picture((struct str){ most, sizeof(most) }, 2);
}

static void test_what_is_refused(void **state)
{
	struct buf b = { 0 };
	char more[2332];
	memset(more, 'x', sizeof(more));
	assert_int_equal(qr_svg(STR(""), &b, NULL), -EINVAL);
	assert_int_equal(qr_svg((struct str){ more, sizeof(more) }, &b, NULL), -EINVAL);
	assert_int_equal(qr_png((struct str){ "a\0b", 3 }, 1, &b, NULL), -EINVAL);
	assert_int_equal(qr_png(STR("a"), 0, &b, NULL), -EINVAL);
	assert_int_equal(qr_png(STR("a"), 17, &b, NULL), -EINVAL);
	assert_int_equal(b.n, 0);
	struct buf little = { .max = 64 };
	assert_int_equal(qr_png(STR("a"), 1, &little, NULL), -ENOMEM);
	assert_int_equal(little.n, 0);
	buf_free(&little);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_picture),
		cmocka_unit_test(test_what_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
