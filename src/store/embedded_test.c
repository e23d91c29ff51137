/* The embedded store: what is taken comes back once and byte for byte, sealed or not, after whatever was closed. */
#include "store/embedded_inside.h"
#include "store/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

/* The system's call, made to fail when a test says so. */
static int fail_syncs;

int fdatasync(int fd)
{
	if (fail_syncs && fail_syncs--) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

struct store {
	char dir[FIXTURE_PATH];
	struct clock clock;
	struct events *s;
	struct fixture_notes notes;
	struct fixture_seen want, have;
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

static void start(struct store *t, size_t cap)
{
	memset(t, 0, sizeof(*t));
	fixture_folder(t->dir);
	clock_test(&t->clock, FIXTURE_NOON);
	t->want = (struct fixture_seen){ .times = calloc(cap, 1), .cap = cap };
	t->have = (struct fixture_seen){ .times = calloc(cap, 1), .cap = cap };
	open_store(t);
}

static void stop(struct store *t)
{
	events_embedded.close(t->s);
	fixture_remove(t->dir);
	free(t->want.times);
	free(t->have.times);
}

/* Takes events from..to-1 as one append; the verdict of the first. */
static uint8_t take(struct store *t, uint64_t from, uint64_t to, int64_t time, const char *dataset, bool ids,
                    unsigned pad)
{
	size_t n = to - from;
	struct fixture_event *e = calloc(n, sizeof(*e));
	struct event_row *rows = calloc(n, sizeof(*rows));
	uint8_t *verdict = calloc(n, 1), first;
	uint64_t seq;
	struct err err = { 0 };
	for (size_t i = 0; i < n; i++) {
		fixture_event(&e[i], from + i, time + (int64_t)i, dataset, ids, pad);
		rows[i] = e[i].row;
	}
	if (events_embedded.append(t->s, rows, n, verdict, &seq, &err))
		fail_msg("%s", err.text);
	for (size_t i = 0; i < n; i++)
		t->want.times[from + i] += verdict[i] == EVENT_KEPT;
	first = verdict[0];
	free(e);
	free(rows);
	free(verdict);
	return first;
}

static void check(struct store *t)
{
	uint64_t damaged = 0;
	memset(t->have.times, 0, t->have.cap);
	t->have.total = t->have.foreign = 0;
	fixture_see_all(t->s, &t->have, &damaged);
	assert_int_equal(damaged, 0);
	assert_int_equal(t->have.foreign, 0);
	for (size_t i = 0; i < t->want.cap; i++)
		if (t->have.times[i] != t->want.times[i])
			fail_msg("event %zu is there %u times, not %u", i, t->have.times[i], t->want.times[i]);
}

static void seal_all(struct store *t)
{
	struct err err;
	assert_int_equal(embedded_turn(t->s, &err), 0);
	fixture_settle(t->s, &t->clock);
	assert_int_equal(t->s->n_pending, 1);
}

static void test_kept_and_sealed(void **state)
{
	struct store t;
	struct err err;
	start(&t, 20000);
	take(&t, 0, 9000, FIXTURE_NOON, "web", false, 10);
	take(&t, 9000, 9100, FIXTURE_NOON - 86400 * (int64_t)CLOCK_S, "auth", false, 0);
	assert_int_equal(events_embedded.sync(t.s, &err), 0);
	check(&t);
	seal_all(&t);
	check(&t);
	assert_int_equal(t.s->pending[0]->n, 0);
	/* 9000 = two blocks of one size, 100 of the day before */
	assert_int_equal(events_embedded.counts(t.s).blocks, 3);
	take(&t, 9100, 9200, FIXTURE_NOON, "web", false, 0);
	events_embedded.close(t.s);
	open_store(&t);
	check(&t);
	stop(&t);
}

/* Little by little doesn't become many little blocks. */
static void test_small_blocks_merge(void **state)
{
	struct store t;
	struct day *d;
	const struct day_block *blocks;
	size_t n, rows = 0;
	struct err err;
	start(&t, 10000);
	for (uint64_t i = 0; i < 20; i++) {
		take(&t, i * 300, (i + 1) * 300, FIXTURE_NOON + (int64_t)i * CLOCK_S, i % 2 ? "web" : "auth", false, 0);
		seal_all(&t);
	}
	check(&t);
	assert_int_equal(embedded_day(t.s, day_of(FIXTURE_NOON), &d, &err), 0);
	assert_int_equal(day_blocks(d, &blocks, &n, &err), 0);
	/* 10 of 300 each: 8 of them in one, 2 in another, and all packed 4 times at most */
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++) {
		assert_true(blocks[i].rows == 2400 || blocks[i].rows == 600);
		rows += blocks[i].rows;
	}
	assert_int_equal(rows, 6000);
	assert_int_equal(events_embedded.counts(t.s).blocks, 20);
	stop(&t);
}

/* A frame that is damaged between taking and sealing costs its rows, is told once, and the others go on. */
static void test_damaged_before_sealing(void **state)
{
	struct store t;
	struct err err;
	char path[FIXTURE_PATH + 64];
	start(&t, 300);
	for (uint64_t i = 0; i < 3; i++) /* as a frame each */
		take(&t, i * 100, (i + 1) * 100, FIXTURE_NOON, i % 2 ? "web" : "auth", false, 0);
	assert_int_equal(events_embedded.sync(t.s, &err), 0);
	journal_rest(t.s->journal);
	snprintf(path, sizeof(path), "%s/journal/%016d.log", t.dir, 1);
	int fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, "\x5a\xa5", 2, t.s->pending[0]->rows[250].at + 40), 2);
	close(fd);
	t.notes.text[0] = 0;
	seal_all(&t);
	memset(t.want.times + 200, 0, 100);
	check(&t);
	assert_int_equal(events_embedded.counts(t.s).lost_frames, 1);
	assert_non_null(strstr(t.notes.text, "journal-damaged"));
	stop(&t);
}

