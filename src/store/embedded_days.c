#include "store/embedded_inside.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int newest_first(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
	return x < y ? 1 : -(x > y);
}

static const struct open_day *pin_of(const struct days *d, int32_t day)
{
	for (size_t i = 0; i < d->n_pins; i++)
		if (d->pins[i].day == day)
			return &d->pins[i];
	return NULL;
}

int embedded_days(struct events *s, int64_t from, int64_t to, int32_t **ret, size_t *ret_n, struct err *err)
{
	int32_t first = day_of(from), last = to ? day_of(to - 1) : DAY_LAST, day, *list = NULL;
	size_t n = 0, cap = 0;
	DIR *dir = opendir(s->days.dir);
	if (!dir)
		return err_set(err, -errno, "read folder '%s': %m", s->days.dir);
	for (struct dirent *e; (e = readdir(dir));) {
		if (!day_from_name(e->d_name, &day) || day < first || day > last)
			continue;
		const struct open_day *pin = pin_of(&s->days, day);
		if (pin && !pin->d)
			continue; /* made since the search began */
		if (n == cap) {
			cap = cap ? 2 * cap : 64;
			int32_t *more = realloc(list, cap * sizeof(*more));
			if (!more) {
				closedir(dir);
				free(list);
				return err_set(err, -ENOMEM, "list the days: %m");
			}
			list = more;
		}
		list[n++] = day;
	}
	closedir(dir);
	if (n)
		qsort(list, n, sizeof(*list), newest_first);
	*ret = list;
	*ret_n = n;
	return 0;
}

bool days_has(struct events *s, int32_t day)
{
	char name[DAY_NAME], path[DIR_MAX + DAY_NAME + 1];
	struct stat st;
	day_name(day, name);
	snprintf(path, sizeof(path), "%s/%s", s->days.dir, name);
	return !stat(path, &st);
}

/* The place for one more open day: a free one, or that of the one that was used longest ago. */
static struct open_day *place(struct days *d)
{
	struct open_day *oldest = &d->open[0];
	for (size_t i = 0; i < OPEN_DAYS; i++) {
		if (!d->open[i].d)
			return &d->open[i];
		if (d->open[i].used < oldest->used)
			oldest = &d->open[i];
	}
	day_close(oldest->d);
	*oldest = (struct open_day){ 0 };
	return oldest;
}

/* A file whose list of blocks can be read, too. */
static int open_whole(struct events *s, int32_t day, struct day **ret, struct err *err)
{
	const struct day_block *blocks;
	struct day *d;
	size_t n;
	int code = day_open(&d, s->days.dir, day, s->config.read_only, err);
	if (code)
		return code;
	code = day_blocks(d, &blocks, &n, err);
	if (code)
		day_close(d);
	else
		*ret = d;
	return code;
}

int days_make(struct events *s, int32_t day, struct day **ret, struct err *err)
{
	for (size_t i = 0; i < OPEN_DAYS; i++) {
		if (!s->days.open[i].d || s->days.open[i].day != day)
			continue;
		s->days.open[i].used = ++s->days.turn;
		*ret = s->days.open[i].d;
		return 0;
	}
	struct open_day *to = place(&s->days);
	struct day *d;
	int code = open_whole(s, day, &d, err);
	if (code == -EBADMSG && !s->config.read_only && !s->mend.busy) {
		code = mend_day(s, day, err ? err->text : "it can't be read", err);
		return code ? code : days_make(s, day, ret, err);
	}
	if (code == -EBADMSG)
		embedded_tell(s, "day-damaged", s->days.dir, err ? err->text : "it can't be read");
	if (code)
		return code;
	*to = (struct open_day){ day, d, ++s->days.turn };
	*ret = d;
	return 0;
}

int embedded_day(struct events *s, int32_t day, struct day **ret, struct err *err)
{
	const struct open_day *pin = pin_of(&s->days, day);
	if (pin && pin->d) {
		*ret = pin->d;
		return 0;
	}
	if (pin || !days_has(s, day))
		return err_set(err, -ENOENT, "'%s' has no file of that day", s->days.dir);
	return days_make(s, day, ret, err);
}

