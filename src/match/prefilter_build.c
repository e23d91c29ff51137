#include "base/block.h"
#include "base/buf.h"
#include "match/literal.h"
#include "match/prefilter.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* A literal that a rule of a source looks for in a field. Sorted, equal ones lie together. */
struct want {
	uint32_t source, field, whole, anchor;
	struct str text;
	uint32_t rule;
};

/* One database to compile, done by whichever thread is free. */
struct job {
	uint32_t filter;
	size_t first, n; /* in build->wants */
	char *bytes;     /* serialised, malloc'ed */
	size_t n_bytes;
};

struct build {
	const struct ruleset *rs;
	struct arena arena;
	struct want *wants;
	size_t n_wants, cap_wants;
	struct buf groups, filters, exact, literals, rules, dbs, db_bytes;
	struct buf *always; /* by source */
	struct job *jobs;
	size_t n_jobs;
	atomic_size_t next_job;
	pthread_mutex_t lock; /* over failed and err */
	int failed;
	struct err *err;
};

static int compare_str(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int r = n ? memcmp(a.p, b.p, n) : 0;
	return r ? r : (a.n > b.n) - (a.n < b.n);
}

static int same_literal(const struct want *a, const struct want *b)
{
	if (a->whole != b->whole)
		return a->whole < b->whole ? -1 : 1;
	if (a->anchor != b->anchor)
		return a->anchor < b->anchor ? -1 : 1;
	return compare_str(a->text, b->text);
}

static int by_place(const void *x, const void *y)
{
	const struct want *a = x, *b = y;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	if (a->field != b->field)
		return a->field < b->field ? -1 : 1;
	int r = same_literal(a, b);
	return r ? r : (a->rule > b->rule) - (a->rule < b->rule);
}

static void *add(struct buf *b, const void *record, size_t size)
{
	buf_add(b, (struct str){ record, size });
	return b->failed ? NULL : b->p + b->n - size;
}

static int want_rule(struct build *b, uint32_t i)
{
	const struct rule *r = &b->rs->rules[i];
	struct literal_set set;
	if (!literal_choose(b->rs, r->node, &b->arena, &set))
		return add(&b->always[r->source], &i, sizeof(i)) ? 0 : -ENOMEM;
	if (b->n_wants + set.n > b->cap_wants) {
		size_t cap = (b->n_wants + set.n) * 2;
		struct want *w = realloc(b->wants, cap * sizeof(*w));
		if (!w)
			return -ENOMEM;
		b->wants = w;
		b->cap_wants = cap;
	}
	for (size_t k = 0; k < set.n; k++) {
		const struct literal *l = &set.items[k];
		b->wants[b->n_wants++] = (struct want){
			.source = r->source,
			.field = l->field,
			.whole = l->anchor == (LITERAL_START | LITERAL_END),
			.anchor = l->anchor,
			.text = l->text,
			.rule = i,
		};
	}
	return 0;
}

/* The rules of wants [i, end of equal literals), as a span of RULES; *end is where the next literal begins. */
static struct span rules_of(struct build *b, size_t i, size_t stop, size_t *end)
{
	struct span s = { (uint32_t)(b->rules.n / sizeof(uint32_t)), 0 };
	size_t k = i;
	for (; k < stop && same_literal(&b->wants[i], &b->wants[k]) == 0; k++)
		if (k == i || b->wants[k].rule != b->wants[k - 1].rule) {
			add(&b->rules, &b->wants[k].rule, sizeof(uint32_t));
			s.n++;
		}
	*end = k;
	return s;
}

