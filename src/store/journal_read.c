#include "store/journal_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* What is read at once is still in the cache when it is looked at; a frame may take more. */
enum { WINDOW = 4 << 20, AT_ONCE = 256 << 10 };

_Static_assert((int)WINDOW >= (int)FRAME_MAX + (int)sizeof(struct journal_frame) + 8, "a frame fits");

/* The part of a file that is looked at. */
struct window {
	int fd;
	char *p;
	uint64_t at, size; /* of the first byte in p; of the file */
	size_t n;
	int code; /* of a read that failed */
};

/* n bytes of the file at `at`, or NULL where it ends before, or can't be read. */
static const char *window_at(struct window *w, uint64_t at, size_t n)
{
	if (at + n > w->size || n > WINDOW)
		return NULL;
	if (at >= w->at && at + n <= w->at + w->n)
		return w->p + (at - w->at);
	const bool inside = at >= w->at && at - w->at < w->n;
	w->n = inside ? w->n - (size_t)(at - w->at) : 0;
	memmove(w->p, w->p + (inside ? at - w->at : 0), w->n);
	w->at = at;
	const size_t want = n < AT_ONCE ? AT_ONCE : n;
	while (w->n < n) {
		ssize_t got = pread(w->fd, w->p + w->n, want - w->n, (off_t)(at + w->n));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			w->code = -errno;
		if (got <= 0)
			return NULL;
		w->n += (size_t)got;
	}
	return w->p;
}

uint64_t journal_sum(const struct journal_frame *frame, uint64_t seed, uint32_t at)
{
	size_t from = offsetof(struct journal_frame, seq);
	return XXH3_64bits_withSeed((const char *)frame + from, sizeof(*frame) - from + frame->size, seed + at);
}

/* The frame at `at`, whole, or NULL. The window is aligned as frames are. */
static const struct journal_frame *frame_at(struct window *w, const struct segment *s, uint64_t at, uint64_t least)
{
	const struct journal_frame *f = (const void *)window_at(w, at, sizeof(*f));
	if (!f || f->magic != journal_magic(s->seed) || f->size > FRAME_MAX || f->rows > f->count || f->seq < least ||
	    f->seq + f->count < f->seq)
		return NULL;
	f = (const void *)window_at(w, at, sizeof(*f) + f->size);
	return f && f->sum == journal_sum(f, s->seed, (uint32_t)at) ? f : NULL;
}

/* Where the next whole frame behind `at` stands, or 0. */
static uint64_t next_frame(struct window *w, const struct segment *s, uint64_t at, uint64_t least)
{
	for (at += 8; at + sizeof(struct journal_frame) <= w->size; at += 8) {
		const uint32_t *magic = (const void *)window_at(w, at, sizeof(*magic));
		if (!magic && w->code) { /* a bad sector: go on behind its page */
			at = (at | 4095) - 7;
			w->code = 0;
			continue;
		}
		if (magic && *magic == journal_magic(s->seed) && frame_at(w, s, at, least))
			return at;
	}
	return 0;
}

/* The item at p; its bytes in all, or 0 where it doesn't fit n. */
static size_t item_read(const char *p, size_t n, uint32_t *number, struct event_row *row)
{
	struct journal_item item;
	if (n < sizeof(item))
		return 0;
	memcpy(&item, p, sizeof(item));
	size_t size = sizeof(item) + item.dataset_n + item.id_n + (size_t)item.json_n;
	if (item.json_n > EVENT_JSON_MAX || item.dataset_n > EVENT_DATASET_MAX || item.id_n > EVENT_ID_MAX || size > n)
		return 0;
	const char *at = p + sizeof(item);
	*number = item.number;
	row->time = item.time;
	row->dataset = (struct str){ at, item.dataset_n };
	row->id = (struct str){ at + item.dataset_n, item.id_n };
	row->json = (struct str){ at + item.dataset_n + item.id_n, item.json_n };
	return size;
}

static int frame_rows(const struct journal_frame *f, const struct segment *s, uint64_t at, journal_fn *fn, void *arg)
{
	const char *p = (const char *)(f + 1);
	size_t left = f->size;
	for (uint32_t i = 0; i < f->rows; i++) {
		struct event_row row;
		uint32_t number;
		size_t n = item_read(p, left, &number, &row);
		if (!n)
			return 0; /* summed, so written by us: can't be */
		uint32_t place = (uint32_t)(at + (uint64_t)(p - (const char *)f));
		int code = fn ? fn(arg, s->number, f->seq + number, place, &row) : 0;
		if (code)
			return code;
		p += n;
		left -= n;
	}
	return 0;
}

/* Nothing was written from `at` on. */
static bool all_zero(struct window *w, uint64_t at)
{
	static const char zero[4096];
	off_t data = lseek(w->fd, (off_t)at, SEEK_DATA);
	if (data < 0 && errno == ENXIO)
		return true; /* reserved only */
	if (data > (off_t)at)
		at = (uint64_t)data;
	while (at < w->size) {
		size_t n = w->size - at < sizeof(zero) ? (size_t)(w->size - at) : sizeof(zero);
		const char *p = window_at(w, at, n);
		if (!p || memcmp(p, zero, n))
			return false;
		at += n;
	}
	return true;
}

