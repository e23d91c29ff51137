#include "gate.h"

enum { ADDRESS_MAX = 64 };

struct answer {
	ngx_uint_t status;
	struct str type;
	struct buf out;
};

static const struct str json = { "application/json", 16 }, text = { "text/plain; charset=utf-8", 25 };

static void complain(struct answer *a, ngx_uint_t status, const char *why)
{
	a->status = status;
	a->type = json;
	a->out.n = 0;
	buf_add(&a->out, STR("{\"error\": "));
	buf_add_json(&a->out, str_from(why));
	buf_add(&a->out, STR("}\n"));
}

/* An argument of the query, unescaped into room. Empty: there is none, or more than room. */
static struct str argument(ngx_http_request_t *r, const char *name, char room[ADDRESS_MAX])
{
	ngx_str_t value;
	if (ngx_http_arg(r, (u_char *)name, strlen(name), &value) != NGX_OK || value.len > ADDRESS_MAX)
		return (struct str){ 0 };
	u_char *to = (u_char *)room, *from = value.data;
	ngx_unescape_uri(&to, &from, value.len, 0);
	return (struct str){ room, (size_t)(to - (u_char *)room) };
}

/* --- what may be asked --- */

static void status(ngx_http_request_t *r, const struct gate *g, struct answer *a)
{
	gate_answer_status(g, &a->out);
}

static void why(ngx_http_request_t *r, const struct gate *g, struct answer *a)
{
	char room[ADDRESS_MAX];
	struct flood_record record;
	struct flood_addr address;
	struct err err = { 0 };
	uint8_t bits;
	uint64_t id;
	const struct str number = argument(r, "id", room);
	if (number.n) {
		if (!gate_page_id_read(number, &id))
			complain(a, NGX_HTTP_BAD_REQUEST,
			         "that is no number of khien's: they look like ABCD-EFGH-JKMN");
		else if (flood_find(g->worker.f, id, &record))
			complain(a, NGX_HTTP_NOT_FOUND, "that number isn't known, or not any more");
		else
			gate_answer_record(&record, &a->out);
		return;
	}
	if (list_prefix(argument(r, "address", room), &address, &bits, &err) || bits != 128)
		complain(a, NGX_HTTP_BAD_REQUEST,
		         err.text[0] ? err.text : "ask for one address: /why?address=203.0.113.7");
	else
		gate_answer_standing(g, &address, &a->out);
}

static void events(ngx_http_request_t *r, const struct gate *g, struct answer *a)
{
	char room[ADDRESS_MAX];
	const struct str after = argument(r, "after", room);
	uint64_t seq = 0;
	for (size_t i = 0; i < after.n; i++) {
		if (after.p[i] < '0' || after.p[i] > '9' || i >= 19)
			return complain(a, NGX_HTTP_BAD_REQUEST, "after is a number: /events?after=0");
		seq = seq * 10 + (uint64_t)(after.p[i] - '0');
	}
	gate_answer_events(g, seq, &a->out);
}

static void normal(ngx_http_request_t *r, const struct gate *g, struct answer *a)
{
	char *room = buf_room(&a->out, FLOOD_NORMAL_MAX);
	a->type = text;
	if (room)
		a->out.n += flood_normal_save(g->worker.f, room, FLOOD_NORMAL_MAX);
}

static void metrics(ngx_http_request_t *r, const struct gate *g, struct answer *a)
{
	a->type = text;
	gate_answer_metrics(g, &a->out);
}

/* What was sent, whole. false: more than may be. */
static bool read_body(const ngx_http_request_t *r, struct buf *ret)
{
	ret->max = LIST_TEXT;
	for (const ngx_chain_t *at = r->request_body ? r->request_body->bufs : NULL; at; at = at->next) {
		if (at->buf->in_file)
			return false;
		if (ngx_buf_in_memory(at->buf)) /* else it marks the end */
			buf_add(ret,
			        (struct str){ (const char *)at->buf->pos, (size_t)(at->buf->last - at->buf->pos) });
	}
	return !ret->failed;
}

static void put_lists(ngx_http_request_t *r, const struct gate *g, struct answer *a)
{
	struct err err = { 0 };
	size_t n;
	CLEANUP(buf_free) struct buf body = { 0 };
	if (!read_body(r, &body))
		return complain(a, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, "a list has 4 MB at most");
	struct list_entry *entries = calloc(LIST_MAX, sizeof(*entries));
	if (!entries)
		return complain(a, NGX_HTTP_INSUFFICIENT_STORAGE, "there is no memory");
	if (list_read(buf_str(&body), entries, LIST_MAX, &n, &err)) {
		complain(a, NGX_HTTP_BAD_REQUEST, err.text);
	} else {
		list_sort(entries, n);
		if (flood_set_list(g->worker.f, entries, n))
			complain(a, NGX_HTTP_BAD_REQUEST, "too many entries");
		else
			buf_printf(&a->out, "{\"entries\": %zu}\n", n);
	}
	free(entries);
}

