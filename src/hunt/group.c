/* Counting and summing, by groups of rows that have the same values. */
#include "hunt/flow.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
	KEY_MAX = 4096,
	KEPT_MAX = 4096 /* of a text that is the least or greatest */,
	DIFFERENT_MAX = 1 << 23,
	COMBINED_MAX = 4096
};

/* What a function knows of a group. */
struct tally {
	uint64_t n; /* values; of count: events */
	double sum;
	struct hunt_cell best; /* of min and max; its text is malloc'ed */
};

struct group {
	uint64_t hash;
	struct str key; /* of each: its kind, its length, its bytes */
};

struct sum {
	struct step step;
	size_t *columns; /* of keys */
	size_t *of;      /* of functions; of count n */
	struct group *groups;
	struct tally *tallies; /* of group i: from i * stage->n_sums on */
	size_t n, cap;
	uint32_t *slots; /* index + 1 of groups, open addressing; 0: free */
	size_t n_slots;
	struct arena keys;
	size_t key_bytes, kept_bytes; /* with the tallies they are at most limits.bytes */
	uint64_t *different;          /* of dc(): hashes of group, function and value */
	size_t n_different, cap_different;
	char key[KEY_MAX];
	struct hunt_cell *cells;
};

/* --- groups --- */

static uint32_t *slot_of(const struct sum *s, uint64_t hash, struct str key)
{
	for (size_t i = (size_t)hash;; i++) {
		uint32_t *slot = &s->slots[i & (s->n_slots - 1)];
		if (!*slot || (s->groups[*slot - 1].hash == hash && str_eq(s->groups[*slot - 1].key, key)))
			return slot;
	}
}

static size_t bytes_of(const struct sum *s, size_t cap)
{
	const size_t one = sizeof(*s->groups) + s->step.stage->n_sums * sizeof(*s->tallies) + 2 * sizeof(*s->slots);
	return cap * one + s->key_bytes + s->kept_bytes;
}

static bool grow_groups(struct sum *s)
{
	const size_t cap = s->cap ? s->cap * 2 : 256, sums = s->step.stage->n_sums;
	struct group *groups = realloc(s->groups, cap * sizeof(*groups));
	s->groups = groups ? groups : s->groups;
	struct tally *tallies = groups ? realloc(s->tallies, cap * sums * sizeof(*tallies)) : NULL;
	s->tallies = tallies ? tallies : s->tallies;
	uint32_t *slots = tallies ? calloc(cap * 2, sizeof(*slots)) : NULL;
	if (!slots)
		return false;
	memset(tallies + s->cap * sums, 0, (cap - s->cap) * sums * sizeof(*tallies));
	free(s->slots);
	s->slots = slots;
	s->n_slots = cap * 2;
	s->cap = cap;
	for (size_t i = 0; i < s->n; i++)
		*slot_of(s, groups[i].hash, groups[i].key) = (uint32_t)i + 1;
	return true;
}

/* The tallies of the group; NULL and 0: it has no room, or -ENOMEM. */
static int find_group(struct sum *s, struct str key, struct tally **ret, size_t *index)
{
	struct flow *f = s->step.flow;
	const uint64_t hash = XXH3_64bits_withSeed(key.p, key.n, f->seed);
	if (s->n == s->cap && s->n < f->limits.groups && bytes_of(s, s->cap * 2) <= f->limits.bytes && !grow_groups(s))
		return flow_no_memory(f);
	uint32_t *slot = slot_of(s, hash, key);
	*ret = NULL;
	if (!*slot) {
		const bool fits =
		        s->n < f->limits.groups && s->n < s->cap && bytes_of(s, s->cap) + key.n <= f->limits.bytes;
		struct str own = fits ? arena_copy(&s->keys, key) : (struct str){ 0 };
		if (!own.p)
			return 0;
		s->key_bytes += key.n;
		s->groups[s->n] = (struct group){ hash, own };
		*slot = (uint32_t)++s->n;
	}
	*index = *slot - 1;
	*ret = s->tallies + *index * s->step.stage->n_sums;
	return 0;
}

/* --- functions --- */

