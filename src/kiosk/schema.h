/*
 * The kiosk's tables, version 1, for SQLite and PostgreSQL. Days are 'YYYY-MM-DD' and minutes are those since midnight, both on
 * the clinic's clock; times are µs since 1970 UTC; money is whole đồng. Numbers of rows are given by next_id (schema_next()), so
 * that both kiosks give the same ones.
 */
#ifndef KHIEN_KIOSK_SCHEMA_H
#define KHIEN_KIOSK_SCHEMA_H

#include "base/buf.h"
#include "kiosk/db.h"

enum { SCHEMA_VERSION = 1 };

extern const char schema_sql[];
/* The next number of a counter ("room", "receipt", "number:3:2026-11-22", ...), from 1 on. */
int schema_next(struct db *db, struct str counter, int64_t *ret, struct err *err);
/* Settings: texts by name, appended. Not set: what setting.h's table says; -ENOENT: nor does that know it. */
int setting_get(struct db *db, struct str name, struct buf *out, struct err *err);
/* `otherwise`: not set, or no number, and the table doesn't know it. */
int64_t setting_number(struct db *db, struct str name, int64_t otherwise);
/* Several at once; 0 where neither knows one. */
void setting_numbers(struct db *db, const struct str *names, int64_t *values, size_t n);
/* The clinic's day and minute of a time. The zone is a setting, "zone": minutes east of UTC (Việt Nam and China: 420, 480). */
void clinic_time(struct db *db, int64_t now, char day[11], int *minute, int *weekday /* 1 Monday to 7 */);
/* The same where the zone is known already. */
void clinic_time_in(int64_t zone, int64_t now, char day[11], int *minute, int *weekday);
/* The other way; -1: it is no day. */
int64_t clinic_at(struct db *db, struct str day, int64_t minute);
/* Days since 1970 of "2026-11-22", from 1970 to 9999; -1: it is none. And back; and its weekday. */
int64_t day_number(struct str day);
void day_text(int64_t number, char day[11]);
int day_weekday(int64_t number);

#endif
