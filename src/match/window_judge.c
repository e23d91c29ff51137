/* Does a group's window hold, and what is said when it does. */
#include "event/who.h"
#include "match/window_state.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A window that held. */
struct verdict {
	bool fires;
	uint32_t last; /* index of its last moment */
	int64_t first_time, time;
	uint64_t n;
	double result;
};

static bool has_value(const struct correlator *c)
{
	return c->def->type == CORRELATE_VALUE_COUNT || c->def->type >= CORRELATE_VALUE_SUM;
}

static bool holds(const struct correlator *c, double x)
{
	const struct correlation *d = c->def;
	return x > d->gt && x >= d->gte && x < d->lt && x <= d->lte && (isnan(d->eq) || x == d->eq) &&
	       (isnan(d->neq) || x != d->neq) && x >= c->least;
}

/* Looks at the window that ends with moment `last`. */
static int look(struct windows *w, struct group *g, uint32_t lo, uint32_t last, struct verdict *ret)
{
	w->asking = g->of->index;
	int r = group_slide(g, &w->mem, group_account(g), lo, last + 1);
	if (r)
		return r;
	int64_t time = group_at(g, last)->time;
	double result = tally_result(&g->tally, group_at(g, lo)->time);
	*ret = (struct verdict){
		.fires = holds(g->of, result),
		.last = last,
		.first_time = group_at(g, lo)->time,
		.time = time,
		.n = g->tally.n,
		.result = result,
	};
	return 0;
}

static int look_back(struct windows *w, struct group *g, uint32_t last, struct verdict *ret)
{
	return look(w, g, group_from(g, group_at(g, last)->time - g->of->timespan), last, ret);
}

/* Did no window fire that ended less than a timespan from this time? */
static bool is_news(const struct group *g, int64_t time)
{
	int64_t away = g->of->timespan;
	if (time > g->fired_at - away && time < g->fired_at + away)
		return false;
	uint32_t i = group_behind(g, time - away);
	for (; i < g->n && group_at(g, i)->time < time + away; i++) {
		if (group_at(g, i)->fired)
			return false;
	}
	return true;
}

/*
 * A late moment stands in windows that were judged without it: those that end with it or with a later one up to a
 * timespan away. The first that holds now fires, unless one fired so near that people know already.
 */
static int judge_late(struct windows *w, struct group *g, uint32_t at, struct verdict *ret)
{
	int64_t until = group_at(g, at)->time + g->of->timespan;
	struct verdict v = { 0 };
	int r = 0;
	/* What only grows with more moments can't hold in a window if it doesn't in all of them together. */
	if (g->of->def->type <= CORRELATE_TEMPORAL)
		r = look(w, g, group_from(g, group_at(g, at)->time - g->of->timespan), group_behind(g, until) - 1, &v);
	if (g->of->def->type <= CORRELATE_TEMPORAL && !v.fires)
		at = g->n;
	for (uint32_t i = at; !r && i < g->n && group_at(g, i)->time <= until; i++) {
		i = group_behind(g, group_at(g, i)->time) - 1;
		if (!is_news(g, group_at(g, i)->time)) {
			/* Nor is any other before the latest that fired is a timespan ago. */
			uint32_t next = group_from(g, g->fired_at + g->of->timespan);
			if (group_at(g, i)->time > g->fired_at - g->of->timespan && next > i)
				i = next - 1;
			continue;
		}
		r = look_back(w, g, i, &v);
		if (v.fires) {
			*ret = v;
			break;
		}
	}
	/* Back to the newest window, where the next moment in time will want the tally. */
	if (!r)
		r = look_back(w, g, g->n - 1, &v);
	g->was_true = v.fires;
	return r;
}

static void describe(struct correlator *c, const struct group *g, double result)
{
	const char *at = g->text;
	for (uint32_t i = 0; i < c->def->n_group; i++) {
		uint32_t n;
		memcpy(&n, at, sizeof(n));
		c->fields[i].text = (struct str){ at + sizeof(n), n };
		at += sizeof(n) + n;
	}
	if (!has_value(c))
		return;
	/* The shortest text that is this number. */
	char *text = c->result_text;
	int n = snprintf(text, sizeof(c->result_text), "%.15g", result);
	if (strtod(text, NULL) != result)
		n = snprintf(text, sizeof(c->result_text), "%.17g", result);
	c->fields[c->def->n_group].text = (struct str){ text, (size_t)n };
	c->fields[c->def->n_group + 1].text = (struct str){ text, (size_t)n };
}

/* Who it is about: only what all its events have in common, that is what it groups by. */
static struct str grouped_by(const struct correlator *c, enum who what)
{
	const struct match_field *best = NULL;
	int least = INT_MAX;
	for (uint32_t i = 0; i < c->def->n_group; i++) {
		int rank = who_rank(what, c->fields[i].name);
		if (rank >= 0 && rank < least && who_told(c->fields[i].text)) {
			best = &c->fields[i];
			least = rank;
		}
	}
	return best ? best->text : (struct str){ 0 };
}

