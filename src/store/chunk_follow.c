/*
 * Events that are like others before: read along what is known of those. Every byte is compared or checked, so that
 * what is found to have a shape is JSON, and has it; the keys need not be looked up again, nor the shape.
 */
#include "store/chunk_shape.h"

#include "base/json_walk.h"

#include <stdlib.h>

enum { CHILDREN = 8 /* pieces that are tried for what comes next: the rest of such events are taken apart anew */ };

/* --- what is met is learnt --- */

/* Quotes that begin or end a string, in a piece that doesn't begin within one. */
static uint32_t count_quotes(struct str text)
{
	uint32_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		n += text.p[i] == '"';
		i += text.p[i] == '\\';
	}
	return n;
}

/* The piece of this text behind `parent`, made when there is none. 0: there are too many, or memory is short. */
static uint32_t learn_piece(struct shapes *s, uint32_t parent, uint32_t at, uint32_t n, uint32_t shape)
{
	const struct str text = { s->text.p + at, n };
	uint32_t children = 0;
	for (uint32_t i = s->pieces[parent].child; i; i = s->pieces[i].next, children++) {
		const struct shape_piece *p = &s->pieces[i];
		if (!p->shape == !shape && str_eq((struct str){ s->text.p + p->at, p->n }, text))
			return i;
	}
	if (children >= CHILDREN)
		return 0;
	if (s->n_pieces == s->cap_pieces) {
		struct shape_piece *more = realloc(s->pieces, s->cap_pieces * 2 * sizeof(*more));
		if (!more)
			return 0;
		s->pieces = more;
		s->cap_pieces *= 2;
	}
	s->pieces[s->n_pieces] = (struct shape_piece){
		.at = at,
		.n = n,
		.quotes = count_quotes(text),
		.next = s->pieces[parent].child,
		.shape = shape,
		.string = n && text.p[n - 1] == '"',
	};
	return s->pieces[parent].child = s->n_pieces++;
}

void shapes_learn(struct shapes *s, uint32_t shape)
{
	const uint32_t end = s->all[shape].at + s->all[shape].n;
	uint32_t from = s->all[shape].at, piece = 0;
	for (;;) {
		const char *slot = memchr(s->text.p + from, SHAPE_SLOT, end - from);
		const uint32_t to = slot ? (uint32_t)(slot - s->text.p) : end;
		piece = learn_piece(s, piece, from, to - from, slot ? 0 : shape + 1);
		if (!piece || !slot)
			return;
		from = to + 1;
	}
}

/* --- and followed --- */

/* The byte that a number or a literal begins with. */
static inline bool begins_other(char c)
{
	return (unsigned char)(c - '0') <= 9 || c == '-' || c == 't' || c == 'f' || c == 'n';
}

/* The piece behind `parent` that stands at the start of `rest`, or 0. No two can. */
static inline uint32_t next_piece(struct shapes *s, uint32_t parent, struct str rest)
{
	struct shape_piece *const all = s->pieces;
	uint32_t before = 0;
	for (uint32_t i = all[parent].child, tries = 0; i && tries < CHILDREN; before = i, i = all[i].next, tries++) {
		struct shape_piece *p = &all[i];
		if (p->shape ? p->n != rest.n : p->n >= rest.n)
			continue;
		if (!text_eq((struct str){ s->text.p + p->at, p->n }, (struct str){ rest.p, p->n }) ||
		    (!p->shape && !p->string && !begins_other(rest.p[p->n])))
			continue;
		if (before) {
			all[before].next = p->next;
			p->next = all[parent].child;
			all[parent].child = i;
		}
		return i;
	}
	return 0;
}

/* Passes over quotes; then one is ready to be looked at, or there is none left. */
static inline void pass_quotes(struct json_index *x, uint32_t n)
{
	while (x->n - x->i <= n && (x->n > x->i || x->next < x->doc.n)) {
		n -= x->n - x->i;
		x->i = x->n;
		if (x->next >= x->doc.n)
			return;
		x->kernel->index(x);
	}
	x->i += n;
}

uint32_t shapes_follow(struct shapes *s, struct str json, uint32_t base, struct shape_scalar *to, uint32_t room)
{
	struct json_walk w;
	struct json_index *x = &w.index;
	uint32_t piece = 0, n = 0;
	size_t at = 0;
	w.end = json.p + json.n;
	json_index_init(x, json, json_kernel());
	for (;; n++) {
		piece = next_piece(s, piece, (struct str){ json.p + at, json.n - at });
		if (!piece || n == room)
			return UINT32_MAX;
		const struct shape_piece *p = &s->pieces[piece];
		if (p->shape)
			return x->bad == SIZE_MAX ? p->shape - 1 : UINT32_MAX;
		const size_t from = at + p->n;
		pass_quotes(x, p->quotes);
		if (p->string) {
			if (x->i == x->n)
				return UINT32_MAX;
			at = x->base + x->quotes[x->i];
		} else {
			w.p = json.p + from;
			if (json_token(&w) < 0)
				return UINT32_MAX;
			at = (size_t)(w.p - json.p);
		}
		to[n] = (struct shape_scalar){ base + (uint32_t)from, (uint32_t)(at - from) };
	}
}
