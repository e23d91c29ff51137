#include "os/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

struct sandbox {
	bool root; /* has to become somebody else, or to give up what root may */
	bool stays;
	bool has_user;
	char user[32];
	uid_t uid;
	gid_t gid;
	unsigned may;
	int dir;                /* SANDBOX_FILES, else -1 */
	scmp_filter_ctx filter; /* NULL: none */
	int filter_code;        /* why */
};

/* What reading, writing, waiting and memory need. */
/* clang-format off */
static const int allowed[] = {
	SCMP_SYS(read),         SCMP_SYS(readv),           SCMP_SYS(pread64),      SCMP_SYS(lseek),
	SCMP_SYS(write),        SCMP_SYS(writev),          SCMP_SYS(pwrite64),     SCMP_SYS(fdatasync),
	SCMP_SYS(close),        SCMP_SYS(fstat),           SCMP_SYS(poll),         SCMP_SYS(ppoll),
	SCMP_SYS(epoll_wait),   SCMP_SYS(epoll_pwait),     SCMP_SYS(epoll_ctl),    SCMP_SYS(accept4),
	SCMP_SYS(recvmsg),      SCMP_SYS(recvfrom),        SCMP_SYS(recvmmsg),     SCMP_SYS(wait4),
	SCMP_SYS(munmap),       SCMP_SYS(mremap),          SCMP_SYS(madvise),      SCMP_SYS(brk),
	SCMP_SYS(futex),        SCMP_SYS(clock_gettime),   SCMP_SYS(gettimeofday), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),    SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction), SCMP_SYS(getrandom),       SCMP_SYS(sched_yield),  SCMP_SYS(getpid),
	SCMP_SYS(getuid),       SCMP_SYS(geteuid),         SCMP_SYS(gettid),       SCMP_SYS(sysinfo),
	SCMP_SYS(fadvise64),    SCMP_SYS(exit),            SCMP_SYS(exit_group),
};
/* clang-format on */

/* SANDBOX_SERVE: sockets that are there, and those that accept() gives. */
static const int to_serve[] = {
	SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(getpeername),     SCMP_SYS(getsockname),
	SCMP_SYS(accept),   SCMP_SYS(getrusage),  SCMP_SYS(timerfd_settime),
};

/* SANDBOX_FILES: Landlock says which. */
static const int to_keep[] = {
	SCMP_SYS(openat),          SCMP_SYS(open),       SCMP_SYS(access),    SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),      SCMP_SYS(stat),       SCMP_SYS(lstat),     SCMP_SYS(newfstatat),
	SCMP_SYS(statx),           SCMP_SYS(statfs),     SCMP_SYS(fstatfs),   SCMP_SYS(readlink),
	SCMP_SYS(getcwd),          SCMP_SYS(getdents64), SCMP_SYS(mkdir),     SCMP_SYS(mkdirat),
	SCMP_SYS(rmdir),           SCMP_SYS(unlink),     SCMP_SYS(unlinkat),  SCMP_SYS(rename),
	SCMP_SYS(renameat),        SCMP_SYS(renameat2),  SCMP_SYS(ftruncate), SCMP_SYS(fallocate),
	SCMP_SYS(fsync),           SCMP_SYS(flock),      SCMP_SYS(fcntl),     SCMP_SYS(fchmod),
	SCMP_SYS(utimensat),       SCMP_SYS(pwritev),    SCMP_SYS(preadv),    SCMP_SYS(copy_file_range),
	SCMP_SYS(sync_file_range), SCMP_SYS(umask),      SCMP_SYS(uname),     SCMP_SYS(getegid),
	SCMP_SYS(getrusage),       SCMP_SYS(fchown), /* SQLite, as root: its log belongs to whom the database does */
};

