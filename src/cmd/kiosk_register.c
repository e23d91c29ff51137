/* khien kiosk register: on a third machine, the one that both kiosks ask who may write (kiosk/register.h). */
#include "kiosk/register.h"

#include "cmd/cmd.h"
#include "cmd/kiosk.h"
#include "cmd/opt.h"
#include "cmd/paths.h"
#include "cmd/term.h"
#include "kiosk/follow.h"
#include "kiosk/pass.h"
#include "os/loop.h"
#include "os/opener.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASSES = 16, KEY_TEXT = 2 * PASS_KEY, MESSAGE_MAX = 4096 };

struct args {
	const char *config, *data, *listen;
	bool print_key;
};

struct registrar;
struct caller {
	struct registrar *registrar;
	struct pass *pass; /* NULL: nobody */
	bool writes;
	int code; /* of the message under way */
};

struct registrar {
	const struct clock *clock;
	struct log log;
	struct loop *loop;
	struct registry *registry;
	unsigned char key[PASS_KEY];
	struct caller callers[PASSES];
	struct buf answer;
};

static int parse_args(struct args *a, int argc, char **argv)
{
	static const char *const synopsis[] = { "[OPTION]...", NULL };
	const struct opt opts[] = {
		{ "config", 'c', OPT_TEXT, "FILE", "khien.yaml (default: /etc/khien/khien.yaml where it is)",
		  &a->config, 0, 0, NULL },
		{ "data", 'd', OPT_TEXT, "DIR",
		  "the folder with register.key (default: the kiosk's, as khien.yaml says)", &a->data, 0, 0, NULL },
		{ "listen", 0, OPT_TEXT, "ADDR:PORT", "where the kiosks ask (default: 127.0.0.1:8482)", &a->listen, 0,
		  0, NULL },
		{ "print-key", 0, OPT_FLAG, NULL,
		  "on a kiosk: what has to stand in register.key, readable by its owner only", &a->print_key, 0, 0,
		  NULL },
	};
	const struct opt_spec spec = {
		.command = "kiosk register",
		.synopsis = synopsis,
		.what = "Says which of two kiosks may write. It runs on a third machine, knows no patient, and needs "
		        "little.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 ended as asked, 2 something could not be done.\n\n"
		        "Example: khien kiosk register --print-key | ssh gate 'umask 077; cat "
		        ">/var/lib/khien/kiosk/register.key'",
	};
	return opt_parse(&spec, argc, argv, NULL);
}

/* --- its callers --- */

static void end(struct caller *c)
{
	if (!c->pass)
		return;
	loop_unwatch(c->registrar->loop, pass_fd(c->pass));
	pass_free(c->pass);
	c->pass = NULL;
}

static void on_question(void *arg, struct str question)
{
	struct caller *c = arg;
	struct registrar *r = c->registrar;
	const struct register_value before = *register_value(r->registry);
	struct err err;
	r->answer.n = 0;
	if (!c->code)
		c->code = register_answer(r->registry, question, &r->answer, &err);
	if (c->code)
		log_say(&r->log, LOG_LEVEL_ERROR, "not-answered", LOG_TEXT("why", err.text));
	else
		c->code = pass_put(c->pass, buf_str(&r->answer));
	const struct register_value *v = register_value(r->registry);
	if (before.epoch != v->epoch)
		log_say(&r->log, LOG_LEVEL_INFO, "epoch", LOG_NUMBER("is", (uint64_t)v->epoch),
		        LOG_TEXT("holder", v->holder), LOG_TEXT("alone", v->alone ? "yes" : "no"));
}

static int on_caller(void *arg, int fd)
{
	struct caller *c = arg;
	struct err err;
	int code = pass_run(c->pass, on_question, c, &err);
	if (!code && !c->code && pass_wants_write(c->pass)) /* an answer is short: it goes out at once */
		code = pass_run(c->pass, on_question, c, &err);
	if (code || c->code) {
		end(c);
		return 0;
	}
	if (c->writes != pass_wants_write(c->pass))
		loop_writable(c->registrar->loop, fd, !c->writes);
	c->writes = pass_wants_write(c->pass);
	return 0;
}

static int on_listener(void *arg, int fd)
{
	struct registrar *r = arg;
	struct caller *c = NULL;
	struct err err;
	int taken = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	for (size_t i = 0; i < PASSES && !c; i++)
		c = r->callers[i].pass ? NULL : &r->callers[i];
	if (taken < 0)
		return 0;
	if (!c) {
		close(taken);
		return 0;
	}
	*c = (struct caller){ .registrar = r };
	if (pass_new(&c->pass, taken, false, r->key, MESSAGE_MAX, r->clock, &err))
		c->pass = NULL;
	else if (loop_watch(r->loop, pass_fd(c->pass), on_caller, c, &err)) {
		pass_free(c->pass);
		c->pass = NULL;
	} else if (pass_wants_write(c->pass)) {
		loop_writable(r->loop, pass_fd(c->pass), c->writes = true);
	}
	return 0;
}

