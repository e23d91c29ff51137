/*
 * khien hub backup, khien hub restore.
 *
 * As root, state and events are copied by a child that became who keeps them (what it reads, that user may have
 * written); the CA's files, which may be root's alone, and the manifest by this process.
 */
#include "cmd/cmd.h"
#include "cmd/hub_admin.h"
#include "cmd/hub_files.h"
#include "cmd/opt.h"
#include "cmd/print.h"
#include "os/atomic.h"
#include "store/events.h"
#include "store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CA_FILE = 64 << 10, MANIFEST_TEXT = 32 << 20 };

struct args {
	struct opt_list words;
	const char *data;
};

static double megabytes(uint64_t bytes)
{
	return (double)bytes / 1e6;
}

static int check_room(int folder, uint64_t bytes, const char *name, struct err *err)
{
	struct statvfs fs;
	if (fstatvfs(folder, &fs) || (uint64_t)fs.f_bavail * fs.f_frsize >= bytes)
		return 0;
	return err_set(err, -ENOSPC, "'%s' has room for %.1f MB, %.1f MB are needed", name,
	               megabytes((uint64_t)fs.f_bavail * fs.f_frsize), megabytes(bytes));
}

/* "path/name", or an error that it is too long. */
static int join(char to[PATH_MAX], const char *path, const char *name, struct err *err)
{
	return snprintf(to, PATH_MAX, "%s/%s", path, name) < PATH_MAX ? 0 : err_set(err, -ENAMETOOLONG, "%s: %m", path);
}

/* --- backup: state and events, as who keeps them --- */

/* How far the copy of the events is, looked at from beside: the store copies whole files at a time. */
struct onlooker {
	struct files_work work;
	int to;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool over, runs;
};

static void *look_on(void *arg)
{
	struct onlooker *o = arg;
	pthread_mutex_lock(&o->lock);
	while (!o->over) {
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 200 * 1000 * 1000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&o->ended, &o->lock, &until);
		progress_update(&o->work.bar, files_bytes(o->to), o->work.total, "events");
	}
	pthread_mutex_unlock(&o->lock);
	progress_clear(&o->work.bar);
	return NULL;
}

static void look_begin(struct onlooker *o, uint64_t total, int to)
{
	*o = (struct onlooker){ .to = to, .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER };
	progress_begin(&o->work.bar, STDERR_FILENO, &clock_system);
	o->work.total = total;
	o->runs = o->work.bar.on && pthread_create(&o->thread, NULL, look_on, o) == 0;
}

static void look_end(struct onlooker *o)
{
	pthread_mutex_lock(&o->lock);
	o->over = true;
	pthread_cond_signal(&o->ended);
	pthread_mutex_unlock(&o->lock);
	if (o->runs)
		pthread_join(o->thread, NULL);
}

static void on_note(void *arg, const char *event, const char *what, const char *why)
{
	CLEANUP(buf_free) struct buf line = { 0 };
	buf_printf(&line, "khien hub backup: %s: ", event);
	term_safe(&line, str_from(what ? what : ""));
	buf_add(&line, STR(": "));
	term_safe(&line, str_from(why ? why : ""));
	buf_putc(&line, '\n');
	term_write(STDERR_FILENO, buf_str(&line));
}