static bool is_new(struct sum *s, uint64_t hash)
{
	hash = hash ? hash : 1;
	if (s->n_different * 2 >= s->cap_different) {
		const size_t cap = s->cap_different ? s->cap_different * 2 : 1024;
		uint64_t *bigger = cap <= DIFFERENT_MAX * 2 ? calloc(cap, sizeof(*bigger)) : NULL;
		if (!bigger) {
			s->step.flow->result->shed++;
			return false;
		}
		for (size_t i = 0; i < s->cap_different; i++) {
			size_t at = (size_t)s->different[i];
			while (s->different[i] && bigger[at & (cap - 1)])
				at++;
			if (s->different[i])
				bigger[at & (cap - 1)] = s->different[i];
		}
		free(s->different);
		s->different = bigger;
		s->cap_different = cap;
	}
	for (size_t i = (size_t)hash;; i++) {
		uint64_t *at = &s->different[i & (s->cap_different - 1)];
		if (*at == hash)
			return false;
		if (!*at) {
			*at = hash;
			s->n_different++;
			return true;
		}
	}
}

static int keep_best(struct sum *s, struct tally *t, const struct hunt_cell *cell)
{
	const size_t had = t->best.kind == CELL_TEXT ? t->best.text.n : 0;
	size_t n = cell->kind != CELL_TEXT ? 0 : cell->text.n < KEPT_MAX ? cell->text.n : KEPT_MAX;
	while (n && n < cell->text.n && ((unsigned char)cell->text.p[n] & 0xc0) == 0x80) /* whole characters */
		n--;
	if (n > had && bytes_of(s, s->cap) + n - had > s->step.flow->limits.bytes) {
		s->step.flow->result->shed++;
		return 0;
	}
	char *text = cell->kind == CELL_TEXT ? malloc(n + 1) : NULL;
	if (cell->kind == CELL_TEXT && !text)
		return flow_no_memory(s->step.flow);
	if (t->best.kind == CELL_TEXT)
		free((char *)t->best.text.p);
	t->best = *cell;
	if (text)
		t->best.text = (struct str){ memcpy(text, cell->text.p, n), n };
	s->kept_bytes += n - had;
	return 0;
}

static int add_value(struct sum *s, struct tally *t, size_t group, size_t i, const struct hunt_cell *cell)
{
	const enum hunt_function function = s->step.stage->sums[i].function;
	char room[CELL_ROOM];
	double number;
	if (function == FUNCTION_DC) {
		const struct str text = hunt_cell_text(cell, room);
		const uint64_t seed = s->step.flow->seed + group * HUNT_FIELDS + i;
		t->n += is_new(s, XXH3_64bits_withSeed(text.p, text.n, seed));
	} else if (function == FUNCTION_MIN || function == FUNCTION_MAX) {
		const int c = t->best.kind ? flow_compare(cell, &t->best) : 0;
		t->n++;
		if (!t->best.kind || (function == FUNCTION_MIN ? c < 0 : c > 0))
			return keep_best(s, t, cell);
	} else if (cell->kind == CELL_NUMBER || (cell->kind == CELL_TEXT && hunt_number(cell->text, &number))) {
		t->sum += cell->kind == CELL_NUMBER ? cell->number : number;
		t->n++;
	}
	return 0;
}

static int add_row(struct sum *s, const struct row *row, struct str key)
{
	struct tally *t;
	size_t group = 0;
	int r = find_group(s, key, &t, &group);
	if (r || !t) {
		s->step.flow->result->shed += !r;
		return r;
	}
	for (size_t i = 0; !r && i < s->step.stage->n_sums; i++, t++) {
		const size_t column = s->of[i];
		if (s->step.stage->sums[i].function == FUNCTION_COUNT) {
			t->n++;
		} else if (row->fields && row->cells[column].kind == CELL_TEXT) {
			for (size_t k = 0; !r && k < row->fields[column].n; k++) {
				const struct hunt_cell cell = { .kind = CELL_TEXT,
					                        .text = row->fields[column].values[k] };
				r = add_value(s, t, group, i, &cell);
			}
		} else if (row->cells[column].kind) {
			r = add_value(s, t, group, i, &row->cells[column]);
		}
	}
	return r;
}

/* --- keys --- */

static size_t put_key(struct sum *s, size_t at, enum hunt_cell_kind kind, struct str bytes)
{
	const uint32_t n = (uint32_t)bytes.n;
	if (bytes.n > KEY_MAX || at + 1 + sizeof(n) + n > KEY_MAX)
		return SIZE_MAX;
	s->key[at] = (char)kind;
	memcpy(s->key + at + 1, &n, sizeof(n));
	memcpy(s->key + at + 1 + sizeof(n), bytes.p, n);
	return at + 1 + sizeof(n) + n;
}

