/*
 * Two kiosks, one of which follows: what was confirmed stands on both disks.
 *
 *   primary  ----changes---->  standby      TLS 1.3 with the pre-shared key that both derive from their key file (pass.h);
 *            <----"have n"---               the standby dials
 *
 * A change is answered when the standby has it on its disk, or when nobody but this one can be primary any more. One round is on
 * its way at a time; the next one is gathered meanwhile (follow_may_round()). The *write epoch* says who may write: each message
 * carries it, and who sees a higher one than its own stops writing for good ("stale-epoch").
 *
 * The *register* (register.h) holds the epoch where neither kiosk does, and changes it only from the value that was named:
 *
 *   { epoch, holder, alone }
 *
 *   promote     the standby sets epoch e to e + 1, itself the holder: e is the one that it followed in, having everything.
 *               Refused when the primary went on alone meanwhile, for that raised the epoch too: the standby lacks what was
 *               confirmed then, and says so.
 *   go alone    the primary, whose standby was silent for 2 s, sets e to e + 1, alone. Refused when the standby was promoted:
 *               then it is stale. Until the register has answered nothing is confirmed, and callers wait.
 *   together    the standby has caught up and has noted that e + 1 may come (the offer): the primary, which from here on
 *               confirms nothing without the standby, sets e + 1, not alone, and tells it.
 *
 * So of two that can't see each other one at most goes on, whichever asked first, and what the other had confirmed is in the one
 * that goes on. What is asked of the register is written down before it is sent, and asked again until it is answered, also after a
 * restart: a question that was lost, doubled or late changes nothing. The register is `khien kiosk register` on a third machine
 * (the gate's). Without one, a primary that has lost its standby stops confirming until a person says `khien kiosk alone`, and
 * `khien kiosk promote` asks the person to make sure that the other one is off.
 *
 * Callers of a primary in FOLLOW_WAITING wait 5 s; then they are refused, "no-standby-word", and so is who comes later until it may
 * confirm again. What was refused so may still come to hold: forms carry `once`, so that asking again gives the same answer.
 *
 * A standby whose last change isn't the primary's (an old primary's rounds that nobody was told of), or whose next one the primary
 * has no more, is copied anew (snapshot.h), by a primary that is alone. A log of one epoch has one writer, so that equal (seq, epoch)
 * of the last change means equal changes before it.
 *
 * Holds against: lines that are cut, slow, or carry old bytes; kiosk, database or register killed at any moment, and restarted with
 * the disk they had; either clock wrong. Who has no key can't speak (TLS), and can cut lines: then callers wait, or one goes on alone.
 * Doesn't hold against: a disk that forgets what it took (a kiosk that notices stops; a standby put back from an old copy has to be
 * copied anew: follow_rejoin()), a person who was sure and wrong, who has the key file.
 */
#ifndef KHIEN_KIOSK_FOLLOW_H
#define KHIEN_KIOSK_FOLLOW_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "kiosk/desk.h"
#include "kiosk/register.h"

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

enum {
	FOLLOW_TICK_MS = 100,       /* how often follow_tick() is to be called */
	FOLLOW_FRAME_MAX = 8 << 20, /* bytes; the largest call there may be has to fit in */
	FOLLOW_AT_ONCE = 128 << 10, /* bytes of changes or rows that are sent before an answer is waited for */
	FOLLOW_CHANGES = 256,       /* of one frame */
	FOLLOW_PING_US = 500000,
	FOLLOW_SILENCE_US = 2000000,
	FOLLOW_PATIENCE_US = 5000000,  /* of callers */
	FOLLOW_ASK_AGAIN_US = 1000000, /* the register */
	FOLLOW_LOOK_ROUND_US = 10000000,
};

/* To whom a line goes. A line is up or down; what is sent while it is up comes in order, or the line goes down. */
enum follow_line { FOLLOW_PEER, FOLLOW_REGISTER, N_FOLLOW_LINES };

/* What outlives a restart: written to the disk before anything that rests on it is said. */
enum follow_role { FOLLOW_AS_PRIMARY, FOLLOW_AS_STANDBY, FOLLOW_AS_STALE, N_FOLLOW_ROLES };
struct follow_kept {
	enum follow_role role;
	bool alone;       /* primary */
	int64_t epoch;    /* primary: it writes in; standby: has everything of, 0: of none */
	int64_t offered;  /* standby: the epoch that may have begun without its knowing. 0: none */
	int64_t known;    /* the highest that it has ever heard of */
	int64_t from, to; /* the register was asked to go from `from` to `to`; to 0: it wasn't */
	bool to_alone, sure;
};

