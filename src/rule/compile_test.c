/* Rules as text -> what they compile to, or why they are refused: one line a case. */
#include "rule/test_dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct sample {
	const char *yaml, *expected;
};

/* The conditions of all rules, or else the diagnostics, each on its line. */
static void check(const struct sample *s, const struct test_rules *how, const char *yaml)
{
	struct ruleset rs;
	struct err err = { 0 };
	CLEANUP(buf_free) struct buf got = { 0 };
	int r = compile_text(&rs, how, yaml, &err);
	if (r) {
		buf_add(&got, str_from(err.text));
	} else {
		for (uint32_t i = 0; i < rs.n_diagnostics; i++)
			buf_printf(&got, "%s" STR_FMT, got.n ? "\n" : "",
			           STR_ARG(ruleset_text(&rs, rs.diagnostics[i].text)));
		for (uint32_t i = 0; i < rs.n_rules; i++) {
			if (got.n)
				buf_putc(&got, '\n');
			if (rs.rules[i].correlation == NO_INDEX)
				dump_node(&got, &rs, rs.rules[i].node);
			else
				dump_correlation(&got, &rs, &rs.correlations[rs.rules[i].correlation]);
			if (rs.rules[i].silent)
				buf_add(&got, STR(" silent"));
		}
		ruleset_free(&rs);
	}
	buf_putc(&got, '\0');
	if (strcmp(got.p, s->expected) != 0)
		fail_msg("%s\n  compiles to\n%s\n  and should to\n%s", s->yaml, got.p, s->expected);
}

/* It serves the product of the samples, so that no warning stands among the results. */
#define SERVES_P "sources: [{logsource: {product: p}, when: {k: v}}]"
#define HEAD     "title: T\nlogsource: {product: p}\n"

static void check_all(const struct sample *s, size_t n, const struct test_rules *how, const char *before,
                      const char *behind)
{
	for (size_t i = 0; i < n; i++) {
		char yaml[4096];
		snprintf(yaml, sizeof(yaml), "%s%s%s", before, s[i].yaml, behind);
		check(&s[i], how, yaml);
	}
}

