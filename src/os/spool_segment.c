/* Segments of a spool: made, read again, let go. */
#include "os/spool_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static const char MAGIC[16] = "khien spool 1\n";
enum { ORDER = 0x01020304, PAGE = 4096 };

void spool_name(char name[SPOOL_NAME], unsigned class, uint64_t number)
{
	snprintf(name, SPOOL_NAME, "%u-%016llx.spool", class % 10, (unsigned long long)number);
}

uint64_t spool_sum(const struct spool_frame *f, struct str bytes, uint64_t seed, uint32_t at)
{
	const size_t from = offsetof(struct spool_frame, number);
	uint64_t head = XXH64((const char *)f + from, sizeof(*f) - from, seed + at + f->size);
	return XXH64(bytes.p, bytes.n, head);
}

static uint64_t head_sum(const struct spool_head *h)
{
	return XXH64(h, offsetof(struct spool_head, sum), 0);
}

static bool has_room(struct spool_queue *q)
{
	if (q->n < q->cap)
		return true;
	size_t cap = q->cap ? 2 * q->cap : 16;
	struct spool_segment *more = realloc(q->segments, cap * sizeof(*more));
	if (!more)
		return false;
	q->segments = more;
	q->cap = cap;
	return true;
}

static int write_head(const struct spool *s, int fd, const struct spool_head *h)
{
	char text[FRAMES_AT] = { 0 };
	memcpy(text, h, sizeof(*h));
	ssize_t n = pwrite(fd, text, sizeof(text), 0);
	if (n != (ssize_t)sizeof(text))
		return n < 0 ? -errno : -ENOSPC;
	return fdatasync(fd) || fsync(s->dir_fd) ? -errno : 0;
}

/* A try before left this one, and nothing in it was ever synced. Its file is about to be made anew under its name. */
static void forget_empty(struct spool *s, struct spool_queue *q, uint64_t number)
{
	if (!q->n || q->segments[q->n - 1].number != number)
		return;
	const struct spool_segment *g = &q->segments[--q->n];
	close(g->fd);
	s->bytes -= g->end;
	if (q->at_segment == number)
		q->at_segment = 0;
}

int spool_segment_new(struct spool *s, unsigned class, uint64_t number, struct err *err)
{
	struct spool_queue *q = &s->queue[class];
	struct spool_head h = { .order = ORDER, .class = class, .number = number };
	char name[SPOOL_NAME];
	memcpy(h.magic, MAGIC, sizeof(h.magic));
	if (!has_room(q) || getrandom(&h.seed, sizeof(h.seed), 0) != (ssize_t)sizeof(h.seed))
		return err_set(err, -ENOMEM, "a segment of the spool: %m");
	h.sum = head_sum(&h);
	spool_name(name, class, number);
	forget_empty(s, q, number);
	int fd = openat(s->dir_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int code = fd < 0 ? -errno : write_head(s, fd, &h);
	if (code) {
		if (fd >= 0) {
			close(fd);
			unlinkat(s->dir_fd, name, 0);
		}
		return err_set(err, code, "make '%s/%s': %m", s->dir, name);
	}
	q->segments[q->n++] = (struct spool_segment){
		.number = number, .seed = h.seed, .next = number, .end = FRAMES_AT, .fd = fd, .age = spool_age(s)
	};
	s->bytes += FRAMES_AT;
	return 0;
}

int spool_segment_open(struct spool *s, unsigned class, const char *name, struct spool_segment *ret, struct err *err)
{
	struct spool_head h;
	struct stat st;
	int fd = openat(s->dir_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EROFS)
		fd = openat(s->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		int code = err_set(err, -errno, "open '%s/%s': %m", s->dir, name);
		if (fd >= 0)
			close(fd);
		return code;
	}
	if (!S_ISREG(st.st_mode) || st.st_size < FRAMES_AT || st.st_size > UINT32_MAX / 2 ||
	    pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) || memcmp(h.magic, MAGIC, sizeof(MAGIC)) != 0 ||
	    h.order != ORDER || h.sum != head_sum(&h) || h.class != class || !h.number) {
		close(fd);
		return err_set(err, -EBADMSG, "'%s/%s' is no segment of a spool", s->dir, name);
	}
	*ret = (struct spool_segment){
		.number = h.number, .seed = h.seed, .next = h.number, .end = (uint32_t)st.st_size, .fd = fd
	};
	return 0;
}

/* --- frames --- */

static bool is_frame(const struct spool_segment *g, const struct spool_frame *f, uint32_t at)
{
	return f->magic == spool_magic(g->seed) && f->size <= SPOOL_RECORD_MAX && f->number >= g->number &&
	       (uint64_t)at + sizeof(*f) + spool_pad(f->size) <= g->end;
}

