#include "alert/group.h"

#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char bytes[] = "a\0b\0";
static const struct rule rules[] = { { .title = { 0, 1 } }, { .title = { 2, 1 } } };
static const struct ruleset rs = { .rules = rules, .n_rules = 2, .bytes = bytes, .n_bytes = sizeof(bytes) };
static const int64_t noon = 1700000000LL * CLOCK_S;

struct fixture {
	struct groups *groups;
	struct buf told; /* "new a root 1;" ... */
	char id[17];     /* of the last one told */
	bool stop;
};

static int tell(void *arg, enum group_news news, const struct group *g, const struct match *m)
{
	static const char *const names[] = { "new", "more", "over", "alone" };
	struct fixture *t = arg;
	assert_true((news == GROUP_OVER) == (m == NULL));
	buf_printf(&t->told, "%s %c " STR_FMT " %llu %lld-%lld;", names[news], 'a' + (int)g->rule, STR_ARG(g->user),
	           (unsigned long long)g->count, g->first ? (long long)((g->first - noon) / CLOCK_S) : -1,
	           g->last ? (long long)((g->last - noon) / CLOCK_S) : -1);
	memcpy(t->id, g->id, sizeof(t->id));
	return t->stop ? -EPIPE : 0;
}

static void begin(struct fixture *t, uint32_t max)
{
	struct groups_config config = { .max = max };
	struct err err;
	*t = (struct fixture){ 0 };
	assert_int_equal(groups_new(&t->groups, &rs, &config, &err), 0);
}

static void end(struct fixture *t)
{
	groups_free(t->groups);
	buf_free(&t->told);
}

/* A match at so many seconds; `now` goes with it. */
static int add(struct fixture *t, uint32_t rule, const char *user, int64_t second)
{
	const struct match m = { .rule = &rules[rule],
		                 .rule_index = rule,
		                 .host = STR("web1"),
		                 .user = str_from(user),
		                 .address = STR("203.0.113.9"),
		                 .time = noon + second * CLOCK_S };
	return groups_add(t->groups, &m, second * CLOCK_S, tell, t);
}

static void expect(struct fixture *t, const char *told)
{
	buf_putc(&t->told, '\0');
	assert_string_equal(t->told.p, told);
	t->told.n = 0;
}

static void test_counts(void **state)
{
	struct fixture t;
	begin(&t, 0);
	for (int i = 0; i < 120; i++)
		add(&t, 0, "root", i);
	expect(&t, "new a root 1 0-0;more a root 10 0-9;more a root 100 0-99;");
	assert_int_equal(groups_counts(t.groups).open, 1);
	assert_int_equal(groups_counts(t.groups).counted, 117);
	groups_advance(t.groups, (119 + 300) * CLOCK_S, tell, &t);
	expect(&t, "");
	groups_advance(t.groups, (119 + 301) * CLOCK_S, tell, &t);
	expect(&t, "over a root 120 0-119;");
	assert_int_equal(groups_counts(t.groups).open, 0);
	end(&t);
}

static void test_who(void **state)
{
	struct fixture t;
	begin(&t, 0);
	add(&t, 0, "root", 0);
	add(&t, 1, "root", 0);
	add(&t, 0, "bob", 0);
	add(&t, 0, "", 0);
	struct match m = { .rule = &rules[0], .host = STR("web1"), .user = STR("root"), .time = noon };
	groups_add(t.groups, &m, 0, tell, &t);
	m.host = STR("web1root");
	m.user = STR("");
	groups_add(t.groups, &m, 0, tell, &t);
	expect(&t, "new a root 1 0-0;new b root 1 0-0;new a bob 1 0-0;new a  1 0-0;new a root 1 0-0;new a  1 0-0;");
	add(&t, 0, "root", 1);
	expect(&t, "");
	/* one that never grew ends without a word */
	assert_int_equal(groups_flush(t.groups, tell, &t), 0);
	expect(&t, "over a root 2 0-1;");
	end(&t);
}

/* It grows slowly: every five minutes there is news. */
static void test_again(void **state)
{
	struct fixture t;
	begin(&t, 0);
	for (int i = 0; i <= 12; i++)
		add(&t, 0, "root", i * 60);
	expect(&t, "new a root 1 0-0;more a root 6 0-300;more a root 11 0-600;");
	end(&t);
}

