#include "kiosk/ops_fixture.h"

#define MONDAY  "2026-11-23"
#define TUESDAY "2026-11-24"

static json_t *upkeep(struct ops *o)
{
	ASK(o, ROLE_KIOSK, "{s:s}", "op", "upkeep");
	assert_taken(o->answer);
	return o->answer;
}

/* So many have this state. */
static void assert_states(struct ops *o, const char *state, int64_t want)
{
	int64_t n;

	assert_int_equal(db_ask(o->f->db, "SELECT COUNT(*) FROM booking WHERE state = $1",
	                        DB_ARGS(DB_T(str_from(state))), &n, NULL),
	                 0);
	assert_int_equal(n, want);
}

static void state_of(struct ops *o, int64_t number, const char *state)
{
	assert_int_equal(db_run(o->f->db, "UPDATE booking SET state = $1 WHERE number = $2 AND day = '2026-11-23'",
	                        DB_ARGS(DB_T(str_from(state)), DB_N(number)), NULL),
	                 1);
}

static void test_opens(void **state)
{
	struct ops o = ops_open(state, 7);

	assert_int_equal(ops_number(upkeep(&o), "opened"), 0);
	clock_advance(&o.f->clock, 5 * OPS_DAY);
	assert_int_equal(ops_number(upkeep(&o), "opened"), 6);
	ASK(&o, ROLE_ADMIN, "{s:s, s:{s:s}}", "op", "set", "values", "open_days", "37");
	assert_int_equal(ops_number(upkeep(&o), "opened"), 4 + 6);
	assert_refused(ASK(&o, ROLE_ADMIN, "{s:s}", "op", "upkeep"), "session");
	ops_close(&o);
}

static void test_payments(void **state)
{
	struct ops o = ops_open(state, 7);

	assert_taken(ops_book(&o, 1, TUESDAY, 480, 1));
	assert_taken(ops_book(&o, 1, TUESDAY, 480, 2));
	int64_t ends = ops_count(&o, "SELECT MIN(ends) FROM payment");
	assert_int_equal(db_run(o.f->db,
	                        "UPDATE payment SET state = 'paid' WHERE ref ="
	                        " (SELECT ref FROM booking WHERE number = 2)",
	                        DB_NONE, NULL),
	                 1);
	clock_test(&o.f->clock, ends - 1);
	assert_int_equal(ops_number(upkeep(&o), "voided"), 0);
	clock_advance(&o.f->clock, 1);
	assert_int_equal(ops_number(upkeep(&o), "voided"), 1);
	assert_int_equal(ops_number(upkeep(&o), "voided"), 0);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM payment WHERE state = 'open'"), 0);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM payment WHERE state = 'paid'"), 1);
	assert_states(&o, "booked", 2); /* it can be paid at the counter */
	ops_close(&o);
}

static void test_missed(void **state)
{
	struct ops o = ops_open(state, 7);

	for (int i = 1; i <= 4; i++)
		assert_taken(ops_book(&o, 1, MONDAY, 480 + 30 * (i / 2), i));
	assert_taken(ops_book(&o, 2, MONDAY, 780, 5));
	assert_taken(ops_book(&o, 1, TUESDAY, 480, 6));
	assert_int_equal(db_run(o.f->db, "UPDATE booking SET number = 50 WHERE room = 2", DB_NONE, NULL), 1);
	state_of(&o, 2, "arrived");
	state_of(&o, 3, "called");
	state_of(&o, 4, "cancelled");

	clock_test(&o.f->clock, FIXTURE_NOW + 120 * OPS_MINUTE - 1); /* 10:00 is the end of room 1's day */
	assert_int_equal(ops_number(upkeep(&o), "missed"), 0);
	clock_advance(&o.f->clock, 1);
	assert_int_equal(ops_number(upkeep(&o), "missed"), 1);
	assert_states(&o, "missed", 1);
	assert_states(&o, "arrived", 1); /* still waits */
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM outbox WHERE what = 'missed'"), 1);

	clock_test(&o.f->clock, FIXTURE_NOW + 16 * 60 * OPS_MINUTE - 1); /* the day's last moment */
	assert_int_equal(ops_number(upkeep(&o), "missed"), 1);           /* room 2's */
	assert_states(&o, "arrived", 1);
	assert_states(&o, "called", 1);
	clock_advance(&o.f->clock, 1);
	assert_int_equal(ops_number(upkeep(&o), "missed"), 1);
	assert_states(&o, "arrived", 0);
	assert_states(&o, "called", 0);
	assert_states(&o, "seen", 1);
	assert_states(&o, "missed", 3);
	assert_states(&o, "cancelled", 1);
	assert_states(&o, "booked", 1); /* Tuesday's */
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM outbox WHERE what = 'seen'"), 1);
	assert_int_equal(ops_number(upkeep(&o), "missed"), 0);
	ops_close(&o);
}

