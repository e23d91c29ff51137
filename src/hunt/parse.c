/* A hunt's text: the expression, term by term. */
#include "hunt/parse.h"
#include "hunt/flow.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>

/* What a group, "field:(a OR b)", says of the texts in it. */
struct subject {
	struct str field;
	enum hunt_test test;
};

static struct hunt_node *parse_or(struct parser *p, const struct subject *s);

bool parse_has_wild(struct str text)
{
	return memchr(text.p, HUNT_ANY, text.n) || memchr(text.p, HUNT_ONE, text.n);
}

static struct hunt_node *new_node(struct parser *p, enum hunt_node_kind kind, size_t at)
{
	struct hunt_node *n = arena_zalloc(p->arena, sizeof(*n));
	if (!n)
		return parse_no_memory(p);
	n->kind = kind;
	n->at = at;
	n->end = p->at;
	return n;
}

static struct hunt_node *new_term(struct parser *p, size_t at, const struct hunt_term *t)
{
	struct hunt_node *n = new_node(p, HUNT_TERM, at);
	struct hunt_term *own = n ? arena_alloc(p->arena, sizeof(*own)) : NULL;
	if (!own)
		return parse_no_memory(p);
	if (++p->terms > HUNT_TERMS)
		return parse_fail(p, at, p->at, "a hunt has at most %d terms", HUNT_TERMS);
	*own = *t;
	n->term = own;
	return n;
}

static bool add_kid(struct parser *p, struct hunt_node *n, struct hunt_node *kid)
{
	if (!kid)
		return false;
	if ((n->n & (n->n + 1)) == 0) { /* full at 0, 1, 3, 7... */
		struct hunt_node **kids = arena_alloc(p->arena, (n->n * 2 + 1) * sizeof(struct hunt_node *));
		if (!kids)
			return parse_no_memory(p);
		for (size_t i = 0; i < n->n; i++)
			kids[i] = n->kids[i];
		n->kids = kids;
	}
	n->kids[n->n++] = kid;
	n->end = kid->end;
	return true;
}

/* --- values --- */

/* An expression between slashes: "/" ends it, so within it is written "\/". 0: none stands here. */
static size_t regex_end(const struct parser *p)
{
	size_t at = p->at + 1;
	while (at < p->in.n && p->in.p[at] != '/')
		at += p->in.p[at] == '\\' ? 2 : 1;
	if (at >= p->in.n || at == p->at + 1)
		return 0;
	const size_t flags = at + 1 < p->in.n && p->in.p[at + 1] == 'i' ? 2 : 1;
	const char next = at + flags < p->in.n ? p->in.p[at + flags] : ' ';
	return strchr(" \t\r\n)|", next) ? at : 0;
}

static struct hunt_node *parse_regex(struct parser *p, size_t at, struct str field, size_t end)
{
	struct hunt_term t = { .test = TEST_REGEX, .field = field };
	const struct str in = str_sub(p->in, p->at + 1, end - p->at - 1);
	char *to = arena_alloc(p->arena, in.n);
	size_t n = 0;
	if (!to)
		return parse_no_memory(p);
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '\\' && i + 1 < in.n && in.p[i + 1] != '/')
			to[n++] = in.p[i++];
		else if (in.p[i] == '\\')
			i++;
		to[n++] = in.p[i];
	}
	struct err why;
	size_t wrong = 0;
	t.text = (struct str){ to, n };
	if (!hunt_regex_ok(t.text, false, &wrong, &why))
		return parse_fail(p, p->at + 1 + (wrong < in.n ? wrong : in.n), end, "%s", why.text);
	p->at = end + 1;
	if (p->at < p->in.n && p->in.p[p->at] == 'i') {
		t.caseless = true;
		p->at++;
	}
	return new_term(p, at, &t);
}

/* One end of a range. */
static bool parse_end(struct parser *p, struct hunt_bound *ret)
{
	const char c = parse_peek(p);
	const size_t at = p->at;
	struct str text = c == '"' ? parse_quoted(p) : parse_word(p, "]}");
	if (c != '"')
		p->at += text.n;
	if (p->failed)
		return false;
	if (c != '"' && str_eq(text, STR("*"))) {
		*ret = (struct hunt_bound){ 0 };
		return true;
	}
	if (!text.n)
		parse_fail(p, at, at, "a range is written [1 TO 5], and * stands for an end that is open");
	else if (!hunt_bound_read(text, ret))
		parse_fail(p, at, p->at,
		           "'" STR_FMT "' is no number, time or address: a range goes from one to another",
		           STR_ARG(text));
	return !p->failed;
}

