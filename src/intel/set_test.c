#include "intel/set.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const int64_t NOW = 1795000000;

static struct feed make_feed(const char *name, const char *const *texts, const uint32_t *expires)
{
	struct feed_maker m;
	struct feed f;
	void *block;
	size_t size;
	feed_maker_init(&m, str_from(name), "list", 0);
	for (size_t n = 0; texts[n]; n++) {
		struct indicator i;
		struct str text = str_from(texts[n]);
		bool exact = text.p[0] == '=';
		assert_null(indicator_read(&i, str_sub(text, exact, text.n), INTEL_ANY, exact ? INTEL_EXACT : 0));
		const struct feed_entry e = { &i, expires ? expires[n] : 0, 80, STR("note"), STR("") };
		feed_add(&m, &e);
	}
	assert_int_equal(feed_pack(&m, &block, &size, NULL), 0);
	feed_maker_done(&m);
	assert_int_equal(feed_open(&f, block, size, NULL), 0);
	return f;
}

static struct intel_set *make_set(const char *const *texts, const uint32_t *expires)
{
	struct feed f = make_feed("feed", texts, expires);
	struct intel_set *s;
	void *block;
	size_t size;
	assert_int_equal(intel_set_make(&block, &size, &f, 1, 1000000, NULL), 0);
	assert_int_equal(intel_set_open(&s, block, size, false, NULL), 0);
	feed_close(&f);
	return s;
}

struct last {
	char text[300], feed[80];
	enum intel_type type;
};

static void keep(void *arg, const struct intel_found *f)
{
	struct last *l = arg;
	snprintf(l->text, sizeof(l->text), STR_FMT, STR_ARG(f->text));
	snprintf(l->feed, sizeof(l->feed), STR_FMT, STR_ARG(f->feed));
	l->type = f->type;
}

typedef bool look_fn(const struct intel_look *l, struct str text, uint32_t *n);

static void finds(const struct intel_set *s, look_fn *fn, const char *text, const char *wanted)
{
	struct last last = { .text = "" };
	const struct intel_look l = { s, (uint32_t)NOW, keep, &last };
	uint32_t n = 0;
	fn(&l, str_from(text), &n);
	if (wanted ? n == 0 || strcmp(last.text, wanted) != 0 : n != 0)
		fail_msg("%s: %u, '%s', not '%s'", text, n, last.text, wanted ? wanted : "nothing");
	if (wanted)
		assert_string_equal(last.feed, "feed");
}

static void test_look(void **state)
{
	static const char *const texts[] = { "192.0.2.1",
		                             "198.51.100.0/24",
		                             "198.0.0.0/15",
		                             "2001:db8::/32",
		                             "2001:db8:7::9",
		                             "bad.example",
		                             "=exact.example",
		                             "files.example/x.exe",
		                             "files.example/q?a=1",
		                             "dir.example/p/*",
		                             "00112233445566778899aabbccddeeff",
		                             NULL };
	struct intel_set *s = make_set(texts, NULL);
	finds(s, intel_look_address, "192.0.2.1", "192.0.2.1");
	finds(s, intel_look_address, "::ffff:192.0.2.1", "192.0.2.1");
	finds(s, intel_look_address, "192.0.2.2", NULL);
	finds(s, intel_look_address, "198.51.100.255", "198.51.100.0/24");
	finds(s, intel_look_address, "198.51.101.0", NULL);
	finds(s, intel_look_address, "198.1.255.255", "198.0.0.0/15");
	finds(s, intel_look_address, "198.2.0.0", NULL);
	finds(s, intel_look_address, "2001:db8::77", "2001:db8::/32");
	finds(s, intel_look_address, "2001:db9::77", NULL);
	finds(s, intel_look_address, "2001:DB8:7:0::9", "2001:db8::/32"); /* the last told; itself comes first */
	finds(s, intel_look_name, "BAD.example.", "bad.example");
	finds(s, intel_look_name, "a.b.bad.example", "bad.example");
	finds(s, intel_look_name, "notbad.example", NULL);
	finds(s, intel_look_name, "example", NULL);
	finds(s, intel_look_name, "exact.example", "exact.example");
	finds(s, intel_look_name, "a.exact.example", NULL);
	finds(s, intel_look_url, "https://files.example/x.exe?from=mail", "files.example/x.exe");
	finds(s, intel_look_url, "https://files.example/x.exe/y", NULL);
	finds(s, intel_look_url, "http://files.example:80/q?a=1", "files.example/q?a=1");
	finds(s, intel_look_url, "http://files.example/q?a=2", NULL);
	finds(s, intel_look_url, "http://dir.example/p/deep/er?x", "dir.example/p/");
	finds(s, intel_look_url, "http://dir.example/p", NULL);
	finds(s, intel_look_url, "http://x.bad.example:8080/", "bad.example");
	finds(s, intel_look_url, "http://198.51.100.9/", "198.51.100.0/24");
	finds(s, intel_look_url, "https://[2001:db8::5]:8443/", "2001:db8::/32");
	finds(s, intel_look_hash, "00112233445566778899AABBCCDDEEFF", "00112233445566778899aabbccddeeff");
	finds(s, intel_look_hash, "10112233445566778899AABBCCDDEEFF", NULL);
	finds(s, intel_look_text, "Connection from 192.0.2.1, port 7", "192.0.2.1");
	finds(s, intel_look_text, "see 192.0.2.1.", "192.0.2.1");
	finds(s, intel_look_text, "version 192.0.2.1.4 or v192.0.2.1", NULL);
	finds(s, intel_look_text, "", NULL);
	finds(s, intel_look_text, "...", NULL);
	assert_int_equal(intel_set_counts(s).entries, 11);
	assert_int_equal(intel_set_counts(s).by_type[INTEL_NETWORK], 3);
	intel_set_free(s);
}

