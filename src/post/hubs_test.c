#include "post/hubs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void backs_off(void **state)
{
	struct hubs h;
	int64_t now = 0, most = 0, sum = 0;
	hubs_init(&h, 1, 42);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(hubs_choose(&h, now), 0);
		hubs_failed(&h, now, 0);
		assert_int_equal(hubs_choose(&h, now), -1);
		int64_t wait = h.not_before - now;
		assert_true(wait >= CLOCK_S / 4 && wait <= 60LL * CLOCK_S);
		most = wait > most ? wait : most;
		sum += wait;
		now = h.not_before;
	}
	assert_true(most > 25LL * CLOCK_S && sum > 200LL * CLOCK_S);
	hubs_answered(&h, now);
	hubs_failed(&h, now, 0);
	assert_true(h.not_before - now <= CLOCK_S);
	hubs_failed(&h, now, 100LL * CLOCK_S);
	assert_true(h.not_before - now >= 100LL * CLOCK_S);
	hubs_wait(&h, now, 5LL * CLOCK_S);
	assert_true(h.not_before - now >= 5LL * CLOCK_S && h.not_before - now < 8LL * CLOCK_S);
	hubs_denied(&h, now);
	assert_true(h.not_before - now >= 60LL * CLOCK_S);
}

/* After two failures the second is asked; once it answers, the first is tried now and then, and kept when it answers. */
static void over_and_back(void **state)
{
	struct hubs h;
	int64_t now = 0;
	hubs_init(&h, 2, 7);
	hubs_failed(&h, now, 0);
	now = h.not_before;
	assert_int_equal(hubs_choose(&h, now), 0);
	hubs_failed(&h, now, 0);
	now = h.not_before;
	assert_int_equal(hubs_choose(&h, now), 1);
	hubs_answered(&h, now);
	assert_int_equal(hubs_choose(&h, now + 20LL * CLOCK_S), 1);
	now += 61LL * CLOCK_S;
	assert_int_equal(hubs_choose(&h, now), 0); /* tried */
	hubs_failed(&h, now, 0);
	assert_int_equal(hubs_choose(&h, now), 1); /* without a pause */
	hubs_answered(&h, now);
	assert_int_equal(hubs_choose(&h, now + 50LL * CLOCK_S), 1);
	now += 121LL * CLOCK_S;
	assert_int_equal(hubs_choose(&h, now), 0);
	hubs_answered(&h, now);
	assert_int_equal(hubs_choose(&h, now + 1000LL * CLOCK_S), 0);
	assert_int_equal(h.backs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(backs_off), cmocka_unit_test(over_and_back) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
