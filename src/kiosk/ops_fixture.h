/*
 * For tests of operations through the desk: a clinic with two rooms, and questions in one line.
 *
 *   ASK(&c, ROLE_ANYBODY, "{s:s, s:i}", "op", "days", "specialty", 1)     as json_pack(); the answer lasts until the next one
 */
#ifndef KHIEN_KIOSK_OPS_FIXTURE_H
#define KHIEN_KIOSK_OPS_FIXTURE_H

#include "kiosk/desk.h"
#include "kiosk/fixture.h"

static const int64_t OPS_MINUTE = (int64_t)60 * CLOCK_S, OPS_DAY = (int64_t)24 * 3600 * CLOCK_S;

struct ops {
	struct fixture *f;
	struct desk *desk;
	json_t *answer;
};

static inline void ops_heard(void *arg, json_t *answer)
{
	struct ops *o = arg;
	json_decref(o->answer);
	o->answer = answer;
}

static inline json_t *ops_ask(struct ops *o, uint32_t roles, json_t *call)
{
	struct err err = { .text = "not written" };
	assert_non_null(call);
	json_decref(o->answer);
	o->answer = NULL;
	desk_call(o->desk, call, roles, ops_heard, o);
	if (!o->answer && desk_round(o->desk, &err) < 0)
		fail_msg("%s", err.text);
	desk_confirmed(o->desk, desk_seq(o->desk));
	assert_non_null(o->answer);
	if (json_object_get(o->answer, "trouble"))
		fail_msg("%s", json_string_value(json_object_get(o->answer, "trouble")));
	return o->answer;
}
#define ASK(o, roles, ...) ops_ask(o, roles, json_pack(__VA_ARGS__))

static inline const char *ops_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "";
}

static inline int64_t ops_number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

#define assert_refused(answer, word) assert_string_equal(ops_text(answer, "refused"), word)
#define assert_taken(answer)         assert_string_equal(ops_text(answer, "refused"), "")

static inline int64_t ops_count(struct ops *o, const char *sql)
{
	struct err err = { 0 };
	int64_t n = -1;
	if (db_ask(o->f->db, sql, DB_NONE, &n, &err))
		fail_msg("%s", err.text);
	return n;
}

/*
 * Specialty 1 with a fee of 150,000 and rooms 1 (A) and 2 (B). Room 1: Monday and Tuesday 8:00 to 10:00, 30 minutes each, two
 * places. Room 2: Monday 13:00 to 14:00, one. It is Monday, 2026-11-23, `hour` o'clock.
 */
static inline struct ops ops_start(struct fixture *f, int hour,
                                   void (*committed)(void *arg, const struct desk_change *changes, size_t n), void *arg)
{
	struct ops o = { .f = f };
	struct desk_config config = {
		.db = f->db, .seal = f->seal, .clock = &f->clock, .committed = committed, .arg = arg
	};
	struct err err = { 0 };
	clock_advance(&o.f->clock, (hour - 8) * 60 * OPS_MINUTE);
	if (desk_new(&o.desk, &config, &err))
		fail_msg("%s", err.text);
	ASK(&o, ROLE_ADMIN, "{s:s, s:{s:s}, s:i, s:b}", "op", "specialty-put", "name", "vi", "Nội", "fee", 150000,
	    "active", 1);
	for (int room = 1; room <= 2; room++)
		ASK(&o, ROLE_ADMIN, "{s:s, s:i, s:s, s:s, s:b}", "op", "room-put", "specialty", 1, "name", "Phòng",
		    "letter", room == 1 ? "A" : "B", "active", 1);
	for (int day = 1; day <= 2; day++)
		ASK(&o, ROLE_ADMIN, "{s:s, s:i, s:i, s:i, s:i, s:i, s:i}", "op", "hours-put", "room", 1, "weekday", day,
		    "begins", 480, "ends", 600, "minutes", 30, "places", 2);
	ASK(&o, ROLE_ADMIN, "{s:s, s:i, s:i, s:i, s:i, s:i, s:i}", "op", "hours-put", "room", 2, "weekday", 1, "begins",
	    780, "ends", 840, "minutes", 30, "places", 1);
	assert_taken(o.answer);
	ASK(&o, ROLE_KIOSK, "{s:s}", "op", "upkeep");
	assert_taken(o.answer);
	return o;
}

static inline struct ops ops_open(void **state, int hour)
{
	return ops_start(fixture_of(state), hour, NULL, NULL);
}

static inline void ops_close(struct ops *o)
{
	json_decref(o->answer);
	desk_free(o->desk);
}

/* A booking by a form of its own; phone 09123456NN. */
static inline json_t *ops_book(struct ops *o, int room, const char *day, int start, int who)
{
	char phone[24], once[80];
	snprintf(phone, sizeof(phone), "09123%05d", who);
	snprintf(once, sizeof(once), "form-%d-%s-%d-%d", room, day, start, who);
	return ASK(o, ROLE_ANYBODY, "{s:s, s:i, s:s, s:i, s:s, s:s, s:i, s:s, s:s}", "op", "book", "room", room, "day",
	           day, "start", start, "name", "Nguyễn Văn An", "phone", phone, "born", 1980, "lang", "vi", "once",
	           once);
}

#endif