static void test_known(void **state)
{
	struct store t;
	start(&t, 40000);
	assert_int_equal(take(&t, 0, 20000, FIXTURE_NOON, "web", true, 0), EVENT_KEPT);
	assert_int_equal(take(&t, 0, 20000, FIXTURE_NOON, "web", true, 0), EVENT_KNOWN);
	check(&t);
	seal_all(&t);
	assert_int_equal(take(&t, 0, 20000, FIXTURE_NOON, "web", true, 0), EVENT_KNOWN); /* in blocks */
	assert_int_equal(take(&t, 20000, 20010, FIXTURE_NOON + 5, "web", true, 0), EVENT_KEPT);
	assert_int_equal(take(&t, 20000, 20010, FIXTURE_NOON + 5, "auth", true, 0),
	                 EVENT_KEPT); /* an id is of a dataset */
	assert_int_equal(take(&t, 30000, 30010, FIXTURE_NOON, "web", false, 0), EVENT_KEPT);
	assert_int_equal(take(&t, 30000, 30010, FIXTURE_NOON, "web", false, 0), EVENT_KEPT); /* repeats stay repeats */
	events_embedded.close(t.s);
	open_store(&t);
	assert_int_equal(take(&t, 0, 20000, FIXTURE_NOON, "web", true, 0), EVENT_KNOWN);
	assert_int_equal(take(&t, 20000, 20010, FIXTURE_NOON + 5, "web", true, 0), EVENT_KNOWN);
	check(&t);
	stop(&t);
}

