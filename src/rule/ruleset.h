/*
 * A compiled ruleset: what rule/ makes of Sigma text and what match/ runs.
 *
 * It is one block of memory made of sections, each an array of fixed-size records that refer to one another by index
 * and to text by offset. There is no pointer in it, so it is written to a cache file and read back as it is.
 * Sigma specification 2.1 (rules, modifiers, correlations, filters) says what the records mean.
 */
#ifndef KHIEN_RULE_RULESET_H
#define KHIEN_RULE_RULESET_H

#include "base/err.h"
#include "base/str.h"

struct text { /* bytes [off, off+len) of the BYTES section; a NUL stands behind them */
	uint32_t off, len;
};

struct span { /* records [at, at+n) of the section named beside its use */
	uint32_t at, n;
};

#define NO_INDEX UINT32_MAX

/* Field ids that every ruleset has: the time of an event and the machine it happened on. As in event/fields.h. */
enum { RULESET_FIELD_TIME, RULESET_FIELD_HOST, RULESET_FIELD_FIRST };

enum { NODE_MAX_DEPTH = 200 }; /* no node has more levels below it */

enum rule_level { LEVEL_NONE, LEVEL_INFORMATIONAL, LEVEL_LOW, LEVEL_MEDIUM, LEVEL_HIGH, LEVEL_CRITICAL };

struct rule {
	struct text id, title, name, description;
	struct text file;            /* path as it was given or found */
	struct text advice[3];       /* khien's own rules: what to do; vi, en, zh; empty where not given */
	struct span tags;            /* TEXTS */
	struct span false_positives; /* TEXTS */
	struct span show;            /* NUMBERS: ids of the fields that `fields:` asks to show */
	struct span carry;           /* NUMBERS: ids of the fields that correlations need from a match of this rule */
	uint32_t line;               /* of the document's first key */
	uint32_t node;               /* root of the condition in NODES; NO_INDEX for a correlation */
	uint32_t source;             /* index in SOURCES; NO_INDEX for a correlation */
	uint32_t correlation;        /* index in CORRELATIONS; NO_INDEX for a detection */
	uint8_t level;               /* enum rule_level */
	uint8_t silent;              /* 1: matches only feed correlations (referred to, and `generate` not set) */
	uint8_t feeds;               /* 1: some correlation refers to it */
	uint8_t pad;
};

enum node_op { NODE_FALSE, NODE_TRUE, NODE_AND, NODE_OR, NODE_NOT, NODE_AT_LEAST, NODE_TEST };

struct node {
	uint32_t op;      /* enum node_op */
	uint32_t arg;     /* NODE_TEST: index in TESTS; NODE_AT_LEAST: how many kids must hold */
	struct span kids; /* NUMBERS: indices in NODES; NOT has one. A kid's index is below its parent's. */
};

/*
 * One line of a selection: does any value of the field fit any of the patterns (all of them, if `all`)? With `all`
 * each pattern may be met by another value. Keyword tests look at every value of the event, and at the whole record
 * of a text format.
 */
struct test {
	uint32_t field;       /* field id; NO_INDEX: keywords */
	struct span patterns; /* PATTERNS */
	uint8_t all;
	uint8_t negate; /* neq: true where the test without it is false (so also where the field is absent) */
	uint8_t pad[2];
};

enum pattern_op {
	PATTERN_EQ, /* whole value; "" is the empty value */
	PATTERN_PREFIX,
	PATTERN_SUFFIX,
	PATTERN_CONTAINS,
	PATTERN_GLOB, /* whole value; in `text` GLOB_ANY is *, GLOB_ONE is ?, all else is literal */
	PATTERN_RE,   /* PCRE2, searched anywhere in the value, on its original bytes */
	PATTERN_CIDR,
	PATTERN_NULL,   /* the field is absent or null: no value of another type */
	PATTERN_EXISTS, /* `flag` 1: the field is there, be it null; 0: it is not */
	PATTERN_LT,
	PATTERN_LTE,
	PATTERN_GT,
	PATTERN_GTE,   /* value and `number` as numbers; a text that is none fails */
	PATTERN_FIELD, /* the value fits (per `mode`) some value of `field` */
};

/* Bytes that never stand in UTF-8 mark the wildcards of PATTERN_GLOB. */
enum { GLOB_ANY = 0xff, GLOB_ONE = 0xfe };

enum pattern_part { PART_NONE, PART_MINUTE, PART_HOUR, PART_DAY, PART_WEEK, PART_MONTH, PART_YEAR };
enum { RE_I = 1, RE_M = 2, RE_S = 4 };

