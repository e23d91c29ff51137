#include "kiosk/fixture.h"
#include "kiosk/schema.h"

static void test_counter(void **state)
{
	struct fixture *f = fixture_of(state);
	int64_t n;

	for (int64_t want = 1; want <= 3; want++) {
		assert_int_equal(schema_next(f->db, STR("room"), &n, NULL), 0);
		assert_int_equal(n, want);
	}
	assert_int_equal(schema_next(f->db, STR("number:1:2026-11-23"), &n, NULL), 0);
	assert_int_equal(n, 1);
}

static void test_counter_is_of_its_transaction(void **state)
{
	struct fixture *f = fixture_of(state);
	int64_t n;

	assert_int_equal(db_begin(f->db, NULL), 0);
	assert_int_equal(schema_next(f->db, STR("room"), &n, NULL), 0);
	assert_int_equal(db_savepoint(f->db, NULL), 0);
	assert_int_equal(schema_next(f->db, STR("room"), &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(db_undo(f->db, NULL), 0);
	assert_int_equal(schema_next(f->db, STR("room"), &n, NULL), 0);
	assert_int_equal(n, 2);
	db_rollback(f->db);
	assert_int_equal(schema_next(f->db, STR("room"), &n, NULL), 0);
	assert_int_equal(n, 1);
}

static void set(struct fixture *f, const char *name, const char *value)
{
	assert_int_equal(db_run(f->db, "DELETE FROM setting WHERE name = $1", DB_ARGS(DB_T(str_from(name))), NULL) >= 0,
	                 1);
	assert_int_equal(db_run(f->db, "INSERT INTO setting (name, value) VALUES ($1, $2)",
	                        DB_ARGS(DB_T(str_from(name)), DB_T(str_from(value))), NULL),
	                 1);
}

static void test_settings(void **state)
{
	struct fixture *f = fixture_of(state);
	CLEANUP(buf_free) struct buf text = { 0 };

	assert_int_equal(setting_get(f->db, STR("nothing"), &text, NULL), -ENOENT);
	assert_int_equal(text.n, 0);
	assert_int_equal(setting_number(f->db, STR("nothing"), -7), -7);
	assert_int_equal(setting_number(f->db, STR("per_phone"), -7), 2); /* of the table */

	set(f, "per_phone", "5");
	set(f, "clinic", "Phòng khám Hoa Sen");
	assert_int_equal(setting_number(f->db, STR("per_phone"), -7), 5);
	assert_int_equal(setting_number(f->db, STR("clinic"), -7), -7);
	assert_int_equal(setting_get(f->db, STR("clinic"), &text, NULL), 0);
	assert_true(str_eq(buf_str(&text), STR("Phòng khám Hoa Sen")));
	set(f, "per_phone", "99999999999999999999");
	assert_int_equal(setting_number(f->db, STR("per_phone"), -7), -7);
	set(f, "per_phone", "5x");
	assert_int_equal(setting_number(f->db, STR("per_phone"), -7), -7);
}

static void test_several(void **state)
{
	struct fixture *f = fixture_of(state);
	const struct str names[] = { STR("per_phone"), STR("nothing"), STR("zone"), STR("keep_days") };
	int64_t is[4];

	set(f, "per_phone", "5");
	set(f, "nothing", "6"); /* not in the table, and yet there */
	set(f, "keep_days", "soon");
	setting_numbers(f->db, names, is, 4);
	assert_int_equal(is[0], 5);
	assert_int_equal(is[1], 6);
	assert_int_equal(is[2], 420);
	assert_int_equal(is[3], 90);
}

/* What another one writes is seen in the next transaction, what this one writes at once. */
static void test_settings_are_kept(void **state)
{
	struct fixture *f = fixture_of(state);
	struct fixture other = { 0 };

	assert_int_equal(db_open(&other.db, f->uri, NULL), 0);
	assert_int_equal(setting_number(f->db, STR("per_phone"), -7), 2);
	set(&other, "per_phone", "5");
	assert_int_equal(setting_number(f->db, STR("per_phone"), -7), 2); /* kept */
	assert_int_equal(db_begin(f->db, NULL), 0);
	assert_int_equal(setting_number(f->db, STR("per_phone"), -7), 5);
	set(f, "per_phone", "6");
	assert_int_equal(setting_number(f->db, STR("per_phone"), -7), 6);
	assert_int_equal(db_savepoint(f->db, NULL), 0);
	set(f, "per_phone", "7");
	assert_int_equal(setting_number(f->db, STR("per_phone"), -7), 7);
	assert_int_equal(db_undo(f->db, NULL), 0);
	assert_int_equal(setting_number(f->db, STR("per_phone"), -7), 6);
	db_rollback(f->db);
	assert_int_equal(setting_number(f->db, STR("per_phone"), -7), 5);
	assert_int_equal(db_begin(f->db, NULL), 0);
	set(f, "per_phone", "8");
	assert_int_equal(db_commit(f->db, NULL), 0);
	assert_int_equal(setting_number(f->db, STR("per_phone"), -7), 8);
	assert_int_equal(db_script(f->db, "UPDATE setting SET value = '9'", NULL), 0);
	assert_int_equal(setting_number(f->db, STR("per_phone"), -7), 9);
	db_close(other.db);
}

static void test_settings_have_bounds(void **state)
{
	struct fixture *f = fixture_of(state);
	CLEANUP(buf_free) struct buf text = { 0 };
	static char value[70000];

	memset(value, 'x', sizeof(value) - 1);
	set(f, "clinic", value);
	assert_int_equal(setting_get(f->db, STR("clinic"), &text, NULL), -E2BIG);
	assert_int_equal(setting_get(f->db, STR("clinic"), &text, NULL), -E2BIG); /* nothing of it is kept */
	assert_int_equal(text.n, 0);
	set(f, "clinic", "");
	assert_int_equal(setting_get(f->db, STR("clinic"), &text, NULL), 0);
	assert_int_equal(text.n, 0);
}

static void assert_time(struct fixture *f, int64_t now, const char *day, int minute, int weekday)
{
	char is[11];
	int m, w;

	clinic_time(f->db, now, is, &m, &w);
	assert_string_equal(is, day);
	assert_int_equal(m, minute);
	assert_int_equal(w, weekday);
	assert_int_equal(clinic_at(f->db, str_from(day), minute), now - now % (60 * (int64_t)CLOCK_S));
}

static void test_clock(void **state)
{
	struct fixture *f = fixture_of(state);
	const int64_t minute = (int64_t)60 * CLOCK_S, midnight = FIXTURE_NOW - 480 * minute;

	assert_time(f, FIXTURE_NOW, "2026-11-23", 480, 1);
	assert_time(f, midnight - 1, "2026-11-22", 1439, 7);
	assert_time(f, midnight, "2026-11-23", 0, 1);
	assert_time(f, midnight + minute - 1, "2026-11-23", 0, 1);
	set(f, "zone", "480"); /* China: an hour on */
	assert_time(f, midnight, "2026-11-23", 60, 1);
	assert_time(f, midnight - 60 * minute - 1, "2026-11-22", 1439, 7);
	set(f, "zone", "-90");
	assert_time(f, FIXTURE_NOW, "2026-11-22", 1410, 7);
	set(f, "zone", "0");
	assert_time(f, 951782400 * (int64_t)CLOCK_S, "2000-02-29", 0, 2);
	assert_int_equal(clinic_at(f->db, STR("2026-02-29"), 0), -1);
}

static void test_no_summer_time(void **state)
{
	struct fixture *f = fixture_of(state);

	/* whatever this machine's zone is */
	setenv("TZ", "America/New_York", 1);
	tzset();
	assert_time(f, FIXTURE_NOW - 150 * 86400 * (int64_t)CLOCK_S, "2026-06-26", 480, 5);
	assert_time(f, FIXTURE_NOW, "2026-11-23", 480, 1);
	unsetenv("TZ");
	tzset();
}

static void test_days(void **state)
{
	static const char *const wrong[] = { "",
		                             "2026-11-2",
		                             "2026-11-223",
		                             "2026-13-01",
		                             "2026-02-30",
		                             "2026-00-10",
		                             "2026-01-00",
		                             "2026/11/22",
		                             "+026-11-22",
		                             "1969-12-31",
		                             "20a6-11-22",
		                             "2026-11-2:",
		                             "\xff\xff\xff\xff-\xff\xff-\xff\xff" };
	char day[11];

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(day_number(str_from(wrong[i])), -1);
	assert_int_equal(day_number(STR("1970-01-01")), 0);
	assert_int_equal(day_number(STR("2026-11-23")), 20780);
	assert_int_equal(day_weekday(day_number(STR("2026-11-22"))), 7);
	int64_t last = day_number(STR("9999-12-31"));
	for (int64_t n = 0; n <= last; n += 13) {
		day_text(n, day);
		assert_int_equal(day_number(str_from(day)), n);
	}
	day_text(last + 1, day);
	assert_string_equal(day, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_counter),
		BOTH(test_counter_is_of_its_transaction),
		BOTH(test_settings),
		BOTH(test_several),
		BOTH(test_settings_are_kept),
		BOTH(test_settings_have_bounds),
		BOTH(test_clock),
		BOTH(test_no_summer_time),
		cmocka_unit_test(test_days),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
