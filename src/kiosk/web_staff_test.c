#include "kiosk/web_fixture.h"
#include "kiosk/web_staff.h"

/* Signing in, the counter, lists: pages and forms as a browser sees them. */

#define ROOMS                                                                                                          \
	"\"rooms\":[{\"room\":3,\"name\":\"Room three\",\"specialty\":{\"vi\":\"Nhi\"},\"now\":[],\"next\":[],"        \
	"\"waiting\":2,\"paused\":false},{\"room\":4,\"name\":\"" HOSTILE "\",\"specialty\":{\"vi\":\"Mắt\"},"       \
	"\"now\":[],\"next\":[],\"waiting\":0,\"paused\":true}]"
#define BOOKED(ref, label, name)                                                                                       \
	"{\"ref\":\"" ref                                                                                              \
	"\",\"room\":3,\"room_name\":\"Room three\",\"day\":\"2025-11-22\",\"start\":450,\"number\":12,"               \
	"\"label\":\"" label "\",\"priority\":true,\"state\":\"called\",\"name\":\"" name                              \
	"\",\"phone\":\"0912345678\","                                                                                 \
	"\"born\":1980,\"since\":1763799700000000,\"specialty\":{\"vi\":\"Nhi\",\"en\":\"Children\"}}"

static const struct said room[] = {
	{ "board", "{\"day\":\"2025-11-22\",\"at\":1763800000000000,\"seq\":7," ROOMS "}" },
	{ "waiting",
	  "{\"waiting\":[" BOOKED("r1", "A012", "N** V** A**") "," BOOKED(
	          "r5", "A015", HOSTILE) "],"
	                                 "\"called\":[" BOOKED("r2", "A013", "T** B**") "," BOOKED(
	                                         "r6", "A010",
	                                         "L** C**") "],"
	                                                    "\"missed\":[" BOOKED("r3", "A009",
	                                                                          "P** D**") "],\"paused\":false}" },
	{ "ticket", BOOKED("r2", "A013", "Trần Bình " HOSTILE) },
	{ "arrive", BOOKED("r9", "A020", "X") },
	{ "day-list", "{\"rooms\":[{\"room\":3,\"name\":\"Room three\",\"bookings\":[" BOOKED(
	                      "r1", "A012", "Nguyễn Văn An") "," BOOKED("r4", "B007", HOSTILE) "]}]}" },
	{ 0 },
};

static int begin(void **state)
{
	struct site *s = malloc(sizeof(*s));
	site_start(s, 0);
	s->more = room;
	*state = s;
	return 0;
}

static int end(void **state)
{
	site_stop(*state);
	free(*state);
	return 0;
}

/* --- who may --- */

static void test_sign_in(void **state)
{
	struct site *s = *state;
	struct reply r;
	static const struct said in[] = {
		{ "sign-in", "{\"session\":\"clerk\",\"name\":\"Lan\",\"roles\":2,\"ends\":1}" }, { 0 }
	};
	static const struct said wrong[] = { { "sign-in", "{\"refused\":\"sign-in\"}" }, { 0 } };
	site_get(s, "/staff", &r);
	assert_goes(&r, "/staff/sign-in");
	s->more = wrong;
	site_submit(s, "/staff/sign-in", "/staff/sign-in", "login=lan&password=+wrong+", &r);
	assert_seen(s, "{\"login\":\"lan\",\"op\":\"sign-in\",\"password\":\" wrong \"}\n");
	assert_goes(&r, "/staff/sign-in?said=sign-in");
	site_get(s, "/staff/sign-in?said=sign-in", &r);
	assert_true(has(r.body, "The login or the password is wrong."));
	reply_free(&r);
	s->more = in;
	site_submit(s, "/staff/sign-in", "/staff/sign-in", "login=lan&password=right", &r);
	assert_true(has(r.head, "\r\nSet-Cookie: kiosk_staff=clerk; "));
	assert_true(has(r.head, "HttpOnly"));
	assert_goes(&r, "/staff");
}

