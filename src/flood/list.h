/*
 * Addresses, and what operators said of them: one line each, in a file that people may read and write.
 *
 *   allow 10.20.0.0/16 until never by root why "the hospital's own network"
 *   block 203.0.113.7 until 2026-11-22T18:00:00Z by an why "posts forms over and over"
 *
 * The longest prefix decides; of two with the same, allow. Expired lines mean nothing, and go when the file is next written.
 */
#ifndef KHIEN_FLOOD_LIST_H
#define KHIEN_FLOOD_LIST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* IPv4 as ::ffff:a.b.c.d; network byte order. */
struct flood_addr {
	uint8_t b[16];
};

static inline bool list_is_v4(const struct flood_addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

enum { LIST_MAX = 16384, LIST_BY = 32, LIST_WHY = 120, LIST_TEXT = 4 << 20 };
enum list_action { LIST_NONE, LIST_ALLOW, LIST_BLOCK };

struct list_entry {
	struct flood_addr addr;          /* bits beyond the prefix are 0 */
	uint8_t bits;                    /* of 128: an IPv4 /24 is 120 */
	uint8_t action;                  /* enum list_action */
	uint32_t around;                 /* list_sort()'s: 1 + where the next wider entry stands; 0: none */
	int64_t until_s;                 /* wall clock; INT64_MAX: never */
	char by[LIST_BY], why[LIST_WHY]; /* NUL-terminated UTF-8 without control characters */
};

/*
 * "203.0.113.7", "2001:db8::1", with or without "/BITS". Bits beyond the prefix are set to 0. ::ffff:203.0.113.7 is 203.0.113.7.
 * -EINVAL: what is wrong with it; also a prefix of IPv6 that would hold all of IPv4 (::/0): nobody means that.
 */
int list_prefix(struct str text, struct flood_addr *addr, uint8_t *bits, struct err *err);
enum { LIST_PREFIX_TEXT = 64 };
/* As people write it: IPv4 dotted, no "/32" or "/128". Returns ret. */
const char *list_prefix_text(const struct flood_addr *addr, uint8_t bits, char ret[LIST_PREFIX_TEXT]);

/*
 * Reads a whole file into ret; *n_ret: how many. -EINVAL: "LINE: what is wrong, what to write"; -E2BIG: more than room, or text
 * longer than LIST_TEXT. With an error ret's entries may have been written to. Empty lines and lines that begin with # are skipped.
 */
int list_read(struct str text, struct list_entry *ret, size_t room, size_t *n_ret, struct err *err);
/*
 * A line each, LIST_NONE left out; the caller leaves out what expired. list_read() reads the same entries again, also where an entry
 * had control characters or bytes that aren't UTF-8: they become "?", so that no text can make a line of its own.
 */
void list_write(struct buf *out, const struct list_entry *entries, size_t n);

/* Sorts so that list_look() finds. */
void list_sort(struct list_entry *entries, size_t n);
/*
 * The one that decides for addr at wall_s; NULL: none. entries: list_sort()ed; whatever else they hold (another process writes
 * them just now), nothing beyond them is read, and it ends.
 */
const struct list_entry *list_look(const struct list_entry *entries, size_t n, const struct flood_addr *addr,
                                   int64_t wall_s);

#endif
