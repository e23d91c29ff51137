#include "event/event.h"
#include "intake/formats.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LINE = FIELD_FIRST_NAMED, USER, THREAT, ANY, IMAGE, N_FIELDS };

static int setup(void **state)
{
	static const struct field_path paths[] = {
		{ { "CommandLine", 11 }, LINE },      { { "process.command_line", 20 }, LINE },
		{ { "user.name", 9 }, USER },         { { "user.name", 9 }, IMAGE },
		{ { "Threat Name", 11 }, THREAT },    { { "tags.*.id", 9 }, ANY },
		{ { "@timestamp", 10 }, FIELD_TIME },
	};
	struct event *ev = malloc(sizeof(*ev));
	struct fields *f;
	if (!ev || fields_new(&f, N_FIELDS, paths, ARRAY_LEN(paths), NULL) || event_init(ev, f))
		return -1;
	*state = ev;
	return 0;
}

static int teardown(void **state)
{
	struct event *ev = *state;
	fields_free((struct fields *)ev->fields);
	event_done(ev);
	free(ev);
	return 0;
}

static int parse(struct event *ev, const char *doc, struct err *err)
{
	event_reset(ev);
	ev->raw = str_from(doc);
	return intake_json.parse(ev->raw, NULL, 0, ev, err);
}

enum { VALUES_MAX = 512 };

/* The values of all fields: "2:text 3#number 4?bool 5~". */
static const char *values(struct event *ev, char *to)
{
	size_t n = 0;
	*to = '\0';
	for (uint32_t f = 0; f < N_FIELDS; f++)
		for (const struct value *v = event_value(ev, f); v; v = event_next(ev, v))
			n += (size_t)snprintf(to + n, VALUES_MAX - n, "%s%u%c" STR_FMT, n ? " " : "", f,
			                      ":#?~"[v->type], STR_ARG(v->text));
	return to;
}

static void test_values(void **state)
{
	static const struct {
		const char *doc, *values;
		uint32_t duplicates;
	} cases[] = {
		{ "{}", "", 0 },
		{ "{\"CommandLine\":\"whoami\"}", "2:whoami", 0 },
		{ " {\"CommandLine\" : 12 } ", "2#12", 0 },
		{ "{\"CommandLine\":true,\"Threat Name\":null}", "2?true 4~", 0 },
		{ "{\"CommandLine\":\"C:\\\\x \\u0041\\n\"}", "2:C:\\x A\n", 0 },
		{ "{\"Command\\u004cine\":\"x\"}", "2:x", 0 },
		{ "{\"process\":{\"command_line\":\"x\",\"pid\":1}}", "2:x", 0 },
		{ "{\"process.command_line\":\"x\"}", "2:x", 0 },
		{ "{\"process\\u002ecommand_line\":\"x\"}", "2:x", 0 },
		{ "{\"user\":{\"name\":\"u\"}}", "3:u 6:u", 0 },
		{ "{\"ThreatName\":\"a\",\"Threat Name\":\"b\"}", "4:a 4:b", 0 },
		{ "{\"CommandLine\":[\"a\",\"b\",[\"c\"],3]}", "2:a 2:b 2:c 2#3", 0 },
		{ "{\"CommandLine\":{\"x\":1}}", "", 0 },
		{ "{\"CommandLine\":\"a\",\"x\":0,\"CommandLine\":\"b\"}", "2:a 2:b", 1 },
		{ "{\"CommandLine\":\"a\",\"CommandLine\":\"b\",\"CommandLine\":\"c\"}", "2:a 2:b 2:c", 2 },
		{ "{\"x\":1,\"x\":2}", "", 0 }, /* nobody asked */
		{ "{\"user\":{\"name\":\"u\"},\"user\":{\"name\":\"v\"}}", "3:u 3:v 6:u 6:v", 1 },
		{ "{\"user\":[{\"name\":\"u\"},{\"name\":\"v\"}]}", "3:u 3:v 6:u 6:v", 0 },
		{ "{\"tags\":{\"a\":{\"id\":1},\"b\":{\"id\":2}}}", "5#1 5#2", 0 },
		{ "{\"tags\":{\"a\":{\"id\":1},\"a\":{\"id\":2}}}", "5#1 5#2", 1 },
		{ "{\"tags\":[{\"a\":{\"id\":1}},{\"a\":{\"id\":2}}]}", "5#1 5#2", 0 },
		{ "{\"process\":{\"command_line\":\"a\"},\"CommandLine\":\"b\"}", "2:a 2:b", 0 },
	};
	struct event *ev = *state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char got[VALUES_MAX];
		struct err err;
		if (parse(ev, cases[i].doc, &err))
			fail_msg("%s: %s", cases[i].doc, err.text);
		if (strcmp(values(ev, got), cases[i].values) != 0 || ev->duplicates != cases[i].duplicates)
			fail_msg("%s: %s, %u double", cases[i].doc, got, ev->duplicates);
		assert_int_equal(ev->shed, 0);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *doc, *reason;
	} cases[] = {
		{ "", "byte 1: not a JSON object" },
		{ "  [1]", "byte 3: not a JSON object" },
		{ "12", "byte 1: not a JSON object" },
		{ "{\"CommandLine\":\"a\"", "byte 19: object without an end" },
		{ "{\"x\":{\"y\":[1,2}}}", "byte 15: ',' or ']' is missing" },
		{ "{} {}", "byte 4: something follows the value" },
	};
	struct event *ev = *state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = { 0 };
		assert_int_equal(parse(ev, cases[i].doc, &err), -EBADMSG);
		assert_string_equal(err.text, cases[i].reason);
		assert_int_equal(parse(ev, cases[i].doc, NULL), -EBADMSG);
	}
}

