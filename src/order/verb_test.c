#include "order/fixture.h"

static int check(const char *verb, const char *arg, enum order_verb *ret)
{
	struct order o = fixture_order("abcdefghijkl2345", verb, 1);
	if (arg)
		o.args[o.n_args++] = str_from(arg);
	return order_verb_check(&o, ret, NULL);
}

static void test_table(void **state)
{
	for (unsigned i = 0; i < ORDER_VERBS; i++) {
		const struct order_verb_info *v = order_verb_info(i);
		enum order_verb found;
		assert_int_equal(order_verb_find(str_from(v->name), &found), 0);
		assert_int_equal(found, i);
		assert_true(strlen(v->name) <= ORDER_VERB && *v->what);
		/* an undo takes the same arguments, destroys nothing, and is taken back in turn */
		if (v->undo < 0)
			continue;
		const struct order_verb_info *back = order_verb_info((enum order_verb)v->undo);
		assert_int_equal(back->undo, i);
		assert_memory_equal(back->args, v->args, sizeof(v->args));
		assert_false(v->destructive || back->destructive);
	}
	assert_true(order_verb_info(ORDER_RETIRE)->destructive && order_verb_info(ORDER_FORGET_SPOOL)->destructive);
	assert_int_equal(order_verb_find(STR("shell"), &(enum order_verb){ 0 }), -ENOENT);
	assert_int_equal(order_verb_find(STR(""), &(enum order_verb){ 0 }), -ENOENT);
}

static void test_arguments(void **state)
{
	static const char *const paths[] = { "/var/log/x", "/a", "/a.b/..c/.d", "/đ ê" };
	static const char *const none[] = { "",        "/",   "a/b",  "//a",  "/a//b", "/a/",    "/./a",
		                            "/a/../b", "/..", "/a/.", "../a", "/a\n",  "/a\x7f", "/a\xff" };
	enum order_verb v;
	assert_int_equal(check("ping", NULL, &v), 0);
	assert_int_equal(v, ORDER_PING);
	assert_int_equal(check("ping", "x", &v), -EINVAL);
	assert_int_equal(check("follow", NULL, &v), -EINVAL);
	assert_int_equal(check("reboot", NULL, &v), -ENOENT);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		assert_int_equal(check(i % 2 ? "follow" : "unfollow", paths[i], &v), 0);
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_int_equal(check("follow", none[i], &v), -EINVAL);
	struct order o = fixture_order("abcdefghijkl2345", "follow", 1);
	o.args[0] = o.args[1] = STR("/a");
	o.n_args = 2;
	assert_int_equal(order_verb_check(&o, &v, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table), cmocka_unit_test(test_arguments) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
