/*
 * The site that a flood is rehearsed against: a kiosk, and plain nginx or the gate in front of it, with data in a folder of their own.
 * Inside of khien drill flood.
 */
#ifndef KHIEN_CMD_DRILL_SITE_H
#define KHIEN_CMD_DRILL_SITE_H

#include "base/buf.h"
#include "base/err.h"
#include "cmd/interrupt.h"

#include <stdbool.h>
#include <sys/types.h>

enum { SITE_PATH = 512, SITE_TEXT = 64, SITE_DAY = 16 };

struct drill_site {
	char folder[SITE_PATH]; /* a temporary one; taken away in the end, also where this process is killed */
	char program[SITE_PATH];
	int alive;             /* who takes it away waits at the other end */
	char front[SITE_TEXT]; /* "ADDR:PORT" where visitors come */
	char front_tls[SITE_TEXT];
	char kiosk[SITE_TEXT];   /* the kiosk behind it, or the portal */
	char bank[SITE_TEXT];    /* where the kiosk is told of money */
	char secret[SITE_TEXT];  /* that is signed with */
	char path[SITE_DAY * 2]; /* of a day's page, the dearest */
	const char *upstream;    /* of a portal: its URL; NULL: the kiosk is ours */
	int core;                /* all of it runs there; -1: anywhere */
	struct interrupt *interrupt;
	pid_t kiosk_pid, front_pid, keeper;
};

/* The folder, secret, program; and with TLS a certificate. host: "127.0.0.1", or the site's in its namespace. */
int drill_site_init(struct drill_site *s, const char *host, bool tls, struct err *err);
void drill_site_done(struct drill_site *s);

/* A kiosk with a hospital in it, its data in FOLDER/name. Up when it returns. */
int drill_site_kiosk(struct drill_site *s, const char *name, struct err *err);
/* Plain nginx as Debian sets it up; or the gate. Up when they return. */
int drill_site_nginx(struct drill_site *s, struct err *err);
int drill_site_gate(struct drill_site *s, struct err *err);
/* What the gate says of itself (GET /status). */
int drill_site_status(const struct drill_site *s, struct buf *json, struct err *err);
/* Ends kiosk and front. */
void drill_site_stop(struct drill_site *s);

/* CPU time of the site's processes until now, those that ended included. */
double drill_site_cpu(const struct drill_site *s);

/* --- drill_kiosk.c --- */

/* Rooms, hours and a bank for the kiosk that runs on this data; path becomes that of a day's page. */
int drill_hospital(const char *data, char path[SITE_DAY * 2], struct err *err);

#endif