static void test_sign_out(void **state)
{
	struct site *s = *state;
	struct reply r;
	s->session = "clerk";
	site_submit(s, "/staff", "/staff/sign-out", "", &r);
	assert_seen(s, "{\"op\":\"sign-out\",\"session\":\"clerk\"}\n");
	assert_true(has(r.head, "\r\nSet-Cookie: kiosk_staff=; Path=/; Max-Age=0"));
	assert_goes(&r, "/staff/sign-in");
	s->session = "stolen";
	site_get(s, "/staff", &r);
	assert_goes(&r, "/staff/sign-in");
}

/* The whole table: nobody gets beyond the page to sign in, and nothing is changed without a form's token. */
static void test_nobody_may(void **state)
{
	static const struct route routes[] = { STAFF_ROUTES };
	struct site *s = *state;
	unsigned changes = 0;
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		struct reply r;
		if (!(routes[i].roles & ROLE_STAFF))
			continue;
		s->session = NULL;
		s->seen.n = 0;
		if (routes[i].method == METHOD_GET) {
			site_get(s, routes[i].path, &r);
			assert_goes(&r, "/staff/sign-in");
			continue;
		}
		changes++;
		site_send_body(s, routes[i].path, "", STR("ref=r1"), &r);
		assert_goes(&r, "/staff/sign-in");
		s->session = routes[i].roles & ROLE_CLERK ? "clerk" : "admin";
		site_send_body(s, routes[i].path, "", STR("ref=r1&here=3&token=AAAA"), &r);
		assert_int_equal(r.status, 403);
		reply_free(&r);
		assert_seen(s, "");
	}
	assert_true(changes > 20);
}

static void test_other_roles(void **state)
{
	struct site *s = *state;
	struct reply r;
	s->session = "clerk";
	site_get(s, "/admin/people", &r);
	assert_int_equal(r.status, 403);
	reply_free(&r);
	s->session = "admin";
	site_get(s, "/staff/room/3", &r);
	assert_int_equal(r.status, 403);
	reply_free(&r);
	site_get(s, "/staff", &r);
	assert_int_equal(r.status, 200);
	assert_true(has(r.body, "href=\"/admin/people\""));
	assert_false(has(r.body, "href=\"/staff/tray\""));
	reply_free(&r);
}

/* A token is good for its own action, its own browser and its own session alone. */
static void test_forged_forms(void **state)
{
	struct site *s = *state;
	struct reply r;
	char token[64], body[160];
	s->session = "clerk";
	site_get(s, "/staff/room/3", &r);
	token_of_form(r.body, "/staff/next", token);
	reply_free(&r);
	s->seen.n = 0;
	snprintf(body, sizeof(body), "token=%s&here=3", token);
	site_send_body(s, "/staff/pause", "", str_from(body), &r);
	assert_int_equal(r.status, 403);
	reply_free(&r);
	char visitor[sizeof(s->cookies[0])];
	memcpy(visitor, s->cookies[COOKIE_VISITOR], sizeof(visitor));
	snprintf(s->cookies[COOKIE_VISITOR], sizeof(visitor), "AAAAAAAAAAAAAAAAAAAAAA");
	site_send_body(s, "/staff/next", "", str_from(body), &r);
	assert_int_equal(r.status, 403);
	reply_free(&r);
	memcpy(s->cookies[COOKIE_VISITOR], visitor, sizeof(visitor));
	clock_advance(&s->clock, 4 * 3600 * (int64_t)CLOCK_S);
	site_send_body(s, "/staff/next", "", str_from(body), &r);
	assert_int_equal(r.status, 403);
	reply_free(&r);
	assert_seen(s, "");
}

/* --- the counter --- */

static void test_counter_page(void **state)
{
	struct site *s = *state;
	struct reply r;
	s->session = "clerk";
	site_get(s, "/staff/room/3", &r);
	assert_int_equal(r.status, 200);
	assert_seen(s, "{\"op\":\"board\",\"session\":\"clerk\"}\n"
	               "{\"op\":\"waiting\",\"room\":3,\"session\":\"clerk\"}\n"
	               "{\"op\":\"ticket\",\"ref\":\"r2\",\"session\":\"clerk\"}\n");
	assert_true(has(r.body, "Trần Bình"));
	assert_true(has(r.body, "N** V** A**"));
	assert_false(has(r.body, "T** B**"));
	assert_true(has(r.body, "A009"));
	assert_true(has(r.body, "A010"));
	assert_true(has(r.body, "<td>5</td>")); /* minutes that they wait */
	assert_int_equal(count(r.body, "<script"), 1);
	assert_int_equal(count(r.body, HOSTILE_ESCAPED), 3); /* who waits, who is called, a room */
	for (const char *key = "nadspctwb"; *key; key++) {
		char want[16];
		snprintf(want, sizeof(want), "accesskey=\"%c\"", *key);
		assert_int_equal(count(r.body, want), 1);
	}
	reply_free(&r);
	site_get(s, "/staff/room/9", &r);
	assert_int_equal(r.status, 404);
	reply_free(&r);
}

