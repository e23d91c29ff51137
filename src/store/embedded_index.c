#include "store/embedded_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

struct pending *pending_new(uint64_t segment, int64_t now)
{
	struct pending *p = calloc(1, sizeof(*p));
	if (p) {
		p->segment = segment;
		p->born = now;
	}
	return p;
}

void pending_free(struct pending *p)
{
	if (!p)
		return;
	free(p->rows);
	free(p->slots);
	free(p->datasets);
	free(p->dataset_slots);
	free(p->sealed);
	free(p);
}

static void put_slot(struct pending *p, uint32_t row)
{
	size_t mask = p->n_slots - 1, at = p->rows[row].id & mask;
	while (p->slots[at])
		at = (at + 1) & mask;
	p->slots[at] = row + 1;
}

/* Slots for twice the ids there are. */
static int grow_slots(struct pending *p)
{
	size_t n = p->n_slots ? 2 * p->n_slots : 1024;
	uint32_t *slots = calloc(n, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(p->slots);
	p->slots = slots;
	p->n_slots = n;
	for (size_t i = 0; i < p->n; i++)
		if (p->rows[i].id)
			put_slot(p, (uint32_t)i);
	return 0;
}

static uint32_t *dataset_slot(const struct pending *p, struct str name)
{
	uint32_t mask = p->n_dataset_slots - 1, at = (uint32_t)XXH3_64bits(name.p, name.n) & mask;
	while (p->dataset_slots[at] && !str_eq(str_from(p->datasets[p->dataset_slots[at] - 1]), name))
		at = (at + 1) & mask;
	return &p->dataset_slots[at];
}

static int grow_datasets(struct pending *p)
{
	uint32_t n = p->cap_datasets ? 2 * p->cap_datasets : 16;
	void *names = realloc(p->datasets, n * sizeof(*p->datasets));
	if (!names)
		return -ENOMEM;
	p->datasets = names;
	uint32_t *slots = calloc(2 * n, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(p->dataset_slots);
	p->dataset_slots = slots;
	p->n_dataset_slots = 2 * n;
	p->cap_datasets = n;
	for (uint32_t i = 0; i < p->n_datasets; i++)
		*dataset_slot(p, str_from(p->datasets[i])) = i + 1;
	return 0;
}

/* The number of a dataset in the segment's list. */
static int dataset_number(struct pending *p, struct str name, uint32_t *ret)
{
	if (p->n && str_eq(str_from(p->datasets[p->rows[p->n - 1].dataset]), name)) {
		*ret = p->rows[p->n - 1].dataset;
		return 0;
	}
	int code = p->n_datasets == p->cap_datasets ? grow_datasets(p) : 0;
	if (code)
		return code;
	uint32_t *slot = dataset_slot(p, name);
	if (!*slot) {
		char *to = p->datasets[p->n_datasets];
		memcpy(to, name.p, name.n);
		to[name.n] = '\0';
		*slot = ++p->n_datasets;
	}
	*ret = *slot - 1;
	return 0;
}

int pending_add(struct pending *p, uint64_t seq, uint32_t at, const struct event_row *row, uint64_t id)
{
	uint32_t dataset;
	int code = dataset_number(p, row->dataset, &dataset);
	if (!code && id && 2 * (p->n_ids + 1) > p->n_slots)
		code = grow_slots(p);
	if (!code && p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 1024;
		void *rows = realloc(p->rows, cap * sizeof(*p->rows));
		if (!rows)
			return -ENOMEM;
		p->rows = rows;
		p->cap = cap;
	}
	if (code)
		return code;
	p->rows[p->n++] = (struct pending_row){
		.time = row->time,
		.id = id,
		.at = at,
		.number = (uint32_t)(seq - p->segment),
		.dataset = dataset,
		.size = (uint32_t)row->json.n,
	};
	if (id) {
		p->n_ids++;
		put_slot(p, (uint32_t)(p->n - 1));
	}
	return 0;
}

void pending_cut(struct pending *p, uint64_t seq)
{
	while (p->n && p->segment + p->rows[p->n - 1].number >= seq)
		p->n--;
	p->n_ids = 0;
	if (p->n_slots)
		memset(p->slots, 0, p->n_slots * sizeof(*p->slots));
	for (size_t i = 0; i < p->n; i++) {
		if (!p->rows[i].id)
			continue;
		p->n_ids++;
		put_slot(p, (uint32_t)i);
	}
}

const struct pending_row *pending_find(const struct pending *p, uint64_t id, size_t *at)
{
	if (!p->n_slots)
		return NULL;
	size_t mask = p->n_slots - 1;
	for (;; ++*at) {
		uint32_t slot = p->slots[(id + *at) & mask];
		if (!slot)
			return NULL;
		if (p->rows[slot - 1].id != id)
			continue;
		++*at;
		return &p->rows[slot - 1];
	}
}

bool pending_is_sealed(const struct pending *p, int32_t day)
{
	for (size_t i = 0; i < p->n_sealed; i++)
		if (p->sealed[i] == day)
			return true;
	return false;
}

int pending_note_sealed(struct pending *p, int32_t day)
{
	if (p->n_sealed == p->cap_sealed) {
		size_t cap = p->cap_sealed ? 2 * p->cap_sealed : 16;
		int32_t *more = realloc(p->sealed, cap * sizeof(*more));
		if (!more)
			return -ENOMEM;
		p->sealed = more;
		p->cap_sealed = cap;
	}
	p->sealed[p->n_sealed++] = day;
	return 0;
}
