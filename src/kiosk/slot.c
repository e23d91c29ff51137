#include "kiosk/slot.h"

#include <errno.h>

static const int64_t MINUTE_US = (int64_t)60 * 1000000;

int slot_take(struct db *db, int64_t room, struct str day, int64_t start, struct err *err)
{
	int64_t open;
	int64_t r = db_run(db,
	                   "UPDATE slot SET taken = taken + 1"
	                   " WHERE day = $1 AND room = $2 AND start = $3 AND closed = 0 AND taken < places",
	                   DB_ARGS(DB_T(day), DB_N(room), DB_N(start)), err);

	if (r < 0)
		return (int)r;
	if (r == 1)
		return SLOT_TAKEN;
	r = db_ask(db, "SELECT COUNT(*) FROM slot WHERE day = $1 AND room = $2 AND start = $3 AND closed = 0",
	           DB_ARGS(DB_T(day), DB_N(room), DB_N(start)), &open, err);
	return r ? (int)r : open ? SLOT_FULL : SLOT_GONE;
}

int slot_give(struct db *db, int64_t room, struct str day, int64_t start, struct err *err)
{
	int64_t r = db_run(db,
	                   "UPDATE slot SET taken = taken - 1"
	                   " WHERE day = $1 AND room = $2 AND start = $3 AND taken > 0",
	                   DB_ARGS(DB_T(day), DB_N(room), DB_N(start)), err);

	return r < 0 ? (int)r : 0;
}

/* --- which days --- */

void slot_window(struct db *db, int64_t now, struct slot_window *ret)
{
	enum { ZONE, DAYS, LEAD, N_WANTED };
	static const struct str names[N_WANTED] = { STR("zone"), STR("open_days"), STR("lead_minutes") };
	int64_t is[N_WANTED];
	int minute, weekday;

	setting_numbers(db, names, is, N_WANTED);
	clinic_time_in(is[ZONE], now, ret->to, &minute, &weekday);
	day_text(day_number(str_from(ret->to)) + is[DAYS], ret->to);
	/* a minute that has begun is over */
	clinic_time_in(is[ZONE], now + (is[LEAD] + 1) * MINUTE_US - 1, ret->from, &ret->minute, &weekday);
}

enum slot_when slot_when(const struct slot_window *w, struct str day, int64_t start)
{
	int after = memcmp(day.p, w->from, 10); /* days are of one length, and sort as text */

	if (after < 0 || (after == 0 && start < w->minute))
		return SLOT_TOO_SOON;
	return memcmp(day.p, w->to, 10) > 0 ? SLOT_TOO_LATE : SLOT_IN_TIME;
}

int slot_holiday(struct db *db, int64_t room, struct str day, struct err *err)
{
	int64_t n;
	int r = db_ask(db, "SELECT COUNT(*) FROM holiday WHERE day = $1 AND (room = $2 OR room = 0)",
	               DB_ARGS(DB_T(day), DB_N(room)), &n, err);

	return r ? r : n > 0;
}

/* --- what the hours say --- */

/* 287 and the first: a day of the shortest slots. What the admin or the hospital has put stays as it is. */
#define HOURS_OF_DAY                                                                                                   \
	"WITH RECURSIVE nth (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM nth WHERE i < 287)"                           \
	" INSERT INTO slot (room, day, start, minutes, places, taken, closed, source)"                                 \
	" SELECT h.room, $1, h.begins + nth.i * h.minutes, h.minutes, h.places, 0, 0, 'hours'"                         \
	" FROM hours h JOIN nth ON h.begins + (nth.i + 1) * h.minutes <= h.ends WHERE h.weekday = $2"
#define UNLESS_PUT                                                                                                     \
	" ON CONFLICT (day, room, start) DO UPDATE"                                                                    \
	" SET minutes = excluded.minutes, places = excluded.places, closed = 0 WHERE slot.source = 'hours'"

_Static_assert(SLOT_DAY_MINUTES / SLOT_MINUTES_MIN == 288, "as many as HOURS_OF_DAY makes");

enum { OPENED_AT_ONCE = 20000 };

static int take_day(void *arg, const struct db_row *row)
{
	*(int64_t *)arg = day_number(db_text(row, 0));
	return 0;
}

/* The last day that has its slots; -1: none has. */
static int opened_to(struct db *db, int64_t *ret, struct err *err)
{
	*ret = -1;
	int64_t r = db_query(db, "SELECT value FROM meta WHERE name = 'slots_to'", DB_NONE, take_day, ret, err);
	return r < 0 ? (int)r : 0;
}

int64_t slot_open_ahead(struct db *db, int64_t now, struct err *err)
{
	char day[11];
	int minute, weekday;
	int64_t opened = 0, to;

	clinic_time(db, now, day, &minute, &weekday);
	int64_t today = day_number(str_from(day));
	int64_t last = today + setting_number(db, STR("open_days"), 0);
	int64_t r = opened_to(db, &to, err);

	for (int64_t n = to < today ? today : to + 1; r >= 0 && n <= last && opened < OPENED_AT_ONCE; n++) {
		day_text(n, day);
		r = db_run(db, HOURS_OF_DAY UNLESS_PUT, DB_ARGS(DB_T(str_from(day)), DB_N(day_weekday(n))), err);
		if (r < 0)
			return r;
		opened += r;
		r = db_run(db,
		           "INSERT INTO meta (name, value) VALUES ('slots_to', $1)"
		           " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
		           DB_ARGS(DB_T(str_from(day))), err);
	}
	return r < 0 ? r : opened;
}

static int follow_day(struct db *db, int64_t room, int64_t number, int64_t *kept, struct err *err)
{
	char text[11];
	int64_t booked = 0;

	day_text(number, text);
	struct str day = str_from(text);
	int64_t r = db_run(db, "DELETE FROM slot WHERE day = $1 AND room = $2 AND source = 'hours' AND taken = 0",
	                   DB_ARGS(DB_T(day), DB_N(room)), err);
	if (r >= 0)
		r = db_run(db, "UPDATE slot SET closed = 1 WHERE day = $1 AND room = $2 AND source = 'hours'",
		           DB_ARGS(DB_T(day), DB_N(room)), err);
	if (r >= 0)
		r = db_run(db, HOURS_OF_DAY " AND h.room = $3" UNLESS_PUT,
		           DB_ARGS(DB_T(day), DB_N(day_weekday(number)), DB_N(room)), err);
	if (r >= 0)
		r = db_ask(db,
		           "SELECT CAST(COALESCE(SUM(taken), 0) AS BIGINT) FROM slot"
		           " WHERE day = $1 AND room = $2 AND source = 'hours' AND closed = 1",
		           DB_ARGS(DB_T(day), DB_N(room)), &booked, err);
	*kept += booked;
	return r < 0 ? (int)r : 0;
}

int slot_follow_hours(struct db *db, int64_t now, int64_t room, int weekday, int64_t *kept, struct err *err)
{
	char day[11];
	int minute, today_is;
	int64_t to, booked = 0;
	int r = opened_to(db, &to, err);

	clinic_time(db, now, day, &minute, &today_is);
	int64_t n = day_number(str_from(day)) + (weekday - today_is + 7) % 7;
	for (; r == 0 && n <= to; n += 7)
		r = follow_day(db, room, n, &booked, err);
	if (r == 0)
		*kept = booked;
	return r;
}
