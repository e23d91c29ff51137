/* What rules say of one another and of the mapping: filters, correlations, routes, field names. */
#include "rule/test_dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define RULE(name, field)                                                                                              \
	"title: T\nname: " name "\nid: id-" name "\nlogsource: {product: p}\ndetection: {s: {" field                   \
	": a}, condition: s}\n---\n"
#define FILTER "title: F\nlogsource: {product: p}\nfilter: "

static const struct sample FILTERS[] = {
	{ FILTER "{rules: [id-one], x: {u: v}, condition: not x}", "(f=a & !u=v)\ng=a" },
	{ FILTER "{rules: [two], x: {u: v}, condition: x}", "f=a\n(g=a & !u=v)" },
	{ FILTER "{rules: any, x: {u: v}, condition: x}", "(f=a & !u=v)\n(g=a & !u=v)" },
	{ FILTER "{x: {u: v}, y: {u: w}, condition: not 1 of them}", "(f=a & !(u=v | u=w))\n(g=a & !(u=v | u=w))" },
	{ FILTER "{rules: one, x: {u: v}, condition: x}\n---\n" FILTER "{rules: one, x: {u: w}, condition: x}",
	  "(f=a & !u=v & !u=w)\ng=a" },
	{ "title: F\nlogsource: {product: other}\nfilter: {x: {u: v}, condition: x}", "f=a\ng=a" },
	{ "title: F\nlogsource: {product: other}\nfilter: {rules: [one], x: {u: v}, condition: x}",
	  "r.yml:15: filter for 'one', which has another logsource: write that one, or leave parts "
	  "out\nf=a\ng=a" },
	{ FILTER "{rules: [three], x: {u: v}, condition: x}",
	  "r.yml:15: filter for 'three', which no rule has: write the id or name of a rule\nf=a\ng=a" },
	{ FILTER "{rules: [one], x: {u|bogus: v}, condition: x}",
	  "r.yml:15: unknown modifier 'bogus': write one of the Sigma specification\nf=a\ng=a" },
	{ FILTER "{rules: [one], x: {u: v}}",
	  "r.yml:15: a filter without a condition: write condition: not selection\nf=a\ng=a" },
	{ FILTER "{rules: [one], condition: x}",
	  "r.yml:15: no selection: write one, as in selection: {Field: value}\nf=a\ng=a" },
};

static void test_filters(void **state)
{
	const struct test_rules how = { .mapping = SERVES_P };
	check_all(FILTERS, ARRAY_LEN(FILTERS), &how, RULE("one", "f") RULE("two", "g"), "\n");
}

