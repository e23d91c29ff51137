/*
 * The keeper: the only process that touches the data folder. It takes rows from the front, makes all that wait durable
 * with one fsync (group commit), and says so. It has no network, and of files the data folder alone.
 */
#include "cmd/hub.h"
#include "cmd/hub_alerts.h"
#include "cmd/hub_posts.h"
#include "cmd/hub_supervise.h"
#include "intel/shelf.h"

#include "os/atomic.h"
#include "os/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { STATE_WAIT_MS = 200 /* events wait as long */ };
enum { WAIT_MS = 50, ROWS_AT_ONCE = 8192, REPLAY_BYTES = 256 << 10 };
static const int64_t SAY_EVERY = CLOCK_S, LOOK_EVERY = 50LL * CLOCK_MS, ENFORCE_EVERY = 30LL * CLOCK_S;
static const int64_t HOUR = 3600LL * CLOCK_S, DAY = 86400LL * CLOCK_S;
static const int64_t FEEDS_EVERY = 2LL * CLOCK_S;
static const int64_t PATIENCE = 2LL * CLOCK_S;

struct keeper {
	const struct keeper_config *c;
	const struct events_kind *kind;
	struct events *events;
	struct state *state;
	struct link link;
	struct link_store said;
	uint64_t state_version;
	struct buf tokens; /* as the front has them */
	uint64_t feeds;    /* the stamp that the front was told */
	int64_t feeds_at, swept_at;
	bool keeps_state; /* state_keep() is due */
	int64_t said_at, looked_at, enforced_at, beat;
	bool unsynced; /* rows wait for sync */
	bool failed;   /* rows of this round were not taken */
	struct alerts alerts;
	uint64_t next;      /* number of the row behind the last */
	bool open, serving; /* rows are taken; and all that had to be seen again is on its way */
	int64_t wall, wall_at, wall_saved, trust_from; /* the wall clock as it was seen last, and when (monotonic) */
	struct event_row *rows;
	uint8_t *verdicts;
	struct buf answers; /* heads and verdicts that wait for sync */
	/* of the replay: a message under way */
	struct buf replay;
	uint64_t replay_n, replay_seq;
};

static void say_at_work(struct keeper *k)
{
	const enum supervise_beat what = k->serving ? BEAT_TAKES : BEAT_STARTS;
	supervise_beat(k->c->beat, what, clock_monotonic(k->c->clock), &k->beat);
}

static void note(void *arg, const char *event, const char *what, const char *why)
{
	struct keeper *k = arg;
	log_say(k->c->log, LOG_LEVEL_WARNING, event, LOG_TEXT("what", what), LOG_TEXT("why", why));
}

/* Trouble is told when it begins, when it changes, and when it is over. */
static void trouble(struct keeper *k, int code, const char *why)
{
	if (code && (code != k->said.trouble || !*k->said.why))
		log_say(k->c->log, LOG_LEVEL_ERROR, "not-stored", LOG_TEXT("why", why));
	else if (!code && k->said.trouble)
		log_say(k->c->log, LOG_LEVEL_INFO, "stored-again", LOG_TEXT("after", k->said.why));
	if (code != k->said.trouble)
		k->said_at = 0;
	k->said.trouble = code;
	snprintf(k->said.why, sizeof(k->said.why), "%s", code ? why : "");
}

static void put_answer(struct keeper *k, int code, uint64_t seq, uint64_t n)
{
	const struct link_head head = { .kind = LINK_VERDICTS, .code = code, .seq = seq, .n = n, .size = code ? 0 : n };
	buf_add(&k->answers, (struct str){ (const char *)&head, sizeof(head) });
	if (!code)
		buf_add(&k->answers, (struct str){ (const char *)k->verdicts, n });
}

static int on_rows(struct keeper *k, const struct link_head *head, struct str body)
{
	struct err err = { 0 };
	uint64_t seq = 0;
	if (head->n > ROWS_AT_ONCE || !k->open)
		return -EPROTO;
	for (uint64_t i = 0; i < head->n; i++)
		if (!link_take_row(&body, &k->rows[i]))
			return -EPROTO;
	int code = head->n ? k->kind->append(k->events, k->rows, head->n, k->verdicts, &seq, &err) : 0;
	k->failed |= code != 0;
	if (code || (!k->unsynced && !k->failed)) /* else it shows with the sync */
		trouble(k, code, err.text);
	k->unsynced |= !code && head->n;
	k->next = !code && head->n ? seq + head->n : k->next;
	put_answer(k, code, seq, head->n);
	return 0;
}