static void test_expiry(void **state)
{
	static const char *const texts[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3", NULL };
	const uint32_t expires[] = { (uint32_t)NOW, (uint32_t)NOW + 1, 0 };
	struct intel_set *s = make_set(texts, expires);
	finds(s, intel_look_address, "192.0.2.1", NULL);
	finds(s, intel_look_address, "192.0.2.2", "192.0.2.2");
	finds(s, intel_look_address, "192.0.2.3", "192.0.2.3");
	intel_set_free(s);
	const uint32_t over[] = { 1, 1, 0 }; /* before the set was made */
	s = make_set(texts, over);
	assert_int_equal(intel_set_counts(s).expired, 2);
	assert_int_equal(intel_set_counts(s).entries, 1);
	intel_set_free(s);
}

/* Two feeds that know one value are both told; an empty set finds nothing. */
static void test_feeds(void **state)
{
	static const char *const texts[] = { "bad.example", NULL }, *const none[] = { NULL };
	struct feed feeds[2] = { make_feed("one", texts, NULL), make_feed("two", texts, NULL) };
	struct intel_set *s;
	void *block;
	size_t size;
	assert_int_equal(intel_set_make(&block, &size, feeds, 2, 1000000, NULL), 0);
	assert_int_equal(intel_set_open(&s, block, size, false, NULL), 0);
	struct last last;
	const struct intel_look l = { s, (uint32_t)NOW, keep, &last };
	uint32_t n = 0;
	intel_look_name(&l, STR("bad.example"), &n);
	assert_int_equal(n, 2);
	assert_string_equal(last.feed, "two");
	intel_set_free(s);
	feed_close(&feeds[0]);
	feed_close(&feeds[1]);
	s = make_set(none, NULL);
	finds(s, intel_look_name, "bad.example", NULL);
	finds(s, intel_look_address, "192.0.2.1", NULL);
	intel_set_free(s);
}

/* Every one of many is found, nothing beside them, and in little memory. */
static void test_many(void **state)
{
	enum { N = 50000 };
	struct feed_maker m;
	struct intel_set *s;
	struct feed f;
	void *block;
	size_t size;
	char text[64];
	feed_maker_init(&m, STR("feed"), "list", 0);
	for (int i = 0; i < N; i++) {
		struct indicator ind;
		snprintf(text, sizeof(text), i % 2 ? "n%d.example.org" : "198.%d.%d.%d", i % 2 ? i : 18 + i % 2,
		         i >> 8 & 255, i & 255);
		assert_null(indicator_read(&ind, str_from(text), INTEL_ANY, 0));
		const struct feed_entry e = { &ind, 0, 50, STR(""), STR("") };
		feed_add(&m, &e);
	}
	assert_int_equal(feed_pack(&m, &block, &size, NULL), 0);
	feed_maker_done(&m);
	assert_int_equal(feed_open(&f, block, size, NULL), 0);
	assert_int_equal(intel_set_make(&block, &size, &f, 1, 1000000, NULL), 0);
	assert_int_equal(intel_set_open(&s, block, size, false, NULL), 0);
	const struct intel_look l = { .set = s, .now = (uint32_t)NOW };
	for (uint32_t i = 0; i < f.n_items; i++) {
		uint32_t n = 0;
		intel_look_host(&l, feed_str(&f, f.items[i].value), &n);
		assert_int_equal(n, 1);
	}
	for (int i = 0; i < N; i++) {
		uint32_t n = 0;
		snprintf(text, sizeof(text), "m%d.example.org", i);
		intel_look_host(&l, str_from(text), &n);
		assert_int_equal(n, 0);
	}
	assert_true(intel_set_counts(s).bytes < f.n_items * 24u + 32768);
	intel_set_free(s);
	feed_close(&f);
}

static void test_damage(void **state)
{
	static const char *const texts[] = { "192.0.2.1", "bad.example", "192.0.2.0/28", NULL };
	struct feed f = make_feed("feed", texts, NULL);
	void *block;
	size_t size;
	assert_int_equal(intel_set_make(&block, &size, &f, 1, 1000000, NULL), 0);
	feed_close(&f);
	for (size_t i = 0; i < size; i += i < 2048 ? 1 : 61) {
		struct intel_set *s;
		char *copy = malloc(size);
		assert_non_null(copy);
		memcpy(copy, block, size);
		copy[i] ^= 0x10;
		if (!intel_set_open(&s, copy, size, false, NULL)) { /* padding */
			finds(s, intel_look_name, "bad.example", "bad.example");
			intel_set_free(s);
		}
	}
	free(block);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_look), cmocka_unit_test(test_expiry), cmocka_unit_test(test_feeds),
		cmocka_unit_test(test_many), cmocka_unit_test(test_damage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