/* The correlation begins in line 13: its title; `correlation:` is line 14. */
static const struct sample CORRELATIONS[] = {
	{ "{type: event_count, rules: [one], group-by: [u], timespan: 5m, condition: {gte: 3}}",
	  "f=a silent\ng=a\ncount one(u) by u in 300s >=3" },
	{ "{type: event_count, rules: one, timespan: 1d, condition: {gt: 3, lte: 9}, generate: true}",
	  "f=a\ng=a\ncount one in 86400s >3 <=9" },
	{ "{type: value_count, rules: [id-one, two], group-by: u, timespan: 2h, condition: {field: v, eq: 3}}",
	  "f=a silent\ng=a silent\nvalues one(u)(v) two(u)(v) by u of v in 7200s =3" },
	{ "{type: temporal, rules: [one, two], group-by: [x], timespan: 10s, aliases: {x: {one: a, two: b}}}",
	  "f=a silent\ng=a silent\ntemporal one(a) two(b) by x in 10s >=2" },
	{ "{type: temporal_ordered, rules: [one, two, one], timespan: 10s}",
	  "f=a silent\ng=a silent\nordered one two one in 10s >=3" },
	{ "{type: value_percentile, rules: [one], timespan: 1w, condition: {field: v, lte: 1, percentile: 99}}",
	  "f=a silent\ng=a\npercentile one(v) of v in 604800s <=1 at 99%" },
	{ "{type: value_avg, rules: [one], timespan: 1s, condition: {field: v, neq: 1.5}}",
	  "f=a silent\ng=a\navg one(v) of v in 1s !=1.5" },
	/* chained: the inner one comes first in CORRELATIONS whatever the order in the file */
	{ "{type: temporal_ordered, rules: [many, two], group-by: [u], timespan: 1h}\n---\ntitle: M\nname: "
	  "many\n"
	  "correlation: {type: event_count, rules: [one], group-by: [u], timespan: 5m, condition: {gte: 3}}",
	  "f=a silent\ng=a silent\nordered many(?) two(u) by u in 3600s >=2\ncount one(u) by u in 300s >=3 "
	  "silent" },
	{ "{type: event_cuont, rules: [one], timespan: 5m, condition: {gte: 3}}",
	  "r.yml:14: unknown correlation type 'event_cuont': write event_count\nf=a\ng=a" },
	{ "{rules: [one], timespan: 5m}",
	  "r.yml:14: a correlation without a type: write type: event_count or another of Sigma's "
	  "types\nf=a\ng=a" },
	{ "{type: temporal, rules: [three], timespan: 5m}",
	  "r.yml:14: no rule is 'three': write the id or name of a rule\nf=a\ng=a" },
	{ "{type: temporal, rules: [one, one], timespan: 5m}",
	  "r.yml:14: 'one' stands there twice: write it once\nf=a\ng=a" },
	{ "{type: temporal, timespan: 5m}",
	  "r.yml:14: a correlation without rules: write rules: [id or name]\nf=a\ng=a" },
	{ "{type: temporal, rules: [one]}",
	  "r.yml:14: a correlation without a timespan: write timespan: 10m\nf=a\ng=a" },
	{ "{type: temporal, rules: [one], timespan: 5 min}",
	  "r.yml:14: timespan '5 min': write a number and s, m, h, d or w, as in 10m\nf=a\ng=a" },
	{ "{type: temporal, rules: [one], timespan: 0s}",
	  "r.yml:14: timespan '0s': write a number and s, m, h, d or w, as in 10m\nf=a\ng=a" },
	{ "{type: event_count, rules: [one], timespan: 5m}",
	  "r.yml:14: a correlation without a condition: write condition: {gte: 10}\nf=a\ng=a" },
	{ "{type: event_count, rules: [one], timespan: 5m, condition: {gte: 3, field: v}}",
	  "r.yml:14: event_count has no field: leave it out, or write type: value_count\nf=a\ng=a" },
	{ "{type: value_sum, rules: [one], timespan: 5m, condition: {gte: 3}}",
	  "r.yml:14: value_sum needs a field: write condition: {field: Name, gte: 10}\nf=a\ng=a" },
	{ "{type: event_count, rules: [one], timespan: 5m, condition: {at: 3}}",
	  "r.yml:14: condition has 'at': write gt, gte, lt, lte, eq, neq, field or percentile\nf=a\ng=a" },
	{ "{type: event_count, rules: [one], timespan: 5m, condition: {gte: many}}",
	  "r.yml:14: gte is no number: write gte: 10\nf=a\ng=a" },
	{ "{type: temporal, rules: [one, two], group-by: [x], timespan: 10s, aliases: {x: {one: a}}}",
	  "r.yml:14: alias 'x' says nothing about 'two': write its field there\nf=a\ng=a" },
	{ "{type: temporal, rules: [one], group-by: [x], timespan: 10s, aliases: {x: {two: a}}}",
	  "r.yml:14: alias 'x' names 'two', which is not among the rules: write one of them\nf=a\ng=a" },
	/* a refused rule refuses what refers to it */
	{ "{type: temporal, rules: [bad], timespan: 5m}\n---\ntitle: B\nname: bad\n" GOOD "level: [low]\nid: id-one\n",
	  "r.yml:14: 'bad' was refused: mend it first, or write another rule\n"
	  "r.yml:21: id id-one is taken by r.yml:3: write a new one, or leave one of them out\nf=a\ng=a" },
	/* circles */
	{ "{type: temporal, rules: [x], timespan: 5m}\n---\ntitle: X\nname: x\n"
	  "correlation: {type: temporal, rules: [y], timespan: 5m}\n---\ntitle: Y\nname: y\n"
	  "correlation: {type: temporal, rules: [x], timespan: 5m}",
	  "r.yml:14: 'x' was refused: mend it first, or write another rule\n"
	  "r.yml:18: 'y' was refused: mend it first, or write another rule\n"
	  "r.yml:22: 'x' refers back to this one: write rules without a circle\nf=a\ng=a" },
	/* a name that two have */
	{ "{type: temporal, rules: [twin], timespan: 5m}\n---\n" RULE("twin", "h") "title: T2\nname: twin\n" GOOD,
	  "r.yml:14: several rules are named 'twin': write its id\nf=a\ng=a\nh=a\nf=a" },
};

