/*
 * How hard it is for the site now, and how strict that makes the gate. One number, 1: what it can just bear, is the worst of
 *
 *   latency   answers, each against what its own kind takes at rest (20 ms at least): three times that is 1
 *   errors    share of answers that failed, above what is usual: a fifth is 1
 *   busy      requests at the upstream, against those there would be at three times normal latency (Little's law): what hangs, and
 *             therefore hasn't answered yet, shows here
 *   lag       this gate's own timers: 100 ms is 1
 *   gate      how much of its time the busiest of this gate's processes had something to do: nineteen twentieths is 1. Behind the
 *             verdict stands a WAF, which may cost more than the site
 *
 * Four levers, each with a mark of its own, so that strangers feel it first, and people with a pass last and never below a
 * floor: FLOOR_SHARE and what follows from the sketch's tau, a burst of thirty requests.
 */
#include "flood/inside.h"

#include <math.h>

#define TICK_US       100000
#define SLOW_IS       3.0 /* times normal */
#define FAILED_IS     0.2
#define OPEN_FREE     32.0 /* so many at the upstream at once are no pressure yet */
#define LAG_IS_MS     100.0
#define GATE_FREE     0.5
#define GATE_IS       0.95
#define FAILED_FEW    20.0 /* fewer of late say nothing yet: a page that is broken, a site that is being restarted */
#define STRANGER_MIN  1e-6
#define STRANGER_FEW  0.01 /* no more of strangers: only then others are asked to wait */
#define START_SHARE   5.0
#define FLOOR_SHARE   1.0 /* requests a second; a patient never needs more for long */
#define FLOOR_NEW     1.0 /* new people a second from one address */
#define FLOOR_FRESH   0.25
#define USUAL_SHARE   2.0 /* strangers keep that much while the crowd is this hour's own */
#define USUAL_TIMES   2.0
#define GRACE_US      180000000
#define FEW_DENIED    0.05
#define KNOWN_REST_S  600.0
#define BOUNDED_US    250e3
#define NORMAL_MAX_US 4e6

/* What is left of a weight after some seconds. */
static double left(double seconds, double tau)
{
	return exp(-seconds / tau);
}

void flood_sums(const struct flood *f, struct slot *ret)
{
	*ret = (struct slot){ 0 };
	uint64_t *to = (uint64_t *)ret;
	for (unsigned i = 0; i < FLOOD_WORKERS; i++) {
		const uint64_t *from = (const uint64_t *)&f->slots[i];
		for (size_t j = 0; j < sizeof(*ret) / sizeof(*to); j++)
			to[j] += GET(from[j]); /* all of a slot are 64 bits */
	}
}

static void measure_latency(struct flood *f, const struct slot *d, double keep)
{
	struct ticker *t = &f->t;
	t->n_known = t->n_known * keep + (double)d->known_n;
	t->x_known = t->x_known * keep + (double)d->known_x / 1024;
	t->n_new = t->n_new * keep + (double)d->new_n;
	t->x_new = t->x_new * keep + (double)d->new_x / 1024;
	t->work = t->work * keep + (double)d->work_us;
	/* Kinds that are known say whether the site is slow; where all that comes is new to it, those must do. */
	bool known = t->n_known * 10 >= t->n_new;
	double n = known ? t->n_known : t->n_new, x = known ? t->x_known : t->x_new;
	put_double(&f->c.latency, (x + 10 * 0.3) / (n + 10)); /* ten imagined quick ones: one slow page is no flood */
	if (d->reached) {
		double took = (double)d->took_us / (double)d->reached, was = get_double(&f->c.took_us);
		put_double(&f->c.took_us, was > 0 ? took + (was - took) * keep : took);
	}
	double normal = get_double(&f->c.normal_us);
	if (d->normal_n) {
		double mean = (double)d->normal_us / (double)d->normal_n;
		t->normal_n += (double)d->normal_n;
		double weight = (double)d->normal_n / fmin(t->normal_n, fmax(1000, 600 * get_double(&f->c.rate)));
		t->normal_mean += (mean - t->normal_mean) * fmin(1, weight);
		normal = t->normal_n >= 64 ? fmin(t->normal_mean, NORMAL_MAX_US) : normal;
		put_double(&f->c.normal_us, normal);
	}
}

