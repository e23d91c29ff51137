#include "os/opener.h"

#include "os/child.h"
#include "os/rotated.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BACKLOG = 1024, RECEIVE_BYTES = 8 << 20 };

enum what { OPEN, OPEN_MATCH, OPEN_ROTATED, RESUME, TELL_MATCH };

struct request {
	uint32_t what, item, i;
	struct opener_file have;
	char text[OPENER_TEXT];
};

struct reply {
	int32_t code; /* as opener_open */
	struct opener_file file;
	char text[OPENER_TEXT]; /* of an error, or a name */
};

/* The opener's own side. */
struct server {
	const struct opener_item *items;
	size_t n;
	pid_t *pids; /* by item: of the program that runs */
	glob_t matches;
	struct rotated rotated;
	char rotated_of[PATH_MAX]; /* the log whose they are */
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

/* The folder is trusted, what lies below it isn't, and neither is who named the path. */
static int open_below(const char *below, const char *path)
{
	const size_t n = strlen(below);
	struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	if (strncmp(path, below, n) != 0 || path[n] != '/')
		return -EXDEV;
	int folder = open(below, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	int fd = (int)syscall(SYS_openat2, folder, path + n + 1, &how, sizeof(how));
	const int code = fd < 0 ? -errno : fd;
	close(folder);
	return code;
}

static int open_path(const struct opener_item *item, const char *path, const struct request *rq, struct reply *re,
                     struct err *err)
{
	struct stat st;
	int fd = item->below ? open_below(item->below, path) : open_plain(path);
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

static struct str folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return (struct str){ path, slash ? (size_t)(slash - path) : 0 };
}

/* Who may write to a log folder may point a link of it to another log there, not to a file elsewhere. */
static int open_file(const struct opener_item *item, const struct request *rq, struct reply *re, struct err *err)
{
	char real[PATH_MAX];
	if (!item->link)
		return open_path(item, item->name, rq, re, err);
	if (!realpath(item->link, real))
		return err_set(err, -errno, "%m");
	if (!str_eq(folder_of(real), folder_of(item->name)) && !str_eq(folder_of(real), folder_of(item->link)))
		return err_set(err, -ELOOP, "its symbolic link leads to another folder now");
	return open_path(item, real, rq, re, err);
}

static bool covers(const struct opener_item *item, const char *path)
{
	return item->kind == OPENER_PATTERN && fnmatch(item->name, path, FNM_PATHNAME | FNM_PERIOD) == 0 &&
	       !strstr(path, "/../");
}

static int open_rotated(struct server *s, const struct opener_item *item, const struct request *rq, struct reply *re,
                        struct err *err)
{
	char path[PATH_MAX];
	const char *log = item->kind == OPENER_FILE ? item->name : rq->text;
	if (item->kind != OPENER_FILE && !covers(item, log))
		return err_set(err, -EPERM, "the pattern doesn't cover it");
	struct str folder = folder_of(log);
	if (!rq->i) {
		snprintf(path, sizeof(path), "%.*s/", (int)folder.n, folder.p);
		int code = rotated_list(&s->rotated, path, str_from(log + folder.n + 1));
		if (code)
			return err_set(err, code, "%m");
		snprintf(s->rotated_of, sizeof(s->rotated_of), "%s", log);
	}
	/* names found for one log must not be opened in the folder of another */
	if (strcmp(s->rotated_of, log) != 0)
		return err_set(err, -EINVAL, "its rotations were not asked for from the first on");
	if (rq->i >= s->rotated.n)
		return err_set(err, -EALREADY, "no more");
	const char *name = s->rotated.at[rq->i].name;
	snprintf(path, sizeof(path), "%.*s/%s", (int)folder.n, folder.p, name);
	memcpy(re->text, name, strlen(name) + 1);
	return open_path(item, path, rq, re, err);
}

static int tell_match(struct server *s, const struct opener_item *item, const struct request *rq, struct reply *re,
                      struct err *err)
{
	if (item->kind != OPENER_PATTERN)
		return err_set(err, -EINVAL, "no pattern");
	if (!rq->i) {
		globfree(&s->matches);
		s->matches = (glob_t){ 0 };
		if (glob(item->name, 0, NULL, &s->matches))
			s->matches.gl_pathc = 0;
	}
	if (rq->i >= s->matches.gl_pathc)
		return err_set(err, -EALREADY, "no more");
	snprintf(re->text, sizeof(re->text), "%s", s->matches.gl_pathv[rq->i]);
	return -EALREADY;
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
	const int one = 1, zero = 0, bytes = RECEIVE_BYTES;
	if (ss.ss_family == AF_INET6) /* whatever this machine's default is */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (!udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	else if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes))) /* for bursts, beyond the bound */
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (bind(fd, (struct sockaddr *)&ss, len) || (!udp && listen(fd, BACKLOG))) {
		code = err_set(err, -errno, "%m");
		close(fd);
		return code;
	}
	/* who has it only listens: nothing can be sent from it, to anybody. Linux does so, and says ENOTCONN all the same */
	if (udp)
		shutdown(fd, SHUT_WR);
	return fd;
}

