#include "cmd/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Syslog from the network: UDP, a message a datagram (RFC 5426); TCP, a message a line or with its length before it
 * (RFC 6587). Each connection has its own framer, so a half message of one never meets another's.
 */
enum {
	DATAGRAM = 64 << 10,
	BURST = 256, /* datagrams before others have their turn */
	MAX_CONNECTIONS = 64,
	MAX_MESSAGE = 1 << 20,
	LENGTH_DIGITS = 7,
};
static const int64_t IDLE_CLOSE = 600LL * CLOCK_S; /* a connection that says nothing makes room for another */

struct connection {
	struct listener *listener;
	int fd; /* -1: free */
	struct framer *framer;
	bool counted;          /* lengths stand before the messages */
	bool begun;            /* the first byte has told which */
	size_t left;           /* bytes of the message still to come */
	size_t length, digits; /* of the length being read */
	int64_t last;
};

struct listener {
	struct origin origin;
	struct loop *loop;
	const struct clock *clock;
	int fd;
	struct framer *framer;          /* UDP */
	struct connection *connections; /* TCP */
	char *bytes;
	uint64_t refused;
	uint32_t dropped; /* by the kernel, as it counts */
};

static int new_framer(struct listener *l, struct framer **ret, struct err *err)
{
	const struct framer_config config = {
		.origin = l->origin.name,
		.format = intake_format(STR("syslog")),
		.max_record = MAX_MESSAGE,
		.now = clock_wall(l->clock),
		.sink = pipe_batch,
		.skip = pipe_skip,
		.arg = &l->origin,
	};
	return framer_new(ret, &config, err);
}

uint64_t listener_shed(const struct listener *l)
{
	return l->refused + l->dropped;
}

/* --- UDP --- */

static void count_drops(struct listener *l, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
			memcpy(&l->dropped, CMSG_DATA(c), sizeof(l->dropped));
}

static int on_datagrams(void *arg, int fd)
{
	struct listener *l = arg;
	int code = 0;
	for (int i = 0; i < BURST && !code; i++) {
		union {
			struct cmsghdr align;
			char room[CMSG_SPACE(sizeof(uint32_t))];
		} control;
		struct iovec io = { l->bytes, DATAGRAM };
		struct msghdr msg = {
			.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control)
		};
		ssize_t n = recvmsg(fd, &msg, 0);
		if (n < 0)
			break; /* nothing more; an ICMP error that came back is nothing to us either */
		count_drops(l, &msg);
		/* A line break within a message would begin another, with a sender of its own making. */
		struct str m = str_trim((struct str){ l->bytes, (size_t)n });
		for (size_t k = str_find(m, '\n'); k < m.n; k += str_find(str_sub(m, k, m.n), '\n'))
			l->bytes[m.p - l->bytes + (ptrdiff_t)k] = ' ';
		if (m.n)
			code = framer_feed(l->framer, m, clock_wall(l->clock));
		if (m.n && !code)
			code = framer_feed(l->framer, STR("\n"), clock_wall(l->clock));
	}
	return code ? code : framer_flush(l->framer, true);
}

/* --- TCP --- */

static int close_connection(struct connection *c)
{
	int code = c->framer ? framer_end(c->framer) : 0;
	loop_unwatch(c->listener->loop, c->fd);
	close(c->fd);
	framer_free(c->framer);
	c->framer = NULL;
	c->fd = -1;
	return code;
}

/* "LENGTH MESSAGE", cut anywhere. -EPROTO: what stands there is no length. */
static int feed_counted(struct connection *c, struct str bytes, int64_t now)
{
	int code = 0;
	while (bytes.n && !code) {
		if (c->left) {
			struct str part = str_sub(bytes, 0, c->left);
			/* as with a datagram */
			for (char *p = (char *)part.p; (p = memchr(p, '\n', part.n - (size_t)(p - part.p)));)
				*p = ' ';
			bytes = str_sub(bytes, part.n, bytes.n);
			c->left -= part.n;
			code = framer_feed(c->framer, part, now);
			if (!code && !c->left)
				code = framer_feed(c->framer, STR("\n"), now);
			continue;
		}
		char digit = bytes.p[0];
		bytes = str_sub(bytes, 1, bytes.n);
		if (digit >= '0' && digit <= '9' && c->digits < LENGTH_DIGITS) {
			c->length = c->length * 10 + (size_t)(digit - '0');
			c->digits++;
		} else if (digit == ' ' && c->digits) {
			c->left = c->length;
			c->length = c->digits = 0;
		} else if (c->digits || (digit != '\n' && digit != '\r')) {
			return -EPROTO;
		}
	}
	return code;
}

