/* audit: a `type` for every line, and no decoded text longer than the record. */
#include "format_fuzz.h"

static void check(const struct event *ev)
{
	uint32_t types = 0, lines = 1;
	for (size_t i = 0; i + 1 < ev->raw.n; i++)
		lines += ev->raw.p[i] == '\n';
	for (uint32_t i = 0; i < ev->n_pairs; i++) {
		types += str_eq(ev->pairs[i].name, STR("type"));
		if (!str_eq(ev->pairs[i].name, STR("destination.ip")) && !str_eq(ev->pairs[i].name, STR("SYSCALL")))
			assert(ev->pairs[i].text.n <= ev->raw.n);
	}
	assert(types >= lines && ev->time >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_format(&intake_audit, (struct str){ (const char *)data, size }, NULL, check);
	return 0;
}
