#include "kiosk/web_fixture.h"

/* The admin's pages, and those of money. */

static const struct said clinic[] = {
	{ "settings",
	  "{\"values\":{\"clinic\":\"" HOSTILE "\",\"zone\":\"420\",\"bank_bin\":\"\"},"
	  "\"specialties\":[{\"id\":1,\"place\":1,\"name\":{\"vi\":\"" HOSTILE "\",\"en\":\"\",\"zh\":\"\"},"
	  "\"fee\":150000,\"active\":true}],"
	  "\"rooms\":[{\"id\":3,\"specialty\":1,\"place\":1,\"name\":\"" HOSTILE "\",\"letter\":\"A\",\"active\":true},"
	  "{\"id\":4,\"specialty\":1,\"place\":2,\"name\":\"Room four\",\"letter\":\"B\",\"active\":false}],"
	  "\"hours\":[{\"id\":9,\"room\":3,\"weekday\":1,\"begins\":450,\"ends\":690,\"minutes\":30,\"places\":5}],"
	  "\"holidays\":[{\"day\":\"2026-01-01\",\"room\":0,\"name\":\"" HOSTILE "\"}]}" },
	{ "staff", "{\"staff\":[{\"id\":2,\"login\":\"lan\",\"name\":\"" HOSTILE "\",\"roles\":2,\"active\":true}]}" },
	{ "holiday-put", "{\"booked\":3}" },
	{ "hours-put", "{\"id\":9,\"kept\":2}" },
	{ "tray", "{\"waiting\":5,\"zone\":420,\"receipts\":[{\"id\":8,\"bank\":\"sepay\",\"bank_id\":\"77\","
	          "\"at\":1763800000000000,\"amount\":150000,\"content\":\"" HOSTILE
	          "\",\"state\":\"unmatched\",\"note\":\"\"}]}" },
	{ "reconcile", "{\"matched\":1,\"lines\":3,\"missing\":[{\"line\":2,\"bank_id\":\"" HOSTILE
	               "\",\"amount\":5000}],\"unknown\":[],"
	               "\"differ\":[{\"line\":3,\"bank_id\":\"FT2\",\"amount\":70000,\"ours\":80000}],"
	               "\"bad\":[{\"line\":4,\"why\":\"time\"}]}" },
	{ 0 },
};

static int begin(void **state)
{
	struct site *s = malloc(sizeof(*s));
	site_start(s, 0);
	s->more = clinic;
	s->session = "admin";
	*state = s;
	return 0;
}

static int end(void **state)
{
	site_stop(*state);
	free(*state);
	return 0;
}

/* Whatever people wrote, it is text: no page has a script but its own. */
static void test_escaped(void **state)
{
	static const char *const pages[] = { "/admin",         "/admin/rooms",    "/admin/rooms/3", "/admin/hours",
		                             "/admin/hours/3", "/admin/holidays", "/admin/people",  "/admin/settings" };
	struct site *s = *state;
	struct reply r;
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		site_get(s, pages[i], &r);
		assert_int_equal(r.status, 200);
		assert_int_equal(count(r.body, "<script"), 1);
		assert_true(count(r.body, HOSTILE_ESCAPED) > 0);
		reply_free(&r);
	}
	s->session = "clerk";
	site_get(s, "/staff/tray", &r);
	assert_int_equal(count(r.body, "<script"), 1);
	assert_int_equal(count(r.body, HOSTILE_ESCAPED), 1);
	assert_true(has(r.body, "22 Nov 2025 15:26")); /* on the clinic's clock */
	assert_true(has(r.body, "<p>+4</p>"));
	reply_free(&r);
}

static void test_what_is_not_there(void **state)
{
	static const char *const pages[] = { "/admin/rooms/5", "/admin/rooms/x", "/admin/hours/5", "/admin/hours/0" };
	struct site *s = *state;
	struct reply r;
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		site_get(s, pages[i], &r);
		assert_int_equal(r.status, 404);
		reply_free(&r);
	}
}

