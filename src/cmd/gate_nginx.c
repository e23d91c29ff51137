/* The program nginx: tested, started, and its words turned into those of who wrote khien.yaml. */
#include "cmd/gate.h"
#include "cmd/hub_supervise.h"
#include "cmd/kiosk.h"
#include "os/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 8 << 20 };
static const int64_t TEST_TIME = 30LL * CLOCK_S; /* names are looked up, thousands of rules compiled */

/* --- where something stands --- */

void gate_place(const struct gate *g, struct str key, struct buf *out)
{
	const struct {
		const char *key, *option;
		bool given;
	} options[] = { { "upstream", "--upstream", g->args->upstream },
		        { "listen.http", "--http", g->args->http.n },
		        { "listen.https", "--https", g->args->https.n },
		        { "data", "--data", g->args->data } };
	char full[128];
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (options[i].given && str_eq(key, str_from(options[i].key))) {
			buf_printf(out, "%s", options[i].option);
			return;
		}
	snprintf(full, sizeof(full), "gate." STR_FMT, STR_ARG(key));
	const struct config_place at = config_where(&g->config, full);
	if (at.line)
		buf_printf(out, "%s:%u:%u: ", g->config.path, at.line, at.column);
	buf_printf(out, "%s", full);
}

/* --- its words --- */

static bool has(struct str s, const char *part)
{
	return memmem(s.p, s.n, part, strlen(part));
}

static size_t span(struct str s, const char *marks)
{
	size_t n = 0;
	while (n < s.n && s.p[n] && strchr(marks, s.p[n]))
		n++;
	return n;
}

/* What it says, what to do about it, and, where it names no line, which key it is a matter of. */
struct known {
	const char *says, *write, *key;
};

