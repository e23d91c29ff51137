/*
 * Event x rules -> matches.
 *
 * An engine holds a compiled ruleset and its prefilter; it is immutable, so threads share it. A matcher is one
 * thread's working memory on it.
 */
#ifndef KHIEN_MATCH_MATCH_H
#define KHIEN_MATCH_MATCH_H

#include "base/err.h"
#include "event/event.h"
#include "rule/compile.h"
#include "rule/ruleset.h"

struct engine;
struct matcher;

struct engine_config {
	struct rule_config rules;
	const char *cache_dir; /* compiled rules are kept here; NULL: no cache */
	int threads;           /* used for compiling; 0: as many as there are cores */
	bool no_jit;           /* regular expressions are interpreted: this process may make no machine code */
};

struct engine_info {
	struct err not_cached; /* why the compiled rules could not be cached; code 0: they were, or no cache */
	bool cached;           /* came from the cache */
	double load_s;         /* time it took to open */
	size_t prefilter_bytes;
	uint32_t n_rules, n_refused, n_always; /* n_always: rules without a required literal, checked on every event */
};

int engine_open(struct engine **ret, const struct engine_config *config, struct err *err);
/* The same of texts that were read already: reads nothing but the cache, and writes only that. */
int engine_open_texts(struct engine **ret, const struct engine_config *config, const struct rule_texts *texts,
                      struct err *err);
/*
 * The compiled rules as one malloc'ed block of bytes, for another process of the same build on the same machine; and
 * back: takes the block, which is mmap'ed, and gives it back whatever comes of it. Damage is refused (-EBADMSG), but
 * it is no format for bytes of strangers. An engine made so does without making machine code, as a sandbox permits
 * none: regular expressions are interpreted.
 */
int engine_pack(const struct engine *e, void **block, size_t *size, struct err *err);
int engine_unpack(struct engine **ret, void *block, size_t size, struct err *err);
void engine_free(struct engine *e);
const struct ruleset *engine_ruleset(const struct engine *e);
const struct fields *engine_fields(const struct engine *e);
void engine_info(const struct engine *e, struct engine_info *ret);

/* A field of an event that made a rule match, or that somebody asked to be carried along. */
struct match_field {
	struct str name;
	struct str text;
	uint32_t field; /* id, NO_INDEX for a keyword's or a derived one */
	uint8_t type;   /* enum value_type, as the event has it */
};

enum { MATCH_ID = 16 };

/* One rule that holds for one event. Borrowed: valid during the sink's call; match_copy() keeps it. */
struct match {
	const struct rule *rule;
	uint32_t rule_index;
	const char *file;
	uint64_t line;
	int64_t time; /* µs since 1970 UTC, 0: the event has none */
	const struct match_field *fields;
	uint32_t n_fields; /* what matched; once per name, in the rule's order */
	const struct match_field *carried;
	uint32_t n_carried;       /* rule->carry and `show`; absent fields are left out */
	struct str host;          /* empty where the event names none */
	struct str user, address; /* who did it and from where, see event/who.h; of a correlation: if it groups by it */
	uint32_t count;           /* events that make it up: 1, more for a correlation */
	int64_t first_time;       /* of the first of them */
	unsigned char
	        id[MATCH_ID]; /* khien.id of the event, of a correlation: of its last one; zero where none is made */
	bool known;           /* was told before a restart: it only feeds correlations */
};

/* Returns 0, or -errno to stop. */
typedef int match_sink(void *arg, const struct match *m);

struct match_counts {
	uint64_t events, matches;
	uint64_t unrouted;    /* events whose log source no rule or route knows */
	uint64_t candidates;  /* rules that the prefilter let through to the exact check */
	uint64_t re_gave_up;  /* regular expressions stopped at their bound: counted as no match */
	uint64_t shed_values; /* values that didn't fit the bounds of an event */
	uint64_t duplicate_keys;
};

int matcher_new(struct matcher **ret, const struct engine *e, struct err *err);
void matcher_free(struct matcher *m);
/* Runs all rules over one event. Matches come in the order of rules in the ruleset. */
int matcher_run(struct matcher *m, struct event *ev, match_sink *sink, void *arg);
/* Whether a node of a condition holds for the event that was run last: as long as that event is not reset. */
bool matcher_holds(struct matcher *m, uint32_t node);
/* The first half of it, for measuring: how many rules the prefilter lets through. */
uint32_t matcher_candidates(struct matcher *m, struct event *ev);
const struct match_counts *matcher_counts(const struct matcher *m);

/* A deep copy in an arena; NULL when it is full. */
struct match *match_copy(struct arena *a, const struct match *m);

#endif
