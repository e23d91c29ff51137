#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct random {
	uint64_t state;
};

static uint32_t below(struct random *r, uint32_t n)
{
	r->state = r->state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(r->state >> 33) % n;
}

static struct str plain_unescape(struct arena *a, struct str s)
{
	struct buf b = { 0 };
	char utf8[4];
	for (size_t i = 0; i < s.n; i++) {
		const char *const from = "\"\\/bfnrt", *const to = "\"\\/\b\f\n\r\t";
		unsigned cp = 0, low = 0;
		const char *c = i + 1 < s.n && s.p[i] == '\\' && s.p[i + 1] ? strchr(from, s.p[i + 1]) : NULL;
		if (c) {
			buf_putc(&b, to[c - from]);
			i++;
		} else if (s.n - i >= 6 && s.p[i] == '\\' && s.p[i + 1] == 'u' &&
		           strspn(arena_copy(a, str_sub(s, i + 2, 4)).p, "0123456789abcdefABCDEF") == 4) {
			sscanf(arena_copy(a, str_sub(s, i + 2, 4)).p, "%4x", &cp);
			i += 5;
			if (cp >= 0xd800 && cp < 0xdc00 && str_starts(str_sub(s, i + 1, 6), STR("\\u")) &&
			    strspn(arena_copy(a, str_sub(s, i + 3, 4)).p, "0123456789abcdefABCDEF") == 4 &&
			    sscanf(arena_copy(a, str_sub(s, i + 3, 4)).p, "%4x", &low) == 1 && low >= 0xdc00 &&
			    low < 0xe000) {
				cp = 0x10000 + (cp - 0xd800) * 0x400 + (low - 0xdc00);
				i += 6;
			}
			buf_add(&b, (struct str){ utf8, utf8_put(utf8, cp) });
		} else {
			buf_putc(&b, s.p[i]);
		}
	}
	struct str out = arena_copy(a, buf_str(&b));
	buf_free(&b);
	return out;
}

static void test_unescape(void **state)
{
	static const struct {
		const char *inside, *text;
	} cases[] = {
		{ "", "" },
		{ "abc", "abc" },
		{ "C:\\\\Windows\\\\", "C:\\Windows\\" },
		{ "\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t" },
		{ "\\u0041\\u00e9\\u20AC", "A\xc3\xa9\xe2\x82\xac" },
		{ "\\ud83d\\ude00!", "\xf0\x9f\x98\x80!" },
		{ "\\ud83d", "\xef\xbf\xbd" },
		{ "\\ude00x", "\xef\xbf\xbdx" },
		{ "\\ud83d\\u0041", "\xef\xbf\xbd"
		                    "A" },
		{ "\\q\\", "\\q\\" },
	};
	struct arena a = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str text = json_unescape(&a, str_from(cases[i].inside));
		assert_int_equal(text.n, strlen(cases[i].text));
		assert_memory_equal(text.p, cases[i].text, text.n);
	}
	arena_free(&a);

	struct arena small = { .max = 16 };
	assert_null(json_unescape(&small, STR("a\\n")).p);
	assert_int_equal(json_unescape(&small, STR("plain")).n, 5);
	arena_free(&small);
}

static void test_unescape_kernels(void **state)
{
	static const char *const parts[] = {
		"\\\\",    "\\\"",    "\\n",         "\\t",   "\\/", "\\u0041", "\\ud83d\\ude00",
		"\\ud83d", "\\ude00", "abcdefghijk", "x",     "\\",  "u12",     "\xe2\x82\xac",
		"\\r\\n",  "\\\xe2",  "        ",    "\\u12", "\\x", "/"
	};
	struct random r = { 42 };
	struct arena a = { 0 };
	struct buf b = { 0 };
	size_t n;
	const struct json_kernel *const *kernels = json_kernels(&n);
	for (int i = 0; i < 20000; i++) {
		b.n = 0;
		buf_room(&b, 1);
		for (uint32_t k = below(&r, 40); k; k--)
			buf_add(&b, str_from(parts[below(&r, i % 2 ? ARRAY_LEN(parts) : 6)]));
		struct str want = plain_unescape(&a, buf_str(&b));
		for (size_t k = 0; k < n; k++) {
			char *from = malloc(b.n + 1), *to = malloc(b.n + JSON_UNESCAPE_ROOM);
			assert_true(from && to);
			char *src = memcpy(from + 1, b.p, b.n); /* ends where the block ends */
			struct str got = { to, kernels[k]->unescape(to, (struct str){ src, b.n }) };
			if (!str_eq(got, want))
				fail_msg("%s: " STR_FMT " became " STR_FMT, kernels[k]->name, STR_ARG(buf_str(&b)),
				         STR_ARG(got));
			free(from);
			free(to);
		}
		arena_reset(&a);
	}
	buf_free(&b);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unescape),
		cmocka_unit_test(test_unescape_kernels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
