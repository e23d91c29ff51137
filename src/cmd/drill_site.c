#include "cmd/drill_site.h"

#include "base/clock.h"
#include "cmd/machine_certificate.h"
#include "drill/address.h"
#include "os/atomic.h"
#include "os/child.h"
#include "pki/pki.h"
#include "proxy/control.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { UP_S = 40, DOWN_S = 8, STEP_US = 50000, DEPTH_MAX = 8 };
#define NAME "khien-drill"

/* --- its folder --- */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path) && errno != ENOENT ? -1 : 0;
}

static void remove_folder(const char *path)
{
	for (int i = 0; i < 200 && nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) && access(path, F_OK) == 0; i++)
		usleep(STEP_US); /* somebody who ends now still writes into it */
}

/* Who waits until this process has gone, however, and takes the folder away. */
static int start_keeper(struct drill_site *s, struct err *err)
{
	int ends[2];
	char c;
	if (pipe2(ends, O_CLOEXEC))
		return err_set(err, -errno, "pipe: %m");
	const pid_t pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "fork: %m");
	if (pid == 0) {
		setsid(); /* what ends all of a terminal doesn't end it */
		prctl(PR_SET_NAME, "drill: folder", 0, 0, 0);
		dup2(ends[0], STDIN_FILENO);
		close_range(3, ~0U, 0);
		while (read(STDIN_FILENO, &c, 1) < 0 && errno == EINTR)
			continue;
		remove_folder(s->folder);
		_exit(0);
	}
	close(ends[0]);
	s->alive = ends[1];
	s->keeper = pid;
	return 0;
}

/* A port of loopback that is free now. */
static int free_port(int *ret, struct err *err)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(any);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int code = fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	                           getsockname(fd, (struct sockaddr *)&any, &size)
	                   ? -errno
	                   : 0;
	if (fd >= 0)
		close(fd);
	*ret = ntohs(any.sin_port);
	return code ? err_set(err, code, "find a free port: %m") : 0;
}

static int choose_ports(struct drill_site *s, const char *host, struct err *err)
{
	char *const of_host[] = { s->front, s->front_tls, s->bank };
	const bool apart = strcmp(host, "127.0.0.1") != 0;
	int port = 8480;
	for (size_t i = 0; i < ARRAY_LEN(of_host); i++) {
		const int code = apart ? 0 : free_port(&port, err);
		if (code)
			return code;
		snprintf(of_host[i], SITE_TEXT, "%s:%d", host, apart ? 8080 + (int)i : port);
	}
	snprintf(s->kiosk, sizeof(s->kiosk), "127.0.0.1:%d", port);
	if (!apart)
		memcpy(s->bank, s->kiosk, sizeof(s->bank));
	return 0;
}

static int make_certificate(struct drill_site *s, struct err *err)
{
	CLEANUP(buf_free) struct buf chain = { 0 };
	CLEANUP(buf_free) struct buf key = { 0 };
	const char *const names[] = { NAME, NULL };
	const struct config_list list = { names, 1 };
	char ca[SITE_PATH + 8], own[SITE_PATH + 8];
	bool made;
	snprintf(ca, sizeof(ca), "%s/ca", s->folder);
	snprintf(own, sizeof(own), "%s/tls", s->folder);
	int code = pki_ca_init(ca, STR(NAME), &clock_system, &made, err);
	if (!code)
		code = machine_certificate(ca, own, &list, &clock_system, &chain, &key, err);
	if (!code)
		code = atomic_write(s->folder, "site.crt", buf_str(&chain), 0644, err);
	return code ? code : atomic_write(s->folder, "site.key", buf_str(&key), 0600, err);
}

