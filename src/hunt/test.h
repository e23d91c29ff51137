/* One term made ready to be asked of values; for the files of hunt/ only. */
#ifndef KHIEN_HUNT_TEST_H
#define KHIEN_HUNT_TEST_H

#include "hunt/ast.h"

#include <stdatomic.h>

enum ask_kind { ASK_EQUAL, ASK_WITHIN, ASK_WORDS, ASK_GLOB, ASK_ORDER, ASK_NETWORK, ASK_REGEX };

struct hunt_ask {
	enum ask_kind kind;
	bool unicode;    /* cases alike by Unicode's simple folding; else ASCII's */
	struct str text; /* folded; ASK_GLOB: with marks */
	const struct hunt_term *term;
	void *code;             /* pcre2_code */
	void *context;          /* pcre2_match_context */
	struct hunt_asks *asks; /* the hunt's */
	struct hunt_ask *next;  /* of those to be freed */
};

/* What asks of one hunt share. */
struct hunt_asks {
	struct arena *arena;
	struct hunt_ask *all;
	atomic_uint_fast64_t gave_up;
	bool (*is_over)(void *arg); /* whether nobody wants answers any more; by several threads at once; may be NULL */
	void *arg;
};

/* Only for `text`, so that blocks without it are passed over: it stands in each value that the ask says yes to. */
struct hunt_hint {
	struct str text;
};

/*
 * Makes what a term asks of one value (of its field, where it has one); TEST_EXISTS and TEST_DIFFERS ask nothing of it,
 * and are the caller's. `prose`: words are looked for in it. -EINVAL: its regular expression is none; -ENOMEM.
 */
int hunt_ask_new(struct hunt_ask **ret, struct hunt_asks *asks, const struct hunt_term *t, bool prose,
                 struct hunt_hint *hint, struct err *err);
void hunt_asks_done(struct hunt_asks *asks);
/* Whether it holds for a value: by several threads at once. */
bool hunt_ask_value(void *ask, struct str value);
/*
 * A word, with wildcards or without, in any value: as a regular expression. Where it begins or ends with a star a word
 * may go on there; within it a star is a run without blanks.
 */
void hunt_words_regex(struct str text, struct buf *re);
/* Whether it is a regular expression; else why not, and at which byte. */
bool hunt_regex_ok(struct str re, bool caseless, size_t *at, struct err *why);

#endif
