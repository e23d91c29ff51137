/*
 * Plays scenes: a text says which rules there are, what is fed and what must come out. The whole way is real, from
 * bytes to matches of correlations; the clock is the scene's own.
 *
 *   rule                          the indented lines that follow are Sigma rules
 *   rules PATH                    Sigma rules from a file or folder, beside the scene
 *   all-rules                     every rule sees every event, whatever its logsource
 *   lateness 10s                  of windows; memory 64k: the state that they may hold
 *   feed FORMAT [xN] [every 3s] [from TIME]: TEXT
 *                                 N records, 3 s apart, from a time or after the last one fed; {i} in TEXT is their
 *                                 number from 0, {time} {clf} {bsd} {epoch} are the time as RFC 3339, web servers,
 *                                 old syslog and audit write it, {nl} ends a line
 *   clock TIME                    event time comes so far though nothing is fed; a TIME is RFC 3339 or +3s
 *   end                           the input is at its end
 *   expect match NAME [count N] [FIELD=VALUE]...
 *                                 the next match, in order, by the rule's name or id; silent rules say
 *                                 nothing
 *   expect nothing                no more has come so far; the end of a scene expects it too
 *   expect counted WHAT N         a counter of windows; `some` is any number but 0
 */
#include "intake/intake.h"
#include "match/match.h"
#include "match/window.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MAX_RULES = 8, MAX_FORMATS = 8, MAX_LINE = 64 << 10, SECOND = 1000000 };

struct origin {
	const struct format *format;
	struct framer *framer;
};

struct scene {
	const char *path;
	unsigned line;
	bool failed;
	char dir[64]; /* holds the inline rules */
	FILE *inline_rules;
	char *rules[MAX_RULES + 1];
	size_t n_rules;
	bool all_rules;
	struct window_config config;

	struct engine *engine;
	struct matcher *matcher;
	struct windows *windows;
	struct event event;
	struct origin origins[MAX_FORMATS];
	size_t n_origins;
	int64_t now;

	struct arena arena;
	struct match **matches;
	size_t n_matches, next, cap_matches;
};

static void fail(struct scene *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct scene *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	printf("%s:%u: ", s->path, s->line);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
	s->failed = true;
}

/* The next word of a line, without the blanks around it. */
static struct str word(struct str *line)
{
	*line = str_trim(*line);
	size_t n = str_find(*line, ' ');
	struct str w = str_sub(*line, 0, n);
	*line = str_trim(str_sub(*line, n, line->n));
	return w;
}

static bool number(struct str s, uint64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		*ret = *ret * 10 + (uint64_t)(s.p[i] - '0');
	}
	return s.n > 0 && s.n < 18;
}

/* 3s, 10m, 2h, 1d, 20ms -> µs */
static bool duration(struct str s, int64_t *ret)
{
	static const struct {
		const char *unit;
		int64_t us;
	} units[] = { { "ms", 1000 },
		      { "s", SECOND },
		      { "m", 60 * SECOND },
		      { "h", 3600ll * SECOND },
		      { "d", 86400ll * SECOND } };
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		struct str unit = str_from(units[i].unit);
		uint64_t n;
		if (str_ends(s, unit) && number(str_sub(s, 0, s.n - unit.n), &n)) {
			*ret = (int64_t)n * units[i].us;
			return true;
		}
	}
	return false;
}

static bool point_in_time(const struct scene *s, struct str text, int64_t *ret)
{
	int64_t ahead;
	if (!str_starts(text, STR("+")))
		return event_parse_time(text, ret);
	if (!duration(str_sub(text, 1, text.n), &ahead))
		return false;
	*ret = s->now + ahead;
	return true;
}

static int keep(void *arg, const struct match *m)
{
	struct scene *s = arg;
	if (m->rule->silent)
		return 0;
	if (s->n_matches == s->cap_matches) {
		s->cap_matches = s->cap_matches ? s->cap_matches * 2 : 64;
		s->matches = realloc(s->matches, s->cap_matches * sizeof(*s->matches));
	}
	s->matches[s->n_matches++] = match_copy(&s->arena, m);
	return 0;
}

static int on_match(void *arg, const struct match *m)
{
	struct scene *s = arg;
	keep(s, m);
	return m->rule->feeds ? windows_feed(s->windows, m, keep, s) : 0;
}

