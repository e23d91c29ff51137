/*
 * An event is known when one of the same id and dataset is in the journal still, or in a block that covers a time under
 * which it may have been kept. The rows of an append are asked for together: first in the index of the journal, then
 * block by block, the newest first. A block says no by the set of its ids' hashes (store/idset.h); where that says yes,
 * or there is none, its ids are read and compared.
 *
 * Sets are made when they are first wanted, and held while there is room. Then those give way that nobody asked for
 * long, and of the others one an append at most: who goes through more blocks than there is room for, again and again,
 * would else have all of them made anew each time.
 */
#include "store/bloom.h"
#include "store/embedded_blocks.h"

#include <errno.h>
#include <stdlib.h>

/* A clock may be set back: what has no time of its own may have been kept under a later one than it would get now. */
static const int64_t SET_BACK = 86400LL * CLOCK_S;

enum {
	MADE = 8, /* sets that are made in an append, beside one for each row */
	FEW = 64, /* rows for which a block's words are asked before its ids are read */
	WORDS = EVENT_ID_MAX / 2
};

/* A row that isn't known yet. */
struct asked {
	uint64_t id;
	int64_t time, from, to; /* from and to: under which it may have been kept */
	uint32_t row;
	bool known;
};

struct known {
	unsigned char key[crypto_shorthash_KEYBYTES];
	struct blocks blocks;
	struct shelves shelves;
	/* of an append */
	uint32_t *table; /* index + 1 by hash */
	size_t n_table, cap_table;
	struct asked *asked;
	uint32_t *suspects; /* of those */
	size_t cap_asked;
	uint64_t *hashes; /* of a block's ids */
	size_t cap_hashes;
};

/* Rows of one dataset, by time. */
struct group {
	const struct event_row *rows;
	struct asked *asked;
	size_t n;
	struct str dataset;
	int64_t from, to;    /* of all of them */
	int64_t back, ahead; /* how far `from` and `to` of one are from its time at most */
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
	blocks_forget(&k->blocks);
}

void known_drop(struct known *k, int32_t day)
{
	blocks_forget(&k->blocks);
	shelves_drop(&k->shelves, day);
}

void known_free(struct known *k)
{
	if (!k)
		return;
	blocks_free(&k->blocks);
	shelves_free(&k->shelves);
	free(k->table);
	free(k->asked);
	free(k->suspects);
	free(k->hashes);
	sodium_memzero(k->key, sizeof(k->key));
	free(k);
}

uint64_t known_hash(const struct known *k, struct str id)
{
	uint64_t h;
	crypto_shorthash((unsigned char *)&h, (const unsigned char *)id.p, id.n, k->key);
	return h + !h; /* 0 is no hash */
}

/* --- one block --- */

static int table_room(struct known *k, size_t n, struct err *err)
{
	size_t slots = 16;
	while (slots < 2 * n)
		slots *= 2;
	if (slots > k->cap_table) {
		free(k->table);
		k->table = malloc(slots * sizeof(*k->table));
		k->cap_table = k->table ? slots : 0;
		if (!k->table)
			return err_set(err, -ENOMEM, "append events: %m");
	}
	k->n_table = slots;
	memset(k->table, 0, slots * sizeof(*k->table));
	return 0;
}

/* Whether an id may stand in a block without its words: escaped, or as a time. */
static bool is_odd(struct str id)
{
	return memchr(id.p, '\\', id.n) || (id.n >= 10 && id.p[4] == '-' && id.p[7] == '-');
}

/* Of the suspects those stay whose words may stand in the block. */
static size_t ask_words(const struct group *g, struct known *k, struct day *d, const struct known_block *b, size_t n)
{
	const struct day_block block = { .number = b->number, .filter_size = b->filter_size };
	size_t left = 0;
	for (size_t i = 0; i < n; i++) {
		const struct str id = g->rows[g->asked[k->suspects[i]].row].id;
		uint64_t words[WORDS];
		size_t n_words = 0, at = 0;
		bool may = is_odd(id);
		for (uint64_t h; !may && n_words < WORDS && (h = bloom_next(id, &at));)
			words[n_words++] = h;
		if (may || day_may_have(d, &block, words, n_words, &may, NULL) || may) /* damaged: it can't say no */
			k->suspects[left++] = k->suspects[i];
	}
	return left;
}

/* The ids of a block, and their hashes. */
static int read_ids(struct events *s, struct day *d, const struct known_block *b, struct chunk_values *v,
                    struct err *err)
{
	struct known *k = s->known;
	struct day_reader reader = { d, b->number };
	*v = (struct chunk_values){ 0 };
	int code = chunk_open(s->own_chunk, b->size, day_bytes, &reader, err);
	const uint32_t column = code ? UINT32_MAX : chunk_column(s->own_chunk, STR("khien.id"));
	if (!code && column != UINT32_MAX)
		code = chunk_values(s->own_chunk, column, v, err);
	if (code)
		return code;
	if (v->n > k->cap_hashes) {
		const size_t cap = v->n > CHUNK_ROWS ? v->n : CHUNK_ROWS;
		free(k->hashes);
		k->hashes = malloc(cap * sizeof(*k->hashes));
		k->cap_hashes = k->hashes ? cap : 0;
		if (!k->hashes)
			return err_set(err, -ENOMEM, "look for known events: %m");
	}
	for (uint32_t i = 0; i < v->n; i++)
		k->hashes[i] = known_hash(k, chunk_text(v, v->codes ? v->codes[i] : i));
	return 0;
}

