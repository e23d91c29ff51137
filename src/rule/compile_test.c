/* Rules as text -> what they compile to, or why they are refused: one line a case. */
#include "rule/test_dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* One line of a selection. */
static const struct sample LINES[] = {
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

static void test_lines(void **state)
{
	const struct test_rules how = { .mapping = SERVES_P, .placeholder = "one\r\n\ntwo*" };
	check_all(LINES, ARRAY_LEN(LINES), &how, HEAD "detection:\n  condition: s\n  s:\n    ", "\n");
}

static const struct sample CONDITIONS[] = {
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
	{ "selection", "r.yml:3: condition, at 'selection': no selection has this name: write one of those above" },
	{ "zzz*", "r.yml:3: condition, at 'zzz*': a pattern alone: write 1 of or all of before it" },
	{ "1 of zzz*",
	  "r.yml:3: condition, at 'zzz*': 'of' what? No selection fits: write them, or a name with * in it" },
	{ "1 of", "r.yml:3: condition, at its end: 'of' what? No selection fits: write them, or a name with * in it" },
	{ "0 of them", "r.yml:3: condition, at 'them': 'of' without a count: write 1 of, 2 of, any of or all of" },
	{ "9 of them", "r.yml:3: condition, at 'them': fewer selections fit than are asked for: write a "
	               "smaller number or all of" },
	{ "(a", "r.yml:3: condition, at its end: a bracket is open: write )" },
	{ "a)", "r.yml:3: condition, at ')': and, or or nothing was expected here: write and or or before it" },
	{ "a b", "r.yml:3: condition, at 'b': and, or or nothing was expected here: write and or or before it" },
	{ "a and", "r.yml:3: condition, at its end: a selection is missing: write its name" },
	{ "''", "r.yml:3: a condition must be text: write one, as in condition: selection" },
	{ "{a: b}", "r.yml:3: a condition must be text: write one, as in condition: selection" },
	{ "[]", "r.yml:3: no condition: write one, as in condition: selection" },
	{ "a | count() > 5",
	  "r.yml:3: condition, at '|': counting and near are no longer Sigma: write a correlation rule" },
};

static void test_conditions(void **state)
{
	const struct test_rules how = { .mapping = SERVES_P };
	check_all(CONDITIONS, ARRAY_LEN(CONDITIONS), &how,
	          HEAD
	          "detection: {a: {f: a}, b: {f: b}, c: {f: c}, ab: {f: ab}, _x: {f: x}, timeframe: 5m, condition: ",
	          "}\n");
}

static void test_deep_condition(void **state)
{
	static const struct sample deep = { "(((...)))",
		                            "r.yml:3: condition, at '(': nested too deeply: write fewer brackets" };
	char yaml[1024] = HEAD "detection: {a: {f: a}, condition: ", *end = yaml + strlen(yaml);
	for (int i = 0; i < 100; i++)
		end = stpcpy(end, "(");
	stpcpy(end, "a}\n");
	check(&deep, &(struct test_rules){ 0 }, yaml);
}

/* Lines that are refused; the fault is in line 6. */
static const struct sample REFUSED_LINES[] = {
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
	{ "f|windash|expand: a", "f|windash|expand: expand must stand before encodings and windash: write it first" },
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
	{ "f|expand: '%a-b%'", "no values for %a-b%: write them to a-b.txt, one a line, and give its folder with "
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

static void test_refused_lines(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(REFUSED_LINES); i++) {
		char yaml[1024], expected[1024];
		snprintf(yaml, sizeof(yaml), HEAD "detection:\n  condition: s\n  s:\n    %s\n", REFUSED_LINES[i].yaml);
		snprintf(expected, sizeof(expected), "r.yml:6: %s", REFUSED_LINES[i].expected);
		check(&(struct sample){ REFUSED_LINES[i].yaml, expected }, &(struct test_rules){ 0 }, yaml);
	}
}

static const struct sample DOCUMENTS[] = {
	{ "title: T\n" GOOD, "f=a" },
	{ "", "" },
	{ "---\n---\n", "" },
	{ GOOD, "r.yml:1: no title: write title: and what the rule finds" },
	{ "title: T\ndetection: {s: {f: a}, condition: s}\n",
	  "r.yml:1: no logsource: write logsource: with product:, category: or service: below it" },
	{ HEAD, "r.yml:1: no detection: write detection: with a selection and a condition" },
	{ HEAD "detection: {s: {f: a}}\n", "r.yml:3: no condition: write one, as in condition: selection" },
	{ HEAD "detection: {condition: s}\n", "r.yml:3: no selection: write one, as in selection: {Field: value}" },
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

static void test_documents(void **state)
{
	const struct test_rules how = { .mapping = SERVES_P };
	check_all(DOCUMENTS, ARRAY_LEN(DOCUMENTS), &how, "", "");
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
		cmocka_unit_test(test_documents),      cmocka_unit_test(test_meta),
		cmocka_unit_test(test_shared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
