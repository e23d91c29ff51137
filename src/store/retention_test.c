/* What has to go goes, the oldest first, and nothing else does. */
#include "store/embedded_inside.h"
#include "store/store_fixture.h"

#include <errno.h>

static const int64_t DAY = (int64_t)86400 * CLOCK_S;

enum { A_DAY = 9000 }; /* events of each dataset */

struct store {
	char dir[FIXTURE_PATH];
	struct clock clock;
	struct events *s;
	uint64_t n;
};

static void take(struct store *t, uint64_t n, int64_t time, const char *dataset)
{
	struct err err = { 0 };
	for (uint64_t i = 0; i < n; i++, t->n++) {
		struct fixture_event e;
		uint8_t verdict;
		uint64_t seq;
		fixture_event(&e, t->n, time + (int64_t)i, dataset, false, 0);
		if (events_embedded.append(t->s, &e.row, 1, &verdict, &seq, &err))
			fail_msg("%s", err.text);
	}
}

/* Days -3 to 0, each with events of "web" and "auth". */
static void start(struct store *t)
{
	struct err err = { 0 };
	memset(t, 0, sizeof(*t));
	fixture_folder(t->dir);
	clock_test(&t->clock, FIXTURE_NOON);
	const struct events_config config = { .dir = t->dir, .clock = &t->clock };
	assert_int_equal(events_embedded.open(&t->s, &config, &err), 0);
	for (int i = 3; i >= 0; i--) {
		take(t, A_DAY, FIXTURE_NOON - i * DAY, "web");
		take(t, A_DAY, FIXTURE_NOON - i * DAY, "auth");
	}
	assert_int_equal(embedded_turn(t->s, &err), 0);
	fixture_settle(t->s, &t->clock);
	assert_int_equal(t->s->n_pending, 1);
}

static void stop(struct store *t)
{
	events_embedded.close(t->s);
	fixture_remove(t->dir);
}

static struct event_retention enforce(struct store *t, const struct event_limits *l)
{
	struct event_retention r = { 0 };
	struct err err = { 0 };
	if (events_embedded.enforce(t->s, l, &r, &err))
		fail_msg("%s", err.text);
	return r;
}

struct sums {
	uint64_t web, auth, raw, stored;
	int64_t oldest;
};

static int add_up(void *arg, const struct event_usage *u)
{
	struct sums *sums = arg;
	if (str_eq(u->dataset, STR("web")))
		sums->web = u->events;
	else
		sums->auth = u->events;
	sums->raw += u->raw_bytes;
	sums->stored += u->stored_bytes;
	sums->oldest = !sums->oldest || u->oldest < sums->oldest ? u->oldest : sums->oldest;
	return 0;
}

static struct sums usage(struct store *t)
{
	struct sums sums = { 0 };
	struct err err;
	assert_int_equal(events_embedded.usage(t->s, add_up, &sums, &err), 0);
	return sums;
}

static void test_usage(void **state)
{
	struct store t;
	start(&t);
	struct sums before = usage(&t);
	assert_int_equal(before.web, 4 * A_DAY);
	assert_int_equal(before.auth, 4 * A_DAY);
	assert_int_equal(before.oldest, FIXTURE_NOON - 3 * DAY);
	assert_true(before.stored < before.raw / 4);
	take(&t, 10, FIXTURE_NOON, "web"); /* not in a day yet */
	assert_int_equal(usage(&t).web, 4 * A_DAY + 10);
	struct events *reader, *writer = t.s;
	struct err err;
	const struct events_config config = { .dir = t.dir, .clock = &t.clock, .read_only = true };
	assert_int_equal(events_embedded.open(&reader, &config, &err), 0);
	t.s = reader;
	assert_int_equal(usage(&t).web, 4 * A_DAY + 10);
	events_embedded.close(reader);
	t.s = writer;
	stop(&t);
}

