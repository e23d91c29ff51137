/* What is sent again is known, whatever it is looked for in; what is new is kept. */
#include "store/embedded_blocks.h"
#include "store/sqlite.h"
#include "store/store_fixture.h"

#include <errno.h>

static const int64_t DAY = (int64_t)86400 * CLOCK_S;

struct store {
	char dir[FIXTURE_PATH];
	struct clock clock;
	struct events *s;
	struct fixture_notes notes;
};

static void open_store(struct store *t)
{
	struct err err = { 0 };
	const struct events_config config = {
		.dir = t->dir, .clock = &t->clock, .note = fixture_note, .arg = &t->notes
	};
	if (events_embedded.open(&t->s, &config, &err))
		fail_msg("%s", err.text);
}

static void start(struct store *t)
{
	memset(t, 0, sizeof(*t));
	fixture_folder(t->dir);
	clock_test(&t->clock, FIXTURE_NOON);
	open_store(t);
}

static void stop(struct store *t)
{
	events_embedded.close(t->s);
	fixture_remove(t->dir);
}

static void seal_all(struct store *t)
{
	struct err err;
	assert_int_equal(embedded_turn(t->s, &err), 0);
	fixture_settle(t->s, &t->clock);
	assert_int_equal(t->s->n_pending, 1);
}

/* Events from..to-1 of one time in one append; how many of them were known. */
static size_t take(struct store *t, uint64_t from, uint64_t to, int64_t time, int64_t since, const char *dataset)
{
	const size_t n = to - from;
	struct fixture_event *e = calloc(n, sizeof(*e));
	struct event_row *rows = calloc(n, sizeof(*rows));
	uint8_t *verdict = calloc(n, 1);
	uint64_t seq;
	struct err err = { 0 };
	for (size_t i = 0; i < n; i++) {
		fixture_event(&e[i], from + i, time, dataset, true, 0);
		rows[i] = e[i].row;
		rows[i].since = since;
	}
	if (events_embedded.append(t->s, rows, n, verdict, &seq, &err))
		fail_msg("%s", err.text);
	size_t known = 0;
	for (size_t i = 0; i < n; i++)
		known += verdict[i] == EVENT_KNOWN;
	free(e);
	free(rows);
	free(verdict);
	return known;
}

enum { MANY_DAYS = 40, A_DAY = 300 };

/* More blocks than sets are made for one event, and more days than are held: one by one and all at once. */
static void test_many_days(void **state)
{
	struct store t;
	start(&t);
	for (int64_t i = 0; i < MANY_DAYS; i++)
		take(&t, (uint64_t)i * A_DAY, (uint64_t)(i + 1) * A_DAY, FIXTURE_NOON - i * DAY, 0, "web");
	seal_all(&t);
	const int64_t now = FIXTURE_NOON + DAY, since = FIXTURE_NOON - MANY_DAYS * DAY;
	const uint64_t all = (uint64_t)MANY_DAYS * A_DAY;
	assert_int_equal(take(&t, all - 1, all, now, since, "web"), 1); /* the oldest, while there is no set of it */
	for (uint64_t i = 0; i < 60; i++) {
		const uint64_t old = i * 211 % all, fresh = all + i;
		assert_int_equal(take(&t, old, old + 1, now, since, "web"), 1);
		assert_int_equal(take(&t, fresh, fresh + 1, now, since, "web"), 0);
		assert_int_equal(take(&t, fresh, fresh + 1, now, since, "auth"), 0);
	}
	assert_int_equal(take(&t, 0, all, now, since, "web"), all);
	assert_int_equal(take(&t, 0, all + 60, now, since, "auth"), 60);
	/* only the later half is looked at */
	assert_int_equal(take(&t, 0, all, now + 1, FIXTURE_NOON - (MANY_DAYS / 2 - 1) * DAY, "web"), all / 2);
	stop(&t);
}

