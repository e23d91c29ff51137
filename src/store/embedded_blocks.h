/*
 * Which blocks a day has of a dataset, and the sets of their ids that are held in memory. For embedded_known.c, which says
 * what they are for.
 */
#ifndef KHIEN_STORE_EMBEDDED_BLOCKS_H
#define KHIEN_STORE_EMBEDDED_BLOCKS_H

#include "store/embedded_inside.h"
#include "store/idset.h"

enum {
	BLOCKS_DAYS = 32,
	SHELVES = 88, /* 1408 sets of 20 kB at most: of 11 million events */
	SHELF = 16,
};

struct known_block {
	int64_t number, first, last;
	int64_t least_first; /* of this and all behind it of the same dataset */
	uint64_t size, filter_size;
};

/* The blocks of a dataset, by their last event. */
struct known_part {
	char dataset[EVENT_DATASET_MAX + 1];
	size_t from, to;
};

struct known_day {
	int32_t day;
	bool valid;
	uint64_t used;
	struct known_block *blocks;
	struct known_part *parts; /* by their names */
	size_t n_parts;
};

struct blocks {
	struct known_day days[BLOCKS_DAYS];
	uint64_t turn;
};

void blocks_forget(struct blocks *b);
void blocks_free(struct blocks *b);
/* Of a day that has no file: none. Borrowed until the next call. */
int blocks_of_day(struct events *s, struct blocks *b, int32_t day, const struct known_day **ret, struct err *err);
/* NULL: the day has nothing of it. */
const struct known_part *blocks_part(const struct known_day *d, struct str dataset);
/* The first of them whose last event isn't before the time; `to` of the part: none. */
size_t blocks_first(const struct known_day *d, const struct known_part *part, int64_t time);

/*
 * When there is no room for one more, that one gives way on its shelf which for long wasn't asked for, and if there is
 * none any one, but only once in an append.
 */
struct shelved {
	int32_t day;
	int64_t number;
	uint64_t asked; /* the append in which it was last */
	struct idset *ids;
};

struct shelves {
	struct shelved at[SHELVES][SHELF];
	uint64_t append;
	size_t may_make; /* in this append */
	bool may_push;
};

/* An append begins, for which so many may be made. */
void shelves_begin(struct shelves *s, size_t may_make);
const struct idset *shelves_get(struct shelves *s, int32_t day, int64_t number);
/* Where a set may be put; NULL: none is to be made. */
struct shelved *shelves_room(struct shelves *s, int32_t day, int64_t number);
/* Takes the set over; NULL: nothing is put. */
void shelves_put(struct shelves *s, struct shelved *to, int32_t day, int64_t number, struct idset *ids);
void shelves_drop(struct shelves *s, int32_t day);
void shelves_free(struct shelves *s);

#endif
