#include "base/block.h"
#include "base/buf.h"
#include "intel/set_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

enum { WORDS_MAX = 8 << 20 }; /* bytes of notes and references: they are for eyes, and all is in the feed as well */

struct maker {
	struct set_head head;
	const struct feed *feed; /* being taken */
	uint32_t now;
	struct set_entry *entries;
	uint32_t n, cap;
	struct set_info *infos;
	uint32_t n_infos, cap_infos;
	struct buf bytes;
	struct feed_text names[SET_FEEDS_MAX];
	uint32_t n_names;
	uint8_t slash16[SET_SLASH16_BYTES];
};

static bool grow(void **p, uint32_t n, uint32_t *cap, size_t size)
{
	if (n < *cap)
		return true;
	uint32_t more = *cap ? *cap * 2 : 1024;
	void *q = realloc(*p, more * size);
	if (!q)
		return false;
	*p = q;
	*cap = more;
	return true;
}

static struct feed_text put(struct maker *m, struct str s)
{
	struct feed_text t = { (uint32_t)m->bytes.n, (uint32_t)s.n };
	buf_add(&m->bytes, s);
	return t;
}

/* Of the texts that the last info of the feed has, those that are equal. */
static struct feed_text put_words(struct maker *m, struct str s, struct feed_text last)
{
	if (s.n == last.len && (!s.n || memcmp(m->bytes.p + last.off, s.p, s.n) == 0))
		return last;
	return put(m, s);
}

/*
 * What is said beside the value. Items of one origin follow one another in a feed, so the last one is what a new one is
 * held against.
 */
static bool put_info(struct maker *m, const struct feed_item *i, uint32_t *ret)
{
	struct str note = feed_str(m->feed, i->note), reference = feed_str(m->feed, i->reference);
	struct set_info info = { .feed = (uint16_t)(m->n_names - 1), .confidence = i->confidence };
	const struct set_info *last = m->n_infos ? &m->infos[m->n_infos - 1] : &info;
	if (m->bytes.n + note.n + reference.n <= WORDS_MAX) {
		info.note = put_words(m, note, last->note);
		info.reference = put_words(m, reference, last->reference);
	} else if (note.n || reference.n) {
		m->head.counts.wordless++;
	}
	if (!m->n_infos || memcmp(last, &info, sizeof(info)) != 0) {
		if (!grow((void **)&m->infos, m->n_infos, &m->cap_infos, sizeof(*m->infos)))
			return false;
		m->infos[m->n_infos++] = info;
	}
	*ret = m->n_infos - 1;
	return !m->bytes.failed;
}

static void touch_slash16(struct maker *m, const uint8_t *address, unsigned bits)
{
	uint32_t first = (uint32_t)address[0] << 8 | address[1], n = bits < 16 ? 1u << (16 - bits) : 1;
	for (uint32_t i = first; i < first + n && i < 65536; i++)
		m->slash16[i / 8] |= (uint8_t)(1u << i % 8);
}

static bool address_hash(struct maker *m, struct str text, uint64_t *hash)
{
	struct indicator i;
	if (indicator_read(&i, text, INTEL_ADDRESS, INTEL_PRIVATE))
		return false;
	unsigned size = i.family == 4 ? 4 : 16;
	*hash = set_hash(m->head.seed, (i.family == 4 ? KEY_V4 : KEY_V6) + i.bits, i.address, size);
	if (i.family == 4 && i.bits < 32) {
		m->head.lengths[0] |= UINT64_C(1) << i.bits;
		touch_slash16(m, i.address, i.bits);
	} else if (i.family == 6 && i.bits < 128) {
		m->head.lengths[1 + i.bits / 64] |= UINT64_C(1) << i.bits % 64;
	}
	return true;
}

/* False: the item says of itself what it isn't; feeds are checked for structure only. */
static bool item_hash(struct maker *m, const struct feed_item *i, uint64_t *hash)
{
	static const unsigned keys[N_INTEL_TYPES] = {
		[INTEL_DOMAIN] = KEY_DOMAIN, [INTEL_NAME] = KEY_NAME, [INTEL_URL] = KEY_URL,
		[INTEL_BELOW] = KEY_BELOW,   [INTEL_HASH] = KEY_HASH,
	};
	struct str text = feed_str(m->feed, i->value);
	uint8_t raw[64];
	if (i->type == INTEL_ADDRESS || i->type == INTEL_NETWORK)
		return address_hash(m, text, hash);
	if (i->type == INTEL_HASH) {
		text.n = intel_hash(text, raw);
		text.p = (const char *)raw;
	}
	m->head.below |= i->type == INTEL_BELOW;
	*hash = set_hash(m->head.seed, keys[i->type], text.p, text.n);
	return text.n > 0;
}

