#include "kiosk/pass.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX = 300000 };

static const unsigned char link_key[PASS_KEY] = "0123456789abcdef0123456789abcdef", other_key[PASS_KEY] = "other";

struct end {
	struct pass *p;
	int code;
	size_t n, bytes;
	uint32_t sum;
	struct err err;
};

struct pair {
	struct clock clock;
	struct end a, b; /* a dialled */
	int fd[2];
};

static void begin(struct pair *p, const unsigned char *a, const unsigned char *b)
{
	*p = (struct pair){ 0 };
	clock_test(&p->clock, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fd), 0);
	assert_int_equal(pass_new(&p->a.p, p->fd[0], true, a, MAX, &p->clock, NULL), 0);
	assert_int_equal(pass_new(&p->b.p, p->fd[1], false, b, MAX, &p->clock, NULL), 0);
}

static void end(struct pair *p)
{
	pass_free(p->a.p);
	pass_free(p->b.p);
}

static uint32_t add(uint32_t sum, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		sum = sum * 31 + (unsigned char)s.p[i];
	return sum;
}

static void on_message(void *arg, struct str message)
{
	struct end *e = arg;
	e->n++;
	e->bytes += message.n;
	e->sum = add(e->sum, message);
}

static void run(struct end *e)
{
	if (e->p && !e->code)
		e->code = pass_run(e->p, on_message, e, &e->err);
}

static void run_both(struct pair *p, int times)
{
	while (times--) {
		run(&p->a);
		run(&p->b);
	}
}

static void test_messages(void **state)
{
	struct pair p;
	uint32_t sum = 0;
	char *text = malloc(MAX);
	size_t bytes = 0;
	assert_non_null(text);
	begin(&p, link_key, link_key);
	assert_false(pass_is_up(p.a.p));
	assert_true(pass_wants_write(p.a.p) || pass_run(p.a.p, on_message, &p.a, NULL) == 0);
	assert_int_equal(pass_put(p.a.p, STR("early")), 0); /* goes out when they have shaken hands */
	sum = add(sum, STR("early"));
	run_both(&p, 10);
	assert_true(pass_is_up(p.a.p) && pass_is_up(p.b.p));
	assert_false(pass_wants_write(p.a.p));
	assert_int_equal(p.b.n, 1);
	for (size_t n = 0; n < MAX; n += 9973) { /* far more than a socket or a record holds */
		memset(text, (int)n, n);
		assert_int_equal(pass_put(p.a.p, (struct str){ text, n }), 0);
		sum = add(sum, (struct str){ text, n });
		bytes += n;
		run(&p.a);
		run(&p.b);
		if (n % 2)
			run_both(&p, 40);
	}
	run_both(&p, 400);
	assert_int_equal(p.a.code, 0);
	assert_int_equal(p.b.code, 0);
	assert_int_equal(p.b.bytes, bytes + 5);
	assert_int_equal(p.b.sum, sum);
	assert_int_equal(p.a.n, 0);
	assert_int_equal(pass_put(p.b.p, STR("back")), 0);
	assert_true(pass_wants_write(p.b.p));
	run_both(&p, 2);
	assert_int_equal(p.a.n, 1);
	free(text);
	end(&p);
}

/* A reader that stops: what waits for it is bounded, and comes whole when it reads on. */
static void test_slow_reader(void **state)
{
	struct pair p;
	char *text = calloc(1, MAX);
	size_t put = 0;
	assert_non_null(text);
	begin(&p, link_key, link_key);
	run_both(&p, 10);
	while (put < 100 && pass_put(p.a.p, (struct str){ text, MAX / 4 }) == 0) {
		put++;
		run(&p.a);
	}
	assert_true(put > 4 && put < 100);
	assert_int_equal(p.a.code, 0);
	assert_true(pass_wants_write(p.a.p));
	run_both(&p, 400);
	assert_int_equal(p.b.n, put);
	assert_int_equal(p.b.bytes, put * (MAX / 4));
	assert_false(pass_wants_write(p.a.p));
	assert_int_equal(pass_put(p.a.p, (struct str){ text, MAX + 1 }), -EMSGSIZE);
	free(text);
	end(&p);
}

