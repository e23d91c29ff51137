#include "kiosk/ops.h"
#include "kiosk/slot.h"

#include <errno.h>

/* Of each at most so many a minute: others wait meanwhile. */
enum { AT_ONCE = 1000, TRIMMED_AT_ONCE = 5000 };

static const int64_t DAY_US = (int64_t)24 * 3600 * 1000000;

/* Names of rows, each with a line's end: no other statement may run while they are read. */
static int take_ref(void *arg, const struct db_row *row)
{
	buf_add(arg, db_text(row, 0));
	buf_putc(arg, '\n');
	return 0;
}

static bool next_ref(struct str *refs, struct str *ref)
{
	size_t n = str_find(*refs, '\n');

	if (n == refs->n)
		return false;
	*ref = str_sub(*refs, 0, n);
	*refs = str_sub(*refs, n + 1, refs->n);
	return true;
}

static int64_t void_payments(struct call *c, struct err *err)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	struct str ref;
	int64_t n = db_query(c->db,
	                     "SELECT ref FROM payment WHERE state = 'open' AND ends <= $1 ORDER BY ends, ref LIMIT $2",
	                     DB_ARGS(DB_N(c->now), DB_N(AT_ONCE)), take_ref, &text, err);

	for (struct str refs = buf_str(&text); n > 0 && next_ref(&refs, &ref);) {
		int r = payment_void(c, ref, err);
		if (r)
			return r;
	}
	return n;
}

/* Bookings of these refs end in this state, which the hospital's system is told. Number of them, or -errno. */
static int64_t end_all(struct call *c, const struct buf *text, const char *state, struct err *err)
{
	struct str ref;
	int64_t n = 0, r = 0;

	for (struct str refs = buf_str(text); r >= 0 && next_ref(&refs, &ref); n++) {
		r = db_run(c->db, "UPDATE booking SET state = $1, changed = $2, ended = $2 WHERE ref = $3",
		           DB_ARGS(DB_T(str_from(state)), DB_N(c->now), DB_T(ref)), err);
		r = r < 0 ? r : outbox_put(c, ref, state, err);
	}
	return r < 0 ? r : n;
}

/*
 * After a room's last slot of a day has ended who was booked has missed it; after the day also who waited and wasn't called. Who was
 * called on a day that is over was seen: nobody had pressed the button.
 */
static int64_t end_bookings(struct call *c, struct str today, int minute, struct err *err)
{
	CLEANUP(buf_free) struct buf missed = { 0 }, seen = { 0 };
	int64_t n = 0;
	int64_t r = db_query(c->db,
	                     "SELECT ref FROM booking WHERE state IN ('booked', 'arrived') AND day < $1"
	                     " ORDER BY day, ref LIMIT $2",
	                     DB_ARGS(DB_T(today), DB_N(AT_ONCE)), take_ref, &missed, err);

	if (r >= 0)
		r = db_query(c->db,
		             "SELECT b.ref FROM booking b WHERE b.state = 'booked' AND b.day = $1 AND"
		             " (SELECT MAX(s.start + s.minutes) FROM slot s WHERE s.day = b.day AND s.room = b.room)"
		             " <= $2 ORDER BY b.ref LIMIT $3",
		             DB_ARGS(DB_T(today), DB_N(minute), DB_N(AT_ONCE)), take_ref, &missed, err);
	if (r >= 0)
		r = db_query(c->db,
		             "SELECT ref FROM booking WHERE state = 'called' AND day < $1 ORDER BY day, ref LIMIT $2",
		             DB_ARGS(DB_T(today), DB_N(AT_ONCE)), take_ref, &seen, err);
	if (r >= 0)
		r = n = end_all(c, &missed, "missed", err);
	if (r >= 0)
		r = end_all(c, &seen, "seen", err);
	return r < 0 ? r : n;
}

/*
 * What payers wrote, and what the hospital's system never took: looked for once an hour only, for all receipts that there ever were,
 * and all that waits to be sent, are looked at.
 */
