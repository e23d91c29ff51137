/* For tests: the kiosk's web on a loopback socket, a desk that says what it was told to, and a browser in the same thread. */
#ifndef KHIEN_KIOSK_WEB_CLIENT_TEST_H
#define KHIEN_KIOSK_WEB_CLIENT_TEST_H

#include "kiosk/web_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SITE_NOW (1763800000 * (int64_t)CLOCK_S)

/* An answer of the desk; the last one for an op counts. Ends with a NULL op. */
struct said {
	const char *op, *answer;
};

struct site {
	struct web *web;
	struct clock clock;
	int port;
	/* Answers for the test; NULL as an answer: not yet, and `number` is to be answered. Without it `more` says what it says. */
	json_t *(*desk)(struct site *s, const char *op, const json_t *call);
	uint64_t number;
	uint32_t roles;          /* of the last call */
	unsigned asked;          /* calls */
	const struct said *more; /* of this test, before those of all */
	struct buf seen;         /* the calls but "who", one a line, keys sorted */
	char visitor[64];        /* the browser's cookies */
	const char *session;     /* "clerk", "admin", "both"; NULL: nobody */
	/* of web_fixture.h */
	char cookies[N_COOKIES][1024];
	const char *headers; /* of each request: lines that end with \r\n */
	int health;
};

#define HOSTILE         "<script>alert(1)</script>\\\"'&"
#define HOSTILE_ESCAPED "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"

static inline bool has(struct str s, const char *word)
{
	return s.n && memmem(s.p, s.n, word, strlen(word));
}

static inline json_t *desk_says(const struct site *s, const json_t *call)
{
	const char *op = json_string_value(json_object_get(call, "op")), *text = "{}";
	const char *session = json_string_value(json_object_get(call, "session"));
	if (!strcmp(op, "who"))
		text = !session                    ? "{\"refused\":\"session\"}"
		       : !strcmp(session, "clerk") ? "{\"name\":\"Lan\",\"login\":\"lan\",\"roles\":2}"
		       : !strcmp(session, "both")  ? "{\"name\":\"Hoa\",\"login\":\"hoa\",\"roles\":6}"
		       : !strcmp(session, "admin") ? "{\"name\":\"Minh\",\"login\":\"minh\",\"roles\":4}"
		                                   : "{\"refused\":\"session\"}";
	for (const struct said *one = s->more; one && one->op; one++)
		if (!strcmp(one->op, op))
			text = one->answer;
	json_t *answer = json_loads(text, 0, NULL);
	assert_non_null(answer);
	return answer;
}

static inline void note_call(struct site *s, const json_t *call)
{
	char *text = json_dumps(call, JSON_COMPACT | JSON_SORT_KEYS);
	buf_add(&s->seen, str_from(text));
	buf_putc(&s->seen, '\n');
	free(text);
}

static inline void desk_asked(void *arg, json_t *call, uint32_t roles, uint64_t number)
{
	struct site *s = arg;
	const char *op = json_string_value(json_object_get(call, "op"));
	s->asked++;
	s->roles = roles;
	if (s->desk || strcmp(op, "who"))
		note_call(s, call);
	json_t *answer = s->desk ? s->desk(s, op, call) : desk_says(s, call);
	json_decref(call);
	if (answer)
		web_answered(s->web, number, answer);
	else
		s->number = number;
}

