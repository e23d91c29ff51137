/* The journal: what was synced is read again, whatever the disk did to the rest. */
#include "store/journal_inside.h"
#include "store/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

/* The system's calls, made to fail when a test says so. */
static int fail_syncs, fail_writes;
static size_t write_short; /* a write that fails has written so much */

int fdatasync(int fd)
{
	if (fail_syncs && fail_syncs--) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (fail_writes && fail_writes--) {
		if (write_short) {
			fail_writes++;
			n = n < write_short ? n : write_short;
			write_short = 0;
			return syscall(SYS_pwrite64, fd, p, n, at);
		}
		errno = ENOSPC;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, p, n, at);
}

struct log {
	char dir[FIXTURE_PATH];
	struct journal *j;
	struct fixture_notes notes;
	uint64_t n, last;
	uint8_t times[100000]; /* by number of the event */
};

static int see(void *arg, uint64_t segment, uint64_t seq, uint32_t at, const struct event_row *row)
{
	struct log *l = arg;
	struct fixture_event e;
	assert_true(seq > l->last && seq >= segment);
	fixture_event(&e, seq, (int64_t)seq * 7, "web", seq % 3, (unsigned)seq % 50);
	assert_true(str_eq(row->json, e.row.json) && str_eq(row->id, e.row.id) && str_eq(row->dataset, e.row.dataset));
	assert_int_equal(row->time, e.row.time);
	l->times[seq]++;
	l->last = seq;
	l->n++;
	return 0;
}

static void begin(struct log *l)
{
	struct err err = { 0 };
	const struct journal_config config = { .dir = l->dir, .note = fixture_note, .arg = &l->notes };
	if (journal_open(&l->j, &config, &err))
		fail_msg("%s", err.text);
	l->n = l->last = 0;
	memset(l->times, 0, sizeof(l->times));
	assert_int_equal(journal_read(l->j, see, l, &err), 0);
}

static void again(struct log *l)
{
	journal_close(l->j);
	begin(l);
}

static struct log *start(void)
{
	struct log *l = calloc(1, sizeof(*l));
	fixture_folder(l->dir);
	fixture_remove(l->dir); /* the journal makes it */
	begin(l);
	return l;
}

static void stop(struct log *l)
{
	fail_syncs = fail_writes = 0;
	journal_close(l->j);
	fixture_remove(l->dir);
	free(l);
}

/* Appends the next n numbers; those of which seq % 5 is `known` are known. */
static int put(struct log *l, size_t n, unsigned known)
{
	struct fixture_event *e = calloc(n, sizeof(*e));
	struct event_row *rows = calloc(n, sizeof(*rows));
	uint8_t *verdict = calloc(n, 1);
	uint64_t seq, from = journal_next(l->j);
	struct err err;
	for (size_t i = 0; i < n; i++) {
		uint64_t s = from + i;
		fixture_event(&e[i], s, (int64_t)s * 7, "web", s % 3, (unsigned)s % 50);
		rows[i] = e[i].row;
		verdict[i] = s % 5 == known ? EVENT_KNOWN : EVENT_KEPT;
	}
	int code = journal_append(l->j, rows, n, verdict, NULL, &seq, &err);
	if (!code)
		assert_int_equal(seq, from);
	free(e);
	free(rows);
	free(verdict);
	return code;
}

static void sync_it(struct log *l)
{
	struct err err;
	assert_int_equal(journal_sync(l->j, &err), 0);
}

static void path_of(const struct log *l, uint64_t segment, char path[FIXTURE_PATH + 64])
{
	snprintf(path, FIXTURE_PATH + 64, "%s/%016llu.log", l->dir, (unsigned long long)segment);
}

