/* Slots and times as hospitals write them, and as they should not. */
#include "kiosk/fhir_slot.h"

#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* 2026-11-23 08:00 at +07:00 */
static const int64_t EIGHT = (int64_t)1795395600 * 1000000, MINUTE = (int64_t)60 * 1000000;

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {
		{ "2026-11-23T08:00:00+07:00", 0 },   { "2026-11-23T01:00:00Z", 0 },
		{ "2026-11-22T19:30:00-05:30", 0 },   { "2026-11-23T15:00:00+14:00", 0 },
		{ "2026-11-23T01:00:00.5Z", 500000 }, { "2026-11-23T01:00:59.123456789Z", 59123456 },
	};
	static const char *const bad[] = {
		"",
		"2026-11-23",
		"2026-11-23T08:00:00",
		"2026-11-23T08:00Z",
		"2026-11-23 08:00:00Z",
		"2026-02-30T08:00:00Z",
		"2026-11-23T24:00:00Z",
		"2026-11-23T08:60:00Z",
		"2026-11-23T08:00:60Z",
		"2026-11-23T08:00:00+15:00",
		"2026-11-23T08:00:00+14:01",
		"2026-11-23T08:00:00+0700",
		"2026-11-23T08:00:00z",
		"2026-11-23T08:00:00Z ",
		"2026-11-23T08:00:00.Z",
		"2026-11-23T08:00:00.1234567890Z",
		"2026-11-23T8:00:00Z",
		"26-11-23T08:00:00Z",
		"2026-11-23T08:00:00+07:00:00",
		"2026-11-2aT08:00:00Z",
		"+2026-11-23T08:00:00Z",
		"2026-11-23T08:00:00+",
	};
	int64_t us = 7;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (fhir_instant_read(str_from(bad[i]), &us))
			fail_msg("%s", bad[i]);
		assert_int_equal(us, 7);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(fhir_instant_read(str_from(good[i].text), &us));
		assert_int_equal(us, EIGHT + good[i].us);
	}
}

static void test_times_written(void **state)
{
	char text[FHIR_INSTANT];
	int64_t back;
	fhir_instant_write(EIGHT, 420, text);
	assert_string_equal(text, "2026-11-23T08:00:00+07:00");
	fhir_instant_write(EIGHT, 0, text);
	assert_string_equal(text, "2026-11-23T01:00:00+00:00");
	fhir_instant_write(EIGHT + 59 * MINUTE / 60, -210, text);
	assert_string_equal(text, "2026-11-22T21:30:59-03:30");
	for (int64_t us = 0; us < (int64_t)250000000000 * 1000000; us += (int64_t)86399 * 7777 * 1000000) {
		fhir_instant_write(us, 420, text);
		assert_true(fhir_instant_read(str_from(text), &back));
		assert_int_equal(back, us);
	}
	fhir_instant_write((int64_t)260000000000 * 1000000, 420, text); /* year 10209 */
	assert_string_equal(text, "");
	fhir_instant_write(-1, 420, text);
	assert_string_equal(text, "");
	fhir_instant_write(0, -420, text);
	assert_string_equal(text, "");
	fhir_instant_write(0, 10000, text);
	assert_string_equal(text, "");
}

struct seen {
	char text[512];
	struct fhir_slot last;
	size_t taken, refused;
};

static void take(void *arg, const struct fhir_slot *slot)
{
	struct seen *s = arg;
	size_t at = strlen(s->text);
	s->last = *slot;
	s->taken++;
	snprintf(s->text + at, sizeof(s->text) - at, "%s:%lld:%d ", slot->id, (long long)slot->room, slot->status);
}

static void refuse(void *arg, const char *id, const char *why)
{
	struct seen *s = arg;
	size_t at = strlen(s->text);
	s->refused++;
	snprintf(s->text + at, sizeof(s->text) - at, "%s!%s ", id, why);
}

static int read_into(const char *json, struct seen *s)
{
	*s = (struct seen){ 0 };
	return fhir_slots_read(str_from(json), &(const struct fhir_reader){ take, refuse, s }, NULL);
}

#define SLOT(id, schedule, status, start, end)                                                                         \
	"{\"resourceType\":\"Slot\",\"id\":\"" id "\",\"schedule\":{\"reference\":\"" schedule                         \
	"\"},\"status\":\"" status "\",\"start\":\"" start "\",\"end\":\"" end "\"}"
#define AT_8(id, schedule, status) SLOT(id, schedule, status, "2026-11-23T08:00:00+07:00", "2026-11-23T08:30:00+07:00")
#define ENTRY(resource)            "{\"fullUrl\":\"urn:uuid:1\",\"resource\":" resource "}"
#define BUNDLE(entries)            "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[" entries "]}"

