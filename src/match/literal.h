/*
 * Required literals: for a rule, a small set of (field, literal) of which at least one stands in every event that the
 * rule matches. The prefilter looks for these only; rules whose set shows up are then checked exactly.
 * Literals are case-folded, as is the text they are looked for in.
 */
#ifndef KHIEN_MATCH_LITERAL_H
#define KHIEN_MATCH_LITERAL_H

#include "base/arena.h"
#include "rule/ruleset.h"

enum literal_anchor {
	LITERAL_START = 1, /* stands at the start of the value */
	LITERAL_END = 2,   /* stands at its end; both: is the whole value */
};

enum { LITERAL_MAX = 32 }; /* bytes kept of a literal that isn't a whole value */

struct literal {
	uint32_t field; /* NO_INDEX: any value, for keywords */
	uint32_t anchor;
	struct str text;
};

struct literal_set {
	const struct literal *items;
	size_t n;
	double cost; /* lower is more selective */
};

/*
 * The cheapest set for the condition at `node`. False when there is none: the rule must be checked on every event. A
 * set of n == 0 belongs to a condition that never holds. The arena owns the items; when it is full the answer is false.
 */
bool literal_choose(const struct ruleset *rs, uint32_t node, struct arena *arena, struct literal_set *ret);

/* The longest text that every match of a regular expression must contain; n == 0: none found. */
struct str literal_of_regex(struct str regex, struct arena *arena);

#endif
