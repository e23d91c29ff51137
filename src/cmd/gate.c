/* khien gate: options, khien.yaml, paths; and its jobs. See gate.h. */
#include "cmd/gate.h"

#include "cmd/cmd.h"
#include "cmd/outlet.h"
#include "cmd/term.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static int parse_args(struct gate_options *a, int argc, char **argv)
{
	static const char *const synopsis[] = {
		"[OPTION]...",
		"status|why|allow|block|unblock|patches|key|install|uninstall [OPTION]...",
		NULL,
	};
	const struct opt opts[] = {
		{ "upstream", 'u', OPT_TEXT, "URL", "the site: http://HOST:PORT or https://HOST:PORT", &a->upstream, 0,
		  0, NULL },
		{ "http", 0, OPT_LIST, "ADDR:PORT", "where visitors come without TLS (default: 127.0.0.1:8080)",
		  &a->http, 0, 0, NULL },
		{ "https", 0, OPT_LIST, "ADDR:PORT", "where visitors come over TLS (default: none)", &a->https, 0, 0,
		  NULL },
		{ "watch", 'w', OPT_FLAG, NULL, "say what would be done, and touch nobody", &a->watch, 0, 0, NULL },
		{ "no-waf", 0, OPT_FLAG, NULL, "without ModSecurity", &a->no_waf, 0, 0, NULL },
		{ "print", 'p', OPT_FLAG, NULL, "write nginx's configuration to standard output, and end", &a->print, 0,
		  0, NULL },
		{ "config", 'c', OPT_TEXT, "FILE", "khien.yaml (default: /etc/khien/khien.yaml where it is)",
		  &a->config, 0, 0, NULL },
		{ "data", 'd', OPT_TEXT, "DIR",
		  "where all is kept (default: /var/lib/khien/gate for root, else\n~/.local/state/khien/gate)",
		  &a->data, 0, 0, NULL },
		{ "module", 0, OPT_TEXT, "FILE",
		  "nginx's module of khien (default: beside this program, or where it was\n"
		  "installed)",
		  &a->module, 0, 0, NULL },
	};
	const struct opt_spec spec = {
		.command = "gate",
		.synopsis = synopsis,
		.what = "Stands in front of a site and lets people through when far more comes than it can serve.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "SIGHUP has khien.yaml read anew; SIGTERM and SIGINT end it, when everybody was answered.\n\n"
		        "Jobs, each with its own --help:\n"
		        "  khien gate status     how it stands\n"
		        "  khien gate why        why somebody was turned away, by address or by the number that he was "
		        "shown\n"
		        "  khien gate allow      an address is never turned away; block: always; unblock: as any "
		        "other\n"
		        "  khien gate patches    known holes of the site, closed in front of it\n"
		        "  khien gate key        a new key for passes\n"
		        "  khien gate install    the same within an nginx that is there; uninstall takes it away\n\n"
		        "Exit status: 0 ended as asked, 2 something could not be done.\n\n"
		        "Example: khien gate --upstream http://127.0.0.1:8480 --http 0.0.0.0:80 --https 0.0.0.0:443",
	};
	return opt_parse(&spec, argc, argv, NULL);
}

int gate_complain(const char *job, const struct err *err)
{
	CLEANUP(buf_free) struct buf line = { 0 };
	if (!*err->text)
		return EXIT_TROUBLE; /* it was told */
	buf_printf(&line, "khien gate%s%s: ", *job ? " " : "", job);
	term_safe(&line, str_from(err->text));
	buf_putc(&line, '\n');
	term_write(STDERR_FILENO, buf_str(&line));
	return EXIT_TROUBLE;
}

/* --- khien.yaml, and what the command line says instead --- */

static void replace(struct config_list *to, const struct opt_list *given)
{
	if (given->n)
		*to = (struct config_list){ given->at, given->n };
}

/* --https alone means that: without a place for http that nobody named. */
static void apply(struct config *c, const struct gate_options *o)
{
	struct config_gate *g = &c->gate;
	if (o->https.n && !o->http.n && !config_where(c, "gate.listen.http").line)
		g->http = (struct config_list){ NULL, 0 };
	replace(&g->http, &o->http);
	replace(&g->https, &o->https);
	g->upstream = o->upstream ? o->upstream : g->upstream;
	g->mode = o->watch ? CONFIG_GATE_WATCH : g->mode;
	g->waf = o->no_waf ? CONFIG_GATE_OFF : g->waf;
}

static int move_data(struct config *c, const char *data, struct err *err)
{
	CLEANUP(buf_free) struct buf here = { 0 };
	char *room = *data != '/' ? buf_room(&here, 4096) : NULL;
	if (!*data || strlen(data) >= 4000 || (*data != '/' && (!room || !getcwd(room, 4096))))
		return err_set(err, -EINVAL, "--data needs a folder");
	c->gate.data = *data == '/' ? data : arena_printf(&c->arena, "%s/%s", room, data).p;
	return c->gate.data ? 0 : err_set(err, -ENOMEM, "%m");
}

int gate_config(struct config *ret, const struct gate_options *o, struct err *err)
{
	CLEANUP(buf_free) struct buf problems = { 0 };
	struct config c;
	int code = config_read(&c, o->config, &problems);
	term_write(STDERR_FILENO, buf_str(&problems)); /* also where it will do: warnings */
	if (code) {
		*err = (struct err){ .code = code };
		return code;
	}
	apply(&c, o);
	code = o->data ? move_data(&c, o->data, err) : 0;
	if (code) {
		config_done(&c);
		return code;
	}
	*ret = c;
	return 0;
}

static const char *below(struct gate *g, const char *name)
{
	return arena_printf(&g->arena, "%s/%s", g->config.gate.data, name).p;
}

