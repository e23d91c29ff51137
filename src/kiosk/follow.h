/*
 * Two kiosks, one of which follows: what was confirmed stands on both disks.
 *
 *   primary  ----changes---->  standby      TLS 1.3 with the pre-shared key that both derive from their key file (seal.h);
 *            <----"have n"---               the standby dials
 *
 * A change is answered when the standby has it on its disk (desk_confirmed()). The *write epoch* says who may write: each round
 * carries it, and who sees a higher one than its own stops writing for good ("stale-epoch").
 *
 * The *register* holds the epoch where neither kiosk does, and changes it only from the value that was named (compare and set):
 *
 *   { epoch, holder, alone }
 *
 *   promote     the standby sets epoch e to e + 1, itself the holder: e is that of its last change. Refused when the primary went on
 *               alone meanwhile, for that raised the epoch too: the standby lacks what was confirmed then, and says so.
 *   go alone    the primary, whose standby was silent for 2 s, sets e to e + 1, alone. Refused when the standby was promoted: then it
 *               is stale. Until the register has answered nothing is confirmed, and callers wait.
 *   together    the standby has caught up: the primary sets e + 1, not alone.
 *
 * So of two that can't see each other one at most goes on, whichever asked first, and what the other had confirmed is in the one that
 * goes on. The register is `khien kiosk register` on a third machine (the gate's), a file of its own with fsync. Without one, a primary
 * that has lost its standby stops confirming until a person says `khien kiosk alone`, which writes the mark that keeps the standby from
 * being followed later without being copied anew, and `khien kiosk promote` asks the person to make sure.
 */
#ifndef KHIEN_KIOSK_FOLLOW_H
#define KHIEN_KIOSK_FOLLOW_H

#include "base/clock.h"
#include "base/err.h"
#include "kiosk/desk.h"

enum follow_state {
	FOLLOW_SINGLE,     /* no standby is configured */
	FOLLOW_ALONE,      /* primary; the standby is away, and marked */
	FOLLOW_PAIRED,     /* primary with a standby that has everything */
	FOLLOW_WAITING,    /* primary that may not confirm now: the register is asked, or nobody may say */
	FOLLOW_CATCHES_UP, /* standby: not everything is here: not promotable */
	FOLLOW_FOLLOWS,    /* standby: promotable */
	FOLLOW_STALE,      /* was primary; somebody else is now */
	N_FOLLOW_STATES,
};
const char *follow_state_name(enum follow_state state);

#endif
