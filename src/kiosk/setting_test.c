#include "kiosk/ops_fixture.h"
#include "kiosk/setting.h"

static json_t *set(struct ops *o, const char *name, const char *value)
{
	return ASK(o, ROLE_ADMIN, "{s:s, s:{s:s}}", "op", "set", "values", name, value);
}

static void test_table(void **state)
{
	for (const struct setting_kind *kind = setting_kinds; kind->name.n; kind++) {
		assert_ptr_equal(setting_kind(kind->name), kind); /* none stands there twice */
		assert_true(setting_right(kind, kind->otherwise));
		assert_true(kind->min <= kind->max);
		assert_true(strlen(kind->meaning) > 10);
	}
	assert_null(setting_kind(STR("zon")));
	assert_null(setting_kind(STR("zone ")));
}

static void test_bounds(void **state)
{
	static const struct {
		const char *name, *value;
		bool right;
	} of[] = {
		{ "zone", "-720", true },
		{ "zone", "840", true },
		{ "zone", "841", false },
		{ "zone", "-721", false },
		{ "per_phone", "0", false },
		{ "per_phone", "", false },
		{ "per_phone", " 1", false },
		{ "per_phone", "1 ", false },
		{ "per_phone", "1-", false },
		{ "per_phone", "-", false },
		{ "per_phone", "1e1", false },
		{ "per_phone", "0x1", false },
		{ "per_phone", "18446744073709551617", false },
		{ "bank_bin", "970416", true },
		{ "bank_bin", "97041", false },
		{ "bank_bin", "97041a", false },
		{ "bank_bin", "", true },
		{ "bank_account", "12345678901234567890", false },
		{ "bank_account", "VQR0001", true },
		{ "bank_account", "12 34", false },
		{ "clinic", "", false },
		{ "clinic", "Phòng khám \xe2\x80\xae", false },
		{ "clinic", "a\nb", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(of); i++) {
		if (setting_right(setting_kind(str_from(of[i].name)), str_from(of[i].value)) != of[i].right)
			fail_msg("%s = '%s'", of[i].name, of[i].value);
	}
}

static void test_set(void **state)
{
	struct ops o = ops_open(state, 7);

	assert_taken(set(&o, "clinic", "Bệnh viện"));
	assert_refused(set(&o, "zone", "900"), "value");
	assert_string_equal(ops_text(o.answer, "field"), "zone");
	assert_refused(set(&o, "nothing", "1"), "value");
	assert_refused(ASK(&o, ROLE_ADMIN, "{s:s, s:{s:i}}", "op", "set", "values", "zone", 1), "value");
	/* one is wrong: none is set */
	ASK(&o, ROLE_ADMIN, "{s:s, s:{s:s, s:s}}", "op", "set", "values", "phone", "1900 1234", "per_phone", "x");
	assert_refused(o.answer, "value");
	assert_refused(ASK(&o, ROLE_CLERK, "{s:s, s:{s:s}}", "op", "set", "values", "zone", "0"), "session");

	const json_t *values = json_object_get(ASK(&o, ROLE_ADMIN, "{s:s}", "op", "settings"), "values");
	assert_string_equal(ops_text(values, "clinic"), "Bệnh viện");
	assert_string_equal(ops_text(values, "phone"), "");
	assert_string_equal(ops_text(values, "zone"), "420");
	assert_int_equal(json_array_size(json_object_get(o.answer, "hours")), 3);
	assert_int_equal(json_array_size(json_object_get(o.answer, "rooms")), 2);
	assert_int_equal(json_array_size(json_object_get(o.answer, "specialties")), 1);
	assert_int_equal(ops_number(json_array_get(json_object_get(o.answer, "hours"), 2), "begins"), 780);
	ops_close(&o);
}

static json_t *room(struct ops *o, int id, int specialty, const char *name, const char *letter, bool active)
{
	return ASK(o, ROLE_ADMIN, "{s:s, s:i, s:i, s:s, s:s, s:b}", "op", "room-put", "id", id, "specialty", specialty,
	           "name", name, "letter", letter, "active", active);
}

static void test_rooms(void **state)
{
	struct ops o = ops_open(state, 7);

	assert_refused(room(&o, 0, 9, "P", "C", true), "value");
	assert_string_equal(ops_text(o.answer, "field"), "specialty");
	assert_refused(room(&o, 0, 1, " ", "C", true), "value");
	assert_refused(room(&o, 0, 1, "P", "", true), "value");
	assert_refused(room(&o, 0, 1, "P", "c", true), "value");
	assert_refused(room(&o, 0, 1, "P", "ABCD", true), "value");
	assert_refused(room(&o, 0, 1, "P", "A", true), "value"); /* room 1 has it */
	assert_string_equal(ops_text(o.answer, "field"), "letter");
	assert_refused(room(&o, 99, 1, "P", "C", true), "unknown");
	assert_int_equal(ops_number(room(&o, 0, 1, "P", "C", true), "id"), 3);
	assert_int_equal(ops_number(room(&o, 1, 1, "Phòng 1", "A", false), "id"), 1);
	assert_int_equal(ops_number(room(&o, 0, 1, "P", "A", true), "id"), 4);
	assert_refused(room(&o, 1, 1, "Phòng 1", "A", true), "value");
	ops_close(&o);
}

static json_t *hours(struct ops *o, int id, int number, int weekday, int begins, int ends, int minutes, int places)
{
	return ASK(o, ROLE_ADMIN, "{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "op", "hours-put", "id", id, "room",
	           number, "weekday", weekday, "begins", begins, "ends", ends, "minutes", minutes, "places", places);
}

static void test_hours(void **state)
{
	static const struct {
		const char *field;
		int room, weekday, begins, ends, minutes, places;
	} wrong[] = {
		{ "room", 9, 3, 480, 600, 30, 1 },
		{ "weekday", 1, 0, 480, 600, 30, 1 },
		{ "weekday", 1, 8, 480, 600, 30, 1 },
		{ "begins", 1, 3, -1, 600, 30, 1 },
		{ "ends", 1, 3, 480, 509, 30, 1 },
		{ "ends", 1, 3, 480, 1441, 30, 1 },
		{ "minutes", 1, 3, 480, 600, 4, 1 },
		{ "minutes", 1, 3, 480, 1440, 481, 1 },
		{ "places", 1, 3, 480, 600, 30, 0 },
		{ "places", 1, 3, 480, 600, 30, 1001 },
		{ "begins", 1, 1, 590, 700, 30, 1 },
		{ "begins", 1, 1, 400, 490, 30, 1 }, /* Monday 8 to 10 are there */
		{ "begins", 1, 1, 500, 520, 20, 1 },
	};
	struct ops o = ops_open(state, 7);

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		hours(&o, 0, wrong[i].room, wrong[i].weekday, wrong[i].begins, wrong[i].ends, wrong[i].minutes,
		      wrong[i].places);
		assert_refused(o.answer, "value");
		assert_string_equal(ops_text(o.answer, "field"), wrong[i].field);
	}
	assert_int_equal(ops_number(hours(&o, 0, 1, 1, 600, 700, 30, 1), "id"), 4); /* next to them is fine */
	assert_taken(hours(&o, 1, 1, 1, 470, 590, 30, 1));                          /* nor in its own way */
	assert_refused(hours(&o, 77, 1, 3, 480, 600, 30, 1), "unknown");
	assert_refused(ASK(&o, ROLE_ADMIN, "{s:s, s:i}", "op", "hours-remove", "id", 77), "unknown");
	ops_close(&o);
}