int opener_listen(const char *address, struct err *err)
{
	const struct opener_item item = { .kind = OPENER_TCP, .name = address };
	struct err why = { 0 };
	const int fd = open_socket(&item, &why);
	return fd < 0 ? err_set(err, fd, "listen on %s: %s", address, why.text) : fd;
}

/* A cursor of the journal, which is nothing but letters, digits, = and ; */
static bool is_cursor(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=;-");
	return n && !text[n];
}

static int open_child(const struct opener_item *item, const char *cursor, pid_t *pid, struct err *err)
{
	int out[2];
	char after[OPENER_TEXT + 32];
	const char *argv[24];
	size_t n = 0;
	for (; item->argv[n] && n < ARRAY_LEN(argv) - 3; n++)
		argv[n] = item->argv[n];
	if (*cursor) {
		if (!item->resumes || !is_cursor(cursor))
			return err_set(err, -EINVAL, "no cursor");
		snprintf(after, sizeof(after), "--after-cursor=%s", cursor);
		n -= n > 1;
		argv[n++] = "--no-tail";
		argv[n++] = after;
	}
	argv[n] = NULL;
	if (*pid > 0)
		child_stop(*pid);
	*pid = 0;
	if (pipe2(out, O_CLOEXEC))
		return err_set(err, -errno, "%m");
	struct child_config c = {
		.argv = argv, .out = out[1], .change_ids = item->change_ids, .uid = item->uid, .gid = item->gid
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

/* A function of this program in a process of its own, with the rights of this one; the one before is ended. */
static int open_work(const struct opener_item *item, pid_t *pid, struct err *err)
{
	int out[2];
	if (*pid > 0)
		child_stop(*pid);
	*pid = 0;
	if (pipe2(out, O_CLOEXEC))
		return err_set(err, -errno, "%m");
	*pid = fork();
	if (*pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGTERM, SIG_DFL);
		if (dup2(out[1], STDIN_FILENO) < 0)
			_exit(1);
		close_range(STDERR_FILENO + 1, ~0u, 0);
		item->work(item->arg, STDIN_FILENO);
		_exit(0);
	}
	int code = *pid < 0 ? err_set(err, -errno, "%m") : 0;
	close(out[1]);
	if (!code && fcntl(out[0], F_SETFL, O_NONBLOCK))
		code = err_set(err, -errno, "%m");
	if (code)
		close(out[0]);
	return code ? code : out[0];
}

static int serve(struct server *s, const struct request *rq, struct reply *re, struct err *err)
{
	const struct opener_item *item = &s->items[rq->item];
	switch ((enum what)rq->what) {
	case OPEN: break;
	case OPEN_MATCH:
		return covers(item, rq->text) ? open_path(item, rq->text, rq, re, err)
		                              : err_set(err, -EPERM, "the pattern doesn't cover it");
	case OPEN_ROTATED: return open_rotated(s, item, rq, re, err);
	case TELL_MATCH: return tell_match(s, item, rq, re, err);
	case RESUME: return item->kind == OPENER_CHILD ? open_child(item, rq->text, &s->pids[rq->item], err) : -EINVAL;
	}
	switch (item->kind) {
	case OPENER_FILE: return open_file(item, rq, re, err);
	case OPENER_UDP:
	case OPENER_TCP:
	case OPENER_TLS: return open_socket(item, err);
	case OPENER_CHILD: return open_child(item, "", &s->pids[rq->item], err);
	case OPENER_WORK: return open_work(item, &s->pids[rq->item], err);
	case OPENER_PATTERN: break;
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

static bool receive(int socket, struct request *rq, size_t n)
{
	if (recv(socket, rq, sizeof(*rq), 0) != (ssize_t)sizeof(*rq) || rq->item >= n)
		return false;
	rq->text[sizeof(rq->text) - 1] = '\0';
	return true;
}

static void on_child(int signal)
{
	(void)signal;
}

/* Takes the status of what has ended, until there is a request. SIGCHLD comes here alone: elsewhere it waits. */
static void await(int socket, struct server *s)
{
	struct pollfd p = { .fd = socket, .events = POLLIN };
	sigset_t none;
	sigemptyset(&none);
	do {
		for (size_t i = 0; i < s->n; i++)
			if (s->pids[i] > 0 && waitpid(s->pids[i], NULL, WNOHANG) == s->pids[i])
				s->pids[i] = 0;
	} while (ppoll(&p, 1, NULL, &none) < 0 && errno == EINTR);
}

static void run(int socket, const struct opener_item *items, size_t n)
{
	struct request rq;
	struct server s = { .items = items, .n = n, .pids = calloc(n + 1, sizeof(*s.pids)) };
	const struct sigaction act = { .sa_handler = on_child };
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	sigaction(SIGCHLD, &act, NULL);
	while (s.pids) {
		await(socket, &s);
		if (!receive(socket, &rq, n))
			break;
		struct reply re = { 0 };
		struct err err = { 0 };
		int fd = serve(&s, &rq, &re, &err);
		re.code = fd >= 0 ? 1 : fd == -EALREADY ? 0 : fd;
		if (fd < 0 && fd != -EALREADY)
			memcpy(re.text, err.text, sizeof(err.text));
		bool sent = send_reply(socket, &re, fd);
		if (fd >= 0)
			close(fd);
		if (!sent)
			break;
	}
	for (size_t i = 0; s.pids && i < n; i++)
		if (s.pids[i] > 0)
			child_stop(s.pids[i]);
	globfree(&s.matches);
	free(s.pids);
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

/* 0 or what the opener answered; text: OPENER_TEXT bytes for a name, or NULL. */
static int ask(struct opener *o, const struct request *rq, struct opener_file *have, int *fd, char *text,
               struct err *err)
{
	struct reply re;
	union control control;
	struct iovec io = { &re, sizeof(re) };
	struct msghdr msg = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control)
	};
	if (rq->item >= o->n)
		return err_set(err, -EINVAL, "no such item");
	if (send(o->socket, rq, sizeof(*rq), MSG_NOSIGNAL) != (ssize_t)sizeof(*rq) ||
	    recvmsg(o->socket, &msg, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(re))
		return err_set(err, -EPIPE, "the opener is gone");
	re.text[sizeof(re.text) - 1] = '\0';
	if (re.code < 0)
		return err_set(err, re.code, "%s", re.text);
	if (text)
		memcpy(text, re.text, sizeof(re.text));
	if (!re.code)
		return 0;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (!fd || !c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return err_set(err, -EMFILE, "no descriptor came: %m");
	memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	if (have)
		*have = re.file;
	return 1;
}

/* have and text may be NULL. */
static struct request request(enum what what, size_t item, size_t i, const struct opener_file *have, const char *text)
{
	struct request rq = { .what = what, .item = (uint32_t)item, .i = (uint32_t)i };
	if (have)
		rq.have = *have;
	if (text)
		snprintf(rq.text, sizeof(rq.text), "%s", text);
	return rq;
}

int opener_open(struct opener *o, size_t item, struct opener_file *have, int *fd, struct err *err)
{
	struct request rq = request(OPEN, item, 0, have, NULL);
	return ask(o, &rq, have, fd, NULL, err);
}

int opener_open_match(struct opener *o, size_t item, const char *path, struct opener_file *have, int *fd,
                      struct err *err)
{
	struct request rq = request(OPEN_MATCH, item, 0, have, path);
	return ask(o, &rq, have, fd, NULL, err);
}

int opener_match(struct opener *o, size_t item, size_t i, char *path, struct err *err)
{
	struct request rq = request(TELL_MATCH, item, i, NULL, NULL);
	int code = ask(o, &rq, NULL, NULL, path, err);
	return code ? code : *path != '\0';
}

int opener_rotated(struct opener *o, size_t item, const char *path, size_t i, int *fd, char *name, struct err *err)
{
	struct request rq = request(OPEN_ROTATED, item, i, NULL, path);
	return ask(o, &rq, NULL, fd, name, err);
}

int opener_resume(struct opener *o, size_t item, const char *cursor, int *fd, struct err *err)
{
	struct request rq = request(RESUME, item, 0, NULL, cursor);
	return ask(o, &rq, NULL, fd, NULL, err);
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
