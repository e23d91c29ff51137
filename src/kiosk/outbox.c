#include "kiosk/outbox.h"

#include "kiosk/fhir_slot.h"
#include "kiosk/person.h"
#include "kiosk/put.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { MINUTES_OTHERWISE = 15 /* of who came without a slot */ };
static const int64_t SECOND_US = 1000000, MINUTE_US = 60 * (int64_t)1000000;

int outbox_put(struct call *c, struct str ref, const char *what, struct err *err)
{
	int64_t id, code = schema_next(c->db, STR("outbox"), &id, err);
	if (code)
		return (int)code;
	code = db_run(c->db,
	              "INSERT INTO outbox (id, ref, what, made, tries, next, sent, why)"
	              " VALUES ($1, $2, $3, $4, 0, $5, 0, '')",
	              DB_ARGS(DB_N(id), DB_T(ref), DB_T(str_from(what)), DB_N(c->now), DB_N(c->now)), err);
	return code < 0 ? (int)code : 0;
}

int64_t outbox_wait(int64_t tries)
{
	int64_t s = OUTBOX_WAIT_S;
	for (; tries > 1 && s < OUTBOX_WAIT_MAX_S; tries--)
		s *= 2;
	return (s < OUTBOX_WAIT_MAX_S ? s : OUTBOX_WAIT_MAX_S) * SECOND_US;
}

/* --- an Appointment --- */

/* What a booking's state is called there. */
static const char *status_of(struct str state)
{
	static const struct {
		struct str state;
		const char *status;
	} states[] = {
		{ { "booked", 6 }, "booked" },  { { "arrived", 7 }, "arrived" }, { { "called", 6 }, "arrived" },
		{ { "seen", 4 }, "fulfilled" }, { { "missed", 6 }, "noshow" },   { { "cancelled", 9 }, "cancelled" },
	};
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (str_eq(state, states[i].state))
			return states[i].status;
	return "entered-in-error";
}

static json_t *text_json(struct str s)
{
	return json_stringn(s.p ? s.p : "", s.n);
}

/* Within the Appointment: it is no Patient of the hospital's before somebody there has looked. */
static void put_person(json_t *appointment, json_t *participants, const struct person *p)
{
	char phone[24], born[8];
	json_t *patient = json_pack("{s:s, s:s, s:[{s:o}]}", "resourceType", "Patient", "id", "person", "name", "text",
	                            text_json(p->name));
	if (p->phone.n) {
		snprintf(phone, sizeof(phone), "+" STR_FMT, STR_ARG(p->phone));
		json_object_set_new(patient, "telecom", json_pack("[{s:s, s:s}]", "system", "phone", "value", phone));
	}
	if (p->born > 999 && p->born < 10000) {
		snprintf(born, sizeof(born), "%d", (int)p->born);
		json_object_set_new(patient, "birthDate", json_string(born));
	}
	json_object_set_new(appointment, "contained", json_pack("[o]", patient));
	json_array_append_new(participants,
	                      json_pack("{s:{s:s, s:s, s:o}, s:s}", "actor", "reference", "#person", "type", "Patient",
	                                "display", text_json(p->name), "status", "accepted"));
}

enum { ID, WHAT, TRIES, REF, STATE, PRIORITY, DAY, START, ARRIVED, MADE, ROOM, PERSON, ROOM_NAME, SPECIALTY, MINUTES };
#define FETCH                                                                                                          \
	"SELECT o.id, o.what, o.tries, b.ref, b.state, b.priority, b.day, b.start, b.arrived, b.made, b.room,"         \
	" b.person, r.name, s.name_vi, COALESCE(t.minutes, 0)"                                                         \
	" FROM outbox o JOIN booking b ON b.ref = o.ref JOIN room r ON r.id = b.room"                                  \
	" JOIN specialty s ON s.id = r.specialty"                                                                      \
	" LEFT JOIN slot t ON t.day = b.day AND t.room = b.room AND t.start = b.start"                                 \
	" WHERE o.sent = 0 AND o.next <= $1 ORDER BY o.next, o.id LIMIT $2"

struct list {
	struct call *c;
	json_t *items;
	int64_t zone;
	struct err *err;
};

/* Who came without a slot began when he came. */
static int64_t begins(const struct list *l, const struct db_row *row)
{
	int64_t day = day_number(db_text(row, DAY)), start = db_number(row, START), arrived = db_number(row, ARRIVED);
	if (start >= 0 && day >= 0)
		return (day * 24 * 60 + start - l->zone) * MINUTE_US;
	return arrived ? arrived : db_number(row, MADE);
}

static void put_time(json_t *out, const char *name, int64_t us, int64_t zone)
{
	char text[FHIR_INSTANT];
	fhir_instant_write(us, zone, text);
	put_text(out, name, str_from(text));
}

