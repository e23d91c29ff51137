/* What one caller, or all of them, can take away from the others: connections, time, memory. */
#include "api/server_test.h"

#define HEALTH STR("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
#define KNOWN  STR("GET /_license HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n")

static bool is_closed(struct server *s, int fd)
{
	char c;
	for (int i = 0; i < 20; i++) {
		ssize_t n = recv(fd, &c, 1, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return true;
		run_for(s, 1);
	}
	return false;
}

static int answered(struct server *s, int fd, struct str request)
{
	struct reply r;
	send_some(s, fd, request);
	receive_for(s, fd, &r, false, 200);
	int status = r.status;
	reply_free(&r);
	return status;
}

/* Whoever says nothing, or nothing that we know, has a quarter; the others are served. */
static void test_share_of_a_peer(void **state)
{
	enum { MAX = 16 };
	struct server s;
	int fds[MAX], open = 0;
	server_start(&s, (struct api_config){ .max_connections = MAX });
	for (int i = 0; i < MAX; i++) {
		fds[i] = dial_from(&s, 2);
		run_for(&s, 1);
		open += !is_closed(&s, fds[i]);
	}
	assert_int_equal(open, MAX / 4);
	assert_int_equal(api_counts(s.api).busy, MAX - MAX / 4);
	int other = dial_from(&s, 3);
	assert_int_equal(answered(&s, other, HEALTH), 200);
	close(other);
	for (int i = 0; i < MAX; i++)
		close(fds[i]);
	run_for(&s, 1);
	server_stop(&s);
}

/* Who is known has more, but not all. */
static void test_share_of_the_known(void **state)
{
	enum { MAX = 16 };
	struct server s;
	int fds[MAX], n = 0;
	server_start(&s, (struct api_config){ .max_connections = MAX });
	for (; n < MAX; n++) {
		fds[n] = dial_from(&s, 2);
		if (answered(&s, fds[n], KNOWN) != 200)
			break;
	}
	assert_int_equal(n, MAX - MAX / 4);
	for (int i = 0; i <= n; i++)
		close(fds[i]);
	run_for(&s, 1);
	int again = dial_from(&s, 2);
	assert_int_equal(answered(&s, again, KNOWN), 200);
	close(again);
	server_stop(&s);
}

/* A guess costs a connection. */
static void test_closed_after_401(void **state)
{
	struct server s;
	struct reply r;
	server_start(&s, (struct api_config){ 0 });
	int fd = dial(&s);
	send_some(&s, fd, STR("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.b\r\n\r\n"));
	receive(&s, fd, &r);
	assert_int_equal(r.status, 401);
	assert_true(str_eq(reply_header(&r, "Connection"), STR("close")));
	reply_free(&r);
	assert_true(is_closed(&s, fd));
	close(fd);
	server_stop(&s);
}

/*
 * A byte a second: in the header, in a body that was refused, in one that nobody asked for, between requests. None of
 * them is there for long, and none keeps another from being heard. A known one has its time.
 */
static void test_slow_strangers(void **state)
{
	static const char *const begun[] = {
		"",
		"GET /healthz HTTP/1.1\r\nHost: ",
		"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n",
		"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n",
		"POST /_bulk HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
	};
	struct server s;
	int fds[ARRAY_LEN(begun)];
	server_start(&s, (struct api_config){ .max_connections = 4 * ARRAY_LEN(begun) });
	int known = dial_from(&s, 3);
	send_some(&s, known, STR("POST /v1/events HTTP/1.1\r\nHost: x\r\n" TOKEN "Content-Length: 50\r\n\r\n"));
	for (size_t i = 0; i < ARRAY_LEN(begun); i++) {
		fds[i] = dial_from(&s, 2);
		send_some(&s, fds[i], str_from(begun[i]));
	}
	assert_int_equal(api_counts(s.api).connections, ARRAY_LEN(begun) + 1);
	for (int second = 0; second < 25; second++) {
		for (size_t i = 0; i < ARRAY_LEN(begun); i++)
			send_some(&s, fds[i], STR("x"));
		send_some(&s, known, STR(" "));
		later(&s, 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(begun); i++) {
		assert_true(is_closed(&s, fds[i]));
		close(fds[i]);
	}
	assert_int_equal(api_counts(s.api).connections, 1);
	assert_int_equal(answered(&s, known, STR("                         ")), 200);
	close(known);
	server_stop(&s);
}

static struct buf many_items(int n)
{
	struct buf b = { 0 };
	for (int i = 0; i < n; i++)
		buf_printf(&b, "{\"create\":{\"_index\":\"logs-a-b\",\"_id\":\"some-identifier-%06d\"}}\n{\"n\":%d}\n",
		           i, i);
	return b;
}

/* What they all hold is bounded: who finds no room is told to come again, and nothing is held when all are gone. */
static void test_memory_of_all(void **state)
{
	enum { ALL = 8 << 20, EACH = 300000 };
	struct server s;
	struct reply r;
	size_t memory = ALL;
	struct buf plain = { 0 }, request;
	server_start(&s, (struct api_config){ .memory = &memory });
	while (plain.n < EACH)
		buf_add(&plain, STR("{\"a\":\"something that is said\"}\n"));
	request = post("/v1/events", "", buf_str(&plain));
	s.taker.full = -1;
	int fds[32];
	size_t least = memory;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = dial_from(&s, 2 + (unsigned)i);
		send_some(&s, fds[i], buf_str(&request));
		least = memory < least ? memory : least;
		assert_true(memory <= ALL); /* it never wraps */
	}
	assert_true(least < ALL / 2);
	const uint64_t shed = api_counts(s.api).shed;
	assert_in_range(shed, 1, ARRAY_LEN(fds) - 4);
	s.taker.full = 0;
	api_room(s.api);
	unsigned taken = 0, busy = 0;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		receive_for(&s, fds[i], &r, false, 200);
		taken += r.status == 200;
		busy += r.status == 429;
		assert_true(r.status != 429 || reply_header(&r, "Retry-After").n);
		reply_free(&r);
		close(fds[i]);
	}
	run_for(&s, 5);
	assert_int_equal(taken + busy, ARRAY_LEN(fds));
	assert_int_equal(busy, shed);
	assert_int_equal(memory, ALL);
	server_stop(&s);
	buf_free(&plain), buf_free(&request);
}

