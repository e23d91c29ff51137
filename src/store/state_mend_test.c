#include "store/state_fixture.h"

static void add_token(struct state *s, const char *name)
{
	char text[TOKEN_TEXT];
	struct err err = { 0 };
	assert_int_equal(state_token_add(s, name, SCOPE_INGEST, 0, text, sizeof(text), &err), 0);
}

static void add_alerts(struct state *s, int n)
{
	char id[32];
	bool added;
	struct err err = { 0 };
	for (int i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "alert-%d", i);
		const struct alert_row a = { .id = str_from(id), .time = i, .title = STR("t"), .json = STR("{}") };
		assert_int_equal(state_alert_add(s, &a, &added, &err), 0);
	}
}

static int count_token(void *arg, const struct token *t)
{
	*(int *)arg += 1;
	return 0;
}

static int count_alert(void *arg, const struct alert_row *a)
{
	*(int *)arg += 1;
	return 0;
}

static void expect(int tokens, int alerts)
{
	struct state *s = opened();
	int n = 0;
	assert_int_equal(state_tokens(s, count_token, &n, NULL), 0);
	assert_int_equal(n, tokens);
	n = 0;
	assert_int_equal(state_alerts(s, INT64_MIN, 0, count_alert, &n, NULL), 0);
	assert_int_equal(n, alerts);
	state_close(s);
}

static void spoil(const char *file, off_t at, size_t n)
{
	char name[96], junk[4096];
	memset(junk, 0x5a, sizeof(junk));
	snprintf(name, sizeof(name), "%s/%s", dir, file);
	int fd = open(name, O_WRONLY);
	assert_int_equal(pwrite(fd, junk, n, at), n);
	close(fd);
}

static struct state_mended mend(void)
{
	const struct state_config config = { .dir = dir, .clock = &now };
	struct state_mended ret;
	struct state *s;
	struct err err = { 0 };
	assert_int_equal(open_in(dir, false, &s, NULL, &err), -EBADMSG);
	if (state_mend(&config, &ret, &err))
		fail_msg("%s", err.text);
	return ret;
}

/* Nothing can be read: tokens come from their file, which is as new as the last state_keep(). */
static void test_kept_tokens(void **state)
{
	struct state *s = opened();
	struct err err;
	add_token(s, "first");
	add_token(s, "second");
	assert_int_equal(state_keep(s, &err), 0);
	assert_int_equal(state_token_remove(s, "first", &err), 0);
	assert_int_equal(state_keep(s, &err), 0);
	state_close(s);
	spoil("state.db", 0, 4096);
	struct state_mended m = mend();
	assert_string_equal(m.aside, "state.db.damaged-1");
	assert_int_equal(m.tokens, 1);
	expect(1, 0);
	/* and a second time, beside the first */
	spoil("state.db", 0, 4096);
	m = mend();
	assert_string_equal(m.aside, "state.db.damaged-2");
	expect(1, 0);
}

static void test_kept_only_when_changed(void **state)
{
	struct state *s = opened();
	struct err err;
	char name[96];
	snprintf(name, sizeof(name), "%s/tokens.kept", dir);
	add_token(s, "one");
	assert_int_equal(state_keep(s, &err), 0);
	assert_int_equal(remove(name), 0);
	add_alerts(s, 1);
	assert_int_equal(state_keep(s, &err), 0);
	assert_int_equal(access(name, F_OK), -1);
	add_token(s, "two");
	assert_int_equal(state_keep(s, &err), 0);
	struct stat st;
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	state_close(s);
}

/* A file of tokens that is damaged too isn't believed; tokens and alerts that can be read are taken. */
static void test_salvaged(void **state)
{
	struct state *s = opened();
	struct err err;
	struct buf out = { 0 };
	add_token(s, "one");
	add_alerts(s, 500);
	assert_int_equal(state_set(s, "a", STR("b"), &err), 0);
	assert_int_equal(state_keep(s, &err), 0);
	state_close(s);
	spoil("tokens.kept", 5, 1);
	spoil("state.db", 3 * 4096, 4096); /* settings */
	struct state_mended m = mend();
	assert_int_equal(m.tokens, 1);
	assert_int_equal(m.alerts, 500);
	expect(1, 500);
	s = opened();
	assert_int_equal(state_get(s, "a", &out, &err), -ENOENT);
	state_close(s);
	buf_free(&out);
}

/* Whichever page it is, a state comes out, with every token. */
static void test_any_page(void **state)
{
	struct stat st = { 0 };
	for (off_t page = 0; page == 0 || page * 4096 < st.st_size; page++) {
		struct state *s = opened();
		struct err err;
		struct state *again;
		add_token(s, "one");
		add_alerts(s, 200);
		assert_int_equal(state_keep(s, &err), 0);
		state_close(s);
		assert_int_equal(stat(path, &st), 0);
		spoil("state.db", page * 4096, 4096);
		if (open_in(dir, false, &again, NULL, &err))
			mend();
		else
			state_close(again);
		s = opened();
		int n = 0;
		assert_int_equal(state_tokens(s, count_token, &n, NULL), 0);
		assert_int_equal(n, 1);
		state_close(s);
		teardown(state);
		assert_int_equal(mkdir(dir, 0700), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_kept_tokens),
		TEST(test_kept_only_when_changed),
		TEST(test_salvaged),
		TEST(test_any_page),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
