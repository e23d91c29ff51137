#include "flood/fixture.h"

/* A gate that is late itself: strangers' share falls to hardly anything, people's stays. */
static void press(struct fixture *x)
{
	for (unsigned i = 0; i < 60; i++)
		fixture_ticks(x, 1, 400000);
	assert_true(x->f->c.strict_us && x->f->c.stranger < 1e-4 && isinf(x->f->c.share));
}

static void first_pass(struct fixture *x, uint32_t from, char text[PASS_TEXT + 1])
{
	struct flood_request r = fixture_get(x, from, NULL);
	struct flood_answer a;
	fixture_ask(x, &r, &a);
	assert_true(a.gives && strlen(a.pass) == PASS_TEXT);
	memcpy(text, a.pass, PASS_TEXT + 1);
}

static void passes(void **state)
{
	struct fixture x = fixture_make(0);
	struct flood_answer a;
	char pass[PASS_TEXT + 1];
	first_pass(&x, 0x0a000001, pass);
	press(&x);
	struct flood_request r = fixture_get(&x, 0x0a000001, pass);
	assert_int_equal(fixture_ask(&x, &r, &a), FLOOD_PASS);
	assert_true(a.known && !a.gives && a.id == 0);

	r.pass = (struct str){ 0 }; /* without it he is a stranger, and is given one, for later */
	assert_int_equal(fixture_ask(&x, &r, &a), FLOOD_DENY);
	assert_true(a.gives && !a.known && a.id != 0 && a.wait_ms >= 1000 && a.wait_ms <= 2000);
	assert_int_equal(a.reason, FLOOD_STRANGER);
	memcpy(pass, a.pass, sizeof(pass));
	r.pass = str_from(pass);
	assert_int_equal(fixture_ask(&x, &r, &a), FLOOD_DENY); /* not yet */
	assert_true(!a.gives && a.wait_ms == 1000);
	x.t.wall_s += 1, x.t.now_us += 1000000;
	assert_int_equal(fixture_ask(&x, &r, &a), FLOOD_PASS);
	assert_true(a.known);

	pass[10] ^= 1;
	assert_int_equal(fixture_ask(&x, &r, &a), FLOOD_DENY);
	struct flood_state s;
	flood_state(x.f, x.t, &s);
	assert_true(s.passes_bad == 1 && s.passes_valid == 2);
	free(x.f);
}

/* Another network or browser: asked again, with a pass for the place under the same id; for a form too. What isn't a page gets none. */
static void moved(void **state)
{
	struct fixture x = fixture_make(0);
	struct flood_answer a;
	char pass[PASS_TEXT + 1];
	struct pass before, after;
	first_pass(&x, 0x0a000001, pass);
	press(&x);
	struct flood_request r = fixture_get(&x, 0x0b000001, pass);
	pass_read_from(&x.w.now, NULL, r.pass, &r.from, r.browser, x.t.wall_s, &before);
	assert_int_equal(fixture_ask(&x, &r, &a), FLOOD_DENY);
	assert_true(a.gives);
	assert_int_equal(pass_read_from(&x.w.now, NULL, str_from(a.pass), &r.from, r.browser, x.t.wall_s, &after),
	                 PASS_VALID);
	assert_true(before.id == after.id && before.begins_s == after.begins_s);
	r.safe = r.page = false;
	assert_int_equal(fixture_ask(&x, &r, &a), FLOOD_DENY);
	assert_true(a.gives);
	r.safe = true;
	assert_int_equal(fixture_ask(&x, &r, &a), FLOOD_DENY);
	assert_true(!a.gives && a.wait_ms >= 5000);
	r.pass = str_from(pass), r.from = fixture_v4(0x0a000001), r.page = true;
	x.t.wall_s += 31 * 86400; /* too old: the same person, anew */
	assert_int_equal(fixture_ask(&x, &r, &a), FLOOD_DENY);
	assert_true(a.gives);
	x.t.wall_s += 1;
	assert_int_equal(pass_read_from(&x.w.now, NULL, str_from(a.pass), &r.from, r.browser, x.t.wall_s, &after),
	                 PASS_VALID);
	assert_true(before.id == after.id);
	free(x.f);
}

