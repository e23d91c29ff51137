#include "os/spool_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static const char CURSOR_MAGIC[16] = "khien cursor 1\n";
enum { ORDER = 0x01020304, MIN_BYTES = 1 << 20 };

void spool_note(const struct spool *s, const char *what, const char *why)
{
	if (s->c.note)
		s->c.note(s->c.arg, what, why);
}

/* --- the cursor --- */

static bool read_slot(const struct spool *s, int i, struct spool_cursor *ret)
{
	struct spool_cursor c;
	if (pread(s->cursor_fd, &c, sizeof(c), (off_t)i * CURSOR_SLOT) != (ssize_t)sizeof(c) ||
	    memcmp(c.magic, CURSOR_MAGIC, sizeof(c.magic)) != 0 || c.order != ORDER ||
	    c.sum != XXH64(&c, offsetof(struct spool_cursor, sum), 0))
		return false;
	*ret = c;
	return true;
}

static void read_cursor(struct spool *s)
{
	struct spool_cursor slot[2];
	struct stat st;
	bool has[2] = { read_slot(s, 0, &slot[0]), read_slot(s, 1, &slot[1]) };
	s->cursor = (struct spool_cursor){ .order = ORDER };
	memcpy(s->cursor.magic, CURSOR_MAGIC, sizeof(CURSOR_MAGIC));
	if (has[0] || has[1])
		s->cursor = slot[!has[0] || (has[1] && slot[1].turn > slot[0].turn)];
	else if (!fstat(s->cursor_fd, &st) && st.st_size)
		spool_note(s, "the cursor can't be read", "all that is there is sent again");
	s->age = s->cursor.age;
}

static int write_cursor(struct spool *s, struct err *err)
{
	struct spool_cursor *c = &s->cursor;
	c->turn++;
	c->age = spool_age(s);
	c->sum = XXH64(c, offsetof(struct spool_cursor, sum), 0);
	ssize_t n = pwrite(s->cursor_fd, c, sizeof(*c), (off_t)(c->turn % 2) * CURSOR_SLOT);
	if (n == (ssize_t)sizeof(*c) && !fdatasync(s->cursor_fd)) {
		s->cursor_dirty = false;
		return 0;
	}
	/* the same slot again: the other one is whole */
	int code = n < 0 || n == (ssize_t)sizeof(*c) ? -errno : -ENOSPC;
	c->turn--;
	s->cursor_dirty = true;
	return err_set(err, code, "write '%s/cursor': %m", s->dir);
}

/* --- opening --- */

/* "CLASS-NUMBER.spool" */
static bool parse_name(const char *name, unsigned *class, uint64_t *number)
{
	char again[SPOOL_NAME];
	char *end;
	if (name[0] < '0' || name[0] >= '0' + SPOOL_CLASSES || name[1] != '-')
		return false;
	*class = (unsigned)(name[0] - '0');
	*number = strtoull(name + 2, &end, 16);
	spool_name(again, *class, *number);
	return strcmp(again, name) == 0;
}