void days_forget(struct events *s, int32_t day)
{
	for (size_t i = 0; i < OPEN_DAYS; i++) {
		if (!s->days.open[i].d || s->days.open[i].day != day)
			continue;
		day_close(s->days.open[i].d);
		s->days.open[i] = (struct open_day){ 0 };
	}
}

void days_close(struct events *s)
{
	days_end(s);
	for (size_t i = 0; i < OPEN_DAYS; i++) {
		day_close(s->days.open[i].d);
		s->days.open[i] = (struct open_day){ 0 };
	}
	free(s->days.notes);
	s->days.notes = NULL;
	s->days.cap_notes = 0;
}

/* --- what a search beside a writer sees --- */

/*
 * Events move from the journal to days meanwhile. So first the journal's segments are opened, which stay readable when
 * they are dropped; then each day that has events in them is opened as it is now, and asked which segments it has. What
 * it has isn't read from the journal, what it gets later isn't seen in it.
 */
struct pinning {
	struct events *s;
	struct err *err;
	uint64_t segment;
	int32_t day; /* asked last */
};

static int add_note(struct days *d, uint64_t segment, int32_t day, struct err *err)
{
	if (d->n_notes == d->cap_notes) {
		size_t cap = d->cap_notes ? 2 * d->cap_notes : 16;
		struct pin_note *more = realloc(d->notes, cap * sizeof(*more));
		if (!more)
			return err_set(err, -ENOMEM, "search: %m");
		d->notes = more;
		d->cap_notes = cap;
	}
	d->notes[d->n_notes++] = (struct pin_note){ segment, day };
	return 0;
}

static int pin(struct events *s, int32_t day, struct day **ret, struct err *err)
{
	const struct open_day *have = pin_of(&s->days, day);
	struct day *d = NULL;
	if (have) {
		*ret = have->d;
		return 0;
	}
	if (s->days.n_pins == PINNED_DAYS) { /* senders with clocks far apart: the rest is seen as well as can be */
		int code = embedded_day(s, day, ret, err);
		*ret = code ? NULL : *ret;
		return code == -ENOENT || code == -EBADMSG ? 0 : code;
	}
	int code = open_whole(s, day, &d, err);
	*ret = d = code ? NULL : d;
	if (code == -EBADMSG) /* told when it is asked for */
		return 0;
	if (code && code != -ENOENT)
		return code;
	s->days.pins[s->days.n_pins++] = (struct open_day){ .day = day, .d = d };
	return 0;
}

static int pin_row(void *arg, uint64_t segment, uint64_t seq, uint32_t at, const struct event_row *row)
{
	struct pinning *p = arg;
	struct day *d;
	bool sealed = false;
	int32_t day = day_of(row->time);
	if (segment == p->segment && day == p->day)
		return 0;
	p->segment = segment;
	p->day = day;
	int code = pin(p->s, day, &d, p->err);
	if (!code && d)
		code = day_is_sealed(d, segment, &sealed, p->err);
	return !code && sealed ? add_note(&p->s->days, segment, day, p->err) : code;
}

int days_begin(struct events *s, struct err *err)
{
	if (!s->config.read_only)
		return 0;
	const struct journal_config config = {
		.dir = s->journal_dir,
		.read_only = true,
		.note = s->config.note,
		.arg = s->config.arg,
	};
	struct pinning p = { .s = s, .err = err };
	s->days.searching = true;
	int code = journal_open(&s->journal, &config, err);
	if (!code)
		code = journal_read(s->journal, pin_row, &p, err);
	return code == -ENOENT ? 0 : code;
}

void days_end(struct events *s)
{
	struct days *d = &s->days;
	for (size_t i = 0; !s->config.read_only && i < OPEN_DAYS; i++)
		if (d->open[i].d)
			day_release(d->open[i].d);
	if (!d->searching)
		return;
	d->searching = false;
	for (size_t i = 0; i < d->n_pins; i++)
		day_close(d->pins[i].d);
	for (size_t i = 0; i < OPEN_DAYS; i++) { /* the writer may put another file in its place */
		day_close(d->open[i].d);
		d->open[i] = (struct open_day){ 0 };
	}
	d->n_pins = d->n_notes = 0;
	journal_close(s->journal);
	s->journal = NULL;
}