static void test_known_in_one_append(void **state)
{
	struct store t;
	struct fixture_event e[2];
	uint8_t verdict[4];
	uint64_t seq, next;
	struct err err;
	start(&t, 10);
	fixture_event(&e[0], 1, FIXTURE_NOON, "web", true, 0);
	fixture_event(&e[1], 2, FIXTURE_NOON, "web", true, 0);
	const struct event_row rows[] = { e[0].row, e[1].row, e[0].row, e[1].row };
	assert_int_equal(events_embedded.append(t.s, rows, 4, verdict, &seq, &err), 0);
	static const uint8_t want[] = { EVENT_KEPT, EVENT_KEPT, EVENT_KNOWN, EVENT_KNOWN };
	assert_memory_equal(verdict, want, sizeof(want));
	assert_int_equal(seq, 1);
	/* known ones take a number, and numbers don't return */
	assert_int_equal(events_embedded.append(t.s, rows, 4, verdict, &seq, &err), 0);
	assert_int_equal(seq, 5);
	events_embedded.close(t.s);
	open_store(&t);
	fixture_event(&e[0], 3, FIXTURE_NOON, "web", true, 0);
	assert_int_equal(events_embedded.append(t.s, &e[0].row, 1, verdict, &next, &err), 0);
	assert_int_equal(next, 9);
	stop(&t);
}

/* An event without a time of its own is dated when it comes: sent again it has another time, across midnight too. */
static void test_known_without_a_time(void **state)
{
	static const struct {
		int64_t later, since; /* s, from when it came first */
		bool known;
	} again[] = {
		{ 3600, 3600, false }, /* it can't have come before */
		{ 3600, 1, false },     { 3600, 0, true },          { 43200 + 5, -100, true },
		{ 86400 * 3, 0, true }, { 86400 * 3, 3600, false }, { -3600, -3600, true }, /* the clock was set back */
		{ -3600, 5, true },
	};
	for (size_t i = 0; i < ARRAY_LEN(again); i++) {
		struct store t;
		struct fixture_event e;
		uint8_t verdict;
		uint64_t seq;
		start(&t, 1000);
		take(&t, 0, 500, FIXTURE_NOON, "web", true, 0);
		seal_all(&t);
		fixture_event(&e, 0, FIXTURE_NOON, "web", true, 0);
		e.row.time = FIXTURE_NOON + again[i].later * CLOCK_S;
		e.row.since = FIXTURE_NOON + again[i].since * CLOCK_S;
		assert_int_equal(events_embedded.append(t.s, &e.row, 1, &verdict, &seq, NULL), 0);
		assert_int_equal(verdict, again[i].known ? EVENT_KNOWN : EVENT_KEPT);
		stop(&t);
	}
}

/* All segments gone, the clock back by an hour, the journal's folder lost: no number twice. */
static void test_numbers_go_on(void **state)
{
	struct store t;
	struct fixture_event e;
	uint8_t verdict;
	uint64_t seq, lost;
	struct err err;
	start(&t, 1000);
	take(&t, 0, 500, FIXTURE_NOON, "web", false, 0);
	seal_all(&t);
	clock_test(&t.clock, FIXTURE_NOON - 3600 * (int64_t)CLOCK_S);
	events_embedded.close(t.s);
	open_store(&t);
	fixture_event(&e, 500, FIXTURE_NOON, "web", false, 0);
	assert_int_equal(events_embedded.append(t.s, &e.row, 1, &verdict, &seq, &err), 0);
	assert_int_equal(seq, 501);
	seal_all(&t);
	events_embedded.close(t.s);
	char path[FIXTURE_PATH + 16];
	snprintf(path, sizeof(path), "%s/journal", t.dir);
	fixture_remove(path);
	open_store(&t);
	fixture_event(&e, 501, FIXTURE_NOON, "web", false, 0);
	assert_int_equal(events_embedded.append(t.s, &e.row, 1, &verdict, &lost, &err), 0);
	assert_true(lost > seq);
	t.want.times[500]++;
	t.want.times[501]++;
	seal_all(&t);
	check(&t);
	stop(&t);
}

