/* What people do to a post beside running it: enrol it, ask how it does, say whose approval counts. */
#include "cmd/post.h"

#include "cmd/cmd.h"
#include "cmd/opt.h"
#include "cmd/print.h"
#include "cmd/term.h"
#include "order/wire.h"
#include "os/become.h"
#include "os/sandbox.h"
#include "post/enrol.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STALE_S = 20, TOKEN_MAX = 8192 };
#define DATA_HELP "the post's folder (default: as khien.yaml says)"

/* --- the folder --- */

static int make(const char *path, struct err *err)
{
	char part[4096];
	const size_t n = strlen(path);
	if (n >= sizeof(part))
		return err_set(err, -ENAMETOOLONG, "make the folder '%s': %m", path);
	for (size_t i = 1; i <= n; i++) {
		if (path[i] && path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, i == n ? 0700 : 0755) && errno != EEXIST)
			return err_set(err, -errno, "make the folder '%s': %m", part);
	}
	return 0;
}

int post_folder(const char *dir, struct post_owner *owner, struct err *err)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam("khien-post") : NULL;
	struct stat st = { 0 };
	int code = make(dir, err);
	if (code)
		return code;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		code = -errno;
	*owner = (struct post_owner){ .other = geteuid() == 0 && st.st_uid, .uid = st.st_uid, .gid = st.st_gid };
	if (!code && pw && !st.st_uid) {
		*owner = (struct post_owner){ .other = true, .uid = pw->pw_uid, .gid = pw->pw_gid };
		code = fchown(fd, owner->uid, owner->gid) ? -errno : 0;
	}
	if (!code && fchmod(fd, 0700))
		code = -errno;
	if (fd >= 0)
		close(fd);
	return code ? err_set(err, code, "the folder '%s': %m", dir) : 0;
}

int post_become(const struct post_owner *owner, struct err *err)
{
	return owner->other ? become_user(owner->uid, owner->gid, err) : 0;
}

/* Whose folder it is: what is made in it belongs to that user, and nothing there can lead root astray. */
static int become(const char *dir, struct err *err)
{
	struct stat st;
	if (geteuid() != 0)
		return 0;
	if (lstat(dir, &st))
		return err_set(err, -errno, "the folder '%s': %m", dir);
	const struct post_owner owner = { .other = st.st_uid != 0, .uid = st.st_uid, .gid = st.st_gid };
	return post_become(&owner, err);
}

struct job {
	const char *config, *data;
	const char *name, *token;
	bool again, json;
	struct opt_list words;
	struct config c;
};

/* The folder that is meant, by which it is answered for from then on. */
static int find_folder(struct job *j, bool makes, struct err *err)
{
	CLEANUP(buf_free) struct buf problems = { 0 };
	struct post_owner owner;
	int code = 0;
	if (!j->data) {
		code = config_read(&j->c, j->config, &problems);
		term_write(STDERR_FILENO, buf_str(&problems));
		if (code)
			return err_set(err, code, "khien.yaml can't be used");
		j->data = j->c.post.data;
	}
	if (makes)
		code = post_folder(j->data, &owner, err);
	else if (access(j->data, F_OK))
		code = err_set(err, -ENOENT, "there is no '%s': 'khien post enrol' makes it", j->data);
	return code ? code : become(j->data, err);
}

static int end(struct job *j, const char *name, int code, const struct err *err)
{
	if (code)
		post_complain(name, err->text);
	config_done(&j->c);
	opt_list_done(&j->words);
	return code ? EXIT_TROUBLE : EXIT_NOTHING;
}

/* --- enrol --- */

/* From standard input, or from the command line, where whoever lists processes sees it no longer than this takes. */
static int read_token(struct job *j, char *to, struct err *err)
{
	char *word = j->words.n ? (char *)(uintptr_t)j->words.at[0] : NULL;
	const size_t given = word && strcmp(word, "-") != 0 ? strlen(word) : 0;
	size_t n = 0;
	if (given >= TOKEN_MAX)
		return err_set(err, -EINVAL, "that is no token");
	if (given) {
		memcpy(to, word, given);
		sodium_memzero(word, given);
		return 0;
	}
	for (ssize_t got; n + 1 < TOKEN_MAX && (got = read(STDIN_FILENO, to + n, TOKEN_MAX - 1 - n)) > 0;)
		n += (size_t)got;
	to[n] = '\0';
	return n ? 0 : err_set(err, -EINVAL, "there is no token on standard input");
}

