/* sample: any bytes as a JSON string are one string: quoted, without bare control characters, ended only at its end. */
#undef NDEBUG
#include "base/buf.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = { 0 };
	buf_add_json(&out, (struct str){ (const char *)data, size });
	assert(!out.failed && out.n >= 2 && out.p[0] == '"' && out.p[out.n - 1] == '"');
	size_t i = 1;
	for (; i < out.n - 1; i++) {
		assert((unsigned char)out.p[i] >= ' ' && out.p[i] != '"');
		i += out.p[i] == '\\';
	}
	assert(i == out.n - 1);
	buf_free(&out);
	return 0;
}