/* SANDBOX_BEGINS: what sandbox_enter() does once more, narrower. */
static const int to_begin[] = {
	SCMP_SYS(clone),
	SCMP_SYS(kill),
	SCMP_SYS(prctl),
	SCMP_SYS(seccomp),
	SCMP_SYS(capset),
	SCMP_SYS(landlock_create_ruleset),
	SCMP_SYS(getppid),
	SCMP_SYS(landlock_add_rule),
	SCMP_SYS(landlock_restrict_self),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_getaffinity),
};

/* SANDBOX_DIALS: libpq, which keeps SIGPIPE away by asking for it. */
static const int to_dial[] = {
	SCMP_SYS(socket),      SCMP_SYS(connect),     SCMP_SYS(setsockopt),    SCMP_SYS(getsockopt),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(fcntl),       SCMP_SYS(sendmsg),     SCMP_SYS(getegid),       SCMP_SYS(uname),
};

/* What a library may try and does without: it fails instead of ending the process. */
static const int refused[] = {
	SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(readlink), SCMP_SYS(stat),
};

/* System calls that this machine's kind doesn't have carry negative numbers. */
static int add_calls(scmp_filter_ctx f, uint32_t action, const int *calls, size_t n)
{
	int code = 0;
	for (size_t i = 0; i < n && !code; i++)
		code = calls[i] < 0 ? 0 : seccomp_rule_add(f, action, calls[i], 0);
	return code;
}

/* SANDBOX_SERVE: answers are sent and put together, and nobody new is spoken to: a listening socket that was shut would
 * connect with its first bytes (TCP Fast Open). Of the options those that say when segments go out. */
static int add_serving(scmp_filter_ctx f)
{
	int code = add_calls(f, SCMP_ACT_ALLOW, to_serve, ARRAY_LEN(to_serve));
	const struct scmp_arg_cmp no_connecting = SCMP_A2(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0);
	if (!code)
		code = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 1, no_connecting);
	static const unsigned long options[] = { TCP_NODELAY, TCP_CORK };
	for (size_t i = 0; i < ARRAY_LEN(options) && !code; i++) {
		const struct scmp_arg_cmp of_tcp = SCMP_A1(SCMP_CMP_EQ, IPPROTO_TCP, 0);
		const struct scmp_arg_cmp option = SCMP_A2(SCMP_CMP_EQ, options[i], 0);
		code = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2, of_tcp, option);
	}
	const struct scmp_arg_cmp set_flags = SCMP_A1(SCMP_CMP_EQ, F_SETFL, 0);
	return code ? code : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, set_flags);
}

/* SANDBOX_THREADS: all that pthread_create() does, and no process. What clone3() is asked for can't be seen: glibc does
 * without it. */
static int add_threads(scmp_filter_ctx f)
{
	static const int calls[] = { SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_getaffinity) };
	const unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
	const struct scmp_arg_cmp a_thread = SCMP_A0(SCMP_CMP_MASKED_EQ, flags, flags);
	int code = add_calls(f, SCMP_ACT_ALLOW, calls, ARRAY_LEN(calls));
	if (!code)
		code = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, a_thread);
	return code ? code : seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int add_rules(scmp_filter_ctx f, unsigned may)
{
	int code = add_calls(f, SCMP_ACT_ALLOW, allowed, ARRAY_LEN(allowed));
	if (!code && may & SANDBOX_SERVE)
		code = add_serving(f);
	if (!code && may & SANDBOX_THREADS)
		code = add_threads(f);
	if (!code && may & SANDBOX_BEGINS)
		code = add_calls(f, SCMP_ACT_ALLOW, to_begin, ARRAY_LEN(to_begin));
	if (!code && may & SANDBOX_BEGINS)
		code = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (!code && may & SANDBOX_DIALS)
		code = add_calls(f, SCMP_ACT_ALLOW, to_dial, ARRAY_LEN(to_dial));
	if (!code && may & SANDBOX_FILES)
		code = add_calls(f, SCMP_ACT_ALLOW, to_keep, ARRAY_LEN(to_keep));
	else if (!code)
		code = add_calls(f, SCMP_ACT_ERRNO(EACCES), refused, ARRAY_LEN(refused));
	/* memory, but none that can be run */
	const struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	if (!code)
		code = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_exec);
	if (!code)
		code = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_exec);
	/* fstat of glibc; the flag can be asked for, an empty path cannot */
	const struct scmp_arg_cmp of_fd = SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH);
	if (!code)
		code = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1, of_fd);
	/* send(): to who is connected; from a port that listens nothing goes out */
	const struct scmp_arg_cmp nobody_else = SCMP_A4(SCMP_CMP_EQ, 0, 0);
	if (!code)
		code = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1, nobody_else);
	/* the terminal's width, and whether there is one */
	static const unsigned long requests[] = { TIOCGWINSZ, TCGETS };
	for (size_t i = 0; i < ARRAY_LEN(requests) && !code; i++) {
		const struct scmp_arg_cmp request = SCMP_A1(SCMP_CMP_EQ, requests[i], 0);
		code = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, request);
	}
	/* what a socket had to drop */
	const struct scmp_arg_cmp of_socket = SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET, 0);
	const struct scmp_arg_cmp memory = SCMP_A2(SCMP_CMP_EQ, SO_MEMINFO, 0);
	if (!code)
		code = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(getsockopt), 2, of_socket, memory);
	const struct scmp_arg_cmp get_flags = SCMP_A1(SCMP_CMP_EQ, F_GETFL, 0);
	return code ? code : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, get_flags);
}

