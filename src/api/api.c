#include "api/routes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_BODY = 64 << 20,
	MAX_CONNECTIONS = 256,
	POSTS_ROOM = 7, /* times as many connections beside them, for posts that have shown who they are */
	CONNECTION_MEMORY = 64 << 10, /* header, and what is read of a body at a time */
	ROUNDS = 32,                  /* of the daemon in one api_run(): others want their turn */
	QUIET_ROUNDS = 8,             /* without progress */
	PAUSE_MIN_MS = 1,
	PAUSE_MAX_MS = 64,
};

/* --- connections --- */

static struct in6_addr address_of(const struct sockaddr *sa)
{
	struct in6_addr a = { 0 };
	if (sa && sa->sa_family == AF_INET) {
		a.s6_addr[10] = a.s6_addr[11] = 0xff;
		memcpy(a.s6_addr + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
	} else if (sa && sa->sa_family == AF_INET6) {
		a = ((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	}
	return a;
}

static void show_peer(struct conn *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	c->address = address_of(info ? info->client_addr : NULL);
	const bool v4 = IN6_IS_ADDR_V4MAPPED(&c->address);
	inet_ntop(v4 ? AF_INET : AF_INET6, c->address.s6_addr + (v4 ? 12 : 0), c->peer, sizeof(c->peer));
}

/* Of one peer: an IPv6 host has a whole /64 to itself. */
static bool same_peer(const struct in6_addr *a, const struct in6_addr *b)
{
	return memcmp(a, b, IN6_IS_ADDR_V4MAPPED(a) ? sizeof(*a) : sizeof(*a) / 2) == 0;
}

/* Whether so many connections are the peer's that there is none left for it. */
static bool has_its_share(const struct api *a, const struct in6_addr *peer)
{
	const unsigned max = a->c.max_connections;
	unsigned all = 0, strange = 0;
	for (const struct conn *c = a->conns; c; c = c->next) {
		const bool same = !c->post && same_peer(&c->address, peer);
		all += same;
		strange += same && !c->known;
	}
	return strange >= (max + 3) / 4 || all >= max - max / 4;
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode what)
{
	struct api *a = arg;
	struct conn *c = *slot;
	a->progress++;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		c = calloc(1, sizeof(*c));
		if (!c)
			return; /* its first request is refused */
		c->a = a;
		c->mhd = mhd;
		c->deadline = clock_monotonic(a->c.clock) + (int64_t)FIRST_S * CLOCK_S;
		c->next = a->conns;
		if (a->conns)
			a->conns->prev = c;
		a->conns = c;
		a->counts.connections++;
		*slot = c;
		show_peer(c);
	} else if (c) {
		*(c->prev ? &c->prev->next : &a->conns) = c->next;
		if (c->next)
			c->next->prev = c->prev;
		a->counts.connections--;
		a->n_posts -= c->post;
		*slot = NULL;
		posts_forget(c);
		hunt_forget(c);
		free(c);
	}
}

/* Beyond what may be, a connection is closed at once, not left waiting: the other side goes elsewhere or comes again. */
static enum MHD_Result may_connect(void *arg, const struct sockaddr *address, socklen_t n)
{
	struct api *a = arg;
	const struct in6_addr peer = address_of(address);
	const unsigned posts = a->c.max_connections * POSTS_ROOM;
	const unsigned others = a->counts.connections - (a->n_posts < posts ? a->n_posts : posts);
	if (others < a->c.max_connections && !a->draining && !has_its_share(a, &peer))
		return MHD_YES;
	a->counts.busy++;
	return MHD_NO;
}

/* Who says too little for too long loses its connection; libmicrohttpd closes what says nothing at all. */
static void sweep(struct api *a, int64_t now)
{
	for (struct conn *c = a->conns; c; c = c->next) {
		const union MHD_ConnectionInfo *info;
		if (c->deadline > now || (c->r && c->r->suspended))
			continue;
		info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
		if (info)
			shutdown(info->connect_fd, SHUT_RDWR);
	}
}

/* --- the server --- */

/* libmicrohttpd and GnuTLS want text with a NUL behind it. They copy it. */
static char *text_of(struct str s)
{
	char *p = malloc(s.n + 1);
	if (p) {
		memcpy(p, s.p, s.n);
		p[s.n] = '\0';
	}
	return p;
}

static void wipe_free(char *p, size_t n)
{
	if (p)
		sodium_memzero(p, n);
	free(p);
}

static size_t unescape(void *arg, struct MHD_Connection *mhd, char *text)
{
	return route_unescape(text);
}

static void start(struct api *a, const struct api_tls *tls, const char *key, const char *certificate, const char *ca)
{
	struct MHD_OptionItem with_tls[] = {
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key },
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)certificate },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" },
		/* with this a certificate is asked for; who has none goes on without */
		{ a->posts.who ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, (void *)(uintptr_t)ca },
		{ MHD_OPTION_END, 0, NULL },
	};
	a->daemon = MHD_start_daemon(
	        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (tls ? MHD_USE_TLS : 0), 0, may_connect, a,
	        api_request_handle, a, MHD_OPTION_LISTEN_SOCKET, a->c.fd, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
	        a, MHD_OPTION_NOTIFY_COMPLETED, api_request_completed, a, MHD_OPTION_CONNECTION_LIMIT,
	        a->c.max_connections * (a->posts.who ? POSTS_ROOM + 1 : 1) + 1, MHD_OPTION_CONNECTION_TIMEOUT,
	        (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
	        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, hunt_uri, a, MHD_OPTION_UNESCAPE_CALLBACK,
	        unescape, NULL, MHD_OPTION_ARRAY, tls ? with_tls : &with_tls[ARRAY_LEN(with_tls) - 1], MHD_OPTION_END);
}

