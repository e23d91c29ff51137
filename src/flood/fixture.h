/* A flood for tests of single parts, with a clock that stands until it is moved. Not linked into anything else. */
#ifndef KHIEN_FLOOD_FIXTURE_H
#define KHIEN_FLOOD_FIXTURE_H

#include "flood/inside.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
	struct flood *f;
	struct flood_worker w;
	struct flood_time t;
	uint64_t entropy;
};

static inline struct fixture fixture_make(unsigned without)
{
	static const uint8_t seed[16] = "a seed for tests";
	struct flood_limits limits = { .cells = 1 << 12, .records = 64, .events = 64, .without = without };
	struct fixture x = { .t = { .now_us = 7000000000, .wall_s = 1795388400 }, .entropy = 0x123456789abcdef0 };
	void *mem = NULL;
	assert_int_equal(posix_memalign(&mem, 64, flood_size(&limits)), 0);
	memset(mem, 0, flood_size(&limits));
	assert_int_equal(flood_init(&x.f, mem, &limits, seed), 0);
	x.w = (struct flood_worker){ .f = x.f, .now = { .there = true, .bytes = { 7 } } };
	flood_worker_begins(&x.w);
	return x;
}

static inline struct flood_addr fixture_v4(uint32_t a)
{
	return (struct flood_addr){
		{ [10] = 0xff, 0xff, (uint8_t)(a >> 24), (uint8_t)(a >> 16), (uint8_t)(a >> 8), (uint8_t)a }
	};
}

/* A GET of a page by a browser. */
static inline struct flood_request fixture_get(struct fixture *x, uint32_t from, const char *pass)
{
	return (struct flood_request){ .from = fixture_v4(from),
		                       .browser = 1,
		                       .path = flood_path(x->f, STR("GET"), STR("/book")),
		                       .pass = str_from(pass),
		                       .safe = true,
		                       .page = true };
}

static inline enum flood_verdict fixture_ask(struct fixture *x, const struct flood_request *r, struct flood_answer *a)
{
	x->entropy = x->entropy * 6364136223846793005u + 1442695040888963407u;
	flood_ask(&x->w, r, x->t, x->entropy, a);
	return a->verdict;
}

static inline void fixture_done(struct fixture *x, const struct flood_answer *a, uint16_t status, uint32_t us)
{
	struct flood_outcome o = { .status = status, .reached = true, .failed = status >= 502, .upstream_us = us };
	flood_done(&x->w, &a->ticket, &o, x->t);
}

static inline void fixture_ticks(struct fixture *x, unsigned n, uint32_t lag_us)
{
	for (; n; n--) {
		x->t.now_us += 100000;
		x->t.wall_s += x->t.now_us % 1000000 == 0;
		flood_tick(&x->w, x->t, &(struct flood_load){ .lag_us = lag_us });
	}
}

/* n seconds of rest: a hundred answers each, of so many us. */
static inline void fixture_rest(struct fixture *x, unsigned seconds, uint32_t us)
{
	for (unsigned i = 0; i < seconds * 10; i++) {
		for (unsigned j = 0; j < 10; j++) {
			struct flood_request r = fixture_get(x, 0x0a000000 + (i * 10 + j) % 5000 * 256, NULL);
			struct flood_answer a;
			assert_int_equal(fixture_ask(x, &r, &a), FLOOD_PASS);
			fixture_done(x, &a, 200, us);
		}
		fixture_ticks(x, 1, 0);
	}
}

#endif