/* A place without a whole frame: where to go on, or 0 at the end of what was written. */
static uint64_t pass_damage(struct journal *j, struct window *w, const struct segment *s, uint64_t at, uint64_t least,
                            bool newest)
{
	char what[64], why[96];
	if (all_zero(w, at))
		return 0;
	uint64_t to = next_frame(w, s, at, least);
	/* beside a writer, a frame may have become whole meanwhile */
	w->n = 0;
	if (j->config.read_only && to && frame_at(w, s, at, least))
		return at;
	if (j->read) /* counted and told before */
		return to;
	snprintf(what, sizeof(what), "%016" PRIu64 ".log", s->number);
	if (to || !newest) {
		j->lost++;
		snprintf(why, sizeof(why), "damaged at byte %" PRIu64 "%s", at,
		         to ? "; reading went on behind it" : ", and nothing whole follows");
		journal_tell(j, "journal-damaged", what, why);
	} else if (!j->config.read_only) {
		snprintf(why, sizeof(why), "cut off at byte %" PRIu64 ": what was never acknowledged goes", at);
		journal_tell(j, "journal-tail", what, why);
	}
	return to;
}

int journal_scan(struct journal *j, struct segment *s, uint64_t limit, bool newest, uint64_t *next, journal_fn *fn,
                 void *arg, struct err *err)
{
	struct stat st;
	if (!j->window && !(j->window = malloc(WINDOW)))
		return err_set(err, -ENOMEM, "read the journal: %m");
	if (fstat(s->fd, &st))
		return err_set(err, -errno, "read '%s/%016" PRIu64 ".log': %m", j->dir, s->number);
	struct window w = { .fd = s->fd, .p = j->window };
	w.size = st.st_size > (off_t)SEGMENT_MAX ? SEGMENT_MAX : (uint64_t)st.st_size;
	uint64_t at = FRAMES_AT, seq = s->number;
	int code = 0;
	while (!code && at < w.size) {
		const struct journal_frame *f = frame_at(&w, s, at, seq);
		if (!f) {
			uint64_t to = pass_damage(j, &w, s, at, seq, newest);
			if (!to)
				break;
			at = to;
			continue;
		}
		if (f->seq >= limit)
			break;
		uint64_t behind = at + sizeof(*f) + journal_pad(f->size);
		seq = f->seq + f->count;
		code = frame_rows(f, s, at, fn, arg);
		at = behind;
	}
	if (!code && w.code && at < w.size && !newest)
		journal_tell(j, "journal-unreadable", j->dir, strerror(-w.code));
	if (!code)
		s->end = (uint32_t)(at < w.size ? at : w.size);
	*next = seq;
	return code;
}

int journal_row(struct journal *j, uint64_t segment, uint32_t at, struct buf *to, struct event_row *ret,
                struct err *err)
{
	struct segment *s = journal_find(j, segment);
	uint32_t number;
	size_t want = 2048;
	int code = s ? -EBADMSG : -ENOENT;
	for (int tries = 0; s && tries < 2; tries++) {
		to->n = 0;
		char *p = buf_room(to, want);
		if (!p) {
			code = -ENOMEM;
			break;
		}
		ssize_t n = pread(s->fd, p, want, at);
		if (n < 0) {
			code = -errno;
			break;
		}
		if (item_read(p, (size_t)n, &number, ret))
			return 0;
		struct journal_item item;
		if ((size_t)n < sizeof(item))
			break;
		memcpy(&item, p, sizeof(item));
		want = sizeof(item) + item.dataset_n + item.id_n + (size_t)item.json_n;
		if (want > ITEM_MAX)
			break;
	}
	return err_set(err, code, "read '%s/%016" PRIu64 ".log' at %u: %m", j->dir, segment, at);
}

/* --- a whole segment --- */

/* n bytes of a file from a page on; what can't be read stays zero, page by page, where that is forgiven. */
static int read_file(int fd, uint32_t from, char *to, size_t n, bool forgive)
{
	enum { PAGE = 4096 };
	for (size_t at = 0; at < n;) {
		ssize_t got = pread(fd, to + at, n - at, (off_t)(from + at));
		if (got > 0) {
			at += (size_t)got;
			continue;
		}
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && !forgive)
			return -errno;
		const size_t next = got ? (at | (PAGE - 1)) + 1 : n; /* it ends here, or a bad sector */
		memset(to + at, 0, (next < n ? next : n) - at);
		at = next;
	}
	return 0;
}

