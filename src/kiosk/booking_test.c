#include "kiosk/booking.h"
#include "kiosk/ops_fixture.h"

#define MONDAY  "2026-11-23"
#define TUESDAY "2026-11-24"

static json_t *lookup(struct ops *o, const char *code, const char *phone)
{
	return ASK(o, ROLE_ANYBODY, "{s:s, s:s, s:s}", "op", "lookup", "code", code, "phone", phone);
}

static json_t *cancel(struct ops *o, const char *code, const char *phone)
{
	return ASK(o, ROLE_ANYBODY, "{s:s, s:s, s:s}", "op", "cancel", "code", code, "phone", phone);
}

static json_t *slots(struct ops *o, int room, const char *day)
{
	ASK(o, ROLE_ANYBODY, "{s:s, s:i, s:i, s:s}", "op", "slots", "specialty", 1, "room", room, "day", day);
	return json_object_get(o->answer, "slots");
}

static int64_t free_at(struct ops *o, int room, const char *day, int start)
{
	json_t *slot;
	size_t i;

	json_array_foreach(slots(o, room, day), i, slot)
	{
		if (ops_number(slot, "room") == room && ops_number(slot, "start") == start)
			return ops_number(slot, "free");
	}
	return -1;
}

static void copy_code(const json_t *answer, char code[16])
{
	snprintf(code, 16, "%s", ops_text(answer, "code"));
	assert_int_equal(strlen(code), CODE_LENGTH);
}

/* --- what can be booked --- */

static void test_places(void **state)
{
	struct ops o = ops_open(state, 7);
	json_t *a = ASK(&o, ROLE_ANYBODY, "{s:s}", "op", "places");

	assert_string_equal(ops_text(a, "from"), MONDAY);
	assert_string_equal(ops_text(a, "to"), "2026-12-23");
	assert_string_equal(ops_text(a, "clinic"), "Phòng khám");
	json_t *specialty = json_array_get(json_object_get(a, "specialties"), 0);
	assert_string_equal(ops_text(json_object_get(specialty, "name"), "zh"), "Nội");
	assert_int_equal(ops_number(specialty, "fee"), 150000);
	assert_int_equal(json_array_size(json_object_get(a, "rooms")), 2);

	/* a room that is closed isn't there, nor are its slots */
	ASK(&o, ROLE_ADMIN, "{s:s, s:i, s:i, s:s, s:s, s:b}", "op", "room-put", "id", 2, "specialty", 1, "name", "P",
	    "letter", "B", "active", 0);
	a = ASK(&o, ROLE_ANYBODY, "{s:s}", "op", "places");
	assert_int_equal(json_array_size(json_object_get(a, "rooms")), 1);
	assert_int_equal(json_array_size(slots(&o, 2, MONDAY)), 0);
	assert_refused(ops_book(&o, 2, MONDAY, 780, 1), "slot-gone");
	ops_close(&o);
}

static const json_t *day_of(struct ops *o, int room, const char *day)
{
	json_t *item;
	size_t i;

	ASK(o, ROLE_ANYBODY, "{s:s, s:i, s:i}", "op", "days", "specialty", 1, "room", room);
	json_array_foreach(json_object_get(o->answer, "days"), i, item)
	{
		if (strcmp(ops_text(item, "day"), day) == 0)
			return item;
	}
	return NULL;
}

