/*
 * What the embedded store is made of, for embedded*.c, usage.c and retention.c.
 *
 *   embedded.c        opening, appending, syncing: the record of functions
 *   embedded_index.c  what is known of the events of a segment that are not in a day yet
 *   embedded_seal.c   from a full segment into days, in slices
 *   embedded_known.c  whether an event of this id is kept already
 *   embedded_blocks.c for it: which blocks there are, and the sets of their ids
 *   embedded_days.c   days that are open; what a search sees of days and journal
 *   embedded_mend.c   a damaged day is set aside, and what can be read of it salvaged
 *   embedded_backup.c copies
 *   usage.c           how much is stored of what
 *   retention.c       what has to go, and when the store will be full
 */
#ifndef KHIEN_STORE_EMBEDDED_INSIDE_H
#define KHIEN_STORE_EMBEDDED_INSIDE_H

#include "store/embedded.h"
#include "store/journal.h"

#include <sodium.h>
#include <time.h>

enum {
	OPEN_DAYS = 8,
	PINNED_DAYS = 32,
	WAITING_SEGMENTS = 4, /* full ones that may wait to be sealed; behind that, appending does it */
	SEAL_SLICE = 10 * CLOCK_MS,
	SEAL_LEVEL = 1,
	SEAL_TAKES = 12, /* small blocks that one takes over, at most */
	DIR_MAX = 4096,
	RESERVE = 2 << 20, /* bytes that are given up to come back on a full disk */
};

static const int64_t SEAL_AGE = (int64_t)3600 * CLOCK_S; /* a segment isn't left open for longer */

/* --- embedded_index.c --- */

/* An event that stands in the journal only. */
struct pending_row {
	int64_t time;
	uint64_t id;      /* hash; 0: it has none */
	uint32_t at;      /* in the segment */
	uint32_t number;  /* from the segment's on */
	uint32_t dataset; /* of the segment's list */
	uint32_t size;    /* of its JSON */
};

struct pending {
	uint64_t segment;
	int64_t born; /* of its first event, or of this process; monotonic */
	struct pending_row *rows;
	size_t n, cap;
	uint32_t *slots; /* of rows with an id, by hash: index + 1 */
	size_t n_slots, n_ids;
	char (*datasets)[EVENT_DATASET_MAX + 1];
	uint32_t n_datasets, cap_datasets;
	uint32_t *dataset_slots;
	uint32_t n_dataset_slots;
	int32_t *sealed; /* days that have its events already */
	size_t n_sealed, cap_sealed;
};

struct pending *pending_new(uint64_t segment, int64_t now);
void pending_free(struct pending *p);
/* 0 or -ENOMEM. */
int pending_add(struct pending *p, uint64_t seq, uint32_t at, const struct event_row *row, uint64_t id);
/* Rows from this number on go. */
void pending_cut(struct pending *p, uint64_t seq);
/* The next row of this hash from *at on (0 at first), or NULL. */
const struct pending_row *pending_find(const struct pending *p, uint64_t id, size_t *at);
bool pending_is_sealed(const struct pending *p, int32_t day);
int pending_note_sealed(struct pending *p, int32_t day);

/* --- embedded_seal.c --- */

struct seal_key {
	int32_t day;
	uint32_t dataset;
	uint32_t at, size; /* of the row, in the segment; of its JSON */
};

struct seal_put {
	char dataset[EVENT_DATASET_MAX + 1];
	struct chunk_sealed chunk; /* its bytes are malloc'ed */
	int64_t replaces[SEAL_TAKES];
	size_t n_replaces;
};

struct seal {
	bool active;
	bool at_day; /* what failed, failed at the day */
	struct seal_key *order;
	size_t n, at;
	int32_t day;                  /* whose rows are gathered */
	uint32_t dataset;             /* the same; UINT32_MAX: none */
	uint32_t most;                /* rows of each of its blocks */
	int64_t replaces[SEAL_TAKES]; /* blocks whose rows are in the builder already */
	size_t n_replaces;
	int64_t retry_at;  /* monotonic: not before */
	unsigned failures; /* in a row */
	uint64_t told;     /* the segment whose damage was told */
	/* Kept from segment to segment, while there is work. */
	int64_t worked; /* monotonic */
	struct journal_rows rows;
	struct chunk_builder *builder;
	struct seal_put *puts;
	size_t n_puts, cap_puts;
};

/* Works until the time, or until nothing waits. */
int seal_work(struct events *s, int64_t until, struct err *err);
/* What was gathered is forgotten and begun again: the day it was meant for is another. */
void seal_abort(struct events *s);
void seal_done(struct seal *seal);

