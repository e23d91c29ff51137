/* flood_normal_load: what is read can be written, and read again as the same; refused leaves no trace. */
#include "flood/flood.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct flood *make(void)
{
	static const struct flood_limits limits = { .cells = 64, .records = 64, .events = 64 };
	static const uint8_t seed[16] = { 1 };
	struct flood *ret;
	void *mem = NULL;
	int rc = posix_memalign(&mem, 64, flood_size(&limits));
	assert(rc == 0);
	memset(mem, 0, flood_size(&limits));
	rc = flood_init(&ret, mem, &limits, seed);
	assert(rc == 0);
	return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct flood *f;
	static char before[FLOOD_NORMAL_MAX], after[FLOOD_NORMAL_MAX];
	f = f ? f : make();
	size_t was = flood_normal_save(f, before, sizeof(before));
	int rc = flood_normal_load(f, (struct str){ (const char *)data, size }, NULL);
	size_t n = flood_normal_save(f, after, sizeof(after));
	assert(n > 0);
	if (rc) {
		assert(n == was && memcmp(before, after, n) == 0);
		return 0;
	}
	rc = flood_normal_load(f, (struct str){ after, n }, NULL);
	assert(rc == 0);
	was = flood_normal_save(f, before, sizeof(before));
	assert(n == was && memcmp(before, after, n) == 0);
	return 0;
}
