/* What follow.h needs of the disk, over a desk and its database; what is kept is the row "follow" of `meta`. */
#ifndef KHIEN_KIOSK_FOLLOW_DESK_H
#define KHIEN_KIOSK_FOLLOW_DESK_H

#include "kiosk/follow.h"
#include "kiosk/snapshot.h"

struct follow_desk {
	struct follow_store store; /* for follow_config */
	struct db *db;
	const char *uri; /* of the same database: copies use a connection of their own */
	struct desk **desk;
	/* All rows are others now: make the desk anew (desk_free(), desk_new()). */
	int (*reopen)(void *arg, struct err *err);
	void *arg;
	/* private */
	struct snapshot *out;
	struct snapshot_load *in;
};

/* db, uri, desk, reopen and arg are set; all borrowed. The desk exists when follow_new() is called. */
void follow_desk_init(struct follow_desk *d);
void follow_desk_done(struct follow_desk *d);

#endif
