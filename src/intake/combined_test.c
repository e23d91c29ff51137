#include "intake/formats.h"
#include "intake/show_test.h"

static void access_lines(void **state)
{
	static const struct example examples[] = {
		{ "83.149.9.216 - - [17/May/2015:10:05:03 +0000] \"GET /a/b.png?x=1&y=2?z HTTP/1.1\" 200 203023 "
		  "\"http://example.com/\" \"Mozilla/5.0 (X)\"",
		  "c-ip=83.149.9.216\ncs-method=GET\nc-uri=/a/b.png?x=1&y=2?z\ncs-uri-stem=/a/b.png\n"
		  "cs-uri-query=x=1&y=2?z\ncs-version=HTTP/1.1\nsc-status=200\nsc-bytes=203023\n"
		  "cs-referer=http://example.com/\ncs-user-agent=Mozilla/5.0 (X)",
		  1431857103 },
		{ "2001:db8::1 - bob smith [17/May/2015:12:05:03 +0200] \"POST / HTTP/2.0\" 302 -",
		  "c-ip=2001:db8::1\ncs-username=bob smith\ncs-method=POST\nc-uri=/\ncs-uri-stem=/\n"
		  "cs-version=HTTP/2.0\nsc-status=302",
		  1431857103 },
		{ "www.example.com:443 192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.0\" 200 1 \"-\" \"-\" "
		  "\"203.0.113.9\" 0.005",
		  "cs-host=www.example.com:443\nc-ip=192.0.2.1\ncs-method=GET\nc-uri=/\ncs-uri-stem=/\n"
		  "cs-version=HTTP/1.0\nsc-status=200\nsc-bytes=1" },
		/* what isn't HTTP is an event too: TLS on port 80, as nginx and as Apache write it */
		{ "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"\\x16\\x03\\x01\\x22\" 400 157 \"-\" \"-\"",
		  "c-ip=192.0.2.1\nc-uri=\x16\x03\x01\"\nsc-status=400\nsc-bytes=157" },
		{ "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"-\" 408 0 \"-\" \"-\"",
		  "c-ip=192.0.2.1\nsc-status=408\nsc-bytes=0" },
		/* quotes that a client sent */
		{ "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET /a b\\\"c HTTP/1.1\" 200 5 \"x\\\\\" "
		  "\"${jndi:ldap://y}\\x22\"",
		  "c-ip=192.0.2.1\ncs-method=GET\nc-uri=/a b\"c\ncs-uri-stem=/a "
		  "b\"c\ncs-version=HTTP/1.1\nsc-status=200\n"
		  "sc-bytes=5\ncs-referer=x\\\ncs-user-agent=${jndi:ldap://y}\"" },
		/* a user's name may look like the rest of the line */
		{ "192.0.2.1 - a[b] [17/May/2015:10:05:03 +0000] \"GET /old\" 200 5",
		  "c-ip=192.0.2.1\ncs-username=a[b]\ncs-method=GET\nc-uri=/old\ncs-uri-stem=/"
		  "old\nsc-status=200\nsc-bytes=5" },
		{ "no access log", "!no access log line: CLIENT - USER [TIME] is missing" },
		{ "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET", "!no access log line: no \"REQUEST\"" },
		{ "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET /\"", "!no access log line: no status" },
	};
	check_examples(&intake_combined, NULL, examples, ARRAY_LEN(examples));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(access_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