/* One line of a selection. */
static void test_lines(void **state)
{
	static const struct sample samples[] = {
		{ "f: a", "f=a" },
		{ "f: ABC", "f=abc" },
		{ "f: 'Ä'", "f=ä" },
		{ "f: 1013", "f=1013" },
		{ "f: TRUE", "f=true" },
		{ "f: ''", "f=" },
		{ "f:", "f=<null>" },
		{ "f: ~", "f=<null>" },
		{ "f: null", "f=<null>" },
		{ "f: 'null'", "f=null" },
		{ "f: [null, '']", "f(=|=<null>)" },
		{ "f: [a, b]", "f(=a|=b)" },
		{ "f: [b, a, B]", "f(=b|=a)" },
		/* wildcards */
		{ "f: 'a*'", "f^a" },
		{ "f: '*a'", "f$a" },
		{ "f: '**a**'", "f~a" },
		{ "f: '*'", "f~" },
		{ "f: 'a*b'", "f:a*b" },
		{ "f: 'a**b?'", "f:a*b?" },
		{ "f: '*a?b*'", "f:*a?b*" },
		{ "f: '?'", "f:?" },
		{ "f|contains: 'a*b'", "f:*a*b*" },
		/* escapes */
		{ "f: 'a\\b'", "f=a\\b" },
		{ "f: 'a\\\\b'", "f=a\\b" },
		{ "f: 'a\\*'", "f=a*" },
		{ "f: 'a\\\\*'", "f^a\\" },
		{ "f: 'a\\\\\\*'", "f=a\\*" },
		{ "f: 'a\\\\\\'", "f=a\\\\" },
		{ "f: 'a\\\\\\\\'", "f=a\\\\" },
		{ "f: 'a\\*b*c\\?'", "f:a\\*b*c\\?" },
		{ "f|startswith: 'a\\'", "f^a\\" },
		/* shape */
		{ "f|contains: a", "f~a" },
		{ "f|contains: ''", "f~" },
		{ "f|startswith: a", "f^a" },
		{ "f|endswith: '*'", "f~" },
		{ "f|startswith|endswith: a", "f~a" },
		{ "f|contains|all: [a, b]", "f(~a&~b)" },
		{ "f|all: a", "f=a" },
		{ "f|cased: Abc", "f==Abc" },
		{ "f|cased|contains: Abc", "f~~Abc" },
		{ "f|neq: a", "f!=a" },
		{ "f|neq: [a, b]", "f!(=a|=b)" },
		{ "f|neq|all|contains: [a, b]", "f!(~a&~b)" },
		/* re */
		{ "f|re: '^a.*B\\d$'", "f/^a.*B\\d$/" },
		{ "f|re|i|m|s: a", "f/a/ims" },
		{ "f|re: [a, b]", "f(/a/|/b/)" },
		/* cidr */
		{ "f|cidr: 10.0.0.0/8", "f@10.0.0.0/8" },
		{ "f|cidr: 10.1.2.3", "f@10.1.2.3/32" },
		{ "f|cidr: fe80::/10", "f@fe80::/10" },
		{ "f|cidr: '::/0'", "f@::/0" },
		{ "f|cidr: '::ffff:10.0.0.0/104'", "f@10.0.0.0/8" },
		/* encodings */
		{ "f|base64: foo", "f=zm9v" },
		{ "f|base64|cased: foo", "f==Zm9v" },
		{ "f|base64offset|contains|cased: foobar", "f(~~Zm9vYmFy|~~Zvb2Jhc|~~mb29iYX)" },
		{ "f|wide|base64offset|contains|cased: ab", "f(~~YQBiA|~~EAYg|~~hAGIA)" },
		{ "f|wide: aB", "f=a<00>b<00>" },
		{ "f|utf16be: a", "f=<00>a" },
		{ "f|utf16|contains: a", "f~<ff><fe>a<00>" },
		{ "f|utf16le|base64|cased: '\U0001F600'", "f==PdgA3g==" },
		{ "f|base64: 'a\\*'", "f=yso=" },
		/* windash */
		{ "f|windash: '-x'", "f(=-x|=/x|=–x|=—x|=―x)" },
		{ "f|windash: 'a -b /c-d'", "f(=a -b /c-d|=a -b -c-d|=a /b /c-d|=a –b –c-d|=a —b —c-d|=a ―b ―c-d)" },
		{ "f|windash: 'a'", "f=a" },
		{ "f|contains|windash: ' –x'", "f(~ –x|~ -x|~ /x|~ —x|~ ―x)" },
		{ "f|windash: '*-x'", "f($-x|$/x|$–x|$—x|$―x)" },
		{ "f|contains|all|windash: [-x, y]", "(f(~-x|~/x|~–x|~—x|~―x) & f~y)" },
		{ "f|contains|all|windash|neq: [-x, y]", "!(f(~-x|~/x|~–x|~—x|~―x) & f~y)" },
		/* fieldref, exists, numbers, times */
		{ "f|fieldref: g", "f=&g" },
		{ "f|fieldref|neq: g", "f!=&g" },
		{ "f|fieldref|startswith|cased: g", "f^^&g" },
		{ "f|exists: true", "f+" },
		{ "f|exists: False", "f-" },
		{ "f|gt: 5", "f>5" },
		{ "f|gte: -0.5", "f>=-0.5" },
		{ "f|lt: '1e3'", "f<1000" },
		{ "f|lte: [1, 2]", "f(<=1|<=2)" },
		{ "f|hour: 3", "hour(f)=3" },
		{ "f|week|gt: 50", "week(f)>50" },
		{ "f|minute: [1, 2]", "minute(f)(=1|=2)" },
		/* expand */
		{ "f|expand: '%words%'", "f(=one|^two)" },
		{ "f|contains|expand: 'x%words%'", "f(~xone|~xtwo)" },
		{ "f|expand: '%words%-%words%'", "f(=one-one|^one-two|:two*-one|:two*-two*)" },
		{ "f|expand: '5%-6%'", "f=5%-6%" },
		{ "f|expand: '\\%words\\% 5%'", "f=%words% 5%" },
		{ "f|expand|re: '^%words%$'", "f(/^one$/|/^two*$/)" },
		{ "f: '%words%'", "f=%words%" },
		/* keywords */
		{ "'|all': [a, 'b*c']", "(~a&:*b*c*)" },
		{ "'|re': a", "/a/" },
		/* several lines and doubles */
		{ "{f: a, g: b}", "(f=a & g=b)" },
		{ "[{f: a}, {g: b, h: c}]", "(f=a | (g=b & h=c))" },
		{ "[a, b]", "(~a|~b)" },
		{ "[a, {f: b}, c]", "(f=b | (~a|~c))" },
		{ "keyword", "~keyword" },
		{ "[{f: a}, {f: A}]", "f=a" },
	};
	const struct test_rules how = { .mapping = SERVES_P, .placeholder = "one\r\n\ntwo*" };
	check_all(samples, ARRAY_LEN(samples), &how, HEAD "detection:\n  condition: s\n  s:\n    ", "\n");
}

