#include "intel/parse.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const int64_t NOW = 1795000000; /* 2026-11-18 */

struct read {
	struct feed f;
	struct err err;
	int code;
};

static struct read parse(const char *text, enum intel_format format)
{
	struct read r = { .code = 0 };
	struct feed_maker m;
	void *block;
	size_t size;
	feed_maker_init(&m, STR("t"), "list", NOW * 1000000);
	struct intel_parse p = { .maker = &m, .format = format, .now = NOW, .confidence = -1 };
	r.code = intel_parse(&p, "f", str_from(text), &r.err);
	assert_int_equal(feed_pack(&m, &block, &size, NULL), 0);
	assert_int_equal(feed_open(&r.f, block, size, NULL), 0);
	feed_maker_done(&m);
	return r;
}

static struct str value(const struct feed *f, uint32_t i)
{
	assert_true(i < f->n_items);
	return feed_str(f, f->items[i].value);
}

static void expect(const struct feed *f, uint32_t i, enum intel_type type, const char *text)
{
	if (!str_eq(value(f, i), str_from(text)))
		fail_msg(STR_FMT " is not %s", STR_ARG(value(f, i)), text);
	assert_int_equal(f->items[i].type, type);
}

static bool told(const struct feed *f, const char *words)
{
	return f->told.n && memmem(f->told.p, f->told.n, words, strlen(words));
}

static void test_list(void **state)
{
	struct read r = parse("\xef\xbb\xbf# comment\r\n"
	                      "192.0.2.1  # scanner\r\n"
	                      "\n"
	                      "; another\n"
	                      "// one more\n"
	                      "198.51.100.0/24 ; SBL1\n"
	                      "http://bad.example/a#b // why\n"
	                      "0.0.0.0 ads.example.com www.ads.example.com\n"
	                      "127.0.0.1 localhost\n"
	                      "::1 localhost ip6-localhost\n"
	                      "192.0.2.3:443\n"
	                      "two words\n"
	                      "com\n"
	                      "192.0.2.1",
	                      INTEL_AUTO);
	assert_int_equal(r.code, 0);
	assert_int_equal(r.f.n_items, 6);
	expect(&r.f, 0, INTEL_ADDRESS, "192.0.2.1");
	assert_true(str_eq(feed_str(&r.f, r.f.items[0].note), STR("scanner")));
	expect(&r.f, 1, INTEL_NETWORK, "198.51.100.0/24");
	expect(&r.f, 2, INTEL_URL, "bad.example/a");
	expect(&r.f, 3, INTEL_NAME, "ads.example.com");
	expect(&r.f, 5, INTEL_ADDRESS, "192.0.2.3");
	assert_int_equal(r.f.head.bad, 2);
	assert_int_equal(r.f.head.twice, 1);
	assert_true(told(&r.f, "f:12: two words: more than one word"));
	assert_true(told(&r.f, "f:13: com: "));
	assert_int_equal(r.f.items[0].confidence, INTEL_CONFIDENCE_UNTOLD);
	feed_close(&r.f);
}

#define INDICATOR(id, more) "{\"type\":\"indicator\",\"id\":\"indicator--" id "\",\"pattern_type\":\"stix\"," more "}"

