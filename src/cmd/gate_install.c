/*
 * khien gate install, uninstall: the verdict within an nginx that is there, as two files of our own that its nginx.conf includes anyway. What
 * is a person's own is never written to; where nginx doesn't take the result, all is as before.
 */
#include "cmd/gate.h"

#include "cmd/cmd.h"
#include "cmd/jobs.h"
#include "cmd/kiosk.h"
#include "cmd/term.h"
#include "os/atomic.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <unistd.h>

#define OURS "# Written by khien gate install"

enum { INSTALL = 1, UNINSTALL = 2, N_FILES = 2 };

static const struct {
	const char *folder, *name;
} files[N_FILES] = { { "modules-enabled", "50-khien.conf" }, { "conf.d", "khien.conf" } };

struct place {
	const char *nginx; /* its folder */
	char conf[4200], folders[N_FILES][4200], paths[N_FILES][4300];
	struct buf before[N_FILES]; /* what lay there; nothing: there was none */
};

static const struct job described[] = {
	{ "install", INSTALL, "[OPTION]...",
	  "Has an nginx that is there ask khien: writes modules-enabled/50-khien.conf and conf.d/khien.conf, has nginx "
	  "test\n"
	  "the whole, and reload. Once more after a change of khien.yaml.",
	  "'khien gate' then runs the agent alone: systemctl enable --now khien-gate.\n\n"
	  "Exit status: 0 done, 2 it could not be; then all is as before." },
	{ "uninstall", UNINSTALL, "[OPTION]...", "Takes those two files away, and has nginx reload.",
	  "Exit status: 0 done, 2 it could not be." },
};

static const struct jobs jobs = {
	.command = "gate",
	.what = "khien within an nginx that is there.",
	.first = "write install or uninstall first, as in: khien gate install",
	.at = described,
	.n = ARRAY_LEN(described),
};

int gate_installed(const struct gate *g, struct buf *folder, struct buf *worker, struct err *err)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	int code = kiosk_file(g->paths.installed, &text, err);
	if (code)
		return code == -ENOENT ? 0 : code;
	const size_t n = str_find(buf_str(&text), '\n');
	const struct str line = str_sub(buf_str(&text), 0, n), user = str_trim(str_sub(buf_str(&text), n, text.n));
	if (!line.n || line.p[0] != '/' || memchr(user.p, '\n', user.n))
		return err_set(err, -EBADMSG, "'%s' names no folder and user: take it away", g->paths.installed);
	buf_printf(folder, STR_FMT "%c", STR_ARG(line), '\0');
	buf_printf(worker, STR_FMT "%c", STR_ARG(user), '\0');
	if (folder->failed || worker->failed)
		return err_set(err, -ENOMEM, "%m");
	folder->n--;
	worker->n--;
	return 0;
}

static void say(const char *text, const char *what)
{
	CLEANUP(buf_free) struct buf line = { 0 };
	buf_printf(&line, "khien gate: %s%s\n", text, what);
	term_write(STDERR_FILENO, buf_str(&line));
}

/* --- the folder --- */

static void place_done(struct place *p)
{
	for (size_t i = 0; i < N_FILES; i++)
		buf_free(&p->before[i]);
}

/* What lies under our names has to be ours. */
static int place_open(struct place *p, const char *nginx, struct err *err)
{
	p->nginx = nginx;
	if (*nginx != '/' || strlen(nginx) > 4000)
		return err_set(err, -EINVAL, "--nginx-folder '%s' is no absolute path", nginx);
	snprintf(p->conf, sizeof(p->conf), "%s/nginx.conf", nginx);
	if (access(p->conf, R_OK))
		return err_set(err, -errno, "'%s': %m: --nginx-folder has to be that of an nginx", p->conf);
	for (size_t i = 0; i < N_FILES; i++) {
		snprintf(p->folders[i], sizeof(p->folders[i]), "%s/%s", nginx, files[i].folder);
		snprintf(p->paths[i], sizeof(p->paths[i]), "%s/%s", p->folders[i], files[i].name);
		if (access(p->folders[i], F_OK))
			return err_set(err, -errno, "there is no '%s': make it, and include %s/*.conf in '%s'",
			               p->folders[i], p->folders[i], p->conf);
		int code = kiosk_file(p->paths[i], &p->before[i], err);
		if (code && code != -ENOENT)
			return code;
		if (!code && !str_starts(buf_str(&p->before[i]), STR(OURS)))
			return err_set(err, -EEXIST, "'%s' is there, and not khien's: take it away or rename it",
			               p->paths[i]);
	}
	return 0;
}

