#include "cmd/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const int64_t PATIENCE = 2LL * CLOCK_S, STALL = 200LL * CLOCK_MS, PUSH = 20LL * CLOCK_MS;
enum { SHARE = 10 /* of so many seconds one may be waited */ };

void outlet_unblock(int fd)
{
	char path[32];
	struct stat st;
	if (fstat(fd, &st))
		return;
	if (S_ISSOCK(st.st_mode)) { /* can't be opened; as a rule it is a service's own */
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		return;
	}
	if (!S_ISFIFO(st.st_mode) && !isatty(fd))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		return;
	dup2(own, fd);
	close(own);
}

void outlet_init(struct outlet *o, int fd, const struct clock *clock)
{
	struct stat st;
	const int flags = fcntl(fd, F_GETFL);
	*o = (struct outlet){ .fd = fd, .clock = clock, .patience = PATIENCE };
	o->refilled = clock_monotonic(clock);
	if (fstat(fd, &st))
		return;
	o->is_socket = S_ISSOCK(st.st_mode);
	o->may_block = (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) && flags >= 0 && !(flags & O_NONBLOCK);
}

void outlet_done(struct outlet *o)
{
	buf_free(&o->held);
}

static ssize_t put(struct outlet *o, struct str s)
{
	struct pollfd p = { .fd = o->fd, .events = POLLOUT };
	if (o->is_socket)
		return send(o->fd, s.p, s.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (o->may_block) { /* where there is room at all, there is for so much */
		s = str_sub(s, 0, PIPE_BUF);
		if (poll(&p, 1, 0) <= 0) {
			errno = EAGAIN;
			return -1;
		}
	}
	return write(o->fd, s.p, s.n);
}

/* What was read goes; half at a time is moved, so that each byte is but once. */
static void drop_sent(struct outlet *o)
{
	if (o->failed || o->sent == o->held.n) {
		buf_free(&o->held);
		o->held = (struct buf){ 0 };
		o->sent = 0;
	} else if (o->sent >= o->held.n / 2) {
		memmove(o->held.p, o->held.p + o->sent, o->held.n - o->sent);
		o->held.n -= o->sent;
		o->sent = 0;
	}
}

int outlet_flush(struct outlet *o)
{
	while (!o->failed && o->sent < o->held.n) {
		ssize_t n = put(o, (struct str){ o->held.p + o->sent, o->held.n - o->sent });
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno != EINTR)
			o->failed = -errno;
		o->sent += n > 0 ? (size_t)n : 0;
		o->stalled &= n <= 0;
	}
	drop_sent(o);
	return o->failed;
}

/* Until there is room again. False: there is none, and nobody waits any longer. */
static bool wait_for_reader(struct outlet *o, int64_t most)
{
	struct pollfd p = { .fd = o->fd, .events = POLLOUT };
	const int64_t now = clock_monotonic(o->clock);
	o->patience += (now - o->refilled) / SHARE;
	o->patience = o->patience < PATIENCE ? o->patience : PATIENCE;
	o->refilled = now;
	if (o->stalled || o->patience < CLOCK_MS)
		return false;
	most = o->patience < most ? o->patience : most;
	const bool room = poll(&p, 1, (int)(most / CLOCK_MS)) > 0;
	o->patience -= clock_monotonic(o->clock) - now;
	o->stalled = !room;
	return room;
}

int outlet_write(struct outlet *o, struct str text)
{
	while (!outlet_flush(o) && o->held.n && o->held.n + text.n > OUTLET_HELD)
		if (!wait_for_reader(o, STALL))
			break;
	if (o->failed)
		return o->failed;
	if (o->held.n && o->held.n + text.n > OUTLET_HELD) {
		o->shed++;
		return 0;
	}
	buf_add(&o->held, text);
	o->shed += o->held.failed;
	o->held.failed = false;
	return outlet_flush(o);
}

int outlet_push(struct outlet *o)
{
	const int64_t until = clock_monotonic(o->clock) + PUSH;
	while (!outlet_flush(o) && o->held.n && clock_monotonic(o->clock) < until && wait_for_reader(o, PUSH))
		continue;
	return o->failed;
}

int outlet_end(struct outlet *o)
{
	o->stalled = false;
	o->patience = PATIENCE;
	while (!outlet_flush(o) && o->held.n && wait_for_reader(o, STALL))
		continue;
	return o->failed;
}

uint64_t outlet_recovered(struct outlet *o)
{
	const uint64_t n = o->held.n ? 0 : o->shed - o->told;
	o->told += n;
	return n;
}
