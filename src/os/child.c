#include "os/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* In the child: everything up to execve. Returns -errno. */
static int become(const struct child_config *c, int report)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return -errno;
	int out = c->out < 0 ? null : c->out;
	/* `report` may not be among the three that are replaced */
	if (report <= STDERR_FILENO || dup2(out, STDOUT_FILENO) < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(c->errors ? out : null, STDERR_FILENO) < 0)
		return report <= STDERR_FILENO ? -EBADF : -errno;
	close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	if (c->group && setpgid(0, 0))
		return -errno;
	if (c->change_ids &&
	    (setgroups(0, NULL) || setresgid(c->gid, c->gid, c->gid) || setresuid(c->uid, c->uid, c->uid)))
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_PDEATHSIG, SIGTERM))
		return -errno;
	static const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", NULL };
	execve(c->argv[0], (char *const *)c->argv, (char *const *)environment);
	return -errno;
}

int child_spawn(pid_t *ret, const struct child_config *config, struct err *err)
{
	int report[2], code = 0;
	if (pipe2(report, O_CLOEXEC))
		return err_set(err, -errno, "start '%s': %m", config->argv[0]);
	pid_t pid = fork();
	if (pid == 0) {
		code = become(config, report[1]);
		if (write(report[1], &code, sizeof(code)) < 0)
			_exit(126);
		_exit(127);
	}
	if (pid < 0)
		code = -errno;
	close(report[1]);
	/* The pipe closes at execve; a number in it says why that was not reached. */
	ssize_t n = 0;
	while (pid > 0 && (n = read(report[0], &code, sizeof(code))) < 0 && errno == EINTR)
		;
	close(report[0]);
	if (code) {
		if (pid > 0)
			waitpid(pid, NULL, 0);
		return err_set(err, code, "start '%s': %m", config->argv[0]);
	}
	*ret = pid;
	return 0;
}

void child_stop(pid_t pid)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	if (kill(pid, SIGTERM))
		return;
	for (int i = 0; i < 50; i++) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return;
		nanosleep(&pause, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
