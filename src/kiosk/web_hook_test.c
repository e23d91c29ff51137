#include "kiosk/web_fixture.h"

/* Banks and the hospital's system. */

#define JSON "Content-Type: application/json\r\n"

static int begin(void **state)
{
	struct site *s = malloc(sizeof(*s));
	site_start(s, 0);
	*state = s;
	return 0;
}

static int end(void **state)
{
	site_stop(*state);
	free(*state);
	return 0;
}

static void assert_answered(struct reply *r, int status, const char *body)
{
	if (r->status != status || !str_eq(str_trim(r->body), str_from(body)))
		fail_msg("%d " STR_FMT, r->status, STR_ARG(r->body));
	reply_free(r);
}

/* --- banks --- */

static void test_notice(void **state)
{
	static const struct said taken[] = { { "notice", "{\"taken\":true,\"known\":false}" }, { 0 } };
	struct site *s = *state;
	struct reply r;
	s->more = taken;
	site_send_body(s, "/hook/sepay", JSON "Authorization: Apikey KEY\r\n", STR("{\"id\":1}"), &r);
	assert_answered(&r, 200, "{\"success\":true}");
	assert_seen(s, "{\"authorization\":\"Apikey "
	               "KEY\",\"bank\":\"sepay\",\"body\":\"{\\\"id\\\":1}\",\"op\":\"notice\"}\n");
	s->seen.n = 0;
	site_send_body(s, "/hook/sepay", JSON "X-SePay-Timestamp: 1763800000\r\nX-SePay-Signature: sha256=ab\r\n",
	               STR("{}"), &r);
	assert_answered(&r, 200, "{\"success\":true}");
	assert_seen(
	        s,
	        "{\"authorization\":\"1763800000 sha256=ab\",\"bank\":\"sepay\",\"body\":\"{}\",\"op\":\"notice\"}\n");
	s->seen.n = 0;
	site_send_body(s, "/hook/payos", JSON, STR("{}"), &r);
	assert_answered(&r, 200, "{\"success\":true}");
	assert_true(has(buf_str(&s->seen), "\"bank\":\"payos\""));
}

/* Only what will never be right is answered so that it isn't sent again. */
static void test_notice_refused(void **state)
{
	static const struct said signature[] = { { "notice", "{\"refused\":\"signature\"}" }, { 0 } };
	static const struct said body[] = { { "notice", "{\"refused\":\"body\"}" }, { 0 } };
	static const struct said standby[] = { { "notice", "{\"refused\":\"standby\"}" }, { 0 } };
	static const struct said trouble[] = { { "notice", "{\"trouble\":\"the disk is full\"}" }, { 0 } };
	struct site *s = *state;
	struct reply r;
	s->more = signature;
	site_send_body(s, "/hook/sepay", JSON, STR("{}"), &r);
	assert_answered(&r, 401, "{\"success\":false}");
	s->more = body;
	site_send_body(s, "/hook/sepay", JSON, STR("{}"), &r);
	assert_answered(&r, 400, "{\"success\":false}");
	s->more = standby;
	site_send_body(s, "/hook/sepay", JSON, STR("{}"), &r);
	assert_int_equal(r.status, 503);
	assert_true(reply_header(&r, "Retry-After").n);
	reply_free(&r);
	s->more = trouble;
	site_send_body(s, "/hook/payos", JSON, STR("{}"), &r);
	assert_int_equal(r.status, 503);
	assert_false(has(r.body, "disk"));
	reply_free(&r);
}

static void test_notice_body(void **state)
{
	struct site *s = *state;
	struct reply r;
	struct buf large = { 0 };
	site_send_body(s, "/hook/sepay", JSON, STR(""), &r);
	assert_answered(&r, 400, "{\"success\":false}");
	site_send_body(s, "/hook/sepay", JSON, STR("{\"a\":\"\xff\"}"), &r);
	assert_answered(&r, 400, "{\"success\":false}");
	site_send_body(s, "/hook/sepay", JSON, STR("{}\0"), &r);
	assert_answered(&r, 400, "{\"success\":false}");
	memset(buf_room(&large, 70000), ' ', 70000);
	large.n = 70000;
	site_send_body(s, "/hook/sepay", JSON, buf_str(&large), &r);
	assert_int_equal(r.status, 413);
	reply_free(&r);
	buf_free(&large);
	site_get(s, "/hook/sepay", &r);
	assert_int_equal(r.status, 405);
	reply_free(&r);
	assert_seen(s, "");
}

