#include "kiosk/snapshot.h"

#include "kiosk/fixture.h"
#include "kiosk/snapshot_table.h"

enum { SLOTS = 3 * TABLE_ROWS + 7 };

static void run(struct db *db, const char *sql, const struct db_value *values, size_t n)
{
	struct err err = { 0 };
	if (db_run(db, sql, values, n, &err) < 0)
		fail_msg("%s", err.text);
}

static int64_t count(struct db *db, const char *sql)
{
	int64_t n = -1;
	assert_int_equal(db_ask(db, sql, DB_NONE, &n, NULL), 0);
	return n;
}

static void meta(struct db *db, const char *name, const char *value)
{
	run(db, "INSERT INTO meta (name, value) VALUES ($1, $2)", DB_ARGS(DB_T(str_from(name)), DB_T(str_from(value))));
}

/* Texts that JSON writes in another way, bytes of all kinds, no value, the largest numbers, keys of three columns. */
static void fill(struct db *db)
{
	static const char *const names[] = {
		"", "\"\\/\n\t\x01", "Nguyễn Văn An", "张伟 🏥", "a", "A", "a b", "é", "z"
	};
	char every[256], text[32];
	for (int i = 0; i < 256; i++)
		every[i] = (char)i;
	assert_int_equal(db_begin(db, NULL), 0);
	meta(db, "epoch", "3");
	meta(db, SNAPSHOT_OWN_ROW, "of the one");
	meta(db, "zzz", "behind it");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		run(db, "INSERT INTO setting (name, value) VALUES ($1, $2)",
		    DB_ARGS(DB_T(str_from(names[i])), DB_T(str_from(names[ARRAY_LEN(names) - 1 - i]))));
	for (int64_t i = 0; i < SLOTS; i++) {
		int n = snprintf(text, sizeof(text), "2026-11-%02d", (int)(i % 28) + 1);
		run(db,
		    "INSERT INTO slot (room, day, start, minutes, places, taken, closed, source)"
		    " VALUES ($1, $2, $3, 10, 1, 0, 0, '')",
		    DB_ARGS(DB_N(i % 5 - 1), DB_T(((struct str){ text, (size_t)n })), DB_N(i)));
	}
	for (int64_t i = 0; i < 300; i++) {
		int n = snprintf(text, sizeof(text), "ref%d", (int)i);
		struct db_value person = { .type = i % 3 ? DB_BYTES : DB_NULL, .s = { every, (size_t)i % 257 } };
		run(db,
		    "INSERT INTO booking (ref, room, day, start, number, kind, priority, state, person, code_hash, "
		    "once, lang,"
		    " made, changed, arrived, called, calls, ended)"
		    " VALUES ($1, 1, 'd', 1, $2, '', 0, '', $3, $4, $5, 'vi', $6, 0, 0, 0, 0, 0)",
		    DB_ARGS(DB_T(((struct str){ text, (size_t)n })), DB_N(i), person,
		            DB_B(((struct str){ (const char *)&i, sizeof(i) })),
		            DB_T(((struct str){ text, (size_t)n })), DB_N(i % 2 ? INT64_MAX - i : INT64_MIN + i)));
	}
	assert_int_equal(db_commit(db, NULL), 0);
}

/* All of it as one text. */
static void copy_of(const char *uri, size_t want, struct buf *out)
{
	struct snapshot *s;
	struct err err = { 0 };
	int code, pieces = 0;
	if (snapshot_begin(&s, uri, &err))
		fail_msg("%s", err.text);
	do {
		size_t before = out->n;
		code = snapshot_read(s, want, out, &err);
		assert_true(out->n > before && out->n < before + want + 2000);
		assert_true(out->p[out->n - 1] == '\n');
		pieces++;
	} while (code == 1);
	if (code)
		fail_msg("%s", err.text);
	assert_true(want > 10000 || pieces > 10);
	snapshot_end(s);
}

