/*
 * Small help over SQLite: opening with khien's settings, statements, and errors as everywhere else: 0 or -errno, and
 * words with the file's path in them.
 *
 * SQLite's codes become: CORRUPT, NOTADB -EBADMSG; FULL -ENOSPC; READONLY -EROFS; BUSY, LOCKED -EBUSY; CONSTRAINT
 * -EEXIST; NOMEM -ENOMEM; others what the system said, or -EIO.
 */
#ifndef KHIEN_STORE_SQLITE_H
#define KHIEN_STORE_SQLITE_H

#include "base/err.h"
#include "base/str.h"

#include <sqlite3.h>

enum sqlite_access {
	SQLITE_READS,  /* -ENOENT: there is none */
	SQLITE_WRITES, /* the same */
	SQLITE_MAKES,  /* made where there is none, for its owner only */
};

struct sqlite_options {
	enum sqlite_access access;
	int page_size; /* bytes, of a new file; 0: SQLite's own choice */
	int cache_kb;  /* 0: 2048 */
	int wait_ms;   /* for another process's lock; 0: 5000 */
	bool vacuums;  /* a new file can give pages back: PRAGMA incremental_vacuum */
};

/*
 * WAL, synchronous FULL (a commit is on the disk when it returns), no mmap, no functions or triggers of a schema that
 * was tampered with (trusted_schema off, cell sizes checked, defensive). Read-only also where the folder can't be
 * written to.
 */
int sqlite_open(sqlite3 **ret, const char *path, const struct sqlite_options *options, struct err *err);
/* What was in the WAL goes into the file, where nobody else has it open. NULL is nothing. */
void sqlite_close(sqlite3 *db);

/* The last error of db as -errno and words: "PATH: DOING: reason". */
int sqlite_error(sqlite3 *db, const char *doing, struct err *err);

/* Statements without a result. */
int sqlite_run(sqlite3 *db, const char *sql, struct err *err);
/* Kept for reuse; the caller finalizes it. */
int sqlite_prepare(sqlite3 *db, sqlite3_stmt **ret, const char *sql, struct err *err);
/* 1: a row stands in st; 0: done; -errno. Unless it returns 1, st is reset and its parameters are gone. */
int sqlite_step(sqlite3_stmt *st, struct err *err);
/* The first column of the first row as a number; `none` where there is no row, or NULL. */
int sqlite_number(sqlite3 *db, const char *sql, int64_t none, int64_t *ret, struct err *err);

/* Borrowed for the next step. */
static inline void sqlite_bind_text(sqlite3_stmt *st, int at, struct str text)
{
	sqlite3_bind_text64(st, at, text.p ? text.p : "", text.n, SQLITE_STATIC, SQLITE_UTF8);
}

static inline void sqlite_bind_blob(sqlite3_stmt *st, int at, struct str bytes)
{
	sqlite3_bind_blob64(st, at, bytes.p ? bytes.p : "", bytes.n, SQLITE_STATIC);
}

/* Borrowed until the next step. NULL is empty. */
static inline struct str sqlite_text(sqlite3_stmt *st, int column)
{
	const char *p = (const char *)sqlite3_column_text(st, column);
	return (struct str){ p ? p : "", p ? (size_t)sqlite3_column_bytes(st, column) : 0 };
}

static inline struct str sqlite_blob(sqlite3_stmt *st, int column)
{
	const char *p = sqlite3_column_blob(st, column);
	return (struct str){ p ? p : "", p ? (size_t)sqlite3_column_bytes(st, column) : 0 };
}

#endif