/* An event without a time of its own, and a clock that is wrong. */
static void test_under_which_time(void **state)
{
	static const struct {
		int64_t time, since; /* of it, when it comes again; s after when it came first */
		size_t known;
	} again[] = {
		{ 0, 0, 1 },         { 7200, 7200, 0 },  { 7200, 60, 0 },         { 7200, -60, 1 },
		{ 43200, -3600, 1 }, { 86400, 3600, 0 }, { -3600, -3600, 1 },     { -80000, -90000, 1 },
		{ -3600, 7200, 1 },  { 3600, 0, 1 },     { -200000, -200000, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(again); i++) {
		struct store t;
		start(&t);
		take(&t, 0, 100, FIXTURE_NOON, 0, "web");
		seal_all(&t);
		const int64_t time = FIXTURE_NOON + again[i].time * CLOCK_S,
		              since = FIXTURE_NOON + again[i].since * CLOCK_S;
		assert_int_equal(take(&t, 7, 8, time, since, "web"), again[i].known);
		stop(&t);
	}
}

/* Each row of an append by its own times, whatever stands beside it. */
static void test_side_by_side(void **state)
{
	struct store t;
	struct fixture_event e[4];
	struct event_row rows[4];
	uint8_t verdict[4];
	uint64_t seq;
	start(&t);
	take(&t, 0, 100, FIXTURE_NOON, 0, "web");
	seal_all(&t);
	for (uint64_t i = 0; i < 4; i++) {
		fixture_event(&e[i], i, FIXTURE_NOON + CLOCK_S, "web", true, 0);
		rows[i] = e[i].row;
	}
	rows[1].since = FIXTURE_NOON - DAY;
	rows[3].time = FIXTURE_NOON;
	assert_int_equal(events_embedded.append(t.s, rows, 4, verdict, &seq, NULL), 0);
	static const uint8_t want[] = { EVENT_KEPT, EVENT_KNOWN, EVENT_KEPT, EVENT_KNOWN };
	assert_memory_equal(verdict, want, sizeof(want));
	stop(&t);
}

/* A block that reaches far back stands behind others that don't. */
static void test_late_events(void **state)
{
	enum { BLOCK = 5000 };
	static const struct {
		int64_t first, last; /* h */
	} blocks[] = { { 0, 0 }, { -3, 2 }, { 1, 1 } };
	struct store t;
	start(&t);
	for (uint64_t i = 0; i < ARRAY_LEN(blocks); i++) {
		const uint64_t from = i * BLOCK;
		take(&t, from, from + BLOCK / 2, FIXTURE_NOON + blocks[i].first * 3600 * CLOCK_S, 0, "web");
		take(&t, from + BLOCK / 2, from + BLOCK, FIXTURE_NOON + blocks[i].last * 3600 * CLOCK_S, 0, "web");
		seal_all(&t);
	}
	assert_int_equal(take(&t, BLOCK, BLOCK + 5, FIXTURE_NOON + 1800 * (int64_t)CLOCK_S, 0, "web"), 5);
	assert_int_equal(take(&t, 2 * BLOCK, 2 * BLOCK + 5, FIXTURE_NOON + 1800 * (int64_t)CLOCK_S, 0, "web"), 0);
	stop(&t);
}

/* Ids of rows of many kinds in one append: whatever was kept in reach is known, nothing that is new. */
static void test_oracle(void **state)
{
	enum { EVENTS = 3000, ROWS = 200 };
	static const char *const datasets[] = { "web", "auth", "process" };
	static struct fixture_event e[ROWS];
	static struct event_row rows[ROWS];
	static int64_t kept[3][EVENTS];
	uint8_t verdict[ROWS];
	uint64_t x = 88172645463325252, seq;
	struct store t;
	start(&t);
	memset(kept, 0, sizeof(kept));
	for (int round = 0; round < 120; round++) {
		uint64_t ns[ROWS];
		size_t d[ROWS];
		for (size_t i = 0; i < ROWS; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			ns[i] = x % EVENTS;
			d[i] = x >> 20 & 1 ? 0 : (x >> 21) % 3;
			const int64_t time = FIXTURE_NOON - (int64_t)(x >> 32 & 7) * DAY / 2 + round * CLOCK_S;
			fixture_event(&e[i], ns[i], time, datasets[d[i]], true, 0);
			rows[i] = e[i].row;
			if (x >> 40 & 1)
				rows[i].since = time - (int64_t)(x >> 41 & 3) * DAY;
		}
		assert_int_equal(events_embedded.append(t.s, rows, ROWS, verdict, &seq, NULL), 0);
		for (size_t i = 0; i < ROWS; i++) {
			int64_t *was = &kept[d[i]][ns[i]], from = rows[i].since ? rows[i].since : rows[i].time;
			if (*was >= from && *was <= rows[i].time)
				assert_int_equal(verdict[i], EVENT_KNOWN);
			if (!*was)
				assert_int_equal(verdict[i], EVENT_KEPT);
			*was = verdict[i] == EVENT_KEPT ? rows[i].time : *was;
		}
		if (x >> 50 & 1)
			seal_all(&t);
		if (round % 40 == 39) {
			events_embedded.close(t.s);
			open_store(&t);
		}
	}
	stop(&t);
}

/* A block whose bytes are gone says nothing: its events are kept, and those of others are known. */
static void test_damaged_block(void **state)
{
	struct store t;
	char sql[FIXTURE_PATH + 200], name[DAY_NAME];
	sqlite3 *db;
	start(&t);
	take(&t, 0, 500, FIXTURE_NOON, 0, "web");
	take(&t, 500, 1000, FIXTURE_NOON, 0, "auth");
	seal_all(&t);
	events_embedded.close(t.s);
	day_name(day_of(FIXTURE_NOON), name);
	snprintf(sql, sizeof(sql), "%s/days/%s", t.dir, name);
	assert_int_equal(sqlite3_open(sql, &db), SQLITE_OK);
	snprintf(sql, sizeof(sql),
	         "UPDATE data SET bytes=zeroblob(length(bytes)) WHERE number=(SELECT number FROM block WHERE "
	         "dataset='web')");
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	open_store(&t);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(take(&t, i, i + 1, FIXTURE_NOON, 0, "web"), 0);
		assert_int_equal(take(&t, 500 + i, 501 + i, FIXTURE_NOON, 0, "auth"), 1);
	}
	stop(&t);
}

