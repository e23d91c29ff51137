#include "cmd/pipeline.h"

#include "cmd/known.h"
#include "match/gather.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { MAX_THREADS = 64, PER_THREAD = 4 };

/* Something of a batch that is told in order: a match, or a record that was skipped. */
struct item {
	uint32_t rule;       /* NO_INDEX: skipped */
	size_t out_end;      /* its rendered form ends here in `out`; it begins where the one before ended */
	struct match *match; /* a copy, where it feeds correlations */
	uint64_t line;
	struct str reason;
};

/* One batch on its way through. */
struct task {
	struct batch *batch;
	struct arena arena;
	struct buf out;
	struct item *items;
	size_t n_items, cap_items;
	int failed;
	enum { TASK_FREE, TASK_WAITING, TASK_RUNNING, TASK_DONE } state;
};

struct worker {
	struct pipeline *p;
	struct matcher *matcher;
	struct intel_checker *checker; /* NULL: nothing is looked up */
	struct event event;
	struct task *task; /* at work on it */
	pthread_t thread;
	uint64_t skipped;
};

/* Tasks stand in a ring in the order of their batches: told <= taken <= pushed <= told + n_tasks. */
struct pipeline {
	struct pipeline_config c;
	struct windows *windows;
	struct gather gather; /* with merge: what goes to the windows at the end */
	struct worker *workers;
	int n_workers, n_threads;
	struct task *tasks;
	uint64_t n_tasks, pushed, taken, told;
	struct buf out; /* a correlation's match, rendered */
	int failed;
	bool stop, telling;
	pthread_mutex_t lock;
	pthread_cond_t work, room;
};

static struct item *add_item(struct task *t)
{
	if (t->n_items == t->cap_items) {
		size_t cap = t->cap_items ? t->cap_items * 2 : 64;
		struct item *items = realloc(t->items, cap * sizeof(*items));
		if (!items)
			return NULL;
		t->items = items;
		t->cap_items = cap;
	}
	struct item *i = &t->items[t->n_items++];
	*i = (struct item){ .rule = NO_INDEX };
	return i;
}

static int take_match(void *arg, const struct match *m)
{
	struct worker *w = arg;
	struct task *t = w->task;
	struct item *i = add_item(t);
	if (!i)
		return -ENOMEM;
	i->rule = m->rule_index;
	if (m->rule->feeds) {
		i->match = match_copy(&t->arena, m);
		if (!i->match)
			return -ENOMEM;
	}
	if (!m->rule->silent && w->p->c.render)
		w->p->c.render(w->p->c.arg, &t->out, m);
	i->out_end = t->out.n;
	return t->out.failed ? -ENOMEM : 0;
}

static int run(struct worker *w, struct task *t)
{
	int r = 0;
	w->task = t;
	for (size_t k = 0; k < t->batch->n_records && !r; k++) {
		struct err why;
		r = batch_parse(t->batch, k, &w->event, &why);
		if (r == -EBADMSG) {
			struct item *i = add_item(t);
			if (!i)
				return -ENOMEM;
			w->skipped++;
			i->line = t->batch->records[k].line;
			i->reason = arena_copy(&t->arena, str_from(why.text));
			i->out_end = t->out.n;
			r = 0;
			continue;
		}
		if (!r && w->checker)
			intel_event(w->checker, &w->event, t->batch->now, NULL, NULL);
		r = r ? r : matcher_run(w->matcher, &w->event, take_match, w);
	}
	return r;
}

static int tell_correlation(void *arg, const struct match *m)
{
	struct pipeline *p = arg;
	if (m->rule->silent)
		return 0;
	p->out.n = 0;
	if (p->c.render)
		p->c.render(p->c.arg, &p->out, m);
	return p->out.failed ? -ENOMEM : p->c.emit(p->c.arg, m->rule_index, buf_str(&p->out));
}

static int feed(void *arg, const struct match *m)
{
	struct pipeline *p = arg;
	return windows_feed(p->windows, m, tell_correlation, p);
}

/* What a finished batch brought; only one thread at a time, in order. */
static int tell(struct pipeline *p, struct task *t)
{
	size_t from = 0;
	const struct ruleset *rs = engine_ruleset(p->c.engine);
	for (size_t k = 0; k < t->n_items; k++) {
		const struct item *i = &t->items[k];
		int r = 0;
		if (i->rule == NO_INDEX) {
			if (p->c.skip)
				p->c.skip(p->c.arg, t->batch->origin, i->line, i->reason.p ? i->reason.p : "");
		} else if (!rs->rules[i->rule].silent) {
			r = p->c.emit(p->c.arg, i->rule, str_sub(buf_str(&t->out), from, i->out_end - from));
		}
		from = i->out_end;
		if (!r && i->match)
			r = p->c.merge ? gather_add(&p->gather, i->match) : feed(p, i->match);
		if (r)
			return r;
	}
	return t->failed;
}

static void clear_task(struct task *t)
{
	if (t->batch)
		batch_free(t->batch);
	t->batch = NULL;
	arena_reset(&t->arena);
	t->out.n = 0;
	t->n_items = 0;
	t->failed = 0;
	t->state = TASK_FREE;
}

