/* A match on its way into the groups that it belongs to. */
#include "match/window_state.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLOCK_WRONG = 64 }; /* so many late matches in a row, and it is the clock that is wrong */

/* What a match carries of a field: by id, or by name where the match is a correlation's. */
static bool carried(const struct match *m, uint32_t field, struct str name, struct str *ret)
{
	for (uint32_t i = 0; i < m->n_carried; i++) {
		const struct match_field *f = &m->carried[i];
		if (field == NO_INDEX ? str_eq(f->name, name) : f->field == field) {
			*ret = f->text;
			return true;
		}
	}
	return false;
}

/* The i-th of the fields that `ids` and `names` describe. */
static bool carried_nth(const struct windows *w, const struct match *m, struct span ids, struct span names, uint32_t i,
                        struct str *ret)
{
	if (i >= ids.n || i >= names.n)
		return false;
	return carried(m, w->rs->numbers[ids.at + i], ruleset_text(w->rs, w->rs->texts[names.at + i]), ret);
}

/* hash becomes the hash of itself and s. */
static void hash_more(const struct windows *w, uint64_t hash[2], struct str s)
{
	uint64_t both[4] = { hash[0], hash[1] };
	crypto_shorthash_siphashx24((unsigned char *)&both[2], (const unsigned char *)s.p, s.n, w->key);
	crypto_shorthash_siphashx24((unsigned char *)hash, (const unsigned char *)both, sizeof(both), w->key);
}

/* A decimal number; not what else strtod would take, and none so great that sums of them overflow. */
static bool read_number(struct str s, double *ret)
{
	char text[64], *end;
	s = str_trim(s);
	if (!s.n || s.n >= sizeof(text) || strspn(memcpy(text, s.p, s.n), "0123456789+-.eE") < s.n)
		return false;
	text[s.n] = 0;
	*ret = strtod(text, &end);
	return end == text + s.n && fabs(*ret) < 1e200;
}

/* What of the match counts in this correlation. */
static bool read_value(const struct windows *w, const struct correlation *d, const struct input *in, uint32_t input,
                       const struct match *m, struct moment *ret)
{
	struct str s;
	if (d->type != CORRELATE_VALUE_COUNT && d->type < CORRELATE_VALUE_SUM) {
		ret->input = input;
		return true;
	}
	if (d->type >= CORRELATE_VALUE_SUM)
		return carried_nth(w, m, in->value, d->value_names, 0, &s) && read_number(s, &ret->number);
	uint64_t hash[2] = { 0 };
	for (uint32_t i = 0; i < d->n_value; i++) {
		if (!carried_nth(w, m, in->value, d->value_names, i, &s))
			return false;
		hash_more(w, hash, s);
	}
	ret->hash = hash[0] | 1;
	return d->n_value > 0;
}

static struct place *place_new(struct windows *w, struct correlator *c, const struct match *m)
{
	size_t file = m->file ? strnlen(m->file, 4096) : 0, host = m->host.n < 256 ? m->host.n : 255;
	size_t size = sizeof(struct place) + file + host + 2;
	w->asking = c->index;
	struct place *p = mem_get(&w->mem, &c->bytes, size);
	if (!p)
		return NULL;
	*p = (struct place){ .line = m->line, .size = size, .file_len = (uint32_t)file, .host_len = (uint32_t)host };
	memcpy(p->id, m->id, sizeof(p->id));
	memset(p->text, 0, file + host + 2);
	if (file)
		memcpy(p->text, m->file, file);
	if (host)
		memcpy(p->text + file + 1, m->host.p, host);
	return p;
}

/* Puts the moment into the group; returns its index or -ENOMEM. */
static int64_t place_moment(struct windows *w, struct group *g, const struct match *m, struct moment *moment)
{
	struct correlator *c = g->of;
	if (c->when_over) {
		moment->place = place_new(w, c, m);
		if (!moment->place)
			return -ENOMEM;
	} else if (g->n) {
		/* What no window that may still be judged can reach. */
		uint32_t past = group_from(g, w->now - c->lag - c->timespan);
		if (past)
			group_drop(g, &w->mem, &c->bytes, past);
	}
	w->asking = c->index;
	int64_t at = group_insert(g, &w->mem, &c->bytes, moment, c->cap, &w->counts.shed_events);
	if (at >= 0 && c->when_over && table_set_due(w, g)) {
		return -ENOMEM;
	} else if (at < 0 && moment->place) {
		mem_put(&w->mem, &c->bytes, moment->place, moment->place->size);
	}
	return at;
}

