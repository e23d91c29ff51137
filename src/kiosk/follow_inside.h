/* Between follow.c, which keeps time and lines, follow_ask.c (the register), follow_primary.c and follow_standby.c. */
#ifndef KHIEN_KIOSK_FOLLOW_INSIDE_H
#define KHIEN_KIOSK_FOLLOW_INSIDE_H

#include "kiosk/follow.h"
#include "kiosk/follow_message.h"

enum { NEVER = -1 };

struct follow {
	struct follow_config config;
	char name[REGISTER_NAME];
	struct follow_kept kept;
	struct buf frame, body;
	bool up[N_FOLLOW_LINES];
	int64_t heard, said; /* of and to the other kiosk, last */
	int64_t ticked;
	const char *why;
	int64_t copies, garbled, given_up;

	/* the register */
	struct register_value seen;
	bool has_seen;
	int64_t asked;    /* when the last question was sent; NEVER: on this line none was */
	int64_t question; /* its number */
	bool person;      /* waits for told() */
	int64_t person_since;

	/* primary */
	int64_t confirmed;
	bool synced; /* the standby's changes are the first ones of ours */
	int64_t sent, acked, sent_at;
	bool offering, taken; /* the offer was sent; and noted */
	bool joining;         /* alone still, but nothing is confirmed without the standby any more */
	bool joined;          /* the standby has everything, and knows the epoch */
	int64_t apart;        /* not joined since */
	bool wants_copy, copying;
	int64_t held; /* somebody waits for a confirmation since; NEVER: nobody */
	bool gave_up;

	/* standby */
	bool loading;
	bool promoting, sure; /* what a person said waits for the register's word */
	struct desk_change changes[FOLLOW_CHANGES];
};

/* --- follow.c --- */

int64_t follow_now(const struct follow *f);
int64_t follow_seq(const struct follow *f);
/* To the disk first. -errno: nothing was changed. */
int follow_keep(struct follow *f, const struct follow_kept *kept);
void follow_say(struct follow *f, enum follow_line line, const struct message *m);
void follow_hello(struct follow *f);
void follow_hang_up(struct follow *f, const char *why);
void follow_tell(struct follow *f, const char *refused);
/* The identity of change seq: epoch and answer. False: it isn't kept (any more). */
bool follow_change(struct follow *f, int64_t seq, int64_t *epoch, unsigned char answer[16]);

/* Somebody wants it promoted, and the register has just said what it holds. */
void follow_promote_now(struct follow *f);

/* --- follow_ask.c --- */

/*
 * The register is to go to { to, alone }; without one it is so at once. Only from what it was seen to hold: then a "no" is one for
 * good, however late the question comes. -EBUSY: it was asked for something else; -ENOTCONN; -ESTALE: it holds another; -errno.
 */
int follow_want(struct follow *f, int64_t from, int64_t to, bool alone, bool sure);
/* Without asking: a person was sure, or there is no register. */
int follow_grant(struct follow *f, int64_t to, bool alone);
void follow_ask(struct follow *f);
void follow_ask_tick(struct follow *f);
void follow_value(struct follow *f, const struct message *m);
/* The epoch that the register is to go from; NEVER: it isn't known, or it forgot. */
int64_t follow_from(const struct follow *f);

/* --- follow_primary.c --- */

void primary_begin(struct follow *f); /* it is one from here on */
void primary_stale(struct follow *f, const char *why);
void primary_message(struct follow *f, const struct message *m);
void primary_committed(struct follow *f, const struct desk_change *changes, size_t n);
void primary_apart(struct follow *f); /* the line is down */
void primary_settle(struct follow *f);
void primary_tick(struct follow *f);
bool primary_is_alone(const struct follow *f);

/* --- follow_standby.c --- */

void standby_message(struct follow *f, const struct message *m);
void standby_apart(struct follow *f);
void standby_tick(struct follow *f);
void standby_refused(struct follow *f, const struct register_value *v, int64_t from);
/* The epoch that it may say it has everything of; 0: none. */
int64_t standby_epoch(const struct follow *f);
void standby_learns(struct follow *f, int64_t epoch);

#endif
