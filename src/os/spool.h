/*
 * A queue of byte records on the disk: what is put here and synced comes out again, in order, until it is acknowledged,
 * also after a crash, a cut of the power, a disk that was full or has become read-only, or damage in the middle.
 *
 * A folder of segments, CLASS-NUMBER.spool by class and the number of the first record, and `cursor`: how far each class
 * was acknowledged, and what was let go. Records of a higher class come out first and are let go last; within a class
 * they are a queue. A segment is a head and frames, each at a multiple of 8 bytes, summed (XXH64) with a seed of the
 * segment's own, so that bytes within a record can't pass for a frame. Numbers are in the machine's own byte order.
 *
 * It is bounded by bytes and by age. What has no room goes by whole segments: of the lowest class that has any, the
 * oldest; what is too old goes whatever its class. Age is time that passed while the spool was open: a clock that is
 * set throws nothing away. What went is counted on the disk before it goes, see spool_lost().
 */
#ifndef KHIEN_OS_SPOOL_H
#define KHIEN_OS_SPOOL_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

enum {
	SPOOL_CLASSES = 4,
	SPOOL_RECORD_MAX = 4 << 20, /* bytes */
	SPOOL_UNSYNCED_MAX = 8 << 20,
};

struct spool;

struct spool_config {
	const char *dir;    /* made if missing, for its owner alone */
	uint64_t max_bytes; /* of segments; at least 1 MB is taken */
	int64_t max_age;    /* µs; 0: any */
	const struct clock *clock;
	/* Trouble that was got over: damage, a cursor that can't be read. May be NULL. */
	void (*note)(void *arg, const char *what, const char *why);
	void *arg;
};

/* -EBUSY: another process has it. */
int spool_open(struct spool **ret, const struct spool_config *config, struct err *err);
/* What was put and not synced is gone. */
void spool_close(struct spool *s);

struct spool_record {
	struct str bytes;
	uint32_t events; /* it stands for so many: what is let go is counted in them */
	unsigned class;  /* below SPOOL_CLASSES */
	int64_t time;    /* wall clock when it was put; out only */
	uint64_t number; /* of its class, from 1; out only */
};

/* Copies the record. It is durable after the next spool_sync(). -EAGAIN: too much is not synced; -EMSGSIZE. */
int spool_put(struct spool *s, const struct spool_record *r, struct err *err);
/*
 * All that was put is on the disk. -errno (-ENOSPC, -EIO, -EROFS, ...): it is not, but kept for the next call, which
 * writes it anew into a segment of its own: a failed fsync may have lost pages that the next one doesn't name.
 */
int spool_sync(struct spool *s, struct err *err);
/* Bytes that were put and not synced. */
size_t spool_unsynced(const struct spool *s);

/*
 * The next record that is synced, read into `to` (behind what is there), from where its bytes are borrowed. 1; 0: there
 * is none; -errno. One that is damaged is passed over, counted and noted.
 */
int spool_next(struct spool *s, struct buf *to, struct spool_record *ret, struct err *err);
/* All that spool_next() gave is done with: it won't come again, once this has returned 0. -errno: it may, after a restart. */
int spool_ack(struct spool *s, struct err *err);
/* What was given and not acknowledged is given again. */
void spool_rewind(struct spool *s);
/* Every now and then: what is too old goes. */
int spool_tick(struct spool *s, struct err *err);
/* Everything goes, and counts as lost. */
int spool_forget(struct spool *s, struct err *err);

/* What was let go, since ever, of all classes; -damaged: records that can't be read, of unknown size. */
struct spool_lost {
	uint64_t events, bytes, damaged;
	int64_t from, until; /* wall clock: of the oldest and newest since the last spool_told(); 0: none */
};
/* What was given out before it was let go counts when it comes to spool_rewind(), not to spool_ack(). */
struct spool_lost spool_lost(const struct spool *s);
/* What of it was told before; and that this was, durable with the next ack or sync. */
struct spool_lost spool_lost_told(const struct spool *s);
int spool_told(struct spool *s, const struct spool_lost *lost, struct err *err);

struct spool_counts {
	uint64_t bytes;             /* of segments on the disk */
	uint64_t events;            /* that wait for their acknowledgement, as far as is known */
	int64_t oldest;             /* wall clock of the oldest that waits; 0: none does */
	uint64_t put, acked, syncs; /* events; since it was opened */
};
struct spool_counts spool_counts(const struct spool *s);

#endif
