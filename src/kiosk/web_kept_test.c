#include "kiosk/web_kept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static unsigned dropped;

static void drop(struct MHD_Response *m)
{
	dropped++;
	free(m);
}

static struct kept_page page_of(struct str bytes)
{
	return (struct kept_page){ .bytes = bytes };
}

static const struct kept_page *find(const struct kept *k, struct str path, enum kiosk_language lang, int64_t now)
{
	return kept_find(k, &(struct kept_key){ path, lang, false }, now);
}

static void put(struct kept *k, struct str path, enum kiosk_language lang, const struct kept_page *page, int64_t now)
{
	kept_put(k, &(struct kept_key){ path, lang, false }, page, now);
}

static void test_find(void **state)
{
	struct kept *k = kept_new(drop);
	struct kept_page page = page_of(STR("pho"));
	page.holes[0] = (struct page_hole){ .at = 1, .action = "/book" };
	page.n_holes = 1;
	assert_null(find(k, STR("/"), KIOSK_VI, 0));
	put(k, STR("/"), KIOSK_VI, &page, 1000);
	const struct kept_page *found = find(k, STR("/"), KIOSK_VI, 1000 + KEPT_US - 1);
	assert_non_null(found);
	assert_true(str_eq(found->bytes, STR("pho")));
	assert_ptr_not_equal(found->bytes.p, page.bytes.p);
	assert_int_equal(found->n_holes, 1);
	assert_string_equal(found->holes[0].action, "/book");
	assert_null(find(k, STR("/"), KIOSK_EN, 1000));
	assert_null(find(k, STR("/s"), KIOSK_VI, 1000));
	assert_null(find(k, STR(""), KIOSK_VI, 1000));
	assert_null(find(k, STR("/"), KIOSK_VI, 1000 + KEPT_US));
	page = page_of(STR("bun"));
	put(k, STR("/"), KIOSK_VI, &page, 2000);
	assert_true(str_eq(find(k, STR("/"), KIOSK_VI, 2000)->bytes, STR("bun")));
	kept_free(k);
}

/* All forms of a page stand beside each other. */
static void test_forms(void **state)
{
	struct kept *k = kept_new(drop);
	char text[8];
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 2 * N_KIOSK_LANGUAGES; i++) {
			const struct kept_key key = { STR("/"), i / 2, i % 2 };
			snprintf(text, sizeof(text), "form %u", i);
			const struct kept_page page = { .bytes = str_from(text), .packed = i % 2 };
			if (!round)
				kept_put(k, &key, &page, 0);
			const struct kept_page *found = kept_find(k, &key, 0);
			assert_non_null(found);
			assert_true(str_eq(found->bytes, str_from(text)));
			assert_int_equal(found->packed, i % 2);
		}
	kept_free(k);
}

/* Each response is given back once, whether it was kept or not. */
static void test_responses(void **state)
{
	struct kept *k = kept_new(drop);
	static char path[KEPT_PATH + 2];
	struct kept_page page = page_of(STR("x"));
	memset(path, 'a', sizeof(path) - 1);
	dropped = 0;
	for (int i = 0; i < 3; i++) {
		page.response = malloc(1);
		put(k, STR("/"), KIOSK_ZH, &page, i);
	}
	assert_int_equal(dropped, 2);
	page.response = malloc(1);
	put(k, str_from(path), KIOSK_ZH, &page, 0); /* too long */
	assert_int_equal(dropped, 3);
	assert_null(find(k, str_from(path), KIOSK_ZH, 0));
	kept_free(k);
	assert_int_equal(dropped, 4);
}

/* Places and bytes have a bound; what is too old makes room for what is new. */
static void test_bounds(void **state)
{
	enum { LARGE = KEPT_BYTES / 8 };
	struct kept *k = kept_new(drop);
	char *bytes = calloc(1, LARGE), path[32];
	const struct kept_page large = page_of((struct str){ bytes, LARGE }), small = page_of(STR("x"));
	unsigned n = 0;
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "/large/%d", i);
		put(k, str_from(path), KIOSK_VI, &large, 0);
		n += find(k, str_from(path), KIOSK_VI, 0) != NULL;
	}
	assert_int_equal(n, 8);
	put(k, STR("/late"), KIOSK_VI, &large, KEPT_US);
	assert_non_null(find(k, STR("/late"), KIOSK_VI, KEPT_US));
	for (int i = 0; i < 100000; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		put(k, str_from(path), KIOSK_VI, &small, KEPT_US + i);
		assert_non_null(find(k, str_from(path), KIOSK_VI, KEPT_US + i));
	}
	n = 0;
	for (int i = 0; i < 100000; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		n += find(k, str_from(path), KIOSK_VI, KEPT_US + 100000) != NULL;
	}
	assert_in_range(n, 900, 1024);
	free(bytes);
	kept_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
