/* khien match: rules over events that lie in files. */
#include "cmd/cmd.h"
#include "cmd/known.h"
#include "cmd/opt.h"
#include "cmd/paths.h"
#include "cmd/pipeline.h"
#include "cmd/print.h"
#include "cmd/term.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SKIPS_SHOWN = 20, REFUSED_SHOWN = 5, OUT_FLUSH = 64 << 10 };

struct args {
	struct opt_list rules, events, indicators;
	const char *mapping, *placeholders, *cache;
	int format; /* 0: found by itself */
	uint64_t threads, max_record;
	bool json, summary, all_rules, no_cache, quiet, stats;
	int color;
};

struct file {
	char *path;
	uint64_t size;
};

struct run {
	struct args args;
	struct engine *engine;
	struct known known;
	struct intel_set *indicators; /* NULL: none were given */
	struct pipeline *pipeline;
	struct print_options print;
	struct buf out;
	uint64_t *hits; /* by rule */
	uint64_t shown;
	struct file *files;
	size_t n_files, cap_files;
	uint64_t total_bytes;
	_Atomic uint64_t read_bytes;
	struct intake_counts intake;
	struct progress progress;
	pthread_mutex_t say; /* one line at a time on standard error */
	uint64_t skips;
	int trouble; /* an input could not be read */
};

static const char *const synopsis[] = { "--rules DIR... [options] [--] EVENTS...", NULL };

