/* The key of one line of a selection: "CommandLine|contains|all". */
#ifndef KHIEN_RULE_MODIFIER_H
#define KHIEN_RULE_MODIFIER_H

#include "rule/value.h"

/* What a value is taken for. */
enum item_kind { ITEM_TEXT, ITEM_RE, ITEM_CIDR, ITEM_FIELD, ITEM_EXISTS, ITEM_NUMBER };

enum { MAX_TRANSFORMS = 8 };

struct item {
	struct str field; /* empty: keywords */
	uint32_t line;
	enum item_kind kind;
	bool lead, trail; /* contains, startswith, endswith */
	bool all, negate, cased, expand;
	uint8_t re_flags;              /* RE_* */
	uint8_t part;                  /* enum pattern_part */
	uint8_t compare;               /* ITEM_NUMBER: PATTERN_LT.. */
	uint8_t steps[MAX_TRANSFORMS]; /* enum transform, in the order written */
	uint32_t n_steps;
};

/* False: refused. */
bool item_parse(struct compiler *c, const struct yaml_node *key, struct item *ret);

#endif
