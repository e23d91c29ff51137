/*
 * khien: a subcommand per post. This file holds the dispatch table; here is where the rest lives.
 *
 *   base/    views of bytes, arenas, buffers, blocks, errors, clock, log lines, JSON, YAML, UTF-8
 *   os/      event loop, child processes, the opener and the sandbox, files written atomically
 *   event/   struct event: one log record as the rules see it; the table of fields asked for; times; who did it
 *   intake/  raw bytes -> events: framer, one file per log format, reading of plain, gzip and zstd files
 *   rule/    Sigma text -> struct ruleset: parser, modifiers, conditions, mapping, filters, correlations
 *   match/   events x rules -> matches: prefilter, exact check, correlation windows; the cache of compiled rules
 *   alert/   matches -> alerts: those of one rule, host, user and address count as one
 *   cmd/     wiring, a file per subcommand:
 *     match.c        match     files of events against rules
 *       pipeline.c               batches to matches on several threads, in order
 *     rules.c        rules     which of these jobs
 *       rules_check.c            what can't run, and what to write instead
 *       rules_try.c              rules against their evidence (rules test)
 *       rules_why.c              what lacks for a rule to match
 *       rules_new.c              a rule to start from
 *     watch.c        watch     this machine's logs, as they are written
 *       watch_sources.c          which logs there are
 *       watch_follow.c           files and the journal, side by side in the order of time
 *       watch_tail.c             one of them, through its rotations
 *       watch_log.c              one file, from bytes to batches
 *       watch_state.c            how far they were read, on the disk
 *       watch_net.c              the syslog listeners
 *       watch_play.c             recordings
 *       watch_pipe.c             batches to alerts
 *       watch_show.c             alerts, the live line, summaries
 *       watch_reload.c           rules loaded anew
 *     opt.c          options: parser and --help from one table
 *     term.c         the terminal: colour, width, safe text, progress
 *     print.c        one match as text and as JSON
 *     words.c        what people read, in three languages
 *     paths.c        where khien keeps its own files
 *
 * src/ROOMS says who may include whom; ARCHITECTURE.md follows a log line through the house.
 */
#include "base/str.h"
#include "cmd/cmd.h"
#include "cmd/opt.h"

#include <stdio.h>

static const struct command {
	const char *name, *what;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "match", "match Sigma rules over log files", cmd_match },
	{ "rules", "check, test and write Sigma rules", cmd_rules },
	{ "watch", "watch this machine's logs and print alerts", cmd_watch },
};

static int usage(FILE *to)
{
	fprintf(to, "Usage: khien COMMAND [OPTION]... [ARGUMENT]...\n\n"
	            "khien reads logs, matches Sigma rules over them and prints alerts.\n\nCommands:\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].what);
	fprintf(to, "  %-10s %s\n  %-10s %s\n\n", "version", "print the version", "help", "this text");
	fprintf(to, "'khien COMMAND --help' tells more about one.\n");
	return fflush(to) ? EXIT_TROUBLE : EXIT_NOTHING;
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int unknown(const char *name)
{
	const char *names[ARRAY_LEN(commands) + 2] = { "help", "version" };
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		names[i + 2] = commands[i].name;
	const char *nearest = opt_nearest(name, names, ARRAY_LEN(names));
	fprintf(stderr, "khien: unknown command '%s'%s%s%s\nTry 'khien help'.\n", name,
	        nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
	return EXIT_TROUBLE;
}

static int help(int argc, char **argv)
{
	if (argc < 2)
		return usage(stdout);
	const struct command *c = find(argv[1]);
	return c ? c->run(2, (char *[]){ argv[1], (char[]){ "--help" }, NULL }) : unknown(argv[1]);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return EXIT_TROUBLE;
	}
	const char *name = argv[1];
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return help(argc - 1, argv + 1);
	if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0)
		return puts("khien " KHIEN_VERSION) < 0 || fflush(stdout) ? EXIT_TROUBLE : EXIT_NOTHING;
	const struct command *c = find(name);
	return c ? c->run(argc - 1, argv + 1) : unknown(name);
}