static void test_stix(void **state)
{
	struct read r = parse(
	        "{\"type\":\"bundle\",\"id\":\"bundle--1\",\"objects\":[{\"type\":\"identity\",\"name\":\"x\"},"
	        "\n" INDICATOR("1",
	                       "\"name\":\"C2\",\"confidence\":85,\"valid_until\":\"2027-01-01T00:00:"
	                       "00Z\","
	                       "\"pattern\":\"[ipv4-addr:value = '192.0.2.1' OR domain-name:value = "
	                       "'bad.example']\","
	                       "\"external_references\":[{\"source_name\":\"r\",\"url\":\"https://"
	                       "example.org/r\"}]") "," INDICATOR("2", "\"revoked\":true,"
	                                                               "\"pattern\":\"[ipv4-addr:value = "
	                                                               "'192.0.2.2']\"") "," INDICATOR("3", "\"valid"
	                                                                                                    "_until"
	                                                                                                    "\":"
	                                                                                                    "\"2020-"
	                                                                                                    "01-"
	                                                                                                    "01T00:"
	                                                                                                    "00:"
	                                                                                                    "00Z\","
	                                                                                                    "\"patte"
	                                                                                                    "rn\":"
	                                                                                                    "\"["
	                                                                                                    "ipv4-"
	                                                                                                    "addr:"
	                                                                                                    "value "
	                                                                                                    "= "
	                                                                                                    "'192.0."
	                                                                                                    "2.3']"
	                                                                                                    "\"") "]"
	                                                                                                          "}",
	        INTEL_AUTO);
	assert_int_equal(r.code, 0);
	assert_string_equal(r.f.head.format, "stix");
	assert_int_equal(r.f.n_items, 2);
	expect(&r.f, 0, INTEL_ADDRESS, "192.0.2.1");
	expect(&r.f, 1, INTEL_DOMAIN, "bad.example");
	assert_int_equal(r.f.items[0].confidence, 85);
	assert_int_equal(r.f.items[0].expires, 1798761600);
	assert_true(str_eq(feed_str(&r.f, r.f.items[0].note), STR("C2")));
	assert_true(str_eq(feed_str(&r.f, r.f.items[0].reference), STR("https://example.org/r")));
	assert_int_equal(r.f.head.left, 2);
	assert_int_equal(r.f.head.bad, 0);
	feed_close(&r.f);
}

static void test_stix_bad(void **state)
{
	struct read r = parse(
	        "[" INDICATOR(
	                "1",
	                "\"pattern\":\"[ipv4-addr:value = '192.0.2.1' AND url:value = "
	                "'http://a.example/']\"") ","
	                                          "{\"type\":\"indicator\",\"id\":\"indicator--2\","
	                                          "\"pattern_type\":\"yara\",\"pattern\":\"rule x "
	                                          "{}\"}," INDICATOR(
	                                                  "3",
	                                                  "\"indicator_types\":[\"benign\"],"
	                                                  "\"pattern\":\"[ipv4-addr:value = "
	                                                  "'192.0.2.1']\"") "," INDICATOR("4",
	                                                                                  "\"pattern\":\"[ipv4-addr:"
	                                                                                  "value = "
	                                                                                  "'10.0.0.1']\"") "," INDICATOR("5",
	                                                                                                                 "\"valid_"
	                                                                                                                 "until\":"
	                                                                                                                 "\"soon\","
	                                                                                                                 "\"pattern\":"
	                                                                                                                 "\"[ipv4-addr:"
	                                                                                                                 "value = "
	                                                                                                                 "'192.0.2.1']"
	                                                                                                                 "\"") "]",
	        INTEL_STIX);
	assert_int_equal(r.code, 0);
	assert_int_equal(r.f.n_items, 0);
	assert_int_equal(r.f.head.left, 1);
	assert_int_equal(r.f.head.bad, 4);
	assert_true(told(&r.f, "indicator--1, pattern, byte"));
	assert_true(told(&r.f, "hold together"));
	assert_true(told(&r.f, "indicator--2, pattern_type: its pattern is in another language"));
	assert_true(told(&r.f, "indicator--4: a private"));
	assert_true(told(&r.f, "indicator--5, valid_until: no time"));
	feed_close(&r.f);
}

#define ATTRIBUTE(type, value, more)                                                                                   \
	"{\"uuid\":\"u-" type "\",\"type\":\"" type "\",\"to_ids\":true,\"value\":\"" value "\"" more "}"

