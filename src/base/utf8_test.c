#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_len(void **state)
{
	static const struct {
		struct str s;
		size_t n;
	} cases[] = {
		{ { "", 0 }, 0 },
		{ { "a", 1 }, 1 },
		{ { "\0", 1 }, 1 },
		{ { "\x80", 1 }, 0 },
		{ { "\xc1\xbf", 2 }, 0 },
		{ { "\xc2\x80", 2 }, 2 },
		{ { "\xc2", 1 }, 0 },
		{ { "\xc3(", 2 }, 0 },
		{ { "\xe0\x9f\xbf", 3 }, 0 },
		{ { "\xe0\xa0\x80", 3 }, 3 },
		{ { "\xed\x9f\xbf", 3 }, 3 },
		{ { "\xed\xa0\x80", 3 }, 0 },
		{ { "\xee\x80\x80", 3 }, 3 },
		{ { "\xe2\x82", 2 }, 0 },
		{ { "\xe2\x82z", 3 }, 0 },
		{ { "\xf0\x8f\xbf\xbf", 4 }, 0 },
		{ { "\xf0\x90\x80\x80", 4 }, 4 },
		{ { "\xf4\x8f\xbf\xbf", 4 }, 4 },
		{ { "\xf4\x90\x80\x80", 4 }, 0 },
		{ { "\xf5\x80\x80\x80", 4 }, 0 },
		{ { "\xff", 1 }, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(utf8_len(cases[i].s), cases[i].n);
}

static void test_put_get(void **state)
{
	char at[4];
	for (uint32_t cp = 0; cp < 0x110000; cp++) {
		size_t n = utf8_put(at, cp);
		bool surrogate = cp >= 0xd800 && cp < 0xe000;
		assert_int_equal(utf8_len((struct str){ at, n }), n);
		assert_int_equal(utf8_get((struct str){ at, n }), surrogate ? 0xfffd : cp);
	}
	assert_int_equal(utf8_put(at, 0x110000), 3);
	assert_int_equal(utf8_get((struct str){ at, 3 }), 0xfffd);
}

static void test_valid(void **state)
{
	char text[100];
	for (size_t n = 0; n <= sizeof(text); n++) {
		memset(text, 'a', sizeof(text));
		assert_true(utf8_valid((struct str){ text, n }));
		for (size_t i = 0; i < n; i++) {
			text[i] = (char)0xe2;
			assert_false(utf8_valid((struct str){ text, n }));
			if (i + 3 <= n) {
				memcpy(text + i, "\xe2\x82\xac", 3);
				assert_true(utf8_valid((struct str){ text, n }));
			}
			memset(text, 'a', sizeof(text));
		}
	}
	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i + 2 <= sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	assert_true(utf8_valid((struct str){ text, sizeof(text) }));
	assert_false(utf8_valid((struct str){ text, sizeof(text) - 1 }));
}

static struct str fold(char *to, struct str s)
{
	return (struct str){ to, utf8_fold(to, s) };
}

static void test_fold(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{ "", "" },
		{ "PowerShell.EXE [@]^_`{z}~", "powershell.exe [@]^_`{z}~" },
		{ "\xc3\x84\xc3\x96\xc3\x9c\xc3\x97\xc3\x9f", "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x97\xc3\x9f" }, /* not ss */
		{ "\xe1\xba\x9e", "\xc3\x9f" }, /* capital sharp s: one character stays one */
		{ "\xe2\x84\xaa", "k" },        /* Kelvin sign */
		{ "\xc5\xbf", "s" },            /* long s */
		{ "\xce\xa3\xcf\x82\xcf\x83", "\xcf\x83\xcf\x83\xcf\x83" }, /* the three sigmas */
		{ "\xc8\xba", "\xe2\xb1\xa5" },                             /* grows from 2 bytes to 3 */
		{ "\xc4\xb0", "\xc4\xb0" },                                 /* dotted capital I has no simple folding */
		{ "\xf0\x90\x90\x80", "\xf0\x90\x90\xa8" },                 /* Deseret, beyond the first plane */
		{ "\xea\xad\xb0", "\xe1\x8e\xa0" },                         /* small Cherokee goes up */
		{ "\xe1\xbe\x88", "\xe1\xbe\x80" }, /* a full folding of two characters is not used */
		{ "\xff"
		  "A\xc3",
		  "\xff"
		  "a\xc3" }, /* not UTF-8: stays */
		{ "\xe1\xba"
		  "A",
		  "\xe1\xba"
		  "a" },
		{ "\xc6\xaf\xe1\xbb\xa8NG", "\xc6\xb0\xe1\xbb\xa9ng" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char to[128];
		struct str from = str_from(cases[i].from), got = fold(to, from);
		assert_true(UTF8_FOLD_MAX(from.n) <= sizeof(to));
		assert_int_equal(got.n, strlen(cases[i].to));
		assert_memory_equal(got.p, cases[i].to, got.n);
	}
}

/* Long texts are folded 16 bytes at a time: the result is that of the characters one by one, at every place. */
static void test_fold_long(void **state)
{
	static const char *const odd[] = { "\xc3\x84", "\xe2\x84\xaa", "\xc8\xba", "\xf0\x90\x90\x80",
		                           "\xff",     "\xe2\x84",     "Z" };
	for (size_t k = 0; k < ARRAY_LEN(odd); k++) {
		for (size_t n = 0; n < 70; n++) {
			for (size_t at = 0; at <= n; at++) {
				char text[80], one[80], *want = malloc(UTF8_FOLD_MAX(80)), *got;
				memset(text, 'Q', n);
				memcpy(text + at, odd[k], strlen(odd[k]));
				size_t len = at + strlen(odd[k]) > n ? at + strlen(odd[k]) : n, w = 0;
				struct str s = { text, len };
				got = malloc(UTF8_FOLD_MAX(len));
				assert_true(want && got);
				for (size_t i = 0; i < len;) {
					size_t c = utf8_len(str_sub(s, i, len));
					struct str f = fold(one, str_sub(s, i, c ? c : 1));
					memcpy(want + w, f.p, f.n);
					w += f.n;
					i += c ? c : 1;
				}
				assert_true(str_eq(fold(got, s), (struct str){ want, w }));
				free(got);
				free(want);
			}
		}
	}
}

/* What matching relies on: folding twice is folding once, and a character stays a character of UTF-8. */
static void test_fold_all(void **state)
{
	unsigned changed = 0;
	for (uint32_t cp = 0; cp < 0x110000; cp++) {
		char from[4], to[64], again[64];
		struct str s = { from, utf8_put(from, cp) };
		struct str once = fold(to, s);
		assert_int_equal(utf8_len(once), once.n);
		assert_true(str_eq(fold(again, once), once));
		changed += !str_eq(s, once);
	}
	assert_in_range(changed, 1400, 1600); /* CaseFolding.txt has about so many of status C and S */
}

static void test_cut(void **state)
{
	struct str s = STR("a\xe1\xbb\x87z\xf0\x9f\x94\x92");
	static const size_t want[] = { 0, 1, 1, 1, 4, 5, 5, 5, 5, 9, 9 };
	for (size_t most = 0; most < ARRAY_LEN(want); most++)
		assert_int_equal(utf8_cut(s, most).n, want[most]);
	/* what is no UTF-8 is bytes */
	struct str bytes = STR("\x80\x80\x80\x80\x80\x80\xe1\xbb");
	for (size_t most = 0; most <= bytes.n; most++)
		assert_int_equal(utf8_cut(bytes, most).n, most);
	assert_int_equal(utf8_cut((struct str){ NULL, 0 }, 3).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_len),  cmocka_unit_test(test_put_get),   cmocka_unit_test(test_valid),
		cmocka_unit_test(test_fold), cmocka_unit_test(test_fold_long), cmocka_unit_test(test_fold_all),
		cmocka_unit_test(test_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
