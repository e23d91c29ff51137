/*
 * Keeper and front, of the hub and of the kiosk, as the supervisor sees them: started as a pair, watched, ended together, started anew.
 *
 * Both say once a second that they are at work, by a byte through their pipe. Which of them is silent for too long is
 * killed, whatever holds it (it is stopped, hangs, waits for a disk), and so is which doesn't end in time when it has
 * to. What was acknowledged is on the disk by then. The time that the supervisor itself was not running - a machine
 * that slept, Ctrl-Z - counts for nobody's silence.
 *
 * For whoever started this (sd_notify(3)): READY=1 when events are taken, WATCHDOG=1 once a second from the start on, as
 * the two are watched here; EXTEND_TIMEOUT_USEC as long as a start makes progress; STOPPING=1.
 */
#ifndef KHIEN_CMD_HUB_SUPERVISE_H
#define KHIEN_CMD_HUB_SUPERVISE_H

#include "base/err.h"
#include "base/log.h"

/* Why a process ended, as its exit status. */
enum { HUB_ENDED = 0, HUB_DIED = 1 /* it may be started anew */, HUB_HOPELESS = 2 /* nothing would change */ };

/* What goes through the pipe. */
enum supervise_beat {
	BEAT_STARTS, /* it doesn't take events yet: recordings are played, the journal is replayed */
	BEAT_TAKES,
};
/* Sends one, if the last one (*at, monotonic) is a second old. -EPIPE: the supervisor is gone. */
int supervise_beat(int pipe, enum supervise_beat beat, int64_t now, int64_t *at);

enum supervise_part { PART_KEEPER, PART_FRONT, N_PARTS };

/* µs; 0: as it stands behind. */
struct supervise_limits {
	int64_t starting;        /* silent until its first BEAT_TAKES: 5 min */
	int64_t silent[N_PARTS]; /* from then on: keeper 2 min, which waits for the disk; front 1 min */
	int64_t ending;          /* from SIGTERM, or the end of the other, to its own: 30 s */
	int64_t first_wait;      /* before they are started anew: 0.1 s; doubled each time, up to 5 s */
};

struct supervisor {
	const struct clock *clock;
	const struct log *log;
	struct supervise_limits limits;
	const char *ready; /* what it does then, for people: "taking events" */
	/* What either does, in a process of its own; takes both descriptors and returns its exit status, HUB_*. */
	int (*work[N_PARTS])(void *arg, int link, int beat);
	/* Every second: whether to start them anew for the sake of something that renew() then does between two rounds. */
	bool (*due)(void *arg, int64_t now);
	void (*renew)(void *arg);
	/* NULL, or called at least once a second as long as both go on: for what is started beside them. */
	void (*look)(void *arg, int64_t now);
	void *arg;
};

/*
 * Until they end by themselves, SIGTERM, SIGINT, or the terminal that this was started on goes away. SIGHUP goes on to the
 * front. 0; -EIO: they ended badly, which is told.
 */
int supervise(const struct supervisor *s, struct err *err);

/* sd_notify(3) alone, for who watches processes otherwise. false: it could not be said now. */
bool supervise_notify(const char *what);

#endif
