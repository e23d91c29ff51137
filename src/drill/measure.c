#include "drill/measure.h"

static unsigned class_of(uint64_t us)
{
	if (us < MEASURE_PER_OCTAVE)
		return (unsigned)us;
	const unsigned octave = 63 - (unsigned)__builtin_clzll(us) - 5; /* 2^5 a class each */
	const uint64_t c = (uint64_t)octave * MEASURE_PER_OCTAVE + (us >> octave);
	return c < MEASURE_CLASSES ? (unsigned)c : MEASURE_CLASSES - 1;
}

/* The greatest that is in it. */
static uint64_t class_top(unsigned c)
{
	if (c < 2 * MEASURE_PER_OCTAVE)
		return c;
	const unsigned octave = c / MEASURE_PER_OCTAVE - 1;
	return ((uint64_t)(c - octave * MEASURE_PER_OCTAVE + 1) << octave) - 1;
}

void drill_measure_add(struct measure *m, double seconds)
{
	const uint64_t us = seconds <= 0 ? 0 : seconds > 1e9 ? 1000000000000000U : (uint64_t)(seconds * 1e6);
	m->n++;
	m->in[class_of(us)]++;
	if (us > m->max_us)
		m->max_us = us;
}

void drill_measure_merge(struct measure *to, const struct measure *from)
{
	to->n += from->n;
	if (from->max_us > to->max_us)
		to->max_us = from->max_us;
	for (unsigned c = 0; c < MEASURE_CLASSES; c++)
		to->in[c] += from->in[c];
}

double drill_measure_max_ms(const struct measure *m)
{
	return (double)m->max_us / 1e3;
}

double drill_measure_ms(const struct measure *m, double share)
{
	uint64_t below = 0;
	for (unsigned c = 0; c + 1 < MEASURE_CLASSES; c++) {
		below += m->in[c];
		if (below && (double)below >= share * (double)m->n)
			return class_top(c) < m->max_us ? (double)class_top(c) / 1e3 : drill_measure_max_ms(m);
	}
	return drill_measure_max_ms(m);
}

void drill_result_add(struct drill_result *to, const struct drill_result *from)
{
	/* all before the measures are sums, but for the time */
	const uint64_t *f = &from->sent;
	uint64_t *t = &to->sent;
	while (f != &from->requests.n)
		*t++ += *f++;
	if (from->seconds > to->seconds)
		to->seconds = from->seconds;
	drill_measure_merge(&to->requests, &from->requests);
	drill_measure_merge(&to->journeys, &from->journeys);
}

void drill_result_status(struct drill_result *r, int status)
{
	r->answered++;
	if (status >= 100 && status < 600)
		r->by_status[status / 100]++;
	r->denied += status == 429;
	r->forbidden += status == 403;
	r->unavailable += status == 503;
	r->failed += status == 502 || status == 504;
}
