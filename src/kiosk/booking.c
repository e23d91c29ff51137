#include "kiosk/booking.h"
#include "kiosk/person.h"
#include "kiosk/put.h"
#include "kiosk/queue_inside.h"
#include "kiosk/slot.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

enum { ANSWER_ROWS = 4000 }; /* of a question; more are not shown */

/* --- what there is --- */

static int say_specialty(void *arg, const struct db_row *row)
{
	json_t *s = put_item(arg);

	put_number(s, "id", db_number(row, 0));
	put_name(s, "name", row, 1);
	put_number(s, "fee", db_number(row, 4));
	return 0;
}

static int say_room(void *arg, const struct db_row *row)
{
	json_t *r = put_item(arg);

	put_number(r, "id", db_number(row, 0));
	put_number(r, "specialty", db_number(row, 1));
	put_text(r, "name", db_text(row, 2));
	return 0;
}

static int say_setting(struct call *c, const char *name, struct err *err)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	int r = setting_get(c->db, str_from(name), &text, err);

	if (r == 0)
		call_say(c, name, buf_str(&text));
	return r;
}

static int apply_places(struct call *c, struct err *err)
{
	struct slot_window w;
	int64_t r = say_setting(c, "clinic", err);

	r = r ? r : say_setting(c, "phone", err);
	if (r == 0)
		r = db_query(c->db,
		             "SELECT id, name_vi, name_en, name_zh, fee FROM specialty WHERE active = 1"
		             " ORDER BY place, id",
		             DB_NONE, say_specialty, put_list(c->out, "specialties"), err);
	if (r >= 0)
		r = db_query(c->db,
		             "SELECT r.id, r.specialty, r.name FROM room r JOIN specialty s ON s.id = r.specialty"
		             " WHERE r.active = 1 AND s.active = 1 ORDER BY r.place, r.id",
		             DB_NONE, say_room, put_list(c->out, "rooms"), err);
	slot_window(c->db, c->now, &w);
	call_say(c, "from", str_from(w.from));
	call_say(c, "to", str_from(w.to));
	return r < 0 ? (int)r : 0;
}

static int say_day(void *arg, const struct db_row *row)
{
	json_t *day = put_item(arg);

	put_text(day, "day", db_text(row, 0));
	put_number(day, "places", db_number(row, 1));
	put_number(day, "free", db_number(row, 2));
	if (!db_is_null(row, 3))
		put_text(day, "holiday", db_text(row, 3));
	return 0;
}

static int apply_days(struct call *c, struct err *err)
{
	struct slot_window w;

	slot_window(c->db, c->now, &w);
	int64_t r = db_query(
	        c->db,
	        "SELECT s.day, CAST(SUM(s.places) AS BIGINT),"
	        " CAST(SUM(CASE WHEN s.taken < s.places THEN s.places - s.taken ELSE 0 END) AS BIGINT),"
	        " CAST(NULL AS TEXT)"
	        " FROM slot s JOIN room r ON r.id = s.room JOIN specialty p ON p.id = r.specialty"
	        " WHERE p.id = $1 AND (r.id = $2 OR $2 = 0) AND r.active = 1 AND p.active = 1 AND s.closed = 0"
	        " AND (s.day, s.start) >= ($3, $4) AND s.day <= $5"
	        " AND NOT EXISTS (SELECT 1 FROM holiday h WHERE h.day = s.day AND (h.room = 0 OR h.room = s.room))"
	        " GROUP BY s.day"
	        " UNION ALL SELECT h.day, 0, 0, h.name FROM holiday h"
	        " WHERE h.room = (SELECT MIN(g.room) FROM holiday g WHERE g.day = h.day AND (g.room = 0 OR g.room = "
	        "$2))"
	        " AND h.day >= $3 AND h.day <= $5"
	        " ORDER BY 1",
	        DB_ARGS(DB_N(call_number(c, "specialty")), DB_N(call_number(c, "room")), DB_T(str_from(w.from)),
	                DB_N(w.minute), DB_T(str_from(w.to))),
	        say_day, put_list(c->out, "days"), err);
	return r < 0 ? (int)r : 0;
}

static int say_slot(void *arg, const struct db_row *row)
{
	json_t *slot = put_item(arg);

	put_number(slot, "room", db_number(row, 0));
	put_number(slot, "start", db_number(row, 1));
	put_number(slot, "minutes", db_number(row, 2));
	put_number(slot, "free", db_number(row, 3));
	return 0;
}

