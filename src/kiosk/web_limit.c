#include "kiosk/web_limit.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
	SETS = 1024,
	WAYS = 8,
};

/* A bucket by the time that it is full again: each try moves that on. */
struct bucket {
	struct {
		struct in6_addr who;
		uint32_t what;
	} key;
	int64_t full;
};

struct limit {
	unsigned char secret[crypto_shorthash_KEYBYTES]; /* so that nobody can choose who shares a set */
	struct bucket sets[SETS][WAYS];
};

struct limit *limit_new(void)
{
	struct limit *l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	randombytes_buf(l->secret, sizeof(l->secret));
	for (unsigned i = 0; i < SETS; i++)
		for (unsigned k = 0; k < WAYS; k++)
			l->sets[i][k].full = INT64_MIN;
	return l;
}

void limit_free(struct limit *l)
{
	free(l);
}

bool limit_take(struct limit *l, const struct in6_addr *who, uint32_t what, struct limit_rate rate, int64_t now)
{
	const int64_t one = rate.each / rate.n;
	struct bucket fresh = { .key = { *who, what }, .full = now }, *b = NULL;
	uint64_t hash;
	crypto_shorthash((unsigned char *)&hash, (const unsigned char *)&fresh.key, sizeof(fresh.key), l->secret);
	struct bucket *set = l->sets[hash % SETS], *oldest = set;
	for (unsigned i = 0; i < WAYS; i++) {
		if (!memcmp(&set[i].key, &fresh.key, sizeof(fresh.key)))
			b = &set[i];
		if (set[i].full < oldest->full)
			oldest = &set[i];
	}
	if (!b) {
		b = oldest;
		*b = fresh;
	}
	if (b->full < now)
		b->full = now;
	if (b->full + one > now + rate.n * one)
		return false;
	b->full += one;
	return true;
}
