/* One request's verdict. See flood.h. */
#include "flood/inside.h"

#include <math.h>

#define NETWORK_SHARES  16.0f /* a network's strangers get as much as so many addresses */
#define PERSON_BURST    30.0f /* mean requests; what a person has at the floor */
#define SLOW_UP_TO      1.25f /* times the share: above, a person is turned away */
#define SLOW_MS         1000.0f
#define ERRORS_FREE     5.0f /* in ten minutes */
#define ERRORS_PART     0.3f
#define ERRORS_STRANGER 16.0f
#define ERRORS_PERSON   4.0f
#define DEAR            4.0f
#define CHEAP           0.2f  /* from a cache: a page that was let in gets its pictures too */
#define HASTE_FREE      30.0f /* turned away so often lately: more than any browser tries */
#define HASTE_MOST      16.0f
#define NEW_AGE_S       4.0f   /* a new pass kept for so long has twice the chance of one just given */
#define OLD_PASS_S      3600   /* such a one isn't new, wherever it turns up */
#define PERSISTENT      300.0f /* turned away: ten times a second for a minute, or a hundred for three seconds */
#define SHARED_PEOPLE   1.5f   /* two, one of them some minutes ago */
#define RENEW_S         86400

struct asking {
	const struct flood_worker *w;
	const struct flood_request *r;
	struct flood_time t;
	uint64_t entropy;
	struct flood *f;
	struct slot *slot;
	struct flood_keys k;
	struct pass pass;
	enum pass_state state;
	uint64_t person;
	struct sketch_key use_person;
	float cost, tint, chance;
	bool strict;
};

void flood_keys_of(const struct flood *f, const struct flood_addr *a, struct flood_keys *ret)
{
	unsigned bits;
	struct flood_addr whole = flood_whole(a, &bits), network = flood_network(a, &bits);
	struct sketch use = flood_use(f);
	ret->addr = flood_key(f, KEY_ADDR, &whole, sizeof(whole));
	sketch_find(&use, ret->addr, &ret->use_addr);
	ret->network = flood_key(f, KEY_NETWORK, &network, sizeof(network));
	sketch_find(&use, ret->network, &ret->use_network);
}

bool flood_is_shared(const struct flood *f, uint64_t addr, int64_t now_us)
{
	struct sketch slow = flood_slow(f);
	struct sketch_key k;
	sketch_find(&slow, addr, &k);
	return sketch_level(&slow, &k, SLOW_PEOPLE, now_us) > SHARED_PEOPLE;
}

float flood_offence(const struct flood *f, float level)
{
	return fmaxf(0, level - 1.5f * (float)get_double(&f->c.noise));
}

bool flood_is_persistent(float offence)
{
	return offence > PERSISTENT;
}

/* How much less is left for who mostly asks for what there isn't. */
static float errors_weight(const struct flood *f, uint64_t who, float most, int64_t now_us)
{
	struct sketch slow = flood_slow(f);
	struct sketch_key k;
	if (f->without & FLOOD_WITHOUT_ERRORS)
		return 1;
	sketch_find(&slow, who, &k);
	float errors = sketch_level(&slow, &k, SLOW_ERRORS, now_us);
	if (errors <= ERRORS_FREE || errors < ERRORS_PART * sketch_level(&slow, &k, SLOW_DONE, now_us))
		return 1;
	return fminf(most, 1 + (errors - ERRORS_FREE) / 2);
}

/*
 * Max-min: a key passes while it stands below what its share comes to. Where the share is less than one request, chance decides, in
 * proportion: a flood from ten million addresses that ask once each meets the same share as one from ten.
 */
void flood_judge_stranger(const struct flood *f, const struct flood_keys *k, float cost, float tint, float chance,
                          bool crowded, int64_t now_us, struct judged *ret)
{
	struct sketch use = flood_use(f);
	float share = crowded ? 0 : (float)get_double(&f->c.stranger), draw = cost * chance;
	*ret = (struct judged){ .verdict = FLOOD_PASS, .share = share };
	if (isinf(share))
		return;
	float own = sketch_level(&use, &k->use_addr, USE_COST, now_us), errors = 1, network = 0;
	if (f->without & FLOOD_WITHOUT_ADDRESS)
		own = 0;
	if (!(f->without & FLOOD_WITHOUT_NETWORK))
		network = sketch_level(&use, &k->use_network, USE_COST, now_us) / NETWORK_SHARES;
	errors = errors_weight(f, k->addr, ERRORS_STRANGER, now_us);
	float limit = share * TAU_S, room = limit / (errors * tint);
	ret->used = own / TAU_S;
	if (own + draw < room && network + draw / NETWORK_SHARES < room)
		return;
	ret->verdict = FLOOD_DENY;
	ret->reason = own + draw < limit / errors && network + draw / NETWORK_SHARES < limit ? FLOOD_FINGERPRINT
	              : own + draw < limit && network + draw / NETWORK_SHARES < limit        ? FLOOD_ERRORS
	              : own + draw < limit                                                   ? FLOOD_NETWORK
	              : own + chance < limit                                                 ? FLOOD_COST
	                                                                                     : FLOOD_STRANGER;
	if (ret->reason == FLOOD_NETWORK)
		ret->used = network * NETWORK_SHARES / TAU_S, ret->share = share * NETWORK_SHARES;
}

