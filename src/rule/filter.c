/* Sigma filters: they take matches away from other rules. */
#include "rule/compiler.h"

/* Compiles the filter for rules of c->source: a node that holds for what may stay. */
static uint32_t stays(struct compiler *c, const struct doc *filter)
{
	const struct yaml_node *body = yaml_get(filter->root, "filter"), *condition = yaml_get(body, "condition");
	uint32_t n, no = build_const(&c->build, false);
	struct selection *s = selections_of(c, body, &n);
	if (!s)
		return no;
	/* "not selection" is true of an event that no selection fits: it says what stays. "selection" says what goes. */
	for (uint32_t i = 0; i < n; i++)
		s[i].node = no;
	uint32_t without = condition_node(c, condition, s, n);
	if (is_refused(c) || c->build.failed)
		return no;
	for (uint32_t i = 0; i < n; i++)
		s[i].node = selection_node(c, s[i].yaml);
	uint32_t node = condition_node(c, condition, s, n);
	return build_op(&c->build, without) == NODE_TRUE ? node : build_not(&c->build, node);
}

void filter_check(struct compiler *c, struct doc *filter)
{
	const struct yaml_node *body = yaml_get(filter->root, "filter");
	if (body->kind != YAML_MAP) {
		refuse(c, body->line, "filter is no map: write rules:, a selection and condition: below it");
		return;
	}
	if (!yaml_get(body, "condition")) {
		refuse(c, body->line, "a filter without a condition: write condition: not selection");
		return;
	}
	filter->source = source_of(c, yaml_get(filter->root, "logsource"));
	c->source = filter->source;
	stays(c, filter);
}

/* nodes[source]: the filter compiled for that log source, or NO_INDEX. */
static void apply(struct compiler *c, const struct doc *filter, struct doc *to, uint32_t *nodes)
{
	uint32_t *node = &nodes[to->source];
	if (to->refused)
		return;
	c->source = to->source;
	if (*node == NO_INDEX)
		*node = stays(c, filter);
	to->node = build_join(&c->build, NODE_AND, (uint32_t[]){ to->node, *node }, 2);
}

static void apply_to_word(struct compiler *c, const struct doc *filter, const struct yaml_node *word, uint32_t *nodes)
{
	bool ambiguous = false;
	struct doc *to = word->kind == YAML_SCALAR ? compiler_find(c, word->text, &ambiguous) : NULL;
	struct str name = word->kind == YAML_SCALAR ? word->text : STR("?");
	if (!to)
		warn(c, word->line, "filter for '%.*s', %s: write the id or name of a rule", SHORT_ARG(name),
		     ambiguous ? "a name that several rules have" : "which no rule has");
	else if (to->kind != DOC_DETECTION)
		warn(c, word->line, "filter for '%.*s', which reads no events: write the rules that it refers to",
		     SHORT_ARG(name));
	else if (!source_within(*source_at(c, filter->source), *source_at(c, to->source)))
		warn(c, word->line,
		     "filter for '%.*s', which has another logsource: write that one, or leave parts out",
		     SHORT_ARG(name));
	else
		apply(c, filter, to, nodes);
}

static void apply_filter(struct compiler *c, const struct doc *filter)
{
	const struct yaml_node *rules = yaml_get(yaml_get(filter->root, "filter"), "rules");
	uint32_t *nodes = take(c, c->sources.n * sizeof(*nodes));
	if (!nodes)
		return;
	memset(nodes, 0xff, c->sources.n * sizeof(*nodes));
	if (rules && rules->kind == YAML_LIST) {
		for (const struct yaml_item *i = rules->items; i; i = i->next)
			apply_to_word(c, filter, i->value, nodes);
		return;
	}
	if (rules && !yaml_is_null(rules) && !(rules->kind == YAML_SCALAR && str_eq(rules->text, STR("any")))) {
		apply_to_word(c, filter, rules, nodes);
		return;
	}
	for (uint32_t i = 0; i < c->n_docs; i++) {
		struct doc *d = &c->docs[i];
		if (d->kind == DOC_DETECTION && !d->refused &&
		    source_within(*source_at(c, filter->source), *source_at(c, d->source)))
			apply(c, filter, d, nodes);
	}
}

void filters_apply(struct compiler *c)
{
	for (uint32_t i = 0; i < c->n_docs && !c->build.failed; i++) {
		c->doc = &c->docs[i];
		if (c->doc->kind == DOC_FILTER && !c->doc->refused)
			apply_filter(c, c->doc);
	}
}
