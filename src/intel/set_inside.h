/* The block of an intel_set; for set*.c only. */
#ifndef KHIEN_INTEL_SET_INSIDE_H
#define KHIEN_INTEL_SET_INSIDE_H

#include "base/block.h"
#include "intel/set.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SET_KIND "khien-known-1"

struct set_head {
	uint64_t seed;
	uint64_t sum;        /* of all other parts */
	uint64_t lengths[3]; /* prefixes that some network has: bit n of 0 for IPv4, of 1 and 2 for IPv6 */
	uint32_t shift;      /* a hash's bucket is hash >> shift */
	uint32_t below;      /* 1: some URL covers what is below it */
	struct intel_counts counts;
};

struct set_entry {
	uint64_t hash;
	uint32_t expires;
	uint32_t info;
};

struct set_info {
	struct feed_text note, reference;
	uint16_t feed; /* of the feeds' names, which stand in NAMES */
	uint8_t confidence;
	uint8_t pad;
};

enum {
	SET_HEAD,
	SET_FILTER,  /* uint64_t */
	SET_BUCKETS, /* uint32_t: where a bucket begins; one more than there are */
	SET_ENTRIES, /* by hash */
	SET_INFOS,
	SET_NAMES, /* feed_text */
	SET_BYTES,
	SET_SLASH16, /* a bit for each IPv4 /16 that some network touches */
	SET_PARTS,
};

enum { SET_FEEDS_MAX = 4096, SET_SLASH16_BYTES = 65536 / 8 };

struct intel_set {
	struct set_head head;
	const uint64_t *filter;
	const uint32_t *buckets;
	const struct set_entry *entries;
	const struct set_info *infos;
	const struct feed_text *names;
	const char *bytes;
	const uint8_t *slash16;
	uint32_t n_filter, n_buckets, n_entries, n_infos, n_names, n_bytes;
	void *block;
	size_t block_size;
	bool mapped;
};

/* What a hash is of: so that a name isn't found as a URL. Addresses count their prefix in. */
enum { KEY_DOMAIN = 1, KEY_NAME, KEY_URL, KEY_BELOW, KEY_HASH, KEY_V4 = 0x100, KEY_V6 = 0x200 };

static inline uint64_t set_hash(uint64_t seed, unsigned key, const void *p, size_t n)
{
	return XXH3_64bits_withSeed(p, n, seed + key * 0x9e3779b97f4a7c15u);
}

/* Four bits of one word. */
static inline uint64_t set_filter_bits(uint64_t h)
{
	return UINT64_C(1) << (h & 63) | UINT64_C(1) << (h >> 6 & 63) | UINT64_C(1) << (h >> 12 & 63) |
	       UINT64_C(1) << (h >> 18 & 63);
}

static inline uint32_t set_filter_word(uint64_t h, uint32_t n)
{
	return (uint32_t)((h >> 32) * n >> 32);
}

uint64_t set_checksum(const struct set_head *head, const struct block_part *part);

#endif