static void test_days_and_slots(void **state)
{
	struct ops o = ops_open(state, 7);

	/* 7:00, an hour's lead: all four of the morning, and the two of room 2 */
	const json_t *day = day_of(&o, 0, MONDAY);
	assert_int_equal(ops_number(day, "places"), 10);
	assert_int_equal(ops_number(day, "free"), 10);
	assert_int_equal(ops_number(day_of(&o, 1, TUESDAY), "free"), 8);
	assert_null(day_of(&o, 2, TUESDAY));
	assert_null(day_of(&o, 0, "2026-11-25"));
	/* Mondays and Tuesdays to 23 December, sorted */
	json_t *days = json_object_get(o.answer, "days");
	assert_int_equal(json_array_size(days), 10);
	for (size_t i = 1; i < json_array_size(days); i++)
		assert_true(strcmp(ops_text(json_array_get(days, i - 1), "day"),
		                   ops_text(json_array_get(days, i), "day")) < 0);

	assert_taken(ops_book(&o, 1, MONDAY, 480, 1));
	assert_int_equal(ops_number(day_of(&o, 0, MONDAY), "free"), 9);
	assert_int_equal(free_at(&o, 1, MONDAY, 480), 1);
	assert_int_equal(json_array_size(slots(&o, 0, MONDAY)), 6);
	clock_advance(&o.f->clock, 1); /* the lead has begun */
	assert_int_equal(json_array_size(slots(&o, 0, MONDAY)), 5);
	assert_int_equal(free_at(&o, 1, MONDAY, 480), -1);
	assert_int_equal(ops_number(day_of(&o, 1, MONDAY), "places"), 6);
	assert_int_equal(json_array_size(slots(&o, 0, "' OR 1=1")), 0);
	assert_int_equal(json_array_size(slots(&o, 0, "2026-11-30 ")), 0);
	ops_close(&o);
}

/* --- book --- */

static void test_book(void **state)
{
	struct ops o = ops_open(state, 7);
	const json_t *a = ops_book(&o, 1, TUESDAY, 510, 7);
	char code[16];

	assert_taken(a);
	copy_code(a, code);
	assert_string_equal(ops_text(a, "state"), "booked");
	assert_string_equal(ops_text(a, "label"), "A001");
	assert_string_equal(ops_text(a, "day"), TUESDAY);
	assert_int_equal(ops_number(a, "start"), 510);
	assert_int_equal(ops_number(a, "number"), 1);
	assert_string_equal(ops_text(a, "room_name"), "Phòng");
	assert_string_equal(ops_text(json_object_get(a, "specialty"), "vi"), "Nội");
	assert_true(json_is_false(json_object_get(a, "priority")));
	assert_string_equal(ops_text(a, "phone"), "09****007");
	assert_null(strstr(ops_text(a, "name"), "Nguy"));
	assert_null(json_object_get(a, "born"));
	assert_null(json_object_get(a, "ahead"));
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM payment WHERE state = 'open' AND amount = 150000"), 1);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM outbox WHERE what = 'booked'"), 1);

	/* numbers are of the room and the day */
	assert_string_equal(ops_text(ops_book(&o, 1, TUESDAY, 510, 8), "label"), "A002");
	assert_string_equal(ops_text(ops_book(&o, 1, MONDAY, 510, 8), "label"), "A001");
	assert_string_equal(ops_text(ops_book(&o, 2, MONDAY, 780, 9), "label"), "B001");
	assert_refused(ops_book(&o, 1, TUESDAY, 510, 9), "slot-full");
	assert_refused(ops_book(&o, 1, TUESDAY, 511, 9), "slot-gone");
	assert_refused(ops_book(&o, 3, TUESDAY, 510, 9), "slot-gone");
	assert_refused(ops_book(&o, 1, "2026-11-31", 510, 9), "slot-gone");
	assert_refused(ops_book(&o, 1, TUESDAY, -1, 9), "slot-gone");
	assert_refused(ops_book(&o, 1, TUESDAY, 1440, 9), "slot-gone");
	assert_int_equal(ops_count(&o, "SELECT SUM(taken) FROM slot"), 4);
	ops_close(&o);
}

/* What could be anybody's, in whatever column it stands. */
static void has_nothing(struct str text)
{
	static const char *const secret[] = { "Nguy", "912300007", "10 chars", "0123456789", "pregnant" };

	for (size_t i = 0; i < ARRAY_LEN(secret); i++)
		assert_null(memmem(text.p, text.n, secret[i], strlen(secret[i])));
}

static int search_call(void *arg, const struct db_row *row)
{
	has_nothing(db_text(row, 0));
	assert_null(memmem(db_text(row, 0).p, db_text(row, 0).n, arg, CODE_LENGTH));
	return 0;
}

