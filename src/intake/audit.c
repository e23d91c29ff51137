/*
 * Linux audit records, all lines of one event joined. Fields keep their native names and have a value for each line
 * that names them. See the "Audit Event Fields" and "Audit Messages" documents of linux-audit.
 */
#include "intake/audit.h"

#include "intake/formats.h"
#include "intake/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

/* What a rule would name, by its numbers on x86-64 and arm64; -1: not there. Enriched records bring the name along. */
static const struct syscall_name {
	const char *name;
	int x86_64, aarch64;
} syscalls[] = {
	{ "execve", 59, 221 },
	{ "execveat", 322, 281 },
	{ "memfd_create", 319, 279 },
	{ "mknod", 133, -1 },
	{ "mknodat", 259, 33 },
	{ "personality", 135, 92 },
	{ "sysinfo", 99, 179 },
	{ "syslog", 103, 116 },
	{ "connect", 42, 203 },
	{ "bind", 49, 200 },
	{ "accept", 43, 202 },
	{ "accept4", 288, 242 },
	{ "ptrace", 101, 117 },
	{ "bpf", 321, 280 },
	{ "kill", 62, 129 },
	{ "mount", 165, 40 },
	{ "init_module", 175, 105 },
	{ "finit_module", 313, 273 },
	{ "delete_module", 176, 106 },
	{ "open", 2, -1 },
	{ "openat", 257, 56 },
	{ "openat2", 437, 437 },
	{ "creat", 85, -1 },
	{ "truncate", 76, 45 },
	{ "unlink", 87, -1 },
	{ "unlinkat", 263, 35 },
	{ "rename", 82, -1 },
	{ "renameat", 264, 38 },
	{ "renameat2", 316, 276 },
	{ "rmdir", 84, -1 },
	{ "link", 86, -1 },
	{ "linkat", 265, 37 },
	{ "chmod", 90, -1 },
	{ "fchmod", 91, 52 },
	{ "fchmodat", 268, 53 },
	{ "chown", 92, -1 },
	{ "fchown", 93, 55 },
	{ "fchownat", 260, 54 },
	{ "setuid", 105, 146 },
	{ "setgid", 106, 144 },
	{ "process_vm_writev", 311, 271 },
	{ "settimeofday", 164, 170 },
	{ "clock_settime", 227, 112 },
	{ "adjtimex", 159, 171 },
};

/* Fields that are written in hexadecimal when a blank, a quote or a control byte is in them. */
static const char *const encoded[] = {
	"proctitle", "comm", "exe", "cwd", "name",  "key",      "data",
	"acct",      "path", "dir", "cmd", "ocomm", "root_dir", "cgroup",
};

struct reader {
	struct event *ev;
	struct str type;
	struct str arch, syscall, proctitle, auid;
	bool named; /* an enriched SYSCALL= was there */
	bool auid_named;
	char *command; /* arguments of EXECVE joined; room for the whole record */
	size_t n_command;
	size_t arg_from; /* where the argument that comes in pieces began */
	struct str arg;  /* its name; NULL: none is open */
};

static bool cut_number(struct str *s, uint64_t *value)
{
	uint64_t v = 0;
	size_t i = 0;
	for (; i < s->n && i < 18 && text_is_digit(s->p[i]); i++)
		v = v * 10 + (uint64_t)(s->p[i] - '0');
	*s = str_sub(*s, i, s->n);
	*value = v;
	return i > 0;
}

static bool cut_key(struct str *s, struct str key, struct str *word)
{
	if (!str_starts(*s, key))
		return false;
	*word = text_word(s);
	*word = str_sub(*word, key.n, word->n);
	text_take(s, ' ');
	return true;
}

bool audit_cut(struct str line, struct audit_line *a)
{
	struct audit_line got = { 0 };
	struct str s = line;
	uint64_t sec, millis = 0;
	cut_key(&s, STR("node="), &got.node);
	if (!cut_key(&s, STR("type="), &got.type) || !str_starts(s, STR("msg=audit(")))
		return false;
	s = str_sub(s, 10, s.n);
	if (!cut_number(&s, &sec) || (text_take(&s, '.') && !cut_number(&s, &millis)) || !text_take(&s, ':') ||
	    !cut_number(&s, &got.serial) || !text_take(&s, ')') || !text_take(&s, ':'))
		return false;
	if (sec > INT64_MAX / 2000000 || millis > 999)
		return false;
	got.time = (int64_t)(sec * 1000000 + millis * 1000);
	got.fields = str_trim(s);
	*a = got;
	return true;
}

bool audit_is_last(const struct audit_line *a)
{
	return str_eq(a->type, STR("PROCTITLE")) || str_starts(a->type, STR("DAEMON_")) ||
	       memmem(a->fields.p, a->fields.n, " msg='", 6) || str_starts(a->fields, STR("msg='"));
}

