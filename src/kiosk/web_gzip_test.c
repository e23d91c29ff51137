/* Packed pages are read by zlib, whatever is put into their holes; and who gets one. */
#include "kiosk/web_fixture.h"
#include "kiosk/web_gzip.h"

#include <sodium.h>
#include <zlib.h>

/* All of it, check sum and length too; anything else fails. */
static void unpack(struct str packed, struct buf *out)
{
	z_stream z = { .next_in = (unsigned char *)(uintptr_t)packed.p, .avail_in = (unsigned)packed.n };
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	out->n = 0;
	int code = Z_OK;
	while (code == Z_OK) {
		char *to = buf_room(out, 65536);
		z.next_out = (unsigned char *)to;
		z.avail_out = 65536;
		code = inflate(&z, Z_NO_FLUSH);
		out->n += 65536 - z.avail_out;
	}
	assert_int_equal(code, Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	inflateEnd(&z);
}

static void make_token(char token[TOKEN_LENGTH])
{
	for (unsigned i = 0; i < TOKEN_LENGTH; i++)
		token[i] = (char)('A' + randombytes_uniform(26));
}

/* Words come again and again, so that what is behind a hole would like to refer to what is before it. */
static void make_page(struct buf *page, unsigned words)
{
	static const char *const some[] = {
		"<input name=\"token\">", "Phòng khám ", "</form>", "<p>", "\n", "------------"
	};
	for (unsigned i = 0; i < words; i++)
		buf_add(page, str_from(some[randombytes_uniform(ARRAY_LEN(some))]));
}

static void test_holes(void **state)
{
	struct gzip *g = gzip_new();
	struct buf page = { 0 }, packed = { 0 }, back = { 0 };
	for (unsigned round = 0; round < 300; round++) {
		struct page_hole holes[PAGE_HOLES];
		size_t plain[PAGE_HOLES];
		const unsigned n = round % (PAGE_HOLES + 1);
		page.n = packed.n = 0;
		for (unsigned i = 0; i < n; i++) {
			make_page(&page, randombytes_uniform(round));
			plain[i] = page.n;
			holes[i] = (struct page_hole){ .at = page.n, .action = "/" };
			buf_add(&page, STR("------------------------------------------------"));
		}
		make_page(&page, randombytes_uniform(200));
		gzip_page(g, buf_str(&page), holes, n, &packed);
		assert_false(packed.failed);
		unpack(buf_str(&packed), &back); /* unfilled */
		assert_true(str_eq(buf_str(&back), buf_str(&page)));
		for (unsigned again = 0; again < 2; again++) {
			for (unsigned i = 0; i < n; i++) {
				char token[TOKEN_LENGTH];
				make_token(token);
				memcpy(page.p + plain[i], token, TOKEN_LENGTH);
				gzip_fill(&packed, &holes[i], token);
			}
			unpack(buf_str(&packed), &back);
			assert_true(str_eq(buf_str(&back), buf_str(&page)));
		}
	}
	buf_free(&page);
	buf_free(&packed);
	buf_free(&back);
	gzip_free(g);
}

static void test_accepted(void **state)
{
	static const char *const yes[] = {
		"gzip",         "GZip",       "deflate, gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8, *;q=0.1",
		"gzip;q=0.001", "gzip ; q=1", " gzip "
	};
	static const char *const no[] = { "",  "identity", "gzip;q=0", "gzip; q=0.000", "deflate",
		                          "*", "gzipp",    "x-gzip",   "br;gzip",       ",,," };
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		if (!gzip_accepted(str_from(yes[i])))
			fail_msg("\"%s\" takes gzip", yes[i]);
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (gzip_accepted(str_from(no[i])))
			fail_msg("\"%s\" doesn't take gzip", no[i]);
}

/* --- over HTTP --- */

static bool is_packed(const struct reply *r)
{
	return str_eq(reply_header(r, "Content-Encoding"), STR("gzip"));
}

/* Kept or not, with a form or without one, the page is the same as for who takes no gzip; and its token is good. */
static void test_pages(void **state)
{
	static const char *const pages[] = { "/", "/s/1", ("/s/1/" DAY), "/find", "/kiosk.css", "/kiosk.js" };
	static const struct web_config plain;
	struct site s = { .desk = desk_for_patients };
	struct buf back = { 0 };
	site_open(&s, plain);
	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		for (unsigned again = 0; again < 3; again++) {
			s.headers = NULL;
			struct reply r = browse(&s, pages[i]), packed;
			s.headers = "Accept-Encoding: gzip, deflate\r\n";
			packed = browse(&s, pages[i]);
			assert_false(is_packed(&r));
			assert_true(is_packed(&packed));
			assert_true(str_eq(reply_header(&r, "Vary"), STR("Accept-Encoding")));
			assert_true(str_eq(reply_header(&packed, "Vary"), STR("Accept-Encoding")));
			assert_true(packed.body.n < r.body.n * 3 / 4);
			unpack(packed.body, &back);
			assert_int_equal(back.n, r.body.n);
			const char *at = memmem(back.p, back.n, "name=\"token\" value=\"", 20);
			if (at) /* each its own */
				assert_int_not_equal(memcmp(at + 20, r.body.p + (at - back.p) + 20, TOKEN_LENGTH), 0);
			if (at)
				memcpy(back.p + (at - back.p) + 20, r.body.p + (at - back.p) + 20, TOKEN_LENGTH);
			assert_true(str_eq(buf_str(&back), r.body));
			reply_free(&r);
			reply_free(&packed);
		}
	struct reply r = browse(&s, "/find");
	char token[64], body[128];
	unpack(r.body, &back);
	token_of_form(buf_str(&back), "/find", token);
	reply_free(&r);
	snprintf(body, sizeof(body), "token=%s&code=ABCDE23456&phone=0912345678", token);
	r = fetch(&s, "POST", "/find", body);
	assert_goes(&r, "/ticket");
	r = browse(&s, "/ticket");
	assert_true(is_packed(&r));
	unpack(r.body, &back);
	assert_true(has(buf_str(&back), "ABCDE-23456"));
	reply_free(&r);
	buf_free(&back);
	site_stop(&s);
}

/* What is kept packed goes to nobody else; a small thing, a picture, and pages of staff aren't packed. */
static void test_plain(void **state)
{
	static const char *const paths[] = { "/qr.png", "/healthz", "/nowhere" };
	static const struct web_config plain;
	struct site s = { .desk = desk_for_patients };
	site_open(&s, plain);
	s.headers = "Accept-Encoding: gzip\r\n";
	struct reply r = browse(&s, "/s/1/" DAY);
	assert_true(is_packed(&r));
	reply_free(&r);
	s.headers = "Accept-Encoding: gzip;q=0\r\n";
	r = browse(&s, "/s/1/" DAY);
	assert_false(is_packed(&r));
	assert_true(has(r.body, "</html>"));
	reply_free(&r);
	s.headers = NULL;
	r = submit(&s, "/s/1/" DAY, "/book", PATIENT "&phone=0912345678&slot=3.450");
	assert_goes(&r, "/ticket");
	s.headers = "Accept-Encoding: gzip\r\n";
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		r = browse(&s, paths[i]);
		assert_false(is_packed(&r));
		reply_free(&r);
	}
	snprintf(s.cookies[COOKIE_SESSION], sizeof(s.cookies[0]), "clerk");
	s.desk = NULL;
	r = browse(&s, "/staff/tray");
	assert_int_equal(r.status, 200);
	assert_true(r.body.n > GZIP_LEAST);
	assert_false(is_packed(&r));
	reply_free(&r);
	site_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_plain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
