/* The front at work: hears the keeper, keeps listeners and rules going, and ends when nothing is under way. */
#include "cmd/hub_front.h"

#include "cmd/hub_posts.h"
#include "cmd/hub_supervise.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

static const int64_t TICK = 100LL * CLOCK_MS, SECOND = CLOCK_S, STATUS = 5LL * CLOCK_S;
enum { ALERT_TOLD = 64 << 10, ALERTS_WAITING = 8 << 20 };
static const int64_t PATIENCE = 10LL * CLOCK_S; /* for what is under way when it is to end */

static void stop(struct front *f)
{
	if (!f->stopping)
		f->stopping = clock_monotonic(f->clock);
}

void front_beat(struct front *f)
{
	const enum supervise_beat what = f->serving && f->replayed ? BEAT_TAKES : BEAT_STARTS;
	if (supervise_beat(f->c->beat, what, clock_monotonic(f->clock), &f->beat) == -EPIPE)
		stop(f);
}

/* --- the keeper --- */

static int take_tokens(struct front *f, const struct link_head *head, struct str body)
{
	if (body.n != head->n * sizeof(struct token))
		return -EPROTO;
	struct token *fresh = malloc(body.n + 1);
	if (!fresh)
		return -ENOMEM;
	memcpy(fresh, body.p, body.n);
	free(f->tokens);
	f->tokens = fresh;
	f->n_tokens = head->n;
	return 0;
}

/* The store is open, and rules have seen what they have to see again. */
static void on_ready(struct front *f)
{
	f->replayed = true;
	if (f->serving)
		show_note(f->show, LOG_LEVEL_INFO, WORD_HUB_READY, "ready", NULL, NULL);
}

static int on_message(struct front *f, const struct link_head *head, struct str body)
{
	switch (head->kind) {
	case LINK_VERDICTS: return hub_desk_verdicts(f->desk, head, body);
	case LINK_REPLAY: return hub_desk_replay(f->desk, head, body);
	case LINK_MATCHED: hub_desk_matched(f->desk, head->seq); return 0;
	case LINK_FEEDS: return front_known_hear(f, head->seq);
	case LINK_REPLAYED: on_ready(f); return 0;
	case LINK_TOKENS: return take_tokens(f, head, body);
	case LINK_REPLY:
	case LINK_POSTS:
	case LINK_ORDERS: return posts_front_hear(f->posts, head, body);
	case LINK_STORE:
		if (body.n != sizeof(f->store))
			return -EPROTO;
		memcpy(&f->store, body.p, sizeof(f->store));
		f->store_at = clock_monotonic(f->clock);
		return 0;
	default: return -EPROTO;
	}
}

static int hear(struct front *f)
{
	struct link_head head;
	struct str body;
	int code = 0, more;
	int ended = link_read(&f->link);
	while (!code && (more = link_next(&f->link, &head, &body)) != 0)
		code = more < 0 ? more : on_message(f, &head, body);
	return code ? code : ended;
}

int front_hear(struct front *f, int timeout_ms)
{
	int code = link_flush(&f->link);
	struct pollfd p = { .fd = f->link.fd, .events = POLLIN | (link_pending(&f->link) ? POLLOUT : 0) };
	front_beat(f);
	poll(&p, 1, timeout_ms);
	if (!code && p.revents & (POLLIN | POLLHUP | POLLERR))
		code = hear(f);
	return code ? code : link_flush(&f->link);
}

static int on_link(void *arg, int fd)
{
	struct front *f = arg;
	int code = hear(f);
	return code ? code : link_flush(&f->link);
}

/* All that was found in one batch goes to the keeper at once: what it hasn't read yet is waited for, not thrown away. */
static int make_room(struct front *f)
{
	int code = link_flush(&f->link);
	while (!code && f->link.out.n - f->link.sent > ALERTS_WAITING) {
		struct pollfd p = { .fd = f->link.fd, .events = POLLOUT };
		front_beat(f);
		poll(&p, 1, 1000);
		code = link_flush(&f->link);
	}
	return code;
}

int front_alert(void *arg, enum group_news news, const struct group *g, const struct match *m)
{
	struct front *f = arg;
	const struct ruleset *rs = f->pipe.rs;
	const struct rule *rule = &rs->rules[g->rule];
	struct buf json = { .max = ALERT_TOLD }, body = { 0 };
	if (m)
		print_match_json(&json, rs, m);
	if (m && json.failed) { /* the event itself has the fields, too */
		struct match bare = *m;
		bare.n_fields = 0;
		buf_free(&json);
		json = (struct buf){ 0 };
		print_match_json(&json, rs, &bare);
	}
	const struct alert_row row = {
		.id = str_from(g->id),
		.time = g->first,
		.made = clock_wall(f->clock),
		.rule = ruleset_text(rs, rule->id),
		.title = ruleset_text(rs, rule->title),
		.level = str_from(print_level(rule->level)),
		.host = g->host,
		.user = g->user,
		.address = g->address,
		.count = g->count < UINT32_MAX ? (uint32_t)g->count : UINT32_MAX,
		.json = buf_str(&json),
	};
	const struct link_head head = { .kind = LINK_ALERT };
	link_add_alert(&body, &row);
	link_put(&f->link, &head, buf_str(&body));
	buf_free(&json);
	buf_free(&body);
	return make_room(f);
}

