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
	WAIT_FOR_ROOM_S = 30,   /* then 429 */
	IDLE_S = 30,            /* nothing comes */
	FIRST_S = 20,           /* for all that somebody does who hasn't shown who they are, the handshake included */
	HEADER_S = 60,          /* from an answer to the next one's */
	BODY_S = 600,           /* for all of a body, and for taking the answer */
	RETRY_AFTER_S = 5,      /* what those that found no room are told */
	DRAIN_BYTES = 1 << 20,  /* a refused body up to this is read and dropped, so that the answer is seen */
	PARSER_BYTES = 1 << 20, /* what a request's parser holds at most: one record */
	PATH_MAX_BYTES = 2048,
	MORE_BYTES = 32 << 10, /* of an answer of unknown length, at a time */
};

enum method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_PUT, METHODS };

struct request;

/* What a path does. Functions may be NULL; text is an answer that never changes: "$" in it becomes the path's name. */
struct endpoint {
	const char *text;
	const char *type;                       /* NULL: application/json */
	bool ingests;                           /* has a body that is unpacked and fed; any other body is dropped */
	bool (*waits)(const struct request *r); /* its answer can't be made yet: api_request_go_on() when it can */
	void (*begin)(struct request *r);
	void (*feed)(struct request *r, struct str bytes);
	void (*end)(struct request *r);
	void (*answer)(struct request *r);
	/* An answer of unknown length: up to n bytes of it. 0: not yet, api_request_go_on() when there are; -ENODATA: the end; else
	 * it is broken off. */
	ssize_t (*more)(struct request *r, char *to, size_t n);
	void (*done)(struct request *r);
};

struct conn {
	struct api *a;
	struct conn *prev, *next;
	struct MHD_Connection *mhd;
	struct request *r; /* NULL: between requests */
	int64_t deadline;  /* monotonic */
	char peer[INET6_ADDRSTRLEN + 1];
	struct in6_addr address;              /* of the peer; IPv4 mapped into it */
	bool known;                           /* it has shown who it is */
	bool post;                            /* it is one of those that are counted as a post's */
	struct peer_certificate *certificate; /* posts.c; NULL: it was not looked at, or shows none */
	bool looked;
	struct str query; /* hunt.c: of the request that is under way, as it came */
};

struct api {
	struct api_config c;
	struct api_posts posts; /* who NULL: there are none */
	struct api_hunts hunts; /* begin NULL: there are none */
	struct MHD_Daemon *daemon;
	int epoll, timer;  /* what the caller watches: the daemon's and ours */
	uint64_t progress; /* counts whatever the daemon tells us */
	unsigned pause_ms; /* see api_run() */
	struct conn *conns;
	unsigned n_requests, n_posts; /* n_posts: connections of posts */
	struct ingest_queue queue;
	size_t memory;   /* its own, where it shares none */
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
	void *own;      /* the endpoint's */
	uint64_t after; /* of posts_orders */
	int64_t until;  /* monotonic: it waits no longer */
	int64_t began;
	uint64_t dropped; /* bytes of the body that nobody wanted */
	size_t held;      /* bytes of the memory for all requests */
	bool suspended, ended;
	bool hang_up; /* where this request ends is not certain: nothing is read after it */
	bool shy;     /* it is rsyslog's omelasticsearch, which alone doesn't say who it is: events that an answer other
		   * than 200 refuses are lost to it, and it sends them again when its connection is closed instead */
	unsigned status; /* 0: not decided */
	unsigned retry_after;
	const char *allow; /* 405 */
	const char *type;
	struct MHD_Response *response; /* one that goes on: the request's until it is over */
	struct buf out;
	char text[PATH_MAX_BYTES];
};

/* The answer is an error, in Elasticsearch's form; a request has one answer, the first. */
void request_fail(struct request *r, unsigned status, const char *type, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));
/* The same for 0 or -errno of taking events: 429, 503 with Retry-After. */
void request_fail_ingest(struct request *r, int code);
/* Takes n bytes of the memory for all requests, until the request is over. False: there are none, and it has failed. */
bool request_hold(struct request *r, size_t n);
/* The value of a header or of an argument behind "?"; p NULL: not there. */
struct str request_header(const struct request *r, const char *name);
struct str request_argument(const struct request *r, const char *name);
/* What the endpoint waited for is there; nothing happens where it waits for something else. */
void api_request_go_on(struct request *r);

/* --- posts.c --- */

/* Who shows a certificate that this hub knows; NULL: nobody. Its name is the connection's until that ends. */
struct sender *posts_who(struct conn *c);
struct str posts_name(const struct conn *c);
/* It has shown who it is: up to POST_SHARE connections of a post have room of their own. */
void posts_room(struct conn *c);
void posts_forget(struct conn *c);
/* Every second: who has waited for orders long enough is answered. */
void posts_tick(struct api *a, int64_t now);

/* --- hunt.c --- */

/* libmicrohttpd's call with the whole of what was asked, before it is taken apart: NULL. */
void *hunt_uri(void *api, const char *uri, struct MHD_Connection *mhd);
void hunt_forget(struct conn *c);
/* Every second: who has gone, or has waited long enough. */
void hunt_tick(struct api *a, int64_t now);

/* Makes r->ingest; its verdicts go to `verdict`. */
bool request_ingest(struct request *r, void (*verdict)(void *r, uint32_t tag, const struct offer_item *item));

/* libmicrohttpd's callbacks */
enum MHD_Result api_request_handle(void *api, struct MHD_Connection *mhd, const char *url, const char *method,
                                   const char *version, const char *upload, size_t *size, void **slot);
void api_request_completed(void *api, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode why);

#endif
