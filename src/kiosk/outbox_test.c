/* What the hospital's system hears, over both databases. */
#include "kiosk/ops_fixture.h"
#include "kiosk/outbox.h"

#define MONDAY "2026-11-23"

static void test_wait(void **state)
{
	assert_int_equal(outbox_wait(0), 10 * CLOCK_S);
	assert_int_equal(outbox_wait(1), 10 * CLOCK_S);
	assert_int_equal(outbox_wait(2), 20 * CLOCK_S);
	assert_int_equal(outbox_wait(9), (int64_t)2560 * CLOCK_S);
	assert_int_equal(outbox_wait(10), (int64_t)3600 * CLOCK_S);
	assert_int_equal(outbox_wait(INT64_MAX), (int64_t)3600 * CLOCK_S);
}

static json_t *list(struct ops *o)
{
	json_t *a = ASK(o, ROLE_HOSPITAL, "{s:s}", "op", "outbox");
	assert_taken(a);
	return json_object_get(a, "items");
}

/* The i-th that is due. The caller frees it. */
static json_t *appointment(struct ops *o, size_t i)
{
	const char *text = ops_text(json_array_get(list(o), i), "appointment");
	json_t *a = json_loads(text, 0, NULL);
	if (!a)
		fail_msg("no JSON: %s", text);
	assert_string_equal(ops_text(a, "resourceType"), "Appointment");
	return a;
}

static json_t *first_of(const json_t *object, const char *name)
{
	return json_array_get(json_object_get(object, name), 0);
}

static void test_booked(void **state)
{
	struct ops o = ops_open(state, 7);
	assert_int_equal(json_array_size(list(&o)), 0);
	assert_int_equal(ops_number(o.answer, "waiting"), 0);
	json_t *booked = json_incref(ops_book(&o, 1, MONDAY, 510, 7));
	assert_taken(booked);
	json_t *a = appointment(&o, 0);
	assert_int_equal(ops_number(o.answer, "waiting"), 1);
	assert_string_equal(ops_text(json_array_get(list(&o), 0), "what"), "booked");
	assert_int_equal(ops_number(json_array_get(list(&o), 0), "tries"), 0);
	assert_string_equal(ops_text(first_of(a, "identifier"), "value"), ops_text(booked, "ref"));
	assert_string_equal(ops_text(a, "status"), "booked");
	assert_string_equal(ops_text(a, "start"), "2026-11-23T08:30:00+07:00");
	assert_string_equal(ops_text(a, "end"), "2026-11-23T09:00:00+07:00");
	assert_int_equal(ops_number(a, "minutesDuration"), 30);
	assert_string_equal(ops_text(a, "created"), "2026-11-23T07:00:00+07:00");
	assert_string_equal(ops_text(first_of(a, "serviceType"), "text"), "Nội");
	assert_string_equal(ops_text(first_of(a, "supportingInformation"), "reference"), "Schedule/room-1");
	assert_null(json_object_get(a, "priority"));
	/* the person */
	const json_t *patient = first_of(a, "contained");
	assert_string_equal(ops_text(patient, "resourceType"), "Patient");
	assert_string_equal(ops_text(first_of(patient, "name"), "text"), "Nguyễn Văn An");
	assert_string_equal(ops_text(first_of(patient, "telecom"), "system"), "phone");
	assert_string_equal(ops_text(first_of(patient, "telecom"), "value"), "+84912300007");
	assert_string_equal(ops_text(patient, "birthDate"), "1980");
	const json_t *who = json_object_get(first_of(a, "participant"), "actor");
	assert_string_equal(ops_text(who, "reference"), "#person");
	assert_string_equal(ops_text(who, "display"), "Nguyễn Văn An");
	/* and the room */
	const json_t *room = json_array_get(json_object_get(a, "participant"), 1);
	assert_string_equal(ops_text(json_object_get(room, "actor"), "reference"), "Location/room-1");
	assert_string_equal(ops_text(json_object_get(room, "actor"), "display"), "Phòng");
	assert_string_equal(ops_text(room, "status"), "accepted");
	json_decref(a);
	json_decref(booked);
	ops_close(&o);
}

static void status_is(struct ops *o, size_t i, const char *status)
{
	json_t *a = appointment(o, i);
	assert_string_equal(ops_text(a, "status"), status);
	json_decref(a);
}