static int on_time(void *arg, int what)
{
	struct registrar *r = arg;
	for (size_t i = 0; i < PASSES; i++)
		if (r->callers[i].pass && pass_overdue(r->callers[i].pass))
			end(&r->callers[i]);
	return 0;
}

static int on_signal(void *arg, int signal)
{
	struct registrar *r = arg;
	loop_stop(r->loop);
	return 0;
}

/* --- its key --- */

static int print_key(const struct config_kiosk *c, struct err *err)
{
	struct seal *seal;
	unsigned char all[SEAL_KEY], key[PASS_KEY];
	char text[KEY_TEXT + 2];
	int code = seal_open(&seal, c->key_file, false, err);
	if (code)
		return code;
	seal_link_key(seal, all);
	seal_close(seal);
	pass_key(all, "register", key);
	sodium_memzero(all, sizeof(all));
	sodium_bin2hex(text, sizeof(text), key, sizeof(key));
	text[KEY_TEXT] = '\n';
	code = term_write(STDOUT_FILENO, (struct str){ text, KEY_TEXT + 1 });
	sodium_memzero(key, sizeof(key));
	sodium_memzero(text, sizeof(text));
	return code ? err_set(err, code, "write: %m") : 0;
}

static int read_key(const char *folder, unsigned char key[PASS_KEY], struct err *err)
{
	char path[4200];
	struct stat st;
	size_t n = 0;
	CLEANUP(kiosk_wipe) struct buf text = { 0 };
	snprintf(path, sizeof(path), "%s/register.key", folder);
	int code = kiosk_file(path, &text, err);
	if (code == -ENOENT)
		return err_set(err, code,
		               "there is no '%s': make it on a kiosk with 'khien kiosk register --print-key'", path);
	if (!code && (stat(path, &st) || st.st_mode & 077))
		return err_set(err, -EPERM, "'%s' can be read by others: chmod 600", path);
	if (!code && (sodium_hex2bin(key, PASS_KEY, text.p, text.n, "\n", &n, NULL) || n != PASS_KEY))
		return err_set(err, -EBADMSG, "'%s' is no key of a register", path);
	return code;
}

/* --- the process --- */

static int serve(struct registrar *r, const char *folder, const char *address, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGINT, 0 };
	const struct sandbox_config config = { .dir = folder, .may = SANDBOX_SERVE | SANDBOX_FILES };
	struct sandbox *sandbox;
	int fd = opener_listen(address, err), code = fd < 0 ? fd : 0;
	if (!code)
		code = loop_new(&r->loop, r->clock, err);
	if (!code)
		code = loop_signals(r->loop, signals, on_signal, r, err);
	if (!code)
		code = loop_watch(r->loop, fd, on_listener, r, err);
	if (!code)
		code = loop_every(r->loop, CLOCK_S, on_time, r, err);
	if (!code)
		code = sandbox_init(&sandbox, &config, err);
	if (!code) {
		kiosk_enter(sandbox, "kiosk-register", &r->log);
		code = register_open(&r->registry, folder, "register", err);
	}
	if (!code) {
		log_say(&r->log, LOG_LEVEL_INFO, "ready", LOG_TEXT("register", address),
		        LOG_NUMBER("epoch", (uint64_t)register_value(r->registry)->epoch));
		code = loop_run(r->loop);
		if (code)
			err_set(err, code, "%m");
	}
	for (size_t i = 0; i < PASSES; i++)
		end(&r->callers[i]);
	register_close(r->registry);
	loop_free(r->loop);
	buf_free(&r->answer);
	if (fd >= 0)
		close(fd);
	return code;
}

int kiosk_register_job(int argc, char **argv)
{
	struct args a = { 0 };
	struct config c = { 0 };
	struct err err = { 0 };
	struct registrar r = { .clock = &clock_system, .log = { STDERR_FILENO, &clock_system } };
	CLEANUP(buf_free) struct buf problems = { 0 };
	int status = parse_args(&a, argc, argv);
	if (status >= 0)
		return status;
	signal(SIGPIPE, SIG_IGN);
	int code = config_read(&c, a.config, &problems);
	term_write(STDERR_FILENO, buf_str(&problems));
	if (code)
		return EXIT_TROUBLE;
	const char *folder = a.data ? a.data : c.kiosk.data;
	if (a.print_key) {
		if (a.data)
			c.kiosk.key_file = arena_printf(&c.arena, "%s/key", a.data).p;
		code = print_key(&c.kiosk, &err);
	} else {
		prctl(PR_SET_NAME, "khien: kiosk-register", 0, 0, 0);
		code = read_key(folder, r.key, &err);
		if (!code)
			code = serve(&r, folder, a.listen ? a.listen : c.kiosk.register_listen, &err);
		sodium_memzero(r.key, sizeof(r.key));
	}
	config_done(&c);
	return code ? kiosk_complain("register", &err) : EXIT_NOTHING;
}
