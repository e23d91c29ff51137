/* Many at once, and the same on another database. */
#include "kiosk/ops_fixture.h"

#define MONDAY  "2026-11-23"
#define TUESDAY "2026-11-24"

/* --- all at once --- */

struct race {
	int booked, full, other;
	bool numbers[1001];
};

static void raced(void *arg, json_t *answer)
{
	struct race *r = arg;
	int64_t number = ops_number(answer, "number");

	if (number > 0 && number <= 1000) {
		assert_false(r->numbers[number]);
		r->numbers[number] = true;
		r->booked++;
	} else if (strcmp(ops_text(answer, "refused"), "slot-full") == 0) {
		r->full++;
	} else {
		r->other++;
	}
	json_decref(answer);
}

static void race(struct ops *o, struct race *r, int first, int n)
{
	struct err err = { 0 };
	char phone[24];

	for (int i = first; i < first + n; i++) {
		snprintf(phone, sizeof(phone), "09123%05d", i);
		desk_call(o->desk,
		          json_pack("{s:s, s:i, s:s, s:i, s:s, s:s, s:i}", "op", "book", "room", 1, "day", TUESDAY,
		                    "start", 480, "name", "An", "phone", phone, "born", 1980),
		          ROLE_ANYBODY, raced, r);
	}
	while (desk_waiting(o->desk)) {
		if (desk_round(o->desk, &err) < 0)
			fail_msg("%s", err.text);
	}
}

static void test_last_place(void **state)
{
	struct ops o = ops_open(state, 7);
	struct race r = { 0 };

	assert_taken(ops_book(&o, 1, TUESDAY, 480, 99999)); /* one of two is left */
	race(&o, &r, 1, 1000);
	assert_int_equal(r.booked, 1);
	assert_int_equal(r.full, 999);
	assert_int_equal(r.other, 0);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM booking"), 2);
	assert_int_equal(ops_count(&o, "SELECT SUM(taken) FROM slot"), 2);

	/* and with more places nobody has another one's number */
	ASK(&o, ROLE_ADMIN, "{s:s, s:i, s:s, s:i, s:i}", "op", "slot-put", "room", 1, "day", TUESDAY, "start", 480,
	    "places", 302);
	race(&o, &r, 2000, 400);
	assert_int_equal(r.booked, 301);
	assert_int_equal(ops_count(&o, "SELECT COUNT(DISTINCT number) FROM booking"), 302);
	ops_close(&o);
}

/* Two of the same form, one behind the other in one round. */
static void test_same_form_at_once(void **state)
{
	struct ops o = ops_open(state, 7);
	struct err err = { 0 };
	struct race r = { 0 };
	struct ops second = { .f = o.f };

	json_t *form = json_pack("{s:s, s:i, s:s, s:i, s:s, s:s, s:i, s:s}", "op", "book", "room", 1, "day", TUESDAY,
	                         "start", 480, "name", "An", "phone", "0912300001", "born", 1980, "once", "form");
	desk_call(o.desk, json_deep_copy(form), ROLE_ANYBODY, raced, &r);
	desk_call(o.desk, form, ROLE_ANYBODY, ops_heard, &second);
	assert_int_equal(desk_round(o.desk, &err), 1);
	assert_int_equal(r.booked, 1);
	assert_int_equal(ops_number(second.answer, "number"), 1);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM booking"), 1);
	json_decref(second.answer);
	ops_close(&o);
}

/* --- the standby --- */

static void follow(void *arg, const struct desk_change *changes, size_t n)
{
	struct err err = { 0 };

	if (desk_follow(arg, changes, n, &err))
		fail_msg("%s", err.text);
}

static int add_row(void *arg, const struct db_row *row)
{
	for (int i = 0; i < 8; i++)
		buf_printf(arg, STR_FMT "|", STR_ARG(db_text(row, i)));
	buf_putc(arg, '\n');
	return 0;
}

static void dump(struct db *db, struct buf *out)
{
	assert_true(db_query(db,
	                     "SELECT ref, day, kind, state, once, lang, CAST(number AS TEXT), CAST(room AS TEXT)"
	                     " FROM booking ORDER BY ref",
	                     DB_NONE, add_row, out, NULL) > 2);
	assert_true(db_query(db,
	                     "SELECT day, source, CAST(room AS TEXT), CAST(start AS TEXT), CAST(places AS TEXT),"
	                     " CAST(taken AS TEXT), CAST(closed AS TEXT), CAST(minutes AS TEXT)"
	                     " FROM slot ORDER BY day, room, start",
	                     DB_NONE, add_row, out, NULL) > 2);
}

/* The primary over one engine, the standby over the other, with the same key file. desk_follow() compares the answers. */
static void test_standby(void **state)
{
	struct fixture *f = fixture_of(state), other;
	struct desk *standby;
	CLEANUP(buf_free) struct buf here = { 0 }, there = { 0 };
	char code[16];

	fixture_open_empty(&other, f->name[0] ? DB_SQLITE : DB_POSTGRESQL);
	const struct desk_config config = { .db = other.db, .seal = f->seal, .clock = &other.clock };
	assert_int_equal(desk_new(&standby, &config, NULL), 0);
	struct ops o = ops_start(f, 7, follow, standby);
	assert_taken(ops_book(&o, 1, TUESDAY, 480, 1));
	snprintf(code, sizeof(code), "%s", ops_text(o.answer, "code"));
	for (int i = 2; i <= 5; i++)
		ops_book(&o, 1, TUESDAY, 480, i);
	assert_taken(ASK(&o, ROLE_ANYBODY, "{s:s, s:s, s:s}", "op", "cancel", "code", code, "phone", "0912300001"));
	assert_taken(ops_book(&o, 1, TUESDAY, 480, 6));
	assert_taken(ops_book(&o, 1, TUESDAY, 480, 6));
	ASK(&o, ROLE_ADMIN, "{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "op", "hours-put", "id", 2, "room", 1,
	    "weekday", 2, "begins", 510, "ends", 720, "minutes", 20, "places", 3);
	assert_int_equal(ops_number(o.answer, "kept"), 2);
	ASK(&o, ROLE_ADMIN, "{s:s, s:s, s:s}", "op", "holiday-put", "day", MONDAY, "name", "Nghỉ");
	clock_advance(&f->clock, 3 * OPS_DAY);
	ASK(&o, ROLE_KIOSK, "{s:s}", "op", "upkeep");
	assert_int_equal(ops_number(o.answer, "missed"), 2);

	assert_int_equal(desk_seq(standby), desk_seq(o.desk));
	dump(f->db, &here);
	dump(other.db, &there);
	assert_true(here.n > 1000);
	assert_true(str_eq(buf_str(&here), buf_str(&there)));
	ops_close(&o);
	desk_free(standby);
	fixture_close(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_last_place),
		BOTH(test_same_form_at_once),
		BOTH(test_standby),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
