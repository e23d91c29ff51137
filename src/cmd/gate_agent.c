/*
 * The gate's agent: asks nginx each second what changed, and writes it as events that a post or the hub follows; hears what ModSecurity
 * and nginx say in the error log; saves the site's normal; tells what operators changed. Patients get through without it, and what it
 * missed while it was away is in the gate's ring.
 */
#include "cmd/gate.h"
#include "cmd/gate_ask.h"
#include "cmd/gate_events.h"
#include "cmd/gate_operators.h"
#include "cmd/hub_supervise.h"
#include "cmd/kiosk.h"
#include "os/atomic.h"
#include "os/loop.h"
#include "os/sandbox.h"
#include "proxy/control.h"
#include "proxy/waf.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/socket.h>

enum { ROUND = 1000, ROUNDS = 20, WAF_A_SECOND = 1000, LINES_A_SECOND = 10, DATAGRAM = 8192, BURST = 256 };
static const int64_t SECOND = CLOCK_S, NORMAL_EVERY = 600LL * CLOCK_S, STATUS_EVERY = 60LL * CLOCK_S;

struct agent {
	const struct gate *g;
	struct loop *loop;
	struct gate_events events;
	struct gate_operators operators;
	struct buf waf;       /* lines that wait for the next second */
	struct waf_hit noted; /* the latest rule that matched and didn't itself refuse */
	struct {
		uint64_t waf, lines, waf_shed, lines_shed;
	} second;                     /* what came in it */
	int64_t normal_at, status_at; /* monotonic: not before */
	char lasting[GATE_ID + 1];    /* the id of what was last told of a flood that goes on */
	bool away, unwritten, unread; /* told already */
	bool ending;
};

/* Tells trouble when it begins, and when it is over. */
static void tell(const struct agent *a, bool *told, int code, const char *trouble, const char *over,
                 const struct err *err)
{
	if (code && !*told && !a->ending)
		log_say(&a->g->log, LOG_LEVEL_WARNING, trouble, LOG_TEXT("why", err->text));
	if (!code && *told)
		log_say(&a->g->log, LOG_LEVEL_INFO, over, LOG_TEXT("what", "it works again"));
	*told = code;
}

static int put(struct agent *a, struct str lines)
{
	struct err err;
	const int code = lines.n ? gate_events_put(&a->events, lines, &err) : 0;
	tell(a, &a->unwritten, code, "events-not-written", "events-written", &err);
	return code;
}

/* --- what the gate's ring has --- */

/* One round. A gate that was started anew counts from one: what it says behind our number isn't all there is. */
static int take_events(struct agent *a, size_t *n, struct err *err)
{
	CLEANUP(buf_free) struct buf lines = { 0 };
	struct gate_place *told = &a->events.told, to;
	json_t *answer = NULL;
	char target[48];
	snprintf(target, sizeof(target), "/events?after=%llu", (unsigned long long)told->seq);
	int code = gate_get(a->g, target, &answer, err);
	if (code)
		return code < 0 ? code : err_set(err, -EPROTO, "it knows no events");
	code = gate_events_of(answer, clock_wall(a->g->clock), &lines, &to, n, err);
	json_decref(answer);
	if (code)
		return code;
	if (told->seq && strcmp(to.zone, told->zone) != 0) {
		*told = (struct gate_place){ 0 };
		*n = ROUND;
		return 0;
	}
	if (!put(a, buf_str(&lines)))
		*told = to;
	else
		*n = 0; /* asked for again in a second */
	return 0;
}

static void poll_gate(struct agent *a)
{
	struct err err;
	size_t n = ROUND;
	int code = 0;
	for (int i = 0; i < ROUNDS && n >= ROUND && !code; i++)
		code = take_events(a, &n, &err);
	tell(a, &a->away, code, "gate-away", "gate-back", &err);
}

