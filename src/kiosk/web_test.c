/* What all pages have in common, over HTTP: against a desk that says what the test wants. */
#include "kiosk/web_fixture.h"

static const struct web_config plain;

static void expect_language(struct site *s, const char *header, const char *code)
{
	char want[32];
	s->headers = header;
	struct reply r = browse(s, "/find");
	snprintf(want, sizeof(want), "<html lang=\"%s\">", code);
	assert_true(has(r.body, want));
	reply_free(&r);
	s->headers = NULL;
}

static void test_languages(void **state)
{
	struct site s = { .desk = desk_for_patients };
	site_open(&s, plain);
	expect_language(&s, "Accept-Language: zh-CN,zh;q=0.9,en;q=0.8\r\n", "zh");
	expect_language(&s, "Accept-Language: fr, en;q=0.5, vi;q=0.75\r\n", "vi");
	expect_language(&s, "Accept-Language: vi;q=0.2,EN-gb;q=0.21\r\n", "en");
	expect_language(&s, "Accept-Language: fr,*\r\n", "vi");
	expect_language(&s, "Accept-Language: ,;q=,en;q=0,zh;q=\r\n", "vi");
	snprintf(s.cookies[COOKIE_LANG], 8, "en");
	expect_language(&s, "Accept-Language: zh\r\n", "en");
	snprintf(s.cookies[COOKIE_LANG], 8, "xx");
	expect_language(&s, "Accept-Language: zh\r\n", "zh");
	site_stop(&s);
}

static void expect_post(struct site *s, const char *path, const char *body, int status)
{
	const unsigned asked = s->asked;
	struct reply r = fetch(s, "POST", path, body);
	assert_int_equal(r.status, status);
	assert_true(status < 400 || s->asked == asked);
	reply_free(&r);
}

/* A form is taken only with the token that this kiosk gave to this browser for it. */
static void test_forged(void **state)
{
	struct site s = { .desk = desk_for_patients };
	char token[64], body[400];
	site_open(&s, plain);
	struct reply r = browse(&s, "/s/1/" DAY);
	token_of_form(r.body, "/book", token);
	reply_free(&r);
	assert_int_equal(strlen(s.cookies[COOKIE_VISITOR]), VISITOR_LENGTH);
	snprintf(body, sizeof(body), "token=%s&" PATIENT "&phone=0912345678&slot=3.450", token);
	expect_post(&s, "/book", PATIENT, 403);
	expect_post(&s, "/find", body, 403); /* of another form */
	body[10] ^= 1;
	expect_post(&s, "/book", body, 403);
	body[10] ^= 1;
	char *visitor = s.cookies[COOKIE_VISITOR];
	visitor[0] ^= 1; /* of another browser */
	expect_post(&s, "/book", body, 403);
	char *own = strdup(visitor);
	visitor[0] = '\0';
	expect_post(&s, "/book", body, 403);
	snprintf(visitor, VISITOR_LENGTH + 1, "%s", own);
	visitor[0] ^= 1;
	free(own);
	site_later(&s, 1);
	expect_post(&s, "/book", body, 303);
	clock_advance(&s.clock, 3 * 3600 * (int64_t)CLOCK_S);
	expect_post(&s, "/book", body, 403); /* of long ago */
	expect_post(&s, "/book", "token=%zz", 400);
	expect_post(&s, "/book", "a=1&a=2", 400);
	assert_true(web_counts(s.web).denied >= 6);
	site_stop(&s);
}

/* Everybody gets the same page for a second, but for their own token. */
static void test_kept(void **state)
{
	struct site s = { .desk = desk_for_patients };
	char first[64], second[64];
	site_open(&s, plain);
	struct reply r = browse(&s, "/s/1/" DAY);
	token_of_form(r.body, "/book", first);
	reply_free(&r);
	assert_int_equal(s.asked, 2);
	s.cookies[COOKIE_VISITOR][0] = '\0';
	r = browse(&s, "/s/1/" DAY);
	token_of_form(r.body, "/book", second);
	assert_true(reply_header(&r, "Set-Cookie").n);
	assert_string_not_equal(first, second);
	reply_free(&r);
	assert_int_equal(s.asked, 2);
	r = submit(&s, "/s/1/" DAY, "/book", PATIENT "&phone=0912345678&slot=3.450");
	assert_goes(&r, "/ticket");
	assert_int_equal(s.asked, 3);
	for (int i = 0; i < 3; i++) {
		r = browse(&s, "/");
		assert_true(has(r.body, "Nội"));
		assert_true(reply_header(&r, "Content-Security-Policy").n);
		reply_free(&r);
	}
	r = browse(&s, "/?lang=en");
	assert_true(has(r.body, "Medicine"));
	reply_free(&r);
	r = browse(&s, "/?lang=en");
	assert_true(has(r.body, "Medicine"));
	assert_true(str_starts(reply_header(&r, "Set-Cookie"), STR("lang=en")));
	reply_free(&r);
	assert_int_equal(s.asked, 5);
	clock_advance(&s.clock, CLOCK_S);
	r = browse(&s, "/");
	assert_int_equal(s.asked, 6);
	assert_int_equal(web_counts(s.web).pages_kept, 5);
	reply_free(&r);
	site_stop(&s);
}

