/*
 * A growing array of records in which equal runs are kept once (hash-consing). The index of a run stays as it is, so
 * records refer to one another by it and equal things are equal numbers.
 */
#ifndef KHIEN_RULE_POOL_H
#define KHIEN_RULE_POOL_H

#include "rule/ruleset.h"

struct pool_slot {
	uint32_t hash, at, n;
};

struct pool {
	char *p;
	uint32_t n, cap;
	uint32_t size; /* bytes of a record; they are compared as bytes, so padding must be zero */
	bool nul;      /* a zero record stands behind every run */
	struct pool_slot *slots;
	uint32_t n_slots, used;
	bool *failed; /* set when memory or the bound ends; what is returned then is a valid run, but a wrong one */
};

enum { POOL_MAX_BYTES = 1 << 30 };

/* The run [at, at+n) that equals these records. n == 0: at 0. */
struct span pool_put(struct pool *p, const void *records, uint32_t n);
/* pool_put() of one record -> its index. *is_new (may be NULL) tells whether it wasn't there. */
uint32_t pool_put_one(struct pool *p, const void *record, bool *is_new);
/* Appends one record, equal to others or not -> its index. */
uint32_t pool_append(struct pool *p, const void *record);
void pool_free(struct pool *p);

#endif
