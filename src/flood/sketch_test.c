#include "flood/sketch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { COLUMNS = 1 << 12 };

static struct sketch fresh(uint32_t columns)
{
	void *mem = NULL;
	size_t size = sizeof(uint64_t) * SKETCH_ROWS * columns;
	assert_int_equal(posix_memalign(&mem, 64, size), 0);
	for (size_t i = 0; i < size / sizeof(uint64_t); i++)
		((uint64_t *)mem)[i] = 0;
	return (struct sketch){ mem, columns, 30 };
}

static void fades(void **state)
{
	struct sketch s = fresh(COLUMNS);
	struct sketch_key k;
	sketch_find(&s, 42, &k);
	assert_float_equal(sketch_add(&s, &k, 0, 1000000, 8), 8, 1e-4);
	assert_float_equal(sketch_level(&s, &k, 0, 31000000), 8 * exp(-1), 0.01);
	assert_float_equal(sketch_add(&s, &k, 0, 31000000, 1), 8 * exp(-1) + 1, 0.01);
	assert_float_equal(sketch_level(&s, &k, 1, 31000000), 0, 0); /* another kind is another count */
	/* a rate of 5 a second comes to stand at 5 * tau */
	for (int64_t t = 0; t < 300000; t += 200)
		sketch_add(&s, &k, 3, t * 1000, 1);
	assert_float_equal(sketch_level(&s, &k, 3, 300000000), 150, 2);
	free(s.cells);
}

/* A clock of another process may be a little behind; half of the 32-bit circle of time later nothing is left. */
static void times(void **state)
{
	struct sketch s = fresh(COLUMNS);
	struct sketch_key k;
	sketch_find(&s, 42, &k);
	sketch_add(&s, &k, 0, 50000000, 8);
	assert_float_equal(sketch_level(&s, &k, 0, 49000000), 8, 1e-4);
	for (int64_t days = 1; days < 49; days += 3)
		assert_float_equal(sketch_level(&s, &k, 0, 50000000 + days * 86400000000), 0, 1e-4);
	free(s.cells);
}

/* Never less than what was added; and of all keys few stand higher than they should, by little. */
static void bounds(void **state)
{
	enum { KEYS = COLUMNS / 2 };
	struct sketch s = fresh(COLUMNS);
	struct sketch_key k;
	double over = 0;
	for (unsigned round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < KEYS; i++) {
			sketch_find(&s, i * 0x9e3779b97f4a7c15u + 1, &k);
			sketch_add(&s, &k, 0, 1000000, 1 + (float)(i % 3));
		}
	}
	for (uint64_t i = 0; i < KEYS; i++) {
		float truth = 3 * (1 + (float)(i % 3));
		sketch_find(&s, i * 0x9e3779b97f4a7c15u + 1, &k);
		float level = sketch_level(&s, &k, 0, 1000000);
		assert_true(level >= truth - 1e-3f);
		over += (double)(level - truth);
	}
	assert_true(over < 0.03 * 6 * KEYS);
	free(s.cells);
}

/* Kinds of one key never share a cell, and all lie in one line. */
static void kinds(void **state)
{
	struct sketch s = fresh(COLUMNS);
	struct sketch_key k;
	for (uint64_t key = 0; key < 50; key++) {
		sketch_find(&s, key << 32, &k);
		for (unsigned i = 0; i < SKETCH_ROWS; i++)
			assert_true(k.line[i] % SKETCH_KINDS == 0 && k.line[i] / COLUMNS == i);
	}
	for (unsigned kind = 0; kind < SKETCH_KINDS; kind++)
		sketch_add(&s, &k, kind, 1000000, (float)kind + 1);
	for (unsigned kind = 0; kind < SKETCH_KINDS; kind++)
		assert_float_equal(sketch_level(&s, &k, kind, 1000000), kind + 1, 1e-4);
	free(s.cells);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(fades), cmocka_unit_test(times), cmocka_unit_test(bounds),
		                            cmocka_unit_test(kinds) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
