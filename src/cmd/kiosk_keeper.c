/*
 * The keeper: the only process that has the database and the key. It takes calls from the front, from DATA/control and, on a
 * standby, changes from the other kiosk, and answers when what was changed is durable here and there. While a round is being
 * written calls wait in their sockets: the next round takes all of them (group commit).
 */
#include "cmd/kiosk_keeper.h"
#include "cmd/hub_supervise.h"
#include "kiosk/schema.h"
#include "os/become.h"
#include "os/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 50, ROUNDS = 16 /* between two looks at the sockets */, UNREAD_MAX = 8 << 20 };
static const int64_t SAY_EVERY = CLOCK_S, UPKEEP_EVERY = 60LL * CLOCK_S, TRY_EVERY = 2LL * CLOCK_S,
                     AWAY = 600LL * CLOCK_S, PATIENCE = 2LL * CLOCK_S;

/* What whoever came that way may ask as. The front reads foreign bytes: staff show a session. */
static const uint32_t front_may = ROLE_ANYBODY | ROLE_BANK | ROLE_HOSPITAL;
/* Who may open DATA/control may as well open the database. */
static const uint32_t control_may = ROLE_ANYBODY | ROLE_CLERK | ROLE_ADMIN | ROLE_BANK | ROLE_HOSPITAL | ROLE_KIOSK;

/* --- answers --- */

static struct asker *asker_of(struct keeper *k, const struct reply *r)
{
	struct asker *a = &k->askers[r->asker];
	return a->link.fd >= 0 && a->generation == r->generation ? a : NULL;
}

static void send_answer(struct asker *a, uint64_t number, const json_t *answer)
{
	const struct link_head head = { .kind = KIOSK_ANSWER, .seq = number };
	char *text = json_dumps(answer, JSON_COMPACT);
	link_put(&a->link, &head, str_from(text ? text : "{\"trouble\":\"no memory\"}"));
	free(text);
}

static void forget(struct reply *r)
{
	*r->before = r->next;
	if (r->next)
		r->next->before = r->before;
	free(r);
}

static void note_trouble(struct keeper *k, const char *why)
{
	if (strncmp(k->state.why, why, sizeof(k->state.why) - 1) == 0)
		return;
	if (*why)
		log_say(&k->kiosk->log, LOG_LEVEL_ERROR, "not-stored", LOG_TEXT("why", why));
	else
		log_say(&k->kiosk->log, LOG_LEVEL_INFO, "stored-again", LOG_TEXT("after", k->state.why));
	k->trouble_at = *why && !*k->state.why ? clock_monotonic(k->kiosk->clock) : k->trouble_at;
	snprintf(k->state.why, sizeof(k->state.why), "%s", why);
	k->state.trouble = *why ? -EIO : 0;
	k->said_at = 0;
}

static void on_answer(void *arg, json_t *answer)
{
	struct reply *r = arg;
	struct keeper *k = r->keeper;
	struct asker *a = r->asker == NOBODY ? NULL : asker_of(k, r);
	const char *trouble = json_string_value(json_object_get(answer, "trouble"));
	k->state.refused += json_object_get(answer, "refused") != NULL;
	if (trouble)
		note_trouble(k, trouble);
	k->board |= r->board && !trouble;
	if (a)
		send_answer(a, r->number, answer);
	json_decref(answer);
	forget(r);
}

/* Operations after which boards show something else. */
static bool shows(const char *op)
{
	static const char *const shown[] = { "arrive", "walk-in",       "next",     "again", "skip",
		                             "done",   "back",          "transfer", "pause", "room-put",
		                             "set",    "specialty-put", "upkeep",   "cancel" };
	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		if (strcmp(op, shown[i]) == 0)
			return true;
	return false;
}

/* --- calls --- */

void keeper_call(struct keeper *k, json_t *call, uint32_t roles, unsigned asker, uint64_t number)
{
	const char *op = json_string_value(json_object_get(call, "op"));
	struct reply *r = calloc(1, sizeof(*r));
	if (!r) {
		json_decref(call);
		if (asker != NOBODY)
			keeper_answer(k, asker, number, json_pack("{s:s}", "trouble", "no memory"));
		return;
	}
	*r = (struct reply){
		.keeper = k,
		.asker = asker,
		.generation = asker == NOBODY ? 0 : k->askers[asker].generation,
		.number = number,
		.board = op && shows(op),
		.before = &k->replies,
		.next = k->replies,
	};
	if (r->next)
		r->next->before = &r->next;
	k->replies = r;
	k->state.calls++;
	desk_call(k->desk, call, roles, on_answer, r);
}

