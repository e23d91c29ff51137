#include "intake/formats.h"
#include "intake/show_test.h"

static void samples(void **state)
{
	static const struct {
		const char *head, *format; /* format NULL: none fits */
	} all[] = {
		{ "{\"a\":1}\n{\"a\":2}\n", "json" },
		{ "\xef\xbb\xbf{\n  \"a\": 1\n}\n", "json" },
		{ "[{\"a\":1},\n", "json" },
		{ "Mar 27 13:06:56 ip-10-77-20-248 sshd[1291]: Server listening on :: port 22.\n", "syslog" },
		{ "<34>1 2003-10-11T22:14:15.003Z h su - ID47 - failed a=1 b=2 c=3\n", "syslog" },
		{ "2024-02-28T23:58:01.123456+01:00 web sshd[9]: hi\n", "syslog" },
		{ "Mar 27 13:06:56 h app: {\"a\":1}\n", "syslog" },
		{ "83.149.9.216 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 3\n", "combined" },
		{ "a.example:80 83.149.9.216 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 3 \"-\" \"x\"\n",
		  "combined" },
		{ "type=SYSCALL msg=audit(1700000000.250:77): arch=c000003e syscall=59 success=yes exit=0\n", "audit" },
		{ "node=w type=CWD msg=audit(1700000000.250:77): cwd=\"/\"\n", "audit" },
		{ "ts=2024-02-03T04:05:06Z level=info msg=\"x y\" n=3\n", "kv" },
		{ "<189>date=2024-02-03 time=06:05:06 devname=\"fw 1\" srcip=192.0.2.1\n", "kv" },
		{ "<14>Mar  1 00:00:00 fw CEF:0|V|P|1|2|n|Low|src=192.0.2.1\n", "cef" },
		{ "CEF:0|V|P|1|2|n|Low|src=192.0.2.1\n", "cef" },
		{ "Level,Date and Time,Source,Event ID\nInfo,\"1, 2\",x,4624\n", "csv" },
		{ "time;user;ip\n1;2;3\n", "csv" },
		{ "#separator \\x09\n#path\tconn\n", "csv" },
		{ "lorem ipsum dolor sit amet\nconsectetur\n", NULL },
		{ "", NULL },
		{ "\n\n", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const struct format *f = intake_detect(str_from(all[i].head));
		print_message("%s", all[i].head);
		assert_string_equal(f ? f->name : "none", all[i].format ? all[i].format : "none");
	}
}

/* The first 64 kB of real logs, cut anywhere. */
static void real_logs(void **state)
{
	static const struct {
		const char *path, *format;
	} all[] = { { "logs/elastic_auth.log", "syslog" }, { "logs/apache_combined.log", "combined" } };
	static char head[64 << 10];
	const char *data = getenv("KHIEN_DATA");
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/%s", data ? data : "../shared/data", all[i].path);
		FILE *f = fopen(path, "r");
		if (!f) {
			print_message("SKIP: %s is not there: set KHIEN_DATA\n", path);
			skip();
		}
		size_t n = fread(head, 1, sizeof(head), f);
		fclose(f);
		assert_true(n > 1000);
		for (size_t cut = n; cut > 300; cut = cut * 2 / 3) {
			const struct format *found = intake_detect((struct str){ head, cut });
			assert_non_null(found);
			assert_string_equal(found->name, all[i].format);
		}
	}
}

static void by_name(void **state)
{
	size_t n;
	const struct format *const *all = intake_formats(&n);
	assert_true(n >= 7);
	for (size_t i = 0; i < n; i++) {
		assert_ptr_equal(intake_format(str_from(all[i]->name)), all[i]);
		assert_true(all[i]->what[0] != '\0');
	}
	assert_null(intake_format(STR("xml")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples),
		cmocka_unit_test(real_logs),
		cmocka_unit_test(by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