/* --- the hospital's system --- */

#define TOKEN "Authorization: Bearer hospital-token\r\n"

static void test_fhir_token(void **state)
{
	static const char *const wrong[] = { "", "Authorization: Bearer hospital-toke\r\n",
		                             "Authorization: Bearer hospital-tokeN\r\n", "Authorization: Bearer \r\n",
		                             "Authorization: Basic hospital-token\r\n" };
	struct site *s = *state;
	struct reply r;
	s->session = "admin";
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		site_send_body(s, "/fhir/Slot", wrong[i], STR("{}"), &r);
		assert_int_equal(r.status, 401);
		reply_free(&r);
	}
	site_get(s, "/fhir/Appointment", &r);
	assert_int_equal(r.status, 401);
	reply_free(&r);
	assert_seen(s, "");
}

static void test_fhir_slots(void **state)
{
	static const struct said taken[] = {
		{ "fhir-slots", "{\"taken\":2,\"refused\":[{\"id\":\"s3\",\"why\":\"no such room\"}]}" }, { 0 }
	};
	static const struct said refused[] = { { "fhir-slots", "{\"refused\":\"body\"}" }, { 0 } };
	struct site *s = *state;
	struct reply r;
	s->more = taken;
	site_send_body(s, "/fhir/Slot", TOKEN "Content-Type: application/fhir+json\r\n", STR("{\"a\":1}"), &r);
	assert_true(str_starts(reply_header(&r, "Content-Type"), STR("application/fhir+json")));
	assert_answered(&r, 200,
	                "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"information\",\"code\":"
	                "\"informational\",\"diagnostics\":\"2 taken\"},{\"severity\":\"error\",\"code\":\"invalid\","
	                "\"diagnostics\":\"s3: no such room\"}]}");
	assert_seen(s, "{\"bundle\":\"{\\\"a\\\":1}\",\"op\":\"fhir-slots\"}\n");
	s->more = refused;
	site_send_body(s, "/fhir/Slot", TOKEN, STR("{"), &r);
	assert_int_equal(r.status, 400);
	reply_free(&r);
}

static void test_fhir_appointments(void **state)
{
	static const struct said box[] = {
		{ "outbox", "{\"waiting\":7,\"items\":[{\"id\":5,\"what\":\"booked\",\"tries\":0,"
		            "\"appointment\":\"{\\\"resourceType\\\":\\\"Appointment\\\"}\"},{\"id\":6,\"appointment\":"
		            "\"{\"}]}" },
		{ "outbox-sent", "{}" },
		{ 0 },
	};
	struct site *s = *state;
	struct reply r;
	s->more = box;
	s->headers = TOKEN;
	site_get(s, "/fhir/Appointment", &r);
	assert_answered(
	        &r, 200,
	        "{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":7,\"entry\":[{\"link\":[{\"relation\":"
	        "\"acknowledge\",\"url\":\"/fhir/Appointment/5\"}],\"resource\":{\"resourceType\":\"Appointment\"}},"
	        "{\"link\":[{\"relation\":\"acknowledge\",\"url\":\"/fhir/Appointment/6\"}]}]}");
	s->seen.n = 0;
	site_send_body(s, "/fhir/Appointment/5", "", STR(""), &r);
	assert_answered(&r, 200, "{}");
	assert_seen(s, "{\"id\":5,\"op\":\"outbox-sent\"}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_notice, begin, end),
		cmocka_unit_test_setup_teardown(test_notice_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_notice_body, begin, end),
		cmocka_unit_test_setup_teardown(test_fhir_token, begin, end),
		cmocka_unit_test_setup_teardown(test_fhir_slots, begin, end),
		cmocka_unit_test_setup_teardown(test_fhir_appointments, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
