#include "gate.h"

#include <sodium.h>
#include <sys/prctl.h>

/* --- configuration --- */

static void forget_keys(void *gate)
{
	struct gate *g = gate;
	sodium_memzero(&g->worker.now, sizeof(g->worker.now));
	sodium_memzero(&g->worker.before, sizeof(g->worker.before));
}

static void *create_main(ngx_conf_t *cf)
{
	struct gate *g = ngx_pcalloc(cf->pool, sizeof(*g));
	ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(cf->pool, 0);
	if (!g || !cleanup)
		return NULL;
	cleanup->handler = forget_keys;
	cleanup->data = g;
	return g;
}

static void *create_server(ngx_conf_t *cf)
{
	struct gate_server *s = ngx_pcalloc(cf->pool, sizeof(*s));
	if (!s)
		return NULL;
	s->mode = NGX_CONF_UNSET_UINT;
	s->pass = NGX_CONF_UNSET;
	s->slow = NGX_CONF_UNSET_MSEC;
	return s;
}

static char *merge_server(ngx_conf_t *cf, void *parent, void *child)
{
	struct gate_server *before = parent, *s = child;
	struct gate *g = ngx_http_conf_get_module_main_conf(cf, ngx_http_khien_module);
	ngx_conf_merge_uint_value(s->mode, before->mode, GATE_OFF);
	ngx_conf_merge_value(s->pass, before->pass, 1);
	ngx_conf_merge_msec_value(s->slow, before->slow, 5000);
	const bool own = s->contact.data;
	if (own || !before->pages) {
		ngx_conf_merge_str_value(s->contact, before->contact, "");
		s->pages = gate_page_make(cf->pool, s->contact);
		if (!s->pages)
			return NGX_CONF_ERROR;
		if (!own)
			before->pages = s->pages; /* the next server's too */
	} else {
		s->pages = before->pages;
	}
	if (s->mode > g->strictest)
		g->strictest = s->mode;
	return NGX_CONF_OK;
}

static char *set_mode(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
	static const char *const words[] = { [GATE_OFF] = "off", [GATE_WATCH] = "watch", [GATE_ON] = "on" };
	struct gate_server *s = conf;
	const ngx_str_t *value = cf->args->elts;
	if (s->mode != NGX_CONF_UNSET_UINT)
		return "is duplicate";
	for (ngx_uint_t i = 0; i < ARRAY_LEN(words); i++) {
		if (str_eq(gate_str(value[1]), str_from(words[i])))
			s->mode = i;
	}
	return s->mode == NGX_CONF_UNSET_UINT ? "is on, watch or off: khien on;" : NGX_CONF_OK;
}

static char *set_dies(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
	struct gate *g = conf;
	g->dies_with_master = 1;
	return NGX_CONF_OK;
}

enum { EVERYWHERE = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF };

static ngx_command_t commands[] = {
	{ ngx_string("khien_zone"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, gate_zone_directive, NGX_HTTP_MAIN_CONF_OFFSET,
	  0, NULL },
	{ ngx_string("khien"), EVERYWHERE | NGX_CONF_TAKE1, set_mode, NGX_HTTP_SRV_CONF_OFFSET, 0, NULL },
	{ ngx_string("khien_key"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, gate_file_key, NGX_HTTP_MAIN_CONF_OFFSET, 0,
	  NULL },
	{ ngx_string("khien_lists"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, gate_file_lists, NGX_HTTP_MAIN_CONF_OFFSET, 0,
	  NULL },
	{ ngx_string("khien_normal"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, gate_file_normal, NGX_HTTP_MAIN_CONF_OFFSET,
	  0, NULL },
	{ ngx_string("khien_pass"), EVERYWHERE | NGX_CONF_FLAG, ngx_conf_set_flag_slot, NGX_HTTP_SRV_CONF_OFFSET,
	  offsetof(struct gate_server, pass), NULL },
	{ ngx_string("khien_slow"), EVERYWHERE | NGX_CONF_TAKE1, ngx_conf_set_msec_slot, NGX_HTTP_SRV_CONF_OFFSET,
	  offsetof(struct gate_server, slow), NULL },
	{ ngx_string("khien_contact"), EVERYWHERE | NGX_CONF_TAKE1, ngx_conf_set_str_slot, NGX_HTTP_SRV_CONF_OFFSET,
	  offsetof(struct gate_server, contact), NULL },
	{ ngx_string("khien_control"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, gate_control_directive,
	  NGX_HTTP_SRV_CONF_OFFSET, 0, NULL },
	{ ngx_string("khien_dies_with_master"), NGX_HTTP_MAIN_CONF | NGX_CONF_NOARGS, set_dies,
	  NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL },
	ngx_null_command,
};

/* --- variables --- */

enum variable { VERDICT, REASON, ID, FINGERPRINT, PLAIN };

static ngx_int_t get_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t which)
{
	const struct gate_asked *a = gate_request_asked(r);
	const struct hello *hello = which == FINGERPRINT ? gate_hello_of(r->connection) : NULL;
	const char *text = which == PLAIN               ? gate_request_plain(r)
	                   : hello                      ? hello->text
	                   : !a || which == FINGERPRINT ? ""
	                   : which == VERDICT           ? flood_verdict_name(a->answer.verdict)
	                   : which == REASON            ? flood_reason_name(a->answer.reason)
	                                                : a->id;
	*v = (ngx_http_variable_value_t){ .valid = 1, .data = (u_char *)text, .len = ngx_strlen(text) & 0xfffffff };
	return NGX_OK;
}

static ngx_int_t add_variables(ngx_conf_t *cf)
{
	static ngx_str_t names[] = {
		[VERDICT] = ngx_string("khien_verdict"), [REASON] = ngx_string("khien_reason"),
		[ID] = ngx_string("khien_id"),           [FINGERPRINT] = ngx_string("khien_fingerprint"),
		[PLAIN] = ngx_string("khien_plain"),
	};
	for (uintptr_t i = 0; i < ARRAY_LEN(names); i++) {
		ngx_http_variable_t *v =
		        ngx_http_add_variable(cf, &names[i], i == PLAIN ? 0 : NGX_HTTP_VAR_NOCACHEABLE);
		if (!v)
			return NGX_ERROR;
		v->get_handler = get_variable;
		v->data = i;
	}
	return NGX_OK;
}

/* --- where it stands in nginx --- */

static ngx_int_t add_handler(ngx_conf_t *cf, ngx_http_phases phase, ngx_http_handler_pt handler)
{
	ngx_http_core_main_conf_t *core = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
	ngx_http_handler_pt *place = ngx_array_push(&core->phases[phase].handlers);
	if (!place)
		return NGX_ERROR;
	*place = handler;
	return NGX_OK;
}

static ngx_int_t begins(ngx_conf_t *cf)
{
	struct gate *g = ngx_http_conf_get_module_main_conf(cf, ngx_http_khien_module);
	if (gate_control_check(cf) != NGX_OK)
		return NGX_ERROR;
	if (!g->zone && g->strictest != GATE_OFF)
		ngx_log_error(NGX_LOG_WARN, cf->log, 0,
		              "\"khien\" does nothing without a zone: write \"khien_zone 32m;\" in http{}");
	if (!g->zone)
		return NGX_OK;
	if (g->strictest != GATE_OFF && !g->worker.now.there)
		ngx_log_error(
		        NGX_LOG_WARN, cf->log, 0,
		        "no passes can be given, so in a flood nobody stands out: write \"khien_key FILE;\" in http{}");
	gate_cookie_begins();
	return add_handler(cf, NGX_HTTP_SERVER_REWRITE_PHASE, gate_verdict_handler) == NGX_OK &&
	                       add_handler(cf, NGX_HTTP_LOG_PHASE, gate_outcome_handler) == NGX_OK
	               ? gate_hello_begins(cf)
	               : NGX_ERROR;
}

/* The configuration is good, and its processes begin: what operators said is everybody's from here on. */
static ngx_int_t all_begins(ngx_cycle_t *cycle)
{
	struct gate *g = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_khien_module);
	if (!g || !g->zone || !g->lists_file.data)
		return NGX_OK;
	if (flood_set_list(g->worker.f, g->lists, g->n_lists))
		ngx_log_error(NGX_LOG_ERR, cycle->log, 0, "\"%V\" isn't in force: more than %d entries", &g->lists_file,
		              LIST_MAX);
	free(g->lists);
	g->lists = NULL;
	return NGX_OK;
}

static ngx_int_t process_begins(ngx_cycle_t *cycle)
{
	struct gate *g = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_khien_module);
	if (!g)
		return NGX_OK;
	const bool child = ngx_process == NGX_PROCESS_WORKER || ngx_process == NGX_PROCESS_HELPER;
	if (child && g->dies_with_master) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL))
			return NGX_ERROR;
		if (getppid() != ngx_parent)
			_exit(0); /* it ended before we asked to be told */
	}
	return ngx_process == NGX_PROCESS_HELPER || !g->zone ? NGX_OK : gate_zone_begins(cycle, g);
}

static void process_ends(ngx_cycle_t *cycle)
{
	struct gate *g = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_khien_module);
	if (g)
		forget_keys(g);
}

static ngx_http_module_t context = {
	.preconfiguration = add_variables,
	.postconfiguration = begins,
	.create_main_conf = create_main,
	.create_srv_conf = create_server,
	.merge_srv_conf = merge_server,
};

ngx_module_t ngx_http_khien_module = {
	NGX_MODULE_V1,
	.ctx = &context,
	.commands = commands,
	.type = NGX_HTTP_MODULE,
	.init_module = all_begins,
	.init_process = process_begins,
	.exit_process = process_ends,
};

/* What nginx looks for in the file. */
#define EXPORTED __attribute__((visibility("default")))
EXPORTED ngx_module_t *ngx_modules[] = { &ngx_http_khien_module, NULL };
EXPORTED char *ngx_module_names[] = { "ngx_http_khien_module", NULL };
EXPORTED char *ngx_module_order[] = { NULL };
