/* For tests: a server on a loopback socket, a taker that does what it is told, and a client in the same thread. */
#ifndef KHIEN_API_SERVER_TEST_H
#define KHIEN_API_SERVER_TEST_H

#include "api/api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { SCOPE_OF_INGEST = 1 };

/*
 * Judges records by their words: "bad" is bad, "known" was known, all else is kept. `full` offers are refused before
 * one is taken (-1: all); with `hold` answers wait for release().
 */
struct taker {
	int full;
	bool hold;
	int code; /* what offers are answered with */
	struct offer *held[256];
	size_t n_held, offers, events, peak;
	struct buf seen; /* "dataset|id|record\n" */
};

struct server {
	struct api *api;
	struct taker taker;
	struct clock clock;
	struct sender sender;
	int port;
};

static inline bool str_has(struct str s, const char *word)
{
	return s.n && memmem(s.p, s.n, word, strlen(word));
}

static inline void judge(struct taker *t, struct offer *o)
{
	for (size_t i = 0; i < o->n && !t->code; i++) {
		struct offer_item *item = &o->items[i];
		item->verdict = str_has(item->record, "bad")     ? OFFER_BAD
		                : str_has(item->record, "known") ? OFFER_KNOWN
		                                                 : OFFER_KEPT;
		item->reason = item->verdict == OFFER_BAD ? "it says so" : NULL;
	}
	o->answer(o, t->code);
}

static inline int take(void *arg, struct offer *o)
{
	struct taker *t = arg;
	if (t->full) {
		t->full -= t->full > 0;
		return -EAGAIN;
	}
	t->offers++;
	t->events += o->n;
	t->peak = o->bytes > t->peak ? o->bytes : t->peak;
	for (size_t i = 0; i < o->n && t->seen.n < 1 << 20; i++) {
		buf_add(&t->seen, o->items[i].dataset);
		buf_putc(&t->seen, '|');
		buf_add(&t->seen, o->items[i].id);
		buf_putc(&t->seen, '|');
		buf_add(&t->seen, o->items[i].record);
		buf_putc(&t->seen, '\n');
	}
	if (!t->hold)
		judge(t, o);
	else if (t->n_held < ARRAY_LEN(t->held))
		t->held[t->n_held++] = o;
	else
		abort();
	return 0;
}

static inline void release(struct server *s)
{
	size_t n = s->taker.n_held;
	s->taker.n_held = 0;
	for (size_t i = 0; i < n; i++)
		judge(&s->taker, s->taker.held[i]);
}

static inline struct sender *caller(void *arg, struct str authorization, uint32_t scopes, struct str peer,
                                    bool *forbidden)
{
	struct server *s = arg;
	assert_true(str_starts(peer, STR("127.0.0.")));
	bool one = str_eq(authorization, STR("Bearer one.secret")) ||
	           str_eq(authorization, STR("Basic b25lOnNlY3JldA==")) ||
	           str_eq(authorization, STR("ApiKey b25lOnNlY3JldA=="));
	*forbidden = one && scopes != SCOPE_OF_INGEST;
	return one ? &s->sender : NULL;
}

static inline void metrics(void *arg, struct buf *out)
{
	buf_add(out, STR("khien_up 1\n"));
}

static inline int health(void *arg, struct buf *why)
{
	struct server *s = arg;
	if (s->taker.code)
		buf_add(why, STR("the disk is full"));
	return s->taker.code;
}

static inline void server_start(struct server *s, struct api_config config)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	struct err err;
	*s = (struct server){ 0 };
	clock_test(&s->clock, 1700000000 * (int64_t)CLOCK_S);
	config.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(config.fd, (struct sockaddr *)&at, n), 0);
	assert_int_equal(listen(config.fd, 64), 0);
	assert_int_equal(getsockname(config.fd, (struct sockaddr *)&at, &n), 0);
	s->port = ntohs(at.sin_port);
	config.clock = &s->clock;
	config.take = take;
	config.taker = &s->taker;
	config.caller = caller;
	config.metrics = metrics;
	config.health = health;
	config.arg = s;
	assert_int_equal(api_new(&s->api, &config, &err), 0);
}

static inline void server_stop(struct server *s)
{
	api_free(s->api);
	release(s);
	buf_free(&s->taker.seen);
}

/* Lets the server work until its descriptor is quiet for `ms`. */
static inline void run_for(struct server *s, int ms)
{
	struct pollfd p = { .fd = api_fd(s->api), .events = POLLIN };
	do {
		assert_int_equal(api_run(s->api), 0);
	} while (poll(&p, 1, ms) > 0);
}