static int find_paths(struct gate *g, struct err *err)
{
	const struct gate_paths p = {
		.data = g->config.gate.data,
		.nginx = below(g, "nginx"),
		.log_socket = below(g, "nginx/log.sock"),
		.run = below(g, "run"),
		.control = below(g, "run/control"),
		.pid = below(g, "run/nginx.pid"),
		.state = below(g, "state"),
		.lists = below(g, "state/lists"),
		.normal = below(g, "state/normal"),
		.events = below(g, "state/events.jsonl"),
		.key = below(g, "pass.key"),
		.conf = below(g, "nginx/nginx.conf"),
		.waf = below(g, "nginx/waf.conf"),
		.patches = g->config.gate.patches ? g->config.gate.patches : below(g, "patches"),
		.installed = below(g, "installed"),
	};
	const char *const *last = &p.installed;
	for (const char *const *at = &p.data; at <= last; at++)
		if (!*at)
			return err_set(err, -ENOMEM, "%m");
	g->paths = p;
	return 0;
}

void gate_worker(struct gate *g, const char *user)
{
	const struct passwd *pw = getpwnam(user);
	const struct group *gr = pw ? getgrgid(pw->pw_gid) : NULL;
	g->worker = pw ? arena_copy(&g->arena, str_from(user)).p : NULL;
	g->group = gr ? arena_copy(&g->arena, str_from(gr->gr_name)).p : NULL;
}

/* Who nginx's workers and the agent become. */
static void find_users(struct gate *g)
{
	static const char *const workers[] = { "khien-front", "www-data", "nobody" };
	if (geteuid() != 0)
		return;
	g->user = getpwnam("khien") ? "khien" : NULL;
	for (size_t i = 0; i < ARRAY_LEN(workers) && !g->worker; i++)
		gate_worker(g, workers[i]);
}

int gate_open_args(struct gate *g, const struct gate_options *o, struct err *err)
{
	*g = (struct gate){ .clock = &clock_system,
		            .log = { STDERR_FILENO, &clock_system },
		            .log_socket = -1,
		            .args = o,
		            .arena = { .max = 1 << 20 } };
	int code = gate_config(&g->config, o, err);
	if (code)
		return code;
	g->c = &g->config.gate;
	find_users(g);
	return find_paths(g, err);
}

int gate_open(struct gate *g, const char *config, const char *data, struct err *err)
{
	static const struct gate_options none;
	const struct gate_options o = { .config = config, .data = data };
	int code = gate_open_args(g, &o, err);
	g->args = &none;
	return code;
}

void gate_done(struct gate *g)
{
	if (g->log_socket >= 0)
		close(g->log_socket);
	if (g->c)
		config_done(&g->config);
	arena_free(&g->arena);
	*g = (struct gate){ .log_socket = -1 };
}

/* --- what it does --- */

static int print(const struct gate *g, struct err *err)
{
	CLEANUP(arena_free) struct arena arena = { .max = 1 << 20 };
	CLEANUP(buf_free) struct buf text = { 0 };
	struct site site;
	int code = gate_site(g, &arena, &site, err);
	if (code)
		return code;
	site_write(&site, &text);
	code = text.failed ? -ENOMEM : term_write(STDOUT_FILENO, buf_str(&text));
	return code ? err_set(err, code, "write: %m") : 0;
}

static int run(int argc, char **argv)
{
	struct gate_options o = { 0 };
	struct gate g = { .log_socket = -1 };
	struct err err = { 0 };
	signal(SIGPIPE, SIG_IGN);
	int status = parse_args(&o, argc, argv);
	if (status < 0) {
		int code = gate_open_args(&g, &o, &err);
		if (!code)
			code = o.print ? print(&g, &err) : gate_run(&g, &err);
		status = code ? gate_complain("", &err) : EXIT_NOTHING;
		gate_done(&g);
	}
	opt_list_done(&o.http);
	opt_list_done(&o.https);
	return status;
}

static int key_job(int argc, char **argv)
{
	static const char *const synopsis[] = { "[OPTION]...", NULL };
	struct gate_options o = { 0 };
	struct gate g = { .log_socket = -1 };
	struct err err = { 0 };
	const struct opt opts[] = {
		{ "config", 'c', OPT_TEXT, "FILE", "khien.yaml (default: /etc/khien/khien.yaml where it is)", &o.config,
		  0, 0, NULL },
		{ "data", 'd', OPT_TEXT, "DIR", "the gate's folder (default: as khien.yaml says)", &o.data, 0, 0,
		  NULL },
	};
	const struct opt_spec spec = {
		.command = "gate key",
		.synopsis = synopsis,
		.what = "Makes a new key for passes. Those of the key before it stay valid; those of older ones are "
		        "asked for "
		        "again.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "A gate that runs takes it with SIGHUP: systemctl reload khien-gate.\n\n"
		        "Exit status: 0 made, 2 it could not be.",
	};
	int status = opt_parse(&spec, argc, argv, NULL);
	if (status >= 0)
		return status;
	int code = gate_open_args(&g, &o, &err);
	if (!code)
		code = gate_folders(&g, &err);
	if (!code)
		code = gate_key(&g, true, &err);
	status = code ? gate_complain("key", &err) : EXIT_NOTHING;
	gate_done(&g);
	return status;
}

int cmd_gate(int argc, char **argv)
{
	const char *job = argc > 1 ? argv[1] : "";
	if (strcmp(job, "key") == 0)
		return key_job(argc - 1, argv + 1);
	if (strcmp(job, "patches") == 0)
		return gate_patches(argc - 1, argv + 1);
	int status = gate_install(argc, argv);
	if (status < 0)
		status = gate_job(argc, argv);
	return status >= 0 ? status : run(argc, argv);
}
