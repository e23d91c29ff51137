/*
 * The embedded store and what happens to it: killed at any moment, a disk that is full or read-only, bytes that turn.
 * Nothing acknowledged is lost or doubled outside of what is damaged, and it goes on.
 */
#include "store/embedded_inside.h"
#include "store/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

enum { ROUNDS = KHIEN_SANITIZED ? 4 : 10, ROUND = 200000, BATCH = 400 };

static struct fixture_notes notes;

static struct events *open_at(const char *dir, bool read_only)
{
	struct events *s;
	struct err err = { 0 };
	const struct events_config config = {
		.dir = dir, .clock = &clock_system, .read_only = read_only, .note = fixture_note, .arg = &notes
	};
	if (events_embedded.open(&s, &config, &err))
		fail_msg("%s", err.text);
	return s;
}

/* Events from..to-1, of three datasets on two days, with ids. 0 or -errno. */
static int take(struct events *s, uint64_t from, uint64_t to, struct err *err)
{
	static const char *const datasets[] = { "web", "auth", "process" };
	static struct fixture_event e[BATCH];
	struct event_row rows[BATCH];
	uint8_t verdict[BATCH];
	uint64_t seq;
	for (uint64_t n = from; n < to; n++) {
		fixture_event(&e[n - from], n, FIXTURE_NOON + (int64_t)(n % 2) * 86400 * CLOCK_S + (int64_t)n,
		              datasets[n % 3], true, (unsigned)(n % 700));
		rows[n - from] = e[n - from].row;
	}
	return events_embedded.append(s, rows, to - from, verdict, &seq, err);
}

/* Appends, syncs, and says so, until it is killed. */
static void work(const char *dir, uint64_t from, int out)
{
	struct err err;
	struct events *s = open_at(dir, false);
	for (uint64_t n = from; n + BATCH <= from + ROUND; n += BATCH) {
		uint64_t acknowledged = n + BATCH;
		if (take(s, n, n + BATCH, &err) || events_embedded.sync(s, &err) ||
		    write(out, &acknowledged, sizeof(acknowledged)) != sizeof(acknowledged))
			_exit(1);
		if (n / BATCH % 20 == 19 && embedded_turn(s, &err)) /* so that days are written all the time */
			_exit(1);
		if (events_embedded.tick(s, &err))
			_exit(1);
	}
	_exit(0);
}

static uint64_t work_and_kill(const char *dir, uint64_t from, long ms)
{
	int pipes[2];
	uint64_t acknowledged = from, n;
	assert_int_equal(pipe(pipes), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(pipes[0]);
		work(dir, from, pipes[1]);
	}
	close(pipes[1]);
	/* it has begun when the first is acknowledged */
	if (read(pipes[0], &n, sizeof(n)) == sizeof(n))
		acknowledged = n;
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
	kill(pid, SIGKILL);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	while (read(pipes[0], &n, sizeof(n)) == sizeof(n))
		acknowledged = n;
	close(pipes[0]);
	return acknowledged;
}

static void test_killed(void **state)
{
	char dir[FIXTURE_PATH];
	uint64_t acknowledged[ROUNDS], damaged = 0;
	struct fixture_seen seen = { .times = calloc(ROUNDS, ROUND), .cap = (size_t)ROUNDS * ROUND };
	struct err err;
	fixture_folder(dir);
	notes.text[0] = 0;
	for (int i = 0; i < ROUNDS; i++) {
		acknowledged[i] = work_and_kill(dir, (uint64_t)i * ROUND, 20 + i * 37 % 190);
		/* the sender didn't hear of the last ones: it sends them again */
		struct events *s = open_at(dir, false);
		assert_int_equal(take(s, acknowledged[i] - BATCH, acknowledged[i], &err), 0);
		assert_int_equal(take(s, acknowledged[i], acknowledged[i] + BATCH, &err), 0);
		acknowledged[i] += BATCH;
		assert_int_equal(events_embedded.sync(s, &err), 0);
		events_embedded.close(s);
	}
	struct events *s = open_at(dir, false);
	fixture_see_all(s, &seen, &damaged);
	assert_int_equal(damaged + seen.foreign, 0);
	for (uint64_t n = 0; n < seen.cap; n++) {
		bool must = n % ROUND < acknowledged[n / ROUND] % ROUND;
		if (seen.times[n] > 1 || (must && !seen.times[n]))
			fail_msg("event %llu is there %u times", (unsigned long long)n, seen.times[n]);
	}
	assert_true(seen.total > ROUNDS * BATCH);
	assert_int_equal(events_embedded.counts(s).lost_frames, 0);
	assert_null(strstr(notes.text, "damaged"));
	events_embedded.close(s);
	free(seen.times);
	fixture_remove(dir);
}

