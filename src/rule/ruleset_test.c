/* The block: back as it went, and refused when any index or offset in it leads outside. */
#include "rule/test_dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char RULES[] =
        "title: A\nname: a\ntags: [t]\nfields: [g]\nlogsource: {product: p}\n"
        "detection: {s: {f|contains|all: [x, y]}, t: {g|fieldref: h, i|cidr: 10.0.0.0/8}, condition: s or not t}\n"
        "---\ntitle: C\nname: c\ncorrelation: {type: value_count, rules: [a], group-by: [u], timespan: 5m, "
        "condition: {field: v, gte: 2}}\n"
        "---\ntitle: D\ncorrelation: {type: temporal, rules: [c], group-by: [u], timespan: 5m}\n";

/* An open ruleset, and a copy of its block that can be spoilt. */
struct both {
	struct ruleset rs;
	char *block;
	size_t size;
};

static int setup(void **state)
{
	struct both *b = calloc(1, sizeof(*b));
	struct err err;
	if (!b || compile_text(&b->rs,
	                       &(struct test_rules){ .mapping = "sources: [{logsource: {product: p}, when: {k: v}}]" },
	                       RULES, &err))
		return -1;
	struct str block = ruleset_block(&b->rs);
	b->size = block.n;
	b->block = malloc(block.n);
	memcpy(b->block, block.p, block.n);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct both *b = *state;
	ruleset_free(&b->rs);
	free(b->block);
	free(b);
	return 0;
}

static int reopen(const struct both *b)
{
	struct ruleset rs;
	struct err err;
	char *copy = malloc(b->size ? b->size : 1);
	memcpy(copy, b->block, b->size);
	int r = ruleset_open(&rs, copy, b->size, false, &err);
	if (r)
		free(copy);
	else
		ruleset_free(&rs);
	return r;
}

static void test_back(void **state)
{
	struct both *b = *state;
	struct ruleset rs;
	struct err err;
	char *copy = malloc(b->size);
	memcpy(copy, b->block, b->size);
	assert_int_equal(0, ruleset_open(&rs, copy, b->size, false, &err));
	assert_int_equal(3, rs.n_rules);
	assert_int_equal(2, rs.n_correlations);
	assert_string_equal("A", ruleset_text(&rs, rs.rules[0].title).p);
	ruleset_free(&rs);
	assert_null(rs.rules);
}

/* Where a record's member lies in the copy. */
#define AT(b, member) ((uint32_t *)(void *)((b)->block + ((const char *)&(b)->rs.member - (const char *)(b)->rs.block)))

static void test_spoilt(void **state)
{
	struct both *b = *state;
	const struct ruleset *rs = &b->rs;
	uint32_t top = rs->rules[0].node, test = 0;
	while (rs->nodes[test].op != NODE_TEST)
		test++;
	const struct {
		uint32_t *at, value;
	} cases[] = {
		{ AT(b, rules[0].title.off), rs->n_bytes },
		{ AT(b, rules[0].title.len), 2 }, /* no NUL there */
		{ AT(b, rules[0].node), rs->n_nodes },
		{ AT(b, rules[0].node), NO_INDEX },
		{ AT(b, rules[0].source), rs->n_sources },
		{ AT(b, rules[0].correlation), 0 },
		{ AT(b, rules[1].correlation), rs->n_correlations },
		{ AT(b, rules[1].correlation), 1 },
		{ AT(b, rules[0].tags.n), rs->n_texts + 1 },
		{ AT(b, rules[0].carry.at), UINT32_MAX },
		{ AT(b, rules[0].level), 0x000000ff },
		{ AT(b, numbers[rs->rules[0].carry.at]), rs->n_fields },
		{ AT(b, nodes[top].op), NODE_TEST + 1 },
		{ AT(b, nodes[top].kids.n), UINT32_MAX },
		{ AT(b, numbers[rs->nodes[top].kids.at]), top }, /* a node below itself */
		{ AT(b, nodes[test].arg), rs->n_tests },
		{ AT(b, tests[0].field), rs->n_fields },
		{ AT(b, tests[0].field), NO_INDEX - 1 },
		{ AT(b, tests[0].patterns.n), 0 },
		{ AT(b, tests[0].patterns.at), rs->n_patterns },
		{ AT(b, patterns[0].text.off), UINT32_MAX },
		{ AT(b, patterns[0].op), 0xff },
		{ AT(b, routes[0].node), rs->n_nodes },
		{ AT(b, routes[0].sources.n), rs->n_numbers + 1 },
		{ AT(b, route_fields[0]), rs->n_fields },
		{ AT(b, correlations[0].type), CORRELATE_VALUE_PERCENTILE + 1 },
		{ AT(b, correlations[0].rule), 0 },
		{ AT(b, correlations[0].n_group), 2 },
		{ AT(b, correlations[0].inputs.n), 0 },
		{ AT(b, correlations[0].inputs.at), rs->n_inputs },
		{ AT(b, inputs[0].rule), rs->n_rules },
		{ AT(b, inputs[0].rule), 2 }, /* what refers to it comes behind it */
		{ AT(b, inputs[0].value.n), 0 },
		{ AT(b, numbers[rs->inputs[0].group.at]), NO_INDEX },
		{ AT(b, numbers[rs->inputs[1].group.at]), 0 },
		{ AT(b, fields[0].name.off), UINT32_MAX },
		{ AT(b, paths[0].field), rs->n_fields },
	};
	assert_int_equal(0, reopen(b));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint32_t was = *cases[i].at;
		*cases[i].at = cases[i].value;
		if (reopen(b) == 0)
			fail_msg("case %zu is not refused", i);
		*cases[i].at = was;
	}
	assert_int_equal(0, reopen(b));
}

static void test_cut_off(void **state)
{
	struct both *b = *state;
	size_t whole = b->size;
	for (b->size = 0; b->size < whole; b->size += b->size < 400 ? 1 : 37)
		assert_int_not_equal(0, reopen(b));
	b->size = whole;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spoilt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_off, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
