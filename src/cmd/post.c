/* khien post: configuration, and the worker, which is started anew when it ends. See post.h. */
#include "cmd/post.h"

#include "cmd/cmd.h"
#include "cmd/opt.h"
#include "cmd/term.h"
#include "os/opener.h"
#include "post/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static const int64_t FIRST_WAIT = 100LL * CLOCK_MS, LONGEST_WAIT = 5LL * CLOCK_S, STEADY = 60LL * CLOCK_S;
enum { ENDING_MS = 15000 };

struct args {
	const char *config, *data;
	struct opt_list hubs, syslog, files;
	bool no_journal;
};

static int parse_args(struct args *a, int argc, char **argv)
{
	const struct opt opts[] = {
		{ "config", 'c', OPT_TEXT, "FILE", "khien.yaml (default: /etc/khien/khien.yaml where it is)",
		  &a->config, 0, 0, NULL },
		{ "data", 'd', OPT_TEXT, "DIR",
		  "its key and its spool (default: /var/lib/khien/post for root, else\n~/.local/state/khien/post)",
		  &a->data, 0, 0, NULL },
		{ "hub", 0, OPT_LIST, "HOST:PORT", "where to send, the preferred one first (default: as enrolled)",
		  &a->hubs, 0, 0, NULL },
		{ "syslog", 's', OPT_LIST, "ADDR:PORT", "syslog over UDP and TCP, on loopback (default: none)",
		  &a->syslog, 0, 0, NULL },
		{ "no-journal", 0, OPT_FLAG, NULL, "don't follow this machine's journal and usual logs", &a->no_journal,
		  0, 0, NULL },
	};
	static const char *const synopsis[] = { "[OPTION]... [--] [FILE...]", "enrol|status|approver [OPTION]...",
		                                NULL };
	const struct opt_spec spec = {
		.command = "post",
		.synopsis = synopsis,
		.what = "The forwarder: follows this machine's logs and FILEs, keeps what they say on the disk until "
		        "the hub\n"
		        "has it, and does what the hub orders, of a closed list.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "SIGHUP reads the configuration anew; SIGTERM and SIGINT end it, when what was read is on the "
		        "disk.\n\n"
		        "Jobs, each with its own --help:\n"
		        "  khien post enrol     makes this machine a post of a hub\n"
		        "  khien post status    what it sends, and what waits\n"
		        "  khien post approver  whose approval destructive orders need\n\n"
		        "Exit status: 0 ended as asked, 2 something could not be done.",
	};
	return opt_parse(&spec, argc, argv, &a->files);
}

int post_complain(const char *job, const char *text)
{
	CLEANUP(buf_free) struct buf line = { 0 };
	buf_printf(&line, "khien post%s%s: ", *job ? " " : "", job);
	term_safe(&line, str_from(text));
	buf_putc(&line, '\n');
	term_write(STDERR_FILENO, buf_str(&line));
	return EXIT_TROUBLE;
}

/* --- configuration --- */

static void replace(struct config_list *to, const struct opt_list *given)
{
	if (given->n)
		*to = (struct config_list){ given->at, given->n };
}

static int read_config(const struct args *a, struct config *config, struct buf *problems)
{
	int code = config_read(config, a->config, problems);
	if (code)
		return code;
	struct config_post *p = &config->post;
	replace(&p->hubs, &a->hubs);
	replace(&p->syslog, &a->syslog);
	replace(&p->files, &a->files);
	p->data = a->data ? a->data : p->data;
	p->journal = p->journal && !a->no_journal;
	return 0;
}

static int check(const struct config_post *p, struct err *err)
{
	struct sockaddr_storage ss;
	socklen_t len;
	char host[DIAL_HUB], port[8];
	int code = p->files.n <= CONFIG_LIST_MAX ? 0 : err_set(err, -E2BIG, "more than %d files", CONFIG_LIST_MAX);
	for (size_t i = 0; i < p->syslog.n && !code; i++)
		code = opener_address(p->syslog.at[i], &ss, &len, err);
	for (size_t i = 0; i < p->hubs.n && !code; i++)
		if (dial_split(p->hubs.at[i], host, port))
			code = err_set(err, -EINVAL, "'%s' is no address of a hub: HOST:PORT", p->hubs.at[i]);
	return code;
}

/* --- the worker, again and again --- */

struct parent {
	struct args args;
	const struct clock *clock;
	struct log log;
	int signals;
	bool stopping;
	pid_t worker;
	int64_t killed_at; /* monotonic: it is ended the hard way then; 0: it isn't to end */
};

/* What can't be used isn't: the worker goes on as it was. */
static bool config_is_usable(struct parent *p)
{
	CLEANUP(buf_free) struct buf problems = { 0 };
	struct config config;
	struct err err;
	int code = read_config(&p->args, &config, &problems);
	term_write(STDERR_FILENO, buf_str(&problems));
	if (code)
		return false;
	code = check(&config.post, &err);
	if (code)
		post_complain("", err.text);
	config_done(&config);
	return !code;
}

