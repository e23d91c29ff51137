/*
 * Lists, STIX 2.1 bundles and MISP events -> a feed. What is read was written by strangers: the caller does it in a
 * sandbox. Memory: the bytes, what is kept of them, and one object of a document at a time.
 *
 *   list   one value a line; "#", ";" and "//" begin a comment; lines of a hosts file ("0.0.0.0 bad.example") are names
 *   stix   OASIS STIX 2.1: a bundle, a TAXII envelope, a list of objects or one; `indicator` objects with patterns in
 *          the STIX language, of which parse_pattern.c says what can be used
 *   misp   an event as MISP's feeds have it, a list of them, or what its API answers; attributes with `to_ids`
 */
#ifndef KHIEN_INTEL_PARSE_H
#define KHIEN_INTEL_PARSE_H

#include "intel/feed.h"

enum intel_format { INTEL_AUTO, INTEL_LIST, INTEL_STIX, INTEL_MISP, N_INTEL_FORMATS };
extern const char *const intel_formats[]; /* "auto", "list", "stix", "misp", NULL */

enum { INTEL_OBJECT_MAX = 4 << 20, INTEL_LINE_MAX = 8192 }; /* bytes; longer ones are bad items */

struct intel_parse {
	struct feed_maker *maker;
	enum intel_format format; /* AUTO: told by the bytes; becomes what the last file was */
	unsigned flags;           /* INTEL_PRIVATE, INTEL_EXACT */
	int64_t now;              /* seconds since 1970 UTC */
	int64_t lives;            /* seconds that an indicator lives which doesn't say it itself; 0: for good */
	int confidence;           /* of those that don't say it; negative: INTEL_CONFIDENCE_UNTOLD */
};

/* What one file holds goes to p->maker, bad items too. -EBADMSG: it is of no format, or no JSON where it must be. */
int intel_parse(struct intel_parse *p, const char *file, struct str bytes, struct err *err);

/* --- inside: shared by parse*.c --- */

void parse_list(struct intel_parse *p, struct str bytes);
void parse_stix(struct intel_parse *p, struct str doc);
void parse_misp(struct intel_parse *p, struct str doc);

/* Reads the value and adds it, or notes why not. *e needs all but the indicator. */
struct parse_value {
	struct str text;
	enum intel_type type;
	unsigned flags; /* beside those of p */
	uint64_t line;  /* else `place` */
	struct str place;
};
void parse_add(struct intel_parse *p, const struct parse_value *v, const struct feed_entry *e);
/* When an indicator ends that doesn't say it. */
int64_t parse_expires(const struct intel_parse *p);
unsigned parse_confidence(const struct intel_parse *p);

/* The single values of a pattern of the STIX language. Texts live in the arena. */
struct pattern_value {
	enum intel_type type;
	struct str text;
	const char *why; /* it can't be used, and why; text says which part */
};
enum { PATTERN_VALUES_MAX = 4096 };
/* NULL: values were put; else why not, and *at says where. */
const char *parse_pattern(struct str pattern, struct arena *arena, struct pattern_value *values, size_t *n, size_t *at);

/* Going through a document that json_valid() found good, without making a tree of it. */
struct doc {
	struct str rest;
	bool object;
};
/* value is an object or a list. False: it is something else. */
bool doc_open(struct doc *d, struct str value);
/* The next element; key is its name as it stands, nothing in a list. False: there is none. */
bool doc_next(struct doc *d, struct str *key, struct str *value);

#endif
