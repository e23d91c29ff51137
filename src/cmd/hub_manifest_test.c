/* The manifest of a backup: what was written is read; anything else is refused, and names nothing outside. */
#include "cmd/hub_manifest.h"

#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const unsigned char hash_a[MANIFEST_HASH] = { 1, 2, 3, 0xff }, hash_b[MANIFEST_HASH] = { 0 };

static void make(struct manifest *m)
{
	*m = (struct manifest){ .bytes = 1234567890123, .version = "0.1.0", .made = "2026-11-22T03:40:00Z" };
	assert_int_equal(manifest_add(m, "state.db", hash_a, NULL), 0);
	assert_int_equal(manifest_add(m, "events/days/2026-11-22.db", hash_b, NULL), 0);
}

static void test_there_and_back(void **state)
{
	struct manifest m, back = { 0 };
	struct buf text = { 0 };
	make(&m);
	manifest_print(&m, &text);
	assert_int_equal(manifest_parse(&back, buf_str(&text), NULL), 0);
	assert_int_equal(back.n, 2);
	assert_string_equal(back.files[0].path, "events/days/2026-11-22.db");
	assert_memory_equal(back.files[1].hash, hash_a, MANIFEST_HASH);
	assert_int_equal(back.bytes, 1234567890123);
	assert_string_equal(back.made, "2026-11-22T03:40:00Z");
	assert_string_equal(back.version, "0.1.0");
	manifest_done(&m);
	manifest_done(&back);
	buf_free(&text);
}

static void test_every_change_is_seen(void **state)
{
	struct manifest m, back = { 0 };
	struct buf text = { 0 };
	make(&m);
	manifest_print(&m, &text);
	for (size_t i = 0; i < text.n; i++) {
		text.p[i] ^= 1;
		assert_true(manifest_parse(&back, buf_str(&text), NULL) < 0);
		text.p[i] ^= 1;
		assert_true(manifest_parse(&back, str_sub(buf_str(&text), 0, i), NULL) < 0);
		assert_true(manifest_parse(&back, str_sub(buf_str(&text), i + 1, text.n), NULL) < 0);
		assert_null(back.files);
	}
	manifest_done(&m);
	buf_free(&text);
}

/* With a sum that is right. */
static int parse_signed(const char *body, struct err *err)
{
	unsigned char sum[MANIFEST_HASH];
	char hex[2 * MANIFEST_HASH + 1];
	struct manifest m = { 0 };
	struct buf text = { 0 };
	crypto_generichash(sum, sizeof(sum), (const unsigned char *)body, strlen(body), NULL, 0);
	buf_printf(&text, "%s# sum %s\n", body, sodium_bin2hex(hex, sizeof(hex), sum, sizeof(sum)));
	int code = manifest_parse(&m, buf_str(&text), err);
	buf_free(&text);
	manifest_done(&m);
	return code;
}

#define HEAD   "# khien backup 1\n# version 1\n# made 1\n"
#define DIGEST "0102030405060708010203040506070801020304050607080102030405060708"

static void test_bodies(void **state)
{
	static const struct {
		const char *body;
		int want;
	} cases[] = {
		{ HEAD "# files 0, bytes 0\n", 0 },
		{ HEAD "BLAKE2b-256 (a) = " DIGEST "\n# files 1, bytes 0\n", 0 },
		{ HEAD "BLAKE2b-256 (a) = " DIGEST "\n# files 2, bytes 0\n", -EBADMSG },
		{ HEAD "BLAKE2b-256 (a) = " DIGEST "0\n# files 1, bytes 0\n", -EBADMSG },
		{ HEAD "BLAKE2b-256 (a) = " DIGEST "\n# files 1, bytes\n", -EBADMSG },
		{ HEAD "BLAKE2b-256 (a = " DIGEST "\n# files 1, bytes 0\n", -EBADMSG },
		{ HEAD "MD5 (a) = " DIGEST "\n# files 1, bytes 0\n", -EBADMSG },
		{ HEAD "# files 0, bytes 0\n# files 0, bytes 0\n", -EBADMSG },
		{ HEAD "# files 0, bytes 9999999999999999999\n", -EBADMSG },
		{ HEAD, -EBADMSG },
		{ "# khien backup 1\n# version \n# made 1\n# files 0, bytes 0\n", -EBADMSG },
		{ "# khien backup 1\n# version a b\n# made 1\n# files 0, bytes 0\n", -EBADMSG },
		{ "# khien backup 1\n# version 0123456789012345678901234567890123456789\n# made 1\n# files 0, bytes "
		  "0\n",
		  -EBADMSG },
		{ "# khien backup 2\n", -EPROTO },
		{ "# khien backup 10\n", -EPROTO },
		{ "# another program\n", -EBADMSG },
		{ "", -EBADMSG },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(parse_signed(cases[i].body, NULL), cases[i].want);
}

static void test_paths(void **state)
{
	static const char *const bad[] = { "",     "/a",   "a/",      "a//b",     "..",   "a/../b", ".a",
		                           "a/.b", "-a",   "a/-b",    "a b",      "a\nb", "a)b",    "\xc3\xa9",
		                           "a\\b", "_a/b", "a/b/../", "manifest", "./a",  "a:b" };
	static const char *const good[] = { "a", "a/b/c.d-e_f", "0/1", "manifest2", "x/manifest", "a..b" };
	struct manifest m = { 0 };
	char path[MANIFEST_PATH + 1];
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(manifest_add(&m, bad[i], hash_a, NULL), -EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(manifest_add(&m, good[i], hash_a, NULL), 0);
	memset(path, 'a', sizeof(path));
	path[MANIFEST_PATH] = '\0';
	assert_int_equal(manifest_add(&m, path, hash_a, NULL), -EINVAL);
	path[MANIFEST_PATH - 1] = '\0';
	assert_int_equal(manifest_add(&m, path, hash_a, NULL), 0);
	while (m.n < MANIFEST_FILES)
		assert_int_equal(manifest_add(&m, "a", hash_a, NULL), 0);
	assert_int_equal(manifest_add(&m, "a", hash_a, NULL), -E2BIG);
	manifest_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_every_change_is_seen),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_paths),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
