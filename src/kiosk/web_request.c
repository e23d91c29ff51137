/* One request, as libmicrohttpd tells of it: its header, who it is, its body, its handler. */
#include "kiosk/web_server.h"

#include "base/utf8.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* --- waiting --- */

static void suspend(struct request *r)
{
	r->suspended = true;
	MHD_suspend_connection(r->conn->mhd);
}

void request_go_on(struct request *r)
{
	if (!r->suspended || r->number)
		return;
	r->suspended = false;
	r->conn->deadline = web_now(r->v.web) + BODY_S * (int64_t)CLOCK_S;
	MHD_resume_connection(r->conn->mhd);
	web_wake(r->v.web);
}

/* --- the header --- */

struct headers {
	unsigned length, transfer;
	bool odd;             /* others might read it otherwise */
	struct buf forwarded; /* proxies put theirs into a line of its own, or behind the last one's */
};

/* RFC 9110's token. libmicrohttpd takes blanks too, and puts a folded line behind the name of the one before. */
static bool is_name(const char *name)
{
	static const char may[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	return *name && !name[strspn(name, may)];
}

/* 1: it is `what`; it begins with that, and goes on: odd. */
static unsigned is_header(struct headers *h, const char *name, const char *what)
{
	const size_t n = strlen(what);
	if (strncasecmp(name, what, n) != 0)
		return 0;
	h->odd |= name[n] != '\0';
	return 1;
}

static enum MHD_Result look(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct headers *h = arg;
	h->length += is_header(h, name, MHD_HTTP_HEADER_CONTENT_LENGTH);
	h->transfer += is_header(h, name, MHD_HTTP_HEADER_TRANSFER_ENCODING);
	h->odd |= !is_name(name) || (value && strchr(value, '\r'));
	if (!strcasecmp(name, "X-Forwarded-For") && value) {
		if (h->forwarded.n)
			buf_putc(&h->forwarded, ',');
		buf_add(&h->forwarded, str_from(value));
	}
	return MHD_YES;
}

static void who_visits(struct request *r, struct str forwarded)
{
	struct conn *c = r->conn;
	const struct str proto = visit_header(&r->v, "X-Forwarded-Proto");
	const struct in6_addr a = c->proxy ? address_behind(&c->w->trusted, &c->peer, forwarded) : c->peer;
	r->v.address = address_share(&a);
	r->v.secure = c->w->tls || (c->proxy && proto.n == 5 && !strncasecmp(proto.p, "https", 5));
}

/* "en-GB;q=0.8" -> en, 800. Behind "q=" up to three digits. */
static unsigned wanted(struct str item, enum kiosk_language *lang)
{
	const struct str code = str_sub(item, 0, 2);
	char two[2] = { 0 };
	unsigned q = 1000, digit = 100;
	if (item.n < 2 || (item.n > 2 && item.p[2] != '-' && item.p[2] != ';' && item.p[2] != ' '))
		return 0;
	for (unsigned i = 0; i < 2; i++)
		two[i] = (char)(code.p[i] | 32);
	if (!kiosk_language_of((struct str){ two, 2 }, lang))
		return 0;
	const char *at = memmem(item.p, item.n, "q=", 2);
	if (at) {
		const struct str value = str_sub(item, (size_t)(at - item.p) + 2, 5);
		q = value.n && value.p[0] == '1' ? 1000 : 0;
		for (size_t i = 2; i < value.n && q < 1000 && value.p[i] >= '0' && value.p[i] <= '9'; i++, digit /= 10)
			q += digit * (unsigned)(value.p[i] - '0');
	}
	return q;
}

static enum kiosk_language accepted(struct str header)
{
	enum kiosk_language best = KIOSK_VI, lang = KIOSK_VI;
	for (unsigned most = 0, q; header.n; header = str_sub(header, str_find(header, ',') + 1, header.n)) {
		q = wanted(str_trim(str_sub(header, 0, str_find(header, ','))), &lang);
		if (q <= most)
			continue;
		most = q;
		best = lang;
	}
	return best;
}

static void which_language(struct request *r, struct str cookies)
{
	enum { YEAR_S = 365 * 24 * 3600 };
	struct visit *v = &r->v;
	const struct str asked = visit_argument(v, "lang");
	if (kiosk_language_of(asked, &v->lang))
		visit_cookie(v, COOKIE_LANG, asked, YEAR_S);
	else if (!kiosk_language_of(cookie_find(cookies, COOKIE_LANG), &v->lang))
		v->lang = accepted(visit_header(v, MHD_HTTP_HEADER_ACCEPT_LANGUAGE));
}

static void copy(char *to, size_t size, struct str from)
{
	if (!from.n || from.n >= size)
		return;
	memcpy(to, from.p, from.n);
	to[from.n] = '\0';
}

/* --- who --- */

static bool shows_token(const struct visit *v)
{
	const char *want = v->web->hospital_token;
	const struct str given = visit_header(v, MHD_HTTP_HEADER_AUTHORIZATION);
	static const struct str bearer = { "Bearer ", 7 };
	const size_t n = want ? strlen(want) : 0;
	return n && given.n == bearer.n + n && !strncasecmp(given.p, bearer.p, bearer.n) &&
	       !sodium_memcmp(given.p + bearer.n, want, n);
}

/* Who signed in: the desk said so. */
static void known(struct visit *v, const json_t *answer)
{
	struct request *r = request_of(v);
	const uint32_t roles = (uint32_t)answer_number(answer, "roles");
	struct str name = answer_text(answer, "name");
	copy(r->name, sizeof(r->name), utf8_cut(name.n ? name : STR("?"), sizeof(r->name) - 1));
	v->staff.name = str_from(r->name);
	v->staff.roles = roles;
	if (answer_refused(answer, NULL) || !(roles & v->route->roles))
		visit_error(v, MHD_HTTP_FORBIDDEN);
}

static void authorize(struct request *r, struct str cookies)
{
	struct visit *v = &r->v;
	const uint32_t roles = v->route->roles;
	if (roles & ROLE_HOSPITAL && !v->web->hospital_token) {
		visit_error(v, MHD_HTTP_NOT_FOUND);
	} else if (roles & ROLE_HOSPITAL && !shows_token(v)) {
		visit_error(v, MHD_HTTP_UNAUTHORIZED);
	} else if (roles & (ROLE_CLERK | ROLE_ADMIN)) {
		copy(r->session, sizeof(r->session), cookie_find(cookies, COOKIE_SESSION));
		v->session = str_from(r->session);
		if (v->session.n)
			visit_ask(v, json_pack("{s:s}", "op", "who"), known);
		else
			visit_redirect(v, "/staff/sign-in");
	}
}

/* Whether the visitor, and an IPv6 site, whose /64 one visitor may change at will, have one left. */
static bool has_left(const struct request *r, uint32_t what, struct limit_rate rate)
{
	enum { SITE = 4 /* times as many */ };
	struct web *w = r->v.web;
	const struct in6_addr site = address_site(&r->v.address);
	const struct limit_rate wide = { SITE * rate.n, rate.each };
	return limit_take(w->limit, &r->v.address, what, rate, web_now(w)) &&
	       (!r->v.route->dear || IN6_IS_ADDR_V4MAPPED(&site) ||
	        limit_take(w->limit, &site, ~what, wide, web_now(w)));
}

static bool limited(struct request *r)
{
	static const int64_t minute = 60 * (int64_t)CLOCK_S;
	struct web *w = r->v.web;
	const struct route *route = r->v.route;
	const bool hourly = route->hourly && w->bookings && !r->unnamed;
	const struct limit_rate rate = hourly ? (struct limit_rate){ w->bookings, 60 * minute }
	                                      : (struct limit_rate){ route->limited, minute };
	uint32_t what = 0; /* a route's own */
	for (const char *p = route->path; *p; p++)
		what = what * 31 + (unsigned char)*p;
	if ((!route->limited && !hourly) || has_left(r, what, rate))
		return false;
	w->counts.limited++;
	return true;
}

/* --- the header, all of it --- */

static void begin_body(struct request *r)
{
	struct visit *v = &r->v;
	const size_t most = v->route->large ? BODY_LARGE : BODY_BYTES;
	const struct str length = visit_header(v, MHD_HTTP_HEADER_CONTENT_LENGTH);
	if (length.n && strtoull(length.p, NULL, 10) > most)
		visit_error(v, MHD_HTTP_CONTENT_TOO_LARGE);
	v->body.max = most;
}

static void begin(struct request *r, const char *url, const char *method)
{
	struct visit *v = &r->v;
	struct headers h = { .forwarded.max = 4096 };
	MHD_get_connection_values(r->conn->mhd, MHD_HEADER_KIND, look, &h);
	who_visits(r, h.forwarded.failed ? STR("") : buf_str(&h.forwarded));
	r->unnamed = r->conn->proxy && !h.forwarded.n && !h.forwarded.failed;
	buf_free(&h.forwarded);
	const struct str cookies = visit_header(v, MHD_HTTP_HEADER_COOKIE);
	const struct str transfer = visit_header(v, MHD_HTTP_HEADER_TRANSFER_ENCODING);
	copy(r->visitor, sizeof(r->visitor), cookie_find(cookies, COOKIE_VISITOR));
	which_language(r, cookies);
	r->takes_gzip = gzip_accepted(visit_header(v, MHD_HTTP_HEADER_ACCEPT_ENCODING));
	v->head = !strcmp(method, "HEAD");
	r->method = strcmp(method, "POST") ? METHOD_GET : METHOD_POST;
	copy(r->path, sizeof(r->path), str_from(url));
	v->path = str_from(r->path);
	v->page.path = r->method == METHOD_GET && v->path.n ? r->path : "/";
	/* Two lengths, or two kinds of them, are how one request is smuggled past a proxy in another. */
	r->hang_up = h.odd || h.length + h.transfer > 1 || (transfer.n && strcasecmp(transfer.p, "chunked"));
	if (r->hang_up || !utf8_valid(v->path)) {
		visit_error(v, MHD_HTTP_BAD_REQUEST);
		return;
	}
	v->route = route_find(v->path, str_from(method), v->names, &r->allow);
	if (!v->route)
		visit_error(v, r->allow[0] ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND);
	else if (v->web->draining)
		visit_error(v, MHD_HTTP_SERVICE_UNAVAILABLE);
	else if (limited(r))
		visit_error(v, MHD_HTTP_TOO_MANY_REQUESTS);
	else
		begin_body(r);
	if (!r->status)
		authorize(r, cookies);
}

/* --- the body --- */

static enum MHD_Result take_body(struct request *r, const char *bytes, size_t *size)
{
	struct web *w = r->v.web;
	const struct str in = { bytes, *size };
	*size = 0;
	if (!r->status && r->method == METHOD_POST) {
		const size_t before = r->v.body.cap;
		if (w->body_bytes + in.n > BODIES_BYTES)
			visit_error(&r->v, MHD_HTTP_SERVICE_UNAVAILABLE);
		else
			buf_add(&r->v.body, in);
		w->body_bytes += r->v.body.cap - before;
		if (r->v.body.failed)
			visit_error(&r->v, MHD_HTTP_CONTENT_TOO_LARGE);
	}
	if (r->status || r->method != METHOD_POST)
		r->dropped += in.n;
	return r->dropped > DRAIN_BYTES ? MHD_NO : MHD_YES;
}

static bool is_type(struct str type, struct str want)
{
	return type.n >= want.n && !strncasecmp(type.p, want.p, want.n) &&
	       (type.n == want.n || type.p[want.n] == ';' || type.p[want.n] == ' ');
}

/* A form, and that it is one we gave to this browser. */
static void read_form(struct request *r)
{
	struct visit *v = &r->v;
	const struct str type = visit_header(v, MHD_HTTP_HEADER_CONTENT_TYPE);
	const bool parts = is_type(type, STR("multipart/form-data"));
	int code = 0;
	if (type.n && !parts && !is_type(type, STR("application/x-www-form-urlencoded")))
		code = -1;
	else if (v->body.n)
		code = parts ? form_read_multipart(&v->form, type, v->body.p, v->body.n)
		             : form_read(&v->form, v->body.p, v->body.n);
	if (code) {
		visit_error(v, MHD_HTTP_BAD_REQUEST);
		return;
	}
	const struct token_of of = visit_token_of(r, v->route->path);
	const struct str token = visit_field(v, "token");
	if (!r->visitor[0] || !token_good(v->web->form_key, &of, token))
		visit_error(v, MHD_HTTP_FORBIDDEN);
	else
		token_once(token, r->once);
}

static void handle(struct request *r)
{
	struct visit *v = &r->v;
	r->handled = true;
	if (r->method == METHOD_POST && !(v->route->roles & (ROLE_BANK | ROLE_HOSPITAL)))
		read_form(r);
	if (!r->status)
		v->route->handle(v);
	if (!r->status && !r->number)
		visit_error(v, MHD_HTTP_INTERNAL_SERVER_ERROR);
}

/* --- libmicrohttpd's calls --- */

/* What comes next is the body, or its end. */
static enum MHD_Result after_headers(struct request *r)
{
	/* Answered now the connection ends, and the rest of the body may push the answer out of the other's sight. */
	const struct str length = visit_header(&r->v, MHD_HTTP_HEADER_CONTENT_LENGTH);
	const bool large = length.n && strtoull(length.p, NULL, 10) > DRAIN_BYTES;
	const bool asks = visit_header(&r->v, MHD_HTTP_HEADER_EXPECT).n;
	return r->status && (large || asks || r->hang_up) ? request_answer(r) : MHD_YES;
}

static enum MHD_Result first_call(struct web *w, struct MHD_Connection *mhd, const char *url, const char *method,
                                  void **slot)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct request *r = calloc(1, sizeof(*r));
	if (!r || !info || !info->socket_context) {
		free(r);
		return MHD_NO;
	}
	r->conn = info->socket_context;
	r->conn->r = r;
	r->conn->deadline = web_now(w) + BODY_S * (int64_t)CLOCK_S;
	r->v.web = w;
	r->allow = "";
	w->counts.requests++;
	w->n_requests++;
	*slot = r;
	begin(r, url, method);
	if (r->number) {
		r->early = true;
		suspend(r);
		return MHD_YES;
	}
	return after_headers(r);
}