static void roll_back(const struct place *p)
{
	for (size_t i = 0; i < N_FILES; i++)
		if (!p->before[i].n)
			unlink(p->paths[i]);
		else if (atomic_write(p->folders[i], files[i].name, buf_str(&p->before[i]), 0644, NULL))
			say("could not bring back ", p->paths[i]);
}

/* --- nginx --- */

/* Who its workers are: "user NAME ...;" in nginx.conf, else as it was built. */
static struct str find_worker(struct str conf)
{
	while (conf.n) {
		const size_t n = str_find(conf, '\n');
		const struct str line = str_trim(str_sub(conf, 0, n));
		size_t end = 5;
		while (end < line.n && (unsigned char)line.p[end] > ' ' && line.p[end] != ';')
			end++;
		if (str_starts(line, STR("user ")) && end > 5)
			return str_sub(line, 5, end - 5);
		conf = str_sub(conf, n + 1, conf.n);
	}
	return STR("nobody");
}

/* Whether one of its own files loads ModSecurity: then ours mustn't. */
static bool loads_waf(const struct place *p)
{
	char pattern[4300];
	bool found = false;
	glob_t g = { 0 };
	snprintf(pattern, sizeof(pattern), "%s/*.conf", p->folders[0]);
	if (!glob(pattern, 0, NULL, &g))
		for (size_t i = 0; i < g.gl_pathc && !found; i++) {
			CLEANUP(buf_free) struct buf text = { 0 };
			if (strcmp(g.gl_pathv[i], p->paths[0]) != 0 && !kiosk_file(g.gl_pathv[i], &text, NULL))
				found = memmem(text.p, text.n, "ngx_http_modsecurity_module", 27);
		}
	globfree(&g);
	return found;
}

/* The whole is tested; and ours has to be part of it. */
static int test(const struct gate *g, const struct place *p, bool there, struct err *err)
{
	const char *const argv[] = { GATE_NGINX, "-T", "-q", "-c", p->conf, NULL };
	CLEANUP(buf_free) struct buf said = { 0 };
	int code = gate_nginx_job(g, argv, p->paths[1], &said, err);
	for (size_t i = 0; i < N_FILES && !code && there; i++)
		if (!memmem(said.p, said.n, p->paths[i], strlen(p->paths[i])))
			code = err_set(err, -EINVAL, "'%s' doesn't include %s/*.conf%s: add 'include %s/*.conf;' there",
			               p->conf, p->folders[i], i ? " within http" : "", p->folders[i]);
	return code;
}

void gate_installed_reload(const struct gate *g, const char *folder)
{
	char conf[4200];
	const char *const argv[] = { GATE_NGINX, "-q", "-c", conf, "-s", "reload", NULL };
	struct err err;
	snprintf(conf, sizeof(conf), "%s/nginx.conf", folder);
	if (gate_nginx_job(g, argv, conf, NULL, &err))
		log_say(&g->log, LOG_LEVEL_WARNING, "nginx-not-reloaded",
		        LOG_TEXT("what", "it doesn't run, or isn't to be found"), LOG_TEXT("why", err.text));
}

/* --- the jobs --- */

static int write_files(struct gate *g, const struct place *p, struct err *err)
{
	CLEANUP(arena_free) struct arena arena = { .max = 1 << 20 };
	CLEANUP(buf_free) struct buf modules = { 0 };
	CLEANUP(buf_free) struct buf http = { 0 };
	struct site site;
	/* neither is written here; who listens, and for whom, is that nginx's matter */
	g->config.gate.upstream = "http://127.0.0.1";
	g->config.gate.certificate = g->config.gate.key = NULL;
	g->config.gate.https = (struct config_list){ NULL, 0 };
	g->config.gate.tls_only = false;
	int code = gate_site(g, &arena, &site, err);
	if (!code && site.mode == SITE_OFF)
		code = err_set(err, -EINVAL, "gate.mode is off: write on or watch, or uninstall");
	if (!code)
		code = gate_waf(g, &site, err);
	if (code)
		return code;
	buf_printf(&modules, OURS ".\nload_module \"%s\";\n", site.module);
	if (site.waf != SITE_OFF && site.waf_module && !loads_waf(p))
		buf_printf(&modules, "load_module \"%s\";\n", site.waf_module);
	site_write_include(&site, &http);
	if (modules.failed || http.failed)
		return err_set(err, -ENOMEM, "%m");
	code = atomic_write(p->folders[0], files[0].name, buf_str(&modules), 0644, err);
	return code ? code : atomic_write(p->folders[1], files[1].name, buf_str(&http), 0644, err);
}

