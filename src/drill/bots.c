/* The crowd's loop: who is due asks, what comes is counted. */
#include "drill/bots.h"
#include "drill/crowd.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 512 };
static const double LATE_S = 10, BEHIND_S = 0.1;

static double seconds(void)
{
	return (double)clock_monotonic(&clock_system) / 1e6;
}

static struct group *group_of(struct crowd *c, const struct bot *b)
{
	return &c->groups[b->group];
}

/* --- one bot --- */

/* It has nothing to do until its turn comes. */
static void park(struct crowd *c, struct bot *b)
{
	struct group *g = group_of(c, b);
	b->asks = false;
	b->next = NULL;
	if (g->last)
		g->last->next = b;
	else
		g->first = b;
	g->last = b;
}

static struct bot *unpark(struct group *g)
{
	struct bot *b = g->first;
	if (b && !(g->first = b->next))
		g->last = NULL;
	return b;
}

static void hang_up(struct bot *b)
{
	drill_line_close(&b->line);
	drill_http_again(&b->answer);
	if (b->h2)
		*b->h2 = (struct h2){ 0 };
}

/* What its request came to: counted; then it waits for its turn. */
static void give_up(struct crowd *c, struct bot *b, uint64_t *counter)
{
	if (counter)
		++*counter;
	hang_up(b);
	if (b->asks)
		park(c, b);
}

int drill_crowd_open(struct crowd *c, struct bot *b)
{
	struct group *g = group_of(c, b);
	struct sockaddr_storage from;
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = b };
	drill_address_of(&g->from, g->next_source++, &from);
	int code = drill_line_open(&b->line, &g->way, &from);
	if (!code && epoll_ctl(c->epoll, EPOLL_CTL_ADD, b->line.fd, &e)) {
		code = -errno;
		drill_line_close(&b->line);
	}
	return code;
}

/* What is left of its request goes out, as far as that goes. 0, or -errno: the connection has ended. */
static int push(struct crowd *c, struct bot *b)
{
	struct group *g = group_of(c, b);
	const struct str all = b->h2 ? (struct str){ b->h2->out, b->h2->n_out } : buf_str(&g->requests[b->request]);
	while (b->done < all.n) {
		const ssize_t n = drill_line_send(&b->line, str_sub(all, b->done, all.n));
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		b->done += (uint32_t)n;
	}
	if (b->h2) {
		b->h2->n_out = 0;
		b->done = 0;
	}
	return 0;
}

static int ask_h2(struct group *g, struct bot *b)
{
	if (!b->h2 && !(b->h2 = calloc(1, sizeof(*b->h2))))
		return -ENOMEM;
	return drill_h2_ask(b->h2, buf_str(&g->requests[b->request]));
}

static void ask(struct crowd *c, struct bot *b)
{
	struct group *g = group_of(c, b);
	b->asks = true;
	b->begun = c->now;
	b->done = 0;
	b->request = (uint16_t)(g->next_request++ % g->n_requests);
	c->result.sent++;
	if (b->line.at == LINE_CLOSED && drill_crowd_open(c, b)) {
		give_up(c, b, &c->result.refused);
		return;
	}
	if (g->b->kind == DRILL_H2 && ask_h2(g, b))
		give_up(c, b, &c->result.cut);
	else if (b->line.at == LINE_OPEN && push(c, b))
		give_up(c, b, &c->result.cut);
}

static void answered(struct crowd *c, struct bot *b, int status, bool closes)
{
	const struct group *g = group_of(c, b);
	drill_result_status(&c->result, status);
	drill_http_again(&b->answer);
	if (closes || g->b->kind == DRILL_NEW || g->b->kind == DRILL_TLS)
		hang_up(b);
	if (g->b->rate > 0)
		park(c, b);
	else
		ask(c, b);
}

/* The cookie that the first of them was given is from now on everybody's. */
static void take_cookie(void *arg, struct str head)
{
	struct crowd *c = arg;
	struct group *g = group_of(c, c->hears);
	size_t at = 0;
	const struct str value = drill_http_header(head, "Set-Cookie", &at),
	                 pair = str_sub(value, 0, str_find(value, ';'));
	struct err err;
	if (*g->cookie || !pair.n || pair.n >= sizeof(g->cookie))
		return;
	snprintf(g->cookie, sizeof(g->cookie), STR_FMT, STR_ARG(pair));
	if (drill_crowd_requests(c, g, &err))
		*g->cookie = '\0';
}

/* 1: its answer is whole; 0: not yet; -errno. */
static int take(struct crowd *c, struct bot *b, struct str in)
{
	const struct http_sink sink = { .head = take_cookie, .arg = c };
	struct group *g = group_of(c, b);
	if (b->h2) {
		const int code = drill_h2_take(b->h2, in);
		const int pushed = b->h2->n_out ? push(c, b) : 0;
		return code ? code : pushed;
	}
	c->hears = b;
	const ssize_t n = drill_http_take(&b->answer, in, g->b->kind == DRILL_COOKIE && !*g->cookie ? &sink : NULL);
	return n < 0 ? (int)n : b->answer.at == HTTP_DONE;
}

/* Nothing that belongs to no request is waited for: a time-out's 408, a good-bye. */
static void hear(struct crowd *c, struct bot *b)
{
	while (b->line.at == LINE_OPEN) {
		const ssize_t n = drill_line_recv(&b->line, c->in, sizeof(c->in));
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			const bool whole = b->asks && drill_http_ended(&b->answer);
			if (whole)
				answered(c, b, b->answer.status, true);
			else
				give_up(c, b, b->asks ? &c->result.cut : NULL);
			return;
		}
		if (!b->asks && !b->h2) {
			hang_up(b);
			return;
		}
		const int code = take(c, b, (struct str){ c->in, (size_t)n });
		if (code < 0)
			give_up(c, b, b->asks ? &c->result.cut : NULL);
		else if (code && b->asks)
			answered(c, b, b->h2 ? b->h2->status : b->answer.status,
			         b->h2 ? b->h2->closing : b->answer.closes);
		/* a short read of TCP is the last one */
		if ((size_t)n < sizeof(c->in) && !b->line.tls)
			return;
	}
}

