/* One day's file: what is put is there with the note of its segment, or nothing is. */
#include "store/bloom.h"
#include "store/day_inside.h"
#include "store/store_fixture.h"

#include <errno.h>
#include <fcntl.h>

static const int32_t TODAY = 20779; /* 2026-11-22 */

static struct day *open_day(const char *dir, bool read_only)
{
	struct day *d = NULL;
	struct err err = { 0 };
	if (day_open(&d, dir, TODAY, read_only, &err))
		fail_msg("%s", err.text);
	return d;
}

/* A block of n events from number `from` on, a µs apart. Its bytes are the builder's. */
static struct chunk_sealed block(struct chunk_builder *b, uint64_t from, uint32_t n, int64_t time)
{
	struct chunk_sealed sealed;
	struct fixture_event e;
	struct err err;
	for (uint32_t i = 0; i < n; i++) {
		fixture_event(&e, from + i, time + i, "web", true, 300);
		assert_int_equal(chunk_add(b, e.row.time, e.row.json, &err), 0);
	}
	assert_int_equal(chunk_seal(b, 1, &sealed, &err), 0);
	return sealed;
}

static void put(struct day *d, uint64_t segment, uint64_t from, uint32_t n, int64_t time, int64_t replaces)
{
	struct chunk_builder *b;
	struct err err = { 0 };
	assert_int_equal(chunk_builder_new(&b, &err), 0);
	const struct day_put one = { "web", block(b, from, n, time), &replaces, replaces != 0 };
	if (day_seal(d, segment, &one, 1, &err))
		fail_msg("%s", err.text);
	chunk_builder_free(b);
}

static size_t n_blocks(struct day *d)
{
	const struct day_block *blocks;
	size_t n;
	struct err err;
	assert_int_equal(day_blocks(d, &blocks, &n, &err), 0);
	for (size_t i = 1; i < n; i++)
		assert_true(blocks[i - 1].last >= blocks[i].last);
	return n;
}

static bool is_sealed(struct day *d, uint64_t segment)
{
	bool sealed;
	struct err err;
	assert_int_equal(day_is_sealed(d, segment, &sealed, &err), 0);
	return sealed;
}

static void test_names(void **state)
{
	static const struct {
		int64_t time;
		const char *name;
	} days[] = {
		{ 1795348800000000, "2026-11-22.db" },
		{ 1795305600000000, "2026-11-22.db" },
		{ 1795305599999999, "2026-11-21.db" },
		{ 1709164800000000, "2024-02-29.db" },
		{ 0, "2000-01-01.db" },
		{ -1, "2000-01-01.db" },
		{ INT64_MIN, "2000-01-01.db" },
		{ INT64_MAX, "2100-01-01.db" },
	};
	static const char *const none[] = { "2026-11-22.db-wal", "2026-11-22",    "2026-13-01.db",
		                            "2026-02-30.db",     "1999-12-31.db", "x",
		                            "2026-11-22.db.x",   "2026-1-2.db",   "" };
	char name[DAY_NAME];
	int32_t day;
	for (size_t i = 0; i < ARRAY_LEN(days); i++) {
		day_name(day_of(days[i].time), name);
		assert_string_equal(name, days[i].name);
		assert_true(day_from_name(name, &day));
		assert_int_equal(day, day_of(days[i].time));
	}
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_false(day_from_name(none[i], &day));
}

static void test_seal(void **state)
{
	char dir[FIXTURE_PATH];
	const struct day_block *blocks;
	size_t n;
	struct err err;
	fixture_folder(dir);
	struct day *d = open_day(dir, false);
	put(d, 7, 0, 100, FIXTURE_NOON, 0);
	put(d, 8, 100, 100, FIXTURE_NOON + 5000, 0);
	put(d, 9, 200, 100, FIXTURE_NOON - 5000, 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(n_blocks(d), 3);
		assert_true(is_sealed(d, 7) && is_sealed(d, 8) && !is_sealed(d, 10));
		assert_int_equal(day_blocks(d, &blocks, &n, &err), 0);
		assert_int_equal(blocks[0].first, FIXTURE_NOON + 5000);
		assert_int_equal(blocks[2].rows, 100);
		day_close(d);
		d = open_day(dir, again == 0);
	}
	assert_int_equal(day_blocks(d, &blocks, &n, &err), 0);
	bool may;
	const uint64_t there = bloom_hash(STR("web")), not_there = bloom_hash(STR("nowhere"));
	assert_int_equal(day_may_have(d, &blocks[0], &there, 1, &may, &err), 0);
	assert_true(may);
	assert_int_equal(day_may_have(d, &blocks[0], &not_there, 1, &may, &err), 0);
	assert_false(may);
	uint64_t last;
	assert_int_equal(day_last_sealed(d, &last, &err), 0);
	assert_int_equal(last, 9);
	day_close(d);
	fixture_remove(dir);
}

