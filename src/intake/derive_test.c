#include "intake/derive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { USER = FIELD_FIRST_NAMED, TARGET, GROUP, IP, PORT, ACTION, OUTCOME, N_FIELDS };

static struct fields *make_fields(void)
{
	const struct field_path paths[] = {
		{ STR("user.name"), USER },        { STR("user.target.name"), TARGET }, { STR("group.name"), GROUP },
		{ STR("source.ip"), IP },          { STR("source.port"), PORT },        { STR("event.action"), ACTION },
		{ STR("event.outcome"), OUTCOME },
	};
	struct fields *f;
	struct err err;
	assert_int_equal(fields_new(&f, N_FIELDS, paths, ARRAY_LEN(paths), &err), 0);
	return f;
}

/* "user ip port action outcome" with "-" for what is absent and target, group in front where present. */
static void show(struct event *ev, char *to, size_t room)
{
	size_t n = 0;
	for (uint32_t f = USER; f < N_FIELDS; f++) {
		const struct value *v = event_value(ev, f);
		if (!v && (f == TARGET || f == GROUP))
			continue;
		struct str s = v ? v->text : STR("-");
		n += (size_t)snprintf(to + n, room - n, "%s" STR_FMT, f > USER ? "|" : "", STR_ARG(s));
	}
}

struct example {
	const char *program, *message, *want; /* want NULL: unknown shape */
};

