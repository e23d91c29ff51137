#include "cmd/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

enum kind { A_PIPE, AN_OPEN_PIPE, A_SOCKET, A_TERMINAL, N_KINDS };

/* ends[0] is read. AN_OPEN_PIPE: as another process has it, who wants it to block. */
static void make(enum kind kind, int ends[2])
{
	struct termios raw;
	switch (kind) {
	case A_PIPE:
	case AN_OPEN_PIPE: assert_int_equal(pipe2(ends, O_CLOEXEC), 0); break;
	case A_SOCKET: assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0); break;
	default:
		assert_int_equal(openpty(&ends[0], &ends[1], NULL, NULL, NULL), 0);
		assert_int_equal(tcgetattr(ends[1], &raw), 0);
		cfmakeraw(&raw);
		assert_int_equal(tcsetattr(ends[1], TCSANOW, &raw), 0);
	}
	if (kind != AN_OPEN_PIPE)
		outlet_unblock(ends[1]);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
}

static void line(struct buf *b, unsigned n, size_t length)
{
	b->n = 0;
	buf_printf(b, "%08u ", n);
	while (b->n < length - 1)
		buf_putc(b, (char)('a' + n % 26));
	buf_putc(b, '\n');
}

/* Whole lines only, in their order: how many, and the number of the last. */
static unsigned check(struct str got, size_t length, long *last)
{
	unsigned n = 0;
	struct buf want = { 0 };
	for (*last = -1; got.n; n++, got = str_sub(got, length, got.n)) {
		long number = got.n >= length ? strtol(got.p, NULL, 10) : -1;
		assert_true(number > *last);
		*last = number;
		line(&want, (unsigned)number, length);
		assert_true(str_eq(buf_str(&want), str_sub(got, 0, length)));
	}
	buf_free(&want);
	return n;
}

static void read_all(struct outlet *o, int fd, struct buf *to)
{
	for (int quiet = 0; quiet < 20;) {
		char bytes[65536];
		ssize_t n = read(fd, bytes, sizeof(bytes));
		quiet = n > 0 ? 0 : quiet + 1;
		if (n > 0)
			buf_add(to, (struct str){ bytes, (size_t)n });
		outlet_flush(o);
		usleep(quiet ? 1000 : 0);
	}
}

/* It costs some tenths of a second once; what is shed is counted, and what comes are whole lines. */
static void test_nobody_reads(void **state)
{
	enum { LENGTH = 20000, LINES = 2000 };
	for (int kind = 0; kind < N_KINDS; kind++) {
		struct buf text = { 0 }, got = { 0 };
		struct outlet o;
		int ends[2];
		long last;
		make((enum kind)kind, ends);
		outlet_init(&o, ends[1], &clock_system);
		int64_t waited = 0;
		for (unsigned i = 0; i < LINES; i++) {
			line(&text, i, LENGTH);
			waited -= clock_monotonic(&clock_system);
			assert_int_equal(outlet_write(&o, buf_str(&text)), 0);
			waited += clock_monotonic(&clock_system);
		}
		assert_true(waited < 20LL * CLOCK_S);
		assert_true(o.shed > LINES / 2 && o.held.n <= OUTLET_HELD);
		assert_int_equal(outlet_recovered(&o), 0);
		read_all(&o, ends[0], &got);
		const unsigned came = check(buf_str(&got), LENGTH, &last);
		assert_int_equal(came + o.shed, LINES);
		assert_int_equal(outlet_recovered(&o), LINES - came);
		assert_int_equal(outlet_recovered(&o), 0);
		/* and on it goes */
		line(&text, LINES, LENGTH);
		assert_int_equal(outlet_write(&o, buf_str(&text)), 0);
		got.n = 0;
		read_all(&o, ends[0], &got);
		assert_int_equal(check(buf_str(&got), LENGTH, &last), 1);
		assert_int_equal(last, LINES);
		outlet_done(&o);
		close(ends[0]), close(ends[1]);
		buf_free(&text), buf_free(&got);
	}
}

/* One that reads on gets all of it. */
static void test_somebody_reads(void **state)
{
	enum { LENGTH = 100000, LINES = 600 };
	struct buf text = { 0 };
	struct outlet o;
	int ends[2], status[2];
	make(A_PIPE, ends);
	assert_int_equal(pipe(status), 0);
	fcntl(ends[0], F_SETFL, 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct buf got = { 0 };
		static char bytes[65536];
		close(ends[1]);
		for (ssize_t n; (n = read(ends[0], bytes, sizeof(bytes))) > 0;)
			buf_add(&got, (struct str){ bytes, (size_t)n });
		_exit(write(status[1], &got.n, sizeof(got.n)) != (ssize_t)sizeof(got.n));
	}
	outlet_init(&o, ends[1], &clock_system);
	for (unsigned i = 0; i < LINES; i++) {
		line(&text, i, LENGTH);
		assert_int_equal(outlet_write(&o, buf_str(&text)), 0);
	}
	assert_int_equal(outlet_end(&o), 0);
	outlet_done(&o);
	close(ends[1]);
	size_t got = 0;
	assert_int_equal(read(status[0], &got, sizeof(got)), (ssize_t)sizeof(got));
	assert_int_equal(got + o.shed * LENGTH, (size_t)LENGTH * LINES);
	assert_int_equal(o.shed, 0);
	close(ends[0]), close(status[0]), close(status[1]);
	buf_free(&text);
}

static void test_nobody_is_there(void **state)
{
	for (int kind = 0; kind < A_TERMINAL; kind++) {
		struct outlet o;
		int ends[2];
		make((enum kind)kind, ends);
		outlet_init(&o, ends[1], &clock_system);
		close(ends[0]);
		signal(SIGPIPE, SIG_IGN);
		assert_int_equal(outlet_write(&o, STR("hello\n")), -EPIPE);
		assert_int_equal(outlet_write(&o, STR("hello\n")), -EPIPE);
		outlet_done(&o);
		close(ends[1]);
	}
}

/* Whoever else has the pipe waits as it did before. */
static void test_others_are_left_alone(void **state)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	int other = dup(ends[1]);
	outlet_unblock(ends[1]);
	assert_true(fcntl(ends[1], F_GETFL) & O_NONBLOCK);
	assert_false(fcntl(other, F_GETFL) & O_NONBLOCK);
	close(ends[0]), close(ends[1]), close(other);
}

/* A file takes everything, and goes on where it was. */
static void test_a_file(void **state)
{
	char path[] = "/tmp/khien-outlet-XXXXXX";
	int fd = mkstemp(path);
	struct outlet o;
	struct stat st;
	assert_int_equal(write(fd, "12345", 5), 5);
	outlet_unblock(fd);
	outlet_init(&o, fd, &clock_system);
	assert_int_equal(outlet_write(&o, STR("hello\n")), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 11);
	outlet_done(&o);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_reads),    cmocka_unit_test(test_somebody_reads),
		cmocka_unit_test(test_nobody_is_there), cmocka_unit_test(test_others_are_left_alone),
		cmocka_unit_test(test_a_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
