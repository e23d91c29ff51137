#include "store/journal_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { KEEP_BUFFER = 4 << 20 };

static int write_at(int fd, const char *p, size_t n, uint64_t at)
{
	while (n) {
		ssize_t put = pwrite(fd, p, n, (off_t)at);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put ? -errno : -EIO;
		p += put;
		n -= (size_t)put;
		at += (size_t)put;
	}
	return 0;
}

/* Space is taken at once, so that a full disk is met here and not in the middle, and the size stays as it is. */
static int reserve(int fd)
{
	int code = fallocate(fd, 0, 0, FRAMES_AT + JOURNAL_SEGMENT) ? -errno : 0;
	return code == -EOPNOTSUPP || code == -ENOSYS ? 0 : code;
}

/* What stands behind the end of the newest segment goes. */
int journal_cut(struct journal *j)
{
	if (ftruncate(journal_newest(j)->fd, journal_newest(j)->end))
		return -errno;
	j->dirty = false;
	reserve(journal_newest(j)->fd); /* without, appending takes space as it goes */
	return 0;
}

static int write_head(struct segment *s)
{
	struct journal_head h = { .order = 0x01020304, .version = JOURNAL_VERSION, .number = s->number };
	if (getrandom(&h.seed, sizeof(h.seed), 0) != (ssize_t)sizeof(h.seed))
		return -EIO;
	memcpy(h.magic, "khien journal\n\0", sizeof(h.magic));
	h.sum = XXH64(&h, offsetof(struct journal_head, sum), 0);
	s->seed = h.seed;
	int code = write_at(s->fd, (const char *)&h, sizeof(h), 0);
	return code ? code : write_at(s->fd, (const char *)&h, sizeof(h), HEAD_SECOND);
}

/* Frames of the buffer get the places and the seed that they have in s. */
static void sign(struct segment *s, char *frames, size_t n)
{
	for (size_t at = 0; at < n;) {
		struct journal_frame *f = (struct journal_frame *)(frames + at);
		f->magic = journal_magic(s->seed);
		f->sum = journal_sum(f, s->seed, (uint32_t)(s->end + at));
		at += sizeof(*f) + journal_pad(f->size);
	}
}

/* A new segment with these frames in it, whole and on the disk before it has its name. */
int journal_make(struct journal *j, uint64_t number, struct buf *frames, struct segment *ret)
{
	char temporary[JOURNAL_NAME], name[JOURNAL_NAME];
	struct segment s = { .number = number, .end = FRAMES_AT };
	journal_name(temporary, number, "new");
	journal_name(name, number, "log");
	s.fd = openat(j->dir_fd, temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s.fd < 0)
		return -errno;
	int code = reserve(s.fd);
	if (!code)
		code = write_head(&s);
	if (!code && frames) {
		sign(&s, frames->p, frames->n);
		code = write_at(s.fd, frames->p, frames->n, s.end);
		s.end += (uint32_t)frames->n;
	}
	if (!code && (fdatasync(s.fd) || renameat(j->dir_fd, temporary, j->dir_fd, name) || fsync(j->dir_fd)))
		code = -errno;
	if (code) {
		close(s.fd);
		unlinkat(j->dir_fd, temporary, 0);
		return code;
	}
	*ret = s;
	return 0;
}

/* --- appending --- */

static size_t item_size(const struct event_row *row)
{
	return sizeof(struct journal_item) + row->dataset.n + row->id.n + row->json.n;
}

/* Bytes of the rows that are not known, with the heads of the frames they may come to. */
static int measure(const struct event_row *rows, size_t n, const uint8_t *verdict, size_t *ret, struct err *err)
{
	size_t size = 2 * sizeof(struct journal_frame);
	for (size_t i = 0; i < n; i++) {
		const struct event_row *row = &rows[i];
		if (verdict[i] == EVENT_KNOWN)
			continue;
		if (!row->dataset.n || row->dataset.n > EVENT_DATASET_MAX || row->id.n > EVENT_ID_MAX || !row->json.n ||
		    row->json.n > EVENT_JSON_MAX)
			return err_set(err, -EINVAL, "event %zu: dataset of %zu, id of %zu, JSON of %zu bytes", i,
			               row->dataset.n, row->id.n, row->json.n);
		size += item_size(row);
		if (size > JOURNAL_APPEND)
			return err_set(err, -E2BIG, "more than %d bytes of events at once", JOURNAL_APPEND);
	}
	*ret = size + size / FRAME_FULL * (sizeof(struct journal_frame) + 8) + 16;
	return 0;
}

