#include "cmd/hub_supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct supervise_limits usual = {
	.starting = 300LL * CLOCK_S,
	.silent = { [PART_KEEPER] = 120LL * CLOCK_S, [PART_FRONT] = 60LL * CLOCK_S },
	.ending = 30LL * CLOCK_S,
	.first_wait = 100LL * CLOCK_MS,
};
static const int64_t LONGEST_WAIT = 5LL * CLOCK_S, STEADY = 60LL * CLOCK_S;
enum { TURNS_SLEPT = 5 /* a turn that takes as long as so many: nothing ran meanwhile */ };

struct part {
	const char *name;
	pid_t pid;     /* 0: it has ended */
	int beat;      /* -1: closed */
	int64_t heard; /* monotonic: its start, or its last beat */
	bool takes, killed;
	int how; /* it ended: HUB_* */
};

struct run {
	const struct supervisor *s;
	struct supervise_limits limits;
	int64_t turn;          /* so often at least it looks around */
	int signals, terminal; /* -1: none, or its end is nothing to us */
	struct part parts[N_PARTS];
	int64_t now, began; /* monotonic; of the round */
	int64_t ending;     /* one of them has ended, or was told to; 0: no */
	int64_t fed;
	bool progress; /* a beat came before all was ready */
	bool ready, stopping, renewing;
};

int supervise_beat(int pipe, enum supervise_beat beat, int64_t now, int64_t *at)
{
	const unsigned char byte = (unsigned char)beat;
	if (*at && now - *at < CLOCK_S)
		return 0;
	*at = now;
	return write(pipe, &byte, 1) < 0 && errno == EPIPE ? -EPIPE : 0; /* full: it is read in a moment */
}

/* --- who started this --- */

bool supervise_notify(const char *what)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;
	if (!n || n >= sizeof(to.sun_path) || (*path != '/' && *path != '@'))
		return true;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(to.sun_path, path, n);
	if (*path == '@')
		to.sun_path[0] = '\0';
	bool said = fd >= 0 && sendto(fd, what, strlen(what), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&to,
	                              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) > 0;
	if (fd >= 0)
		close(fd);
	return said;
}

static bool say_ready(const char *what)
{
	char text[128];
	snprintf(text, sizeof(text), "READY=1\nSTATUS=%s", what ? what : "at work");
	return supervise_notify(text);
}

/* The two are watched here: what is left to be watched is this process. */
static void feed_watchdog(struct run *r)
{
	if (r->fed && r->now - r->fed < CLOCK_S)
		return;
	r->fed = r->now;
	supervise_notify(r->progress && !r->ready ? "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=60000000" : "WATCHDOG=1");
	r->progress = false;
}

static bool terminal_is_gone(const struct run *r)
{
	struct pollfd p = { .fd = r->terminal };
	return r->terminal >= 0 && poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR);
}

static void stop_front(struct run *r)
{
	if (r->parts[PART_FRONT].pid <= 0)
		return;
	kill(r->parts[PART_FRONT].pid, SIGTERM);
	r->ending = r->ending ? r->ending : r->now;
}

static void stop(struct run *r)
{
	if (!r->stopping)
		supervise_notify("STOPPING=1");
	r->stopping = true;
	stop_front(r);
}

/*
 * SIGHUP has two meanings: read the rules anew, and that the terminal is gone. That is from the kernel or, where the
 * terminal's shell passes it on, from the leader of the session.
 */
static void on_signal(struct run *r, const struct signalfd_siginfo *info)
{
	const int signal = (int)info->ssi_signo;
	const bool hangup = info->ssi_code == SI_KERNEL || (pid_t)info->ssi_pid == getsid(0);
	if (signal == SIGTERM || signal == SIGINT || (signal == SIGHUP && hangup && terminal_is_gone(r)))
		stop(r);
	else if (signal == SIGHUP && r->parts[PART_FRONT].pid > 0)
		kill(r->parts[PART_FRONT].pid, SIGHUP);
}

