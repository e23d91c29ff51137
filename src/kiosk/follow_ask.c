/* The register is asked: one thing at a time, written down first, until it is answered. */
#include "kiosk/follow_inside.h"

#include <errno.h>

void follow_ask(struct follow *f)
{
	const struct follow_kept *k = &f->kept;
	struct message m = { .kind = MESSAGE_ASK };
	if (k->to)
		m = (struct message){ .kind = MESSAGE_SET,
			              .epoch = k->to,
			              .seq = k->from,
			              .alone = k->to_alone,
			              .flag = k->sure,
			              .body = str_from(f->name) };
	m.last = ++f->question;
	f->asked = follow_now(f);
	follow_say(f, FOLLOW_REGISTER, &m);
}

void follow_ask_tick(struct follow *f)
{
	if (f->up[FOLLOW_REGISTER] && (f->asked == NEVER || follow_now(f) - f->asked >= FOLLOW_ASK_AGAIN_US))
		follow_ask(f);
}

int follow_want(struct follow *f, int64_t from, int64_t to, bool alone, bool sure)
{
	struct follow_kept kept = f->kept;
	if (kept.to)
		return -EBUSY;
	if (!f->config.has_register)
		return follow_grant(f, to, alone);
	if (!f->up[FOLLOW_REGISTER] || !f->has_seen)
		return -ENOTCONN;
	if (f->seen.epoch != from)
		return -ESTALE;
	kept.from = from;
	kept.to = to;
	kept.to_alone = alone;
	kept.sure = sure;
	int code = follow_keep(f, &kept);
	if (!code)
		follow_ask(f);
	return code;
}

static void forget_question(struct follow_kept *kept)
{
	kept->from = kept->to = 0;
	kept->to_alone = kept->sure = false;
}

/* The standby has everything and knows that the epoch may begin; or it left meanwhile. */
static void begin_together(struct follow *f)
{
	f->joining = false;
	f->joined = f->synced && f->taken;
	if (f->joined)
		follow_say(f, FOLLOW_PEER, &(struct message){ .kind = MESSAGE_TOGETHER, .epoch = f->kept.epoch });
	else
		f->apart = follow_now(f);
}

static void begin_alone(struct follow *f)
{
	f->joining = f->joined = f->offering = f->taken = false;
}

int follow_grant(struct follow *f, int64_t to, bool alone)
{
	const bool was_standby = f->kept.role == FOLLOW_AS_STANDBY;
	struct follow_kept kept = f->kept;
	forget_question(&kept);
	kept.role = FOLLOW_AS_PRIMARY;
	kept.epoch = to;
	kept.alone = alone;
	kept.offered = 0;
	int code = follow_keep(f, &kept);
	if (code)
		return code; /* the register is asked again, and says the same */
	f->why = "";
	if (alone)
		begin_alone(f);
	else
		begin_together(f);
	if (was_standby) {
		primary_begin(f);
		follow_hello(f);
	}
	follow_tell(f, NULL);
	primary_settle(f);
	return 0;
}

/* --- what it says --- */

int64_t follow_from(const struct follow *f)
{
	if (!f->has_seen || f->seen.epoch >= f->kept.epoch)
		return f->kept.epoch;
	/* this one went on without asking it, as a person said: nobody else was the holder since */
	return strcmp(f->seen.holder, f->name) == 0 ? f->seen.epoch : NEVER;
}

/* What a primary learns about itself. False: it is none any more. */
static bool still_primary(struct follow *f, const struct register_value *v)
{
	const bool mine = strcmp(v->holder, f->name) == 0;
	if (v->epoch >= f->kept.epoch && v->epoch > 0 && !mine)
		primary_stale(f, "stale-epoch");
	else if (v->epoch > f->kept.epoch)
		primary_stale(f, "older-than-register");
	else if (v->epoch < f->kept.epoch && !mine)
		f->why = "register-forgot";
	return f->kept.role == FOLLOW_AS_PRIMARY;
}

static void refused(struct follow *f, const struct register_value *v)
{
	struct follow_kept kept = f->kept;
	const int64_t from = kept.from;
	forget_question(&kept);
	if (follow_keep(f, &kept))
		return;
	if (kept.role == FOLLOW_AS_STANDBY) {
		standby_refused(f, v, from);
	} else if (kept.role == FOLLOW_AS_PRIMARY) {
		if (still_primary(f, v))
			primary_settle(f);
		follow_tell(f, v->epoch < f->kept.epoch ? "register-forgot" : "not-primary");
	}
}

void follow_value(struct follow *f, const struct message *m)
{
	const struct follow_kept *k = &f->kept;
	struct register_value v = { 0 };
	if (m->epoch && !register_read_value(m->body, m->epoch, m->alone, &v)) {
		f->garbled++;
		return;
	}
	if (m->last != f->question) /* to an earlier one */
		return;
	f->seen = v;
	f->has_seen = true;
	const bool mine = strcmp(v.holder, f->name) == 0;
	if (!k->to) {
		if (k->role == FOLLOW_AS_PRIMARY)
			still_primary(f, &v);
		if (f->promoting)
			follow_promote_now(f);
		if (k->role == FOLLOW_AS_STANDBY)
			standby_learns(f, v.epoch);
	} else if (v.epoch == k->to && mine && v.alone == k->to_alone) {
		follow_grant(f, k->to, k->to_alone);
	} else if (v.epoch != k->from || (!mine && v.alone && !k->sure)) {
		refused(f, &v);
	} /* else it was asked before it was written down what for: the next tick asks again */
}