static void test_comes_back(void **state)
{
	struct log *l = start();
	struct err err;
	assert_int_equal(journal_next(l->j), 1);
	assert_int_equal(put(l, 10000, 9), 0);
	sync_it(l);
	assert_int_equal(put(l, 100, 2), 0);
	sync_it(l);
	again(l);
	assert_int_equal(l->n, 10080);
	assert_int_equal(journal_next(l->j), 10101);
	assert_int_equal(journal_turn(l->j, &err), 0);
	assert_int_equal(journal_turn(l->j, &err), 0); /* an empty one stays */
	assert_int_equal(journal_segment(l->j), 10101);
	assert_int_equal(put(l, 50, 9), 0);
	sync_it(l);
	again(l);
	assert_int_equal(l->n, 10130);
	assert_int_equal(journal_drop(l->j, 10101, &err), 0);
	l->n = l->last = 0;
	assert_int_equal(journal_read(l->j, see, l, &err), 0);
	assert_int_equal(l->n, 50);
	l->n = l->last = 0;
	assert_int_equal(journal_replay(l->j, see, l, &err), 0);
	assert_int_equal(l->n, 10130);
	again(l);
	assert_int_equal(l->n, 50);
	assert_int_equal(l->notes.text[0], 0);
	stop(l);
}

