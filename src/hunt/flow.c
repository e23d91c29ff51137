/* From commands to steps: what they need of events, and one behind the other. */
#include "hunt/flow.h"

#include <errno.h>
#include <stdlib.h>

int flow_no_memory(struct flow *f)
{
	return err_set(f->err, -ENOMEM, "hunt: %m");
}

void *flow_step(struct flow *f, size_t size, const struct hunt_stage *stage)
{
	struct step *s = arena_zalloc(&f->arena, size);
	if (!s)
		return NULL;
	s->flow = f;
	s->stage = stage;
	/* It is the flow's at once, so that it is done with whatever comes. */
	if (f->last)
		f->last->next = s;
	else
		f->first = s;
	f->last = s;
	return s;
}

struct str *flow_names(struct flow *f, size_t n)
{
	return arena_zalloc(&f->arena, (n + 1) * sizeof(struct str));
}

size_t flow_column(const struct step *s, struct str name)
{
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(name, s->names[i]))
			return i;
	for (size_t i = 0; i < s->n; i++)
		if (hunt_is_column(name, s->names[i]))
			return i;
	return s->n;
}

static bool cell_number(const struct hunt_cell *c, double *ret)
{
	if (c->kind == CELL_NUMBER)
		*ret = c->number;
	return c->kind == CELL_NUMBER || (c->kind == CELL_TEXT && hunt_number(c->text, ret));
}

int flow_compare(const struct hunt_cell *a, const struct hunt_cell *b)
{
	double x, y;
	if (!a->kind || !b->kind)
		return !a->kind - !b->kind;
	const bool p = cell_number(a, &x), q = cell_number(b, &y);
	if (p && q)
		return (x > y) - (x < y);
	if (p != q) /* numbers before texts */
		return q - p;
	if (a->kind == CELL_TIME && b->kind == CELL_TIME)
		return (a->time > b->time) - (a->time < b->time);
	if (a->kind != CELL_TEXT || b->kind != CELL_TEXT)
		return (a->kind > b->kind) - (a->kind < b->kind);
	const size_t n = a->text.n < b->text.n ? a->text.n : b->text.n;
	const int c = n ? memcmp(a->text.p, b->text.p, n) : 0;
	return c ? (c > 0) - (c < 0) : (a->text.n > b->text.n) - (a->text.n < b->text.n);
}

/* --- which commands there are: "top" is three --- */

struct stages {
	struct hunt_stage at[HUNT_STAGES * 3];
	const struct hunt_stage *from[HUNT_STAGES * 3]; /* as they were written */
	size_t n;
	size_t sum; /* the first that makes rows of events; n: none */
};

static struct hunt_stage *add_stage(struct stages *to, enum hunt_stage_kind kind, const struct hunt_stage *from)
{
	struct hunt_stage *s = &to->at[to->n];
	to->from[to->n++] = from;
	*s = (struct hunt_stage){ .kind = kind, .at = from->at, .end = from->end };
	return s;
}

static int expand_top(struct flow *f, struct stages *to, const struct hunt_stage *top)
{
	static const struct str count = STR("count");
	struct hunt_sum *sum = arena_zalloc(&f->arena, sizeof(*sum));
	struct hunt_key *key = arena_zalloc(&f->arena, sizeof(*key));
	const struct hunt_stage *before = NULL;
	if (!sum || !key)
		return flow_no_memory(f);
	for (size_t i = 0; i < to->n; i++)
		if (to->at[i].kind == STAGE_SUM)
			before = &to->at[i];
	*sum = (struct hunt_sum){ .name = count };
	*key = (struct hunt_key){ .field = count, .down = !top->rare };
	if (top->n_keys) {
		struct hunt_stage *s = add_stage(to, STAGE_SUM, top);
		s->sums = sum;
		s->n_sums = 1;
		s->keys = top->keys;
		s->n_keys = top->n_keys;
	} else if (before) {
		key->field = before->sums[before->n_sums - 1].name;
	} else {
		return err_set(f->err, -EINVAL, "which field? write: %s %llu src_ip, or put a count before it",
		               top->rare ? "rare" : "top", (unsigned long long)top->n);
	}
	struct hunt_stage *sort = add_stage(to, STAGE_SORT, top);
	sort->keys = key;
	sort->n_keys = 1;
	add_stage(to, STAGE_HEAD, top)->n = top->n;
	return 0;
}