static int feed_link(struct windows *w, const struct link *l, const struct match *m, int64_t time, match_sink *sink,
                     void *arg)
{
	struct correlator *c = &w->correlators[l->correlation];
	const struct correlation *d = c->def;
	const struct input *in = &w->rs->inputs[d->inputs.at + l->input];
	struct moment moment = { .time = time, .n = 1 };
	uint64_t hash[2] = { c->seed, 0 };
	for (uint32_t i = 0; i < d->n_group; i++) {
		if (!carried_nth(w, m, in->group, d->group_names, i, &c->values[i])) {
			w->counts.no_group++;
			return 0;
		}
		hash_more(w, hash, c->values[i]);
	}
	if (!d->n_group)
		hash_more(w, hash, STR(""));
	if (!read_value(w, d, in, l->input, m, &moment)) {
		w->counts.no_value++;
		return 0;
	}
	table_expire(w, c, 2);
	struct group *g = table_group(w, c, hash, c->values);
	if (!g) {
		w->counts.shed_events++;
		return 0;
	}
	g->busy = true;
	int64_t at = place_moment(w, g, m, &moment);
	if (at < 0) {
		w->counts.shed_groups++;
		table_drop(w, g);
		return 0;
	}
	if (!c->when_over)
		return judge_moment(w, g, (uint32_t)at, m, sink, arg);
	g->busy = false;
	return 0;
}

int windows_spread(struct windows *w, const struct match *m, int64_t time, int64_t after, match_sink *sink, void *arg)
{
	int r = 0;
	if (m->rule_index >= w->rs->n_rules)
		return -EINVAL;
	for (uint32_t i = w->links_at[m->rule_index]; !r && i < w->links_at[m->rule_index + 1]; i++) {
		if ((int64_t)w->links[i].correlation > after)
			r = feed_link(w, &w->links[i], m, time, sink, arg);
	}
	return r;
}

/* Whether a match of this time can be used. */
static bool in_time(struct windows *w, int64_t time)
{
	if (time >= w->now - w->lateness) {
		w->late = 0;
		return true;
	}
	/* One event from the far future must not make all that follow late for ever, nor a clock that was set back. */
	if (++w->late < CLOCK_WRONG) {
		w->counts.late++;
		return false;
	}
	w->late = 0;
	w->counts.clock_back++;
	w->now = time;
	return true;
}

int windows_feed(struct windows *w, const struct match *m, match_sink *sink, void *arg)
{
	int64_t time = m->time < -TIME_MAX ? -TIME_MAX : m->time > TIME_MAX ? TIME_MAX : m->time;
	if (!time)
		time = w->now == TIME_NEVER ? 0 : w->now;
	else if (!in_time(w, time))
		return 0;
	int r = judge_due(w, time, sink, arg);
	if (!r)
		r = windows_spread(w, m, time, -1, sink, arg);
	w->counts.bytes = w->mem.used;
	return r;
}

int windows_advance(struct windows *w, int64_t now, match_sink *sink, void *arg)
{
	if (now > TIME_MAX)
		now = TIME_MAX;
	int r = judge_due(w, now, sink, arg);
	for (uint32_t i = 0; i < w->rs->n_correlations; i++)
		table_expire(w, &w->correlators[i], UINT32_MAX);
	w->counts.bytes = w->mem.used;
	return r;
}

int64_t windows_now(const struct windows *w)
{
	return w->now == TIME_NEVER ? INT64_MIN : w->now;
}

int windows_flush(struct windows *w, match_sink *sink, void *arg)
{
	int64_t now = w->now;
	int r = judge_due(w, INT64_MAX, sink, arg);
	w->now = now;
	w->counts.bytes = w->mem.used;
	return r;
}

const struct window_counts *windows_counts(const struct windows *w)
{
	return &w->counts;
}
