/* khien hub: configuration, certificates, and the two processes that do the work. See hub.h. */
#include "cmd/hub.h"

#include "cmd/cmd.h"
#include "cmd/hub_admin.h"
#include "cmd/hub_export.h"
#include "cmd/hub_posts.h"
#include "cmd/hub_searcher.h"
#include "cmd/hub_supervise.h"
#include "cmd/opt.h"
#include "cmd/outlet.h"
#include "cmd/paths.h"
#include "cmd/term.h"
#include "cmd/words.h"
#include "os/opener.h"
#include "pki/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const int64_t LOOK_AT_CERTIFICATE = 12LL * 3600 * CLOCK_S;

struct args {
	const char *config, *data, *unit;
	struct opt_list rules, https, http, syslog, syslog_tls, play, files;
	bool no_journal, no_listen;
	struct hub_options options;
};

/* PEM */
struct certificate {
	struct buf key, certificate, ca;
};

struct hub {
	struct args args;
	struct config config;
	bool has_config;
	struct config_hub *c; /* of config, with what the command line says */
	struct event_limits limits;
	struct certificate tls;
	const char *user, *front_user; /* who to become; NULL: nobody */
	struct searcher *searcher;     /* NULL: only recordings are played */
	const struct clock *clock;
	struct log log;
	int64_t certificate_at; /* monotonic; it was looked at */
};

static const char *const synopsis[] = { "[OPTION]... [--] [FILE...]",
	                                "token|posts|backup|restore|export|import|status [OPTION]...", NULL };

static int parse_args(struct args *a, int argc, char **argv)
{
	const struct opt opts[] = {
		{ "config", 'c', OPT_TEXT, "FILE", "khien.yaml (default: /etc/khien/khien.yaml where it is)",
		  &a->config, 0, 0, NULL },
		{ "data", 'd', OPT_TEXT, "DIR",
		  "where all is kept (default: /var/lib/khien/hub for root, else\n~/.local/state/khien/hub)", &a->data,
		  0, 0, NULL },
		{ "unit", 'u', OPT_TEXT, "NAME", "whose hub it is (default: the host name)", &a->unit, 0, 0, NULL },
		{ "rules", 'r', OPT_WORDS, "DIR", "Sigma rules: files, or folders with *.yml", &a->rules, 0, 0, NULL },
		{ "mapping", 'm', OPT_TEXT, "FILE", "log sources and field names (default: built in)",
		  &a->options.mapping, 0, 0, NULL },
		{ "placeholders", 'p', OPT_TEXT, "DIR", "NAME.txt with the values of %NAME%, for |expand",
		  &a->options.placeholders, 0, 0, NULL },
		{ "https", 0, OPT_LIST, "ADDR:PORT", "shippers and posts (default: 127.0.0.1:9200)", &a->https, 0, 0,
		  NULL },
		{ "http", 0, OPT_LIST, "ADDR:PORT", "the same without TLS, on loopback (default: none)", &a->http, 0, 0,
		  NULL },
		{ "syslog", 's', OPT_LIST, "ADDR:PORT", "syslog over UDP and TCP (default: 127.0.0.1:5514)", &a->syslog,
		  0, 0, NULL },
		{ "syslog-tls", 0, OPT_LIST, "ADDR:PORT", "syslog over TLS (default: 127.0.0.1:6514)", &a->syslog_tls,
		  0, 0, NULL },
		{ "no-listen", 0, OPT_FLAG, NULL, "none of the four, but those named here", &a->no_listen, 0, 0, NULL },
		{ "no-journal", 0, OPT_FLAG, NULL, "don't follow this machine's journal", &a->no_journal, 0, 0, NULL },
		{ "play", 0, OPT_LIST, "FILE", "a recorded log to play first, and to keep; as of khien watch", &a->play,
		  0, 0, NULL },
		{ "play-only", 0, OPT_FLAG, NULL, "end after the recordings", &a->options.play_only, 0, 0, NULL },
		{ "json", 'j', OPT_FLAG, NULL, "alerts as JSON, one a line", &a->options.json, 0, 0, NULL },
		{ "lang", 'l', OPT_CHOICE, "LANG", "vi, en, zh: of alerts and messages (default: from $LANG)",
		  &a->options.lang, 0, 0, words_choices },
		{ "color", 0, OPT_CHOICE, "WHEN", "auto, always, never", &a->options.color, 0, 0, term_color_choices },
	};
	const struct opt_spec spec = {
		.command = "hub",
		.synopsis = synopsis,
		.what = "The centre: takes events from shippers, syslog and FILEs, keeps them durably and small, "
		        "matches\n"
		        "rules over them, prints alerts. What is acknowledged is on the disk. khien find finds it "
		        "again.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "SIGHUP loads the rules anew; SIGTERM and SIGINT end it, when what was taken is durable.\n\n"
		        "Jobs, each with its own --help:\n"
		        "  khien hub token    who may send and read; with --post, what lets a post in\n"
		        "  khien hub posts    which posts there are; revoke, forget\n"
		        "  khien hub backup   a copy of all, while it runs; restore brings it back\n"
		        "  khien hub export   events as NDJSON; import takes them in\n"
		        "  khien hub status   what it holds, who sends, until when there is room\n\n"
		        "Exit status: 0 ended as asked, 2 something could not be done.",
	};
	return opt_parse(&spec, argc, argv, &a->files);
}

