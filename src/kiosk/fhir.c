/*
 * Slots of the hospital's system become the rooms' slots. ready() reads them, so that a change holds a few numbers for each
 * and nothing else of what was sent.
 *
 * How many places has a slot, of which the hospital says that so many are free and so many busy? Those that are free, and of
 * the busy ones those that are busy because of bookings that were made here and that it has heard of (outbox.h): these have
 * a place taken here, too.
 */
#include "kiosk/fhir_slot.h"
#include "kiosk/outbox.h"
#include "kiosk/put.h"
#include "kiosk/slot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	DAYS_AHEAD = 366,
	LENGTH_MAX = 480, /* minutes */
};
static const int64_t MINUTE_US = 60 * (int64_t)1000000;

/* --- ready --- */

struct reading {
	struct fhir_slot *slots;
	size_t n;
	json_t *refused;
	int64_t zone, today; /* days since 1970, on the clinic's clock */
	bool failed;         /* no memory */
};

static void refuse(void *arg, const char *id, const char *why)
{
	struct reading *r = arg;
	json_t *item = put_item(r->refused);
	put_text(item, "id", str_from(id));
	put_text(item, "why", str_from(why));
}

/* On the clinic's clock: minutes since 1970. */
static int64_t minutes_of(const struct reading *r, int64_t us)
{
	return us / MINUTE_US + r->zone;
}

static const char *unfit(const struct reading *r, const struct fhir_slot *slot)
{
	int64_t start = minutes_of(r, slot->start), length = minutes_of(r, slot->end) - start;
	int64_t day = start / SLOT_DAY_MINUTES;
	if (length < SLOT_MINUTES_MIN || length > LENGTH_MAX)
		return "length";
	if (start < 0 || day < r->today)
		return "past";
	return day > r->today + DAYS_AHEAD ? "far" : NULL;
}

static void take(void *arg, const struct fhir_slot *slot)
{
	struct reading *r = arg;
	const char *why = unfit(r, slot);
	if (why) {
		refuse(r, slot->id, why);
		return;
	}
	if (r->n % 256 == 0) { /* bounded by FHIR_SLOTS_MAX */
		struct fhir_slot *more = realloc(r->slots, (r->n + 256) * sizeof(*more));
		if (!more) {
			r->failed = true;
			return;
		}
		r->slots = more;
	}
	r->slots[r->n++] = *slot;
}

static int by_room_and_start(const void *a, const void *b)
{
	const struct fhir_slot *x = a, *y = b;
	if (x->room != y->room)
		return x->room < y->room ? -1 : 1;
	return (x->start > y->start) - (x->start < y->start);
}

/* Slots of one room at one time are places of one. [room, day, start, minutes, how many, free, busy, id of the first] */
enum { ROOM, DAY, START, MINUTES, COUNT, FREE, BUSY, FIRST, N_PARTS };

static size_t put_group(const struct reading *r, const struct fhir_slot *first, size_t most, json_t *groups)
{
	size_t n = 0, times[3] = { 0 };
	int64_t start = minutes_of(r, first->start), length = (first->end - first->start) / MINUTE_US;
	char day[11];
	while (n < most && by_room_and_start(first, &first[n]) == 0)
		times[first[n++].status]++;
	day_text(start / SLOT_DAY_MINUTES, day);
	json_array_append_new(groups,
	                      json_pack("[I, s, I, I, I, I, I, s]", (json_int_t)first->room, day,
	                                (json_int_t)(start % SLOT_DAY_MINUTES), (json_int_t)length, (json_int_t)n,
	                                (json_int_t)times[FHIR_FREE], (json_int_t)times[FHIR_BUSY], first->id));
	return n;
}

static int ready_slots(struct call *c, struct err *err)
{
	struct reading r = { .refused = json_array(), .zone = setting_number(c->db, STR("zone"), 0) };
	const struct fhir_reader reader = { .take = take, .refuse = refuse, .arg = &r };
	json_t *groups = json_array();
	r.today = minutes_of(&r, c->now) / SLOT_DAY_MINUTES;
	int code = fhir_slots_read(call_text(c, "bundle"), &reader, NULL);
	if (code)
		code = call_refuse(c, "body", "bundle");
	if (r.n)
		qsort(r.slots, r.n, sizeof(*r.slots), by_room_and_start);
	for (size_t i = 0; i < r.n;)
		i += put_group(&r, &r.slots[i], r.n - i, groups);
	free(r.slots);
	json_object_del(c->in, "bundle");
	if (json_object_set_new(c->in, "slots", groups) || json_object_set_new(c->in, "refused", r.refused) || r.failed)
		return err_set(err, -ENOMEM, "the hospital's slots: %m");
	return code;
}

/* --- apply --- */

