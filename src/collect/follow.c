/*
 * All logs that are followed, read side by side in the order of event time: each step reads on in the log that is
 * furthest behind, and the taker is told how far all have come. So correlations across logs see what they would have
 * seen live, also when hours are made up for after a stop, or the reader of the output was slow.
 */
#include "collect/tail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	MAX_TAILS = 512,
	BUDGET = 4 << 20, /* bytes a call, before others have their turn */
};
static const int64_t PATTERNS_EVERY = 2LL * CLOCK_S;
static const int64_t SAVE_EVERY = 500LL * CLOCK_MS;
static const int64_t SAVE_AT_LEAST = 30LL * CLOCK_S;
static const int64_t JOURNAL_BEHIND = 5LL * CLOCK_S;
static const int64_t JOURNAL_PAUSE = CLOCK_S;
static const int64_t UNKNOWN = 86400LL * CLOCK_S; /* a run before that left no word ended within it */

struct follow {
	struct follow_config c;
	struct place_table *was, *now;
	struct tail_config tail_config;
	struct tail *tails[MAX_TAILS];
	size_t n;
	struct log_file *reading[MAX_TAILS * TAIL_SAVED];
	size_t n_reading;
	bool patterns_seen[SOURCES_MAX];          /* files that appear from now on are new */
	unsigned char rotations[128][PLACE_HASH]; /* paths that patterns cover and that are no logs of their own */
	size_t n_rotations;
	bool too_many, not_saved; /* was told */
	bool stands;              /* something is saved, by this run or the one before */
	uint64_t ahead;           /* bytes that were read since */
	int64_t looked, saved, caught_up;
	char chunk[LOG_CHUNK];
};

static void note(struct follow *f, enum collect_note what, const char *a, const char *b)
{
	f->c.taker->note(f->c.taker->arg, LOG_LEVEL_WARNING, what, a, b);
}

static void load(struct follow *f)
{
	struct err err = { 0 };
	int code = f->c.places ? place_load(f->c.places, f->was, &err) : 0;
	if (code < 0)
		note(f, NOTE_NO_PLACES, err.text, NULL);
	f->stands = code > 0;
	f->tail_config.was = f->stands ? f->was : NULL;
	const int64_t now = clock_wall(f->c.clock), saved = f->stands ? f->was->saved : now - UNKNOWN;
	f->tail_config.since = (saved < now ? saved : now) - TAIL_CLOCK;
}

static int add_tail(struct follow *f, size_t item, const char *path, bool from_start, struct err *err)
{
	const struct sources *s = f->c.sources;
	if (f->n == MAX_TAILS) {
		if (!f->too_many)
			note(f, NOTE_NOT_WATCHED, path, "too many logs");
		f->too_many = true;
		return 0;
	}
	int code = tail_new(&f->tails[f->n], &f->tail_config, item, s->items[item].kind, path ? path : s->shown[item],
	                    path, s->optional[item], from_start, err);
	f->n += !code;
	return code;
}

int follow_logs_new(struct follow **ret, const struct follow_config *config, struct err *err)
{
	struct follow *f = calloc(1, sizeof(*f));
	int code = 0;
	if (f) {
		f->was = calloc(1, sizeof(*f->was));
		f->now = calloc(1, sizeof(*f->now));
	}
	if (!f || !f->was || !f->now) {
		follow_logs_free(f);
		return err_set(err, -ENOMEM, "watch logs: %m");
	}
	f->c = *config;
	f->looked = INT64_MIN / 2;
	f->caught_up = clock_monotonic(config->clock);
	f->saved = f->caught_up - SAVE_EVERY;
	f->tail_config = (struct tail_config){
		.taker = config->taker,
		.opener = config->opener,
		.clock = config->clock,
		.horizon = config->horizon,
		.ahead = config->places ? config->ahead : 0,
	};
	load(f);
	for (size_t i = 0; i < config->sources->n && !code; i++) {
		enum opener_kind kind = config->sources->items[i].kind;
		if (kind == OPENER_FILE || kind == OPENER_CHILD)
			code = add_tail(f, i, NULL, false, err);
	}
	if (code)
		follow_logs_free(f);
	else
		*ret = f;
	return code;
}

void follow_logs_free(struct follow *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		tail_free(f->tails[i]);
	free(f->was);
	free(f->now);
	free(f);
}

/* --- patterns --- */

static void pattern_source(unsigned char ret[PLACE_HASH], const char *pattern)
{
	char text[OPENER_TEXT + 16];
	snprintf(text, sizeof(text), "pattern %.1023s", pattern);
	place_hash(ret, str_from(text));
}

static bool was_saved(const struct follow *f, const unsigned char source[PLACE_HASH])
{
	for (uint32_t i = 0; f->tail_config.was && i < f->was->n; i++)
		if (memcmp(f->was->files[i].source, source, PLACE_HASH) == 0)
			return true;
	return false;
}

