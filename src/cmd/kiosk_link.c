/*
 * The link: TLS to the other kiosk and to the register. It reads what comes from machines that have the key, and shakes hands
 * with any: no files, no database, no key but those of its lines. What is said over them is kiosk/follow.h's, in the keeper.
 */
#include "cmd/kiosk.h"
#include "kiosk/follow.h"
#include "kiosk/frames.h"
#include "kiosk/pass.h"
#include "os/loop.h"
#include "post/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PASSES = 8 /* both lines, and who shakes hands */ };
static const int64_t DIAL_EVERY = 500LL * CLOCK_MS;

/* A connection; it becomes a line when it is up. */
struct way {
	struct linker *linker;
	struct pass *pass; /* NULL: none */
	enum follow_line line;
	bool is_line, writes;
};

struct linker {
	struct kiosk *k;
	struct loop *loop;
	struct dialer *dialer;
	unsigned n_hubs, hub[N_FOLLOW_LINES]; /* which of the dialer's each is; n_hubs: none */
	int keeper;
	struct frames frames;
	struct way ways[PASSES];
	struct way *lines[N_FOLLOW_LINES]; /* NULL: down */
	bool dials[N_FOLLOW_LINES], asked[N_FOLLOW_LINES];
	int64_t dialled[N_FOLLOW_LINES];
	bool keeper_writes;
};

static int tell(struct linker *l, enum follow_wire what, enum follow_line line, struct str rest)
{
	const char head[2] = { (char)what, (char)line };
	return frames_put(&l->frames, (struct str){ head, 2 }, rest);
}

/* 0 or -errno: the keeper can't be told. */
static int end(struct way *w)
{
	struct linker *l = w->linker;
	int code = 0;
	if (!w->pass)
		return 0;
	loop_unwatch(l->loop, pass_fd(w->pass));
	pass_free(w->pass);
	w->pass = NULL;
	if (w->is_line) {
		l->lines[w->line] = NULL;
		code = tell(l, FOLLOW_DOWN, w->line, STR(""));
	}
	w->is_line = false;
	return code;
}

/* --- the lines --- */

struct taking {
	struct way *way;
	int code;
};

static int become_line(struct way *w)
{
	struct linker *l = w->linker;
	int code = l->lines[w->line] && l->lines[w->line] != w ? end(l->lines[w->line]) : 0;
	w->is_line = true;
	l->lines[w->line] = w;
	return code ? code : tell(l, FOLLOW_UP, w->line, STR(""));
}

static void on_frame(void *arg, struct str message)
{
	struct taking *t = arg;
	if (!t->code && !t->way->is_line)
		t->code = become_line(t->way);
	if (!t->code)
		t->code = tell(t->way->linker, FOLLOW_FRAME, t->way->line, message);
}

/* Whatever can be done now. */
static int go_on(struct way *w)
{
	struct linker *l = w->linker;
	struct taking taking = { .way = w };
	struct err err = { 0 };
	if (!w->pass)
		return 0;
	int code = pass_run(w->pass, on_frame, &taking, &err);
	if (taking.code)
		return taking.code;
	if (code == -EACCES)
		log_say(&l->k->log, LOG_LEVEL_WARNING, "other-key",
		        LOG_TEXT("line", w->line == FOLLOW_PEER ? "kiosk" : "register"), LOG_TEXT("why", err.text));
	if (code)
		return end(w);
	if (pass_is_up(w->pass) && !w->is_line && (code = become_line(w)))
		return code;
	if (w->writes != pass_wants_write(w->pass))
		loop_writable(l->loop, pass_fd(w->pass), !w->writes);
	w->writes = pass_wants_write(w->pass);
	return 0;
}

static int on_way(void *arg, int fd)
{
	return go_on(arg);
}

/* fd becomes the pass's. Nobody is let in where there is no room: a handshake is over within seconds. */
static int begin(struct linker *l, int fd, bool dialled, enum follow_line line)
{
	struct way *w = NULL;
	struct err err;
	for (size_t i = 0; i < PASSES && !w; i++)
		w = l->ways[i].pass ? NULL : &l->ways[i];
	if (!w) {
		close(fd);
		return 0;
	}
	*w = (struct way){ .linker = l, .line = line };
	if (pass_new(&w->pass, fd, dialled, line == FOLLOW_PEER ? l->k->peer_key : l->k->register_key, FOLLOW_FRAME_MAX,
	             l->k->clock, &err)) {
		w->pass = NULL;
		return 0;
	}
	if (loop_watch(l->loop, pass_fd(w->pass), on_way, w, &err)) {
		pass_free(w->pass);
		w->pass = NULL;
		return 0;
	}
	return go_on(w); /* who has dialled speaks first */
}

static int on_listener(void *arg, int fd)
{
	int taken = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return taken < 0 ? 0 : begin(arg, taken, false, FOLLOW_PEER);
}

/* --- dialling --- */

static int on_dialer(void *arg, int fd)
{
	struct linker *l = arg;
	struct err err;
	unsigned tag;
	int got, code;
	while ((code = dialer_take(l->dialer, &tag, &got, &err)) > 0) {
		if (tag >= N_FOLLOW_LINES)
			return -EPROTO;
		l->asked[tag] = false;
		if (got >= 0 && l->dials[tag] && !l->lines[tag])
			code = begin(l, got, true, tag);
		else if (got >= 0)
			close(got);
		if (code < 0)
			return code;
	}
	return code;
}