static double measure(struct flood *f, const struct slot *d, const struct slot *sum, double seconds)
{
	struct ticker *t = &f->t;
	struct control *c = &f->c;
	double keep = left(seconds, 1);
	measure_latency(f, d, left(seconds, 0.5));
	t->n_reached = t->n_reached * keep + (double)d->reached;
	t->n_failed = t->n_failed * keep + (double)d->failed;
	double failed = t->n_failed / (t->n_reached + 10);
	if (d->reached)
		t->normal_failed += (failed - t->normal_failed) * (1 - left(seconds, 600));
	put_double(&c->errors, failed);
	put_double(&c->rate, (double)d->asked / seconds + (get_double(&c->rate) - (double)d->asked / seconds) * keep);
	put_double(&c->admitted,
	           (double)d->admitted / seconds + (get_double(&c->admitted) - (double)d->admitted / seconds) * keep);
	put_double(&c->noise, 2 * (double)TAU_S * fmax(0, get_double(&c->rate) - get_double(&c->admitted)) / f->cells);
	double busy = (double)__atomic_exchange_n(&f->busy, 0, __ATOMIC_RELAXED) / 1024;
	put_double(&c->gate_busy, busy + (get_double(&c->gate_busy) - busy) * keep);
	double lag = (double)__atomic_exchange_n(&f->lag_us, 0, __ATOMIC_RELAXED) / 1000;
	put_double(&c->lag_ms, lag + (get_double(&c->lag_ms) - lag) * keep);

	/* work fades with half a second: twice that is what is asked for in one second, in us; by 1e6: requests at once */
	double open = fmax(0, (double)(sum->open - (int64_t)sum->waiting));
	put_double(&c->bear, fmax(OPEN_FREE + SLOW_IS * 2 * t->work / 1e6, 2 * t->open_normal));
	put_double(&c->busy, open / get_double(&c->bear));
	/* Late answers of an upstream with hardly anything to do are the last of what is over, or its own matter. */
	t->open = open + (t->open - open) * left(seconds, 0.3);
	double latency = get_double(&c->latency) / SLOW_IS * fmin(1, 4 * fmax(t->open, open) / get_double(&c->bear));
	/* What stays open for long, such as a web socket: learned slowly, as no flood comes. */
	if (latency < 0.5 && get_double(&c->pressure) < 0.7)
		t->open_normal += (open - t->open_normal) * (1 - left(seconds, open > t->open_normal ? 5 : 600));
	double errors = (failed - t->normal_failed) / FAILED_IS * fmin(1, t->n_failed / FAILED_FEW);
	put_double(&c->upstream, fmax(fmax(latency, errors), get_double(&c->busy)));
	double gate = (get_double(&c->gate_busy) - GATE_FREE) / (GATE_IS - GATE_FREE);
	return fmax(fmax(get_double(&c->upstream), get_double(&c->lag_ms) / LAG_IS_MS), gate);
}

/* --- levers --- */

static void lever_falls(double *lever, double start, double factor, double floor)
{
	double was = get_double(lever);
	put_double(lever, isinf(was) ? start : fmax(floor, was * factor));
}

static void lever_rises(double *lever, double factor, double end)
{
	double was = get_double(lever) * factor;
	put_double(lever, was > end ? INFINITY : was);
}

/* Is the crowd the one that comes in this hour anyway? It isn't an attack, be the site slow or not; but not for ever. */
static bool usual_crowd(struct flood *f, int64_t now_us)
{
	struct control *c = &f->c;
	if (f->without & FLOOD_WITHOUT_HOUR || get_double(&c->expected) <= 0 ||
	    get_double(&c->rate) > USUAL_TIMES * get_double(&c->expected))
		return false;
	if (get_double(&c->pressure) < 1.5 || GET(c->grace_us) == 0)
		PUT(c->grace_us, now_us + GRACE_US);
	return now_us < GET(c->grace_us);
}

/*
 * Down at once, up slowly: a share that rises lets everybody in who had used his up, all at the same moment; and the less room there is, the
 * slower. While it drains, it is enough, be the answers that come now as late as they are.
 */
static void steer(struct flood *f, bool drains)
{
	struct control *c = &f->c;
	double p = get_double(&c->pressure), up = get_double(&c->upstream), start = get_double(&c->start);
	double stranger = get_double(&c->stranger);
	if (p > 0.6 && !drains)
		lever_falls(&c->stranger, start, fmax(0.2, 1 / (1 + 2 * (p - 0.6))),
		            GET(c->usual) ? USUAL_SHARE : STRANGER_MIN);
	else if (p < 0.4)
		lever_rises(&c->stranger,
		            1 + (stranger < STRANGER_FEW ? 0.06
		                 : stranger < start      ? 0.03
		                                         : 0.006) *
		                            (0.4 - p),
		            INFINITY);
	if (up > 1 && stranger <= STRANGER_FEW) {
		lever_falls(&c->newcomers, 50, 0.9, FLOOR_NEW);
		lever_falls(&c->share, START_SHARE, 0.9, FLOOR_SHARE);
		if (get_double(&c->share) <= FLOOR_SHARE && up > 1.2)
			put_double(&c->fresh, fmax(FLOOR_FRESH, get_double(&c->fresh) * 0.99));
	} else if (up < 0.7) {
		lever_rises(&c->newcomers, 1 + 0.03 * (0.7 - up), 200);
		lever_rises(&c->share, 1 + 0.01 * (0.7 - up), 4 * START_SHARE);
		put_double(&c->fresh, fmin(1, get_double(&c->fresh) * (1 + 0.008 * (0.7 - up))));
	}
}

