/*
 * The hub over HTTP(S): intake for shippers and khien's own posts, health, metrics. libmicrohttpd, driven by the
 * caller's event loop, one thread, no file is opened: works within the sandbox.
 *
 *   POST /v1/events                    NDJSON (Content-Encoding gzip, zstd); answered when durable          ingest
 *   POST /_bulk, /INDEX/_bulk          as Elasticsearch 7 and 8 answer, item by item                        ingest
 *   GET  /, HEAD /                     what shippers ask first: name, version, "You Know, for Search"       ingest
 *   GET  /_license, /_xpack, /_cluster/health, /_nodes/..., templates, ILM policies, pipelines: enough for  ingest
 *        Filebeat, Winlogbeat, Fluent Bit, Vector, rsyslog's omelasticsearch to begin
 *   GET  /healthz                      200 "ok" or 503 with why                                             none
 *   GET  /metrics                      Prometheus text                                                      metrics
 *
 * A caller shows a token: Authorization: Bearer ID.SECRET; ApiKey base64(ID:SECRET); Basic with ID and SECRET. Bodies
 * and connections are bounded; when the hub has no room, a request waits (up to 30 s) and is then answered 429 with
 * Retry-After. A compressed body may not grow beyond its bound.
 */
#ifndef KHIEN_API_API_H
#define KHIEN_API_API_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "intake/offer.h"

struct api;

struct api_tls {
	struct str certificate; /* PEM, the chain */
	struct str key;         /* PEM */
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
	void *arg;                /* for the three */
	size_t max_body;          /* decompressed, 0: 64 MiB */
	unsigned max_connections; /* 0: 256 */
};

int api_new(struct api **ret, const struct api_config *config, struct err *err);
/* Offers that are out may be answered afterwards. */
void api_free(struct api *a);
/* To be watched for reading; then, and at least once a second, api_run(): 0 or -errno. */
int api_fd(const struct api *a);
int api_run(struct api *a);
/* There is room again: what waits is tried. */
void api_room(struct api *a);
/* No further requests; those under way are answered. False: some still are. */
bool api_drain(struct api *a);

struct api_counts {
	uint64_t requests;
	uint64_t denied;    /* 401, 403 */
	uint64_t too_large; /* 413 */
	uint64_t busy;      /* 429, 503, and connections closed for being one too many */
	uint64_t bad;       /* other 4xx */
	unsigned connections;
};
struct api_counts api_counts(const struct api *a);

#endif
