#include "gate.h"

#include <strings.h>

#define COOKIE "khien_pass="
#define HOW    "; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"
#define SECURE "; Secure"

/* nginx's chain of filters is one for the process: each keeps the next. */
static ngx_http_output_header_filter_pt next_filter;

static bool same(ngx_str_t s, struct str word)
{
	return s.len == word.n && !ngx_strncasecmp(s.data, (u_char *)word.p, word.n);
}

ngx_int_t gate_cookie_header(ngx_http_request_t *r, struct str name, struct str value)
{
	ngx_table_elt_t *h = ngx_list_push(&r->headers_out.headers);
	if (!h)
		return NGX_ERROR;
	*h = (ngx_table_elt_t){ .hash = 1,
		                .key = { name.n, (u_char *)name.p },
		                .value = { value.n, (u_char *)value.p } };
	return NGX_OK;
}

ngx_int_t gate_cookie_add(ngx_http_request_t *r, const char *pass)
{
	const struct str secure = r->connection->ssl ? STR(SECURE) : STR("");
	char *text = ngx_pnalloc(r->pool, sizeof(COOKIE HOW SECURE) + PASS_TEXT);
	if (!text)
		return NGX_ERROR;
	char *end = (char *)ngx_cpymem(text, COOKIE, sizeof(COOKIE) - 1);
	end = (char *)ngx_cpymem(end, pass, strlen(pass));
	end = (char *)ngx_cpymem(end, HOW, sizeof(HOW) - 1);
	end = (char *)ngx_cpymem(end, secure.p, secure.n);
	return gate_cookie_header(r, STR("Set-Cookie"), (struct str){ text, (size_t)(end - text) });
}

static bool has(ngx_str_t value, const char *word)
{
	return ngx_strlcasestrn(value.data, value.data + value.len, (u_char *)word, strlen(word) - 1);
}

/* What a header says of who may keep the answer. */
enum keeping { UNSAID, OWN, ANYBODY };

static enum keeping keeping_of(const ngx_table_elt_t *h)
{
	if (same(h->key, STR("Expires")))
		return ANYBODY;
	if (!same(h->key, STR("Cache-Control")))
		return UNSAID;
	if (has(h->value, "private") || has(h->value, "no-store") || has(h->value, "no-cache"))
		return OWN;
	if (has(h->value, "public") || has(h->value, "s-maxage") ||
	    (has(h->value, "max-age") && !has(h->value, "max-age=0")))
		return ANYBODY;
	return OWN;
}

/*
 * A pass goes out only with what one person gets: a cookie in a page that a cache between keeps would make one person of all its
 * readers. Cache-Control decides before Expires. An answer that has our cookie already comes from another gate.
 */
static enum keeping may_carry(ngx_http_request_t *r)
{
	enum keeping control = UNSAID, expires = UNSAID;
	for (const ngx_list_part_t *part = &r->headers_out.headers.part; part; part = part->next) {
		const ngx_table_elt_t *h = part->elts;
		for (ngx_uint_t i = 0; i < part->nelts; i++) {
			if (!h[i].hash)
				continue;
			if (same(h[i].key, STR("Set-Cookie")) && str_starts(gate_str(h[i].value), STR(COOKIE)))
				return ANYBODY;
			const enum keeping k = keeping_of(&h[i]);
			enum keeping *place = same(h[i].key, STR("Expires")) ? &expires : &control;
			*place = ngx_max(*place, k);
		}
	}
	return control != UNSAID ? control : expires;
}

static ngx_int_t give(ngx_http_request_t *r, const struct gate_asked *a)
{
	const enum keeping k = may_carry(r);
	if (k == ANYBODY)
		return NGX_OK;
	if (k == UNSAID && gate_cookie_header(r, STR("Cache-Control"), STR("private")) != NGX_OK)
		return NGX_ERROR;
	return gate_cookie_add(r, a->answer.pass);
}

static ngx_int_t filter(ngx_http_request_t *r)
{
	struct gate_asked *a = r == r->main ? gate_request_asked(r) : NULL;
	if (!a || a->answer.verdict > FLOOD_SLOW)
		return next_filter(r);
	if (a->answer.gives && !a->watched && !r->cached && r->headers_out.status == NGX_HTTP_OK &&
	    str_starts(gate_str(r->headers_out.content_type), STR("text/html")) && give(r, a) != NGX_OK)
		return NGX_ERROR;
	if (gate_outcome_streams(r))
		gate_outcome_tell(a);
	return next_filter(r);
}

void gate_cookie_begins(void)
{
	next_filter = ngx_http_top_header_filter;
	ngx_http_top_header_filter = filter;
}
