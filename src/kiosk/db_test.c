/* The same over both databases. */
#include "kiosk/fixture.h"

static const char insert[] = "INSERT INTO meta (name, value) VALUES ($1, $2)";
static const char count[] = "SELECT COUNT(*) FROM meta";

static int64_t put(struct db *db, const char *name, const char *value)
{
	return db_run(db, insert, DB_ARGS(DB_T(str_from(name)), DB_T(str_from(value))), NULL);
}

static int64_t rows(struct db *db)
{
	int64_t n;
	struct err err;
	if (db_ask(db, count, DB_NONE, &n, &err))
		fail_msg("%s", err.text);
	return n;
}

static int join(void *arg, const struct db_row *row)
{
	char *out = arg;
	size_t at = strlen(out);
	snprintf(out + at, 256 - at, STR_FMT "=" STR_FMT ";", STR_ARG(db_text(row, 0)), STR_ARG(db_text(row, 1)));
	return str_eq(db_text(row, 0), STR("stop")) ? 7 : 0;
}

static void test_rows(void **state)
{
	struct db *db = fixture_of(state)->db;
	static const char list[] = "SELECT name, value FROM meta WHERE name > $1 ORDER BY name LIMIT $2";
	char out[256] = "";
	assert_int_equal(put(db, "a", ""), 1);
	assert_int_equal(put(db, "stop", "Nguyễn"), 1);
	assert_int_equal(put(db, "z", "3"), 1);
	assert_int_equal(put(db, "a", "again"), -EEXIST);
	assert_int_equal(db_query(db, list, DB_ARGS(DB_T(STR("")), DB_N(10)), join, out, NULL), 7);
	assert_string_equal(out, "a=;stop=Nguyễn;");
	out[0] = 0;
	assert_int_equal(db_query(db, list, DB_ARGS(DB_T(STR("stop")), DB_N(10)), join, out, NULL), 1);
	assert_string_equal(out, "z=3;");
	assert_int_equal(db_query(db, list, DB_ARGS(DB_T(STR("")), DB_N(2)), NULL, NULL, NULL), 2);
	assert_int_equal(db_run(db, "UPDATE meta SET value = $1 WHERE name <> $2",
	                        DB_ARGS(DB_T(STR("v")), DB_T(STR("a"))), NULL),
	                 2);
	assert_int_equal(db_run(db, "SELECT name FROM meta", DB_NONE, NULL), 0);
	assert_int_equal(db_run(db, "DELETE FROM meta", DB_NONE, NULL), 3);
	int64_t n = 5;
	assert_int_equal(db_ask(db, "SELECT value FROM meta", DB_NONE, &n, NULL), -ENOENT);
	assert_int_equal(n, 5);
}

struct seen {
	int64_t n[8];
	bool null[8];
	char bytes[300];
	size_t length;
};

static int see(void *arg, const struct db_row *row)
{
	struct seen *s = arg;
	for (int i = 0; i < 8; i++) {
		s->n[i] = db_number(row, i);
		s->null[i] = db_is_null(row, i);
	}
	struct str b = db_bytes(row, 8);
	s->length = b.n;
	memcpy(s->bytes, b.p, b.n);
	return 0;
}

