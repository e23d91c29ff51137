/* kv: keys are views into the line, never empty, and "=" stands behind each. */
#include "format_fuzz.h"

static void check(const struct event *ev)
{
	assert(ev->n_pairs > 0);
	for (uint32_t i = 0; i < ev->n_pairs; i++) {
		struct str key = ev->pairs[i].name;
		assert(key.n && fuzz_inside(key, ev->raw) && key.p[key.n] == '=');
		assert(ev->pairs[i].text.n <= ev->raw.n);
		if (i)
			assert(key.p > ev->pairs[i - 1].name.p);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_format(&intake_kv, (struct str){ (const char *)data, size }, NULL, check);
	return 0;
}
