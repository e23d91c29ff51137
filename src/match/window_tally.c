#include "match/window_tally.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

size_t tally_inputs_size(const struct correlation *def)
{
	bool wanted = def->type == CORRELATE_TEMPORAL || def->type == CORRELATE_TEMPORAL_ORDERED;
	return wanted ? def->inputs.n * sizeof(int64_t) : 0;
}

void tally_restart(struct tally *t)
{
	for (uint32_t i = 0; i < t->def->inputs.n; i++)
		t->inputs[i] = INT64_MIN;
}

void tally_clear(struct tally *t)
{
	t->n = 0;
	t->kinds = 0;
	t->left = 0;
	switch (t->def->type) {
	case CORRELATE_VALUE_COUNT:
		if (t->slots)
			memset(t->slots, 0, t->n_slots * sizeof(*t->slots));
		break;
	case CORRELATE_VALUE_PERCENTILE: t->n_sorted = 0; break;
	case CORRELATE_VALUE_SUM:
	case CORRELATE_VALUE_AVG: t->sum = t->low = 0; break;
	case CORRELATE_TEMPORAL: memset(t->inputs, 0, tally_inputs_size(t->def)); break;
	}
}

void tally_init(struct tally *t, const struct correlation *def, int64_t *inputs, const uint32_t *same)
{
	*t = (struct tally){ .def = def };
	if (tally_inputs_size(def))
		t->inputs = inputs;
	tally_clear(t);
	if (def->type == CORRELATE_TEMPORAL_ORDERED) {
		t->same = same;
		tally_restart(t);
	}
}

void tally_done(struct tally *t, struct mem *mem, size_t *account)
{
	if (t->def->type == CORRELATE_VALUE_COUNT)
		mem_put(mem, account, t->slots, t->n_slots * sizeof(*t->slots));
	if (t->def->type == CORRELATE_VALUE_PERCENTILE)
		mem_put(mem, account, t->sorted, t->cap_sorted * sizeof(*t->sorted));
}

/* The slot of a value, or the free one where it would go. Never full: see grow_slots(). */
static struct tally_slot *slot_of(struct tally_slot *slots, uint32_t n_slots, uint64_t hash)
{
	uint32_t i = (uint32_t)hash & (n_slots - 1);
	while (slots[i].hash && slots[i].hash != hash)
		i = (i + 1) & (n_slots - 1);
	return &slots[i];
}

static int grow_slots(struct tally *t, struct mem *mem, size_t *account)
{
	uint32_t n = t->n_slots ? t->n_slots * 2 : 8;
	struct tally_slot *slots = mem_get(mem, account, n * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots, 0, n * sizeof(*slots));
	for (uint32_t i = 0; i < t->n_slots; i++) {
		if (t->slots[i].hash)
			*slot_of(slots, n, t->slots[i].hash) = t->slots[i];
	}
	mem_put(mem, account, t->slots, t->n_slots * sizeof(*slots));
	t->slots = slots;
	t->n_slots = n;
	return 0;
}

static int add_value(struct tally *t, struct mem *mem, size_t *account, const struct moment *m)
{
	if (t->kinds + 1 > t->n_slots / 4 * 3 && grow_slots(t, mem, account))
		return -ENOMEM;
	struct tally_slot *s = slot_of(t->slots, t->n_slots, m->hash);
	if (!s->hash) {
		s->hash = m->hash;
		t->kinds++;
	}
	s->n += m->n;
	return 0;
}

static void remove_value(struct tally *t, const struct moment *m)
{
	struct tally_slot *s = slot_of(t->slots, t->n_slots, m->hash);
	s->n -= m->n;
	if (s->n)
		return;
	t->kinds--;
	/* Close the gap, so that a search never ends too early. */
	uint32_t mask = t->n_slots - 1, gap = (uint32_t)(s - t->slots);
	for (uint32_t i = (gap + 1) & mask; t->slots[i].hash; i = (i + 1) & mask) {
		uint32_t home = (uint32_t)t->slots[i].hash & mask;
		if (((i - home) & mask) >= ((i - gap) & mask)) {
			t->slots[gap] = t->slots[i];
			gap = i;
		}
	}
	t->slots[gap] = (struct tally_slot){ 0 };
}