/* Numbers in all the shapes that PostgreSQL gives them, NULL, and bytes of every value. */
static void test_values(void **state)
{
	struct db *db = fixture_of(state)->db;
	char all[256];
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	assert_int_equal(db_script(db, "CREATE TABLE v (n BIGINT, b BLOB)", NULL), 0);
	static const char add[] = "INSERT INTO v (n, b) VALUES ($1, $2)";
	assert_int_equal(db_run(db, add, DB_ARGS({ .type = DB_NULL }, { .type = DB_NULL }), NULL), 1);
	static const int64_t numbers[] = { INT64_MAX, -1, INT64_MIN, 0 };
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		struct seen s = { 0 };
		assert_int_equal(db_run(db, "DELETE FROM v WHERE n IS NOT NULL", DB_NONE, NULL), i ? 1 : 0);
		assert_int_equal(db_run(db, add, DB_ARGS(DB_N(numbers[i]), DB_B(((struct str){ all, 256 }))), NULL), 1);
		assert_int_equal(db_query(db,
		                          "SELECT MAX(n), n, n IS NULL, n < 0, SUM(n), 7, NULL, COUNT(b), b FROM v "
		                          "WHERE n IS NOT NULL GROUP BY n, b",
		                          DB_NONE, see, &s, NULL),
		                 1);
		assert_int_equal(s.n[0], numbers[i]);
		assert_int_equal(s.n[1], numbers[i]);
		assert_int_equal(s.n[2], 0);
		assert_int_equal(s.n[3], numbers[i] < 0);
		assert_int_equal(s.n[4], numbers[i]);
		assert_int_equal(s.n[5], 7);
		assert_true(s.null[6] && !s.null[1] && s.n[6] == 0);
		assert_int_equal(s.n[7], 1);
		assert_int_equal(s.length, 256);
		assert_memory_equal(s.bytes, all, 256);
	}
	int64_t sum;
	assert_int_equal(db_run(db, "DELETE FROM v", DB_NONE, NULL), 2);
	for (int64_t n = 1; n <= 1000000000000; n *= 10)
		assert_int_equal(db_run(db, add, DB_ARGS(DB_N(n), { .type = DB_NULL }), NULL), 1);
	assert_int_equal(db_ask(db, "SELECT SUM(n) FROM v", DB_NONE, &sum, NULL), 0);
	assert_int_equal(sum, 1111111111111);
	assert_int_equal(db_ask(db, "SELECT SUM(-n) FROM v WHERE n >= 10000", DB_NONE, &sum, NULL), 0);
	assert_int_equal(sum, -1111111110000);
}

/* What only one of them would take. */
static void test_refused(void **state)
{
	struct db *db = fixture_of(state)->db;
	struct err err;
	char sql[64] = "SELECT 1";
	int64_t n;
	assert_int_equal(db_run(db, insert, DB_ARGS(DB_T(STR("a\0b")), DB_T(STR(""))), &err), -EINVAL);
	assert_int_equal(db_run(db, insert, DB_ARGS(DB_T(STR("\xc3(")), DB_T(STR(""))), &err), -EINVAL);
	assert_int_equal(put(db, "a", "b"), 1);
	assert_int_equal(db_run(db, insert, DB_ARGS(DB_N(1), DB_T(STR(""))), &err), -EINVAL);
	assert_true(db_run(db, insert, DB_ARGS(DB_T(STR("c"))), &err) < 0);
	assert_true(db_run(db, "SELEC", DB_NONE, &err) < 0);
	assert_non_null(strstr(err.text, "SELEC"));
	assert_int_equal(db_ask(db, sql, DB_NONE, &n, &err), 0);
	memcpy(sql, "SELECT 2", 9);
	assert_int_equal(db_ask(db, sql, DB_NONE, &n, &err), -EINVAL); /* no literal */
	struct db_value many[DB_PARAMS + 1] = { 0 };
	assert_int_equal(db_run(db, "SELECT 3", many, ARRAY_LEN(many), &err), -EINVAL);
	/* a name never gets into the error */
	assert_int_equal(put(db, "Nguyễn Văn An", "x"), 1);
	assert_int_equal(db_run(db, insert, DB_ARGS(DB_T(STR("Nguyễn Văn An")), DB_T(STR(""))), &err), -EEXIST);
	assert_null(strstr(err.text, "Nguy"));
}

