#include "kiosk/pay.h"

#include <errno.h>
#include <qrencode.h>
#include <stdlib.h>
#include <zlib.h>

enum { MARGIN = 4, SCALE_MAX = 16, TEXT_MAX = 2331 /* bytes at level M */ };

static void free_code(QRcode **code)
{
	QRcode_free(*code);
}

static int encode(struct str text, QRcode **ret, struct err *err)
{
	char z[TEXT_MAX + 1];
	if (!text.n || text.n > TEXT_MAX || memchr(text.p, 0, text.n))
		return err_set(err, -EINVAL, "QR code: wanted are 1 to %d bytes without a NUL", TEXT_MAX);
	memcpy(z, text.p, text.n);
	z[text.n] = 0;
	QRcode *code = QRcode_encodeString(z, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
	if (!code)
		return err_set(err, errno == ERANGE ? -EINVAL : -ENOMEM, "QR code: %m");
	*ret = code;
	return 0;
}

/* How many modules from x on are as the one at x: dark or light. */
static int run_of(const unsigned char *row, int width, int x)
{
	int end = x + 1;
	while (end < width && (row[end] & 1) == (row[x] & 1))
		end++;
	return end - x;
}

/* One path: a stroke along the middle of each run of dark modules. */
int qr_svg(struct str text, struct buf *out, struct err *err)
{
	CLEANUP(free_code) QRcode *code = NULL;
	int rc = encode(text, &code, err);
	if (rc)
		return rc;
	int side = code->width + 2 * MARGIN;
	CLEANUP(buf_free) struct buf b = { 0 };
	buf_printf(&b,
	           "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" shape-rendering=\"crispEdges\">"
	           "<path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/><path stroke=\"#000\" d=\"",
	           side, side, side, side);
	for (int y = 0; y < code->width; y++) {
		const unsigned char *row = code->data + (size_t)y * (size_t)code->width;
		for (int x = 0, n; x < code->width; x += n) {
			n = run_of(row, code->width, x);
			if (row[x] & 1)
				buf_printf(&b, "M%d %d.5h%d", x + MARGIN, y + MARGIN, n);
		}
	}
	buf_add(&b, STR("\"/></svg>\n"));
	buf_add(out, buf_str(&b));
	return b.failed || out->failed ? err_set(err, -ENOMEM, "QR code as SVG: %m") : 0;
}

static void put_be32(char *at, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		at[i] = (char)(n >> (24 - 8 * i));
}

static void put_chunk(struct buf *b, const char type[5], const void *data, size_t n)
{
	char number[4];
	put_be32(number, (uint32_t)n);
	buf_add(b, (struct str){ number, 4 });
	buf_add(b, (struct str){ type, 4 });
	buf_add(b, (struct str){ data, n });
	uLong crc = crc32(0, (const Bytef *)type, 4);
	if (n) /* crc32() of NULL would begin anew */
		crc = crc32(crc, data, (uInt)n);
	put_be32(number, (uint32_t)crc);
	buf_add(b, (struct str){ number, 4 });
}

/* A byte for the filter, then the pixels. Lines like the one above say so (filter 2, all zero): they weigh next to nothing. */
static void draw(const QRcode *code, size_t scale, unsigned char *raw)
{
	size_t line = ((size_t)code->width + 2 * MARGIN) * scale + 1;
	for (size_t y = 0; y < (size_t)code->width + 2 * MARGIN; y++, raw += line * scale) {
		bool within = y >= MARGIN && y < (size_t)code->width + MARGIN;
		raw[0] = 0;
		memset(raw + 1, 0xff, line - 1);
		for (size_t x = 0; within && x < (size_t)code->width; x++)
			if (code->data[(y - MARGIN) * (size_t)code->width + x] & 1)
				memset(raw + 1 + (x + MARGIN) * scale, 0, scale);
		for (size_t again = 1; again < scale; again++) {
			raw[again * line] = 2;
			memset(raw + again * line + 1, 0, line - 1);
		}
	}
}

int qr_png(struct str text, unsigned scale, struct buf *out, struct err *err)
{
	CLEANUP(free_code) QRcode *code = NULL;
	if (!scale || scale > SCALE_MAX)
		return err_set(err, -EINVAL, "QR code as PNG: a module has 1 to %d pixels", SCALE_MAX);
	int rc = encode(text, &code, err);
	if (rc)
		return rc;
	size_t side = ((size_t)code->width + 2 * MARGIN) * scale;
	uLong n = (uLong)((side + 1) * side);
	uLongf packed_n = compressBound(n);
	unsigned char *raw = malloc(n), *packed = malloc(packed_n);
	CLEANUP(buf_free) struct buf b = { 0 };
	if (raw && packed) {
		draw(code, scale, raw);
		if (compress2(packed, &packed_n, raw, n, Z_BEST_SPEED) != Z_OK)
			packed_n = 0;
	}
	if (raw && packed && packed_n) {
		char head[13] = { 0, 0, 0, 0, 0, 0, 0, 0, 8 /* bits */, 0 /* grey */ };
		put_be32(head, (uint32_t)side);
		put_be32(head + 4, (uint32_t)side);
		buf_add(&b, STR("\x89PNG\r\n\x1a\n"));
		put_chunk(&b, "IHDR", head, sizeof(head));
		put_chunk(&b, "IDAT", packed, packed_n);
		put_chunk(&b, "IEND", NULL, 0);
		buf_add(out, buf_str(&b));
	}
	free(raw);
	free(packed);
	return !b.n || b.failed || out->failed ? err_set(err, -ENOMEM, "QR code as PNG: %m") : 0;
}
