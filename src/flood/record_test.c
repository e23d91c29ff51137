#include "flood/fixture.h"

#include <errno.h>

static uint64_t put(struct fixture *x, uint32_t from, bool first)
{
	struct flood_record r = {
		.from = fixture_v4(from), .verdict = FLOOD_DENY, .reason = FLOOD_SHARE, .wait_ms = from
	};
	x->entropy = x->entropy * 6364136223846793005u + 1442695040888963407u;
	return flood_record_put(x->f, &r, x->entropy, first);
}

/* First refusals are found though thousands of others came since; those are overwritten. */
static void found(void **state)
{
	struct fixture x = fixture_make(0);
	struct flood_record r;
	uint64_t first = put(&x, 7, true), other = put(&x, 8, false);
	assert_true(first >> 60 == 0 && first != other);
	for (unsigned i = 0; i < 5000; i++)
		put(&x, 1000 + i, false);
	assert_int_equal(flood_find(x.f, first, &r), 0);
	assert_int_equal(r.wait_ms, 7);
	assert_true(r.id == first);
	assert_int_equal(flood_find(x.f, other, &r), -ENOENT);
	assert_int_equal(flood_find(x.f, 0, &r), -ENOENT);
	assert_int_equal(flood_find(x.f, first ^ 1 << 20, &r), -ENOENT);
	assert_true(x.f->records_shed > 4900);
	struct flood_addr a = fixture_v4(5999);
	flood_record_last(x.f, &a, &r);
	assert_int_equal(r.wait_ms, 5999);
	a = fixture_v4(77);
	flood_record_last(x.f, &a, &r);
	assert_true(r.id == 0);
	free(x.f);
}

static void events(void **state)
{
	struct fixture x = fixture_make(0);
	struct flood_event e[64];
	uint64_t lost;
	for (unsigned i = 1; i <= 10; i++)
		flood_event_put(x.f, &(struct flood_event){ .kind = FLOOD_EVENT_BEGIN, .count = i });
	assert_int_equal(flood_events(x.f, 0, e, 4, &lost), 4);
	assert_true(e[0].seq == 1 && e[3].seq == 4 && e[3].count == 4 && lost == 0);
	assert_int_equal(flood_events(x.f, 4, e, 64, &lost), 6);
	assert_int_equal(flood_events(x.f, 10, e, 64, &lost), 0);
	assert_int_equal(flood_events(x.f, 99, e, 64, &lost), 0);
	for (unsigned i = 11; i <= 200; i++)
		flood_event_put(x.f, &(struct flood_event){ .kind = FLOOD_EVENT_BEGIN, .count = i });
	assert_int_equal(flood_events(x.f, 10, e, 64, &lost), 64);
	assert_true(lost == 200 - 64 - 10 && e[0].seq == 137 && e[63].count == 200);
	free(x.f);
}

/* A writer between taking its place and filling it: those behind wait a little for it, and not for ever. */
static void unfinished(void **state)
{
	struct fixture x = fixture_make(0);
	struct flood_event e[64];
	uint64_t lost;
	flood_event_put(x.f, &(struct flood_event){ .kind = FLOOD_EVENT_CALM });
	x.f->n_events++;
	flood_event_put(x.f, &(struct flood_event){ .kind = FLOOD_EVENT_CALM });
	assert_int_equal(flood_events(x.f, 0, e, 64, &lost), 1);
	for (unsigned i = 0; i < 20; i++)
		flood_event_put(x.f, &(struct flood_event){ .kind = FLOOD_EVENT_CALM });
	assert_int_equal(flood_events(x.f, 0, e, 64, &lost), 22);
	assert_true(lost == 1 && e[1].seq == 3);
	free(x.f);
}

/* An address that is turned away begins once and ends once, with how often; how many there are at a time is bounded. */
static void offenders(void **state)
{
	struct fixture x = fixture_make(0);
	struct flood_event e[64];
	uint64_t lost;
	struct flood_record r = { .from = fixture_v4(7), .verdict = FLOOD_DENY, .reason = FLOOD_STRANGER, .id = 5 };
	for (unsigned i = 1; i <= 50; i++)
		flood_offender(x.f, &r, (float)i, x.t);
	int64_t since;
	assert_true(flood_offender_since(x.f, &r.from, &since) && since == x.t.now_us);
	assert_int_equal(flood_events(x.f, 0, e, 64, &lost), 1);
	assert_true(e[0].kind == FLOOD_EVENT_BEGIN && e[0].id == 5 && e[0].bits == 128);
	fixture_ticks(&x, 900, 0);
	assert_int_equal(flood_events(x.f, 0, e, 64, &lost), 2);
	assert_true(e[1].kind == FLOOD_EVENT_END && e[1].count == 50);
	assert_false(flood_offender_since(x.f, &r.from, &since));
	for (unsigned i = 0; i < 5000; i++) {
		r.from = fixture_v4(i);
		flood_offender(x.f, &r, 10, x.t);
	}
	assert_true(x.f->events_shed > 3900 && x.f->events_shed < 5000 - 900);
	free(x.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(found), cmocka_unit_test(events),
		                            cmocka_unit_test(unfinished), cmocka_unit_test(offenders) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
