/*
 * Measures the embedded store, rows with indexes in SQLite, and what the machine can do, each in a process of its own.
 * run.py calls it:
 *
 *   bench-store write|rows-write|limits FOLDER EVENTS|FILE.ndjson
 *   bench-store ask|rows-ask FOLDER
 *
 * Counted when writing is everything behind the event's JSON with its time, dataset and id: append, fsync, sealing into
 * days, until nothing is left to do. Making the events is not (its CPU time is taken off).
 */
#include "store/events.h"

#include "feed.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROUNDS = 5, IDLE_TICKS = 20 };

static const struct events_kind *const kind = &events_embedded;

static void check(int code, const struct err *err)
{
	if (code)
		die("%s", err->text);
}

static void note(void *arg, const char *event, const char *what, const char *why)
{
	fprintf(stderr, "bench-store: %s %s: %s\n", event, what, why);
}

static struct events *open_store(const char *dir, bool read_only)
{
	struct err err = { .text = "it gave no reason" };
	struct events_config config = { .dir = dir, .read_only = read_only, .clock = &clock_system, .note = note };
	struct events *s;
	check(kind->open(&s, &config, &err), &err);
	return s;
}

static int no_replay(void *arg, uint64_t seq, const struct event_row *row)
{
	return 0;
}

/* Until some ticks in a row have sealed nothing. */
static void settle(struct events *s)
{
	struct err err;
	uint64_t sealed = kind->counts(s).blocks;
	for (int idle = 0; idle < IDLE_TICKS; idle++) {
		check(kind->tick(s, &err), &err);
		if (kind->counts(s).blocks != sealed)
			idle = 0;
		sealed = kind->counts(s).blocks;
		usleep(1000);
	}
}

static void write_store(const char *dir, const char *prefix, struct feed *feed)
{
	static uint8_t verdict[FEED_GROUP];
	struct err err = { 0 };
	uint64_t seq;
	const struct feed_group *group;
	struct events *s = open_store(dir, false);
	check(kind->replay(s, no_replay, NULL, &err), &err);
	double begin = seconds(), used = cpu_seconds();
	while ((group = feed_next(feed))) {
		check(kind->append(s, group->rows, group->n, verdict, &seq, &err), &err);
		check(kind->sync(s, &err), &err);
		check(kind->tick(s, &err), &err);
	}
	settle(s);
	double took = seconds() - begin - feed_cost(feed) - IDLE_TICKS * 0.001;
	used = cpu_seconds() - used - feed_cost(feed);
	struct events_counts counts = kind->counts(s);
	kind->close(s);
	figure(prefix, "write_cpu_us", used / (double)feed_facts(feed)->events * 1e6, "us/event");
	figure(prefix, "write_events_per_s", (double)feed_facts(feed)->events / took, "events/s");
	figure(prefix, "write_mb_per_s", (double)feed_facts(feed)->bytes / took / 1e6, "MB/s");
	figure(prefix, "write_rss_mb", peak_mb(), "MB");
	fact(prefix, "kept", counts.kept);
	print_facts(prefix, feed_facts(feed));
}

/* Files leave the page cache, so that the first question finds them on the disk. */
static int forget(const char *path, const struct stat *st, int type, struct FTW *at)
{
	int fd = type == FTW_F ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		close(fd);
	}
	return 0;
}

void forget_files(const char *dir)
{
	sync();
	nftw(dir, forget, 16, FTW_PHYS);
}

static int count_row(void *arg, const struct event_row *row)
{
	*(uint64_t *)arg += row->json.n > 0;
	return 0;
}

static int add_count(void *arg, struct str value, uint64_t count)
{
	*(uint64_t *)arg += count;
	return 0;
}

struct question {
	const char *name;
	struct event_query query;
	bool by_host;
};

static double ask_once(struct events *s, const struct question *q, uint64_t *answer)
{
	struct err err = { 0 };
	struct event_found found = { 0 };
	*answer = 0;
	double begin = seconds();
	if (q->by_host)
		check(kind->count_by(s, &q->query, STR("host.name"), add_count, answer, &found, &err), &err);
	else
		check(kind->find(s, &q->query, count_row, answer, &found, &err), &err);
	double took = seconds() - begin;
	if (found.damaged)
		die("%s: %llu blocks are damaged", q->name, (unsigned long long)found.damaged);
	return took;
}

/* The first time from the disk and with a store just opened; then the middle of some. */
static void ask(const char *dir, const struct question *q)
{
	double times[ROUNDS], busy[ROUNDS];
	char name[64];
	uint64_t answer, first;
	forget_files(dir);
	double begin = seconds();
	struct events *s = open_store(dir, true);
	ask_once(s, q, &first);
	double cold = seconds() - begin;
	for (int i = 0; i < ROUNDS; i++) {
		double used = cpu_seconds();
		times[i] = ask_once(s, q, &answer);
		busy[i] = cpu_seconds() - used;
		if (answer != first)
			die("%s: %llu, and then %llu", q->name, (unsigned long long)first, (unsigned long long)answer);
	}
	kind->close(s);
	figure("", q->name, median(times, ROUNDS), "s");
	snprintf(name, sizeof(name), "%s_cpu", q->name);
	figure("", name, median(busy, ROUNDS), "s");
	snprintf(name, sizeof(name), "%s_opened_cold", q->name);
	figure("", name, cold, "s");
	snprintf(name, sizeof(name), "found_%s", q->name);
	fact("", name, answer);
}

static void ask_all(const char *dir)
{
	static const struct event_expr rare = { .term.kind = TERM_WORD,
		                                .term.text = { GENERATE_RARE, sizeof(GENERATE_RARE) - 1 } };
	static const struct event_expr common = { .term.kind = TERM_WORD,
		                                  .term.text = { FEED_COMMON, sizeof(FEED_COMMON) - 1 } };
	static const struct event_expr part = { .term.kind = TERM_SUBSTRING,
		                                .term.field = { "event.original", 14 },
		                                .term.text = { FEED_SUBSTRING, sizeof(FEED_SUBSTRING) - 1 } };
	const struct question questions[] = {
		{ "rare_token_s", { .where = &rare }, false },
		{ "newest_100_s", { .where = &common, .limit = 100 }, false },
		{ "substring_10m_s", { .where = &part }, false },
		{ "count_by_host_s", { .limit = 0 }, true },
	};
	for (size_t i = 0; i < ARRAY_LEN(questions); i++)
		ask(dir, &questions[i]);
	struct events *s = open_store(dir, true);
	ask_hunts(s);
	kind->close(s);
	figure("", "ask_rss_mb", peak_mb(), "MB");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "", *dir = argc > 2 ? argv[2] : NULL,
	           *events = argc > 3 ? argv[3] : NULL;
	char *end = NULL;
	uint64_t n = events ? strtoull(events, &end, 10) : 0;
	bool made = events && *end == 0;
	const char *prefix = made ? "" : "otrf_";
	struct feed *feed = events ? feed_open(made ? NULL : events, n) : NULL;
	if (dir && feed && strcmp(what, "write") == 0)
		write_store(dir, prefix, feed);
	else if (dir && feed && strcmp(what, "rows-write") == 0)
		rows_write(dir, made ? "rows_" : "rows_otrf_", feed);
	else if (dir && feed && strcmp(what, "limits") == 0)
		limits(dir, feed);
	else if (dir && strcmp(what, "ask") == 0)
		ask_all(dir);
	else if (dir && strcmp(what, "rows-ask") == 0)
		rows_ask(dir);
	else
		die("called by run.py");
	if (feed)
		feed_close(feed);
	return 0;
}
