/* A hunt reads, or says where it is wrong; what it prints reads as the same. */
#include "hunt/hunt.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = { (const char *)data, size };
	struct hunt_error error = { 0 };
	struct buf once = { 0 }, twice = { 0 }, plan = { 0 };
	struct hunt *h;
	const int r = hunt_parse(&h, text, &error);
	if (r == -ENOMEM)
		return 0;
	if (r) {
		check(r == -EINVAL && error.what[0] && error.at <= size && error.n <= size - error.at);
		return 0;
	}
	hunt_print(h, &once);
	hunt_explain(h, &plan);
	hunt_free(h);
	/* Quotes and full names may make it longer than a hunt may be. */
	if (once.n <= HUNT_TEXT_MAX) {
		check(!hunt_parse(&h, buf_str(&once), &error));
		hunt_print(h, &twice);
		check(str_eq(buf_str(&once), buf_str(&twice)));
		hunt_free(h);
	}
	buf_free(&once);
	buf_free(&twice);
	buf_free(&plan);
	return 0;
}
