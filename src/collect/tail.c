#include "collect/tail.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_ROTATED = 16, REFUSED_MAX = 3 };
static const int64_t CHECK_EVERY = 500LL * CLOCK_MS; /* is the path still this file? */
static const int64_t RESTART_EVERY = 10LL * CLOCK_S; /* a journal that ended */
static const int64_t OLD_QUIET = 60LL * CLOCK_S;     /* a writer that has not reopened its log yet */
static const uint64_t REPLAY_BYTES = 64 << 20;
static const struct place_point beginning;

static void note(struct tail *t, enum collect_note what, const char *why)
{
	t->c.taker->note(t->c.taker->arg, why ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, what, t->name, why);
}

int tail_new(struct tail **ret, const struct tail_config *config, size_t item, enum opener_kind kind, const char *name,
             const char *path, bool optional, bool from_start, struct err *err)
{
	struct tail *t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(err, -ENOMEM, "watch '%s': %m", name);
	*t = (struct tail){
		.c = *config,
		.name = strdup(name),
		.path = path ? strdup(path) : NULL,
		.item = item,
		.is_file = kind != OPENER_CHILD,
		.optional = optional,
		.from_start = from_start,
		.checked = INT64_MIN / 2,
	};
	if (!t->name || (path && !t->path)) {
		tail_free(t);
		return err_set(err, -ENOMEM, "watch '%s': %m", name);
	}
	place_hash(t->source, str_from(t->name));
	*ret = t;
	return 0;
}

int tail_end(struct tail *t)
{
	int code = 0;
	for (size_t i = 0; i < t->n_old && !code; i++)
		code = log_finish(t->old[i]);
	/* an unfinished last line of a file stays unread: its end is yet to come */
	if (t->log && t->log->framer && !code && !t->log->broken)
		code = t->is_file ? framer_flush(t->log->framer, false) : log_finish(t->log);
	return code;
}

void tail_free(struct tail *t)
{
	if (!t)
		return;
	log_free(t->log);
	for (size_t i = 0; i < t->n_old; i++)
		log_free(t->old[i]);
	free(t->name);
	free(t->path);
	free(t);
}

static void drop_old(struct tail *t, size_t i)
{
	log_free(t->old[i]);
	t->n_old--;
	memmove(t->old + i, t->old + i + 1, (t->n_old - i) * sizeof(t->old[0]));
}

/* Room for one more that is not current any longer. */
static bool make_room(struct tail *t)
{
	for (size_t i = 0; i < t->n_old && t->n_old == TAIL_OLD; i++)
		if (!log_is_open(t->old[i]) && t->old[i]->fd < 0)
			drop_old(t, i);
	return t->n_old < TAIL_OLD;
}

static void keep_old(struct tail *t, struct log_file *l)
{
	if (make_room(t)) {
		t->old[t->n_old++] = l;
		return;
	}
	log_note(l, LOG_LEVEL_WARNING, NOTE_MAY_BE_LOST, "too many rotations at once; '%s' is not read", l->name);
	log_free(l);
}

/*
 * What a run before read and didn't save lies within `ahead` behind what it saved, and as much is taken for what it had
 * read then and not handed on. Of a log that is found later only this run can have read something, under another name.
 */
static int begin(struct tail *t, struct log_file *l, const struct place_point *from, const struct place_point *known)
{
	const uint64_t settled = known ? known->offset : from->offset;
	l->origin.since = t->c.since ? t->c.since : clock_wall(t->c.clock) - TAIL_CLOCK;
	l->origin.fresh = t->c.ahead ? settled + 2 * t->c.ahead : UINT64_MAX;
	int code = log_begin(l, from, known);
	return code ? log_trouble(l, code) : 0;
}