static struct hunt_node *parse_range(struct parser *p, size_t at, struct str field)
{
	struct hunt_term t = { .test = TEST_RANGE, .field = field };
	const size_t from = p->at;
	const bool low_open = p->in.p[p->at++] == '{';
	if (!parse_end(p, &t.low))
		return NULL;
	if (!parse_take_word(p, "to"))
		return parse_fail(p, p->at, p->at, "TO is missing: a range is written [1 TO 5]");
	if (!parse_end(p, &t.high))
		return NULL;
	const char close = parse_peek(p);
	if (close != ']' && close != '}')
		return parse_fail(p, from, p->at,
		                  "the range has no end: write ] behind it (or }, to leave the end out)");
	p->at++;
	t.low.open = low_open && t.low.kind;
	t.high.open = close == '}' && t.high.kind;
	if (t.low.kind && t.high.kind && t.low.kind != t.high.kind)
		return parse_fail(p, from, p->at, "one end is a number, a time or an address, and the other another");
	if (!t.low.kind && !t.high.kind)
		return parse_fail(p, from, p->at, "both ends are open; " STR_FMT ":* asks whether the field is there",
		                  STR_ARG(field));
	return new_term(p, at, &t);
}

static struct hunt_node *parse_bound(struct parser *p, size_t at, struct str field, enum hunt_test test)
{
	struct hunt_term t = { .test = test, .field = field };
	const char c = parse_peek(p);
	const size_t from = p->at;
	struct str text = c == '"' ? parse_quoted(p) : parse_word(p, NULL);
	if (c != '"')
		p->at += text.n;
	if (p->failed)
		return NULL;
	if (!hunt_bound_read(text, &t.low))
		return parse_fail(
		        p, from, p->at,
		        "a number, a time (2026-11-22, \"2026-11-22 08:30\") or an address stands here; words "
		        "have no order");
	return new_term(p, at, &t);
}

/* An unquoted text: what it holds says which test it is. */
static struct hunt_node *plain_value(struct parser *p, size_t at, const struct subject *s, struct str word)
{
	struct hunt_term t = { .test = s->test, .field = s->field };
	if (t.test != TEST_DIFFERS) {
		const int r = hunt_network(word, &t);
		if (r == -2)
			return parse_fail(
			        p, p->at - word.n, p->at,
			        "bits are set behind the network's length; in quotes it is a text like any other");
		if (!r) {
			t.test = TEST_NETWORK;
			t.text = word;
			return new_term(p, at, &t);
		}
	}
	t.text = parse_wild(p, word);
	if (!t.text.p)
		return NULL;
	bool all = t.text.n > 0;
	for (size_t i = 0; i < t.text.n; i++)
		all = all && (unsigned char)t.text.p[i] == HUNT_ANY;
	if (!all || t.test == TEST_DIFFERS)
		return new_term(p, at, &t);
	if (!s->field.n)
		return new_node(p, HUNT_ALL, at);
	t.test = TEST_EXISTS;
	t.text = STR("");
	return new_term(p, at, &t);
}

static struct hunt_node *quoted_value(struct parser *p, size_t at, const struct subject *s)
{
	struct hunt_term t = { .test = s->field.n ? s->test : TEST_PHRASE, .field = s->field };
	const size_t from = p->at;
	t.text = parse_quoted(p);
	if (!t.text.p)
		return NULL;
	if (!t.text.n && !s->field.n)
		return parse_fail(p, from, p->at, "there is nothing between the quotes to look for");
	return new_term(p, at, &t);
}

static struct hunt_node *parse_value(struct parser *p, size_t at, const struct subject *s)
{
	const char c = parse_peek(p);
	const bool ranges = s->field.n && s->test != TEST_DIFFERS;
	if (c == '"')
		return quoted_value(p, at, s);
	if (ranges && (c == '[' || c == '{'))
		return parse_range(p, at, s->field);
	const size_t end = c == '/' && s->test != TEST_DIFFERS ? regex_end(p) : 0;
	if (end)
		return parse_regex(p, at, s->field, end);
	struct str word = parse_word(p, NULL);
	if (!word.n)
		return parse_fail(p, p->at, p->at, "a value is missing; " STR_FMT ":* asks whether the field is there",
		                  STR_ARG(s->field));
	p->at += word.n;
	return plain_value(p, at, s, word);
}