static void test_event_time_splits(void **state)
{
	struct fixture t;
	begin(&t, 0);
	/* read at one moment, written over a long time */
	struct match m = { .rule = &rules[0], .user = STR("root"), .time = noon };
	groups_add(t.groups, &m, 0, tell, &t);
	m.time = noon + 300 * CLOCK_S;
	groups_add(t.groups, &m, 0, tell, &t);
	expect(&t, "new a root 1 0-0;");
	m.time += 301 * CLOCK_S;
	groups_add(t.groups, &m, 0, tell, &t);
	expect(&t, "over a root 2 0-300;new a root 1 601-601;");
	/* late, and a clock that was set back by a day */
	m.time -= 100 * CLOCK_S;
	groups_add(t.groups, &m, 0, tell, &t);
	m.time -= 86400LL * CLOCK_S;
	groups_add(t.groups, &m, 0, tell, &t);
	expect(&t, "over a root 2 501-601;new a root 1 -85899--85899;");
	/* a match without a time belongs to what is open */
	m.time = 0;
	groups_add(t.groups, &m, 0, tell, &t);
	expect(&t, "");
	end(&t);
}

static void test_longest(void **state)
{
	struct fixture t;
	begin(&t, 0);
	for (int i = 0; i <= 61; i++)
		add(&t, 0, "root", i * 60);
	buf_putc(&t.told, '\0');
	assert_non_null(strstr(t.told.p, "more a root 61 0-3600;new a root 1 3660-3660;"));
	end(&t);
}

static void test_bound(void **state)
{
	struct fixture t;
	begin(&t, 2);
	add(&t, 0, "a", 0);
	add(&t, 0, "b", 1);
	add(&t, 0, "c", 2);
	add(&t, 0, "c", 2);
	add(&t, 0, "b", 3);
	expect(&t, "new a a 1 0-0;new a b 1 1-1;alone a c 1 2-2;alone a c 1 2-2;");
	assert_int_equal(groups_counts(t.groups).alone, 2);
	assert_int_equal(groups_counts(t.groups).open, 2);
	/* there is room again when one is over */
	add(&t, 0, "c", 301);
	expect(&t, "new a c 1 301-301;");
	end(&t);
}

static void test_long_texts(void **state)
{
	char user[400];
	struct fixture t;
	begin(&t, 0);
	memset(user, 'x', sizeof(user) - 1);
	user[sizeof(user) - 1] = '\0';
	memcpy(user + 255, "\xe1\xba\xa3", 3); /* stands across the cut */
	add(&t, 0, user, 0);
	buf_putc(&t.told, '\0');
	assert_int_equal(strspn(t.told.p + 6, "x"), 255);
	assert_int_equal(t.told.p[6 + 255], ' ');
	end(&t);
}

static void test_id(void **state)
{
	struct fixture t;
	char id[17];
	begin(&t, 0);
	add(&t, 0, "root", 0);
	memcpy(id, t.id, sizeof(id));
	assert_int_equal(strspn(id, "0123456789abcdef"), 16);
	for (int i = 1; i < 10; i++)
		add(&t, 0, "root", i);
	assert_string_equal(t.id, id);
	add(&t, 0, "bob", 0);
	assert_string_not_equal(t.id, id);
	end(&t);
	begin(&t, 0); /* the same in another process */
	add(&t, 0, "root", 0);
	assert_string_equal(t.id, id);
	end(&t);
}

static void test_remap(void **state)
{
	static const uint32_t map[] = { NO_INDEX, 0 };
	static const struct rule fewer[] = { { .title = { 2, 1 } } };
	struct ruleset other = { .rules = fewer, .n_rules = 1, .bytes = bytes, .n_bytes = sizeof(bytes) };
	struct fixture t;
	begin(&t, 0);
	for (int i = 0; i < 3; i++) {
		add(&t, 0, "root", i);
		add(&t, 1, "root", i);
	}
	t.told.n = 0;
	assert_int_equal(groups_remap(t.groups, &other, map, tell, &t), 0);
	expect(&t, "over a root 3 0-2;");
	add(&t, 0, "root", 3); /* what was rule b is rule a now, and still open */
	expect(&t, "");
	groups_flush(t.groups, tell, &t);
	expect(&t, "over a root 4 0-3;");
	end(&t);
}

static void test_stops(void **state)
{
	struct fixture t;
	begin(&t, 0);
	t.stop = true;
	assert_int_equal(add(&t, 0, "root", 0), -EPIPE);
	add(&t, 0, "root", 1);
	assert_int_equal(groups_flush(t.groups, tell, &t), -EPIPE);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),     cmocka_unit_test(test_who),
		cmocka_unit_test(test_again),      cmocka_unit_test(test_event_time_splits),
		cmocka_unit_test(test_longest),    cmocka_unit_test(test_bound),
		cmocka_unit_test(test_long_texts), cmocka_unit_test(test_id),
		cmocka_unit_test(test_remap),      cmocka_unit_test(test_stops),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
