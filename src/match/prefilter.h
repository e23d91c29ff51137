/*
 * The prefilter: which rules may match this event at all? For each log source and field, one Vectorscan database over
 * the required literals of that source's rules, and a hash table for literals that must be the whole value. A hit makes
 * its rules candidates; rules without a required literal always are.
 */
#ifndef KHIEN_MATCH_PREFILTER_H
#define KHIEN_MATCH_PREFILTER_H

#include "base/err.h"
#include "rule/ruleset.h"

#include <hs/hs.h>

struct pf_group {            /* one log source: index as in SOURCES of the ruleset */
	struct span filters; /* FILTERS, by field; keywords (NO_INDEX) last */
	struct span always;  /* RULES: checked on every event of the source */
};

struct pf_filter {
	uint32_t field;        /* NO_INDEX: keywords */
	uint32_t exact_mask;   /* slots - 1 of its table in EXACT; 0: none */
	uint32_t exact_at;     /* first slot */
	uint32_t db;           /* index in DBS, NO_INDEX: none */
	struct span literals;  /* LITERALS */
	uint32_t min_len, pad; /* shortest literal in the database: shorter values can't hit it */
};

struct pf_exact { /* a slot; rules.n == 0: free */
	uint64_t hash;
	struct span rules; /* RULES */
};

struct pf_literal {        /* its id as a Vectorscan pattern is the index within its filter */
	struct span rules; /* RULES */
	uint32_t len;
	uint32_t anchor; /* enum literal_anchor: where in the value it must stand */
};

struct pf_db {
	uint64_t at, n; /* serialised form in DB_BYTES */
};

#define PREFILTER_SECTIONS(X)                                                                                          \
	X(GROUPS, groups, struct pf_group)                                                                             \
	X(FILTERS, filters, struct pf_filter)                                                                          \
	X(EXACT, exact, struct pf_exact)                                                                               \
	X(LITERALS, literals, struct pf_literal)                                                                       \
	X(RULES, rules, uint32_t)                                                                                      \
	X(DBS, dbs, struct pf_db)                                                                                      \
	X(DB_BYTES, db_bytes, char)

struct prefilter {
#define X(ID, name, type)                                                                                              \
	const type *name;                                                                                              \
	uint32_t n_##name;
	PREFILTER_SECTIONS(X)
#undef X
	hs_database_t **db; /* n_dbs, ready to scan with */
	const void *block;  /* the memory behind the sections; borrowed after prefilter_open, owned after _build */
	size_t block_size;
	bool owned;
};

#define PREFILTER_KIND "khien-pf-2" /* shape and version of its block */

/* Compiles on `threads` threads. */
int prefilter_build(struct prefilter *ret, const struct ruleset *rs, int threads, struct err *err);
/* From a block that prefilter_build made earlier for the same ruleset; the block must outlive it. */
int prefilter_open(struct prefilter *ret, const struct ruleset *rs, const void *block, size_t size, struct err *err);
void prefilter_free(struct prefilter *pf);
/* Bytes of all databases as they stand in memory. */
size_t prefilter_bytes(const struct prefilter *pf);

/* Hash of a folded value, as in struct pf_exact. */
uint64_t prefilter_hash(struct str folded);

/*
 * Calls hit for the rules that this folded value makes candidates; a rule may come more than once. PREFILTER_PAD NUL
 * bytes must stand behind the value, and are scanned with it: Vectorscan 5.4.9, Debian 12's, misses some literals in the
 * last bytes of what it is given (prefilter_test.c finds it within seconds when there is no padding).
 */
enum { PREFILTER_PAD = 64 };
typedef void prefilter_hit(void *arg, const uint32_t *rules, uint32_t n);
void prefilter_scan(const struct prefilter *pf, const struct pf_filter *f, hs_scratch_t *scratch, struct str folded,
                    prefilter_hit *hit, void *arg);

#endif