static bool is_encoded(struct str key)
{
	for (size_t i = 0; i < ARRAY_LEN(encoded); i++)
		if (str_eq(key, str_from(encoded[i])))
			return true;
	return false;
}

/* "aN" or "aN[M]" of EXECVE -> M, which is 0 for the former; -1: neither. *name is what stands before the bracket. */
static int argument(struct str key, struct str *name)
{
	unsigned n, m = 0;
	struct str s = key;
	if (!text_take(&s, 'a') || !text_number(&s, 9, &n))
		return -1;
	*name = str_sub(key, 0, key.n - s.n);
	if (!s.n)
		return 0;
	return text_take(&s, '[') && text_number(&s, 9, &m) && str_eq(s, STR("]")) ? (int)m : -1;
}

static void put(struct reader *r, struct str key, struct str value)
{
	event_put_named(r->ev, key, value, text_type(value));
}

/* The argument that came in pieces is whole. */
static void close_argument(struct reader *r)
{
	if (r->arg.p)
		put(r, r->arg, (struct str){ r->command + r->arg_from, r->n_command - r->arg_from });
	r->arg.p = NULL;
}

static void take_argument(struct reader *r, struct str key, struct str name, int piece, struct str value)
{
	bool in_pieces = name.n < key.n;
	if (!r->command)
		r->command = arena_alloc(&r->ev->scratch, r->ev->raw.n);
	/* Each argument takes more bytes in the record, with its name, than here. */
	if (!r->command || r->n_command + value.n + 1 > r->ev->raw.n)
		return;
	if (!in_pieces || !piece) {
		close_argument(r);
		if (r->n_command)
			r->command[r->n_command++] = ' ';
		r->arg_from = r->n_command;
	}
	memcpy(r->command + r->n_command, value.p, value.n);
	r->n_command += value.n;
	if (in_pieces)
		r->arg = name;
	else
		put(r, key, value);
}

/* The address of a SOCKADDR record: struct sockaddr as the machine has it. */
static void put_address(struct reader *r, struct str hex)
{
	char text[INET6_ADDRSTRLEN];
	struct str raw = text_unhex(&r->ev->scratch, hex);
	if (raw.n < 8)
		return;
	const unsigned char *b = (const unsigned char *)raw.p;
	unsigned family = b[0] | (unsigned)b[1] << 8, port = (unsigned)b[2] << 8 | b[3];
	const void *address = family == AF_INET ? b + 4 : family == AF_INET6 && raw.n >= 24 ? b + 8 : NULL;
	if (!address || !inet_ntop((int)family, address, text, sizeof(text)))
		return;
	text_put(r->ev, STR("destination.ip"), arena_copy(&r->ev->scratch, str_from(text)));
	text_put_number(r->ev, STR("destination.port"), arena_printf(&r->ev->scratch, "%u", port));
}

/* A field's value without quotes or encoding. */
static struct str plain(struct reader *r, struct str key, struct str value, bool quoted)
{
	if (quoted || !is_encoded(key))
		return value;
	struct str bytes = text_unhex(&r->ev->scratch, value);
	return bytes.p ? bytes : value;
}

/* Several keys of one rule are joined by 0x01. */
static void put_keys(struct reader *r, struct str keys)
{
	do {
		size_t n = str_find(keys, '\x01');
		put(r, STR("key"), str_sub(keys, 0, n));
		keys = str_sub(keys, n + 1, keys.n);
	} while (keys.n);
}

static void take_field(struct reader *r, struct str key, struct str value, bool quoted)
{
	struct str name;
	bool execve = str_eq(r->type, STR("EXECVE"));
	int piece = execve ? argument(key, &name) : -1;
	if (piece >= 0) {
		struct str bytes = quoted ? value : text_unhex(&r->ev->scratch, value);
		take_argument(r, key, name, piece, bytes.p ? bytes : value);
		return;
	}
	if (!quoted && str_eq(value, STR("(null)"))) {
		event_put_named(r->ev, key, STR(""), VALUE_NULL);
		return;
	}
	value = plain(r, key, value, quoted);
	if (str_eq(key, STR("proctitle"))) {
		char *title = value.n ? arena_alloc(&r->ev->scratch, value.n) : NULL;
		for (size_t i = 0; title && i < value.n; i++)
			title[i] = value.p[i] ? value.p[i] : ' ';
		r->proctitle = value = title ? (struct str){ title, value.n } : value;
	}
	if (str_eq(key, STR("key"))) {
		put_keys(r, value);
		return;
	}
	put(r, key, value);
	if (str_eq(key, STR("SYSCALL")))
		r->named = true;
	else if (str_eq(key, STR("AUID")))
		r->auid_named = true;
	else if (str_eq(key, STR("auid")))
		r->auid = value;
	else if (str_eq(key, STR("arch")))
		r->arch = value;
	else if (str_eq(key, STR("syscall")))
		r->syscall = value;
	else if (str_eq(key, STR("saddr")))
		put_address(r, value);
	else if (str_eq(key, STR("exe")))
		text_put(r->ev, STR("process.executable"), value);
	else if (str_eq(key, STR("cwd")))
		text_put(r->ev, STR("process.working_directory"), value);
}