static int on_batch(void *arg, struct batch *b)
{
	struct scene *s = arg;
	struct err err;
	for (size_t i = 0; i < b->n_records; i++) {
		if (batch_parse(b, i, &s->event, &err))
			fail(s, "no event: %s", err.text);
		else
			matcher_run(s->matcher, &s->event, on_match, s);
	}
	batch_free(b);
	return 0;
}

static void on_skip(void *arg, const char *origin, uint64_t line, const char *reason)
{
	fail(arg, "skipped: %s", reason);
}

/* Rules are compiled when the first event comes. */
static bool start(struct scene *s)
{
	if (s->engine)
		return true;
	if (s->inline_rules) {
		fclose(s->inline_rules);
		s->inline_rules = NULL;
	}
	struct err err = { 0 };
	struct engine_config config = {
		.rules = { .dirs = (const char *const *)s->rules, .n_dirs = s->n_rules, .all_rules = s->all_rules },
		.threads = 1,
	};
	if (engine_open(&s->engine, &config, &err) || matcher_new(&s->matcher, s->engine, &err) ||
	    windows_new(&s->windows, engine_ruleset(s->engine), &s->config, &err) ||
	    event_init(&s->event, engine_fields(s->engine))) {
		fail(s, "%s", err.text);
		return false;
	}
	const struct ruleset *rs = engine_ruleset(s->engine);
	for (uint32_t i = 0; i < rs->n_diagnostics; i++) {
		if (rs->diagnostics[i].refused)
			fail(s, STR_FMT, STR_ARG(ruleset_text(rs, rs->diagnostics[i].text)));
	}
	return !s->failed;
}

static struct framer *framer_for(struct scene *s, struct str name)
{
	const struct format *format = intake_format(name);
	for (size_t i = 0; i < s->n_origins; i++) {
		if (s->origins[i].format == format)
			return s->origins[i].framer;
	}
	struct framer_config config = { "scene", format, .sink = on_batch, .skip = on_skip, .arg = s };
	struct origin *to = &s->origins[s->n_origins];
	struct err err;
	if (!format || s->n_origins == MAX_FORMATS || framer_new(&to->framer, &config, &err))
		return NULL;
	to->format = format;
	s->n_origins++;
	return to->framer;
}

/* TEXT with what stands in braces filled in, and a line break behind it. */
static void fill_in(FILE *out, struct str text, uint64_t i, int64_t now)
{
	char at[5][64];
	time_t seconds = now / SECOND;
	struct tm tm;
	gmtime_r(&seconds, &tm);
	int us = (int)(now % SECOND);
	size_t n = strftime(at[0], sizeof(at[0]), "%FT%T", &tm);
	snprintf(at[0] + n, sizeof(at[0]) - n, ".%06dZ", us);
	strftime(at[1], sizeof(at[1]), "%d/%b/%Y:%T +0000", &tm);
	strftime(at[2], sizeof(at[2]), "%b %e %T", &tm);
	snprintf(at[3], sizeof(at[3]), "%" PRId64 ".%03d", now / SECOND, us / 1000);
	snprintf(at[4], sizeof(at[4]), "%" PRIu64, i);
	const struct {
		struct str mark;
		const char *text;
	} marks[] = { { STR("{time}"), at[0] },  { STR("{clf}"), at[1] }, { STR("{bsd}"), at[2] },
		      { STR("{epoch}"), at[3] }, { STR("{i}"), at[4] },   { STR("{nl}"), "\n" } };
	while (text.n) {
		size_t k = 0;
		while (k < ARRAY_LEN(marks) && !str_starts(text, marks[k].mark))
			k++;
		if (k == ARRAY_LEN(marks))
			fputc(text.p[0], out);
		else
			fputs(marks[k].text, out);
		text = str_sub(text, k == ARRAY_LEN(marks) ? 1 : marks[k].mark.n, text.n);
	}
	fputc('\n', out);
}

