/* What nginx is told: of khien.yaml, of the command line, and of what this machine has. */
#include "cmd/config_key.h"
#include "cmd/gate.h"
#include "cmd/paths.h"
#include "cmd/term.h"
#include "os/atomic.h"
#include "proxy/waf.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define WAF_MODULE "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so"
#define MODULE     "ngx_http_khien_module.so"

enum { MOST_WORKERS = 64, OF_ITS_OWN = 512 /* descriptors that are no connections */, FEWEST = 64 };

/* --- of khien.yaml --- */

static const char *const *ended(struct arena *arena, const struct config_list *l)
{
	const char **at = arena_alloc(arena, (l->n + 1) * sizeof(*at));
	for (size_t i = 0; at && i < l->n; i++)
		at[i] = l->at[i];
	if (at)
		at[l->n] = NULL;
	return at;
}

static int of_config(const struct config_gate *c, struct arena *arena, struct site *s)
{
	*s = (struct site){
		.upstream = c->upstream,
		.upstream_ca = c->upstream_ca,
		.http = ended(arena, &c->http),
		.https = ended(arena, &c->https),
		.certificate = c->certificate,
		.key = c->key,
		.names = ended(arena, &c->names),
		.proxies = ended(arena, &c->proxies),
		.header = c->header,
		.contact = c->contact,
		.mode = c->mode,
		.waf = c->waf,
		.waf_level = (unsigned)c->waf_level,
		.exclusions = ended(arena, &c->exclusions),
		.body_max = c->body_max,
		.cache = c->cache,
		.hsts = c->tls_only,
		.access_log = c->access_log,
	};
	return s->http && s->https && s->names && s->proxies && s->exclusions ? 0 : -ENOMEM;
}

int gate_site_permits(const struct config_gate *c, struct arena *arena, const char **where, struct err *err)
{
	struct site s;
	if (of_config(c, arena, &s))
		return err_set(err, -ENOMEM, "%m");
	s.module = "/";
	s.workers = 1;
	s.connections = FEWEST;
	s.folder = c->data;
	return site_check(&s, where, err);
}

/* --- of this machine --- */

/* Of the folder that it was built in, of the one that it was installed into; -ENOENT. */
static int find_module(const struct gate *g, struct arena *arena, const char **ret, struct err *err)
{
	static const char *const folders[] = { "/gate/", "/../lib/khien/" };
	char self[4096];
	const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *path = g->args->module;
	if (path && access(path, R_OK))
		return err_set(err, -errno, "--module '%s': %m", path);
	self[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < ARRAY_LEN(folders) && !path && slash; i++) {
		path = arena_printf(arena, "%s%s%s", self, folders[i], MODULE).p;
		path = path && !access(path, R_OK) ? path : NULL;
	}
	char *real = path ? realpath(path, NULL) : NULL;
	const char *kept = real ? arena_copy(arena, str_from(real)).p : NULL;
	free(real);
	if (!kept)
		return err_set(
		        err, -ENOENT,
		        "nginx's module of khien (%s) is not here: install khien's package, or name it with --module",
		        MODULE);
	*ret = kept;
	return 0;
}

/* Why there is no WAF; NULL: there is. */
static const char *no_waf(const struct gate *g)
{
	if (access(WAF_MODULE, R_OK))
		return "nginx has no ModSecurity here: apt install libnginx-mod-http-modsecurity";
	return access(g->c->crs, R_OK | X_OK)
	               ? "the Core Rule Set is not where gate.waf.crs says: apt install modsecurity-crs"
	               : NULL;
}

static void find_bounds(struct site *s)
{
	cpu_set_t cpus;
	struct rlimit files = { 0 };
	const int n = sched_getaffinity(0, sizeof(cpus), &cpus) ? 1 : CPU_COUNT(&cpus);
	s->workers = n < 1 ? 1 : n > MOST_WORKERS ? MOST_WORKERS : (unsigned)n;
	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_max < OF_ITS_OWN + FEWEST)
		s->connections = FEWEST;
	else
		s->connections = files.rlim_max - OF_ITS_OWN > GATE_CONNECTIONS
		                         ? GATE_CONNECTIONS
		                         : (unsigned)(files.rlim_max - OF_ITS_OWN);
}

static void tell_what_is_off(const struct gate *g, const struct site *s, const char *waf)
{
	if (s->mode != SITE_ON)
		log_say(&g->log, LOG_LEVEL_WARNING, "protection-off", LOG_TEXT("what", "verdict"),
		        LOG_TEXT("why", s->mode == SITE_WATCH ? "watch: nobody is turned away" : "gate.mode is off"));
	if (s->waf != SITE_ON || waf)
		log_say(&g->log, LOG_LEVEL_WARNING, "protection-off", LOG_TEXT("what", "waf"),
		        LOG_TEXT("why", s->waf == SITE_OFF ? g->args->no_waf ? "--no-waf" : "gate.waf.mode is off"
		                        : waf              ? waf
		                                           : "gate.waf.mode is watch: nothing is refused"));
	for (const char *const *h = s->http; *h && !s->hsts; h++) {
		bool loopback, any;
		if (config_address(*h, &loopback, &any) && !loopback)
			log_say(&g->log, LOG_LEVEL_WARNING, "protection-off", LOG_TEXT("what", "tls"),
			        LOG_TEXT("http", *h),
			        LOG_TEXT("why", "everyone on the way can read along: gate.tls.only leads to https"));
	}
	if (s->connections < GATE_CONNECTIONS)
		log_say(&g->log, LOG_LEVEL_WARNING, "few-connections", LOG_NUMBER("each", s->connections),
		        LOG_TEXT("why", "this user may open no more: raise its limit of open files (ulimit -Hn)"));
}

