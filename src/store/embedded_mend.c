#include "store/embedded_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { ASIDE_MAX = 1000 };

static int move(const char *dir, const char *from, const char *to, const char *suffix)
{
	char old[DIR_MAX + 128], new[DIR_MAX + 128];
	snprintf(old, sizeof(old), "%s/%s%s", dir, from, suffix);
	snprintf(new, sizeof(new), "%s/%s%s", dir, to, suffix);
	return rename(old, new) ? -errno : 0;
}

/* "2026-11-22.db.damaged-1": a name that nothing has. */
static int free_name(const char *dir, const char *name, char *to, size_t size)
{
	char path[DIR_MAX + 128];
	for (int i = 1; i < ASIDE_MAX; i++) {
		snprintf(to, size, "%s.damaged-%d", name, i);
		snprintf(path, sizeof(path), "%s/%s", dir, to);
		if (access(path, F_OK))
			return 0;
	}
	return -EEXIST;
}

static int set_aside(struct events *s, int32_t day, char *aside, size_t size, struct err *err)
{
	char name[DAY_NAME], shm[DIR_MAX + 64];
	const char *dir = s->days.dir;
	day_name(day, name);
	int code = free_name(dir, name, aside, size);
	/* its WAL goes first: a WAL alone is harmless, a fresh file beside an old one is not */
	if (!code && (code = move(dir, name, aside, "-wal")) == -ENOENT)
		code = 0;
	if (!code)
		code = move(dir, name, aside, "");
	if (code)
		return err_set(err, code, "set '%s/%s' aside: %m", dir, name);
	snprintf(shm, sizeof(shm), "%s/%s-shm", dir, name);
	unlink(shm);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	return 0;
}

static int start(struct events *s, int32_t day, const char *name, struct err *err)
{
	struct day *into;
	int code = days_make(s, day, &into, err);
	if (!code)
		code = day_salvage_open(&s->mend.salvage, s->days.dir, name, into, err);
	if (code)
		return code;
	s->mend.day = day;
	snprintf(s->mend.name, sizeof(s->mend.name), "%s", name);
	return 0;
}

int mend_day(struct events *s, int32_t day, const char *why, struct err *err)
{
	char aside[64], name[DAY_NAME], what[512], reason[512];
	snprintf(reason, sizeof(reason), "%s", why);
	day_name(day, name);
	if (s->mend.salvage && s->mend.day == day)
		mend_done(s);
	days_forget(s, day);
	seal_abort(s);
	known_drop(s->known, day);
	int code = set_aside(s, day, aside, sizeof(aside), err);
	if (code)
		return code;
	s->counts.lost_days++;
	snprintf(what, sizeof(what),
	         "%s was set aside as %s; what can be read of it is taken into a new file; the old one may be deleted "
	         "when nothing is missed",
	         name, aside);
	embedded_tell(s, "day-damaged", what, reason);
	s->mend.looked = false; /* where another is being salvaged, this one waits */
	if (s->mend.salvage)
		return 0;
	s->mend.busy = true;
	code = start(s, day, aside, err);
	s->mend.busy = false;
	return code;
}

void mend_done(struct events *s)
{
	day_salvage_close(s->mend.salvage);
	s->mend.salvage = NULL;
}

/* Whether it is the name of a day's file that was set aside, and of which day. */
static bool is_aside(const char *file, int32_t *day)
{
	char name[DAY_NAME] = "";
	const struct str all = str_from(file);
	const size_t n = sizeof("2026-11-22.db") - 1;
	if (all.n <= n || all.n >= sizeof(((struct mend *)0)->name) ||
	    !str_starts(str_sub(all, n, all.n), STR(".damaged-")) || str_ends(all, STR("-wal")) ||
	    str_ends(all, STR("-shm")))
		return false;
	memcpy(name, all.p, n);
	return day_from_name(name, day);
}

/* What was set aside and isn't salvaged to its end. */
static int look(struct events *s, struct err *err)
{
	DIR *dir = opendir(s->days.dir);
	int code = dir ? 0 : err_set(err, -errno, "read folder '%s': %m", s->days.dir);
	bool done = true;
	for (struct dirent *e; !code && done && (e = readdir(dir));) {
		struct day *into;
		int32_t day;
		if (!is_aside(e->d_name, &day))
			continue;
		code = days_make(s, day, &into, err);
		if (!code)
			code = day_is_salvaged(into, e->d_name, &done, err);
		if (!code && !done)
			code = start(s, day, e->d_name, err);
	}
	if (dir)
		closedir(dir);
	if (!code && done)
		s->mend.looked = true;
	return code;
}

uint64_t embedded_mending(struct events *s, int64_t from, int64_t to)
{
	DIR *dir = opendir(s->days.dir);
	const int32_t first = day_of(from), last = to ? day_of(to - 1) : DAY_LAST;
	uint64_t n = 0;
	for (struct dirent *e; dir && (e = readdir(dir));) {
		struct day *into;
		int32_t day;
		bool done = false;
		if (!is_aside(e->d_name, &day) || day < first || day > last)
			continue;
		if (!embedded_day(s, day, &into, NULL) && day_is_salvaged(into, e->d_name, &done, NULL))
			done = false;
		n += !done;
	}
	if (dir)
		closedir(dir);
	return n;
}

int mend_work(struct events *s, struct err *err)
{
	struct mend *m = &s->mend;
	struct day *into;
	if (!m->salvage && (m->looked || look(s, err) || !m->salvage))
		return 0;
	int code = days_make(s, m->day, &into, err);
	if (!code)
		code = day_salvage_step(m->salvage, into, err);
	known_forget(s->known);
	if (code > 0)
		return 0;
	if (!code) {
		uint64_t events, lost;
		char why[128];
		bool all = day_salvage_counts(m->salvage, &events, &lost);
		snprintf(why, sizeof(why), "%" PRIu64 " events salvaged, %" PRIu64 " blocks lost%s", events, lost,
		         all ? "" : ", and maybe others that nothing tells of any more");
		embedded_tell(s, "day-salvaged", m->name, why);
		mend_done(s);
	}
	return code;
}
