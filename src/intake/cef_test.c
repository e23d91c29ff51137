#include "intake/formats.h"
#include "intake/show_test.h"

static void cef_lines(void **state)
{
	static const struct example examples[] = {
		{ "CEF:0|Security|threat\\|manager|1.0|100|worm \\\\ stopped|10|src=192.0.2.1 msg=a \\= b\\nc  "
		  "dst=192.0.2.2 spt=",
		  "deviceVendor=Security\ndeviceProduct=threat|manager\ndeviceVersion=1.0\ndeviceEventClassId=100\n"
		  "name=worm \\ stopped\nseverity=10\nsrc=192.0.2.1\nmsg=a = b\nc\ndst=192.0.2.2\nspt=" },
		{ "<14>Mar  1 00:00:00 fw CEF: 0|V|P|1|2|n|Low|rt=1709200000000 cs1Label=Rule Name cs1=deny all cn1=7",
		  "host.name=fw\ndeviceVendor=V\ndeviceProduct=P\ndeviceVersion=1\ndeviceEventClassId=2\nname=n\n"
		  "severity=Low\nrt=1709200000000\ncs1Label=Rule Name\ncs1=deny all\ncn1=7\nRule Name=deny all",
		  1709200000 },
		{ "<14>Mar  1 00:00:00 fw CEF:0|V|P|1|2|n|Low|",
		  "host.name=fw\ndeviceVendor=V\ndeviceProduct=P\n"
		  "deviceVersion=1\ndeviceEventClassId=2\nname=n\nseverity=Low",
		  1709251200 },
		{ "CEF:0|V|P", "!CEF header with 3 of 7 fields" },
		{ "no such thing", "!no CEF:0| in the line" },
		{ "CEF:", "!no CEF:0| in the line" },
	};
	check_examples(&intake_cef, NULL, examples, ARRAY_LEN(examples));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cef_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
