/* Windows: bounds, fairness, chains, what a match says. That they judge rightly is for window_oracle_test.c. */
#include "match/window_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SECOND = 1000000 };

/* What came out: how many, and the last of them in words. */
struct out {
	unsigned n;
	unsigned by_rule[32];
	char last[512];
	int answer;
};

static int note(void *arg, const struct match *m)
{
	struct out *o = arg;
	char *at = o->last, *end = o->last + sizeof(o->last);
	o->n++;
	o->by_rule[m->rule_index]++;
	at += snprintf(at, (size_t)(end - at), "%s:%lu host " STR_FMT " time %ld..%ld count %u",
	               m->file ? m->file : "-", (unsigned long)m->line, STR_ARG(m->host), (long)m->first_time,
	               (long)m->time, m->count);
	for (uint32_t i = 0; i < m->n_fields; i++)
		at += snprintf(at, (size_t)(end - at), " " STR_FMT "=" STR_FMT, STR_ARG(m->fields[i].name),
		               STR_ARG(m->fields[i].text));
	return o->answer;
}

struct world {
	struct fixture f;
	struct windows *w;
	struct out out;
};

static void open_world(struct world *x, size_t max_bytes)
{
	struct window_config config = { .max_bytes = max_bytes };
	assert_int_equal(windows_new(&x->w, &x->f.rs, &config, NULL), 0);
}

static void feed(struct world *x, uint32_t rule, int64_t time, const char *group, const char *value)
{
	struct fixture_match fm;
	assert_int_equal(windows_feed(x->w, fixture_match(&fm, &x->f, rule, time, group, value), note, &x->out), 0);
}

/* One detection (rule 0) and one correlation of it (rule 1) by g0. */
static struct correlation *one(struct world *x, enum correlation_type type, int64_t timespan)
{
	memset(x, 0, sizeof(*x));
	fixture_init(&x->f, 1);
	fixture_correlate(&x->f, type, timespan, (uint32_t[]){ 0 }, 1, 1);
	return &x->f.correlations[0];
}

static void test_slides(void **state)
{
	struct world x;
	one(&x, CORRELATE_EVENT_COUNT, 60)->gte = 4;
	open_world(&x, 0);
	/* Three at the end of one minute and one at the start of the next: a window that tumbles never sees four. */
	for (int64_t t = 57; t < 60; t++)
		feed(&x, 0, t, "a", NULL);
	assert_int_equal(x.out.n, 0);
	feed(&x, 0, 61, "b", NULL);
	assert_int_equal(x.out.n, 0);
	feed(&x, 0, 62, "a", NULL);
	assert_int_equal(x.out.n, 1);
	assert_string_equal(x.out.last, "events.json:63 host db time 57..62 count 4 g0=a");
	feed(&x, 0, 63, "a", NULL);
	assert_int_equal(x.out.n, 1);
	windows_free(x.w);
}

static void test_fires_again_once_per_timespan(void **state)
{
	struct world x;
	one(&x, CORRELATE_EVENT_COUNT, 100)->gt = 2;
	open_world(&x, 0);
	for (int64_t t = 1; t <= 1000; t++)
		feed(&x, 0, t, "a", NULL);
	assert_int_equal(x.out.n, 10); /* at 3, 103, ... 903 */
	assert_string_equal(x.out.last, "events.json:904 host db time 803..903 count 101 g0=a");
	windows_free(x.w);
}

static void test_judged_when_over(void **state)
{
	struct world x;
	one(&x, CORRELATE_VALUE_COUNT, 60)->lte = 2;
	open_world(&x, 0);
	feed(&x, 0, 100, "a", "1");
	feed(&x, 0, 110, "a", "2");
	feed(&x, 0, 160, "a", "1");
	feed(&x, 0, 161, "a", "3");
	int64_t over = 160 + 300 * (int64_t)SECOND;
	assert_int_equal(windows_advance(x.w, over, note, &x.out), 0);
	assert_int_equal(x.out.n, 0);
	assert_int_equal(windows_advance(x.w, over + 1, note, &x.out), 0);
	assert_int_equal(x.out.n, 1);
	assert_string_equal(x.out.last, "events.json:161 host db time 100..160 count 3 g0=a count(v)=2");
	assert_int_equal(windows_flush(x.w, note, &x.out), 0);
	assert_string_equal(x.out.last, "events.json:162 host db time 161..161 count 1 g0=a count(v)=1");
	assert_int_equal(windows_counts(x.w)->groups, 0);
	assert_int_equal(windows_counts(x.w)->bytes, 0);
	windows_free(x.w);
}

