/*
 * Preloaded into the hub by fault_test.py: a disk that fails and a clock that jumps, while it runs, without root.
 *
 * KHIEN_FAULT names a file of struct fault, which the test writes whenever it likes. It is mapped before the program
 * begins, so that it is seen inside the sandbox too. Only files and folders fail, not pipes and sockets; what is read
 * never does.
 */
/* Both names of a call are made below, and no inline stands in the way. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct fault {
	int32_t writes;     /* errno of whatever changes a file or a folder; 0: it works */
	int32_t syncs;      /* errno of fsync and fdatasync */
	int64_t clock_s;    /* added to the wall clock */
	uint64_t n_refused; /* counted here */
};

static volatile struct fault *fault;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("KHIEN_FAULT");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd >= 0 ? mmap(NULL, sizeof(*fault), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (fd >= 0)
		close(fd);
	if (p != MAP_FAILED)
		fault = p;
}

static int refuse(int code)
{
	__atomic_add_fetch(&fault->n_refused, 1, __ATOMIC_RELAXED);
	errno = code;
	return -1;
}

static int fails(int fd)
{
	struct stat st;
	return fault && fault->writes && !fstat(fd, &st) && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* NAME(fd, ...) that fails by its descriptor, NAME(...) that fails always. */
#define BY_FD(type, name, args, ...)                                                                                   \
	type name args                                                                                                 \
	{                                                                                                              \
		return fails(fd) ? refuse(fault->writes) : REAL(name)(__VA_ARGS__);                                    \
	}
#define ALWAYS(name, args, ...)                                                                                        \
	int name args                                                                                                  \
	{                                                                                                              \
		return fault && fault->writes ? refuse(fault->writes) : REAL(name)(__VA_ARGS__);                       \
	}
#define SYNC(name)                                                                                                     \
	int name(int fd)                                                                                               \
	{                                                                                                              \
		return fault && fault->syncs ? refuse(fault->syncs) : REAL(name)(fd);                                  \
	}

BY_FD(ssize_t, write, (int fd, const void *p, size_t n), fd, p, n)
BY_FD(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), fd, p, n, at)
BY_FD(ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at), fd, p, n, at)
BY_FD(ssize_t, writev, (int fd, const struct iovec *v, int n), fd, v, n)
BY_FD(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at), fd, v, n, at)
BY_FD(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t at), fd, v, n, at)
BY_FD(int, ftruncate, (int fd, off_t n), fd, n)
BY_FD(int, ftruncate64, (int fd, off64_t n), fd, n)
BY_FD(int, fallocate, (int fd, int mode, off_t at, off_t n), fd, mode, at, n)
BY_FD(int, fallocate64, (int fd, int mode, off64_t at, off64_t n), fd, mode, at, n)
ALWAYS(rename, (const char *from, const char *to), from, to)
ALWAYS(renameat, (int a, const char *from, int b, const char *to), a, from, b, to)
ALWAYS(unlink, (const char *path), path)
ALWAYS(unlinkat, (int fd, const char *path, int flags), fd, path, flags)
ALWAYS(mkdir, (const char *path, mode_t mode), path, mode)
SYNC(fsync)
SYNC(fdatasync)

#define OPEN(name)                                                                                                     \
	int name(const char *path, int flags, ...)                                                                     \
	{                                                                                                              \
		va_list args;                                                                                          \
		va_start(args, flags);                                                                                 \
		mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;                                              \
		va_end(args);                                                                                          \
		int changes = flags & (O_CREAT | O_TRUNC | O_WRONLY | O_RDWR);                                         \
		return changes && fault && fault->writes ? refuse(fault->writes) : REAL(name)(path, flags, mode);      \
	}
OPEN(open)
OPEN(open64)

int clock_gettime(clockid_t clock, struct timespec *t)
{
	int code = REAL(clock_gettime)(clock, t);
	if (!code && fault && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		t->tv_sec += fault->clock_s;
	return code;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	int code = REAL(gettimeofday)(t, zone);
	if (!code && fault)
		t->tv_sec += fault->clock_s;
	return code;
}

time_t time(time_t *ret)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	if (ret)
		*ret = t.tv_sec;
	return t.tv_sec;
}
