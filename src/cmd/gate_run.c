/*
 * The gate's supervisor: nginx and the agent, each started anew when it ends; khien.yaml read anew on SIGHUP; an end that lets
 * everybody be answered.
 */
#include "cmd/gate.h"
#include "cmd/hub_supervise.h"
#include "cmd/outlet.h"
#include "os/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const int64_t TURN = 100LL * CLOCK_MS, FIRST_WAIT = 100LL * CLOCK_MS, LONGEST_WAIT = 5LL * CLOCK_S;
static const int64_t STEADY = 60LL * CLOCK_S, LOOK_AT_FILES = 60LL * CLOCK_S, RENEW = 43200LL * CLOCK_S;
/* worker_shutdown_timeout, and a little more; then at once, then for good */
static const int64_t GRACE = 12LL * CLOCK_S, HURRY = 15LL * CLOCK_S, ENOUGH = 18LL * CLOCK_S;

enum { LINES_A_SECOND = 20, LINE_MAX = 2048 };

enum part { NGINX, AGENT, N_RUNS };
static const char *const names[] = { [NGINX] = "nginx", [AGENT] = "agent" };

struct child {
	pid_t pid;               /* 0: it doesn't run */
	int64_t began, at, wait; /* monotonic: at: not before */
	bool wanted, told;       /* told: it has to end */
};

struct run {
	struct gate *g;
	struct loop *loop;
	struct child parts[N_RUNS];
	int lock, words, terminal; /* words: what nginx says; -1 */
	struct buf line;
	struct {
		int64_t at;
		unsigned said;
		uint64_t shed;
	} second;
	char last[400]; /* of nginx's words, what it ended with */
	int64_t ending, hurried, fed, looked, renewed;
	struct timespec files[2]; /* certificate and key as they were */
	bool ready, failed;
};

/* --- one gate for a folder --- */

static int lock(struct run *r, struct err *err)
{
	char path[4200];
	snprintf(path, sizeof(path), "%s/lock", r->g->paths.data);
	r->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (r->lock < 0)
		return err_set(err, -errno, "open '%s': %m", path);
	return flock(r->lock, LOCK_EX | LOCK_NB)
	               ? err_set(err, -EBUSY, "a gate runs on '%s' already: end it, or write another --data",
	                         r->g->paths.data)
	               : 0;
}

/* --- what nginx says --- */

static void say_line(struct run *r, struct str line)
{
	CLEANUP(buf_free) struct buf words = { 0 };
	if (!gate_nginx_words(r->g, line, r->g->paths.conf, &words))
		return;
	snprintf(r->last, sizeof(r->last), STR_FMT, STR_ARG(buf_str(&words)));
	const int64_t now = clock_monotonic(r->g->clock);
	if (now - r->second.at >= CLOCK_S) {
		if (r->second.shed)
			log_say(&r->g->log, LOG_LEVEL_WARNING, "nginx-lines-shed", LOG_NUMBER("lines", r->second.shed));
		r->second.at = now;
		r->second.said = 0;
		r->second.shed = 0;
	}
	if (r->second.said++ < LINES_A_SECOND)
		log_say(&r->g->log, LOG_LEVEL_ERROR, "nginx", LOG_TEXT("what", r->last));
	else
		r->second.shed++;
}

static int on_words(void *arg, int fd)
{
	struct run *r = arg;
	char *room = buf_room(&r->line, LINE_MAX);
	const ssize_t n = room ? read(fd, room, LINE_MAX) : -1;
	if (!n || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		loop_unwatch(r->loop, fd);
		close(fd);
		r->words = -1;
	}
	r->line.n += n > 0 ? (size_t)n : 0;
	struct str left = buf_str(&r->line);
	for (size_t end; (end = str_find(left, '\n')) < left.n;) {
		say_line(r, str_sub(left, 0, end));
		left = str_sub(left, end + 1, left.n);
	}
	if (left.n >= LINE_MAX || r->words < 0) { /* longer than anything that is worth it */
		say_line(r, left);
		left.n = 0;
	}
	if (left.n)
		memmove(r->line.p, left.p, left.n);
	r->line.n = left.n;
	return 0;
}

/* --- the two --- */

