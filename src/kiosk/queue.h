/*
 * Who is called next. Nobody picks: a room's next one follows from who is there, so that all are treated alike.
 *
 * Each one's turn comes at a time: of who has a slot and came by then, or at most QUEUE_LATE minutes after it, when the slot
 * starts; of all others when they came. They go in this order:
 *
 *   1. emergencies, as they came
 *   2. whoever waited longer than the cap since his turn came, with priority or without: the longest first
 *   3. those with priority and those without in alternation, `weight` to one; among either by turn
 *   4. who came more than QUEUE_EARLY minutes before his slot: only while nobody else waits
 *
 * So once somebody is over the cap (which is QUEUE_LATE or more), only emergencies and those who were over it before go first:
 * nobody starves, however many with priority come, or without. Who is early gives way to all whose turn it is, even where few
 * with priority wait.
 */
#ifndef KHIEN_KIOSK_QUEUE_H
#define KHIEN_KIOSK_QUEUE_H

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>

enum { QUEUE_LATE = 15, QUEUE_EARLY = 30 };
enum queue_priority { QUEUE_NORMAL, QUEUE_PRIORITY, QUEUE_EMERGENCY };

struct queue_rule {
	int64_t weight; /* with priority in a row, while others wait; 0: priority counts for nothing but emergencies */
	int64_t cap;    /* µs */
};

struct queue_one {
	enum queue_priority priority;
	int64_t start, arrived; /* times; start -1: has no slot */
	int64_t room, number;   /* on the ticket: who goes first of those who are equal */
	size_t tag;             /* the caller's */
	int64_t turn, place;    /* queue_order()'s */
};

/* As they will be called from `now` on, if nobody else comes. in_row: queue_in_row() of those called so far; 0 at first. */
void queue_order(const struct queue_rule *rule, struct queue_one *ones, size_t n, int64_t in_row, int64_t now);
/* How many with priority went in a row, now that this one is called. */
int64_t queue_in_row(const struct queue_rule *rule, int64_t in_row, const struct queue_one *called);

#endif
