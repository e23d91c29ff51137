/* What people type, and what of it others may see. */
#include "kiosk/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char alphabet[] = "23456789ABCDEFGHJKMNOPQRSTUVWXYZ";

/* Every letter in every place, none much more often than another. */
static void test_make(void **state)
{
	enum { N = 32000 };
	static unsigned seen[CODE_LENGTH][256];
	char code[CODE_LENGTH + 1], again[CODE_LENGTH + 1], last[CODE_LENGTH + 1] = "";
	for (int i = 0; i < N; i++) {
		code_make(code);
		assert_int_equal(strlen(code), CODE_LENGTH);
		assert_string_not_equal(code, last);
		assert_true(code_read(str_from(code), again));
		assert_string_equal(code, again);
		memcpy(last, code, sizeof(last));
		for (int k = 0; k < CODE_LENGTH; k++)
			seen[k][(unsigned char)code[k]]++;
	}
	for (int k = 0; k < CODE_LENGTH; k++)
		for (const char *c = alphabet; *c; c++)
			assert_in_range(seen[k][(unsigned char)*c], 800,
			                1200); /* 1,000, and more than six deviations */
}

static void test_code(void **state)
{
	static const char *const good[] = {
		"ABCDE-FGH23", "abcdefgh23",         " abc de - fgh 23\r\n",   "A-B-C-D-E-F-G-H-2-3",
		"ABCDE–FGH23", "ABCDE\302\240FGH23", "ＡＢＣＤＥ－ＦＧＨ２３",
	};
	static const char *const bad[] = {
		"",
		"-",
		"ABCDEFGH2",
		"ABCDEFGH234",
		"ABCDEFGH21",
		"ABCDEFGHI2",
		"ABCDEFGHL2",
		"ABCDEFGH2*",
		"ABCDĐFGH23",
		"ABCDE\377FGH23",
		"ABCDEFGH2\x01\x02",
		"                                                                ABCDEFGH23",
	};
	char code[CODE_LENGTH + 1] = "untouched!";
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(code_read(str_from(bad[i]), code));
		assert_string_equal(code, "untouched!");
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(code_read(str_from(good[i]), code));
		assert_string_equal(code, "ABCDEFGH23");
	}
	assert_true(code_read(STR("0oO0o-22222"), code));
	assert_string_equal(code, "OOOOO22222");
}

static void test_phone(void **state)
{
	static const char *const cases[][2] = {
		{ "0912345678", "84912345678" },          { " 0912 345 678 ", "84912345678" },
		{ "0912.345.678", "84912345678" },        { "091-234-5678", "84912345678" },
		{ "+84912345678", "84912345678" },        { "+84 (0)912 345 678", "84912345678" },
		{ "84912345678", "84912345678" },         { "0084 912345678", "84912345678" },
		{ "912345678", "84912345678" },           { "０９１２３４５６７８", "84912345678" },
		{ "024 3825 3531", "842438253531" },      { "+84 24 3825 3531", "842438253531" },
		{ "0841234567", "84841234567" },          { "841234567", "84841234567" },
		{ "+86 138 1234 5678", "8613812345678" }, { "008613812345678", "8613812345678" },
		{ "+1 (202) 555-0143", "12025550143" },   { "+123456789012345", "123456789012345" },
	};
	static const char *const bad[] = {
		"",
		"+",
		"00",
		"0",
		"84",
		"091234567",
		"09123456789",
		"0112345678",
		"02412345678901",
		"+84 112345678",
		"+8491234567",
		"13812345678",
		"+1234567",
		"+1234567890123456",
		"+0912345678",
		"0912345678x",
		"++84912345678",
		"0912+345678",
		"9 1 2",
		"Nguyễn",
		"0912345678 0912345678",
		"\3770912345678",
		"00000000000000000000000000",
	};
	char phone[16] = "untouched";
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (phone_read(str_from(bad[i]), phone))
			fail_msg("%s -> %s", bad[i], phone);
		assert_string_equal(phone, "untouched");
	}
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_true(phone_read(str_from(cases[i][0]), phone));
		assert_string_equal(phone, cases[i][1]);
	}
}

static void masked(void (*mask)(struct str, struct buf *), const char *from, const char *to)
{
	struct buf out = { 0 };
	mask(str_from(from), &out);
	buf_putc(&out, '\0');
	assert_string_equal(out.p, to);
	buf_free(&out);
}

static void test_masks(void **state)
{
	masked(mask_phone, "0912345678", "09****678");
	masked(mask_phone, "84912345678", "09****678");
	masked(mask_phone, "842438253531", "02****531");
	masked(mask_phone, "8613812345678", "86****678");
	masked(mask_phone, "84912", "****");
	masked(mask_phone, "", "");
	masked(mask_name, "Nguyễn Văn An", "N** V** An");
	masked(mask_name, "  Đặng   Thị  Ánh ", "Đ** T** Ánh");
	masked(mask_name, "An", "A**");
	masked(mask_name, "王小明", "王**");
	masked(mask_name, "\xff\xff An", "?** An");
	masked(mask_name, "  ", "");
	masked(mask_name, "", "");
}

/* Nothing that comes in makes more than it may. */
static void test_any(void **state)
{
	char text[24], phone[16], code[CODE_LENGTH + 1];
	static const char of[] = "0123456789+- .8409xO\xef\xbc\x91\xff";
	unsigned long long x = 88172645463325252ull;
	for (int i = 0; i < 200000; i++) {
		size_t n = 0;
		do {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			text[n++] = of[x % (sizeof(of) - 1)];
		} while (n < sizeof(text) && x >> 32 & 15);
		struct str s = { text, n };
		struct buf out = { 0 };
		if (phone_read(s, phone)) {
			assert_in_range(strlen(phone), 8, 15);
			assert_int_equal(strspn(phone, "0123456789"), strlen(phone));
			assert_true(phone[0] != '0');
			mask_phone(str_from(phone), &out);
			assert_int_equal(out.n, 9);
		}
		if (code_read(s, code))
			assert_int_equal(strspn(code, alphabet), CODE_LENGTH);
		mask_name(s, &out);
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_make),  cmocka_unit_test(test_code), cmocka_unit_test(test_phone),
		cmocka_unit_test(test_masks), cmocka_unit_test(test_any),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