static size_t take_key(struct str key, size_t at, struct hunt_cell *ret)
{
	uint32_t n;
	memcpy(&n, key.p + at + 1, sizeof(n));
	const char *bytes = key.p + at + 1 + sizeof(n);
	*ret = (struct hunt_cell){ .kind = (enum hunt_cell_kind)key.p[at] };
	if (ret->kind == CELL_TEXT)
		ret->text = (struct str){ bytes, n };
	else if (ret->kind == CELL_TIME)
		memcpy(&ret->time, bytes, sizeof(ret->time));
	else
		memcpy(&ret->number, bytes, sizeof(ret->number));
	return at + 1 + sizeof(n) + n;
}

static int64_t cut_time(int64_t time, int64_t span)
{
	const int64_t rest = time % span;
	return time - rest - (rest < 0 ? span : 0);
}

static int add_keys(struct sum *s, const struct row *row, size_t i, size_t at);

static int add_key(struct sum *s, const struct row *row, size_t i, size_t at, const struct hunt_cell *cell)
{
	const struct hunt_key *k = &s->step.stage->keys[i];
	const int64_t time = k->bin ? cut_time(cell->time, k->bin) : cell->time;
	const struct str bytes = cell->kind == CELL_TEXT ? cell->text
	                         : cell->kind == CELL_TIME
	                                 ? (struct str){ (const char *)&time, sizeof(time) }
	                                 : (struct str){ (const char *)&cell->number, sizeof(double) };
	const size_t next = put_key(s, at, cell->kind, bytes);
	if (next == SIZE_MAX) {
		s->step.flow->result->shed++;
		return 0;
	}
	return add_keys(s, row, i + 1, next);
}

/* A row with several values of a key is counted with each of them. */
static int add_keys(struct sum *s, const struct row *row, size_t i, size_t at)
{
	if (i == s->step.stage->n_keys)
		return add_row(s, row, (struct str){ s->key, at });
	const size_t column = s->columns[i];
	const struct hunt_cell *cell = &row->cells[column];
	int r = 0;
	if (!row->fields || cell->kind != CELL_TEXT)
		return add_key(s, row, i, at, cell);
	for (size_t k = 0; !r && k < row->fields[column].n; k++) {
		const struct hunt_cell one = { .kind = CELL_TEXT, .text = row->fields[column].values[k] };
		r = add_key(s, row, i, at, &one);
	}
	return r;
}

static int sum_push(struct step *step, const struct row *row)
{
	struct sum *s = (struct sum *)step;
	size_t rows = 1;
	for (size_t i = 0; i < step->stage->n_keys; i++) {
		const enum hunt_cell_kind kind = row->cells[s->columns[i]].kind;
		rows *= row->fields && row->fields[s->columns[i]].n ? row->fields[s->columns[i]].n : 1;
		if (rows > COMBINED_MAX) {
			step->flow->result->shed++;
			return 0;
		}
		if (kind == CELL_NONE || (step->stage->keys[i].bin && kind != CELL_TIME)) {
			step->flow->result->without++;
			return 0;
		}
	}
	return add_keys(s, row, 0, 0);
}

/* --- the rows that come of it --- */

static struct hunt_cell outcome(const struct hunt_sum *sum, const struct tally *t)
{
	struct hunt_cell cell = { .kind = CELL_NUMBER };
	switch (sum->function) {
	case FUNCTION_MIN:
	case FUNCTION_MAX: return t->best;
	case FUNCTION_SUM: cell.number = t->sum; break;
	case FUNCTION_AVG:
		cell.kind = t->n ? CELL_NUMBER : CELL_NONE;
		cell.number = t->n ? t->sum / (double)t->n : 0;
		break;
	default: cell.number = (double)t->n; break;
	}
	return cell;
}

static int compare_keys(const struct sum *s, struct str a, struct str b)
{
	size_t x = 0, y = 0;
	int c = 0;
	for (size_t i = 0; !c && i < s->step.stage->n_keys; i++) {
		struct hunt_cell p, q;
		x = take_key(a, x, &p);
		y = take_key(b, y, &q);
		c = flow_compare(&p, &q);
	}
	return c;
}

/* By time where the first key is one, else what is most first. */
static int in_order(const void *x, const void *y, void *arg)
{
	const size_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	const struct sum *s = arg;
	const size_t sums = s->step.stage->n_sums;
	int c = 0;
	if (!s->step.stage->keys || !s->step.stage->keys[0].bin) {
		const struct hunt_cell p = outcome(&s->step.stage->sums[0], s->tallies + a * sums);
		const struct hunt_cell q = outcome(&s->step.stage->sums[0], s->tallies + b * sums);
		c = p.kind && q.kind ? flow_compare(&q, &p) : flow_compare(&p, &q);
	}
	return c ? c : compare_keys(s, s->groups[a].key, s->groups[b].key);
}