static struct hunt_node *close_bracket(struct parser *p, size_t at, struct hunt_node *n)
{
	p->depth--;
	if (!n)
		return NULL;
	if (!parse_take(p, ")"))
		return parse_fail(p, at, at + 1, "the closing ')' is missing");
	n->at = at;
	n->end = p->at;
	return n;
}

static bool open_bracket(struct parser *p)
{
	if (p->depth == HUNT_DEPTH)
		parse_fail(p, p->at, p->at + 1, "brackets are nested at most %d deep", HUNT_DEPTH);
	else
		p->at++, p->depth++;
	return !p->failed;
}

static struct hunt_node *parse_group(struct parser *p, size_t at, const struct subject *s)
{
	const size_t from = p->at;
	if (!open_bracket(p))
		return NULL;
	struct hunt_node *n = close_bracket(p, from, parse_or(p, s));
	if (n)
		n->at = at;
	return n;
}

/* IN (a, b, "c d") */
static struct hunt_node *parse_list(struct parser *p, size_t at, struct str field)
{
	const struct subject s = { field, TEST_EXACT };
	if (!parse_take(p, "("))
		return parse_fail(p, p->at, p->at, "a list stands behind IN: " STR_FMT " IN (a, b)", STR_ARG(field));
	struct hunt_node *n = new_node(p, HUNT_OR, at);
	do {
		const char c = parse_peek(p);
		const size_t from = p->at;
		struct str word = parse_word(p, ",");
		if (c != '"' && !word.n)
			return parse_fail(p, from, from, "a value is missing: write a list as (a, b)");
		if (c != '"')
			p->at += word.n;
		if (!n || !add_kid(p, n, c == '"' ? quoted_value(p, from, &s) : plain_value(p, from, &s, word)))
			return NULL;
	} while (parse_take(p, ","));
	if (!parse_take(p, ")"))
		return parse_fail(p, p->at, p->at, "',' or ')' is missing: a list is written (a, b)");
	n->end = p->at;
	return n->n == 1 ? n->kids[0] : n;
}

/* --- terms --- */

static struct hunt_node *negate(struct parser *p, size_t at, struct hunt_node *kid)
{
	struct hunt_node *n = kid ? new_node(p, HUNT_NOT, at) : NULL;
	return n && add_kid(p, n, kid) ? n : NULL;
}

/* field!=(a OR b): the field is there, and what stands in the brackets doesn't hold. */
static struct hunt_node *parse_none(struct parser *p, size_t at, struct str field)
{
	const struct hunt_term there = { .test = TEST_EXISTS, .field = field, .text = STR("") };
	const struct subject s = { field, TEST_EXACT };
	struct hunt_node *group = negate(p, at, parse_group(p, at, &s));
	struct hunt_node *n = group ? new_node(p, HUNT_AND, at) : NULL;
	return n && add_kid(p, n, new_term(p, at, &there)) && add_kid(p, n, group) ? n : NULL;
}

/* Behind a field's name and its operator. */
static struct hunt_node *parse_compared(struct parser *p, size_t at, struct str field, const char *op)
{
	struct subject s = { field, strcmp(op, ":") == 0 ? TEST_IS : op[0] == '!' ? TEST_DIFFERS : TEST_EXACT };
	static const struct {
		const char *op;
		enum hunt_test test;
	} orders[] = { { "<=", TEST_AT_MOST }, { ">=", TEST_AT_LEAST }, { "<", TEST_LESS }, { ">", TEST_MORE } };
	for (size_t i = 0; i < ARRAY_LEN(orders); i++)
		if (strcmp(op, orders[i].op) == 0)
			return parse_bound(p, at, field, orders[i].test);
	const char c = parse_peek(p);
	if (s.test == TEST_EXACT && c == '=')
		return parse_fail(p, p->at - 1, p->at + 1, "write one '=': " STR_FMT "=value", STR_ARG(field));
	for (size_t i = 0; s.test == TEST_IS && i < ARRAY_LEN(orders); i++)
		if (parse_take(p, orders[i].op)) /* as Lucene writes it */
			return parse_bound(p, at, field, orders[i].test);
	if (c == '(' && s.test == TEST_DIFFERS)
		return parse_none(p, at, field);
	return c == '(' ? parse_group(p, at, &s) : parse_value(p, at, &s);
}

