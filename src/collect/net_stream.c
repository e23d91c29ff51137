#include "collect/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections: each has a framer of its own, so a half message of one never meets another's. */
enum {
	MAX_CONNECTIONS = 256,
	MAX_HANDSHAKES = 64,
	BATCH = 64 << 10,
	ACCEPTS = 16, /* before others have their turn */
	TLS_READS = 4,
	LENGTH_DIGITS = 7,
};
static const int64_t IDLE_CLOSE = 600LL * CLOCK_S; /* a connection that says nothing makes room for another */
static const int64_t SLOW_CLOSE = 30LL * CLOCK_S;  /* so does one that doesn't come to the end of a message */
static const int64_t HANDSHAKE_TIME = 10LL * CLOCK_S;
static const int64_t HANDSHAKE_BUSY = 2LL * CLOCK_S; /* when others wait for theirs */
static const int64_t TELL_EVERY = 10LL * CLOCK_S;

static int on_stream(void *connection, int fd);

static int watch(struct connection *c, bool on)
{
	struct loop *loop = c->listener->c.loop;
	int code = 0;
	if (on && !c->watched)
		code = loop_watch(loop, c->fd, on_stream, c, NULL);
	else if (!on && c->watched)
		loop_unwatch(loop, c->fd);
	c->watched = on && !code;
	return code;
}

/* --- the end of one --- */

static int close_connection(struct connection *c)
{
	struct listener *l = c->listener;
	int code = 0;
	if (c->left) {
		l->counts.lost++;
		inlet_skip(&c->inlet, l->c.name, 0, "a message was cut off by the end of its connection");
	} else if (c->framer) {
		code = framer_end(c->framer);
	}
	watch(c, false);
	tls_session_free(c->tls);
	close(c->fd);
	framer_free(c->framer);
	l->counts.connections--;
	l->counts.handshakes -= c->state == CONN_HANDSHAKE;
	c->tls = NULL;
	c->framer = NULL;
	c->fd = -1;
	c->left = 0;
	c->state = inlet_full(&c->inlet) ? CONN_LEFT : CONN_FREE;
	l->full = l->full || c->state == CONN_LEFT;
	return code;
}

/* A client that TLS keeps out. */
static int deny(struct connection *c, const char *why)
{
	struct listener *l = c->listener;
	const struct taker *t = l->c.taker;
	int64_t now = clock_monotonic(l->c.clock);
	char who[INET6_ADDRSTRLEN + 16] = "syslog-tls ";
	net_address_text(&c->peer, who + strlen(who));
	l->counts.denied++;
	if (now - l->told >= TELL_EVERY) {
		l->told = now;
		t->note(t->arg, LOG_LEVEL_WARNING, NOTE_TURNED_AWAY, who, why);
	}
	return close_connection(c);
}

/* --- messages --- */

