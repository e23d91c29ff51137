#include "cmd/rules_why.h"

#include "cmd/term.h"

#include <arpa/inet.h>
#include <math.h>

enum { SHOWN_MAX = 4, VALUE_COLUMNS = 60 };

struct look {
	struct matcher *m;
	const struct event *ev;
	const struct ruleset *rs;
	struct buf *out; /* NULL: only count */
	uint32_t shown;
};

static void add_short(struct buf *out, struct str text)
{
	struct str part = term_cut(text, VALUE_COLUMNS);
	buf_putc(out, '\'');
	term_safe(out, part);
	buf_printf(out, "%s'", part.n < text.n ? "..." : "");
}

static void add_glob(struct buf *out, struct str text)
{
	CLEANUP(buf_free) struct buf plain = { 0 };
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		buf_putc(&plain, c == GLOB_ANY ? '*' : c == GLOB_ONE ? '?' : (char)c);
	}
	add_short(out, buf_str(&plain));
}

static void add_network(struct buf *out, const struct pattern *p)
{
	char text[INET6_ADDRSTRLEN];
	inet_ntop(p->family == 4 ? AF_INET : AF_INET6, p->address, text, sizeof(text));
	buf_printf(out, "%s/%u", text, p->bits);
}

/* A pattern as a rule would write it. */
static void add_pattern(struct buf *out, const struct ruleset *rs, const struct pattern *p)
{
	static const char *const before[] = {
		[PATTERN_SUFFIX] = "*", [PATTERN_CONTAINS] = "*", [PATTERN_RE] = "|re ", [PATTERN_LT] = "< ",
		[PATTERN_LTE] = "<= ",  [PATTERN_GT] = "> ",      [PATTERN_GTE] = ">= "
	};
	struct str text = ruleset_text(rs, p->text);
	if (p->op < ARRAY_LEN(before) && before[p->op])
		buf_printf(out, "%s", before[p->op]);
	switch ((enum pattern_op)p->op) {
	case PATTERN_NULL: buf_printf(out, "null"); break;
	case PATTERN_EXISTS: buf_printf(out, p->flag ? "to be there" : "not to be there"); break;
	case PATTERN_FIELD: term_safe(out, ruleset_text(rs, rs->fields[p->field].name)); break;
	case PATTERN_LT:
	case PATTERN_LTE:
	case PATTERN_GT:
	case PATTERN_GTE: buf_printf(out, "%.10g", p->number); break;
	case PATTERN_CIDR: add_network(out, p); break;
	case PATTERN_GLOB: add_glob(out, text); break;
	default: add_short(out, text); break;
	}
	if (p->op == PATTERN_PREFIX || p->op == PATTERN_CONTAINS)
		buf_putc(out, '*');
}

/* The values that an event has in a field. */
static void add_values(const struct look *l, uint32_t field)
{
	const struct value *v = event_value(l->ev, field);
	if (!v) {
		buf_printf(l->out, "isn't there");
		return;
	}
	buf_printf(l->out, "is ");
	for (uint32_t n = 0; v; v = event_next(l->ev, v), n++) {
		if (n == SHOWN_MAX) {
			buf_printf(l->out, ", ...");
			break;
		}
		buf_printf(l->out, n ? ", " : "");
		if (v->type == VALUE_NULL)
			buf_printf(l->out, "null");
		else
			add_short(l->out, v->text);
	}
}

static void add_test(struct look *l, const struct test *t, bool want)
{
	if (l->shown++ >= SHOWN_MAX)
		return;
	struct buf *out = l->out;
	buf_printf(out, l->shown > 1 ? "; " : "");
	if (t->field == NO_INDEX)
		buf_printf(out, "any text");
	else
		term_safe(out, ruleset_text(l->rs, l->rs->fields[t->field].name));
	buf_printf(out, ": %s ", want != t->negate ? "wants" : "must not be");
	for (uint32_t i = 0; i < t->patterns.n && i < SHOWN_MAX; i++) {
		buf_printf(out, i ? t->all ? " and " : " or " : "");
		add_pattern(out, l->rs, &l->rs->patterns[t->patterns.at + i]);
	}
	buf_printf(out, t->patterns.n > SHOWN_MAX ? " ..., " : ", ");
	if (t->field == NO_INDEX)
		buf_printf(out, want ? "none has it" : "one has it");
	else
		add_values(l, t->field);
}

