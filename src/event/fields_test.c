#include "event/event.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Follows keys separated by '/' from the root: the ids there as text "3,5", "" for a node without, "-" for none. */
static const char *ids_at(const struct fields *f, const char *keys, char *to)
{
	uint32_t node = 0, n;
	struct str rest = str_from(keys);
	for (;;) {
		struct str key = str_sub(rest, 0, str_find(rest, '/'));
		node = fields_child(f, node, key);
		if (node == FIELDS_NONE)
			return "-";
		if (key.n == rest.n)
			break;
		rest = str_sub(rest, key.n + 1, rest.n);
	}
	const uint32_t *ids = fields_at(f, node, &n);
	char *end = to;
	*to = '\0';
	for (uint32_t i = 0; i < n; i++)
		end += snprintf(end, 16, "%s%u", i ? "," : "", ids[i]);
	return to;
}

static void test_find(void **state)
{
	const struct field_path paths[] = {
		{ STR("CommandLine"), 2 },
		{ STR("Event.EventData.CommandLine"), 2 },
		{ STR("process.command_line"), 2 },
		{ STR("process.name"), 3 },
		{ STR("process.name"), 4 },
		{ STR("process.name"), 3 },
		{ STR("Threat Name"), 5 },
		{ STR("a.b.c"), 6 },
		{ STR("a"), 7 },
		{ STR("odd\\name"), 8 },
		{ STR("x"), 9 },
		{ STR("@timestamp"), FIELD_TIME },
		{ STR("AVeryLongFieldNameWithAMiddleA"), 10 },
		{ STR("AVeryLongFieldNBmeWithAMiddleA"), 11 },
	};
	static const struct {
		const char *keys, *ids;
	} cases[] = {
		{ "CommandLine", "2" },
		{ "commandline", "-" },
		{ "CommandLin", "-" },
		{ "CommandLine2", "-" },
		{ "Event", "" },
		{ "Event/EventData/CommandLine", "2" },
		{ "Event.EventData.CommandLine", "2" },
		{ "Event.EventData/CommandLine", "2" },
		{ "Event/EventData.CommandLine", "2" },
		{ "EventData/CommandLine", "-" },
		{ "CommandLine/CommandLine", "-" },
		{ "process/name", "3,4" },
		{ "process.name", "3,4" },
		{ "Threat Name", "5" },
		{ "ThreatName", "5" },
		{ " Thre at Name ", "5" },
		{ "a", "7" },
		{ "a/b/c", "6" },
		{ "a.b/c", "6" },
		{ "a /b. c", "6" },
		{ "a.b", "" },
		{ "a.b.", "-" },
		{ ".a", "-" },
		{ "a..b.c", "-" },
		{ "odd\\name", "8" },
		{ "odd name", "-" },
		{ "x", "9" },
		{ "", "-" },
		{ "@timestamp", "0" },
		{ "AVeryLongFieldNameWithAMiddleA", "10" },
		{ "AVeryLongFieldNBmeWithAMiddleA", "11" },
		{ "AVeryLongFieldNCmeWithAMiddleA", "-" },
	};
	struct fields *f;
	struct err err;
	assert_int_equal(fields_new(&f, 12, paths, ARRAY_LEN(paths), &err), 0);
	assert_int_equal(fields_count(f), 12);
	char to[64];
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (strcmp(ids_at(f, cases[i].keys, to), cases[i].ids) != 0)
			fail_msg("%s: %s", cases[i].keys, ids_at(f, cases[i].keys, to));
	assert_true(fields_has_children(f, 0));
	assert_true(fields_has_children(f, fields_child(f, 0, STR("a"))));
	assert_false(fields_has_children(f, fields_child(f, 0, STR("x"))));
	/* A JSON key whose escapes aren't undone must not pass for a name that has a backslash. */
	assert_int_equal(fields_find(f, 0, STR("odd\\name")), FIELDS_NONE);
	fields_free(f);
}

static void test_wildcard(void **state)
{
	const struct field_path paths[] = {
		{ STR("a.*"), 2 },     { STR("a.b"), 3 },     { STR("a.b.c"), 4 },    { STR("a.*.c"), 5 },
		{ STR("a.*.*.d"), 6 }, { STR("a.b.x.d"), 7 }, { STR("log.*.id"), 8 }, { STR("*.top"), 9 },
	};
	static const struct {
		const char *keys, *ids;
	} cases[] = {
		{ "a/z", "2" },       { "a/b", "2,3" },     { "a/b/c", "4,5" },   { "a/z/c", "5" },
		{ "a.b.c", "4,5" },   { "a.z", "2" },       { "a/b/x/d", "6,7" }, { "a/b/y/d", "6" },
		{ "a/q/y/d", "6" },   { "log/1/id", "8" },  { "log.1.id", "8" },  { "log/top", "9" },
		{ "any/top", "9" },   { "a/top", "2,9" },   { "any/x", "-" },     { "any", "" },
		{ "log/1/ix", "-" },  { "a/one two", "2" }, { "a/p.q", "" },      { "log/p.q.r", "" },
		{ "a/p.q.r.s", "2" },
	};
	struct fields *f;
	struct err err;
	assert_int_equal(fields_new(&f, 10, paths, ARRAY_LEN(paths), &err), 0);
	char to[64];
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (strcmp(ids_at(f, cases[i].keys, to), cases[i].ids) != 0)
			fail_msg("%s: %s", cases[i].keys, ids_at(f, cases[i].keys, to));
	fields_free(f);
}

/* Thousands of names of all lengths, those that are there and their neighbours that aren't. */
static void test_many(void **state)
{
	enum { N = 5000 };
	struct arena a = { 0 };
	struct field_path *paths = arena_alloc(&a, N * sizeof(*paths));
	assert_non_null(paths);
	for (uint32_t i = 0; i < N; i++)
		paths[i] = (struct field_path){
			arena_printf(&a, "%.*s%u", (int)(i % 23), "abcdefghijklmnopqrstuvw", i * 2), i + 2
		};
	struct fields *f;
	struct err err;
	assert_int_equal(fields_new(&f, N + 2, paths, N, &err), 0);
	for (uint32_t i = 0; i < N; i++) {
		char to[64];
		uint32_t n, node = fields_child(f, 0, paths[i].path);
		assert_int_not_equal(node, FIELDS_NONE);
		assert_int_equal(*fields_at(f, node, &n), i + 2);
		assert_int_equal(n, 1);
		struct str other = arena_printf(&a, "%.*s%u", (int)(i % 23), "abcdefghijklmnopqrstuvw", i * 2 + 1);
		assert_string_equal(ids_at(f, other.p, to), "-");
	}
	fields_free(f);
	arena_free(&a);
}

static void test_refused(void **state)
{
	struct fields *f = NULL;
	struct err err;
	char big[600];
	memset(big, 'a', sizeof(big));
	assert_int_equal(fields_new(&f, 5, &(struct field_path){ STR("x"), 5 }, 1, &err), -EINVAL);
	assert_non_null(strstr(err.text, "'x' of field 5"));
	assert_int_equal(fields_new(&f, 5, &(struct field_path){ STR(" "), 2 }, 1, &err), -EINVAL);
	assert_int_equal(fields_new(&f, 5, &(struct field_path){ { big, sizeof(big) }, 2 }, 1, &err), -EINVAL);
	assert_null(f);
	assert_int_equal(fields_new(&f, 0, NULL, 0, &err), 0);
	assert_int_equal(fields_count(f), FIELD_FIRST_NAMED);
	assert_int_equal(fields_child(f, 0, STR("x")), FIELDS_NONE);
	fields_free(f);
	fields_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_wildcard),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