/* Ten addresses of one network with one cookie: one person's share; first slowly, then no more; and he gets what fades. */
static void share(void **state)
{
	struct fixture x = fixture_make(0);
	struct flood_answer a;
	char pass[PASS_TEXT + 1];
	unsigned n[N_FLOOD_VERDICTS] = { 0 };
	first_pass(&x, 0x0a000001, pass);
	fixture_ticks(&x, 100, 0);
	PUT(x.f->c.strict_us, x.t.now_us);
	PUT(x.f->c.strict_s, x.t.wall_s);
	put_double(&x.f->c.share, 1);
	put_double(&x.f->c.stranger, 0);
	for (unsigned i = 0; i < 100; i++) {
		struct flood_request r = fixture_get(&x, 0x0a000001 + i % 10, pass);
		n[fixture_ask(&x, &r, &a)]++;
		assert_true(a.known &&
		            (a.verdict == FLOOD_PASS || a.reason == FLOOD_SHARE || a.reason == FLOOD_PERSISTENT));
		assert_true(a.verdict != FLOOD_SLOW || (a.wait_ms >= 100 && a.wait_ms <= 1000));
		assert_true(a.verdict != FLOOD_DENY || (a.wait_ms >= 1000 && !a.gives));
	}
	assert_true(n[FLOOD_PASS] >= 29 && n[FLOOD_PASS] <= 31 && n[FLOOD_SLOW] >= 6 && n[FLOOD_SLOW] <= 9);
	x.t.now_us += 30000000;
	struct flood_request r = fixture_get(&x, 0x0a000001, pass);
	assert_int_equal(fixture_ask(&x, &r, &a), FLOOD_PASS);
	free(x.f);
}

static void operators(void **state)
{
	struct fixture x = fixture_make(0);
	struct flood_answer a;
	struct list_entry said[] = {
		{ .addr = fixture_v4(0x0a000000), .bits = 104, .action = LIST_ALLOW, .until_s = INT64_MAX, .by = "an" },
		{ .addr = fixture_v4(0x0b000007),
		  .bits = 128,
		  .action = LIST_BLOCK,
		  .until_s = x.t.wall_s + 600,
		  .by = "an" },
	};
	assert_int_equal(flood_set_list(x.f, said, 2), 0);
	struct flood_request in = fixture_get(&x, 0x0a010203, NULL), out = fixture_get(&x, 0x0b000007, NULL);
	assert_int_equal(fixture_ask(&x, &out, &a), FLOOD_DROP); /* at rest too */
	assert_int_equal(a.reason, FLOOD_BLOCKED);
	struct flood_standing st;
	flood_standing(x.f, &out.from, x.t, &st);
	assert_true(st.verdict == FLOOD_DROP && st.list.action == LIST_BLOCK && st.until_s == x.t.wall_s + 600);
	press(&x);
	assert_int_equal(fixture_ask(&x, &in, &a), FLOOD_PASS);
	assert_int_equal(a.reason, FLOOD_ALLOWED);
	x.t.wall_s += 601;
	assert_int_equal(fixture_ask(&x, &out, &a), FLOOD_DENY); /* it is over */
	assert_int_equal(flood_set_list(x.f, NULL, 0), 0);
	assert_int_equal(fixture_ask(&x, &in, &a), FLOOD_DENY);
	free(x.f);
}

/* Who goes on and on is cut off, after a while only denied again; beside him another browser is not; and what two people share never is. */
static void persistent(void **state)
{
	struct fixture x = fixture_make(0);
	struct flood_answer a;
	struct flood_record found;
	struct flood_standing st;
	press(&x);
	struct flood_request bot = fixture_get(&x, 0x0a000001, NULL), patient = bot;
	patient.browser = 2;
	unsigned denied = 0;
	while (fixture_ask(&x, &bot, &a) == FLOOD_DENY)
		assert_true(denied++ < 1000);
	assert_true(a.verdict == FLOOD_DROP && a.reason == FLOOD_PERSISTENT && !a.gives && denied == 300);
	assert_int_equal(flood_find(x.f, a.id, &found), 0);
	assert_int_equal(found.verdict, FLOOD_DROP);
	flood_standing(x.f, &bot.from, x.t, &st);
	assert_true(st.verdict == FLOOD_DROP && st.until_s >= x.t.wall_s && st.since_s && st.turned_away > 9 &&
	            !st.shared);
	assert_int_equal(fixture_ask(&x, &patient, &a), FLOOD_DENY);
	assert_true(a.gives);
	char first[PASS_TEXT + 1];
	memcpy(first, a.pass, sizeof(first));
	assert_int_equal(fixture_ask(&x, &patient, &a), FLOOD_DENY);
	x.t.wall_s += 2, x.t.now_us += 1000;
	patient.pass = str_from(first);
	struct flood_answer b;
	assert_int_equal(fixture_ask(&x, &patient, &b), FLOOD_PASS);
	assert_int_equal(fixture_ask(&x, &bot, &b), FLOOD_DROP);
	patient.pass = str_from(a.pass);
	assert_int_equal(fixture_ask(&x, &patient, &b), FLOOD_PASS); /* a second person */
	assert_int_equal(fixture_ask(&x, &bot, &b), FLOOD_DENY);
	flood_standing(x.f, &bot.from, x.t, &st);
	assert_true(st.shared && st.verdict == FLOOD_DENY);

	struct flood_request other = fixture_get(&x, 0x0c000001, NULL);
	for (unsigned i = 0; i < 400; i++)
		fixture_ask(&x, &other, &a);
	assert_int_equal(a.verdict, FLOOD_DROP);
	x.t.now_us += 30000000;
	assert_int_equal(fixture_ask(&x, &other, &a), FLOOD_DENY);
	free(x.f);
}