/* --- every so often --- */

static int on_tick(void *arg, int what);

static int follow(struct front *f, bool *more)
{
	/* what was handed on is durable before more is read: so places never run ahead of the disk */
	if (f->followed || f->stopping)
		return 0;
	int code = follow_save(f->follow, false);
	return code ? code : follow_poll(f->follow, more);
}

static void say(struct front *f, int64_t now)
{
	struct show_totals t = { .events = f->pipe.events, .skipped = f->pipe.skipped, .shed = pipe_shed(&f->pipe) };
	for (size_t i = 0; i < f->n_listeners; i++)
		t.shed += listener_shed(f->listeners[i]);
	show_status(f->show, &t);
	if (now - f->status < STATUS)
		return;
	struct buf text = { 0 };
	const struct link_head head = { .kind = LINK_STATUS };
	front_metrics(f, &text);
	link_put(&f->link, &head, buf_str(&text));
	buf_free(&text);
	f->status = now;
}

/* Nobody reads the heartbeat any more. */
static int on_supervisor(void *arg, int fd)
{
	struct front *f = arg;
	stop(f);
	loop_unwatch(f->loop, fd);
	loop_soon(f->loop, on_tick);
	return 0;
}

static int every_second(struct front *f, int64_t now)
{
	int code = 0;
	front_beat(f);
	if (now - f->second < SECOND)
		return 0;
	f->second = now;
	hub_desk_retry(f->desk);
	posts_front_tick(f->posts);
	for (size_t i = 0; i < f->n_listeners && !code; i++)
		code = listener_tick(f->listeners[i]);
	for (size_t i = 0; i < f->n_apis && !code; i++)
		code = api_run(f->apis[i]);
	return code;
}

/* Whether it has ended: all that was taken is durable and answered. */
static bool ended(struct front *f, int64_t now)
{
	bool drained = true;
	if (!f->stopping)
		return false;
	for (size_t i = 0; i < f->n_apis; i++)
		drained &= api_drain(f->apis[i]);
	return (drained && hub_desk_idle(f->desk) && !link_pending(&f->link)) || now - f->stopping > PATIENCE;
}

static int on_tick(void *arg, int what)
{
	struct front *f = arg;
	bool more = false;
	int64_t now = clock_monotonic(f->clock);
	int code = every_second(f, now);
	if (!code)
		code = follow(f, &more);
	if (!code && !follow_behind(f->follow))
		code = pipe_advance(&f->pipe, now);
	if (!code)
		code = show_advance(f->show);
	say(f, now);
	if (more)
		loop_soon(f->loop, on_tick);
	if (!code)
		code = link_flush(&f->link);
	if (!code && ended(f, now))
		loop_stop(f->loop);
	return code;
}

/* Writing to the keeper goes on as soon as it reads. */
static int before_waiting(void *arg)
{
	struct front *f = arg;
	int code = link_flush(&f->link);
	loop_writable(f->loop, f->link.fd, link_pending(&f->link));
	return code;
}

static int finish(struct front *f)
{
	for (size_t i = 0; i < f->n_listeners; i++)
		listener_free(f->listeners[i]); /* what came whole is handed on */
	f->n_listeners = 0;
	int code = follow_end(f->follow);
	int64_t until = clock_monotonic(f->clock) + PATIENCE;
	while (!code && !hub_desk_idle(f->desk) && clock_monotonic(f->clock) < until)
		code = front_hear(f, 100);
	return code ? code : follow_save(f->follow, true);
}

/*
 * Before the store is open nothing can be kept; and before the tokens are there everybody's would be unknown, which
 * shippers take for the last word.
 */
static int wait_for_store(struct front *f)
{
	int64_t since = clock_monotonic(f->clock), now = since;
	int code = 0;
	while (!code && !f->stopping && (!f->replayed || (!f->tokens && now - since < PATIENCE))) {
		code = front_hear(f, 100);
		loop_stopped(f->loop); /* takes signals */
		now = clock_monotonic(f->clock);
		since = f->replayed ? since : now;
	}
	return code;
}

int front_serve(struct front *f, struct err *err)
{
	int code = loop_watch(f->loop, f->link.fd, on_link, f, err);
	if (!code)
		code = loop_watch(f->loop, f->c->beat, on_supervisor, f, err);
	if (!code)
		code = loop_every(f->loop, TICK, on_tick, f, err);
	if (code)
		return code;
	loop_before(f->loop, before_waiting, f);
	code = wait_for_store(f);
	if (code)
		return code == -EPIPE ? code : err_set(err, code, "%m");
	bool more;
	code = follow_poll(f->follow, &more); /* from here on nothing is missed: then it is ready */
	if (code)
		return err_set(err, code, "%m");
	f->serving = true;
	if (f->replayed)
		on_ready(f);
	code = loop_run(f->loop);
	if (!code)
		code = finish(f);
	struct show_totals t = { .events = f->pipe.events, .skipped = f->pipe.skipped, .shed = pipe_shed(&f->pipe) };
	int told = show_closing(f->show, &t);
	if (!code)
		code = link_flush(&f->link);
	return code || told ? err_set(err, code ? code : told, "%m") : 0;
}
