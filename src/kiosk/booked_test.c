#include "kiosk/booking.h"
#include "kiosk/ops_fixture.h"

#define TUESDAY "2026-11-24"

static void test_ticket(void **state)
{
	struct ops o = ops_open(state, 7);
	char ref[64];

	assert_taken(ops_book(&o, 1, TUESDAY, 480, 1));
	snprintf(ref, sizeof(ref), "%s", ops_text(o.answer, "ref"));
	assert_refused(ASK(&o, ROLE_ANYBODY, "{s:s, s:s}", "op", "ticket", "ref", ref), "session");
	ASK(&o, ROLE_CLERK, "{s:s, s:s}", "op", "ticket", "ref", ref);
	assert_string_equal(ops_text(o.answer, "name"), "Nguyễn Văn An");
	assert_string_equal(ops_text(o.answer, "phone"), "0912300001");
	assert_int_equal(ops_number(o.answer, "born"), 1980);
	assert_null(json_object_get(o.answer, "code"));
	assert_refused(ASK(&o, ROLE_CLERK, "{s:s, s:s}", "op", "ticket", "ref", "nobody"), "unknown");
	ops_close(&o);
}

static void test_moved_row_is_noticed(void **state)
{
	struct ops o = ops_open(state, 7);
	json_t *out = json_object();
	struct err err = { 0 };
	char ref[64];

	assert_taken(ops_book(&o, 1, TUESDAY, 480, 1));
	assert_taken(ops_book(&o, 1, TUESDAY, 480, 2));
	snprintf(ref, sizeof(ref), "%s", ops_text(o.answer, "ref"));
	assert_int_equal(db_run(o.f->db,
	                        "UPDATE booking SET person = (SELECT b.person FROM booking b WHERE b.number = 1) WHERE "
	                        "number = 2",
	                        DB_NONE, NULL),
	                 1);
	struct call c = { .db = o.f->db, .seal = o.f->seal, .in = out, .out = out };
	assert_int_equal(booked_say(&c, str_from(ref), true, out, &err), -EBADMSG);
	assert_int_equal(json_object_size(out), 0);
	assert_int_equal(booked_say(&c, STR("nobody"), true, out, &err), -ENOENT);
	json_decref(out);
	ops_close(&o);
}

static int copy_ref(void *arg, const struct db_row *row)
{
	snprintf(arg, 64, STR_FMT, STR_ARG(db_text(row, 0)));
	return 0;
}

static void arrives(struct ops *o, int number, int64_t at)
{
	assert_int_equal(db_run(o->f->db, "UPDATE booking SET state = 'arrived', arrived = $1 WHERE number = $2",
	                        DB_ARGS(DB_N(at), DB_N(number)), NULL),
	                 1);
}

static const json_t *ticket(struct ops *o, int number)
{
	char ref[64];

	assert_int_equal(db_query(o->f->db, "SELECT ref FROM booking WHERE number = $1", DB_ARGS(DB_N(number)),
	                          copy_ref, ref, NULL),
	                 1);
	return ASK(o, ROLE_CLERK, "{s:s, s:s}", "op", "ticket", "ref", ref);
}

static void test_ahead(void **state)
{
	struct ops o = ops_open(state, 7);

	for (int i = 1; i <= 4; i++)
		assert_taken(ops_book(&o, 1, TUESDAY, 480 + 30 * (i / 2), i));
	assert_null(json_object_get(ticket(&o, 1), "ahead"));
	arrives(&o, 3, FIXTURE_NOW);
	arrives(&o, 1, FIXTURE_NOW + 1);
	arrives(&o, 2, FIXTURE_NOW + 1); /* at once: by number */
	assert_int_equal(ops_number(ticket(&o, 3), "ahead"), 0);
	assert_non_null(json_object_get(o.answer, "ahead"));
	assert_int_equal(ops_number(ticket(&o, 1), "ahead"), 1);
	assert_int_equal(ops_number(ticket(&o, 2), "ahead"), 2);

	/* to the other room: it is shown, the label stays, and who waits here moves up */
	assert_int_equal(db_run(o.f->db, "UPDATE booking SET moved = 2 WHERE number = 3", DB_NONE, NULL), 1);
	assert_int_equal(ops_number(ticket(&o, 3), "room"), 2);
	assert_string_equal(ops_text(o.answer, "label"), "A003");
	assert_int_equal(ops_number(o.answer, "ahead"), 0);
	assert_int_equal(ops_number(ticket(&o, 1), "ahead"), 0);
	ops_close(&o);
}

static void test_purged(void **state)
{
	struct ops o = ops_open(state, 7);

	assert_taken(ops_book(&o, 1, TUESDAY, 480, 1));
	assert_int_equal(db_run(o.f->db, "UPDATE booking SET person = NULL, phone_hash = NULL", DB_NONE, NULL), 1);
	assert_string_equal(ops_text(ticket(&o, 1), "name"), "");
	assert_string_equal(ops_text(o.answer, "phone"), "");
	assert_string_equal(ops_text(o.answer, "label"), "A001");
	ops_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_ticket),
		BOTH(test_moved_row_is_noticed),
		BOTH(test_ahead),
		BOTH(test_purged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
