/* The counter and the board: who is here, who is called. Who is next, queue.h says. */
#include "kiosk/booking.h"
#include "kiosk/person.h"
#include "kiosk/queue_inside.h"
#include "kiosk/slot.h"

#include <errno.h>
#include <stdio.h>

enum { QUEUE_CALLED = 8 }; /* called and neither done nor skipped: with more of them somebody would pick */

/* A booking, as far as its state goes. */
struct entry {
	char ref[QUEUE_REF], day[11], state[16];
	int64_t home, room; /* whose number it has; where it is now */
	bool emergency;     /* says who booked: only the counter makes it one */
	struct call *c;
	struct err *err;
};

static void copy_text(char *to, size_t room, struct str text)
{
	snprintf(to, room, STR_FMT, STR_ARG(text));
}

static int take_entry(void *arg, const struct db_row *row)
{
	struct entry *e = arg;
	struct person p;
	copy_text(e->ref, sizeof(e->ref), db_text(row, 0));
	copy_text(e->day, sizeof(e->day), db_text(row, 1));
	copy_text(e->state, sizeof(e->state), db_text(row, 2));
	e->home = db_number(row, 3);
	e->room = db_number(row, 4) ? db_number(row, 4) : e->home;
	int code = person_open(&p, e->c->seal, str_from(e->ref), db_bytes(row, 5), e->err);
	if (code)
		return code;
	e->emergency = str_eq(p.reason, STR("emergency"));
	person_done(&p);
	return 1;
}

#define ENTRY "SELECT ref, day, state, room, moved, person FROM booking WHERE "

/* 0, CALL_REFUSED ("unknown") or -errno. */
static int find_entry(struct call *c, const char *sql, const struct db_value *values, size_t n, struct entry *e,
                      struct err *err)
{
	*e = (struct entry){ .c = c, .err = err };
	int64_t rows = db_query(c->db, sql, values, n, take_entry, e, err);
	if (rows == 0)
		return call_refuse(c, "unknown", NULL);
	return rows < 0 ? (int)rows : 0;
}

static int by_ref(struct call *c, struct entry *e, struct err *err)
{
	return find_entry(c, ENTRY "ref = $1", DB_ARGS(DB_T(call_text(c, "ref"))), e, err);
}

static bool in_state(const struct entry *e, const char *state)
{
	return strcmp(e->state, state) == 0;
}

static bool is_today(const struct call *c, const char *day)
{
	char today[11];
	int minute, weekday;
	clinic_time(c->db, c->now, today, &minute, &weekday);
	return strcmp(day, today) == 0;
}

/* What was done, when, by whom: the board's number grows with it. */
static int note(struct call *c, const struct entry *e, const char *what, struct err *err)
{
	int64_t id;
	int64_t n = schema_next(c->db, STR("called"), &id, err);
	if (!n)
		n = db_run(
		        c->db,
		        "INSERT INTO called (id, ref, room, day, at, staff, what) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		        DB_ARGS(DB_N(id), DB_T(str_from(e->ref)), DB_N(e->room), DB_T(str_from(e->day)), DB_N(c->now),
		                DB_N(c->staff), DB_T(str_from(what))),
		        err);
	return n < 0 ? (int)n : 0;
}

/* {"called": BOOKED} */
static int say_called(struct call *c, const struct entry *e, struct err *err)
{
	json_t *booked = json_object();
	json_object_set_new(c->out, "called", booked);
	return booked_say(c, str_from(e->ref), false, booked, err);
}

/* 0, CALL_REFUSED or -errno. fee may be NULL. */
static int open_room(struct call *c, int64_t *fee, struct err *err)
{
	int64_t unwanted;
	int code = db_ask(
	        c->db,
	        "SELECT s.fee FROM room r JOIN specialty s ON s.id = r.specialty WHERE r.id = $1 AND r.active = 1",
	        DB_ARGS(DB_N(call_number(c, "room"))), fee ? fee : &unwanted, err);
	return code == -ENOENT ? call_refuse(c, "unknown", "room") : code;
}

/* --- coming --- */

static int ready_arrive(struct call *c, struct err *err)
{
	return call_text(c, "code").n ? person_hide(c, err) : 0;
}

static int find_arriving(struct call *c, struct entry *e, struct err *err)
{
	CLEANUP(buf_free) struct buf hash = { 0 };
	if (!call_text(c, "code_hash").n)
		return find_entry(c, ENTRY "room = $1 AND day = $2 AND number = $3",
		                  DB_ARGS(DB_N(call_number(c, "room")), DB_T(call_text(c, "day")),
		                          DB_N(call_number(c, "number"))),
		                  e, err);
	int code = call_bytes(c, "code_hash", &hash, err);
	return code ? code : find_entry(c, ENTRY "code_hash = $1", DB_ARGS(DB_B(buf_str(&hash))), e, err);
}