static const struct example examples[] = {
	{ "sshd", "Failed password for root from 203.0.113.7 port 4242 ssh2",
	  "root|203.0.113.7|4242|ssh_login|failure" },
	{ "sshd", "Failed password for invalid user admin from 203.0.113.7 port 4242 ssh2",
	  "admin|203.0.113.7|4242|ssh_login|failure" },
	{ "sshd", "Failed password for invalid user  from 203.0.113.7 port 4242 ssh2",
	  "|203.0.113.7|4242|ssh_login|failure" },
	{ "sshd-session", "Accepted publickey for linh from 2001:db8::7 port 4242 ssh2: RSA SHA256:KlNkPGZrTizN",
	  "linh|2001:db8::7|4242|ssh_login|success" },
	{ "sshd", "Failed none for invalid user x from fe80::1%eth0 port 9 ssh2",
	  "x|fe80::1%eth0|9|ssh_login|failure" },
	{ "sshd", "Invalid user git from 203.0.113.7", "git|203.0.113.7|-|ssh_invalid_user|failure" },
	{ "sshd", "Invalid user git from 203.0.113.7 port 81", "git|203.0.113.7|81|ssh_invalid_user|failure" },
	{ "sshd",
	  "error: maximum authentication attempts exceeded for invalid user bob from 203.0.113.7 port 81 ssh2 "
	  "[preauth]",
	  "bob|203.0.113.7|81|ssh_too_many_attempts|failure" },
	{ "sshd", "Connection closed by authenticating user root 203.0.113.7 port 81 [preauth]",
	  "root|203.0.113.7|81|ssh_connection_closed|-" },
	{ "sshd", "Received disconnect from 203.0.113.7 port 81:11: Bye Bye [preauth]",
	  "-|203.0.113.7|81|ssh_disconnected|-" },
	{ "sshd", "Received disconnect from 203.0.113.7: 11: Bye", "-|203.0.113.7|-|ssh_disconnected|-" },
	{ "sshd", "message repeated 2 times: [ Failed password for root from 203.0.113.7 port 4242 ssh2]",
	  "root|203.0.113.7|4242|ssh_login|failure" },
	{ "sshd",
	  "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.7  "
	  "user=root",
	  "root|203.0.113.7|-|pam_authentication|failure" },
	{ "sshd",
	  "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.7 ",
	  "-|203.0.113.7|-|pam_authentication|failure" },
	{ "su",
	  "pam_unix(su:auth): authentication failure; logname=an uid=1000 euid=0 tty=pts/1 ruser=an rhost=  user=root",
	  "root|-|-|pam_authentication|failure" },
	{ "vsftpd",
	  "pam_sss(vsftpd:auth): authentication success; logname= uid=0 euid=0 tty=ftp ruser= rhost=203.0.113.7 "
	  "user=an",
	  "an|203.0.113.7|-|pam_authentication|success" },
	{ "sudo", "pam_unix(sudo:session): session opened for user root(uid=0) by an(uid=1000)",
	  "root|-|-|session_opened|-" },
	{ "sudo", "an : TTY=pts/0 ; PWD=/home/an ; USER=root ; COMMAND=/bin/ls", "an|-|-|sudo_command|success" },
	{ "sudo", "an : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
	  "an|-|-|sudo_command|failure" },
	{ "sudo", "an : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
	  "an|-|-|sudo_command|failure" },
	{ "su", "FAILED SU (to root) an on pts/1", "an|root|-|-|su|failure" },
	{ "su", "(to root) an on pts/1", "an|root|-|-|su|success" },
	{ "su", "Successful su for root by an", "an|root|-|-|su|success" },
	{ "useradd", "new user: name=sync2, UID=1003, GID=1003, home=/home/sync2, shell=/bin/bash, from=/dev/pts/1",
	  "sync2|-|-|user_added|success" },
	{ "usermod", "add 'sync2' to group 'sudo'", "sync2|sudo|-|-|group_member_added|success" },
	{ "usermod", "change user 'backup' shell from '/usr/sbin/nologin' to '/bin/bash'",
	  "backup|-|-|user_shell_changed|success" },
	{ "usermod", "change user 'sync2' UID from '1003' to '0'", "sync2|-|-|user_id_changed|success" },
	{ "chsh", "changed user 'backup' shell to '/bin/sh'", "backup|-|-|user_shell_changed|success" },
	{ "gpasswd", "user sync2 added by root to group sudo", "root|sync2|sudo|-|-|group_member_added|success" },
	{ "groupadd", "new group: name=staff2, GID=1004", "-|staff2|-|-|group_added|success" },
	/* A name that an attacker chose must not pass for the address, nor a command for a refusal. */
	{ "sshd", "Failed password for invalid user root from 192.0.2.1 port 1 ssh2 from 203.0.113.7 port 4242 ssh2",
	  "root from 192.0.2.1 port 1 ssh2|203.0.113.7|4242|ssh_login|failure" },
	{ "sshd", "Invalid user x from 192.0.2.1 port 1 from 203.0.113.7",
	  "x from 192.0.2.1 port 1|203.0.113.7|-|ssh_invalid_user|failure" },
	{ "sudo", "an : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/echo b : command not allowed ; TTY=",
	  "an|-|-|sudo_command|success" },
	{ "sudo", "an : command not allowed ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/echo b : TTY=",
	  "an|-|-|sudo_command|failure" },
	{ "sshd", "Failed password for root from not-an-address port 4242 ssh2", NULL },
	{ "sshd", "Failed password for root from 203.0.113.7 port 70000 ssh2", NULL },
	{ "sshd", "message repeated ]", NULL },
	{ "sshd", "", NULL },
	{ "nginx", "Failed password for root from 203.0.113.7 port 4242 ssh2", NULL },
};

static void test_examples(void **state)
{
	struct fields *fields = make_fields();
	struct event ev;
	assert_int_equal(event_init(&ev, fields), 0);
	for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
		const struct example *e = &examples[i];
		char got[256];
		event_reset(&ev);
		bool known = intake_derive(&ev, str_from(e->program), str_from(e->message));
		show(&ev, got, sizeof(got));
		if (known != (e->want != NULL) || strcmp(got, e->want ? e->want : "-|-|-|-|-") != 0)
			fail_msg("%s: %s\n  gives %d %s\n  wants %s", e->program, e->message, known, got,
			         e->want ? e->want : "nothing");
	}
	event_done(&ev);
	fields_free(fields);
}

static void test_long_message(void **state)
{
	struct fields *fields = make_fields();
	struct event ev;
	assert_int_equal(event_init(&ev, fields), 0);
	static char message[DERIVE_MAX_MESSAGE + 1];
	const char head[] = "Accepted password for ", tail[] = " from 203.0.113.7 port 1";
	memset(message, 'a', sizeof(message));
	memcpy(message, head, sizeof(head) - 1);
	for (size_t n = sizeof(message) - 1; n <= sizeof(message); n++) {
		memset(message + sizeof(message) - sizeof(tail), 'a', sizeof(tail));
		memcpy(message + n - (sizeof(tail) - 1), tail, sizeof(tail) - 1);
		event_reset(&ev);
		assert_int_equal(intake_derive(&ev, STR("sshd"), (struct str){ message, n }), n <= DERIVE_MAX_MESSAGE);
	}
	event_done(&ev);
	fields_free(fields);
}

