#include "cmd/hub_searcher.h"

#include "cmd/hub_admin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int64_t SILENT = 30LL * CLOCK_S, PAUSE = 5LL * CLOCK_S;
static const int64_t LONGEST = 900LL * CLOCK_S; /* a search, its reader's slowness included */
enum { GIVES_UP_S = 120 /* a reader that takes nothing */, NICE = 5, MEMORY = 1 << 30 /* of one search */ };

struct searcher {
	struct searcher_config c;
	int front[SEARCHES], own[SEARCHES]; /* both ends of each socket */
	int beat;                           /* -1: closed */
	pid_t pid;                          /* 0: none */
	int64_t heard, looked, began;       /* monotonic */
	bool killed;
};

/* --- the process --- */

struct slot {
	int fd;
	pid_t pid; /* 0: nothing runs */
	uint64_t number;
	int64_t began;
	bool owes; /* SEARCH_FREE, of `number` */
};

struct process {
	struct slot slots[SEARCHES];
	int signals, beat;
	const struct searcher_config *c;
	char dir[4200];
	struct sandbox *inner; /* of a search */
	/* of the packet that was read last */
	struct search_ask ask;
	char texts[SEARCH_ASK_MAX];
};

static void tell_free(struct process *p, struct slot *s)
{
	const struct search_head head = { .number = s->number, .kind = SEARCH_FREE };
	s->owes = send(s->fd, &head, sizeof(head), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
	          (errno == EAGAIN || errno == EINTR);
}

static void ended(struct process *p, struct slot *s, int status, bool killed)
{
	if (!killed && (!WIFEXITED(status) || WEXITSTATUS(status)))
		log_say(p->c->log, LOG_LEVEL_ERROR, "search-ended",
		        LOG_TEXT("how", WIFSIGNALED(status) ? "signal" : "status"),
		        LOG_NUMBER("number", (uint64_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status))));
	s->pid = 0;
	tell_free(p, s);
}

static void end(struct process *p, struct slot *s)
{
	int status = 0;
	if (!s->pid)
		return;
	kill(s->pid, SIGKILL);
	while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
		;
	ended(p, s, status, true);
}