/* Who goes through more than there is room for keeps most of what it has; what nobody asks for gives way. */
static void test_shelves(void **state)
{
	enum { ROOM = SHELVES * SHELF, MORE = 2 * ROOM };
	struct shelves *s = calloc(1, sizeof(*s));
	uint64_t hash = 1;
	size_t had = 0, made = 0;
	assert_non_null(s);
	for (int append = 0; append < 20; append++) {
		shelves_begin(s, MORE);
		had = made = 0;
		for (int64_t i = 0; i < MORE; i++) {
			struct shelved *to;
			if (shelves_get(s, 20000, i)) {
				had++;
			} else if ((to = shelves_room(s, 20000, i))) {
				shelves_put(s, to, 20000, i, idset_new(&hash, 1));
				made++;
			}
		}
		assert_true(append ? made <= 1 && had >= ROOM - 2 : made >= ROOM && made <= ROOM + 1);
	}
	for (int i = 0; i < 300; i++)
		shelves_begin(s, 5);
	for (int64_t i = 0; i < 5; i++) {
		struct shelved *to = shelves_room(s, 20001, i);
		assert_non_null(to);
		shelves_put(s, to, 20001, i, idset_new(&hash, 1));
		assert_non_null(shelves_get(s, 20001, i));
	}
	assert_null(shelves_room(s, 20001, 5));
	shelves_drop(s, 20001);
	assert_null(shelves_get(s, 20001, 0));
	shelves_free(s);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_days),    cmocka_unit_test(test_under_which_time),
		cmocka_unit_test(test_side_by_side), cmocka_unit_test(test_late_events),
		cmocka_unit_test(test_oracle),       cmocka_unit_test(test_damaged_block),
		cmocka_unit_test(test_shelves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
