/* Many at once, or one who tries often: the others are served. */
#include "kiosk/web_fixture.h"

static json_t *board_desk(struct site *s, const char *op, const json_t *call)
{
	return json_pack("{s:[]}", "rooms");
}

/* Connections that say nothing don't shut out who does, not even from many addresses. */
static void test_idle(void **state)
{
	static const char *const half[] = { "GET / HTTP/1.1\r\n",
		                            "POST /book HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n" };
	struct site s = { .desk = desk_for_patients };
	struct reply r;
	int fds[16];
	site_open(&s, (struct web_config){ .max_connections = 16 });
	for (unsigned i = 0; i < 16; i++) {
		fds[i] = site_dial(&s, 2 + i / 2);
		site_send(&s, fds[i], str_from(half[i % 2]));
	}
	site_run(&s, 1);
	assert_int_equal(web_counts(s.web).connections, 16);
	for (int i = 0; i < 3; i++) {
		r = browse(&s, "/");
		assert_int_equal(r.status, 200);
		reply_free(&r);
	}
	assert_in_range(web_counts(s.web).connections, 13, 16);
	assert_int_equal(web_counts(s.web).limited, 0);
	for (unsigned i = 0; i < 16; i++)
		close(fds[i]);
	site_stop(&s);
}

/* One script doesn't fill the clinic's days; who comes by another address still books. */
static void test_bookings_an_hour(void **state)
{
	static const char *const trusted[] = { "127.0.0.1", NULL };
	struct site s = { .desk = desk_for_patients };
	char header[64];
	struct reply r;
	site_open(&s, (struct web_config){ .trusted = trusted });
	web_bookings(s.web, 20);
	for (int i = 0; i < 3 * 20; i++) {
		snprintf(header, sizeof(header), "X-Forwarded-For: 2001:db8:0:%d::%d\r\n", i / 30, i);
		s.headers = header;
		r = fetch(&s, "POST", "/book", PATIENT);
		assert_int_equal(r.status, i % 30 < 20 ? 403 : 429); /* without a token: it is counted all the same */
		reply_free(&r);
	}
	assert_int_equal(web_counts(s.web).limited, 20);
	clock_advance(&s.clock, 180 * (int64_t)CLOCK_S);
	r = submit(&s, "/s/1/" DAY, "/book", PATIENT "&slot=3.450&phone=0912345678");
	assert_goes(&r, "/ticket");
	char many[6000];
	memset(many, '1', sizeof(many));
	memcpy(many, "X-Forwarded-For: ", 17);
	memcpy(many + sizeof(many) - 3, "\r\n", 3);
	s.headers = many; /* more than is read: nobody in particular, and no way around */
	for (int i = 0; i < 30; i++) {
		r = fetch(&s, "POST", "/book", PATIENT);
		assert_int_equal(r.status, i < 20 ? 403 : 429);
		reply_free(&r);
	}
	s.headers = NULL; /* a proxy that doesn't say for whom: everybody's */
	for (int i = 0; i < 30; i++) {
		r = fetch(&s, "POST", "/book", PATIENT);
		assert_int_equal(r.status, 403);
		reply_free(&r);
	}
	site_stop(&s);
}

/* Through a proxy too, one visitor doesn't have all of them. */
static void test_streams_each(void **state)
{
	enum { ALL = 16, EACH = 4 };
	static const char *const trusted[] = { "127.0.0.1", NULL };
	struct site s = { .desk = board_desk };
	int fds[ALL];
	site_open(&s, (struct web_config){ .max_connections = 4 * ALL, .trusted = trusted });
	for (int i = 0; i < ALL; i++) {
		char text[128];
		struct reply r = { 0 };
		fds[i] = site_dial(&s, 1);
		snprintf(text, sizeof(text),
		         "GET /board/events HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.%d\r\n\r\n",
		         i < ALL / 2 ? 1 : i);
		site_send(&s, fds[i], str_from(text));
		site_receive(&s, fds[i], &r, true, 100);
		assert_int_equal(r.status, i < EACH || i >= ALL / 2 ? 200 : 503);
		reply_free(&r);
	}
	for (int i = 0; i < ALL; i++)
		close(fds[i]);
	site_stop(&s);
}

/* Few passwords can be checked in a second: an IPv6 site with all its /64 doesn't keep the staff out. */
static void test_site_signs_in(void **state)
{
	static const char *const trusted[] = { "127.0.0.1", NULL };
	struct site s = { .desk = board_desk };
	char header[64];
	site_open(&s, (struct web_config){ .trusted = trusted });
	s.headers = header;
	for (int i = 0; i < 60; i++) {
		snprintf(header, sizeof(header), "X-Forwarded-For: 2001:db8:1:%x::1\r\n", i);
		struct reply r = fetch(&s, "POST", "/staff/sign-in", "login=an&password=guess");
		assert_int_equal(r.status, i < 40 ? 403 : 429);
		reply_free(&r);
	}
	snprintf(header, sizeof(header), "X-Forwarded-For: 2001:db8:2::1\r\n");
	struct reply r = fetch(&s, "POST", "/staff/sign-in", "login=an&password=guess");
	assert_int_equal(r.status, 403);
	reply_free(&r);
	site_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_bookings_an_hour),
		cmocka_unit_test(test_streams_each),
		cmocka_unit_test(test_site_signs_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
