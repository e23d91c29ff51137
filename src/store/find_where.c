/* The expression of a question: made ready, and what it says of blocks' filters and of terms that are known. */
#include "store/find.h"

#include <errno.h>

/* How a block's search is dearer by what is asked: all columns instead of one, each text instead of what it holds. */
enum { COST_FIELD = 1, COST_ANY = 64, COST_TEST = 4 };

struct making {
	struct find_where *where;
	struct arena *arena;
	struct err *err;
};

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "search: %m");
}

/* How many terms it has. */
static int check(const struct event_expr *e, unsigned depth, size_t *terms, struct err *err)
{
	if (depth > EVENT_EXPR_DEPTH)
		return err_set(err, -E2BIG, "a search is nested at most %d times", EVENT_EXPR_DEPTH);
	if (e->kind == EXPR_TERM) {
		if (e->term.kind > TERM_TEST || (e->term.kind == TERM_TEST && !e->term.test))
			return err_set(err, -EINVAL, "a term that a search doesn't know");
		if (++*terms > EVENT_EXPR_TERMS)
			return err_set(err, -E2BIG, "a search has at most %d terms", EVENT_EXPR_TERMS);
		return 0;
	}
	if (e->kind > EXPR_NOT || (e->kind == EXPR_NOT && e->n != 1))
		return err_set(err, -EINVAL, "an expression that a search doesn't know");
	int r = 0;
	for (size_t i = 0; !r && i < e->n; i++)
		r = check(&e->of[i], depth + 1, terms, err);
	return r;
}

static int make_term(struct making *m, struct find_node *ret, const struct event_term *term, bool negated)
{
	struct event_term t = *term;
	struct find_term *own = &m->where->terms[m->where->n_terms];
	t.negated ^= negated;
	if (find_term_init(own, &t, m->arena))
		return no_memory(m->err);
	const uint32_t columns = own->n_fields ? COST_FIELD * (uint32_t)own->n_fields : COST_ANY;
	*ret = (struct find_node){
		.kind = EXPR_TERM,
		.term = (uint32_t)m->where->n_terms++,
		.cost = columns * (own->kind == TERM_TEST ? COST_TEST : 1),
		.filtered = own->n_hash > 0,
		.hash = own->hash,
		.n_hash = own->n_hash,
	};
	return 0;
}

static void add_kid(struct find_node *n, const struct find_node *kid)
{
	size_t i = n->n_kids++;
	for (; i && n->kids[i - 1].cost > kid->cost; i--)
		n->kids[i] = n->kids[i - 1];
	n->kids[i] = *kid;
	n->cost = n->cost + kid->cost < n->cost ? UINT32_MAX : n->cost + kid->cost;
}

/* All words of the terms that it joins. */
static int join_hashes(struct making *m, struct find_node *n)
{
	size_t n_hash = 0;
	for (size_t i = 0; i < n->n_kids; i++)
		n_hash += n->kids[i].kind == EXPR_TERM ? n->kids[i].n_hash : 0;
	uint64_t *hash = arena_alloc(m->arena, (n_hash + 1) * sizeof(*hash));
	if (!hash)
		return no_memory(m->err);
	n->hash = hash;
	for (size_t i = 0; i < n->n_kids; i++)
		for (size_t k = 0; n->kids[i].kind == EXPR_TERM && k < n->kids[i].n_hash; k++)
			hash[n->n_hash++] = n->kids[i].hash[k];
	return 0;
}

static int make_node(struct making *m, struct find_node *ret, const struct event_expr *e, bool negated)
{
	for (; e->kind == EXPR_NOT; e = e->of)
		negated = !negated;
	if (e->kind == EXPR_TERM)
		return make_term(m, ret, &e->term, negated);
	struct find_node n = { .kind = (e->kind == EXPR_AND) != negated ? EXPR_AND : EXPR_OR };
	n.kids = arena_alloc(m->arena, (e->n + 1) * sizeof(*n.kids));
	int r = n.kids ? 0 : no_memory(m->err);
	for (size_t i = 0; !r && i < e->n; i++) {
		struct find_node kid;
		r = make_node(m, &kid, &e->of[i], negated);
		if (!r)
			add_kid(&n, &kid);
	}
	n.filtered = n.kind == EXPR_OR;
	for (size_t i = 0; !r && i < n.n_kids; i++)
		n.filtered = n.kind == EXPR_OR ? n.filtered && n.kids[i].filtered : n.filtered || n.kids[i].filtered;
	if (!r && n.kind == EXPR_AND)
		r = join_hashes(m, &n);
	if (!r)
		*ret = n;
	return r;
}

int find_where_init(struct find_where *ret, const struct event_expr *expr, struct arena *arena, struct err *err)
{
	static const struct event_expr all = { .kind = EXPR_AND };
	struct find_where w = { 0 };
	struct making m = { &w, arena, err };
	size_t terms = 0;
	expr = expr ? expr : &all;
	int r = check(expr, 0, &terms, err);
	if (r)
		return r;
	w.terms = arena_alloc(arena, (terms + 1) * sizeof(*w.terms));
	r = w.terms ? make_node(&m, &w.root, expr, false) : no_memory(err);
	w.all = w.root.kind == EXPR_AND && !w.root.n_kids;
	if (!r)
		*ret = w;
	return r;
}

static int may(const struct find_node *n, find_has *has, void *arg, bool *ret, struct err *err)
{
	*ret = true;
	if (!n->filtered)
		return 0;
	int r = n->n_hash ? has(arg, n->hash, n->n_hash, ret, err) : 0;
	if (r || !*ret || n->kind == EXPR_TERM)
		return r;
	const bool any_of = n->kind == EXPR_OR;
	bool one = !any_of;
	/* What an AND's terms ask was asked with it. */
	for (size_t i = 0; !r && one != any_of && i < n->n_kids; i++)
		if (any_of || n->kids[i].kind != EXPR_TERM)
			r = may(&n->kids[i], has, arg, &one, err);
	*ret = one;
	return r;
}

int find_where_may(const struct find_where *w, find_has *has, void *arg, bool *ret, struct err *err)
{
	return may(&w->root, has, arg, ret, err);
}

static bool holds(const struct find_where *w, const struct find_node *n, const struct find_held *held, bool maybe)
{
	if (n->kind == EXPR_TERM) {
		const bool negated = w->terms[n->term].negated;
		return negated ? maybe || !find_has_term(held, n->term) : find_has_term(held, n->term);
	}
	const bool any_of = n->kind == EXPR_OR;
	for (size_t i = 0; i < n->n_kids; i++)
		if (holds(w, &n->kids[i], held, maybe) == any_of)
			return any_of;
	return !any_of;
}

bool find_where_holds(const struct find_where *w, const struct find_held *held, bool maybe)
{
	return holds(w, &w->root, held, maybe);
}
