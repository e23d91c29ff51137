/*
 * Measures looking up values in sets of indicators: alone, beside a plain hash table and a sorted array of the same
 * texts, and on the way of an event through all rules. CPU time, the best of several rounds.
 *
 *   bench-intel CACHE-DIR RULES... -- [EVENTS.json...]
 *
 * Without EVENTS, which hold one JSON object a line, events are made up. Each has addresses and names that no set has.
 */
#include "base/buf.h"
#include "cmd/known.h"
#include "intake/intake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <xxhash.h>

enum { ROUNDS = 9, LOOKUPS = 1000000, MADE_UP = 60000, EVENTS_BYTES = 48 << 20, TEXT = 80 };

static double cpu(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void figure(const char *name, unsigned n, double value, const char *unit)
{
	printf("figure %s_%uk %.*f %s\n", name, n / 1000, value < 100 ? 3 : 0, value, unit);
}

static int die(const struct err *err)
{
	fprintf(stderr, "bench-intel: %s\n", err->text);
	return 2;
}

/* Scatters i over 64 bits. */
static uint64_t scatter(uint64_t i)
{
	i = (i + 1) * 0x9e3779b97f4a7c15u;
	i = (i ^ i >> 31) * 0xbf58476d1ce4e5b9u;
	return i ^ i >> 29;
}

/* Of ten: five addresses, three names, a URL, a hash. Those of another `kind` of number never meet. */
static size_t make_text(char text[TEXT], uint64_t i, unsigned kind)
{
	uint64_t x = scatter(i * 4 + kind);
	int n;
	switch (i % 10) {
	case 0:
	case 1:
	case 2: n = snprintf(text, TEXT, "h%llx.d%u.example.org", (unsigned long long)(x >> 24), kind); break;
	case 3: n = snprintf(text, TEXT, "d%u.example.net/%llx", kind, (unsigned long long)x); break;
	case 4:
		n = snprintf(text, TEXT, "%016llx%016llx%016llx%016llx", (unsigned long long)x,
		             (unsigned long long)scatter(x), (unsigned long long)~x, (unsigned long long)(x << 1));
		break;
	default:
		n = snprintf(text, TEXT, "%u.%u.%u.%u", 20 + (unsigned)(x & 63) + 64 * kind, (unsigned)(x >> 8 & 255),
		             (unsigned)(x >> 16 & 255), (unsigned)(x >> 24 & 255));
	}
	return (size_t)n;
}

static void look_up(const struct intel_look *l, struct str text, uint64_t i, uint32_t *n)
{
	if (i % 10 < 3)
		intel_look_name(l, text, n);
	else if (i % 10 == 3)
		intel_look_url(l, text, n);
	else if (i % 10 == 4)
		intel_look_hash(l, text, n);
	else
		intel_look_address(l, text, n);
}

static int make_set(unsigned n, struct feed *feed, struct intel_set **ret, struct err *err)
{
	struct feed_maker m;
	void *block;
	size_t size;
	double begin = cpu();
	feed_maker_init(&m, STR("bench"), "list", 1);
	for (uint64_t i = 0; i < n; i++) {
		char text[TEXT];
		struct indicator ind;
		struct str s = { text, make_text(text, i, 0) };
		const struct feed_entry e = { &ind, 0, 50, STR(""), STR("") };
		if (indicator_read(&ind, s, INTEL_ANY, INTEL_PRIVATE))
			return err_set(err, -EINVAL, "%s is no indicator", text);
		feed_add(&m, &e);
	}
	int r = feed_pack(&m, &block, &size, err);
	feed_maker_done(&m);
	r = r ? r : feed_open(feed, block, size, err);
	figure("read", n, cpu() - begin, "s");
	begin = cpu();
	r = r ? r : intel_set_make(&block, &size, feed, 1, 1, err);
	r = r ? r : intel_set_open(ret, block, size, false, err);
	if (!r) {
		figure("build", n, cpu() - begin, "s");
		figure("memory", n, (double)intel_set_counts(*ret).bytes / 1e6, "MB");
	}
	return r;
}

/* --- peers --- */

struct texts {
	char *bytes;
	struct str *at;
	uint32_t n, *slots, mask;
};

static uint32_t *plain_slot(const struct texts *t, struct str s)
{
	for (uint64_t h = XXH3_64bits(s.p, s.n);; h++) {
		uint32_t *slot = &t->slots[h & t->mask];
		if (!*slot || str_eq(t->at[*slot - 1], s))
			return slot;
	}
}

static int by_text(const void *a, const void *b)
{
	const struct str *x = a, *y = b;
	int d = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
	return d ? d : (x->n > y->n) - (x->n < y->n);
}

/* `texts` looked up; *found keeps the compiler from leaving it out. */
static double time_peer(const struct texts *in, const struct texts *texts, bool sorted, uint64_t *found)
{
	double best = 1e9;
	for (int round = 0; round < ROUNDS; round++) {
		double begin = cpu();
		for (uint32_t i = 0; i < texts->n; i++)
			*found += sorted ? bsearch(&texts->at[i], in->at, in->n, sizeof(*in->at), by_text) != NULL
			                 : *plain_slot(in, texts->at[i]) != 0;
		double took = cpu() - begin;
		best = took < best ? took : best;
	}
	return best;
}

static double time_set(const struct intel_set *set, const struct texts *texts, uint64_t *found)
{
	const struct intel_look l = { .set = set, .now = 1 };
	double best = 1e9;
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t n = 0;
		double begin = cpu();
		for (uint32_t i = 0; i < texts->n; i++)
			look_up(&l, texts->at[i], i, &n);
		double took = cpu() - begin;
		best = took < best ? took : best;
		*found += n;
	}
	return best;
}

