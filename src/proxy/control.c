#include "proxy/control.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 16 << 10, PIECE = 64 << 10, AGAIN_MS = 20 };
static const int64_t PATIENCE = 10LL * CLOCK_S;

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Waits for it. 0; -ETIMEDOUT. */
static int wait_for(int fd, short events, int64_t until)
{
	const int64_t left = until - clock_monotonic(&clock_system);
	struct pollfd p = { .fd = fd, .events = events };
	if (left <= 0)
		return -ETIMEDOUT;
	const int n = poll(&p, 1, (int)(left / CLOCK_MS) + 1);
	return n < 0 && errno != EINTR ? -errno : n ? 0 : -ETIMEDOUT;
}

/* A socket whose queue is full says EAGAIN, and not when it has room. */
static int dial(int fd, const struct sockaddr_un *to, int64_t until)
{
	const struct timespec again = { .tv_nsec = AGAIN_MS * 1000000L };
	while (connect(fd, (const struct sockaddr *)to, sizeof(*to))) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (clock_monotonic(&clock_system) >= until)
			return -ETIMEDOUT;
		nanosleep(&again, NULL);
	}
	return 0;
}

static int send_all(int fd, struct str bytes, int64_t until)
{
	int code = 0;
	while (bytes.n && !code) {
		const ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
		if (n >= 0)
			bytes = str_sub(bytes, (size_t)n, bytes.n);
		else if (errno == EAGAIN)
			code = wait_for(fd, POLLOUT, until);
		else if (errno != EINTR)
			code = -errno;
	}
	/* who refuses a body may answer before all of it was sent, and hang up */
	return code == -EPIPE || code == -ECONNRESET ? 0 : code;
}

/* Up to where the other end closes. */
static int receive_all(int fd, struct buf *to, int64_t until)
{
	for (;;) {
		char *room = buf_room(to, PIECE);
		const ssize_t n = room ? recv(fd, room, PIECE, 0) : -1;
		if (!room)
			return -EPROTO;
		if (!n)
			return 0;
		if (n > 0)
			to->n += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			return errno == ECONNRESET && to->n ? 0 : -errno;
		const int code = n < 0 ? wait_for(fd, POLLIN, until) : 0;
		if (code)
			return code;
	}
}

/* The number that a text is, whole; -1: it is none. */
static long number(struct str s)
{
	long n = 0;
	for (size_t i = 0; i < s.n; i++)
		n = s.p[i] < '0' || s.p[i] > '9' || n > CONTROL_ANSWER_MAX ? -1 : n < 0 ? n : n * 10 + (s.p[i] - '0');
	return s.n ? n : -1;
}

static bool is_name(struct str s, struct str lower)
{
	for (size_t i = 0; s.n == lower.n && i < s.n; i++)
		if ((s.p[i] | 0x20) != lower.p[i])
			return false;
	return s.n == lower.n;
}

int control_read(struct str bytes, struct str *body)
{
	const char *end = bytes.n ? memmem(bytes.p, bytes.n < HEAD_MAX ? bytes.n : HEAD_MAX, "\r\n\r\n", 4) : NULL;
	if (!end || !str_starts(bytes, STR("HTTP/1.")) || bytes.n < 12 || bytes.p[8] != ' ')
		return -EPROTO;
	const long status = number(str_sub(bytes, 9, 3));
	const struct str rest = str_sub(bytes, (size_t)(end - bytes.p) + 4, bytes.n);
	long length = -1;
	for (struct str head = { bytes.p, (size_t)(end - bytes.p) }; head.n;) {
		const struct str line = str_sub(head, 0, str_find(head, '\n'));
		const size_t colon = str_find(line, ':');
		if (is_name(str_sub(line, 0, colon), STR("content-length")))
			length = number(str_trim(str_sub(line, colon + 1, line.n)));
		head = str_sub(head, line.n + 1, head.n);
	}
	if (status < 200 || status > 599 || length < 0 || (size_t)length != rest.n)
		return -EPROTO;
	*body = rest;
	return (int)status;
}

static int exchange(const struct sockaddr_un *to, struct str head, struct str body, struct buf *got)
{
	const int64_t until = clock_monotonic(&clock_system) + PATIENCE;
	CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int code = dial(fd, to, until);
	if (!code)
		code = send_all(fd, head, until);
	if (!code)
		code = send_all(fd, body, until);
	return code ? code : receive_all(fd, got, until);
}

static int explain(struct err *err, int code, const char *socket)
{
	switch (code) {
	case -ENOENT:
	case -ECONNREFUSED: return err_set(err, code, "no gate runs at '%s'", socket);
	case -EACCES:
		return err_set(err, code, "no right to '%s': do this as root, or as the user the gate runs as", socket);
	case -ETIMEDOUT: return err_set(err, code, "the gate at '%s' doesn't answer", socket);
	case -EPROTO: return err_set(err, code, "what answers at '%s' is no gate", socket);
	default: return err_set(err, code, "ask the gate at '%s': %m", socket);
	}
}

int control_ask(const char *socket, const char *method, const char *target, struct str body, struct buf *answer,
                struct err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	CLEANUP(buf_free) struct buf head = { .max = HEAD_MAX }, got = { .max = CONTROL_ANSWER_MAX + HEAD_MAX + PIECE };
	struct str text;
	if (strlen(socket) >= sizeof(to.sun_path))
		return err_set(err, -ENAMETOOLONG, "'%s' is too long a name for a socket: %m", socket);
	memcpy(to.sun_path, socket, strlen(socket));
	/* HTTP/1.0: the answer ends with the connection and comes in one piece */
	buf_printf(&head, "%s %s HTTP/1.0\r\nHost: khien\r\n", method, target);
	if (body.n || strcmp(method, "PUT") == 0)
		buf_printf(&head, "Content-Type: text/plain\r\nContent-Length: %zu\r\n", body.n);
	buf_add(&head, STR("\r\n"));
	if (head.failed)
		return err_set(err, -ENAMETOOLONG, "ask the gate: the question is too long");
	int code = exchange(&to, buf_str(&head), body, &got);
	if (!code)
		code = control_read(buf_str(&got), &text);
	if (code < 0)
		return explain(err, code, socket);
	buf_add(answer, text);
	return answer->failed ? err_set(err, -ENOMEM, "%m") : code;
}
