#include "kiosk/db_inside.h"
#include "store/sqlite.h"

#include <errno.h>
#include <stdio.h>

/* Another process holds the lock: elsewhere -EBUSY. */
static int code_of(int code)
{
	return code == -EBUSY ? -EAGAIN : code;
}

static void close_it(struct db *db)
{
	sqlite_close(db->at);
}

static int open_it(struct db *db, const char *uri, struct err *err)
{
	const struct sqlite_options options = { .access = SQLITE_MAKES, .cache_kb = 16384 };
	sqlite3 *at;
	int code = sqlite_open(&at, uri + db_sqlite.scheme.n, &options, err);
	if (code)
		return code_of(code);
	db->at = at;
	return code_of(sqlite_run(at, "PRAGMA foreign_keys=ON", err));
}

static int script(struct db *db, const char *sql, struct err *err)
{
	/* what ended the transaction by itself, as a full disk may, leaves nothing to roll back */
	if (strcmp(sql, "ROLLBACK") == 0 && sqlite3_get_autocommit(db->at))
		return 0;
	if (sqlite3_exec(db->at, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return code_of(sqlite_error(db->at, db_script_name(sql), err));
}

static int bind(sqlite3_stmt *st, const struct db_value *values, size_t n, struct err *err)
{
	if ((size_t)sqlite3_bind_parameter_count(st) != n)
		return err_set(err, -EINVAL, "%zu values for %d: %s", n, sqlite3_bind_parameter_count(st),
		               sqlite3_sql(st));
	for (int i = 0; i < (int)n; i++) {
		const struct db_value *v = &values[i];
		switch (v->type) {
		case DB_NUMBER: sqlite3_bind_int64(st, i + 1, v->n); break;
		case DB_TEXT: sqlite_bind_text(st, i + 1, v->s); break;
		case DB_BYTES: sqlite_bind_blob(st, i + 1, v->s); break;
		case DB_NULL: sqlite3_bind_null(st, i + 1); break;
		}
	}
	return 0;
}

/* The parameters are $1, $2, ... by name: their places are those of their first mention. */
static int prepare(sqlite3 *at, struct db_statement *st, struct err *err)
{
	sqlite3_stmt *made;
	char name[16] = "$";
	int code = sqlite_prepare(at, &made, st->sql, err);
	if (code)
		return code;
	for (int i = 1; i <= sqlite3_bind_parameter_count(made); i++) {
		snprintf(name + 1, sizeof(name) - 1, "%d", i);
		if (sqlite3_bind_parameter_index(made, name) == i)
			continue;
		sqlite3_finalize(made);
		return err_set(err, -EINVAL, "%s is not the first named after $%d: %s", name, i - 1, st->sql);
	}
	st->prepared = made;
	return 0;
}

static int run(struct db *db, struct db_statement *st, const struct db_value *values, size_t n, struct db_sink *sink,
               struct err *err)
{
	int64_t before = sqlite3_total_changes64(db->at);
	int code = st->prepared ? 0 : prepare(db->at, st, err);
	if (!code)
		code = bind(st->prepared, values, n, err);
	if (code)
		return code_of(code);
	const struct db_row row = { &db_sqlite, st->prepared, 0 };
	while ((code = sqlite_step(st->prepared, err)) == 1) {
		sink->rows++;
		if (sink->fn && (sink->stopped = sink->fn(sink->arg, &row)) != 0)
			break;
	}
	if (code == 1) {
		sqlite3_reset(st->prepared);
		sqlite3_clear_bindings(st->prepared);
		code = 0;
	}
	sink->changed = sqlite3_total_changes64(db->at) - before;
	return code_of(code);
}

static void forget(struct db *db, struct db_statement *st)
{
	sqlite3_finalize(st->prepared);
	st->prepared = NULL;
}

static int64_t number(const struct db_row *row, int column)
{
	return sqlite3_column_int64(row->answer, column);
}

static struct str text(const struct db_row *row, int column)
{
	return sqlite_text(row->answer, column);
}

static struct str bytes(const struct db_row *row, int column)
{
	return sqlite_blob(row->answer, column);
}

static bool is_null(const struct db_row *row, int column)
{
	return sqlite3_column_type(row->answer, column) == SQLITE_NULL;
}

const struct db_engine db_sqlite = {
	.kind = DB_SQLITE,
	.scheme = { "sqlite:", 7 },
	.begin = "BEGIN IMMEDIATE",
	.begin_read = "BEGIN DEFERRED; SELECT 1 FROM sqlite_master LIMIT 1",
	.open = open_it,
	.close = close_it,
	.script = script,
	.run = run,
	.forget = forget,
	.number = number,
	.text = text,
	.bytes = bytes,
	.is_null = is_null,
};
