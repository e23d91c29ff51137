/* Sigma text -> struct ruleset. */
#ifndef KHIEN_RULE_COMPILE_H
#define KHIEN_RULE_COMPILE_H

#include "base/err.h"
#include "rule/ruleset.h"

/* A field that somebody beside the rules asks events for: it stands wherever one of these fields would. */
struct rule_asked {
	const char *name;
	const char *const *also;
	size_t n_also;
};

struct rule_config {
	const char *const *dirs; /* files or folders; folders are walked for *.yml and *.yaml, in byte order */
	size_t n_dirs;
	const char *mapping;            /* YAML file; NULL: the one built in */
	const char *placeholders;       /* folder with NAME.txt, one value a line, for |expand; NULL: none */
	bool all_rules;                 /* ignore logsource: every rule sees every event */
	struct str built_in;            /* rules of the program itself, as YAML; their log source is `indicator` */
	const struct rule_asked *asked; /* ruleset.asked are their ids */
	size_t n_asked;
};

/* One file as it was read: the unit of caching, hashing and compiling. */
struct rule_file {
	struct str path, text;
};

/*
 * Reads everything that decides the result: rule files, mapping, placeholder files. An unreadable folder or file
 * named by the caller is an error; an unreadable or oversized (over 1 MiB) file found in a folder becomes a file with
 * text.p NULL, refused when compiled.
 */
struct rule_texts {
	struct rule_file *files;
	size_t n_files;
	struct rule_file mapping;
	struct rule_file *placeholders;
	size_t n_placeholders;
	const struct rule_asked *asked; /* borrowed */
	size_t n_asked;
	bool all_rules;
	void *arena; /* owns all of it */
};
int rule_read(struct rule_texts *ret, const struct rule_config *config, struct err *err);
void rule_texts_free(struct rule_texts *texts);

/*
 * Compiles. A rule that can't be compiled is refused alone, with a diagnostic. An error is returned only for a broken
 * mapping or when memory ends.
 */
int rule_compile(struct ruleset *ret, const struct rule_texts *texts, struct err *err);

#endif
