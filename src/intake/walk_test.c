#include "base/buf.h"
#include "intake/intake.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int note(void *arg, const char *path, uint64_t size)
{
	struct buf *b = arg;
	buf_printf(b, "%s %d\n", path, (int)size);
	return 0;
}

static int stop(void *arg, const char *path, uint64_t size)
{
	++*(int *)arg;
	return -EPIPE;
}

static void touch(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void folders(void **state)
{
	char dir[] = "walk_test.XXXXXX", back[4096];
	struct buf got = { 0 };
	struct err err;
	int calls = 0;
	assert_non_null(mkdtemp(dir));
	assert_non_null(getcwd(back, sizeof(back)));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(mkdir("a", 0700) | mkdir("a/b", 0700) | mkdir(".hidden", 0700), 0);
	touch("a/b/2", "22");
	touch("a/1", "1");
	touch("a/B", "");
	touch("a/.swp", "x");
	touch(".hidden/x", "x");
	assert_int_equal(symlink("..", "a/circle") | symlink("b/2", "a/link") | symlink("nowhere", "a/dangling"), 0);

	assert_int_equal(intake_walk("a/", note, &got, &err), 0);
	buf_putc(&got, '\0');
	assert_string_equal(got.p, "a/1 1\na/B 0\na/b/2 2\na/link 2\n");
	got.n = 0;
	assert_int_equal(intake_walk("a/b/2", note, &got, &err), 0);
	buf_putc(&got, '\0');
	assert_string_equal(got.p, "a/b/2 2\n");
	assert_int_equal(intake_walk("a", stop, &calls, &err), -EPIPE);
	assert_int_equal(calls, 1);
	assert_int_equal(intake_walk("none", note, &got, &err), -ENOENT);
	assert_string_equal(err.text, "open 'none': No such file or directory");

	unlink("a/circle"), unlink("a/link"), unlink("a/dangling"), unlink("a/b/2"), unlink("a/1"), unlink("a/B");
	unlink("a/.swp"), unlink(".hidden/x"), rmdir("a/b"), rmdir("a"), rmdir(".hidden");
	assert_int_equal(chdir(back), 0);
	assert_int_equal(rmdir(dir), 0);
	buf_free(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
