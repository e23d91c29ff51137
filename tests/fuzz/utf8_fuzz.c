/* UTF-8: validity is that of the characters one by one; folding twice is folding once and keeps what is valid valid. */
#include "base/utf8.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + !size), *once = malloc(UTF8_FOLD_MAX(size));
	assert(copy && once);
	if (size)
		memcpy(copy, data, size);
	struct str s = { copy, size };
	bool valid = true;
	size_t characters = 0;
	for (size_t i = 0; i < size; characters++) {
		char at[4];
		size_t n = utf8_len(str_sub(s, i, size));
		valid = valid && n;
		if (n)
			assert(utf8_put(at, utf8_get(str_sub(s, i, n))) == n && memcmp(at, s.p + i, n) == 0);
		i += n ? n : 1;
	}
	assert(utf8_valid(s) == valid);

	struct str folded = { once, utf8_fold(once, s) };
	assert(folded.n <= UTF8_FOLD_MAX(size));
	char *twice = malloc(UTF8_FOLD_MAX(folded.n));
	assert(twice);
	struct str again = { twice, utf8_fold(twice, folded) };
	assert(str_eq(again, folded));
	assert(utf8_valid(folded) == valid);
	for (size_t i = 0; i < folded.n; characters--) {
		size_t n = utf8_len(str_sub(folded, i, folded.n));
		i += n ? n : 1;
	}
	assert(characters == 0);
	free(copy);
	free(once);
	free(twice);
	return 0;
}
