#include "kiosk/web_kept.h"

#include <sodium.h>
#include <stdlib.h>

enum {
	SETS = 256,
	WAYS = 4,
};

struct place {
	char path[KEPT_PATH];
	size_t path_n;
	enum kiosk_language lang;
	bool gzip;
	int64_t made;
	bool used;
	struct kept_page page;
};

struct kept {
	unsigned char secret[crypto_shorthash_KEYBYTES];
	void (*drop)(struct MHD_Response *);
	size_t bytes;
	struct place sets[SETS][WAYS];
};

struct kept *kept_new(void (*drop)(struct MHD_Response *))
{
	struct kept *k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	randombytes_buf(k->secret, sizeof(k->secret));
	k->drop = drop;
	return k;
}

static void clear(struct kept *k, struct place *p)
{
	if (!p->used)
		return;
	k->bytes -= p->page.bytes.n;
	if (p->page.response)
		k->drop(p->page.response);
	free((void *)(uintptr_t)p->page.bytes.p);
	p->used = false;
}

void kept_free(struct kept *k)
{
	if (!k)
		return;
	for (unsigned i = 0; i < SETS; i++)
		for (unsigned w = 0; w < WAYS; w++)
			clear(k, &k->sets[i][w]);
	free(k);
}

/* A path's forms are in sets of their own: there are more of them than ways. */
static size_t set_of(const struct kept *k, const struct kept_key *key)
{
	uint64_t hash;
	crypto_shorthash((unsigned char *)&hash, (const unsigned char *)key->path.p, key->path.n, k->secret);
	return (hash + 2 * key->lang + key->gzip) % SETS;
}

static bool is_of(const struct place *p, const struct kept_key *key)
{
	return p->used && p->lang == key->lang && p->gzip == key->gzip &&
	       str_eq((struct str){ p->path, p->path_n }, key->path);
}

const struct kept_page *kept_find(const struct kept *k, const struct kept_key *key, int64_t now)
{
	const struct place *set = k->sets[set_of(k, key)];
	for (unsigned w = 0; w < WAYS; w++)
		if (is_of(&set[w], key))
			return now - set[w].made < KEPT_US ? &set[w].page : NULL;
	return NULL;
}

/* Pages nobody may see any more make room when it is short. */
static void sweep(struct kept *k, int64_t now)
{
	for (unsigned i = 0; i < SETS; i++)
		for (unsigned w = 0; w < WAYS; w++)
			if (now - k->sets[i][w].made >= KEPT_US)
				clear(k, &k->sets[i][w]);
}

/* Its own, else a free one, else the oldest. */
static struct place *place_for(struct kept *k, const struct kept_key *key)
{
	struct place *set = k->sets[set_of(k, key)], *best = set;
	for (unsigned w = 0; w < WAYS; w++)
		if (is_of(&set[w], key))
			return &set[w];
	for (unsigned w = 1; w < WAYS && best->used; w++)
		if (!set[w].used || set[w].made < best->made)
			best = &set[w];
	return best;
}

void kept_put(struct kept *k, const struct kept_key *key, const struct kept_page *page, int64_t now)
{
	const struct str path = key->path;
	char *copy = NULL;
	if (path.n && path.n <= KEPT_PATH && page->bytes.n <= KEPT_BYTES) {
		struct place *p = place_for(k, key);
		clear(k, p);
		if (k->bytes + page->bytes.n > KEPT_BYTES)
			sweep(k, now);
		if (k->bytes + page->bytes.n <= KEPT_BYTES)
			copy = malloc(page->bytes.n + 1);
		if (copy) {
			memcpy(copy, page->bytes.p ? page->bytes.p : "", page->bytes.n);
			*p = (struct place){ .path_n = path.n,
				             .lang = key->lang,
				             .gzip = key->gzip,
				             .made = now,
				             .used = true,
				             .page = *page };
			p->page.bytes.p = copy;
			memcpy(p->path, path.p, path.n);
			k->bytes += page->bytes.n;
		}
	}
	if (!copy && page->response)
		k->drop(page->response);
}
