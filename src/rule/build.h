/* A ruleset while it is being built: a pool for each section, and the rules of arithmetic for nodes. */
#ifndef KHIEN_RULE_BUILD_H
#define KHIEN_RULE_BUILD_H

#include "rule/pool.h"

struct build {
#define X(ID, name, type) struct pool name;
	RULESET_SECTIONS(X)
#undef X
	bool failed; /* memory ended somewhere: what was built is of no use */
};

void build_init(struct build *b);
void build_free(struct build *b);

struct text build_text(struct build *b, struct str s);
static inline struct str build_str(const struct build *b, struct text t)
{
	return (struct str){ b->bytes.p + t.off, t.len };
}

/* Nodes. Constants and single kids fold away; AND in AND and OR in OR become one. Kids keep their order. */
uint32_t build_const(struct build *b, bool value);
uint32_t build_not(struct build *b, uint32_t kid);
uint32_t build_join(struct build *b, enum node_op and_or, const uint32_t *kids, uint32_t n);
uint32_t build_at_least(struct build *b, uint32_t need, const uint32_t *kids, uint32_t n);
uint32_t build_test(struct build *b, const struct test *t);
static inline enum node_op build_op(const struct build *b, uint32_t node)
{
	return (enum node_op)((const struct node *)b->nodes.p)[node].op;
}

/* One block of memory with all sections, opened. */
int build_finish(struct build *b, struct ruleset *ret, struct err *err);

#endif