static int complain(const char *text)
{
	struct buf line = { 0 };
	struct outlet out;
	buf_add(&line, STR("khien hub: "));
	term_safe(&line, str_from(text));
	buf_putc(&line, '\n');
	outlet_init(&out, STDERR_FILENO, &clock_system);
	outlet_write(&out, buf_str(&line));
	outlet_end(&out);
	outlet_done(&out);
	buf_free(&line);
	return EXIT_TROUBLE;
}

/* --- before the first process --- */

static void replace(struct config_list *to, const struct opt_list *given, bool none)
{
	if (given->n || none)
		*to = (struct config_list){ given->at, given->n };
}

static int read_config(struct hub *h, struct buf *problems)
{
	const struct args *a = &h->args;
	int code = config_read(&h->config, a->config, problems);
	if (code)
		return code;
	h->has_config = true;
	h->c = &h->config.hub;
	replace(&h->c->rules, &a->rules, false);
	replace(&h->c->https, &a->https, a->no_listen);
	replace(&h->c->http, &a->http, a->no_listen);
	replace(&h->c->syslog, &a->syslog, a->no_listen);
	replace(&h->c->syslog_tls, &a->syslog_tls, a->no_listen);
	replace(&h->c->files, &a->files, false);
	if (a->data)
		h->c->data = a->data;
	if (a->unit)
		h->c->unit = a->unit;
	if (a->no_journal)
		h->c->journal = false;
	if (h->args.options.lang < 0)
		h->args.options.lang = h->c->language >= 0 ? h->c->language : (int)words_from_environment();
	h->args.options.play = a->play.at;
	h->args.options.n_play = a->play.n;
	return 0;
}

/* What the command line says is looked at before anything is made. */
static int check_addresses(const struct config_hub *c, struct err *err)
{
	const struct config_list *const lists[] = { &c->https, &c->http, &c->syslog, &c->syslog_tls };
	struct sockaddr_storage ss;
	socklen_t len;
	int code = 0;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (size_t k = 0; k < lists[i]->n && !code; k++)
			code = opener_address(lists[i]->at[k], &ss, &len, err);
	return code;
}

static int read_file(const char *dir, const char *name, struct buf *to, struct err *err)
{
	char path[4200];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *room = buf_room(to, 64 << 10);
	ssize_t n = fd >= 0 && room ? read(fd, room, 64 << 10) : -1;
	int code = n < 0 ? err_set(err, -errno, "read '%s': %m", path) : 0;
	if (fd >= 0)
		close(fd);
	to->n += n > 0 ? (size_t)n : 0;
	return code;
}

static void certificate_done(struct certificate *c)
{
	if (c->key.p)
		sodium_memzero(c->key.p, c->key.cap);
	buf_free(&c->key);
	buf_free(&c->certificate);
	buf_free(&c->ca);
}

/*
 * The CA at the first start; the hub's certificate then and when it is about to end. The CA's key stays in the signer.
 * On failure what was there goes on.
 */
static int get_certificate(struct hub *h, struct err *err)
{
	CLEANUP(certificate_done) struct certificate fresh = { 0 };
	char dir[4096];
	struct str names[16];
	struct signer *signer;
	bool made = false, renewed = false;
	size_t n = h->c->names.n < ARRAY_LEN(names) ? h->c->names.n : ARRAY_LEN(names);
	snprintf(dir, sizeof(dir), "%s/pki", h->c->data);
	for (size_t i = 0; i < n; i++)
		names[i] = str_from(h->c->names.at[i]);
	int code = pki_ca_init(dir, str_from(h->c->unit), h->clock, &made, err);
	if (!code)
		code = signer_start(&signer, dir, h->clock, err);
	if (code)
		return code;
	code = pki_hub(dir, signer, names, n, h->clock, &fresh.key, &fresh.certificate, &renewed, err);
	signer_free(signer);
	if (!code)
		code = read_file(dir, "ca.crt", &fresh.ca, err);
	if (code)
		return code;
	const struct certificate old = h->tls;
	h->tls = fresh;
	fresh = old;
	if (made || renewed)
		log_say(&h->log, LOG_LEVEL_INFO, made ? "ca-made" : "certificate-renewed", LOG_TEXT("folder", dir));
	return code;
}

/* --- the two processes --- */