/* What it needs of the disk; follow_desk.h has the one over a desk. Each 0 or -errno, durable when it returns. */
struct follow_store {
	void *arg;
	int64_t (*seq)(void *arg);
	int (*changes)(void *arg, int64_t after, size_t n, void (*fn)(void *arg, const struct desk_change *),
	               void *fn_arg, struct err *err); /* as desk_changes() */
	int (*follow)(void *arg, const struct desk_change *changes, size_t n, struct err *err);
	void (*confirmed)(void *arg, int64_t seq);
	int (*load)(void *arg, struct follow_kept *ret, struct err *err); /* -ENOENT: nothing was kept yet */
	int (*keep)(void *arg, const struct follow_kept *kept,
	            struct err *err); /* and the desk's epoch, of a primary */
	/* A copy of everything, piece by piece, all of one moment. 1: there is more; 0: that was the last */
	int (*copy_read)(void *arg, bool first, struct buf *out, struct err *err);
	/* Takes pieces; all of it holds, or what was there before. */
	int (*copy_write)(void *arg, bool first, struct str piece, bool last, struct err *err);
	void (*copy_stop)(void *arg); /* either way; harmless where there is none */
};

struct follow_config {
	const struct clock *clock;        /* its monotonic time alone is used */
	const struct follow_store *store; /* borrowed */
	const char *name;                 /* of this kiosk, in the register: one of the two has it; copied */
	bool standby;                     /* what it is at the very first start; then the disk says */
	bool has_peer, has_register;
	int64_t promote_after_us; /* a promotable standby promotes itself when the primary was silent so long; 0: never */
	void (*send)(void *arg, enum follow_line line, struct str frame); /* borrowed for the call */
	void (*drop)(void *arg, enum follow_line line);                   /* hang up; follow_line() says down later */
	void (*give_up)(void *arg,
	                const char *word); /* who waits for a round or for its confirmation is refused with it */
	void (*told)(void *arg, const char *refused); /* what came of follow_promote(), follow_alone(); NULL: done */
	void *arg;
};

struct follow;

/* -EBADMSG: what was kept makes no sense; -EINVAL: the name. */
int follow_new(struct follow **ret, const struct follow_config *config, struct err *err);
void follow_free(struct follow *f);

/* A line is up (anew), or down. */
void follow_line(struct follow *f, enum follow_line line, bool up);
/* A frame came; one that makes no sense drops the line, counted. */
void follow_frame(struct follow *f, enum follow_line line, struct str frame);
/* Every FOLLOW_TICK_MS. */
void follow_tick(struct follow *f);

/* For desk_config: committed() and closed(). */
void follow_committed(struct follow *f, const struct desk_change *changes, size_t n);
const char *follow_closed(const struct follow *f); /* NULL, "standby", "stale-epoch", "no-standby-word" */
/* May desk_round() be called: the last round was confirmed; or closed, and then it refuses those who wait for one. */
bool follow_may_round(const struct follow *f);
/* Whether the link is to dial the other kiosk (it always listens). May change with every call above. */
bool follow_dials(const struct follow *f);

/*
 * What a person says; told() answers, at once or later, once each. sure: also where the register is away or there is none, or where
 * this one is known to lack something: the other one has to be off. Words: "not-standby", "catches-up", "primary-went-on",
 * "no-register", "not-primary", "is-primary", "busy", "disk" and, of the register, "register-forgot".
 */
void follow_promote(struct follow *f, bool sure);
/* The primary goes on without its standby; without a register only by this. */
void follow_alone(struct follow *f, bool sure);
/* A stale one, or a standby put back from an old copy, follows from anew, and loses what only it had. -EINVAL: it is primary. */
int follow_rejoin(struct follow *f, struct err *err);

struct follow_status {
	enum follow_state state;
	int64_t epoch, seq, confirmed, standby_has; /* standby_has: of a primary; 0: not known */
	bool up[N_FOLLOW_LINES];
	bool copying;
	const char *why;                   /* a word: why it isn't paired or promotable, or is stale; "" */
	int64_t copies, garbled, given_up; /* counted since the start */
	struct register_value seen;        /* what the register said last */
};
void follow_status(const struct follow *f, struct follow_status *ret);

/*
 * Between keeper and link, over a socketpair: frames (frames.h) whose first byte is one of these and whose second is the line.
 * The link dials the register always, the other kiosk from FOLLOW_DIAL to FOLLOW_LISTEN, again after each FOLLOW_DOWN; a new line
 * from the other kiosk replaces the old one (FOLLOW_DOWN, then FOLLOW_UP).
 */
enum follow_wire {
	FOLLOW_UP = 1, /* link -> keeper */
	FOLLOW_DOWN,
	FOLLOW_FRAME, /* both ways: the rest is the frame */
	FOLLOW_DROP,  /* keeper -> link */
	FOLLOW_DIAL,
	FOLLOW_LISTEN,
	N_FOLLOW_WIRE,
};

#endif
