/* What the two halves of posts in the keeper share. Inside of hub_posts.c and hub_orders.c. */
#ifndef KHIEN_CMD_HUB_POSTS_INSIDE_H
#define KHIEN_CMD_HUB_POSTS_INSIDE_H

#include "cmd/hub_posts.h"
#include "order/book.h"
#include "order/wire.h"
#include "pki/pki.h"

enum { WAITING_MAX = 256 };
_Static_assert((int)ORDERS_ENDED == (int)ORDER_DONE, "states from done on are an end");
_Static_assert((int)STATE_ORDER_ID == (int)ORDER_ID, "an order's id");
_Static_assert((int)ORDER_BYTES <= (int)STATE_ORDER_BYTES && (int)ORDER_RESULT <= (int)STATE_ORDER_RESULT,
               "an order fits");

struct question {
	uint64_t number;
	struct link_ask ask;
	struct buf body;
};

struct hub_posts {
	const struct clock *clock;
	const struct log *log;
	struct signer *signer;
	struct state *state;
	struct link *link;
	char unit[PKI_TITLE_MAX + 1];
	struct buf ca, approvers; /* PEM; JSON texts, "," between */
	char order_key[ORDER_KEY_TEXT];
	struct question waiting[WAITING_MAX];
	size_t n_waiting;
	struct buf posts, orders; /* as the front has them */
	bool said;
	int64_t expired_at, trimmed_at;
	bool dead;
};

/* hub_orders.c: what was written down becomes orders, and what is over ends; true: something did. */
void hub_orders_work(struct hub_posts *p);
bool hub_orders_expire(struct hub_posts *p);

#endif