static void change(struct flood *f, struct flood_time t, enum flood_event_kind kind)
{
	flood_event_put(f, &(struct flood_event){ .kind = kind,
	                                          .wall_us = t.wall_s * 1000000,
	                                          .pressure = (float)get_double(&f->c.pressure),
	                                          .share = (float)get_double(&f->c.share) });
}

static void decide(struct flood *f, struct flood_time t, bool drains)
{
	struct control *c = &f->c;
	double p = get_double(&c->pressure);
	if (GET(c->strict_us) == 0) {
		PUT(c->over, p > 2 ? 2 : p > 1 ? GET(c->over) + 1 : 0);
		if (GET(c->over) < 2)
			return;
		put_double(&c->start, fmin(fmax(get_double(&c->admitted) / 4, 20), 1000));
		put_double(&c->stranger, get_double(&c->start));
		PUT(c->strict_s, t.wall_s);
		PUT(c->strict_us, t.now_us);
		PUT(c->grace_us, 0);
		change(f, t, FLOOD_EVENT_STRICT);
	}
	steer(f, drains);
	/* As long as a flood stands before the door, the door isn't opened to see whether it still stands there. */
	if (get_double(&c->stranger) < get_double(&c->start) || p > 0.7 ||
	    get_double(&c->rate) - get_double(&c->admitted) > fmax(1, FEW_DENIED * get_double(&c->rate)))
		return;
	put_double(&c->stranger, INFINITY);
	put_double(&c->share, INFINITY);
	put_double(&c->newcomers, INFINITY);
	put_double(&c->fresh, 1);
	PUT(c->over, 0);
	PUT(c->strict_us, 0);
	change(f, t, FLOOD_EVENT_CALM);
}

static void worst_of(uint32_t *worst, uint32_t n)
{
	uint32_t was = GET(*worst);
	while (n > was && !__atomic_compare_exchange_n(worst, &was, n, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

void flood_tick(const struct flood_worker *w, struct flood_time t, const struct flood_load *load)
{
	struct flood *f = w->f;
	worst_of(&f->lag_us, load->lag_us);
	worst_of(&f->busy, (uint32_t)(fminf(fmaxf(load->busy, 0), 1) * 1024));
	PUT(f->slots[w->slot % FLOOD_WORKERS].waiting, load->waiting);
	/* One of all wins each tick. If it dies in it, the next one goes on from what is there: figures half a tick old. */
	int64_t next = GET(f->next_tick);
	if (t.now_us < next && next - t.now_us < 10 * TICK_US)
		return;
	if (!__atomic_compare_exchange_n(&f->next_tick, &next, t.now_us + TICK_US * 9 / 10, false, __ATOMIC_RELAXED,
	                                 __ATOMIC_RELAXED))
		return;
	double seconds = fmin(fmax((double)(t.now_us - f->t.last_us) * 1e-6, 0.01), 1);
	struct slot sum, d;
	flood_sums(f, &sum);
	const uint64_t *now = (const uint64_t *)&sum, *then = (const uint64_t *)&f->t.before;
	for (size_t i = 0; i < sizeof(d) / sizeof(*now); i++)
		((uint64_t *)&d)[i] = now[i] - then[i];
	f->t.before = sum;
	f->t.last_us = t.now_us;
	PUT(f->t.last_wall_us, t.wall_s * 1000000);
	put_double(&f->c.pressure, measure(f, &d, &sum, seconds));
	PUT(f->c.usual, usual_crowd(f, t.now_us));
	/* Fewer are let in than are done: what waits at the upstream becomes fewer. */
	double keep = left(seconds, 0.3);
	f->t.n_in = f->t.n_in * keep + (double)d.admitted;
	f->t.n_out = f->t.n_out * keep + (double)d.done;
	decide(f, t, f->t.n_in < 0.8 * f->t.n_out);
	bool rest = GET(f->c.strict_us) == 0 && get_double(&f->c.pressure) < 0.7;
	if (rest && d.reached)
		f->t.rest_s += seconds;
	put_double(&f->c.bounded_us, f->t.rest_s < KNOWN_REST_S ? BOUNDED_US : NORMAL_MAX_US);
	flood_tint_tick(f, t.now_us, rest);
	flood_hour_tick(f, t, seconds, rest);
	flood_offender_tick(f, t);
}