static void test_pairs(void **state)
{
	struct event *ev = *state;
	uint32_t n;
	char got[512] = "";
	size_t at = 0;
	assert_int_equal(parse(ev,
	                       "{\"a\":{\"b\":[1,{\"c "
	                       "d\":\"x\\ny\"}]},\"e.f\":null,\"\\u0067\":{\"h\":true},\"i\":{},\"j\":\"\"}",
	                       NULL),
	                 0);
	const struct pair *pairs = event_pairs(ev, &n);
	for (uint32_t i = 0; i < n; i++)
		at += (size_t)snprintf(got + at, sizeof(got) - at, STR_FMT "%c" STR_FMT ";", STR_ARG(pairs[i].name),
		                       ":#?~"[pairs[i].type], STR_ARG(pairs[i].text));
	assert_string_equal(got, "a.b#1;a.b.c d:x\ny;e.f~;g.h?true;j:;");
	assert_int_equal(ev->shed, 0);
}

/* A record as large as a framer lets through: no allocation but what it needs, nothing lost but counted. */
static void test_bounds(void **state)
{
	struct event *ev = *state;
	enum { N = 200000 };
	char *doc = malloc(N * 2 + 64), *p = doc;
	assert_non_null(doc);
	p = stpcpy(p, "{\"CommandLine\":[0");
	for (int i = 0; i < N; i++)
		p = stpcpy(p, ",1");
	stpcpy(p, "]}");
	assert_int_equal(parse(ev, doc, NULL), 0);
	assert_int_equal(ev->n_values, EVENT_MAX_VALUES);
	assert_int_equal(ev->shed, N + 1 - (EVENT_MAX_VALUES - 1));
	free(doc);

	ev->scratch.max = 1;
	arena_free(&ev->scratch);
	assert_int_equal(parse(ev, "{\"CommandLine\":\"a\\n\",\"Threat\\u0020Name\":1}", NULL), 0);
	assert_int_equal(ev->shed, 2);
	assert_null(event_value(ev, LINE));
}

static void test_score(void **state)
{
	static const struct {
		const char *head;
		bool fits;
	} cases[] = {
		{ "{\"a\":1}\n{", true },
		{ "\n\n {\n \"a\"", true },
		{ "[{\"a\":1}, ", true },
		{ "[\n  {", true },
		{ "{}", true },
		{ "", false },
		{ "{", false },
		{ "{ user = x }", false },
		{ "<13>Oct 11 22:14:15 h su: x", false },
		{ "[2020-01-01] text", false },
		{ "a,b,c\n1,2,3", false },
		{ "type=SYSCALL msg=audit(1.2:3):", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if ((intake_json.score(str_from(cases[i].head)) >= INTAKE_SCORE_MIN) != cases[i].fits)
			fail_msg("%s: %d", cases[i].head, intake_json.score(str_from(cases[i].head)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pairs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test(test_score),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
