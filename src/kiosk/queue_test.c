/* The counter and the board, through the desk. */
#include "kiosk/ops_fixture.h"

#define TODAY "2026-11-23"

enum { REF = 64 };

static json_t *counter(struct ops *o, const char *op, const char *ref)
{
	return ASK(o, ROLE_CLERK, "{s:s, s:s}", "op", op, "ref", ref);
}

/* Somebody without a booking; returns the ref. */
static void walks_in(struct ops *o, int room, const char *priority, char ref[REF])
{
	ASK(o, ROLE_CLERK, "{s:s, s:i, s:s, s:s}", "op", "walk-in", "room", room, "priority", priority, "lang", "vi");
	assert_taken(o->answer);
	snprintf(ref, REF, "%s", ops_text(o->answer, "ref"));
	clock_advance(&o->f->clock, OPS_MINUTE);
}

/* The label of whoever is called; "": nobody is. */
static const char *calls(struct ops *o, int room, char ref[REF])
{
	ASK(o, ROLE_CLERK, "{s:s, s:i}", "op", "next", "room", room);
	assert_taken(o->answer);
	json_t *called = json_object_get(o->answer, "called");
	snprintf(ref, REF, "%s", ops_text(called, "ref"));
	return ops_text(called, "label");
}

static json_t *arrives(struct ops *o, int number, int priority)
{
	return ASK(o, ROLE_CLERK, "{s:s, s:i, s:s, s:i, s:b}", "op", "arrive", "room", 1, "day", TODAY, "number",
	           number, "priority", priority);
}

static void test_arrive(void **state)
{
	struct ops o = ops_open(state, 7);
	char code[32], other[32];
	snprintf(code, sizeof(code), "%s", ops_text(ops_book(&o, 1, TODAY, 480, 1), "code"));
	assert_int_equal(strlen(code), CODE_LENGTH);
	snprintf(other, sizeof(other), "%s", ops_text(ops_book(&o, 1, "2026-11-24", 480, 2), "code"));
	ASK(&o, ROLE_ANYBODY, "{s:s, s:s}", "op", "arrive", "code", code);
	assert_refused(o.answer, "session");
	ASK(&o, ROLE_CLERK, "{s:s, s:s}", "op", "arrive", "code", "ABCDE-ABCDE");
	assert_refused(o.answer, "unknown");
	ASK(&o, ROLE_CLERK, "{s:s, s:s}", "op", "arrive", "code", "?");
	assert_refused(o.answer, "unknown");
	ASK(&o, ROLE_CLERK, "{s:s, s:s}", "op", "arrive", "code", other);
	assert_refused(o.answer, "day");
	ASK(&o, ROLE_CLERK, "{s:s, s:s}", "op", "arrive", "code", code);
	assert_taken(o.answer);
	assert_string_equal(ops_text(o.answer, "name"), "Nguyễn Văn An");
	assert_string_equal(ops_text(o.answer, "state"), "arrived");
	ASK(&o, ROLE_CLERK, "{s:s, s:s}", "op", "arrive", "code", code);
	assert_refused(o.answer, "state");
	assert_int_equal(ops_count(&o, "SELECT count(*) FROM change WHERE call LIKE '%\"code\":%'"), 0);
	assert_int_equal(ops_count(&o, "SELECT count(*) FROM outbox WHERE what = 'arrived'"), 1);
	ops_book(&o, 1, TODAY, 480, 3);
	assert_refused(arrives(&o, 7, 0), "unknown");
	assert_taken(arrives(&o, 2, 1));
	assert_true(json_is_true(json_object_get(o.answer, "priority")));
	ops_close(&o);
}

/* An emergency is one when somebody at the counter says so. */
static void test_emergency(void **state)
{
	struct ops o = ops_open(state, 8);
	char ref[REF];
	for (int i = 1; i <= 3; i++)
		ASK(&o, ROLE_ANYBODY, "{s:s, s:i, s:s, s:i, s:s, s:s, s:i, s:s}", "op", "book", "room", 1, "day", TODAY,
		    "start", i < 3 ? 540 : 570, "name", "Lê B", "phone",
		    i == 1   ? "0912345678"
		    : i == 2 ? "0912345679"
		             : "0912345670",
		    "born", 1990, "priority", "emergency");
	walks_in(&o, 1, "", ref);
	assert_taken(ASK(&o, ROLE_CLERK, "{s:s, s:i, s:s, s:i}", "op", "arrive", "room", 1, "day", TODAY, "number", 1));
	assert_taken(arrives(&o, 2, 0));
	assert_string_equal(calls(&o, 1, ref), "A004"); /* the others are early */
	assert_taken(arrives(&o, 3, 1));
	walks_in(&o, 1, "emergency", ref);
	walks_in(&o, 1, "", ref);
	assert_string_equal(calls(&o, 1, ref), "A003");
	assert_string_equal(calls(&o, 1, ref), "A005");
	assert_string_equal(calls(&o, 1, ref), "A006");
	assert_string_equal(calls(&o, 1, ref), "A001");
	assert_string_equal(calls(&o, 1, ref), "A002");
	assert_string_equal(calls(&o, 1, ref), "");
	ops_close(&o);
}

