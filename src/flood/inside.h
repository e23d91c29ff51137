/*
 * What lies in a flood's memory, for this room's own files.
 *
 *   struct flood | use | slow | noise | lists | records | last | events
 *
 * Several processes read and write it without a lock. Each word is written whole and relaxed: a count that two add to at once may lose
 * one, a figure read beside another may be a tick older. No decision needs more. What must be whole (a record, an event, the
 * list) carries a number that is written last and read twice. What is smoothed over time has one writer: who won the tick. A process that dies in
 * the middle of anything leaves something unfinished that others pass by, never something they wait for.
 */
#ifndef KHIEN_FLOOD_INSIDE_H
#define KHIEN_FLOOD_INSIDE_H

#include "flood/flood.h"
#include "flood/sketch.h"

/* Three sketches. `use` and `slow` take what was admitted, which the site's capacity bounds: no flood can fill them. `noise` takes what was
 * turned away: anything. */
enum { USE_COST, USE_NEW };                                         /* per person, address, network; tau 30 s */
enum { SLOW_PEOPLE, SLOW_SEEN, SLOW_DONE, SLOW_COST, SLOW_ERRORS }; /* tau 10 min */
enum { NOISE_OFFENCE, NOISE_WAF };                                  /* tau 30 s */
enum key_of {
	KEY_PERSON,
	KEY_ADDR,
	KEY_NETWORK,
	KEY_BROWSER,
	KEY_PLACE /* a person at an address */,
	KEY_PATH,
	KEY_TEXT
};

#define TAU_S      30.0f
#define TAU_SLOW_S 600.0f

enum { CLASSES = 1024, CLASS_WAYS = 4, TINTS = 256, TINT_WAYS = 4, HOURS = 168, OFFENDERS = 1024, LISTS = 3 };

/* Counts of one process; only it writes, all read. */
struct slot {
	int64_t open;     /* requests let through and not done */
	uint64_t waiting; /* of them, those that the upstream has nothing to do with now */
	uint64_t asked, admitted, done, reached, failed;
	uint64_t known_n, known_x, new_n,
	        new_x; /* answers, and how many times longer than normal (<< 10) each took; of classes not known yet */
	uint64_t work_us;             /* what they normally take */
	uint64_t took_us;             /* what they took */
	uint64_t normal_us, normal_n; /* of those that waited for nobody */
	uint64_t verdicts[N_FLOOD_VERDICTS], reasons[N_FLOOD_REASONS], given, valid, bad;
} __attribute__((aligned(64)));

/* What requests of one kind cost. level: mean in us (float) << 32 | how many. */
struct class
{
	uint64_t hash, level;
};

/* How much of all comes with one fingerprint. */
struct tint {
	uint64_t hash;
	uint32_t seen;             /* since the last second */
	float normal, now, weight; /* shares of all; weight: how much more a stranger's request weighs */
};

struct hour {
	float peak, rate, latency_us; /* peak: the busiest ten seconds */
	uint32_t weeks;
};

/* An address that is being turned away: its event has begun and not ended. key is written last. */
struct offender {
	uint64_t key, id, count;
	int64_t since_us, last_us;
	struct flood_addr from;
	uint8_t bits, verdict, reason;
};

/* Written by the tick alone. Doubles: INFINITY is "no limit". */
struct control {
	double pressure, upstream;                       /* upstream: without this gate's own lag */
	double share, stranger, newcomers, fresh;        /* fresh: of the share, for passes younger than the flood */
	double latency, errors, busy, lag_ms, gate_busy; /* what pressure is made of; latency: times normal */
	double rate, admitted, start,
	        expected; /* requests a second; start: where the strangers' share begins; expected: in this hour */
	double took_us, normal_us, bounded_us; /* of an answer; bounded_us: a class's normal is at most that */
	double bear;                           /* so many requests at the upstream are what it can just bear */
	double noise;                          /* what any key stands at in that sketch, from all others */
	int64_t strict_us, strict_s, calm_us,
	        grace_us; /* since when; grace: until when an hour's usual crowd is let in although it's slow */
	uint32_t usual, over,
	        hour_slow; /* this hour's own crowd; ticks above; << 10: by how much this hour is normally slower */
};

/* What the tick keeps between two. */
struct ticker {
	struct slot before;                                               /* sums */
	double n_known, x_known, n_new, x_new, n_reached, n_failed, work; /* fading */
	double normal_n, normal_mean, normal_failed, open_normal, open, n_in, n_out, rest_s;
	double hour_rate, hour_took, hour_peak, hour_ten, hour_s;
	int64_t last_us, last_wall_us, tint_us;
	int32_t hour;
	uint32_t sweep;
	double tint_n;
	float other_normal, other_now, other_weight; /* of all fingerprints that aren't usual here */
};

struct record {
	uint64_t id; /* written last; 0: being written */
	struct flood_addr from;
	int64_t wall_us;
	uint32_t wait_ms;
	float used, share;
	uint8_t verdict, reason, known;
};

