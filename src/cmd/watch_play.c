#include "cmd/watch.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Recordings were made side by side, so they are told side by side: what matched is gathered from all of them and
 * then goes on in the order of event time, as the correlations need it.
 */
enum { MAX_MATCHES = 1 << 18, MAX_BYTES = 128 << 20 };

struct gathered {
	struct match *match;
	size_t order; /* in which it was read */
};

struct gather {
	struct pipe *pipe;
	struct arena arena;
	struct gathered *at;
	size_t n, cap;
};

static int gather(void *arg, const struct match *m)
{
	struct gather *g = arg;
	if (g->n == g->cap && g->cap < MAX_MATCHES) {
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
		g->pipe->shed++;
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

static int tell(struct gather *g, struct err *err)
{
	struct pipe *p = g->pipe;
	int64_t last = 0;
	for (size_t i = 0; i < g->n; i++) { /* without a time: when what was read before it happened */
		if (!g->at[i].match->time)
			g->at[i].match->time = last;
		last = g->at[i].match->time;
	}
	if (g->n)
		qsort(g->at, g->n, sizeof(*g->at), by_time);
	for (size_t i = 0; i < g->n; i++) {
		int code = pipe_match(p, g->at[i].match);
		if (code)
			return err_set(err, code, "write alerts: %m");
	}
	int code = pipe_flush(p);
	return code ? err_set(err, code, "write alerts: %m") : 0;
}

int play(struct pipe *p, const struct recording *r, size_t n, const struct clock *clock, struct err *err)
{
	struct gather g = { .pipe = p, .arena = { .max = MAX_BYTES } };
	int code = 0;
	p->on_match = gather;
	p->match_arg = &g;
	p->recording = true;
	for (size_t i = 0; i < n && !code; i++) {
		struct origin o = { .pipe = p, .name = r[i].name };
		struct framer_config config = {
			.origin = r[i].name, .now = clock_wall(clock), .sink = pipe_batch, .skip = pipe_skip, .arg = &o
		};
		struct intake_counts counts;
		show_note(p->show, LOG_LEVEL_INFO, WORD_PLAYING, "playing", r[i].name, NULL);
		struct err trouble = { 0 };
		/* one that can't be read takes nothing from the others */
		code = intake_read_fd(r[i].fd, config, &counts, NULL, &trouble);
		if (code == -ECANCELED)
			break;
		if (code)
			show_note(p->show, LOG_LEVEL_ERROR, WORD_NOT_WATCHED, "not-played", r[i].name, trouble.text);
		code = 0;
	}
	p->on_match = pipe_match;
	p->match_arg = p;
	code = code == -ECANCELED ? 0 : tell(&g, err);
	show_played(p->show, p->events);
	p->recording = false;
	p->events = 0;
	free(g.at);
	arena_free(&g.arena);
	return code ? code : pipe_restart(p, err);
}