static void test_walk_in(void **state)
{
	struct ops o = ops_open(state, 8);
	ASK(&o, ROLE_CLERK, "{s:s, s:i, s:s, s:s, s:s}", "op", "walk-in", "room", 2, "name", "Trần C", "phone",
	    "0987654321", "once", "x");
	assert_taken(o.answer);
	assert_string_equal(ops_text(o.answer, "label"), "B001");
	assert_string_equal(ops_text(o.answer, "state"), "arrived");
	assert_string_equal(ops_text(o.answer, "name"), "T** C");
	assert_int_equal(ops_number(o.answer, "start"), -1);
	assert_int_equal(strlen(ops_text(o.answer, "code")), CODE_LENGTH);
	ASK(&o, ROLE_CLERK, "{s:s, s:i, s:s, s:s, s:s}", "op", "walk-in", "room", 2, "name", "Trần C", "phone",
	    "0987654321", "once", "x");
	assert_string_equal(ops_text(o.answer, "label"), "B001"); /* the same form */
	ASK(&o, ROLE_CLERK, "{s:s, s:i, s:s}", "op", "walk-in", "room", 2, "phone", "1");
	assert_refused(o.answer, "phone");
	ASK(&o, ROLE_CLERK, "{s:s, s:i}", "op", "walk-in", "room", 3);
	assert_refused(o.answer, "unknown");
	ASK(&o, ROLE_ADMIN, "{s:s, s:s, s:i, s:s}", "op", "holiday-put", "day", TODAY, "room", 2, "name", "Nghỉ");
	assert_taken(o.answer);
	ASK(&o, ROLE_CLERK, "{s:s, s:i}", "op", "walk-in", "room", 2);
	assert_refused(o.answer, "day-closed");
	assert_int_equal(ops_count(&o, "SELECT count(*) FROM booking"), 1);
	ops_close(&o);
}

/* Two with priority to one without, as the setting says; and who waited too long goes first. */
static void test_next(void **state)
{
	struct ops o = ops_open(state, 8);
	char ref[REF];
	assert_string_equal(calls(&o, 1, ref), "");
	for (int i = 1; i <= 3; i++)
		walks_in(&o, 1, "", ref);
	for (int i = 4; i <= 8; i++)
		walks_in(&o, 1, "elderly", ref);
	static const char *const want[] = { "A004", "A005", "A001", "A006", "A007", "A002", "A008" };
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_string_equal(calls(&o, 1, ref), want[i]);
		assert_taken(counter(&o, "done", ref));
	}
	walks_in(&o, 1, "merit", ref);
	clock_advance(&o.f->clock, 53 * OPS_MINUTE); /* A003 came 61 minutes ago, A009 less */
	walks_in(&o, 1, "merit", ref);
	assert_string_equal(calls(&o, 1, ref), "A003");
	assert_string_equal(calls(&o, 1, ref), "A009");
	assert_int_equal(ops_count(&o, "SELECT count(*) FROM called WHERE what = 'call'"), 9);
	ASK(&o, ROLE_ADMIN, "{s:s, s:{s:s}}", "op", "set", "values", "priority_weight", "1");
	assert_taken(o.answer);
	for (int i = 0; i < 2; i++)
		walks_in(&o, 1, i ? "child" : "", ref);
	assert_string_equal(calls(&o, 1, ref), "A011"); /* one with priority went just before */
	assert_string_equal(calls(&o, 1, ref), "A010");
	assert_string_equal(calls(&o, 1, ref), "A012");
	ops_close(&o);
}

