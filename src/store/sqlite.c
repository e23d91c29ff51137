#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int code_of(sqlite3 *db, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK: return 0;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return -EBADMSG;
	case SQLITE_FULL: return -ENOSPC;
	case SQLITE_READONLY: return -EROFS;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return -EBUSY;
	case SQLITE_NOMEM: return -ENOMEM;
	case SQLITE_CONSTRAINT: return -EEXIST;
	case SQLITE_TOOBIG: return -E2BIG;
	case SQLITE_INTERRUPT: return -EINTR;
	case SQLITE_PERM:
	case SQLITE_AUTH: return -EACCES;
	default: break;
	}
	/* a file cut short under its pages is damage, not a fault of the disk */
	if (rc == SQLITE_IOERR_SHORT_READ)
		return -EBADMSG;
	int system = db ? sqlite3_system_errno(db) : 0;
	return system > 0 ? -system : -EIO;
}

int sqlite_error(sqlite3 *db, const char *doing, struct err *err)
{
	int rc = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
	int code = code_of(db, rc);
	const char *path = db ? sqlite3_db_filename(db, "main") : NULL;
	const char *why = db ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
	return err_set(err, code ? code : -EIO, "%s: %s: %s", path && *path ? path : "database", doing, why);
}

int sqlite_run(sqlite3 *db, const char *sql, struct err *err)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) ? sqlite_error(db, sql, err) : 0;
}

int sqlite_prepare(sqlite3 *db, sqlite3_stmt **ret, const char *sql, struct err *err)
{
	return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) ? sqlite_error(db, sql, err) : 0;
}

int sqlite_step(sqlite3_stmt *st, struct err *err)
{
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		return 1;
	int code = rc == SQLITE_DONE ? 0 : sqlite_error(sqlite3_db_handle(st), sqlite3_sql(st), err);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return code;
}

int sqlite_number(sqlite3 *db, const char *sql, int64_t none, int64_t *ret, struct err *err)
{
	sqlite3_stmt *st;
	int code = sqlite_prepare(db, &st, sql, err);
	if (code)
		return code;
	code = sqlite_step(st, err);
	if (code >= 0)
		*ret = code && sqlite3_column_type(st, 0) != SQLITE_NULL ? sqlite3_column_int64(st, 0) : none;
	sqlite3_finalize(st);
	return code < 0 ? code : 0;
}

void sqlite_close(sqlite3 *db)
{
	sqlite3_close_v2(db);
}

static int settings(sqlite3 *db, const struct sqlite_options *o, struct err *err)
{
	char sql[256];
	bool reads = o->access == SQLITE_READS;
	sqlite3_extended_result_codes(db, 1);
	sqlite3_busy_timeout(db, o->wait_ms ? o->wait_ms : 5000);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	snprintf(sql, sizeof(sql),
	         "PRAGMA cache_size=-%d; PRAGMA mmap_size=0; PRAGMA cell_size_check=1; "
	         "PRAGMA temp_store=MEMORY",
	         o->cache_kb ? o->cache_kb : 2048);
	int code = sqlite_run(db, sql, err);
	if (code || reads)
		return code;
	snprintf(sql, sizeof(sql), "PRAGMA page_size=%d; PRAGMA auto_vacuum=%s", o->page_size ? o->page_size : 4096,
	         o->vacuums ? "INCREMENTAL" : "NONE");
	code = sqlite_run(db, sql, err); /* of no effect on a file that is there */
	return code ? code : sqlite_run(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", err);
}

/* Its first page is read, so that a file that is none, or can't be read, shows now. */
static int open_with(sqlite3 **ret, const char *name, int flags, const struct sqlite_options *o, struct err *err)
{
	sqlite3 *db = NULL;
	int64_t version;
	int code = sqlite3_open_v2(name, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) ? sqlite_error(db, "open", err) : 0;
	if (!code)
		code = settings(db, o, err);
	if (!code)
		code = sqlite_number(db, "PRAGMA schema_version", 0, &version, err);
	if (code) {
		sqlite3_close_v2(db);
		return code;
	}
	*ret = db;
	return 0;
}

/* A path as a URI: what has a meaning there is written as %XX. */
static bool uri(char *to, size_t size, const char *path)
{
	size_t n = (size_t)snprintf(to, size, "file:");
	for (const char *p = path; *p; p++) {
		bool plain = *p != '%' && *p != '?' && *p != '#';
		if (n + 4 > size)
			return false;
		n += (size_t)snprintf(to + n, size - n, plain ? "%c" : "%%%02x", (unsigned char)*p);
	}
	return n + sizeof("?immutable=1") <= size && snprintf(to + n, size - n, "?immutable=1") > 0;
}

int sqlite_open(sqlite3 **ret, const char *path, const struct sqlite_options *o, struct err *err)
{
	char name[4200], wal[4200];
	if (o->access == SQLITE_MAKES) {
		/* SQLite would make it for all that the umask lets in. An old one isn't opened here: closing it would
		 * drop the locks that this process has on it. */
		int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 && errno != EEXIST)
			return err_set(err, -errno, "make '%s': %m", path);
		if (fd >= 0)
			close(fd);
	} else if (access(path, F_OK)) {
		return err_set(err, -errno, "open '%s': %m", path);
	}
	if (o->access != SQLITE_READS)
		return open_with(ret, path, SQLITE_OPEN_READWRITE, o, err);
	int code = open_with(ret, path, SQLITE_OPEN_READONLY, o, err);
	if (code != -EROFS && code != -EACCES && code != -ENOENT)
		return code;
	/* A folder nobody writes to (an image, a copy on a disk that is read-only): no WAL can be made, nor is there one. */
	snprintf(wal, sizeof(wal), "%s-wal", path);
	if (!access(wal, F_OK) || !uri(name, sizeof(name), path))
		return code;
	return open_with(ret, name, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, o, err);
}
