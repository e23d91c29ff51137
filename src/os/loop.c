#include "os/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { MAX_WATCHES = 2048, MAX_TIMERS = 8, BURST = 32 };

struct watch {
	int fd; /* -1: free */
	loop_fn *fn;
	void *arg;
};

struct timer {
	int64_t every, next;
	loop_fn *fn;
	void *arg;
};

struct loop {
	const struct clock *clock;
	int epoll, signals;
	bool stopped;
	loop_fn *on_signal;
	void *signal_arg;
	int (*before)(void *arg);
	void *before_arg;
	struct watch watches[MAX_WATCHES];
	struct timer timers[MAX_TIMERS];
	size_t n_watches, n_timers; /* n_watches: slots ever used */
};

int loop_new(struct loop **ret, const struct clock *clock, struct err *err)
{
	struct loop *l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(err, -ENOMEM, "event loop: %m");
	*l = (struct loop){ .clock = clock, .epoll = epoll_create1(EPOLL_CLOEXEC), .signals = -1 };
	if (l->epoll < 0) {
		int code = err_set(err, -errno, "event loop: %m");
		free(l);
		return code;
	}
	*ret = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	if (l->signals >= 0)
		close(l->signals);
	close(l->epoll);
	free(l);
}

int loop_watch(struct loop *l, int fd, loop_fn *fn, void *arg, struct err *err)
{
	size_t i = 0;
	while (i < l->n_watches && l->watches[i].fd >= 0)
		i++;
	if (i == MAX_WATCHES)
		return err_set(err, -EMFILE, "more than %d descriptors to watch", MAX_WATCHES);
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = i };
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e))
		return err_set(err, -errno, "watch a descriptor: %m");
	l->watches[i] = (struct watch){ fd, fn, arg };
	if (i == l->n_watches)
		l->n_watches++;
	return 0;
}

void loop_writable(struct loop *l, int fd, bool on)
{
	for (size_t i = 0; i < l->n_watches; i++) {
		if (l->watches[i].fd != fd)
			continue;
		struct epoll_event e = { .events = EPOLLIN | (on ? EPOLLOUT : 0), .data.u64 = i };
		epoll_ctl(l->epoll, EPOLL_CTL_MOD, fd, &e);
	}
}

void loop_unwatch(struct loop *l, int fd)
{
	for (size_t i = 0; i < l->n_watches; i++) {
		if (l->watches[i].fd != fd)
			continue;
		epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
		l->watches[i].fd = -1;
	}
}

int loop_every(struct loop *l, int64_t us, loop_fn *fn, void *arg, struct err *err)
{
	if (l->n_timers == MAX_TIMERS)
		return err_set(err, -EMFILE, "more than %d timers", MAX_TIMERS);
	l->timers[l->n_timers++] = (struct timer){ us, clock_monotonic(l->clock) + us, fn, arg };
	return 0;
}

void loop_soon(struct loop *l, loop_fn *fn)
{
	for (size_t i = 0; i < l->n_timers; i++)
		if (l->timers[i].fn == fn)
			l->timers[i].next = clock_monotonic(l->clock);
}

static int read_signals(void *arg, int fd)
{
	struct loop *l = arg;
	struct signalfd_siginfo info;
	int code = 0;
	while (!code && read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		code = l->on_signal(l->signal_arg, (int)info.ssi_signo);
	return code;
}

int loop_signals(struct loop *l, const int *signals, loop_fn *fn, void *arg, struct err *err)
{
	sigset_t set;
	sigemptyset(&set);
	for (; *signals; signals++)
		sigaddset(&set, *signals);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return err_set(err, -errno, "block signals: %m");
	l->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (l->signals < 0)
		return err_set(err, -errno, "read signals: %m");
	l->on_signal = fn;
	l->signal_arg = arg;
	return loop_watch(l, l->signals, read_signals, l, err);
}

/* Calls what is due; *wait becomes the ms until the next is. */
static int run_timers(struct loop *l, int *wait)
{
	int64_t nearest = -1;
	for (size_t i = 0; i < l->n_timers; i++) {
		struct timer *t = &l->timers[i];
		int64_t now = clock_monotonic(l->clock);
		if (t->next <= now) {
			t->next = now + t->every; /* before the call, which may bring it forward */
			int code = t->fn(t->arg, 0);
			if (code || l->stopped)
				return code;
		}
		if (nearest < 0 || t->next < nearest)
			nearest = t->next;
	}
	int64_t left = nearest < 0 ? -1 : nearest - clock_monotonic(l->clock);
	*wait = nearest < 0 ? -1 : left <= 0 ? 0 : (int)((left + CLOCK_MS - 1) / CLOCK_MS);
	return 0;
}

void loop_before(struct loop *l, int (*fn)(void *arg), void *arg)
{
	l->before = fn;
	l->before_arg = arg;
}

int loop_run(struct loop *l)
{
	struct epoll_event events[BURST];
	while (!l->stopped) {
		int wait, code = run_timers(l, &wait);
		if (!code && l->before && !l->stopped)
			code = l->before(l->before_arg);
		if (code || l->stopped)
			return code;
		int n = epoll_wait(l->epoll, events, BURST, wait);
		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n && !l->stopped; i++) {
			/* a function before this one may have taken the watch away; another in its place just finds
			 * nothing to read, as all descriptors here are non-blocking */
			struct watch *w = &l->watches[events[i].data.u64];
			code = w->fd >= 0 ? w->fn(w->arg, w->fd) : 0;
			if (code)
				return code;
		}
	}
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
}

bool loop_stopped(struct loop *l)
{
	if (!l->stopped && l->signals >= 0)
		read_signals(l, l->signals);
	return l->stopped;
}