static bool under_way(const struct linker *l, enum follow_line line)
{
	for (size_t i = 0; i < PASSES; i++)
		if (l->ways[i].pass && l->ways[i].line == line)
			return true;
	return false;
}

static int dial(struct linker *l, enum follow_line line, int64_t now)
{
	if (!l->dials[line] || l->hub[line] == l->n_hubs || l->asked[line] || under_way(l, line) ||
	    now - l->dialled[line] < DIAL_EVERY)
		return 0;
	l->dialled[line] = now;
	l->asked[line] = true;
	return dialer_ask(l->dialer, l->hub[line], line);
}

static int on_time(void *arg, int what)
{
	struct linker *l = arg;
	const int64_t now = clock_monotonic(l->k->clock);
	int code = 0;
	for (size_t i = 0; i < PASSES && !code; i++)
		if (l->ways[i].pass && pass_overdue(l->ways[i].pass))
			code = end(&l->ways[i]);
	for (size_t i = 0; i < N_FOLLOW_LINES && !code; i++)
		code = dial(l, i, now);
	return code;
}

/* --- the keeper --- */

static int from_keeper(struct linker *l, struct str m)
{
	if (m.n < 2 || (unsigned char)m.p[1] >= N_FOLLOW_LINES)
		return -EPROTO;
	const enum follow_line line = (enum follow_line)m.p[1];
	struct way *w = l->lines[line];
	switch (m.p[0]) {
	case FOLLOW_DIAL: l->dials[line] = true; return 0;
	case FOLLOW_LISTEN: l->dials[line] = false; return 0;
	case FOLLOW_DROP: return w ? end(w) : 0;
	case FOLLOW_FRAME:
		if (!w)
			return 0;
		return pass_put(w->pass, str_sub(m, 2, m.n)) ? end(w) : go_on(w);
	default: return -EPROTO;
	}
}

static int on_keeper(void *arg, int fd)
{
	struct linker *l = arg;
	struct str m;
	int ended = frames_read(&l->frames, frames_recv, &l->keeper), code = 0, more = 1;
	while (!code && (more = frames_next(&l->frames, &m)) > 0)
		code = from_keeper(l, m);
	return code ? code : more < 0 ? more : ended;
}

static int before_waiting(void *arg)
{
	struct linker *l = arg;
	const int code = frames_write(&l->frames, frames_send, &l->keeper);
	if (l->keeper_writes != frames_pending(&l->frames))
		loop_writable(l->loop, l->keeper, !l->keeper_writes);
	l->keeper_writes = frames_pending(&l->frames);
	return code;
}

/* --- the start --- */

/* The dialer is forked before this process has anything that it could lose. */
static int start_dialer(struct linker *l, struct err *err)
{
	const char *const named[N_FOLLOW_LINES] = {
		[FOLLOW_PEER] = l->k->c->peer, [FOLLOW_REGISTER] = l->k->c->witness
	};
	const char *hubs[N_FOLLOW_LINES];
	int code = dialer_start(&l->dialer, err);
	for (size_t i = 0; i < N_FOLLOW_LINES; i++) {
		l->hub[i] = N_FOLLOW_LINES;
		if (!named[i])
			continue;
		l->hub[i] = l->n_hubs;
		hubs[l->n_hubs++] = named[i];
	}
	for (size_t i = 0; i < N_FOLLOW_LINES; i++)
		l->hub[i] = named[i] ? l->hub[i] : l->n_hubs;
	return code || !l->n_hubs ? code : dialer_hubs(l->dialer, hubs, l->n_hubs, err);
}

static int start(struct linker *l, struct err *err)
{
	const struct sandbox_config config = { .user = l->k->front_user ? l->k->front_user : "nobody",
		                               .may = SANDBOX_SERVE };
	struct sandbox *sandbox;
	int code = start_dialer(l, err);
	if (!code)
		code = loop_new(&l->loop, l->k->clock, err);
	if (!code)
		code = loop_watch(l->loop, l->keeper, on_keeper, l, err);
	if (!code)
		code = loop_watch(l->loop, dialer_fd(l->dialer), on_dialer, l, err);
	if (!code && l->k->taken >= 0)
		code = loop_watch(l->loop, l->k->taken, on_listener, l, err);
	if (!code)
		code = loop_every(l->loop, 100LL * CLOCK_MS, on_time, l, err);
	if (!code)
		code = sandbox_init(&sandbox, &config, err);
	if (!code)
		kiosk_enter(sandbox, "kiosk-link", &l->k->log);
	return code;
}

int kiosk_link(struct kiosk *k, int keeper)
{
	struct linker *l = calloc(1, sizeof(*l));
	struct err err = { 0 };
	prctl(PR_SET_NAME, "khien: kiosk-link", 0, 0, 0);
	if (!l)
		return EXIT_FAILURE;
	l->k = k;
	l->keeper = keeper;
	l->dials[FOLLOW_REGISTER] = true;
	frames_init(&l->frames, FOLLOW_FRAME_MAX + 2);
	int code = start(l, &err);
	if (!code) {
		loop_before(l->loop, before_waiting, l);
		code = loop_run(l->loop);
	}
	if (code != -EPIPE)
		log_say(&k->log, LOG_LEVEL_ERROR, "link-ended",
		        LOG_TEXT("why", *err.text ? err.text : strerror(-code)));
	return EXIT_FAILURE; /* the keeper has ended, or will */
}
