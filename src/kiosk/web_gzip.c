#include "kiosk/web_gzip.h"

#include "kiosk/web_form.h"

#include <stdlib.h>
#include <strings.h>
#include <zlib.h>

_Static_assert(ZLIB_VERNUM >= 0x12c0, "crc32_combine_gen()");

enum {
	RAW = -15, /* the largest window, without a header: ours is around */
	MEMORY = 8,
	LEVEL = 6,
	TRAILER = 8,
};

struct gzip {
	z_stream z; /* made once: it has 256 KB */
};

struct gzip *gzip_new(void)
{
	struct gzip *g = calloc(1, sizeof(*g));
	if (g && deflateInit2(&g->z, LEVEL, Z_DEFLATED, RAW, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(g);
		return NULL;
	}
	return g;
}

void gzip_free(struct gzip *g)
{
	if (!g)
		return;
	deflateEnd(&g->z);
	free(g);
}

/* --- packing --- */

static void pack(z_stream *z, struct str in, int flush, struct buf *out)
{
	const size_t room = in.n / 2 + 256;
	z->next_in = (unsigned char *)(uintptr_t)in.p;
	z->avail_in = (unsigned)in.n;
	do {
		char *to = buf_room(out, room);
		if (!to)
			return;
		z->next_out = (unsigned char *)to;
		z->avail_out = (unsigned)room;
		deflate(z, flush);
		out->n += room - z->avail_out;
	} while (!z->avail_out);
}

static void put_number(struct buf *out, uint32_t n)
{
	for (unsigned i = 0; i < 4; i++)
		buf_putc(out, (char)(n >> (8 * i)));
}

static uint32_t sum(const char *bytes, size_t n)
{
	return (uint32_t)crc32(0, (const unsigned char *)bytes, (unsigned)n);
}

void gzip_page(struct gzip *g, struct str page, struct page_hole *holes, unsigned n, struct buf *out)
{
	static const char head[] = { 0x1f, (char)0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };
	static const char stored[] = { 0, TOKEN_LENGTH, 0, (char)~TOKEN_LENGTH, (char)0xff };
	size_t at = 0;
	deflateReset(&g->z);
	buf_add(out, (struct str){ head, sizeof(head) });
	for (unsigned i = 0; i < n; i++) {
		/* flushed in full: nothing behind the hole refers to what is before it, as the hole isn't counted */
		pack(&g->z, str_sub(page, at, holes[i].at - at), Z_FULL_FLUSH, out);
		at = holes[i].at + TOKEN_LENGTH;
		buf_add(out, (struct str){ stored, sizeof(stored) });
		holes[i].shift = (uint32_t)crc32_combine_gen((z_off_t)(page.n - at));
		const size_t here = out->n;
		buf_add(out, str_sub(page, holes[i].at, TOKEN_LENGTH));
		holes[i].at = here;
	}
	pack(&g->z, str_sub(page, at, page.n), Z_FINISH, out);
	put_number(out, sum(page.p, page.n));
	put_number(out, (uint32_t)page.n);
}

void gzip_fill(struct buf *page, const struct page_hole *hole, const char *token)
{
	char *at = page->p + hole->at;
	const uint32_t change = sum(at, TOKEN_LENGTH) ^ sum(token, TOKEN_LENGTH);
	const uint32_t shifted = (uint32_t)crc32_combine_op(change, 0, hole->shift);
	char *check = page->p + page->n - TRAILER;
	for (unsigned i = 0; i < 4; i++)
		check[i] ^= (char)(shifted >> (8 * i));
	memcpy(at, token, TOKEN_LENGTH);
}

/* --- who takes it --- */

/* "q=0", "q=0.000": not wanted. */
static bool is_refused(struct str parameters)
{
	const char *q = parameters.n ? memmem(parameters.p, parameters.n, "q=", 2) : NULL;
	const struct str value = q ? str_sub(parameters, (size_t)(q - parameters.p) + 2, parameters.n) : STR("1");
	for (size_t i = 0; i < value.n && value.p[i] != ' '; i++)
		if (value.p[i] != '0' && value.p[i] != '.')
			return false;
	return true;
}

bool gzip_accepted(struct str header)
{
	for (; header.n; header = str_sub(header, str_find(header, ',') + 1, header.n)) {
		const struct str item = str_sub(header, 0, str_find(header, ','));
		const struct str name = str_trim(str_sub(item, 0, str_find(item, ';')));
		if (name.n == 4 && !strncasecmp(name.p, "gzip", 4))
			return !is_refused(str_sub(item, str_find(item, ';'), item.n));
	}
	return false;
}
