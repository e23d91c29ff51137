#include "match/window.h"

#include "match/window_state.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	MIN_CAP = 1024,
	MAX_CAP = 1 << 16,
	MAX_DEPTH = 64, /* of chained correlations */
};

static const int64_t DEFAULT_LATENESS = 300 * (int64_t)1000000;
static const size_t DEFAULT_BYTES = 64u << 20, MIN_BYTES = 64u << 10;

static int64_t bounded(int64_t t, int64_t lo, int64_t hi)
{
	return t < lo ? lo : t > hi ? hi : t;
}

/* How many moments a group may hold: see thin(). */
static uint32_t cap_of(const struct correlation *d, size_t max_bytes)
{
	const double bounds[] = { d->gt, d->gte, d->lt, d->lte, d->eq, d->neq };
	bool counts = d->type == CORRELATE_EVENT_COUNT || d->type == CORRELATE_VALUE_COUNT;
	uint32_t cap = MIN_CAP;
	for (size_t i = 0; counts && i < ARRAY_LEN(bounds); i++) {
		while (isfinite(bounds[i]) && cap < MAX_CAP && cap < 4 * (bounds[i] + 1))
			cap *= 2;
	}
	if (d->type >= CORRELATE_VALUE_SUM)
		cap *= 4;
	while (cap > 16 && cap * sizeof(struct moment) > max_bytes / 16)
		cap /= 2;
	return cap;
}

static bool unbounded(const struct correlation *d)
{
	return !isfinite(d->gt) && !isfinite(d->gte) && !isfinite(d->lt) && !isfinite(d->lte) && isnan(d->eq) &&
	       isnan(d->neq);
}

static void name_result(struct correlator *c, const struct ruleset *rs)
{
	static const char *const verb[] = {
		[CORRELATE_VALUE_COUNT] = "count",
		[CORRELATE_VALUE_SUM] = "sum",
		[CORRELATE_VALUE_AVG] = "avg",
		[CORRELATE_VALUE_PERCENTILE] = "percentile",
	};
	const struct correlation *d = c->def;
	if (d->type >= ARRAY_LEN(verb) || !verb[d->type])
		return;
	size_t n = (size_t)snprintf(c->result_name, sizeof(c->result_name), "%s(", verb[d->type]);
	for (uint32_t i = 0; i < d->value_names.n && n < sizeof(c->result_name); i++) {
		struct str name = ruleset_text(rs, rs->texts[d->value_names.at + i]);
		n += (size_t)snprintf(c->result_name + n, sizeof(c->result_name) - n, "%s" STR_FMT, i ? "," : "",
		                      STR_ARG(name));
		c->fields[d->n_group + 1].name = name;
	}
	if (n < sizeof(c->result_name))
		snprintf(c->result_name + n, sizeof(c->result_name) - n, ")");
	c->fields[d->n_group].name = str_from(c->result_name);
	c->fields[d->n_group].type = c->fields[d->n_group + 1].type = VALUE_NUMBER;
}

static int correlator_init(struct windows *w, uint32_t index, uint32_t *depth)
{
	const struct ruleset *rs = w->rs;
	const struct correlation *d = &rs->correlations[index];
	struct correlator *c = &w->correlators[index];
	*c = (struct correlator){
		.def = d,
		.index = index,
		.seed = w->next_seed++,
		.timespan = bounded(d->timespan, 0, TIME_MAX / 2),
		.lag = w->lateness,
		.when_over = isfinite(d->lt) || isfinite(d->lte) || !isnan(d->eq) || !isnan(d->neq),
		.least = -INFINITY,
		.cap = cap_of(d, w->mem.max),
		.same = calloc(d->inputs.n + 1, sizeof(*c->same)),
		.fields = calloc(d->n_group + 2, sizeof(*c->fields)),
		.cap_fields = d->n_group + 2,
		.values = calloc(d->n_group + 1, sizeof(*c->values)),
	};
	if (!c->same || !c->fields || !c->values)
		return -ENOMEM;
	if ((d->type == CORRELATE_TEMPORAL || d->type == CORRELATE_TEMPORAL_ORDERED) && unbounded(d))
		c->least = d->inputs.n;
	for (uint32_t i = 0; i < d->n_group + 2; i++) {
		c->fields[i].field = NO_INDEX;
		if (i < d->group_names.n)
			c->fields[i].name = ruleset_text(rs, rs->texts[d->group_names.at + i]);
	}
	name_result(c, rs);
	for (uint32_t i = 0; i < d->inputs.n; i++) {
		const struct input *in = &rs->inputs[d->inputs.at + i];
		c->same[i] = NO_INDEX;
		for (uint32_t k = 0; k < i; k++)
			c->same[i] = rs->inputs[d->inputs.at + k].rule == in->rule ? k : c->same[i];
		uint32_t from = rs->rules[in->rule].correlation;
		if (from >= index) /* NO_INDEX too */
			continue;
		const struct correlator *f = &w->correlators[from];
		int64_t lag = f->lag + (f->when_over ? f->timespan : 0);
		c->lag = bounded(lag, c->lag, TIME_MAX);
		if (depth[from] + 1 > depth[index])
			depth[index] = depth[from] + 1;
	}
	return depth[index] < MAX_DEPTH ? 0 : -ELOOP;
}