/* C:\..., C:/..., https://..., fe80::1 and the like are texts. */
static bool is_no_field(const struct parser *p, struct str name)
{
	struct str rest = str_sub(p->in, p->at, p->in.n);
	uint8_t address[16];
	struct hunt_term network;
	struct parser whole = *p;
	if (!str_starts(rest, STR(":")))
		return false;
	if (str_starts(rest, STR("://")) || str_starts(rest, STR("::")) ||
	    (name.n == 1 && (str_starts(rest, STR(":/")) || str_starts(rest, STR(":\\")))))
		return true;
	whole.at -= name.n;
	struct str word = parse_word(&whole, NULL);
	return hunt_address(word, address) || hunt_network(word, &network) != -1;
}

/* A name with an operator behind it: NULL and not failed, nothing passed: there is none. */
static struct hunt_node *parse_field(struct parser *p)
{
	static const char *const ops[] = { "!=", "<=", ">=", "<", ">", "=", ":" };
	const size_t at = p->at;
	struct str name = parse_name(p);
	if (!name.n || is_no_field(p, name)) {
		p->at = at;
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (parse_take(p, ops[i]))
			return parse_compared(p, at, name, ops[i]);
	if (!parse_is_joint(name) && parse_take_word(p, "in") && parse_peek(p) == '(')
		return parse_list(p, at, name);
	p->at = at + name.n;
	if (!parse_is_joint(name) && parse_take_word(p, "not") && parse_take_word(p, "in") && parse_peek(p) == '(')
		return negate(p, at, parse_list(p, at, name));
	p->at = at;
	return NULL;
}

static struct hunt_node *parse_text(struct parser *p)
{
	const struct subject any = { .test = TEST_WORDS };
	const size_t at = p->at;
	struct str word = parse_word(p, NULL);
	if (str_eq(word, STR("*:*"))) {
		p->at += word.n;
		return new_node(p, HUNT_ALL, at);
	}
	size_t colon = str_find(word, ':'), n = 0;
	while (n < colon && (parse_is_name(word.p[n]) || word.p[n] == '*'))
		n++;
	if (colon < word.n && n == colon && n && memchr(word.p, '*', n) && word.p[0] != '*')
		return parse_fail(
		        p, at, at + n,
		        "the name of a field has no wildcards; leave it out to look in all fields, or put the "
		        "whole in quotes");
	if (memchr(word.p, '=', word.n) && word.n == 1)
		return parse_fail(p, at, at + 1, "the name of a field is missing before '='");
	return parse_value(p, at, &any);
}

static struct hunt_node *parse_primary(struct parser *p, const struct subject *s)
{
	const char c = parse_peek(p);
	const size_t at = p->at;
	struct str word = parse_word(p, NULL);
	if (c == '(') {
		if (!open_bracket(p))
			return NULL;
		return close_bracket(p, at, parse_or(p, s));
	}
	if (c == '\0' || c == ')' || c == '|')
		return parse_fail(p, at, at, "something to look for is missing here");
	if (parse_is_joint(word))
		return parse_fail(p, at, at + word.n,
		                  "'" STR_FMT
		                  "' joins two terms: something is missing before it; to look for the word, put "
		                  "it in quotes",
		                  STR_ARG(word));
	if (s)
		return parse_value(p, at, s);
	struct hunt_node *n = c == '"' ? NULL : parse_field(p);
	return n || p->failed ? n : parse_text(p);
}

static struct hunt_node *parse_not(struct parser *p, const struct subject *s)
{
	bool negated = false;
	parse_blanks(p);
	const size_t at = p->at;
	for (;;) {
		const char next = parse_peek(p), behind = p->at + 1 < p->in.n ? p->in.p[p->at + 1] : ' ';
		if ((next == '-' || next == '!') && !strchr(" \t\r\n=)|", behind))
			p->at++;
		else if (!parse_take_word(p, "not"))
			break;
		negated = !negated;
	}
	struct hunt_node *n = parse_primary(p, s);
	return negated ? negate(p, at, n) : n;
}

/* Whether another term follows, joined by AND or by nothing. */
static bool and_follows(struct parser *p)
{
	if (parse_take_word(p, "and") || parse_take(p, "&&"))
		return true;
	const char c = parse_peek(p);
	struct parser ahead = *p;
	return c && c != ')' && c != '|' && !parse_take_word(&ahead, "or");
}

static struct hunt_node *parse_and(struct parser *p, const struct subject *s)
{
	struct hunt_node *first = parse_not(p, s), *n = NULL;
	while (first && !p->failed && and_follows(p)) {
		if (!n) {
			n = new_node(p, HUNT_AND, first->at);
			if (!n || !add_kid(p, n, first))
				return NULL;
		}
		if (!add_kid(p, n, parse_not(p, s)))
			return NULL;
	}
	return p->failed ? NULL : n ? n : first;
}

static bool or_follows(struct parser *p)
{
	return parse_take_word(p, "or") || parse_take(p, "||");
}

static struct hunt_node *parse_or(struct parser *p, const struct subject *s)
{
	struct hunt_node *first = parse_and(p, s), *n = NULL;
	while (first && !p->failed && or_follows(p)) {
		if (!n) {
			n = new_node(p, HUNT_OR, first->at);
			if (!n || !add_kid(p, n, first))
				return NULL;
		}
		if (!add_kid(p, n, parse_and(p, s)))
			return NULL;
	}
	return p->failed ? NULL : n ? n : first;
}

struct hunt_node *parse_expr(struct parser *p)
{
	p->terms = 0;
	return parse_or(p, NULL);
}

/* --- the whole --- */

static void parse_stages(struct parser *p, struct hunt *h)
{
	h->stages = arena_zalloc(&h->arena, HUNT_STAGES * sizeof(*h->stages));
	if (!h->stages)
		parse_no_memory(p);
	while (!p->failed && parse_take(p, "|")) {
		if (h->n_stages == HUNT_STAGES)
			parse_fail(p, p->at - 1, p->at, "a hunt has at most %d commands", HUNT_STAGES);
		else if (parse_stage(p, &h->stages[h->n_stages]))
			h->n_stages++;
	}
	if (!p->failed && parse_peek(p))
		parse_fail(p, p->at, p->at + 1,
		           p->in.p[p->at] == ')' ? "this ')' closes nothing" : "'|' is missing before what follows");
}

static bool check_text(struct str text, struct hunt_error *error)
{
	*error = (struct hunt_error){ 0 };
	struct parser p = { .in = text, .error = error };
	if (text.n > HUNT_TEXT_MAX)
		parse_fail(&p, HUNT_TEXT_MAX, text.n, "a hunt has at most %d bytes", HUNT_TEXT_MAX);
	for (size_t at = 0, n; !p.failed && at < text.n; at += n) {
		n = utf8_len(str_sub(text, at, 4));
		if (!n || !text.p[at])
			parse_fail(&p, at, at + 1, "this byte is no UTF-8 text");
		n = n ? n : 1;
	}
	return !p.failed;
}

/* Whether its commands can follow one another. */
static void check_flow(struct parser *p, const struct hunt *h)
{
	const struct hunt_stage *stage;
	struct err err = { 0 };
	struct flow f = { 0 };
	const int r = flow_init(&f, h, &stage, &err);
	if (r == -ENOMEM)
		parse_no_memory(p);
	else if (r)
		parse_fail(p, stage ? stage->at : 0, stage ? stage->end : p->in.n, "%s", err.text);
	flow_done(&f);
}

int hunt_parse(struct hunt **ret, struct str text, struct hunt_error *error)
{
	if (!check_text(text, error))
		return -EINVAL;
	struct hunt *h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->arena.max = 16 << 20;
	h->text = arena_copy(&h->arena, text);
	struct parser p = { .arena = &h->arena, .in = h->text, .error = error };
	if (!h->text.p)
		parse_no_memory(&p);
	else if (!parse_peek(&p) || p.in.p[p.at] == '|')
		h->where = new_node(&p, HUNT_ALL, 0);
	else
		h->where = parse_expr(&p);
	if (!p.failed)
		parse_stages(&p, h);
	if (!p.failed)
		check_flow(&p, h);
	if (p.failed) {
		hunt_free(h);
		return p.no_memory ? -ENOMEM : -EINVAL;
	}
	*ret = h;
	return 0;
}

void hunt_free(struct hunt *h)
{
	if (!h)
		return;
	arena_free(&h->arena);
	free(h);
}
