/* answer: any cut of the bytes gives the same answer, within its bounds. */
#include "post/answer.h"

#include <assert.h>

static long read_cut(struct answer *a, struct str in, size_t piece)
{
	size_t used = 0;
	while (used < in.n && !answer_is_whole(a)) {
		long n = answer_feed(a, str_sub(in, used, piece));
		if (n < 0)
			return n;
		assert((size_t)n <= piece && (n || answer_is_whole(a)));
		used += (size_t)n;
	}
	return (long)used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str in = { (const char *)data, size };
	struct answer whole = { 0 }, cut = { 0 };
	long used = read_cut(&whole, in, size + 1);
	long other = read_cut(&cut, in, size ? 1 + data[size - 1] % 16 : 1);
	assert(used == other);
	if (used >= 0) {
		assert(whole.part == cut.part && whole.status == cut.status && whole.keeps == cut.keeps);
		assert(whole.retry_after == cut.retry_after && str_eq(buf_str(&whole.body), buf_str(&cut.body)));
		assert(whole.body.n <= ANSWER_BODY && whole.line.n <= ANSWER_HEAD);
		assert(!answer_is_whole(&whole) || (whole.status >= 200 && whole.status <= 599));
	}
	answer_done(&whole);
	answer_done(&cut);
	return 0;
}