static int start_nginx(struct run *r, struct err *err)
{
	int ends[2];
	if (r->words >= 0) { /* of the one before: nobody writes there any more */
		loop_unwatch(r->loop, r->words);
		close(r->words);
		r->words = -1;
	}
	r->line.n = 0;
	unlink(r->g->paths.control); /* nginx that was killed leaves them behind */
	unlink(r->g->paths.pid);
	if (pipe2(ends, O_CLOEXEC))
		return err_set(err, -errno, "make a pipe: %m");
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	int code = gate_nginx_start(r->g, ends[1], &r->parts[NGINX].pid, err);
	close(ends[1]);
	if (!code)
		code = loop_watch(r->loop, ends[0], on_words, r, err);
	if (code)
		close(ends[0]);
	else
		r->words = ends[0];
	return code;
}

static void be_agent(const struct gate *g)
{
	static const int usual[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGPIPE };
	struct gate own = *g;
	sigset_t none;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	prctl(PR_SET_NAME, "khien: gate-agent", 0, 0, 0);
	for (size_t i = 0; i < ARRAY_LEN(usual); i++)
		signal(usual[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (own.log_socket >= 0) {
		dup2(own.log_socket, STDERR_FILENO + 1);
		own.log_socket = STDERR_FILENO + 1;
	}
	close_range(STDERR_FILENO + 1 + (own.log_socket >= 0), ~0U, 0);
	_exit(gate_agent(&own));
}

static int start_agent(struct run *r, struct err *err)
{
	const pid_t parent = getpid(), pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "start a process: %m");
	if (!pid) {
		if (getppid() != parent)
			_exit(EXIT_FAILURE);
		be_agent(r->g);
	}
	r->parts[AGENT].pid = pid;
	return 0;
}

static void start_what_is_due(struct run *r, int64_t now)
{
	static int (*const starts[])(struct run *, struct err *) = { [NGINX] = start_nginx, [AGENT] = start_agent };
	for (size_t i = 0; i < N_RUNS; i++) {
		struct child *c = &r->parts[i];
		struct err err;
		if (!c->wanted || c->pid > 0 || now < c->at || r->ending)
			continue;
		c->began = now;
		c->told = false;
		if (!starts[i](r, &err))
			continue;
		log_say(&r->g->log, LOG_LEVEL_ERROR, "not-started", LOG_TEXT("process", names[i]),
		        LOG_TEXT("why", err.text));
		c->at = now + LONGEST_WAIT;
	}
}

static void tell_end(struct run *r, enum part which, int status, int64_t wait)
{
	const bool killed = WIFSIGNALED(status);
	log_say(&r->g->log, LOG_LEVEL_ERROR, "process-ended", LOG_TEXT("process", names[which]),
	        LOG_NUMBER(killed ? "signal" : "status", (uint64_t)(killed ? WTERMSIG(status) : WEXITSTATUS(status))),
	        LOG_NUMBER("again_after_ms", (uint64_t)(wait / CLOCK_MS)));
}

static void reap(struct run *r, enum part which, int64_t now)
{
	struct child *c = &r->parts[which];
	int status;
	if (c->pid <= 0 || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return;
	if (which == NGINX) {
		kill(-c->pid, SIGKILL); /* workers of a master that was killed */
		while (r->words >= 0 && on_words(r, r->words) == 0 &&
		       poll(&(struct pollfd){ .fd = r->words, .events = POLLIN }, 1, 0) > 0)
			continue;
	}
	c->pid = 0;
	c->wait = now - c->began > STEADY || !c->wait ? FIRST_WAIT
	          : c->wait * 2 < LONGEST_WAIT        ? c->wait * 2
	                                              : LONGEST_WAIT;
	c->at = c->told ? now : now + c->wait;
	if (!c->told && !r->ending)
		tell_end(r, which, status, c->wait);
	if (which == NGINX && !r->ready && !r->ending) { /* it never got as far as to take anybody */
		r->failed = true;
		loop_stop(r->loop);
	}
}

/* --- its files --- */

static void look_at_files(struct run *r, struct timespec now[2])
{
	const char *const paths[] = { r->g->c->certificate, r->g->c->key };
	struct stat st;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		now[i] = paths[i] && !stat(paths[i], &st) ? st.st_mtim : (struct timespec){ 0, 0 };
}

/* A new configuration is taken whole or not at all. */
static int take_config(struct run *r, struct err *err)
{
	struct gate *g = r->g;
	struct config fresh, old = g->config;
	bool changed;
	int code = gate_config(&fresh, g->args, err);
	if (code)
		return code;
	g->config = fresh;
	if (r->parts[NGINX].wanted)
		code = gate_certificate(g, &changed, err);
	if (!code && r->parts[NGINX].wanted)
		code = gate_conf(g, err);
	if (code)
		g->config = old;
	config_done(code ? &fresh : &old);
	return code;
}

static void reload(struct run *r)
{
	struct err err = { 0 };
	if (take_config(r, &err)) {
		log_say(&r->g->log, LOG_LEVEL_ERROR, "reload-refused", LOG_TEXT("what", "all stays as it was"),
		        LOG_TEXT("why", *err.text ? err.text : "see above"));
		return;
	}
	look_at_files(r, r->files);
	if (r->parts[NGINX].pid > 0)
		kill(r->parts[NGINX].pid, SIGHUP);
	if (r->parts[AGENT].pid > 0) {
		kill(r->parts[AGENT].pid, SIGTERM);
		r->parts[AGENT].told = true;
	}
	log_say(&r->g->log, LOG_LEVEL_INFO, "reloaded",
	        LOG_TEXT("config", r->g->config.path ? r->g->config.path : "none"));
}

/* Somebody renewed the certificate, or it is time to. */
static void look_around(struct run *r, int64_t now)
{
	struct timespec files[2];
	struct err err;
	bool changed = false;
	if (now - r->looked < LOOK_AT_FILES || !r->parts[NGINX].wanted)
		return;
	r->looked = now;
	look_at_files(r, files);
	changed = memcmp(files, r->files, sizeof(files)) != 0;
	if (now - r->renewed >= RENEW) {
		bool fresh;
		r->renewed = now;
		if (gate_certificate(r->g, &fresh, &err))
			log_say(&r->g->log, LOG_LEVEL_ERROR, "certificate-not-renewed", LOG_TEXT("why", err.text));
		else
			changed |= fresh;
	}
	if (changed)
		reload(r);
}

/* --- from start to end --- */

static void end(struct run *r, int64_t now)
{
	if (!r->ending) {
		supervise_notify("STOPPING=1");
		log_say(&r->g->log, LOG_LEVEL_INFO, "ending", LOG_TEXT("what", "who is being answered is waited for"));
		if (r->parts[AGENT].pid > 0 && !kill(r->parts[AGENT].pid, SIGHUP))
			poll(NULL, 0, 200); /* it fetches what there is to fetch, while there is somebody to ask */
	}
	if (r->parts[NGINX].pid > 0)
		kill(r->parts[NGINX].pid, r->ending ? SIGTERM : SIGQUIT); /* asked twice: at once */
	r->ending = r->ending ? r->ending : now;
	r->parts[NGINX].told = r->parts[AGENT].told = true;
}

/* The agent last: it has heard then what nginx said. */
static void press(struct run *r, int64_t now)
{
	const int64_t since = now - r->ending;
	const pid_t nginx = r->parts[NGINX].pid, agent = r->parts[AGENT].pid;
	if (nginx > 0 && since >= ENOUGH)
		kill(-nginx, SIGKILL);
	else if (nginx > 0 && since >= GRACE && !r->hurried) {
		kill(nginx, SIGTERM);
		r->hurried = now;
	}
	if (agent > 0 && (nginx <= 0 || since >= HURRY))
		kill(agent, since >= ENOUGH + GRACE ? SIGKILL : SIGTERM);
	if (nginx <= 0 && agent <= 0)
		loop_stop(r->loop);
}

static void look_if_ready(struct run *r)
{
	char text[32] = "";
	if (r->ready || r->ending)
		return;
	if (r->parts[NGINX].wanted) {
		int fd = open(r->g->paths.pid, O_RDONLY | O_CLOEXEC);
		const ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
		if (fd >= 0)
			close(fd);
		if (n <= 0 || strtol(text, NULL, 10) != r->parts[NGINX].pid)
			return;
	}
	r->ready = true;
	log_say(&r->g->log, LOG_LEVEL_INFO, "ready",
	        LOG_TEXT("upstream", r->parts[NGINX].wanted ? r->g->c->upstream : "as that nginx has it"),
	        LOG_TEXT("data", r->g->paths.data));
	supervise_notify("READY=1\nSTATUS=letting people through");
}

static int on_time(void *arg, int what)
{
	struct run *r = arg;
	const int64_t now = clock_monotonic(r->g->clock);
	for (size_t i = 0; i < N_RUNS; i++)
		reap(r, i, now);
	start_what_is_due(r, now);
	look_if_ready(r);
	if (r->ending)
		press(r, now);
	else
		look_around(r, now);
	if (now - r->fed >= CLOCK_S) {
		r->fed = now;
		supervise_notify("WATCHDOG=1");
	}
	return 0;
}

static bool terminal_is_gone(const struct run *r)
{
	struct pollfd p = { .fd = r->terminal };
	return r->terminal >= 0 && poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR);
}

static int on_signal(void *arg, int signal)
{
	struct run *r = arg;
	if (signal == SIGHUP && !r->ending && !terminal_is_gone(r))
		reload(r);
	else if (signal != SIGCHLD)
		end(r, clock_monotonic(r->g->clock));
	return on_time(r, 0);
}

static int prepare(struct run *r, struct err *err)
{
	CLEANUP(buf_free) struct buf installed = { 0 };
	CLEANUP(buf_free) struct buf worker = { 0 };
	bool changed;
	int code = gate_installed(r->g, &installed, &worker, err);
	if (!code && worker.n && r->g->worker)
		gate_worker(r->g, worker.p);
	if (!code)
		code = gate_folders(r->g, err);
	if (!code)
		code = lock(r, err);
	if (!code)
		code = gate_key(r->g, false, err);
	if (!code)
		code = gate_log_socket(r->g, err);
	if (code)
		return code;
	r->parts[AGENT].wanted = true;
	r->parts[NGINX].wanted = !installed.n;
	if (installed.n) {
		log_say(&r->g->log, LOG_LEVEL_INFO, "agent-alone", LOG_TEXT("nginx", installed.p));
		/* its workers hold on to the socket of the agent before, and never let go of it by themselves */
		gate_installed_reload(r->g, installed.p);
		return 0;
	}
	code = gate_certificate(r->g, &changed, err);
	if (!code)
		code = gate_conf(r->g, err);
	look_at_files(r, r->files);
	return code;
}

static int serve(struct run *r, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD, 0 };
	const struct config_gate *c = r->g->c;
	struct sigaction hup;
	int code = loop_new(&r->loop, r->g->clock, err);
	/* nohup(1): it is to stay when the terminal goes */
	if (!code && !sigaction(SIGHUP, NULL, &hup) && hup.sa_handler != SIG_IGN)
		r->terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (!code)
		code = loop_signals(r->loop, signals, on_signal, r, err);
	if (!code)
		code = loop_every(r->loop, TURN, on_time, r, err);
	if (code)
		return code;
	for (size_t i = 0; i < c->http.n && r->parts[NGINX].wanted; i++)
		log_say(&r->g->log, LOG_LEVEL_INFO, "listening", LOG_TEXT("http", c->http.at[i]));
	for (size_t i = 0; i < c->https.n && r->parts[NGINX].wanted; i++)
		log_say(&r->g->log, LOG_LEVEL_INFO, "listening", LOG_TEXT("https", c->https.at[i]));
	on_time(r, 0);
	code = loop_run(r->loop);
	if (r->failed)
		return err_set(err, -EIO, "%s", *r->last ? r->last : "nginx ended at once");
	return code ? err_set(err, code, "%m") : 0;
}