static void test_uri(void **state)
{
	struct db *db;
	struct err err;
	assert_int_equal(db_open(&db, "mysql://x", &err), -EINVAL);
	assert_int_equal(db_open(&db, "postgresql://u:secret@/kiosk", &err), -EINVAL);
	assert_int_equal(db_open(&db, "postgresql://u@/kiosk?passwort=x", &err), -EINVAL);
	assert_int_equal(db_open(&db, "postgresql://u@/kiosk?host=/nowhere", &err), -ENOTCONN);
	assert_int_equal(db_open(&db, "sqlite:/nowhere/kiosk.db", &err), -ENOENT);
}

static void test_transactions(void **state)
{
	struct db *db = fixture_of(state)->db;
	struct err err;
	assert_int_equal(db_commit(db, &err), -EINVAL);
	assert_int_equal(db_savepoint(db, &err), -EINVAL);
	assert_int_equal(db_begin(db, &err), 0);
	assert_int_equal(db_begin(db, &err), -EINVAL);
	assert_int_equal(put(db, "a", ""), 1);
	assert_int_equal(db_savepoint(db, &err), 0);
	assert_int_equal(db_savepoint(db, &err), -EINVAL);
	assert_int_equal(put(db, "b", ""), 1);
	assert_int_equal(db_undo(db, &err), 0);
	assert_int_equal(db_undo(db, &err), -EINVAL);
	assert_int_equal(db_savepoint(db, &err), 0);
	assert_int_equal(put(db, "c", ""), 1);
	assert_int_equal(db_keep(db, &err), 0);
	assert_int_equal(db_keep(db, &err), -EINVAL);
	assert_int_equal(put(db, "between", ""), 1);
	assert_int_equal(db_savepoint(db, &err), 0);
	assert_int_equal(put(db, "e", ""), 1);
	assert_int_equal(db_undo(db, &err), 0); /* goes back to the second, not the first */
	assert_int_equal(rows(db), 3);
	db_rollback(db);
	assert_int_equal(rows(db), 0);
	assert_int_equal(db_begin(db, &err), 0);
	assert_int_equal(put(db, "d", ""), 1);
	assert_int_equal(db_commit(db, &err), 0);
	db_rollback(db);
	assert_int_equal(rows(db), 1);
}

/* A broken constraint spoils all up to the savepoint, and nothing before it. */
static void test_spoiled(void **state)
{
	struct db *db = fixture_of(state)->db;
	struct err err;
	int64_t n;
	assert_int_equal(db_begin(db, &err), 0);
	assert_int_equal(put(db, "a", ""), 1);
	assert_int_equal(db_savepoint(db, &err), 0);
	assert_int_equal(put(db, "b", ""), 1);
	assert_int_equal(put(db, "a", ""), -EEXIST);
	assert_int_equal(put(db, "c", ""), -EIO);
	assert_int_equal(db_ask(db, count, DB_NONE, &n, &err), -EIO);
	assert_int_equal(db_keep(db, &err), -EIO);
	assert_int_equal(db_undo(db, &err), 0);
	assert_int_equal(rows(db), 1);
	assert_int_equal(db_commit(db, &err), 0);
	assert_int_equal(rows(db), 1);
	/* without one: all of it, and it can't be committed */
	assert_int_equal(db_begin(db, &err), 0);
	assert_int_equal(put(db, "d", ""), 1);
	assert_int_equal(put(db, "d", ""), -EEXIST);
	assert_int_equal(db_commit(db, &err), -EIO);
	assert_int_equal(rows(db), 1);
	assert_int_equal(put(db, "d", ""), 1);
	/* NOT NULL and CHECK are constraints too */
	assert_int_equal(db_run(db, insert, DB_ARGS(DB_T(STR("e")), { .type = DB_NULL }), &err), -EEXIST);
	assert_int_equal(db_run(db, "INSERT INTO slot VALUES (1, 'd', 0, 5, 1, -1, 0, '')", DB_NONE, &err), -EEXIST);
}

static int ask_within(void *arg, const struct db_row *row)
{
	int64_t n;
	return db_ask(arg, count, DB_NONE, &n, NULL);
}

