#include "api/ingest.h"

#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct world {
	struct clock clock;
	struct ingest_queue queue;
	int room; /* offers that are taken before there is none; -1: no end */
	int code; /* take() returns it once there is room */
	struct offer *held[64];
	size_t n_held;
	struct buf order; /* of what was taken: the first bytes of records */
	struct buf tags;
	unsigned changes;
	size_t memory;
	uint64_t shed;
};

enum { MEMORY = 16 << 20 };

static int take(void *arg, struct offer *o)
{
	struct world *w = arg;
	if (!w->room)
		return -EAGAIN;
	if (w->code)
		return w->code;
	w->room -= w->room > 0;
	assert_true(w->n_held < ARRAY_LEN(w->held));
	w->held[w->n_held++] = o;
	size_t bytes = 0;
	for (size_t i = 0; i < o->n; i++)
		bytes += o->items[i].record.n + o->items[i].id.n;
	assert_true(o->n && bytes <= o->bytes);
	buf_printf(&w->order, "%.1s", o->items[0].record.p);
	return 0;
}

static void judge(struct world *w, size_t i, enum offer_verdict v, int code)
{
	struct offer *o = w->held[i];
	for (size_t k = 0; k < o->n; k++)
		o->items[k].verdict = v;
	o->answer(o, code);
}

static void verdict(void *arg, uint32_t tag, const struct offer_item *item)
{
	struct world *w = arg;
	buf_printf(&w->tags, "%u:%d ", tag, item->verdict);
}

static void change(void *arg)
{
	((struct world *)arg)->changes++;
}

static void world_new(struct world *w)
{
	*w = (struct world){ .room = -1, .memory = MEMORY };
	clock_test(&w->clock, 1000);
	w->queue = (struct ingest_queue){ .take = take, .taker = w, .clock = &w->clock };
}

static void world_done(struct world *w)
{
	assert_null(w->queue.first);
	assert_null(w->queue.last);
	assert_int_equal(w->memory, MEMORY); /* whatever was taken is given back */
	buf_free(&w->order), buf_free(&w->tags);
}

static struct ingest *make(struct world *w)
{
	struct ingest *in = NULL;
	const struct ingest_config c = {
		.queue = &w->queue,
		.verdict = verdict,
		.change = change,
		.arg = w,
		.hint = 10,
		.memory = &w->memory,
		.shed = &w->shed,
	};
	assert_int_equal(ingest_new(&in, &c), 0);
	return in;
}

static void add(struct ingest *in, uint32_t tag, const char *record)
{
	assert_int_equal(ingest_add(in, tag, str_from(record), STR("id"), STR("set")), 0);
}

static bool tags_are(struct world *w, const char *want)
{
	bool same = str_eq(buf_str(&w->tags), str_from(want));
	w->tags.n = 0;
	return same;
}

static void one_offer(void **state)
{
	struct world w;
	world_new(&w);
	struct ingest *in = make(&w);
	ingest_flush(in); /* of nothing */
	assert_int_equal(w.n_held, 0);
	char record[] = "{\"a\":1}";
	add(in, 7, record);
	add(in, 9, record);
	record[2] = 'x'; /* it has copied them */
	ingest_flush(in);
	assert_int_equal(w.n_held, 1);
	const struct offer *o = w.held[0];
	assert_int_equal(o->n, 2);
	assert_true(str_eq(o->items[1].record, STR("{\"a\":1}")));
	assert_true(str_eq(o->items[1].id, STR("id")));
	assert_true(str_eq(o->items[1].dataset, STR("set")));
	assert_ptr_equal(o->items[0].dataset.p, o->items[1].dataset.p);
	assert_int_equal(o->bytes, 7 + 7 + 2 + 2 + 3);
	assert_int_equal(o->now, 1000);
	assert_false(ingest_idle(in));
	assert_false(ingest_waits(in));
	judge(&w, 0, OFFER_KEPT, 0);
	assert_true(ingest_idle(in));
	assert_true(tags_are(&w, "7:1 9:1 "));
	assert_int_equal(w.changes, 1);
	assert_int_equal(ingest_failed(in), 0);
	assert_int_equal(ingest_events(in), 2);
	ingest_drop(in);
	world_done(&w);
}

static void sizes(void **state)
{
	struct world w;
	world_new(&w);
	struct ingest *in = make(&w);
	struct buf large = { 0 };
	memset(buf_room(&large, 1 << 20), 'x', 1 << 20);
	large.n = 1 << 20;
	for (uint32_t i = 0; i < 5000; i++)
		add(in, i, "{}");
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(ingest_add(in, i, str_sub(buf_str(&large), 0, 200 << 10), STR(""), STR("")), 0);
	assert_int_equal(ingest_add(in, 0, buf_str(&large), STR(""), STR("")), 0);
	add(in, 1, "{}");
	ingest_flush(in);
	for (size_t i = 0, n = 0; i < w.n_held; i++) {
		assert_true(w.held[i]->bytes <= 256 << 10 || w.held[i]->n == 1);
		assert_true(w.held[i]->n <= 4096);
		n += w.held[i]->n;
		assert_true(i + 1 < w.n_held || n == 5005);
	}
	for (size_t i = 0; i < w.n_held; i++)
		judge(&w, i, OFFER_KEPT, 0);
	assert_true(ingest_idle(in));
	ingest_drop(in);
	buf_free(&large);
	world_done(&w);
}

