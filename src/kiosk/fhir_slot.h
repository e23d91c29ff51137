/*
 * FHIR R4 (hl7.org/fhir/R4): Slots as a hospital's system sends them, and times as it writes them. Without a database.
 *
 *   { "resourceType": "Bundle", "entry": [ { "resource": { "resourceType": "Slot", "id": "8",
 *     "schedule": { "reference": "Schedule/room-3" }, "status": "free",
 *     "start": "2026-11-23T08:00:00+07:00", "end": "2026-11-23T08:30:00+07:00" } } ] }
 *
 * or one Slot alone. The room is the schedule's id, "room-" and its number; the address before it is of no matter.
 */
#ifndef KHIEN_KIOSK_FHIR_SLOT_H
#define KHIEN_KIOSK_FHIR_SLOT_H

#include "base/err.h"
#include "base/str.h"

enum {
	FHIR_SLOTS_MAX = 2000, /* entries of a Bundle: while they are written nobody else is */
	FHIR_ID = 64,
	FHIR_INSTANT = sizeof("2026-11-23T08:00:00+07:00"),
};

enum fhir_status {
	FHIR_FREE,
	FHIR_BUSY, /* "busy", "busy-unavailable", "busy-tentative" */
	FHIR_NONE, /* "entered-in-error": there is no such slot */
};

struct fhir_slot {
	char id[FHIR_ID + 1]; /* the Slot's; without a right one "#n", the n-th entry */
	int64_t room;         /* 1 to 999,999,999 */
	enum fhir_status status;
	int64_t start, end; /* µs since 1970 UTC; whole minutes, end behind start */
};

struct fhir_reader {
	void (*take)(void *arg, const struct fhir_slot *slot);
	/* Why: "resource" (no Slot), "schedule", "status", "start", "end". A literal. */
	void (*refuse)(void *arg, const char *id, const char *why);
	void *arg;
};

/* -EBADMSG: neither a Bundle nor a Slot; -E2BIG: too many entries; nothing was told then. */
int fhir_slots_read(struct str json, const struct fhir_reader *reader, struct err *err);

/* "2026-11-23T08:00:00.000+07:00", "...Z": with seconds and a zone, as R4's instant is. */
bool fhir_instant_read(struct str text, int64_t *us);
/* On the clock of a zone, minutes east of UTC. From 1970 to 9999, else empty. */
void fhir_instant_write(int64_t us, int64_t zone, char text[FHIR_INSTANT]);

#endif