/* Someone whose pass wasn't seen at this address lately. One more person; under pressure not too many at once. */
static bool is_new_here(const struct asking *a, struct sketch_key *place, struct sketch_key *people)
{
	struct sketch slow = flood_slow(a->f);
	const uint64_t both[] = { a->pass.id, a->k.addr };
	sketch_find(&slow, flood_key(a->f, KEY_PLACE, both, sizeof(both)), place);
	sketch_find(&slow, a->k.addr, people);
	return sketch_level(&slow, place, SLOW_SEEN, a->t.now_us) < 0.3f;
}

/* The longer a pass was kept, the more of the newcomers' room is open to it: who waits is let in before who throws his away. */
static bool too_many_new(const struct asking *a)
{
	const struct flood *f = a->f;
	struct sketch use = flood_use(f);
	double newcomers = get_double(&f->c.newcomers);
	int64_t age = a->t.wall_s - a->pass.begins_s;
	if (isinf(newcomers) || age > OLD_PASS_S || f->without & FLOOD_WITHOUT_PEOPLE)
		return false;
	float room = (float)newcomers * TAU_S * (1 + (float)(age > 0 ? age : 0) / NEW_AGE_S);
	return sketch_level(&use, &a->k.use_addr, USE_NEW, a->t.now_us) + a->chance >= room;
}

/* A tick is a tenth of a second, in which a flood brings thousands: what is plainly too much at the upstream isn't let in until the next. */
static bool is_crowded(const struct asking *a)
{
	return !GET(a->f->c.usual) &&
	       (double)(GET(a->slot->open) - (int64_t)GET(a->slot->waiting)) > 2 * get_double(&a->f->c.bear);
}

/* How much less is left for who doesn't wait when told to; a browser does. */
static float haste_weight(const struct asking *a)
{
	struct sketch noise = flood_noise(a->f);
	struct sketch_key k;
	if (a->f->without & FLOOD_WITHOUT_HASTE)
		return 1;
	sketch_find(&noise, a->person, &k);
	float more = flood_offence(a->f, sketch_level(&noise, &k, NOISE_OFFENCE, a->t.now_us)) - HASTE_FREE;
	return more <= 0 ? 1 : fminf(HASTE_MOST, 1 + more / HASTE_FREE);
}

/* What a person used of the share. */
static void judge_use(const struct asking *a, float share, struct judged *ret)
{
	const struct flood *f = a->f;
	struct sketch use = flood_use(f);
	bool young = a->pass.begins_s >= GET(f->c.strict_s);
	float full = fmaxf(share * TAU_S, PERSON_BURST) * (young ? (float)get_double(&f->c.fresh) : 1);
	float level = sketch_level(&use, &a->use_person, USE_COST, a->t.now_us);
	float errors = errors_weight(f, a->person, ERRORS_PERSON, a->t.now_us), haste = haste_weight(a);
	float limit = full / errors / haste * (a->cost < CHEAP ? 2 : 1);
	ret->used = level / TAU_S;
	ret->share = full / TAU_S;
	if (level < limit)
		return;
	ret->reason = level < full / errors ? FLOOD_PERSISTENT
	              : level < full        ? FLOOD_ERRORS
	              : a->cost >= DEAR     ? FLOOD_COST
	                                    : FLOOD_SHARE;
	ret->verdict = level < limit * SLOW_UP_TO && haste <= 1 ? FLOOD_SLOW : FLOOD_DENY;
	/* When the level will have faded to the limit; at once it need not, as who is slowed doesn't come so often. */
	float wait = TAU_S * 1000 * logf(level / limit);
	ret->wait_ms = (uint32_t)(ret->verdict == FLOOD_SLOW ? fminf(fmaxf(wait, 100), SLOW_MS)
	                                                     : fminf(fmaxf(wait, 1000), 30000));
}

