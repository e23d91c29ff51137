/* khien kiosk: configuration, keys, sockets, and the processes that do the work. See kiosk.h. */
#include "cmd/kiosk.h"

#include "cmd/cmd.h"
#include "cmd/hub.h"
#include "cmd/jobs.h"
#include "cmd/outlet.h"
#include "cmd/term.h"
#include "kiosk/pass.h"
#include "os/opener.h"
#include "pki/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const int64_t LOOK_AT_CERTIFICATE = 60LL * CLOCK_S, MONTH = 30LL * 86400 * CLOCK_S;
static const int64_t BESIDE_AGAIN = 5LL * CLOCK_S;

struct args {
	const char *config, *data;
	struct opt_list http, https;
	bool demo;
};

struct beside {
	int (*work)(const struct kiosk *k); /* NULL: there is none */
	pid_t pid;                          /* 0: it doesn't run */
	int64_t at;                         /* monotonic: not before */
};

struct run {
	struct args args;
	struct config config;
	bool has_config;
	struct kiosk kiosk;
	struct beside beside[2]; /* the demo, the courier */
	int64_t looked_at, file_at;
};

static int parse_args(struct args *a, int argc, char **argv)
{
	static const char *const synopsis[] = { "[OPTION]...",
		                                "first|status|promote|alone|rejoin|register|backup|restore [OPTION]...",
		                                NULL };
	const struct opt opts[] = {
		{ "config", 'c', OPT_TEXT, "FILE", "khien.yaml (default: /etc/khien/khien.yaml where it is)",
		  &a->config, 0, 0, NULL },
		{ "data", 'd', OPT_TEXT, "DIR",
		  "where all is kept (default: /var/lib/khien/kiosk for root, else\n~/.local/state/khien/kiosk)",
		  &a->data, 0, 0, NULL },
		{ "http", 0, OPT_LIST, "ADDR:PORT", "pages without TLS, on loopback (default: 127.0.0.1:8480)",
		  &a->http, 0, 0, NULL },
		{ "https", 0, OPT_LIST, "ADDR:PORT", "pages over TLS (default: none)", &a->https, 0, 0, NULL },
		{ "demo", 0, OPT_FLAG, NULL, "a hospital that doesn't exist: invented people, a bank of its own",
		  &a->demo, 0, 0, NULL },
	};
	const struct opt_spec spec = {
		.command = "kiosk",
		.synopsis = synopsis,
		.what = "A hospital's booking portal: queue numbers, the counter, the board, payment by QR code.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "SIGTERM and SIGINT end it, when everybody was answered.\n\n"
		        "Jobs, each with its own --help:\n"
		        "  khien kiosk first     the first admin\n"
		        "  khien kiosk status    how it stands\n"
		        "  khien kiosk promote   a standby becomes the one that writes\n"
		        "  khien kiosk alone     goes on without its standby\n"
		        "  khien kiosk rejoin    who wrote before becomes a standby\n"
		        "  khien kiosk register  on a third machine: says who of two may go on\n"
		        "  khien kiosk backup    a copy of all, while it runs; restore brings it back\n\n"
		        "Exit status: 0 ended as asked, 2 something could not be done.",
	};
	return opt_parse(&spec, argc, argv, NULL);
}

int kiosk_complain(const char *job, const struct err *err)
{
	CLEANUP(buf_free) struct buf line = { 0 };
	buf_printf(&line, "khien kiosk%s%s: ", *job ? " " : "", job);
	term_safe(&line, str_from(err->text));
	buf_putc(&line, '\n');
	term_write(STDERR_FILENO, buf_str(&line));
	return EXIT_TROUBLE;
}

void kiosk_enter(struct sandbox *s, const char *process, const struct log *log)
{
	struct sandbox_report report;
	sandbox_enter(s, &report);
	for (size_t i = 0; i < SANDBOX_LAYERS; i++)
		if (!report.layer[i].on)
			log_say(log, LOG_LEVEL_WARNING, "protection-off", LOG_TEXT("process", process),
			        LOG_TEXT("what", report.layer[i].name), LOG_TEXT("why", report.layer[i].why));
}

/* --- before the first process --- */

static void replace(struct config_list *to, const struct opt_list *given)
{
	if (given->n)
		*to = (struct config_list){ given->at, given->n };
}

/* What follows from another folder than the file's. */
static int move_data(struct config *c, const char *data, struct err *err)
{
	char *real = arena_alloc(&c->arena, 4096);
	if (!real || !*data || strlen(data) >= 4000 || (*data != '/' && !getcwd(real, 4096)))
		return err_set(err, -EINVAL, "--data needs a folder");
	c->kiosk.data = *data == '/' ? data : arena_printf(&c->arena, "%s/%s", real, data).p;
	c->kiosk.database = arena_printf(&c->arena, "sqlite:%s/store/kiosk.db", c->kiosk.data).p;
	c->kiosk.key_file = arena_printf(&c->arena, "%s/key", c->kiosk.data).p;
	return c->kiosk.key_file && c->kiosk.database ? 0 : err_set(err, -ENOMEM, "%m");
}

