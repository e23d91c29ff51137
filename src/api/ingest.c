#include "api/ingest.h"

#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>

enum { PIECE_BYTES = 256 << 10, BLOCK_MIN = 1 << 10, PIECE_ITEMS = 4096, ITEMS_MIN = 8 };

/* Of a piece's texts, which stay where they are: it grows by another block. Many small pieces are small. */
struct block {
	struct block *next;
	size_t n, cap;
	char bytes[];
};

/* An offer with all its memory. */
struct piece {
	struct offer o;
	struct ingest *in;
	struct piece *next;
	uint32_t *tags;
	size_t cap_items, n_bytes;
	size_t held;          /* of the memory for all */
	struct block *blocks; /* the newest first */
};

struct ingest {
	struct ingest_config c;
	struct piece *open;         /* being filled */
	struct piece *first, *last; /* wait for room */
	unsigned out;               /* offers that were taken and not answered */
	int failed;
	bool dropped, queued;
	struct ingest *prev, *next; /* in line */
	int64_t since;              /* it waits at its place */
	uint64_t events;
	struct buf file; /* see ingest_origin() */
	int64_t now;
};

/* Bytes of the memory for all that wait. */
static bool hold(struct piece *p, size_t n)
{
	size_t *left = p->in->c.memory;
	if (n > *left) {
		++*p->in->c.shed;
		return false;
	}
	*left -= n;
	p->held += n;
	return true;
}

static size_t let_go(struct piece *p)
{
	const size_t held = p->held;
	if (held)
		*p->in->c.memory += held;
	p->held = 0;
	return held;
}

static void piece_free(struct piece *p)
{
	let_go(p);
	for (struct block *b; (b = p->blocks);) {
		p->blocks = b->next;
		free(b);
	}
	free(p->o.items);
	free(p->tags);
	free(p);
}

static void leave(struct ingest *in)
{
	struct ingest_queue *q = in->c.queue;
	if (!in->queued)
		return;
	*(in->prev ? &in->prev->next : &q->first) = in->next;
	*(in->next ? &in->next->prev : &q->last) = in->prev;
	in->prev = in->next = NULL;
	in->queued = false;
}

static void enter(struct ingest *in)
{
	struct ingest_queue *q = in->c.queue;
	if (in->queued)
		return;
	in->since = clock_monotonic(q->clock);
	in->prev = q->last;
	*(q->last ? &q->last->next : &q->first) = in;
	q->last = in;
	in->queued = true;
}

/* Lets go of all that was not taken. */
static void discard(struct ingest *in)
{
	leave(in);
	for (struct piece *p; (p = in->first);) {
		in->first = p->next;
		piece_free(p);
	}
	in->last = NULL;
	if (in->open)
		piece_free(in->open);
	in->open = NULL;
}

static void fail(struct ingest *in, int code)
{
	if (!in->failed)
		in->failed = code;
	discard(in);
}

void ingest_stop(struct ingest *in)
{
	fail(in, -ECANCELED);
}

static void ingest_free(struct ingest *in)
{
	buf_free(&in->file);
	free(in);
}

static void answered(struct offer *o, int code)
{
	struct piece *p = o->arg;
	struct ingest *in = p->in;
	in->out--;
	for (size_t i = 0; i < o->n && !code && !in->dropped; i++) {
		if (o->items[i].verdict == OFFER_OPEN)
			code = -EIO; /* nobody judged it: it can't be called durable */
		else
			in->c.verdict(in->c.arg, p->tags[i], &o->items[i]);
	}
	piece_free(p);
	if (in->dropped) {
		if (!in->out)
			ingest_free(in);
		return;
	}
	if (code)
		fail(in, code);
	in->c.change(in->c.arg);
}

int ingest_new(struct ingest **ret, const struct ingest_config *config)
{
	struct ingest *in = calloc(1, sizeof(*in));
	if (!in)
		return -ENOMEM;
	in->c = *config;
	*ret = in;
	return 0;
}

void ingest_drop(struct ingest *in)
{
	if (!in)
		return;
	discard(in);
	in->dropped = true;
	if (!in->out)
		ingest_free(in);
}

/* Hands on what waits. False: there is no room. */
static bool hand_on(struct ingest *in)
{
	while (in->first && !in->failed) {
		struct piece *p = in->first;
		in->first = p->next;
		in->out++;
		const size_t held = let_go(p);                        /* whoever takes it counts it from here on */
		int r = in->c.queue->take(in->c.queue->taker, &p->o); /* may answer before it returns: p is gone then */
		if (!r) {
			in->since = clock_monotonic(in->c.queue->clock);
			continue;
		}
		in->out--;
		if (r == -EAGAIN && !in->failed) {
			hold(p, held);
			p->next = in->first;
			in->first = p;
			return false;
		}
		piece_free(p);
		fail(in, r);
	}
	if (!in->first)
		in->last = NULL;
	return true;
}

