#include "store/bloom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void words_are_runs(void **state)
{
	struct str text = STR("--Admin_01\\Tr\xc6\xb0\xc6\xa1ng, a 10.1.2.33 x=\"BEACON\"");
	static const char *const words[] = { "admin_01", "Tr\xc6\xb0\xc6\xa1ng", "10", "33", "beacon" };
	size_t at = 0;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		assert_true(bloom_next(text, &at) == bloom_hash(str_from(words[i])));
	assert_true(bloom_next(text, &at) == 0);
	assert_int_equal(at, text.n);
	at = 0;
	assert_true(bloom_next((struct str){ "", 0 }, &at) == 0);
}

static void only_cases_of_ascii_are_alike(void **state)
{
	assert_true(bloom_hash(STR("PowerShell")) == bloom_hash(STR("pOWERsHELL")));
	assert_true(bloom_hash(STR("\xc3\xa9t")) != bloom_hash(STR("\xc3\x89t")));
	assert_true(bloom_hash(STR("a_")) != bloom_hash(STR("a")));
}

static void long_words_are_cut(void **state)
{
	char text[400];
	memset(text, 'q', sizeof(text));
	struct str word = { text, BLOOM_WORD_MAX };
	size_t at = 0;
	assert_true(bloom_next((struct str){ text, 400 }, &at) == bloom_hash(word));
	assert_true(bloom_next((struct str){ text, 400 }, &at) == 0);
	text[BLOOM_WORD_MAX] = ' ';
	at = 0;
	assert_true(bloom_next((struct str){ text, 400 }, &at) == bloom_hash(word));
	assert_int_equal(at, BLOOM_WORD_MAX);
	assert_true(bloom_next((struct str){ text, 400 }, &at) == bloom_hash(word));
}

static uint64_t hash_of(uint32_t i)
{
	char word[9];
	for (int k = 0; k < 8; k++)
		word[k] = (char)('a' + (i >> 4 * k & 15));
	return bloom_hash((struct str){ word, 8 });
}

static void what_is_in_is_found_and_little_else(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 3, 50, 1000, 30000 };
	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		size_t size = bloom_size(sizes[s]);
		unsigned char *filter = calloc(1, size);
		assert_non_null(filter);
		assert_true(size % BLOOM_BLOCK == 0 && size > 0);
		for (uint32_t i = 0; i < sizes[s]; i++)
			bloom_add(filter, size, hash_of(i));
		uint32_t wrong = 0;
		for (uint32_t i = 0; i < sizes[s] + 50000; i++) {
			size_t place = bloom_place(size, hash_of(i));
			assert_true(place % BLOOM_BLOCK == 0 && place < size);
			bool has = bloom_has(filter + place, hash_of(i));
			if (i < sizes[s])
				assert_true(has);
			else
				wrong += has;
		}
		assert_true(wrong < 50000 / 100);
		if (sizes[s] >= 1000)
			assert_true(wrong > 0);
		free(filter);
	}
}

/* The bits of a word are part of the format. */
static void bits_stay(void **state)
{
	unsigned char filter[64] = { 0 };
	assert_true(bloom_hash(STR("khien")) == 0x3933bf3e2d629401u);
	bloom_add(filter, sizeof(filter), bloom_hash(STR("khien")));
	static const unsigned char wanted[BLOOM_BLOCK] = { 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x20,
		                                           0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00,
		                                           0x00, 0x00, 0x20, 0x00, 0x40, 0x00, 0x00, 0x00,
		                                           0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00 };
	assert_memory_equal(filter + bloom_place(sizeof(filter), bloom_hash(STR("khien"))), wanted, BLOOM_BLOCK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_runs),     cmocka_unit_test(only_cases_of_ascii_are_alike),
		cmocka_unit_test(long_words_are_cut), cmocka_unit_test(what_is_in_is_found_and_little_else),
		cmocka_unit_test(bits_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
