#include "store/state_fixture.h"

#define A "aaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbb"
enum { ASKED = 1, QUEUED = 3, SENT = 4, DONE = 5 };

static struct state *with_post(void)
{
	struct state *s = opened();
	assert_int_equal(state_post_enrolled(s, STR("web1"), STR("u"), STR("4a"), 1, INT64_MAX, NULL), 0);
	return s;
}

static int add(struct state *s, const char *id)
{
	const struct order_row o = { .id = str_from(id),
		                     .post = STR("web1"),
		                     .verb = STR("follow"),
		                     .args = STR("[\"/a\"]"),
		                     .state = ASKED,
		                     .expires = 99,
		                     .who = STR("an"),
		                     .why = STR("it is loud") };
	return state_order_add(s, &o, NULL);
}

static int show(void *arg, const struct order_row *o)
{
	struct buf *out = arg;
	buf_printf(out, "%c%llu/%d/%llu/" STR_FMT "/" STR_FMT ";", o->id.p[0], (unsigned long long)o->turn, o->state,
	           (unsigned long long)o->sequence, STR_ARG(o->bytes), STR_ARG(o->result));
	assert_true(str_eq(o->post, STR("web1")) && str_eq(o->verb, STR("follow")) && str_eq(o->args, STR("[\"/a\"]")));
	assert_true(str_eq(o->who, STR("an")) && str_eq(o->why, STR("it is loud")) && o->expires == 99);
	return 0;
}

static void expect(struct state *s, int state, const char *want)
{
	struct buf out = { 0 };
	assert_int_equal(state_orders(s, state, show, &out, NULL), 0);
	buf_putc(&out, '\0');
	assert_string_equal(out.p, want);
	buf_free(&out);
}

static int show_change(void *arg, const struct order_change *c)
{
	buf_printf(arg, "%d " STR_FMT " " STR_FMT ";", c->state, STR_ARG(c->who), STR_ARG(c->why));
	assert_int_equal(c->time, 1000 * CLOCK_S);
	return 0;
}

static const char signature[64] = { 1 }, key[32] = { 2 };

static void test_life(void **state)
{
	struct state *s = with_post();
	struct buf changes = { 0 };
	uint64_t n;
	assert_int_equal(add(s, A), 0);
	assert_int_equal(add(s, A), -EEXIST);
	assert_int_equal(add(s, B), 0);
	expect(s, ASKED, "a0/1/0//;b0/1/0//;");
	assert_int_equal(state_order_sequence(s, STR("web1"), 7, &n, NULL), 0);
	assert_int_equal(state_order_bytes(s, STR(A), n, STR("bytes"), NULL), 0);
	assert_int_equal(state_order_bytes(s, STR(A), 9, STR("others"), NULL), -EALREADY);
	assert_int_equal(state_order_approved(s, STR(A), (struct str){ key, 32 }, (struct str){ signature, 64 }, NULL),
	                 0);
	/* who is signed first has the first turn, whenever it was written down */
	assert_int_equal(state_order_signed(s, STR(B), (struct str){ signature, 64 }, NULL), 0);
	assert_int_equal(state_order_signed(s, STR(A), (struct str){ signature, 64 }, NULL), 0);
	assert_int_equal(state_order_signed(s, STR(A), (struct str){ signature, 64 }, NULL), -ESTALE);
	assert_int_equal(state_order_approved(s, STR(A), (struct str){ key, 32 }, (struct str){ signature, 64 }, NULL),
	                 -ESTALE);
	expect(s, 0, "b1/1/0//;a2/1/7/bytes/;");
	assert_int_equal(state_order_move(s, STR(A), ASKED, QUEUED, STR("khien"), STR("signed"), STR(""), NULL), 0);
	assert_int_equal(state_order_move(s, STR(A), ASKED, SENT, STR("khien"), STR(""), STR(""), NULL), -ESTALE);
	assert_int_equal(state_order_move(s, STR(A), QUEUED, DONE, STR("web1"), STR(""), STR("all well"), NULL), 0);
	expect(s, DONE, "a2/5/7/bytes/all well;");
	assert_int_equal(state_order_changes(s, STR(A), show_change, &changes, NULL), 0);
	buf_putc(&changes, '\0');
	assert_string_equal(changes.p, "1 an it is loud;3 khien signed;5 web1 ;");
	assert_int_equal(state_order_get(s, STR("zzzzzzzzzzzzzzzz"), show, NULL, NULL), -ENOENT);
	buf_free(&changes);
	state_close(s);
}

