#include "rule/same.h"

#include <stdlib.h>
#include <string.h>

struct named {
	struct str name;
	uint32_t rule;
};

static struct str name_of(const struct ruleset *rs, uint32_t rule)
{
	const struct rule *r = &rs->rules[rule];
	return ruleset_text(rs, r->id.len ? r->id : r->name.len ? r->name : r->title);
}

static int compare(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int d = n ? memcmp(a.p, b.p, n) : 0;
	return d ? d : a.n < b.n ? -1 : a.n > b.n;
}

static int by_name(const void *x, const void *y)
{
	const struct named *a = x, *b = y;
	int d = compare(a->name, b->name);
	return d ? d : a->rule < b->rule ? -1 : a->rule > b->rule;
}

static int only_name(const void *x, const void *y)
{
	return compare(((const struct named *)x)->name, ((const struct named *)y)->name);
}

uint32_t *same_rules(const struct ruleset *from, const struct ruleset *to)
{
	uint32_t *map = malloc((from->n_rules + 1) * sizeof(*map));
	struct named *named = malloc((to->n_rules + 1) * sizeof(*named));
	for (uint32_t i = 0; map && named && i < to->n_rules; i++)
		named[i] = (struct named){ name_of(to, i), i };
	if (map && named)
		qsort(named, to->n_rules, sizeof(*named), by_name);
	for (uint32_t i = 0; map && named && i < from->n_rules; i++) {
		struct named key = { name_of(from, i), 0 };
		const struct named *found =
		        key.name.n ? bsearch(&key, named, to->n_rules, sizeof(*named), only_name) : NULL;
		map[i] = found ? found->rule : NO_INDEX;
	}
	if (!named) {
		free(map);
		map = NULL;
	}
	free(named);
	return map;
}

/* Two rulesets side by side. */
struct pair {
	const struct ruleset *a, *b;
	const uint32_t *map;
	const uint32_t *same; /* by correlation of b: of those before the one at hand it is known */
};

static bool same_text(const struct pair *p, struct text a, struct text b)
{
	return str_eq(ruleset_text(p->a, a), ruleset_text(p->b, b));
}

static bool same_texts(const struct pair *p, struct span a, struct span b)
{
	bool same = a.n == b.n;
	for (uint32_t i = 0; same && i < a.n; i++)
		same = same_text(p, p->a->texts[a.at + i], p->b->texts[b.at + i]);
	return same;
}

/* The places that a field is looked for in. A ruleset lists those of one field in the order of its mapping. */
static bool same_field(const struct pair *p, uint32_t a, uint32_t b)
{
	uint32_t i = 0, k = 0;
	if (a == NO_INDEX || b == NO_INDEX)
		return a == b;
	if (!same_text(p, p->a->fields[a].name, p->b->fields[b].name))
		return false;
	for (;; i++, k++) {
		while (i < p->a->n_paths && p->a->paths[i].field != a)
			i++;
		while (k < p->b->n_paths && p->b->paths[k].field != b)
			k++;
		if (i == p->a->n_paths || k == p->b->n_paths)
			return i == p->a->n_paths && k == p->b->n_paths;
		if (!same_text(p, p->a->paths[i].path, p->b->paths[k].path))
			return false;
	}
}

static bool same_fields(const struct pair *p, struct span a, struct span b)
{
	bool same = a.n == b.n;
	for (uint32_t i = 0; same && i < a.n; i++)
		same = same_field(p, p->a->numbers[a.at + i], p->b->numbers[b.at + i]);
	return same;
}

static bool same_pattern(const struct pair *p, const struct pattern *a, const struct pattern *b)
{
	struct pattern x = *a, y = *b;
	x.text = y.text = (struct text){ 0 };
	x.field = y.field = 0;
	return memcmp(&x, &y, sizeof(x)) == 0 && same_text(p, a->text, b->text) &&
	       (a->op != PATTERN_FIELD || same_field(p, a->field, b->field));
}

static bool same_test(const struct pair *p, const struct test *a, const struct test *b)
{
	bool same = a->all == b->all && a->negate == b->negate && a->patterns.n == b->patterns.n &&
	            same_field(p, a->field, b->field);
	for (uint32_t i = 0; same && i < a->patterns.n; i++)
		same = same_pattern(p, &p->a->patterns[a->patterns.at + i], &p->b->patterns[b->patterns.at + i]);
	return same;
}