/* What lasts changes nothing, so the ring has no event of it. */
static void look_at_flood(struct agent *a)
{
	CLEANUP(buf_free) struct buf line = { 0 };
	char id[GATE_ID + 1];
	struct err err;
	json_t *status = NULL;
	a->status_at = clock_monotonic(a->g->clock) + STATUS_EVERY;
	if (gate_get(a->g, "/status", &status, &err))
		return; /* poll_gate() tells */
	if (gate_events_lasting(&line, status, clock_wall(a->g->clock), id) && strcmp(id, a->lasting) != 0 &&
	    (gate_events_has(&a->events, id) || !put(a, buf_str(&line))))
		memcpy(a->lasting, id, sizeof(id));
	json_decref(status);
}

/* --- the error log --- */

/* What people wrote may stand behind a question mark, and is nobody's business here: it goes, up to the quote that ends it. In place. */
static size_t cut_queries(char *line, size_t n)
{
	size_t to = 0;
	bool within = false;
	for (size_t i = 0; i < n; i++) {
		within = within && line[i] != '"';
		if (!within)
			line[to++] = line[i];
		within = within || line[i] == '?';
	}
	return to;
}

static bool is_grave(struct str line)
{
	static const char *const levels[] = { "[error]", "[crit]", "[alert]", "[emerg]" };
	const struct str level = str_sub(line, str_find(line, '['), str_find(line, ']'));
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (str_starts(level, str_from(levels[i])))
			return true;
	return false;
}

/*
 * The rule that refuses is the one that adds up; what it added up stands in the lines before, of the same transaction. Those of requests that
 * passed are told only while the WAF is watched.
 */
static void take_hit(struct agent *a, struct waf_hit *hit)
{
	if (!hit->denied && strcmp(hit->severity, "critical") != 0)
		return;
	if (!hit->denied)
		a->noted = *hit;
	if (!hit->denied && a->g->c->waf != CONFIG_GATE_WATCH)
		return;
	if (hit->denied && *hit->id && strcmp(hit->id, a->noted.id) == 0) {
		memcpy(hit->rule, a->noted.rule, sizeof(hit->rule));
		memcpy(hit->message, a->noted.message, sizeof(hit->message));
	}
	if (a->second.waf++ < WAF_A_SECOND)
		gate_events_waf(&a->waf, hit, clock_wall(a->g->clock));
	else
		a->second.waf_shed++;
}

/* "<187>Nov 22 16:00:00 web1 khien: LINE" */
static void take_line(struct agent *a, char *datagram, size_t n)
{
	static const char tag[] = " khien: ";
	char *at = memmem(datagram, n, tag, sizeof(tag) - 1);
	char *line = at ? at + sizeof(tag) - 1 : datagram;
	struct waf_hit hit;
	n -= (size_t)(line - datagram);
	if (waf_hit_read((struct str){ line, n }, &hit)) {
		take_hit(a, &hit);
		return;
	}
	if (!is_grave((struct str){ line, n }))
		return;
	if (a->second.lines++ >= LINES_A_SECOND) {
		a->second.lines_shed++;
		return;
	}
	line[cut_queries(line, n)] = '\0';
	log_say(&a->g->log, LOG_LEVEL_ERROR, "nginx", LOG_TEXT("line", line));
}

static int on_log(void *arg, int fd)
{
	struct agent *a = arg;
	char datagram[DATAGRAM + 1];
	for (int i = 0; i < BURST; i++) {
		const ssize_t n = recv(fd, datagram, DATAGRAM, MSG_DONTWAIT);
		if (n < 0)
			break;
		take_line(a, datagram, (size_t)n);
	}
	return 0;
}

static void end_second(struct agent *a)
{
	const uint64_t told = a->second.waf - a->second.waf_shed;
	uint64_t shed = a->second.waf_shed;
	if (shed)
		gate_events_shed(&a->waf, "waf-events-shed", shed, clock_wall(a->g->clock));
	if (a->second.lines_shed)
		log_say(&a->g->log, LOG_LEVEL_WARNING, "nginx-lines-shed", LOG_NUMBER("lines", a->second.lines_shed));
	memset(&a->second, 0, sizeof(a->second));
	if (put(a, buf_str(&a->waf)))
		a->second.waf_shed = shed + told; /* said when there is room again */
	a->waf.n = 0;
}

