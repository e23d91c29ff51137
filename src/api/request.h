/*
 * Inside of api/: one request from its header to its answer, and the server it belongs to.
 *
 *   begin -> body, piece by piece -> end -> (all offers answered) -> answer -> done
 *
 * A request that has to wait - for room, for verdicts - is suspended: libmicrohttpd reads nothing from its connection
 * meanwhile. A request that failed has its answer already; what is left of its body is dropped, then it is answered.
 */
#ifndef KHIEN_API_REQUEST_H
#define KHIEN_API_REQUEST_H

#include "api/api.h"
#include "api/body.h"
#include "api/ingest.h"

#include <microhttpd.h>
#include <netinet/in.h>

enum {
	WAIT_FOR_ROOM_S = 30,      /* then 429 */
	IDLE_S = 30,               /* nothing comes */
	FIRST_S = 20,              /* from the connection to the first request's header, the handshake included */
	HEADER_S = 60,             /* from an answer to the next one's */
	BODY_S = 600,              /* for all of a body, and for taking the answer */
	RETRY_AFTER_S = 5,         /* what those that found no room are told */
	DRAIN_BYTES = 1 << 20,     /* a refused body up to this is read and dropped, so that the answer is seen */
	DECODER_BYTES = 128 << 20, /* for the decoders of all requests */
	PATH_MAX_BYTES = 2048,
};

enum method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_PUT, METHODS };

struct request;

/* What a path does. Functions may be NULL; text is an answer that never changes: "$" in it becomes the path's name. */
struct endpoint {
	const char *text;
	const char *type; /* NULL: application/json */
	bool ingests;     /* has a body that is unpacked and fed; any other body is dropped */
	void (*begin)(struct request *r);
	void (*feed)(struct request *r, struct str bytes);
	void (*end)(struct request *r);
	void (*answer)(struct request *r);
	void (*done)(struct request *r);
};

struct conn {
	struct api *a;
	struct conn *prev, *next;
	struct MHD_Connection *mhd;
	struct request *r; /* NULL: between requests */
	int64_t deadline;  /* monotonic */
	char peer[INET6_ADDRSTRLEN + 1];
};

struct api {
	struct api_config c;
	struct MHD_Daemon *daemon;
	int epoll, timer;  /* what the caller watches: the daemon's and ours */
	uint64_t progress; /* counts whatever the daemon tells us */
	unsigned pause_ms; /* see api_run() */
	struct conn *conns;
	unsigned n_requests;
	struct ingest_queue queue;
	size_t decoders; /* bytes left of DECODER_BYTES */
	uint64_t seq_no; /* of documents that were taken by _bulk */
	struct api_counts counts;
	int64_t swept;
	bool draining, stopping;
};

struct request {
	struct api *a;
	struct conn *conn;
	const struct endpoint *endpoint;
	enum method method;
	struct str name; /* what stands for the path's first variable segment; in `text` */
	struct sender *sender;
	struct body *body;
	struct ingest *ingest;
	void *own; /* the endpoint's */
	int64_t began;
	uint64_t dropped; /* bytes of the body that nobody wanted */
	bool suspended, ended;
	bool hang_up; /* where this request ends is not certain: nothing is read after it */
	bool shy;     /* it is rsyslog's omelasticsearch, which alone doesn't say who it is: events that an answer other
		   * than 200 refuses are lost to it, and it sends them again when its connection is closed instead */
	unsigned status; /* 0: not decided */
	unsigned retry_after;
	const char *allow; /* 405 */
	const char *type;
	struct buf out;
	char text[PATH_MAX_BYTES];
};

/* The answer is an error, in Elasticsearch's form; a request has one answer, the first. */
void request_fail(struct request *r, unsigned status, const char *type, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));
/* The same for 0 or -errno of taking events: 429, 503 with Retry-After. */
void request_fail_ingest(struct request *r, int code);
/* The value of a header or of an argument behind "?"; p NULL: not there. */
struct str request_header(const struct request *r, const char *name);
struct str request_argument(const struct request *r, const char *name);
/* Makes r->ingest; its verdicts go to `verdict`. */
bool request_ingest(struct request *r, void (*verdict)(void *r, uint32_t tag, const struct offer_item *item));

/* libmicrohttpd's callbacks */
enum MHD_Result request_handle(void *api, struct MHD_Connection *mhd, const char *url, const char *method,
                               const char *version, const char *upload, size_t *size, void **slot);
void request_completed(void *api, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode why);

#endif
