#include "store/journal_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

void journal_tell(const struct journal *j, const char *event, const char *what, const char *why)
{
	if (j->config.note)
		j->config.note(j->config.arg, event, what, why);
}

struct segment *journal_find(struct journal *j, uint64_t number)
{
	for (size_t i = j->n_segments; i--;)
		if (j->segments[i].number == number)
			return &j->segments[i];
	return NULL;
}

void journal_name(char name[JOURNAL_NAME], uint64_t number, const char *suffix)
{
	snprintf(name, JOURNAL_NAME, "%016" PRIu64 ".%s", number, suffix);
}

int journal_add(struct journal *j, const struct segment *s)
{
	if (j->n_segments == j->cap_segments) {
		size_t cap = j->cap_segments ? 2 * j->cap_segments : 8;
		struct segment *more = realloc(j->segments, cap * sizeof(*more));
		if (!more)
			return -ENOMEM;
		j->segments = more;
		j->cap_segments = cap;
	}
	j->segments[j->n_segments++] = *s;
	return 0;
}

/* --- opening --- */

/* "0000000000000042.log" -> 42; 0: it is no segment. */
static uint64_t number_of(const char *name, const char *suffix)
{
	char *end, same[JOURNAL_NAME];
	uint64_t number = strtoull(name, &end, 10);
	journal_name(same, number, suffix);
	return strcmp(name, same) ? 0 : number;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* Numbers of the segments in the folder, in order; *old: of the newest one dropped. A writer clears away what is half. */
static int list(struct journal *j, uint64_t **ret, size_t *ret_n, uint64_t *old)
{
	uint64_t *numbers = NULL, number;
	size_t n = 0, cap = 0;
	DIR *d = opendir(j->dir);
	if (!d)
		return -errno;
	*old = 0;
	for (struct dirent *e; (e = readdir(d));) {
		if (number_of(e->d_name, "new") && !j->config.read_only)
			unlinkat(j->dir_fd, e->d_name, 0);
		number = number_of(e->d_name, "old");
		*old = number > *old ? number : *old;
		number = number_of(e->d_name, "log");
		if (!number)
			continue;
		if (n == cap) {
			cap = cap ? 2 * cap : 16;
			uint64_t *more = realloc(numbers, cap * sizeof(*more));
			if (!more) {
				closedir(d);
				free(numbers);
				return -ENOMEM;
			}
			numbers = more;
		}
		numbers[n++] = number;
	}
	closedir(d);
	if (n)
		qsort(numbers, n, sizeof(*numbers), by_number);
	*ret = numbers;
	*ret_n = n;
	return 0;
}

/* One of the listed segments. A damaged one is set aside; numbers then go on behind all that it can have held. */
static int take_segment(struct journal *j, uint64_t number, struct err *err)
{
	char name[JOURNAL_NAME], aside[JOURNAL_NAME];
	struct segment s;
	journal_name(name, number, "log");
	int code = journal_open_segment(j, name, j->config.read_only ? O_RDONLY : O_RDWR, &s, err);
	if (!code && s.number != number) {
		close(s.fd);
		code = err_set(err, -EBADMSG, "'%s/%s' holds segment %" PRIu64, j->dir, name, s.number);
	}
	if (code == -ENOENT && j->config.read_only)
		return 0; /* stored in its days meanwhile */
	if (code == -EBADMSG) {
		j->lost++;
		journal_tell(j, "journal-damaged", name, err ? err->text : "its head is damaged");
		journal_name(aside, number, "damaged");
		if (!j->config.read_only && renameat(j->dir_fd, name, j->dir_fd, aside))
			return err_set(err, -errno, "rename '%s/%s': %m", j->dir, name);
		j->next = number + ((uint64_t)1 << 32);
		return 0;
	}
	if (code)
		return code;
	code = journal_add(j, &s);
	if (code)
		close(s.fd);
	return code ? err_set(err, code, "open the journal '%s': %m", j->dir) : 0;
}

static int open_segments(struct journal *j, struct err *err)
{
	uint64_t *numbers = NULL, old = 0;
	char name[JOURNAL_NAME];
	size_t n = 0;
	int code = list(j, &numbers, &n, &old);
	if (code)
		return err_set(err, code, "read folder '%s': %m", j->dir);
	for (size_t i = 0; !code && i < n; i++)
		code = take_segment(j, numbers[i], err);
	free(numbers);
	journal_name(name, old, "old");
	if (!code && old && !j->config.read_only && journal_open_segment(j, name, O_RDONLY, &j->old, NULL))
		j->old.fd = -1;
	return code;
}

static int open_folder(struct journal *j, struct err *err)
{
	int n = snprintf(j->dir, sizeof(j->dir), "%s", j->config.dir);
	if (n < 0 || (size_t)n >= sizeof(j->dir))
		return err_set(err, -ENAMETOOLONG, "%s: %m", j->config.dir);
	if (!j->config.read_only && mkdir(j->dir, 0700) && errno != EEXIST)
		return err_set(err, -errno, "make folder '%s': %m", j->dir);
	j->dir_fd = open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return j->dir_fd < 0 ? err_set(err, -errno, "open folder '%s': %m", j->dir) : 0;
}

int journal_open(struct journal **ret, const struct journal_config *config, struct err *err)
{
	struct journal *j = calloc(1, sizeof(*j));
	if (!j)
		return err_set(err, -ENOMEM, "open the journal: %m");
	j->config = *config;
	j->dir_fd = j->old.fd = -1;
	j->unsynced.max = UNSYNCED_MAX + JOURNAL_APPEND + FRAME_MAX;
	j->recent.max = RECENT_MAX;
	int code = open_folder(j, err);
	if (!code)
		code = open_segments(j, err);
	if (!code && !j->n_segments && !config->read_only) {
		struct segment s;
		uint64_t least = config->least ? config->least : 1;
		j->next = j->next > least ? j->next : least;
		code = journal_make(j, j->next, NULL, &s);
		if (!code && (code = journal_add(j, &s)))
			close(s.fd);
		if (code)
			err_set(err, code, "begin the journal '%s': %m", j->dir);
	}
	if (code) {
		journal_close(j);
		return code;
	}
	*ret = j;
	return 0;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->n_segments; i++)
		close(j->segments[i].fd);
	if (j->old.fd >= 0)
		close(j->old.fd);
	if (j->dir_fd >= 0)
		close(j->dir_fd);
	free(j->segments);
	free(j->window);
	buf_free(&j->unsynced);
	buf_free(&j->recent);
	free(j);
}