static int search_person(void *arg, const struct db_row *row)
{
	assert_true(db_bytes(row, 0).n > SEAL_EXTRA);
	has_nothing(db_bytes(row, 0));
	return 0;
}

static void test_nothing_plain_is_kept(void **state)
{
	struct ops o = ops_open(state, 7);
	char code[16];

	ASK(&o, ROLE_ANYBODY, "{s:s, s:i, s:s, s:i, s:s, s:s, s:i, s:s, s:s, s:s}", "op", "book", "room", 1, "day",
	    TUESDAY, "start", 510, "name", "Nguyễn Văn An", "phone", "0912 300 007", "born", 1980, "card", "0123456789",
	    "priority", "pregnant", "once", "10 chars");
	assert_taken(o.answer);
	copy_code(o.answer, code);
	assert_int_equal(json_is_true(json_object_get(o.answer, "priority")), 1);
	cancel(&o, code, "0912300007");
	assert_taken(o.answer);
	assert_true(db_query(o.f->db, "SELECT call FROM change", DB_NONE, search_call, code, NULL) > 8);
	assert_int_equal(db_query(o.f->db, "SELECT person FROM booking", DB_NONE, search_person, NULL, NULL), 1);
	ops_close(&o);
}

static void test_same_form(void **state)
{
	struct ops o = ops_open(state, 7);
	char *first = json_dumps(ops_book(&o, 1, TUESDAY, 510, 7), JSON_SORT_KEYS);
	char *again = json_dumps(ops_book(&o, 1, TUESDAY, 510, 7), JSON_SORT_KEYS);

	assert_string_equal(first, again); /* with the code */
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM booking"), 1);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM payment"), 1);
	assert_int_equal(ops_count(&o, "SELECT SUM(taken) FROM slot"), 1);

	/* the form of somebody else says nothing about them */
	ASK(&o, ROLE_ANYBODY, "{s:s, s:i, s:s, s:i, s:s, s:s, s:i, s:s}", "op", "book", "room", 1, "day", TUESDAY,
	    "start", 510, "name", "Nguyễn Văn An", "phone", "0912399999", "born", 1980, "once",
	    "form-1-2026-11-24-510-7");
	assert_taken(o.answer);
	assert_int_equal(ops_number(o.answer, "number"), 2);
	free(first);
	free(again);
	ops_close(&o);
}

static json_t *book_as(struct ops *o, const char *name, const char *phone, int born, const char *card,
                       const char *reason)
{
	return ASK(o, ROLE_ANYBODY, "{s:s, s:i, s:s, s:i, s:s, s:s, s:i, s:s, s:s}", "op", "book", "room", 1, "day",
	           TUESDAY, "start", 480, "name", name, "phone", phone, "born", born, "card", card, "priority", reason);
}

static void test_what_people_write(void **state)
{
	struct ops o = ops_open(state, 7);

	assert_refused(book_as(&o, " ", "0912345678", 1980, "", ""), "name");
	assert_refused(book_as(&o, "12 34", "0912345678", 1980, "", ""), "name");
	assert_refused(book_as(&o, "An\nBình", "0912345678", 1980, "", ""), "name");
	assert_refused(book_as(&o, "An\u202egnp.exe", "0912345678", 1980, "", ""), "name");
	assert_string_equal(ops_text(o.answer, "field"), "name");
	assert_refused(book_as(&o, "An", "0912", 1980, "", ""), "phone");
	assert_refused(book_as(&o, "An", "", 1980, "", ""), "phone");
	assert_refused(book_as(&o, "An", "0912345678", 1899, "", ""), "born");
	assert_refused(book_as(&o, "An", "0912345678", 2027, "", ""), "born");
	assert_refused(book_as(&o, "An", "0912345678", 0, "", ""), "born");
	assert_refused(book_as(&o, "An", "0912345678", 1980, "12345678901", ""), "card");
	assert_refused(book_as(&o, "An", "0912345678", 1980, "D14797915071245", ""), "card");
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM booking"), 0);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM change WHERE call LIKE '%book%'"), 0);

	assert_taken(book_as(&o, "An", "0912345678", 1980, "dn 47979 15071245", "king"));
	assert_true(json_is_false(json_object_get(o.answer, "priority"))); /* no reason that counts */
	assert_taken(book_as(&o, "An", "+84 912 345 679", 2021, "", ""));
	assert_true(json_is_true(json_object_get(o.answer, "priority")));
	ops_close(&o);
}

