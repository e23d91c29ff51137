/*
 * Operators' lists, any text: what is read is written so that it reads as the same and is written the same again; what is looked up
 * is what going through all of them finds. A line of the text alone as an address: what is written of it is read as the same.
 */
#undef NDEBUG
#include "flood/list.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 64 };

static void check_prefix(struct str text)
{
	struct flood_addr a, back;
	uint8_t bits, bits_back;
	char written[LIST_PREFIX_TEXT];
	if (list_prefix(str_sub(text, 0, str_find(text, '\n')), &a, &bits, NULL))
		return;
	assert(bits <= 128);
	assert(list_prefix(str_from(list_prefix_text(&a, bits, written)), &back, &bits_back, NULL) == 0);
	assert(bits == bits_back && memcmp(&a, &back, sizeof(a)) == 0);
}

static bool within(const struct flood_addr *a, const struct list_entry *e)
{
	for (unsigned i = 0; i < e->bits; i++)
		if ((a->b[i / 8] ^ e->addr.b[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

static void check_looks(struct list_entry *e, size_t n)
{
	list_sort(e, n);
	for (size_t i = 0; i < n; i++) {
		int64_t at = e[n - 1 - i].until_s == INT64_MAX ? 0 : e[n - 1 - i].until_s;
		const struct list_entry *got = list_look(e, n, &e[i].addr, at), *want = NULL;
		for (size_t j = 0; j < n; j++)
			if (e[j].until_s > at && within(&e[i].addr, &e[j]) &&
			    (!want || e[j].bits > want->bits ||
			     (e[j].bits == want->bits && e[j].action < want->action)))
				want = &e[j];
		assert(!got == !want);
		assert(!got || (got->bits == want->bits && got->action == want->action && got->until_s > at));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct list_entry e[MOST], back[MOST];
	struct str text = { (const char *)data, size };
	struct buf once = { 0 }, twice = { 0 };
	struct err err = { 0 };
	size_t n = 0, n_back = 0;
	check_prefix(text);
	int rc = list_read(text, e, MOST, &n, &err);
	if (rc) {
		assert((rc == -EINVAL || rc == -E2BIG) && n == 0 && *err.text);
		return 0;
	}
	assert(n <= MOST);
	list_write(&once, e, n);
	assert(list_read(buf_str(&once), back, MOST, &n_back, NULL) == 0 && n == n_back);
	for (size_t i = 0; i < n; i++)
		assert(e[i].bits == back[i].bits && e[i].action == back[i].action && e[i].until_s == back[i].until_s &&
		       memcmp(&e[i].addr, &back[i].addr, sizeof(e[i].addr)) == 0 && strcmp(e[i].by, back[i].by) == 0 &&
		       strcmp(e[i].why, back[i].why) == 0);
	list_write(&twice, back, n_back);
	assert(str_eq(buf_str(&once), buf_str(&twice)));
	check_looks(e, n);
	buf_free(&once);
	buf_free(&twice);
	return 0;
}