static void test_one_at_a_time(void **state)
{
	struct db *db = fixture_of(state)->db;
	assert_int_equal(db_query(db, "SELECT 1", DB_NONE, ask_within, db, NULL), -EINVAL);
	assert_int_equal(rows(db), 0);
}

static void test_scripts(void **state)
{
	struct db *db = fixture_of(state)->db;
	struct err err;
	assert_int_equal(put(db, "a", "1"), 1);
	/* all of it or nothing */
	assert_true(db_script(db, "CREATE TABLE x (a BIGINT); CREATE TABLE x (a BIGINT)", &err) < 0);
	assert_int_equal(db_script(db, "CREATE TABLE x (a BIGINT); CREATE TABLE y (b BLOB, blobs TEXT)", &err), 0);
	assert_int_equal(db_script(db, "ALTER TABLE meta ADD COLUMN more TEXT", &err), 0);
	assert_int_equal(put(db, "b", "2"), 1);
	assert_int_equal(db_begin(db, &err), 0);
	assert_int_equal(db_script(db, "DROP TABLE x; DROP TABLE y", &err), 0);
	db_rollback(db);
	assert_int_equal(db_query(db, "SELECT b, blobs FROM y", DB_NONE, NULL, NULL, &err), 0);
}

/* What was committed is there for another connection, and a second writer waits for the first, but not for ever. */
static void test_two(void **state)
{
	struct fixture *f = fixture_of(state);
	struct db *other;
	struct err err;
	assert_int_equal(db_open(&other, f->uri, &err), 0);
	assert_int_equal(db_kind(other), db_kind(f->db));
	assert_int_equal(db_begin(f->db, &err), 0);
	assert_int_equal(put(f->db, "a", ""), 1);
	assert_int_equal(rows(other), 0);
	assert_int_equal(db_begin(other, &err), -EAGAIN);
	assert_int_equal(db_commit(f->db, &err), 0);
	assert_int_equal(db_begin(other, &err), 0);
	assert_int_equal(rows(other), 1);
	assert_int_equal(put(other, "b", ""), 1);
	db_close(other); /* what wasn't committed is gone */
	assert_int_equal(rows(f->db), 1);
}

static void keep(struct db *db)
{
	struct buf *kept;
	assert_int_equal(db_memo(db, &kept, NULL), 0);
	kept->n = 0;
	buf_putc(kept, 'x');
}

static bool keeps(struct db *db)
{
	struct buf *kept;
	assert_int_equal(db_memo(db, &kept, NULL), 0);
	return kept->n;
}

static int memo_within(void *arg, const struct db_row *row)
{
	struct buf *kept;
	return db_memo(arg, &kept, NULL);
}

/* Who reads sees one moment, from the beginning on and not from the first question, and keeps no writer waiting. */
static void test_begin_read(void **state)
{
	struct fixture *f = fixture_of(state);
	struct db *reader;
	struct err err;
	assert_int_equal(db_open(&reader, f->uri, &err), 0);
	assert_int_equal(put(f->db, "a", ""), 1);
	assert_int_equal(db_begin_read(reader, &err), 0);
	assert_int_equal(db_begin_read(reader, &err), -EINVAL);
	assert_int_equal(db_begin(reader, &err), -EINVAL);
	assert_int_equal(db_begin(f->db, &err), 0);
	assert_int_equal(put(f->db, "b", ""), 1);
	assert_int_equal(db_commit(f->db, &err), 0);
	assert_int_equal(rows(f->db), 2);
	assert_int_equal(rows(reader), 1);
	db_rollback(reader);
	assert_int_equal(rows(reader), 2);
	assert_int_equal(db_begin_read(reader, &err), 0);
	assert_int_equal(rows(reader), 2);
	assert_int_equal(db_commit(reader, &err), 0);
	db_close(reader);
}