static const struct known *find_known(struct str line)
{
	static const struct known all[] = {
		{ "Address already in use", "another program listens there: end it, or write another port", NULL },
		{ "Cannot assign requested address", "this machine doesn't have that address: write one that it has",
		  NULL },
		{ "host not found in upstream", "write a name that this machine can look up, or an address",
		  "upstream" },
		{ "key values mismatch", "it isn't the key of this certificate: write the one that is", "tls.key" },
		{ "cannot load certificate key", "write a file with its key, PEM, that can be read", "tls.key" },
		{ "cannot load certificate", "write a file with a certificate, PEM, that can be read",
		  "tls.certificate" },
		{ "SSL_CTX_load_verify_locations", "write a file with a CA's certificate, PEM, that can be read",
		  "upstream_ca" },
		{ "Permission denied", "this user may not: ports below 1024, and others' files, are root's", NULL },
		{ "is not binary compatible",
		  "it was built for another nginx: install the one that belongs to this nginx", NULL },
		{ "is already loaded", "another file of this nginx loads it too: take that line out", NULL },
		{ "unknown directive \"khien", "the module is another version's: install both from the same package",
		  NULL },
		{ "directive is duplicate", "this nginx has it elsewhere, too: take one of the two out", NULL },
		{ "Rules error", "a rule of the WAF can't be read: see the file that it names", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (has(line, all[i].says))
			return &all[i];
	return NULL;
}

/* Which key it is a matter of: by the line of the file that it names, else by the address. */
static struct str key_of(const struct gate *g, struct str *line, const char *path, struct str conf)
{
	char end[4200], address[128];
	const int n = snprintf(end, sizeof(end), " in %s:", path);
	const char *at = n > 0 && (size_t)n < sizeof(end) ? memmem(line->p, line->n, end, (size_t)n) : NULL;
	if (at) {
		const struct str behind = str_sub(*line, (size_t)(at + n - line->p), line->n);
		unsigned number = 0;
		for (size_t i = 0; i < span(behind, "0123456789") && i < 6; i++)
			number = number * 10 + (unsigned)(behind.p[i] - '0');
		const struct str key = site_key(conf, number);
		if (key.n)
			line->n = (size_t)(at - line->p);
		return key;
	}
	const struct config_list *const lists[] = { &g->c->http, &g->c->https };
	for (size_t l = 0; l < ARRAY_LEN(lists); l++)
		for (size_t i = 0; i < lists[l]->n; i++) {
			snprintf(address, sizeof(address), "bind() to %s failed", lists[l]->at[i]);
			if (has(*line, address))
				return l ? STR("listen.https") : STR("listen.http");
		}
	return (struct str){ "", 0 };
}

bool gate_nginx_words(const struct gate *g, struct str line, const char *path, struct buf *out)
{
	static const char *const weighty[] = { "[emerg] ", "[alert] ", "[crit] ", "[error] " };
	CLEANUP(buf_free) struct buf conf = { 0 };
	const char *from = NULL;
	for (size_t i = 0; i < ARRAY_LEN(weighty) && !from; i++) {
		from = memmem(line.p, line.n, weighty[i], strlen(weighty[i]));
		from = from ? from + strlen(weighty[i]) : NULL;
	}
	if (!from || has(line, "still could not bind()"))
		return false;
	line = str_sub(line, (size_t)(from - line.p), line.n);
	/* "1234#1234: " of a process that runs */
	const size_t digits = span(line, "0123456789#*: ");
	if (str_find(str_sub(line, 0, digits), '#') < digits)
		line = str_sub(line, digits, line.n);
	kiosk_file(path, &conf, NULL); /* what can't be read names no key */
	const struct known *known = find_known(line);
	struct str key = key_of(g, &line, path, buf_str(&conf));
	if (!key.n && known && known->key)
		key = str_from(known->key);
	if (key.n) {
		gate_place(g, key, out);
		buf_add(out, STR(": "));
	}
	buf_printf(out, "nginx says: " STR_FMT "%s%s", STR_ARG(line), known ? ": " : "", known ? known->write : "");
	return true;
}

/* --- the program --- */

int gate_nginx_start(const struct gate *g, int out, pid_t *ret, struct err *err)
{
	const char *const argv[] = { GATE_NGINX, "-p", g->paths.nginx, "-e", "stderr", "-c", g->paths.conf, NULL };
	const struct child_config c = { .argv = argv, .out = out, .errors = true, .group = true };
	return child_spawn(ret, &c, err);
}

/* Its output up to its end; *status as of waitpid(2). It is ended when it takes too long. */
static int listen_to(const struct gate *g, const char *const *argv, struct buf *words, int *status, struct err *err)
{
	int ends[2];
	pid_t pid;
	const int64_t until = clock_monotonic(g->clock) + TEST_TIME;
	if (pipe2(ends, O_CLOEXEC))
		return err_set(err, -errno, "make a pipe: %m");
	const struct child_config c = { .argv = argv, .out = ends[1], .errors = true, .group = true };
	int code = child_spawn(&pid, &c, err);
	close(ends[1]);
	while (!code) {
		struct pollfd p = { .fd = ends[0], .events = POLLIN };
		const int64_t left = until - clock_monotonic(g->clock);
		char bytes[4096];
		supervise_notify("WATCHDOG=1"); /* who watches this is not to take it for stuck */
		if (left <= 0 || (poll(&p, 1, CLOCK_S / CLOCK_MS) < 0 && errno != EINTR)) {
			kill(-pid, SIGKILL);
			code = err_set(err, -ETIMEDOUT, "'%s' doesn't end", argv[0]);
			break;
		}
		const ssize_t n = p.revents ? read(ends[0], bytes, sizeof(bytes)) : -1;
		if (!n)
			break;
		if (n > 0 && words->n + (size_t)n < WORDS_MAX)
			buf_add(words, (struct str){ bytes, (size_t)n });
	}
	close(ends[0]);
	if (!code || code == -ETIMEDOUT)
		while (waitpid(pid, status, 0) < 0 && errno == EINTR)
			continue;
	return code;
}

int gate_nginx_job(const struct gate *g, const char *const *argv, const char *path, struct buf *said, struct err *err)
{
	CLEANUP(buf_free) struct buf own = { 0 };
	struct buf *words = said ? said : &own;
	CLEANUP(buf_free) struct buf text = { 0 };
	int status = 0;
	if (access(GATE_NGINX, X_OK))
		return err_set(err, -ENOENT, "there is no nginx on this machine ('" GATE_NGINX "'): apt install nginx");
	int code = listen_to(g, argv, words, &status, err);
	if (code || (WIFEXITED(status) && !WEXITSTATUS(status)))
		return code;
	for (struct str left = buf_str(words); left.n && !text.n;) {
		const size_t n = str_find(left, '\n');
		gate_nginx_words(g, str_sub(left, 0, n), path, &text);
		left = str_sub(left, n + 1, left.n);
	}
	return text.n ? err_set(err, -EINVAL, STR_FMT, STR_ARG(buf_str(&text)))
	              : err_set(err, -EINVAL, "nginx doesn't take '%s': " STR_FMT, path, STR_ARG(buf_str(words)));
}

int gate_nginx_test(const struct gate *g, const char *path, struct err *err)
{
	const char *const argv[] = { GATE_NGINX, "-t", "-q", "-p", g->paths.nginx, "-e", "stderr", "-c", path, NULL };
	return gate_nginx_job(g, argv, path, NULL, err);
}
