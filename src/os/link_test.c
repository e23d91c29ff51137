#include "os/link.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { SMALL = 1, LARGE, KINDS };

static void pair(struct link *a, struct link *b)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(link_init(a, fds[0], KINDS), 0);
	assert_int_equal(link_init(b, fds[1], KINDS), 0);
}

static void test_there_and_gone(void **state)
{
	struct link a, b;
	struct link_head got;
	struct str body;
	pair(&a, &b);
	link_put(&a, &(struct link_head){ .kind = SMALL, .code = -7, .seq = 9, .n = 3 }, STR("words"));
	link_put(&a, &(struct link_head){ .kind = LARGE }, STR(""));
	assert_int_equal(link_flush(&a), 0);
	assert_false(link_pending(&a));
	assert_int_equal(link_read(&b), 0);
	assert_int_equal(link_next(&b, &got, &body), 1);
	assert_true(got.kind == SMALL && got.code == -7 && got.seq == 9 && got.n == 3 && str_eq(body, STR("words")));
	assert_int_equal(link_next(&b, &got, &body), 1);
	assert_true(got.kind == LARGE && !body.n);
	assert_int_equal(link_next(&b, &got, &body), 0);
	link_done(&a);
	assert_int_equal(link_read(&b), -EPIPE);
	link_done(&b);
}

/* The other end is always a little behind: what went out gives its room back all the same. */
static void test_never_empty(void **state)
{
	enum { SIZE = 1 << 20, N = LINK_MESSAGE_MAX / SIZE + 10 };
	struct link a, b;
	struct link_head got;
	struct str rest;
	uint64_t came = 0;
	char *bytes = calloc(1, SIZE);
	assert_non_null(bytes);
	pair(&a, &b);
	for (uint64_t i = 0; i < N; i++) {
		const struct link_head head = { .kind = LARGE, .seq = i };
		link_put(&a, &head, (struct str){ bytes, SIZE });
		while (came < i) { /* all but this one */
			assert_int_equal(link_flush(&a), 0);
			assert_true(link_pending(&a));
			assert_int_equal(link_read(&b), 0);
			if (!link_next(&b, &got, &rest))
				continue;
			assert_true(got.seq == came && rest.n == SIZE);
			came++;
		}
		assert_in_range(a.out.cap, SIZE, 8 * SIZE);
	}
	link_done(&a);
	link_done(&b);
	free(bytes);
}

static void test_no_room(void **state)
{
	struct link a, b;
	pair(&a, &b);
	a.out.max = 100;
	link_put(&a, &(struct link_head){ .kind = SMALL }, STR(""));
	link_put(&a, &(struct link_head){ .kind = LARGE }, (struct str){ (char[100]){ 0 }, 100 });
	assert_int_equal(link_flush(&a), -ENOMEM);
	assert_int_equal(link_flush(&a), -ENOMEM); /* for good: the other end would take rubbish for a message */
	link_done(&a);
	link_done(&b);
}

static void test_what_is_no_message(void **state)
{
	static const struct link_head bad[] = {
		{ .kind = 0 },
		{ .kind = KINDS },
		{ .kind = LARGE, .size = UINT64_MAX },
		{ .kind = LARGE, .size = LINK_MESSAGE_MAX },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct link a, b;
		struct link_head got;
		struct str body;
		pair(&a, &b);
		assert_int_equal(write(a.fd, &bad[i], sizeof(bad[i])), sizeof(bad[i]));
		assert_int_equal(link_read(&b), 0);
		assert_int_equal(link_next(&b, &got, &body), -EPROTO);
		link_done(&a);
		link_done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_gone),
		cmocka_unit_test(test_never_empty),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_what_is_no_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
