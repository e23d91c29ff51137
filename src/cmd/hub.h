/*
 * khien hub: takes every log, keeps it, matches rules over it. Inside of the command; the files are listed in main.c.
 *
 *   supervisor            rights of who started it; reads configuration, certificates; starts the two, anew when one ends
 *   ├─ front (+ opener)   user khien-front, no files: listens, makes envelopes, matches
 *   ├─ keeper             user khien, no network, the data folder alone: events and state, durable
 *   └─ searcher           user khien, no network, the events alone: hunts over HTTP (hub_searcher.h)
 *
 *   listener --offer--> front --rows--> keeper --verdicts--> front --answer--> listener
 *                                                              └--rules--> alerts --> keeper, and whoever reads along
 */
#ifndef KHIEN_CMD_HUB_H
#define KHIEN_CMD_HUB_H

#include "base/buf.h"
#include "base/log.h"
#include "cmd/config.h"
#include "cmd/hub_supervise.h"
#include "os/link.h"
#include "store/events.h"
#include "store/posts.h"
#include "store/state.h"

#include <sys/types.h>

/* --- hub_link.c: what front and keeper say to each other (os/link.h) --- */

enum link_kind {
	LINK_ROWS = 1, /* to the keeper: n rows; answered by LINK_VERDICTS in the same order */
	LINK_VERDICTS, /* code; the number of the first row, and n bytes of enum event_verdict. With a code and verdicts
	               * the rows stand in the journal but are not durable; with a code alone they don't */
	LINK_ALERT,    /* to the keeper: struct link_alert and its texts */
	LINK_STATUS,   /* to the keeper: text for `khien hub status` */
	LINK_TOKENS,   /* to the front: n struct token, all there are */
	LINK_STORE,    /* to the front: struct link_store */
	LINK_REPLAY,   /* to the front: n rows that were taken before the start; seq: the number of the first */
	LINK_REPLAYED, /* that was all */
	LINK_ASK,      /* to the keeper: a question of a post, seq: its number; struct link_ask and its JSON */
	LINK_REPLY,    /* to the front: the answer of number seq; code: the HTTP status; its JSON */
	LINK_SEEN,     /* to the keeper: n struct link_seen */
	LINK_SENT,     /* to the keeper: n orders' ids, each with a NUL, that their posts have fetched */
	LINK_POSTS,    /* to the front: n struct link_post, all that are known and not revoked */
	LINK_ORDERS,   /* to the front: n struct link_order, each with its JSON; all that wait for posts */
	LINK_FEEDS,    /* to the front: seq: the stamp of all feeds of indicators (intel/shelf.h) */
	LINK_MATCHED,  /* both ways: rules have seen all rows before number seq, and alerts of them were sent */
	N_LINKS,
};

struct link_row {
	int64_t time, since;
	uint32_t json, id, dataset, unused; /* lengths of the texts that follow, in this order */
};

struct link_alert {
	int64_t time, made;
	uint32_t count, length[8]; /* id, rule, title, level, host, user, address, json */
};

/* What the keeper says of itself, once a second. */
struct link_store {
	struct events_counts counts;
	struct event_retention retention;
	uint64_t free_bytes;  /* of the file system */
	uint64_t alerts;      /* raised since the start */
	uint64_t alerts_lost; /* too many waited to be stored */
	int32_t trouble;      /* -errno: nothing can be stored now */
	char why[256];
};

/* Texts end with a NUL, which whoever reads them sees to. */
struct link_ask {
	uint32_t what; /* enum api_asks */
	char post[POST_NAME + 1], serial[POST_SERIAL + 1];
	char order[STATE_ORDER_ID + 1];
};

struct link_seen {
	char name[POST_NAME + 1], serial[POST_SERIAL + 1];
	int64_t when;
};

struct link_post {
	char name[POST_NAME + 1], unit[POST_NAME + 1];
	char serial[POST_SERIAL + 1], before[POST_SERIAL + 1];
};

struct link_order {
	uint64_t turn;
	int64_t expires;
	char post[POST_NAME + 1], id[STATE_ORDER_ID + 1];
	uint32_t size; /* of the JSON that follows */
};

/* Appends a row to a body of LINK_ROWS or LINK_REPLAY; takes the next one off: false when there is none. */
void link_add_row(struct buf *body, const struct event_row *row);
bool link_take_row(struct str *body, struct event_row *row);
void link_add_alert(struct buf *body, const struct alert_row *a);
bool link_take_alert(struct str body, struct alert_row *a);

/* --- hub_folders.c --- */

struct folder {
	const char *name;
	mode_t mode;
	bool kept; /* it belongs to the keeper; all else is of who started this, so that nobody else can change it */
};
/* Makes data, and in it the folders. user: the keeper; NULL: it stays who it is. */
int folders_make(const char *data, const char *user, const struct folder *folders, size_t n, struct err *err);

struct hub_folders {
	const char *data;
	const char *user, *front_user; /* out: who keeper and front become; NULL: they stay who they are */
};
/* Makes DATA, and in it what the hub needs. */
int hub_folders(struct hub_folders *f, struct err *err);

/* --- the two --- */

struct keeper_config {
	const char *store; /* folder: state.db, events/, status */
	const char *user;  /* NULL: stays who it is */
	const struct event_limits *limits;
	const struct clock *clock;
	const struct log *log;
	int link, beat;          /* beat: see hub_supervise.h */
	struct hub_posts *posts; /* NULL: the hub has none */
};
/* In a process of its own. Ends when the other end of the link is closed: its exit status. */
int keeper_run(const struct keeper_config *config);

struct front_config {
	const struct config_hub *hub;
	const struct hub_options *options;
	struct str key, certificate, ca; /* PEM; key is wiped once it is in use */
	const char *user;
	const struct clock *clock;
	int link, beat;
	const int *searches; /* SEARCHES sockets (hub_searcher.h); NULL: no hunts over HTTP */
};
/* What only the command line says. */
struct hub_options {
	const char *mapping, *placeholders;
	const char *const *play; /* recordings */
	size_t n_play;
	bool play_only, json;
	int lang, color;
};
int front_run(const struct front_config *config);

/* --- hub_status.c: a job of `khien hub` --- */
int hub_status(int argc, char **argv);

#endif
