/* Rules are loaded anew in the middle of a window: what is unchanged goes on, and nothing else does. */
#include "match/window_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { S = 1000000, NOON = 1000 * S };

struct run {
	struct windows *w;
	uint32_t fired[64], n;
	uint64_t line[64];
};

static int fire(void *arg, const struct match *m)
{
	struct run *r = arg;
	r->line[r->n] = m->line;
	r->fired[r->n++] = m->rule_index;
	return 0;
}

static void start(struct run *r, const struct fixture *f)
{
	const struct window_config config = { .lateness = 10 * S };
	struct err err;
	*r = (struct run){ 0 };
	assert_int_equal(windows_new(&r->w, &f->rs, &config, &err), 0);
}

static void feed(struct run *r, const struct fixture *f, uint32_t rule, int64_t second, const char *group,
                 const char *value)
{
	struct fixture_match fm;
	assert_int_equal(windows_feed(r->w, fixture_match(&fm, f, rule, NOON + second * S, group, value), fire, r), 0);
}

/* The windows of f take the place of those that run. */
static void keep(struct run *r, const struct fixture *f, const uint32_t *from)
{
	struct run next;
	start(&next, f);
	assert_int_equal(windows_keep(next.w, r->w, from), 0);
	windows_free(r->w);
	r->w = next.w;
}

static uint32_t correlate(struct fixture *f, enum correlation_type type, uint32_t n_rules, double gte)
{
	static const uint32_t rules[] = { 0, 1 };
	uint32_t rule = fixture_correlate(f, type, 60 * S, rules, n_rules, 1);
	if (!isnan(gte))
		f->correlations[f->rs.n_correlations - 1].gte = gte;
	return rule;
}

/* Each type, with another correlation before it in the new ruleset, so that indices differ. */
static void test_goes_on(void **state)
{
	static const struct {
		enum correlation_type type;
		uint32_t n_rules;
		double gte;
	} kinds[] = {
		{ CORRELATE_EVENT_COUNT, 1, 3 }, { CORRELATE_VALUE_COUNT, 1, 3 },
		{ CORRELATE_TEMPORAL, 2, NAN },  { CORRELATE_TEMPORAL_ORDERED, 2, NAN },
		{ CORRELATE_VALUE_SUM, 1, 6 },   { CORRELATE_VALUE_PERCENTILE, 1, 2 },
	};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		static const uint32_t from[] = { NO_INDEX, 0 };
		struct fixture old, new;
		struct run r;
		fixture_init(&old, 2);
		fixture_init(&new, 2);
		correlate(&old, kinds[i].type, kinds[i].n_rules, kinds[i].gte);
		correlate(&new, CORRELATE_EVENT_COUNT, 1, 50);
		uint32_t rule = correlate(&new, kinds[i].type, kinds[i].n_rules, kinds[i].gte);
		start(&r, &old);
		feed(&r, &old, 0, 0, "a", "1");
		feed(&r, &old, 0, 1, "a", "1.5");
		feed(&r, &old, 0, 1, "b", "1");
		if (kinds[i].type == CORRELATE_VALUE_PERCENTILE)
			assert_int_equal(r.n, 0);
		keep(&r, &new, from);
		uint64_t groups = windows_counts(r.w)->groups;
		assert_int_equal(groups, 2);
		if (kinds[i].n_rules == 2)
			feed(&r, &new, 1, 2, "a", "x");
		else
			feed(&r, &new, 0, 2, "a", "9");
		if (kinds[i].type == CORRELATE_VALUE_PERCENTILE)
			feed(&r, &new, 0, 3, "a", "9");
		assert_int_equal(r.n, 1);
		assert_int_equal(r.fired[0], rule);
		windows_free(r.w);
	}
}

/* Judged when the window is over: it is due in the new windows, and says the place of what the old ones saw. */
static void test_upper_bound(void **state)
{
	static const uint32_t from[] = { 0 };
	struct fixture old, new;
	struct run r;
	fixture_init(&old, 2);
	fixture_init(&new, 2);
	correlate(&old, CORRELATE_EVENT_COUNT, 1, NAN);
	old.correlations[0].lt = 3;
	uint32_t rule = correlate(&new, CORRELATE_EVENT_COUNT, 1, NAN);
	new.correlations[0].lt = 3;
	start(&r, &old);
	feed(&r, &old, 0, 0, "a", NULL);
	keep(&r, &new, from);
	assert_int_equal(windows_advance(r.w, NOON + 69 * (int64_t)S, fire, &r), 0);
	assert_int_equal(r.n, 0);
	assert_int_equal(windows_advance(r.w, NOON + 71 * (int64_t)S, fire, &r), 0);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.fired[0], rule);
	assert_int_equal(r.line[0], NOON + 1);
	windows_free(r.w);
}

static void test_starts_anew(void **state)
{
	static const uint32_t from[] = { NO_INDEX };
	struct fixture f;
	struct run r;
	fixture_init(&f, 2);
	correlate(&f, CORRELATE_EVENT_COUNT, 1, 3);
	start(&r, &f);
	feed(&r, &f, 0, 0, "a", NULL);
	feed(&r, &f, 0, 1, "a", NULL);
	keep(&r, &f, from);
	assert_int_equal(windows_counts(r.w)->groups, 0);
	assert_int_equal(windows_counts(r.w)->bytes, 0);
	feed(&r, &f, 0, 2, "a", NULL);
	feed(&r, &f, 0, 3, "a", NULL);
	assert_int_equal(r.n, 0);
	feed(&r, &f, 0, 4, "a", NULL);
	assert_int_equal(r.n, 1);
	windows_free(r.w);
}

/* Again and again: hashes of what is new never meet those of what was kept. */
static void test_many_times(void **state)
{
	static const uint32_t swap[] = { 1, NO_INDEX }, same[] = { 0, 1 };
	struct fixture f;
	struct run r;
	fixture_init(&f, 2);
	correlate(&f, CORRELATE_EVENT_COUNT, 1, 40);
	correlate(&f, CORRELATE_EVENT_COUNT, 1, 40);
	start(&r, &f);
	for (int i = 0; i < 20; i++) {
		char group[16];
		snprintf(group, sizeof(group), "g%d", i);
		feed(&r, &f, 0, i, "a", NULL);
		feed(&r, &f, 0, i, group, NULL);
		keep(&r, &f, i % 2 ? swap : same);
	}
	assert_int_equal(r.n, 0);
	windows_flush(r.w, fire, &r);
	windows_free(r.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_upper_bound),
		cmocka_unit_test(test_starts_anew),
		cmocka_unit_test(test_many_times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
