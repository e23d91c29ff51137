/*
 * Posts and their orders, in state.db. Who is not in this list is nobody, whatever certificate it shows.
 *
 * What permits less wins over what permits more, also after damage, see state_mend(): a post that was revoked stays so, a
 * secret is spent before anything is given for it, and sequences of orders never go back.
 */
#ifndef KHIEN_STORE_POSTS_H
#define KHIEN_STORE_POSTS_H

#include "store/state.h"

/* --- posts --- */

enum { POST_NAME = 64, POST_SERIAL = 40, POST_WHO = 64, POST_WHY = 200, POSTS_MAX = 16384 };

struct post {
	char name[POST_NAME + 1], unit[POST_NAME + 1];
	char serial[POST_SERIAL + 1]; /* of the certificate that it was given last, hex */
	char before[POST_SERIAL + 1]; /* of the one before, as long as the last was not seen; else empty */
	int64_t until;                /* its certificate's end; all times µs */
	int64_t enrolled, renewed, seen;
	uint64_t sequence;      /* of its last order */
	int64_t revoked;        /* 0: it is not */
	char who[POST_WHO + 1]; /* who revoked it */
	char why[POST_WHY + 1];
};

/* By name. fn returns non-zero to stop, which is returned. */
int state_posts(struct state *s, int (*fn)(void *arg, const struct post *p), void *arg, struct err *err);
/* -ENOENT. */
int state_post_get(struct state *s, struct str name, struct post *ret, struct err *err);
/*
 * Its certificate was made: a new post, or one that is enrolled anew, which is revoked no more and whose old certificates
 * are good no more. made: when the token was that was spent for it. -E2BIG: there are POSTS_MAX; -EACCES: a post of this
 * name was revoked since.
 */
int state_post_enrolled(struct state *s, struct str name, struct str unit, struct str serial, int64_t until,
                        int64_t made, struct err *err);
/*
 * Its next certificate, asked for with the one of serial `by`, which is good until the next is seen: answers may be lost,
 * more than once. -ENOENT: there is none; -EACCES: it is revoked, or `by` is none of its two.
 */
int state_post_renewed(struct state *s, struct str name, struct str by, struct str serial, int64_t until,
                       struct err *err);
/* It was here, with this certificate: the last one makes an end of the one before. Unknown names are passed over. */
int state_post_seen(struct state *s, struct str name, struct str serial, int64_t when, struct err *err);
/* -ENOENT; -EALREADY: it is. On the disk in state.db and in what state_keep() writes when it returns. */
int state_post_revoke(struct state *s, struct str name, struct str who, struct str why, struct err *err);
/* A revoked one is removed, its orders too; tokens from before let nobody in by its name. -EBUSY: it is not revoked. */
int state_post_forget(struct state *s, struct str name, struct err *err);

/* --- enrolment --- */

enum { ENROLMENTS_MAX = 1024, ENROLMENT_SECRET = 43 };

/*
 * A secret that lets one post in, once, until it expires; kept as a hash. post empty: any name that is new. raw: 32
 * bytes, the caller wipes them. -E2BIG: ENROLMENTS_MAX are open.
 */
int state_enrolment_add(struct state *s, struct str post, struct str who, int64_t expires, unsigned char raw[32],
                        struct err *err);
/*
 * Spends the secret (ENROLMENT_SECRET letters of base64url) for this name: on the disk when it returns 0. -EACCES: it is
 * not known, spent or over, or for another name; it stays as it is. -EEXIST: there is such a post, and the secret is for
 * any new name; a secret for this name, made after it was revoked, lets it in again. *made: when it was made.
 */
int state_enrolment_spend(struct state *s, struct str secret, struct str name, int64_t *made, struct err *err);
/* Those that are spent or over, go. */
int state_enrolments_trim(struct state *s, struct err *err);

/* --- orders. States are enum order_state of order/book.h. --- */

enum { ORDERS_OPEN_MAX = 4096, ORDERS_KEPT = 65536, ORDERS_ENDED = 5 /* states from this on are an end */ };
enum { STATE_ORDER_ID = 16, STATE_ORDER_BYTES = 16384, STATE_ORDER_ARGS = 8192, STATE_ORDER_RESULT = 4096 };

struct order_row {
	uint64_t turn; /* the cursor of posts: grows from one that is signed to the next; 0: it is not */
	struct str id, post, verb;
	struct str args; /* a JSON array of texts */
	int state;
	uint64_t sequence;
	int64_t made, expires;
	struct str who, why, undoes;
	struct str bytes, signature, approver, approval; /* empty: not yet */
	struct str result;
};

/*
 * Written down: state `state`, who and why as the first change. turn, sequence, made, bytes and what follows are not
 * looked at. -ENOENT: no such post; -EACCES: it is revoked; -E2BIG: ORDERS_OPEN_MAX are open.
 */
int state_order_add(struct state *s, const struct order_row *o, struct err *err);
/* As they were signed, then as they were written down; state 0: all. fn returns non-zero to stop, which is returned. */
int state_orders(struct state *s, int state, int (*fn)(void *arg, const struct order_row *o), void *arg,
                 struct err *err);
/* -ENOENT; else what fn returned. */
int state_order_get(struct state *s, struct str id, int (*fn)(void *arg, const struct order_row *o), void *arg,
                    struct err *err);
/*
 * The next sequence of this post: after the last one, and not below `issued` (µs). -ENOENT. Durable with the transaction
 * that it is in.
 */
int state_order_sequence(struct state *s, struct str post, int64_t issued, uint64_t *ret, struct err *err);
/* Its canonical bytes and sequence, which stay. -EALREADY: it has some. */
int state_order_bytes(struct state *s, struct str id, uint64_t sequence, struct str bytes, struct err *err);
/* The hub's signature, which gives it its turn; an approver's key and signature. */
int state_order_signed(struct state *s, struct str id, struct str signature, struct err *err);
int state_order_approved(struct state *s, struct str id, struct str approver, struct str approval, struct err *err);
/* From one state into another, with who and why; result: kept with it. -ESTALE: it is not in `from`. */
int state_order_move(struct state *s, struct str id, int from, int to, struct str who, struct str why,
                     struct str result, struct err *err);

struct order_change {
	int state;
	int64_t time;
	struct str who, why;
};
/* What became of one, oldest first. */
int state_order_changes(struct state *s, struct str id, int (*fn)(void *arg, const struct order_change *c), void *arg,
                        struct err *err);
/* Beyond ORDERS_KEPT the oldest that have ended go. */
int state_orders_trim(struct state *s, struct err *err);

#endif
