/* The worker of khien post: follows logs into the post's spool, within the sandbox. */
#include "cmd/paths.h"
#include "cmd/post.h"
#include "os/atomic.h"
#include "os/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static const int64_t TICK = 500LL * CLOCK_MS, STATUS = 5LL * CLOCK_S, SECOND = CLOCK_S;
enum { LISTENERS = SOURCES_MAX };

struct worker {
	const struct post_run_config *c;
	const struct config_post *p;
	struct loop *loop;
	struct post *post;
	struct dialer *dialer; /* until it is the post's */
	struct post_take take;
	struct post_followed followed;
	struct sources sources;
	struct opener *opener;
	struct places *places;
	struct err no_places;
	struct follow *follow;
	struct taker taker;
	struct listener *listeners[LISTENERS];
	size_t n_listeners;
	struct sandbox *sandbox;
	int64_t status, second; /* when they were last done, monotonic */
	int end;                /* POST_*, once it is to end */
};

static void say(const struct worker *w, enum log_level level, const char *event, const char *what, const char *why)
{
	if (why)
		log_say(w->c->log, level, event, LOG_TEXT("what", what), LOG_TEXT("why", why));
	else
		log_say(w->c->log, level, event, LOG_TEXT("what", what ? what : ""));
}

/* --- what its parts tell --- */

static void on_post(void *arg, enum log_level level, const char *event, const char *what, const char *why)
{
	say(arg, level, event, what, why);
}

static void on_collect(void *arg, enum log_level level, enum collect_note what, const char *a, const char *b)
{
	static const char *const events[N_COLLECT_NOTES] = {
		[NOTE_WATCHING] = "following",
		[NOTE_BACK] = "following-again",
		[NOTE_NOT_WATCHED] = "not-followed",
		[NOTE_CATCHING_UP] = "catching-up",
		[NOTE_EMPTIED] = "emptied",
		[NOTE_MAY_BE_LOST] = "may-be-lost",
		[NOTE_NO_PLACES] = "places-not-saved",
		[NOTE_TURNED_AWAY] = "turned-away",
	};
	say(arg, level, events[what], a, b);
}

static int on_take(void *arg, struct origin *o, struct batch *b)
{
	struct worker *w = arg;
	return post_take(&w->take, o, b);
}

static void on_skip(void *arg, struct origin *o, uint64_t line, const char *reason)
{
	struct worker *w = arg;
	if (!w->take.skipped++)
		say(w, LOG_LEVEL_WARNING, "skipped", o->name, reason);
}

static int settled(void *arg, bool must)
{
	struct worker *w = arg;
	struct err err;
	if (must && !post_is_synced(w->post))
		post_sync(w->post, &err); /* what isn't stays unsettled, and is tried again */
	return post_is_synced(w->post);
}

static void stop(struct worker *w, int how)
{
	w->end = how;
	loop_stop(w->loop);
}

static int on_act(void *arg, enum order_verb verb, const struct order *o, struct buf *result, struct err *err)
{
	struct worker *w = arg;
	if (verb != ORDER_FOLLOW && verb != ORDER_UNFOLLOW)
		return err_set(err, -ENOTSUP, "this post can't");
	int code = post_follow(&w->followed, w->p->data, &w->p->below, o->args[0], verb == ORDER_FOLLOW, err);
	if (code > 0)
		w->end = POST_AGAIN; /* the opener opens what it was started with: see on_tick() */
	buf_add(result, code > 0 ? STR("from now on") : STR("it was so"));
	return code < 0 ? code : 0;
}

static uint64_t shed(const struct worker *w)
{
	uint64_t n = 0;
	for (size_t i = 0; i < w->n_listeners; i++)
		n += listener_shed(w->listeners[i]);
	return n;
}

static void on_status(void *arg, struct buf *json)
{
	const struct worker *w = arg;
	buf_printf(json, "\"read\":%llu,\"read_bytes\":%llu,\"skipped\":%llu,\"shed\":%llu,\"sources\":[",
	           (unsigned long long)w->take.events, (unsigned long long)w->take.bytes,
	           (unsigned long long)w->take.skipped, (unsigned long long)shed(w));
	for (size_t i = 0; i < w->sources.n; i++) {
		buf_add(json, i ? STR(",") : STR(""));
		buf_add_json(json, str_from(w->sources.shown[i]));
	}
	buf_putc(json, ']');
}

static void on_retired(void *arg)
{
	struct worker *w = arg;
	say(w, LOG_LEVEL_WARNING, "retired", post_name(w->post), "the hub ordered it; 'khien post enrol' begins anew");
	stop(w, POST_HOPELESS);
}

