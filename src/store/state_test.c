/* state.db: what was put in comes back, also when several write. */
#include "store/state_fixture.h"

static const int64_t LATER = (int64_t)5000 * CLOCK_S;
static void test_tokens(void **state)
{
	struct state *s = opened();
	struct err err;
	char web[TOKEN_TEXT], mail[TOKEN_TEXT];
	assert_int_equal(state_token_add(s, "web", SCOPE_INGEST, 0, web, sizeof(web), &err), 0);
	clock_advance(&now, CLOCK_S);
	assert_int_equal(state_token_add(s, "thư", SCOPE_READ, LATER, mail, sizeof(mail), &err), 0);
	assert_int_equal(state_token_add(s, "web", SCOPE_READ, 0, mail, sizeof(mail), &err), -EEXIST);
	assert_non_null(strstr(err.text, "'web'"));
	state_close(s);

	s = opened();
	struct list l = tokens_of(s);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.at[0].name, "web");
	assert_string_equal(l.at[1].name, "thư");
	assert_int_equal(l.at[1].made, 1001 * CLOCK_S);
	assert_int_equal(l.at[1].expires, LATER);
	assert_ptr_equal(token_check(l.at, l.n, str_from(web), SCOPE_INGEST, 0), &l.at[0]);
	assert_ptr_equal(token_check(l.at, l.n, str_from(mail), SCOPE_READ, 0), &l.at[1]);
	assert_null(token_check(l.at, l.n, str_from(mail), SCOPE_READ, LATER));
	assert_int_equal(state_token_remove(s, "thư", &err), 0);
	assert_int_equal(state_token_remove(s, "thư", &err), -ENOENT);
	assert_int_equal(state_token_remove(s, l.at[0].id, &err), 0);
	assert_int_equal(tokens_of(s).n, 0);
	state_close(s);
}

static void test_token_bounds(void **state)
{
	static const char *const bad[] = { "", "a\nb", "\x7f", "\xff\xfe",
		                           "65 bytes: 8901234567890123456789012345678901234567890123456789012" };
	struct state *s = opened();
	struct err err;
	char text[TOKEN_TEXT], name[32];
	assert_int_equal(strlen(bad[4]), TOKEN_NAME + 1);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(state_token_add(s, bad[i], SCOPE_READ, 0, text, sizeof(text), &err), -EINVAL);
	assert_int_equal(state_token_add(s, bad[4] + 1, 0, 0, text, sizeof(text), &err), -EINVAL);
	assert_int_equal(state_token_add(s, bad[4] + 1, 16, 0, text, sizeof(text), &err), -EINVAL);
	assert_int_equal(state_token_add(s, bad[4] + 1, 1, 0, text, sizeof(text) - 1, &err), -EINVAL);
	assert_int_equal(state_begin(s, &err), 0);
	for (int i = 0; i < TOKENS_MAX; i++) {
		snprintf(name, sizeof(name), "host %d", i);
		assert_int_equal(state_token_add(s, name, SCOPE_READ, 0, text, sizeof(text), &err), 0);
	}
	assert_int_equal(state_token_add(s, "one more", SCOPE_READ, 0, text, sizeof(text), &err), -E2BIG);
	assert_int_equal(state_commit(s, &err), 0);
	struct list l = { 0 };
	assert_int_equal(state_tokens(s, on_token, &l, &err), 7); /* stopped */
	state_close(s);
}

/* Who reads the disk can't call. */
static void test_no_secret_on_disk(void **state)
{
	struct state *s = opened();
	char text[TOKEN_TEXT], wal[80];
	static char bytes[1 << 20];
	assert_int_equal(state_token_add(s, "web", SCOPE_INGEST, 0, text, sizeof(text), NULL), 0);
	snprintf(wal, sizeof(wal), "%s-wal", path);
	for (int i = 0; i < 2; i++) {
		int fd = open(i ? path : wal, O_RDONLY);
		assert_true(fd >= 0);
		ssize_t n = read(fd, bytes, sizeof(bytes));
		close(fd);
		assert_true(n >= 4096);
		assert_null(memmem(bytes, (size_t)n, text + TOKEN_ID + 1, 8));
		if (!i)
			state_close(s); /* the WAL goes into the file */
	}
	assert_non_null(memmem(bytes, sizeof(bytes), text, TOKEN_ID));
}