static void on_signal(struct parent *p, int signal)
{
	if (signal == SIGHUP && !config_is_usable(p))
		return;
	if (signal == SIGTERM || signal == SIGINT)
		p->stopping = true;
	if (p->worker > 0 && signal != SIGCHLD) {
		kill(p->worker, signal == SIGHUP ? SIGHUP : SIGTERM);
		p->killed_at = clock_monotonic(p->clock) + ENDING_MS * (int64_t)CLOCK_MS;
	}
}

static void wait_signals(struct parent *p, int ms)
{
	struct pollfd f = { .fd = p->signals, .events = POLLIN };
	struct signalfd_siginfo info;
	if (poll(&f, 1, ms) > 0)
		while (read(p->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
			on_signal(p, (int)info.ssi_signo);
}

/* In a process of its own. */
static int work(struct parent *p, int parent)
{
	CLEANUP(buf_free) struct buf problems = { 0 };
	struct config config;
	struct err err;
	struct post_owner owner;
	sigset_t none;
	close(p->signals);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* anew each time: SIGHUP means that */
	if (read_config(&p->args, &config, &problems)) {
		term_write(STDERR_FILENO, buf_str(&problems));
		return POST_HOPELESS;
	}
	if (check(&config.post, &err) || post_folder(config.post.data, &owner, &err)) {
		post_complain("", err.text);
		return POST_HOPELESS;
	}
	const struct post_run_config run = { &config.post, &owner, p->clock, &p->log, parent };
	int how = post_run(&run);
	config_done(&config);
	return how;
}

/* Until it ends; how: POST_*. */
static int run_worker(struct parent *p)
{
	int status = 0, alive[2]; /* its write end is this process's alone */
	p->killed_at = 0;
	if (pipe2(alive, O_CLOEXEC | O_NONBLOCK))
		return POST_DIED;
	p->worker = fork();
	if (p->worker == 0) {
		close(alive[1]);
		_exit(work(p, alive[0]));
	}
	close(alive[0]);
	if (p->worker < 0) {
		close(alive[1]);
		return POST_DIED;
	}
	while (waitpid(p->worker, &status, WNOHANG) == 0) {
		wait_signals(p, p->killed_at ? 200 : -1);
		if (p->killed_at && clock_monotonic(p->clock) > p->killed_at)
			kill(p->worker, SIGKILL);
	}
	p->worker = 0;
	close(alive[1]);
	if (WIFSIGNALED(status))
		log_say(&p->log, LOG_LEVEL_ERROR, "process-ended", LOG_TEXT("process", "post"),
		        LOG_NUMBER("signal", (uint64_t)WTERMSIG(status)));
	return WIFEXITED(status) && WEXITSTATUS(status) <= POST_AGAIN ? WEXITSTATUS(status) : POST_DIED;
}

static int run(struct parent *p)
{
	int64_t wait = FIRST_WAIT;
	for (;;) {
		const int64_t began = clock_monotonic(p->clock);
		const int how = run_worker(p);
		if (p->stopping || how == POST_HOPELESS)
			return how == POST_ENDED || how == POST_AGAIN ? EXIT_NOTHING : EXIT_TROUBLE;
		if (how == POST_AGAIN)
			continue;
		wait = clock_monotonic(p->clock) - began > STEADY ? FIRST_WAIT : wait;
		for (int64_t until = clock_monotonic(p->clock) + wait, left;
		     !p->stopping && (left = until - clock_monotonic(p->clock)) > 0;)
			wait_signals(p, (int)(left / CLOCK_MS) + 1);
		wait = wait * 2 < LONGEST_WAIT ? wait * 2 : LONGEST_WAIT;
		if (p->stopping)
			return EXIT_NOTHING;
	}
}

static int start(struct parent *p)
{
	sigset_t set;
	if (!config_is_usable(p))
		return EXIT_TROUBLE;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (p->signals < 0)
		return post_complain("", strerror(errno));
	int status = run(p);
	close(p->signals);
	return status;
}

int cmd_post(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} jobs[] = {
		{ "enrol", post_job_enrol },
		{ "enroll", post_job_enrol },
		{ "status", post_job_status },
		{ "approver", post_job_approver },
	};
	struct parent p = { .clock = &clock_system, .log = { STDERR_FILENO, &clock_system }, .signals = -1 };
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(jobs); i++)
		if (strcmp(argv[1], jobs[i].name) == 0)
			return jobs[i].run(argc - 1, argv + 1);
	int status = parse_args(&p.args, argc, argv);
	if (status < 0)
		status = start(&p);
	opt_list_done(&p.args.hubs);
	opt_list_done(&p.args.syslog);
	opt_list_done(&p.args.files);
	return status;
}