/* A second later on the server's clock. */
static inline void later(struct server *s, int seconds)
{
	for (int i = 0; i < seconds; i++) {
		clock_advance(&s->clock, CLOCK_S);
		run_for(s, 0);
	}
}

/* --- the client --- */

/* From 127.0.0.`from`. */
static inline int dial_from(struct server *s, unsigned from)
{
	const struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + from) };
	struct sockaddr_in at = { .sin_family = AF_INET,
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		                  .sin_port = htons((uint16_t)s->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static inline int dial(struct server *s)
{
	return dial_from(s, 1);
}

/* How much could be sent before the server stopped reading or hung up. */
static inline size_t send_some(struct server *s, int fd, struct str bytes)
{
	size_t sent = 0;
	for (int quiet = 0; sent < bytes.n && quiet < 20;) {
		ssize_t n = send(fd, bytes.p + sent, bytes.n - sent, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
		quiet = n > 0 ? 0 : quiet + 1;
		run_for(s, n > 0 ? 0 : 1);
	}
	return sent;
}

struct reply {
	int status; /* 0: closed without an answer; -1: none yet */
	struct str head, body;
	struct buf all;
	bool closed;
};

static inline void reply_free(struct reply *r)
{
	buf_free(&r->all);
}

static inline struct str reply_header(const struct reply *r, const char *name)
{
	char want[64];
	snprintf(want, sizeof(want), "\r\n%s: ", name);
	const char *at = memmem(r->head.p, r->head.n, want, strlen(want));
	if (!at)
		return (struct str){ 0 };
	struct str rest = str_sub(r->head, (size_t)(at - r->head.p) + strlen(want), r->head.n);
	return str_sub(rest, 0, str_find(rest, '\r'));
}

/* Splits what came; false: not all of it is there. */
static inline bool reply_parse(struct reply *r, bool head_only)
{
	if (!r->all.n)
		return false;
	buf_putc(&r->all, '\0'); /* for strtol() */
	r->all.n--;
	struct str all = buf_str(&r->all);
	const char *end = memmem(all.p, all.n, "\r\n\r\n", 4);
	if (!end)
		return false;
	r->head = (struct str){ all.p, (size_t)(end - all.p) + 2 };
	r->body = str_sub(all, r->head.n + 2, all.n);
	r->status = (int)strtol(all.p + 9, NULL, 10);
	struct str length = reply_header(r, "Content-Length");
	return head_only || (length.n && r->body.n >= strtoul(length.p, NULL, 10));
}

/* Waits up to ms of quiet for an answer. */
static inline void receive_for(struct server *s, int fd, struct reply *r, bool head_only, int ms)
{
	*r = (struct reply){ .status = -1 };
	for (int i = 0; i < ms && !r->closed; i++) {
		char piece[65536];
		run_for(s, 1);
		ssize_t n = recv(fd, piece, sizeof(piece), 0);
		if (n > 0) {
			buf_add(&r->all, (struct str){ piece, (size_t)n });
			i = 0;
		}
		r->closed = n == 0 || (n < 0 && errno != EAGAIN);
		if (reply_parse(r, head_only))
			return;
	}
	if (r->closed && r->status < 0)
		r->status = 0;
	else
		r->status = -1;
}

static inline void receive(struct server *s, int fd, struct reply *r)
{
	receive_for(s, fd, r, false, 2000);
}

/* One request on a connection of its own. */
static inline void ask(struct server *s, struct str request, struct reply *r)
{
	int fd = dial(s);
	send_some(s, fd, request);
	receive_for(s, fd, r, str_starts(request, STR("HEAD")), 2000);
	close(fd);
	run_for(s, 0);
}

#define TOKEN "Authorization: Bearer one.secret\r\n"

/* POST of a body with further header lines; all of `request` is the caller's to free. */
static inline struct buf post(const char *path, const char *headers, struct str body)
{
	struct buf b = { 0 };
	buf_printf(&b,
	           "POST %s HTTP/1.1\r\nHost: x\r\n" TOKEN
	           "Content-Type: application/x-ndjson\r\n%sContent-Length: %zu\r\n\r\n",
	           path, headers, body.n);
	buf_add(&b, body);
	return b;
}

static inline void ask_post(struct server *s, const char *path, const char *headers, struct str body, struct reply *r)
{
	struct buf b = post(path, headers, body);
	ask(s, buf_str(&b), r);
	buf_free(&b);
}

#endif
