/* `khien rules check`: what is refused, what deserves a look, and what to write instead. */
#include "base/buf.h"
#include "cmd/cmd.h"
#include "cmd/opt.h"
#include "cmd/term.h"
#include "rule/compile.h"

#include <stdio.h>
#include <unistd.h>

struct args {
	const char *mapping, *placeholders;
	bool quiet;
	struct opt_list words;
};

static int parse_args(int argc, char **argv, struct args *a)
{
	static const char *const synopsis[] = { "check [OPTION]... DIR...", NULL };
	const struct opt opts[] = {
		{ "mapping", 'm', OPT_TEXT, "FILE", "log sources and field names (default: built in)", &a->mapping, 0,
		  0, NULL },
		{ "placeholders", 'p', OPT_TEXT, "DIR", "NAME.txt with the values of %NAME%, for |expand",
		  &a->placeholders, 0, 0, NULL },
		{ "quiet", 'q', OPT_FLAG, NULL, "refusals only: no warnings, no closing line", &a->quiet, 0, 0, NULL },
	};
	const struct opt_spec spec = {
		.command = "rules",
		.synopsis = synopsis,
		.what = "Compiles Sigma rules, correlations and filters, and prints a line for each that can't run:\n"
		        "FILE:LINE: REASON: WHAT TO WRITE. DIR is a file, or a folder with *.yml.",
		.opts = opts,
		.n_opts = ARRAY_LEN(opts),
		.more = "Exit status: 0 all of them run, 1 some are refused, 2 something could not be done.\n\n"
		        "Example: khien rules check rules\n",
	};
	return opt_parse(&spec, argc, argv, &a->words);
}

struct tally {
	uint32_t detections, correlations, refused, warnings;
};

static void print_diagnostics(struct buf *out, const struct ruleset *rs, bool quiet, struct tally *t)
{
	for (uint32_t i = 0; i < rs->n_diagnostics; i++) {
		const struct diagnostic *d = &rs->diagnostics[i];
		if (d->refused)
			t->refused++;
		else
			t->warnings++;
		if (quiet && !d->refused)
			continue;
		term_safe(out, ruleset_text(rs, d->text));
		buf_add(out, d->refused ? STR("\n") : STR(" (warning)\n"));
	}
}

static void print_closing(struct buf *out, const struct ruleset *rs, size_t files, struct tally *t)
{
	for (uint32_t i = 0; i < rs->n_rules; i++) {
		if (rs->rules[i].correlation == NO_INDEX)
			t->detections++;
		else
			t->correlations++;
	}
	buf_printf(out, "%zu files: %u rules and %u correlations run, %u refused, %u warnings\n", files, t->detections,
	           t->correlations, t->refused, t->warnings);
}

static int check(const struct args *a, struct err *err)
{
	const struct rule_config config = {
		.dirs = a->words.at + 1,
		.n_dirs = a->words.n - 1,
		.mapping = a->mapping,
		.placeholders = a->placeholders,
	};
	struct rule_texts texts;
	struct ruleset rs;
	struct tally tally = { 0 };
	int r = rule_read(&texts, &config, err);
	if (r)
		return r;
	r = rule_compile(&rs, &texts, err);
	if (!r) {
		CLEANUP(buf_free) struct buf out = { 0 };
		print_diagnostics(&out, &rs, a->quiet, &tally);
		if (!a->quiet)
			print_closing(&out, &rs, texts.n_files, &tally);
		if (out.n)
			r = term_write(STDOUT_FILENO, buf_str(&out));
		if (r)
			err_set(err, r, "write to standard output: %m");
		ruleset_free(&rs);
	}
	rule_texts_free(&texts);
	return r ? r : tally.refused ? EXIT_FOUND : EXIT_NOTHING;
}

int cmd_rules(int argc, char **argv)
{
	struct args a = { 0 };
	struct err err;
	int status = parse_args(argc, argv, &a);
	if (status < 0) {
		if (a.words.n < 2 || strcmp(a.words.at[0], "check") != 0) {
			fprintf(stderr, "khien rules: write 'check' and the folders to look at, as in: khien rules "
			                "check rules\n"
			                "Try 'khien rules --help'.\n");
			status = EXIT_TROUBLE;
		} else {
			status = check(&a, &err);
			if (status < 0)
				fprintf(stderr, "khien: %s\n", err.text);
			status = status < 0 ? EXIT_TROUBLE : status;
		}
	}
	opt_list_done(&a.words);
	return status;
}
