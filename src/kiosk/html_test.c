#include "kiosk/html.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect(struct page *p, const char *want)
{
	buf_putc(&p->out, '\0');
	assert_string_equal(p->out.p, want);
	p->out.n = 0;
}

static void test_text(void **state)
{
	struct page p = { 0 };
	html_text(&p, STR("<script a='1' b=\"2\">&amp;</script>"));
	expect(&p, "&lt;script a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;amp;&lt;/script&gt;");
	html_text(&p, STR("Nguyễn 内科"));
	expect(&p, "Nguyễn 内科");
	html_text(&p, STR(""));
	html_text(&p, (struct str){ 0 });
	expect(&p, "");
	html_number(&p, INT64_MIN);
	expect(&p, "-9223372036854775808");
	buf_free(&p.out);
}

static void test_words(void **state)
{
	struct page p = { .lang = KIOSK_EN };
	const struct str money = STR("<1>");
	html_words(&p, KIOSK_WORD_FEE, &money, 1);
	expect(&p, "Fee: &lt;1&gt;");
	html_words(&p, KIOSK_WORD_FEE, NULL, 0); /* one too few: its place stays empty */
	expect(&p, "Fee: ");
	html_word(&p, KIOSK_WORD_PAID_QUESTION);
	expect(&p, "Has it arrived?");
	buf_free(&p.out);
}

static void test_time(void **state)
{
	struct page p = { 0 };
	static const char *const days[] = { "22/11/2026", "22 Nov 2026", "2026年11月22日" };
	static const char *const names[] = { "Chủ Nhật", "Sunday", "星期日" };
	html_time(&p, 450);
	expect(&p, "7:30");
	html_time(&p, 0);
	expect(&p, "0:00");
	for (unsigned i = 0; i < N_KIOSK_LANGUAGES; i++) {
		p.lang = i;
		html_day(&p, STR("2026-11-22"));
		expect(&p, days[i]);
		html_weekday(&p, STR("2026-11-22"));
		expect(&p, names[i]);
	}
	p.lang = KIOSK_EN;
	html_weekday(&p, STR("2028-02-29"));
	expect(&p, "Tuesday");
	html_weekday(&p, STR("2027-01-01"));
	expect(&p, "Friday");
	html_day(&p, STR("<b>"));
	expect(&p, "&lt;b&gt;");
	html_weekday(&p, STR("<b>"));
	expect(&p, "");
	buf_free(&p.out);
}

static void test_day_read(void **state)
{
	static const char *const bad[] = { "",           "2026-1-22",  "2026-11-222", "2026-13-01", "2026-00-01",
		                           "2026-11-31", "2026-02-29", "2026-11-00",  "2026/11/22", "20a6-11-22",
		                           "2026-11-2 ", "0000-01-01", "2100-02-29" };
	int y = 0, m = 0, d = 0;
	assert_true(day_read(STR("2028-02-29"), &y, &m, &d));
	assert_int_equal(y * 10000 + m * 100 + d, 20280229);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (day_read(str_from(bad[i]), &y, &m, &d))
			fail_msg("%s is a day", bad[i]);
	assert_int_equal(y * 10000 + m * 100 + d, 20280229);
}

static void test_money(void **state)
{
	struct page p = { 0 };
	static const struct {
		int64_t amount;
		const char *text;
	} cases[] = {
		{ 0, "0 ₫" },
		{ 999, "999 ₫" },
		{ 1000, "1.000 ₫" },
		{ 150000, "150.000 ₫" },
		{ 1234567890, "1.234.567.890 ₫" },
		{ -150000, "-150.000 ₫" },
		{ INT64_MIN, "-9.223.372.036.854.775.808 ₫" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		html_money(&p, cases[i].amount);
		expect(&p, cases[i].text);
	}
	p.lang = KIOSK_EN;
	html_money(&p, 150000);
	expect(&p, "150,000 ₫");
	buf_free(&p.out);
}

static bool has(const struct page *p, const char *text)
{
	return memmem(p->out.p, p->out.n, text, strlen(text));
}

static void test_page(void **state)
{
	struct page p = { .lang = KIOSK_ZH, .path = "/s/1?\"<", .kind = "board", .refresh = 10, .version = "abc" };
	html_begin(&p, KIOSK_WORD_TICKET);
	const size_t token = html_form(&p, "/cancel", STR("TOKEN"));
	html(&p, "</form>");
	html_end(&p);
	assert_true(str_starts(buf_str(&p.out), STR("<!doctype html>\n<html lang=\"zh\">")));
	assert_true(str_ends(buf_str(&p.out), STR("</body></html>\n")));
	assert_true(has(&p, "<title>号票</title>"));
	assert_true(has(&p, "<h1>号票</h1>"));
	assert_true(has(&p, "href=\"/kiosk.css?abc\""));
	assert_true(has(&p, "src=\"/kiosk.js?abc\" defer"));
	assert_true(has(&p, "<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>"));
	assert_true(has(&p, "<body class=\"board\">"));
	assert_true(has(&p, "<a href=\"/s/1?&quot;&lt;?lang=vi\" lang=\"vi\""));
	assert_true(has(&p, "<b lang=\"zh\">中文</b>"));
	assert_true(has(&p, "<form method=\"post\" action=\"/cancel\"><input type=\"hidden\" name=\"token\" "
	                    "value=\"TOKEN\">"));
	assert_true(str_starts(str_sub(buf_str(&p.out), token, 6), STR("TOKEN\"")));
	assert_false(has(&p, "style=")); /* the policy for content forbids both */
	assert_false(has(&p, "<script>"));
	buf_free(&p.out);
}

/* What doesn't fit makes the page fail, not shorter. */
static void test_bound(void **state)
{
	struct page p = { .out.max = 300 };
	html_begin(&p, KIOSK_WORD_TICKET);
	assert_true(p.out.failed);
	assert_true(p.out.n <= 300);
	buf_free(&p.out);
}

static void test_assets(void **state)
{
	char one[HTML_VERSION + 1], two[HTML_VERSION + 1];
	html_version(one);
	html_version(two);
	assert_string_equal(one, two);
	assert_int_equal(strlen(one), HTML_VERSION);
	size_t open = 0, close = 0;
	for (size_t i = 0; i < html_css.n; i++) {
		open += html_css.p[i] == '{';
		close += html_css.p[i] == '}';
	}
	assert_int_equal(open, close);
	assert_null(memmem(html_css.p, html_css.n, "http", 4)); /* nothing from elsewhere */
	assert_null(memmem(html_js.p, html_js.n, "http", 4));
	assert_true(html_css.n + html_js.n < 16 << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),     cmocka_unit_test(test_words),  cmocka_unit_test(test_time),
		cmocka_unit_test(test_day_read), cmocka_unit_test(test_money),  cmocka_unit_test(test_page),
		cmocka_unit_test(test_bound),    cmocka_unit_test(test_assets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