/* Not of value after a restart: written without haste. */
static void on_status(struct keeper *k, struct str body)
{
	struct err err;
	if (atomic_write(k->c->store, "status", body, 0640, &err))
		log_say(k->c->log, LOG_LEVEL_WARNING, "status-not-written", LOG_TEXT("why", err.text));
}

static int on_message(struct keeper *k, const struct link_head *head, struct str body)
{
	say_at_work(k);
	switch (head->kind) {
	case LINK_ROWS: return on_rows(k, head, body);
	case LINK_ALERT: return alerts_take(&k->alerts, body);
	case LINK_MATCHED: /* no further than there are rows, whatever the front says */
		alerts_mark(&k->alerts, head->seq < k->next ? head->seq : k->next);
		return 0;
	case LINK_STATUS: on_status(k, body); return 0;
	case LINK_ASK:
	case LINK_SEEN:
	case LINK_SENT: return k->c->posts ? hub_posts_take(k->c->posts, head, body) : 0;
	default: return -EPROTO;
	}
}

/* One fsync for all that was taken; then everybody is told. */
static void settle(struct keeper *k)
{
	struct err err = { 0 };
	/* what couldn't be made durable is tried again when somebody asks */
	const bool tried = k->unsynced && k->answers.n;
	int code = tried ? k->kind->sync(k->events, &err) : 0;
	alerts_commit(&k->alerts);
	if (tried && (code || !k->failed)) /* what was small enough to fit doesn't end it */
		trouble(k, code, err.text);
	k->failed = false;
	for (size_t at = 0; at < k->answers.n;) {
		struct link_head head;
		memcpy(&head, k->answers.p + at, sizeof(head));
		struct str body = { k->answers.p + at + sizeof(head), head.size };
		at += sizeof(head) + head.size;
		if (code && !head.code) /* with its verdicts: what the rows are, once they are durable */
			head.code = code;
		link_put(&k->link, &head, body);
	}
	k->answers.n = 0;
	k->unsynced = k->unsynced && (code || !tried);
}

static int put_token(void *arg, const struct token *t)
{
	buf_add(arg, (struct str){ (const char *)t, sizeof(*t) });
	return 0;
}

/* Whoever changed the tokens, the front gets them. */
static void say_tokens(struct keeper *k)
{
	struct buf body = { 0 };
	struct err err;
	uint64_t version = state_version(k->state);
	if (version == k->state_version)
		return;
	if (state_tokens(k->state, put_token, &body, &err)) {
		log_say(k->c->log, LOG_LEVEL_ERROR, "tokens-not-read", LOG_TEXT("why", err.text));
		buf_free(&body);
		return;
	}
	if (!k->state_version || !str_eq(buf_str(&body), buf_str(&k->tokens))) {
		const struct link_head head = { .kind = LINK_TOKENS, .n = body.n / sizeof(struct token) };
		link_put(&k->link, &head, buf_str(&body));
	}
	buf_free(&k->tokens);
	k->tokens = body;
	k->state_version = version;
	k->keeps_state = true;
}

/* Behind that: `khien hub token` takes it for the word that the front knows them. */
static void keep_state(struct keeper *k)
{
	struct err err;
	if (!k->keeps_state || link_pending(&k->link))
		return;
	k->keeps_state = false;
	if (state_keep(k->state, &err))
		log_say(k->c->log, LOG_LEVEL_WARNING, "tokens-not-kept", LOG_TEXT("why", err.text));
}

static void say_store(struct keeper *k)
{
	struct statvfs fs;
	const struct link_head head = { .kind = LINK_STORE };
	k->said.counts = k->kind->counts(k->events);
	k->said.alerts = k->alerts.added;
	k->said.alerts_lost = k->alerts.lost;
	if (!statvfs(k->c->store, &fs))
		k->said.free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	link_put(&k->link, &head, (struct str){ (const char *)&k->said, sizeof(k->said) });
}

