/* Sigma correlation rules 2.1: types, related rules, group-by, aliases, timespan, condition. */
#include "rule/compiler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHAIN_MAX = 32 };

static const struct str TYPES[] = {
	[CORRELATE_EVENT_COUNT] = { "event_count", 11 },
	[CORRELATE_VALUE_COUNT] = { "value_count", 11 },
	[CORRELATE_TEMPORAL] = { "temporal", 8 },
	[CORRELATE_TEMPORAL_ORDERED] = { "temporal_ordered", 16 },
	[CORRELATE_VALUE_SUM] = { "value_sum", 9 },
	[CORRELATE_VALUE_AVG] = { "value_avg", 9 },
	[CORRELATE_VALUE_PERCENTILE] = { "value_percentile", 16 },
};

static bool is_temporal(uint32_t type)
{
	return type == CORRELATE_TEMPORAL || type == CORRELATE_TEMPORAL_ORDERED;
}

static void read_type(struct compiler *c, const struct yaml_node *body, struct correlation *r)
{
	const struct yaml_node *n = yaml_get(body, "type");
	if (!n || n->kind != YAML_SCALAR) {
		refuse(c, body->line,
		       "a correlation without a type: write type: event_count or another of Sigma's types");
		return;
	}
	for (uint32_t i = 0; i < ARRAY_LEN(TYPES); i++)
		if (str_eq(n->text, TYPES[i])) {
			r->type = i;
			return;
		}
	struct str near = nearest(n->text, TYPES, ARRAY_LEN(TYPES));
	refuse(c, n->line, "unknown correlation type '%.*s': write " STR_FMT, SHORT_ARG(n->text),
	       STR_ARG(near.p ? near : STR("event_count, value_count, temporal or temporal_ordered")));
}

static void read_timespan(struct compiler *c, const struct yaml_node *body, struct correlation *r)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 } };
	const struct yaml_node *n = yaml_get(body, "timespan");
	if (!n || n->kind != YAML_SCALAR) {
		refuse(c, body->line, "a correlation without a timespan: write timespan: 10m");
		return;
	}
	int64_t count = 0, seconds = 0;
	size_t i = 0;
	for (; i < n->text.n && i < 9 && n->text.p[i] >= '0' && n->text.p[i] <= '9'; i++)
		count = count * 10 + (n->text.p[i] - '0');
	for (size_t u = 0; i + 1 == n->text.n && u < ARRAY_LEN(units); u++)
		if (n->text.p[i] == units[u].letter)
			seconds = count * units[u].seconds;
	if (seconds < 1 || seconds > 36600 * 86400ll)
		refuse(c, n->line, "timespan '%.*s': write a number and s, m, h, d or w, as in 10m",
		       SHORT_ARG(n->text));
	r->timespan = seconds * 1000000;
}

/* A text or a list of texts -> TEXTS. */
static struct span read_names(struct compiler *c, const struct yaml_node *n, const char *what)
{
	uint32_t count = n ? (n->kind == YAML_LIST ? n->n : 1) : 0, k = 0;
	struct text *names = take(c, (count + 1) * sizeof(*names));
	if (!n || !names || yaml_is_null(n))
		return (struct span){ 0 };
	if (n->kind == YAML_SCALAR)
		names[k++] = build_text(&c->build, n->text);
	for (const struct yaml_item *i = n->kind == YAML_LIST ? n->items : NULL; i; i = i->next)
		if (i->value->kind == YAML_SCALAR && i->value->text.n)
			names[k++] = build_text(&c->build, i->value->text);
	if (k != count)
		refuse(c, n->line, "%s: write a list of field names", what);
	return pool_put(&c->build.texts, names, k);
}

static bool number(const struct yaml_node *n, double *ret)
{
	char *end;
	if (n->kind != YAML_SCALAR || n->text.n == 0 || n->text.n > 40 || !strchr("-0123456789", n->text.p[0]))
		return false;
	*ret = strtod(n->text.p, &end);
	return *end == '\0' && isfinite(*ret);
}