static void read_signals(struct run *r)
{
	struct signalfd_siginfo info;
	while (read(r->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		on_signal(r, &info);
}

/* --- a round --- */

static pid_t start_part(struct run *r, enum supervise_part which, int link, int beat, const int *others, size_t n)
{
	sigset_t none;
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	close(r->signals);
	if (r->terminal >= 0)
		close(r->terminal);
	for (size_t i = 0; i < n; i++)
		close(others[i]);
	for (size_t i = 0; i < N_PARTS; i++)
		if (r->parts[i].beat >= 0)
			close(r->parts[i].beat);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	int status = r->s->work[which](r->s->arg, link, beat);
	fflush(NULL);
	_exit(status);
}

static int start_round(struct run *r, struct err *err)
{
	int link[N_PARTS], beat[N_PARTS][2] = { { -1, -1 }, { -1, -1 } }, code = 0;
	static const char *const names[N_PARTS] = { [PART_KEEPER] = "keeper", [PART_FRONT] = "front" };
	r->now = r->began = clock_monotonic(r->s->clock);
	r->ending = 0;
	for (size_t i = 0; i < N_PARTS; i++)
		r->parts[i] = (struct part){ .name = names[i], .beat = -1, .heard = r->now, .how = HUB_ENDED };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link))
		return err_set(err, -errno, "make a socket pair: %m");
	for (size_t i = 0; i < N_PARTS && !code; i++)
		code = pipe2(beat[i], O_CLOEXEC | O_NONBLOCK) ? err_set(err, -errno, "make a pipe: %m") : 0;
	for (size_t i = 0; i < N_PARTS; i++)
		r->parts[i].beat = beat[i][0];
	for (size_t i = 0; i < N_PARTS && !code; i++) {
		const int others[] = { link[!i], beat[!i][1] };
		r->parts[i].pid = start_part(r, i, link[i], beat[i][1], others, i ? 0 : ARRAY_LEN(others));
		if (r->parts[i].pid < 0)
			code = err_set(err, -errno, "start a process: %m");
		close(link[i]); /* the other is not to have it */
		close(beat[i][1]);
		link[i] = beat[i][1] = -1;
	}
	for (size_t i = 0; i < N_PARTS; i++) {
		if (link[i] >= 0)
			close(link[i]);
		if (beat[i][1] >= 0)
			close(beat[i][1]);
	}
	return code;
}

static void read_beats(struct run *r, struct part *p)
{
	unsigned char bytes[64];
	ssize_t n = p->beat >= 0 ? read(p->beat, bytes, sizeof(bytes)) : -1;
	if (n == 0) {
		close(p->beat);
		p->beat = -1;
	}
	if (n <= 0)
		return;
	p->heard = r->now;
	p->takes |= bytes[n - 1] == BEAT_TAKES;
	r->progress |= !r->ready;
}

static void look_if_ready(struct run *r)
{
	bool all = true;
	for (size_t i = 0; i < N_PARTS; i++)
		all &= r->parts[i].takes;
	if (all && !r->ready)
		r->ready = say_ready(r->s->ready);
}

/* How it ended: HUB_*. What wasn't asked for is told. */
static int reap(struct run *r, struct part *p)
{
	int status;
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	p->pid = 0;
	if (r->stopping && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM)
		return HUB_ENDED; /* it was told before it could listen */
	int how = WIFEXITED(status) && WEXITSTATUS(status) <= HUB_HOPELESS ? WEXITSTATUS(status) : HUB_DIED;
	if (WIFSIGNALED(status))
		log_say(r->s->log, LOG_LEVEL_ERROR, "process-ended", LOG_TEXT("process", p->name),
		        LOG_NUMBER("signal", (uint64_t)WTERMSIG(status)));
	else if (how != HUB_ENDED)
		log_say(r->s->log, LOG_LEVEL_ERROR, "process-ended", LOG_TEXT("process", p->name),
		        LOG_NUMBER("status", (uint64_t)WEXITSTATUS(status)));
	return how;
}

