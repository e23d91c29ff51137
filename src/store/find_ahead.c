#include "store/find.h"

#include "store/embedded_inside.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { WINDOW = 64 /* blocks that are searched before they are asked for */ };

enum state { FREE, TAKEN, KNOWN, FAILED };

struct result {
	uint64_t rows[CHUNK_ROWS / 64];
	uint32_t n;
};

struct find_ahead {
	struct find_search *search; /* the caller's */
	struct find_search own;     /* the other thread's: the expression is shared, the rest isn't */
	struct event_found found;   /* its costs */
	const struct day_block *blocks;
	size_t at, n; /* the block that was asked for last; all */
	uint8_t *states;
	struct result results[WINDOW]; /* of block i: i % WINDOW */
	bool stop;
	pthread_t thread;
	pthread_mutex_t lock; /* of at, states, results, stop */
	pthread_cond_t changed;
};

/* The next block that nobody has searched, or n. */
static size_t next_free(const struct find_ahead *a)
{
	for (size_t i = a->at; i < a->n && i < a->at + WINDOW; i++)
		if (a->states[i] == FREE)
			return i;
	return a->n;
}

/* Searches block i with s; called with the lock held, which is let go meanwhile. */
static void search(struct find_ahead *a, struct find_search *s, size_t i)
{
	struct result *result = &a->results[i % WINDOW];
	uint32_t n = 0;
	a->states[i] = TAKEN;
	pthread_mutex_unlock(&a->lock);
	/* Whatever is wrong is found again by the one who can say it: the block is searched once more when it is asked for. */
	int r = find_search_rows_alone(s, &a->blocks[i], s->first, s->last, NULL, &n, NULL);
	pthread_mutex_lock(&a->lock);
	if (!r && n)
		memcpy(result->rows, s->block.rows, sizeof(result->rows));
	result->n = n;
	a->states[i] = r ? FAILED : KNOWN;
	pthread_cond_broadcast(&a->changed);
}

static void *work(void *arg)
{
	struct find_ahead *a = arg;
	pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		size_t i = next_free(a);
		if (i < a->n)
			search(a, &a->own, i);
		else
			pthread_cond_wait(&a->changed, &a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

bool find_ahead_rows(struct find_ahead *a, size_t at, uint32_t *n)
{
	pthread_mutex_lock(&a->lock);
	a->at = at;
	while (a->states[at] == TAKEN) {
		size_t i = next_free(a);
		if (i < a->n)
			search(a, a->search, i);
		else
			pthread_cond_wait(&a->changed, &a->lock);
	}
	bool known = a->states[at] == KNOWN;
	if (known) {
		const struct result *result = &a->results[at % WINDOW];
		*n = result->n;
		memcpy(a->search->block.rows, result->rows, sizeof(result->rows));
	}
	a->states[at] = TAKEN;
	pthread_cond_broadcast(&a->changed); /* the window has moved */
	pthread_mutex_unlock(&a->lock);
	return known;
}

static void drop(struct find_ahead *a)
{
	chunk_reader_free(a->own.block.chunk);
	find_block_done(&a->own.block);
	day_close(a->own.day);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	free(a->states);
	free(a);
}

struct find_ahead *find_ahead_begin(struct find_search *s, int32_t day, const struct day_block *blocks, size_t from,
                                    size_t n)
{
	if (!s->store->config.read_only || sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return NULL;
	struct find_ahead *a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->search = s;
	a->own = *s;
	a->own.found = &a->found;
	a->own.day = NULL;
	a->own.block = (struct find_block){ .where = &s->where, .cancel = s->q->cancel };
	a->blocks = blocks;
	a->at = from;
	a->n = n;
	a->states = calloc(n, 1);
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->changed, NULL);
	if (!a->states || day_open(&a->own.day, s->store->days.dir, day, true, NULL) ||
	    chunk_reader_new(&a->own.block.chunk, NULL) || pthread_create(&a->thread, NULL, work, a)) {
		drop(a);
		return NULL;
	}
	return a;
}

void find_ahead_end(struct find_ahead *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	a->search->found->skipped += a->found.skipped;
	a->search->found->bytes += a->found.bytes;
	drop(a);
}