/* Wants [first, stop) share source and field; those that are no whole values come first. */
static void build_filter(struct build *b, size_t first, size_t stop)
{
	struct pf_filter f = { .field = b->wants[first].field, .db = NO_INDEX, .min_len = UINT32_MAX };
	size_t i = first, n_whole = 0;
	f.literals.at = (uint32_t)(b->literals.n / sizeof(struct pf_literal));
	while (i < stop && !b->wants[i].whole) {
		if (b->wants[i].text.n < f.min_len)
			f.min_len = (uint32_t)b->wants[i].text.n;
		const struct want *w = &b->wants[i];
		struct pf_literal l = { .len = (uint32_t)w->text.n, .anchor = w->anchor };
		l.rules = rules_of(b, i, stop, &i);
		add(&b->literals, &l, sizeof(l));
		f.literals.n++;
	}
	if (i > first) {
		f.db = (uint32_t)b->n_jobs;
		b->jobs[b->n_jobs++] = (struct job){ (uint32_t)(b->filters.n / sizeof(f)), first, i - first, NULL, 0 };
	}
	for (size_t k = i; k < stop; k++)
		n_whole += k == i || same_literal(&b->wants[k], &b->wants[k - 1]) != 0;
	if (n_whole) {
		uint32_t slots = 4;
		while (slots < n_whole * 2)
			slots *= 2;
		f.exact_at = (uint32_t)(b->exact.n / sizeof(struct pf_exact));
		f.exact_mask = slots - 1;
		struct pf_exact none = { 0 };
		for (uint32_t k = 0; k < slots; k++)
			add(&b->exact, &none, sizeof(none));
		while (i < stop && !b->exact.failed) {
			uint64_t h = prefilter_hash(b->wants[i].text), at = h;
			struct pf_exact *table = (struct pf_exact *)(void *)b->exact.p + f.exact_at;
			while (table[at & f.exact_mask].rules.n)
				at++;
			struct span rules = rules_of(b, i, stop, &i);
			table[at & f.exact_mask] = (struct pf_exact){ h, rules };
		}
	}
	add(&b->filters, &f, sizeof(f));
}

/*
 * Only Vectorscan's literal matchers are used: no anchors, no single-match flag. They are the simplest and fastest part
 * of it; a value's start and end are compared when a literal is found.
 */
static int compile_job(struct build *b, struct job *j, struct err *err)
{
	const char **texts = malloc(j->n * sizeof(*texts));
	size_t *lens = malloc(j->n * sizeof(*lens));
	unsigned *flags = calloc(j->n, sizeof(*flags)), *ids = malloc(j->n * sizeof(*ids)), n = 0;
	hs_database_t *db = NULL;
	hs_compile_error_t *why = NULL;
	int r = texts && lens && flags && ids ? 0 : err_set(err, -ENOMEM, "prefilter: %m");
	for (size_t i = 0; !r && i < j->n; i++) {
		const struct want *w = &b->wants[j->first + i];
		if (i && same_literal(w, w - 1) == 0)
			continue;
		texts[n] = w->text.p;
		lens[n] = w->text.n;
		ids[n] = n;
		n++;
	}
	if (!r && hs_compile_lit_multi(texts, flags, ids, lens, n, HS_MODE_BLOCK, NULL, &db, &why) != HS_SUCCESS)
		r = err_set(err, -EINVAL, "prefilter: %s", why ? why->message : "can't compile");
	if (!r && hs_serialize_database(db, &j->bytes, &j->n_bytes) != HS_SUCCESS)
		r = err_set(err, -ENOMEM, "prefilter: can't serialise");
	hs_free_compile_error(why);
	hs_free_database(db);
	free(texts);
	free(lens);
	free(flags);
	free(ids);
	return r;
}

static void *work(void *arg)
{
	struct build *b = arg;
	size_t i;
	while ((i = atomic_fetch_add(&b->next_job, 1)) < b->n_jobs) {
		struct err err = { 0 };
		int r = compile_job(b, &b->jobs[i], &err);
		if (!r)
			continue;
		pthread_mutex_lock(&b->lock);
		if (!b->failed) {
			b->failed = r;
			if (b->err)
				*b->err = err;
		}
		pthread_mutex_unlock(&b->lock);
		break;
	}
	return NULL;
}

static int by_size(const void *x, const void *y)
{
	const struct job *a = x, *b = y;
	return (a->n < b->n) - (a->n > b->n);
}

