/*
 * khien rules test: each rule is held against its evidence. A log is run alone, through all rules, with fresh windows,
 * so what it shows hangs on nothing but itself.
 */
#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/rules.h"
#include "cmd/rules_why.h"
#include "cmd/term.h"
#include "intake/intake.h"
#include "match/window.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 100000 };

struct evidence {
	char *path;
	uint32_t rule; /* NO_INDEX: it belongs to none */
	bool hit;
};

struct trial {
	const struct rules_args *args;
	struct engine *engine;
	const struct ruleset *rs;
	struct matcher *matcher;
	struct event event;
	struct evidence *files;
	size_t n_files, cap_files;
	bool lone; /* what is walked now is beside a file that was named: other rules' logs are none of ours */
	uint32_t *n_hits, *n_misses; /* by rule: logs */
	uint32_t failed, rules;
	struct buf out;

	/* Of the log that is run now. */
	struct windows *windows;
	uint64_t *matched;  /* by rule */
	uint32_t wanted;    /* the rule whose log it is */
	uint32_t explained; /* the rule to be explained, NO_INDEX: none */
	uint64_t events, unrouted;
	struct why why;
	struct buf first;   /* the first match of `wanted`, in words */
	struct buf skipped; /* the first record that no event could be made of */
};

static struct str name_of(const struct ruleset *rs, const struct rule *r)
{
	struct str name = ruleset_text(rs, r->name);
	return name.n ? name : ruleset_text(rs, r->id);
}

/* The part of a path up to its last slash, with it. */
static struct str folder_of(struct str path)
{
	while (path.n && path.p[path.n - 1] != '/')
		path.n--;
	return path;
}

/* The rule in this folder whose log it is: of names that fit the longest. */
static uint32_t owner(const struct trial *t, struct str folder, struct str file)
{
	uint32_t best = NO_INDEX;
	size_t longest = 0;
	for (uint32_t i = 0; i < t->rs->n_rules; i++) {
		const struct rule *r = &t->rs->rules[i];
		struct str name = name_of(t->rs, r);
		if (name.n > longest && str_starts(file, name) && file.n > name.n && file.p[name.n] == '.' &&
		    str_eq(folder_of(ruleset_text(t->rs, r->file)), folder)) {
			best = i;
			longest = name.n;
		}
	}
	return best;
}

static int note_file(void *arg, const char *path, uint64_t size)
{
	struct trial *t = arg;
	struct str whole = str_from(path), above = folder_of(whole), file = str_sub(whole, above.n, whole.n);
	bool hit = str_eq(above, STR("hit/")) || str_ends(above, STR("/hit/"));
	if (!hit && !str_eq(above, STR("miss/")) && !str_ends(above, STR("/miss/")))
		return 0;
	uint32_t rule = owner(t, folder_of(str_sub(above, 0, above.n - 1)), file);
	if (rule == NO_INDEX && t->lone)
		return 0;
	if (t->n_files == FILES_MAX)
		return -E2BIG;
	if (t->n_files == t->cap_files) {
		size_t cap = t->cap_files ? t->cap_files * 2 : 64;
		struct evidence *files = realloc(t->files, cap * sizeof(*files));
		if (!files)
			return -ENOMEM;
		t->files = files;
		t->cap_files = cap;
	}
	char *copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	t->files[t->n_files++] = (struct evidence){ copy, rule, hit };
	return 0;
}

static int find_beside(struct trial *t, const char *file, const char *kind, struct err *err)
{
	struct str folder = folder_of(str_from(file));
	char path[4096];
	struct stat st;
	if ((size_t)snprintf(path, sizeof(path), STR_FMT "%s", STR_ARG(folder), kind) >= sizeof(path))
		return err_set(err, -ENAMETOOLONG, "'%s': %m", file);
	return stat(path, &st) ? 0 : intake_walk(path, note_file, t, err);
}

static int find_files(struct trial *t, const char *const *dirs, size_t n, struct err *err)
{
	int r = 0;
	for (size_t i = 0; i < n && !r; i++) {
		struct stat st;
		err->text[0] = '\0';
		if (stat(dirs[i], &st))
			return err_set(err, -errno, "open '%s': %m", dirs[i]);
		t->lone = !S_ISDIR(st.st_mode);
		if (!t->lone) {
			r = intake_walk(dirs[i], note_file, t, err);
		} else {
			r = find_beside(t, dirs[i], "hit", err);
			r = r ? r : find_beside(t, dirs[i], "miss", err);
		}
		if (r && !err->text[0])
			err_set(err, r, "evidence in '%s': %m (at most %d files)", dirs[i], FILES_MAX);
	}
	return r;
}

