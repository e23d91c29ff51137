#include "order/approver.h"
#include "order/fixture.h"

#include <sodium.h>

#define PASS STR("correct horse")

static void make(struct buf *out)
{
	struct err err = { 0 };
	if (approver_new(STR("An"), PASS, crypto_pwhash_OPSLIMIT_MIN, crypto_pwhash_MEMLIMIT_MIN, out, &err))
		fail_msg("%s", err.text);
}

static void test_opens(void **state)
{
	struct buf file = { 0 };
	struct approver a;
	unsigned char secret[ORDER_SECRET], signature[ORDER_SIGNATURE];
	make(&file);
	assert_int_equal(approver_read(&a, buf_str(&file), NULL), 0);
	assert_string_equal(a.name, "An");
	assert_int_equal(approver_open(buf_str(&file), STR("correct hors"), secret, NULL), -EACCES);
	assert_int_equal(approver_open(buf_str(&file), STR(""), secret, NULL), -EACCES);
	assert_int_equal(approver_open(buf_str(&file), PASS, secret, NULL), 0);
	assert_int_equal(order_sign(ORDER_BY_APPROVER, secret, STR("x"), signature), 0);
	assert_true(order_verify(ORDER_BY_APPROVER, a.public, STR("x"), signature));
	/* the secret stands nowhere in it as it is */
	assert_null(memmem(file.p, file.n, secret, 16));
	buf_free(&file);
}

/* No byte of it can be changed: not the name, not the public key, not the costs. */
static void test_changed(void **state)
{
	struct buf file = { 0 };
	struct approver a;
	unsigned char secret[ORDER_SECRET];
	make(&file);
	for (size_t i = 0; i < file.n; i++) {
		const char was = file.p[i];
		file.p[i] = was == 'B' ? 'C' : 'B';
		int code = approver_open(buf_str(&file), PASS, secret, NULL);
		if (code != -EACCES && code != -EBADMSG && code != -ENOMEM)
			fail_msg("%zu of %zu: %d", i, file.n, code);
		file.p[i] = was;
	}
	for (size_t n = 0; n + 1 < file.n; n += 5)
		assert_int_equal(approver_read(&a, (struct str){ file.p, n }, NULL), -EBADMSG);
	buf_add(&file, STR("more\n"));
	assert_int_equal(approver_read(&a, buf_str(&file), NULL), -EBADMSG);
	buf_free(&file);
}

static void test_bounds(void **state)
{
	struct buf file = { 0 };
	assert_int_equal(approver_new(STR("An"), STR("7 bytes"), 0, 0, &file, NULL), -EINVAL);
	assert_int_equal(approver_new(STR(""), PASS, 0, 0, &file, NULL), -EINVAL);
	assert_int_equal(approver_new(STR("a\nb"), PASS, 0, 0, &file, NULL), -EINVAL);
	assert_int_equal(file.n, 0);
	buf_free(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_opens), cmocka_unit_test(test_changed),
		                            cmocka_unit_test(test_bounds) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
