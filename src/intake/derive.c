#include "intake/derive.h"
#include "intake/text.h"

#include <arpa/inet.h>

/*
 * A shape is literal text with captures:
 *   %u user.name   %t user.target.name   %g group.name     any text, reaching as far right as the rest allows
 *   %f user.name   %a source.ip   %p source.port   %w unused     one word
 *   %_ any text, unused
 * Behind the end of a shape anything may stand, unless it ends in "$" or in a capture of text, which takes all that
 * is left. %f is for messages that name the user first and let that user choose what follows (sudo's command).
 */
struct shape {
	const char *program; /* NULL: any */
	const char *text;
	const char *action;
	const char *outcome; /* NULL: the message tells of none */
};

static const char failure[] = "failure", success[] = "success";

/* The first that fits is taken. Texts as of OpenSSH 7-10, Linux-PAM 1.1-1.7, sudo 1.8-1.9, shadow 4.2-4.17. */
static const struct shape shapes[] = {
	{ "sshd", "Failed %w for invalid user %u from %a port %p", "ssh_login", failure },
	{ "sshd", "Failed %w for %u from %a port %p", "ssh_login", failure },
	{ "sshd", "Accepted %w for %u from %a port %p", "ssh_login", success },
	{ "sshd", "error: PAM: Authentication failure for illegal user %u from %a$", "ssh_invalid_user", failure },
	{ "sshd", "error: PAM: Authentication failure for %u from %a$", "ssh_login", failure },
	{ "sshd", "Invalid user %u from %a$", "ssh_invalid_user", failure },
	{ "sshd", "Invalid user %u from %a port %p", "ssh_invalid_user", failure },
	{ "sshd", "error: maximum authentication attempts exceeded for invalid user %u from %a port %p",
	  "ssh_too_many_attempts", failure },
	{ "sshd", "error: maximum authentication attempts exceeded for %u from %a port %p", "ssh_too_many_attempts",
	  failure },
	{ "sshd", "User %u from %a not allowed because", "ssh_not_allowed", failure },
	{ "sshd", "ROOT LOGIN REFUSED FROM %a port %p", "ssh_not_allowed", failure },
	{ "sshd", "Connection closed by authenticating user %u %a port %p", "ssh_connection_closed", NULL },
	{ "sshd", "Connection closed by invalid user %u %a port %p", "ssh_connection_closed", NULL },
	{ "sshd", "Connection closed by %a port %p", "ssh_connection_closed", NULL },
	{ "sshd", "Connection reset by authenticating user %u %a port %p", "ssh_connection_closed", NULL },
	{ "sshd", "Connection reset by invalid user %u %a port %p", "ssh_connection_closed", NULL },
	{ "sshd", "Connection reset by %a port %p", "ssh_connection_closed", NULL },
	{ "sshd", "Disconnected from authenticating user %u %a port %p", "ssh_disconnected", NULL },
	{ "sshd", "Disconnected from invalid user %u %a port %p", "ssh_disconnected", NULL },
	{ "sshd", "Disconnected from user %u %a port %p", "ssh_disconnected", NULL },
	{ "sshd", "Disconnected from %a port %p", "ssh_disconnected", NULL },
	{ "sshd", "Disconnected from %a", "ssh_disconnected", NULL },
	{ "sshd", "Received disconnect from %a port %p", "ssh_disconnected", NULL },
	{ "sshd", "Received disconnect from %a: ", "ssh_disconnected", NULL },
	{ "sshd", "Connection from %a port %p", "ssh_connection", NULL },
	{ "sshd", "Did not receive identification string from %a port %p", "ssh_no_identification", NULL },
	{ "sshd", "Did not receive identification string from %a", "ssh_no_identification", NULL },
	{ "sshd", "Bad protocol version identification '%_' from %a port %p", "ssh_bad_protocol", NULL },
	{ "sshd", "banner exchange: Connection from %a port %p", "ssh_bad_protocol", NULL },
	{ "sshd", "fatal: Unable to negotiate with %a port %p", "ssh_bad_protocol", NULL },
	{ "sshd", "Unable to negotiate with %a port %p", "ssh_bad_protocol", NULL },
	{ "sshd", "Starting session: %_ for %u from %a port %p", "ssh_session", NULL },
	{ "sshd", "Close session: user %u from %a port %p", "ssh_session_closed", NULL },

	{ NULL, "pam_%w authentication failure; %_ rhost=%a  user=%u", "pam_authentication", failure },
	{ NULL, "pam_%w authentication failure; %_ rhost=%a user=%u", "pam_authentication", failure },
	{ NULL, "pam_%w authentication failure; %_ rhost=%w  user=%u", "pam_authentication", failure },
	{ NULL, "pam_%w authentication failure; %_ rhost=%a", "pam_authentication", failure },
	{ NULL, "pam_%w authentication failure; ", "pam_authentication", failure },
	{ NULL, "pam_%w authentication success; %_ rhost=%a user=%u", "pam_authentication", success },
	{ "sshd", "PAM %w more authentication %w logname=%_ rhost=%a  user=%u", "pam_more_failures", failure },
	{ "sshd", "PAM %w more authentication %w logname=%_ rhost=%a", "pam_more_failures", failure },
	{ NULL, "pam_%w session opened for user %u by ", "session_opened", NULL },
	{ NULL, "pam_%w session closed for user %u", "session_closed", NULL },
	{ NULL, "pam_%w password changed for %u", "password_changed", success },
	{ NULL, "pam_%w account %u has expired", "account_expired", failure },

	{ "sudo", "%f : TTY=", "sudo_command", success },
	{ "sudo", "%f : PWD=", "sudo_command", success },
	{ "sudo", "%f : %w incorrect password ", "sudo_command", failure },
	{ "sudo", "%f : command not allowed ; ", "sudo_command", failure },
	{ "sudo", "%f : user NOT in sudoers ; ", "sudo_command", failure },
	{ "sudo", "%f : user NOT authorized on host ; ", "sudo_command", failure },
	{ "sudo", "%f : a password is required ; ", "sudo_command", failure },

	{ "su", "Successful su for %t by %u", "su", success },
	{ "su", "FAILED su for %t by %u", "su", failure },
	{ "su", "FAILED SU (to %t) %u on ", "su", failure },
	{ "su", "(to %t) %u on ", "su", success },

	{ "useradd", "new user: name=%u, UID=", "user_added", success },
	{ "useradd", "failed adding user '%u'", "user_added", failure },
	{ "useradd", "add '%u' to group '%g'", "group_member_added", success },
	{ "usermod", "add '%u' to group '%g'", "group_member_added", success },
	{ "usermod", "change user '%u' password", "password_changed", success },
	{ "usermod", "change user '%u' shell from '", "user_shell_changed", success },
	{ "usermod", "change user '%u' UID from '", "user_id_changed", success },
	{ "chsh", "changed user '%u' shell to '", "user_shell_changed", success },
	{ "gpasswd", "user %t added by %u to group %g", "group_member_added", success },
	{ "groupadd", "new group: name=%g, GID=", "group_added", success },
	{ "useradd", "new group: name=%g, GID=", "group_added", success },
	{ "userdel", "delete user '%u'", "user_removed", success },
	{ "chpasswd", "password for '%u' changed by ", "password_changed", success },
	{ "passwd", "password for '%u' changed by ", "password_changed", success },
	{ "systemd-logind", "New session %w of user %u.", "session_opened", NULL },
};

