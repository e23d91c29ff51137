#include "kiosk/pay.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void assert_finds(const char *text, const char *wanted)
{
	char found[REFERENCE_LENGTH + 1] = "";
	assert_int_equal(reference_find(str_from(text), found), wanted[0] != 0);
	assert_string_equal(found, wanted);
}

static void make(uint64_t n, char reference[REFERENCE_LENGTH + 1])
{
	unsigned char random[8];
	for (int i = 0; i < 8; i++)
		random[i] = (unsigned char)(n >> (56 - 8 * i));
	reference_make(random, reference);
}

static void test_made_is_found(void **state)
{
	char one[REFERENCE_LENGTH + 1], other[REFERENCE_LENGTH + 1], text[100];
	uint64_t n = 1;
	for (int i = 0; i < 10000; i++, n = n * UINT64_C(6364136223846793005) + 1442695040888963407) {
		make(n, one);
		assert_int_equal(strlen(one), REFERENCE_LENGTH);
		assert_finds(one, one);
		snprintf(text, sizeof(text), "MBVCB.3278907687.%s.CT tu 0123456789 NGUYEN VAN A", one);
		assert_finds(text, one);
	}
	make(0, one);
	make(1, other);
	assert_string_equal(one, "KH22222222");
	assert_string_not_equal(one, other);
	make(UINT64_MAX, one);
	assert_finds(one, one);
}

static void test_one_wrong_letter_is_seen(void **state)
{
	static const char letters[] = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";
	char good[REFERENCE_LENGTH + 1], bad[REFERENCE_LENGTH + 1], found[REFERENCE_LENGTH + 1];
	make(UINT64_C(0x0123456789abcdef), good);
	for (int i = 2; i < REFERENCE_LENGTH; i++)
		for (const char *l = letters; *l; l++) {
			memcpy(bad, good, sizeof(bad));
			bad[i] = *l;
			if (*l != good[i])
				assert_false(reference_find(str_from(bad), found));
		}
	for (int i = 2; i + 1 < REFERENCE_LENGTH; i++) {
		memcpy(bad, good, sizeof(bad));
		bad[i] = good[i + 1];
		bad[i + 1] = good[i];
		if (good[i] != good[i + 1])
			assert_false(reference_find(str_from(bad), found));
	}
}

static void test_as_banks_write_it(void **state)
{
	char r[REFERENCE_LENGTH + 1], text[100];
	make(42, r);
	char low[REFERENCE_LENGTH + 1];
	for (int i = 0; i <= REFERENCE_LENGTH; i++)
		low[i] = (char)tolower(r[i]);
	assert_finds(low, r);
	snprintf(text, sizeof(text), "chuyen tien kh %.4s-%.4s", low + 2, low + 6);
	assert_finds(text, r);
	snprintf(text, sizeof(text), "KHKH%s", r + 2);
	assert_finds(text, r);
	snprintf(text, sizeof(text), "%.5s\r%s", r, r + 5); /* one break; two in a row are none of ours */
	assert_finds(text, r);
	snprintf(text, sizeof(text), "%.5s  %s", r, r + 5);
	assert_finds(text, "");
	snprintf(text, sizeof(text), "%.9s", r);
	assert_finds(text, "");
	assert_finds("", "");
	assert_finds("NGUYEN VAN KHANH CHUYEN TIEN", "");
}

/* One that stands there whole comes before one that blanks are in. */
static void test_whole_first(void **state)
{
	char one[REFERENCE_LENGTH + 1], two[REFERENCE_LENGTH + 1], text[100];
	make(7, one);
	make(8, two);
	snprintf(text, sizeof(text), "KH %s %s", one + 2, two);
	assert_finds(text, two);
	snprintf(text, sizeof(text), "%s %s", one, two);
	assert_finds(text, one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_is_found),
		cmocka_unit_test(test_one_wrong_letter_is_seen),
		cmocka_unit_test(test_as_banks_write_it),
		cmocka_unit_test(test_whole_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
