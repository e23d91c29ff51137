/*
 * Levels of any number of keys in fixed memory: a count-min sketch (Cormode, Muthukrishnan 2005) with conservative update (Estan,
 * Varghese 2002) whose counts fade: after tau seconds of rest 37 % is left. A key asked for at a steady rate r stands at r * tau.
 *
 * A level read is never less than the true one but for what follows; it is more by what other keys left in all four of its cells at
 * once. The sum of what is added bounds how much that can be, so what anybody can add freely belongs into a sketch of its own.
 *
 * Cells are 8 bytes, level and time together, read and written whole, relaxed: two processes that add to one cell at the same moment
 * may lose one of both counts, and nothing else; a process that dies leaves no cell half written.
 *
 * All kinds of one key lie in one cache line of each row: asking for several costs hardly more than asking for one.
 */
#ifndef KHIEN_FLOOD_SKETCH_H
#define KHIEN_FLOOD_SKETCH_H

#include <stdint.h>

enum { SKETCH_ROWS = 4, SKETCH_KINDS = 8 };

/* A view; cells lie in the caller's memory: SKETCH_ROWS * columns, zeroed, aligned to 64. columns: a power of two, 8 at least. */
struct sketch {
	uint64_t *cells;
	uint32_t columns;
	float tau_s;
};

struct sketch_key {
	uint32_t line[SKETCH_ROWS]; /* the first cell of its line */
	uint8_t turn[SKETCH_ROWS];  /* where in it kind 0 lies */
};

/* hash: keyed, so that nobody can choose what falls together. Fetches what is read next. */
void sketch_find(const struct sketch *s, uint64_t hash, struct sketch_key *ret);
float sketch_level(const struct sketch *s, const struct sketch_key *k, unsigned kind, int64_t now_us);
/* The level after. */
float sketch_add(const struct sketch *s, const struct sketch_key *k, unsigned kind, int64_t now_us, float amount);

#endif
