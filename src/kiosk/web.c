#include "kiosk/web_server.h"

#include "kiosk/web_staff.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
	MOST_CONNECTIONS = 32 << 10,
	CONNECTION_MEMORY = 32 << 10, /* header, and what is read of a body at a time */
	ROUNDS = 32,                  /* of the daemon in one web_run(): others want their turn */
	QUIET_ROUNDS = 8,             /* without progress */
	PAUSE_MIN_MS = 1,
	PAUSE_MAX_MS = 64,
};

/* --- connections --- */

/*
 * Whether so many connections are the peer's that there is none left for it; of IPv6 also those of its site (/48), whose /64
 * are for the taking. Behind a proxy is everybody.
 */
static bool has_its_share(const struct web *w, const struct in6_addr *peer)
{
	const struct in6_addr share = address_share(peer), site = address_site(peer);
	unsigned n = 0, near = 0;
	if (networks_have(&w->trusted, peer))
		return false;
	for (const struct conn *c = w->conns; c; c = c->next) {
		const struct in6_addr theirs = address_share(&c->peer), around = address_site(&c->peer);
		n += !memcmp(&theirs, &share, sizeof(share));
		near += !memcmp(&around, &site, sizeof(site));
	}
	return n >= (w->c.max_connections + SHARE - 1) / SHARE ||
	       near >= (w->c.max_connections + SITE_SHARE - 1) / SITE_SHARE;
}

static void hang_up(struct conn *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info)
		shutdown(info->connect_fd, SHUT_RDWR);
}

/* Nothing whole has come from there. */
static bool is_idle(const struct conn *c)
{
	return !c->gone && (!c->r || (!c->r->handled && !c->r->suspended && !c->r->status));
}

/* Where all are taken, who has been idle for longest gives way to who comes: one at a time. False: all are at work. */
static bool make_room(struct web *w)
{
	struct conn *oldest = NULL;
	for (struct conn *c = w->conns; c; c = c->next)
		if (is_idle(c) && (!oldest || c->deadline < oldest->deadline))
			oldest = c;
	if (!oldest)
		return false;
	oldest->gone = true;
	hang_up(oldest);
	return true;
}

/* Beyond what may be, a connection is closed at once, not left waiting: the other side goes elsewhere or comes again. */
static enum MHD_Result may_connect(void *arg, const struct sockaddr *address, socklen_t n)
{
	struct web *w = arg;
	const struct in6_addr peer = address_of(address);
	const unsigned have = w->counts.connections, most = w->c.max_connections;
	if (have <= most && !w->draining && !has_its_share(w, &peer) && (have < most || make_room(w)))
		return MHD_YES;
	w->counts.limited++;
	return MHD_NO;
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode what)
{
	struct web *w = arg;
	struct conn *c = *slot;
	w->progress++;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
		c = calloc(1, sizeof(*c));
		if (!c)
			return; /* its first request is refused */
		c->w = w;
		c->mhd = mhd;
		c->peer = address_of(info ? info->client_addr : NULL);
		c->proxy = networks_have(&w->trusted, &c->peer);
		c->deadline = web_now(w) + FIRST_S * (int64_t)CLOCK_S;
		c->next = w->conns;
		if (w->conns)
			w->conns->prev = c;
		w->conns = c;
		w->counts.connections++;
		*slot = c;
	} else if (c) {
		*(c->prev ? &c->prev->next : &w->conns) = c->next;
		if (c->next)
			c->next->prev = c->prev;
		w->counts.connections--;
		*slot = NULL;
		free(c);
	}
}

/* Who says too little for too long loses its connection; libmicrohttpd closes what says nothing at all. */
static void sweep(struct web *w, int64_t now)
{
	for (struct conn *c = w->conns; c; c = c->next)
		if (c->deadline <= now && !(c->r && c->r->suspended))
			hang_up(c);
}

/* --- the server --- */

