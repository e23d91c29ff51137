/*
 * The server itself: what web.c, web_request.c, web_visit.c and web_stream.c share, and handlers don't see.
 *
 * One thread. A connection has at most one request; a request is suspended while the desk is asked, and a stream while there is
 * nothing to say. Everything is found from the connections: there are no more than max_connections of them.
 */
#ifndef KHIEN_KIOSK_WEB_SERVER_H
#define KHIEN_KIOSK_WEB_SERVER_H

#include "kiosk/web_address.h"
#include "kiosk/web_gzip.h"
#include "kiosk/web_inside.h"
#include "kiosk/web_kept.h"
#include "kiosk/web_limit.h"

#include <microhttpd.h>

enum {
	MAX_CONNECTIONS = 1000,
	SHARE = 8,               /* of the connections one address has this part */
	SITE_SHARE = 4,          /* and an IPv6 site */
	STREAMS_SHARE = 4,       /* all streams this one, */
	STREAMS_EACH = 4,        /* and one address this of them */
	OWN_ASKS = 16,           /* web_ask() at a time */
	IDLE_S = 30,             /* nothing comes */
	FIRST_S = 20,            /* until a first header is here, the handshake included */
	HEADER_S = 60,           /* from an answer to the next one's */
	BODY_S = 120,            /* for a body, and for taking the answer */
	WAIT_S = 30,             /* for the desk */
	QUIET_S = 15,            /* of a stream */
	RETRY_AFTER_S = 5,       /* 503 */
	LIMIT_RETRY_S = 60,      /* 429 */
	DRAIN_BYTES = 1 << 20,   /* a refused body up to this is read and dropped, so that the answer is seen */
	BODIES_BYTES = 64 << 20, /* of all requests */
	PATH_BYTES = 256,
	COOKIE_TEXT = 768,
};

struct request;

struct conn {
	struct web *w;
	struct conn *prev, *next;
	struct MHD_Connection *mhd;
	struct request *r; /* NULL: between requests */
	int64_t deadline;  /* monotonic */
	struct in6_addr peer;
	bool proxy; /* one that is trusted */
	bool gone;  /* hung up on, for another one */
};

/* An event, as it goes to all streams. */
struct event {
	unsigned refs;
	size_t n;
	char bytes[];
};

struct request {
	struct visit v; /* first: a visit is its request */
	struct conn *conn;
	/* asking */
	uint64_t number; /* 0: not */
	visit_then *then;
	int64_t asked; /* monotonic */
	/* where it stands */
	bool suspended, handled, streams;
	bool takes_gzip, packed; /* the visitor; and so is `out` */
	bool early;              /* suspended at the headers: its body is still to come */
	bool hang_up;            /* where this request ends is not certain: nothing is read after it */
	bool unnamed;            /* from a proxy that doesn't say for whom */
	size_t dropped;
	/* the answer */
	unsigned status; /* 0: not decided */
	unsigned retry_after;
	enum kiosk_word shut; /* what the desk refused with last: a 503 says it */
	const char *type, *allow;
	struct buf out;
	char location[PATH_BYTES];
	char cookies[N_COOKIES][COOKIE_TEXT]; /* Set-Cookie; empty: none */
	struct page_hole holes[PAGE_HOLES];
	unsigned n_holes;
	/* a stream's: what is being sent */
	struct event *event;
	size_t event_at;
	uint64_t event_seen; /* the number of the newest that it had */
	int64_t quiet_since;
	/* what came */
	enum method method;
	char visitor[VISITOR_LENGTH + 1], once[TOKEN_ONCE + 1], session[SESSION_LENGTH + 1], name[128];
	char path[PATH_BYTES];
};

struct waiting {
	uint64_t number; /* 0: free */
	struct request *r;
	void (*then)(struct web *w, const json_t *answer); /* of web_ask(): r is NULL */
};

struct web {
	struct web_config c;
	struct networks trusted;
	unsigned char form_key[SEAL_KEY];
	char *hospital_token; /* NULL: none */
	char version[HTML_VERSION + 1];
	bool tls, draining, stopping;
	struct MHD_Daemon *daemon;
	int epoll, timer;  /* what the caller watches: the daemon's and ours */
	uint64_t progress; /* counts whatever the daemon tells us */
	unsigned pause_ms; /* see web_run() */
	struct conn *conns;
	unsigned n_requests;
	size_t body_bytes;
	struct waiting *waiting;
	unsigned *free_waiting, n_free;
	uint64_t asked; /* counts asks */
	struct kept *kept;
	struct gzip *gzip;
	struct limit *limit;
	unsigned bookings; /* an hour and address; 0: no bound */
	struct event *newest;
	uint64_t n_events;
	struct web_counts counts;
	int64_t swept;
};

static inline struct request *request_of(const struct visit *v)
{
	return (struct request *)(uintptr_t)v;
}

static inline int64_t web_now(const struct web *w)
{
	return clock_monotonic(w->c.clock);
}

/* A daemon that the caller drives doesn't tell by its descriptor that a connection goes on. */
void web_wake(struct web *w);

/* --- web_request.c: libmicrohttpd's callbacks --- */

enum MHD_Result request_handle(void *web, struct MHD_Connection *mhd, const char *url, const char *method,
                               const char *version, const char *upload, size_t *size, void **slot);
void request_completed(void *web, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode why);
/* Something has come of what it waited for. */
void request_go_on(struct request *r);

/* --- web_answer.c --- */

/* Queues what was decided; MHD_NO: the connection ends. */
enum MHD_Result request_answer(struct request *r);
/* Answers with the kept page, if there is one. */
bool request_answer_kept(struct request *r, enum MHD_Result *ret);

/* --- web_visit.c --- */

/* Nobody waits for its answer any more. */
void visit_forget(struct request *r);
/* Each second: who waits too long is answered. */
void visit_tick(struct web *w, int64_t now);
/* The token of a form on this visitor's page, or what such a one is checked by. */
struct token_of visit_token_of(const struct request *r, const char *action);

/* --- web_stream.c --- */

enum MHD_Result stream_begin(struct request *r);
void stream_end(struct request *r);
void stream_tick(struct web *w, int64_t now);

#endif
