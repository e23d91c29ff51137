#include "intel/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
	char *dir = strdup("/tmp/khien-shelf-XXXXXX");
	*state = dir;
	return dir && mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = { "a.feed", "a.feed.old", "b.feed", "b.feed.old" };
	char path[200];
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/intel/%s", (char *)*state, names[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/intel", (char *)*state);
	rmdir(path);
	int r = rmdir(*state);
	free(*state);
	return r;
}

/* A feed of n addresses, of which the first `old` expire at 100. */
static void put(const char *dir, const char *name, int n, int old)
{
	struct feed_maker m;
	void *block;
	size_t size;
	feed_maker_init(&m, str_from(name), "list", 7);
	for (int i = 0; i < n; i++) {
		struct indicator ind;
		char text[20];
		snprintf(text, sizeof(text), "192.0.2.%d", i + 1);
		assert_null(indicator_read(&ind, str_from(text), INTEL_ANY, 0));
		const struct feed_entry e = { &ind, i < old ? 100 : 0, 50, STR("n"), STR("r") };
		feed_add(&m, &e);
	}
	assert_int_equal(feed_pack(&m, &block, &size, NULL), 0);
	feed_maker_done(&m);
	assert_int_equal(shelf_put(dir, name, (struct str){ block, size }, NULL), 0);
	free(block);
}

static void note(void *arg, const char *file, const char *why)
{
	++*(int *)arg;
}

/* Items of each feed, "a=3 b=2"; *stamp of the folder. */
static void expect(const char *dir, const char *wanted, int damaged, uint64_t *stamp)
{
	char text[100] = "";
	struct shelf s;
	int bad = 0;
	assert_int_equal(shelf_load(&s, dir, note, &bad, NULL), 0);
	for (size_t i = 0; i < s.n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s=%u", i ? " " : "",
		         s.feeds[i].head.name, s.feeds[i].n_items);
	assert_string_equal(text, wanted);
	assert_int_equal(bad, damaged);
	uint64_t alone;
	assert_int_equal(shelf_stamp(dir, &alone, NULL), 0);
	assert_true(alone == s.stamp);
	if (stamp) {
		assert_true(*stamp != alone);
		*stamp = alone;
	}
	shelf_done(&s);
}

static void test_steps(void **state)
{
	char dir[100];
	uint64_t stamp = 1;
	snprintf(dir, sizeof(dir), "%s/intel", (char *)*state);
	expect(dir, "", 0, &stamp);
	put(dir, "b", 2, 0);
	put(dir, "a", 3, 0);
	expect(dir, "a=3 b=2", 0, &stamp);
	put(dir, "a", 5, 0);
	expect(dir, "a=5 b=2", 0, &stamp);
	assert_int_equal(shelf_restore(dir, "a", NULL), 0);
	expect(dir, "a=3 b=2", 0, &stamp);
	assert_int_equal(shelf_restore(dir, "a", NULL), 0);
	expect(dir, "a=5 b=2", 0, &stamp);
	assert_int_equal(shelf_remove(dir, "a", NULL), 0);
	expect(dir, "b=2", 0, &stamp);
	assert_int_equal(shelf_remove(dir, "a", NULL), -ENOENT);
	assert_int_equal(shelf_restore(dir, "a", NULL), 0);
	expect(dir, "a=5 b=2", 0, &stamp);
	assert_int_equal(shelf_restore(dir, "b", NULL), -ENOENT);
	assert_int_equal(shelf_remove(dir, "../a", NULL), -EINVAL);
	assert_int_equal(shelf_put(dir, "a/b", STR("x"), NULL), -EINVAL);
}

static void test_sweep(void **state)
{
	char dir[100];
	uint64_t n;
	snprintf(dir, sizeof(dir), "%s/intel", (char *)*state);
	put(dir, "a", 5, 2);
	put(dir, "b", 3, 0);
	assert_int_equal(shelf_sweep(dir, 99, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(shelf_sweep(dir, 100, &n, NULL), 0);
	assert_int_equal(n, 2);
	expect(dir, "a=3 b=3", 0, NULL);
}

static void test_damaged(void **state)
{
	char dir[100], path[200];
	snprintf(dir, sizeof(dir), "%s/intel", (char *)*state);
	put(dir, "a", 5, 0);
	put(dir, "b", 3, 0);
	snprintf(path, sizeof(path), "%s/a.feed", dir);
	assert_int_equal(truncate(path, 100), 0);
	expect(dir, "b=3", 1, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_steps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sweep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