/* What is kept lasts until rows may be others. */
static void test_memo(void **state)
{
	struct db *db = fixture_of(state)->db;
	struct buf *kept;
	assert_false(keeps(db));
	keep(db);
	assert_int_equal(rows(db), 0);
	assert_int_equal(put(db, "a", ""), 1);
	assert_int_equal(db_run(db, "SELECT name FROM setting", DB_NONE, NULL), 0);
	assert_true(keeps(db));
	assert_int_equal(db_run(db, "DELETE FROM setting", DB_NONE, NULL), 0);
	assert_false(keeps(db));
	keep(db);
	assert_int_equal(db_begin(db, NULL), 0);
	assert_false(keeps(db));
	keep(db);
	assert_int_equal(db_savepoint(db, NULL), 0);
	assert_int_equal(db_keep(db, NULL), 0);
	assert_int_equal(db_savepoint(db, NULL), 0);
	assert_true(keeps(db));
	assert_int_equal(db_undo(db, NULL), 0);
	assert_false(keeps(db));
	keep(db);
	assert_int_equal(db_commit(db, NULL), 0);
	assert_true(keeps(db));
	assert_int_equal(db_script(db, "CREATE TABLE x (a BIGINT)", NULL), 0);
	assert_false(keeps(db));
	assert_int_equal(db_begin(db, NULL), 0);
	keep(db);
	db_rollback(db);
	assert_false(keeps(db));
	assert_int_equal(db_query(db, "SELECT 1", DB_NONE, memo_within, db, NULL), -EINVAL);
	assert_int_equal(db_begin(db, NULL), 0);
	assert_int_equal(put(db, "a", ""), -EEXIST);
	assert_int_equal(db_memo(db, &kept, NULL), -EIO);
}