static void describe(struct trial *t, const struct match *m)
{
	buf_printf(&t->first, "line %lu", (unsigned long)m->line);
	for (uint32_t i = 0; i < m->n_fields; i++) {
		buf_printf(&t->first, i ? ", " : ": ");
		term_safe(&t->first, m->fields[i].name);
		buf_printf(&t->first, " is '");
		term_safe(&t->first, m->fields[i].text);
		buf_putc(&t->first, '\'');
	}
}

static int take_correlation(void *arg, const struct match *m)
{
	struct trial *t = arg;
	if (!t->matched[m->rule_index]++ && m->rule_index == t->wanted)
		describe(t, m);
	return 0;
}

static int take_match(void *arg, const struct match *m)
{
	struct trial *t = arg;
	take_correlation(t, m);
	return m->rule->feeds ? windows_feed(t->windows, m, take_correlation, t) : 0;
}

static void skip(void *arg, const char *origin, uint64_t line, const char *reason)
{
	struct trial *t = arg;
	if (t->skipped.n)
		return;
	if (line)
		buf_printf(&t->skipped, "line %lu: ", (unsigned long)line);
	term_safe(&t->skipped, str_from(reason));
}

static int take_batch(void *arg, struct batch *b)
{
	struct trial *t = arg;
	int r = 0;
	for (size_t i = 0; i < b->n_records && !r; i++) {
		struct err why;
		r = batch_parse(b, i, &t->event, &why);
		if (r == -EBADMSG) {
			skip(t, b->origin, b->records[i].line, why.text);
			r = 0;
			continue;
		}
		r = r ? r : matcher_run(t->matcher, &t->event, take_match, t);
		if (!r && t->explained != NO_INDEX)
			why_look(&t->why, t->matcher, &t->event, t->rs, &t->rs->rules[t->explained]);
	}
	batch_free(b);
	return r;
}

static int run(struct trial *t, const struct evidence *e, uint32_t explained, struct err *err)
{
	const struct match_counts *counts = matcher_counts(t->matcher);
	const struct framer_config config = {
		.origin = e->path,
		.now = clock_wall(&clock_system),
		.sink = take_batch,
		.skip = skip,
		.arg = t,
	};
	struct intake_counts read;
	uint64_t events = counts->events, unrouted = counts->unrouted;
	memset(t->matched, 0, t->rs->n_rules * sizeof(*t->matched));
	t->wanted = e->rule;
	t->explained = explained;
	t->first.n = t->skipped.n = 0;
	why_clear(&t->why);
	int r = windows_new(&t->windows, t->rs, &(struct window_config){ 0 }, err);
	if (r)
		return r;
	r = intake_read(e->path, config, &read, NULL, err);
	r = r ? r : windows_flush(t->windows, take_correlation, t);
	windows_free(t->windows);
	t->windows = NULL;
	t->events = counts->events - events;
	t->unrouted = counts->unrouted - unrouted;
	return r;
}

static void print_case(struct trial *t, const struct rule *r, const char *kind, struct str file, struct str why)
{
	struct buf *out = &t->out;
	t->failed += why.n != 0;
	if (t->args->json) {
		buf_printf(out, "{\"rule\":");
		if (r) {
			buf_printf(out, "{\"id\":");
			buf_add_json(out, ruleset_text(t->rs, r->id));
			buf_printf(out, ",\"name\":");
			buf_add_json(out, ruleset_text(t->rs, r->name));
			buf_putc(out, '}');
		} else {
			buf_printf(out, "null");
		}
		buf_printf(out, ",\"evidence\":\"%s\",\"file\":", kind);
		buf_add_json(out, file);
		buf_printf(out, ",\"holds\":%s", why.n ? "false" : "true");
		if (why.n) {
			buf_printf(out, ",\"why\":");
			buf_add_json(out, why);
		}
		buf_printf(out, "}\n");
	} else if (why.n || t->args->verbose) {
		term_safe(out, file);
		buf_printf(out, ": ");
		if (r) {
			buf_putc(out, '\'');
			term_safe(out, name_of(t->rs, r));
			buf_printf(out, "' ");
		}
		buf_add(out, why.n ? why : str_from(strcmp(kind, "hit") == 0 ? "matches" : "doesn't match"));
		buf_putc(out, '\n');
	}
}

