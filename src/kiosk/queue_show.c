/* What the counter and the board see. */
#include "kiosk/put.h"
#include "kiosk/queue_inside.h"

#include <stdio.h>

enum {
	COUNTER_SHOWN = 200, /* of a line */
	BOARD_ROOMS = 200,
	BOARD_NEXT = 4,
	BOARD_NOW = 4,
	LIST_MAX = 5000, /* on the day's list */
};

static int take_ref(void *arg, const struct db_row *row)
{
	put_text(put_item(arg), "ref", db_text(row, 0));
	return 0;
}

/* Each of the list has a "ref" and becomes a BOOKED. */
static int say_booked(struct call *c, json_t *list, bool plain, struct err *err)
{
	json_t *item;
	size_t i;
	int code = 0;
	json_array_foreach(list, i, item)
	{
		char ref[QUEUE_REF];
		snprintf(ref, sizeof(ref), "%s", json_string_value(json_object_get(item, "ref")));
		if (!code)
			code = booked_say(c, str_from(ref), plain, item, err);
	}
	return code;
}

static int say_state(struct call *c, const struct line *l, const char *state, int64_t room, struct err *err)
{
	json_t *list = put_list(c->out, state);
	int64_t n =
	        db_query(c->db,
	                 "SELECT ref FROM booking WHERE day = $1 AND state = $2"
	                 " AND (moved = $3 OR (moved = 0 AND room = $3)) ORDER BY changed DESC, room, number LIMIT $4",
	                 DB_ARGS(DB_T(str_from(l->day)), DB_T(str_from(state)), DB_N(room), DB_N(COUNTER_SHOWN)),
	                 take_ref, list, err);
	return n < 0 ? (int)n : say_booked(c, list, false, err);
}

int queue_waiting(struct call *c, struct err *err)
{
	CLEANUP(line_done) struct line l = { 0 };
	int64_t room = call_number(c, "room");
	json_t *list = put_list(c->out, "waiting");
	int code = line_begin(c, &l, err);
	if (!code)
		code = line_read(c, &l, room, err);
	for (size_t i = 0; !code && i < l.n && i < COUNTER_SHOWN; i++) {
		const struct seat *seat = &l.seats[l.ones[i].tag];
		json_t *item = put_item(list);
		put_text(item, "ref", str_from(seat->ref));
		put_number(item, "since", seat->since);
	}
	json_object_set_new(c->out, "paused", json_boolean(l.paused));
	if (!code)
		code = say_booked(c, list, false, err);
	if (!code)
		code = say_state(c, &l, "called", room, err);
	return code ? code : say_state(c, &l, "missed", room, err);
}

static int take_room(void *arg, const struct db_row *row)
{
	json_t *room = put_item(arg);
	put_number(room, "room", db_number(row, 0));
	put_text(room, "name", db_text(row, 1));
	put_name(room, "specialty", row, 2);
	return 0;
}

static int say_rooms(struct call *c, int64_t only, json_t *list, struct err *err)
{
	int64_t n = db_query(c->db,
	                     "SELECT r.id, r.name, s.name_vi, s.name_en, s.name_zh FROM room r JOIN specialty s"
	                     " ON s.id = r.specialty WHERE r.active = 1 AND (r.id = $1 OR $1 = 0)"
	                     " ORDER BY s.place, s.id, r.place, r.id LIMIT $2",
	                     DB_ARGS(DB_N(only), DB_N(BOARD_ROOMS)), take_room, list, err);
	return n < 0 ? (int)n : 0;
}

/* For when screens are off: by the room that was booked, by slot. */
int queue_day_list(struct call *c, struct err *err)
{
	json_t *rooms = put_list(c->out, "rooms"), *room;
	int64_t left = LIST_MAX;
	size_t i;
	int code = say_rooms(c, call_number(c, "room"), rooms, err);
	json_array_foreach(rooms, i, room)
	{
		json_t *list = put_list(room, "bookings");
		int64_t n =
		        code ? 0
		             : db_query(c->db,
		                        "SELECT ref FROM booking WHERE day = $1 AND room = $2 AND state <> 'cancelled'"
		                        " ORDER BY CASE WHEN start < 0 THEN 1 ELSE 0 END, start, number LIMIT $3",
		                        DB_ARGS(DB_T(call_text(c, "day")),
		                                DB_N(json_integer_value(json_object_get(room, "room"))), DB_N(left)),
		                        take_ref, list, err);
		left -= n < 0 ? 0 : n;
		if (!code)
			code = n < 0 ? (int)n : say_booked(c, list, true, err);
	}
	return code;
}

static int take_now(void *arg, const struct db_row *row)
{
	json_t *now = put_item(arg);
	char label[QUEUE_LABEL];
	queue_label(label, db_text(row, 0), db_number(row, 1));
	put_text(now, "label", str_from(label));
	put_number(now, "at", db_number(row, 2));
	put_number(now, "calls", db_number(row, 3));
	return 0;
}

static int board_room(struct call *c, struct line *l, json_t *room, struct err *err)
{
	int64_t id = json_integer_value(json_object_get(room, "room"));
	json_t *next = put_list(room, "next");
	int64_t n = line_read(c, l, id, err);
	if (n)
		return (int)n;
	for (size_t i = 0; i < l->n && i < BOARD_NEXT; i++)
		json_array_append_new(next, json_string(l->seats[l->ones[i].tag].label));
	put_number(room, "waiting", (int64_t)l->n);
	json_object_set_new(room, "paused", json_boolean(l->paused));
	n = db_query(c->db,
	             "SELECT r.letter, b.number, b.called, b.calls FROM booking b JOIN room r ON r.id = b.room"
	             " WHERE b.day = $1 AND b.state = 'called' AND (b.moved = $2 OR (b.moved = 0 AND b.room = $2))"
	             " ORDER BY b.called DESC, b.room, b.number LIMIT $3",
	             DB_ARGS(DB_T(str_from(l->day)), DB_N(id), DB_N(BOARD_NOW)), take_now, put_list(room, "now"), err);
	return n < 0 ? (int)n : 0;
}

int queue_board(struct call *c, struct err *err)
{
	CLEANUP(line_done) struct line l = { 0 };
	json_t *rooms = put_list(c->out, "rooms"), *room;
	int64_t seq = 0;
	size_t i;
	int code = line_begin(c, &l, err);
	if (!code)
		code = say_rooms(c, 0, rooms, err);
	json_array_foreach(rooms, i, room)
	{
		if (!code)
			code = board_room(c, &l, room, err);
	}
	if (!code)
		code = db_ask(c->db, "SELECT COALESCE(max(seq), 0) FROM change", DB_NONE, &seq, err);
	call_say(c, "day", str_from(l.day));
	call_say_number(c, "at", c->now);
	call_say_number(c, "seq", seq);
	return code;
}