static int build_filter(struct sandbox *s)
{
	s->filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!s->filter)
		return -ENOMEM;
	int code = seccomp_attr_set(s->filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!code)
		code = add_rules(s->filter, s->may);
	if (code) {
		seccomp_release(s->filter);
		s->filter = NULL;
	}
	return code;
}

static void find_user(struct sandbox *s, const char *name)
{
	const struct passwd *pw = NULL;
	if (s->has_user || !name || !(pw = getpwnam(name)))
		return;
	s->has_user = true;
	s->uid = pw->pw_uid;
	s->gid = pw->pw_gid;
	snprintf(s->user, sizeof(s->user), "user %s", name);
}

bool sandbox_is_sanitized(void)
{
	return SANITIZED;
}

int sandbox_init(struct sandbox **ret, const struct sandbox_config *config, struct err *err)
{
	static const struct sandbox_config narrow = { .user = "nobody" };
	const struct sandbox_config *c = config ? config : &narrow;
	struct sandbox *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(err, -ENOMEM, "sandbox: %m");
	s->dir = -1;
	s->may = c->may;
	s->root = geteuid() == 0 || getuid() == 0;
	s->stays = !c->user;
	snprintf(s->user, sizeof(s->user), "user nobody");
	if (s->root && !s->stays) {
		find_user(s, c->user);
		find_user(s, "nobody");
	}
	if (c->may & SANDBOX_FILES) {
		s->dir = open(c->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (s->dir < 0) {
			int code = err_set(err, -errno, "open the folder '%s': %m", c->dir);
			free(s);
			return code;
		}
	}
	s->filter_code = SANITIZED ? 0 : build_filter(s);
	*ret = s;
	return 0;
}

/* Root that may do no more than whom its files belong to. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
	return syscall(SYS_capset, &head, none) ? -errno : 0;
}

static int become_user(const struct sandbox *s)
{
	if (!s->root)
		return 0;
	if (s->stays)
		return drop_capabilities();
	if (!s->has_user)
		return -ENOENT;
	if (setgroups(0, NULL) || setresgid(s->gid, s->gid, s->gid) || setresuid(s->uid, s->uid, s->uid))
		return -errno;
	/* hold the kernel to it */
	return setuid(0) == 0 || geteuid() == 0 ? -EPERM : 0;
}

/* The kernel's struct landlock_ruleset_attr as of ABI 6; older kernels take its beginning. */
struct landlock_attr {
	uint64_t fs, net, scoped;
};

struct landlock_below {
	uint64_t fs;
	int32_t dir;
} __attribute__((packed));

