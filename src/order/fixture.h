/* What the tests of order/ share: keys, an order that passes, and how it is sealed. */
#ifndef KHIEN_ORDER_FIXTURE_H
#define KHIEN_ORDER_FIXTURE_H

#include "order/book.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { FIXTURE_NOW_S = 1700000000 };

struct keys {
	unsigned char public[ORDER_KEY], secret[ORDER_SECRET];
};

static struct keys hub, approver, stranger;
static struct order_trust trust;

static inline int64_t fixture_now(void)
{
	return (int64_t)FIXTURE_NOW_S * CLOCK_S;
}

static inline void fixture_keys(void)
{
	struct keys *const all[] = { &hub, &approver, &stranger };
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_int_equal(order_key_new(all[i]->public, all[i]->secret), 0);
	trust = (struct order_trust){ .unit = STR("a clinic"), .post = STR("web1"), .n_hubs = 1, .n_approvers = 1 };
	memcpy(trust.hubs[0], hub.public, ORDER_KEY);
	memcpy(trust.approvers[0], approver.public, ORDER_KEY);
}

/* sequence: how many µs after now */
static inline struct order fixture_order(const char *id, const char *verb, uint64_t sequence)
{
	return (struct order){
		.id = str_from(id),
		.unit = STR("a clinic"),
		.post = STR("web1"),
		.verb = str_from(verb),
		.sequence = (uint64_t)fixture_now() + sequence,
		.issued = fixture_now(),
		.expires = fixture_now() + 900LL * CLOCK_S,
	};
}

/* bytes: of out, which the caller frees */
static inline struct order_sealed fixture_seal(const struct order *o, const struct keys *by,
                                               const struct keys *approved, struct buf *out)
{
	struct order_sealed s = { 0 };
	struct err err = { 0 };
	out->n = 0;
	if (order_encode(o, out, &err))
		fail_msg("%s", err.text);
	s.bytes = buf_str(out);
	assert_int_equal(order_sign(ORDER_BY_HUB, by->secret, s.bytes, s.signature), 0);
	if (approved) {
		s.approved = true;
		memcpy(s.approver, approved->public, ORDER_KEY);
		assert_int_equal(order_sign(ORDER_BY_APPROVER, approved->secret, s.bytes, s.approval), 0);
	}
	return s;
}

#endif