static json_t *appointment_of(const struct list *l, const struct db_row *row, const struct person *p)
{
	char place[40], schedule[40];
	int64_t minutes = db_number(row, MINUTES), from = begins(l, row);
	json_t *out = json_object(), *participants = json_array();
	if (minutes <= 0)
		minutes = MINUTES_OTHERWISE;
	snprintf(place, sizeof(place), "Location/room-%lld", (long long)db_number(row, ROOM));
	snprintf(schedule, sizeof(schedule), "Schedule/room-%lld", (long long)db_number(row, ROOM));
	put_text(out, "resourceType", STR("Appointment"));
	if (p->name.n || p->phone.n)
		put_person(out, participants, p);
	json_object_set_new(
	        out, "identifier",
	        json_pack("[{s:s, s:o}]", "system", "urn:khien:kiosk:booking", "value", text_json(db_text(row, REF))));
	put_text(out, "status", str_from(status_of(db_text(row, STATE))));
	json_object_set_new(out, "serviceType", json_pack("[{s:o}]", "text", text_json(db_text(row, SPECIALTY))));
	if (db_number(row, PRIORITY))
		put_number(out, "priority", 1); /* as iCalendar counts: the highest */
	json_object_set_new(out, "supportingInformation", json_pack("[{s:s}]", "reference", schedule));
	put_time(out, "start", from, l->zone);
	put_time(out, "end", from + minutes * MINUTE_US, l->zone);
	put_number(out, "minutesDuration", minutes);
	put_time(out, "created", db_number(row, MADE), l->zone);
	json_array_append_new(participants,
	                      json_pack("{s:{s:s, s:s, s:o}, s:s}", "actor", "reference", place, "type", "Location",
	                                "display", text_json(db_text(row, ROOM_NAME)), "status", "accepted"));
	json_object_set_new(out, "participant", participants);
	return out;
}

static int take_item(void *arg, const struct db_row *row)
{
	struct list *l = arg;
	struct person p = { 0 };
	int code = person_open(&p, l->c->seal, db_text(row, REF), db_bytes(row, PERSON), l->err);
	if (code && code != -EBADMSG) /* damaged: better without a name than nothing for everybody behind it */
		return code;
	json_t *appointment = appointment_of(l, row, &p);
	char *text = json_dumps(appointment, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(appointment);
	person_done(&p);
	if (!text)
		return err_set(l->err, -ENOMEM, "an Appointment: %m");
	json_t *item = put_item(l->items);
	put_number(item, "id", db_number(row, ID));
	put_text(item, "what", db_text(row, WHAT));
	put_number(item, "tries", db_number(row, TRIES));
	put_text(item, "appointment", str_from(text));
	free(text);
	return 0;
}

/* --- the operations --- */

int outbox_list(struct call *c, struct err *err)
{
	int64_t n = call_number(c, "n"), waiting;
	struct list l = {
		.c = c,
		.items = put_list(c->out, "items"),
		.zone = setting_number(c->db, STR("zone"), 0),
		.err = err,
	};
	n = n < 1 || n > OUTBOX_AT_ONCE ? OUTBOX_AT_ONCE : n;
	int64_t code = db_query(c->db, FETCH, DB_ARGS(DB_N(c->now), DB_N(n)), take_item, &l, err);
	if (code >= 0)
		code = db_ask(c->db, "SELECT COUNT(*) FROM outbox WHERE sent = 0", DB_NONE, &waiting, err);
	if (code < 0)
		return (int)code;
	call_say_number(c, "waiting", waiting);
	return 0;
}

/* The same again is no error: an acknowledgement may get lost on its way. */
int outbox_sent(struct call *c, struct err *err)
{
	int64_t id = call_number(c, "id"), there;
	int64_t n = db_run(c->db, "UPDATE outbox SET sent = $1, why = '' WHERE id = $2 AND sent = 0",
	                   DB_ARGS(DB_N(c->now), DB_N(id)), err);
	if (n)
		return n < 0 ? (int)n : 0;
	int code = db_ask(c->db, "SELECT COUNT(*) FROM outbox WHERE id = $1", DB_ARGS(DB_N(id)), &there, err);
	return code || there ? code : call_refuse(c, "unknown", "id");
}

/* A word, and maybe a number of three digits behind it: "http 503". */
static bool why_right(struct str why)
{
	size_t letters = 0;
	while (letters < why.n && ((why.p[letters] >= 'a' && why.p[letters] <= 'z') || why.p[letters] == '-'))
		letters++;
	struct str rest = str_sub(why, letters, why.n);
	if (letters == 0 || letters > OUTBOX_WHY)
		return false;
	return rest.n == 0 || (rest.n == 4 && rest.p[0] == ' ' && rest.p[1] >= '1' && rest.p[1] <= '9' &&
	                       rest.p[2] >= '0' && rest.p[2] <= '9' && rest.p[3] >= '0' && rest.p[3] <= '9');
}

/* What the other system said may have the patient's name in it: it isn't kept. */
int outbox_ready_failed(struct call *c, struct err *err)
{
	if (!why_right(call_text(c, "why")) && json_object_set_new(c->in, "why", json_string("other")))
		return err_set(err, -ENOMEM, "why it failed: %m");
	return 0;
}

static int64_t tries_of(struct call *c, int64_t id, struct err *err)
{
	int64_t tries;
	int code = db_ask(c->db, "SELECT tries FROM outbox WHERE id = $1 AND sent = 0", DB_ARGS(DB_N(id)), &tries, err);
	return code ? code : tries;
}

int outbox_failed(struct call *c, struct err *err)
{
	int64_t id = call_number(c, "id"), tries = tries_of(c, id, err);
	if (tries < 0)
		return tries == -ENOENT ? call_refuse(c, "unknown", "id") : (int)tries;
	int64_t next = c->now + outbox_wait(++tries);
	int64_t n = db_run(c->db, "UPDATE outbox SET tries = $1, next = $2, why = $3 WHERE id = $4",
	                   DB_ARGS(DB_N(tries), DB_N(next), DB_T(call_text(c, "why")), DB_N(id)), err);
	if (n < 0)
		return (int)n;
	call_say_number(c, "next", next);
	return 0;
}
