#include "gate.h"

enum { BITS = 5, DIGITS = 12, SECONDS_MAX = 3600 };

/* --- the number on the page --- */

static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void gate_page_id(uint64_t id, char ret[GATE_ID + 1])
{
	size_t n = 0;
	if (id) {
		for (int shift = BITS * (DIGITS - 1); shift >= 0; shift -= BITS) {
			if (n == 4 || n == 9)
				ret[n++] = '-';
			ret[n++] = crockford[id >> shift & 31];
		}
	}
	ret[n] = '\0';
}

/* As people copy it: hyphens or not, small letters, O for 0, I and L for 1. */
bool gate_page_id_read(struct str text, uint64_t *ret)
{
	uint64_t id = 0;
	unsigned n = 0;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '-' || c == ' ')
			continue;
		c = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
		c = c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c;
		const char *digit = c ? strchr(crockford, c) : NULL;
		if (!digit || ++n > DIGITS)
			return false;
		id = id << BITS | (uint64_t)(digit - crockford);
	}
	if (n != DIGITS)
		return false;
	*ret = id;
	return true;
}

/* --- the page --- */

/* In these texts the blanks are bytes that no text has. */
#define SECONDS "\1"
#define NUMBER  "\2"
#define CONTACT "\3"

struct words {
	const char *lang, *title, *why, *again, *sent, *contact, *number;
};

static const struct words words[] = {
	[GATE_VI] = { "vi", "Đang có rất nhiều người truy cập",
	              "Trang vẫn hoạt động, chỉ là rất nhiều người vào cùng một lúc. Bạn không mất lượt.",
	              "Trang này tự tiếp tục sau <b>" SECONDS "</b> giây, bạn không cần làm gì.",
	              "Xin đợi <b>" SECONDS "</b> giây, quay lại trang trước rồi gửi lần nữa. Chưa có gì bị mất.",
	              "Nếu đợi mãi vẫn không vào được, xin gọi: <b>" CONTACT "</b>", "Khi gọi, xin đọc số này: " },
	[GATE_EN] = { "en", "Very many people are here just now",
	              "The site is up; very many people have come at the same time. Your place is not lost.",
	              "This page continues by itself in <b>" SECONDS "</b> seconds. There is nothing you need to do.",
	              "Please wait <b>" SECONDS "</b> seconds, go back and send it again. Nothing was lost.",
	              "If it does not continue, please ring: <b>" CONTACT "</b>", "When you call, give this number: " },
	[GATE_ZH] = { "zh", "现在访问的人非常多", "网站运行正常，只是同时访问的人非常多。您的位置不会丢失。",
	              "本页面将在 <b>" SECONDS "</b> 秒后自动继续，您无需任何操作。",
	              "请等待 <b>" SECONDS "</b> 秒，返回上一页后再次提交。内容没有丢失。",
	              "如果一直无法继续，请致电：<b>" CONTACT "</b>", "致电时请告知此编号：" },
};

static const char style[] =
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><style>"
        "body{font:18px/1.5 sans-serif;max-width:30em;margin:0 auto;padding:1em;color:#222;background:#fff}"
        "h1{font-size:1.3em;line-height:1.3}small{color:#555}</style>";

static void add_escaped(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		switch (s.p[i]) {
		case '&': buf_add(b, STR("&amp;")); break;
		case '<': buf_add(b, STR("&lt;")); break;
		case '>': buf_add(b, STR("&gt;")); break;
		case '"': buf_add(b, STR("&quot;")); break;
		default: buf_putc(b, (unsigned char)s.p[i] < ' ' ? ' ' : s.p[i]);
		}
	}
}

static void write_page(struct buf *b, const struct words *w, bool again, struct str contact)
{
	buf_printf(b, "<!DOCTYPE html><html lang=\"%s\"><head><meta charset=\"utf-8\">", w->lang);
	if (again)
		buf_add(b, STR("<meta http-equiv=\"refresh\" content=\"" SECONDS "\">"));
	buf_printf(b, "%s<title>%s</title></head><body><h1>%s</h1><p>%s</p><p>%s</p>", style, w->title, w->title,
	           w->why, again ? w->again : w->sent);
	const size_t blank = str_find(str_from(w->contact), *CONTACT);
	if (contact.n) {
		buf_add(b, STR("<p>"));
		buf_add(b, (struct str){ w->contact, blank });
		add_escaped(b, contact);
		buf_printf(b, "%s</p>", w->contact + blank + 1);
	}
	buf_printf(b, "<p><small>%s" NUMBER "</small></p></body></html>\n", contact.n ? w->number : "");
}

