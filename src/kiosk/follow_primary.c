#include "kiosk/follow_inside.h"

#include <errno.h>

/* Nobody else can be primary any more, and nobody else is asked for. */
bool primary_is_alone(const struct follow *f)
{
	return f->kept.alone && !f->kept.to;
}

/* --- confirming --- */

static void hold(struct follow *f, bool anew)
{
	const bool waits = f->confirmed < follow_seq(f) || !(primary_is_alone(f) || f->synced);
	if (!waits)
		f->gave_up = false;
	if (!waits || anew)
		f->held = NEVER;
	if (waits && f->held == NEVER)
		f->held = follow_now(f);
}

/* What the standby has is safe whatever the register says: only it could be promoted. */
void primary_settle(struct follow *f)
{
	const int64_t seq = follow_seq(f);
	int64_t to = f->synced ? f->acked : 0;
	if (primary_is_alone(f) && !f->joining)
		to = seq;
	const bool more = to > f->confirmed;
	if (more)
		f->confirmed = to;
	if (more && to == seq)
		f->gave_up = false;
	hold(f, more);
	if (more)
		f->config.store->confirmed(f->config.store->arg, to);
}

static void give_up(struct follow *f)
{
	if (f->held == NEVER || f->gave_up || follow_now(f) - f->held < FOLLOW_PATIENCE_US)
		return;
	f->gave_up = true;
	f->given_up++;
	f->config.give_up(f->config.arg, "no-standby-word");
}

void primary_begin(struct follow *f)
{
	struct follow_kept kept = f->kept;
	f->synced = f->copying = f->wants_copy = f->gave_up = false;
	f->held = NEVER;
	f->confirmed = 0;
	f->apart = follow_now(f);
	if (!f->config.has_register && kept.to) { /* there is none to answer any more */
		kept.from = kept.to = 0;
		follow_keep(f, &kept);
	}
	/* with no other, or for the first time, and nobody to ask */
	if (!f->config.has_register && (kept.epoch == 0 || (!f->config.has_peer && !kept.alone)))
		follow_grant(f, kept.epoch + 1, true);
	else
		primary_settle(f);
}

void primary_stale(struct follow *f, const char *why)
{
	struct follow_kept kept = f->kept;
	kept.role = FOLLOW_AS_STALE;
	kept.from = kept.to = 0;
	f->kept = kept; /* whether or not the disk takes it: it writes no more */
	follow_keep(f, &kept);
	f->why = why;
	if (f->copying)
		f->config.store->copy_stop(f->config.store->arg);
	f->synced = f->joined = f->joining = f->copying = false;
	f->config.give_up(f->config.arg, "stale-epoch");
	follow_tell(f, "not-primary");
}

/* --- sending --- */

struct chunk {
	struct follow *f;
	int64_t last;
	size_t n;
	bool gap, full;
};

static void add(void *arg, const struct desk_change *change)
{
	struct chunk *c = arg;
	c->gap |= change->seq != c->last + 1;
	c->full |= c->n == FOLLOW_CHANGES || (c->n && c->f->body.n + change->call.n > FOLLOW_AT_ONCE);
	if (c->gap || c->full)
		return;
	message_put_change(change, &c->f->body);
	c->last = change->seq;
	c->n++;
}

static void send_chunk(struct follow *f, const struct chunk *c)
{
	if (f->body.failed) {
		buf_free(&f->body);
		f->body = (struct buf){ .max = FOLLOW_FRAME_MAX };
		follow_hang_up(f, "too-long");
		return;
	}
	f->sent = c->last;
	f->sent_at = follow_now(f);
	/* it is nearly there: from here on it is waited for, or it would never be */
	if (primary_is_alone(f) && c->last == follow_seq(f) && !c->full)
		f->joining = true;
	follow_say(
	        f, FOLLOW_PEER,
	        &(struct message){
	                .kind = MESSAGE_CHANGES, .epoch = f->kept.epoch, .seq = c->last, .body = buf_str(&f->body) });
}