/* No root, no file but those of the folder, no connection but what the dialer hands over. */
static int confine(const struct job *j, struct err *err)
{
	const struct sandbox_config c = { .dir = j->data, .may = SANDBOX_SERVE | SANDBOX_FILES };
	struct sandbox_report report;
	struct sandbox *s;
	int code = sandbox_init(&s, &c, err);
	if (!code)
		sandbox_enter(s, &report);
	return code;
}

static int exchange(struct job *j, const char *token, struct dialer *d, struct err *err)
{
	struct enrolled e;
	int code = find_folder(j, true, err);
	if (!code)
		code = confine(j, err);
	if (!code)
		code = post_enrol(d, j->data, str_from(token), j->name, j->again, &clock_system, &e, err);
	if (code)
		return code;
	printf("enrolled as '%s' of '%s', at %s; %zu may approve destructive orders\n", j->name, e.unit, e.hub,
	       e.approvers);
	if (e.skew > 60LL * CLOCK_S || e.skew < -60LL * CLOCK_S)
		fprintf(stderr, "khien post enrol: this machine's clock is %lld s %s the hub's\n",
		        (long long)llabs(e.skew / CLOCK_S), e.skew > 0 ? "ahead of" : "behind");
	return fflush(stdout) ? err_set(err, -errno, "%m") : 0;
}

