#include "api/index_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void datasets(void **state)
{
	static const char *const cases[][2] = {
		{ "logs-nginx.access-default", "nginx.access" },
		{ "logs-nginx.access-my-space", "nginx.access" },
		{ "metrics-system.cpu-prod", "system.cpu" },
		{ "traces-apm-default", "apm" },
		{ "filebeat-8.11.3-2026.11.22-000001", "filebeat" },
		{ "filebeat-8.17.0", "filebeat" },
		{ "winlogbeat-2026.11", "winlogbeat" },
		{ "logstash-2026-11-22", "logstash" },
		{ "app_logs_20261122", "app_logs" },
		{ "app-v2", "app" },
		{ "app-v2-canary", "app-v2-canary" },
		{ "system", "system" },
		{ "logs-2026.11.22", "logs" },
		{ "logs-2026-11-22", "logs" },
		{ "logs-app", "logs-app" },
		{ "2026.11.22", "2026.11.22" },
		{ "-1", "-1" },
		{ "<logs-{now/d}>", "logs" },
		{ "<winlogbeat-7.17.0-{now/d}-000001>", "winlogbeat" },
		{ "<logs-nginx-{now/d}>", "logs-nginx" },
		{ "<{now/d}>", "<{now/d}>" },
		{ "", "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str got = index_name_dataset(str_from(cases[i][0]));
		if (!str_eq(got, str_from(cases[i][1])))
			fail_msg("%s: " STR_FMT, cases[i][0], STR_ARG(got));
	}
	/* A character of two bytes across the end. */
	char name[INDEX_DATASET_MAX + 8] = { 0 };
	memset(name, 'a', INDEX_DATASET_MAX - 1);
	memcpy(name + INDEX_DATASET_MAX - 1, "\xc3\xa9\xc3\xa9", 4);
	assert_int_equal(index_name_dataset(str_from(name)).n, INDEX_DATASET_MAX - 1);
	name[INDEX_DATASET_MAX - 1] = 'a';
	name[INDEX_DATASET_MAX] = 'b';
	assert_int_equal(index_name_dataset(str_sub(str_from(name), 0, INDEX_DATASET_MAX + 1)).n, INDEX_DATASET_MAX);
}

static void names(void **state)
{
	static const char *const good[] = { "a",
		                            "Logs",
		                            "logs-a_b.c-1",
		                            ".ds-logs",
		                            "<a-{now/d}>",
		                            "<a-{now/d{YYYY|+07:00}}>",
		                            "nh\xe1\xba\xadt-k\xc3\xbd" };
	static const char *const bad[] = { "",    "-a",    "_a",    "+a",  "a b", "a/b",  "a\\b", "a*",
		                           "a?",  "a\"b",  "a<b",   "a>b", "a|b", "a,b",  "a#b",  "a:b",
		                           "a\n", "a\x7f", "a\xff", ".",   "..",  "<a b>" };
	char name[INDEX_NAME_MAX + 1];
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(index_name_valid(str_from(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (index_name_valid(str_from(bad[i])))
			fail_msg("'%s'", bad[i]);
	assert_false(index_name_valid((struct str){ "a\0b", 3 }));
	memset(name, 'a', sizeof(name));
	assert_true(index_name_valid((struct str){ name, INDEX_NAME_MAX }));
	assert_false(index_name_valid((struct str){ name, INDEX_NAME_MAX + 1 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(datasets), cmocka_unit_test(names) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