static void read_condition(struct compiler *c, const struct yaml_node *body, struct correlation *r)
{
	const struct {
		const char *name;
		double *to;
	} keys[] = { { "gt", &r->gt },
		     { "gte", &r->gte },
		     { "lt", &r->lt },
		     { "lte", &r->lte },
		     { "eq", &r->eq },
		     { "neq", &r->neq },
		     { "percentile", &r->percentile } };
	const struct yaml_node *n = yaml_get(body, "condition");
	bool bounds = false;
	if (n && n->kind != YAML_MAP) {
		refuse(c, n->line, "the condition of a correlation must be a map: write condition: {gte: 10}");
		return;
	}
	for (const struct yaml_item *i = n ? n->items : NULL; i; i = i->next) {
		size_t k = 0;
		while (k < ARRAY_LEN(keys) && !str_eq(i->key->text, str_from(keys[k].name)))
			k++;
		if (str_eq(i->key->text, STR("field")))
			continue;
		if (k == ARRAY_LEN(keys)) {
			refuse(c, i->key->line,
			       "condition has '%.*s': write gt, gte, lt, lte, eq, neq, field or percentile",
			       SHORT_ARG(i->key->text));
			return;
		}
		if (!number(i->value, keys[k].to))
			refuse(c, i->value->line, "%s is no number: write %s: 10", keys[k].name, keys[k].name);
		bounds |= keys[k].to != &r->percentile;
	}
	r->value_names = read_names(c, yaml_get(n, "field"), "field");
	r->n_value = r->value_names.n;
	bool by_value = r->type != CORRELATE_EVENT_COUNT && !is_temporal(r->type);
	if (by_value && !r->n_value)
		refuse(c, body->line, STR_FMT " needs a field: write condition: {field: Name, gte: 10}",
		       STR_ARG(TYPES[r->type]));
	else if (!by_value && r->n_value)
		refuse(c, n->line, STR_FMT " has no field: leave it out, or write type: value_count",
		       STR_ARG(TYPES[r->type]));
	else if (!bounds && !is_temporal(r->type))
		refuse(c, body->line, "a correlation without a condition: write condition: {gte: 10}");
	else if (!(r->percentile >= 0 && r->percentile <= 100))
		refuse(c, n->line, "percentile: write a number from 0 to 100");
	if (!bounds) /* temporal: all of them */
		r->gte = r->inputs.n;
}

static const struct yaml_node *body_of(const struct doc *d)
{
	return yaml_get(d->root, "correlation");
}

/*
 * Under which name an input carries what the correlation calls `name`: its alias for that input, or the name itself.
 * p NULL: there is such an alias, but it says nothing about this input.
 */
static struct str alias(struct compiler *c, const struct doc *d, const struct doc *input, struct str name)
{
	const struct yaml_node *aliases = yaml_get(body_of(d), "aliases");
	for (const struct yaml_item *i = aliases && aliases->kind == YAML_MAP ? aliases->items : NULL; i; i = i->next) {
		if (!str_eq(i->key->text, name) || i->value->kind != YAML_MAP)
			continue;
		for (const struct yaml_item *k = i->value->items; k; k = k->next) {
			bool ambiguous;
			if (compiler_find(c, k->key->text, &ambiguous) == input && k->value->kind == YAML_SCALAR)
				return k->value->text;
		}
		return (struct str){ 0 };
	}
	return name;
}

static void carry_id(struct compiler *c, struct doc *d, uint32_t field)
{
	for (uint32_t i = 0; i < d->n_carry; i++)
		if (d->carry[i] == field)
			return;
	if (grow(c, (void **)&d->carry, d->n_carry, &d->cap_carry, sizeof(*d->carry)))
		d->carry[d->n_carry++] = field;
}

/* What a correlation is made of carries `name` for the correlations that refer to it. */
static void carry_through(struct compiler *c, struct doc *d, struct str name)
{
	struct plan *p = d->plan;
	struct text t = build_text(&c->build, name);
	for (uint32_t i = 0; i < p->n_carried; i++)
		if (p->carried[i].off == t.off)
			return;
	if (!grow(c, (void **)&p->carried, p->n_carried, &p->cap_carried, sizeof(*p->carried)))
		return;
	p->carried[p->n_carried++] = t;
	for (uint32_t i = 0; i < p->record.inputs.n; i++) {
		struct doc *in = &c->docs[p->docs[i]];
		struct str own = alias(c, d, in, name);
		if (!own.p)
			own = name;
		c->source = in->source;
		if (in->kind == DOC_DETECTION)
			carry_id(c, in, field_id(c, own));
		else
			carry_through(c, in, own);
	}
}

