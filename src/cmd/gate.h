/*
 * khien gate: nginx with khien's module in front of a site. Inside of the command; proxy/ has what nginx is told, gate/ the module.
 *
 *   supervisor       rights of who started it; writes DATA/nginx, checks it, starts the two, each anew when it ends
 *   ├─ nginx         master: rights of who started it; workers: user khien-front (www-data, nobody), verdicts in shared memory
 *   └─ agent         user khien: events to a file that a post or the hub follows, WAF hits, the site's normal, lists that expired
 *
 *   visitor ──▶ nginx ──▶ upstream
 *                 ▲ control socket      `khien gate status|why|allow|block|unblock`, and the agent
 *                 └─ error log ──▶ DATA/nginx/log.sock ──▶ agent
 *
 * Neither needs the other: patients get through while the agent is away. With `khien gate install` nginx is the machine's own, and
 * only the agent runs here.
 */
#ifndef KHIEN_CMD_GATE_H
#define KHIEN_CMD_GATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "cmd/config.h"
#include "cmd/opt.h"
#include "proxy/site.h"

#include <sys/types.h>

/*
 * DATA and what lies in it. As root: DATA/state is the agent's (user khien) and nobody else's, DATA/run it may enter; DATA/nginx may be
 * entered by nginx's workers; the rest is root's. Else all is of who started it.
 */
struct gate_paths {
	const char *data;
	const char *nginx;      /* DATA/nginx: nginx.conf, waf.conf, cache/, temp/, log.sock */
	const char *log_socket; /* DATA/nginx/log.sock: nginx's error log, a line a datagram, "<PRI>TIME khien: LINE" */
	const char *run;        /* DATA/run, 0710 */
	const char *control;    /* DATA/run/control: for control_ask() */
	const char *pid;        /* DATA/run/nginx.pid */
	const char *state;      /* DATA/state, 0700 */
	const char *lists;      /* DATA/state/lists: what operators said (flood/list.h); written with atomic_write() */
	const char *normal;     /* DATA/state/normal: the site's normal (flood.h) */
	const char *events;  /* DATA/state/events.jsonl: a line of JSON each (ECS); bounded and rotated by the agent */
	const char *key;     /* DATA/pass.key, 0600 of root */
	const char *conf;    /* DATA/nginx/nginx.conf */
	const char *waf;     /* DATA/nginx/waf.conf */
	const char *patches; /* folder of virtual patches: gate.patches, else DATA/patches */
	const char
	        *installed; /* DATA/installed: names the nginx folder that it was installed into; absent: it wasn't */
};

/* What the command line says. */
struct gate_options {
	const char *config, *data, *upstream, *module;
	struct opt_list http, https;
	bool watch, no_waf, print;
};

struct gate {
	const struct config_gate *c; /* in config, args applied */
	struct gate_paths paths;
	const char *user;           /* the agent's where this is root; NULL: it stays who it is */
	const char *worker, *group; /* nginx's workers' where this is root; NULL: they stay who they are */
	const struct clock *clock;
	struct log log;
	int log_socket; /* bound to paths.log_socket, datagrams, non-blocking; -1: none. The agent's */
	const struct gate_options *args;
	struct config config;
	struct arena arena; /* of the paths */
};

/*
 * What a job of `khien gate` needs: khien.yaml (config NULL: where it usually is; what is wrong with it is written to standard error, and
 * then err is empty) and the paths; data NULL: as the file says. Makes nothing. gate_done() afterwards, also after a failure.
 */
int gate_open(struct gate *g, const char *config, const char *data, struct err *err);
/* The same with all that the command line says; args is borrowed. */
int gate_open_args(struct gate *g, const struct gate_options *args, struct err *err);
/* khien.yaml anew: *ret is the caller's, config_done(). */
int gate_config(struct config *ret, const struct gate_options *args, struct err *err);
void gate_done(struct gate *g);