static void begin(struct process *p, struct slot *s, size_t n)
{
	const pid_t parent = getpid();
	s->number = p->ask.head.number;
	s->began = clock_monotonic(p->c->clock);
	s->pid = fork();
	if (s->pid < 0) {
		log_say(p->c->log, LOG_LEVEL_ERROR, "search-not-started", LOG_TEXT("why", strerror(errno)));
		s->pid = 0;
		tell_free(p, s);
	}
	if (s->pid)
		return;
	prctl(PR_SET_NAME, "khien: search", 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	for (size_t i = 0; i < SEARCHES; i++)
		if (&p->slots[i] != s)
			close(p->slots[i].fd);
	close(p->beat);
	close(p->signals);
	_exit(search_run(s->fd, &p->ask, (struct str){ p->texts, n }, p->dir, p->inner));
}

/* What the front says. */
static void hear(struct process *p, struct slot *s)
{
	struct iovec parts[] = { { &p->ask, sizeof(p->ask) }, { p->texts, sizeof(p->texts) } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = ARRAY_LEN(parts) };
	memset(&p->ask, 0, sizeof(p->ask));
	const ssize_t n = recvmsg(s->fd, &message, MSG_DONTWAIT);
	const struct search_head *head = &p->ask.head;
	if (n < (ssize_t)sizeof(*head) || message.msg_flags & MSG_TRUNC)
		return;
	if (head->kind == SEARCH_STOP && (!head->number || head->number == s->number))
		end(p, s);
	if (head->kind == SEARCH_STOP && !head->number) { /* a new front */
		s->number = 0;
		tell_free(p, s);
	}
	const size_t texts = (size_t)n - (n > (ssize_t)sizeof(p->ask) ? sizeof(p->ask) : (size_t)n);
	if (head->kind != SEARCH_ASK || !texts || p->texts[texts - 1])
		return;
	end(p, s);
	begin(p, s, texts);
}

static void look(struct process *p)
{
	struct signalfd_siginfo info;
	const int64_t now = clock_monotonic(p->c->clock);
	while (read(p->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		;
	for (size_t i = 0; i < SEARCHES; i++) {
		struct slot *s = &p->slots[i];
		int status;
		if (s->pid && waitpid(s->pid, &status, WNOHANG) == s->pid)
			ended(p, s, status, false);
		if (s->pid && now - s->began > LONGEST)
			end(p, s);
	}
}

static int work(struct process *p)
{
	struct pollfd polled[SEARCHES + 1];
	for (;;) {
		for (size_t i = 0; i < SEARCHES; i++)
			polled[i] = (struct pollfd){ .fd = p->slots[i].fd,
				                     .events = POLLIN | (p->slots[i].owes ? POLLOUT : 0) };
		polled[SEARCHES] = (struct pollfd){ .fd = p->signals, .events = POLLIN };
		poll(polled, ARRAY_LEN(polled), 1000);
		if (write(p->beat, "", 1) < 0 && errno == EPIPE)
			return EXIT_SUCCESS;
		look(p);
		for (size_t i = 0; i < SEARCHES; i++) {
			if (polled[i].revents & POLLIN)
				hear(p, &p->slots[i]);
			if (p->slots[i].owes)
				tell_free(p, &p->slots[i]);
		}
	}
}

/* Nothing is kept open but what it needs. */
static void keep(struct process *p)
{
	int kept[SEARCHES + 2] = { p->beat, p->c->log->fd };
	unsigned from = 3;
	for (size_t i = 0; i < SEARCHES; i++)
		kept[i + 2] = p->slots[i].fd;
	for (;;) {
		unsigned next = ~0U;
		for (size_t i = 0; i < ARRAY_LEN(kept); i++)
			if (kept[i] >= (int)from && (unsigned)kept[i] < next)
				next = (unsigned)kept[i];
		if (next > from)
			close_range(from, next == ~0U ? next : next - 1, 0);
		if (next == ~0U)
			return;
		from = next + 1;
	}
}

/* The processes of searches go first when memory is short, and come last when the processor is. */
static void be_modest(void)
{
	const struct rlimit memory = { MEMORY, MEMORY };
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, "800", 3) < 0)
			errno = 0; /* it is no worse than it was */
		close(fd);
	}
	setpriority(PRIO_PROCESS, 0, NICE);
	if (!sandbox_is_sanitized()) /* sanitizers reserve more than there is */
		setrlimit(RLIMIT_DATA, &memory);
}

static int enter(struct process *p, struct err *err)
{
	struct admin admin;
	struct sandbox *outer;
	struct sandbox_report report;
	int code = admin_find(&admin, p->c->data, err);
	if (!code && snprintf(p->dir, sizeof(p->dir), "%s/events", admin.store) >= (int)sizeof(p->dir))
		code = err_set(err, -ENAMETOOLONG, "%m");
	be_modest();
	code = code ? code : admin_become(&admin, err);
	const struct sandbox_config own = { .dir = p->dir, .may = SANDBOX_FILES | SANDBOX_BEGINS };
	const struct sandbox_config inner = { .dir = p->dir, .may = SANDBOX_FILES | SANDBOX_THREADS };
	code = code ? code : sandbox_init(&p->inner, &inner, err);
	code = code ? code : sandbox_init(&outer, &own, err);
	if (!code)
		sandbox_enter(outer, &report);
	for (size_t i = 0; !code && i < SANDBOX_LAYERS; i++)
		if (!report.layer[i].on)
			log_say(p->c->log, LOG_LEVEL_WARNING, "protection-off", LOG_TEXT("process", "searcher"),
			        LOG_TEXT("layer", report.layer[i].name), LOG_TEXT("why", report.layer[i].why));
	return code;
}

/* What was asked before there was this process has no answer. */
static void start_slot(struct process *p, struct slot *s)
{
	const struct timeval longest = { .tv_sec = GIVES_UP_S };
	setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof(longest));
	while (recv(s->fd, p->texts, sizeof(p->texts), MSG_DONTWAIT) >= 0)
		;
	tell_free(p, s);
}

