/* control: an answer is taken whole or not at all, and its body lies within it. */
#include "proxy/control.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str in = { (const char *)data, size };
	struct str body = { NULL, 7 }, cut;
	const int status = control_read(in, &body);
	if (status < 0) {
		assert(!body.p && body.n == 7);
		return 0;
	}
	assert(status >= 200 && status <= 599);
	assert(body.p >= in.p && body.p + body.n == in.p + in.n);
	/* what lacks its last byte is none */
	assert(control_read(str_sub(in, 0, in.n - 1), &cut) < 0);
	return 0;
}