/* A detection below this rule that did not match once; NO_INDEX: all did. */
static uint32_t silent_input(const struct trial *t, uint32_t rule)
{
	const struct rule *r = &t->rs->rules[rule];
	if (r->correlation == NO_INDEX)
		return t->matched[rule] ? NO_INDEX : rule;
	const struct correlation *c = &t->rs->correlations[r->correlation];
	for (uint32_t i = 0; i < c->inputs.n; i++) {
		uint32_t found = silent_input(t, t->rs->inputs[c->inputs.at + i].rule);
		if (found != NO_INDEX)
			return found;
	}
	return NO_INDEX;
}

static void add_source(struct buf *out, const struct ruleset *rs, const struct rule *r)
{
	const struct source *s = &rs->sources[r->source];
	const struct {
		const char *part;
		struct text text;
	} parts[] = { { "product", s->product }, { "category", s->category }, { "service", s->service } };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (parts[i].text.len) {
			buf_printf(out, " %s ", parts[i].part);
			term_safe(out, ruleset_text(rs, parts[i].text));
		}
}

static void add_nearest(struct trial *t, struct buf *out)
{
	const struct rule *r = &t->rs->rules[t->explained];
	buf_printf(out, "; ");
	if (t->explained != t->wanted) {
		buf_putc(out, '\'');
		term_safe(out, name_of(t->rs, r));
		buf_printf(out, "' never matched, ");
	}
	buf_printf(out, "nearest is line %lu: ", (unsigned long)t->why.line);
	if (t->why.lacks) {
		buf_add(out, buf_str(&t->why.text));
	} else {
		buf_printf(out, "it fits, but is not of the rule's logsource,");
		add_source(out, t->rs, r);
	}
}

/* A correlation's inputs and how often each matched. */
static void add_inputs(struct trial *t, struct buf *out, const struct correlation *c)
{
	buf_printf(out, "; it wants ");
	why_correlation(out, t->rs, c);
	for (uint32_t i = 0; i < c->inputs.n; i++) {
		uint32_t rule = t->rs->inputs[c->inputs.at + i].rule;
		buf_printf(out, "%s '", i ? "," : ";");
		term_safe(out, name_of(t->rs, &t->rs->rules[rule]));
		buf_printf(out, "' matched %lu time%s", (unsigned long)t->matched[rule],
		           t->matched[rule] == 1 ? "" : "s");
	}
}

/* A log that should have matched and didn't: it is run once more, and watched more closely. */
static int explain(struct trial *t, const struct evidence *e, struct buf *why, struct err *err)
{
	const struct rule *r = &t->rs->rules[e->rule];
	uint32_t target = silent_input(t, e->rule);
	buf_printf(why, "doesn't match");
	if (r->correlation != NO_INDEX)
		add_inputs(t, why, &t->rs->correlations[r->correlation]);
	if (target == NO_INDEX)
		return 0;
	int code = run(t, e, target, err);
	if (!code && t->why.line)
		add_nearest(t, why);
	return code;
}

static int try_file(struct trial *t, const struct evidence *e, struct err *err)
{
	CLEANUP(buf_free) struct buf why = { 0 };
	const char *kind = e->hit ? "hit" : "miss";
	if (e->rule == NO_INDEX) {
		print_case(t, NULL, kind, str_from(e->path),
		           STR("belongs to no rule: call it as a rule of this folder, NAME.log"));
		return 0;
	}
	struct err unreadable = { 0 };
	int r = run(t, e, NO_INDEX, &unreadable);
	if (r == -ENOMEM)
		return err_set(err, r, "%s: %m", e->path);
	bool matched = t->matched[e->rule] != 0;
	(e->hit ? t->n_hits : t->n_misses)[e->rule]++;
	if (r && unreadable.text[0])
		buf_printf(&why, "can't be read: %s", unreadable.text);
	else if (r || t->skipped.n)
		buf_printf(&why, "can't be read: " STR_FMT, STR_ARG(buf_str(&t->skipped)));
	else if (!t->events)
		buf_printf(&why, "shows nothing: there is no event in it");
	else if (t->unrouted == t->events)
		buf_printf(&why, "shows nothing: no event in it is of a logsource that a rule names");
	else if (matched && !e->hit)
		buf_printf(&why, "matches and must not, " STR_FMT, STR_ARG(buf_str(&t->first)));
	else if (!matched && e->hit)
		r = explain(t, e, &why, err);
	else
		r = 0;
	print_case(t, &t->rs->rules[e->rule], kind, str_from(e->path), buf_str(&why));
	return r == -ENOMEM ? r : 0;
}

