/* Who is next, by hand and over random days. */
#include "kiosk/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const int64_t MINUTE = (int64_t)60 * CLOCK_S;
static const struct queue_rule rule = { .weight = 2, .cap = (int64_t)60 * 60 * CLOCK_S };

/* Minutes; number is the tag. */
static struct queue_one one(size_t tag, enum queue_priority priority, int64_t start, int64_t arrived)
{
	return (struct queue_one){ .priority = priority,
		                   .start = start < 0 ? -1 : start * MINUTE,
		                   .arrived = arrived * MINUTE,
		                   .number = (int64_t)tag,
		                   .tag = tag };
}

static void assert_order(struct queue_one *ones, size_t n, int64_t in_row, int64_t minute, const char *want)
{
	char got[32] = "";
	queue_order(&rule, ones, n, in_row, minute * MINUTE);
	for (size_t i = 0; i < n; i++)
		got[i] = (char)('a' + ones[i].tag);
	assert_string_equal(got, want);
}

static void test_alternation(void **state)
{
	struct queue_one ones[] = { one(0, QUEUE_NORMAL, -1, 100),   one(1, QUEUE_NORMAL, -1, 101),
		                    one(2, QUEUE_PRIORITY, -1, 105), one(3, QUEUE_PRIORITY, -1, 106),
		                    one(4, QUEUE_PRIORITY, -1, 107), one(5, QUEUE_PRIORITY, -1, 108),
		                    one(6, QUEUE_PRIORITY, -1, 109) };
	assert_order(ones, 7, 0, 110, "cdaefbg");
	assert_order(ones, 7, 1, 110, "cadebfg");
	assert_order(ones, 7, 2, 110, "acdbefg");
	const struct queue_rule none = { .weight = 0, .cap = rule.cap };
	queue_order(&none, ones, 7, 0, 110 * MINUTE);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(ones[i].tag, i);
}

static void test_emergency_and_cap(void **state)
{
	struct queue_one ones[] = { one(0, QUEUE_NORMAL, -1, 100),    one(1, QUEUE_PRIORITY, -1, 101),
		                    one(2, QUEUE_PRIORITY, -1, 150),  one(3, QUEUE_NORMAL, -1, 151),
		                    one(4, QUEUE_EMERGENCY, -1, 160), one(5, QUEUE_EMERGENCY, 300, 161) };
	assert_order(ones, 6, 0, 160, "efbcad"); /* at the cap, not over it */
	queue_order(&rule, ones, 6, 0, 160 * MINUTE + 1);
	assert_int_equal(ones[2].tag, 0);
	assert_order(ones, 6, 0, 161, "efabcd"); /* a is over it; b isn't, and goes by its priority */
	assert_order(ones, 6, 2, 212, "efabcd"); /* all are over it: as they came */
}

static void test_in_row(void **state)
{
	const struct queue_one normal = one(0, QUEUE_NORMAL, -1, 0), with = one(0, QUEUE_PRIORITY, -1, 0);
	const struct queue_one emergency = one(0, QUEUE_EMERGENCY, -1, 0);
	assert_int_equal(queue_in_row(&rule, 0, &with), 1);
	assert_int_equal(queue_in_row(&rule, 1, &with), 2);
	assert_int_equal(queue_in_row(&rule, 2, &with), 2);
	assert_int_equal(queue_in_row(&rule, 1, &emergency), 1);
	assert_int_equal(queue_in_row(&rule, 2, &normal), 0);
}

static void test_slots(void **state)
{
	/* b came before its slot, c within the grace, d too late for it; e walked in, f is of the afternoon. */
	struct queue_one ones[] = { one(0, QUEUE_NORMAL, 120, 90),  one(1, QUEUE_NORMAL, 100, 95),
		                    one(2, QUEUE_NORMAL, 100, 115), one(3, QUEUE_NORMAL, 100, 116),
		                    one(4, QUEUE_NORMAL, -1, 114),  one(5, QUEUE_PRIORITY, 400, 60) };
	assert_order(ones, 6, 0, 118, "bcedaf");
	assert_order(ones, 6, 0, 369, "bcedaf"); /* all but f are over the cap; f is 31 minutes early */
	struct queue_one pair[] = { one(0, QUEUE_NORMAL, -1, 365), one(1, QUEUE_PRIORITY, 400, 60) };
	assert_order(pair, 2, 0, 369, "ab");
	assert_order(pair, 2, 0, 370, "ba");
}

static void test_equals(void **state)
{
	struct queue_one ones[] = { one(3, QUEUE_NORMAL, 100, 90), one(1, QUEUE_NORMAL, 100, 90),
		                    one(2, QUEUE_NORMAL, 100, 90), one(0, QUEUE_NORMAL, 100, 91) };
	ones[2].room = -1; /* was transferred: its number is another room's */
	assert_order(ones, 4, 0, 100, "cbda");
	queue_order(&rule, ones, 0, 0, 0); /* nobody */
}