static char *put_item(char *to, const struct event_row *row, uint32_t number)
{
	const struct journal_item item = {
		.time = row->time,
		.number = number,
		.json_n = (uint32_t)row->json.n,
		.dataset_n = (uint8_t)row->dataset.n,
		.id_n = (uint8_t)row->id.n,
	};
	memcpy(to, &item, sizeof(item));
	to += sizeof(item);
	memcpy(to, row->dataset.p, row->dataset.n);
	to += row->dataset.n;
	if (row->id.n)
		memcpy(to, row->id.p, row->id.n);
	to += row->id.n;
	memcpy(to, row->json.p, row->json.n);
	return to + row->json.n;
}

/* Rows as frames into `to`, which begins at place `base` of the segment. The bytes written. */
static size_t put_frames(char *to, uint32_t base, uint64_t seq, const struct event_row *rows, size_t n,
                         const uint8_t *verdict, uint32_t *at)
{
	char *p = to;
	for (size_t i = 0; i < n;) {
		struct journal_frame *f = (struct journal_frame *)p;
		*f = (struct journal_frame){ .seq = seq + i };
		char *from = p += sizeof(*f);
		for (; i < n && p - from < FRAME_FULL; i++, f->count++) {
			if (verdict[i] == EVENT_KNOWN)
				continue;
			if (at)
				at[i] = base + (uint32_t)(p - to);
			p = put_item(p, &rows[i], f->count);
			f->rows++;
		}
		f->size = (uint32_t)(p - from);
		for (; (p - from) & 7; p++)
			*p = 0;
	}
	return (size_t)(p - to);
}

static void keep(struct journal *j, const struct segment *s, struct str frames)
{
	if (s->end == FRAMES_AT) {
		j->recent.n = 0;
		j->recent_of = s->number;
	}
	if (j->recent_of != s->number || j->recent.n != s->end - FRAMES_AT)
		return;
	buf_add(&j->recent, frames);
	if (j->recent.failed) /* it is big, or memory is short: then it is read */
		j->recent_of = 0;
	j->recent.failed = false;
}

int journal_append(struct journal *j, const struct event_row *rows, size_t n, const uint8_t *verdict, uint32_t *at,
                   uint64_t *seq, struct err *err)
{
	size_t room = 0;
	int code = measure(rows, n, verdict, &room, err);
	if (code)
		return code;
	if (!n) {
		*seq = j->next;
		return 0;
	}
	if (j->broken || j->unsynced.n > UNSYNCED_MAX)
		code = journal_sync(j, err);
	if (!code && j->dirty && (code = journal_cut(j)))
		err_set(err, code, "clean the end of the journal '%s': %m", j->dir);
	if (code)
		return code;
	char *to = buf_room(&j->unsynced, room);
	if (!to) {
		j->unsynced.failed = false;
		return err_set(err, -ENOMEM, "append to the journal: %m");
	}
	struct segment *s = journal_newest(j);
	size_t size = put_frames(to, s->end, j->next, rows, n, verdict, at);
	sign(s, to, size);
	code = write_at(s->fd, to, size, s->end);
	if (code) {
		j->dirty = true;
		journal_cut(j);
		return err_set(err, code, "write '%s/%016" PRIu64 ".log': %m", j->dir, s->number);
	}
	if (!j->unsynced.n)
		j->unsynced_seq = j->next;
	j->unsynced.n += size;
	j->bytes += size;
	keep(j, s, (struct str){ to, size });
	s->end += (uint32_t)size;
	*seq = j->next;
	j->next += n;
	return 0;
}

/* --- to the disk --- */

static void synced(struct journal *j)
{
	j->synced = journal_newest(j)->end;
	j->broken = false;
	j->unsynced.n = 0;
	if (j->unsynced.cap > KEEP_BUFFER) {
		size_t max = j->unsynced.max;
		buf_free(&j->unsynced);
		j->unsynced = (struct buf){ .max = max };
	}
}