/* Everybody who waits is refused; what the desk says to them later is for nobody. */
void keeper_give_up(void *arg, const char *word)
{
	struct keeper *k = arg;
	json_t *answer = json_pack("{s:s}", "refused", word);
	for (struct reply *r = k->replies; r; r = r->next) {
		struct asker *a = r->asker == NOBODY ? NULL : asker_of(k, r);
		if (a)
			send_answer(a, r->number, answer);
		k->state.given_up += a != NULL;
		r->asker = NOBODY;
	}
	json_decref(answer);
}

static int on_call(struct keeper *k, unsigned asker, const struct link_head *head, struct str body)
{
	struct asker *a = &k->askers[asker];
	json_t *call = json_loadb(body.p, body.n, 0, NULL);
	if (!json_is_object(call)) {
		json_decref(call);
		return -EPROTO;
	}
	if (asker != FRONT && keeper_admin(k, asker, head->seq, call)) {
		json_decref(call);
		return 0;
	}
	keeper_call(k, call, (uint32_t)head->n & a->may, asker, head->seq);
	return 0;
}

/* What an asker says. */
static int hear(struct keeper *k, unsigned i)
{
	struct asker *a = &k->askers[i];
	struct link_head head;
	struct str body;
	int ended = link_read(&a->link), code = 0, more = 1;
	while (!code && (more = link_next(&a->link, &head, &body)) > 0)
		code = head.kind == KIOSK_CALL ? on_call(k, i, &head, body) : -EPROTO;
	return code ? code : more < 0 ? more : ended;
}

void keeper_answer(struct keeper *k, unsigned asker, uint64_t number, json_t *answer)
{
	send_answer(&k->askers[asker], number, answer);
	json_decref(answer);
}

/* --- DATA/control --- */

static void hang_up(struct asker *a)
{
	link_done(&a->link);
	a->generation++;
}