static int set_priority(struct call *c, const struct entry *e, enum queue_priority priority, struct err *err)
{
	int64_t n = db_run(c->db, "UPDATE booking SET priority = $1 WHERE ref = $2",
	                   DB_ARGS(DB_N(priority), DB_T(str_from(e->ref))), err);
	return n < 0 ? (int)n : 0;
}

static int apply_arrive(struct call *c, struct err *err)
{
	struct entry e;
	int64_t n = find_arriving(c, &e, err);
	if (n)
		return (int)n;
	if (!is_today(c, e.day))
		return call_refuse(c, "day", NULL);
	if (!in_state(&e, "booked"))
		return call_refuse(c, "state", NULL);
	n = db_run(c->db, "UPDATE booking SET state = 'arrived', arrived = $1, changed = $1 WHERE ref = $2",
	           DB_ARGS(DB_N(c->now), DB_T(str_from(e.ref))), err);
	if (n >= 0 && json_is_boolean(json_object_get(c->in, "priority"))) { /* somebody looked */
		enum queue_priority seen = e.emergency ? QUEUE_EMERGENCY : QUEUE_PRIORITY;
		n = set_priority(c, &e, call_number(c, "priority") ? seen : QUEUE_NORMAL, err);
	}
	if (n >= 0)
		n = outbox_put(c, str_from(e.ref), "arrived", err);
	return n < 0 ? (int)n : booked_say(c, str_from(e.ref), true, c->out, err);
}

static int ready_walk_in(struct call *c, struct err *err)
{
	bool emergency = str_eq(call_text(c, "priority"), STR("emergency"));
	json_object_set_new(c->in, "emergency", json_boolean(emergency));
	return person_ready(c, false, err);
}

static int apply_walk_in(struct call *c, struct err *err)
{
	char day[11];
	int minute, weekday;
	struct booking_place at = { .room = call_number(c, "room"), .start = -1 };
	int code = booking_again(c, err); /* the same form once more */
	if (code != -ENOENT)
		return code;
	clinic_time(c->db, c->now, day, &minute, &weekday);
	at.day = str_from(day);
	code = open_room(c, &at.fee, err);
	if (code)
		return code;
	code = slot_holiday(c->db, at.room, at.day, err);
	if (code)
		return code < 0 ? code : call_refuse(c, "day-closed", NULL);
	code = booking_make(c, &at, err);
	if (!code && call_number(c, "emergency")) {
		struct entry e = { 0 };
		copy_text(e.ref, sizeof(e.ref), call_text(c, "ref"));
		code = set_priority(c, &e, QUEUE_EMERGENCY, err);
	}
	return code;
}

/* --- calling --- */

static int is_calling(struct call *c, const struct line *l, int64_t room, int64_t *n, struct err *err)
{
	return db_ask(c->db,
	              "SELECT count(*) FROM booking WHERE day = $1 AND state = 'called'"
	              " AND (moved = $2 OR (moved = 0 AND room = $2))",
	              DB_ARGS(DB_T(str_from(l->day)), DB_N(room)), n, err);
}

static int call_one(struct call *c, const struct line *l, int64_t room, struct err *err)
{
	const struct queue_one *one = &l->ones[0];
	struct entry e = { .room = room };
	copy_text(e.ref, sizeof(e.ref), str_from(l->seats[one->tag].ref));
	copy_text(e.day, sizeof(e.day), str_from(l->day));
	int64_t n = db_run(
	        c->db,
	        "UPDATE booking SET state = 'called', called = $1, changed = $1, calls = calls + 1 WHERE ref = $2",
	        DB_ARGS(DB_N(c->now), DB_T(str_from(e.ref))), err);
	if (n >= 0)
		n = db_run(c->db,
		           "INSERT INTO lane (room, day, in_row, paused) VALUES ($1, $2, $3, 0)"
		           " ON CONFLICT (room, day) DO UPDATE SET in_row = excluded.in_row",
		           DB_ARGS(DB_N(room), DB_T(str_from(l->day)), DB_N(queue_in_row(&l->rule, l->in_row, one))),
		           err);
	if (n >= 0)
		n = note(c, &e, "call", err);
	return n < 0 ? (int)n : say_called(c, &e, err);
}

static int apply_next(struct call *c, struct err *err)
{
	CLEANUP(line_done) struct line l = { 0 };
	int64_t room = call_number(c, "room"), calling = 0;
	int code = line_begin(c, &l, err);
	if (!code)
		code = line_read(c, &l, room, err);
	if (!code)
		code = is_calling(c, &l, room, &calling, err);
	if (code)
		return code;
	if (l.paused)
		return call_refuse(c, "paused", NULL);
	if (calling >= QUEUE_CALLED)
		return call_refuse(c, "state", "called");
	return l.n ? call_one(c, &l, room, err) : 0;
}