/* Tells what went wrong with a job ("" : the gate itself); EXIT_TROUBLE. */
int gate_complain(const char *job, const struct err *err);

/* --- gate_ask.c: jobs that ask the gate that runs: status, why, allow, block, unblock --- */

/* The exit status of the job that argv[1] names; -1: it names none. */
int gate_job(int argc, char **argv);

/* --- gate_agent.c --- */

/*
 * The agent, in a process of its own (which has its name, the default signals, and no descriptor but 0 to 2 and g->log_socket): until SIGTERM
 * or SIGINT, also when the configuration is read anew. Becomes g->user by itself. Its exit status; it is started anew whenever it ends by itself.
 */
int gate_agent(const struct gate *g);

/* --- gate_patches.c: khien gate patches: which there are, whose, until when --- */
int gate_patches(int argc, char **argv);

/* --- gate_install.c: khien gate install, uninstall; -1: it is neither --- */
int gate_install(int argc, char **argv);
/* The nginx folder that DATA/installed names, and who its workers are, NUL-terminated; empty: none. */
int gate_installed(const struct gate *g, struct buf *folder, struct buf *worker, struct err *err);
/* Has the nginx of that folder take its configuration anew; where it can't, that is logged. */
void gate_installed_reload(const struct gate *g, const char *folder);

/* --- gate_site.c: what nginx is told, of khien.yaml, the command line and the machine --- */

enum { GATE_CONNECTIONS = 16384 };

/* What can be said of khien.yaml without looking at the machine. -EINVAL: where is the key behind "gate.". */
int gate_site_permits(const struct config_gate *c, struct arena *arena, const char **where, struct err *err);
/* of: what it is told; what is off and why is logged. arena: of its lists. err names the key, and where it stands. */
int gate_site(const struct gate *g, struct arena *arena, struct site *ret, struct err *err);
/* site->waf_conf, in DATA/nginx, where the site has a WAF, and site->plain; problems of patches are written to standard error, and then err is empty. */
int gate_waf(const struct gate *g, struct site *site, struct err *err);

/* --- gate_nginx.c: the program --- */

/* Tests a configuration that lies at path. -EINVAL: what is wrong, in the words of who wrote khien.yaml. */
int gate_nginx_test(const struct gate *g, const char *path, struct err *err);
#define GATE_NGINX "/usr/sbin/nginx"
/* A job of nginx's other than to serve: `nginx -t` and the like. As gate_nginx_test(); said: what it wrote; NULL: that is of no interest. */
int gate_nginx_job(const struct gate *g, const char *const *argv, const char *path, struct buf *said, struct err *err);
int gate_nginx_start(const struct gate *g, int out, pid_t *ret, struct err *err);
/* What nginx wrote about a line of its configuration, or an address, as a matter of khien.yaml; false: it is of no weight. */
bool gate_nginx_words(const struct gate *g, struct str line, const char *path, struct buf *out);
/* "khien.yaml:3:5: gate.upstream", "--upstream", or "gate.upstream". */
void gate_place(const struct gate *g, struct str key, struct buf *out);

/* --- gate_certificate.c --- */

/* DATA/pki/site.crt and site.key, where https is wanted and no certificate given. *changed: they are new. */
int gate_certificate(const struct gate *g, bool *changed, struct err *err);

/* --- gate_files.c --- */

/* nginx's workers are this user: who may write to the log socket. */
void gate_worker(struct gate *g, const char *user);
/* DATA and what is in it, the key, the socket of the log. Root gives to the others what is theirs. */
int gate_folders(struct gate *g, struct err *err);
int gate_log_socket(struct gate *g, struct err *err);
/* A new key before the one that is there, which is kept as the one before; replace false: only where there is none. */
int gate_key(const struct gate *g, bool replace, struct err *err);
/* nginx.conf of these files: written beside, tested, put in its place. */
int gate_conf(const struct gate *g, struct err *err);

/* --- gate_run.c --- */
int gate_run(struct gate *g, struct err *err);

#endif
