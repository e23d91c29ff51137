#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static void test_line(void **state)
{
	struct clock clock;
	int p[2];
	char text[512];
	clock_test(&clock, 1700000000123456);
	assert_int_equal(pipe(p), 0);
	struct log log = { p[1], &clock };
	log_say(&log, LOG_LEVEL_WARNING, "skipped", { "n", NULL, 3 }, { "file", "/var/log/a", 0 },
	        { "why", "it \"is\"\nbroken", 0 }, { "none", "", 0 });
	ssize_t n = read(p[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "time=2023-11-14T22:13:20.123Z level=warning event=skipped n=3 file=/var/log/a "
	                          "why=\"it \\\"is\\\"\\nbroken\" none=\"\"\n");
	close(p[0]);
	close(p[1]);
}

static void test_clock(void **state)
{
	struct clock clock;
	clock_test(&clock, 5);
	assert_int_equal(clock_wall(&clock), 5);
	int64_t before = clock_monotonic(&clock);
	clock_advance(&clock, CLOCK_S);
	assert_int_equal(clock_wall(&clock), 5 + CLOCK_S);
	assert_int_equal(clock_monotonic(&clock) - before, CLOCK_S);
	assert_true(clock_wall(&clock_system) > 1700000000000000); /* µs, and this code is younger */
	before = clock_monotonic(&clock_system);
	assert_true(clock_monotonic(&clock_system) >= before);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_line), cmocka_unit_test(test_clock) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
