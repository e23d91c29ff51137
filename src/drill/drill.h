/*
 * Load as a flood and its patients bring it: epoll, thousands of connections, each from an address of its own; bounded in rate,
 * connections, bytes and time. It sends to loopback and to the namespaces that it made, and to nothing else: drill_permits().
 *
 *   drill_run ─┬─ bots      a process: schedules by time, reads as little as it can (bots.c)
 *              ├─ mimics    a process: browsers that read on and on (visit.c)
 *              └─ patients  a process: browsers with somewhere to get to, and a watch (patient.c)
 *
 * Bots never delay what is measured of patients: they share no loop with them. Each process tells once a second, over a pipe.
 *
 * Kinds of bots, which may be mixed: keeps connections and asks (HTTP/1.1, HTTP/2); a new connection for each request (TCP, TLS); slow
 * ones that send a byte now and then; a mimic that loads a page as a browser does, with cookies, styles and pictures; one cookie that all
 * share. Bots and patients with the same base and one source are behind one address.
 * Patients book and pay at a kiosk as people do, with a browser's patience (30 s), think time and retries; at another portal they open
 * pages and follow its links. Which is a patient is known to the drill alone: nothing in their requests says it.
 */
#ifndef KHIEN_DRILL_DRILL_H
#define KHIEN_DRILL_DRILL_H

#include "base/buf.h"
#include "base/err.h"
#include "drill/measure.h"

#include <netinet/in.h>

enum { DRILL_RATE_MAX = 200000, DRILL_SECONDS_MAX = 600, DRILL_CONNECTIONS_MAX = 20000, DRILL_PATIENTS_MAX = 20000 };
enum { DRILL_BOTS_MAX = 16 };

enum drill_kind {
	DRILL_KEPT,
	DRILL_NEW,
	DRILL_H2,
	DRILL_TLS, /* a handshake for each request */
	DRILL_SLOW,
	DRILL_MIMIC,
	DRILL_COOKIE, /* 1 pass, all bots */
	N_DRILL_KINDS
};
/* "kept", "new", ... */
const char *drill_kind_name(enum drill_kind kind);
enum drill_people { DRILL_BOOKS, DRILL_READS };

struct drill_bots {
	enum drill_kind kind;
	double rate;              /* requests a second of all of them; 0: as fast as answers come */
	unsigned connections;     /* at once */
	unsigned sources;         /* addresses: from base on; each connection has the next */
	const char *base;         /* "10.64.0.0", "127.64.0.0", "2001:db8:64::" */
	const char *const *paths; /* ends with NULL */
	bool network48;           /* IPv6: each in a /64 of its own within one /48 */
};

struct drill_patients {
	enum drill_people what;
	double arrivals;  /* a second, at any moment within n / arrivals */
	unsigned n;       /* in all; each comes once */
	unsigned sources; /* addresses; 1: all behind one */
	const char *base;
	double think_s; /* mean between two pages */
	const char *first;
	unsigned pages; /* of who reads: so many, then he has what he came for */
	/*
	 * Who books: the bank that tells the kiosk of the money, signed with this secret, at an address that isn't flooded. bank.ss_family
	 * 0: nobody pays, the ticket is the end.
	 */
	struct sockaddr_storage bank;
	const char *bank_secret, *bank_account;
};

struct drill_network; /* namespace.h */

struct drill {
	struct sockaddr_storage to, to_tls; /* where HTTP and HTTPS are spoken; ss_family 0: isn't */
	bool tls;                           /* patients, and kinds that could do without, take to_tls */
	const char *host;                   /* Host, SNI */
	const struct drill_network *own;    /* the namespaces that were made for it; NULL: loopback */
	double seconds;                     /* bots; patients that are under way get patience_s more */
	double patience_s;                  /* 30 */
	uint64_t seed;
	const struct drill_bots *bots;
	size_t n_bots;
	struct drill_patients patients;
	int core; /* all of it runs on this one; -1: anywhere */
	/* Once a second; NULL. False ends it. */
	bool (*progress)(void *arg, const struct drill_result *so_far);
	void *arg;
};

/* -EPERM: neither loopback nor in the namespace that was made. -EAFNOSUPPORT: no address of the internet. */
int drill_permits(const struct sockaddr_storage *to, const struct drill_network *own, struct err *err);
/* Is it within all bounds, and does it go where it may? -EINVAL, -EPERM. */
int drill_check(const struct drill *d, struct err *err);
/* 0; -ECANCELED: progress ended it, ret is what there was until then. */
int drill_run(const struct drill *d, struct drill_result *ret, struct err *err);

#endif
