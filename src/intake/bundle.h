/*
 * Bundles: records as they stand in a log, on their way from a post to its hub, which alone reads what they say. A post
 * copies bytes; nothing is escaped or parsed there. The body of POST /v1/bundles is bundles one after the other:
 *
 *   "KHB1"
 *   format   u8 n, then its name ("syslog", "json", ...)
 *   file     varint n, then the path of the followed file; empty: it came another way
 *   time     varint, µs since 1970 UTC: when the post read it
 *   ids      u8, enum bundle_ids
 *   seed     8 bytes, little-endian
 *   records  varint, 1 to BUNDLE_RECORDS
 *   size     varint: bytes of the table that follows
 *   table    for each record: varint zigzag(where it begins less where the one before ended; the first: where), varint n
 *   bytes    of all records
 *
 * varint: LEB128, at most 10 bytes. A record's id is made of what never changes while it is read again: the log's seed,
 * its place and its bytes; so what is sent twice counts once.
 */
#ifndef KHIEN_INTAKE_BUNDLE_H
#define KHIEN_INTAKE_BUNDLE_H

#include "base/buf.h"
#include "intake/intake.h"

enum {
	BUNDLE_RECORDS = 16384,
	BUNDLE_TABLE = 20 * BUNDLE_RECORDS, /* bytes, at most */
	BUNDLE_FORMAT = 32,
	BUNDLE_FILE = 4096,
	BUNDLE_RECORD = 1 << 20,
	BUNDLE_ID = 32, /* hex digits */
};

enum bundle_ids {
	BUNDLE_OWN,     /* records are JSON, and name themselves (khien.id), or have no id */
	BUNDLE_PLACE,   /* seed, place and bytes */
	BUNDLE_CONTENT, /* seed and bytes: the log has no places */
	N_BUNDLE_IDS
};

struct bundle_head {
	struct str format, file;
	int64_t time;
	enum bundle_ids ids;
	uint64_t seed;
};

struct bundle_record {
	struct str bytes;
	uint64_t at;
};

/*
 * Appends a bundle of n records, 1 to BUNDLE_RECORDS. False: something is out of its bounds, or there is no memory;
 * nothing was appended.
 */
bool bundle_add(struct buf *out, const struct bundle_head *head, const struct bundle_record *records, size_t n);

/* The id of a record, BUNDLE_ID hex digits and a NUL; false: BUNDLE_OWN gives none. */
bool bundle_id(const struct bundle_head *head, const struct bundle_record *r, char id[BUNDLE_ID + 1]);

/* --- reading, piece by piece, in bounded memory --- */

struct bundle_reader;

/* head and record are borrowed during the call. Non-zero stops. */
typedef int bundle_fn(void *arg, const struct bundle_head *head, const struct bundle_record *r);

int bundle_reader_new(struct bundle_reader **ret, bundle_fn *fn, void *arg);
void bundle_reader_free(struct bundle_reader *b);
/* Any cut of the bytes gives the same. 0; -EBADMSG: these are no bundles; -ENOMEM; what fn returned. Nothing goes on then. */
int bundle_feed(struct bundle_reader *b, struct str bytes);
/* 0, or -EBADMSG: it is cut off. */
int bundle_end(const struct bundle_reader *b);

#endif
