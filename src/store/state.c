#include "store/state_db.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Up to this size a file is checked as a whole when it is opened, some 10 ms; beyond, all but the alerts is. */
enum { CHECK_WHOLE = 8 << 20 };

int state_told(const struct state *s, int code, struct err *err)
{
	struct err why;
	if (code >= 0 || !err)
		return code;
	why = *err;
	switch (code) {
	case -EBADMSG:
		return err_set(
		        err, code,
		        "%s/state.db is damaged: %.200s. The hub, started anew, keeps what can be read of it; the "
		        "rest is in a backup: khien hub restore",
		        s->dir, why.text);
	case -EBUSY: return err_set(err, code, "%s/state.db is in use by another khien: try again in a moment", s->dir);
	case -ENOSPC: return err_set(err, code, "%s/state.db: the disk is full: nothing was changed", s->dir);
	default: return code;
	}
}

/* Rows are few but for the alerts. */
static int check(struct state *s, struct err *err)
{
	static const char *const whole[] = { "PRAGMA quick_check(1)", NULL };
	static const char *const parts[] = { "PRAGMA quick_check(token)",  "PRAGMA quick_check(setting)",
		                             "PRAGMA quick_check(post)",   "PRAGMA quick_check(enrolment)",
		                             "PRAGMA quick_check(orders)", "PRAGMA quick_check(order_change)",
		                             "PRAGMA quick_check(hunt)",   NULL };
	int64_t pages;
	int code = sqlite_number(s->db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", 0,
	                         &pages, err);
	for (const char *const *sql = pages > CHECK_WHOLE ? parts : whole; !code && *sql; sql++) {
		sqlite3_stmt *st;
		code = sqlite_prepare(s->db, &st, *sql, err);
		if (code)
			break;
		code = sqlite_step(st, err);
		if (code == 1)
			code = str_eq(sqlite_text(st, 0), STR("ok"))
			               ? 0
			               : err_set(err, -EBADMSG, STR_FMT, STR_ARG(sqlite_text(st, 0)));
		sqlite3_finalize(st);
	}
	return code;
}

/* Where two make the file WAL at once, SQLite lets one of them fail without waiting. */
static int open_waiting(sqlite3 **ret, const char *path, const struct state_config *config, struct err *err)
{
	const struct sqlite_options options = {
		.access = config->read_only ? SQLITE_READS : SQLITE_MAKES,
		.wait_ms = config->wait_ms,
	};
	int64_t start = clock_monotonic(&clock_system);
	for (;;) {
		int code = sqlite_open(ret, path, &options, err);
		if (code != -EBUSY || clock_monotonic(&clock_system) - start > 5 * CLOCK_S)
			return code;
		usleep(10 * CLOCK_MS);
	}
}

int state_open(struct state **ret, const struct state_config *config, int *migrated_from, struct err *err)
{
	char path[PATH_MAX];
	int from = 0;
	if (sodium_init() < 0)
		return err_set(err, -EIO, "libsodium does not start");
	if (snprintf(path, sizeof(path), "%s/state.db", config->dir) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "%s: %m", config->dir);
	struct state *s = calloc(1, sizeof(*s));
	if (!s || !(s->dir = strdup(config->dir))) {
		free(s);
		return err_set(err, -ENOMEM, "%m");
	}
	s->clock = config->clock;
	s->read_only = config->read_only;
	int code = open_waiting(&s->db, path, config, err);
	if (!code)
		code = sqlite_run(s->db, "PRAGMA foreign_keys=ON", err);
	if (!code)
		code = state_migrate(s, &from, err);
	if (!code)
		code = check(s, err);
	if (code) {
		state_told(s, code, err);
		state_close(s);
		return code;
	}
	if (migrated_from)
		*migrated_from = from;
	*ret = s;
	return 0;
}

void state_close(struct state *s)
{
	if (!s)
		return;
	sqlite3_finalize(s->add_alert);
	sqlite3_finalize(s->data_version);
	sqlite_close(s->db);
	free(s->dir);
	free(s);
}

/* SQLite tells what others changed by data_version, what this connection changed by total_changes. */
uint64_t state_version(struct state *s)
{
	int64_t changes = sqlite3_total_changes64(s->db), version = s->seen_version;
	if (!s->data_version && sqlite_prepare(s->db, &s->data_version, "PRAGMA data_version", NULL))
		return s->version;
	if (sqlite_step(s->data_version, NULL) == 1)
		version = sqlite3_column_int64(s->data_version, 0);
	sqlite3_reset(s->data_version);
	if (version != s->seen_version || changes != s->seen_changes)
		s->version++;
	s->seen_version = version;
	s->seen_changes = changes;
	return s->version;
}