/* --- embedded_known.c --- */

struct known;

int known_new(struct known **ret);
void known_free(struct known *k);
/* Days got blocks. */
void known_forget(struct known *k);
/* The day lost blocks: a number may stand for another one now. */
void known_drop(struct known *k, int32_t day);
uint64_t known_hash(const struct known *k, struct str id);
/* Sets EVENT_KNOWN for rows whose id is kept, or stands before in the same rows; the hash of each into `ids`. */
int known_check(struct events *s, const struct event_row *rows, size_t n, uint8_t *verdict, uint64_t *ids,
                struct err *err);

/* --- embedded_days.c --- */

struct open_day {
	int32_t day;
	struct day *d; /* NULL in a pin: it had no file when the search began */
	uint64_t used;
};

/* Whether a segment's events of a day were in it when the search began. Only of those that are. */
struct pin_note {
	uint64_t segment;
	int32_t day;
};

struct days {
	char dir[DIR_MAX];
	struct open_day open[OPEN_DAYS];
	uint64_t turn;
	/* read-only, during a search */
	bool searching;
	struct open_day pins[PINNED_DAYS];
	size_t n_pins;
	struct pin_note *notes;
	size_t n_notes, cap_notes;
};

/* As embedded_day(), but made where it has no file. */
int days_make(struct events *s, int32_t day, struct day **ret, struct err *err);
bool days_has(struct events *s, int32_t day);
/* Closes it, so that its file can be moved. */
void days_forget(struct events *s, int32_t day);
void days_close(struct events *s);
/* Around a search of a read-only store. */
int days_begin(struct events *s, struct err *err);
void days_end(struct events *s);

/* --- embedded_mend.c --- */

struct mend {
	struct day_salvage *salvage;
	int32_t day;
	char name[64];
	bool looked; /* for what a crash left half-way */
	bool busy;   /* a day is being set aside */
};

/* The day's file is set aside, told, and a fresh one begun. */
int mend_day(struct events *s, int32_t day, const char *why, struct err *err);
/* A slice of salvaging what was set aside. */
int mend_work(struct events *s, struct err *err);
void mend_done(struct events *s);

/* --- usage.c --- */

/* Which state of a day's files was counted. */
struct usage_stamp {
	int64_t size, wal_size;
	struct timespec written, wal_written;
};

struct usage_item {
	char dataset[EVENT_DATASET_MAX + 1];
	struct event_usage usage; /* its dataset points at the name above when it is handed on */
};

struct usage_day {
	int32_t day;
	struct usage_stamp stamp;
	struct usage_item *items;
	size_t n, cap;
};

struct usage_cache;
void usage_free(struct usage_cache *u);
/* What a day holds, counted when its file changed. Borrowed until the next call. */
int usage_of_day(struct events *s, int32_t day, struct usage_day **ret, struct err *err);
/* Adds what stands in the journal only. */
int usage_of_journal(struct events *s, struct usage_day *total, struct err *err);
void usage_drop(struct events *s, int32_t day);
int embedded_usage(struct events *s, usage_sink *sink, void *arg, struct err *err);

/* --- retention.c --- */

int embedded_enforce(struct events *s, const struct event_limits *limits, struct event_retention *ret, struct err *err);

/* --- embedded_backup.c --- */

int embedded_backup(struct events *s, const char *to, struct err *err);

/* --- embedded.c --- */

struct events {
	struct events_config config;
	char dir[DIR_MAX], journal_dir[DIR_MAX];
	int lock;
	struct journal *journal;
	uint64_t moves;           /* of the journal, that the index knows of */
	struct pending **pending; /* oldest first; the last is appended to */
	size_t n_pending, cap_pending;
	struct seal seal;
	struct known *known;
	struct days days;
	struct mend mend;
	struct usage_cache *usage;
	struct chunk *chunk, *own_chunk; /* for searching; for sealing and known ids */
	struct buf row;                  /* one that is read again */
	uint64_t *ids;                   /* of an append */
	uint32_t *places;
	size_t cap_ids;
	bool reserved;
	int64_t reserve_at; /* not tried again before */
	struct events_counts counts;
};

void embedded_tell(const struct events *s, const char *event, const char *what, const char *why);
/* Gives up the reserve; false: there is none. */
bool embedded_use_reserve(struct events *s);
/* The segment that is appended to becomes full. */
int embedded_turn(struct events *s, struct err *err);
/* The oldest segment is in its days. */
int embedded_drop(struct events *s, struct err *err);
static inline int64_t embedded_now(const struct events *s)
{
	return clock_monotonic(s->config.clock);
}

#endif
