/*
 * An event is known when one of the same id and dataset is in the journal still, or in a block of its day that covers
 * its time. Asked in this order: the index of the journal; the list of blocks; a block's filter; a block's ids, as
 * keyed hashes of 128 bits (SipHash), of which no two are alike by chance or intent.
 */
#include "store/embedded_inside.h"

#include "store/bloom.h"

#include <errno.h>
#include <stdlib.h>

/* A day: so long an event without a time of its own is known when it is sent again. */
static const int64_t AGAIN = 86400LL * CLOCK_S;

enum { DAYS = 8, CACHE_SLOTS = 1024, CACHE_BYTES = 16 << 20, WORDS = EVENT_ID_MAX / 2 };

struct known_block {
	const struct day_block
	        *block; /* borrowed from the day; its number and dataset are looked at while it is open */
	int64_t first, last;
	int64_t least_first; /* of this and all behind it of the same dataset */
};

/* A day's blocks by dataset, then by last event. */
struct known_day {
	int32_t day;
	bool valid;
	uint64_t used;
	struct known_block *blocks;
	struct day_block *copy;
	size_t n;
};

struct id128 {
	uint64_t a, b; /* both 0: an empty slot */
};

/* Bytes of a block that are wanted often. */
struct cached {
	int32_t day;
	bool ids; /* else the filter */
	int64_t number;
	void *p; /* NULL: free */
	size_t n;
};

struct known {
	unsigned char key[crypto_shorthash_siphashx24_KEYBYTES];
	struct known_day days[DAYS];
	uint64_t turn;
	struct cached cache[CACHE_SLOTS];
	size_t cached, hand;
	uint32_t *batch; /* of an append: index + 1 by hash */
	size_t n_batch, cap_batch;
	uint64_t words[WORDS];
	size_t n_words;
};

int known_new(struct known **ret)
{
	struct known *k = sodium_init() < 0 ? NULL : calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	randombytes_buf(k->key, sizeof(k->key));
	*ret = k;
	return 0;
}

void known_forget(struct known *k)
{
	for (size_t i = 0; i < DAYS; i++)
		k->days[i].valid = false;
}

static void drop(struct known *k, struct cached *c)
{
	k->cached -= c->n;
	free(c->p);
	*c = (struct cached){ 0 };
}

void known_flush(struct known *k)
{
	known_forget(k);
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		drop(k, &k->cache[i]);
}

void known_free(struct known *k)
{
	if (!k)
		return;
	known_flush(k);
	for (size_t i = 0; i < DAYS; i++) {
		free(k->days[i].blocks);
		free(k->days[i].copy);
	}
	free(k->batch);
	sodium_memzero(k->key, sizeof(k->key));
	free(k);
}

static struct id128 hash128(const struct known *k, struct str id)
{
	struct id128 h;
	crypto_shorthash_siphashx24((unsigned char *)&h, (const unsigned char *)id.p, id.n, k->key);
	h.a += !h.a; /* 0 marks what is empty */
	return h;
}

uint64_t known_hash(const struct known *k, struct str id)
{
	return hash128(k, id).a;
}

/* --- what is kept of blocks --- */

static struct cached *slot_of(struct known *k, int32_t day, int64_t number, bool ids)
{
	uint64_t h = ((uint64_t)day * 0x9e3779b97f4a7c15u + (uint64_t)number) * 2 + ids;
	return &k->cache[h * 0x9e3779b97f4a7c15u >> 54];
}

_Static_assert(CACHE_SLOTS == 1 << (64 - 54), "slots of the shift above");

static void *cached(struct known *k, int32_t day, int64_t number, bool ids, size_t *n)
{
	struct cached *c = slot_of(k, day, number, ids);
	if (!c->p || c->day != day || c->number != number || c->ids != ids)
		return NULL;
	*n = c->n;
	return c->p;
}

/* Takes p over. */
static void keep(struct known *k, int32_t day, int64_t number, bool ids, void *p, size_t n)
{
	struct cached *c = slot_of(k, day, number, ids);
	drop(k, c);
	for (size_t i = 0; i < CACHE_SLOTS && k->cached + n > CACHE_BYTES; i++)
		drop(k, &k->cache[k->hand++ % CACHE_SLOTS]);
	*c = (struct cached){ day, ids, number, p, n };
	k->cached += n;
}

/* --- a day's blocks --- */

static int by_dataset(const void *a, const void *b)
{
	const struct known_block *x = a, *y = b;
	int order = strcmp(x->block->dataset, y->block->dataset);
	return order ? order : x->last < y->last ? -1 : x->last > y->last;
}

