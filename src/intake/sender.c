#include "intake/sender.h"

#include "base/utf8.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

enum { BUCKETS = 2 * SENDERS_MAX /* a power of two */ };

struct senders {
	unsigned char key[crypto_shorthash_KEYBYTES]; /* nobody can choose names that meet in a bucket */
	size_t n;
	uint16_t bucket[BUCKETS]; /* index + 1; 0: free */
	struct sender at[SENDERS_MAX + 1];
};

int senders_new(struct senders **ret)
{
	if (sodium_init() < 0)
		return -EIO;
	struct senders *s = calloc(1, sizeof(*s)); /* pages that no sender uses stay untouched */
	if (!s)
		return -ENOMEM;
	crypto_shorthash_keygen(s->key);
	*ret = s;
	return 0;
}

void senders_free(struct senders *s)
{
	free(s);
}

/* Where the name is, or would be put. */
static uint16_t *find(struct senders *s, struct str name)
{
	uint64_t hash;
	_Static_assert(sizeof(hash) == crypto_shorthash_BYTES, "a SipHash is 64 bits");
	crypto_shorthash((unsigned char *)&hash, (const unsigned char *)(name.n ? name.p : ""), name.n, s->key);
	for (size_t i = hash % BUCKETS;; i = (i + 1) % BUCKETS)
		if (!s->bucket[i] || str_eq(str_from(s->at[s->bucket[i] - 1].name), name))
			return &s->bucket[i];
}

struct sender *senders_get(struct senders *s, struct str name)
{
	name = utf8_cut(str_sub(name, 0, str_find(name, '\0')), SENDER_NAME - 1);
	uint16_t *bucket = find(s, name);
	if (!*bucket && s->n >= SENDERS_MAX) {
		name = STR("others");
		bucket = find(s, name);
	}
	if (!*bucket) {
		if (name.n)
			memcpy(s->at[s->n].name, name.p, name.n);
		*bucket = (uint16_t)++s->n;
	}
	return &s->at[*bucket - 1];
}

const struct sender *senders_at(const struct senders *s, size_t i)
{
	return i < s->n ? &s->at[i] : NULL;
}
