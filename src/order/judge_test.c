/* Every refusal, each by an order that is sound but for one thing. */
#include "order/fixture.h"

static struct order_sealed sealed;
static struct buf bytes;
static const uint64_t none[2];

static enum order_refusal judged(const uint64_t last[2], int64_t now)
{
	struct order o;
	enum order_verb verb;
	struct err why = { 0 };
	enum order_refusal r = order_judge(&trust, &sealed, last, now, &o, &verb, &why);
	assert_true(!r == !*why.text);
	assert_true(!r == !*order_refusal_name(r));
	return r;
}

static enum order_refusal judge_order(const struct order *o, const struct keys *by, const struct keys *approved)
{
	sealed = fixture_seal(o, by, approved, &bytes);
	return judged(none, fixture_now());
}

static struct order ping(void)
{
	return fixture_order("abcdefghijkl2345", "ping", 1);
}

static void test_fine(void **state)
{
	struct order o = ping(), back;
	enum order_verb verb;
	assert_int_equal(judge_order(&o, &hub, NULL), ORDER_FINE);
	assert_int_equal(order_judge(&trust, &sealed, none, fixture_now(), &back, &verb, NULL), ORDER_FINE);
	assert_true(str_eq(back.id, o.id) && verb == ORDER_PING);
	/* an approval too many is no harm */
	assert_int_equal(judge_order(&o, &hub, &stranger), ORDER_FINE);
	/* of two hubs either may */
	memcpy(trust.hubs[1], stranger.public, ORDER_KEY);
	trust.n_hubs = 2;
	assert_int_equal(judge_order(&o, &stranger, NULL), ORDER_FINE);
	fixture_keys();
}

static void test_forged(void **state)
{
	struct order o = ping();
	assert_int_equal(judge_order(&o, &stranger, NULL), ORDER_FORGED);
	assert_int_equal(judge_order(&o, &approver, NULL), ORDER_FORGED);
	sealed = fixture_seal(&o, &hub, NULL, &bytes);
	for (size_t i = 0; i < bytes.n; i++) {
		bytes.p[i] ^= 1;
		assert_int_equal(judged(none, fixture_now()), ORDER_FORGED);
		bytes.p[i] ^= 1;
	}
	sealed.bytes.n--;
	assert_int_equal(judged(none, fixture_now()), ORDER_FORGED);
	/* a post that knows no hub does nothing */
	sealed.bytes.n++;
	trust.n_hubs = 0;
	assert_int_equal(judged(none, fixture_now()), ORDER_FORGED);
	fixture_keys();
}

static void test_malformed(void **state)
{
	sealed = (struct order_sealed){ .bytes = STR("ping web1, please") };
	assert_int_equal(order_sign(ORDER_BY_HUB, hub.secret, sealed.bytes, sealed.signature), 0);
	assert_int_equal(judged(none, fixture_now()), ORDER_MALFORMED);
}

static void test_not_for_us(void **state)
{
	struct order o = ping();
	o.unit = STR("a clinic ");
	assert_int_equal(judge_order(&o, &hub, NULL), ORDER_OTHER_UNIT);
	o = ping();
	o.post = STR("web10");
	assert_int_equal(judge_order(&o, &hub, NULL), ORDER_OTHER_POST);
}

static void test_verbs(void **state)
{
	struct order o = ping();
	o.verb = STR("shell");
	assert_int_equal(judge_order(&o, &hub, &approver), ORDER_UNKNOWN_VERB);
	o = fixture_order("abcdefghijkl2345", "follow", 1);
	assert_int_equal(judge_order(&o, &hub, NULL), ORDER_BAD_ARGUMENT);
	o.args[0] = STR("/var/log/../../etc/shadow");
	o.n_args = 1;
	assert_int_equal(judge_order(&o, &hub, NULL), ORDER_BAD_ARGUMENT);
}

