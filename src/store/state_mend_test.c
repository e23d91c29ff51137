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

static void enrol(struct state *s, const char *name, const char *serial)
{
	struct err err = { 0 };
	if (state_post_enrolled(s, str_from(name), STR("a clinic"), str_from(serial), 5000, INT64_MAX, &err))
		fail_msg("%s", err.text);
}

static struct post post_of(struct state *s, const char *name)
{
	struct post p = { 0 };
	struct err err = { 0 };
	if (state_post_get(s, str_from(name), &p, &err) && err.code != -ENOENT)
		fail_msg("%s", err.text);
	return p;
}

/* As another khien's file of an hour ago would be: with what was there then. */
static void older_kept(const char *name)
{
	char from[96], to[96], bytes[1 << 16];
	snprintf(from, sizeof(from), "%s/posts.kept", dir);
	snprintf(to, sizeof(to), "%s/%s", dir, name);
	int fd = open(from, O_RDONLY);
	ssize_t n = read(fd, bytes, sizeof(bytes));
	close(fd);
	fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, bytes, (size_t)n), n);
	close(fd);
}

/* What was revoked stays so, whatever page is lost; sequences go on; what was spent or ordered is gone. */
static void test_posts(void **state)
{
	struct stat st = { 0 };
	for (off_t page = 0; page == 0 || page * 4096 < st.st_size; page++) {
		struct state *s = opened(), *again;
		unsigned char raw[32];
		uint64_t sequence, next;
		enrol(s, "bad", "4a");
		enrol(s, "gone", "4b");
		enrol(s, "good", "4c");
		add_alerts(s, 50);
		assert_int_equal(state_enrolment_add(s, STR(""), STR("an"), 9000LL * CLOCK_S, raw, NULL), 0);
		assert_int_equal(state_order_sequence(s, STR("good"), clock_wall(&now) + 1000, &sequence, NULL), 0);
		assert_int_equal(state_keep(s, NULL), 0);
		assert_int_equal(state_post_revoke(s, STR("bad"), STR("an"), STR("stolen"), NULL), 0);
		assert_int_equal(state_post_revoke(s, STR("gone"), STR("an"), STR("sold"), NULL), 0);
		assert_int_equal(state_post_forget(s, STR("gone"), NULL), 0);
		state_close(s);
		assert_int_equal(stat(path, &st), 0);
		spoil("state.db", page * 4096, 4096);
		bool mended = open_in(dir, false, &again, NULL, NULL) != 0;
		if (mended)
			assert_int_equal(mend().posts, 2);
		else
			state_close(again);
		s = opened();
		assert_true(post_of(s, "bad").revoked);
		assert_string_equal(post_of(s, "bad").why, "stolen");
		assert_false(post_of(s, "good").revoked);
		assert_string_equal(post_of(s, "good").serial, "4c");
		assert_string_equal(post_of(s, "gone").name, "");
		assert_int_equal(state_order_sequence(s, STR("good"), 0, &next, NULL), 0);
		assert_true(next > sequence);
		state_close(s);
		if (mended)
			assert_int_equal(number_in(path, "SELECT count(*) FROM enrolment"), 0);
		teardown(state);
		assert_int_equal(mkdir(dir, 0700), 0);
	}
}

/* Without the file beside it nothing is believed but what takes rights away. */
static void test_posts_not_kept(void **state)
{
	struct state *s = opened();
	char name[96];
	enrol(s, "one", "4a");
	assert_int_equal(state_set(s, "a", STR("b"), NULL), 0);
	state_close(s);
	snprintf(name, sizeof(name), "%s/posts.kept", dir);
	assert_int_equal(remove(name), 0);
	spoil("state.db", 3 * 4096, 4096); /* settings */
	assert_int_equal(mend().posts, 1);
	s = opened();
	assert_true(post_of(s, "one").revoked);
	assert_string_equal(post_of(s, "one").who, "khien");
	state_close(s);
}

/* And where the two tell it differently, the one that permits less is right. */
static void test_posts_differ(void **state)
{
	struct state *s = opened();
	char from[96], to[96];
	uint64_t sequence;
	enrol(s, "one", "4a");
	enrol(s, "two", "4b");
	older_kept("copy");
	assert_int_equal(state_post_revoke(s, STR("one"), STR("an"), STR("stolen"), NULL), 0);
	assert_int_equal(state_order_sequence(s, STR("two"), 77 * CLOCK_S, &sequence, NULL), 0);
	enrol(s, "three", "4d");
	assert_int_equal(state_set(s, "a", STR("b"), NULL), 0);
	state_close(s);
	snprintf(from, sizeof(from), "%s/copy", dir);
	snprintf(to, sizeof(to), "%s/posts.kept", dir);
	assert_int_equal(rename(from, to), 0);
	spoil("state.db", 3 * 4096, 4096);
	assert_int_equal(mend().posts, 3);
	s = opened();
	assert_true(post_of(s, "one").revoked);
	assert_string_equal(post_of(s, "one").why, "stolen");
	assert_false(post_of(s, "two").revoked);
	assert_int_equal(post_of(s, "two").sequence, sequence);
	assert_true(post_of(s, "three").revoked);
	state_close(s);
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
		TEST(test_kept_tokens), TEST(test_kept_only_when_changed), TEST(test_salvaged),     TEST(test_any_page),
		TEST(test_posts),       TEST(test_posts_not_kept),         TEST(test_posts_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
