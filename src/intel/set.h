/*
 * The set of indicators that values are looked up in: made of feeds, in one block without pointers (base/block.h) that
 * is handed to another process as it is.
 *
 * The values themselves aren't in it. Each is a 64-bit XXH3 with a secret seed: what is said of a value is said of
 * its hash, and that two share one happens once in 2^64 / n look-ups. Before the table stands a filter of 8 bits for
 * each entry (blocked Bloom filter: Putze, Sanders, Singler 2009, with words of 64 bits), which answers most look-ups
 * and stays in the L2 cache: 1 MB for a million.
 *
 *   an address   itself, then each length of prefix that some network has, the longest first
 *   a name       itself; then it and each name above it, for those that cover what is below them
 *   a URL        itself; without its query; for those that cover what is below, it and each of the folders above it
 *                (the 16 highest); then its host, as a name or an address
 *   a hash       itself
 *
 * What has expired isn't found: the time is handed in.
 */
#ifndef KHIEN_INTEL_SET_H
#define KHIEN_INTEL_SET_H

#include "intel/feed.h"

struct intel_set;

struct intel_counts {
	uint64_t by_type[N_INTEL_TYPES];
	uint64_t entries, expired; /* expired: were left out when it was made */
	uint64_t wordless;         /* entries whose note and reference didn't fit: only the feed is told of them */
	size_t bytes;
	uint32_t feeds;
	int64_t made; /* µs */
};

/* Of feeds (borrowed for the call). The block is malloc'ed. now: µs since 1970 UTC. -E2BIG, -ENOMEM. */
int intel_set_make(void **block, size_t *size, const struct feed *feeds, size_t n, int64_t now, struct err *err);
/*
 * Takes the block, also when it is refused: munmap if `mapped`, else free. -EBADMSG: damaged; every index is checked,
 * but it is no format for bytes of strangers.
 */
int intel_set_open(struct intel_set **ret, void *block, size_t size, bool mapped, struct err *err);
void intel_set_free(struct intel_set *s);
struct intel_counts intel_set_counts(const struct intel_set *s);

/* One entry that a value is in, or below. Texts are borrowed: `text` for the call, others from the set. */
struct intel_found {
	enum intel_type type;
	struct str text; /* the indicator */
	struct str feed, note, reference;
	unsigned confidence;
	uint32_t expires; /* seconds; 0: never */
};
typedef void intel_sink(void *arg, const struct intel_found *f);

/* A value's look-up: every entry goes to the sink, which may be NULL. Returns how many. now: seconds. */
struct intel_look {
	const struct intel_set *set;
	uint32_t now;
	intel_sink *sink;
	void *arg;
};
/* A value of an event. False: it is none of that kind, and nothing was looked up. *n grows by what was found. */
bool intel_look_address(const struct intel_look *l, struct str text, uint32_t *n);
bool intel_look_name(const struct intel_look *l, struct str text, uint32_t *n);
bool intel_look_url(const struct intel_look *l, struct str text, uint32_t *n);
bool intel_look_hash(const struct intel_look *l, struct str text, uint32_t *n);
/* A name or an address. */
bool intel_look_host(const struct intel_look *l, struct str text, uint32_t *n);
/* All addresses (IPv4) that stand in a text, up to 4 KB of it. */
bool intel_look_text(const struct intel_look *l, struct str text, uint32_t *n);

#endif