/* Where a frame may begin from *at on; g->end: nowhere. Page by page: one that the disk doesn't give costs no other. */
static int search(const struct spool_segment *g, uint32_t *at, unsigned *damage)
{
	const uint32_t magic = spool_magic(g->seed);
	char page[PAGE];
	while (*at < g->end) {
		const uint32_t behind = (*at | (PAGE - 1)) + 1;
		ssize_t n = pread(g->fd, page, behind - *at, *at);
		if (n < 0 && errno != EIO)
			return -errno;
		*damage |= n < 0 ? SPOOL_UNREADABLE : 0;
		for (ssize_t i = 0; i + 8 <= n; i += 8)
			if (memcmp(page + i, &magic, sizeof(magic)) == 0) {
				*at += (uint32_t)i;
				return 0;
			}
		*at = behind;
	}
	*at = g->end;
	return 0;
}

/* Its bytes, if they are as they were written. */
static int take(const struct spool_segment *g, uint32_t at, const struct spool_frame *f, struct buf *to,
                unsigned *damage)
{
	char *p = buf_room(to, f->size + 1);
	if (!p)
		return -ENOMEM;
	for (uint32_t done = 0; done < f->size;) {
		ssize_t n = pread(g->fd, p + done, f->size - done, (off_t)at + (off_t)sizeof(*f) + done);
		if (n < 0 && errno != EIO)
			return -errno;
		*damage |= n < 0 ? SPOOL_UNREADABLE : 0;
		if (n <= 0)
			return 0;
		done += (uint32_t)n;
	}
	if (spool_sum(f, (struct str){ p, f->size }, g->seed, at) != f->sum)
		return 0;
	to->n += f->size;
	return 1;
}

int spool_segment_frame(const struct spool_segment *g, uint32_t *at, struct spool_frame *f, struct buf *to,
                        unsigned *damage)
{
	struct buf own = { .max = FRAME_MAX };
	uint32_t from = *at;
	int code = 0;
	while (!code && from + sizeof(*f) <= g->end) {
		ssize_t n = pread(g->fd, f, sizeof(*f), from);
		if (n < 0 && errno != EIO) {
			code = -errno;
			break;
		}
		*damage |= n < 0 ? SPOOL_UNREADABLE : 0;
		if (n == (ssize_t)sizeof(*f) && is_frame(g, f, from)) {
			/* what was found by searching has to prove that it is one */
			struct buf *bytes = to ? to : *damage ? &own : NULL;
			own.n = 0;
			code = bytes ? take(g, from, f, bytes, damage) : 1;
			if (code)
				break;
		}
		*damage |= SPOOL_DAMAGED;
		from += 8;
		code = search(g, &from, damage);
	}
	buf_free(&own);
	if (code > 0)
		*at = from;
	return code;
}

int spool_segment_scan(struct spool *s, struct spool_segment *g, bool whole, struct err *err)
{
	struct buf bytes = { .max = FRAME_MAX };
	struct spool_frame f, last = { 0 };
	uint32_t at = FRAMES_AT, end = FRAMES_AT, last_at = 0;
	unsigned damage = 0;
	int code;
	while ((code = spool_segment_frame(g, &at, &f, whole ? &bytes : NULL, &damage)) > 0) {
		last = f;
		last_at = at;
		at += sizeof(f) + spool_pad(f.size);
		end = at;
		bytes.n = 0;
		if (f.number < g->next)
			continue;
		g->next = f.number + 1;
		g->events += f.events;
		g->from = g->from ? g->from : f.time;
		g->until = f.time;
		g->age = f.age;
	}
	if (!code && last_at && take(g, last_at, &last, &bytes, &damage) > 0)
		g->sure_age = last.age;
	buf_free(&bytes);
	if (code < 0)
		return err_set(err, code, "read a segment of '%s': %m", s->dir);
	g->unread = damage & SPOOL_UNREADABLE;
	if (g->unread) /* so many more records may be there: their numbers are not given again */
		g->next += (g->end - end) / sizeof(f) + 1;
	if (whole && !g->unread && end < g->end) {
		g->end = end;
		if (ftruncate(g->fd, end)) /* then it is written over */
			spool_note(s, "what was cut off stays", strerror(errno));
	}
	return 0;
}

void spool_segment_drop(struct spool *s, unsigned class)
{
	struct spool_queue *q = &s->queue[class];
	char name[SPOOL_NAME];
	struct spool_segment *g = &q->segments[0];
	spool_name(name, class, g->number);
	if (unlinkat(s->dir_fd, name, 0) && errno != ENOENT)
		spool_note(s, name, strerror(errno)); /* its records are done with, and the cursor says so */
	close(g->fd);
	s->bytes -= g->end;
	q->n--;
	memmove(q->segments, q->segments + 1, q->n * sizeof(*q->segments));
}
