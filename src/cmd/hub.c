/* khien hub: configuration, certificates, and the two processes that do the work. See hub.h. */
#include "cmd/hub.h"

#include "cmd/cmd.h"
#include "cmd/hub_admin.h"
#include "cmd/hub_export.h"
#include "cmd/opt.h"
#include "cmd/paths.h"
#include "cmd/term.h"
#include "cmd/words.h"
#include "os/opener.h"
#include "pki/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const int64_t FIRST_WAIT = 100LL * CLOCK_MS, LONGEST_WAIT = 5LL * CLOCK_S, SILENT = 60LL * CLOCK_S;
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
	const struct clock *clock;
	struct log log;
	int signals;
	/* a round */
	pid_t keeper, front;
	int ready;
	int64_t began, heard, certificate_at; /* monotonic; heard 0: it isn't ready yet */
	bool stopping, renewing;
};

static const char *const synopsis[] = { "[OPTION]... [--] [FILE...]",
	                                "token|backup|restore|export|import|status [OPTION]...", NULL };

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
		        "  khien hub token    who may send and read\n"
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
	buf_add(&line, STR("khien hub: "));
	term_safe(&line, str_from(text));
	buf_putc(&line, '\n');
	term_write(STDERR_FILENO, buf_str(&line));
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

static void close_from_parent(const struct hub *h)
{
	sigset_t none;
	close(h->signals);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static pid_t start_keeper(struct hub *h, int link, const int *others, size_t n)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	char store[4200];
	snprintf(store, sizeof(store), "%s/" HUB_STORE, h->c->data);
	const struct keeper_config config = {
		.store = store,
		.user = h->user,
		.limits = &h->limits,
		.clock = h->clock,
		.log = &h->log,
		.link = link,
	};
	close_from_parent(h);
	for (size_t i = 0; i < n; i++)
		close(others[i]);
	sodium_memzero(h->tls.key.p, h->tls.key.cap);
	_exit(keeper_run(&config));
}

static pid_t start_front(struct hub *h, int link, int ready, const int *others, size_t n)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	const struct front_config config = {
		.hub = h->c,
		.options = &h->args.options,
		.key = buf_str(&h->tls.key),
		.certificate = buf_str(&h->tls.certificate),
		.ca = buf_str(&h->tls.ca),
		.user = h->front_user,
		.clock = h->clock,
		.link = link,
		.ready = ready,
	};
	close_from_parent(h);
	for (size_t i = 0; i < n; i++)
		close(others[i]);
	int status = front_run(&config);
	fflush(NULL);
	_exit(status);
}

static int start_round(struct hub *h, struct err *err)
{
	int link[2], ready[2];
	h->ready = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link))
		return err_set(err, -errno, "make a socket pair: %m");
	if (pipe2(ready, O_CLOEXEC | O_NONBLOCK)) {
		close(link[0]);
		close(link[1]);
		return err_set(err, -errno, "make a pipe: %m");
	}
	h->heard = 0;
	h->began = clock_monotonic(h->clock);
	h->keeper = start_keeper(h, link[0], (const int[]){ link[1], ready[0], ready[1] }, 3);
	h->front = h->keeper < 0 ? -1 : start_front(h, link[1], ready[1], (const int[]){ link[0], ready[0] }, 2);
	int code = h->front < 0 ? err_set(err, -errno, "start a process: %m") : 0;
	close(link[0]);
	close(link[1]);
	close(ready[1]);
	h->ready = ready[0];
	return code;
}

/* "READY=1" and the like, for whoever started this: see sd_notify(3). */
static void notify(const char *what)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;
	if (!n || n >= sizeof(to.sun_path) || (*path != '/' && *path != '@'))
		return;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(to.sun_path, path, n);
	if (*path == '@')
		to.sun_path[0] = '\0';
	if (fd >= 0)
		sendto(fd, what, strlen(what), MSG_NOSIGNAL, (struct sockaddr *)&to,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	if (fd >= 0)
		close(fd);
}

static void stop_front(struct hub *h)
{
	if (h->front > 0)
		kill(h->front, SIGTERM);
}

static void on_signal(struct hub *h, int signal)
{
	if (signal == SIGHUP && h->front > 0) {
		kill(h->front, SIGHUP);
	} else if (signal == SIGTERM || signal == SIGINT) {
		notify("STOPPING=1");
		h->stopping = true;
		stop_front(h);
	}
}