static void lacks(struct trial *t, const struct rule *r, const char *kind, const char *what)
{
	CLEANUP(buf_free) struct buf why = { 0 }, file = { 0 };
	struct str path = ruleset_text(t->rs, r->file), folder = folder_of(path), name = name_of(t->rs, r);
	buf_add(&file, path);
	buf_printf(&file, ":%u", r->line);
	if (name.n)
		buf_printf(&why, "has no evidence: put a log that it must %s into " STR_FMT "%s/" STR_FMT ".log", what,
		           STR_ARG(folder), kind, STR_ARG(name));
	else
		buf_printf(&why, "has no evidence and can't have any: give the rule a name");
	print_case(t, r, kind, buf_str(&file), buf_str(&why));
}

static int try_all(struct trial *t, struct err *err)
{
	int r = 0;
	for (uint32_t i = 0; i < t->rs->n_diagnostics; i++)
		if (t->rs->diagnostics[i].refused) {
			t->failed++;
			term_safe(t->args->json ? &t->skipped : &t->out,
			          ruleset_text(t->rs, t->rs->diagnostics[i].text));
			buf_putc(t->args->json ? &t->skipped : &t->out, '\n');
		}
	if (t->skipped.n) /* refused rules are no lines of JSON */
		term_write(STDERR_FILENO, buf_str(&t->skipped));
	for (size_t i = 0; i < t->n_files && !r; i++)
		r = try_file(t, &t->files[i], err);
	for (uint32_t i = 0; i < t->rs->n_rules && !r; i++) {
		const struct rule *rule = &t->rs->rules[i];
		if (rule->silent)
			continue;
		t->rules++;
		if (!t->n_hits[i])
			lacks(t, rule, "hit", "match");
		if (!t->n_misses[i])
			lacks(t, rule, "miss", "not match, though it looks alike,");
	}
	if (!r && !t->args->quiet && !t->args->json) {
		buf_printf(&t->out, "%u rules, %zu logs of evidence: ", t->rules, t->n_files);
		buf_printf(&t->out, t->failed ? "%u failed\n" : "all hold\n", t->failed);
	}
	if (!r && t->out.failed)
		r = err_set(err, -ENOMEM, "output: %m");
	if (!r && t->out.n && (r = term_write(STDOUT_FILENO, buf_str(&t->out))))
		err_set(err, r, "write to standard output: %m");
	return r;
}

static int begin(struct trial *t, const char *const *dirs, size_t n_dirs, struct err *err)
{
	const struct engine_config config = {
		.rules = { .dirs = dirs,
		           .n_dirs = n_dirs,
		           .mapping = t->args->mapping,
		           .placeholders = t->args->placeholders },
	};
	int r = engine_open(&t->engine, &config, err);
	if (r)
		return r;
	t->rs = engine_ruleset(t->engine);
	if (!t->rs->n_rules && !t->rs->n_diagnostics)
		return err_set(err, -ENOENT, "no rule in '%s': name a file or folder with rules (*.yml)", dirs[0]);
	t->matched = calloc(t->rs->n_rules + 1, sizeof(*t->matched));
	t->n_hits = calloc(t->rs->n_rules + 1, sizeof(*t->n_hits));
	t->n_misses = calloc(t->rs->n_rules + 1, sizeof(*t->n_misses));
	if (!t->matched || !t->n_hits || !t->n_misses || event_init(&t->event, engine_fields(t->engine)))
		return err_set(err, -ENOMEM, "evidence: %m");
	r = matcher_new(&t->matcher, t->engine, err);
	return r ? r : find_files(t, dirs, n_dirs, err);
}

static void end(struct trial *t)
{
	for (size_t i = 0; i < t->n_files; i++)
		free(t->files[i].path);
	free(t->files);
	free(t->matched);
	free(t->n_hits);
	free(t->n_misses);
	matcher_free(t->matcher);
	event_done(&t->event);
	why_done(&t->why);
	buf_free(&t->first);
	buf_free(&t->skipped);
	buf_free(&t->out);
	engine_free(t->engine);
}

int rules_try(const struct rules_args *a, struct err *err)
{
	struct trial t = { .args = a };
	int r = begin(&t, a->words.n ? a->words.at : (const char *const[]){ a->dir }, a->words.n ? a->words.n : 1, err);
	r = r ? r : try_all(&t, err);
	uint32_t failed = t.failed;
	end(&t);
	return r ? r : failed ? EXIT_FOUND : EXIT_NOTHING;
}
