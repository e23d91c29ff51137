/*
 * For tests: the kiosk's web on a loopback socket, a desk that says what it was told to or knows one booking, and a browser with its
 * cookies, in the same thread.
 */
#ifndef KHIEN_KIOSK_WEB_FIXTURE_H
#define KHIEN_KIOSK_WEB_FIXTURE_H

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
	const char *session;     /* "clerk", "admin", "both": who signed in; NULL: whom the cookies say */
	char cookies[N_COOKIES][1024];
	const char *headers; /* of each request: lines that end with \r\n */
	int health;
};

#define HOSTILE         "<script>alert(1)</script>\\\"'&"
#define HOSTILE_ESCAPED "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"

static inline bool has(struct str s, const char *word)
{
	return s.p && s.n && memmem(s.p, s.n, word, strlen(word));
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

static inline int site_health(void *arg, struct buf *why)
{
	struct site *s = arg;
	if (s->health)
		buf_add(why, STR("no disk"));
	return s->health;
}

static inline void site_metrics(void *arg, struct buf *out)
{
	buf_add(out, STR("khien_kiosk_up 1\n"));
}

static inline void site_open(struct site *s, struct web_config config)
{
	config.health = site_health;
	config.metrics = site_metrics;
	site_start_with(s, config);
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

static inline bool reply_parse(struct reply *r, bool head_only)
{
	if (!r->all.n)
		return false;
	buf_putc(&r->all, '\0');
	r->all.n--;
	const struct str all = buf_str(&r->all);
	const char *end = memmem(all.p, all.n, "\r\n\r\n", 4);
	if (!end)
		return false;
	r->head = (struct str){ all.p, (size_t)(end - all.p) + 2 };
	r->body = str_sub(all, r->head.n + 2, all.n);
	r->status = (int)strtol(all.p + 9, NULL, 10);
	const struct str length = reply_header(r, "Content-Length");
	return head_only || (length.n && r->body.n >= strtoul(length.p, NULL, 10));
}

/* What comes until the answer is whole, or it was quiet for so many ms. Adds to what was there. */
static inline void site_receive(struct site *s, int fd, struct reply *r, bool head_only, int ms)
{
	r->status = -1;
	for (int i = 0; i < ms && !r->closed; i++) {
		char piece[65536];
		site_run(s, 1);
		const ssize_t n = recv(fd, piece, sizeof(piece), 0);
		if (n > 0) {
			buf_add(&r->all, (struct str){ piece, (size_t)n });
			i = 0;
		}
		r->closed = n == 0 || (n < 0 && errno != EAGAIN);
		if (reply_parse(r, head_only))
			return;
	}
	if (r->closed && r->status < 0)
		r->status = 0;
}

/* Takes what Set-Cookie says. */
static inline void site_take_cookies(struct site *s, const struct reply *r)
{
	static const struct str set = { "\r\nSet-Cookie: ", 14 };
	for (struct str rest = r->head; rest.n;) {
		const char *at = memmem(rest.p, rest.n, set.p, set.n);
		if (!at)
			return;
		rest = str_sub(rest, (size_t)(at - rest.p) + set.n, rest.n);
		const struct str pair = str_sub(rest, 0, str_find(rest, ';'));
		for (unsigned i = 0; i < N_COOKIES; i++)
			if (str_eq(str_sub(pair, 0, str_find(pair, '=')), str_from(cookie_names[i])))
				snprintf(s->cookies[i], sizeof(s->cookies[i]), STR_FMT,
				         STR_ARG(str_sub(pair, str_find(pair, '=') + 1, pair.n)));
	}
}

/* What it sends with each request. Who signed in for the test comes before what Set-Cookie said. */
static inline void put_cookies(const struct site *s, struct buf *b)
{
	buf_add(b, STR("Cookie: a=b"));
	for (unsigned i = 0; i < N_COOKIES; i++) {
		const char *value = i == COOKIE_SESSION && s->session ? s->session : s->cookies[i];
		if (*value)
			buf_printf(b, "; %s=%s", cookie_names[i], value);
	}
	buf_add(b, STR("\r\n"));
}

/* One request on a connection of its own, with the browser's cookies. An absent body: none is sent. */
static inline struct reply site_request(struct site *s, const char *method, const char *path, const char *headers,
                                        struct str body)
{
	CLEANUP(buf_free) struct buf b = { 0 };
	struct reply r = { 0 };
	const int fd = site_dial(s, 1);
	buf_printf(&b, "%s %s HTTP/1.1\r\nHost: x\r\n%s%s", method, path, headers, s->headers ? s->headers : "");
	put_cookies(s, &b);
	if (body.p)
		buf_printf(&b, "Content-Length: %zu\r\n", body.n);
	buf_add(&b, STR("\r\n"));
	buf_add(&b, body);
	site_send(s, fd, buf_str(&b));
	site_receive(s, fd, &r, !strcmp(method, "HEAD"), 500);
	site_take_cookies(s, &r);
	close(fd);
	site_run(s, 0);
	return r;
}

#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"

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

/* --- as a patient: in Vietnamese, and only what was asked last is in `seen` --- */

static inline struct reply fetch(struct site *s, const char *method, const char *path, const char *body)
{
	s->seen.n = 0;
	return site_request(s, method, path, body ? FORM : "", body ? str_from(body) : (struct str){ 0 });
}

static inline struct reply browse(struct site *s, const char *path)
{
	return fetch(s, "GET", path, NULL);
}

/* Opens `page`, fills in its form with this action, and sends it. */
static inline struct reply submit(struct site *s, const char *page, const char *action, const char *fields)
{
	char token[64], body[4096];
	struct reply r = browse(s, page);
	token_of_form(r.body, action, token);
	reply_free(&r);
	snprintf(body, sizeof(body), "token=%s&%s", token, fields);
	return fetch(s, "POST", action, body);
}

/* --- as staff: in English --- */

static inline void site_get(struct site *s, const char *path, struct reply *r)
{
	*r = site_request(s, "GET", path, "Accept-Language: en\r\n", (struct str){ 0 });
}

static inline void site_send_body(struct site *s, const char *path, const char *headers, struct str body,
                                  struct reply *r)
{
	char all[512];
	snprintf(all, sizeof(all), "Accept-Language: en\r\n%s", headers);
	*r = site_request(s, "POST", path, all, body);
}

/* Opens `page`, fills in its form with this action, and sends it. What was asked before that is forgotten. */
static inline void site_submit(struct site *s, const char *page, const char *action, const char *fields,
                               struct reply *r)
{
	CLEANUP(buf_free) struct buf body = { 0 };
	char token[64];
	site_get(s, page, r);
	assert_int_equal(r->status, 200);
	token_of_form(r->body, action, token);
	reply_free(r);
	s->seen.n = 0;
	buf_printf(&body, "token=%s&%s", token, fields);
	site_send_body(s, action, FORM, buf_str(&body), r);
}

/* How often it stands there. */
static inline size_t count(struct str s, const char *word)
{
	size_t n = 0;
	for (const char *at; s.n && (at = memmem(s.p, s.n, word, strlen(word))); n++)
		s = str_sub(s, (size_t)(at - s.p) + strlen(word), s.n);
	return n;
}

/* 303, and to where. */
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

#define PATIENT "specialty=1&day=" DAY "&name=Nguyễn+<An>&born=1980"
#define DAY     "2026-11-23"

/* --- a desk for patients: one specialty, one room, one booking --- */
static inline json_t *booking(const char *state, const char *pay)
{
	return json_pack("{s:s, s:i, s:s, s:{s:s, s:s, s:s}, s:s, s:i, s:i, s:s, s:b, s:s, s:s, s:s, "
	                 "s:{s:s, s:i, s:i, s:s, s:I, s:s}}",
	                 "ref", "R1", "room", 3, "room_name", "P.<3>", "specialty", "vi", "Nội", "en", "Medicine", "zh",
	                 "内科", "day", DAY, "start", 450, "number", 12, "label", "A012", "priority", 0, "state", state,
	                 "name", "N** V** An", "phone", "09****678", "payment", "reference", "KH23456789", "amount",
	                 150000, "paid", 0, "state", pay, "ends", (json_int_t)(SITE_NOW + 605 * CLOCK_S), "qr",
	                 "00020101021138");
}

static inline json_t *places(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:[{s:i, s:{s:s, s:s, s:s}, s:i}], s:[{s:i, s:i, s:s}]}", "from",
	                 "2026-11-22", "to", "2026-12-06", "clinic", "BV <Một>", "phone", "1900", "specialties", "id",
	                 1, "name", "vi", "Nội", "en", "Medicine", "zh", "内科", "fee", 150000, "rooms", "id", 3,
	                 "specialty", 1, "name", "P.3");
}

