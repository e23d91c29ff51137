/* YAML -> a tree, written back on one line; or where and why not. */
#include "base/yaml.h"

#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void dump(struct buf *out, const struct yaml_node *n)
{
	if (n->kind == YAML_SCALAR) {
		buf_printf(out, n->plain ? STR_FMT : "'" STR_FMT "'", STR_ARG(n->text));
		return;
	}
	buf_putc(out, n->kind == YAML_MAP ? '{' : '[');
	for (const struct yaml_item *i = n->items; i; i = i->next) {
		if (i->key) {
			dump(out, i->key);
			buf_putc(out, ':');
		}
		dump(out, i->value);
		if (i->next)
			buf_putc(out, ',');
	}
	buf_putc(out, n->kind == YAML_MAP ? '}' : ']');
}

/* Documents, each on a line; a broken one as "line:column: reason". */
static void read_all(struct buf *out, struct str text)
{
	struct arena arena = { 0 };
	struct yaml_reader *r;
	struct yaml_error e;
	const struct yaml_node *node;
	assert_int_equal(0, yaml_open(&r, &arena, text));
	for (int n; (n = yaml_next(r, &node, &e));) {
		assert_true(n == 1 || n == -EBADMSG);
		if (out->n)
			buf_putc(out, '\n');
		if (n == 1)
			dump(out, node);
		else
			buf_printf(out, "%u:%u: %s", e.line, e.column, e.reason);
	}
	assert_int_equal(0, yaml_next(r, &node, &e));
	yaml_close(r);
	arena_free(&arena);
	buf_putc(out, '\0');
}

static void test_trees(void **state)
{
	static const struct {
		const char *yaml, *expected;
	} samples[] = {
		{ "", "" },
		{ "# nothing\n", "" },
		{ "a", "a" },
		{ "'a'", "'a'" },
		{ "a: 1\nb: [x, 'y', \"z\"]\n", "{a:1,b:[x,'y','z']}" },
		{ "a: |\n  x\n  y\n", "{a:'x\ny\n'}" },
		{ "a:\n- b: c\n  d:\n-\n", "{a:[{b:c,d:},]}" },
		{ "a\n---\nb\n...\n---\nc", "a\nb\nc" },
		{ "a: &x [1, 2]\nb: *x\nc: &x 3\nd: *x", "{a:[1,2],b:[1,2],c:3,d:3}" },
		{ "a: *x", "1:4: no anchor is named 'x'" },
		{ "a: &x [*x]", "1:8: an alias inside of what it stands for 'x'" },
		{ "a: 1\nb: 2\na: 3\n---\nc", "3:1: this map already has the key 'a'\nc" },
		{ "[a]: 1\n---\nc", "1:1: a key must be a plain text\nc" },
		{ "x: &x {a: 1}\ny: {<<: *x}", "2:5: merging with << is not read; write the keys out" },
		{ "a\n--- [\n--- b", "a\n3:1: did not find expected node content" },
		{ "a: b: c", "1:5: mapping values are not allowed in this context" },
		{ "a: \x01", "1:4: control characters are not allowed" },
		{ "b: 1\na: \xff", "2:4: invalid leading UTF-8 octet" },
	};
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		CLEANUP(buf_free) struct buf got = { 0 };
		read_all(&got, str_from(samples[i].yaml));
		if (strcmp(got.p, samples[i].expected) != 0)
			fail_msg("%s\n  gives\n%s\n  and should\n%s", samples[i].yaml, got.p, samples[i].expected);
	}
}

static void test_doubles_in_long_maps(void **state)
{
	CLEANUP(buf_free) struct buf yaml = { 0 }, got = { 0 };
	for (int i = 0; i < 1000; i++)
		buf_printf(&yaml, "k%d: v\n", i);
	buf_printf(&yaml, "k500: v\n");
	read_all(&got, buf_str(&yaml));
	assert_string_equal("1001:1: this map already has the key 'k500'", got.p);
}

static void test_bounds(void **state)
{
	static const struct {
		const char *head, *body;
		int times;
		const char *expected;
	} samples[] = {
		{ "", "[", 40, "1:33: nested too deeply; the bound is 32 levels" },
		{ "a:", "\n- x", 100001, "too much in one document; the bound is 100000 values" },
		{ "a:", "\n- &x x", 300, "too many anchors in one document; the bound is 256" },
	};
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		CLEANUP(buf_free) struct buf yaml = { 0 }, got = { 0 };
		buf_add(&yaml, str_from(samples[i].head));
		for (int k = 0; k < samples[i].times; k++)
			buf_add(&yaml, str_from(samples[i].body));
		read_all(&got, buf_str(&yaml));
		if (!strstr(got.p, samples[i].expected))
			fail_msg("case %zu: %s", i, got.p);
	}
}

/* Aliases of aliases: counted as if written out, and never written out. */
static void test_billion_laughs(void **state)
{
	CLEANUP(buf_free) struct buf yaml = { 0 }, got = { 0 };
	buf_printf(&yaml, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 12; i++) {
		buf_printf(&yaml, "a%d: &a%d [", i, i);
		for (int k = 0; k < 10; k++)
			buf_printf(&yaml, "%s*a%d", k ? ", " : "", i - 1);
		buf_printf(&yaml, "]\n");
	}
	read_all(&got, buf_str(&yaml));
	assert_non_null(strstr(got.p, "too much in one document"));
}

static void test_kinds(void **state)
{
	static const struct {
		const char *yaml;
		bool null, is_bool, value;
	} samples[] = {
		{ "~", true, false, false },    { "null", true, false, false },  { "Null", false, false, false },
		{ "'~'", false, false, false }, { "''", false, false, false },   { "true", false, true, true },
		{ "TrUe", false, true, true },  { "FALSE", false, true, false }, { "'true'", false, false, false },
		{ "yes", false, false, false }, { "[]", false, false, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		struct arena arena = { 0 };
		struct yaml_reader *r;
		struct yaml_error e;
		const struct yaml_node *node;
		bool value = false;
		assert_int_equal(0, yaml_open(&r, &arena, str_from(samples[i].yaml)));
		assert_int_equal(1, yaml_next(r, &node, &e));
		assert_int_equal(samples[i].null, yaml_is_null(node));
		assert_int_equal(samples[i].is_bool, yaml_is_bool(node, &value));
		assert_int_equal(samples[i].value, value);
		yaml_close(r);
		arena_free(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trees),  cmocka_unit_test(test_doubles_in_long_maps),
		cmocka_unit_test(test_bounds), cmocka_unit_test(test_billion_laughs),
		cmocka_unit_test(test_kinds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
