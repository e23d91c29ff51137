#include "event/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static void test_formats(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2020-09-19T21:17:03Z", 1600550223000000 },
		{ "2020-09-19t21:17:03z", 1600550223000000 },
		{ "2020-09-19 21:17:03", 1600550223000000 },
		{ "2020-09-19T21:17:03", 1600550223000000 },
		{ "2020-09-20 01:17:03.491", 1600564623491000 },
		{ "2020-09-20 01:17:03,491", 1600564623491000 },
		{ "2020-09-20T01:17:03.4910007Z", 1600564623491000 },
		{ "2020-09-20T01:17:03.1234567890123Z", 1600564623123456 },
		{ "2020-09-20T08:17:03.5+07:00", 1600564623500000 },
		{ "2020-09-19T21:47:03-03:30", 1600564623000000 },
		{ "2020-09-20T08:17:03+0700", 1600564623000000 },
		{ "2020-09-20T08:17:03 +07", 1600564623000000 },
		{ "  2020-09-20T01:17:03Z\n", 1600564623000000 },
		{ "2000-02-29T12:00:00Z", 951825600000000 },
		{ "2016-12-31T23:59:60Z", 1483228800000000 }, /* a leap second */
		{ "1969-12-31T23:59:59Z", -1000000 },
		{ "0000-01-01T00:00:00Z", -62167219200000000 },
		{ "9999-12-31T23:59:59.999999Z", 253402300799999999 },
		{ "17/May/2015:10:05:03 +0000", 1431857103000000 },
		{ "17/May/2015:12:05:03 +0200", 1431857103000000 },
		{ "1600550223", 1600550223000000 },
		{ "1600550223.491", 1600550223491000 },
		{ "1600550223.1234567", 1600550223123456 },
		{ "1600550223491", 1600550223491000 },
		{ "1600550223491.25", 1600550223491250 },
		{ "1600550223491123", 1600550223491123 },
		{ "1600550223491123000", 1600550223491123 },
		{ "999999999491123000", 999999999491123 },
		{ "0", 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t us = 1;
		if (!event_parse_time(str_from(cases[i].text), &us) || us != cases[i].us)
			fail_msg("%s: %lld", cases[i].text, (long long)us);
	}
}

static void test_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"-",
		"now",
		"2020-",
		"2020-09-19",
		"2020-09-19T",
		"2020-09-19T21:17",
		"2020-13-19T21:17:03Z",
		"2020-00-19T21:17:03Z",
		"2020-02-30T21:17:03Z",
		"2019-02-29T21:17:03Z",
		"1900-02-29T21:17:03Z",
		"2020-09-31T21:17:03Z",
		"2020-09-19T24:17:03Z",
		"2020-09-19T21:60:03Z",
		"2020-09-19T21:17:61Z",
		"2020-09-19T21:17:03.Z",
		"2020-09-19T21:17:03Zx",
		"2020-09-19T21:17:03+7",
		"2020-09-19T21:17:03+07:",
		"2020-09-19T21:17:03+24:00",
		"2020-09-19T21:17:03 UTC+",
		"2020/09/19 21:17:03",
		"17/Mai/2015:10:05:03 +0000",
		"17/May/2015 10:05:03",
		"32/May/2015:10:05:03 +0000",
		"1600550223x",
		"1600550223.",
		"-1600550223",
		"1600550223.5.5",
		"16005502234911230001234",
		"1e9",
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t us = 77;
		if (event_parse_time(str_from(cases[i]), &us))
			fail_msg("taken for a time: '%s'", cases[i]);
		if (us != 77)
			fail_msg("written though refused: '%s'", cases[i]);
	}
}

/* Every day of four centuries, held to the C library. */
static void test_days(void **state)
{
	for (int64_t day = -80000; day < 80000; day++) {
		time_t t = (time_t)(day * 86400 + 12345);
		struct tm tm;
		char text[40];
		int64_t us;
		assert_non_null(gmtime_r(&t, &tm));
		assert_true(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0);
		assert_true(event_parse_time(str_from(text), &us));
		assert_int_equal(us, (int64_t)t * 1000000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_days),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
