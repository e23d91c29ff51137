/*
 * Windows held to a slow evaluator that is obvious: it keeps every match and looks at each window from scratch. Random
 * streams with ties, late matches, matches without a time, many groups; every type; lower and upper bounds.
 */
#include "match/window_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MAX_SEEN = 400, MAX_FIRES = 400, STREAMS = 4000, GROUPS = 6 };

struct seen {
	int64_t time;
	uint32_t group, input;
	int value;
	bool judged; /* of a window that is over */
};

struct fire {
	uint32_t group, count;
	int64_t first_time, time;
	double result;
};

struct fires {
	struct fire at[MAX_FIRES];
	size_t n;
};

struct oracle {
	const struct correlation *c;
	int64_t lateness, now;
	bool clock_runs;
	struct seen seen[MAX_SEEN]; /* in order of time, then of coming */
	size_t n;
	bool was_true[GROUPS];
	uint64_t born[GROUPS], births; /* order in which groups that wait for judgement began */
	struct fires fires;
};

static uint32_t chance(uint64_t *state, uint32_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 33) % below;
}

static bool has_upper(const struct correlation *c)
{
	return isfinite(c->lt) || isfinite(c->lte) || !isnan(c->eq) || !isnan(c->neq);
}

static int by_size(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static double result_of(const struct correlation *c, const struct seen *const *in, size_t n)
{
	int values[MAX_SEEN];
	double sum = 0;
	size_t different = 0;
	uint32_t next = 0;
	for (size_t i = 0; i < n; i++) {
		bool temporal = c->type == CORRELATE_TEMPORAL;
		bool again = false;
		for (size_t j = 0; j < i; j++)
			again |= temporal ? in[j]->input == in[i]->input : in[j]->value == in[i]->value;
		different += !again;
		sum += in[i]->value;
		values[i] = in[i]->value;
		next += next < c->inputs.n && in[i]->input == next;
	}
	switch (c->type) {
	case CORRELATE_EVENT_COUNT: return (double)n;
	case CORRELATE_VALUE_COUNT:
	case CORRELATE_TEMPORAL: return (double)different;
	case CORRELATE_TEMPORAL_ORDERED: return next;
	case CORRELATE_VALUE_SUM: return sum;
	case CORRELATE_VALUE_AVG: return sum / (double)n;
	}
	qsort(values, n, sizeof(*values), by_size);
	double at = c->percentile / 100 * (double)(n - 1), whole = floor(at);
	double low = values[(size_t)whole], high = values[(size_t)ceil(at)];
	return low * (1 - (at - whole)) + high * (at - whole);
}

static bool condition(const struct correlation *c, double x)
{
	bool temporal = c->type == CORRELATE_TEMPORAL || c->type == CORRELATE_TEMPORAL_ORDERED;
	if (temporal && !has_upper(c) && !isfinite(c->gt) && !isfinite(c->gte))
		return x == c->inputs.n;
	return x > c->gt && x >= c->gte && x < c->lt && x <= c->lte && !(x != c->eq && !isnan(c->eq)) && x != c->neq;
}

/* Looks at the matches of a group from one time to another; true when the condition holds for them. */
static bool holds(const struct oracle *o, uint32_t group, int64_t from, int64_t to, struct fire *ret)
{
	const struct seen *in[MAX_SEEN];
	size_t n = 0;
	for (size_t i = 0; i < o->n; i++) {
		const struct seen *s = &o->seen[i];
		if (s->group == group && !s->judged && s->time >= from && s->time <= to)
			in[n++] = s;
	}
	double result = result_of(o->c, in, n);
	*ret = (struct fire){ group, (uint32_t)n, in[0]->time, in[n - 1]->time, result };
	return condition(o->c, result);
}

static void judge_over(struct oracle *o, int64_t now)
{
	for (;;) {
		const struct seen *first[GROUPS] = { 0 }, *next = NULL;
		for (size_t i = 0; i < o->n; i++) {
			struct seen *s = &o->seen[i];
			if (!s->judged && !first[s->group])
				first[s->group] = s;
		}
		for (uint32_t g = 0; g < GROUPS; g++) {
			if (first[g] && (!next || first[g]->time < next->time ||
			                 (first[g]->time == next->time && o->born[g] < o->born[next->group])))
				next = first[g];
		}
		if (!next || next->time + o->c->timespan + o->lateness >= now)
			return;
		int64_t from = next->time, to = from + o->c->timespan;
		struct fire f;
		if (holds(o, next->group, from, to, &f))
			o->fires.at[o->fires.n++] = f;
		uint32_t group = next->group;
		bool left = false;
		for (size_t i = 0; i < o->n; i++) {
			struct seen *s = &o->seen[i];
			s->judged |= s->group == group && s->time <= to;
			left |= s->group == group && !s->judged;
		}
		if (!left)
			o->born[group] = 0;
	}
}

static bool fired_near(const struct oracle *o, uint32_t group, int64_t time)
{
	for (size_t i = 0; i < o->fires.n; i++) {
		if (o->fires.at[i].group == group && llabs(o->fires.at[i].time - time) < o->c->timespan)
			return true;
	}
	return false;
}

static void judge_now(struct oracle *o, const struct seen *s)
{
	int64_t span = o->c->timespan, newest = s->time, last_fire = INT64_MIN / 2;
	struct fire f;
	for (size_t i = 0; i < o->n; i++) {
		if (o->seen[i].group == s->group && o->seen[i].time > newest)
			newest = o->seen[i].time;
	}
	for (size_t i = 0; i < o->fires.n; i++) {
		if (o->fires.at[i].group == s->group && o->fires.at[i].time > last_fire)
			last_fire = o->fires.at[i].time;
	}
	bool held = o->was_true[s->group];
	o->was_true[s->group] = holds(o, s->group, newest - span, newest, &f);
	if (newest == s->time) {
		if (o->was_true[s->group] && (!held || newest - last_fire >= span))
			o->fires.at[o->fires.n++] = f;
		return;
	}
	for (size_t i = 0; i < o->n; i++) {
		int64_t end = o->seen[i].time;
		if (o->seen[i].group == s->group && end >= s->time && end <= s->time + span &&
		    holds(o, s->group, end - span, end, &f) && !fired_near(o, s->group, end)) {
			o->fires.at[o->fires.n++] = f;
			return;
		}
	}
}

static void oracle_clock(struct oracle *o, int64_t now)
{
	if (has_upper(o->c))
		judge_over(o, now);
	if (!o->clock_runs || now > o->now)
		o->now = now;
	o->clock_runs = true;
}

static void oracle_feed(struct oracle *o, struct seen s)
{
	if (!s.time) {
		s.time = o->clock_runs ? o->now : 0;
	} else if (o->clock_runs && s.time < o->now - o->lateness) {
		return;
	}
	oracle_clock(o, s.time);
	size_t at = o->n++;
	for (; at && o->seen[at - 1].time > s.time; at--)
		o->seen[at] = o->seen[at - 1];
	o->seen[at] = s;
	if (!has_upper(o->c))
		judge_now(o, &o->seen[at]);
	else if (!o->born[s.group])
		o->born[s.group] = ++o->births;
}

static int collect(void *arg, const struct match *m)
{
	struct fires *f = arg;
	assert_true(f->n < MAX_FIRES);
	assert_int_equal(m->n_fields >= 1, 1);
	double result = m->n_fields > 1 ? strtod(m->fields[1].text.p, NULL) : NAN;
	f->at[f->n++] =
	        (struct fire){ (uint32_t)(m->fields[0].text.p[0] - 'a'), m->count, m->first_time, m->time, result };
	return 0;
}

static void random_condition(uint64_t *rng, struct correlation *c)
{
	bool temporal = c->type == CORRELATE_TEMPORAL || c->type == CORRELATE_TEMPORAL_ORDERED;
	double n = 1 + chance(rng, temporal ? 3 : 6);
	if (c->type == CORRELATE_VALUE_SUM)
		n *= 4;
	switch (chance(rng, temporal ? 9 : 7)) {
	case 0: c->gt = n; break;
	case 1: c->lt = n; break;
	case 2: c->lte = n; break;
	case 3: c->eq = n; break;
	case 4: c->neq = n; break;
	case 5:
		c->gte = n;
		c->lte = n + 2;
		break;
	case 6: c->gte = n; break;
	}
	c->percentile = chance(rng, 5) * 25;
}

/* False: the clock went back, which the oracle, that never forgets, doesn't follow. */
static bool one_stream(uint64_t seed)
{
	static struct fixture f;
	static struct oracle o;
	struct fires fast = { 0 };
	struct windows *w;
	struct fixture_match fm;
	uint64_t rng = seed * 0x9e3779b97f4a7c15 + 1;
	uint32_t n_inputs = 1 + chance(&rng, FIXTURE_INPUTS);
	fixture_init(&f, FIXTURE_INPUTS);
	fixture_correlate(&f, seed % 7, 1 + chance(&rng, 40), (uint32_t[]){ 0, 1, 2, 3 }, n_inputs, 1);
	random_condition(&rng, &f.correlations[0]);
	struct window_config config = { .lateness = 1 + chance(&rng, 60) };
	memset(&o, 0, sizeof(o));
	o.c = &f.correlations[0];
	o.lateness = config.lateness;
	assert_int_equal(windows_new(&w, &f.rs, &config, NULL), 0);

	int64_t clock = 1000;
	uint32_t n_groups = 1 + chance(&rng, GROUPS), step = 1 + chance(&rng, 20), n = 20 + chance(&rng, 180);
	uint32_t values = 1 + chance(&rng, 8), late = 1 + chance(&rng, 12), far = 2 + chance(&rng, 100);
	for (uint32_t i = 0; i < n; i++) {
		clock += chance(&rng, 3) ? chance(&rng, step) : 0;
		if (!chance(&rng, 60))
			clock += chance(&rng, 400);
		bool back = !chance(&rng, 150);
		int64_t time = clock - (chance(&rng, late) ? 0 : chance(&rng, far));
		if (back)
			time -= 600;
		if (!chance(&rng, 25))
			time = 0;
		struct seen s = { time, chance(&rng, n_groups), chance(&rng, n_inputs), (int)chance(&rng, values),
			          false };
		char group[] = { (char)('a' + s.group), 0 }, value[8];
		snprintf(value, sizeof(value), "%d", s.value);
		oracle_feed(&o, s);
		assert_int_equal(windows_feed(w, fixture_match(&fm, &f, s.input, time, group, value), collect, &fast),
		                 0);
		if (!chance(&rng, 20)) {
			oracle_clock(&o, clock + 5);
			assert_int_equal(windows_advance(w, clock + 5, collect, &fast), 0);
		}
		if (windows_counts(w)->clock_back) {
			windows_free(w);
			return false;
		}
		if (fast.n != o.fires.n)
			fail_msg("stream %lu, match %u: %zu fires, %zu expected", (unsigned long)seed, i, fast.n,
			         o.fires.n);
	}
	if (has_upper(o.c))
		judge_over(&o, INT64_MAX);
	assert_int_equal(windows_flush(w, collect, &fast), 0);
	if (fast.n != o.fires.n)
		fail_msg("stream %lu, its end: %zu fires, %zu expected", (unsigned long)seed, fast.n, o.fires.n);
	for (size_t i = 0; i < fast.n; i++) {
		const struct fire *a = &fast.at[i], *b = &o.fires.at[i];
		assert_int_equal(a->group, b->group);
		assert_int_equal(a->time, b->time);
		assert_int_equal(a->first_time, b->first_time);
		assert_int_equal(a->count, b->count);
		if (!isnan(a->result))
			assert_true(fabs(a->result - b->result) < 1e-9);
	}
	windows_free(w);
	return true;
}

static void test_oracle(void **state)
{
	uint32_t whole = 0;
	for (uint64_t seed = 0; seed < STREAMS; seed++)
		whole += one_stream(seed);
	assert_true(whole > STREAMS * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_oracle) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