static inline int site_socket(int *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, n), 0);
	assert_int_equal(listen(fd, 256), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static const unsigned char site_key[SEAL_KEY] = { 1, 2, 3 };

/* With what the test wants of the configuration. */
static inline void site_start_with(struct site *s, struct web_config config)
{
	struct err err;
	clock_test(&s->clock, SITE_NOW);
	config.fd = site_socket(&s->port);
	config.clock = &s->clock;
	config.ask = desk_asked;
	config.arg = s;
	config.form_key = site_key;
	assert_int_equal(web_new(&s->web, &config, &err), 0);
}

static inline void site_start(struct site *s, unsigned max_connections)
{
	*s = (struct site){ 0 };
	site_start_with(
	        s, (struct web_config){ .hospital_token = STR("hospital-token"), .max_connections = max_connections });
}

static inline void site_stop(struct site *s)
{
	web_free(s->web);
	buf_free(&s->seen);
}

/* Lets it work until its descriptor is quiet for `ms`. */
static inline void site_run(struct site *s, int ms)
{
	struct pollfd p = { .fd = web_fd(s->web), .events = POLLIN };
	do {
		assert_int_equal(web_run(s->web), 0);
	} while (poll(&p, 1, ms) > 0);
}

static inline void site_later(struct site *s, int seconds)
{
	for (int i = 0; i < seconds; i++) {
		clock_advance(&s->clock, CLOCK_S);
		site_run(s, 0);
	}
}

/* --- the browser --- */

struct reply {
	int status; /* 0: closed without an answer */
	struct buf all;
	struct str head, body;
	bool closed;
};

static inline void reply_free(struct reply *r)
{
	buf_free(&r->all);
	*r = (struct reply){ 0 };
}

/* Empty: not there. */
static inline struct str reply_header(const struct reply *r, const char *name)
{
	char want[64];
	snprintf(want, sizeof(want), "\r\n%s: ", name);
	const char *at = memmem(r->head.p, r->head.n, want, strlen(want));
	if (!at)
		return STR("");
	struct str rest = str_sub(r->head, (size_t)(at - r->head.p) + strlen(want), r->head.n);
	return str_sub(rest, 0, str_find(rest, '\r'));
}

/* From 127.0.0.`from`: an address has its share of the connections. */
static inline int site_dial(struct site *s, unsigned from)
{
	const struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + from) };
	const struct sockaddr_in at = { .sin_family = AF_INET,
		                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		                        .sin_port = htons((uint16_t)s->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* What comes until nothing has for 20 ms. */
static inline void site_read(struct site *s, int fd, struct reply *r)
{
	for (int quiet = 0; quiet < 20 && !r->closed; quiet++) {
		char piece[65536];
		site_run(s, 1);
		ssize_t n = recv(fd, piece, sizeof(piece), 0);
		r->closed = n == 0 || (n < 0 && errno != EAGAIN);
		if (n > 0) {
			buf_add(&r->all, (struct str){ piece, (size_t)n });
			quiet = -1;
		}
	}
	buf_putc(&r->all, '\0');
	r->all.n--; /* for strtol() */
	const char *end = memmem(r->all.p, r->all.n, "\r\n\r\n", 4);
	if (!end)
		return;
	r->status = (int)strtol(r->all.p + 9, NULL, 10);
	r->head = (struct str){ r->all.p, (size_t)(end - r->all.p) + 2 };
	r->body = str_sub(buf_str(&r->all), r->head.n + 2, r->all.n);
}

static inline void site_send(struct site *s, int fd, struct str bytes)
{
	while (bytes.n) {
		ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break;
		bytes = str_sub(bytes, n > 0 ? (size_t)n : 0, bytes.n);
		site_run(s, 0);
	}
}

/* One request, as it is, on a connection of its own. Hangs up when a whole answer is here. */
static inline void site_ask(struct site *s, struct str request, struct reply *r)
{
	int fd = site_dial(s, 1);
	*r = (struct reply){ 0 };
	site_send(s, fd, request);
	site_read(s, fd, r);
	close(fd);
	site_run(s, 0);
	const struct str cookie = reply_header(r, "Set-Cookie");
	if (str_starts(cookie, STR("kiosk=")))
		snprintf(s->visitor, sizeof(s->visitor), STR_FMT, STR_ARG(str_sub(cookie, 0, str_find(cookie, ';'))));
}

static inline void put_cookies(const struct site *s, struct buf *b)
{
	buf_printf(b, "Cookie: x=y");
	if (s->visitor[0])
		buf_printf(b, "; %s", s->visitor);
	if (s->session)
		buf_printf(b, "; kiosk_staff=%s", s->session);
	buf_printf(b, "\r\n");
}

static inline void site_get(struct site *s, const char *path, struct reply *r)
{
	CLEANUP(buf_free) struct buf b = { 0 };
	buf_printf(&b, "GET %s HTTP/1.1\r\nHost: x\r\nAccept-Language: en\r\n", path);
	put_cookies(s, &b);
	buf_printf(&b, "\r\n");
	site_ask(s, buf_str(&b), r);
}

static inline void site_send_body(struct site *s, const char *path, const char *headers, struct str body,
                                  struct reply *r)
{
	CLEANUP(buf_free) struct buf b = { 0 };
	buf_printf(&b, "POST %s HTTP/1.1\r\nHost: x\r\nAccept-Language: en\r\n%sContent-Length: %zu\r\n", path, headers,
	           body.n);
	put_cookies(s, &b);
	buf_printf(&b, "\r\n");
	buf_add(&b, body);
	site_ask(s, buf_str(&b), r);
}

/* The token of the first form with this action on a page. */
static inline void token_of_form(struct str page, const char *action, char token[64])
{
	char want[160];
	snprintf(want, sizeof(want), "action=\"%s\"><input type=\"hidden\" name=\"token\" value=\"", action);
	const char *at = memmem(page.p, page.n, want, strlen(want));
	assert_non_null(at);
	struct str rest = str_sub(page, (size_t)(at - page.p) + strlen(want), page.n);
	snprintf(token, 64, STR_FMT, STR_ARG(str_sub(rest, 0, str_find(rest, '"'))));
}

/* As a browser would: the form is fetched from `page`, and sent with these further fields. What was asked before is forgotten. */
static inline void site_submit(struct site *s, const char *page, const char *action, const char *fields,
                               struct reply *r)
{
	CLEANUP(buf_free) struct buf body = { 0 };
	struct reply form;
	char token[64];
	site_get(s, page, &form);
	assert_int_equal(form.status, 200);
	token_of_form(form.body, action, token);
	reply_free(&form);
	s->seen.n = 0;
	buf_printf(&body, "token=%s&%s", token, fields);
	site_send_body(s, action, "Content-Type: application/x-www-form-urlencoded\r\n", buf_str(&body), r);
}

/* How often it stands there. */
static inline size_t count(struct str s, const char *word)
{
	size_t n = 0;
	for (const char *at; s.n && (at = memmem(s.p, s.n, word, strlen(word))); n++)
		s = str_sub(s, (size_t)(at - s.p) + strlen(word), s.n);
	return n;
}

static inline void assert_goes(struct reply *r, const char *to)
{
	assert_int_equal(r->status, 303);
	assert_true(str_eq(reply_header(r, "Location"), str_from(to)));
	reply_free(r);
}

static inline void assert_seen(const struct site *s, const char *calls)
{
	if (!str_eq(buf_str(&s->seen), str_from(calls)))
		fail_msg("seen: " STR_FMT, STR_ARG(buf_str(&s->seen)));
}

#endif
