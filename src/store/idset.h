/*
 * Whether a hash is one of a set, in 20 bits each: "no" is sure, "yes" is wrong once in 65,536 times. It is made of all
 * of them at once, and stays as it is. (An xor filter: Graf and Lemire 2020.)
 */
#ifndef KHIEN_STORE_IDSET_H
#define KHIEN_STORE_IDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idset;

/* NULL: no memory. Of hashes that are alike one counts; others must not be able to foresee them. Changes their order. */
struct idset *idset_new(uint64_t *hashes, size_t n);
/* NULL is fine. */
void idset_free(struct idset *s);
bool idset_has(const struct idset *s, uint64_t hash);

#endif
