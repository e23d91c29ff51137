#include "rule/compiler.h"

#include <strings.h>

enum { CONDITION_MAX_DEPTH = 64 };

struct condition {
	struct compiler *c;
	uint32_t line;
	struct str rest; /* behind `word` */
	struct str word; /* the next one; empty at the end */
	unsigned depth;
	struct selection *selections;
	uint32_t n;
};

static bool blank(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r';
}

static void advance(struct condition *k)
{
	struct str s = k->rest;
	while (s.n && blank(s.p[0]))
		s = str_sub(s, 1, s.n);
	size_t n = 0;
	if (s.n && strchr("()|", s.p[0]))
		n = 1;
	else
		while (n < s.n && !blank(s.p[n]) && !strchr("()|", s.p[n]))
			n++;
	k->word = str_sub(s, 0, n);
	k->rest = str_sub(s, n, s.n);
}

static bool is(struct str word, const char *what)
{
	return word.n == strlen(what) && strncasecmp(word.p, what, word.n) == 0;
}

static bool next_is(struct condition *k, const char *what)
{
	if (!is(k->word, what))
		return false;
	advance(k);
	return true;
}

static uint32_t fail(struct condition *k, const char *what)
{
	if (k->word.n)
		refuse(k->c, k->line, "condition, at '%.*s': %s", SHORT_ARG(k->word), what);
	else
		refuse(k->c, k->line, "condition, at its end: %s", what);
	k->word = k->rest = (struct str){ "", 0 };
	return build_const(&k->c->build, false);
}

/* `*` is any run of characters. */
static bool fits(struct str pattern, struct str name)
{
	size_t p = 0, i = 0, star = pattern.n, mark = 0;
	while (i < name.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			mark = i;
		} else if (p < pattern.n && pattern.p[p] == name.p[i]) {
			p++;
			i++;
		} else if (star < pattern.n) {
			p = star + 1;
			i = ++mark;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

static uint32_t named(struct condition *k)
{
	for (uint32_t i = 0; i < k->n; i++)
		if (str_eq(k->selections[i].name, k->word)) {
			k->selections[i].used = true;
			advance(k);
			return k->selections[i].node;
		}
	struct str *names = take(k->c, (k->n + 1) * sizeof(*names));
	for (uint32_t i = 0; names && i < k->n; i++)
		names[i] = k->selections[i].name;
	struct str near = names ? nearest(k->word, names, k->n) : (struct str){ 0 };
	if (!near.p)
		return fail(k, str_find(k->word, '*') < k->word.n
		                       ? "a pattern alone: write 1 of or all of before it"
		                       : "no selection has this name: write one of those above");
	struct str what = arena_printf(&k->c->arena, "no selection has this name: write %.*s", SHORT_ARG(near));
	return fail(k, what.p ? what.p : "no selection has this name");
}

/* How many `word` asks for: NO_INDEX for all. 0: it isn't a count. */
static uint32_t count_of(struct str word)
{
	if (is(word, "all"))
		return NO_INDEX;
	if (is(word, "any"))
		return 1;
	uint32_t n = 0;
	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] < '0' || word.p[i] > '9' || n > 10000)
			return 0;
		n = n * 10 + (uint32_t)(word.p[i] - '0');
	}
	return n;
}

/* Behind `N of`: them, or a pattern. */
static uint32_t some_of(struct condition *k, struct str count)
{
	uint32_t need = count_of(count), n = 0;
	if (!need)
		return fail(k, "'of' without a count: write 1 of, 2 of, any of or all of");
	bool them = is(k->word, "them");
	uint32_t *kids = take(k->c, (k->n + 1) * sizeof(*kids));
	for (uint32_t i = 0; kids && i < k->n; i++) {
		struct selection *s = &k->selections[i];
		if (them ? s->name.n && s->name.p[0] == '_' : !fits(k->word, s->name))
			continue;
		s->used = true;
		kids[n++] = s->node;
	}
	if (k->word.n == 0 || n == 0)
		return fail(k, "'of' what? No selection fits: write them, or a name with * in it");
	if (need == NO_INDEX)
		need = n;
	if (need > n)
		return fail(k, "fewer selections fit than are asked for: write a smaller number or all of");
	advance(k);
	return build_at_least(&k->c->build, need, kids, n);
}

