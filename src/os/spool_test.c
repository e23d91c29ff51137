/* The spool: what was synced comes out, in order, once it was acknowledged never again, whatever the disk did. */
#include "os/spool_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The system's calls, made to fail when a test says so. */
static int fail_syncs, pass_syncs, fail_writes, fail_with = ENOSPC;
static long write_short = -1; /* a write that fails has written so much */

int fdatasync(int fd)
{
	if (fail_syncs && pass_syncs) {
		pass_syncs--;
	} else if (fail_syncs) {
		fail_syncs--;
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (fail_writes) {
		if (write_short > 0) {
			n = n < (size_t)write_short ? n : (size_t)write_short;
			write_short = -1;
			return syscall(SYS_pwrite64, fd, p, n, at);
		}
		fail_writes--;
		errno = fail_with;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, p, n, at);
}

#if !defined(__USE_FORTIFY_LEVEL) || !__USE_FORTIFY_LEVEL /* there pread() is the header's own */
#define CAN_FAIL_READS
static off_t bad_page; /* reads that touch it fail; 0: none */

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
	if (bad_page && at < bad_page + 4096 && at + (off_t)n > bad_page) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, p, n, at);
}
#endif

static char dir[64];
static struct clock test_clock;
static struct spool *s;
static unsigned notes;
static struct buf got = { .max = 64 << 20 };

static void note(void *arg, const char *what, const char *why)
{
	notes++;
}

static void open_bounded(uint64_t bytes, int64_t age)
{
	const struct spool_config c = {
		.dir = dir, .max_bytes = bytes, .max_age = age, .clock = &test_clock, .note = note
	};
	struct err err = { 0 };
	assert_int_equal(spool_open(&s, &c, &err), 0);
}

static void again(void)
{
	spool_close(s);
	open_bounded(64 << 20, 0);
}

static int begin(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/khien-spool-XXXXXX");
	assert_non_null(mkdtemp(dir));
	clock_test(&test_clock, 1795000000000000LL);
	notes = 0;
	open_bounded(64 << 20, 0);
	return 0;
}

static void each_file(void (*fn)(const char *path))
{
	char path[512];
	DIR *d = opendir(dir);
	for (const struct dirent *e; (e = readdir(d));) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_name[0] != '.')
			fn(path);
	}
	closedir(d);
}

static void remove_file(const char *path)
{
	unlink(path);
}

static int end(void **state)
{
	spool_close(s);
	each_file(remove_file);
	rmdir(dir);
	buf_free(&got);
	return 0;
}

/* Record i: its number in words, and bytes that differ from those of others. */
static size_t text_of(char *to, unsigned i, size_t n)
{
	size_t k = (size_t)snprintf(to, 64, "record %u ", i);
	while (k < n)
		to[k] = (char)(i * 31 + k * 7), k++;
	return k;
}

static int put(unsigned class, unsigned i, size_t n)
{
	static char text[SPOOL_RECORD_MAX];
	const struct spool_record r = { .bytes = { text, text_of(text, i, n) }, .events = 10, .class = class };
	return spool_put(s, &r, NULL);
}

/* The next is record i, whole. */
static void expect(unsigned class, unsigned i)
{
	static char text[SPOOL_RECORD_MAX];
	struct spool_record r;
	got.n = 0;
	assert_int_equal(spool_next(s, &got, &r, NULL), 1);
	const struct str wanted = { text, text_of(text, i, r.bytes.n) };
	assert_true(str_eq(r.bytes, wanted));
	assert_int_equal(r.class, class);
	assert_int_equal(r.events, 10);
}

static void expect_none(void)
{
	struct spool_record r;
	assert_int_equal(spool_next(s, &got, &r, NULL), 0);
}

static void in_order_and_again(void **state)
{
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(put(0, i, 1000 + i), 0);
	expect_none(); /* nothing that isn't synced */
	assert_int_equal(spool_sync(s, NULL), 0);
	for (unsigned i = 0; i < 50; i++)
		expect(0, i);
	assert_int_equal(spool_ack(s, NULL), 0);
	for (unsigned i = 50; i < 60; i++)
		expect(0, i);
	spool_rewind(s);
	expect(0, 50);
	again();
	for (unsigned i = 50; i < 100; i++)
		expect(0, i);
	expect_none();
	assert_int_equal(spool_ack(s, NULL), 0);
	again();
	expect_none();
	assert_int_equal(put(0, 100, 10), 0);
	assert_int_equal(spool_sync(s, NULL), 0);
	expect(0, 100);
	assert_int_equal(spool_lost(s).events, 0);
	assert_int_equal(notes, 0);
}

