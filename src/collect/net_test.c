/* The syslog listeners over real sockets: senders, framing, bounds, and a taker that has no room. */
#include "collect/taker_test.h"

#include <sys/resource.h>
#include <time.h>

static struct got *g;
static struct listener *l;
static unsigned short port;

static int setup(void **state)
{
	g = got_new();
	return 0;
}

static int teardown(void **state)
{
	listener_free(l);
	l = NULL;
	got_free(g);
	return 0;
}

static void listen_on(enum opener_kind kind, int fd, unsigned max_connections)
{
	const struct listener_config config = {
		.kind = kind,
		.fd = fd,
		.name = "here",
		.taker = &g->taker,
		.loop = g->loop,
		.clock = &g->clock,
		.max_connections = max_connections,
	};
	struct err err = { 0 };
	if (listener_new(&l, &config, &err))
		fail_msg("%s", err.text);
}

static void listen_here(enum opener_kind kind, unsigned max_connections)
{
	listen_on(kind, bound(kind == OPENER_UDP ? SOCK_DGRAM : SOCK_STREAM, &port), max_connections);
}

/* µs of processor time that this process takes while nothing but the loop runs for 0.3 s. */
static int64_t busy(void)
{
	struct timespec before, after;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	pump(g, SIZE_MAX, 300);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	return (after.tv_sec - before.tv_sec) * (int64_t)CLOCK_S + (after.tv_nsec - before.tv_nsec) / 1000;
}

/* The other side was closed: within a second's worth of turns. */
static bool is_closed(int fd)
{
	char c;
	for (int i = 0; i < 50; i++) {
		ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return true;
		pump(g, SIZE_MAX, 5);
	}
	return false;
}

static void test_datagrams(void **state)
{
	listen_here(OPENER_UDP, 0);
	int a = connected(SOCK_DGRAM, 1, port), b = connected(SOCK_DGRAM, 2, port);
	say(a, "<13>one");
	say(b, "<13>two");
	say(a, "  <13>three\nfour\n\n");
	say(b, "\n \n");
	say(b, "<13>five");
	pump(g, 4, 0);
	assert_int_equal(g->batches, 2); /* a batch has one sender, a sender one batch */
	assert_string_equal(g->at[0].text, "<13>one");
	assert_string_equal(g->at[1].text, "<13>three four");
	assert_string_equal(g->at[2].text, "<13>two");
	assert_string_equal(g->at[3].text, "<13>five");
	assert_string_equal(g->at[1].sender->name, "syslog-udp 127.0.0.1");
	assert_string_equal(g->at[3].sender->name, "syslog-udp 127.0.0.2");
	close(a);
	close(b);
}

/* Nothing that was read is lost, and what comes meanwhile waits in the kernel. */
static void test_datagrams_wait(void **state)
{
	listen_here(OPENER_UDP, 0);
	int a = connected(SOCK_DGRAM, 1, port), b = connected(SOCK_DGRAM, 2, port);
	char text[32];
	g->room = 0;
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "<13>%d", i);
		say(i % 3 ? a : b, text);
	}
	pump(g, SIZE_MAX, 30);
	say(a, "<13>late");
	pump(g, SIZE_MAX, 30);
	assert_int_equal(g->n, 0);
	assert_int_equal(g->refusals, 1); /* it isn't asked again and again */
	g->room = 1;
	assert_int_equal(listener_room(l), 0);
	size_t some = g->n;
	assert_true(some > 0 && some < 100);
	g->room = INT_MAX;
	assert_int_equal(listener_room(l), 0);
	pump(g, 101, 0);
	for (size_t i = 0; i < 100; i++)
		for (size_t k = i + 1; k < 100; k++)
			if (g->at[i].sender == g->at[k].sender)
				assert_true(strtol(g->at[i].text + 4, NULL, 10) < strtol(g->at[k].text + 4, NULL, 10));
	assert_string_equal(g->at[100].text, "<13>late");
	/* and where it never finds room, that is counted with its sender */
	g->room = 0;
	say(b, "<13>lost");
	pump(g, SIZE_MAX, 30);
	struct sender *sender = got_sender(g, STR("syslog-udp 127.0.0.2"));
	listener_free(l);
	l = NULL;
	assert_int_equal(sender->refused, 1);
	close(a);
	close(b);
}