/*
 * A clock that has leapt ahead would have everything expire at once. Ages are not enforced for a day after a leap of
 * more than a day, or where more than a month has passed since a run before; the bounds of room are.
 */
static bool clock_is_trusted(struct keeper *k)
{
	int64_t wall = clock_wall(k->c->clock), now = clock_monotonic(k->c->clock);
	const bool leapt = k->wall && wall - k->wall > (k->wall_at ? now - k->wall_at + DAY : 31 * DAY);
	struct err err;
	if (leapt) {
		log_say(k->c->log, LOG_LEVEL_WARNING, "clock-ahead",
		        LOG_NUMBER("seconds", (uint64_t)((wall - k->wall) / CLOCK_S)),
		        LOG_TEXT("what", "events are not let go by their age for a day"));
		k->trust_from = now + DAY;
	}
	const bool trusted = now >= k->trust_from;
	if (trusted && (!k->wall_saved || now - k->wall_saved > HOUR)) {
		if (state_set(k->state, "wall", (struct str){ (const char *)&wall, sizeof(wall) }, &err))
			log_say(k->c->log, LOG_LEVEL_WARNING, "state-not-stored", LOG_TEXT("why", err.text));
		k->wall_saved = now;
	}
	k->wall = wall;
	k->wall_at = now;
	return trusted;
}

static void enforce(struct keeper *k)
{
	struct event_limits limits = *k->c->limits;
	struct err err;
	limits.n_ages = clock_is_trusted(k) ? limits.n_ages : 0;
	uint64_t dropped = k->said.retention.dropped_events;
	if (k->kind->enforce(k->events, &limits, &k->said.retention, &err))
		log_say(k->c->log, LOG_LEVEL_ERROR, "limits-not-kept", LOG_TEXT("why", err.text));
	else if (k->said.retention.dropped_events)
		log_say(k->c->log, LOG_LEVEL_INFO, "dropped", LOG_NUMBER("events", k->said.retention.dropped_events),
		        LOG_NUMBER("bytes", k->said.retention.dropped_bytes));
	k->said.retention.dropped_events += dropped;
}

/* Whoever changed the feeds of indicators, the front is told; what has expired leaves them once a day. */
static void look_at_feeds(struct keeper *k, int64_t now)
{
	char dir[4200];
	struct err err;
	uint64_t n = 0, stamp = 0;
	snprintf(dir, sizeof(dir), "%s/intel", k->c->store);
	if (now - k->swept_at >= DAY && now >= k->trust_from) {
		k->swept_at = now;
		if (shelf_sweep(dir, clock_wall(k->c->clock) / CLOCK_S, &n, &err))
			log_say(k->c->log, LOG_LEVEL_WARNING, "feeds-not-swept", LOG_TEXT("why", err.text));
		else if (n)
			log_say(k->c->log, LOG_LEVEL_INFO, "indicators-expired", LOG_NUMBER("indicators", n));
	}
	if (shelf_stamp(dir, &stamp, &err) || stamp == k->feeds)
		return;
	const struct link_head head = { .kind = LINK_FEEDS, .seq = stamp };
	link_put(&k->link, &head, STR(""));
	k->feeds = stamp;
}

static int housekeeping(struct keeper *k)
{
	int64_t now = clock_monotonic(k->c->clock);
	struct err err;
	int code = k->kind->tick(k->events, &err);
	if (code)
		trouble(k, code, err.text);
	if (now - k->enforced_at >= ENFORCE_EVERY || !k->enforced_at) {
		enforce(k);
		k->enforced_at = now;
	}
	int posts = 0;
	if (now - k->looked_at >= LOOK_EVERY || !k->looked_at) {
		const uint64_t version = k->state_version;
		say_tokens(k);
		posts = k->c->posts ? hub_posts_work(k->c->posts, k->state_version != version) : 0;
		k->looked_at = now;
	}
	if (now - k->said_at >= SAY_EVERY || !k->said_at) {
		say_store(k);
		k->said_at = now;
	}
	if (now - k->feeds_at >= FEEDS_EVERY || !k->feeds_at) {
		look_at_feeds(k, now);
		k->feeds_at = now;
	}
	return posts;
}

