/*
 * A block's bytes, little-endian. Inside of chunk*.c only.
 *
 *   head       CHUNK_MAGIC, u32 rows, u32 columns with a path, u32 1 when a column of the rest follows them, u32 bytes of
 *              the directory, u64 bytes of JSON,
 *              u64 XXH64 of the
 *              directory, seeded with that of the head up to here
 *   directory  of each part u32 bytes, u64 XXH64: shapes, times, columns; of each column with a path u16 bytes, its path
 *   parts      one behind the other
 */
#ifndef KHIEN_STORE_CHUNK_FORMAT_H
#define KHIEN_STORE_CHUNK_FORMAT_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define CHUNK_MAGIC "khchunk\2" /* the last byte is the version */

enum { HEAD_SUM = 32, HEAD_SIZE = 40, PART_ENTRY = 12 };
enum { PART_SHAPES, PART_TIMES, PART_COLUMNS };

/* Of the head's first HEAD_SUM bytes and the directory behind it. */
static inline uint64_t chunk_head_sum(const char *head, size_t directory)
{
	return XXH64(head + HEAD_SIZE, directory, XXH64(head, HEAD_SUM, 0));
}

/* For tests that change bytes and want to get past the checksums: makes those right again that can be found. */
static inline void chunk_mend_sums(char *block, size_t n)
{
	size_t directory, at;
	uint32_t columns, rest, size;
	if (n < HEAD_SIZE)
		return;
	memcpy(&columns, block + 12, 4);
	memcpy(&rest, block + 16, 4);
	memcpy(&size, block + 20, 4);
	directory = le32toh(size);
	if (directory > n - HEAD_SIZE)
		return;
	at = HEAD_SIZE + directory;
	for (uint64_t i = 0; i < PART_COLUMNS + (uint64_t)le32toh(columns) + le32toh(rest); i++) {
		char *entry = block + HEAD_SIZE + i * PART_ENTRY;
		if ((i + 1) * PART_ENTRY > directory)
			break;
		memcpy(&size, entry, 4);
		if (le32toh(size) > n - at)
			break;
		uint64_t sum = htole64(XXH64(block + at, le32toh(size), 0));
		memcpy(entry + 4, &sum, 8);
		at += le32toh(size);
	}
	uint64_t sum = htole64(chunk_head_sum(block, directory));
	memcpy(block + HEAD_SUM, &sum, 8);
}

#endif