static int apply_slots(struct call *c, struct err *err)
{
	struct slot_window w;
	struct str day = call_text(c, "day");

	slot_window(c->db, c->now, &w);
	int64_t r = db_query(
	        c->db,
	        "SELECT s.room, s.start, s.minutes, CASE WHEN s.taken < s.places THEN s.places - s.taken ELSE 0 END"
	        " FROM slot s JOIN room r ON r.id = s.room JOIN specialty p ON p.id = r.specialty"
	        " WHERE p.id = $1 AND (r.id = $2 OR $2 = 0) AND r.active = 1 AND p.active = 1 AND s.closed = 0"
	        " AND s.day = $3 AND (s.day, s.start) >= ($4, $5) AND s.day <= $6"
	        " AND NOT EXISTS (SELECT 1 FROM holiday h WHERE h.day = s.day AND (h.room = 0 OR h.room = s.room))"
	        " ORDER BY s.start, r.place, s.room LIMIT $7",
	        DB_ARGS(DB_N(call_number(c, "specialty")), DB_N(call_number(c, "room")), DB_T(day),
	                DB_T(str_from(w.from)), DB_N(w.minute), DB_T(str_from(w.to)), DB_N(ANSWER_ROWS)),
	        say_slot, put_list(c->out, "slots"), err);
	return r < 0 ? (int)r : 0;
}

/* --- book --- */

/* The bytes of a call that go into the row. */
struct sealed {
	struct buf person, code_hash, phone_hash;
};

static void sealed_done(struct sealed *s)
{
	buf_free(&s->person);
	buf_free(&s->code_hash);
	buf_free(&s->phone_hash);
}

static int sealed_read(const struct call *c, struct sealed *s, struct err *err)
{
	int r = call_bytes(c, "person", &s->person, err);

	r = r ? r : call_bytes(c, "code_hash", &s->code_hash, err);
	if (r == 0 && call_text(c, "phone_hash").n)
		r = call_bytes(c, "phone_hash", &s->phone_hash, err);
	return r;
}

static int take_ref(void *arg, const struct db_row *row)
{
	buf_add(arg, db_text(row, 0));
	return 1;
}

int booking_again(struct call *c, struct err *err)
{
	CLEANUP(buf_free) struct buf ref = { 0 };
	int64_t r = db_query(c->db, "SELECT ref FROM booking WHERE once = $1", DB_ARGS(DB_T(call_text(c, "once"))),
	                     take_ref, &ref, err);

	if (r <= 0 || ref.failed)
		return r < 0 ? (int)r : ref.failed ? -ENOMEM : -ENOENT;
	return booked_say_code(c, buf_str(&ref), err);
}

static struct str language(const struct call *c)
{
	struct str lang = call_text(c, "lang");

	return str_eq(lang, STR("en")) || str_eq(lang, STR("zh")) ? lang : STR("vi");
}

int booking_make(struct call *c, const struct booking_place *at, struct err *err)
{
	CLEANUP(sealed_done) struct sealed s = { 0 };
	struct str ref = call_text(c, "ref");
	bool came = at->start < 0;
	int64_t number;
	char counter[64];
	int64_t r = sealed_read(c, &s, err);

	if (r)
		return (int)r;
	snprintf(counter, sizeof(counter), "number:%lld:" STR_FMT, (long long)at->room, STR_ARG(at->day));
	r = schema_next(c->db, str_from(counter), &number, err);
	if (r)
		return (int)r;
	r = db_run(c->db,
	           "INSERT INTO booking (ref, room, day, start, number, kind, priority, state, person, code_hash,"
	           " phone_hash, once, lang, made, changed, arrived, called, calls, ended)"
	           " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, $15, 0, 0, 0)",
	           DB_ARGS(DB_T(ref), DB_N(at->room), DB_T(at->day), DB_N(at->start), DB_N(number),
	                   DB_T(came ? STR("walk-in") : STR("booked")), DB_N(call_number(c, "priority")),
	                   DB_T(came ? STR("arrived") : STR("booked")), DB_B(buf_str(&s.person)),
	                   DB_B(buf_str(&s.code_hash)),
	                   s.phone_hash.n ? DB_B(buf_str(&s.phone_hash)) : (struct db_value){ 0 },
	                   DB_T(call_text(c, "once")), DB_T(language(c)), DB_N(c->now), DB_N(came ? c->now : 0)),
	           err);
	r = r < 0 ? r : payment_open(c, ref, at->fee, err);
	r = r < 0 ? r : outbox_put(c, ref, came ? "arrived" : "booked", err);
	return r < 0 ? (int)r : booked_say_code(c, ref, err);
}

