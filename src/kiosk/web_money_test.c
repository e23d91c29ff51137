/* The pages of money: no word of the desk's own is shown, and long lists say how long they are. */
#include "kiosk/web_fixture.h"

#define RECEIPT(id, bank, state, paid)                                                                                 \
	"{\"id\":" id ",\"bank\":\"" bank "\",\"bank_id\":\"77\",\"at\":1763800000000000,\"amount\":150000,"           \
	"\"content\":\"\",\"state\":\"" state "\",\"note\":\"\",\"booking\":{\"ref\":\"r1\",\"label\":\"A001\","       \
	"\"payment\":{\"amount\":100000,\"paid\":" paid "}}}"

static const struct said money[] = {
	{ "tray",
	  "{\"waiting\":5,\"zone\":420,\"receipts\":[" RECEIPT("1", "sepay", "unmatched", "0") "," RECEIPT(
	          "2", "payos", "late",
	          "0") "," RECEIPT("3", "sepay", "over",
	                           "160000") "," RECEIPT("4", "cash", "cancelled",
	                                                 "90000") "," RECEIPT("5", "sepay", "account", "0") "]}" },
	{ "reconcile",
	  "{\"matched\":1,\"lines\":4000,\"missing\":[{\"line\":2,\"bank_id\":\"FT1\",\"amount\":5000}],"
	  "\"missing_n\":1500,\"unknown\":[{\"id\":3,\"bank_id\":\"FT3\",\"amount\":6000}],\"unknown_n\":2600,"
	  "\"differ\":[{\"line\":3,\"bank_id\":\"FT2\",\"amount\":70000,\"ours\":80000}],\"differ_n\":1,"
	  "\"bad\":[{\"line\":4,\"why\":\"amount\"},{\"line\":5,\"why\":\"time\"},{\"line\":6,\"why\":\"number\"},"
	  "{\"line\":7,\"why\":\"twice\"}],\"bad_n\":3700}" },
	{ "board", "{\"day\":\"2025-11-22\",\"rooms\":[]}" },
	{ "takings", "{\"day\":\"2025-11-22\",\"total\":230000,\"by_state\":{\"taken\":{\"count\":2,\"amount\":250000},"
	             "\"back\":{\"count\":1,\"amount\":-20000},\"returned\":{\"count\":1,\"amount\":70000}},"
	             "\"banks\":[{\"bank\":\"cash\",\"count\":1,\"amount\":100000},{\"bank\":\"payos\",\"count\":1,"
	             "\"amount\":150000},{\"bank\":\"back\",\"count\":1,\"amount\":-20000}],"
	             "\"rooms\":[{\"room\":3,\"name\":\"" HOSTILE "\",\"count\":2,\"amount\":80000},"
	             "{\"room\":0,\"name\":\"\",\"count\":1,\"amount\":150000}]}" },
	{ 0 },
};

static int begin(void **state)
{
	struct site *s = malloc(sizeof(*s));
	site_start(s, 0);
	s->more = money;
	s->session = "clerk";
	*state = s;
	return 0;
}

static int end(void **state)
{
	site_stop(*state);
	free(*state);
	return 0;
}

/* A cell or its beginning that is a word for machines. */
static void assert_no_raw_words(struct str page)
{
	static const char *const raw[] = { "unmatched", "late",    "over", "cancelled", "account", "taken",
		                           "returned",  "ignored", "back", "settled",   "cash",    "sepay",
		                           "payos",     "amount",  "time", "twice",     "number" };
	static const char *const before[] = { "<td>", "<small>", "<th scope=\"row\">" };
	for (size_t i = 0; i < ARRAY_LEN(raw); i++)
		for (size_t k = 0; k < ARRAY_LEN(before); k++) {
			char want[64];
			snprintf(want, sizeof(want), "%s%s", before[k], raw[i]);
			if (has(page, want))
				fail_msg("the page says \"%s\"", want);
		}
	assert_false(has(page, "<td> ")); /* nor nothing at all */
	assert_false(has(page, "<th scope=\"row\"></th>"));
}

