/*
 * The gate's verdict: who passes, who is slowed, who is turned away while more comes than a site can serve. No nginx type in here,
 * no allocation, no lock, no clock of its own: one block of memory, given once, that several processes may share; a clock handed in.
 *
 *   request ──▶ flood_ask() ──▶ pass | slow | deny | drop        (before anything dear is done: WAF, upstream)
 *   answer  ──▶ flood_done()    what it cost, how it ended       (learns what a request costs, what is normal, how hard it is now)
 *   timer   ──▶ flood_tick()    every 100 ms: how strict to be
 *
 * At rest nobody is touched. Pressure - the site's answers slower than their kind normally is, failures, requests that wait for it, and
 * this gate's own lag - sets the *share*: how much of the site's time one person gets. Under pressure the share falls until the
 * site keeps up; when the pressure goes, it rises, and at last there is none. A person is a valid pass; who shows none is his
 * address, and the network around it (/24; IPv6: /64 as an address, /48 around), which has a share for strangers. Strangers' share
 * falls first and may reach nothing: each is then offered a pass, with which he comes back as a person. People's share has a floor that
 * a patient doesn't reach. So one address that a thousand patients and ten thousand bots share is many persons, and a cookie that
 * ten thousand bots share is one. A share counts in requests of mean cost: ten of a page that takes long are as many as a hundred others.
 * Of two, the one who heeds what he is told, who asks for what there is, whose kind of program is usual here, has more of it.
 *
 * What is counted lies in three sketches (flood/sketch.h): fixed memory whatever is sent. What was admitted and what was turned away lie
 * apart, so that no flood can fill what people's use is judged by; what a flood leaves everywhere is known and left out. A collision can
 * make the gate stricter with one key, as long as the other goes on. A process may be killed at any point: nobody waits for what it left unfinished.
 */
#ifndef KHIEN_FLOOD_FLOOD_H
#define KHIEN_FLOOD_FLOOD_H

#include "base/err.h"
#include "base/str.h"
#include "flood/list.h"
#include "flood/pass.h"

enum flood_verdict {
	FLOOD_PASS, /* goes on to WAF and upstream */
	FLOOD_SLOW, /* the same, after answer.wait_ms */
	FLOOD_DENY, /* a small page that says when to come back; with a pass where answer.gives */
	FLOOD_DROP, /* the connection ends without a word: one browser of one address that goes on and on; never where people share it */
	N_FLOOD_VERDICTS,
};

/* Which signal decided. flood_reason_name() has the word for machines ("share"); people's words are in cmd/. */
enum flood_reason {
	FLOOD_FREE,        /* nothing: at rest, or within the share */
	FLOOD_ALLOWED,     /* an operator allowed the address */
	FLOOD_BLOCKED,     /* an operator blocked it */
	FLOOD_STRANGER,    /* no pass, and strangers have no more share */
	FLOOD_SHARE,       /* this person's share is used up */
	FLOOD_NETWORK,     /* that of the network around */
	FLOOD_NEW_PEOPLE,  /* more new passes from one address than people could be */
	FLOOD_COST,        /* requests that cost far more than others' */
	FLOOD_ERRORS,      /* mostly requests that fail */
	FLOOD_FINGERPRINT, /* a TLS client that is far from this site's normal mix */
	FLOOD_PERSISTENT,  /* turned away again and again, and comes on: cut off; a person has less of his share */
	N_FLOOD_REASONS,
};
const char *flood_reason_name(enum flood_reason r);
const char *flood_verdict_name(enum flood_verdict v);

struct flood_limits {
	uint32_t cells;   /* columns of the sketch, a power of two; 0: 2^18 (4 rows of 8 bytes: 8 MB) */
	uint32_t records; /* kept for `why`, a power of two; 0: 2^16 */
	uint32_t events;  /* kept for who fetches them, a power of two; 0: 2^14 */
	uint32_t without; /* FLOOD_WITHOUT_...: for tests and drills, which show what a signal is good for; 0 else */
};
enum {
	FLOOD_WITHOUT_ADDRESS = 1 << 0,
	FLOOD_WITHOUT_NETWORK = 1 << 1,
	FLOOD_WITHOUT_COST = 1 << 2,
	FLOOD_WITHOUT_ERRORS = 1 << 3,
	FLOOD_WITHOUT_FINGERPRINT = 1 << 4,
	FLOOD_WITHOUT_HOUR = 1 << 5,
	FLOOD_WITHOUT_PASS = 1 << 6,
	FLOOD_WITHOUT_PERSON = 1 << 7, /* a pass isn't a person: no share of its own */
	FLOOD_WITHOUT_SHARED = 1 << 8, /* an address is dropped whoever else is behind it */
	FLOOD_WITHOUT_PEOPLE = 1 << 9,
	FLOOD_WITHOUT_HASTE = 1 << 10, /* who doesn't wait when told to has as much as others */
};

