/* Texts put together from their layouts: see chunk_layout.c. */
#include "store/chunk_layout.h"

static void take_references(struct take *t, struct source sources[REFERENCES], uint32_t *n)
{
	*n = (uint32_t)take_count(t, REFERENCES);
	t->bad |= *n && t->depth != 1; /* only whole columns have rows to find another's value by */
	for (uint32_t k = 0; k < *n && !t->bad; k++)
		sources[k] = (struct source){ .column = (uint32_t)take_count(t, CHUNK_COLUMNS), .any = true };
}

static void take_layout_texts(struct take *t, struct unlayout *x)
{
	struct source references[REFERENCES];
	take_references(t, references, &x->n_references);
	x->n_layouts = (uint32_t)take_count(t, LAYOUTS);
	x->ends = take_room(t, x->n_layouts, sizeof(*x->ends));
	uint32_t size = 0, marks = 0;
	for (uint32_t l = 0; l < x->n_layouts && !t->bad; l++)
		x->ends[l] = size += (uint32_t)take_count(t, LAYOUT_MAX);
	x->text = take_stream(t, size);
	t->bad |= !x->n_layouts;
	if (t->bad)
		return;
	/* A source for each mark is more than enough, but for the references and the one of the rare. */
	for (uint32_t i = 0; i < size; i++)
		marks += (unsigned char)x->text[i] < ' ';
	x->sources = take_room(t, marks + REFERENCES + 1, sizeof(*x->sources));
	x->steps = take_room(t, marks + x->n_layouts, sizeof(*x->steps));
	x->layouts = take_room(t, x->n_layouts, sizeof(*x->layouts));
	if (t->bad)
		return;
	memcpy(x->sources, references, x->n_references * sizeof(*references));
	memset(x->layouts, 0, x->n_layouts * sizeof(*x->layouts));
}

/* The source of a variable. Those of rare layouts share one, whose number is known when all layouts are. */
static uint32_t variable_source(struct unlayout *x, struct unlayout_one *l)
{
	if (l->uses < OFTEN) {
		l->shared++;
		return NO_SOURCE - 1;
	}
	x->sources[x->n_sources] = (struct source){ .column = UINT32_MAX, .n = l->uses };
	return x->n_sources++;
}

/* Each layout's steps, and what is read from where: as put_variables() says. */
static bool make_steps(struct unlayout *x)
{
	struct source rare = { .column = UINT32_MAX };
	uint64_t n_rare = 0, all = 0;
	uint32_t at = 0;
	x->n_sources = x->n_references;
	for (uint32_t l = 0; l < x->n_layouts; l++) {
		struct unlayout_one *one = &x->layouts[l];
		const bool whole = x->ends[l] - at == 1;
		uint32_t from = at;
		one->steps = x->n_steps;
		for (; at < x->ends[l]; at++) {
			unsigned char c = (unsigned char)x->text[at];
			uint32_t source = c - (uint32_t)MARK_REFERENCE;
			if (c >= ' ')
				continue;
			if (c == MARK_VARIABLE) {
				source = variable_source(x, one);
				*(source < NO_SOURCE - 1 ? &x->sources[source].any : &rare.any) |= whole;
				all += one->uses;
			} else if (source >= x->n_references) {
				return false;
			}
			x->steps[x->n_steps++] = (struct step){ from, at - from, source };
			from = at + 1;
		}
		x->steps[x->n_steps++] = (struct step){ from, at - from, NO_SOURCE };
		n_rare += (uint64_t)one->shared * one->uses;
	}
	rare.n = (uint32_t)n_rare;
	x->sources[x->n_sources++] = rare;
	for (uint32_t s = 0; s < x->n_steps; s++)
		if (x->steps[s].source == NO_SOURCE - 1)
			x->steps[s].source = x->n_sources - 1;
	return all <= CHUNK_VALUES;
}

/* Where the variables of each place are. */
static void find_places(struct take *t, struct unlayout *x)
{
	for (uint32_t s = x->n_references; s < x->n_sources && !t->bad; s++) {
		struct source *from = &x->sources[s];
		from->loaded = !from->n;
		if (!from->n)
			continue;
		uint64_t size = take_count(t, UINT32_MAX);
		from->digits = size & 1;
		from->size = (uint32_t)(size >> 1);
		from->stored = t->p;
		t->bad |= from->size > (size_t)(t->end - t->p);
		t->p += t->bad ? 0 : from->size;
	}
}

struct unlayout *take_unlayout(struct take *t, uint32_t n)
{
	struct unlayout *x = take_room(t, 1, sizeof(*x));
	if (!x)
		return NULL;
	*x = (struct unlayout){ .n = n, .size = (uint32_t)take_count(t, CHUNK_RAW_MAX) };
	take_layout_texts(t, x);
	x->layout_of = take_planes32(t, n, x->n_layouts ? x->n_layouts - 1 : 0);
	if (t->bad)
		return NULL;
	for (uint32_t i = 0; i < n; i++)
		x->layouts[x->layout_of[i]].uses++;
	t->bad |= !make_steps(x);
	find_places(t, x);
	x->take = *t;
	return t->bad ? NULL : x;
}