static void event(struct crowd *c, struct bot *b, uint32_t events)
{
	const struct group *g = group_of(c, b);
	if (g->b->kind == DRILL_SLOW) {
		drill_crowd_slow_event(c, b, events);
		return;
	}
	if (b->line.at == LINE_CLOSED)
		return;
	if (b->line.at != LINE_OPEN) {
		const int code = drill_line_go(&b->line, &g->way);
		if (code == -EAGAIN)
			return;
		if (code) {
			give_up(c, b, &c->result.refused);
			return;
		}
		c->result.connections++;
		c->result.handshakes += b->line.tls != NULL;
	}
	if (b->asks && (events & EPOLLOUT || b->line.tls) && push(c, b)) {
		give_up(c, b, &c->result.cut);
		return;
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) || b->line.tls)
		hear(c, b);
}

/* --- all of them --- */

/* Requests that are due by now and found nobody free aren't made up for later than BEHIND_S. */
static void schedule(struct crowd *c, struct group *g)
{
	const double rate = g->b->rate;
	if (g->b->kind == DRILL_SLOW)
		return;
	if (rate <= 0) {
		struct bot *last = g->last;
		for (struct bot *b = NULL; b != last && (b = unpark(g));)
			ask(c, b);
		return;
	}
	const uint64_t due = (uint64_t)(rate * (c->now - c->begin)), keep = (uint64_t)(rate * BEHIND_S) + 1;
	while (g->due < due && g->first) {
		g->due++;
		ask(c, unpark(g));
	}
	if (due > g->due + keep) {
		c->result.unsent += due - keep - g->due;
		g->due = due - keep;
	}
}

static void look_for_late(struct crowd *c, struct group *g)
{
	for (unsigned i = 0; i < g->b->connections; i++) {
		struct bot *b = &g->bots[i];
		if (b->asks && c->now - b->begun > LATE_S)
			give_up(c, b, &c->result.late);
	}
}

/* Every tenth of a second; once a second it tells how far it is. -EPIPE: nobody wants to know any more. */
static int turn(struct crowd *c)
{
	for (size_t i = 0; i < c->n_groups; i++) {
		if (c->groups[i].b->kind == DRILL_SLOW)
			drill_crowd_slow(c, &c->groups[i]);
		else if (c->turns % 10 == 9)
			look_for_late(c, &c->groups[i]);
	}
	c->result.seconds = c->now - c->begin;
	return ++c->turns % 10 == 0 ? drill_tell(c->out, &c->result, false) : 0;
}

static int loop(struct crowd *c)
{
	struct epoll_event events[EVENTS];
	int code = 0;
	c->begin = c->now = seconds();
	while (!code && c->now - c->begin < c->d->seconds) {
		for (size_t i = 0; i < c->n_groups; i++)
			schedule(c, &c->groups[i]);
		const int n = epoll_wait(c->epoll, events, EVENTS, 1);
		c->now = seconds();
		for (int i = 0; i < n; i++)
			event(c, events[i].data.ptr, events[i].events);
		if (c->now - c->begin >= 0.1 * (c->turns + 1))
			code = turn(c);
	}
	c->result.seconds = c->now - c->begin;
	return code;
}

static int group_init(struct crowd *c, const struct drill_bots *b, struct err *err)
{
	struct group *g = &c->groups[c->n_groups];
	const bool tls = b->kind == DRILL_TLS || c->d->tls || (b->kind == DRILL_H2 && c->d->to_tls.ss_family);
	*g = (struct group){ .b = b };
	int code = drill_line_way_init(&g->way, tls ? &c->d->to_tls : &c->d->to, tls, b->kind == DRILL_H2, c->d->host,
	                               err);
	if (!code)
		code = drill_address_run(&g->from, b->base, b->sources, b->network48, err);
	if (!code)
		code = drill_crowd_requests(c, g, err);
	if (!code && !(g->bots = calloc(b->connections, sizeof(*g->bots))))
		code = err_set(err, -ENOMEM, "bots: %m");
	if (code)
		return code;
	for (unsigned i = 0; i < b->connections; i++) {
		g->bots[i] = (struct bot){ .line = { .resets = true }, .group = (uint16_t)c->n_groups };
		park(c, &g->bots[i]);
	}
	c->n_groups++;
	return 0;
}

int drill_bots_run(const struct drill *d, int out, struct err *err)
{
	struct crowd *c = calloc(1, sizeof(*c));
	int code = c ? 0 : err_set(err, -ENOMEM, "bots: %m");
	if (code)
		return code;
	c->d = d;
	c->out = out;
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll < 0)
		code = err_set(err, -errno, "epoll: %m");
	for (size_t i = 0; i < d->n_bots && !code; i++)
		if (d->bots[i].kind != DRILL_MIMIC)
			code = group_init(c, &d->bots[i], err);
	if (!code && c->n_groups)
		code = loop(c);
	for (size_t i = 0; i < c->n_groups; i++)
		for (unsigned k = 0; k < c->groups[i].b->connections; k++)
			c->result.slow_held +=
			        c->groups[i].b->kind == DRILL_SLOW && c->groups[i].bots[k].line.at == LINE_OPEN;
	if (!code)
		code = drill_tell(out, &c->result, true);
	return code; /* the process ends: the kernel takes what it had */
}
