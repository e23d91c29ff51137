#include "drill/measure.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool near(double got, double wanted)
{
	return got >= wanted * 0.999 && got <= wanted * 1.04;
}

static void finds_percentiles(void **state)
{
	static struct measure m;
	m = (struct measure){ 0 };
	assert_true(drill_measure_ms(&m, 0.99) == 0);
	for (int i = 1; i <= 10000; i++)
		drill_measure_add(&m, i * 1e-4);
	assert_int_equal(m.n, 10000);
	assert_true(near(drill_measure_ms(&m, 0.5), 500));
	assert_true(near(drill_measure_ms(&m, 0.99), 990));
	assert_true(near(drill_measure_ms(&m, 1), 1000));
	assert_true(drill_measure_ms(&m, 1) <= drill_measure_max_ms(&m));
	assert_true(fabs(drill_measure_max_ms(&m) - 1000) < 0.01);
}

/* Whatever the size: a percentile is never below what was measured, and at most a class above. */
static void every_size_is_near(void **state)
{
	static struct measure m;
	for (double s = 1e-6; s < 900; s *= 1.37) {
		m = (struct measure){ 0 };
		drill_measure_add(&m, s);
		drill_measure_add(&m, 1000);
		const double got = drill_measure_ms(&m, 0.5);
		assert_true(got >= floor(s * 1e6) / 1e3 && got <= s * 1e3 * 1.04 + 0.001);
	}
}

static void takes_anything(void **state)
{
	static struct measure m;
	m = (struct measure){ 0 };
	drill_measure_add(&m, -1);
	drill_measure_add(&m, 0);
	drill_measure_add(&m, 1e300);
	drill_measure_add(&m, INFINITY);
	assert_int_equal(m.n, 4);
	assert_int_equal(m.in[0], 2);
	assert_int_equal(m.in[MEASURE_CLASSES - 1], 2);
}

static void results_add_up(void **state)
{
	static struct drill_result a, b;
	a = (struct drill_result){ .seconds = 3, .sent = 1, .asked_denied = 5, .by_status = { [2] = 7 } };
	b = (struct drill_result){
		.seconds = 2, .sent = 10, .asked_denied = 50, .by_status = { [2] = 70 }, .served = 4
	};
	drill_measure_add(&b.requests, 0.25);
	drill_measure_add(&a.journeys, 2);
	drill_result_add(&a, &b);
	assert_true(a.seconds == 3 && a.sent == 11 && a.asked_denied == 55 && a.by_status[2] == 77 && a.served == 4);
	assert_true(a.requests.n == 1 && a.journeys.n == 1);
	drill_result_status(&a, 429);
	drill_result_status(&a, 503);
	drill_result_status(&a, 999);
	assert_true(a.denied == 1 && a.unavailable == 1 && a.answered == 3 && a.by_status[4] == 1 &&
	            a.by_status[5] == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_percentiles),
		cmocka_unit_test(every_size_is_near),
		cmocka_unit_test(takes_anything),
		cmocka_unit_test(results_add_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
