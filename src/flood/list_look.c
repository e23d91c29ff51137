/*
 * Entries in the order of their addresses, the wider before the narrower. Prefixes never cross: they lie within each other or apart.
 * So the last one that doesn't stand behind an address, and those around it, are all that can hold it. list_sort() notes who is
 * around whom, and a look is one binary search and some steps outwards.
 *
 * Of one prefix there may be several. They stand from the weakest to the strongest: block before allow, what ends first before what
 * ends later. The next step outwards from one is the strongest of another action, then the wider prefix: two at most are looked at.
 */
#include "flood/list.h"

#include <endian.h>
#include <stdlib.h>

struct key {
	uint64_t high, low;
};

static struct key key_of(const struct flood_addr *a)
{
	struct key k;
	memcpy(&k, a->b, sizeof(k));
	return (struct key){ be64toh(k.high), be64toh(k.low) };
}

static bool holds(const struct list_entry *e, struct key k)
{
	struct key own = key_of(&e->addr);
	uint64_t high = own.high ^ k.high, low = own.low ^ k.low;
	unsigned bits = e->bits;
	if (bits <= 64)
		return bits == 0 || high >> (64 - bits) == 0;
	return high == 0 && low >> (bits < 128 ? 128 - bits : 0) == 0;
}

static int compare(const void *a, const void *b)
{
	const struct list_entry *x = a, *y = b;
	int d = memcmp(&x->addr, &y->addr, sizeof(x->addr));
	if (d || (d = x->bits - y->bits))
		return d;
	bool x_allows = x->action == LIST_ALLOW, y_allows = y->action == LIST_ALLOW;
	if (x_allows != y_allows)
		return x_allows - y_allows;
	return (x->until_s > y->until_s) - (x->until_s < y->until_s);
}

static bool same_prefix(const struct list_entry *a, const struct list_entry *b)
{
	return a->bits == b->bits && memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0;
}

void list_sort(struct list_entry *entries, size_t n)
{
	qsort(entries, n, sizeof(*entries), compare);
	for (size_t i = 0; i < n; i++) {
		struct list_entry *e = &entries[i];
		size_t at = i; /* 1 + the one before it in order */
		if (at && same_prefix(&entries[at - 1], e) && entries[at - 1].action == e->action)
			at = entries[at - 1].around;
		while (at && !holds(&entries[at - 1], key_of(&e->addr)))
			at = entries[at - 1].around;
		e->around = (uint32_t)at;
	}
}

const struct list_entry *list_look(const struct list_entry *entries, size_t n, const struct flood_addr *addr,
                                   int64_t wall_s)
{
	struct key k = key_of(addr);
	size_t from = 0, to = n; /* all before `from` stand at or before addr, all from `to` on behind */
	while (from < to) {
		size_t mid = from + (to - from) / 2;
		struct key other = key_of(&entries[mid].addr);
		if (other.high < k.high || (other.high == k.high && other.low <= k.low))
			from = mid + 1;
		else
			to = mid;
	}
	for (size_t at = from; at;) {
		const struct list_entry *e = &entries[at - 1];
		if (e->action != LIST_NONE && e->until_s > wall_s && holds(e, k))
			return e;
		at = e->around < at ? e->around : 0;
	}
	return NULL;
}