static void test_conditions(void **state)
{
	static const struct sample samples[] = {
		{ "a", "f=a" },
		{ "not a", "!f=a" },
		{ "not not a", "f=a" },
		{ "a or b and c", "(f=a | (f=b & f=c))" },
		{ "(a or b) and c", "((f=a | f=b) & f=c)" },
		{ "not a and b", "(!f=a & f=b)" },
		{ "not (a and b)", "!(f=a & f=b)" },
		{ "((a and b)) and c", "(f=a & f=b & f=c)" },
		{ "a AND NOT b", "(f=a & !f=b)" },
		{ "a and a", "f=a" },
		{ "1 of them", "(f=a | f=b | f=c | f=ab)" },
		{ "all of them", "(f=a & f=b & f=c & f=ab)" },
		{ "any of a*", "(f=a | f=ab)" },
		{ "all of *b", "(f=b & f=ab)" },
		{ "1 of _x", "f=x" },
		{ "1 of *", "(f=a | f=b | f=c | f=ab | f=x)" },
		{ "2 of them", "2 of (f=a, f=b, f=c, f=ab)" },
		{ "4 of them", "(f=a & f=b & f=c & f=ab)" },
		{ "a and not 1 of b*", "(f=a & !f=b)" },
		{ "[a, b and c]", "(f=a | (f=b & f=c))" },
		{ "_y", "r.yml:3: condition, at '_y': no selection has this name: write one of those above" },
		{ "abb", "r.yml:3: condition, at 'abb': no selection has this name: write ab" },
		{ "selection",
		  "r.yml:3: condition, at 'selection': no selection has this name: write one of those above" },
		{ "zzz*", "r.yml:3: condition, at 'zzz*': a pattern alone: write 1 of or all of before it" },
		{ "1 of zzz*",
		  "r.yml:3: condition, at 'zzz*': 'of' what? No selection fits: write them, or a name with * in it" },
		{ "1 of",
		  "r.yml:3: condition, at its end: 'of' what? No selection fits: write them, or a name with * in it" },
		{ "0 of them",
		  "r.yml:3: condition, at 'them': 'of' without a count: write 1 of, 2 of, any of or all of" },
		{ "9 of them", "r.yml:3: condition, at 'them': fewer selections fit than are asked for: write a "
		               "smaller number or all of" },
		{ "(a", "r.yml:3: condition, at its end: a bracket is open: write )" },
		{ "a)", "r.yml:3: condition, at ')': and, or or nothing was expected here: write and or or before it" },
		{ "a b",
		  "r.yml:3: condition, at 'b': and, or or nothing was expected here: write and or or before it" },
		{ "a and", "r.yml:3: condition, at its end: a selection is missing: write its name" },
		{ "''", "r.yml:3: a condition must be text: write one, as in condition: selection" },
		{ "{a: b}", "r.yml:3: a condition must be text: write one, as in condition: selection" },
		{ "[]", "r.yml:3: no condition: write one, as in condition: selection" },
		{ "a | count() > 5",
		  "r.yml:3: condition, at '|': counting and near are no longer Sigma: write a correlation rule" },
	};
	const struct test_rules how = { .mapping = SERVES_P };
	check_all(samples, ARRAY_LEN(samples), &how,
	          HEAD
	          "detection: {a: {f: a}, b: {f: b}, c: {f: c}, ab: {f: ab}, _x: {f: x}, timeframe: 5m, condition: ",
	          "}\n");
}