enum { MAX_CAPTURES = 6 };

struct capture {
	char kind;
	struct str text;
};

struct captures {
	struct capture at[MAX_CAPTURES];
	size_t n;
};

static bool is_address(struct str s)
{
	char z[INET6_ADDRSTRLEN];
	unsigned char to[16];
	s.n = str_find(s, '%'); /* fe80::1%eth0 */
	if (s.n == 0 || s.n >= sizeof(z) || memchr(s.p, 0, s.n))
		return false;
	memcpy(z, s.p, s.n);
	z[s.n] = 0;
	return inet_pton(AF_INET, z, to) == 1 || inet_pton(AF_INET6, z, to) == 1;
}

static bool is_port(struct str digits)
{
	uint32_t n = 0;
	for (size_t i = 0; i < digits.n && i < 5; i++)
		n = n * 10 + (uint32_t)(digits.p[i] - '0');
	return digits.n > 0 && digits.n <= 5 && n <= UINT16_MAX;
}

static bool fits(const char *shape, struct str s, struct captures *c);

/* A capture that ends at a blank or at the literal that the shape has behind it; a port ends at its last digit. */
static bool fits_word(char kind, const char *shape, struct str s, struct captures *c)
{
	size_t n = str_find(s, ' ');
	for (size_t i = 0; kind == 'p' && i < n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			n = i;
	if (*shape && !strchr(" $%", *shape) && n > 0 && s.p[n - 1] == *shape)
		n--;
	struct str word = { s.p, n };
	if (kind == 'a' ? !is_address(word) : kind == 'p' && !is_port(word))
		return false;
	if (kind != 'w')
		c->at[c->n++] = (struct capture){ kind, word };
	return fits(shape, str_sub(s, n, s.n), c);
}

/* Whether the capture can be the first n bytes: the rest of the shape must fit behind them. */
static bool fits_cut(char kind, const char *shape, struct str s, size_t n, struct captures *c)
{
	if (*shape && *shape != '$' && (n == s.n || s.p[n] != *shape))
		return false;
	size_t before = c->n;
	if (kind != '_')
		c->at[c->n++] = (struct capture){ kind, { s.p, n } };
	if (!*shape ? n == s.n : fits(shape, str_sub(s, n, s.n), c))
		return true;
	c->n = before;
	return false;
}

/* The longest that fits. */
static bool fits_text(char kind, const char *shape, struct str s, struct captures *c)
{
	for (size_t i = 0; i <= s.n; i++)
		if (fits_cut(kind, shape, s, s.n - i, c))
			return true;
	return false;
}

static bool fits(const char *shape, struct str s, struct captures *c)
{
	for (; *shape; shape++) {
		if (*shape == '$')
			return s.n == 0;
		if (*shape == '%') {
			char kind = shape[1];
			bool word = strchr("apwf", kind);
			return (word ? fits_word : fits_text)(kind, shape + 2, s, c);
		}
		if (!s.n || s.p[0] != *shape)
			return false;
		s = str_sub(s, 1, s.n);
	}
	return true;
}

/* PAM writes "root(uid=0)" since 1.4. */
static struct str without_uid(struct str user)
{
	size_t n = str_find(user, '(');
	if (n < user.n && str_starts(str_sub(user, n, user.n), STR("(uid=")))
		user.n = n;
	return user;
}

static void put(struct event *ev, const struct capture *c)
{
	switch (c->kind) {
	case 'f':
	case 'u': event_put_named(ev, STR("user.name"), without_uid(c->text), VALUE_TEXT); break;
	case 't': event_put_named(ev, STR("user.target.name"), c->text, VALUE_TEXT); break;
	case 'g': event_put_named(ev, STR("group.name"), c->text, VALUE_TEXT); break;
	case 'a': event_put_named(ev, STR("source.ip"), c->text, VALUE_TEXT); break;
	case 'p': event_put_named(ev, STR("source.port"), c->text, VALUE_NUMBER); break;
	}
}

/* rsyslog folds what repeats into "message repeated 5 times: [ Failed password for ...]". */
static struct str unfold(struct str message)
{
	if (!str_starts(message, STR("message repeated ")) || !str_ends(message, STR("]")))
		return message;
	size_t at = str_find(message, '[');
	return str_trim(str_sub(message, at + 1, message.n - at - 2));
}

/* OpenSSH 9.8 and later split the daemon. */
static struct str plain_program(struct str program)
{
	if (str_eq(program, STR("sshd-session")) || str_eq(program, STR("sshd-auth")))
		return STR("sshd");
	return program;
}

/* sudo: "ubuntu : TTY=pts/0 ; PWD=/home ; USER=root ; COMMAND=/bin/ls -l"; the command is all that is left. */
static void put_sudo(struct event *ev, struct str message)
{
	for (struct str rest = message; rest.n;) {
		size_t i = 0;
		while (i + 2 < rest.n &&
		       !(rest.p[i] == ' ' && (rest.p[i + 1] == ';' || rest.p[i + 1] == ':') && rest.p[i + 2] == ' '))
			i++;
		if (i + 2 >= rest.n)
			return;
		rest = str_sub(rest, i + 3, rest.n);
		size_t eq = 0;
		while (eq < rest.n && rest.p[eq] >= 'A' && rest.p[eq] <= 'Z')
			eq++;
		if (!eq || eq == rest.n || rest.p[eq] != '=')
			continue;
		struct str name = str_sub(rest, 0, eq), value = str_sub(rest, eq + 1, rest.n);
		bool last = str_eq(name, STR("COMMAND"));
		const char *end = last ? NULL : memmem(value.p, value.n, " ; ", 3);
		text_put(ev, name, end ? str_sub(value, 0, (size_t)(end - value.p)) : value);
		if (last)
			return;
	}
}

static bool is_of(const struct shape *s, struct str program)
{
	return !s->program || (program.n && s->program[0] == program.p[0] && str_eq(program, str_from(s->program)));
}

bool intake_derive(struct event *ev, struct str program, struct str message)
{
	if (str_eq(program, STR("sudo")))
		put_sudo(ev, message);
	if (message.n > DERIVE_MAX_MESSAGE)
		return false;
	program = plain_program(program);
	message = unfold(str_trim(message));
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		const struct shape *s = &shapes[i];
		struct captures c;
		c.n = 0;
		if (!is_of(s, program) || !fits(s->text, message, &c))
			continue;
		for (size_t k = 0; k < c.n; k++)
			put(ev, &c.at[k]);
		event_put_named(ev, STR("event.action"), str_from(s->action), VALUE_TEXT);
		if (s->outcome)
			event_put_named(ev, STR("event.outcome"), str_from(s->outcome), VALUE_TEXT);
		return true;
	}
	return false;
}

/* The value of a name at the top of a document, if a rule or a route asks for it. */
static struct str asked(const struct event *ev, struct str name)
{
	uint32_t n = 0, node = fields_child(ev->fields, 0, name);
	const uint32_t *ids = node == FIELDS_NONE ? NULL : fields_at(ev->fields, node, &n);
	const struct value *v = n ? event_value(ev, ids[0]) : NULL;
	return v ? v->text : (struct str){ 0 };
}

bool intake_derive_journal(struct event *ev)
{
	struct str program = asked(ev, STR("SYSLOG_IDENTIFIER"));
	struct str message = program.p ? asked(ev, STR("MESSAGE")) : (struct str){ 0 };
	return message.p && intake_derive(ev, program, message);
}
