#include "match/eval.h"

#include "match/pattern.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A text that a pattern is held against. `folded` is NULL where it has not been asked for yet. */
struct subject {
	struct str text;
	const struct value *value; /* NULL for a keyword */
	struct str folded;         /* of a keyword */
};

int eval_init(struct eval *e, const struct ruleset *rs, const struct regexes *regexes)
{
	*e = (struct eval){ .rs = rs, .regexes = regexes };
	e->memo = calloc(rs->n_tests + 1, sizeof(*e->memo));
	if (e->memo && regex_search_new(&e->search) == 0)
		return 0;
	eval_done(e);
	return -ENOMEM;
}

void eval_done(struct eval *e)
{
	regex_search_free(e->search);
	free(e->memo);
	free(e->keywords);
	*e = (struct eval){ 0 };
}

void eval_begin(struct eval *e, struct event *ev)
{
	e->ev = ev;
	e->n_keywords = 0;
	e->has_keywords = false;
	if (++e->epoch == 1u << 31) {
		memset(e->memo, 0, e->rs->n_tests * sizeof(*e->memo));
		e->epoch = 1;
	}
}

static void add_keyword(struct eval *e, struct str name, struct str text, uint8_t type)
{
	if (e->n_keywords == e->cap_keywords) {
		uint32_t cap = e->cap_keywords ? e->cap_keywords * 2 : 64;
		struct keyword *k = realloc(e->keywords, cap * sizeof(*k));
		if (!k) {
			e->ev->shed++;
			return;
		}
		e->keywords = k;
		e->cap_keywords = cap;
	}
	e->keywords[e->n_keywords++] = (struct keyword){ name, text, event_fold(e->ev, text), type };
}

const struct keyword *eval_keywords(struct eval *e, uint32_t *n)
{
	if (!e->has_keywords) {
		uint32_t pairs;
		const struct pair *p = event_pairs(e->ev, &pairs);
		for (uint32_t i = 0; i < pairs; i++)
			if (p[i].type != VALUE_NULL)
				add_keyword(e, p[i].name, p[i].text, p[i].type);
		if (e->ev->keyword_raw)
			add_keyword(e, STR("event.original"), e->ev->raw, VALUE_TEXT);
		e->has_keywords = true;
	}
	*n = e->n_keywords;
	return e->keywords;
}

static struct str folded_of(struct eval *e, const struct subject *s)
{
	return s->value ? event_folded(e->ev, s->value) : s->folded;
}

static bool refers(struct eval *e, const struct pattern *p, const struct subject *s)
{
	for (const struct value *v = event_value(e->ev, p->field); v; v = event_next(e->ev, v)) {
		if (v->type == VALUE_NULL)
			continue;
		if (p->cased ? pattern_text(p->mode, v->text, s->text)
		             : pattern_text(p->mode, event_folded(e->ev, v), folded_of(e, s)))
			return true;
	}
	return false;
}

static bool fits(struct eval *e, uint32_t index, const struct subject *s)
{
	const struct pattern *p = &e->rs->patterns[index];
	struct str text = ruleset_text(e->rs, p->text);
	int found;
	switch ((enum pattern_op)p->op) {
	case PATTERN_EQ:
	case PATTERN_PREFIX:
	case PATTERN_SUFFIX:
	case PATTERN_CONTAINS: return pattern_text(p->op, text, p->cased ? s->text : folded_of(e, s));
	case PATTERN_GLOB: return pattern_glob(text, p->cased ? s->text : folded_of(e, s));
	case PATTERN_RE:
		found = regex_find(e->regexes, e->search, index, s->text);
		e->gave_up += found < 0;
		return found > 0;
	case PATTERN_CIDR: return pattern_cidr(p, s->text);
	case PATTERN_LT:
	case PATTERN_LTE:
	case PATTERN_GT:
	case PATTERN_GTE: return pattern_number(p, s->text);
	case PATTERN_FIELD: return refers(e, p, s);
	case PATTERN_NULL:
	case PATTERN_EXISTS: break; /* asked of the field, not of a value */
	}
	return false;
}

/* The number of its time takes the value's place. */
static bool fits_part(struct eval *e, uint32_t index, const struct subject *s)
{
	char number[16];
	int64_t us;
	if (!event_parse_time(s->text, &us))
		return false;
	int n = snprintf(number, sizeof(number), "%d", pattern_time_part(e->rs->patterns[index].part, us));
	struct str text = { number, (size_t)n };
	return fits(e, index, &(struct subject){ .text = text, .folded = text });
}