/* --- the start --- */

static void send_replay(struct keeper *k)
{
	const struct link_head head = { .kind = LINK_REPLAY, .seq = k->replay_seq, .n = k->replay_n };
	if (k->replay_n)
		link_put(&k->link, &head, buf_str(&k->replay));
	k->replay.n = 0;
	k->replay_n = 0;
}

/* What the front says. */
static int hear(struct keeper *k)
{
	struct link_head head;
	struct str body;
	int ended = link_read(&k->link), code = 0, more = 1;
	while (!code && (more = link_next(&k->link, &head, &body)) > 0)
		code = on_message(k, &head, body);
	return code ? code : more < 0 ? more : ended;
}

/* The front reads along, or this waits for it; it may wait for its alerts to be read. */
static int flush_all(struct keeper *k)
{
	int code = link_flush(&k->link);
	while (!code && link_pending(&k->link)) {
		struct pollfd p = { .fd = k->link.fd, .events = POLLIN | POLLOUT };
		say_at_work(k);
		poll(&p, 1, WAIT_MS);
		code = p.revents & ~POLLOUT ? hear(k) : 0;
		alerts_commit(&k->alerts);
		code = code ? code : link_flush(&k->link);
	}
	return code;
}

static int on_replay(void *arg, uint64_t seq, const struct event_row *row)
{
	struct keeper *k = arg;
	if (k->replay_n && (seq != k->replay_seq + k->replay_n || k->replay.n > REPLAY_BYTES))
		send_replay(k);
	if (!k->replay_n)
		k->replay_seq = seq;
	k->replay_n++;
	k->next = seq + 1;
	link_add_row(&k->replay, row);
	return k->replay.n > REPLAY_BYTES ? flush_all(k) : 0;
}

static int read_marks(struct keeper *k, struct err *err)
{
	struct buf was = { 0 };
	uint64_t marked = 0;
	alerts_init(&k->alerts, k->state, k->c->clock, k->c->log);
	int code = state_get(k->state, "matched", &was, err);
	if (!code && was.n == sizeof(marked))
		memcpy(&marked, was.p, was.n);
	buf_free(&was);
	if (code && code != -ENOENT)
		return code;
	k->alerts.matched = k->alerts.marked = k->next = marked;
	was = (struct buf){ 0 };
	if (!state_get(k->state, "wall", &was, err) && was.n == sizeof(k->wall))
		memcpy(&k->wall, was.p, was.n);
	buf_free(&was);
	const struct link_head head = { .kind = LINK_MATCHED, .seq = marked };
	link_put(&k->link, &head, STR(""));
	return 0;
}

/* One that has just lost its supervisor is about to end. */
static int open_events(struct keeper *k, const struct events_config *config, struct err *err)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	int64_t until = clock_monotonic(k->c->clock) + PATIENCE;
	int code;
	while ((code = k->kind->open(&k->events, config, err)) == -EBUSY && clock_monotonic(k->c->clock) < until)
		nanosleep(&pause, NULL);
	return code;
}

/* Without its tokens and alerts the hub still takes logs: damage there costs no event. */
static int open_state(struct keeper *k, struct err *err)
{
	const struct state_config config = { .dir = k->c->store, .clock = k->c->clock, .wait_ms = STATE_WAIT_MS };
	struct state_mended mended;
	int migrated = 0;
	int code = state_open(&k->state, &config, &migrated, err);
	if (!code && migrated)
		log_say(k->c->log, LOG_LEVEL_INFO, "migrated", LOG_NUMBER("from", (uint64_t)migrated),
		        LOG_NUMBER("to", STATE_SCHEMA));
	if (code != -EBADMSG)
		return code;
	log_say(k->c->log, LOG_LEVEL_ERROR, "state-damaged", LOG_TEXT("why", err->text));
	code = state_mend(&config, &mended, err);
	if (code)
		return code;
	log_say(k->c->log, LOG_LEVEL_WARNING, "state-mended", LOG_TEXT("aside", mended.aside),
	        LOG_NUMBER("tokens", mended.tokens), LOG_NUMBER("alerts", mended.alerts),
	        LOG_NUMBER("posts", mended.posts),
	        LOG_TEXT("what", "see khien hub token list, khien hub posts; what is missing is in a backup, or to be "
	                         "made anew"));
	return state_open(&k->state, &config, NULL, err);
}

