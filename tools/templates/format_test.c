#include "intake/formats.h"
#include "intake/show_test.h"

static void lines(void **state)
{
	static const struct example examples[] = {
		{ "sample 2026-03-01T08:00:00Z web1 login failed for bob",
		  "host.name=web1\nevent.action=login\nmessage=failed for bob", 1772352000 },
		{ "sample yesterday web1 login ", "host.name=web1\nevent.action=login\nmessage=" },
		{ "sample 2026-03-01T08:00:00Z web1", "!no line of sample: TIME HOST ACTION is missing" },
		{ "another 2026-03-01T08:00:00Z web1 login", "!no line of sample: TIME HOST ACTION is missing" },
	};
	check_examples(&intake_sample, NULL, examples, ARRAY_LEN(examples));
}

static void found_by_itself(void **state)
{
	const char *head = "sample 2026-03-01T08:00:00Z web1 login failed for bob\nsample 2026-03-01T08:";
	assert_ptr_equal(intake_detect(str_from(head)), &intake_sample);
	assert_ptr_equal(intake_format(STR("sample")), &intake_sample);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(found_by_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