static int by_number(const void *a, const void *b)
{
	const struct spool_segment *x = a, *y = b;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int add_segment(struct spool *s, unsigned class, const char *name, struct err *err)
{
	struct spool_queue *q = &s->queue[class];
	struct spool_segment g;
	struct err why;
	int code = spool_segment_open(s, class, name, &g, &why);
	if (code == -EBADMSG) {
		/* made and not written before the power went, or damaged */
		spool_note(s, name, why.text);
		s->cursor.lost.damaged++;
		s->cursor_dirty = true;
		char aside[SPOOL_NAME + 8];
		snprintf(aside, sizeof(aside), "%s.bad", name);
		renameat(s->dir_fd, name, s->dir_fd, aside);
		return 0;
	}
	if (code)
		return err_set(err, code, "%s", why.text);
	if (q->n == q->cap) {
		size_t cap = q->cap ? 2 * q->cap : 16;
		struct spool_segment *more = realloc(q->segments, cap * sizeof(*more));
		if (!more) {
			close(g.fd);
			return err_set(err, -ENOMEM, "open the spool: %m");
		}
		q->segments = more;
		q->cap = cap;
	}
	q->segments[q->n++] = g;
	s->bytes += g.end;
	return 0;
}

static int find_segments(struct spool *s, struct err *err)
{
	int fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	int code = 0;
	if (!d)
		code = err_set(err, -errno, "read the folder '%s': %m", s->dir);
	while (!code && (e = readdir(d))) {
		unsigned class;
		uint64_t number;
		if (parse_name(e->d_name, &class, &number))
			code = add_segment(s, class, e->d_name, err);
	}
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	return code;
}

static bool is_done(const struct spool *s, unsigned class, const struct spool_segment *g)
{
	return g->next <= s->cursor.next[class] || g->next <= s->cursor.first[class];
}

/* All but the newest, which is written to, that were acknowledged or let go. */
static void drop_done(struct spool *s, unsigned class)
{
	struct spool_queue *q = &s->queue[class];
	while (q->n > 1 && is_done(s, class, &q->segments[0]))
		spool_segment_drop(s, class);
}

static int open_queue(struct spool *s, unsigned class, struct err *err)
{
	struct spool_queue *q = &s->queue[class];
	uint64_t *next = &s->cursor.next[class], first = s->cursor.first[class];
	int code = 0;
	if (q->n)
		qsort(q->segments, q->n, sizeof(*q->segments), by_number);
	for (size_t i = 0; i < q->n && !code; i++) {
		const uint32_t was = q->segments[i].end;
		code = spool_segment_scan(s, &q->segments[i], i + 1 == q->n, err);
		s->bytes -= was - q->segments[i].end;
		/* what stands in the next segment too was written anew there */
		if (i + 1 < q->n && q->segments[i].next > q->segments[i + 1].number)
			q->segments[i].next = q->segments[i + 1].number;
		/* the cursor may have been written long before the last record */
		if (q->segments[i].sure_age > s->age)
			s->age = q->segments[i].sure_age;
	}
	q->turn = q->n && q->segments[q->n - 1].unread;
	*next = *next < first ? first : *next;
	*next = *next ? *next : 1;
	q->next = q->n && q->segments[q->n - 1].next > *next ? q->segments[q->n - 1].next : *next;
	q->read = *next;
	q->fresh_next = q->next;
	q->fresh.max = SPOOL_UNSYNCED_MAX + FRAME_MAX;
	drop_done(s, class);
	return code;
}

static int open_folder(struct spool *s, struct err *err)
{
	if (mkdir(s->dir, 0700) && errno != EEXIST && errno != EROFS)
		return err_set(err, -errno, "make the folder '%s': %m", s->dir);
	s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir_fd < 0)
		return err_set(err, -errno, "open the folder '%s': %m", s->dir);
	s->cursor_fd = openat(s->dir_fd, "cursor", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->cursor_fd < 0 && errno == EROFS)
		s->cursor_fd = openat(s->dir_fd, "cursor", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (s->cursor_fd < 0)
		return err_set(err, -errno, "open '%s/cursor': %m", s->dir);
	if (flock(s->cursor_fd, LOCK_EX | LOCK_NB))
		return err_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno, "the spool '%s' is in use: %m", s->dir);
	return 0;
}

int spool_open(struct spool **ret, const struct spool_config *config, struct err *err)
{
	struct spool *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(err, -ENOMEM, "open the spool: %m");
	s->c = *config;
	s->dir_fd = s->cursor_fd = -1;
	s->c.max_bytes = config->max_bytes > MIN_BYTES ? config->max_bytes : MIN_BYTES;
	const uint64_t part = s->c.max_bytes / 16;
	s->segment_max = (uint32_t)(part > SEGMENT_MAX ? SEGMENT_MAX : part < SEGMENT_MIN ? SEGMENT_MIN : part);
	s->opened = clock_monotonic(config->clock);
	size_t n = strlen(config->dir);
	int code = n < sizeof(s->dir) - SPOOL_NAME ? 0 : err_set(err, -ENAMETOOLONG, "the spool's folder: %m");
	if (!code)
		memcpy(s->dir, config->dir, n + 1);
	if (!code)
		code = open_folder(s, err);
	if (!code) {
		read_cursor(s);
		code = find_segments(s, err);
	}
	for (unsigned i = 0; i < SPOOL_CLASSES && !code; i++)
		code = open_queue(s, i, err);
	if (code)
		spool_close(s);
	else
		*ret = s;
	return code;
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < SPOOL_CLASSES; i++) {
		struct spool_queue *q = &s->queue[i];
		while (q->n)
			close(q->segments[--q->n].fd);
		free(q->segments);
		buf_free(&q->fresh);
	}
	if (s->cursor_fd >= 0)
		close(s->cursor_fd);
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	free(s);
}