/* libmicrohttpd wants text with a NUL behind it, and copies it. */
static char *text_of(struct str s)
{
	char *p = s.n ? malloc(s.n + 1) : NULL;
	if (p) {
		memcpy(p, s.p, s.n);
		p[s.n] = '\0';
	}
	return p;
}

static void wipe_free(char *p)
{
	if (p)
		sodium_memzero(p, strlen(p));
	free(p);
}

static void start(struct web *w, const char *key, const char *certificate)
{
	struct MHD_OptionItem with_tls[] = {
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key },
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)certificate },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" },
		{ MHD_OPTION_END, 0, NULL },
	};
	w->daemon = MHD_start_daemon(
	        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (w->tls ? MHD_USE_TLS : 0), 0, may_connect, w,
	        request_handle, w, MHD_OPTION_LISTEN_SOCKET, w->c.fd, MHD_OPTION_NOTIFY_CONNECTION, on_connection, w,
	        MHD_OPTION_NOTIFY_COMPLETED, request_completed, w, MHD_OPTION_CONNECTION_LIMIT,
	        w->c.max_connections + 1, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
	        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
	        MHD_OPTION_ARRAY, w->tls ? with_tls : &with_tls[ARRAY_LEN(with_tls) - 1], MHD_OPTION_END);
	w->c.fd = -1; /* the daemon's, and closed where it didn't start */
}

static int watch(struct web *w)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(w->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct epoll_event in = { .events = EPOLLIN };
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (w->epoll < 0 || w->timer < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->timer, &in) ||
	    epoll_ctl(w->epoll, EPOLL_CTL_ADD, info->epoll_fd, &in))
		return -errno;
	return 0;
}

static void drop_response(struct MHD_Response *m)
{
	MHD_destroy_response(m);
}

/* What is borrowed for web_new() only is copied, tables are made. */
static int prepare(struct web *w, const struct web_config *config, struct err *err)
{
	const unsigned n = w->c.max_connections + OWN_ASKS;
	if (w->c.max_connections > MOST_CONNECTIONS)
		return err_set(err, -EINVAL, "http: more than %d connections", MOST_CONNECTIONS);
	const int code = networks_read(&w->trusted, config->trusted, err);
	if (code)
		return code;
	memcpy(w->form_key, config->form_key, sizeof(w->form_key));
	w->hospital_token = text_of(config->hospital_token);
	w->waiting = calloc(n, sizeof(*w->waiting));
	w->free_waiting = calloc(n, sizeof(*w->free_waiting));
	w->kept = kept_new(drop_response);
	w->limit = limit_new();
	w->gzip = gzip_new();
	if (!w->waiting || !w->free_waiting || !w->kept || !w->limit || !w->gzip ||
	    (config->hospital_token.n && !w->hospital_token))
		return err_set(err, -ENOMEM, "http: %m");
	for (w->n_free = 0; w->n_free < n; w->n_free++)
		w->free_waiting[w->n_free] = w->n_free;
	html_version(w->version);
	return 0;
}

int web_new(struct web **ret, const struct web_config *config, struct err *err)
{
	struct web *w = calloc(1, sizeof(*w));
	if (!w) {
		close(config->fd);
		return err_set(err, -ENOMEM, "http: %m");
	}
	w->c = *config;
	w->c.certificate = w->c.key = w->c.hospital_token = (struct str){ 0 };
	w->c.trusted = NULL;
	w->c.form_key = NULL;
	w->c.max_connections = config->max_connections ? config->max_connections : MAX_CONNECTIONS;
	w->tls = config->certificate.n && config->key.n;
	w->epoll = w->timer = -1;
	tzset(); /* the first date would open /etc/localtime: not from within the sandbox */
	int code = prepare(w, config, err);
	if (code) {
		web_free(w);
		return code;
	}
	char *key = text_of(config->key), *certificate = text_of(config->certificate);
	if (!w->tls || (key && certificate))
		start(w, key, certificate);
	wipe_free(key);
	free(certificate);
	code = w->daemon ? watch(w) : -EIO;
	if (code) {
		const bool started = w->daemon, tls = w->tls;
		web_free(w);
		return err_set(err, code, started ? "http: %m" : "http: the server doesn't start%s",
		               tls ? ": is the certificate the key's?" : "");
	}
	*ret = w;
	return 0;
}

