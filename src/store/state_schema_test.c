/* state.db is brought forward from the first schema on; what is newer, foreign or damaged is refused. */
#include "store/state_fixture.h"

/* What the first schema was; never to be changed. */
static const char first_schema[] =
        "PRAGMA application_id = 1802004837; PRAGMA user_version = 1;"
        "CREATE TABLE token ("
        " id TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(id AS BLOB)) = 12),"
        " hash BLOB NOT NULL CHECK (length(hash) = 32),"
        " scopes INTEGER NOT NULL CHECK (scopes BETWEEN 1 AND 15),"
        " name TEXT NOT NULL UNIQUE CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 64),"
        " made INTEGER NOT NULL, expires INTEGER NOT NULL CHECK (expires >= 0)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE setting ("
        " name TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 64),"
        " value BLOB NOT NULL CHECK (length(value) <= 65536)) STRICT, WITHOUT ROWID;";
/* The secret is "khien's first token, and no secret any more" (43 bytes); its BLAKE2b-256. */
#define FIRST_TOKEN "aaaabbbbcccc.khien's first token, and no secret any more"
static const char first_rows[] =
        "INSERT INTO token VALUES ('aaaabbbbcccc',"
        " x'52af32ac5fd5edccbcf6daf8ba48ba993cacd23fa7d440bff1c08b336f833329', 3, 'web1', 1000000, 0);"
        "INSERT INTO setting VALUES ('unit', CAST('a clinic' AS BLOB));";

static void make_first(void)
{
	by_hand(path, first_schema);
	by_hand(path, first_rows);
}

static void check_first(struct state *s)
{
	struct buf out = { 0 };
	struct list l = tokens_of(s);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.at[0].name, "web1");
	assert_ptr_equal(token_check(l.at, l.n, STR(FIRST_TOKEN), SCOPE_INGEST | SCOPE_READ, 0), &l.at[0]);
	assert_int_equal(state_get(s, "unit", &out, NULL), 0);
	assert_true(str_eq(buf_str(&out), STR("a clinic")));
	buf_free(&out);
}

/* What the second one added; never to be changed either. */
static const char second_schema[] =
        "PRAGMA user_version = 2;"
        "CREATE TABLE alert ("
        " number INTEGER PRIMARY KEY,"
        " id TEXT NOT NULL UNIQUE CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 128),"
        " time INTEGER NOT NULL, made INTEGER NOT NULL,"
        " rule TEXT NOT NULL CHECK (length(CAST(rule AS BLOB)) <= 256),"
        " title TEXT NOT NULL CHECK (length(CAST(title AS BLOB)) <= 1024),"
        " level TEXT NOT NULL CHECK (length(CAST(level AS BLOB)) <= 32),"
        " host TEXT NOT NULL CHECK (length(CAST(host AS BLOB)) <= 512),"
        " user TEXT NOT NULL CHECK (length(CAST(user AS BLOB)) <= 512),"
        " address TEXT NOT NULL CHECK (length(CAST(address AS BLOB)) <= 512),"
        " count INTEGER NOT NULL CHECK (count >= 0),"
        " json TEXT NOT NULL CHECK (length(CAST(json AS BLOB)) <= 16777216)) STRICT;"
        "CREATE INDEX alert_time ON alert (time);"
        "INSERT INTO alert (id, time, made, rule, title, level, host, user, address, count, json)"
        " VALUES ('old', 7, 12, 'r', 'Someone tried', 'high', '', '', '', 3, '{\"a\":1}');";

static int name_of(void *arg, const struct post *p)
{
	memcpy(arg, p->name, sizeof(p->name));
	return 0;
}

