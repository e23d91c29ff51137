/* Does one value fit one pattern? Exact, by the letter of docs/sigma.md. */
#ifndef KHIEN_MATCH_PATTERN_H
#define KHIEN_MATCH_PATTERN_H

#include "rule/ruleset.h"

/* EQ, PREFIX, SUFFIX, CONTAINS: bytes against bytes. */
bool pattern_text(enum pattern_op op, struct str pattern, struct str value);
/* GLOB. Time is bounded by length of value x length of pattern. */
bool pattern_glob(struct str glob, struct str value);
bool pattern_cidr(const struct pattern *p, struct str value);
/* LT, LTE, GT, GTE. */
bool pattern_number(const struct pattern *p, struct str value);
/* The number that `part` takes of a time in µs since 1970 UTC. */
int pattern_time_part(enum pattern_part part, int64_t us);

#endif
