#include "pki/x509.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void hosts(void **state)
{
	static const char *const good[] = {
		"hub", "hub.benhvien.vn", "a-b.c", "1a", "10.in-addr.arpa", "xn--bnh-hoa.vn"
	};
	static const char *const bad[] = { "",      ".",    "a.",   ".a",   "a..b",     "-a",
		                           "a-",    "a_b",  "*",    "*.vn", "a b",      "a\n",
		                           "a/b",   "10",   "a.10", "10.1", "10.0.0.1", "b\xe1\xbb\x87nh",
		                           "a\x7f", "[::1]" };
	char label[65], name[300];
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(x509_is_host(str_from(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(x509_is_host(str_from(bad[i])));
	assert_false(x509_is_host((struct str){ "a\0b", 3 }));
	memset(label, 'a', sizeof(label));
	assert_true(x509_is_host((struct str){ label, 63 }));
	assert_false(x509_is_host((struct str){ label, 64 }));
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = i % 2 ? '.' : 'a';
	assert_true(x509_is_host((struct str){ name, 253 }));
	assert_false(x509_is_host((struct str){ name, 255 }));
}

static void addresses(void **state)
{
	static const char *const bad[] = { "",      "10.0.0",  "10.0.0.256", "::g", "fe80::1%eth0",
		                           "[::1]", "1::2::3", "010.0.0.1",  "hub" };
	unsigned char a[16], b[16];
	unsigned n, m;
	assert_true(x509_is_address(STR("192.0.2.7"), a, &n));
	assert_int_equal(n, 4);
	assert_memory_equal(a, ((unsigned char[]){ 192, 0, 2, 7 }), 4);
	assert_true(x509_is_address(STR("2001:db8::1"), a, &n));
	assert_true(x509_is_address(STR("2001:0DB8:0::0:1"), b, &m));
	assert_int_equal(n, 16);
	assert_memory_equal(a, b, 16);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(x509_is_address(str_from(bad[i]), a, &n));
	assert_false(x509_is_address((struct str){ "::1\0", 4 }, a, &n));
}

static void titles(void **state)
{
	static const char *const bad[] = {
		"",     " a",  "a ", "a\nb", "a\x7f", "\xc2\x85", "\xe2\x80\xae", "a\xe2\x80\x8b", "\xef\xbb\xbfz",
		"\xff", "\xc3"
	};
	assert_true(pki_is_title(STR("Bệnh viện Đa khoa 中心")));
	assert_true(pki_is_title(STR("a")));
	char title[PKI_TITLE_MAX + 1];
	memset(title, 'a', sizeof(title));
	assert_true(pki_is_title((struct str){ title, PKI_TITLE_MAX }));
	assert_false(pki_is_title((struct str){ title, PKI_TITLE_MAX + 1 }));
	assert_false(pki_is_title((struct str){ "a\0b", 3 }));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(pki_is_title(str_from(bad[i])));
}

static int check(struct pki_request r)
{
	struct err err = { 0 };
	int code = request_check(&r, &err);
	assert_int_equal(code, err.code);
	assert_true(!code == !err.text[0]);
	return code;
}

/* What request_check() says of a good request that was changed in one place. */
#define CHANGED(...)                                                                                                   \
	({                                                                                                             \
		struct pki_request r = good;                                                                           \
		__VA_ARGS__;                                                                                           \
		check(r);                                                                                              \
	})

static void requests(void **state)
{
	struct str names[PKI_NAMES_MAX + 1] = { STR("hub") };
	const struct str bad = STR("*.hub");
	const struct pki_request good = { .public_key = STR("key"),
		                          .common_name = STR("hub"),
		                          .names = names,
		                          .n_names = 1,
		                          .use = PKI_SERVER,
		                          .days = 30 };
	for (size_t i = 1; i < ARRAY_LEN(names); i++)
		names[i] = STR("10.0.0.1");
	assert_int_equal(check(good), 0);
	assert_int_equal(CHANGED(r.days = 1), 0);
	assert_int_equal(CHANGED(r.days = X509_DAYS_MAX, r.n_names = PKI_NAMES_MAX), 0);
	assert_int_equal(CHANGED(r.use = PKI_CLIENT, r.n_names = 0), 0);
	assert_int_equal(CHANGED(r.n_names = 0), -EPERM);
	assert_int_equal(CHANGED(r.n_names = PKI_NAMES_MAX + 1), -EPERM);
	assert_int_equal(CHANGED(r.names = &bad), -EPERM);
	assert_int_equal(CHANGED(r.days = 0), -EPERM);
	assert_int_equal(CHANGED(r.days = X509_DAYS_MAX + 1), -EPERM);
	assert_int_equal(CHANGED(r.use = 0), -EPERM);
	assert_int_equal(CHANGED(r.use = PKI_SERVER | PKI_CLIENT), -EPERM);
	assert_int_equal(CHANGED(r.use = 4), -EPERM);
	assert_int_equal(CHANGED(r.common_name = STR("a\rb")), -EPERM);
	assert_int_equal(CHANGED(r.public_key = STR("")), -EPERM);
	assert_int_equal(CHANGED(r.public_key.n = X509_KEY_MAX + 1), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts),
		cmocka_unit_test(addresses),
		cmocka_unit_test(titles),
		cmocka_unit_test(requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