static void test_deep_condition(void **state)
{
	static const struct sample deep = { "(((...)))",
		                            "r.yml:3: condition, at '(': nested too deeply: write fewer brackets" };
	char yaml[1024] = HEAD "detection: {a: {f: a}, condition: ";
	for (int i = 0; i < 100; i++)
		strcat(yaml, "(");
	strcat(yaml, "a}\n");
	check(&deep, &(struct test_rules){ 0 }, yaml);
}

/* Lines that are refused; the fault is in line 6. */
static void test_refused_lines(void **state)
{
	static const struct sample samples[] = {
		{ "f|contians: a", "unknown modifier 'contians': write contains" },
		{ "f|bogus: a", "unknown modifier 'bogus': write one of the Sigma specification" },
		{ "f|: a", "unknown modifier '': write one of the Sigma specification" },
		{ "f|i: a", "f|i: i, m and s belong to re: write re|i" },
		{ "f|re|cidr: a", "f|re|cidr: two modifiers that say what the value is: write one of them" },
		{ "f|contains|base64: a", "f|contains|base64: an encoding can't stand behind contains, startswith or "
		                          "endswith: write it first" },
		{ "f|re|contains: a",
		  "f|re|contains: re is found anywhere in the value: leave the other modifier out, or write ^ and $ "
		  "in the expression" },
		{ "f|re|wide: a", "f|re|wide: encodings and windash are for text: leave out the one or the other" },
		{ "f|windash|expand: a",
		  "f|windash|expand: expand must stand before encodings and windash: write it first" },
		{ "f|base64: 'a*'",
		  "'a*' has a wildcard, which base64 can't encode: write \\* or \\? for the character itself" },
		{ "f|base64offset: a", "too short for base64offset: write at least three characters" },
		{ "f|re: '('", "bad regular expression '(': missing closing parenthesis at character 2: write it as "
		               "PCRE2 reads it" },
		{ "f|cidr: 10.0.0.0/33", "'10.0.0.0/33' is no network: write 10.0.0.0/8 or fe80::/10" },
		{ "f|cidr: 10.1.0.0/8", "'10.1.0.0/8' names a machine in the network: write 10.0.0.0/8" },
		{ "f|gt: many", "'many' is no number: write digits, as in 1024 or -0.5" },
		{ "f|gt: 1e999", "'1e999' is no number: write digits, as in 1024 or -0.5" },
		{ "f|exists: maybe", "exists is 'maybe': write true or false" },
		{ "f|exists:", "no value: write one" },
		{ "f|hour|cidr: 1", "f|hour|cidr: a part of a time is a number: write a number, or gt, gte, lt, lte" },
		{ "f|expand: '%nothing%'",
		  "no values for %nothing%: write them to nothing.txt, one a line, and give its folder with "
		  "--placeholders" },
		{ "f|expand: '%a-b%'",
		  "no values for %a-b%: write them to a-b.txt, one a line, and give its folder with "
		  "--placeholders" },
		{ "f: []", "f has no values: write at least one" },
		{ "f: {g: a}", "f is a map: write nested fields with dots, as in a.b: value" },
		{ "f: [{g: a}]", "a map where a value should be: write values, one below the other" },
		{ "f: [[a]]", "a list where a value should be: write values, one below the other" },
		{ "'': a", "an empty field name: write the field, or '|all' for keywords" },
		{ "'|cidr': 10.0.0.0/8", "|cidr: this modifier needs a field: write its name before the |" },
		{ "{}", "an empty selection: write at least one field with a value" },
		{ "{<<: {f: a}}", "YAML, column 6: merging with << is not read; write the keys out: write it anew" },
		{ "{f: a, f: b}", "YAML, column 12: this map already has the key 'f': write it anew" },
		{ "{f: *none}", "YAML, column 9: no anchor is named 'none': write it anew" },
	};
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		char yaml[1024], expected[1024];
		snprintf(yaml, sizeof(yaml), HEAD "detection:\n  condition: s\n  s:\n    %s\n", samples[i].yaml);
		snprintf(expected, sizeof(expected), "r.yml:6: %s", samples[i].expected);
		check(&(struct sample){ samples[i].yaml, expected }, &(struct test_rules){ 0 }, yaml);
	}
}