/* --- disks --- */

/* In a process with mounts of its own, which a failed check ends with 1. */
static int in_own_mounts(const char *dir, void (*body)(const char *dir))
{
	fflush(stdout);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("tmpfs", dir, "tmpfs", 0, "size=64m"))
			_exit(77);
		body(dir);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

#define MUST(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #what, err.text);                       \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

static void see_exactly(struct events *s, uint64_t n, uint64_t most)
{
	struct err err = { 0 };
	struct fixture_seen seen = { .times = calloc(most, 1), .cap = most };
	uint64_t damaged = 0;
	fixture_see_all(s, &seen, &damaged);
	MUST(!damaged && !seen.foreign);
	for (uint64_t i = 0; i < most; i++)
		MUST(i < n ? seen.times[i] == 1 : seen.times[i] == 0);
	free(seen.times);
}

static void full_disk(const char *dir)
{
	struct err err = { 0 };
	char ballast[FIXTURE_PATH + 16];
	uint64_t n = 0, most = 400000;
	int code = 0;
	snprintf(ballast, sizeof(ballast), "%s/ballast", dir);
	int fd = open(ballast, O_RDWR | O_CREAT, 0600);
	MUST(!posix_fallocate(fd, 0, 30 << 20));
	close(fd);
	struct events *s = open_at(dir, false);
	for (int refused = 0; refused < 20 && n < most;) {
		code = take(s, n, n + BATCH, &err);
		if (!code)
			code = events_embedded.sync(s, &err);
		n += code ? 0 : BATCH;
		refused += code != 0;
		MUST(!code || code == -ENOSPC);
		events_embedded.tick(s, &err); /* may fail for the same reason */
	}
	MUST(code == -ENOSPC && n > 10000);
	see_exactly(s, n, most);
	events_embedded.close(s);
	s = open_at(dir, false);
	see_exactly(s, n, most);
	unlink(ballast);
	s->seal.retry_at = 0;
	while (s->n_pending > 1)
		MUST(!events_embedded.tick(s, &err));
	for (int i = 0; i < 10; i++, n += BATCH)
		MUST(!take(s, n, n + BATCH, &err) && !events_embedded.sync(s, &err));
	while (s->n_pending > 1)
		MUST(!events_embedded.tick(s, &err));
	MUST(!embedded_turn(s, &err));
	while (s->n_pending > 1)
		MUST(!events_embedded.tick(s, &err));
	see_exactly(s, n, most);
	events_embedded.close(s);
}

