#include "event/who.h"
#include "match/engine.h"
#include "match/eval.h"
#include "match/route.h"

#include <errno.h>
#include <stdlib.h>

enum { FOUND_MAX = 256, MAX_WHO = 32 };

struct matcher {
	const struct engine *e;
	hs_scratch_t *scratch;
	struct eval eval;
	struct router router;
	uint32_t *stamp; /* by rule: number of the last event that made it a candidate */
	uint32_t now;    /* number of this event */
	uint32_t *candidates;
	uint32_t n_candidates;
	struct match_field *found, *carried; /* of the match being made */
	uint32_t n_found;
	struct match_counts counts;
	uint32_t who[N_WHO][MAX_WHO]; /* ids of the fields that tell it, best first; NO_INDEX ends them */
};

_Static_assert((int)EVENT_PAD >= (int)PREFILTER_PAD, "folded values are scanned with their padding");

static int allot_scratch(struct matcher *m)
{
	for (uint32_t i = 0; i < m->e->pf.n_dbs; i++)
		if (hs_alloc_scratch(m->e->pf.db[i], &m->scratch) != HS_SUCCESS)
			return -ENOMEM;
	return 0;
}

/* Which of the ruleset's fields tell who it was: one place for each name that is known, then the gaps go. */
static void find_who(struct matcher *m, enum who what)
{
	const struct ruleset *rs = &m->e->rs;
	uint32_t *ids = m->who[what], n = 0;
	for (int i = 0; i < MAX_WHO; i++)
		ids[i] = NO_INDEX;
	for (uint32_t f = 0; f < rs->n_fields; f++) {
		int rank = who_rank(what, ruleset_text(rs, rs->fields[f].name));
		if (rank >= 0 && rank < MAX_WHO - 1)
			ids[rank] = f;
	}
	for (int i = 0; i < MAX_WHO; i++)
		if (ids[i] != NO_INDEX)
			ids[n++] = ids[i];
	ids[n] = NO_INDEX;
}

static struct str tell_who(const struct matcher *m, struct event *ev, enum who what)
{
	for (const uint32_t *id = m->who[what]; *id != NO_INDEX; id++) {
		const struct value *v = event_value(ev, *id);
		if (v && v->type != VALUE_NULL && who_told(v->text))
			return v->text;
	}
	return (struct str){ 0 };
}

int matcher_new(struct matcher **ret, const struct engine *e, struct err *err)
{
	struct matcher *m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(err, -ENOMEM, "matcher: %m");
	m->e = e;
	m->stamp = calloc(e->rs.n_rules + 1, sizeof(*m->stamp));
	m->candidates = calloc(e->rs.n_rules + 1, sizeof(*m->candidates));
	m->found = calloc(FOUND_MAX, sizeof(*m->found));
	m->carried = calloc(FOUND_MAX, sizeof(*m->carried));
	if (!m->stamp || !m->candidates || !m->found || !m->carried || allot_scratch(m) ||
	    eval_init(&m->eval, &e->rs, e->regexes) || router_init(&m->router, &e->rs)) {
		matcher_free(m);
		return err_set(err, -ENOMEM, "matcher: %m");
	}
	find_who(m, WHO_USER);
	find_who(m, WHO_ADDRESS);
	*ret = m;
	return 0;
}

void matcher_free(struct matcher *m)
{
	if (!m)
		return;
	router_done(&m->router);
	eval_done(&m->eval);
	hs_free_scratch(m->scratch);
	free(m->stamp);
	free(m->candidates);
	free(m->found);
	free(m->carried);
	free(m);
}

const struct match_counts *matcher_counts(const struct matcher *m)
{
	return &m->counts;
}

static void take(void *arg, const uint32_t *rules, uint32_t n)
{
	struct matcher *m = arg;
	for (uint32_t i = 0; i < n; i++)
		if (m->stamp[rules[i]] != m->now) {
			m->stamp[rules[i]] = m->now;
			m->candidates[m->n_candidates++] = rules[i];
		}
}

static void scan_filter(struct matcher *m, struct event *ev, const struct pf_filter *f)
{
	if (f->field == NO_INDEX) {
		uint32_t n;
		const struct keyword *k = eval_keywords(&m->eval, &n);
		for (uint32_t i = 0; i < n; i++)
			prefilter_scan(&m->e->pf, f, m->scratch, k[i].folded, take, m);
		return;
	}
	for (const struct value *v = event_value(ev, f->field); v; v = event_next(ev, v))
		if (v->type != VALUE_NULL)
			prefilter_scan(&m->e->pf, f, m->scratch, event_folded(ev, v), take, m);
}