static int load_day(struct events *s, int32_t day, struct known_day *to, struct err *err)
{
	const struct day_block *blocks = NULL;
	struct day *d;
	size_t n = 0;
	int code = embedded_day(s, day, &d, err);
	if (!code)
		code = day_blocks(d, &blocks, &n, err);
	if (code && code != -ENOENT)
		return code;
	void *more = realloc(to->blocks, (n + 1) * sizeof(*to->blocks));
	to->blocks = more ? more : to->blocks;
	void *copy = more ? realloc(to->copy, (n + 1) * sizeof(*to->copy)) : NULL;
	to->copy = copy ? copy : to->copy;
	to->valid = false;
	if (!more || !copy)
		return err_set(err, -ENOMEM, "look for known events: %m");
	for (size_t i = 0; i < n; i++) {
		to->copy[i] = blocks[i];
		to->blocks[i] = (struct known_block){ &to->copy[i], blocks[i].first, blocks[i].last, 0 };
	}
	if (n)
		qsort(to->blocks, n, sizeof(*to->blocks), by_dataset);
	for (size_t i = n; i--;) {
		struct known_block *b = &to->blocks[i];
		bool more_behind = i + 1 < n && !strcmp(b[1].block->dataset, b->block->dataset);
		b->least_first = more_behind && b[1].least_first < b->first ? b[1].least_first : b->first;
	}
	to->day = day;
	to->n = n;
	to->valid = true;
	return 0;
}

static int known_day(struct events *s, int32_t day, const struct known_day **ret, struct err *err)
{
	struct known *k = s->known;
	struct known_day *to = &k->days[0];
	for (size_t i = 0; i < DAYS; i++) {
		struct known_day *at = &k->days[i];
		if (at->valid && at->day == day) {
			at->used = ++k->turn;
			*ret = at;
			return 0;
		}
		if (!at->valid ? to->valid : to->valid && at->used < to->used)
			to = at;
	}
	int code = load_day(s, day, to, err);
	if (code)
		return code;
	to->used = ++k->turn;
	*ret = to;
	return 0;
}

