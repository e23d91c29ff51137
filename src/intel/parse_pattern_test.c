#include "intel/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* The values as "TYPE TEXT|..."; one that can't be used begins with "!". */
static void expect(const char *pattern, const char *wanted)
{
	struct arena arena = { .max = 1 << 20 };
	struct pattern_value *v = calloc(PATTERN_VALUES_MAX, sizeof(*v));
	struct buf b = { 0 };
	size_t n = 0, at;
	assert_non_null(v);
	const char *why = parse_pattern(str_from(pattern), &arena, v, &n, &at);
	if (why)
		fail_msg("%s: byte %zu: %s", pattern, at, why);
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s%s%s " STR_FMT, i ? "|" : "", v[i].why ? "!" : "", intel_type_name(v[i].type),
		           STR_ARG(v[i].text));
	if (!str_eq(buf_str(&b), str_from(wanted)))
		fail_msg("%s: " STR_FMT, pattern, STR_ARG(buf_str(&b)));
	buf_free(&b);
	free(v);
	arena_free(&arena);
}

static void refuse(const char *pattern, const char *wanted)
{
	struct arena arena = { .max = 1 << 20 };
	struct pattern_value *v = calloc(PATTERN_VALUES_MAX, sizeof(*v));
	size_t n, at;
	assert_non_null(v);
	const char *why = parse_pattern(str_from(pattern), &arena, v, &n, &at);
	if (!why || !strstr(why, wanted))
		fail_msg("%s: %s", pattern, why ? why : "taken");
	assert_true(at <= strlen(pattern));
	free(v);
	arena_free(&arena);
}

static void test_taken(void **state)
{
	expect("[ipv4-addr:value = '192.0.2.1']", "address 192.0.2.1");
	expect("[ ipv4-addr:value='192.0.2.1' OR domain-name:value = 'bad.example' ]",
	       "address 192.0.2.1|domain bad.example");
	expect("[url:value == 'http://bad.example/it\\'s'] OR [(ipv6-addr:value = '2001:db8::1')]",
	       "url http://bad.example/it's|address 2001:db8::1");
	expect("[ipv4-addr:value ISSUBSET '192.0.2.0/24']", "address 192.0.2.0/24");
	expect("[domain-name:value IN ('a.example', 'b.example')]", "domain a.example|domain b.example");
	expect("[file:hashes.'SHA-256' = 'aa' OR file:hashes.MD5 = 'bb']", "hash aa|hash bb");
	expect("[file:hashes.'SHA-256' = 'aa' AND file:name = 'x.exe' AND file:size > 10]", "hash aa");
	expect("[network-traffic:dst_ref.value = 'bad.example']", "domain bad.example");
	expect("([ipv4-addr:value = '192.0.2.1'])", "address 192.0.2.1");
	/* What has no values beside what has one. */
	expect("[ipv4-addr:value = '192.0.2.1' OR email-addr:value = 'a@b.example']",
	       "address 192.0.2.1|!indicator email-addr:value");
	expect("[domain-name:value LIKE '%.example']", "!domain domain-name:value");
	expect("[file:hashes.SSDEEP = 'x']", "!indicator file:hashes.SSDEEP");
	expect("[process:pid = 7]", "!indicator process:pid");
}

static void test_refused(void **state)
{
	refuse("[ipv4-addr:value = '192.0.2.1' AND domain-name:value = 'a.example']", "hold together");
	refuse("[ipv4-addr:value = '192.0.2.1'] AND [url:value = 'http://a.example']", "belong together");
	refuse("[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [url:value = 'http://a.example']", "belong together");
	refuse("[ipv4-addr:value = '192.0.2.1'] WITHIN 5 SECONDS", "WITHIN");
	refuse("[ipv4-addr:value = '192.0.2.1'] REPEATS 5 TIMES", "REPEATS");
	refuse("[NOT ipv4-addr:value = '192.0.2.1']", "NOT");
	refuse("[ipv4-addr:value NOT = '192.0.2.1']", "NOT");
	refuse("", "'['");
	refuse("[", "property");
	refuse("[]", "property");
	refuse("[ipv4-addr:value]", "comparison");
	refuse("[ipv4-addr:value = '192.0.2.1", "without an end");
	refuse("[ipv4-addr:value = '192.0.2.1'", "']'");
	refuse("[ipv4-addr:value = '192.0.2.1']]", "follows");
	refuse("[ipv4-addr:value = ", "value is missing");
	refuse("[domain-name:value IN ('a.example'", "')'");
	char deep[200];
	memset(deep, '(', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	refuse(deep, "deep");
	deep[0] = '[';
	refuse(deep, "deep");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
