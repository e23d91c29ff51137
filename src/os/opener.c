#include "os/opener.h"

#include "os/child.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BACKLOG = 64, RECEIVE_BYTES = 4 << 20 };

struct request {
	uint32_t item;
	struct opener_file have;
};

struct reply {
	int32_t code; /* as opener_open */
	struct opener_file file;
	char text[sizeof(((struct err *)0)->text)];
};

struct opener {
	int socket;
	pid_t pid;
	size_t n;
};

/* Room for one descriptor's control message, aligned as cmsghdr is. */
union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int))];
};

int opener_address(const char *text, struct sockaddr_storage *ret, socklen_t *len, struct err *err)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	char host[64];
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	bool bracket = n > 2 && text[0] == '[' && text[n - 1] == ']';
	char *end = NULL;
	unsigned long port = colon && colon[1] >= '0' && colon[1] <= '9' ? strtoul(colon + 1, &end, 10) : 0;
	if (!port || port > 65535 || *end || n - 2 * bracket >= sizeof(host))
		return err_set(err, -EINVAL, "'%s' is no address: write 127.0.0.1:5514 or [::1]:5514", text);
	memcpy(host, text + bracket, n - 2 * bracket);
	host[n - 2 * bracket] = '\0';
	memset(ret, 0, sizeof(*ret));
	if (!bracket && inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
		v4.sin_port = htons((uint16_t)port);
		memcpy(ret, &v4, *len = sizeof(v4));
	} else if (bracket && inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
		v6.sin6_port = htons((uint16_t)port);
		memcpy(ret, &v6, *len = sizeof(v6));
	} else {
		return err_set(err, -EINVAL, "'%s' is no address: write 127.0.0.1:5514 or [::1]:5514", text);
	}
	return 0;
}

/* --- the opener's side --- */

static int open_plain(const char *path)
{
	/* Who may write to a log folder must not make a privileged process read elsewhere: no link is followed. */
	struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	if (fd < 0 && (errno == ENOSYS || errno == EPERM)) /* old kernels; containers that don't know the call */
		fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static int open_file(const struct opener_item *item, const struct request *rq, struct reply *re, struct err *err)
{
	struct stat st;
	int fd = open_plain(item->name);
	if (fd < 0)
		return err_set(err, fd, fd == -ELOOP ? "a symbolic link stands in its path" : "%m");
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(err, -EINVAL, "not a regular file");
	}
	re->file = (struct opener_file){ st.st_dev, st.st_ino };
	if (re->file.device == rq->have.device && re->file.inode == rq->have.inode) {
		close(fd);
		return err_set(err, -EALREADY, "same");
	}
	return fd;
}

static int open_socket(const struct opener_item *item, struct err *err)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int code = opener_address(item->name, &ss, &len, err);
	if (code)
		return code;
	bool udp = item->kind == OPENER_UDP;
	int fd = socket(ss.ss_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, -errno, "%m");
	const int one = 1, bytes = RECEIVE_BYTES;
	if (udp) { /* room for bursts, and the kernel's count of what it dropped */
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
		setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof(one));
	} else {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	}
	if (bind(fd, (struct sockaddr *)&ss, len) || (!udp && listen(fd, BACKLOG))) {
		code = err_set(err, -errno, "%m");
		close(fd);
		return code;
	}
	return fd;
}

static int open_child(const struct opener_item *item, pid_t *pid, struct err *err)
{
	int out[2];
	if (*pid > 0)
		child_stop(*pid);
	*pid = 0;
	if (pipe2(out, O_CLOEXEC))
		return err_set(err, -errno, "%m");
	struct child_config c = {
		.argv = item->argv, .out = out[1], .change_ids = item->change_ids, .uid = item->uid, .gid = item->gid
	};
	int code = child_spawn(pid, &c, err);
	close(out[1]);
	if (!code && fcntl(out[0], F_SETFL, O_NONBLOCK))
		code = err_set(err, -errno, "%m");
	if (code) {
		close(out[0]);
		return code;
	}
	return out[0];
}

