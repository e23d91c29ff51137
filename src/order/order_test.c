#include "order/fixture.h"

static bool same(const struct order *a, const struct order *b)
{
	bool r = str_eq(a->id, b->id) && str_eq(a->unit, b->unit) && str_eq(a->post, b->post) &&
	         str_eq(a->verb, b->verb) && a->n_args == b->n_args && a->sequence == b->sequence &&
	         a->issued == b->issued && a->expires == b->expires;
	for (size_t i = 0; r && i < a->n_args; i++)
		r = str_eq(a->args[i], b->args[i]);
	return r;
}

static struct order full(void)
{
	struct order o = fixture_order("abcdefghijkl2345", "follow", 5);
	o.args[0] = STR("/var/log/nginx/đêm.log");
	o.n_args = 1;
	return o;
}

/* The bytes of version 1, byte for byte: what was signed yesterday is read tomorrow. */
static void test_bytes(void **state)
{
	struct buf out = { 0 };
	struct order back, o = { .id = STR("abcdefghijkl2345"),
		                 .unit = STR("u"),
		                 .post = STR("p1"),
		                 .verb = STR("follow"),
		                 .args = { STR("/a") },
		                 .n_args = 1,
		                 .sequence = 0x0102030405060708,
		                 .issued = 1,
		                 .expires = 0x1000 };
	const struct str want = STR("KHO1\0\x10"
	                            "abcdefghijkl2345\0\1u\0\2p1\0\6follow\1\0\2/a\1\2\3\4\5\6\7\10"
	                            "\0\0\0\0\0\0\0\1\0\0\0\0\0\0\x10\0");
	assert_int_equal(order_encode(&o, &out, NULL), 0);
	assert_int_equal(out.n, want.n);
	assert_memory_equal(out.p, want.p, want.n);
	assert_int_equal(order_decode(&back, buf_str(&out), NULL), 0);
	assert_true(same(&o, &back));
	buf_free(&out);
}

static void test_longest(void **state)
{
	static char text[ORDER_ARG];
	struct buf out = { 0 };
	struct order back, o = full();
	memset(text, 'a', sizeof(text));
	o.unit = o.post = (struct str){ text, ORDER_NAME };
	o.verb = (struct str){ text, ORDER_VERB };
	o.n_args = ORDER_ARGS;
	for (size_t i = 0; i < ORDER_ARGS; i++)
		o.args[i] = (struct str){ text, ORDER_ARG };
	assert_int_equal(order_encode(&o, &out, NULL), 0);
	assert_int_equal(out.n, ORDER_BYTES);
	assert_int_equal(order_decode(&back, buf_str(&out), NULL), 0);
	assert_true(same(&o, &back));
	buf_free(&out);
}

static void test_bounds(void **state)
{
	static char text[ORDER_ARG + 1];
	struct buf out = { 0 };
	memset(text, 'a', sizeof(text));
	struct order bad[16];
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i] = full();
	bad[0].id = STR("abcdefghijkl234");
	bad[1].id = STR("abcdefghijkl2341");
	bad[2].unit = STR("");
	bad[3].unit = (struct str){ text, ORDER_NAME + 1 };
	bad[4].post = STR("a\nb");
	bad[5].post = STR("a\xff");
	bad[6].verb = STR("");
	bad[7].verb = STR("Ping");
	bad[8].verb = (struct str){ text, ORDER_VERB + 1 };
	bad[9].n_args = ORDER_ARGS + 1;
	bad[10].args[0] = (struct str){ text, ORDER_ARG + 1 };
	bad[11].args[0] = STR("a\0b");
	bad[12].sequence = 0;
	bad[13].sequence = (uint64_t)INT64_MAX + 1;
	bad[14].issued = -1;
	bad[15].expires = -1;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(order_encode(&bad[i], &out, NULL), -EINVAL);
	assert_int_equal(out.n, 0);
	buf_free(&out);
}