static void name_of(int64_t room, struct str day, int64_t start, char name[64])
{
	snprintf(name, 64, "%lld %.10s %lld", (long long)room, day.n == 10 ? day.p : "", (long long)start);
}

static int take_unheard(void *arg, const struct db_row *row)
{
	char name[64];
	name_of(db_number(row, 0), db_text(row, 1), db_number(row, 2), name);
	put_number(arg, name, db_number(row, 3));
	return 0;
}

/* How many bookings of a slot the hospital hasn't heard of, by name_of(). */
static int unheard(struct call *c, json_t *ret, struct err *err)
{
	int64_t n = db_query(c->db,
	                     "SELECT b.room, b.day, b.start, COUNT(*) FROM outbox o JOIN booking b ON b.ref = o.ref"
	                     " WHERE o.sent = 0 AND o.what = 'booked' AND b.state <> 'cancelled'"
	                     " GROUP BY b.room, b.day, b.start ORDER BY b.room, b.day, b.start",
	                     DB_NONE, take_unheard, ret, err);
	return n < 0 ? (int)n : 0;
}

static int64_t part(const json_t *group, int which)
{
	return json_integer_value(json_array_get(group, (size_t)which));
}

static struct str part_text(const json_t *group, int which)
{
	const json_t *text = json_array_get(group, (size_t)which);
	return (struct str){ json_is_string(text) ? json_string_value(text) : "", json_string_length(text) };
}

/* A place that is taken stays so, whatever the hospital says. */
static int put_slot(struct call *c, const json_t *group, const json_t *unheard_of, struct err *err)
{
	char name[64];
	struct str day = part_text(group, DAY);
	int64_t free_ones = part(group, FREE), busy = part(group, BUSY);
	name_of(part(group, ROOM), day, part(group, START), name);
	int64_t waiting = json_integer_value(json_object_get(unheard_of, name));
	int64_t code = db_run(
	        c->db,
	        "INSERT INTO slot (room, day, start, minutes, places, taken, closed, source)"
	        " VALUES ($1, $2, $3, $4, $5, 0, $6, 'fhir') ON CONFLICT (day, room, start) DO UPDATE SET"
	        " minutes = excluded.minutes, closed = excluded.closed, source = 'fhir', places = excluded.places +"
	        " CASE WHEN slot.taken <= $7 THEN 0 WHEN slot.taken - $7 < $8 THEN slot.taken - $7 ELSE $8 END",
	        DB_ARGS(DB_N(part(group, ROOM)), DB_T(day), DB_N(part(group, START)), DB_N(part(group, MINUTES)),
	                DB_N(free_ones), DB_N(free_ones + busy == 0), DB_N(waiting), DB_N(busy)),
	        err);
	return code < 0 ? (int)code : 0;
}

static void say_refused(json_t *refused, const json_t *group)
{
	json_t *item = put_item(refused);
	put_text(item, "id", part_text(group, FIRST));
	put_text(item, "why", STR("room"));
}

static int apply_groups(struct call *c, const json_t *unheard_of, json_t *refused, struct err *err)
{
	const json_t *groups = json_object_get(c->in, "slots");
	int64_t room = 0, there = 0, taken = 0; /* they come sorted by room */
	int code = 0;
	for (size_t i = 0; i < json_array_size(groups) && !code; i++) {
		const json_t *group = json_array_get(groups, i);
		if (part(group, ROOM) != room) {
			room = part(group, ROOM);
			code = db_ask(c->db, "SELECT COUNT(*) FROM room WHERE id = $1", DB_ARGS(DB_N(room)), &there,
			              err);
		}
		if (!code && !there) {
			say_refused(refused, group);
		} else if (!code) {
			code = put_slot(c, group, unheard_of, err);
			taken += part(group, COUNT);
		}
	}
	if (!code)
		call_say_number(c, "taken", taken);
	return code;
}

static int apply_slots(struct call *c, struct err *err)
{
	json_t *unheard_of = json_object(), *refused = put_list(c->out, "refused");
	int code = json_array_extend(refused, json_object_get(c->in, "refused"));
	code = code ? err_set(err, -ENOMEM, "the hospital's slots: %m") : unheard(c, unheard_of, err);
	if (!code)
		code = apply_groups(c, unheard_of, refused, err);
	json_decref(unheard_of);
	return code;
}

const struct op fhir_ops[] = {
	{ "fhir-slots", ROLE_HOSPITAL | ROLE_KIOSK, true, ready_slots, apply_slots },
	{ "outbox", ROLE_HOSPITAL | ROLE_KIOSK, false, NULL, outbox_list },
	{ "outbox-sent", ROLE_HOSPITAL | ROLE_KIOSK, true, NULL, outbox_sent },
	{ "outbox-failed", ROLE_HOSPITAL | ROLE_KIOSK, true, outbox_ready_failed, outbox_failed },
	{ 0 },
};