static void test_pause(void **state)
{
	struct ops o = ops_open(state, 8);
	char ref[REF];
	walks_in(&o, 1, "", ref);
	ASK(&o, ROLE_CLERK, "{s:s, s:i, s:b}", "op", "pause", "room", 1, "paused", 1);
	assert_taken(o.answer);
	ASK(&o, ROLE_CLERK, "{s:s, s:i}", "op", "next", "room", 1);
	assert_refused(o.answer, "paused");
	assert_string_equal(calls(&o, 2, ref), "");
	ASK(&o, ROLE_CLERK, "{s:s, s:i, s:b}", "op", "pause", "room", 1, "paused", 0);
	assert_string_equal(calls(&o, 1, ref), "A001");
	ASK(&o, ROLE_CLERK, "{s:s, s:i, s:b}", "op", "pause", "room", 9, "paused", 0);
	assert_refused(o.answer, "unknown");
	ops_close(&o);
}

/* Calling many and taking one of them is picking. */
static void test_no_picking(void **state)
{
	struct ops o = ops_open(state, 8);
	char ref[REF], first[REF];
	for (int i = 0; i < 9; i++)
		walks_in(&o, 1, "", ref);
	assert_string_equal(calls(&o, 1, first), "A001");
	for (int i = 1; i < 8; i++)
		assert_string_not_equal(calls(&o, 1, ref), "");
	ASK(&o, ROLE_CLERK, "{s:s, s:i, s:s}", "op", "next", "room", 1, "ref", ref);
	assert_refused(o.answer, "state");
	assert_taken(counter(&o, "done", first));
	assert_string_equal(calls(&o, 1, ref), "A009");
	ops_close(&o);
}

/* What may be done to a booking, by its state. */
static void test_states(void **state)
{
	static const char *const ops[] = { "again", "skip", "done", "back", "transfer" };
	static const struct {
		const char *state, *may;
	} rows[] = {
		{ "booked", "" },
		{ "arrived", "transfer" },
		{ "called", "again skip done transfer" },
		{ "missed", "back" },
		{ "seen", "" },
		{ "cancelled", "" },
	};
	struct ops o = ops_open(state, 8);
	struct err err;
	char ref[REF];
	walks_in(&o, 1, "", ref);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t k = 0; k < ARRAY_LEN(ops); k++) {
			assert_int_equal(db_run(o.f->db, "UPDATE booking SET moved = 0, state = $1",
			                        DB_ARGS(DB_T(str_from(rows[i].state))), &err),
			                 1);
			ASK(&o, ROLE_CLERK, "{s:s, s:s, s:i}", "op", ops[k], "ref", ref, "room", 2);
			if (strstr(rows[i].may, ops[k]))
				assert_taken(o.answer);
			else
				assert_refused(o.answer, "state");
		}
	}
	for (size_t k = 0; k < ARRAY_LEN(ops); k++) {
		ASK(&o, ROLE_CLERK, "{s:s, s:s, s:i}", "op", ops[k], "ref", "none", "room", 2);
		assert_refused(o.answer, "unknown");
	}
	ops_close(&o);
}

static void test_again_skip_back(void **state)
{
	struct ops o = ops_open(state, 8);
	char a[REF], b[REF], c[REF], ref[REF];
	walks_in(&o, 1, "", a);
	walks_in(&o, 1, "", b);
	walks_in(&o, 1, "", c);
	assert_string_equal(calls(&o, 1, ref), "A001");
	assert_string_equal(ops_text(json_object_get(counter(&o, "again", a), "called"), "label"), "A001");
	assert_int_equal(ops_count(&o, "SELECT calls FROM booking WHERE number = 1"), 2);
	assert_taken(counter(&o, "skip", a));
	assert_int_equal(ops_count(&o, "SELECT count(*) FROM outbox WHERE what = 'missed'"), 1);
	assert_string_equal(calls(&o, 1, ref), "A002");
	assert_taken(counter(&o, "back", a)); /* behind those who were there when called */
	assert_string_equal(calls(&o, 1, ref), "A003");
	assert_string_equal(calls(&o, 1, ref), "A001");
	assert_taken(counter(&o, "done", a));
	assert_int_equal(ops_count(&o, "SELECT count(*) FROM outbox WHERE what = 'seen'"), 1);
	assert_taken(counter(&o, "skip", b));
	clock_advance(&o.f->clock, OPS_DAY);
	assert_refused(counter(&o, "back", b), "day");
	ops_close(&o);
}

static json_t *transfers(struct ops *o, const char *ref, int room)
{
	return ASK(o, ROLE_CLERK, "{s:s, s:s, s:i}", "op", "transfer", "ref", ref, "room", room);
}