static void test_specialty(void **state)
{
	struct ops o = ops_open(state, 7);

	assert_refused(
	        ASK(&o, ROLE_ADMIN, "{s:s, s:{s:s}, s:i}", "op", "specialty-put", "name", "en", "Eyes", "fee", 0),
	        "value");
	assert_refused(
	        ASK(&o, ROLE_ADMIN, "{s:s, s:{s:s}, s:i}", "op", "specialty-put", "name", "vi", "Mắt", "fee", -1),
	        "value");
	assert_string_equal(ops_text(o.answer, "field"), "fee");
	assert_refused(ASK(&o, ROLE_ADMIN, "{s:s, s:i, s:{s:s}}", "op", "specialty-put", "id", 7, "name", "vi", "Mắt"),
	               "unknown");
	ASK(&o, ROLE_ADMIN, "{s:s, s:{s:s, s:s}, s:i, s:b}", "op", "specialty-put", "name", "vi", "Mắt", "zh", "眼科",
	    "fee", 0, "active", 1);
	assert_int_equal(ops_number(o.answer, "id"), 2);
	ASK(&o, ROLE_ADMIN, "{s:s}", "op", "settings");
	const json_t *eyes = json_array_get(json_object_get(o.answer, "specialties"), 1);
	assert_string_equal(ops_text(json_object_get(eyes, "name"), "en"), "Mắt");
	assert_string_equal(ops_text(json_object_get(eyes, "name"), "zh"), "眼科");
	/* without a fee nothing is to pay */
	room(&o, 1, 2, "P", "A", true);
	assert_taken(ops_book(&o, 1, "2026-11-24", 480, 1));
	assert_int_equal(ops_count(&o, "SELECT COUNT(*) FROM payment"), 0);
	ops_close(&o);
}

