/* str, arena, buf, err. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void test_str(void **state)
{
	struct str s = STR("key=value");
	assert_true(str_eq(s, str_from("key=value")));
	assert_false(str_eq(s, STR("key=valuf")));
	assert_true(str_eq((struct str){ NULL, 0 }, STR("")));
	assert_int_equal(str_from(NULL).n, 0);
	assert_true(str_starts(s, STR("key")) && str_starts(s, STR("")) && !str_starts(STR("ke"), STR("key")));
	assert_true(str_ends(s, STR("value")) && str_ends(s, STR("")) && !str_ends(STR("e"), STR("value")));
	assert_int_equal(str_find(s, '='), 3);
	assert_int_equal(str_find(s, '!'), s.n);
	assert_int_equal(str_find((struct str){ 0 }, 'a'), 0);
	assert_true(str_eq(str_sub(s, 4, 3), STR("val")));
	assert_true(str_eq(str_sub(s, 4, SIZE_MAX), STR("value")));
	assert_int_equal(str_sub(s, 100, 1).n, 0);
	assert_true(str_eq(str_trim(STR(" \t a b \r\n")), STR("a b")));
	assert_int_equal(str_trim(STR(" \n")).n, 0);
}

static void test_arena(void **state)
{
	struct arena a = { 0 };
	char *first = arena_alloc(&a, 1);
	for (int i = 1; i < 2000; i++) {
		char *p = arena_alloc(&a, (size_t)i);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		memset(p, i, (size_t)i);
	}
	assert_true(a.held > 1000 * 2000);
	char *zero = arena_zalloc(&a, 100000);
	assert_non_null(zero);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(zero[i], 0);
	struct str copy = arena_copy(&a, STR("abc"));
	assert_string_equal(copy.p, "abc");
	assert_int_equal(copy.n, 3);
	assert_string_equal(arena_copy(&a, (struct str){ 0 }).p, "");
	struct str made = arena_printf(&a, "%d-%s", 7, "x");
	assert_string_equal(made.p, "7-x");
	assert_int_equal(made.n, 3);
	assert_non_null(first);

	arena_reset(&a);
	size_t held = a.held;
	assert_non_null(arena_alloc(&a, 1000));
	assert_int_equal(a.held, held); /* a kept block serves without malloc */
	arena_free(&a);
	assert_int_equal(a.held, 0);
}

static void test_arena_bound(void **state)
{
	struct arena a = { .max = 100000 };
	size_t n = 0;
	while (arena_alloc(&a, 1000))
		n += 1000;
	assert_in_range(n, 60000, 100000);
	assert_true(a.held <= 100000);
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 20));
	assert_null(arena_zalloc(&a, 100000));
	assert_null(arena_copy(&a, (struct str){ "x", SIZE_MAX / 2 }).p);
	arena_reset(&a);
	assert_non_null(arena_alloc(&a, 1000));
	arena_free(&a);
}

static void test_buf(void **state)
{
	struct buf b = { .max = 1000 };
	buf_add(&b, STR("one "));
	buf_putc(&b, '2');
	buf_printf(&b, " %s %d", "three", 4);
	assert_true(str_eq(buf_str(&b), STR("one 2 three 4")));
	char big[1000] = { 0 };
	buf_add(&b, (struct str){ big, sizeof(big) });
	assert_true(b.failed);
	assert_true(str_eq(buf_str(&b), STR("one 2 three 4"))); /* what was there stays */
	buf_putc(&b, 'x');
	assert_int_equal(b.n, 13);
	buf_free(&b);
	assert_int_equal(b.max, 1000);
	assert_false(b.failed);
	memset(buf_room(&b, 1000), 'a', 1000); /* as much as the bound allows */
	assert_null(buf_room(&b, SIZE_MAX));
	buf_free(&b);
}

static void test_buf_json(void **state)
{
	static const struct {
		struct str from;
		const char *to;
	} cases[] = {
		{ { "", 0 }, "\"\"" },
		{ { "plain", 5 }, "\"plain\"" },
		{ { "a\"b\\c/", 6 }, "\"a\\\"b\\\\c/\"" },
		{ { "\b\t\n\f\r", 5 }, "\"\\b\\t\\n\\f\\r\"" },
		{ { "\0\x1f\x7f\x1b", 4 }, "\"\\u0000\\u001f\\u007f\\u001b\"" },
		{ { "\xc3\xa9\xf0\x9f\x98\x80", 6 }, "\"\xc3\xa9\xf0\x9f\x98\x80\"" },
		{ { "\xff"
		    "a\xc3",
		    3 },
		  "\"\xef\xbf\xbd"
		  "a\xef\xbf\xbd\"" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = { 0 };
		buf_add_json(&b, cases[i].from);
		buf_putc(&b, '\0');
		assert_string_equal(b.p, cases[i].to);
		buf_free(&b);
	}
}

static void test_err(void **state)
{
	struct err err;
	assert_int_equal(err_set(&err, -ENOENT, "open '%s': %m", "a\nb\x1b[m"), -ENOENT);
	assert_int_equal(err.code, -ENOENT);
	assert_string_equal(err.text, "open 'a b [m': No such file or directory");
	assert_int_equal(err_set(NULL, -EINVAL, "nobody listens"), -EINVAL);
	char big[2000];
	memset(big, 'x', sizeof(big));
	err_set(&err, -E2BIG, "%.*s", (int)sizeof(big), big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_str), cmocka_unit_test(test_arena),    cmocka_unit_test(test_arena_bound),
		cmocka_unit_test(test_buf), cmocka_unit_test(test_buf_json), cmocka_unit_test(test_err),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
