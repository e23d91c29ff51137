#include "match/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* In tests "*" and "?" are the wildcards of a glob. */
static struct str to_glob(char *buf, const char *text)
{
	size_t n = strlen(text);
	for (size_t i = 0; i < n; i++)
		buf[i] = text[i] == '*' ? (char)GLOB_ANY : text[i] == '?' ? (char)GLOB_ONE : text[i];
	return (struct str){ buf, n };
}

static void test_glob(void **state)
{
	static const struct {
		const char *glob, *value;
		bool fits;
	} cases[] = {
		{ "a*b", "ab", true },        { "a*b", "axxb", true },
		{ "a*b", "axxbc", false },    { "a?b", "axb", true },
		{ "a?b", "ab", false },       { "?", "\xc3\xa4", true },
		{ "??", "\xc3\xa4", false },  { "?", "\xf0\x9f\x98\x80", true },
		{ "??", "\xff\xfe", true },   { "*", "", true },
		{ "?*", "", false },          { "a*b*c", "aXbXbXc", true },
		{ "*aab", "aaaab", true },    { "a**b", "ab", true },
		{ "*a?c*", "xxabcxx", true }, { "a\n*", "a\nb", true },
		{ "*?", "x", true },          { "?\xc3\xa4", "x\xc3\xa4", true },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char buf[64];
		if (pattern_glob(to_glob(buf, cases[i].glob), str_from(cases[i].value)) != cases[i].fits)
			fail_msg("'%s' against '%s' should be %d", cases[i].glob, cases[i].value, cases[i].fits);
	}
}

/* The definition, tried in every way. */
static bool slow_glob(const char *g, const char *v)
{
	if (!*g)
		return !*v;
	if (*g == '*')
		return slow_glob(g + 1, v) || (*v && slow_glob(g, v + 1));
	return *v && (*g == '?' || *g == *v) && slow_glob(g + 1, v + 1);
}

static void test_glob_against_definition(void **state)
{
	unsigned seed = 7, held = 0;
	for (int round = 0; round < 200000; round++) {
		char g[10], v[12], buf[10];
		size_t gn = (size_t)rand_r(&seed) % 8, vn = (size_t)rand_r(&seed) % 10;
		for (size_t i = 0; i < gn; i++)
			g[i] = "ab*?"[rand_r(&seed) % 4];
		for (size_t i = 0; i < vn; i++)
			v[i] = "ab"[rand_r(&seed) % 2];
		g[gn] = v[vn] = '\0';
		bool want = slow_glob(g, v);
		held += want;
		if (pattern_glob(to_glob(buf, g), (struct str){ v, vn }) != want)
			fail_msg("'%s' against '%s' should be %d", g, v, want);
	}
	assert_in_range(held, 20000, 180000);
}

static void test_text(void **state)
{
	assert_true(pattern_text(PATTERN_EQ, STR("ab"), STR("ab")));
	assert_false(pattern_text(PATTERN_EQ, STR("ab"), STR("abc")));
	assert_true(pattern_text(PATTERN_EQ, STR(""), STR("")));
	assert_false(pattern_text(PATTERN_EQ, STR(""), STR("a")));
	assert_true(pattern_text(PATTERN_PREFIX, STR("ab"), STR("abc")));
	assert_false(pattern_text(PATTERN_PREFIX, STR("abc"), STR("ab")));
	assert_true(pattern_text(PATTERN_SUFFIX, STR("bc"), STR("abc")));
	assert_false(pattern_text(PATTERN_SUFFIX, STR("ab"), STR("abc")));
	assert_true(pattern_text(PATTERN_CONTAINS, STR("b"), STR("abc")));
	assert_true(pattern_text(PATTERN_CONTAINS, STR(""), STR("")));
	assert_false(pattern_text(PATTERN_CONTAINS, STR("abcd"), STR("abc")));
}