/* Tells what is finished and next in order. Called with the lock held; gives it up while telling. */
static void tell_finished(struct pipeline *p)
{
	if (p->telling)
		return; /* whoever is at it goes on with ours */
	p->telling = true;
	for (struct task *t; p->told < p->taken && (t = &p->tasks[p->told % p->n_tasks])->state == TASK_DONE;) {
		int r = p->failed;
		if (!r) {
			pthread_mutex_unlock(&p->lock);
			r = tell(p, t);
			pthread_mutex_lock(&p->lock);
		}
		if (r && !p->failed)
			p->failed = r;
		clear_task(t);
		p->told++;
		pthread_cond_broadcast(&p->room);
	}
	p->telling = false;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct pipeline *p = w->p;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (p->taken == p->pushed && !p->stop)
			pthread_cond_wait(&p->work, &p->lock);
		if (p->taken == p->pushed)
			break;
		struct task *t = &p->tasks[p->taken++ % p->n_tasks];
		t->state = TASK_RUNNING;
		pthread_mutex_unlock(&p->lock);
		int r = run(w, t);
		pthread_mutex_lock(&p->lock);
		t->failed = r;
		t->state = TASK_DONE;
		tell_finished(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int pipeline_push(void *arg, struct batch *b)
{
	struct pipeline *p = arg;
	pthread_mutex_lock(&p->lock);
	while (p->pushed - p->told == p->n_tasks && !p->failed)
		pthread_cond_wait(&p->room, &p->lock);
	int r = p->failed;
	if (r) {
		batch_free(b);
	} else {
		struct task *t = &p->tasks[p->pushed++ % p->n_tasks];
		t->batch = b;
		t->state = TASK_WAITING;
		if (p->n_threads) {
			pthread_cond_signal(&p->work);
		} else {
			p->taken++;
			t->failed = run(&p->workers[0], t);
			t->state = TASK_DONE;
			tell_finished(p);
			r = p->failed;
		}
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

int pipeline_failed(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	int r = p->failed;
	pthread_mutex_unlock(&p->lock);
	return r;
}

int pipeline_finish(struct pipeline *p, bool end)
{
	pthread_mutex_lock(&p->lock);
	while (p->told < p->pushed)
		pthread_cond_wait(&p->room, &p->lock);
	int r = p->failed;
	pthread_mutex_unlock(&p->lock);
	if (!r && end)
		r = gather_tell(&p->gather, feed, p);
	if (!r && end)
		r = windows_flush(p->windows, tell_correlation, p);
	return r;
}

void pipeline_counts(const struct pipeline *p, struct pipeline_counts *ret)
{
	*ret = (struct pipeline_counts){ .windows = *windows_counts(p->windows), .shed = p->gather.shed };
	for (int i = 0; i < p->n_workers; i++) {
		const struct match_counts *c = matcher_counts(p->workers[i].matcher);
		ret->skipped += p->workers[i].skipped;
		if (p->workers[i].checker)
			ret->known += intel_checked(p->workers[i].checker).events;
		ret->match.events += c->events;
		ret->match.matches += c->matches;
		ret->match.unrouted += c->unrouted;
		ret->match.candidates += c->candidates;
		ret->match.re_gave_up += c->re_gave_up;
		ret->match.shed_values += c->shed_values;
		ret->match.duplicate_keys += c->duplicate_keys;
	}
}

static int start_workers(struct pipeline *p, struct err *err)
{
	for (int i = 0; i < p->c.threads; i++) {
		struct worker *w = &p->workers[i];
		w->p = p;
		int r = matcher_new(&w->matcher, p->c.engine, err);
		if (r)
			return r;
		p->n_workers++;
		r = p->c.indicators ? known_checker(&w->checker, p->c.engine, err) : 0;
		if (r)
			return r;
		if (w->checker)
			intel_checker_use(w->checker, p->c.indicators);
		r = event_init(&w->event, engine_fields(p->c.engine));
		if (r)
			return err_set(err, r, "event: %m");
	}
	for (int i = 0; p->c.threads > 1 && i < p->c.threads; i++) {
		int r = pthread_create(&p->workers[i].thread, NULL, work, &p->workers[i]);
		if (r)
			return err_set(err, -r, "thread: %m");
		p->n_threads++;
	}
	return 0;
}

int pipeline_new(struct pipeline **ret, const struct pipeline_config *config, struct err *err)
{
	struct pipeline *p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(err, -ENOMEM, "pipeline: %m");
	p->c = *config;
	gather_init(&p->gather);
	if (p->c.threads < 1)
		p->c.threads = 1;
	if (p->c.threads > MAX_THREADS)
		p->c.threads = MAX_THREADS;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->room, NULL);
	p->n_tasks = (uint64_t)p->c.threads * PER_THREAD;
	p->tasks = calloc(p->n_tasks, sizeof(*p->tasks));
	p->workers = calloc((size_t)p->c.threads, sizeof(*p->workers));
	int r = p->tasks && p->workers ? 0 : err_set(err, -ENOMEM, "pipeline: %m");
	r = r ? r : windows_new(&p->windows, engine_ruleset(config->engine), &config->windows, err);
	r = r ? r : start_workers(p, err);
	if (r)
		pipeline_free(p);
	else
		*ret = p;
	return r;
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < p->n_threads; i++)
		pthread_join(p->workers[i].thread, NULL);
	for (int i = 0; i < p->n_workers; i++) {
		matcher_free(p->workers[i].matcher);
		intel_checker_free(p->workers[i].checker);
		event_done(&p->workers[i].event);
	}
	for (uint64_t i = 0; p->tasks && i < p->n_tasks; i++) {
		clear_task(&p->tasks[i]);
		arena_free(&p->tasks[i].arena);
		buf_free(&p->tasks[i].out);
		free(p->tasks[i].items);
	}
	if (p->windows)
		windows_free(p->windows);
	gather_done(&p->gather);
	buf_free(&p->out);
	free(p->tasks);
	free(p->workers);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->room);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