/* The rotations of this log that can be read, newest first. */
static size_t list_rotated(struct tail *t, struct log_file **all)
{
	char name[OPENER_TEXT];
	size_t n = 0;
	for (size_t i = 0; i < MAX_ROTATED; i++) {
		int fd;
		int code = opener_rotated(t->c.opener, t->item, t->path, i, &fd, name, NULL);
		if (code == 0 || code == -EPIPE)
			break;
		if (code < 0 || log_new(&all[n], t->c.taker, t->c.clock, t->name, fd, false, NULL))
			continue;
		snprintf(all[n]->name, sizeof(all[n]->name), "%.255s", name);
		all[n]->finite = all[n]->unpack != NULL;
		n++;
	}
	return n;
}

/* --- after a restart --- */

static void tell_catching_up(struct log_file *l, const struct place_file *was)
{
	uint64_t from = was ? was->at.offset : 0;
	const char *of = *l->name ? " of " : "";
	if (l->unpack)
		log_note(l, LOG_LEVEL_INFO, NOTE_CATCHING_UP, "what is left%s%s", of, l->name);
	else if (l->size > from)
		log_note(l, LOG_LEVEL_INFO, NOTE_CATCHING_UP, "%" PRIu64 " bytes%s%s", l->size - from, of, l->name);
}

/* Which of the logs is which of those that were saved: by inode and head first, then copies by their head alone. */
static bool recognize(struct log_file **all, size_t n, const struct place_file **wanted, size_t n_wanted,
                      const struct place_file **is)
{
	bool found[TAIL_SAVED] = { 0 };
	for (int loosely = 0; loosely < 2; loosely++)
		for (size_t w = 0; w < n_wanted; w++)
			for (size_t i = 0; i < n && !found[w]; i++)
				if (!is[i] && log_is(all[i], wanted[w], loosely)) {
					is[i] = wanted[w];
					found[w] = true;
				}
	return found[0];
}

/* A rotation that nobody has read: it came behind those that were, and is not half compressed yet. */
static bool is_unread(struct log_file **all, size_t n, const struct place_file **is, size_t i, int64_t since)
{
	if (!all[i]->head_len || log_written(all[i]) <= since)
		return false;
	for (size_t k = 0; k < n; k++)
		if (k != i && (is[k] || k < i || (all[i]->unpack && !all[k]->unpack)) && log_is_other(all[i], all[k]))
			return false;
	return true;
}

/* cur: what stands at the path, NULL: nothing. Reads on where a run before stopped, and what came since. */
static int resume(struct tail *t, struct log_file *cur, const struct place_file **wanted, size_t n_wanted)
{
	struct log_file *all[MAX_ROTATED + 1];
	const struct place_file *is[MAX_ROTATED + 1] = { 0 };
	bool unread[MAX_ROTATED + 1];
	int64_t since = 0;
	int code = 0;
	if (cur)
		all[0] = cur;
	size_t first = cur != NULL, n = first + list_rotated(t, all + first);
	bool found = recognize(all, n, wanted, n_wanted, is);
	if (!cur && !found && wanted[0]->inode) { /* away, or not to be read for now: it may come back */
		for (size_t i = 0; i < n; i++)
			log_free(all[i]);
		t->waits = true;
		return 0;
	}
	for (size_t i = first; i < n; i++)
		if (is[i] && log_written(all[i]) > since)
			since = log_written(all[i]);
	since = since ? since : t->c.was->saved * 1000;
	if (!found && wanted[0]->inode)
		note(t, NOTE_MAY_BE_LOST, "the file that was read last is gone");
	for (size_t i = 0; i < n; i++)
		unread[i] = !(cur && is[0]) && is_unread(all, n, is, i, since);
	for (size_t i = n; i-- > 0;) { /* oldest first */
		struct log_file *l = all[i];
		if (is[i]) {
			struct place_point from = place_from(is[i], t->c.horizon, REPLAY_BYTES);
			l->place.n_points = is[i]->n_points;
			memcpy(l->place.points, is[i]->points, sizeof(l->place.points));
			tell_catching_up(l, is[i]);
			code = code ? code : begin(t, l, &from, &is[i]->at);
		} else if (l == cur || unread[i]) {
			tell_catching_up(l, NULL);
			code = code ? code : begin(t, l, &beginning, NULL);
		} else {
			log_free(l);
			continue;
		}
		if (l == cur)
			t->log = l;
		else
			keep_old(t, l);
	}
	return code;
}

