/* After rules were loaded anew: what correlations remember moves on to those that are unchanged. */
#include "match/window_state.h"

#include <errno.h>
#include <stdlib.h>

/* The groups of `from` become those of `to`, which has none. */
static int move_groups(struct windows *w, struct correlator *to, struct correlator *from)
{
	int r = 0;
	to->newest = from->newest;
	to->quietest = from->quietest;
	to->bytes = from->bytes;
	to->seed = from->seed;
	from->newest = from->quietest = NULL;
	from->bytes = 0;
	for (struct group *g = to->quietest; g; g = g->newer) {
		struct group **bucket = &w->buckets[g->hash[0] & (w->n_buckets - 1)];
		g->of = to;
		g->tally.def = to->def;
		if (to->def->type == CORRELATE_TEMPORAL_ORDERED)
			g->tally.same = to->same;
		g->chain = *bucket;
		*bucket = g;
		g->due_at = NO_INDEX;
		w->counts.groups++;
		if (to->when_over && table_set_due(w, g))
			r = -ENOMEM;
	}
	return r;
}

int windows_keep(struct windows *w, struct windows *old, const uint32_t *from)
{
	uint32_t n_old = old->rs->n_correlations;
	bool *kept = calloc(n_old + 1u, sizeof(*kept));
	int r = 0;
	if (!kept)
		return -ENOMEM;
	for (uint32_t i = 0; i < w->rs->n_correlations; i++)
		if (from[i] != NO_INDEX)
			kept[from[i]] = true;
	for (uint32_t i = 0; i < n_old; i++)
		while (!kept[i] && old->correlators[i].quietest)
			table_drop(old, old->correlators[i].quietest);
	free(kept);
	w->counts = old->counts;
	w->counts.groups = 0;
	w->now = old->now;
	w->late = old->late;
	w->lateness = old->lateness;
	w->serial = old->serial;
	w->next_seed = old->next_seed;
	memcpy(w->key, old->key, sizeof(w->key));
	/* The blocks go along, so the count of them does. */
	w->mem = old->mem;
	w->mem.arg = w;
	old->mem = (struct mem){ .max = old->mem.max, .reclaim = table_reclaim, .arg = old };
	for (uint32_t i = 0; i < w->rs->n_correlations; i++) {
		if (from[i] == NO_INDEX)
			w->correlators[i].seed = w->next_seed++;
		else if (move_groups(w, &w->correlators[i], &old->correlators[from[i]]))
			r = -ENOMEM;
	}
	memset(old->buckets, 0, old->n_buckets * sizeof(struct group *));
	old->n_due = 0;
	old->counts.groups = 0;
	w->counts.bytes = w->mem.used;
	return r;
}