/* All but running them and making devices, sockets and links. */
static int permit_files(int ruleset, int dir, uint64_t handled)
{
	enum {
		WRITE_FILE = 1 << 1,
		READ_FILE = 1 << 2,
		READ_DIR = 1 << 3,
		REMOVE_DIR = 1 << 4,
		REMOVE_FILE = 1 << 5,
		MAKE_DIR = 1 << 7,
		MAKE_REG = 1 << 8,
		REFER = 1 << 13,
		TRUNCATE = 1 << 14
	};
	const struct landlock_below below = {
		.fs = handled & (WRITE_FILE | READ_FILE | READ_DIR | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG |
		                 REFER | TRUNCATE),
		.dir = dir,
	};
	return syscall(SYS_landlock_add_rule, ruleset, 1 /* LANDLOCK_RULE_PATH_BENEATH */, &below, 0) ? -errno : 0;
}

static int enter_landlock(int dir, bool dials)
{
	/* File system rights that each ABI knows (include/uapi/linux/landlock.h): execute ... make_sym, refer, truncate,
	 * ioctl_dev. All are handled, and none is given but below `dir`: descriptors held already go on working. */
	static const uint64_t fs[] = { 0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* LANDLOCK_CREATE_RULESET_VERSION */);
	if (abi < 1)
		return abi < 0 ? -errno : -ENOSYS;
	struct landlock_attr attr = {
		.fs = fs[abi < (long)ARRAY_LEN(fs) ? (size_t)abi : ARRAY_LEN(fs) - 1],
		.net = abi < 4 ? 0
		       : dials ? 1
		               : 3,         /* bind and connect TCP */
		.scoped = abi >= 6 ? 3 : 0, /* abstract UNIX sockets, signals */
	};
	size_t size = abi >= 6 ? sizeof(attr) : abi >= 4 ? offsetof(struct landlock_attr, scoped) : sizeof(attr.fs);
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (fd < 0)
		return -errno;
	int code = dir >= 0 ? permit_files(fd, dir, attr.fs) : 0;
	if (!code && syscall(SYS_landlock_restrict_self, fd, 0))
		code = -errno;
	close(fd);
	return code;
}

static void note(struct sandbox_report *report, enum sandbox_layer layer, const char *name, int code, const char *why)
{
	snprintf(report->layer[layer].name, sizeof(report->layer[layer].name), "%s", name);
	report->layer[layer].on = !code && !why;
	snprintf(report->layer[layer].why, sizeof(report->layer[layer].why), "%s",
	         why    ? why
	         : code ? strerror(-code)
	                : "");
}

void sandbox_enter(struct sandbox *s, struct sandbox_report *report)
{
	static const char sanitized[] = "this build has sanitizers in it";
	*report = (struct sandbox_report){ 0 };
	const char *who = !s->root ? "unprivileged user" : s->stays ? "root without capabilities" : s->user;
	int code = become_user(s);
	note(report, SANDBOX_USER, who, code, code == -ENOENT ? "there is no such user" : NULL);
	code = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
	note(report, SANDBOX_NO_NEW_PRIVS, "no_new_privs", code, NULL);
	/* at its end the leak checker looks at this process from a thread of its own, through /proc */
	prctl(PR_SET_DUMPABLE, SANITIZED, 0, 0, 0);
	code = SANITIZED ? 0 : enter_landlock(s->dir, s->may & SANDBOX_DIALS);
	note(report, SANDBOX_LANDLOCK, "Landlock", code,
	     SANITIZED                                ? sanitized
	     : code == -ENOSYS || code == -EOPNOTSUPP ? "this kernel has it not, or switched off"
	                                              : NULL);
	code = s->filter ? seccomp_load(s->filter) : s->filter_code;
	note(report, SANDBOX_SECCOMP, "seccomp", code, SANITIZED ? sanitized : NULL);
	if (s->filter)
		seccomp_release(s->filter);
	if (s->dir >= 0)
		close(s->dir);
	free(s);
}
