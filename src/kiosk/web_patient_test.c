/* The pages of patients, over HTTP: against a desk that knows one booking. */
#include "kiosk/web_fixture.h"

static const struct web_config plain;

static void test_pages(void **state)
{
	struct site s = { .desk = desk_for_patients };
	site_open(&s, plain);
	struct reply r = browse(&s, "/");
	assert_int_equal(r.status, 200);
	assert_true(has(r.body, "<html lang=\"vi\">"));
	assert_true(has(r.body, "BV &lt;Một&gt;"));
	assert_true(has(r.body, "<a href=\"/s/1\"><b>Nội</b><span>Phí khám: 150.000 ₫"));
	assert_true(reply_header(&r, "Content-Security-Policy").n);
	assert_true(str_eq(reply_header(&r, "Cache-Control"), STR("no-store")));
	assert_int_equal(reply_header(&r, "Set-Cookie").n, 0);
	assert_int_equal(s.roles, ROLE_ANYBODY);
	reply_free(&r);
	r = browse(&s, "/s/1?lang=en");
	assert_true(has(r.body, "<a href=\"/s/1/" DAY "\"><b>Monday</b><span>23 Nov 2026</span><small>2 left"));
	assert_true(has(r.body, "<span class=\"off\"><b>Tuesday</b><span>24 Nov 2026</span><small>Tết"));
	assert_true(str_starts(reply_header(&r, "Set-Cookie"), STR("lang=en; Path=/; ")));
	reply_free(&r);
	r = browse(&s, "/s/1/" DAY);
	assert_true(has(r.body, "Medicine"));
	assert_true(has(r.body, "value=\"3.450\" required><span>7:30<small>1 left"));
	assert_false(has(r.body, "3.465")); /* is taken */
	reply_free(&r);
	static const char *const none[] = {
		"/s/2", "/s/x", "/s/1/2026-02-30", "/s/1/2026-11-21", "/s/1/2026-12-07", "/s/1/" DAY "/", "/s",
		"/x",   "//"
	};
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		r = browse(&s, none[i]);
		assert_int_equal(r.status, 404);
		reply_free(&r);
	}
	site_stop(&s);
}

static void test_book(void **state)
{
	struct site s = { .desk = desk_for_patients };
	site_open(&s, plain);
	struct reply r = submit(&s, "/s/1/" DAY, "/book", PATIENT "&phone=0912345678&slot=3.450&priority=child");
	assert_true(has(buf_str(&s.seen), "\"name\":\"Nguyễn <An>\""));
	assert_true(has(buf_str(&s.seen), "\"born\":1980"));
	assert_true(has(buf_str(&s.seen), "\"start\":450"));
	assert_true(has(buf_str(&s.seen), "\"priority\":\"child\""));
	assert_false(has(buf_str(&s.seen), "\"once\":\"\""));
	/* neither code nor phone can be read from what the browser holds */
	assert_null(memmem(r.all.p, r.all.n, "ABCDE", 5));
	assert_null(memmem(r.all.p, r.all.n, "09123", 5));
	assert_true(strlen(s.cookies[COOKIE_TICKET]) > 60);
	assert_goes(&r, "/ticket");
	r = browse(&s, "/ticket");
	assert_int_equal(r.status, 200);
	assert_true(has(buf_str(&s.seen), "\"code\":\"ABCDE23456\",\"op\":\"lookup\",\"phone\":\"0912345678\""));
	assert_true(has(r.body, "<p class=\"number\">A012</p>"));
	assert_true(has(r.body, "ABCDE-23456"));
	assert_true(has(r.body, "P.&lt;3&gt;"));
	assert_true(has(r.body, "<svg"));
	assert_true(has(r.body, "Còn 10 phút"));
	assert_false(has(r.body, "0912345678"));
	reply_free(&r);
	r = browse(&s, "/qr.png");
	assert_true(str_starts(r.body, STR("\x89PNG")));
	reply_free(&r);
	r = submit(&s, "/ticket", "/paid", "");
	assert_goes(&r, "/ticket?asked=1");
	r = browse(&s, "/ticket?asked=1");
	assert_true(has(r.body, "role=\"status\""));
	reply_free(&r);
	r = submit(&s, "/ticket", "/cancel", "");
	assert_int_equal(r.status, 409);
	assert_true(has(r.body, "Không còn hủy được"));
	assert_true(has(r.body, "A012"));
	reply_free(&r);
	r = submit(&s, "/ticket", "/forget", "");
	assert_goes(&r, "/");
	assert_string_equal(s.cookies[COOKIE_TICKET], "");
	r = browse(&s, "/ticket");
	assert_true(has(r.body, "href=\"/find\""));
	reply_free(&r);
	site_stop(&s);
}

static json_t *desk_after_cancel(struct site *s, const char *op, const json_t *call)
{
	json_t *b = !strcmp(op, "lookup") ? booking("cancelled", "paid") : desk_for_patients(s, op, call);
	if (!strcmp(op, "cancel")) {
		json_decref(b);
		return booking("cancelled", "paid");
	}
	if (!strcmp(op, "lookup"))
		json_object_set_new(json_object_get(b, "payment"), "paid", json_integer(150000));
	return b;
}

