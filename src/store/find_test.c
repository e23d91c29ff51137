/* Searches in a store against a plain walk over what was put in. */
#include "store/embedded_inside.h"
#include "store/find_fixture.h"

#include <errno.h>
#include <sqlite3.h>

static int in_order(const void *x, const void *y)
{
	const struct one *a = *(const struct one *const *)x, *b = *(const struct one *const *)y;
	if (a->time != b->time)
		return a->time > b->time ? 1 : -1;
	int c = strcmp(datasets[a->dataset], datasets[b->dataset]);
	return c ? c : (a->n > b->n) - (a->n < b->n);
}

static size_t walk(struct fixture *f, const struct event_query *q, const struct one **found)
{
	size_t n = 0;
	for (uint32_t i = 0; i < f->n; i++)
		if (holds(q, &f->all[i]))
			found[n++] = &f->all[i];
	qsort(found, n, sizeof(*found), in_order);
	for (size_t i = 0; !q->oldest_first && i < n / 2; i++) {
		const struct one *e = found[i];
		found[i] = found[n - 1 - i];
		found[n - 1 - i] = e;
	}
	return q->limit && n > q->limit ? (size_t)q->limit : n;
}

/* --- both --- */

struct expected {
	const struct one **found;
	size_t n, at;
};

static int expect(void *arg, const struct event_row *row)
{
	struct expected *x = arg;
	char begin[24];
	unsigned n;
	assert_true(x->at < x->n);
	snprintf(begin, sizeof(begin), STR_FMT, STR_ARG(str_sub(row->json, 0, sizeof(begin))));
	assert_int_equal(sscanf(begin, "{\"n\":%u,", &n), 1);
	assert_int_equal(n, x->found[x->at]->n);
	assert_int_equal(row->time, x->found[x->at]->time);
	assert_true(str_eq(row->dataset, str_from(datasets[x->found[x->at]->dataset])));
	x->at++;
	return 0;
}

static void ask(struct fixture *f, uint64_t *seen, uint64_t *skipped)
{
	struct question question;
	struct str names[2];
	struct event_query q = { .datasets = names, .oldest_first = dice(f, 2) };
	static const uint64_t limits[] = { 0, 0, 1, 7, 100 };
	q.where = random_question(f, &question);
	for (; q.n_datasets < 2 && !dice(f, 3); q.n_datasets++)
		names[q.n_datasets] = str_from(datasets[dice(f, DATASETS)]);
	if (dice(f, 2))
		q.from = START + (int64_t)dice(f, 60) * HOUR;
	if (dice(f, 2))
		q.to = START + (int64_t)dice(f, 62) * HOUR + dice(f, 20) * CLOCK_S;
	q.limit = limits[dice(f, ARRAY_LEN(limits))];
	const struct one **found = calloc(f->n, sizeof(*found));
	assert_non_null(found);
	struct expected x = { found, walk(f, &q, found), 0 };
	struct event_found cost;
	struct err err;
	if (events_embedded.find(f->store, &q, expect, &x, &cost, &err))
		fail_msg("find: %s", err.text);
	assert_int_equal(x.at, x.n);
	assert_int_equal(cost.events, x.n);
	assert_int_equal(cost.damaged, 0);
	*seen += x.n;
	*skipped += cost.skipped;
	free(found);
}

static void as_a_plain_walk(void **state)
{
	struct fixture *f = *state;
	uint64_t seen = 0, skipped = 0;
	for (int i = 0; i < QUERIES; i++)
		ask(f, &seen, &skipped);
	assert_true(seen > 12 * QUERIES);
	assert_true(skipped > QUERIES / 4);
	open_store(f, true);
	for (int i = 0; i < QUERIES; i++)
		ask(f, &seen, &skipped);
}

struct counted {
	struct fixture *f;
	const bool *right; /* which of all events */
	const char *field;
	uint64_t sum, last, values;
};