static void say(struct run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct run *run, const char *fmt, ...)
{
	struct buf line = { 0 };
	char words[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	term_safe(&line, str_from(words));
	buf_putc(&line, '\n');
	pthread_mutex_lock(&run->say);
	progress_clear(&run->progress);
	term_write(STDERR_FILENO, STR("khien: "));
	term_write(STDERR_FILENO, buf_str(&line));
	pthread_mutex_unlock(&run->say);
	buf_free(&line);
}

static int parse_args(int argc, char **argv, struct args *a)
{
	size_t n;
	const struct format *const *formats = intake_formats(&n);
	const char *names[32] = { "auto" };
	for (size_t i = 0; i < n && i < ARRAY_LEN(names) - 2; i++)
		names[i + 1] = formats[i]->name;
	const struct opt opts[] = {
		{ "rules", 'r', OPT_WORDS, "DIR", "Sigma rules: files, or folders with *.yml; needed", &a->rules, 0, 0,
		  NULL },
		{ "indicators", 'i', OPT_LIST, "FILE", KNOWN_HELP "; may be\ngiven several times", &a->indicators, 0, 0,
		  NULL },
		{ "format", 'f', OPT_CHOICE, "NAME",
		  "format of the events: auto, json, syslog, combined, audit, cef, csv, kv", &a->format, 0, 0, names },
		{ "json", 'j', OPT_FLAG, NULL, "one match a line, as JSON", &a->json, 0, 0, NULL },
		{ "summary", 's', OPT_FLAG, NULL, "how often each rule matched, instead of the matches", &a->summary, 0,
		  0, NULL },
		{ "threads", 't', OPT_NUMBER, "N", "threads that parse and match (default: one a core)", &a->threads, 1,
		  64, NULL },
		{ "all-rules", 'a', OPT_FLAG, NULL, "every rule over every event, whatever its logsource",
		  &a->all_rules, 0, 0, NULL },
		{ "mapping", 'm', OPT_TEXT, "FILE", "log sources and field names (default: built in)", &a->mapping, 0,
		  0, NULL },
		{ "placeholders", 'p', OPT_TEXT, "DIR", "NAME.txt with the values of %NAME%, for |expand",
		  &a->placeholders, 0, 0, NULL },
		{ "max-event", 0, OPT_NUMBER, "BYTES", "longer events are skipped and counted (default: 1048576)",
		  &a->max_record, 1024, 1u << 30, NULL },
		{ "cache", 0, OPT_TEXT, "DIR", "where compiled rules are kept (default: the user's cache folder)",
		  &a->cache, 0, 0, NULL },
		{ "no-cache", 0, OPT_FLAG, NULL, "compile the rules anew, keep nothing", &a->no_cache, 0, 0, NULL },
		{ "color", 0, OPT_CHOICE, "WHEN", "auto, always, never", &a->color, 0, 0, term_color_choices },
		{ "stats", 0, OPT_FLAG, NULL, "what it took, on standard error", &a->stats, 0, 0, NULL },
		{ "quiet", 'q', OPT_FLAG, NULL, "no progress bar and no closing line", &a->quiet, 0, 0, NULL },
	};
	const struct opt_spec spec = {
		.command = "match",
		.synopsis = synopsis,
		.what = "Runs Sigma rules over events in files, folders (plain, gzip, zstd) or standard input (-).",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 no match, 1 matches, 2 something could not be done.\n\n"
		        "Example: khien match --rules rules -- /var/log/auth.log /var/log/nginx\n",
	};
	return opt_parse(&spec, argc, argv, &a->events);
}

static int flush(struct run *run)
{
	int r = run->out.n ? term_write(STDOUT_FILENO, buf_str(&run->out)) : 0;
	run->out.n = 0;
	return r;
}

static void render(const void *arg, struct buf *out, const struct match *m)
{
	const struct run *run = arg;
	if (run->args.summary)
		return;
	if (run->args.json) {
		print_match_json(out, engine_ruleset(run->engine), m);
		buf_putc(out, '\n');
	} else {
		print_match_text(out, &run->print, engine_ruleset(run->engine), m);
	}
}

static int emit(void *arg, uint32_t rule, struct str rendered)
{
	struct run *run = arg;
	run->hits[rule]++;
	run->shown++;
	if (run->progress.drawn && rendered.n) {
		pthread_mutex_lock(&run->say);
		progress_clear(&run->progress);
		pthread_mutex_unlock(&run->say);
	}
	buf_add(&run->out, rendered);
	if (run->out.failed)
		return -ENOMEM;
	return run->out.n >= OUT_FLUSH || run->progress.on ? flush(run) : 0;
}

static void skip(void *arg, const char *origin, uint64_t line, const char *reason)
{
	struct run *run = arg;
	pthread_mutex_lock(&run->say);
	uint64_t n = run->skips++;
	pthread_mutex_unlock(&run->say);
	if (n < SKIPS_SHOWN)
		say(run, "%s:%lu: skipped: %s", origin, (unsigned long)line, reason);
	else if (n == SKIPS_SHOWN)
		say(run, "more was skipped; the closing line says how much");
}

static int take_batch(void *arg, struct batch *b)
{
	struct run *run = arg;
	if (run->progress.on) {
		pthread_mutex_lock(&run->say);
		progress_update(&run->progress, run->read_bytes, run->total_bytes, b->origin);
		pthread_mutex_unlock(&run->say);
	}
	return pipeline_push(run->pipeline, b);
}

static int add_file(void *arg, const char *path, uint64_t size)
{
	struct run *run = arg;
	if (run->n_files == run->cap_files) {
		size_t cap = run->cap_files ? run->cap_files * 2 : 16;
		struct file *files = realloc(run->files, cap * sizeof(*files));
		if (!files)
			return -ENOMEM;
		run->files = files;
		run->cap_files = cap;
	}
	char *copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	run->files[run->n_files++] = (struct file){ copy, size };
	run->total_bytes += size;
	return 0;
}

static int find_files(struct run *run)
{
	for (size_t i = 0; i < run->args.events.n; i++) {
		const char *path = run->args.events.at[i];
		struct err err;
		int r = strcmp(path, "-") == 0 ? add_file(run, path, 0) : intake_walk(path, add_file, run, &err);
		if (r == -ENOMEM)
			return r;
		if (r) {
			say(run, "%s", err.text);
			run->trouble++;
		}
	}
	return 0;
}

static void add_counts(struct intake_counts *sum, const struct intake_counts *c)
{
	sum->bytes += c->bytes;
	sum->records += c->records;
	sum->skipped += c->skipped;
	sum->too_long += c->too_long;
	sum->invalid_utf8 += c->invalid_utf8;
	sum->nul += c->nul;
}

/* Reads all files. An unreadable one is named and passed over; an output that is gone ends it. */
static int read_files(struct run *run)
{
	size_t n;
	const struct format *const *formats = intake_formats(&n);
	for (size_t i = 0; i < run->n_files; i++) {
		struct intake_counts counts = { 0 };
		struct err err;
		struct framer_config config = {
			.origin = strcmp(run->files[i].path, "-") == 0 ? "standard input" : run->files[i].path,
			.format = run->args.format ? formats[run->args.format - 1] : NULL,
			.max_record = run->args.max_record,
			.now = clock_wall(&clock_system),
			.sink = take_batch,
			.skip = skip,
			.arg = run,
		};
		int r = intake_read(run->files[i].path, config, &counts, &run->read_bytes, &err);
		int sunk = pipeline_failed(run->pipeline);
		add_counts(&run->intake, &counts);
		if (sunk)
			return sunk;
		if (r) {
			say(run, "%s", err.text);
			run->trouble++;
		}
	}
	return 0;
}

static void say_refused(struct run *run)
{
	const struct ruleset *rs = engine_ruleset(run->engine);
	struct engine_info info;
	engine_info(run->engine, &info);
	if (info.not_cached.code && !run->args.quiet)
		say(run, "compiled rules are not kept, the next start compiles them again: %s", info.not_cached.text);
	uint32_t n = 0;
	for (uint32_t i = 0; i < rs->n_diagnostics; i++) {
		if (!rs->diagnostics[i].refused)
			continue;
		if (n++ < REFUSED_SHOWN)
			say(run, "%s", ruleset_text(rs, rs->diagnostics[i].text).p);
	}
	if (n)
		say(run, "%u of %u rules refused, the rest run; 'khien rules check' names them all", n,
		    n + rs->n_rules);
}

struct row {
	uint64_t n;
	uint32_t rule;
	uint8_t level;
};

static int most_first(const void *x, const void *y)
{
	const struct row *a = x, *b = y;
	if (a->level != b->level)
		return a->level < b->level ? 1 : -1;
	if (a->n != b->n)
		return a->n < b->n ? 1 : -1;
	return (a->rule > b->rule) - (a->rule < b->rule);
}

static void print_summary_row(struct run *run, const struct row *row)
{
	const struct ruleset *rs = engine_ruleset(run->engine);
	const struct rule *r = &rs->rules[row->rule];
	struct buf *out = &run->out;
	if (run->args.json) {
		buf_printf(out, "{\"rule\":{\"id\":");
		buf_add_json(out, ruleset_text(rs, r->id));
		buf_printf(out, ",\"title\":");
		buf_add_json(out, ruleset_text(rs, r->title));
		buf_printf(out, ",\"level\":\"%s\"},\"count\":%lu}\n", print_level(r->level), (unsigned long)row->n);
		return;
	}
	buf_printf(out, "%10lu  %s%-13s%s  ", (unsigned long)row->n, print_level_color(r->level, run->print.color),
	           print_level(r->level), run->print.color ? "\033[0m" : "");
	term_safe(out, ruleset_text(rs, r->title));
	buf_putc(out, '\n');
}

/* By rule, the gravest first, then the sums by level. */
static int print_summary(struct run *run)
{
	const struct ruleset *rs = engine_ruleset(run->engine);
	struct row *rows = malloc((rs->n_rules + 1) * sizeof(*rows));
	uint64_t by_level[LEVEL_CRITICAL + 1] = { 0 };
	size_t n = 0;
	if (!rows)
		return -ENOMEM;
	for (uint32_t i = 0; i < rs->n_rules; i++)
		if (run->hits[i]) {
			rows[n++] = (struct row){ run->hits[i], i, rs->rules[i].level };
			by_level[rs->rules[i].level] += run->hits[i];
		}
	qsort(rows, n, sizeof(*rows), most_first);
	for (size_t i = 0; i < n; i++)
		print_summary_row(run, &rows[i]);
	free(rows);
	if (!run->args.json && n) {
		buf_printf(&run->out, "\n");
		for (int level = LEVEL_CRITICAL; level >= 0; level--)
			if (by_level[level])
				buf_printf(&run->out, "%10lu  %s\n", (unsigned long)by_level[level],
				           level ? print_level((unsigned)level) : "no level");
	}
	return run->out.failed ? -ENOMEM : 0;
}

/* "; 3 records skipped": `what` begins with a noun in the singular, which takes an s. */
static void say_some(struct buf *b, uint64_t n, const char *what)
{
	size_t noun = strcspn(what, " ");
	if (n)
		buf_printf(b, "; %lu %.*s%s%s", (unsigned long)n, (int)noun, what,
		           n == 1                  ? ""
		           : what[noun - 1] == 'h' ? "es"
		                                   : "s",
		           what + noun);
}

static void say_closing(struct run *run, const struct pipeline_counts *c)
{
	struct buf b = { 0 };
	buf_printf(&b, "%lu match%s in %lu event%s of %zu file%s", (unsigned long)run->shown,
	           run->shown == 1 ? "" : "es", (unsigned long)c->match.events, c->match.events == 1 ? "" : "s",
	           run->n_files, run->n_files == 1 ? "" : "s");
	say_some(&b, run->intake.skipped + c->skipped, "record skipped");
	say_some(&b, run->intake.too_long, "record too long");
	say_some(&b, run->intake.invalid_utf8, "event with bytes that are not UTF-8");
	say_some(&b, run->intake.nul, "record with NUL bytes");
	say_some(&b, c->match.duplicate_keys, "key given twice in an object");
	say_some(&b, c->match.shed_values, "value beyond the bounds of an event");
	say_some(&b, c->known, "event with a known-bad value");
	say_some(&b, c->match.re_gave_up, "search given up at its bound");
	say_some(&b, c->match.unrouted, "event of a log source that no rule knows (--all-rules runs all)");
	say_some(&b, c->windows.late, "match too late for its correlation");
	say_some(&b, c->windows.shed_groups + c->windows.shed_events, "thing shed by correlations");
	say_some(&b, c->shed, "match too many to correlate across files");
	say(run, "%s", b.p ? b.p : "");
	buf_free(&b);
}

static void say_stats(struct run *run, const struct pipeline_counts *c)
{
	struct engine_info info;
	engine_info(run->engine, &info);
	say(run,
	    "stats rules=%u refused=%u always=%u cached=%s load_s=%.3f prefilter_bytes=%zu events=%lu candidates=%lu "
	    "bytes=%lu",
	    info.n_rules, info.n_refused, info.n_always, info.cached ? "yes" : "no", info.load_s, info.prefilter_bytes,
	    (unsigned long)c->match.events, (unsigned long)c->match.candidates, (unsigned long)run->intake.bytes);
}

static int match_all(struct run *run, struct err *err)
{
	struct pipeline_config config = {
		.engine = run->engine,
		.indicators = run->indicators,
		.threads = (int)run->args.threads,
		.merge = run->n_files > 1,
		.render = render,
		.emit = emit,
		.skip = skip,
		.arg = run,
	};
	struct pipeline_counts counts;
	int r = pipeline_new(&run->pipeline, &config, err);
	if (r)
		return r;
	r = read_files(run);
	r = r ? r : pipeline_finish(run->pipeline, true);
	r = r ? r : run->args.summary ? print_summary(run) : 0;
	r = r ? r : flush(run);
	progress_clear(&run->progress);
	if (r)
		err_set(err, r, r == -EPIPE ? "standard output was closed: stopped" : "standard output: %m");
	pipeline_counts(run->pipeline, &counts);
	if (run->args.stats)
		say_stats(run, &counts);
	if (!run->args.quiet && !r)
		say_closing(run, &counts);
	return r;
}

static void say_known(void *arg, const char *line)
{
	say(arg, "%s", line);
}

static int start(struct run *run, struct err *err)
{
	char cache[4096];
	struct engine_config config = {
		.rules = {
			.dirs = run->args.rules.at,
			.n_dirs = run->args.rules.n,
			.mapping = run->args.mapping,
			.placeholders = run->args.placeholders,
			.all_rules = run->args.all_rules,
		},
		.cache_dir = run->args.no_cache ? NULL : run->args.cache ? run->args.cache : paths_cache(cache, sizeof(cache)),
	};
	const struct opt_list *known = &run->args.indicators;
	if (known->n)
		known_ask(&run->known, &config.rules);
	int r = known->n ? known_set_files(&run->indicators, known->at, known->n, clock_wall(&clock_system), say_known,
	                                   run, err)
	                 : 0;
	r = r ? r : engine_open(&run->engine, &config, err);
	if (r)
		return r;
	const struct ruleset *rs = engine_ruleset(run->engine);
	run->hits = calloc(rs->n_rules + 1, sizeof(*run->hits));
	if (!run->hits)
		return err_set(err, -ENOMEM, "rules: %m");
	say_refused(run);
	if (rs->n_rules == 0)
		return err_set(err, -ENOENT,
		               "no rule to run in '%s': give --rules a file or folder with Sigma rules (*.yml)",
		               run->args.rules.n ? run->args.rules.at[0] : "");
	return 0;
}

static void finish(struct run *run)
{
	pipeline_free(run->pipeline); /* first: its threads may still be at work on the rest */
	for (size_t i = 0; i < run->n_files; i++)
		free(run->files[i].path);
	free(run->files);
	free(run->hits);
	buf_free(&run->out);
	engine_free(run->engine);
	intel_set_free(run->indicators);
	opt_list_done(&run->args.indicators);
	opt_list_done(&run->args.rules);
	opt_list_done(&run->args.events);
	pthread_mutex_destroy(&run->say);
}

int cmd_match(int argc, char **argv)
{
	struct run run = { .say = PTHREAD_MUTEX_INITIALIZER };
	struct err err = { 0 };
	int status = parse_args(argc, argv, &run.args);
	if (status >= 0) {
		finish(&run);
		return status;
	}
	bool nothing_to_match = run.args.rules.n + run.args.indicators.n == 0;
	if (nothing_to_match || run.args.events.n == 0) {
		say(&run, "%s; see 'khien match --help'",
		    !nothing_to_match
		            ? "no events: name files or folders, or - for standard input"
		            : "no rules: name them with --rules DIR, or known-bad values with --indicators FILE");
		finish(&run);
		return EXIT_TROUBLE;
	}
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error like any other */
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (!run.args.threads)
		run.args.threads = cores > 0 ? (uint64_t)cores : 1;
	run.print = (struct print_options){ .color = term_color(STDOUT_FILENO, run.args.color), .language = LANG_EN };
	progress_begin(&run.progress, STDERR_FILENO, &clock_system);
	if (run.args.quiet)
		run.progress.on = false;
	int r = start(&run, &err);
	r = r ? r : find_files(&run);
	r = r ? r : match_all(&run, &err);
	if (r)
		say(&run, "%s", err.text);
	status = r || run.trouble ? EXIT_TROUBLE : run.shown ? EXIT_FOUND : EXIT_NOTHING;
	finish(&run);
	return status;
}
