#include "intel/set.h"

#include "intel/set_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { TEXT_LOOKED_AT = 4096 };

/* --- the block --- */

static bool text_ok(const struct intel_set *s, struct feed_text t)
{
	return t.off <= s->n_bytes && t.len <= s->n_bytes - t.off;
}

static bool records_ok(const struct intel_set *s)
{
	if (s->head.shift < 34 || s->head.shift > 63 || s->n_buckets != (1u << (64 - s->head.shift)) + 1 ||
	    !s->n_filter || s->buckets[0] || s->buckets[s->n_buckets - 1] != s->n_entries)
		return false;
	for (uint32_t i = 1; i < s->n_buckets; i++)
		if (s->buckets[i] < s->buckets[i - 1])
			return false;
	for (uint32_t i = 0; i < s->n_entries; i++)
		if (s->entries[i].info >= s->n_infos)
			return false;
	for (uint32_t i = 0; i < s->n_infos; i++)
		if (s->infos[i].feed >= s->n_names || !text_ok(s, s->infos[i].note) ||
		    !text_ok(s, s->infos[i].reference))
			return false;
	for (uint32_t i = 0; i < s->n_names; i++)
		if (!text_ok(s, s->names[i]))
			return false;
	return true;
}

static int take_apart(struct intel_set *s, struct err *err)
{
	struct block_part part[SET_PARTS] = {
		[SET_HEAD] = { .record = sizeof(s->head) },
		[SET_FILTER] = { .record = sizeof(*s->filter) },
		[SET_BUCKETS] = { .record = sizeof(*s->buckets) },
		[SET_ENTRIES] = { .record = sizeof(*s->entries) },
		[SET_INFOS] = { .record = sizeof(*s->infos) },
		[SET_NAMES] = { .record = sizeof(*s->names) },
		[SET_BYTES] = { .record = 1 },
		[SET_SLASH16] = { .record = 1 },
	};
	int r = block_parts(s->block, s->block_size, SET_KIND, part, SET_PARTS, err);
	if (r)
		return r;
	for (size_t i = 0; i < SET_PARTS; i++)
		if (part[i].bytes.n > UINT32_MAX)
			return err_set(err, -EBADMSG, "indicators: too big");
	if (part[SET_HEAD].bytes.n != sizeof(s->head) || part[SET_SLASH16].bytes.n != SET_SLASH16_BYTES)
		return err_set(err, -EBADMSG, "indicators: a part has a size that can't be");
	memcpy(&s->head, part[SET_HEAD].bytes.p, sizeof(s->head));
#define TAKE(ID, name)                                                                                                 \
	s->name = (const void *)part[ID].bytes.p;                                                                      \
	s->n_##name = (uint32_t)(part[ID].bytes.n / part[ID].record)
	TAKE(SET_FILTER, filter);
	TAKE(SET_BUCKETS, buckets);
	TAKE(SET_ENTRIES, entries);
	TAKE(SET_INFOS, infos);
	TAKE(SET_NAMES, names);
	TAKE(SET_BYTES, bytes);
#undef TAKE
	s->slash16 = (const uint8_t *)part[SET_SLASH16].bytes.p;
	if (s->head.sum != set_checksum(&s->head, part) || !records_ok(s))
		return err_set(err, -EBADMSG, "indicators: the checksum differs, or a record is damaged");
	return 0;
}

int intel_set_open(struct intel_set **ret, void *block, size_t size, bool mapped, struct err *err)
{
	struct intel_set *s = calloc(1, sizeof(*s));
	struct intel_set none = { .block = block, .block_size = size, .mapped = mapped };
	int r = s ? 0 : err_set(err, -ENOMEM, "indicators: %m");
	if (s)
		*s = none;
	r = r ? r : take_apart(s, err);
	if (!r)
		*ret = s;
	else if (s)
		intel_set_free(s);
	else if (mapped)
		munmap(block, size);
	else
		free(block);
	return r;
}

void intel_set_free(struct intel_set *s)
{
	if (!s)
		return;
	if (s->mapped)
		munmap(s->block, s->block_size);
	else
		free(s->block);
	free(s);
}

struct intel_counts intel_set_counts(const struct intel_set *s)
{
	return s->head.counts;
}

