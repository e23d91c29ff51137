/* framer_position: whatever is fed, and wherever it stops, feeding on from there gives what is missing. */
#include "intake/intake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct seen {
	size_t n;
	uint64_t base, at[64];
	char text[64][64];
};

static int take(void *arg, struct batch *b)
{
	struct seen *s = arg;
	for (size_t i = 0; i < b->n_records; i++) {
		assert_true(s->n < ARRAY_LEN(s->at));
		s->at[s->n] = s->base + b->records[i].at;
		snprintf(s->text[s->n++], sizeof(s->text[0]), "%.*s", (int)b->records[i].bytes.n,
		         b->records[i].bytes.p);
	}
	batch_free(b);
	return 0;
}

static struct framer *framer_of(const char *format, struct seen *s)
{
	struct framer *f;
	const struct framer_config c = {
		.origin = "log", .format = intake_format(str_from(format)), .batch_bytes = 100, .sink = take, .arg = s
	};
	assert_int_equal(framer_new(&f, &c, NULL), 0);
	return f;
}

static bool has(const struct seen *s, const struct seen *of, size_t i)
{
	for (size_t k = 0; k < s->n; k++)
		if (s->at[k] == of->at[i] && strcmp(s->text[k], of->text[i]) == 0)
			return true;
	return false;
}

/* Reads up to `cut` in small steps, leaves off there, and goes on from the position with a new framer. */
static void leave_off(const char *format, struct str text, size_t cut, const struct seen *all)
{
	struct seen s = { 0 };
	struct framer *f = framer_of(format, &s);
	uint64_t at, line, lines = 1;
	for (size_t i = 0; i < cut; i += 7)
		assert_int_equal(framer_feed(f, str_sub(text, i, cut - i < 7 ? cut - i : 7), 0), 0);
	if (cut % 2)
		framer_flush(f, false); /* idle, audit groups would be cut */
	framer_position(f, &at, &line);
	assert_true(at <= cut);
	for (size_t i = 0; i < at; i++)
		lines += text.p[i] == '\n';
	assert_int_equal(line, lines);
	for (size_t i = 0; i < all->n; i++)
		if (all->at[i] < at && !has(&s, all, i))
			fail_msg("%s, cut at %zu: '%s' lies before position %zu and was not handed on", format, cut,
			         all->text[i], (size_t)at);
	framer_free(f);
	s.base = at;
	f = framer_of(format, &s);
	assert_int_equal(framer_feed(f, str_sub(text, at, text.n), 0), 0);
	assert_int_equal(framer_end(f), 0);
	for (size_t i = 0; i < all->n; i++)
		if (!has(&s, all, i))
			fail_msg("%s, cut at %zu: '%s' is lost", format, cut, all->text[i]);
	framer_free(f);
}

static void check(const char *format, const char *text)
{
	struct seen all = { 0 };
	struct framer *f = framer_of(format, &all);
	assert_int_equal(framer_feed(f, str_from(text), 0), 0);
	assert_int_equal(framer_end(f), 0);
	framer_free(f);
	assert_true(all.n > 3);
	for (size_t i = 0; i < all.n; i++)
		assert_memory_equal(text + all.at[i], all.text[i], strcspn(all.text[i], "\n"));
	for (size_t cut = 0; cut <= strlen(text); cut++)
		leave_off(format, str_from(text), cut, &all);
}

static void test_lines(void **state)
{
	check("syslog", "<38>1 - h a - - - one\n\n<38>1 - h a - - - two\r\n<38>1 - h a - - - three\n"
	                "<38>1 - h a - - - four\n<38>1 - h a - - - five, which has no end");
}

static void test_json(void **state)
{
	check("json", "{\"a\":1}\n{\"a\":\"}\"}\n\n{\"b\":{\"c\":[1,2]}}\n{\"d\":4}\n{\"e\":5}\n");
}

static void test_audit(void **state)
{
	check("audit", "type=SYSCALL msg=audit(1.001:1): a=1\ntype=SYSCALL msg=audit(1.001:2): a=2\n"
	               "type=PATH msg=audit(1.001:1): b=1\ntype=EOE msg=audit(1.001:2):\n"
	               "type=PATH msg=audit(1.002:3): c=1\ntype=EOE msg=audit(1.001:1):\n"
	               "type=PATH msg=audit(1.002:4): d=1\ntype=PATH msg=audit(9.002:5): e=1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_audit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
