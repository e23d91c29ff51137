/*
 * A feed: the indicators that one source has told, as they are parsed, kept on the disk and read back.
 *
 * It is gathered item by item, then packed into one block (base/block.h) with a checksum. feed_open() checks every
 * length and offset, so that a block from a process that was taken over, or a damaged file, is refused and does no harm.
 */
#ifndef KHIEN_INTEL_FEED_H
#define KHIEN_INTEL_FEED_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "intel/indicator.h"

enum {
	FEED_NAME_MAX = 64,
	FEED_ITEMS_MAX = 4000000,
	FEED_TEXT_MAX = 200,      /* bytes of a note or reference; longer ones are cut */
	FEED_BYTES_MAX = 1 << 30, /* of all texts */
	FEED_TOLD_MAX = 1000,     /* bad items that are told one by one */
};

struct feed_text {
	uint32_t off, len;
};

struct feed_item {
	struct feed_text value, note, reference;
	uint32_t expires; /* seconds since 1970 UTC; 0: never */
	uint8_t type;     /* enum intel_type, not ANY */
	uint8_t confidence;
	uint8_t pad[2];
};

/* What it is about, and what became of what was in its files. */
struct feed_head {
	char name[FEED_NAME_MAX + 1]; /* letters, digits, ".", "_" and "-" */
	char format[15];              /* "list", "stix", "misp" */
	int64_t added;                /* µs since 1970 UTC */
	uint64_t bad;                 /* items that could not be used */
	uint64_t left;  /* items that are no indicators to be matched: revoked, not meant for it, expired */
	uint64_t twice; /* items that were there already */
};

struct feed {
	struct feed_head head;
	const struct feed_item *items;
	uint32_t n_items;
	const char *bytes;
	uint32_t n_bytes;
	struct str told; /* bad items: a line for each, at most FEED_TOLD_MAX */
	/* private */
	void *block;
	size_t block_size;
};

static inline struct str feed_str(const struct feed *f, struct feed_text t)
{
	return (struct str){ f->bytes + t.off, t.len };
}

/* Takes the block (malloc'ed), also when it is refused. -EBADMSG. */
int feed_open(struct feed *ret, void *block, size_t size, struct err *err);
void feed_close(struct feed *f);
/* A name that can be a file's. */
bool feed_name_ok(struct str name);

/* --- gathering --- */

struct feed_maker {
	struct feed_head head;
	struct feed_item *items;
	uint32_t n_items, cap_items, cap_slots;
	uint32_t *slots; /* index of an item + 1, by its value: to see what comes twice */
	struct buf bytes;
	struct buf told;
	struct feed_text last_note, last_reference; /* the next is often the same */
	const char *file;                           /* that is read now; for messages */
	uint64_t n_told;
	bool failed; /* out of memory, or beyond a bound: `full` says which */
	bool full;
};

struct feed_entry {
	const struct indicator *indicator;
	int64_t expires; /* seconds; 0: never */
	unsigned confidence;
	struct str note, reference;
};

void feed_maker_init(struct feed_maker *m, struct str name, const char *format, int64_t now);
void feed_maker_done(struct feed_maker *m);
/* The same value again makes it live as long, and be as sure, as the better of both. */
void feed_add(struct feed_maker *m, const struct feed_entry *e);
/* An item can't be used: at which line or place of m->file, and why. line 0: `place` says where. */
void feed_bad(struct feed_maker *m, uint64_t line, struct str place, const char *why);
/* The block, malloc'ed. -E2BIG: more than a feed may have; -ENOMEM. */
int feed_pack(const struct feed_maker *m, void **block, size_t *size, struct err *err);

#endif