/* --- random days --- */

enum { COMING = 400, DAY = 600 };

struct day {
	struct queue_one here[COMING];
	size_t n, came;
	int64_t in_row, ahead[COMING]; /* by tag */
	bool over[COMING];
	uint64_t random;
};

static uint64_t draw(struct day *d, uint64_t below)
{
	d->random = d->random * 6364136223846793005u + 1442695040888963407u;
	return (d->random >> 33) % below;
}

static void comes(struct day *d, int64_t now, uint64_t priorities)
{
	uint64_t p = draw(d, 100);
	struct queue_one *q = &d->here[d->n++];
	*q = one(d->came++, p == 0 ? QUEUE_EMERGENCY : p < priorities ? QUEUE_PRIORITY : QUEUE_NORMAL, -1, now);
	q->arrived += (int64_t)draw(d, 60) * CLOCK_S;
	if (draw(d, 2))
		q->start = (now + (int64_t)draw(d, 120) - 40) / 10 * 10 * MINUTE;
}

static bool before(const struct queue_one *a, const struct queue_one *b)
{
	if (a->turn != b->turn)
		return a->turn < b->turn;
	return a->arrived != b->arrived ? a->arrived < b->arrived : a->number < b->number;
}

static bool due(const struct queue_one *q, int64_t now)
{
	return q->priority == QUEUE_EMERGENCY || q->turn - now <= QUEUE_EARLY * MINUTE;
}

/* What holds of whoever is called, whoever waits. */
static void check_call(const struct day *d, const struct queue_one *c, int64_t now)
{
	bool normal_waits = false, anybody_over = now - c->turn > rule.cap;
	for (size_t i = 0; i < d->n; i++) {
		const struct queue_one *w = &d->here[i];
		bool over = now - w->turn > rule.cap;
		assert_false(w->priority == QUEUE_EMERGENCY && c->priority != QUEUE_EMERGENCY);
		if (c->priority == QUEUE_EMERGENCY)
			continue;
		assert_false(over && before(w, c)); /* nobody passes whoever waited too long */
		assert_false(over && now - c->turn <= rule.cap);
		assert_false(due(w, now) && !due(c, now)); /* who is early gives way */
		assert_false(w->priority == c->priority && due(w, now) && before(w, c));
		normal_waits |= w->priority == QUEUE_NORMAL && due(w, now);
		anybody_over |= over;
	}
	if (c->priority == QUEUE_PRIORITY && normal_waits && !anybody_over)
		assert_true(d->in_row < rule.weight);
}

/* When somebody goes over the cap, so many were over it before; besides emergencies nobody else may be called first. */
static void note_over(struct day *d, int64_t now)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct queue_one *q = &d->here[i];
		if (q->priority == QUEUE_EMERGENCY || now - q->turn <= rule.cap || d->over[q->tag])
			continue;
		d->over[q->tag] = true;
		for (size_t k = 0; k < d->n; k++)
			d->ahead[q->tag] += d->here[k].priority != QUEUE_EMERGENCY && before(&d->here[k], q);
	}
}

static void calls(struct day *d, int64_t now)
{
	queue_order(&rule, d->here, d->n, d->in_row, now);
	note_over(d, now);
	const struct queue_one called = d->here[0];
	memmove(d->here, d->here + 1, --d->n * sizeof(d->here[0]));
	check_call(d, &called, now);
	d->in_row = queue_in_row(&rule, d->in_row, &called);
	if (called.priority == QUEUE_EMERGENCY)
		return;
	assert_int_equal(d->ahead[called.tag], 0);
	for (size_t i = 0; i < d->n; i++)
		if (d->over[d->here[i].tag])
			assert_true(d->ahead[d->here[i].tag]-- > 0);
}

static void random_day(uint64_t seed)
{
	static struct day d;
	size_t called = 0;
	d = (struct day){ .random = seed };
	const uint64_t per_hour = 10 + draw(&d, 50), served = 10 + draw(&d, 50), priorities = draw(&d, 101);
	for (int64_t minute = 100; minute < 100 + DAY || d.n; minute++) {
		if (minute < 100 + DAY && d.came < COMING && draw(&d, 60) < per_hour)
			comes(&d, minute - 1, priorities);
		if (d.n && draw(&d, 60) < served) {
			calls(&d, minute * MINUTE);
			called++;
		}
	}
	assert_int_equal(called, d.came);
}

static void test_random_days(void **state)
{
	for (uint64_t seed = 1; seed <= 300; seed++)
		random_day(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alternation),
		cmocka_unit_test(test_in_row),
		cmocka_unit_test(test_emergency_and_cap),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_equals),
		cmocka_unit_test(test_random_days),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
