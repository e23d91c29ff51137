#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_ALIGN = 16, ARENA_BLOCK = 64 * 1024 };

struct arena_block {
	struct arena_block *older;
	size_t size; /* payload bytes */
	_Alignas(ARENA_ALIGN) char data[];
};

static int arena_grow(struct arena *a, size_t n)
{
	size_t size = a->head ? a->head->size * 2 : ARENA_BLOCK;
	if (size > 16u << 20)
		size = 16u << 20;
	if (size < n)
		size = n;
	if (a->max && size > a->max - (a->held < a->max ? a->held : a->max))
		size = n;
	size_t whole = sizeof(struct arena_block) + size;
	if (whole < n || (a->max && (a->held > a->max || whole > a->max - a->held)))
		return -1;
	struct arena_block *b = malloc(whole);
	if (!b)
		return -1;
	*b = (struct arena_block){ .older = a->head, .size = size };
	a->head = b;
	a->at = b->data;
	a->end = b->data + size;
	a->held += whole;
	return 0;
}

void *arena_alloc(struct arena *a, size_t n)
{
	if (n > SIZE_MAX - ARENA_ALIGN)
		return NULL;
	n = (n + !n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if ((size_t)(a->end - a->at) < n && arena_grow(a, n))
		return NULL;
	void *p = a->at;
	a->at += n;
	return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
	void *p = arena_alloc(a, n);
	return p ? memset(p, 0, n) : NULL;
}

struct str arena_copy(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);
	if (!p)
		return (struct str){ 0 };
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return (struct str){ p, s.n };
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
	if (p)
		vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p ? (struct str){ p, (size_t)n } : (struct str){ 0 };
}

void arena_reset(struct arena *a)
{
	struct arena_block *b = a->head;
	if (!b)
		return;
	while (b->older) {
		struct arena_block *older = b->older->older;
		a->held -= sizeof(*b->older) + b->older->size;
		free(b->older);
		b->older = older;
	}
	a->at = b->data;
	a->end = b->data + b->size;
}

void arena_free(struct arena *a)
{
	while (a->head) {
		struct arena_block *older = a->head->older;
		free(a->head);
		a->head = older;
	}
	a->at = a->end = NULL;
	a->held = 0;
}