static void test_priority(void **state)
{
	static const struct {
		int born;
		const char *reason;
		int priority;
	} of[] = {
		{ 2026, "", 1 }, { 2021, "", 1 }, { 2020, "", 0 },          { 1952, "", 0 },
		{ 1951, "", 1 }, { 1900, "", 1 }, { 1990, "emergency", 1 }, { 1990, "merit", 1 },
	};
	struct ops o = ops_open(state, 7);
	char phone[24];

	ASK(&o, ROLE_ADMIN, "{s:s, s:i, s:s, s:i, s:i}", "op", "slot-put", "room", 1, "day", TUESDAY, "start", 480,
	    "places", 100);
	for (size_t i = 0; i < ARRAY_LEN(of); i++) {
		snprintf(phone, sizeof(phone), "091234567%zu", i);
		assert_taken(book_as(&o, "An", phone, of[i].born, "", of[i].reason));
		assert_int_equal(json_is_true(json_object_get(o.answer, "priority")), of[i].priority);
	}
	/* only the counter makes an emergency of it */
	assert_int_equal(ops_count(&o, "SELECT MAX(priority) FROM booking"), 1);
	ops_close(&o);
}

static void test_per_phone(void **state)
{
	struct ops o = ops_open(state, 7);
	char code[16];

	assert_taken(ops_book(&o, 1, TUESDAY, 480, 1));
	copy_code(o.answer, code);
	assert_taken(ops_book(&o, 1, TUESDAY, 510, 1));
	assert_refused(ops_book(&o, 1, TUESDAY, 540, 1), "too-many");
	assert_int_equal(free_at(&o, 1, TUESDAY, 540), 2);
	assert_taken(ops_book(&o, 1, "2026-12-01", 480, 1)); /* another day */
	assert_taken(cancel(&o, code, "0912300001"));
	assert_taken(ops_book(&o, 1, TUESDAY, 540, 1)); /* what is cancelled doesn't count */
	assert_refused(ops_book(&o, 1, TUESDAY, 570, 1), "too-many");
	ASK(&o, ROLE_ADMIN, "{s:s, s:{s:s}}", "op", "set", "values", "per_phone", "3");
	assert_taken(ops_book(&o, 1, TUESDAY, 570, 1));
	ops_close(&o);
}

/* Over all days: one script with one phone doesn't fill a month. Who was there may come again. */
static void test_per_phone_ahead(void **state)
{
	static const char *const days[] = { TUESDAY, "2026-12-01", "2026-12-08" };
	struct ops o = ops_open(state, 7);
	char code[16];

	ASK(&o, ROLE_ADMIN, "{s:s, s:{s:s, s:s}}", "op", "set", "values", "per_phone_ahead", "3", "open_days", "30");
	ASK(&o, ROLE_KIOSK, "{s:s}", "op", "upkeep");
	for (size_t i = 0; i < ARRAY_LEN(days); i++)
		assert_taken(ops_book(&o, 1, days[i], 480, 1));
	copy_code(o.answer, code);
	assert_refused(ops_book(&o, 1, "2026-12-01", 510, 1), "too-many");
	assert_taken(ops_book(&o, 1, "2026-12-01", 510, 2)); /* others */
	assert_taken(cancel(&o, code, "0912300001"));
	assert_taken(ops_book(&o, 1, "2026-12-01", 510, 1));
	assert_refused(ops_book(&o, 1, "2026-12-08", 510, 1), "too-many");
	assert_int_equal(db_run(o.f->db,
	                        "UPDATE booking SET state = 'seen' WHERE day = '" TUESDAY "'"
	                        " AND phone_hash = (SELECT phone_hash FROM booking WHERE day = '" TUESDAY "')",
	                        DB_NONE, NULL),
	                 1);
	assert_taken(ops_book(&o, 1, "2026-12-08", 510, 1));
	ops_close(&o);
}

