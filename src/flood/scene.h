/*
 * A small world for tests: a site with so many servers and a queue, people who walk through its pages, bots; on a clock of its own,
 * from a seed, a thousandth of a second a step. Nothing in a request says who sent it.
 */
#ifndef KHIEN_FLOOD_SCENE_H
#define KHIEN_FLOOD_SCENE_H

#include "flood/flood.h"

enum { SCENE_WHEEL = 1 << 16, SCENE_EVENTS = 1 << 18, SCENE_CROWDS = 8, SCENE_TIMES = 20000 };

struct scene_page {
	const char *path;
	double ms; /* the upstream's own work, in the mean; 0: from a cache */
	uint16_t status;
	bool post;
};

enum scene_cookie {
	COOKIE_NONE,
	COOKIE_KEEPS,
	COOKIE_THROWS, /* uses each once */
	COOKIE_SHARED, /* all use one */
};
enum scene_where {
	WHERE_V4,    /* each an address of its own, one after another */
	WHERE_V4_24, /* each in a /24 of its own */
	WHERE_V6_64, /* each in a /64 of its own, all in one /48 */
	WHERE_V6,    /* all in one /64 */
	WHERE_ONE,   /* all behind one IPv4 address */
};

/* Whoever comes: people (steps > 0) arrive once each, walk through the pages, wait and retry as browsers do; bots just send. */
struct scene_crowd {
	unsigned n, steps, first; /* first: of the page where all begin; steps: pages until done */
	double rate;              /* people: arrivals a second; bots: requests a second of all */
	double think_s, from_s, until_s;
	enum scene_where where;
	uint32_t base;
	enum scene_cookie cookie;
	uint64_t hello, browser;
	const struct scene_page *pages;
	unsigned n_pages, statics; /* statics: requests from a cache that come with each page */
	bool api;                  /* not a browser: no page that a pass could come with */
	bool alike;                /* people: all with one kind of browser */

	/* what became of it */
	uint64_t asked, verdicts[N_FLOOD_VERDICTS], reasons[N_FLOOD_REASONS], broken;
	unsigned begun, served, gave_up, turned; /* turned: those who were turned away at least once */
	uint32_t times[SCENE_TIMES], n_times;    /* ms of each answered page, waits included */

	struct scene_one *ones;
};

struct scene_event;
struct scene {
	struct flood *f;
	struct flood_worker w;
	struct flood_time t;
	int64_t begin_us;
	uint64_t rng, failed, work_us;
	unsigned servers, queue;
	double slower; /* the upstream's state: 1 as usual */
	int64_t *free_at;
	struct scene_event *events;
	uint32_t unused, wheel[SCENE_WHEEL];
	struct scene_crowd crowds[SCENE_CROWDS];
	unsigned n_crowds;
};

/* A booking: six pages of 20 to 60 ms; and what bots like to ask for. */
extern const struct scene_page scene_booking[6];
extern const struct scene_page scene_hit[2];

/* servers: requests worked on at once; queue: that wait, others fail. From Monday 2026-11-23, 06:00 on. */
struct scene *scene_open(const struct flood_limits *limits, unsigned servers, unsigned queue);
void scene_close(struct scene *s);
/* Times in it: seconds from now on. */
struct scene_crowd *scene_add(struct scene *s, const struct scene_crowd *c);
void scene_run(struct scene *s, double seconds);
/* Everybody goes, nothing happens for so long. */
void scene_skip(struct scene *s, double seconds);
double scene_served(const struct scene_crowd *c);
uint32_t scene_p99(struct scene_crowd *c);
uint64_t scene_random(struct scene *s);

#endif
