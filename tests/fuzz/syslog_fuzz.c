/* syslog: every line is an event; its message is the end of the line, and host and program stand before it. */
#include "format_fuzz.h"

static void check(const struct event *ev)
{
	struct str host = fuzz_pair(ev, "host.name", 0), message = { 0 };
	for (uint32_t i = 0; i < ev->n_pairs; i++)
		if (str_eq(ev->pairs[i].name, STR("message")) && fuzz_inside(ev->pairs[i].text, ev->raw))
			message = ev->pairs[i].text;
	assert(message.p && message.p + message.n == ev->raw.p + ev->raw.n);
	if (host.p && fuzz_inside(host, ev->raw))
		assert(host.n && host.p + host.n <= message.p);
	assert(ev->time <= FUZZ_NOW + INT64_C(9000) * 365 * 86400 * 1000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_format(&intake_syslog, (struct str){ (const char *)data, size }, NULL, check);
	return 0;
}
