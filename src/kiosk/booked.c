#include "kiosk/booking.h"
#include "kiosk/person.h"
#include "kiosk/put.h"
#include "kiosk/queue_inside.h"

#include <errno.h>
#include <stdio.h>

/* What of who comes is said. */
enum { PLAIN = 1, CODE = 2 };

/* A booking's row on its way into the answer, and what the next questions need of it. */
struct say {
	struct call *c;
	struct str ref;
	unsigned what;
	json_t *out;
	int64_t arrived, room, number; /* arrived: 0 unless it waits */
	char day[11];
	struct err *err;
};

static void put_buf(json_t *out, const char *name, struct buf *text)
{
	put_text(out, name, buf_str(text));
	buf_free(text);
}

static void say_person(const struct say *s, const struct person *p)
{
	struct buf name = { 0 }, phone = { 0 }, masked = { 0 };

	person_phone(p->phone, &phone);
	if (s->what & PLAIN) {
		put_text(s->out, "name", p->name);
		put_buf(s->out, "phone", &phone);
		put_text(s->out, "card", p->card);
		put_text(s->out, "reason", p->reason);
		put_number(s->out, "born", p->born);
	} else {
		mask_name(p->name, &name);
		mask_phone(buf_str(&phone), &masked);
		put_buf(s->out, "name", &name);
		put_buf(s->out, "phone", &masked);
		buf_free(&phone);
	}
	if (s->what & CODE)
		put_text(s->out, "code", p->code);
}

static int say_row(void *arg, const struct db_row *row)
{
	struct say *s = arg;
	struct str day = db_text(row, 1);
	struct person p;
	char label[QUEUE_LABEL];
	json_t *out = s->out;
	int r = person_open(&p, s->c->seal, s->ref, db_bytes(row, 6), s->err);

	if (r)
		return r;
	s->room = db_number(row, 0);
	s->number = db_number(row, 3);
	s->arrived = str_eq(db_text(row, 5), STR("arrived")) ? db_number(row, 7) : 0;
	snprintf(s->day, sizeof(s->day), STR_FMT, STR_ARG(day));
	queue_label(label, db_text(row, 9), s->number);

	put_text(out, "ref", s->ref);
	put_number(out, "room", s->room);
	put_text(out, "room_name", db_text(row, 8));
	put_name(out, "specialty", row, 10);
	put_text(out, "day", day);
	put_number(out, "start", db_number(row, 2));
	put_number(out, "number", s->number);
	put_text(out, "label", str_from(label));
	json_object_set_new(out, "priority", json_boolean(db_number(row, 4)));
	put_text(out, "state", db_text(row, 5));
	say_person(s, &p);
	person_done(&p);
	return 0;
}

static int say(struct say *s)
{
	struct call *c = s->c;
	int64_t ahead;
	int64_t r = db_query(c->db,
	                     "SELECT at.id, b.day, b.start, b.number, b.priority, b.state, b.person, b.arrived,"
	                     " at.name, home.letter, s.name_vi, s.name_en, s.name_zh"
	                     " FROM booking b JOIN room home ON home.id = b.room"
	                     " JOIN room at ON at.id = CASE WHEN b.moved = 0 THEN b.room ELSE b.moved END"
	                     " JOIN specialty s ON s.id = at.specialty WHERE b.ref = $1",
	                     DB_ARGS(DB_T(s->ref)), say_row, s, s->err);
	if (r <= 0)
		return r ? (int)r : err_set(s->err, -ENOENT, "there is no booking " STR_FMT, STR_ARG(s->ref));
	if (s->arrived) { /* nearly: "lookup" says it better */
		r = db_ask(c->db,
		           "SELECT COUNT(*) FROM booking WHERE day = $1 AND state = 'arrived'"
		           " AND (moved = $2 OR (moved = 0 AND room = $2))"
		           " AND (arrived < $3 OR (arrived = $3 AND number < $4))",
		           DB_ARGS(DB_T(str_from(s->day)), DB_N(s->room), DB_N(s->arrived), DB_N(s->number)), &ahead,
		           s->err);
		if (r < 0)
			return (int)r;
		put_number(s->out, "ahead", ahead);
	}
	return payment_say(c, s->ref, s->out, s->err);
}

int booked_say(struct call *c, struct str ref, bool plain, json_t *out, struct err *err)
{
	return say(&(struct say){ .c = c, .ref = ref, .what = plain ? PLAIN : 0, .out = out, .err = err });
}

int booked_say_code(struct call *c, struct str ref, struct err *err)
{
	return say(&(struct say){ .c = c, .ref = ref, .what = CODE, .out = c->out, .err = err });
}
