/* event_parse_time: a result lies in the years it reads, blanks around don't matter, refused leaves no trace. */
#include "event/event.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *padded = malloc(size + 2), *exact = malloc(size + !size);
	assert(padded && exact);
	padded[0] = ' ';
	if (size) {
		memcpy(padded + 1, data, size);
		memcpy(exact, data, size);
	}
	padded[size + 1] = '\n';
	int64_t us = 42, padded_us = 42;
	bool ok = event_parse_time((struct str){ exact, size }, &us);
	assert(event_parse_time((struct str){ padded, size + 2 }, &padded_us) == ok && padded_us == us);
	if (ok)
		assert(us >= -62167305600000000 && us < 253402387200000000); /* years 0 to 9999, a day's offset */
	else
		assert(us == 42);
	free(padded);
	free(exact);
	return 0;
}