static int apply_again(struct call *c, struct err *err)
{
	struct entry e;
	int64_t n = by_ref(c, &e, err);
	if (n)
		return (int)n;
	if (!in_state(&e, "called"))
		return call_refuse(c, "state", NULL);
	n = db_run(c->db, "UPDATE booking SET called = $1, changed = $1, calls = calls + 1 WHERE ref = $2",
	           DB_ARGS(DB_N(c->now), DB_T(str_from(e.ref))), err);
	if (n >= 0)
		n = note(c, &e, "again", err);
	return n < 0 ? (int)n : say_called(c, &e, err);
}

/* Whoever was called has been seen, or didn't come. */
static int end(struct call *c, const char *state, const char *what, struct err *err)
{
	struct entry e;
	int64_t n = by_ref(c, &e, err);
	if (n)
		return (int)n;
	if (!in_state(&e, "called"))
		return call_refuse(c, "state", NULL);
	n = db_run(c->db, "UPDATE booking SET state = $1, changed = $2, ended = $2 WHERE ref = $3",
	           DB_ARGS(DB_T(str_from(state)), DB_N(c->now), DB_T(str_from(e.ref))), err);
	if (n >= 0)
		n = note(c, &e, what, err);
	return n < 0 ? (int)n : outbox_put(c, str_from(e.ref), state, err);
}

static int apply_skip(struct call *c, struct err *err)
{
	return end(c, "missed", "skip", err);
}

static int apply_done(struct call *c, struct err *err)
{
	return end(c, "seen", "done", err);
}

/* Who missed the call waits from now on: the others didn't make it late. */
static int apply_back(struct call *c, struct err *err)
{
	struct entry e;
	int64_t n = by_ref(c, &e, err);
	if (n)
		return (int)n;
	if (!in_state(&e, "missed"))
		return call_refuse(c, "state", NULL);
	if (!is_today(c, e.day))
		return call_refuse(c, "day", NULL);
	n = db_run(c->db, "UPDATE booking SET state = 'arrived', arrived = $1, changed = $1, ended = 0 WHERE ref = $2",
	           DB_ARGS(DB_N(c->now), DB_T(str_from(e.ref))), err);
	if (n >= 0)
		n = note(c, &e, "back", err);
	return n < 0 ? (int)n : outbox_put(c, str_from(e.ref), "arrived", err);
}

static int apply_transfer(struct call *c, struct err *err)
{
	struct entry e;
	int64_t room = call_number(c, "room");
	int64_t n = by_ref(c, &e, err);
	if (!n)
		n = open_room(c, NULL, err);
	if (n)
		return (int)n;
	if ((!in_state(&e, "arrived") && !in_state(&e, "called")) || room == e.room)
		return call_refuse(c, "state", NULL);
	e.room = room;
	n = db_run(c->db, "UPDATE booking SET state = 'arrived', moved = $1, changed = $2 WHERE ref = $3",
	           DB_ARGS(DB_N(room == e.home ? 0 : room), DB_N(c->now), DB_T(str_from(e.ref))), err);
	if (n >= 0)
		n = note(c, &e, "transfer", err);
	return n < 0 ? (int)n : say_called(c, &e, err);
}

static int apply_pause(struct call *c, struct err *err)
{
	char day[11];
	int minute, weekday;
	clinic_time(c->db, c->now, day, &minute, &weekday);
	int64_t n = open_room(c, NULL, err);
	if (n)
		return (int)n;
	n = db_run(c->db,
	           "INSERT INTO lane (room, day, in_row, paused) VALUES ($1, $2, 0, $3)"
	           " ON CONFLICT (room, day) DO UPDATE SET paused = excluded.paused",
	           DB_ARGS(DB_N(call_number(c, "room")), DB_T(str_from(day)), DB_N(call_number(c, "paused") != 0)),
	           err);
	return n < 0 ? (int)n : 0;
}

const struct op queue_ops[] = {
	{ "arrive", ROLE_CLERK, true, ready_arrive, apply_arrive },
	{ "walk-in", ROLE_CLERK, true, ready_walk_in, apply_walk_in },
	{ "next", ROLE_CLERK, true, NULL, apply_next },
	{ "again", ROLE_CLERK, true, NULL, apply_again },
	{ "skip", ROLE_CLERK, true, NULL, apply_skip },
	{ "done", ROLE_CLERK, true, NULL, apply_done },
	{ "back", ROLE_CLERK, true, NULL, apply_back },
	{ "transfer", ROLE_CLERK, true, NULL, apply_transfer },
	{ "pause", ROLE_CLERK, true, NULL, apply_pause },
	{ "waiting", ROLE_CLERK, false, NULL, queue_waiting },
	{ "day-list", ROLE_CLERK, false, NULL, queue_day_list },
	{ "board", ROLE_ANYBODY, false, NULL, queue_board },
	{ 0 },
};
