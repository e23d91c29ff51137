/* What the gate has in its folder: made where it is missing, of whom it has to be. */
#include "cmd/gate.h"
#include "cmd/hub.h"
#include "cmd/kiosk.h"
#include "flood/pass.h"
#include "os/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LOG_HELD = 1 << 20 };

/* Root passes everywhere, its workers don't: better said now than by the first visitor who sends a file. */
static int check_way(const struct gate *g, struct err *err)
{
	const struct passwd *pw = g->worker ? getpwnam(g->worker) : NULL;
	char path[4096];
	for (size_t n = strlen(g->paths.data); pw && n; n--) {
		struct stat st;
		if (g->paths.data[n] && g->paths.data[n] != '/')
			continue;
		snprintf(path, sizeof(path), "%.*s", (int)n, g->paths.data);
		if (!stat(path, &st) && !(st.st_mode & (st.st_uid == pw->pw_uid   ? 0100
		                                        : st.st_gid == pw->pw_gid ? 0010
		                                                                  : 0001)))
			return err_set(err, -EACCES,
			               "'%s' can't be entered by nginx's workers (user %s), and the gate's folder is "
			               "in it: chmod "
			               "o+x, or write another gate.data or --data",
			               path, g->worker);
	}
	return 0;
}

/*
 * Where root makes sockets and files by name nobody else may put anything: a link in their place would lead root elsewhere. The agent may enter,
 * to ask.
 */
static int open_run(const struct gate *g, struct err *err)
{
	const struct passwd *pw = g->user ? getpwnam(g->user) : NULL;
	if (pw && (chown(g->paths.run, 0, pw->pw_gid) || chmod(g->paths.run, 0710)))
		return err_set(err, -errno, "let user %s into '%s': %m", g->user, g->paths.run);
	return 0;
}

/* The workers and the agent pass through DATA to what is theirs; what isn't is in folders, or files, of their owner alone. */
int gate_folders(struct gate *g, struct err *err)
{
	static const struct folder parts[] = {
		{ "", 0751, false },        { "nginx", 0751, false },      { "nginx/temp", 0751, false },
		{ "pki", 0700, false },     { "run", 0700, false },        { "state", 0700, true },
		{ "patches", 0755, false }, { "exclusions", 0755, false },
	};
	static const struct folder of_workers[] = { { "nginx/temp/waf", 0700, true } };
	int code = folders_make(g->paths.data, g->user, parts, ARRAY_LEN(parts), err);
	if (!code)
		code = open_run(g, err);
	if (!code)
		code = check_way(g, err);
	return code ? code : folders_make(g->paths.data, g->worker, of_workers, ARRAY_LEN(of_workers), err);
}

int gate_log_socket(struct gate *g, struct err *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const struct group *gr = g->group ? getgrnam(g->group) : NULL;
	const int held = LOG_HELD;
	const size_t n = strlen(g->paths.log_socket);
	if (n >= sizeof(at.sun_path))
		return err_set(err, -ENAMETOOLONG, "'%s': %m", g->paths.log_socket);
	memcpy(at.sun_path, g->paths.log_socket, n);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(g->paths.log_socket);
	const mode_t was = umask(0117);
	int code = fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) ? -errno : 0;
	umask(was);
	if (!code && g->worker && chown(g->paths.log_socket, (uid_t)-1, gr ? gr->gr_gid : (gid_t)-1))
		code = -errno;
	if (code) {
		if (fd >= 0)
			close(fd);
		return err_set(err, code, "make '%s': %m", g->paths.log_socket);
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &held, sizeof(held));
	g->log_socket = fd;
	return 0;
}

/* --- the key --- */

static void add_key(struct buf *out, const struct pass_key *k)
{
	char hex[2 * PASS_KEY + 1];
	sodium_bin2hex(hex, sizeof(hex), k->bytes, sizeof(k->bytes));
	buf_printf(out, "%s\n", hex);
	sodium_memzero(hex, sizeof(hex));
}

static int write_key(const struct gate *g, struct pass_key *now, struct err *err)
{
	CLEANUP(kiosk_wipe) struct buf text = { 0 };
	struct pass_key fresh = { .there = true };
	randombytes_buf(fresh.bytes, sizeof(fresh.bytes));
	add_key(&text, &fresh);
	if (now->there)
		add_key(&text, now);
	sodium_memzero(&fresh, sizeof(fresh));
	return text.failed ? err_set(err, -ENOMEM, "%m")
	                   : atomic_write(g->paths.data, "pass.key", buf_str(&text), 0600, err);
}

int gate_key(const struct gate *g, bool again, struct err *err)
{
	CLEANUP(kiosk_wipe) struct buf text = { 0 };
	struct pass_key now = { 0 }, before = { 0 };
	struct err why = { 0 };
	if (sodium_init() < 0)
		return err_set(err, -ENOSYS, "there is no randomness: %m");
	struct stat st;
	int code = kiosk_file(g->paths.key, &text, err);
	if (!code && !stat(g->paths.key, &st) && st.st_mode & 077)
		return err_set(err, -EPERM, "'%s' can be read by others: chmod 600", g->paths.key);
	if (!code) {
		code = pass_keys_read(buf_str(&text), &now, &before, &why);
		if (code)
			code = err_set(err, code, "'%s': %.300s: take it away, then a new one is made", g->paths.key,
			               why.text);
	} else if (code == -ENOENT) {
		code = 0;
	}
	if (!code && (again || !now.there))
		code = write_key(g, &now, err);
	sodium_memzero(&now, sizeof(now));
	sodium_memzero(&before, sizeof(before));
	return code;
}

/* --- nginx.conf --- */

/* Both beside those that are in use, tested, and only then in their place: nginx may be started anew at any time. */
int gate_conf(const struct gate *g, struct err *err)
{
	CLEANUP(arena_free) struct arena arena = { .max = 1 << 20 };
	CLEANUP(buf_free) struct buf text = { 0 };
	struct site site;
	const char *fresh = arena_printf(&arena, "%s.new", g->paths.conf).p;
	const char *fresh_waf = arena_printf(&arena, "%s.new", g->paths.waf).p;
	int code = !fresh || !fresh_waf ? err_set(err, -ENOMEM, "%m") : gate_site(g, &arena, &site, err);
	if (code)
		return code;
	site.waf_conf = fresh_waf;
	code = gate_waf(g, &site, err);
	if (code)
		return code;
	site_write(&site, &text);
	code = text.failed ? err_set(err, -ENOMEM, "%m")
	                   : atomic_write(g->paths.nginx, "nginx.conf.new", buf_str(&text), 0640, err);
	if (!code)
		code = gate_nginx_test(g, fresh, err);
	const bool has_waf = site.waf != SITE_OFF && site.waf_module;
	if (!code && has_waf && rename(fresh_waf, g->paths.waf))
		code = err_set(err, -errno, "write '%s': %m", g->paths.waf);
	if (code)
		return code;
	unlink(fresh);
	site.waf_conf = g->paths.waf;
	text.n = 0;
	site_write(&site, &text);
	code = text.failed ? err_set(err, -ENOMEM, "%m")
	                   : atomic_write(g->paths.nginx, "nginx.conf", buf_str(&text), 0640, err);
	if (!code && !has_waf)
		unlink(g->paths.waf); /* by which `khien gate status` knows */
	return code;
}
