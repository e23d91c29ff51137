#include "event/who.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_ranks(void **state)
{
	assert_int_equal(who_rank(WHO_USER, STR("user.name")), 0);
	assert_true(who_rank(WHO_USER, STR("TargetUserName")) < who_rank(WHO_USER, STR("SubjectUserName")));
	assert_int_equal(who_rank(WHO_ADDRESS, STR("source.ip")), 0);
	assert_true(who_rank(WHO_ADDRESS, STR("c-ip")) > 0);
	assert_int_equal(who_rank(WHO_ADDRESS, STR("user.name")), -1);
	assert_int_equal(who_rank(WHO_USER, STR("user.nam")), -1);
	assert_int_equal(who_rank(WHO_USER, STR("")), -1);
}

static void test_nobody(void **state)
{
	static const char *const nobody[] = { "", "-", "?", "4294967295" };
	for (size_t i = 0; i < ARRAY_LEN(nobody); i++)
		assert_false(who_told(str_from(nobody[i])));
	assert_true(who_told(STR("root")));
	assert_true(who_told(STR("--")));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_ranks), cmocka_unit_test(test_nobody) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
