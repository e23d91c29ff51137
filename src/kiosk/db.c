#include "kiosk/db.h"

#include "base/utf8.h"
#include "kiosk/db_inside.h"

#include <errno.h>
#include <stdlib.h>

int db_open(struct db **ret, const char *uri, struct err *err)
{
	static const struct db_engine *const engines[] = { &db_sqlite, &db_postgresql };
	for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
		if (!str_starts(str_from(uri), engines[i]->scheme))
			continue;
		struct db *db = calloc(1, sizeof(*db));
		if (!db)
			return err_set(err, -ENOMEM, "open the database: %m");
		db->engine = engines[i];
		int code = db->engine->open(db, uri, err);
		if (code)
			db_close(db);
		else
			*ret = db;
		return code;
	}
	return err_set(err, -EINVAL, "a database is sqlite:PATH or postgresql://USER@/NAME?host=FOLDER");
}

static void forget_all(struct db *db)
{
	for (size_t i = 0; i < DB_STATEMENTS; i++) {
		struct db_statement *st = db->statements[i];
		if (!st)
			continue;
		db->engine->forget(db, st);
		free(st->copy);
		free(st);
		db->statements[i] = NULL;
	}
	db->n_statements = 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	db_rollback(db);
	forget_all(db);
	db->engine->close(db);
	buf_free(&db->memo);
	free(db);
}

enum db_kind db_kind(const struct db *db)
{
	return db->engine->kind;
}

/* --- statements --- */

static int statement_of(struct db *db, const char *sql, struct db_statement **ret, struct err *err)
{
	size_t at = (size_t)(((uint64_t)(uintptr_t)sql * 0x9e3779b97f4a7c15u) >> 40) % DB_STATEMENTS;
	for (; db->statements[at]; at = (at + 1) % DB_STATEMENTS) {
		*ret = db->statements[at];
		if ((*ret)->sql != sql)
			continue;
		return strcmp((*ret)->copy, sql) == 0 ? 0
		                                      : err_set(err, -EINVAL, "no literal, its text changed: %s", sql);
	}
	if (db->n_statements >= DB_STATEMENTS * 3 / 4)
		return err_set(err, -E2BIG, "more than %u different statements", db->n_statements);
	struct db_statement *st = calloc(1, sizeof(*st));
	if (!st || !(st->copy = strdup(sql))) {
		free(st);
		return err_set(err, -ENOMEM, "prepare a statement: %m");
	}
	st->sql = sql;
	st->sets = !str_starts(str_from(sql), STR("SELECT")) && strstr(sql, "setting");
	st->number = ++db->named;
	db->n_statements++;
	*ret = db->statements[at] = st;
	return 0;
}

/* What one database would take and the other wouldn't, neither does. */
static int check(struct db_statement *st, const struct db_value *values, size_t n, struct err *err)
{
	if (n > DB_PARAMS)
		return err_set(err, -EINVAL, "%zu parameters: %s", n, st->copy);
	for (size_t i = 0; i < n; i++) {
		enum db_type type = values[i].type;
		struct str s = values[i].s;
		if (type == DB_NULL)
			continue;
		if (st->types[i] && st->types[i] != type)
			return err_set(err, -EINVAL, "$%zu was of another type before: %s", i + 1, st->copy);
		if (type == DB_TEXT && (str_find(s, '\0') < s.n || !utf8_valid(s)))
			return err_set(err, -EINVAL, "$%zu is no text in UTF-8: %s", i + 1, st->copy);
		st->types[i] = type;
	}
	return 0;
}

/* The connection is gone, and with it the transaction: a new one may begin. */
static bool lost(const struct db *db)
{
	return db->in && db->failed == -ENOTCONN;
}

/* After an error PostgreSQL does nothing more until the savepoint; neither does SQLite here. */
static int usable(struct db *db, const char *sql, struct err *err)
{
	if (db->reading)
		return err_set(err, -EINVAL, "within the answer of another: %s", sql);
	if (!db->in || !db->failed)
		return 0;
	return err_set(err, lost(db) ? -ENOTCONN : -EIO, "something failed before in this transaction: %s", sql);
}

static int done(struct db *db, int code)
{
	if (code && db->in)
		db->failed = code;
	return code;
}

static int perform(struct db *db, const char *sql, const struct db_value *values, size_t n, struct db_sink *sink,
                   struct err *err)
{
	struct db_statement *st = NULL;
	int code = usable(db, sql, err);
	if (!code)
		code = statement_of(db, sql, &st, err);
	if (!code)
		code = check(st, values, n, err);
	if (code)
		return code;
	if (st->sets)
		db_forget(db);
	db->reading = true;
	code = db->engine->run(db, st, values, n, sink, err);
	db->reading = false;
	return done(db, code);
}