static int ready_book(struct call *c, struct err *err)
{
	return person_ready(c, true, err);
}

/* What else a booking depends on. */
struct terms {
	int64_t fee, holidays, of_phone, ahead;
};

static int take_terms(void *arg, const struct db_row *row)
{
	*(struct terms *)arg =
	        (struct terms){ db_number(row, 0), db_number(row, 1), db_number(row, 2), db_number(row, 3) };
	return 1;
}

/*
 * Number of rows: 0: there is no such room; -errno. One question: this is asked with every booking. The states stand where no index
 * over them can be taken: a phone has few bookings, the clinic has many that are 'booked'.
 */
static int64_t read_terms(struct call *c, const struct booking_place *at, struct terms *ret, struct err *err)
{
	CLEANUP(buf_free) struct buf phone = { 0 };
	int r = call_bytes(c, "phone_hash", &phone, err);

	if (r)
		return r;
	return db_query(c->db,
	                "SELECT s.fee, (SELECT COUNT(*) FROM holiday WHERE day = $1 AND (room = $2 OR room = 0)),"
	                " (SELECT COUNT(*) FROM booking WHERE day = $1 AND phone_hash = $3 AND state <> 'cancelled'),"
	                " (SELECT COUNT(CASE WHEN state = 'booked' THEN 1 END) FROM booking WHERE phone_hash = $3)"
	                " FROM room r JOIN specialty s ON s.id = r.specialty"
	                " WHERE r.id = $2 AND r.active = 1 AND s.active = 1",
	                DB_ARGS(DB_T(at->day), DB_N(at->room), DB_B(buf_str(&phone))), take_terms, ret, err);
}

/* Whether the day and the room are open, and the phone hasn't too many: 0, CALL_REFUSED or -errno. */
static int may_book(struct call *c, struct booking_place *at, struct err *err)
{
	struct slot_window w;
	struct terms is;

	if (day_number(at->day) < 0 || at->start < 0 || at->start >= SLOT_DAY_MINUTES)
		return call_refuse(c, "slot-gone", "start");
	int64_t r = read_terms(c, at, &is, err);
	if (r <= 0)
		return r ? (int)r : call_refuse(c, "slot-gone", "room");
	slot_window(c->db, c->now, &w);
	enum slot_when when = slot_when(&w, at->day, at->start);
	if (when == SLOT_TOO_SOON)
		return call_refuse(c, "too-soon", "start");
	if (is.holidays || when == SLOT_TOO_LATE)
		return call_refuse(c, "day-closed", "day");
	if (is.of_phone >= setting_number(c->db, STR("per_phone"), 1) ||
	    is.ahead >= setting_number(c->db, STR("per_phone_ahead"), 1))
		return call_refuse(c, "too-many", "phone");
	at->fee = is.fee;
	return 0;
}

static int apply_book(struct call *c, struct err *err)
{
	struct booking_place at = { .room = call_number(c, "room"),
		                    .day = call_text(c, "day"),
		                    .start = call_number(c, "start") };
	int r = booking_again(c, err);

	if (r != -ENOENT)
		return r;
	r = may_book(c, &at, err);
	if (r)
		return r;
	r = slot_take(c->db, at.room, at.day, at.start, err);
	if (r < 0)
		return r;
	if (r != SLOT_TAKEN)
		return call_refuse(c, r == SLOT_FULL ? "slot-full" : "slot-gone", "start");
	return booking_make(c, &at, err);
}

/* --- look up, cancel --- */

struct found {
	char ref[64], day[11], state[16];
	int64_t room, start;
	unsigned char phone[SEAL_HASH];
};

static int take_found(void *arg, const struct db_row *row)
{
	struct found *f = arg;
	struct str phone = db_bytes(row, 5);

	snprintf(f->ref, sizeof(f->ref), STR_FMT, STR_ARG(db_text(row, 0)));
	snprintf(f->day, sizeof(f->day), STR_FMT, STR_ARG(db_text(row, 1)));
	snprintf(f->state, sizeof(f->state), STR_FMT, STR_ARG(db_text(row, 2)));
	f->room = db_number(row, 3);
	f->start = db_number(row, 4);
	if (phone.n == SEAL_HASH)
		memcpy(f->phone, phone.p, SEAL_HASH);
	return 1;
}

