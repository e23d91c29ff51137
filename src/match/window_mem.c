#include "match/window_mem.h"

#include <stdlib.h>

static unsigned class_of(size_t n)
{
	return n <= (1u << MEM_SHIFT) ? 0 : 64 - MEM_SHIFT - (unsigned)__builtin_clzll(n - 1);
}

size_t mem_size(size_t n)
{
	return (size_t)1 << (class_of(n) + MEM_SHIFT);
}

static void free_kept(struct mem *m)
{
	for (unsigned k = 0; k < MEM_KEPT_CLASSES; k++) {
		while (m->kept[k]) {
			void *p = m->kept[k];
			m->kept[k] = *(void **)p;
			free(p);
		}
	}
	m->spare = 0;
}

static void *take_kept(struct mem *m, unsigned k)
{
	void *p = k < MEM_KEPT_CLASSES ? m->kept[k] : NULL;
	if (p) {
		m->kept[k] = *(void **)p;
		m->spare -= (size_t)1 << (k + MEM_SHIFT);
	}
	return p;
}

void *mem_get(struct mem *m, size_t *account, size_t n)
{
	if (n > m->max)
		return NULL;
	unsigned k = class_of(n);
	size_t size = mem_size(n);
	/* What is kept doesn't count against the bound here: whether state is shed must not depend on it. */
	while (size > m->max - m->used) {
		if (!m->reclaim(m->arg))
			return NULL;
	}
	void *p = take_kept(m, k);
	if (!p) {
		if (size > m->max - m->used - m->spare)
			free_kept(m);
		p = malloc(size);
	}
	if (!p)
		return NULL;
	m->used += size;
	*account += size;
	return p;
}

void mem_put(struct mem *m, size_t *account, void *p, size_t n)
{
	if (!p)
		return;
	unsigned k = class_of(n);
	size_t size = mem_size(n);
	m->used -= size;
	*account -= size;
	if (k >= MEM_KEPT_CLASSES) {
		free(p);
		return;
	}
	*(void **)p = m->kept[k];
	m->kept[k] = p;
	m->spare += size;
}

void mem_done(struct mem *m)
{
	free_kept(m);
}