static int copy_events(const char *store, const char *to, struct err *err)
{
	char from[PATH_MAX], into[PATH_MAX];
	struct events *events;
	struct onlooker o;
	int code = join(into, store, "events/days", err);
	if (code || access(into, F_OK))
		return code; /* a hub that never ran has none */
	code = join(from, store, "events", err);
	if (!code)
		code = join(into, to, "events", err);
	if (code)
		return code;
	if (mkdir(into, 0700))
		return err_set(err, -errno, "make the folder '%s': %m", into);
	CLEANUP(files_close) int source = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(files_close) int target = open(into, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct events_config config = { .dir = from, .read_only = true, .clock = &clock_system, .note = on_note };
	code = events_embedded.open(&events, &config, err);
	if (code)
		return code;
	look_begin(&o, files_bytes(source), target);
	code = events_embedded.backup(events, into, err);
	look_end(&o);
	events_embedded.close(events);
	return code;
}

/* The state first: events that come in between are matched again after a restore, alerts are not lost. */
static int copy_kept(const struct admin *a, const char *to, struct err *err)
{
	const struct state_config config = { .dir = a->store, .read_only = true, .clock = &clock_system };
	struct state *state;
	char into[PATH_MAX];
	int code = admin_become(a, err);
	if (!code)
		code = state_open(&state, &config, NULL, err);
	if (code)
		return code;
	code = join(into, to, HUB_STORE, err);
	if (!code && mkdir(into, 0700))
		code = err_set(err, -errno, "make the folder '%s': %m", into);
	if (!code)
		code = state_backup(state, into, err);
	state_close(state);
	if (!code)
		code = copy_events(a->store, into, err);
	if ((code == -EACCES || code == -ENOENT) && access(to, W_OK | X_OK)) {
		const struct passwd *pw = getpwuid(geteuid());
		return err_set(err, code,
		               "'%s' is copied by its owner %s, who may not write to '%s': name a folder that is not "
		               "there yet, below one that this user may enter",
		               a->data, pw ? pw->pw_name : "", to);
	}
	return code;
}

/* In a child; its words come over a pipe. */
static int copy_as_keeper(const struct admin *a, const char *to, struct err *err)
{
	int words[2], status;
	if (pipe2(words, O_CLOEXEC))
		return err_set(err, -errno, "make a pipe: %m");
	pid_t pid = fork();
	if (pid == 0) {
		struct err why = { 0 };
		int code = copy_kept(a, to, &why);
		_exit(code && write(words[1], &why, sizeof(why)) != (ssize_t)sizeof(why) ? 2 : code != 0);
	}
	close(words[1]);
	struct err why = { 0 };
	ssize_t n = pid > 0 ? read(words[0], &why, sizeof(why)) : -1;
	close(words[0]);
	if (pid < 0)
		return err_set(err, -errno, "start a process: %m");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	why.text[sizeof(why.text) - 1] = '\0';
	if (n == (ssize_t)sizeof(why) && why.code < 0)
		return err_set(err, why.code, "%s", why.text);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : err_set(err, -EIO, "the process that copies ended");
}

/* --- backup: the CA, the manifest --- */

static const char *const ca_files[] = {
	"ca.crt", "ca.key", "hub.crt", "hub.key", "order.key", "order.pub", "approvers"
};

struct ca {
	struct buf text[ARRAY_LEN(ca_files)];
	struct stat st[ARRAY_LEN(ca_files)];
};

static void ca_done(struct ca *ca)
{
	for (size_t i = 0; i < ARRAY_LEN(ca_files); i++) {
		if (ca->text[i].p)
			sodium_memzero(ca->text[i].p, ca->text[i].cap);
		buf_free(&ca->text[i]);
	}
}

static int ca_read(int pki, struct ca *ca, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(ca_files); i++) {
		int code = files_read(pki, ca_files[i], CA_FILE, &ca->text[i], &ca->st[i], err);
		if (code && code != -ENOENT)
			return code;
	}
	return 0;
}

