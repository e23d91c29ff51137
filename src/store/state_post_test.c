/* Posts and the secrets that let them in. */
#include "store/state_fixture.h"

#include <sodium.h>

static int64_t at(int64_t s)
{
	return s * CLOCK_S;
}

static void secret_of(const unsigned char raw[32], char text[ENROLMENT_SECRET + 1])
{
	sodium_bin2base64(text, ENROLMENT_SECRET + 1, raw, 32, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static void invite(struct state *s, const char *post, char text[ENROLMENT_SECRET + 1])
{
	unsigned char raw[32];
	struct err err = { 0 };
	if (state_enrolment_add(s, str_from(post), STR("an"), clock_wall(&now) + at(900), raw, &err))
		fail_msg("%s", err.text);
	secret_of(raw, text);
}

static int spend(struct state *s, const char *secret, const char *name)
{
	int64_t made = 0;
	return state_enrolment_spend(s, str_from(secret), str_from(name), &made, NULL);
}

static void test_secret_once(void **state)
{
	struct state *s = opened();
	char a[ENROLMENT_SECRET + 1], wrong[ENROLMENT_SECRET + 1];
	invite(s, "", a);
	memcpy(wrong, a, sizeof(a));
	wrong[5] = wrong[5] == 'x' ? 'y' : 'x';
	assert_int_equal(spend(s, wrong, "web1"), -EACCES);
	assert_int_equal(spend(s, "", "web1"), -EACCES);
	assert_int_equal(spend(s, a + 1, "web1"), -EACCES);
	assert_int_equal(spend(s, a, "a\nb"), -EINVAL);
	assert_int_equal(spend(s, a, "web1"), 0);
	assert_int_equal(spend(s, a, "web1"), -EACCES);
	assert_int_equal(spend(s, a, "web2"), -EACCES);
	state_close(s);
	s = opened();
	assert_int_equal(spend(s, a, "web1"), -EACCES);
	assert_int_equal(state_enrolments_trim(s, NULL), 0);
	assert_int_equal(spend(s, a, "web1"), -EACCES);
	state_close(s);
}

static void test_secret_ends(void **state)
{
	struct state *s = opened();
	char a[ENROLMENT_SECRET + 1], b[ENROLMENT_SECRET + 1];
	invite(s, "", a);
	invite(s, "", b);
	clock_advance(&now, at(900) - 1);
	assert_int_equal(spend(s, a, "web1"), 0);
	clock_advance(&now, 1);
	assert_int_equal(spend(s, b, "web2"), -EACCES);
	/* a clock that is set back revives nothing that is older than itself */
	clock_test(&now, at(10));
	assert_int_equal(spend(s, b, "web2"), -EACCES);
	state_close(s);
}

static void test_secret_for_a_name(void **state)
{
	struct state *s = opened();
	char any[ENROLMENT_SECRET + 1], one[ENROLMENT_SECRET + 1], early[ENROLMENT_SECRET + 1];
	invite(s, "web1", one);
	assert_int_equal(spend(s, one, "web2"), -EACCES);
	assert_int_equal(spend(s, one, "web1"), 0);
	assert_int_equal(state_post_enrolled(s, STR("web1"), STR("u"), STR("4a"), at(5000), INT64_MAX, NULL), 0);
	/* a secret for any name doesn't take one that there is */
	invite(s, "", any);
	assert_int_equal(spend(s, any, "web1"), -EEXIST);
	/* and after it was revoked only a secret that was made for it, afterwards */
	invite(s, "web1", early);
	clock_advance(&now, 5);
	assert_int_equal(state_post_revoke(s, STR("web1"), STR("an"), STR("stolen"), NULL), 0);
	assert_int_equal(spend(s, any, "web1"), -EEXIST);
	assert_int_equal(spend(s, early, "web1"), -EACCES);
	clock_advance(&now, 5);
	invite(s, "web1", one);
	assert_int_equal(spend(s, one, "web1"), 0);
	assert_int_equal(spend(s, any, "web3"), 0);
	state_close(s);
}

static int spend_it(int i)
{
	struct state *s = NULL;
	char secret[ENROLMENT_SECRET + 1], name[8];
	unsigned char raw[32];
	memset(raw, 7, sizeof(raw));
	secret_of(raw, secret);
	if (open_in(dir, false, &s, NULL, NULL))
		return 99;
	snprintf(name, sizeof(name), "web%d", i);
	int code = spend(s, secret, name);
	state_close(s);
	return code == 0 ? 1 : code == -EACCES ? 0 : 99;
}

static void test_secret_raced(void **state)
{
	unsigned char raw[32], hash[32];
	char hex[65], sql[256];
	state_close(opened());
	memset(raw, 7, sizeof(raw));
	crypto_generichash(hash, sizeof(hash), raw, sizeof(raw), NULL, 0);
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	snprintf(sql, sizeof(sql), "INSERT INTO enrolment VALUES (x'%s', '', 0, %lld, 0, 'an')", hex,
	         (long long)at(9000));
	by_hand(path, sql);
	assert_int_equal(at_once(6, spend_it), 1);
}

/* The secret itself is nowhere on the disk. */
static void test_no_secret(void **state)
{
	static char file[1 << 20];
	struct state *s = opened();
	unsigned char raw[32];
	assert_int_equal(state_enrolment_add(s, STR(""), STR("an"), at(9000), raw, NULL), 0);
	state_close(s);
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, file, sizeof(file));
	close(fd);
	assert_null(memmem(file, (size_t)n, raw, 16));
}

static struct post get(struct state *s, const char *name)
{
	struct post p = { 0 };
	assert_int_equal(state_post_get(s, str_from(name), &p, NULL), 0);
	return p;
}

static void test_life(void **state)
{
	struct state *s = opened();
	struct post p;
	assert_int_equal(state_post_enrolled(s, STR("web1"), STR("a clinic"), STR("4a"), at(5000), INT64_MAX, NULL), 0);
	p = get(s, "web1");
	assert_string_equal(p.unit, "a clinic");
	assert_int_equal(p.enrolled, at(1000));
	assert_int_equal(p.until, at(5000));
	clock_advance(&now, 7);
	assert_int_equal(state_post_renewed(s, STR("web1"), STR("4a"), STR("4b"), at(6000), NULL), 0);
	p = get(s, "web1");
	assert_string_equal(p.serial, "4b");
	assert_string_equal(p.before, "4a");
	assert_int_equal(p.renewed, at(1000) + 7);
	/* the old one is good until the new one is seen */
	assert_int_equal(state_post_seen(s, STR("web1"), STR("4a"), at(1001), NULL), 0);
	assert_string_equal(get(s, "web1").before, "4a");
	assert_int_equal(state_post_seen(s, STR("web1"), STR("4b"), at(1002), NULL), 0);
	assert_string_equal(get(s, "web1").before, "");
	assert_int_equal(get(s, "web1").seen, at(1002));
	assert_int_equal(state_post_seen(s, STR("other"), STR("4b"), at(1002), NULL), 0);
	assert_int_equal(state_post_renewed(s, STR("other"), STR("4a"), STR("4b"), at(6000), NULL), -ENOENT);
	state_close(s);
}

static void test_revoked(void **state)
{
	struct state *s = opened();
	uint64_t before, after;
	assert_int_equal(state_post_enrolled(s, STR("web1"), STR("u"), STR("4a"), at(5000), INT64_MAX, NULL), 0);
	assert_int_equal(state_order_sequence(s, STR("web1"), 50, &before, NULL), 0);
	assert_int_equal(state_post_forget(s, STR("web1"), NULL), -EBUSY);
	assert_int_equal(state_post_revoke(s, STR("web1"), STR("an"), STR(""), NULL), -EINVAL);
	assert_int_equal(state_post_revoke(s, STR("web2"), STR("an"), STR("x"), NULL), -ENOENT);
	assert_int_equal(state_post_revoke(s, STR("web1"), STR("an"), STR("stolen"), NULL), 0);
	assert_int_equal(state_post_revoke(s, STR("web1"), STR("an"), STR("again"), NULL), -EALREADY);
	assert_int_equal(get(s, "web1").revoked, at(1000));
	assert_string_equal(get(s, "web1").who, "an");
	assert_int_equal(state_post_renewed(s, STR("web1"), STR("4a"), STR("4b"), at(6000), NULL), -EACCES);
	/* enrolled anew: its old certificates are none, its sequence goes on */
	assert_int_equal(state_post_enrolled(s, STR("web1"), STR("u"), STR("4c"), at(7000), INT64_MAX, NULL), 0);
	assert_false(get(s, "web1").revoked);
	assert_string_equal(get(s, "web1").serial, "4c");
	assert_string_equal(get(s, "web1").before, "");
	assert_int_equal(state_order_sequence(s, STR("web1"), 50, &after, NULL), 0);
	assert_true(after > before);
	assert_int_equal(state_post_revoke(s, STR("web1"), STR("an"), STR("sold"), NULL), 0);
	assert_int_equal(state_post_forget(s, STR("web1"), NULL), 0);
	assert_int_equal(state_post_get(s, STR("web1"), &(struct post){ 0 }, NULL), -ENOENT);
	state_close(s);
}

/* Two answers are lost: the certificate that asked is good all the time, and the last one that it was given. */
static void test_answers_lost(void **state)
{
	struct state *s = opened();
	assert_int_equal(state_post_enrolled(s, STR("web1"), STR("u"), STR("4a"), at(5000), INT64_MAX, NULL), 0);
	assert_int_equal(state_post_renewed(s, STR("web1"), STR("4a"), STR("4b"), at(6000), NULL), 0);
	assert_int_equal(state_post_renewed(s, STR("web1"), STR("4a"), STR("4c"), at(6000), NULL), 0);
	assert_string_equal(get(s, "web1").before, "4a");
	assert_string_equal(get(s, "web1").serial, "4c");
	assert_int_equal(state_post_renewed(s, STR("web1"), STR("4b"), STR("4d"), at(6000), NULL), -EACCES);
	assert_int_equal(state_post_seen(s, STR("web1"), STR("4a"), at(1001), NULL), 0);
	assert_string_equal(get(s, "web1").before, "4a");
	assert_int_equal(state_post_seen(s, STR("web1"), STR("4c"), at(1002), NULL), 0);
	assert_int_equal(state_post_renewed(s, STR("web1"), STR("4a"), STR("4d"), at(6000), NULL), -EACCES);
	state_close(s);
}

/* What was revoked stays so: no token from before brings it back, be it spent in that moment, or the post forgotten. */
static void test_revoked_meanwhile(void **state)
{
	struct state *s = opened();
	char any[ENROLMENT_SECRET + 1], one[ENROLMENT_SECRET + 1];
	int64_t made = 0;
	assert_int_equal(state_post_enrolled(s, STR("web1"), STR("u"), STR("4a"), at(5000), INT64_MAX, NULL), 0);
	invite(s, "", any);
	invite(s, "web1", one);
	assert_int_equal(state_enrolment_spend(s, str_from(one), STR("web1"), &made, NULL), 0);
	invite(s, "web1", one);
	clock_advance(&now, 5);
	assert_int_equal(state_post_revoke(s, STR("web1"), STR("an"), STR("stolen"), NULL), 0);
	assert_int_equal(state_post_enrolled(s, STR("web1"), STR("u"), STR("4b"), at(5000), made, NULL), -EACCES);
	assert_int_equal(state_post_forget(s, STR("web1"), NULL), 0);
	assert_int_equal(state_post_enrolled(s, STR("web1"), STR("u"), STR("4b"), at(5000), made, NULL), -EACCES);
	assert_int_equal(spend(s, one, "web1"), -EACCES);
	assert_int_equal(spend(s, any, "web1"), -EACCES);
	assert_int_equal(state_enrolments_trim(s, NULL), 0);
	assert_int_equal(spend(s, any, "web1"), -EACCES);
	assert_int_equal(spend(s, any, "web2"), 0);
	clock_advance(&now, 5);
	invite(s, "", any);
	assert_int_equal(state_enrolment_spend(s, str_from(any), STR("web1"), &made, NULL), 0);
	assert_int_equal(state_post_enrolled(s, STR("web1"), STR("u"), STR("4c"), at(5000), made, NULL), 0);
	assert_string_equal(get(s, "web1").serial, "4c");
	state_close(s);
}

static void test_bounds(void **state)
{
	struct state *s = opened();
	static char name[POST_NAME + 2];
	unsigned char raw[32];
	memset(name, 'x', sizeof(name) - 1);
	assert_int_equal(state_post_enrolled(s, str_from(name), STR("u"), STR("4a"), 1, INT64_MAX, NULL), -EINVAL);
	assert_int_equal(state_post_enrolled(s, STR(""), STR("u"), STR("4a"), 1, INT64_MAX, NULL), -EINVAL);
	assert_int_equal(state_post_enrolled(s, STR("a\0b"), STR("u"), STR("4a"), 1, INT64_MAX, NULL), -EINVAL);
	assert_int_equal(state_post_enrolled(s, STR("a"), STR(""), STR("4a"), 1, INT64_MAX, NULL), -EINVAL);
	assert_int_equal(state_post_enrolled(s, STR("a"), STR("u"), STR(""), 1, INT64_MAX, NULL), -EINVAL);
	assert_int_equal(state_enrolment_add(s, str_from(name), STR("an"), 1, raw, NULL), -EINVAL);
	/* nothing of it stayed, and the file can be written to */
	assert_int_equal(number_in(path, "SELECT count(*) FROM post"), 0);
	assert_int_equal(state_post_enrolled(s, str_from(name + 1), STR("u"), STR("4a"), 1, INT64_MAX, NULL), 0);
	for (int i = 0; i < ENROLMENTS_MAX; i++)
		assert_int_equal(state_enrolment_add(s, STR(""), STR("an"), at(9000), raw, NULL), 0);
	assert_int_equal(state_enrolment_add(s, STR(""), STR("an"), at(9000), raw, NULL), -E2BIG);
	clock_advance(&now, at(9000));
	assert_int_equal(state_enrolment_add(s, STR(""), STR("an"), at(90000), raw, NULL), 0);
	state_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_secret_once),       TEST(test_secret_ends), TEST(test_secret_for_a_name),
		TEST(test_secret_raced),      TEST(test_no_secret),   TEST(test_life),
		TEST(test_revoked),           TEST(test_bounds),      TEST(test_answers_lost),
		TEST(test_revoked_meanwhile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
