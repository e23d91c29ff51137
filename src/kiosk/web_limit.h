/*
 * So many tries a minute, or an hour, and address: a token bucket each, in a table of a fixed size. Where there is no place left the one
 * that would be full again soonest gives way, so who tries often stays known.
 */
#ifndef KHIEN_KIOSK_WEB_LIMIT_H
#define KHIEN_KIOSK_WEB_LIMIT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Behind one address there may be all patients of a hospital's wireless, or of a mobile network. A look-up needs code and phone: of a
 * phone that is known there are 32^10 = 1.1e15 codes, and at 60 a minute, 86,400 a day, one address finds one within 18 million
 * years on the average; ten thousand addresses, within 1,800. A password is chosen by people: that is what 10 are for.
 */
enum { LOOK_UPS_A_MINUTE = 60, SIGN_INS_A_MINUTE = 10 };

struct limit;

/* NULL: no memory. */
struct limit *limit_new(void);
void limit_free(struct limit *l);
struct limit_rate {
	unsigned n;   /* > 0 */
	int64_t each; /* in so many µs */
};

/* False: none is left now. `what` keeps kinds of tries apart: each has one rate. now: monotonic µs. */
bool limit_take(struct limit *l, const struct in6_addr *who, uint32_t what, struct limit_rate rate, int64_t now);

#endif