static void test_forms(void **state)
{
	static const struct {
		const char *page, *action, *fields, *call, *to;
	} forms[] = {
		{ "/admin", "/admin/specialty", "id=1&vi=Nhi&en=&zh=&fee=0&place=2&active=1",
		  "{\"active\":true,\"fee\":0,\"id\":1,\"name\":{\"vi\":\"Nhi\"},\"op\":\"specialty-put\",\"place\":2,"
		  "\"session\":\"admin\"}\n",
		  "/admin?said=done" },
		/* what is no number must not pass as none: this one would be free of charge */
		{ "/admin", "/admin/specialty", "vi=Nhi&fee=150.000&place=2",
		  "{\"active\":false,\"fee\":-1,\"name\":{\"vi\":\"Nhi\"},\"op\":\"specialty-put\",\"place\":2,"
		  "\"session\":\"admin\"}\n",
		  "/admin?said=done" },
		{ "/admin/rooms", "/admin/room", "specialty=1&place=3&name=P5&letter=C&active=1",
		  "{\"active\":true,\"letter\":\"C\",\"name\":\"P5\",\"op\":\"room-put\",\"place\":3,\"session\":"
		  "\"admin\","
		  "\"specialty\":1}\n",
		  "/admin/rooms?said=done" },
		{ "/admin/hours/3", "/admin/hours",
		  "id=9&room=3&weekday=1&begins=07%3A30&ends=1130&minutes=30&places=5",
		  "{\"begins\":450,\"ends\":-1,\"id\":9,\"minutes\":30,\"op\":\"hours-put\",\"places\":5,\"room\":3,"
		  "\"session\":\"admin\",\"weekday\":1}\n",
		  "/admin/hours/3?kept=2&said=done" },
		{ "/admin/hours/3", "/admin/hours/remove", "id=9&room=3",
		  "{\"id\":9,\"op\":\"hours-remove\",\"session\":\"admin\"}\n", "/admin/hours/3?said=done" },
		{ "/admin/holidays", "/admin/holidays", "day=2026-01-02&room=0&name=T%E1%BA%BFt",
		  "{\"day\":\"2026-01-02\",\"name\":\"Tết\",\"op\":\"holiday-put\",\"room\":0,\"session\":\"admin\"}\n",
		  "/admin/holidays?booked=3&day=2026-01-02&said=done" },
		{ "/admin/people", "/admin/people",
		  "login=hoa&name=Hoa&password=+long+enough+&clerk=1&admin=1&active=1",
		  "{\"active\":true,\"login\":\"hoa\",\"name\":\"Hoa\",\"op\":\"staff-put\",\"password\":\" long "
		  "enough \","
		  "\"roles\":6,\"session\":\"admin\"}\n",
		  "/admin/people?said=done" },
		{ "/admin/settings", "/admin/settings", "clinic=Nhi&bank_bin=&other=1",
		  "{\"op\":\"set\",\"session\":\"admin\",\"values\":{\"bank_bin\":\"\",\"clinic\":\"Nhi\"}}\n",
		  "/admin/settings?said=done" },
	};
	struct site *s = *state;
	struct reply r;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		site_submit(s, forms[i].page, forms[i].action, forms[i].fields, &r);
		assert_seen(s, forms[i].call);
		assert_goes(&r, forms[i].to);
	}
	site_get(s, "/admin/holidays?booked=3&day=2026-01-02", &r);
	assert_true(has(r.body, "to be told: 3."));
	assert_false(has(r.body, "/staff/list/")); /* names and phones are the counter's */
	reply_free(&r);
	s->session = "both";
	site_get(s, "/admin/holidays?booked=3&day=2026-01-02", &r);
	assert_true(has(r.body, "href=\"/staff/list/2026-01-02?tell=1\""));
	reply_free(&r);
}

/* --- money --- */

