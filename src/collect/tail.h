/* One path that is followed, through its rotations; or the journal. Inside of collect, used by follow.c. */
#ifndef KHIEN_COLLECT_TAIL_H
#define KHIEN_COLLECT_TAIL_H

#include "collect/log_file.h"

enum { TAIL_OLD = 6, TAIL_SAVED = 1 + TAIL_OLD };

/* So much further back than it seems something may have been read: clocks are set, and what was read may have waited. */
static const int64_t TAIL_CLOCK = 3600LL * CLOCK_S;

struct tail_config {
	const struct taker *taker;
	struct opener *opener;
	const struct clock *clock;
	const struct place_table *was; /* what a run before saved; NULL: nothing */
	int64_t horizon;               /* µs of events that correlations want to see again */
	uint64_t ahead;                /* bytes behind what was saved that a run before read at most; 0: not known */
	int64_t since; /* wall clock: not before this did it read them; 0: what is found wasn't there when this run began */
};

struct tail {
	struct tail_config c;
	char *name;  /* for people */
	char *path;  /* of a file that a pattern covers; NULL: the opener's item names it */
	size_t item; /* of the opener */
	bool is_file, optional, from_start;
	unsigned char source[PLACE_HASH];
	struct log_file *log;           /* NULL: not there */
	struct log_file *old[TAIL_OLD]; /* what stood there before and may still get lines, or is not read to its end */
	size_t n_old;
	struct opener_file id;
	struct place_cursor cursor, points[PLACE_POINTS]; /* of the journal */
	uint32_t n_points;
	unsigned failed; /* starts of the journal's reader in a row that gave nothing */
	bool started;    /* had its first try */
	bool waits;      /* a run before read it, and it is away: where that stopped is kept until it comes back */
	int told;        /* -errno of the last trouble told */
	int64_t checked;
};

/* name and path are copied; path may be NULL. from_start: a file that is there is read from its start. */
int tail_new(struct tail **ret, const struct tail_config *config, size_t item, enum opener_kind kind, const char *name,
             const char *path, bool optional, bool from_start, struct err *err);
/* The last records go on. */
int tail_end(struct tail *t);
void tail_free(struct tail *t);

/* Looks, as often as is due, whether it is there, or another file in its place. -errno: stop all. */
int tail_check(struct tail *t, int64_t now);
/* Its current log was found emptied. */
int tail_emptied(struct tail *t);
/* The journal's reader ended. */
int tail_closed(struct tail *t, int64_t now);
/* Puts where it stands behind what is in the table. */
void tail_save(struct tail *t, struct place_table *to);

#endif
