/* The groups: found by hash, shed by quietness, judged by due time. */
#include "match/window_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_VALUE = 1024 }; /* bytes kept of a group-by value, for showing it; the whole value tells groups apart */

static void lru_remove(struct group *g)
{
	*(g->newer ? &g->newer->quieter : &g->of->newest) = g->quieter;
	*(g->quieter ? &g->quieter->newer : &g->of->quietest) = g->newer;
	g->newer = g->quieter = NULL;
}

static void lru_add(struct group *g)
{
	g->quieter = g->of->newest;
	*(g->quieter ? &g->quieter->newer : &g->of->quietest) = g;
	g->of->newest = g;
}

static struct group **bucket_of(struct windows *w, const uint64_t hash[2])
{
	return &w->buckets[hash[0] & (w->n_buckets - 1)];
}

static bool due_before(const struct group *a, const struct group *b)
{
	int64_t ta = group_due(a), tb = group_due(b);
	return ta != tb ? ta < tb : a->serial < b->serial;
}

static void due_put(struct windows *w, uint32_t i, struct group *g)
{
	w->due[i] = g;
	g->due_at = i;
}

static void due_sift(struct windows *w, uint32_t i)
{
	struct group *g = w->due[i];
	for (; i && due_before(g, w->due[(i - 1) / 2]); i = (i - 1) / 2)
		due_put(w, i, w->due[(i - 1) / 2]);
	for (uint32_t kid; (kid = 2 * i + 1) < w->n_due; i = kid) {
		if (kid + 1 < w->n_due && due_before(w->due[kid + 1], w->due[kid]))
			kid++;
		if (!due_before(w->due[kid], g))
			break;
		due_put(w, i, w->due[kid]);
	}
	due_put(w, i, g);
}

static void due_remove(struct windows *w, struct group *g)
{
	uint32_t i = g->due_at;
	if (i == NO_INDEX)
		return;
	g->due_at = NO_INDEX;
	struct group *last = w->due[--w->n_due];
	if (last == g)
		return;
	due_put(w, i, last);
	due_sift(w, i);
}

int table_set_due(struct windows *w, struct group *g)
{
	if (!g->n) {
		due_remove(w, g);
		return 0;
	}
	if (g->due_at == NO_INDEX) {
		if (w->n_due == w->cap_due) {
			uint32_t cap = w->cap_due ? w->cap_due * 2 : 64;
			struct group **due = realloc(w->due, cap * sizeof(*due));
			if (!due)
				return -ENOMEM;
			w->due = due;
			w->cap_due = cap;
		}
		due_put(w, w->n_due++, g);
	}
	due_sift(w, g->due_at);
	return 0;
}

void table_drop(struct windows *w, struct group *g)
{
	struct group **at = bucket_of(w, g->hash);
	while (*at != g)
		at = &(*at)->chain;
	*at = g->chain;
	lru_remove(g);
	due_remove(w, g);
	group_done(g, &w->mem, group_account(g));
	mem_put(&w->mem, group_account(g), g, g->size);
	w->counts.groups--;
}

void table_expire(struct windows *w, struct correlator *c, uint32_t most)
{
	while (most-- && c->quietest && !c->quietest->busy && group_is_past(w, c->quietest))
		table_drop(w, c->quietest);
}

static struct group *quietest(const struct correlator *c)
{
	struct group *g = c->quietest;
	while (g && g->busy) /* those were touched just now, so there are few */
		g = g->newer;
	return g;
}

/*
 * Who gives way when state is full? One flooded correlation must not push out what the others know, yet memory that
 * nobody else needs shouldn't lie idle. So each has an equal share; it may borrow beyond it; and who wants more while
 * above the share pays with the quietest of its own groups, who is below it takes from the one that holds most. No
 * correlation that keeps to its share ever loses a group.
 */
bool table_reclaim(void *arg)
{
	struct windows *w = arg;
	struct correlator *asking = &w->correlators[w->asking], *payer = asking;
	uint32_t n = w->rs->n_correlations;
	if (asking->bytes < w->mem.max / n || !quietest(asking)) {
		payer = NULL;
		for (uint32_t i = 0; i < n; i++) {
			struct correlator *c = &w->correlators[i];
			if (quietest(c) && (!payer || c->bytes > payer->bytes))
				payer = c;
		}
	}
	struct group *g = payer ? quietest(payer) : NULL;
	if (!g)
		return false;
	w->counts.shed_groups += !group_is_past(w, g);
	table_drop(w, g);
	return true;
}

/* s cut to MAX_VALUE bytes, not inside a character. */
static struct str shown(struct str s)
{
	if (s.n <= MAX_VALUE)
		return s;
	s.n = MAX_VALUE;
	while (s.n && ((unsigned char)s.p[s.n] & 0xc0) == 0x80)
		s.n--;
	return s;
}

static struct group *group_new(struct windows *w, struct correlator *c, const uint64_t hash[2],
                               const struct str *values)
{
	size_t inputs = tally_inputs_size(c->def), size = sizeof(struct group) + inputs;
	for (uint32_t i = 0; i < c->def->n_group; i++)
		size += sizeof(uint32_t) + shown(values[i]).n;
	struct group *g = mem_get(&w->mem, &c->bytes, size);
	if (!g)
		return NULL;
	*g = (struct group){
		.of = c,
		.hash = { hash[0], hash[1] },
		.serial = w->serial++,
		.due_at = NO_INDEX,
		.fired_at = TIME_NEVER,
		.size = size,
	};
	tally_init(&g->tally, c->def, (int64_t *)g->tail, c->same);
	g->text = (char *)g->tail + inputs;
	char *at = g->text;
	for (uint32_t i = 0; i < c->def->n_group; i++) {
		struct str s = shown(values[i]);
		uint32_t n = (uint32_t)s.n;
		memcpy(at, &n, sizeof(n));
		if (n)
			memcpy(at + sizeof(n), s.p, n);
		at += sizeof(n) + n;
	}
	return g;
}

struct group *table_group(struct windows *w, struct correlator *c, const uint64_t hash[2], const struct str *values)
{
	struct group *g = *bucket_of(w, hash);
	while (g && (g->hash[0] != hash[0] || g->hash[1] != hash[1] || g->of != c))
		g = g->chain;
	if (g) {
		if (g != c->newest) {
			lru_remove(g);
			lru_add(g);
		}
		return g;
	}
	w->asking = c->index;
	g = group_new(w, c, hash, values);
	if (!g)
		return NULL;
	struct group **bucket = bucket_of(w, hash);
	g->chain = *bucket;
	*bucket = g;
	lru_add(g);
	w->counts.groups++;
	return g;
}