static void test_datagrams_dropped(void **state)
{
	enum { SENT = 500 };
	const int small = 4096;
	char bytes[1400];
	listen_here(OPENER_UDP, 0);
	int fd = bound(SOCK_DGRAM, &port), a = connected(SOCK_DGRAM, 1, port);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	listener_free(l);
	memset(bytes, 'x', sizeof(bytes));
	for (int i = 0; i < SENT; i++)
		assert_int_equal(send(a, bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
	listen_on(OPENER_UDP, fd, 0);
	pump(g, SIZE_MAX, 30);
	assert_int_equal(listener_tick(l), 0); /* also where nobody sends any more */
	assert_true(listener_counts(l).dropped > 0);
	assert_int_equal(listener_counts(l).dropped + g->n, SENT);
	say(a, "<13>hello");
	pump(g, SIZE_MAX, 30);
	assert_int_equal(listener_tick(l), 0);
	assert_int_equal(listener_counts(l).dropped + g->n, SENT + 1);
	assert_int_equal(listener_shed(l), listener_counts(l).dropped);
	close(a);
}

/* "[::]" is every address, and a peer of IPv4 is called as it calls itself. */
static void test_both_families(void **state)
{
	char address[32];
	int fd = bound(SOCK_DGRAM, &port), s = -1;
	close(fd);
	snprintf(address, sizeof(address), "[::]:%u", port);
	const struct opener_item items[] = { { .kind = OPENER_UDP, .name = address } };
	struct opener *o;
	int v6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 to = { .sin6_family = AF_INET6,
		                   .sin6_addr = IN6ADDR_LOOPBACK_INIT,
		                   .sin6_port = htons(port) };
	if (v6 < 0 ||
	    bind(v6, (struct sockaddr *)&(struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = to.sin6_addr },
	         sizeof(to))) {
		close(v6);
		print_message("SKIP: this machine has no IPv6\n");
		skip();
	}
	assert_int_equal(opener_start(&o, items, 1, NULL), 0);
	assert_int_equal(opener_open(o, 0, NULL, &fd, NULL), 1);
	opener_free(o);
	listen_on(OPENER_UDP, fd, 0);
	s = connected(SOCK_DGRAM, 3, port);
	say(s, "<13>four");
	assert_int_equal(sendto(v6, "<13>six", 7, 0, (struct sockaddr *)&to, sizeof(to)), 7);
	pump(g, 2, 0);
	assert_string_equal(g->at[0].sender->name, "syslog-udp 127.0.0.3");
	assert_string_equal(g->at[1].sender->name, "syslog-udp ::1");
	close(s);
	close(v6);
}

/* Wherever the stream is cut, the messages are the same. */
static void test_cut_anywhere(void **state)
{
	static const char *const streams[] = {
		"<13>one\n<13>two\r\n\n<13>three\n",
		"8 <13>one\n9 <13>two\n.10 <13>three ",
	};
	static const char *const wanted[][3] = {
		{ "<13>one", "<13>two", "<13>three" },
		{ "<13>one", "<13>two .", "<13>three " },
	};
	listen_here(OPENER_TCP, 0);
	for (size_t k = 0; k < ARRAY_LEN(streams); k++) {
		for (size_t cut = 1; cut < strlen(streams[k]); cut++) {
			int fd = connected(SOCK_STREAM, 1, port);
			assert_int_equal(send(fd, streams[k], cut, 0), (ssize_t)cut);
			pump(g, SIZE_MAX, 3);
			say(fd, streams[k] + cut);
			pump(g, 3, 0);
			for (size_t i = 0; i < 3; i++)
				assert_string_equal(g->at[i].text, wanted[k][i]);
			assert_string_equal(g->at[0].sender->name, "syslog-tcp 127.0.0.1");
			close(fd);
			pump(g, SIZE_MAX, 3);
			got_reset(g);
		}
	}
	assert_int_equal(listener_counts(l).connections, 0);
	assert_int_equal(listener_counts(l).lost, 0);
	assert_int_equal(g->skips, 0);
}

static void test_ends(void **state)
{
	listen_here(OPENER_TCP, 0);
	int fd = connected(SOCK_STREAM, 1, port);
	say(fd, "<13>no line break"); /* as a person with a shell sends it */
	close(fd);
	pump(g, 1, 0);
	assert_string_equal(g->at[0].text, "<13>no line break");
	fd = connected(SOCK_STREAM, 1, port);
	say(fd, "7 <13>one200 <13>and two is cut"); /* its length says that it isn't whole */
	close(fd);
	pump(g, 2, 0);
	pump(g, SIZE_MAX, 30);
	assert_int_equal(g->n, 2);
	assert_int_equal(listener_counts(l).lost, 1);
	assert_non_null(strstr(g->skipped, "cut off"));
	fd = connected(SOCK_STREAM, 1, port);
	say(fd, "7 <13>one<13>where is its length?"); /* whoever can't count is not listened to any further */
	assert_true(is_closed(fd));
	close(fd);
	assert_int_equal(g->n, 3);
	assert_non_null(strstr(g->skipped, "without its length"));
	fd = connected(SOCK_STREAM, 1, port);
	say(fd, "12345678 x");
	assert_true(is_closed(fd));
	close(fd);
	assert_int_equal(listener_counts(l).connections, 0);
}

static void send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		assert_true(done > 0 || errno == EAGAIN);
		p += done > 0 ? done : 0;
		n -= done > 0 ? (size_t)done : 0;
		pump(g, SIZE_MAX, 3);
	}
}

