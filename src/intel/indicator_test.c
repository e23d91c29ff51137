#include "intel/indicator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect(const char *text, enum intel_type wanted, unsigned flags, enum intel_type type, const char *normal)
{
	struct indicator i;
	const char *why = indicator_read(&i, str_from(text), wanted, flags);
	if (why)
		fail_msg("%s: %s", text, why);
	assert_int_equal(i.type, type);
	if (!str_eq(i.text, str_from(normal)))
		fail_msg("%s: '" STR_FMT "' is not '%s'", text, STR_ARG(i.text), normal);
	/* What is normal stays so. */
	struct indicator again;
	char same[INTEL_TEXT_MAX];
	memcpy(same, i.bytes, i.text.n);
	if (type == INTEL_BELOW)
		return;
	assert_null(indicator_read(&again, (struct str){ same, i.text.n }, type == INTEL_NETWORK ? INTEL_ADDRESS : type,
	                           flags | INTEL_PRIVATE));
	assert_true(str_eq(again.text, i.text));
}

static void refuse(const char *text, enum intel_type wanted, const char *why)
{
	struct indicator i;
	const char *said = indicator_read(&i, str_from(text), wanted, 0);
	if (!said || !strstr(said, why))
		fail_msg("%s: '%s' doesn't say '%s'", text, said ? said : "taken", why);
}

static void test_addresses(void **state)
{
	expect("192.0.2.7", INTEL_ANY, 0, INTEL_ADDRESS, "192.0.2.7");
	expect(" 2001:DB8:0:0::1 ", INTEL_ANY, 0, INTEL_ADDRESS, "2001:db8::1");
	expect("::ffff:192.0.2.9", INTEL_ANY, 0, INTEL_ADDRESS, "192.0.2.9");
	expect("192.0.2.77/24", INTEL_ANY, 0, INTEL_NETWORK, "192.0.2.0/24");
	expect("192.0.2.1/32", INTEL_ANY, 0, INTEL_ADDRESS, "192.0.2.1");
	expect("::ffff:192.0.2.0/120", INTEL_ANY, 0, INTEL_NETWORK, "192.0.2.0/24");
	expect("2001:db8:ffff::/33", INTEL_ADDRESS, 0, INTEL_NETWORK, "2001:db8:8000::/33");
	expect("10.1.2.3", INTEL_ANY, INTEL_PRIVATE, INTEL_ADDRESS, "10.1.2.3");
	refuse("10.1.2.3", INTEL_ANY, "private");
	refuse("192.168.7.0/24", INTEL_ANY, "private");
	refuse("::1", INTEL_ANY, "private");
	refuse("fe80::1", INTEL_ANY, "private");
	refuse("172.31.255.255", INTEL_ANY, "private");
	refuse("192.0.0.0/4", INTEL_ANY, "too much");
	refuse("0.0.0.0/0", INTEL_ANY, "too much");
	refuse("::/0", INTEL_ANY, "too much");
	refuse("192.0.2.0/33", INTEL_ANY, "prefix");
	refuse("::ffff:192.0.2.0/24", INTEL_ANY, "prefix");
	refuse("bad.example", INTEL_ADDRESS, "no address");
	refuse("192.0.2.300", INTEL_ANY, "last part is a number");
	refuse("192.0.2.07", INTEL_ANY, "last part is a number");
	uint8_t address[16];
	assert_int_equal(intel_address(STR("fe80::1%eth0"), address), 6);
	assert_int_equal(intel_address(STR("1.2.3"), address), 0);
	assert_int_equal(intel_address(STR(""), address), 0);
	assert_int_equal(intel_address((struct str){ "::1\0", 4 }, address), 0);
}

static void test_names(void **state)
{
	expect("Bad.Example.", INTEL_ANY, 0, INTEL_DOMAIN, "bad.example");
	expect("bad[.]example", INTEL_ANY, 0, INTEL_DOMAIN, "bad.example");
	expect("bad(dot)example[.]org", INTEL_ANY, 0, INTEL_DOMAIN, "bad.example.org");
	expect("XN--MNCHEN-3YA.example", INTEL_ANY, 0, INTEL_DOMAIN, "xn--mnchen-3ya.example");
	expect("_dmarc.example.org", INTEL_ANY, 0, INTEL_DOMAIN, "_dmarc.example.org");
	expect("bad.example", INTEL_ANY, INTEL_EXACT, INTEL_NAME, "bad.example");
	expect("*.bad.example", INTEL_ANY, INTEL_EXACT, INTEL_DOMAIN, "bad.example");
	expect(".bad.example", INTEL_ANY, 0, INTEL_DOMAIN, "bad.example");
	expect("bad.example", INTEL_NAME, 0, INTEL_NAME, "bad.example");
	expect("192.0.2.1", INTEL_DOMAIN, 0, INTEL_ADDRESS, "192.0.2.1");
	refuse("localhost", INTEL_ANY, "one part");
	refuse("m\xc3\xbcnchen.example", INTEL_ANY, "xn--");
	refuse("a..example", INTEL_ANY, "neither");
	refuse("a b.example", INTEL_ANY, "neither");
	refuse("", INTEL_ANY, "empty");
	char long_label[70];
	memset(long_label, 'a', sizeof(long_label));
	memcpy(long_label + 64, ".org", 5);
	refuse(long_label, INTEL_ANY, "neither");
}

static void test_urls(void **state)
{
	expect("http://Bad.Example", INTEL_ANY, 0, INTEL_URL, "bad.example/");
	expect("hxxps://user:pw@bad[.]example:443/A%2fb%7e?q=%3d#part", INTEL_ANY, 0, INTEL_URL,
	       "bad.example/A%2Fb~?q=%3D");
	expect("https://bad.example:8443/x", INTEL_ANY, 0, INTEL_URL, "bad.example:8443/x");
	expect("bad.example/x", INTEL_ANY, 0, INTEL_URL, "bad.example/x");
	expect("http://[2001:DB8::1]:80/x", INTEL_URL, 0, INTEL_URL, "[2001:db8::1]/x");
	expect("http://192.0.2.1/%zz", INTEL_URL, 0, INTEL_URL, "192.0.2.1/%25zz");
	expect("bad.example/%5%36", INTEL_ANY, 0, INTEL_URL, "bad.example/%2556");
	expect("bad.example/a/*", INTEL_ANY, 0, INTEL_BELOW, "bad.example/a/");
	expect("bad[.]example/a[.]b", INTEL_ANY, 0, INTEL_URL, "bad.example/a[.]b");
	expect("bad.example/go?to=http://x.example/", INTEL_ANY, 0, INTEL_URL, "bad.example/go?to=http://x.example/");
	refuse("http:///x", INTEL_ANY, "host");
	refuse("bad.example/a?b=/*", INTEL_ANY, "query");
	refuse("bad.example/a#b/*", INTEL_ANY, "fragment");
	refuse("bad.example/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/*", INTEL_ANY, "folders");
	refuse("http://bad.example:http/x", INTEL_ANY, "host");
	refuse("http://bad.example/a b", INTEL_ANY, "blanks");
	refuse("http://[bad.example]/", INTEL_URL, "host");
}

static void test_hashes(void **state)
{
	expect("00112233445566778899AABBCCDDEEFF", INTEL_ANY, 0, INTEL_HASH, "00112233445566778899aabbccddeeff");
	refuse("00112233", INTEL_HASH, "no hash");
	refuse("g0112233445566778899aabbccddeeff", INTEL_HASH, "no hash");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_hashes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
