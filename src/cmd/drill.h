/*
 * khien drill: floods that are rehearsed. Inside of the command; drill/ has bots and patients.
 *
 *   flood   a site of its own, before and after the gate: drill_flood.c, drill_site.c (what it is made of), drill_table.c
 *   load    bots and patients at an address of this machine, once: what others measure with
 */
#ifndef KHIEN_CMD_DRILL_H
#define KHIEN_CMD_DRILL_H

#include "cmd/opt.h"
#include "cmd/words.h"
#include "drill/drill.h"

struct drill_args {
	/* of both */
	uint64_t rate, seconds, sources, connections, patients, seed, think_ms, patience;
	const char *kinds;
	struct opt_list paths;
	bool json;
	/* flood */
	const char *portal;
	bool loopback, cores, shared;
	int language;
	/* load */
	const char *to, *to_tls, *host, *from, *patients_from, *first, *bank, *bank_secret, *bank_account;
	uint64_t patients_sources, arrivals, pages, core;
	bool tls, reads, network48;
};

enum { DRILL_ANY_CORE = 1023, DRILL_TEXT = 64 };

/* --- drill.c --- */

/* "khien drill JOB: WHY" on standard error, safe for a terminal; EXIT_TROUBLE. */
int drill_complain(const char *job, const struct err *err);
/*
 * "kept,new=500,slow" as groups of bots: those without a rate share what is left of a->rate, all share connections; paths and base are
 * borrowed. -EINVAL: which word.
 */
int drill_mix(const struct drill_args *a, const char *const *paths, const char *base, bool has_tls,
              struct drill_bots to[DRILL_BOTS_MAX], size_t *n, struct err *err);

/* --- drill_load.c, drill_flood.c: exit statuses --- */

int drill_load(const struct drill_args *a);
int drill_flood(const struct drill_args *a);

/* --- drill_table.c --- */

/* What one half of a rehearsal came to. */
struct drill_half {
	struct drill_result result;
	double cpu_s, took_s; /* of the site's processes, while it took */
};
struct drill_rehearsal {
	const char *portal; /* NULL: a kiosk */
	bool apart;         /* in namespaces of its own */
	struct drill_half before, after;
	struct buf status; /* what the gate says of itself: GET /status */
};
/* For people; for machines. */
void drill_table(struct buf *out, const struct drill_rehearsal *r, enum language language);
void drill_table_json(struct buf *out, const struct drill_rehearsal *r);

/* --- drill_json.c --- */

/* A result as an object of JSON. */
void drill_json(struct buf *out, const struct drill_result *r);

#endif