struct take unlayout_stored(const struct unlayout *x, const struct source *s)
{
	struct take own = x->take;
	own.p = s->stored;
	own.end = s->stored + s->size;
	own.depth += s->texts;
	return own;
}

void unlayout_load_texts(struct unlayout *x, struct source *s)
{
	struct take own = unlayout_stored(x, s);
	if (s->loaded || s->texts || !take_dictionary_texts(&own, s->n, &s->values))
		return;
	s->texts = true;
	s->stored = own.p;
	s->size = (uint32_t)(own.end - own.p);
}

bool unlayout_load(struct unlayout *x, struct source *s)
{
	struct take *t = &x->take;
	if (s->loaded || t->bad)
		return !t->bad;
	if (s->column != UINT32_MAX) {
		take_other(t, s->column, &s->values, &s->by_row);
	} else {
		struct take own = unlayout_stored(x, s);
		if (s->texts)
			take_dictionary_codes(&own, s->n, &s->values);
		else
			take_values(&own, s->n, &s->values);
		t->bad = own.bad || own.p != own.end;
		t->no_memory = own.no_memory;
	}
	s->loaded = !t->bad;
	return s->loaded;
}

/* Text i behind `to`; where it ends, or NULL: there is more of it than there should be. */
static inline char *put_together(struct unlayout *x, uint32_t i, char *to, const char *end)
{
	for (const struct step *s = x->steps + x->layouts[x->layout_of[i]].steps;; s++) {
		if (s->n > (size_t)(end - to))
			return NULL;
		to = copy_short(to, x->text + s->at, s->n);
		if (s->source == NO_SOURCE)
			return to;
		struct source *from = &x->sources[s->source];
		uint32_t k = s->source >= x->n_references ? from->next++ : source_index(x, from, i);
		struct str text = chunk_text(&from->values, from->values.codes ? from->values.codes[k] : k);
		if (text.n > (size_t)(end - to))
			return NULL;
		to = copy_short(to, text.p, text.n);
	}
}

static bool load_chosen(struct unlayout *x, const uint8_t *chosen)
{
	for (uint32_t l = 0; l < x->n_layouts; l++) {
		const struct step *s = x->steps + x->layouts[l].steps;
		for (; (!chosen || chosen[l]) && x->layouts[l].uses && s->source != NO_SOURCE; s++)
			if (!unlayout_load(x, &x->sources[s->source]))
				return false;
	}
	for (uint32_t s = 0; s < x->n_sources; s++)
		x->sources[s].next = 0;
	return true;
}

bool unlayout_texts(struct unlayout *x, const uint8_t *chosen, uint32_t *values, struct chunk_values *ret)
{
	uint32_t *ends = take_room(&x->take, x->n, sizeof(*ends)), n = 0;
	char *bytes = take_room(&x->take, x->size, 1), *to = bytes;
	if (x->take.bad || !load_chosen(x, chosen))
		return false;
	struct source *rare = &x->sources[x->n_sources - 1];
	for (uint32_t i = 0; i < x->n && to; i++) {
		uint32_t l = x->layout_of[i];
		if (chosen && !chosen[l]) {
			rare->next += x->layouts[l].shared;
			continue;
		}
		to = put_together(x, i, to, bytes + x->size);
		if (values)
			values[n] = i;
		ends[n++] = to ? (uint32_t)(to - bytes) : 0;
	}
	x->take.bad = !to || (!chosen && to != bytes + x->size);
	*ret = (struct chunk_values){ .n = n, .n_texts = n, .bytes = bytes, .ends = ends };
	return !x->take.bad;
}

bool unlayout_add(struct unlayout *x, uint32_t i, struct buf *out)
{
	const uint32_t l = x->layout_of[i];
	uint32_t same = 0, shared = 0; /* how many come before */
	for (uint32_t k = 0; k < i; k++) {
		same += x->layout_of[k] == l;
		shared += x->layouts[x->layout_of[k]].shared;
	}
	for (const struct step *s = x->steps + x->layouts[l].steps;; s++) {
		buf_add(out, (struct str){ x->text + s->at, s->n });
		if (s->source == NO_SOURCE)
			return true;
		struct source *from = &x->sources[s->source];
		if (!unlayout_load(x, from))
			return false;
		uint32_t k = s->source < x->n_references    ? source_index(x, from, i)
		             : s->source < x->n_sources - 1 ? same
		                                            : shared++;
		buf_add(out, chunk_text(&from->values, from->values.codes ? from->values.codes[k] : k));
	}
}

void take_layouts(struct take *t, uint32_t n, struct chunk_values *ret)
{
	struct unlayout *x = take_unlayout(t, n);
	if (x && !unlayout_texts(x, NULL, NULL, ret)) {
		t->bad = true;
		t->no_memory = x->take.no_memory;
	}
}
