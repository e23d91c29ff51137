#include "match/literal.h"

#include "base/utf8.h"

enum { SET_MAX = 4096 };

/* How often a literal is likely to show up where no rule wants it: shorter is more. Figures from real Windows events. */
static double literal_cost(const struct literal *l)
{
	bool whole = l->anchor == (LITERAL_START | LITERAL_END);
	double n = (double)l->text.n;
	if (whole)
		n = n < 6 ? n / 2 + 1 : n; /* event ids and flags: few different values */
	else if (l->anchor)
		n += 1;
	return n >= 12 ? 1.0 / n : n >= 4 ? 100.0 / (n * n) : 1000.0 / (n * n + 1);
}

static struct str fold_into(struct arena *arena, struct str text)
{
	char *to = arena_alloc(arena, UTF8_FOLD_MAX(text.n));
	if (!to)
		return (struct str){ 0 };
	return (struct str){ to, utf8_fold(to, text) };
}

static struct str longest_run(struct str glob, uint32_t *anchor)
{
	struct str best = { glob.p, 0 };
	size_t from = 0;
	for (size_t i = 0; i <= glob.n; i++) {
		if (i < glob.n && (unsigned char)glob.p[i] != GLOB_ANY && (unsigned char)glob.p[i] != GLOB_ONE)
			continue;
		if (i - from > best.n) {
			best = str_sub(glob, from, i - from);
			*anchor = (from == 0 ? LITERAL_START : 0) | (i == glob.n ? LITERAL_END : 0);
		}
		from = i + 1;
	}
	return best;
}

/* Past the end of what opens at s[i], '(' or '['. */
static size_t skip_group(struct str s, size_t i)
{
	int depth = 0;
	bool class = false;
	for (; i < s.n; i++) {
		char c = s.p[i];
		if (c == '\\') {
			i++;
		} else if (class) {
			class = c != ']';
		} else if (c == '[') {
			class = true;
			size_t first = i + 1 + (i + 1 < s.n && s.p[i + 1] == '^');
			if (first < s.n && s.p[first] == ']')
				i = first; /* a ] that stands first is itself */
		} else if (c == '(') {
			depth++;
		} else if (c == ')') {
			depth--;
		}
		if (!class && depth == 0)
			return i + 1;
	}
	return s.n;
}

static void keep_longest(struct str *best, char *run, size_t *n, struct arena *arena)
{
	if (*n > best->n)
		*best = arena_copy(arena, (struct str){ run, *n });
	*n = 0;
}

static void drop_last_char(const char *run, size_t *n)
{
	while (*n && ((unsigned char)run[*n - 1] & 0xc0) == 0x80)
		--*n;
	if (*n)
		--*n;
}

/* What may change how the text reads: alternatives at the top, free spacing, quoting. */
static bool regex_is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\') {
			if (i + 1 < s.n && (s.p[i + 1] == 'Q' || s.p[i + 1] == 'E'))
				return false;
			i++;
		} else if (s.p[i] == '|') {
			return false;
		} else if (s.p[i] == '(' || s.p[i] == '[') {
			if (i + 2 < s.n && s.p[i] == '(' && s.p[i + 1] == '?')
				for (size_t k = i + 2; k < s.n && s.p[k] != ')' && s.p[k] != ':'; k++)
					if (s.p[k] == 'x' || s.p[k] == '|')
						return false;
			i = skip_group(s, i) - 1;
		}
	}
	return true;
}

/* Past an escape that is no literal: \d, \x41, \x{41}, \p{L}, \1. */
static size_t skip_escape(struct str s, size_t i)
{
	char c = s.p[i++];
	if (i < s.n && s.p[i] == '{' && strchr("xopPNgk", c))
		return i + str_find(str_sub(s, i, s.n), '}') + 1;
	if (i < s.n && strchr("gk", c) && strchr("<'", s.p[i]))
		return i + 1 + str_find(str_sub(s, i + 1, s.n), s.p[i] == '<' ? '>' : '\'') + 1;
	if (c == 'c' || c == 'p' || c == 'P')
		return i + 1;
	bool hex = c == 'x';
	if (hex || c == 'g' || (c >= '0' && c <= '9'))
		for (int n = 0; i < s.n && n < (hex ? 2 : 4); n++, i++)
			if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(hex && s.p[i] && strchr("abcdefABCDEF", s.p[i])))
				break;
	return i;
}

struct str literal_of_regex(struct str s, struct arena *arena)
{
	struct str best = { "", 0 };
	char run[256];
	size_t n = 0;
	if (!regex_is_plain(s))
		return best;
	for (size_t i = 0; i < s.n;) {
		char c = s.p[i];
		if (c == '(' || c == '[') {
			keep_longest(&best, run, &n, arena);
			i = skip_group(s, i);
		} else if (c == '?' || c == '*' || c == '{') {
			drop_last_char(run, &n);
			keep_longest(&best, run, &n, arena);
			i = c == '{' ? i + str_find(str_sub(s, i, s.n), '}') + 1 : i + 1;
		} else if (c == '+' || c == '.' || c == '^' || c == '$') {
			keep_longest(&best, run, &n, arena);
			i++;
		} else if (c == '\\' && i + 1 < s.n &&
		           (((s.p[i + 1] | 32) >= 'a' && (s.p[i + 1] | 32) <= 'z') ||
		            (s.p[i + 1] >= '0' && s.p[i + 1] <= '9'))) {
			keep_longest(&best, run, &n, arena);
			i = skip_escape(s, i + 1);
		} else {
			if (c == '\\' && ++i == s.n)
				break;
			if (n == sizeof(run))
				keep_longest(&best, run, &n, arena);
			run[n++] = s.p[i++];
		}
	}
	keep_longest(&best, run, &n, arena);
	return best;
}

