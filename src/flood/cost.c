/* What requests of one kind cost the site: the mean time the upstream takes for them when it has nothing else to do. See inside.h. */
#include "flood/inside.h"

#include <math.h>

#define COST_MIN      0.05f /* from a cache or a file */
#define COST_MAX      16.0f
#define NORMAL_MIN_US 20e3f /* nobody notices less */
#define SLOW_MAX      10.0f /* one answer counts for so much at most, however long it took */
enum { KNOWN = 8, STEADY = 64, SITE_KNOWN = 64 };

static float level_of(uint64_t level)
{
	uint32_t bits = (uint32_t)(level >> 32);
	float ret;
	memcpy(&ret, &bits, sizeof(ret));
	return ret;
}

static struct class *class_find(const struct flood *f, uint64_t path)
{
	const struct class *set = &f->classes[path % (CLASSES / CLASS_WAYS) * CLASS_WAYS];
	for (unsigned i = 0; i < CLASS_WAYS; i++) {
		if (GET(set[i].hash) == path)
			return (struct class *)&set[i];
	}
	return NULL;
}

float flood_cost(const struct flood *f, uint64_t path)
{
	const struct class *c = class_find(f, path);
	double site = get_double(&f->c.normal_us);
	uint64_t level = c ? GET(c->level) : 0;
	if (site <= 0 || (uint32_t)level < KNOWN)
		return 1;
	/* A mean request costs 1; what is hardly more than nothing still takes a connection and a place in line. */
	return fminf(fmaxf(level_of(level) / (float)site, COST_MIN), COST_MAX);
}

/* A place for a kind not seen before: the least used one of four goes, and only after as many newcomers as it has uses. */
static struct class *class_take(struct flood *f, uint64_t path)
{
	struct class *set = &f->classes[path % (CLASSES / CLASS_WAYS) * CLASS_WAYS], *least = set;
	for (unsigned i = 0; i < CLASS_WAYS; i++) {
		if ((uint32_t)GET(set[i].level) < (uint32_t)GET(least->level))
			least = &set[i];
	}
	uint64_t level = GET(least->level);
	if ((uint32_t)level > 0) {
		PUT(least->level, level - 1);
		return NULL;
	}
	PUT(least->hash, path);
	PUT(least->level, 0);
	return least;
}

/*
 * Learned from answers at rest, and under pressure from those that waited for nobody: a site that is slow under a flood doesn't become
 * "normally slow". A kind first seen under pressure is learned as that much shorter as others take longer.
 */
static void learn(struct flood *f, struct class *c, float us, bool calm, bool alone)
{
	uint64_t level = GET(c->level);
	uint32_t n = (uint32_t)level;
	float mean = level_of(level), slower = fmaxf(1, (float)get_double(&f->c.latency));
	if (n >= KNOWN && !calm && !alone)
		return;
	if (!calm && !alone)
		us /= slower;
	float steps = n < STEADY ? (float)n + 1 : fmaxf(STEADY, 600 * (float)get_double(&f->c.rate));
	mean += (us - mean) / steps;
	uint32_t bits;
	memcpy(&bits, &mean, sizeof(bits));
	PUT(c->level, (uint64_t)bits << 32 | (n < 1 << 20 ? n + 1 : n));
}

void flood_cost_learn(struct flood *f, struct slot *s, const struct flood_ticket *ticket, const struct flood_outcome *o)
{
	struct class *c = class_find(f, ticket->path);
	bool calm = get_double(&f->c.pressure) < 0.7;
	if (o->failed) /* says nothing of how long it takes */
		return;
	if (!c)
		c = class_take(f, ticket->path);
	float us = o->reached ? (float)o->upstream_us : 0;
	uint64_t level = c ? GET(c->level) : 0;
	bool known = (uint32_t)level >= KNOWN;
	if (o->reached) {
		float site = (float)get_double(&f->c.normal_us), bounded = (float)get_double(&f->c.bounded_us);
		float normal = known ? level_of(level) : site > 0 ? site : bounded;
		normal *= (float)(1024 + GET(f->c.hour_slow)) / 1024;
		normal = fmaxf(fminf(normal, bounded), NORMAL_MIN_US);
		uint64_t x = (uint64_t)(fminf(us / normal, SLOW_MAX) * 1024);
		ADD(*(known ? &s->known_n : &s->new_n), 1);
		ADD(*(known ? &s->known_x : &s->new_x), x);
		ADD(s->work_us, (uint64_t)normal);
		ADD(s->took_us, o->upstream_us);
	}
	if (GET(f->c.strict_us) == 0) { /* the site's own mix, not a flood's */
		ADD(s->normal_n, 1);
		ADD(s->normal_us, (uint64_t)us);
	}
	if (c)
		learn(f, c, us, calm, ticket->alone);
}
