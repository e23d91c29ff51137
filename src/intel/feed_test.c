#include "intel/feed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void add(struct feed_maker *m, const char *text, int64_t expires, unsigned confidence, const char *note)
{
	struct indicator i;
	assert_null(indicator_read(&i, str_from(text), INTEL_ANY, 0));
	const struct feed_entry e = { &i, expires, confidence, str_from(note), STR("ref") };
	feed_add(m, &e);
}

static void make(void **block, size_t *size)
{
	struct feed_maker m;
	feed_maker_init(&m, STR("one"), "list", 42);
	m.file = "a.txt";
	add(&m, "192.0.2.1", 100, 30, "first\nline");
	add(&m, "bad.example", 0, 50, "same");
	add(&m, "192.0.2.1", 200, 20, "again");
	add(&m, "192.0.2.1", 50, 60, "again");
	feed_bad(&m, 7, STR("x\x1by"), "why not");
	assert_int_equal(feed_pack(&m, block, size, NULL), 0);
	feed_maker_done(&m);
}

static void test_round(void **state)
{
	struct feed f;
	void *block;
	size_t size;
	make(&block, &size);
	assert_int_equal(feed_open(&f, block, size, NULL), 0);
	assert_int_equal(f.n_items, 2);
	assert_int_equal(f.head.twice, 2);
	assert_int_equal(f.head.bad, 1);
	assert_string_equal(f.head.name, "one");
	assert_int_equal(f.head.added, 42);
	/* The better of what was said each time. */
	assert_int_equal(f.items[0].expires, 200);
	assert_int_equal(f.items[0].confidence, 60);
	assert_true(str_eq(feed_str(&f, f.items[0].value), STR("192.0.2.1")));
	assert_true(str_eq(feed_str(&f, f.items[0].note), STR("first line")));
	assert_int_equal(f.items[1].expires, 0);
	assert_true(str_eq(f.told, STR("a.txt:7: x?y: why not\n")));
	feed_close(&f);
}

/* Whatever byte is another one: refused, or the same feed where the byte is padding. */
static void test_damage(void **state)
{
	void *block;
	size_t size;
	make(&block, &size);
	for (size_t i = 0; i < size; i++) {
		struct feed f;
		char *copy = malloc(size);
		assert_non_null(copy);
		memcpy(copy, block, size);
		copy[i] ^= 0x41;
		if (!feed_open(&f, copy, size, NULL)) {
			assert_int_equal(f.n_items, 2);
			feed_close(&f);
		}
	}
	for (size_t n = 0; n < size; n += 7) {
		struct feed f;
		char *copy = malloc(n + 1);
		assert_non_null(copy);
		memcpy(copy, block, n);
		assert_int_equal(feed_open(&f, copy, n, NULL), -EBADMSG);
	}
	free(block);
}

static void test_many(void **state)
{
	struct feed_maker m;
	feed_maker_init(&m, STR("many"), "list", 0);
	for (int i = 0; i < 5000; i++) {
		char text[40];
		snprintf(text, sizeof(text), "h%d.example.org", i % 4000);
		add(&m, text, 0, 50, "");
	}
	assert_int_equal(m.n_items, 4000);
	assert_int_equal(m.head.twice, 1000);
	for (int i = 0; i < FEED_TOLD_MAX + 10; i++)
		feed_bad(&m, 1, STR("a"), "b");
	assert_int_equal(m.head.bad, FEED_TOLD_MAX + 10);
	size_t lines = 0;
	for (size_t i = 0; i < m.told.n; i++)
		lines += m.told.p[i] == '\n';
	assert_int_equal(lines, FEED_TOLD_MAX);
	feed_maker_done(&m);
}

static void test_names(void **state)
{
	assert_true(feed_name_ok(STR("partner-1_a.b")));
	assert_false(feed_name_ok(STR("")));
	assert_false(feed_name_ok(STR("../x")));
	assert_false(feed_name_ok(STR(".hidden")));
	assert_false(feed_name_ok(STR("-x")));
	assert_false(feed_name_ok(STR("a b")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
