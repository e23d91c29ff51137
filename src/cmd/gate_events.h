/*
 * The gate's events as a file: a line of JSON each, in the names of the Elastic Common Schema, which a post or the hub follows as it
 * does any log. Bounded: when it is full it becomes .1, what was .1 becomes .2, and the last of them goes.
 *
 * How far the gate's ring was told stands in the lines themselves (gate.zone, gate.seq): whoever was killed between two writes reads it
 * there, so that nothing is told twice and nothing is left out.
 */
#ifndef KHIEN_CMD_GATE_EVENTS_H
#define KHIEN_CMD_GATE_EVENTS_H

#include "base/buf.h"
#include "base/err.h"
#include "flood/list.h"

#include <jansson.h>

enum { GATE_EVENTS_SIZE = 8 << 20, GATE_EVENTS_FILES = 8, GATE_ZONE = 16, GATE_ID = 32 };

/* Up to which event of which ring. */
struct gate_place {
	char zone[GATE_ZONE + 1]; /* "": none */
	uint64_t seq;
};

struct gate_events {
	char path[4096];
	int fd;
	uint64_t size, most; /* bytes of the file, and what it may have: GATE_EVENTS_SIZE but in tests */
	struct gate_place told;
};

/*
 * Makes it where it is missing, cuts off a line that was being written when its writer was killed, and finds how far it got. path
 * and most are set before.
 */
int gate_events_open(struct gate_events *e, struct err *err);
void gate_events_close(struct gate_events *e);
/* All of these lines, or none: on the disk when this returns 0. Where they are of a ring, told is the caller's to set then. */
int gate_events_put(struct gate_events *e, struct str lines, struct err *err);
/* Whether a line of the file, or of the one before it, bears this id. */
bool gate_events_has(const struct gate_events *e, const char *id);

/* --- lines; each ends with a newline --- */

/* Appends the answer to GET /events (gate/README.md) as lines; to: how far it leads; n: how many it holds. -EPROTO: it isn't one. */
int gate_events_of(const json_t *answer, int64_t now_us, struct buf *lines, struct gate_place *to, size_t *n,
                   struct err *err);

struct waf_hit;
void gate_events_waf(struct buf *lines, const struct waf_hit *hit, int64_t wall_us);
/*
 * The gate is strict for long: once in ten minutes, with its status (gate/README.md). false: it isn't, or not yet for ten minutes. The id, which
 * stays the same within them, goes into id.
 */
bool gate_events_lasting(struct buf *line, const json_t *status, int64_t wall_us, char id[GATE_ID + 1]);
/* n of what `action` says ("waf-events-shed") were not told. */
void gate_events_shed(struct buf *lines, const char *action, uint64_t n, int64_t wall_us);
/*
 * What an operator changed: *was or *is is NULL where there was or is nothing. turn: what tells this change from the same one at
 * another time. The id goes into id.
 */
void gate_events_list(struct buf *line, const struct list_entry *was, const struct list_entry *is, struct str turn,
                      int64_t wall_us, char id[GATE_ID + 1]);

#endif