/* --- which days, and until when --- */

static void test_window(void **state)
{
	struct ops o = ops_open(state, 7);

	assert_taken(ops_book(&o, 1, MONDAY, 480, 1)); /* an hour ahead, to the second */
	clock_advance(&o.f->clock, 1);
	assert_refused(ops_book(&o, 1, MONDAY, 480, 2), "too-soon");
	assert_taken(ops_book(&o, 1, MONDAY, 510, 2));
	assert_refused(ops_book(&o, 1, "2026-11-17", 480, 3), "too-soon");
	assert_taken(ops_book(&o, 1, "2026-12-22", 480, 3));
	ASK(&o, ROLE_ADMIN, "{s:s, s:i, s:s, s:i, s:i}", "op", "slot-put", "room", 1, "day", "2026-12-24", "start", 480,
	    "places", 5);
	assert_refused(ops_book(&o, 1, "2026-12-24", 480, 4), "day-closed"); /* the 31st day */
	ops_close(&o);
}

static void test_midnight(void **state)
{
	struct ops o = ops_open(state, 7);

	ASK(&o, ROLE_ADMIN, "{s:s, s:{s:s}}", "op", "set", "values", "lead_minutes", "0");
	for (int start = 0; start <= 1435; start += 1435)
		ASK(&o, ROLE_ADMIN, "{s:s, s:i, s:s, s:i, s:i}", "op", "slot-put", "room", 1, "day",
		    start ? MONDAY : TUESDAY, "start", start, "places", 5);
	clock_test(&o.f->clock, FIXTURE_NOW + (1435 - 480) * OPS_MINUTE); /* 23:55 */
	assert_taken(ops_book(&o, 1, MONDAY, 1435, 1));
	clock_advance(&o.f->clock, 5 * OPS_MINUTE - 1); /* the day's last moment */
	assert_refused(ops_book(&o, 1, MONDAY, 1435, 2), "too-soon");
	assert_taken(ops_book(&o, 1, TUESDAY, 0, 2));
	assert_int_equal(ops_number(o.answer, "number"), 1);
	clock_advance(&o.f->clock, 1); /* 0:00 */
	assert_taken(ops_book(&o, 1, TUESDAY, 0, 3));
	assert_int_equal(ops_number(o.answer, "number"), 2); /* of the visit's day, not of when it was booked */
	clock_advance(&o.f->clock, 1);
	assert_refused(ops_book(&o, 1, TUESDAY, 0, 4), "too-soon");

	/* the lead reaches over midnight */
	clock_test(&o.f->clock, FIXTURE_NOW + (1410 - 480) * OPS_MINUTE); /* 23:30 */
	ASK(&o, ROLE_ADMIN, "{s:s, s:{s:s}}", "op", "set", "values", "lead_minutes", "60");
	assert_refused(ops_book(&o, 1, TUESDAY, 0, 5), "too-soon");
	assert_taken(ops_book(&o, 1, TUESDAY, 480, 5));

	/* an hour further east it is Tuesday already, 0:30, and the window's end is a day later */
	ASK(&o, ROLE_ADMIN, "{s:s, s:{s:s}}", "op", "set", "values", "zone", "480");
	ASK(&o, ROLE_ANYBODY, "{s:s}", "op", "places");
	assert_string_equal(ops_text(o.answer, "from"), TUESDAY);
	assert_string_equal(ops_text(o.answer, "to"), "2026-12-24");
	ops_close(&o);
}

