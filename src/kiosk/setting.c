#include "kiosk/setting.h"
#include "kiosk/ops.h"
#include "kiosk/person.h"
#include "kiosk/put.h"
#include "kiosk/slot.h"

#include <errno.h>
#include <stdlib.h>

enum {
	SPECIALTIES_MAX = 200,
	ROOMS_MAX = 500,
	HOURS_MAX = 5000,
	NAME_BYTES = 120,
	FEE_MAX = 1000000000,
	SLOT_MINUTES_MAX = 480,
	SLOT_MINUTES_OTHERWISE = 30,
	DAYS_AHEAD = 3 * 366,
};

/* --- the table --- */

static bool all_of(struct str text, const char *set)
{
	for (size_t i = 0; i < text.n; i++) {
		if (!text.p[i] || !strchr(set, text.p[i]))
			return false;
	}
	return true;
}

static bool bin_right(struct str text)
{
	return (text.n == 0 || text.n == 6) && all_of(text, "0123456789");
}

static bool account_right(struct str text)
{
	return all_of(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
}

#define NUMBER(n, d, lo, hi, m)                                                                                        \
	{                                                                                                              \
		.name = STR(n), .otherwise = STR(d), .number = true, .min = lo, .max = hi, .meaning = m                \
	}
#define TEXT(n, d, lo, hi, r, m)                                                                                       \
	{                                                                                                              \
		.name = STR(n), .otherwise = STR(d), .min = lo, .max = hi, .right = r, .meaning = m                    \
	}

const struct setting_kind setting_kinds[] = {
	TEXT("clinic", "Phòng khám", 1, 120, NULL, "the clinic's name, on every page and ticket"),
	TEXT("phone", "", 0, 40, NULL, "where people can call it"),
	NUMBER("zone", "420", -720, 840, "its clock: minutes east of UTC; one that has no summer time"),
	NUMBER("open_days", "30", 1, 180, "so many days ahead can be booked"),
	NUMBER("lead_minutes", "60", 0, 10080,
	       "so long before its start a slot can be booked, and a booking be cancelled"),
	NUMBER("per_phone", "2", 1, 100, "bookings of one phone on a day"),
	NUMBER("per_phone_ahead", "12", 1, 10000, "bookings of one phone that are still to come"),
	NUMBER("per_address", "300", 0, 1000000,
	       "bookings sent from one internet address in an hour, which many may share; 0: no bound"),
	NUMBER("priority_weight", "2", 1, 20, "so many with priority are called before one without"),
	NUMBER("wait_cap_minutes", "60", 1, 1440, "who waits for longer than this is called next"),
	NUMBER("slot_fee_hold_minutes", "30", 1, 10080, "so long a booking's fee can be paid by QR code"),
	TEXT("bank_bin", "", 0, 6, bin_right,
	     "the bank's number of six digits, for VietQR; empty: nothing is paid by QR code"),
	TEXT("bank_account", "", 0, 19, account_right, "the clinic's account there"),
	TEXT("bank_name", "", 0, 60, NULL, "whose account that is, as people see it"),
	NUMBER("keep_days", "90", 1, 3650, "so long after a visit it is kept who came"),
	NUMBER("change_days", "30", 1, 3650,
	       "so long changes are kept for a standby that was away; never longer than keep_days"),
	{ .name = { 0 } },
};

const struct setting_kind *setting_kind(struct str name)
{
	for (const struct setting_kind *kind = setting_kinds; kind->name.n; kind++) {
		if (str_eq(kind->name, name))
			return kind;
	}
	return NULL;
}

bool setting_right(const struct setting_kind *kind, struct str value)
{
	char text[24], *end;

	if (!kind->number)
		return value.n >= (size_t)kind->min && text_right(value, (size_t)kind->max) &&
		       (!kind->right || kind->right(value));
	if (value.n == 0 || value.n >= sizeof(text) || !all_of(value, "-0123456789"))
		return false;
	memcpy(text, value.p, value.n);
	text[value.n] = '\0';
	errno = 0;
	long long n = strtoll(text, &end, 10);
	return !errno && !*end && end != text && n >= kind->min && n <= kind->max;
}

/* --- what all of these do --- */

/* 1: it is within; else it is refused. */
static bool within(struct call *c, const char *name, int64_t min, int64_t max)
{
	int64_t n = call_number(c, name);

	if (n >= min && n <= max)
		return true;
	call_refuse(c, "value", name);
	return false;
}

/* From today on, and not for ever. */
static bool day_within(struct call *c, struct str day)
{
	char text[11];
	int minute, weekday;

	clinic_time(c->db, c->now, text, &minute, &weekday);
	int64_t ahead = day_number(day) - day_number(str_from(text));
	if (ahead >= 0 && ahead <= DAYS_AHEAD)
		return true;
	call_refuse(c, "value", "day");
	return false;
}

static bool name_within(struct call *c, const char *name, struct str text, size_t max)
{
	if (str_trim(text).n && text_right(text, max))
		return true;
	call_refuse(c, "value", name);
	return false;
}

/* The number of the row that is put: the call's, if there is one; else a new one, if there may be more. 0, CALL_REFUSED, -errno. */
static int row_number(struct call *c, struct str counter, const char *one, const char *all, int64_t max, int64_t *id,
                      struct err *err)
{
	int64_t n;
	int r;

	*id = call_number(c, "id");
	if (*id) {
		r = db_ask(c->db, one, DB_ARGS(DB_N(*id)), &n, err);
		return r == -ENOENT ? call_refuse(c, "unknown", "id") : r;
	}
	r = db_ask(c->db, all, DB_NONE, &n, err);
	if (r == 0 && n >= max)
		return call_refuse(c, "too-many", NULL);
	return r ? r : schema_next(c->db, counter, id, err);
}

static int room_there(struct call *c, int64_t room, struct err *err)
{
	int64_t n;
	int r = db_ask(c->db, "SELECT id FROM room WHERE id = $1", DB_ARGS(DB_N(room)), &n, err);

	return r == -ENOENT ? call_refuse(c, "value", "room") : r;
}

/* --- settings, set --- */

static int say_values(struct call *c, struct err *err)
{
	json_t *values = json_object();

	json_object_set_new(c->out, "values", values);
	for (const struct setting_kind *kind = setting_kinds; kind->name.n; kind++) {
		CLEANUP(buf_free) struct buf text = { 0 };
		int r = setting_get(c->db, kind->name, &text, err);

		if (r)
			return r;
		put_text(values, kind->name.p, buf_str(&text));
	}
	return 0;
}

static int say_specialty(void *arg, const struct db_row *row)
{
	json_t *s = put_item(arg);

	put_number(s, "id", db_number(row, 0));
	put_number(s, "place", db_number(row, 1));
	put_name(s, "name", row, 2);
	put_number(s, "fee", db_number(row, 5));
	json_object_set_new(s, "active", json_boolean(db_number(row, 6)));
	return 0;
}

static int say_room(void *arg, const struct db_row *row)
{
	json_t *r = put_item(arg);

	put_number(r, "id", db_number(row, 0));
	put_number(r, "specialty", db_number(row, 1));
	put_number(r, "place", db_number(row, 2));
	put_text(r, "name", db_text(row, 3));
	put_text(r, "letter", db_text(row, 4));
	json_object_set_new(r, "active", json_boolean(db_number(row, 5)));
	return 0;
}

static int say_hours(void *arg, const struct db_row *row)
{
	static const char *const names[] = { "id", "room", "weekday", "begins", "ends", "minutes", "places" };
	json_t *h = put_item(arg);

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		put_number(h, names[i], db_number(row, (int)i));
	return 0;
}

static int say_holiday(void *arg, const struct db_row *row)
{
	json_t *h = put_item(arg);

	put_text(h, "day", db_text(row, 0));
	put_number(h, "room", db_number(row, 1));
	put_text(h, "name", db_text(row, 2));
	return 0;
}

static int apply_settings(struct call *c, struct err *err)
{
	char today[11];
	int minute, weekday;
	int64_t r = say_values(c, err);

	clinic_time(c->db, c->now, today, &minute, &weekday);
	if (r == 0)
		r = db_query(c->db,
		             "SELECT id, place, name_vi, name_en, name_zh, fee, active FROM specialty"
		             " ORDER BY place, id",
		             DB_NONE, say_specialty, put_list(c->out, "specialties"), err);
	if (r >= 0)
		r = db_query(c->db, "SELECT id, specialty, place, name, letter, active FROM room ORDER BY place, id",
		             DB_NONE, say_room, put_list(c->out, "rooms"), err);
	if (r >= 0)
		r = db_query(c->db,
		             "SELECT id, room, weekday, begins, ends, minutes, places FROM hours"
		             " ORDER BY room, weekday, begins, id",
		             DB_NONE, say_hours, put_list(c->out, "hours"), err);
	if (r >= 0)
		r = db_query(c->db, "SELECT day, room, name FROM holiday WHERE day >= $1 ORDER BY day, room",
		             DB_ARGS(DB_T(str_from(today))), say_holiday, put_list(c->out, "holidays"), err);
	return r < 0 ? (int)r : 0;
}

static int apply_set(struct call *c, struct err *err)
{
	json_t *values = json_object_get(c->in, "values"), *value;
	const char *name;

	json_object_foreach(values, name, value)
	{
		const struct setting_kind *kind = setting_kind(str_from(name));
		struct str text = { json_string_value(value), json_string_length(value) };

		if (!kind || !json_is_string(value) || !setting_right(kind, text))
			return call_refuse(c, "value", kind ? kind->name.p : NULL);
		int64_t r = db_run(c->db,
		                   "INSERT INTO setting (name, value) VALUES ($1, $2)"
		                   " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
		                   DB_ARGS(DB_T(kind->name), DB_T(text)), err);
		if (r < 0)
			return (int)r;
	}
	return 0;
}

/* --- what there is --- */

static int apply_specialty_put(struct call *c, struct err *err)
{
	static const char *const languages[] = { "vi", "en", "zh" };
	const json_t *name = json_object_get(c->in, "name");
	struct str names[3];
	int64_t id;

	for (size_t i = 0; i < 3; i++) {
		const json_t *text = json_object_get(name, languages[i]);

		names[i] = str_trim((struct str){ json_string_value(text), json_string_length(text) });
		if (names[i].n == 0)
			names[i] = names[0];
		if (!name_within(c, "name", names[i], NAME_BYTES))
			return CALL_REFUSED;
	}
	if (!within(c, "place", 0, INT32_MAX) || !within(c, "fee", 0, FEE_MAX))
		return CALL_REFUSED;
	int64_t r = row_number(c, STR("specialty"), "SELECT id FROM specialty WHERE id = $1",
	                       "SELECT COUNT(*) FROM specialty", SPECIALTIES_MAX, &id, err);
	if (r)
		return (int)r;
	r = db_run(c->db,
	           "INSERT INTO specialty (id, place, name_vi, name_en, name_zh, fee, active)"
	           " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET place = excluded.place,"
	           " name_vi = excluded.name_vi, name_en = excluded.name_en, name_zh = excluded.name_zh,"
	           " fee = excluded.fee, active = excluded.active",
	           DB_ARGS(DB_N(id), DB_N(call_number(c, "place")), DB_T(names[0]), DB_T(names[1]), DB_T(names[2]),
	                   DB_N(call_number(c, "fee")), DB_N(call_number(c, "active") != 0)),
	           err);
	call_say_number(c, "id", id);
	return r < 0 ? (int)r : 0;
}

/* Of two rooms with one letter nobody would know which number is theirs. */
static int letter_free(struct call *c, int64_t id, struct err *err)
{
	struct str letter = call_text(c, "letter");
	int64_t n;

	if (letter.n == 0 || letter.n > 3 || !all_of(letter, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
		return call_refuse(c, "value", "letter");
	int r = db_ask(c->db, "SELECT COUNT(*) FROM room WHERE letter = $1 AND id <> $2 AND active = 1",
	               DB_ARGS(DB_T(letter), DB_N(id)), &n, err);
	return r ? r : n && call_number(c, "active") ? call_refuse(c, "value", "letter") : 0;
}

static int apply_room_put(struct call *c, struct err *err)
{
	struct str name = str_trim(call_text(c, "name"));
	int64_t id, n, specialty = call_number(c, "specialty");

	if (!name_within(c, "name", name, NAME_BYTES) || !within(c, "place", 0, INT32_MAX))
		return CALL_REFUSED;
	int64_t r = db_ask(c->db, "SELECT id FROM specialty WHERE id = $1", DB_ARGS(DB_N(specialty)), &n, err);
	if (r == -ENOENT)
		return call_refuse(c, "value", "specialty");
	r = r ? r : letter_free(c, call_number(c, "id"), err);
	r = r ? r
	      : row_number(c, STR("room"), "SELECT id FROM room WHERE id = $1", "SELECT COUNT(*) FROM room", ROOMS_MAX,
	                   &id, err);
	if (r)
		return (int)r;
	r = db_run(c->db,
	           "INSERT INTO room (id, specialty, place, name, letter, active) VALUES ($1, $2, $3, $4, $5, $6)"
	           " ON CONFLICT (id) DO UPDATE SET specialty = excluded.specialty, place = excluded.place,"
	           " name = excluded.name, letter = excluded.letter, active = excluded.active",
	           DB_ARGS(DB_N(id), DB_N(specialty), DB_N(call_number(c, "place")), DB_T(name),
	                   DB_T(call_text(c, "letter")), DB_N(call_number(c, "active") != 0)),
	           err);
	call_say_number(c, "id", id);
	return r < 0 ? (int)r : 0;
}

/* --- hours --- */

struct hours {
	int64_t room, weekday;
};

static int take_hours(void *arg, const struct db_row *row)
{
	*(struct hours *)arg = (struct hours){ db_number(row, 0), db_number(row, 1) };
	return 1;
}

/* -ENOENT: no such hours. */
static int hours_of(struct call *c, int64_t id, struct hours *ret, struct err *err)
{
	int64_t r = db_query(c->db, "SELECT room, weekday FROM hours WHERE id = $1", DB_ARGS(DB_N(id)), take_hours, ret,
	                     err);

	return r < 0 ? (int)r : r ? 0 : -ENOENT;
}

static int hours_right(struct call *c, struct err *err)
{
	int64_t begins = call_number(c, "begins"), ends = call_number(c, "ends"), n;

	if (!within(c, "weekday", 1, 7) || !within(c, "minutes", SLOT_MINUTES_MIN, SLOT_MINUTES_MAX) ||
	    !within(c, "begins", 0, SLOT_DAY_MINUTES - 1) || !within(c, "places", 1, SLOT_PLACES_MAX) ||
	    !within(c, "ends", begins + call_number(c, "minutes"), SLOT_DAY_MINUTES))
		return CALL_REFUSED;
	int r = room_there(c, call_number(c, "room"), err);
	if (r)
		return r;
	r = db_ask(c->db,
	           "SELECT COUNT(*) FROM hours WHERE room = $1 AND weekday = $2 AND id <> $3 AND begins < $4"
	           " AND ends > $5",
	           DB_ARGS(DB_N(call_number(c, "room")), DB_N(call_number(c, "weekday")), DB_N(call_number(c, "id")),
	                   DB_N(ends), DB_N(begins)),
	           &n, err);
	return r ? r : n ? call_refuse(c, "value", "begins") : 0;
}

static int apply_hours_put(struct call *c, struct err *err)
{
	struct hours now = { call_number(c, "room"), call_number(c, "weekday") }, before = now;
	int64_t id, kept = 0, more = 0;
	int64_t r = hours_right(c, err);

	r = r ? r
	      : row_number(c, STR("hours"), "SELECT id FROM hours WHERE id = $1", "SELECT COUNT(*) FROM hours",
	                   HOURS_MAX, &id, err);
	if (r)
		return (int)r;
	r = hours_of(c, id, &before, err);
	if (r < 0 && r != -ENOENT)
		return (int)r;
	r = db_run(c->db,
	           "INSERT INTO hours (id, room, weekday, begins, ends, minutes, places)"
	           " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET room = excluded.room,"
	           " weekday = excluded.weekday, begins = excluded.begins, ends = excluded.ends,"
	           " minutes = excluded.minutes, places = excluded.places",
	           DB_ARGS(DB_N(id), DB_N(now.room), DB_N(now.weekday), DB_N(call_number(c, "begins")),
	                   DB_N(call_number(c, "ends")), DB_N(call_number(c, "minutes")),
	                   DB_N(call_number(c, "places"))),
	           err);
	r = r < 0 ? r : slot_follow_hours(c->db, c->now, now.room, (int)now.weekday, &kept, err);
	if (r == 0 && (before.room != now.room || before.weekday != now.weekday))
		r = slot_follow_hours(c->db, c->now, before.room, (int)before.weekday, &more, err);
	call_say_number(c, "id", id);
	call_say_number(c, "kept", kept + more);
	return (int)r;
}

static int apply_hours_remove(struct call *c, struct err *err)
{
	struct hours h;
	int64_t kept = 0, id = call_number(c, "id");
	int64_t r = hours_of(c, id, &h, err);

	if (r)
		return r == -ENOENT ? call_refuse(c, "unknown", "id") : (int)r;
	r = db_run(c->db, "DELETE FROM hours WHERE id = $1", DB_ARGS(DB_N(id)), err);
	r = r < 0 ? r : slot_follow_hours(c->db, c->now, h.room, (int)h.weekday, &kept, err);
	call_say_number(c, "kept", kept);
	return (int)r;
}

/* --- holidays, slots by hand --- */

static int apply_holiday_put(struct call *c, struct err *err)
{
	struct str day = call_text(c, "day"), name = str_trim(call_text(c, "name"));
	int64_t booked, room = call_number(c, "room");

	if (!day_within(c, day) || !name_within(c, "name", name, NAME_BYTES))
		return CALL_REFUSED;
	int64_t r = room ? room_there(c, room, err) : 0;
	if (r)
		return (int)r;
	r = db_run(c->db,
	           "INSERT INTO holiday (day, room, name) VALUES ($1, $2, $3)"
	           " ON CONFLICT (day, room) DO UPDATE SET name = excluded.name",
	           DB_ARGS(DB_T(day), DB_N(room), DB_T(name)), err);
	if (r >= 0)
		r = db_ask(c->db,
		           "SELECT COUNT(*) FROM booking WHERE day = $1 AND (room = $2 OR $2 = 0)"
		           " AND state = 'booked'",
		           DB_ARGS(DB_T(day), DB_N(room)), &booked, err);
	if (r < 0)
		return (int)r;
	call_say_number(c, "booked", booked);
	return 0;
}

static int apply_holiday_remove(struct call *c, struct err *err)
{
	int64_t r = db_run(c->db, "DELETE FROM holiday WHERE day = $1 AND room = $2",
	                   DB_ARGS(DB_T(call_text(c, "day")), DB_N(call_number(c, "room"))), err);

	return r < 0 ? (int)r : r ? 0 : call_refuse(c, "unknown", "day");
}

/* How long a slot at this minute is: as the room's hours say. */
static int minutes_at(struct call *c, int64_t day, int64_t *ret, struct err *err)
{
	int r = db_ask(
	        c->db, "SELECT minutes FROM hours WHERE room = $1 AND weekday = $2 AND begins <= $3 AND ends > $3",
	        DB_ARGS(DB_N(call_number(c, "room")), DB_N(day_weekday(day)), DB_N(call_number(c, "start"))), ret, err);
	if (r == -ENOENT)
		*ret = SLOT_MINUTES_OTHERWISE;
	return r == -ENOENT ? 0 : r;
}

static int apply_slot_put(struct call *c, struct err *err)
{
	struct str day = call_text(c, "day");
	int64_t minutes;

	if (!day_within(c, day) || !within(c, "start", 0, SLOT_DAY_MINUTES - 1) ||
	    !within(c, "places", 0, SLOT_PLACES_MAX))
		return CALL_REFUSED;
	int64_t r = room_there(c, call_number(c, "room"), err);
	r = r ? r : minutes_at(c, day_number(day), &minutes, err);
	if (r)
		return (int)r;
	r = db_run(c->db,
	           "INSERT INTO slot (room, day, start, minutes, places, taken, closed, source)"
	           " VALUES ($1, $2, $3, $4, $5, 0, $6, 'hand') ON CONFLICT (day, room, start) DO UPDATE"
	           " SET places = excluded.places, closed = excluded.closed, source = 'hand'",
	           DB_ARGS(DB_N(call_number(c, "room")), DB_T(day), DB_N(call_number(c, "start")), DB_N(minutes),
	                   DB_N(call_number(c, "places")), DB_N(call_number(c, "closed") != 0)),
	           err);
	return r < 0 ? (int)r : 0;
}

const struct op setting_ops[] = {
	{ "settings", ROLE_ADMIN, false, NULL, apply_settings },
	{ "set", ROLE_ADMIN, true, NULL, apply_set },
	{ "specialty-put", ROLE_ADMIN, true, NULL, apply_specialty_put },
	{ "room-put", ROLE_ADMIN, true, NULL, apply_room_put },
	{ "hours-put", ROLE_ADMIN, true, NULL, apply_hours_put },
	{ "hours-remove", ROLE_ADMIN, true, NULL, apply_hours_remove },
	{ "holiday-put", ROLE_ADMIN, true, NULL, apply_holiday_put },
	{ "holiday-remove", ROLE_ADMIN, true, NULL, apply_holiday_remove },
	{ "slot-put", ROLE_ADMIN, true, NULL, apply_slot_put },
	{ 0 },
};