/* --- looking up --- */

static struct str text_of(const struct intel_set *s, struct feed_text t)
{
	return (struct str){ s->bytes + t.off, t.len };
}

static bool maybe(const struct intel_set *s, uint64_t h)
{
	uint64_t bits = set_filter_bits(h);
	return (s->filter[set_filter_word(h, s->n_filter)] & bits) == bits;
}

/* What is looked up, as it is told when it is found. */
struct key {
	enum intel_type type;
	struct str text;
};

static __attribute__((noinline)) uint32_t tell(const struct intel_look *l, uint64_t h, struct key key)
{
	const struct intel_set *s = l->set;
	uint32_t n = 0, bucket = (uint32_t)(h >> s->head.shift);
	for (uint32_t i = s->buckets[bucket]; i < s->buckets[bucket + 1]; i++) {
		const struct set_entry *e = &s->entries[i];
		if (e->hash != h || (e->expires && e->expires <= l->now))
			continue;
		const struct set_info *info = &s->infos[e->info];
		const struct intel_found f = {
			.type = key.type,
			.text = key.text,
			.feed = text_of(s, s->names[info->feed]),
			.note = text_of(s, info->note),
			.reference = text_of(s, info->reference),
			.confidence = info->confidence,
			.expires = e->expires,
		};
		n++;
		if (l->sink)
			l->sink(l->arg, &f);
	}
	return n;
}

static uint32_t look(const struct intel_look *l, unsigned tag, struct str bytes, enum intel_type type)
{
	uint64_t h = set_hash(l->set->head.seed, tag, bytes.p, bytes.n);
	return maybe(l->set, h) ? tell(l, h, (struct key){ type, bytes }) : 0;
}

/* --- addresses --- */

static __attribute__((noinline)) uint32_t tell_address(const struct intel_look *l, uint64_t h, const uint8_t *address,
                                                       unsigned family, unsigned bits)
{
	char text[INET6_ADDRSTRLEN + 8];
	bool whole = bits == (family == 4 ? 32 : 128);
	if (!inet_ntop(family == 4 ? AF_INET : AF_INET6, address, text, INET6_ADDRSTRLEN))
		return 0;
	if (!whole)
		snprintf(text + strlen(text), 8, "/%u", bits);
	return tell(l, h, (struct key){ whole ? INTEL_ADDRESS : INTEL_NETWORK, str_from(text) });
}