/* Under pressure so many new people a second from one address, no more; who kept his pass comes first; those who were here before pass. */
static void newcomers(void **state)
{
	struct fixture x = fixture_make(0);
	struct flood_answer a;
	char old[PASS_TEXT + 1], young[PASS_TEXT + 1];
	first_pass(&x, 0x0a000001, old);
	struct flood_request r = fixture_get(&x, 0x0a000001, old);
	assert_int_equal(fixture_ask(&x, &r, &a), FLOOD_PASS);
	fixture_ticks(&x, 10, 0);
	PUT(x.f->c.strict_us, x.t.now_us);
	put_double(&x.f->c.newcomers, 1);
	put_double(&x.f->c.stranger, 0);
	unsigned in = 0;
	for (unsigned i = 0; i < 100; i++) {
		r.pass = (struct str){ 0 };
		fixture_ask(&x, &r, &a);
		memcpy(young, a.pass, sizeof(young));
		r.pass = str_from(young);
		x.t.wall_s++;
		struct flood_answer b;
		in += fixture_ask(&x, &r, &b) == FLOOD_PASS;
		assert_true(b.verdict == FLOOD_PASS ||
		            (b.reason == FLOOD_NEW_PEOPLE && b.wait_ms >= 2000 && b.wait_ms <= 4000));
	}
	assert_true(in >= 29 && in <= 31);
	r.pass = str_from(old);
	assert_int_equal(fixture_ask(&x, &r, &a), FLOOD_PASS);
	x.t.wall_s += 8;
	r.pass = str_from(young);
	assert_int_equal(fixture_ask(&x, &r, &a), FLOOD_PASS);
	free(x.f);
}

/* What hundreds of thousands leave in a small memory isn't held against who was never turned away. */
static void noise(void **state)
{
	struct fixture x = fixture_make(0);
	struct flood_answer a;
	press(&x);
	for (uint32_t i = 0; i < 600000; i++) {
		struct flood_request r = fixture_get(&x, 0x10000000 + i, NULL);
		r.page = false;
		fixture_ask(&x, &r, &a);
		if (i % 1000 == 999)
			fixture_ticks(&x, 1, 400000);
	}
	struct sketch s = flood_noise(x.f);
	struct sketch_key k;
	float most = 0, raw = 0;
	for (uint64_t i = 0; i < 1000; i++) {
		sketch_find(&s, i * 0x9e3779b97f4a7c15u, &k);
		float level = sketch_level(&s, &k, NOISE_OFFENCE, x.t.now_us);
		raw = fmaxf(raw, level);
		most = fmaxf(most, flood_offence(x.f, level));
	}
	assert_true(raw > 30 && most < 30);
	free(x.f);
}

/* Without keys there are no passes, and all are their addresses. */
static void keyless(void **state)
{
	struct fixture x = fixture_make(0);
	struct flood_answer a;
	x.w.now.there = false;
	struct flood_request r = fixture_get(&x, 1, "something");
	assert_int_equal(fixture_ask(&x, &r, &a), FLOOD_PASS);
	assert_false(a.gives || a.known);
	press(&x);
	assert_int_equal(fixture_ask(&x, &r, &a), FLOOD_DENY);
	assert_false(a.gives);
	free(x.f);
}

static void names(void **state)
{
	assert_string_equal(flood_reason_name(FLOOD_PERSISTENT), "persistent");
	assert_string_equal(flood_reason_name(N_FLOOD_REASONS), "?");
	assert_string_equal(flood_verdict_name(FLOOD_DROP), "drop");
	assert_string_equal(flood_verdict_name(N_FLOOD_VERDICTS), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes),    cmocka_unit_test(moved),      cmocka_unit_test(share),
		cmocka_unit_test(operators), cmocka_unit_test(persistent), cmocka_unit_test(newcomers),
		cmocka_unit_test(keyless),   cmocka_unit_test(noise),      cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
