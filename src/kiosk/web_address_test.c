#include "kiosk/web_address.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct in6_addr address(const char *text)
{
	struct in6_addr a = { 0 };
	if (!address_read(str_from(text), &a))
		fail_msg("%s is no address", text);
	return a;
}

static bool same(struct in6_addr a, struct in6_addr b)
{
	return !memcmp(&a, &b, sizeof(a));
}

static void test_read(void **state)
{
	static const char *const bad[] = { "",
		                           "1.2.3",
		                           "1.2.3.256",
		                           "1.2.3.4 ",
		                           "::1::",
		                           "[::1]",
		                           "host",
		                           "1.2.3.4:80",
		                           "::1%lo",
		                           "1.2.3.4/8",
		                           "0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0" };
	struct in6_addr a;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(address_read(str_from(bad[i]), &a));
	assert_false(address_read((struct str){ "1.2.3.4\0", 8 }, &a));
	assert_true(same(address("192.0.2.1"), address("::ffff:192.0.2.1")));
	assert_true(same(address_share(&(struct in6_addr){ .s6_addr = { 1, 2, 3, 4, 5, 6, 7, 8, 9 } }),
	                 (struct in6_addr){ .s6_addr = { 1, 2, 3, 4, 5, 6, 7, 8 } }));
	a = address("192.0.2.1");
	assert_true(same(address_share(&a), a));
}

static void test_networks(void **state)
{
	static const char *const texts[] = { "10.0.0.0/8", "192.0.2.1", "2001:db8::/33", "::ffff:198.51.100.0/120",
		                             NULL };
	static const struct {
		const char *address;
		bool in;
	} cases[] = {
		{ "10.255.1.1", true },        { "11.0.0.1", false },
		{ "192.0.2.1", true },         { "192.0.2.2", false },
		{ "2001:db8::1", true },       { "2001:db8:7fff::1", true },
		{ "2001:db8:8000::1", false }, { "198.51.100.77", true },
		{ "198.51.101.1", false },     { "::1", false },
	};
	struct networks n;
	struct err err;
	assert_int_equal(networks_read(&n, texts, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct in6_addr a = address(cases[i].address);
		if (networks_have(&n, &a) != cases[i].in)
			fail_msg("%s", cases[i].address);
	}
	assert_int_equal(networks_read(&n, (const char *const[]){ "0.0.0.0/0", NULL }, &err), 0);
	const struct in6_addr four = address("203.0.113.9"), six = address("2001:db8::1");
	assert_true(networks_have(&n, &four));
	assert_false(networks_have(&n, &six));
	assert_int_equal(networks_read(&n, NULL, &err), 0);
	assert_false(networks_have(&n, &four));
}

static void test_bad_networks(void **state)
{
	static const char *const bad[] = { "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/8x",
		                           "10.0.0.0/-1", "/8",     "a",         "" };
	const char *many[NETWORKS_MAX + 2] = { NULL };
	struct networks n = { .n = 7 };
	struct err err;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(networks_read(&n, (const char *const[]){ bad[i], NULL }, &err), -EINVAL);
	for (size_t i = 0; i <= NETWORKS_MAX; i++)
		many[i] = "::1";
	assert_int_equal(networks_read(&n, many, &err), -E2BIG);
	assert_int_equal(n.n, 7);
}

static void test_behind(void **state)
{
	static const char *const trusted[] = { "10.0.0.0/8", "::1", NULL };
	static const struct {
		const char *peer, *header, *is;
	} cases[] = {
		{ "192.0.2.1", "198.51.100.1", "192.0.2.1" }, /* nobody trusts it */
		{ "10.0.0.1", "", "10.0.0.1" },
		{ "10.0.0.1", "198.51.100.1", "198.51.100.1" },
		{ "10.0.0.1", "203.0.113.7, 198.51.100.1", "198.51.100.1" }, /* what is before it anybody can write */
		{ "10.0.0.1", "198.51.100.1 ,10.0.0.2,  10.0.0.3", "198.51.100.1" },
		{ "10.0.0.1", "10.0.0.2", "10.0.0.2" },
		{ "10.0.0.1", "203.0.113.7, unknown", "10.0.0.1" },
		{ "10.0.0.1", "203.0.113.7, 10.0.0.9, ,10.0.0.2", "10.0.0.2" },
		{ "::1", "2001:db8::7", "2001:db8::7" },
		{ "::1", ",", "::1" },
	};
	struct networks n;
	struct err err;
	assert_int_equal(networks_read(&n, trusted, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct in6_addr peer = address(cases[i].peer);
		if (!same(address_behind(&n, &peer, str_from(cases[i].header)), address(cases[i].is)))
			fail_msg("%s: %s", cases[i].peer, cases[i].header);
	}
}

static void test_site(void **state)
{
	const struct in6_addr one = address("2001:db8:1:2::3"), two = address("2001:db8:1:ffff::3"),
	                      other = address("2001:db8:2:2::3"), four = address("192.0.2.1");
	assert_true(same(address_site(&one), address("2001:db8:1::")));
	assert_true(same(address_site(&one), address_site(&two)));
	assert_false(same(address_share(&one), address_share(&two)));
	assert_false(same(address_site(&one), address_site(&other)));
	assert_true(same(address_site(&four), four));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),   cmocka_unit_test(test_networks), cmocka_unit_test(test_bad_networks),
		cmocka_unit_test(test_behind), cmocka_unit_test(test_site),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
