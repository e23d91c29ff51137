#include "api/hunt_request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int code;
static struct err err;

/* In memory of exactly the size that is asked for. */
static char *read_it(const char *query, struct api_hunt *h)
{
	const size_t n = strlen(query);
	char *room = malloc(n + 2), *own = malloc(n + 1);
	assert_true(room && own);
	memcpy(own, query, n);
	code = hunt_request_read((struct str){ own, n }, room, h, &err);
	free(own);
	return room;
}

static void assert_text(struct str s, const char *text)
{
	assert_true(str_eq(s, str_from(text)));
	assert_int_equal(s.p ? s.p[s.n] : 0, 0);
}

static void all_of_them(void **state)
{
	struct api_hunt h;
	char *room =
	        read_it("q=url%3A*%2Fa%252F+%7C+count%20by%20b%C3%ACnh&since=7d&until=2026-11-22+08%3a30&&dataset=a.b&"
	                "dataset=c&format=csv&limit=0&oldest=1",
	                &h);
	assert_int_equal(code, 0);
	assert_text(h.q, "url:*/a%2F | count by b\xc3\xacnh");
	assert_text(h.since, "7d");
	assert_text(h.until, "2026-11-22 08:30");
	assert_int_equal(h.n_datasets, 2);
	assert_text(h.datasets[0], "a.b");
	assert_text(h.datasets[1], "c");
	assert_int_equal(h.format, API_HUNT_CSV);
	assert_int_equal(h.limit, 0);
	assert_true(h.oldest);
	free(room);
}

static void defaults(void **state)
{
	struct api_hunt h;
	char *room = read_it("q=a=b", &h);
	assert_int_equal(code, 0);
	assert_text(h.q, "a=b");
	assert_true(!h.since.n && !h.until.n && !h.n_datasets && !h.oldest);
	assert_int_equal(h.format, API_HUNT_NDJSON);
	assert_int_equal(h.limit, 100);
	free(room);
}

static void refused(void **state)
{
	static const struct {
		const char *query, *why;
	} cases[] = {
		{ "", "what to look for" },
		{ "q", "'q' is the hunt" },
		{ "q=", "'q' is the hunt" },
		{ "since=7d", "what to look for" },
		{ "q=a&q=b", "'q' stands twice" },
		{ "q=a&sinc=7d", "no argument 'sinc'" },
		{ "q=a&", NULL },
		{ "q=a&=b", "no argument ''" },
		{ "q=%", "%XX" },
		{ "q=%4", "%XX" },
		{ "q=%4g", "%XX" },
		{ "q=a%00b", "%XX" },
		{ "q=%C3%28", "UTF-8" },
		{ "q=a&format=table", "'format' is ndjson" },
		{ "q=a&limit=-1", "'limit' is a number" },
		{ "q=a&limit=1e3", "'limit' is a number" },
		{ "q=a&limit=1000000000000000000000", "'limit' is a number" },
		{ "q=a&oldest=2", "'oldest' is" },
		{ "q=a&dataset=1&dataset=2&dataset=3&dataset=4&dataset=5&dataset=6&dataset=7&dataset=8&dataset=9&"
		  "dataset=10&dataset=11&dataset=12&dataset=13&dataset=14&dataset=15&dataset=16&dataset=17",
		  "at most 16" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct api_hunt h;
		char *room = read_it(cases[i].query, &h);
		assert_int_equal(code, cases[i].why ? -EINVAL : 0);
		if (cases[i].why && !strstr(err.text, cases[i].why))
			fail_msg("%s: %s", cases[i].query, err.text);
		free(room);
	}
}

static void too_long(void **state)
{
	struct api_hunt h;
	char *query = malloc(HUNT_QUERY_MAX + 2);
	assert_non_null(query);
	memset(query, 'a', HUNT_QUERY_MAX + 1);
	memcpy(query, "q=", 2);
	query[HUNT_QUERY_MAX + 1] = '\0';
	free(read_it(query, &h));
	assert_int_equal(code, -EINVAL);
	query[HUNT_QUERY_MAX] = '\0';
	free(read_it(query, &h));
	assert_int_equal(code, 0);
	free(query);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_them),
		cmocka_unit_test(defaults),
		cmocka_unit_test(refused),
		cmocka_unit_test(too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