static int serve(const struct opener_item *item, const struct request *rq, struct reply *re, pid_t *pid,
                 struct err *err)
{
	switch (item->kind) {
	case OPENER_FILE: return open_file(item, rq, re, err);
	case OPENER_UDP:
	case OPENER_TCP: return open_socket(item, err);
	case OPENER_CHILD: return open_child(item, pid, err);
	}
	return -EINVAL;
}

static bool send_reply(int socket, struct reply *re, int fd)
{
	union control control = { 0 };
	struct iovec io = { re, sizeof(*re) };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1 };
	if (fd >= 0) {
		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
			               .cmsg_type = SCM_RIGHTS,
			               .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(socket, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof(*re);
}

static void run(int socket, const struct opener_item *items, size_t n)
{
	struct request rq;
	pid_t *pids = calloc(n + 1, sizeof(*pids));
	while (pids && recv(socket, &rq, sizeof(rq), 0) == (ssize_t)sizeof(rq) && rq.item < n) {
		struct reply re = { 0 };
		struct err err = { 0 };
		int fd = serve(&items[rq.item], &rq, &re, &pids[rq.item], &err);
		re.code = fd >= 0 ? 1 : fd == -EALREADY ? 0 : fd;
		memcpy(re.text, err.text, sizeof(re.text));
		bool sent = send_reply(socket, &re, fd);
		if (fd >= 0)
			close(fd);
		if (!sent)
			break;
	}
	for (size_t i = 0; pids && i < n; i++)
		if (pids[i] > 0)
			child_stop(pids[i]);
	free(pids);
}

static void become_opener(int socket)
{
	/* Ctrl-C and SIGTERM are the worker's; this one ends when the socket does. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_NAME, "khien-opener");
	if (dup2(socket, STDIN_FILENO) < 0)
		_exit(1);
	/* 0 is the socket, 1 and 2 may be a pipe whose reader waits for its end */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
		_exit(1);
	close_range(STDERR_FILENO + 1, ~0u, 0);
}

/* --- the worker's side --- */

int opener_start(struct opener **ret, const struct opener_item *items, size_t n, struct err *err)
{
	int pair[2];
	struct opener *o = calloc(1, sizeof(*o));
	if (!o)
		return err_set(err, -ENOMEM, "start the opener: %m");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		free(o);
		return err_set(err, -errno, "start the opener: %m");
	}
	pid_t pid = fork();
	if (pid == 0) {
		become_opener(pair[1]);
		run(STDIN_FILENO, items, n);
		_exit(0);
	}
	int code = pid < 0 ? -errno : 0;
	close(pair[1]);
	if (code) {
		close(pair[0]);
		free(o);
		return err_set(err, code, "start the opener: %m");
	}
	*o = (struct opener){ .socket = pair[0], .pid = pid, .n = n };
	*ret = o;
	return 0;
}

int opener_open(struct opener *o, size_t item, struct opener_file *have, int *fd, struct err *err)
{
	struct request rq = { .item = (uint32_t)item, .have = have ? *have : (struct opener_file){ 0 } };
	struct reply re;
	union control control;
	struct iovec io = { &re, sizeof(re) };
	struct msghdr msg = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control)
	};
	if (item >= o->n)
		return err_set(err, -EINVAL, "no such item");
	if (send(o->socket, &rq, sizeof(rq), MSG_NOSIGNAL) != (ssize_t)sizeof(rq) ||
	    recvmsg(o->socket, &msg, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(re))
		return err_set(err, -EPIPE, "the opener is gone");
	re.text[sizeof(re.text) - 1] = '\0';
	if (re.code <= 0)
		return re.code ? err_set(err, re.code, "%s", re.text) : 0;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return err_set(err, -EMFILE, "no descriptor came: %m");
	memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	if (have)
		*have = re.file;
	return 1;
}

void opener_free(struct opener *o)
{
	if (!o)
		return;
	close(o->socket);
	while (waitpid(o->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(o);
}
