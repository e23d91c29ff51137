/*
 * From the spool to a hub: as many records as make a good request, acknowledged by the spool once the hub has said that
 * they are durable, and sent again otherwise. What no hub will ever take is let go, counted and told.
 *
 *   200          done with
 *   400, 413, 422   where it is a khien that says so (what stands before a hub says such things for reasons of its own):
 *                half as many, down to one, which is set aside; but not two without a 200 between: then it is the hub
 *   401, 403     this post isn't known, or may not: told, tried again every few minutes; nothing is let go
 *   429          it has no room: when it says
 *   5xx, others, no answer, half an answer     the next hub after two in a row, later and later
 */
#ifndef KHIEN_POST_UPLINK_H
#define KHIEN_POST_UPLINK_H

#include "os/spool.h"
#include "post/client.h"
#include "post/hubs.h"

struct uplink;

enum uplink_note {
	UPLINK_UP,       /* a hub takes events again: which */
	UPLINK_DOWN,     /* which, why */
	UPLINK_DENIED,   /* which, why */
	UPLINK_REJECTED, /* how many, why: they were let go */
	UPLINK_SPOOL,    /* the spool can't be read, or its cursor written: "", why */
};

struct uplink_config { /* borrowed */
	struct spool *spool;
	struct client *client;
	struct hubs *hubs;
	const char *const *names; /* of hubs */
	const struct clock *clock;
	const char *dir; /* where rejected.c sets aside; NULL: nowhere */
	void (*note)(void *arg, enum uplink_note what, const char *a, const char *b);
	void *arg;
};

int uplink_new(struct uplink **ret, const struct uplink_config *config, struct err *err);
void uplink_free(struct uplink *u);
/* Sends what is there, if it is time. Now and then, and when something was synced. */
void uplink_run(struct uplink *u);
bool uplink_is_busy(const struct uplink *u);

struct uplink_counts {
	uint64_t requests, events, bytes; /* that a hub took; bytes as sent */
	uint64_t known, bad;              /* of those: it had them; it could make no event of them */
	uint64_t rejected;                /* let go */
	uint64_t failures;
	bool up;
	int64_t last; /* wall clock of the last 200; 0: none */
};
const struct uplink_counts *uplink_counts(const struct uplink *u);

#endif
