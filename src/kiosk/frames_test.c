#include "kiosk/frames.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A stream that gives and takes a few bytes at a time. */
struct wire {
	struct buf bytes;
	size_t at, step;
	bool full;
	int fails;
};

static ssize_t from_wire(void *arg, char *to, size_t n)
{
	struct wire *w = arg;
	size_t left = w->bytes.n - w->at;
	if (w->fails)
		return w->fails;
	if (!left)
		return -EAGAIN;
	n = n < w->step ? n : w->step;
	n = n < left ? n : left;
	memcpy(to, w->bytes.p + w->at, n);
	w->at += n;
	return (ssize_t)n;
}

static ssize_t to_wire(void *arg, const char *from, size_t n)
{
	struct wire *w = arg;
	if (w->fails)
		return w->fails;
	if (w->full)
		return -EAGAIN;
	n = n < w->step ? n : w->step;
	buf_add(&w->bytes, (struct str){ from, n });
	w->full = n < w->step; /* now and then */
	return (ssize_t)n;
}

static void test_there_and_back(void **state)
{
	for (size_t step = 1; step < 40; step++) {
		struct wire w = { .step = step };
		struct frames a, b;
		struct str m;
		char text[300];
		size_t seen = 0;
		frames_init(&a, 300);
		frames_init(&b, 300);
		memset(text, 'x', sizeof(text));
		for (size_t n = 0; n < 300; n++) {
			text[0] = (char)n;
			assert_int_equal(
			        frames_put(&a, (struct str){ text, n / 2 }, (struct str){ text + n / 2, n - n / 2 }),
			        0);
			while (frames_pending(&a)) {
				w.full = false;
				assert_int_equal(frames_write(&a, to_wire, &w), 0);
			}
			while (w.at < w.bytes.n) {
				assert_int_equal(frames_read(&b, from_wire, &w), 0);
				while (frames_next(&b, &m) == 1) {
					assert_int_equal(m.n, seen);
					assert_true(!m.n || m.p[0] == (char)seen);
					seen++;
				}
			}
		}
		assert_int_equal(seen, 300);
		buf_free(&w.bytes);
		frames_free(&a);
		frames_free(&b);
	}
}

static void test_bounds(void **state)
{
	struct wire w = { .step = 100 };
	struct frames f;
	struct str m;
	char text[200] = { 0 };
	frames_init(&f, 100);
	assert_int_equal(frames_put(&f, (struct str){ text, 101 }, STR("")), -EMSGSIZE);
	assert_int_equal(frames_put(&f, (struct str){ text, 60 }, (struct str){ text, 41 }), -EMSGSIZE);
	assert_int_equal(frames_put(&f, STR("12"), (struct str){ text, SIZE_MAX - 1 }), -EMSGSIZE);
	assert_int_equal(frames_put(&f, (struct str){ text, 100 }, STR("")), 0);
	assert_int_equal(frames_put(&f, (struct str){ text, 100 }, STR("")), -ENOBUFS);
	assert_int_equal(frames_put(&f, (struct str){ text, 20 }, STR("")), 0); /* what fits still goes */
	buf_add(&w.bytes, STR("\0\0\0\x64"));
	buf_add(&w.bytes, (struct str){ text, 100 });
	buf_add(&w.bytes, STR("\0\0\0\x65 more"));
	assert_int_equal(frames_read(&f, from_wire, &w), 0);
	assert_int_equal(frames_next(&f, &m), 0);
	assert_int_equal(frames_read(&f, from_wire, &w), 0);
	assert_int_equal(frames_next(&f, &m), 1);
	assert_int_equal(m.n, 100);
	assert_int_equal(frames_next(&f, &m), -EMSGSIZE);
	w.fails = -ECONNRESET;
	assert_int_equal(frames_read(&f, from_wire, &w), -ECONNRESET);
	assert_int_equal(frames_write(&f, to_wire, &w), -ECONNRESET);
	buf_free(&w.bytes);
	frames_free(&f);
}

static void test_socket(void **state)
{
	struct frames a, b;
	struct str m;
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	frames_init(&a, 100);
	frames_init(&b, 100);
	assert_int_equal(frames_read(&b, frames_recv, &fd[1]), 0); /* nothing is there, and nobody waits */
	assert_int_equal(frames_put(&a, STR("one"), STR(" word")), 0);
	assert_int_equal(frames_write(&a, frames_send, &fd[0]), 0);
	assert_int_equal(frames_read(&b, frames_recv, &fd[1]), 0);
	assert_int_equal(frames_next(&b, &m), 1);
	assert_true(str_eq(m, STR("one word")));
	close(fd[0]);
	assert_int_equal(frames_read(&b, frames_recv, &fd[1]), -EPIPE);
	assert_int_equal(frames_put(&b, STR("x"), STR("")), 0);
	assert_int_equal(frames_write(&b, frames_send, &fd[1]), -EPIPE);
	close(fd[1]);
	frames_free(&a);
	frames_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_socket),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
