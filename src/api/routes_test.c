#include "api/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void paths(void **state)
{
	static const struct {
		const char *method, *path;
		const struct endpoint *endpoint;
		const char *name;
	} cases[] = {
		{ "POST", "/v1/events", &events_post, "" },
		{ "POST", "/_bulk", &bulk_post, "" },
		{ "PUT", "/_bulk/", &bulk_post, "" },
		{ "POST", "/a/_bulk", &bulk_post, "a" },
		{ "POST", "/a/_doc/_bulk", &bulk_post, "a" },
		{ "POST", "/_a/_bulk", NULL, "" },
		{ "POST", "//_bulk", NULL, "" },
		{ "GET", "/", &compat_root, "" },
		{ "HEAD", "/", &compat_root, "" },
		{ "GET", "", NULL, "" },
		{ "GET", "v1", NULL, "" },
		{ "POST", "/", NULL, "" },
		{ "get", "/", NULL, "" },
		{ "GET", "/_nodes/_all/http", &compat_nodes, "_all" },
		{ "GET", "/_nodes//http", NULL, "" },
		{ "GET", "/_template/a", &compat_template, "a" },
		{ "HEAD", "/_template/a", &compat_template, "a" },
		{ "PUT", "/_template/a", &compat_acknowledged, "a" },
		{ "GET", "/_template", NULL, "" },
		{ "HEAD", "/a", &compat_exists, "a" },
		{ "PUT", "/healthz", NULL, "" },
		{ "GET", "/v1/hunt", &hunt_get, "" },
		{ "HEAD", "/v1/hunt", &hunt_head, "" },
		{ "POST", "/v1/hunt", NULL, "" },
		{ "PUT", "/a", &compat_index_created, "a" },
		{ "GET", "/a", NULL, "a" },
		{ "GET", "/a/b", NULL, "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str name = { "", 0 };
		enum method m;
		const char *allow;
		const struct route *r = api_route_find(str_from(cases[i].path), &name);
		const struct endpoint *e = r ? route_endpoint(r, str_from(cases[i].method), &m, &allow) : NULL;
		if (e != cases[i].endpoint || (r && !str_eq(name, str_from(cases[i].name))))
			fail_msg("%s %s", cases[i].method, cases[i].path);
	}
}

static void unescape(void **state)
{
	static const char *const cases[][2] = {
		{ "/a%20b", "/a b" },
		{ "%3Ca-%7Bnow%2Fd%7D%3e", "<a-{now%2Fd}>" },
		{ "a%2f%2F", "a%2f%2F" },
		{ "a%00b", "a%00b" },
		{ "%", "%" },
		{ "%4", "%4" },
		{ "%zz%41", "%zzA" },
		{ "%2541", "%41" },
		{ "", "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[64];
		snprintf(text, sizeof(text), "%s", cases[i][0]);
		assert_int_equal(route_unescape(text), strlen(cases[i][1]));
		assert_string_equal(text, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(paths), cmocka_unit_test(unescape) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
