#include "flood/fixture.h"

static unsigned events(const struct fixture *x, enum flood_event_kind kind)
{
	struct flood_event e[64];
	uint64_t lost;
	unsigned n = 0;
	size_t got = flood_events(x->f, 0, e, 64, &lost);
	for (size_t i = 0; i < got; i++)
		n += e[i].kind == kind;
	return n;
}

/* So many requests a tick are asked and answered after so long. */
static void load(struct fixture *x, unsigned ticks, unsigned n, uint32_t us, uint16_t status)
{
	for (; ticks; ticks--) {
		struct flood_answer a[100];
		for (unsigned i = 0; i < n; i++) {
			struct flood_request r = fixture_get(x, 0x0a000000 + (uint32_t)(x->entropy >> 40), NULL);
			fixture_ask(x, &r, &a[i]);
		}
		fixture_ticks(x, 1, 0);
		for (unsigned i = 0; i < n; i++)
			fixture_done(x, &a[i], status, us);
	}
}

static void rest(void **state)
{
	struct fixture x = fixture_make(0);
	fixture_rest(&x, 20, 40000);
	struct flood_state s;
	flood_state(x.f, x.t, &s);
	assert_true(isinf(s.share) && isinf(s.stranger) && s.pressure < 0.5);
	assert_int_equal(s.strict_since_us, 0);
	assert_float_equal(s.normal_ms, 40, 4);
	assert_float_equal(s.rate, 100, 10);
	assert_int_equal(s.asked, 2000);
	free(x.f);
}

/* Answers that take ten times as long, while much waits; then it is over, and all is as it was. */
static void latency(void **state)
{
	struct fixture x = fixture_make(0);
	fixture_rest(&x, 20, 40000);
	load(&x, 20, 60, 400000, 200);
	struct flood_state s;
	flood_state(x.f, x.t, &s);
	assert_true(s.strict_since_us != 0 && !isinf(s.stranger));
	assert_int_equal(events(&x, FLOOD_EVENT_STRICT), 1);
	for (unsigned i = 0; i < 3000 && x.f->c.strict_us; i++)
		load(&x, 1, 1, 40000, 200);
	flood_state(x.f, x.t, &s);
	assert_true(isinf(s.stranger) && isinf(s.share) && s.strict_since_us == 0);
	assert_int_equal(events(&x, FLOOD_EVENT_CALM), 1);
	free(x.f);
}

/* One page that takes ten seconds, alone: nobody is touched. */
static void one_slow_page(void **state)
{
	struct fixture x = fixture_make(0);
	fixture_rest(&x, 20, 40000);
	load(&x, 20, 2, 10000000, 200);
	assert_int_equal(x.f->c.strict_us, 0);
	free(x.f);
}

static void failures(void **state)
{
	struct fixture x = fixture_make(0);
	fixture_rest(&x, 20, 40000);
	load(&x, 20, 20, 1000, 404); /* what isn't there is no failure of the site */
	assert_int_equal(x.f->c.strict_us, 0);
	load(&x, 20, 20, 1000, 502);
	assert_true(x.f->c.strict_us != 0);
	free(x.f);
}

/* What never answers is seen without an answer. */
static void hangs(void **state)
{
	struct fixture x = fixture_make(0);
	fixture_rest(&x, 20, 40000);
	struct flood_answer a;
	unsigned in = 0;
	for (unsigned i = 0; i < 400; i++) {
		struct flood_request r = fixture_get(&x, 0x0b000000 + i * 256, NULL);
		in += fixture_ask(&x, &r, &a) == FLOOD_PASS;
		if (i % 20 == 19)
			fixture_ticks(&x, 1, 0);
	}
	assert_true(x.f->c.strict_us != 0 && x.f->c.busy > 1);
	assert_true(in < 150);
	free(x.f);
}

static void lag(void **state)
{
	struct fixture x = fixture_make(0);
	fixture_rest(&x, 5, 40000);
	fixture_ticks(&x, 30, 400000);
	assert_true(x.f->c.strict_us != 0 && x.f->c.stranger < 1);
	assert_true(isinf(x.f->c.share)); /* people with a pass don't help it by waiting */
	free(x.f);
}

/* Several processes tick: one does the work; one that died in it holds nobody up. A slot taken over begins with nothing open. */
static void processes(void **state)
{
	struct fixture x = fixture_make(0);
	struct flood_worker other = { .f = x.f, .slot = 5 };
	struct flood_answer a;
	struct flood_request r = fixture_get(&x, 1, NULL);
	fixture_ticks(&x, 3, 0);
	int64_t last = x.f->t.last_us;
	x.t.now_us += 20000;
	flood_tick(&x.w, x.t, &(struct flood_load){ 0 });
	assert_int_equal(x.f->t.last_us, last);
	x.f->next_tick = x.t.now_us + 3600ll * 1000000; /* of a clock that is no more */
	flood_tick(&x.w, x.t, &(struct flood_load){ 0 });
	assert_int_equal(x.f->t.last_us, x.t.now_us);
	for (unsigned i = 0; i < 40; i++)
		flood_ask(&other, &r, x.t, i, &a);
	struct flood_state s;
	flood_state(x.f, x.t, &s);
	assert_true(s.busy == 40);
	flood_worker_begins(&other);
	flood_done(&other, &a.ticket, &(struct flood_outcome){ .status = 200 }, x.t); /* of the one before */
	flood_state(x.f, x.t, &s);
	assert_true(s.busy == 0);
	free(x.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rest),      cmocka_unit_test(latency), cmocka_unit_test(one_slow_page),
		cmocka_unit_test(failures),  cmocka_unit_test(hangs),   cmocka_unit_test(lag),
		cmocka_unit_test(processes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