/* --- reading --- */

static int scan_nth(struct journal *j, size_t i, journal_fn *fn, void *arg, struct err *err)
{
	bool last = i + 1 == j->n_segments;
	uint64_t next, limit = last ? UINT64_MAX : j->segments[i + 1].number;
	int code = journal_scan(j, &j->segments[i], limit, last, &next, fn, arg, err);
	if (!code && last && !j->read && next > j->next)
		j->next = next;
	return code;
}

int journal_read(struct journal *j, journal_fn *fn, void *arg, struct err *err)
{
	bool first = !j->read;
	int code = 0;
	for (size_t i = 0; !code && i < j->n_segments; i++)
		code = scan_nth(j, i, fn, arg, err);
	if (code || !first)
		return code;
	j->read = true;
	if (j->config.read_only || !j->n_segments)
		return 0;
	struct segment *s = journal_newest(j);
	j->synced = s->end;
	code = journal_cut(j);
	if (!code && fdatasync(s->fd))
		code = -errno;
	for (size_t i = 0; i < j->n_segments; i++)
		j->bytes += j->segments[i].end;
	return code ? err_set(err, code, "clean the end of '%s/%016" PRIu64 ".log': %m", j->dir, s->number) : 0;
}

int journal_read_segment(struct journal *j, uint64_t segment, journal_fn *fn, void *arg, struct err *err)
{
	for (size_t i = 0; i < j->n_segments; i++)
		if (j->segments[i].number == segment)
			return scan_nth(j, i, fn, arg, err);
	return err_set(err, -ENOENT, "the journal '%s' has no segment %" PRIu64, j->dir, segment);
}

int journal_replay(struct journal *j, journal_fn *fn, void *arg, struct err *err)
{
	uint64_t next, limit = j->n_segments ? j->segments[0].number : UINT64_MAX;
	int code = 0;
	if (j->old.fd >= 0)
		code = journal_scan(j, &j->old, limit, false, &next, fn, arg, err);
	return code ? code : journal_read(j, fn, arg, err);
}

/* --- what there is --- */

uint64_t journal_moves(const struct journal *j)
{
	return j->moves;
}

uint64_t journal_segment(const struct journal *j)
{
	return j->n_segments ? journal_newest(j)->number : 0;
}

bool journal_full(const struct journal *j)
{
	return j->n_segments && journal_newest(j)->end >= FRAMES_AT + JOURNAL_SEGMENT;
}

uint64_t journal_nth(const struct journal *j, size_t i)
{
	return i < j->n_segments ? j->segments[i].number : 0;
}

uint64_t journal_next(const struct journal *j)
{
	return j->next;
}

uint64_t journal_bytes(const struct journal *j)
{
	return j->bytes;
}

uint64_t journal_lost(const struct journal *j)
{
	return j->lost;
}

uint64_t journal_syncs(const struct journal *j)
{
	return j->syncs;
}
