/* Time is handed in: whoever needs it gets a clock, so a test can be at any time and let a morning pass at once. */
#ifndef KHIEN_BASE_CLOCK_H
#define KHIEN_BASE_CLOCK_H

#include <stdint.h>

struct clock {
	int64_t (*wall)(const struct clock *c);      /* µs since 1970 UTC; may step either way */
	int64_t (*monotonic)(const struct clock *c); /* µs since some start; never goes back */
	int64_t wall_us, monotonic_us;               /* what a test clock shows */
};

/* The machine's own. */
extern const struct clock clock_system;

/* A clock that stands still until it is moved. */
void clock_test(struct clock *c, int64_t wall_us);
void clock_advance(struct clock *c, int64_t us);

static inline int64_t clock_wall(const struct clock *c)
{
	return c->wall(c);
}

static inline int64_t clock_monotonic(const struct clock *c)
{
	return c->monotonic(c);
}

enum { CLOCK_MS = 1000, CLOCK_S = 1000000 };

#endif
