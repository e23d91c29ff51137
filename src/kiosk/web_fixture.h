/* For tests of what patients see: a browser with its cookies, and a desk that knows one booking. */
#ifndef KHIEN_KIOSK_WEB_FIXTURE_H
#define KHIEN_KIOSK_WEB_FIXTURE_H

#include "kiosk/web_client_test.h"

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

/* One request on a connection of its own, with the browser's cookies. `body` NULL: none. */
static inline struct reply fetch(struct site *s, const char *method, const char *path, const char *body)
{
	struct reply r = { 0 };
	struct buf b = { 0 };
	const int fd = site_dial(s, 1);
	s->seen.n = 0;
	buf_printf(&b, "%s %s HTTP/1.1\r\nHost: x\r\n%s", method, path, s->headers ? s->headers : "");
	buf_add(&b, STR("Cookie: a=b"));
	for (unsigned i = 0; i < N_COOKIES; i++)
		if (s->cookies[i][0])
			buf_printf(&b, "; %s=%s", cookie_names[i], s->cookies[i]);
	buf_add(&b, STR("\r\n"));
	if (body)
		buf_printf(&b, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n\r\n%s",
		           strlen(body), body);
	else
		buf_add(&b, STR("\r\n"));
	site_send(s, fd, buf_str(&b));
	site_receive(s, fd, &r, !strcmp(method, "HEAD"), 500);
	site_take_cookies(s, &r);
	buf_free(&b);
	close(fd);
	site_run(s, 0);
	return r;
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

/* 303, and to where. */
static inline void expect_redirect(struct reply *r, const char *to)
{
	assert_int_equal(r->status, 303);
	assert_true(str_eq(reply_header(r, "Location"), str_from(to)));
	reply_free(r);
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
