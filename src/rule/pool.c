#include "rule/pool.h"

#include <stdlib.h>

static uint32_t hash_bytes(const char *p, size_t n)
{
	uint64_t h = n * 0x9e3779b97f4a7c15ull, w;
	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&w, p, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	w = 0;
	memcpy(&w, p, n);
	h = (h ^ w) * 0xc4ceb9fe1a85ec53ull;
	return (uint32_t)(h ^ h >> 29);
}

/* Room for n more records and the zero behind them. */
static bool room(struct pool *p, uint32_t n)
{
	uint64_t want = (uint64_t)p->n + n + 1, max = POOL_MAX_BYTES / p->size;
	if (want > p->cap && want <= max) {
		uint64_t cap = p->cap ? 2ull * p->cap : 256;
		while (cap < want)
			cap *= 2;
		char *q = realloc(p->p, cap * p->size);
		if (q) {
			p->p = q;
			p->cap = (uint32_t)cap;
		}
	}
	if (want <= p->cap)
		return true;
	*p->failed = true;
	return false;
}

static bool more_slots(struct pool *p)
{
	if (p->used * 2 < p->n_slots)
		return true;
	uint32_t n = p->n_slots ? p->n_slots * 2 : 256;
	struct pool_slot *slots = calloc(n, sizeof(*slots));
	if (!slots) {
		*p->failed = true;
		return false;
	}
	for (uint32_t i = 0; i < p->n_slots; i++) {
		const struct pool_slot *s = &p->slots[i];
		uint32_t k = s->hash & (n - 1);
		if (!s->n)
			continue;
		while (slots[k].n)
			k = (k + 1) & (n - 1);
		slots[k] = *s;
	}
	free(p->slots);
	p->slots = slots;
	p->n_slots = n;
	return true;
}

static struct span append(struct pool *p, const void *records, uint32_t n)
{
	struct span run = { p->n, n };
	memcpy(p->p + (size_t)p->n * p->size, records, (size_t)n * p->size);
	p->n += n;
	if (p->nul)
		memset(p->p + (size_t)p->n++ * p->size, 0, p->size);
	return run;
}

struct span pool_put(struct pool *p, const void *records, uint32_t n)
{
	if (n == 0 || !more_slots(p) || !room(p, n))
		return (struct span){ 0 };
	size_t bytes = (size_t)n * p->size;
	uint32_t hash = hash_bytes(records, bytes), k = hash & (p->n_slots - 1);
	for (; p->slots[k].n; k = (k + 1) & (p->n_slots - 1)) {
		const struct pool_slot *s = &p->slots[k];
		if (s->hash == hash && s->n == n && memcmp(p->p + (size_t)s->at * p->size, records, bytes) == 0)
			return (struct span){ s->at, n };
	}
	struct span run = append(p, records, n);
	p->slots[k] = (struct pool_slot){ hash, run.at, n };
	p->used++;
	return run;
}

uint32_t pool_put_one(struct pool *p, const void *record, bool *is_new)
{
	uint32_t before = p->n;
	struct span run = pool_put(p, record, 1);
	if (is_new)
		*is_new = p->n != before;
	return run.at;
}

uint32_t pool_append(struct pool *p, const void *record)
{
	return room(p, 1) ? append(p, record, 1).at : 0;
}

void pool_free(struct pool *p)
{
	free(p->p);
	free(p->slots);
	*p = (struct pool){ .size = p->size, .nul = p->nul, .failed = p->failed };
}
