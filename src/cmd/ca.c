/*
 * khien ca: the hub's own CA, from the command line.
 *
 * What stands in DATA/pki belongs to whoever made the CA: root, where root runs the hub, else the hub's own user. When
 * root works on the CA of another user, it becomes that user before it writes there; what `issue` makes is the
 * caller's.
 */
#include "cmd/cmd.h"
#include "cmd/config.h"
#include "cmd/jobs.h"
#include "cmd/term.h"
#include "os/atomic.h"
#include "pki/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const int64_t DAY = (int64_t)24 * 60 * 60 * CLOCK_S;
enum { CA_WARN_DAYS = 365, HUB_WARN_DAYS = 30 };

struct ca_args {
	const char *config, *data, *unit, *client, *server, *output;
	struct opt_list addresses;
	uint64_t days;
	bool pem;
};

struct ca_run {
	const struct ca_args *a;
	const struct config_hub *hub;
	const struct clock *clock;
	char dir[PATH_MAX]; /* DATA/pki */
	struct buf out;
};

/* --- who --- */

/* Root works as the owner of the CA. */
static int become_owner(const struct ca_run *r, struct err *err)
{
	char path[PATH_MAX + 16];
	struct stat st;
	snprintf(path, sizeof(path), "%s/ca.key", r->dir);
	if (geteuid() != 0 || lstat(path, &st) || st.st_uid == 0)
		return 0;
	if (setgroups(0, NULL) || setresgid(st.st_gid, st.st_gid, st.st_gid) ||
	    setresuid(st.st_uid, st.st_uid, st.st_uid))
		return err_set(err, -errno, "become the owner of '%s': %m", path);
	return 0;
}

static int start(const struct ca_run *r, struct signer **ret, struct err *err)
{
	int code = signer_start(ret, r->dir, r->clock, err);
	if (code == -ENOENT)
		err_set(err, code, "there is no CA in '%s': 'khien ca init' makes one", r->dir);
	return code;
}

/* --- init, renew --- */

static int run_init(struct ca_run *r, struct err *err)
{
	CLEANUP(buf_free) struct buf pem = { 0 };
	struct pki_info info;
	bool made = false;
	int code = become_owner(r, err);
	if (!code && mkdir(r->hub->data, 0750) && errno != EEXIST)
		code = err_set(err, -errno, "make the folder '%s': %m", r->hub->data);
	if (!code)
		code = pki_ca_init(r->dir, str_from(r->a->unit ? r->a->unit : r->hub->unit), r->clock, &made, err);
	if (!code)
		code = pki_load(r->dir, "ca.crt", &pem, err);
	if (!code)
		code = pki_read(buf_str(&pem), &info, err);
	if (code)
		return code;
	buf_printf(&r->out, "%s: %s/ca.crt, of ", made ? "made" : "there already", r->dir);
	term_safe(&r->out, str_from(info.subject));
	buf_putc(&r->out, '\n');
	return 0;
}

static size_t hub_names(const struct ca_run *r, struct str names[PKI_NAMES_MAX])
{
	size_t n = 0;
	for (; n < r->hub->names.n && n < PKI_NAMES_MAX; n++)
		names[n] = str_from(r->hub->names.at[n]);
	return n;
}

static void wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap);
	buf_free(b);
}

static int run_renew(struct ca_run *r, struct err *err)
{
	CLEANUP(wipe) struct buf key = { 0 };
	CLEANUP(buf_free) struct buf crt = { 0 };
	struct str names[PKI_NAMES_MAX];
	struct signer *signer = NULL;
	struct pki_info info;
	int code = become_owner(r, err);
	if (!code)
		code = start(r, &signer, err);
	if (code)
		return code;
	code = pki_hub_new(r->dir, signer, names, hub_names(r, names), &key, &crt, err);
	signer_free(signer);
	if (!code)
		code = pki_read(buf_str(&crt), &info, err);
	if (code)
		return code;
	buf_printf(&r->out, "made: %s/hub.crt, for %s; a hub that runs takes it up when it is started anew\n", r->dir,
	           info.names);
	return 0;
}

