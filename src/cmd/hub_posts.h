/*
 * Posts in the hub. The front knows by the list which certificates are good, and hands on what posts ask; the keeper
 * decides, by state.db, and has certificates and orders signed by a signer of its own, which it started while it had the
 * rights to, and whose keys it never had. Inside of the command.
 *
 *   post --certificate--> front --LINK_ASK--> keeper --> signer
 *                            <--LINK_REPLY--
 *   khien order, khien hub posts --> state.db --> keeper --LINK_POSTS, LINK_ORDERS--> front
 */
#ifndef KHIEN_CMD_HUB_POSTS_H
#define KHIEN_CMD_HUB_POSTS_H

#include "cmd/hub.h"
#include "cmd/hub_front.h"

/* --- hub_posts.c: in the keeper --- */

struct hub_posts;

/* With the rights that there are, before the sandbox: the signer, and what posts are told of this hub. */
int hub_posts_start(struct hub_posts **ret, const char *pki, const struct clock *clock, const struct log *log,
                    struct err *err);
/* What it works with from now on. */
void hub_posts_begin(struct hub_posts *p, struct state *state, struct link *link);
/* A message of the front: LINK_ASK, LINK_SEEN, LINK_SENT. 0 or -EPROTO. What it asks is done by hub_posts_work(). */
int hub_posts_take(struct hub_posts *p, const struct link_head *head, struct str body);
/*
 * Between two commits, some times a second. changed: somebody changed state.db. 0; -ECHILD: the signer is gone, and comes
 * again with the next keeper.
 */
int hub_posts_work(struct hub_posts *p, bool changed);
void hub_posts_free(struct hub_posts *p);

/* --- hub_posts_front.c --- */

struct posts_front;

int posts_front_new(struct posts_front **ret, struct front *f);
void posts_front_free(struct posts_front *p);
/* For api_config; its arg is the struct front. */
struct api_posts posts_front_api(struct front *f);
/* LINK_REPLY, LINK_POSTS, LINK_ORDERS. 0 or -errno. */
int posts_front_hear(struct posts_front *p, const struct link_head *head, struct str body);
/* Once a second: who was here is told. */
void posts_front_tick(struct posts_front *p);
void posts_front_metrics(const struct posts_front *p, struct buf *out);

#endif
