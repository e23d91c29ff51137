/*
 * Known-bad values beside the rules: what khien match, watch and hub have in common.
 *
 *   known_ask()      before rules are compiled: the fields that are looked up, and the built-in rules
 *   known_checker()  for each thread that makes events
 *   known_set_*()    the set, made of files or of the hub's feeds
 */
#ifndef KHIEN_CMD_KNOWN_H
#define KHIEN_CMD_KNOWN_H

#include "intel/event.h"
#include "intel/shelf.h"
#include "match/match.h"

/* Text for --indicators in --help. */
#define KNOWN_HELP                                                                                                     \
	"known-bad addresses, names, URLs and hashes: a list,\na STIX bundle or a MISP event, as khien-intel(1) "      \
	"reads them"

struct known {
	struct rule_asked asked[INTEL_ASKED];
};
/* *k must stay where it is as long as *rules is used. */
static inline void known_ask(struct known *k, struct rule_config *rules)
{
	rules->built_in = intel_rules();
	for (size_t i = 0; i < INTEL_ASKED; i++)
		k->asked[i].also = intel_asked(i, &k->asked[i].name, &k->asked[i].n_also);
	rules->asked = k->asked;
	rules->n_asked = INTEL_ASKED;
}
/* Of an engine whose rules were asked so. -EINVAL: they weren't. */
static inline int known_checker(struct intel_checker **ret, const struct engine *e, struct err *err)
{
	const struct ruleset *rs = engine_ruleset(e);
	return intel_checker_new(ret, rs->asked, rs->n_asked, rs->n_fields, err);
}

/* Of files; what is wrong in them is told to `say`, a line each, and counted. */
typedef void known_say(void *arg, const char *line);
int known_set_files(struct intel_set **ret, const char *const *paths, size_t n, int64_t now, known_say *say, void *arg,
                    struct err *err);
/* Of all feeds of a folder (intel/shelf.h). *stamp (may be NULL): theirs. */
int known_set_folder(struct intel_set **ret, const char *dir, int64_t now, uint64_t *stamp, known_say *say, void *arg,
                     struct err *err);
/* The lines that a feed tells of its bad items, at most `most`, and how many there are beyond. */
void known_say_bad(const struct feed *f, unsigned most, known_say *say, void *arg);

/*
 * An opener's OPENER_WORK (os/opener.h) that reads the feeds below its `arg` (const char *, a folder) with the rights
 * that the opener kept, enters the sandbox, and writes struct known_head, then the block of a set.
 */
struct known_head {
	int32_t code; /* 0, or -errno and why */
	uint64_t size, stamp;
	char why[sizeof(((struct err *)0)->text)];
};
void known_work(const void *dir, int out);

#endif