static void find_candidates(struct matcher *m, struct event *ev)
{
	uint32_t n;
	const struct prefilter *pf = &m->e->pf;
	const uint16_t *sources = router_sources(&m->router, &m->eval, &n);
	m->counts.unrouted += n == 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct pf_group *g = &pf->groups[sources[i]];
		for (uint32_t k = 0; k < g->filters.n; k++)
			scan_filter(m, ev, &pf->filters[g->filters.at + k]);
		take(m, pf->rules + g->always.at, g->always.n);
	}
}

static int ascending(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	return (a > b) - (a < b);
}

static void add_found(void *arg, const struct match_field *f)
{
	struct matcher *m = arg;
	for (uint32_t i = 0; i < m->n_found; i++)
		if (str_eq(m->found[i].name, f->name))
			return;
	if (m->n_found < FOUND_MAX)
		m->found[m->n_found++] = *f;
}

static uint32_t carry(struct matcher *m, struct event *ev, struct span numbers, uint32_t at)
{
	const struct ruleset *rs = &m->e->rs;
	for (uint32_t i = 0; i < numbers.n && at < FOUND_MAX; i++) {
		uint32_t field = rs->numbers[numbers.at + i];
		const struct value *v = event_value(ev, field);
		if (v && v->type != VALUE_NULL)
			m->carried[at++] = (struct match_field){ ruleset_text(rs, rs->fields[field].name), v->text,
				                                 field, v->type };
	}
	return at;
}

static int emit(struct matcher *m, struct event *ev, uint32_t index, match_sink *sink, void *arg)
{
	const struct rule *r = &m->e->rs.rules[index];
	const struct value *host = event_value(ev, FIELD_HOST);
	struct match match = {
		.rule = r,
		.rule_index = index,
		.file = ev->file,
		.line = ev->line,
		.time = event_time(ev),
		.fields = m->found,
		.carried = m->carried,
		.host = host ? host->text : (struct str){ 0 },
		.user = tell_who(m, ev, WHO_USER),
		.address = tell_who(m, ev, WHO_ADDRESS),
		.count = 1,
	};
	match.first_time = match.time;
	m->n_found = 0;
	eval_explain(&m->eval, r->node, add_found, m);
	match.n_fields = m->n_found;
	match.n_carried = carry(m, ev, r->show, carry(m, ev, r->carry, 0));
	m->counts.matches++;
	return sink(arg, &match);
}

uint32_t matcher_candidates(struct matcher *m, struct event *ev)
{
	if (++m->now == 0) {
		memset(m->stamp, 0, m->e->rs.n_rules * sizeof(*m->stamp));
		m->now = 1;
	}
	m->n_candidates = 0;
	m->counts.events++;
	eval_begin(&m->eval, ev);
	find_candidates(m, ev);
	return m->n_candidates;
}

int matcher_run(struct matcher *m, struct event *ev, match_sink *sink, void *arg)
{
	int r = 0;
	matcher_candidates(m, ev);
	if (m->n_candidates > 1)
		qsort(m->candidates, m->n_candidates, sizeof(*m->candidates), ascending);
	m->counts.candidates += m->n_candidates;
	for (uint32_t i = 0; i < m->n_candidates && !r; i++)
		if (eval_node(&m->eval, m->e->rs.rules[m->candidates[i]].node))
			r = emit(m, ev, m->candidates[i], sink, arg);
	m->counts.re_gave_up += m->eval.gave_up;
	m->eval.gave_up = 0;
	m->counts.shed_values += ev->shed;
	m->counts.duplicate_keys += ev->duplicates;
	return r;
}

bool matcher_holds(struct matcher *m, uint32_t node)
{
	return eval_node(&m->eval, node);
}

static const struct match_field *copy_fields(struct arena *a, const struct match_field *f, uint32_t n)
{
	struct match_field *to = arena_alloc(a, (n + 1) * sizeof(*to));
	for (uint32_t i = 0; to && i < n; i++) {
		to[i] = f[i];
		to[i].name = arena_copy(a, f[i].name);
		to[i].text = arena_copy(a, f[i].text);
		if (!to[i].name.p || !to[i].text.p)
			return NULL;
	}
	return to;
}

struct match *match_copy(struct arena *a, const struct match *m)
{
	struct match *to = arena_alloc(a, sizeof(*to));
	if (!to)
		return NULL;
	*to = *m;
	to->fields = copy_fields(a, m->fields, m->n_fields);
	to->carried = copy_fields(a, m->carried, m->n_carried);
	struct str *texts[] = { &to->host, &to->user, &to->address };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i]->n)
			*texts[i] = arena_copy(a, *texts[i]);
		if (texts[i]->n && !texts[i]->p)
			return NULL;
	}
	return to->fields && to->carried ? to : NULL;
}