/* Beside its own n fields a correlation carries those of its last match, for others that group by them. */
static uint32_t carry(struct correlator *c, uint32_t n, const struct match *m)
{
	if (n + m->n_carried > c->cap_fields) {
		struct match_field *fields = realloc(c->fields, (n + m->n_carried) * sizeof(*fields));
		if (!fields)
			return n;
		c->fields = fields;
		c->cap_fields = n + m->n_carried;
	}
	for (uint32_t i = 0; i < m->n_carried; i++) {
		c->fields[n + i] = m->carried[i];
		c->fields[n + i].field = NO_INDEX;
	}
	return n + m->n_carried;
}

/*
 * The match of the correlation, to the sink and to the correlations that refer to it. It stands where its last event
 * does, or the late one that completed it. m is NULL where the window was judged when it was over.
 */
static int emit(struct windows *w, struct group *g, const struct verdict *v, const struct match *m, match_sink *sink,
                void *arg)
{
	struct correlator *c = g->of;
	const struct place *place = group_at(g, v->last)->place;
	const struct correlation *d = c->def;
	bool feeds = w->rs->rules[d->rule].feeds; /* one above may ask for the result by the name of its field */
	uint32_t n = d->n_group + (has_value(c) ? 1 + (feeds && d->n_value == 1) : 0);
	describe(c, g, v->result);
	if (m)
		n = carry(c, n, m);
	struct match out = {
		.rule = &w->rs->rules[d->rule],
		.rule_index = d->rule,
		.time = v->time,
		.first_time = v->first_time,
		.count = v->n < UINT32_MAX ? (uint32_t)v->n : UINT32_MAX,
		.fields = c->fields,
		.n_fields = d->n_group + has_value(c),
		.carried = c->fields,
		.n_carried = n,
		.user = grouped_by(c, WHO_USER),
		.address = grouped_by(c, WHO_ADDRESS),
	};
	if (m) {
		out.file = m->file;
		out.line = m->line;
		out.host = m->host;
		out.known = m->known;
		memcpy(out.id, m->id, sizeof(out.id));
	} else if (place) {
		out.file = place->text;
		out.line = place->line;
		memcpy(out.id, place->id, sizeof(out.id));
		out.host = (struct str){ place->text + place->file_len + 1, place->host_len };
	}
	int r = sink(arg, &out);
	return r ? r : windows_spread(w, &out, out.time, c->index, sink, arg);
}

/* The group's memory can't grow though others gave theirs: it goes too, and is counted. */
static void give_up(struct windows *w, struct group *g)
{
	w->counts.shed_groups++;
	table_drop(w, g);
}

int judge_moment(struct windows *w, struct group *g, uint32_t at, const struct match *m, match_sink *sink, void *arg)
{
	struct verdict v = { 0 };
	g->busy = true;
	if (at == g->n - 1) {
		if (look_back(w, g, at, &v)) {
			give_up(w, g);
			return 0;
		}
		bool held = g->was_true;
		g->was_true = v.fires;
		v.fires = v.fires && (!held || v.time - g->fired_at >= g->of->timespan);
	} else if (judge_late(w, g, at, &v)) {
		give_up(w, g);
		return 0;
	}
	int r = 0;
	if (v.fires) {
		group_at(g, v.last)->fired = 1;
		if (v.time > g->fired_at)
			g->fired_at = v.time;
		r = emit(w, g, &v, m, sink, arg);
	}
	g->busy = false;
	return r;
}

/* The oldest window of a group is over: judges it and forgets it. */
static int judge_over(struct windows *w, struct group *g, match_sink *sink, void *arg)
{
	uint32_t n = group_behind(g, group_at(g, 0)->time + g->of->timespan);
	struct verdict v = { 0 };
	g->busy = true;
	if (look(w, g, 0, n - 1, &v)) {
		give_up(w, g);
		return 0;
	}
	int r = 0;
	if (v.fires)
		r = emit(w, g, &v, NULL, sink, arg);
	g->busy = false;
	group_drop(g, &w->mem, group_account(g), n);
	if (g->n)
		table_set_due(w, g); /* has its place already, so it can't fail */
	else
		table_drop(w, g);
	return r;
}

int judge_due(struct windows *w, int64_t now, match_sink *sink, void *arg)
{
	int r = 0;
	/* The clock moves on only then: what chained correlations hold must not be past before they hear of it. */
	while (!r && w->n_due && group_due(w->due[0]) < now)
		r = judge_over(w, w->due[0], sink, arg);
	if (!r && now > w->now)
		w->now = now;
	return r;
}