/* A reader sees the day as it was, until it lets go. */
static void test_snapshot(void **state)
{
	char dir[FIXTURE_PATH];
	const struct day_block *blocks;
	size_t n;
	char bytes[64];
	struct err err;
	fixture_folder(dir);
	struct day *w = open_day(dir, false);
	put(w, 1, 0, 50, FIXTURE_NOON, 0);
	struct day *r = open_day(dir, true);
	assert_int_equal(day_blocks(r, &blocks, &n, &err), 0);
	struct day_reader reader = { r, blocks[0].number };
	put(w, 2, 0, 100, FIXTURE_NOON, blocks[0].number);
	assert_int_equal(n_blocks(r), 1);
	assert_false(is_sealed(r, 2));
	assert_int_equal(day_bytes(&reader, 0, bytes, sizeof(bytes), &err), 0);
	assert_int_equal(day_bytes(&reader, blocks[0].size - 10, bytes, sizeof(bytes), &err), -EBADMSG);
	day_release(r);
	assert_int_equal(n_blocks(r), 1);
	assert_true(is_sealed(r, 2));
	assert_int_equal(day_bytes(&reader, 0, bytes, sizeof(bytes), &err), -EBADMSG); /* it was replaced */
	assert_int_equal(day_blocks(r, &blocks, &n, &err), 0);
	assert_int_equal(blocks[0].rows, 100);
	day_close(r);
	day_close(w);
	fixture_remove(dir);
}

static off_t size_of(const char *dir)
{
	char path[FIXTURE_PATH + 32];
	struct stat st;
	snprintf(path, sizeof(path), "%s/2026-11-22.db", dir);
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void test_remove_and_copy(void **state)
{
	char dir[FIXTURE_PATH], other[FIXTURE_PATH], path[FIXTURE_PATH + 32];
	int64_t numbers[20];
	struct err err;
	fixture_folder(dir);
	fixture_folder(other);
	struct day *d = open_day(dir, false);
	static char bytes[100000];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * i >> 3);
	for (int64_t i = 0; i < 20; i++) { /* what is in a block doesn't matter here */
		const struct chunk_sealed c = { { bytes, sizeof(bytes) }, { bytes, 3200 }, i, i + 1, 2, 1000 };
		const struct day_put one = { "web", c, NULL, 0 };
		assert_int_equal(day_seal(d, (uint64_t)i + 1, &one, 1, &err), 0);
	}
	snprintf(path, sizeof(path), "%s/2026-11-22.db", other);
	assert_int_equal(day_copy(d, path, &err), 0);
	assert_int_equal(day_copy(d, path, &err), -EEXIST);
	for (int64_t i = 0; i < 15; i++)
		numbers[i] = i + 1;
	off_t before = size_of(other);
	assert_int_equal(day_remove(d, numbers, 15, &err), 0);
	assert_int_equal(n_blocks(d), 5);
	assert_true(size_of(dir) < before / 3);
	assert_true(is_sealed(d, 1));
	day_close(d);
	d = open_day(other, true);
	assert_int_equal(n_blocks(d), 20);
	day_close(d);
	fixture_remove(dir);
	fixture_remove(other);
}

static void run_sql(const char *dir, const char *sql)
{
	char path[FIXTURE_PATH + 32];
	sqlite3 *db;
	snprintf(path, sizeof(path), "%s/2026-11-22.db", dir);
	assert_int_equal(sqlite3_open(path, &db), 0);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), 0);
	sqlite3_close(db);
}