/* Cut anywhere, or with anything behind it, it is none; and no byte can be another without another meaning. */
static void test_one_way(void **state)
{
	struct buf out = { 0 }, again = { 0 };
	struct order o = full(), back;
	assert_int_equal(order_encode(&o, &out, NULL), 0);
	for (size_t n = 0; n < out.n; n++)
		assert_int_equal(order_decode(&back, (struct str){ out.p, n }, NULL), -EBADMSG);
	buf_putc(&out, '\0');
	assert_int_equal(order_decode(&back, buf_str(&out), NULL), -EBADMSG);
	out.n--;
	for (size_t i = 0; i < out.n; i++) {
		const char was = out.p[i];
		out.p[i] = (char)(was + 1);
		if (!order_decode(&back, buf_str(&out), NULL)) {
			again.n = 0;
			assert_false(same(&o, &back));
			assert_int_equal(order_encode(&back, &again, NULL), 0);
			assert_true(str_eq(buf_str(&again), buf_str(&out)));
		}
		out.p[i] = was;
	}
	buf_free(&out);
	buf_free(&again);
}

static void test_signatures(void **state)
{
	unsigned char s[ORDER_SIGNATURE];
	char text[] = "some bytes of an order";
	struct str bytes = { text, sizeof(text) };
	fixture_keys();
	assert_int_equal(order_sign(ORDER_BY_HUB, hub.secret, bytes, s), 0);
	assert_true(order_verify(ORDER_BY_HUB, hub.public, bytes, s));
	/* a hub's signature is no approver's, nor another hub's */
	assert_false(order_verify(ORDER_BY_APPROVER, hub.public, bytes, s));
	assert_false(order_verify(ORDER_BY_HUB, stranger.public, bytes, s));
	text[3] ^= 1;
	assert_false(order_verify(ORDER_BY_HUB, hub.public, bytes, s));
	text[3] ^= 1;
	assert_false(order_verify(ORDER_BY_HUB, hub.public, str_sub(bytes, 0, bytes.n - 1), s));
	for (size_t i = 0; i < sizeof(s); i++) {
		s[i] ^= 4;
		assert_false(order_verify(ORDER_BY_HUB, hub.public, bytes, s));
		s[i] ^= 4;
	}
}

static void test_key_text(void **state)
{
	char text[ORDER_KEY_TEXT];
	unsigned char back[ORDER_KEY];
	fixture_keys();
	order_key_text(hub.public, text);
	assert_int_equal(strlen(text), ORDER_KEY_TEXT - 1);
	assert_int_equal(order_key_read(str_from(text), back), 0);
	assert_memory_equal(back, hub.public, ORDER_KEY);
	assert_int_equal(order_key_read(str_sub(str_from(text), 0, 50), back), -EINVAL);
	text[20] = '+';
	assert_int_equal(order_key_read(str_from(text), back), -EINVAL);
	assert_int_equal(order_key_read(STR(""), back), -EINVAL);
}

static void test_print(void **state)
{
	struct buf out = { 0 };
	struct order o = full();
	order_print(&o, &out);
	buf_putc(&out, '\0');
	assert_string_equal(out.p,
	                    "abcdefghijkl2345: follow '/var/log/nginx/đêm.log', post 'web1' of 'a clinic', issued "
	                    "2023-11-14T22:13:20Z, until 2023-11-14T22:28:20Z, sequence 1700000000000005");
	buf_free(&out);
}

static void test_ids(void **state)
{
	char a[ORDER_ID + 1], b[ORDER_ID + 1];
	struct buf out = { 0 };
	order_id_new(a);
	order_id_new(b);
	assert_string_not_equal(a, b);
	struct order o = fixture_order(a, "ping", 1);
	assert_int_equal(order_encode(&o, &out, NULL), 0);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),   cmocka_unit_test(test_longest),    cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_one_way), cmocka_unit_test(test_signatures), cmocka_unit_test(test_key_text),
		cmocka_unit_test(test_print),   cmocka_unit_test(test_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