static void send_from_disk(struct follow *f)
{
	const struct follow_store *s = f->config.store;
	struct chunk c = { .f = f, .last = f->sent };
	f->body.n = 0;
	int n = s->changes(s->arg, f->sent, FOLLOW_CHANGES, add, &c, NULL);
	if (n < 0) {
		follow_hang_up(f, "disk");
	} else if (c.n == 0) { /* it was thrown away meanwhile */
		f->synced = false;
		f->wants_copy = true;
	} else {
		send_chunk(f, &c);
	}
}

static void copy_piece(struct follow *f, bool first)
{
	const struct follow_store *s = f->config.store;
	f->body.n = 0;
	f->copying = true;
	int more = s->copy_read(s->arg, first, &f->body, NULL);
	if (more < 0 || f->body.failed) {
		follow_hang_up(f, "copy");
		return;
	}
	f->copying = more;
	f->sent_at = follow_now(f);
	if (first)
		f->copies++;
	follow_say(
	        f, FOLLOW_PEER,
	        &(struct message){ .kind = MESSAGE_COPY,
	                           .epoch = f->kept.epoch,
	                           .flag = (uint8_t)((first ? MESSAGE_COPY_FIRST : 0) | (more ? 0 : MESSAGE_COPY_LAST)),
	                           .body = buf_str(&f->body) });
}

/* The offer of an epoch; the register hears of it when the standby has noted it. */
static void join(struct follow *f)
{
	const int64_t epoch = f->kept.epoch + (f->kept.alone ? 1 : 0);
	if (primary_is_alone(f))
		f->joining = true;
	if (f->offering)
		return;
	f->offering = true;
	f->sent_at = follow_now(f);
	follow_say(f, FOLLOW_PEER, &(struct message){ .kind = MESSAGE_OFFER, .epoch = epoch, .seq = f->acked });
}

/* One thing at a time is on its way. */
static void go_on(struct follow *f)
{
	if (f->wants_copy && !f->copying && primary_is_alone(f)) {
		f->wants_copy = false;
		copy_piece(f, true);
	}
	if (!f->synced || f->sent > f->acked)
		return;
	if (f->sent < follow_seq(f))
		send_from_disk(f);
	else if (!f->joined && !f->kept.to)
		join(f);
}

void primary_committed(struct follow *f, const struct desk_change *changes, size_t n)
{
	struct chunk c = { .f = f, .last = f->sent };
	primary_settle(f);
	if (!f->synced || f->sent > f->acked || !n || changes[0].seq != f->sent + 1) {
		go_on(f);
		return;
	}
	f->body.n = 0;
	for (size_t i = 0; i < n; i++)
		add(&c, &changes[i]);
	send_chunk(f, &c);
}

/* --- what the standby says --- */

/* Does the standby's log begin ours? */
static bool is_ours(struct follow *f, const struct message *m)
{
	unsigned char answer[16];
	int64_t epoch;
	if (m->seq > 0)
		return follow_change(f, m->seq, &epoch, answer) && epoch == m->last &&
		       memcmp(answer, m->answer, sizeof(answer)) == 0;
	return follow_seq(f) == 0 || follow_change(f, 1, &epoch, answer);
}

static void meet_standby(struct follow *f, const struct message *m)
{
	const bool ahead = m->seq > follow_seq(f) && m->last >= f->kept.epoch;
	if (m->epoch > f->kept.epoch || m->last > f->kept.epoch) {
		primary_stale(f, "stale-epoch");
		follow_hello(f);
		return;
	}
	if (ahead) { /* it has what this one had, and lost */
		primary_stale(f, "older-than-standby");
		return;
	}
	if (f->copying)
		f->config.store->copy_stop(f->config.store->arg);
	f->copying = f->joined = f->joining = f->offering = f->taken = false;
	f->synced = is_ours(f, m);
	f->wants_copy = !f->synced;
	f->sent = f->acked = f->synced ? m->seq : 0;
	/* it was here a moment ago, in this epoch, and nothing was confirmed since that it lacks */
	f->joined = f->synced && !f->kept.alone && m->epoch == f->kept.epoch && m->seq >= f->confirmed;
	if (!f->joined && f->apart == NEVER)
		f->apart = follow_now(f);
	primary_settle(f);
	go_on(f);
}