static void higher_classes_first(void **state)
{
	put(0, 1, 20);
	put(2, 2, 20);
	put(1, 3, 20);
	put(2, 4, 20);
	assert_int_equal(spool_sync(s, NULL), 0);
	expect(2, 2);
	expect(2, 4);
	expect(1, 3);
	expect(0, 1);
	expect_none();
}

/* kill -9: what was synced is there; what was put after that may not be. */
static void killed(void **state)
{
	spool_close(s);
	pid_t pid = fork();
	if (!pid) {
		open_bounded(64 << 20, 0);
		for (unsigned i = 0; i < 300; i++) {
			put(0, i, 20000);
			if (i % 3 == 2)
				spool_sync(s, NULL);
			if (i == 200) {
				for (unsigned k = 0; k < 100; k++)
					expect(0, k);
				spool_ack(s, NULL);
				for (unsigned k = 100; k < 120; k++)
					expect(0, k);
			}
		}
		put(0, 300, 20000);
		kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	open_bounded(64 << 20, 0);
	for (unsigned i = 100; i < 300; i++)
		expect(0, i);
	expect_none();
}

static const char *newest;
static char newest_path[512];
static void find_newest(const char *path)
{
	if (strstr(path, ".spool") && (!newest || strcmp(path, newest) > 0)) {
		snprintf(newest_path, sizeof(newest_path), "%s", path);
		newest = newest_path;
	}
}

/* Torn at every byte: all whole frames before the cut come out, and what is put then follows them. */
static void torn(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(put(0, i, 40), 0);
		assert_int_equal(spool_sync(s, NULL), 0);
	}
	spool_close(s);
	newest = NULL;
	each_file(find_newest);
	struct stat st;
	assert_int_equal(stat(newest, &st), 0);
	const off_t frame = (st.st_size - FRAMES_AT) / 4;
	char whole[4096];
	int fd = open(newest, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, whole, sizeof(whole), 0), st.st_size);
	for (off_t cut = FRAMES_AT; cut < st.st_size; cut++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, whole, (size_t)cut, 0), cut);
		open_bounded(64 << 20, 0);
		unsigned n = (unsigned)((cut - FRAMES_AT) / frame);
		for (unsigned i = 0; i < n; i++)
			expect(0, i);
		expect_none();
		assert_int_equal(put(0, 9, 33), 0);
		assert_int_equal(spool_sync(s, NULL), 0);
		expect(0, 9);
		expect_none();
		spool_close(s);
	}
	close(fd);
	open_bounded(64 << 20, 0);
}

/* A page in the middle goes: the frames that it hit, no others. */
static void damaged(void **state)
{
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(put(0, i, 500), 0);
	assert_int_equal(spool_sync(s, NULL), 0);
	spool_close(s);
	newest = NULL;
	each_file(find_newest);
	int fd = open(newest, O_RDWR | O_CLOEXEC);
	char junk[600];
	memset(junk, 'x', sizeof(junk));
	assert_int_equal(pwrite(fd, junk, sizeof(junk), FRAMES_AT + 10 * 552 + 20), (ssize_t)sizeof(junk));
	close(fd);
	open_bounded(64 << 20, 0);
	for (unsigned i = 0; i < 40; i++)
		if (i != 10 && i != 11)
			expect(0, i);
	expect_none();
	assert_int_equal(spool_lost(s).damaged, 1);
	assert_int_equal(notes, 1);
	/* it is counted once, not at each retry, nor when it was passed and acknowledged */
	spool_rewind(s);
	for (unsigned i = 0; i < 15; i++)
		if (i != 10 && i != 11)
			expect(0, i);
	assert_int_equal(spool_ack(s, NULL), 0);
	again();
	expect(0, 15);
	assert_int_equal(spool_lost(s).damaged, 1);
}

#ifdef CAN_FAIL_READS
/* A page that the disk doesn't give costs the records on it, also when it is the last. */
static void unreadable(void **state)
{
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(put(0, i, 500), 0);
	assert_int_equal(spool_sync(s, NULL), 0);
	bad_page = 4096;
	again();
	for (unsigned i = 0; i < 40; i++)
		if (i < 7 || i > 14)
			expect(0, i);
	expect_none();
	bad_page = 20480;
	again();
	assert_int_equal(put(0, 50, 500), 0);
	assert_int_equal(spool_sync(s, NULL), 0);
	bad_page = 0;
	again();
	for (unsigned i = 0; i < 40; i++)
		expect(0, i);
	expect(0, 50);
	expect_none();
}
#endif

