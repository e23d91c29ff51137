/* A booking's row, number, payment and answer: for "book" and for "walk-in". */
#ifndef KHIEN_KIOSK_BOOKING_H
#define KHIEN_KIOSK_BOOKING_H

#include "kiosk/ops.h"

struct booking_place {
	int64_t room;
	struct str day;
	int64_t start; /* -1: came without: is there ("arrived") at once; else a place that slot_take() took */
	int64_t fee;
};

/* BOOKED and the code, into c->out: for who has just made it. */
int booked_say_code(struct call *c, struct str ref, struct err *err);

/*
 * The booking that this form made already: 0 and its BOOKED and code in c->out; -ENOENT: none did. The call went through
 * person_ready().
 */
int booking_again(struct call *c, struct err *err);
/* The call went through person_ready(). Gives the number; c->out becomes BOOKED and the code. */
int booking_make(struct call *c, const struct booking_place *at, struct err *err);

#endif