static int make_texts(struct texts *t, uint32_t n, unsigned kind)
{
	uint32_t slots = 1;
	while (slots < n * 2)
		slots *= 2;
	*t = (struct texts){ .bytes = malloc((size_t)n * TEXT), .at = calloc(n, sizeof(*t->at)), .n = n };
	t->slots = calloc(slots, sizeof(*t->slots));
	t->mask = slots - 1;
	if (!t->bytes || !t->at || !t->slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		char *p = t->bytes + (size_t)i * TEXT;
		t->at[i] = (struct str){ p, make_text(p, i, kind) };
		*plain_slot(t, t->at[i]) = i + 1;
	}
	return 0;
}

static void free_texts(struct texts *t)
{
	free(t->bytes);
	free(t->at);
	free(t->slots);
}

static int measure_alone(const struct intel_set *set, unsigned n, struct err *err)
{
	struct texts known, others, some;
	uint64_t found = 0;
	if (make_texts(&known, n, 0) || make_texts(&others, LOOKUPS, 1) ||
	    make_texts(&some, LOOKUPS < n ? LOOKUPS : n, 0))
		return err_set(err, -ENOMEM, "%m");
	double miss = time_set(set, &others, &found);
	if (found)
		return err_set(err, -EINVAL, "%llu values were found that aren't there", (unsigned long long)found);
	double hit = time_set(set, &some, &found);
	if (found < (uint64_t)some.n * ROUNDS)
		return err_set(err, -EINVAL, "values were not found");
	double table = time_peer(&known, &others, false, &found);
	qsort(known.at, known.n, sizeof(*known.at), by_text);
	double array = time_peer(&known, &others, true, &found);
	figure("lookups", n, LOOKUPS / miss / 1e6, "M/s");
	figure("finds", n, some.n / hit / 1e6, "M/s");
	figure("peer_hash_table", n, LOOKUPS / table / 1e6, "M/s");
	figure("peer_sorted_array", n, LOOKUPS / array / 1e6, "M/s");
	free_texts(&known);
	free_texts(&others);
	free_texts(&some);
	return 0;
}

/* --- on the way of events --- */

struct way {
	struct engine *engine;
	struct matcher *matcher;
	struct intel_checker *checker;
	struct event event;
	double took[ROUNDS], best;
};

static int no_match(void *arg, const struct match *m)
{
	return 0;
}

static int run_events(struct way *w, int round, struct str events, uint64_t *n, struct err *err)
{
	const struct format *json = intake_format(STR("json"));
	double begin = cpu();
	int r = 0;
	*n = 0;
	while (events.n && !r) {
		struct str line = str_sub(events, 0, str_find(events, '\n'));
		struct err why;
		events = str_sub(events, line.n + 1, events.n);
		if (intake_parse(json, NULL, line, 1, &w->event, &why))
			continue;
		++*n;
		if (w->checker)
			intel_event(w->checker, &w->event, 1000000, NULL, NULL);
		r = matcher_run(w->matcher, &w->event, no_match, NULL);
	}
	w->took[round] = cpu() - begin;
	w->best = w->took[round] < w->best ? w->took[round] : w->best;
	return r ? err_set(err, r, "match: %m") : 0;
}

static int open_way(struct way *w, const struct engine_config *config, const struct intel_set *set, struct err *err)
{
	struct known known;
	struct engine_config c = *config;
	*w = (struct way){ .best = 1e9 };
	if (set)
		known_ask(&known, &c.rules);
	int r = engine_open(&w->engine, &c, err);
	r = r ? r : matcher_new(&w->matcher, w->engine, err);
	if (!r && set)
		r = known_checker(&w->checker, w->engine, err);
	if (!r && set)
		intel_checker_use(w->checker, set);
	return r ? r : event_init(&w->event, engine_fields(w->engine));
}

static void close_way(struct way *w)
{
	intel_checker_free(w->checker);
	matcher_free(w->matcher);
	event_done(&w->event);
	engine_free(w->engine);
}