/* --- letting go --- */

/* Counts what of the class's oldest segment waits still. It is counted on the disk before it goes. */
static void count_lost(struct spool *s, unsigned class)
{
	struct spool_queue *q = &s->queue[class];
	const struct spool_segment *g = &q->segments[0];
	struct spool_lost *lost = &s->cursor.lost;
	struct spool_frame f;
	uint32_t at = FRAMES_AT;
	unsigned damage = 0;
	while (spool_segment_frame(g, &at, &f, NULL, &damage) > 0) {
		at += sizeof(f) + spool_pad(f.size);
		if (f.number < s->cursor.next[class] || f.number >= g->next)
			continue;
		lost->events += f.events;
		lost->bytes += f.size;
		if (f.number < q->read) {
			s->flying_events += f.events;
			s->flying_bytes += f.size;
		}
		lost->from = !lost->from || f.time < lost->from ? f.time : lost->from;
		lost->until = f.time > lost->until ? f.time : lost->until;
	}
}

static int let_go(struct spool *s, unsigned class, struct err *err)
{
	struct spool_queue *q = &s->queue[class];
	const uint64_t next = q->segments[0].next;
	const struct spool_cursor was = s->cursor;
	const uint64_t events = s->flying_events, bytes = s->flying_bytes;
	count_lost(s, class);
	s->cursor.first[class] = next;
	if (s->cursor.next[class] < next)
		s->cursor.next[class] = next;
	int code = write_cursor(s, err);
	if (code) {
		s->cursor = was;
		s->flying_events = events;
		s->flying_bytes = bytes;
		return code;
	}
	if (q->read < next)
		q->read = next;
	spool_segment_drop(s, class);
	return 0;
}

static int make_room(struct spool *s, uint64_t more, struct err *err)
{
	int code = 0;
	while (!code && s->bytes && s->bytes + more > s->c.max_bytes) {
		unsigned class = 0;
		while (class < SPOOL_CLASSES && !s->queue[class].n)
			class ++;
		if (class == SPOOL_CLASSES)
			return 0;
		code = let_go(s, class, err);
	}
	return code;
}

int spool_tick(struct spool *s, struct err *err)
{
	const int64_t age = spool_age(s);
	int code = 0;
	for (unsigned i = 0; i < SPOOL_CLASSES && s->c.max_age; i++)
		while (!code && s->queue[i].n && s->queue[i].segments[0].age < age - s->c.max_age) {
			if (s->queue[i].n == 1 && is_done(s, i, &s->queue[i].segments[0]))
				break;
			code = let_go(s, i, err);
		}
	return code;
}

int spool_forget(struct spool *s, struct err *err)
{
	int code = 0;
	for (unsigned i = 0; i < SPOOL_CLASSES; i++)
		while (!code && s->queue[i].n)
			code = let_go(s, i, err);
	return code;
}

struct spool_lost spool_lost(const struct spool *s)
{
	struct spool_lost lost = s->cursor.lost;
	lost.events -= s->flying_events;
	lost.bytes -= s->flying_bytes;
	return lost;
}

struct spool_lost spool_lost_told(const struct spool *s)
{
	return s->cursor.told;
}

int spool_told(struct spool *s, const struct spool_lost *lost, struct err *err)
{
	s->cursor.told = *lost;
	s->cursor.lost.from = s->cursor.lost.until = 0;
	return write_cursor(s, err);
}

/* --- writing --- */