static int expect_count(void *arg, struct str value, uint64_t count)
{
	struct counted *c = arg;
	uint64_t n = 0;
	for (uint32_t i = 0; i < c->f->n; i++) {
		const struct one *e = &c->f->all[i];
		for (uint32_t k = 0; k < e->n_fields && c->right[i]; k++)
			n += strcmp(e->field[k].path, c->field) == 0 && str_eq(value, str_from(e->field[k].text));
	}
	assert_int_equal(count, n);
	assert_true(count <= c->last);
	c->last = count;
	c->sum += count;
	c->values++;
	return 0;
}

static void counts_by_field(void **state)
{
	static const char *const fields[] = { "host.name", "user.name", "message", "pid", "rare.a", "none" };
	struct fixture *f = *state;
	struct question question;
	for (int i = 0; i < 60; i++) {
		struct event_query q = { 0 };
		bool right[EVENTS];
		struct counted c = { f, right, fields[i % (int)ARRAY_LEN(fields)], 0, UINT64_MAX, 0 };
		if (i >= (int)ARRAY_LEN(fields)) {
			q.where = random_question(f, &question);
			q.from = START + (int64_t)dice(f, 30) * HOUR;
		}
		uint64_t wanted = 0;
		for (uint32_t k = 0; k < f->n; k++) {
			right[k] = holds(&q, &f->all[k]);
			for (uint32_t m = 0; m < f->all[k].n_fields && right[k]; m++)
				wanted += strcmp(f->all[k].field[m].path, c.field) == 0;
		}
		struct event_found cost;
		struct err err;
		if (events_embedded.count_by(f->store, &q, str_from(c.field), expect_count, &c, &cost, &err))
			fail_msg("count: %s", err.text);
		assert_int_equal(c.sum, wanted);
		assert_true(cost.events <= wanted && (cost.events > 0) == (wanted > 0));
	}
}

struct stop {
	uint64_t n, after;
	atomic_bool *cancel;
};

static int stop(void *arg, const struct event_row *row)
{
	struct stop *s = arg;
	return ++s->n == s->after;
}

static void stops_when_told(void **state)
{
	struct fixture *f = *state;
	atomic_bool cancel = true;
	struct stop s = { .after = 5 };
	struct event_found cost;
	struct event_query q = { .cancel = NULL };
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &cost, NULL), 0);
	assert_int_equal(s.n, 5);
	assert_int_equal(cost.events, 5);
	q.cancel = &cancel;
	s = (struct stop){ 0 };
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &cost, NULL), 0);
	assert_int_equal(s.n, 0);
	static struct event_expr many[EVENT_EXPR_TERMS + 1], deep[EVENT_EXPR_DEPTH + 2];
	struct event_expr all = { .kind = EXPR_OR, .of = many, .n = EVENT_EXPR_TERMS + 1 };
	q = (struct event_query){ .where = &all };
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &cost, NULL), -E2BIG);
	all.n--;
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &cost, NULL), 0);
	for (size_t i = 0; i <= EVENT_EXPR_DEPTH; i++)
		deep[i] = (struct event_expr){ .kind = EXPR_NOT, .of = &deep[i + 1], .n = 1 };
	q.where = deep;
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &cost, NULL), -E2BIG);
	q.where = &deep[1];
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &cost, NULL), 0);
	deep[1].n = 0;
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &cost, NULL), -EINVAL);
	q = (struct event_query){ .from = START + HOUR, .to = START };
	s = (struct stop){ 0 };
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &cost, NULL), 0);
	assert_int_equal(s.n, 0);
}

static void newest_few_touch_few_blocks(void **state)
{
	struct fixture *f = *state;
	struct stop s = { 0 };
	struct event_found few, all;
	struct event_query q = { .limit = 3 };
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &few, NULL), 0);
	q.limit = 0;
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &all, NULL), 0);
	assert_int_equal(all.rows, EVENTS);
	assert_int_equal(all.events, EVENTS);
	assert_true(few.bytes * 2 < all.bytes);
}

static uint64_t found_of(struct events *s, const char *field, const char *text, enum event_term_kind kind)
{
	struct stop stopped = { 0 };
	struct event_found cost;
	struct event_expr where = { .term = { .kind = kind, .field = str_from(field), .text = str_from(text) } };
	struct event_query q = { .where = &where };
	assert_int_equal(events_embedded.find(s, &q, stop, &stopped, &cost, NULL), 0);
	return stopped.n;
}

