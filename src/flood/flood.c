/* See flood.h, inside.h: the memory, keys, lists, the end of a request. */
#include "flood/inside.h"

#include <errno.h>
#include <math.h>
#include <sodium.h>

#define MAGIC 0x3130646f6f6c666bu /* "kflood01" */
enum { SIZE_MAX_MB = 48, CELLS_MIN = 64, RINGS_MIN = 64, ERRORS_WAF = 3 };

static size_t rounded(size_t n)
{
	return (n + 63) & ~(size_t)63;
}

/* Where everything lies. false: limits that can't be. */
static bool lay_out(struct flood *f, const struct flood_limits *limits)
{
	*f = (struct flood){ .cells = limits->cells ? limits->cells : 1 << 18,
		             .records = limits->records ? limits->records : 1 << 16,
		             .events = limits->events ? limits->events : 1 << 14,
		             .without = limits->without };
	const uint32_t powers[] = { f->cells, f->records, f->events };
	for (unsigned i = 0; i < ARRAY_LEN(powers); i++) {
		if (powers[i] & (powers[i] - 1) || powers[i] < RINGS_MIN || powers[i] > 1 << 24)
			return false;
	}
	size_t cell = sizeof(uint64_t) * SKETCH_ROWS, at = sizeof(*f);
	f->at_slow = at += cell * f->cells;
	f->at_noise = at += cell * f->cells / 2;
	f->at_lists = at += cell * f->cells;
	f->at_records = at += rounded(sizeof(struct list_entry) * LIST_MAX * LISTS);
	f->at_last = at += rounded(sizeof(struct record) * f->records);
	f->at_events = at += rounded(sizeof(uint64_t) * f->records);
	f->size = at + rounded(sizeof(struct flood_event) * f->events);
	return f->size <= (size_t)SIZE_MAX_MB << 20;
}

size_t flood_size(const struct flood_limits *limits)
{
	struct flood f;
	lay_out(&f, limits);
	return f.size;
}

int flood_init(struct flood **ret, void *mem, const struct flood_limits *limits, const uint8_t seed[16])
{
	_Static_assert(crypto_shorthash_KEYBYTES == sizeof(((struct flood *)0)->seed), "the seed is SipHash's key");
	struct flood *f = mem, made;
	if (!lay_out(&made, limits))
		return -EINVAL;
	if (sodium_init() < 0) /* picks this machine's quick ways; may be called often */
		return -ENOSYS;
	memcpy(f, &made, offsetof(struct flood, c));
	memcpy(f->seed, seed, sizeof(f->seed));
	f->c.share = f->c.stranger = f->c.newcomers = INFINITY;
	f->c.fresh = 1;
	f->c.bounded_us = 250e3;
	f->c.bear = INFINITY; /* until the first tick */
	f->t.other_weight = 1;
	f->t.hour = -1;
	__atomic_store_n(&f->magic, MAGIC, __ATOMIC_RELEASE);
	*ret = f;
	return 0;
}

int flood_attach(struct flood **ret, void *mem, const struct flood_limits *limits)
{
	struct flood *f = mem, made;
	if (!lay_out(&made, limits) || __atomic_load_n(&f->magic, __ATOMIC_ACQUIRE) != MAGIC || f->size != made.size ||
	    f->cells != made.cells || f->records != made.records || f->events != made.events)
		return -EINVAL;
	if (sodium_init() < 0)
		return -ENOSYS;
	*ret = f;
	return 0;
}

void flood_worker_begins(const struct flood_worker *w)
{
	PUT(w->f->slots[w->slot % FLOOD_WORKERS].open, 0);
	PUT(w->f->slots[w->slot % FLOOD_WORKERS].waiting, 0);
}

/* --- keys --- */

uint64_t flood_key(const struct flood *f, enum key_of kind, const void *bytes, size_t n)
{
	unsigned char in[160], out[crypto_shorthash_BYTES];
	uint64_t ret;
	if (n > sizeof(in) - 1)
		n = sizeof(in) - 1;
	in[0] = (unsigned char)kind;
	memcpy(in + 1, bytes, n);
	crypto_shorthash(out, in, n + 1, f->seed);
	memcpy(&ret, out, sizeof(ret));
	return ret;
}

uint64_t flood_hash(const struct flood *f, struct str text)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t ret;
	crypto_shorthash(out, (const unsigned char *)(text.n ? text.p : ""), text.n, f->seed);
	memcpy(&ret, out, sizeof(ret));
	return ret;
}

uint64_t flood_path(const struct flood *f, struct str method, struct str path)
{
	char text[128];
	size_t n = 0, parts = 0;
	method = str_sub(method, 0, 16);
	memcpy(text, method.n ? method.p : "", method.n);
	n = method.n;
	for (size_t i = 0; i < path.n && n < sizeof(text); i++) {
		char c = path.p[i];
		if (c == '?' || c == '#')
			break;
		if (c == '/' && (++parts > 2 || (i && path.p[i - 1] == '/')))
			break;
		bool digit = c >= '0' && c <= '9';
		if (!digit || text[n - 1] != '0')
			text[n++] = digit ? '0' : c;
	}
	return flood_key(f, KEY_PATH, text, n);
}