static void test_another_key(void **state)
{
	unsigned char kiosk[PASS_KEY], registers[PASS_KEY];
	struct pair p;
	pass_key(link_key, "kiosk", kiosk);
	pass_key(link_key, "register", registers);
	assert_memory_not_equal(kiosk, registers, PASS_KEY);
	assert_memory_not_equal(kiosk, link_key, PASS_KEY);
	const struct {
		const unsigned char *a, *b;
	} tries[] = { { link_key, other_key }, { kiosk, registers }, { other_key, kiosk } };
	for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
		begin(&p, tries[i].a, tries[i].b);
		pass_put(p.a.p, STR("secret"));
		run_both(&p, 10);
		assert_int_equal(p.b.code, -EACCES);
		assert_true(p.a.code == -EACCES || p.a.code == -EPIPE);
		assert_false(pass_is_up(p.a.p) || pass_is_up(p.b.p));
		assert_int_equal(p.b.n, 0);
		end(&p);
	}
	begin(&p, kiosk, kiosk);
	run_both(&p, 10);
	assert_true(pass_is_up(p.a.p));
	end(&p);
}

/* Somebody who speaks something else, or nothing. */
static void test_no_tls(void **state)
{
	static const char *const said[] = { "GET / HTTP/1.1\r\n\r\n",
		                            "\x16\x03\x01\xff\xff\x01 a record longer than any", "SSH-2.0-x\r\n" };
	struct pair p;
	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		begin(&p, link_key, link_key);
		assert_int_equal(write(p.fd[0], said[i], strlen(said[i])), strlen(said[i]));
		for (int t = 0; t < 3; t++)
			run(&p.b);
		if (p.b.code >= 0)
			fail_msg("'%s' was waited for", said[i]);
		assert_string_not_equal(p.b.err.text, "");
		end(&p);
	}
	begin(&p, link_key, link_key);
	run(&p.b);
	assert_int_equal(p.b.code, 0);
	assert_false(pass_overdue(p.b.p));
	clock_advance(&p.clock, PASS_SHAKE_US);
	assert_true(pass_overdue(p.b.p));
	run_both(&p, 10);
	assert_false(pass_overdue(p.b.p)); /* it was only slow */
	end(&p);
}

static void test_the_end(void **state)
{
	struct pair p;
	begin(&p, link_key, link_key);
	run_both(&p, 10);
	assert_int_equal(pass_put(p.a.p, STR("last")), 0);
	run(&p.a);
	pass_free(p.a.p);
	p.a.p = NULL;
	run(&p.b);
	assert_int_equal(p.b.n, 1); /* what came before the end is taken */
	assert_int_equal(p.b.code, -EPIPE);
	end(&p);
	begin(&p, link_key, link_key);
	run_both(&p, 10);
	shutdown(p.fd[0], SHUT_RDWR); /* a cut line: no goodbye */
	run(&p.b);
	assert_int_equal(p.b.code, -EPIPE);
	end(&p);
}

/* One byte on the way is another: nothing of it is taken. */
static void test_changed_bytes(void **state)
{
	int outer[2], inner[2];
	struct pair p = { 0 };
	char bytes[4096];
	clock_test(&p.clock, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, outer), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, inner), 0);
	assert_int_equal(pass_new(&p.a.p, outer[0], true, link_key, MAX, &p.clock, NULL), 0);
	assert_int_equal(pass_new(&p.b.p, inner[0], false, link_key, MAX, &p.clock, NULL), 0);
	for (int i = 0; i < 20; i++) {
		run_both(&p, 1);
		ssize_t n = read(outer[1], bytes, sizeof(bytes));
		if (n > 0 && pass_is_up(p.b.p))
			bytes[n - 1] ^= 1;
		assert_true(n <= 0 || write(inner[1], bytes, (size_t)n) == n);
		n = read(inner[1], bytes, sizeof(bytes));
		assert_true(n <= 0 || write(outer[1], bytes, (size_t)n) == n);
		if (i == 10) {
			assert_true(pass_is_up(p.b.p));
			pass_put(p.a.p, STR("a word"));
		}
	}
	assert_int_equal(p.b.n, 0);
	assert_int_equal(p.b.code, -EPROTO);
	close(outer[1]);
	close(inner[1]);
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),    cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_another_key), cmocka_unit_test(test_no_tls),
		cmocka_unit_test(test_the_end),     cmocka_unit_test(test_changed_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