static const struct {
	ngx_uint_t method;
	struct str path;
	void (*answer)(ngx_http_request_t *r, const struct gate *g, struct answer *a);
} questions[] = {
	{ NGX_HTTP_GET, { "/status", 7 }, status },   { NGX_HTTP_GET, { "/why", 4 }, why },
	{ NGX_HTTP_GET, { "/events", 7 }, events },   { NGX_HTTP_GET, { "/normal", 7 }, normal },
	{ NGX_HTTP_GET, { "/metrics", 8 }, metrics }, { NGX_HTTP_PUT, { "/lists", 6 }, put_lists },
};

/* --- as nginx asks it --- */

static void answer(ngx_http_request_t *r, struct answer *a)
{
	const struct gate *g = ngx_http_get_module_main_conf(r, ngx_http_khien_module);
	bool known = false;
	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		if (!str_eq(gate_str(r->uri), questions[i].path))
			continue;
		known = true;
		if (r->method == questions[i].method)
			return questions[i].answer(r, g, a);
	}
	if (known)
		complain(a, NGX_HTTP_NOT_ALLOWED, "not with this method: /lists is PUT, all others are GET");
	else
		complain(a, NGX_HTTP_NOT_FOUND, "there are /status, /why, /lists, /events, /normal and /metrics");
}

static ngx_int_t send_answer(ngx_http_request_t *r, const struct answer *a)
{
	ngx_buf_t *b = a->out.failed || !a->out.n ? NULL : ngx_create_temp_buf(r->pool, a->out.n);
	ngx_chain_t out = { .buf = b };
	if (!b)
		return NGX_HTTP_INTERNAL_SERVER_ERROR;
	b->last = ngx_cpymem(b->last, a->out.p, a->out.n);
	b->last_buf = 1;
	b->last_in_chain = 1;
	r->keepalive = 0;
	r->headers_out.status = a->status;
	r->headers_out.content_length_n = (off_t)a->out.n;
	r->headers_out.content_type = (ngx_str_t){ a->type.n, (u_char *)a->type.p };
	r->headers_out.content_type_len = a->type.n;
	const ngx_int_t code = ngx_http_send_header(r);
	return code == NGX_ERROR || code > NGX_OK || r->header_only ? code : ngx_http_output_filter(r, &out);
}

static void read_whole(ngx_http_request_t *r)
{
	struct answer a = { .status = NGX_HTTP_OK, .type = json };
	answer(r, &a);
	const ngx_int_t code = send_answer(r, &a);
	buf_free(&a.out);
	ngx_http_finalize_request(r, code);
}

static ngx_int_t handle(ngx_http_request_t *r)
{
	const ngx_int_t code = ngx_http_read_client_request_body(r, read_whole);
	return code >= NGX_HTTP_SPECIAL_RESPONSE ? code : NGX_DONE;
}

char *gate_control_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
	struct gate_server *s = conf;
	ngx_http_core_loc_conf_t *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
	core->handler = handle;
	core->client_max_body_size = LIST_TEXT;
	core->client_body_buffer_size = LIST_TEXT + 1;
	s->control_file = cf->conf_file->file.name.data;
	s->control_line = cf->conf_file->line;
	return NGX_CONF_OK;
}

/* Who can reach it can let anybody in: no network, ever. */
ngx_int_t gate_control_check(ngx_conf_t *cf)
{
	const struct gate *g = ngx_http_conf_get_module_main_conf(cf, ngx_http_khien_module);
	ngx_http_core_main_conf_t *core = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
	ngx_http_conf_port_t *ports = core->ports ? core->ports->elts : NULL;
	for (ngx_uint_t i = 0; ports && i < core->ports->nelts; i++) {
		ngx_http_conf_addr_t *addrs = ports[i].addrs.elts;
		for (ngx_uint_t j = 0; j < ports[i].addrs.nelts; j++) {
			ngx_http_core_srv_conf_t **servers = addrs[j].servers.elts;
			for (ngx_uint_t k = 0; k < addrs[j].servers.nelts; k++) {
				const struct gate_server *s =
				        servers[k]->ctx->srv_conf[ngx_http_khien_module.ctx_index];
				if (!s->control_file || (ports[i].family == AF_UNIX && g->zone))
					continue;
				ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"khien_control\" %s in %s:%ui",
				              g->zone ? "is for servers with nothing but \"listen unix:/PATH;\""
				                      : "needs \"khien_zone 32m;\" in http{}",
				              s->control_file, s->control_line);
				return NGX_ERROR;
			}
		}
	}
	return NGX_OK;
}