static int enrol(struct job *j, struct err *err)
{
	char host[256] = "";
	struct dialer *d = NULL;
	/* a process that is forked finds nothing there */
	char *token = mmap(NULL, TOKEN_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (token == MAP_FAILED || madvise(token, TOKEN_MAX, MADV_WIPEONFORK))
		return err_set(err, -errno, "memory for the token: %m");
	const bool on_line = j->words.n && strcmp(j->words.at[0], "-") != 0;
	if (!j->name && !gethostname(host, sizeof(host) - 1))
		j->name = host;
	int code = on_line ? read_token(j, token, err) : 0;
	if (!code)
		code = dialer_start(&d, err);
	if (!code && !on_line)
		code = read_token(j, token, err);
	if (!code)
		code = exchange(j, token, d, err);
	sodium_memzero(token, TOKEN_MAX);
	dialer_free(d);
	return code;
}

int post_job_enrol(int argc, char **argv)
{
	struct job j = { 0 };
	struct err err;
	const struct opt opts[] = {
		{ "name", 'n', OPT_TEXT, "NAME", "host.name of what it sends (default: the host name)", &j.name, 0, 0,
		  NULL },
		{ "again", 0, OPT_FLAG, NULL, "though it is enrolled already", &j.again, 0, 0, NULL },
		{ "config", 'c', OPT_TEXT, "FILE", "khien.yaml", &j.config, 0, 0, NULL },
		{ "data", 'd', OPT_TEXT, "DIR", DATA_HELP, &j.data, 0, 0, NULL },
	};
	static const char *const synopsis[] = { "[OPTION]... -", "[OPTION]... TOKEN", NULL };
	const struct opt_spec spec = {
		.command = "post enrol",
		.synopsis = synopsis,
		.what = "Makes this machine a post of the hub that TOKEN is from ('khien hub token --post' there). The "
		        "key is\n"
		        "made here and stays here. With - the token is read from standard input, where no list of "
		        "processes\n"
		        "and no shell's history shows it.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 enrolled, 2 not.",
	};
	int status = opt_parse(&spec, argc, argv, &j.words);
	if (status >= 0)
		return status;
	int code = j.words.n <= 1 ? enrol(&j, &err) : err_set(&err, -EINVAL, "one TOKEN is wanted, or -");
	return end(&j, "enrol", code, &err);
}

/* --- status --- */

enum {
	S_NAME,
	S_UNIT,
	S_HUB,
	S_REACHED,
	S_TIME,
	S_SENT,
	S_WAIT,
	S_BYTES,
	S_FROM,
	S_LOST,
	S_REJECTED,
	S_SKEW,
	S_UNTIL,
	N_S
};
static const char *const told[N_S] = { "name",
	                               "unit",
	                               "hub",
	                               "reached",
	                               "time",
	                               "sent",
	                               "spool_events",
	                               "spool_bytes",
	                               "spool_from",
	                               "lost_events",
	                               "rejected",
	                               "clock_ahead_s",
	                               "certificate_until" };

static int take_status(void *arg, size_t path, uint32_t object, struct str value)
{
	char(*to)[160] = arg;
	CLEANUP(buf_free) struct buf safe = { 0 };
	term_safe(&safe, value);
	snprintf(to[path], sizeof(to[path]), STR_FMT, STR_ARG(buf_str(&safe)));
	return 0;
}

static void when(const char *us, char *to, size_t size)
{
	const time_t t = (time_t)(strtoll(us, NULL, 10) / CLOCK_S);
	struct tm tm;
	if (!t || !localtime_r(&t, &tm) || !strftime(to, size, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(to, size, "-");
}

static int show_status(struct str json, bool runs)
{
	char s[N_S][160] = { { 0 } }, from[32], until[32];
	struct arena arena = { .max = 1 << 20 };
	int code = wire_read(json, told, N_S, &arena, take_status, s, NULL);
	arena_free(&arena);
	if (code)
		return code;
	when(s[S_FROM], from, sizeof(from));
	when(s[S_UNTIL], until, sizeof(until));
	printf("post       %s of %s, %s\n", s[S_NAME], s[S_UNIT], runs ? "runs" : "does not run");
	printf("hub        %s, %s\n", s[S_HUB], strcmp(s[S_REACHED], "true") == 0 ? "takes events" : "not reached");
	printf("sent       %s events since its start\n", s[S_SENT]);
	printf("waiting    %s events in %s bytes, since %s\n", s[S_WAIT], s[S_BYTES], from);
	printf("lost       %s events for lack of room, %s rejected by the hub\n", s[S_LOST], s[S_REJECTED]);
	printf("clock      %s s ahead of the hub's\n", s[S_SKEW]);
	printf("certified  until %s\n", until);
	return 0;
}

static int take_nothing(void *arg, size_t path, uint32_t object, struct str value)
{
	return 0;
}

/* As it stands there, once it is JSON: then a control character is escaped in it, or no part of a value. */
static int show_json(struct str json)
{
	CLEANUP(buf_free) struct buf safe = { 0 };
	struct arena arena = { .max = 1 << 20 };
	json = str_trim(json);
	int code = wire_read(json, told, N_S, &arena, take_nothing, NULL, NULL);
	arena_free(&arena);
	if (code)
		return code;
	term_safe(&safe, json);
	buf_putc(&safe, '\n');
	return safe.failed || fwrite(safe.p, 1, safe.n, stdout) != safe.n ? -EIO : 0;
}

static int status(struct job *j, bool *fine, struct err *err)
{
	char path[4200], text[64 << 10];
	struct stat st;
	int code = find_folder(j, false, err);
	if (code)
		return code;
	snprintf(path, sizeof(path), "%s/status", j->data);
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd >= 0 && !fstat(fd, &st) ? read(fd, text, sizeof(text)) : -1;
	code = n < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	if (code)
		return err_set(err, code, "read '%s': %m", path);
	const bool runs = time(NULL) - st.st_mtime < STALE_S;
	*fine = runs && memmem(text, (size_t)n, "\"reached\":true", 14);
	const struct str json = { text, (size_t)n };
	code = j->json ? show_json(json) : show_status(json, runs);
	return code || fflush(stdout) ? err_set(err, code ? code : -errno, "'%s' can't be read", path) : 0;
}

int post_job_status(int argc, char **argv)
{
	struct job j = { 0 };
	struct err err;
	bool fine = false;
	const struct opt opts[] = {
		{ "json", 'j', OPT_FLAG, NULL, "all of it, as JSON", &j.json, 0, 0, NULL },
		{ "config", 'c', OPT_TEXT, "FILE", "khien.yaml", &j.config, 0, 0, NULL },
		{ "data", 'd', OPT_TEXT, "DIR", DATA_HELP, &j.data, 0, 0, NULL },
	};
	static const char *const synopsis[] = { "[OPTION]...", NULL };
	const struct opt_spec spec = {
		.command = "post status",
		.synopsis = synopsis,
		.what = "Tells which hub the post sends to, how much it has sent, what waits and what was lost.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 it runs and its hub takes events, 1 one of them is not so, 2 nothing could be "
		        "read.",
	};
	int exit_status = opt_parse(&spec, argc, argv, NULL);
	if (exit_status >= 0)
		return exit_status;
	int code = status(&j, &fine, &err);
	exit_status = end(&j, "status", code, &err);
	return exit_status ? exit_status : fine ? EXIT_NOTHING : EXIT_FOUND;
}

/* --- approver --- */

static int list(const struct approver_key *keys, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char key[ORDER_KEY_TEXT];
		order_key_text(keys[i].public, key);
		printf("%s  %s\n", key, keys[i].name);
	}
	return fflush(stdout) ? -errno : 0;
}

static int add(const char *dir, struct approver_key *keys, size_t n, const char *line, struct err *err)
{
	struct approver_key k;
	int code = approver_key_read(str_from(line), &k, err);
	for (size_t i = 0; i < n && !code; i++)
		if (memcmp(keys[i].public, k.public, ORDER_KEY) == 0)
			code = err_set(err, -EEXIST, "that key is there already");
	if (!code && n == ORDER_KEYS_MAX)
		code = err_set(err, -E2BIG, "there are %d already", ORDER_KEYS_MAX);
	if (code)
		return code;
	keys[n] = k;
	return approvers_save(dir, keys, n + 1, err);
}

/* By key or by name. */
static int remove_one(const char *dir, struct approver_key *keys, size_t n, const char *what, struct err *err)
{
	unsigned char public[ORDER_KEY];
	const bool by_key = !order_key_read(str_from(what), public);
	size_t left = 0;
	for (size_t i = 0; i < n; i++)
		if (by_key ? memcmp(keys[i].public, public, ORDER_KEY) != 0 : strcmp(keys[i].name, what) != 0)
			keys[left++] = keys[i];
	if (left == n)
		return err_set(err, -ENOENT, "there is no '%s'", what);
	return approvers_save(dir, keys, left, err);
}

static int approver(struct job *j, struct err *err)
{
	struct approver_key keys[ORDER_KEYS_MAX + 1];
	CLEANUP(buf_free) struct buf line = { 0 };
	const char *const verb = j->words.n ? j->words.at[0] : "";
	size_t n = 0;
	int code = find_folder(j, false, err);
	if (!code)
		code = approvers_load(j->data, keys, &n, err);
	if (code)
		return code;
	for (size_t i = 1; i < j->words.n; i++)
		buf_printf(&line, "%s%s", i > 1 ? " " : "", j->words.at[i]);
	buf_putc(&line, '\0');
	if (strcmp(verb, "list") == 0 && j->words.n == 1)
		return list(keys, n) ? err_set(err, -EIO, "%m") : 0;
	if (strcmp(verb, "add") == 0 && j->words.n > 1)
		return add(j->data, keys, n, line.p, err);
	if (strcmp(verb, "remove") == 0 && j->words.n > 1)
		return remove_one(j->data, keys, n, line.p, err);
	return err_set(err, -EINVAL, "write 'add KEY NAME', 'remove KEY' or 'list'");
}

int post_job_approver(int argc, char **argv)
{
	struct job j = { 0 };
	struct err err;
	const struct opt opts[] = {
		{ "config", 'c', OPT_TEXT, "FILE", "khien.yaml", &j.config, 0, 0, NULL },
		{ "data", 'd', OPT_TEXT, "DIR", DATA_HELP, &j.data, 0, 0, NULL },
	};
	static const char *const synopsis[] = { "add [OPTION]... KEY NAME", "remove [OPTION]... KEY|NAME",
		                                "list [OPTION]...", NULL };
	const struct opt_spec spec = {
		.command = "post approver",
		.synopsis = synopsis,
		.what = "Whose approval destructive orders need. KEY is the 'ed25519:...' of a person, who keeps its "
		        "secret half\n"
		        "('khien order key'). What is changed here counts from the next order on.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 done, 2 not.",
	};
	int exit_status = opt_parse(&spec, argc, argv, &j.words);
	if (exit_status >= 0)
		return exit_status;
	int code = approver(&j, &err);
	return end(&j, "approver", code, &err);
}