static void make_events(struct buf *b)
{
	for (unsigned i = 0; i < MADE_UP; i++) {
		char text[TEXT];
		unsigned kind = i % 3;
		make_text(text, i * 10u + (kind == 1 ? 1 : 7), 1);
		buf_printf(b, "{\"@timestamp\":\"2026-11-20T10:%02u:%02uZ\",\"host\":{\"name\":\"pc%u\"},", i / 60 % 60,
		           i % 60, i % 50);
		if (kind == 0)
			buf_printf(b,
			           "\"event\":{\"dataset\":\"linux.sshd\",\"outcome\":\"failure\"},\"user\":{\"name\":"
			           "\"u%u\"},\"source\":{\"ip\":\"%s\",\"port\":%u},\"message\":\"Failed password for "
			           "u%u from %s port %u ssh2\"}\n",
			           i % 900, text, 1024 + i % 60000, i % 900, text, 1024 + i % 60000);
		else if (kind == 1)
			buf_printf(
			        b,
			        "\"event\":{\"dataset\":\"windows.sysmon\"},\"Channel\":\"Microsoft-Windows-Sysmon/"
			        "Operational\",\"EventID\":22,\"Image\":\"C:\\\\Windows\\\\System32\\\\svchost.exe\","
			        "\"QueryName\":\"%s\",\"QueryResults\":\"::ffff:10.1.2.%u;\"}\n",
			        text, i % 250);
		else
			buf_printf(b,
			           "\"khien.format\":\"combined\",\"c-ip\":\"%s\",\"cs-method\":\"GET\",\"c-uri\":"
			           "\"/page/%u?x=%u\",\"sc-status\":200,\"cs-user-agent\":\"Mozilla/5.0 (X11; Linux "
			           "x86_64)\"}\n",
			           text, i, i % 7);
	}
}

static int load(struct buf *b, const char *path)
{
	FILE *f = fopen(path, "r");
	size_t room = EVENTS_BYTES > b->n ? EVENTS_BYTES - b->n : 0, n = 0;
	if (room > 6 << 20)
		room = 6 << 20;
	char *at = f && room ? buf_room(b, room) : NULL;
	if (at)
		n = fread(at, 1, room, f);
	const char *end = n ? memrchr(at, '\n', n) : NULL;
	b->n += end ? (size_t)(end - at) + 1 : 0;
	if (f)
		fclose(f);
	return f && !b->failed ? 0 : -1;
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

/* Of the rounds, each held against the one without a set beside it, the one in the middle. */
static double cost(const struct way *with, const struct way *without)
{
	double ratio[ROUNDS];
	for (int i = 0; i < ROUNDS; i++)
		ratio[i] = with->took[i] / without->took[i];
	qsort(ratio, ROUNDS, sizeof(*ratio), by_size);
	return (ratio[ROUNDS / 2] - 1) * 100;
}

static int measure_way(const struct engine_config *config, struct str events, struct intel_set *const sets[2],
                       const unsigned sizes[2], struct err *err)
{
	struct way ways[3];
	uint64_t n = 0;
	int r = 0;
	for (int i = 0; i < 3 && !r; i++)
		r = open_way(&ways[i], config, i ? sets[i - 1] : NULL, err);
	/* By turns: the machine is not the same from one second to the next. */
	for (int round = 0; round < ROUNDS && !r; round++)
		for (int i = 0; i < 3 && !r; i++)
			r = run_events(&ways[i], round, events, &n, err);
	if (r)
		return r;
	printf("figure events %llu events\nfigure match_alone %.0f events/s\n", (unsigned long long)n,
	       (double)n / ways[0].best);
	for (int i = 1; i < 3; i++) {
		struct intel_checked c = intel_checked(ways[i].checker);
		figure("match", sizes[i - 1], (double)n / ways[i].best, "events/s");
		figure("match_cost", sizes[i - 1], cost(&ways[i], &ways[0]), "%");
		figure("values_per_event", sizes[i - 1], (double)c.values / (double)(n * ROUNDS), "values");
	}
	for (int i = 0; i < 3; i++)
		close_way(&ways[i]);
	return 0;
}

int main(int argc, char **argv)
{
	static const unsigned sizes[2] = { 100000, 1000000 };
	struct intel_set *sets[2] = { NULL, NULL };
	struct buf events = { .max = EVENTS_BYTES + (8 << 20) };
	struct err err = { 0 };
	int rules = 2, end = 2;
	while (end < argc && strcmp(argv[end], "--") != 0)
		end++;
	if (argc < 3 || end == rules) {
		fprintf(stderr, "usage: bench-intel CACHE-DIR RULES... -- [EVENTS.json...]\n");
		return 2;
	}
	for (int i = end + 1; i < argc; i++)
		if (load(&events, argv[i]))
			fprintf(stderr, "bench-intel: %s is left out\n", argv[i]);
	if (!events.n)
		make_events(&events);
	for (int i = 0; i < 2; i++) {
		struct feed feed;
		if (make_set(sizes[i], &feed, &sets[i], &err) || measure_alone(sets[i], sizes[i], &err))
			return die(&err);
		feed_close(&feed);
	}
	const struct engine_config config = {
		.rules = { .dirs = (const char *const *)argv + rules, .n_dirs = (size_t)(end - rules) },
		.cache_dir = argv[1],
	};
	if (measure_way(&config, buf_str(&events), sets, sizes, &err))
		return die(&err);
	intel_set_free(sets[0]);
	intel_set_free(sets[1]);
	buf_free(&events);
	return 0;
}
