#include "hunt/where.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "hunt: %m");
}

/* --- for the store --- */

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* *text* without other wildcards: the text. */
static bool is_within(struct str s, struct str *ret)
{
	if (s.n < 3 || (unsigned char)s.p[0] != HUNT_ANY || (unsigned char)s.p[s.n - 1] != HUNT_ANY)
		return false;
	*ret = str_sub(s, 1, s.n - 2);
	return is_ascii(*ret);
}

/* What the store knows by itself: words, parts and wholes in ASCII, found without asking each text. */
static bool is_known(const struct hunt_term *t, bool prose, struct event_term *e)
{
	if (t->test == TEST_EXISTS) {
		e->kind = TERM_SUBSTRING;
		e->text = STR("");
		return true;
	}
	if (t->test > TEST_DIFFERS)
		return false;
	const bool words = t->test == TEST_WORDS || (t->test == TEST_IS && prose);
	e->kind = words ? TERM_WORD : t->test == TEST_PHRASE ? TERM_SUBSTRING : TERM_EQUAL;
	e->text = t->text;
	if (is_ascii(t->text))
		return true;
	e->kind = TERM_SUBSTRING;
	return is_within(t->text, &e->text);
}

static int term_where(struct event_expr *ret, struct hunt_asks *asks, const struct hunt_term *t, struct err *err)
{
	struct event_term e = { 0 };
	const struct hunt_alias *alias = hunt_alias(t->field);
	struct hunt_hint hint;
	struct hunt_ask *ask;
	if (t->field.n && !(e.fields = hunt_fields_of(t->field, asks->arena, &e.n_fields)))
		return no_memory(err);
	if (!is_known(t, alias && alias->text, &e)) {
		int r = hunt_ask_new(&ask, asks, t, alias && alias->text, &hint, err);
		if (r)
			return r;
		e.kind = TERM_TEST;
		e.text = hint.text;
		e.test = hunt_ask_value;
		e.arg = ask;
	}
	*ret = (struct event_expr){ .kind = EXPR_TERM, .term = e };
	return 0;
}

/* The field is there, and none of its values is this. */
static int differs_where(struct event_expr *ret, struct hunt_asks *asks, const struct hunt_term *t, struct err *err)
{
	struct event_expr *both = arena_zalloc(asks->arena, 2 * sizeof(*both));
	if (!both)
		return no_memory(err);
	int r = term_where(&both[1], asks, t, err);
	both[1].term.negated = true;
	both[0] = (struct event_expr){
		.kind = EXPR_TERM,
		.term = { .kind = TERM_SUBSTRING, .fields = both[1].term.fields, .n_fields = both[1].term.n_fields }
	};
	*ret = (struct event_expr){ .kind = EXPR_AND, .of = both, .n = 2 };
	return r;
}

int hunt_where(struct event_expr *ret, struct hunt_asks *asks, const struct hunt_node *n, struct err *err)
{
	static const enum event_expr_kind kinds[] = {
		[HUNT_ALL] = EXPR_AND, [HUNT_AND] = EXPR_AND, [HUNT_OR] = EXPR_OR, [HUNT_NOT] = EXPR_NOT
	};
	if (n->kind == HUNT_TERM)
		return n->term->test == TEST_DIFFERS ? differs_where(ret, asks, n->term, err)
		                                     : term_where(ret, asks, n->term, err);
	struct event_expr *of = arena_zalloc(asks->arena, (n->n + 1) * sizeof(*of));
	if (!of)
		return no_memory(err);
	int r = 0;
	for (size_t i = 0; !r && i < n->n; i++)
		r = hunt_where(&of[i], asks, n->kids[i], err);
	*ret = (struct event_expr){ .kind = kinds[n->kind], .of = of, .n = n->n };
	return r;
}

/* --- for rows --- */

struct hunt_filter {
	enum hunt_node_kind kind;
	const struct hunt_term *term;
	struct hunt_ask *ask; /* NULL: whether there is a value */
	size_t first, last;   /* columns: [first, last) */
	struct hunt_filter **kids;
	size_t n;
};

bool hunt_is_column(struct str name, struct str column)
{
	if (str_eq(name, column))
		return true;
	const struct hunt_alias *a = hunt_alias(name), *b = hunt_alias(column);
	for (size_t i = 0; a && a->fields[i]; i++)
		if (str_eq(str_from(a->fields[i]), column))
			return true;
	for (size_t i = 0; b && b->fields[i]; i++)
		if (str_eq(str_from(b->fields[i]), name))
			return true;
	return false;
}