static int64_t purge_hourly(struct call *c, int64_t before, struct err *err)
{
	int64_t receipts = payment_purge(c, before, err);
	if (receipts < 0)
		return receipts;
	int64_t n = db_run(c->db,
	                   "DELETE FROM outbox WHERE id IN"
	                   " (SELECT id FROM outbox WHERE sent = 0 AND made < $1 ORDER BY id LIMIT $2)",
	                   DB_ARGS(DB_N(before), DB_N(TRIMMED_AT_ONCE)), err);
	return n < 0 ? n : n + receipts;
}

/* Who came goes; that somebody came stays, for the takings. */
static int64_t purge(struct call *c, struct str before, int minute, struct err *err)
{
	int64_t others = minute % 60 ? 0 : purge_hourly(c, clinic_at(c->db, before, 0), err);
	if (others < 0)
		return others;
	int64_t n =
	        db_run(c->db,
	               "UPDATE booking SET person = NULL, phone_hash = NULL WHERE ref IN"
	               " (SELECT ref FROM booking WHERE person IS NOT NULL AND day < $1 ORDER BY day, ref LIMIT $2)",
	               DB_ARGS(DB_T(before), DB_N(TRIMMED_AT_ONCE)), err);
	return n < 0 ? n : n + others;
}

/* What a visit leaves behind that nobody asks for again. */
static int trim_days(struct call *c, struct str before, struct err *err)
{
	static const char *const trims[] = {
		"DELETE FROM slot WHERE day < $1",
		"DELETE FROM called WHERE day < $1",
		"DELETE FROM lane WHERE day < $1",
		"DELETE FROM holiday WHERE day < $1",
		"DELETE FROM counter WHERE name LIKE 'number:%' AND substr(name, length(name) - 9) < $1",
	};
	int64_t r = 0;

	for (size_t i = 0; i < ARRAY_LEN(trims) && r >= 0; i++)
		r = db_run(c->db, trims[i], DB_ARGS(DB_T(before)), err);
	return r < 0 ? (int)r : 0;
}

/* The last change stays: the next one's number is of it. */
static int trim_times(struct call *c, int64_t keep_days, struct err *err)
{
	int64_t days = setting_number(c->db, STR("change_days"), keep_days);
	int64_t r = db_run(c->db, "DELETE FROM session WHERE ends <= $1", DB_ARGS(DB_N(c->now)), err);

	if (r >= 0)
		r = db_run(c->db, "DELETE FROM outbox WHERE sent > 0 AND sent < $1",
		           DB_ARGS(DB_N(c->now - keep_days * DAY_US)), err);
	if (days > keep_days)
		days = keep_days; /* who comes is in them, too */
	if (r >= 0)
		r = db_run(c->db,
		           "DELETE FROM change WHERE at < $1 AND seq < (SELECT MAX(seq) FROM change)"
		           " AND seq IN (SELECT seq FROM change ORDER BY seq LIMIT $2)",
		           DB_ARGS(DB_N(c->now - days * DAY_US), DB_N(TRIMMED_AT_ONCE)), err);
	return r < 0 ? (int)r : 0;
}

static int apply_upkeep(struct call *c, struct err *err)
{
	int64_t keep_days = setting_number(c->db, STR("keep_days"), 90);
	int64_t opened, voided = 0, missed = 0, purged = 0;
	char today[11], before[11];
	int minute, weekday;

	clinic_time(c->db, c->now, today, &minute, &weekday);
	day_text(day_number(str_from(today)) - keep_days, before);
	int64_t r = opened = slot_open_ahead(c->db, c->now, err);
	r = r < 0 ? r : (voided = void_payments(c, err));
	r = r < 0 ? r : (missed = end_bookings(c, str_from(today), minute, err));
	r = r < 0 ? r : (purged = purge(c, str_from(before), minute, err));
	r = r < 0 ? r : trim_days(c, str_from(before), err);
	r = r < 0 ? r : trim_times(c, keep_days, err);
	if (r < 0)
		return (int)r;
	call_say_number(c, "opened", opened);
	call_say_number(c, "voided", voided);
	call_say_number(c, "missed", missed);
	call_say_number(c, "purged", purged);
	return 0;
}

const struct op upkeep_ops[] = {
	{ "upkeep", ROLE_KIOSK, true, NULL, apply_upkeep },
	{ 0 },
};
