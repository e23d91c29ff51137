#define PCRE2_CODE_UNIT_WIDTH 8
#include "match/literal.h"

#include "base/utf8.h"

#include <pcre2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_regex(void **state)
{
	static const struct {
		const char *regex, *literal;
	} cases[] = {
		{ "abc", "abc" },
		{ "abc|def", "" },
		{ "^abc$", "abc" },
		{ "ab+cd", "ab" },
		{ "ab?cde", "cde" },
		{ "ab*cde", "cde" },
		{ "ab{0,2}cde", "cde" },
		{ "x(abc)?defg", "defg" },
		{ "x(a|b)defg", "defg" },
		{ "[abc]defg", "defg" },
		{ "[]|]defg", "defg" },
		{ "\\.exe\\s+-e", ".exe" },
		{ "a\\\\bc", "a\\bc" },
		{ "\\x41bcd", "bcd" },
		{ "\\x{41}bcd", "bcd" },
		{ "\\d{3}abc", "abc" },
		{ "\\Qa|b\\E", "" },
		{ "(?x)a b c", "" },
		{ "(?i)abc", "abc" },
		{ "(?:a|bcd)ef", "ef" },
		{ "(?!abc)de", "de" },
		{ "a\xc3\xa4?b", "a" },
		{ ".*", "" },
	};
	struct arena arena = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str got = literal_of_regex(str_from(cases[i].regex), &arena);
		if (!str_eq(got, str_from(cases[i].literal)))
			fail_msg("%s: '" STR_FMT "' instead of '%s'", cases[i].regex, STR_ARG(got), cases[i].literal);
	}
	arena_free(&arena);
}

/* Whatever the expression: where PCRE2 finds it, the literal must stand. */
static void test_regex_is_sound(void **state)
{
	static const char *const pieces[] = {
		"a",    "b",     "c",     "ab",    "(",     ")", "(?:", "|",     "?",    "*",
		"+",    "{0,1}", "{2}",   "[ab]",  "[^a]",  ".", "^",   "$",     "\\.",  "\\w",
		"\\bc", "(?i)",  "(?=a)", "(?!b)", "\\x61", "{", "}",   "a{,2}", "\\\\",
	};
	struct arena arena = { 0 };
	pcre2_match_data *md = pcre2_match_data_create(1, NULL);
	unsigned seed = 3, found = 0;
	for (int round = 0; round < 60000; round++) {
		char regex[64], text[16], *end = regex;
		for (int n = 1 + rand_r(&seed) % 6; n; n--)
			end = stpcpy(end, pieces[(size_t)rand_r(&seed) % ARRAY_LEN(pieces)]);
		int why;
		PCRE2_SIZE at;
		pcre2_code *code = pcre2_compile((PCRE2_SPTR)regex, strlen(regex), PCRE2_UTF, &why, &at, NULL);
		if (!code)
			continue;
		struct str literal = literal_of_regex(str_from(regex), &arena);
		for (int k = 0; literal.n && k < 20; k++) {
			size_t n = (size_t)rand_r(&seed) % 10;
			for (size_t i = 0; i < n; i++)
				text[i] = "abcABC.\\{}"[rand_r(&seed) % 10];
			if (pcre2_match(code, (PCRE2_SPTR)text, n, 0, 0, md, NULL) < 0)
				continue;
			char folded[UTF8_FOLD_MAX(sizeof(text))], want[UTF8_FOLD_MAX(sizeof(regex))];
			size_t fn = utf8_fold(folded, (struct str){ text, n }), wn = utf8_fold(want, literal);
			found++;
			if (!memmem(folded, fn, want, wn))
				fail_msg("%s is found in '%.*s', which lacks '" STR_FMT "'", regex, (int)n, text,
				         STR_ARG(literal));
		}
		pcre2_code_free(code);
		arena_reset(&arena);
	}
	assert_true(found > 1000);
	pcre2_match_data_free(md);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regex),
		cmocka_unit_test(test_regex_is_sound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
