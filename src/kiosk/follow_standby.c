#include "kiosk/follow_inside.h"

#include <errno.h>

int64_t standby_epoch(const struct follow *f)
{
	return f->kept.offered > f->kept.epoch ? f->kept.offered : f->kept.epoch;
}

/* This one has everything of no epoch: what it may have had is noted to be over. 0 or -errno. */
static int falls_behind(struct follow *f, int64_t offered)
{
	struct follow_kept kept = f->kept;
	kept.epoch = 0;
	kept.offered = offered;
	return follow_keep(f, &kept);
}

/* The primary went on in an epoch that this one knows nothing of. */
void standby_learns(struct follow *f, int64_t epoch)
{
	if (epoch > standby_epoch(f) && standby_epoch(f) && !f->kept.to && !falls_behind(f, 0))
		f->why = "primary-went-on";
}

void standby_refused(struct follow *f, const struct register_value *v, int64_t from)
{
	const bool went_on = v->epoch > from || v->alone;
	standby_learns(f, v->epoch);
	f->why = went_on ? "primary-went-on" : "register-forgot";
	follow_tell(f, f->why);
}

/* --- what the primary says --- */

static void hello(struct follow *f, const struct message *m)
{
	if (m->role != FOLLOW_AS_PRIMARY) {
		f->why = m->role == FOLLOW_AS_STANDBY ? "two-standbys" : "other-is-stale";
		return;
	}
	if (m->epoch < f->kept.epoch) { /* it heard the same from this one, and stops */
		f->why = "older-primary";
		return;
	}
	if (f->kept.epoch && m->epoch > f->kept.epoch) {
		const bool offered = f->kept.offered >= m->epoch;
		if (falls_behind(f, offered ? f->kept.offered : 0))
			follow_hang_up(f, "disk");
	}
}

/* Whose word isn't followed hears which epoch it is. */
static bool is_over(struct follow *f, const struct message *m)
{
	if (m->epoch >= f->kept.epoch)
		return false;
	follow_hello(f);
	return true;
}

static void changes(struct follow *f, const struct message *m)
{
	const struct follow_store *s = f->config.store;
	struct str body = m->body;
	struct err err = { 0 };
	size_t n = 0;
	int code = f->loading ? -EPROTO : 1;
	while (code > 0 && n < FOLLOW_CHANGES && (code = message_take_change(&body, &f->changes[n])) > 0)
		n++;
	if (code < 0 || body.n || !n) {
		f->garbled++;
		follow_hang_up(f, "garbled");
		return;
	}
	code = s->follow(s->arg, f->changes, n, &err);
	if (!code) {
		follow_say(f, FOLLOW_PEER,
		           &(struct message){ .kind = MESSAGE_HAVE, .epoch = f->kept.epoch, .seq = follow_seq(f) });
	} else if (code == -EBADMSG) { /* the same call came to something else here */
		f->why = "differs";
		follow_say(f, FOLLOW_PEER, &(struct message){ .kind = MESSAGE_NEED });
	} else {
		follow_hang_up(f, code == -ESTALE ? "stale-epoch" : "disk");
	}
}

static void offer(struct follow *f, const struct message *m)
{
	struct follow_kept kept = f->kept;
	kept.offered = m->epoch;
	if (f->loading || m->seq != follow_seq(f))
		follow_hang_up(f, "garbled");
	else if (follow_keep(f, &kept))
		follow_hang_up(f, "disk");
	else
		follow_say(f, FOLLOW_PEER, &(struct message){ .kind = MESSAGE_TAKEN, .epoch = m->epoch });
}

static void together(struct follow *f, const struct message *m)
{
	struct follow_kept kept = f->kept;
	kept.epoch = m->epoch;
	kept.offered = 0;
	if (f->kept.offered != m->epoch)
		follow_hang_up(f, "garbled");
	else if (follow_keep(f, &kept))
		follow_hang_up(f, "disk");
}

static void stop_loading(struct follow *f)
{
	if (f->loading)
		f->config.store->copy_stop(f->config.store->arg);
	f->loading = false;
}

static void copy(struct follow *f, const struct message *m)
{
	const struct follow_store *s = f->config.store;
	const bool first = m->flag & MESSAGE_COPY_FIRST, last = m->flag & MESSAGE_COPY_LAST;
	if (first == f->loading || f->kept.to) {
		follow_hang_up(f, "garbled");
		return;
	}
	/* the disk can't take it once the copy is being put in */
	if (first && falls_behind(f, 0)) {
		follow_hang_up(f, "disk");
		return;
	}
	f->loading = true;
	if (s->copy_write(s->arg, first, m->body, last, NULL)) {
		follow_hang_up(f, "copy");
		return;
	}
	f->loading = !last;
	if (last) {
		f->copies++;
		follow_hello(f);
	} else {
		follow_say(f, FOLLOW_PEER, &(struct message){ .kind = MESSAGE_MORE });
	}
}

void standby_message(struct follow *f, const struct message *m)
{
	if (m->kind == MESSAGE_PING)
		return;
	if (m->kind == MESSAGE_HELLO) {
		hello(f, m);
		return;
	}
	if (is_over(f, m))
		return;
	switch (m->kind) {
	case MESSAGE_CHANGES: changes(f, m); break;
	case MESSAGE_OFFER: offer(f, m); break;
	case MESSAGE_TOGETHER: together(f, m); break;
	case MESSAGE_COPY: copy(f, m); break;
	default: follow_hang_up(f, "garbled");
	}
}

void standby_apart(struct follow *f)
{
	stop_loading(f);
}

void standby_tick(struct follow *f)
{
	const int64_t after = f->config.promote_after_us;
	if (after && standby_epoch(f) == f->seen.epoch && !f->person && !f->kept.to && f->kept.epoch && !f->loading &&
	    f->up[FOLLOW_REGISTER] && follow_now(f) - f->heard >= after)
		follow_want(f, standby_epoch(f), f->kept.known + 1, true, false);
}
