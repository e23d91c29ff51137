/* Each signal in a scene that it makes better: the same morning with it and without it. Four servers bear about a hundred pages a second. */
#include "flood/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { SERVERS = 4, QUEUE = 500, REST_S = 300, FLOOD_S = 120 };

/* Programs without cookies that ask now and then: whoever they are, they can't be given a pass. */
static const struct scene_crowd programs = {
	.n = 400,
	.rate = 20,
	.where = WHERE_V4_24,
	.base = 0x0a000000,
	.hello = 11,
	.browser = 1,
	.pages = scene_booking,
	.n_pages = 3,
	.api = true,
};
static const struct scene_crowd people = {
	.n = 2000,
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

struct outcome {
	double good, bad; /* of what honest ones and bots asked for, so much was let in */
	double served, failed;
	uint64_t dropped;
	uint32_t p99;
};

/* Rest with the honest ones, then the bots besides. */
/* bots.from_s: so long they come beforehand, a tenth as many. */
static struct outcome flood(struct scene_crowd honest, struct scene_crowd bots, unsigned without, const char *name)
{
	struct flood_limits limits = { .without = without };
	struct scene *s = scene_open(&limits, SERVERS, QUEUE);
	struct scene_crowd before = honest;
	if (before.steps && before.where != WHERE_ONE)
		before.base = 0x0c000000;
	struct scene_crowd *b = scene_add(s, &before);
	scene_run(s, REST_S);
	if (bots.from_s > 0) {
		struct scene_crowd few = bots;
		few.rate /= 10, few.until_s = bots.from_s, few.from_s = 0;
		scene_add(s, &few);
		scene_run(s, bots.from_s);
		bots.from_s = 0;
	}
	assert_int_equal(b->asked, b->verdicts[FLOOD_PASS]);
	if (honest.steps) {
		b->until_s = 0;
		b = scene_add(s, &honest);
	}
	uint64_t asked = b->asked, passed = b->verdicts[FLOOD_PASS], failed = s->failed;
	bots.until_s = FLOOD_S;
	struct scene_crowd *bad = scene_add(s, &bots);
	scene_run(s, FLOOD_S);
	struct outcome o = { .good = (double)(b->verdicts[FLOOD_PASS] - passed) / (double)(b->asked - asked),
		             .bad = (double)(bad->verdicts[FLOOD_PASS] + bad->verdicts[FLOOD_SLOW]) /
		                    (double)bad->asked };
	b->until_s = 0;
	scene_run(s, 60);
	o.dropped = b->verdicts[FLOOD_DROP];
	o.served = scene_served(b);
	o.p99 = scene_p99(b);
	o.failed = (double)(s->failed - failed);
	print_message("%s %s: honest %.3f, bots %.3f, served %.3f, p99 %u ms, failed %.0f, dropped %lu\n", name,
	              without ? "without" : "with   ", o.good, o.bad, o.served, o.p99, o.failed,
	              (unsigned long)o.dropped);
	scene_close(s);
	return o;
}

/* One of a campus's machines asks a hundred times a second, two hundred others as always. */
static void address(void **state)
{
	struct scene_crowd honest = programs, bots = { .n = 1,
		                                       .rate = 600,
		                                       .where = WHERE_ONE,
		                                       .base = 0x0a0000fe,
		                                       .hello = 11,
		                                       .pages = scene_booking,
		                                       .n_pages = 3,
		                                       .api = true };
	honest.where = WHERE_V4, honest.n = 200, honest.base = 0x0a000001;
	struct outcome with = flood(honest, bots, 0, "address"),
	               without = flood(honest, bots, FLOOD_WITHOUT_ADDRESS, "address");
	assert_true(with.good > 0.7 && with.good > without.good + 0.2);
}

static void network(void **state)
{
	struct scene_crowd bots = { .n = 1000,
		                    .rate = 600,
		                    .base = 0xcb007100,
		                    .hello = 11,
		                    .pages = scene_booking,
		                    .n_pages = 3,
		                    .api = true };
	static const enum scene_where ways[] = { WHERE_V4, WHERE_V6_64 };
	for (unsigned i = 0; i < 2; i++) {
		bots.where = ways[i];
		struct outcome with = flood(programs, bots, 0, i ? "/48" : "/24");
		struct outcome without = flood(programs, bots, FLOOD_WITHOUT_NETWORK, i ? "/48" : "/24");
		assert_true(with.good > 0.6 && with.good > without.good + 0.2);
	}
}

/* As many from as many addresses, but of the page that costs ten times as much. */
static void cost(void **state)
{
	static const struct scene_page search = { .path = "/search", .ms = 400 };
	struct scene_crowd bots = { .n = 400,
		                    .rate = 40,
		                    .where = WHERE_V4_24,
		                    .base = 0xcb007100,
		                    .hello = 11,
		                    .pages = &search,
		                    .n_pages = 1,
		                    .api = true };
	struct outcome with = flood(programs, bots, 0, "cost"),
	               without = flood(programs, bots, FLOOD_WITHOUT_COST, "cost");
	assert_true(with.good > 0.45 && with.good > without.good + 0.2);
}

static void errors(void **state)
{
	static const struct scene_page holes[] = { { .path = "/wp-login.php", .ms = 40, .status = 404 },
		                                   { .path = "/.env", .ms = 40, .status = 404 },
		                                   { .path = "/phpmyadmin/", .ms = 40, .status = 404 } };
	struct scene_crowd bots = { .n = 400,
		                    .rate = 400,
		                    .where = WHERE_V4_24,
		                    .base = 0xcb007100,
		                    .hello = 11,
		                    .pages = holes,
		                    .n_pages = 3,
		                    .api = true,
		                    .from_s = 200 };
	struct scene_crowd honest = programs;
	honest.rate = 40;
	struct outcome with = flood(honest, bots, 0, "errors"),
	               without = flood(honest, bots, FLOOD_WITHOUT_ERRORS, "errors");
	assert_true(with.good > without.good + 0.1);
}

/* Fifty thousand addresses, none of which asks more than once a minute; one TLS library that hardly anybody else has. */
static void fingerprint(void **state)
{
	struct scene_crowd bots = { .n = 50000,
		                    .rate = 833,
		                    .where = WHERE_V4_24,
		                    .base = 0x20000000,
		                    .hello = 99,
		                    .pages = scene_booking,
		                    .n_pages = 3,
		                    .api = true };
	struct outcome with = flood(programs, bots, 0, "fingerprint");
	struct outcome without = flood(programs, bots, FLOOD_WITHOUT_FINGERPRINT, "fingerprint");
	assert_true(with.good > 0.6 && with.good > without.good + 0.2);
}

/* A thousand patients behind one address with ten thousand bots. */
static void pass(void **state)
{
	struct scene_crowd honest = people, bots = { .n = 10000,
		                                     .rate = 2083,
		                                     .where = WHERE_ONE,
		                                     .base = 0xcb007101,
		                                     .hello = 99,
		                                     .browser = 5,
		                                     .pages = scene_hit,
		                                     .n_pages = 2 };
	honest.where = WHERE_ONE, honest.base = bots.base, honest.rate = 1000.0 / FLOOD_S, honest.n = 1000,
	honest.statics = 3;
	struct outcome with = flood(honest, bots, 0, "pass"), without = flood(honest, bots, FLOOD_WITHOUT_PASS, "pass");
	assert_true(with.served >= 0.99 && without.served < with.served);
}

static void shared_cookie(void **state)
{
	struct scene_crowd bots = { .n = 250,
		                    .rate = 2083,
		                    .where = WHERE_V4,
		                    .base = 0xcb007101,
		                    .hello = 12,
		                    .browser = 5,
		                    .cookie = COOKIE_SHARED,
		                    .pages = scene_hit,
		                    .n_pages = 2 };
	struct outcome with = flood(people, bots, 0, "cookie"),
	               without = flood(people, bots, FLOOD_WITHOUT_PERSON, "cookie");
	assert_true(with.served >= 0.99);
	assert_true(with.bad < without.bad);
}

/* Behind one address: people whose browser is the bots' own, and bots that go on and on. */
static void shared_address(void **state)
{
	struct scene_crowd honest = people, bots = { .n = 100,
		                                     .rate = 1000,
		                                     .where = WHERE_ONE,
		                                     .base = 0xcb007101,
		                                     .hello = 99,
		                                     .browser = 5,
		                                     .pages = scene_hit,
		                                     .n_pages = 2 };
	honest.where = WHERE_ONE, honest.base = bots.base, honest.alike = true, honest.browser = 5, honest.rate = 2;
	honest.until_s = 0;
	struct outcome with = flood(honest, bots, 0, "shared"),
	               without = flood(honest, bots, FLOOD_WITHOUT_SHARED, "shared");
	assert_true(with.dropped < without.dropped && with.served >= 0.99 && with.p99 < without.p99);
}

/* Each takes a pass, uses it once, throws it away. */
static void new_people(void **state)
{
	struct scene_crowd honest = people, bots = { .n = 10000,
		                                     .rate = 2083,
		                                     .where = WHERE_ONE,
		                                     .base = 0xcb007101,
		                                     .hello = 12,
		                                     .browser = 5,
		                                     .cookie = COOKIE_THROWS,
		                                     .pages = scene_hit,
		                                     .n_pages = 2 };
	struct outcome with = flood(honest, bots, 0, "people"),
	               without = flood(honest, bots, FLOOD_WITHOUT_PEOPLE, "people");
	assert_true(with.served >= 0.99 && with.failed < without.failed);
}

/* Each keeps his pass and asks five times a second, whatever he is told. */
static void haste(void **state)
{
	struct scene_crowd bots = { .n = 400,
		                    .rate = 2083,
		                    .where = WHERE_V4,
		                    .base = 0xcb007101,
		                    .hello = 12,
		                    .browser = 5,
		                    .cookie = COOKIE_KEEPS,
		                    .pages = scene_hit,
		                    .n_pages = 2 };
	struct outcome with = flood(people, bots, 0, "haste"),
	               without = flood(people, bots, FLOOD_WITHOUT_HASTE, "haste");
	assert_true(with.served >= 0.99 && with.p99 < without.p99);
}

/* Monday to Thursday, 7:30: for ten minutes more than the site can bear at once. Whom does it turn away on Thursday? */
static unsigned mornings(unsigned without)
{
	struct flood_limits limits = { .without = without };
	struct scene *s = scene_open(&limits, SERVERS, QUEUE);
	struct scene_crowd crowd = people;
	unsigned turned = 0;
	crowd.statics = 0;
	for (unsigned day = 0; day < 4; day++) {
		crowd.n = 50000, crowd.rate = 1, crowd.base = 0x0b000000 + (day << 24);
		struct scene_crowd *c = scene_add(s, &crowd);
		scene_run(s, 900); /* from 6:00 or 7:00 on */
		c->rate = 16;
		scene_run(s, 90);
		c->rate = 1;
		scene_run(s, 600);
		c->until_s = 0;
		scene_run(s, 120);
		turned = c->turned;
		struct flood_state st;
		flood_state(s->f, s->t, &st);
		print_message("day %u: turned %u of %u, pressure %.2f, expected %.0f/s\n", day, turned, c->begun,
		              st.pressure, st.normal_rate);
		scene_skip(s, 86400 - 1710);
	}
	scene_close(s);
	return turned;
}

static void hour(void **state)
{
	unsigned with = mornings(0), without = mornings(FLOOD_WITHOUT_HOUR);
	assert_int_equal(with, 0);
	assert_true(without > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address),    cmocka_unit_test(network),       cmocka_unit_test(cost),
		cmocka_unit_test(errors),     cmocka_unit_test(fingerprint),   cmocka_unit_test(hour),
		cmocka_unit_test(pass),       cmocka_unit_test(shared_cookie), cmocka_unit_test(shared_address),
		cmocka_unit_test(new_people), cmocka_unit_test(haste),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