static int take_feed(struct maker *m, const struct feed *f, struct err *err)
{
	m->feed = f;
	if (m->n_names == SET_FEEDS_MAX)
		return err_set(err, -E2BIG, "more than %d feeds", SET_FEEDS_MAX);
	m->names[m->n_names++] = put(m, str_from(f->head.name));
	for (uint32_t k = 0; k < f->n_items; k++) {
		const struct feed_item *i = &f->items[k];
		struct set_entry e = { .expires = i->expires };
		if (i->expires && i->expires <= m->now) {
			m->head.counts.expired++;
			continue;
		}
		if (!item_hash(m, i, &e.hash))
			continue;
		if (!put_info(m, i, &e.info) || !grow((void **)&m->entries, m->n, &m->cap, sizeof(*m->entries)))
			return err_set(err, -ENOMEM, "indicators: %m");
		if (m->n == FEED_ITEMS_MAX * 2u)
			return err_set(err, -E2BIG, "more than %u indicators", FEED_ITEMS_MAX * 2u);
		m->entries[m->n++] = e;
		m->head.counts.by_type[i->type]++;
	}
	return 0;
}

static int by_hash(const void *a, const void *b)
{
	const struct set_entry *x = a, *y = b;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->info < y->info ? -1 : x->info > y->info; /* the feeds in their order */
}

uint64_t set_checksum(const struct set_head *head, const struct block_part *part)
{
	struct set_head h = *head;
	h.sum = 0;
	uint64_t sum = XXH3_64bits(&h, sizeof(h));
	for (size_t i = SET_HEAD + 1; i < SET_PARTS; i++)
		sum = XXH3_64bits_withSeed(part[i].bytes.p, part[i].bytes.n, sum + part[i].bytes.n);
	return sum;
}

/* About four entries a bucket. */
static uint32_t bucket_bits(uint32_t n)
{
	uint32_t bits = 1;
	while (bits < 30 && (UINT32_C(4) << bits) < n)
		bits++;
	return bits;
}

static int finish(struct maker *m, void **block, size_t *size, struct err *err)
{
	uint32_t bits = bucket_bits(m->n), n_buckets = 1u << bits, n_filter = m->n / 8 + 8;
	uint64_t *filter = calloc(n_filter, sizeof(*filter));
	uint32_t *buckets = calloc(n_buckets + 1, sizeof(*buckets));
	int r = filter && buckets ? 0 : -ENOMEM;
	m->head.shift = 64 - bits;
	m->head.counts.entries = m->n;
	m->head.counts.feeds = m->n_names;
	if (!r && m->n)
		qsort(m->entries, m->n, sizeof(*m->entries), by_hash);
	for (uint32_t i = 0; !r && i < m->n; i++) {
		uint64_t h = m->entries[i].hash;
		filter[set_filter_word(h, n_filter)] |= set_filter_bits(h);
		buckets[(h >> m->head.shift) + 1]++;
	}
	for (uint32_t i = 0; !r && i < n_buckets; i++)
		buckets[i + 1] += buckets[i];
	const struct block_part part[SET_PARTS] = {
		[SET_HEAD] = { { (const char *)&m->head, sizeof(m->head) }, sizeof(m->head) },
		[SET_FILTER] = { { (const char *)filter, n_filter * sizeof(*filter) }, sizeof(*filter) },
		[SET_BUCKETS] = { { (const char *)buckets, (n_buckets + 1) * sizeof(*buckets) }, sizeof(*buckets) },
		[SET_ENTRIES] = { { (const char *)m->entries, m->n * sizeof(*m->entries) }, sizeof(*m->entries) },
		[SET_INFOS] = { { (const char *)m->infos, m->n_infos * sizeof(*m->infos) }, sizeof(*m->infos) },
		[SET_NAMES] = { { (const char *)m->names, m->n_names * sizeof(*m->names) }, sizeof(*m->names) },
		[SET_BYTES] = { buf_str(&m->bytes), 1 },
		[SET_SLASH16] = { { (const char *)m->slash16, sizeof(m->slash16) }, 1 },
	};
	if (!r) {
		for (size_t i = 0; i < SET_PARTS; i++)
			m->head.counts.bytes += part[i].bytes.n;
		m->head.sum = set_checksum(&m->head, part);
		r = block_pack(block, size, SET_KIND, part, SET_PARTS);
	}
	free(filter);
	free(buckets);
	return r ? err_set(err, r, "indicators: %m") : 0;
}

int intel_set_make(void **block, size_t *size, const struct feed *feeds, size_t n, int64_t now, struct err *err)
{
	struct maker *m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(err, -ENOMEM, "indicators: %m");
	m->now = (uint32_t)(now / 1000000);
	m->head.counts.made = now;
	int r = getrandom(&m->head.seed, sizeof(m->head.seed), 0) == (ssize_t)sizeof(m->head.seed)
	                ? 0
	                : err_set(err, -EIO, "no random bytes: %m");
	for (size_t i = 0; i < n && !r; i++)
		r = take_feed(m, &feeds[i], err);
	r = r ? r : finish(m, block, size, err);
	free(m->entries);
	free(m->infos);
	buf_free(&m->bytes);
	free(m);
	return r;
}