static bool fits_any(struct eval *e, uint32_t index, const struct subject *s)
{
	return e->rs->patterns[index].part == PART_NONE ? fits(e, index, s) : fits_part(e, index, s);
}

/* Does the field as a whole fit, before any of its values is looked at? */
static bool fits_field(struct eval *e, const struct pattern *p, uint32_t field)
{
	if (p->op == PATTERN_EXISTS)
		return (e->ev->first[field] != 0) == (p->flag != 0);
	if (p->op != PATTERN_NULL)
		return false;
	for (const struct value *v = event_value(e->ev, field); v; v = event_next(e->ev, v))
		if (v->type != VALUE_NULL)
			return false;
	return true;
}

/* Some value fits the pattern; *at (may be NULL) is told which. */
static bool pattern_holds(struct eval *e, const struct test *t, uint32_t index, struct match_field *at)
{
	if (t->field == NO_INDEX) {
		uint32_t n;
		const struct keyword *k = eval_keywords(e, &n);
		for (uint32_t i = 0; i < n; i++)
			if (fits_any(e, index, &(struct subject){ .text = k[i].text, .folded = k[i].folded })) {
				if (at)
					*at = (struct match_field){ k[i].name, k[i].text, NO_INDEX, k[i].type };
				return true;
			}
		return false;
	}
	const struct pattern *p = &e->rs->patterns[index];
	const struct value *v = event_value(e->ev, t->field);
	bool found = fits_field(e, p, t->field);
	for (; !found && v; v = found ? v : event_next(e->ev, v))
		found = v->type != VALUE_NULL && fits_any(e, index, &(struct subject){ v->text, v, { 0 } });
	if (found && at && v)
		*at = (struct match_field){ ruleset_text(e->rs, e->rs->fields[t->field].name), v->text, t->field,
			                    v->type };
	return found;
}

static bool test_holds(struct eval *e, uint32_t index)
{
	const struct test *t = &e->rs->tests[index];
	if (e->memo[index] >> 1 == e->epoch)
		return e->memo[index] & 1;
	bool holds = t->all;
	for (uint32_t i = 0; i < t->patterns.n && holds == t->all; i++)
		holds = pattern_holds(e, t, t->patterns.at + i, NULL);
	holds ^= t->negate != 0;
	e->memo[index] = e->epoch << 1 | holds;
	return holds;
}

bool eval_node(struct eval *e, uint32_t node)
{
	const struct node *n = &e->rs->nodes[node];
	const uint32_t *kids = e->rs->numbers + n->kids.at;
	uint32_t held = 0, need = n->arg;
	switch ((enum node_op)n->op) {
	case NODE_FALSE: return false;
	case NODE_TRUE: return true;
	case NODE_TEST: return test_holds(e, n->arg);
	case NODE_NOT: return !eval_node(e, kids[0]);
	case NODE_AND:
		for (uint32_t i = 0; i < n->kids.n; i++)
			if (!eval_node(e, kids[i]))
				return false;
		return true;
	case NODE_OR: need = 1; break;
	case NODE_AT_LEAST: break;
	}
	for (uint32_t i = 0; i < n->kids.n && held < need; i++)
		held += eval_node(e, kids[i]);
	return held >= need;
}

static void explain_test(struct eval *e, const struct test *t, eval_add *add, void *arg)
{
	for (uint32_t i = 0; i < t->patterns.n; i++) {
		struct match_field f = { .field = NO_INDEX };
		bool holds = pattern_holds(e, t, t->patterns.at + i, t->negate ? NULL : &f);
		if (t->negate) {
			const struct value *v = t->field == NO_INDEX ? NULL : event_value(e->ev, t->field);
			if (v)
				f = (struct match_field){ ruleset_text(e->rs, e->rs->fields[t->field].name), v->text,
					                  t->field, v->type };
		} else if (!holds) {
			continue;
		}
		if (f.name.n)
			add(arg, &f);
		if (!t->all)
			return;
	}
}

void eval_explain(struct eval *e, uint32_t node, eval_add *add, void *arg)
{
	const struct node *n = &e->rs->nodes[node];
	if (!eval_node(e, node) || n->op == NODE_NOT)
		return;
	if (n->op == NODE_TEST)
		explain_test(e, &e->rs->tests[n->arg], add, arg);
	for (uint32_t i = 0; i < n->kids.n; i++)
		eval_explain(e, e->rs->numbers[n->kids.at + i], add, arg);
}