static void test_holiday(void **state)
{
	struct ops o = ops_open(state, 7);

	assert_taken(ops_book(&o, 1, TUESDAY, 480, 1));
	ASK(&o, ROLE_ADMIN, "{s:s, s:s, s:i, s:s}", "op", "holiday-put", "day", TUESDAY, "room", 0, "name", "Nghỉ");
	assert_int_equal(ops_number(o.answer, "booked"), 1);
	assert_refused(ops_book(&o, 1, TUESDAY, 510, 2), "day-closed");
	const json_t *day = day_of(&o, 0, TUESDAY);
	assert_string_equal(ops_text(day, "holiday"), "Nghỉ");
	assert_int_equal(ops_number(day, "free"), 0);
	assert_int_equal(json_array_size(slots(&o, 0, TUESDAY)), 0);
	ASK(&o, ROLE_ADMIN, "{s:s, s:s, s:i}", "op", "holiday-remove", "day", TUESDAY, "room", 0);
	assert_taken(ops_book(&o, 1, TUESDAY, 510, 2));

	/* of one room */
	ASK(&o, ROLE_ADMIN, "{s:s, s:s, s:i, s:s}", "op", "holiday-put", "day", MONDAY, "room", 2, "name", "Nghỉ");
	assert_refused(ops_book(&o, 2, MONDAY, 780, 3), "day-closed");
	assert_taken(ops_book(&o, 1, MONDAY, 480, 3));
	assert_int_equal(ops_number(day_of(&o, 0, MONDAY), "places"), 8);
	assert_null(json_object_get(day_of(&o, 0, MONDAY), "holiday"));
	assert_string_equal(ops_text(day_of(&o, 2, MONDAY), "holiday"), "Nghỉ");
	/* both: one line of that day */
	ASK(&o, ROLE_ADMIN, "{s:s, s:s, s:i, s:s}", "op", "holiday-put", "day", MONDAY, "room", 0, "name", "Tết");
	assert_string_equal(ops_text(day_of(&o, 2, MONDAY), "holiday"), "Tết");
	assert_int_equal(json_array_size(json_object_get(o.answer, "days")), 5);
	ops_close(&o);
}

/* --- look up, cancel --- */

static void test_lookup(void **state)
{
	struct ops o = ops_open(state, 7);
	char code[16], shown[32], wrong[16];

	assert_taken(ops_book(&o, 1, TUESDAY, 480, 1));
	copy_code(o.answer, code);
	assert_taken(lookup(&o, code, "+84 912 300 001"));
	assert_string_equal(ops_text(o.answer, "label"), "A001");
	assert_null(json_object_get(o.answer, "code"));
	assert_null(json_object_get(o.answer, "born"));
	snprintf(shown, sizeof(shown), " %.5s-%.5s ", code, code + 5);
	assert_taken(lookup(&o, shown, "0912300001"));

	/* the answer is the same, byte for byte, whatever is wrong */
	memcpy(wrong, code, sizeof(wrong));
	memcpy(wrong, code[0] == '2' ? "3" : "2", 1);
	const char *const others[][2] = {
		{ code, "0912300002" },     { wrong, "0912300001" }, { "", "0912300001" }, { code, "" }, { "", "" },
		{ "' OR 1=1", "' OR 1=1" }, { code, "%" },
	};
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		char *text = json_dumps(lookup(&o, others[i][0], others[i][1]), JSON_SORT_KEYS);
		assert_string_equal(text, "{\"refused\": \"unknown\"}");
		free(text);
	}
	ops_close(&o);
}

static void test_ahead(void **state)
{
	struct ops o = ops_open(state, 7);
	char code[4][16], phone[24];

	for (int i = 0; i < 4; i++) {
		assert_taken(ops_book(&o, 1, MONDAY, i < 2 ? 480 : 510, i));
		copy_code(o.answer, code[i]);
		assert_int_equal(
		        db_run(o.f->db,
		               "UPDATE booking SET state = 'arrived', arrived = $1, priority = $2 WHERE number = $3",
		               DB_ARGS(DB_N(FIXTURE_NOW + i), DB_N(i == 3), DB_N(i + 1)), NULL),
		        1);
	}
	/* the one with priority came last, and is the first whose turn it is */
	static const int want[] = { 1, 2, 3, 0 };
	clock_test(&o.f->clock, FIXTURE_NOW + 40 * OPS_MINUTE);
	for (int i = 0; i < 4; i++) {
		snprintf(phone, sizeof(phone), "09123%05d", i);
		assert_int_equal(ops_number(lookup(&o, code[i], phone), "ahead"), want[i]);
		assert_non_null(json_object_get(o.answer, "ahead"));
	}
	ops_close(&o);
}

