/*
 * A post's book of orders: which it has acted on, and what came of it. A file of its own ("orders" in the post's
 * folder) that is on the disk before anything is done: an order is acted on once, whatever stops the post when.
 *
 *   book_take  0: it is noted down, act on it now; then book_done
 *              else it is refused, or known already: there is something to report, or nothing to do
 *   book_reports -> the hub took it -> book_reported
 *
 * One that was noted down, but not done when the post stopped, is reported as failed: it may be done in part, and is not
 * done again. A book that is lost or damaged begins anew at the clock's time, which refuses all orders issued before.
 */
#ifndef KHIEN_ORDER_BOOK_H
#define KHIEN_ORDER_BOOK_H

#include "order/order.h"

enum { BOOK_RESULTS = 64 }; /* kept for their report; the oldest go, what was reported first */

enum order_state {
	ORDER_ASKED = 1, /* hub: somebody wrote it down */
	ORDER_PENDING,   /* hub: an approver is waited for */
	ORDER_QUEUED,    /* hub: signed */
	ORDER_SENT,      /* hub: the post has fetched it. Post: it is being acted on */
	ORDER_DONE,
	ORDER_FAILED,
	ORDER_REFUSED,
	ORDER_EXPIRED,
	ORDER_UNDONE, /* hub: it was done, and another took it back */
	ORDER_STATES,
};
/* "done", ...; and back: -ENOENT. */
const char *order_state_name(enum order_state state);
int order_state_find(struct str name, enum order_state *ret);

struct book;

struct book_config {
	const char *dir; /* the post's own, 0700 */
	const struct clock *clock;
	const struct order_trust *trust; /* stays the caller's; it may change it between calls */
};
/* *anew (may be NULL): there was none that could be read; err says why, where it was damaged. */
int book_open(struct book **ret, const struct book_config *config, bool *anew, struct err *err);
void book_close(struct book *b);

struct book_order {
	struct order order; /* borrowed from the sealed one; as far as it could be read */
	enum order_verb verb;
	enum order_refusal refusal;
	char why[256]; /* of a refusal */
};
/*
 * 0: act on it. -EALREADY: its id is in the book: nothing is to be done, book_reports() has its result until it was
 * reported (of one that was, the report is made anew). -EACCES: refused, see ret; noted down for its report where the
 * hub did sign it, and it is this post's. Others: it could not be noted down, and must not be acted on; ask again later.
 */
int book_take(struct book *b, const struct order_sealed *s, struct book_order *ret, struct err *err);
/* state: ORDER_DONE or ORDER_FAILED; result is cut to ORDER_RESULT. -ENOENT: the book doesn't have it. */
int book_done(struct book *b, struct str id, enum order_state state, struct str result, struct err *err);

struct book_report {
	struct str id, result;
	enum order_state state; /* DONE, FAILED, REFUSED */
};
/* What the hub was not told yet, oldest first. fn returns non-zero to stop, which is returned; it may not change the book. */
int book_reports(const struct book *b, int (*fn)(void *arg, const struct book_report *r), void *arg);
/* Stays known for as long as there is room, so that it is not asked of it twice. */
int book_reported(struct book *b, struct str id, struct err *err);

#endif
