#include "intake/sender.h"

#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int setup(void **state)
{
	return senders_new((struct senders **)state);
}

static int teardown(void **state)
{
	senders_free(*state);
	return 0;
}

static void test_one_each(void **state)
{
	struct senders *s = *state;
	assert_null(senders_at(s, 0));
	struct sender *a = senders_get(s, STR("syslog-udp 10.0.0.5"));
	struct sender *b = senders_get(s, STR("syslog-udp 10.0.0.50"));
	assert_ptr_not_equal(a, b);
	a->events = 7;
	assert_ptr_equal(senders_get(s, str_sub(STR("syslog-udp 10.0.0.50"), 0, 19)), a);
	assert_int_equal(senders_get(s, STR("syslog-udp 10.0.0.5"))->events, 7);
	assert_ptr_equal(senders_at(s, 0), a);
	assert_ptr_equal(senders_at(s, 1), b);
	assert_null(senders_at(s, 2));
	assert_ptr_equal(senders_get(s, (struct str){ NULL, 0 }), senders_get(s, STR("")));
}

/* All that come too late are one; those that were there stay themselves, where they were. */
static void test_bounded(void **state)
{
	struct senders *s = *state;
	struct sender *first = senders_get(s, STR("http 0"));
	char name[64];
	for (int i = 0; i < 5 * SENDERS_MAX; i++) {
		int n = snprintf(name, sizeof(name), "http %d", i);
		struct sender *one = senders_get(s, (struct str){ name, (size_t)n });
		one->events++;
		assert_string_equal(one->name, i < SENDERS_MAX ? name : "others");
	}
	assert_ptr_equal(senders_get(s, STR("http 0")), first);
	assert_ptr_equal(senders_at(s, 0), first);
	assert_ptr_equal(senders_get(s, STR("others")), senders_at(s, SENDERS_MAX));
	assert_int_equal(senders_at(s, SENDERS_MAX)->events, 4 * SENDERS_MAX);
	assert_int_equal(senders_at(s, SENDERS_MAX - 1)->events, 1);
	assert_null(senders_at(s, SENDERS_MAX + 1));
}

/* A sender that bears that very name, and came in time, takes the rest. */
static void test_named_others(void **state)
{
	struct senders *s = *state;
	struct sender *others = senders_get(s, STR("others"));
	char name[64];
	for (int i = 0; i < 2 * SENDERS_MAX; i++) {
		int n = snprintf(name, sizeof(name), "%d", i);
		struct sender *one = senders_get(s, (struct str){ name, (size_t)n });
		assert_true(i < SENDERS_MAX - 1 ? one != others : one == others);
	}
	assert_null(senders_at(s, SENDERS_MAX));
}

static void test_cut(void **state)
{
	struct senders *s = *state;
	char name[2 * SENDER_NAME];
	memset(name, 'a', sizeof(name));
	struct sender *a = senders_get(s, (struct str){ name, sizeof(name) });
	assert_int_equal(strlen(a->name), SENDER_NAME - 1);
	assert_ptr_equal(senders_get(s, (struct str){ name, SENDER_NAME - 1 }), a);
	assert_ptr_not_equal(senders_get(s, (struct str){ name, SENDER_NAME - 2 }), a);
	assert_string_equal(senders_get(s, (struct str){ "b\0c", 3 })->name, "b");
	for (size_t from = SENDER_NAME - 8; from < SENDER_NAME; from++) {
		memset(name, 'a', sizeof(name));
		for (size_t i = from; i + 3 <= sizeof(name); i += 3)
			memcpy(name + i, "\xe1\xbb\x87", 3);
		struct sender *b = senders_get(s, (struct str){ name, from + 12 });
		assert_true(utf8_valid(str_from(b->name)));
		assert_true(strlen(b->name) >= SENDER_NAME - 3);
	}
	/* what is no UTF-8 is bytes */
	memset(name, 0x80, sizeof(name));
	assert_int_equal(strlen(senders_get(s, (struct str){ name, sizeof(name) })->name), SENDER_NAME - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_each, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_named_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
