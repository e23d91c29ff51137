#include "cmd/hunt_words.h"

#include "base/utf8.h"

enum { TERMS_MAX = EVENT_EXPR_TERMS, DEPTH_MAX = EVENT_EXPR_DEPTH - 8 };

struct making {
	const struct ruleset *rs;
	struct arena *arena;
	size_t terms;
};

/* Holds everywhere: what isn't known. */
static const struct event_expr anything = { .kind = EXPR_AND };

static bool is_anything(const struct event_expr *e)
{
	return e->kind == EXPR_AND && !e->n;
}

static struct event_expr *room(struct making *m, size_t n)
{
	return arena_zalloc(m->arena, (n + 1) * sizeof(struct event_expr));
}

/* Filters have no words of times: what may be part of one is no help. */
static bool may_be_time(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!memchr("0123456789tzTZ:.,+- ", s.p[i], 20))
			return false;
	return true;
}

/*
 * A run of a pattern's bytes as a term. Bytes beyond ASCII have other cases than the filter knows, so they end it.
 * `begins`, `ends`: the value begins and ends there, so that its words are whole.
 */
static void add_run(struct making *m, struct event_expr *and, struct str run, bool begins, bool ends)
{
	if (run.n < 2 || may_be_time(run) || m->terms == TERMS_MAX)
		return;
	char *text = arena_alloc(m->arena, run.n + 2);
	size_t n = 0;
	if (!text)
		return;
	/* A blank stands for the end: no word goes on beyond it. */
	if (begins)
		text[n++] = ' ';
	memcpy(text + n, run.p, run.n);
	n += run.n;
	if (ends)
		text[n++] = ' ';
	m->terms++;
	((struct event_expr *)and->of)[ and->n++] =
	        (struct event_expr){ .kind = EXPR_TERM, .term = { .kind = TERM_SUBSTRING, .text = { text, n } } };
}

static bool ends_run(unsigned char c)
{
	return c >= 0x80;
}

static struct event_expr of_text(struct making *m, struct str text, bool begins, bool ends)
{
	struct event_expr and = { .kind = EXPR_AND, .of = room(m, text.n / 2 + 1) };
	if (!and.of)
		return anything;
	for (size_t at = 0, end; at < text.n; at = end + 1) {
		for (end = at; end < text.n && !ends_run((unsigned char)text.p[end]);)
			end++;
		/* Next to a byte that isn't known stands a word's part, too. */
		add_run(m, &and, str_sub(text, at, end - at), begins && !at, ends && end == text.n);
	}
	return and;
}

static struct event_expr of_pattern(struct making *m, const struct pattern *p)
{
	const struct str text = ruleset_text(m->rs, p->text);
	if (p->part != PART_NONE)
		return anything;
	switch ((enum pattern_op)p->op) {
	case PATTERN_EQ: return of_text(m, text, true, true);
	case PATTERN_PREFIX: return of_text(m, text, true, false);
	case PATTERN_SUFFIX: return of_text(m, text, false, true);
	case PATTERN_CONTAINS: return of_text(m, text, false, false);
	case PATTERN_GLOB: return of_text(m, text, true, true);
	default: return anything;
	}
}

/* All of some, or any of them, made by `one`. */
static struct event_expr join(struct making *m, size_t n, bool all,
                              struct event_expr (*one)(struct making *m, const void *arg, size_t i, unsigned depth),
                              const void *arg, unsigned depth)
{
	struct event_expr *of = room(m, n), e = { .kind = all ? EXPR_AND : EXPR_OR, .of = of };
	if (!of || depth > DEPTH_MAX)
		return anything;
	for (size_t i = 0; i < n; i++) {
		const struct event_expr kid = one(m, arg, i, depth + 1);
		if (!is_anything(&kid))
			of[e.n++] = kid;
		else if (!all)
			return anything;
	}
	return e.n == 1 ? of[0] : e;
}

static struct event_expr one_pattern(struct making *m, const void *arg, size_t i, unsigned depth)
{
	const struct test *t = arg;
	return of_pattern(m, &m->rs->patterns[t->patterns.at + i]);
}

static struct event_expr of_node(struct making *m, uint32_t node, unsigned depth);

static struct event_expr one_kid(struct making *m, const void *arg, size_t i, unsigned depth)
{
	const struct node *n = arg;
	return of_node(m, m->rs->numbers[n->kids.at + i], depth);
}

static struct event_expr of_node(struct making *m, uint32_t node, unsigned depth)
{
	const struct node *n = &m->rs->nodes[node];
	const struct test *t;
	switch ((enum node_op)n->op) {
	case NODE_FALSE: return (struct event_expr){ .kind = EXPR_OR };
	case NODE_AND: return join(m, n->kids.n, true, one_kid, n, depth);
	case NODE_OR: return join(m, n->kids.n, false, one_kid, n, depth);
	case NODE_AT_LEAST: return n->arg ? join(m, n->kids.n, false, one_kid, n, depth) : anything;
	case NODE_TEST:
		t = &m->rs->tests[n->arg];
		return t->negate ? anything : join(m, t->patterns.n, t->all, one_pattern, t, depth);
	default: return anything;
	}
}

static struct event_expr one_rule(struct making *m, const void *arg, size_t i, unsigned depth)
{
	const struct rule *r = &m->rs->rules[i];
	/* A correlation is about events of the others. */
	return r->node == NO_INDEX ? (struct event_expr){ .kind = EXPR_OR } : of_node(m, r->node, depth);
}

const struct event_expr *hunt_words(const struct ruleset *rs, struct arena *arena)
{
	struct making m = { rs, arena, 0 };
	struct event_expr *ret = arena_zalloc(arena, sizeof(*ret));
	if (!ret)
		return NULL;
	*ret = join(&m, rs->n_rules, false, one_rule, NULL, 0);
	return is_anything(ret) || m.terms >= TERMS_MAX ? NULL : ret;
}
