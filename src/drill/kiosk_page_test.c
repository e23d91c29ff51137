#include "drill/patient.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct visits visits = { .chance = 1 };
static const struct line_way way = { .host = "127.0.0.1:80" };

static void finds_links_of_a_shape(void **state)
{
	static const char html[] =
	        "<a href=/?lang=en>x</a><a href=/s/12>x</a><a href=/s/3>x</a><a href=/s/3/2026-11-25>x</a><a href=/s/>x"
	        "</a><a href=/staff>x</a><a href=http://example.org/s/9>x</a>";
	const struct str all = str_from(html);
	struct browser b = { .way = &way, .path = "/" };
	unsigned twelve = 0, three = 0;
	char to[PAGE_PATH];
	for (int i = 0; i < 200; i++) {
		drill_patient_link(&visits, all, &b, "/s/#", to);
		twelve += strcmp(to, "/s/12") == 0;
		three += strcmp(to, "/s/3") == 0;
	}
	assert_int_equal(twelve + three, 200);
	assert_true(twelve > 50 && three > 50);
	drill_patient_link(&visits, all, &b, "/s/#/#", to);
	assert_string_equal(to, "/s/3/2026-11-25");
	drill_patient_link(&visits, all, &b, "/x/#", to);
	assert_string_equal(to, "");
}

static void fills_the_form(void **state)
{
	CLEANUP(buf_free) struct buf body = { 0 };
	const struct str page =
	        STR("<form method=post action=/book><input name=token value=T-1><input name=specialty value=1>"
	            "<input name=day value=2026-11-25><input type=radio name=slot value=1.60></form>");
	assert_true(drill_patient_fill(&visits, page, 27, &body));
	assert_true(
	        str_starts(buf_str(&body), STR("token=T-1&specialty=1&day=2026-11-25&slot=1.60&name=Nguy%E1%BB%85n")));
	assert_non_null(memmem(body.p, body.n, "phone=0900000027", 16));
	assert_false(
	        drill_patient_fill(&visits, STR("<form action=/book><input name=token value=T></form>"), 1, &body));
	assert_false(drill_patient_fill(&visits, STR("<p>no form</p>"), 1, &body));
}

static void reads_a_bill(void **state)
{
	struct patient_bill bill;
	const struct str page =
	        STR("<section id=\"pay\" data-state=\"open\" "
	            "data-poll=\"10\"><h2>Payment</h2><dl><dt>Amount</dt><dd>150.000 \u20ab</dd>"
	            "<dt>State</dt><dd>To be paid</dd><dt>Transfer note</dt><dd>KH3DW8G3XX</dd></dl></section>");
	assert_true(drill_patient_bill(page, &bill));
	assert_string_equal(bill.state, "open");
	assert_string_equal(bill.reference, "KH3DW8G3XX");
	assert_int_equal(bill.amount, 150000);
	assert_false(drill_patient_bill(STR("<section id=other>"), &bill));
	assert_true(
	        drill_patient_bill(STR("<section id=pay data-state=paid><dl><dd>99999999999999999999999</dd>"), &bill));
	assert_string_equal(bill.reference, "");
}

/* The signature was made with openssl: printf '%s' '1764000000.BODY' | openssl dgst -sha256 -hmac key */
static void signs_a_notice(void **state)
{
	CLEANUP(buf_free) struct buf body = { 0 };
	const struct patient_bill bill = { "open", "KH3DW8G3XX", 150000 };
	char headers[256];
	assert_int_equal(drill_patient_notice(&bill, "key", "DEMO0000", 7, 1764000000, headers, &body), 0);
	assert_true(str_eq(buf_str(&body),
	                   STR("{\"id\":7,\"gateway\":\"DRILL\",\"transactionDate\":\"2025-11-24 23:00:00\","
	                       "\"accountNumber\":\"DEMO0000\",\"transferType\":\"in\",\"transferAmount\":150000,"
	                       "\"content\":\"KH3DW8G3XX\"}")));
	assert_non_null(strstr(headers, "X-SePay-Timestamp: 1764000000\r\n"));
	assert_non_null(strstr(
	        headers,
	        "X-SePay-Signature: sha256=93a78937cee2bd74f55303fdaa197dd10df2407cf0ed915b25ee3ed997bfd75a\r\n"));
}

static void keeps_cookies(void **state)
{
	char jar[64] = "";
	assert_true(drill_browser_cookie(jar, sizeof(jar), STR("a=1; Path=/; HttpOnly")));
	assert_true(drill_browser_cookie(jar, sizeof(jar), STR("bb=2")));
	assert_string_equal(jar, "a=1; bb=2");
	assert_true(drill_browser_cookie(jar, sizeof(jar), STR("a=3")));
	assert_string_equal(jar, "bb=2; a=3");
	assert_true(drill_browser_cookie(jar, sizeof(jar), STR("b=4; Max-Age=100")));
	assert_string_equal(jar, "bb=2; a=3; b=4");
	assert_true(drill_browser_cookie(jar, sizeof(jar), STR("b=; Max-Age=0")));
	assert_true(drill_browser_cookie(jar, sizeof(jar), STR("a=x; Max-Age=0; Path=/")));
	assert_string_equal(jar, "bb=2");
	assert_false(drill_browser_cookie(jar, sizeof(jar), STR("no cookie")));
	assert_false(drill_browser_cookie(jar, sizeof(jar), STR("=x")));
	assert_false(drill_browser_cookie(
	        jar, sizeof(jar), STR("long=0123456789012345678901234567890123456789012345678901234567890123")));
	assert_string_equal(jar, "bb=2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_links_of_a_shape), cmocka_unit_test(fills_the_form),
		cmocka_unit_test(reads_a_bill),           cmocka_unit_test(signs_a_notice),
		cmocka_unit_test(keeps_cookies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
