#include "store/embedded_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const int64_t DAY_US = (int64_t)86400 * CLOCK_S;

enum { PACE_DAYS = 7 };

/* All files of a day, what was set aside too: in bytes on the disk; unlinked if so asked. */
static uint64_t day_files(struct events *s, int32_t day, bool unlinks)
{
	char name[DAY_NAME];
	uint64_t bytes = 0;
	DIR *dir = opendir(s->days.dir);
	day_name(day, name);
	for (struct dirent *e; dir && (e = readdir(dir));) {
		struct stat st;
		if (!str_starts(str_from(e->d_name), str_from(name)) ||
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		bytes += (uint64_t)st.st_blocks * 512;
		if (unlinks)
			unlinkat(dirfd(dir), e->d_name, 0);
	}
	if (dir)
		closedir(dir);
	return bytes;
}

/* The day's blocks change or go: nothing may be held that knows them. */
static void let_loose(struct events *s, int32_t day)
{
	if (s->mend.salvage && s->mend.day == day) {
		mend_done(s);
		s->mend.looked = false; /* it goes on from where it came to, if there is still something */
	}
	seal_abort(s);
	known_drop(s->known, day);
}

static void drop_day(struct events *s, int32_t day, struct event_retention *ret)
{
	struct usage_day *u;
	if (!usage_of_day(s, day, &u, NULL))
		for (size_t i = 0; i < u->n; i++)
			ret->dropped_events += u->items[i].usage.events;
	let_loose(s, day);
	days_forget(s, day);
	ret->dropped_bytes += day_files(s, day, true);
	usage_drop(s, day);
}

static uint32_t age_of(const struct event_limits *l, const char *dataset)
{
	char pattern[256];
	for (size_t i = 0; i < l->n_ages; i++) {
		struct str p = l->ages[i].dataset;
		if (p.n >= sizeof(pattern))
			continue;
		memcpy(pattern, p.p, p.n);
		pattern[p.n] = '\0';
		if (!fnmatch(pattern, dataset, 0))
			return l->ages[i].days;
	}
	return 0;
}

static bool too_old(const struct event_limits *l, const char *dataset, int32_t day, int64_t now)
{
	uint32_t days = age_of(l, dataset);
	return days && ((int64_t)day + 1) * DAY_US <= now - (int64_t)days * DAY_US;
}

/* Blocks of the day for which `goes` says so. */
static int drop_blocks(struct events *s, int32_t day, bool (*goes)(void *arg, const struct day_block *b), void *arg,
                       struct event_retention *ret, struct err *err)
{
	const struct day_block *blocks;
	struct day *d;
	size_t n = 0, n_go = 0;
	let_loose(s, day);
	int code = embedded_day(s, day, &d, err);
	if (!code)
		code = day_blocks(d, &blocks, &n, err);
	int64_t *numbers = code ? NULL : malloc((n + 1) * sizeof(*numbers));
	if (!code && !numbers)
		code = err_set(err, -ENOMEM, "let events go: %m");
	uint64_t events = 0, bytes = 0;
	for (size_t i = n; !code && i--;) { /* the oldest first */
		if (!goes(arg, &blocks[i]))
			continue;
		numbers[n_go++] = blocks[i].number;
		events += blocks[i].rows;
		bytes += blocks[i].size + blocks[i].filter_size;
	}
	if (!code && n_go)
		code = day_remove(d, numbers, n_go, err);
	if (code == -ENOSPC && n_go && embedded_use_reserve(s))
		code = day_remove(d, numbers, n_go, err);
	free(numbers);
	if (code)
		return code;
	ret->dropped_events += events;
	ret->dropped_bytes += bytes;
	return 0;
}

struct expiry {
	const struct event_limits *limits;
	int32_t day;
	int64_t now;
};

static bool is_expired(void *arg, const struct day_block *b)
{
	const struct expiry *e = arg;
	return too_old(e->limits, b->dataset, e->day, e->now);
}

static int expire_day(struct events *s, const struct expiry *e, struct event_retention *ret, bool *gone,
                      struct err *err)
{
	struct usage_day *u;
	size_t old = 0;
	int code = usage_of_day(s, e->day, &u, err);
	*gone = false;
	for (size_t i = 0; !code && i < u->n; i++)
		old += too_old(e->limits, u->items[i].dataset, e->day, e->now);
	if (code || !old)
		return code;
	*gone = old == u->n;
	if (!*gone)
		return drop_blocks(s, e->day, is_expired, (void *)e, ret, err);
	drop_day(s, e->day, ret);
	return 0;
}

/* Of the only day that is left, the oldest blocks up to so many bytes go. */
static bool is_oldest(void *arg, const struct day_block *b)
{
	uint64_t *left = arg;
	if (!*left)
		return false;
	uint64_t bytes = b->size + b->filter_size;
	*left -= bytes < *left ? bytes : *left;
	return true;
}

/* Bytes that must go: above the bound, or missing on the file system. */
static uint64_t excess(struct events *s, const struct event_limits *l, uint64_t bytes)
{
	struct statvfs fs;
	uint64_t over = l->max_bytes && bytes > l->max_bytes ? bytes - l->max_bytes : 0;
	if (l->min_free && !statvfs(s->days.dir, &fs)) {
		uint64_t available = (uint64_t)fs.f_bavail * fs.f_frsize;
		uint64_t missing = available < l->min_free ? l->min_free - available : 0;
		over = missing > over ? missing : over;
	}
	return over;
}

/* --- and what is to come --- */

struct held {
	int32_t day;
	uint64_t bytes;
};

/* Over the whole days of the last week; today isn't one. */
static uint64_t pace(const struct held *held, size_t n, int32_t today)
{
	uint64_t bytes = 0;
	int32_t first = INT32_MAX;
	for (size_t i = 0; i < n; i++) {
		if (held[i].day >= today || held[i].day < today - PACE_DAYS)
			continue;
		bytes += held[i].bytes;
		first = held[i].day < first ? held[i].day : first;
	}
	return first == INT32_MAX ? 0 : bytes / (uint64_t)(today - first);
}

/* Bytes the store may still grow by; UINT64_MAX: no bound. */
static uint64_t room_left(struct events *s, const struct event_limits *l, uint64_t bytes)
{
	struct statvfs fs;
	uint64_t room = l->max_bytes ? (bytes < l->max_bytes ? l->max_bytes - bytes : 0) : UINT64_MAX;
	if (!statvfs(s->days.dir, &fs)) {
		uint64_t available = (uint64_t)fs.f_bavail * fs.f_frsize;
		available = available > l->min_free ? available - l->min_free : 0;
		room = available < room ? available : room;
	}
	return room;
}

/* The longest that any dataset of these days is kept; 0: one is kept without end. */
static uint32_t longest_age(struct events *s, const struct event_limits *l, const struct held *held, size_t n)
{
	uint32_t longest = 0;
	for (size_t i = n > PACE_DAYS ? n - PACE_DAYS : 0; i < n; i++) {
		struct usage_day *u;
		if (usage_of_day(s, held[i].day, &u, NULL))
			continue;
		for (size_t k = 0; k < u->n; k++) {
			uint32_t age = age_of(l, u->items[k].dataset);
			if (!age)
				return 0;
			longest = age > longest ? age : longest;
		}
	}
	return longest;
}

static void forecast(struct events *s, const struct event_limits *l, const struct held *held, size_t n, int64_t now,
                     struct event_retention *ret)
{
	ret->bytes_per_day = pace(held, n, day_of(now));
	if (!ret->bytes_per_day)
		return;
	uint64_t room = room_left(s, l, ret->bytes), days = room / ret->bytes_per_day;
	uint32_t age = longest_age(s, l, held, n);
	/* where all is let go by its age before, it levels off below the bound */
	if (days > 36500 || (age && (uint64_t)age * ret->bytes_per_day <= ret->bytes + room))
		return;
	ret->full_at = now + (int64_t)days * DAY_US;
}

static int64_t oldest_event(struct events *s, const struct held *held, size_t n)
{
	int64_t oldest = INT64_MAX;
	struct usage_day *u, loose = { 0 };
	for (size_t i = 0; oldest == INT64_MAX && i < n; i++)
		for (size_t k = 0; !usage_of_day(s, held[i].day, &u, NULL) && k < u->n; k++)
			oldest = u->items[k].usage.oldest < oldest ? u->items[k].usage.oldest : oldest;
	usage_of_journal(s, &loose, NULL);
	for (size_t k = 0; k < loose.n; k++)
		oldest = loose.items[k].usage.oldest < oldest ? loose.items[k].usage.oldest : oldest;
	free(loose.items);
	return oldest == INT64_MAX ? 0 : oldest;
}

static int list_held(struct events *s, struct held **ret, size_t *ret_n, struct err *err)
{
	int32_t *days = NULL;
	size_t n = 0;
	int code = embedded_days(s, INT64_MIN, 0, &days, &n, err);
	struct held *held = code ? NULL : malloc((n + 1) * sizeof(*held));
	if (!code && !held)
		code = err_set(err, -ENOMEM, "let events go: %m");
	for (size_t i = 0; !code && i < n; i++) /* the oldest first */
		held[i] = (struct held){ days[n - 1 - i], day_files(s, days[n - 1 - i], false) };
	free(days);
	*ret = held;
	*ret_n = n;
	return code;
}

static void drop_oldest(struct events *s, struct held *held, size_t *n, struct event_retention *ret)
{
	drop_day(s, held[0].day, ret);
	--*n;
	memmove(held, held + 1, *n * sizeof(*held));
}

static uint64_t bytes_of(struct events *s, const struct held *held, size_t n)
{
	uint64_t bytes = journal_bytes(s->journal);
	for (size_t i = 0; i < n; i++)
		bytes += held[i].bytes;
	return bytes;
}

int embedded_enforce(struct events *s, const struct event_limits *limits, struct event_retention *ret, struct err *err)
{
	struct event_retention r = { 0 };
	struct held *held = NULL;
	size_t n = 0, kept = 0;
	if (s->config.read_only)
		return err_set(err, -EROFS, "'%s' was opened for searching", s->dir);
	int64_t now = clock_wall(s->config.clock);
	int code = list_held(s, &held, &n, err);
	for (size_t i = 0; !code && i < n; i++) {
		const struct expiry e = { limits, held[i].day, now };
		uint64_t before = r.dropped_bytes;
		bool gone = false;
		if (limits->n_ages && expire_day(s, &e, &r, &gone, err) == -ENOMEM)
			code = -ENOMEM;
		held[kept] = held[i];
		if (!gone && before != r.dropped_bytes)
			held[kept].bytes = day_files(s, held[i].day, false);
		kept += !gone;
	}
	n = code ? n : kept;
	while (!code && n > 1 && excess(s, limits, bytes_of(s, held, n)))
		drop_oldest(s, held, &n, &r);
	uint64_t over = !code && n == 1 ? excess(s, limits, bytes_of(s, held, n)) : 0;
	if (over) {
		code = drop_blocks(s, held[0].day, is_oldest, &over, &r, err);
		held[0].bytes = day_files(s, held[0].day, false);
	}
	if (!code) {
		r.bytes = bytes_of(s, held, n);
		r.kept_since = oldest_event(s, held, n);
		forecast(s, limits, held, n, now, &r);
		*ret = r;
	}
	free(held);
	return code;
}
