/* One value of a rule: text with wildcards, and what modifiers make of it. */
#ifndef KHIEN_RULE_VALUE_H
#define KHIEN_RULE_VALUE_H

#include "rule/compiler.h"

/* Wildcards stand in s as GLOB_ANY and GLOB_ONE, unless it is exact: then s is bytes and nothing else. */
struct value {
	struct str s;
	bool exact;
};

struct values {
	struct value *at;
	uint32_t n, cap;
};

enum { VALUES_MAX = 65536, EXPAND_MAX = 4096 };

enum transform { TO_BASE64, TO_BASE64_OFFSET, TO_UTF16LE, TO_UTF16BE, TO_UTF16_BOM, TO_DASHES };

void values_add(struct compiler *c, struct values *v, struct value one);
/* Escapes and wildcards of a text as it is written. */
struct value value_parse(struct compiler *c, struct str text);
/* %name% -> all its lines, in every combination. Refuses where there is no such file. */
void value_expand(struct compiler *c, uint32_t line, struct str text, struct values *out);
/* What one modifier makes of one value: one or more. Refuses what can't be encoded, and says what was written. */
void value_transform(struct compiler *c, uint32_t line, enum transform t, struct value in, struct str written,
                     struct values *out);
/* EQ, PREFIX, SUFFIX, CONTAINS or GLOB: the simplest that says the same. lead, trail: anything may stand there. */
void value_pattern(struct compiler *c, struct value v, bool lead, bool trail, struct pattern *p);

#endif
