/* The front: HTTP for everybody, without files and without the database. What it is asked it asks the keeper. */
#include "cmd/hub_supervise.h"
#include "cmd/kiosk.h"
#include "kiosk/follow.h"
#include "kiosk/web.h"
#include "os/loop.h"
#include "os/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FILES = 8192, WEBS = KIOSK_LISTENERS, WAITING_MAX = 16 << 20 /* bytes of calls that the keeper hasn't read */ };
static const int64_t DRAIN = 5LL * CLOCK_S, STALE = 10LL * CLOCK_S;

struct site {
	struct front *front;
	struct web *web;
};

struct front {
	struct kiosk *k;
	struct loop *loop;
	struct link link;
	struct site sites[WEBS];
	size_t n;
	struct kiosk_state state; /* what the keeper said last, and when */
	int64_t state_at, stopping, beat;
	int beat_pipe;
	bool writes; /* the loop watches for room in the link */
	uint64_t turned_away;
};

/* --- calls and answers --- */

static void on_ask(void *arg, json_t *call, uint32_t roles, uint64_t number)
{
	struct site *s = arg;
	struct front *f = s->front;
	char *text = NULL;
	if (f->link.out.n - f->link.sent < WAITING_MAX)
		text = json_dumps(call, JSON_COMPACT);
	json_decref(call);
	if (!text) {
		f->turned_away++;
		web_answered(s->web, number, json_pack("{s:s}", "refused", "busy"));
		return;
	}
	/* the lowest bits say whose it is */
	const struct link_head head = { .kind = KIOSK_CALL,
		                        .seq = number * WEBS + (uint64_t)(s - f->sites),
		                        .n = roles };
	link_put(&f->link, &head, str_from(text));
	sodium_memzero(text, strlen(text)); /* names, passwords */
	free(text);
}

static void on_message(struct front *f, const struct link_head *head, struct str body)
{
	const struct site *s = &f->sites[head->seq % WEBS];
	json_t *answer;
	switch (head->kind) {
	case KIOSK_ANSWER:
		answer = json_loadb(body.p, body.n, 0, NULL);
		if (s->web)
			web_answered(s->web, head->seq / WEBS, answer ? answer : json_object());
		else
			json_decref(answer);
		return;
	case KIOSK_BOARD:
		for (size_t i = 0; i < f->n; i++)
			web_board_changed(f->sites[i].web);
		return;
	case KIOSK_STATE:
		if (body.n != sizeof(f->state))
			return;
		memcpy(&f->state, body.p, sizeof(f->state));
		f->state.why[sizeof(f->state.why) - 1] = '\0';
		if (!f->state_at)
			log_say(&f->k->log, LOG_LEVEL_INFO, "ready",
			        LOG_TEXT("state", follow_state_name(f->state.follow)));
		f->state_at = clock_monotonic(f->k->clock);
		for (size_t i = 0; i < f->n; i++)
			web_bookings(f->sites[i].web, f->state.per_address);
		return;
	default: return;
	}
}

static int on_link(void *arg, int fd)
{
	struct front *f = arg;
	struct link_head head;
	struct str body;
	int ended = link_read(&f->link), more;
	while ((more = link_next(&f->link, &head, &body)) > 0)
		on_message(f, &head, body);
	return more < 0 ? more : ended;
}

/* --- what it says of itself --- */

