/*
 * Layouts, as they stand in a block and as they are read. Inside of chunk_layout.c, chunk_unlayout.c and chunk_search.c.
 *
 *   coding:  bytes of all texts | references | lengths of layouts | layouts | layout of each text | variables
 *
 * Variables are stored by their place, those of rare layouts all together at the end, each with its size in front, and
 * whether they are digits only, so that those can be passed over that nobody needs.
 */
#ifndef KHIEN_STORE_CHUNK_LAYOUT_H
#define KHIEN_STORE_CHUNK_LAYOUT_H

#include "store/chunk_codec.h"

enum {
	MARK_VARIABLE = 1,
	MARK_REFERENCE = 2,
	REFERENCES = 12,
	LAYOUTS = 2048,
	OFTEN = 32,        /* uses of a layout from which on its variables are columns of their own */
	LAYOUT_MAX = 8192, /* bytes of a text; longer ones are one variable */
};

/* With which bytes texts begin and end, ASCII in small letters. */
struct source_edges {
	bool first[256], last[256];
};

/* What changes: a reference, or the variables of a place. */
struct source {
	struct chunk_values values; /* once loaded */
	uint32_t column;            /* of a reference, else UINT32_MAX */
	uint32_t n;                 /* variables: how many, and where they stand */
	uint32_t size;
	const uint8_t *stored;
	uint32_t next; /* variables: the one that comes next */
	bool loaded;
	bool by_row;                /* reference: value i is row i's */
	bool digits;                /* variables: nothing else is in them */
	bool any;                   /* has texts that are no single word */
	bool wanted;                /* by a search */
	bool texts;                 /* variables: `values` has the texts of a dictionary, whose codes are stored next */
	struct source_edges *edges; /* a search's, of a reference; once known */
	uint64_t *hits;             /* a search's: a bit for each value; NULL: none */
};

/* A step of a layout: some bytes, then the next text of a source, or the end. */
struct step {
	uint32_t at, n; /* in text */
	uint32_t source;
};

enum { NO_SOURCE = UINT32_MAX };

struct unlayout_one {
	uint32_t steps; /* the first; they end with NO_SOURCE */
	uint32_t uses;
	uint32_t shared; /* variables that it has among those of rare layouts */
};

/* Texts of layouts: all but what changes in them, which is read when it is asked for. */
struct unlayout {
	struct take take; /* behind the layouts; says what went wrong */
	uint32_t n, n_layouts, n_references, n_sources, n_steps;
	uint32_t size; /* bytes of all texts */
	const char *text;
	uint32_t *ends; /* of each layout, in text */
	struct unlayout_one *layouts;
	struct step *steps;
	struct source *sources; /* references first, that of rare layouts last */
	const uint32_t *layout_of;
	struct chunk_values constants; /* a search's: the bytes of all steps, escapes undone; n 0: not yet */
	bool peeked;                   /* a search put some texts together once */
};

/* n texts; NULL, and `bad`: there are none. */
struct unlayout *take_unlayout(struct take *t, uint32_t n);
/* To take variables from their first byte on that was not taken. */
struct take unlayout_stored(const struct unlayout *x, const struct source *s);
/* Takes the texts of variables that are a dictionary. */
void unlayout_load_texts(struct unlayout *x, struct source *s);
/* False, and x->take.bad: it can't be read. */
bool unlayout_load(struct unlayout *x, struct source *s);
/*
 * Texts of the chosen layouts, which is a byte for each, or NULL for all. `values` (may be NULL): of each, which of the
 * n it is. False and x->take.bad: damaged.
 */
bool unlayout_texts(struct unlayout *x, const uint8_t *chosen, uint32_t *values, struct chunk_values *ret);

/* Text i, appended. False: as above; out->failed is the caller's to look at. */
bool unlayout_add(struct unlayout *x, uint32_t i, struct buf *out);

/* The value of a reference that belongs to text i. */
static inline uint32_t source_index(const struct unlayout *x, const struct source *s, uint32_t i)
{
	return s->by_row ? x->take.rows[i] : i;
}

#endif