/* Where x stands, or would, among the sorted. */
static uint32_t rank_of(const struct tally *t, double x)
{
	uint32_t lo = 0, hi = t->n_sorted;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (t->sorted[mid] < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* An array is moved by memmove faster than a tree is walked, up to the few thousand values that a group may hold. */
static int add_sorted(struct tally *t, struct mem *mem, size_t *account, double x)
{
	if (t->n_sorted == t->cap_sorted) {
		uint32_t cap = t->cap_sorted ? t->cap_sorted * 2 : 8;
		double *sorted = mem_get(mem, account, cap * sizeof(*sorted));
		if (!sorted)
			return -ENOMEM;
		if (t->n_sorted)
			memcpy(sorted, t->sorted, t->n_sorted * sizeof(*sorted));
		mem_put(mem, account, t->sorted, t->cap_sorted * sizeof(*sorted));
		t->sorted = sorted;
		t->cap_sorted = cap;
	}
	uint32_t at = rank_of(t, x);
	memmove(&t->sorted[at + 1], &t->sorted[at], (t->n_sorted - at) * sizeof(x));
	t->sorted[at] = x;
	t->n_sorted++;
	return 0;
}

static void remove_sorted(struct tally *t, double x)
{
	uint32_t at = rank_of(t, x);
	t->n_sorted--;
	memmove(&t->sorted[at], &t->sorted[at + 1], (t->n_sorted - at) * sizeof(x));
}

/* Neumaier's sum: `low` collects what rounding cuts off. */
static void add_number(struct tally *t, double x)
{
	double sum = t->sum + x;
	t->low += fabs(t->sum) >= fabs(x) ? (t->sum - sum) + x : (x - sum) + t->sum;
	t->sum = sum;
}

int tally_add(struct tally *t, struct mem *mem, size_t *account, const struct moment *m)
{
	int r = 0;
	switch (t->def->type) {
	case CORRELATE_VALUE_COUNT: r = add_value(t, mem, account, m); break;
	case CORRELATE_VALUE_PERCENTILE: r = add_sorted(t, mem, account, m->number); break;
	case CORRELATE_VALUE_SUM:
	case CORRELATE_VALUE_AVG: add_number(t, m->number); break;
	case CORRELATE_TEMPORAL:
		t->kinds += t->inputs[m->input] == 0;
		t->inputs[m->input] += m->n;
		break;
	}
	if (!r)
		t->n += m->n;
	return r;
}

void tally_remove(struct tally *t, const struct moment *m)
{
	t->n -= m->n;
	switch (t->def->type) {
	case CORRELATE_VALUE_COUNT: remove_value(t, m); break;
	case CORRELATE_VALUE_PERCENTILE: remove_sorted(t, m->number); break;
	case CORRELATE_VALUE_SUM:
	case CORRELATE_VALUE_AVG:
		add_number(t, -m->number);
		t->left++;
		break;
	case CORRELATE_TEMPORAL:
		t->inputs[m->input] -= m->n;
		t->kinds -= t->inputs[m->input] == 0;
		break;
	}
}

bool tally_holds(const struct tally *t, const struct moment *m)
{
	if (t->def->type == CORRELATE_TEMPORAL)
		return t->inputs[m->input] > 0;
	return t->n_slots && slot_of(t->slots, t->n_slots, m->hash)->hash;
}

void tally_follow(struct tally *t, const struct moment *m)
{
	/* Of all chains, the one that began last stays in the window longest: no other needs to be known. From the last
	 * input to the first, as one match takes no two places in a chain. */
	for (uint64_t i = m->input; i != NO_INDEX; i = t->same[i]) {
		int64_t began = i ? t->inputs[i - 1] : m->time;
		if (began > t->inputs[i])
			t->inputs[i] = began;
	}
}

/* Between the two values nearest to the rank, by linear interpolation. */
static double percentile(const struct tally *t)
{
	if (!t->n_sorted)
		return 0;
	double rank = fmin(fmax(t->def->percentile, 0), 100) / 100 * (t->n_sorted - 1);
	uint32_t below = (uint32_t)rank;
	double part = rank - below;
	if (part == 0)
		return t->sorted[below];
	return t->sorted[below] * (1 - part) + t->sorted[below + 1] * part;
}

/* How many inputs have been seen in order, from the first on. */
static double followed(const struct tally *t, int64_t from)
{
	uint32_t n = 0;
	while (n < t->def->inputs.n && t->inputs[n] != INT64_MIN && t->inputs[n] >= from)
		n++;
	return n;
}

double tally_result(const struct tally *t, int64_t from)
{
	switch (t->def->type) {
	case CORRELATE_VALUE_COUNT:
	case CORRELATE_TEMPORAL: return t->kinds;
	case CORRELATE_TEMPORAL_ORDERED: return followed(t, from);
	case CORRELATE_VALUE_SUM: return t->sum + t->low;
	case CORRELATE_VALUE_AVG: return t->n ? (t->sum + t->low) / (double)t->n : 0;
	case CORRELATE_VALUE_PERCENTILE: return percentile(t);
	}
	return (double)t->n;
}
