#include "intake/formats.h"
#include "intake/show_test.h"

static void rfc3164(void **state)
{
	static const struct example examples[] = {
		{ "Mar 27 13:06:56 ip-10-77-20-248 sshd[1291]: Server listening on :: port 22.",
		  "host.name=ip-10-77-20-248\nprocess.name=sshd\nprocess.pid=1291\nmessage=Server listening on :: port "
		  "22.",
		  1679922416 }, /* not 2024: that would be in the future */
		{ "Feb 29 00:00:01 h cron: x", "host.name=h\nprocess.name=cron\nmessage=x", 1709164801 },
		{ "Mar  1 23:59:59 h cron: x", "host.name=h\nprocess.name=cron\nmessage=x", 1709337599 },
		{ "Mar  2 00:00:01 h cron: x", "host.name=h\nprocess.name=cron\nmessage=x", 1677715201 },
		{ "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
		  "log.syslog.priority=34\nlog.syslog.facility.name=auth\nlog.syslog.severity.name=crit\n"
		  "host.name=mymachine\nprocess.name=su\nmessage='su root' failed" },
		{ "<13>Mar  7 2021 13:06:56.250: %ASA-6-302013: Built", /* no host */
		  "log.syslog.priority=13\nlog.syslog.facility.name=user\nlog.syslog.severity.name=notice\n"
		  "process.name=%ASA-6-302013\nmessage=Built",
		  1615122416 },
		{ "Mar  1 00:00:00 h /usr/sbin/cron[7]: (root) CMD (x)",
		  "host.name=h\nprocess.executable=/usr/sbin/cron\nprocess.name=cron\nprocess.pid=7\nmessage=(root) "
		  "CMD (x)" },
		{ "Mar  1 00:00:00 h last message repeated 2 times",
		  "host.name=h\nmessage=last message repeated 2 times" },
		{ "Mar  1 00:00:00 h kernel: [   12.3] usb 1-1: new",
		  "host.name=h\nprocess.name=kernel\nmessage=[   12.3] usb 1-1: new" },
		{ "2024-02-28T23:58:01.123456+01:00 web sshd-session[9]: hi",
		  "host.name=web\nprocess.name=sshd-session\nprocess.pid=9\nmessage=hi", 1709161081 },
		{ "<30>app[3]: no time",
		  "log.syslog.priority=30\nlog.syslog.facility.name=daemon\nlog.syslog.severity.name=info\n"
		  "process.name=app\nprocess.pid=3\nmessage=no time" },
		{ "what comes is taken", "message=what comes is taken" },
		{ "<192>x", "message=<192>x" },
		{ "<", "message=<" },
		{ "Feb 30 00:00:00 h x: y", "message=Feb 30 00:00:00 h x: y" },
	};
	check_examples(&intake_syslog, NULL, examples, ARRAY_LEN(examples));
}

static void rfc5424(void **state)
{
	static const struct example examples[] = {
		{ "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 8 ID47 "
		  "[exampleSDID@32473 iut=\"3\" eventSource=\"App \\\"x\\\" \\] \\n\"][b@1 c=\"\"] \xef\xbb\xbf"
		  "An event",
		  "log.syslog.priority=165\nlog.syslog.facility.name=local4\nlog.syslog.severity.name=notice\n"
		  "host.name=mymachine.example.com\nprocess.name=evntslog\nprocess.pid=8\nlog.syslog.msgid=ID47\n"
		  "sd.exampleSDID@32473.iut=3\nsd.exampleSDID@32473.eventSource=App \"x\" ] \\n\nsd.b@1.c=\nmessage=An "
		  "event",
		  1065910455 },
		{ "<0>1 - - - - - -",
		  "log.syslog.priority=0\nlog.syslog.facility.name=kern\nlog.syslog.severity.name=emerg\nmessage=" },
		{ "<0>1 - h a - - [open", /* not RFC 5424 after all */
		  "log.syslog.priority=0\nlog.syslog.facility.name=kern\nlog.syslog.severity.name=emerg\nmessage=1 - h "
		  "a - - [open" },
	};
	check_examples(&intake_syslog, NULL, examples, ARRAY_LEN(examples));
}

static void sudo_fields(void **state)
{
	static const struct example examples[] = {
		{ "Mar  1 00:00:00 h sudo:   ubuntu : TTY=pts/0 ; PWD=/home/u ; USER=root ; COMMAND=/bin/sh -c a ; b",
		  "host.name=h\nprocess.name=sudo\nmessage=  ubuntu : TTY=pts/0 ; PWD=/home/u ; USER=root ; "
		  "COMMAND=/bin/sh -c a ; b\n"
		  "TTY=pts/0\nPWD=/home/u\nUSER=root\nCOMMAND=/bin/sh -c a ; b\n"
		  "user.name=ubuntu\nevent.action=sudo_command\nevent.outcome=success" },
	};
	check_examples(&intake_syslog, NULL, examples, ARRAY_LEN(examples));
}

static void json_message(void **state)
{
	static const struct example examples[] = {
		{ "Mar  1 00:00:00 h app: @cee: {\"a\":{\"b\":\"x\\ty\"}}",
		  "a.b=x\ty\nhost.name=h\nprocess.name=app\nmessage=@cee: {\"a\":{\"b\":\"x\\ty\"}}" },
		{ "Mar  1 00:00:00 h app: {no json}", "host.name=h\nprocess.name=app\nmessage={no json}" },
	};
	check_examples(&intake_syslog, NULL, examples, ARRAY_LEN(examples));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc3164),
		cmocka_unit_test(rfc5424),
		cmocka_unit_test(sudo_fields),
		cmocka_unit_test(json_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
