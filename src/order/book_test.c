#include "order/fixture.h"

#include <fcntl.h>

static char dir[32], path[64];
static struct clock now;
static struct buf bytes;

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/khien-book-XXXXXX");
	clock_test(&now, fixture_now());
	fixture_keys();
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/orders", dir);
	return 0;
}

static int teardown(void **state)
{
	buf_free(&bytes);
	bytes = (struct buf){ 0 };
	chmod(dir, 0700);
	unlink(path);
	return rmdir(dir);
}

static struct book *opened(bool *anew)
{
	const struct book_config config = { .dir = dir, .clock = &now, .trust = &trust };
	struct book *b = NULL;
	struct err err = { 0 };
	if (book_open(&b, &config, anew, &err))
		fail_msg("%s", err.text);
	return b;
}

static int take_as(struct book *b, const char *id, const char *verb, uint64_t sequence, const struct keys *by,
                   const struct keys *approved, struct book_order *ret)
{
	struct order o = fixture_order(id, verb, sequence);
	struct order_sealed s = fixture_seal(&o, by, approved, &bytes);
	struct err err;
	return book_take(b, &s, ret, &err);
}

static int take(struct book *b, const char *id, uint64_t sequence)
{
	struct book_order o;
	return take_as(b, id, "ping", sequence, &hub, NULL, &o);
}

static int add_report(void *arg, const struct book_report *r)
{
	struct buf *out = arg;
	buf_printf(out, STR_FMT " %s " STR_FMT ";", STR_ARG(r->id), order_state_name(r->state), STR_ARG(r->result));
	return 0;
}

static void expect(struct book *b, const char *reports)
{
	struct buf out = { 0 };
	assert_int_equal(book_reports(b, add_report, &out), 0);
	buf_putc(&out, '\0');
	assert_string_equal(out.p, reports);
	buf_free(&out);
}

#define A "aaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbb"
#define C "cccccccccccccccc"