static void hello(struct follow *f, const struct message *m)
{
	if (m->role == FOLLOW_AS_STANDBY)
		meet_standby(f, m);
	else if (m->role == FOLLOW_AS_PRIMARY && m->epoch >= f->kept.epoch)
		primary_stale(f, m->epoch > f->kept.epoch ? "stale-epoch" : "two-primaries");
	else
		f->why = "other-is-stale";
}

static void have(struct follow *f, const struct message *m)
{
	if (!f->synced || m->seq > f->sent || m->seq < f->acked) {
		follow_hang_up(f, "garbled");
		return;
	}
	f->acked = m->seq;
	primary_settle(f);
	go_on(f);
}

static void ask_together(struct follow *f)
{
	const int64_t from = follow_from(f);
	if (from == NEVER)
		f->why = "register-forgot";
	else
		follow_want(f, from, f->kept.epoch + 1, false, false);
}

static void taken(struct follow *f, const struct message *m)
{
	if (!f->synced || !f->offering || m->epoch != f->kept.epoch + (f->kept.alone ? 1 : 0))
		return; /* an offer that was overtaken */
	f->taken = true;
	if (f->kept.alone) {
		ask_together(f);
		return;
	}
	f->joined = true;
	follow_say(f, FOLLOW_PEER, &(struct message){ .kind = MESSAGE_TOGETHER, .epoch = f->kept.epoch });
	primary_settle(f);
}

void primary_message(struct follow *f, const struct message *m)
{
	switch (m->kind) {
	case MESSAGE_PING: break;
	case MESSAGE_HELLO: hello(f, m); break;
	case MESSAGE_HAVE: have(f, m); break;
	case MESSAGE_TAKEN: taken(f, m); break;
	case MESSAGE_MORE:
		if (f->copying)
			copy_piece(f, false);
		break;
	case MESSAGE_NEED:
		f->synced = f->joined = f->joining = false;
		f->wants_copy = true;
		f->apart = follow_now(f);
		primary_settle(f);
		go_on(f);
		break;
	default: follow_hang_up(f, "garbled");
	}
}

void primary_apart(struct follow *f)
{
	if (f->copying)
		f->config.store->copy_stop(f->config.store->arg);
	if (f->joined)
		f->apart = f->heard;
	f->synced = f->joined = f->joining = f->offering = f->taken = f->copying = f->wants_copy = false;
	primary_settle(f);
}

/* --- time --- */

/* Nobody may write yet, or not without the standby, which isn't there. */
static void leave_standby(struct follow *f)
{
	const int64_t from = follow_from(f);
	if (f->kept.alone || f->kept.to || !f->config.has_register || !f->has_seen)
		return;
	if (f->kept.epoch && (f->joined || follow_now(f) - f->apart < FOLLOW_SILENCE_US))
		return;
	if (from == NEVER)
		f->why = "register-forgot";
	else
		follow_want(f, from, f->kept.epoch + 1, true, false);
}

void primary_tick(struct follow *f)
{
	const bool asks = f->sent > f->acked || f->copying || (f->offering && !f->taken);
	if (f->up[FOLLOW_PEER] && asks && follow_now(f) - f->sent_at >= FOLLOW_SILENCE_US)
		follow_hang_up(f, "slow");
	leave_standby(f);
	if (f->taken && primary_is_alone(f))
		ask_together(f);
	if (f->kept.role == FOLLOW_AS_PRIMARY) {
		hold(f, false);
		go_on(f);
		give_up(f);
	}
}
