/*
 * Measures the way from bytes to matches: framing, parsing, prefilter, exact check, with all rules given loaded. Events
 * are read into memory first. Each figure is the best of several rounds, in CPU time unless it says otherwise.
 *
 *   bench-match CACHE-DIR RULES... -- EVENTS.json...
 */
#include "cmd/pipeline.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 12, PER_FILE = 6 << 20, TOTAL = 64 << 20 };

struct bench {
	struct engine *engine;
	struct buf events;
	uint64_t n_events, n_candidates, n_matches;
	struct event event;
	struct matcher *matcher;
	enum { STEP_FRAME, STEP_PARSE, STEP_PREFILTER } step;
};

static double clock_s(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void figure(const char *name, double value, const char *unit)
{
	printf("figure %s %.*f %s\n", name, value < 100 ? 3 : 0, value, unit);
}

static int die(const struct err *err)
{
	fprintf(stderr, "bench-match: %s\n", err->text);
	return 2;
}

/* Whole lines from the beginning of a file. */
static int load(struct buf *to, const char *path)
{
	FILE *f = fopen(path, "r");
	char *at = f && to->n < TOTAL ? buf_room(to, PER_FILE) : NULL;
	size_t n = at ? fread(at, 1, PER_FILE, f) : 0;
	const char *end = n ? memrchr(at, '\n', n) : NULL;
	if (f)
		fclose(f);
	if (!f || to->failed)
		return -1;
	to->n += end ? (size_t)(end - at) + 1 : 0;
	return 0;
}

static int feed(struct str bytes, batch_sink *sink, void *arg, struct err *err)
{
	struct framer *f;
	struct framer_config config = {
		.origin = "events", .format = intake_format(STR("json")), .sink = sink, .arg = arg, .now = 1
	};
	int r = framer_new(&f, &config, err);
	if (r)
		return r;
	for (size_t at = 0; at < bytes.n && !r; at += 256 << 10)
		r = framer_feed(f, str_sub(bytes, at, 256 << 10), 1);
	r = r ? r : framer_end(f);
	framer_free(f);
	return r ? err_set(err, r, "framing: %m") : 0;
}

static int step(void *arg, struct batch *batch)
{
	struct bench *b = arg;
	for (size_t i = 0; b->step != STEP_FRAME && i < batch->n_records; i++) {
		struct err err;
		if (batch_parse(batch, i, &b->event, &err))
			continue;
		if (b->step == STEP_PREFILTER)
			b->n_candidates += matcher_candidates(b->matcher, &b->event);
	}
	batch_free(batch);
	return 0;
}

/* CPU seconds of one part of the way. */
static double measure_step(struct bench *b, int which, struct err *err)
{
	double best = 1e9;
	b->step = which;
	for (int round = 0; round < ROUNDS; round++) {
		double begin = clock_s(CLOCK_PROCESS_CPUTIME_ID);
		b->n_candidates = 0;
		if (feed(buf_str(&b->events), step, b, err))
			return -1;
		double took = clock_s(CLOCK_PROCESS_CPUTIME_ID) - begin;
		best = took < best ? took : best;
	}
	return best;
}

static int count_match(void *arg, uint32_t rule, struct str rendered)
{
	((struct bench *)arg)->n_matches++;
	return 0;
}

/* The whole way. */
struct whole {
	int threads;
	double wall, cpu; /* seconds of the best round */
};

static int run_whole(struct bench *b, struct whole *w, struct err *err)
{
	struct pipeline *p;
	struct pipeline_config config = { .engine = b->engine, .threads = w->threads, .emit = count_match, .arg = b };
	struct pipeline_counts counts;
	if (pipeline_new(&p, &config, err))
		return -1;
	b->n_matches = 0;
	double wall = clock_s(CLOCK_MONOTONIC), cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
	int r = feed(buf_str(&b->events), pipeline_push, p, err);
	r = r ? r : pipeline_finish(p, true);
	wall = clock_s(CLOCK_MONOTONIC) - wall;
	cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	w->wall = wall < w->wall ? wall : w->wall;
	w->cpu = cpu < w->cpu ? cpu : w->cpu;
	pipeline_counts(p, &counts);
	b->n_events = counts.match.events;
	pipeline_free(p);
	return r;
}

static int open_rules(struct bench *b, const char *cache, char **dirs, size_t n, struct err *err)
{
	struct engine_config config = { .rules.dirs = (const char *const *)dirs,
		                        .rules.n_dirs = n,
		                        .cache_dir = cache };
	struct engine_info info;
	for (int i = 0; i < 3; i++) { /* cold, then cached */
		engine_free(b->engine);
		b->engine = NULL;
		int r = engine_open(&b->engine, &config, err);
		if (r)
			return r;
		engine_info(b->engine, &info);
		if (i == 0 && info.cached)
			return err_set(err, -EEXIST, "'%s' holds these rules already: name an empty folder", cache);
		if (i == 0)
			figure("compile_cold_s", info.load_s, "s");
	}
	if (!info.cached)
		return err_set(err, -EIO, "rules were not cached: %s", info.not_cached.text);
	figure("compile_cached_s", info.load_s, "s");
	figure("rules", info.n_rules, "rules");
	figure("rules_refused", info.n_refused, "rules");
	figure("rules_always_checked", info.n_always, "rules");
	figure("prefilter_mb", (double)info.prefilter_bytes / 1e6, "MB");
	return 0;
}

static int run(struct bench *b, struct err *err)
{
	struct whole one = { 1, 1e9, 1e9 }, two = { 2, 1e9, 1e9 };
	for (int round = 0; round < ROUNDS; round++) /* by turns, so that a noisy neighbour disturbs both alike */
		if (run_whole(b, &one, err) || run_whole(b, &two, err))
			return -1;
	double frame = measure_step(b, STEP_FRAME, err), parse = measure_step(b, STEP_PARSE, err);
	double prefilter = measure_step(b, STEP_PREFILTER, err), n = (double)b->n_events;
	if (frame < 0 || parse < 0 || prefilter < 0)
		return -1;
	figure("events", n, "events");
	figure("event_bytes", (double)b->events.n / n, "bytes");
	figure("matches", (double)b->n_matches, "matches");
	figure("candidates_per_event", (double)b->n_candidates / n, "rules");
	figure("events_per_s_core", n / one.cpu, "events/s");
	figure("mb_per_s_core", (double)b->events.n / one.cpu / 1e6, "MB/s");
	figure("scaling_2_cores", one.wall / two.wall, "x");
	figure("limit_frame_events_per_s", n / frame, "events/s");
	figure("limit_extract_events_per_s", n / parse, "events/s");
	figure("limit_prefilter_events_per_s", n / (prefilter - parse), "events/s");
	figure("exact_check_us", (one.cpu - prefilter) / n * 1e6, "us/event");
	return 0;
}

int main(int argc, char **argv)
{
	struct bench b = { .events.max = (size_t)TOTAL + PER_FILE };
	struct err err = { .text = "out of memory" };
	int split = 2;
	while (split < argc && strcmp(argv[split], "--") != 0)
		split++;
	if (split < 3 || split + 1 >= argc) {
		fprintf(stderr, "usage: bench-match CACHE-DIR RULES... -- EVENTS.json...\n");
		return 2;
	}
	if (open_rules(&b, argv[1], argv + 2, (size_t)split - 2, &err))
		return die(&err);
	for (int i = split + 1; i < argc; i++)
		if (load(&b.events, argv[i])) {
			perror(argv[i]);
			return 2;
		}
	if (event_init(&b.event, engine_fields(b.engine)) || matcher_new(&b.matcher, b.engine, &err) || run(&b, &err))
		return die(&err);
	matcher_free(b.matcher);
	event_done(&b.event);
	engine_free(b.engine);
	buf_free(&b.events);
	return 0;
}
