#include "cmd/hub.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void pair(struct link *a, struct link *b)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(link_init(a, fds[0], N_LINKS), 0);
	assert_int_equal(link_init(b, fds[1], N_LINKS), 0);
}

static void test_rows_come_as_they_went(void **state)
{
	struct link a, b;
	pair(&a, &b);
	/* more than a socket takes at once: it goes out in pieces, and comes in pieces */
	enum { N = 3000 };
	char json[600];
	memset(json, 'x', sizeof(json));
	struct buf body = { 0 };
	for (int i = 0; i < N; i++) {
		const struct event_row row = { i, -i, STR("d"), { "id", i % 3 }, { json, (size_t)i % sizeof(json) } };
		link_add_row(&body, &row);
	}
	const struct link_head head = { .kind = LINK_ROWS, .n = N, .seq = 7 };
	link_put(&a, &head, buf_str(&body));
	link_put(&a, &(struct link_head){ .kind = LINK_REPLAYED }, STR(""));
	struct link_head got;
	struct str rest;
	int rounds = 0, more;
	for (;; rounds++) {
		assert_int_equal(link_flush(&a), 0);
		assert_int_equal(link_read(&b), 0);
		more = link_next(&b, &got, &rest);
		if (more)
			break;
	}
	assert_true(rounds > 1);
	assert_int_equal(more, 1);
	assert_int_equal(got.kind, LINK_ROWS);
	assert_true(got.n == N && got.seq == 7);
	struct event_row row;
	for (int i = 0; i < N; i++) {
		assert_true(link_take_row(&rest, &row));
		assert_true(row.time == i && row.since == -i && row.json.n == (size_t)i % sizeof(json) &&
		            row.id.n == (size_t)i % 3);
	}
	assert_false(link_take_row(&rest, &row));
	while (!(more = link_next(&b, &got, &rest))) {
		assert_int_equal(link_flush(&a), 0);
		assert_int_equal(link_read(&b), 0);
	}
	assert_int_equal(got.kind, LINK_REPLAYED);
	assert_false(link_pending(&a));
	link_done(&a);
	assert_int_equal(link_read(&b), -EPIPE);
	link_done(&b);
	buf_free(&body);
}

static void test_alert(void **state)
{
	const struct alert_row row = { .id = STR("i"),
		                       .time = 1,
		                       .made = 2,
		                       .rule = STR("r"),
		                       .title = STR("t"),
		                       .level = STR("high"),
		                       .host = STR(""),
		                       .user = STR("u"),
		                       .address = STR("a"),
		                       .count = 9,
		                       .json = STR("{}") };
	struct alert_row got;
	struct buf body = { 0 };
	link_add_alert(&body, &row);
	assert_true(link_take_alert(buf_str(&body), &got));
	assert_true(str_eq(got.user, row.user) && str_eq(got.json, row.json) && got.count == 9 && got.made == 2);
	for (size_t n = 0; n < body.n; n++) /* cut anywhere it is none */
		assert_false(link_take_alert((struct str){ body.p, n }, &got));
	buf_free(&body);
}

/* A row whose lengths reach beyond its message. */
static void test_what_is_no_row(void **state)
{
	struct link_row row = { .json = 5, .dataset = 1 };
	struct str body = { (const char *)&row, sizeof(row) };
	struct event_row got;
	assert_false(link_take_row(&body, &got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_come_as_they_went),
		cmocka_unit_test(test_alert),
		cmocka_unit_test(test_what_is_no_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