/* Does the rule come again further on among the inputs? Its matches are the last one's: see struct tally. */
static bool comes_again(const struct ruleset *rs, struct span inputs, uint32_t i)
{
	for (uint32_t k = i + 1; k < inputs.n; k++) {
		if (rs->inputs[inputs.at + k].rule == rs->inputs[inputs.at + i].rule)
			return true;
	}
	return false;
}

static int link_rules(struct windows *w)
{
	const struct ruleset *rs = w->rs;
	size_t n = 1;
	for (uint32_t c = 0; c < rs->n_correlations; c++)
		n += rs->correlations[c].inputs.n;
	w->links_at = calloc((size_t)rs->n_rules + 2, sizeof(*w->links_at));
	w->links = calloc(n, sizeof(*w->links));
	if (!w->links_at || !w->links)
		return -ENOMEM;
	/* Counting sort; counted one place too far, so that filling moves the starts where they belong. */
	for (uint32_t c = 0; c < rs->n_correlations; c++) {
		struct span inputs = rs->correlations[c].inputs;
		for (uint32_t i = 0; i < inputs.n; i++)
			w->links_at[rs->inputs[inputs.at + i].rule + 2] += !comes_again(rs, inputs, i);
	}
	for (uint32_t i = 1; i < rs->n_rules + 2; i++)
		w->links_at[i] += w->links_at[i - 1];
	for (uint32_t c = 0; c < rs->n_correlations; c++) {
		struct span inputs = rs->correlations[c].inputs;
		for (uint32_t i = 0; i < inputs.n; i++) {
			uint32_t rule = rs->inputs[inputs.at + i].rule;
			if (!comes_again(rs, inputs, i))
				w->links[w->links_at[rule + 1]++] = (struct link){ .correlation = c, .input = i };
		}
	}
	return 0;
}

static int windows_init(struct windows *w, uint32_t *depth)
{
	w->n_buckets = 256;
	while (w->n_buckets < w->mem.max / 512 && w->n_buckets < 1u << 28)
		w->n_buckets *= 2;
	w->buckets = calloc(w->n_buckets, sizeof(struct group *));
	w->correlators = calloc((size_t)w->rs->n_correlations + 1, sizeof(*w->correlators));
	if (!w->buckets || !w->correlators)
		return -ENOMEM;
	int r = link_rules(w);
	for (uint32_t i = 0; !r && i < w->rs->n_correlations; i++)
		r = correlator_init(w, i, depth);
	return r;
}

int windows_new(struct windows **ret, const struct ruleset *rs, const struct window_config *config, struct err *err)
{
	if (sodium_init() < 0)
		return err_set(err, -EIO, "start libsodium, for random keys: %m");
	struct windows *w = calloc(1, sizeof(*w));
	uint32_t *depth = calloc((size_t)rs->n_correlations + 1, sizeof(*depth));
	size_t max = config->max_bytes ? config->max_bytes : DEFAULT_BYTES;
	int r = -ENOMEM;
	if (w && depth) {
		w->rs = rs;
		w->mem = (struct mem){ .max = max < MIN_BYTES ? MIN_BYTES : max, .reclaim = table_reclaim, .arg = w };
		w->lateness = bounded(config->lateness ? config->lateness : DEFAULT_LATENESS, 0, TIME_MAX / 2);
		w->now = TIME_NEVER;
		randombytes_buf(w->key, sizeof(w->key));
		r = windows_init(w, depth);
	}
	free(depth);
	if (r) {
		windows_free(w);
		return err_set(err, r, r == -ELOOP ? "correlations are chained too deep: %m" : "open windows: %m");
	}
	*ret = w;
	return 0;
}

void windows_free(struct windows *w)
{
	if (!w)
		return;
	for (uint32_t i = 0; w->correlators && i < w->rs->n_correlations; i++) {
		struct correlator *c = &w->correlators[i];
		while (c->quietest)
			table_drop(w, c->quietest);
		free(c->same);
		free(c->fields);
		free(c->values);
	}
	mem_done(&w->mem);
	free(w->correlators);
	free(w->buckets);
	free(w->links_at);
	free(w->links);
	free(w->due);
	free(w);
}
