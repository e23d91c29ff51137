/* How a ruleset lies in its block: a header, then the sections, each at a multiple of 16. */
#ifndef KHIEN_RULE_IMAGE_H
#define KHIEN_RULE_IMAGE_H

#include "rule/ruleset.h"

#define X(ID, name, type) SECTION_##ID,
enum { RULESET_SECTIONS(X) N_SECTIONS };
#undef X

struct image_section {
	uint64_t at;             /* byte offset in the block */
	uint32_t n, size_of_one; /* records, and bytes of one: a build with other records refuses the block */
};

struct image_header {
	char magic[8];
	uint32_t version, order; /* order: IMAGE_ORDER in the machine's byte order */
	uint64_t size;           /* of the block */
	struct image_section sections[N_SECTIONS];
};

void image_header_init(struct image_header *h);
/* Puts a section at the end of what takes `size` bytes so far, and returns the size with it. */
size_t image_place(struct image_header *h, int section, size_t size, uint32_t n, size_t size_of_one);

#endif