int spool_put(struct spool *s, const struct spool_record *r, struct err *err)
{
	struct spool_queue *q = &s->queue[r->class];
	const size_t size = sizeof(struct spool_frame) + spool_pad((uint32_t)r->bytes.n);
	if (r->bytes.n > SPOOL_RECORD_MAX)
		return err_set(err, -EMSGSIZE, "a record of %zu bytes: %m", r->bytes.n);
	if (spool_unsynced(s) + size > SPOOL_UNSYNCED_MAX && q->fresh.n)
		return err_set(err, -EAGAIN, "the spool has not synced");
	char *p = buf_room(&q->fresh, size);
	if (!p) {
		q->fresh.failed = false;
		return err_set(err, -ENOMEM, "the spool: %m");
	}
	const struct spool_frame f = {
		.size = (uint32_t)r->bytes.n,
		.number = q->fresh_next++,
		.time = clock_wall(s->c.clock),
		.age = spool_age(s),
		.events = r->events,
	};
	memcpy(p, &f, sizeof(f));
	memcpy(p + sizeof(f), r->bytes.p, r->bytes.n);
	memset(p + sizeof(f) + r->bytes.n, 0, size - sizeof(f) - r->bytes.n);
	q->fresh.n += size;
	return 0;
}

size_t spool_unsynced(const struct spool *s)
{
	size_t n = 0;
	for (unsigned i = 0; i < SPOOL_CLASSES; i++)
		n += s->queue[i].fresh.n;
	return n;
}

/* What was put gets its place and its sum. */
static void seal(struct spool_queue *q, const struct spool_segment *g)
{
	for (size_t i = 0; i < q->fresh.n;) {
		struct spool_frame f;
		memcpy(&f, q->fresh.p + i, sizeof(f));
		f.magic = spool_magic(g->seed);
		f.sum = spool_sum(&f, (struct str){ q->fresh.p + i + sizeof(f), f.size }, g->seed,
		                  g->end + (uint32_t)i);
		memcpy(q->fresh.p + i, &f, sizeof(f));
		i += sizeof(f) + spool_pad(f.size);
	}
}

static int write_fresh(struct spool_queue *q, const struct spool_segment *g)
{
	for (size_t done = 0; done < q->fresh.n;) {
		ssize_t n = pwrite(g->fd, q->fresh.p + done, q->fresh.n - done, (off_t)g->end + (off_t)done);
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		done += (size_t)n;
	}
	if (fdatasync(g->fd)) {
		q->turn = true;
		return -errno;
	}
	return 0;
}

/* The segment has what was put. */
static void settle(struct spool *s, struct spool_queue *q, struct spool_segment *g)
{
	for (size_t i = 0; i < q->fresh.n;) {
		struct spool_frame f;
		memcpy(&f, q->fresh.p + i, sizeof(f));
		g->events += f.events;
		g->from = g->from ? g->from : f.time;
		g->until = f.time;
		g->age = f.age;
		s->put += f.events;
		i += sizeof(f) + spool_pad(f.size);
	}
	g->end += (uint32_t)q->fresh.n;
	s->bytes += q->fresh.n;
	g->next = q->next = q->fresh_next;
	q->fresh.n = 0;
	if (q->fresh.cap > 2 << 20) /* after a burst */
		buf_free(&q->fresh);
	q->fresh.max = SPOOL_UNSYNCED_MAX + FRAME_MAX;
}

static int sync_queue(struct spool *s, unsigned class, struct err *err)
{
	struct spool_queue *q = &s->queue[class];
	int code = 0;
	if (!q->fresh.n)
		return 0;
	if (!q->n || q->turn || q->segments[q->n - 1].end >= s->segment_max)
		code = spool_segment_new(s, class, q->next, err);
	if (code)
		return code;
	q->turn = false;
	struct spool_segment *g = &q->segments[q->n - 1];
	seal(q, g);
	code = write_fresh(q, g);
	if (code)
		return err_set(err, code, "write the spool '%s': %m", s->dir);
	settle(s, q, g);
	drop_done(s, class);
	return 0;
}

