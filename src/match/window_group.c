#include "match/window_group.h"

#include <errno.h>
#include <string.h>

enum { FIRST_CAP = 4 };

uint32_t group_from(const struct group *g, int64_t time)
{
	uint32_t lo = 0, hi = g->n;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (group_at(g, mid)->time < time)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint32_t group_behind(const struct group *g, int64_t time)
{
	if (!g->n || group_at(g, g->n - 1)->time <= time)
		return g->n;
	return group_from(g, time + 1);
}

static void free_place(struct group *g, struct mem *mem, size_t *account, uint32_t i)
{
	struct place *place = group_at(g, i)->place;
	if (place)
		mem_put(mem, account, place, place->size);
}

/* Sums drift when what was added is subtracted again; build them anew once in a while, and when nothing is left. */
static void refresh_sum(struct group *g, struct mem *mem, size_t *account)
{
	struct tally *t = &g->tally;
	if (t->n && t->left < 4 * (g->hi - g->lo) + 64)
		return;
	if (t->left) {
		tally_clear(t);
		for (uint32_t i = g->lo; i < g->hi; i++)
			tally_add(t, mem, account, group_at(g, i)); /* of sums: can't fail */
	}
}

int group_slide(struct group *g, struct mem *mem, size_t *account, uint32_t lo, uint32_t hi)
{
	struct tally *t = &g->tally;
	/* Chains can be followed forwards only: from the start again where the tally is cut back. */
	bool again = g->lo == g->hi || hi < g->hi || lo < g->lo;
	uint32_t follow = again || lo > g->hi ? lo : g->hi;
	if (lo >= g->hi || hi <= g->lo) {
		while (g->lo < g->hi)
			tally_remove(t, group_at(g, g->lo++));
		g->lo = g->hi = lo;
	}
	for (; g->hi < hi; g->hi++) {
		if (tally_add(t, mem, account, group_at(g, g->hi)))
			return -ENOMEM;
	}
	for (; g->lo > lo; g->lo--) {
		if (tally_add(t, mem, account, group_at(g, g->lo - 1)))
			return -ENOMEM;
	}
	while (g->hi > hi)
		tally_remove(t, group_at(g, --g->hi));
	while (g->lo < lo)
		tally_remove(t, group_at(g, g->lo++));
	if (t->def->type == CORRELATE_TEMPORAL_ORDERED) {
		if (again)
			tally_restart(t);
		for (uint32_t i = follow; i < hi; i++)
			tally_follow(t, group_at(g, i));
	}
	if (t->left)
		refresh_sum(g, mem, account);
	return 0;
}

void group_drop(struct group *g, struct mem *mem, size_t *account, uint32_t k)
{
	if (g->lo < k) /* only takes away, so it can't fail */
		group_slide(g, mem, account, k, g->hi > k ? g->hi : k);
	for (uint32_t i = 0; i < k; i++)
		free_place(g, mem, account, i);
	g->head += k;
	g->n -= k;
	g->lo -= k;
	g->hi -= k;
	if (!g->n)
		g->head = 0;
}

/* May moment i (of the older half) give way, as j, the next one kept behind it, and the tally stand for it? */
static bool gives_way(const struct group *g, struct moment *i, struct moment *j)
{
	switch (g->tally.def->type) {
	case CORRELATE_EVENT_COUNT: return true;
	case CORRELATE_VALUE_SUM:
	case CORRELATE_VALUE_AVG: j->number += i->number; return true;
	case CORRELATE_TEMPORAL_ORDERED: return i->input == j->input;
	case CORRELATE_VALUE_COUNT:
	case CORRELATE_TEMPORAL: return tally_holds(&g->tally, i);
	}
	return false;
}

/*
 * A full group gives up detail where it matters least, in its older half: of two neighbours that are only counted or
 * summed the older joins the newer; of equal values the newest stays; of a run of one input the last stays. If that
 * isn't enough, the oldest go. With a `cap` of four times what the condition asks for, the newest window's verdict is
 * exact all the same (but for a sum's or percentile's part in what was folded): either what was left out is before
 * it, or what was kept is enough.
 */
static int thin(struct group *g, struct mem *mem, size_t *account, uint64_t *shed)
{
	bool by_value = g->tally.def->type == CORRELATE_VALUE_COUNT || g->tally.def->type == CORRELATE_TEMPORAL;
	bool pairs = !by_value && g->tally.def->type != CORRELATE_TEMPORAL_ORDERED;
	bool joined = false; /* of pairs, only one of two gives way */
	uint32_t kept = g->n;
	group_slide(g, mem, account, g->n, g->n);
	for (uint32_t i = g->n; i-- > 0;) {
		struct moment *m = group_at(g, i);
		struct moment *next = kept < g->n ? group_at(g, kept) : NULL;
		bool goes = next && i < g->n / 2 && !(pairs && joined) && m->n + next->n < INT32_MAX;
		goes = goes && gives_way(g, m, next);
		joined = goes;
		if (goes) {
			next->n += by_value ? 0 : m->n;
			next->fired |= m->fired;
			free_place(g, mem, account, i);
			continue;
		}
		if (by_value && tally_add(&g->tally, mem, account, m))
			return -ENOMEM;
		*group_at(g, --kept) = *m;
	}
	tally_clear(&g->tally);
	*shed += kept;
	g->head += kept;
	g->n -= kept;
	g->lo = g->hi = 0;
	uint32_t most = g->cap / 4 * 3;
	if (g->n > most) {
		*shed += g->n - most;
		group_drop(g, mem, account, g->n - most);
	}
	return 0;
}

/* Room for one more moment behind the newest. */
static int make_room(struct group *g, struct mem *mem, size_t *account, uint32_t cap, uint64_t *shed)
{
	if (g->head + g->n < g->cap)
		return 0;
	if (!g->cap || (g->n > g->cap / 2 && g->cap < cap)) {
		uint32_t n = g->cap ? g->cap * 2 : FIRST_CAP;
		struct moment *moments = mem_get(mem, account, n * sizeof(*moments));
		if (!moments)
			return -ENOMEM;
		if (g->n)
			memcpy(moments, group_at(g, 0), g->n * sizeof(*moments));
		mem_put(mem, account, g->moments, g->cap * sizeof(*moments));
		g->moments = moments;
		g->cap = n;
		g->head = 0;
		return 0;
	}
	if (g->n > g->cap / 4 * 3) {
		int r = thin(g, mem, account, shed);
		if (r)
			return r;
	}
	memmove(g->moments, group_at(g, 0), g->n * sizeof(*g->moments));
	g->head = 0;
	return 0;
}

int64_t group_insert(struct group *g, struct mem *mem, size_t *account, const struct moment *m, uint32_t cap,
                     uint64_t *shed)
{
	int r = make_room(g, mem, account, cap, shed);
	if (r)
		return r;
	uint32_t p = group_behind(g, m->time);
	if (g->tally.def->type == CORRELATE_TEMPORAL_ORDERED) {
		if (p < g->hi) /* only takes away, so it can't fail */
			group_slide(g, mem, account, g->lo < p ? g->lo : p, p);
	} else if (p < g->lo) {
		g->lo++;
		g->hi++;
	} else if (p < g->hi) {
		if (tally_add(&g->tally, mem, account, m))
			return -ENOMEM;
		g->hi++;
	}
	memmove(group_at(g, p + 1), group_at(g, p), (g->n - p) * sizeof(*m));
	*group_at(g, p) = *m;
	g->n++;
	return p;
}

void group_done(struct group *g, struct mem *mem, size_t *account)
{
	for (uint32_t i = 0; i < g->n; i++)
		free_place(g, mem, account, i);
	mem_put(mem, account, g->moments, g->cap * sizeof(*g->moments));
	tally_done(&g->tally, mem, account);
}
