/* khien rules: the jobs that are about rules themselves. */
#include "cmd/rules.h"

#include "cmd/cmd.h"

#include <stdio.h>

enum { CHECK = 1, TEST = 2, NEW = 4 };

static const struct job {
	const char *name;
	unsigned bit;
	const char *synopsis, *what, *more;
	int (*run)(const struct rules_args *a, struct err *err);
	size_t min_words;
} jobs[] = {
	{ "check", CHECK, "check [OPTION]... DIR...",
	  "Compiles Sigma rules, correlations and filters, and prints a line for each that can't run:\n"
	  "FILE:LINE: REASON: WHAT TO WRITE. DIR is a file, or a folder with *.yml.",
	  "Exit status: 0 all of them run, 1 some are refused, 2 something could not be done.\n\n"
	  "Example: khien rules check rules\n",
	  rules_check, 1 },
	{ "test", TEST, "test [OPTION]... [DIR]...",
	  "Holds each rule against its evidence: the logs hit/NAME.* beside the rule's file must make it match, the "
	  "logs\n"
	  "miss/NAME.* must not. NAME is the rule's name, else its id. DIR is a file or a folder (default: rules).",
	  "Exit status: 0 all hold, 1 some don't or are missing, 2 something could not be done.\n\n"
	  "Example: khien rules test rules\n",
	  rules_try, 0 },
	{ "new", NEW, "new [OPTION]... NAME",
	  "Writes a rule that works, with its evidence, to be changed: DIR/NAME.yml, DIR/hit/NAME.log, "
	  "DIR/miss/NAME.log.",
	  "Exit status: 0 written, 2 not.\n\n"
	  "Example: khien rules new admin_probe --logsource webserver\n",
	  rules_new, 1 },
};

static const struct job *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
		if (strcmp(jobs[i].name, name) == 0)
			return &jobs[i];
	return NULL;
}

/* job NULL: all of them, for --help. */
static int parse_args(const struct job *job, int argc, char **argv, struct rules_args *a)
{
	const struct {
		unsigned jobs;
		struct opt opt;
	} all[] = {
		{ CHECK | TEST,
		  { "mapping", 'm', OPT_TEXT, "FILE", "log sources and field names (default: built in)", &a->mapping, 0,
		    0, NULL } },
		{ CHECK | TEST,
		  { "placeholders", 'p', OPT_TEXT, "DIR", "NAME.txt with the values of %NAME%, for |expand",
		    &a->placeholders, 0, 0, NULL } },
		{ CHECK | TEST,
		  { "quiet", 'q', OPT_FLAG, NULL, "what is wrong only: no warnings, no closing line", &a->quiet, 0, 0,
		    NULL } },
		{ TEST, { "verbose", 'v', OPT_FLAG, NULL, "test: the logs that hold too", &a->verbose, 0, 0, NULL } },
		{ TEST, { "json", 'j', OPT_FLAG, NULL, "test: every log, one a line, as JSON", &a->json, 0, 0, NULL } },
		{ NEW,
		  { "logsource", 'l', OPT_CHOICE, "NAME", "new: webserver (default), sshd, sudo, auditd, app",
		    &a->logsource, 0, 0, rules_new_logsources } },
		{ NEW,
		  { "correlation", 'c', OPT_FLAG, NULL, "new: a rule that counts within a timespan", &a->correlation, 0,
		    0, NULL } },
		{ NEW,
		  { "dir", 'd', OPT_TEXT, "DIR", "new: where to write it (default: rules)", &a->dir, 0, 0, NULL } },
	};
	struct opt opts[ARRAY_LEN(all)];
	const char *synopsis[ARRAY_LEN(jobs) + 1] = { NULL };
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (!job || all[i].jobs & job->bit)
			opts[n++] = all[i].opt;
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
		synopsis[i] = jobs[i].synopsis;
	if (job) {
		synopsis[0] = job->synopsis;
		synopsis[1] = NULL;
	}
	const struct opt_spec spec = {
		.command = "rules",
		.synopsis = synopsis,
		.what = job ? job->what
		            : "Checks Sigma rules, holds them against their evidence, writes new ones.\n"
		              "'khien rules JOB --help' tells more about one of these.",
		.opts = opts,
		.n_opts = n,
		.more = job ? job->more : "Examples: khien rules check rules; khien rules test rules\n",
	};
	return opt_parse(&spec, argc, argv, &a->words);
}

static int unknown(const char *name)
{
	const char *names[ARRAY_LEN(jobs)];
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
		names[i] = jobs[i].name;
	const char *nearest = name ? opt_nearest(name, names, ARRAY_LEN(names)) : NULL;
	if (name)
		fprintf(stderr, "khien rules: unknown job '%s'%s%s%s\n", name, nearest ? "; did you mean '" : "",
		        nearest ? nearest : "", nearest ? "'?" : "");
	fprintf(stderr, "khien rules: write check, test or new first, as in: khien rules check rules\n"
	                "Try 'khien rules --help'.\n");
	return EXIT_TROUBLE;
}

int cmd_rules(int argc, char **argv)
{
	struct rules_args a = { .dir = "rules" };
	struct err err;
	const struct job *job = argc > 1 ? find(argv[1]) : NULL;
	int skip = job ? 1 : 0;
	int status = parse_args(job, argc - skip, argv + skip, &a);
	if (status < 0 && !job) {
		status = unknown(a.words.n ? a.words.at[0] : NULL);
	} else if (status < 0 && a.words.n < job->min_words) {
		fprintf(stderr, "khien rules %s: a word is missing: khien rules %s\n", job->name, job->synopsis);
		status = EXIT_TROUBLE;
	} else if (status < 0) {
		status = job->run(&a, &err);
		if (status < 0)
			fprintf(stderr, "khien: %s\n", err.text);
		status = status < 0 ? EXIT_TROUBLE : status;
	}
	opt_list_done(&a.words);
	return status;
}