static void test_times(void **state)
{
	struct order o = ping();
	o.expires = o.issued + ORDER_LIFE;
	assert_int_equal(judge_order(&o, &hub, NULL), ORDER_FINE);
	o.expires++;
	assert_int_equal(judge_order(&o, &hub, NULL), ORDER_TOO_LONG);
	o.expires = o.issued;
	assert_int_equal(judge_order(&o, &hub, NULL), ORDER_TOO_LONG);
	o = ping();
	sealed = fixture_seal(&o, &hub, NULL, &bytes);
	assert_int_equal(judged(none, o.issued - ORDER_SKEW), ORDER_FINE);
	assert_int_equal(judged(none, o.issued - ORDER_SKEW - 1), ORDER_EARLY);
	assert_int_equal(judged(none, o.expires - 1), ORDER_FINE);
	assert_int_equal(judged(none, o.expires), ORDER_STALE);
	assert_int_equal(judged(none, o.expires + ORDER_LIFE * 400), ORDER_STALE);
}

static void test_sequences(void **state)
{
	struct order o = ping();
	sealed = fixture_seal(&o, &hub, NULL, &bytes);
	assert_int_equal(judged((uint64_t[]){ o.sequence - 1, UINT64_MAX }, fixture_now()), ORDER_FINE);
	assert_int_equal(judged((uint64_t[]){ o.sequence, 0 }, fixture_now()), ORDER_REPLAY);
	assert_int_equal(judged((uint64_t[]){ o.sequence + 1, 0 }, fixture_now()), ORDER_REPLAY);
	/* nobody can use up those of the days to come, or give one that is older than the order */
	o.sequence = (uint64_t)(fixture_now() + ORDER_AHEAD);
	assert_int_equal(judge_order(&o, &hub, NULL), ORDER_FINE);
	o.sequence++;
	assert_int_equal(judge_order(&o, &hub, NULL), ORDER_TOO_FAR);
	o.sequence = (uint64_t)o.issued - 1;
	assert_int_equal(judge_order(&o, &hub, NULL), ORDER_TOO_FAR);
	o.sequence = (uint64_t)o.issued;
	assert_int_equal(judge_order(&o, &hub, NULL), ORDER_FINE);
}

static void test_approval(void **state)
{
	static const char *const verbs[] = { "retire", "forget-spool" };
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		struct order o = fixture_order("abcdefghijkl2345", verbs[i], 1), other = o;
		struct buf others = { 0 };
		assert_int_equal(judge_order(&o, &hub, NULL), ORDER_UNAPPROVED);
		assert_int_equal(judge_order(&o, &hub, &stranger), ORDER_UNAPPROVED);
		assert_int_equal(judge_order(&o, &hub, &hub), ORDER_UNAPPROVED);
		assert_int_equal(judge_order(&o, &hub, &approver), ORDER_FINE);
		/* its sequences are its own */
		assert_int_equal(judged((uint64_t[]){ UINT64_MAX, o.sequence - 1 }, fixture_now()), ORDER_FINE);
		assert_int_equal(judged((uint64_t[]){ 0, o.sequence }, fixture_now()), ORDER_REPLAY);
		/* an approval of another order is none of this one */
		other.post = STR("web2");
		struct order_sealed theirs = fixture_seal(&other, &hub, &approver, &others);
		memcpy(sealed.approval, theirs.approval, sizeof(sealed.approval));
		assert_int_equal(judged(none, fixture_now()), ORDER_UNAPPROVED);
		/* the hub's own signature, called an approval */
		memcpy(sealed.approver, hub.public, ORDER_KEY);
		memcpy(sealed.approval, sealed.signature, ORDER_SIGNATURE);
		assert_int_equal(judged(none, fixture_now()), ORDER_UNAPPROVED);
		/* a post without approvers destroys nothing */
		trust.n_approvers = 0;
		assert_int_equal(judge_order(&o, &hub, &approver), ORDER_UNAPPROVED);
		fixture_keys();
		buf_free(&others);
	}
}

static int start(void **state)
{
	fixture_keys();
	return 0;
}

static int end(void **state)
{
	buf_free(&bytes);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fine),       cmocka_unit_test(test_forged),   cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_not_for_us), cmocka_unit_test(test_verbs),    cmocka_unit_test(test_times),
		cmocka_unit_test(test_sequences),  cmocka_unit_test(test_approval),
	};
	return cmocka_run_group_tests(tests, start, end);
}