/* "LENGTH MESSAGE", cut anywhere. -EPROTO: what stands there is no length. */
static int feed_counted(struct connection *c, struct str bytes, int64_t now)
{
	int code = 0;
	while (bytes.n && !code) {
		if (c->left) {
			struct str part = str_sub(bytes, 0, c->left);
			bytes = str_sub(bytes, part.n, bytes.n);
			c->left -= part.n;
			if (!c->left && part.p[part.n - 1] == '\n') /* rsyslog's templates end with one, also here */
				part.n--;
			/* as with a datagram */
			for (char *p = (char *)part.p; (p = memchr(p, '\n', part.n - (size_t)(p - part.p)));)
				*p = ' ';
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

static bool is_partial(const struct connection *c)
{
	uint64_t offset, line;
	framer_position(c->framer, &offset, &line);
	return c->left || c->digits || offset < framer_counts(c->framer)->bytes;
}

static uint64_t ended(const struct connection *c)
{
	const struct intake_counts *n = framer_counts(c->framer);
	return n->records + n->skipped;
}

static int feed(struct connection *c, struct str bytes)
{
	struct listener *l = c->listener;
	int64_t now = clock_wall(l->c.clock);
	bool partial = is_partial(c);
	uint64_t before = ended(c);
	if (!c->begun) {
		c->begun = true;
		c->counted = bytes.p[0] >= '1' && bytes.p[0] <= '9';
	}
	int code = c->counted ? feed_counted(c, bytes, now) : framer_feed(c->framer, bytes, now);
	if (!code || code == -EPROTO) {
		int flushed = framer_flush(c->framer, false);
		code = flushed ? flushed : code;
	}
	l->full = l->full || inlet_full(&c->inlet);
	/* bytes alone are no progress: who sends one now and then would hold its place for ever */
	if (ended(c) > before || (!partial && is_partial(c)))
		c->since = clock_monotonic(l->c.clock);
	return code;
}

static long receive(struct connection *c, char *to, size_t n)
{
	if (c->tls)
		return tls_read(c->tls, to, n);
	ssize_t got = recv(c->fd, to, n, 0);
	return got >= 0 ? got : errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
}

static int read_stream(struct connection *c)
{
	struct listener *l = c->listener;
	int code = 0;
	for (int i = 0; !code && !l->full && (i < (c->tls ? TLS_READS : 1) || (c->tls && tls_pending(c->tls))); i++) {
		long n = receive(c, l->bytes, NET_READ);
		if (n == -EAGAIN)
			return 0;
		if (n <= 0)
			return close_connection(c);
		code = feed(c, (struct str){ l->bytes, (size_t)n });
		if (code != -EPROTO)
			continue;
		inlet_skip(&c->inlet, l->c.name, 0, "a message without its length; the connection was closed");
		return close_connection(c);
	}
	return code;
}

/* --- the beginning of one --- */

/* Its framer, and who it is: from here on it may send messages. */
static int open_stream(struct connection *c)
{
	struct listener *l = c->listener;
	const struct taker *t = l->c.taker;
	char name[SENDER_NAME], text[INET6_ADDRSTRLEN];
	if (net_framer(l, &c->inlet, BATCH, &c->framer, NULL)) {
		l->counts.refused++;
		return close_connection(c);
	}
	l->counts.handshakes -= c->state == CONN_HANDSHAKE;
	l->counts.accepted++;
	c->state = CONN_OPEN;
	c->since = clock_monotonic(l->c.clock);
	if (!t->sender)
		return 0;
	net_address_text(&c->peer, text);
	if (c->tls && *tls_name(c->tls))
		snprintf(name, sizeof(name), "syslog-tls %s (%s)", tls_name(c->tls), text);
	else
		snprintf(name, sizeof(name), "syslog-%s %s", c->tls ? "tls" : "tcp", text);
	c->origin = (struct origin){ .name = l->c.name, .sender = t->sender(t->arg, str_from(name)) };
	c->inlet.origin = &c->origin;
	return 0;
}

static int shake_hands(struct connection *c)
{
	struct err err;
	int code = tls_handshake(c->tls, &err);
	if (code == -EAGAIN)
		return watch(c, true) ? deny(c, "too many descriptors") : 0;
	if (code == -EINPROGRESS)
		return watch(c, false); /* tried again by net_stream_tick(): it doesn't read what it asked for */
	if (code)
		return deny(c, err.text);
	code = open_stream(c);
	if (code || c->state != CONN_OPEN)
		return code;
	if (watch(c, true))
		return close_connection(c);
	return read_stream(c); /* it may have come with the handshake */
}

static int on_stream(void *arg, int fd)
{
	struct connection *c = arg;
	if (c->state == CONN_HANDSHAKE)
		return shake_hands(c);
	if (c->listener->full)
		return watch(c, false);
	return read_stream(c);
}

/* Of one peer: an IPv6 host has a whole /64 to itself. */
static bool same_peer(const struct address *a, const struct address *b)
{
	static const unsigned char v4[12] = { [10] = 0xff, [11] = 0xff };
	return memcmp(a->at, b->at, memcmp(a->at, v4, sizeof(v4)) == 0 ? 16 : 8) == 0;
}

/* May be closed for another's sake. What isn't read for lack of room is not slow. */
static bool gives_way(const struct connection *c, int64_t now)
{
	const struct listener *l = c->listener;
	return c->state == CONN_OPEN && !l->full && now - c->since > (is_partial(c) ? SLOW_CLOSE : IDLE_CLOSE);
}

/* A free connection, which may mean to close one; NULL: there is no room for this peer. */
static struct connection *find_room(struct listener *l, const struct address *peer, int *code)
{
	int64_t now = clock_monotonic(l->c.clock);
	struct connection *room = NULL, *slowest = NULL, *own = NULL;
	unsigned n = 0, shaking = 0;
	for (unsigned i = 0; i < l->max; i++) {
		struct connection *c = &l->connections[i];
		bool same = c->state != CONN_FREE && same_peer(&c->peer, peer);
		n += same;
		shaking += same && c->state == CONN_HANDSHAKE;
		if (c->state == CONN_FREE)
			room = c;
		if (!gives_way(c, now))
			continue;
		if (!slowest || c->since < slowest->since)
			slowest = c;
		if (same && (!own || c->since < own->since))
			own = c;
	}
	if (l->tls && shaking >= (l->max_handshakes + 3) / 4)
		return NULL;
	bool share = n < (l->max + 3) / 4;
	if (share && room)
		return room;
	room = share ? slowest : own;
	if (!room)
		return NULL;
	l->counts.refused++;
	*code = close_connection(room);
	return room->state == CONN_FREE && !*code ? room : NULL;
}

static int admit(struct listener *l, int fd, const struct address *peer)
{
	int code = 0;
	struct tls_session *tls = NULL;
	struct connection *c = find_room(l, peer, &code);
	if (!c || (l->tls && tls_session_new(&tls, l->tls, fd))) {
		close(fd);
		l->counts.refused++;
		return code;
	}
	*c = (struct connection){
		.listener = l,
		.state = tls ? CONN_HANDSHAKE : CONN_OPEN,
		.fd = fd,
		.peer = *peer,
		.tls = tls,
		.inlet = { .taker = l->c.taker, .origin = &l->origin },
		.since = clock_monotonic(l->c.clock),
	};
	l->counts.connections++;
	l->counts.handshakes += tls != NULL;
	if (watch(c, true)) {
		l->counts.refused++;
		return close_connection(c);
	}
	return tls ? 0 : open_stream(c);
}

int stream_on_connect(void *arg, int fd)
{
	struct listener *l = arg;
	int code = 0;
	for (int i = 0; i < ACCEPTS && !code; i++) {
		struct sockaddr_storage from = { 0 };
		socklen_t len = sizeof(from);
		if (l->tls && l->counts.handshakes >= l->max_handshakes)
			return net_watch(l, false); /* the others wait outside */
		int peer = accept4(fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (peer < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
			return net_watch(l, false); /* until the next tick: it would be called again at once */
		if (peer < 0)
			return 0;
		struct address a = net_address(&from);
		code = admit(l, peer, &a);
	}
	return code;
}

/* --- from time to time --- */

int net_stream_tick(struct listener *l)
{
	int64_t now = clock_monotonic(l->c.clock);
	int64_t most = l->watched ? HANDSHAKE_TIME : HANDSHAKE_BUSY;
	int code = 0;
	for (unsigned i = 0; i < l->max && !code && l->counts.handshakes; i++) {
		struct connection *c = &l->connections[i];
		if (c->state != CONN_HANDSHAKE)
			continue;
		if (now - c->since > most)
			code = deny(c, "it took too long to shake hands");
		else if (!c->watched)
			code = shake_hands(c);
	}
	if (!code && !l->watched && (!l->tls || l->counts.handshakes < l->max_handshakes))
		net_watch(l, true); /* in vain: tried again */
	return code;
}

int stream_room(struct listener *l)
{
	int code = 0;
	l->full = false;
	for (unsigned i = 0; i < l->max && !code && !l->full; i++) {
		struct connection *c = &l->connections[i];
		code = c->state == CONN_FREE ? 0 : inlet_retry(&c->inlet);
		l->full = code == -EAGAIN;
		code = l->full ? 0 : code;
		if (c->state == CONN_LEFT && !inlet_full(&c->inlet))
			c->state = CONN_FREE;
	}
	for (unsigned i = 0; i < l->max && !code && !l->full; i++) {
		struct connection *c = &l->connections[(l->turn + i) % l->max];
		if (c->state != CONN_OPEN || (c->watched && !(c->tls && tls_pending(c->tls))))
			continue;
		c->since = clock_monotonic(l->c.clock);
		code = read_stream(c);
		if (l->full) /* the others come first the next time */
			l->turn = (l->turn + i + 1) % l->max;
		if (!code && c->state == CONN_OPEN && watch(c, true))
			code = close_connection(c);
	}
	return code;
}

int stream_new(struct listener *l, struct err *err)
{
	const struct listener_tls *tls = l->c.kind == OPENER_TLS ? l->c.tls : NULL;
	l->max = l->c.max_connections ? l->c.max_connections : MAX_CONNECTIONS;
	l->max_handshakes = tls && tls->max_handshakes ? tls->max_handshakes : MAX_HANDSHAKES;
	l->told = clock_monotonic(l->c.clock) - TELL_EVERY;
	l->bytes = malloc(NET_READ);
	l->connections = calloc(l->max, sizeof(*l->connections));
	if (!l->bytes || !l->connections)
		return err_set(err, -ENOMEM, "%s: %m", l->c.name);
	for (unsigned i = 0; i < l->max; i++)
		l->connections[i] = (struct connection){ .listener = l, .fd = -1 };
	if (l->c.kind == OPENER_TLS && !tls)
		return err_set(err, -EINVAL, "%s: TLS without a certificate", l->c.name);
	return tls ? tls_new(&l->tls, tls, err) : 0;
}

void stream_free(struct listener *l)
{
	for (unsigned i = 0; l->connections && i < l->max; i++) {
		struct connection *c = &l->connections[i];
		if (c->state == CONN_HANDSHAKE || c->state == CONN_OPEN)
			close_connection(c);
		if (c->state == CONN_LEFT)
			inlet_retry(&c->inlet);
		uint64_t lost = inlet_drop(&c->inlet);
		if (lost && c->inlet.origin->sender)
			c->inlet.origin->sender->refused += lost;
	}
	free(l->connections);
	free(l->bytes);
}