struct flood; /* within the memory that was given; holds no pointer: may lie anywhere, and elsewhere for each process */

/* Bytes, a multiple of 64; flood_init() refuses more than 48 MB. With limits all 0: 33 MB, of which a flood touches 24. */
size_t flood_size(const struct flood_limits *limits);
/*
 * mem: flood_size() bytes, zeroed, aligned to 64. seed: from the system's randomness. -EINVAL: limits.
 */
int flood_init(struct flood **ret, void *mem, const struct flood_limits *limits, const uint8_t seed[16]);
/* Memory that was initialised before, of a process that ended or reloads: counts go on. -EINVAL: it isn't that. */
int flood_attach(struct flood **ret, void *mem, const struct flood_limits *limits);

/* A process that asks. Keys lie in its own memory, never in the shared one. */
enum { FLOOD_WORKERS = 64 };
struct flood_worker {
	struct flood *f;
	struct pass_key now, before; /* what passes are signed with */
	unsigned slot;               /* its own among those that run; below FLOOD_WORKERS */
};
/* Before its first request: what a process that had the slot before left open counts no more. */
void flood_worker_begins(const struct flood_worker *w);

struct flood_request {
	struct flood_addr from; /* the client's, after realip */
	uint64_t hello;         /* hello_hash() of its TLS; 0: none */
	uint64_t browser;       /* flood_hash() of what stays the same for one browser: User-Agent, Accept-Language */
	uint64_t path;          /* flood_path() */
	struct str pass;        /* the cookie; empty: none */
	bool safe;              /* GET, HEAD: may be asked for again */
	bool page;              /* of a kind that a person looks at: a pass can be offered with it */
};

/* Keyed, so that nobody can choose what falls together. */
uint64_t flood_hash(const struct flood *f, struct str text);
/* Method and the first two segments of the path, digits in them as one: "/s/3/2026-11-25" and "/s/4/2026-11-26" cost alike. */
uint64_t flood_path(const struct flood *f, struct str method, struct str path);

struct flood_ticket {
	struct flood_addr from;
	uint64_t person, path;
	uint32_t charged; /* in 1024ths of a mean request */
	bool counts, open, alone;
};

struct flood_answer {
	enum flood_verdict verdict;
	enum flood_reason reason;
	uint32_t wait_ms; /* SLOW: how long; DENY: when it makes sense to come back */
	uint64_t id;      /* for `why`; 0 with PASS: nothing is recorded */
	bool gives;       /* pass[] is to be set as a cookie */
	bool known;       /* it came with a valid pass */
	char pass[PASS_TEXT + 1];
	struct flood_ticket ticket; /* for flood_done(); only PASS and SLOW need it, others don't mind */
};

/* Times: now_us monotonic, of one clock for all processes; wall_s seconds since 1970 (expiry of passes and lists, hour of the week). */
struct flood_time {
	int64_t now_us, wall_s;
	int32_t zone_s; /* local time is UTC + this: the hour of the week is the site's */
};

/* entropy: 8 random bytes, for chance and for a pass's id. About 1 µs, as much again where a pass is read or made; never fails. */
void flood_ask(const struct flood_worker *w, const struct flood_request *r, struct flood_time t, uint64_t entropy,
               struct flood_answer *ret);

struct flood_outcome {
	uint16_t status;      /* of the answer */
	bool reached;         /* the upstream was asked; else it came from a cache, a file, the WAF */
	bool failed;          /* the upstream didn't answer, or with 502, 503, 504 */
	bool refused;         /* the WAF said no */
	uint32_t upstream_us; /* how long it took, connecting included */
};
/* Exactly once for each ticket of an answer PASS or SLOW, also where the client went away. */
void flood_done(const struct flood_worker *w, const struct flood_ticket *ticket, const struct flood_outcome *o,
                struct flood_time t);