static int watch(struct api *a)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(a->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct epoll_event in = { .events = EPOLLIN };
	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	a->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (a->epoll < 0 || a->timer < 0 || epoll_ctl(a->epoll, EPOLL_CTL_ADD, a->timer, &in) ||
	    epoll_ctl(a->epoll, EPOLL_CTL_ADD, info->epoll_fd, &in))
		return -errno;
	return 0;
}

int api_new(struct api **ret, const struct api_config *config, struct err *err)
{
	struct api *a = calloc(1, sizeof(*a));
	if (!a) {
		close(config->fd);
		return err_set(err, -ENOMEM, "http: %m");
	}
	a->c = *config;
	a->c.tls = NULL; /* borrowed for this call only */
	a->c.posts = NULL;
	a->c.hunts = NULL;
	if (config->hunts)
		a->hunts = *config->hunts;
	a->c.max_body = config->max_body ? config->max_body : MAX_BODY;
	a->c.max_connections = config->max_connections ? config->max_connections : MAX_CONNECTIONS;
	a->queue = (struct ingest_queue){ .take = config->take, .taker = config->taker, .clock = config->clock };
	a->memory = API_MEMORY;
	a->c.memory = config->memory ? config->memory : &a->memory;
	a->epoll = a->timer = -1;
	tzset(); /* the first date would open /etc/localtime: not from within the sandbox */
	const struct api_tls *tls = config->tls;
	char *key = tls ? text_of(tls->key) : NULL, *certificate = tls ? text_of(tls->certificate) : NULL;
	char *ca = tls && config->posts ? text_of(config->posts->ca) : NULL;
	if (ca)
		a->posts = *config->posts;
	a->posts.ca = STR(""); /* it, too */
	if (!tls || (key && certificate)) {
		start(a, tls, key, certificate, ca);
		a->c.fd = -1; /* the daemon's, and closed where it didn't start */
	}
	wipe_free(key, tls ? tls->key.n : 0);
	free(certificate);
	free(ca);
	int code = a->daemon ? watch(a) : -EIO;
	if (code) {
		bool started = a->daemon != NULL;
		api_free(a);
		return err_set(err, code, started ? "http: %m" : "http: the server doesn't start%s",
		               tls ? ": is the certificate the key's?" : "");
	}
	*ret = a;
	return 0;
}

void api_free(struct api *a)
{
	if (!a)
		return;
	a->stopping = true;
	/* A daemon can't be stopped while it has suspended connections. */
	for (struct conn *c = a->conns; c && a->daemon; c = c->next) {
		if (c->r && c->r->suspended) {
			c->r->suspended = false;
			MHD_resume_connection(c->mhd);
		}
	}
	if (a->daemon)
		MHD_stop_daemon(a->daemon);
	if (a->c.fd >= 0)
		close(a->c.fd);
	if (a->epoll >= 0)
		close(a->epoll);
	if (a->timer >= 0)
		close(a->timer);
	free(a);
}

int api_fd(const struct api *a)
{
	return a->epoll;
}

/* Whether the daemon has something to do that no descriptor tells of. */
static bool is_busy(struct api *a)
{
	MHD_UNSIGNED_LONG_LONG ms;
	return MHD_get_timeout(a->daemon, &ms) == MHD_YES && !ms;
}

/*
 * Runs the daemon until it has nothing to do. It says so wrongly of a connection that waits in the midst of a TLS
 * handshake: without progress it is asked again after a pause only, and what comes meanwhile is told by its descriptor.
 */
static bool run(struct api *a)
{
	unsigned quiet = 0;
	struct itimerspec timer = { 0 };
	for (int i = 0; i < ROUNDS && quiet < QUIET_ROUNDS; i++) {
		uint64_t before = a->progress;
		if (MHD_run(a->daemon) != MHD_YES)
			return false;
		if (!is_busy(a))
			return true;
		quiet = a->progress == before ? quiet + 1 : 0;
	}
	if (quiet < QUIET_ROUNDS)
		a->pause_ms = 0;
	else
		a->pause_ms = !a->pause_ms ? PAUSE_MIN_MS : a->pause_ms < PAUSE_MAX_MS ? a->pause_ms * 2 : PAUSE_MAX_MS;
	timer.it_value.tv_nsec = a->pause_ms ? (long)a->pause_ms * 1000000 : 1;
	return !timerfd_settime(a->timer, 0, &timer, NULL);
}

int api_run(struct api *a)
{
	uint64_t expired;
	int64_t now = clock_monotonic(a->c.clock);
	if (read(a->timer, &expired, sizeof(expired)) < 0 && errno != EAGAIN)
		return -errno;
	if (!run(a))
		return -EIO;
	if (now - a->swept >= CLOCK_S) {
		a->swept = now;
		sweep(a, now);
		posts_tick(a, now);
		hunt_tick(a, now);
		ingest_room(&a->queue);
		ingest_expire(&a->queue, now - (int64_t)WAIT_FOR_ROOM_S * CLOCK_S);
	}
	return 0;
}

void api_room(struct api *a)
{
	ingest_room(&a->queue);
}

bool api_drain(struct api *a)
{
	if (!a->draining) {
		a->draining = true;
		posts_tick(a, INT64_MAX);
		hunt_tick(a, INT64_MAX);
		MHD_socket fd = MHD_quiesce_daemon(a->daemon);
		if (fd != MHD_INVALID_SOCKET)
			close(fd);
	}
	return !a->n_requests;
}

struct api_counts api_counts(const struct api *a)
{
	return a->counts;
}
