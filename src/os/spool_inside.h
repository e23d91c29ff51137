/* What a spool is made of, on the disk and in memory. For spool*.c. */
#ifndef KHIEN_OS_SPOOL_INSIDE_H
#define KHIEN_OS_SPOOL_INSIDE_H

#include "os/spool.h"

struct spool_head {
	char magic[16];
	uint32_t order, class;
	uint64_t number; /* of its first record */
	uint64_t seed;
	uint64_t sum; /* XXH64 of what stands before */
};

/* number and all that follows it is summed, with the segment's seed and the frame's place. */
struct spool_frame {
	uint32_t magic, size; /* bytes of the record */
	uint64_t sum;
	uint64_t number;
	int64_t time; /* wall clock */
	int64_t age;  /* the spool's own time: see spool.h */
	uint32_t events, zero;
};

/* In the file `cursor`, two slots, written in turn. */
struct spool_cursor {
	char magic[16];
	uint32_t order, zero;
	uint64_t turn; /* the greater is the newer */
	int64_t age;
	uint64_t next[SPOOL_CLASSES];  /* the first that isn't acknowledged */
	uint64_t first[SPOOL_CLASSES]; /* what stands before was let go, and is counted */
	struct spool_lost lost, told;
	uint64_t sum;
};

_Static_assert(sizeof(struct spool_head) == 48, "on the disk");
_Static_assert(sizeof(struct spool_frame) == 48, "on the disk");
_Static_assert(sizeof(struct spool_cursor) == 192, "on the disk");

enum {
	FRAMES_AT = 64,
	CURSOR_SLOT = 4096,
	SEGMENT_MAX = 4 << 20,
	SEGMENT_MIN = 64 << 10,
	SPOOL_NAME = 40,
	FRAME_MAX = sizeof(struct spool_frame) + SPOOL_RECORD_MAX + 8,
};

struct spool_segment {
	uint64_t number, seed; /* of its first record; of its sums */
	uint64_t next;         /* number behind its last record */
	uint64_t events;
	int64_t from, until, age; /* wall clock of its first and last record; age of the last */
	int64_t sure_age;         /* of the last frame whose sum was checked */
	uint32_t end;
	uint32_t counted; /* up to here damage was counted */
	bool unread;      /* the disk didn't give all of it: nothing is cut off or written behind it */
	int fd;
};

/* What was put, as it will stand on the disk but for sums. */
struct spool_queue {
	struct spool_segment *segments; /* oldest first; the last is written to */
	size_t n, cap;
	struct buf fresh; /* frames to be written */
	uint64_t fresh_next, fresh_events;
	uint64_t next; /* number of the next record that is put */
	uint64_t read; /* the next that spool_next() gives */
	bool turn;     /* a sync failed: what is written next goes into a segment of its own */
	/* where `read` stands: a place in the segment of this number; 0: to be looked for */
	uint64_t at_segment;
	uint32_t at;
};

struct spool {
	struct spool_config c;
	char dir[4096];
	int dir_fd, cursor_fd;
	struct spool_queue queue[SPOOL_CLASSES];
	struct spool_cursor cursor; /* as it is to be on the disk */
	bool cursor_dirty;
	int64_t opened; /* monotonic */
	int64_t age;    /* the spool's own time then */
	uint32_t segment_max;
	uint64_t bytes, put, acked, syncs, given;
	/* Of what is counted as lost, what was given out before it went: it may be acknowledged still. */
	uint64_t flying_events, flying_bytes;
};

static inline uint32_t spool_pad(uint32_t n)
{
	return (n + 7) & ~7u;
}

/* Who is recorded doesn't know it, and can't make the search behind damage slow. */
static inline uint32_t spool_magic(uint64_t seed)
{
	return 0x6b73706cu ^ (uint32_t)(seed >> 32);
}

static inline int64_t spool_age(const struct spool *s)
{
	return s->age + clock_monotonic(s->c.clock) - s->opened;
}

void spool_note(const struct spool *s, const char *what, const char *why);
uint64_t spool_sum(const struct spool_frame *f, struct str bytes, uint64_t seed, uint32_t at);
void spool_name(char name[SPOOL_NAME], unsigned class, uint64_t number);

/* --- spool_segment.c --- */

/* A new one, on the disk before this returns 0. */
int spool_segment_new(struct spool *s, unsigned class, uint64_t number, struct err *err);
/* Opens and reads one. -EBADMSG: it is none. whole: every sum is checked, and what is cut off at its end is dropped. */
int spool_segment_open(struct spool *s, unsigned class, const char *name, struct spool_segment *ret, struct err *err);
int spool_segment_scan(struct spool *s, struct spool_segment *g, bool whole, struct err *err);
enum spool_damage {
	SPOOL_DAMAGED = 1,    /* something stood there that is no frame */
	SPOOL_UNREADABLE = 2, /* or the disk didn't give it */
};

/*
 * The frame at *at, or the next whole one behind: 1 with *at its place and, to not NULL, its bytes; 0: there is none.
 * *damage: enum spool_damage, what was passed over is added.
 */
int spool_segment_frame(const struct spool_segment *g, uint32_t *at, struct spool_frame *f, struct buf *to,
                        unsigned *damage);
/* The oldest of a class goes. */
void spool_segment_drop(struct spool *s, unsigned class);

#endif
