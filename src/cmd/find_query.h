/* What people write to say which events they mean: words and times. For `khien find` and `khien hub export`. */
#ifndef KHIEN_CMD_FIND_QUERY_H
#define KHIEN_CMD_FIND_QUERY_H

#include "base/arena.h"
#include "base/err.h"
#include "cmd/hub_admin.h"
#include "cmd/opt.h"
#include "cmd/words.h"
#include "store/events.h"

/* Options that all have who ask for events. */
#define FIND_OPT_SINCE(to)                                                                                             \
	{                                                                                                              \
		"since", 0, OPT_TEXT, "TIME", "from then on: 7d, 12h, 30m ago, or 2026-11-22, \"2026-11-22 08:30\"",   \
		        (to), 0, 0, NULL                                                                               \
	}
#define FIND_OPT_UNTIL(to)                                                                                             \
	{                                                                                                              \
		"until", 0, OPT_TEXT, "TIME", "before then", (to), 0, 0, NULL                                          \
	}
#define FIND_OPT_DATASET(to)                                                                                           \
	{                                                                                                              \
		"dataset", 0, OPT_LIST, "NAME", "of this source only; may be given several times", (to), 0, 0, NULL    \
	}
#define FIND_OPT_DATA(letter, to)                                                                                      \
	{                                                                                                              \
		"data", (letter), OPT_TEXT, "DIR", ADMIN_DATA_HELP, (to), 0, 0, NULL                                   \
	}
#define FIND_OPT_LANG(to)                                                                                              \
	{                                                                                                              \
		"lang", 0, OPT_CHOICE, "LANG", "vi, en, zh (default: from the environment)", (to), 0, 0, words_choices \
	}
#define FIND_OPT_QUIET(letter, to)                                                                                     \
	{                                                                                                              \
		"quiet", (letter), OPT_FLAG, NULL, "no progress bar and no closing line", (to), 0, 0, NULL             \
	}

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

/* All of the terms: an expression in `to`, which has room for n + 1. */
const struct event_expr *find_query_all(const struct event_term *terms, size_t n, struct event_expr *to);

/*
 * A point in time, µs since 1970 UTC: so long before now (90s, 15m, 12h, 7d, 4w), a date, or a date and a time
 * (2026-11-22, 2026-11-22 08:30, 2026-11-22T08:30:00); of the machine's time zone unless it says another (Z, +07:00).
 * A date alone is its beginning. -EINVAL.
 */
int find_query_time(const char *word, int64_t now, int64_t *ret, struct err *err);

/* The store's folder below `data`, the hub's folder; NULL: as admin_find() has it. -ENOENT: there is no store. */
int find_query_store(const char *data, char *path, size_t size, struct err *err);
/*
 * The same, and what is stored may be read: for good this process is the folder's owner where it was root, and can do
 * nothing but read, write and wait with what it has open, and use that folder. What else it needs, it opens before.
 */
int find_query_enter(const char *data, char *path, size_t size, struct err *err);

#endif