static void test_once(void **state)
{
	bool anew = false;
	struct book *b = opened(&anew);
	struct stat st;
	assert_true(anew);
	assert_int_equal(take(b, A, 10), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(take(b, A, 10), -EALREADY);
	expect(b, "");
	assert_int_equal(book_done(b, STR(A), ORDER_DONE, STR("it answers"), NULL), 0);
	assert_int_equal(book_done(b, STR(A), ORDER_FAILED, STR("no"), NULL), -ENOENT);
	expect(b, A " done it answers;");
	book_close(b);
	/* told until it was heard, and again where it is asked again */
	b = opened(&anew);
	assert_false(anew);
	expect(b, A " done it answers;");
	assert_int_equal(book_reported(b, STR(A), NULL), 0);
	expect(b, "");
	assert_int_equal(take(b, A, 10), -EALREADY);
	expect(b, A " done it answers;");
	assert_int_equal(book_reported(b, STR(B), NULL), -ENOENT);
	book_close(b);
}

/* Whenever it was stopped: what was begun isn't begun again. */
static void test_stopped(void **state)
{
	struct book *b = opened(NULL);
	assert_int_equal(take(b, A, 10), 0);
	book_close(b);
	b = opened(NULL);
	expect(b, A " failed the post stopped while it acted on this: it may be done in part;");
	assert_int_equal(take(b, A, 10), -EALREADY);
	book_close(b);
}

static void test_refused(void **state)
{
	struct book *b = opened(NULL);
	struct book_order o;
	assert_int_equal(take(b, B, 20), 0);
	assert_int_equal(book_done(b, STR(B), ORDER_DONE, STR(""), NULL), 0);
	assert_int_equal(book_reported(b, STR(B), NULL), 0);
	assert_int_equal(take_as(b, A, "ping", 20, &hub, NULL, &o), -EACCES);
	assert_int_equal(o.refusal, ORDER_REPLAY);
	assert_non_null(strstr(o.why, "not after the last one"));
	/* nothing is noted down of what no hub signed, or not for this post: nobody fills the book with it */
	assert_int_equal(take_as(b, C, "ping", 30, &stranger, NULL, &o), -EACCES);
	assert_int_equal(o.refusal, ORDER_FORGED);
	trust.post = STR("web2");
	assert_int_equal(take_as(b, C, "ping", 30, &hub, NULL, &o), -EACCES);
	assert_int_equal(o.refusal, ORDER_OTHER_POST);
	trust.post = STR("web1");
	expect(b, A " refused replay: its sequence, 1700000000000020, is not after the last one, 1700000000000020;");
	book_close(b);
	b = opened(NULL);
	expect(b, A " refused replay: its sequence, 1700000000000020, is not after the last one, 1700000000000020;");
	assert_int_equal(take_as(b, C, "retire", 5, &hub, NULL, &o), -EACCES);
	assert_int_equal(o.refusal, ORDER_UNAPPROVED);
	book_close(b);
}

/* Orders that destroy have their own sequence: an approval may take its time. */
static void test_two_sequences(void **state)
{
	struct book *b = opened(NULL);
	struct book_order o;
	assert_int_equal(take(b, A, 20), 0);
	assert_int_equal(take_as(b, B, "forget-spool", 10, &hub, &approver, &o), 0);
	assert_int_equal(o.verb, ORDER_FORGET_SPOOL);
	book_close(b);
	b = opened(NULL);
	assert_int_equal(take_as(b, C, "retire", 10, &hub, &approver, &o), -EACCES);
	assert_int_equal(o.refusal, ORDER_REPLAY);
	book_close(b);
}

/* A book that is gone, cut or changed lets nothing pass that was issued before. */
static void test_lost(void **state)
{
	struct book *b = opened(NULL);
	struct book_order o;
	struct stat st;
	bool anew = false;
	assert_int_equal(take(b, A, 10), 0);
	book_close(b);
	assert_int_equal(stat(path, &st), 0);
	for (off_t n = st.st_size - 1; n >= 0; n -= 7) {
		assert_int_equal(truncate(path, n), 0);
		clock_test(&now, fixture_now() + 60LL * CLOCK_S);
		b = opened(&anew);
		assert_true(anew);
		assert_int_equal(take_as(b, A, "ping", 10, &hub, NULL, &o), -EACCES);
		assert_int_equal(o.refusal, ORDER_REPLAY);
		book_close(b);
	}
	unlink(path);
	b = opened(&anew);
	assert_true(anew);
	assert_int_equal(take(b, A, 10), -EACCES);
	book_close(b);
}

static void test_flipped(void **state)
{
	struct book *b = opened(NULL);
	struct stat st;
	assert_int_equal(take(b, A, 10), 0);
	book_close(b);
	assert_int_equal(stat(path, &st), 0);
	for (off_t at = 0; at < st.st_size; at++) {
		bool anew = false;
		char c, was[4096];
		int fd = open(path, O_RDWR);
		assert_int_equal(pread(fd, was, sizeof(was), 0), st.st_size);
		c = (char)(was[at] ^ 0x10);
		assert_int_equal(pwrite(fd, &c, 1, at), 1);
		close(fd);
		b = opened(&anew);
		assert_true(anew);
		book_close(b);
		fd = open(path, O_RDWR | O_TRUNC);
		assert_int_equal(write(fd, was, (size_t)st.st_size), st.st_size);
		close(fd);
	}
}

/* Where it can't be noted down, it is not done, and may be asked again. */
static void test_disk(void **state)
{
	struct book *b = opened(NULL);
	char folder[64];
	if (geteuid() == 0) { /* root writes where nobody may: take the folder away */
		snprintf(folder, sizeof(folder), "%s.gone", dir);
		assert_int_equal(rename(dir, folder), 0);
		assert_true(take(b, A, 10) < 0);
		assert_int_not_equal(take(b, A, 10), -EALREADY);
		assert_int_equal(rename(folder, dir), 0);
	} else {
		assert_int_equal(chmod(dir, 0500), 0);
		assert_true(take(b, A, 10) < 0);
		assert_int_not_equal(take(b, A, 10), -EALREADY);
		assert_int_equal(chmod(dir, 0700), 0);
	}
	assert_int_equal(take(b, A, 10), 0);
	assert_int_equal(book_done(b, STR(A), ORDER_DONE, STR("x"), NULL), 0);
	expect(b, A " done x;");
	book_close(b);
}

static int count(void *arg, const struct book_report *r)
{
	*(int *)arg += 1;
	return 0;
}

static void test_full(void **state)
{
	struct book *b = opened(NULL);
	char id[ORDER_ID + 1] = A;
	int n = 0;
	for (int i = 0; i < BOOK_RESULTS; i++) {
		id[0] = (char)('a' + i % 26);
		id[1] = (char)('a' + i / 26);
		assert_int_equal(take(b, id, (uint64_t)i + 10), 0);
	}
	/* all are being acted on */
	assert_int_equal(take(b, C, 1000), -EBUSY);
	id[0] = id[1] = 'a';
	assert_int_equal(book_done(b, str_from(id), ORDER_DONE, STR(""), NULL), 0);
	assert_int_equal(take(b, C, 1000), 0); /* its report had to go */
	book_close(b);
	b = opened(NULL);
	assert_int_equal(book_reports(b, count, &n), 0);
	assert_int_equal(n, BOOK_RESULTS);
	id[0] = 'c';
	assert_int_equal(book_reported(b, str_from(id), NULL), 0);
	assert_int_equal(take(b, B, 2000), 0);
	n = 0;
	assert_int_equal(book_reports(b, count, &n), 0);
	assert_int_equal(n, BOOK_RESULTS - 1);
	book_close(b);
}

static void test_long_result(void **state)
{
	static char text[ORDER_RESULT + 2];
	struct book *b = opened(NULL);
	struct buf out = { 0 };
	memset(text, 'x', sizeof(text));
	memcpy(text + ORDER_RESULT - 1, "\xe1\xbb\x87", 3); /* a letter that would be cut in two */
	assert_int_equal(take(b, A, 10), 0);
	assert_int_equal(book_done(b, STR(A), ORDER_SENT, STR(""), NULL), -EINVAL);
	assert_int_equal(book_done(b, STR(A), ORDER_FAILED, (struct str){ text, sizeof(text) }, NULL), 0);
	book_close(b);
	b = opened(NULL);
	assert_int_equal(book_reports(b, add_report, &out), 0);
	assert_int_equal(out.n, strlen(A " failed ;") + ORDER_RESULT - 1);
	buf_free(&out);
	book_close(b);
}

static void test_states(void **state)
{
	for (unsigned i = 1; i < ORDER_STATES; i++) {
		enum order_state back;
		assert_int_equal(order_state_find(str_from(order_state_name(i)), &back), 0);
		assert_int_equal(back, i);
	}
	assert_int_equal(order_state_find(STR("dones"), &(enum order_state){ 0 }), -ENOENT);
	assert_string_equal(order_state_name(0), "unknown");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_once),   TEST(test_stopped),     TEST(test_refused), TEST(test_two_sequences),
		TEST(test_lost),   TEST(test_flipped),     TEST(test_disk),    TEST(test_full),
		TEST(test_states), TEST(test_long_result),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