static void do_feed(struct scene *s, struct str line)
{
	/* "feed json: {...}", "feed json x20 every 3s from 2026-01-01T00:00:00Z: {...}" */
	size_t colon = 0;
	while (colon + 1 < line.n && !(line.p[colon] == ':' && line.p[colon + 1] == ' '))
		colon++;
	struct str head = str_sub(line, 0, colon), text = str_trim(str_sub(line, colon + 1, line.n));
	struct str format = word(&head);
	uint64_t times = 1;
	int64_t every = 0, time = s->now;
	bool ok = text.n > 0;
	while (ok && head.n) {
		struct str w = word(&head);
		if (str_starts(w, STR("x")))
			ok = number(str_sub(w, 1, w.n), &times);
		else if (str_eq(w, STR("every")))
			ok = duration(word(&head), &every);
		else
			ok = str_eq(w, STR("from")) && point_in_time(s, word(&head), &time);
	}
	struct framer *f = ok && start(s) ? framer_for(s, format) : NULL;
	if (!f) {
		fail(s, "this feed can't be understood");
		return;
	}
	for (uint64_t i = 0; i < times; i++) {
		char *record = NULL;
		size_t n = 0;
		s->now = time + (int64_t)i * every;
		FILE *out = open_memstream(&record, &n);
		fill_in(out, text, i, s->now);
		fclose(out);
		if (framer_feed(f, (struct str){ record, n }, s->now) || framer_flush(f, true))
			fail(s, "the framer stopped");
		free(record);
	}
}

static void print_match(const struct scene *s, const struct match *m)
{
	const struct ruleset *rs = engine_ruleset(s->engine);
	struct str name = ruleset_text(rs, m->rule->name);
	printf("  came: match " STR_FMT " count %u", STR_ARG(name.n ? name : ruleset_text(rs, m->rule->title)),
	       m->count);
	for (uint32_t i = 0; i < m->n_fields; i++)
		printf(" " STR_FMT "=" STR_FMT, STR_ARG(m->fields[i].name), STR_ARG(m->fields[i].text));
	putchar('\n');
}

static bool field_is(const struct match *m, struct str want)
{
	size_t eq = str_find(want, '=');
	for (uint32_t i = 0; i < m->n_fields; i++) {
		if (str_eq(m->fields[i].name, str_sub(want, 0, eq)) &&
		    str_eq(m->fields[i].text, str_sub(want, eq + 1, want.n)))
			return true;
	}
	return false;
}

static void expect_match(struct scene *s, struct str line)
{
	struct str name = word(&line);
	if (s->next == s->n_matches) {
		fail(s, "expected match " STR_FMT ", nothing came", STR_ARG(name));
		return;
	}
	const struct match *m = s->matches[s->next++];
	const struct ruleset *rs = engine_ruleset(s->engine);
	bool ok = str_eq(ruleset_text(rs, m->rule->name), name) || str_eq(ruleset_text(rs, m->rule->id), name);
	while (line.n) {
		struct str w = word(&line);
		uint64_t n;
		if (str_eq(w, STR("count")))
			ok &= number(word(&line), &n) && n == m->count;
		else
			ok &= field_is(m, w);
	}
	if (!ok) {
		fail(s, "expected another match");
		print_match(s, m);
	}
}

static void expect_nothing(struct scene *s)
{
	if (s->next == s->n_matches)
		return;
	fail(s, "expected nothing");
	while (s->next < s->n_matches)
		print_match(s, s->matches[s->next++]);
}

static void expect_counted(struct scene *s, struct str line)
{
	const struct window_counts *c = windows_counts(s->windows);
	const struct {
		struct str name;
		uint64_t n;
	} counts[] = { { STR("late"), c->late },
		       { STR("clock_back"), c->clock_back },
		       { STR("shed_groups"), c->shed_groups },
		       { STR("shed_events"), c->shed_events },
		       { STR("no_group"), c->no_group },
		       { STR("no_value"), c->no_value },
		       { STR("groups"), c->groups } };
	struct str name = word(&line);
	uint64_t want;
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		if (!str_eq(counts[i].name, name))
			continue;
		bool some = str_eq(line, STR("some"));
		if (some ? counts[i].n == 0 : !number(line, &want) || counts[i].n != want)
			fail(s, "expected " STR_FMT " " STR_FMT ", counted %" PRIu64, STR_ARG(name), STR_ARG(line),
			     counts[i].n);
		return;
	}
	fail(s, "no counter is called " STR_FMT, STR_ARG(name));
}