/* --- show --- */

static void add_day(struct buf *out, int64_t us)
{
	time_t t = (time_t)(us / CLOCK_S);
	struct tm tm;
	char text[32] = "?";
	if (gmtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d", &tm);
	buf_add(out, str_from(text));
}

static void add_validity(struct buf *out, const struct pki_info *info, int64_t now, int warn_days, const char *what)
{
	int64_t left = (info->until - now) / DAY;
	buf_add(out, STR("  valid        "));
	add_day(out, info->from);
	buf_add(out, STR(" to "));
	add_day(out, info->until);
	if (info->until <= now)
		buf_printf(out, ": ENDED; %s\n", what);
	else if (left < warn_days)
		buf_printf(out, ": ends in %lld days; %s\n", (long long)left, what);
	else
		buf_printf(out, " (%lld days left)\n", (long long)left);
}

/* As openssl and browsers show it, in two lines to compare by eye or over the telephone. */
static void add_fingerprint(struct buf *out, const char *hex)
{
	buf_add(out, STR("  SHA-256      "));
	for (size_t i = 0; hex[i] && hex[i + 1]; i += 2)
		buf_printf(out, "%c%c%s", hex[i] & ~(hex[i] >= 'a' ? 32 : 0),
		           hex[i + 1] & ~(hex[i + 1] >= 'a' ? 32 : 0),
		           i + 2 == PKI_FINGERPRINT       ? "\n"
		           : i + 2 == PKI_FINGERPRINT / 2 ? "\n               "
		                                          : ":");
}

/* The first address of a list: host for others, and port. */
static const char *port_of(const struct config_list *l, const char *usual)
{
	const char *colon = l->n ? strrchr(l->at[0], ':') : NULL;
	return colon ? colon + 1 : usual;
}

/* A name that others may reach the hub under. */
static const char *reached_as(const struct ca_run *r)
{
	for (size_t i = 0; i < r->hub->names.n; i++) {
		const char *name = r->hub->names.at[i];
		if (strcmp(name, "localhost") != 0 && strncmp(name, "127.", 4) != 0 && strcmp(name, "::1") != 0)
			return name;
	}
	return "HUB";
}

/* What each sender is told. The file is copied to it first. */
static void add_recipes(struct ca_run *r, const char *fingerprint)
{
	const char *hub = reached_as(r), *https = port_of(&r->hub->https, "9200");
	const char *ipv6 = strchr(hub, ':') ? "[" : "", *end = *ipv6 ? "]" : "";
	buf_printf(&r->out,
	           "\nTo a sender goes ca.crt ('khien ca show --pem' prints it); hold the SHA-256 there against this "
	           "one. TOKEN, ID and SECRET: 'khien hub token'.\n\n"
	           "curl:\n"
	           "  curl --cacert /etc/khien/ca.crt -H 'Authorization: Bearer TOKEN' \\\n"
	           "    --data-binary @events.ndjson https://%s%s%s:%s/v1/events\n\n"
	           "Filebeat, Winlogbeat:\n"
	           "  output.elasticsearch:\n"
	           "    hosts: [\"https://%s%s%s:%s\"]\n"
	           "    api_key: \"ID:SECRET\"\n"
	           "    ssl.certificate_authorities: [\"/etc/khien/ca.crt\"]\n"
	           "    ssl.ca_trusted_fingerprint: \"%s\"\n\n",
	           ipv6, hub, end, https, ipv6, hub, end, https, fingerprint);
	buf_printf(&r->out,
	           "rsyslog, with the files that 'khien ca issue --client NAME' writes:\n"
	           "  global(DefaultNetstreamDriver=\"gtls\"\n"
	           "    DefaultNetstreamDriverCAFile=\"/etc/khien/ca.crt\"\n"
	           "    DefaultNetstreamDriverCertFile=\"/etc/khien/NAME.crt\"\n"
	           "    DefaultNetstreamDriverKeyFile=\"/etc/khien/NAME.key\")\n"
	           "  action(type=\"omfwd\" target=\"%s\" port=\"%s\" protocol=\"tcp\" TCP_Framing=\"octet-counted\"\n"
	           "    StreamDriverMode=\"1\" StreamDriverAuthMode=\"x509/name\" StreamDriverPermittedPeers=\"%s\")\n",
	           hub, port_of(&r->hub->syslog_tls, "6514"), hub);
}

static void show_hub(struct ca_run *r)
{
	CLEANUP(buf_free) struct buf pem = { 0 };
	struct pki_info info;
	struct err err;
	int code = pki_load(r->dir, "hub.crt", &pem, &err);
	if (!code)
		code = pki_read(buf_str(&pem), &info, &err);
	buf_printf(&r->out, "\nHub\n  file         %s/hub.crt\n", r->dir);
	if (code) {
		buf_printf(&r->out, "  %s\n", code == -ENOENT ? "not made yet: the hub does at its start" : err.text);
		return;
	}
	buf_printf(&r->out, "  names        %s\n", info.names);
	add_validity(&r->out, &info, clock_wall(r->clock), HUB_WARN_DAYS, "the hub renews it, or 'khien ca renew'");
}

static int run_show(struct ca_run *r, struct err *err)
{
	CLEANUP(buf_free) struct buf pem = { 0 };
	struct pki_info info;
	int code = pki_load(r->dir, "ca.crt", &pem, err);
	if (code == -ENOENT)
		return err_set(err, code, "there is no CA in '%s': 'khien ca init' makes one", r->dir);
	if (!code)
		code = pki_read(buf_str(&pem), &info, err);
	if (code)
		return code;
	if (r->a->pem) {
		buf_add(&r->out, buf_str(&pem));
		return 0;
	}
	buf_printf(&r->out, "CA\n  file         %s/ca.crt\n  subject      ", r->dir);
	term_safe(&r->out, str_from(info.subject));
	buf_putc(&r->out, '\n');
	add_fingerprint(&r->out, info.fingerprint);
	add_validity(&r->out, &info, clock_wall(r->clock), CA_WARN_DAYS,
	             "make a new one in time: move pki away, 'khien ca init', and take its ca.crt to every sender");
	show_hub(r);
	add_recipes(r, info.fingerprint);
	return 0;
}

/* --- issue --- */

/* Becomes a file's name: nothing that leads elsewhere, hides or is taken for an option. */
static int check_name(const char *name, bool server, struct err *err)
{
	if (server && !pki_is_name(str_from(name)))
		return err_set(err, -EINVAL, "--server: '%s' is no host name and no address", name);
	if (!pki_is_title(str_from(name)) || strchr(name, '/') || name[0] == '.' || name[0] == '-')
		return err_set(err, -EINVAL,
		               "'%s' is no name for a certificate: 1 to %d bytes, all visible, without '/', not "
		               "beginning with '.' or '-'",
		               name, PKI_TITLE_MAX);
	return 0;
}

/* Nothing is written over, least of all the CA's own files. */
static int check_free(const char *dir, const char *name, const char *end, struct err *err)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s%s", dir, name, end);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, -ENAMETOOLONG, "write into '%s': %m", dir);
	if (!faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW))
		return err_set(err, -EEXIST, "'%s' is there already: move it away first", path);
	return 0;
}

