/* Which blocks of a store may have what rules look for. */
#ifndef KHIEN_CMD_HUNT_WORDS_H
#define KHIEN_CMD_HUNT_WORDS_H

#include "base/arena.h"
#include "rule/ruleset.h"
#include "store/events.h"

/*
 * An expression for event_query.blocks: it holds for each event that some rule of the set may hold for, by the texts
 * that must stand in such an event. NULL: any event may, or there is no memory.
 */
const struct event_expr *hunt_words(const struct ruleset *rs, struct arena *arena);

#endif
