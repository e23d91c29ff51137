#include "cmd/gate_operators.h"

#include "os/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TOLD "lists.told"

/* --- the file --- */

static int read_text(const char *path, struct buf *to)
{
	const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = 1;
	int code = fd < 0 ? -errno : 0;
	while (!code && n > 0 && to->n <= LIST_TEXT) {
		char *room = buf_room(to, 65536);
		n = room ? read(fd, room, 65536) : -1;
		code = !room ? -ENOMEM : n < 0 ? -errno : 0;
		to->n += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	return code == -ENOENT ? 0 : code;
}

int gate_list_read(struct gate_list *ret, const char *path, struct err *err)
{
	struct err why = { 0 };
	int code = read_text(path, &ret->text);
	if (code)
		return err_set(err, code, "read '%s': %m", path);
	size_t lines = 1;
	for (size_t i = 0; i < ret->text.n; i++)
		lines += ret->text.p[i] == '\n';
	ret->at = calloc(lines < LIST_MAX ? lines : LIST_MAX, sizeof(*ret->at));
	if (!ret->at)
		return err_set(err, -ENOMEM, "read '%s': %m", path);
	code = list_read(buf_str(&ret->text), ret->at, lines < LIST_MAX ? lines : LIST_MAX, &ret->n, &why);
	return code ? err_set(err, code, "%s:%s", path, why.text) : 0;
}

void gate_list_done(struct gate_list *l)
{
	buf_free(&l->text);
	free(l->at);
}

/* --- what is new in it --- */

static bool same_prefix(const struct list_entry *a, const struct list_entry *b)
{
	return a->bits == b->bits && memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0;
}

static bool same(const struct list_entry *a, const struct list_entry *b)
{
	return same_prefix(a, b) && a->action == b->action && a->until_s == b->until_s && strcmp(a->by, b->by) == 0 &&
	       strcmp(a->why, b->why) == 0;
}

static int compare(const void *a, const void *b)
{
	const struct list_entry *x = a, *y = b;
	const int d = memcmp(&x->addr, &y->addr, sizeof(x->addr));
	return d ? d : x->bits - y->bits;
}

/* The one like e, as far as `like` goes; l is sorted by compare(). */
static const struct list_entry *find(const struct gate_list *l, const struct list_entry *e,
                                     bool (*like)(const struct list_entry *a, const struct list_entry *b))
{
	const struct list_entry *f = bsearch(e, l->at, l->n, sizeof(*e), compare);
	while (f && f > l->at && same_prefix(f - 1, e))
		f--;
	for (; f && f < l->at + l->n && same_prefix(f, e); f++)
		if (like(f, e))
			return f;
	return NULL;
}

struct telling {
	struct gate_events *events;
	struct buf lines;
	struct str turn;
	int64_t wall_us;
	bool first; /* it may have been told, and its teller killed before it could say so */
};

static void add(struct telling *t, const struct list_entry *was, const struct list_entry *is)
{
	char id[GATE_ID + 1];
	const size_t from = t->lines.n;
	gate_events_list(&t->lines, was, is, t->turn, t->wall_us, id);
	if (t->first && gate_events_has(t->events, id))
		t->lines.n = from;
}

static int tell(struct telling *t, struct gate_list *was, struct gate_list *is, struct err *err)
{
	qsort(was->at, was->n, sizeof(*was->at), compare);
	qsort(is->at, is->n, sizeof(*is->at), compare);
	for (size_t i = 0; i < is->n; i++)
		if (!find(was, &is->at[i], same))
			add(t, NULL, &is->at[i]);
	for (size_t i = 0; i < was->n; i++)
		if (!find(is, &was->at[i], same_prefix))
			add(t, &was->at[i], NULL);
	if (t->lines.failed)
		return err_set(err, -ENOMEM, "%m");
	return t->lines.n ? gate_events_put(t->events, buf_str(&t->lines), err) : 0;
}

void gate_operators_init(struct gate_operators *o, const char *folder, const char *lists)
{
	*o = (struct gate_operators){ .folder = folder, .lists = lists };
}

int gate_operators_tell(struct gate_operators *o, struct gate_events *events, int64_t wall_us, struct err *err)
{
	struct stat st = { 0 };
	struct gate_list is = { 0 }, was = { 0 };
	char path[4200], turn[96];
	if (stat(o->lists, &st) && errno != ENOENT)
		return err_set(err, -errno, "look at '%s': %m", o->lists);
	if (o->looked && st.st_ino == o->seen.st_ino && st.st_size == o->seen.st_size &&
	    st.st_mtim.tv_sec == o->seen.st_mtim.tv_sec && st.st_mtim.tv_nsec == o->seen.st_mtim.tv_nsec)
		return 0;
	snprintf(path, sizeof(path), "%s/" TOLD, o->folder);
	snprintf(turn, sizeof(turn), "%llu %lld.%09ld", (unsigned long long)st.st_ino, (long long)st.st_mtim.tv_sec,
	         st.st_mtim.tv_nsec);
	struct telling t = { .events = events, .turn = str_from(turn), .wall_us = wall_us, .first = !o->looked };
	int code = gate_list_read(&is, o->lists, err);
	if (!code)
		code = gate_list_read(&was, path, err);
	if (!code)
		code = tell(&t, &was, &is, err);
	if (!code)
		code = atomic_write(o->folder, TOLD, buf_str(&is.text), 0644, err);
	if (!code) {
		o->seen = st;
		o->looked = true;
	}
	gate_list_done(&is);
	gate_list_done(&was);
	buf_free(&t.lines);
	return code;
}
