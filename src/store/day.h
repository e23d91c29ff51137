/*
 * A day of events: one SQLite file, days/2026-11-22.db, of blocks and their filters. Retention removes it, damage stays
 * in it. Rows of `block` say what is in one (dataset, first and last event time, rows, sizes), with a checksum; `data`
 * and `filter` hold the bytes. `sealed` names the journal's segments that are in, so that a segment read again after a
 * crash is not stored twice.
 *
 * Events before DAY_FIRST are in that day, events after DAY_LAST in that one: a sender's wrong clock makes no endless
 * number of files.
 */
#ifndef KHIEN_STORE_DAY_H
#define KHIEN_STORE_DAY_H

#include "store/chunk.h"
#include "store/events.h"

enum { DAY_FIRST = 10957 /* 2000-01-01 */, DAY_LAST = 47482 /* 2100-01-01 */, DAY_NAME = 24 };

struct day;

/* 0 is 1970-01-01. */
int32_t day_of(int64_t time);
void day_name(int32_t day, char name[DAY_NAME]); /* "2026-11-22.db" */
/* The day of a file's name; false: it is none. */
bool day_from_name(const char *name, int32_t *ret);

/*
 * Made where there is none: whole at once, so that an empty file of its name is a damaged one. -ENOENT: read-only, and
 * there is none. -EBADMSG: damaged beyond use. -EPROTO: made by a newer khien.
 */
int day_open(struct day **ret, const char *dir, int32_t day, bool read_only, struct err *err);
void day_close(struct day *d);

struct day_block {
	int64_t number; /* within the day; from 1 on */
	char dataset[EVENT_DATASET_MAX + 1];
	int64_t first, last;
	uint32_t rows;
	uint64_t raw, size, filter_size;
};

/*
 * One transaction, on the disk when it returns 0: puts all blocks, removes `replaced`, and notes the segment (0: none).
 * -ENOSPC, -EROFS...: nothing was changed, it may be tried again.
 */
struct day_put {
	const char *dataset;
	struct chunk_sealed chunk;
	const int64_t *replaces; /* blocks whose rows are in this one */
	size_t n_replaces;
};
int day_seal(struct day *d, uint64_t segment, const struct day_put *puts, size_t n, struct err *err);
int day_is_sealed(struct day *d, uint64_t segment, bool *ret, struct err *err);
/* The greatest segment noted; 0: none. */
int day_last_sealed(struct day *d, uint64_t *ret, struct err *err);

/*
 * The day's blocks, newest last event first. Valid until the day changes, or is released. Beside a writer this, and all
 * that is read after it, is the day as it was at the first call, until day_release().
 */
int day_blocks(struct day *d, const struct day_block **ret, size_t *n, struct err *err);
/* Whether the words may all stand in the block. */
int day_may_have(struct day *d, const struct day_block *b, const uint64_t *hashes, size_t n, bool *ret,
                 struct err *err);
/* The whole filter, filter_size bytes. -EBADMSG: not as it was written. */
int day_filter(struct day *d, const struct day_block *b, void *to, struct err *err);
/* A chunk_read_fn over the bytes of a block; arg is filled by day_reader(). */
struct day_reader {
	struct day *day;
	int64_t number;
};
int day_bytes(void *reader, uint64_t at, void *to, size_t n, struct err *err);
/* Nothing more is read for now: a writer beside may tidy up. */
void day_release(struct day *d);

/* Blocks of these go; the file shrinks. */
int day_remove(struct day *d, const int64_t *numbers, size_t n, struct err *err);
/* A consistent copy as a new file, while others read and write. */
int day_copy(struct day *d, const char *path, struct err *err);

/*
 * What can still be read of a damaged day's file, into the fresh file `into`: first the sealed segments, then block by
 * block, whatever is damaged left out. How far it came is noted with each step, so it goes on after a crash.
 */
struct day_salvage;
int day_salvage_open(struct day_salvage **ret, const char *dir, const char *name, struct day *into, struct err *err);
/* Some ms of it: 1: there is more; 0: finished; -errno: of `into`, to be tried again. */
int day_salvage_step(struct day_salvage *s, struct day *into, struct err *err);
/* What was taken over, and the blocks known to have been there that could not be. False: there may have been others. */
bool day_salvage_counts(const struct day_salvage *s, uint64_t *events, uint64_t *lost_blocks);
void day_salvage_close(struct day_salvage *s);
/* Whether all that could be was taken from the file of this name. */
int day_is_salvaged(struct day *d, const char *name, bool *ret, struct err *err);

#endif