static void read_only_disk(const char *dir)
{
	struct err err = { 0 };
	struct events *s = open_at(dir, false);
	const struct events_config config = { .dir = dir, .clock = &clock_system };
	for (uint64_t n = 0; n < 8000; n += BATCH)
		MUST(!take(s, n, n + BATCH, &err));
	MUST(!embedded_turn(s, &err));
	while (s->n_pending > 1)
		MUST(!events_embedded.tick(s, &err));
	MUST(!take(s, 8000, 8000 + BATCH, &err) && !events_embedded.sync(s, &err));
	events_embedded.close(s);
	MUST(!mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	MUST(events_embedded.open(&s, &config, &err) == -EROFS);
	s = open_at(dir, true);
	MUST(!days_begin(s, &err));
	see_exactly(s, 8000 + BATCH, 10000);
	days_end(s);
	events_embedded.close(s);
	MUST(!mount(NULL, dir, NULL, MS_REMOUNT, NULL));
	s = open_at(dir, false);
	MUST(!take(s, 8000 + BATCH, 8000 + 2 * BATCH, &err) && !events_embedded.sync(s, &err));
	see_exactly(s, 8000 + 2 * BATCH, 10000);
	events_embedded.close(s);
}

static void on_disk(void (*body)(const char *dir))
{
	char dir[FIXTURE_PATH];
	fixture_folder(dir);
	int code = in_own_mounts(dir, body);
	rmdir(dir);
	if (code == 77) {
		print_message("SKIP: mounting a small disk needs root\n");
		skip();
	}
	assert_int_equal(code, 0);
}

static void test_disk_full(void **state)
{
	on_disk(full_disk);
}

static void test_disk_read_only(void **state)
{
	on_disk(read_only_disk);
}

/* --- bytes that turn --- */

enum { PAGE = 16384, STORED = 9000 };

/* Two days, in days; as many events again stay in the journal. */
static void fill(const char *dir)
{
	struct err err = { 0 };
	struct events *s = open_at(dir, false);
	for (uint64_t n = 0; n < 2 * STORED; n += BATCH / 2) {
		assert_int_equal(take(s, n, n + BATCH / 2, &err), 0);
		if (n + BATCH / 2 != STORED)
			continue;
		assert_int_equal(embedded_turn(s, &err), 0);
		while (s->n_pending > 1)
			assert_int_equal(events_embedded.tick(s, &err), 0);
	}
	assert_int_equal(events_embedded.sync(s, &err), 0);
	events_embedded.close(s);
}

static void copy_file(const char *from, const char *to)
{
	char bytes[65536];
	ssize_t n;
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		assert_int_equal(write(out, bytes, (size_t)n), n);
	close(in);
	close(out);
}

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Opens what was damaged, works on, salvages. The events of 0..2*STORED-1 that are there; none may be there twice. */
static uint64_t goes_on(const char *dir, uint64_t *lost_days)
{
	struct err err = { 0 };
	uint64_t damaged = 0, left = 0, cap = 2 * STORED + BATCH;
	double from = seconds();
	struct events *s = open_at(dir, false);
	assert_int_equal(take(s, 2 * STORED, cap, &err), 0);
	assert_int_equal(events_embedded.sync(s, &err), 0);
	assert_true(seconds() - from < 2);
	assert_int_equal(embedded_turn(s, &err), 0);
	for (int i = 0; i < 1000 && (s->n_pending > 1 || s->mend.salvage || !s->mend.looked); i++) {
		int code = events_embedded.tick(s, &err);
		if (code)
			fail_msg("%s", err.text);
		s->seal.retry_at = 0;
	}
	assert_int_equal(s->n_pending, 1);
	struct fixture_seen seen = { .times = calloc(cap, 1), .cap = cap };
	fixture_see_all(s, &seen, &damaged);
	assert_int_equal(seen.foreign, 0);
	for (uint64_t n = 0; n < cap; n++) {
		assert_true(seen.times[n] <= 1);
		if (n >= STORED) /* was in the journal */
			assert_int_equal(seen.times[n], 1);
		left += n < 2 * STORED && seen.times[n];
	}
	*lost_days = events_embedded.counts(s).lost_days;
	free(seen.times);
	events_embedded.close(s);
	return left;
}

static void test_damaged_days(void **state)
{
	char dir[FIXTURE_PATH], day[FIXTURE_PATH + 96], good[FIXTURE_PATH + 64], copy[FIXTURE_PATH + 64], junk[PAGE];
	char work_dir[FIXTURE_PATH + 16];
	struct stat st;
	uint64_t x = 99;
	fixture_folder(dir);
	snprintf(work_dir, sizeof(work_dir), "%s/good", dir);
	assert_int_equal(mkdir(work_dir, 0700), 0);
	fill(work_dir);
	snprintf(good, sizeof(good), "%s/days/2026-11-22.db", work_dir);
	assert_int_equal(stat(good, &st), 0);
	for (size_t i = 0; i < sizeof(junk); i++)
		junk[i] = (char)(i * 151);
	long pages = st.st_size / PAGE;
	for (long i = 0; i < 18; i++) {
		struct err err = { 0 };
		struct events *s = open_at(work_dir, false);
		snprintf(copy, sizeof(copy), "%s/copy", dir);
		assert_int_equal(mkdir(copy, 0700), 0);
		assert_int_equal(events_embedded.backup(s, copy, &err), 0);
		events_embedded.close(s);
		snprintf(day, sizeof(day), "%s/days/2026-11-22.db", copy);
		int fd = open(day, O_RDWR);
		x = x * 6364136223846793005u + 1442695040888963407u;
		off_t at = i < 8 ? i * PAGE : (off_t)(x >> 16) % (pages * PAGE);
		size_t n = i < 8 ? PAGE : i < 16 ? 1 : 512;
		assert_int_equal(pwrite(fd, junk + 7, n - (n == PAGE ? 7 : 0), at) > 0, 1);
		close(fd);
		notes.text[0] = 0;
		uint64_t lost_days = 0, left = goes_on(copy, &lost_days);
		/* the other day is whole; of this one, where only its first page was lost, nothing is */
		assert_true(left >= STORED + STORED / 2);
		if (i == 0) {
			assert_int_equal(lost_days, 1);
			assert_non_null(strstr(notes.text, "day-salvaged"));
			assert_int_equal(left, 2 * STORED);
		}
		fixture_remove(copy);
	}
	fixture_remove(dir);
}

/* A day that turns out to be damaged while a segment goes there: what was gathered for it is gathered anew. */
static void test_damaged_while_sealing(void **state)
{
	char dir[FIXTURE_PATH], path[FIXTURE_PATH + 64], junk[PAGE];
	struct err err = { 0 };
	memset(junk, 0x5a, sizeof(junk));
	for (int rounds = 1; rounds < STORED / 128; rounds += 7) {
		uint64_t lost_days = 0;
		fixture_folder(dir);
		fill(dir);
		struct events *s = open_at(dir, false);
		assert_int_equal(embedded_turn(s, &err), 0);
		for (int i = 0; i < rounds; i++)
			assert_int_equal(seal_work(s, 0, &err), 0);
		for (int day = 22; day <= 23; day++) {
			days_forget(s, day_of(FIXTURE_NOON) + day - 22);
			snprintf(path, sizeof(path), "%s/days/2026-11-%d.db", dir, day);
			int fd = open(path, O_RDWR);
			assert_int_equal(pwrite(fd, junk, sizeof(junk), 0), sizeof(junk));
			close(fd);
		}
		for (int i = 0; i < 2000 && (s->n_pending > 1 || s->mend.salvage || !s->mend.looked); i++) {
			events_embedded.tick(s, &err);
			s->seal.retry_at = 0;
		}
		events_embedded.close(s);
		assert_int_equal(goes_on(dir, &lost_days), 2 * STORED);
		fixture_remove(dir);
	}
}

static void test_damaged_journal(void **state)
{
	char dir[FIXTURE_PATH], path[FIXTURE_PATH + 64], good[FIXTURE_PATH + 64];
	struct err err = { 0 };
	uint64_t x = 7;
	fixture_folder(dir);
	struct events *s = open_at(dir, false);
	for (uint64_t n = 0; n < STORED; n += BATCH / 2)
		assert_int_equal(take(s, n, n + BATCH / 2, &err), 0);
	assert_int_equal(events_embedded.sync(s, &err), 0);
	uint64_t end = journal_bytes(s->journal);
	events_embedded.close(s);
	snprintf(path, sizeof(path), "%s/journal/%016d.log", dir, 1);
	snprintf(good, sizeof(good), "%s/good", dir);
	copy_file(path, good);
	for (int i = 0; i < 12; i++) {
		struct fixture_seen seen = { .times = calloc(STORED, 1), .cap = STORED };
		uint64_t damaged = 0;
		copy_file(good, path);
		int fd = open(path, O_RDWR);
		x = x * 6364136223846793005u + 1442695040888963407u;
		assert_int_equal(pwrite(fd, "\x5a\xa5", 2, (off_t)((x >> 16) % end)), 2);
		close(fd);
		notes.text[0] = 0;
		s = open_at(dir, false);
		fixture_see_all(s, &seen, &damaged);
		assert_int_equal(seen.foreign, 0);
		for (uint64_t n = 0; n < STORED; n++)
			assert_true(seen.times[n] <= 1);
		assert_true(seen.total == STORED || seen.total == STORED - BATCH / 2);
		if (seen.total != STORED)
			assert_non_null(strstr(notes.text, "journal-"));
		events_embedded.close(s);
		free(seen.times);
	}
	fixture_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),          cmocka_unit_test(test_disk_full),
		cmocka_unit_test(test_disk_read_only),  cmocka_unit_test(test_damaged_days),
		cmocka_unit_test(test_damaged_journal), cmocka_unit_test(test_damaged_while_sealing),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