static int keeper(void *arg, int link, int beat)
{
	struct hub *h = arg;
	char store[4200], pki[4200];
	struct hub_posts *posts = NULL;
	struct err err;
	if (h->searcher)
		searcher_leave(h->searcher, false, NULL);
	snprintf(store, sizeof(store), "%s/" HUB_STORE, h->c->data);
	snprintf(pki, sizeof(pki), "%s/pki", h->c->data);
	sodium_memzero(h->tls.key.p, h->tls.key.cap);
	/* what it forks here keeps the rights to the keys; without it logs are taken all the same */
	if (hub_posts_start(&posts, pki, h->clock, &h->log, &err))
		log_say(&h->log, LOG_LEVEL_ERROR, "posts-off", LOG_TEXT("why", err.text));
	const struct keeper_config config = {
		.store = store,
		.user = h->user,
		.limits = &h->limits,
		.clock = h->clock,
		.log = &h->log,
		.link = link,
		.beat = beat,
		.posts = posts,
	};
	return keeper_run(&config);
}

static int front(void *arg, int link, int beat)
{
	struct hub *h = arg;
	int searches[SEARCHES];
	if (h->searcher)
		searcher_leave(h->searcher, true, searches);
	const struct front_config config = {
		.hub = h->c,
		.options = &h->args.options,
		.key = buf_str(&h->tls.key),
		.certificate = buf_str(&h->tls.certificate),
		.ca = buf_str(&h->tls.ca),
		.user = h->front_user,
		.clock = h->clock,
		.link = link,
		.beat = beat,
		.searches = h->searcher ? searches : NULL,
	};
	return front_run(&config);
}

/* It is forked from what holds the hub's key. */
static void forget_key(void *arg)
{
	struct hub *h = arg;
	sodium_memzero(h->tls.key.p, h->tls.key.cap);
}

static void look(void *arg, int64_t now)
{
	struct hub *h = arg;
	if (h->searcher)
		searcher_look(h->searcher, now);
}

static bool certificate_is_due(void *arg, int64_t now)
{
	struct hub *h = arg;
	struct pki_info info;
	struct err err;
	const int64_t month = 30LL * 86400 * CLOCK_S;
	if (now - h->certificate_at < LOOK_AT_CERTIFICATE)
		return false;
	h->certificate_at = now;
	return !pki_read(buf_str(&h->tls.certificate), &info, &err) && info.until - clock_wall(h->clock) < month;
}

static void renew_certificate(void *arg)
{
	struct hub *h = arg;
	struct err err;
	if (get_certificate(h, &err))
		log_say(&h->log, LOG_LEVEL_ERROR, "certificate-not-renewed", LOG_TEXT("why", err.text));
}

static int run(struct hub *h, struct err *err)
{
	struct hub_folders folders = { .data = h->c->data };
	/* who reads what is printed can't hold up what takes logs */
	outlet_unblock(STDOUT_FILENO);
	outlet_unblock(STDERR_FILENO);
	int code = hub_folders(&folders, err);
	h->user = folders.user;
	h->front_user = folders.front_user;
	if (!code)
		code = config_limits(h->c, &h->limits, err);
	if (!code)
		code = get_certificate(h, err);
	const struct searcher_config searcher = {
		.data = h->c->data, .clock = h->clock, .log = &h->log, .forget = forget_key, .arg = h
	};
	if (!code && !h->args.options.play_only)
		code = searcher_new(&h->searcher, &searcher, err);
	const struct supervisor supervisor = {
		.clock = h->clock,
		.log = &h->log,
		.ready = "taking events",
		.work = { [PART_KEEPER] = keeper, [PART_FRONT] = front },
		.due = certificate_is_due,
		.renew = renew_certificate,
		.look = look,
		.arg = h,
	};
	code = code ? code : supervise(&supervisor, err);
	searcher_free(h->searcher);
	return code;
}

static void done(struct hub *h)
{
	struct opt_list *const lists[] = { &h->args.rules,      &h->args.https, &h->args.http, &h->args.syslog,
		                           &h->args.syslog_tls, &h->args.play,  &h->args.files };
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		opt_list_done(lists[i]);
	certificate_done(&h->tls);
	if (h->has_config)
		config_done(&h->config);
}

static int hub_run(int argc, char **argv)
{
	struct hub h = { .clock = &clock_system, .log = { STDERR_FILENO, &clock_system } };
	struct err err = { 0 };
	CLEANUP(buf_free) struct buf problems = { 0 };
	h.args.options.lang = -1;
	signal(SIGPIPE, SIG_IGN);
	int status = parse_args(&h.args, argc, argv);
	if (status < 0) {
		int code = read_config(&h, &problems);
		term_write(STDERR_FILENO, buf_str(&problems)); /* also where it will do: warnings */
		if (!code)
			code = check_addresses(h.c, &err);
		if (!code)
			code = config_permits(h.c, &err);
		if (!code)
			code = run(&h, &err);
		status = !code ? EXIT_NOTHING : *err.text ? complain(err.text) : EXIT_TROUBLE;
	}
	done(&h);
	return status;
}

int cmd_hub(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} jobs[] = {
		{ "token", hub_token },   { "backup", hub_backup }, { "restore", hub_restore },
		{ "export", hub_export }, { "import", hub_import }, { "status", hub_status },
		{ "posts", hub_posts },
	};
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(jobs); i++)
		if (strcmp(argv[1], jobs[i].name) == 0)
			return jobs[i].run(argc - 1, argv + 1);
	return hub_run(argc, argv);
}