/* ca.crt goes along; one of another CA there is no slip to be passed over. */
static int check_same_ca(struct ca_run *r, struct buf *ca, bool *there, struct err *err)
{
	CLEANUP(buf_free) struct buf other = { 0 };
	int code = pki_load(r->dir, "ca.crt", ca, err);
	if (code == -ENOENT)
		return err_set(err, code, "there is no CA in '%s': 'khien ca init' makes one", r->dir);
	if (code)
		return code;
	*there = pki_load(r->a->output, "ca.crt", &other, err) != -ENOENT;
	if (*there && !str_eq(buf_str(&other), buf_str(ca)))
		return err_set(err, -EEXIST, "'%s/ca.crt' is not this CA's: move it away first", r->a->output);
	return 0;
}

static int sign(struct ca_run *r, const char *name, struct buf *key, struct buf *crt, struct err *err)
{
	CLEANUP(buf_free) struct buf public = { 0 };
	const struct ca_args *a = r->a;
	struct str names[PKI_NAMES_MAX] = { str_from(name) };
	size_t n = pki_is_name(names[0]) ? 1 : 0;
	struct signer *signer = NULL;
	for (size_t i = 0; i < a->addresses.n; i++, n++) {
		if (n == PKI_NAMES_MAX)
			return err_set(err, -EINVAL, "a certificate has at most %d names", PKI_NAMES_MAX);
		if (!pki_is_name(str_from(a->addresses.at[i])))
			return err_set(err, -EINVAL, "--address: '%s' is no host name and no address",
			               a->addresses.at[i]);
		names[n] = str_from(a->addresses.at[i]);
	}
	int code = start(r, &signer, err);
	if (!code)
		code = pki_key_new(key, &public, err);
	const struct pki_request request = { .public_key = buf_str(&public),
		                             .common_name = str_from(name),
		                             .names = names,
		                             .n_names = n,
		                             .use = a->server ? PKI_SERVER : PKI_CLIENT,
		                             .days = (uint32_t)a->days };
	if (!code)
		code = signer_sign(signer, &request, crt, err);
	signer_free(signer);
	return code;
}

