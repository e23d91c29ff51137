#include "proxy/control.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/khien-control-XXXXXX";
static char path[64];

/* --- the answer --- */

static void reads_answers(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		int status;
		const char *body;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, "{}" },
		{ "HTTP/1.0 404 Not Found\r\nServer: x\r\nCONTENT-length:  0 \r\n\r\n", 404, "" },
		{ "HTTP/1.1 599 \r\ncontent-length: 4\r\n\r\n\r\n\r\n", 599, "\r\n\r\n" },
		{ "", -EPROTO, NULL },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", -EPROTO, NULL },   /* cut off */
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}", -EPROTO, NULL },  /* more than it says */
		{ "HTTP/1.1 200 OK\r\n\r\n{}", -EPROTO, NULL },                       /* who knows */
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", -EPROTO, NULL },        /* no end of the head */
		{ "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}", -EPROTO, NULL }, /* */
		{ "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", -EPROTO, NULL },
		{ "HTTP/1.1 100 Go on\r\nContent-Length: 0\r\n\r\n", -EPROTO, NULL },
		{ "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n", -EPROTO, NULL },
		{ "HTTP/2 200\r\nContent-Length: 0\r\n\r\n", -EPROTO, NULL },
		{ "HTTP/1.1\r\n\r\n", -EPROTO, NULL },
		{ "SSH-2.0-x\r\n\r\n", -EPROTO, NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str body = STR("as it was");
		assert_int_equal(control_read(str_from(cases[i].bytes), &body), cases[i].status);
		assert_true(str_eq(body, cases[i].body ? str_from(cases[i].body) : STR("as it was")));
	}
}

/* --- over a socket --- */

static int listen_here(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(at.sun_path, path, strlen(path));
	unlink(path);
	assert_return_code(fd, errno);
	assert_return_code(bind(fd, (const struct sockaddr *)&at, sizeof(at)), errno);
	assert_return_code(listen(fd, 4), errno);
	return fd;
}

/* Takes one question up to `until`, says it in `heard`, answers byte by byte or at once, and ends. */
static pid_t answer_once(int fd, const char *until, const char *answer, bool bytewise, int heard)
{
	const pid_t pid = fork();
	if (pid)
		return pid;
	char got[8192];
	size_t n = 0;
	const int c = accept(fd, NULL, NULL);
	while (n < sizeof(got) - 1 && !memmem(got, n, until, strlen(until))) {
		const ssize_t more = read(c, got + n, sizeof(got) - 1 - n);
		if (more <= 0)
			break;
		n += (size_t)more;
	}
	const size_t all = strlen(answer), step = bytewise ? 1 : all;
	bool good = write(heard, got, n) == (ssize_t)n;
	for (size_t i = 0; good && i < all; i += step)
		good = write(c, answer + i, step) == (ssize_t)step;
	_exit(good ? 0 : 1);
}

static void asks(void **state)
{
	(void)state;
	const int fd = listen_here();
	for (int bytewise = 0; bytewise < 2; bytewise++) {
		struct buf got = { 0 };
		struct err err = { 0 };
		int heard[2], status;
		char text[8192] = { 0 };
		assert_return_code(pipe(heard), errno);
		const pid_t pid = answer_once(fd, "allow 10.0.0.0/8",
		                              "HTTP/1.1 400 Bad\r\nContent-Length: 14\r\n\r\n{\"error\":\"no\"}",
		                              bytewise, heard[1]);
		buf_add(&got, STR("before "));
		assert_int_equal(control_ask(path, "PUT", "/lists", STR("allow 10.0.0.0/8"), &got, &err), 400);
		assert_true(str_eq(buf_str(&got), STR("before {\"error\":\"no\"}")));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		assert_true(read(heard[0], text, sizeof(text) - 1) > 0);
		assert_ptr_equal(strstr(text, "PUT /lists HTTP/1.0\r\n"), text);
		assert_non_null(strstr(text, "\r\nContent-Length: 16\r\n"));
		assert_non_null(strstr(text, "\r\n\r\nallow 10.0.0.0/8"));
		close(heard[0]);
		close(heard[1]);
		buf_free(&got);
	}
	close(fd);
}

static void tells_what_is_wrong(void **state)
{
	(void)state;
	struct buf got = { 0 };
	struct err err = { 0 };
	char far[256];
	int heard[2], status;
	unlink(path);
	assert_int_equal(control_ask(path, "GET", "/status", STR(""), &got, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	const int fd = listen_here();
	assert_return_code(pipe(heard), errno);
	const pid_t pid =
	        answer_once(fd, "\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"pre", false, heard[1]);
	assert_int_equal(control_ask(path, "GET", "/status", STR(""), &got, &err), -EPROTO);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(heard[0]);
	close(heard[1]);
	close(fd);
	assert_int_equal(control_ask(path, "GET", "/status", STR(""), &got, &err), -ECONNREFUSED);
	memset(far, 'x', sizeof(far) - 1);
	far[sizeof(far) - 1] = '\0';
	assert_int_equal(control_ask(far, "GET", "/status", STR(""), &got, &err), -ENAMETOOLONG);
	assert_int_equal(got.n, 0);
	buf_free(&got);
}

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/control", dir);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_answers),
		cmocka_unit_test(asks),
		cmocka_unit_test(tells_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
