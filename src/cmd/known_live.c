#include "cmd/known_live.h"

#include "cmd/known.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint64_t MAX_BLOCK = 1ull << 30;

struct known_live {
	struct known_live_config c;
	int fd; /* of the pipe; -1: nothing is under way */
	struct known_head head;
	size_t got; /* bytes, of the head and the block */
	char *block;
};

int known_live_new(struct known_live **ret, const struct known_live_config *config, struct err *err)
{
	struct known_live *k = malloc(sizeof(*k));
	if (!k)
		return err_set(err, -ENOMEM, "%m");
	*k = (struct known_live){ .c = *config, .fd = -1 };
	*ret = k;
	return 0;
}

static void give_up(struct known_live *k)
{
	if (k->fd >= 0) {
		loop_unwatch(k->c.loop, k->fd);
		close(k->fd);
	}
	if (k->block)
		munmap(k->block, k->head.size);
	k->fd = -1;
	k->block = NULL;
	k->got = 0;
}

void known_live_free(struct known_live *k)
{
	if (k)
		give_up(k);
	free(k);
}

static int refuse(struct known_live *k, const char *why)
{
	give_up(k);
	k->c.refused(k->c.arg, why);
	return 0;
}

static int take(struct known_live *k)
{
	struct intel_set *set;
	struct err err = { 0 };
	void *block = k->block;
	k->block = NULL; /* goes to the set */
	if (intel_set_open(&set, block, k->head.size, true, &err))
		return refuse(k, err.text);
	give_up(k);
	return k->c.use(k->c.arg, set, k->head.stamp);
}

/* The head is here: room for what follows. */
static const char *begin_block(struct known_live *k)
{
	k->head.why[sizeof(k->head.why) - 1] = '\0';
	if (k->head.code)
		return k->head.why;
	if (!k->head.size || k->head.size > MAX_BLOCK)
		return "the set of indicators is too big";
	void *p = mmap(NULL, k->head.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return "no memory for the set of indicators";
	k->block = p;
	return NULL;
}

static int on_bytes(void *arg, int fd)
{
	struct known_live *k = arg;
	const char *why = NULL;
	bool in_head = k->got < sizeof(k->head);
	size_t all = sizeof(k->head) + (in_head ? 0 : k->head.size);
	char *to = in_head ? (char *)&k->head + k->got : k->block + (k->got - sizeof(k->head));
	char extra;
	ssize_t n = k->got < all ? read(fd, to, all - k->got) : read(fd, &extra, 1);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : refuse(k, "the set of indicators can't be read");
	if (n == 0 && !in_head && k->got == all)
		return take(k);
	if (n == 0 || (!in_head && k->got == all))
		return refuse(k, "the process that makes the set of indicators ended early");
	k->got += (size_t)n;
	if (in_head && k->got == sizeof(k->head))
		why = begin_block(k);
	return why ? refuse(k, why) : 0;
}

int known_live_start(struct known_live *k)
{
	struct err err = { 0 };
	int fd = -1;
	give_up(k); /* what is under way is out of date: the opener ends it */
	if (opener_open(k->c.opener, k->c.item, NULL, &fd, &err) <= 0)
		return refuse(k, err.text);
	if (loop_watch(k->c.loop, fd, on_bytes, k, &err)) {
		close(fd);
		return refuse(k, err.text);
	}
	k->fd = fd;
	return 0;
}

bool known_live_busy(const struct known_live *k)
{
	return k->fd >= 0;
}

int known_live_wait(struct known_live *k, int timeout_ms)
{
	struct pollfd p = { .fd = k->fd, .events = POLLIN };
	return poll(&p, 1, timeout_ms) > 0 ? on_bytes(k, k->fd) : 0;
}