static void full(void **state)
{
	assert_int_equal(put(0, 0, 1000), 0);
	assert_int_equal(spool_sync(s, NULL), 0);
	assert_int_equal(put(0, 1, 1000), 0);
	fail_writes = 1;
	write_short = 100;
	assert_int_equal(spool_sync(s, NULL), -ENOSPC);
	fail_writes = 1;
	assert_int_equal(spool_sync(s, NULL), -ENOSPC);
	expect(0, 0);
	expect_none();
	spool_rewind(s);
	assert_int_equal(spool_sync(s, NULL), 0);
	again();
	expect(0, 0);
	expect(0, 1);
	expect_none();
}

/* A failed fsync may have lost what it wrote: it is written anew elsewhere, and comes out once. */
static void failed_sync(void **state)
{
	assert_int_equal(put(0, 0, 1000), 0);
	assert_int_equal(spool_sync(s, NULL), 0);
	assert_int_equal(put(0, 1, 1000), 0);
	fail_syncs = 1;
	assert_int_equal(spool_sync(s, NULL), -EIO);
	assert_int_equal(put(0, 2, 1000), 0);
	assert_int_equal(spool_sync(s, NULL), 0);
	assert_int_equal(s->queue[0].n, 2);
	for (int k = 0; k < 2; k++) {
		for (unsigned i = 0; i < 3; i++)
			expect(0, i);
		expect_none();
		again();
	}
}

/* Also when the segment was only just made: what a later sync says is there stays, when others of its queue go. */
static void failed_first_sync(void **state)
{
	assert_int_equal(put(0, 0, 1000), 0);
	pass_syncs = 1; /* of the segment's head */
	fail_syncs = 1;
	assert_int_equal(spool_sync(s, NULL), -EIO);
	assert_int_equal(put(0, 1, 1000), 0);
	assert_int_equal(spool_sync(s, NULL), 0);
	assert_int_equal(s->queue[0].n, 1);
	expect(0, 0);
	assert_int_equal(spool_ack(s, NULL), 0);
	again();
	expect(0, 1);
	expect_none();
}

/* What is let go while it is on its way is lost only if nobody acknowledges it. */
static void in_flight(void **state)
{
	for (int acked = 0; acked < 2; acked++) {
		const uint64_t before = spool_lost(s).events;
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(put(0, i, 100), 0);
		assert_int_equal(spool_sync(s, NULL), 0);
		expect(0, 0);
		expect(0, 1);
		assert_int_equal(spool_forget(s, NULL), 0);
		assert_int_equal(spool_lost(s).events, before + 10);
		if (acked)
			assert_int_equal(spool_ack(s, NULL), 0);
		else
			spool_rewind(s);
		assert_int_equal(spool_lost(s).events, before + (acked ? 10 : 30));
	}
	again();
	assert_int_equal(spool_lost(s).events, 40);
}

/* An acknowledgement that can't be written holds until a restart. */
static void failed_ack(void **state)
{
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(put(0, i, 100), 0);
	assert_int_equal(spool_sync(s, NULL), 0);
	expect(0, 0);
	assert_int_equal(spool_ack(s, NULL), 0);
	expect(0, 1);
	fail_writes = 1;
	fail_with = EROFS;
	assert_int_equal(spool_ack(s, NULL), -EROFS);
	fail_with = ENOSPC;
	spool_rewind(s);
	expect(0, 2);
	again();
	expect(0, 1);
	expect(0, 2);
	expect_none();
}

