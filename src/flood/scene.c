/* See scene.h. Linked into tests only. */
#include "flood/scene.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { NONE = UINT32_MAX, PATIENCE_US = 30000000 };
enum event_kind { EVENT_START, EVENT_DONE, EVENT_PERSON };

struct scene_one {
	char pass[PASS_TEXT + 1];
	int64_t since_us, asked_us, usable_us;
	uint32_t step;
	bool there, turned;
};

struct scene_event {
	struct flood_ticket ticket;
	struct flood_outcome outcome;
	const struct scene_page *page;
	struct scene_crowd *crowd; /* NULL: nobody waits for it */
	uint32_t who, next;
	uint8_t kind;
};

const struct scene_page scene_booking[6] = {
	{ .path = "/", .ms = 20 },
	{ .path = "/doctors", .ms = 40 },
	{ .path = "/s/3/2026-11-25", .ms = 60 },
	{ .path = "/book", .ms = 80, .status = 302, .post = true },
	{ .path = "/pay", .ms = 60 },
	{ .path = "/done", .ms = 20 },
};
const struct scene_page scene_hit[2] = { { .path = "/", .ms = 20 }, { .path = "/doctors", .ms = 40 } };

uint64_t scene_random(struct scene *s)
{
	uint64_t z = s->rng += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static double chance(struct scene *s)
{
	return (double)(scene_random(s) >> 11) / (double)(1ull << 53);
}

struct scene *scene_open(const struct flood_limits *limits, unsigned servers, unsigned queue)
{
	static const uint8_t seed[16] = "a seed for tests";
	struct scene *s = calloc(1, sizeof(*s));
	void *mem = NULL;
	assert(s && posix_memalign(&mem, 64, flood_size(limits)) == 0);
	memset(mem, 0, flood_size(limits));
	int rc = flood_init(&s->f, mem, limits, seed);
	assert(rc == 0);
	(void)rc;
	s->w = (struct flood_worker){ .f = s->f, .now = { .there = true, .bytes = { 7 } } };
	flood_worker_begins(&s->w);
	s->t = (struct flood_time){ .now_us = 5000000000, .wall_s = 1795388400, .zone_s = 7 * 3600 };
	s->begin_us = s->t.now_us;
	s->rng = 20261122;
	s->servers = servers, s->queue = queue, s->slower = 1;
	s->free_at = calloc(servers, sizeof(*s->free_at));
	s->events = calloc(SCENE_EVENTS, sizeof(*s->events));
	assert(s->free_at && s->events);
	for (uint32_t i = 0; i < SCENE_EVENTS; i++)
		s->events[i].next = i + 1 < SCENE_EVENTS ? i + 1 : NONE;
	memset(s->wheel, 0xff, sizeof(s->wheel));
	return s;
}

void scene_close(struct scene *s)
{
	for (unsigned i = 0; i < s->n_crowds; i++)
		free(s->crowds[i].ones);
	free(s->f);
	free(s->free_at);
	free(s->events);
	free(s);
}

static struct flood_addr where(const struct scene_crowd *c, uint32_t i)
{
	struct flood_addr a = { { [10] = 0xff, [11] = 0xff } };
	uint32_t v4 = c->base + (c->where == WHERE_V4_24 ? i << 8 : c->where == WHERE_ONE ? 0 : i);
	if (c->where == WHERE_V6_64 || c->where == WHERE_V6) {
		memset(&a, 0, sizeof(a));
		a.b[0] = 0x20, a.b[1] = 0x01, a.b[2] = 0x0d, a.b[3] = 0xb8;
		unsigned at = c->where == WHERE_V6_64 ? 6 : 12;
		a.b[at] = (uint8_t)(i >> 8), a.b[at + 1] = (uint8_t)i;
		return a;
	}
	for (unsigned b = 0; b < 4; b++)
		a.b[12 + b] = (uint8_t)(v4 >> (24 - 8 * b));
	return a;
}

static struct scene_event *put(struct scene *s, int64_t in_us, enum event_kind kind)
{
	uint32_t at = s->unused, ms = (uint32_t)(in_us / 1000);
	if (at == NONE)
		return NULL;
	struct scene_event *e = &s->events[at];
	s->unused = e->next;
	ms = ms < 1 ? 1 : ms < SCENE_WHEEL ? ms : SCENE_WHEEL - 1;
	uint32_t *slot = &s->wheel[(uint64_t)(s->t.now_us / 1000 + ms) % SCENE_WHEEL];
	*e = (struct scene_event){ .next = *slot, .kind = (uint8_t)kind };
	*slot = at;
	return e;
}

static bool keeps_nothing(const struct scene_crowd *c)
{
	return !c->steps && (c->cookie == COOKIE_NONE || c->cookie == COOKIE_SHARED);
}

static struct scene_one *one_of(const struct scene_crowd *c, uint32_t who)
{
	return &c->ones[keeps_nothing(c) ? 0 : who];
}

struct scene_crowd *scene_add(struct scene *s, const struct scene_crowd *c)
{
	assert(s->n_crowds < SCENE_CROWDS);
	struct scene_crowd *to = &s->crowds[s->n_crowds++];
	*to = *c;
	double now_s = (double)(s->t.now_us - s->begin_us) / 1e6;
	to->from_s += now_s;
	to->until_s = c->until_s > 0 ? c->until_s + now_s : 1e12;
	uint32_t n = keeps_nothing(c) ? 1 : c->n;
	to->ones = calloc(n, sizeof(*to->ones));
	assert(to->ones);
	return to;
}

/* A person's next page, in so long. */
static void comes(struct scene *s, struct scene_crowd *c, uint32_t who, int64_t in_us)
{
	struct scene_event *e = put(s, in_us, EVENT_PERSON);
	if (!e)
		return;
	e->crowd = c;
	e->who = who;
}

/* The first server that is free works on it: when it will be done is known now. */
static void starts(struct scene *s, const struct scene_page *page, struct scene_crowd *c, uint32_t who,
                   const struct flood_ticket *ticket)
{
	unsigned first = 0;
	for (unsigned i = 1; i < s->servers && s->free_at[first] > s->t.now_us; i++)
		first = s->free_at[i] < s->free_at[first] ? i : first;
	int64_t now = s->t.now_us, begin = s->free_at[first] > now ? s->free_at[first] : now;
	int64_t work = (int64_t)(page->ms * 1000 * s->slower * (0.5 + chance(s)));
	bool full = page->ms > 0 && (double)(begin - now) * s->servers > (double)s->queue * page->ms * 1000;
	if (full || page->ms <= 0)
		begin = now, work = full ? 1000 : 0;
	else
		s->free_at[first] = begin + work, s->work_us += (uint64_t)work;
	struct scene_event *e = put(s, begin + work - now, EVENT_DONE);
	s->failed += full;
	if (!e)
		return;
	e->ticket = *ticket;
	e->page = page, e->crowd = c, e->who = who;
	e->outcome = (struct flood_outcome){ .status = full           ? 502
		                                       : page->status ? page->status
		                                                      : 200,
		                             .reached = page->ms > 0,
		                             .failed = full,
		                             .upstream_us = (uint32_t)(begin + work - now) };
}

static enum flood_verdict asks(struct scene *s, struct scene_crowd *c, uint32_t who, const struct scene_page *page,
                               bool document, struct flood_answer *a)
{
	struct scene_one *one = one_of(c, who);
	bool shows = c->cookie != COOKIE_NONE && one->pass[0] && s->t.now_us >= one->usable_us;
	struct flood_request r = {
		.from = where(c, who),
		.hello = c->hello,
		.browser = c->browser + (c->steps && !c->alike ? who : 0),
		.path = flood_path(s->f, page->post ? STR("POST") : STR("GET"), str_from(page->path)),
		.pass = shows ? str_from(one->pass) : (struct str){ 0 },
		.safe = !page->post,
		.page = document && !c->api,
	};
	flood_ask(&s->w, &r, s->t, scene_random(s), a);
	c->asked++;
	c->verdicts[a->verdict]++;
	c->reasons[a->reason]++;
	if (shows && c->cookie == COOKIE_THROWS)
		one->pass[0] = '\0';
	if (a->gives && (c->cookie != COOKIE_SHARED || !one->pass[0] || c->steps)) {
		memcpy(one->pass, a->pass, sizeof(one->pass));
		one->usable_us = s->t.now_us + (a->verdict == FLOOD_DENY ? 1000000 : 0);
	}
	return a->verdict;
}

static void sends(struct scene *s, struct scene_crowd *c, uint32_t who, const struct scene_page *page, bool person)
{
	struct flood_answer a;
	struct scene_one *one = one_of(c, who);
	enum flood_verdict v = asks(s, c, who, page, true, &a);
	if (v == FLOOD_PASS) {
		starts(s, page, person ? c : NULL, who, &a.ticket);
	} else if (v == FLOOD_SLOW) {
		struct scene_event *e = put(s, (int64_t)a.wait_ms * 1000, EVENT_START);
		if (e)
			e->ticket = a.ticket, e->page = page, e->crowd = person ? c : NULL, e->who = who;
	} else if (person) {
		c->turned += !one->turned;
		one->turned = true;
		if (s->t.now_us - one->since_us > PATIENCE_US)
			c->gave_up++;
		else
			comes(s, c, who, v == FLOOD_DENY ? (int64_t)a.wait_ms * 1000 : 5000000);
	}
}

static const struct scene_page *page_of(struct scene *s, const struct scene_crowd *c, uint32_t step)
{
	return &c->pages[c->steps ? (c->first + step) % c->n_pages : scene_random(s) % c->n_pages];
}

static void person_goes_on(struct scene *s, struct scene_event *e)
{
	static const struct scene_page style = { .path = "/static/style.css" };
	struct scene_crowd *c = e->crowd;
	struct scene_one *one = &c->ones[e->who];
	if (e->outcome.failed) {
		if (s->t.now_us - one->since_us > PATIENCE_US)
			c->gave_up++;
		else
			comes(s, c, e->who, 3000000);
		return;
	}
	if (c->n_times < SCENE_TIMES)
		c->times[c->n_times++] = (uint32_t)((s->t.now_us - one->since_us) / 1000);
	for (unsigned i = 0; i < c->statics; i++) {
		struct flood_answer a;
		if (asks(s, c, e->who, &style, false, &a) == FLOOD_PASS)
			starts(s, &style, NULL, 0, &a.ticket);
		else
			c->broken++;
	}
	if (++one->step >= c->steps) {
		c->served++;
		return;
	}
	one->since_us = 0;
	comes(s, c, e->who, (int64_t)(-log(1 - chance(s)) * c->think_s * 1e6));
}

static void happens(struct scene *s, struct scene_event e)
{
	switch (e.kind) {
	case EVENT_START: starts(s, e.page, e.crowd, e.who, &e.ticket); break;
	case EVENT_DONE:
		flood_done(&s->w, &e.ticket, &e.outcome, s->t);
		if (e.crowd)
			person_goes_on(s, &e);
		break;
	case EVENT_PERSON:
		if (!e.crowd->ones[e.who].since_us)
			e.crowd->ones[e.who].since_us = s->t.now_us;
		sends(s, e.crowd, e.who, page_of(s, e.crowd, e.crowd->ones[e.who].step), true);
		break;
	default: break;
	}
}

static void crowd_acts(struct scene *s, struct scene_crowd *c, double now_s)
{
	if (now_s < c->from_s || now_s >= c->until_s)
		return;
	double mean = c->rate / 1000;
	unsigned n = (unsigned)mean + (chance(s) < mean - floor(mean));
	for (; n; n--) {
		if (!c->steps) {
			uint32_t who = (uint32_t)(scene_random(s) % c->n);
			sends(s, c, who, page_of(s, c, 0), false);
		} else if (c->begun < c->n) {
			comes(s, c, c->begun++, 1000);
		}
	}
}

static void step(struct scene *s)
{
	s->t.now_us += 1000;
	s->t.wall_s += s->t.now_us % 1000000 == 0;
	uint32_t *slot = &s->wheel[(uint64_t)(s->t.now_us / 1000) % SCENE_WHEEL], at = *slot;
	*slot = NONE;
	while (at != NONE) {
		struct scene_event e = s->events[at];
		s->events[at].next = s->unused;
		s->unused = at;
		happens(s, e);
		at = e.next;
	}
	double now_s = (double)(s->t.now_us - s->begin_us) / 1e6;
	for (unsigned i = 0; i < s->n_crowds; i++)
		crowd_acts(s, &s->crowds[i], now_s);
	if (s->t.now_us % 100000 == 0)
		flood_tick(&s->w, s->t, &(struct flood_load){ 0 });
}

void scene_run(struct scene *s, double seconds)
{
	for (int64_t until = s->t.now_us + (int64_t)(seconds * 1e6); s->t.now_us < until;)
		step(s);
}

void scene_skip(struct scene *s, double seconds)
{
	for (unsigned i = 0; i < s->n_crowds; i++)
		free(s->crowds[i].ones);
	s->n_crowds = 0;
	for (unsigned i = 0; i < SCENE_WHEEL; i++)
		assert(s->wheel[i] == NONE);
	s->t.now_us += (int64_t)seconds * 1000000;
	s->t.wall_s += (int64_t)seconds;
	flood_tick(&s->w, s->t, &(struct flood_load){ 0 });
}

double scene_served(const struct scene_crowd *c)
{
	return c->begun ? (double)c->served / c->begun : 0;
}

static int by_time(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

uint32_t scene_p99(struct scene_crowd *c)
{
	qsort(c->times, c->n_times, sizeof(*c->times), by_time);
	return c->n_times ? c->times[(uint64_t)c->n_times * 99 / 100] : 0;
}
