/* Between db.c, which keeps order, and the two databases under it. */
#ifndef KHIEN_KIOSK_DB_INSIDE_H
#define KHIEN_KIOSK_DB_INSIDE_H

#include "base/buf.h"
#include "kiosk/db.h"

enum { DB_STATEMENTS = 1024 }; /* room for; a power of two; at most three quarters are used */

struct db_statement {
	const char *sql; /* the literal: its address is the key */
	char *copy;      /* what stood there */
	unsigned number;
	enum db_type types[DB_PARAMS]; /* of the first value that wasn't NULL */
	void *prepared;                /* the database's own; NULL: not yet */
	bool sets;                     /* it may write settings */
};

/* Where an answer goes, and what came of it. */
struct db_sink {
	db_row_fn *fn; /* NULL: none is wanted */
	void *arg;
	int64_t rows, changed;
	int stopped; /* what fn returned */
};

struct db_engine {
	enum db_kind kind;
	struct str scheme;
	const char *begin;      /* one who writes at a time, and -EAGAIN when that takes too long */
	const char *begin_read; /* see db_begin_read(); it reads something, for that is the moment */
	int (*open)(struct db *db, const char *uri, struct err *err);
	void (*close)(struct db *db); /* after every statement was forgotten; whatever open() had made */
	/* Statements without an answer, ";" between. */
	int (*script)(struct db *db, const char *sql, struct err *err);
	int (*run)(struct db *db, struct db_statement *st, const struct db_value *values, size_t n,
	           struct db_sink *sink, struct err *err);
	void (*forget)(struct db *db, struct db_statement *st);
	int64_t (*number)(const struct db_row *row, int column);
	struct str (*text)(const struct db_row *row, int column);
	struct str (*bytes)(const struct db_row *row, int column);
	bool (*is_null)(const struct db_row *row, int column);
};
extern const struct db_engine db_sqlite, db_postgresql;

struct db {
	const struct db_engine *engine;
	void *at;       /* sqlite3, PGconn */
	bool in, saved; /* a transaction, a savepoint */
	bool kept;      /* one that has done its duty, and is still to be released */
	bool reading;   /* a row is being looked at */
	int failed;     /* -errno of what spoiled the transaction */
	struct buf memo;
	struct db_statement *statements[DB_STATEMENTS];
	unsigned n_statements, named; /* ..., ever */
};

struct db_row {
	const struct db_engine *engine;
	void *answer; /* sqlite3_stmt, PGresult */
	int at;
};

static inline void db_forget(struct db *db)
{
	db->memo.n = 0;
	db->memo.failed = false;
}

/* What an error calls it: a long one leaves no room for the reason. */
static inline const char *db_script_name(const char *sql)
{
	return strlen(sql) > 100 ? "script" : sql;
}

#endif