static void test_tray(void **state)
{
	struct site *s = *state;
	struct reply r;
	s->session = "clerk";
	site_submit(s, "/staff/tray", "/staff/settle", "id=8&code=ABCDE23456&note=by+phone", &r);
	assert_seen(
	        s,
	        "{\"code\":\"ABCDE23456\",\"id\":8,\"note\":\"by phone\",\"op\":\"settle\",\"session\":\"clerk\"}\n");
	assert_goes(&r, "/staff/tray?said=done");
	site_submit(s, "/staff/tray", "/staff/refund", "id=8&note=paid+back", &r);
	assert_seen(s, "{\"id\":8,\"note\":\"paid back\",\"op\":\"refund\",\"session\":\"clerk\"}\n");
	assert_goes(&r, "/staff/tray?said=done");
}

static void upload(struct site *s, struct str csv, struct reply *r)
{
	CLEANUP(buf_free) struct buf body = { 0 };
	struct reply form;
	char token[64];
	site_get(s, "/staff/statement", &form);
	token_of_form(form.body, "/staff/statement", token);
	reply_free(&form);
	s->seen.n = 0;
	buf_printf(&body,
	           "--XX\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n%s\r\n"
	           "--XX\r\nContent-Disposition: form-data; name=\"day\"\r\n\r\n2025-11-22\r\n"
	           "--XX\r\nContent-Disposition: form-data; name=\"csv\"\r\n\r\n\r\n"
	           "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n"
	           "Content-Type: text/csv\r\n\r\n",
	           token);
	buf_add(&body, csv);
	buf_add(&body, STR("\r\n--XX--\r\n"));
	site_send_body(s, "/staff/statement", "Content-Type: multipart/form-data; boundary=XX\r\n", buf_str(&body), r);
}

static void test_statement(void **state)
{
	struct site *s = *state;
	struct reply r;
	s->session = "clerk";
	upload(s, STR("ID,Số tiền\r\n1,2"), &r);
	assert_seen(s, "{\"csv\":\"ID,Số "
	               "tiền\\r\\n1,2\",\"day\":\"2025-11-22\",\"op\":\"reconcile\",\"session\":\"clerk\"}\n");
	assert_int_equal(r.status, 200);
	assert_true(has(r.body, "Lines that match: 1 / 3"));
	assert_true(has(r.body, "FT2"));
	assert_int_equal(count(r.body, "<script"), 1);
	assert_true(has(r.body, HOSTILE_ESCAPED));
	reply_free(&r);
	site_submit(s, "/staff/statement", "/staff/statement", "day=2025-11-22&csv=id%2Camount", &r);
	assert_seen(s, "{\"csv\":\"id,amount\",\"day\":\"2025-11-22\",\"op\":\"reconcile\",\"session\":\"clerk\"}\n");
	reply_free(&r);
	static const struct str none[] = { { "\xff\xfe", 2 }, { "a,b\n1,2\n", 8 }, { "id,amount\n1,\xff\n", 14 } };
	for (size_t i = 0; i < ARRAY_LEN(none); i++) { /* no statement: the desk isn't asked */
		upload(s, none[i], &r);
		assert_seen(s, "");
		assert_int_equal(r.status, 409);
		assert_true(has(r.body, "What was sent can&#39;t be read."));
		reply_free(&r);
	}
}

/* A statement may be longer than a form. */
static void test_long_statement(void **state)
{
	struct site *s = *state;
	struct buf csv = { 0 };
	struct reply r;
	s->session = "clerk";
	buf_add(&csv, STR("Date,ID,Amount\n"));
	for (unsigned i = 0; i < 20000; i++)
		buf_printf(&csv, "2025-11-22,FT%u,150000\n", i);
	assert_true(csv.n > 4 * (64 << 10));
	upload(s, buf_str(&csv), &r);
	assert_int_equal(r.status, 200);
	assert_true(has(buf_str(&s->seen), "FT19999"));
	reply_free(&r);
	buf_free(&csv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_escaped, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_not_there, begin, end),
		cmocka_unit_test_setup_teardown(test_forms, begin, end),
		cmocka_unit_test_setup_teardown(test_tray, begin, end),
		cmocka_unit_test_setup_teardown(test_statement, begin, end),
		cmocka_unit_test_setup_teardown(test_long_statement, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
