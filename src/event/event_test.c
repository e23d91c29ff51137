#include "event/event.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { USER = FIELD_FIRST_NAMED, IMAGE, N_FIELDS };

static int setup(void **state)
{
	static const struct field_path paths[] = {
		{ { "user", 4 }, USER },  { { "img", 3 }, IMAGE },     { { "both", 4 }, USER },
		{ { "both", 4 }, IMAGE }, { { "ts", 2 }, FIELD_TIME },
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

static void test_values(void **state)
{
	struct event *ev = *state;
	assert_null(event_value(ev, USER));
	assert_int_equal(event_put(ev, USER, STR("one"), VALUE_TEXT), 0);
	assert_int_equal(event_put(ev, IMAGE, STR("7"), VALUE_NUMBER), 0);
	assert_int_equal(event_put(ev, USER, STR("two"), VALUE_TEXT), 0);
	const struct value *v = event_value(ev, USER);
	assert_true(str_eq(v->text, STR("one")));
	v = event_next(ev, v);
	assert_true(str_eq(v->text, STR("two")));
	assert_null(event_next(ev, v));
	assert_int_equal(event_value(ev, IMAGE)->type, VALUE_NUMBER);
	assert_int_equal(ev->n_touched, 2);

	event_drop(ev, USER);
	event_drop(ev, USER);
	assert_null(event_value(ev, USER));
	assert_int_equal(ev->n_touched, 1);
	assert_true(str_eq(event_value(ev, IMAGE)->text, STR("7")));
	event_put(ev, USER, STR("again"), VALUE_TEXT);
	assert_null(event_next(ev, event_value(ev, USER)));
	assert_int_equal(ev->n_touched, 2);

	event_reset(ev);
	assert_null(event_value(ev, USER));
	assert_int_equal(ev->n_touched, 0);
	event_put(ev, USER, STR("three"), VALUE_TEXT);
	assert_null(event_next(ev, event_value(ev, USER)));
}

static void test_named(void **state)
{
	struct event *ev = *state;
	uint32_t n;
	assert_int_equal(event_put_named(ev, STR("both"), STR("x"), VALUE_TEXT), 0);
	assert_int_equal(event_put_named(ev, STR("unknown"), STR("y"), VALUE_TEXT), 0);
	ev->has_pairs = true;
	const struct pair *pairs = event_pairs(ev, &n);
	assert_int_equal(n, 2);
	assert_true(str_eq(pairs[0].name, STR("both")) && str_eq(pairs[1].text, STR("y")));
	assert_true(str_eq(event_value(ev, USER)->text, STR("x")));
	assert_true(str_eq(event_value(ev, IMAGE)->text, STR("x")));
}

static void test_bounds(void **state)
{
	struct event *ev = *state;
	for (uint32_t i = 1; i < EVENT_MAX_VALUES; i++)
		assert_int_equal(event_put(ev, USER, STR("v"), VALUE_TEXT), 0);
	assert_int_equal(event_put(ev, USER, STR("v"), VALUE_TEXT), -E2BIG);
	assert_int_equal(ev->shed, 1);
	for (uint32_t i = 0; i < EVENT_MAX_PAIRS; i++)
		assert_int_equal(event_put_pair(ev, STR("n"), STR("v"), VALUE_TEXT), 0);
	assert_int_equal(event_put_pair(ev, STR("n"), STR("v"), VALUE_TEXT), -E2BIG);
	assert_int_equal(ev->shed, 2);
	event_reset(ev);
	assert_int_equal(ev->shed, 0);
	assert_int_equal(event_put(ev, USER, STR("v"), VALUE_TEXT), 0);
}

static void test_folded(void **state)
{
	struct event *ev = *state;
	event_put(ev, USER, STR("ADMIN"), VALUE_TEXT);
	event_put(ev, IMAGE, STR(""), VALUE_TEXT);
	struct str once = event_folded(ev, event_value(ev, USER));
	assert_true(str_eq(once, STR("admin")));
	assert_ptr_equal(event_folded(ev, event_value(ev, USER)).p, once.p);
	for (size_t i = 0; i < EVENT_PAD; i++)
		assert_int_equal(once.p[once.n + i], 0);
	assert_int_equal(event_folded(ev, event_value(ev, IMAGE)).n, 0);

	ev->scratch.max = 1; /* memory is exhausted: nothing, but counted, and padded all the same */
	arena_free(&ev->scratch);
	event_reset(ev);
	event_put(ev, USER, STR("ADMIN"), VALUE_TEXT);
	once = event_folded(ev, event_value(ev, USER));
	assert_int_equal(once.n, 0);
	for (size_t i = 0; i < EVENT_PAD; i++)
		assert_int_equal(once.p[i], 0);
	assert_int_equal(ev->shed, 1);
}

static int expand_two(struct event *ev)
{
	event_put_pair(ev, STR("a"), STR("1"), VALUE_NUMBER);
	event_put_pair(ev, STR("b"), STR("2"), VALUE_NUMBER);
	return 0;
}

static int expand_not(struct event *ev)
{
	return -EBADMSG;
}

static void test_pairs(void **state)
{
	struct event *ev = *state;
	uint32_t n;
	ev->expand = expand_two;
	event_pairs(ev, &n);
	assert_int_equal(n, 2);
	event_pairs(ev, &n); /* once only */
	assert_int_equal(n, 2);
	event_reset(ev);
	ev->expand = expand_not;
	event_pairs(ev, &n);
	assert_int_equal(n, 0);
	assert_int_equal(ev->shed, 1);
}

static void test_time(void **state)
{
	struct event *ev = *state;
	assert_int_equal(event_time(ev), 0);
	event_put(ev, FIELD_TIME, STR("yesterday"), VALUE_TEXT);
	event_put(ev, FIELD_TIME, STR("2020-09-19T21:17:03Z"), VALUE_TEXT);
	assert_int_equal(event_time(ev), 1600550223000000);
	event_reset(ev);
	assert_int_equal(event_time(ev), 0);
	ev->time = 5;
	event_put(ev, FIELD_TIME, STR("2020-09-19T21:17:03Z"), VALUE_TEXT);
	assert_int_equal(event_time(ev), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_named, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pairs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
