/* A hunt over a store. */
#include "hunt/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

struct run {
	struct flow flow;
	const struct hunt_question *q;
	struct hunt_result *result;
	struct hunt_cell *cells; /* of one event */
	struct event_field *fields;
	struct event_field *all;
	struct pluck *pluck;
	struct arena joined;
	struct str dataset;
	atomic_bool stop;
	atomic_uint lacks;
	int64_t start;
	uint64_t blocks;
	int failed; /* -errno of a step */
};

/* --- one event's cells --- */

/* All values of a field as one text. */
static struct str join(struct run *r, const struct event_field *f)
{
	size_t n = 0;
	for (size_t i = 0; i < f->n; i++)
		n += f->values[i].n + 2;
	char *to = f->n > 1 ? arena_alloc(&r->joined, n) : NULL, *at = to;
	if (!to)
		return f->values[0];
	for (size_t i = 0; i < f->n; i++) {
		if (i) {
			memcpy(at, ", ", 2);
			at += 2;
		}
		memcpy(at, f->values[i].p, f->values[i].n);
		at += f->values[i].n;
	}
	return (struct str){ to, (size_t)(at - to) };
}

/* The values of several fields; the first has some. */
static struct event_field all_of(struct run *r, const struct event_field *paths, size_t n_paths)
{
	size_t n = 0;
	for (size_t i = 0; i < n_paths; i++)
		n += paths[i].n;
	struct str *to = n > paths[0].n ? arena_alloc(&r->joined, n * sizeof(*to)) : NULL;
	if (!to)
		return paths[0];
	for (size_t i = 0, at = 0; i < n_paths; at += paths[i++].n)
		for (size_t k = 0; k < paths[i].n; k++)
			to[at + k] = paths[i].values[k];
	return (struct event_field){ to, n };
}

static void fill(struct run *r, int64_t time, struct str dataset, const struct event_field *paths)
{
	struct flow *f = &r->flow;
	arena_reset(&r->joined);
	r->dataset = dataset;
	for (size_t i = 0; i < f->n; i++) {
		const struct source_column *c = &f->columns[i];
		r->cells[i] = (struct hunt_cell){ .kind = CELL_NONE };
		r->fields[i] = r->all[i] = (struct event_field){ 0 };
		if (c->from == FROM_TIME) {
			r->cells[i] = (struct hunt_cell){ .kind = CELL_TIME, .time = time };
		} else if (c->from == FROM_DATASET) {
			r->cells[i] = (struct hunt_cell){ .kind = CELL_TEXT, .text = r->dataset };
			r->fields[i] = r->all[i] = (struct event_field){ &r->dataset, 1 };
		}
		for (size_t k = c->first; k < c->first + c->n; k++)
			if (paths[k].n) {
				r->fields[i] = paths[k];
				r->all[i] = all_of(r, paths + k, c->first + c->n - k);
				r->cells[i] = (struct hunt_cell){ .kind = CELL_TEXT, .text = join(r, &paths[k]) };
				break;
			}
	}
}

static int push(struct run *r, const struct event_row *event)
{
	if (atomic_load_explicit(&r->stop, memory_order_relaxed)) /* what was asked of this one may not hold */
		return 1;
	const struct row row = { r->cells, r->fields, r->all, event };
	int done = r->flow.first->push(r->flow.first, &row);
	r->failed = done < 0 ? done : r->failed;
	return done || atomic_load_explicit(&r->stop, memory_order_relaxed);
}

static int picked(void *arg, const struct event_picked *e)
{
	struct run *r = arg;
	fill(r, e->time, e->dataset, e->fields);
	return push(r, NULL);
}

static int found(void *arg, const struct event_row *row)
{
	struct run *r = arg;
	const struct event_field *fields = NULL;
	r->failed = r->flow.n ? pluck_fields(r->pluck, row->json, &fields, r->flow.err) : 0;
	if (r->failed)
		return 1;
	fill(r, row->time, row->dataset, fields);
	return push(r, row);
}

/* --- bounds --- */

static void lack(struct run *r, enum hunt_lack what)
{
	atomic_fetch_or(&r->lacks, what);
	atomic_store(&r->stop, true);
}

static bool is_over(void *arg)
{
	struct run *r = arg;
	const int64_t time = r->flow.limits.time;
	if (atomic_load_explicit(&r->stop, memory_order_relaxed))
		return true;
	if (r->q->cancel && atomic_load_explicit(r->q->cancel, memory_order_relaxed))
		lack(r, HUNT_CANCELLED);
	else if (time && clock_monotonic(r->q->clock) - r->start > time)
		lack(r, HUNT_LATE);
	else
		return false;
	return true;
}

/* Called for each block. */
static void progress(void *arg, uint64_t done, uint64_t whole)
{
	struct run *r = arg;
	const struct hunt_limits *l = &r->flow.limits;
	if (r->q->progress)
		r->q->progress(r->q->progress_arg, done, whole);
	const uint64_t skipped = r->result->found.skipped;
	r->blocks++;
	/* more may be skipped already than were told */
	if (!is_over(r) && l->blocks && r->blocks > skipped && r->blocks - skipped > l->blocks)
		lack(r, HUNT_BLOCKS);
}

