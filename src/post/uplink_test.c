/* What each answer does to the spool. The client is this test's: it says what the hub says. */
#include "post/uplink.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <cmocka.h>

static struct {
	bool asked;
	unsigned hub;
	struct buf body;
	client_done *done;
	void *arg;
} fake;

int client_ask(struct client *c, unsigned hub, const struct http_request *r, int64_t wait, client_done *done, void *arg)
{
	assert_false(fake.asked);
	assert_string_equal(r->path, "/v1/bundles");
	fake.asked = true;
	fake.hub = hub;
	fake.body.n = 0;
	buf_add(&fake.body, r->body);
	fake.done = done;
	fake.arg = arg;
	return 0;
}

bool client_is_busy(const struct client *c)
{
	return fake.asked;
}

static char dir[64];
static struct clock test_clock;
static struct spool *spool;
static struct hubs hubs;
static struct uplink *u;
static unsigned notes[UPLINK_SPOOL + 1];

static void note(void *arg, enum uplink_note what, const char *a, const char *b)
{
	notes[what]++;
}

static int begin(void **state)
{
	static const char *const names[] = { "a:1", "b:1" };
	snprintf(dir, sizeof(dir), "/tmp/khien-uplink-XXXXXX");
	assert_non_null(mkdtemp(dir));
	clock_test(&test_clock, 1795000000000000LL);
	const struct spool_config s = { .dir = dir, .max_bytes = 1 << 20, .clock = &test_clock };
	assert_int_equal(spool_open(&spool, &s, NULL), 0);
	hubs_init(&hubs, 2, 5);
	memset(notes, 0, sizeof(notes));
	const struct uplink_config c = {
		.spool = spool, .hubs = &hubs, .names = names, .clock = &test_clock, .note = note, .dir = dir
	};
	return uplink_new(&u, &c, NULL);
}

static int end(void **state)
{
	uplink_free(u);
	spool_close(spool);
	DIR *d = opendir(dir);
	for (const struct dirent *e; (e = readdir(d));)
		unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	rmdir(dir);
	buf_free(&fake.body);
	memset(&fake, 0, sizeof(fake));
	return 0;
}

/* n records, "0".."9" each a zstd frame. */
static void put(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char packed[64], digit = (char)('0' + i);
		size_t size = ZSTD_compress(packed, sizeof(packed), &digit, 1, 1);
		const struct spool_record r = { .bytes = { packed, size }, .events = 3 };
		assert_int_equal(spool_put(spool, &r, NULL), 0);
	}
	assert_int_equal(spool_sync(spool, NULL), 0);
}

/* The request under way has these. */
static void expect(const char *digits)
{
	char got[32] = "";
	assert_true(fake.asked);
	/* frames one after the other */
	size_t n = ZSTD_decompress(got, sizeof(got) - 1, fake.body.p, fake.body.n);
	assert_false(ZSTD_isError(n));
	assert_string_equal(got, digits);
}

static void answer(int status, unsigned retry_after, const char *body)
{
	struct answer a = { .status = status, .retry_after = retry_after };
	buf_add(&a.body, str_from(body));
	fake.asked = false;
	fake.done(fake.arg, 0, &a, NULL);
	buf_free(&a.body);
}

static void no_answer(int code)
{
	const struct err why = { .code = code, .text = "away" };
	fake.asked = false;
	fake.done(fake.arg, code, NULL, &why);
}

static void later(int64_t us)
{
	clock_advance(&test_clock, us);
	uplink_run(u);
}

static void taken(void **state)
{
	uplink_run(u);
	assert_false(fake.asked);
	put(3);
	uplink_run(u);
	expect("012");
	put(1);
	uplink_run(u); /* one at a time */
	answer(200, 0, "{\"kept\":7,\"known\":1,\"bad\":1}");
	expect("0"); /* at once, what came meanwhile */
	answer(200, 0, "{\"kept\":3}");
	assert_false(fake.asked);
	const struct uplink_counts *c = uplink_counts(u);
	assert_int_equal(c->events, 12);
	assert_int_equal(c->known, 1);
	assert_int_equal(c->bad, 1);
	assert_int_equal(notes[UPLINK_UP], 1);
	spool_rewind(spool);
	uplink_run(u);
	assert_false(fake.asked);
}