/* It says so, and what becomes of the money; nothing more is to be kept, brought, printed or cancelled. */
static void test_cancelled(void **state)
{
	struct site s = { .desk = desk_for_patients };
	site_open(&s, plain);
	struct reply r = submit(&s, "/s/1/" DAY, "/book", PATIENT "&phone=0912345678&slot=3.450");
	assert_goes(&r, "/ticket");
	r = browse(&s, "/ticket");
	char token[64], body[128];
	token_of_form(r.body, "/cancel", token);
	reply_free(&r);
	snprintf(body, sizeof(body), "token=%s", token);
	s.desk = desk_after_cancel;
	r = fetch(&s, "POST", "/cancel", body);
	assert_goes(&r, "/ticket");
	r = browse(&s, "/ticket");
	assert_int_equal(r.status, 200);
	assert_true(has(r.body, "Lịch khám này đã hủy."));
	assert_true(has(r.body, "<p class=\"number gone\">A012</p>"));
	assert_true(has(r.body, "Bạn đã trả 150.000 ₫. Xin đến quầy"));
	assert_true(has(r.body, "<a class=\"button\" href=\"/\">"));
	static const char *const none[] = { "Xin in, chụp ảnh",   "data-print",
		                            "action=\"/cancel\"", "<svg",
		                            "id=\"pay\"",         "Xin đến quầy trước giờ" };
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_false(has(r.body, none[i]));
	reply_free(&r);
	site_stop(&s);
}

/* It comes back filled, with the reason where it belongs. */
static void test_form_again(void **state)
{
	struct site s = { .desk = desk_for_patients };
	site_open(&s, plain);
	struct reply r = submit(&s, "/s/1/" DAY, "/book", PATIENT "&phone=x&slot=3.450&priority=merit");
	assert_int_equal(r.status, 422);
	assert_true(has(r.body, "value=\"Nguyễn &lt;An&gt;\""));
	assert_true(has(r.body,
	                "name=\"phone\" type=\"tel\" autocomplete=\"tel\" maxlength=\"20\" required value=\"x\" "
	                "aria-invalid=\"true\" aria-describedby=\"phone-wrong\""));
	assert_true(has(r.body, "<p class=\"wrong\" id=\"phone-wrong\">"));
	assert_true(has(r.body, "value=\"3.450\" required checked>"));
	assert_true(has(r.body, "<option value=\"merit\" selected>"));
	assert_true(has(r.body, "href=\"/s/1/" DAY "?lang=en\""));
	reply_free(&r);
	r = submit(&s, "/s/1/" DAY, "/book", PATIENT "&phone=0912345678&slot=3.465");
	assert_int_equal(r.status, 422);
	assert_true(has(r.body, "role=\"alert\">Giờ này vừa hết chỗ"));
	reply_free(&r);
	static const char *const slots[] = { "", "3", "3.", ".450", "3.450x", "-3.450", "3.1440" };
	for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
		char fields[200];
		snprintf(fields, sizeof(fields), PATIENT "&phone=0912345678&slot=%s", slots[i]);
		r = submit(&s, "/s/1/" DAY, "/book", fields);
		assert_int_equal(r.status, 422);
		assert_true(has(r.body, "Xin chọn giờ khám"));
		assert_false(has(buf_str(&s.seen), "book"));
		reply_free(&r);
	}
	site_stop(&s);
}

static void test_find(void **state)
{
	struct site s = { .desk = desk_for_patients };
	site_open(&s, plain);
	struct reply r = submit(&s, "/find", "/find", "code=wrong&phone=0912345678");
	assert_int_equal(r.status, 422);
	assert_true(has(r.body, "Không tìm thấy."));
	assert_true(has(r.body, "value=\"wrong\""));
	reply_free(&r);
	r = submit(&s, "/find", "/find", "code=ABCDE23456&phone=0912345678");
	assert_goes(&r, "/ticket");
	for (int i = 2; i < 60; i++) {
		r = submit(&s, "/find", "/find", "code=guess&phone=0912345678");
		assert_int_equal(r.status, 422);
		reply_free(&r);
	}
	const unsigned asked = s.asked;
	r = submit(&s, "/find", "/find", "code=guess&phone=0912345678");
	assert_int_equal(r.status, 429);
	assert_true(str_eq(reply_header(&r, "Retry-After"), STR("60")));
	assert_int_equal(s.asked, asked);
	reply_free(&r);
	assert_int_equal(web_counts(s.web).limited, 1);
	clock_advance(&s.clock, 60 * (int64_t)CLOCK_S);
	r = submit(&s, "/find", "/find", "code=guess&phone=0912345678");
	assert_int_equal(r.status, 422);
	reply_free(&r);
	site_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages),      cmocka_unit_test(test_book), cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_form_again), cmocka_unit_test(test_find),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
