/* Events to measure with, a group at a time: made up, or the lines of a file. And what is true of them all. */
#ifndef KHIEN_BENCH_FEED_H
#define KHIEN_BENCH_FEED_H

#include "generate.h"
#include "store/events.h"

/* What gathers while one fsync runs, at the pace that is measured here. */
enum { FEED_GROUP = 2048 };

/* What is asked for, of made-up events: a rare word, a common one, and text that no index of words can know. */
#define FEED_COMMON    "sshd"
#define FEED_SUBSTRING "98.18.77.14"

struct feed;

struct feed_group {
	struct event_row rows[FEED_GROUP];
	size_t n;
};

/* The right answers. */
struct feed_facts {
	uint64_t events, bytes; /* of JSON */
	uint64_t rare, substring;
};

/* `file` NULL: n made-up events, over some five days at ten million. Ends the program when it can't. */
struct feed *feed_open(const char *file, uint64_t n);
void feed_close(struct feed *f);
/* The next ones, borrowed until the next call; NULL at the end. */
const struct feed_group *feed_next(struct feed *f);
const struct feed_facts *feed_facts(const struct feed *f);
/* CPU seconds that making and reading them took: no part of what is measured. */
double feed_cost(const struct feed *f);

/* --- for all that measure --- */

double seconds(void);
double cpu_seconds(void); /* of all threads */
void figure(const char *prefix, const char *name, double value, const char *unit);
/* A right answer, or one that was given: run.py compares. */
void fact(const char *prefix, const char *name, uint64_t value);
void print_facts(const char *prefix, const struct feed_facts *facts);
double peak_mb(void); /* of this process */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...);

/* The middle of n times. Sorts them. */
double median(double *times, size_t n);

#endif