static int of_machine(const struct gate *g, struct arena *arena, struct site *s, struct err *err)
{
	const char *why = no_waf(g);
	int code = s->mode != SITE_OFF ? find_module(g, arena, &s->module, err) : 0;
	if (code)
		return code;
	find_bounds(s);
	s->waf_module = why ? NULL : WAF_MODULE;
	s->waf_conf = g->paths.waf;
	s->folder = g->paths.nginx;
	s->run = g->paths.run;
	s->log_socket = g->paths.log_socket;
	s->key_file = g->paths.key;
	s->lists = g->paths.lists;
	s->normal = g->paths.normal;
	s->user = g->worker;
	s->group = g->group;
	if (*s->https && !s->certificate) {
		s->certificate = arena_printf(arena, "%s/pki/site.crt", g->paths.data).p;
		s->key = arena_printf(arena, "%s/pki/site.key", g->paths.data).p;
	}
	tell_what_is_off(g, s, why);
	return 0;
}

int gate_site(const struct gate *g, struct arena *arena, struct site *ret, struct err *err)
{
	CLEANUP(buf_free) struct buf place = { 0 };
	const char *where = "";
	struct site s;
	struct err why;
	int code = of_config(g->c, arena, &s) ? err_set(err, -ENOMEM, "%m") : of_machine(g, arena, &s, err);
	if (code)
		return code;
	code = site_check(&s, &where, &why);
	if (code && *where) {
		gate_place(g, str_from(where), &place);
		return err_set(err, code, STR_FMT ": %.400s", STR_ARG(buf_str(&place)), why.text);
	}
	if (code)
		return err_set(err, code, "%.500s", why.text);
	*ret = s;
	return 0;
}

/* --- the WAF --- */

/* The operator's own come before khien's of the same name. */
static const char *find_exclusion(const struct gate *g, struct arena *arena, const char *own, const char *name)
{
	const char *const places[] = {
		arena_printf(arena, "%s/exclusions/%s.conf", g->paths.data, name).p,
		own ? arena_printf(arena, "%s/exclusions/%s.conf", own, name).p : NULL,
	};
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (places[i] && !access(places[i], R_OK))
			return places[i];
	return NULL;
}

static int find_exclusions(const struct gate *g, struct arena *arena, const char *own, const char *const **ret,
                           struct err *err)
{
	const struct config_list *names = &g->c->exclusions;
	const char **at = arena_zalloc(arena, (names->n + 1) * sizeof(*at));
	for (size_t i = 0; at && i < names->n; i++) {
		CLEANUP(buf_free) struct buf place = { 0 };
		at[i] = find_exclusion(g, arena, own, names->at[i]);
		if (at[i])
			continue;
		gate_place(g, STR("waf.exclusions"), &place);
		return err_set(err, -ENOENT, STR_FMT ": there is no '%s/exclusions/%s.conf': make it, or leave it out",
		               STR_ARG(buf_str(&place)), g->paths.data, names->at[i]);
	}
	*ret = at;
	return at ? 0 : err_set(err, -ENOMEM, "%m");
}

/* khien's own rules by a plain name, DATA/nginx/rules, wherever they lie: ModSecurity takes no path with a blank. NULL: there are none. */
static const char *link_rules(const struct gate *g, struct arena *arena)
{
	char own[4200];
	const char *link = arena_printf(arena, "%s/rules", g->paths.nginx).p;
	const char *fresh = arena_printf(arena, "%s.new", link).p;
	if (!fresh || !paths_waf(own, sizeof(own)))
		return NULL;
	unlink(fresh);
	return symlink(own, fresh) || rename(fresh, link) ? NULL : link;
}

int gate_waf(const struct gate *g, struct site *site, struct err *err)
{
	CLEANUP(arena_free) struct arena arena = { .max = 1 << 20 };
	CLEANUP(patches_done) struct patches patches = { 0 };
	CLEANUP(buf_free) struct buf problems = { 0 };
	CLEANUP(buf_free) struct buf text = { 0 };
	struct waf waf = { .blocks = site->waf == SITE_ON,
		           .level = site->waf_level,
		           .crs = g->c->crs,
		           .own = link_rules(g, &arena),
		           .unicode_map =
		                   access("/etc/nginx/unicode.mapping", R_OK) ? NULL : "/etc/nginx/unicode.mapping",
		           .temp = arena_printf(&arena, "%s/temp/waf", g->paths.nginx).p,
		           .body_max = site->body_max };
	if (site->waf == SITE_OFF || !site->waf_module)
		return 0;
	int code = find_exclusions(g, &arena, waf.own, &waf.exclusions, err);
	if (code)
		return code;
	code = patches_read(&patches, g->paths.patches, clock_wall(g->clock) / CLOCK_S, &problems);
	term_write(STDERR_FILENO, buf_str(&problems)); /* also of those that have expired */
	if (code) {
		*err = (struct err){ .code = code };
		return code;
	}
	/* higher levels mean to suspect more, and a patch is to be asked about all that it may be about */
	site->plain = site->waf_level == 1;
	for (size_t i = 0; i < patches.n; i++)
		site->plain &= patches.at[i].expired || !patches.at[i].of_plain;
	waf_write(&waf, &patches, &text);
	if (text.failed)
		return err_set(
		        err, -EINVAL,
		        "waf.conf can't be written: ModSecurity takes paths of letters, digits and ./_+@- alone, and "
		        "gate.data is '%s'",
		        g->paths.data);
	return atomic_write(g->paths.nginx, strrchr(site->waf_conf, '/') + 1, buf_str(&text), 0640, err);
}
