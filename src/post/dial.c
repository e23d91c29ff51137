#include "post/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONNECT_MS = 5000, ADDRESSES = 4, WHY = 256 };

struct dialer {
	int fd;
	pid_t pid;
};

/* Its first message; what it is asked later can't change it. */
struct list {
	uint32_t n;
	char hubs[DIAL_HUBS][DIAL_HUB];
};

struct question {
	uint32_t hub, tag;
};

struct reply {
	uint32_t tag;
	int32_t code;
	char why[WHY];
};

int dial_split(const char *hub, char host[DIAL_HUB], char port[8])
{
	const char *colon = strrchr(hub, ':');
	struct str h = { hub, colon ? (size_t)(colon - hub) : 0 };
	if (h.n > 2 && h.p[0] == '[' && h.p[h.n - 1] == ']')
		h = str_sub(h, 1, h.n - 2);
	else if (memchr(hub, ':', h.n) || memchr(hub, '[', h.n))
		return -EINVAL;
	const size_t n = colon ? strlen(colon + 1) : 0;
	if (!h.n || h.n >= DIAL_HUB || !n || n > 5 || strspn(colon + 1, "0123456789") != n)
		return -EINVAL;
	snprintf(host, DIAL_HUB, STR_FMT, STR_ARG(h));
	snprintf(port, 8, "%s", colon + 1);
	return strtoul(port, NULL, 10) - 1 < 65535 ? 0 : -EINVAL;
}

/* --- the process --- */

static int connect_to(const struct addrinfo *a)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), code = 0;
	const int on = 1;
	socklen_t n = sizeof(code);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (!connect(fd, a->ai_addr, a->ai_addrlen))
		return fd;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	if (errno != EINPROGRESS)
		code = errno;
	else if (poll(&p, 1, CONNECT_MS) <= 0)
		code = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &n))
		code = errno;
	if (!code)
		return fd;
	close(fd);
	return -code;
}

static int dial(const char *hub, struct reply *r)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	char host[DIAL_HUB], port[8];
	int fd = -EINVAL;
	if (dial_split(hub, host, port)) {
		snprintf(r->why, sizeof(r->why), "%.200s is no address of a hub", hub);
		return fd;
	}
	int code = getaddrinfo(host, port, &hints, &found);
	if (code) {
		snprintf(r->why, sizeof(r->why), "look up %.120s: %.100s", host, gai_strerror(code));
		return -EHOSTUNREACH;
	}
	int tries = 0;
	for (const struct addrinfo *a = found; a && fd < 0 && tries < ADDRESSES; a = a->ai_next, tries++)
		fd = connect_to(a);
	freeaddrinfo(found);
	if (fd < 0)
		snprintf(r->why, sizeof(r->why), "connect to %.120s: %.100s", hub, strerror(-fd));
	return fd;
}

static bool answer(int to, struct reply *r, int fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec v = { r, sizeof(*r) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	r->code = fd < 0 ? fd : 0;
	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control.space);
		control.head = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	bool sent = sendmsg(to, &m, MSG_NOSIGNAL) == (ssize_t)sizeof(*r);
	if (fd >= 0)
		close(fd);
	return sent;
}

/* It needs no right of whoever started this. */
static void give_up_rights(void)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam("nobody") : NULL;
	if (pw && (setgroups(0, NULL) || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
	           setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid)))
		_exit(1);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static void run(int fd, pid_t parent)
{
	struct list l = { 0 };
	struct question q;
	sigset_t none;
	prctl(PR_SET_NAME, "khien: dialer", 0, 0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_IGN); /* of a terminal: the other end of the socket says when it is over */
	/* it has nothing of the others' */
	if (fd != 3)
		dup3(fd, 3, O_CLOEXEC);
	if (close_range(4, ~0u, 0))
		_exit(1);
	give_up_rights();
	/* a new user forgets it; the socket's end says the same, but not in the middle of a connection */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(0);
	if (recv(3, &l, sizeof(l), 0) != (ssize_t)sizeof(l) || l.n > DIAL_HUBS)
		_exit(0);
	for (size_t i = 0; i < DIAL_HUBS; i++)
		l.hubs[i][DIAL_HUB - 1] = '\0';
	while (recv(3, &q, sizeof(q), 0) == (ssize_t)sizeof(q)) {
		struct reply r = { .tag = q.tag };
		if (!answer(3, &r, q.hub < l.n ? dial(l.hubs[q.hub], &r) : -EINVAL))
			break;
	}
	_exit(0);
}

/* --- its owner --- */

int dialer_start(struct dialer **ret, struct err *err)
{
	struct dialer *d = malloc(sizeof(*d));
	const pid_t self = getpid();
	int pair[2];
	if (!d)
		return err_set(err, -ENOMEM, "the dialer: %m");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		free(d);
		return err_set(err, -errno, "the dialer: %m");
	}
	d->pid = fork();
	if (d->pid == 0)
		run(pair[1], self);
	close(pair[1]);
	d->fd = pair[0];
	int code = d->pid < 0 ? -errno : 0;
	if (code || fcntl(d->fd, F_SETFL, O_NONBLOCK)) {
		code = code ? code : -errno;
		dialer_free(d);
		return err_set(err, code, "the dialer: %m");
	}
	*ret = d;
	return 0;
}

int dialer_hubs(struct dialer *d, const char *const *hubs, size_t n, struct err *err)
{
	struct list l = { .n = (uint32_t)n };
	if (n > DIAL_HUBS)
		return err_set(err, -E2BIG, "more than %d hubs", DIAL_HUBS);
	for (size_t i = 0; i < n; i++)
		snprintf(l.hubs[i], DIAL_HUB, "%s", hubs[i]);
	return send(d->fd, &l, sizeof(l), MSG_NOSIGNAL) == (ssize_t)sizeof(l) ? 0
	                                                                      : err_set(err, -errno, "the dialer: %m");
}

void dialer_free(struct dialer *d)
{
	if (!d)
		return;
	close(d->fd);
	/* it may be in the middle of a connection that takes its time; inside the sandbox nobody can be ended */
	if (d->pid > 0)
		waitpid(d->pid, NULL, WNOHANG);
	free(d);
}

int dialer_fd(const struct dialer *d)
{
	return d->fd;
}

int dialer_ask(struct dialer *d, unsigned hub, unsigned tag)
{
	const struct question q = { hub, tag };
	return send(d->fd, &q, sizeof(q), MSG_NOSIGNAL) == (ssize_t)sizeof(q) ? 0 : -errno;
}

int dialer_take(struct dialer *d, unsigned *tag, int *fd, struct err *err)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct reply r;
	struct iovec v = { &r, sizeof(r) };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t n = recvmsg(d->fd, &m, MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n != (ssize_t)sizeof(r))
		return -EPIPE;
	const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	*tag = r.tag;
	*fd = r.code ? r.code : -EPROTO;
	if (!r.code && c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	r.why[sizeof(r.why) - 1] = '\0';
	if (*fd < 0)
		err_set(err, *fd, "%s", *r.why ? r.why : "the dialer gave no connection");
	return 1;
}
