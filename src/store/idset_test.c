/* A set of hashes: what is in it is always found, what isn't is hardly ever. */
#include "store/idset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MOST = 20000 };

static uint64_t hash_of(uint64_t n)
{
	n = (n + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;
	n = (n ^ n >> 27) * 0x94d049bb133111eb;
	return n ^ n >> 31;
}

static struct idset *make(uint64_t first, size_t n, unsigned times)
{
	uint64_t *hashes = calloc(n * times + 1, sizeof(*hashes));
	for (size_t i = 0; i < n * times; i++)
		hashes[i] = hash_of(first + i % n);
	struct idset *s = idset_new(hashes, n * times);
	free(hashes);
	assert_non_null(s);
	return s;
}

static void test_all_are_in(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 10, 100, 1000, 8191, 8192, MOST };
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
		for (unsigned times = 1; times <= 3; times++) {
			struct idset *s = make(k << 32, sizes[k], times);
			for (size_t i = 0; i < sizes[k]; i++)
				assert_true(idset_has(s, hash_of((k << 32) + i)));
			idset_free(s);
		}
}

/* Whatever there is, small sets in great numbers too: some need another seed. */
static void test_many_small_ones(void **state)
{
	for (uint64_t k = 0; k < 20000; k++) {
		struct idset *s = make(k << 32, k % 12, 1);
		for (size_t i = 0; i < k % 12; i++)
			assert_true(idset_has(s, hash_of((k << 32) + i)));
		idset_free(s);
	}
}

static void test_others_are_not(void **state)
{
	static const size_t sizes[] = { 0, 1, 100, 8192 };
	const size_t asked = 1 << 21;
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		struct idset *s = make(k << 32, sizes[k], 1);
		size_t wrong = 0;
		for (size_t i = 0; i < asked; i++)
			wrong += idset_has(s, hash_of(~(k << 32) - i));
		assert_in_range(wrong, 1, 2 * asked / 65536); /* 32 are to be expected */
		idset_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_are_in),
		cmocka_unit_test(test_many_small_ones),
		cmocka_unit_test(test_others_are_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
