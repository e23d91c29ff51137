#include "kiosk/schema.h"
#include "kiosk/setting.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

const char schema_sql[] =
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);\n"
        "CREATE TABLE counter (name TEXT PRIMARY KEY, last BIGINT NOT NULL);\n"
        "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);\n"
        "CREATE TABLE change (seq BIGINT PRIMARY KEY, epoch BIGINT NOT NULL, at BIGINT NOT NULL,\n"
        "  call TEXT NOT NULL, answer BLOB NOT NULL);\n"
        /* what the clinic has */
        "CREATE TABLE specialty (id BIGINT PRIMARY KEY, place BIGINT NOT NULL, name_vi TEXT NOT NULL,\n"
        "  name_en TEXT NOT NULL, name_zh TEXT NOT NULL, fee BIGINT NOT NULL, active BIGINT NOT NULL);\n"
        "CREATE TABLE room (id BIGINT PRIMARY KEY, specialty BIGINT NOT NULL, place BIGINT NOT NULL, name TEXT NOT "
        "NULL,\n"
        "  letter TEXT NOT NULL, active BIGINT NOT NULL);\n"
        "CREATE TABLE hours (id BIGINT PRIMARY KEY, room BIGINT NOT NULL, weekday BIGINT NOT NULL, begins BIGINT NOT "
        "NULL,\n"
        "  ends BIGINT NOT NULL, minutes BIGINT NOT NULL, places BIGINT NOT NULL);\n"
        "CREATE INDEX hours_room ON hours (room, weekday);\n"
        "CREATE TABLE holiday (day TEXT NOT NULL, room BIGINT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (day, room));\n"
        "CREATE TABLE slot (room BIGINT NOT NULL, day TEXT NOT NULL, start BIGINT NOT NULL, minutes BIGINT NOT NULL,\n"
        "  places BIGINT NOT NULL, taken BIGINT NOT NULL, closed BIGINT NOT NULL, source TEXT NOT NULL,\n"
        "  PRIMARY KEY (day, room, start), CHECK (taken >= 0));\n"
        /* who comes: person is sealed; hashes are keyed */
        "CREATE TABLE booking (ref TEXT PRIMARY KEY, room BIGINT NOT NULL, day TEXT NOT NULL, start BIGINT NOT NULL,\n"
        "  number BIGINT NOT NULL, kind TEXT NOT NULL, priority BIGINT NOT NULL, state TEXT NOT NULL, person BLOB,\n"
        "  code_hash BLOB NOT NULL UNIQUE, phone_hash BLOB, once TEXT NOT NULL UNIQUE, lang TEXT NOT NULL,\n"
        "  made BIGINT NOT NULL, changed BIGINT NOT NULL, arrived BIGINT NOT NULL, called BIGINT NOT NULL,\n"
        "  calls BIGINT NOT NULL, ended BIGINT NOT NULL,\n"
        /* the room where it waits since a transfer; 0: its own, whose letter its label keeps */
        "  moved BIGINT NOT NULL DEFAULT 0, UNIQUE (room, day, number));\n"
        "CREATE INDEX booking_state ON booking (day, state);\n"
        "CREATE INDEX booking_day ON booking (day, room, state);\n"
        "CREATE INDEX booking_phone ON booking (phone_hash, day);\n"
        "CREATE INDEX booking_left ON booking (state, day);\n"
        "CREATE INDEX booking_purge ON booking (day) WHERE person IS NOT NULL;\n"
        /* who is called next: how many with priority went in a row */
        "CREATE TABLE lane (room BIGINT NOT NULL, day TEXT NOT NULL, in_row BIGINT NOT NULL, paused BIGINT NOT NULL,\n"
        "  PRIMARY KEY (room, day));\n"
        "CREATE TABLE called (id BIGINT PRIMARY KEY, ref TEXT NOT NULL, room BIGINT NOT NULL, day TEXT NOT NULL,\n"
        "  at BIGINT NOT NULL, staff BIGINT NOT NULL, what TEXT NOT NULL);\n"
        "CREATE INDEX called_day ON called (day, room);\n"
        "CREATE TABLE staff (id BIGINT PRIMARY KEY, login TEXT NOT NULL UNIQUE, name TEXT NOT NULL, roles BIGINT NOT "
        "NULL,\n"
        "  password TEXT NOT NULL, active BIGINT NOT NULL);\n"
        "CREATE TABLE session (hash BLOB PRIMARY KEY, staff BIGINT NOT NULL, made BIGINT NOT NULL, ends BIGINT NOT "
        "NULL);\n"
        /* money */
        "CREATE TABLE payment (reference TEXT PRIMARY KEY, ref TEXT NOT NULL UNIQUE, amount BIGINT NOT NULL,\n"
        "  state TEXT NOT NULL, paid BIGINT NOT NULL, made BIGINT NOT NULL, ends BIGINT NOT NULL, changed BIGINT NOT "
        "NULL);\n"
        "CREATE INDEX payment_open ON payment (ends) WHERE state = 'open';\n"
        "CREATE TABLE receipt (id BIGINT PRIMARY KEY, bank TEXT NOT NULL, bank_id TEXT NOT NULL, code TEXT NOT NULL,\n"
        "  at BIGINT NOT NULL,\n"
        "  amount BIGINT NOT NULL, content BLOB NOT NULL, reference TEXT NOT NULL, state TEXT NOT NULL, note TEXT NOT "
        "NULL,\n"
        "  made BIGINT NOT NULL, UNIQUE (bank, bank_id));\n"
        "CREATE INDEX receipt_state ON receipt (state);\n"
        "CREATE INDEX receipt_reference ON receipt (reference);\n"
        "CREATE INDEX receipt_at ON receipt (at);\n"
        "CREATE TABLE statement (day TEXT NOT NULL, bank TEXT NOT NULL, bank_id TEXT NOT NULL, amount BIGINT NOT "
        "NULL,\n"
        "  result TEXT NOT NULL, made BIGINT NOT NULL, PRIMARY KEY (day, bank, bank_id));\n"
        /* to the hospital's system */
        "CREATE TABLE outbox (id BIGINT PRIMARY KEY, ref TEXT NOT NULL, what TEXT NOT NULL, made BIGINT NOT NULL,\n"
        "  tries BIGINT NOT NULL, next BIGINT NOT NULL, sent BIGINT NOT NULL, why TEXT NOT NULL);\n"
        "CREATE INDEX outbox_next ON outbox (sent, next, id);\n";

