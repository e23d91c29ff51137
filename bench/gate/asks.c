/* What a verdict costs: ns per flood_ask(), at rest and under a flood, for strangers from many addresses and for people with a pass. */
#include "flood/flood.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ASKS = 2000000, PASSES = 1024 };

static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

struct bench {
	struct flood *f;
	struct flood_worker w;
	struct flood_time t;
	uint64_t rng, path;
	char passes[PASSES][PASS_TEXT + 1];
	struct flood_addr places[PASSES];
};

static void run(struct bench *b, const char *name, bool known, bool page)
{
	struct timespec begin, end;
	uint64_t denied = 0;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	for (unsigned i = 0; i < ASKS; i++) {
		uint64_t x = next(&b->rng);
		struct flood_answer a;
		struct flood_request r = { .path = b->path,
			                   .safe = true,
			                   .page = page,
			                   .browser = 1,
			                   .hello = 7 + (x & 15),
			                   .from = { { [10] = 0xff,
			                               [11] = 0xff,
			                               [12] = (uint8_t)(x >> 8),
			                               (uint8_t)(x >> 16),
			                               (uint8_t)(x >> 24),
			                               (uint8_t)(x >> 32) } } };
		if (known) {
			r.from = b->places[x % PASSES];
			r.pass = (struct str){ b->passes[x % PASSES], PASS_TEXT };
		}
		b->t.now_us += 10;
		flood_ask(&b->w, &r, b->t, x, &a);
		denied += a.verdict >= FLOOD_DENY;
		struct flood_outcome o = { .status = 200 };
		flood_done(&b->w, &a.ticket, &o, b->t);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	double ns = (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
	printf("%-28s %6.0f ns, %5.1f %% turned away\n", name, ns / ASKS, 100.0 * (double)denied / ASKS);
}

static void make_passes(struct bench *b)
{
	for (unsigned i = 0; i < PASSES; i++) {
		b->places[i] = (struct flood_addr){
			{ [10] = 0xff, [11] = 0xff, [12] = 10, [13] = (uint8_t)(i >> 8), [14] = (uint8_t)i, 1 }
		};
		struct pass p = { .id = next(&b->rng),
			          .issued_s = b->t.wall_s,
			          .begins_s = b->t.wall_s,
			          .bound = pass_bound(&b->w.now, &b->places[i], 1) };
		pass_make(&b->w.now, &p, b->passes[i]);
	}
}

int main(void)
{
	static struct bench b;
	struct flood_limits limits = { 0 };
	uint8_t seed[16] = { 1 };
	void *mem = NULL;
	size_t size = flood_size(&limits);
	if (posix_memalign(&mem, 64, size))
		return 1;
	memset(mem, 0, size);
	if (flood_init(&b.f, mem, &limits, seed))
		return 1;
	b.w = (struct flood_worker){ .f = b.f, .now = { .there = true, .bytes = { 1 } } };
	b.t = (struct flood_time){ .now_us = 1000000000, .wall_s = 1795388400 };
	b.path = flood_path(b.f, STR("GET"), STR("/book/3"));
	make_passes(&b);
	printf("%.1f MB\n", (double)size / (1 << 20));
	run(&b, "at rest, strangers", false, false);
	run(&b, "at rest, strangers' pages", false, true);
	run(&b, "at rest, people", true, true);
	for (unsigned i = 0; i < 50; i++) { /* a gate that is late itself: pressure enough */
		b.t.now_us += 100000;
		flood_tick(&b.w, b.t, &(struct flood_load){ .lag_us = 500000 });
	}
	run(&b, "flood, strangers", false, false);
	run(&b, "flood, strangers' pages", false, true);
	run(&b, "flood, people", true, true);
	free(mem);
	return 0;
}