#define GOOD "logsource: {product: p}\ndetection: {s: {f: a}, condition: s}\n"

static void test_documents(void **state)
{
	static const struct sample samples[] = {
		{ "title: T\n" GOOD, "f=a" },
		{ "", "" },
		{ "---\n---\n", "" },
		{ GOOD, "r.yml:1: no title: write title: and what the rule finds" },
		{ "title: T\ndetection: {s: {f: a}, condition: s}\n",
		  "r.yml:1: no logsource: write logsource: with product:, category: or service: below it" },
		{ HEAD, "r.yml:1: no detection: write detection: with a selection and a condition" },
		{ HEAD "detection: {s: {f: a}}\n", "r.yml:3: no condition: write one, as in condition: selection" },
		{ HEAD "detection: {condition: s}\n",
		  "r.yml:3: no selection: write one, as in selection: {Field: value}" },
		{ HEAD "detection: {s: , condition: s}\n",
		  "r.yml:3: selection s is empty: write at least one field with a value" },
		{ HEAD "detection: text\n", "r.yml:3: detection is no map: write a selection and condition: below it" },
		{ "- a\n", "r.yml:1: not a rule: write a map with title:, logsource: and detection:" },
		{ "action: global\n" GOOD, "r.yml:1: collections with action: are no longer Sigma: write whole rules" },
		{ "title: T\nlevel: severe\n" GOOD,
		  "r.yml:2: unknown level 'severe': write informational, low, medium, high or critical\nf=a" },
		{ "title: A\nid: x\n" GOOD "---\ntitle: B\nid: x\n" GOOD,
		  "r.yml:7: id x is taken by r.yml:2: write a new one, or leave one of them out\nf=a" },
		/* one bad document doesn't hurt its neighbours */
		{ "title: A\n" GOOD "---\ntitle: B\na: 1\na: 2\n---\ntitle: C\n" GOOD,
		  "r.yml:7: YAML, column 1: this map already has the key 'a': write it anew\nf=a\nf=a" },
		{ "title: A\n" GOOD "---\ntitle: [B\n" GOOD,
		  "r.yml:6: YAML, column 10: did not find expected ',' or ']': write it anew\nf=a" },
		/* anchors */
		{ HEAD "detection: {s: &x {f: a}, t: *x, condition: s and t}\n", "f=a" },
	};
	const struct test_rules how = { .mapping = SERVES_P };
	check_all(samples, ARRAY_LEN(samples), &how, "", "");
}

#define RULE(name, field)                                                                                              \
	"title: T\nname: " name "\nid: id-" name "\nlogsource: {product: p}\ndetection: {s: {" field                   \
	": a}, condition: s}\n---\n"
#define FILTER "title: F\nlogsource: {product: p}\nfilter: "