static void test_private(void **state)
{
	struct stat st;
	mode_t old = umask(0);
	state_close(opened());
	umask(old);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_settings(void **state)
{
	struct state *s = opened();
	struct err err;
	struct buf out = { 0 };
	static char big[STATE_VALUE + 1];
	assert_int_equal(state_get(s, "unit", &out, &err), -ENOENT);
	assert_int_equal(state_set(s, "unit", STR("a\0b"), &err), 0);
	assert_int_equal(state_set(s, "other", STR(""), &err), 0);
	assert_int_equal(state_set(s, "unit", STR("c\0de"), &err), 0);
	assert_int_equal(state_get(s, "unit", &out, &err), 0);
	assert_true(str_eq(buf_str(&out), STR("c\0de")));
	assert_int_equal(state_get(s, "other", &out, &err), 0);
	assert_int_equal(out.n, 4);
	assert_int_equal(state_set(s, "big", (struct str){ big, sizeof(big) }, &err), -E2BIG);
	assert_int_equal(state_set(s, "big", (struct str){ big, sizeof(big) - 1 }, &err), 0);
	assert_int_equal(state_set(s, "", STR("x"), &err), -E2BIG);
	buf_free(&out);
	state_close(s);
}

static void test_alerts(void **state)
{
	struct state *s = opened();
	static char json[ALERT_JSON + 1];
	const struct alert_row too_big = { .id = STR("z"), .json = { json, sizeof(json) } };
	bool added;
	assert_int_equal(add_alert(s, "b", 20, STR("u")), 1);
	assert_int_equal(add_alert(s, "a", 10, STR("u")), 1);
	assert_int_equal(add_alert(s, "d", 30, STR("u")), 1);
	assert_int_equal(add_alert(s, "c", 20, STR("u")), 1);
	assert_int_equal(add_alert(s, "a", 99, STR("u")), 0);
	assert_int_equal(state_alert_add(s, &too_big, &added, NULL), -E2BIG);
	assert_string_equal(alerts_of(s, 0, 0).text, "dcba");
	assert_string_equal(alerts_of(s, 20, 0).text, "dcb");
	assert_string_equal(alerts_of(s, 0, 2).text, "dc");
	assert_string_equal(alerts_of(s, 31, 0).text, "");
	/* a foreign text is cut, at a character's border */
	memset(json, 'x', 600);
	memcpy(json + 511, "\xe1\xbb\x87", 3);
	assert_int_equal(add_alert(s, "e", 40, (struct str){ json, 600 }), 1);
	assert_int_equal(alerts_of(s, 40, 1).user, 511);
	state_close(s);
}

static int take_count(void *arg, const struct alert_row *a)
{
	*(uint32_t *)arg = a->count;
	return 0;
}

/* An alert that goes on counts; nothing makes it smaller. */
static void test_alerts_count(void **state)
{
	static const uint32_t counts[][2] = { { 2, 2 }, { 7, 7 }, { 5, 7 } };
	struct state *s = opened();
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		const struct alert_row a = { .id = STR("a"), .time = 1, .count = counts[i][0], .json = STR("{}") };
		uint32_t count = 0;
		bool added;
		assert_int_equal(state_alert_add(s, &a, &added, NULL), 0);
		assert_int_equal(added, i == 0);
		assert_int_equal(state_alerts(s, 0, 0, take_count, &count, NULL), 0);
		assert_int_equal(count, counts[i][1]);
	}
	state_close(s);
}

static void test_alerts_trim(void **state)
{
	struct state *s = opened();
	char id[16];
	uint64_t removed, passes = 0;
	assert_int_equal(state_alerts_trim(s, 3, 0, &removed, NULL), 0);
	assert_int_equal(removed, 0);
	assert_int_equal(state_begin(s, NULL), 0);
	for (int i = 0; i < 2500; i++) {
		snprintf(id, sizeof(id), "%d", i);
		assert_int_equal(add_alert(s, id, 5000 - i, STR("")), 1);
	}
	assert_int_equal(state_commit(s, NULL), 0);
	do {
		passes++;
		assert_int_equal(state_alerts_trim(s, 3, 0, &removed, NULL), 0);
		assert_true(removed <= 1000);
	} while (removed);
	assert_int_equal(passes, 4);
	assert_string_equal(alerts_of(s, 0, 0).text, "249724982499");
	/* the oldest go for room, too */
	static const char json[10000] = { [0 ... 9999] = 'x' };
	for (int i = 0; i < 2000; i++) {
		bool added;
		snprintf(id, sizeof(id), "a%d", i);
		const struct alert_row a = { .id = str_from(id), .time = 1, .json = { json, sizeof(json) } };
		assert_int_equal(state_alert_add(s, &a, &added, NULL), 0);
	}
	assert_int_equal(state_alerts_trim(s, 1000000, 30 << 20, &removed, NULL), 0);
	assert_int_equal(removed, 0);
	assert_int_equal(state_alerts_trim(s, 1000000, 15 << 20, &removed, NULL), 0);
	assert_int_equal(removed, 1000);
	assert_int_equal(state_alerts_trim(s, 1000000, 15 << 20, &removed, NULL), 0);
	assert_int_equal(removed, 0);
	state_close(s);
}