static void do_expect(struct scene *s, struct str line)
{
	struct str what = word(&line);
	if (!start(s))
		return;
	if (str_eq(what, STR("match")))
		expect_match(s, line);
	else if (str_eq(what, STR("nothing")))
		expect_nothing(s);
	else if (str_eq(what, STR("counted")))
		expect_counted(s, line);
	else
		fail(s, "expect match, nothing or counted");
}

static void add_rules(struct scene *s, struct str folder, struct str name)
{
	if (s->n_rules == MAX_RULES ||
	    asprintf(&s->rules[s->n_rules], STR_FMT STR_FMT, STR_ARG(folder), STR_ARG(name)) < 0)
		fail(s, "too many rules");
	else
		s->n_rules++;
}

static void add_inline(struct scene *s)
{
	snprintf(s->dir, sizeof(s->dir), "/tmp/khien-scene-XXXXXX");
	char path[96];
	if (!mkdtemp(s->dir)) {
		fail(s, "make a folder for rules: %s", strerror(errno));
		return;
	}
	snprintf(path, sizeof(path), "%s/scene.yml", s->dir);
	s->inline_rules = fopen(path, "w");
	add_rules(s, STR(""), str_from(path));
}

static void do_line(struct scene *s, struct str line)
{
	struct str verb = word(&line);
	uint64_t n;
	if (!verb.n || verb.p[0] == '#')
		return;
	if (str_eq(verb, STR("rule")) && !s->dir[0])
		add_inline(s);
	else if (str_eq(verb, STR("rules")))
		add_rules(s, str_sub(str_from(s->path), 0, (size_t)(strrchr(s->path, '/') + 1 - s->path)), line);
	else if (str_eq(verb, STR("all-rules")))
		s->all_rules = true;
	else if (str_eq(verb, STR("lateness")) && duration(line, &s->config.lateness))
		return;
	else if (str_eq(verb, STR("memory")) && str_ends(line, STR("k")) && number(str_sub(line, 0, line.n - 1), &n))
		s->config.max_bytes = n << 10;
	else if (str_eq(verb, STR("feed")))
		do_feed(s, line);
	else if (str_eq(verb, STR("clock")) && point_in_time(s, line, &s->now) && start(s))
		windows_advance(s->windows, s->now, keep, s);
	else if (str_eq(verb, STR("end")) && start(s))
		windows_flush(s->windows, keep, s);
	else if (str_eq(verb, STR("expect")))
		do_expect(s, line);
	else
		fail(s, "this line can't be understood");
}

static void clean_up(struct scene *s)
{
	for (size_t i = 0; i < s->n_origins; i++)
		framer_free(s->origins[i].framer);
	windows_free(s->windows);
	matcher_free(s->matcher);
	if (s->event.fields)
		event_done(&s->event);
	engine_free(s->engine);
	if (s->inline_rules)
		fclose(s->inline_rules);
	if (s->dir[0]) {
		char path[96];
		snprintf(path, sizeof(path), "%s/scene.yml", s->dir);
		unlink(path);
		rmdir(s->dir);
	}
	for (size_t i = 0; i < s->n_rules; i++)
		free(s->rules[i]);
	free(s->matches);
	arena_free(&s->arena);
}

static bool play(const char *path)
{
	struct scene s = { .path = path };
	char line[MAX_LINE];
	FILE *f = strchr(path, '/') ? fopen(path, "r") : NULL;
	if (!f) {
		printf("%s: %s (name it with its folder)\n", path, strerror(errno));
		return false;
	}
	while (!s.failed && fgets(line, sizeof(line), f)) {
		s.line++;
		bool inside = line[0] == '\t' || line[0] == ' ' || line[0] == '\n';
		if (s.inline_rules && inside)
			fputs(line[0] == '\t' ? line + 1 : line, s.inline_rules);
		else
			do_line(&s, str_from(line));
	}
	if (!s.failed && start(&s))
		expect_nothing(&s);
	fclose(f);
	clean_up(&s);
	return !s.failed;
}

int main(int argc, char **argv)
{
	bool ok = argc > 1;
	for (int i = 1; i < argc; i++)
		ok &= play(argv[i]);
	return ok ? 0 : 1;
}