/* A folder has one writer, and readers beside it see all, once. */
static void test_reader_beside_writer(void **state)
{
	struct store t;
	struct events *second = NULL, *reader;
	struct err err;
	start(&t, 10000);
	struct events_config config = { .dir = t.dir, .clock = &t.clock };
	assert_int_equal(events_embedded.open(&second, &config, &err), -EBUSY);
	take(&t, 0, 5000, FIXTURE_NOON, "web", false, 0);
	config.read_only = true;
	assert_int_equal(events_embedded.open(&reader, &config, &err), 0);
	struct events *writer = t.s;
	uint8_t verdict;
	uint64_t seq;
	struct fixture_event e;
	fixture_event(&e, 1, FIXTURE_NOON, "web", false, 0);
	assert_int_equal(events_embedded.append(reader, &e.row, 1, &verdict, &seq, &err), -EROFS);
	for (int i = 0; i < 4; i++) {
		/* what moves while a search goes on is where it was for it */
		t.s = reader;
		assert_int_equal(days_begin(reader, &err), 0);
		if (i % 2) {
			t.s = writer;
			seal_all(&t);
			t.s = reader;
		}
		check(&t);
		days_end(reader);
		t.s = writer;
		if (i == 1)
			take(&t, 5000, 5100, FIXTURE_NOON + 9, "web", false, 0);
	}
	t.s = reader;
	assert_int_equal(days_begin(reader, &err), 0);
	check(&t);
	days_end(reader);
	t.s = writer;
	events_embedded.close(reader);
	stop(&t);
}

/* A segment's events are in one of their days, and not in the other yet: for who writes, reads, and opens anew. */
static void test_half_sealed(void **state)
{
	struct store t;
	struct events *reader;
	struct err err;
	start(&t, 4000);
	take(&t, 0, 2000, FIXTURE_NOON - 86400 * (int64_t)CLOCK_S, "web", true, 0);
	take(&t, 2000, 4000, FIXTURE_NOON, "web", true, 0);
	assert_int_equal(events_embedded.sync(t.s, &err), 0);
	assert_int_equal(embedded_turn(t.s, &err), 0);
	while (!t.s->pending[0]->n_sealed)
		assert_int_equal(seal_work(t.s, 0, &err), 0);
	assert_int_equal(t.s->n_pending, 2);
	check(&t);
	const struct events_config config = { .dir = t.dir, .clock = &t.clock, .read_only = true };
	assert_int_equal(events_embedded.open(&reader, &config, &err), 0);
	struct events *writer = t.s;
	t.s = reader;
	assert_int_equal(days_begin(reader, &err), 0);
	check(&t);
	days_end(reader);
	events_embedded.close(reader);
	t.s = writer;
	events_embedded.close(t.s);
	open_store(&t);
	check(&t);
	fixture_settle(t.s, &t.clock);
	check(&t);
	stop(&t);
}

/* More is taken than the days are given time for: taking does it, and nothing is dropped. */
static void test_backpressure(void **state)
{
	struct store t;
	start(&t, 140000);
	for (uint64_t i = 0; i < 14; i++)
		take(&t, i * 10000, (i + 1) * 10000, FIXTURE_NOON + (int64_t)i * CLOCK_S, "web", false, 780);
	assert_true(t.s->n_pending <= WAITING_SEGMENTS + 2);
	assert_true(events_embedded.counts(t.s).blocks > 0);
	check(&t);
	stop(&t);
}

/* Rows that an fsync may have lost are written anew elsewhere: they are known, found and sealed from there. */
static void test_failed_sync(void **state)
{
	struct store t;
	struct err err;
	start(&t, 10000);
	for (uint64_t i = 0; i < 6; i++) {
		uint64_t n = i * 1000;
		take(&t, n, n + 300, FIXTURE_NOON + (int64_t)n, "web", true, 0);
		if (i % 2)
			assert_int_equal(events_embedded.sync(t.s, &err), 0);
		take(&t, n + 300, n + 600, FIXTURE_NOON + (int64_t)n + 300, "auth", true, 0);
		fail_syncs = 1;
		assert_int_equal(i == 5 ? embedded_turn(t.s, &err) : events_embedded.sync(t.s, &err), 0);
		assert_int_equal(fail_syncs, 0);
		check(&t);
		assert_int_equal(take(&t, n, n + 300, FIXTURE_NOON + (int64_t)n, "web", true, 0), EVENT_KNOWN);
		assert_int_equal(take(&t, n + 300, n + 600, FIXTURE_NOON + (int64_t)n + 300, "auth", true, 0),
		                 EVENT_KNOWN);
		if (i == 2) {
			events_embedded.close(t.s);
			open_store(&t);
		}
	}
	check(&t);
	seal_all(&t);
	check(&t);
	assert_non_null(strstr(t.notes.text, "journal-fsync"));
	stop(&t);
}