static int process_run(struct searcher *s, int beat)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP,
		                       SIGPIPE }; /* the supervisor ends it, and its death does */
	struct process *p = calloc(1, sizeof(*p));
	struct err err;
	sigset_t set;
	const pid_t parent = getppid();
	prctl(PR_SET_NAME, "khien: searcher", 0, 0, 0);
	if (!p)
		return EXIT_FAILURE;
	p->c = &s->c;
	p->beat = beat;
	for (size_t i = 0; i < SEARCHES; i++)
		p->slots[i].fd = s->own[i];
	if (s->c.forget)
		s->c.forget(s->c.arg);
	keep(p);
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_SETMASK, &set, NULL);
	p->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	for (size_t i = 0; i < SEARCHES; i++)
		start_slot(p, &p->slots[i]);
	tzset(); /* reads a file */
	const int code = p->signals < 0 ? err_set(&err, -errno, "%m") : enter(p, &err);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* a new user takes it away */
	if (code) {
		log_say(s->c.log, LOG_LEVEL_ERROR, "searcher-not-started", LOG_TEXT("why", err.text));
		return EXIT_FAILURE;
	}
	return getppid() == parent ? work(p) : EXIT_SUCCESS;
}

/* --- the supervisor's --- */

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

int searcher_new(struct searcher **ret, const struct searcher_config *config, struct err *err)
{
	struct searcher *s = calloc(1, sizeof(*s));
	int code = s ? 0 : -ENOMEM;
	if (!s)
		return err_set(err, code, "%m");
	*s = (struct searcher){ .c = *config, .beat = -1 };
	for (size_t i = 0; i < SEARCHES; i++)
		s->front[i] = s->own[i] = -1;
	for (size_t i = 0; i < SEARCHES && !code; i++) {
		int ends[2];
		code = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) ? -errno : 0;
		s->front[i] = code ? -1 : ends[0];
		s->own[i] = code ? -1 : ends[1];
	}
	if (code) {
		searcher_free(s);
		return err_set(err, code, "make a socket pair: %m");
	}
	*ret = s;
	return 0;
}

void searcher_leave(struct searcher *s, bool is_front, int ends[SEARCHES])
{
	close_all(s->own, SEARCHES);
	if (!is_front)
		close_all(s->front, SEARCHES);
	if (s->beat >= 0)
		close(s->beat);
	for (size_t i = 0; is_front && i < SEARCHES; i++)
		ends[i] = s->front[i];
}

static void start(struct searcher *s, int64_t now)
{
	int beat[2];
	if (pipe2(beat, O_CLOEXEC | O_NONBLOCK))
		return;
	s->pid = fork();
	if (!s->pid) {
		close(beat[0]);
		const int status = process_run(s, beat[1]);
		fflush(NULL);
		_exit(status);
	}
	close(beat[1]);
	s->beat = beat[0];
	s->heard = s->began = now;
	s->killed = false;
	if (s->pid < 0) {
		log_say(s->c.log, LOG_LEVEL_ERROR, "searcher-not-started", LOG_TEXT("why", strerror(errno)));
		s->pid = 0;
	}
}

static void reap(struct searcher *s)
{
	int status;
	if (!s->pid || waitpid(s->pid, &status, WNOHANG) != s->pid)
		return;
	log_say(s->c.log, LOG_LEVEL_ERROR, "process-ended", LOG_TEXT("process", "searcher"),
	        LOG_NUMBER(WIFSIGNALED(status) ? "signal" : "status",
	                   (uint64_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status))));
	s->pid = 0;
}

void searcher_look(struct searcher *s, int64_t now)
{
	char bytes[64];
	ssize_t n = -1;
	while (s->beat >= 0 && (n = read(s->beat, bytes, sizeof(bytes))) > 0)
		s->heard = now;
	if (s->looked && now - s->looked > PAUSE) /* nothing ran meanwhile */
		s->heard += now - s->looked;
	s->looked = now;
	reap(s);
	if (s->pid && !s->killed && now - s->heard > SILENT) {
		log_say(s->c.log, LOG_LEVEL_ERROR, "process-silent", LOG_TEXT("process", "searcher"));
		kill(s->pid, SIGKILL);
		s->killed = true;
	}
	if (s->pid)
		return;
	if (s->beat >= 0)
		close(s->beat);
	s->beat = -1;
	if (!s->began || now - s->began > PAUSE)
		start(s, now);
}

void searcher_free(struct searcher *s)
{
	int status;
	if (!s)
		return;
	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close_all(s->front, SEARCHES);
	close_all(s->own, SEARCHES);
	close_all(&s->beat, 1);
	free(s);
}
