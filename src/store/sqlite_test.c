/* SQLite's ways to fail, in ours. */
#include "store/sqlite.h"
#include "store/store_fixture.h"

#include <errno.h>
#include <fcntl.h>

static const struct sqlite_options makes = { .access = SQLITE_MAKES, .wait_ms = 10 };
static const struct sqlite_options reads = { .access = SQLITE_READS, .wait_ms = 10 };

static void test_open(void **state)
{
	char dir[FIXTURE_PATH], path[FIXTURE_PATH + 16];
	struct stat st;
	sqlite3 *db, *other;
	sqlite3_stmt *st1;
	struct err err = { 0 };
	int64_t n;
	fixture_folder(dir);
	snprintf(path, sizeof(path), "%s/a b%%?#.db", dir);
	assert_int_equal(sqlite_open(&db, path, &reads, &err), -ENOENT);
	assert_int_equal(sqlite_open(&db, path, &makes, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(sqlite_run(db, "CREATE TABLE t(a PRIMARY KEY); INSERT INTO t VALUES(7)", &err), 0);
	assert_int_equal(sqlite_run(db, "INSERT INTO t VALUES(7)", &err), -EEXIST);
	assert_non_null(strstr(err.text, "a b%?#.db"));
	assert_int_equal(sqlite_number(db, "SELECT a FROM t", 1, &n, &err), 0);
	assert_int_equal(n, 7);
	assert_int_equal(sqlite_number(db, "SELECT a FROM t WHERE a=1", 42, &n, &err), 0);
	assert_int_equal(n, 42);
	assert_int_equal(sqlite_prepare(db, &st1, "SELECT a FROM t WHERE a=?", &err), 0);
	for (int i = 0; i < 2; i++) {
		sqlite3_bind_int(st1, 1, 7);
		assert_int_equal(sqlite_step(st1, &err), 1);
		assert_int_equal(sqlite_step(st1, &err), 0);
	}
	sqlite3_finalize(st1);
	assert_int_equal(sqlite_open(&other, path, &makes, &err), 0);
	assert_int_equal(sqlite_run(other, "BEGIN IMMEDIATE", &err), 0);
	assert_int_equal(sqlite_run(db, "BEGIN IMMEDIATE", &err), -EBUSY);
	sqlite_close(other);
	assert_int_equal(sqlite_open(&other, path, &reads, &err), 0);
	assert_int_equal(sqlite_run(other, "DELETE FROM t", &err), -EROFS);
	sqlite_close(other);
	sqlite_close(db);
	int fd = open(path, O_RDWR | O_TRUNC);
	assert_int_equal(write(fd, path, sizeof(path)), sizeof(path));
	close(fd);
	assert_int_equal(sqlite_open(&db, path, &reads, &err), -EBADMSG);
	sqlite_close(NULL);
	fixture_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_open) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
