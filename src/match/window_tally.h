/*
 * What a correlation asks of a stretch of moments (how many, how many different values, their sum...), kept up to
 * date while moments enter and leave at both ends, so that a window slides for the price of what moves.
 */
#ifndef KHIEN_MATCH_WINDOW_TALLY_H
#define KHIEN_MATCH_WINDOW_TALLY_H

#include "match/window_mem.h"
#include "rule/ruleset.h"

/* The place of a moment: what a window judged later says about its last event. */
struct place {
	uint64_t line;
	size_t size; /* as asked of mem_get */
	uint32_t file_len, host_len;
	unsigned char id[16]; /* khien.id */
	char text[];          /* file, NUL, host, NUL */
};

/* One match in a window, or several that the bound of its group folded into one. */
struct moment {
	int64_t time;
	union {
		uint64_t hash;  /* VALUE_COUNT: of the value; never 0 */
		double number;  /* VALUE_SUM: of all that are folded; VALUE_AVG likewise; VALUE_PERCENTILE */
		uint64_t input; /* the others: which of the correlation's inputs matched */
	};
	uint32_t n : 31;
	uint32_t fired : 1;  /* a window that ended here fired */
	struct place *place; /* NULL unless windows are judged when they are over */
};

struct tally_slot {
	uint64_t hash; /* 0: free */
	uint64_t n;
};

struct tally {
	const struct correlation *def;
	uint64_t n;     /* matches */
	uint32_t kinds; /* different values, or different inputs */
	uint32_t left;  /* moments that left since the sum was last built from nothing */
	union {
		struct tally_slot *slots; /* VALUE_COUNT */
		double *sorted;           /* VALUE_PERCENTILE */
		double sum;               /* VALUE_SUM, VALUE_AVG */
		/* One word for each input, in the group's own block. TEMPORAL: matches of it. TEMPORAL_ORDERED: when the
		 * latest chain that follows the order up to it began, INT64_MIN: there is none. */
		int64_t *inputs;
	};
	union {
		uint32_t n_slots; /* a power of two */
		struct {
			uint32_t n_sorted, cap_sorted;
		};
		double low; /* what rounding cut off the sum */
		/* TEMPORAL_ORDERED: for each input the one before it that is the same rule, NO_INDEX: none. A match comes
		 * as the last of them. Borrowed. */
		const uint32_t *same;
	};
};

/* inputs: tally_inputs_size() bytes of the caller's. */
void tally_init(struct tally *t, const struct correlation *def, int64_t *inputs, const uint32_t *same);
size_t tally_inputs_size(const struct correlation *def);
/* 0, or -ENOMEM: nothing has changed. */
int tally_add(struct tally *t, struct mem *mem, size_t *account, const struct moment *m);
void tally_remove(struct tally *t, const struct moment *m);
/* VALUE_COUNT, TEMPORAL: does a moment of the same value stand in it? */
bool tally_holds(const struct tally *t, const struct moment *m);
/* TEMPORAL_ORDERED: follows the order, moment by moment; tally_restart() forgets the chains. */
void tally_follow(struct tally *t, const struct moment *m);
void tally_restart(struct tally *t);
/* The number that the condition is about; `from`: where the window begins. */
double tally_result(const struct tally *t, int64_t from);
/* Empty again; memory stays. */
void tally_clear(struct tally *t);
void tally_done(struct tally *t, struct mem *mem, size_t *account);

#endif
