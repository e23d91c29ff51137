/* What a hunt is made of; for the files of hunt/ only. All of it lies in the hunt's arena. */
#ifndef KHIEN_HUNT_AST_H
#define KHIEN_HUNT_AST_H

#include "base/arena.h"
#include "hunt/hunt.h"

enum {
	HUNT_DEPTH = 16,  /* brackets in brackets */
	HUNT_TERMS = 400, /* of one expression */
	HUNT_STAGES = 16, /* commands */
	HUNT_FIELDS = 32, /* of one command */
	HUNT_TOP = 10,    /* rows of "top" without a number */
	HUNT_MOST = 1 << 30,
};

/* Bytes that never stand in UTF-8 mark the wildcards of a text. */
enum { HUNT_ANY = 0xff, HUNT_ONE = 0xfe };

enum hunt_test {
	TEST_WORDS,   /* field empty: the text stands, no part of a longer word, in some field */
	TEST_PHRASE,  /* the text stands anywhere in some field */
	TEST_IS,      /* field:value */
	TEST_EXACT,   /* field=value */
	TEST_DIFFERS, /* field!=value: the field is there, and is another */
	TEST_EXISTS,
	TEST_LESS, /* these four have a bound */
	TEST_AT_MOST,
	TEST_MORE,
	TEST_AT_LEAST,
	TEST_RANGE, /* low and high; either may be BOUND_NONE */
	TEST_NETWORK,
	TEST_REGEX,
};

enum bound_kind { BOUND_NONE, BOUND_NUMBER, BOUND_TIME, BOUND_ADDRESS };

struct hunt_bound {
	enum bound_kind kind;
	bool open; /* the bound itself is outside */
	struct str text;
	double number;
	int64_t time;
	uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct hunt_term {
	enum hunt_test test;
	struct str field; /* as written; empty: any */
	struct str text;  /* wildcards marked; TEST_REGEX: the expression; TEST_NETWORK: as written */
	struct hunt_bound low, high;
	uint8_t address[16]; /* TEST_NETWORK; IPv4 in the first 4 */
	uint8_t bits, family;
	bool caseless; /* TEST_REGEX */
};

enum hunt_node_kind { HUNT_ALL /* everything */, HUNT_AND, HUNT_OR, HUNT_NOT /* of one */, HUNT_TERM };

struct hunt_node {
	enum hunt_node_kind kind;
	size_t at, end; /* bytes of the text */
	struct hunt_term *term;
	struct hunt_node **kids;
	size_t n;
};

enum hunt_function { FUNCTION_COUNT, FUNCTION_SUM, FUNCTION_AVG, FUNCTION_MIN, FUNCTION_MAX, FUNCTION_DC, N_FUNCTIONS };

struct hunt_sum {
	enum hunt_function function;
	struct str field; /* empty: of COUNT */
	struct str name;  /* of its column */
	bool named;       /* by "as" */
};

struct hunt_key {
	struct str field; /* or a column's name */
	int64_t bin;      /* µs: the time cut to such spans; 0: none */
	bool down;        /* STAGE_SORT: the greatest first */
};

enum hunt_stage_kind { STAGE_WHERE, STAGE_SUM, STAGE_TOP, STAGE_SORT, STAGE_FIELDS, STAGE_HEAD, STAGE_DEDUP };

struct hunt_stage {
	enum hunt_stage_kind kind;
	size_t at, end;
	struct hunt_node *where;
	struct hunt_sum *sums; /* STAGE_SUM */
	size_t n_sums;
	struct hunt_key *keys; /* by what; what to sort by; which fields */
	size_t n_keys;
	uint64_t n; /* STAGE_TOP, STAGE_HEAD */
	bool rare;  /* STAGE_TOP: the least first */
};

struct hunt {
	struct arena arena;
	struct str text;
	struct hunt_node *where; /* HUNT_ALL: everything */
	struct hunt_stage *stages;
	size_t n_stages;
};

extern const char *const hunt_functions[N_FUNCTIONS];

/* The alias of this name, or NULL. */
const struct hunt_alias *hunt_alias(struct str name);
/* The dotted names that a written name stands for, in the arena; NULL: no memory. */
const struct str *hunt_fields_of(struct str name, struct arena *arena, size_t *n);

/* A number, a time or an address. */
bool hunt_bound_read(struct str text, struct hunt_bound *ret);
bool hunt_number(struct str text, double *ret);
/* An IPv4 address as ::ffff:a.b.c.d. */
bool hunt_address(struct str text, uint8_t ret[16]);
/* a.b.c.d/n, or IPv6's. -1: it is none; -2: bits are set behind its length. */
int hunt_network(struct str text, struct hunt_term *ret);

#endif
