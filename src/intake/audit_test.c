#include "intake/audit.h"

#include "intake/formats.h"
#include "intake/show_test.h"

static void event_of_many_lines(void **state)
{
	static const struct example examples[] = {
		{ "type=SYSCALL msg=audit(1700000000.250:77): arch=c000003e syscall=59 success=yes a0=55d0 "
		  "comm=\"wget\" "
		  "exe=\"/usr/bin/wget\" key=(null)\x1d"
		  "ARCH=x86_64 UID=\"root\"\n"
		  "type=EXECVE msg=audit(1700000000.250:77): argc=3 a0=\"wget\" a1=2D4F20612062 a2=\"http://x/\"\n"
		  "type=CWD msg=audit(1700000000.250:77): cwd=2F746D702F612062\n"
		  "type=PATH msg=audit(1700000000.250:77): item=0 name=\"/usr/bin/wget\" nametype=NORMAL\n"
		  "type=PROCTITLE msg=audit(1700000000.250:77): proctitle=77676574002D4F",
		  "type=SYSCALL\narch=c000003e\nsyscall=59\nsuccess=yes\na0=55d0\ncomm=wget\nexe=/usr/bin/wget\n"
		  "process.executable=/usr/bin/wget\nkey=\nARCH=x86_64\nUID=root\n"
		  "type=EXECVE\nargc=3\na0=wget\na1=-O a b\na2=http://x/\n"
		  "type=CWD\ncwd=/tmp/a b\nprocess.working_directory=/tmp/a b\n"
		  "type=PATH\nitem=0\nname=/usr/bin/wget\nnametype=NORMAL\n"
		  "type=PROCTITLE\nproctitle=wget -O\n"
		  "SYSCALL=execve\nprocess.command_line=wget -O a b http://x/",
		  1700000000 },
		/* an argument in pieces, two keys, the call named by auditd */
		{ "node=web type=SYSCALL msg=audit(1700000000:1): arch=c00000b7 syscall=999 "
		  "key=61016262\x1dSYSCALL=bpf\n"
		  "type=EXECVE msg=audit(1700000000:1): argc=2 a0=\"sh\" a1_len=8 a1[0]=\"-c i\" a1[1]=6420",
		  "type=SYSCALL\narch=c00000b7\nsyscall=999\nkey=a\nkey=bb\nSYSCALL=bpf\n"
		  "type=EXECVE\nargc=2\na0=sh\na1_len=8\na1=-c id \nprocess.command_line=sh -c id " },
		{ "type=PROCTITLE msg=audit(1700000000.250:77): proctitle=\"bash\"",
		  "type=PROCTITLE\nproctitle=bash\nprocess.command_line=bash" },
		{ "type=SOCKADDR msg=audit(1700000000.250:78): saddr=02000050CB00710900000000000000000A",
		  "type=SOCKADDR\nsaddr=02000050CB00710900000000000000000A\ndestination.ip=203.0.113.9\ndestination."
		  "port=80" },
		{ "type=SOCKADDR msg=audit(1700000000.250:78): "
		  "saddr=0A0001BB0000000020010DB800000000000000000000000100000000",
		  "type=SOCKADDR\nsaddr=0A0001BB0000000020010DB800000000000000000000000100000000\n"
		  "destination.ip=2001:db8::1\ndestination.port=443" },
		{ "type=SOCKADDR msg=audit(1700000000.250:78): saddr=0100", "type=SOCKADDR\nsaddr=0100" },
		{ "type=USER_LOGIN msg=audit(1700000000.250:79): pid=5 uid=0 msg='op=login "
		  "acct=28696E76616C6964207573657229 "
		  "exe=\"/usr/sbin/sshd\" addr=192.0.2.1 res=failed'",
		  "type=USER_LOGIN\npid=5\nuid=0\nop=login\nacct=(invalid user)\nexe=/usr/sbin/sshd\n"
		  "process.executable=/usr/sbin/sshd\naddr=192.0.2.1\nres=failed" },
		/* who logged in: by name where auditd knew it, else by number */
		{ "type=SYSCALL msg=audit(1700000000.250:81): auid=1000 uid=0\x1d"
		  "AUID=\"an\" UID=\"root\"",
		  "type=SYSCALL\nauid=1000\nuid=0\nAUID=an\nUID=root" },
		{ "type=SYSCALL msg=audit(1700000000.250:82): auid=1000 uid=0",
		  "type=SYSCALL\nauid=1000\nuid=0\nAUID=1000" },
		{ "type=AVC msg=audit(1700000000.250:80): avc:  denied  { read } for  pid=1 comm=\"x\"",
		  "type=AVC\npid=1\ncomm=x" },
		{ "type=SYSCALL arch=1", "!no audit record: type=TYPE msg=audit(TIME:SERIAL): is missing" },
		{ "type=SYSCALL msg=audit(9999999999999999999.1:1):",
		  "!no audit record: type=TYPE msg=audit(TIME:SERIAL): is missing" },
		{ "", "!no audit record: it is empty" },
	};
	check_examples(&intake_audit, NULL, examples, ARRAY_LEN(examples));
}

static void last_lines(void **state)
{
	struct audit_line a;
	assert_true(audit_cut(STR("type=PROCTITLE msg=audit(1.002:3): proctitle=61"), &a));
	assert_true(audit_is_last(&a));
	assert_int_equal(a.time, 1002000);
	assert_int_equal(a.serial, 3);
	assert_true(audit_cut(STR("type=USER_CMD msg=audit(1.002:3): pid=1 msg='cwd=\"/\"'"), &a));
	assert_true(audit_is_last(&a));
	assert_true(audit_cut(STR("type=PATH msg=audit(1.002:3): name=\"x\""), &a));
	assert_false(audit_is_last(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(event_of_many_lines),
		cmocka_unit_test(last_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