/* To what Vectorscan takes: it refuses a literal that begins with NUL, and long ones bring no more. */
static void shorten(struct literal *l)
{
	if (l->anchor == (LITERAL_START | LITERAL_END))
		return; /* looked up by hash */
	for (; l->text.n && l->text.p[0] == '\0'; l->text = str_sub(l->text, 1, l->text.n))
		l->anchor &= ~(uint32_t)LITERAL_START;
	if (l->text.n <= LITERAL_MAX)
		return;
	size_t cut = l->text.n - LITERAL_MAX;
	l->text = l->anchor == LITERAL_END ? str_sub(l->text, cut, LITERAL_MAX) : str_sub(l->text, 0, LITERAL_MAX);
}

/* What must stand in a value that fits the pattern; false: nothing that can be named. */
static bool pattern_literal(const struct ruleset *rs, const struct pattern *p, struct arena *arena, struct literal *ret)
{
	struct str text = ruleset_text(rs, p->text);
	uint32_t anchor = 0;
	if (p->part != PART_NONE)
		return false;
	switch ((enum pattern_op)p->op) {
	case PATTERN_EQ: anchor = LITERAL_START | LITERAL_END; break;
	case PATTERN_PREFIX: anchor = LITERAL_START; break;
	case PATTERN_SUFFIX: anchor = LITERAL_END; break;
	case PATTERN_CONTAINS: break;
	case PATTERN_GLOB: text = longest_run(text, &anchor); break;
	case PATTERN_RE: text = literal_of_regex(text, arena); break;
	default: return false;
	}
	if (text.n == 0 && anchor != (LITERAL_START | LITERAL_END))
		return false;
	if (p->cased || p->op == PATTERN_RE)
		text = fold_into(arena, text);
	if (!text.p)
		return false;
	*ret = (struct literal){ .field = NO_INDEX, .anchor = anchor, .text = text };
	shorten(ret);
	return ret->text.n || ret->anchor == (LITERAL_START | LITERAL_END);
}

static bool set_of_one(struct arena *arena, struct literal l, struct literal_set *ret)
{
	struct literal *items = arena_alloc(arena, sizeof(*items));
	if (!items)
		return false;
	*items = l;
	*ret = (struct literal_set){ items, 1, literal_cost(&l) };
	return true;
}

static bool set_union(struct arena *arena, struct literal_set *into, const struct literal_set *more)
{
	if (into->n + more->n > SET_MAX)
		return false;
	struct literal *items = arena_alloc(arena, (into->n + more->n + 1) * sizeof(*items));
	if (!items)
		return false;
	if (into->n)
		memcpy(items, into->items, into->n * sizeof(*items));
	if (more->n)
		memcpy(items + into->n, more->items, more->n * sizeof(*items));
	*into = (struct literal_set){ items, into->n + more->n, into->cost + more->cost };
	return true;
}

static bool test_literals(const struct ruleset *rs, const struct test *t, struct arena *arena, struct literal_set *ret)
{
	struct literal_set whole = { 0 };
	bool found = false;
	if (t->negate)
		return false;
	struct literal *items = t->all ? NULL : arena_alloc(arena, (t->patterns.n + 1) * sizeof(*items));
	if (!t->all && !items)
		return false;
	for (uint32_t i = 0; i < t->patterns.n; i++) {
		struct literal l;
		struct literal_set one;
		bool ok = pattern_literal(rs, &rs->patterns[t->patterns.at + i], arena, &l);
		l.field = t->field;
		if (ok && t->field == NO_INDEX) {
			l.anchor = 0; /* keywords stand anywhere */
			shorten(&l);
			ok = l.text.n > 0;
		}
		if (t->all) { /* each must hold: the best one does */
			if (ok && set_of_one(arena, l, &one) && (!found || one.cost < whole.cost)) {
				whole = one;
				found = true;
			}
			continue;
		}
		if (!ok || i >= SET_MAX)
			return false;
		items[whole.n++] = l;
		whole.cost += literal_cost(&l);
		whole.items = items;
		found = true;
	}
	if (found)
		*ret = whole;
	return found;
}

bool literal_choose(const struct ruleset *rs, uint32_t node, struct arena *arena, struct literal_set *ret)
{
	const struct node *n = &rs->nodes[node];
	const uint32_t *kids = rs->numbers + n->kids.at;
	struct literal_set whole = { 0 }, one;
	bool found = false;
	switch ((enum node_op)n->op) {
	case NODE_FALSE: *ret = whole; return true;
	case NODE_TEST: return test_literals(rs, &rs->tests[n->arg], arena, ret);
	case NODE_AND:
		for (uint32_t i = 0; i < n->kids.n; i++)
			if (literal_choose(rs, kids[i], arena, &one) && (!found || one.cost < whole.cost)) {
				whole = one;
				found = true;
			}
		break;
	case NODE_AT_LEAST:
		if (n->arg == 0)
			return false;
		__attribute__((fallthrough));
	case NODE_OR:
		for (uint32_t i = 0; i < n->kids.n; i++)
			if (!literal_choose(rs, kids[i], arena, &one) || !set_union(arena, &whole, &one))
				return false;
		found = true;
		break;
	case NODE_TRUE:
	case NODE_NOT: return false;
	}
	if (found)
		*ret = whole;
	return found;
}
