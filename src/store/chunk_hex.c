/*
 * Values of one length that are hexadecimal but for some places where all have the same character: hashes, UUIDs, MAC
 * addresses. Two digits go into a byte; bytes are stored place by place.
 */
#include "store/chunk_codec.h"

enum { HEX_MAX = 256, HEX_MIN = 6 /* digits */ };

enum { IS_DIGIT = 0x10, IS_SMALL = 0x20, IS_CAPITAL = 0x40, IS_OTHER = 0x80 };

/* By byte: what it is, and its value below. */
static const uint8_t hex[256] = {
	['0'] = IS_DIGIT,        ['1'] = IS_DIGIT | 1,    ['2'] = IS_DIGIT | 2,    ['3'] = IS_DIGIT | 3,
	['4'] = IS_DIGIT | 4,    ['5'] = IS_DIGIT | 5,    ['6'] = IS_DIGIT | 6,    ['7'] = IS_DIGIT | 7,
	['8'] = IS_DIGIT | 8,    ['9'] = IS_DIGIT | 9,    ['a'] = IS_SMALL | 10,   ['b'] = IS_SMALL | 11,
	['c'] = IS_SMALL | 12,   ['d'] = IS_SMALL | 13,   ['e'] = IS_SMALL | 14,   ['f'] = IS_SMALL | 15,
	['A'] = IS_CAPITAL | 10, ['B'] = IS_CAPITAL | 11, ['C'] = IS_CAPITAL | 12, ['D'] = IS_CAPITAL | 13,
	['E'] = IS_CAPITAL | 14, ['F'] = IS_CAPITAL | 15,
};

static bool has_others(const uint8_t *differ, const uint8_t *kinds, size_t n)
{
	for (size_t k = 0; k < n; k++)
		if (differ[k] && kinds[k] & IS_OTHER)
			return true;
	return false;
}

/* Where the digits are, into `places`, in order; their number, or 0: not such values. */
static uint32_t find_places(const struct put *p, const struct chunk_scalar *v, uint32_t n, uint8_t places[HEX_MAX],
                            bool *capital)
{
	struct str first = put_text(p, &v[0]);
	uint8_t differ[HEX_MAX] = { 0 }, kinds[HEX_MAX] = { 0 }, all = 0;
	enum { EARLY = 16 };
	if (first.n < HEX_MIN || first.n > HEX_MAX)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		if (v[i].n != first.n)
			return 0;
		const char *text = p->text + v[i].at;
		for (size_t k = 0; k < first.n; k++) {
			uint8_t kind = hex[(unsigned char)text[k]];
			differ[k] |= (uint8_t)(text[k] ^ first.p[k]);
			kinds[k] |= kind ? kind : IS_OTHER;
		}
		if (i % EARLY == 1 && has_others(differ, kinds, first.n))
			return 0;
	}
	if (has_others(differ, kinds, first.n))
		return 0;
	uint32_t n_places = 0;
	for (size_t k = 0; k < first.n; k++) {
		if (!differ[k])
			continue;
		all |= kinds[k];
		places[n_places++] = (uint8_t)k;
	}
	*capital = all & IS_CAPITAL;
	return n_places < HEX_MIN || (all & (IS_SMALL | IS_CAPITAL)) == (IS_SMALL | IS_CAPITAL) ? 0 : n_places;
}

bool put_hex(struct put *p, const struct chunk_scalar *v, uint32_t n)
{
	uint8_t places[HEX_MAX];
	bool capital;
	uint32_t n_places = find_places(p, v, n, places, &capital), n_planes = (n_places + 1) / 2;
	uint8_t *planes = n_places ? put_room(p, &p->scratch, n, n_planes) : NULL;
	if (!planes)
		return false;
	put_varint(p, CODING_HEX);
	put_varint(p, v[0].n);
	buf_add(&p->out, put_text(p, &v[0]));
	put_varint(p, n_places);
	buf_add(&p->out, (struct str){ (const char *)places, n_places });
	put_varint(p, capital);
	for (uint32_t i = 0; i < n; i++) {
		const unsigned char *text = (const unsigned char *)p->text + v[i].at;
		for (uint32_t k = 0; k < n_places; k += 2) {
			unsigned low = k + 1 < n_places ? hex[text[places[k + 1]]] & 15 : 0;
			planes[(size_t)k / 2 * n + i] = (uint8_t)(hex[text[places[k]]] << 4 | low);
		}
	}
	for (uint32_t k = 0; k < n_planes; k++)
		put_stream(p, planes + (size_t)k * n, n);
	for (uint32_t i = 0; i < n; i++)
		chunk_words_add(&p->words, put_text(p, &v[i]));
	return true;
}

/* n bytes of a part. */
static const uint8_t *take_bytes(struct take *t, size_t n)
{
	const uint8_t *p = t->p;
	if (t->bad || n > (size_t)(t->end - p)) {
		t->bad = true;
		return NULL;
	}
	t->p += n;
	return p;
}

void take_hex(struct take *t, uint32_t n, struct chunk_values *ret)
{
	uint32_t length = (uint32_t)take_count(t, HEX_MAX);
	const uint8_t *first = take_bytes(t, length);
	uint32_t n_places = (uint32_t)take_count(t, HEX_MAX);
	const uint8_t *places = take_bytes(t, n_places);
	const char *digits = take_count(t, 1) ? "0123456789ABCDEF" : "0123456789abcdef";
	char *bytes = take_room(t, n, length);
	uint32_t *ends = take_room(t, n, sizeof(*ends));
	if (t->bad || !bytes || !ends)
		return;
	for (uint32_t k = 0; k < n_places; k++)
		t->bad |= places[k] >= length;
	for (uint32_t i = 0; i < n && !t->bad; i++) {
		memcpy(bytes + (size_t)i * length, first, length);
		ends[i] = (i + 1) * length;
	}
	for (uint32_t k = 0; k < n_places && !t->bad; k += 2) {
		const uint8_t *plane = take_stream(t, n);
		if (!plane)
			return;
		/* An odd last digit has no partner: it is written twice to its own place, itself last. */
		char *high = bytes + places[k], *low = bytes + places[k + 1 < n_places ? k + 1 : k];
		for (uint32_t i = 0; i < n; i++, high += length, low += length) {
			*low = digits[plane[i] & 15];
			*high = digits[plane[i] >> 4];
		}
	}
	if (!t->bad)
		*ret = (struct chunk_values){ .n = n, .n_texts = n, .bytes = bytes, .ends = ends };
}