static void test_holidays_and_slots(void **state)
{
	struct ops o = ops_open(state, 7);

	assert_refused(ASK(&o, ROLE_ADMIN, "{s:s, s:s, s:s}", "op", "holiday-put", "day", "2026-02-30", "name", "Tết"),
	               "value");
	assert_refused(ASK(&o, ROLE_ADMIN, "{s:s, s:s}", "op", "holiday-put", "day", "2027-02-06"), "value");
	assert_refused(ASK(&o, ROLE_ADMIN, "{s:s, s:s, s:s, s:i}", "op", "holiday-put", "day", "2027-02-06", "name",
	                   "Tết", "room", 9),
	               "value");
	static const char *const days[] = { "2026-11-22", "2029-11-26", "9999-12-31" }; /* over, or far away */
	for (size_t i = 0; i < ARRAY_LEN(days); i++) {
		assert_refused(ASK(&o, ROLE_ADMIN, "{s:s, s:s, s:s}", "op", "holiday-put", "day", days[i], "name", "T"),
		               "value");
		assert_refused(ASK(&o, ROLE_ADMIN, "{s:s, s:i, s:s, s:i, s:i}", "op", "slot-put", "room", 1, "day",
		                   days[i], "start", 480, "places", 1),
		               "value");
	}
	for (int i = 0; i < 2; i++) /* again: the name is another */
		assert_taken(ASK(&o, ROLE_ADMIN, "{s:s, s:s, s:s}", "op", "holiday-put", "day", "2027-02-06", "name",
		                 i ? "Tết" : "T"));
	const json_t *holidays = json_object_get(ASK(&o, ROLE_ADMIN, "{s:s}", "op", "settings"), "holidays");
	assert_int_equal(json_array_size(holidays), 1);
	assert_string_equal(ops_text(json_array_get(holidays, 0), "name"), "Tết");
	assert_taken(ASK(&o, ROLE_ADMIN, "{s:s, s:s, s:i}", "op", "holiday-remove", "day", "2027-02-06", "room", 0));
	assert_refused(ASK(&o, ROLE_ADMIN, "{s:s, s:s}", "op", "holiday-remove", "day", "2027-02-06"), "unknown");

	assert_refused(ASK(&o, ROLE_ADMIN, "{s:s, s:i, s:s, s:i, s:i}", "op", "slot-put", "room", 9, "day",
	                   "2026-11-24", "start", 480, "places", 1),
	               "value");
	assert_refused(ASK(&o, ROLE_ADMIN, "{s:s, s:i, s:s, s:i, s:i}", "op", "slot-put", "room", 1, "day",
	                   "2026-11-24", "start", 1440, "places", 1),
	               "value");
	/* fewer places than are taken: nobody else, and nobody is sent away */
	assert_taken(ops_book(&o, 1, "2026-11-24", 480, 1));
	assert_taken(ASK(&o, ROLE_ADMIN, "{s:s, s:i, s:s, s:i, s:i}", "op", "slot-put", "room", 1, "day", "2026-11-24",
	                 "start", 480, "places", 0));
	assert_refused(ops_book(&o, 1, "2026-11-24", 480, 2), "slot-full");
	assert_int_equal(ops_count(&o, "SELECT minutes * 10 + taken FROM slot WHERE source = 'hand'"), 301);
	ASK(&o, ROLE_ANYBODY, "{s:s, s:i, s:s}", "op", "slots", "specialty", 1, "day", "2026-11-24");
	assert_int_equal(ops_number(json_array_get(json_object_get(o.answer, "slots"), 0), "free"), 0);
	ops_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_bounds),
		BOTH(test_set),
		BOTH(test_rooms),
		BOTH(test_hours),
		BOTH(test_specialty),
		BOTH(test_holidays_and_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