static void take_in(struct keeper *k)
{
	int fd = accept4(k->control, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	unsigned i = 1;
	while (i < ASKERS && k->askers[i].link.fd >= 0)
		i++;
	if (fd < 0)
		return;
	if (i == ASKERS || link_init(&k->askers[i].link, fd, N_KIOSK_KINDS)) {
		close(fd);
		return;
	}
	k->askers[i].may = control_may;
}

/* --- rounds --- */

static void on_committed(void *arg, const struct desk_change *changes, size_t n)
{
	struct keeper *k = arg;
	k->state.changes += n;
	k->state.rounds++;
	if (k->follow)
		follow_committed(k->follow, changes, n);
	else
		desk_confirmed(k->desk, changes[n - 1].seq);
}

static const char *on_closed(void *arg)
{
	const struct keeper *k = arg;
	return k->follow ? follow_closed(k->follow) : NULL;
}

int keeper_open_desk(void *arg, struct err *err)
{
	struct keeper *k = arg;
	const struct desk_config config = {
		.db = k->db,
		.seal = k->seal,
		.hooks = k->hooks,
		.clock = k->kiosk->clock,
		.committed = on_committed,
		.closed = on_closed,
		.arg = k,
	};
	if (k->desk) { /* after a copy of the whole: who still waits is told first */
		keeper_give_up(k, "standby");
		desk_free(k->desk);
		k->desk = NULL;
		while (k->replies)
			forget(k->replies);
	}
	return desk_new(&k->desk, &config, err);
}

/* --- a turn --- */

/* What time brings; and, in trouble, whether it is over. */
static void upkeep(struct keeper *k, int64_t now)
{
	if (now < k->upkeep_at || on_closed(k))
		return;
	k->upkeep_at = now + (*k->state.why ? TRY_EVERY : UPKEEP_EVERY);
	keeper_call(k, json_pack("{s:s}", "op", "upkeep"), ROLE_KIOSK, NOBODY, 0);
}

/* Whether there may be more. */
static bool write_rounds(struct keeper *k)
{
	struct err err = { 0 };
	int code = 1;
	for (int i = 0; i < ROUNDS && code > 0; i++) {
		code = !k->follow || follow_may_round(k->follow) ? desk_round(k->desk, &err) : 0;
		if (code)
			note_trouble(k, code < 0 ? err.text : "");
	}
	return code > 0;
}

static void say_state(struct keeper *k)
{
	const struct link_head head = { .kind = KIOSK_STATE };
	k->state.seq = desk_seq(k->desk);
	k->state.epoch = desk_epoch(k->desk);
	k->state.follow = FOLLOW_SINGLE;
	if (!*k->state.why)
		k->state.per_address = (uint32_t)setting_number(k->db, STR("per_address"), k->state.per_address);
	if (k->follow) {
		struct follow_status s;
		follow_status(k->follow, &s);
		k->state.follow = s.state;
		k->state.standby_has = s.standby_has;
	}
	link_put(&k->askers[FRONT].link, &head, (struct str){ (const char *)&k->state, sizeof(k->state) });
}

static void housekeeping(struct keeper *k, int64_t now)
{
	keeper_tick(k, now);
	upkeep(k, now);
	if (now - k->said_at >= SAY_EVERY || !k->said_at) {
		say_state(k);
		k->said_at = now;
	}
	if (k->board) {
		const struct link_head head = { .kind = KIOSK_BOARD };
		link_put(&k->askers[FRONT].link, &head, STR(""));
		k->board = false;
	}
}

/* 0, or -errno: the front or the link is gone. Others are hung up on. */
static int flush(struct keeper *k)
{
	int code = link_flush(&k->askers[FRONT].link);
	for (unsigned i = 1; i < ASKERS; i++) {
		struct asker *a = &k->askers[i];
		if (a->link.fd >= 0 && (link_flush(&a->link) || a->link.out.n - a->link.sent > UNREAD_MAX))
			hang_up(a);
	}
	if (!code && k->line >= 0)
		code = k->lost ? -EPIPE : frames_write(&k->frames, frames_send, &k->line);
	return code;
}

static void wait_for_news(struct keeper *k, struct pollfd p[POLLED], bool at_once)
{
	for (unsigned i = 0; i < ASKERS; i++) {
		struct link *l = &k->askers[i].link;
		p[i] = (struct pollfd){ .fd = l->fd, .events = POLLIN | (link_pending(l) ? POLLOUT : 0) };
	}
	p[ASKERS] = (struct pollfd){ .fd = k->control, .events = POLLIN };
	p[ASKERS + 1] = (struct pollfd){ .fd = k->line, .events = POLLIN | (frames_pending(&k->frames) ? POLLOUT : 0) };
	poll(p, POLLED, at_once ? 0 : WAIT_MS);
}

static int turn(struct keeper *k, bool *at_once)
{
	struct pollfd p[POLLED];
	int code = 0;
	supervise_beat(k->beat_pipe, BEAT_TAKES, clock_monotonic(k->kiosk->clock), &k->beat);
	wait_for_news(k, p, *at_once);
	if (p[FRONT].revents & ~POLLOUT)
		code = hear(k, FRONT);
	for (unsigned i = 1; i < ASKERS; i++)
		if (p[i].revents & ~POLLOUT && hear(k, i))
			hang_up(&k->askers[i]);
	if (p[ASKERS].revents)
		take_in(k);
	if (!code && p[ASKERS + 1].revents & ~POLLOUT)
		code = keeper_hear_link(k);
	*at_once = write_rounds(k);
	housekeeping(k, clock_monotonic(k->kiosk->clock));
	const int flushed = flush(k);
	/* what it opens anew it could not have the rights for any more */
	if (*k->state.why && db_kind(k->db) == DB_POSTGRESQL && clock_monotonic(k->kiosk->clock) - k->trouble_at > AWAY)
		code = code ? code : -ENOTCONN;
	return code ? code : flushed;
}

static int serve(struct keeper *k)
{
	bool at_once = false;
	int code = 0;
	while (!code)
		code = turn(k, &at_once);
	if (code == -EPIPE && write_rounds(k)) /* nobody is told, but it was taken */
		log_say(&k->kiosk->log, LOG_LEVEL_INFO, "written-at-the-end",
		        LOG_NUMBER("seq", (uint64_t)desk_seq(k->desk)));
	return code;
}

/* --- the start --- */

/* One kiosk keeps this folder. One that has just lost its supervisor is about to end. */
static int lock(struct keeper *k, struct err *err)
{
	char path[4200];
	const int64_t until = clock_monotonic(k->kiosk->clock) + PATIENCE;
	snprintf(path, sizeof(path), "%s/lock", k->kiosk->c->data);
	k->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (k->lock < 0)
		return err_set(err, -errno, "open '%s': %m", path);
	while (flock(k->lock, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK || clock_monotonic(k->kiosk->clock) > until)
			return err_set(err, -EBUSY, "another khien kiosk runs on '%s'", k->kiosk->c->data);
		usleep(50 * CLOCK_MS);
	}
	return 0;
}

static int open_keys(struct keeper *k, struct err *err)
{
	char path[4200];
	snprintf(path, sizeof(path), "%s", k->kiosk->c->key_file);
	int code = seal_open(&k->seal, k->kiosk->c->key_file, false, err);
	return code ? code : hook_secrets_open(&k->hooks, dirname(path), err);
}

/*
 * SQLite is opened within. PostgreSQL knows people by who connects and reads files of theirs: so before, but not as root; what is
 * opened anew within finds neither ~/.pgpass, which it remembers, nor certificates.
 */
static int enter(struct keeper *k, struct err *err)
{
	static const char sqlite[] = "sqlite:";
	char path[4200];
	const char *uri = k->kiosk->c->database;
	const bool files = strncmp(uri, sqlite, sizeof(sqlite) - 1) == 0;
	const struct passwd *pw = k->kiosk->user ? getpwnam(k->kiosk->user) : NULL;
	struct sandbox *sandbox;
	snprintf(path, sizeof(path), "%s", files ? uri + sizeof(sqlite) - 1 : "");
	const struct sandbox_config config = {
		.user = k->kiosk->user,
		.dir = files ? dirname(path) : NULL,
		.may = files ? SANDBOX_FILES : SANDBOX_DIALS,
	};
	int code = files || !pw ? 0 : become_user(pw->pw_uid, pw->pw_gid, err);
	if (!code && !files)
		code = db_open(&k->db, uri, err);
	unsetenv("HOME");
	code = code ? code : sandbox_init(&sandbox, &config, err);
	if (code)
		return code;
	kiosk_enter(sandbox, "kiosk-keeper", &k->kiosk->log);
	return files ? db_open(&k->db, uri, err) : 0;
}

static int open_all(struct keeper *k, int link, struct err *err)
{
	for (unsigned i = 0; i < ASKERS; i++)
		k->askers[i].link.fd = -1;
	int code = link_init(&k->askers[FRONT].link, link, N_KIOSK_KINDS);
	k->askers[FRONT].may = front_may & ~(k->kiosk->c->token ? 0U : (uint32_t)ROLE_HOSPITAL);
	code = code ? err_set(err, code, "%m") : lock(k, err);
	if (!code)
		code = keeper_start_link(k, err);
	if (k->kiosk->taken >= 0)
		close(k->kiosk->taken);
	sodium_memzero(k->kiosk->peer_key, sizeof(k->kiosk->peer_key));
	sodium_memzero(k->kiosk->register_key, sizeof(k->kiosk->register_key));
	if (!code)
		code = open_keys(k, err);
	if (!code) {
		k->control = kiosk_control(k->kiosk->c->data, k->kiosk->user, err);
		code = k->control < 0 ? k->control : 0;
	}
	if (!code)
		code = enter(k, err);
	if (!code)
		code = keeper_open_desk(k, err);
	return code ? code : keeper_open_follow(k, err);
}

static void close_all(struct keeper *k)
{
	follow_free(k->follow);
	if (k->follow)
		follow_desk_done(&k->disk);
	desk_free(k->desk);
	while (k->replies)
		forget(k->replies);
	db_close(k->db);
	hook_secrets_close(k->hooks);
	seal_close(k->seal);
	for (unsigned i = 0; i < ASKERS; i++)
		link_done(&k->askers[i].link);
	frames_free(&k->frames);
	const int fds[] = { k->control, k->line, k->lock };
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

int kiosk_keeper(struct kiosk *kiosk, int link, int beat)
{
	struct keeper *k = calloc(1, sizeof(*k));
	struct err err = { 0 };
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE }; /* it ends when the front has */
	prctl(PR_SET_NAME, "khien: kiosk-keeper", 0, 0, 0);
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
	if (!k)
		return HUB_DIED;
	*k = (struct keeper){ .kiosk = kiosk, .beat_pipe = beat, .control = -1, .line = -1, .lock = -1 };
	int code = open_all(k, link, &err);
	if (code)
		log_say(&kiosk->log, LOG_LEVEL_ERROR, "not-opened", LOG_TEXT("why", err.text));
	const bool opened = !code;
	if (opened)
		code = serve(k);
	if (opened && code != -EPIPE)
		log_say(&kiosk->log, LOG_LEVEL_ERROR, "keeper-ended", LOG_TEXT("why", strerror(-code)));
	close_all(k);
	free(k);
	return code == -EPIPE && opened                         ? HUB_ENDED
	       : opened || code == -ENOTCONN || code == -EAGAIN ? HUB_DIED
	                                                        : HUB_HOPELESS;
}
