/*
 * The hub over HTTP(S): intake for shippers and khien's own posts, health, metrics. libmicrohttpd, driven by the
 * caller's event loop, one thread, no file is opened: works within the sandbox.
 *
 *   POST /v1/events                    NDJSON (Content-Encoding gzip, zstd); answered when durable          ingest
 *   POST /v1/bundles                   records as they stand in logs (intake/bundle.h), from posts           ingest
 *   POST /_bulk, /INDEX/_bulk          as Elasticsearch 7 and 8 answer, item by item                        ingest
 *   GET  /, HEAD /                     what shippers ask first: name, version, "You Know, for Search"       ingest
 *   GET  /_license, /_xpack, /_cluster/health, /_nodes/..., templates, ILM policies, pipelines: enough for  ingest
 *        Filebeat, Winlogbeat, Fluent Bit, Vector, rsyslog's omelasticsearch to begin
 *   POST /v1/enrol                     a post's first certificate, for a secret                             none
 *   POST /v1/renew, GET /v1/orders, POST /v1/orders/ID/report: see docs/posts.md                           a post
 *   GET  /v1/hunt                       a hunt over what is stored, answered as it is found: docs/hunt.md      read
 *   GET  /healthz                      200 "ok" or 503 with why                                             none
 *   GET  /metrics                      Prometheus text                                                      metrics
 *
 * A caller shows a token: Authorization: Bearer ID.SECRET; ApiKey base64(ID:SECRET); Basic with ID and SECRET. A post
 * shows its certificate in the handshake instead, and may what "ingest" and "a post" may. Bodies,
 * connections and what all requests hold in memory are bounded; when the hub has no room, a request waits (up to 30 s)
 * and is then answered 429 with Retry-After. A compressed body may not grow beyond its bound.
 *
 * One peer, an IPv4 address or an IPv6 /64, has at most a quarter of the connections while it hasn't shown who it is on
 * them, and three quarters in all. Who doesn't get to the end of a first request within 20 s is disconnected, as is who
 * is answered 401. Posts have room beside all of these, once they have shown who they are: seven times as many
 * connections in all, four of them for each post.
 */
#ifndef KHIEN_API_API_H
#define KHIEN_API_API_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "intake/offer.h"

#include <sys/types.h>

struct api;

struct api_tls {
	struct str certificate; /* PEM, the chain */
	struct str key;         /* PEM */
};

/* What a post, or one to be, asks of the hub. */
enum api_asks { API_ENROL, API_RENEW, API_REPORT };

enum { API_POST_NAME = 64, API_POST_SERIAL = 40, API_POST_BODY = 16 << 10, API_ORDER_ID = 64 };

struct api_question {
	enum api_asks what;
	char post[API_POST_NAME + 1], serial[API_POST_SERIAL + 1]; /* who asks; empty: API_ENROL */
	char order[API_ORDER_ID + 1];                              /* API_REPORT */
	char peer[64];
	struct buf body;       /* JSON, as it came */
	struct request *asker; /* NULL: nobody waits any more */
};

/* Posts. All strings are borrowed for the call. */
struct api_posts {
	struct str ca; /* PEM: who signs their certificates; and what stands behind the hub's own in the chain */
	/* Who shows this certificate, which was checked against ca. NULL: nobody we know. */
	struct sender *(*who)(void *arg, struct str name, struct str unit, struct str serial);
	/* It is the callee's, who answers once with api_answer(), now or later. */
	void (*ask)(void *arg, struct api_question *q);
	/* Appends `{"number":...},...` for what waits for it after this number; the number of orders. */
	size_t (*orders)(void *arg, struct str post, uint64_t after, struct buf *out);
};

enum api_hunt_format { API_HUNT_NDJSON, API_HUNT_JSON, API_HUNT_CSV };

