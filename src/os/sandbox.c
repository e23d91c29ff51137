#include "os/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
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
	bool root; /* has to become somebody else */
	bool has_user;
	uid_t uid;
	gid_t gid;
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

/* What a library may try and does without: it fails instead of ending the process. */
static const int refused[] = {
	SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(readlink), SCMP_SYS(stat),
};

static int add_rules(scmp_filter_ctx f)
{
	int code = 0;
	/* system calls that this machine's kind doesn't have carry negative numbers */
	for (size_t i = 0; i < ARRAY_LEN(allowed) && !code; i++)
		code = allowed[i] < 0 ? 0 : seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < ARRAY_LEN(refused) && !code; i++)
		code = refused[i] < 0 ? 0 : seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), refused[i], 0);
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
		code = add_rules(s->filter);
	if (code) {
		seccomp_release(s->filter);
		s->filter = NULL;
	}
	return code;
}

int sandbox_init(struct sandbox **ret, struct err *err)
{
	struct sandbox *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(err, -ENOMEM, "sandbox: %m");
	s->root = geteuid() == 0 || getuid() == 0;
	const struct passwd *nobody = s->root ? getpwnam("nobody") : NULL;
	if (nobody) {
		s->has_user = true;
		s->uid = nobody->pw_uid;
		s->gid = nobody->pw_gid;
	}
	s->filter_code = SANITIZED ? 0 : build_filter(s);
	*ret = s;
	return 0;
}

static int become_nobody(const struct sandbox *s)
{
	if (!s->root)
		return 0;
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

static int enter_landlock(void)
{
	/* File system rights that each ABI knows (include/uapi/linux/landlock.h): execute ... make_sym, refer, truncate,
	 * ioctl_dev. All are handled, none is given: descriptors held already go on working. */
	static const uint64_t fs[] = { 0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* LANDLOCK_CREATE_RULESET_VERSION */);
	if (abi < 1)
		return abi < 0 ? -errno : -ENOSYS;
	struct landlock_attr attr = {
		.fs = fs[abi < (long)ARRAY_LEN(fs) ? (size_t)abi : ARRAY_LEN(fs) - 1],
		.net = abi >= 4 ? 3 : 0,    /* bind and connect TCP */
		.scoped = abi >= 6 ? 3 : 0, /* abstract UNIX sockets, signals */
	};
	size_t size = abi >= 6 ? sizeof(attr) : abi >= 4 ? offsetof(struct landlock_attr, scoped) : sizeof(attr.fs);
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (fd < 0)
		return -errno;
	int code = syscall(SYS_landlock_restrict_self, fd, 0) ? -errno : 0;
	close(fd);
	return code;
}

static void note(struct sandbox_report *report, enum sandbox_layer layer, const char *name, int code, const char *why)
{
	report->layer[layer].name = name;
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
	int code = become_nobody(s);
	note(report, SANDBOX_USER, s->root ? "user nobody" : "unprivileged user", code,
	     code == -ENOENT ? "there is no user 'nobody'" : NULL);
	code = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
	note(report, SANDBOX_NO_NEW_PRIVS, "no_new_privs", code, NULL);
	/* at its end the leak checker looks at this process from a thread of its own, through /proc */
	prctl(PR_SET_DUMPABLE, SANITIZED, 0, 0, 0);
	code = SANITIZED ? 0 : enter_landlock();
	note(report, SANDBOX_LANDLOCK, "Landlock", code,
	     SANITIZED                                ? sanitized
	     : code == -ENOSYS || code == -EOPNOTSUPP ? "this kernel has it not, or switched off"
	                                              : NULL);
	code = s->filter ? seccomp_load(s->filter) : s->filter_code;
	note(report, SANDBOX_SECCOMP, "seccomp", code, SANITIZED ? sanitized : NULL);
	if (s->filter)
		seccomp_release(s->filter);
	free(s);
}
