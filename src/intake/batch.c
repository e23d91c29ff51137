#include "intake/derive.h"
#include "intake/formats.h"
#include "intake/framer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { POOL_BATCHES = 32, POOL_BYTES = 1 << 20 }; /* what is kept, and how large each may be */

struct batch_pool {
	unsigned refs; /* the framer and the batches that are out */
	pthread_mutex_t lock;
	size_t n;
	struct batch *free[POOL_BATCHES];
};

int batch_pool_new(struct batch_pool **ret)
{
	struct batch_pool *pool = calloc(1, sizeof(*pool));
	if (!pool)
		return -ENOMEM;
	pool->refs = 1;
	pthread_mutex_init(&pool->lock, NULL);
	*ret = pool;
	return 0;
}

static void destroy(struct batch *b)
{
	free(b->records);
	free(b->bytes);
	free(b);
}

/* Gives a reference back, and with it the memory of a batch if there is one to give. */
static void give_back(struct batch_pool *pool, struct batch *b)
{
	pthread_mutex_lock(&pool->lock);
	bool last = --pool->refs == 0;
	if (b && !last && pool->n < POOL_BATCHES && b->cap_bytes <= POOL_BYTES) {
		pool->free[pool->n++] = b;
		b = NULL;
	}
	pthread_mutex_unlock(&pool->lock);
	if (b)
		destroy(b);
	if (!last)
		return;
	while (pool->n)
		destroy(pool->free[--pool->n]);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

void batch_pool_unref(struct batch_pool *pool)
{
	if (pool)
		give_back(pool, NULL);
}

struct batch *batch_new(struct batch_pool *pool, size_t cap_bytes)
{
	pthread_mutex_lock(&pool->lock);
	pool->refs++;
	struct batch *b = pool->n ? pool->free[--pool->n] : NULL;
	pthread_mutex_unlock(&pool->lock);
	if (!b)
		b = calloc(1, sizeof(*b));
	if (b && b->cap_bytes < cap_bytes) {
		free(b->bytes);
		b->bytes = malloc(cap_bytes);
		b->cap_bytes = b->bytes ? cap_bytes : 0;
	}
	if (b && b->bytes) {
		b->pool = pool;
		return b;
	}
	if (b)
		destroy(b);
	batch_pool_unref(pool);
	return NULL;
}

void batch_free(struct batch *b)
{
	if (!b)
		return;
	struct batch_pool *pool = b->pool;
	columns_unref(b->columns);
	*b = (struct batch){
		.records = b->records, .cap_records = b->cap_records, .bytes = b->bytes, .cap_bytes = b->cap_bytes
	};
	give_back(pool, b);
}

/* A field about the record rather than of it: only where a rule asks, and only where the record has none itself. */
static void put_if_asked(struct event *ev, struct str name, const char *text)
{
	uint32_t n, node = fields_child(ev->fields, 0, name);
	if (node == FIELDS_NONE || !text)
		return;
	const uint32_t *ids = fields_at(ev->fields, node, &n);
	for (uint32_t i = 0; i < n; i++)
		if (!ev->first[ids[i]])
			event_put(ev, ids[i], str_from(text), VALUE_TEXT);
}

int intake_parse(const struct format *format, const struct columns *columns, struct str record, int64_t now,
                 struct event *ev, struct err *err)
{
	event_reset(ev);
	ev->raw = record;
	ev->format = format->name;
	int code = format->parse(record, columns, now, ev, err);
	if (code)
		return code;
	if (format == &intake_json)
		intake_derive_journal(ev);
	put_if_asked(ev, STR("khien.format"), format->name);
	return 0;
}

int batch_parse(const struct batch *b, size_t i, struct event *ev, struct err *err)
{
	const struct record *r = &b->records[i];
	int code = intake_parse(b->format, b->columns, r->bytes, b->now, ev, err);
	if (code)
		return code;
	ev->file = b->origin;
	ev->line = r->line;
	put_if_asked(ev, STR("log.file.path"), b->origin);
	return 0;
}
