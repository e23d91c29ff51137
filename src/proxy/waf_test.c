#include "proxy/waf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct waf usual = {
	.blocks = true,
	.level = 1,
	.crs = "/usr/share/modsecurity-crs",
	.own = "/usr/share/khien/waf",
	.unicode_map = "/etc/nginx/unicode.mapping",
	.temp = "/var/lib/khien/gate/nginx/temp",
	.body_max = 2 << 20,
};

static void write_text(struct buf *out, const struct waf *w, const struct patches *p)
{
	waf_write(w, p, out);
	buf_putc(out, '\0');
}

static size_t place(const struct buf *b, const char *text)
{
	const char *at = strstr(b->p, text);
	if (!at)
		fail_msg("no '%s' in %s", text, b->p);
	return (size_t)(at - b->p);
}

static void test_parts(void **state)
{
	static const char *const exclusions[] = { "/a/kiosk.conf", NULL };
	struct patch at[] = { { .file = "a.yaml", .id = "a", .rule = "SecRule A\n" },
		              { .file = "b.yaml", .id = "b", .rule = "SecRule B\n", .expired = true } };
	const struct patches patches = { .at = at, .n = 2 };
	struct waf w = usual;
	struct buf out = { 0 };
	w.exclusions = exclusions;
	write_text(&out, &w, &patches);
	assert_false(out.failed);
	place(&out, "\nSecRuleEngine On\n");
	place(&out, "\nSecRequestBodyLimit 2097152\n");
	place(&out, "\nSecRequestBodyLimitAction Reject\n");
	place(&out, "\nSecResponseBodyAccess Off\n");
	place(&out, "\nSecAuditEngine Off\n");
	place(&out, "tx.paranoia_level=1,");
	place(&out, "SecUnicodeMapFile /etc/nginx/unicode.mapping 20127\n");
	place(&out, "# patch b of b.yaml: expired, left out\n");
	assert_null(strstr(out.p, "SecRule B"));
	assert_null(strstr(out.p, "IncludeOptional"));
	/* What CRS is told stands before it, and a patch before all its scores. */
	const size_t setup = place(&out, "id:9000010,"), own = place(&out, "Include /usr/share/khien/waf/khien.conf\n"),
	             exclusion = place(&out, "Include /a/kiosk.conf\n"),
	             patch = place(&out, "# patch a of a.yaml\nSecRule A\n"),
	             first = place(&out, "Include /usr/share/modsecurity-crs/rules/REQUEST-901-INITIALIZATION.conf\n"),
	             last = place(&out, "/rules/REQUEST-949-BLOCKING-EVALUATION.conf\n");
	assert_true(setup < own && own < exclusion && exclusion < patch && patch < first && first < last);
	buf_free(&out);
}

static void test_watch(void **state)
{
	struct waf w = usual;
	struct buf out = { 0 };
	w.blocks = false;
	w.level = 3;
	w.unicode_map = w.own = w.temp = NULL;
	write_text(&out, &w, NULL);
	assert_false(out.failed);
	place(&out, "\nSecRuleEngine DetectionOnly\n");
	place(&out, "tx.paranoia_level=3,");
	assert_null(strstr(out.p, "SecUnicodeMapFile"));
	assert_null(strstr(out.p, "SecTmpDir"));
	assert_null(strstr(out.p, "khien.conf"));
	buf_free(&out);
}

/* A path that a shell would read as something else is refused: ModSecurity expands it as one. */
static void test_paths(void **state)
{
	static const char *const hostile[] = { "",      "a",   "/a b", "/a\"b", "/a$(id)", "/a`id`", "/a;b",
		                               "/a\nb", "/a*", "/a'b", "/~a",   "/a{b,c}", "/ä",     "/a\\b" };
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		const char *const exclusions[] = { hostile[i], NULL };
		struct waf w[5] = { usual, usual, usual, usual, usual };
		w[0].crs = hostile[i];
		w[1].own = hostile[i];
		w[2].exclusions = exclusions;
		w[3].unicode_map = hostile[i];
		w[4].temp = hostile[i];
		for (size_t k = 0; k < ARRAY_LEN(w); k++) {
			struct buf out = { 0 };
			waf_write(&w[k], NULL, &out);
			assert_true(out.failed);
			buf_free(&out);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_parts), cmocka_unit_test(test_watch),
		                            cmocka_unit_test(test_paths) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
