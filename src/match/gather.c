#include "match/gather.h"

#include <errno.h>
#include <stdlib.h>

void gather_init(struct gather *g)
{
	*g = (struct gather){ .arena.max = GATHER_MAX_BYTES };
}

void gather_done(struct gather *g)
{
	free(g->at);
	arena_free(&g->arena);
	*g = (struct gather){ 0 };
}

int gather_add(void *gather, const struct match *m)
{
	struct gather *g = gather;
	if (g->n == g->cap && g->cap < GATHER_MAX_MATCHES) {
		size_t cap = g->cap ? g->cap * 2 : 1024;
		struct gathered *at = realloc(g->at, cap * sizeof(*at));
		if (!at)
			return -ENOMEM;
		g->at = at;
		g->cap = cap;
	}
	struct match *copy = g->n < g->cap ? match_copy(&g->arena, m) : NULL;
	if (copy) {
		g->at[g->n] = (struct gathered){ copy, g->n };
		g->n++;
	} else {
		g->shed++;
	}
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct gathered *x = a, *y = b;
	if (x->match->time != y->match->time)
		return x->match->time < y->match->time ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

bool gather_full(const struct gather *g)
{
	return g->n >= GATHER_MAX_MATCHES || g->arena.held > GATHER_MAX_BYTES / 2;
}

static void sort(struct gather *g)
{
	int64_t last = 0;
	for (size_t i = 0; i < g->n; i++) {
		if (!g->at[i].match->time)
			g->at[i].match->time = last;
		last = g->at[i].match->time;
	}
	if (g->n)
		qsort(g->at, g->n, sizeof(*g->at), by_time);
}

int gather_tell_until(struct gather *g, int64_t time, match_sink *sink, void *arg)
{
	struct arena kept = { .max = g->arena.max };
	size_t n = 0, i = 0;
	int r = 0;
	sort(g);
	for (; i < g->n && !r && g->at[i].match->time <= time; i++)
		r = sink(arg, g->at[i].match);
	for (; i < g->n && !r; i++) {
		struct match *m = match_copy(&kept, g->at[i].match);
		if (!m) {
			r = -ENOMEM;
			break;
		}
		g->at[n] = (struct gathered){ m, n };
		n++;
	}
	g->n = n;
	if (n) {
		arena_free(&g->arena);
		g->arena = kept;
	} else {
		arena_reset(&g->arena);
		arena_free(&kept);
	}
	return r;
}

int gather_tell(struct gather *g, match_sink *sink, void *arg)
{
	return gather_tell_until(g, INT64_MAX, sink, arg);
}
