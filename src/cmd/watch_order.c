#include "cmd/watch.h"

/* A match_sink: keeps it until it is its turn. */
static int keep_match(void *arg, const struct match *m)
{
	struct pipe *p = arg;
	struct gather *g = &p->waiting;
	uint64_t shed = g->shed;
	int code = gather_full(g) ? order_settle(p) : 0;
	if (!code)
		code = gather_add(g, m);
	if (!code && g->shed > shed) {
		g->shed = shed;
		code = pipe_match(p, m);
	}
	return code;
}

void order_begin(struct pipe *p)
{
	p->on_match = keep_match;
}

void order_end(struct pipe *p)
{
	if (!p->waiting.n)
		p->on_match = pipe_match;
}

int order_settle(struct pipe *p)
{
	return gather_tell(&p->waiting, pipe_match, p);
}

int order_reached(void *arg, int64_t time)
{
	struct pipe *p = arg;
	return p->waiting.n ? gather_tell_until(&p->waiting, time, pipe_match, p) : 0;
}

/* Matches that wait are not told yet: what is saved must not be ahead of them. */
int order_settled(void *arg, bool must)
{
	struct pipe *p = arg;
	int code = p->waiting.n && must ? order_settle(p) : 0;
	return code ? code : !p->waiting.n;
}