static void test_counter_acts(void **state)
{
	static const struct {
		const char *action, *fields, *call;
	} acts[] = {
		{ "/staff/next", "here=3", "{\"op\":\"next\",\"room\":3,\"session\":\"clerk\"}\n" },
		{ "/staff/done", "here=3&ref=r2", "{\"op\":\"done\",\"ref\":\"r2\",\"session\":\"clerk\"}\n" },
		{ "/staff/again", "here=3&ref=r2", "{\"op\":\"again\",\"ref\":\"r2\",\"session\":\"clerk\"}\n" },
		{ "/staff/skip", "here=3&ref=r2", "{\"op\":\"skip\",\"ref\":\"r2\",\"session\":\"clerk\"}\n" },
		{ "/staff/back", "here=3&ref=r3", "{\"op\":\"back\",\"ref\":\"r3\",\"session\":\"clerk\"}\n" },
		{ "/staff/transfer", "here=3&ref=r2&room=4",
		  "{\"op\":\"transfer\",\"ref\":\"r2\",\"room\":4,\"session\":\"clerk\"}\n" },
		{ "/staff/pause", "here=3&paused=1",
		  "{\"op\":\"pause\",\"paused\":true,\"room\":3,\"session\":\"clerk\"}\n" },
	};
	struct site *s = *state;
	struct reply r;
	s->session = "clerk";
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		site_submit(s, "/staff/room/3", acts[i].action, acts[i].fields, &r);
		assert_seen(s, acts[i].call);
		assert_goes(&r, "/staff/room/3");
	}
}

static void test_counter_refused(void **state)
{
	const struct said paused[] = { room[0], room[1], room[2], { "next", "{\"refused\":\"paused\"}" }, { 0 } };
	struct site *s = *state;
	struct reply r;
	s->session = "clerk";
	s->more = paused;
	site_submit(s, "/staff/room/3", "/staff/next", "here=3", &r);
	assert_goes(&r, "/staff/room/3?said=paused");
	site_get(s, "/staff/room/3?said=paused", &r);
	assert_true(has(r.body, "The room is paused."));
	reply_free(&r);
	site_get(s, "/staff/room/3?said=%3Cscript%3E", &r);
	assert_int_equal(count(r.body, "<script"), 1);
	reply_free(&r);
}

static void test_arrive(void **state)
{
	static const struct {
		const char *fields, *calls, *to;
	} forms[] = {
		{ "here=3&day=2025-11-22&code=abcde-23456", /* as people write it */
		  "{\"code\":\"ABCDE23456\",\"op\":\"arrive\",\"session\":\"clerk\"}\n", "/staff/room/3?arrived=r9" },
		{ "here=3&day=2025-11-22&code=12&priority=yes",
		  "{\"day\":\"2025-11-22\",\"number\":12,\"op\":\"arrive\",\"priority\":true,\"room\":3,\"session\":"
		  "\"clerk\"}"
		  "\n",
		  "/staff/room/3?arrived=r9" },
		{ "here=4&day=2025-11-22&code=b007&priority=no",
		  "{\"day\":\"2025-11-22\",\"op\":\"day-list\",\"session\":\"clerk\"}\n"
		  "{\"day\":\"2025-11-22\",\"number\":12,\"op\":\"arrive\",\"priority\":false,\"room\":3,"
		  "\"session\":\"clerk\"}\n",
		  "/staff/room/4?arrived=r9" },
		{ "here=3&day=2025-11-22&code=Z999",
		  "{\"day\":\"2025-11-22\",\"op\":\"day-list\",\"session\":\"clerk\"}\n",
		  "/staff/room/3?again=1&said=unknown" },
	};
	struct site *s = *state;
	struct reply r;
	s->session = "clerk";
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		site_submit(s, "/staff/room/3", "/staff/arrive", forms[i].fields, &r);
		assert_seen(s, forms[i].calls);
		assert_goes(&r, forms[i].to);
	}
	site_get(s, "/staff/room/3?arrived=r9", &r);
	assert_true(has(r.body, "Checked in: A013, Trần Bình"));
	assert_true(has(r.body, "accesskey=\"c\" autofocus"));
	reply_free(&r);
}

