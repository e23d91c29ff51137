/*
 * Why a rule does not hold for an event: what would have to be otherwise. Of many events it keeps the nearest, the one
 * of which the least lacks.
 */
#ifndef KHIEN_CMD_RULES_WHY_H
#define KHIEN_CMD_RULES_WHY_H

#include "base/buf.h"
#include "match/match.h"

struct why {
	struct buf text; /* "sc-status: wants 404, is 200; ..."; empty where nothing lacks */
	uint64_t line;   /* of the nearest event, 0: none was looked at */
	uint32_t lacks;
};

/* m has just run ev. `rule` is a detection. */
void why_look(struct why *w, struct matcher *m, const struct event *ev, const struct ruleset *rs,
              const struct rule *rule);
/* Forgets all events. */
void why_clear(struct why *w);
void why_done(struct why *w);

/* Appends what a correlation wants: "value_count of user.name >= 8 within 600 s". */
void why_correlation(struct buf *out, const struct ruleset *rs, const struct correlation *c);

#endif
