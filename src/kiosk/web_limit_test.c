#include "kiosk/web_limit.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MINUTE (60 * (int64_t)CLOCK_S)

static const struct limit_rate rate = { SIGN_INS_A_MINUTE, MINUTE };

static struct in6_addr who(uint32_t n)
{
	struct in6_addr a = { 0 };
	for (int i = 0; i < 4; i++)
		a.s6_addr[i] = (unsigned char)(n >> (8 * i));
	return a;
}

static unsigned take(struct limit *l, const struct in6_addr *a, uint32_t what, int64_t now)
{
	unsigned n = 0;
	while (n < 1000 && limit_take(l, a, what, rate, now))
		n++;
	return n;
}

static void test_rate(void **state)
{
	struct limit *l = limit_new();
	const struct in6_addr one = who(1), two = who(2);
	const int64_t at = 5 * MINUTE;
	assert_int_equal(take(l, &one, 1, at), SIGN_INS_A_MINUTE);
	assert_int_equal(take(l, &two, 1, at), SIGN_INS_A_MINUTE); /* others have their own */
	assert_int_equal(take(l, &one, 2, at), SIGN_INS_A_MINUTE); /* so have other kinds */
	assert_int_equal(take(l, &one, 1, at + MINUTE / SIGN_INS_A_MINUTE - 1), 0);
	assert_int_equal(take(l, &one, 1, at + MINUTE / SIGN_INS_A_MINUTE), 1);
	assert_int_equal(take(l, &one, 1, at + MINUTE / 2), SIGN_INS_A_MINUTE / 2 - 1);
	assert_int_equal(take(l, &one, 1, at + 100 * MINUTE), SIGN_INS_A_MINUTE); /* what isn't used doesn't add up */
	limit_free(l);
}

/* An hour of trying all the time gets no more than its rate. */
static void test_long(void **state)
{
	struct limit *l = limit_new();
	const struct in6_addr one = who(1);
	unsigned n = 0;
	for (int64_t t = 0; t < 60 * MINUTE; t += CLOCK_S / 4)
		n += limit_take(l, &one, 0, rate, t);
	assert_in_range(n, 60 * SIGN_INS_A_MINUTE, 61 * SIGN_INS_A_MINUTE);
	limit_free(l);
}

/* However many come, one that has used up its tries stays known. */
static void test_many(void **state)
{
	struct limit *l = limit_new();
	const struct in6_addr one = who(0);
	assert_int_equal(take(l, &one, 0, 0), SIGN_INS_A_MINUTE);
	for (uint32_t i = 1; i < 200000; i++) {
		const struct in6_addr other = who(i);
		assert_true(limit_take(l, &other, 0, rate, 0));
	}
	assert_int_equal(take(l, &one, 0, 0), 0);
	limit_free(l);
}

/* Kinds of tries have rates of their own, in one table. */
static void test_hour(void **state)
{
	struct limit *l = limit_new();
	const struct in6_addr one = who(1);
	const struct limit_rate hour = { 300, 60 * MINUTE };
	unsigned n = 0;
	assert_int_equal(take(l, &one, 1, 0), SIGN_INS_A_MINUTE);
	while (n < 1000 && limit_take(l, &one, 2, hour, 0))
		n++;
	assert_int_equal(n, 300);
	assert_false(limit_take(l, &one, 2, hour, 12 * (int64_t)CLOCK_S - 1));
	assert_true(limit_take(l, &one, 2, hour, 12 * (int64_t)CLOCK_S));
	assert_false(limit_take(l, &one, 2, hour, 13 * (int64_t)CLOCK_S));
	assert_int_equal(take(l, &one, 1, MINUTE), SIGN_INS_A_MINUTE);
	limit_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_hour),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
