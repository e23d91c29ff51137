/*
 * Load as a flood and its patients bring it: one thread, epoll, thousands of connections, each from an address of its own; bounded in
 * rate, connections, bytes and time. It sends to loopback and to network namespaces that it made, and to nothing else: drill_permits().
 *
 * Kinds of bots, which may be mixed: keeps connections and asks (HTTP/1.1, HTTP/2); a new connection for each request (TCP, TLS); slow
 * ones that send a byte now and then; a mimic that loads a page as a browser does, with cookies, styles and pictures; many behind one address.
 * Patients book and pay at a kiosk as people do, with a browser's patience (30 s), think time and retries; at another portal they open
 * pages and follow its links. Which is a patient is known to the drill alone: nothing in their requests says it.
 */
#ifndef KHIEN_DRILL_DRILL_H
#define KHIEN_DRILL_DRILL_H

#include "base/buf.h"
#include "base/err.h"

#include <netinet/in.h>

enum drill_kind {
	DRILL_KEPT,
	DRILL_NEW,
	DRILL_H2,
	DRILL_TLS,
	DRILL_SLOW,
	DRILL_MIMIC,
	DRILL_COOKIE /* 1 pass, all bots */,
	N_DRILL_KINDS
};
enum drill_people { DRILL_BOOKS, DRILL_READS };

struct drill_bots {
	enum drill_kind kind;
	double rate;              /* requests a second of all of them; 0: as fast as answers come */
	unsigned connections;     /* at once */
	unsigned sources;         /* addresses: from base on */
	const char *base;         /* "10.64.0.0", "127.64.0.0", "2001:db8:64::" */
	const char *const *paths; /* ends with NULL */
	bool network48;           /* IPv6: each in a /64 of its own within one /48 */
};

struct drill_patients {
	enum drill_people what;
	double arrivals;  /* a second, exponential */
	unsigned n;       /* in all; each comes once */
	unsigned sources; /* addresses; 1: all behind one, which `shared_with_bots` have too */
	const char *base;
	double think_s; /* mean between two pages */
	bool shared_with_bots;
	const char *first; /* path where they begin: "/" */
};

struct drill_result;

struct drill {
	struct sockaddr_storage to;
	bool tls;
	const char *host;  /* Host, SNI */
	double seconds;    /* bots; patients that are under way get patience_s more */
	double patience_s; /* 30 */
	uint64_t seed;
	const struct drill_bots *bots;
	size_t n_bots;
	struct drill_patients patients;
	void (*progress)(void *arg, const struct drill_result *so_far); /* once a second; NULL */
	void *arg;
};

struct drill_times {
	uint64_t n;
	double p50_ms, p99_ms, max_ms;
};
struct drill_result {
	double seconds;
	uint64_t sent, answered, by_status[6] /* 1xx to 5xx; 0: cut */, denied /* 429 */, dropped, connections, refused;
	uint64_t patients, served /* reached the end: booked and paid, or read */, patients_denied, patients_waited;
	struct drill_times
	        requests; /* of patients: every request, from its first byte sent, connecting included, to its last byte */
	struct drill_times journeys; /* of patients: from first page to done */
};

/* -EPERM: neither loopback nor in a namespace that this process made. */
int drill_permits(const struct sockaddr_storage *to, struct err *err);
int drill_run(const struct drill *d, struct drill_result *ret, struct err *err);

#endif