/* Over its bound: the oldest of the lowest class go, counted, and the count outlives a crash. */
static void bounded(void **state)
{
	spool_close(s);
	open_bounded(1 << 20, 0);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(put(1, 1000 + i, 10000), 0);
		assert_int_equal(spool_sync(s, NULL), 0);
	}
	for (unsigned i = 0; i < 300; i++) {
		assert_int_equal(put(0, i, 10000), 0);
		assert_int_equal(spool_sync(s, NULL), 0);
		assert_true(spool_counts(s).bytes <= 1 << 20);
	}
	struct spool_lost lost = spool_lost(s);
	assert_true(lost.events > 1500 && lost.events % 10 == 0 && lost.from && lost.until);
	spool_close(s);
	open_bounded(1 << 20, 0);
	assert_int_equal(spool_lost(s).events, lost.events);
	for (unsigned i = 0; i < 10; i++)
		expect(1, 1000 + i);
	for (unsigned i = (unsigned)lost.events / 10; i < 300; i++)
		expect(0, i);
	expect_none();
	assert_int_equal(spool_told(s, &lost, NULL), 0);
	again();
	assert_int_equal(spool_lost_told(s).events, lost.events);
	assert_int_equal(spool_lost(s).from, 0);
	assert_int_equal(spool_forget(s, NULL), 0);
	expect_none();
	assert_int_equal(spool_lost(s).events, 3100);
	assert_int_equal(put(0, 7, 100), 0);
	assert_int_equal(spool_sync(s, NULL), 0);
	expect(0, 7);
}

/* Age counts while it is open, whatever the clock on the wall does. */
static void aged(void **state)
{
	spool_close(s);
	open_bounded(1 << 20, 3600LL * CLOCK_S);
	assert_int_equal(put(0, 1, 100), 0);
	assert_int_equal(spool_sync(s, NULL), 0);
	test_clock.wall_us += 100LL * 86400 * CLOCK_S;
	assert_int_equal(spool_tick(s, NULL), 0);
	expect(0, 1);
	spool_rewind(s);
	clock_advance(&test_clock, 1800LL * CLOCK_S);
	assert_int_equal(put(0, 2, 100), 0);
	assert_int_equal(spool_sync(s, NULL), 0);
	clock_advance(&test_clock, 3000LL * CLOCK_S);
	assert_int_equal(spool_tick(s, NULL), 0); /* one segment goes as a whole */
	expect(0, 1);
	spool_rewind(s);
	clock_advance(&test_clock, 1000LL * CLOCK_S);
	assert_int_equal(spool_tick(s, NULL), 0);
	expect_none();
	assert_int_equal(spool_lost(s).events, 20);
}

/* A restart doesn't take age back to when the cursor was written. */
static void aged_again(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(put(0, i, 100), 0);
		assert_int_equal(spool_sync(s, NULL), 0);
		clock_advance(&test_clock, 1800LL * CLOCK_S);
	}
	again();
	assert_true(spool_age(s) >= 3600LL * CLOCK_S);
}

/* Either slot of the cursor may be damaged. With both gone all comes again, and nothing is lost. */
static void damaged_cursor(void **state)
{
	char path[512];
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(put(0, i, 100), 0);
	assert_int_equal(spool_sync(s, NULL), 0);
	for (unsigned i = 0; i < 4; i++) {
		expect(0, i);
		assert_int_equal(spool_ack(s, NULL), 0);
	}
	spool_close(s);
	snprintf(path, sizeof(path), "%s/cursor", dir);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "junk", 4, 30), 4); /* turn 4 */
	open_bounded(64 << 20, 0);
	expect(0, 3);
	spool_close(s);
	assert_int_equal(pwrite(fd, "junk", 4, CURSOR_SLOT + 30), 4);
	close(fd);
	open_bounded(64 << 20, 0);
	assert_int_equal(notes, 1);
	for (unsigned i = 0; i < 6; i++)
		expect(0, i);
}

static void one_user(void **state)
{
	const struct spool_config c = { .dir = dir, .clock = &test_clock };
	struct spool *other;
	assert_int_equal(spool_open(&other, &c, NULL), -EBUSY);
}

static void too_much(void **state)
{
	int code = 0;
	for (unsigned i = 0; i < 20 && !code; i++)
		code = put(0, i, 1 << 20);
	assert_int_equal(code, -EAGAIN);
	const struct spool_record r = { .bytes = { dir, SPOOL_RECORD_MAX + 1 } };
	assert_int_equal(spool_put(s, &r, NULL), -EMSGSIZE);
	assert_int_equal(spool_sync(s, NULL), 0);
	assert_int_equal(put(0, 21, 1 << 20), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(in_order_and_again),
		CASE(higher_classes_first),
		CASE(killed),
		CASE(torn),
		CASE(damaged),
		CASE(full),
		CASE(failed_sync),
		CASE(failed_first_sync),
		CASE(in_flight),
		CASE(failed_ack),
#ifdef CAN_FAIL_READS
		CASE(unreadable),
#endif
		CASE(bounded),
		CASE(aged),
		CASE(aged_again),
		CASE(damaged_cursor),
		CASE(one_user),
		CASE(too_much),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