static bool is_known(const struct follow *f, const char *path)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->tails[i]->name, path) == 0)
			return true;
	return false;
}

static bool is_followed(const struct follow *f, const struct log_file *l)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct tail *t = f->tails[i];
		if (t->log && log_is_other(l, t->log))
			return true;
		for (size_t k = 0; k < t->n_old; k++)
			if (log_is_other(l, t->old[k]))
				return true;
	}
	return false;
}

/* Was read under another name by a run before. */
static bool was_followed(const struct follow *f, const struct log_file *l, const char *path)
{
	unsigned char source[PLACE_HASH];
	place_hash(source, str_from(path));
	for (uint32_t i = 0; f->tail_config.was && i < f->was->n; i++)
		if (f->was->files[i].head_len && log_is(l, &f->was->files[i], true) &&
		    memcmp(f->was->files[i].source, source, PLACE_HASH) != 0)
			return true;
	return false;
}

static bool is_passed_over(const struct follow *f, const unsigned char path[PLACE_HASH])
{
	for (size_t i = 0; i < ARRAY_LEN(f->rotations); i++)
		if (memcmp(f->rotations[i], path, PLACE_HASH) == 0)
			return true;
	return false;
}

/*
 * A file that a pattern covers is a new log, to be read from its start, if it came since the pattern was looked at
 * first, in this run or the one before. A rotation of a log that is followed may be covered, too: it is no log.
 */
static int take_match(struct follow *f, size_t item, const char *path, bool was_looked_at, struct err *err)
{
	unsigned char hash[PLACE_HASH];
	struct opener_file id = { 0 };
	struct log_file *l = NULL;
	int fd;
	place_hash(hash, str_from(path));
	if (is_known(f, path) || is_passed_over(f, hash))
		return 0;
	if (opener_open_match(f->c.opener, item, path, &id, &fd, NULL) > 0 &&
	    log_new(&l, f->c.taker, f->c.clock, path, fd, false, NULL))
		l = NULL;
	bool rotation = l && (f->patterns_seen[item] ? is_followed(f, l) : was_followed(f, l, path));
	bool fresh = f->patterns_seen[item] || (was_looked_at && l && log_written(l) / 1000 > f->was->saved);
	log_free(l);
	if (!rotation)
		return add_tail(f, item, path, fresh, err);
	memcpy(f->rotations[f->n_rotations++ % ARRAY_LEN(f->rotations)], hash, PLACE_HASH);
	return 0;
}

static int look_for_new(struct follow *f, int64_t now)
{
	const struct sources *s = f->c.sources;
	char path[OPENER_TEXT];
	struct err err;
	int code = 0;
	if (now - f->looked < PATTERNS_EVERY)
		return 0;
	f->looked = now;
	for (size_t item = 0; item < s->n && !code; item++) {
		unsigned char source[PLACE_HASH];
		if (s->items[item].kind != OPENER_PATTERN)
			continue;
		pattern_source(source, s->items[item].name);
		bool was_looked_at = was_saved(f, source);
		for (size_t i = 0; !code && opener_match(f->c.opener, item, i, path, &err) > 0; i++)
			code = take_match(f, item, path, was_looked_at, &err);
		f->patterns_seen[item] = true;
	}
	return code;
}

/* --- reading --- */

static void add_reading(struct follow *f, struct log_file *l)
{
	if (!l || !log_is_open(l))
		return;
	l->at_end = l->emptied && !inlet_full(&l->inlet);
	f->reading[f->n_reading++] = l;
}

static int check_all(struct follow *f, int64_t now)
{
	int code = look_for_new(f, now);
	f->n_reading = 0;
	for (size_t i = 0; i < f->n && !code; i++) {
		struct tail *t = f->tails[i];
		if (t->log && t->log->emptied)
			code = tail_emptied(t);
		if (!code)
			code = tail_check(t, now);
	}
	for (size_t i = 0; i < f->n && !code; i++) {
		for (size_t k = 0; k < f->tails[i]->n_old; k++)
			add_reading(f, f->tails[i]->old[k]);
		add_reading(f, f->tails[i]->log);
	}
	return code;
}

/* The log that is furthest behind in time; NULL: all are at their end. */
static struct log_file *furthest(const struct follow *f)
{
	struct log_file *best = NULL;
	for (size_t i = 0; i < f->n_reading; i++)
		if (!f->reading[i]->at_end && (!best || f->reading[i]->origin.time < best->origin.time))
			best = f->reading[i];
	return best;
}

static int close_journal(struct follow *f, const struct log_file *l, int64_t now)
{
	for (size_t i = 0; i < f->n_reading; i++)
		if (f->reading[i] == l)
			f->reading[i] = f->reading[--f->n_reading];
	for (size_t i = 0; i < f->n; i++)
		if (f->tails[i]->log == l)
			return tail_closed(f->tails[i], now);
	return 0;
}

