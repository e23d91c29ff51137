#include "feed.h"

#include "event/event.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { GROUP_BYTES = 16 << 20 };
static const int64_t BEGIN = 1793491200000000, SPAN = 5ll * 86400 * 1000000;
static const uint64_t RARE_EVERY = 3000000;

struct feed {
	struct generator *made;
	FILE *file;
	char *line;
	size_t line_cap;
	uint64_t left;
	struct feed_facts facts;
	double cost;
	struct feed_group group;
	size_t n_bytes;
	char bytes[GROUP_BYTES];
};

static double clock_s(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double seconds(void)
{
	return clock_s(CLOCK_MONOTONIC);
}

double cpu_seconds(void)
{
	return clock_s(CLOCK_PROCESS_CPUTIME_ID);
}

double peak_mb(void)
{
	struct rusage used;
	getrusage(RUSAGE_SELF, &used);
	return (double)used.ru_maxrss / 1024;
}

void figure(const char *prefix, const char *name, double value, const char *unit)
{
	printf("figure %s%s %.*f %s\n", prefix, name, value < 0.1 ? 5 : value < 100 ? 3 : 0, value, unit);
	fflush(stdout);
}

void fact(const char *prefix, const char *name, uint64_t value)
{
	printf("fact %s%s %llu\n", prefix, name, (unsigned long long)value);
}

void print_facts(const char *prefix, const struct feed_facts *facts)
{
	fact(prefix, "events", facts->events);
	fact(prefix, "bytes", facts->bytes);
	fact(prefix, "rare", facts->rare);
	fact(prefix, "substring", facts->substring);
}

void die(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fputs("bench-store: ", stderr);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double median(double *times, size_t n)
{
	qsort(times, n, sizeof(*times), by_value);
	return times[n / 2];
}

struct feed *feed_open(const char *file, uint64_t n)
{
	struct feed *f = calloc(1, sizeof(*f));
	if (!f)
		die("no memory");
	f->left = n;
	if (file) {
		f->file = fopen(file, "r");
		if (!f->file)
			die("open '%s': %m", file);
		f->left = UINT64_MAX;
		return f;
	}
	struct generate_config config = { .seed = 1,
		                          .begin = BEGIN,
		                          .gap = SPAN / (int64_t)(n ? n : 1),
		                          .rare_every = n < RARE_EVERY ? n : RARE_EVERY };
	f->made = generate_new(&config);
	if (!f->made)
		die("no memory");
	return f;
}

void feed_close(struct feed *f)
{
	generate_free(f->made);
	if (f->file)
		fclose(f->file);
	free(f->line);
	free(f);
}

static struct str keep(struct feed *f, struct str s)
{
	char *to = f->bytes + f->n_bytes;
	if (s.n)
		memcpy(to, s.p, s.n);
	f->n_bytes += s.n;
	return (struct str){ to, s.n };
}

static bool next_made(struct feed *f, struct event_row *row)
{
	struct generated made;
	generate_next(f->made, &made);
	*row = (struct event_row){
		.time = made.time, .dataset = made.dataset, .id = keep(f, made.id), .json = keep(f, made.json)
	};
	return true;
}

/* "@timestamp":"..." wherever it stands first; a line without one is of the time before it. */
static int64_t time_of(struct str json, int64_t before)
{
	static const char name[] = "\"@timestamp\":\"";
	const char *p = memmem(json.p, json.n, name, sizeof(name) - 1);
	int64_t time = before;
	if (p) {
		struct str text = str_sub(json, (size_t)(p - json.p) + sizeof(name) - 1, json.n);
		event_parse_time(str_sub(text, 0, str_find(text, '"')), &time);
	}
	return time;
}

static bool next_line(struct feed *f, struct event_row *row)
{
	ssize_t n;
	do
		n = getline(&f->line, &f->line_cap, f->file);
	while (n >= 0 && (n < 3 || n > EVENT_JSON_MAX));
	if (n < 0)
		return false;
	struct str json = str_trim((struct str){ f->line, (size_t)n });
	int64_t before = f->group.n ? f->group.rows[f->group.n - 1].time : BEGIN;
	*row = (struct event_row){ .time = time_of(json, before), .dataset = STR("recorded"), .json = keep(f, json) };
	return true;
}

static void note(struct feed_facts *facts, struct str json)
{
	facts->events++;
	facts->bytes += json.n;
	facts->rare += memmem(json.p, json.n, GENERATE_RARE, strlen(GENERATE_RARE)) != NULL;
	facts->substring += memmem(json.p, json.n, FEED_SUBSTRING, strlen(FEED_SUBSTRING)) != NULL;
}

const struct feed_group *feed_next(struct feed *f)
{
	double begin = clock_s(CLOCK_THREAD_CPUTIME_ID);
	f->group.n = f->n_bytes = 0;
	while (f->group.n < FEED_GROUP && f->left && f->n_bytes + EVENT_JSON_MAX + EVENT_ID_MAX < GROUP_BYTES) {
		struct event_row *row = &f->group.rows[f->group.n];
		if (!(f->file ? next_line(f, row) : next_made(f, row)))
			break;
		note(&f->facts, row->json);
		f->group.n++;
		f->left--;
	}
	f->cost += clock_s(CLOCK_THREAD_CPUTIME_ID) - begin;
	return f->group.n ? &f->group : NULL;
}

const struct feed_facts *feed_facts(const struct feed *f)
{
	return &f->facts;
}

double feed_cost(const struct feed *f)
{
	return f->cost;
}
