/* khien kiosk backup and restore: a copy of the whole database as JSON lines, of one moment, out of and into either engine. */
#include "cmd/cmd.h"
#include "cmd/jobs.h"
#include "cmd/kiosk.h"
#include "cmd/term.h"
#include "kiosk/desk.h"
#include "kiosk/snapshot.h"
#include "os/become.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKUP = 1, RESTORE = 2, PIECE = 256 << 10 };

struct args {
	const char *config, *data;
};

static const struct job described[] = {
	{ "backup", BACKUP, "[OPTION]... >FILE",
	  "Writes all that the database has to standard output, as it is at one moment, while the kiosk runs. Names "
	  "and\n"
	  "phone numbers stay sealed: without the key file, which is not in it, they can't be read. The rest can: use\n"
	  "(umask 077; khien kiosk backup >FILE).",
	  "Exit status: 0 written, 2 not." },
	{ "restore", RESTORE, "[OPTION]... <FILE",
	  "Reads a backup from standard input; what the database had before is gone. The kiosk must not run, and has "
	  "to\n"
	  "have the key file that the backup was made with.",
	  "Exit status: 0 restored, 2 not: then all is as it was." },
};

static const struct jobs jobs = {
	.command = "kiosk",
	.what = "Jobs of a kiosk.",
	.first = "write backup or restore first, as in: khien kiosk backup >kiosk.backup",
	.at = described,
	.n = ARRAY_LEN(described),
};

static int backup(const char *uri, struct err *err)
{
	struct snapshot *s;
	CLEANUP(buf_free) struct buf piece = { 0 };
	int more = term_is_tty(STDOUT_FILENO) ? err_set(err, -EINVAL, "write it to a file: khien kiosk backup >FILE")
	                                      : snapshot_begin(&s, uri, err);
	if (more)
		return more;
	for (more = 1; more > 0;) {
		piece.n = 0;
		more = snapshot_read(s, PIECE, &piece, err);
		const int code = more < 0 ? 0 : term_write(STDOUT_FILENO, buf_str(&piece));
		more = code ? err_set(err, code, "write to standard output: %m") : more;
	}
	snapshot_end(s);
	if (!more && fsync(STDOUT_FILENO) && errno != EINVAL && errno != EROFS)
		more = err_set(err, -errno, "write to standard output: %m");
	return more;
}

/* The tables are there, and are of this key. */
static int prepare(const char *uri, const char *key_file, struct err *err)
{
	struct db *db = NULL;
	struct seal *seal = NULL;
	struct desk *desk = NULL;
	int code = seal_open(&seal, key_file, false, err);
	if (!code)
		code = db_open(&db, uri, err);
	const struct desk_config config = { .db = db, .seal = seal, .clock = &clock_system };
	if (!code)
		code = desk_new(&desk, &config, err);
	desk_free(desk);
	db_close(db);
	seal_close(seal);
	return code;
}

static int restore(const char *uri, struct err *err)
{
	char piece[64 << 10];
	struct snapshot_load *l;
	ssize_t n = 1;
	int code = snapshot_load_begin(&l, uri, err);
	if (code)
		return code;
	while (!code && n > 0) {
		n = read(STDIN_FILENO, piece, sizeof(piece));
		code = n < 0 ? err_set(err, -errno, "read standard input: %m")
		             : snapshot_load_take(l, (struct str){ piece, (size_t)n }, err);
	}
	const int ended = snapshot_load_end(l, !code, code ? NULL : err);
	return code ? code : ended;
}

/* As whom the database belongs to, so that nothing in it comes to belong to root. */
static int become_owner(const char *data, struct err *err)
{
	char path[4200];
	struct stat st;
	snprintf(path, sizeof(path), "%s/store", data);
	if (stat(path, &st))
		return err_set(err, -errno, "there is no kiosk in '%s': %m", data);
	return geteuid() || !st.st_uid ? 0 : become_user(st.st_uid, st.st_gid, err);
}

/* Held until this process ends. */
static int lock(const char *data, struct err *err)
{
	char path[4200];
	snprintf(path, sizeof(path), "%s/lock", data);
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, -errno, "open '%s': %m", path);
	return flock(fd, LOCK_EX | LOCK_NB) ? err_set(err, -EBUSY, "a kiosk runs on '%s': end it first", data) : 0;
}

static int work(const struct job *job, const struct config_kiosk *c, const char *data, struct err *err)
{
	char uri[4200], key_file[4200];
	snprintf(uri, sizeof(uri), data ? "sqlite:%s/store/kiosk.db" : "%s", data ? data : c->database);
	snprintf(key_file, sizeof(key_file), data ? "%s/key" : "%s", data ? data : c->key_file);
	data = data ? data : c->data;
	int code = 0;
	if (job->bit == RESTORE)
		code = lock(data, err);
	if (!code)
		code = become_owner(data, err);
	if (!code && job->bit == RESTORE)
		code = prepare(uri, key_file, err);
	if (code)
		return code;
	return job->bit == BACKUP ? backup(uri, err) : restore(uri, err);
}

int kiosk_backup(int argc, char **argv)
{
	struct args a = { 0 };
	struct config c = { 0 };
	struct err err = { 0 };
	CLEANUP(buf_free) struct buf problems = { 0 };
	const struct job_opt opts[] = {
		{ BACKUP | RESTORE,
		  { "config", 'c', OPT_TEXT, "FILE", "khien.yaml (default: /etc/khien/khien.yaml where it is)",
		    &a.config, 0, 0, NULL } },
		{ BACKUP | RESTORE,
		  { "data", 'd', OPT_TEXT, "DIR", "the kiosk's folder (default: as khien.yaml says)", &a.data, 0, 0,
		    NULL } },
	};
	const struct job *job = jobs_find(&jobs, argc, argv);
	if (!job)
		return -1;
	int status = jobs_parse(&jobs, job, opts, ARRAY_LEN(opts), argc, argv, NULL);
	if (status >= 0)
		return status;
	int code = config_read(&c, a.config, &problems);
	term_write(STDERR_FILENO, buf_str(&problems));
	if (code)
		return EXIT_TROUBLE;
	code = work(job, &c.kiosk, a.data, &err);
	config_done(&c);
	return code ? kiosk_complain(job->name, &err) : EXIT_NOTHING;
}