static inline json_t *refuse(const char *word, const char *field)
{
	return json_pack("{s:s, s:s}", "refused", word, "field", field);
}

static inline bool is(const json_t *call, const char *name, const char *value)
{
	return str_eq(answer_text(call, name), str_from(value));
}

static inline json_t *desk_for_patients(struct site *s, const char *op, const json_t *call)
{
	if (!strcmp(op, "places"))
		return places();
	if (!strcmp(op, "days"))
		return json_pack("{s:[{s:s, s:i, s:i}, {s:s, s:i, s:i, s:s}]}", "days", "day", DAY, "places", 4, "free",
		                 2, "day", "2026-11-24", "places", 4, "free", 4, "holiday", "Tết");
	if (!strcmp(op, "slots"))
		return json_pack("{s:[{s:i, s:i, s:i, s:i}, {s:i, s:i, s:i, s:i}]}", "slots", "room", 3, "start", 450,
		                 "minutes", 15, "free", 1, "room", 3, "start", 465, "minutes", 15, "free", 0);
	if (!strcmp(op, "book") && is(call, "phone", "x"))
		return refuse("phone", "phone");
	if (!strcmp(op, "book") && answer_number(call, "start") == 465)
		return refuse("slot-full", "");
	if (!strcmp(op, "book")) {
		json_t *b = booking("booked", "open");
		json_object_set_new(b, "code", json_string("ABCDE23456"));
		return b;
	}
	if (!strcmp(op, "lookup"))
		return is(call, "code", "ABCDE23456") ? booking("booked", "open") : refuse("unknown", "");
	if (!strcmp(op, "cancel"))
		return refuse("too-late", "");
	if (!strcmp(op, "paid"))
		return json_pack("{s:{s:s}}", "payment", "state", "open");
	return json_pack("{s:s}", "trouble", "what is it?");
}

#endif
