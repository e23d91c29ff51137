/* sample: host, action and message are views into the line, in that order; the first two are words. */
#include "format_fuzz.h"

static void check(const struct event *ev)
{
	struct str host = fuzz_pair(ev, "host.name", 0), action = fuzz_pair(ev, "event.action", 0);
	struct str message = fuzz_pair(ev, "message", 0);
	assert(ev->n_pairs == 3);
	assert(fuzz_inside(host, ev->raw) && fuzz_inside(action, ev->raw) && fuzz_inside(message, ev->raw));
	assert(host.n && str_find(host, ' ') == host.n);
	assert(action.n && str_find(action, ' ') == action.n);
	assert(host.p + host.n < action.p && action.p + action.n <= message.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_format(&intake_sample, (struct str){ (const char *)data, size }, NULL, check);
	return 0;
}
