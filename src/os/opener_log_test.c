/* What the opener opens of logs beside their paths: rotations, files of a pattern, links, a journal behind a cursor. */
#include "os/opener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/khien-opener-XXXXXX", path[8][96];
enum { LOG, OLDER, PACKED, OTHER, LINK, PATTERN, OUTSIDE, SUB };
static const char *const names[] = {
	"a.log", "a.log.1", "a.log.2.gz", "b.log", "current", "*.log", "sub/c.log", "sub"
};
static const char *const echo[] = { "/bin/echo", "one", "last", NULL };
static struct opener_item items[4];
static struct opener *o;

static void write_file(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, name, strlen(name)), (ssize_t)strlen(name));
	close(fd);
}

/* fd holds what write_file() put into this one. */
static void is_file(int fd, const char *name)
{
	char text[96] = "";
	assert_int_equal(read(fd, text, sizeof(text) - 1), (ssize_t)strlen(name));
	assert_string_equal(text, name);
	close(fd);
}

static int setup(void **state)
{
	struct err err;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < ARRAY_LEN(path); i++)
		snprintf(path[i], sizeof(path[i]), "%s/%s", dir, names[i]);
	assert_int_equal(mkdir(path[SUB], 0700), 0);
	static const int made[] = { PACKED, OLDER, LOG, OTHER, OUTSIDE };
	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		write_file(path[made[i]]);
		usleep(2000); /* each is newer than the one before */
	}
	assert_int_equal(symlink("a.log", path[LINK]), 0);
	items[0] = (struct opener_item){ .kind = OPENER_FILE, .name = path[LOG] };
	items[1] = (struct opener_item){ .kind = OPENER_PATTERN, .name = path[PATTERN] };
	items[2] = (struct opener_item){ .kind = OPENER_FILE, .name = path[LOG], .link = path[LINK] };
	items[3] = (struct opener_item){ .kind = OPENER_CHILD, .name = "echo", .argv = echo, .resumes = true };
	assert_int_equal(opener_start(&o, items, ARRAY_LEN(items), &err), 0);
	return 0;
}

static int teardown(void **state)
{
	opener_free(o);
	for (size_t i = 0; i < ARRAY_LEN(path) - 1; i++)
		unlink(path[i]);
	rmdir(path[SUB]);
	rmdir(dir);
	return 0;
}

static void test_rotations(void **state)
{
	char name[OPENER_TEXT];
	int fd;
	assert_int_equal(opener_rotated(o, 0, NULL, 0, &fd, name, NULL), 1);
	assert_string_equal(name, "a.log.1");
	is_file(fd, path[OLDER]);
	assert_int_equal(opener_rotated(o, 0, NULL, 1, &fd, name, NULL), 1);
	is_file(fd, path[PACKED]);
	assert_int_equal(opener_rotated(o, 0, NULL, 2, &fd, name, NULL), 0);
	assert_int_equal(opener_rotated(o, 1, path[LOG], 0, &fd, name, NULL), 1);
	is_file(fd, path[OLDER]);
	/* what was found for one log is not looked for beside another */
	assert_int_equal(opener_rotated(o, 1, path[OTHER], 1, &fd, name, NULL), -EINVAL);
	assert_int_equal(opener_rotated(o, 1, path[OUTSIDE], 0, &fd, name, NULL), -EPERM);
	assert_int_equal(opener_rotated(o, 3, path[LOG], 0, &fd, name, NULL), -EPERM);
}

static void test_pattern(void **state)
{
	char name[OPENER_TEXT], sly[128];
	struct opener_file have = { 0 };
	int fd;
	assert_int_equal(opener_match(o, 1, 0, name, NULL), 1);
	assert_string_equal(name, path[LOG]);
	assert_int_equal(opener_match(o, 1, 1, name, NULL), 1);
	assert_string_equal(name, path[OTHER]);
	assert_int_equal(opener_match(o, 1, 2, name, NULL), 0);
	assert_int_equal(opener_match(o, 0, 0, name, NULL), -EINVAL);
	assert_int_equal(opener_open_match(o, 1, path[OTHER], &have, &fd, NULL), 1);
	is_file(fd, path[OTHER]);
	assert_int_equal(opener_open_match(o, 1, path[OTHER], &have, &fd, NULL), 0);
	assert_int_equal(opener_open_match(o, 1, path[OUTSIDE], &have, &fd, NULL), -EPERM);
	assert_int_equal(opener_open_match(o, 1, "/etc/passwd", &have, &fd, NULL), -EPERM);
	snprintf(sly, sizeof(sly), "%s/sub/../b.log", dir);
	assert_int_equal(opener_open_match(o, 1, sly, &have, &fd, NULL), -EPERM);
	assert_int_equal(opener_open_match(o, 0, path[LOG], &have, &fd, NULL), -EPERM); /* no pattern */
	assert_int_equal(opener_open(o, 1, &have, &fd, NULL), -EINVAL);
}

static void test_link(void **state)
{
	struct opener_file have = { 0 };
	struct err err;
	int fd;
	assert_int_equal(opener_open(o, 2, &have, &fd, &err), 1);
	is_file(fd, path[LOG]);
	assert_int_equal(unlink(path[LINK]) || symlink("b.log", path[LINK]), 0);
	assert_int_equal(opener_open(o, 2, &have, &fd, &err), 1);
	is_file(fd, path[OTHER]);
	assert_int_equal(unlink(path[LINK]) || symlink("sub/c.log", path[LINK]), 0);
	assert_int_equal(opener_open(o, 2, &have, &fd, &err), -ELOOP);
	assert_non_null(strstr(err.text, "another folder"));
	assert_int_equal(unlink(path[LINK]) || symlink("/etc/passwd", path[LINK]), 0);
	assert_int_equal(opener_open(o, 2, &have, &fd, &err), -ELOOP);
}

static void says(int fd, const char *want)
{
	char text[128] = "";
	struct pollfd p = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(read(fd, text, sizeof(text) - 1), (ssize_t)strlen(want));
	assert_string_equal(text, want);
	close(fd);
}

static void test_cursor(void **state)
{
	static const char *const bad[] = { "a b", "a\nb", "$(id)", "a'b", "a/b" };
	int fd;
	assert_int_equal(opener_open(o, 3, NULL, &fd, NULL), 1);
	says(fd, "one last\n");
	assert_int_equal(opener_resume(o, 3, "s=0a;i=1f", &fd, NULL), 1);
	says(fd, "one --no-tail --after-cursor=s=0a;i=1f\n");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(opener_resume(o, 3, bad[i], &fd, NULL), -EINVAL);
	assert_int_equal(opener_resume(o, 0, "s=0a", &fd, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rotations),
		cmocka_unit_test(test_pattern),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_cursor),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
