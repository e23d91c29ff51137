/* Enrolment: from a token of a person's to an identity, by one request to a hub. Blocks; for a person who waits. */
#ifndef KHIEN_POST_ENROL_H
#define KHIEN_POST_ENROL_H

#include "base/clock.h"
#include "post/identity.h"

struct enrolled {
	char hub[DIAL_HUB]; /* that answered */
	char unit[ORDER_NAME + 1];
	int64_t skew; /* µs that our clock is ahead of the hub's */
	size_t approvers;
};

/*
 * d: started before the token was read (dial.h); it is told here which hubs. token: "khien1....". The hub's CA has to be the one that the token names; the secret is sent to no other. What comes
 * of it is in dir (identity, approvers) when this returns 0. -EEXIST: it was enrolled before, and `again` is false.
 */
int post_enrol(struct dialer *d, const char *dir, struct str token, const char *name, bool again,
               const struct clock *clock, struct enrolled *ret, struct err *err);

#endif