static void test_purge(void **state)
{
	struct ops o = ops_open(state, 7);
	char code[16];

	assert_taken(ops_book(&o, 1, MONDAY, 480, 1));
	snprintf(code, sizeof(code), "%s", ops_text(o.answer, "code"));
	assert_taken(ops_book(&o, 1, TUESDAY, 480, 2));
	ASK(&o, ROLE_ADMIN, "{s:s, s:{s:s, s:s}}", "op", "set", "values", "keep_days", "3", "change_days", "10");
	clock_test(&o.f->clock, FIXTURE_NOW + 4 * OPS_DAY - 480 * OPS_MINUTE - 1); /* Thursday's last moment */
	assert_int_equal(ops_number(upkeep(&o), "purged"), 0);
	assert_taken(ASK(&o, ROLE_ANYBODY, "{s:s, s:s, s:s}", "op", "lookup", "code", code, "phone", "0912300001"));
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM outbox WHERE what = 'booked'"), 2);
	clock_advance(&o.f->clock, 1);
	assert_int_equal(ops_number(upkeep(&o), "purged"), 1 + 2); /* and what the hospital's system never took */
	assert_int_equal(ops_number(upkeep(&o), "purged"), 0);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM outbox WHERE what = 'booked'"), 0);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM outbox WHERE what = 'missed'"), 2); /* younger */
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM booking WHERE person IS NULL AND phone_hash IS NULL"), 1);
	assert_refused(ASK(&o, ROLE_ANYBODY, "{s:s, s:s, s:s}", "op", "lookup", "code", code, "phone", "0912300001"),
	               "unknown");
	/* nor is it in a change any more: those go as soon */
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM change WHERE call LIKE '%person%'"), 0);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM booking"), 2);
	/* the row can still be said */
	int64_t n = ops_count(&o, "SELECT COUNT(*) FROM slot WHERE day = '2026-11-23'");
	assert_int_equal(n, 0);
	ops_close(&o);
}

static void test_trims(void **state)
{
	struct ops o = ops_open(state, 7);
	int64_t now = o.f->clock.wall_us;

	assert_taken(ops_book(&o, 1, MONDAY, 480, 1));
	assert_taken(ops_book(&o, 1, TUESDAY, 480, 2));
	for (int i = 0; i < 3; i++)
		assert_int_equal(db_run(o.f->db, "INSERT INTO session (hash, staff, made, ends) VALUES ($1, 1, 0, $2)",
		                        DB_ARGS(DB_B(((struct str){ &"0123"[i], 1 })), DB_N(now + i - 1)), NULL),
		                 1);
	assert_int_equal(db_run(o.f->db, "UPDATE outbox SET sent = $1 WHERE id = 1", DB_ARGS(DB_N(now)), NULL), 1);
	int64_t last = ops_count(&o, "SELECT MAX(seq) FROM change");
	upkeep(&o);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM session"), 1);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM change"), last + 1);

	clock_advance(&o.f->clock, 31 * OPS_DAY); /* more than change_days, less than keep_days */
	upkeep(&o);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM change"), 2); /* the last that was there, and this one */
	assert_int_equal(ops_count(&o, "SELECT MAX(seq) FROM change"), last + 2);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM counter WHERE name LIKE 'number:%'"), 2);

	clock_advance(&o.f->clock, 60 * OPS_DAY); /* the 91st day after Monday */
	upkeep(&o);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM counter WHERE name LIKE 'number:%'"), 1);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM counter WHERE name = 'room'"), 1);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM outbox WHERE id = 1"), 0);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM outbox WHERE id = 2"), 0);   /* never sent */
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM outbox WHERE sent = 0"), 2); /* that both missed it */
	/* numbers go on from where they were */
	assert_int_equal(ops_count(&o, "SELECT last FROM counter WHERE name = 'number:1:2026-11-24'"), 1);
	ops_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_opens), BOTH(test_payments), BOTH(test_missed), BOTH(test_purge), BOTH(test_trims),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