static int first_look(struct tail *t, struct log_file *cur)
{
	t->waits = false;
	const struct place_file *wanted[TAIL_SAVED];
	const struct place_table *was = t->c.was;
	size_t n = 0;
	for (uint32_t i = 0; was && i < was->n && n < TAIL_SAVED; i++)
		if (memcmp(was->files[i].source, t->source, PLACE_HASH) == 0)
			wanted[n++] = &was->files[i];
	if (n)
		return resume(t, cur, wanted, n);
	if (!cur)
		return 0;
	struct place_point from = t->from_start || cur->unpack ? beginning : log_end(cur);
	t->log = cur;
	return begin(t, cur, &from, NULL);
}

/* --- rotation --- */

static bool is_open(const struct tail *t, const struct log_file *l)
{
	for (size_t i = 0; i < t->n_old; i++)
		if (log_is_other(l, t->old[i]))
			return true;
	return log_is_other(l, t->log);
}

/* Another file stands at the path: the old one is read to its end, and so are those that came between them. */
static int replaced(struct tail *t, struct log_file *next)
{
	struct log_file *all[MAX_ROTATED];
	const struct place_file *none[MAX_ROTATED] = { 0 };
	size_t n = list_rotated(t, all);
	int64_t since = log_written(t->log);
	struct place_point from = beginning;
	int code = 0;
	log_mark(t->log, t->c.horizon);
	if (!next->unpack && log_is(next, &t->log->place, true)) /* an editor wrote it anew */
		from = t->log->place.at;
	from.time = t->log->origin.time; /* it is read behind the old one */
	bool between[MAX_ROTATED];
	for (size_t i = 0; i < n; i++)
		between[i] = is_unread(all, n, none, i, since) && !is_open(t, all[i]) && !log_is_other(all[i], next);
	for (size_t i = n; i-- > 0;) { /* oldest first */
		struct place_point first = { .time = from.time };
		if (!between[i]) {
			log_free(all[i]);
			continue;
		}
		code = code ? code : begin(t, all[i], &first, NULL);
		keep_old(t, all[i]);
	}
	keep_old(t, t->log);
	t->log = next;
	return code ? code : begin(t, next, &from, NULL);
}

/* A writer that goes on at its old place leaves a hole, which is no log. */
static uint64_t behind_hole(int fd)
{
	off_t at = lseek(fd, 0, SEEK_DATA);
	char c = 0;
	if (at < 0)
		return 0;
	while (pread(fd, &c, 1, at) == 1 && c == '\0')
		at++;
	return (uint64_t)at;
}

static void tell_emptied(struct log_file *l, uint64_t read, const struct log_file *copy)
{
	uint64_t kept = copy && copy->unpack ? l->size : copy ? copy->size : read;
	uint64_t lost = l->size > kept && l->size > read ? l->size - (kept > read ? kept : read) : 0;
	if (lost || !copy)
		log_note(l, lost ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, NOTE_MAY_BE_LOST,
		         "emptied in place, %" PRIu64 " bytes of it were read, %" PRIu64
		         " and what came in the last moment were not",
		         read, lost);
	else
		log_note(l, LOG_LEVEL_INFO, NOTE_EMPTIED,
		         "emptied in place, %" PRIu64 " bytes of it were read, and %" PRIu64 " of its copy %s", read,
		         kept > read ? kept - read : 0, copy->name);
}

/* Which of the rotations is the copy, n: none; one that is not compressed is better. */
static size_t find_copy(struct log_file **all, size_t n, const struct log_file *l)
{
	size_t copy = n;
	for (size_t i = 0; i < n; i++)
		if (log_is(all[i], &l->place, true) && (copy == n || (all[copy]->unpack && !all[i]->unpack)))
			copy = i;
	return copy;
}

