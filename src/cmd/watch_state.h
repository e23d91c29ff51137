/*
 * Where khien watch stands, so that it goes on there after a restart or a crash.
 *
 * A file of two slots that are written in turn: whichever write is cut off, the other slot is whole. It is opened
 * before the sandbox and read inside of it. A record is the machine's own bytes: the file is no exchange format.
 */
#ifndef KHIEN_CMD_WATCH_STATE_H
#define KHIEN_CMD_WATCH_STATE_H

#include "base/err.h"
#include "base/str.h"

enum {
	STATE_MAX_FILES = 512,
	STATE_POINTS = 20,
	STATE_HEAD = 1024,  /* bytes of a file's beginning that tell it from others */
	STATE_CURSOR = 192, /* of the journal, with its NUL */
	STATE_HASH = 16,
};

/* A place in a log before which every record has been told. */
struct state_point {
	uint64_t offset, line; /* line: that begins there */
	int64_t time;          /* of the events before it, µs since 1970 UTC; 0: there are none */
};

/* A log, or a rotation of it that is not done with. */
struct state_file {
	unsigned char source[STATE_HASH]; /* state_source() of its path */
	uint64_t device, inode;           /* 0: it was looked for and not there */
	unsigned char head[STATE_HASH];   /* of its first head_len bytes */
	uint32_t head_len, n_points;
	struct state_point at;
	struct state_point points[STATE_POINTS]; /* places before, oldest first */
};

struct state_cursor {
	char at[STATE_CURSOR]; /* empty: none */
	int64_t time;
};

struct state_table {
	int64_t saved; /* wall clock */
	struct state_cursor journal, journal_points[STATE_POINTS];
	uint32_t n_journal_points, n;
	struct state_file files[STATE_MAX_FILES];
};

struct state;

/* Makes the folder if need be; -EBUSY: another khien uses it. */
int state_open(struct state **ret, const char *dir, struct err *err);
/*
 * Reads the newer whole slot into *table, whose numbers are then within their bounds. 1; 0: nothing was saved yet, and
 * *table is empty; -EBADMSG: neither slot is whole.
 */
int state_load(struct state *s, struct state_table *table, struct err *err);
/* To the disk. Nothing is written when nothing changed but `saved`. */
int state_save(struct state *s, const struct state_table *table, struct err *err);
void state_free(struct state *s);

/* 16 bytes that stand for these. */
void state_hash(unsigned char ret[STATE_HASH], struct str a);

/* Puts a point at the end of n that are in order; thins them so that the oldest stays: see state_from(). */
void state_add_point(struct state_point *points, uint32_t *n, const struct state_point *p);
/*
 * Where to begin to read so that everything of the last `horizon` µs before `at` is seen again: the newest point that
 * old, the oldest where none is, none of them more than `most` bytes back.
 */
struct state_point state_from(const struct state_file *f, int64_t horizon, uint64_t most);

#endif