/* One group-by or value name -> its field id in the events of one input. */
static uint32_t name_in(struct compiler *c, struct doc *d, struct doc *in, struct text text)
{
	struct str name = arena_copy(&c->arena, build_str(&c->build, text));
	struct str own = name.p ? alias(c, d, in, name) : name;
	uint32_t line = body_of(d)->line;
	c->source = in->source;
	if (in->kind == DOC_DETECTION && own.p) {
		uint32_t id = field_id(c, own);
		carry_id(c, in, id);
		return id;
	}
	struct str word = arena_copy(&c->arena, build_str(&c->build, in->name.len ? in->name : in->id));
	if (in->kind == DOC_DETECTION)
		refuse(c, line, "alias '%.*s' says nothing about '%.*s': write its field there", SHORT_ARG(name),
		       SHORT_ARG(word));
	else if (own.p && !str_eq(own, name))
		refuse(c, line, "alias '%.*s' of the correlation '%.*s': write the same name, as that one groups by it",
		       SHORT_ARG(name), SHORT_ARG(word));
	else
		carry_through(c, in, name);
	return NO_INDEX;
}

static struct span names_in(struct compiler *c, struct doc *d, struct doc *in, struct span names)
{
	uint32_t *ids = take(c, (names.n + 1) * sizeof(*ids));
	for (uint32_t i = 0; ids && i < names.n && !c->build.failed; i++)
		ids[i] = name_in(c, d, in, ((const struct text *)c->build.texts.p)[names.at + i]);
	return ids ? pool_put(&c->build.numbers, ids, names.n) : (struct span){ 0 };
}

static void check_aliases(struct compiler *c, struct doc *d)
{
	const struct yaml_node *aliases = yaml_get(body_of(d), "aliases");
	if (aliases && aliases->kind != YAML_MAP && !yaml_is_null(aliases))
		refuse(c, aliases->line, "aliases is no map: write alias: {rule: field}");
	for (const struct yaml_item *i = aliases && aliases->kind == YAML_MAP ? aliases->items : NULL; i; i = i->next) {
		if (i->value->kind != YAML_MAP)
			refuse(c, i->key->line, "alias '%.*s' is no map: write {rule: field}", SHORT_ARG(i->key->text));
		for (const struct yaml_item *k = i->value->kind == YAML_MAP ? i->value->items : NULL; k; k = k->next) {
			bool ambiguous, ours = false;
			const struct doc *of = compiler_find(c, k->key->text, &ambiguous);
			for (uint32_t n = 0; of && n < d->plan->record.inputs.n; n++)
				ours |= &c->docs[d->plan->docs[n]] == of;
			if (!ours)
				refuse(c, k->key->line,
				       "alias '%.*s' names '%.*s', which is not among the rules: write one of them",
				       SHORT_ARG(i->key->text), SHORT_ARG(k->key->text));
		}
	}
}

static bool resolve(struct compiler *c, struct doc *d, unsigned depth);

/* One word of `rules`. */
static void read_input(struct compiler *c, struct doc *d, const struct yaml_node *word, unsigned depth)
{
	struct plan *p = d->plan;
	bool ambiguous = false;
	struct doc *in = word->kind == YAML_SCALAR ? compiler_find(c, word->text, &ambiguous) : NULL;
	struct str name = word->kind == YAML_SCALAR ? word->text : STR("?");
	if (!in) {
		refuse(c, word->line,
		       ambiguous ? "several rules are named '%.*s': write its id"
		                 : "no rule is '%.*s': write the id or name of a rule",
		       SHORT_ARG(name));
		return;
	}
	if (in->kind == DOC_FILTER) {
		refuse(c, word->line, "'%.*s' is a filter: write the id or name of a rule", SHORT_ARG(name));
		return;
	}
	uint32_t at = (uint32_t)(in - c->docs);
	for (uint32_t i = 0; i < p->record.inputs.n && p->record.type != CORRELATE_TEMPORAL_ORDERED; i++)
		if (p->docs[i] == at)
			refuse(c, word->line, "'%.*s' stands there twice: write it once", SHORT_ARG(name));
	bool circle = in->kind == DOC_CORRELATION && in->plan->busy;
	bool ok = !circle && resolve(c, in, depth + 1);
	c->doc = d;
	if (circle)
		refuse(c, word->line, "'%.*s' refers back to this one: write rules without a circle", SHORT_ARG(name));
	else if (!ok)
		refuse(c, word->line, "'%.*s' was refused: mend it first, or write another rule", SHORT_ARG(name));
	p->docs[p->record.inputs.n++] = at;
}