static void on_metrics(void *arg, struct buf *out)
{
	const struct site *site = arg;
	const struct front *f = site->front;
	const struct kiosk_state *s = &f->state;
	const struct {
		const char *name, *kind;
		int64_t value;
	} figures[] = {
		{ "calls_total", "counter", (int64_t)s->calls },
		{ "changes_total", "counter", (int64_t)s->changes },
		{ "rounds_total", "counter", (int64_t)s->rounds },
		{ "refused_total", "counter", (int64_t)s->refused },
		{ "given_up_total", "counter", (int64_t)s->given_up },
		{ "turned_away_total", "counter", (int64_t)f->turned_away },
		{ "seq", "gauge", s->seq },
		{ "standby_seq", "gauge", s->standby_has },
		{ "epoch", "gauge", s->epoch },
		{ "trouble", "gauge", s->trouble != 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(figures); i++)
		buf_printf(out, "# TYPE khien_kiosk_%s %s\nkhien_kiosk_%s %lld\n", figures[i].name, figures[i].kind,
		           figures[i].name, (long long)figures[i].value);
	buf_printf(out, "# TYPE khien_kiosk_state gauge\nkhien_kiosk_state{is=\"%s\"} 1\n",
	           follow_state_name(s->follow < N_FOLLOW_STATES ? s->follow : FOLLOW_SINGLE));
}

static int on_health(void *arg, struct buf *why)
{
	const struct site *s = arg;
	const struct front *f = s->front;
	if (f->state.trouble)
		buf_add(why, STR("the database can't be written"));
	else if (!f->state_at || clock_monotonic(f->k->clock) - f->state_at > STALE)
		buf_add(why, STR("the keeper is silent"));
	else if (f->state.follow == FOLLOW_WAITING || f->state.follow == FOLLOW_STALE)
		buf_printf(why, "bookings are not taken: %s", follow_state_name(f->state.follow));
	else
		return 0;
	return -EAGAIN;
}

/* --- the loop --- */

static int on_web(void *arg, int fd)
{
	const struct site *s = arg;
	return web_run(s->web);
}

static int on_time(void *arg, int what);

static int on_signal(void *arg, int signal)
{
	struct front *f = arg;
	if (signal == SIGTERM && !f->stopping)
		f->stopping = clock_monotonic(f->k->clock);
	loop_soon(f->loop, on_time);
	return 0;
}

static int on_time(void *arg, int what)
{
	struct front *f = arg;
	const int64_t now = clock_monotonic(f->k->clock);
	bool drained = true;
	/* without a supervisor nobody would start anything anew */
	int code = supervise_beat(f->beat_pipe, f->state_at ? BEAT_TAKES : BEAT_STARTS, now, &f->beat);
	for (size_t i = 0; i < f->n && !code; i++) {
		code = web_run(f->sites[i].web);
		if (f->stopping)
			drained &= web_drain(f->sites[i].web);
	}
	if (f->stopping && (drained || now - f->stopping > DRAIN))
		loop_stop(f->loop);
	return code;
}

static int before_waiting(void *arg)
{
	struct front *f = arg;
	const int code = link_flush(&f->link);
	if (f->writes != link_pending(&f->link))
		loop_writable(f->loop, f->link.fd, !f->writes);
	f->writes = link_pending(&f->link);
	return code;
}

/* --- the start --- */

static int add_site(struct front *f, size_t i, struct err *err)
{
	struct kiosk *k = f->k;
	struct site *s = &f->sites[f->n];
	const bool tls = i >= k->n_http;
	const struct web_config config = {
		.fd = k->listeners[i],
		.certificate = tls ? buf_str(&k->chain) : STR(""),
		.key = tls ? buf_str(&k->key) : STR(""),
		.clock = k->clock,
		.ask = on_ask,
		.arg = s,
		.form_key = k->form_key,
		.trusted = k->c->proxies.at,
		.hospital_token = buf_str(&k->token),
		.metrics = on_metrics,
		.health = on_health,
		.demo = k->demo,
	};
	s->front = f;
	int code = web_new(&s->web, &config, err);
	if (code)
		return code;
	f->n++;
	return loop_watch(f->loop, web_fd(s->web), on_web, s, err);
}

static int start(struct front *f, int link, struct sandbox **sandbox, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGHUP, 0 };
	const struct sandbox_config config = { .user = f->k->front_user ? f->k->front_user : "nobody",
		                               .may = SANDBOX_SERVE };
	int code = link_init(&f->link, link, N_KIOSK_KINDS);
	code = code ? err_set(err, code, "%m") : loop_new(&f->loop, f->k->clock, err);
	signal(SIGINT, SIG_IGN); /* of a terminal: the supervisor has it too, and tells */
	if (!code)
		code = loop_signals(f->loop, signals, on_signal, f, err);
	if (!code)
		code = loop_watch(f->loop, f->link.fd, on_link, f, err);
	if (!code)
		code = loop_every(f->loop, 200LL * CLOCK_MS, on_time, f, err);
	for (size_t i = 0; i < f->k->n_listeners && !code; i++)
		code = add_site(f, i, err);
	kiosk_wipe(&f->k->key); /* the sockets have what they need */
	return code ? code : sandbox_init(sandbox, &config, err);
}

static void raise_limit(void)
{
	struct rlimit r;
	if (!getrlimit(RLIMIT_NOFILE, &r) && r.rlim_cur < FILES) {
		r.rlim_cur = r.rlim_max < FILES ? r.rlim_max : FILES;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static void done(struct front *f)
{
	for (size_t i = 0; i < f->n; i++)
		web_free(f->sites[i].web);
	link_done(&f->link);
	loop_free(f->loop);
	sodium_memzero(f->k->form_key, sizeof(f->k->form_key));
	free(f);
}

int kiosk_front(struct kiosk *k, int link, int beat)
{
	struct front *f = calloc(1, sizeof(*f));
	struct sandbox *sandbox = NULL;
	struct err err = { 0 };
	prctl(PR_SET_NAME, "khien: kiosk-front", 0, 0, 0);
	raise_limit();
	if (!f)
		return HUB_DIED;
	*f = (struct front){ .k = k, .link.fd = -1, .beat_pipe = beat };
	int code = start(f, link, &sandbox, &err);
	if (code) {
		log_say(&k->log, LOG_LEVEL_ERROR, "not-started", LOG_TEXT("why", err.text));
		done(f);
		return HUB_HOPELESS;
	}
	kiosk_enter(sandbox, "kiosk-front", &k->log);
	loop_before(f->loop, before_waiting, f);
	code = loop_run(f->loop);
	if (code && code != -EPIPE)
		log_say(&k->log, LOG_LEVEL_ERROR, "front-ended", LOG_TEXT("why", strerror(-code)));
	done(f);
	return code ? HUB_DIED : HUB_ENDED;
}
