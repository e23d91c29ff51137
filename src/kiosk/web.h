/*
 * The kiosk over HTTP: pages for patients, counter, board and admin, webhooks of banks, FHIR. libmicrohttpd, driven by the caller's
 * event loop, one thread, no file is opened: works within the sandbox. It knows no database: it asks the desk (ops.h).
 *
 *   GET  /                        specialties                GET /s/ID            days         GET /s/ID/DAY    slots, and the form
 *   POST /book                    -> 303 to /ticket          GET /ticket          (the cookie of who just booked; else look up)
 *   GET  /find, POST /find        look up by code and phone  POST /cancel         POST /paid   "has it arrived?"
 *   GET  /qr.svg /qr.png          the ticket's, by cookie    GET /board           GET /board/events  text/event-stream
 *   GET  /staff ...               sign in; rooms; counter; /staff/list/DAY (to print); /staff/tray; /staff/statement; /staff/takings
 *   GET  /admin ...               specialties, rooms, hours, holidays, people, settings
 *   POST /hook/sepay /hook/payos  -> the desk's "notice"     POST /fhir/Slot, GET /fhir/Appointment
 *   POST /fhir/Appointment/ID     the hospital has taken it
 *   GET  /healthz, /metrics       /kiosk.css /kiosk.js       ?lang=vi|en|zh, or the cookie, or Accept-Language; else vi
 *
 * Changes by POST only, with a token of the form (keyed BLAKE2b over its action, the hour and the visitor's cookie; two hours), and
 * never by a GET that a mail scanner could follow. Cookies: HttpOnly, SameSite=Lax, Secure behind TLS. Content-Security-Policy
 * without inline scripts. At most 60 look-ups and 10 sign-ins a minute and address (/64), in a bounded table; bodies 64 KB (FHIR and
 * statements 8 MB, for who is signed in or shows the token); 1,000 connections, of which one address has an eighth, an IPv6 site (/48)
 * a quarter, and the one that has been idle for longest gives way. Bookings: see web_bookings().
 *
 * Patients' pages are sent as gzip to who takes it. Those that are the same for everybody are kept for up to a second: a place
 * that has gone meanwhile is refused when it is booked. What an address is, behind a proxy, says X-Forwarded-For of the proxies in `trusted` alone.
 */
#ifndef KHIEN_KIOSK_WEB_H
#define KHIEN_KIOSK_WEB_H

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "kiosk/desk.h"

struct web;

struct web_config {
	int fd;                      /* listening socket, non-blocking; taken, also where web_new() fails */
	struct str certificate, key; /* PEM; empty: plain HTTP */
	const struct clock *clock;
	/* Asks the desk; takes over `call`. The answer comes with web_answered() and this number, later or from within. */
	void (*ask)(void *arg, json_t *call, uint32_t roles, uint64_t number);
	void *arg;
	const unsigned char *form_key;               /* SEAL_KEY bytes, see seal_form_key() */
	const char *const *trusted;                  /* addresses and networks of proxies; ends with NULL */
	struct str hospital_token;                   /* for /fhir and /metrics; empty: neither */
	void (*metrics)(void *arg, struct buf *out); /* appends what others count */
	int (*health)(void *arg, struct buf *why);
	unsigned max_connections; /* 0: 1,000 */
	bool demo;                /* every page says so */
};

int web_new(struct web **ret, const struct web_config *config, struct err *err);
void web_free(struct web *w);
int web_fd(const struct web *w);
/* When the descriptor is readable, and at least once a second. 0 or -errno. */
int web_run(struct web *w);
/* Takes over `answer`. A number that nobody waits for any more is fine. */
void web_answered(struct web *w, uint64_t number, json_t *answer);
/* Something that boards show has changed. */
void web_board_changed(struct web *w);
/*
 * So many bookings may be sent in an hour from one address (/64); 0, as it begins: no bound. What a proxy sends without saying
 * for whom has none.
 */
void web_bookings(struct web *w, unsigned an_hour);
/* No further requests; those under way are answered. False: some still are. */
bool web_drain(struct web *w);

struct web_counts {
	uint64_t requests, pages_kept /* answered from the kept pages */, limited, bad, denied;
	unsigned connections, boards;
};
struct web_counts web_counts(const struct web *w);

#endif
