/* Between desk.c, which takes calls and answers them, and desk_log.c, which keeps the changes. */
#ifndef KHIEN_KIOSK_DESK_INSIDE_H
#define KHIEN_KIOSK_DESK_INSIDE_H

#include "kiosk/desk.h"
#include "kiosk/staff.h"

enum {
	DESK_ROUND = 256,     /* changes in one transaction */
	DESK_WAITING = 10000, /* changes that nobody was answered yet */
	DESK_AGAIN_MS = 1000, /* so often a database that went away is tried */
};

/* A change on its way. */
struct waiter {
	struct waiter *next;
	const struct op *op;
	json_t *in;   /* the call */
	json_t *said; /* what ready() said */
	json_t *out;  /* the answer */
	int64_t at, staff, seq /* what it has to wait for */;
	uint32_t roles;
	desk_answer *answer;
	void *arg;
};

struct waiters {
	struct waiter *first, **end;
	size_t n;
};

struct desk {
	struct desk_config config;
	int64_t seq, epoch, confirmed;
	struct waiters waiting; /* for a round */
	struct waiters round;   /* in it; longer than that only where it isn't known whether it was committed */
	struct waiters unheard; /* committed, to be confirmed */
	struct desk_change changes[DESK_ROUND]; /* of the round; their texts are freed with it */
	size_t n_changes;
	bool doubt; /* the round was sent to be committed, and no answer came */
	bool away;  /* the database went away; tried again from then on: */
	int64_t again;
	bool unsure; /* what was followed may or may not be in the database */
	struct sign_pace pace;
};

/* --- desk.c --- */

const struct op *desk_op(const struct desk *d, struct str name);
struct call desk_call_of(struct desk *d, const struct waiter *w);
/* Who asks, as "by" in the call says: it was looked up when the call came. */
void desk_by_whom(struct waiter *w);

/* --- desk_log.c --- */

/* Makes or checks the schema; seq and epoch. */
int desk_log_open(struct desk *d, struct err *err);
int desk_log_add(struct desk *d, const struct desk_change *change, struct err *err);
/* 1: this change is in the database; 0: it isn't, and won't be; -errno: can't say yet. */
int desk_log_has(struct desk *d, const struct desk_change *change, struct err *err);
/* JSON as it is kept: compact, keys sorted. The caller frees it; NULL: no memory. */
char *desk_log_text(const json_t *json);
int desk_log_hash(const struct seal *seal, const json_t *answer, unsigned char hash[SEAL_HASH], struct err *err);

#endif
