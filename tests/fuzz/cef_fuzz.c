/* cef: an event has the six fields of the header, in their order. */
#include "format_fuzz.h"

static void check(const struct event *ev)
{
	static const char *const names[] = { "deviceVendor",       "deviceProduct", "deviceVersion",
		                             "deviceEventClassId", "name",          "severity" };
	uint32_t at = 0;
	while (at < ev->n_pairs && !str_eq(ev->pairs[at].name, str_from(names[0])))
		at++;
	assert(at <= 1 && at + 6 <= ev->n_pairs);
	for (uint32_t i = 0; i < 6; i++)
		assert(str_eq(ev->pairs[at + i].name, str_from(names[i])));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_format(&intake_cef, (struct str){ (const char *)data, size }, NULL, check);
	return 0;
}