/* Cuts a text at its blanks, once for all requests. */
static bool cut(ngx_pool_t *pool, struct buf *text, struct gate_page *ret)
{
	char *copy = text->failed ? NULL : ngx_pnalloc(pool, text->n);
	if (!copy)
		return false;
	memcpy(copy, text->p, text->n);
	*ret = (struct gate_page){ 0 };
	for (size_t from = 0, i = 0; i <= text->n && ret->n < GATE_PIECES; i++) {
		const enum gate_blank blank = i == text->n          ? GATE_NOTHING
		                              : copy[i] == *SECONDS ? GATE_SECONDS
		                                                    : GATE_NUMBER;
		if (i < text->n && copy[i] != *SECONDS && copy[i] != *NUMBER)
			continue;
		ret->piece[ret->n].text = (struct str){ copy + from, i - from };
		ret->piece[ret->n++].then = blank;
		ret->size += i - from + GATE_ID;
		from = i + 1;
	}
	text->n = 0;
	return true;
}

struct gate_pages *gate_page_make(ngx_pool_t *pool, ngx_str_t contact)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	struct gate_pages *ret = ngx_pcalloc(pool, sizeof(*ret));
	bool good = ret;
	for (unsigned i = 0; i < N_GATE_LANGUAGES && good; i++) {
		write_page(&text, &words[i], true, gate_str(contact));
		good = cut(pool, &text, &ret->again[i]);
		write_page(&text, &words[i], false, gate_str(contact));
		good = good && cut(pool, &text, &ret->sent[i]);
	}
	buf_add(&text, STR("Too many requests: come back in " SECONDS " s (" NUMBER ")\n"));
	return good && cut(pool, &text, &ret->line) ? ret : NULL;
}

/* --- sent --- */

static ngx_buf_t *fill(ngx_pool_t *pool, const struct gate_page *page, struct str seconds, struct str number)
{
	ngx_buf_t *b = ngx_create_temp_buf(pool, page->size);
	for (unsigned i = 0; b && i < page->n; i++) {
		const struct str text = page->piece[i].text;
		const struct str blank = page->piece[i].then == GATE_SECONDS  ? seconds
		                         : page->piece[i].then == GATE_NUMBER ? number
		                                                              : STR("");
		b->last = ngx_cpymem(b->last, text.p, text.n);
		b->last = ngx_cpymem(b->last, blank.p, blank.n);
	}
	return b;
}

static bool add_headers(struct gate_asked *a, struct str seconds, struct str number)
{
	ngx_http_request_t *r = a->r;
	return gate_cookie_header(r, STR("Retry-After"), seconds) == NGX_OK &&
	       gate_cookie_header(r, STR("Cache-Control"), STR("no-store")) == NGX_OK &&
	       (!number.n || gate_cookie_header(r, STR("Khien-Id"), number) == NGX_OK) &&
	       (!a->answer.gives || gate_cookie_add(r, a->answer.pass) == NGX_OK);
}

ngx_int_t gate_page_send(struct gate_asked *a)
{
	static const ngx_str_t html = ngx_string("text/html; charset=utf-8"), plain = ngx_string("text/plain");
	ngx_http_request_t *r = a->r;
	const struct gate_server *server = ngx_http_get_module_srv_conf(r, ngx_http_khien_module);
	const uint32_t wait = ngx_max(1, ngx_min((a->answer.wait_ms + 999) / 1000, SECONDS_MAX));
	*ngx_snprintf((u_char *)a->seconds, sizeof(a->seconds) - 1, "%uD", wait) = '\0';
	const struct str seconds = str_from(a->seconds), number = str_from(a->id);
	const struct gate_page *page = !a->html  ? &server->pages->line
	                               : a->safe ? &server->pages->again[a->language]
	                                         : &server->pages->sent[a->language];
	r->expect_tested = 1; /* a body that waits for "100 Continue" needn't come */
	if (ngx_http_discard_request_body(r) != NGX_OK)
		r->keepalive = 0;
	ngx_buf_t *b = fill(r->pool, page, seconds, number);
	if (!b || !add_headers(a, seconds, number))
		return NGX_HTTP_INTERNAL_SERVER_ERROR;
	b->last_buf = 1;
	b->last_in_chain = 1;
	r->headers_out.status = NGX_HTTP_TOO_MANY_REQUESTS;
	r->headers_out.content_length_n = b->last - b->pos;
	r->headers_out.content_type = a->html ? html : plain;
	r->headers_out.content_type_len = r->headers_out.content_type.len;
	const ngx_int_t code = ngx_http_send_header(r);
	ngx_chain_t out = { .buf = b };
	return code == NGX_ERROR || code > NGX_OK || r->header_only ? code : ngx_http_output_filter(r, &out);
}