int schema_next(struct db *db, struct str counter, int64_t *ret, struct err *err)
{
	int r = db_ask(db, "UPDATE counter SET last = last + 1 WHERE name = $1 RETURNING last", DB_ARGS(DB_T(counter)),
	               ret, err);

	if (r != -ENOENT) /* nearly always; PostgreSQL finds a conflict at more than the cost of this */
		return r;
	return db_ask(db,
	              "INSERT INTO counter (name, last) VALUES ($1, 1)"
	              " ON CONFLICT (name) DO UPDATE SET last = counter.last + 1 RETURNING last",
	              DB_ARGS(DB_T(counter)), ret, err);
}

/* --- settings: kept in db_memo() as NAME NUL VALUE NUL ..., and one more NUL at the end: it was read --- */

enum { SETTINGS_BYTES = 64 * 1024 };

static int take_setting(void *arg, const struct db_row *row)
{
	buf_add(arg, db_text(row, 0));
	buf_putc(arg, '\0');
	buf_add(arg, db_text(row, 1));
	buf_putc(arg, '\0');
	return 0;
}

static int settings(struct db *db, struct str *ret, struct err *err)
{
	struct buf *kept;
	int64_t r = db_memo(db, &kept, err);

	if (r == 0 && kept->n == 0) {
		kept->max = SETTINGS_BYTES;
		r = db_query(db, "SELECT name, value FROM setting ORDER BY name", DB_NONE, take_setting, kept, err);
		buf_putc(kept, '\0');
		if (r >= 0 && kept->failed)
			r = err_set(err, -E2BIG, "the settings have more than %d bytes", SETTINGS_BYTES);
		if (r < 0)
			buf_free(kept);
	}
	if (r >= 0)
		*ret = buf_str(kept);
	return r < 0 ? (int)r : 0;
}

static struct str cut(struct str *rest)
{
	size_t n = str_find(*rest, '\0');
	struct str text = str_sub(*rest, 0, n);

