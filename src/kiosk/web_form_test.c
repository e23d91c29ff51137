#include "kiosk/web_form.h"

#include "kiosk/seal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HOUR (3600 * INT64_C(1000000))

static const unsigned char key[SEAL_KEY] = "0123456789abcdef0123456789abcde";
static const unsigned char other_key[SEAL_KEY] = "1123456789abcdef0123456789abcde";

static int read_text(struct form *f, char *body, const char *text)
{
	const size_t n = strlen(text);
	memcpy(body, text, n);
	return form_read(f, body, n);
}

static void test_form(void **state)
{
	struct form f;
	char body[200];
	assert_int_equal(read_text(&f, body, "name=Nguy%e1%bb%85n+V%C4%83n&&phone=+0912&empty=&none"), 0);
	assert_int_equal(f.n, 4);
	assert_true(str_eq(form_field(&f, STR("name")), STR("Nguyễn Văn")));
	assert_true(str_eq(form_field(&f, STR("phone")), STR(" 0912")));
	assert_int_equal(form_field(&f, STR("empty")).n, 0);
	assert_non_null(form_field(&f, STR("empty")).p);
	assert_non_null(form_field(&f, STR("none")).p);
	assert_null(form_field(&f, STR("else")).p);
	assert_int_equal(read_text(&f, body, "a%62=1%263&c=d=e"), 0);
	assert_true(str_eq(form_field(&f, STR("ab")), STR("1&3")));
	assert_true(str_eq(form_field(&f, STR("c")), STR("d=e")));
	assert_int_equal(read_text(&f, body, ""), 0);
	assert_int_equal(f.n, 0);
}

static void test_bad_forms(void **state)
{
	static const char *const bad[] = { "a=1&a=2",
		                           "a=%",
		                           "a=%4",
		                           "a=%4g",
		                           "a=%00",
		                           "a=%ff",
		                           "a=\xc3(",
		                           "=1",
		                           "%61=1&a=2",
		                           "a=%ed%a0%80",
		                           "123456789012345678901234567890123=1" };
	struct form f;
	char body[1000];
	struct buf many = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (read_text(&f, body, bad[i]) != -EBADMSG)
			fail_msg("%s", bad[i]);
	for (int i = 0; i <= FORM_FIELDS; i++)
		buf_printf(&many, "a%d=&", i);
	assert_int_equal(form_read(&f, many.p, many.n), -E2BIG);
	buf_free(&many);
}

#define PART(name, rest, value)                                                                                        \
	"--XyZ\r\nContent-Disposition: form-data; name=\"" name "\"" rest "\r\n\r\n" value "\r\n"

static int read_parts(struct form *f, const char *type, const char *text)
{
	static char body[2000];
	memcpy(body, text, strlen(text));
	return form_read_multipart(f, str_from(type), body, strlen(text));
}