static int reached(struct follow *f, int64_t time)
{
	const struct taker *t = f->c.taker;
	return t->reached ? t->reached(t->arg, time) : 0;
}

static bool is_ahead(const struct follow *f, uint64_t bytes)
{
	return f->tail_config.ahead && f->ahead >= bytes;
}

static int read_all(struct follow *f, int64_t now, bool *more)
{
	struct log_file *l;
	int code = 0;
	long n = 0;
	for (long done = 0; !code && (l = furthest(f)); done += n) {
		const bool waits = is_ahead(f, f->c.ahead);
		if (done >= BUDGET || waits) {
			*more = !waits;
			return 0;
		}
		n = log_read(l, f->chunk);
		if (n == -EPIPE && l->origin.kind == ORIGIN_JOURNAL)
			code = close_journal(f, l, now);
		else if (n < 0)
			code = (int)n;
		n = n > 0 ? n : 0;
		f->ahead += (uint64_t)n;
		l = furthest(f);
		if (!code && l)
			code = reached(f, l->origin.time);
	}
	if (code)
		return code;
	f->caught_up = now;
	return reached(f, INT64_MAX);
}

int follow_poll(struct follow *f, bool *more)
{
	int64_t now = clock_monotonic(f->c.clock);
	int code = check_all(f, now);
	f->tail_config.since = 0;
	if (!code && f->tail_config.ahead && !f->stands) /* the first run: before anything is read */
		code = follow_save(f, true);
	if (!code)
		code = read_all(f, now, more);
	return code == -EAGAIN ? 0 : code; /* what found no room comes first in the next call */
}

bool follow_behind(const struct follow *f)
{
	int64_t now = clock_monotonic(f->c.clock), wall = clock_wall(f->c.clock);
	if (furthest(f))
		return true;
	for (size_t i = 0; i < f->n; i++) {
		const struct log_file *l = f->tails[i]->log;
		if (l && l->origin.kind == ORIGIN_JOURNAL && now - l->read_last < JOURNAL_PAUSE &&
		    (*l->origin.until.at || l->origin.time < wall - JOURNAL_BEHIND))
			return true;
	}
	return false;
}

int64_t follow_caught_up(const struct follow *f)
{
	return f->caught_up;
}

bool follow_has_any(const struct follow *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->tails[i]->log && !f->tails[i]->log->broken)
			return true;
	return false;
}

int follow_end(struct follow *f)
{
	int code = 0;
	for (size_t i = 0; i < f->n && !code; i++)
		code = tail_end(f->tails[i]);
	return code;
}

/* --- where it stands --- */

/* What other runs followed and this one doesn't. */
static void keep_others(const struct follow *f, struct place_table *to)
{
	uint32_t ours = to->n;
	for (uint32_t i = 0; f->tail_config.was && i < f->was->n && to->n < PLACE_MAX_FILES; i++) {
		bool own = false;
		for (uint32_t k = 0; k < ours && !own; k++)
			own = memcmp(to->files[k].source, f->was->files[i].source, PLACE_HASH) == 0;
		if (!own)
			to->files[to->n++] = f->was->files[i];
	}
	if (f->tail_config.was && !*to->journal.at) {
		to->journal = f->was->journal;
		to->n_journal_points = f->was->n_journal_points;
		memcpy(to->journal_points, f->was->journal_points, sizeof(to->journal_points));
	}
}

int follow_save(struct follow *f, bool at_once)
{
	int64_t now = clock_monotonic(f->c.clock);
	const struct taker *t = f->c.taker;
	struct place_table *to = f->now;
	struct err err;
	const bool due = now - f->saved >= SAVE_EVERY || (is_ahead(f, f->c.ahead / 2) && !f->not_saved);
	if (!f->c.places || (!at_once && !due))
		return 0;
	int settled = t->settled ? t->settled(t->arg, at_once || now - f->saved >= SAVE_AT_LEAST) : 1;
	if (settled <= 0)
		return settled;
	f->saved = now;
	*to = (struct place_table){ .saved = clock_wall(f->c.clock) };
	for (size_t i = 0; i < f->n; i++)
		tail_save(f->tails[i], to);
	for (size_t i = 0; i < f->c.sources->n; i++)
		if (f->patterns_seen[i] && to->n < PLACE_MAX_FILES)
			pattern_source(to->files[to->n++].source, f->c.sources->items[i].name);
	keep_others(f, to);
	int code = place_save(f->c.places, to, &err);
	if (code && !f->not_saved)
		note(f, NOTE_NO_PLACES, err.text, NULL);
	f->not_saved = code;
	f->stands = f->stands || !code;
	f->ahead = code ? f->ahead : 0;
	return 0;
}