static uint32_t lacking(struct look *l, uint32_t node, bool want);

static uint32_t lacking_silent(const struct look *l, uint32_t node, bool want)
{
	struct look quiet = *l;
	quiet.out = NULL;
	return lacking(&quiet, node, want);
}

/* `need` of the kids have to change to `want`: those that are nearest to it. */
static uint32_t lacking_kids(struct look *l, const struct node *n, bool want, uint32_t need)
{
	const uint32_t *kids = l->rs->numbers + n->kids.at;
	uint32_t sum = 0;
	if (need == 1 && n->kids.n > 1) {
		uint32_t best = 0, least = UINT32_MAX;
		for (uint32_t i = 0; i < n->kids.n; i++) {
			uint32_t lacks = lacking_silent(l, kids[i], want);
			if (lacks && lacks < least) {
				least = lacks;
				best = i;
			}
		}
		return lacking(l, kids[best], want);
	}
	for (uint32_t i = 0; i < n->kids.n && need; i++) {
		uint32_t lacks = lacking(l, kids[i], want);
		sum += lacks;
		need -= lacks != 0;
	}
	return sum;
}

/* How many tests would have to be otherwise for the node to become what is wanted. A bound on depth: NODE_MAX_DEPTH. */
static uint32_t lacking(struct look *l, uint32_t node, bool want)
{
	const struct node *n = &l->rs->nodes[node];
	const uint32_t *kids = l->rs->numbers + n->kids.at;
	uint32_t held = 0, need = n->arg;
	if (matcher_holds(l->m, node) == want)
		return 0;
	switch ((enum node_op)n->op) {
	case NODE_TEST:
		if (l->out)
			add_test(l, &l->rs->tests[n->arg], want);
		return 1;
	case NODE_NOT: return lacking(l, kids[0], !want);
	case NODE_AND: need = n->kids.n; break;
	case NODE_OR: need = 1; break;
	case NODE_AT_LEAST: break;
	default: return 1;
	}
	for (uint32_t i = 0; i < n->kids.n; i++)
		held += matcher_holds(l->m, kids[i]);
	return lacking_kids(l, n, want, want ? need - held : held - need + 1);
}

void why_look(struct why *w, struct matcher *m, const struct event *ev, const struct ruleset *rs,
              const struct rule *rule)
{
	struct look l = { m, ev, rs, NULL, 0 };
	uint32_t lacks = lacking(&l, rule->node, true);
	if (w->line && lacks >= w->lacks)
		return;
	w->text.n = 0;
	l.out = &w->text;
	lacking(&l, rule->node, true);
	if (l.shown > SHOWN_MAX)
		buf_printf(&w->text, "; and %u more", l.shown - SHOWN_MAX);
	w->lacks = lacks;
	w->line = ev->line;
}

void why_clear(struct why *w)
{
	w->text.n = 0;
	w->line = w->lacks = 0;
}

void why_done(struct why *w)
{
	buf_free(&w->text);
}

void why_correlation(struct buf *out, const struct ruleset *rs, const struct correlation *c)
{
	static const char *const types[] = {
		[CORRELATE_EVENT_COUNT] = "event_count",
		[CORRELATE_VALUE_COUNT] = "value_count",
		[CORRELATE_TEMPORAL] = "temporal",
		[CORRELATE_TEMPORAL_ORDERED] = "temporal_ordered",
		[CORRELATE_VALUE_SUM] = "value_sum",
		[CORRELATE_VALUE_AVG] = "value_avg",
		[CORRELATE_VALUE_PERCENTILE] = "value_percentile",
	};
	buf_printf(out, "%s", c->type < ARRAY_LEN(types) ? types[c->type] : "correlation");
	for (uint32_t i = 0; i < c->n_value; i++) {
		buf_printf(out, i ? ", " : " of ");
		term_safe(out, ruleset_text(rs, rs->texts[c->value_names.at + i]));
	}
	const struct {
		const char *sign;
		double bound;
	} bounds[] = { { ">", c->gt },   { ">=", c->gte }, { "<", c->lt },
		       { "<=", c->lte }, { "=", c->eq },   { "!=", c->neq } };
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
		if (isfinite(bounds[i].bound))
			buf_printf(out, " %s %.10g", bounds[i].sign, bounds[i].bound);
	buf_printf(out, " within %.10g s", (double)c->timespan / 1e6);
}
