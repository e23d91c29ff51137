/*
 * The journal: events on their way into a day. What is acknowledged stands here first.
 *
 * A folder of segments, NNNNNNNNNNNNNNNN.log by the number of their first event (numbers begin at 1). A segment is a
 * head and frames; a frame is up to 1 MB of rows that were appended together, with a length and a checksum (XXH3, with
 * a seed of the segment's own, so that bytes within an event can't pass for a frame), and lies at a multiple of 8
 * bytes. A frame that is cut off at the end of the newest segment was never acknowledged and is dropped; damage
 * elsewhere costs the frames that it hit, which is counted and told, and reading goes on at the next whole frame. What
 * a segment holds from the number of the next one on was written anew there, and doesn't count.
 *
 * The newest segment is always there, so that numbers never return. The one that was dropped last stays as NNN.old,
 * for journal_replay().
 *
 * Numbers on the disk are in the byte order of the machine; a segment of another order is refused (-EPROTO).
 */
#ifndef KHIEN_STORE_JOURNAL_H
#define KHIEN_STORE_JOURNAL_H

#include "base/buf.h"
#include "store/events.h"

enum {
	JOURNAL_SEGMENT = 16 << 20, /* bytes of frames after which a segment is full */
	JOURNAL_APPEND = 64 << 20,  /* bytes that one append may take */
};

struct journal;

struct journal_config {
	const char *dir; /* made if missing */
	bool read_only;  /* -ENOENT: there is none */
	uint64_t least;  /* number of the first event of a new journal; 0: 1 */
	events_note *note;
	void *arg;
};

/* Called for each event that stands in the journal, oldest first; `at` is its place in the segment. Non-zero stops. */
typedef int journal_fn(void *arg, uint64_t segment, uint64_t seq, uint32_t at, const struct event_row *row);

int journal_open(struct journal **ret, const struct journal_config *config, struct err *err);
void journal_close(struct journal *j);
/* Reads all segments; a writer calls it once before the first append. Returns what fn returned, or -errno. */
int journal_read(struct journal *j, journal_fn *fn, void *arg, struct err *err);
int journal_read_segment(struct journal *j, uint64_t segment, journal_fn *fn, void *arg, struct err *err);
/* The segment that was dropped last, then all others. */
int journal_replay(struct journal *j, journal_fn *fn, void *arg, struct err *err);
/* One event, read again into `to`, from where it is borrowed. */
int journal_row(struct journal *j, uint64_t segment, uint32_t at, struct buf *to, struct event_row *ret,
                struct err *err);

/*
 * A whole segment in memory: as it was appended, when that was just now, else read and summed at once. Empty: all zero.
 * What journal_load() gives is good until the next one, or journal_unload().
 */
struct journal_rows {
	struct buf bytes; /* its frames */
	struct journal_gap {
		uint32_t from, to;
	} * gaps; /* where no whole frame stands, in order */
	size_t n_gaps, cap_gaps;
};
/* -EIO: some of it can't be read; with `forgive` that is a gap. */
int journal_load(struct journal *j, uint64_t segment, bool forgive, struct journal_rows *ret, struct err *err);
void journal_unload(struct journal_rows *rows);
/* What was appended is not kept in memory for that, until the next segment. */
void journal_rest(struct journal *j);
/* The gap that the row's place is in, or NULL: it can be read. */
const struct journal_gap *journal_gap(const struct journal_rows *rows, uint32_t at);
/* The row at a place that journal_fn was told, and that is in no gap; borrowed. False: no row begins there. */
bool journal_loaded(const struct journal_rows *rows, uint32_t at, struct event_row *ret);
/* What will be asked for soon is fetched meanwhile: rows that belong together lie far apart. */
void journal_fetch(const struct journal_rows *rows, uint32_t at, uint32_t size);

/*
 * Rows whose verdict is EVENT_KNOWN are left out, but take a number. *seq: of the first row; at[i]: the place of row i
 * in the segment that is appended to (at may be NULL). -errno: as if not called. After a failed sync nothing is taken
 * until a sync succeeds.
 */
int journal_append(struct journal *j, const struct event_row *rows, size_t n, const uint8_t *verdict, uint32_t *at,
                   uint64_t *seq, struct err *err);
/*
 * What was appended is on the disk. A failed fsync may have lost it, whatever the next one says: then it is written
 * anew from memory into a segment of its own, and journal_moves() grows: places from that segment on are others.
 */
int journal_sync(struct journal *j, struct err *err);
uint64_t journal_moves(const struct journal *j);
/* The segment that is appended to, by its number, and whether it is full. */
uint64_t journal_segment(const struct journal *j);
bool journal_full(const struct journal *j);
/* Begins a new segment; nothing where the current one is empty. */
int journal_turn(struct journal *j, struct err *err);
/* Segments before this one are stored elsewhere for good: they go. */
int journal_drop(struct journal *j, uint64_t before, struct err *err);

/* The i-th segment, oldest first, or 0. */
uint64_t journal_nth(const struct journal *j, size_t i);
/* Number of the next event. */
uint64_t journal_next(const struct journal *j);
uint64_t journal_bytes(const struct journal *j);
uint64_t journal_lost(const struct journal *j); /* frames found damaged */
uint64_t journal_syncs(const struct journal *j);
/* Whole segments as they are on the disk now, into a folder that exists. */
int journal_copy(struct journal *j, const char *to, struct err *err);

#endif