static int ca_write(int to, const struct ca *ca, const struct admin *a, struct err *err)
{
	if (mkdirat(to, "pki", 0700))
		return err_set(err, -errno, "make the folder 'pki': %m");
	CLEANUP(files_close) int pki = openat(to, "pki", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool root = geteuid() == 0;
	if (pki < 0 || (root && fchown(pki, a->uid, a->gid)))
		return err_set(err, -errno, "make the folder 'pki': %m");
	for (size_t i = 0; i < ARRAY_LEN(ca_files); i++) {
		if (!ca->text[i].n)
			continue;
		CLEANUP(files_close)
		int fd = openat(pki, ca_files[i], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		int code = fd < 0 ? -errno : term_write(fd, buf_str(&ca->text[i]));
		if (!code && root && fchown(fd, ca->st[i].st_uid, ca->st[i].st_gid))
			code = -errno;
		if (code)
			return err_set(err, code, "write 'pki/%s': %m", ca_files[i]);
	}
	return 0;
}

static bool ca_same(const struct ca *a, const struct ca *b)
{
	bool same = true;
	for (size_t i = 0; i < ARRAY_LEN(ca_files); i++)
		same &= str_eq(buf_str(&a->text[i]), buf_str(&b->text[i]));
	return same;
}

/* Read until twice the same: a certificate and its key that were renewed meanwhile belong together. */
static int copy_ca(const struct admin *a, int to, struct err *err)
{
	CLEANUP(files_close) int data = open(a->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(files_close) int pki = openat(data, "pki", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (pki < 0)
		return errno == ENOENT ? 0 : err_set(err, -errno, "open '%s/pki': %m", a->data);
	for (int tries = 0; tries < 8; tries++) {
		CLEANUP(ca_done) struct ca ca = { 0 };
		CLEANUP(ca_done) struct ca again = { 0 };
		int code = ca_read(pki, &ca, err);
		if (!code)
			code = ca_read(pki, &again, err);
		if (code)
			return code;
		if (ca_same(&ca, &again))
			return ca_write(to, &ca, a, err);
	}
	return err_set(err, -EAGAIN, "the certificates in '%s/pki' change all the time: try again", a->data);
}

static int write_manifest(const char *path, int to, struct manifest *m, struct err *err)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	struct files_work w = { .note = "reading back", .total = files_bytes(to) };
	CLEANUP(buf_free) struct buf made = { 0 };
	int64_t now = clock_wall(&clock_system);
	print_time_utc(&made, now - now % CLOCK_S);
	snprintf(m->made, sizeof(m->made), STR_FMT, STR_ARG(buf_str(&made)));
	snprintf(m->version, sizeof(m->version), "%s", KHIEN_VERSION);
	progress_begin(&w.bar, STDERR_FILENO, &clock_system);
	int code = files_list(to, m, &w, err);
	progress_clear(&w.bar);
	manifest_print(m, &text);
	if (!code && text.failed)
		code = err_set(err, -ENOMEM, "%m");
	return code ? code : atomic_write(path, MANIFEST_NAME, buf_str(&text), 0600, err);
}

/* The folder, open; *made: it was not there. */
static int make_target(const char *given, const struct admin *a, char path[PATH_MAX], bool *made, struct err *err)
{
	*made = mkdir(given, 0700) == 0;
	if (!*made && errno != EEXIST)
		return err_set(err, -errno, "make the folder '%s': %m", given);
	int to = open(given, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int any = to < 0 || !realpath(given, path) ? -errno : files_any(to), code = 0;
	size_t n = strlen(a->data);
	if (any < 0)
		code = err_set(err, any, "open '%s': %m", given);
	else if (any)
		code = err_set(err, -ENOTEMPTY, "'%s' is not empty: name a folder that is not there yet", given);
	else if (strncmp(path, a->data, n) == 0 && (path[n] == '/' || !path[n]))
		code = err_set(err, -EINVAL, "'%s' is inside of what is to be copied: name another folder", given);
	else if (*made && geteuid() == 0 && a->uid && fchown(to, a->uid, a->gid))
		code = err_set(err, -errno, "give '%s' to the owner of the data: %m", given);
	if (!code)
		return to;
	files_close(&to);
	if (*made)
		rmdir(given);
	return code;
}

static int check_source(const struct admin *a, struct err *err)
{
	char path[PATH_MAX];
	int code = join(path, a->store, "state.db", err);
	if (!code && access(path, R_OK)) {
		code = -errno;
		err_set(err, code,
		        code == -ENOENT ? "there is no hub's data in '%s': name its folder with --data"
		                        : "no right to read '%s': run this as root, or as the user the hub runs as",
		        a->data);
	}
	return code;
}

static int backup(const struct args *args, struct err *err)
{
	CLEANUP(manifest_done) struct manifest m = { 0 };
	const char *given = args->words.at[0];
	struct admin a;
	char path[PATH_MAX];
	bool made;
	umask(077);
	int code = admin_find(&a, args->data, err);
	if (!code)
		code = check_source(&a, err);
	if (code)
		return code;
	CLEANUP(files_close) int to = make_target(given, &a, path, &made, err);
	if (to < 0)
		return to;
	int data = open(a.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	code = check_room(to, data < 0 ? 0 : files_bytes(data), given, err);
	files_close(&data);
	if (!code)
		code = copy_as_keeper(&a, path, err);
	if (!code)
		code = copy_ca(&a, to, err);
	if (!code)
		code = write_manifest(path, to, &m, err);
	if (code) {
		files_remove(to, "");
		if (made)
			rmdir(given);
		return code;
	}
	printf("backed up '%s' to '%s': %zu files, %.1f MB\n", a.data, given, m.n, megabytes(m.bytes));
	return 0;
}

/* --- restore --- */

static const int stoppers[] = { SIGINT, SIGTERM, SIGHUP };

static int read_manifest(int from, const char *given, struct manifest *m, struct err *err)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	struct err why;
	bool state = false;
	int code = files_read(from, MANIFEST_NAME, MANIFEST_TEXT, &text, NULL, &why);
	if (code == -ENOENT)
		return err_set(err, code, "'%s' has no manifest: it is no backup, or one that was not finished", given);
	if (!code)
		code = manifest_parse(m, buf_str(&text), &why);
	if (code)
		return err_set(err, code, "'%s': %s", given, why.text);
	for (size_t i = 0; i < m->n; i++)
		state |= strcmp(m->files[i].path, HUB_STORE "/state.db") == 0;
	return state ? 0 : err_set(err, -EBADMSG, "'%s': there is no state.db in it", given);
}

/* A running hub holds DATA/store/events/lock. */
static bool is_running(int data)
{
	CLEANUP(files_close) int fd = openat(data, HUB_STORE "/events/lock", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
}

static int check_target(const struct admin *a, int parent, struct err *err)
{
	struct stat st, above;
	if (!a->exists)
		return 0;
	CLEANUP(files_close) int data = open(a->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int any = data < 0 ? -errno : files_any(data);
	if (any < 0)
		return err_set(err, any, "open '%s': %m", a->data);
	if (is_running(data))
		return err_set(err, -EBUSY, "a hub runs in '%s': stop it first", a->data);
	if (!fstat(data, &st) && !fstat(parent, &above) && st.st_dev != above.st_dev)
		return err_set(err, -EXDEV,
		               "'%s' is where a disk is mounted: name a folder below it, as in --data '%s/hub'",
		               a->data, a->data);
	return any ? err_set(err, -ENOTEMPTY, "'%s' is not empty: move it aside first, as in: mv '%s' '%s.old'",
	                     a->data, a->data, a->data)
	           : 0;
}

/* Beside the place it will have, hidden until it is complete. */
static int fill(int parent, const char *name, int from, const struct manifest *m, const struct admin *a,
                struct err *err)
{
	char part[PATH_MAX + 32];
	struct stat was;
	sigset_t stop;
	bool root = geteuid() == 0;
	uid_t uid = root ? a->uid : (uid_t)-1;
	struct files_work w = { .note = "restoring", .total = m->bytes, .stop = &stop };
	sigemptyset(&stop);
	for (size_t i = 0; i < ARRAY_LEN(stoppers); i++)
		sigaddset(&stop, stoppers[i]);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	snprintf(part, sizeof(part), ".%s.restore-%08x", name, randombytes_random());
	CLEANUP(files_close)
	int to = mkdirat(parent, part, 0700) ? -1
	                                     : openat(parent, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return err_set(err, -errno, "make a folder beside '%s': %m", a->data);
	progress_begin(&w.bar, STDERR_FILENO, &clock_system);
	int code = files_copy(from, to, m, uid, a->gid, &w, err);
	progress_clear(&w.bar);
	/* a manifest names no folders: these two may be empty, and are looked for */
	if (!code)
		code = files_folder(to, HUB_STORE "/events/journal", uid, a->gid, err);
	if (!code)
		code = files_folder(to, HUB_STORE "/events/days", uid, a->gid, err);
	/* an empty folder that it takes the place of keeps its owner */
	if (!code && root && a->exists && !stat(a->data, &was) && fchown(to, was.st_uid, was.st_gid))
		code = err_set(err, -errno, "give '%s' to its owner: %m", a->data);
	if (!code && (fchmod(to, 0755) || fsync(to)))
		code = err_set(err, -errno, "make '%s': %m", a->data);
	/* only an empty folder gives way */
	if (!code && renameat(parent, part, parent, name))
		code = err_set(err, -errno, "put it in place of '%s': %m", a->data);
	if (code)
		files_remove(parent, part);
	else if (fsync(parent))
		code = err_set(err, -errno, "write the folder of '%s' to the disk: %m", a->data);
	return code;
}

static int restore(const struct args *args, struct err *err)
{
	CLEANUP(manifest_done) struct manifest m = { 0 };
	const char *given = args->words.at[0];
	struct admin a;
	umask(077);
	int code = admin_find(&a, args->data, err);
	if (code)
		return code;
	CLEANUP(files_close) int from = open(given, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	code = from < 0 ? err_set(err, -errno, "open the backup '%s': %m", given) : read_manifest(from, given, &m, err);
	if (!code)
		code = admin_make_parents(&a, err);
	if (code)
		return code;
	char above[sizeof(a.data)];
	const char *slash = strrchr(a.data, '/'), *name = slash ? slash + 1 : a.data;
	size_t n = slash && slash > a.data ? (size_t)(slash - a.data) : 1;
	memcpy(above, slash ? a.data : ".", n);
	above[n] = '\0';
	CLEANUP(files_close) int parent = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0 || strlen(name) > NAME_MAX)
		return err_set(err, parent < 0 ? -errno : -ENAMETOOLONG, "open '%s': %m", above);
	code = check_target(&a, parent, err);
	if (!code)
		code = check_room(parent, m.bytes, above, err);
	if (!code)
		code = fill(parent, name, from, &m, &a, err);
	if (!code)
		printf("restored '%s' to '%s': made %s by khien %s, %zu files, %.1f MB\n", given, a.data, m.made,
		       m.version, m.n, megabytes(m.bytes));
	return code;
}

/* --- both --- */

static int job(const struct opt_spec *spec, const char *name, const char *word, struct args *a, int argc, char **argv,
               int (*run)(const struct args *a, struct err *err))
{
	struct err err = { 0 };
	int status = opt_parse(spec, argc, argv, &a->words);
	if (status < 0 && a->words.n != 1) {
		err_set(&err, -EINVAL, "%s is wanted: khien hub %s %s", word, name, spec->synopsis[0]);
		status = admin_complain(name, &err);
	} else if (status < 0 && sodium_init() < 0) {
		err_set(&err, -EIO, "libsodium does not start");
		status = admin_complain(name, &err);
	} else if (status < 0) {
		status = run(a, &err) ? admin_complain(name, &err) : EXIT_NOTHING;
	}
	opt_list_done(&a->words);
	return status;
}

int hub_backup(int argc, char **argv)
{
	struct args a = { 0 };
	const struct opt opts[] = { { "data", 'd', OPT_TEXT, "DIR", ADMIN_DATA_HELP, &a.data, 0, 0, NULL } };
	const struct opt_spec spec = {
		.command = "hub backup",
		.synopsis = (const char *const[]){ "[OPTION]... TO", NULL },
		.what = "Copies the hub's state, events and CA to the folder TO, which is made or is empty. Works "
		        "while the\n"
		        "hub runs. A file 'manifest', written last, says what belongs to it; b2sum -c manifest checks "
		        "it.\n"
		        "It holds the CA's key and what the logs say: keep it as safe as the hub.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 all is copied and on the disk, 2 it is not.\n\n"
		        "Example: khien hub backup /mnt/backup/hub-2026-11-22",
	};
	return job(&spec, "backup", "a folder", &a, argc, argv, backup);
}

int hub_restore(int argc, char **argv)
{
	struct args a = { 0 };
	const struct opt opts[] = { { "data", 'd', OPT_TEXT, "DIR", ADMIN_DATA_HELP, &a.data, 0, 0, NULL } };
	const struct opt_spec spec = {
		.command = "hub restore",
		.synopsis = (const char *const[]){ "[OPTION]... FROM", NULL },
		.what = "Puts a backup in place of a hub's folder that is not there or empty. Every file is held "
		        "against the\n"
		        "manifest first; unless all is as it was, nothing is changed. No hub may run there.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 all is back, 2 it is not.\n\n"
		        "Example: khien hub restore /mnt/backup/hub-2026-11-22",
	};
	return job(&spec, "restore", "a backup's folder", &a, argc, argv, restore);
}
