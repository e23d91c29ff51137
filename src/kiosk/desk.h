/*
 * The desk: every question and every change, one after the other, over the database.
 *
 * A call is a JSON object {"op":"book", ...} and its answer another one; ops.h says what each holds. Questions are
 * answered at once. Changes wait for the next round:
 *
 *   ready()            what isn't the same twice (random codes, sealed texts, hashes) is put into the call, and what a change
 *                      may not carry (a name in plain text, a password) is taken out of it
 *   desk_round()       BEGIN; for each: SAVEPOINT, apply(), a row in `change` (seq, epoch, time, call, hash of the answer);
 *                      COMMIT: on the disk
 *   committed()        the round goes to the standby (follow.h), which applies the same calls to its own database
 *   desk_confirmed()   the standby has it, or there is none: everybody is answered
 *
 * apply() looks at the call, its time and the database, and at nothing else: no clock, no random number, no setting that two
 * machines could have differently (settings are rows too). So the standby comes to the same rows and the same answer, whatever
 * database either has; the hash of the answer tells when not.
 */
#ifndef KHIEN_KIOSK_DESK_H
#define KHIEN_KIOSK_DESK_H

#include "base/clock.h"
#include "base/err.h"
#include "kiosk/db.h"
#include "kiosk/seal.h"

#include <jansson.h>

/* Who may; a call says who asks by its "session" (staff), or by the way it came. Bits. */
enum role {
	ROLE_ANYBODY = 1 << 0, /* through the public pages */
	ROLE_CLERK = 1 << 1,
	ROLE_ADMIN = 1 << 2,
	ROLE_BANK = 1 << 3,     /* webhooks: what they say is checked by the op */
	ROLE_HOSPITAL = 1 << 4, /* FHIR: a token of its own */
	ROLE_KIOSK = 1 << 5,    /* the kiosk itself: what time brings */
};

struct hook_secrets;
struct sign_pace;

/*
 * Of a change the desk itself takes "session" out and puts "by" {"staff", "roles", "session": the secret's hash in hex} in,
 * whatever stood there. What ready() puts into `out` is for who asked alone: it goes into the answer of a change that was
 * not refused, where apply() didn't say the same name, and neither into the change nor into its hash.
 */
struct call {
	struct db *db;
	const struct seal *seal;
	const struct hook_secrets *hooks; /* seal_hook.h; NULL: no bank is listened to */
	int64_t now;            /* µs since 1970 UTC; of a change: when it was first taken, also on the standby */
	uint32_t roles;         /* of who asks */
	int64_t staff;          /* who asks; 0: nobody who signed in */
	json_t *in, *out;       /* objects; out is empty at first */
	struct sign_pace *pace; /* of the desk: passwords that were checked lately (staff.h); NULL: unbounded */
};

enum { CALL_REFUSED = 1 };
/* out becomes {"refused": word, "field": field} (field may be NULL): the words are in words.h. Returns CALL_REFUSED. */
int call_refuse(struct call *c, const char *word, const char *field);
/* Borrowed, never NULL; "" and 0 where it isn't there or is something else. true is 1. */
struct str call_text(const struct call *c, const char *name);
int64_t call_number(const struct call *c, const char *name);
void call_say(struct call *c, const char *name, struct str text);
void call_say_number(struct call *c, const char *name, int64_t n);

struct op {
	const char *name;
	uint32_t roles; /* who may */
	bool changes;
	int (*ready)(struct call *c, struct err *err); /* changes only; NULL: nothing to do. May ask the database */
	/* 0; CALL_REFUSED: what it changed is undone; -errno: trouble */
	int (*apply)(struct call *c, struct err *err);
};
/* A room's operations: a const table, ends with a NULL name. desk.c lists the tables. */
extern const struct op booking_ops[], queue_ops[], staff_ops[], payment_ops[], fhir_ops[], setting_ops[], upkeep_ops[];

/* --- the desk itself --- */

struct desk;

struct desk_change {
	int64_t seq, epoch, at;
	struct str call;          /* JSON, compact, keys sorted */
	unsigned char answer[16]; /* seal_hash("answer"), keyed, of the answer: JSON, keys sorted */
};

struct desk_config {
	struct db *db;
	const struct seal *seal;
	const struct hook_secrets *hooks; /* may be NULL */
	const struct clock *clock;
	const struct op *const *tables; /* ends with NULL; NULL: all that are named above */
	/* A round is on this disk; desk_confirmed() with the last one's seq, now or later. Borrowed for the call. NULL: confirmed. */
	void (*committed)(void *arg, const struct desk_change *changes, size_t n);
	/* May changes be taken now? NULL, or the word to refuse with ("standby", "no-standby-word", "stale-epoch"). */
	const char *(*closed)(void *arg);
	void *arg;
};

/* Makes or migrates the schema. -EPROTO: it is of a newer khien; -EKEYREJECTED: it was made with another key file. */
int desk_new(struct desk **ret, const struct desk_config *config, struct err *err);
/* Who still waits isn't told. */
void desk_free(struct desk *d);

/* The answer is the callee's. trouble: {"trouble": words}, when the database can't; then nothing was changed. */
typedef void desk_answer(void *arg, json_t *answer);
/*
 * Takes over `call`. `roles` is what the way that it came permits; a "session" in it may add to it. A question is answered from
 * within. At most 10,000 changes wait: {"refused":"busy"}. The desk itself also refuses with "op" (unknown), "text" (a NUL in it),
 * "session" (none, or it is over), "role" (not theirs), and what closed() said.
 */
void desk_call(struct desk *d, json_t *call, uint32_t roles, desk_answer *answer, void *arg);
/*
 * Writes what waits, at most 256 of it. 0: nothing did, 1: a round was committed; -errno: trouble, which those who wait were
 * told. Except where PostgreSQL went away in the commit: then they wait until the next rounds have found out whether it was done.
 */
int desk_round(struct desk *d, struct err *err);
bool desk_waiting(const struct desk *d);
void desk_confirmed(struct desk *d, int64_t seq);

/* On the standby: the same again. -ESTALE: not the next seq, or of an epoch that is over; -EBADMSG: the answer differs. */
int desk_follow(struct desk *d, const struct desk_change *changes, size_t n, struct err *err);
/* The last change that is on this disk; 0: none is. */
int64_t desk_seq(const struct desk *d);
int64_t desk_epoch(const struct desk *d);
/* From the next round on. Durable when it returns. */
int desk_set_epoch(struct desk *d, int64_t epoch, struct err *err);
/* Changes behind `after`, at most n: for a standby that was away. Borrowed for the call. Returns how many, or -errno. */
int desk_changes(struct desk *d, int64_t after, size_t n, void (*fn)(void *arg, const struct desk_change *), void *arg,
                 struct err *err);

#endif
