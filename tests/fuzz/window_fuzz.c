/*
 * Any stream of matches into correlations: state stays inside its bound, what fires is a window that can be, and the
 * same stream gives the same matches again, whatever the random key of the hash.
 *
 * Input: type, condition, bound, timespan, inputs and chaining, lateness; then for each match three bytes: rule and
 * group, step of time, value.
 */
#include "match/window_fixture.h"

#include <stdlib.h>

enum { HEAD = 6, MEMORY = 64 << 10, MAX_MATCHES = 20000 };

#define CHECK(x)                                                                                                       \
	do {                                                                                                           \
		if (!(x))                                                                                              \
			abort();                                                                                       \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
	const struct fixture *f;
	uint64_t digest;
	uint64_t n;
};

static void mix(struct heard *h, const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h->digest = (h->digest ^ ((const uint8_t *)p)[i]) * 0x100000001b3;
}

static int hear(void *arg, const struct match *m)
{
	struct heard *h = arg;
	const struct correlation *c = &h->f->correlations[m->rule->correlation];
	CHECK(m->rule_index == c->rule);
	CHECK(m->count > 0);
	CHECK(m->first_time <= m->time && m->time - m->first_time <= c->timespan);
	CHECK(m->n_fields >= 1 && m->n_carried >= m->n_fields);
	if (c->type == CORRELATE_EVENT_COUNT)
		CHECK(m->count > c->gt && m->count >= c->gte && m->count < c->lt && m->count <= c->lte);
	h->n++;
	mix(h, &m->rule_index, sizeof(m->rule_index));
	mix(h, &m->time, sizeof(m->time));
	mix(h, &m->first_time, sizeof(m->first_time));
	mix(h, &m->count, sizeof(m->count));
	for (uint32_t i = 0; i < m->n_fields; i++)
		mix(h, m->fields[i].text.p, m->fields[i].text.n);
	return 0;
}

static void make_rules(struct fixture *f, const uint8_t *head)
{
	const uint32_t rules[] = { 0, 1, head[4] & 8 ? 0 : 2 };
	double bound = head[2] % 16;
	fixture_init(f, 3);
	uint32_t rule = fixture_correlate(f, head[0] % 7, head[3], rules, 1 + head[4] % 3, 1);
	struct correlation *c = &f->correlations[0];
	double *const bounds[] = { &c->gt, &c->gte, &c->lt, &c->lte, &c->eq, &c->neq, NULL, NULL };
	double *which = bounds[head[1] % 8];
	if (which)
		*which = bound;
	c->percentile = head[1] % 101;
	if (head[4] & 16)
		fixture_correlate(f, head[4] & 32 ? CORRELATE_TEMPORAL : CORRELATE_TEMPORAL_ORDERED, head[3] * 2,
		                  (uint32_t[]){ rule, 1 }, 2, 1);
}

static struct heard run(const struct fixture *f, const uint8_t *data, size_t size)
{
	struct window_config config = { .lateness = data[5] + 1, .max_bytes = MEMORY };
	struct heard h = { .f = f, .digest = 0xcbf29ce484222325 };
	struct fixture_match fm;
	struct windows *w;
	int64_t time = 1000;
	uint64_t fed = 0;
	CHECK(windows_new(&w, &f->rs, &config, NULL) == 0);
	for (size_t i = HEAD; i + 3 <= size && fed < MAX_MATCHES; i += 3) {
		char group[8], value[8];
		snprintf(group, sizeof(group), "%u", data[i] >> 2);
		snprintf(value, sizeof(value), "%d", (int8_t)data[i + 2]);
		time += (int8_t)data[i + 1];
		if (data[i] % 4 == 3) {
			CHECK(windows_advance(w, time, hear, &h) == 0);
		} else {
			CHECK(windows_feed(w, fixture_match(&fm, f, data[i] % 4, time, group, value), hear, &h) == 0);
			fed++;
		}
		CHECK(windows_counts(w)->bytes <= MEMORY);
	}
	CHECK(windows_flush(w, hear, &h) == 0);
	const struct window_counts *c = windows_counts(w);
	CHECK(c->late + c->no_group + c->no_value <= 2 * (fed + h.n));
	CHECK((c->groups == 0) == (c->bytes == 0));
	windows_free(w);
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fixture f;
	if (size < HEAD)
		return 0;
	make_rules(&f, data);
	struct heard once = run(&f, data, size), again = run(&f, data, size);
	CHECK(once.digest == again.digest && once.n == again.n);
	return 0;
}