/* Through a trusted proxy it is the visitor who is limited; nobody else is believed. */
static void test_proxy(void **state)
{
	static const char *const trusted[] = { "127.0.0.1", NULL };
	struct site s = { .desk = desk_for_patients };
	char header[100];
	struct reply r;
	site_open(&s, (struct web_config){ .trusted = trusted });
	for (int i = 0; i < 3 * LOOK_UPS_A_MINUTE; i++) {
		snprintf(header, sizeof(header), "X-Forwarded-For: 192.0.2.%d\r\nX-Forwarded-Proto: https\r\n", i);
		s.headers = header;
		r = submit(&s, "/find", "/find", "code=guess&phone=1");
		assert_int_equal(r.status, 422);
		reply_free(&r);
	}
	assert_int_equal(web_counts(s.web).limited, 0);
	s.cookies[COOKIE_VISITOR][0] = '\0';
	r = browse(&s, "/find");
	assert_true(str_ends(reply_header(&r, "Set-Cookie"), STR("; HttpOnly; SameSite=Lax; Secure")));
	reply_free(&r);
	/* what stands before what the proxy says is anybody's; also in a line of its own */
	for (int i = 0; i < 2 * LOOK_UPS_A_MINUTE; i++) {
		snprintf(header, sizeof(header), "X-Forwarded-For: 198.51.100.%d\r\nX-Forwarded-For: 2001:db8::%d\r\n",
		         i, i + 1);
		s.headers = header;
		r = submit(&s, "/find", "/find", "code=guess&phone=1");
		assert_int_equal(r.status, i < LOOK_UPS_A_MINUTE ? 422 : 429);
		reply_free(&r);
	}
	site_stop(&s);
	s = (struct site){ .desk = desk_for_patients };
	site_open(&s, plain);
	for (int i = 0; i < 2 * LOOK_UPS_A_MINUTE; i++) {
		snprintf(header, sizeof(header), "X-Forwarded-For: 192.0.2.%d\r\n", i);
		s.headers = header;
		r = submit(&s, "/find", "/find", "code=guess&phone=1");
		assert_int_equal(r.status, i < LOOK_UPS_A_MINUTE ? 422 : 429);
		reply_free(&r);
	}
	site_stop(&s);
}

static void test_methods(void **state)
{
	struct site s = { .desk = desk_for_patients, .headers = "Accept-Language: en\r\n" };
	site_open(&s, plain);
	struct reply r = fetch(&s, "HEAD", "/", NULL);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.body.n, 0);
	assert_true(strtoul(reply_header(&r, "Content-Length").p, NULL, 10) > 1000);
	reply_free(&r);
	r = browse(&s, "/cancel");
	assert_int_equal(r.status, 405);
	assert_true(str_eq(reply_header(&r, "Allow"), STR("POST")));
	reply_free(&r);
	r = fetch(&s, "DELETE", "/find", NULL);
	assert_int_equal(r.status, 405);
	assert_true(str_eq(reply_header(&r, "Allow"), STR("GET, HEAD, POST")));
	assert_true(has(r.body, "This page isn&#39;t opened that way"));
	reply_free(&r);
	r = browse(&s, "/kiosk.css");
	assert_true(str_eq(r.body, html_css));
	assert_non_null(memmem(r.head.p, r.head.n, "immutable", 9));
	reply_free(&r);
	r = browse(&s, "/kiosk.js");
	assert_true(str_eq(r.body, html_js));
	reply_free(&r);
	r = browse(&s, "/healthz");
	assert_int_equal(r.status, 200);
	reply_free(&r);
	s.health = -EIO;
	r = browse(&s, "/healthz");
	assert_int_equal(r.status, 503);
	assert_true(has(r.body, "no disk"));
	reply_free(&r);
	r = browse(&s, "/metrics");
	assert_int_equal(r.status, 404); /* without a token in the configuration there are none */
	reply_free(&r);
	site_stop(&s);
}