static int run_issue(struct ca_run *r, struct err *err)
{
	CLEANUP(wipe) struct buf key = { 0 };
	CLEANUP(buf_free) struct buf crt = { 0 };
	CLEANUP(buf_free) struct buf ca = { 0 };
	const struct ca_args *a = r->a;
	const char *name = a->server ? a->server : a->client;
	char file[PKI_TITLE_MAX + 8];
	bool has_ca = false;
	if (!name || (a->server && a->client))
		return err_set(err, -EINVAL, "write --client NAME or --server NAME");
	int code = check_name(name, a->server, err);
	if (!code)
		code = check_free(a->output, name, ".key", err);
	if (!code)
		code = check_free(a->output, name, ".crt", err);
	if (!code)
		code = check_same_ca(r, &ca, &has_ca, err);
	if (!code)
		code = sign(r, name, &key, &crt, err);
	snprintf(file, sizeof(file), "%s.key", name);
	if (!code)
		code = atomic_write(a->output, file, buf_str(&key), 0600, err);
	snprintf(file, sizeof(file), "%s.crt", name);
	if (!code)
		code = atomic_write(a->output, file, buf_str(&crt), 0644, err);
	if (!code && !has_ca)
		code = atomic_write(a->output, "ca.crt", buf_str(&ca), 0644, err);
	if (code)
		return code;
	buf_printf(&r->out, "made: %s/%s.key, %s.crt (%llu days)%s\n", a->output, name, name,
	           (unsigned long long)a->days, has_ca ? "" : ", ca.crt");
	return 0;
}

/* --- the command --- */

enum { INIT = 1, SHOW = 2, ISSUE = 4, RENEW = 8, ALL = 15 };

static const struct job list[] = {
	{ "init", INIT, "[OPTION]...",
	  "Makes the hub's CA, where there is none: DATA/pki/ca.crt and ca.key. The hub does so at its first start.",
	  NULL },
	{ "show", SHOW, "[OPTION]...",
	  "The CA and the hub's certificate: of whom, until when, how to recognise it, and what a sender is told.",
	  NULL },
	{ "issue", ISSUE, "--client NAME|--server NAME [OPTION]...",
	  "A key and a certificate: NAME.key, NAME.crt and ca.crt. A client shows it to send syslog over TLS.", NULL },
	{ "renew", RENEW, "[OPTION]...",
	  "Makes the hub's certificate anew, for the names in khien.yaml. The hub does so 30 days before its end.",
	  NULL },
};

