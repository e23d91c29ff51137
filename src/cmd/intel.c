/* khien intel: feeds of known-bad values. */
#include "cmd/intel.h"

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/intel_read.h"
#include "cmd/known.h"
#include "cmd/term.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ADD = 1, LIST = 2, REMOVE = 4, RESTORE = 8, CHECK = 16, SEARCH = 32, BAD_SHOWN = 20 };
#define FOLDER "/intel"

void intel_say(void *arg, const char *line)
{
	struct buf b = { 0 };
	buf_add(&b, STR("khien intel: "));
	term_safe(&b, str_from(line));
	buf_putc(&b, '\n');
	term_write(STDERR_FILENO, buf_str(&b));
	buf_free(&b);
}

int intel_duration(const char *word, int64_t *seconds, struct err *err)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 } };
	char *end;
	errno = 0;
	long n = strtol(word, &end, 10);
	for (size_t i = 0; n > 0 && n <= 36500 && !errno && *end && !end[1] && i < ARRAY_LEN(units); i++)
		if (*end == units[i].unit) {
			*seconds = n * units[i].seconds;
			return 0;
		}
	return err_set(err, -EINVAL, "'%s' is no duration: write 12h, 90d or 4w", word);
}

static int out(struct buf *b)
{
	int r = b->failed ? -ENOMEM : b->n ? term_write(STDOUT_FILENO, buf_str(b)) : 0;
	buf_free(b);
	return r;
}

/* --- add --- */

static void say_added(const struct feed *f, bool replaced)
{
	char line[400];
	snprintf(
	        line, sizeof(line),
	        "%s the feed '%s': %u indicators (%s); %llu twice, %llu left out (expired, revoked, or not meant to be "
	        "matched), %llu that can't be used",
	        replaced ? "replaced" : "added", f->head.name, f->n_items, f->head.format,
	        (unsigned long long)f->head.twice, (unsigned long long)f->head.left, (unsigned long long)f->head.bad);
	intel_say(NULL, line);
}

static bool has_feed(const char *dir, const char *name)
{
	char path[4400];
	snprintf(path, sizeof(path), "%s/%s.feed", dir, name);
	return access(path, F_OK) == 0;
}

static int become(struct intel_job *job, struct err *err)
{
	int r = admin_make(&job->admin, err);
	return r ? r : admin_become(&job->admin, err);
}

static int put_feed(struct intel_job *job, const struct feed *f, struct err *err)
{
	bool replaced = has_feed(job->dir, f->head.name);
	uint64_t swept;
	int r = shelf_put(job->dir, f->head.name, (struct str){ f->block, f->block_size }, err);
	if (r)
		return r;
	if (!job->args->quiet)
		say_added(f, replaced);
	return shelf_sweep(job->dir, job->now / CLOCK_S, &swept, err);
}

int intel_add(struct intel_job *job, struct err *err)
{
	const struct intel_args *a = job->args;
	struct intel_reading reading = {
		.paths = a->words.at,
		.n_paths = a->words.n,
		.feed = a->feed,
		.format = (enum intel_format)a->format,
		.flags = (a->exact ? INTEL_EXACT : 0u) | (a->private ? INTEL_PRIVATE : 0u),
		.confidence = (int)a->confidence - 1,
		.now = job->now,
	};
	struct feed f;
	if (!a->feed || !feed_name_ok(str_from(a->feed)))
		return err_set(err, -EINVAL, "name the feed with --feed NAME: letters, digits, '.', '_' and '-'");
	int r = a->expires ? intel_duration(a->expires, &reading.lives, err) : 0;
	r = r ? r : intel_read(&f, &reading, err);
	if (r)
		return r;
	known_say_bad(&f, a->all ? FEED_TOLD_MAX : BAD_SHOWN, intel_say, NULL);
	if (!f.n_items)
		r = err_set(err, -ENOENT, "no indicator is left: the feed '%s' stays as it was", a->feed);
	/* Files are read as who runs this, the feed is written as who keeps the store. */
	r = r ? r : become(job, err);
	r = r ? r : put_feed(job, &f, err);
	if (!r && !a->no_search && access(job->store, F_OK) == 0)
		r = intel_search_feeds(job, &f, 1, err);
	feed_close(&f);
	return r;
}

/* --- list, remove, restore --- */