static int open_all(struct keeper *k, struct err *err)
{
	char dir[4096];
	const struct events_config events = { .dir = dir, .clock = k->c->clock, .note = note, .arg = k };
	snprintf(dir, sizeof(dir), "%s/events", k->c->store);
	int code = open_state(k, err);
	if (!code && k->c->posts)
		hub_posts_begin(k->c->posts, k->state, &k->link);
	if (!code)
		code = open_events(k, &events, err);
	k->rows = calloc(ROWS_AT_ONCE, sizeof(*k->rows));
	k->verdicts = malloc(ROWS_AT_ONCE);
	if (!code && (!k->rows || !k->verdicts))
		code = err_set(err, -ENOMEM, "%m");
	if (!code)
		code = read_marks(k, err);
	if (!code)
		code = k->kind->replay(k->events, on_replay, k, err);
	k->open = !code;
	return code;
}

static void close_all(struct keeper *k)
{
	if (k->events)
		k->kind->close(k->events);
	if (k->state)
		state_close(k->state);
	link_done(&k->link);
	alerts_done(&k->alerts);
	buf_free(&k->tokens);
	buf_free(&k->answers);
	buf_free(&k->replay);
	free(k->rows);
	free(k->verdicts);
}

static void tell_sandbox(struct keeper *k, const struct sandbox_report *report)
{
	for (size_t i = 0; i < SANDBOX_LAYERS; i++)
		if (!report->layer[i].on)
			log_say(k->c->log, LOG_LEVEL_WARNING, "protection-off", LOG_TEXT("process", "keeper"),
			        LOG_TEXT("what", report->layer[i].name), LOG_TEXT("why", report->layer[i].why));
}

static int enter(struct keeper *k, struct err *err)
{
	const struct sandbox_config config = { .user = k->c->user, .dir = k->c->store, .may = SANDBOX_FILES };
	struct sandbox *sandbox;
	struct sandbox_report report;
	int code = sandbox_init(&sandbox, &config, err);
	if (code)
		return code;
	sandbox_enter(sandbox, &report);
	tell_sandbox(k, &report);
	return 0;
}

static int serve(struct keeper *k)
{
	int code = 0;
	k->serving = true;
	while (!code) {
		say_at_work(k);
		struct pollfd p = { .fd = k->link.fd, .events = POLLIN | (link_pending(&k->link) ? POLLOUT : 0) };
		poll(&p, 1, WAIT_MS);
		int heard = p.revents ? hear(k) : 0;
		settle(k);
		const int posts = housekeeping(k);
		code = link_flush(&k->link);
		keep_state(k);
		code = heard ? heard : code ? code : posts;
	}
	return code == -EPIPE ? 0 : code;
}

int keeper_run(const struct keeper_config *config)
{
	struct keeper k = { .c = config, .kind = &events_embedded };
	struct err err = { 0 };
	prctl(PR_SET_NAME, "khien: keeper", 0, 0, 0);
	signal(SIGINT, SIG_IGN); /* it ends when the front has, which may still have something to store */
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	int code = link_init(&k.link, config->link, N_LINKS);
	if (!code)
		code = enter(&k, &err);
	if (!code)
		code = open_all(&k, &err);
	if (code) {
		log_say(config->log, LOG_LEVEL_ERROR, "not-opened", LOG_TEXT("why", err.text));
		close_all(&k);
		return code == -EPIPE ? HUB_DIED : HUB_HOPELESS;
	}
	send_replay(&k);
	const struct link_head replayed = { .kind = LINK_REPLAYED };
	link_put(&k.link, &replayed, STR(""));
	code = serve(&k);
	if (code)
		log_say(config->log, LOG_LEVEL_ERROR, "keeper-ended", LOG_TEXT("why", strerror(-code)));
	close_all(&k);
	return code ? HUB_DIED : HUB_ENDED;
}
