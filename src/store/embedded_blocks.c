#include "store/embedded_blocks.h"

#include <errno.h>
#include <stdlib.h>

enum { IDLE = 256 /* appends: for so long it wasn't asked for */ };

/* --- a day's blocks --- */

static int by_dataset(const void *a, const void *b)
{
	const struct day_block *x = *(const struct day_block *const *)a, *y = *(const struct day_block *const *)b;
	int order = strcmp(x->dataset, y->dataset);
	return order ? order : x->last < y->last ? -1 : x->last > y->last;
}

/* Blocks in that order, part by part. */
static void set_blocks(struct known_day *to, const struct day_block *const *blocks, size_t n)
{
	to->n_parts = 0;
	for (size_t i = 0; i < n; i++) {
		const struct day_block *b = blocks[i];
		if (!i || strcmp(b->dataset, blocks[i - 1]->dataset)) {
			struct known_part *part = &to->parts[to->n_parts++];
			memcpy(part->dataset, b->dataset, sizeof(part->dataset));
			part->from = i;
		}
		to->parts[to->n_parts - 1].to = i + 1;
		to->blocks[i] = (struct known_block){ b->number, b->first, b->last, b->first, b->size, b->filter_size };
	}
	for (size_t p = 0; p < to->n_parts; p++)
		for (size_t i = to->parts[p].to - 1; i-- > to->parts[p].from;)
			if (to->blocks[i + 1].least_first < to->blocks[i].least_first)
				to->blocks[i].least_first = to->blocks[i + 1].least_first;
}

static int load_day(struct events *s, int32_t day, struct known_day *to, struct err *err)
{
	const struct day_block *blocks = NULL;
	struct day *d;
	size_t n = 0;
	int code = embedded_day(s, day, &d, err);
	if (!code)
		code = day_blocks(d, &blocks, &n, err);
	if (code && code != -ENOENT)
		return code;
	n = code ? 0 : n;
	free(to->blocks);
	free(to->parts);
	to->blocks = calloc(n + 1, sizeof(*to->blocks));
	to->parts = calloc(n + 1, sizeof(*to->parts));
	to->valid = false;
	const struct day_block **order = calloc(n + 1, sizeof(*order));
	if (!to->blocks || !to->parts || !order) {
		free(order);
		return err_set(err, -ENOMEM, "look for known events: %m");
	}
	for (size_t i = 0; i < n; i++)
		order[i] = &blocks[i];
	if (n)
		qsort(order, n, sizeof(*order), by_dataset);
	set_blocks(to, order, n);
	free(order);
	to->day = day;
	to->valid = true;
	return 0;
}

int blocks_of_day(struct events *s, struct blocks *b, int32_t day, const struct known_day **ret, struct err *err)
{
	struct known_day *to = &b->days[0];
	for (size_t i = 0; i < BLOCKS_DAYS; i++) {
		struct known_day *at = &b->days[i];
		if (at->valid && at->day == day) {
			at->used = ++b->turn;
			*ret = at;
			return 0;
		}
		if (!at->valid ? to->valid : to->valid && at->used < to->used)
			to = at;
	}
	int code = load_day(s, day, to, err);
	if (code)
		return code;
	to->used = ++b->turn;
	*ret = to;
	return 0;
}

const struct known_part *blocks_part(const struct known_day *d, struct str dataset)
{
	size_t from = 0, to = d->n_parts;
	while (from < to) {
		size_t middle = (from + to) / 2;
		struct str name = str_from(d->parts[middle].dataset);
		int order = memcmp(name.p, dataset.p, name.n < dataset.n ? name.n : dataset.n);
		if (!order)
			order = name.n < dataset.n ? -1 : name.n > dataset.n;
		if (!order)
			return &d->parts[middle];
		if (order < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

size_t blocks_first(const struct known_day *d, const struct known_part *part, int64_t time)
{
	size_t from = part->from, to = part->to;
	while (from < to) {
		size_t middle = (from + to) / 2;
		if (d->blocks[middle].last < time)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

void blocks_forget(struct blocks *b)
{
	for (size_t i = 0; i < BLOCKS_DAYS; i++)
		b->days[i].valid = false;
}

void blocks_free(struct blocks *b)
{
	for (size_t i = 0; i < BLOCKS_DAYS; i++) {
		free(b->days[i].blocks);
		free(b->days[i].parts);
	}
}

/* --- sets of ids --- */

/* Numbers in a row stand on shelves in a row. */
static struct shelved *shelf_of(struct shelves *s, int32_t day, int64_t number)
{
	return s->at[((uint64_t)number + (uint64_t)day * 29) % SHELVES];
}

void shelves_begin(struct shelves *s, size_t may_make)
{
	s->append++;
	s->may_make = may_make;
	s->may_push = true;
}

const struct idset *shelves_get(struct shelves *s, int32_t day, int64_t number)
{
	struct shelved *shelf = shelf_of(s, day, number);
	for (size_t i = 0; i < SHELF; i++) {
		if (!shelf[i].ids || shelf[i].number != number || shelf[i].day != day)
			continue;
		shelf[i].asked = s->append;
		return shelf[i].ids;
	}
	return NULL;
}

struct shelved *shelves_room(struct shelves *s, int32_t day, int64_t number)
{
	struct shelved *shelf = shelf_of(s, day, number), *to = shelf;
	if (!s->may_make)
		return NULL;
	for (size_t i = 1; to->ids && i < SHELF; i++)
		if (!shelf[i].ids || shelf[i].asked < to->asked)
			to = &shelf[i];
	if (to->ids && s->append - to->asked <= IDLE) {
		if (!s->may_push)
			return NULL;
		s->may_push = false;
		to = &shelf[s->append % SHELF];
	}
	s->may_make--;
	return to;
}

static void drop(struct shelved *at)
{
	idset_free(at->ids);
	*at = (struct shelved){ 0 };
}

void shelves_put(struct shelves *s, struct shelved *to, int32_t day, int64_t number, struct idset *ids)
{
	if (!ids)
		return;
	drop(to);
	*to = (struct shelved){ day, number, s->append, ids };
}

void shelves_drop(struct shelves *s, int32_t day)
{
	for (size_t i = 0; i < SHELVES; i++)
		for (size_t k = 0; k < SHELF; k++)
			if (s->at[i][k].day == day)
				drop(&s->at[i][k]);
}

void shelves_free(struct shelves *s)
{
	for (size_t i = 0; i < SHELVES; i++)
		for (size_t k = 0; k < SHELF; k++)
			drop(&s->at[i][k]);
}