static uint32_t either(struct condition *k);

static uint32_t one(struct condition *k)
{
	if (next_is(k, "not")) {
		if (++k->depth > CONDITION_MAX_DEPTH)
			return fail(k, "nested too deeply: write fewer brackets");
		uint32_t kid = one(k);
		k->depth--;
		return build_not(&k->c->build, kid);
	}
	if (next_is(k, "(")) {
		if (++k->depth > CONDITION_MAX_DEPTH)
			return fail(k, "nested too deeply: write fewer brackets");
		uint32_t kid = either(k);
		k->depth--;
		return next_is(k, ")") ? kid : fail(k, "a bracket is open: write )");
	}
	if (k->word.n == 0 || strchr("()|", k->word.p[0]) || is(k->word, "and") || is(k->word, "or"))
		return fail(k, "a selection is missing: write its name");
	struct condition ahead = *k;
	advance(&ahead);
	if (is(ahead.word, "of")) {
		struct str count = k->word;
		advance(k);
		advance(k);
		return some_of(k, count);
	}
	return named(k);
}

/* Operands with `word` between them. */
static uint32_t joined(struct condition *k, const char *word, enum node_op op, uint32_t (*operand)(struct condition *))
{
	uint32_t *kids = NULL, n = 0, cap = 0;
	do {
		uint32_t kid = operand(k);
		if (grow(k->c, (void **)&kids, n, &cap, sizeof(*kids)))
			kids[n++] = kid;
	} while (next_is(k, word));
	return build_join(&k->c->build, op, kids, n);
}

static uint32_t both(struct condition *k)
{
	return joined(k, "and", NODE_AND, one);
}

static uint32_t either(struct condition *k)
{
	return joined(k, "or", NODE_OR, both);
}

static uint32_t one_condition(struct compiler *c, const struct yaml_node *text, struct selection *s, uint32_t n)
{
	if (text->kind != YAML_SCALAR || text->text.n == 0) {
		refuse(c, text->line, "a condition must be text: write one, as in condition: selection");
		return build_const(&c->build, false);
	}
	struct condition k = { .c = c, .line = text->line, .rest = text->text, .selections = s, .n = n };
	advance(&k);
	uint32_t node = either(&k);
	if (is(k.word, "|"))
		return fail(&k, "counting and near are no longer Sigma: write a correlation rule");
	return k.word.n ? fail(&k, "and, or or nothing was expected here: write and or or before it") : node;
}

uint32_t condition_node(struct compiler *c, const struct yaml_node *condition, struct selection *s, uint32_t n)
{
	if (condition->kind != YAML_LIST)
		return one_condition(c, condition, s, n);
	if (condition->n == 0)
		refuse(c, condition->line, "no condition: write one, as in condition: selection");
	uint32_t *kids = take(c, (condition->n + 1) * sizeof(*kids)), k = 0;
	for (const struct yaml_item *i = kids ? condition->items : NULL; i; i = i->next)
		kids[k++] = one_condition(c, i->value, s, n);
	return build_join(&c->build, NODE_OR, kids, k);
}

struct selection *selections_of(struct compiler *c, const struct yaml_node *detection, uint32_t *n)
{
	struct selection *s = take(c, (detection->n + 1) * sizeof(*s));
	uint32_t k = 0;
	for (const struct yaml_item *i = s ? detection->items : NULL; i; i = i->next) {
		struct str name = i->key->text;
		if (str_eq(name, STR("condition")) || str_eq(name, STR("timeframe")) || str_eq(name, STR("rules")))
			continue;
		if (yaml_is_null(i->value))
			refuse(c, i->key->line, "selection %.*s is empty: write at least one field with a value",
			       SHORT_ARG(name));
		s[k++] = (struct selection){ .name = name, .yaml = i->value };
	}
	if (k == 0)
		refuse(c, detection->line, "no selection: write one, as in selection: {Field: value}");
	*n = k;
	return is_refused(c) ? NULL : s;
}
