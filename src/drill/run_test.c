/* Bots, mimics and patients against a small server of the test's own, which says what it is asked. */
#include "drill/address.h"
#include "drill/drill.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { LINES = 200 };

struct served {
	unsigned requests, denied, cut, parts, elsewhere, cookies;
};
struct server {
	struct sockaddr_storage at;
	char host[64];
	pid_t pid;
	struct served *served; /* shared */
};

/* --- the server: /deny once, then with its cookie; /cut; a page with a picture, and links away from here --- */

static void say(int fd, const char *head, const char *body)
{
	char text[1024];
	const int n =
	        snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", head, strlen(body), body);
	if (send(fd, text, (size_t)n, MSG_NOSIGNAL) < 0)
		return;
}

static bool answer(int fd, const char *request, struct served *s)
{
	s->requests++;
	s->cookies += strstr(request, "pass=1") != NULL;
	if (strncmp(request, "GET /cut", 8) == 0) {
		s->cut++;
		return false;
	}
	if (strncmp(request, "GET /part", 9) == 0) {
		s->parts++;
		say(fd, "200 OK", "x");
	} else if (strncmp(request, "GET /away", 9) == 0) {
		s->elsewhere++;
		say(fd, "302 Found\r\nLocation: http://192.0.2.1/", "");
	} else if (!strstr(request, "pass=1") && strncmp(request, "GET /gate", 9) == 0) {
		s->denied++;
		say(fd, "429 Too Many Requests\r\nSet-Cookie: pass=1; Path=/\r\nRetry-After: 1",
		    "<meta http-equiv=refresh content=1>");
	} else {
		say(fd, "200 OK\r\nSet-Cookie: seen=1",
		    "<img src=/part><a href=/away>x</a><a href=http://192.0.2.1/>y</a>");
	}
	return true;
}

static void serve(int listener, struct served *s)
{
	struct pollfd fds[LINES] = { { .fd = listener, .events = POLLIN } };
	nfds_t n = 1;
	char request[2048];
	for (;;) {
		poll(fds, n, -1);
		for (nfds_t i = n; i-- > 1;) {
			if (!fds[i].revents)
				continue;
			const ssize_t got = recv(fds[i].fd, request, sizeof(request) - 1, 0);
			request[got > 0 ? got : 0] = '\0';
			if (got > 0 && answer(fds[i].fd, request, s))
				continue;
			close(fds[i].fd);
			fds[i] = fds[--n];
		}
		if (fds[0].revents && n < LINES)
			fds[n++] = (struct pollfd){ .fd = accept(listener, NULL, NULL), .events = POLLIN };
	}
}

static int begin(void **state)
{
	static struct server s;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	s.served = mmap(NULL, sizeof(*s.served), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s.served == MAP_FAILED || bind(fd, (struct sockaddr *)&at, size) || listen(fd, LINES) ||
	    getsockname(fd, (struct sockaddr *)&at, &size))
		return -1;
	memcpy(&s.at, &at, sizeof(at));
	snprintf(s.host, sizeof(s.host), "127.0.0.1:%u", ntohs(at.sin_port));
	s.pid = fork();
	if (s.pid == 0) {
		serve(fd, s.served);
		_exit(0);
	}
	close(fd);
	*state = &s;
	return 0;
}

static int end(void **state)
{
	struct server *s = *state;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	return munmap(s->served, sizeof(*s->served));
}

static struct drill drill_of(const struct server *s)
{
	return (struct drill){ .to = s->at, .host = s->host, .seconds = 1, .patience_s = 10, .seed = 1, .core = -1 };
}

static void bots_are_counted(void **state)
{
	const struct server *s = *state;
	static const char *const pages[] = { "/", NULL }, *const cuts[] = { "/cut", NULL };
	const struct drill_bots bots[] = {
		{ .kind = DRILL_KEPT,
		  .rate = 100,
		  .connections = 10,
		  .sources = 5,
		  .base = "127.64.0.0",
		  .paths = pages },
		{ .kind = DRILL_NEW, .rate = 50, .connections = 10, .sources = 5, .base = "127.64.0.0", .paths = cuts },
		{ .kind = DRILL_SLOW, .connections = 4, .sources = 5, .base = "127.64.0.0", .paths = pages },
	};
	struct drill d = drill_of(s);
	struct drill_result r;
	struct err err;
	*s->served = (struct served){ 0 };
	d.bots = bots;
	d.n_bots = ARRAY_LEN(bots);
	assert_int_equal(drill_run(&d, &r, &err), 0);
	/* what isn't answered when it ends isn't told; what was told was asked */
	assert_true(r.by_status[2] > 0 && r.by_status[2] == r.answered);
	assert_true(r.cut > 0 && r.cut <= s->served->cut && r.answered + r.cut <= r.sent);
	assert_true(r.sent <= 150 && s->served->requests >= r.answered + r.cut);
	assert_int_equal(r.refused, 0);
}

static void all_share_one_cookie(void **state)
{
	const struct server *s = *state;
	static const char *const pages[] = { "/gate", NULL };
	const struct drill_bots bots[] = {
		{ .kind = DRILL_COOKIE,
		  .rate = 200,
		  .connections = 2,
		  .sources = 5,
		  .base = "127.64.0.0",
		  .paths = pages },
	};
	struct drill d = drill_of(s);
	struct drill_result r;
	*s->served = (struct served){ 0 };
	d.bots = bots;
	d.n_bots = 1;
	assert_int_equal(drill_run(&d, &r, NULL), 0);
	assert_true(s->served->cookies > 0 && r.denied > 0 && r.denied <= 4);
}