static void test_misp(void **state)
{
	struct read r = parse(
	        "{\"Event\":{\"info\":\"Campaign\",\"uuid\":\"e-1\","
	        "\"Tag\":[{\"name\":\"misp:confidence-level=\\\"usually-confident\\\"\"}],\"Attribute\":"
	        "[" ATTRIBUTE("ip-dst", "192.0.2.1", ",\"comment\":\"C2\"") "," ATTRIBUTE("ip-src|port", "192.0.2.2|80", "") "," ATTRIBUTE(
	                "hostname", "Host.Bad.Example",
	                "") "," ATTRIBUTE("domain|ip", "bad.example|192.0.2.4",
	                                  "") "," ATTRIBUTE("filename|md5", "x.exe|00112233445566778899aabbccddeeff",
	                                                    "") "," ATTRIBUTE("email-src", "a@bad.example",
	                                                                      "") ","
	                                                                          "{\"type\":\"url\",\"to_ids\":"
	                                                                          "false,\"value\":\"http://"
	                                                                          "bad.example/\"}],"
	                                                                          "\"Object\":[{\"name\":"
	                                                                          "\"file\",\"Attribute\":"
	                                                                          "[" ATTRIBUTE("sha1", "00112233445566778899aabbccddeeff00112233", ",\"deleted\":true") "," ATTRIBUTE(
	                                                                                  "url", "http://bad.example/x",
	                                                                                  ",\"Tag\":[{\"name\":"
	                                                                                  "\"misp:confidence-"
	                                                                                  "level=\\\"rarely-"
	                                                                                  "confident\\\"\"}]") "]"
	                                                                                                       "}"
	                                                                                                       "]"
	                                                                                                       "}"
	                                                                                                       "}",
	        INTEL_AUTO);
	assert_int_equal(r.code, 0);
	assert_string_equal(r.f.head.format, "misp");
	assert_int_equal(r.f.n_items, 7);
	expect(&r.f, 0, INTEL_ADDRESS, "192.0.2.1");
	expect(&r.f, 1, INTEL_ADDRESS, "192.0.2.2");
	expect(&r.f, 2, INTEL_NAME, "host.bad.example");
	expect(&r.f, 3, INTEL_DOMAIN, "bad.example");
	expect(&r.f, 4, INTEL_ADDRESS, "192.0.2.4");
	expect(&r.f, 5, INTEL_HASH, "00112233445566778899aabbccddeeff");
	expect(&r.f, 6, INTEL_URL, "bad.example/x");
	assert_int_equal(r.f.items[0].confidence, 75);
	assert_int_equal(r.f.items[6].confidence, 25);
	assert_true(str_eq(feed_str(&r.f, r.f.items[0].note), STR("Campaign: C2")));
	assert_true(str_eq(feed_str(&r.f, r.f.items[0].reference), STR("e-1")));
	assert_int_equal(r.f.head.left, 2);
	assert_true(told(&r.f, "attribute u-email-src, type email-src: no kind of value"));
	feed_close(&r.f);
	r = parse("{\"response\":[{\"Event\":{\"Attribute\":[" ATTRIBUTE(
	                  "domain", "a.example", "") "]}},"
	                                             "{\"Event\":{\"Attribute\":[" ATTRIBUTE("domain", "b.example",
	                                                                                     "") "]}}]}",
	          INTEL_AUTO);
	assert_int_equal(r.f.n_items, 2);
	feed_close(&r.f);
}

static void test_nothing(void **state)
{
	static const char *const broken[] = { "{\"objects\":[", "{\"a\":1}", "{", "[1,2]" };
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct read r = parse(broken[i], INTEL_AUTO);
		/* "{" alone is no JSON, but a line of a list as well */
		assert_true(r.code == -EBADMSG || r.f.head.bad);
		feed_close(&r.f);
	}
	struct read r = parse("{\"objects\":[]}", INTEL_AUTO);
	assert_int_equal(r.code, 0);
	assert_true(told(&r.f, "no indicator object"));
	feed_close(&r.f);
	r = parse("plain", INTEL_STIX);
	assert_int_equal(r.code, -EBADMSG);
	feed_close(&r.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list), cmocka_unit_test(test_stix),    cmocka_unit_test(test_stix_bad),
		cmocka_unit_test(test_misp), cmocka_unit_test(test_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
