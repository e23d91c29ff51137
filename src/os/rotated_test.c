#include "os/rotated.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static bool is(const char *log, const char *name)
{
	return rotated_is(str_from(log), str_from(name));
}

static void test_names(void **state)
{
	static const char *const yes[] = { "access.log.1",        "access.log.12.gz",
		                           "access.log-20260301", "access.log-20260301-1630.zst",
		                           "access-20260301.log", "access.1.log.gz",
		                           "access.log.old",      "access.log_2026-03-01T10:00:00" };
	static const char *const no[] = { "access.log",          "access.log.",     "access.log.gz",  "access.log.1.xz",
		                          "access.log.1.gz.tmp", "access_ssl.log",  "access.log.swp", "access.log.1~",
		                          "error.log.1",         "access.logs.1",   "access.log1",    "xaccess.log.1",
		                          "access.log.1/x",      "access.log.1.old" };
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		if (!is("access.log", yes[i]))
			fail_msg("%s is not taken", yes[i]);
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (is("access.log", no[i]))
			fail_msg("%s is taken", no[i]);
	assert_true(is("messages", "messages-20260301.gz"));
	assert_false(is("messages", "messages"));
	assert_false(is("", ""));
	assert_false(is(".log", "-1.log")); /* without a name before the suffix every log would do */
}

static void test_newest_first_and_bounded(void **state)
{
	char folder[] = "/tmp/khien-rotated-XXXXXX", path[64];
	static struct rotated r;
	assert_non_null(mkdtemp(folder));
	for (int i = 0; i < ROTATED_MAX + 8; i++) {
		snprintf(path, sizeof(path), "%s/a.log.%d", folder, i);
		int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		const struct timespec when[2] = { { .tv_sec = 1000 + i * 7 % 24 }, { .tv_sec = 1000 + i * 7 % 24 } };
		assert_int_equal(futimens(fd, when), 0);
		close(fd);
	}
	assert_int_equal(rotated_list(&r, folder, STR("a.log")), 0);
	assert_int_equal(r.n, ROTATED_MAX);
	for (size_t i = 0; i < r.n; i++)
		assert_int_equal(r.at[i].written, (1023 - (int64_t)i) * 1000000000);
	for (int i = 0; i < ROTATED_MAX + 8; i++) {
		snprintf(path, sizeof(path), "%s/a.log.%d", folder, i);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/a.log.1", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(rotated_list(&r, folder, STR("a.log")), 0);
	assert_int_equal(r.n, 0);
	rmdir(path);
	rmdir(folder);
	assert_true(rotated_list(&r, folder, STR("a.log")) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_newest_first_and_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
