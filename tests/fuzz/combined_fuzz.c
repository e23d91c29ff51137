/* combined: an event has a client; stem and query are the URI taken apart; status and size are numbers. */
#include "format_fuzz.h"

static void check(const struct event *ev)
{
	struct str uri = fuzz_pair(ev, "c-uri", 0), stem = fuzz_pair(ev, "cs-uri-stem", 0);
	struct str query = fuzz_pair(ev, "cs-uri-query", 0), status = fuzz_pair(ev, "sc-status", 0);
	if (stem.p) {
		assert(str_starts(uri, stem) && str_find(stem, '?') == stem.n);
		assert(query.p ? stem.n + 1 + query.n == uri.n && str_ends(uri, query) : stem.n == uri.n);
	}
	for (size_t i = 0; i < status.n; i++)
		assert((status.p[i] >= '0' && status.p[i] <= '9') || status.p[i] == '-' || status.p[i] == '.');
	for (uint32_t i = 0; i < ev->n_pairs; i++)
		for (uint32_t k = 0; k < i; k++)
			assert(!str_eq(ev->pairs[i].name, ev->pairs[k].name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_format(&intake_combined, (struct str){ (const char *)data, size }, NULL, check);
	return 0;
}
