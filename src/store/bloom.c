#include "store/bloom.h"

#include <endian.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

const unsigned char bloom_fold[256] = {
#define DIGITS(c)  [c] = (c), [(c) + 1] = (c) + 1, [(c) + 2] = (c) + 2, [(c) + 3] = (c) + 3, [(c) + 4] = (c) + 4
#define LETTER(i)  ['a' + (i)] = 'a' + (i), ['A' + (i)] = 'a' + (i)
#define LETTERS(i) LETTER(i), LETTER((i) + 1), LETTER((i) + 2), LETTER((i) + 3), LETTER((i) + 4), LETTER((i) + 5)
#define HIGH4(i)   [i] = (i), [(i) + 1] = (i) + 1, [(i) + 2] = (i) + 2, [(i) + 3] = (i) + 3
#define HIGH16(i)  HIGH4(i), HIGH4((i) + 4), HIGH4((i) + 8), HIGH4((i) + 12)
	DIGITS('0'),  DIGITS('5'),  LETTERS(0),   LETTERS(6),   LETTERS(12),  LETTERS(18),
	LETTER(24),   LETTER(25),   ['_'] = '_',  HIGH16(0x80), HIGH16(0x90), HIGH16(0xa0),
	HIGH16(0xb0), HIGH16(0xc0), HIGH16(0xd0), HIGH16(0xe0), HIGH16(0xf0),
};

static inline uint64_t hash_folded(const unsigned char *word, size_t n)
{
	uint64_t h = XXH3_64bits(word, n);
	return h + !h;
}

uint64_t bloom_hash_small(struct str word)
{
	return hash_folded((const unsigned char *)word.p, word.n < BLOOM_WORD_MAX ? word.n : BLOOM_WORD_MAX);
}

uint64_t bloom_hash(struct str word)
{
	unsigned char small[BLOOM_WORD_MAX];
	size_t n = word.n < BLOOM_WORD_MAX ? word.n : BLOOM_WORD_MAX;
	for (size_t i = 0; i < n; i++)
		small[i] = bloom_fold[(unsigned char)word.p[i]];
	return hash_folded(small, n);
}

uint64_t bloom_next(struct str text, size_t *at)
{
	const unsigned char *p = (const unsigned char *)text.p;
	size_t i = *at;
	while (i < text.n) {
		while (i < text.n && !bloom_fold[p[i]])
			i++;
		const size_t from = i;
		unsigned char changes = 0;
		for (unsigned char c; i < text.n && (c = bloom_fold[p[i]]) != 0; i++)
			changes |= c ^ p[i];
		if (i - from < 2)
			continue;
		*at = i;
		const size_t n = i - from < BLOOM_WORD_MAX ? i - from : BLOOM_WORD_MAX;
		return changes ? bloom_hash((struct str){ text.p + from, n }) : hash_folded(p + from, n);
	}
	*at = i;
	return 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Whether s begins as the pattern says, in which 0 is any digit and t is T, too. */
static bool looks_like(struct str s, struct str pattern)
{
	if (s.n < pattern.n)
		return false;
	for (size_t i = 0; i < pattern.n; i++) {
		const char c = pattern.p[i];
		if (c == '0' ? !is_digit(s.p[i]) : s.p[i] != c && !(c == 't' && s.p[i] == 'T'))
			return false;
	}
	return true;
}

bool bloom_is_time(struct str s)
{
	if (!looks_like(s, STR("0000-00-00t00:00:00")) && !looks_like(s, STR("0000-00-00 00:00:00")))
		return false;
	s = str_sub(s, 19, s.n);
	if (s.n && (s.p[0] == '.' || s.p[0] == ','))
		do
			s = str_sub(s, 1, s.n);
		while (s.n && is_digit(s.p[0]));
	if (!s.n || (s.n == 1 && (s.p[0] | 0x20) == 'z'))
		return true;
	return (s.p[0] == '+' || s.p[0] == '-') && ((s.n == 6 && looks_like(str_sub(s, 1, 5), STR("00:00"))) ||
	                                            (s.n == 5 && looks_like(str_sub(s, 1, 4), STR("0000"))) ||
	                                            (s.n == 3 && looks_like(str_sub(s, 1, 2), STR("00"))));
}

size_t bloom_size(size_t n)
{
	return (n * BLOOM_BITS_PER_WORD / 8 / BLOOM_BLOCK + 1) * BLOOM_BLOCK;
}

size_t bloom_place(size_t size, uint64_t hash)
{
	return (size_t)((hash >> 32) * (size / BLOOM_BLOCK) >> 32) * BLOOM_BLOCK;
}

static const uint32_t salt[8] = { 0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
	                          0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31 };

void bloom_add(void *filter, size_t size, uint64_t hash)
{
	char *place = (char *)filter + bloom_place(size, hash);
	for (size_t i = 0; i < 8; i++) {
		uint32_t word;
		memcpy(&word, place + 4 * i, 4);
		word |= htole32(1u << (((uint32_t)hash * salt[i]) >> 27));
		memcpy(place + 4 * i, &word, 4);
	}
}

bool bloom_has(const void *place, uint64_t hash)
{
	uint32_t missing = 0;
	for (size_t i = 0; i < 8; i++) {
		uint32_t word;
		memcpy(&word, (const char *)place + 4 * i, 4);
		missing |= ~le32toh(word) & 1u << (((uint32_t)hash * salt[i]) >> 27);
	}
	return !missing;
}