static int add_gap(struct journal_rows *r, uint64_t from, uint64_t to)
{
	if (r->n_gaps == r->cap_gaps) {
		size_t cap = r->cap_gaps ? 2 * r->cap_gaps : 8;
		struct journal_gap *more = realloc(r->gaps, cap * sizeof(*more));
		if (!more)
			return -ENOMEM;
		r->gaps = more;
		r->cap_gaps = cap;
	}
	r->gaps[r->n_gaps++] = (struct journal_gap){ (uint32_t)from, (uint32_t)to };
	return 0;
}

/* Looks for what stands between whole frames. */
static int find_gaps(const struct segment *s, struct journal_rows *rows)
{
	struct window w = {
		.fd = -1, .p = rows->bytes.p, .at = FRAMES_AT, .n = rows->bytes.n, .size = FRAMES_AT + rows->bytes.n
	};
	uint64_t least = s->number;
	int code = 0;
	for (uint64_t at = FRAMES_AT; !code && at < w.size;) {
		const struct journal_frame *f = frame_at(&w, s, at, least);
		if (f) {
			least = f->seq + f->count;
			at += sizeof(*f) + journal_pad(f->size);
			continue;
		}
		uint64_t next = next_frame(&w, s, at, least);
		next = next ? next : w.size;
		code = add_gap(rows, at, next);
		at = next;
	}
	return code;
}

int journal_load(struct journal *j, uint64_t segment, bool forgive, struct journal_rows *ret, struct err *err)
{
	const struct segment *s = journal_find(j, segment);
	const size_t n = s ? s->end - FRAMES_AT : 0;
	ret->n_gaps = 0;
	ret->bytes.n = 0;
	if (s && j->recent_of == segment && j->recent.n == n) {
		const struct buf spare = ret->bytes;
		ret->bytes = j->recent;
		j->recent = spare;
		j->recent.max = RECENT_MAX;
		j->recent_of = 0;
		return 0;
	}
	ret->bytes.max = SEGMENT_MAX;
	int code = s ? 0 : -ENOENT;
	if (!code && !buf_room(&ret->bytes, n + 1)) {
		ret->bytes.failed = false;
		code = -ENOMEM;
	}
	if (!code)
		code = read_file(s->fd, FRAMES_AT, ret->bytes.p, n, forgive);
	ret->bytes.n = code ? 0 : n;
	if (!code)
		code = find_gaps(s, ret);
	return code ? err_set(err, code, "read '%s/%016" PRIu64 ".log': %m", j->dir, segment) : 0;
}

void journal_unload(struct journal_rows *rows)
{
	buf_free(&rows->bytes);
	free(rows->gaps);
	*rows = (struct journal_rows){ 0 };
}

void journal_rest(struct journal *j)
{
	buf_free(&j->recent);
	j->recent = (struct buf){ .max = RECENT_MAX };
	j->recent_of = 0;
}

const struct journal_gap *journal_gap(const struct journal_rows *rows, uint32_t at)
{
	size_t from = 0, to = rows->n_gaps;
	while (from < to) {
		size_t middle = (from + to) / 2;
		if (rows->gaps[middle].to <= at)
			from = middle + 1;
		else
			to = middle;
	}
	return from < rows->n_gaps && rows->gaps[from].from <= at ? &rows->gaps[from] : NULL;
}

bool journal_loaded(const struct journal_rows *rows, uint32_t at, struct event_row *ret)
{
	const size_t from = at - FRAMES_AT;
	uint32_t number;
	return at >= FRAMES_AT && from < rows->bytes.n &&
	       item_read(rows->bytes.p + from, rows->bytes.n - from, &number, ret);
}

void journal_fetch(const struct journal_rows *rows, uint32_t at, uint32_t size)
{
	enum { LINE = 64, MOST = 2048 };
	const size_t from = at - FRAMES_AT, n = size < MOST ? size : MOST;
	for (size_t k = from; k < from + n && k < rows->bytes.n; k += LINE)
		__builtin_prefetch(rows->bytes.p + k);
}

static bool head_is(const struct journal_head *h)
{
	return !memcmp(h->magic, "khien journal\n\0", sizeof(h->magic)) &&
	       h->sum == XXH64(h, offsetof(struct journal_head, sum), 0);
}

int journal_open_segment(struct journal *j, const char *name, int flags, struct segment *ret, struct err *err)
{
	struct journal_head h;
	int fd = openat(j->dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_set(err, -errno, "open '%s/%s': %m", j->dir, name);
	for (off_t at = 0; at <= HEAD_SECOND; at += HEAD_SECOND) {
		if (pread(fd, &h, sizeof(h), at) != (ssize_t)sizeof(h) || !head_is(&h))
			continue;
		if (h.version != JOURNAL_VERSION || h.order != 0x01020304) {
			close(fd);
			return err_set(err, -EPROTO,
			               "'%s/%s' is of another version of khien (%u): export with that one, import with "
			               "this",
			               j->dir, name, h.version);
		}
		*ret = (struct segment){ .number = h.number, .seed = h.seed, .fd = fd, .end = FRAMES_AT };
		return 0;
	}
	close(fd);
	return err_set(err, -EBADMSG, "'%s/%s': its head is damaged", j->dir, name);
}