int state_begin(struct state *s, struct err *err)
{
	return state_told(s, sqlite_run(s->db, "BEGIN IMMEDIATE", err), err);
}

int state_commit(struct state *s, struct err *err)
{
	/* what SQLite gave up on its own (a full disk, a fault of it) can't be kept in part */
	if (sqlite3_get_autocommit(s->db))
		return err_set(err, -ECANCELED, "%s/state.db: the changes were given up after an error", s->dir);
	int code = sqlite_run(s->db, "COMMIT", err);
	if (code && !sqlite3_get_autocommit(s->db))
		sqlite_run(s->db, "ROLLBACK", NULL);
	return state_told(s, code, err);
}

int state_set(struct state *s, const char *name, struct str value, struct err *err)
{
	static const char sql[] = "INSERT INTO setting (name, value) VALUES (?1, ?2)"
	                          " ON CONFLICT (name) DO UPDATE SET value = excluded.value";
	sqlite3_stmt *st;
	if (!*name || strlen(name) > STATE_NAME || value.n > STATE_VALUE)
		return err_set(err, -E2BIG, "a setting's name has 1 to %d bytes, its value up to %d", STATE_NAME,
		               STATE_VALUE);
	int code = sqlite_prepare(s->db, &st, sql, err);
	if (!code) {
		sqlite_bind_text(st, 1, str_from(name));
		sqlite_bind_blob(st, 2, value);
		code = sqlite_step(st, err);
		sqlite3_finalize(st);
	}
	return state_told(s, code, err);
}

int state_get(struct state *s, const char *name, struct buf *out, struct err *err)
{
	sqlite3_stmt *st;
	int code = sqlite_prepare(s->db, &st, "SELECT value FROM setting WHERE name = ?1", err);
	if (code)
		return state_told(s, code, err);
	sqlite_bind_text(st, 1, str_from(name));
	code = sqlite_step(st, err);
	if (!code)
		code = err_set(err, -ENOENT, "the setting '%s' is not set", name);
	if (code == 1) {
		buf_add(out, sqlite_blob(st, 0));
		code = out->failed ? err_set(err, -ENOMEM, "%m") : 0;
	}
	sqlite3_finalize(st);
	return state_told(s, code, err);
}

static int sync_path(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
	int code = fd < 0 || fsync(fd) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return code;
}

/* SQLite would make the file for all that the umask lets in; an empty one that is there it takes. */
static int vacuum_into(sqlite3 *db, const char *path, struct err *err)
{
	sqlite3_stmt *st;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(err, -errno, "write '%s': %m", path);
	close(fd);
	int code = sqlite_prepare(db, &st, "VACUUM INTO ?1", err);
	if (!code) {
		sqlite_bind_text(st, 1, str_from(path));
		code = sqlite_step(st, err);
		sqlite3_finalize(st);
	}
	if (!code && (code = sync_path(path, 0)))
		err_set(err, code, "write '%s' to the disk: %m", path);
	return code;
}

int state_copy(const struct state *s, const char *dir, const char *name, struct err *err)
{
	char from[PATH_MAX], part[PATH_MAX], to[PATH_MAX];
	sqlite3 *db;
	snprintf(from, sizeof(from), "%s/state.db", s->dir);
	if (snprintf(part, sizeof(part), "%s/%s.part", dir, name) >= (int)sizeof(part))
		return err_set(err, -ENAMETOOLONG, "%s: %m", dir);
	snprintf(to, sizeof(to), "%s/%s", dir, name);
	/* A connection of its own sees what is committed, whatever this one is about to do. */
	int code = sqlite_open(&db, from, &(struct sqlite_options){ .access = SQLITE_READS }, err);
	if (code)
		return code;
	unlink(part); /* of a run that was cut off */
	code = vacuum_into(db, part, err);
	sqlite_close(db);
	if (!code && (rename(part, to) || sync_path(dir, O_DIRECTORY)))
		code = err_set(err, -errno, "write '%s': %m", to);
	if (code)
		unlink(part);
	return code;
}

int state_backup(struct state *s, const char *to_dir, struct err *err)
{
	return state_told(s, state_copy(s, to_dir, "state.db", err), err);
}
