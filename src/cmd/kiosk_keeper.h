/* The keeper of khien kiosk, in its parts. Inside of the command. */
#ifndef KHIEN_CMD_KIOSK_KEEPER_H
#define KHIEN_CMD_KIOSK_KEEPER_H

#include "cmd/kiosk.h"
#include "kiosk/desk.h"
#include "kiosk/follow_desk.h"
#include "kiosk/frames.h"
#include "kiosk/seal_hook.h"

enum { FRONT, ASKERS = 9 /* the front, and as many as may be at DATA/control */, POLLED = ASKERS + 2 };
static const unsigned NOBODY = ~0U;

struct asker {
	struct link link;    /* fd -1: nobody */
	uint32_t may;        /* bits of enum role */
	uint32_t generation; /* of who is there: answers for the one before are for nobody */
};

/* An answer that somebody waits for. */
struct reply {
	struct keeper *keeper;
	struct reply *next, **before;
	unsigned asker; /* NOBODY: it is not wanted any more */
	uint32_t generation;
	uint64_t number;
	bool board; /* what boards show changes with it */
};

struct keeper {
	struct kiosk *kiosk;
	struct db *db;
	struct seal *seal;
	struct hook_secrets *hooks;
	struct desk *desk;
	struct asker askers[ASKERS];
	struct reply *replies;
	int control, lock, beat_pipe;
	/* the other kiosk; line -1, follow NULL: there is none */
	struct follow *follow;
	struct follow_desk disk;
	struct frames frames;
	int line;
	pid_t link_pid;
	bool dials, lost;
	int64_t desk_seen;
	/* who waits for follow_promote() or follow_alone() */
	bool asked;
	unsigned asked_by;
	uint32_t asked_generation;
	uint64_t asked_number;
	struct kiosk_state state;
	bool board;
	int64_t said_at, ticked_at, upkeep_at, beat, trouble_at; /* monotonic */
};

void keeper_call(struct keeper *k, json_t *call, uint32_t roles, unsigned asker, uint64_t number);
void keeper_answer(struct keeper *k, unsigned asker, uint64_t number, json_t *answer);

/* Everybody who waits is refused with this word; what the desk says to them later is for nobody. */
void keeper_give_up(void *keeper, const char *word);
/* Anew, where there is one. */
int keeper_open_desk(void *keeper, struct err *err);

/* --- kiosk_keeper_follow.c; where no other kiosk is configured nothing is done --- */

/* Forks the link, before any key is read. */
int keeper_start_link(struct keeper *k, struct err *err);
int keeper_open_follow(struct keeper *k, struct err *err);
/* 0, or -errno: the link is gone. */
int keeper_hear_link(struct keeper *k);
void keeper_tick(struct keeper *k, int64_t now);

/* --- kiosk_keeper_admin.c: what only DATA/control may --- */

/* Whether it was one of these: then it is answered, or will be. */
bool keeper_admin(struct keeper *k, unsigned asker, uint64_t number, json_t *call);
/* A follow_config's told(). */
void keeper_told(void *keeper, const char *refused);

#endif