/* Every change is a row, and each of them says what is so now. */
static void test_states(void **state)
{
	struct ops o = ops_open(state, 7);
	char ref[32];
	snprintf(ref, sizeof(ref), "%s", ops_text(ops_book(&o, 1, MONDAY, 510, 7), "ref"));
	assert_taken(ASK(&o, ROLE_CLERK, "{s:s, s:s, s:i, s:i, s:b}", "op", "arrive", "day", MONDAY, "room", 1,
	                 "number", 1, "priority", 1));
	assert_int_equal(json_array_size(list(&o)), 2);
	status_is(&o, 0, "arrived");
	json_t *a = appointment(&o, 1);
	assert_int_equal(ops_number(a, "priority"), 1);
	json_decref(a);
	assert_taken(ASK(&o, ROLE_CLERK, "{s:s, s:i}", "op", "next", "room", 1));
	status_is(&o, 0, "arrived");
	assert_taken(ASK(&o, ROLE_CLERK, "{s:s, s:s}", "op", "done", "ref", ref));
	assert_int_equal(json_array_size(list(&o)), 3);
	status_is(&o, 0, "fulfilled");
	status_is(&o, 2, "fulfilled");
	/* another one is missed, a third cancels */
	ops_book(&o, 1, MONDAY, 510, 8);
	assert_int_equal(db_run(o.f->db, "UPDATE booking SET state = 'missed' WHERE number = 2", DB_NONE, NULL), 1);
	status_is(&o, 3, "noshow");
	assert_int_equal(db_run(o.f->db, "UPDATE booking SET state = 'cancelled' WHERE number = 2", DB_NONE, NULL), 1);
	status_is(&o, 3, "cancelled");
	ops_close(&o);
}

/* Who came without a slot, without a name, and early in the year 1970 on no clock of ours. */
static void test_walk_in(void **state)
{
	struct ops o = ops_open(state, 8);
	assert_taken(ASK(&o, ROLE_CLERK, "{s:s, s:i, s:s}", "op", "walk-in", "room", 1, "lang", "vi"));
	json_t *a = appointment(&o, 0);
	assert_string_equal(ops_text(a, "status"), "arrived");
	assert_string_equal(ops_text(a, "start"), "2026-11-23T08:00:00+07:00");
	assert_string_equal(ops_text(a, "end"), "2026-11-23T08:15:00+07:00");
	assert_null(json_object_get(a, "contained"));
	assert_int_equal(json_array_size(json_object_get(a, "participant")), 1);
	json_decref(a);
	/* one whose person was purged, or is damaged, doesn't hold up the others */
	ops_book(&o, 1, MONDAY, 570, 1);
	assert_int_equal(db_run(o.f->db, "UPDATE booking SET person = NULL", DB_NONE, NULL), 2);
	assert_int_equal(json_array_size(list(&o)), 2);
	static const char damage[] = "UPDATE booking SET person = $1";
	assert_int_equal(
	        db_run(o.f->db, damage, DB_ARGS(DB_B(STR("not sealed at all, but of enough bytes for it"))), NULL), 2);
	assert_int_equal(json_array_size(list(&o)), 2);
	a = appointment(&o, 1);
	assert_null(json_object_get(a, "contained"));
	json_decref(a);
	ops_close(&o);
}

static int64_t id_of(struct ops *o, size_t i)
{
	return ops_number(json_array_get(list(o), i), "id");
}

static json_t *failed(struct ops *o, int64_t id, const char *why)
{
	return ASK(o, ROLE_KIOSK, "{s:s, s:I, s:s}", "op", "outbox-failed", "id", (json_int_t)id, "why", why);
}

