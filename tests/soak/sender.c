/*
 * Runs inside the guest of power.py, where there is no Python.
 *
 *   sender post PORT TOKEN FROM...   a lane per FROM: posts events FROM, FROM+1, ... and prints "acked LANE A B" for each
 *                                    answer that says they are kept: A <= n < B. Never ends by itself.
 *   sender check                     reads events as NDJSON, prints "have LANE A B" for what is there, and "bad TEXT"
 *                                    for what is there twice, or isn't as it was sent.
 *
 * Event n of a lane is the same whenever it is sent, so that the hub can tell that it has it.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LANES = 4, BATCH = 100, LANE_MAX = 1 << 24, LINE = 640, BODY = BATCH * LINE };

static const char PREFIX[] = "\"khien.id\":\"";

/* Hex that compresses badly, so that segments fill and days are written all the time. */
static void noise(uint64_t n, char *to, size_t size)
{
	uint64_t x = n * 0x9e3779b97f4a7c15u + 1;
	for (size_t i = 0; i + 1 < size; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		to[i] = "0123456789abcdef"[x >> 60];
	}
	to[size - 1] = '\0';
}

static size_t event(char *to, size_t size, unsigned lane, uint64_t n)
{
	char text[257];
	uint64_t s = n / 2000; /* of two days in turn */
	noise(n * LANES + lane, text, sizeof(text));
	return (size_t)snprintf(
	        to, size,
	        "{%s%08x%024llx\",\"@timestamp\":\"2026-11-%02uT10:%02u:%02u.%06uZ\",\"event.dataset\":\"power%u\","
	        "\"lane\":%u,\"n\":%llu,\"message\":\"%s\"}\n",
	        PREFIX, lane, (unsigned long long)n, 21 + (unsigned)(n / BATCH % 2), (unsigned)(s / 60 % 60),
	        (unsigned)(s % 60), (unsigned)(n % 2000 * 500), lane % 2, lane, (unsigned long long)n, text);
}

static int reach(int port)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
		                        .sin_port = htons((uint16_t)port),
		                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return -1;
		p += sent;
		n -= (size_t)sent;
	}
	return 0;
}

/* The status of an answer that is read whole, or -1. */
static int answer(int fd)
{
	char text[4096];
	size_t have = 0, whole = sizeof(text) - 1;
	int status = -1;
	while (have < whole) {
		ssize_t n = recv(fd, text + have, whole - have, 0);
		if (n <= 0)
			return -1;
		have += (size_t)n;
		text[have] = '\0';
		char *body = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "content-length:");
		if (body && length && length < body) {
			whole = (size_t)(body + 4 - text) + strtoul(length + 15, NULL, 10);
			status = (int)strtol(text + 9, NULL, 10);
		}
		if (whole >= sizeof(text))
			return -1;
	}
	return status;
}

static void post(int port, const char *token, unsigned lane, uint64_t n)
{
	static char body[BODY];
	char head[512], said[80];
	int fd = -1;
	for (uint64_t next = n + BATCH;; n = next, next += BATCH) {
		size_t size = 0;
		for (uint64_t i = n; i < next; i++)
			size += event(body + size, sizeof(body) - size, lane, i);
		int n_head = snprintf(head, sizeof(head),
		                      "POST /v1/events HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer %s\r\n"
		                      "Content-Type: application/x-ndjson\r\nContent-Length: %zu\r\n\r\n",
		                      token, size);
		while (fd < 0 || send_all(fd, head, (size_t)n_head) || send_all(fd, body, size) || answer(fd) != 200) {
			if (fd >= 0)
				close(fd);
			usleep(20000);
			fd = reach(port);
		}
		int n_said = snprintf(said, sizeof(said), "acked %u %llu %llu\n", lane, (unsigned long long)n,
		                      (unsigned long long)next);
		if (write(STDOUT_FILENO, said, (size_t)n_said) != n_said)
			exit(1);
	}
}

static void told(unsigned lane, uint64_t from, uint64_t to)
{
	if (from < to)
		printf("have %u %llu %llu\n", lane, (unsigned long long)from, (unsigned long long)to);
}

static int check(void)
{
	static unsigned char seen[LANES][LANE_MAX];
	static char line[1 << 16], sent[LINE], id[LANES + 40];
	while (fgets(line, sizeof(line), stdin)) {
		/* the hub puts fields of its own in front, and leaves the rest as it came */
		const char *at = strstr(line, PREFIX);
		if (!at || strlen(at) < sizeof(PREFIX) + 32) {
			printf("bad %.200s\n", line);
			continue;
		}
		memcpy(id, at + sizeof(PREFIX) - 1, 32);
		id[32] = '\0';
		uint64_t n = strtoull(id + 8, NULL, 16);
		id[8] = '\0';
		unsigned lane = (unsigned)strtoul(id, NULL, 16);
		if (lane >= LANES || n >= LANE_MAX) {
			printf("bad %.200s\n", line);
			continue;
		}
		event(sent, sizeof(sent), lane, n);
		if (strcmp(at, sent + 1) != 0)
			printf("bad %.200s\n", line);
		if (seen[lane][n]++)
			printf("bad twice %u %llu\n", lane, (unsigned long long)n);
	}
	for (unsigned lane = 0; lane < LANES; lane++) {
		uint64_t from = 0;
		for (uint64_t n = 0; n < LANE_MAX; n++) {
			if (seen[lane][n])
				continue;
			told(lane, from, n);
			from = n + 1;
		}
		told(lane, from, LANE_MAX);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "check") == 0)
		return check();
	if (argc < 5 || argc > 4 + LANES || strcmp(argv[1], "post") != 0)
		return 2;
	for (int i = 4; i < argc; i++)
		if (fork() == 0)
			post((int)strtol(argv[2], NULL, 10), argv[3], (unsigned)(i - 4), strtoull(argv[i], NULL, 10));
	while (wait(NULL) > 0)
		continue;
	return 1;
}
