/* Picked fields, and what filters know, against a plain walk. */
#include "store/find_fixture.h"

static const struct str picked[] = { STR("user.name"), STR("n"), STR("message"), STR("none"), STR("user.name") };

struct picked {
	struct fixture *f;
	const struct event_query *q;
	uint8_t seen[EVENTS];
	uint64_t n;
};

static int expect_picked(void *arg, const struct event_picked *event)
{
	struct picked *p = arg;
	char n[16];
	assert_int_equal(event->fields[1].n, 1);
	snprintf(n, sizeof(n), STR_FMT, STR_ARG(event->fields[1].values[0]));
	const unsigned long i = strtoul(n, NULL, 10);
	assert_true(i < p->f->n && !p->seen[i]++);
	const struct one *e = &p->f->all[i];
	assert_true(holds(p->q, e));
	assert_int_equal(event->time, e->time);
	assert_true(str_eq(event->dataset, str_from(datasets[e->dataset])));
	for (size_t c = 0; c < ARRAY_LEN(picked); c++) {
		size_t at = 0;
		for (uint32_t k = 0; c != 1 && k < e->n_fields; k++) {
			if (!str_eq(picked[c], str_from(e->field[k].path)))
				continue;
			assert_true(at < event->fields[c].n);
			assert_true(str_eq(event->fields[c].values[at++], str_from(e->field[k].text)));
		}
		assert_int_equal(at, c != 1 ? event->fields[c].n : 0);
	}
	p->n++;
	return 0;
}

static void picks_fields(void **state)
{
	struct fixture *f = *state;
	struct question question;
	uint64_t all = 0;
	for (int i = 0; i < 120; i++) {
		struct event_query q = { 0 };
		struct picked *p = calloc(1, sizeof(*p));
		struct event_found cost;
		struct err err;
		uint64_t wanted = 0;
		assert_non_null(p);
		q.where = i ? random_question(f, &question) : NULL;
		q.from = dice(f, 2) ? START + (int64_t)dice(f, 30) * HOUR : 0;
		q.limit = dice(f, 4) ? 0 : 20;
		*p = (struct picked){ f, &q, { 0 }, 0 };
		if (events_embedded.pick(f->store, &q, picked, ARRAY_LEN(picked), expect_picked, p, &cost, &err))
			fail_msg("pick: %s", err.text);
		for (uint32_t k = 0; k < f->n; k++)
			wanted += holds(&q, &f->all[k]);
		assert_int_equal(p->n, q.limit && wanted > q.limit ? q.limit : wanted);
		assert_int_equal(cost.events, p->n);
		all += p->n;
		free(p);
	}
	assert_true(all > 10000);
}

static int take(void *arg, const struct event_row *row)
{
	++*(uint64_t *)arg;
	return 0;
}

/* Filters are asked through AND and OR, and what they can't say no to isn't passed over. */
static void filters_know_or(void **state)
{
	struct fixture *f = *state;
	struct event_found cost;
	uint64_t n = 0;
	struct event_expr no[2] = {
		{ .term = { .text = STR("nowhere1") } },
		{ .term = { .kind = TERM_EQUAL, .field = STR("message"), .text = STR("nowhere2") } }
	};
	struct event_expr either = { .kind = EXPR_OR, .of = no, .n = 2 };
	struct event_expr neither = { .kind = EXPR_NOT, .of = &either, .n = 1 };
	struct event_query q = { .where = &either };
	assert_int_equal(events_embedded.find(f->store, &q, take, &n, &cost, NULL), 0);
	assert_int_equal(cost.events, 0);
	assert_true(cost.skipped > cost.blocks * 9 / 10);
	no[1] = (struct event_expr){ .term = { .kind = TERM_TEST, .text = STR("nowhere3"), .test = is_odd } };
	assert_int_equal(events_embedded.find(f->store, &q, take, &n, &cost, NULL), 0);
	assert_int_equal(cost.skipped, 0); /* no whole word must stand there */
	no[1].term.text = STR("is nowhere2 ");
	assert_int_equal(events_embedded.find(f->store, &q, take, &n, &cost, NULL), 0);
	assert_true(cost.skipped > cost.blocks * 9 / 10);
	no[1].term = (struct event_term){ .text = STR("nowhere2") };
	q.where = &neither;
	assert_int_equal(events_embedded.find(f->store, &q, take, &n, &cost, NULL), 0);
	assert_int_equal(cost.skipped, 0);
	assert_int_equal(cost.events, EVENTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(picks_fields),
		cmocka_unit_test(filters_know_or),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