int tail_emptied(struct tail *t)
{
	struct log_file *all[MAX_ROTATED], *l = t->log, *fresh = NULL;
	const struct place_file *is[MAX_ROTATED] = { 0 };
	bool between[MAX_ROTATED] = { 0 };
	if (!make_room(t))
		return 0; /* later */
	size_t n = list_rotated(t, all);
	int fd = l->fd, code = 0;
	l->fd = -1;
	log_mark(l, t->c.horizon);
	size_t copy = find_copy(all, n, l);
	if (log_new(&fresh, t->c.taker, t->c.clock, t->name, fd, false, NULL))
		t->id = (struct opener_file){ 0 }; /* it is opened anew */
	t->log = fresh;
	tell_emptied(l, l->offset, copy < n ? all[copy] : NULL);
	if (copy < n)
		is[copy] = &l->place;
	for (size_t i = 0; i < n && copy < n; i++) /* it may have been emptied more than once */
		between[i] = i != copy && is_unread(all, n, is, i, log_written(all[copy])) &&
		             !(fresh && log_is_other(all[i], fresh));
	if (copy < n)
		log_go_on_in(l, all[copy]);
	else
		code = log_finish(l);
	keep_old(t, l);
	struct place_point from = { .time = l->origin.time };
	for (size_t i = n; i-- > 0;) {
		if (i != copy && !between[i])
			log_free(all[i]);
		if (!between[i])
			continue;
		code = code ? code : begin(t, all[i], &from, NULL);
		keep_old(t, all[i]);
	}
	if (code || !fresh)
		return code;
	from.offset = behind_hole(fresh->fd);
	return begin(t, fresh, &from, NULL);
}

/* Those that are read to their end, when nothing more is to be expected. */
static int expire(struct tail *t, int64_t now)
{
	int code = 0;
	for (size_t i = 0; i < t->n_old && !code;) {
		struct log_file *l = t->old[i];
		int64_t quiet = now - l->read_last;
		if (l->fd >= 0 && l->at_end && (l->finite || l->emptied || l->broken || quiet > OLD_QUIET))
			code = log_finish(l);
		if (l->fd < 0 && !log_is_open(l) && quiet > OLD_QUIET + t->c.horizon)
			drop_old(t, i);
		else
			i++;
	}
	return code;
}

/* --- the journal --- */

/* Where to start: so far back that correlations see again what they want. */
static struct place_cursor journal_from(struct tail *t)
{
	const struct place_table *was = t->c.was;
	if (!was || t->started || !*was->journal.at)
		return t->cursor;
	t->cursor = was->journal;
	t->n_points = was->n_journal_points;
	memcpy(t->points, was->journal_points, sizeof(t->points));
	struct place_cursor from = t->cursor;
	for (uint32_t i = t->n_points; i-- > 0 && t->c.horizon;) {
		from = t->points[i];
		if (from.time <= t->cursor.time - t->c.horizon)
			break;
	}
	return from;
}

static int open_journal(struct tail *t, const struct place_cursor *from, int *fd, struct err *err)
{
	if (*from->at && t->failed < REFUSED_MAX)
		return opener_resume(t->c.opener, t->item, from->at, fd, err);
	if (*from->at)
		note(t, NOTE_MAY_BE_LOST, "it can't go on where it was read last");
	*t->cursor.at = '\0';
	t->failed = 0;
	return opener_open(t->c.opener, t->item, NULL, fd, err);
}

int tail_closed(struct tail *t, int64_t now)
{
	bool nothing = t->log->offset == 0;
	int code = log_finish(t->log);
	if (*t->log->origin.at.at)
		t->cursor = t->log->origin.at;
	log_free(t->log);
	t->log = NULL;
	t->failed = nothing ? t->failed + 1 : 0;
	if (!t->told)
		note(t, NOTE_NOT_WATCHED, "it ended; it is started again");
	t->told = -EPIPE;
	t->checked = now;
	return code;
}

/* --- both --- */