static int make_room(struct run *r)
{
	struct flow *f = &r->flow;
	r->cells = arena_zalloc(&f->arena, (f->n + 1) * sizeof(*r->cells));
	r->fields = arena_zalloc(&f->arena, (f->n + 1) * sizeof(*r->fields));
	r->all = arena_zalloc(&f->arena, (f->n + 1) * sizeof(*r->all));
	if (!r->cells || !r->fields || !r->all)
		return flow_no_memory(f);
	if (getrandom(&f->seed, sizeof(f->seed), 0) != sizeof(f->seed))
		f->seed = (uint64_t)r->start;
	return f->ordered ? pluck_new(&r->pluck, f->paths, f->n_paths, f->err) : 0;
}

static int search(struct run *r, const struct events_kind *kind, struct events *store)
{
	const struct hunt_question *q = r->q;
	struct flow *f = &r->flow;
	const struct event_query query = {
		.from = q->from,
		.to = q->to,
		.datasets = q->datasets,
		.n_datasets = q->n_datasets,
		.where = f->where,
		.oldest_first = q->oldest_first,
		.limit = f->ordered ? f->most : 0,
		.cancel = &r->stop,
		.progress = progress,
		.progress_arg = r,
	};
	int code = f->ordered ? kind->find(store, &query, found, r, &r->result->found, f->err)
	                      : kind->pick(store, &query, f->paths, f->n_paths, picked, r, &r->result->found, f->err);
	return code ? code : r->failed;
}

static void sum_up(struct run *r)
{
	struct hunt_result *result = r->result;
	result->gave_up = atomic_load(&r->flow.asks.gave_up);
	result->lacks |= atomic_load(&r->lacks);
	result->lacks |= result->shed ? HUNT_SHED : 0;
	result->lacks |= result->found.damaged || result->found.mending ? HUNT_DAMAGED : 0;
	result->lacks |= result->gave_up ? HUNT_GAVE_UP : 0;
}

int hunt_run(const struct hunt *h, const struct events_kind *kind, struct events *store, const struct hunt_question *q,
             const struct hunt_sink *sink, struct hunt_result *ret, struct err *err)
{
	const struct hunt_stage *stage;
	struct run r = { .q = q, .result = ret, .start = clock_monotonic(q->clock) };
	*ret = (struct hunt_result){ 0 };
	r.flow.limits = q->limits;
	r.flow.sink = sink;
	r.flow.result = ret;
	r.flow.asks.is_over = is_over;
	r.flow.asks.arg = &r;
	int code = flow_init(&r.flow, h, &stage, err);
	code = code ? code : make_room(&r);
	code = code ? code : search(&r, kind, store);
	if (!code)
		code = r.flow.first->end(r.flow.first);
	sum_up(&r);
	pluck_free(r.pluck);
	arena_free(&r.joined);
	flow_done(&r.flow);
	return code < 0 ? code : 0;
}

void hunt_lacks(const struct hunt_result *r, struct buf *out)
{
	struct buf one = { 0 };
	const size_t before = out->n;
	for (unsigned lack = 1; lack <= HUNT_GAVE_UP; lack *= 2) {
		one.n = 0;
		switch (r->lacks & lack) {
		case HUNT_CANCELLED: buf_add(&one, STR("it was stopped")); break;
		case HUNT_LATE: buf_add(&one, STR("the time that it may take was over")); break;
		case HUNT_BLOCKS: buf_add(&one, STR("it came to the bound on blocks that it may read")); break;
		case HUNT_SHED:
			buf_printf(&one, "%llu events or rows found no room in memory", (unsigned long long)r->shed);
			break;
		case HUNT_DAMAGED:
			buf_printf(&one, "%llu blocks and %llu days of the store are damaged",
			           (unsigned long long)r->found.damaged, (unsigned long long)r->found.mending);
			break;
		case HUNT_GAVE_UP:
			buf_printf(&one, "a regular expression took too long with %llu values",
			           (unsigned long long)r->gave_up);
			break;
		default: continue;
		}
		buf_add(out, out->n == before ? STR("incomplete because ") : STR("; and because "));
		buf_add(out, buf_str(&one));
	}
	buf_free(&one);
}

static const char *stage_words(const struct hunt_stage *s)
{
	static const char *const words[] = {
		[STAGE_WHERE] = "where",
		[STAGE_SUM] = "groups in memory",
		[STAGE_TOP] = "the first of groups in memory",
		[STAGE_SORT] = "sorted in memory",
		[STAGE_FIELDS] = "columns",
		[STAGE_HEAD] = "the first rows",
		[STAGE_DEDUP] = "the first of each",
	};
	return words[s->kind];
}

void hunt_explain(const struct hunt *h, struct buf *out)
{
	const struct hunt_stage *stage;
	struct err err;
	struct flow f = { 0 };
	buf_add(out, STR("hunt    "));
	hunt_print(h, out);
	buf_putc(out, '\n');
	if (!flow_init(&f, h, &stage, &err)) {
		buf_add(out, f.ordered ? STR("events  as they are, in the order of time")
		                       : STR("events  columns only, in no order"));
		for (size_t i = 0; i < f.n; i++) {
			buf_printf(out, "\nfield   " STR_FMT ":", STR_ARG(f.names[i]));
			if (f.columns[i].from == FROM_TIME)
				buf_add(out, STR(" the event's time"));
			for (size_t k = 0; k < f.columns[i].n; k++)
				buf_printf(out, " " STR_FMT, STR_ARG(f.paths[f.columns[i].first + k]));
		}
		buf_putc(out, '\n');
	}
	for (size_t i = 0; i < h->n_stages; i++)
		buf_printf(out, "then    %s\n", stage_words(&h->stages[i]));
	flow_done(&f);
}
