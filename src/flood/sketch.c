/* See sketch.h. */
#include "flood/sketch.h"

#include <math.h>
#include <string.h>

enum { UNIT = 10, AHEAD = 60000 }; /* time in 1,024 us; clocks of two processes are never so many of them apart */
#define LEVEL_MAX 1e9f

void sketch_find(const struct sketch *s, uint64_t hash, struct sketch_key *ret)
{
	uint32_t lines = s->columns / SKETCH_KINDS;
	for (unsigned r = 0; r < SKETCH_ROWS; r++) {
		uint64_t h = (hash + r) *
		             0x9e3779b97f4a7c15u; /* the finish of splitmix64: rows that know nothing of another */
		h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
		h = (h ^ h >> 27) * 0x94d049bb133111ebu;
		h ^= h >> 31;
		ret->line[r] = r * s->columns + ((uint32_t)h & (lines - 1)) * SKETCH_KINDS;
		ret->turn[r] = (uint8_t)(h >> 61);
		__builtin_prefetch(s->cells + ret->line[r], 1);
	}
}

static float faded(const struct sketch *s, uint64_t cell, uint32_t now)
{
	uint32_t bits = (uint32_t)(cell >> 32);
	if (bits == 0)
		return 0;
	float level;
	memcpy(&level, &bits, sizeof(level));
	int32_t age = (int32_t)(now - (uint32_t)cell);
	if (age <= 0)
		return age < -AHEAD ? 0 : level; /* so far ahead: it is half the clock's circle old */
	return level * expf(-(float)age * (1 << UNIT) * 1e-6f / s->tau_s);
}

static uint64_t *cell_of(const struct sketch *s, const struct sketch_key *k, unsigned kind, unsigned row)
{
	return s->cells + k->line[row] + ((k->turn[row] + kind) & (SKETCH_KINDS - 1));
}

float sketch_level(const struct sketch *s, const struct sketch_key *k, unsigned kind, int64_t now_us)
{
	float least = LEVEL_MAX;
	for (unsigned r = 0; r < SKETCH_ROWS && least > 0; r++)
		least = fminf(least, faded(s, __atomic_load_n(cell_of(s, k, kind, r), __ATOMIC_RELAXED),
		                           (uint32_t)(now_us >> UNIT)));
	return least;
}

float sketch_add(const struct sketch *s, const struct sketch_key *k, unsigned kind, int64_t now_us, float amount)
{
	uint32_t now = (uint32_t)(now_us >> UNIT);
	float level[SKETCH_ROWS], least = LEVEL_MAX;
	for (unsigned r = 0; r < SKETCH_ROWS; r++) {
		level[r] = faded(s, __atomic_load_n(cell_of(s, k, kind, r), __ATOMIC_RELAXED), now);
		least = fminf(least, level[r]);
	}
	float after = fminf(least + amount, LEVEL_MAX);
	uint32_t bits;
	memcpy(&bits, &after, sizeof(bits));
	for (unsigned r = 0; r < SKETCH_ROWS; r++) {
		if (level[r] < after) /* a cell that holds more belongs to another key, and says enough as it is */
			__atomic_store_n(cell_of(s, k, kind, r), (uint64_t)bits << 32 | now, __ATOMIC_RELAXED);
	}
	return after;
}