static void test_not_ours(void **state)
{
	char dir[FIXTURE_PATH];
	const struct day_block *blocks;
	struct day *d;
	size_t n;
	struct err err;
	fixture_folder(dir);
	assert_int_equal(day_open(&d, dir, TODAY, true, &err), -ENOENT);
	d = open_day(dir, false);
	put(d, 1, 0, 10, FIXTURE_NOON, 0);
	day_close(d);
	run_sql(dir, "UPDATE block SET last=last-1"); /* what the checksum of the row is for */
	d = open_day(dir, false);
	assert_int_equal(day_blocks(d, &blocks, &n, &err), -EBADMSG);
	day_close(d);
	run_sql(dir, "PRAGMA user_version=2");
	assert_int_equal(day_open(&d, dir, TODAY, false, &err), -EPROTO);
	run_sql(dir, "PRAGMA application_id=1");
	assert_int_equal(day_open(&d, dir, TODAY, false, &err), -EBADMSG);
	fixture_remove(dir);
}

/* One whose making was cut off is made anew; an empty file of a day's name has lost what was in it. */
static void test_cut_to_nothing(void **state)
{
	char dir[FIXTURE_PATH], path[FIXTURE_PATH + 32];
	struct day *d;
	struct err err;
	fixture_folder(dir);
	snprintf(path, sizeof(path), "%s/2026-11-22.db.new", dir);
	FILE *begun = fopen(path, "w");
	assert_int_equal(fputs("begun", begun) < 0 || fclose(begun), 0);
	d = open_day(dir, false);
	put(d, 1, 0, 10, FIXTURE_NOON, 0);
	day_close(d);
	assert_int_not_equal(access(path, F_OK), 0);
	path[strlen(path) - 4] = '\0';
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(day_open(&d, dir, TODAY, true, &err), -EBADMSG);
	assert_int_equal(day_open(&d, dir, TODAY, false, &err), -EBADMSG);
	fixture_remove(dir);
}

/* Stopped after each step, and gone on with. */
static void test_salvage(void **state)
{
	char dir[FIXTURE_PATH], from[FIXTURE_PATH + 64], to[FIXTURE_PATH + 64];
	struct err err = { 0 };
	fixture_folder(dir);
	struct day *d = open_day(dir, false);
	for (uint64_t i = 0; i < 30; i++)
		put(d, i + 1, i * 100, 100, FIXTURE_NOON + (int64_t)i, 0);
	day_close(d);
	run_sql(dir, "UPDATE block SET last=last-1 WHERE number=3; DELETE FROM data WHERE number=5; "
	             "DELETE FROM block WHERE number=6; DELETE FROM filter WHERE number=7");
	snprintf(from, sizeof(from), "%s/2026-11-22.db", dir);
	snprintf(to, sizeof(to), "%s/2026-11-22.db.damaged-1", dir);
	assert_int_equal(rename(from, to), 0);
	d = open_day(dir, false);
	uint64_t events = 0, lost = 0;
	int more = 1;
	for (int i = 0; more > 0 && i < 50; i++) {
		struct day_salvage *s;
		uint64_t e, l;
		bool done;
		assert_int_equal(day_salvage_open(&s, dir, "2026-11-22.db.damaged-1", d, &err), 0);
		more = day_salvage_step(s, d, &err);
		day_salvage_counts(s, &e, &l);
		events += e;
		lost += l;
		day_salvage_close(s);
		assert_int_equal(day_is_salvaged(d, "2026-11-22.db.damaged-1", &done, &err), 0);
		assert_int_equal(done, !more);
	}
	assert_int_equal(more, 0);
	assert_int_equal(n_blocks(d), 29);
	assert_int_equal(events, 2900);
	assert_int_equal(lost, 1);
	assert_true(is_sealed(d, 1) && is_sealed(d, 30) && !is_sealed(d, 31));
	day_close(d);
	fixture_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),    cmocka_unit_test(test_seal),
		cmocka_unit_test(test_snapshot), cmocka_unit_test(test_remove_and_copy),
		cmocka_unit_test(test_not_ours), cmocka_unit_test(test_cut_to_nothing),
		cmocka_unit_test(test_salvage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
