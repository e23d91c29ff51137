#include "os/atomic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/khien-atomic-XXXXXX";

static size_t read_back(const char *name, char *to, size_t size)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	ssize_t n = read(fd, to, size);
	close(fd);
	assert_true(n >= 0);
	return (size_t)n;
}

static size_t n_files(void)
{
	size_t n = 0;
	DIR *d = opendir(dir);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void test_replaces(void **state)
{
	char back[64];
	struct err err;
	assert_int_equal(atomic_write(dir, "a", STR("first, the longer one"), 0600, &err), 0);
	assert_int_equal(atomic_write(dir, "a", STR("second"), 0640, &err), 0);
	assert_int_equal(read_back("a", back, sizeof(back)), 6);
	assert_memory_equal(back, "second", 6);
	char path[256];
	struct stat st;
	snprintf(path, sizeof(path), "%s/a", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(n_files(), 1);
}

/* The disk is "full" at 4 kB: the old file stays as it was and nothing is left beside it. */
static void test_failure_leaves_the_old(void **state)
{
	static char big[8192];
	char back[64];
	struct err err;
	struct rlimit old, small = { 4096, 0 };
	assert_int_equal(atomic_write(dir, "b", STR("old"), 0600, &err), 0);
	size_t before = n_files();
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	int code = atomic_write(dir, "b", (struct str){ big, sizeof(big) }, 0600, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(code, -EFBIG);
	assert_non_null(strstr(err.text, "/b'"));
	assert_int_equal(read_back("b", back, sizeof(back)), 3);
	assert_int_equal(n_files(), before);
}

static void test_names_what_is_missing(void **state)
{
	struct err err;
	assert_int_equal(atomic_write("/nowhere/at/all", "a", STR("x"), 0600, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nowhere/at/all"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replaces),
		cmocka_unit_test(test_failure_leaves_the_old),
		cmocka_unit_test(test_names_what_is_missing),
	};
	if (!mkdtemp(dir))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	char path[256];
	for (const char *name = "ab"; *name; name++) {
		snprintf(path, sizeof(path), "%s/%c", dir, *name);
		unlink(path);
	}
	rmdir(dir);
	return failed;
}