static int find_suspects(const struct group *g, struct known *k, size_t n, const struct chunk_values *v,
                         struct err *err)
{
	int code = table_room(k, n, err);
	if (code)
		return code;
	const size_t mask = k->n_table - 1;
	for (size_t i = 0; i < n; i++) {
		size_t at = g->asked[k->suspects[i]].id & mask;
		while (k->table[at])
			at = (at + 1) & mask;
		k->table[at] = k->suspects[i] + 1;
	}
	for (uint32_t i = 0; i < v->n; i++)
		for (size_t at = k->hashes[i] & mask; k->table[at]; at = (at + 1) & mask) {
			struct asked *a = &g->asked[k->table[at] - 1];
			if (a->id == k->hashes[i] &&
			    str_eq(g->rows[a->row].id, chunk_text(v, v->codes ? v->codes[i] : i)))
				a->known = true;
		}
	return 0;
}

/* The first row that isn't before the time. */
static size_t first_row(const struct group *g, int64_t time)
{
	size_t from = 0, to = g->n;
	while (from < to) {
		size_t middle = (from + to) / 2;
		if (g->asked[middle].time < time)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* Rows, one of which may have been kept between the times. The range of those to look at. */
static void rows_between(const struct group *g, int64_t first, int64_t last, size_t *from, size_t *to)
{
	int64_t time;
	*from = __builtin_sub_overflow(first, g->ahead, &time) ? 0 : first_row(g, time);
	*to = __builtin_add_overflow(last, g->back, &time) || time == INT64_MAX ? g->n : first_row(g, time + 1);
}

/* Reads the ids of a block, looks for the n suspects, and makes a set of them where there is room. */
static int search_block(struct events *s, const struct group *g, size_t n, struct day *d, const struct known_block *b,
                        struct idset **set, struct err *err)
{
	struct known *k = s->known;
	struct chunk_values v;
	int code = read_ids(s, d, b, &v, NULL);
	if (code == -ENOMEM)
		return err_set(err, code, "look for known events: %m");
	if (code) /* what a damaged block had can't be told: the event is kept */
		v.n = 0;
	else
		code = find_suspects(g, k, n, &v, err);
	if (set && (!code || code == -EBADMSG) && v.n <= CHUNK_ROWS)
		*set = idset_new(k->hashes, v.n);
	return code == -ENOMEM ? code : 0;
}

static int ask_block(struct events *s, const struct group *g, int32_t day, const struct known_block *b, struct err *err)
{
	struct known *k = s->known;
	const struct idset *ids = shelves_get(&k->shelves, day, b->number);
	struct idset *set = NULL;
	struct day *d;
	size_t n = 0, i, end;
	rows_between(g, b->first, b->last, &i, &end);
	for (; i < end; i++) {
		const struct asked *a = &g->asked[i];
		if (!a->known && a->from <= b->last && a->to >= b->first && (!ids || idset_has(ids, a->id)))
			k->suspects[n++] = (uint32_t)i;
	}
	int code = n ? embedded_day(s, day, &d, err) : 0;
	if (!n || code)
		return code;
	struct shelved *to = ids ? NULL : shelves_room(&k->shelves, day, b->number);
	if (!ids && !to && n <= FEW)
		n = ask_words(g, k, d, b, n);
	code = n ? search_block(s, g, n, d, b, to ? &set : NULL, err) : 0;
	if (to)
		shelves_put(&k->shelves, to, day, b->number, set);
	return code;
}

/* --- rows of one dataset --- */

static bool all_known(const struct group *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (!g->asked[i].known)
			return false;
	return true;
}

static int in_day(struct events *s, const struct group *g, int32_t day, struct err *err)
{
	const struct known_day *kd;
	int code = blocks_of_day(s, &s->known->blocks, day, &kd, err);
	const struct known_part *part = code ? NULL : blocks_part(kd, g->dataset);
	if (!part)
		return code;
	const size_t first = blocks_first(kd, part, g->from);
	size_t i = first;
	while (i < part->to && kd->blocks[i].least_first <= g->to)
		i++;
	while (!code && i-- > first)
		code = ask_block(s, g, day, &kd->blocks[i], err);
	return code;
}

static int64_t day_begins(int32_t day)
{
	return day == DAY_FIRST ? INT64_MIN : (int64_t)day * 86400 * CLOCK_S;
}

static int64_t greatest(int64_t a, int64_t from, int64_t to)
{
	int64_t n;
	if (__builtin_sub_overflow(to, from, &n))
		return INT64_MAX;
	return n > a ? n : a;
}

/* From the newest day on. One that can't be read doesn't stop what comes: better twice than not at all. */
static int in_days(struct events *s, struct group *g, struct err *err)
{
	int code = 0;
	g->dataset = g->rows[g->asked[0].row].dataset;
	g->from = INT64_MAX;
	g->to = INT64_MIN;
	for (size_t i = 0; i < g->n; i++) {
		const struct asked *a = &g->asked[i];
		g->from = a->from < g->from ? a->from : g->from;
		g->to = a->to > g->to ? a->to : g->to;
		g->back = greatest(g->back, a->from, a->time);
		g->ahead = greatest(g->ahead, a->time, a->to);
	}
	for (int32_t day = day_of(g->to); code != -ENOMEM && day >= day_of(g->from); day--) {
		size_t from, to;
		bool any = false;
		rows_between(g, day_begins(day), day == DAY_LAST ? INT64_MAX : day_begins(day + 1) - 1, &from, &to);
		for (; from < to && !any; from++)
			any = !g->asked[from].known && day_of(g->asked[from].from) <= day &&
			      day_of(g->asked[from].to) >= day;
		if (any)
			code = in_day(s, g, day, err);
		if (any && all_known(g))
			break;
	}
	return code == -ENOMEM ? code : 0;
}

/* --- an append --- */

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
static bool in_append(struct known *k, const struct event_row *rows, const uint64_t *ids, size_t i)
{
	size_t mask = k->n_table - 1, at = ids[i] & mask;
	for (; k->table[at]; at = (at + 1) & mask) {
		size_t other = k->table[at] - 1;
		if (ids[other] == ids[i] && str_eq(rows[other].id, rows[i].id) &&
		    str_eq(rows[other].dataset, rows[i].dataset))
			return true;
	}
	k->table[at] = (uint32_t)i + 1;
	return false;
}

static struct asked to_ask(const struct event_row *row, size_t i, uint64_t id)
{
	struct asked a = { .id = id, .time = row->time, .from = row->time, .to = row->time, .row = (uint32_t)i };
	if (!row->since)
		return a;
	a.from = row->since < row->time ? row->since : row->time;
	if (__builtin_add_overflow(row->time, SET_BACK, &a.to))
		a.to = INT64_MAX;
	return a;
}

static int by_dataset_and_time(const void *x, const void *y, void *arg)
{
	const struct event_row *rows = arg;
	const struct asked *a = x, *b = y;
	const struct str p = rows[a->row].dataset, q = rows[b->row].dataset;
	int order = p.n < q.n ? -1 : p.n > q.n;
	if (!order)
		order = memcmp(p.p, q.p, p.n);
	return order ? order : a->time < b->time ? -1 : a->time > b->time;
}

static int ask_days(struct events *s, const struct event_row *rows, size_t n, struct err *err)
{
	struct known *k = s->known;
	shelves_begin(&k->shelves, MADE + n);
	qsort_r(k->asked, n, sizeof(*k->asked), by_dataset_and_time, (void *)rows);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && str_eq(rows[k->asked[end].row].dataset, rows[k->asked[i].row].dataset);)
			end++;
		struct group g = { .rows = rows, .asked = k->asked + i, .n = end - i };
		int code = in_days(s, &g, err);
		if (code ==
		    -ENOMEM) /* a day that can't be read doesn't stop what comes: better twice than not at all */
			return code;
	}
	return 0;
}

