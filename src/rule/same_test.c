#include "rule/same.h"
#include "rule/test_dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define FAILED(condition)                                                                                              \
	"title: Failed\nname: failed\nlogsource: {product: p}\ndetection: {s: {do: fail, k|startswith: [a, b]}, "      \
	"condition: " condition "}\n---\n"
#define OTHER "title: Other\nname: other\nlogsource: {product: p}\ndetection: {s: {u: v}, condition: s}\n---\n"
#define MANY(bound)                                                                                                    \
	"title: Many\nname: many\ncorrelation: {type: event_count, rules: [failed], group-by: [ip], timespan: 5m, "    \
	"condition: {gte: " bound "}}\n"
#define CHAIN                                                                                                          \
	"---\ntitle: Chain\nname: chain\ncorrelation: {type: temporal, rules: [many, other], group-by: [ip], "         \
	"timespan: 1h}\n"

struct both {
	struct ruleset a, b;
	uint32_t *map;
};

static void open_both(struct both *t, const char *mapping_a, const char *a, const char *mapping_b, const char *b)
{
	struct err err;
	assert_int_equal(compile_text(&t->a, &(struct test_rules){ .mapping = mapping_a }, a, &err), 0);
	assert_int_equal(compile_text(&t->b, &(struct test_rules){ .mapping = mapping_b }, b, &err), 0);
	t->map = same_rules(&t->a, &t->b);
	assert_non_null(t->map);
}

static void close_both(struct both *t)
{
	free(t->map);
	ruleset_free(&t->a);
	ruleset_free(&t->b);
}

/* The correlation of this name. */
static uint32_t find(const struct ruleset *rs, const char *name)
{
	for (uint32_t i = 0; i < rs->n_correlations; i++)
		if (str_eq(ruleset_text(rs, rs->rules[rs->correlations[i].rule].name), str_from(name)))
			return i;
	fail_msg("no correlation %s", name);
	return NO_INDEX;
}

static bool stays(const char *mapping_a, const char *a, const char *mapping_b, const char *b, const char *name)
{
	struct both t;
	open_both(&t, mapping_a, a, mapping_b, b);
	uint32_t *from = same_correlations(&t.a, &t.b, t.map);
	assert_non_null(from);
	bool same = from[find(&t.b, name)] == find(&t.a, name);
	free(from);
	close_both(&t);
	return same;
}

static void test_map(void **state)
{
	struct both t;
	open_both(&t, SERVES_P, FAILED("s") OTHER MANY("3"), SERVES_P, OTHER FAILED("not s"));
	for (uint32_t i = 0; i < t.a.n_rules; i++) {
		struct str name = ruleset_text(&t.a, t.a.rules[i].name);
		if (str_eq(name, STR("many")))
			assert_int_equal(t.map[i], NO_INDEX);
		else
			assert_true(str_eq(ruleset_text(&t.b, t.b.rules[t.map[i]].name), name));
	}
	close_both(&t);
}

static void test_unchanged(void **state)
{
	const char *a = FAILED("s") MANY("3");
	assert_true(stays(SERVES_P, a, SERVES_P, a, "many"));
	/* others beside it, another order, other words for people */
	assert_true(stays(SERVES_P, a, SERVES_P, OTHER FAILED("s") MANY("3") CHAIN, "many"));
	assert_true(stays(SERVES_P, FAILED("s") MANY("3") "level: low\n", SERVES_P,
	                  FAILED("s") MANY("3") "level: high\ndescription: x\n", "many"));
	assert_true(stays(SERVES_P, FAILED("s") OTHER MANY("3") CHAIN, SERVES_P, OTHER FAILED("s") MANY("3") CHAIN,
	                  "chain"));
}

static void test_changed(void **state)
{
	const char *a = FAILED("s") MANY("3");
	static const char *const others[] = {
		FAILED("s") MANY("4"),
		FAILED("not s") MANY("3"),
		FAILED("s") "title: Many\nname: many\ncorrelation: {type: event_count, rules: [failed], group-by: "
		            "[ip], "
		            "timespan: 6m, condition: {gte: 3}}\n",
		FAILED("s") "title: Many\nname: many\ncorrelation: {type: event_count, rules: [failed], group-by: [u], "
		            "timespan: 5m, condition: {gte: 3}}\n",
		FAILED("s") OTHER "title: Many\nname: many\ncorrelation: {type: event_count, rules: [failed, other], "
		                  "group-by: [ip], timespan: 5m, condition: {gte: 3}}\n",
		FAILED("s") "title: Many\nname: many\ncorrelation: {type: value_count, rules: [failed], group-by: "
		            "[ip], "
		            "timespan: 5m, condition: {field: u, gte: 3}}\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_false(stays(SERVES_P, a, SERVES_P, others[i], "many"));
	/* what it refers to through another */
	assert_false(stays(SERVES_P, FAILED("s") OTHER MANY("3") CHAIN, SERVES_P, FAILED("not s") OTHER MANY("3") CHAIN,
	                   "chain"));
	assert_false(stays(SERVES_P, FAILED("s") OTHER MANY("3") CHAIN, SERVES_P, FAILED("s") OTHER MANY("9") CHAIN,
	                   "chain"));
}

/* The same rules see other events where the mapping is another. */
static void test_mapping(void **state)
{
	const char *rules = FAILED("s") MANY("3");
	assert_false(stays(SERVES_P, rules, "sources: [{logsource: {product: p}, when: {k: w}}]", rules, "many"));
	assert_false(stays(SERVES_P, rules, SERVES_P "\nfields: {do: [event.action]}", rules, "many"));
	assert_false(stays(SERVES_P, rules, SERVES_P "\nfields: {ip: [source.ip]}", rules, "many"));
	assert_true(stays(SERVES_P, rules, SERVES_P "\nfields: {zzz: [source.ip]}", rules, "many"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_unchanged),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_mapping),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