/* Whoever takes it is told of all that it holds, and a small one is small. */
static void held(void **state)
{
	struct world w;
	world_new(&w);
	struct ingest *in = make(&w);
	for (uint32_t i = 0; i < 40; i++) {
		const size_t before = w.memory;
		add(in, i, "{}");
		w.room = 0;
		ingest_flush(in);
		const size_t holds = before - w.memory;
		assert_true(holds > 0 && holds < 4096);
		w.room = 1;
		ingest_room(&w.queue);
		assert_int_equal(w.held[i]->held, holds);
		assert_int_equal(w.memory, before);
	}
	for (uint32_t i = 0; i < 40; i++)
		judge(&w, i, OFFER_KEPT, 0);
	ingest_drop(in);
	world_done(&w);
}

/* First come, first taken, and nobody passes by. */
static void in_line(void **state)
{
	struct world w;
	world_new(&w);
	struct ingest *a = make(&w), *b = make(&w), *c = make(&w);
	w.room = 0;
	add(a, 1, "a");
	ingest_flush(a);
	add(b, 2, "b");
	ingest_flush(b);
	add(a, 3, "A");
	ingest_flush(a);
	w.room = 1;
	add(c, 4, "c");
	ingest_flush(c);
	assert_true(ingest_waits(a) && ingest_waits(b) && ingest_waits(c));
	assert_int_equal(w.n_held, 0);
	ingest_room(&w.queue);
	assert_true(ingest_waits(a));
	w.room = 2;
	ingest_room(&w.queue);
	assert_false(ingest_waits(a) || ingest_waits(b));
	assert_true(ingest_waits(c));
	/* Who goes away leaves the line; who waits too long, too. */
	add(a, 5, "a");
	ingest_flush(a);
	ingest_drop(c);
	clock_advance(&w.clock, 10);
	w.room = 0;
	ingest_expire(&w.queue, clock_monotonic(&w.clock) - 10);
	assert_true(ingest_waits(a));
	ingest_expire(&w.queue, clock_monotonic(&w.clock));
	assert_false(ingest_waits(a));
	assert_int_equal(ingest_failed(a), -EAGAIN);
	assert_int_equal(ingest_add(a, 6, STR("a"), STR(""), STR("")), -EAGAIN);
	assert_true(str_eq(buf_str(&w.order), STR("aAb")));
	/* What was taken before is still judged, but is not told any more where the whole has failed. */
	assert_false(ingest_idle(a));
	for (size_t i = 0; i < w.n_held; i++)
		judge(&w, i, OFFER_KNOWN, 0);
	assert_true(ingest_idle(a) && ingest_idle(b));
	assert_int_equal(ingest_failed(a), -EAGAIN);
	ingest_drop(a);
	ingest_drop(b);
	world_done(&w);
}

static void failures(void **state)
{
	struct world w;
	world_new(&w);
	struct ingest *in = make(&w);
	add(in, 1, "a");
	ingest_flush(in);
	add(in, 2, "b");
	ingest_flush(in);
	add(in, 3, "c");
	judge(&w, 0, OFFER_KEPT, -ENOSPC);
	assert_int_equal(ingest_failed(in), -ENOSPC);
	assert_int_equal(w.changes, 1);
	assert_false(ingest_idle(in));
	ingest_flush(in);
	assert_int_equal(w.n_held, 2);
	judge(&w, 1, OFFER_KEPT, -EIO);
	assert_int_equal(ingest_failed(in), -ENOSPC);
	assert_true(ingest_idle(in));
	ingest_drop(in);
	/* An item that nobody judged is not durable. */
	w.n_held = 0;
	in = make(&w);
	add(in, 1, "a");
	ingest_flush(in);
	judge(&w, 0, OFFER_OPEN, 0);
	assert_int_equal(ingest_failed(in), -EIO);
	ingest_drop(in);
	/* The taker itself fails. */
	w.n_held = 0;
	in = make(&w);
	w.code = -EIO;
	add(in, 1, "a");
	ingest_flush(in);
	assert_int_equal(ingest_failed(in), -EIO);
	assert_true(ingest_idle(in));
	ingest_drop(in);
	/* Nobody waits for the answer any more. */
	w.code = 0;
	in = make(&w);
	add(in, 1, "a");
	ingest_flush(in);
	ingest_stop(in);
	assert_int_equal(ingest_failed(in), -ECANCELED);
	w.tags.n = w.changes = 0;
	ingest_drop(in);
	judge(&w, 0, OFFER_KEPT, 0);
	assert_int_equal(w.tags.n + w.changes, 0);
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_offer), cmocka_unit_test(sizes),    cmocka_unit_test(held),
		cmocka_unit_test(in_line),   cmocka_unit_test(failures),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