static void test_slots(void **state)
{
	struct seen s;
	assert_int_equal(read_into(AT_8("a-1.b", "Schedule/room-3", "free"), &s), 0);
	assert_string_equal(s.text, "a-1.b:3:0 ");
	assert_int_equal(s.last.start, EIGHT);
	assert_int_equal(s.last.end, EIGHT + 30 * MINUTE);
	assert_int_equal(
	        read_into(
	                BUNDLE(ENTRY(AT_8("1", "Schedule/room-1", "free")) "," ENTRY(AT_8(
	                        "2", "https://his.example/fhir/Schedule/room-22",
	                        "busy")) "," ENTRY(AT_8("3", "Schedule/room-999999999/_history/7",
	                                                "busy-unavailable")) "," ENTRY(AT_8("4", "/Schedule/room-4",
	                                                                                    "busy-tentative")) "," ENTRY(AT_8("5",
	                                                                                                                      "xSchedule/"
	                                                                                                                      "room-4/"
	                                                                                                                      "Schedule/"
	                                                                                                                      "room-5",
	                                                                                                                      "entered-in-"
	                                                                                                                      "error"))),
	                &s),
	        0);
	assert_string_equal(s.text, "1:1:0 2:22:1 3:999999999:1 4:4:1 5:5:2 ");
	assert_int_equal(read_into(BUNDLE(""), &s), 0);
	assert_int_equal(read_into("{\"resourceType\":\"Bundle\"}", &s), 0);
	assert_string_equal(s.text, "");
}

static void test_refused(void **state)
{
	static const char *const schedules[] = { "",
		                                 "room-3",
		                                 "Schedule/3",
		                                 "Schedule/room-",
		                                 "Schedule/room-0",
		                                 "Schedule/room-03",
		                                 "Schedule/room-1234567890",
		                                 "Schedule/room-3x",
		                                 "Schedule/room-3/",
		                                 "mySchedule/room-3",
		                                 "Schedule/room--3" };
	struct seen s;
	char json[512];
	for (size_t i = 0; i < ARRAY_LEN(schedules); i++) {
		snprintf(json, sizeof(json), AT_8("1", "%s", "free"), schedules[i]);
		assert_int_equal(read_into(json, &s), 0);
		assert_string_equal(s.text, "1!schedule ");
	}
#define FROM_TO(from, to) ENTRY(SLOT("1", "Schedule/room-1", "free", from, to))
	assert_int_equal(
	        read_into(
	                BUNDLE(FROM_TO("2026-11-23T08:00:01Z", "2026-11-23T08:30:00Z") "," FROM_TO(
	                        "2026-11-23T08:00:00.5Z",
	                        "2026-11-23T08:30:00Z") "," FROM_TO("1969-11-23T08:00:00Z",
	                                                            "2026-11-23T08:30:00Z") "," FROM_TO("2026-11-"
	                                                                                                "23T08:00:"
	                                                                                                "00Z",
	                                                                                                "2026-11-"
	                                                                                                "23T08:00:"
	                                                                                                "00Z") "," FROM_TO("2026-11-23T08:00:00Z",
	                                                                                                                   "2026-11-23T07:00:00Z") "," FROM_TO("2026-11-23T08:00:00Z",
	                                                                                                                                                       "2026-11-23T08:30:30Z") "," FROM_TO("2026-11-23T08:00:00Z",
	                                                                                                                                                                                           "")),
	                &s),
	        0);
	assert_string_equal(s.text, "1!start 1!start 1!start 1!end 1!end 1!end 1!end ");
	assert_int_equal(read_into(BUNDLE(ENTRY(AT_8("a b", "Schedule/room-1", "free")) "," ENTRY(AT_8(
	                                   "<b>", "Schedule/room-1",
	                                   "Free")) ",{},7,null," ENTRY("{\"resourceType\":\"Patient\",\"id\":"
	                                                                "\"An\"}") "," ENTRY("{\"resourceType\":["
	                                                                                     "\"Slot\"],\"id\":7}")),
	                           &s),
	                 0);
	assert_string_equal(s.text, "#1:1:0 #2!status #3!resource #4!resource #5!resource An!resource #7!resource ");
	/* an id of 65 characters is none */
	assert_int_equal(read_into(AT_8("12345678901234567890123456789012345678901234567890123456789012345",
	                                "Schedule/room-1", "free"),
	                           &s),
	                 0);
	assert_string_equal(s.text, "#1:1:0 ");
}

static void test_no_bundle(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"null",
		"7",
		"\"Bundle\"",
		"{}",
		"{\"resourceType\":\"Patient\"}",
		"{\"resourceType\":7}",
		"{\"resourceType\":\"Bundle\",\"entry\":{}}",
		"{\"resourceType\":\"Bundle\",\"entry\":7}",
		"{\"resourceType\":\"Slot\",\"resourceType\":\"Slot\"}",
		BUNDLE("") "x",
		"{\"resourceType\":\"Bundle\\u0000\"}",
	};
	struct seen s;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (read_into(bad[i], &s) != -EBADMSG)
			fail_msg("%s", bad[i]);
		assert_int_equal(s.taken + s.refused, 0);
	}
}

static void test_too_many(void **state)
{
	struct seen s = { 0 };
	const struct fhir_reader reader = { take, refuse, &s };
	for (int n = FHIR_SLOTS_MAX; n <= FHIR_SLOTS_MAX + 1; n++) {
		struct buf json = { 0 };
		buf_add(&json, STR("{\"resourceType\":\"Bundle\",\"entry\":[{}"));
		for (int i = 1; i < n; i++)
			buf_add(&json, STR(",{}"));
		buf_add(&json, STR("]}"));
		assert_int_equal(fhir_slots_read(buf_str(&json), &reader, NULL), n > FHIR_SLOTS_MAX ? -E2BIG : 0);
		buf_free(&json);
	}
	assert_int_equal(s.refused, FHIR_SLOTS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),   cmocka_unit_test(test_times_written), cmocka_unit_test(test_slots),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_no_bundle),     cmocka_unit_test(test_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