static void judge_person(struct asking *a, struct judged *ret)
{
	const struct flood *f = a->f;
	struct sketch use = flood_use(f), slow = flood_slow(f);
	struct sketch_key place, people;
	bool is_new = is_new_here(a, &place, &people);
	float share = is_crowded(a) ? 0 : (float)get_double(&f->c.share); /* 0: the burst, all the same */
	*ret = (struct judged){ .verdict = FLOOD_PASS, .share = share };
	if (is_new && a->strict && too_many_new(a)) {
		ret->verdict = FLOOD_DENY, ret->reason = FLOOD_NEW_PEOPLE;
		ret->wait_ms = 2000 + (uint32_t)(a->chance * 2000);
		return;
	}
	if (!isinf(share))
		judge_use(a, share, ret);
	if (ret->verdict == FLOOD_DENY || !is_new)
		return;
	if (a->strict && a->t.wall_s - a->pass.begins_s <= OLD_PASS_S)
		sketch_add(&use, &a->k.use_addr, USE_NEW, a->t.now_us, 1);
	sketch_add(&slow, &place, SLOW_SEEN, a->t.now_us, 1);
	sketch_add(&slow, &people, SLOW_PEOPLE, a->t.now_us, 1);
}

/* A pass to go with the answer: a first one, one for a new place under the same id, or a renewed one. */
static void give(const struct asking *a, struct flood_answer *ret)
{
	const struct pass_key *key = &a->w->now;
	struct pass p = { .id = a->entropy ^ a->k.addr, .begins_s = a->t.wall_s, .issued_s = a->t.wall_s };
	if (!key->there || a->f->without & FLOOD_WITHOUT_PASS)
		return;
	if (a->state == PASS_MOVED || a->state == PASS_EXPIRED || a->state == PASS_VALID) {
		p.id = a->pass.id;
		p.flags = a->pass.flags;
		p.begins_s = a->state == PASS_EXPIRED ? a->t.wall_s : a->pass.begins_s;
	}
	if (ret->verdict == FLOOD_DENY && a->state != PASS_MOVED)
		p.begins_s = a->t.wall_s + 1; /* not at once: he waits as long as the page says */
	p.bound = pass_bound(key, &a->r->from, a->r->browser);
	pass_make(key, &p, ret->pass);
	ret->gives = true;
	ADD(a->slot->given, 1);
}

static void offer(const struct asking *a, struct flood_answer *ret)
{
	if (ret->known) {
		if (ret->verdict == FLOOD_PASS && a->r->page && a->t.wall_s - a->pass.issued_s > RENEW_S)
			give(a, ret);
		return;
	}
	if (a->state == PASS_EARLY) {
		int64_t left = (a->pass.begins_s - a->t.wall_s) * 1000;
		ret->wait_ms = left > 0 && left < 60000 ? (uint32_t)left : 1000;
		return;
	}
	if (ret->verdict == FLOOD_DENY)
		ret->wait_ms = 1000 + (uint32_t)(a->chance * 1000);
	if (a->r->page || (ret->verdict == FLOOD_DENY && !a->r->safe))
		give(a, ret);
	if (ret->verdict == FLOOD_DENY && !ret->gives)
		ret->wait_ms *= 5;
}

/* Turned away. Who goes on and on, and isn't many people, is cut off. Returns how often this address was, lately. */
static float offends(const struct asking *a, bool known, struct judged *j)
{
	struct flood *f = a->f;
	struct sketch noise = flood_noise(f);
	struct sketch_key k, addr;
	/* A person is himself; who has no pass is a kind of browser at an address: beside a bot may sit a patient. */
	const uint64_t both[] = { a->k.addr, a->r->browser };
	sketch_find(&noise, known ? a->person : flood_key(f, KEY_BROWSER, both, sizeof(both)), &k);
	sketch_find(&noise, a->k.addr, &addr);
	float all = flood_offence(f, sketch_add(&noise, &addr, NOISE_OFFENCE, a->t.now_us, 1));
	float own = flood_offence(f, sketch_add(&noise, &k, NOISE_OFFENCE, a->t.now_us, 1));
	if (!flood_is_persistent(own) || j->reason == FLOOD_BLOCKED)
		return all;
	if (!(f->without & FLOOD_WITHOUT_SHARED) && flood_is_shared(f, a->k.addr, a->t.now_us))
		return all;
	j->verdict = FLOOD_DROP;
	j->reason = FLOOD_PERSISTENT;
	j->wait_ms = 0;
	return all;
}