struct flood {
	uint64_t magic, size;
	uint32_t cells, records, events, without;
	uint64_t at_slow, at_noise, at_lists, at_records, at_last, at_events;
	uint8_t seed[16];

	struct control c __attribute__((aligned(64)));
	int64_t next_tick __attribute__((aligned(64)));
	uint32_t lag_us, busy; /* the worst since the last tick; busy << 10 */
	uint32_t tint_others;  /* fingerprints without a place, since the last second */
	struct ticker t;

	uint64_t claims, current; /* lists: number n lies in place n % LISTS */
	uint32_t n_list[LISTS];
	uint64_t n_first, n_rest, records_shed; /* records */
	uint64_t n_events, events_shed;

	struct slot slots[FLOOD_WORKERS];
	struct class classes[CLASSES];
	struct tint tints[TINTS];
	struct hour hours[HOURS];
	struct offender offenders[OFFENDERS];
};

#define GET(x)        __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define PUT(x, value) __atomic_store_n(&(x), (value), __ATOMIC_RELAXED)
#define ADD(x, n)     __atomic_fetch_add(&(x), (n), __ATOMIC_RELAXED)

static inline double get_double(const double *x)
{
	double ret;
	__atomic_load(x, &ret, __ATOMIC_RELAXED);
	return ret;
}
static inline void put_double(double *x, double value)
{
	__atomic_store(x, &value, __ATOMIC_RELAXED);
}
static inline float get_float(const float *x)
{
	float ret;
	__atomic_load(x, &ret, __ATOMIC_RELAXED);
	return ret;
}
static inline void put_float(float *x, float value)
{
	__atomic_store(x, &value, __ATOMIC_RELAXED);
}

static inline struct sketch flood_use(const struct flood *f)
{
	return (struct sketch){ (uint64_t *)((char *)f + sizeof(*f)), f->cells, TAU_S };
}
static inline struct sketch flood_slow(const struct flood *f)
{
	return (struct sketch){ (uint64_t *)((char *)f + f->at_slow), f->cells / 2, TAU_SLOW_S };
}
static inline struct sketch flood_noise(const struct flood *f)
{
	return (struct sketch){ (uint64_t *)((char *)f + f->at_noise), f->cells, TAU_S };
}

/* flood.c */
uint64_t flood_key(const struct flood *f, enum key_of kind, const void *bytes, size_t n);
/* What answers for an address: IPv4 itself, IPv6 its /64; and the network around: /24, /48. *bits: of 128. */
struct flood_addr flood_whole(const struct flood_addr *a, unsigned *bits);
struct flood_addr flood_network(const struct flood_addr *a, unsigned *bits);

/* cost.c: what requests of one kind cost, in those of the site's mean; learned as they are done */
float flood_cost(const struct flood *f, uint64_t path);
void flood_cost_learn(struct flood *f, struct slot *s, const struct flood_ticket *ticket,
                      const struct flood_outcome *o);

/* pressure.c */
void flood_sums(const struct flood *f, struct slot *ret);

/* normal.c */
float flood_tint(struct flood *f,
                 uint64_t hello); /* counts it; how much more a stranger's request weighs, 1 at least */
void flood_tint_tick(struct flood *f, int64_t now_us, bool rest);
void flood_hour_tick(struct flood *f, struct flood_time t, double seconds, bool rest);

/* record.c */
uint64_t flood_record_put(struct flood *f, const struct flood_record *r, uint64_t entropy, bool first);
/* The last one of an address; a zero id: none. */
void flood_record_last(const struct flood *f, const struct flood_addr *a, struct flood_record *ret);
void flood_event_put(struct flood *f, const struct flood_event *e);
/* An address was turned away; n: how often lately, this time included. */
void flood_offender(struct flood *f, const struct flood_record *r, float n, struct flood_time t);
void flood_offender_tick(struct flood *f, struct flood_time t);
/* Since when an address is being turned away; false: it isn't. */
bool flood_offender_since(const struct flood *f, const struct flood_addr *whole, int64_t *since_us);

/* verdict.c */
struct judged {
	enum flood_verdict verdict;
	enum flood_reason reason;
	float used, share; /* requests a second */
	uint32_t wait_ms;
};
struct flood_keys {
	uint64_t addr, network;
	struct sketch_key use_addr, use_network;
};
void flood_keys_of(const struct flood *f, const struct flood_addr *a, struct flood_keys *ret);
/* A request without a pass. chance: 0 to 1, drawn; crowded: the upstream has far too much to do at this moment. */
void flood_judge_stranger(const struct flood *f, const struct flood_keys *k, float cost, float tint, float chance,
                          bool crowded, int64_t now_us, struct judged *ret);
bool flood_is_shared(const struct flood *f, uint64_t addr, int64_t now_us);
float flood_offence(const struct flood *f, float level); /* a level of `noise`, without what is others' */
bool flood_is_persistent(float offence);

/* flood.c: true: *ret is what operators said */
bool flood_listed(const struct flood *f, const struct flood_addr *a, int64_t wall_s, struct list_entry *ret);

#endif
