#include "flood/fixture.h"

static void answers(struct fixture *x, const char *path, unsigned n, uint32_t us)
{
	for (unsigned i = 0; i < n; i++) {
		struct flood_request r = fixture_get(x, 0x0a000000 + i * 256, NULL);
		struct flood_answer a;
		r.path = flood_path(x->f, STR("GET"), str_from(path));
		fixture_ask(x, &r, &a);
		fixture_done(x, &a, 200, us);
		if (i % 10 == 9)
			fixture_ticks(x, 1, 0);
	}
}

static float cost(struct fixture *x, const char *path)
{
	return flood_cost(x->f, flood_path(x->f, STR("GET"), str_from(path)));
}

/* In requests of the mean: dear ones cost more, those from a cache next to nothing, unknown ones one. */
static void learns(void **state)
{
	struct fixture x = fixture_make(0);
	assert_float_equal(cost(&x, "/book"), 1, 0);
	fixture_rest(&x, 10, 40000);
	answers(&x, "/search", 40, 400000);
	assert_float_equal(cost(&x, "/book"), 1, 0.4);
	assert_true(cost(&x, "/search") > 6 && cost(&x, "/search") <= 16);
	assert_float_equal(cost(&x, "/unknown"), 1, 0);
	for (unsigned i = 0; i < 20; i++) {
		struct flood_request r = fixture_get(&x, 1, NULL);
		struct flood_answer a;
		r.path = flood_path(x.f, STR("GET"), STR("/static/style.css"));
		fixture_ask(&x, &r, &a);
		flood_done(&x.w, &a.ticket, &(struct flood_outcome){ .status = 200 }, x.t);
	}
	assert_float_equal(cost(&x, "/static/style.css?v=2"), 0.05, 0.001);
	free(x.f);
}

static void paths(void **state)
{
	struct fixture x = fixture_make(0);
	struct flood *f = x.f;
	struct str get = STR("GET");
	assert_true(flood_path(f, get, STR("/s/3/2026-11-25")) == flood_path(f, get, STR("/s/14/2027-01-01?x=1")));
	assert_true(flood_path(f, get, STR("/s/3")) != flood_path(f, get, STR("/t/3")));
	assert_true(flood_path(f, get, STR("/book")) != flood_path(f, STR("POST"), STR("/book")));
	assert_true(flood_path(f, get, STR("/doc12tor")) == flood_path(f, get, STR("/doc7tor")));
	assert_true(flood_path(f, get, (struct str){ 0 }) == flood_path(f, get, STR("?x")));
	char deep[5000];
	memset(deep, 'x', sizeof(deep));
	(void)flood_path(f, (struct str){ deep, sizeof(deep) }, (struct str){ deep, sizeof(deep) });
	free(f);
}

/* A scanner's thousands of paths don't push out what people use. */
static void keeps(void **state)
{
	struct fixture x = fixture_make(0);
	fixture_rest(&x, 10, 40000);
	answers(&x, "/search", 100, 300000);
	float before = cost(&x, "/search");
	char path[32];
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(path, sizeof(path), "/%c%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676 % 26,
		         'a' + i / 17576);
		struct flood_request r = fixture_get(&x, 0x0b000000 + i, NULL);
		struct flood_answer a;
		r.path = flood_path(x.f, STR("GET"), str_from(path));
		fixture_ask(&x, &r, &a);
		fixture_done(&x, &a, 404, 1000);
		if (i % 100 == 0)
			answers(&x, "/search", 1, 300000);
	}
	assert_true(before > 3 && cost(&x, "/search") > 3);
	free(x.f);
}

/* A site that is slow under a flood isn't "normally slow" afterwards. */
static void stays(void **state)
{
	struct fixture x = fixture_make(0);
	fixture_rest(&x, 10, 40000);
	double normal = x.f->c.normal_us;
	struct flood_answer a[200];
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 200; i++) {
			struct flood_request r = fixture_get(&x, 0x0b000000 + round * 200 + i, NULL);
			fixture_ask(&x, &r, &a[i]);
		}
		fixture_ticks(&x, 1, 0);
		for (unsigned i = 0; i < 200; i++)
			fixture_done(&x, &a[i], 200, 900000);
	}
	assert_true(x.f->c.strict_us != 0);
	assert_true(x.f->c.normal_us < 2 * normal);
	assert_true(cost(&x, "/book") < 2);
	free(x.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(learns), cmocka_unit_test(paths), cmocka_unit_test(keeps),
		                            cmocka_unit_test(stays) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
