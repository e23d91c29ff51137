/* Whole days: the founding flood, ordinary mornings, ten million addresses, a gate that was put up in the middle of it. See scene.h. */
#include "flood/scene.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { LESS = KHIEN_SANITIZED ? 10 : 1 };

static const struct flood_limits usual = { 0 };
static const struct scene_crowd people = {
	.n = 20000,
	.rate = 0.5,
	.steps = 6,
	.think_s = 4,
	.where = WHERE_V4_24,
	.base = 0x0b000000,
	.cookie = COOKIE_KEEPS,
	.hello = 12,
	.browser = 1000,
	.pages = scene_booking,
	.n_pages = 6,
	.statics = 5,
};
static const struct scene_crowd bots = {
	.n = 2000,
	.rate = 2083,
	.where = WHERE_V4,
	.base = 0xcb000000,
	.hello = 99,
	.browser = 5,
	.pages = scene_hit,
	.n_pages = 2,
};

static void tell(const char *name, struct scene *s, struct scene_crowd *c)
{
	struct flood_state st;
	flood_state(s->f, s->t, &st);
	print_message("%s: %lu asked, %lu turned away; people: %u came, %.3f served, %u turned away, p99 %u ms\n", name,
	              (unsigned long)st.asked, (unsigned long)(st.verdicts[FLOOD_DENY] + st.verdicts[FLOOD_DROP]),
	              c->begun, scene_served(c), c->turned, scene_p99(c));
}

/* Five million hits in forty minutes; four hundred bookings a day, here all of them in that time. */
static void founding(void **state)
{
	struct scene *s = scene_open(&usual, 4, 500);
	struct scene_crowd before = people, patients = people;
	before.base = 0x0c000000;
	before.until_s = 300;
	patients.n = 400 / LESS, patients.rate = 400.0 / 2400;
	scene_add(s, &before);
	scene_run(s, 300);
	struct scene_crowd *p = scene_add(s, &patients), *b = scene_add(s, &bots);
	scene_run(s, 2400.0 / LESS);
	p->until_s = 0;
	scene_run(s, 120);
	tell("founding", s, p);
	assert_true(b->asked > 4900000 / LESS);
	assert_int_equal(p->served, p->begun);
	assert_int_equal(p->broken, 0);
	assert_true(scene_p99(p) < 1000);
	scene_close(s);
}

/* The gate is put up while the flood is on: it has never seen a quiet minute. */
static void in_the_middle(void **state)
{
	struct scene *s = scene_open(&usual, 4, 500);
	struct scene_crowd patients = people, alike = bots;
	alike.hello = patients.hello;
	scene_add(s, &alike);
	struct scene_crowd *p = scene_add(s, &patients);
	scene_run(s, 300);
	p->until_s = 0;
	scene_run(s, 120);
	tell("in the middle", s, p);
	assert_true(scene_served(p) >= 0.99);
	scene_close(s);
}

/* A site that bears twenty thousand a second, and a flood of three times that: no setting is another. */
static void large(void **state)
{
	static const struct scene_page quick[] = { { .path = "/", .ms = 2 }, { .path = "/a", .ms = 2 } };
	struct scene *s = scene_open(&usual, 40, 20000);
	struct scene_crowd patients = people, many = bots;
	patients.pages = many.pages = quick;
	patients.n_pages = many.n_pages = 2;
	patients.rate = 20;
	many.rate = 60000, many.n = 50000, many.from_s = 60, many.until_s = 60 + 20.0 / LESS,
	many.hello = patients.hello;
	struct scene_crowd *p = scene_add(s, &patients);
	scene_add(s, &many);
	scene_run(s, 60 + 20.0 / LESS);
	p->until_s = 0;
	scene_run(s, 60);
	tell("large", s, p);
	assert_true(scene_served(p) >= 0.99);
	scene_close(s);
}

/* Ten million addresses, each asks now and then, and a sixty-fourth of the usual memory. */
static void addresses(void **state)
{
	static const struct flood_limits small = { .cells = 1 << 12 };
	struct scene *s = scene_open(&small, 4, 500);
	struct scene_crowd before = people, patients = people, all = bots;
	before.base = 0x0c000000;
	struct scene_crowd *b = scene_add(s, &before);
	scene_run(s, 300);
	b->until_s = 0;
	all.n = 10000000 / LESS, all.rate = 30000, all.until_s = 60, all.base = 0x20000000, all.hello = people.hello;
	struct scene_crowd *p = scene_add(s, &patients);
	scene_add(s, &all);
	scene_run(s, 60.0 / LESS);
	p->until_s = 0;
	scene_run(s, 60);
	tell("addresses", s, p);
	assert_int_equal(p->served, p->begun);
	assert_true(flood_size(&usual) <= (size_t)48 << 20);
	scene_close(s);
}

/*
 * Ordinary days: bursts at half past seven, a hospital's whole staff behind one address, families, a crawler that asks once a second, a
 * monitor, a phone's program that polls. Nobody is denied.
 */
static void ordinary(void **state)
{
	struct scene *s = scene_open(&usual, 16, 500);
	uint64_t asked = 0, turned = 0;
	for (unsigned day = 0; day < 5 && asked < 5000000 / LESS; day++) {
		struct scene_crowd patients = people, staff = people, crawler = bots, polls = bots;
		patients.n = 60000, patients.rate = 2, patients.base = 0x0b000000 + (day << 24);
		patients.think_s = 8, patients.statics = 12;
		staff.n = 60000, staff.rate = 3, staff.where = WHERE_ONE, staff.base = 0x01010101, staff.statics = 12;
		crawler.n = 1, crawler.rate = 1, crawler.where = WHERE_ONE, crawler.base = 0x08080808,
		crawler.api = true;
		polls.n = 5000, polls.rate = 40, polls.api = true, polls.hello = 77,
		polls.base = 0x30000000 + (day << 16);
		struct scene_crowd *all[] = { scene_add(s, &patients), scene_add(s, &staff), scene_add(s, &crawler),
			                      scene_add(s, &polls) };
		scene_run(s, 900.0 / LESS);
		all[0]->rate = 30; /* half past seven */
		scene_run(s, 600.0 / LESS);
		all[0]->rate = 2;
		scene_run(s, 600.0 / LESS);
		for (unsigned i = 0; i < ARRAY_LEN(all); i++)
			all[i]->until_s = 0;
		scene_run(s, 120);
		for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
			asked += all[i]->asked;
			turned += all[i]->asked - all[i]->verdicts[FLOOD_PASS];
		}
		assert_true(scene_served(all[0]) >= 0.99);
		scene_skip(s, 86400 - 2220);
	}
	print_message("ordinary: %lu asked, %lu of them not simply let in\n", (unsigned long)asked,
	              (unsigned long)turned);
	assert_true(asked >= 5000000 / LESS);
	assert_int_equal(turned, 0);
	scene_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(founding),  cmocka_unit_test(in_the_middle), cmocka_unit_test(large),
		cmocka_unit_test(addresses), cmocka_unit_test(ordinary),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
