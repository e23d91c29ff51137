/*
 * What the hospital's system is still to hear: a row for each change of a booking, which stays until it was acknowledged. What is
 * sent is the booking as it is when it is fetched, so that rows may be told in any order, and more than once.
 */
#ifndef KHIEN_KIOSK_OUTBOX_H
#define KHIEN_KIOSK_OUTBOX_H

#include "kiosk/ops.h"

enum {
	OUTBOX_AT_ONCE = 100,
	OUTBOX_WAIT_S = 10, /* after the first failure; doubled with each one, up to: */
	OUTBOX_WAIT_MAX_S = 3600,
	OUTBOX_WHY = 24, /* letters of the word that says why it failed */
};

/* µs until it is tried again, after so many failures: 10 s, 20 s, 40 s, ..., an hour. */
int64_t outbox_wait(int64_t tries);

/* The operations, see ops.h. */
int outbox_list(struct call *c, struct err *err);
int outbox_sent(struct call *c, struct err *err);
int outbox_ready_failed(struct call *c, struct err *err);
int outbox_failed(struct call *c, struct err *err);

#endif
