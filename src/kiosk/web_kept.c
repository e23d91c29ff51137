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

static size_t set_of(const struct kept *k, struct str path)
{
	uint64_t hash;
	crypto_shorthash((unsigned char *)&hash, (const unsigned char *)path.p, path.n, k->secret);
	return hash % SETS;
}

static bool is_of(const struct place *p, struct str path, enum kiosk_language lang)
{
	return p->used && p->lang == lang && str_eq((struct str){ p->path, p->path_n }, path);
}

const struct kept_page *kept_find(const struct kept *k, struct str path, enum kiosk_language lang, int64_t now)
{
	const struct place *set = k->sets[set_of(k, path)];
	for (unsigned w = 0; w < WAYS; w++)
		if (is_of(&set[w], path, lang))
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
static struct place *place_for(struct kept *k, struct str path, enum kiosk_language lang)
{
	struct place *set = k->sets[set_of(k, path)], *best = set;
	for (unsigned w = 0; w < WAYS; w++)
		if (is_of(&set[w], path, lang))
			return &set[w];
	for (unsigned w = 1; w < WAYS && best->used; w++)
		if (!set[w].used || set[w].made < best->made)
			best = &set[w];
	return best;
}

void kept_put(struct kept *k, struct str path, enum kiosk_language lang, const struct kept_page *page, int64_t now)
{
	char *copy = NULL;
	if (path.n && path.n <= KEPT_PATH && page->bytes.n <= KEPT_BYTES) {
		struct place *p = place_for(k, path, lang);
		clear(k, p);
		if (k->bytes + page->bytes.n > KEPT_BYTES)
			sweep(k, now);
		if (k->bytes + page->bytes.n <= KEPT_BYTES)
			copy = malloc(page->bytes.n + 1);
		if (copy) {
			memcpy(copy, page->bytes.p ? page->bytes.p : "", page->bytes.n);
			*p = (struct place){ .path_n = path.n, .lang = lang, .made = now, .used = true, .page = *page };
			p->page.bytes.p = copy;
			memcpy(p->path, path.p, path.n);
			k->bytes += page->bytes.n;
		}
	}
	if (!copy && page->response)
		k->drop(page->response);
}