static void patients_come_back(void **state)
{
	const struct server *s = *state;
	struct drill d = drill_of(s);
	struct drill_result r;
	*s->served = (struct served){ 0 };
	d.patients = (struct drill_patients){ .what = DRILL_READS,
		                              .arrivals = 1000,
		                              .n = 3,
		                              .sources = 3,
		                              .base = "127.32.0.0",
		                              .think_s = 0.01,
		                              .first = "/gate",
		                              .pages = 2 };
	assert_int_equal(drill_run(&d, &r, NULL), 0);
	assert_int_equal(r.patients, 3);
	assert_int_equal(r.served, 3);
	assert_int_equal(r.patients_denied, 3);
	assert_int_equal(r.patients_waited, 3);
	assert_int_equal(s->served->denied, 3);
	assert_int_equal(s->served->parts, 3); /* once each: a browser keeps them */
	assert_int_equal(s->served->elsewhere, 3);
	assert_true(r.asked == s->served->requests && r.requests.n == r.asked && r.journeys.n == 3);
}

static void patience_ends(void **state)
{
	const struct server *s = *state;
	struct drill d = drill_of(s);
	struct drill_result r;
	d.patience_s = 0.5;
	d.patients = (struct drill_patients){ .what = DRILL_READS,
		                              .arrivals = 1000,
		                              .n = 2,
		                              .sources = 1,
		                              .base = "127.32.0.0",
		                              .first = "/cut",
		                              .pages = 1 };
	assert_int_equal(drill_run(&d, &r, NULL), 0);
	assert_true(r.served == 0 && r.gave_up == 2 && r.asked_failed >= 2 && r.asked_denied == 0);
}

static void mimics_load_what_pages_are_made_of(void **state)
{
	const struct server *s = *state;
	static const char *const pages[] = { "/", NULL };
	const struct drill_bots bots[] = {
		{ .kind = DRILL_MIMIC,
		  .rate = 100,
		  .connections = 3,
		  .sources = 3,
		  .base = "127.64.0.0",
		  .paths = pages },
	};
	struct drill d = drill_of(s);
	struct drill_result r;
	*s->served = (struct served){ 0 };
	d.bots = bots;
	d.n_bots = 1;
	assert_int_equal(drill_run(&d, &r, NULL), 0);
	assert_true(r.answered > 3 && s->served->parts == 3 && s->served->elsewhere > 0 && r.patients == 0);
}

/* A drill that leaves its bounds doesn't begin. */
static void bounds_are_held(void **state)
{
	const struct server *s = *state;
	static const char *const pages[] = { "/", NULL };
	struct drill_bots bots[2] = {
		{ .kind = DRILL_KEPT, .rate = 1, .connections = 1, .sources = 1, .base = "127.64.0.0", .paths = pages },
	};
	struct drill good = drill_of(s), d;
	struct err err;
	bots[1] = bots[0];
	good.bots = bots;
	good.n_bots = 2;
	assert_int_equal(drill_check(&good, &err), 0);
	d = good;
	d.seconds = DRILL_SECONDS_MAX + 1;
	assert_int_equal(drill_check(&d, &err), -EINVAL);
	d = good;
	d.to = (struct sockaddr_storage){ 0 };
	assert_int_equal(drill_check(&d, &err), -EINVAL);
	d = good;
	assert_int_equal(drill_address_read("8.8.8.8:53", &d.to, &err), 0);
	assert_int_equal(drill_check(&d, &err), -EPERM);
	assert_int_equal(drill_run(&d, &(struct drill_result){ 0 }, &err), -EPERM);
	d = good;
	assert_int_equal(drill_address_read("192.0.2.1:80", &d.patients.bank, &err), 0);
	assert_int_equal(drill_check(&d, &err), -EPERM);
	d = good;
	assert_int_equal(drill_address_read("192.0.2.1:80", &d.to_tls, &err), 0);
	assert_int_equal(drill_check(&d, &err), -EPERM);
	d = good;
	d.host = "a\r\nX: y";
	assert_int_equal(drill_check(&d, &err), -EINVAL);
	bots[1].paths = (const char *const[]){ "/", "/a b", NULL };
	assert_int_equal(drill_check(&good, &err), -EINVAL);
	bots[1].paths = (const char *const[]){ "http://example.org/", NULL };
	assert_int_equal(drill_check(&good, &err), -EINVAL);
	bots[1].paths = pages;
	bots[1].rate = DRILL_RATE_MAX;
	assert_int_equal(drill_check(&good, &err), -EINVAL);
	bots[1].rate = 0.0 / 0.0;
	assert_int_equal(drill_check(&good, &err), -EINVAL);
	bots[1].rate = 1;
	bots[1].connections = DRILL_CONNECTIONS_MAX;
	assert_int_equal(drill_check(&good, &err), -EINVAL);
	bots[1].connections = 1;
	bots[1].kind = DRILL_TLS;
	assert_int_equal(drill_check(&good, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bots_are_counted),   cmocka_unit_test(all_share_one_cookie),
		cmocka_unit_test(patients_come_back), cmocka_unit_test(patience_ends),
		cmocka_unit_test(bounds_are_held),    cmocka_unit_test(mimics_load_what_pages_are_made_of),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