static void test_correlations(void **state)
{
	const struct test_rules how = { .mapping = SERVES_P };
	check_all(CORRELATIONS, ARRAY_LEN(CORRELATIONS), &how,
	          RULE("one", "f") RULE("two", "g") "title: C\ncorrelation: ", "\n");
}

static void test_chain_carries(void **state)
{
	struct ruleset rs;
	struct err err;
	CLEANUP(buf_free) struct buf got = { 0 };
	assert_int_equal(
	        0, compile_text(
	                   &rs, &(struct test_rules){ .all_rules = true },
	                   RULE("one", "f") RULE(
	                           "two",
	                           "g") "title: M\nname: many\ncorrelation: {type: event_count, rules: [one], "
	                                "group-by: [host], "
	                                "timespan: 5m, condition: {gte: 3}}\n---\n"
	                                "title: C\ncorrelation: {type: temporal, rules: [many, two], group-by: [user], "
	                                "timespan: 5m}\n",
	                   &err));
	for (uint32_t i = 0; i < rs.rules[0].carry.n; i++)
		buf_printf(&got, STR_FMT " ",
		           STR_ARG(ruleset_text(&rs, rs.fields[rs.numbers[rs.rules[0].carry.at + i]].name)));
	buf_putc(&got, '\0');
	assert_string_equal("host user ", got.p);
	assert_int_equal(1, rs.rules[1].carry.n);
	assert_int_equal(2, rs.rules[0].feeds + rs.rules[2].feeds);
	ruleset_free(&rs);
}

static void dump_routes(struct buf *out, const struct ruleset *rs)
{
	for (uint32_t i = 0; i < rs->n_routes; i++) {
		dump_node(out, rs, rs->routes[i].node);
		buf_add(out, STR(" ->"));
		for (uint32_t k = 0; k < rs->routes[i].sources.n; k++) {
			const struct source *s = &rs->sources[rs->numbers[rs->routes[i].sources.at + k]];
			buf_printf(out, " " STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(ruleset_text(rs, s->product)),
			           STR_ARG(ruleset_text(rs, s->category)), STR_ARG(ruleset_text(rs, s->service)));
		}
		buf_putc(out, '\n');
	}
	for (uint32_t i = 0; i < rs->n_fields; i++) {
		buf_printf(out, STR_FMT ": ", STR_ARG(ruleset_text(rs, rs->fields[i].name)));
		dump_paths(out, rs, i);
		buf_putc(out, '\n');
	}
	for (uint32_t i = 0; i < rs->n_route_fields; i++)
		buf_printf(out, "%u ", rs->route_fields[i]);
	for (uint32_t i = 0; i < rs->n_diagnostics; i++)
		buf_printf(out, STR_FMT "\n", STR_ARG(ruleset_text(rs, rs->diagnostics[i].text)));
	buf_putc(out, '\0');
}

static const char MAPPING[] =
        "time: ['@timestamp', T]\nhost: host.name\nevery_field: [w.%]\nfields: {f: F.x}\n"
        "sources:\n"
        "- logsource: {product: p, service: s, category: c}\n  when: {ch: x}\n"
        "- logsource: {product: p, service: t, category: c}\n  when: [{ch: y}, {id: 1}]\n  fields: {f: [y.f]}\n";

static void test_routes(void **state)
{
	static const char rules[] =
	        "title: A\nlogsource: {product: p, category: c}\ndetection: {s: {f: a}, condition: s}\n---\n"
	        "title: B\nlogsource: {service: s}\ndetection: {s: {f: a}, condition: s}\n---\n"
	        "title: C\nlogsource: {product: q, service: z}\ndetection: {s: {f: a}, condition: s}\n";
	static const char expected[] =
	        "ch=x -> p/c/ //s\n(ch=y | id=1) -> p/c/\n"
	        "event.dataset=p.c -> p/c/\nevent.dataset=s -> //s\nevent.dataset=q.z -> q//z\n"
	        "@timestamp: @timestamp T\nhost.name: host.name\n"
	        "f: f F.x w.f y.f\nf: f F.x w.f\nch: ch w.ch\nid: id w.id\n"
	        "event.dataset: event.dataset w.event.dataset\n"
	        "4 5 6 r.yml:9: no entry of the mapping serves log source 'q, z' (1 rule): write one, or set "
	        "event.dataset in its events\n";
	struct ruleset rs;
	struct err err;
	CLEANUP(buf_free) struct buf got = { 0 };
	assert_int_equal(0, compile_text(&rs, &(struct test_rules){ .mapping = MAPPING }, rules, &err));
	dump_routes(&got, &rs);
	assert_string_equal(expected, got.p);
	assert_int_equal(0, rs.diagnostics[0].refused);
	ruleset_free(&rs);
}

