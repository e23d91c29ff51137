#include "cmd/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void both(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
}

void interrupt_begin(struct interrupt *i)
{
	sigset_t set;
	both(&set);
	*i = (struct interrupt){ .fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC) };
	if (i->fd >= 0)
		sigprocmask(SIG_BLOCK, &set, NULL);
}

bool interrupt_came(struct interrupt *i)
{
	struct signalfd_siginfo info;
	if (i->fd >= 0 && !i->came && read(i->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		/* A second one ends the program at once, whatever it is at. */
		sigset_t set;
		both(&set);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		i->came = true;
	}
	return i->came;
}

void interrupt_end(struct interrupt *i)
{
	sigset_t set;
	if (i->fd < 0)
		return;
	both(&set);
	close(i->fd);
	i->fd = -1;
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}