/*
 * 0, CALL_REFUSED or -errno. An unknown code, a wrong phone, and what can't be one cost the same: two hashes, one search, one
 * comparison. A booking without a phone has zeros, which no hash is.
 */
static int find(struct call *c, const unsigned char hashes[PERSON_HASHES], struct found *f, struct err *err)
{
	*f = (struct found){ 0 };
	int64_t r = db_query(c->db, "SELECT ref, day, state, room, start, phone_hash FROM booking WHERE code_hash = $1",
	                     DB_ARGS(DB_B(((struct str){ (const char *)hashes, SEAL_HASH }))), take_found, f, err);
	if (r < 0)
		return (int)r;
	return sodium_memcmp(f->phone, hashes + SEAL_HASH, SEAL_HASH) ? call_refuse(c, "unknown", NULL) : 0;
}

/* Whoever waits is told how many are called before, in the order in which they will be. */
static int say_ahead(struct call *c, const char *ref, struct err *err)
{
	struct line l;

	if (!json_object_get(c->out, "ahead"))
		return 0;
	int r = line_begin(c, &l, err);
	r = r ? r : line_read(c, &l, json_integer_value(json_object_get(c->out, "room")), err);
	for (size_t i = 0; r == 0 && i < l.n; i++) {
		if (strcmp(l.seats[l.ones[i].tag].ref, ref) == 0)
			put_number(c->out, "ahead", (int64_t)i);
	}
	line_done(&l);
	return r;
}

static int apply_lookup(struct call *c, struct err *err)
{
	unsigned char hashes[PERSON_HASHES];
	struct found f;

	person_hashes(c, hashes);
	int r = find(c, hashes, &f, err);
	r = r ? r : booked_say(c, str_from(f.ref), false, c->out, err);
	return r ? r : say_ahead(c, f.ref, err);
}

static int read_hashes(struct call *c, unsigned char hashes[PERSON_HASHES], struct err *err)
{
	CLEANUP(buf_free) struct buf both = { 0 };
	int r = call_bytes(c, "code_hash", &both, err);

	r = r ? r : call_bytes(c, "phone_hash", &both, err);
	if (r == 0 && both.n != PERSON_HASHES)
		r = err_set(err, -EBADMSG, "a call's hashes: %m");
	if (r == 0)
		memcpy(hashes, both.p, PERSON_HASHES);
	return r;
}

static int apply_cancel(struct call *c, struct err *err)
{
	unsigned char hashes[PERSON_HASHES];
	struct slot_window w;
	struct found f;
	int64_t r = read_hashes(c, hashes, err);

	r = r ? r : find(c, hashes, &f, err);
	if (r)
		return (int)r;
	if (str_eq(str_from(f.state), STR("cancelled"))) /* the same again */
		return booked_say(c, str_from(f.ref), false, c->out, err);
	slot_window(c->db, c->now, &w);
	if (!str_eq(str_from(f.state), STR("booked")) || slot_when(&w, str_from(f.day), f.start) == SLOT_TOO_SOON)
		return call_refuse(c, "too-late", NULL);
	r = db_run(c->db, "UPDATE booking SET state = 'cancelled', changed = $1, ended = $1 WHERE ref = $2",
	           DB_ARGS(DB_N(c->now), DB_T(str_from(f.ref))), err);
	r = r < 0 ? r : slot_give(c->db, f.room, str_from(f.day), f.start, err);
	r = r < 0 ? r : payment_void(c, str_from(f.ref), err);
	r = r < 0 ? r : outbox_put(c, str_from(f.ref), "cancelled", err);
	return r < 0 ? (int)r : booked_say(c, str_from(f.ref), false, c->out, err);
}

static int apply_ticket(struct call *c, struct err *err)
{
	int r = booked_say(c, call_text(c, "ref"), true, c->out, err);

	return r == -ENOENT ? call_refuse(c, "unknown", "ref") : r;
}

const struct op booking_ops[] = {
	{ "places", ROLE_ANYBODY, false, NULL, apply_places },
	{ "days", ROLE_ANYBODY, false, NULL, apply_days },
	{ "slots", ROLE_ANYBODY, false, NULL, apply_slots },
	{ "book", ROLE_ANYBODY, true, ready_book, apply_book },
	{ "lookup", ROLE_ANYBODY, false, NULL, apply_lookup },
	{ "cancel", ROLE_ANYBODY, true, person_hide, apply_cancel },
	{ "ticket", ROLE_CLERK, false, NULL, apply_ticket },
	{ 0 },
};