static void test_all_rules(void **state)
{
	struct ruleset rs;
	struct err err;
	CLEANUP(buf_free) struct buf got = { 0 };
	assert_int_equal(0, compile_text(&rs, &(struct test_rules){ .mapping = MAPPING, .all_rules = true },
	                                 "title: A\ndetection: {s: {f: a}, condition: s}\n", &err));
	assert_int_equal(1, rs.n_sources);
	assert_int_equal(0, rs.rules[0].source);
	dump_routes(&got, &rs);
	assert_string_equal("TRUE -> //\n@timestamp: @timestamp T\nhost.name: host.name\nf: f F.x w.f y.f\n", got.p);
	ruleset_free(&rs);
}

static const struct sample BAD_MAPPINGS[] = {
	{ "- a", "m.yaml:1: the mapping is no map: write time:, host:, every_field:, fields:, sources:" },
	{ "a: [", "m.yaml:2: did not find expected node content: write YAML" },
	{ "time: {a: b}", "m.yaml:1: time: write a list of paths" },
	{ "fields: {f: {a: b}}", "m.yaml:1: f: write a list of paths" },
	{ "sources: {a: b}", "m.yaml:1: sources is no list: write - logsource: {...}" },
	{ "sources: [{when: {a: b}}]",
	  "m.yaml:1: a source without a logsource: write logsource: {product: ..., service: ...}" },
	{ "sources: [{logsource: {product: p},\n when: {a|bogus: b}}]",
	  "m.yaml:2: unknown modifier 'bogus': write one of the Sigma specification" },
};

static void test_bad_mapping(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(BAD_MAPPINGS); i++) {
		const struct test_rules how = { .mapping = BAD_MAPPINGS[i].yaml };
		check(&BAD_MAPPINGS[i], &how, "title: T\n" GOOD);
	}
}

/* Fields that others ask for stand in all places of the names they stand for; built-in rules have a way of their own. */
static void test_asked(void **state)
{
	static const char *const also[] = { "a", "b" };
	const struct rule_asked asked[] = { { "mine", also, 2 }, { "alone", NULL, 0 } };
	struct rule_file file = { STR("r.yml"), STR("title: T\nlogsource: {category: indicator}\n"
		                                    "detection: {s: {khien.indicator.type: url}, condition: s}\n") };
	const struct rule_texts texts = {
		.files = &file,
		.n_files = 1,
		.mapping = { STR("m.yaml"), STR("every_field: [x.%]\nfields: {a: [aa]}\n") },
		.asked = asked,
		.n_asked = 2,
	};
	struct ruleset rs;
	struct err err;
	CLEANUP(buf_free) struct buf paths = { 0 };
	assert_int_equal(0, rule_compile(&rs, &texts, &err));
	assert_int_equal(2, rs.n_asked);
	dump_paths(&paths, &rs, rs.asked[0]);
	buf_putc(&paths, '\0');
	assert_string_equal("mine x.mine a aa x.a b x.b", paths.p);
	paths.n = 0;
	dump_paths(&paths, &rs, rs.asked[1]);
	buf_putc(&paths, '\0');
	assert_string_equal("alone x.alone", paths.p);
	assert_int_equal(0, rs.n_diagnostics); /* no entry of the mapping serves it, and none has to */
	assert_int_equal(2, rs.n_routes);
	ruleset_free(&rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asked),        cmocka_unit_test(test_filters),
		cmocka_unit_test(test_correlations), cmocka_unit_test(test_chain_carries),
		cmocka_unit_test(test_routes),       cmocka_unit_test(test_all_rules),
		cmocka_unit_test(test_bad_mapping),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
