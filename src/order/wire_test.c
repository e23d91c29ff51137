#include "order/fixture.h"
#include "order/wire.h"

static int add(void *arg, size_t path, uint32_t object, struct str value)
{
	buf_printf(arg, "%zu=" STR_FMT ";", path, STR_ARG(value));
	return str_eq(value, STR("stop")) ? 7 : 0;
}

static void expect(const char *json, int want, const char *seen)
{
	static const char *const paths[] = { "name", "list", "orders.id", "orders.n", "inner.name" };
	struct arena arena = { 0 };
	struct buf out = { 0 };
	int code = wire_read(str_from(json), paths, ARRAY_LEN(paths), &arena, add, &out, NULL);
	buf_putc(&out, '\0');
	assert_int_equal(code, want);
	assert_string_equal(out.p, seen);
	arena_free(&arena);
	buf_free(&out);
}

static void test_read(void **state)
{
	expect("{}", 0, "");
	expect(" {\"name\":\"a\\nb\",\"x\":{\"name\":1},\"list\":[\"p\",2,null,[3]],\"name2\":4} ", 0,
	       "0=a\nb;1=p;1=2;1=3;");
	expect("{\"orders\":[{\"id\":\"x\",\"y\":[{\"id\":1}],\"n\":1},{\"n\":2,\"id\":\"y\"}],\"id\":5,\"inner\":{"
	       "\"name\":6}}",
	       0, "2=x;3=1;3=2;2=y;4=6;");
	expect("{\"name\":{\"name\":1},\"orders\":\"text\",\"orders.id\":9}", 0, "2=9;");
	expect("{\"name\":\"stop\",\"list\":1}", 7, "0=stop;");
	expect("[]", -EBADMSG, "");
	expect("", -EBADMSG, "");
	expect("{\"name\":1", -EBADMSG, "");
	expect("{\"name\":\"\xff\"}", -EBADMSG, "");
	expect("{\"name\":1}{}", -EBADMSG, "");
}

struct got {
	size_t n;
	uint64_t number[4];
	struct order_sealed at[4];
};

static int on_order(void *arg, const struct wire_order *o)
{
	struct got *g = arg;
	g->number[g->n] = o->number;
	g->at[g->n++] = o->sealed;
	return 0;
}

static void test_orders(void **state)
{
	struct buf bytes[2] = { 0 }, out = { 0 };
	struct arena arena = { 0 };
	struct got got = { 0 };
	int64_t time = 0;
	fixture_keys();
	struct order a = fixture_order("aaaaaaaaaaaaaaaa", "ping", 1),
	             b = fixture_order("bbbbbbbbbbbbbbbb", "retire", 2);
	struct wire_order o[] = { { 7, fixture_seal(&a, &hub, NULL, &bytes[0]) },
		                  { 9, fixture_seal(&b, &hub, &approver, &bytes[1]) } };
	buf_add(&out, STR("{\"orders\":["));
	wire_order_print(&o[0], &out);
	buf_putc(&out, ',');
	wire_order_print(&o[1], &out);
	buf_add(&out, STR("],\"time\":1700000000000000}"));
	assert_int_equal(wire_orders_read(buf_str(&out), &arena, on_order, &got, &time, NULL), 0);
	assert_int_equal(time, fixture_now());
	assert_int_equal(got.n, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(got.number[i], o[i].number);
		assert_true(str_eq(got.at[i].bytes, o[i].sealed.bytes));
		assert_memory_equal(got.at[i].signature, o[i].sealed.signature, ORDER_SIGNATURE);
		assert_int_equal(got.at[i].approved, i == 1);
	}
	assert_memory_equal(got.at[1].approval, o[1].sealed.approval, ORDER_SIGNATURE);
	/* of one that is cut nothing is told */
	got.n = 0;
	for (size_t n = 0; n < out.n; n++)
		assert_int_equal(wire_orders_read((struct str){ out.p, n }, &arena, on_order, &got, &time, NULL),
		                 -EBADMSG);
	assert_int_equal(got.n, 0);
	arena_free(&arena);
	buf_free(&out);
	buf_free(&bytes[0]);
	buf_free(&bytes[1]);
}

static void test_bad_orders(void **state)
{
	static const char *const bad[] = {
		"{\"orders\":[{\"number\":1,\"order\":\"AA==\"}]}",
		"{\"orders\":[{\"number\":1,\"order\":\"AA==\",\"signature\":\"AA==\"}]}",
		"{\"orders\":[{\"number\":-1,\"order\":\"AA==\"}]}",
		"{\"orders\":[{\"number\":1,\"number\":2}]}",
		"{\"orders\":[{\"number\":1.5}]}",
		"{\"orders\":[{\"order\":\"A\"}]}",
		"{\"orders\":[],\"time\":\"x\"}",
	};
	struct arena arena = { 0 };
	struct got got = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(wire_orders_read(str_from(bad[i]), &arena, on_order, &got, NULL, NULL), -EBADMSG);
	assert_int_equal(wire_orders_read(STR("{\"orders\":[],\"time\":5}"), &arena, on_order, &got, NULL, NULL), 0);
	assert_int_equal(got.n, 0);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_read), cmocka_unit_test(test_orders),
		                            cmocka_unit_test(test_bad_orders) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
