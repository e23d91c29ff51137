/* What people write to say which events they mean: words and times. For `khien find` and `khien hub export`. */
#ifndef KHIEN_CMD_FIND_QUERY_H
#define KHIEN_CMD_FIND_QUERY_H

#include "base/arena.h"
#include "base/err.h"
#include "store/events.h"

/*
 *   WORD, "A PHRASE"      stands in some value, not as a part of a longer word
 *   *TEXT*                stands anywhere in some value
 *   FIELD:VALUE           is the field's value
 *   FIELD:*TEXT*          stands anywhere in it
 *   FIELD:*               the field is there
 *   -any of these         is not so
 *
 * A text in quotes is taken as it is, whatever stands in it. What begins like an address of the web, a path of Windows
 * or the time of day is no FIELD:VALUE. The term borrows from word. -EINVAL.
 */
int find_query_term(const char *word, struct event_term *ret, struct err *err);

/*
 * A point in time, µs since 1970 UTC: so long before now (90s, 15m, 12h, 7d, 4w), a date, or a date and a time
 * (2026-11-22, 2026-11-22 08:30, 2026-11-22T08:30:00); of the machine's time zone unless it says another (Z, +07:00).
 * A date alone is its beginning. -EINVAL.
 */
int find_query_time(const char *word, int64_t now, int64_t *ret, struct err *err);

/* The store's folder below `data`, the hub's folder; NULL: as admin_find() has it. -ENOENT: there is no store. */
int find_query_store(const char *data, char *path, size_t size, struct err *err);

#endif