/* How many of what is put in order before stage i are shown at most; 0: all. */
static uint64_t most_behind(const struct flow *f, const struct stages *s, size_t i)
{
	while (i < s->n && s->at[i].kind == STAGE_FIELDS)
		i++;
	if (i == s->n)
		return f->limits.rows ? f->limits.rows + 1 : 0;
	return s->at[i].kind == STAGE_HEAD ? s->at[i].n : 0;
}

static int expand(struct flow *f, struct stages *to, const struct hunt_stage **wrong)
{
	int r = 0;
	to->n = 0;
	for (size_t i = 0; !r && i < f->hunt->n_stages; i++) {
		const struct hunt_stage *s = &f->hunt->stages[i];
		if (s->kind == STAGE_TOP) {
			r = expand_top(f, to, s);
			*wrong = r ? s : NULL;
		} else {
			*add_stage(to, s->kind, s) = *s;
		}
	}
	for (to->sum = 0; to->sum < to->n && to->at[to->sum].kind != STAGE_SUM;)
		to->sum++;
	for (size_t i = 0; i < to->n; i++)
		if (to->at[i].kind == STAGE_SORT)
			to->at[i].n = most_behind(f, to, i + 1);
	return r;
}

/* --- what they need of events --- */

static int add_path(struct flow *f, struct str path)
{
	if (f->n_paths == EVENT_PICK_MAX)
		return err_set(f->err, -EINVAL, "too many fields at once");
	f->paths[f->n_paths++] = path;
	return 0;
}

static int need(struct flow *f, struct str name)
{
	size_t n;
	for (size_t i = 0; i < f->n; i++)
		if (str_eq(f->names[i], name))
			return 0;
	if (f->n == HUNT_COLUMNS)
		return err_set(f->err, -EINVAL, "a hunt uses at most %d fields", HUNT_COLUMNS);
	struct source_column *c = &f->columns[f->n];
	f->names[f->n++] = name;
	*c = (struct source_column){ .first = f->n_paths };
	if (hunt_is_column(name, STR("@timestamp"))) {
		c->from = FROM_TIME;
		return 0;
	}
	if (hunt_is_column(name, STR("event.dataset"))) {
		c->from = FROM_DATASET;
		return 0;
	}
	const struct str *paths = hunt_fields_of(name, &f->arena, &n);
	if (!paths)
		return flow_no_memory(f);
	int r = 0;
	for (size_t i = 0; !r && i < n; i++, c->n++)
		r = add_path(f, paths[i]);
	return r;
}

/* The fields that it asks for; all its terms must name one. */
static int need_where(struct flow *f, const struct hunt_node *n)
{
	int r = 0;
	if (n->kind == HUNT_TERM && !n->term->field.n)
		return err_set(f->err, -EINVAL, "behind head and dedup 'where' asks fields only: field:value");
	if (n->kind == HUNT_TERM)
		return need(f, n->term->field);
	for (size_t i = 0; !r && i < n->n; i++)
		r = need_where(f, n->kids[i]);
	return r;
}

static int need_stage(struct flow *f, const struct hunt_stage *s)
{
	int r = s->kind == STAGE_WHERE ? need_where(f, s->where) : 0;
	for (size_t i = 0; !r && i < s->n_keys; i++)
		r = need(f, s->keys[i].field);
	for (size_t i = 0; !r && i < s->n_sums; i++)
		r = s->sums[i].field.n ? need(f, s->sums[i].field) : 0;
	return r;
}

/* "where" asks the store as long as all events get there. */
static bool is_for_store(const struct stages *s, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (s->at[k].kind == STAGE_HEAD || s->at[k].kind == STAGE_DEDUP || s->at[k].kind == STAGE_SUM)
			return false;
	return s->at[i].kind == STAGE_WHERE;
}

static int make_source(struct flow *f, const struct stages *s, const struct hunt_stage **wrong)
{
	int r = 0;
	f->names = flow_names(f, HUNT_COLUMNS);
	f->columns = arena_zalloc(&f->arena, HUNT_COLUMNS * sizeof(*f->columns));
	f->paths = flow_names(f, EVENT_PICK_MAX);
	if (!f->names || !f->columns || !f->paths)
		return flow_no_memory(f);
	f->whole = s->sum == s->n;
	f->ordered = f->whole;
	for (size_t i = 0; !r && i < s->n && i <= s->sum; i++) {
		const enum hunt_stage_kind kind = s->at[i].kind;
		f->ordered |= i < s->sum && (kind == STAGE_HEAD || kind == STAGE_DEDUP);
		f->whole &= kind != STAGE_FIELDS;
		r = is_for_store(s, i) ? 0 : need_stage(f, &s->at[i]);
		*wrong = r ? s->from[i] : NULL;
	}
	return r;
}

