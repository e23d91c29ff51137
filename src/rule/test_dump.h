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

/* A row of a table: text and what it is to become. */
struct sample {
	const char *yaml, *expected;
};

/* It serves the product of the samples, so that no warning stands among the results. */
#define SERVES_P "sources: [{logsource: {product: p}, when: {k: v}}]"
#define HEAD     "title: T\nlogsource: {product: p}\n"
#define GOOD     "logsource: {product: p}\ndetection: {s: {f: a}, condition: s}\n"

/* Compiles `yaml`; diagnostics and then conditions, each on its line, must be s->expected. Else the test fails. */
void check(const struct sample *s, const struct test_rules *how, const char *yaml);
/* The same for each sample with text before and behind it. */
void check_all(const struct sample *s, size_t n, const struct test_rules *how, const char *before, const char *behind);

#endif
