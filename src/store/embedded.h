/* What a search in the embedded store goes through. Inside of store/: embedded.c has it, find.c uses it. */
#ifndef KHIEN_STORE_EMBEDDED_H
#define KHIEN_STORE_EMBEDDED_H

#include "store/day.h"
#include "store/events.h"

/*
 * The days that have a file and overlap from <= t < to (to 0: no bound), newest first. The caller frees *ret. Every day
 * and event that a search sees is as it was when the search began, whatever a writer beside it does meanwhile.
 */
int embedded_days(struct events *s, int64_t from, int64_t to, int32_t **ret, size_t *n, struct err *err);
/* How many of the span were set aside as damaged, and are not read yet as far as they go. */
uint64_t embedded_mending(struct events *s, int64_t from, int64_t to);
/*
 * Opened, or still open from before; a few are kept. Borrowed until the next call. -ENOENT: it has no file. -EBADMSG:
 * damaged, already told.
 */
int embedded_day(struct events *s, int32_t day, struct day **ret, struct err *err);
/* Events that are not in a day yet, oldest first. fn returns non-zero to stop, which is returned. */
int embedded_unsealed(struct events *s, int (*fn)(void *arg, uint64_t seq, const struct event_row *row), void *arg,
                      struct err *err);
/* A reader for chunks, of this store's own. */
struct chunk *embedded_chunk(struct events *s);

/* find.c */
int embedded_find(struct events *s, const struct event_query *q, event_sink *sink, void *arg, struct event_found *found,
                  struct err *err);
int embedded_pick(struct events *s, const struct event_query *q, const struct str *fields, size_t n, pick_sink *sink,
                  void *arg, struct event_found *found, struct err *err);
int embedded_count_by(struct events *s, const struct event_query *q, struct str field, count_sink *sink, void *arg,
                      struct event_found *found, struct err *err);

#endif
