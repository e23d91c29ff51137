/* Alerts that can't be stored for a while are stored later, and no mark stands before them. */
#include "cmd/hub_alerts.h"

#include "cmd/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[32];
static struct clock clock_;
static struct state *state_;
static struct alerts alerts;
static sqlite3 *other; /* another process's connection */
static int words[2];
static struct log log_;

static int setup(void **state)
{
	const struct state_config config = { .dir = dir, .clock = &clock_, .wait_ms = 1 };
	char path[64];
	snprintf(dir, sizeof(dir), "/tmp/khien-alerts-XXXXXX");
	clock_test(&clock_, 1700000000 * (int64_t)CLOCK_S);
	clock_advance(&clock_, 100 * CLOCK_S);
	if (!mkdtemp(dir) || pipe2(words, O_NONBLOCK | O_CLOEXEC) || state_open(&state_, &config, NULL, NULL))
		return -1;
	log_ = (struct log){ words[1], &clock_ };
	alerts_init(&alerts, state_, &clock_, &log_);
	snprintf(path, sizeof(path), "%s/state.db", dir);
	return sqlite3_open(path, &other);
}

static int teardown(void **state)
{
	static const char *const files[] = { "state.db", "state.db-wal", "state.db-shm" };
	alerts_done(&alerts);
	state_close(state_);
	sqlite3_close(other);
	close(words[0]);
	close(words[1]);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[64];
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static bool says(const char *text)
{
	char said[4096];
	ssize_t n = read(words[0], said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	return strstr(said, text) != NULL;
}

static int take(const char *id, size_t json)
{
	struct buf body = { 0 };
	char *text = calloc(json + 1, 1);
	memset(text, 'x', json);
	const struct alert_row a = { .id = str_from(id), .title = STR("t"), .json = { text, json } };
	link_add_alert(&body, &a);
	int code = alerts_take(&alerts, buf_str(&body));
	buf_free(&body);
	free(text);
	return code;
}

static int count_one(void *arg, const struct alert_row *a)
{
	*(int *)arg += 1;
	return 0;
}

static int stored(void)
{
	int n = 0;
	assert_int_equal(state_alerts(state_, 0, 0, count_one, &n, NULL), 0);
	return n;
}

/* As a run that starts now would find it. */
static uint64_t mark(void)
{
	struct buf was = { 0 };
	uint64_t seq = 0;
	if (!state_get(state_, "matched", &was, NULL) && was.n == sizeof(seq))
		memcpy(&seq, was.p, sizeof(seq));
	buf_free(&was);
	return seq;
}

static void sql(const char *text)
{
	assert_int_equal(sqlite3_exec(other, text, NULL, NULL, NULL), SQLITE_OK);
}

static void test_together(void **state)
{
	assert_int_equal(take("a", 10), 0);
	alerts_mark(&alerts, 7);
	alerts_commit(&alerts);
	assert_int_equal(stored(), 1);
	assert_int_equal(mark(), 7);
	/* a mark alone has time */
	alerts_mark(&alerts, 8);
	alerts_commit(&alerts);
	assert_int_equal(mark(), 7);
	clock_advance(&clock_, CLOCK_S);
	alerts_commit(&alerts);
	assert_int_equal(mark(), 8);
	/* but not that of an alert which is stored already */
	assert_int_equal(take("b", 10), 0);
	alerts_commit(&alerts);
	alerts_mark(&alerts, 9);
	alerts_commit(&alerts);
	assert_int_equal(mark(), 9);
	assert_int_equal(alerts.added, 2);
	assert_int_equal(alerts_take(&alerts, STR("none")), -EPROTO);
}

/* Another process has the file: nothing is lost for it, and the mark waits with the alerts. */
static void test_busy(void **state)
{
	sql("BEGIN IMMEDIATE");
	assert_int_equal(take("a", 10), 0);
	alerts_mark(&alerts, 7);
	alerts_commit(&alerts);
	assert_true(says("alert-not-stored"));
	assert_int_equal(take("b", 10), 0);
	alerts_mark(&alerts, 8);
	clock_advance(&clock_, CLOCK_S);
	alerts_commit(&alerts);
	assert_false(says("alert-not-stored")); /* told once */
	assert_int_equal(stored(), 0);
	assert_int_equal(mark(), 0);
	sql("COMMIT");
	alerts_commit(&alerts); /* not before its second is over */
	assert_int_equal(stored(), 0);
	clock_advance(&clock_, CLOCK_S);
	alerts_commit(&alerts);
	assert_int_equal(stored(), 2);
	assert_int_equal(mark(), 8);
	assert_true(says("alerts-stored-again"));
}

/* One that never can be stored keeps no other from it. */
static void test_refused(void **state)
{
	assert_int_equal(take("", 10), 0);
	assert_int_equal(take("a", 10), 0);
	alerts_mark(&alerts, 7);
	alerts_commit(&alerts);
	assert_true(says("alert-refused"));
	assert_int_equal(stored(), 1);
	assert_int_equal(mark(), 7);
}

/* Bounded: what is too much is raised again after a restart, as the mark stays behind it. */
static void test_too_many(void **state)
{
	char id[32];
	sql("BEGIN IMMEDIATE");
	for (int i = 0; i < 40; i++) {
		snprintf(id, sizeof(id), "a%d", i);
		assert_int_equal(take(id, 1 << 20), 0);
	}
	assert_true(alerts.waiting.n <= ALERTS_WAIT_BYTES);
	assert_true(says("alerts-lost"));
	alerts_mark(&alerts, 7);
	sql("COMMIT");
	alerts_commit(&alerts);
	assert_in_range(stored(), 28, 32);
	assert_int_equal(alerts.lost, 40 - stored());
	assert_int_equal(mark(), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = { TEST(test_together), TEST(test_busy), TEST(test_refused),
		                            TEST(test_too_many) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
