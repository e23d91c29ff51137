#include "cmd/print.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char bytes[] = "id-1\0A \"title\"\0attack.t1\0Look at it and then at the other one, slowly.\0";

static const struct text texts[] = { { 15, 9 } };
static const struct rule rule = {
	.id = { 0, 4 },
	.title = { 5, 9 },
	.level = LEVEL_HIGH,
	.tags = { 0, 1 },
	.advice = { [LANG_EN] = { 25, 45 } },
	.correlation = NO_INDEX,
};
static const struct ruleset rs = {
	.rules = &rule, .n_rules = 1, .texts = texts, .n_texts = 1, .bytes = bytes, .n_bytes = sizeof(bytes)
};

static struct match match_of(const struct match_field *fields, uint32_t n)
{
	return (struct match){ .rule = &rule,
		               .file = "a b.log",
		               .line = 7,
		               .time = 1700000000120000,
		               .fields = fields,
		               .n_fields = n,
		               .count = 1,
		               .host = STR("h\033[0m") };
}

static void test_json(void **state)
{
	const struct match_field fields[] = {
		{ STR("user"), STR("a\"b\xff"), 3, VALUE_TEXT }, { STR("id"), STR("1e5"), 4, VALUE_NUMBER },
		{ STR("ok"), STR("true"), 5, VALUE_BOOL },       { STR("none"), STR(""), 6, VALUE_NULL },
		{ STR("text"), STR("5"), 7, VALUE_TEXT },
	};
	struct match m = match_of(fields, ARRAY_LEN(fields));
	struct buf out = { 0 };
	print_match_json(&out, &rs, &m);
	buf_putc(&out, '\0');
	assert_string_equal(out.p, "{\"rule\":{\"id\":\"id-1\",\"title\":\"A \\\"title\\\"\",\"level\":\"high\","
	                           "\"tags\":[\"attack.t1\"]},\"at\":{\"file\":\"a b.log\",\"line\":7},"
	                           "\"fields\":{\"user\":\"a\\\"b\xef\xbf\xbd\",\"id\":1e5,\"ok\":true,\"none\":null,"
	                           "\"text\":\"5\"}}");
	buf_free(&out);
}

static void test_line(void **state)
{
	const struct match_field fields[] = { { STR("k"), STR("v\n"), 3, VALUE_TEXT },
		                              { STR("user.name"), STR("root"), 4, VALUE_TEXT } };
	struct match m = match_of(fields, 2);
	struct print_options o = { .language = LANG_EN };
	struct buf out = { 0 };
	m.user = STR("root");
	m.address = STR("203.0.113.9");
	print_match_text(&out, &o, &rs, &m);
	buf_putc(&out, '\0');
	/* who it was is not told twice */
	assert_string_equal(out.p,
	                    "2023-11-14 22:13:20Z  high      A \"title\"                                         "
	                    "a b.log:7  id-1  host h\\x1b[0m  user root  from 203.0.113.9  k=v\\n\n");
	buf_free(&out);
}

/* What is cut is marked, and never in the middle of a character. */
static void test_long_value(void **state)
{
	char text[1001];
	struct match_field f = { STR("k"), { text, sizeof(text) - 1 }, 3, VALUE_TEXT };
	struct match m = match_of(&f, 1);
	struct print_options o = { .language = LANG_EN };
	struct buf out = { 0 };
	for (size_t i = 0; i < 1000; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	print_match_text(&out, &o, &rs, &m);
	buf_putc(&out, '\0');
	assert_non_null(strstr(out.p, "\xc3\xa9… (+680 bytes)\n"));
	assert_null(strstr(out.p, "\\x\x63"));
	buf_free(&out);
}

static void test_block(void **state)
{
	const struct match_field fields[] = { { STR("k"), STR("one two three four five six seven eight"), 3,
		                                VALUE_TEXT } };
	const struct match_field carried[] = { { STR("k"), STR("v"), 3, VALUE_TEXT },
		                               { STR("more"), STR("w"), 4, VALUE_TEXT } };
	struct match m = match_of(fields, 1);
	m.carried = carried;
	m.n_carried = 2;
	m.count = 12;
	m.first_time = m.time - 1500000;
	struct print_options o = { .language = LANG_EN, .block = true, .recording = true, .width = 40 };
	struct buf out = { 0 };
	print_match_text(&out, &o, &rs, &m);
	buf_putc(&out, '\0');
	assert_string_equal(out.p, "[ RECORDING ] 2023-11-14 22:13:20Z  high      A \"title\"\n"
	                           "    host h\\x1b[0m\n"
	                           "    what k=one two three four five six\n"
	                           "           seven eight\n"
	                           "         more=w\n"
	                           "    rule id-1  attack.t1\n"
	                           "    see  a b.log:7  12 events in 1.5 s\n"
	                           "    do   Look at it and then at the\n"
	                           "         other one, slowly.\n\n");
	/* colours come only when asked for */
	assert_null(memchr(out.p, '\033', out.n));
	o.color = true;
	print_match_text(&out, &o, &rs, &m);
	assert_non_null(memchr(out.p, '\033', out.n));
	buf_free(&out);
}

static const struct group group = {
	.id = "0123456789abcdef",
	.host = STR("web1"),
	.address = STR("203.0.113.9\033"),
	.count = 120,
	.first = 1700000000120000 - 86400LL * 1000000,
	.last = 1700000000120000,
};

static void test_group(void **state)
{
	struct print_options o = { .language = LANG_EN };
	struct buf out = { 0 };
	print_group_text(&out, &o, &rs, &group, GROUP_MORE);
	o.width = 80;
	o.recording = true;
	print_group_text(&out, &o, &rs, &group, GROUP_OVER);
	buf_putc(&out, '\0');
	assert_string_equal(out.p,
	                    "2023-11-14 22:13:20Z  high      ×120 so far  A \"title\" · web1 · 203.0.113.9\\x1b · "
	                    "since 2023-11-13 22:13:20Z\n"
	                    "[ RECORDING ] 2023-11-14 22:13:20Z  high      over, ×120  A \"title\" · web1 ·\n"
	                    "    203.0.113.9\\x1b · since 2023-11-13 22:13:20Z\n");
	buf_free(&out);
}

static void test_group_json(void **state)
{
	struct buf out = { 0 };
	print_group_json(&out, &rs, &group, GROUP_MORE);
	buf_putc(&out, '\0');
	assert_string_equal(out.p,
	                    "{\"id\":\"0123456789abcdef\",\"news\":\"more\",\"rule\":{\"id\":\"id-1\","
	                    "\"title\":\"A \\\"title\\\"\",\"level\":\"high\",\"tags\":[\"attack.t1\"]},"
	                    "\"host\":\"web1\",\"address\":\"203.0.113.9\\u001b\",\"count\":120,"
	                    "\"first\":\"2023-11-13T22:13:20.120000Z\",\"last\":\"2023-11-14T22:13:20.120000Z\"}");
	buf_free(&out);
}

static void test_time(void **state)
{
	struct buf out = { 0 };
	print_time_utc(&out, 0);
	print_time_utc(&out, -1);
	print_time_utc(&out, 1700000000120000);
	buf_putc(&out, '\0');
	assert_string_equal(out.p, "1970-01-01T00:00:00Z1969-12-31T23:59:59.999999Z2023-11-14T22:13:20.120000Z");
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),  cmocka_unit_test(test_line),  cmocka_unit_test(test_long_value),
		cmocka_unit_test(test_block), cmocka_unit_test(test_group), cmocka_unit_test(test_group_json),
		cmocka_unit_test(test_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
