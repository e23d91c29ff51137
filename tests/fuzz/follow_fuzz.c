/*
 * What the other kiosk and the register say. Any frames at any time: what is sent can be read, a message that is taken comes back when
 * it is written anew, nothing is confirmed that isn't on the disk, and who isn't primary takes nothing.
 */
#undef NDEBUG
#include "kiosk/follow.h"
#include "kiosk/follow_message.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANGES = 32 };

struct disk {
	int64_t epochs[CHANGES + 1], n, confirmed;
	struct follow_kept kept;
	bool has_kept;
};

static int64_t seq(void *arg)
{
	return ((struct disk *)arg)->n;
}

static int changes(void *arg, int64_t after, size_t n, void (*fn)(void *arg, const struct desk_change *), void *fn_arg,
                   struct err *err)
{
	const struct disk *d = arg;
	int given = 0;
	for (int64_t i = after + 1; i <= d->n && (size_t)given < n; i++, given++)
		fn(fn_arg, &(struct desk_change){ .seq = i, .epoch = d->epochs[i], .call = STR("{}") });
	return given;
}

static int follow(void *arg, const struct desk_change *c, size_t n, struct err *err)
{
	struct disk *d = arg;
	assert(n > 0 && n <= FOLLOW_CHANGES);
	if (c[0].seq != d->n + 1 || d->n + (int64_t)n > CHANGES)
		return -ESTALE;
	for (size_t i = 0; i < n; i++)
		if (c[i].call.n == 1)
			return -EBADMSG;
	for (size_t i = 0; i < n; i++)
		d->epochs[++d->n] = c[i].epoch;
	return 0;
}

static void confirmed(void *arg, int64_t to)
{
	struct disk *d = arg;
	assert(to <= d->n);
	d->confirmed = to;
}

static int load(void *arg, struct follow_kept *ret, struct err *err)
{
	const struct disk *d = arg;
	*ret = d->has_kept ? d->kept : *ret;
	return d->has_kept ? 0 : -ENOENT;
}

static int keep(void *arg, const struct follow_kept *kept, struct err *err)
{
	struct disk *d = arg;
	assert(kept->epoch >= 0 && (kept->to == 0 || kept->to > kept->from));
	assert(kept->known >= kept->epoch && kept->known >= d->kept.known);
	d->kept = *kept;
	d->has_kept = true;
	return 0;
}

static int copy_read(void *arg, bool first, struct buf *out, struct err *err)
{
	buf_add(out, STR("piece"));
	return first;
}

static int copy_write(void *arg, bool first, struct str piece, bool last, struct err *err)
{
	struct disk *d = arg;
	d->n = last ? (int64_t)(piece.n % CHANGES) : d->n;
	return piece.n == 3 ? -EBADMSG : 0;
}

static void copy_stop(void *arg)
{
}

/* What is taken comes back. */
static void read_frame(struct str frame, bool own)
{
	struct message m;
	struct desk_change c;
	struct buf again = { 0 };
	if (message_read(frame, &m)) {
		assert(!own);
		return;
	}
	struct str body = m.body;
	int code = 1;
	while (m.kind == MESSAGE_CHANGES && (code = message_take_change(&body, &c)) == 1)
		message_put_change(&c, &again);
	if (m.kind == MESSAGE_CHANGES && code == 0) {
		assert(str_eq(buf_str(&again), m.body));
	}
	assert(!own || code >= 0);
	again.n = 0;
	message_put(&m, &again);
	assert(str_eq(buf_str(&again), frame));
	buf_free(&again);
}

static void on_send(void *arg, enum follow_line line, struct str frame)
{
	read_frame(frame, true);
}

static void on_drop(void *arg, enum follow_line line)
{
}

static void on_word(void *arg, const char *word)
{
}

static void commit(struct follow *f, struct disk *d)
{
	if (!follow_may_round(f) || follow_closed(f) || d->n == CHANGES)
		return;
	assert(d->kept.role == FOLLOW_AS_PRIMARY && d->kept.epoch > 0);
	d->epochs[++d->n] = d->kept.epoch;
	follow_committed(f, &(struct desk_change){ .seq = d->n, .epoch = d->kept.epoch, .call = STR("{}") }, 1);
}

/* [what, length, bytes ...] */
static void happen(struct follow *f, struct disk *d, struct clock *clock, unsigned what, struct str bytes)
{
	const enum follow_line line = what & 1 ? FOLLOW_REGISTER : FOLLOW_PEER;
	switch (what >> 1 & 7) {
	case 0:
	case 1:
		read_frame(bytes, false);
		follow_frame(f, line, bytes);
		break;
	case 2: follow_line(f, line, true); break;
	case 3: follow_line(f, line, false); break;
	case 4: commit(f, d); break;
	case 5: follow_promote(f, what & 1); break;
	case 6: follow_alone(f, what & 1); break;
	default:
		clock_advance(clock, (int64_t)bytes.n * 100 * CLOCK_MS);
		follow_tick(f);
		if (what & 1)
			follow_rejoin(f, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct disk d = { 0 };
	struct clock clock;
	struct follow *f;
	struct follow_status s;
	const struct follow_store store = { .arg = &d,
		                            .seq = seq,
		                            .changes = changes,
		                            .follow = follow,
		                            .confirmed = confirmed,
		                            .load = load,
		                            .keep = keep,
		                            .copy_read = copy_read,
		                            .copy_write = copy_write,
		                            .copy_stop = copy_stop };
	if (!size)
		return 0;
	clock_test(&clock, 0);
	const struct follow_config config = { .clock = &clock,
		                              .store = &store,
		                              .name = "a",
		                              .standby = data[0] & 1,
		                              .has_peer = true,
		                              .has_register = data[0] & 2,
		                              .promote_after_us = data[0] & 4 ? CLOCK_S : 0,
		                              .send = on_send,
		                              .drop = on_drop,
		                              .give_up = on_word,
		                              .told = on_word };
	assert(follow_new(&f, &config, NULL) == 0);
	struct str rest = { (const char *)data + 1, size - 1 };
	while (rest.n >= 2) {
		const unsigned what = (unsigned char)rest.p[0], n = (unsigned char)rest.p[1];
		struct str bytes = str_sub(rest, 2, n);
		rest = str_sub(rest, 2 + bytes.n, rest.n);
		happen(f, &d, &clock, what, bytes);
		follow_status(f, &s);
		assert(s.confirmed <= s.seq || s.state >= FOLLOW_CATCHES_UP);
		assert((s.state >= FOLLOW_CATCHES_UP) == (d.kept.role != FOLLOW_AS_PRIMARY));
		assert(s.state < FOLLOW_CATCHES_UP || follow_closed(f));
	}
	follow_free(f);
	return 0;
}