/* --- the start --- */

static int start_opener(struct worker *w, struct err *err)
{
	const struct config_post *p = w->p;
	const char *ordered[POST_FOLLOWED_MAX];
	char gate[4096];
	int code = post_followed_load(&w->followed, p->data, &p->below, err);
	for (size_t i = 0; i < w->followed.n; i++)
		ordered[i] = w->followed.paths[i];
	const struct sources_config config = {
		.files = p->files.at,
		.n_files = p->files.n,
		.ordered = ordered,
		.below = w->followed.below,
		.n_ordered = w->followed.n,
		.own = p->journal ? paths_gate_events(gate, sizeof(gate)) : NULL,
		.machine = p->journal,
		.journal = p->journal,
		.syslog = p->syslog.at,
		.n_syslog = p->syslog.n,
	};
	if (!code)
		code = sources_find(&w->sources, &config, err);
	return code ? code : opener_start(&w->opener, w->sources.items, w->sources.n, err);
}

static int open_post(struct worker *w, struct err *err)
{
	const struct config_post *p = w->p;
	const struct post_config config = {
		.dir = p->data,
		.dialer = w->dialer,
		.hubs = p->hubs.at,
		.n_hubs = p->hubs.n,
		.spool_bytes = p->max_size,
		.spool_age = p->max_age,
		.clock = w->c->clock,
		.note = on_post,
		.act = on_act,
		.status = on_status,
		.retired = on_retired,
		.arg = w,
	};
	w->dialer = NULL;
	int code = post_open(&w->post, &config, err);
	if (!code)
		code = post_take_init(&w->take, p->data, err);
	w->take.post = w->post;
	return code;
}

static void add_listener(struct worker *w, size_t item)
{
	struct listener_config config = {
		.kind = w->sources.items[item].kind,
		.name = w->sources.shown[item],
		.taker = &w->taker,
		.loop = w->loop,
		.clock = w->c->clock,
	};
	struct err err = { 0 };
	int code = opener_open(w->opener, item, NULL, &config.fd, &err);
	if (code > 0)
		code = listener_new(&w->listeners[w->n_listeners], &config, &err);
	if (code)
		say(w, LOG_LEVEL_ERROR, "not-listening", config.name, err.text);
	w->n_listeners += !code;
}

static int start_collecting(struct worker *w, struct err *err)
{
	const struct follow_config config = {
		.taker = &w->taker,
		.opener = w->opener,
		.sources = &w->sources,
		.places = w->places,
		.clock = w->c->clock,
	};
	w->taker = (struct taker){ .take = on_take, .skip = on_skip, .note = on_collect, .settled = settled, .arg = w };
	if (w->no_places.code)
		say(w, LOG_LEVEL_WARNING, "places-not-saved", w->no_places.text, NULL);
	if (*w->sources.no_journal)
		say(w, LOG_LEVEL_INFO, "not-followed", "journal", w->sources.no_journal);
	for (size_t i = 0; i < w->sources.n; i++)
		if (w->sources.items[i].kind == OPENER_UDP || w->sources.items[i].kind == OPENER_TCP)
			add_listener(w, i);
	return follow_logs_new(&w->follow, &config, err);
}

static int on_signal(void *arg, int signal)
{
	stop(arg, signal == SIGHUP ? POST_AGAIN : POST_ENDED);
	return 0;
}

/* It is gone, however that came: nobody would start this anew. */
static int on_parent(void *arg, int fd)
{
	struct worker *w = arg;
	loop_unwatch(w->loop, fd);
	stop(w, POST_ENDED);
	return 0;
}

static int start(struct worker *w, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGHUP, 0 };
	const struct sandbox_config sandbox = { .dir = w->p->data, .may = SANDBOX_SERVE | SANDBOX_FILES };
	/* Who keeps other rights is forked while there is no secret to take along; and what is made in the folder belongs
	 * to whom the folder does, so that it can be written to later. */
	int code = start_opener(w, err);
	if (!code)
		code = dialer_start(&w->dialer, err);
	if (!code)
		code = post_become(w->c->owner, err);
	if (!code)
		code = open_post(w, err);
	if (!code)
		code = loop_new(&w->loop, w->c->clock, err);
	if (!code)
		code = loop_signals(w->loop, signals, on_signal, w, err);
	if (!code)
		code = loop_watch(w->loop, w->c->parent, on_parent, w, err);
	if (code)
		return code;
	place_open(&w->places, w->p->data, "places", &w->no_places);
	code = start_collecting(w, err);
	if (!code)
		code = post_begin(w->post, w->loop, err);
	return code ? code : sandbox_init(&w->sandbox, &sandbox, err);
}