static int take(struct tail *t, int fd, bool first, const struct place_cursor *from)
{
	struct err err;
	struct log_file *l;
	if (log_new(&l, t->c.taker, t->c.clock, t->name, fd, !t->is_file, &err)) {
		note(t, NOTE_NOT_WATCHED, err.text);
		return first && t->is_file ? first_look(t, NULL) : 0;
	}
	if (first || t->told)
		note(t, first ? NOTE_WATCHING : NOTE_BACK, NULL);
	t->told = 0;
	if ((first || t->waits) && t->is_file)
		return first_look(t, l);
	if (t->log)
		return replaced(t, l);
	t->log = l;
	if (!t->is_file && strcmp(from->at, t->cursor.at) != 0)
		l->origin.until = t->cursor;
	return begin(t, l, &beginning, NULL);
}

static int check(struct tail *t, int64_t now)
{
	struct err err = { 0 };
	bool first = !t->started;
	struct place_cursor from = { 0 };
	int fd = -1, code = expire(t, now);
	if (code || now - t->checked < (t->is_file || first ? CHECK_EVERY : RESTART_EVERY))
		return code;
	if ((!t->is_file && t->log) || !make_room(t))
		return 0;
	t->checked = now;
	if (!t->is_file) {
		from = journal_from(t);
		code = open_journal(t, &from, &fd, &err);
	} else if (t->path) {
		code = opener_open_match(t->c.opener, t->item, t->path, &t->id, &fd, &err);
	} else {
		code = opener_open(t->c.opener, t->item, &t->id, &fd, &err);
	}
	t->started = true;
	if (code > 0)
		return take(t, fd, first, &from);
	if (code == 0)
		return 0;
	/* a file that is being rotated is away for a moment; one that never was there is told once */
	bool expected = code == -ENOENT && (t->optional || t->log || !first);
	if (!expected && t->told != code)
		note(t, NOTE_NOT_WATCHED, err.text);
	t->told = code;
	return first && t->is_file ? first_look(t, NULL) : 0;
}

int tail_check(struct tail *t, int64_t now)
{
	int code = check(t, now);
	if (t->started && !t->waits)
		t->c.since = 0;
	return code;
}

/* --- where it stands --- */

static void save_journal(struct tail *t, struct place_table *to)
{
	const struct origin *o = t->log ? &t->log->origin : NULL;
	if (o && *o->until.at == '\0' && *o->at.at)
		t->cursor = o->at;
	const struct place_cursor *last = t->n_points ? &t->points[t->n_points - 1] : NULL;
	int64_t apart = t->c.horizon / 8 > CLOCK_S ? t->c.horizon / 8 : CLOCK_S;
	if (*t->cursor.at && (!last || t->cursor.time - last->time >= apart)) {
		if (t->n_points == PLACE_POINTS)
			memmove(t->points, t->points + 1, --t->n_points * sizeof(t->points[0]));
		t->points[t->n_points++] = t->cursor;
	}
	to->journal = t->cursor;
	to->n_journal_points = t->n_points;
	memcpy(to->journal_points, t->points, sizeof(t->points));
}

static void save_file(struct tail *t, struct log_file *l, struct place_table *to)
{
	static const struct place_file none;
	if (to->n == PLACE_MAX_FILES)
		return;
	if (l)
		log_mark(l, t->c.horizon);
	struct place_file *f = &to->files[to->n++];
	*f = l ? l->place : none;
	memcpy(f->source, t->source, sizeof(f->source));
}

void tail_save(struct tail *t, struct place_table *to)
{
	if (!t->is_file) {
		save_journal(t, to);
		return;
	}
	for (uint32_t i = 0; t->waits && i < t->c.was->n && to->n < PLACE_MAX_FILES; i++)
		if (!memcmp(t->c.was->files[i].source, t->source, PLACE_HASH))
			to->files[to->n++] = t->c.was->files[i];
	if (t->waits)
		return;
	save_file(t, t->log, to);
	for (size_t i = t->n_old; i-- > 0;)
		save_file(t, t->old[i], to);
}