/* Too long, not text, nothing at all: skipped in bounded memory, and what follows is read. */
static void test_garbage(void **state)
{
	enum { LONG = 3 << 20 };
	char *bytes = malloc(LONG);
	uint32_t x = 1;
	listen_here(OPENER_TCP, 0);
	int line = connected(SOCK_STREAM, 1, port), counted = connected(SOCK_STREAM, 1, port);
	memset(bytes, 'x', LONG);
	send_all(line, bytes, LONG);
	say(line, "\n<13>after\n");
	pump(g, 1, 0);
	say(counted, "3145728 ");
	send_all(counted, bytes, LONG);
	say(counted, "9 <13>after");
	pump(g, 2, 0);
	assert_string_equal(g->at[0].text, "<13>after");
	assert_string_equal(g->at[1].text, "<13>after");
	assert_int_equal(g->skips, 2);
	for (size_t i = 0; i < 1 << 20; i++)
		bytes[i] = (char)((x = x * 1664525 + 1013904223) >> 24);
	bytes[0] = '<';
	send_all(line, bytes, 1 << 20);
	say(line, "\n<13>still here\n");
	for (int i = 0; i < 100 && (!g->n || strcmp(g->at[g->n - 1].text, "<13>still here") != 0); i++)
		pump(g, SIZE_MAX, 10);
	assert_string_equal(g->at[g->n - 1].text, "<13>still here");
	free(bytes);
	close(line);
	close(counted);
}

/* First bytes by which a file would be taken for UTF-16. */
static void test_first_bytes(void **state)
{
	listen_here(OPENER_TCP, 0);
	int fd = connected(SOCK_STREAM, 1, port);
	say(fd, "\xff\xfe<\n<13>one\n");
	pump(g, 2, 0);
	assert_string_equal(g->at[1].text, "<13>one");
	close(fd);
	listener_free(l);
	listen_here(OPENER_UDP, 0);
	fd = connected(SOCK_DGRAM, 1, port);
	say(fd, "\xfe\xff<13>");
	say(fd, "<13>two");
	pump(g, 4, 0);
	assert_string_equal(g->at[3].text, "<13>two");
	close(fd);
}

/* Sends line after line. */
struct talker {
	int fd;
	size_t line, at; /* bytes of that line that are sent */
};

static bool talk(struct talker *t, bool to_the_end)
{
	char text[1200];
	memset(text, 'x', sizeof(text));
	snprintf(text, 16, "<13>%011zu", t->line);
	text[15] = ' ';
	text[sizeof(text) - 1] = '\n';
	if (to_the_end && !t->at)
		return false;
	ssize_t n = send(t->fd, text + t->at, sizeof(text) - t->at, MSG_DONTWAIT);
	t->at += n > 0 ? (size_t)n : 0;
	t->line += t->at == sizeof(text);
	t->at %= sizeof(text);
	return n > 0;
}

/* No room: nobody is read, whoever goes on sending finds that the other side doesn't take it, and nothing is lost. */
static void test_streams_wait(void **state)
{
	listen_here(OPENER_TCP, 0);
	struct talker a = { connected(SOCK_STREAM, 1, port), 0, 0 }, b = { connected(SOCK_STREAM, 2, port), 0, 0 };
	int leaves = connected(SOCK_STREAM, 3, port);
	g->room = 0;
	say(leaves, "<13>gone");
	close(leaves);
	pump(g, SIZE_MAX, 20);
	for (int idle = 0; idle < 20; idle++) {
		while ((int)talk(&a, false) | (int)talk(&b, false))
			idle = 0;
		pump(g, SIZE_MAX, 2);
	}
	assert_int_equal(g->n, 0);
	assert_true(busy() < 100 * CLOCK_MS); /* and it isn't asked again and again whether it may be read */
	assert_true(g->refusals < 20 && a.line > 100 && b.line > 100);
	g->room = INT_MAX;
	assert_int_equal(listener_room(l), 0);
	while ((int)talk(&a, true) | (int)talk(&b, true) || a.at || b.at)
		pump(g, SIZE_MAX, 2);
	pump(g, a.line + b.line + 1, 0);
	unsigned long next[2] = { 0 };
	size_t gone = 0;
	for (size_t i = 0; i < g->n; i++) {
		int who = strcmp(g->at[i].sender->name, "syslog-tcp 127.0.0.2") == 0;
		if (strcmp(g->at[i].text, "<13>gone") == 0)
			gone++;
		else
			assert_int_equal(strtoul(g->at[i].text + 4, NULL, 10), next[who]++);
	}
	assert_int_equal(gone, 1);
	assert_int_equal(listener_counts(l).connections, 2);
	close(a.fd);
	close(b.fd);
}