static void add_time(struct buf *b, int64_t us)
{
	time_t s = (time_t)(us / CLOCK_S);
	struct tm tm;
	char text[32] = "";
	if (gmtime_r(&s, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	buf_add(b, str_from(text));
}

static void say_damaged(void *arg, const char *file, const char *why)
{
	char line[700];
	snprintf(line, sizeof(line), "the feed '%s' is left out: %s", file, why);
	intel_say(arg, line);
}

static void list_feed(struct buf *b, const struct feed *f, const struct intel_job *job)
{
	uint64_t expired = 0;
	for (uint32_t i = 0; i < f->n_items; i++)
		expired += f->items[i].expires && f->items[i].expires <= job->now / CLOCK_S;
	if (job->args->json) {
		buf_printf(b,
		           "{\"feed\":\"%s\",\"indicators\":%u,\"expired\":%llu,\"unusable\":%llu,\"format\":\"%s\",",
		           f->head.name, f->n_items, (unsigned long long)expired, (unsigned long long)f->head.bad,
		           f->head.format);
		buf_add(b, STR("\"added\":\""));
		add_time(b, f->head.added);
		buf_add(b, STR("\"}\n"));
		return;
	}
	add_time(b, f->head.added);
	buf_printf(b, "  %-5s %10u  %s", f->head.format, f->n_items, f->head.name);
	if (expired)
		buf_printf(b, "  (%llu expired)", (unsigned long long)expired);
	buf_putc(b, '\n');
}

static int run_list(struct intel_job *job, struct err *err)
{
	struct shelf s;
	struct buf b = { 0 };
	int r = shelf_load(&s, job->dir, say_damaged, NULL, err);
	if (r)
		return r;
	for (size_t i = 0; i < s.n; i++)
		list_feed(&b, &s.feeds[i], job);
	bool none = !s.n;
	shelf_done(&s);
	r = out(&b);
	return r ? err_set(err, r, "standard output: %m") : none;
}

static int run_remove(struct intel_job *job, struct err *err)
{
	int r = become(job, err);
	return r ? r : shelf_remove(job->dir, job->args->words.at[0], err);
}

static int run_restore(struct intel_job *job, struct err *err)
{
	int r = become(job, err);
	return r ? r : shelf_restore(job->dir, job->args->words.at[0], err);
}

/* --- check --- */

struct checking {
	struct buf out;
	const char *value;
	bool json;
};

static void show_found(void *arg, const struct intel_found *f)
{
	struct checking *c = arg;
	struct buf *b = &c->out;
	if (c->json) {
		buf_printf(b, "{\"type\":\"%s\",\"value\":", intel_type_name(f->type));
		buf_add_json(b, f->text);
		buf_add(b, STR(",\"feed\":"));
		buf_add_json(b, f->feed);
		buf_printf(b, ",\"confidence\":%u,\"note\":", f->confidence);
		buf_add_json(b, f->note);
		buf_add(b, STR(",\"reference\":"));
		buf_add_json(b, f->reference);
		if (f->expires) {
			buf_add(b, STR(",\"expires\":\""));
			add_time(b, (int64_t)f->expires * CLOCK_S);
			buf_putc(b, '"');
		}
		buf_add(b, STR("}\n"));
		return;
	}
	buf_printf(b, "%s ", intel_type_name(f->type));
	term_safe(b, f->text);
	buf_add(b, STR("  in "));
	term_safe(b, f->feed);
	buf_printf(b, "  confidence %u", f->confidence);
	if (f->expires) {
		buf_add(b, STR("  until "));
		add_time(b, (int64_t)f->expires * CLOCK_S);
	}
	if (f->note.n) {
		buf_add(b, STR("  "));
		term_safe(b, f->note);
	}
	if (f->reference.n) {
		buf_add(b, STR("  "));
		term_safe(b, f->reference);
	}
	buf_putc(b, '\n');
}

static int run_check(struct intel_job *job, struct err *err)
{
	struct intel_set *set;
	struct checking c = { .json = job->args->json };
	uint32_t n = 0;
	int r = known_set_folder(&set, job->dir, job->now, NULL, intel_say, NULL, err);
	if (r)
		return r;
	const struct intel_look look = { set, (uint32_t)(job->now / CLOCK_S), show_found, &c };
	for (size_t i = 0; i < job->args->words.n && !r; i++) {
		struct indicator ind;
		const char *why = indicator_read(&ind, str_from(job->args->words.at[i]), INTEL_ANY, INTEL_PRIVATE);
		if (why)
			r = err_set(err, -EINVAL, "'%.80s': %s", job->args->words.at[i], why);
		else if (ind.type == INTEL_HASH)
			intel_look_hash(&look, ind.text, &n);
		else if (ind.type == INTEL_URL || ind.type == INTEL_BELOW)
			intel_look_url(&look, ind.text, &n);
		else if (ind.type == INTEL_NETWORK)
			r = err_set(err, -EINVAL, "'%.80s': ask for an address, not for a network",
			            job->args->words.at[i]);
		else
			intel_look_host(&look, ind.text, &n);
	}
	intel_set_free(set);
	if (r) {
		buf_free(&c.out);
		return r;
	}
	r = out(&c.out);
	return r ? err_set(err, r, "standard output: %m") : n > 0;
}

/* --- the command --- */

static const struct job {
	const char *name;
	unsigned bit;
	const char *synopsis, *what, *more;
	int (*run)(struct intel_job *job, struct err *err);
	size_t min_words, max_words;
} jobs[] = {
	{ "add", ADD, "add --feed NAME [OPTION]... FILE...",
	  "Puts indicators into a feed of the hub, in the place of what that feed had: a list with one a line, a STIX "
	  "2.1\n"
	  "bundle, a MISP event, or a folder of these as MISP's feeds are. Then the stored events are searched for "
	  "them.",
	  "Exit status: 0 added, 1 added and found among stored events, 2 something could not be done.\n\n"
	  "Example: khien intel add --feed partner --expires 90d bundle.json\n",
	  intel_add, 1, SIZE_MAX },
	{ "list", LIST, "list [OPTION]...", "The feeds: when they were added, how many indicators they have.",
	  "Exit status: 0 listed, 1 there is none, 2 something could not be done.\n", run_list, 0, 0 },
	{ "remove", REMOVE, "remove [OPTION]... NAME", "Takes a feed away; 'restore' brings it back.",
	  "Exit status: 0 removed, 2 not.\n", run_remove, 1, 1 },
	{ "restore", RESTORE, "restore [OPTION]... NAME",
	  "Brings back what a feed was before it was replaced or removed; a second time undoes that.",
	  "Exit status: 0 restored, 2 not.\n", run_restore, 1, 1 },
	{ "check", CHECK, "check [OPTION]... VALUE...",
	  "Which feeds have the address, name, URL or hash, or something that covers it.",
	  "Exit status: 0 none has it, 1 some do, 2 something could not be done.\n", run_check, 1, SIZE_MAX },
	{ "search", SEARCH, "search [OPTION]...",
	  "Searches the stored events for the indicators, in one pass, and says for each feed and kind: found, not "
	  "found,\n"
	  "or not covered and why.",
	  "Exit status: 0 nothing found, 1 found, 2 something could not be done, or not all could be read.\n\n"
	  "Example: khien intel search --feed partner --since 90d\n",
	  intel_search, 0, 0 },
};

static const struct job *find_job(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
		if (strcmp(jobs[i].name, name) == 0)
			return &jobs[i];
	return NULL;
}

static int parse_args(const struct job *job, int argc, char **argv, struct intel_args *a)
{
	const struct {
		unsigned jobs;
		struct opt opt;
	} all[] = {
		{ ADD, { "feed", 'f', OPT_TEXT, "NAME", "add: the feed's name; needed", &a->feed, 0, 0, NULL } },
		{ SEARCH,
		  { "feed", 'f', OPT_LIST, "NAME", "this feed only; may be given several times", &a->feeds, 0, 0,
		    NULL } },
		{ ADD, { "format", 0, OPT_CHOICE, "NAME", "auto, list, stix, misp", &a->format, 0, 0, intel_formats } },
		{ ADD,
		  { "expires", 'e', OPT_TEXT, "AGE",
		    "so long what doesn't say it itself counts: 12h, 90d, 4w\n(default: until it is replaced)",
		    &a->expires, 0, 0, NULL } },
		{ ADD,
		  { "confidence", 'c', OPT_NUMBER, "N",
		    "how sure the source is, 1 to 100, where it doesn't say it itself\n(default: 50). From 75 alerts "
		    "are high, below 40 low",
		    &a->confidence, 1, 100, NULL } },
		{ ADD,
		  { "exact", 0, OPT_FLAG, NULL, "domains don't cover what is below them", &a->exact, 0, 0, NULL } },
		{ ADD,
		  { "private", 0, OPT_FLAG, NULL, "take private and reserved addresses too", &a->private, 0, 0,
		    NULL } },
		{ ADD,
		  { "all", 'a', OPT_FLAG, NULL, "name up to 1000 items that can't be used, not 20", &a->all, 0, 0,
		    NULL } },
		{ ADD,
		  { "no-search", 0, OPT_FLAG, NULL, "don't search the stored events for them", &a->no_search, 0, 0,
		    NULL } },
		{ ADD | SEARCH,
		  { "since", 's', OPT_TEXT, "TIME", "search back to there: 90d, 12h, 2026-11-22 (default: all)",
		    &a->since, 0, 0, NULL } },
		{ ADD | LIST | CHECK | SEARCH,
		  { "json", 'j', OPT_FLAG, NULL, "one object a line", &a->json, 0, 0, NULL } },
		{ ADD | SEARCH,
		  { "quiet", 'q', OPT_FLAG, NULL, "no progress bar and no closing line", &a->quiet, 0, 0, NULL } },
		{ ADD | LIST | REMOVE | RESTORE | CHECK | SEARCH,
		  { "data", 0, OPT_TEXT, "DIR", ADMIN_DATA_HELP, &a->data, 0, 0, NULL } },
	};
	struct opt opts[ARRAY_LEN(all)];
	const char *synopsis[ARRAY_LEN(jobs) + 1] = { NULL };
	size_t n = 0, n_jobs = 0;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (job ? all[i].jobs & job->bit : i != 1)
			opts[n++] = all[i].opt;
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
		if (!job || job == &jobs[i])
			synopsis[n_jobs++] = jobs[i].synopsis;
	const struct opt_spec spec = {
		.command = "intel",
		.synopsis = synopsis,
		.what = job ? job->what
		            : "Keeps feeds of known-bad addresses, names, URLs and hashes for the hub, and searches "
		              "the stored\n"
		              "events for them.",
		.opts = opts,
		.n_opts = n,
		.more = job ? job->more : "'khien intel JOB --help' tells more about one.\n",
	};
	return opt_parse(&spec, argc, argv, &a->words);
}

static int prepare(struct intel_job *job, struct err *err)
{
	int r = admin_find(&job->admin, job->args->data, err);
	if (r)
		return r;
	snprintf(job->dir, sizeof(job->dir), "%s" FOLDER, job->admin.store);
	snprintf(job->store, sizeof(job->store), "%s/events", job->admin.store);
	job->now = clock_wall(&clock_system);
	return 0;
}

static int run(const struct job *job, const struct intel_args *a)
{
	struct intel_job j = { .args = a };
	struct err err = { 0 };
	int r = 0;
	if (a->words.n < job->min_words || a->words.n > job->max_words)
		r = err_set(&err, -EINVAL, "%s; see 'khien intel %s --help'",
		            a->words.n < job->min_words ? "a word is missing" : "too many words", job->name);
	r = r ? r : prepare(&j, &err);
	r = r ? r : job->run(&j, &err);
	if (r < 0)
		intel_say(NULL, err.text);
	return r < 0 ? EXIT_TROUBLE : r;
}

int cmd_intel(int argc, char **argv)
{
	struct intel_args a = { 0 };
	const struct job *job = argc > 1 ? find_job(argv[1]) : NULL;
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error like any other */
	int status = job ? parse_args(job, argc - 1, argv + 1, &a) : parse_args(NULL, argc, argv, &a);
	if (status < 0 && job) {
		status = run(job, &a);
	} else if (status < 0) {
		const char *names[ARRAY_LEN(jobs)];
		for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
			names[i] = jobs[i].name;
		const char *nearest = argc > 1 ? opt_nearest(argv[1], names, ARRAY_LEN(names)) : NULL;
		char line[300];
		snprintf(line, sizeof(line), "%s%.80s%s%s%s; see 'khien intel --help'",
		         argc > 1 ? "no job '" : "a job is missing: add, list, remove, restore, check, search",
		         argc > 1 ? argv[1] : "", argc > 1 ? "'" : "", nearest ? ", did you mean " : "",
		         nearest ? nearest : "");
		intel_say(NULL, line);
		status = EXIT_TROUBLE;
	}
	opt_list_done(&a.words);
	opt_list_done(&a.feeds);
	return status;
}