int spool_sync(struct spool *s, struct err *err)
{
	const size_t more = spool_unsynced(s);
	if (!more)
		return s->cursor_dirty ? write_cursor(s, err) : 0;
	int code = make_room(s, more, err);
	for (unsigned i = 0; i < SPOOL_CLASSES && !code; i++)
		code = sync_queue(s, i, err);
	s->syncs += !code;
	return code;
}

/* --- reading --- */

static struct spool_segment *segment_of(struct spool_queue *q)
{
	for (size_t i = 0; i < q->n; i++)
		if (q->segments[i].next > q->read)
			return &q->segments[i];
	return NULL;
}

/* The next of one class, see spool_next(). */
static int next_of(struct spool *s, unsigned class, struct buf *to, struct spool_record *ret)
{
	struct spool_queue *q = &s->queue[class];
	struct spool_segment *g;
	struct spool_frame f;
	while ((g = segment_of(q))) {
		const size_t from = to->n;
		unsigned damage = 0;
		if (q->at_segment != g->number) {
			q->at_segment = g->number;
			q->at = FRAMES_AT;
		}
		const uint32_t at = q->at;
		int code = spool_segment_frame(g, &q->at, &f, to, &damage);
		if (code < 0)
			return code;
		/* once: not at each retry, nor where all that is missing was acknowledged before */
		if (damage && at >= g->counted && (!code || f.number > q->read)) {
			g->counted = code ? q->at : g->end;
			s->cursor.lost.damaged++;
			s->cursor_dirty = true;
			spool_note(s, "a record of the spool is damaged", "it is passed over");
		}
		if (!code || f.number >= g->next) {
			to->n = from;
			q->read = g->next;
			continue;
		}
		q->at += (uint32_t)sizeof(f) + spool_pad(f.size);
		if (f.number < q->read) {
			to->n = from;
			continue;
		}
		q->read = f.number + 1;
		*ret = (struct spool_record){ .bytes = { to->p + from, f.size },
			                      .events = f.events,
			                      .class = class,
			                      .time = f.time,
			                      .number = f.number };
		return 1;
	}
	return 0;
}

int spool_next(struct spool *s, struct buf *to, struct spool_record *ret, struct err *err)
{
	int code = 0;
	for (unsigned i = SPOOL_CLASSES; i-- > 0 && !code;)
		code = next_of(s, i, to, ret);
	if (code > 0)
		s->given += ret->events;
	return code < 0 ? err_set(err, code, "read the spool '%s': %m", s->dir) : code;
}

int spool_ack(struct spool *s, struct err *err)
{
	for (unsigned i = 0; i < SPOOL_CLASSES; i++)
		if (s->queue[i].read > s->cursor.next[i])
			s->cursor.next[i] = s->queue[i].read;
	s->acked += s->given;
	s->given = 0;
	/* What was let go on its way was not lost. */
	s->cursor.lost.events -= s->flying_events;
	s->cursor.lost.bytes -= s->flying_bytes;
	if (s->flying_events && s->cursor.lost.events == s->cursor.told.events)
		s->cursor.lost.from = s->cursor.lost.until = 0;
	s->flying_events = s->flying_bytes = 0;
	int code = write_cursor(s, err);
	for (unsigned i = 0; i < SPOOL_CLASSES && !code; i++)
		drop_done(s, i);
	return code;
}

void spool_rewind(struct spool *s)
{
	s->given = 0;
	s->flying_events = s->flying_bytes = 0;
	for (unsigned i = 0; i < SPOOL_CLASSES; i++) {
		s->queue[i].read = s->cursor.next[i];
		s->queue[i].at_segment = 0;
	}
}

struct spool_counts spool_counts(const struct spool *s)
{
	struct spool_counts c = { .bytes = s->bytes, .put = s->put, .acked = s->acked, .syncs = s->syncs };
	for (unsigned i = 0; i < SPOOL_CLASSES; i++)
		for (size_t k = 0; k < s->queue[i].n; k++) {
			const struct spool_segment *g = &s->queue[i].segments[k];
			if (g->next <= s->cursor.next[i])
				continue;
			c.events += g->events;
			c.oldest = !c.oldest || g->from < c.oldest ? g->from : c.oldest;
		}
	return c;
}