static void test_ages(void **state)
{
	struct store t;
	start(&t);
	/* the first that fits counts; 2 days from now, at noon, is within day -2: that one stays whole */
	static const struct event_age ages[] = { { { "a*", 2 }, 2 }, { { "*", 1 }, 0 } };
	const struct event_limits limits = { .ages = ages, .n_ages = 2 };
	struct event_retention r = enforce(&t, &limits);
	assert_int_equal(r.dropped_events, A_DAY);
	assert_int_equal(usage(&t).auth, 3 * A_DAY);
	assert_int_equal(usage(&t).web, 4 * A_DAY);
	assert_int_equal(r.kept_since, FIXTURE_NOON - 3 * DAY);
	assert_int_equal(enforce(&t, &limits).dropped_events, 0);
	static const struct event_age all[] = { { { "web", 3 }, 1 }, { { "auth", 4 }, 1 } };
	r = enforce(&t, &(struct event_limits){ .ages = all, .n_ages = 2 });
	assert_int_equal(r.dropped_events, A_DAY + 2 * A_DAY);
	assert_int_equal(r.kept_since, FIXTURE_NOON - DAY);
	assert_false(days_has(t.s, day_of(FIXTURE_NOON - 3 * DAY)));
	assert_true(days_has(t.s, day_of(FIXTURE_NOON - DAY)));
	assert_int_equal(usage(&t).web, 2 * A_DAY);
	stop(&t);
}

static void test_size(void **state)
{
	struct store t;
	start(&t);
	struct event_retention r = enforce(&t, &(struct event_limits){ 0 });
	assert_int_equal(r.dropped_events, 0);
	uint64_t all = r.bytes;
	r = enforce(&t, &(struct event_limits){ .max_bytes = all - 1 });
	assert_int_equal(r.dropped_events, 2 * A_DAY);
	assert_int_equal(r.kept_since, FIXTURE_NOON - 2 * DAY);
	assert_true(r.bytes < all);
	assert_int_equal(enforce(&t, &(struct event_limits){ .max_bytes = all - 1 }).dropped_events, 0);
	/* down to a part of the last day */
	r = enforce(&t, &(struct event_limits){ .max_bytes = all / 5 });
	assert_true(usage(&t).web + usage(&t).auth < 2 * A_DAY);
	assert_true(days_has(t.s, day_of(FIXTURE_NOON)));
	/* and what comes after is kept as ever */
	uint64_t left = usage(&t).web;
	take(&t, 100, FIXTURE_NOON, "web");
	struct err err;
	assert_int_equal(embedded_turn(t.s, &err), 0);
	fixture_settle(t.s, &t.clock);
	assert_int_equal(usage(&t).web, left + 100);
	/* more must stay free than there is: all but the newest goes */
	enforce(&t, &(struct event_limits){ .min_free = UINT64_MAX });
	assert_int_equal(usage(&t).web, 0);
	stop(&t);
}

static void test_forecast(void **state)
{
	struct store t;
	start(&t);
	struct event_retention r = enforce(&t, &(struct event_limits){ 0 });
	uint64_t room = 10 * r.bytes_per_day;
	assert_true(r.bytes_per_day > 1000);
	r = enforce(&t, &(struct event_limits){ .max_bytes = r.bytes + room + 1000 });
	assert_int_equal(r.full_at, clock_wall(&t.clock) + 10 * DAY);
	/* what is let go by its age before doesn't fill it */
	static const struct event_age month = { { "*", 1 }, 30 }, few = { { "*", 1 }, 5 };
	struct event_limits limits = { .max_bytes = r.bytes + room + 1000, .ages = &few, .n_ages = 1 };
	assert_int_equal(enforce(&t, &limits).full_at, 0);
	limits.ages = &month;
	limits.max_bytes = r.bytes + 2 * r.bytes_per_day;
	assert_true(enforce(&t, &limits).full_at > 0);
	stop(&t);
}

/* What was set aside of a day goes with it. */
static void test_aside(void **state)
{
	struct store t;
	char path[FIXTURE_PATH + 64];
	start(&t);
	snprintf(path, sizeof(path), "%s/days/2026-11-19.db.damaged-1", t.dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	static const struct event_age ages = { { "*", 1 }, 2 };
	enforce(&t, &(struct event_limits){ .ages = &ages, .n_ages = 1 });
	assert_int_equal(access(path, F_OK), -1);
	stop(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usage),    cmocka_unit_test(test_ages),  cmocka_unit_test(test_size),
		cmocka_unit_test(test_forecast), cmocka_unit_test(test_aside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