/* A number isn't given twice, though nothing was stored under it. */
static void test_only_known(void **state)
{
	struct log *l = start();
	assert_int_equal(put(l, 4, 9), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(put(l, 1, 5 % 5), 0);
	struct event_row row = { 0 };
	const uint8_t known = EVENT_KNOWN;
	uint64_t seq;
	struct err err;
	assert_int_equal(journal_append(l->j, &row, 1, &known, NULL, &seq, &err), 0);
	sync_it(l);
	again(l);
	assert_int_equal(journal_next(l->j), seq + 1);
	stop(l);
}

/* Cut off anywhere in what wasn't synced: what was stays, and appending goes on behind it. */
static void test_torn_tail(void **state)
{
	struct log *l = start();
	char path[FIXTURE_PATH + 64];
	assert_int_equal(put(l, 20, 9), 0);
	sync_it(l);
	uint32_t end = journal_newest(l->j)->end;
	assert_int_equal(put(l, 3, 9), 0);
	uint32_t last = journal_newest(l->j)->end;
	char *frame = malloc(last - end);
	assert_int_equal(pread(journal_newest(l->j)->fd, frame, last - end, end), last - end);
	path_of(l, 1, path);
	for (uint32_t n = 0; n < last - end; n += 1 + n % 13) {
		journal_close(l->j);
		int fd = open(path, O_RDWR);
		assert_int_equal(ftruncate(fd, end), 0);
		assert_int_equal(ftruncate(fd, end + JOURNAL_SEGMENT), 0);
		assert_int_equal(syscall(SYS_pwrite64, fd, frame, n, end), n);
		close(fd);
		l->notes.text[0] = 0;
		begin(l);
		if (l->n != 20 && (l->n != 23 || n + 8 < last - end))
			fail_msg("%u of %u bytes: %llu events", n, last - end, (unsigned long long)l->n);
		assert_int_equal(journal_lost(l->j), 0);
		assert_int_equal(put(l, 2, 9), 0);
		sync_it(l);
	}
	free(frame);
	stop(l);
}

/* Any byte of the middle: at most its frame is lost, and it is counted. */
static void test_damage(void **state)
{
	struct log *l = start();
	char path[FIXTURE_PATH + 64];
	for (int i = 0; i < 8; i++)
		assert_int_equal(put(l, 4, 9), 0);
	sync_it(l);
	uint32_t end = journal_newest(l->j)->end;
	uint64_t last_frame = 7 * 4;
	path_of(l, 1, path);
	journal_close(l->j);
	int fd = open(path, O_RDWR);
	for (uint32_t at = 0; at < end; at += at < 64 || at > FRAMES_AT ? 1 + at % 13 : 512) {
		unsigned char c, bad;
		assert_int_equal(pread(fd, &c, 1, at), 1);
		bad = c ^ (unsigned char)(1 << at % 8);
		assert_int_equal(syscall(SYS_pwrite64, fd, &bad, 1, (off_t)at), 1);
		const struct journal_config config = { .dir = l->dir, .read_only = true };
		struct err err;
		assert_int_equal(journal_open(&l->j, &config, &err), 0);
		l->n = l->last = 0;
		memset(l->times, 0, sizeof(l->times));
		assert_int_equal(journal_read(l->j, see, l, &err), 0);
		if (l->n != 32 && l->n != 28)
			fail_msg("byte %u: %llu events", at, (unsigned long long)l->n);
		bool tail = l->n == 28 && l->last == last_frame;
		assert_int_equal(journal_lost(l->j), l->n == 28 && !tail);
		journal_close(l->j);
		assert_int_equal(syscall(SYS_pwrite64, fd, &c, 1, (off_t)at), 1);
	}
	close(fd);
	begin(l);
	assert_int_equal(l->n, 32);
	stop(l);
}

/* Both copies of a head: the segment is set aside, its numbers don't return, the others stay. */
static void test_head_lost(void **state)
{
	struct log *l = start();
	struct err err;
	char path[FIXTURE_PATH + 64], zero[FRAMES_AT] = { 0 };
	assert_int_equal(put(l, 10, 9), 0);
	assert_int_equal(journal_turn(l->j, &err), 0);
	assert_int_equal(put(l, 10, 9), 0);
	sync_it(l);
	journal_close(l->j);
	path_of(l, 11, path);
	int fd = open(path, O_RDWR);
	assert_int_equal(syscall(SYS_pwrite64, fd, zero, sizeof(zero), 0), sizeof(zero));
	close(fd);
	begin(l);
	assert_int_equal(l->n, 10);
	assert_int_equal(journal_lost(l->j), 1);
	assert_true(journal_next(l->j) > 20);
	stop(l);
}

/* A frame of this journal within an event isn't taken for one, though the event's own frame is damaged. */
static void test_forged_frame(void **state)
{
	struct log *l = start();
	char path[FIXTURE_PATH + 64], json[4096];
	struct err err;
	assert_int_equal(put(l, 2, 9), 0);
	sync_it(l);
	struct segment *s = journal_newest(l->j);
	uint32_t size = s->end - FRAMES_AT, at;
	for (unsigned shift = 0; shift < 8; shift++) {
		memset(json, 'x', sizeof(json));
		assert_int_equal(pread(s->fd, json + 8 + shift, size, FRAMES_AT), size);
		struct event_row row = { .time = 1, .dataset = STR("web"), .json = { json, sizeof(json) } };
		const uint8_t kept = EVENT_KEPT;
		uint64_t seq;
		uint32_t end = s->end;
		assert_int_equal(journal_append(l->j, &row, 1, &kept, &at, &seq, &err), 0);
		sync_it(l);
		path_of(l, 1, path);
		int fd = open(path, O_RDWR);
		assert_int_equal(syscall(SYS_pwrite64, fd, "\xff\xff", 2, end + 8), 2); /* its sum */
		close(fd);
	}
	again(l);
	assert_int_equal(l->n, 2);
	stop(l);
}

/* After a failed fsync the page cache is not to be trusted: rows go into a segment of their own, and are there once. */
static void test_failed_sync(void **state)
{
	struct log *l = start();
	struct err err;
	for (int synced = 0; synced < 2; synced++) {
		uint64_t before = journal_next(l->j);
		if (synced) {
			assert_int_equal(put(l, 10, 9), 0);
			sync_it(l);
		}
		assert_int_equal(put(l, 10, 9), 0);
		assert_int_equal(put(l, 5, 9), 0);
		uint64_t moves = journal_moves(l->j);
		fail_syncs = 1;
		sync_it(l);
		assert_int_equal(journal_moves(l->j), moves + 1);
		assert_int_equal(journal_segment(l->j), synced ? before + 10 : before);
		again(l);
		assert_int_equal(l->n, journal_next(l->j) - 1);
	}
	/* and where that fails too, nothing is taken until it went well */
	assert_int_equal(put(l, 10, 9), 0);
	fail_syncs = 2;
	assert_int_equal(journal_sync(l->j, &err), -EIO);
	fail_syncs = 1;
	assert_int_equal(put(l, 10, 9), -EIO);
	sync_it(l);
	assert_int_equal(put(l, 10, 9), 0);
	sync_it(l);
	again(l);
	assert_int_equal(l->n, journal_next(l->j) - 1);
	stop(l);
}

/* What was written anew may stand in its old place all the same: it doesn't count there. */
static void test_old_place(void **state)
{
	struct log *l = start();
	char path[FIXTURE_PATH + 64];
	assert_int_equal(put(l, 10, 9), 0);
	sync_it(l);
	uint32_t from = journal_newest(l->j)->end;
	assert_int_equal(put(l, 10, 9), 0);
	uint32_t n = journal_newest(l->j)->end - from;
	char *frames = malloc(n);
	assert_int_equal(pread(journal_newest(l->j)->fd, frames, n, from), n);
	fail_syncs = 1;
	sync_it(l);
	path_of(l, 1, path);
	int fd = open(path, O_WRONLY);
	assert_int_equal(syscall(SYS_pwrite64, fd, frames, n, from), n);
	close(fd);
	free(frames);
	again(l);
	assert_int_equal(l->n, 20);
	stop(l);
}

/* A write that fails, with half of it written, is as if it hadn't been. */
static void test_failed_write(void **state)
{
	struct log *l = start();
	for (size_t half = 0; half < 1500; half += 100) {
		assert_int_equal(put(l, 3, 9), 0);
		fail_writes = 1;
		write_short = half;
		assert_int_equal(put(l, 20, 9), -ENOSPC);
		fail_writes = 0;
		if (half % 200)
			assert_int_equal(put(l, 1, 9), 0);
		sync_it(l);
		again(l);
		assert_int_equal(l->n, journal_next(l->j) - 1);
		assert_int_equal(journal_lost(l->j), 0);
	}
	assert_null(strstr(l->notes.text, "journal"));
	stop(l);
}

static void test_limits(void **state)
{
	struct log *l = start();
	struct err err;
	const uint8_t kept[65] = { 0 };
	uint64_t seq;
	char *big = calloc(1, EVENT_JSON_MAX + 1);
	struct event_row rows[65];
	for (int i = 0; i < 65; i++)
		rows[i] = (struct event_row){ .dataset = STR("web"), .json = { big, EVENT_JSON_MAX } };
	rows[0].json.n++;
	assert_int_equal(journal_append(l->j, rows, 1, kept, NULL, &seq, &err), -EINVAL);
	rows[0].json.n--;
	assert_int_equal(journal_append(l->j, rows, 65, kept, NULL, &seq, &err), -E2BIG);
	assert_int_equal(journal_append(l->j, rows, 60, kept, NULL, &seq, &err), 0);
	assert_true(journal_full(l->j));
	sync_it(l);
	uint32_t at[1];
	assert_int_equal(journal_append(l->j, rows, 1, kept, at, &seq, &err), 0);
	struct buf to = { .max = 2 * EVENT_JSON_MAX };
	struct event_row row;
	assert_int_equal(journal_row(l->j, 1, at[0], &to, &row, &err), 0);
	assert_int_equal(row.json.n, EVENT_JSON_MAX);
	assert_int_equal(journal_row(l->j, 2, at[0], &to, &row, &err), -ENOENT);
	buf_free(&to);
	free(big);
	stop(l);
}

/* --- a whole segment in memory --- */

enum { FRAME_ROWS = 30 };

struct places {
	uint32_t at[1000];
	uint64_t n;
};

static int note_place(void *arg, uint64_t segment, uint64_t seq, uint32_t at, const struct event_row *row)
{
	struct places *p = arg;
	assert_true(seq < ARRAY_LEN(p->at));
	p->at[seq] = at;
	p->n++;
	return 0;
}

/* Loads the segment: all rows but those of numbers from..to-1 are there. */
static void check_load(struct log *l, const struct places *p, uint64_t from, uint64_t to)
{
	struct journal_rows rows = { 0 };
	struct err err;
	assert_int_equal(journal_load(l->j, 1, true, &rows, &err), 0);
	for (uint64_t seq = 1; seq <= p->n; seq++) {
		struct fixture_event e;
		struct event_row row;
		const struct journal_gap *gap = journal_gap(&rows, p->at[seq]);
		assert_int_equal(gap != NULL, seq >= from && seq < to);
		if (gap)
			continue;
		fixture_event(&e, seq, (int64_t)seq * 7, "web", seq % 3, (unsigned)seq % 50);
		journal_fetch(&rows, p->at[seq], 100);
		assert_true(journal_loaded(&rows, p->at[seq], &row));
		assert_true(str_eq(row.json, e.row.json) && str_eq(row.id, e.row.id) && row.time == e.row.time &&
		            str_eq(row.dataset, e.row.dataset));
	}
	assert_int_equal(rows.n_gaps, from < to);
	struct event_row row;
	assert_false(journal_loaded(&rows, 0, &row));
	assert_false(journal_loaded(&rows, UINT32_MAX, &row));
	journal_unload(&rows);
}

static void spoil(struct log *l, uint64_t at)
{
	char path[FIXTURE_PATH + 64], byte;
	snprintf(path, sizeof(path), "%s/%016d.log", l->dir, 1);
	int fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 1;
	assert_int_equal(syscall(SYS_pwrite64, fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

static void test_load(void **state)
{
	struct log *l = start();
	struct places p = { 0 };
	struct journal_rows rows = { 0 };
	struct err err;
	for (int i = 0; i < 10; i++)
		put(l, FRAME_ROWS, 5);
	sync_it(l);
	assert_int_equal(journal_read_segment(l->j, 1, note_place, &p, &err), 0);
	assert_int_equal(p.n, 10 * FRAME_ROWS);
	check_load(l, &p, 0, 0); /* from memory */
	check_load(l, &p, 0, 0);
	put(l, FRAME_ROWS, 5);
	journal_rest(l->j);
	put(l, FRAME_ROWS, 5);
	check_load(l, &p, 0, 0);
	again(l);
	check_load(l, &p, 0, 0);
	spoil(l, p.at[4 * FRAME_ROWS + 7] + 30);
	check_load(l, &p, 4 * FRAME_ROWS + 1, 5 * FRAME_ROWS + 1);
	spoil(l, p.at[5 * FRAME_ROWS + 1] - 30); /* the next frame's head */
	check_load(l, &p, 4 * FRAME_ROWS + 1, 6 * FRAME_ROWS + 1);
	assert_int_equal(journal_load(l->j, 2, false, &rows, &err), -ENOENT);
	journal_unload(&rows);
	stop(l);
}

/* What a failed sync wrote anew is loaded from where it stands now. */
static void test_load_moved(void **state)
{
	struct log *l = start();
	struct places p = { 0 };
	struct err err;
	put(l, FRAME_ROWS, 5);
	fail_syncs = 1;
	sync_it(l);
	put(l, FRAME_ROWS, 5);
	sync_it(l);
	assert_int_equal(journal_read_segment(l->j, 1, note_place, &p, &err), 0);
	check_load(l, &p, 0, 0);
	stop(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_back),   cmocka_unit_test(test_only_known),
		cmocka_unit_test(test_torn_tail),    cmocka_unit_test(test_damage),
		cmocka_unit_test(test_head_lost),    cmocka_unit_test(test_forged_frame),
		cmocka_unit_test(test_failed_sync),  cmocka_unit_test(test_old_place),
		cmocka_unit_test(test_failed_write), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_load),         cmocka_unit_test(test_load_moved),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