static void test_token_of_hospital(void **state)
{
	struct site s = { .desk = desk_for_patients };
	site_open(&s, (struct web_config){ .hospital_token = STR("secret") });
	static const struct {
		const char *header;
		int status;
	} tries[] = {
		{ "", 401 },
		{ "Authorization: Bearer secreT\r\n", 401 },
		{ "Authorization: Bearer secret1\r\n", 401 },
		{ "Authorization: Bearer \r\n", 401 },
		{ "Authorization: Bearer secret\r\n", 200 },
	};
	for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
		s.headers = tries[i].header;
		struct reply r = browse(&s, "/metrics");
		assert_int_equal(r.status, tries[i].status);
		assert_int_equal(has(r.body, "khien_kiosk_up 1\n"), r.status == 200);
		assert_int_equal(has(r.body, "khien_kiosk_web_denied_total 4\n"), r.status == 200);
		reply_free(&r);
	}
	site_stop(&s);
}

static struct reply send_raw(struct site *s, const char *text)
{
	struct reply r = { 0 };
	const int fd = site_dial(s, 1);
	site_send(s, fd, str_from(text));
	site_receive(s, fd, &r, false, 300);
	close(fd);
	return r;
}

static void test_sizes(void **state)
{
	struct site s = { .desk = desk_for_patients };
	site_open(&s, plain);
	struct reply r =
	        send_raw(&s, "POST /book HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\nExpect: 100-continue\r\n\r\n");
	assert_int_equal(r.status, 413);
	assert_true(has(r.body, "Nội dung gửi quá lớn"));
	reply_free(&r);
	r = send_raw(&s, "POST /book HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab");
	assert_int_equal(r.status, 400);
	reply_free(&r);
	struct buf b = { 0 };
	buf_add(&b, STR("POST /book HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
	for (int i = 0; i < 70; i++) {
		buf_add(&b, STR("400\r\n"));
		memset(buf_room(&b, 1024), 'a', 1024);
		b.n += 1024;
		buf_add(&b, STR("\r\n"));
	}
	buf_add(&b, STR("0\r\n\r\n"));
	buf_putc(&b, '\0');
	r = send_raw(&s, b.p);
	assert_int_equal(r.status, 413);
	reply_free(&r);
	buf_free(&b);
	site_stop(&s);
}

/* --- waiting for the desk --- */

static json_t *silent(struct site *s, const char *op, const json_t *call)
{
	return NULL;
}

static void test_waits(void **state)
{
	struct site s = { .desk = silent };
	struct reply r = { 0 };
	site_open(&s, plain);
	int fd = site_dial(&s, 1);
	site_send(&s, fd, STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	site_receive(&s, fd, &r, false, 20);
	assert_int_equal(r.status, -1);
	web_answered(s.web, s.number + 1, places()); /* nobody's */
	web_answered(s.web, s.number, places());
	web_answered(s.web, s.number, places());
	site_receive(&s, fd, &r, false, 500);
	assert_int_equal(r.status, 200);
	reply_free(&r);
	/* the desk is silent for too long; then it speaks after all */
	clock_advance(&s.clock, CLOCK_S);
	site_send(&s, fd, STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	site_later(&s, 31);
	site_receive(&s, fd, &r, false, 500);
	assert_int_equal(r.status, 503);
	assert_true(reply_header(&r, "Retry-After").n);
	web_answered(s.web, s.number, places());
	reply_free(&r);
	/* who asked has gone */
	site_send(&s, fd, STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	const uint64_t number = s.number;
	close(fd);
	site_run(&s, 1);
	web_answered(s.web, number, places());
	site_run(&s, 1);
	/* and one still waits when all ends */
	fd = site_dial(&s, 1);
	site_send(&s, fd, STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	site_stop(&s);
	close(fd);
}

static json_t *shut(struct site *s, const char *op, const json_t *call)
{
	return s->health ? json_pack("{s:s}", "refused", "standby") : json_pack("{s:s}", "trouble", "no disk");
}

static void test_shut(void **state)
{
	struct site s = { .desk = shut, .headers = "Accept-Language: zh\r\n" };
	site_open(&s, plain);
	for (s.health = 0; s.health < 2; s.health++) {
		struct reply r = browse(&s, "/");
		assert_int_equal(r.status, 503);
		assert_true(has(r.body, "系统繁忙"));
		assert_int_equal(has(r.body, "备用系统"), s.health);
		assert_int_equal(has(r.body, "没有任何信息丢失"), !s.health);
		assert_false(has(r.body, "no disk"));
		reply_free(&r);
	}
	site_stop(&s);
}

static void test_drain(void **state)
{
	struct site s = { .desk = silent };
	struct reply r = { 0 };
	site_open(&s, plain);
	assert_int_equal(web_counts(s.web).connections, 0);
	const int fd = site_dial(&s, 1);
	site_send(&s, fd, STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_false(web_drain(s.web));
	web_answered(s.web, s.number, places());
	site_receive(&s, fd, &r, false, 500);
	assert_int_equal(r.status, 200);
	assert_true(str_eq(reply_header(&r, "Connection"), STR("close")));
	assert_true(web_drain(s.web));
	reply_free(&r);
	close(fd);
	site_stop(&s);
}

/* --- who may --- */

static json_t *staff_desk(struct site *s, const char *op, const json_t *call)
{
	if (strcmp(op, "who"))
		return json_pack("{s:[]}", "rooms");
	if (!is(call, "session", "one"))
		return refuse("session", "");
	return json_pack("{s:s, s:s, s:i}", "login", "lan", "name", "Lan <x>", "roles", ROLE_CLERK);
}

static void test_who(void **state)
{
	struct site s = { .desk = staff_desk };
	site_open(&s, plain);
	struct reply r = browse(&s, "/staff");
	assert_goes(&r, "/staff/sign-in");
	assert_int_equal(s.asked, 0);
	snprintf(s.cookies[COOKIE_SESSION], 10, "ended");
	r = browse(&s, "/staff");
	assert_goes(&r, "/staff/sign-in");
	assert_string_equal(s.cookies[COOKIE_SESSION], ""); /* taken back */
	snprintf(s.cookies[COOKIE_SESSION], 10, "one");
	r = browse(&s, "/admin");
	assert_int_equal(r.status, 403);
	assert_true(has(r.body, "Bạn không có quyền"));
	reply_free(&r);
	r = browse(&s, "/staff");
	assert_int_equal(r.status, 200);
	assert_true(has(buf_str(&s.seen), "\"session\":\"one\""));
	reply_free(&r);
	/* patients' pages carry no session to the desk */
	s.desk = desk_for_patients;
	r = browse(&s, "/");
	assert_int_equal(r.status, 200);
	assert_false(has(buf_str(&s.seen), "session"));
	reply_free(&r);
	site_stop(&s);
}

/* What comes while the desk is asked who it is waits, and is read when it has said so. */
static void test_who_later(void **state)
{
	struct site s = { .desk = staff_desk };
	site_open(&s, plain);
	struct reply r = browse(&s, "/staff/sign-in");
	char token[64], request[1400];
	token_of_form(r.body, "/staff/sign-in", token);
	reply_free(&r);
	s.desk = silent;
	for (unsigned answers = 0; answers < 2; answers++) {
		const int fd = site_dial(&s, 1);
		snprintf(request, sizeof(request),
		         "POST /staff/sign-out HTTP/1.1\r\nHost: x\r\nCookie: kiosk=%s; kiosk_staff=one\r\n"
		         "Content-Length: 54\r\n\r\ntoken=",
		         s.cookies[COOKIE_VISITOR]);
		site_send(&s, fd, str_from(request));
		assert_true(has(buf_str(&s.seen), "who"));
		site_send(&s, fd, str_from(token));
		site_receive(&s, fd, &r, false, 20);
		assert_int_equal(r.status, -1);
		web_answered(s.web, s.number,
		             answers ? json_pack("{s:s}", "refused", "session")
		                     : json_pack("{s:s, s:i}", "name", "Lan", "roles", ROLE_CLERK));
		site_receive(&s, fd, &r, false, 500);
		assert_int_equal(r.status, answers ? 303 : 403); /* the token is that of another form */
		assert_true(!answers || str_eq(reply_header(&r, "Location"), STR("/staff/sign-in")));
		reply_free(&r);
		close(fd);
	}
	site_stop(&s);
}

/* A large body is read only from somebody who may send one. */
static void test_large(void **state)
{
	struct site s = { .desk = staff_desk };
	struct reply r;
	char *body = calloc(1, 200001);
	memset(body, 'a', 200000);
	site_open(&s, plain);
	r = fetch(&s, "POST", "/staff/statement", body);
	assert_goes(&r, "/staff/sign-in");
	snprintf(s.cookies[COOKIE_SESSION], 10, "one");
	r = fetch(&s, "POST", "/staff/statement", body);
	assert_int_equal(r.status, 400); /* it is no form */
	reply_free(&r);
	r = fetch(&s, "POST", "/staff/cash", body);
	assert_int_equal(r.status, 413);
	reply_free(&r);
	free(body);
	site_stop(&s);
}

/* Headers that two programs may read in two ways: nothing is read behind them. */
static void test_odd_headers(void **state)
{
	static const char *const odd[] = {
		"Transfer-Encoding : chunked\r\nContent-Length: 5",
		"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5",
		"Content-Length: 5\r\n 5",
		"X: a\rTransfer-Encoding: chunked\r\nContent-Length: 5",
	};
	struct site s = { .desk = desk_for_patients };
	site_open(&s, plain);
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		struct reply r = { 0 };
		char text[256];
		const int fd = site_dial(&s, 1);
		snprintf(text, sizeof(text),
		         "POST /find HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n0\r\n\r\n"
		         "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
		         odd[i]);
		site_send(&s, fd, str_from(text));
		site_receive(&s, fd, &r, false, 100);
		assert_int_equal(r.status, 400);
		site_receive(&s, fd, &r, false, 100);
		assert_int_equal(count(buf_str(&r.all), "HTTP/1.1 "), 1);
		assert_true(has(r.head, "Connection: close"));
		reply_free(&r);
		close(fd);
	}
	site_stop(&s);
}

/* One address has an eighth of the connections. */
static void test_share(void **state)
{
	struct site s = { .desk = desk_for_patients };
	struct reply r = { 0 };
	int fds[5];
	site_open(&s, (struct web_config){ .max_connections = 16 });
	for (int i = 0; i < 4; i++)
		fds[i] = site_dial(&s, 1);
	fds[4] = site_dial(&s, 2);
	site_run(&s, 1);
	assert_int_equal(web_counts(s.web).connections, 3);
	assert_int_equal(web_counts(s.web).limited, 2);
	site_send(&s, fds[4], STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	site_receive(&s, fds[4], &r, false, 300);
	assert_int_equal(r.status, 200);
	reply_free(&r);
	/* who says nothing has to go */
	site_later(&s, 70);
	assert_int_equal(web_counts(s.web).connections, 0);
	for (int i = 0; i < 5; i++)
		close(fds[i]);
	site_stop(&s);
}

static void test_config(void **state)
{
	static const char *const bad[] = { "127.0.0.1", "10.0.0.0/33", NULL };
	struct web *w = NULL;
	struct err err;
	int port;
	struct web_config c = { .clock = &clock_system, .ask = desk_asked, .form_key = site_key, .trusted = bad };
	c.fd = site_socket(&port);
	assert_int_equal(web_new(&w, &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, "10.0.0.0/33"));
	assert_int_equal(fcntl(c.fd, F_GETFD), -1);
	c = (struct web_config){
		.clock = &clock_system, .form_key = site_key, .certificate = STR("x"), .key = STR("y")
	};
	c.fd = site_socket(&port);
	assert_int_equal(web_new(&w, &c, &err), -EIO);
	assert_null(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_languages),   cmocka_unit_test(test_forged),
		cmocka_unit_test(test_kept),        cmocka_unit_test(test_proxy),
		cmocka_unit_test(test_methods),     cmocka_unit_test(test_token_of_hospital),
		cmocka_unit_test(test_sizes),       cmocka_unit_test(test_waits),
		cmocka_unit_test(test_shut),        cmocka_unit_test(test_drain),
		cmocka_unit_test(test_who),         cmocka_unit_test(test_who_later),
		cmocka_unit_test(test_large),       cmocka_unit_test(test_share),
		cmocka_unit_test(test_odd_headers), cmocka_unit_test(test_config),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
