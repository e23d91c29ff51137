#include "intake/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void cutting(void **state)
{
	struct str s = STR("a\r\n\nb"), line;
	assert_true(text_line(&s, &line) && str_eq(line, STR("a")));
	assert_true(text_line(&s, &line) && line.n == 0);
	assert_true(text_line(&s, &line) && str_eq(line, STR("b")));
	assert_false(text_line(&s, &line));
	s = STR("  one two ");
	assert_true(str_eq(text_word(&s), STR("one")));
	assert_true(str_eq(text_word(&s), STR("two")));
	assert_int_equal(text_word(&s).n, 0);
	unsigned v;
	s = STR("123x");
	assert_true(text_number(&s, 2, &v) && v == 12);
	assert_true(text_number(&s, 2, &v) && v == 3);
	assert_false(text_number(&s, 2, &v));
	assert_true(text_take(&s, 'x'));
	assert_false(text_take(&s, 'x'));
}

static void types(void **state)
{
	static const char *const numbers[] = {
		"0", "-1", "10", "1.5", "0.0", "-0.25", "123456789012345678901234567890"
	};
	static const char *const texts[] = { "", "-", "01", "1.", ".5", "1e5", "1a", "0x1", "--1", "1 " };
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		assert_int_equal(text_type(str_from(numbers[i])), VALUE_NUMBER);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(text_type(str_from(texts[i])), VALUE_TEXT);
}

static void dates(void **state)
{
	assert_int_equal(text_days(1970, 1, 1), 0);
	assert_int_equal(text_days(2000, 3, 1), 11017);
	assert_int_equal(text_days(1969, 12, 31), -1);
	assert_true(text_date_valid(2024, 2, 29));
	assert_true(text_date_valid(2000, 2, 29));
	assert_false(text_date_valid(2023, 2, 29));
	assert_false(text_date_valid(1900, 2, 29));
	assert_false(text_date_valid(2024, 13, 1));
	assert_false(text_date_valid(2024, 4, 31));
	/* every day follows the one before it, and is in its year */
	int64_t day = text_days(1900, 1, 1);
	static const unsigned length[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	for (int y = 1900; y < 2120; y++)
		for (unsigned m = 1; m <= 12; m++) {
			unsigned last = length[m - 1] + (m == 2 && text_date_valid(y, 2, 29));
			for (unsigned d = 1; d <= last; d++, day++) {
				assert_int_equal(text_days(y, m, d), day);
				assert_int_equal(text_year(day), y);
			}
		}
	assert_int_equal(text_month(STR("Jan 1")), 1);
	assert_int_equal(text_month(STR("Dec")), 12);
	assert_int_equal(text_month(STR("anF")), 0);
	assert_int_equal(text_month(STR("De")), 0);
}

static void escapes(void **state)
{
	struct arena a = { 0 };
	assert_true(str_eq(text_unescape(&a, STR("\\\"\\\\\\n\\x41\\q\\")), STR("\"\\\nA\\q\\")));
	assert_true(str_eq(text_unescape(&a, STR("\\xg1\\x4")), STR("\\xg1\\x4")));
	assert_int_equal(text_quote_end(STR("a\\\"b\"c"), '"'), 4);
	assert_int_equal(text_quote_end(STR("a\\\""), '"'), 3);
	assert_int_equal(text_quote_end(STR("a\\"), '"'), 2);
	assert_true(str_eq(text_unhex(&a, STR("2fFe")), STR("\x2f\xfe")));
	assert_null(text_unhex(&a, STR("2ff")).p);
	assert_null(text_unhex(&a, STR("2g")).p);
	assert_null(text_unhex(&a, STR("")).p);
	arena_free(&a);
}

static bool begins_with_a(struct str line)
{
	return str_starts(line, STR("a"));
}

static void scores(void **state)
{
	assert_int_equal(text_score(STR("a1\na2\n"), begins_with_a, 80), 80);
	assert_int_equal(text_score(STR("a1\n\nb2\n"), begins_with_a, 80), 40);
	assert_int_equal(text_score(STR("a1\na2\ncut of"), begins_with_a, 80), 80);
	assert_int_equal(text_score(STR("a1"), begins_with_a, 80), 80);
	assert_int_equal(text_score(STR(""), begins_with_a, 80), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cutting), cmocka_unit_test(types),  cmocka_unit_test(dates),
		cmocka_unit_test(escapes), cmocka_unit_test(scores),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
