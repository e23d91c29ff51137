#include "order/fixture.h"
#include "order/invite.h"

static struct invite sample(void)
{
	struct invite i = { .hubs = { "hub.example:9200", "[2001:db8::1]:9200", "10.0.0.5:443" }, .n_hubs = 3 };
	memset(i.fingerprint, 0x5a, sizeof(i.fingerprint));
	memset(i.secret, 0xa5, sizeof(i.secret));
	return i;
}

static void test_back(void **state)
{
	struct buf out = { 0 };
	struct invite i = sample(), back;
	char secret[INVITE_SECRET_TEXT + 1];
	buf_add(&out, STR(" \n"));
	assert_int_equal(invite_print(&i, &out, NULL), 0);
	buf_add(&out, STR("\r\n"));
	assert_true(str_starts(str_trim(buf_str(&out)), STR("khien1.")));
	assert_int_equal(invite_read(&back, buf_str(&out), NULL), 0);
	assert_memory_equal(&i, &back, sizeof(i));
	invite_secret(&back, secret);
	assert_string_equal(secret, "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU");
	buf_free(&out);
}

static void test_hubs(void **state)
{
	static const char *const bad[] = { "",          "hub",    "hub:",       ":1",    "hub:0",
		                           "hub:65536", "hub:1a", "hub:123456", "h b:1", "2001:db8::1:9200",
		                           "[::1:1",    "h/b:1",  "[a.b-c]:1" };
	static const char *const good[] = { "h:1", "[::1]:65535", "a-b.c:9200" };
	struct buf out = { 0 };
	for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
		struct invite i = sample();
		snprintf(i.hubs[1], sizeof(i.hubs[1]), "%s", bad[k]);
		assert_int_equal(invite_print(&i, &out, NULL), -EINVAL);
	}
	for (size_t k = 0; k < ARRAY_LEN(good); k++) {
		struct invite i = sample();
		snprintf(i.hubs[1], sizeof(i.hubs[1]), "%s", good[k]);
		assert_int_equal(invite_print(&i, &out, NULL), 0);
	}
	struct invite i = sample();
	i.n_hubs = 0;
	assert_int_equal(invite_print(&i, &out, NULL), -EINVAL);
	buf_free(&out);
}

static void test_cut(void **state)
{
	struct buf out = { 0 };
	struct invite i = sample(), back;
	assert_int_equal(invite_print(&i, &out, NULL), 0);
	for (size_t n = 0; n < out.n; n++)
		assert_int_equal(invite_read(&back, (struct str){ out.p, n }, NULL), -EINVAL);
	buf_add(&out, STR("AAAA"));
	assert_int_equal(invite_read(&back, buf_str(&out), NULL), -EINVAL);
	out.p[5] = '2';
	out.n -= 4;
	assert_int_equal(invite_read(&back, buf_str(&out), NULL), -EINVAL);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_back), cmocka_unit_test(test_hubs),
		                            cmocka_unit_test(test_cut) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
