/*
 * khien kiosk: booking, queue numbers and payment of a hospital. Inside of the command; kiosk/ has what it does.
 *
 *   supervisor       rights of who started it; reads configuration, certificates, keys; binds; starts the two, anew when one ends
 *   ├─ front         user khien-front, no files: pages, webhooks, FHIR (kiosk/web.h)
 *   ├─ courier       user khien-front, no files: bookings to the hospital's FHIR server, where there is one
 *   └─ keeper        user khien, no network but its database, of files that alone: all questions and changes (kiosk/desk.h)
 *      └─ link       user khien-front, no files: lines to the other kiosk and to the register (kiosk/follow.h)
 *
 *   visitor --request--> front --call--> keeper --changes--> link --> standby
 *                        front <-answer- keeper <--"has n"-- link <--
 *
 * The supervisor's sockets listen on while a process is started anew, so that nobody is turned away. Whoever may open
 * DATA/control asks the keeper directly: the other jobs of `khien kiosk` do.
 */
#ifndef KHIEN_CMD_KIOSK_H
#define KHIEN_CMD_KIOSK_H

#include "base/buf.h"
#include "base/log.h"
#include "cmd/config.h"
#include "kiosk/seal.h"
#include "os/link.h"
#include "os/sandbox.h"

#include <jansson.h>

/* Over os/link.h: between front and keeper, and over DATA/control. */
enum kiosk_kind {
	KIOSK_CALL = 1, /* to the keeper: a call (kiosk/ops.h), JSON; seq: its number; n: bits of enum role */
	KIOSK_ANSWER,   /* from it: the answer of number seq, JSON */
	KIOSK_BOARD,    /* to the front: what boards show has changed */
	KIOSK_STATE,    /* to the front, once a second: struct kiosk_state */
	N_KIOSK_KINDS,
};

/* What the keeper says of itself. */
struct kiosk_state {
	uint64_t calls, changes, refused, rounds, given_up;
	int64_t seq, epoch, standby_has;
	uint32_t follow;      /* enum follow_state */
	int32_t trouble;      /* -errno: nothing can be stored now */
	uint32_t per_address; /* the setting */
	char why[256];
};

enum { KIOSK_LISTENERS = 16 };

/* Everything that its processes are started with: each wipes what isn't its own. */
struct kiosk {
	const struct config_kiosk *c;
	const char *user, *front_user; /* who to become; NULL: they stay who they are */
	const struct clock *clock;
	struct log log;
	int listeners[KIOSK_LISTENERS];
	size_t n_listeners, n_http; /* the first n_http of them without TLS */
	int taken;                  /* where the other kiosk is; -1 */
	struct buf chain, key;      /* PEM; empty: no TLS */
	struct buf token;           /* kiosk.hospital.accept_file */
	unsigned char form_key[SEAL_KEY], peer_key[SEAL_KEY], register_key[SEAL_KEY];
	bool demo;
};

/* Enters it, and says which layers this machine doesn't permit. Frees s. */
void kiosk_enter(struct sandbox *s, const char *process, const struct log *log);

/* --- kiosk_certificate.c --- */

/* From the files, or of the hub's CA in hub_data, into k->chain and k->key, which stay as they were on failure. */
int kiosk_certificate(struct kiosk *k, const char *hub_data, struct err *err);
void kiosk_wipe(struct buf *secret);
/* In a process that has no database: PGPASSWORD goes from its environment, and its bytes from where /proc shows them. */
void kiosk_forget_password(void);
/* Appends a small file. */
int kiosk_file(const char *path, struct buf *to, struct err *err);

/* --- the processes: their exit status; each in a process of its own, and takes the descriptors --- */

int kiosk_keeper(struct kiosk *k, int link, int beat);
int kiosk_front(struct kiosk *k, int link, int beat);
/* keeper: a stream socket that speaks kiosk/follow.h's wire; the process ends with it. */
int kiosk_link(struct kiosk *k, int keeper);
/* --- kiosk_ask.c: from outside of a kiosk that runs --- */

struct kiosk_line;
/* -ECONNREFUSED, -ENOENT: it doesn't run; -EACCES: whose it is not. */
int kiosk_line_open(struct kiosk_line **ret, const char *data, struct err *err);
void kiosk_line_close(struct kiosk_line *l);
/* Asks and waits, a minute at most. Takes over `call`; the answer is the caller's. -EREMOTEIO: "trouble", in err. */
int kiosk_ask(struct kiosk_line *l, json_t *call, json_t **answer, struct err *err);
/* The listening end, for the keeper. */
int kiosk_control(const char *data, const char *user, struct err *err);

/* --- jobs --- */

/* kiosk_jobs.c: the one that argv[1] names; its exit status. -1: it names none. */
int kiosk_job(int argc, char **argv);
/* kiosk_backup.c: the same, for backup and restore. */
int kiosk_backup(int argc, char **argv);
/* kiosk_register.c: argv[0] is its name */
int kiosk_register_job(int argc, char **argv);
/* "khien kiosk JOB: WHY" on standard error, safe for a terminal; EXIT_TROUBLE. */
int kiosk_complain(const char *job, const struct err *err);

/* --- beside the two, asking through DATA/control; each in a process of its own: its exit status --- */

/* kiosk_courier.c: what waits in the outbox goes to the hospital. */
int kiosk_courier(const struct kiosk *k);

/* kiosk_demo.c: fills the kiosk with a hospital's day, and goes on as its bank and its patients. */
int kiosk_demo(const struct kiosk *k);
/*
 * Makes DATA one of a demo: begun anew, with the secrets that its bank signs with. -EEXIST: there is a database in it that is none
 * of a demo's.
 */
int kiosk_demo_folder(const char *data, struct err *err);

#endif
