/* A taker that remembers what it was given, a loop that runs until something has come, sockets on loopback. */
#ifndef KHIEN_COLLECT_TAKER_TEST_H
#define KHIEN_COLLECT_TAKER_TEST_H

#include "collect/collect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { GOT_MAX = 20000, NAMES_MAX = 64 };

struct got {
	struct clock clock; /* the real one, moved on by monotonic_us */
	struct loop *loop;
	struct taker taker;
	struct {
		char *text;
		const struct sender *sender;
	} at[GOT_MAX];
	size_t n;
	int room; /* batches that it takes before it has no room */
	size_t batches, refusals;
	size_t skips;
	char skipped[128], note_a[128], note_b[256];
	size_t notes[N_COLLECT_NOTES];
	struct sender senders[NAMES_MAX];
	size_t n_senders;
	size_t wanted; /* pump() ends when so many have come */
	int64_t until;
};

static int64_t got_wall(const struct clock *c)
{
	return clock_wall(&clock_system) + c->wall_us;
}

static int64_t got_monotonic(const struct clock *c)
{
	return clock_monotonic(&clock_system) + c->monotonic_us;
}

static int got_take(void *arg, struct origin *o, struct batch *b)
{
	struct got *g = arg;
	if (!g->room) {
		g->refusals++;
		return -EAGAIN;
	}
	g->room -= g->room != INT_MAX;
	g->batches++;
	for (size_t i = 0; i < b->n_records; i++) {
		assert_true(g->n < GOT_MAX);
		const struct str bytes = b->records[i].bytes;
		char *text = malloc(bytes.n + 1);
		assert_non_null(text);
		memcpy(text, bytes.p, bytes.n);
		text[bytes.n] = '\0';
		g->at[g->n].text = text;
		g->at[g->n++].sender = o->sender;
	}
	o->time = b->now;
	batch_free(b);
	return 0;
}

static void got_skip(void *arg, struct origin *o, uint64_t line, const char *reason)
{
	struct got *g = arg;
	g->skips++;
	snprintf(g->skipped, sizeof(g->skipped), "%s", reason);
}

static void got_note(void *arg, enum log_level level, enum collect_note what, const char *a, const char *b)
{
	struct got *g = arg;
	g->notes[what]++;
	snprintf(g->note_a, sizeof(g->note_a), "%s", a);
	snprintf(g->note_b, sizeof(g->note_b), "%s", b ? b : "");
}

static struct sender *got_sender(void *arg, struct str name)
{
	struct got *g = arg;
	for (size_t i = 0; i < g->n_senders; i++)
		if (str_eq(str_from(g->senders[i].name), name))
			return &g->senders[i];
	assert_true(g->n_senders < NAMES_MAX && name.n < SENDER_NAME);
	memcpy(g->senders[g->n_senders].name, name.p, name.n);
	return &g->senders[g->n_senders++];
}

static int got_timer(void *arg, int what)
{
	struct got *g = arg;
	return g->n >= g->wanted || clock_monotonic(&clock_system) > g->until ? 1 : 0;
}

static struct got *got_new(void)
{
	struct got *g = calloc(1, sizeof(*g));
	g->clock = (struct clock){ got_wall, got_monotonic, 0, 0 };
	g->room = INT_MAX;
	g->taker = (struct taker){ got_take, got_skip, got_note, got_sender, NULL, NULL, g };
	assert_int_equal(loop_new(&g->loop, &g->clock, NULL), 0);
	assert_int_equal(loop_every(g->loop, 2000, got_timer, g, NULL), 0);
	return g;
}

static void got_reset(struct got *g)
{
	while (g->n)
		free(g->at[--g->n].text);
}

static void got_free(struct got *g)
{
	got_reset(g);
	loop_free(g->loop);
	free(g);
}

static inline int got_slow(void)
{
	return getenv("KHIEN_SLOW") ? 4 : 1;
}

/* Runs the loop until so many records are there (in all), 10 s at most; SIZE_MAX: for `ms`. */
static inline void pump(struct got *g, size_t wanted, int ms)
{
	g->wanted = wanted;
	g->until = clock_monotonic(&clock_system) + (wanted == SIZE_MAX ? ms : 10000 * got_slow()) * (int64_t)CLOCK_MS;
	assert_int_equal(loop_run(g->loop), 1);
	if (wanted != SIZE_MAX)
		assert_int_equal(g->n, wanted);
}

static void later(struct got *g, int64_t us)
{
	g->clock.monotonic_us += us;
}

/* A port of 127.0.0.1 that the kernel chose; its number. */
static inline int bound(int type, unsigned short *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(type == SOCK_STREAM ? listen(fd, 128) : 0, 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

/* Connected to it, from 127.0.0.`from`; blocks. */
static inline int connected(int type, unsigned char from, unsigned short port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1u + from) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in.sin_port = htons(port);
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

static inline void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

#endif