static void test_no_phone_no_lookup(void **state)
{
	struct ops o = ops_open(state, 7);

	/* a walk-in without a phone: its code alone opens nothing */
	assert_taken(ops_book(&o, 1, TUESDAY, 480, 1));
	char code[16];
	copy_code(o.answer, code);
	assert_int_equal(db_run(o.f->db, "UPDATE booking SET phone_hash = NULL", DB_NONE, NULL), 1);
	assert_refused(lookup(&o, code, "0912300001"), "unknown");
	assert_refused(lookup(&o, code, ""), "unknown");
	assert_refused(cancel(&o, code, ""), "unknown");
	ops_close(&o);
}

static void test_cancel(void **state)
{
	struct ops o = ops_open(state, 7);
	char code[16];

	assert_taken(ops_book(&o, 1, TUESDAY, 480, 1));
	copy_code(o.answer, code);
	assert_refused(cancel(&o, code, "0912300002"), "unknown");
	assert_int_equal(free_at(&o, 1, TUESDAY, 480), 1);
	assert_string_equal(ops_text(cancel(&o, code, "0912300001"), "state"), "cancelled");
	assert_null(json_object_get(o.answer, "code"));
	assert_int_equal(free_at(&o, 1, TUESDAY, 480), 2);
	assert_string_equal(ops_text(cancel(&o, code, "0912300001"), "state"), "cancelled");
	assert_int_equal(free_at(&o, 1, TUESDAY, 480), 2); /* once only */
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM outbox WHERE what = 'cancelled'"), 1);
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM payment WHERE state = 'open'"), 0);
	assert_string_equal(ops_text(lookup(&o, code, "0912300001"), "state"), "cancelled");

	/* the place is free again, the number isn't */
	assert_taken(ops_book(&o, 1, TUESDAY, 480, 2));
	assert_taken(ops_book(&o, 1, TUESDAY, 480, 3));
	assert_int_equal(ops_number(o.answer, "number"), 3);
	assert_refused(ops_book(&o, 1, TUESDAY, 480, 4), "slot-full");
	ops_close(&o);
}

static void test_too_late(void **state)
{
	struct ops o = ops_open(state, 7);
	char code[16], other[16];

	assert_taken(ops_book(&o, 1, TUESDAY, 480, 1));
	copy_code(o.answer, code);
	assert_taken(ops_book(&o, 1, TUESDAY, 480, 2));
	copy_code(o.answer, other);
	clock_advance(&o.f->clock, OPS_DAY); /* an hour before */
	assert_taken(cancel(&o, other, "0912300002"));
	clock_advance(&o.f->clock, 1);
	assert_refused(cancel(&o, code, "0912300001"), "too-late");
	assert_string_equal(ops_text(lookup(&o, code, "0912300001"), "state"), "booked");
	clock_advance(&o.f->clock, -OPS_DAY);
	assert_int_equal(db_run(o.f->db, "UPDATE booking SET state = 'arrived' WHERE state = 'booked'", DB_NONE, NULL),
	                 1);
	assert_refused(cancel(&o, code, "0912300001"), "too-late");
	assert_int_equal(free_at(&o, 1, TUESDAY, 480), 1);
	ops_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_places),
		BOTH(test_days_and_slots),
		BOTH(test_book),
		BOTH(test_nothing_plain_is_kept),
		BOTH(test_same_form),
		BOTH(test_what_people_write),
		BOTH(test_priority),
		BOTH(test_per_phone),
		BOTH(test_per_phone_ahead),
		BOTH(test_window),
		BOTH(test_midnight),
		BOTH(test_holiday),
		BOTH(test_lookup),
		BOTH(test_ahead),
		BOTH(test_no_phone_no_lookup),
		BOTH(test_cancel),
		BOTH(test_too_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
