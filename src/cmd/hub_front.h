/* The front of khien hub, in its parts. Inside of the command. */
#ifndef KHIEN_CMD_HUB_FRONT_H
#define KHIEN_CMD_HUB_FRONT_H

#include "api/api.h"
#include "cmd/hub.h"
#include "cmd/known.h"
#include "cmd/known_live.h"
#include "cmd/live.h"
#include "collect/collect.h"
#include "intake/envelope.h"
#include "intake/offer.h"

/* --- hub_desk.c: offers in, rows to the keeper, verdicts back, rules over what was kept --- */

struct hub_desk;

struct hub_desk_config {
	struct link *link;
	struct pipe *pipe;
	const struct clock *clock;
	int (*room)(void *arg); /* offers that were turned away may come again. -errno: the end */
	void *arg;
};

int hub_desk_new(struct hub_desk **ret, const struct hub_desk_config *config, struct err *err);
void hub_desk_free(struct hub_desk *d);
/* An offer_sink. Its answer comes later, never from within. */
int hub_desk_take(void *desk, struct offer *o);
/* What the keeper says. 0, or -errno: the end. */
int hub_desk_verdicts(struct hub_desk *d, const struct link_head *head, struct str body);
int hub_desk_replay(struct hub_desk *d, const struct link_head *head, struct str body);
void hub_desk_matched(struct hub_desk *d, uint64_t seq);
/* Once a second: what the keeper had no room for is sent again. */
void hub_desk_retry(struct hub_desk *d);
/* Nothing is under way. */
bool hub_desk_idle(const struct hub_desk *d);

struct hub_desk_counts {
	uint64_t events, bytes, kept, known, bad, busy;
	size_t under_way; /* bytes of memory */
};
struct hub_desk_counts hub_desk_counts(const struct hub_desk *d);

/* --- hub_sources.c: what is collected becomes offers --- */

/* The taker's functions for collect/; arg is a struct front. */
int front_take(void *front, struct origin *o, struct batch *b);

/* --- hub_known.c: indicators beside the rules --- */

struct front;
/* The opener's item that makes the set. */
void front_known_item(struct front *f, struct opener_item *item);
int front_known_new(struct front *f, size_t item, struct err *err);
/* Until the first set is here, or is known not to come: before rules see anything. */
int front_known_wait(struct front *f);
/* The keeper's word on what feeds there are. */
int front_known_hear(struct front *f, uint64_t stamp);
void front_known_done(struct front *f);

/* --- hub_metrics.c: what the hub says of itself --- */

void front_metrics(void *front, struct buf *out);
int front_health(void *front, struct buf *why);

/* --- hub_front.c: up to the sandbox; hub_serve.c: from then on --- */

enum { FRONT_LISTENERS = 64 };

struct front {
	const struct front_config *c;
	const struct clock *clock;
	struct log log;
	struct str key; /* the certificate's, until the sockets have it */
	struct live_rules rules;
	struct known known;
	struct known_live *known_live;
	struct intel_set *indicators;    /* in use; NULL: none yet */
	uint64_t feeds_used, feeds_said; /* the stamp of these feeds, and of those that the keeper sees */
	char feeds[4200];                /* their folder */
	struct engine *engine;
	struct show *show;
	struct pipe pipe;
	struct sources sources; /* behind those of collect/: the addresses for HTTP, and then the rules */
	size_t http, https;     /* the first of each among them */
	struct opener *opener;
	struct reload *reload;
	struct loop *loop;
	struct sandbox *sandbox;
	struct places *places; /* NULL: how far files were read is not kept */
	struct err no_places;  /* why */
	struct follow *follow;
	struct taker taker;
	struct listener *listeners[FRONT_LISTENERS];
	size_t n_listeners;
	size_t http_memory; /* left for all requests */
	struct api *apis[FRONT_LISTENERS];
	size_t n_apis;
	struct senders *senders;
	struct token *tokens;
	size_t n_tokens;
	struct link link;
	struct link_store store; /* what the keeper said last */
	int64_t store_at;        /* and when, monotonic */
	struct hub_desk *desk;
	struct posts_front *posts;
	struct hunts *hunts; /* NULL: none over HTTP */
	unsigned followed;   /* offers of follow that are under way */
	struct recording *recordings;
	size_t n_recordings;
	uint64_t stored;              /* events of recordings */
	int64_t began, stopping;      /* monotonic; stopping 0: not */
	int64_t beat, second, status; /* when the supervisor, this process and the keeper were last told */
	bool replayed, serving;
};

/* Everything that the sandbox permits: until it is told to end. 0 or -errno. */
int front_serve(struct front *f, struct err *err);
/* A group_sink: an alert is kept. */
int front_alert(void *front, enum group_news news, const struct group *g, const struct match *m);

/* --- hub_play.c: recordings are played, then kept --- */

int front_play(struct front *f, struct err *err);

/* --- hub_serve.c, for it --- */

/* Waits for the keeper and hears it. 0, or -errno: it is gone. */
int front_hear(struct front *f, int timeout_ms);
/* It is at work, as the supervisor hears; to be called wherever something may take longer than some seconds. */
void front_beat(struct front *f);

#endif