void ingest_flush(struct ingest *in)
{
	struct piece *p = in->open;
	if (!p || in->failed)
		return;
	in->open = NULL;
	*(in->last ? &in->last->next : &in->first) = p;
	in->last = p;
	p->o.bytes = p->n_bytes;
	p->o.held = p->held;
	p->o.now = in->now ? in->now : clock_wall(in->c.queue->clock);
	/* Nobody goes past those that wait. */
	if (in->c.queue->first || !hand_on(in))
		enter(in);
}

void ingest_room(struct ingest_queue *q)
{
	for (struct ingest *in; (in = q->first);) {
		if (!hand_on(in))
			return;
		leave(in);
		in->c.change(in->c.arg);
	}
}

void ingest_expire(struct ingest_queue *q, int64_t since)
{
	for (struct ingest *in = q->first, *next; in; in = next) {
		next = in->next;
		if (in->since >= since)
			continue;
		fail(in, -EAGAIN);
		in->c.change(in->c.arg);
	}
}

/* NULL: see *code. */
static struct piece *piece_new(struct ingest *in, int *code)
{
	struct piece *p = malloc(sizeof(*p));
	*code = p ? 0 : -ENOMEM;
	if (!p)
		return NULL;
	*p = (struct piece){ .in = in };
	p->o = (struct offer){ .sender = in->c.sender, .format = in->c.format, .answer = answered, .arg = p };
	if (hold(p, sizeof(*p)))
		return p;
	*code = -EAGAIN;
	piece_free(p);
	return NULL;
}

/* Room for n bytes in one block. */
static int grow_bytes(struct piece *p, size_t n)
{
	struct block *last = p->blocks;
	if (last && last->cap - last->n >= n)
		return 0;
	size_t cap = last ? last->cap * 2 : p->in->c.hint > BLOCK_MIN ? p->in->c.hint : BLOCK_MIN;
	cap = cap > PIECE_BYTES - p->n_bytes && p->n_bytes < PIECE_BYTES ? PIECE_BYTES - p->n_bytes : cap;
	cap = cap < n ? n : cap;
	p->in->c.hint = 0;
	if (!hold(p, sizeof(*last) + cap))
		return -EAGAIN;
	struct block *b = malloc(sizeof(*b) + cap);
	if (!b)
		return -ENOMEM;
	*b = (struct block){ .next = last, .cap = cap };
	p->blocks = b;
	return 0;
}

static int grow_items(struct piece *p)
{
	if (p->o.n < p->cap_items)
		return 0;
	size_t cap = p->cap_items ? p->cap_items * 2 : ITEMS_MIN;
	if (!hold(p, (cap - p->cap_items) * (sizeof(*p->o.items) + sizeof(*p->tags))))
		return -EAGAIN;
	struct offer_item *items = realloc(p->o.items, cap * sizeof(*items));
	if (items)
		p->o.items = items;
	uint32_t *tags = realloc(p->tags, cap * sizeof(*tags));
	if (tags)
		p->tags = tags;
	if (!items || !tags)
		return -ENOMEM;
	p->cap_items = cap;
	return 0;
}

static struct str put(struct piece *p, struct str s)
{
	struct block *b = p->blocks;
	if (!s.n)
		return (struct str){ 0 };
	struct str copy = { b->bytes + b->n, s.n };
	memcpy(b->bytes + b->n, s.p, s.n);
	b->n += s.n;
	p->n_bytes += s.n;
	return copy;
}

void ingest_origin(struct ingest *in, const struct format *format, struct str file, int64_t now)
{
	if (in->c.format == format && in->now == now && str_eq(buf_str(&in->file), file))
		return;
	ingest_flush(in);
	in->c.format = format;
	in->now = now;
	in->file.n = 0;
	buf_add(&in->file, file);
	if (in->file.failed)
		fail(in, -ENOMEM);
}

int ingest_add(struct ingest *in, uint32_t tag, struct str record, struct str id, struct str dataset)
{
	size_t need = record.n + id.n + dataset.n + in->file.n;
	struct piece *p = in->open;
	if (p && (p->n_bytes + need > PIECE_BYTES || p->o.n == PIECE_ITEMS)) {
		ingest_flush(in);
		p = NULL;
	}
	int code = 0;
	if (!p && !in->failed)
		p = in->open = piece_new(in, &code);
	if (!in->failed && !code)
		code = grow_bytes(p, need);
	if (!in->failed && !code)
		code = grow_items(p);
	if (code)
		fail(in, code);
	if (in->failed)
		return in->failed;
	if (!p->o.n)
		p->o.file = put(p, buf_str(&in->file));
	const struct offer_item *before = p->o.n ? &p->o.items[p->o.n - 1] : NULL;
	struct offer_item item = { .record = put(p, record), .id = put(p, id) };
	item.dataset = before && str_eq(before->dataset, dataset) ? before->dataset : put(p, dataset);
	p->tags[p->o.n] = tag;
	p->o.items[p->o.n++] = item;
	in->events++;
	return 0;
}

bool ingest_waits(const struct ingest *in)
{
	return in->queued;
}

bool ingest_idle(const struct ingest *in)
{
	return !in->out && !in->queued;
}

int ingest_failed(const struct ingest *in)
{
	return in->failed;
}

uint64_t ingest_events(const struct ingest *in)
{
	return in->events;
}
