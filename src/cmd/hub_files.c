#include "cmd/hub_files.h"

#include "cmd/hub_admin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 };

void files_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* Its own descriptor: where the given one stands doesn't matter. */
static DIR *read_dir(int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d && fd >= 0)
		close(fd);
	return d;
}

static struct dirent *next(DIR *d)
{
	struct dirent *e;
	do
		e = readdir(d);
	while (e && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0));
	return e;
}

static int open_folder(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The folder of a path below `at`, and the path's last word; folders are made where `make` says whose. */
struct owner {
	uid_t uid;
	gid_t gid;
};

/* What the keeper keeps; all else stays with who restores it. */
static bool is_stored(const char *path)
{
	return str_starts(str_from(path), STR(HUB_STORE "/"));
}

static int open_parent(int at, const char *path, const struct owner *make, const char **last)
{
	char word[MANIFEST_PATH];
	const bool give = make && make->uid != (uid_t)-1 && is_stored(path);
	int fd = fcntl(at, F_DUPFD_CLOEXEC, 3), code = fd < 0 ? -errno : 0;
	const char *slash;
	while (!code && (slash = strchr(path, '/'))) {
		size_t n = (size_t)(slash - path);
		if (n >= sizeof(word)) {
			code = -ENAMETOOLONG;
			break;
		}
		memcpy(word, path, n);
		word[n] = '\0';
		bool made = make && mkdirat(fd, word, 0750) == 0;
		int below = open_folder(fd, word);
		if (made && below >= 0 && give && fchown(below, make->uid, make->gid))
			code = -errno;
		close(fd);
		fd = below;
		code = below < 0 ? below : code;
		path = slash + 1;
	}
	if (code) {
		files_close(&fd);
		return code;
	}
	*last = path;
	return fd;
}

/* Nothing but a file is opened for reading, not even for a moment: a FIFO would wait. */
static int open_file(int at, const char *path, struct stat *st)
{
	const char *name;
	int folder = open_parent(at, path, NULL, &name);
	if (folder < 0)
		return folder;
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int code = fd < 0 || fstat(fd, st) ? -errno : S_ISREG(st->st_mode) ? 0 : -EINVAL;
	close(folder);
	if (code)
		files_close(&fd);
	return code ? code : fd;
}

static bool is_stopped(const struct files_work *w)
{
	sigset_t waiting;
	if (!w->stop || sigpending(&waiting))
		return false;
	for (int i = 1; i < NSIG; i++)
		if (sigismember(w->stop, i) == 1 && sigismember(&waiting, i) == 1)
			return true;
	return false;
}

/* Reads to the end: hashed, counted, and written to `to` unless that is -1. */
static int pump(int from, int to, unsigned char hash[MANIFEST_HASH], uint64_t *size, struct files_work *w)
{
	crypto_generichash_state h;
	unsigned char *chunk = malloc(CHUNK);
	int code = chunk ? 0 : -ENOMEM;
	*size = 0;
	crypto_generichash_init(&h, NULL, 0, MANIFEST_HASH);
	while (!code) {
		ssize_t n = read(from, chunk, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			code = n ? -errno : 0;
			break;
		}
		crypto_generichash_update(&h, chunk, (size_t)n);
		if (to >= 0)
			code = term_write(to, (struct str){ (const char *)chunk, (size_t)n });
		*size += (uint64_t)n;
		w->done += (uint64_t)n;
		progress_update(&w->bar, w->done, w->total, w->note);
		if (!code && is_stopped(w))
			code = -EINTR;
	}
	crypto_generichash_final(&h, hash, MANIFEST_HASH);
	free(chunk);
	return code;
}

uint64_t files_bytes(int folder)
{
	CLEANUP(close_dir) DIR *d = read_dir(folder);
	struct dirent *e;
	struct stat st;
	uint64_t bytes = 0;
	while (d && (e = next(d))) {
		CLEANUP(files_close) int below = open_folder(folder, e->d_name);
		if (below >= 0)
			bytes += files_bytes(below);
		else if (!fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			bytes += (uint64_t)st.st_size;
	}
	return bytes;
}

int files_any(int folder)
{
	CLEANUP(close_dir) DIR *d = read_dir(folder);
	return d ? next(d) != NULL : -errno;
}

static int list_one(int at, const char *path, struct manifest *m, struct files_work *w, struct err *err)
{
	unsigned char hash[MANIFEST_HASH];
	struct stat st;
	uint64_t size;
	CLEANUP(files_close) int fd = open_file(at, path, &st);
	int code = fd < 0 ? fd : pump(fd, -1, hash, &size, w);
	if (!code && fsync(fd))
		code = -errno;
	if (code)
		return err_set(err, code, "read '%s' back: %m", path);
	m->bytes += size;
	return manifest_add(m, path, hash, err);
}

static int list_below(int top, int folder, const char *path, int depth, struct manifest *m, struct files_work *w,
                      struct err *err)
{
	CLEANUP(close_dir) DIR *d = read_dir(folder);
	char name[MANIFEST_PATH];
	struct dirent *e;
	int code = d ? 0 : err_set(err, -errno, "read the folder '%s': %m", path);
	while (!code && (e = next(d))) {
		if (snprintf(name, sizeof(name), "%s%s%s", path, *path ? "/" : "", e->d_name) >= (int)sizeof(name))
			return err_set(err, -ENAMETOOLONG, "'%s/%s': %m", path, e->d_name);
		CLEANUP(files_close) int below = depth < FILES_DEPTH ? open_folder(folder, e->d_name) : -ENOTDIR;
		code = below >= 0 ? list_below(top, below, name, depth + 1, m, w, err) : list_one(top, name, m, w, err);
	}
	if (!code && fsync(folder))
		code = err_set(err, -errno, "write the folder '%s' to the disk: %m", path);
	return code;
}

int files_list(int folder, struct manifest *m, struct files_work *w, struct err *err)
{
	return list_below(folder, folder, "", 1, m, w, err);
}

/* -EBADMSG without words: it is not what it should be. */
static int copy_one(int from, int to, const struct manifest_file *f, const struct owner *owner, struct files_work *w)
{
	unsigned char hash[MANIFEST_HASH];
	const char *name;
	struct stat st;
	uint64_t size;
	CLEANUP(files_close) int in = open_file(from, f->path, &st);
	CLEANUP(files_close) int folder = in < 0 ? in : open_parent(to, f->path, owner, &name);
	if (folder < 0)
		return folder;
	CLEANUP(files_close) int out = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int code = out < 0 ? -errno : pump(in, out, hash, &size, w);
	if (!code && memcmp(hash, f->hash, sizeof(hash)))
		code = -EBADMSG;
	/* the CA's key, when the hub runs as root, is nobody else's */
	bool stays = owner->uid == (uid_t)-1 || !is_stored(f->path);
	if (!code && !stays && fchown(out, owner->uid, owner->gid))
		code = -errno;
	if (!code && fsync(out))
		code = -errno;
	return code;
}

/* Folders to the disk. */
static int sync_below(int folder)
{
	CLEANUP(close_dir) DIR *d = read_dir(folder);
	struct dirent *e;
	int code = d ? 0 : -errno;
	while (!code && (e = next(d))) {
		CLEANUP(files_close) int below = open_folder(folder, e->d_name);
		code = below >= 0 ? sync_below(below) : below == -ENOTDIR ? 0 : below;
	}
	return code ? code : fsync(folder) ? -errno : 0;
}

int files_copy(int from, int to, const struct manifest *m, uid_t uid, gid_t gid, struct files_work *w, struct err *err)
{
	const struct owner owner = { uid, gid };
	for (size_t i = 0; i < m->n; i++) {
		int code = copy_one(from, to, &m->files[i], &owner, w);
		if (code == -EBADMSG)
			return err_set(err, code, "'%s' is not what was backed up: the backup is damaged, take another",
			               m->files[i].path);
		if (code == -EINTR)
			return err_set(err, code, "ended before it was done");
		if (code)
			return err_set(err, code, "copy '%s': %m", m->files[i].path);
	}
	int code = sync_below(to);
	return code ? err_set(err, code, "write to the disk: %m") : 0;
}

int files_folder(int folder, const char *path, uid_t uid, gid_t gid, struct err *err)
{
	const struct owner owner = { uid, gid };
	const char *name;
	CLEANUP(files_close) int parent = open_parent(folder, path, &owner, &name);
	int code = parent < 0 ? parent : mkdirat(parent, name, 0750) ? -errno : 0;
	bool made = !code;
	if (code == -EEXIST)
		code = 0;
	if (made && uid != (uid_t)-1 && fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW))
		code = -errno;
	if (!code && fsync(parent))
		code = -errno;
	return code ? err_set(err, code, "make the folder '%s': %m", path) : 0;
}

int files_read(int folder, const char *path, size_t most, struct buf *to, struct stat *st, struct err *err)
{
	struct stat own;
	CLEANUP(files_close) int fd = open_file(folder, path, st ? st : &own);
	char *room = fd < 0 ? NULL : buf_room(to, most + 1);
	if (!room)
		return err_set(err, fd < 0 ? fd : -ENOMEM, "read '%s': %m", path);
	size_t n = 0;
	ssize_t got = 1;
	while (got > 0 && n <= most) {
		got = read(fd, room + n, most + 1 - n);
		n += got > 0 ? (size_t)got : 0;
	}
	if (got < 0)
		return err_set(err, -errno, "read '%s': %m", path);
	if (n > most)
		return err_set(err, -E2BIG, "'%s' has more than %zu bytes", path, most);
	to->n += n;
	return 0;
}

void files_remove(int folder, const char *name)
{
	if (*name && !unlinkat(folder, name, 0))
		return;
	CLEANUP(files_close) int below = *name ? open_folder(folder, name) : fcntl(folder, F_DUPFD_CLOEXEC, 3);
	CLEANUP(close_dir) DIR *d = below >= 0 ? read_dir(below) : NULL;
	struct dirent *e;
	while (d && (e = next(d)))
		files_remove(below, e->d_name);
	if (*name)
		unlinkat(folder, name, AT_REMOVEDIR);
}