/* How a process itself is doing. */
struct flood_load {
	uint32_t lag_us; /* how late its timer came */
	float busy;      /* of the time since its last tick, how much it had something to do: 0 to 1 */
	uint32_t
	        waiting; /* of the requests that it let through, those that aren't at the upstream now: bodies that still
	                   * come in, answers that still go out. A slow client is no work for the site */
};
/* Every 100 ms from each process: one of them does the work for all. */
void flood_tick(const struct flood_worker *w, struct flood_time t, const struct flood_load *load);

/* --- operators --- */

/* Replaces the whole list, for all processes at once. -E2BIG: more than LIST_MAX. */
int flood_set_list(struct flood *f, const struct list_entry *entries, size_t n);

/* --- what it says of itself --- */

struct flood_state {
	double pressure; /* 1: what it can just bear */
	double share,
	        stranger; /* requests of mean cost a second: a person's, one's without a pass; INFINITY: at rest */
	double latency_ms, normal_ms, errors, lag_ms, rate, normal_rate;
	double busy;             /* requests at the upstream now */
	double gate_busy;        /* of its time, how much the gate has something to do: 0 to 1 */
	int64_t strict_since_us; /* monotonic; 0: at rest */
	uint64_t asked, verdicts[N_FLOOD_VERDICTS], reasons[N_FLOOD_REASONS];
	uint64_t passes_given, passes_valid, passes_bad, records_shed, events_shed;
};
void flood_state(const struct flood *f, struct flood_time t, struct flood_state *ret);

/* One verdict that wasn't PASS. */
struct flood_record {
	uint64_t id;
	struct flood_addr from;
	int64_t wall_us;
	uint8_t verdict, reason, known;
	uint32_t wait_ms;
	float used, share; /* of the key that decided: requests a second it had, and was allowed */
};
/* -ENOENT: there is none, or it was so long ago that others took its place. */
int flood_find(const struct flood *f, uint64_t id, struct flood_record *ret);

/* How an address stands now. */
struct flood_standing {
	enum flood_verdict verdict; /* of the next request without a pass */
	enum flood_reason reason;
	int64_t since_s, until_s; /* wall clock; since when, until when if it goes on no more; 0: not known, or never */
	struct list_entry list;   /* what operators said; action LIST_NONE: nothing */
	double rate, network_rate; /* admitted without a pass: requests of mean cost a second */
	double errors,
	        cost;  /* failed ones a second; what one of its requests costs: 1 is a mean one; over ten minutes */
	double people; /* passes seen there in ten minutes */
	double turned_away, share; /* requests a second */
	bool shared;               /* several people with passes came from there lately */
	struct flood_record last;
};
void flood_standing(const struct flood *f, const struct flood_addr *a, struct flood_time t, struct flood_standing *ret);

/* What changed: for the hub. Not one per request: an address or network begins or ends to be turned away, strictness begins, ends. */
enum flood_event_kind {
	FLOOD_EVENT_STRICT,
	FLOOD_EVENT_CALM,
	FLOOD_EVENT_BEGIN,
	FLOOD_EVENT_END,
	FLOOD_EVENT_LIST,
	FLOOD_EVENT_WAF
};
struct flood_event {
	uint64_t seq; /* from 1 on */
	int64_t wall_us;
	uint8_t kind, verdict, reason, bits; /* bits: of the prefix */
	struct flood_addr from;
	uint64_t id;    /* of a record, or 0 */
	uint64_t count; /* END: turned away in all */
	float pressure, share;
};
/* Those with seq > after, oldest first, n at most; *lost: how many were overwritten before. Returns how many. */
size_t flood_events(const struct flood *f, uint64_t after, struct flood_event *ret, size_t n, uint64_t *lost);

/* --- the site's normal, over restarts: by hour of the week --- */

enum { FLOOD_NORMAL_MAX = 64 << 10 };
/* Text, a line per hour and fingerprint. The size, at most FLOOD_NORMAL_MAX. */
size_t flood_normal_save(const struct flood *f, char *ret, size_t room);
/* Before others ask. -EINVAL with the line in err; what was there stays. */
int flood_normal_load(struct flood *f, struct str text, struct err *err);

#endif