static int collect(void *arg, uint64_t seq, const struct event_row *row)
{
	uint64_t *last = arg;
	assert_true(seq > *last);
	*last = seq;
	return seq == 777 ? 42 : 0;
}

static void test_replay(void **state)
{
	struct store t;
	struct err err;
	uint64_t last = 0;
	start(&t, 2000);
	take(&t, 0, 500, FIXTURE_NOON, "web", false, 0);
	seal_all(&t);
	take(&t, 500, 700, FIXTURE_NOON, "web", false, 0);
	events_embedded.close(t.s);
	open_store(&t);
	assert_int_equal(events_embedded.replay(t.s, collect, &last, &err), 0);
	assert_int_equal(last, 700);
	take(&t, 700, 900, FIXTURE_NOON, "web", false, 0);
	last = 0;
	assert_int_equal(events_embedded.replay(t.s, collect, &last, &err), 42);
	stop(&t);
}

/* Whatever is done in whatever order. */
static void test_oracle(void **state)
{
	static const char *const datasets[] = { "web", "auth", "process" };
	struct store t;
	uint64_t x = 12345, n = 0;
	struct err err;
	start(&t, 60000);
	for (int i = 0; i < 150; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		int64_t time = FIXTURE_NOON + (int64_t)(x >> 20 & 3) * 43200 * CLOCK_S + i * (int64_t)CLOCK_S;
		uint64_t count = 1 + (x >> 32) % 600;
		switch (x % 8) {
		case 0: seal_all(&t); break;
		case 1:
			events_embedded.close(t.s);
			open_store(&t);
			break;
		case 2: assert_int_equal(events_embedded.sync(t.s, &err), 0); break;
		case 3: fixture_settle(t.s, &t.clock); break;
		default:
			take(&t, n, n + count, time, datasets[x >> 8 & 1], true, (unsigned)(x >> 12) % 200);
			if (x >> 60 & 1)
				assert_int_equal(take(&t, n, n + count, time, datasets[x >> 8 & 1], true,
				                      (unsigned)(x >> 12) % 200),
				                 EVENT_KNOWN);
			n += count;
		}
		if (i % 25 == 0)
			check(&t);
	}
	check(&t);
	stop(&t);
}

static void test_backup(void **state)
{
	struct store t;
	struct err err;
	start(&t, 3000);
	take(&t, 0, 1000, FIXTURE_NOON, "web", true, 0);
	seal_all(&t);
	take(&t, 1000, 1500, FIXTURE_NOON, "web", true, 0);
	char dir[FIXTURE_PATH], from[FIXTURE_PATH];
	memcpy(from, t.dir, sizeof(from));
	fixture_folder(dir);
	assert_int_equal(events_embedded.backup(t.s, dir, &err), 0);
	assert_int_equal(events_embedded.backup(t.s, dir, &err), -EEXIST);
	events_embedded.close(t.s);
	memcpy(t.dir, dir, sizeof(dir));
	open_store(&t);
	check(&t);
	assert_int_equal(take(&t, 0, 1500, FIXTURE_NOON, "web", true, 0), EVENT_KNOWN);
	seal_all(&t);
	check(&t);
	fixture_remove(from);
	stop(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept_and_sealed),
		cmocka_unit_test(test_small_blocks_merge),
		cmocka_unit_test(test_damaged_before_sealing),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_known_in_one_append),
		cmocka_unit_test(test_known_without_a_time),
		cmocka_unit_test(test_numbers_go_on),
		cmocka_unit_test(test_reader_beside_writer),
		cmocka_unit_test(test_half_sealed),
		cmocka_unit_test(test_backpressure),
		cmocka_unit_test(test_failed_sync),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_oracle),
		cmocka_unit_test(test_backup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