int drill_site_init(struct drill_site *s, const char *host, bool tls, struct err *err)
{
	const char *tmp = getenv("TMPDIR");
	unsigned char bytes[16];
	const ssize_t n = readlink("/proc/self/exe", s->program, sizeof(s->program) - 1);
	s->alive = -1;
	if (n <= 0)
		return err_set(err, -errno, "where is this program? %m");
	s->program[n] = '\0';
	snprintf(s->folder, sizeof(s->folder), "%.256s/khien-drill-XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp");
	if (!mkdtemp(s->folder)) {
		const int code = err_set(err, -errno, "make a folder '%s': %m", s->folder);
		*s->folder = '\0';
		return code;
	}
	chmod(s->folder, 0711); /* of several users: kiosk, nginx */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	randombytes_buf(bytes, sizeof(bytes));
	sodium_bin2hex(s->secret, sizeof(s->secret), bytes, sizeof(bytes));
	int code = start_keeper(s, err);
	if (!code)
		code = choose_ports(s, host, err);
	if (!code && tls)
		code = make_certificate(s, err);
	if (!tls)
		*s->front_tls = '\0';
	return code;
}

void drill_site_done(struct drill_site *s)
{
	drill_site_stop(s);
	if (s->alive >= 0)
		close(s->alive);
	if (*s->folder)
		remove_folder(s->folder);
}

/* --- processes --- */

/* The last line that it wrote. */
static void add_last_words(const struct drill_site *s, const char *log, struct err *err)
{
	char path[SITE_PATH + 32], text[400];
	snprintf(path, sizeof(path), "%s/%s", s->folder, log);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	const off_t size = lseek(fd, 0, SEEK_END);
	const ssize_t n = pread(fd, text, sizeof(text), size > (off_t)sizeof(text) ? size - (off_t)sizeof(text) : 0);
	close(fd);
	struct str all = str_trim((struct str){ text, n > 0 ? (size_t)n : 0 });
	for (size_t line; (line = str_find(all, '\n')) < all.n;)
		all = str_sub(all, line + 1, all.n);
	if (all.n)
		err_set(err, err->code, "%.100s: " STR_FMT, log, STR_ARG(all));
}

static int spawn(struct drill_site *s, const char *const *argv, const char *log, pid_t *ret, struct err *err)
{
	char path[SITE_PATH + 32];
	cpu_set_t before, one;
	snprintf(path, sizeof(path), "%s/%s", s->folder, log);
	const int out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (out < 0)
		return err_set(err, -errno, "write '%s': %m", path);
	const struct child_config child = { .argv = argv, .out = out, .errors = true, .group = true };
	sched_getaffinity(0, sizeof(before), &before);
	CPU_ZERO(&one);
	if (s->core >= 0) {
		CPU_SET((unsigned)s->core, &one);
		sched_setaffinity(0, sizeof(one), &one);
	}
	const int code = child_spawn(ret, &child, err);
	sched_setaffinity(0, sizeof(before), &before);
	close(out);
	return code;
}

static bool listens(const struct drill_site *s, const char *address)
{
	struct sockaddr_storage to;
	if (drill_address_read(address, &to, NULL))
		return false;
	const int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const bool up = fd >= 0 && !connect(fd, (struct sockaddr *)&to, drill_address_size(&to));
	if (fd >= 0)
		close(fd);
	return up;
}

/* Its port says nothing: who tests a configuration binds it too. */
static bool answers(const struct drill_site *s, const char *address)
{
	CLEANUP(buf_free) struct buf status = { 0 };
	return drill_site_status(s, &status, NULL) == 0 && listens(s, address);
}

typedef bool is_up_fn(const struct drill_site *s, const char *address);

static int wait_for(struct drill_site *s, pid_t *pid, is_up_fn *is_up, const char *address, const char *log,
                    struct err *err)
{
	for (int i = 0; i < UP_S * 1000000 / STEP_US; i++) {
		if (is_up(s, address))
			return 0;
		if (interrupt_came(s->interrupt))
			return err_set(err, -ECANCELED, "stopped as asked");
		if (waitpid(*pid, NULL, WNOHANG) == *pid) {
			*pid = 0;
			err_set(err, -ECHILD, "%s ended at once", log);
			add_last_words(s, log, err);
			return -ECHILD;
		}
		usleep(STEP_US);
	}
	err_set(err, -ETIMEDOUT, "nothing answers on %s", address);
	add_last_words(s, log, err);
	return -ETIMEDOUT;
}

/* --- what they are told --- */

