/*
 * ClientHellos, any bytes: what is taken has a fingerprint of the shape that JA4 has, whatever is written over its random bytes, and
 * is no longer taken with a byte more or less; what is refused leaves nothing.
 */
#undef NDEBUG
#include "flood/hello.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool hex(const char *s, size_t n)
{
	return strspn(s, "0123456789abcdef") >= n;
}

static void check_shape(const char *s)
{
	static const char digits[] = "0123456789";
	static const char *const versions[] = { "00", "10", "11", "12", "13", "s2", "s3" };
	size_t known = 0;
	assert(strlen(s) == HELLO_TEXT && s[0] == 't' && (s[3] == 'd' || s[3] == 'i'));
	for (size_t i = 0; i < ARRAY_LEN(versions); i++)
		known += memcmp(s + 1, versions[i], 2) == 0;
	assert(known == 1 && strspn(s + 4, digits) >= 4);
	assert(strchr(s + 8, '_') == s + 10 && s[23] == '_' && hex(s + 11, 12) && hex(s + 24, 12));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hello h = { "untouched" }, again = { "untouched" };
	int rc = hello_read((struct str){ (const char *)data, size }, &h);
	if (rc) {
		assert((rc == -EINVAL || rc == -E2BIG) && strcmp(h.text, "untouched") == 0);
		return 0;
	}
	check_shape(h.text);
	assert(hello_hash(&h) != 0);
	char *copy = calloc(1, size + 1);
	assert(copy);
	memcpy(copy, data, size);
	assert(hello_read((struct str){ copy, size - 1 }, &again) == -EINVAL);
	assert(hello_read((struct str){ copy, size + 1 }, &again) == -EINVAL);
	memset(copy + 6, 0xa5, 32);
	assert(hello_read((struct str){ copy, size }, &again) == 0 && strcmp(h.text, again.text) == 0);
	assert(hello_hash(&h) == hello_hash(&again));
	free(copy);
	return 0;
}