static int filter_term(struct hunt_filter *f, struct hunt_asks *asks, const struct str *names, size_t n,
                       struct err *err)
{
	const struct hunt_term *t = f->term;
	const struct hunt_alias *alias = hunt_alias(t->field);
	struct hunt_hint hint;
	f->last = n;
	if (t->field.n) {
		while (f->first < n && !str_eq(t->field, names[f->first]))
			f->first++;
		for (f->first = f->first < n ? f->first : 0;
		     f->first < n && !hunt_is_column(t->field, names[f->first]);)
			f->first++;
		if (f->first == n)
			return err_set(err, -EINVAL,
			               "'where " STR_FMT
			               "': the rows have no such column; before 'count' it asks events, behind "
			               "it rows; a column is named with 'as'",
			               STR_ARG(t->field));
		f->last = f->first + 1;
	}
	return t->test == TEST_EXISTS ? 0 : hunt_ask_new(&f->ask, asks, t, alias && alias->text, &hint, err);
}

int hunt_filter_new(struct hunt_filter **ret, struct hunt_asks *asks, const struct hunt_node *n,
                    const struct str *names, size_t n_names, struct err *err)
{
	struct hunt_filter *f = arena_zalloc(asks->arena, sizeof(*f));
	if (!f)
		return no_memory(err);
	f->kind = n->kind;
	f->term = n->term;
	int r = n->kind == HUNT_TERM ? filter_term(f, asks, names, n_names, err) : 0;
	f->kids = r ? NULL : arena_zalloc(asks->arena, (n->n + 1) * sizeof(struct hunt_filter *));
	if (!r && !f->kids)
		return no_memory(err);
	for (; !r && f->n < n->n; f->n++)
		r = hunt_filter_new(&f->kids[f->n], asks, n->kids[f->n], names, n_names, err);
	if (!r)
		*ret = f;
	return r;
}

struct str hunt_cell_text(const struct hunt_cell *cell, char room[CELL_ROOM])
{
	int n = 0;
	if (cell->kind == CELL_TEXT)
		return cell->text;
	if (cell->kind == CELL_NUMBER && cell->number == floor(cell->number) && fabs(cell->number) < 1e15) {
		n = snprintf(room, CELL_ROOM, "%.0f", cell->number);
	} else if (cell->kind == CELL_NUMBER) {
		n = snprintf(room, CELL_ROOM, "%.6g", cell->number);
	} else if (cell->kind == CELL_TIME) {
		const time_t s = cell->time / CLOCK_S - (cell->time % CLOCK_S < 0);
		const int us = (int)(cell->time - (int64_t)s * CLOCK_S);
		struct tm tm;
		gmtime_r(&s, &tm);
		n = snprintf(room, CELL_ROOM, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
		             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
		n += snprintf(room + n, (size_t)(CELL_ROOM - n), us ? ".%06dZ" : "Z", us);
	}
	return (struct str){ room, n > 0 && n < CELL_ROOM ? (size_t)n : 0 };
}

static bool term_holds(const struct hunt_filter *f, const struct hunt_cell *cells, const struct event_field *all)
{
	const bool differs = f->term->test == TEST_DIFFERS;
	bool is_there = false;
	char room[CELL_ROOM];
	for (size_t i = f->first; i < f->last; i++) {
		if (cells[i].kind == CELL_NONE)
			continue;
		is_there = true;
		const struct str one = hunt_cell_text(&cells[i], room);
		const bool several = all && all[i].n;
		for (size_t k = 0; f->ask && k < (several ? all[i].n : 1); k++)
			if (hunt_ask_value(f->ask, several ? all[i].values[k] : one))
				return !differs;
	}
	return is_there && (differs || !f->ask);
}

bool hunt_filter_holds(const struct hunt_filter *f, const struct hunt_cell *cells, const struct event_field *all)
{
	switch (f->kind) {
	case HUNT_ALL: return true;
	case HUNT_TERM: return term_holds(f, cells, all);
	case HUNT_NOT: return !hunt_filter_holds(f->kids[0], cells, all);
	default: break;
	}
	for (size_t i = 0; i < f->n; i++)
		if (hunt_filter_holds(f->kids[i], cells, all) == (f->kind == HUNT_OR))
			return f->kind == HUNT_OR;
	return f->kind == HUNT_AND;
}

/* --- what is looked for --- */

static size_t add_marks(const struct hunt_node *n, struct event_term *to, size_t at, size_t most)
{
	if (n->kind == HUNT_TERM && at < most && n->term->test <= TEST_EXACT && n->term->text.n &&
	    is_ascii(n->term->text)) {
		const struct hunt_alias *a = hunt_alias(n->term->field);
		to[at++] = (struct event_term){ .field = a ? str_from(a->fields[0]) : n->term->field,
			                        .text = n->term->text };
	}
	for (size_t i = 0; n->kind != HUNT_NOT && i < n->n; i++)
		at = add_marks(n->kids[i], to, at, most);
	return at;
}

size_t hunt_marks(const struct hunt *h, struct event_term *to, size_t most)
{
	return add_marks(h->where, to, 0, most);
}

bool hunt_is_events(const struct hunt *h)
{
	for (size_t i = 0; i < h->n_stages; i++)
		if (h->stages[i].kind == STAGE_SUM || h->stages[i].kind == STAGE_TOP ||
		    h->stages[i].kind == STAGE_FIELDS)
			return false;
	return true;
}