static void test_transfer(void **state)
{
	struct ops o = ops_open(state, 8);
	char a[REF], b[REF], ref[REF];
	walks_in(&o, 1, "", a);
	walks_in(&o, 2, "", b); /* has the same number in its own room */
	assert_string_equal(calls(&o, 1, ref), "A001");
	assert_refused(transfers(&o, a, 1), "state");
	assert_refused(transfers(&o, a, 7), "unknown");
	json_t *called = json_object_get(transfers(&o, a, 2), "called");
	assert_string_equal(ops_text(called, "label"), "A001");
	assert_string_equal(ops_text(called, "state"), "arrived");
	assert_int_equal(ops_number(called, "room"), 2);
	assert_string_equal(calls(&o, 1, ref), "");
	assert_string_equal(calls(&o, 2, ref), "A001"); /* has waited longer */
	assert_string_equal(calls(&o, 2, ref), "B001");
	assert_taken(transfers(&o, a, 1));
	assert_int_equal(ops_count(&o, "SELECT moved FROM booking WHERE number = 1 AND room = 1"), 0);
	assert_string_equal(calls(&o, 1, ref), "A001");
	ops_close(&o);
}

static json_t *list(const json_t *object, const char *name, size_t n)
{
	json_t *array = json_object_get(object, name);
	assert_true(json_is_array(array));
	assert_int_equal(json_array_size(array), n);
	return array;
}

static void test_shown(void **state)
{
	struct ops o = ops_open(state, 8);
	char a[REF], ref[REF];
	ops_book(&o, 1, TODAY, 570, 1);
	ops_book(&o, 1, TODAY, 540, 2);
	walks_in(&o, 1, "", a);
	walks_in(&o, 1, "elderly", ref);
	for (int i = 0; i < 6; i++)
		walks_in(&o, 1, "", ref);
	assert_string_equal(calls(&o, 1, ref), "A004");
	assert_string_equal(calls(&o, 1, a), "A003");
	assert_taken(counter(&o, "skip", a));
	ASK(&o, ROLE_CLERK, "{s:s, s:i}", "op", "waiting", "room", 1);
	json_t *first = json_array_get(list(o.answer, "waiting", 6), 0);
	assert_string_equal(ops_text(first, "label"), "A005");
	assert_int_equal(ops_number(first, "since"), FIXTURE_NOW + 2 * OPS_MINUTE);
	assert_string_equal(ops_text(json_array_get(list(o.answer, "called", 1), 0), "label"), "A004");
	assert_string_equal(ops_text(json_array_get(list(o.answer, "missed", 1), 0), "label"), "A003");
	assert_true(json_is_false(json_object_get(o.answer, "paused")));

	ASK(&o, ROLE_ANYBODY, "{s:s}", "op", "board");
	assert_string_equal(ops_text(o.answer, "day"), TODAY);
	assert_int_equal(ops_number(o.answer, "seq"), ops_count(&o, "SELECT max(seq) FROM change"));
	json_t *room = json_array_get(list(o.answer, "rooms", 2), 0);
	assert_int_equal(ops_number(room, "waiting"), 6);
	assert_string_equal(json_string_value(json_array_get(list(room, "next", 4), 0)), "A005");
	assert_string_equal(ops_text(json_array_get(list(room, "now", 1), 0), "label"), "A004");
	assert_int_equal(ops_number(json_array_get(list(room, "now", 1), 0), "calls"), 1);
	list(json_array_get(list(o.answer, "rooms", 2), 1), "next", 0);

	ASK(&o, ROLE_CLERK, "{s:s, s:s}", "op", "day-list", "day", TODAY);
	json_t *bookings = list(json_array_get(list(o.answer, "rooms", 2), 0), "bookings", 10);
	assert_string_equal(ops_text(json_array_get(bookings, 0), "label"), "A002"); /* by slot, then those without */
	assert_string_equal(ops_text(json_array_get(bookings, 0), "name"), "Nguyễn Văn An");
	assert_int_equal(ops_number(json_array_get(bookings, 0), "born"), 1980);
	assert_string_equal(ops_text(json_array_get(bookings, 2), "label"), "A003");
	ASK(&o, ROLE_CLERK, "{s:s, s:s, s:i}", "op", "day-list", "day", TODAY, "room", 2);
	list(json_array_get(list(o.answer, "rooms", 1), 0), "bookings", 0);
	ops_close(&o);
}

