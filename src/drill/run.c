#include "drill/address.h"
#include "drill/bots.h"
#include "drill/namespace.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PARTS_MAX = DRILL_BOTS_MAX + 2, GRACE_S = 20 };

const char *drill_kind_name(enum drill_kind kind)
{
	static const char *const names[N_DRILL_KINDS] = { "kept", "new", "h2", "tls", "slow", "mimic", "cookie" };
	return kind < N_DRILL_KINDS ? names[kind] : "";
}

/* --- may it? --- */

int drill_permits(const struct sockaddr_storage *to, const struct drill_network *own, struct err *err)
{
	if (to->ss_family != AF_INET && to->ss_family != AF_INET6)
		return err_set(err, -EAFNOSUPPORT, "a drill goes to an address of the internet's families");
	if (drill_address_is_loopback(to) || (own && drill_network_has(own, to)))
		return 0;
	return err_set(err, -EPERM,
	               "a drill goes to loopback (127.0.0.0/8, ::1) and to namespaces of its own, to nobody else");
}

/* What becomes part of a request: no bytes that could begin another. */
static int check_text(const char *text, bool path, struct err *err)
{
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p >= 127)
			return err_set(err, -EINVAL, "'%.80s' has characters that no address has", text);
	if (path && *text != '/')
		return err_set(err, -EINVAL, "'%.80s' is no path: it begins with /", text);
	return strlen(text) < 500 ? 0 : err_set(err, -EINVAL, "'%.80s...' is too long", text);
}

static int check_bots(const struct drill *d, const struct drill_bots *b, struct err *err)
{
	struct address_run run;
	if (b->kind >= N_DRILL_KINDS || !b->base || !b->paths)
		return err_set(err, -EINVAL, "bots of no kind, from nowhere, or for nothing");
	if (!(b->rate >= 0 && b->rate <= DRILL_RATE_MAX))
		return err_set(err, -EINVAL, "%g requests a second: 0 to %d", b->rate, DRILL_RATE_MAX);
	if (!b->connections || b->connections > DRILL_CONNECTIONS_MAX)
		return err_set(err, -EINVAL, "%u connections: 1 to %d", b->connections, DRILL_CONNECTIONS_MAX);
	if (b->kind == DRILL_TLS && !d->to_tls.ss_family)
		return err_set(err, -EINVAL, "handshakes need an address where HTTPS is spoken");
	for (const char *const *path = b->paths; *path; path++) {
		const int code = check_text(*path, true, err);
		if (code)
			return code;
	}
	return drill_address_run(&run, b->base, b->sources, b->network48, err);
}

static int check_patients(const struct drill *d, struct err *err)
{
	const struct drill_patients *p = &d->patients;
	struct address_run run;
	if (!p->n)
		return 0;
	if (p->n > DRILL_PATIENTS_MAX || !(p->arrivals > 0) || !(p->think_s >= 0) || !p->base || !p->first)
		return err_set(err, -EINVAL, "patients: 1 to %d of them, and so many a second", DRILL_PATIENTS_MAX);
	if (p->bank.ss_family && (!p->bank_secret || !p->bank_account))
		return err_set(err, -EINVAL, "a bank needs a secret to sign with and an account");
	const int code = check_text(p->first, true, err);
	return code ? code : drill_address_run(&run, p->base, p->sources, false, err);
}

int drill_check(const struct drill *d, struct err *err)
{
	const struct sockaddr_storage *const all[] = { &d->to, &d->to_tls, &d->patients.bank };
	double rate = 0;
	unsigned connections = 0;
	int code = 0;
	if (!d->host || (d->tls ? !d->to_tls.ss_family : !d->to.ss_family))
		return err_set(err, -EINVAL, "a drill needs an address to go to");
	if (!(d->seconds > 0 && d->seconds <= DRILL_SECONDS_MAX) ||
	    !(d->patience_s > 0 && d->patience_s <= DRILL_SECONDS_MAX))
		return err_set(err, -EINVAL, "%g seconds: up to %d", d->seconds, DRILL_SECONDS_MAX);
	if (d->n_bots > DRILL_BOTS_MAX)
		return err_set(err, -EINVAL, "%zu groups of bots: up to %d", d->n_bots, DRILL_BOTS_MAX);
	for (size_t i = 0; i < ARRAY_LEN(all) && !code; i++)
		code = all[i]->ss_family ? drill_permits(all[i], d->own, err) : 0;
	for (size_t i = 0; i < d->n_bots && !code; i++) {
		code = check_bots(d, &d->bots[i], err);
		rate += d->bots[i].rate;
		connections += d->bots[i].connections;
	}
	if (!code && (rate > DRILL_RATE_MAX || connections > DRILL_CONNECTIONS_MAX))
		return err_set(err, -EINVAL, "all bots together: up to %d requests a second on %d connections",
		               DRILL_RATE_MAX, DRILL_CONNECTIONS_MAX);
	if (!code)
		code = check_text(d->host, false, err);
	return code ? code : check_patients(d, err);
}

/* --- processes --- */

struct part {
	pid_t pid;
	int in;
	bool final;
	size_t had; /* of what is told now */
	struct drill_told told;
	struct drill_result last;
};

struct run {
	const struct drill *d;
	struct part parts[PARTS_MAX];
	size_t n;
};

