/*
 * The kiosk's database: SQLite or PostgreSQL behind the same few calls, so that the same statements and the same tests
 * run over both.
 *
 *   sqlite:/var/lib/khien/kiosk/kiosk.db       WAL, synchronous FULL: a commit is on the disk when it returns
 *   postgresql://user@/kiosk?host=/run/...     libpq's URI; a password comes from the environment or ~/.pgpass, never from here
 *
 * Statements are string literals in what both understand; parameters are $1, $2, ... (at most DB_PARAMS), each first named
 * in this order. They are prepared once, by the literal's address. Whole numbers are BIGINT, texts TEXT, bytes BLOB (which is
 * BYTEA in PostgreSQL: db_script() sees to it). One thread, one transaction at a time.
 *
 * Errors: -EEXIST: a constraint says no (unique, foreign key, check): within a savepoint the transaction goes on after
 * db_undo(); -EAGAIN: another one holds the lock too long; -ENOTCONN: PostgreSQL is away: the transaction is gone, and the
 * next db_begin() connects anew; -ENOSPC, -EROFS, -EBADMSG as in store/sqlite.h; -EIO: anything else. After an error in a
 * transaction nothing more is done in it (-EIO) until db_undo(), or it is rolled back. -EINVAL, of either database: a parameter
 * that is of another type than before (NULL apart), or a text that isn't UTF-8 or has a NUL in it. Errors hold no values.
 */
#ifndef KHIEN_KIOSK_DB_H
#define KHIEN_KIOSK_DB_H

#include "base/err.h"
#include "base/str.h"

enum { DB_PARAMS = 24 };

struct db;
enum db_kind { DB_SQLITE, DB_POSTGRESQL };

/* A database that isn't there is made (SQLite); its schema isn't. */
int db_open(struct db **ret, const char *uri, struct err *err);
void db_close(struct db *db);
enum db_kind db_kind(const struct db *db);

enum db_type { DB_NULL, DB_NUMBER, DB_TEXT, DB_BYTES };
struct db_value {
	enum db_type type;
	int64_t n;
	struct str s; /* borrowed for the call */
};
#define DB_N(value) ((struct db_value){ .type = DB_NUMBER, .n = (value) })
#define DB_T(value) ((struct db_value){ .type = DB_TEXT, .s = (value) })
#define DB_B(value) ((struct db_value){ .type = DB_BYTES, .s = (value) })
#define DB_ARGS(...)                                                                                                   \
	((const struct db_value[]){ __VA_ARGS__ }),                                                                    \
	        (sizeof((struct db_value[]){ __VA_ARGS__ }) / sizeof(struct db_value))
#define DB_NONE NULL, 0

/* Number of rows that were changed, or -errno. */
int64_t db_run(struct db *db, const char *sql, const struct db_value *values, size_t n, struct err *err);

/* A row of an answer, for the call. Text and bytes are borrowed for it too; NULL is 0 and empty. */
struct db_row;
int64_t db_number(const struct db_row *row, int column);
struct str db_text(const struct db_row *row, int column);
struct str db_bytes(const struct db_row *row, int column);
bool db_is_null(const struct db_row *row, int column);

/* For each row; anything but 0 ends it and is returned. NULL: none is wanted. No other statement may run from within. */
typedef int db_row_fn(void *arg, const struct db_row *row);
/* Number of rows seen, or -errno. */
int64_t db_query(struct db *db, const char *sql, const struct db_value *values, size_t n, db_row_fn *fn, void *arg,
                 struct err *err);
/* The first column of the first row as a number; -ENOENT: there is no row. */
int db_ask(struct db *db, const char *sql, const struct db_value *values, size_t n, int64_t *ret, struct err *err);

/* Statements without parameters or answers, ";" between: a schema. */
int db_script(struct db *db, const char *sql, struct err *err);

/*
 * What one room keeps of the rows beside them, as text (schema.c: the settings, which nearly every call asks for). Borrowed; empty
 * where they have to be read anew: in each transaction, after db_undo(), db_rollback(), db_script() and any statement but a SELECT
 * that has "setting" in it, and on another connection. So within a transaction it is never old; outside of one as old as the last.
 */
struct buf;
int db_memo(struct db *db, struct buf **ret, struct err *err);

int db_begin(struct db *db, struct err *err);
/* For reading alone: everything is as it was at this moment, whatever others write until its end, and they aren't held up. */
int db_begin_read(struct db *db, struct err *err);
/* -ENOTCONN: whether it was committed isn't known. */
int db_commit(struct db *db, struct err *err);
void db_rollback(struct db *db);
/* Within a transaction, one level: db_keep() or db_undo() ends it. */
int db_savepoint(struct db *db, struct err *err);
int db_keep(struct db *db, struct err *err);
int db_undo(struct db *db, struct err *err);

#endif