struct flood_addr flood_whole(const struct flood_addr *a, unsigned *bits)
{
	struct flood_addr ret = *a;
	*bits = list_is_v4(a) ? 128 : 64;
	if (*bits == 64)
		memset(ret.b + 8, 0, 8);
	return ret;
}

struct flood_addr flood_network(const struct flood_addr *a, unsigned *bits)
{
	struct flood_addr ret = *a;
	*bits = list_is_v4(a) ? 120 : 48;
	memset(ret.b + *bits / 8, 0, sizeof(ret.b) - *bits / 8);
	return ret;
}

/* --- what operators said --- */

static struct list_entry *list_at(const struct flood *f, uint64_t number)
{
	return (struct list_entry *)((char *)f + f->at_lists) + number % LISTS * LIST_MAX;
}

/*
 * Each writer takes a number and with it a place that neither readers nor the writer before it use; the highest that is finished is the one
 * that counts. One that dies leaves a number that never counts.
 */
int flood_set_list(struct flood *f, const struct list_entry *entries, size_t n)
{
	if (n > LIST_MAX)
		return -E2BIG;
	uint64_t mine = __atomic_add_fetch(&f->claims, 1, __ATOMIC_ACQ_REL);
	struct list_entry *to = list_at(f, mine);
	if (n)
		memcpy(to, entries, n * sizeof(*to));
	list_sort(to, n);
	PUT(f->n_list[mine % LISTS], (uint32_t)n);
	uint64_t current = GET(f->current);
	while (current < mine &&
	       !__atomic_compare_exchange_n(&f->current, &current, mine, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	flood_event_put(
	        f, &(struct flood_event){ .kind = FLOOD_EVENT_LIST, .count = n, .wall_us = GET(f->t.last_wall_us) });
	return 0;
}

/* Tried again where a writer came so close behind that it may have overwritten what was read. */
bool flood_listed(const struct flood *f, const struct flood_addr *a, int64_t wall_s, struct list_entry *ret)
{
	for (unsigned tries = 0; tries < LISTS; tries++) {
		uint64_t number = __atomic_load_n(&f->current, __ATOMIC_ACQUIRE);
		uint32_t n = GET(f->n_list[number % LISTS]);
		if (number == 0 || n == 0 || n > LIST_MAX)
			return false;
		const struct list_entry *e = list_look(list_at(f, number), n, a, wall_s);
		struct list_entry found = e ? *e : (struct list_entry){ 0 };
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (GET(f->claims) - number < LISTS) {
			if (e)
				*ret = found;
			return e != NULL;
		}
	}
	return false;
}

/* --- the end of a request --- */

/* Over ten minutes: how many, what they cost, how many failed. */
static void count_done(const struct flood_worker *w, const struct flood_ticket *ticket, const struct flood_outcome *o,
                       struct flood_time t)
{
	struct flood *f = w->f;
	struct sketch_key k;
	struct sketch slow = flood_slow(f);
	sketch_find(&slow, ticket->person, &k);
	sketch_add(&slow, &k, SLOW_DONE, t.now_us, 1);
	sketch_add(&slow, &k, SLOW_COST, t.now_us, (float)ticket->charged / 1024);
	if (o->failed || o->status < 400 || (o->status == 401 && !o->refused))
		return; /* the site's own failures are nobody's fault */
	sketch_add(&slow, &k, SLOW_ERRORS, t.now_us, o->refused ? ERRORS_WAF : 1);
	if (!o->refused)
		return;
	unsigned bits;
	struct flood_addr whole = flood_whole(&ticket->from, &bits);
	struct sketch noise = flood_noise(f);
	sketch_find(&noise, flood_key(f, KEY_ADDR, &whole, sizeof(whole)), &k);
	if (sketch_add(&noise, &k, NOISE_WAF, t.now_us, 1) < 1.1f) /* the first for a while */
		flood_event_put(f, &(struct flood_event){ .kind = FLOOD_EVENT_WAF,
		                                          .wall_us = t.wall_s * 1000000,
		                                          .from = whole,
		                                          .bits = (uint8_t)bits,
		                                          .count = 1,
		                                          .pressure = (float)get_double(&f->c.pressure),
		                                          .share = (float)get_double(&f->c.share) });
}

void flood_done(const struct flood_worker *w, const struct flood_ticket *ticket, const struct flood_outcome *o,
                struct flood_time t)
{
	struct flood *f = w->f;
	struct slot *s = &f->slots[w->slot % FLOOD_WORKERS];
	if (!ticket->counts)
		return;
	if (ticket->open && ADD(s->open, -1) <= 0)
		ADD(s->open, 1); /* it was asked for before the slot began anew */
	ADD(s->done, 1);
	if (o->reached) {
		ADD(s->reached, 1);
		ADD(s->failed, o->failed);
	}
	flood_cost_learn(f, s, ticket, o);
	count_done(w, ticket, o, t);
	float cost = flood_cost(f, ticket->path), charged = (float)ticket->charged / 1024;
	if (cost > 2 * charged && !(f->without & FLOOD_WITHOUT_COST)) { /* a dear kind that nobody knew yet */
		struct sketch_key k;
		struct sketch use = flood_use(f);
		sketch_find(&use, ticket->person, &k);
		sketch_add(&use, &k, USE_COST, t.now_us, cost - charged);
	}
}