static void test_transaction(void **state)
{
	struct state *s = opened();
	assert_int_equal(state_begin(s, NULL), 0);
	assert_int_equal(add_alert(s, "a", 1, STR("")), 1);
	state_close(s); /* given up */
	s = opened();
	assert_int_equal(alerts_of(s, 0, 0).n, 0);
	assert_int_equal(state_begin(s, NULL), 0);
	assert_int_equal(add_alert(s, "b", 1, STR("")), 1);
	assert_int_equal(add_alert(s, "", 1, STR("")), -E2BIG);
	assert_int_equal(add_alert(s, "c", 2, STR("")), 1);
	assert_int_equal(state_commit(s, NULL), 0);
	assert_int_equal(state_commit(s, NULL), -ECANCELED);
	assert_string_equal(alerts_of(s, 0, 0).text, "cb");
	state_close(s);
}

static void test_version(void **state)
{
	struct state *a = opened(), *b = opened();
	uint64_t v = state_version(a);
	assert_int_equal(state_version(a), v);
	assert_int_equal(add_alert(a, "1", 1, STR("")), 1);
	assert_true(state_version(a) > v);
	v = state_version(a);
	assert_int_equal(state_version(a), v);
	assert_int_equal(add_alert(b, "2", 1, STR("")), 1);
	assert_true(state_version(a) > v);
	v = state_version(a);
	alerts_of(b, 0, 0);
	assert_int_equal(state_version(a), v);
	state_close(a);
	state_close(b);
}

static int write_many(int writer)
{
	struct state *s = NULL;
	char id[32], text[TOKEN_TEXT];
	if (open_in(dir, false, &s, NULL, NULL))
		return 99;
	for (int i = 0; i < 60; i++) {
		snprintf(id, sizeof(id), "%d-%d", writer, i);
		if (add_alert(s, id, i, STR("")) != 1)
			return 98;
		if (i % 10 == 0 && state_token_add(s, id, SCOPE_READ, 0, text, sizeof(text), NULL))
			return 97;
	}
	state_close(s);
	return 0;
}

static void test_two_write(void **state)
{
	assert_int_equal(at_once(2, write_many), 0);
	struct state *s = opened();
	assert_int_equal(alerts_of(s, 0, 0).n, 120);
	state_close(s);
	assert_int_equal(number_in(path, "SELECT count(*) FROM token"), 12);
}

static void test_backup(void **state)
{
	struct state *s = opened(), *b = NULL;
	char copy[64];
	struct stat st;
	struct err err = { 0 };
	snprintf(copy, sizeof(copy), "%s/copy", dir);
	assert_int_equal(state_backup(s, copy, &err), -ENOENT);
	assert_int_equal(mkdir(copy, 0700), 0);
	assert_int_equal(add_alert(s, "a", 1, STR("")), 1);
	/* what is not committed isn't in it */
	struct state *other = opened();
	assert_int_equal(state_begin(other, &err), 0);
	assert_int_equal(add_alert(other, "b", 2, STR("")), 1);
	assert_int_equal(state_backup(s, copy, &err), 0);
	assert_int_equal(state_commit(other, &err), 0);
	state_close(other);
	state_close(s);
	assert_int_equal(open_in(copy, true, &b, NULL, &err), 0);
	assert_string_equal(alerts_of(b, 0, 0).text, "a");
	assert_int_equal(add_alert(b, "c", 2, STR("")), -EROFS);
	state_close(b);
	snprintf(copy, sizeof(copy), "%s/copy/state.db", dir);
	assert_int_equal(stat(copy, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tokens),      TEST(test_token_bounds), TEST(test_no_secret_on_disk), TEST(test_private),
		TEST(test_settings),    TEST(test_alerts),       TEST(test_alerts_count),      TEST(test_alerts_trim),
		TEST(test_transaction), TEST(test_version),      TEST(test_two_write),         TEST(test_backup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
