#include "intake/formats.h"
#include "intake/show_test.h"

static void pairs(void **state)
{
	static const struct example examples[] = {
		{ "time=2024-02-03T04:05:06Z level=info msg=\"said \\\"hi\\\"\\n\" n=3 empty= e=\"\"",
		  "time=2024-02-03T04:05:06Z\nlevel=info\nmsg=said \"hi\"\n\nn=3\nempty=\ne=", 1706933106 },
		{ "<189>date=2024-02-03 time=06:05:06 tz=\"+0200\" devname=\"fw 1\" srcip=192.0.2.1 "
		  "url=\"http://x/?a=b\"",
		  "date=2024-02-03\ntime=06:05:06\ntz=+0200\ndevname=fw 1\nsrcip=192.0.2.1\nurl=http://x/?a=b",
		  1706933106 },
		{ "date=2024-02-03 time=06:05:06 eventtime=1706933106000000000 a=b", /* the stamp counts */
		  "date=2024-02-03\ntime=06:05:06\neventtime=1706933106000000000\na=b", 1706933106 },
		{ "some words a=1, b=2, c=\"open", "a=1\nb=2\nc=open" },
		{ "path=C:\\x\\y q=\"\\x41\\q\"", "path=C:\\x\\y\nq=A\\q" },
		{ "no pair here", "!no key=value in the line" },
		{ "= =x", "!no key=value in the line" },
	};
	check_examples(&intake_kv, NULL, examples, ARRAY_LEN(examples));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