static int put(const char *uri, struct str copy, size_t piece, struct err *err)
{
	struct snapshot_load *l;
	int code = snapshot_load_begin(&l, uri, err);
	assert_int_equal(code, 0);
	while (copy.n && !code) {
		code = snapshot_load_take(l, str_sub(copy, 0, piece), err);
		copy = str_sub(copy, piece, copy.n);
	}
	int end = snapshot_load_end(l, !code, err);
	return code ? code : end;
}

static int by_bytes(const void *a, const void *b)
{
	const struct str *x = a, *y = b;
	int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
	return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* The two engines may put texts in another order. */
static size_t lines_of(struct str text, struct str **ret)
{
	size_t n = 0, at = 0;
	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	struct str *lines = calloc(n, sizeof(*lines));
	assert_non_null(lines);
	for (; at < n; at++) {
		size_t end = str_find(text, '\n');
		lines[at] = str_sub(text, 0, end);
		text = str_sub(text, end + 1, text.n);
	}
	qsort(lines, n, sizeof(*lines), by_bytes);
	*ret = lines;
	return n;
}

static void assert_same(struct str a, struct str b)
{
	struct str *x, *y;
	size_t n = lines_of(a, &x);
	assert_int_equal(lines_of(b, &y), n);
	for (size_t i = 0; i < n; i++)
		assert_true(str_eq(x[i], y[i]));
	free(x);
	free(y);
}

static void from_to(enum db_kind from, enum db_kind to)
{
	struct fixture a, b;
	struct buf copy = { 0 }, again = { 0 };
	struct err err = { 0 };
	if (from == DB_SQLITE) { /* what may be skipped comes first */
		fixture_open(&b, to);
		fixture_open(&a, from);
	} else {
		fixture_open(&a, from);
		fixture_open(&b, to);
	}
	fill(a.db);
	meta(b.db, SNAPSHOT_OWN_ROW, "of the other");
	meta(b.db, "epoch", "9");
	run(b.db, "INSERT INTO setting (name, value) VALUES ('old', 'goes')", DB_NONE);
	copy_of(a.uri, 1000, &copy);
	if (put(b.uri, buf_str(&copy), 777, &err))
		fail_msg("%s", err.text);
	copy_of(b.uri, 100000, &again);
	assert_same(buf_str(&copy), buf_str(&again));
	assert_int_equal(count(b.db, "SELECT count(*) FROM slot"), SLOTS);
	assert_int_equal(count(b.db, "SELECT count(*) FROM booking WHERE person IS NULL"), 100);
	assert_int_equal(count(b.db, "SELECT length(person) FROM booking WHERE ref = 'ref256'"), 256);
	assert_int_equal(count(b.db, "SELECT made FROM booking WHERE ref = 'ref1'"), INT64_MAX - 1);
	assert_int_equal(count(b.db, "SELECT count(*) FROM setting WHERE name = '张伟 🏥'"), 1);
	assert_int_equal(count(b.db, "SELECT count(*) FROM setting WHERE name = 'old'"), 0);
	assert_int_equal(count(b.db, "SELECT count(*) FROM meta WHERE value = 'of the other'"), 1);
	assert_int_equal(count(b.db, "SELECT count(*) FROM meta WHERE name = 'epoch' AND value = '3'"), 1);
	buf_free(&copy);
	buf_free(&again);
	fixture_close(&a);
	fixture_close(&b);
}

static void test_sqlite_to_sqlite(void **state)
{
	from_to(DB_SQLITE, DB_SQLITE);
}

static void test_sqlite_to_postgresql(void **state)
{
	from_to(DB_SQLITE, DB_POSTGRESQL);
}

static void test_postgresql_to_sqlite(void **state)
{
	from_to(DB_POSTGRESQL, DB_SQLITE);
}

static void test_postgresql_to_postgresql(void **state)
{
	from_to(DB_POSTGRESQL, DB_POSTGRESQL);
}

/* A kiosk writes on meanwhile: all of the copy is of one moment, and nobody waits. */
static void test_one_moment(void **state)
{
	struct fixture *f = fixture_of(state);
	struct snapshot *s;
	struct buf before = { 0 }, copy = { 0 };
	int code, rounds = 0;
	fill(f->db);
	copy_of(f->uri, 100000, &before);
	assert_int_equal(snapshot_begin(&s, f->uri, NULL), 0);
	do {
		assert_int_equal(db_begin(f->db, NULL), 0);
		run(f->db, "UPDATE slot SET taken = taken + 1", DB_NONE);
		run(f->db, "DELETE FROM booking WHERE number % 7 = 3", DB_NONE);
		run(f->db, "INSERT INTO counter (name, last) VALUES ($1, 1)",
		    DB_ARGS(DB_T(((struct str){ "abcdefghijklmnopqrstuvwxyz", (size_t)rounds }))));
		assert_int_equal(db_commit(f->db, NULL), 0);
		code = snapshot_read(s, 4000, &copy, NULL);
		rounds++;
	} while (code == 1 && rounds < 26);
	while (code == 1)
		code = snapshot_read(s, 100000, &copy, NULL);
	assert_int_equal(code, 0);
	assert_true(rounds > 5);
	assert_true(str_eq(buf_str(&before), buf_str(&copy)));
	snapshot_end(s);
	buf_free(&before);
	buf_free(&copy);
}

/* All or nothing, wherever it breaks off. */
static void test_broken_off(void **state)
{
	struct fixture *f = fixture_of(state);
	struct buf copy = { 0 }, before = { 0 }, after = { 0 };
	struct snapshot_load *l;
	struct err err = { 0 };
	fill(f->db);
	copy_of(f->uri, 100000, &before);
	buf_add(&copy, buf_str(&before));
	run(f->db, "UPDATE setting SET value = 'here'", DB_NONE);
	copy_of(f->uri, 100000, &after);
	assert_int_equal(snapshot_load_begin(&l, f->uri, NULL), 0);
	assert_int_equal(snapshot_load_take(l, str_sub(buf_str(&copy), 0, copy.n / 2), NULL), 0);
	snapshot_load_end(l, false, NULL);
	for (size_t n = 0; n < copy.n; n += copy.n / 5)
		assert_int_equal(put(f->uri, str_sub(buf_str(&copy), 0, n), 5000, &err), -EBADMSG);
	/* without its last line break, too */
	assert_int_equal(put(f->uri, str_sub(buf_str(&copy), 0, copy.n - 1), 5000, &err), -EBADMSG);
	before.n = 0;
	copy_of(f->uri, 100000, &before);
	assert_true(str_eq(buf_str(&before), buf_str(&after)));
	assert_int_equal(put(f->uri, buf_str(&copy), 5000, &err), 0);
	assert_int_equal(count(f->db, "SELECT count(*) FROM setting WHERE value = 'here'"), 0);
	buf_free(&copy);
	buf_free(&before);
	buf_free(&after);
}

#define HEAD "{\"khien-kiosk\":1}\n"
#define META "{\"table\":\"meta\",\"columns\":[\"name\",\"value\"]}\n"

static void test_what_is_none(void **state)
{
	static const char *const none[] = {
		"\n",
		"[]\n",
		"{}\n",
		"{\"khien-kiosk\":2}\n",
		"{\"khien-kiosk\":\"1\"}\n",
		META,
		HEAD "[\"a\",\"b\"]\n",
		HEAD META META,
		HEAD META "[\"a\"]\n",
		HEAD META "[\"a\",\"b\",\"c\"]\n",
		HEAD META "[\"a\",1]\n",
		HEAD META "[\"a\",{}]\n",
		HEAD META "[null,\"b\"]\n",
		HEAD META "[\"a\",\"b\"]\n[\"a\",\"b\"]\n",
		HEAD META "[\"a\\u0000\",\"b\"]\n",
		HEAD META "[\"" SNAPSHOT_OWN_ROW "\",\"b\"]\n",
		HEAD META "{\"rows\":0}\n",
		HEAD "{\"table\":\"meta\",\"columns\":[\"value\",\"name\"]}\n",
		HEAD "{\"table\":\"meta\",\"columns\":[\"name\"]}\n",
		HEAD "{\"table\":\"meta\"}\n",
		HEAD "{\"table\":\"pg_authid\",\"columns\":[]}\n",
		HEAD "{\"table\":\"session\",\"columns\":[\"hash\",\"staff\",\"made\",\"ends\"]}\n[\"?\",1,1,1]\n",
		HEAD "{\"table\":\"session\",\"columns\":[\"hash\",\"staff\",\"made\",\"ends\"]}\n[\"QUJD\",1,1,1.5]\n",
		HEAD "nonsense\n",
	};
	struct fixture *f = fixture_of(state);
	struct err err;
	meta(f->db, "kept", "as it was");
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		err = (struct err){ 0 };
		if (put(f->uri, str_from(none[i]), 7, &err) != -EBADMSG)
			fail_msg("%s: %d %s", none[i], err.code, err.text);
		assert_int_equal(count(f->db, "SELECT count(*) FROM meta WHERE value = 'as it was'"), 1);
	}
}