/* Nothing stays behind, also where it came to nothing. */
static void done(struct run *r)
{
	for (size_t i = 0; i < N_RUNS; i++) {
		const pid_t pid = r->parts[i].pid;
		if (pid <= 0)
			continue;
		kill(i == NGINX ? -pid : pid, i == NGINX ? SIGKILL : SIGTERM);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	if (r->g->log_socket >= 0)
		unlink(r->g->paths.log_socket);
	if (r->parts[NGINX].wanted) {
		unlink(r->g->paths.control);
		unlink(r->g->paths.pid);
	}
	if (r->words >= 0)
		close(r->words);
	if (r->terminal >= 0)
		close(r->terminal);
	buf_free(&r->line);
	loop_free(r->loop);
	if (r->lock >= 0)
		close(r->lock);
}

int gate_run(struct gate *g, struct err *err)
{
	const int64_t now = clock_monotonic(g->clock);
	struct run r = { .g = g,
		         .lock = -1,
		         .words = -1,
		         .terminal = -1,
		         .looked = now,
		         .renewed = now,
		         .line = { .max = 4 * LINE_MAX } };
	outlet_unblock(STDERR_FILENO); /* who reads what is said can't hold it up */
	int code = prepare(&r, err);
	if (!code)
		code = serve(&r, err);
	done(&r);
	return code;
}
