/*
 * Logs as they are written: files followed through their rotations, the journal, and syslog over UDP, TCP and TLS.
 * What comes goes on in batches to whoever takes it, with the origin it has.
 *
 *   opener process --descriptors--> follow   (files, the journal) --batches--> taker
 *                                   listener (syslog)             --batches--> taker
 *
 * One thread, which is the caller's loop. Once they are made nothing here opens a file or makes a socket, so all of it
 * works within the sandbox.
 */
#ifndef KHIEN_COLLECT_COLLECT_H
#define KHIEN_COLLECT_COLLECT_H

#include "base/log.h"
#include "collect/place.h"
#include "intake/intake.h"
#include "intake/sender.h"
#include "os/loop.h"
#include "os/opener.h"

/* --- origins and takers --- */

enum origin_kind { ORIGIN_STREAM, ORIGIN_FILE, ORIGIN_JOURNAL };

/* One origin of records. */
struct origin {
	enum origin_kind kind;
	const char *name;      /* for people: a path, "journal", a listener's address */
	struct sender *sender; /* what the taker's sender() gave; NULL: there is none */
	uint64_t line_base;    /* lines that stood in the file before the first one read; LINE_UNKNOWN: not known */
	int64_t time; /* of the newest batch's last event: for the taker to say, as logs are read side by side by it */
	bool skip_told; /* the taker's own */
	/* The rest is for the functions below. */
	const char *head; /* FILE: its first bytes, PLACE_HEAD of them once it is as long */
	uint32_t head_len;
	uint64_t base;          /* FILE: offset of the first byte that was fed */
	uint64_t known;         /* FILE: what lies before this offset was settled before a restart */
	uint64_t fresh;         /* FILE: what lies behind this offset was not read by a run before */
	int64_t since;          /* and the rest not before this time, µs since 1970 UTC */
	struct place_cursor at; /* JOURNAL: of the last entry that was taken */
	struct place_cursor
	        until; /* JOURNAL: up to here it was settled before a restart; empty: nothing more of it comes */
};
#define LINE_UNKNOWN UINT64_MAX

enum { COLLECT_ID = 16 };

/*
 * The id of a record of a file or the journal, within take(): the same whenever it is read, also from a copy of its
 * file that was renamed or compressed. False: of a stream, where nothing tells a record from its repetition.
 */
bool collect_event_id(const struct origin *o, const struct record *r, unsigned char id[COLLECT_ID]);
/*
 * Whether it was settled before a restart, and is read again for what depends on it. To be called for each record that
 * could be read, once and in their order; time: of its event, 0: none.
 */
bool collect_known(struct origin *o, const struct record *r, int64_t time);
/*
 * Since when the same record may have been taken: by a run before, where it was read but not settled before a restart.
 * `now`, when it is read: it is read for the first time.
 */
int64_t collect_since(const struct origin *o, const struct record *r, int64_t now);
/* Which line of its file it begins at; 0: not known. */
uint64_t collect_line(const struct origin *o, uint64_t line);

enum collect_note {
	NOTE_WATCHING,    /* a: what */
	NOTE_BACK,        /* a: what could not be watched for a while */
	NOTE_NOT_WATCHED, /* a: what, b: why */
	NOTE_CATCHING_UP, /* a: what, b: how much */
	NOTE_EMPTIED,     /* a: what, b: how much of it was read */
	NOTE_MAY_BE_LOST, /* a: what, b: how much */
	NOTE_NO_PLACES,   /* a: why how far logs were read isn't kept */
	NOTE_TURNED_AWAY, /* a: who, b: why: a TLS client; one a while is told, all are counted */
	N_COLLECT_NOTES
};

/* Borrowed by all that are given one. NULL stands for functions that nobody needs. */
struct taker {
	/*
	 * A batch, now the taker's. Its origin is valid during the call. 0; -EAGAIN: there is no room, and it stays where
	 * it was: no more is read there until it was taken, which is tried in the next follow_poll() or listener_room().
	 * Any other -errno, and the batch is gone: all is to end with it.
	 */
	int (*take)(void *arg, struct origin *o, struct batch *b);
	/* A record or a stretch of bytes could not be used. */
	void (*skip)(void *arg, struct origin *o, uint64_t line, const char *reason);
	/* Something to know; b may be NULL. */
	void (*note)(void *arg, enum log_level level, enum collect_note what, const char *a, const char *b);
	/*
	 * Who sends: a path, "journal", "syslog-udp 10.0.0.5", "syslog-tcp 2001:db8::1", "syslog-tls NAME (10.0.0.5)"
	 * where NAME is the common name of a certificate that was verified. NULL: nobody asks, and a listener is one
	 * origin whoever sends.
	 */
	struct sender *(*sender)(void *arg, struct str name);
	/* Nothing that is followed will give an event before `time`; INT64_MAX: all were read to their end. NULL */
	int (*reached)(void *arg, int64_t time);
	/*
	 * Whether all that follow handed on is settled, so that it never has to be read again: 1, 0, or -errno to end.
	 * `must`: it is the end, or so long was not settled that what can be done for it is to be done. NULL: it always is.
	 */
	int (*settled)(void *arg, bool must);
	void *arg;
};

/* --- sources.c: what there is to collect --- */

enum { SOURCES_MAX = 128 };

