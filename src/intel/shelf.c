#include "intel/shelf.h"

#include "os/atomic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { SHELF_MAX = 4096, SHELF_NAME = FEED_NAME_MAX + 16 };
#define SUFFIX ".feed"
static const int64_t FILE_BYTES_MAX = INT64_C(2) << 30;

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static int open_dir(const char *dir, struct err *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_set(err, -errno, "open folder '%s': %m", dir) : fd;
}

static int file_name(char to[SHELF_NAME], const char *name, const char *suffix, struct err *err)
{
	if (!feed_name_ok(str_from(name)))
		return err_set(err, -EINVAL,
		               "'%.80s' is no name for a feed: write letters, digits, '.', '_' and '-', at most %d",
		               name, FEED_NAME_MAX);
	snprintf(to, SHELF_NAME, "%s%s", name, suffix);
	return 0;
}

/* --- reading --- */

static int read_file(int dir, const char *name, struct feed *ret, struct err *err)
{
	struct stat st;
	CLEANUP(close_fd) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st))
		return err_set(err, -errno, "%m");
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > FILE_BYTES_MAX)
		return err_set(err, -EBADMSG, "no feed: %lld bytes", (long long)st.st_size);
	size_t size = (size_t)st.st_size, n = 0;
	char *p = malloc(size);
	if (!p)
		return err_set(err, -ENOMEM, "%m");
	while (n < size) {
		ssize_t got = read(fd, p + n, size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	return feed_open(ret, p, n, err);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((const char *)a, (const char *)b);
}

/* The files of feeds, sorted; *ret is malloc'ed. A folder that isn't there has none. */
static int list(const char *dir, char (**ret)[SHELF_NAME], size_t *n, struct err *err)
{
	char(*names)[SHELF_NAME] = NULL;
	size_t cap = 0;
	*n = 0;
	*ret = NULL;
	DIR *d = opendir(dir);
	if (!d)
		return errno == ENOENT ? 0 : err_set(err, -errno, "open folder '%s': %m", dir);
	int r = 0;
	for (struct dirent *e; !r && (e = readdir(d));) {
		struct str name = str_from(e->d_name);
		if (!str_ends(name, STR(SUFFIX)) || !feed_name_ok(str_sub(name, 0, name.n - strlen(SUFFIX))))
			continue;
		if (*n == cap) {
			cap = cap ? cap * 2 : 16;
			void *more = cap > SHELF_MAX ? NULL : realloc(names, cap * sizeof(*names));
			if (!more) {
				r = err_set(err, -E2BIG, "more feeds in '%s' than fit", dir);
				break;
			}
			names = more;
		}
		memcpy(names[(*n)++], e->d_name, name.n + 1);
	}
	closedir(d);
	if (*n)
		qsort(names, *n, sizeof(*names), by_name);
	if (r)
		free(names);
	else
		*ret = names;
	return r;
}

int shelf_stamp(const char *dir, uint64_t *ret, struct err *err)
{
	char(*names)[SHELF_NAME];
	size_t n;
	uint64_t stamp = 0;
	int r = list(dir, &names, &n, err);
	for (size_t i = 0; i < n && !r; i++) {
		char path[4096];
		struct stat st;
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		if (stat(path, &st))
			continue; /* it has gone meanwhile: the next stamp tells */
		const uint64_t about[] = { (uint64_t)st.st_size, (uint64_t)st.st_ino, (uint64_t)st.st_mtim.tv_sec,
			                   (uint64_t)st.st_mtim.tv_nsec };
		stamp = XXH3_64bits_withSeed(names[i], strlen(names[i]), stamp);
		stamp = XXH3_64bits_withSeed(about, sizeof(about), stamp);
	}
	free(names);
	if (!r)
		*ret = stamp;
	return r;
}

int shelf_load(struct shelf *ret, const char *dir, shelf_note *note, void *arg, struct err *err)
{
	char(*names)[SHELF_NAME];
	struct shelf s = { 0 };
	size_t n;
	int r = shelf_stamp(dir, &s.stamp, err);
	r = r ? r : list(dir, &names, &n, err);
	if (r)
		return r;
	int fd = n ? open_dir(dir, err) : -1;
	s.feeds = calloc(n + 1, sizeof(*s.feeds));
	if ((n && fd < 0) || !s.feeds)
		r = s.feeds ? fd : err_set(err, -ENOMEM, "feeds: %m");
	for (size_t i = 0; i < n && !r; i++) {
		struct err why;
		int code = read_file(fd, names[i], &s.feeds[s.n], &why);
		if (!code)
			s.n++;
		else if (code == -ENOMEM)
			r = err_set(err, code, "feeds: %m");
		else if (note)
			note(arg, names[i], why.text);
	}
	close_fd(&fd);
	free(names);
	if (r)
		shelf_done(&s);
	else
		*ret = s;
	return r;
}

void shelf_done(struct shelf *s)
{
	for (size_t i = 0; i < s->n; i++)
		feed_close(&s->feeds[i]);
	free(s->feeds);
	*s = (struct shelf){ 0 };
}

/* --- writing --- */

static int to_disk(int dir, const char *path, struct err *err)
{
	return fsync(dir) ? err_set(err, -errno, "write folder '%s' to the disk: %m", path) : 0;
}

/* What is there is kept as `old`; it stays where it is as well until the new one is there. */
static int keep_old(int dir, const char *now, const char *old, struct err *err)
{
	char temporary[SHELF_NAME + 8];
	snprintf(temporary, sizeof(temporary), ".%s.keep", now);
	if (unlinkat(dir, temporary, 0) && errno != ENOENT)
		return err_set(err, -errno, "remove '%s': %m", temporary);
	if (linkat(dir, now, dir, temporary, 0))
		return errno == ENOENT ? 0 : err_set(err, -errno, "keep '%s': %m", now);
	return renameat(dir, temporary, dir, old) ? err_set(err, -errno, "keep '%s': %m", old) : 0;
}

int shelf_put(const char *dir, const char *name, struct str block, struct err *err)
{
	char now[SHELF_NAME], old[SHELF_NAME];
	int r = file_name(now, name, SUFFIX, err);
	r = r ? r : file_name(old, name, SUFFIX ".old", err);
	if (r)
		return r;
	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_set(err, -errno, "make the folder '%s': %m", dir);
	CLEANUP(close_fd) int fd = open_dir(dir, err);
	r = fd < 0 ? fd : keep_old(fd, now, old, err);
	return r ? r : atomic_write(dir, now, block, 0600, err);
}

int shelf_remove(const char *dir, const char *name, struct err *err)
{
	char now[SHELF_NAME], old[SHELF_NAME];
	int r = file_name(now, name, SUFFIX, err);
	r = r ? r : file_name(old, name, SUFFIX ".old", err);
	if (r)
		return r;
	CLEANUP(close_fd) int fd = open_dir(dir, err);
	if (fd < 0)
		return fd;
	if (renameat(fd, now, fd, old))
		return err_set(err, -errno, errno == ENOENT ? "there is no feed '%s'" : "remove the feed '%s': %m",
		               name);
	return to_disk(fd, dir, err);
}

int shelf_restore(const char *dir, const char *name, struct err *err)
{
	char now[SHELF_NAME], old[SHELF_NAME];
	int r = file_name(now, name, SUFFIX, err);
	r = r ? r : file_name(old, name, SUFFIX ".old", err);
	if (r)
		return r;
	CLEANUP(close_fd) int fd = open_dir(dir, err);
	if (fd < 0)
		return fd;
	if (renameat2(fd, old, fd, now, RENAME_EXCHANGE) && errno == ENOENT &&
	    renameat2(fd, old, fd, now, RENAME_NOREPLACE))
		return err_set(err, -errno,
		               errno == ENOENT ? "no version of the feed '%s' is kept" : "restore '%s': %m", name);
	return to_disk(fd, dir, err);
}

/* The feed without what has expired, as a new block; *gone: how many. 0 of them: there is none. */
static int without_expired(const struct feed *f, int64_t now, void **block, size_t *size, uint64_t *gone,
                           struct err *err)
{
	struct feed_maker m;
	*gone = 0;
	for (uint32_t i = 0; i < f->n_items; i++)
		*gone += f->items[i].expires && f->items[i].expires <= now;
	if (!*gone)
		return 0;
	feed_maker_init(&m, str_from(f->head.name), f->head.format, f->head.added);
	m.head = f->head;
	for (uint32_t i = 0; i < f->n_items; i++) {
		const struct feed_item *e = &f->items[i];
		struct str text = feed_str(f, e->value);
		struct indicator known = { .type = (enum intel_type)e->type, .text = text };
		const struct feed_entry entry = { &known, e->expires, e->confidence, feed_str(f, e->note),
			                          feed_str(f, e->reference) };
		if (!e->expires || e->expires > now)
			feed_add(&m, &entry);
	}
	buf_add(&m.told, f->told);
	int r = feed_pack(&m, block, size, err);
	feed_maker_done(&m);
	return r;
}

int shelf_sweep(const char *dir, int64_t now, uint64_t *n, struct err *err)
{
	struct shelf s;
	int r = shelf_load(&s, dir, NULL, NULL, err);
	*n = 0;
	if (r)
		return r;
	for (size_t i = 0; i < s.n && !r; i++) {
		char name[SHELF_NAME];
		void *block = NULL;
		size_t size;
		uint64_t gone;
		r = without_expired(&s.feeds[i], now, &block, &size, &gone, err);
		if (r || !gone)
			continue;
		snprintf(name, sizeof(name), "%s" SUFFIX, s.feeds[i].head.name);
		r = atomic_write(dir, name, (struct str){ block, size }, 0600, err);
		free(block);
		*n += r ? 0 : gone;
	}
	shelf_done(&s);
	return r;
}
