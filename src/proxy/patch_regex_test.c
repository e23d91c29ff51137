#include "proxy/patch_regex.h"

#include "proxy/waf.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static bool matches(struct str regex, struct str text)
{
	int why;
	PCRE2_SIZE at;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)regex.p, regex.n, PCRE2_DOTALL | PCRE2_MULTILINE, &why, &at, NULL);
	assert_non_null(code);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	const int r = pcre2_match(code, (PCRE2_SPTR)text.p, text.n, 0, 0, data, NULL);
	pcre2_match_data_free(data);
	pcre2_code_free(code);
	return r >= 0;
}

/* What is written matches what was meant, and has nothing in it that ends a text or a macro of ModSecurity's. */
static void assert_written(const char *regex, const char *hit, const char *miss)
{
	struct buf out = { 0 };
	struct err err;
	if (patch_regex_add(&out, str_from(regex), &err))
		fail_msg("%s: %s", regex, err.text);
	for (size_t i = 0; i < out.n; i++)
		assert_true(out.p[i] >= ' ' && out.p[i] < 0x7f && !strchr("\"'`%", out.p[i]));
	assert_true(matches(buf_str(&out), str_from(hit)));
	assert_false(matches(buf_str(&out), str_from(miss)));
	buf_free(&out);
}

static void test_same(void **state)
{
	assert_written("\\.(php|jsp|aspx)$", "a.PHP", "a.php.png");
	assert_written("^a\"b'c`d$", "a\"b'c`d", "a");
	assert_written("^\\\"\\'\\%\\`$", "\"'%`", "\\\"");
	assert_written("[\"'%{}]{2}", "\"%", "a%");
	assert_written("[^\"]x", "ax", "\"x");
	assert_written("^%{REMOTE_ADDR}$", "%{REMOTE_ADDR}", "127.0.0.1");
	assert_written("\\\\$", "a\\", "a");
	assert_written("a\\\\\"", "a\\\"", "a\"");
	assert_written("^\\d+\\s\\w{2,3}\\x41$", "12 abA", "12 abB");
	assert_written("Đào", "Hồng Đào", "Dao");
	assert_written("(?<=a)b(?!c)", "abd", "abc");
	assert_written("a,chain", "a,chain", "a");
	assert_written("# not a comment", "# NOT a comment", "#");
}

static void assert_refused(const char *regex, const char *words)
{
	struct buf out = { 0 };
	struct err err = { 0 };
	assert_int_equal(patch_regex_add(&out, str_from(regex), &err), -EINVAL);
	if (!strstr(err.text, words))
		fail_msg("%s: %s", regex, err.text);
	assert_int_equal(out.n, 0);
}

static void test_refused(void **state)
{
	char many[PATCH_REGEX_MAX + 2];
	memset(many, 'a', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	assert_refused("", "write 1 to 512");
	assert_refused(many, "write 1 to 512");
	assert_refused("(a", "parenthesis");
	assert_refused("a)|(b", "parenthes");
	assert_refused("a\\", "\\ at end");
	assert_refused("[a", "]");
	assert_refused("\\Qa\"\\E", "write \\ before");
	assert_refused("\\c\"", "\\xNN");
	assert_refused("a\nb", "write \\n");
	assert_refused("(*UTF)a", "leave it out");
	assert_refused("(?C\"x\")a", "C");
}

static void test_dear(void **state)
{
	static const char *const dear[] = {
		"(a+)+$",           "^(\\w+\\s?)*$",          "(x+x+)+y",
		"^(a|aa)+$",        "^https?://(\\w+\\.?)+$", "(.*)*,(.*)*;",
		"([a-z]+)*\\d$",    "^(([a-z])+.)+[0-9]$",    "(\\d+)*\\d*(\\d+)*z",
		"^name=(.*a){12}$",
	};
	static const char *const cheap[] = { "^.*a.*$",
		                             "(?:foo|bar)+$",
		                             "<script[^>]*>",
		                             "\\bselect\\b.{1,100}\\bfrom\\b",
		                             "^[\\w.-]+@[\\w-]+\\.[a-z]+$",
		                             "(?>a+)+$",
		                             "a{1,100}b",
		                             "^/files/\\d+/raw$" };
	for (size_t i = 0; i < ARRAY_LEN(dear); i++)
		assert_refused(dear[i], "far too long");
	for (size_t i = 0; i < ARRAY_LEN(cheap); i++) {
		struct buf out = { 0 };
		struct err err;
		if (patch_regex_add(&out, str_from(cheap[i]), &err))
			fail_msg("%s: %s", cheap[i], err.text);
		buf_free(&out);
	}
}

/* Any text, quoted, matches itself and nothing longer. */
static void test_quote(void **state)
{
	for (unsigned seed = 1; seed < 2000; seed++) {
		char text[12];
		unsigned x = seed;
		for (size_t i = 0; i < sizeof(text) - 1; i++)
			text[i] = (char)((x = x * 1103515245U + 12345U) >> 16);
		text[sizeof(text) - 1] = 'z';
		struct buf out = { 0 };
		buf_add(&out, STR("\\A"));
		patch_regex_quote(&out, (struct str){ text, sizeof(text) - 1 });
		buf_add(&out, STR("\\z"));
		for (size_t i = 0; i < out.n; i++)
			assert_true(out.p[i] > ' ' && out.p[i] < 0x7f && !strchr("\"'`%|/", out.p[i]));
		assert_true(matches(buf_str(&out), (struct str){ text, sizeof(text) - 1 }));
		assert_false(matches(buf_str(&out), (struct str){ text, sizeof(text) }));
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_dear),
		cmocka_unit_test(test_quote),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