/* --- the site's normal --- */

static void save_normal(struct agent *a)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	struct err err = { 0 };
	int status = control_ask(a->g->paths.control, "GET", "/normal", STR(""), &text, &err);
	a->normal_at = clock_monotonic(a->g->clock) + NORMAL_EVERY;
	if (status != 200 || !text.n)
		return; /* poll_gate() tells */
	status = atomic_write(a->g->paths.state, strrchr(a->g->paths.normal, '/') + 1, buf_str(&text), 0644, &err);
	if (status)
		log_say(&a->g->log, LOG_LEVEL_WARNING, "normal-not-saved", LOG_TEXT("why", err.text));
}

/* --- the process --- */

static void tell_operators(struct agent *a)
{
	struct err err;
	const int code = gate_operators_tell(&a->operators, &a->events, clock_wall(a->g->clock), &err);
	tell(a, &a->unread, code, "lists-not-told", "lists-told", &err);
}

static int on_second(void *arg, int what)
{
	struct agent *a = arg;
	(void)what;
	end_second(a);
	poll_gate(a);
	tell_operators(a);
	if (clock_monotonic(a->g->clock) >= a->status_at && !a->away)
		look_at_flood(a);
	if (clock_monotonic(a->g->clock) >= a->normal_at && !a->away)
		save_normal(a);
	return 0;
}

/* SIGHUP: at once, what else is done each second and each ten minutes. */
static int on_signal(void *arg, int signal)
{
	struct agent *a = arg;
	if (signal != SIGHUP)
		loop_stop(a->loop);
	a->normal_at = 0;
	return signal == SIGHUP ? on_second(a, 0) : 0;
}

static int start(struct agent *a, struct sandbox **sandbox, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, 0 };
	const struct gate *g = a->g;
	const struct sandbox_config config = { g->user, g->paths.state, SANDBOX_FILES | SANDBOX_DIALS };
	if (sodium_init() < 0)
		return err_set(err, -EIO, "libsodium can't begin");
	int code = loop_new(&a->loop, g->clock, err);
	if (!code)
		code = loop_signals(a->loop, signals, on_signal, a, err);
	if (!code)
		code = loop_every(a->loop, SECOND, on_second, a, err);
	if (!code && g->log_socket >= 0)
		code = loop_watch(a->loop, g->log_socket, on_log, a, err);
	return code ? code : sandbox_init(sandbox, &config, err);
}

static int work(struct agent *a, struct err *err)
{
	struct sandbox *sandbox;
	int code = start(a, &sandbox, err);
	if (code)
		return code;
	kiosk_enter(sandbox, "gate-agent", &a->g->log);
	code = gate_events_open(&a->events, err);
	if (code)
		return code;
	a->normal_at = clock_monotonic(a->g->clock) + STATUS_EVERY;
	code = loop_run(a->loop);
	if (code)
		return err_set(err, code, "the agent's loop: %m");
	a->ending = true; /* nginx may have ended before: nobody needs to be told */
	a->normal_at = 0;
	on_second(a, 0);
	return 0;
}

int gate_agent(const struct gate *g)
{
	struct agent a = { .g = g, .events = { .fd = -1, .most = GATE_EVENTS_SIZE } };
	struct err err = { 0 };
	snprintf(a.events.path, sizeof(a.events.path), "%s", g->paths.events);
	gate_operators_init(&a.operators, g->paths.state, g->paths.lists);
	const int code = work(&a, &err);
	if (code)
		log_say(&g->log, LOG_LEVEL_ERROR, "agent-ended", LOG_TEXT("why", err.text));
	gate_events_close(&a.events);
	buf_free(&a.waf);
	loop_free(a.loop);
	return code ? HUB_DIED : HUB_ENDED;
}