struct pattern {
	struct text text;    /* EQ..GLOB: case-folded unless `cased`; RE: the expression */
	double number;       /* LT..GTE */
	uint8_t address[16]; /* CIDR; IPv4 stands in the first 4 bytes */
	uint32_t field;      /* FIELD: id of the other field */
	uint8_t op;          /* enum pattern_op */
	uint8_t cased;       /* compare with the value as it is, not folded */
	uint8_t flag;        /* EXISTS */
	uint8_t re_flags;    /* RE_* */
	uint8_t bits;        /* CIDR: prefix length */
	uint8_t family;      /* CIDR: 4 or 6; an IPv4-mapped IPv6 address in an event counts as IPv4 */
	uint8_t part;        /* enum pattern_part: the value is read as a time (UTC) and this number of it, in
	                             decimal, takes the value's place for every op */
	uint8_t mode;        /* FIELD: PATTERN_EQ, PREFIX, SUFFIX or CONTAINS */
};

struct source { /* a distinct logsource that rules name; parts empty where not named */
	struct text product, category, service;
};

struct route { /* an event for which `node` holds comes from every one of `sources` */
	uint32_t node;
	struct span sources; /* NUMBERS: indices in SOURCES, ascending */
};

enum correlation_type {
	CORRELATE_EVENT_COUNT,
	CORRELATE_VALUE_COUNT,
	CORRELATE_TEMPORAL,
	CORRELATE_TEMPORAL_ORDERED,
	CORRELATE_VALUE_SUM,
	CORRELATE_VALUE_AVG,
	CORRELATE_VALUE_PERCENTILE,
};

struct correlation {
	uint32_t type;           /* enum correlation_type */
	uint32_t rule;           /* index in RULES of the rule that it is */
	int64_t timespan;        /* µs */
	struct span inputs;      /* INPUTS: what it refers to, in the order written */
	uint32_t n_group;        /* fields in group-by */
	struct span group_names; /* TEXTS: group-by as written (field or alias) */
	/* Bounds of the count, sum, average or percentile; unset ones are -/+infinity. */
	double gt, gte, lt, lte, eq, neq; /* eq, neq: NAN when unset */
	double percentile;                /* VALUE_PERCENTILE: the percentile looked at; 50 when not given */
	uint32_t n_value;                 /* fields in condition.field */
	struct span value_names;          /* TEXTS */
};

struct input {             /* one rule that a correlation refers to */
	uint32_t rule;     /* index in RULES; may itself be a correlation */
	struct span group; /* NUMBERS: for each group-by name the field id in this rule's events; for an input
	                             that is a correlation NO_INDEX: looked up by name among what that one carries */
	struct span value; /* NUMBERS: the same for condition.field */
};

struct field_rec {
	struct text name; /* as the rules write it */
};

struct path_rec {
	struct text path;
	uint32_t field;
};

/* A rule that was refused, or a warning about one. `text` is a whole line: "file:line: reason: what to write". */
struct diagnostic {
	struct text text;
	uint32_t refused; /* 1: the rule doesn't run */
};

#define RULESET_KIND "khien-ruleset-3" /* shape and version of its block; see base/block.h */

#define RULESET_SECTIONS(X)                                                                                            \
	X(RULES, rules, struct rule)                                                                                   \
	X(NODES, nodes, struct node)                                                                                   \
	X(TESTS, tests, struct test)                                                                                   \
	X(PATTERNS, patterns, struct pattern)                                                                          \
	X(NUMBERS, numbers, uint32_t)                                                                                  \
	X(TEXTS, texts, struct text)                                                                                   \
	X(SOURCES, sources, struct source)                                                                             \
	X(ROUTES, routes, struct route)                                                                                \
	X(ROUTE_FIELDS, route_fields, uint32_t)                                                                        \
	X(CORRELATIONS, correlations, struct correlation)                                                              \
	X(INPUTS, inputs, struct input)                                                                                \
	X(FIELDS, fields, struct field_rec)                                                                            \
	X(ASKED, asked, uint32_t)                                                                                      \
	X(PATHS, paths, struct path_rec)                                                                               \
	X(DIAGNOSTICS, diagnostics, struct diagnostic)                                                                 \
	X(BYTES, bytes, char)

/* ASKED: the fields of rule_config.asked, in its order: ids, which events of every log source have. */
/* CORRELATIONS stand so that an input that is a correlation comes before what refers to it. */

struct ruleset {
#define X(ID, name, type)                                                                                              \
	const type *name;                                                                                              \
	uint32_t n_##name;
	RULESET_SECTIONS(X)
#undef X
	void *block; /* the memory behind the sections */
	size_t block_size;
	bool mapped; /* block is an mmap */
};

static inline struct str ruleset_text(const struct ruleset *rs, struct text t)
{
	return (struct str){ rs->bytes + t.off, t.len };
}

void ruleset_free(struct ruleset *rs);

/*
 * The block as bytes to write to a file, and back. ruleset_open checks that every index and offset stays inside, so
 * that a damaged file is refused and never crashes; it takes the block on success (free: munmap if `mapped`, else
 * free). Records are in the machine's own byte order.
 */
struct str ruleset_block(const struct ruleset *rs);
int ruleset_open(struct ruleset *ret, void *block, size_t size, bool mapped, struct err *err);

#endif
