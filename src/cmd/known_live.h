/*
 * The hub's feeds in a process that opens no files: an opener's OPENER_WORK (known_work()) reads them with the rights
 * that the opener kept and makes the set in a sandbox; here it is taken through a pipe, and replaces the one before
 * between two events. Whatever goes wrong, the set before stays.
 */
#ifndef KHIEN_CMD_KNOWN_LIVE_H
#define KHIEN_CMD_KNOWN_LIVE_H

#include "intel/set.h"
#include "os/loop.h"
#include "os/opener.h"

struct known_live_config {
	struct loop *loop;
	struct opener *opener;
	size_t item; /* of the opener: an OPENER_WORK of known_work, whose arg is the folder */
	/* A set is here: it is the callee's, intel_set_free(). stamp: of shelf_stamp(). Returns as a loop_fn does. */
	int (*use)(void *arg, struct intel_set *set, uint64_t stamp);
	void (*refused)(void *arg, const char *why);
	void *arg;
};

struct known_live;
int known_live_new(struct known_live **ret, const struct known_live_config *config, struct err *err);
void known_live_free(struct known_live *k);
/* Begins; one that is under way begins anew. A loop_fn's results. */
int known_live_start(struct known_live *k);
/* For whoever has nothing else to do before the first set is here: one is under way; waits for some of it. */
bool known_live_busy(const struct known_live *k);
int known_live_wait(struct known_live *k, int timeout_ms);

#endif
