#include "base/block.h"

#include <errno.h>
#include <stdlib.h>

enum { BLOCK_ALIGN = 64 };

struct block_head {
	char kind[16];
	uint64_t size;
	uint64_t n;
	struct {
		uint64_t at, n, record; /* bytes */
	} part[BLOCK_MAX_PARTS];
};

static size_t align_up(size_t n)
{
	return (n + BLOCK_ALIGN - 1) & ~(size_t)(BLOCK_ALIGN - 1);
}

int block_pack(void **ret, size_t *size, const char *kind, const struct block_part *parts, size_t n)
{
	struct block_head head = { .n = n };
	if (n > BLOCK_MAX_PARTS || strlen(kind) >= sizeof(head.kind))
		return -EINVAL;
	memcpy(head.kind, kind, strlen(kind));
	size_t at = align_up(sizeof(head));
	for (size_t i = 0; i < n; i++) {
		head.part[i].at = at;
		head.part[i].n = parts[i].bytes.n;
		head.part[i].record = parts[i].record;
		at = align_up(at + parts[i].bytes.n);
	}
	head.size = at;
	char *block = aligned_alloc(BLOCK_ALIGN, at);
	if (!block)
		return -ENOMEM;
	memset(block, 0, at);
	memcpy(block, &head, sizeof(head));
	for (size_t i = 0; i < n; i++)
		if (parts[i].bytes.n)
			memcpy(block + head.part[i].at, parts[i].bytes.p, parts[i].bytes.n);
	*ret = block;
	*size = at;
	return 0;
}

int block_parts(const void *block, size_t size, const char *kind, struct block_part *parts, size_t n, struct err *err)
{
	struct block_head head;
	if (size < sizeof(head) || n > BLOCK_MAX_PARTS)
		return err_set(err, -EBADMSG, "no %s: %zu bytes are too few", kind, size);
	memcpy(&head, block, sizeof(head));
	if (memcmp(head.kind, kind, strlen(kind) + 1) != 0 || head.size != size || head.n != n)
		return err_set(err, -EBADMSG, "no %s, of another version, or cut short", kind);
	for (size_t i = 0; i < n; i++)
		if (head.part[i].at % BLOCK_ALIGN || head.part[i].at < sizeof(head) || head.part[i].at > size ||
		    head.part[i].n > size - head.part[i].at || head.part[i].record != parts[i].record ||
		    head.part[i].n % parts[i].record)
			return err_set(err, -EBADMSG, "%s: part %zu is damaged, or of another build", kind, i);
	for (size_t i = 0; i < n; i++)
		parts[i].bytes = (struct str){ (const char *)block + head.part[i].at, head.part[i].n };
	return 0;
}