static int read_config(struct run *r, struct err *err)
{
	static const char *const loopback[] = { "127.0.0.1", "::1" };
	CLEANUP(buf_free) struct buf problems = { 0 };
	struct config_kiosk *k = &r->config.kiosk;
	int code = config_read(&r->config, r->args.config, &problems);
	term_write(STDERR_FILENO, buf_str(&problems)); /* also where it will do: warnings */
	if (code) {
		*err->text = '\0';
		return code;
	}
	r->has_config = true;
	replace(&k->http, &r->args.http);
	replace(&k->https, &r->args.https);
	/* the demo's data are nobody's, and not where anybody's are */
	if (r->args.demo && !k->proxies.n) /* as `make run` has the gate before it */
		k->proxies = (struct config_list){ loopback, ARRAY_LEN(loopback) };
	if (r->args.demo && !r->args.data)
		r->args.data = arena_printf(&r->config.arena, "%s-demo", k->data).p;
	if (r->args.demo || r->args.data)
		code = move_data(&r->config, r->args.data, err);
	return code ? code : config_kiosk_permits(k, err);
}

static int listen_on(struct kiosk *k, struct err *err)
{
	const struct config_list *const lists[] = { &k->c->http, &k->c->https };
	for (size_t l = 0; l < ARRAY_LEN(lists); l++)
		for (size_t i = 0; i < lists[l]->n; i++) {
			int fd = k->n_listeners < KIOSK_LISTENERS
			                 ? opener_listen(lists[l]->at[i], err)
			                 : err_set(err, -E2BIG, "more than %d addresses", KIOSK_LISTENERS);
			if (fd < 0)
				return fd;
			k->listeners[k->n_listeners++] = fd;
			k->n_http += !l;
			log_say(&k->log, LOG_LEVEL_INFO, "listening", LOG_TEXT(l ? "https" : "http", lists[l]->at[i]));
		}
	k->taken = k->c->standby_listen ? opener_listen(k->c->standby_listen, err) : -1;
	return k->c->standby_listen && k->taken < 0 ? k->taken : 0;
}

/* Of the key only what the processes need is kept here. */
static int open_keys(struct kiosk *k, struct err *err)
{
	struct seal *seal;
	unsigned char key[SEAL_KEY];
	int code = seal_open(&seal, k->c->key_file, true, err);
	if (code)
		return code;
	seal_form_key(seal, k->form_key);
	seal_link_key(seal, key);
	pass_key(key, "kiosk", k->peer_key);
	pass_key(key, "register", k->register_key);
	sodium_memzero(key, sizeof(key));
	seal_close(seal);
	if (k->c->token)
		code = kiosk_file(k->c->token, &k->token, err);
	while (k->token.n && (unsigned char)k->token.p[k->token.n - 1] <= ' ')
		k->token.n--;
	return !code && k->c->token && k->token.n < 16
	               ? err_set(err, -EINVAL, "'%s': a token has 16 characters at least", k->c->token)
	               : code;
}

static int make_folders(struct run *r, struct err *err)
{
	static const struct folder parts[] = { { "", 0755, false }, { "store", 0750, true } };
	struct kiosk *k = &r->kiosk;
	if (geteuid() == 0) {
		k->user = getpwnam("khien") ? "khien" : NULL;
		k->front_user = "khien-front";
	}
	int code = folders_make(k->c->data, k->user, parts, ARRAY_LEN(parts), err);
	return !code && k->demo ? kiosk_demo_folder(k->c->data, err) : code;
}

/* --- the processes --- */

static void close_listeners(struct kiosk *k)
{
	for (size_t i = 0; i < k->n_listeners; i++)
		close(k->listeners[i]);
	k->n_listeners = 0;
}

static int keeper(void *arg, int link, int beat)
{
	struct kiosk *k = &((struct run *)arg)->kiosk;
	close_listeners(k);
	kiosk_wipe(&k->key);
	kiosk_wipe(&k->token);
	sodium_memzero(k->form_key, sizeof(k->form_key));
	return kiosk_keeper(k, link, beat);
}

static int front(void *arg, int link, int beat)
{
	struct kiosk *k = &((struct run *)arg)->kiosk;
	kiosk_forget_password();
	if (k->taken >= 0)
		close(k->taken);
	sodium_memzero(k->peer_key, sizeof(k->peer_key));
	sodium_memzero(k->register_key, sizeof(k->register_key));
	return kiosk_front(k, link, beat);
}