static void test_sequences(void **state)
{
	struct state *s = with_post();
	uint64_t a, b;
	assert_int_equal(state_order_sequence(s, STR("web1"), 1000, &a, NULL), 0);
	assert_int_equal(a, 1000);
	/* also with a clock that went back */
	assert_int_equal(state_order_sequence(s, STR("web1"), 10, &b, NULL), 0);
	assert_int_equal(b, 1001);
	assert_int_equal(state_order_sequence(s, STR("web1"), -5, &b, NULL), 0);
	assert_int_equal(b, 1002);
	assert_int_equal(state_order_sequence(s, STR("web1"), 5000, &b, NULL), 0);
	assert_int_equal(b, 5000);
	assert_int_equal(state_order_sequence(s, STR("web2"), 5000, &b, NULL), -ENOENT);
	assert_int_equal(state_begin(s, NULL), 0);
	assert_int_equal(state_order_sequence(s, STR("web1"), 0, &a, NULL), 0);
	state_close(s); /* given up: nobody was told of it */
	s = opened();
	assert_int_equal(state_order_sequence(s, STR("web1"), 0, &b, NULL), 0);
	assert_int_equal(b, 5001);
	state_close(s);
}

static void test_refused(void **state)
{
	struct state *s = with_post();
	struct order_row o = { .id = STR(A),
		               .post = STR("web1"),
		               .verb = STR("ping"),
		               .args = STR("[]"),
		               .state = ASKED,
		               .who = STR("an"),
		               .why = STR("x") };
	o.post = STR("web2");
	assert_int_equal(state_order_add(s, &o, NULL), -ENOENT);
	o.post = STR("web1");
	o.why = STR("");
	assert_int_equal(state_order_add(s, &o, NULL), -EINVAL);
	o.why = STR("x");
	o.id = STR("short");
	assert_int_equal(state_order_add(s, &o, NULL), -EINVAL);
	o.id = STR(A);
	assert_int_equal(state_post_revoke(s, STR("web1"), STR("an"), STR("stolen"), NULL), 0);
	assert_int_equal(state_order_add(s, &o, NULL), -EACCES);
	assert_int_equal(number_in(path, "SELECT count(*) FROM orders"), 0);
	assert_int_equal(number_in(path, "SELECT count(*) FROM order_change"), 0);
	state_close(s);
}

static void test_bounds(void **state)
{
	struct state *s = with_post();
	char id[17];
	assert_int_equal(state_begin(s, NULL), 0);
	for (int i = 0; i < ORDERS_OPEN_MAX; i++) {
		snprintf(id, sizeof(id), "%016d", i);
		assert_int_equal(add(s, id), 0);
	}
	assert_int_equal(state_commit(s, NULL), 0);
	assert_int_equal(add(s, A), -E2BIG);
	assert_int_equal(state_order_move(s, str_from(id), ASKED, DONE, STR("x"), STR(""), STR(""), NULL), 0);
	assert_int_equal(add(s, A), 0);
	assert_int_equal(state_orders_trim(s, NULL), 0);
	assert_int_equal(number_in(path, "SELECT count(*) FROM orders"), ORDERS_OPEN_MAX + 1);
	/* a forgotten post takes its orders along */
	assert_int_equal(state_post_revoke(s, STR("web1"), STR("an"), STR("x"), NULL), 0);
	assert_int_equal(state_post_forget(s, STR("web1"), NULL), 0);
	assert_int_equal(number_in(path, "SELECT count(*) FROM orders"), 0);
	assert_int_equal(number_in(path, "SELECT count(*) FROM order_change"), 0);
	state_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_life), TEST(test_sequences), TEST(test_refused),
		                            TEST(test_bounds) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
