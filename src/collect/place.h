/*
 * How far logs have been read, so that reading goes on there after a restart or a crash.
 *
 * A file of two slots that are written in turn: whichever write is cut off, the other slot is whole. It is opened
 * before the sandbox and read inside of it. A record is the machine's own bytes: the file is no exchange format.
 */
#ifndef KHIEN_COLLECT_PLACE_H
#define KHIEN_COLLECT_PLACE_H

#include "base/err.h"
#include "base/str.h"

enum {
	PLACE_MAX_FILES = 512,
	PLACE_POINTS = 20,
	PLACE_HEAD = 1024,  /* bytes of a file's beginning that tell it from others */
	PLACE_CURSOR = 192, /* of the journal, with its NUL */
	PLACE_HASH = 16,
};

/* A place in a log before which every record is settled: told, or durable. */
struct place_point {
	uint64_t offset, line; /* line: that begins there */
	int64_t time;          /* of the events before it, µs since 1970 UTC; 0: there are none */
};

/* A log, or a rotation of it that is not done with. */
struct place_file {
	unsigned char source[PLACE_HASH]; /* place_hash() of its path */
	uint64_t device, inode;           /* 0: it was looked for and not there */
	unsigned char head[PLACE_HASH];   /* of its first head_len bytes */
	uint32_t head_len, n_points;
	struct place_point at;
	struct place_point points[PLACE_POINTS]; /* places before, oldest first */
};

struct place_cursor {
	char at[PLACE_CURSOR]; /* empty: none */
	int64_t time;
};

struct place_table {
	int64_t saved; /* wall clock */
	struct place_cursor journal, journal_points[PLACE_POINTS];
	uint32_t n_journal_points, n;
	struct place_file files[PLACE_MAX_FILES];
};

struct places;

/* The file `name` in a folder, which is made if need be; -EBUSY: another khien uses it. */
int place_open(struct places **ret, const char *dir, const char *name, struct err *err);
/*
 * Reads the newer whole slot into *table, whose numbers are then within their bounds. 1; 0: nothing was saved yet, and
 * *table is empty; -EBADMSG: neither slot is whole.
 */
int place_load(struct places *s, struct place_table *table, struct err *err);
/* To the disk. Nothing is written when nothing changed but `saved`. */
int place_save(struct places *s, const struct place_table *table, struct err *err);
void place_free(struct places *s);

/* 16 bytes that stand for these. */
void place_hash(unsigned char ret[PLACE_HASH], struct str a);

/* Puts a point at the end of n that are in order; thins them so that the oldest stays: see place_from(). */
void place_add_point(struct place_point *points, uint32_t *n, const struct place_point *p);
/*
 * Where to begin to read so that everything of the last `horizon` µs before `at` is seen again: the newest point that
 * old, the oldest where none is, none of them more than `most` bytes back.
 */
struct place_point place_from(const struct place_file *f, int64_t horizon, uint64_t most);

#endif