/* The slip has the code; the same form sent twice means the same. */
static void test_walk_in(void **state)
{
	static const struct said slip[] = {
		{ "walk-in",
		  "{\"ref\":\"r8\",\"room\":3,\"room_name\":\"Room three\",\"day\":\"2025-11-22\",\"start\":-1,"
		  "\"label\":\"A030\",\"state\":\"arrived\",\"name\":\"\",\"code\":\"ABCDE23456\",\"payment\":"
		  "{\"reference\":\"KH23456789\",\"amount\":150000,\"paid\":0,\"state\":\"open\",\"qr\":\"0002\"}}" },
		{ 0 },
	};
	struct site *s = *state;
	struct reply r;
	s->session = "clerk";
	s->more = slip;
	site_submit(s, "/staff/walk-in/3", "/staff/walk-in", "here=3&name=An&phone=&born=1980&priority=child", &r);
	assert_int_equal(r.status, 200);
	assert_true(has(r.body, "A030"));
	assert_true(has(r.body, "ABCDE-23456"));
	assert_true(has(r.body, "<svg"));
	assert_true(has(r.body, "150,000"));
	assert_true(has(buf_str(&s->seen), "{\"born\":1980,\"lang\":\"en\",\"name\":\"An\",\"once\":\""));
	assert_true(has(buf_str(&s->seen),
	                "\",\"op\":\"walk-in\",\"priority\":\"child\",\"room\":3,\"session\":\"clerk\"}"));
	reply_free(&r);
}

/* --- lists --- */

static void test_day_list(void **state)
{
	struct site *s = *state;
	struct reply r;
	s->session = "clerk";
	site_get(s, "/staff/list/2025-11-22", &r);
	assert_int_equal(r.status, 200);
	assert_true(has(r.body, "Nguyễn Văn An"));
	assert_true(has(r.body, "…678"));
	assert_false(has(r.body, "0912345678"));
	assert_true(has(r.body, HOSTILE_ESCAPED));
	assert_int_equal(count(r.body, "<script"), 1);
	reply_free(&r);
	site_get(s, "/staff/list", &r);
	assert_goes(&r, "/staff/list/2025-11-22");
	site_get(s, "/staff/list?day=2025-12-01", &r);
	assert_goes(&r, "/staff/list/2025-12-01");
	site_get(s, "/staff/list/2025-13-01", &r);
	assert_int_equal(r.status, 404);
	reply_free(&r);
}

static void test_booking(void **state)
{
	struct site *s = *state;
	struct reply r;
	s->session = "clerk";
	site_get(s, "/staff/booking/r2", &r);
	assert_int_equal(r.status, 200);
	assert_true(has(r.body, "0912345678"));
	assert_true(has(r.body, "action=\"/staff/done\""));
	assert_false(has(r.body, "action=\"/staff/arrive\""));
	assert_int_equal(count(r.body, "<script"), 1);
	reply_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sign_in, begin, end),
		cmocka_unit_test_setup_teardown(test_sign_out, begin, end),
		cmocka_unit_test_setup_teardown(test_nobody_may, begin, end),
		cmocka_unit_test_setup_teardown(test_other_roles, begin, end),
		cmocka_unit_test_setup_teardown(test_forged_forms, begin, end),
		cmocka_unit_test_setup_teardown(test_counter_page, begin, end),
		cmocka_unit_test_setup_teardown(test_counter_acts, begin, end),
		cmocka_unit_test_setup_teardown(test_counter_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_arrive, begin, end),
		cmocka_unit_test_setup_teardown(test_walk_in, begin, end),
		cmocka_unit_test_setup_teardown(test_day_list, begin, end),
		cmocka_unit_test_setup_teardown(test_booking, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