static int make_where(struct flow *f, const struct stages *s)
{
	struct event_expr *all = arena_zalloc(&f->arena, (s->n + 1) * sizeof(*all));
	f->where = arena_zalloc(&f->arena, sizeof(*f->where));
	if (!all || !f->where)
		return flow_no_memory(f);
	*f->where = (struct event_expr){ .kind = EXPR_AND, .of = all, .n = 1 };
	int r = hunt_where(&all[0], &f->asks, f->hunt->where, f->err);
	for (size_t i = 0; !r && i < s->n; i++)
		if (is_for_store(s, i))
			r = hunt_where(&all[f->where->n++], &f->asks, s->at[i].where, f->err);
	return r;
}

/* --- the end of it: whoever asked --- */

struct out {
	struct step step;
	bool named;
};

static int name_columns(struct out *o)
{
	struct flow *f = o->step.flow;
	if (o->named)
		return 0;
	o->named = true;
	return f->sink->columns(f->sink->arg, o->step.names, f->whole ? 0 : o->step.n) ? 1 : 0;
}

static int out_push(struct step *s, const struct row *row)
{
	struct flow *f = s->flow;
	if (f->limits.rows && f->result->rows == f->limits.rows) {
		f->result->limited = true;
		return 1;
	}
	int r = name_columns((struct out *)s);
	const struct hunt_line line = { row->event, row->cells, f->whole ? 0 : s->n };
	f->result->rows += !r;
	return r ? r : f->sink->row(f->sink->arg, &line) != 0;
}

static int out_end(struct step *s)
{
	return name_columns((struct out *)s);
}

/* --- all together --- */

static int make_step(struct flow *f, const struct hunt_stage *stage, struct str **names, size_t *n)
{
	static step_make *const makes[] = {
		[STAGE_WHERE] = step_where,   [STAGE_SUM] = step_sum,   [STAGE_SORT] = step_sort,
		[STAGE_FIELDS] = step_fields, [STAGE_HEAD] = step_head, [STAGE_DEDUP] = step_dedup,
	};
	struct step *s;
	return makes[stage->kind](f, &s, stage, names, n);
}

/* How many events are enough; 0: all are wanted. */
static uint64_t most_events(const struct flow *f, const struct stages *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!is_for_store(s, i) && s->at[i].kind != STAGE_FIELDS)
			return s->at[i].kind == STAGE_HEAD ? s->at[i].n : 0;
	return f->limits.rows ? f->limits.rows + 1 : 0;
}

static int make_steps(struct flow *f, const struct stages *s, const struct hunt_stage **wrong)
{
	struct str *names = f->names;
	size_t n = f->n;
	int r = 0;
	f->most = most_events(f, s);
	for (size_t i = 0; !r && i < s->n; i++) {
		if (is_for_store(s, i))
			continue;
		r = make_step(f, &s->at[i], &names, &n);
		*wrong = r ? s->from[i] : NULL;
	}
	struct out *o = r ? NULL : flow_step(f, sizeof(*o), NULL);
	if (!o)
		return r ? r : flow_no_memory(f);
	o->step.push = out_push;
	o->step.end = out_end;
	o->step.names = names;
	o->step.n = n;
	return 0;
}

int flow_init(struct flow *f, const struct hunt *h, const struct hunt_stage **stage, struct err *err)
{
	f->hunt = h;
	f->err = err;
	f->asks.arena = &f->arena;
	f->arena.max = 64 << 20;
	f->limits.groups = f->limits.groups ? f->limits.groups : HUNT_GROUPS;
	f->limits.held = f->limits.held ? f->limits.held : HUNT_HELD;
	f->limits.bytes = f->limits.bytes ? f->limits.bytes : HUNT_BYTES;
	*stage = NULL;
	struct stages *s = arena_zalloc(&f->arena, sizeof(*s));
	if (!s)
		return flow_no_memory(f);
	int r = expand(f, s, stage);
	r = r ? r : make_source(f, s, stage);
	r = r ? r : make_where(f, s);
	return r ? r : make_steps(f, s, stage);
}

void flow_done(struct flow *f)
{
	for (struct step *s = f->first; s; s = s->next)
		if (s->done)
			s->done(s);
	hunt_asks_done(&f->asks);
	arena_free(&f->arena);
}
