/*
 * Feeds on the disk: one folder, a file for each feed and one for what it was before, so that a step can be undone.
 *
 *   NAME.feed       the feed
 *   NAME.feed.old   the version before, or the one that was removed
 *
 * Files come and go whole (os/atomic.h). Several processes may read while one writes.
 */
#ifndef KHIEN_INTEL_SHELF_H
#define KHIEN_INTEL_SHELF_H

#include "intel/feed.h"

/* A feed that is damaged or unreadable is left out, and told. */
typedef void shelf_note(void *arg, const char *file, const char *why);

/* All feeds, by name; a folder that isn't there has none. *feeds: shelf_done(). */
struct shelf {
	struct feed *feeds;
	size_t n;
	uint64_t stamp; /* of names, sizes and times: another one when something was added, removed or restored */
};
int shelf_load(struct shelf *ret, const char *dir, shelf_note *note, void *arg, struct err *err);
void shelf_done(struct shelf *s);
/* The stamp alone; 0: there is no feed. */
int shelf_stamp(const char *dir, uint64_t *ret, struct err *err);

/* Puts a block of feed_pack() in its feed's place. The folder is made where it is missing. */
int shelf_put(const char *dir, const char *name, struct str block, struct err *err);
/* -ENOENT: there is none of that name. */
int shelf_remove(const char *dir, const char *name, struct err *err);
/* What was there before comes back; what is there becomes what was before. -ENOENT: nothing is kept. */
int shelf_restore(const char *dir, const char *name, struct err *err);
/* Indicators that expired before `now` (seconds) leave the files; *n: how many. Versions before stay. */
int shelf_sweep(const char *dir, int64_t now, uint64_t *n, struct err *err);

#endif