/* A board hangs where all can see it. */
static void test_board_is_numbers(void **state)
{
	struct ops o = ops_open(state, 8);
	char ref[REF];
	ASK(&o, ROLE_CLERK, "{s:s, s:i, s:s, s:s}", "op", "walk-in", "room", 1, "name", "Nguyễn Thị Xuân", "phone",
	    "0987654321");
	calls(&o, 1, ref);
	ASK(&o, ROLE_ANYBODY, "{s:s}", "op", "board");
	char *text = json_dumps(o.answer, 0);
	assert_non_null(strstr(text, "A001"));
	assert_null(strstr(text, "N**"));
	assert_null(strstr(text, "X**"));
	assert_null(strstr(text, "**321"));
	assert_null(strstr(text, ref));
	free(text);
	ops_close(&o);
}

/* --- all of it again on a standby, over the other database --- */

struct standby {
	struct desk *desk;
	size_t n;
};

static void hands_on(void *arg, const struct desk_change *change)
{
	struct standby *s = arg;
	struct err err = { 0 };
	if (desk_follow(s->desk, change, 1, &err))
		fail_msg("%.200s: %s", change->call.p, err.text);
	s->n++;
}

static int dump_row(void *arg, const struct db_row *row)
{
	for (int column = 0; column < 12; column++)
		buf_printf(arg, "%lld ", (long long)db_number(row, column));
	return 0;
}

static void dump(struct db *db, struct buf *out)
{
	assert_true(
	        db_query(db,
	                 "SELECT room, start, number, priority, made, changed, arrived, called, calls, ended, moved,"
	                 " CASE state WHEN 'booked' THEN 1 WHEN 'arrived' THEN 2 WHEN 'called' THEN 3 WHEN 'missed' "
	                 "THEN 4"
	                 " ELSE 5 END FROM booking ORDER BY room, day, number",
	                 DB_NONE, dump_row, out, NULL) > 0);
	assert_true(db_query(db,
	                     "SELECT c.id, c.room, c.at, c.staff, l.room, l.in_row, l.paused, 0, 0, 0, 0, 0"
	                     " FROM called c JOIN lane l ON l.room = c.room AND l.day = c.day ORDER BY c.id",
	                     DB_NONE, dump_row, out, NULL) > 0);
	buf_putc(out, '\0');
}

static void a_morning(struct ops *o)
{
	char ref[REF];
	uint64_t random = 1;
	for (int i = 0; i < 4; i++)
		ops_book(o, 1, TODAY, 480 + i * 30, i);
	for (int i = 0; i < 120; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		int draw = (int)(random >> 33) % 100, room = 1 + draw % 2;
		clock_advance(&o->f->clock, OPS_MINUTE / 3);
		if (draw < 40)
			walks_in(o, room, draw < 2 ? "emergency" : draw < 15 ? "elderly" : "", ref);
		else if (draw < 50)
			arrives(o, 1 + draw % 4, draw % 3 == 0);
		else if (draw < 90) {
			if (calls(o, room, ref)[0])
				counter(o, draw < 60 ? "skip" : draw < 70 ? "again" : "done", ref);
			if (draw < 55)
				counter(o, "back", ref);
		} else if (ref[0]) {
			transfers(o, ref, 3 - room);
		}
	}
}

static void test_followed(void **state)
{
	struct ops o = ops_open(state, 8);
	CLEANUP(buf_free) struct buf here = { 0 }, there = { 0 };
	struct fixture other;
	struct standby s = { 0 };
	struct err err = { 0 };
	a_morning(&o);
	fixture_open(&other, db_kind(o.f->db) == DB_SQLITE ? DB_POSTGRESQL : DB_SQLITE);
	seal_close(other.seal);
	assert_int_equal(seal_open(&other.seal, o.f->key, false, &err), 0);
	const struct desk_config config = { .db = other.db, .seal = other.seal, .clock = &other.clock };
	assert_int_equal(desk_new(&s.desk, &config, &err), 0);
	assert_int_equal(desk_changes(o.desk, 0, 10000, hands_on, &s, &err), desk_seq(o.desk));
	assert_in_range(s.n, 100, 400);
	dump(o.f->db, &here);
	dump(other.db, &there);
	assert_string_equal(here.p, there.p);
	desk_free(s.desk);
	fixture_close(&other);
	ops_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_arrive),   BOTH(test_emergency),  BOTH(test_walk_in),          BOTH(test_next),
		BOTH(test_pause),    BOTH(test_no_picking), BOTH(test_states),           BOTH(test_again_skip_back),
		BOTH(test_transfer), BOTH(test_shown),      BOTH(test_board_is_numbers), BOTH(test_followed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