/* What an fsync may have lost is written from memory into a segment of its own; the old place of it doesn't count. */
static int write_anew(struct journal *j)
{
	struct segment s, *last = journal_newest(j);
	int code = journal_make(j, j->unsynced_seq, &j->unsynced, &s);
	if (code)
		return code;
	j->dirty = false;
	if (last->number == s.number) {
		close(last->fd);
		*last = s;
	} else {
		last->end = j->synced;
		if (ftruncate(last->fd, last->end))
			journal_tell(j, "journal-moved", j->dir, "the old place stays: it doesn't count");
		code = journal_add(j, &s);
		if (code) { /* the file stays and holds the same rows; the next try puts it anew */
			close(s.fd);
			return code;
		}
	}
	j->moves++;
	j->recent_of = 0;
	return 0;
}

int journal_sync(struct journal *j, struct err *err)
{
	struct segment *s = journal_newest(j);
	if (!j->unsynced.n)
		return 0;
	if (!j->broken && !fdatasync(s->fd)) {
		j->syncs++;
		synced(j);
		return 0;
	}
	int first = j->broken ? 0 : errno;
	j->broken = true;
	if (first)
		journal_tell(j, "journal-fsync", j->dir, strerror(first));
	int code = write_anew(j);
	if (code)
		return err_set(err, code, "write the journal '%s' anew after a failed fsync: %m", j->dir);
	j->syncs++;
	synced(j);
	return 0;
}

static void drop_old(struct journal *j)
{
	char name[JOURNAL_NAME];
	if (j->old.fd < 0)
		return;
	journal_name(name, j->old.number, "old");
	unlinkat(j->dir_fd, name, 0);
	close(j->old.fd);
	j->old.fd = -1;
}

int journal_turn(struct journal *j, struct err *err)
{
	struct segment s;
	int code = journal_sync(j, err);
	if (code || journal_newest(j)->end == FRAMES_AT)
		return code;
	code = journal_make(j, j->next, NULL, &s);
	if (code == -ENOSPC && j->old.fd >= 0) { /* what is kept for comfort makes way */
		drop_old(j);
		code = journal_make(j, j->next, NULL, &s);
	}
	if (!code && (code = journal_add(j, &s)))
		close(s.fd);
	if (code)
		return err_set(err, code, "begin a segment of the journal '%s': %m", j->dir);
	j->synced = s.end;
	return 0;
}

int journal_drop(struct journal *j, uint64_t before, struct err *err)
{
	char name[JOURNAL_NAME], old[JOURNAL_NAME];
	size_t n = 0;
	int code = 0;
	while (n + 1 < j->n_segments && j->segments[n].number < before) {
		struct segment *s = &j->segments[n];
		journal_name(name, s->number, "log");
		journal_name(old, s->number, "old");
		if (renameat(j->dir_fd, name, j->dir_fd, old)) {
			code = err_set(err, -errno, "rename '%s/%s': %m", j->dir, name);
			break;
		}
		drop_old(j);
		j->bytes -= s->end;
		j->old = *s;
		n++;
	}
	j->n_segments -= n;
	memmove(j->segments, j->segments + n, j->n_segments * sizeof(*j->segments));
	return code;
}

/* --- copying --- */

static int copy_file(struct journal *j, const struct segment *s, int to, struct err *err)
{
	char bytes[65536];
	for (uint64_t at = 0; at < s->end;) {
		size_t n = s->end - at < sizeof(bytes) ? s->end - at : sizeof(bytes);
		ssize_t got = pread(s->fd, bytes, n, (off_t)at);
		int code = got > 0 ? write_at(to, bytes, (size_t)got, at) : got ? -errno : -EIO;
		if (code)
			return err_set(err, code, "copy '%s/%016" PRIu64 ".log': %m", j->dir, s->number);
		at += (size_t)got;
	}
	return fsync(to) ? err_set(err, -errno, "copy '%s/%016" PRIu64 ".log': %m", j->dir, s->number) : 0;
}

int journal_copy(struct journal *j, const char *to, struct err *err)
{
	char name[JOURNAL_NAME];
	int dir = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int code = dir < 0 ? err_set(err, -errno, "open folder '%s': %m", to) : 0;
	for (size_t i = 0; !code && i < j->n_segments; i++) {
		journal_name(name, j->segments[i].number, "log");
		int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		code = fd < 0 ? err_set(err, -errno, "make '%s/%s': %m", to, name)
		              : copy_file(j, &j->segments[i], fd, err);
		if (fd >= 0)
			close(fd);
	}
	if (!code && fsync(dir))
		code = err_set(err, -errno, "write folder '%s' to the disk: %m", to);
	if (dir >= 0)
		close(dir);
	return code;
}