static bool same_node(const struct pair *p, uint32_t i, uint32_t j)
{
	const struct node *a = &p->a->nodes[i], *b = &p->b->nodes[j];
	if (a->op != b->op || a->kids.n != b->kids.n)
		return false;
	if (a->op == NODE_TEST)
		return same_test(p, &p->a->tests[a->arg], &p->b->tests[b->arg]);
	bool same = a->arg == b->arg;
	for (uint32_t k = 0; same && k < a->kids.n; k++)
		same = same_node(p, p->a->numbers[a->kids.at + k], p->b->numbers[b->kids.at + k]);
	return same;
}

/* The next route, from i on, that leads to the source. */
static uint32_t next_route(const struct ruleset *rs, uint32_t i, uint32_t source)
{
	for (; i < rs->n_routes; i++)
		for (uint32_t k = 0; k < rs->routes[i].sources.n; k++)
			if (rs->numbers[rs->routes[i].sources.at + k] == source)
				return i;
	return NO_INDEX;
}

static bool same_source(const struct pair *p, uint32_t a, uint32_t b)
{
	if (a == NO_INDEX || b == NO_INDEX)
		return a == b;
	const struct source *x = &p->a->sources[a], *y = &p->b->sources[b];
	if (!same_text(p, x->product, y->product) || !same_text(p, x->category, y->category) ||
	    !same_text(p, x->service, y->service))
		return false;
	uint32_t i = next_route(p->a, 0, a), k = next_route(p->b, 0, b);
	while (i != NO_INDEX && k != NO_INDEX) {
		if (!same_node(p, p->a->routes[i].node, p->b->routes[k].node))
			return false;
		i = next_route(p->a, i + 1, a);
		k = next_route(p->b, k + 1, b);
	}
	return i == k;
}

static bool same_numbers(const struct correlation *a, const struct correlation *b)
{
	const double x[] = { a->gt, a->gte, a->lt, a->lte, a->eq, a->neq, a->percentile };
	const double y[] = { b->gt, b->gte, b->lt, b->lte, b->eq, b->neq, b->percentile };
	for (size_t i = 0; i < ARRAY_LEN(x); i++)
		if (!(x[i] == y[i] || (x[i] != x[i] && y[i] != y[i]))) /* unset ones may be NAN */
			return false;
	return true;
}

static bool same_input(const struct pair *p, const struct input *a, const struct input *b)
{
	const struct rule *x = &p->a->rules[a->rule], *y = &p->b->rules[b->rule];
	if (p->map[a->rule] != b->rule || !same_fields(p, a->group, b->group) || !same_fields(p, a->value, b->value))
		return false;
	if (x->correlation == NO_INDEX || y->correlation == NO_INDEX)
		return x->correlation == y->correlation && same_source(p, x->source, y->source) &&
		       same_node(p, x->node, y->node);
	return p->same[y->correlation] == x->correlation; /* it stands before what refers to it */
}

static bool same_correlation(const struct pair *p, uint32_t i, uint32_t j)
{
	const struct correlation *x = &p->a->correlations[i], *y = &p->b->correlations[j];
	bool same = x->type == y->type && x->timespan == y->timespan && x->n_group == y->n_group &&
	            x->n_value == y->n_value && x->inputs.n == y->inputs.n && same_numbers(x, y) &&
	            same_texts(p, x->group_names, y->group_names) && same_texts(p, x->value_names, y->value_names);
	for (uint32_t k = 0; same && k < x->inputs.n; k++)
		same = same_input(p, &p->a->inputs[x->inputs.at + k], &p->b->inputs[y->inputs.at + k]);
	return same;
}

uint32_t *same_correlations(const struct ruleset *from, const struct ruleset *to, const uint32_t *map)
{
	uint32_t *same = malloc((to->n_correlations + 1) * sizeof(*same));
	const struct pair p = { from, to, map, same };
	for (uint32_t i = 0; same && i < to->n_correlations; i++)
		same[i] = NO_INDEX;
	/* first who it could be */
	for (uint32_t i = 0; same && i < from->n_correlations; i++) {
		uint32_t rule = map[from->correlations[i].rule];
		uint32_t there = rule == NO_INDEX ? NO_INDEX : to->rules[rule].correlation;
		if (there != NO_INDEX)
			same[there] = i;
	}
	for (uint32_t i = 0; same && i < to->n_correlations; i++)
		if (same[i] != NO_INDEX && !same_correlation(&p, same[i], i))
			same[i] = NO_INDEX;
	return same;
}
