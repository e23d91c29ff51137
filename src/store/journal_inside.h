/* What a journal is made of, on the disk and in memory. For journal*.c. */
#ifndef KHIEN_STORE_JOURNAL_INSIDE_H
#define KHIEN_STORE_JOURNAL_INSIDE_H

#include "store/journal.h"

/* A segment's head, twice: at 0 and at HEAD_SECOND, so that one bad page doesn't cost the segment its seed. */
struct journal_head {
	char magic[16];
	uint32_t order, version;
	uint64_t number; /* of its first event */
	uint64_t seed;
	uint64_t sum; /* XXH64 of what stands before */
};

/* seq and all that follows it is summed, with the segment's seed and the place of the frame. */
struct journal_frame {
	uint32_t magic, size; /* bytes of the frame behind its head, without padding */
	uint64_t sum;
	uint64_t seq;   /* number of its first row */
	uint32_t count; /* numbers it takes: rows, known ones too */
	uint32_t rows;  /* that stand in it */
};

struct journal_item {
	int64_t time;
	uint32_t number; /* from the frame's on */
	uint32_t json_n;
	uint8_t dataset_n, id_n;
	uint8_t zero[6];
};

_Static_assert(sizeof(struct journal_head) == 48, "on the disk");
_Static_assert(sizeof(struct journal_frame) == 32, "on the disk");
_Static_assert(sizeof(struct journal_item) == 24, "on the disk");

enum {
	JOURNAL_VERSION = 2,
	HEAD_SECOND = 4096,
	FRAMES_AT = 8192,
	FRAME_FULL = 1 << 20, /* a frame takes no further row from here on */
	ITEM_MAX = sizeof(struct journal_item) + EVENT_DATASET_MAX + EVENT_ID_MAX + EVENT_JSON_MAX,
	FRAME_MAX = FRAME_FULL + ITEM_MAX,
	JOURNAL_NAME = 32,
	UNSYNCED_MAX = 16 << 20, /* more than this is synced unasked */
	RECENT_MAX = JOURNAL_SEGMENT + (4 << 20),
	SEGMENT_MAX = FRAMES_AT + JOURNAL_SEGMENT + JOURNAL_APPEND,
};

struct segment {
	uint64_t number, seed;
	int fd;
	uint32_t end; /* of its frames, once it was read */
};

struct journal {
	struct journal_config config;
	char dir[4096];
	int dir_fd;
	struct segment *segments; /* oldest first */
	size_t n_segments, cap_segments;
	struct segment old; /* dropped last; fd -1: none */
	uint64_t next;      /* number of the next row */
	uint64_t bytes, lost, syncs, moves;
	/* Frames that were written but not synced, as they stand from `synced` on in the newest segment. */
	struct buf unsynced;
	uint64_t unsynced_seq;
	uint32_t synced;
	/* All frames of a segment, for journal_load(). */
	struct buf recent;
	uint64_t recent_of; /* 0: of none */
	bool read;          /* by journal_read: the end of the newest segment is known */
	bool broken;        /* a sync failed, and what was unsynced isn't written anew yet */
	bool dirty;         /* half a frame may stand behind the end of the newest segment */
	char *window;       /* what is being read of a segment */
};

static inline uint32_t journal_pad(uint32_t n)
{
	return (n + 7) & ~7u;
}

/* Who sends events doesn't know it, and can't make the search behind damage slow. */
static inline uint32_t journal_magic(uint64_t seed)
{
	return 0x6b66726d ^ (uint32_t)(seed >> 32);
}

static inline struct segment *journal_newest(const struct journal *j)
{
	return &j->segments[j->n_segments - 1];
}

uint64_t journal_sum(const struct journal_frame *frame, uint64_t seed, uint32_t at);
void journal_tell(const struct journal *j, const char *event, const char *what, const char *why);
struct segment *journal_find(struct journal *j, uint64_t number);
/* Opens and checks a head. -EBADMSG: both copies are damaged. */
int journal_open_segment(struct journal *j, const char *name, int flags, struct segment *ret, struct err *err);
/*
 * Frames of a segment, in order, up to number `limit`. Sets s->end; *next becomes the number behind the last row.
 * `newest`: what is cut off at its end isn't counted as damage.
 */
int journal_scan(struct journal *j, struct segment *s, uint64_t limit, bool newest, uint64_t *next, journal_fn *fn,
                 void *arg, struct err *err);

/* "0000000000000042.log" */
void journal_name(char name[JOURNAL_NAME], uint64_t number, const char *suffix);
int journal_add(struct journal *j, const struct segment *s);
/* A new segment with these frames in it (NULL: none), on the disk before it has its name. */
int journal_make(struct journal *j, uint64_t number, struct buf *frames, struct segment *ret);
/* What stands behind the end of the newest segment goes. */
int journal_cut(struct journal *j);

#endif
