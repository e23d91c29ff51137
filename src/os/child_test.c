#include "os/child.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What a child says, up to its end. */
static size_t output_of(const char *const *argv, bool change_ids, char *to, size_t size)
{
	int out[2];
	pid_t pid;
	struct err err = { 0 };
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	struct child_config c = { .argv = argv, .out = out[1], .change_ids = change_ids, .uid = 65534, .gid = 65534 };
	int code = child_spawn(&pid, &c, &err);
	close(out[1]);
	assert_int_equal(code, 0);
	size_t n = 0;
	for (ssize_t got; n < size - 1 && (got = read(out[0], to + n, size - 1 - n)) > 0;)
		n += (size_t)got;
	to[n] = '\0';
	close(out[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return n;
}

static void test_clean_surroundings(void **state)
{
	char text[1024];
	setenv("KHIEN_SECRET", "1", 1);
	output_of((const char *const[]){ "/usr/bin/env", NULL }, false, text, sizeof(text));
	assert_non_null(strstr(text, "LC_ALL=C.UTF-8"));
	assert_null(strstr(text, "KHIEN_SECRET"));
	/* 0, 1, 2 and the folder that ls reads */
	int held = open("/dev/null", O_RDONLY);
	dup2(held, 77);
	output_of((const char *const[]){ "/bin/ls", "/proc/self/fd", NULL }, false, text, sizeof(text));
	assert_string_equal(text, "0\n1\n2\n3\n");
	close(77);
	close(held);
	output_of((const char *const[]){ "/bin/grep", "NoNewPrivs", "/proc/self/status", NULL }, false, text,
	          sizeof(text));
	assert_string_equal(text, "NoNewPrivs:\t1\n");
}

static void test_other_user(void **state)
{
	char text[64];
	if (geteuid() != 0) {
		print_message("SKIP: only root can\n");
		skip();
	}
	output_of((const char *const[]){ "/usr/bin/id", "-u", NULL }, true, text, sizeof(text));
	assert_string_equal(text, "65534\n");
	output_of((const char *const[]){ "/usr/bin/id", "-G", NULL }, true, text, sizeof(text));
	assert_string_equal(text, "65534\n");
}

static void test_missing_program(void **state)
{
	pid_t pid = 0;
	struct err err = { 0 };
	struct child_config c = { .argv = (const char *const[]){ "/nowhere/tool", NULL }, .out = -1 };
	assert_int_equal(child_spawn(&pid, &c, &err), -ENOENT);
	assert_int_equal(pid, 0);
	assert_non_null(strstr(err.text, "/nowhere/tool"));
}

static void test_stop(void **state)
{
	pid_t pid;
	struct child_config c = { .argv = (const char *const[]){ "/bin/sleep", "60", NULL }, .out = -1 };
	assert_int_equal(child_spawn(&pid, &c, NULL), 0);
	child_stop(pid);
	assert_int_equal(kill(pid, 0), -1);
	/* one that doesn't listen to SIGTERM */
	c.argv = (const char *const[]){ "/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done", NULL };
	assert_int_equal(child_spawn(&pid, &c, NULL), 0);
	usleep(100 * 1000);
	child_stop(pid);
	assert_int_equal(kill(pid, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean_surroundings),
		cmocka_unit_test(test_other_user),
		cmocka_unit_test(test_missing_program),
		cmocka_unit_test(test_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