/* Of times that only look like RFC 3339, and of those within prose, filters have the words. */
static void times_are_found(void **state)
{
	enum { N = 600 };
	struct fixture *f = *state;
	struct events *s;
	struct err err = { 0 };
	char dir[160], json[512];
	snprintf(dir, sizeof(dir), "%s/times", f->dir);
	const struct events_config config = { .dir = dir, .clock = &clock_system };
	if (mkdir(dir, 0700) || events_embedded.open(&s, &config, &err))
		fail_msg("%s", err.text);
	for (int i = 0; i < N; i++) {
		uint8_t verdict;
		uint64_t seq;
		int n = snprintf(
		        json, sizeof(json),
		        "{\"at\":\"2026-11-22T%02d:30:%02d.%03dZ\",\"zone\":\"2026-11-22 %02d:30:%02d.%03d UTC\","
		        "\"gap\":\"2026-11-22_%02d:30:%02d\",\"message\":\"2026-11-22T%02d:30:%02d.%03dZ ERROR in "
		        "worker%d of the pool\"}",
		        i / 60, i % 60, i, i / 60, i % 60, i, i / 60, i % 60, i / 60, i % 60, i, i % 9);
		struct event_row row = { .time = START + i * (int64_t)CLOCK_S,
			                 .dataset = STR("times"),
			                 .json = { json, (size_t)n } };
		assert_int_equal(events_embedded.append(s, &row, 1, &verdict, &seq, &err), 0);
	}
	assert_int_equal(embedded_turn(s, &err), 0);
	for (int i = 0; i < 1000 && s->n_pending > 1; i++)
		assert_int_equal(events_embedded.tick(s, &err), 0);
	assert_int_equal(found_of(s, "at", "2026-11-22T08:30:00.480Z", TERM_EQUAL), 1);
	assert_int_equal(found_of(s, "zone", "2026-11-22 08:30:00.480 UTC", TERM_EQUAL), 1);
	assert_int_equal(found_of(s, "zone", "2026-11-22 08:30:00.480 UTC", TERM_WORD), 1);
	assert_int_equal(found_of(s, "gap", "2026-11-22_08:30:00", TERM_EQUAL), 1);
	assert_int_equal(found_of(s, "message", "2026-11-22T08:30:00.480Z ERROR", TERM_WORD), 1);
	assert_int_equal(found_of(s, "message", "22T08:30", TERM_SUBSTRING), 60);
	events_embedded.close(s);
}

/* One block's bytes are spoilt: the others are found, and it is counted. */
static void damage_is_counted(void **state)
{
	struct fixture *f = *state;
	char path[128], name[DAY_NAME];
	struct stop s = { 0 };
	struct event_found cost, before;
	struct event_query q = { 0 };
	sqlite3 *db;
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &before, NULL), 0);
	day_name(day_of(START), name);
	snprintf(path, sizeof(path), "%s/days/%s", f->dir, name);
	events_embedded.close(f->store);
	f->store = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
	                              "UPDATE data SET bytes=zeroblob(length(bytes)) WHERE number="
	                              "(SELECT max(number) FROM data)",
	                              NULL, NULL, NULL),
	                 SQLITE_OK);
	assert_int_equal(sqlite3_changes(db), 1);
	sqlite3_close(db);
	open_store(f, true);
	s = (struct stop){ 0 };
	assert_int_equal(events_embedded.find(f->store, &q, stop, &s, &cost, NULL), 0);
	assert_int_equal(cost.damaged, 1);
	assert_true(s.n < before.events && s.n > before.events / 2);
	assert_int_equal(cost.blocks, before.blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_by_field),
		cmocka_unit_test(stops_when_told),
		cmocka_unit_test(newest_few_touch_few_blocks),
		cmocka_unit_test(as_a_plain_walk),
		cmocka_unit_test(times_are_found),
		cmocka_unit_test(damage_is_counted),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