static void read_inputs(struct compiler *c, struct doc *d, unsigned depth)
{
	const struct yaml_node *body = body_of(d), *rules = yaml_get(body, "rules");
	uint32_t n = rules && rules->kind == YAML_LIST ? rules->n : 1;
	d->plan->docs = take(c, (n + 1) * sizeof(*d->plan->docs));
	if (!d->plan->docs)
		return;
	if (rules && rules->kind == YAML_SCALAR && rules->text.n)
		read_input(c, d, rules, depth);
	for (const struct yaml_item *i = rules && rules->kind == YAML_LIST ? rules->items : NULL; i; i = i->next)
		read_input(c, d, i->value, depth);
	if (d->plan->record.inputs.n == 0)
		refuse(c, body->line, "a correlation without rules: write rules: [id or name]");
}

static bool says_yes(const struct yaml_node *n)
{
	bool yes;
	return n && yaml_is_bool(n, &yes) && yes;
}

static void finish(struct compiler *c, struct doc *d)
{
	struct plan *p = d->plan;
	struct correlation *r = &p->record;
	p->inputs = take(c, (r->inputs.n + 1) * sizeof(*p->inputs));
	if (!p->inputs)
		return;
	bool loud = says_yes(yaml_get(d->root, "generate")) || says_yes(yaml_get(body_of(d), "generate"));
	for (uint32_t i = 0; i < r->inputs.n; i++) {
		struct doc *in = &c->docs[p->docs[i]];
		p->inputs[i] = (struct input){ .group = names_in(c, d, in, r->group_names) };
		p->inputs[i].value = names_in(c, d, in, r->value_names);
	}
	for (uint32_t i = 0; i < r->inputs.n && !d->refused; i++) {
		c->docs[p->docs[i]].feeds = true;
		c->docs[p->docs[i]].loud |= loud;
	}
	p->index = c->n_order;
	if (!d->refused)
		c->order[c->n_order++] = (uint32_t)(d - c->docs);
}

/* Everything that d refers to first, then d. False: refused. Recursion is bounded by CHAIN_MAX. */
static bool resolve(struct compiler *c, struct doc *d, unsigned depth)
{
	if (d->kind != DOC_CORRELATION || d->refused || d->plan->done)
		return !d->refused;
	c->doc = d;
	const struct yaml_node *body = body_of(d);
	d->plan->record = (struct correlation){ .gt = -INFINITY,
		                                .gte = -INFINITY,
		                                .lt = INFINITY,
		                                .lte = INFINITY,
		                                .eq = NAN,
		                                .neq = NAN,
		                                .percentile = 50 };
	struct correlation *r = &d->plan->record;
	if (depth > CHAIN_MAX) {
		refuse(c, body->line, "more than %d correlations refer to one another: write a shorter chain",
		       CHAIN_MAX);
		return false;
	}
	if (body->kind != YAML_MAP) {
		refuse(c, body->line, "correlation is no map: write type:, rules:, timespan: and condition: below it");
		return false;
	}
	d->plan->busy = true;
	read_type(c, body, r);
	read_inputs(c, d, depth);
	read_timespan(c, body, r);
	r->group_names = read_names(c, yaml_get(body, "group-by"), "group-by");
	r->n_group = r->group_names.n;
	read_condition(c, body, r);
	check_aliases(c, d);
	if (!d->refused)
		finish(c, d);
	d->plan->busy = false;
	d->plan->done = true;
	return !d->refused;
}

void correlations_resolve(struct compiler *c)
{
	c->order = take(c, (c->n_docs + 1) * sizeof(*c->order));
	for (uint32_t i = 0; i < c->n_docs && c->order; i++)
		if (c->docs[i].kind == DOC_CORRELATION &&
		    !(c->docs[i].plan = arena_zalloc(&c->arena, sizeof(struct plan)))) {
			c->build.failed = true;
			return;
		}
	for (uint32_t i = 0; i < c->n_docs && !c->build.failed; i++)
		resolve(c, &c->docs[i], 0);
}

void correlations_record(struct compiler *c)
{
	for (uint32_t i = 0; i < c->n_order && !c->build.failed; i++) {
		struct doc *d = &c->docs[c->order[i]];
		struct correlation r = d->plan->record;
		r.rule = d->rule;
		r.inputs.at = c->build.inputs.n;
		for (uint32_t k = 0; k < r.inputs.n; k++) {
			struct input in = d->plan->inputs[k];
			in.rule = c->docs[d->plan->docs[k]].rule;
			pool_append(&c->build.inputs, &in);
		}
		pool_append(&c->build.correlations, &r);
	}
}