static int install(struct gate *g, const char *nginx, struct err *err)
{
	CLEANUP(place_done) struct place p = { 0 };
	CLEANUP(buf_free) struct buf marker = { 0 };
	CLEANUP(buf_free) struct buf installed = { 0 };
	CLEANUP(buf_free) struct buf worker = { 0 };
	CLEANUP(buf_free) struct buf conf = { 0 };
	int code = gate_installed(g, &installed, &worker, err);
	if (!code && installed.n && !str_eq(buf_str(&installed), str_from(nginx)))
		code = err_set(err, -EBUSY, "it is installed in '%s': 'khien gate uninstall' first", installed.p);
	if (!code)
		code = place_open(&p, nginx, err);
	if (!code)
		code = test(g, &p, false, err); /* what was wrong before isn't ours */
	if (!code)
		code = kiosk_file(p.conf, &conf, err);
	if (code)
		return code;
	const char *user = arena_copy(&g->arena, find_worker(buf_str(&conf))).p;
	if (user && g->worker)
		gate_worker(g, user);
	buf_printf(&marker, "%s\n%s\n", nginx, user ? user : "nobody");
	code = gate_folders(g, err);
	if (!code)
		code = gate_key(g, false, err);
	if (code)
		return code;
	code = atomic_write(g->paths.data, "installed", buf_str(&marker), 0644, err);
	if (!code)
		code = write_files(g, &p, err);
	if (!code)
		code = test(g, &p, true, err);
	if (code) {
		roll_back(&p);
		if (!installed.n)
			unlink(g->paths.installed);
		return code;
	}
	gate_installed_reload(g, p.nginx);
	say("installed in ", nginx);
	return 0;
}

static int uninstall(struct gate *g, const char *nginx, struct err *err)
{
	CLEANUP(place_done) struct place p = { 0 };
	CLEANUP(buf_free) struct buf installed = { 0 };
	CLEANUP(buf_free) struct buf worker = { 0 };
	int code = gate_installed(g, &installed, &worker, err);
	if (!code && !installed.n && !nginx)
		code = err_set(err, -ENOENT, "it isn't installed: '%s' is not there", g->paths.installed);
	if (!code)
		code = place_open(&p, nginx ? nginx : installed.p, err);
	for (size_t i = 0; i < N_FILES && !code; i++)
		if (unlink(p.paths[i]) && errno != ENOENT)
			code = err_set(err, -errno, "remove '%s': %m", p.paths[i]);
	if (code)
		return code;
	unlink(g->paths.installed);
	code = test(g, &p, false, err);
	if (!code)
		gate_installed_reload(g, p.nginx);
	return code;
}

int gate_install(int argc, char **argv)
{
	struct gate_options o = { 0 };
	const char *folder = NULL;
	struct gate g = { .log_socket = -1 };
	struct err err = { 0 };
	const struct job *job = jobs_find(&jobs, argc, argv);
	const struct job_opt opts[] = {
		{ INSTALL | UNINSTALL,
		  { "nginx-folder", 0, OPT_TEXT, "DIR", "nginx's folder (default: /etc/nginx; uninstall: where it was)",
		    &folder, 0, 0, NULL } },
		{ INSTALL,
		  { "watch", 'w', OPT_FLAG, NULL, "say what would be done, and touch nobody", &o.watch, 0, 0, NULL } },
		{ INSTALL, { "no-waf", 0, OPT_FLAG, NULL, "without ModSecurity", &o.no_waf, 0, 0, NULL } },
		{ INSTALL | UNINSTALL,
		  { "config", 'c', OPT_TEXT, "FILE", "khien.yaml (default: /etc/khien/khien.yaml where it is)",
		    &o.config, 0, 0, NULL } },
		{ INSTALL | UNINSTALL,
		  { "data", 'd', OPT_TEXT, "DIR", "the gate's folder (default: as khien.yaml says)", &o.data, 0, 0,
		    NULL } },
		{ INSTALL,
		  { "module", 0, OPT_TEXT, "FILE", "nginx's module of khien (default: where it was installed)",
		    &o.module, 0, 0, NULL } },
	};
	if (!job)
		return -1;
	int status = jobs_parse(&jobs, job, opts, ARRAY_LEN(opts), argc, argv, NULL);
	if (status >= 0)
		return status;
	int code = gate_open_args(&g, &o, &err);
	if (!code)
		code = job->bit == INSTALL ? install(&g, folder ? folder : "/etc/nginx", &err)
		                           : uninstall(&g, folder, &err);
	status = code ? gate_complain(job->name, &err) : EXIT_NOTHING;
	gate_done(&g);
	return status;
}
