#include "base/block.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint32_t NUMBERS[] = { 1, 2, 3 };

struct packed {
	void *block;
	size_t size;
};

static int setup(void **state)
{
	static struct packed p;
	const struct block_part parts[] = {
		{ { (const char *)NUMBERS, sizeof(NUMBERS) }, sizeof(NUMBERS[0]) },
		{ STR(""), 8 },
		{ STR("text"), 1 },
	};
	*state = &p;
	return block_pack(&p.block, &p.size, "kind-1", parts, ARRAY_LEN(parts));
}

static int teardown(void **state)
{
	free(((struct packed *)*state)->block);
	return 0;
}

static int parts_of(const struct packed *p, const char *kind, struct block_part part[3])
{
	struct err err;
	part[0] = (struct block_part){ .record = 4 };
	part[1] = (struct block_part){ .record = 8 };
	part[2] = (struct block_part){ .record = 1 };
	return block_parts(p->block, p->size, kind, part, 3, &err);
}

static void test_back(void **state)
{
	struct block_part part[3];
	assert_int_equal(parts_of(*state, "kind-1", part), 0);
	assert_int_equal(part[0].bytes.n, sizeof(NUMBERS));
	assert_memory_equal(part[0].bytes.p, NUMBERS, sizeof(NUMBERS));
	assert_int_equal((uintptr_t)part[0].bytes.p % 64, 0);
	assert_int_equal(part[1].bytes.n, 0);
	assert_true(str_eq(part[2].bytes, STR("text")));
}

static void test_of_another_kind(void **state)
{
	const struct packed *p = *state;
	struct block_part part[3] = { { .record = 4 }, { .record = 8 }, { .record = 2 } };
	assert_int_equal(parts_of(p, "kind-2", part), -EBADMSG);
	assert_int_equal(parts_of(p, "kind-10", part), -EBADMSG);
	part[2].record = 2;
	assert_int_equal(block_parts(p->block, p->size, "kind-1", part, 3, NULL), -EBADMSG);
	assert_int_equal(block_parts(p->block, p->size, "kind-1", part, 2, NULL), -EBADMSG);
	assert_int_equal(block_pack(&(void *){ NULL }, &(size_t){ 0 }, "sixteen bytes it", part, 1), -EINVAL);
}

/* Whatever byte of the header is changed: refused, or every part still lies inside. */
static void test_damaged(void **state)
{
	const struct packed *p = *state;
	struct block_part part[3];
	unsigned char *bytes = p->block;
	int refused = 0;
	for (size_t at = 0; at < p->size; at++)
		for (int bit = 0; bit < 8; bit++) {
			bytes[at] ^= (unsigned char)(1 << bit);
			if (parts_of(p, "kind-1", part) == 0)
				for (int i = 0; i < 3; i++)
					assert_true(part[i].bytes.p >= (char *)bytes &&
					            part[i].bytes.p + part[i].bytes.n <= (char *)bytes + p->size);
			else
				refused++;
			bytes[at] ^= (unsigned char)(1 << bit);
		}
	assert_in_range(refused, 500, 5000);
}

static void test_cut_off(void **state)
{
	struct packed cut = *(const struct packed *)*state;
	struct block_part part[3];
	for (size_t whole = cut.size--; cut.size < whole; cut.size--)
		assert_int_equal(parts_of(&cut, "kind-1", part), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_of_another_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_off, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