static void test_tray(void **state)
{
	static const char *const pages[] = { "/staff/tray?lang=vi", "/staff/tray?lang=en", "/staff/tray?lang=zh" };
	static const char *const cancelled[] = { "Phiếu đã hủy", "Booking was cancelled", "号票已取消" };
	static const char *const account[] = { "Vào tài khoản khác", "Into another account", "转入其他账户" };
	static const char *const cash[] = { "<small>Tiền mặt 77", "<small>Cash 77", "<small>现金 77" };
	static const char *const back[] = { "Cần hoàn 60.000 ₫", "To be paid back: 60,000 ₫", "应退 60,000 ₫" };
	struct site *s = *state;
	struct reply r;
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		site_get(s, pages[i], &r);
		assert_no_raw_words(r.body);
		assert_true(has(r.body, cancelled[i]) && has(r.body, account[i]) && has(r.body, cash[i]));
		assert_int_equal(count(r.body, back[i]), 1);
		/* what has its booking can be paid back, and not be put to another one */
		assert_int_equal(count(r.body, "action=\"/staff/settle\""), 3);
		assert_int_equal(count(r.body, "action=\"/staff/refund\""), 5);
		reply_free(&r);
	}
}

static void test_long_lists(void **state)
{
	struct site *s = *state;
	struct reply r;
	site_submit(s, "/staff/statement", "/staff/statement", "day=2025-11-22&csv=id%2Camount", &r);
	assert_int_equal(r.status, 200);
	assert_no_raw_words(r.body);
	assert_true(has(r.body, "In the statement, not here: 1500</h2><p>Only the first 1 are shown."));
	assert_true(has(r.body, "Here, not in the statement: 2600</h2><p>Only the first 1 are shown."));
	assert_true(has(r.body, "Amounts differ: 1</h2><div"));
	assert_true(has(r.body, "Lines that can&#39;t be read: 3700</h2><p>Only the first 4 are shown."));
	assert_true(has(r.body, "<td>The same transaction twice</td>"));
	assert_true(
	        has(r.body,
	            "<td class=\"n\">3</td><td>FT2</td><td class=\"n\">70,000 ₫</td><td class=\"n\">80,000 ₫</td>"));
	reply_free(&r);
}

static void test_takings(void **state)
{
	static const struct said refused[] = { { "takings", "{\"refused\":\"value\",\"field\":\"day\"}" }, { 0 } };
	static const struct said nothing[] = {
		{ "takings", "{\"day\":\"2025-11-21\",\"total\":0,\"by_state\":{},\"banks\":[],\"rooms\":[]}" }, { 0 }
	};
	struct site *s = *state;
	struct reply r;
	site_get(s, "/staff", &r);
	assert_true(has(r.body, "href=\"/staff/takings\""));
	reply_free(&r);
	s->seen.n = 0;
	site_get(s, "/staff/takings", &r); /* today's */
	assert_seen(s, "{\"op\":\"board\",\"session\":\"clerk\"}\n"
	               "{\"day\":\"2025-11-22\",\"op\":\"takings\",\"session\":\"clerk\"}\n");
	assert_no_raw_words(r.body);
	assert_true(has(r.body, "Saturday, 22 Nov 2025"));
	assert_true(has(r.body, "<th scope=\"row\">payOS</th><td class=\"n\">1</td><td class=\"n\">150,000 ₫</td>"));
	assert_true(has(r.body, "Paid back to patients</th><td class=\"n\">1</td><td class=\"n\">-20,000 ₫</td>"));
	assert_true(has(r.body, "Returned, not counted</th>"));
	assert_true(has(r.body, ">No booking</th><td class=\"n\">1</td>"));
	assert_int_equal(count(r.body, "<b>230,000 ₫</b>"), 2);
	assert_int_equal(count(r.body, "<script"), 1);
	assert_int_equal(count(r.body, HOSTILE_ESCAPED), 1);
	reply_free(&r);
	s->session = "admin";
	s->more = nothing;
	s->seen.n = 0;
	site_get(s, "/staff/takings?day=2025-11-21", &r);
	assert_seen(s, "{\"day\":\"2025-11-21\",\"op\":\"takings\",\"session\":\"admin\"}\n");
	assert_true(has(r.body, "No money came on this day."));
	reply_free(&r);
	s->more = refused;
	site_get(s, "/staff/takings?day=%3Cb%3E", &r);
	assert_int_equal(r.status, 404);
	reply_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tray, begin, end),
		cmocka_unit_test_setup_teardown(test_long_lists, begin, end),
		cmocka_unit_test_setup_teardown(test_takings, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