static void sent_again(void **state)
{
	static const int codes[] = { -EPIPE, -ETIMEDOUT, -EBADMSG };
	static const int statuses[] = { 500, 502, 503, 302 };
	put(2);
	uplink_run(u);
	for (size_t i = 0; i < ARRAY_LEN(codes) + ARRAY_LEN(statuses); i++) {
		expect("01");
		if (i < ARRAY_LEN(codes))
			no_answer(codes[i]);
		else
			answer(statuses[i - ARRAY_LEN(codes)], 0, "");
		assert_false(fake.asked); /* not at once */
		later(61LL * CLOCK_S);
	}
	expect("01");
	answer(200, 0, "{}");
	assert_int_equal(notes[UPLINK_DOWN], 1);
	assert_int_equal(uplink_counts(u)->events, 6);
	assert_int_equal(uplink_counts(u)->rejected, 0);
}

static void next_hub(void **state)
{
	put(1);
	uplink_run(u);
	assert_int_equal(fake.hub, 0);
	no_answer(-ECONNREFUSED);
	later(2LL * CLOCK_S);
	no_answer(-ECONNREFUSED);
	later(2LL * CLOCK_S);
	assert_int_equal(fake.hub, 1);
	expect("0");
}

static void busy(void **state)
{
	put(1);
	uplink_run(u);
	answer(429, 20, "");
	later(19LL * CLOCK_S);
	assert_false(fake.asked);
	later(12LL * CLOCK_S);
	expect("0");
	assert_int_equal(fake.hub, 0);
	assert_int_equal(notes[UPLINK_DOWN], 0);
}

static void denied(void **state)
{
	static const int statuses[] = { 401, 403 };
	put(1);
	uplink_run(u);
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		answer(statuses[i], 0, "");
		later(50LL * CLOCK_S);
		assert_false(fake.asked);
		later(100LL * CLOCK_S);
		expect("0");
	}
	assert_int_equal(notes[UPLINK_DENIED], 1);
	answer(200, 0, "{}");
}

#define OURS(n) "{\"error\":{\"type\":\"illegal_argument_exception\",\"reason\":\"x\"},\"status\":" #n "}"

/* Halved until it fits; one that never will goes, and the others don't. */
static void too_large(void **state)
{
	put(8);
	uplink_run(u);
	expect("01234567");
	answer(413, 0, OURS(413));
	uplink_run(u);
	expect("0123");
	answer(413, 0, OURS(413));
	uplink_run(u);
	expect("01");
	answer(400, 0, OURS(400));
	uplink_run(u);
	expect("0");
	answer(400, 0, OURS(400));
	assert_int_equal(notes[UPLINK_REJECTED], 1);
	assert_int_equal(uplink_counts(u)->rejected, 3);
	uplink_run(u);
	expect("1");
	answer(200, 0, "{}");
	expect("23");
	answer(200, 0, "{}");
	expect("4567");
	char path[96];
	struct stat st;
	snprintf(path, sizeof(path), "%s/rejected", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size > 0 && (st.st_mode & 0777) == 0600);
}

/* A proxy's word is none, and neither is a second one of a hub that takes nothing. */
static void not_rejected(void **state)
{
	static const char *const pages[] = { "", "<html>", "{\"error\":\"no\",\"status\":413}", OURS(400) };
	put(2);
	uplink_run(u);
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		expect("01");
		answer(413, 0, pages[i]);
		assert_false(fake.asked);
		later(61LL * CLOCK_S);
	}
	answer(400, 0, OURS(400));
	uplink_run(u);
	expect("0");
	answer(400, 0, OURS(400));
	uplink_run(u);
	for (int i = 0; i < 3; i++) {
		expect("1");
		answer(400, 0, OURS(400));
		later(61LL * CLOCK_S);
	}
	assert_int_equal(uplink_counts(u)->rejected, 3);
	expect("1");
	answer(200, 0, "{}");
	assert_int_equal(uplink_counts(u)->events, 3);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(taken),  CASE(sent_again), CASE(next_hub),     CASE(busy),
		CASE(denied), CASE(too_large),  CASE(not_rejected),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