static void test_multipart(void **state)
{
	static const char type[] = "multipart/form-data; boundary=XyZ";
	struct form f;
	assert_int_equal(read_parts(&f, type,
	                            PART("token", "", "abc")
	                                    PART("csv", "; filename=\"a.csv\"\r\nContent-Type: text/csv",
	                                         "x;y\r\n--Xy\r\n\xff") "--XyZ--\r\n"),
	                 0);
	assert_int_equal(f.n, 2);
	assert_true(str_eq(form_field(&f, STR("token")), STR("abc")));
	assert_true(str_eq(form_field(&f, STR("csv")), STR("x;y\r\n--Xy\r\n\xff")));
	assert_int_equal(
	        read_parts(&f, "multipart/form-data; boundary=\"XyZ\"; charset=utf-8", PART("a", "", "") "--XyZ--"), 0);
	assert_non_null(form_field(&f, STR("a")).p);
	static const char *const bad[] = {
		"",
		"--XyZ",
		PART("a", "", "1"),
		PART("a", "", "1") "--XyZ",
		PART("a", "", "1") PART("a", "", "2") "--XyZ--",
		PART("a", "", "\xff") "--XyZ--",
		PART("", "", "1") "--XyZ--",
		"--XyZ\r\nContent-Type: a\r\n\r\n1\r\n--XyZ--",
		"--XyZ\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n--XyZ--",
		"--XyZ\r\nno header\r\n--XyZ--",
		"x" PART("a", "", "1") "--XyZ--",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (read_parts(&f, type, bad[i]) != -EBADMSG)
			fail_msg("%zu: %s", i, bad[i]);
	assert_int_equal(read_parts(&f, "multipart/form-data", PART("a", "", "1") "--XyZ--"), -EBADMSG);
	assert_int_equal(read_parts(&f, "multipart/form-data; boundary=", PART("a", "", "1") "--XyZ--"), -EBADMSG);
}

static void test_cookies(void **state)
{
	const struct str header = STR("a=b; lang=vi ;kiosk = abc_-9; kiosk_ticket=a b; kiosk_staff=");
	assert_true(str_eq(cookie_find(header, COOKIE_LANG), STR("vi")));
	assert_true(str_eq(cookie_find(header, COOKIE_VISITOR), STR("abc_-9")));
	assert_null(cookie_find(header, COOKIE_TICKET).p);
	assert_null(cookie_find(header, COOKIE_SESSION).p);
	assert_null(cookie_find(STR(""), COOKIE_LANG).p);
	assert_null(cookie_find(STR("xlang=vi; lang; ;=;"), COOKIE_LANG).p);
	struct buf b = { 0 };
	buf_add(&b, STR("lang="));
	for (int i = 0; i < 513; i++)
		buf_putc(&b, 'a');
	assert_null(cookie_find(buf_str(&b), COOKIE_LANG).p);
	b.n--;
	assert_int_equal(cookie_find(buf_str(&b), COOKIE_LANG).n, 512);
	buf_free(&b);
}

static void test_token(void **state)
{
	char token[TOKEN_LENGTH + 1], again[TOKEN_LENGTH + 1], once[TOKEN_ONCE + 1];
	const struct token_of of = { STR("/book"), STR("visitor"), STR(""), 1000 * HOUR - 1 };
	struct token_of o = of;
	token_make(key, &of, token);
	token_make(key, &of, again);
	assert_int_equal(strlen(token), TOKEN_LENGTH);
	assert_string_not_equal(token, again);
	assert_true(token_good(key, &of, str_from(token)));
	assert_false(token_good(other_key, &of, str_from(token)));
	o.now += 2 * HOUR;
	assert_true(token_good(key, &o, str_from(token)));
	o.now += 1;
	assert_true(token_good(key, &o, str_from(token)) == false);
	o.now = of.now - HOUR;
	assert_false(token_good(key, &o, str_from(token)));
	o = of, o.action = STR("/boo");
	assert_false(token_good(key, &o, str_from(token)));
	o = of, o.action = STR("/bookv"), o.visitor = STR("isitor");
	assert_false(token_good(key, &o, str_from(token)));
	o = of, o.session = STR("s");
	assert_false(token_good(key, &o, str_from(token)));
	for (size_t i = 0; i < TOKEN_LENGTH; i++) {
		char changed[TOKEN_LENGTH + 1];
		memcpy(changed, token, sizeof(changed));
		changed[i] = changed[i] == 'A' ? 'B' : 'A';
		assert_false(token_good(key, &of, str_from(changed)));
	}
	assert_false(token_good(key, &of, str_sub(str_from(token), 0, TOKEN_LENGTH - 1)));
	assert_false(token_good(key, &of, STR("")));
	token_once(str_from(token), once);
	assert_int_equal(strlen(once), TOKEN_ONCE);
	token_once(STR("no token"), once);
	assert_string_equal(once, "");
}

static void test_sealed(void **state)
{
	struct buf one = { 0 }, two = { 0 }, text = { 0 };
	cookie_seal(key, "kiosk_ticket", STR("ABCDE23456\n0912345678"), &one);
	cookie_seal(key, "kiosk_ticket", STR("ABCDE23456\n0912345678"), &two);
	assert_false(str_eq(buf_str(&one), buf_str(&two)));
	assert_int_equal(cookie_open(key, "kiosk_ticket", buf_str(&one), &text), 0);
	assert_true(str_eq(buf_str(&text), STR("ABCDE23456\n0912345678")));
	text.n = 0;
	assert_int_equal(cookie_open(key, "kiosk", buf_str(&one), &text), -EBADMSG);
	assert_int_equal(cookie_open(other_key, "kiosk_ticket", buf_str(&one), &text), -EBADMSG);
	one.p[one.n / 2] ^= 1;
	assert_int_equal(cookie_open(key, "kiosk_ticket", buf_str(&one), &text), -EBADMSG);
	assert_int_equal(cookie_open(key, "kiosk_ticket", STR("abcd"), &text), -EBADMSG);
	assert_int_equal(cookie_open(key, "kiosk_ticket", STR(""), &text), -EBADMSG);
	assert_int_equal(text.n, 0);
	/* the longest that a cookie takes */
	char large[345];
	memset(large, 'x', sizeof(large));
	two.n = 0;
	cookie_seal(key, "t", (struct str){ large, 344 }, &two);
	assert_false(two.failed);
	assert_int_equal(two.n, 512);
	assert_int_equal(cookie_open(key, "t", buf_str(&two), &text), 0);
	assert_int_equal(text.n, 344);
	cookie_seal(key, "t", (struct str){ large, 345 }, &two);
	assert_true(two.failed);
	buf_free(&one);
	buf_free(&two);
	buf_free(&text);
}

static void test_visitor(void **state)
{
	char one[VISITOR_LENGTH + 1], two[VISITOR_LENGTH + 1], header[64];
	visitor_make(one);
	visitor_make(two);
	assert_string_not_equal(one, two);
	snprintf(header, sizeof(header), "kiosk=%s", one);
	assert_true(str_eq(cookie_find(str_from(header), COOKIE_VISITOR), str_from(one)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),    cmocka_unit_test(test_bad_forms), cmocka_unit_test(test_multipart),
		cmocka_unit_test(test_cookies), cmocka_unit_test(test_token),     cmocka_unit_test(test_sealed),
		cmocka_unit_test(test_visitor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
