#include "post/rejected.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int rejected_keep(const char *dir, struct str record, struct err *err)
{
	char path[4200];
	struct stat st;
	int code = 0;
	snprintf(path, sizeof(path), "%s/rejected", dir);
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &st))
		code = -errno;
	else if (!S_ISREG(st.st_mode))
		code = -EINVAL;
	else if ((uint64_t)st.st_size + record.n > REJECTED_MAX)
		code = -ENOSPC;
	if (!code) {
		const ssize_t n = write(fd, record.p, record.n);
		code = n == (ssize_t)record.n ? 0 : n < 0 ? -errno : -EIO;
		if (!code && fdatasync(fd))
			code = -errno;
		if (code && ftruncate(fd, st.st_size)) /* no half of one */
			code = -EIO;
	}
	if (fd >= 0)
		close(fd);
	return code ? err_set(err, code, "keep it in '%s': %m", path) : 0;
}