static int write_config(struct drill_site *s, const char *name, struct err *err)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	const bool apart = strcmp(s->kiosk, s->bank) != 0;
	/* hub and post: so that nothing is looked for in anybody's home */
	buf_printf(&out, "hub:\n  data: %s/hub\npost:\n  data: %s/post\n", s->folder, s->folder);
	buf_printf(&out, "kiosk:\n  data: %s/%s\n  proxies: [127.0.0.1]\n  listen:\n    plain: true\n", s->folder,
	           name);
	buf_printf(&out, "    http: ['%s'%s%s%s]\n", s->kiosk, apart ? ", '" : "", apart ? s->bank : "",
	           apart ? "'" : "");
	buf_printf(&out, "gate:\n  data: %s/gate\n  upstream: %s%s\n  listen:\n    http: '%s'\n", s->folder,
	           s->upstream ? "" : "http://", s->upstream ? s->upstream : s->kiosk, s->front);
	if (*s->front_tls)
		buf_printf(&out, "    https: '%s'\n  tls:\n    certificate: %s/site.crt\n    key: %s/site.key\n",
		           s->front_tls, s->folder, s->folder);
	if (!s->upstream)
		buf_add(&out, STR("  waf:\n    exclusions: [kiosk]\n"));
	return atomic_write(s->folder, "khien.yaml", buf_str(&out), 0644, err);
}

/* Debian's own nginx.conf, and a site as its documents show how one is passed on. */
static int write_nginx(const struct drill_site *s, struct err *err)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	static const char *const temporary[] = { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" };
	buf_printf(&out, "%sworker_processes %s;\npid %s/nginx.pid;\nerror_log stderr error;\ndaemon off;\n",
	           geteuid() ? "" : "user www-data;\n", s->core >= 0 ? "1" : "auto", s->folder);
	buf_add(&out, STR("events { worker_connections 768; }\nhttp {\n\tsendfile on;\n\ttcp_nopush on;\n\taccess_log "
	                  "off;\n"));
	for (size_t i = 0; i < ARRAY_LEN(temporary); i++)
		buf_printf(&out, "\t%s_temp_path %s/nginx-%s;\n", temporary[i], s->folder, temporary[i]);
	buf_printf(&out, "\tserver {\n\t\tlisten %s;\n", s->front);
	if (*s->front_tls)
		buf_printf(&out,
		           "\t\tlisten %s ssl http2;\n\t\tssl_certificate %s/site.crt;\n\t\tssl_certificate_key "
		           "%s/site.key;\n",
		           s->front_tls, s->folder, s->folder);
	buf_printf(&out,
	           "\t\tlocation / {\n\t\t\tproxy_pass http://%s;\n\t\t\tproxy_set_header Host $http_host;\n"
	           "\t\t\tproxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\t\t}\n\t}\n}\n",
	           s->kiosk);
	return atomic_write(s->folder, "nginx.conf", buf_str(&out), 0644, err);
}

static int write_secret(const struct drill_site *s, const char *name, struct err *err)
{
	char data[SITE_PATH + 32];
	snprintf(data, sizeof(data), "%s/%s", s->folder, name);
	if (mkdir(data, 0755) && errno != EEXIST)
		return err_set(err, -errno, "make '%s': %m", data);
	return atomic_write(data, "hook-sepay", str_from(s->secret), 0600, err);
}

int drill_site_kiosk(struct drill_site *s, const char *name, struct err *err)
{
	char config[SITE_PATH + 32], data[SITE_PATH + 32];
	snprintf(config, sizeof(config), "%s/khien.yaml", s->folder);
	snprintf(data, sizeof(data), "%s/%s", s->folder, name);
	const char *const argv[] = { s->program, "kiosk", "--config", config, NULL };
	int code = write_config(s, name, err);
	if (code || s->upstream)
		return code;
	code = write_secret(s, name, err);
	if (!code)
		code = spawn(s, argv, "kiosk.log", &s->kiosk_pid, err);
	if (!code)
		code = wait_for(s, &s->kiosk_pid, listens, s->kiosk, "kiosk.log", err);
	for (int i = 0; !code && (code = drill_hospital(data, s->path, err)) && i < 100 &&
	                (code == -ENOENT || code == -ECONNREFUSED);
	     i++) {
		usleep(STEP_US); /* its front is there before its keeper */
		code = 0;
	}
	return code;
}

