#include "base/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * CLOCK_S + ts.tv_nsec / 1000;
}

static int64_t system_wall(const struct clock *c)
{
	return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic(const struct clock *c)
{
	return read_clock(CLOCK_MONOTONIC);
}

const struct clock clock_system = { .wall = system_wall, .monotonic = system_monotonic };

static int64_t test_wall(const struct clock *c)
{
	return c->wall_us;
}

static int64_t test_monotonic(const struct clock *c)
{
	return c->monotonic_us;
}

void clock_test(struct clock *c, int64_t wall_us)
{
	*c = (struct clock){ .wall = test_wall, .monotonic = test_monotonic, .wall_us = wall_us };
}

void clock_advance(struct clock *c, int64_t us)
{
	c->wall_us += us;
	c->monotonic_us += us;
}