/* What GET /v1/hunt asks, as it was written. */
struct api_hunt {
	struct str q, since, until; /* n 0: not given */
	struct str datasets[16];
	size_t n_datasets;
	enum api_hunt_format format;
	uint64_t limit; /* rows; 0: all */
	bool oldest;
};

struct api_search; /* a hunt that runs; the callee's */

enum { API_HUNT_WORDS = 512 };

struct api_hunts {
	/* Begins it; everything is borrowed for the call. -EBUSY: as many run as may; -EIO: none can run now. */
	int (*begin)(void *arg, const struct api_hunt *hunt, struct request *asker, struct api_search **ret);
	/*
	 * What was found since, up to n bytes: how many. -EAGAIN: nothing yet, and the asker is told when there is
	 * (api_hunt_came()); -ENODATA: that was all; -EIO: it broke off.
	 */
	ssize_t (*read)(struct api_search *s, char *to, size_t n);
	/* The answer's HTTP status; 0: not known yet. Is it not 200, the answer is JSON that says why. */
	unsigned (*status)(const struct api_search *s);
	/* After -ENODATA: "true", or "false; " and why, for a trailer. */
	const char *(*complete)(const struct api_search *s);
	/* Nobody wants the rest. The search is gone. */
	void (*end)(struct api_search *s);
};

struct api_config {
	int fd;                    /* listening socket, non-blocking; taken, also where api_new() fails */
	const struct api_tls *tls; /* NULL: plain HTTP (loopback) */
	const struct clock *clock;
	offer_sink *take;
	void *taker;
	/*
	 * Who calls: NULL: nobody we know (401). With *forbidden: known, but may not (403). Returns the sender that
	 * their events count under. `authorization` is the header's value, well-formed (api/credentials.h takes it
	 * apart); empty: none. Here a sender's `bad` counts what never came into an offer, its `refused` the events of
	 * requests answered 429 or 503; the rest is for who takes the offers.
	 */
	struct sender *(*caller)(void *arg, struct str authorization, uint32_t scopes, struct str peer,
	                         bool *forbidden);
	/* The text of /metrics; of /healthz: 0, or -errno with why. */
	void (*metrics)(void *arg, struct buf *out);
	int (*health)(void *arg, struct buf *why);
	const struct api_posts *posts; /* NULL: none; needs tls */
	const struct api_hunts *hunts; /* NULL: none */
	void *arg;                     /* for all of them */
	size_t max_body;               /* decompressed, 0: 64 MiB */
	unsigned max_connections;      /* 0: 256 */
	/*
	 * Bytes that are left for what requests hold: decoders, parsers, events that wait for room, the items of answers.
	 * Whoever is given the same shares it. NULL: 320 MiB for this one.
	 */
	size_t *memory;
};

enum { API_MEMORY = 320 << 20 };

int api_new(struct api **ret, const struct api_config *config, struct err *err);
/* Offers that are out may be answered afterwards. */
void api_free(struct api *a);
/* To be watched for reading; then, and at least once a second, api_run(): 0 or -errno. */
int api_fd(const struct api *a);
int api_run(struct api *a);
/* There is room again: what waits is tried. */
void api_room(struct api *a);
/* The answer, JSON, with a status; frees q. */
void api_answer(struct api_question *q, unsigned status, struct str json);
/* There is something to read of what it asked, or an end. */
void api_hunt_came(struct request *asker);
/* Other posts are known now: connections of those that are not any more end, and who waits for orders is looked at. */
void api_posts_changed(struct api *a);
/* No further requests; those under way are answered. False: some still are. */
bool api_drain(struct api *a);

struct api_counts {
	uint64_t requests;
	uint64_t denied;    /* 401, 403 */
	uint64_t too_large; /* 413 */
	uint64_t busy;      /* 429, 503, and connections closed for being one too many */
	uint64_t shed;      /* of those 429 for want of memory */
	uint64_t bad;       /* other 4xx */
	unsigned connections;
};
struct api_counts api_counts(const struct api *a);

#endif
