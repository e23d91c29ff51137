/*
 * vietqr: what is read can be written again, with the same meaning; what is written can be read. Folded text is printable, and stays
 * as it is when it is folded again. A reference that is found is one.
 */
#include "kiosk/pay.h"

#include <assert.h>

static void check_same(const struct vietqr *a, const struct vietqr *b)
{
	assert(str_eq(a->bin, b->bin) && str_eq(a->account, b->account) && a->card == b->card &&
	       a->amount == b->amount);
}

static void check_write(const struct vietqr *q)
{
	char out[VIETQR_MAX];
	struct vietqr back, again;
	if (vietqr_write(q, out, NULL))
		return;
	assert(vietqr_read(str_from(out), &back, NULL) == 0);
	check_same(q, &back);
	assert(back.purpose.n <= VIETQR_PURPOSE);
	char out_again[VIETQR_MAX];
	assert(vietqr_write(&back, out_again, NULL) == 0 && vietqr_read(str_from(out_again), &again, NULL) == 0);
	assert(!strcmp(out, out_again));
}

static void check_fold(struct str text)
{
	struct buf once = { 0 }, twice = { 0 };
	vietqr_fold(text, &once);
	assert(once.n <= text.n);
	for (size_t i = 0; i < once.n; i++) {
		assert(once.p[i] >= ' ' && once.p[i] <= '~');
		assert(i == 0 || once.p[i] != ' ' || once.p[i - 1] != ' ');
	}
	vietqr_fold(buf_str(&once), &twice);
	assert(str_eq(buf_str(&once), buf_str(&twice)));
	buf_free(&once);
	buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size }, rest = text, parts[3];
	struct vietqr q = { 0 };
	char reference[REFERENCE_LENGTH + 1], again[REFERENCE_LENGTH + 1];
	if (vietqr_read(text, &q, NULL) == 0) {
		assert(q.bin.n == 6 && q.account.n && q.amount >= 0 && q.amount <= MONEY_MAX);
		check_write(&q);
	}
	for (int i = 0; i < 3; i++) {
		size_t n = str_find(rest, '\n');
		parts[i] = str_sub(rest, 0, n);
		rest = str_sub(rest, n + 1, rest.n);
	}
	q = (struct vietqr){
		.bin = parts[0], .account = parts[1], .purpose = parts[2], .amount = (int64_t)(size * size)
	};
	check_write(&q);
	check_fold(text);
	if (reference_find(text, reference))
		assert(reference_find(str_from(reference), again) && !strcmp(reference, again));
	return 0;
}
