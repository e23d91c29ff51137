/*
 * Two rulesets compared: after rules were loaded anew, which rule is which, and which mean just what they meant. For
 * what is remembered across it.
 */
#ifndef KHIEN_RULE_SAME_H
#define KHIEN_RULE_SAME_H

#include "rule/ruleset.h"

/*
 * For each rule of `from` the index in `to` of the rule with the same id (where it has none: the same name, else the
 * same title), NO_INDEX: there is none. malloc'ed; NULL: no memory.
 */
uint32_t *same_rules(const struct ruleset *from, const struct ruleset *to);

/*
 * For each correlation of `to` the one of `from` that sees and says just what it does, NO_INDEX: there is none. It, all
 * that it refers to, and the mapping of the fields and log sources they name are alike; texts for people (title,
 * advice, level) may differ. `map` is same_rules(from, to). malloc'ed; NULL: no memory.
 */
uint32_t *same_correlations(const struct ruleset *from, const struct ruleset *to, const uint32_t *map);

#endif
