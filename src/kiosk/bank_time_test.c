#include "kiosk/pay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S INT64_C(1000000)

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* 0: none */
	} cases[] = {
		{ "2023-03-25 14:02:37", 1679727757 },
		{ "2023-03-25T14:02:37", 1679727757 },
		{ " 25/03/2023 14:02:37 ", 1679727757 },
		{ "25-03-2023 14:02", 1679727720 },
		{ "25/3/23 14:02:37", 1679727757 },
		{ "25.03.2023", 1679677200 },
		{ "2023-03-25", 1679677200 },
		{ "2023/03/25  07:02:37Z", 1679727757 },
		{ "2023-03-25T14:02:37+07:00", 1679727757 },
		{ "2023-03-25T02:02:37.123-0500", 1679727757 },
		{ "2024-02-29", 1709139600 },
		{ "", 0 },
		{ "2023-02-29", 0 },
		{ "31/04/2023", 0 },
		{ "2023-13-01", 0 },
		{ "0/01/2023", 0 },
		{ "2023-00-01", 0 },
		{ "1999-12-31", 0 },
		{ "01/01/123", 0 },
		{ "25/03-2023", 0 },
		{ "2023-03-25 24:00", 0 },
		{ "2023-03-25 14:60", 0 },
		{ "2023-03-25 14:02:60", 0 },
		{ "2023-03-25 14", 0 },
		{ "2023-03-25 14:02:3", 0 },
		{ "2023-03-25 14:02:37 x", 0 },
		{ "2023-03-25x", 0 },
		{ "2023-03-25T14:02:37+15:00", 0 },
		{ "2023-03-25T14:02:37+7", 0 },
		{ "230325140237", 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t at = -1;
		if (bank_time(str_from(cases[i].text), &at) != (cases[i].seconds != 0))
			fail_msg("'%s'", cases[i].text);
		assert_int_equal(at, cases[i].seconds ? cases[i].seconds * S : -1);
	}
	int64_t at;
	assert_false(bank_time((struct str){ "2023\0"
	                                     "03-25",
	                                     10 },
	                       &at));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_times) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