static void test_sent_and_failed(void **state)
{
	struct ops o = ops_open(state, 7);
	ops_book(&o, 1, MONDAY, 510, 1);
	ops_book(&o, 1, MONDAY, 510, 2);
	int64_t one = id_of(&o, 0), two = id_of(&o, 1), now = o.f->clock.wall_us;
	/* the first fails: it waits, and the second goes on */
	assert_int_equal(ops_number(failed(&o, one, "http 503"), "next"), now + 10 * CLOCK_S);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM outbox WHERE why = 'http 503' AND tries = 1"), 1);
	assert_int_equal(json_array_size(list(&o)), 1);
	assert_int_equal(ops_number(o.answer, "waiting"), 2);
	assert_int_equal(id_of(&o, 0), two);
	assert_taken(ASK(&o, ROLE_HOSPITAL, "{s:s, s:I}", "op", "outbox-sent", "id", (json_int_t)two));
	assert_int_equal(json_array_size(list(&o)), 0);
	clock_advance(&o.f->clock, 10 * CLOCK_S);
	assert_int_equal(id_of(&o, 0), one);
	assert_int_equal(ops_number(failed(&o, one, "http 503"), "next"), now + 30 * CLOCK_S);
	clock_advance(&o.f->clock, 20 * CLOCK_S - 1);
	assert_int_equal(json_array_size(list(&o)), 0);
	clock_advance(&o.f->clock, 1);
	assert_int_equal(ops_number(json_array_get(list(&o), 0), "tries"), 2);
	for (int i = 0; i < 20; i++)
		failed(&o, one, "timeout");
	assert_int_equal(ops_number(o.answer, "next"), o.f->clock.wall_us + 3600 * (int64_t)CLOCK_S);
	/* acknowledged twice is once; what there isn't, and what was sent, can't fail */
	for (int i = 0; i < 2; i++)
		assert_taken(ASK(&o, ROLE_HOSPITAL, "{s:s, s:I}", "op", "outbox-sent", "id", (json_int_t)one));
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM outbox WHERE sent = 0 OR why <> ''"), 0);
	assert_refused(failed(&o, one, "http 503"), "unknown");
	assert_refused(failed(&o, 99, "http 503"), "unknown");
	assert_refused(ASK(&o, ROLE_HOSPITAL, "{s:s, s:i}", "op", "outbox-sent", "id", 99), "unknown");
	assert_refused(ASK(&o, ROLE_HOSPITAL, "{s:s}", "op", "outbox-sent"), "unknown");
	ops_close(&o);
}

/* Whoever isn't the hospital gets nothing; what its system says never carries a name into the database. */
static void test_closed(void **state)
{
	static const char *const words[] = { "404 Nguyễn Văn An",
		                             "Nguyen Van An",
		                             "",
		                             "http 5030",
		                             "http 503 An",
		                             "HTTP 503",
		                             "http-nguyen-van-an-0912300001",
		                             "abcdefghijklmnopqrstuvwxyz" };
	struct ops o = ops_open(state, 7);
	ops_book(&o, 1, MONDAY, 510, 1);
	assert_refused(ASK(&o, ROLE_ANYBODY, "{s:s}", "op", "outbox"), "session");
	assert_refused(ASK(&o, ROLE_BANK, "{s:s, s:i}", "op", "outbox-sent", "id", 1), "session");
	assert_refused(ASK(&o, ROLE_ANYBODY, "{s:s, s:i}", "op", "outbox-failed", "id", 1), "session");
	int64_t id = id_of(&o, 0);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		assert_taken(failed(&o, id, words[i]));
		assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM outbox WHERE why = 'other'"), 1);
		assert_int_equal(db_run(o.f->db, "UPDATE outbox SET why = ''", DB_NONE, NULL), 1);
	}
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM change WHERE call LIKE '%Nguy%' OR call LIKE '%0912%'"),
	                 0);
	ops_close(&o);
}

static void test_bounded(void **state)
{
	enum { N = OUTBOX_AT_ONCE + 20 };
	struct ops o = ops_open(state, 7);
	ops_book(&o, 1, MONDAY, 510, 1);
	static const char more[] =
	        "INSERT INTO outbox SELECT 1000 + $1, ref, what, made, 0, next, 0, '' FROM outbox WHERE id = 1";
	for (int i = 1; i < N; i++)
		assert_int_equal(db_run(o.f->db, more, DB_ARGS(DB_N(i)), NULL), 1);
	assert_int_equal(json_array_size(list(&o)), OUTBOX_AT_ONCE);
	assert_int_equal(ops_number(o.answer, "waiting"), N);
	json_t *a = ASK(&o, ROLE_HOSPITAL, "{s:s, s:i}", "op", "outbox", "n", 3);
	assert_int_equal(json_array_size(json_object_get(a, "items")), 3);
	assert_int_equal(ops_number(json_array_get(json_object_get(a, "items"), 2), "id"), 1002);
	for (int n = -1; n < 2000; n += 1001) {
		a = ASK(&o, ROLE_HOSPITAL, "{s:s, s:i}", "op", "outbox", "n", n);
		assert_int_equal(json_array_size(json_object_get(a, "items")), OUTBOX_AT_ONCE);
	}
	ops_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wait), BOTH(test_booked), BOTH(test_states),  BOTH(test_walk_in),
		BOTH(test_sent_and_failed),  BOTH(test_closed), BOTH(test_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