/* What the opener is started with. Names live in the arena. */
struct sources {
	struct arena arena;
	struct opener_item items[SOURCES_MAX + 2]; /* with room for two that the caller adds */
	const char *shown[SOURCES_MAX];            /* the name for people, and of `file` in matches */
	bool optional[SOURCES_MAX];                /* not there: nobody needs to be told */
	size_t n;
	char no_journal[512]; /* why the journal is not among them; empty: it is, or wasn't wanted */
};

struct sources_config {
	const char *const *files; /* paths and patterns */
	size_t n_files;
	/* Paths that somebody else than this machine's people named, each below a folder of theirs: opener.h, `below`. */
	const char *const *ordered, *const *below;
	size_t n_ordered;
	const char *own; /* what another part of khien writes on this machine, and need not be there; NULL: nothing */
	bool machine;    /* this machine's text logs, those that the journal has too only where there is none */
	bool journal;    /* wanted, where there is one */
	const char *const *syslog, *const *syslog_tls; /* "ADDR:PORT"; the first over UDP and TCP */
	size_t n_syslog, n_syslog_tls;
};
int sources_find(struct sources *s, const struct sources_config *config, struct err *err);
void sources_done(struct sources *s);

/* --- follow.c: files and the journal --- */

struct follow;
struct follow_config { /* all borrowed */
	const struct taker *taker;
	struct opener *opener;
	const struct sources *sources;
	struct places *places; /* NULL: where it stands is not kept */
	const struct clock *clock;
	int64_t horizon; /* µs: so much is read again after a restart, for correlations; 0: nothing */
	/*
	 * Bytes, 4 MiB at least: no more is read behind what was saved, so that after a restart it is known what is read for
	 * the first time (collect_since()). While it can't be saved, reading waits. 0: no bound, nothing is known.
	 */
	uint64_t ahead;
};
/*
 * A file that is there at the very first start is read from its end on, one that appears later from its start; after a
 * restart everything from where the run before stood.
 *
 * What is saved is never ahead of what is settled: a record that was taken and got lost is read again, and has the
 * same id. A taker that settles later (durable with the next group commit) calls follow_poll() only while nothing that
 * follow handed on is unsettled: then each poll's records are settled, and saved, before the next; 4 MiB a poll and
 * -EAGAIN bound what is under way.
 */
int follow_logs_new(struct follow **ret, const struct follow_config *config, struct err *err);
void follow_logs_free(struct follow *f);
/*
 * Reads what is there, up to a bound; *more: it was reached. It ends early where the taker has no room, and the next
 * call goes on there. Trouble is told by notes. -errno: end.
 */
int follow_poll(struct follow *f, bool *more);
/* Older events are still to come: the clock must not move event time on. */
bool follow_behind(const struct follow *f);
/* Saves where it stands if all is settled; at most twice a second anything is done, or at_once. */
int follow_save(struct follow *f, bool at_once);
/* The end: the last records go on, also those whose end is not sure. follow_save() comes after it. */
int follow_end(struct follow *f);
/* When all were last read to their end (monotonic µs). */
int64_t follow_caught_up(const struct follow *f);
bool follow_has_any(const struct follow *f);

/* --- net.c: syslog over the network --- */

/*
 * UDP: a message a datagram (RFC 5426). TCP: a message a line, or with its length before it (RFC 6587), told by the
 * first byte. TLS: the same over TLS 1.2 or 1.3 (RFC 5425, RFC 9662). A message's inner line breaks become blanks; one
 * that its connection's end cut off behind its length is skipped.
 *
 * A connection that is over the bounds is closed, and counted. When the table is full, the one gives way that for
 * longest has been silent (10 minutes) or in the middle of a message (30 s). One peer, an IPv4 address or an IPv6 /64,
 * may hold a quarter of the table, and a quarter of the handshakes.
 */
struct listener_tls {
	struct str certificate, key; /* PEM: the chain, its key */
	struct str ca;               /* PEM: a client shows a certificate that one of these signed, for that use */
	bool any;                    /* clients need none */
	unsigned max_handshakes;     /* at a time; 0: 64 */
};

struct listener_config {       /* borrowed but fd; tls is read at once */
	enum opener_kind kind; /* UDP, TCP, TLS */
	int fd;                /* taken, also when it fails */
	const char *name;      /* of the origin, for people */
	const struct taker *taker;
	struct loop *loop;
	const struct clock *clock;
	const struct listener_tls *tls;
	unsigned max_connections; /* 0: 256 */
	size_t max_message;       /* bytes; 0: 256 KiB */
};

struct listener;
int listener_new(struct listener **ret, const struct listener_config *config, struct err *err);
/* What came whole is handed on before; what finds no room then is lost, and counted with its sender. */
void listener_free(struct listener *l);
/* At least once a second: deadlines, and what the kernel had to drop. A loop_fn's results. */
int listener_tick(struct listener *l);
/* The taker has room again: what waits is handed on, what was not read is read. Not from within take(). */
int listener_room(struct listener *l);
/* TLS with another certificate: for connections from now on. */
int listener_renew(struct listener *l, const struct listener_tls *tls, struct err *err);

struct listener_counts {
	unsigned connections, handshakes; /* now; those that shake hands are among the connections */
	uint64_t accepted;
	uint64_t refused; /* connections over the bounds, or closed to make room */
	uint64_t denied;  /* TLS: handshakes that failed: no or another's certificate, no TLS, too slow */
	uint64_t dropped; /* UDP: datagrams that the kernel dropped before they could be read */
	uint64_t lost;    /* messages that were cut off */
};
struct listener_counts listener_counts(const struct listener *l);
/* Of those, what may have been messages and didn't come through. */
uint64_t listener_shed(const struct listener *l);

#endif