static void test_journal(void **state)
{
	enum { COMMAND = N_FIELDS, PROGRAM, MESSAGE, N_ALL };
	const struct field_path paths[] = { { STR("user.name"), USER },
		                            { STR("COMMAND"), COMMAND },
		                            { STR("SYSLOG_IDENTIFIER"), PROGRAM },
		                            { STR("MESSAGE"), MESSAGE } };
	struct fields *fields;
	struct event ev;
	assert_int_equal(fields_new(&fields, N_ALL, paths, ARRAY_LEN(paths), NULL), 0);
	assert_int_equal(event_init(&ev, fields), 0);
	event_reset(&ev);
	assert_false(intake_derive_journal(&ev));
	event_put(&ev, PROGRAM, STR("sudo"), VALUE_TEXT);
	assert_false(intake_derive_journal(&ev));
	event_put(&ev, MESSAGE, STR("  an : PWD=/home/an ; USER=root ; COMMAND=/bin/sh -c a ; b"), VALUE_TEXT);
	assert_true(intake_derive_journal(&ev));
	assert_true(str_eq(event_value(&ev, USER)->text, STR("an")));
	assert_true(str_eq(event_value(&ev, COMMAND)->text, STR("/bin/sh -c a ; b")));
	event_done(&ev);
	fields_free(fields);
}

/* Splits "Mar 27 13:06:56 host program[pid]: message". */
static bool split(struct str line, struct str *program, struct str *message)
{
	struct str rest = str_sub(line, 16, line.n);
	rest = str_sub(rest, str_find(rest, ' ') + 1, rest.n);
	size_t end = str_find(rest, ' ');
	*message = str_trim(str_sub(rest, end, rest.n));
	*program = str_sub(rest, 0, str_find(str_sub(rest, 0, end), ':'));
	*program = str_sub(*program, 0, str_find(*program, '['));
	return message->n > 0;
}

static void test_real_log(void **state)
{
	char path[4096], line[4096];
	const char *data = getenv("KHIEN_DATA");
	snprintf(path, sizeof(path), "%s/logs/elastic_auth.log", data ? data : "../shared/data");
	FILE *in = fopen(path, "r");
	if (!in) {
		print_message("SKIP: no %s (KHIEN_DATA names the folder)\n", path);
		skip();
	}
	struct fields *fields = make_fields();
	struct event ev;
	assert_int_equal(event_init(&ev, fields), 0);
	unsigned failed = 0, accepted = 0, added = 0, sudo = 0, sshd = 0, sshd_known = 0, missed = 0;
	while (fgets(line, sizeof(line), in)) {
		struct str program, message;
		if (!split(str_trim(str_from(line)), &program, &message))
			continue;
		event_reset(&ev);
		bool known = intake_derive(&ev, program, message);
		const struct value *a = event_value(&ev, ACTION), *o = event_value(&ev, OUTCOME);
		bool success = o && str_eq(o->text, STR("success"));
		bool is_sshd = str_eq(program, STR("sshd"));
		bool has_address = strstr(line, " from ") || strstr(line, "rhost=") || strstr(line, " by ");
		sshd += is_sshd;
		sshd_known += is_sshd && known;
		missed += is_sshd && has_address && !known;
		failed += a && str_eq(a->text, STR("ssh_login")) && !success;
		accepted += a && str_eq(a->text, STR("ssh_login")) && success;
		added += a && str_eq(a->text, STR("user_added")) && success;
		sudo += a && str_eq(a->text, STR("sudo_command"));
	}
	fclose(in);
	print_message("%u of %u sshd messages known; %u unknown that name an address\n", sshd_known, sshd, missed);
	assert_int_equal(failed, 717);
	assert_int_equal(accepted, 226);
	assert_int_equal(added, 10);
	assert_int_equal(sudo, 186);
	assert_int_equal(missed, 0);
	event_done(&ev);
	fields_free(fields);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_long_message),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_real_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
