#include "os/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
	struct loop *loop;
	struct clock *clock;
	int calls, last, limit;
	int64_t step;
};

static int on_timer(void *arg, int what)
{
	struct seen *s = arg;
	s->calls++;
	clock_advance(s->clock, s->step);
	if (s->calls == s->limit)
		loop_stop(s->loop);
	return 0;
}

/* A timer that takes longer than its period is called again, but not once for each period it missed. */
static void test_timer_is_not_caught_up(void **state)
{
	struct clock clock;
	clock_test(&clock, 0);
	struct seen s = { .clock = &clock, .limit = 3, .step = 10 * CLOCK_S };
	assert_int_equal(loop_new(&s.loop, &clock, NULL), 0);
	assert_int_equal(loop_every(s.loop, CLOCK_S, on_timer, &s, NULL), 0);
	clock_advance(&clock, CLOCK_S);
	assert_int_equal(loop_run(s.loop), 0);
	assert_int_equal(s.calls, 3);
	assert_int_equal(clock_monotonic(&clock), 31 * CLOCK_S);
	loop_free(s.loop);
}

static int soon(void *arg, int what)
{
	struct seen *s = arg;
	if (++s->calls == s->limit)
		loop_stop(s->loop);
	else
		loop_soon(s->loop, soon);
	return 0;
}

static void test_soon(void **state)
{
	struct clock clock;
	clock_test(&clock, 0);
	struct seen s = { .clock = &clock, .limit = 5 };
	assert_int_equal(loop_new(&s.loop, &clock, NULL), 0);
	assert_int_equal(loop_every(s.loop, 3600LL * CLOCK_S, soon, &s, NULL), 0);
	loop_soon(s.loop, soon);
	assert_int_equal(loop_run(s.loop), 0); /* the clock stands still: only loop_soon makes it due */
	assert_int_equal(s.calls, 5);
	loop_free(s.loop);
}

static int on_bytes(void *arg, int fd)
{
	struct seen *s = arg;
	char c;
	if (read(fd, &c, 1) <= 0)
		return -ENOLINK;
	s->calls++;
	s->last = c;
	return 0;
}

static void test_descriptor(void **state)
{
	int p[2];
	struct seen s = { 0 };
	assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(loop_new(&s.loop, &clock_system, NULL), 0);
	assert_int_equal(loop_watch(s.loop, p[0], on_bytes, &s, NULL), 0);
	assert_int_equal(write(p[1], "ab", 2), 2);
	close(p[1]);
	assert_int_equal(loop_run(s.loop), -ENOLINK); /* what a function returns ends it */
	assert_int_equal(s.calls, 2);
	assert_int_equal(s.last, 'b');
	loop_unwatch(s.loop, p[0]);
	assert_int_equal(loop_watch(s.loop, p[0], on_bytes, &s, NULL), 0);
	close(p[0]);
	loop_free(s.loop);
}

static int on_signal(void *arg, int number)
{
	struct seen *s = arg;
	s->last = number;
	s->calls++;
	if (number == SIGUSR2)
		loop_stop(s->loop);
	return 0;
}

static void test_signals(void **state)
{
	struct seen s = { 0 };
	sigset_t old;
	sigprocmask(SIG_SETMASK, NULL, &old);
	assert_int_equal(loop_new(&s.loop, &clock_system, NULL), 0);
	assert_int_equal(loop_signals(s.loop, (const int[]){ SIGUSR1, SIGUSR2, 0 }, on_signal, &s, NULL), 0);
	assert_false(loop_stopped(s.loop));
	kill(getpid(), SIGUSR1);
	assert_false(loop_stopped(s.loop));
	assert_int_equal(s.last, SIGUSR1);
	kill(getpid(), SIGUSR2);
	assert_int_equal(loop_run(s.loop), 0);
	assert_int_equal(s.calls, 2);
	assert_true(loop_stopped(s.loop));
	loop_free(s.loop);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void test_bounds(void **state)
{
	struct seen s = { 0 };
	struct err err;
	assert_int_equal(loop_new(&s.loop, &clock_system, NULL), 0);
	int code = 0, n = 0;
	while (!code && n < 100)
		if (!(code = loop_every(s.loop, CLOCK_S, on_timer, &s, &err)))
			n++;
	assert_int_equal(code, -EMFILE);
	assert_int_equal(n, 8);
	loop_free(s.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timer_is_not_caught_up),
		cmocka_unit_test(test_soon),
		cmocka_unit_test(test_descriptor),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
