/* The different words of a block's values, for its filter. */
#include "store/bloom.h"
#include "store/chunk_codec.h"

#include "base/json.h"

#include <stdlib.h>

enum { WORDS_FIRST = 1 << 16, WORDS_MAX = 1 << 20 };

void chunk_words_clear(struct word_set *w)
{
	if (w->n)
		memset(w->slots, 0, w->size * sizeof(*w->slots));
	w->n = w->n_waiting = 0;
	w->full = false;
}

void chunk_words_free(struct word_set *w)
{
	free(w->slots);
	buf_free(&w->plain);
	*w = (struct word_set){ 0 };
}

static inline size_t place(size_t size, uint64_t seed, uint64_t hash)
{
	return (size_t)(hash * seed >> 32) & (size - 1);
}

/* True when the hash is in now. There is always a free slot. */
static inline bool insert(uint64_t *slots, size_t size, uint64_t seed, uint64_t hash)
{
	for (size_t i = place(size, seed, hash);; i = (i + 1) & (size - 1)) {
		if (slots[i] == hash)
			return false;
		if (!slots[i]) {
			slots[i] = hash;
			return true;
		}
	}
}

static bool grow(struct word_set *w)
{
	size_t size = w->size ? w->size * 2 : WORDS_FIRST;
	uint64_t *slots = size <= WORDS_MAX * 2 ? calloc(size, sizeof(*slots)) : NULL;
	if (!slots)
		return false;
	for (size_t i = 0; i < w->size; i++)
		if (w->slots[i])
			insert(slots, size, w->seed, w->slots[i]);
	free(w->slots);
	w->slots = slots;
	w->size = size;
	return true;
}

static void insert_waiting(struct word_set *w)
{
	for (uint32_t i = 0; i < w->n_waiting && !w->full; i++) {
		if (w->n * 2 >= w->size && !grow(w))
			w->full = true;
		else
			w->n += insert(w->slots, w->size, w->seed, w->waiting[i]);
	}
	w->n_waiting = 0;
}

static inline void add_hash(struct word_set *w, uint64_t hash)
{
	if (w->size)
		__builtin_prefetch(&w->slots[place(w->size, w->seed, hash)], 1);
	w->waiting[w->n_waiting++] = hash;
	if (w->n_waiting == ARRAY_LEN(w->waiting))
		insert_waiting(w);
}

bool chunk_words_escaped(struct str text)
{
	const char *p = text.p, *end = text.p + text.n;
	while (p < end && (p = memchr(p, '\\', (size_t)(end - p))) && p + 1 < end) {
		if (p[1] >= 'a')
			return true;
		p += 2;
	}
	return false;
}

void chunk_words_add(struct word_set *w, struct str value)
{
	size_t at = 0;
	if (w->escapes && chunk_words_escaped(value)) {
		w->plain.n = 0;
		char *to = buf_room(&w->plain, value.n + JSON_UNESCAPE_ROOM);
		if (!to) {
			w->full = true;
			return;
		}
		value = (struct str){ to, json_kernel()->unescape(to, value) };
	}
	for (uint64_t hash; (hash = bloom_next(value, &at)) != 0 && !w->full;)
		add_hash(w, hash);
}

void chunk_words_add_word(struct word_set *w, struct str word)
{
	if (word.n >= 2 && !w->full)
		add_hash(w, bloom_hash_small(word));
}

void chunk_words_filter(struct word_set *w, struct buf *out)
{
	insert_waiting(w);
	size_t size = w->full ? BLOOM_BLOCK : bloom_size(w->n);
	out->n = 0;
	if (!buf_room(out, size))
		return;
	memset(out->p, w->full ? 0xff : 0, size);
	out->n = size;
	for (size_t i = 0; i < w->size && !w->full; i++)
		if (w->slots[i])
			bloom_add(out->p, size, w->slots[i]);
}
