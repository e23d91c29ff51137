#include "cmd/find_query.h"

#include "cmd/find_print.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static void terms(void **state)
{
	static const struct {
		const char *word;
		enum event_term_kind kind;
		bool negated;
		const char *field, *text;
	} cases[] = {
		{ "root", TERM_WORD, false, "", "root" },
		{ "a phrase", TERM_WORD, false, "", "a phrase" },
		{ "\"a:b\"", TERM_WORD, false, "", "a:b" },
		{ "-root", TERM_WORD, true, "", "root" },
		{ "\"-root\"", TERM_WORD, false, "", "-root" },
		{ "*oo*", TERM_SUBSTRING, false, "", "oo" },
		{ "-*oo*", TERM_SUBSTRING, true, "", "oo" },
		{ "a*b", TERM_WORD, false, "", "a*b" },
		{ "user.name:root", TERM_EQUAL, false, "user.name", "root" },
		{ "@timestamp:*2026*", TERM_SUBSTRING, false, "@timestamp", "2026" },
		{ "-user.name:*", TERM_SUBSTRING, true, "user.name", "" },
		{ "a:\"\"", TERM_EQUAL, false, "a", "" },
		{ "a:\"*\"", TERM_EQUAL, false, "a", "*" },
		{ "a:b:c", TERM_EQUAL, false, "a", "b:c" },
		{ "10:30:00", TERM_WORD, false, "", "10:30:00" },
		{ "https://x/y", TERM_WORD, false, "", "https://x/y" },
		{ "C:\\Windows", TERM_WORD, false, "", "C:\\Windows" },
		{ "fe80::1", TERM_WORD, false, "", "fe80::1" },
		{ "u:https://x", TERM_EQUAL, false, "u", "https://x" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct event_term t;
		struct err err;
		if (find_query_term(cases[i].word, &t, &err))
			fail_msg("%s: %s", cases[i].word, err.text);
		if (t.kind != cases[i].kind || t.negated != cases[i].negated ||
		    !str_eq(t.field, str_from(cases[i].field)) || !str_eq(t.text, str_from(cases[i].text)))
			fail_msg("%s: kind %d, not %d, field '" STR_FMT "', text '" STR_FMT "'", cases[i].word, t.kind,
			         t.negated, STR_ARG(t.field), STR_ARG(t.text));
	}
}

static void no_terms(void **state)
{
	static const char *const words[] = {
		"", "-", "*", "**", "\"\"", "a:", "-a:", "foo*", "*foo", "a:foo*", "a:*foo"
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct event_term t;
		struct err err = { 0 };
		if (find_query_term(words[i], &t, &err) != -EINVAL || !strstr(err.text, words[i]))
			fail_msg("'%s' is taken, or not named: %s", words[i], err.text);
	}
}

static void times(void **state)
{
	const int64_t now = 1790000000 * (int64_t)CLOCK_S, s = CLOCK_S;
	static const struct {
		const char *word;
		int64_t at; /* s; below 0: before now */
	} cases[] = {
		{ "90s", -90 },
		{ "15m", -15 * 60 },
		{ "12h", -12 * 3600 },
		{ "7d", -7 * 86400 },
		{ "4w", -28 * 86400 },
		{ "2026-11-22", 1795280400 },
		{ "2026-11-22 08:30", 1795311000 },
		{ "2026-11-22T08:30:15", 1795311015 },
		{ "2026-11-22T08:30:15Z", 1795336215 },
		{ "2026-11-22T08:30:15+09:00", 1795303815 },
		{ "2028-02-29", 1835370000 },
	};
	static const char *const bad[] = { "",           "7",          "d",           "-7d",
		                           "0d",         "7 d",        "2026-13-01",  "2026-02-30",
		                           "22/11/2026", "1790000000", "2026-11-22x", "yesterday",
		                           "9999999d" };
	setenv("TZ", "Asia/Ho_Chi_Minh", 1);
	tzset();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t got = 0, wanted = cases[i].at < 0 ? now + cases[i].at * s : cases[i].at * s;
		struct err err;
		if (find_query_time(cases[i].word, now, &got, &err))
			fail_msg("%s: %s", cases[i].word, err.text);
		if (got != wanted)
			fail_msg("%s: %lld instead of %lld", cases[i].word, (long long)(got / s),
			         (long long)(wanted / s));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int64_t got;
		if (find_query_time(bad[i], now, &got, NULL) != -EINVAL)
			fail_msg("'%s' is taken as a time", bad[i]);
	}
}

static void check_line(bool color, const struct event_term *terms, size_t n, const char *json, const char *wanted)
{
	struct find_printer p = { .terms = terms, .n_terms = n, .color = color };
	struct event_row row = { .time = 1795336215 * (int64_t)CLOCK_S,
		                 .dataset = STR("linux.auth"),
		                 .json = str_from(json) };
	struct buf out = { 0 };
	find_print(&p, &row, &out);
	if (!str_eq(buf_str(&out), str_from(wanted)))
		fail_msg("'" STR_FMT "' instead of '%s'", STR_ARG(buf_str(&out)), wanted);
	buf_free(&out);
	find_printer_done(&p);
}

static void lines(void **state)
{
	const struct event_term words[] = { { .text = STR("ROOT") }, { .negated = true, .text = STR("for") } };
	const struct event_term field[] = { { .field = STR("user.name"), .text = STR("root") } };
	setenv("TZ", "Asia/Ho_Chi_Minh", 1);
	tzset();
	check_line(false, words, 2, "{\"host\":{\"name\":\"pc7\"},\"message\":\"for root\\u001b[2J\\n\"}",
	           "2026-11-22 15:30:15  pc7  linux.auth  for root\\x1b[2J\\n\n");
	check_line(true, words, 2, "{\"host.name\":\"pc7\",\"event.original\":\"for root\",\"message\":\"x\"}",
	           "2026-11-22 15:30:15  pc7  \033[2mlinux.auth\033[0m  for \033[1;31mroot\033[0m\n");
	check_line(false, field, 1, "{\"message\":\"x\",\"user\":{\"name\":\"root\"}}",
	           "2026-11-22 15:30:15  -  linux.auth  x  user.name=root\n");
	check_line(false, field, 1,
	           "{\"@timestamp\":\"t\",\"a\":1,\"user\":{\"name\":[\"b\",\"root\"]},\"khien.id\":\"q\"}",
	           "2026-11-22 15:30:15  -  linux.auth  user.name=root a=1 user.name=b\n");
}

static void numbers(void **state)
{
	char b[32];
	assert_string_equal(find_number(LANG_EN, 0, b), "0");
	assert_string_equal(find_number(LANG_EN, 999, b), "999");
	assert_string_equal(find_number(LANG_VI, 1000, b), "1.000");
	assert_string_equal(find_number(LANG_ZH, 12345678, b), "12,345,678");
	assert_string_equal(find_number(LANG_EN, UINT64_MAX, b), "18,446,744,073,709,551,615");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terms), cmocka_unit_test(no_terms), cmocka_unit_test(times),
		cmocka_unit_test(lines), cmocka_unit_test(numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
