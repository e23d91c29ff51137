#include "store/idset.h"

#include <stdlib.h>

/*
 * Each hash has a place in each third of the prints and a print of its own, which is the xor of what stands at the three.
 * That can be filled in when the hashes are taken out one by one, always one that alone has some place: in the reverse
 * order that place is free to become whatever is wanted. With 1.23 places a hash it nearly always works out, else with
 * another seed.
 */
struct idset {
	uint64_t seed;
	uint32_t third; /* places in a third */
	uint16_t prints[];
};

enum { SPARE = 32 };

/* What is known of a place while hashes are taken out: how many have it, and the xor of them. */
struct shared {
	uint64_t mixed;
	uint32_t n;
};

struct taken {
	uint64_t mixed;
	uint32_t place; /* that it alone had */
};

struct work {
	struct shared *shared;
	struct taken *taken;
	uint32_t *alone; /* places that one has, to be looked at */
};

static inline uint64_t mix(uint64_t hash, uint64_t seed)
{
	if (!seed) /* a hash is mixed well enough */
		return hash;
	uint64_t h = hash ^ seed * 0x9e3779b97f4a7c15;
	h = (h ^ h >> 33) * 0xff51afd7ed558ccd;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53;
	return h ^ h >> 33;
}

static inline uint32_t place(uint64_t mixed, unsigned i, uint32_t third)
{
	const uint32_t part = (uint32_t)(mixed << 21 * i | mixed >> (64 - 21 * i) % 64);
	return i * third + (uint32_t)((uint64_t)part * third >> 32);
}

static inline uint16_t print(uint64_t mixed)
{
	return (uint16_t)(mixed * 0x9fb21c651e98df25 >> 48);
}

bool idset_has(const struct idset *s, uint64_t hash)
{
	const uint64_t m = mix(hash, s->seed);
	const uint16_t *p = s->prints;
	return print(m) == (p[place(m, 0, s->third)] ^ p[place(m, 1, s->third)] ^ p[place(m, 2, s->third)]);
}

void idset_free(struct idset *s)
{
	free(s);
}

static void take_from(struct work *w, uint32_t at, uint64_t mixed, size_t *n_alone)
{
	struct shared *s = &w->shared[at];
	s->mixed ^= mixed;
	if (--s->n == 1)
		w->alone[(*n_alone)++] = at;
}

/* Takes out what alone has a place, until nothing does; how many that were. */
static size_t take_out(struct work *w, uint32_t third)
{
	size_t n_alone = 0, n = 0;
	for (uint32_t i = 0; i < 3 * third; i++)
		if (w->shared[i].n == 1)
			w->alone[n_alone++] = i;
	while (n_alone) {
		const uint32_t at = w->alone[--n_alone];
		if (w->shared[at].n != 1)
			continue;
		const uint64_t m = w->shared[at].mixed;
		w->taken[n++] = (struct taken){ m, at };
		for (unsigned i = 0; i < 3; i++)
			take_from(w, place(m, i, third), m, &n_alone);
	}
	return n;
}

static bool fill(struct idset *s, struct work *w, const uint64_t *hashes, size_t n)
{
	for (uint32_t i = 0; i < 3 * s->third; i++)
		w->shared[i] = (struct shared){ 0 };
	for (size_t i = 0; i < n; i++) {
		const uint64_t m = mix(hashes[i], s->seed);
		for (unsigned k = 0; k < 3; k++) {
			struct shared *at = &w->shared[place(m, k, s->third)];
			at->mixed ^= m;
			at->n++;
		}
	}
	if (take_out(w, s->third) < n)
		return false;
	for (size_t i = n; i--;) {
		const uint64_t m = w->taken[i].mixed;
		uint16_t *p = s->prints, others = 0;
		for (unsigned k = 0; k < 3; k++) /* its own place holds 0 yet */
			others ^= p[place(m, k, s->third)];
		p[w->taken[i].place] = others ^ print(m);
	}
	return true;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static size_t drop_alike(uint64_t *hashes, size_t n)
{
	size_t to = 0;
	if (n)
		qsort(hashes, n, sizeof(*hashes), by_value);
	for (size_t i = 0; i < n; i++)
		if (!i || hashes[i] != hashes[i - 1])
			hashes[to++] = hashes[i];
	return to;
}

struct idset *idset_new(uint64_t *hashes, size_t n)
{
	const size_t third = (n * 123 / 100 + SPARE) / 3;
	struct idset *s = calloc(1, sizeof(*s) + 3 * third * sizeof(s->prints[0]));
	struct work w = {
		.shared = calloc(3 * third, sizeof(*w.shared)),
		.taken = calloc(n + 1, sizeof(*w.taken)),
		.alone = calloc(3 * third + 3 * n, sizeof(*w.alone)),
	};
	bool ready = s && w.shared && w.taken && w.alone;
	if (ready) {
		s->third = (uint32_t)third;
		while (!fill(s, &w, hashes, n)) { /* two that are alike never come apart */
			n = s->seed ? n : drop_alike(hashes, n);
			s->seed++;
		}
	}
	free(w.shared);
	free(w.taken);
	free(w.alone);
	if (ready)
		return s;
	free(s);
	return NULL;
}