static int append_room(struct known *k, size_t n, struct err *err)
{
	int code = table_room(k, n, err);
	if (code || n <= k->cap_asked)
		return code;
	free(k->asked);
	free(k->suspects);
	k->asked = malloc(n * sizeof(*k->asked));
	k->suspects = malloc(n * sizeof(*k->suspects));
	k->cap_asked = k->asked && k->suspects ? n : 0;
	return k->cap_asked ? 0 : err_set(err, -ENOMEM, "append events: %m");
}

int known_check(struct events *s, const struct event_row *rows, size_t n, uint8_t *verdict, uint64_t *ids,
                struct err *err)
{
	struct known *k = s->known;
	size_t n_asked = 0;
	bool prepared = false;
	int code = 0;
	for (size_t i = 0; i < n && !code; i++) {
		ids[i] = 0;
		if (!rows[i].id.n)
			continue;
		code = prepared ? 0 : append_room(k, n, err);
		prepared = true;
		ids[i] = known_hash(k, rows[i].id);
		bool known = !code && in_append(k, rows, ids, i);
		if (!code && !known)
			code = in_journal(s, &rows[i], ids[i], &known, err);
		if (known)
			verdict[i] = EVENT_KNOWN;
		else if (!code)
			k->asked[n_asked++] = to_ask(&rows[i], i, ids[i]);
	}
	if (!code && n_asked)
		code = ask_days(s, rows, n_asked, err);
	for (size_t i = 0; !code && i < n_asked; i++)
		if (k->asked[i].known)
			verdict[k->asked[i].row] = EVENT_KNOWN;
	return code;
}
