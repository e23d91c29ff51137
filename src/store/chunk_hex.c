/*
 * Values of one length that are hexadecimal but for some places where all have the same character: hashes, UUIDs, MAC
 * addresses. Two digits go into a byte; bytes are stored place by place.
 */
#include "store/bloom.h"
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

/* Where values differ, into `places`, in order; their number, or 0: not such values. */
static uint32_t find_places(const struct put *p, const struct chunk_scalar *v, uint32_t n, uint8_t places[HEX_MAX])
{
	enum { EARLY = 16 };
	const struct str first = put_text(p, &v[0]);
	uint64_t differ[HEX_MAX / 8] = { 0 };
	if (first.n < HEX_MIN || first.n > HEX_MAX)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		const char *text = p->text + v[i].at;
		if (v[i].n != first.n)
			return 0;
		for (size_t k = 0; k < first.n; k += 8) /* what is behind the text is not looked at below */
			differ[k / 8] |= text_word(text + k, 8) ^ text_word(first.p + k, 8);
		for (size_t k = 0; i < EARLY && k < first.n; k++)
			if (text[k] != first.p[k] && !(hex[(unsigned char)text[k]] && hex[(unsigned char)first.p[k]]))
				return 0;
	}
	const char *differs = (const char *)differ;
	uint32_t n_places = 0;
	for (size_t k = 0; k < first.n; k++)
		if (differs[k])
			places[n_places++] = (uint8_t)k;
	return n_places < HEX_MIN ? 0 : n_places;
}

/* The digits at the places, two to a byte, place by place; what all of them are: IS_OTHER too where one is none. */
static uint8_t fill_planes(const struct put *p, const struct chunk_scalar *v, uint32_t n, const uint8_t *places,
                           uint32_t n_places, uint8_t *planes)
{
	uint8_t kinds = 0, none = 0;
	for (uint32_t i = 0; i < n; i++) {
		const unsigned char *text = (const unsigned char *)p->text + v[i].at;
		for (uint32_t k = 0; k < n_places; k += 2) {
			const uint8_t high = hex[text[places[k]]];
			const uint8_t low = k + 1 < n_places ? hex[text[places[k + 1]]] : IS_DIGIT;
			kinds |= high | low;
			none |= !high | !low;
			planes[(size_t)k / 2 * n + i] = (uint8_t)(high << 4 | (low & 15));
		}
	}
	return kinds | (none ? IS_OTHER : 0);
}

bool put_hex(struct put *p, const struct chunk_scalar *v, uint32_t n)
{
	uint8_t places[HEX_MAX];
	const uint32_t n_places = find_places(p, v, n, places), n_planes = (n_places + 1) / 2;
	uint8_t *planes = n_places ? put_room(p, &p->scratch, n, n_planes) : NULL;
	if (!planes)
		return false;
	const uint8_t kinds = fill_planes(p, v, n, places, n_places, planes);
	const bool capital = kinds & IS_CAPITAL;
	if ((kinds & IS_OTHER) || (capital && (kinds & IS_SMALL)))
		return false;
	put_varint(p, CODING_HEX);
	put_varint(p, v[0].n);
	buf_add(&p->out, put_text(p, &v[0]));
	put_varint(p, n_places);
	buf_add(&p->out, (struct str){ (const char *)places, n_places });
	put_varint(p, capital);
	for (uint32_t k = 0; k < n_planes; k++)
		put_stream(p, planes + (size_t)k * n, n);
	/* Bytes that are the same in all are, too: one value shows whether they are words. */
	bool word = !capital && v[0].n <= BLOOM_WORD_MAX;
	for (uint32_t k = 0; k < v[0].n; k++)
		word &= bloom_fold[(unsigned char)p->text[v[0].at + k]] == (unsigned char)p->text[v[0].at + k];
	for (uint32_t i = 0; i < n && word; i++)
		chunk_words_add_word(&p->words, put_text(p, &v[i]));
	for (uint32_t i = 0; i < n && !word; i++)
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