static uint32_t look_v4(const struct intel_look *l, const uint8_t address[4])
{
	const struct intel_set *s = l->set;
	uint64_t h = set_hash(s->head.seed, KEY_V4 + 32, address, 4), lengths = s->head.lengths[0];
	uint32_t n = maybe(s, h) ? tell_address(l, h, address, 4, 32) : 0;
	unsigned slash16 = (unsigned)address[0] << 8 | address[1];
	if (!(s->slash16[slash16 / 8] >> slash16 % 8 & 1))
		return n;
	uint32_t whole =
	        (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 | address[3];
	while (lengths) {
		unsigned bits = 63 - (unsigned)__builtin_clzll(lengths);
		lengths &= ~(UINT64_C(1) << bits);
		uint32_t net = htonl(whole & (bits ? UINT32_MAX << (32 - bits) : 0));
		h = set_hash(s->head.seed, KEY_V4 + bits, &net, 4);
		if (maybe(s, h))
			n += tell_address(l, h, (const uint8_t *)&net, 4, bits);
	}
	return n;
}

static uint32_t look_v6(const struct intel_look *l, const uint8_t address[16])
{
	const struct intel_set *s = l->set;
	uint8_t net[16];
	memcpy(net, address, 16);
	uint64_t h = set_hash(s->head.seed, KEY_V6 + 128, net, 16);
	uint32_t n = maybe(s, h) ? tell_address(l, h, net, 6, 128) : 0;
	for (int word = 1; word >= 0; word--) {
		uint64_t lengths = s->head.lengths[1 + word];
		while (lengths) {
			unsigned bit = 63 - (unsigned)__builtin_clzll(lengths), bits = bit + 64u * (unsigned)word;
			lengths &= ~(UINT64_C(1) << bit);
			memset(net + (bits + 7) / 8, 0, 16 - (bits + 7) / 8);
			if (bits % 8)
				net[bits / 8] &= (uint8_t)(0xff00 >> bits % 8);
			h = set_hash(s->head.seed, KEY_V6 + bits, net, 16);
			if (maybe(s, h))
				n += tell_address(l, h, net, 6, bits);
		}
	}
	return n;
}

bool intel_look_address(const struct intel_look *l, struct str text, uint32_t *n)
{
	uint8_t address[16];
	unsigned family = intel_address(text, address);
	if (!family)
		return false;
	*n += family == 4 ? look_v4(l, address) : look_v6(l, address);
	return true;
}

/* --- names --- */

static uint32_t look_lower(const struct intel_look *l, struct str name)
{
	uint32_t n = look(l, KEY_NAME, name, INTEL_NAME);
	for (size_t at = 0; at < name.n;) {
		struct str above = str_sub(name, at, name.n);
		size_t dot = str_find(above, '.');
		if (dot == above.n)
			break; /* no entry has one part alone */
		n += look(l, KEY_DOMAIN, above, INTEL_DOMAIN);
		at += dot + 1;
	}
	return n;
}

bool intel_look_name(const struct intel_look *l, struct str text, uint32_t *n)
{
	char name[INTEL_NAME_MAX];
	size_t len = intel_name(text, name);
	if (len)
		*n += look_lower(l, (struct str){ name, len });
	return len > 0;
}

bool intel_look_host(const struct intel_look *l, struct str text, uint32_t *n)
{
	return intel_look_address(l, text, n) || intel_look_name(l, text, n);
}

/* --- URLs --- */

bool intel_look_url(const struct intel_look *l, struct str text, uint32_t *n)
{
	char bytes[INTEL_TEXT_MAX];
	size_t host, len = intel_url(text, bytes, &host);
	if (!len)
		return false;
	struct str url = { bytes, len }, path = str_sub(url, 0, str_find(url, '?'));
	*n += look(l, KEY_URL, url, INTEL_URL);
	if (path.n < url.n)
		*n += look(l, KEY_URL, path, INTEL_URL);
	unsigned folders = 0;
	for (size_t i = host; l->set->head.below && i < path.n && folders < INTEL_FOLDERS_MAX; i++)
		if (path.p[i] == '/' && ++folders)
			*n += look(l, KEY_BELOW, str_sub(path, 0, i + 1), INTEL_BELOW);
	bool six = bytes[0] == '[';
	intel_look_host(l, str_sub(url, six, host - 2 * six), n);
	return true;
}

/* --- hashes and texts --- */

bool intel_look_hash(const struct intel_look *l, struct str text, uint32_t *n)
{
	uint8_t raw[64];
	size_t len = intel_hash(text, raw);
	if (!len)
		return false;
	uint64_t h = set_hash(l->set->head.seed, KEY_HASH, raw, len);
	if (!maybe(l->set, h))
		return true;
	char lower[2 * sizeof(raw)];
	for (size_t i = 0; i < text.n; i++) /* of hexadecimal digits */
		lower[i] = (char)(text.p[i] | 0x20);
	*n += tell(l, h, (struct key){ INTEL_HASH, { lower, text.n } });
	return true;
}

static bool in_address(char c)
{
	return (c >= '0' && c <= '9') || c == '.';
}

static bool beside_address(char c)
{
	return in_address(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '_';
}

bool intel_look_text(const struct intel_look *l, struct str text, uint32_t *n)
{
	bool any = false;
	text = str_sub(text, 0, TEXT_LOOKED_AT);
	for (size_t at = 0; at < text.n;) {
		size_t from = at + str_find(str_sub(text, at, text.n), '.'), end = from;
		while (from > at && in_address(text.p[from - 1]))
			from--;
		while (end < text.n && in_address(text.p[end]))
			end++;
		at = end + 1;
		struct str word = str_sub(text, from, end - from);
		while (word.n && word.p[word.n - 1] == '.') /* the end of a sentence */
			word.n--;
		bool alone =
		        (!from || !beside_address(text.p[from - 1])) && (end == text.n || !beside_address(text.p[end]));
		if (word.n >= 7 && alone)
			any |= intel_look_address(l, word, n);
	}
	return any;
}