static void enter(struct worker *w)
{
	struct sandbox_report report;
	char on[160] = "";
	sandbox_enter(w->sandbox, &report);
	for (size_t i = 0; i < SANDBOX_LAYERS; i++) {
		const size_t n = strlen(on);
		if (report.layer[i].on)
			snprintf(on + n, sizeof(on) - n, "%s%s", n ? ", " : "", report.layer[i].name);
		else
			say(w, LOG_LEVEL_WARNING, "protection-off", report.layer[i].name, report.layer[i].why);
	}
	say(w, LOG_LEVEL_INFO, "protection", on, NULL);
}

/* --- at work --- */

/* Each poll's records are on the disk before more is read, and then where it stands is saved. */
static int follow_logs(struct worker *w, bool *more)
{
	struct err err;
	int code = 0;
	if (post_is_synced(w->post))
		code = follow_save(w->follow, false);
	if (!code && post_is_synced(w->post))
		code = follow_poll(w->follow, more);
	if (!post_is_synced(w->post) && post_sync(w->post, &err))
		*more = false;
	return code;
}

static void write_status(struct worker *w)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	struct err err;
	post_status(w->post, &text);
	buf_putc(&text, '\n');
	atomic_write(w->p->data, "status", buf_str(&text), 0644, &err); /* it is told how old it is */
}

static int on_tick(void *arg, int what)
{
	struct worker *w = arg;
	const int64_t now = clock_monotonic(w->c->clock);
	bool more = false;
	int code = follow_logs(w, &more);
	if (now - w->second >= SECOND) {
		w->second = now;
		for (size_t i = 0; i < w->n_listeners && !code; i++)
			code = listener_tick(w->listeners[i]);
		for (size_t i = 0; i < w->n_listeners && !code; i++)
			code = listener_room(w->listeners[i]);
	}
	if (now - w->status >= STATUS) {
		w->status = now;
		write_status(w);
	}
	if (w->end == POST_AGAIN)
		loop_stop(w->loop);
	if (more)
		loop_soon(w->loop, on_tick);
	return code;
}

/* What was taken is on the disk. */
static int finish(struct worker *w)
{
	struct err err;
	for (size_t i = 0; i < w->n_listeners; i++)
		listener_free(w->listeners[i]);
	w->n_listeners = 0;
	int code = follow_end(w->follow);
	if (!code)
		code = post_sync(w->post, &err);
	if (!code)
		code = follow_save(w->follow, true);
	write_status(w);
	return code;
}

static void done(struct worker *w)
{
	for (size_t i = 0; i < w->n_listeners; i++)
		listener_free(w->listeners[i]);
	follow_logs_free(w->follow);
	post_close(w->post);
	dialer_free(w->dialer);
	post_take_done(&w->take);
	place_free(w->places);
	loop_free(w->loop);
	opener_free(w->opener);
	sources_done(&w->sources);
}

static int work(struct worker *w, struct err *err)
{
	bool more = false;
	int code = start(w, err);
	if (code)
		return code;
	enter(w);
	code = loop_every(w->loop, TICK, on_tick, w, err);
	if (!code)
		code = follow_logs(w, &more); /* from here on nothing is missed */
	if (code)
		return err_set(err, code, "follow logs: %m");
	write_status(w);
	say(w, LOG_LEVEL_INFO, "ready", post_name(w->post), NULL);
	code = loop_run(w->loop);
	if (!code)
		code = finish(w);
	return code ? err_set(err, code, "%m") : 0;
}

int post_run(const struct post_run_config *config)
{
	struct worker *w = calloc(1, sizeof(*w));
	struct err err = { 0 };
	prctl(PR_SET_NAME, "khien: post", 0, 0, 0);
	if (!w)
		return POST_DIED;
	w->c = config;
	w->p = config->post;
	signal(SIGINT, SIG_IGN); /* of a terminal: the parent has it too, and tells */
	int code = work(w, &err);
	if (code)
		say(w, LOG_LEVEL_ERROR, "post-ended", err.text, NULL);
	const int how = code == -ENOENT || code == -EBADMSG || code == -EINVAL || code == -EBUSY ? POST_HOPELESS
	                : code                                                                   ? POST_DIED
	                                                                                         : w->end;
	done(w);
	free(w);
	return how;
}
