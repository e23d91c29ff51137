/* For tests only: rulesets of correlations made by hand, and matches to feed them. */
#ifndef KHIEN_MATCH_WINDOW_FIXTURE_H
#define KHIEN_MATCH_WINDOW_FIXTURE_H

#include "match/window.h"

#include <math.h>
#include <stdio.h>

enum { FIXTURE_GROUP = 10, FIXTURE_VALUE = 20, FIXTURE_INPUTS = 4 }; /* ids of the fields */

struct fixture {
	struct ruleset rs;
	struct rule rules[32];
	struct correlation correlations[16];
	struct input inputs[64];
	uint32_t numbers[256];
	struct text texts[256];
	char bytes[4096];
};

static inline uint32_t fixture_text(struct fixture *f, const char *s)
{
	uint32_t n = (uint32_t)strlen(s), at = f->rs.n_bytes;
	memcpy(f->bytes + at, s, n + 1);
	f->rs.n_bytes += n + 1;
	f->texts[f->rs.n_texts] = (struct text){ at, n };
	return f->rs.n_texts++;
}

static inline uint32_t fixture_rule(struct fixture *f, uint32_t correlation)
{
	uint32_t title = fixture_text(f, correlation == NO_INDEX ? "detection" : "correlation");
	f->rules[f->rs.n_rules] = (struct rule){ .title = f->texts[title], .correlation = correlation, .feeds = 1 };
	return f->rs.n_rules++;
}

/* n detections, which are rules 0..n-1. */
static inline void fixture_init(struct fixture *f, uint32_t n)
{
	memset(f, 0, sizeof(*f));
	f->rs = (struct ruleset){
		.rules = f->rules,
		.correlations = f->correlations,
		.inputs = f->inputs,
		.numbers = f->numbers,
		.texts = f->texts,
		.bytes = f->bytes,
	};
	while (n--)
		fixture_rule(f, NO_INDEX);
}

/* A correlation of some rules by fields g0, g1... (ids FIXTURE_GROUP...) and v (FIXTURE_VALUE); returns its rule. */
static inline uint32_t fixture_correlate(struct fixture *f, enum correlation_type type, int64_t timespan,
                                         const uint32_t *rules, uint32_t n_rules, uint32_t n_group)
{
	struct ruleset *rs = &f->rs;
	struct correlation *c = &f->correlations[rs->n_correlations];
	*c = (struct correlation){
		.type = type,
		.rule = fixture_rule(f, rs->n_correlations),
		.timespan = timespan,
		.inputs = { rs->n_inputs, n_rules },
		.n_group = n_group,
		.group_names = { rs->n_texts, n_group },
		.gt = -INFINITY,
		.gte = -INFINITY,
		.lt = INFINITY,
		.lte = INFINITY,
		.eq = NAN,
		.neq = NAN,
		.percentile = 50,
	};
	rs->n_correlations++;
	for (uint32_t i = 0; i < n_group; i++) {
		char name[16];
		snprintf(name, sizeof(name), "g%u", i);
		fixture_text(f, name);
	}
	bool has_value = type == CORRELATE_VALUE_COUNT || type >= CORRELATE_VALUE_SUM;
	c->n_value = has_value;
	c->value_names = (struct span){ rs->n_texts, has_value };
	if (has_value)
		fixture_text(f, "v");
	for (uint32_t i = 0; i < n_rules; i++) {
		bool by_name = f->rules[rules[i]].correlation != NO_INDEX;
		f->inputs[rs->n_inputs++] = (struct input){
			.rule = rules[i],
			.group = { rs->n_numbers, n_group },
			.value = { rs->n_numbers + n_group, has_value },
		};
		for (uint32_t k = 0; k < n_group; k++)
			f->numbers[rs->n_numbers++] = by_name ? NO_INDEX : FIXTURE_GROUP + k;
		if (has_value)
			f->numbers[rs->n_numbers++] = by_name ? NO_INDEX : FIXTURE_VALUE;
	}
	return c->rule;
}

/* A match of a rule with g0 and v; NULL leaves one out. */
struct fixture_match {
	struct match m;
	struct match_field carried[2];
};

static inline const struct match *fixture_match(struct fixture_match *fm, const struct fixture *f, uint32_t rule,
                                                int64_t time, const char *group, const char *value)
{
	fm->m = (struct match){
		.rule = &f->rules[rule],
		.rule_index = rule,
		.file = "events.json",
		.line = (uint64_t)time + 1,
		.time = time,
		.carried = fm->carried,
		.host = STR("db"),
		.count = 1,
		.first_time = time,
	};
	if (group)
		fm->carried[fm->m.n_carried++] =
		        (struct match_field){ .name = STR("g0"), .text = str_from(group), .field = FIXTURE_GROUP };
	if (value)
		fm->carried[fm->m.n_carried++] =
		        (struct match_field){ .name = STR("v"), .text = str_from(value), .field = FIXTURE_VALUE };
	return &fm->m;
}

#endif
