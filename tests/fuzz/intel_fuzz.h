/*
 * What feeds of every format must hold to: whatever came in, the feed can be read back, each text is the one that its
 * reading gives again, and the set made of it finds each item.
 */
#ifndef KHIEN_TESTS_INTEL_FUZZ_H
#define KHIEN_TESTS_INTEL_FUZZ_H

#include "intel/parse.h"
#include "intel/set.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

static void fuzz_item(const struct feed *f, const struct feed_item *item, const struct intel_look *look)
{
	static const enum intel_type types[N_INTEL_TYPES] = {
		[INTEL_ADDRESS] = INTEL_ADDRESS, [INTEL_NETWORK] = INTEL_ADDRESS, [INTEL_DOMAIN] = INTEL_DOMAIN,
		[INTEL_NAME] = INTEL_NAME,       [INTEL_URL] = INTEL_URL,         [INTEL_BELOW] = INTEL_URL,
		[INTEL_HASH] = INTEL_HASH,
	};
	struct indicator again;
	struct str text = feed_str(f, item->value);
	/* "a/ *#b" has a star for its last name, which would mean something else */
	bool star = item->type == INTEL_URL && str_ends(text, STR("/*"));
	assert(star || (!indicator_read(&again, text, types[item->type], 0) && str_eq(again.text, text)));
	uint32_t n = 0;
	if (item->type == INTEL_HASH)
		intel_look_hash(look, text, &n);
	else if (item->type == INTEL_URL || item->type == INTEL_BELOW)
		intel_look_url(look, text, &n);
	else if (item->type != INTEL_NETWORK)
		intel_look_host(look, text, &n);
	else
		intel_look_address(look, str_sub(text, 0, str_find(text, '/')), &n);
	assert(n);
}

static int fuzz_intel(const uint8_t *data, size_t size, enum intel_format format)
{
	struct feed_maker m;
	struct feed f;
	struct intel_set *set;
	void *block;
	size_t n;
	feed_maker_init(&m, STR("fuzz"), "list", 1);
	struct intel_parse p = { .maker = &m, .format = format, .now = 1795000000, .confidence = -1 };
	struct err err;
	intel_parse(&p, "input", (struct str){ (const char *)data, size }, &err);
	assert(!feed_pack(&m, &block, &n, &err));
	assert(!feed_open(&f, block, n, &err));
	assert(f.n_items == m.n_items && f.head.bad == m.head.bad);
	feed_maker_done(&m);
	assert(!intel_set_make(&block, &n, &f, 1, 1, &err));
	assert(!intel_set_open(&set, block, n, false, &err));
	const struct intel_look look = { .set = set, .now = 1 };
	for (uint32_t i = 0; i < f.n_items; i++)
		fuzz_item(&f, &f.items[i], &look);
	intel_set_free(set);
	feed_close(&f);
	return 0;
}

#endif
