/*
 * Visitors of a kiosk, on kept connections: they view one page, or book.
 *
 *   bench-visitors HOST PORT CONNECTIONS SECONDS view PATH
 *   bench-visitors HOST PORT CONNECTIONS SECONDS book PATH...      "/s/3/2026-11-25": the page with the form
 *
 * Who books does what a browser does: GET the form with its token, take one of the free places that it shows, POST it with the
 * cookie. Counted are answers that send to the ticket (303): by then the booking is on the disk. Each visitor comes from an address
 * of its own, which X-Forwarded-For tells as a proxy would.
 *
 * figure lines: views_per_s, view_p50_ms, view_p99_ms; bookings_per_s, booking_p50_ms, booking_p99_ms (from the POST on); refused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 256 << 10, TIMES = 4 << 20, VALUE = 256 };

struct visitor {
	int fd;
	char in[ROOM], out[4096];
	size_t n, n_out, sent;
	double begun;
	bool posts; /* the answer to the POST is awaited */
	char cookie[VALUE];
	const char *path;
	uint64_t serial; /* who it is: phone and address are made of it */
};

struct run {
	struct sockaddr_in to;
	char *const *paths;
	int n_paths;
	bool book;
	uint64_t x, serial; /* chance; people so far */
	double end, *times;
	uint64_t done, refused;
	int epoll;
};

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t chance(struct run *r, uint64_t below)
{
	r->x ^= r->x << 13;
	r->x ^= r->x >> 7;
	r->x ^= r->x << 17;
	return r->x % below;
}

static void want(struct run *r, struct visitor *v, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = v };
	if (epoll_ctl(r->epoll, EPOLL_CTL_MOD, v->fd, &e) && epoll_ctl(r->epoll, EPOLL_CTL_ADD, v->fd, &e))
		die("epoll_ctl");
}

