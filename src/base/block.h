/*
 * Several arrays in one block of memory, so that they can be written to a file and mapped back as they are.
 * Numbers are in the machine's own byte order: a block is a cache, never an exchange format.
 */
#ifndef KHIEN_BASE_BLOCK_H
#define KHIEN_BASE_BLOCK_H

#include "base/err.h"
#include "base/str.h"

enum { BLOCK_MAX_PARTS = 32 };

/* An array: its bytes, and the bytes of one record. */
struct block_part {
	struct str bytes;
	uint32_t record;
};

/*
 * Packs n parts behind a header that carries `kind` (at most 15 bytes, naming shape and version). The block is
 * malloc'ed; every part starts at a multiple of 64. Returns the block's size in *size. 0 or -ENOMEM.
 */
int block_pack(void **ret, size_t *size, const char *kind, const struct block_part *parts, size_t n);

/*
 * Fills in the bytes of n parts, borrowed from the block; `record` says what is expected. -EBADMSG when the block is of
 * another kind, cut short, a part leaves it or has records of another size: what is inside the records is the caller's
 * to check.
 */
int block_parts(const void *block, size_t size, const char *kind, struct block_part *parts, size_t n, struct err *err);

#endif
