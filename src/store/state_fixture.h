/* What the tests of the state share: a folder with a state.db of its own for each, and what stands in it. */
#ifndef KHIEN_STORE_STATE_FIXTURE_H
#define KHIEN_STORE_STATE_FIXTURE_H

#include "store/posts.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[32], path[64];
static struct clock now;

static inline int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/khien-state-XXXXXX");
	clock_test(&now, 1000 * CLOCK_S);
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/state.db", dir);
	return 0;
}

static inline int teardown(void **state)
{
	static const char *const names[] = { "state.db",
		                             "state.db-wal",
		                             "state.db-shm",
		                             "state.db.v1",
		                             "state.db.v1.part",
		                             "copy/state.db",
		                             "state.db.part",
		                             "tokens.kept",
		                             "state.db.damaged-1",
		                             "state.db.damaged-1-wal",
		                             "state.db.damaged-1-shm",
		                             "state.db.damaged-2",
		                             "state.db.v2",
		                             "posts.kept" };
	char name[96];
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(name, sizeof(name), "%s/%s", dir, names[i]);
		remove(name);
	}
	snprintf(name, sizeof(name), "%s/copy", dir);
	rmdir(name);
	return rmdir(dir);
}

static inline int open_in(const char *where, bool read_only, struct state **ret, int *from, struct err *err)
{
	const struct state_config config = { .dir = where, .read_only = read_only, .clock = &now };
	return state_open(ret, &config, from, err);
}

static inline struct state *opened(void)
{
	struct state *s = NULL;
	struct err err = { 0 };
	if (open_in(dir, false, &s, NULL, &err))
		fail_msg("%s", err.text);
	return s;
}

/* With SQLite itself, as another program would. */
static inline void by_hand(const char *file, const char *sql)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL))
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static inline int64_t number_in(const char *file, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *st;
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}

struct list {
	size_t n;
	struct token at[8];
};

static inline int on_token(void *arg, const struct token *t)
{
	struct list *l = arg;
	if (l->n == ARRAY_LEN(l->at))
		return 7;
	l->at[l->n++] = *t;
	return 0;
}

static inline struct list tokens_of(struct state *s)
{
	struct list l = { 0 };
	assert_int_equal(state_tokens(s, on_token, &l, NULL), 0);
	return l;
}

static inline int add_alert(struct state *s, const char *id, int64_t time, struct str user)
{
	bool added = false;
	const struct alert_row a = { .id = str_from(id),
		                     .time = time,
		                     .made = time + 5,
		                     .rule = STR("r"),
		                     .title = STR("Someone tried"),
		                     .level = STR("high"),
		                     .user = user,
		                     .count = 3,
		                     .json = STR("{\"a\":1}") };
	int code = state_alert_add(s, &a, &added, NULL);
	return code ? code : added;
}

struct ids {
	char text[64];
	size_t n, user;
};

static inline int on_alert(void *arg, const struct alert_row *a)
{
	struct ids *ids = arg;
	if (ids->n++ < 8)
		snprintf(ids->text + strlen(ids->text), sizeof(ids->text) - strlen(ids->text), STR_FMT, STR_ARG(a->id));
	ids->user = a->user.n;
	assert_true(str_eq(a->json, STR("{\"a\":1}")) && str_eq(a->title, STR("Someone tried")));
	assert_int_equal(a->made, a->time + 5);
	assert_int_equal(a->count, 3);
	return a->id.p[0] == '!';
}

static inline struct ids alerts_of(struct state *s, int64_t since, uint64_t limit)
{
	struct ids ids = { 0 };
	assert_int_equal(state_alerts(s, since, limit, on_alert, &ids, NULL), 0);
	return ids;
}

/* Children that all begin at once; the sum of what fn returns (0 to 9 each). */
static inline int at_once(int n, int (*fn)(int i))
{
	int start[2], sum = 0, status;
	char c;
	pid_t pids[8];
	assert_int_equal(pipe(start), 0);
	for (int i = 0; i < n; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i])
			continue;
		close(start[1]);
		_exit(read(start[0], &c, 1) == 0 ? fn(i) : 99);
	}
	close(start[0]);
	close(start[1]);
	for (int i = 0; i < n; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 10);
		sum += WEXITSTATUS(status);
	}
	return sum;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