/* What stands beside them asks as others do, and is started anew a while after it ended. */
static void start_beside(struct run *r, struct beside *b)
{
	static const int usual[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
	struct kiosk *k = &r->kiosk;
	sigset_t none;
	b->pid = fork();
	if (b->pid)
		return;
	kiosk_forget_password();
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < ARRAY_LEN(usual); i++)
		signal(usual[i], SIG_DFL);
	close_range(3, ~0U, 0); /* an end of a pipe that is held on to hides that the other end is gone */
	kiosk_wipe(&k->key);
	kiosk_wipe(&k->token);
	sodium_memzero(k->form_key, sizeof(k->form_key));
	sodium_memzero(k->peer_key, sizeof(k->peer_key));
	sodium_memzero(k->register_key, sizeof(k->register_key));
	_exit(b->work(k));
}

static void look(void *arg, int64_t now)
{
	struct run *r = arg;
	for (size_t i = 0; i < ARRAY_LEN(r->beside); i++) {
		struct beside *b = &r->beside[i];
		if (b->pid > 0 && waitpid(b->pid, NULL, WNOHANG) == b->pid)
			b->pid = 0;
		if (!b->work || b->pid > 0 || now < b->at)
			continue;
		b->at = now + BESIDE_AGAIN;
		start_beside(r, b);
	}
}

/* Of files: somebody else has renewed them. Of the CA: they are about to end. */
static bool certificate_is_due(void *arg, int64_t now)
{
	struct run *r = arg;
	struct kiosk *k = &r->kiosk;
	struct pki_info info;
	struct stat st;
	struct err err;
	if (!k->chain.n || now - r->looked_at < LOOK_AT_CERTIFICATE)
		return false;
	r->looked_at = now;
	if (!k->c->certificate)
		return !pki_read(buf_str(&k->chain), &info, &err) && info.until - clock_wall(k->clock) < MONTH;
	if (stat(k->c->certificate, &st))
		return false;
	const int64_t before = r->file_at;
	r->file_at = st.st_mtim.tv_sec * (int64_t)CLOCK_S + st.st_mtim.tv_nsec / 1000;
	return before && before != r->file_at;
}

static void renew_certificate(void *arg)
{
	struct run *r = arg;
	struct err err;
	if (kiosk_certificate(&r->kiosk, r->config.hub.data, &err))
		log_say(&r->kiosk.log, LOG_LEVEL_ERROR, "certificate-not-renewed", LOG_TEXT("why", err.text));
}

static int run(struct run *r, struct err *err)
{
	struct kiosk *k = &r->kiosk;
	char control[4200];
	const struct supervisor supervisor = {
		.clock = k->clock,
		.log = &k->log,
		.ready = "taking bookings",
		.work = { [PART_KEEPER] = keeper, [PART_FRONT] = front },
		.due = certificate_is_due,
		.renew = renew_certificate,
		.look = look,
		.arg = r,
	};
	outlet_unblock(STDERR_FILENO); /* who reads what is said can't hold it up */
	int code = make_folders(r, err);
	if (!code)
		code = open_keys(k, err);
	if (!code)
		code = kiosk_certificate(k, r->config.hub.data, err);
	if (!code)
		code = listen_on(k, err);
	if (code)
		return code;
	r->beside[0].work = k->demo ? kiosk_demo : NULL;
	r->beside[1].work = k->c->hospital ? kiosk_courier : NULL;
	code = supervise(&supervisor, err);
	snprintf(control, sizeof(control), "%s/control", k->c->data);
	unlink(control);
	return code;
}

static void done(struct run *r)
{
	struct kiosk *k = &r->kiosk;
	for (size_t i = 0; i < ARRAY_LEN(r->beside); i++) {
		if (r->beside[i].pid <= 0)
			continue;
		kill(r->beside[i].pid, SIGTERM);
		while (waitpid(r->beside[i].pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	close_listeners(k);
	if (k->taken >= 0)
		close(k->taken);
	kiosk_wipe(&k->key);
	kiosk_wipe(&k->token);
	buf_free(&k->chain);
	sodium_memzero(k, sizeof(*k));
	opt_list_done(&r->args.http);
	opt_list_done(&r->args.https);
	if (r->has_config)
		config_done(&r->config);
}

static int kiosk_run(int argc, char **argv)
{
	struct run r = { .kiosk = { .clock = &clock_system, .log = { STDERR_FILENO, &clock_system }, .taken = -1 } };
	struct err err = { 0 };
	signal(SIGPIPE, SIG_IGN);
	int status = parse_args(&r.args, argc, argv);
	r.kiosk.c = &r.config.kiosk;
	r.kiosk.demo = r.args.demo;
	if (status < 0) {
		int code = read_config(&r, &err);
		if (!code)
			code = run(&r, &err);
		status = !code ? EXIT_NOTHING : *err.text ? kiosk_complain("", &err) : EXIT_TROUBLE;
	}
	done(&r);
	return status;
}

int cmd_kiosk(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "register") == 0)
		return kiosk_register_job(argc - 1, argv + 1);
	int status = kiosk_job(argc, argv);
	if (status < 0)
		status = kiosk_backup(argc, argv);
	return status >= 0 ? status : kiosk_run(argc, argv);
}