static struct pattern cidr(const char *net, int bits)
{
	struct pattern p = { .op = PATTERN_CIDR, .bits = (uint8_t)bits, .family = strchr(net, ':') ? 6 : 4 };
	unsigned a[4];
	if (p.family == 4) {
		sscanf(net, "%u.%u.%u.%u", &a[0], &a[1], &a[2], &a[3]);
		for (int i = 0; i < 4; i++)
			p.address[i] = (uint8_t)a[i];
	} else { /* fe80:: is all that is needed here */
		p.address[0] = 0xfe;
		p.address[1] = 0x80;
	}
	return p;
}

static void test_cidr(void **state)
{
	static const struct {
		const char *net;
		int bits;
		const char *value;
		bool fits;
	} cases[] = {
		{ "10.0.0.0", 8, "10.255.0.1", true },      { "10.0.0.0", 8, "11.0.0.1", false },
		{ "192.168.4.0", 23, "192.168.5.9", true }, { "192.168.4.0", 23, "192.168.6.0", false },
		{ "0.0.0.0", 0, "8.8.8.8", true },          { "0.0.0.0", 0, "::1", false },
		{ "10.0.0.0", 8, "::ffff:10.1.2.3", true }, { "10.0.0.0", 8, " 10.1.2.3", false },
		{ "10.0.0.0", 8, "10.1.2", false },         { "10.0.0.0", 8, "", false },
		{ "10.0.0.1", 32, "10.0.0.1", true },       { "10.0.0.1", 32, "10.0.0.2", false },
		{ "fe80::", 10, "fe80::1%eth0", true },     { "fe80::", 10, "[febf::1]", true },
		{ "fe80::", 10, "fec0::1", false },         { "10.0.0.0", 8, "10.0.0.1.evil.example", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pattern p = cidr(cases[i].net, cases[i].bits);
		if (pattern_cidr(&p, str_from(cases[i].value)) != cases[i].fits)
			fail_msg("%s in %s/%d should be %d", cases[i].value, cases[i].net, cases[i].bits,
			         cases[i].fits);
	}
}

static void test_number(void **state)
{
	static const struct {
		enum pattern_op op;
		double number;
		const char *value;
		bool fits;
	} cases[] = {
		{ PATTERN_GT, 10, "11", true },    { PATTERN_GT, 10, "10", false },
		{ PATTERN_GTE, 10, "10", true },   { PATTERN_LT, 0.5, "0.25", true },
		{ PATTERN_LTE, 3, "3.0", true },   { PATTERN_LT, 10, "-1e3", true },
		{ PATTERN_GT, 0, "0x10", false },  { PATTERN_GT, 0, "inf", false },
		{ PATTERN_LT, 1, "", false },      { PATTERN_GT, 1, "12 apples", false },
		{ PATTERN_GT, 1, "1.2.3", false }, { PATTERN_LT, 5, "nan", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pattern p = { .op = (uint8_t)cases[i].op, .number = cases[i].number };
		if (pattern_number(&p, str_from(cases[i].value)) != cases[i].fits)
			fail_msg("case %zu: '%s' should be %d", i, cases[i].value, cases[i].fits);
	}
}

static void test_time_part(void **state)
{
	int64_t us = 1735689599000000; /* 2024-12-31T23:59:59Z, in week 1 of 2025 by ISO 8601 */
	assert_int_equal(pattern_time_part(PART_MINUTE, us), 59);
	assert_int_equal(pattern_time_part(PART_HOUR, us), 23);
	assert_int_equal(pattern_time_part(PART_DAY, us), 31);
	assert_int_equal(pattern_time_part(PART_WEEK, us), 1);
	assert_int_equal(pattern_time_part(PART_MONTH, us), 12);
	assert_int_equal(pattern_time_part(PART_YEAR, us), 2024);
	assert_int_equal(pattern_time_part(PART_YEAR, -1), 1969);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_glob),   cmocka_unit_test(test_glob_against_definition),
		cmocka_unit_test(test_text),   cmocka_unit_test(test_cidr),
		cmocka_unit_test(test_number), cmocka_unit_test(test_time_part),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
