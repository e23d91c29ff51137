/*
 * Between payment.c (a booking's payment, and what banks say), payment_tray.c (what a person decides) and payment_day.c (a day's
 * sums against the bank's statement).
 *
 * The ledger is `receipt`: rows are added and change their state, none is removed. A receipt's states:
 *
 *   counted     taken      by its reference       settled   by hand        cash
 *               over       as taken, and the payment has more than it needs       refunded  paid back whole: a `back` stands against it
 *               cancelled  as taken, and then the booking was cancelled           back      what was paid back, negative
 *   not         unmatched  no such reference      late      the time to pay was over, or the booking was
 *   counted     account    into another account than the clinic's, the notice says
 *               returned   one of these three, paid back    ignored   no money came in
 *
 * unmatched, account, late, over and cancelled lie in the tray. What a payment has (`paid`) is the sum of what is counted with its
 * reference; its state follows from that, and is never set by hand.
 */
#ifndef KHIEN_KIOSK_PAYMENT_INSIDE_H
#define KHIEN_KIOSK_PAYMENT_INSIDE_H

#include "kiosk/ops.h"
#include "kiosk/pay.h"

#define PAYMENT_IN_TRAY   "('unmatched', 'account', 'late', 'over', 'cancelled')"
#define PAYMENT_UNCOUNTED "('unmatched', 'account', 'late')" /* of these: what no booking has */

enum { PAYMENT_NOTE = 200 };

struct payment {
	char reference[REFERENCE_LENGTH + 1], ref[64], state[16];
	char booking[16]; /* the booking's state; "": it is gone */
	int64_t amount, paid, made, ends;
};

/* -ENOENT: there is none. */
int payment_of_reference(struct call *c, struct str reference, struct payment *ret, struct err *err);
int payment_of_ref(struct call *c, struct str ref, struct payment *ret, struct err *err);
/* paid and state anew, of the ledger. */
int payment_recount(struct call *c, struct payment *p, struct err *err);
static inline bool payment_is(const struct payment *p, const char *state)
{
	return !strcmp(p->state, state);
}

struct receipt {
	int64_t id, at, amount;
	struct str bank, bank_id, code, content, reference, state, note;
};
/* Gives it a number. */
int receipt_add(struct call *c, struct receipt *r, struct err *err);
int receipt_set(struct call *c, int64_t id, const char *state, struct str reference, struct str note, struct err *err);
/* Sealed with its content: "sepay:92704". Appended. */
void receipt_name(struct str bank, struct str bank_id, struct buf *out);

/* payment_tray.c, payment_day.c: see ops.h. */
int payment_tray(struct call *c, struct err *err);
int payment_settle_ready(struct call *c, struct err *err);
int payment_settle(struct call *c, struct err *err);
int payment_refund(struct call *c, struct err *err);
int payment_cash(struct call *c, struct err *err);
int payment_reconcile_ready(struct call *c, struct err *err);
int payment_reconcile(struct call *c, struct err *err);
int payment_takings(struct call *c, struct err *err);

#endif