static void look_for_end(struct run *r, struct part *p)
{
	siginfo_t info = { 0 };
	if (p->pid <= 0 || waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
		return;
	p->how = reap(r, p);
	r->ending = r->now; /* neither goes on without the other */
}

static void look_for_silence(struct run *r, struct part *p, int64_t limit)
{
	const int64_t most = p->takes ? limit : r->limits.starting;
	const bool late = r->ending && r->now - r->ending >= r->limits.ending;
	if (p->pid <= 0 || p->killed || (!late && r->now - p->heard < most))
		return;
	log_say(r->s->log, LOG_LEVEL_ERROR, late ? "process-lingers" : "process-silent", LOG_TEXT("process", p->name),
	        LOG_NUMBER("seconds", (uint64_t)((r->now - (late ? r->ending : p->heard)) / CLOCK_S)),
	        LOG_TEXT("what", "it is killed; what was acknowledged is on the disk"));
	kill(p->pid, SIGKILL);
	p->killed = true;
}

/* What was not running can't have spoken, nor have been told. */
static void forgive_sleep(struct run *r, int64_t before)
{
	const int64_t slept = r->now - before;
	if (slept < TURNS_SLEPT * r->turn)
		return;
	for (size_t i = 0; i < N_PARTS; i++)
		r->parts[i].heard += slept;
	r->ending += r->ending ? slept : 0;
}

static bool any_is_left(const struct run *r)
{
	return r->parts[PART_KEEPER].pid > 0 || r->parts[PART_FRONT].pid > 0;
}

static void wait_for_news(struct run *r, int64_t most)
{
	struct pollfd p[1 + N_PARTS] = { { .fd = r->signals, .events = POLLIN } };
	const int64_t before = r->now;
	for (size_t i = 0; i < N_PARTS; i++)
		p[1 + i] = (struct pollfd){ .fd = r->parts[i].pid > 0 ? r->parts[i].beat : -1, .events = POLLIN };
	poll(p, ARRAY_LEN(p), (int)(most / CLOCK_MS) + 1);
	r->now = clock_monotonic(r->s->clock);
	forgive_sleep(r, before);
	feed_watchdog(r);
	read_signals(r);
}

/* Until both have ended. How: the worse of the two. */
static int run_round(struct run *r)
{
	while (any_is_left(r)) {
		wait_for_news(r, r->turn);
		for (size_t i = 0; i < N_PARTS; i++) {
			read_beats(r, &r->parts[i]);
			look_for_end(r, &r->parts[i]);
			look_for_silence(r, &r->parts[i], r->limits.silent[i]);
		}
		look_if_ready(r);
		if (!r->ending && r->s->look)
			r->s->look(r->s->arg, r->now);
		if (!r->ending && r->s->due && r->s->due(r->s->arg, r->now)) {
			r->renewing = true;
			stop_front(r);
		}
	}
	for (size_t i = 0; i < N_PARTS; i++) {
		if (r->parts[i].beat >= 0)
			close(r->parts[i].beat);
		r->parts[i].beat = -1;
	}
	return r->parts[0].how > r->parts[1].how ? r->parts[0].how : r->parts[1].how;
}

/* --- rounds --- */

static bool wait_before(struct run *r, int64_t us)
{
	const int64_t until = clock_monotonic(r->s->clock) + us;
	while (!r->stopping && r->now < until)
		wait_for_news(r, until - r->now < r->turn ? until - r->now : r->turn);
	return r->stopping;
}

static int rounds(struct run *r, struct err *err)
{
	int64_t wait = r->limits.first_wait;
	bool first = true;
	for (;;) {
		int code = start_round(r, err);
		if (code)
			stop_front(r);
		int how = run_round(r);
		if (code && first)
			return code;
		first = false;
		if (code) { /* no memory or no descriptors for now: it ran, and will again */
			log_say(r->s->log, LOG_LEVEL_ERROR, "not-started",
			        LOG_TEXT("why", err ? err->text : "see the system"));
			how = HUB_DIED;
			r->renewing = false;
		}
		if (r->stopping || (how == HUB_ENDED && !r->renewing))
			return how == HUB_ENDED ? 0 : err_set(err, -EIO, "it ended badly: see above");
		if (how == HUB_HOPELESS)
			return err_set(err, -EIO, "it can't go on: see above");
		if (r->renewing) {
			r->renewing = false;
			r->s->renew(r->s->arg);
			continue;
		}
		if (clock_monotonic(r->s->clock) - r->began > STEADY)
			wait = r->limits.first_wait;
		log_say(r->s->log, LOG_LEVEL_ERROR, "restarting", LOG_NUMBER("after_ms", (uint64_t)(wait / CLOCK_MS)));
		if (wait_before(r, wait))
			return 0;
		wait = wait * 2 < LONGEST_WAIT ? wait * 2 : LONGEST_WAIT;
	}
}

static int catch_signals(struct run *r, struct err *err)
{
	static const int caught[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
	struct sigaction hup;
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(caught); i++)
		sigaddset(&set, caught[i]);
	/* nohup(1): it is to stay when the terminal goes */
	if (!sigaction(SIGHUP, NULL, &hup) && hup.sa_handler != SIG_IGN)
		r->terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return r->signals < 0 ? err_set(err, -errno, "read signals: %m") : 0;
}

int supervise(const struct supervisor *s, struct err *err)
{
	struct run r = { .s = s, .limits = s->limits, .signals = -1, .terminal = -1, .turn = CLOCK_S };
	int64_t *const limits[] = { &r.limits.starting, &r.limits.silent[0], &r.limits.silent[1], &r.limits.ending,
		                    &r.limits.first_wait };
	const int64_t usually[] = { usual.starting, usual.silent[0], usual.silent[1], usual.ending, usual.first_wait };
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		*limits[i] = *limits[i] ? *limits[i] : usually[i];
		if (*limits[i] / 4 < r.turn && *limits[i] != r.limits.first_wait)
			r.turn = *limits[i] / 4;
	}
	for (size_t i = 0; i < N_PARTS; i++)
		r.parts[i].beat = -1;
	int code = catch_signals(&r, err);
	if (!code)
		code = rounds(&r, err);
	if (r.signals >= 0)
		close(r.signals);
	if (r.terminal >= 0)
		close(r.terminal);
	return code;
}