static void test_all_tables(void **state)
{
	struct fixture *f = fixture_of(state);
	struct tables t;
	assert_int_equal(tables_read(&t, str_from(schema_sql), NULL), 0);
	assert_int_equal(t.n,
	                 count(f->db, db_kind(f->db) == DB_SQLITE
	                                      ? "SELECT count(*) FROM sqlite_master WHERE type = 'table'"
	                                      : "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"));
	for (size_t i = 0; i < t.n; i++)
		assert_int_equal(db_query(f->db, t.list[i].first, DB_NONE, NULL, NULL, NULL), 0);
	/* the statements are gone when the fixture closes: nothing runs any more */
	tables_free(&t);
}

static void test_schemas(void **state)
{
	struct tables t;
	struct err err;
	static const char *const none[] = {
		"CREATE TABLE t (a BIGINT)",
		"CREATE TABLE t (a REAL, PRIMARY KEY (a))",
		"CREATE TABLE t (a BIGINT, PRIMARY KEY (b))",
		"CREATE TABLE t (a BIGINT PRIMARY KEY",
		"CREATE TABLE t",
		"CREATE TABLE a_name_that_is_longer_than_any_table_has (a BIGINT PRIMARY KEY)",
	};
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_int_equal(tables_read(&t, str_from(none[i]), &err), -EINVAL);
	assert_int_equal(
	        tables_read(&t,
	                    STR("CREATE INDEX x ON t (a); CREATE TABLE t (a TEXT NOT NULL, b BLOB, c BIGINT NOT NULL,\n"
	                        " UNIQUE (b, c), PRIMARY KEY (c, a), CHECK (c > (1)));CREATE TABLE u\n(k TEXT PRIMARY "
	                        "KEY)"),
	                    NULL),
	        0);
	assert_int_equal(t.n, 2);
	assert_string_equal(t.list[0].next, "SELECT a, b, c FROM t WHERE (c, a) > ($1, $2) ORDER BY c, a LIMIT 256");
	assert_string_equal(t.list[0].insert, "INSERT INTO t (a, b, c) VALUES ($1, $2, $3)");
	assert_string_equal(t.list[1].first, "SELECT k FROM u ORDER BY k LIMIT 256");
	tables_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sqlite_to_sqlite),
		cmocka_unit_test(test_sqlite_to_postgresql),
		cmocka_unit_test(test_postgresql_to_sqlite),
		cmocka_unit_test(test_postgresql_to_postgresql),
		BOTH(test_one_moment),
		BOTH(test_broken_off),
		BOTH(test_what_is_none),
		BOTH(test_all_tables),
		cmocka_unit_test(test_schemas),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