void web_free(struct web *w)
{
	if (!w)
		return;
	w->stopping = true;
	stream_tick(w, 0);
	/* A daemon can't be stopped while it has suspended connections. */
	for (struct conn *c = w->conns; c && w->daemon; c = c->next) {
		if (c->r && c->r->suspended) {
			c->r->suspended = false;
			MHD_resume_connection(c->mhd);
		}
	}
	if (w->daemon)
		MHD_stop_daemon(w->daemon);
	if (w->c.fd >= 0)
		close(w->c.fd);
	if (w->epoll >= 0)
		close(w->epoll);
	if (w->timer >= 0)
		close(w->timer);
	kept_free(w->kept);
	limit_free(w->limit);
	gzip_free(w->gzip);
	free(w->waiting);
	free(w->free_waiting);
	wipe_free(w->hospital_token);
	sodium_memzero(w->form_key, sizeof(w->form_key));
	free(w);
}

int web_fd(const struct web *w)
{
	return w->epoll;
}

void web_wake(struct web *w)
{
	const struct itimerspec at_once = { .it_value.tv_nsec = 1 };
	timerfd_settime(w->timer, 0, &at_once, NULL);
}

/* Whether the daemon has something to do that no descriptor tells of. */
static bool is_busy(struct web *w)
{
	MHD_UNSIGNED_LONG_LONG ms;
	return MHD_get_timeout(w->daemon, &ms) == MHD_YES && !ms;
}

/*
 * Runs the daemon until it has nothing to do. It says so wrongly of a connection that waits in the midst of a TLS
 * handshake: without progress it is asked again after a pause only, and what comes meanwhile is told by its descriptor.
 */
static bool run(struct web *w)
{
	unsigned quiet = 0;
	struct itimerspec timer = { 0 };
	for (int i = 0; i < ROUNDS && quiet < QUIET_ROUNDS; i++) {
		const uint64_t before = w->progress;
		if (MHD_run(w->daemon) != MHD_YES)
			return false;
		if (!is_busy(w))
			return true;
		quiet = w->progress == before ? quiet + 1 : 0;
	}
	if (quiet < QUIET_ROUNDS)
		w->pause_ms = 0;
	else
		w->pause_ms = !w->pause_ms ? PAUSE_MIN_MS : w->pause_ms < PAUSE_MAX_MS ? w->pause_ms * 2 : PAUSE_MAX_MS;
	timer.it_value.tv_nsec = w->pause_ms ? (long)w->pause_ms * 1000000 : 1;
	return !timerfd_settime(w->timer, 0, &timer, NULL);
}

int web_run(struct web *w)
{
	uint64_t expired;
	const int64_t now = web_now(w);
	if (read(w->timer, &expired, sizeof(expired)) < 0 && errno != EAGAIN)
		return -errno;
	if (!run(w))
		return -EIO;
	if (now - w->swept >= CLOCK_S) {
		w->swept = now;
		sweep(w, now);
		visit_tick(w, now);
		stream_tick(w, now);
	}
	return 0;
}

void web_board_changed(struct web *w)
{
	if (web_has_streams(w) && !w->draining)
		board_changed(w);
}

void web_bookings(struct web *w, unsigned an_hour)
{
	w->bookings = an_hour;
}

bool web_drain(struct web *w)
{
	if (!w->draining) {
		w->draining = true;
		stream_tick(w, web_now(w));
		const MHD_socket fd = MHD_quiesce_daemon(w->daemon);
		if (fd != MHD_INVALID_SOCKET)
			close(fd);
	}
	return !w->n_requests;
}

struct web_counts web_counts(const struct web *w)
{
	return w->counts;
}