static void read_signals(struct hub *h)
{
	struct signalfd_siginfo info;
	while (read(h->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		on_signal(h, (int)info.ssi_signo);
}

static void read_heartbeat(struct hub *h)
{
	char bytes[64];
	ssize_t n = read(h->ready, bytes, sizeof(bytes));
	if (n <= 0)
		return;
	notify(h->heard ? "WATCHDOG=1" : "READY=1\nSTATUS=taking events");
	h->heard = clock_monotonic(h->clock);
}

/* How a process ended: HUB_*. What wasn't asked for is told. */
static int reap(struct hub *h, pid_t *pid, const char *name)
{
	int status;
	while (waitpid(*pid, &status, 0) < 0 && errno == EINTR)
		continue;
	*pid = 0;
	if (h->stopping && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM)
		return HUB_ENDED; /* it was told before it could listen */
	int how = WIFEXITED(status) && WEXITSTATUS(status) <= HUB_HOPELESS ? WEXITSTATUS(status) : HUB_DIED;
	if (WIFSIGNALED(status))
		log_say(&h->log, LOG_LEVEL_ERROR, "process-ended", LOG_TEXT("process", name),
		        LOG_NUMBER("signal", (uint64_t)WTERMSIG(status)));
	else if (how != HUB_ENDED)
		log_say(&h->log, LOG_LEVEL_ERROR, "process-ended", LOG_TEXT("process", name),
		        LOG_NUMBER("status", (uint64_t)WEXITSTATUS(status)));
	return how;
}

static void look_for_end(struct hub *h, pid_t *pid, const char *name, int *how)
{
	siginfo_t info = { 0 };
	if (*pid > 0 && !waitid(P_PID, (id_t)*pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid)
		*how = reap(h, pid, name);
}

/* Silent for too long: whatever holds it will not let go. */
static void look_for_silence(struct hub *h, int64_t now)
{
	if (!h->heard || now - h->heard < SILENT || h->front <= 0)
		return;
	log_say(&h->log, LOG_LEVEL_ERROR, "front-silent",
	        LOG_NUMBER("seconds", (uint64_t)((now - h->heard) / CLOCK_S)));
	kill(h->front, SIGKILL);
	h->heard = now;
}

static void look_at_certificate(struct hub *h, int64_t now)
{
	struct pki_info info;
	struct err err;
	const int64_t month = 30LL * 86400 * CLOCK_S;
	if (now - h->certificate_at < LOOK_AT_CERTIFICATE || h->stopping)
		return;
	h->certificate_at = now;
	if (!pki_read(buf_str(&h->tls.certificate), &info, &err) && info.until - clock_wall(h->clock) < month) {
		h->renewing = true;
		stop_front(h);
	}
}

/* Until both have ended. How: the worse of the two. */
static int run_round(struct hub *h)
{
	int front = HUB_ENDED, keeper = HUB_ENDED;
	while (h->front > 0 || h->keeper > 0) {
		struct pollfd p[] = { { .fd = h->signals, .events = POLLIN },
			              { .fd = h->front > 0 ? h->ready : -1, .events = POLLIN } };
		poll(p, ARRAY_LEN(p), 1000);
		read_signals(h);
		if (p[1].revents & POLLIN)
			read_heartbeat(h);
		int64_t now = clock_monotonic(h->clock);
		look_for_silence(h, now);
		look_at_certificate(h, now);
		look_for_end(h, &h->front, "front", &front);
		/* without its store the front ends by itself, when it finds the link closed */
		look_for_end(h, &h->keeper, "keeper", &keeper);
	}
	if (h->ready >= 0)
		close(h->ready);
	return front > keeper ? front : keeper;
}

static int wait_before(struct hub *h, int64_t us)
{
	struct pollfd p = { .fd = h->signals, .events = POLLIN };
	int64_t until = clock_monotonic(h->clock) + us, left;
	while (!h->stopping && (left = until - clock_monotonic(h->clock)) > 0) {
		poll(&p, 1, (int)(left / CLOCK_MS) + 1);
		read_signals(h);
	}
	return h->stopping;
}

static int supervise(struct hub *h, struct err *err)
{
	int64_t wait = FIRST_WAIT;
	for (;;) {
		int code = start_round(h, err);
		int how = run_round(h);
		if (code)
			return code;
		if (h->stopping || (how == HUB_ENDED && !h->renewing))
			return how == HUB_ENDED ? 0 : err_set(err, -EIO, "it ended badly: see above");
		if (how == HUB_HOPELESS)
			return err_set(err, -EIO, "it can't go on: see above");
		if (h->renewing) {
			h->renewing = false;
			code = get_certificate(h, err);
			if (code)
				log_say(&h->log, LOG_LEVEL_ERROR, "certificate-not-renewed",
				        LOG_TEXT("why", err->text));
			continue;
		}
		if (clock_monotonic(h->clock) - h->began > SILENT)
			wait = FIRST_WAIT;
		log_say(&h->log, LOG_LEVEL_ERROR, "restarting", LOG_NUMBER("after_ms", (uint64_t)(wait / CLOCK_MS)));
		if (wait_before(h, wait))
			return 0;
		wait = wait * 2 < LONGEST_WAIT ? wait * 2 : LONGEST_WAIT;
	}
}

static int catch_signals(struct hub *h, struct err *err)
{
	sigset_t set;
	sigemptyset(&set);
	static const int caught[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
	for (size_t i = 0; i < ARRAY_LEN(caught); i++)
		sigaddset(&set, caught[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	h->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return h->signals < 0 ? err_set(err, -errno, "read signals: %m") : 0;
}

static int run(struct hub *h, struct err *err)
{
	struct hub_folders folders = { .data = h->c->data };
	int code = hub_folders(&folders, err);
	h->user = folders.user;
	h->front_user = folders.front_user;
	if (!code)
		code = config_limits(h->c, &h->limits, err);
	if (!code)
		code = get_certificate(h, err);
	if (!code)
		code = catch_signals(h, err);
	return code ? code : supervise(h, err);
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
	struct hub h = { .clock = &clock_system, .log = { STDERR_FILENO, &clock_system }, .signals = -1 };
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
	};
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(jobs); i++)
		if (strcmp(argv[1], jobs[i].name) == 0)
			return jobs[i].run(argc - 1, argv + 1);
	return hub_run(argc, argv);
}
