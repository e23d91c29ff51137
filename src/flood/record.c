/*
 * Verdicts that are kept for `why`, and events for the hub. See inside.h.
 *
 * Records lie in two rings: of an address's or person's first refusals in a while one, of all the others the other, so that a
 * flood overwrites its own. An id's low bits say where it lies, the others can't be guessed.
 */
#include "flood/inside.h"

#include <errno.h>

#define ID_BITS     60
#define EVENT_AFTER 10.0f    /* turned away so often lately: an event begins */
#define QUIET_US    60000000 /* and ends after so long */
enum { OFFENDER_WAYS = 4, SWEEP = OFFENDERS / 16 };

static struct record *record_at(const struct flood *f, uint64_t id)
{
	return (struct record *)((char *)f + f->at_records) + (id & (f->records - 1));
}

static uint64_t *last_at(const struct flood *f, const struct flood_addr *a)
{
	unsigned bits;
	struct flood_addr whole = flood_whole(a, &bits);
	return (uint64_t *)((char *)f + f->at_last) +
	       (flood_key(f, KEY_ADDR, &whole, sizeof(whole)) & (f->records - 1));
}

uint64_t flood_record_put(struct flood *f, const struct flood_record *r, uint64_t entropy, bool first)
{
	uint64_t half = f->records / 2;
	uint64_t at = first ? ADD(f->n_first, 1) % half : half + ADD(f->n_rest, 1) % half;
	uint64_t id = ((entropy & ~(uint64_t)(f->records - 1)) | at) & (((uint64_t)1 << ID_BITS) - 1);
	id += id ? 0 : f->records; /* 0 is none */
	struct record *to = record_at(f, id);
	if (GET(to->id))
		ADD(f->records_shed, 1);
	__atomic_store_n(&to->id, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	to->from = r->from;
	to->wall_us = r->wall_us;
	to->wait_ms = r->wait_ms;
	to->used = r->used, to->share = r->share;
	to->verdict = r->verdict, to->reason = r->reason, to->known = r->known;
	__atomic_store_n(&to->id, id, __ATOMIC_RELEASE);
	PUT(*last_at(f, &r->from), id);
	return id;
}

int flood_find(const struct flood *f, uint64_t id, struct flood_record *ret)
{
	const struct record *from = record_at(f, id);
	if (id == 0 || __atomic_load_n(&from->id, __ATOMIC_ACQUIRE) != id)
		return -ENOENT;
	struct record r = *from;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (GET(from->id) != id)
		return -ENOENT;
	*ret = (struct flood_record){ .id = id,
		                      .from = r.from,
		                      .wall_us = r.wall_us,
		                      .verdict = r.verdict,
		                      .reason = r.reason,
		                      .known = r.known,
		                      .wait_ms = r.wait_ms,
		                      .used = r.used,
		                      .share = r.share };
	return 0;
}

void flood_record_last(const struct flood *f, const struct flood_addr *a, struct flood_record *ret)
{
	struct flood_record r;
	unsigned bits;
	struct flood_addr want = flood_whole(a, &bits), have;
	*ret = (struct flood_record){ 0 };
	if (flood_find(f, GET(*last_at(f, a)), &r))
		return;
	have = flood_whole(&r.from, &bits);
	if (memcmp(&want, &have, sizeof(want)) == 0)
		*ret = r;
}

/* --- events --- */

static struct flood_event *event_at(const struct flood *f, uint64_t seq)
{
	return (struct flood_event *)((char *)f + f->at_events) + (seq & (f->events - 1));
}

void flood_event_put(struct flood *f, const struct flood_event *e)
{
	uint64_t seq = ADD(f->n_events, 1) + 1;
	struct flood_event *to = event_at(f, seq), filled = *e;
	__atomic_store_n(&to->seq, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	filled.seq = 0;
	*to = filled;
	__atomic_store_n(&to->seq, seq, __ATOMIC_RELEASE);
}

/* One that is being written ends the answer, so that it isn't missed; where as many have come behind it, its writer is dead. */
size_t flood_events(const struct flood *f, uint64_t after, struct flood_event *ret, size_t n, uint64_t *lost)
{
	enum { DEAD = 16 };
	uint64_t newest = GET(f->n_events), got = 0;
	*lost = 0;
	if (newest > f->events && after < newest - f->events) {
		*lost = newest - f->events - after;
		after = newest - f->events;
	}
	for (uint64_t seq = after + 1; seq <= newest && got < n; seq++) {
		const struct flood_event *from = event_at(f, seq);
		uint64_t was = __atomic_load_n(&from->seq, __ATOMIC_ACQUIRE);
		struct flood_event e = *from;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (was == seq && GET(from->seq) == seq) {
			e.seq = seq;
			ret[got++] = e;
		} else if (was < seq && newest - seq < DEAD) {
			break;
		} else {
			++*lost;
		}
	}
	return got;
}

/* --- who is being turned away --- */

static uint64_t offender_key(const struct flood *f, const struct flood_addr *whole)
{
	uint64_t key = flood_key(f, KEY_ADDR, whole, sizeof(*whole));
	return key ? key : 1; /* 0: the place is free */
}

static struct offender *offender_find(struct flood *f, uint64_t key, bool takes)
{
	struct offender *set = &f->offenders[key % (OFFENDERS / OFFENDER_WAYS) * OFFENDER_WAYS];
	for (unsigned i = 0; i < OFFENDER_WAYS; i++) {
		if (GET(set[i].key) == key)
			return &set[i];
	}
	for (unsigned i = 0; i < OFFENDER_WAYS && takes; i++) {
		uint64_t none = 0;
		if (__atomic_compare_exchange_n(&set[i].key, &none, key, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return &set[i];
	}
	return NULL;
}

static void offender_event(struct flood *f, const struct offender *o, enum flood_event_kind kind, struct flood_time t)
{
	flood_event_put(f, &(struct flood_event){ .kind = kind,
	                                          .wall_us = t.wall_s * 1000000,
	                                          .verdict = o->verdict,
	                                          .reason = o->reason,
	                                          .bits = o->bits,
	                                          .from = o->from,
	                                          .id = o->id,
	                                          .count = kind == FLOOD_EVENT_END ? GET(o->count) : 0,
	                                          .pressure = (float)get_double(&f->c.pressure),
	                                          .share = (float)get_double(&f->c.share) });
}

void flood_offender(struct flood *f, const struct flood_record *r, float n, struct flood_time t)
{
	if (n < EVENT_AFTER)
		return;
	unsigned bits;
	struct flood_addr whole = flood_whole(&r->from, &bits);
	uint64_t key = offender_key(f, &whole);
	struct offender *o = offender_find(f, key, n < EVENT_AFTER + 1.5f);
	if (!o) {
		if (n < EVENT_AFTER + 1.5f)
			ADD(f->events_shed, 1);
		return;
	}
	PUT(o->last_us, t.now_us);
	if (GET(o->since_us)) {
		ADD(o->count, 1);
		return;
	}
	o->from = whole;
	o->bits = (uint8_t)bits;
	o->verdict = r->verdict;
	o->reason = r->reason;
	PUT(o->id, r->id);
	PUT(o->count, (uint64_t)n);
	PUT(o->since_us, t.now_us);
	offender_event(f, o, FLOOD_EVENT_BEGIN, t);
}

/* A few each tick. One whose process died before it was filled in goes without an event. */
void flood_offender_tick(struct flood *f, struct flood_time t)
{
	for (unsigned i = 0; i < SWEEP; i++) {
		struct offender *o = &f->offenders[f->t.sweep++ % OFFENDERS];
		if (!GET(o->key) || t.now_us - GET(o->last_us) < QUIET_US)
			continue;
		if (GET(o->since_us))
			offender_event(f, o, FLOOD_EVENT_END, t);
		PUT(o->since_us, 0);
		__atomic_store_n(&o->key, 0, __ATOMIC_RELEASE);
	}
}

bool flood_offender_since(const struct flood *f, const struct flood_addr *whole, int64_t *since_us)
{
	uint64_t key = offender_key(f, whole);
	const struct offender *o = offender_find((struct flood *)f, key, false);
	if (o)
		*since_us = GET(o->since_us);
	return o && *since_us;
}