static void test_numbers(void **state)
{
	struct world x;
	one(&x, CORRELATE_VALUE_SUM, 60)->gt = 1;
	open_world(&x, 0);
	const char *const bad[] = { "", "x", "1x", "0x10", "inf", "nan", "1e999", "--1", "1 2" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		feed(&x, 0, 10, "a", bad[i]);
	feed(&x, 0, 10, "a", NULL);
	assert_int_equal(windows_counts(x.w)->no_value, ARRAY_LEN(bad) + 1);
	feed(&x, 0, 10, NULL, "1");
	assert_int_equal(windows_counts(x.w)->no_group, 1);
	assert_int_equal(x.out.n, 0);
	feed(&x, 0, 10, "a", "1.0e0");
	feed(&x, 0, 11, "a", " 0.1 ");
	assert_string_equal(x.out.last, "events.json:12 host db time 10..11 count 2 g0=a sum(v)=1.1");
	windows_free(x.w);
}

/* However long it runs, a sum is as good as new. */
static void test_sum_does_not_drift(void **state)
{
	struct world x;
	one(&x, CORRELATE_VALUE_SUM, 3)->gte = 0;
	open_world(&x, 0);
	for (int64_t t = 1; t < 100000; t++)
		feed(&x, 0, t, "a", t % 7 ? "0.1" : "1e20");
	feed(&x, 0, 100010, "a", "0.25");
	assert_string_equal(x.out.last, "events.json:100011 host db time 100010..100010 count 1 g0=a sum(v)=0.25");
	windows_free(x.w);
}

static void test_late_and_clock(void **state)
{
	struct world x;
	int64_t now = 1000 * (int64_t)SECOND;
	one(&x, CORRELATE_EVENT_COUNT, 10 * SECOND)->gte = 3;
	open_world(&x, 0);
	feed(&x, 0, now, "a", NULL);
	feed(&x, 0, now - 299 * SECOND, "a", NULL);
	feed(&x, 0, now - 297 * SECOND, "a", NULL);
	feed(&x, 0, now - 298 * SECOND, "a", NULL);
	assert_int_equal(x.out.n, 1);
	feed(&x, 0, now - 301 * SECOND, "a", NULL);
	assert_int_equal(windows_counts(x.w)->late, 1);
	/* An event from the year 2100 silences nothing for long. */
	feed(&x, 0, 4102444800 * SECOND, "a", NULL);
	for (int i = 0; i < 100; i++)
		feed(&x, 0, now + (i + 1) * SECOND / 10, "b", NULL);
	assert_int_equal(windows_counts(x.w)->clock_back, 1);
	assert_int_equal(windows_counts(x.w)->late, 1 + 63);
	assert_int_equal(x.out.n, 2);
	windows_free(x.w);
}

static void test_chain_and_order(void **state)
{
	struct world x = { 0 };
	fixture_init(&x.f, 2);
	uint32_t many = fixture_correlate(&x.f, CORRELATE_EVENT_COUNT, 60, (uint32_t[]){ 0 }, 1, 1);
	x.f.correlations[0].gte = 3;
	uint32_t then = fixture_correlate(&x.f, CORRELATE_TEMPORAL_ORDERED, 60, (uint32_t[]){ many, 1 }, 2, 1);
	open_world(&x, 0);
	feed(&x, 1, 5, "a", NULL);
	for (int64_t t = 10; t < 13; t++)
		feed(&x, 0, t, "a", NULL);
	assert_int_equal(x.out.by_rule[many], 1);
	assert_int_equal(x.out.by_rule[then], 0);
	feed(&x, 1, 20, "b", NULL);
	assert_int_equal(x.out.by_rule[then], 0);
	feed(&x, 1, 20, "a", NULL);
	assert_int_equal(x.out.by_rule[then], 1);
	assert_string_equal(x.out.last, "events.json:21 host db time 5..20 count 3 g0=a");
	windows_free(x.w);
}

/* One match takes no two places in an order; and a correlation may group by what the one it refers to doesn't. */
static void test_order_repeats(void **state)
{
	struct world x = { 0 };
	fixture_init(&x.f, 2);
	uint32_t twice = fixture_correlate(&x.f, CORRELATE_TEMPORAL_ORDERED, 60, (uint32_t[]){ 0, 0, 1, 0 }, 4, 0);
	fixture_correlate(&x.f, CORRELATE_EVENT_COUNT, 60, (uint32_t[]){ twice }, 1, 1);
	x.f.correlations[1].gte = 1;
	open_world(&x, 0);
	feed(&x, 0, 1, NULL, NULL);
	feed(&x, 1, 2, NULL, NULL);
	feed(&x, 0, 3, NULL, NULL);
	assert_int_equal(x.out.n, 0);
	feed(&x, 1, 4, NULL, NULL);
	feed(&x, 0, 5, "a", NULL);
	assert_int_equal(x.out.n, 2);
	assert_string_equal(x.out.last, "events.json:6 host db time 5..5 count 1 g0=a");
	windows_free(x.w);
}

/* What the inner correlation learns late still meets what the outer one knew before. */
static void test_chain_of_windows_that_are_over(void **state)
{
	struct world x = { 0 };
	fixture_init(&x.f, 2);
	uint32_t few = fixture_correlate(&x.f, CORRELATE_EVENT_COUNT, 60, (uint32_t[]){ 0 }, 1, 1);
	x.f.correlations[0].eq = 2;
	uint32_t both = fixture_correlate(&x.f, CORRELATE_TEMPORAL, 60, (uint32_t[]){ few, 1 }, 2, 1);
	open_world(&x, 0);
	feed(&x, 0, 100, "a", NULL);
	feed(&x, 0, 120, "a", NULL);
	feed(&x, 1, 170, "a", NULL);
	feed(&x, 1, 86400 * (int64_t)SECOND, "b", NULL);
	assert_int_equal(x.out.by_rule[few], 1);
	assert_int_equal(x.out.by_rule[both], 1);
	windows_free(x.w);
}

static void test_sink_stops(void **state)
{
	struct world x;
	struct fixture_match fm;
	one(&x, CORRELATE_EVENT_COUNT, 60)->gte = 1;
	open_world(&x, 0);
	x.out.answer = -EPIPE;
	const struct match *m = fixture_match(&fm, &x.f, 0, 1, "a", NULL);
	assert_int_equal(windows_feed(x.w, m, note, &x.out), -EPIPE);
	windows_free(x.w);
}

static void test_flood_of_groups_is_bounded(void **state)
{
	struct world x;
	one(&x, CORRELATE_EVENT_COUNT, 3600 * (int64_t)SECOND)->gte = 3;
	open_world(&x, 256 << 10);
	for (int i = 0; i < 200000; i++) {
		char group[16];
		snprintf(group, sizeof(group), "ip%d", i);
		feed(&x, 0, 1 + i, group, NULL);
		assert_true(windows_counts(x.w)->bytes <= 256 << 10);
	}
	assert_true(windows_counts(x.w)->groups > 500);
	assert_int_equal(windows_counts(x.w)->groups + windows_counts(x.w)->shed_groups, 200000);
	windows_free(x.w);
}

/* A quiet correlation keeps what it knows while another is flooded, and gets its share when the flood was there first. */
static void test_flood_does_not_starve(void **state)
{
	for (int flood_first = 0; flood_first < 2; flood_first++) {
		struct world x = { 0 };
		fixture_init(&x.f, 2);
		fixture_correlate(&x.f, CORRELATE_EVENT_COUNT, 3600 * (int64_t)SECOND, (uint32_t[]){ 0 }, 1, 1);
		uint32_t quiet =
		        fixture_correlate(&x.f, CORRELATE_EVENT_COUNT, 3600 * (int64_t)SECOND, (uint32_t[]){ 1 }, 1, 1);
		x.f.correlations[0].gte = x.f.correlations[1].gte = 4;
		open_world(&x, 256 << 10);
		char group[16];
		for (int i = flood_first ? -5000 : 0; i < 20000; i++) {
			snprintf(group, sizeof(group), "ip%d", i);
			feed(&x, 0, 10000 + i, group, NULL);
			if (i >= 0 && i % 5000 == 0) {
				for (int k = 0; k < 200; k++) {
					snprintf(group, sizeof(group), "user%d", k);
					feed(&x, 1, 10000 + i, group, NULL);
				}
			}
		}
		assert_int_equal(x.out.by_rule[quiet], 200);
		assert_true(windows_counts(x.w)->shed_groups > 10000);
		windows_free(x.w);
	}
}

/* A group at its bound: nothing that somebody floods it with hides what came before. */
static void test_thinned_group_judges_rightly(void **state)
{
	struct world x;
	int64_t hour = 3600 * (int64_t)SECOND;
	one(&x, CORRELATE_VALUE_COUNT, hour)->gte = 5;
	open_world(&x, 0);
	for (int64_t t = 0; t < 80000; t++) {
		char user[16] = "root";
		if (t % 20000 == 1)
			snprintf(user, sizeof(user), "user%ld", (long)t);
		feed(&x, 0, 1 + t, "a", user);
		assert_int_equal(x.out.n, t >= 60001);
	}
	assert_true(windows_counts(x.w)->shed_events > 0);
	assert_true(windows_counts(x.w)->bytes < 256 << 10);
	windows_free(x.w);

	one(&x, CORRELATE_EVENT_COUNT, 50000)->gte = 50000;
	open_world(&x, 0);
	for (int64_t t = 1; t <= 120000; t++)
		feed(&x, 0, t, "a", NULL);
	assert_int_equal(x.out.n, 2);
	assert_true(windows_counts(x.w)->bytes < 8 << 20);
	windows_free(x.w);

	memset(&x, 0, sizeof(x));
	fixture_init(&x.f, 3);
	fixture_correlate(&x.f, CORRELATE_TEMPORAL, hour, (uint32_t[]){ 0, 1, 2 }, 3, 1);
	fixture_correlate(&x.f, CORRELATE_TEMPORAL_ORDERED, hour, (uint32_t[]){ 0, 1, 2 }, 3, 1);
	open_world(&x, 0);
	feed(&x, 0, 1, "a", NULL);
	for (int64_t t = 2; t < 50000; t++)
		feed(&x, 1, t, "a", NULL);
	assert_int_equal(x.out.n, 0);
	feed(&x, 2, 50000, "a", NULL);
	assert_int_equal(x.out.n, 2);
	windows_free(x.w);
}

/* The newest values decide a percentile; what it costs stays bounded. */
static void test_percentile_is_bounded(void **state)
{
	struct world x;
	struct correlation *c = one(&x, CORRELATE_VALUE_PERCENTILE, 3600 * (int64_t)SECOND);
	c->gte = 0;
	c->percentile = 100;
	open_world(&x, 0);
	for (int64_t t = 1; t <= 50000; t++)
		feed(&x, 0, t, "a", t % 2 ? "1" : "2");
	assert_true(windows_counts(x.w)->shed_events > 0);
	assert_true(windows_counts(x.w)->bytes < 512 << 10);
	windows_free(x.w);
}

static void test_long_values_are_cut_but_tell_apart(void **state)
{
	struct world x;
	char a[3000], b[3000];
	memset(a, 'x', sizeof(a));
	memset(b, 'x', sizeof(b));
	a[2999] = b[2999] = 0;
	b[2998] = 'y';
	one(&x, CORRELATE_EVENT_COUNT, 60)->gte = 2;
	open_world(&x, 0);
	feed(&x, 0, 1, a, NULL);
	feed(&x, 0, 2, b, NULL);
	assert_int_equal(x.out.n, 0);
	assert_int_equal(windows_counts(x.w)->groups, 2);
	feed(&x, 0, 3, a, NULL);
	assert_int_equal(x.out.n, 1);
	windows_free(x.w);
}

static void test_chain_too_deep(void **state)
{
	struct world x = { 0 };
	struct window_config config = { 0 };
	struct err err;
	fixture_init(&x.f, 1);
	uint32_t rule = 0;
	for (int i = 0; i < 15; i++)
		rule = fixture_correlate(&x.f, CORRELATE_EVENT_COUNT, 60, (uint32_t[]){ rule }, 1, 0);
	for (int i = 0; i < 15; i++)
		x.f.correlations[i].gte = 1;
	open_world(&x, 0);
	feed(&x, 0, 1, NULL, NULL);
	assert_int_equal(x.out.n, 15);
	windows_free(x.w);

	struct correlation deep[70];
	struct input inputs[70];
	struct rule rules[71] = { { .correlation = NO_INDEX } };
	for (uint32_t i = 0; i < 70; i++) {
		deep[i] = x.f.correlations[0];
		deep[i].rule = i + 1;
		deep[i].inputs = (struct span){ i, 1 };
		inputs[i] = (struct input){ .rule = i };
		rules[i + 1].correlation = i;
	}
	struct ruleset rs = x.f.rs;
	rs.rules = rules, rs.n_rules = 71, rs.correlations = deep, rs.n_correlations = 70;
	rs.inputs = inputs, rs.n_inputs = 70;
	struct windows *w = NULL;
	assert_int_equal(windows_new(&w, &rs, &config, &err), -ELOOP);
	assert_null(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slides),
		cmocka_unit_test(test_fires_again_once_per_timespan),
		cmocka_unit_test(test_judged_when_over),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_sum_does_not_drift),
		cmocka_unit_test(test_late_and_clock),
		cmocka_unit_test(test_chain_and_order),
		cmocka_unit_test(test_order_repeats),
		cmocka_unit_test(test_chain_of_windows_that_are_over),
		cmocka_unit_test(test_sink_stops),
		cmocka_unit_test(test_flood_of_groups_is_bounded),
		cmocka_unit_test(test_flood_does_not_starve),
		cmocka_unit_test(test_thinned_group_judges_rightly),
		cmocka_unit_test(test_percentile_is_bounded),
		cmocka_unit_test(test_long_values_are_cut_but_tell_apart),
		cmocka_unit_test(test_chain_too_deep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