/* All that schema 3 has, in a file that was of an older one. */
static void use_posts(struct state *s)
{
	unsigned char raw[32];
	char name[POST_NAME + 1] = "";
	uint64_t sequence;
	const struct hunt_row h = { .name = STR("h"), .text = STR("a:b") };
	const struct order_row o = { .id = STR("aaaaaaaaaaaaaaaa"),
		                     .post = STR("web1"),
		                     .verb = STR("ping"),
		                     .args = STR("[]"),
		                     .state = 1,
		                     .who = STR("an"),
		                     .why = STR("a test") };
	struct err err = { 0 };
	assert_int_equal(state_hunt_save(s, &h, NULL), 0);
	assert_int_equal(state_enrolment_add(s, STR("web1"), STR("an"), 2000LL * CLOCK_S, raw, NULL), 0);
	assert_int_equal(state_post_enrolled(s, STR("web1"), STR("u"), STR("4a"), 9, INT64_MAX, NULL), 0);
	if (state_order_add(s, &o, &err))
		fail_msg("%s", err.text);
	assert_int_equal(state_order_sequence(s, STR("web1"), 5, &sequence, NULL), 0);
	assert_int_equal(state_posts(s, name_of, name, NULL), 0);
	assert_string_equal(name, "web1");
}

static void test_migrates_second(void **state)
{
	struct state *s = NULL;
	struct err err = { 0 };
	char copy[80];
	int from = 77;
	make_first();
	by_hand(path, second_schema);
	assert_int_equal(open_in(dir, true, &s, &from, &err), -EROFS);
	assert_int_equal(open_in(dir, false, &s, &from, &err), 0);
	assert_int_equal(from, 2);
	check_first(s);
	assert_string_equal(alerts_of(s, 0, 0).text, "old");
	use_posts(s);
	state_close(s);
	snprintf(copy, sizeof(copy), "%s.v2", path);
	assert_int_equal(number_in(copy, "PRAGMA user_version"), 2);
	assert_int_equal(number_in(copy, "SELECT count(*) FROM sqlite_schema WHERE name = 'post'"), 0);
	assert_int_equal(number_in(copy, "SELECT count(*) FROM alert"), 1);
}