static void dial(struct run *r, struct visitor *v)
{
	const int on = 1;
	v->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (v->fd < 0 || connect(v->fd, (struct sockaddr *)&r->to, sizeof(r->to)))
		die("connect");
	setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void put(struct run *r, struct visitor *v)
{
	v->n = v->sent = 0;
	while (v->sent < v->n_out) {
		ssize_t n = send(v->fd, v->out + v->sent, v->n_out - v->sent, MSG_NOSIGNAL);
		if (n <= 0)
			die("send");
		v->sent += (size_t)n;
	}
	v->begun = now();
	want(r, v, EPOLLIN);
}

static void get(struct run *r, struct visitor *v)
{
	v->posts = false;
	v->path = r->paths[chance(r, (uint64_t)r->n_paths)];
	if (r->book)
		v->serial = ++r->serial;
	v->n_out = (size_t)snprintf(
	        v->out, sizeof(v->out), "GET %s HTTP/1.1\r\nHost: kiosk\r\nX-Forwarded-For: 10.%u.%u.%u\r\n%s%s%s\r\n",
	        v->path, (unsigned)(v->serial >> 16 & 255), (unsigned)(v->serial >> 8 & 255),
	        (unsigned)(v->serial & 255), *v->cookie ? "Cookie: " : "", v->cookie, *v->cookie ? "\r\n" : "");
	put(r, v);
}

/* What stands between `before` and the next quote, behind p. NULL: it isn't there. */
static const char *value(const char *p, const char *before, char to[VALUE])
{
	p = strstr(p, before);
	if (!p)
		return NULL;
	p += strlen(before);
	size_t n = strcspn(p, "\";\r");
	snprintf(to, VALUE, "%.*s", (int)(n < VALUE ? n : VALUE - 1), p);
	return p;
}

/* One of the free places of the page, each as likely as the others. */
static bool pick(struct run *r, const char *page, char slot[VALUE])
{
	char one[VALUE];
	uint64_t n = 0;
	while ((page = value(page, "name=\"slot\" value=\"", one)))
		if (chance(r, ++n) == 0)
			memcpy(slot, one, VALUE);
	return n > 0;
}

static void post(struct run *r, struct visitor *v)
{
	char body[1024], token[VALUE], slot[VALUE], specialty[VALUE], day[VALUE], cookie[VALUE];
	if (value(v->in, "Set-Cookie: kiosk=", cookie))
		snprintf(v->cookie, sizeof(v->cookie), "kiosk=%.200s", cookie);
	if (!value(v->in, "name=\"token\" value=\"", token) || !pick(r, v->in, slot) ||
	    !value(v->in, "name=\"specialty\" value=\"", specialty) || !value(v->in, "name=\"day\" value=\"", day)) {
		fprintf(stderr, "%s shows no form, or no free place:\n%.600s\n", v->path, v->in);
		exit(1);
	}
	int n = snprintf(body, sizeof(body),
	                 "token=%.100s&specialty=%.20s&day=%.20s&slot=%.40s&name=Nguy%%E1%%BB%%85n+V%%C4%%83n+%llu&"
	                 "phone=09%08llu"
	                 "&born=1980",
	                 token, specialty, day, slot, (unsigned long long)v->serial % 1000,
	                 (unsigned long long)v->serial % 100000000);
	v->n_out =
	        (size_t)snprintf(v->out, sizeof(v->out),
	                         "POST /book HTTP/1.1\r\nHost: kiosk\r\nX-Forwarded-For: 10.%u.%u.%u\r\nCookie: %s\r\n"
	                         "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
	                         (unsigned)(v->serial >> 16 & 255), (unsigned)(v->serial >> 8 & 255),
	                         (unsigned)(v->serial & 255), v->cookie, n, body);
	v->posts = true;
	put(r, v);
}

/* Is the answer whole? Its status. */
static int whole(const struct visitor *v)
{
	const char *end = strstr(v->in, "\r\n\r\n"), *length = strcasestr(v->in, "\r\nContent-Length:");
	if (!end)
		return 0;
	size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
	return v->n >= (size_t)(end + 4 - v->in) + body ? (int)strtol(v->in + 9, NULL, 10) : 0;
}

static void count(struct run *r, const struct visitor *v)
{
	r->times[r->done++ % TIMES] = now() - v->begun;
}

static void answered(struct run *r, struct visitor *v, int status)
{
	const bool closes = strcasestr(v->in, "\r\nConnection: close") != NULL;
	if (!v->posts && status != 200) {
		fprintf(stderr, "%s: status %d\n%.300s\n", v->path, status, v->in);
		exit(1);
	}
	if (v->posts && status != 303) {
		if (!r->refused++)
			fprintf(stderr, "refused, status %d\n%.300s\n", status, v->in);
	} else if (v->posts || !r->book) {
		count(r, v);
	}
	if (closes) {
		close(v->fd);
		dial(r, v);
	}
	if (r->book && !v->posts)
		post(r, v);
	else
		get(r, v);
}

static void hear(struct run *r, struct visitor *v)
{
	ssize_t n = recv(v->fd, v->in + v->n, ROOM - 1 - v->n, 0);
	if (n <= 0) {
		fprintf(stderr, "the connection was closed\n");
		exit(1);
	}
	v->n += (size_t)n;
	v->in[v->n] = '\0';
	int status = whole(v);
	if (status)
		answered(r, v, status);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	struct run r = { .x = 88172645463325252u, .to = { .sin_family = AF_INET } };
	struct epoll_event events[64];
	if (argc < 7)
		return 2;
	int n = (int)strtol(argv[3], NULL, 10);
	double seconds = strtod(argv[4], NULL);
	inet_pton(AF_INET, argv[1], &r.to.sin_addr);
	r.to.sin_port = htons((uint16_t)strtol(argv[2], NULL, 10));
	r.book = strcmp(argv[5], "book") == 0;
	r.paths = argv + 6;
	r.n_paths = argc - 6;
	r.times = calloc(TIMES, sizeof(*r.times));
	r.epoll = epoll_create1(0);
	struct visitor *all = calloc((size_t)n, sizeof(*all));
	if (!all || !r.times || r.epoll < 0)
		die("begin");
	double begin = now();
	r.end = begin + seconds;
	for (int i = 0; i < n; i++) {
		dial(&r, &all[i]);
		get(&r, &all[i]);
	}
	while (now() < r.end) {
		int k = epoll_wait(r.epoll, events, 64, 100);
		for (int i = 0; i < k; i++)
			hear(&r, events[i].data.ptr);
	}
	double took = now() - begin;
	size_t kept = r.done < TIMES ? r.done : TIMES;
	qsort(r.times, kept, sizeof(*r.times), by_size);
	const char *what = r.book ? "booking" : "view";
	printf("figure %ss_per_s %.0f 1/s\n", what, (double)r.done / took);
	printf("figure %ss %llu\n", what, (unsigned long long)r.done);
	printf("figure refused %llu\n", (unsigned long long)r.refused);
	if (kept) {
		printf("figure %s_p50_ms %.3f ms\n", what, r.times[kept / 2] * 1e3);
		printf("figure %s_p99_ms %.3f ms\n", what, r.times[kept * 99 / 100] * 1e3);
	}
	return 0;
}