static void charge(const struct asking *a, bool known, struct flood_answer *ret)
{
	struct flood *f = a->f;
	struct sketch use = flood_use(f);
	sketch_add(&use, &a->use_person, USE_COST, a->t.now_us, a->cost);
	if (!known)
		sketch_add(&use, &a->k.use_network, USE_COST, a->t.now_us, a->cost);
	bool slow = ret->verdict == FLOOD_SLOW; /* waits here, not at the upstream: not counted as open there */
	int64_t open = slow ? GET(a->slot->open) : ADD(a->slot->open, 1);
	ADD(a->slot->admitted, 1);
	ret->ticket = (struct flood_ticket){ .from = a->r->from,
		                             .person = a->person,
		                             .path = a->r->path,
		                             .charged = (uint32_t)(a->cost * 1024),
		                             .counts = true,
		                             .open = !slow,
		                             .alone = open <= 1 };
}

static void read_pass(struct asking *a)
{
	const struct flood_worker *w = a->w;
	struct sketch use = flood_use(a->f);
	a->state = PASS_NONE;
	a->person = a->k.addr;
	a->use_person = a->k.use_addr;
	if (!a->r->pass.n || !w->now.there || a->f->without & FLOOD_WITHOUT_PASS)
		return;
	a->state = pass_read_from(&w->now, &w->before, a->r->pass, &a->r->from, a->r->browser, a->t.wall_s, &a->pass);
	if (a->state != PASS_VALID) {
		ADD(a->slot->bad, a->state == PASS_FORGED);
		return;
	}
	ADD(a->slot->valid, 1);
	if (a->f->without & FLOOD_WITHOUT_PERSON)
		return;
	a->person = flood_key(a->f, KEY_PERSON, &a->pass.id, sizeof(a->pass.id));
	sketch_find(&use, a->person, &a->use_person);
}

static void judge(struct asking *a, bool *known, struct judged *j)
{
	struct list_entry said;
	*known = false;
	if (GET(a->f->current) && flood_listed(a->f, &a->r->from, a->t.wall_s, &said)) {
		bool allowed = said.action == LIST_ALLOW;
		*j = (struct judged){ .verdict = allowed ? FLOOD_PASS : FLOOD_DROP,
			              .reason = allowed ? FLOOD_ALLOWED : FLOOD_BLOCKED };
		read_pass(a);
		return;
	}
	read_pass(a);
	*known = a->state == PASS_VALID;
	if (*known)
		judge_person(a, j);
	else
		flood_judge_stranger(a->f, &a->k, a->cost, a->tint, a->chance, is_crowded(a), a->t.now_us, j);
}

void flood_ask(const struct flood_worker *w, const struct flood_request *r, struct flood_time t, uint64_t entropy,
               struct flood_answer *ret)
{
	struct flood *f = w->f;
	struct asking a = { .w = w, .r = r, .t = t, .f = f, .slot = &f->slots[w->slot % FLOOD_WORKERS] };
	struct judged j;
	bool known;
	a.entropy = entropy;
	a.chance = (float)(uint32_t)(entropy >> 40) / (float)(1 << 24);
	flood_keys_of(f, &r->from, &a.k);
	a.strict = GET(f->c.strict_us) != 0;
	a.cost = f->without & FLOOD_WITHOUT_COST ? 1 : flood_cost(f, r->path);
	a.tint = flood_tint(f, r->hello);
	ADD(a.slot->asked, 1);
	judge(&a, &known, &j);
	float offence = j.verdict >= FLOOD_DENY ? offends(&a, known, &j) : 0;
	*ret = (struct flood_answer){ .verdict = j.verdict, .reason = j.reason, .wait_ms = j.wait_ms, .known = known };
	if (j.verdict <= FLOOD_SLOW)
		charge(&a, known, ret);
	if (j.verdict != FLOOD_DROP)
		offer(&a, ret);
	ADD(a.slot->verdicts[j.verdict], 1);
	ADD(a.slot->reasons[j.reason], 1);
	if (j.verdict == FLOOD_PASS)
		return;
	struct flood_record record = { .from = r->from,
		                       .wall_us = t.wall_s * 1000000,
		                       .verdict = (uint8_t)j.verdict,
		                       .reason = (uint8_t)j.reason,
		                       .known = known,
		                       .wait_ms = ret->wait_ms,
		                       .used = j.used,
		                       .share = j.share };
	ret->id = record.id =
	        flood_record_put(f, &record, flood_key(f, KEY_TEXT, &entropy, sizeof(entropy)), known || offence < 10);
	if (j.verdict >= FLOOD_DENY)
		flood_offender(f, &record, offence, t);
}
