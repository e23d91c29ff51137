#include "flood/fixture.h"

#include <errno.h>
#include <stdio.h>

/* An hour is learned from what was admitted at rest in it, and known a day and a week later. */
static void hours(void **state)
{
	struct fixture x = fixture_make(0);
	x.t.zone_s = 7 * 3600; /* Monday, 6:00 */
	fixture_rest(&x, 700, 20000);
	assert_int_equal(x.f->t.hour, 6);
	x.t.wall_s += 3600;
	fixture_ticks(&x, 1, 0);
	assert_int_equal(x.f->hours[6].weeks, 1);
	assert_float_equal(x.f->hours[6].rate, 100, 5);
	assert_float_equal(x.f->hours[6].peak, 100, 5);
	assert_float_equal(x.f->hours[6].latency_us, 20000, 2000);
	assert_float_equal(x.f->c.expected, 0, 0);
	x.t.wall_s += 23 * 3600;
	fixture_ticks(&x, 1, 0);
	assert_float_equal(x.f->c.expected, 100, 5); /* of Monday's like */
	free(x.f);
}

static void text(void **state)
{
	struct fixture x = fixture_make(0), y = fixture_make(0);
	char saved[FLOOD_NORMAL_MAX], again[FLOOD_NORMAL_MAX];
	x.f->t.rest_s = 12345, x.f->c.normal_us = 43000, x.f->t.tint_n = 5000;
	for (unsigned i = 0; i < HOURS; i++)
		x.f->hours[i] = (struct hour){ 99999.5f, 12345.25f, 1234567, 4000 };
	for (unsigned i = 0; i < TINTS; i++)
		x.f->tints[i] =
		        (struct tint){ .hash = 0xffffffffffff0000 + i / TINT_WAYS + i % TINT_WAYS * (TINTS / TINT_WAYS),
			               .normal = 0.0039f };
	size_t n = flood_normal_save(x.f, saved, sizeof(saved));
	assert_true(n > 0);
	struct err err;
	assert_int_equal(flood_normal_load(y.f, (struct str){ saved, n }, &err), 0);
	assert_memory_equal(y.f->hours, x.f->hours, sizeof(x.f->hours));
	assert_int_equal(flood_normal_save(y.f, again, sizeof(again)), n);
	assert_memory_equal(saved, again, n);
	assert_int_equal(flood_normal_save(y.f, again, n - 1), 0);
	free(x.f);
	free(y.f);
}

/* What can't be read changes nothing, and says where. */
static void bad(void **state)
{
	static const char *const texts[] = {
		"",
		"normal 2\n",
		"hour 1 1 1 1 1\n",
		"normal 1\nhour 168 1 1 1 1\n",
		"normal 1\nhour 1 1 1 1\n",
		"normal 1\nhour 1 1 1 1 0\n",
		"normal 1\nhour 1 1 1 1 1 1\n",
		"normal 1\nhour 1 -1 1 1 1\n",
		"normal 1\nhour 1 nan 1 1 1\n",
		"normal 1\nhour 1.5 1 1 1 1\n",
		"normal 1\nhello 00 1\n",
		"normal 1\nhello 0000000000000000 0.5\n",
		"normal 1\nhello 0123456789abcdeg 0.5\n",
		"normal 1\nhello 0123456789abcdef 1.5\n",
		"normal 1\nsite 1 1e99 1\n",
		"normal 1\nwhatever\n",
	};
	struct fixture x = fixture_make(0);
	x.f->hours[1].peak = 7;
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		struct err err = { 0 };
		assert_int_equal(flood_normal_load(x.f, str_from(texts[i]), &err), -EINVAL);
		assert_true(err.text[0] == '1' || err.text[0] == '2');
	}
	assert_true(x.f->hours[1].peak == 7);
	assert_int_equal(flood_normal_load(x.f, STR("normal 1\n\nhour 1 8 1 1 1"), NULL), 0);
	assert_true(x.f->hours[1].peak == 8);
	free(x.f);
}

static float weighs(struct fixture *x, uint64_t hello)
{
	return flood_tint(x->f, hello);
}

/* Fingerprints: usual ones weigh 1 whatever comes; one that was rare and is now most of all weighs more; so do ever new ones. */
static void fingerprints(void **state)
{
	struct fixture x = fixture_make(0);
	uint64_t chance = 1;
	for (unsigned s = 0; s < 60; s++) {
		x.f->t.rest_s++;
		for (unsigned i = 0; i < 100; i++)
			weighs(&x, i % 10 < 6 ? 111 : i % 10 < 9 ? 222 : 333);
		fixture_ticks(&x, 10, 0);
	}
	assert_float_equal(weighs(&x, 111), 1, 0);
	for (unsigned s = 0; s < 20; s++) {
		for (unsigned i = 0; i < 1000; i++)
			weighs(&x, i % 10 ? 999 : 111);
		fixture_ticks(&x, 10, 300000); /* under pressure nothing is learned */
	}
	assert_float_equal(weighs(&x, 111), 1, 0);
	assert_float_equal(weighs(&x, 333), 1, 0);
	assert_true(weighs(&x, 999) > 50);
	assert_float_equal(weighs(&x, 0), 1, 0);
	for (unsigned s = 0; s < 20; s++) {
		for (unsigned i = 0; i < 1000; i++)
			weighs(&x, i % 10 ? (chance = chance * 6364136223846793005u + 1) : 111);
		fixture_ticks(&x, 10, 300000);
	}
	assert_float_equal(weighs(&x, 111), 1, 0);
	assert_true(weighs(&x, chance * 3 + 1) > 20);
	free(x.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(hours), cmocka_unit_test(text), cmocka_unit_test(bad),
		                            cmocka_unit_test(fingerprints) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
