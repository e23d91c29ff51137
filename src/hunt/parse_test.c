/* What hunts mean, as they are printed, and what is said of wrong ones. */
#include "hunt/hunt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void check_print(const char *text, const char *wanted)
{
	struct hunt *h;
	struct hunt_error error;
	struct buf out = { 0 };
	if (hunt_parse(&h, str_from(text), &error))
		fail_msg("%s: at %zu: %s", text, error.at, error.what);
	hunt_print(h, &out);
	buf_putc(&out, '\0');
	assert_string_equal(out.p, wanted);
	hunt_free(h);
	/* And the same again. */
	assert_int_equal(hunt_parse(&h, str_from(wanted), &error), 0);
	out.n = 0;
	hunt_print(h, &out);
	buf_putc(&out, '\0');
	assert_string_equal(out.p, wanted);
	hunt_free(h);
	buf_free(&out);
}

static void expressions(void **state)
{
	static const char *const cases[][2] = {
		{ "host:web1 AND (status>=500 OR \"select *\") | count by src_ip | top 20",
		  "host:web1 AND (status>=500 OR \"select *\") | count by src_ip | top 20" },
		{ "", "*" },
		{ "  ", "*" },
		{ "*", "*" },
		{ "*:*", "*" },
		{ "a b", "a AND b" },
		{ "a and b or c", "a AND b OR c" },
		{ "a b | | c", NULL },
		{ "a || b && c", "a OR b AND c" },
		{ "(a or b) c", "(a OR b) AND c" },
		{ "-a !b not c NOT -d", "NOT a AND NOT b AND NOT c AND d" },
		{ "NOT (a b)", "NOT (a AND b)" },
		{ "f:*", "f:*" },
		{ "f=*", "f:*" },
		{ "f=\"*\"", "f=\"*\"" },
		{ "ff:\\*", "ff:\"*\"" },
		{ "f:a*b?", "f: a*b?" },
		{ "f!=a", "f!=a" },
		{ "f!=(a OR b*)", "f:* AND NOT (f=a OR f= b*)" },
		{ "x OR -f!=(a b)", "x OR NOT (f:* AND NOT (f=a AND f=b))" },
		{ "f : a", "f:a" },
		{ "f = \"a b\"", "f=\"a b\"" },
		{ "f:(a OR \"b c\" AND NOT d*)", "f:a OR f:\"b c\" AND NOT f: d*" },
		{ "f IN (a, \"b c\",d)", "f=a OR f=\"b c\" OR f=d" },
		{ "f not in (a, b) x", "NOT (f=a OR f=b) AND x" },
		{ "n>5 n>=5 n<5.5 n<=-1e3", "n>5 AND n>=5 AND n<5.5 AND n<=\"-1e3\"" },
		{ "n:>5", "n>5" },
		{ "n:[1 TO 5]", "n:[1 TO 5]" },
		{ "n:{1 to *]", "n:{1 TO *]" },
		{ "n:{1 TO 5}", "n:{1 TO 5}" },
		{ "time>=2026-11-22", "time>=2026-11-22" },
		{ "time<\"2026-11-22 08:30\"", "time<\"2026-11-22 08:30\"" },
		{ "src_ip:10.0.0.0/8", "src_ip:10.0.0.0/8" },
		{ "src_ip=2001:db8::/32 10.0.0.0/8", "src_ip:2001:db8::/32 AND 10.0.0.0/8" },
		{ "ff:/a\\/b[^x]+/i", "ff:/a\\/b[^x]+/i" },
		{ "/etc/passwd", "/etc/passwd" },
		{ "/etc/", "/etc/" },
		{ "ff:/etc/passwd", "ff:\"/etc/passwd\"" },
		{ "C:\\Windows\\\\*.exe", "C:\\\\Windows\\\\*.exe" },
		{ "https://x/?q=1", "https://x/?q=1" },
		{ "fe80::1 2001:db8:0:0:0:0:0:1", "fe80::1 AND 2001:db8:0:0:0:0:0:1" },
		{ "10.0.0.1:22 12:30:05", "10.0.0.1:22 AND 12:30:05" },
		{ "f:\"a \\\" b\\\\c\\d\"", "f:\"a \\\" b\\\\c\\\\d\"" },
		{ "bệnh:viện", "bệnh:viện" },
		{ "sshd[123]: x", "sshd[123]: AND x" },
		{ "in IN (in)", "in=in" },
		{ "@timestamp:* log.file.path:x", "@timestamp:* AND log.file.path:x" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (cases[i][1])
			check_print(cases[i][0], cases[i][1]);
}

static void commands(void **state)
{
	static const char *const cases[][2] = {
		{ "| count", "* | count" },
		{ "x | count()", "x | count" },
		{ "x | stats count, sum(bytes) as size by host,user", "x | count, sum(bytes) as size by host, user" },
		{ "x | count by bin(60m), host", "x | count by bin(1h), host" },
		{ "x | timechart", "x | count by bin(1h)" },
		{ "x | timechart span=15m avg(bytes) by host", "x | avg(bytes) by bin(15m), host" },
		{ "x | top 5 src_ip", "x | top 5 src_ip" },
		{ "x | top limit=5 src_ip, user", "x | top 5 src_ip, user" },
		{ "x | rare user", "x | rare 10 user" },
		{ "x | count by a | sort -count, a | limit 3", "x | count by a | sort -count, a | head 3" },
		{ "x | sum(b) by a | sort by sum(b) desc", "x | sum(b) by a | sort -sum(b)" },
		{ "x | fields time, host | head", "x | fields time, host | head 10" },
		{ "x | dedup host, user", "x | dedup host, user" },
		{ "x | where a>5 y", "x | where a>5 AND y" },
		{ "x | count by a | where count>=100", "x | count by a | where count>=100" },
		{ "x | dc(user) by src_ip | top 3", "x | dc(user) by src_ip | top 3" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check_print(cases[i][0], cases[i][1]);
}

static void errors(void **state)
{
	static const struct {
		const char *text;
		size_t at;
		const char *part;
	} cases[] = {
		{ "a AND", 5, "missing here" },
		{ "OR b", 0, "in quotes" },
		{ "(a b", 0, "closing ')'" },
		{ "a )", 2, "closes nothing" },
		{ "\"abc", 0, "closing '\"'" },
		{ "\"\"", 0, "nothing between" },
		{ "f:", 2, "f:* asks" },
		{ "n>abc", 2, "have no order" },
		{ "n==5", 1, "one '='" },
		{ "n:[1 5]", 5, "TO is missing" },
		{ "n:[1 TO x]", 8, "no number" },
		{ "n:[1 TO 5", 2, "no end" },
		{ "n:[* TO *]", 2, "both ends" },
		{ "n:[1 TO 2026-11-22]", 2, "another" },
		{ "ip:10.0.0.1/8", 3, "behind the network's length" },
		{ "ff:/a(b/", 7, "regular expression" },
		{ "winlog.*:x", 0, "no wildcards" },
		{ "f IN x", 2, NULL },
		{ "f IN (a", 7, "')' is missing" },
		{ "=5", 0, NULL },
		{ "x | cuont", 4, "did you mean 'count'" },
		{ "x | table a", 4, "fields a, b" },
		{ "x | blah", 4, "there are count" },
		{ "x |", 3, "stands behind '|'" },
		{ "x | count by", 12, "behind 'by'" },
		{ "x | count host", 10, "command is over" },
		{ "x | count(a)", 4, "dc(field)" },
		{ "x | sum", 4, "sum(bytes)" },
		{ "x | top 5", 4, "which field" },
		{ "x | head x", 9, "how many" },
		{ "x | count by bin(1y)", 17, "30s" },
		{ "x | count by a | where b:1", 17, "no such column" },
		{ "x | count by a | sort b", 17, "they have a, count" },
		{ "x | head 5 | where y", 13, "fields only" },
		{ "a\x01\xff", 2, "UTF-8" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct hunt *h = NULL;
		struct hunt_error error = { 0 };
		int r = hunt_parse(&h, str_from(cases[i].text), &error);
		if (!cases[i].part) {
			hunt_free(r ? NULL : h);
			continue;
		}
		if (r != -EINVAL || error.at != cases[i].at || !strstr(error.what, cases[i].part))
			fail_msg("'%s': %d, at %zu (+%zu): %s", cases[i].text, r, error.at, error.n, error.what);
		assert_true(error.at + error.n <= strlen(cases[i].text));
	}
}

static void bounds(void **state)
{
	struct buf text = { 0 };
	struct hunt *h;
	struct hunt_error error;
	for (int i = 0; i < 17; i++)
		buf_putc(&text, '(');
	assert_int_equal(hunt_parse(&h, buf_str(&text), &error), -EINVAL);
	assert_non_null(strstr(error.what, "nested at most"));
	text.n = 0;
	for (int i = 0; i < 401; i++)
		buf_add(&text, STR("a "));
	assert_int_equal(hunt_parse(&h, buf_str(&text), &error), -EINVAL);
	assert_non_null(strstr(error.what, "400 terms"));
	text.n = 0;
	for (int i = 0; i < 17; i++)
		buf_add(&text, STR("|count"));
	assert_int_equal(hunt_parse(&h, buf_str(&text), &error), -EINVAL);
	text.n = 0;
	for (int i = 0; i <= HUNT_TEXT_MAX; i++)
		buf_putc(&text, 'a');
	assert_int_equal(hunt_parse(&h, buf_str(&text), &error), -EINVAL);
	assert_int_equal(error.at, HUNT_TEXT_MAX);
	buf_free(&text);
}

static void aliases(void **state)
{
	size_t n;
	const struct hunt_alias *a = hunt_aliases(&n);
	for (size_t i = 0; i < n; i++) {
		assert_non_null(a[i].fields[0]);
		assert_true(a[i].what[0]);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(a[i].name, a[k].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expressions), cmocka_unit_test(commands), cmocka_unit_test(errors),
		cmocka_unit_test(bounds),      cmocka_unit_test(aliases),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