static const struct jobs jobs = {
	.command = "ca",
	.what = "The hub's own CA, whose key only a process of its own sees.\n"
	        "'khien ca JOB --help' tells more about one of these.",
	.more = "Exit status: 0 done, 2 not.",
	.first = "write init, show, issue or renew first, as in: khien ca show",
	.at = list,
	.n = ARRAY_LEN(list),
};

static int (*const work[])(struct ca_run *r, struct err *err) = { run_init, run_show, run_issue, run_renew };

static int parse_args(const struct job *job, int argc, char **argv, struct ca_args *a)
{
	const struct job_opt opts[] = {
		{ ALL,
		  { "config", 'c', OPT_TEXT, "FILE", "khien.yaml (default: the one that khien hub reads)", &a->config,
		    0, 0, NULL } },
		{ ALL,
		  { "data", 'd', OPT_TEXT, "DIR", "the hub's data (default: from khien.yaml)", &a->data, 0, 0, NULL } },
		{ INIT,
		  { "unit", 'u', OPT_TEXT, "NAME", "init: whose CA it is (default: from khien.yaml)", &a->unit, 0, 0,
		    NULL } },
		{ SHOW,
		  { "pem", 'p', OPT_FLAG, NULL, "show: the CA's certificate itself, and nothing else", &a->pem, 0, 0,
		    NULL } },
		{ ISSUE,
		  { "client", 0, OPT_TEXT, "NAME", "issue: for a sender of that name", &a->client, 0, 0, NULL } },
		{ ISSUE,
		  { "server", 0, OPT_TEXT, "NAME", "issue: for a server of that host name", &a->server, 0, 0, NULL } },
		{ ISSUE,
		  { "address", 'a', OPT_LIST, "NAME", "issue: a further host name or address that it is for",
		    &a->addresses, 0, 0, NULL } },
		{ ISSUE,
		  { "days", 0, OPT_NUMBER, "N", "issue: how long it is valid (default: 365)", &a->days, 1, 397,
		    NULL } },
		{ ISSUE,
		  { "output", 'o', OPT_TEXT, "DIR", "issue: where to write it (default: this folder)", &a->output, 0, 0,
		    NULL } },
	};
	return jobs_parse(&jobs, job, opts, ARRAY_LEN(opts), argc, argv, NULL);
}

static int run(const struct job *job, const struct ca_args *a)
{
	CLEANUP(buf_free) struct buf problems = { 0 };
	struct ca_run r = { .a = a, .clock = &clock_system };
	struct config config;
	struct err err = { 0 };
	if (config_read(&config, a->config, &problems)) {
		term_write(STDERR_FILENO, buf_str(&problems));
		return EXIT_TROUBLE;
	}
	if (a->data)
		config.hub.data = a->data;
	r.hub = &config.hub;
	int n = snprintf(r.dir, sizeof(r.dir), "%s/pki", config.hub.data);
	int code = n < 0 || (size_t)n >= sizeof(r.dir) ? err_set(&err, -ENAMETOOLONG, "'%s': %m", config.hub.data)
	                                               : work[job - list](&r, &err);
	if (!code)
		code = term_write(STDOUT_FILENO, buf_str(&r.out));
	else
		fprintf(stderr, "khien ca %s: %s\n", job->name, err.text);
	buf_free(&r.out);
	config_done(&config);
	return code ? EXIT_TROUBLE : EXIT_NOTHING;
}

int cmd_ca(int argc, char **argv)
{
	struct ca_args a = { .days = 365, .output = "." };
	const struct job *job = jobs_find(&jobs, argc, argv);
	int status = parse_args(job, argc, argv, &a);
	if (status < 0)
		status = run(job, &a);
	opt_list_done(&a.addresses);
	return status;
}