/* Texts sort by their bytes, as SQLite's do, whatever language the database was made for. */
static void test_order(void **state)
{
	static const char *const names[] = { "b", "B", "a", "đ", "A-1", "A1" };
	struct fixture f;
	struct err err;
	struct db *db;
	char uri[FIXTURE_URI], out[256] = "";
	int64_t n;
	fixture_open(&f, DB_POSTGRESQL);
	fixture_sql("CREATE DATABASE", "sorted", "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'und'");
	snprintf(uri, sizeof(uri), "postgresql://kiosk@/sorted?host=%s", fixture_guard()->dir);
	if (db_open(&db, uri, &err) || db_script(db, schema_sql, &err))
		fail_msg("%s", err.text);
	assert_int_equal(db_ask(db, "SELECT 'a' < 'B'", DB_NONE, &n, NULL), 0);
	assert_int_equal(n, 1); /* its own order is another */
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(put(db, names[i], ""), 1);
	assert_int_equal(db_query(db, "SELECT name, value FROM meta ORDER BY name", DB_NONE, join, out, NULL), 6);
	assert_string_equal(out, "A-1=;A1=;B=;a=;b=;đ=;");
	assert_int_equal(db_ask(db, "SELECT COUNT(*) FROM meta WHERE name < $1", DB_ARGS(DB_T(STR("a"))), &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_int_equal(db_ask(db,
	                        "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = 'public'"
	                        " AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'",
	                        DB_NONE, &n, NULL),
	                 0);
	assert_int_equal(n, 0);
	db_close(db);
	fixture_sql("DROP DATABASE", "sorted", "");
	fixture_close(&f);
}

/* Many statements, over and over: each is prepared once. */
static void test_many(void **state)
{
	struct db *db = fixture_of(state)->db;
	enum { N = 300, EACH = 24 };
	static char sql[1000][EACH];
	int64_t n;
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < N; i++) {
			snprintf(sql[i], EACH, "SELECT %d", i);
			assert_int_equal(db_ask(db, sql[i], DB_NONE, &n, NULL), 0);
			assert_int_equal(n, i);
		}
	int code = 0;
	for (int i = N; i < (int)ARRAY_LEN(sql) && !code; i++) {
		snprintf(sql[i], EACH, "SELECT %d", i);
		code = db_ask(db, sql[i], DB_NONE, &n, NULL);
	}
	assert_int_equal(code, -E2BIG); /* bounded */
	assert_int_equal(db_ask(db, sql[0], DB_NONE, &n, NULL), 0);
}

static void kill_sessions(struct fixture *f)
{
	PGconn *at = fixture_connect(fixture_guard()->dir);
	PGresult *answer = PQexec(at, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
	                              "WHERE application_name = 'khien kiosk'");
	assert_int_equal(PQresultStatus(answer), PGRES_TUPLES_OK);
	PQclear(answer);
	PQfinish(at);
}

/* The server ends the connection: what was under way is gone, and the next transaction has a new one. */
static void test_lost(void **state)
{
	struct fixture *f = fixture_of(state);
	struct db *db = f->db;
	struct err err;
	int64_t n;
	if (db_kind(db) != DB_POSTGRESQL)
		skip();
	assert_int_equal(put(db, "a", ""), 1);
	kill_sessions(f);
	keep(db);
	assert_int_equal(rows(db), 1); /* between two transactions nobody notices */
	assert_false(keeps(db));
	kill_sessions(f);
	assert_int_equal(db_begin(db, &err), 0);
	assert_int_equal(db_savepoint(db, &err), 0);
	assert_int_equal(put(db, "b", ""), 1);
	kill_sessions(f);
	assert_int_equal(put(db, "c", ""), -ENOTCONN);
	assert_int_equal(db_ask(db, count, DB_NONE, &n, &err), -ENOTCONN);
	assert_int_equal(db_undo(db, &err), -ENOTCONN);
	assert_int_equal(db_commit(db, &err), -ENOTCONN);
	assert_int_equal(db_begin(db, &err), 0);
	assert_int_equal(rows(db), 1);
	assert_int_equal(put(db, "d", ""), 1);
	kill_sessions(f);
	assert_int_equal(db_commit(db, &err), -ENOTCONN);
	assert_int_equal(db_begin(db, &err), 0);
	kill_sessions(f);
	assert_int_equal(put(db, "e", ""), -ENOTCONN);
	assert_int_equal(db_begin(db, &err), 0); /* without a rollback between */
	assert_int_equal(rows(db), 1);
	db_rollback(db);
}

/* Another process can damage a file of SQLite's. */
static void test_damaged(void **state)
{
	struct fixture f;
	struct err err;
	fixture_open(&f, DB_SQLITE);
	for (int i = 0; i < 200; i++) {
		char name[16];
		snprintf(name, sizeof(name), "row %d", i);
		assert_int_equal(put(f.db, name, "................................................................"),
		                 1);
	}
	db_close(f.db);
	f.db = NULL;
	const char *path = f.uri + strlen("sqlite:");
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	char noise[4096];
	memset(noise, 0xa5, sizeof(noise));
	for (off_t at = 4096; at < st.st_size; at += 4096)
		assert_int_equal(pwrite(fd, noise, sizeof(noise), at), sizeof(noise));
	close(fd);
	int64_t code = db_open(&f.db, f.uri, &err); /* how much is read then is SQLite's affair */
	if (!code)
		code = db_run(f.db, "DELETE FROM meta WHERE value = ''", DB_NONE, &err);
	assert_int_equal(code, -EBADMSG);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_rows),
		BOTH(test_values),
		BOTH(test_refused),
		cmocka_unit_test(test_uri),
		BOTH(test_transactions),
		BOTH(test_spoiled),
		BOTH(test_one_at_a_time),
		BOTH(test_scripts),
		BOTH(test_two),
		BOTH(test_many),
		BOTH(test_lost),
		cmocka_unit_test(test_damaged),
		BOTH(test_begin_read),
		BOTH(test_memo),
		cmocka_unit_test(test_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