/* The first block of the dataset whose last event isn't before the time. */
static size_t first_block(const struct known_day *d, struct str dataset, int64_t time)
{
	size_t from = 0, to = d->n;
	while (from < to) {
		size_t middle = (from + to) / 2;
		const struct known_block *b = &d->blocks[middle];
		struct str name = str_from(b->block->dataset);
		int order = memcmp(name.p, dataset.p, name.n < dataset.n ? name.n : dataset.n);
		if (!order)
			order = name.n < dataset.n ? -1 : name.n > dataset.n;
		if (order < 0 || (!order && b->last < time))
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* --- one block --- */

static int block_may_have(struct events *s, struct day *d, int32_t day, const struct day_block *b, bool *ret,
                          struct err *err)
{
	struct known *k = s->known;
	size_t n;
	char *filter = cached(k, day, b->number, false, &n);
	*ret = true;
	if (!filter && b->filter_size && b->filter_size <= CACHE_BYTES / 16) {
		filter = malloc(b->filter_size);
		if (!filter)
			return err_set(err, -ENOMEM, "look for known events: %m");
		if (day_filter(d, b, filter, NULL)) { /* damaged: it can't say no */
			free(filter);
			return 0;
		}
		n = b->filter_size;
		keep(k, day, b->number, false, filter, n);
	}
	if (!filter)
		return day_may_have(d, b, k->words, k->n_words, ret, err);
	for (size_t i = 0; *ret && i < k->n_words; i++)
		*ret = bloom_has(filter + bloom_place(n, k->words[i]), k->words[i]);
	return 0;
}

static bool ids_have(const struct id128 *ids, size_t n, struct id128 id)
{
	for (size_t at = id.b & (n - 1); ids[at].a; at = (at + 1) & (n - 1))
		if (ids[at].a == id.a && ids[at].b == id.b)
			return true;
	return false;
}

/* The ids of a block, as a table of *ret_n slots. NULL: it can't be read, or memory is short. */
static struct id128 *read_ids(struct events *s, struct day *d, const struct day_block *b, size_t *ret_n)
{
	struct day_reader reader = { d, b->number };
	struct chunk_values v = { 0 };
	if (chunk_open(s->own_chunk, b->size, day_read, &reader, NULL))
		return NULL;
	uint32_t column = chunk_column(s->own_chunk, STR("khien.id"));
	if (column != UINT32_MAX && chunk_values(s->own_chunk, column, &v, NULL))
		return NULL;
	size_t n = 16;
	while (n < 2 * (size_t)v.n)
		n *= 2;
	struct id128 *ids = calloc(n, sizeof(*ids));
	for (uint32_t i = 0; ids && i < v.n; i++) {
		struct id128 id = hash128(s->known, chunk_text(&v, v.codes ? v.codes[i] : i));
		if (ids_have(ids, n, id))
			continue;
		size_t at = id.b & (n - 1);
		while (ids[at].a)
			at = (at + 1) & (n - 1);
		ids[at] = id;
	}
	*ret_n = n;
	return ids;
}

static int block_has(struct events *s, struct day *d, int32_t day, const struct day_block *b, struct id128 id,
                     bool *ret, struct err *err)
{
	size_t n;
	struct id128 *ids = cached(s->known, day, b->number, true, &n);
	if (!ids) {
		int code = block_may_have(s, d, day, b, ret, err);
		if (code || !*ret)
			return code;
		ids = read_ids(s, d, b, &n);
		*ret = false;
		if (!ids) /* what a damaged block had can't be told: the event is kept */
			return 0;
		n *= sizeof(*ids);
		keep(s->known, day, b->number, true, ids, n);
	}
	*ret = ids_have(ids, n / sizeof(*ids), id);
	return 0;
}

/* --- an event --- */

static void ask_words(struct known *k, struct str id)
{
	size_t at = 0;
	k->n_words = 0;
	for (uint64_t h; k->n_words < WORDS && (h = bloom_next(id, &at));)
		k->words[k->n_words++] = h;
}

/* Looks into the day's blocks of the dataset that reach into from <= t <= to. */
static int in_day(struct events *s, int32_t day, int64_t from, int64_t to, const struct event_row *row, struct id128 id,
                  bool *ret, struct err *err)
{
	struct known *k = s->known;
	const struct known_day *kd;
	struct day *d = NULL;
	int code = known_day(s, day, &kd, err);
	for (size_t i = code || !kd->n ? SIZE_MAX : first_block(kd, row->dataset, from);
	     !code && !*ret && i < kd->n && kd->blocks[i].least_first <= to; i++) {
		const struct known_block *b = &kd->blocks[i];
		if (!str_eq(str_from(b->block->dataset), row->dataset))
			break;
		if (b->first > to)
			continue;
		if (k->n_words == SIZE_MAX)
			ask_words(k, row->id);
		if (!d)
			code = embedded_day(s, day, &d, err);
		if (!code)
			code = block_has(s, d, day, b->block, id, ret, err);
	}
	return code;
}

static int in_days(struct events *s, const struct event_row *row, struct id128 id, bool *ret, struct err *err)
{
	const int64_t from = row->arrived ? row->time - AGAIN : row->time;
	int code = 0;
	*ret = false;
	s->known->n_words = SIZE_MAX;
	for (int32_t day = day_of(row->time); !code && !*ret && day >= day_of(from); day--)
		code = in_day(s, day, from, row->time, row, id, ret, err);
	return code;
}

static int in_journal(struct events *s, const struct event_row *row, uint64_t id, bool *ret, struct err *err)
{
	*ret = false;
	for (size_t i = s->n_pending; i--;) {
		const struct pending *p = s->pending[i];
		const struct pending_row *r;
		for (size_t at = 0; (r = pending_find(p, id, &at));) {
			struct event_row other;
			if (!str_eq(str_from(p->datasets[r->dataset]), row->dataset))
				continue;
			int code = journal_row(s->journal, p->segment, r->at, &s->row, &other, err);
			if (code == -EBADMSG)
				continue;
			if (code)
				return code;
			*ret = str_eq(other.id, row->id);
			if (*ret)
				return 0;
		}
	}
	return 0;
}

/* Whether the same stands before row i in these rows; if not, it stands there for those to come. */
static bool in_batch(struct known *k, const struct event_row *rows, const uint64_t *ids, size_t i)
{
	size_t mask = k->n_batch - 1, at = ids[i] & mask;
	for (; k->batch[at]; at = (at + 1) & mask) {
		size_t other = k->batch[at] - 1;
		if (ids[other] == ids[i] && str_eq(rows[other].id, rows[i].id) &&
		    str_eq(rows[other].dataset, rows[i].dataset))
			return true;
	}
	k->batch[at] = (uint32_t)i + 1;
	return false;
}

static int batch_room(struct known *k, size_t n, struct err *err)
{
	size_t slots = 16;
	while (slots < 2 * n)
		slots *= 2;
	if (slots > k->cap_batch) {
		free(k->batch);
		k->batch = malloc(slots * sizeof(*k->batch));
		k->cap_batch = k->batch ? slots : 0;
		if (!k->batch)
			return err_set(err, -ENOMEM, "append events: %m");
	}
	k->n_batch = slots;
	memset(k->batch, 0, slots * sizeof(*k->batch));
	return 0;
}

int known_check(struct events *s, const struct event_row *rows, size_t n, uint8_t *verdict, uint64_t *ids,
                struct err *err)
{
	bool prepared = false;
	for (size_t i = 0; i < n; i++) {
		ids[i] = 0;
		if (!rows[i].id.n)
			continue;
		int code = prepared ? 0 : batch_room(s->known, n, err);
		prepared = true;
		struct id128 id = hash128(s->known, rows[i].id);
		ids[i] = id.a;
		bool known = !code && in_batch(s->known, rows, ids, i);
		if (!code && !known)
			code = in_journal(s, &rows[i], id.a, &known, err);
		if (!code && !known && (code = in_days(s, &rows[i], id, &known, err)) && code != -ENOMEM) {
			code = 0; /* a day that can't be read doesn't stop what comes: better twice than not at all */
			known = false;
		}
		if (code)
			return code;
		verdict[i] = known ? EVENT_KNOWN : EVENT_KEPT;
	}
	return 0;
}
