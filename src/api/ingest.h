/*
 * The events of one request on their way: gathered into offers of at most 256 kB (a longer record goes alone), handed
 * to whoever takes offers, verdicts brought back. Where there is no room the request waits in line: first come, first
 * taken, over all requests.
 */
#ifndef KHIEN_API_INGEST_H
#define KHIEN_API_INGEST_H

#include "base/clock.h"
#include "intake/offer.h"

struct ingest;

/* The line of those that wait for room. */
struct ingest_queue {
	offer_sink *take;
	void *taker;
	const struct clock *clock;
	struct ingest *first, *last;
};

/* There is room: tries them in order, until there is none. */
void ingest_room(struct ingest_queue *q);
/* Those that wait since before `since` (monotonic) give up: their failure is -EAGAIN. */
void ingest_expire(struct ingest_queue *q, int64_t since);

struct ingest_config {
	struct ingest_queue *queue;
	struct sender *sender;
	const struct format *format;
	/* An item is durable or can't be: called before `change`; tag as it was given. Not called after a failure. */
	void (*verdict)(void *arg, uint32_t tag, const struct offer_item *item);
	/* Something was answered, taken, or has failed. */
	void (*change)(void *arg);
	void *arg;
	size_t hint; /* bytes that are expected; 0: unknown */
	/* Bytes that are left for all that wait for room: taken from until they are handed on. *shed: counts in vain. */
	size_t *memory;
	uint64_t *shed;
};

int ingest_new(struct ingest **ret, const struct ingest_config *config);
/* Nobody asks any more: nothing is called from now on. Its memory goes when the last offer is answered. */
void ingest_drop(struct ingest *in);
/*
 * From here on: the records' format, the file they stood in (empty: none), and when they came (0: when they are handed
 * on). What has gathered before is handed on where these differ.
 */
void ingest_origin(struct ingest *in, const struct format *format, struct str file, int64_t now);
/* Copies all. id and dataset may be empty. 0 or -errno: the failure, from now on. */
int ingest_add(struct ingest *in, uint32_t tag, struct str record, struct str id, struct str dataset);
/* Its request has failed otherwise: what was not taken yet is let go, and nothing more is added (-ECANCELED). */
void ingest_stop(struct ingest *in);
/* What has gathered is handed on. */
void ingest_flush(struct ingest *in);
/* Whether it waits in line: add no more until `change`. */
bool ingest_waits(const struct ingest *in);
/* Nothing is under way: every verdict is in, or there is a failure. */
bool ingest_idle(const struct ingest *in);
/* 0 or the first failure: -EAGAIN: no room for too long; -ENOSPC, -EIO, ...: from the taker. */
int ingest_failed(const struct ingest *in);
uint64_t ingest_events(const struct ingest *in);

#endif
