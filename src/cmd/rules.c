/* khien rules: the jobs that are about rules themselves. */
#include "cmd/rules.h"

#include "cmd/cmd.h"
#include "cmd/jobs.h"

#include <stdio.h>

enum { CHECK = 1, TEST = 2, NEW = 4 };

static const struct job list[] = {
	{ "check", CHECK, "[OPTION]... DIR...",
	  "Compiles Sigma rules, correlations and filters, and prints a line for each that can't run:\n"
	  "FILE:LINE: REASON: WHAT TO WRITE. DIR is a file, or a folder with *.yml.",
	  "Exit status: 0 all of them run, 1 some are refused, 2 something could not be done.\n\n"
	  "Example: khien rules check rules\n" },
	{ "test", TEST, "[OPTION]... [DIR]...",
	  "Holds each rule against its evidence: the logs hit/NAME.* beside the rule's file must make it match, the "
	  "logs\n"
	  "miss/NAME.* must not. NAME is the rule's name, else its id. DIR is a file or a folder (default: rules).",
	  "Exit status: 0 all hold, 1 some don't or are missing, 2 something could not be done.\n\n"
	  "Example: khien rules test rules\n" },
	{ "new", NEW, "[OPTION]... NAME",
	  "Writes a rule that works, with its evidence, to be changed: DIR/NAME.yml, DIR/hit/NAME.log, "
	  "DIR/miss/NAME.log.",
	  "Exit status: 0 written, 2 not.\n\n"
	  "Example: khien rules new admin_probe --logsource webserver\n" },
};

static const struct jobs jobs = {
	.command = "rules",
	.what = "Checks Sigma rules, holds them against their evidence, writes new ones.\n"
	        "'khien rules JOB --help' tells more about one of these.",
	.more = "Examples: khien rules check rules; khien rules test rules\n",
	.first = "write check, test or new first, as in: khien rules check rules",
	.at = list,
	.n = ARRAY_LEN(list),
};

static const struct {
	int (*run)(const struct rules_args *a, struct err *err);
	size_t min_words;
} work[] = { { rules_check, 1 }, { rules_try, 0 }, { rules_new, 1 } };

static int parse_args(const struct job *job, int argc, char **argv, struct rules_args *a)
{
	const struct job_opt opts[] = {
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
	return jobs_parse(&jobs, job, opts, ARRAY_LEN(opts), argc, argv, &a->words);
}

int cmd_rules(int argc, char **argv)
{
	struct rules_args a = { .dir = "rules" };
	struct err err;
	const struct job *job = jobs_find(&jobs, argc, argv);
	int status = parse_args(job, argc, argv, &a);
	if (status < 0 && a.words.n < work[job - list].min_words) {
		fprintf(stderr, "khien rules %s: a word is missing: khien rules %s %s\n", job->name, job->name,
		        job->synopsis);
		status = EXIT_TROUBLE;
	} else if (status < 0) {
		status = work[job - list].run(&a, &err);
		if (status < 0)
			fprintf(stderr, "khien: %s\n", err.text);
		status = status < 0 ? EXIT_TROUBLE : status;
	}
	opt_list_done(&a.words);
	return status;
}
