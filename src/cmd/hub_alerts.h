/*
 * Alerts on their way into state.db, and how far rules have come: written in one transaction, so that a restart raises
 * no alert again and forgets none. Inside of the keeper.
 *
 * What can't be written now (another process has the file, the disk is full) waits, and is tried again every second; the
 * mark waits with it. Beyond ALERTS_WAIT_BYTES alerts are lost, and counted. The mark stands still from then on, so that a
 * restart raises those again whose events stand in the journal still; what moved to days meanwhile isn't seen again.
 */
#ifndef KHIEN_CMD_HUB_ALERTS_H
#define KHIEN_CMD_HUB_ALERTS_H

#include "base/buf.h"
#include "base/log.h"
#include "store/state.h"

enum { ALERTS_WAIT_BYTES = 32 << 20 };

struct alerts {
	struct state *state;
	const struct clock *clock;
	const struct log *log;
	struct buf waiting;       /* bodies of LINK_ALERT, the size of each in front */
	uint64_t matched, marked; /* rules have seen the rows before; and that is on the disk */
	uint64_t added;           /* since the start */
	uint64_t lost;            /* that aren't waiting and aren't stored */
	bool owed;                /* alerts were stored without the mark behind them */
	bool trouble;
	int64_t marked_at, retry_at; /* monotonic */
};

void alerts_init(struct alerts *a, struct state *state, const struct clock *clock, const struct log *log);
void alerts_done(struct alerts *a);
/* Copies a body of LINK_ALERT. -EPROTO: it is none. */
int alerts_take(struct alerts *a, struct str body);
/* Rules have seen all rows before number seq. */
void alerts_mark(struct alerts *a, uint64_t seq);
/* What waits is written: new alerts at once, a mark alone once a second. */
void alerts_commit(struct alerts *a);

#endif
