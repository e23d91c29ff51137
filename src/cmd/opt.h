/*
 * Options of a command: one list yields the parser, --help and what the man page is checked against.
 *
 *   struct args { bool json; struct opt_list rules; } args = { 0 };
 *   const struct opt opts[] = {
 *           { "rules", 'r', OPT_WORDS, "DIR", "Sigma rules: files or folders", &args.rules },
 *           { "json", 0, OPT_FLAG, NULL, "one match a line as JSON", &args.json },
 *   };
 *   const struct opt_spec spec = { .command = "match", .opts = opts, .n_opts = ARRAY_LEN(opts), ... };
 *   int status = opt_parse(&spec, argc, argv, &files);
 *   if (status >= 0)
 *           return status;
 */
#ifndef KHIEN_CMD_OPT_H
#define KHIEN_CMD_OPT_H

#include "base/buf.h"
#include "base/str.h"

/* Words, in the order given; they point into argv. */
struct opt_list {
	const char **at;
	size_t n;
};
void opt_list_done(struct opt_list *l);

enum opt_kind {
	OPT_FLAG,   /* bool: set true */
	OPT_TEXT,   /* const char *: the last one given counts */
	OPT_NUMBER, /* uint64_t within [min, max]; max 0: no bound */
	OPT_CHOICE, /* int: index of the word among `choices` */
	OPT_LIST,   /* struct opt_list: one word each time it is given */
	OPT_WORDS,  /* struct opt_list: all words up to the next option or "--" */
};

struct opt {
	const char *name; /* long name, without dashes */
	char letter;      /* short name, 0: none */
	enum opt_kind kind;
	const char *arg;  /* name of the argument in --help; NULL for a flag */
	const char *help; /* may have several lines */
	void *to;         /* see enum opt_kind; keeps its value when the option is not given */
	uint64_t min, max;
	const char *const *choices; /* ends with NULL */
};

struct opt_spec {
	const char *command;         /* "match" */
	const char *const *synopsis; /* what stands behind "khien match", one form a line; ends with NULL */
	const char *what;            /* what it does: a line or a few */
	const struct opt *opts;      /* --help and --version are added by themselves */
	size_t n_opts;
	const char *more; /* behind the options: exit status, examples; may be NULL */
};

/*
 * Reads argv[1..]. Words that belong to no option become operands (may be NULL: there are none). "--name=value",
 * "--name value", "-n value" and "-nvalue" are the same; "--" ends the options. An option that is wrong is named on
 * standard error, with the nearest that is right. Returns -1: go on; else the exit status to leave with (0 after
 * --help, 2 after a mistake). The lists are the caller's, also after a mistake: opt_list_done().
 */
int opt_parse(const struct opt_spec *spec, int argc, char **argv, struct opt_list *operands);

/* The text of --help. */
void opt_help(struct buf *out, const struct opt_spec *spec);

/* The word among n that is nearest to `given`, or NULL when none is near (more than a third of it differs). */
const char *opt_nearest(const char *given, const char *const *words, size_t n);

#endif
