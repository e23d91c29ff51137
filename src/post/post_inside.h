/* A post, in its parts. For post.c and orders.c. */
#ifndef KHIEN_POST_INSIDE_H
#define KHIEN_POST_INSIDE_H

#include "order/book.h"
#include "post/post.h"
#include "post/uplink.h"

#include <zstd.h>

enum { TAG_EVENTS, TAG_ORDERS, TAG_DESK, N_TAGS };

struct orders {
	struct book *book;
	struct order_trust trust;
	struct approver_key approvers[ORDER_KEYS_MAX];
	uint64_t after;                                        /* number of the last order that `hub` told */
	unsigned hub;                                          /* that was polled last */
	int64_t not_before, desk_not_before, renew_not_before; /* monotonic */
	unsigned failures;
	char path[96], report_path[96];
	struct buf body, key; /* of the desk's request */
	char reported[ORDER_ID + 1];
	bool must_renew, retired;
	char renew_order[ORDER_ID + 1]; /* the order that asked for it; empty: none did */
	bool told_skew, told_denied, told_renewal;
	int64_t skew; /* µs that our clock is ahead of the hub's */
};

struct post {
	struct post_config c;
	char dir[4096];
	struct identity identity;
	const char *hub_names[DIAL_HUBS];
	unsigned n_hubs;
	struct buf header; /* of requests that bring events; the token's line comes first */
	size_t token_n;    /* its bytes */
	struct dialer *dialer;
	struct loop *loop;
	struct spool *spool;
	struct hubs hubs;
	struct client *clients[N_TAGS];
	struct uplink *uplink;
	struct orders orders;
	/* what was put and isn't in the spool yet */
	struct buf open[SPOOL_CLASSES];
	uint32_t n_open[SPOOL_CLASSES];
	ZSTD_CCtx *zstd;
	struct buf packed;
	bool told_full;
	uint64_t put;
	int64_t began;
};

void post_note(const struct post *p, enum log_level level, const char *event, const char *what, const char *why);

/* --- orders.c --- */
int orders_open(struct post *p, struct err *err);
void orders_close(struct post *p);
void orders_run(struct post *p);

#endif