static void test_filters(void **state)
{
	static const struct sample samples[] = {
		{ FILTER "{rules: [id-one], x: {u: v}, condition: not x}", "(f=a & !u=v)\ng=a" },
		{ FILTER "{rules: [two], x: {u: v}, condition: x}", "f=a\n(g=a & !u=v)" },
		{ FILTER "{rules: any, x: {u: v}, condition: x}", "(f=a & !u=v)\n(g=a & !u=v)" },
		{ FILTER "{x: {u: v}, y: {u: w}, condition: not 1 of them}",
		  "(f=a & !(u=v | u=w))\n(g=a & !(u=v | u=w))" },
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
	const struct test_rules how = { .mapping = SERVES_P };
	check_all(samples, ARRAY_LEN(samples), &how, RULE("one", "f") RULE("two", "g"), "\n");
}

/* The correlation begins in line 13: its title; `correlation:` is line 14. */
static void test_correlations(void **state)
{
	static const struct sample samples[] = {
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
		{ "{type: temporal, rules: [bad], timespan: 5m}\n---\ntitle: B\nname: bad\n" GOOD
		  "level: [low]\nid: id-one\n",
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
		{ "{type: temporal, rules: [twin], timespan: 5m}\n---\n" RULE("twin",
		                                                              "h") "title: T2\nname: twin\n" GOOD,
		  "r.yml:14: several rules are named 'twin': write its id\nf=a\ng=a\nh=a\nf=a" },
	};
	const struct test_rules how = { .mapping = SERVES_P };
	check_all(samples, ARRAY_LEN(samples), &how, RULE("one", "f") RULE("two", "g") "title: C\ncorrelation: ", "\n");
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

static void test_bad_mapping(void **state)
{
	static const struct sample samples[] = {
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
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		const struct test_rules how = { .mapping = samples[i].yaml };
		check(&samples[i], &how, "title: T\n" GOOD);
	}
}

static void test_meta(void **state)
{
	struct ruleset rs;
	struct err err;
	assert_int_equal(
	        0, compile_text(&rs, &(struct test_rules){ .all_rules = true },
	                        "---\n\ntitle: T\nid: I\nname: N\ndescription: |\n  D\nlevel: high\ntags: [a, b]\n"
	                        "falsepositives: none\nfields: [x, f]\nadvice: {vi: V, en: E}\n" GOOD,
	                        &err));
	const struct rule *r = &rs.rules[0];
	const struct {
		struct text text;
		const char *expected;
	} texts[] = { { r->title, "T" },
		      { r->id, "I" },
		      { r->name, "N" },
		      { r->description, "D\n" },
		      { r->file, "r.yml" },
		      { r->advice[0], "V" },
		      { r->advice[1], "E" },
		      { r->advice[2], "" },
		      { rs.texts[r->tags.at], "a" },
		      { rs.texts[r->tags.at + 1], "b" },
		      { rs.texts[r->false_positives.at], "none" },
		      { rs.fields[rs.numbers[r->show.at]].name, "x" },
		      { rs.fields[rs.numbers[r->show.at + 1]].name, "f" } };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_string_equal(texts[i].expected, ruleset_text(&rs, texts[i].text).p);
	assert_int_equal(3, r->line);
	assert_int_equal(LEVEL_HIGH, r->level);
	assert_int_equal(2, r->tags.n);
	ruleset_free(&rs);
}

/* Equal tests of different rules are one record, so that a matcher can remember their results. */
static void test_shared(void **state)
{
	struct ruleset rs;
	struct err err;
	assert_int_equal(
	        0, compile_text(&rs, &(struct test_rules){ .all_rules = true },
	                        "title: A\nlogsource: {product: p}\ndetection: {s: {f: [b, a]}, condition: s}\n---\n"
	                        "title: B\nlogsource: {product: q}\ndetection: {s: {f: [A, b]}, condition: s}\n",
	                        &err));
	assert_int_equal(1, rs.n_tests);
	assert_int_equal(2, rs.n_patterns);
	assert_int_equal(rs.rules[0].node, rs.rules[1].node);
	ruleset_free(&rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),          cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_deep_condition), cmocka_unit_test(test_refused_lines),
		cmocka_unit_test(test_documents),      cmocka_unit_test(test_filters),
		cmocka_unit_test(test_correlations),   cmocka_unit_test(test_chain_carries),
		cmocka_unit_test(test_routes),         cmocka_unit_test(test_all_rules),
		cmocka_unit_test(test_bad_mapping),    cmocka_unit_test(test_meta),
		cmocka_unit_test(test_shared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