int drill_tell(int out, const struct drill_result *r, bool final)
{
	const struct drill_told told = { *r, final };
	for (size_t done = 0; done < sizeof(told);) {
		const ssize_t n = write(out, (const char *)&told + done, sizeof(told) - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		done += (size_t)n;
	}
	return 0;
}

enum work { WORK_PATIENTS, WORK_BOTS, WORK_MIMICS };

static int work(const struct drill *d, enum work what, size_t i, int out, struct err *err)
{
	if (what == WORK_PATIENTS)
		return drill_patients_run(d, out, err);
	return what == WORK_BOTS ? drill_bots_run(d, out, err) : drill_mimics_run(d, &d->bots[i], out, err);
}

static void child(const struct drill *d, enum work what, size_t i, int out, pid_t parent)
{
	struct err err = { .text = "" };
	struct rlimit files = { DRILL_CONNECTIONS_MAX + 1024, DRILL_CONNECTIONS_MAX + 1024 };
	sigset_t none;
	sigemptyset(&none);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(1);
	prctl(PR_SET_NAME, what == WORK_PATIENTS ? "drill: patients" : "drill: bots", 0, 0, 0);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_IGN); /* of the terminal: the drill itself says when it is over */
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (out > 3) {
		dup2(out, 3);
		out = 3;
	}
	close_range(4, ~0U, 0);
	if (setrlimit(RLIMIT_NOFILE, &files)) {
		getrlimit(RLIMIT_NOFILE, &files);
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	setpriority(PRIO_PROCESS, 0,
	            what == WORK_PATIENTS ? -5 : 5); /* as far as it may: a watch isn't to wait for bots */
	const int code = work(d, what, i, out, &err);
	if (code && code != -EPIPE)
		fprintf(stderr, "drill: %s\n", *err.text ? err.text : strerror(-code));
	_exit(code ? 1 : 0);
}

static int start(struct run *r, enum work what, size_t i, struct err *err)
{
	struct part *p = &r->parts[r->n];
	const pid_t parent = getpid();
	int ends[2];
	if (pipe2(ends, O_CLOEXEC))
		return err_set(err, -errno, "pipe: %m");
	fflush(NULL);
	*p = (struct part){ .pid = fork(), .in = ends[0] };
	if (p->pid == 0)
		child(r->d, what, i, ends[1], parent);
	close(ends[1]);
	if (p->pid < 0) {
		const int code = err_set(err, -errno, "fork: %m");
		close(ends[0]);
		return code;
	}
	r->n++;
	return 0;
}

static void pin(int core)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((unsigned)core, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* What one of them tells. False: it tells no more. */
static bool hear(struct part *p)
{
	const ssize_t n = read(p->in, (char *)&p->told + p->had, sizeof(p->told) - p->had);
	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return false;
	p->had += (size_t)n;
	if (p->had == sizeof(p->told)) {
		p->had = 0;
		p->last = p->told.result;
		p->final = p->told.final;
	}
	return true;
}

static void sum(const struct run *r, struct drill_result *ret)
{
	*ret = (struct drill_result){ 0 };
	for (size_t i = 0; i < r->n; i++)
		drill_result_add(ret, &r->parts[i].last);
}

/* Until all have told what came of it. */
static int listen_to(struct run *r, struct drill_result *ret)
{
	struct pollfd fds[PARTS_MAX];
	const int64_t begin = clock_monotonic(&clock_system);
	const int64_t most = (int64_t)(r->d->seconds + r->d->patience_s + GRACE_S) * CLOCK_S;
	int64_t told = begin;
	size_t open = r->n;
	for (size_t i = 0; i < r->n; i++)
		fds[i] = (struct pollfd){ .fd = r->parts[i].in, .events = POLLIN };
	while (open) {
		poll(fds, r->n, 200);
		for (size_t i = 0; i < r->n; i++)
			if (fds[i].fd >= 0 && fds[i].revents && !hear(&r->parts[i])) {
				fds[i].fd = -1;
				open--;
			}
		const int64_t now = clock_monotonic(&clock_system);
		if (now - begin > most)
			return -ETIMEDOUT;
		if (now - told < CLOCK_S)
			continue;
		told += CLOCK_S;
		sum(r, ret);
		if (r->d->progress && !r->d->progress(r->d->arg, ret))
			return -ECANCELED;
	}
	return 0;
}

int drill_run(const struct drill *d, struct drill_result *ret, struct err *err)
{
	struct run *r = calloc(1, sizeof(*r));
	struct drill_result *result = calloc(1, sizeof(*result));
	bool bots = false, whole = true;
	cpu_set_t before;
	int code = r && result ? drill_check(d, err) : err_set(err, -ENOMEM, "drill: %m");
	sched_getaffinity(0, sizeof(before), &before);
	if (!code && d->core >= 0)
		pin(d->core); /* who is started from here on has it */
	if (!code) {
		r->d = d;
		code = d->patients.n ? start(r, WORK_PATIENTS, 0, err) : 0;
	}
	for (size_t i = 0; i < d->n_bots && !code; i++) {
		bots = bots || d->bots[i].kind != DRILL_MIMIC;
		code = d->bots[i].kind == DRILL_MIMIC ? start(r, WORK_MIMICS, i, err) : 0;
	}
	if (!code && bots)
		code = start(r, WORK_BOTS, 0, err);
	sched_setaffinity(0, sizeof(before), &before);
	const bool ran = !code;
	if (ran)
		code = listen_to(r, result);
	for (size_t i = 0; r && i < r->n; i++) {
		close(r->parts[i].in);
		kill(r->parts[i].pid, SIGKILL);
		while (waitpid(r->parts[i].pid, NULL, 0) < 0 && errno == EINTR)
			continue;
		whole = whole && r->parts[i].final;
	}
	if (ran) {
		sum(r, result);
		*ret = *result;
		if (!code && !whole)
			code = err_set(err, -EIO, "a part of the drill ended before its time");
		else if (code == -ETIMEDOUT)
			err_set(err, code, "the drill didn't end when it should have");
	}
	free(result);
	free(r);
	return code;
}