enum MHD_Result request_handle(void *web, struct MHD_Connection *mhd, const char *url, const char *method,
                               const char *version, const char *upload, size_t *size, void **slot)
{
	struct web *w = web;
	struct request *r = *slot;
	enum MHD_Result result;
	w->progress++;
	if (w->stopping)
		return MHD_NO;
	if (!r)
		return first_call(w, mhd, url, method, slot);
	if (*size)
		return take_body(r, upload, size);
	if (r->early) { /* who was suspended at the headers is asked once more before its body */
		r->early = false;
		return after_headers(r);
	}
	if (!r->handled && request_answer_kept(r, &result))
		return result;
	if (!r->handled && !r->status)
		handle(r);
	if (!r->number)
		return request_answer(r);
	suspend(r);
	return MHD_YES;
}

void request_completed(void *web, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode why)
{
	struct web *w = web;
	struct request *r = *slot;
	if (!r)
		return;
	*slot = NULL;
	w->n_requests--;
	w->body_bytes -= r->v.body.cap;
	r->conn->r = NULL;
	r->conn->deadline = web_now(w) + HEADER_S * (int64_t)CLOCK_S;
	visit_forget(r);
	stream_end(r);
	if (r->v.body.p) /* names, phones, codes */
		sodium_memzero(r->v.body.p, r->v.body.cap);
	buf_free(&r->v.body);
	buf_free(&r->v.page.out);
	buf_free(&r->out);
	free(r->v.own);
	json_decref(r->v.held);
	sodium_memzero(r, sizeof(*r));
	free(r);
}