static bool is_gap(char c)
{
	return c == ' ' || c == '\x1d'; /* behind 0x1d stand the numbers' names that auditd adds */
}

/* Cuts a value off *s: "TEXT", 'FIELDS', { FIELDS } or a word. */
static struct str cut_value(struct str *s, bool *quoted)
{
	static const char open[] = "\"'{", close[] = "\"'}";
	const char *kind = s->n && s->p[0] ? strchr(open, s->p[0]) : NULL;
	size_t n = 0;
	*quoted = kind && *kind;
	if (*quoted) {
		struct str rest = str_sub(*s, 1, s->n);
		if (*kind == '\'') { /* what stands in it may have such quotes too: the last one closes */
			struct str plain = str_sub(rest, 0, str_find(rest, '\x1d'));
			const char *at = memrchr(plain.p, '\'', plain.n);
			n = at ? (size_t)(at - rest.p) : plain.n;
		} else {
			n = str_find(rest, close[kind - open]);
		}
		*s = str_sub(rest, n + 1, rest.n);
		return str_sub(rest, 0, n);
	}
	while (n < s->n && !is_gap(s->p[n]))
		n++;
	struct str word = str_sub(*s, 0, n);
	*s = str_sub(*s, n, s->n);
	return word;
}

/* KEY=VALUE ...; other words are passed over. In msg='...' and SADDR={ ... } stand fields again, one level deep. */
static void take_fields(struct reader *r, struct str s, bool inner)
{
	while (s.n) {
		size_t n = 0;
		bool quoted;
		while (s.n && is_gap(s.p[0]))
			s = str_sub(s, 1, s.n);
		while (n < s.n && !is_gap(s.p[n]) && s.p[n] != '=')
			n++;
		struct str key = str_sub(s, 0, n);
		if (n == s.n || s.p[n] != '=') {
			s = str_sub(s, n, s.n);
			continue;
		}
		s = str_sub(s, n + 1, s.n);
		char first = s.n ? s.p[0] : 0;
		struct str value = cut_value(&s, &quoted);
		if (!inner && (first == '\'' || first == '{'))
			take_fields(r, value, true);
		else if (key.n)
			take_field(r, key, value, quoted);
	}
}

static void name_syscall(struct reader *r)
{
	unsigned number;
	struct str s = r->syscall;
	bool x86 = str_eq(r->arch, STR("c000003e")), arm = str_eq(r->arch, STR("c00000b7"));
	if (r->named || !s.p || !text_number(&s, 9, &number) || s.n || (!x86 && !arm))
		return;
	for (size_t i = 0; i < ARRAY_LEN(syscalls); i++)
		if ((x86 ? syscalls[i].x86_64 : syscalls[i].aarch64) == (int)number)
			text_put(r->ev, STR("SYSCALL"), str_from(syscalls[i].name));
}

static int parse(struct str record, const struct columns *columns, int64_t now, struct event *ev, struct err *err)
{
	struct reader r = { .ev = ev };
	struct str line, rest = record;
	struct audit_line a = { 0 };
	while (text_line(&rest, &line)) {
		if (!audit_cut(line, &a))
			return err_set(err, -EBADMSG, "no audit record: type=TYPE msg=audit(TIME:SERIAL): is missing");
		r.type = a.type;
		text_put(ev, STR("type"), a.type);
		take_fields(&r, a.fields, false);
		close_argument(&r);
	}
	if (!a.type.p)
		return err_set(err, -EBADMSG, "no audit record: it is empty");
	text_event(ev);
	ev->time = a.time;
	text_put(ev, STR("host.name"), a.node);
	name_syscall(&r);
	if (!r.auid_named) /* not enriched: rules group by the name, its number tells people apart as well */
		text_put(ev, STR("AUID"), r.auid);
	if (r.n_command)
		text_put(ev, STR("process.command_line"), (struct str){ r.command, r.n_command });
	else
		text_put(ev, STR("process.command_line"), r.proctitle);
	return 0;
}

static bool fits(struct str line)
{
	struct audit_line a;
	return audit_cut(line, &a);
}

static int score(struct str head)
{
	return text_score(head, fits, 100);
}

const struct format intake_audit = {
	.name = "audit",
	.what = "records of the Linux audit system, as in audit.log",
	.framing = FRAME_AUDIT,
	.score = score,
	.parse = parse,
};