int drill_site_nginx(struct drill_site *s, struct err *err)
{
	static const char *const programs[] = { "/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx" };
	char conf[SITE_PATH + 32];
	const char *program = NULL;
	for (size_t i = 0; i < ARRAY_LEN(programs) && !program; i++)
		program = access(programs[i], X_OK) ? NULL : programs[i];
	if (!program)
		return err_set(err, -ENOENT, "nginx isn't installed: apt install nginx");
	snprintf(conf, sizeof(conf), "%s/nginx.conf", s->folder);
	const char *const argv[] = { program, "-e", "stderr", "-p", s->folder, "-c", conf, NULL };
	int code = write_nginx(s, err);
	if (!code)
		code = spawn(s, argv, "nginx.log", &s->front_pid, err);
	return code ? code : wait_for(s, &s->front_pid, listens, s->front, "nginx.log", err);
}

int drill_site_gate(struct drill_site *s, struct err *err)
{
	char config[SITE_PATH + 32];
	snprintf(config, sizeof(config), "%s/khien.yaml", s->folder);
	const char *const argv[] = { s->program, "gate", "--config", config, NULL };
	const int code = spawn(s, argv, "gate.log", &s->front_pid, err);
	return code ? code : wait_for(s, &s->front_pid, answers, s->front, "gate.log", err);
}

int drill_site_status(const struct drill_site *s, struct buf *json, struct err *err)
{
	char socket[SITE_PATH + 32];
	snprintf(socket, sizeof(socket), "%s/gate/run/control", s->folder);
	const int status = control_ask(socket, "GET", "/status", STR(""), json, err);
	return status < 0      ? status
	       : status == 200 ? 0
	                       : err_set(err, -EPROTO, "the gate answers its status with %d", status);
}

/* --- their end, and what they used --- */

/* One that was asked to end, and everybody whom its end left to us. */
static void stop(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGTERM);
	for (int i = 0; i < DOWN_S * 1000000 / STEP_US; i++) {
		if (waitpid(*pid, NULL, WNOHANG) == *pid) {
			*pid = 0;
			return;
		}
		usleep(STEP_US);
	}
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

typedef void child_fn(void *arg, pid_t pid, unsigned depth);

static void each_child(pid_t parent, unsigned depth, child_fn *fn, void *arg)
{
	char path[64], text[4096];
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	for (char *at = text, *end; *at; at = end) {
		const long pid = strtol(at, &end, 10);
		if (end == at)
			break;
		fn(arg, (pid_t)pid, depth);
	}
}

static void kill_orphan(void *arg, pid_t pid, unsigned depth)
{
	if (pid != ((const struct drill_site *)arg)->keeper)
		kill(pid, SIGKILL);
}

void drill_site_stop(struct drill_site *s)
{
	stop(&s->front_pid);
	stop(&s->kiosk_pid);
	each_child(getpid(), 0, kill_orphan, s);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
}

static void add_cpu(void *arg, pid_t pid, unsigned depth)
{
	char path[64], text[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	char *at = strrchr(text, ')'); /* from here on the third field: state */
	for (int field = 3; at && field <= 17; field++) {
		at = strchr(at + 1, ' ');
		if (at && field >= 14) /* utime, stime, and of those that ended below it */
			*(double *)arg += (double)strtoull(at, NULL, 10) / (double)sysconf(_SC_CLK_TCK);
	}
	if (depth < DEPTH_MAX)
		each_child(pid, depth + 1, add_cpu, arg);
}

double drill_site_cpu(const struct drill_site *s)
{
	double seconds = 0;
	if (s->kiosk_pid > 0)
		add_cpu(&seconds, s->kiosk_pid, 0);
	if (s->front_pid > 0)
		add_cpu(&seconds, s->front_pid, 0);
	return seconds;
}
