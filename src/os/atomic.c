#include "os/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 16 };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* A new file beside `name`, hidden until it is complete. */
static int create_temporary(int dir, const char *name, char *temporary, size_t size, mode_t mode)
{
	for (int i = 0; i < TRIES; i++) {
		uint64_t salt;
		if (getrandom(&salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
			return -EIO;
		int n = snprintf(temporary, size, ".%s.%016llx", name, (unsigned long long)salt);
		if (n < 0 || (size_t)n >= size)
			return -ENAMETOOLONG;
		int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0 && fchmod(fd, mode)) {
			int code = -errno;
			close(fd);
			unlinkat(dir, temporary, 0);
			return code;
		}
		if (fd >= 0 || errno != EEXIST)
			return fd >= 0 ? fd : -errno;
	}
	return -EEXIST;
}

static int fill(int fd, struct str bytes)
{
	while (bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		bytes = str_sub(bytes, (size_t)n, bytes.n);
	}
	return fsync(fd) ? -errno : 0;
}

int atomic_write(const char *dir, const char *name, struct str bytes, mode_t mode, struct err *err)
{
	char temporary[256];
	CLEANUP(close_fd) int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return err_set(err, -errno, "open folder '%s': %m", dir);
	int fd = create_temporary(at, name, temporary, sizeof(temporary), mode);
	if (fd < 0)
		return err_set(err, fd, "write '%s/%s': %m", dir, name);
	int code = fill(fd, bytes);
	if (close(fd) && !code)
		code = -errno;
	if (!code && renameat(at, temporary, at, name))
		code = -errno;
	if (code) {
		unlinkat(at, temporary, 0);
		return err_set(err, code, "write '%s/%s': %m", dir, name);
	}
	if (fsync(at))
		return err_set(err, -errno, "write folder '%s' to the disk: %m", dir);
	return 0;
}
