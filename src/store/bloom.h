/*
 * Which words stand in a block: a split-block Bloom filter, so that a question touches 32 bytes of it.
 * (Putze, Sanders, Singler 2007; laid out as Apache Parquet's split block Bloom filter: 8 words of 32 bits a block.)
 *
 * A word is a run of ASCII letters, digits, "_" and bytes from 0x80 on, cases of ASCII alike, of 2 to BLOOM_WORD_MAX
 * bytes; of a longer one its first BLOOM_WORD_MAX. Hashes are XXH3's, so a filter reads the same on every machine.
 */
#ifndef KHIEN_STORE_BLOOM_H
#define KHIEN_STORE_BLOOM_H

#include "base/str.h"

/* With 12 bits a word about 1 in 200 questions for a word that isn't there is answered with "may be". */
enum { BLOOM_WORD_MAX = 128, BLOOM_BLOCK = 32, BLOOM_BITS_PER_WORD = 12 };

/*
 * RFC 3339, in any of the ways it is written. Words of values that are such a time as a whole needn't stand in a filter:
 * who asks for one passes filters over.
 */
bool bloom_is_time(struct str s);
/* The hash of a word, its cases alike; 0 is no word's. */
uint64_t bloom_hash(struct str word);
/* The same, of a word that has no capital letter. */
uint64_t bloom_hash_small(struct str word);
/* Calls for the words of a text, one by one: the next from *at on, its hash, or 0 when there is none. */
uint64_t bloom_next(struct str text, size_t *at);
/* What a byte is in a word: itself, its small letter, or 0 for one that no word holds. */
extern const unsigned char bloom_fold[256];

static inline bool bloom_is_word(unsigned char c)
{
	return bloom_fold[c];
}

/* Bytes of a filter for n different words: a multiple of BLOOM_BLOCK. Clear them before the first bloom_add. */
size_t bloom_size(size_t n);
void bloom_add(void *filter, size_t size, uint64_t hash);
/* Offset of the BLOOM_BLOCK bytes in a filter of this size that say whether the word may be there, and their word. */
size_t bloom_place(size_t size, uint64_t hash);
bool bloom_has(const void *place, uint64_t hash);

#endif
