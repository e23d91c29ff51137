/* How a visit is answered: pages, redirects, bytes; kept pages; the headers that go with all of them. */
#include "kiosk/web_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char html_type[] = "text/html; charset=utf-8";

/* --- headers --- */

static void add(struct MHD_Response *m, const char *name, const char *value)
{
	MHD_add_response_header(m, name, value);
}

/* What all answers have. An asset's address has its version in it: it may be kept for good. */
static void dress(const struct web *w, struct MHD_Response *m, const char *type, bool asset, bool packed)
{
	add(m, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	add(m, MHD_HTTP_HEADER_VARY, "Accept-Encoding");
	if (packed)
		add(m, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
	add(m, MHD_HTTP_HEADER_CACHE_CONTROL, asset ? "public, max-age=31536000, immutable" : "no-store");
	add(m, "Content-Security-Policy",
	    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
	    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
	add(m, "X-Content-Type-Options", "nosniff");
	add(m, "Referrer-Policy", "same-origin");
	if (w->tls)
		add(m, "Strict-Transport-Security", "max-age=31536000");
}

static void dress_for(const struct request *r, struct MHD_Response *m)
{
	const struct web *w = r->v.web;
	char seconds[16];
	for (unsigned i = 0; i < N_COOKIES; i++)
		if (r->cookies[i][0])
			add(m, MHD_HTTP_HEADER_SET_COOKIE, r->cookies[i]);
	if (r->location[0])
		add(m, MHD_HTTP_HEADER_LOCATION, r->location);
	if (r->status == MHD_HTTP_METHOD_NOT_ALLOWED && r->allow)
		add(m, MHD_HTTP_HEADER_ALLOW, r->allow);
	if (r->status == MHD_HTTP_UNAUTHORIZED)
		add(m, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	if (r->retry_after) {
		snprintf(seconds, sizeof(seconds), "%u", r->retry_after);
		add(m, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
	}
	if (w->draining || r->hang_up)
		add(m, MHD_HTTP_HEADER_CONNECTION, "close");
}

/* --- cookies --- */

void visit_cookie(struct visit *v, enum cookie cookie, struct str value, int seconds)
{
	struct request *r = request_of(v);
	const int n = snprintf(r->cookies[cookie], COOKIE_TEXT,
	                       "%s=" STR_FMT "; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%s", cookie_names[cookie],
	                       STR_ARG(value), seconds, v->secure ? "; Secure" : "");
	if (n < 0 || n >= COOKIE_TEXT)
		r->cookies[cookie][0] = '\0';
}

void visit_cookie_sealed(struct visit *v, enum cookie cookie, struct str text, int seconds)
{
	struct buf sealed = { 0 };
	cookie_seal(v->web->form_key, cookie_names[cookie], text, &sealed);
	if (!sealed.failed)
		visit_cookie(v, cookie, buf_str(&sealed), seconds);
	buf_free(&sealed);
}

bool visit_cookie_read(const struct visit *v, enum cookie cookie, struct buf *text)
{
	const struct str sealed = cookie_find(visit_header(v, MHD_HTTP_HEADER_COOKIE), cookie);
	return sealed.n && !cookie_open(v->web->form_key, cookie_names[cookie], sealed, text);
}

/* --- forms --- */

/* A browser that has no name yet gets one with its first form. */
static void name_visitor(struct request *r)
{
	enum { DAY_S = 24 * 3600 };
	if (r->visitor[0])
		return;
	visitor_make(r->visitor);
	visit_cookie(&r->v, COOKIE_VISITOR, str_from(r->visitor), 30 * DAY_S);
}

static void fill_holes(struct request *r, const struct page_hole *holes, unsigned n)
{
	char token[TOKEN_LENGTH + 1];
	if (n)
		name_visitor(r);
	for (unsigned i = 0; i < n; i++) {
		const struct token_of of = visit_token_of(r, holes[i].action);
		token_make(r->v.web->form_key, &of, token);
		if (r->packed)
			gzip_fill(&r->out, &holes[i], token);
		else
			memcpy(r->out.p + holes[i].at, token, TOKEN_LENGTH);
	}
}

void visit_form(struct visit *v, const char *action)
{
	static const char blank[] = "------------------------------------------------";
	_Static_assert(sizeof(blank) == TOKEN_LENGTH + 1, "as long as a token");
	struct request *r = request_of(v);
	const size_t at = html_form(&v->page, action, str_from(blank));
	if (v->page.out.failed)
		return;
	if (r->n_holes == PAGE_HOLES) { /* not those that are kept: these have few */
		char token[TOKEN_LENGTH + 1];
		name_visitor(r);
		const struct token_of of = visit_token_of(r, action);
		token_make(v->web->form_key, &of, token);
		memcpy(v->page.out.p + at, token, TOKEN_LENGTH);
		return;
	}
	r->holes[r->n_holes++] = (struct page_hole){ .at = at, .action = action };
}

void visit_input(struct visit *v, const struct input *input, enum kiosk_word wrong, struct str field)
{
	struct page *p = &v->page;
	const bool here = wrong && str_eq(field, str_from(input->name));
	buf_printf(&p->out, "<label for=\"%s\">", input->name);
	html_word(p, input->label);
	if (input->optional) {
		html(p, " <small>(");
		html_word(p, KIOSK_WORD_OPTIONAL);
		html(p, ")</small>");
	}
	html(p, "</label>");
	if (input->hint) {
		html(p, "<p class=\"hint\">");
		html_word(p, input->hint);
		html(p, "</p>");
	}
	if (here) {
		buf_printf(&p->out, "<p class=\"wrong\" id=\"%s-wrong\">", input->name);
		html_word(p, wrong);
		html(p, "</p>");
	}
	buf_printf(&p->out, "<input id=\"%s\" name=\"%s\" %s value=\"", input->name, input->name, input->attributes);
	html_text(p, visit_field(v, input->name));
	html(p, "\"");
	if (here)
		buf_printf(&p->out, " aria-invalid=\"true\" aria-describedby=\"%s-wrong\" autofocus", input->name);
	html(p, ">\n");
}

/* --- pages --- */

struct page *visit_page(struct visit *v, enum kiosk_word title)
{
	struct request *r = request_of(v);
	buf_free(&v->page.out);
	v->page.out = (struct buf){ .max = PAGE_MAX };
	v->page.lang = v->lang;
	v->page.version = v->web->version;
	v->page.demo = v->web->c.demo;
	v->page.session = v->staff.name;
	r->n_holes = 0;
	html_begin(&v->page, title);
	return &v->page;
}

static void count(struct web *w, unsigned status)
{
	w->counts.bad += status == MHD_HTTP_BAD_REQUEST || status == MHD_HTTP_NOT_FOUND ||
	                 status == MHD_HTTP_METHOD_NOT_ALLOWED || status == MHD_HTTP_CONTENT_TOO_LARGE;
	w->counts.denied += status == MHD_HTTP_UNAUTHORIZED || status == MHD_HTTP_FORBIDDEN;
}

static void decide(struct request *r, unsigned status, const char *type)
{
	r->status = status;
	r->type = type;
	count(r->v.web, status);
}

static bool is_kept(const struct request *r)
{
	return r->v.route && r->v.route->kept && !r->v.web->draining;
}

static struct kept_key key_of(const struct request *r)
{
	return (struct kept_key){ r->v.path, r->v.lang, r->takes_gzip };
}

/*
 * Packs what is to be sent, where that is worth it. Of the pages of patients alone: on those of staff stands what strangers wrote
 * beside what is secret, and how well the one packs with the other would tell of it by the length.
 */
static void pack(struct request *r)
{
	struct page_hole holes[PAGE_HOLES];
	struct buf out = { .max = PAGE_MAX };
	if (!r->takes_gzip || !r->v.route || r->v.route->roles != ROLE_ANYBODY || r->out.n < GZIP_LEAST)
		return;
	memcpy(holes, r->holes, sizeof(holes));
	gzip_page(r->v.web->gzip, buf_str(&r->out), holes, r->n_holes, &out);
	if (out.failed || out.n >= r->out.n) {
		buf_free(&out);
		return;
	}
	memcpy(r->holes, holes, sizeof(holes));
	buf_free(&r->out);
	r->out = out;
	r->packed = true;
}

static void keep(struct request *r)
{
	struct web *w = r->v.web;
	const struct kept_key key = key_of(r);
	struct kept_page page = { .bytes = buf_str(&r->out), .n_holes = r->n_holes, .packed = r->packed };
	memcpy(page.holes, r->holes, sizeof(page.holes));
	if (!page.n_holes) {
		page.response = MHD_create_response_from_buffer(page.bytes.n, (void *)(uintptr_t)page.bytes.p,
		                                                MHD_RESPMEM_MUST_COPY);
		if (!page.response)
			return;
		dress(w, page.response, html_type, false, page.packed);
	}
	kept_put(w->kept, &key, &page, web_now(w));
}

void visit_send(struct visit *v, unsigned status)
{
	struct request *r = request_of(v);
	if (r->status)
		return;
	html_end(&v->page);
	if (v->page.out.failed) {
		buf_free(&v->page.out);
		r->n_holes = 0;
		decide(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "text/plain");
		return;
	}
	r->out = v->page.out;
	v->page.out = (struct buf){ 0 };
	pack(r);
	if (is_kept(r) && status == MHD_HTTP_OK)
		keep(r);
	fill_holes(r, r->holes, r->n_holes);
	decide(r, status, html_type);
}

bool request_answer_kept(struct request *r, enum MHD_Result *ret)
{
	struct web *w = r->v.web;
	const struct kept_key key = key_of(r);
	const struct kept_page *page = is_kept(r) && !r->status ? kept_find(w->kept, &key, web_now(w)) : NULL;
	bool cookies = false;
	if (!page)
		return false;
	w->counts.pages_kept++;
	for (unsigned i = 0; i < N_COOKIES; i++)
		cookies |= r->cookies[i][0];
	if (page->response && !cookies && !r->hang_up) {
		r->status = MHD_HTTP_OK;
		*ret = MHD_queue_response(r->conn->mhd, MHD_HTTP_OK, page->response);
		return true;
	}
	buf_add(&r->out, page->bytes);
	r->packed = page->packed;
	if (!r->out.failed)
		fill_holes(r, page->holes, page->n_holes);
	decide(r, MHD_HTTP_OK, html_type);
	*ret = request_answer(r);
	return true;
}

/* --- errors --- */

static enum kiosk_word title_of(const struct visit *v, unsigned status)
{
	switch (status) {
	case MHD_HTTP_FORBIDDEN:
		return v->session.n && request_of(v)->method == METHOD_GET ? KIOSK_WORD_ERROR_NOT_YOURS
		                                                           : KIOSK_WORD_ERROR_403;
	case MHD_HTTP_NOT_FOUND: return KIOSK_WORD_ERROR_404;
	case MHD_HTTP_METHOD_NOT_ALLOWED: return KIOSK_WORD_ERROR_405;
	case MHD_HTTP_CONTENT_TOO_LARGE: return KIOSK_WORD_ERROR_413;
	case MHD_HTTP_TOO_MANY_REQUESTS: return KIOSK_WORD_ERROR_429;
	case MHD_HTTP_INTERNAL_SERVER_ERROR: return KIOSK_WORD_ERROR_500;
	case MHD_HTTP_SERVICE_UNAVAILABLE: return KIOSK_WORD_ERROR_503;
	default: return KIOSK_WORD_ERROR_400;
	}
}

static enum kiosk_word hint_of(enum kiosk_word title)
{
	return title == KIOSK_WORD_ERROR_403   ? KIOSK_WORD_ERROR_403_HINT
	       : title == KIOSK_WORD_ERROR_429 ? KIOSK_WORD_ERROR_429_HINT
	       : title == KIOSK_WORD_ERROR_503 ? KIOSK_WORD_ERROR_503_HINT
	                                       : KIOSK_WORD_NONE;
}

void visit_error(struct visit *v, unsigned status)
{
	struct request *r = request_of(v);
	if (r->status)
		return;
	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		r->retry_after = RETRY_AFTER_S;
	if (status == MHD_HTTP_TOO_MANY_REQUESTS)
		r->retry_after = LIMIT_RETRY_S;
	if (v->route && v->route->roles & (ROLE_BANK | ROLE_HOSPITAL)) {
		struct buf out = { 0 };
		buf_printf(&out, "{\"error\":%u}\n", status);
		visit_bytes(v, status, "application/json", &out);
		return;
	}
	const enum kiosk_word title = title_of(v, status);
	const enum kiosk_word hint = title == KIOSK_WORD_ERROR_503 && r->shut ? r->shut : hint_of(title);
	struct page *p = visit_page(v, title);
	if (hint) {
		html(p, "<p class=\"note\">");
		html_word(p, hint);
		html(p, "</p>");
	}
	html(p, "<p><a class=\"button\" href=\"/\">");
	html_word(p, KIOSK_WORD_BOOK_TITLE);
	html(p, "</a></p>");
	visit_send(v, status);
}

/* --- other answers --- */

void visit_redirect(struct visit *v, const char *path)
{
	struct request *r = request_of(v);
	if (r->status)
		return;
	const int n = snprintf(r->location, sizeof(r->location), "%s", path);
	if (n < 0 || (size_t)n >= sizeof(r->location)) {
		r->location[0] = '\0';
		visit_error(v, MHD_HTTP_INTERNAL_SERVER_ERROR);
		return;
	}
	decide(r, MHD_HTTP_SEE_OTHER, html_type);
}

void visit_bytes(struct visit *v, unsigned status, const char *type, struct buf *bytes)
{
	struct request *r = request_of(v);
	if (r->status || bytes->failed) {
		buf_free(bytes);
		if (!r->status)
			decide(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "text/plain");
		return;
	}
	r->out = *bytes;
	*bytes = (struct buf){ 0 };
	r->n_holes = 0;
	if (strcmp(type, "image/png") != 0)
		pack(r);
	decide(r, status, type);
}

void visit_json(struct visit *v, unsigned status, const json_t *answer)
{
	struct buf out = { 0 };
	char *text = json_dumps(answer, JSON_COMPACT | JSON_SORT_KEYS);
	if (text)
		buf_add(&out, str_from(text));
	buf_putc(&out, '\n');
	out.failed |= !text;
	free(text);
	visit_bytes(v, status, "application/json", &out);
}

static bool is_asset(const struct request *r)
{
	return r->v.route && (r->v.route->handle == asset_css || r->v.route->handle == asset_js) && !r->v.head &&
	       r->status == MHD_HTTP_OK;
}

enum MHD_Result request_answer(struct request *r)
{
	if (r->streams)
		return stream_begin(r);
	struct MHD_Response *m = MHD_create_response_from_buffer(r->out.n, r->out.p, MHD_RESPMEM_MUST_FREE);
	if (!m)
		return MHD_NO;
	r->out = (struct buf){ 0 };
	dress(r->v.web, m, r->type, is_asset(r), r->packed);
	dress_for(r, m);
	const enum MHD_Result result = MHD_queue_response(r->conn->mhd, r->status, m);
	MHD_destroy_response(m);
	return result;
}

/* --- small handlers --- */

static void send_asset(struct visit *v, const char *type, struct str bytes)
{
	struct buf out = { 0 };
	buf_add(&out, bytes);
	visit_bytes(v, MHD_HTTP_OK, type, &out);
}

void asset_css(struct visit *v)
{
	send_asset(v, "text/css; charset=utf-8", html_css);
}

void asset_js(struct visit *v)
{
	send_asset(v, "text/javascript; charset=utf-8", html_js);
}

void plain_health(struct visit *v)
{
	struct buf out = { 0 };
	const struct web_config *c = &v->web->c;
	const int code = c->health ? c->health(c->arg, &out) : 0;
	if (!code)
		buf_add(&out, STR("ok"));
	buf_putc(&out, '\n');
	visit_bytes(v, code ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, "text/plain; charset=utf-8", &out);
}

void plain_metrics(struct visit *v)
{
	const struct web_counts c = web_counts(v->web);
	const struct {
		const char *name;
		uint64_t n;
	} own[] = {
		{ "requests_total", c.requests }, { "pages_kept_total", c.pages_kept },
		{ "limited_total", c.limited },   { "bad_requests_total", c.bad },
		{ "denied_total", c.denied },     { "connections", c.connections },
		{ "boards", c.boards },
	};
	struct buf out = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		buf_printf(&out, "khien_kiosk_web_%s %llu\n", own[i].name, (unsigned long long)own[i].n);
	if (v->web->c.metrics)
		v->web->c.metrics(v->web->c.arg, &out);
	visit_bytes(v, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &out);
}
