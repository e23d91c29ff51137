/* Streams of events, over HTTP. */
#include "kiosk/web_fixture.h"

static const struct web_config plain;

/* --- boards --- */

static json_t *board_desk(struct site *s, const char *op, const json_t *call)
{
	return json_pack("{s:[]}", "rooms");
}

static void test_stream(void **state)
{
	struct site s = { .desk = board_desk };
	struct reply r = { 0 };
	site_open(&s, plain);
	web_event(s.web, STR("before anybody looked"));
	const int fd = site_dial(&s, 1);
	site_send(&s, fd, STR("GET /board/events HTTP/1.1\r\nHost: x\r\n\r\n"));
	site_receive(&s, fd, &r, false, 30);
	assert_true(str_starts(reply_header(&r, "Content-Type"), STR("text/event-stream")));
	assert_int_equal(count(r.body, "data: "), 1);
	assert_false(has(r.body, "before"));
	assert_int_equal(web_counts(s.web).boards, 1);
	web_event(s.web, STR("one\ntwo"));
	site_receive(&s, fd, &r, false, 30);
	assert_true(has(r.body, "data: one\ndata: two\n\n"));
	web_event(s.web, STR("missed"));
	web_event(s.web, STR("newest"));
	site_receive(&s, fd, &r, false, 30);
	assert_false(has(r.body, "missed"));
	assert_true(has(r.body, "data: newest\n\n"));
	const unsigned asked = s.asked;
	web_board_changed(s.web);
	site_receive(&s, fd, &r, false, 30);
	assert_int_equal(s.asked, asked + 1);
	assert_int_equal(count(r.body, "data: "), 5);
	/* quiet for a while, which is said */
	assert_int_equal(count(r.body, ":\n\n"), 0);
	site_later(&s, 100);
	site_receive(&s, fd, &r, false, 30);
	assert_in_range(count(r.body, ":\n\n"), 5, 7);
	assert_int_equal(r.closed, false);
	web_drain(s.web);
	site_receive(&s, fd, &r, false, 100);
	assert_true(r.closed || has(r.body, "\r\n0\r\n"));
	assert_true(web_drain(s.web));
	assert_int_equal(web_counts(s.web).boards, 0);
	reply_free(&r);
	close(fd);
	site_stop(&s);
}

/* One that doesn't read holds no more than an event, and one that hangs up is gone. */
static void test_slow_stream(void **state)
{
	enum { LARGE = 900 << 10 };
	struct site s = { .desk = board_desk };
	char *data = malloc(LARGE);
	memset(data, 'x', LARGE);
	site_open(&s, (struct web_config){ .max_connections = 16 });
	int fds[5];
	for (unsigned i = 0; i < 5; i++) {
		struct reply r = { 0 };
		fds[i] = site_dial(&s, i + 1);
		site_send(&s, fds[i], STR("GET /board/events HTTP/1.1\r\nHost: x\r\n\r\n"));
		site_receive(&s, fds[i], &r, true, 100);
		assert_int_equal(r.status, i < 4 ? 200 : 503); /* a quarter of the connections */
		reply_free(&r);
	}
	for (int i = 0; i < 50; i++) {
		web_event(s.web, (struct str){ data, LARGE });
		site_run(&s, 0);
	}
	for (int i = 0; i < 5; i++)
		close(fds[i]);
	site_run(&s, 1);
	web_event(s.web, STR("x"));
	site_run(&s, 1);
	assert_int_equal(web_counts(s.web).boards, 0);
	assert_false(web_has_streams(s.web));
	free(data);
	site_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_slow_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