static int compile_all(struct build *b, int threads)
{
	enum { MAX_THREADS = 64 };
	pthread_t thread[MAX_THREADS];
	int n = 0;
	qsort(b->jobs, b->n_jobs, sizeof(*b->jobs), by_size); /* the big ones first, so that threads end together */
	while (n < threads - 1 && n < MAX_THREADS && pthread_create(&thread[n], NULL, work, b) == 0)
		n++;
	work(b);
	while (n)
		pthread_join(thread[--n], NULL);
	if (b->failed)
		return b->failed;
	for (size_t i = 0; i < b->n_jobs; i++) {
		struct pf_filter *filters = (struct pf_filter *)(void *)b->filters.p;
		while (b->db_bytes.n % 8)
			buf_putc(&b->db_bytes, 0);
		struct pf_db db = { b->db_bytes.n, b->jobs[i].n_bytes };
		filters[b->jobs[i].filter].db = (uint32_t)i;
		add(&b->dbs, &db, sizeof(db));
		buf_add(&b->db_bytes, (struct str){ b->jobs[i].bytes, b->jobs[i].n_bytes });
	}
	return 0;
}

static int build_groups(struct build *b)
{
	size_t i = 0;
	b->jobs = calloc(b->n_wants + 1, sizeof(*b->jobs));
	if (!b->jobs)
		return -ENOMEM;
	for (uint32_t s = 0; s < b->rs->n_sources; s++) {
		struct pf_group g = { .filters.at = (uint32_t)(b->filters.n / sizeof(struct pf_filter)) };
		while (i < b->n_wants && b->wants[i].source == s) {
			size_t stop = i;
			while (stop < b->n_wants && b->wants[stop].source == s &&
			       b->wants[stop].field == b->wants[i].field)
				stop++;
			build_filter(b, i, stop);
			g.filters.n++;
			i = stop;
		}
		g.always = (struct span){ (uint32_t)(b->rules.n / sizeof(uint32_t)),
			                  (uint32_t)(b->always[s].n / sizeof(uint32_t)) };
		buf_add(&b->rules, buf_str(&b->always[s]));
		add(&b->groups, &g, sizeof(g));
	}
	return 0;
}

static int pack(struct build *b, struct prefilter *ret, struct err *err)
{
	struct block_part parts[] = {
#define X(ID, name, type) { buf_str(&b->name), sizeof(type) },
		PREFILTER_SECTIONS(X)
#undef X
	};
	void *block;
	size_t size;
	if (false
#define X(ID, name, type) || b->name.failed
	    PREFILTER_SECTIONS(X)
#undef X
	)
		return err_set(err, -ENOMEM, "prefilter: %m");
	int r = block_pack(&block, &size, PREFILTER_KIND, parts, ARRAY_LEN(parts));
	if (r)
		return err_set(err, r, "prefilter: %m");
	r = prefilter_open(ret, b->rs, block, size, err);
	if (r)
		free(block);
	else
		ret->owned = true;
	return r;
}

int prefilter_build(struct prefilter *ret, const struct ruleset *rs, int threads, struct err *err)
{
	struct build b = { .rs = rs, .err = err, .lock = PTHREAD_MUTEX_INITIALIZER };
	b.db_bytes.max = (size_t)1 << 30;
	b.always = calloc(rs->n_sources + 1, sizeof(*b.always));
	int r = b.always ? 0 : -ENOMEM;
	for (uint32_t i = 0; !r && i < rs->n_rules; i++)
		if (rs->rules[i].node != NO_INDEX)
			r = want_rule(&b, i);
	if (!r && b.n_wants)
		qsort(b.wants, b.n_wants, sizeof(*b.wants), by_place);
	r = r ? r : build_groups(&b);
	if (r)
		err_set(err, r, "prefilter: %m");
	r = r ? r : compile_all(&b, threads);
	r = r ? r : pack(&b, ret, err);
	for (size_t i = 0; i < b.n_jobs; i++)
		free(b.jobs[i].bytes);
	for (uint32_t s = 0; b.always && s < rs->n_sources; s++)
		buf_free(&b.always[s]);
	free(b.always);
	free(b.jobs);
	free(b.wants);
#define X(ID, name, type) buf_free(&b.name);
	PREFILTER_SECTIONS(X)
#undef X
	arena_free(&b.arena);
	malloc_trim(0); /* Vectorscan's compiler leaves tens of megabytes behind */
	return r;
}