static int push_groups(struct sum *s)
{
	const size_t n_keys = s->step.stage->n_keys, n_sums = s->step.stage->n_sums;
	uint32_t *order = malloc((s->n + 1) * sizeof(*order));
	int r = order ? 0 : flow_no_memory(s->step.flow);
	for (size_t i = 0; !r && i < s->n; i++)
		order[i] = (uint32_t)i;
	if (!r && s->n)
		qsort_r(order, s->n, sizeof(*order), in_order, s);
	for (size_t i = 0; !r && i < s->n; i++) {
		const struct group *g = &s->groups[order[i]];
		size_t at = 0;
		for (size_t k = 0; k < n_keys; k++)
			at = take_key(g->key, at, &s->cells[k]);
		for (size_t k = 0; k < n_sums; k++)
			s->cells[n_keys + k] = outcome(&s->step.stage->sums[k], s->tallies + order[i] * n_sums + k);
		const struct row row = { s->cells, NULL, NULL, NULL };
		r = flow_push(&s->step, &row);
	}
	free(order);
	return r;
}

static int sum_end(struct step *step)
{
	struct sum *s = (struct sum *)step;
	struct tally *t;
	size_t group;
	/* Of everything there is one row, also when there is nothing. */
	int r = !step->stage->n_keys && !s->n ? find_group(s, STR(""), &t, &group) : 0;
	r = r ? r : push_groups(s);
	return r < 0 ? r : flow_end(step);
}

static void sum_done(struct step *step)
{
	struct sum *s = (struct sum *)step;
	for (size_t i = 0; s->tallies && i < s->n * step->stage->n_sums; i++)
		if (s->tallies[i].best.kind == CELL_TEXT)
			free((char *)s->tallies[i].best.text.p);
	free(s->groups);
	free(s->tallies);
	free(s->slots);
	free(s->different);
	arena_free(&s->keys);
}

static int name_columns(struct flow *f, struct sum *s, struct str **names, size_t *n)
{
	const struct hunt_stage *stage = s->step.stage;
	struct str *own = flow_names(f, stage->n_keys + stage->n_sums);
	if (!own)
		return flow_no_memory(f);
	for (size_t i = 0; i < stage->n_keys; i++)
		own[i] = stage->keys[i].field;
	for (size_t i = 0; i < stage->n_sums; i++)
		own[stage->n_keys + i] = stage->sums[i].name;
	*names = own;
	*n = stage->n_keys + stage->n_sums;
	return 0;
}

static int find_columns(struct flow *f, struct sum *s)
{
	const struct hunt_stage *stage = s->step.stage;
	s->columns = arena_alloc(&f->arena, (stage->n_keys + 1) * sizeof(*s->columns));
	s->of = arena_alloc(&f->arena, (stage->n_sums + 1) * sizeof(*s->of));
	s->cells = arena_zalloc(&f->arena, (stage->n_keys + stage->n_sums) * sizeof(*s->cells));
	if (!s->columns || !s->of || !s->cells)
		return flow_no_memory(f);
	for (size_t i = 0; i < stage->n_keys + stage->n_sums; i++) {
		const bool key = i < stage->n_keys;
		const struct str name = key ? stage->keys[i].field : stage->sums[i - stage->n_keys].field;
		const size_t column = name.n ? flow_column(&s->step, name) : s->step.n;
		if (name.n && column == s->step.n)
			return err_set(f->err, -EINVAL, "the rows have no column '" STR_FMT "' to %s by", STR_ARG(name),
			               key ? "count" : "sum up");
		*(key ? &s->columns[i] : &s->of[i - stage->n_keys]) = column;
	}
	return 0;
}

int step_sum(struct flow *f, struct step **ret, const struct hunt_stage *stage, struct str **names, size_t *n)
{
	struct sum *s = flow_step(f, sizeof(*s), stage);
	if (!s)
		return flow_no_memory(f);
	s->step.push = sum_push;
	s->step.end = sum_end;
	s->step.done = sum_done;
	s->step.names = *names;
	s->step.n = *n;
	s->keys.max = f->limits.bytes;
	*ret = &s->step;
	int r = find_columns(f, s);
	if (!r && !grow_groups(s))
		r = flow_no_memory(f);
	return r ? r : name_columns(f, s, names, n);
}
