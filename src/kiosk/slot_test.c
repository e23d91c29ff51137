#include "kiosk/ops_fixture.h"
#include "kiosk/slot.h"

#define TUESDAY "2026-11-24"

static int take(struct ops *o, int64_t start)
{
	return slot_take(o->f->db, 1, STR(TUESDAY), start, NULL);
}

static void test_take_and_give(void **state)
{
	struct ops o = ops_open(state, 7);

	assert_int_equal(take(&o, 480), SLOT_TAKEN);
	assert_int_equal(take(&o, 480), SLOT_TAKEN);
	assert_int_equal(take(&o, 480), SLOT_FULL);
	assert_int_equal(take(&o, 481), SLOT_GONE);
	assert_int_equal(slot_take(o.f->db, 9, STR(TUESDAY), 480, NULL), SLOT_GONE);
	assert_int_equal(slot_give(o.f->db, 1, STR(TUESDAY), 480, NULL), 0);
	assert_int_equal(take(&o, 480), SLOT_TAKEN);
	assert_int_equal(take(&o, 480), SLOT_FULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(slot_give(o.f->db, 1, STR(TUESDAY), 480, NULL), 0);
	assert_int_equal(ops_count(&o, "SELECT MIN(taken) FROM slot"), 0);

	ASK(&o, ROLE_ADMIN, "{s:s, s:i, s:s, s:i, s:i, s:b}", "op", "slot-put", "room", 1, "day", TUESDAY, "start", 480,
	    "places", 2, "closed", 1);
	assert_int_equal(take(&o, 480), SLOT_GONE);
	ops_close(&o);
}

static void test_made_of_hours(void **state)
{
	struct ops o = ops_open(state, 7);

	/* five Mondays and five Tuesdays from 23 November to 23 December */
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM slot WHERE room = 1"), 10 * 4);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM slot WHERE room = 2"), 5 * 2);
	assert_int_equal(ops_count(&o, "SELECT MAX(start) FROM slot WHERE room = 1"), 570);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM slot WHERE day > '2026-12-23'"), 0);
	/* the same day again opens nothing, the next one opens what has come into reach: 24 December is a Thursday */
	assert_int_equal(slot_open_ahead(o.f->db, o.f->clock.wall_us, NULL), 0);
	assert_int_equal(slot_open_ahead(o.f->db, o.f->clock.wall_us + OPS_DAY, NULL), 0);
	assert_int_equal(slot_open_ahead(o.f->db, o.f->clock.wall_us + 5 * OPS_DAY, NULL), 6);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM slot WHERE day = '2026-12-28'"), 6);
	/* after a month off only the days that are ahead */
	assert_int_equal(slot_open_ahead(o.f->db, o.f->clock.wall_us + 70 * OPS_DAY, NULL), 5 * (6 + 4));
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM slot WHERE day > '2026-12-29' AND day < '2027-02-01'"), 0);
	ops_close(&o);
}

static int64_t hours(struct ops *o, int id, int weekday, int begins, int ends, int minutes, int places)
{
	ASK(o, ROLE_ADMIN, "{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "op", "hours-put", "id", id, "room", 1,
	    "weekday", weekday, "begins", begins, "ends", ends, "minutes", minutes, "places", places);
	assert_taken(o->answer);
	return ops_number(o->answer, "kept");
}

static void test_other_hours(void **state)
{
	struct ops o = ops_open(state, 7);

	assert_taken(ops_book(&o, 1, TUESDAY, 480, 1));
	assert_taken(ops_book(&o, 1, TUESDAY, 480, 2));
	assert_taken(ops_book(&o, 1, TUESDAY, 540, 3));
	/* an hour later, 20 minutes each: 9:00 is there in both, with the one who has it; 8:00 isn't */
	assert_int_equal(hours(&o, 2, 2, 540, 660, 20, 3), 2);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM slot WHERE day = '2026-11-24'"), 6 + 1);
	assert_int_equal(
	        ops_count(&o, "SELECT taken * 100 + places FROM slot WHERE day = '2026-11-24' AND start = 540"), 103);
	assert_refused(ops_book(&o, 1, TUESDAY, 480, 4), "slot-gone");
	assert_refused(ops_book(&o, 1, TUESDAY, 510, 4), "slot-gone");
	assert_taken(ops_book(&o, 1, TUESDAY, 560, 4));
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM slot WHERE day = '2026-12-01'"), 6);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM slot WHERE day = '2026-11-23' AND room = 1"), 4);

	/* as it was: who has 9:20 stays, closed; 8:00 is open again, and full */
	assert_int_equal(hours(&o, 2, 2, 480, 600, 30, 2), 1);
	assert_refused(ops_book(&o, 1, TUESDAY, 480, 5), "slot-full");
	assert_taken(ops_book(&o, 1, TUESDAY, 510, 5));

	/* to another weekday */
	assert_int_equal(hours(&o, 2, 4, 480, 600, 30, 2), 5);
	assert_refused(ops_book(&o, 1, TUESDAY, 570, 6), "slot-gone");
	assert_taken(ops_book(&o, 1, "2026-11-26", 570, 6));
	ASK(&o, ROLE_ADMIN, "{s:s, s:i}", "op", "hours-remove", "id", 2);
	assert_int_equal(ops_number(o.answer, "kept"), 1);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM slot WHERE day = '2026-12-03'"), 0);
	assert_int_equal(ops_count(&o, "SELECT SUM(taken) FROM slot"), 6);
	ops_close(&o);
}

static void test_by_hand_stays(void **state)
{
	struct ops o = ops_open(state, 7);

	for (int start = 480; start <= 490; start += 10)
		ASK(&o, ROLE_ADMIN, "{s:s, s:i, s:s, s:i, s:i, s:b}", "op", "slot-put", "room", 1, "day", TUESDAY,
		    "start", start, "places", 7, "closed", start == 480);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM slot WHERE source = 'hand'"), 2);
	hours(&o, 2, 2, 480, 660, 10, 1);
	assert_int_equal(ops_count(&o, "SELECT SUM(places) FROM slot WHERE source = 'hand'"), 14);
	assert_refused(ops_book(&o, 1, TUESDAY, 480, 1), "slot-gone");
	assert_taken(ops_book(&o, 1, TUESDAY, 490, 1));
	ops_close(&o);
}

static void test_when(void **state)
{
	const struct slot_window w = { .from = "2026-12-31", .to = "2027-01-30", .minute = 600 };

	assert_int_equal(slot_when(&w, STR("2026-12-30"), 1439), SLOT_TOO_SOON);
	assert_int_equal(slot_when(&w, STR("2026-12-31"), 599), SLOT_TOO_SOON);
	assert_int_equal(slot_when(&w, STR("2026-12-31"), 600), SLOT_IN_TIME);
	assert_int_equal(slot_when(&w, STR("2027-01-01"), 0), SLOT_IN_TIME);
	assert_int_equal(slot_when(&w, STR("2027-01-30"), 1439), SLOT_IN_TIME);
	assert_int_equal(slot_when(&w, STR("2027-01-31"), 0), SLOT_TOO_LATE);
}

static void test_a_whole_day(void **state)
{
	struct ops o = ops_open(state, 7);

	hours(&o, 0, 3, 0, 1440, 5, 1);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM slot WHERE day = '2026-11-25'"), 288);
	assert_int_equal(ops_count(&o, "SELECT MAX(start) FROM slot WHERE day = '2026-11-25'"), 1435);
	ops_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_take_and_give), BOTH(test_made_of_hours),    BOTH(test_other_hours),
		BOTH(test_by_hand_stays), cmocka_unit_test(test_when), BOTH(test_a_whole_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
