/* Slots of the hospital's system, over both databases. */
#include "kiosk/fhir_slot.h"
#include "kiosk/ops_fixture.h"

#define MONDAY  "2026-11-23"
#define TUESDAY "2026-11-24"

/* `times` Slots of a room on a day at an hour, half an hour each. */
struct want {
	int room, hour, times;
	const char *day, *status;
};

static void add(struct buf *out, const struct want *w, const char *id)
{
	for (int i = 0; i < w->times; i++)
		buf_printf(out,
		           "%s{\"resource\":{\"resourceType\":\"Slot\",\"id\":\"%s\",\"schedule\":{\"reference\":"
		           "\"Schedule/room-%d\"},\"status\":\"%s\",\"start\":\"%sT%02d:00:00+07:00\","
		           "\"end\":\"%sT%02d:30:00+07:00\"}}",
		           out->p[out->n - 1] == '[' ? "" : ",", id, w->room, w->status, w->day, w->hour, w->day,
		           w->hour);
}

static json_t *send(struct ops *o, const struct want *wants, size_t n)
{
	struct buf json = { 0 };
	char id[24];
	buf_add(&json, STR("{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":["));
	for (size_t i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "w%zu", i);
		add(&json, &wants[i], id);
	}
	buf_add(&json, STR("]}"));
	json_t *a = ASK(o, ROLE_HOSPITAL, "{s:s, s:s%}", "op", "fhir-slots", "bundle", json.p, json.n);
	buf_free(&json);
	return a;
}
#define SEND(o, ...)                                                                                                   \
	send(o, (const struct want[]){ __VA_ARGS__ },                                                                  \
	     sizeof((const struct want[]){ __VA_ARGS__ }) / sizeof(struct want))

/* Free places, or -1: there is no such slot. */
static int64_t free_at(struct ops *o, int room, const char *day, int start)
{
	json_t *item;
	size_t i;
	ASK(o, ROLE_ANYBODY, "{s:s, s:i, s:i, s:s}", "op", "slots", "specialty", 1, "room", room, "day", day);
	json_array_foreach(json_object_get(o->answer, "slots"), i, item)
	{
		if (ops_number(item, "start") == start)
			return ops_number(item, "free");
	}
	return -1;
}

static void test_taken(void **state)
{
	struct ops o = ops_open(state, 7);
	json_t *a = SEND(&o, { 1, 15, 1, MONDAY, "free" }, { 2, 16, 3, TUESDAY, "free" });
	assert_taken(a);
	assert_int_equal(ops_number(a, "taken"), 4);
	assert_int_equal(json_array_size(json_object_get(a, "refused")), 0);
	assert_int_equal(free_at(&o, 1, MONDAY, 900), 1);
	assert_int_equal(free_at(&o, 2, TUESDAY, 960), 3);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM slot WHERE source = 'fhir' AND minutes = 30"), 2);
	assert_int_equal(free_at(&o, 1, MONDAY, 480), 2); /* those of the hours are as they were */
	assert_taken(ops_book(&o, 1, MONDAY, 900, 1));
	assert_refused(ops_book(&o, 1, MONDAY, 900, 2), "slot-full");
	/* the hospital's word goes before that of the hours, also when these are looked at again */
	SEND(&o, { 1, 8, 1, TUESDAY, "free" });
	assert_int_equal(free_at(&o, 1, TUESDAY, 480), 1);
	clock_advance(&o.f->clock, OPS_MINUTE);
	assert_taken(ASK(&o, ROLE_KIOSK, "{s:s}", "op", "upkeep"));
	assert_int_equal(free_at(&o, 1, TUESDAY, 480), 1);
	ops_close(&o);
}

static void test_gone(void **state)
{
	struct ops o = ops_open(state, 7);
	assert_int_equal(ops_number(SEND(&o, { 1, 8, 1, TUESDAY, "entered-in-error" }), "taken"), 1);
	assert_int_equal(free_at(&o, 1, TUESDAY, 480), -1);
	assert_refused(ops_book(&o, 1, TUESDAY, 480, 1), "slot-gone");
	/* one of two is a slip, the other is there */
	SEND(&o, { 1, 8, 1, TUESDAY, "entered-in-error" }, { 1, 8, 1, TUESDAY, "free" });
	assert_int_equal(free_at(&o, 1, TUESDAY, 480), 1);
	SEND(&o, { 1, 8, 2, TUESDAY, "busy" });
	assert_int_equal(free_at(&o, 1, TUESDAY, 480), 0);
	assert_refused(ops_book(&o, 1, TUESDAY, 480, 1), "slot-full");
	ops_close(&o);
}

static void tell_all(struct ops *o)
{
	json_t *item, *items = json_incref(json_object_get(ASK(o, ROLE_HOSPITAL, "{s:s}", "op", "outbox"), "items"));
	size_t i;
	json_array_foreach(items, i, item)
	        ASK(o, ROLE_HOSPITAL, "{s:s, s:O}", "op", "outbox-sent", "id", json_object_get(item, "id"));
	json_decref(items);
}

/* Of the busy ones those are ours that the hospital has heard of: they take no place twice, and none is given twice. */
static void test_busy(void **state)
{
	struct ops o = ops_open(state, 7);
	SEND(&o, { 2, 15, 3, MONDAY, "free" });
	assert_taken(ops_book(&o, 2, MONDAY, 900, 1));
	assert_int_equal(free_at(&o, 2, MONDAY, 900), 2);
	/* it hasn't heard: the busy one is somebody else */
	SEND(&o, { 2, 15, 2, MONDAY, "free" }, { 2, 15, 1, MONDAY, "busy" });
	assert_int_equal(free_at(&o, 2, MONDAY, 900), 1);
	/* it hasn't heard, and says that three are free: of them one is taken */
	SEND(&o, { 2, 15, 3, MONDAY, "free" });
	assert_int_equal(free_at(&o, 2, MONDAY, 900), 2);
	/* it has: the busy one is ours */
	tell_all(&o);
	SEND(&o, { 2, 15, 2, MONDAY, "free" }, { 2, 15, 1, MONDAY, "busy-tentative" });
	assert_int_equal(free_at(&o, 2, MONDAY, 900), 2);
	/* of two that are busy one is ours */
	SEND(&o, { 2, 15, 1, MONDAY, "free" }, { 2, 15, 2, MONDAY, "busy" });
	assert_int_equal(free_at(&o, 2, MONDAY, 900), 1);
	/* all of them are */
	SEND(&o, { 2, 15, 2, MONDAY, "free" }, { 2, 15, 1, MONDAY, "busy" });
	assert_taken(ops_book(&o, 2, MONDAY, 900, 2));
	assert_taken(ops_book(&o, 2, MONDAY, 900, 3));
	tell_all(&o);
	SEND(&o, { 2, 15, 3, MONDAY, "busy-unavailable" });
	assert_int_equal(free_at(&o, 2, MONDAY, 900), 0);
	assert_refused(ops_book(&o, 2, MONDAY, 900, 4), "slot-full");
	assert_int_equal(ops_count(&o, "SELECT taken FROM slot WHERE start = 900"), 3);
	ops_close(&o);
}

static const char *why(const json_t *answer, size_t i)
{
	return ops_text(json_array_get(json_object_get(answer, "refused"), i), "why");
}

static void test_refused(void **state)
{
	struct ops o = ops_open(state, 7);
	json_t *a = SEND(&o, { 1, 15, 1, "2026-11-22", "free" }, { 1, 15, 1, "2027-11-25", "free" },
	                 { 1, 15, 1, MONDAY, "maybe" }, { 3, 15, 2, MONDAY, "free" }, { 1, 15, 1, MONDAY, "free" });
	assert_taken(a);
	assert_int_equal(ops_number(a, "taken"), 1);
	assert_int_equal(json_array_size(json_object_get(a, "refused")), 4);
	assert_string_equal(why(a, 0), "past");
	assert_string_equal(why(a, 1), "far");
	assert_string_equal(why(a, 2), "status");
	assert_string_equal(why(a, 3), "room");
	assert_string_equal(ops_text(json_array_get(json_object_get(a, "refused"), 3), "id"), "w3");
	a = ASK(&o, ROLE_HOSPITAL, "{s:s, s:s}", "op", "fhir-slots", "bundle", "{\"resourceType\":\"Patient\"}");
	assert_refused(a, "body");
	assert_refused(ASK(&o, ROLE_HOSPITAL, "{s:s}", "op", "fhir-slots"), "body");
	assert_refused(ASK(&o, ROLE_ANYBODY, "{s:s, s:s}", "op", "fhir-slots", "bundle", "{}"), "session");
	assert_refused(ASK(&o, ROLE_CLERK | ROLE_ADMIN, "{s:s, s:s}", "op", "fhir-slots", "bundle", "{}"), "session");
#define LENGTH(start, end)                                                                                             \
	"{\"resourceType\":\"Slot\",\"schedule\":{\"reference\":\"Schedule/room-1\"},\"status\":\"free\",\"start\":"   \
	"\"2026-11-24T" start ":00+07:00\",\"end\":\"2026-11-24T" end ":00+07:00\"}"
	static const char *const lengths[] = { LENGTH("08:00", "08:04"), LENGTH("08:00", "16:01") };
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		a = ASK(&o, ROLE_HOSPITAL, "{s:s, s:s}", "op", "fhir-slots", "bundle", lengths[i]);
		assert_string_equal(why(a, 0), "length");
		assert_int_equal(ops_number(a, "taken"), 0);
	}
	ops_close(&o);
}

/* What was sent isn't kept, only what of it is a slot. */
static void test_change(void **state)
{
	struct ops o = ops_open(state, 7);
	static const char bundle[] =
	        "{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"p\","
	        "\"name\":[{\"text\":\"Nguyen Van An\"}]}},{\"resource\":{\"resourceType\":\"Slot\",\"id\":\"s\","
	        "\"comment\":\"for Nguyen Van "
	        "An\",\"schedule\":{\"reference\":\"Schedule/room-1\"},\"status\":\"free\","
	        "\"start\":\"2026-11-24T18:30:00-05:00\",\"end\":\"2026-11-24T18:45:00-05:00\"}}]}";
	json_t *a = ASK(&o, ROLE_HOSPITAL, "{s:s, s:s}", "op", "fhir-slots", "bundle", bundle);
	assert_int_equal(ops_number(a, "taken"), 1);
	assert_string_equal(why(a, 0), "resource");
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM change WHERE call LIKE '%fhir-slots%'"), 1);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM change WHERE call LIKE '%Nguyen%'"), 0);
	/* on the clinic's clock it is Wednesday, 6:30 */
	assert_int_equal(
	        ops_count(&o, "SELECT COUNT(*) FROM slot WHERE day = '2026-11-25' AND start = 390 AND minutes = 15"),
	        1);
	ops_close(&o);
}