int64_t db_run(struct db *db, const char *sql, const struct db_value *values, size_t n, struct err *err)
{
	struct db_sink sink = { 0 };
	int code = perform(db, sql, values, n, &sink, err);
	return code ? code : sink.changed;
}

int64_t db_query(struct db *db, const char *sql, const struct db_value *values, size_t n, db_row_fn *fn, void *arg,
                 struct err *err)
{
	struct db_sink sink = { .fn = fn, .arg = arg };
	int code = perform(db, sql, values, n, &sink, err);
	if (code || sink.stopped)
		return code ? code : sink.stopped;
	return sink.rows;
}

static int first_number(void *arg, const struct db_row *row)
{
	*(int64_t *)arg = db_number(row, 0);
	return 1;
}

int db_ask(struct db *db, const char *sql, const struct db_value *values, size_t n, int64_t *ret, struct err *err)
{
	int64_t number, code = db_query(db, sql, values, n, first_number, &number, err);
	if (code == 0)
		return err_set(err, -ENOENT, "no such row: %s", sql);
	if (code > 0)
		*ret = number;
	return code < 0 ? (int)code : 0;
}

int64_t db_number(const struct db_row *row, int column)
{
	return row->engine->number(row, column);
}

struct str db_text(const struct db_row *row, int column)
{
	return row->engine->text(row, column);
}

struct str db_bytes(const struct db_row *row, int column)
{
	return row->engine->bytes(row, column);
}

bool db_is_null(const struct db_row *row, int column)
{
	return row->engine->is_null(row, column);
}

int db_memo(struct db *db, struct buf **ret, struct err *err)
{
	int code = usable(db, "what is kept", err);
	if (!code)
		*ret = &db->memo;
	return code;
}

/* --- transactions --- */

static int control(struct db *db, const char *sql, struct err *err)
{
	return done(db, db->engine->script(db, sql, err));
}

int db_script(struct db *db, const char *sql, struct err *err)
{
	bool own = !db->in;
	int code = usable(db, "a script", err);
	if (!code && own)
		code = db_begin(db, err);
	if (code)
		return code;
	forget_all(db); /* they may be of tables that change */
	db_forget(db);
	code = control(db, sql, err);
	if (!own)
		return code;
	if (!code)
		return db_commit(db, err);
	db_rollback(db);
	return code;
}

static int begin(struct db *db, const char *sql, struct err *err)
{
	if (lost(db))
		db_rollback(db);
	if (db->in || db->reading)
		return err_set(err, -EINVAL, "a transaction within another");
	int code = db->engine->script(db, sql, err);
	if (code) {
		db->in = true; /* it may have begun */
		db_rollback(db);
		return code;
	}
	db->in = true;
	db_forget(db);
	return 0;
}

int db_begin(struct db *db, struct err *err)
{
	return begin(db, db->engine->begin, err);
}

int db_begin_read(struct db *db, struct err *err)
{
	return begin(db, db->engine->begin_read, err);
}

int db_commit(struct db *db, struct err *err)
{
	if (!db->in)
		return err_set(err, -EINVAL, "no transaction to commit");
	int code = usable(db, "COMMIT", err);
	if (!code)
		code = control(db, "COMMIT", err);
	if (code) {
		db_rollback(db);
		return code;
	}
	db->in = db->saved = db->kept = false;
	return 0;
}

void db_rollback(struct db *db)
{
	if (db->in && !lost(db))
		db->engine->script(db, "ROLLBACK", NULL);
	db->in = db->saved = db->kept = false;
	db->failed = 0;
	db_forget(db);
}

int db_savepoint(struct db *db, struct err *err)
{
	if (!db->in || db->saved)
		return err_set(err, -EINVAL, "no place for a savepoint");
	int code = usable(db, "SAVEPOINT", err);
	if (!code)
		code = control(db, db->kept ? "RELEASE SAVEPOINT s; SAVEPOINT s" : "SAVEPOINT s", err);
	db->saved = code == 0;
	db->kept = false;
	return code;
}

int db_keep(struct db *db, struct err *err)
{
	if (!db->saved)
		return err_set(err, -EINVAL, "no savepoint to keep");
	int code = usable(db, "RELEASE", err);
	if (code)
		return code; /* db_undo() is still to come */
	db->saved = false;
	db->kept = true; /* released with the next one, or by COMMIT: one way to the server and back is saved */
	return 0;
}

int db_undo(struct db *db, struct err *err)
{
	if (!db->saved || db->reading)
		return err_set(err, -EINVAL, "no savepoint to go back to");
	db->saved = false;
	if (lost(db))
		return usable(db, "ROLLBACK TO SAVEPOINT", err);
	db->failed = 0;
	db_forget(db);
	return control(db, "ROLLBACK TO SAVEPOINT s; RELEASE SAVEPOINT s", err);
}