/* Two of eight may be one peer's. */
static void test_share(void **state)
{
	int fd[12];
	listen_here(OPENER_TCP, 8);
	for (int i = 0; i < 3; i++)
		fd[i] = connected(SOCK_STREAM, 1, port);
	assert_true(is_closed(fd[2]));
	assert_int_equal(listener_counts(l).connections, 2);
	assert_int_equal(listener_counts(l).refused, 1);
	for (int i = 3; i < 9; i++)
		fd[i] = connected(SOCK_STREAM, (unsigned char)i, port);
	pump(g, SIZE_MAX, 20);
	assert_int_equal(listener_counts(l).connections, 8);
	fd[9] = connected(SOCK_STREAM, 9, port); /* full, and all are fresh */
	assert_true(is_closed(fd[9]));
	assert_int_equal(listener_counts(l).refused, 2);
	say(fd[0], "<13>one\n");
	pump(g, 1, 0);
	for (int i = 0; i < 10; i++)
		close(fd[i]);
}

/* When the table is full: in the middle of a message for 30 s, however many bytes dripped, or silent for 10 minutes. */
static void test_slow_ones_give_way(void **state)
{
	int slow, good, fd[4];
	listen_here(OPENER_TCP, 2);
	slow = connected(SOCK_STREAM, 1, port);
	good = connected(SOCK_STREAM, 2, port);
	for (size_t i = 0; i < 40; i++) {
		say(slow, "x");
		say(good, "<13>one\n<13>a");
		pump(g, 2 * i + 1, 0);
		say(good, "nd\n");
		pump(g, 2 * i + 2, 0);
		later(g, CLOCK_S);
	}
	fd[0] = connected(SOCK_STREAM, 3, port);
	assert_true(is_closed(slow));
	assert_false(is_closed(good));
	assert_int_equal(g->n, 81); /* what it had sent went on */
	fd[1] = connected(SOCK_STREAM, 4, port);
	assert_true(is_closed(fd[1]));
	later(g, 500LL * CLOCK_S);
	fd[2] = connected(SOCK_STREAM, 4, port);
	assert_true(is_closed(fd[2]));
	later(g, 200LL * CLOCK_S);
	say(good, "<13>two\n");
	pump(g, 82, 0);
	fd[3] = connected(SOCK_STREAM, 4, port); /* the silent one goes, not the one that just spoke */
	assert_true(is_closed(fd[0]));
	assert_false(is_closed(good));
	assert_false(is_closed(fd[3]));
	close(slow);
	close(good);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
}

/* Out of descriptors: it doesn't spin, and goes on when there are some again. */
static void test_no_descriptors(void **state)
{
	struct rlimit had, none;
	listen_here(OPENER_TCP, 0);
	int fd = connected(SOCK_STREAM, 1, port);
	say(fd, "<13>patience\n");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &had), 0);
	none = had;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	pump(g, SIZE_MAX, 30);
	const int64_t spent = busy();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &had), 0);
	assert_true(spent < 100 * CLOCK_MS);
	assert_int_equal(g->n, 0);
	assert_int_equal(listener_tick(l), 0);
	pump(g, 1, 0);
	close(fd);
}

/* Without senders all of a listener is one origin. */
static void test_nobody_asks(void **state)
{
	g->taker.sender = NULL;
	listen_here(OPENER_TCP, 0);
	int a = connected(SOCK_STREAM, 1, port), b = connected(SOCK_STREAM, 2, port);
	say(a, "<13>one\n");
	say(b, "<13>two\n");
	pump(g, 2, 0);
	assert_null(g->at[0].sender);
	assert_int_equal(listener_counts(l).accepted, 2);
	close(a);
	say(b, "<13>left");
	pump(g, SIZE_MAX, 20);
	listener_free(l); /* what came goes on */
	l = NULL;
	assert_int_equal(g->n, 3);
	close(b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_datagrams),     TEST(test_datagrams_wait), TEST(test_datagrams_dropped),
		TEST(test_both_families), TEST(test_cut_anywhere),   TEST(test_ends),
		TEST(test_garbage),       TEST(test_first_bytes),    TEST(test_streams_wait),
		TEST(test_share),         TEST(test_no_descriptors), TEST(test_slow_ones_give_way),
		TEST(test_nobody_asks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