static int on_stream(void *arg, int fd)
{
	struct connection *c = arg;
	struct listener *l = c->listener;
	ssize_t n = recv(fd, l->bytes, DATAGRAM, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return close_connection(c);
	c->last = clock_monotonic(l->clock);
	if (!c->begun) {
		c->begun = true;
		c->counted = l->bytes[0] >= '1' && l->bytes[0] <= '9';
	}
	struct str bytes = { l->bytes, (size_t)n };
	int64_t now = clock_wall(l->clock);
	int code = c->counted ? feed_counted(c, bytes, now) : framer_feed(c->framer, bytes, now);
	if (code == -EPROTO) {
		pipe_skip(&l->origin, l->origin.name, 0, "a message without its length; the connection was closed");
		return close_connection(c);
	}
	return code ? code : framer_flush(c->framer, false);
}

static struct connection *free_connection(struct listener *l, int64_t now)
{
	struct connection *idle = NULL;
	for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
		struct connection *c = &l->connections[i];
		if (c->fd < 0)
			return c;
		if (now - c->last > IDLE_CLOSE && (!idle || c->last < idle->last))
			idle = c;
	}
	return idle;
}

static int on_connect(void *arg, int fd)
{
	struct listener *l = arg;
	int64_t now = clock_monotonic(l->clock);
	int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (peer < 0)
		return 0;
	struct connection *c = free_connection(l, now);
	int code = c && c->fd >= 0 ? close_connection(c) : 0;
	struct framer *framer = NULL;
	if (!c || code || new_framer(l, &framer, NULL) || loop_watch(l->loop, peer, on_stream, c, NULL)) {
		framer_free(framer);
		close(peer);
		l->refused++;
		return code;
	}
	*c = (struct connection){ .listener = l, .fd = peer, .framer = framer, .last = now };
	return 0;
}

/* --- both --- */

int listener_new(struct listener **ret, struct pipe *pipe, struct loop *loop, enum opener_kind kind, int fd,
                 const char *address, const struct clock *clock, struct err *err)
{
	struct listener *l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(err, -ENOMEM, "%s: %m", address);
	*l = (struct listener){ .origin = { .pipe = pipe, .name = address }, .loop = loop, .clock = clock, .fd = fd };
	bool udp = kind == OPENER_UDP;
	l->bytes = malloc(DATAGRAM);
	l->connections = udp ? NULL : calloc(MAX_CONNECTIONS, sizeof(*l->connections));
	for (size_t i = 0; l->connections && i < MAX_CONNECTIONS; i++)
		l->connections[i] = (struct connection){ .listener = l, .fd = -1 };
	int code = l->bytes && (udp || l->connections) ? 0 : err_set(err, -ENOMEM, "%s: %m", address);
	if (!code && udp)
		code = new_framer(l, &l->framer, err);
	if (!code)
		code = loop_watch(loop, fd, udp ? on_datagrams : on_connect, l, err);
	if (code) {
		listener_free(l);
		return code;
	}
	*ret = l;
	return 0;
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	for (size_t i = 0; l->connections && i < MAX_CONNECTIONS; i++)
		if (l->connections[i].fd >= 0)
			close_connection(&l->connections[i]);
	loop_unwatch(l->loop, l->fd);
	close(l->fd);
	if (l->framer)
		framer_end(l->framer);
	framer_free(l->framer);
	free(l->connections);
	free(l->bytes);
	free(l);
}
