/*
 * The exact check: does a condition hold for an event? By the letter of docs/sigma.md. One struct eval is one thread's
 * working memory; each test is answered once per event, however many rules share it.
 */
#ifndef KHIEN_MATCH_EVAL_H
#define KHIEN_MATCH_EVAL_H

#include "event/event.h"
#include "match/match.h"
#include "match/regex.h"

struct keyword { /* a text that keywords are looked for in */
	struct str name, text, folded;
	uint8_t type;
};

struct eval {
	const struct ruleset *rs;
	const struct regexes *regexes;
	struct regex_search *search;
	struct event *ev;
	uint32_t *memo; /* by test: epoch << 1 | answer */
	uint32_t epoch;
	struct keyword *keywords;
	uint32_t n_keywords, cap_keywords;
	bool has_keywords;
	uint64_t gave_up; /* regular expressions stopped at their bound */
};

int eval_init(struct eval *e, const struct ruleset *rs, const struct regexes *regexes);
void eval_done(struct eval *e);
void eval_begin(struct eval *e, struct event *ev);
bool eval_node(struct eval *e, uint32_t node);

/* The texts keywords are looked for in, case-folded too. Valid until the next eval_begin(). */
const struct keyword *eval_keywords(struct eval *e, uint32_t *n);

/* Calls add for each value that makes a condition that holds hold; those under `not` are left out. */
typedef void eval_add(void *arg, const struct match_field *f);
void eval_explain(struct eval *e, uint32_t node, eval_add *add, void *arg);

#endif
