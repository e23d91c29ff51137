#include "kiosk/follow_inside.h"

#include <errno.h>
#include <stdlib.h>

const char *follow_state_name(enum follow_state state)
{
	static const char *const names[N_FOLLOW_STATES] = {
		[FOLLOW_SINGLE] = "single",         [FOLLOW_ALONE] = "alone",     [FOLLOW_PAIRED] = "paired",
		[FOLLOW_WAITING] = "waiting",       [FOLLOW_FOLLOWS] = "follows", [FOLLOW_STALE] = "stale",
		[FOLLOW_CATCHES_UP] = "catches-up",
	};
	return names[state];
}

int64_t follow_now(const struct follow *f)
{
	return clock_monotonic(f->config.clock);
}

int64_t follow_seq(const struct follow *f)
{
	return f->config.store->seq(f->config.store->arg);
}

static int64_t max(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int follow_keep(struct follow *f, const struct follow_kept *kept)
{
	struct follow_kept k = *kept;
	struct err err = { 0 };
	k.known = max(max(k.known, f->kept.epoch), max(k.epoch, k.offered));
	int code = f->config.store->keep(f->config.store->arg, &k, &err);
	if (code)
		f->why = "disk";
	else
		f->kept = k;
	return code;
}

void follow_tell(struct follow *f, const char *refused)
{
	if (!f->person)
		return;
	f->person = f->promoting = false;
	f->config.told(f->config.arg, refused);
}

/* --- lines --- */

void follow_say(struct follow *f, enum follow_line line, const struct message *m)
{
	if (!f->up[line])
		return;
	f->frame.n = 0;
	message_put(m, &f->frame);
	if (f->frame.failed) { /* longer than any frame may be, or no memory */
		buf_free(&f->frame);
		f->frame = (struct buf){ .max = FOLLOW_FRAME_MAX };
		f->config.drop(f->config.arg, line);
		return;
	}
	if (line == FOLLOW_PEER)
		f->said = follow_now(f);
	f->config.send(f->config.arg, line, buf_str(&f->frame));
}

struct identity {
	int64_t seq, epoch;
	unsigned char answer[16];
};

static void identify(void *arg, const struct desk_change *change)
{
	struct identity *id = arg;
	id->seq = change->seq;
	id->epoch = change->epoch;
	memcpy(id->answer, change->answer, sizeof(id->answer));
}

bool follow_change(struct follow *f, int64_t seq, int64_t *epoch, unsigned char answer[16])
{
	const struct follow_store *s = f->config.store;
	struct identity id = { 0 };
	if (seq < 1 || s->changes(s->arg, seq - 1, 1, identify, &id, NULL) < 1 || id.seq != seq)
		return false;
	*epoch = id.epoch;
	memcpy(answer, id.answer, sizeof(id.answer));
	return true;
}

void follow_hello(struct follow *f)
{
	struct message m = { .kind = MESSAGE_HELLO,
		             .role = (uint8_t)f->kept.role,
		             .alone = f->kept.alone,
		             .epoch = f->kept.epoch,
		             .seq = follow_seq(f),
		             .body = str_from(f->name) };
	follow_change(f, m.seq, &m.last, m.answer);
	follow_say(f, FOLLOW_PEER, &m);
}

static void went_down(struct follow *f, enum follow_line line)
{
	if (!f->up[line])
		return;
	f->up[line] = false;
	if (line == FOLLOW_REGISTER) {
		f->asked = NEVER;
		f->has_seen = false;
		if (f->promoting)
			follow_tell(f, "no-register");
	} else if (f->kept.role == FOLLOW_AS_PRIMARY) {
		primary_apart(f);
	} else if (f->kept.role == FOLLOW_AS_STANDBY) {
		standby_apart(f);
	}
}

void follow_hang_up(struct follow *f, const char *why)
{
	f->why = why;
	f->config.drop(f->config.arg, FOLLOW_PEER);
	went_down(f, FOLLOW_PEER);
}

void follow_line(struct follow *f, enum follow_line line, bool up)
{
	went_down(f, line); /* a new one in the old one's place, too */
	f->up[line] = up;
	if (up && line == FOLLOW_REGISTER) {
		follow_ask_tick(f);
	} else if (up) {
		f->heard = follow_now(f);
		follow_hello(f);
	}
}

void follow_frame(struct follow *f, enum follow_line line, struct str frame)
{
	struct message m;
	bool of_register;
	if (!f->up[line]) /* it was hung up, and this was on its way */
		return;
	int code = message_read(frame, &m);
	of_register = !code && m.kind == MESSAGE_VALUE;
	if (code || of_register != (line == FOLLOW_REGISTER)) {
		f->garbled++;
		f->config.drop(f->config.arg, line);
		went_down(f, line);
		return;
	}
	if (of_register) {
		follow_value(f, &m);
		return;
	}
	f->heard = follow_now(f);
	if (m.kind == MESSAGE_HELLO && str_eq(m.body, str_from(f->name)))
		follow_hang_up(f, "own-name"); /* this one itself, or two that were given one name */
	else if (f->kept.role == FOLLOW_AS_PRIMARY)
		primary_message(f, &m);
	else if (f->kept.role == FOLLOW_AS_STANDBY)
		standby_message(f, &m);
}

/* --- time --- */

/* It was itself that did nothing: what others said meanwhile is still to be read. */
static void forgive(struct follow *f, int64_t now)
{
	const int64_t pause = now - f->ticked;
	int64_t *const since[] = { &f->heard, &f->apart, &f->sent_at };
	f->ticked = now;
	for (size_t i = 0; i < ARRAY_LEN(since) && pause >= FOLLOW_PING_US; i++)
		*since[i] = *since[i] + pause < now ? *since[i] + pause : now;
}

void follow_tick(struct follow *f)
{
	int64_t now = follow_now(f);
	forgive(f, now);
	if (f->up[FOLLOW_PEER] && now - f->heard >= FOLLOW_SILENCE_US)
		follow_hang_up(f, "silent");
	if (f->up[FOLLOW_PEER] && now - f->said >= FOLLOW_PING_US)
		follow_say(f, FOLLOW_PEER, &(struct message){ .kind = MESSAGE_PING });
	follow_ask_tick(f);
	if (f->kept.role == FOLLOW_AS_PRIMARY)
		primary_tick(f);
	else if (f->kept.role == FOLLOW_AS_STANDBY)
		standby_tick(f);
	if (f->person && now - f->person_since >= FOLLOW_PATIENCE_US)
		follow_tell(f, "no-register"); /* what was asked is asked on */
}

/* --- what others see --- */

void follow_committed(struct follow *f, const struct desk_change *changes, size_t n)
{
	if (f->kept.role == FOLLOW_AS_PRIMARY)
		primary_committed(f, changes, n);
}

const char *follow_closed(const struct follow *f)
{
	switch (f->kept.role) {
	case FOLLOW_AS_STANDBY: return "standby";
	case FOLLOW_AS_STALE: return "stale-epoch";
	default: return f->gave_up ? "no-standby-word" : NULL;
	}
}

bool follow_may_round(const struct follow *f)
{
	return follow_closed(f) || (f->kept.epoch > 0 && f->confirmed >= follow_seq(f));
}

bool follow_dials(const struct follow *f)
{
	if (!f->config.has_peer || f->kept.role == FOLLOW_AS_STALE)
		return false;
	/* a primary that nobody dials may not be the only one */
	return f->kept.role == FOLLOW_AS_STANDBY ||
	       (!f->up[FOLLOW_PEER] && follow_now(f) - f->heard >= FOLLOW_LOOK_ROUND_US);
}

static enum follow_state state_of(const struct follow *f)
{
	if (f->kept.role == FOLLOW_AS_STALE)
		return FOLLOW_STALE;
	if (f->kept.role == FOLLOW_AS_STANDBY)
		return f->kept.epoch && !f->loading ? FOLLOW_FOLLOWS : FOLLOW_CATCHES_UP;
	if (f->kept.alone && !f->kept.to)
		return f->config.has_peer ? FOLLOW_ALONE : FOLLOW_SINGLE;
	return f->joined && !f->kept.to && !f->gave_up ? FOLLOW_PAIRED : FOLLOW_WAITING;
}

void follow_status(const struct follow *f, struct follow_status *ret)
{
	*ret = (struct follow_status){
		.state = state_of(f),
		.epoch = f->kept.epoch,
		.seq = follow_seq(f),
		.confirmed = f->confirmed,
		.standby_has = f->synced ? f->acked : 0,
		.up = { f->up[FOLLOW_PEER], f->up[FOLLOW_REGISTER] },
		.copying = f->copying || f->loading,
		.why = f->why,
		.copies = f->copies,
		.garbled = f->garbled,
		.given_up = f->given_up,
		.seen = f->seen,
	};
	if (ret->state == FOLLOW_PAIRED || ret->state == FOLLOW_FOLLOWS || ret->state == FOLLOW_SINGLE)
		ret->why = "";
}

/* --- what a person says --- */

static bool begin_person(struct follow *f, const char *refused)
{
	if (f->person || refused) {
		f->config.told(f->config.arg, refused ? refused : "busy");
		return false;
	}
	f->person = true;
	f->person_since = follow_now(f);
	return true;
}

/* Above all that the other one may have gone to alone. */
static int64_t next_epoch(const struct follow *f)
{
	int64_t n = max(max(f->kept.known, f->seen.epoch), max(f->kept.epoch, f->kept.to)), last;
	unsigned char answer[16];
	if (follow_change((struct follow *)f, follow_seq(f), &last, answer))
		n = max(n, last);
	return n + 1;
}

/* The register is to be asked; 0: it was. */
static const char *ask_for(struct follow *f, int64_t from, bool sure)
{
	if (f->kept.to)
		return f->kept.to_alone ? NULL : "busy"; /* the answer to that one tells */
	int code = follow_want(f, from, max(next_epoch(f), from + 1), true, sure);
	if (code == -ENOTCONN || code == -ESTALE) /* it has another value than a moment ago: ask again */
		return "no-register";
	return code ? "disk" : NULL;
}

/* What the register holds is known now. */
void follow_promote_now(struct follow *f)
{
	const int64_t own = standby_epoch(f);
	const char *no = NULL;
	f->promoting = false;
	if (f->kept.role != FOLLOW_AS_STANDBY)
		no = "not-standby";
	else if (f->loading)
		no = "catches-up";
	else if (!f->sure && f->seen.epoch < f->kept.epoch)
		no = "register-forgot";
	else if (!f->sure && f->seen.epoch != own)
		no = f->seen.epoch > own ? "primary-went-on" : "catches-up";
	if (!no)
		no = ask_for(f, f->seen.epoch, f->sure);
	if (no)
		follow_tell(f, no);
}

void follow_promote(struct follow *f, bool sure)
{
	const bool asks = f->up[FOLLOW_REGISTER];
	const char *no = NULL;
	if (f->kept.role != FOLLOW_AS_STANDBY)
		no = f->kept.role == FOLLOW_AS_PRIMARY ? "is-primary" : "not-standby";
	else if (f->loading)
		no = "catches-up";
	else if (!asks && !sure)
		no = standby_epoch(f) ? "no-register" : "catches-up";
	if (!begin_person(f, no))
		return;
	if (asks) {
		f->promoting = true;
		f->sure = sure;
		follow_ask(f);
	} else if (follow_grant(f, next_epoch(f) + 1, true)) { /* one more: the other one may be alone, in the next */
		follow_tell(f, "disk");
	}
}

void follow_alone(struct follow *f, bool sure)
{
	const int64_t from = follow_from(f);
	const bool up = f->up[FOLLOW_REGISTER];
	const char *no = NULL;
	if (f->kept.role != FOLLOW_AS_PRIMARY)
		no = "not-primary";
	else if (f->config.has_register && !up && !sure)
		no = "no-register";
	else if (up && from == NEVER && !sure)
		no = "register-forgot";
	if (!begin_person(f, no))
		return;
	if (primary_is_alone(f)) {
		follow_tell(f, NULL);
	} else if (!up) {
		if (follow_grant(f, next_epoch(f), true))
			follow_tell(f, "disk");
	} else if ((no = ask_for(f, from == NEVER ? f->seen.epoch : from, sure))) {
		follow_tell(f, no);
	}
}

int follow_rejoin(struct follow *f, struct err *err)
{
	const struct follow_kept kept = { .role = FOLLOW_AS_STANDBY, .known = f->kept.known };
	if (f->kept.role == FOLLOW_AS_PRIMARY)
		return err_set(err, -EINVAL, "this kiosk is primary");
	int code = follow_keep(f, &kept);
	if (code)
		return err_set(err, code, "note that this kiosk is a standby: %m");
	if (f->up[FOLLOW_PEER])
		follow_hang_up(f, "");
	return 0;
}

/* --- the beginning --- */

static bool makes_sense(const struct follow_kept *k)
{
	return k->role >= 0 && k->role < N_FOLLOW_ROLES && k->epoch >= 0 && k->offered >= 0 && k->from >= 0 &&
	       (k->to == 0 || k->to > k->from);
}

static int begin(struct follow *f, struct err *err)
{
	const struct follow_store *s = f->config.store;
	struct follow_kept kept = { .role = f->config.standby ? FOLLOW_AS_STANDBY : FOLLOW_AS_PRIMARY };
	int code = s->load(s->arg, &kept, err);
	if (code && code != -ENOENT)
		return code;
	if (!makes_sense(&kept))
		return err_set(err, -EBADMSG, "what this kiosk kept about the other one is damaged");
	f->kept = kept;
	/* the desk's epoch is written after ours: again, where a kill came between */
	if ((code = follow_keep(f, &kept)))
		return err_set(err, code, "keep who writes: %m");
	if (kept.role == FOLLOW_AS_PRIMARY)
		primary_begin(f);
	return 0;
}

int follow_new(struct follow **ret, const struct follow_config *config, struct err *err)
{
	struct register_value named;
	if (!register_read_value(str_from(config->name), 1, false, &named))
		return err_set(err, -EINVAL, "a kiosk's name has 1 to %d letters, no blanks", REGISTER_NAME - 1);
	struct follow *f = calloc(1, sizeof(*f));
	if (!f)
		return err_set(err, -ENOMEM, "follow: %m");
	f->config = *config;
	f->frame.max = f->body.max = FOLLOW_FRAME_MAX;
	f->why = "";
	f->asked = f->held = NEVER;
	f->heard = f->said = f->ticked = follow_now(f);
	memcpy(f->name, named.holder, sizeof(f->name));
	int code = begin(f, err);
	if (code)
		follow_free(f);
	else
		*ret = f;
	return code;
}

void follow_free(struct follow *f)
{
	if (!f)
		return;
	if (f->copying || f->loading)
		f->config.store->copy_stop(f->config.store->arg);
	buf_free(&f->frame);
	buf_free(&f->body);
	free(f);
}