	*rest = str_sub(*rest, n + 1, rest->n);
	return text;
}

int setting_get(struct db *db, struct str name, struct buf *out, struct err *err)
{
	const struct setting_kind *kind = setting_kind(name);
	struct str rest = { 0 }, value = kind ? kind->otherwise : STR("");
	bool found = kind;
	int r = settings(db, &rest, err);

	if (r)
		return r;
	while (rest.n > 1) {
		bool is = str_eq(cut(&rest), name);
		struct str text = cut(&rest);
		if (is)
			value = text;
		found |= is;
	}
	if (!found)
		return err_set(err, -ENOENT, "setting '" STR_FMT "' isn't set", STR_ARG(name));
	buf_add(out, value);
	return out->failed ? err_set(err, -ENOMEM, "setting '" STR_FMT "': %m", STR_ARG(name)) : 0;
}

static int64_t number_of(struct str text, int64_t otherwise)
{
	char digits[24], *end;

	if (text.n == 0 || text.n >= sizeof(digits))
		return otherwise;
	memcpy(digits, text.p, text.n);
	digits[text.n] = '\0';
	errno = 0;
	int64_t n = strtoll(digits, &end, 10);
	return errno || end == digits || *end ? otherwise : n;
}

int64_t setting_number(struct db *db, struct str name, int64_t otherwise)
{
	CLEANUP(buf_free) struct buf text = { .max = 64 };

	return setting_get(db, name, &text, NULL) ? otherwise : number_of(buf_str(&text), otherwise);
}

void setting_numbers(struct db *db, const struct str *names, int64_t *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct setting_kind *kind = setting_kind(names[i]);
		values[i] = setting_number(db, names[i], kind ? number_of(kind->otherwise, 0) : 0);
	}
}

enum { MINUTE = 60, DAY_MINUTES = 24 * 60 };

static int64_t floor_of(int64_t n, int64_t by)
{
	return n / by - (n % by < 0);
}

static int64_t zone_of(struct db *db)
{
	return setting_number(db, STR("zone"), 420);
}

void clinic_time(struct db *db, int64_t now, char day[11], int *minute, int *weekday)
{
	clinic_time_in(zone_of(db), now, day, minute, weekday);
}

void clinic_time_in(int64_t zone, int64_t now, char day[11], int *minute, int *weekday)
{
	int64_t minutes = floor_of(now, MINUTE * (int64_t)1000000) + zone;
	int64_t number = floor_of(minutes, DAY_MINUTES);

	day_text(number, day);
	*minute = (int)(minutes - number * DAY_MINUTES);
	*weekday = day_weekday(number);
}

int64_t clinic_at(struct db *db, struct str day, int64_t minute)
{
	int64_t number = day_number(day);

	return number < 0 ? -1 : (number * DAY_MINUTES + minute - zone_of(db)) * MINUTE * 1000000;
}

void day_text(int64_t number, char day[11])
{
	time_t t = (time_t)(number * DAY_MINUTES * MINUTE);
	struct tm tm = { 0 };

	gmtime_r(&t, &tm);
	if (!strftime(day, 11, "%Y-%m-%d", &tm))
		memcpy(day, "", 1); /* beyond the year 9999 */
}

int64_t day_number(struct str day)
{
	struct tm tm = { 0 };
	char back[11] = "";
	int n[3] = { 0 }, field = 0;

	if (day.n != 10)
		return -1;
	for (size_t i = 0; i < day.n; i++) {
		if (i == 4 || i == 7)
			field++;
		else
			n[field] = n[field] * 10 + (day.p[i] - '0');
	}
	tm.tm_year = n[0] - 1900;
	tm.tm_mon = n[1] - 1;
	tm.tm_mday = n[2];
	int64_t number = timegm(&tm) / ((time_t)DAY_MINUTES * MINUTE);
	if (number < 0)
		return -1;
	day_text(number, back); /* 30 February is another day, and so is what has other characters */
	return memcmp(back, day.p, 10) ? -1 : number;
}

int day_weekday(int64_t number)
{
	return (int)((number + 3) % 7) + 1; /* 1 January 1970 was a Thursday */
}