/* The answer's room is taken before an event is durable: it is never refused behind that. */
static void test_memory_of_an_answer(void **state)
{
	struct server s;
	struct reply r;
	size_t memory = 64 << 20;
	struct buf items = many_items(20000);
	server_start(&s, (struct api_config){ .memory = &memory });
	s.taker.hold = true;
	struct buf request = post("/a/_bulk", "", buf_str(&items));
	int fd = dial(&s);
	send_some(&s, fd, buf_str(&request));
	run_for(&s, 5);
	const size_t held = (64 << 20) - memory;
	release(&s);
	receive(&s, fd, &r);
	assert_int_equal(r.status, 200);
	assert_true(r.body.n > 20000 * 100 && r.body.n < held);
	reply_free(&r);
	close(fd);
	run_for(&s, 5);
	assert_int_equal(memory, 64 << 20);
	/* and where there is none, no event is taken */
	s.taker.hold = false;
	s.taker.events = 0;
	memory = 5 << 20;
	ask(&s, buf_str(&request), &r);
	assert_int_equal(r.status, 429);
	reply_free(&r);
	assert_true(s.taker.events < 20000);
	assert_int_equal(memory, 5 << 20);
	assert_int_equal(api_counts(s.api).shed, 1);
	server_stop(&s);
	buf_free(&items), buf_free(&request);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_share_of_a_peer),  cmocka_unit_test(test_share_of_the_known),
		cmocka_unit_test(test_closed_after_401), cmocka_unit_test(test_slow_strangers),
		cmocka_unit_test(test_memory_of_all),    cmocka_unit_test(test_memory_of_an_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