static void test_migrates(void **state)
{
	struct state *s = NULL;
	struct err err = { 0 };
	struct stat st;
	char copy[80];
	int from = 77;
	make_first();
	assert_int_equal(open_in(dir, true, &s, &from, &err), -EROFS);
	assert_non_null(strstr(err.text, "start the hub"));
	assert_int_equal(from, 77);
	assert_int_equal(open_in(dir, false, &s, &from, &err), 0);
	assert_int_equal(from, 1);
	check_first(s);
	assert_int_equal(add_alert(s, "a", 1, STR("")), 1);
	use_posts(s);
	state_close(s);

	snprintf(copy, sizeof(copy), "%s.v1", path);
	assert_int_equal(stat(copy, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(number_in(copy, "PRAGMA user_version"), 1);
	assert_int_equal(number_in(copy, "SELECT count(*) FROM token"), 1);
	assert_int_equal(number_in(copy, "SELECT count(*) FROM sqlite_schema WHERE name = 'alert'"), 0);
	assert_int_equal(open_in(dir, false, &s, &from, &err), 0);
	assert_int_equal(from, 0);
	check_first(s);
	assert_string_equal(alerts_of(s, 0, 0).text, "a");
	state_close(s);
	/* the copy is a state of the first schema: put back, it comes forward again */
	assert_int_equal(rename(copy, path), 0);
	assert_int_equal(open_in(dir, false, &s, &from, &err), 0);
	assert_int_equal(from, 1);
	check_first(s);
	state_close(s);
}

/* No copy, no migration: the file stays as it was. */
static void test_migration_fails(void **state)
{
	struct state *s = NULL;
	struct err err = { 0 };
	char part[80], inside[96];
	make_first();
	snprintf(part, sizeof(part), "%s.v1.part", path);
	snprintf(inside, sizeof(inside), "%s/x", part);
	assert_int_equal(mkdir(part, 0700), 0);
	assert_int_equal(mkdir(inside, 0700), 0);
	assert_true(open_in(dir, false, &s, NULL, &err) < 0);
	assert_null(s);
	assert_int_equal(number_in(path, "PRAGMA user_version"), 1);
	rmdir(inside);
	rmdir(part);
	assert_int_equal(open_in(dir, false, &s, NULL, &err), 0);
	check_first(s);
	state_close(s);
}

static int open_and_say(int i)
{
	struct state *s = NULL;
	struct err err;
	int from;
	if (open_in(dir, false, &s, &from, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 99;
	}
	state_close(s);
	return from;
}

static void test_open_at_once(void **state)
{
	for (int round = 0; round < 5; round++) {
		assert_int_equal(at_once(6, open_and_say), 0);
		assert_int_equal(number_in(path, "PRAGMA user_version"), STATE_SCHEMA);
		unlink(path);
		make_first();
		assert_int_equal(at_once(6, open_and_say), 1); /* one of them migrates */
		state_close(opened());
		unlink(path);
	}
}

static void test_newer(void **state)
{
	struct state *s = NULL;
	struct err err = { 0 };
	char sql[64];
	state_close(opened());
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", STATE_SCHEMA + 1);
	by_hand(path, sql);
	for (int read_only = 0; read_only < 2; read_only++) {
		assert_int_equal(open_in(dir, read_only, &s, NULL, &err), -EPROTO);
		assert_non_null(strstr(err.text, "newer"));
		assert_null(s);
	}
	assert_int_equal(number_in(path, "PRAGMA user_version"), STATE_SCHEMA + 1);
}

static void test_not_ours(void **state)
{
	struct state *s = NULL;
	struct err err = { 0 };
	by_hand(path, "CREATE TABLE t (a)");
	assert_int_equal(open_in(dir, false, &s, NULL, &err), -EBADMSG);
	assert_int_equal(number_in(path, "SELECT count(*) FROM sqlite_schema"), 1);
	by_hand(path, "PRAGMA user_version = 2");
	assert_int_equal(open_in(dir, false, &s, NULL, &err), -EBADMSG);
}

static void overwrite(off_t at, const char *with, size_t n)
{
	int fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, with, n, at), n);
	close(fd);
}

static void refuse_damaged(void)
{
	struct state *s = NULL;
	struct err err = { 0 };
	assert_int_equal(open_in(dir, false, &s, NULL, &err), -EBADMSG);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, "khien hub restore"));
	assert_null(s);
}

/* Each page of a small file: either the damage is told, or nothing that was in it is missing. */
static void test_damaged(void **state)
{
	static char saved[1 << 18];
	char noise[512];
	struct state *s = opened();
	for (int i = 0; i < 50; i++) {
		snprintf(noise, sizeof(noise), "%d", i);
		assert_int_equal(add_alert(s, noise, i, STR("u")), 1);
	}
	state_close(s);
	int fd = open(path, O_RDONLY);
	ssize_t size = read(fd, saved, sizeof(saved));
	close(fd);
	assert_true(size > 4 * 4096 && size < (ssize_t)sizeof(saved));
	memset(noise, 0xa5, sizeof(noise));
	for (off_t page = 0; page < size; page += 4096) {
		overwrite(page, noise, sizeof(noise));
		refuse_damaged();
		overwrite(0, saved, (size_t)size);
	}
	assert_int_equal(truncate(path, size - 4096), 0);
	refuse_damaged();
	assert_int_equal(truncate(path, 100), 0);
	refuse_damaged();
	overwrite(0,
	          "this is a text, not a database; this is a text, not a database; this is a text, and longer than a "
	          "head",
	          100);
	refuse_damaged();
}

static void test_no_folder(void **state)
{
	struct state *s = NULL;
	struct err err = { 0 };
	assert_int_equal(open_in("/nowhere/at/all", false, &s, NULL, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nowhere/at/all/state.db"));
	assert_int_equal(open_in(dir, true, &s, NULL, &err), -ENOENT);
	assert_null(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_migrates), TEST(test_migrates_second), TEST(test_migration_fails), TEST(test_open_at_once),
		TEST(test_newer),    TEST(test_not_ours),        TEST(test_damaged),         TEST(test_no_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
