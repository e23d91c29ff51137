#include "gate.h"

enum { BROWSER_MAX = 1024 };

/* Its header lines that count here. */
struct lines {
	struct str pass, agent, accept, language;
};

/* The first cookie of our name. */
static struct str find_pass(struct str cookies)
{
	const struct str name = STR("khien_pass=");
	while (cookies.n) {
		const size_t n = str_find(cookies, ';');
		const struct str one = str_trim(str_sub(cookies, 0, n));
		if (str_starts(one, name))
			return str_sub(one, name.n, one.n);
		cookies = str_sub(cookies, n + 1, cookies.n);
	}
	return (struct str){ 0 };
}

static void read_line(const ngx_table_elt_t *line, struct lines *ret)
{
	const struct str key = { (const char *)line->lowcase_key, line->key.len }, value = gate_str(line->value);
	if (str_eq(key, STR("cookie"))) {
		if (!ret->pass.p)
			ret->pass = find_pass(value);
	} else if (str_eq(key, STR("user-agent"))) {
		ret->agent = value;
	} else if (str_eq(key, STR("accept"))) {
		ret->accept = value;
	} else if (str_eq(key, STR("accept-language"))) {
		ret->language = value;
	}
}

static struct lines read_lines(ngx_http_request_t *r)
{
	struct lines ret = { 0 };
	for (const ngx_list_part_t *part = &r->headers_in.headers.part; part; part = part->next) {
		const ngx_table_elt_t *lines = part->elts;
		for (ngx_uint_t i = 0; i < part->nelts; i++)
			read_line(&lines[i], &ret);
	}
	return ret;
}

/* Thousandths of a language's "q=0.8"; 1,000 where it has none. */
static unsigned weight(struct str params)
{
	const char *q = memmem(params.p, params.n, "q=", 2);
	if (!q)
		return 1000;
	unsigned ret = 0, unit = 1000;
	for (const char *c = q + 2; c < params.p + params.n && (*c == '.' || (*c >= '0' && *c <= '9')); c++) {
		if (*c == '.')
			continue;
		ret += (unsigned)(*c - '0') * unit;
		unit /= 10;
	}
	return ret;
}

/* The one of ours that is liked most; who says nothing reads Vietnamese. */
static enum gate_language language_of(struct str accept)
{
	static const char tags[][3] = { [GATE_VI] = "vi", [GATE_EN] = "en", [GATE_ZH] = "zh" };
	enum gate_language ret = GATE_VI;
	unsigned best = 0;
	while (accept.n) {
		const size_t n = str_find(accept, ',');
		const struct str one = str_trim(str_sub(accept, 0, n));
		const size_t tag = str_find(one, ';');
		accept = str_sub(accept, n + 1, accept.n);
		for (unsigned i = 0; i < ARRAY_LEN(tags); i++) {
			const bool same = tag >= 2 && (tag == 2 || one.p[2] == '-') && (one.p[0] | 32) == tags[i][0] &&
			                  (one.p[1] | 32) == tags[i][1];
			if (!same || weight(str_sub(one, tag, one.n)) <= best)
				continue;
			best = weight(str_sub(one, tag, one.n));
			ret = i;
		}
	}
	return ret;
}

/* What stays the same for one browser. */
static uint64_t browser_of(const struct flood *f, const struct lines *l)
{
	char text[BROWSER_MAX];
	const struct str agent = str_sub(l->agent, 0, sizeof(text) / 2 - 1),
	                 language = str_sub(l->language, 0, sizeof(text) / 2);
	if (agent.n)
		memcpy(text, agent.p, agent.n);
	text[agent.n] = '\n';
	if (language.n)
		memcpy(text + agent.n + 1, language.p, language.n);
	return flood_hash(f, (struct str){ text, agent.n + 1 + language.n });
}

bool gate_request_address(ngx_http_request_t *r, struct flood_addr *ret)
{
	const struct sockaddr *from = r->connection->sockaddr;
	if (from->sa_family == AF_INET6) {
		memcpy(ret->b, &((const struct sockaddr_in6 *)from)->sin6_addr, sizeof(ret->b));
		return true;
	}
	if (from->sa_family != AF_INET)
		return false;
	*ret = (struct flood_addr){ { [10] = 0xff, [11] = 0xff } };
	memcpy(ret->b + 12, &((const struct sockaddr_in *)from)->sin_addr, 4);
	return true;
}

void gate_request_read(struct gate_asked *a, struct flood_request *ret)
{
	ngx_http_request_t *r = a->r;
	const struct gate_server *server = ngx_http_get_module_srv_conf(r, ngx_http_khien_module);
	const struct flood *f = a->gate->worker.f;
	const struct hello *hello = gate_hello_of(r->connection);
	const struct lines l = read_lines(r);
	a->safe = r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD);
	a->html = l.accept.n && memmem(l.accept.p, l.accept.n, "text/html", 9);
	a->language = a->html ? language_of(l.language) : GATE_EN;
	ret->hello = hello ? hello_hash(hello) : 0;
	ret->browser = browser_of(f, &l);
	ret->path = flood_path(f, gate_str(r->method_name), gate_str(r->uri));
	ret->pass = server->pass ? l.pass : (struct str){ 0 };
	ret->safe = a->safe;
	ret->page = a->html && !a->watched;
}

const char *gate_request_plain(ngx_http_request_t *r)
{
	const struct str path = gate_str(r->unparsed_uri);
	unsigned hosts = 0, agents = 0;
	if (!(r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) || r->http_version < NGX_HTTP_VERSION_10 || !plain_path(path))
		return "";
	for (const ngx_list_part_t *part = &r->headers_in.headers.part; part; part = part->next) {
		const ngx_table_elt_t *lines = part->elts;
		for (ngx_uint_t i = 0; i < part->nelts; i++) {
			const struct str name = { (const char *)lines[i].lowcase_key, lines[i].key.len };
			if (!plain_header(name, gate_str(lines[i].value)))
				return "";
			hosts += str_eq(name, STR("host"));
			agents += str_eq(name, STR("user-agent"));
		}
	}
	return hosts != 1 || agents != 1 ? "" : str_find(path, '.') < path.n ? "file" : "page";
}

struct gate_asked *gate_request_asked(ngx_http_request_t *r)
{
	r = r->main;
	struct gate_asked *ret = ngx_http_get_module_ctx(r, ngx_http_khien_module);
	if (ret || !(r->internal || r->filter_finalize))
		return ret;
	/* nginx forgot what modules knew of it */
	for (const ngx_pool_cleanup_t *p = r->pool->cleanup; p; p = p->next) {
		if (p->handler == gate_verdict_gone)
			return p->data;
	}
	return NULL;
}
