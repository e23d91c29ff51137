#include "post/client.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { WHOLE = 10 /* times as long as nothing may move: a whole request, however it trickles */ };

struct client {
	struct client_config c;
	struct http *http; /* NULL: no connection */
	unsigned hub;      /* whose it is, or will be */
	unsigned dials;    /* asked for and not answered: only the last counts */
	bool used;         /* an answer came over it */
	bool stale;        /* not to be used again */
	/* the request under way */
	bool asked, again;
	struct http_request request;
	int64_t wait, moved_at, asked_at; /* monotonic */
	uint64_t moved;
	client_done *done;
	void *arg;
};

int client_new(struct client **ret, const struct client_config *config, struct err *err)
{
	struct client *c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, -ENOMEM, "%m");
	c->c = *config;
	*ret = c;
	return 0;
}

static void hang_up(struct client *c)
{
	if (!c->http)
		return;
	loop_unwatch(c->c.loop, http_fd(c->http));
	http_free(c->http);
	c->http = NULL;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	hang_up(c);
	free(c);
}

bool client_is_busy(const struct client *c)
{
	return c->asked;
}

void client_renew(struct client *c)
{
	c->stale = true;
}

static void end(struct client *c, int code, const struct answer *a, const struct err *why)
{
	c->asked = false;
	/* what is told lies in the connection */
	struct http *http = c->http;
	const bool keeps = !code && a->keeps && !c->stale;
	c->used = true;
	if (!keeps && http) {
		loop_unwatch(c->c.loop, http_fd(http));
		c->http = NULL;
	}
	c->done(c->arg, code, a, why);
	if (!keeps)
		http_free(http);
}

static void fail(struct client *c, const struct err *why)
{
	end(c, why->code, NULL, why);
}

static void dial(struct client *c)
{
	struct err err;
	hang_up(c);
	c->stale = false;
	int code = dialer_ask(c->c.dialer, c->hub, c->c.tag);
	c->dials += !code;
	if (code) {
		err_set(&err, code, "ask for a connection: %m");
		fail(c, &err);
	}
}

/* As far as the connection goes now. */
static void go_on(struct client *c)
{
	struct err err = { 0 };
	int code = http_step(c->http, &err);
	if (code == -EAGAIN || code == -EINPROGRESS) {
		loop_writable(c->c.loop, http_fd(c->http), code == -EINPROGRESS);
		if (http_moved(c->http) != c->moved)
			c->moved_at = clock_monotonic(c->c.clock);
		c->moved = http_moved(c->http);
		return;
	}
	loop_writable(c->c.loop, http_fd(c->http), false);
	if (code && c->used && !c->again && !c->request.once) {
		/* kept too long: it may be that nobody read this */
		c->again = true;
		dial(c);
		return;
	}
	if (code) {
		err.code = code;
		fail(c, &err);
	} else {
		end(c, 0, http_answer(c->http), NULL);
	}
}

static int on_ready(void *arg, int fd)
{
	struct client *c = arg;
	if (c->asked)
		go_on(c);
	else
		hang_up(c); /* nothing is to come but its end */
	return 0;
}

static int begin(struct client *c)
{
	c->moved = http_moved(c->http);
	c->moved_at = clock_monotonic(c->c.clock);
	return http_ask(c->http, &c->request);
}

void client_dialled(struct client *c, int fd, const struct err *why)
{
	struct err err = { 0 };
	char host[DIAL_HUB], port[8];
	if (--c->dials || !c->asked || c->http) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (fd < 0) {
		fail(c, why);
		return;
	}
	const struct identity *i = c->c.identity;
	dial_split(c->c.hubs[c->hub], host, port);
	const struct http_tls tls = {
		.host = str_from(host),
		.ca = buf_str(&i->ca),
		.certificate = buf_str(&i->certificate),
		.key = buf_str(&i->key),
	};
	c->used = false;
	int code = http_new(&c->http, fd, &tls, &err);
	if (!code && (code = loop_watch(c->c.loop, fd, on_ready, c, &err))) {
		http_free(c->http);
		c->http = NULL;
	}
	if (!code && (code = begin(c)))
		err_set(&err, code, "%m");
	if (code)
		fail(c, &err);
	else
		go_on(c);
}

int client_ask(struct client *c, unsigned hub, const struct http_request *r, int64_t wait, client_done *done, void *arg)
{
	if (c->asked)
		return -EBUSY;
	c->request = *r;
	c->request.host = str_from(c->c.hubs[hub]);
	c->request.header = c->c.header;
	c->wait = wait;
	c->done = done;
	c->arg = arg;
	c->asked = true;
	c->again = false;
	c->asked_at = c->moved_at = clock_monotonic(c->c.clock);
	if (c->http && c->hub == hub && !c->stale && !r->once && !begin(c)) {
		/* nothing is called from within: the loop says at once that it can be written to */
		loop_writable(c->c.loop, http_fd(c->http), true);
		return 0;
	}
	c->hub = hub;
	hang_up(c);
	c->stale = false;
	int code = dialer_ask(c->c.dialer, hub, c->c.tag);
	c->dials += !code;
	c->asked = !code;
	return code;
}

void client_tick(struct client *c)
{
	struct err err;
	const int64_t now = clock_monotonic(c->c.clock);
	const bool stuck = now - c->moved_at >= c->wait;
	if (!c->asked || (!stuck && now - c->asked_at < c->wait * WHOLE))
		return;
	if (stuck)
		err_set(&err, -ETIMEDOUT, "nothing came for %lld s", (long long)(c->wait / CLOCK_S));
	else
		err_set(&err, -ETIMEDOUT, "it took longer than %lld s", (long long)(c->wait * WHOLE / CLOCK_S));
	fail(c, &err);
}
