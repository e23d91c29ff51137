/*
 * For tests: a ruleset as short text.
 *
 *   f=a  f=(a|b)  f=(a&b)   EQ; any, all     f^a f$a f~a f:a*b   PREFIX SUFFIX CONTAINS GLOB (\* is a star itself)
 *   f/re/ims  f@10.0.0.0/8  RE, CIDR         f=<null> f+ f-       NULL, EXISTS true, false
 *   f<1 f<=1 f>1 f>=1       numbers          f=&g f^&g ...       FIELD
 *   f!=a                    negate           f=="a"              cased: the operator stands twice
 *   hour(f)=3               part             ~a                  keyword: no field
 *   !a  (a & b)  (a | b)  2 of (a, b, c)  TRUE  FALSE
 */
#ifndef KHIEN_RULE_TEST_DUMP_H
#define KHIEN_RULE_TEST_DUMP_H

#include "base/buf.h"
#include "rule/compile.h"

void dump_node(struct buf *out, const struct ruleset *rs, uint32_t node);
/* Type, what it refers to with field ids' names, window, bounds. */
void dump_correlation(struct buf *out, const struct ruleset *rs, const struct correlation *c);
/* Where an event may carry the field, blanks between. */
void dump_paths(struct buf *out, const struct ruleset *rs, uint32_t field);

struct test_rules {
	const char *mapping;     /* YAML; NULL: none */
	const char *placeholder; /* content of words.txt; NULL: none */
	bool all_rules;
};
/* rule_compile() of YAML text as the file r.yml, with the mapping as m.yaml. */
int compile_text(struct ruleset *ret, const struct test_rules *how, const char *yaml, struct err *err);

#endif