static void follow(void *arg, const struct desk_change *change)
{
	struct err err = { 0 };
	if (desk_follow(arg, change, 1, &err))
		fail_msg("%s", err.text);
}

/* The other kiosk has the other database, and comes to the same answers and rows. */
static void test_followed(void **state)
{
	static const char sum[] = "SELECT SUM((places * 7 + taken) * 11 + room + start + closed) FROM slot";
	static const char told[] = "SELECT SUM(id + 3 * tries + next / 1000000 + sent / 1000000) FROM outbox";
	struct fixture one, two, *first = &one;
	struct err err = { 0 };
	struct desk *other;
	fixture_open(&two, DB_POSTGRESQL);
	fixture_open(&one, DB_SQLITE);
	struct ops o = ops_open((void **)&first, 7);
	const struct desk_config config = { .db = two.db, .seal = one.seal, .clock = &two.clock };
	if (desk_new(&other, &config, &err))
		fail_msg("%s", err.text);
	SEND(&o, { 2, 15, 3, MONDAY, "free" }, { 1, 8, 1, TUESDAY, "entered-in-error" }, { 3, 8, 1, TUESDAY, "free" });
	assert_taken(ops_book(&o, 2, MONDAY, 900, 1));
	assert_taken(ops_book(&o, 2, MONDAY, 900, 2));
	ASK(&o, ROLE_KIOSK, "{s:s, s:i, s:s}", "op", "outbox-failed", "id", 1, "why", "http 503");
	ASK(&o, ROLE_HOSPITAL, "{s:s, s:i}", "op", "outbox-sent", "id", 2);
	SEND(&o, { 2, 15, 1, MONDAY, "free" }, { 2, 15, 2, MONDAY, "busy" });
	assert_int_equal(free_at(&o, 2, MONDAY, 900), 0);
	assert_int_equal(desk_changes(o.desk, 0, 1000, follow, other, &err), desk_seq(o.desk));
	struct ops there = { .f = &two, .desk = other };
	assert_int_equal(ops_count(&o, sum), ops_count(&there, sum));
	assert_int_equal(ops_count(&o, told), ops_count(&there, told));
	assert_int_equal(free_at(&there, 2, MONDAY, 900), 0);
	ops_close(&there);
	ops_close(&o);
	fixture_close(&two);
	fixture_close(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_taken),   BOTH(test_gone),   BOTH(test_busy),
		BOTH(test_refused), BOTH(test_change), cmocka_unit_test(test_followed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
