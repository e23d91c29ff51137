/*
 * Slots: so many places of a room on a day at a minute. They are made of the room's hours for the days ahead ("hours"), put by the
 * admin ("hand") or by the hospital's system ("fhir"). A place is taken and given back here alone.
 */
#ifndef KHIEN_KIOSK_SLOT_H
#define KHIEN_KIOSK_SLOT_H

#include "kiosk/schema.h"

enum {
	SLOT_DAY_MINUTES = 24 * 60,
	SLOT_MINUTES_MIN = 5,
	SLOT_PLACES_MAX = 1000,
};

enum slot_taken {
	SLOT_TAKEN,
	SLOT_FULL,
	SLOT_GONE, /* there is none, or it is closed */
};
/* Takes a place, in one statement that also looks whether there is one. One of enum slot_taken, or -errno. */
int slot_take(struct db *db, int64_t room, struct str day, int64_t start, struct err *err);
int slot_give(struct db *db, int64_t room, struct str day, int64_t start, struct err *err);

/* What may be booked now: days from `from` at `minute` on, the lead being over then, to the last one that is open. */
struct slot_window {
	char from[11], to[11];
	int minute;
};
void slot_window(struct db *db, int64_t now, struct slot_window *ret);
enum slot_when { SLOT_IN_TIME, SLOT_TOO_SOON, SLOT_TOO_LATE /* not open yet */ };
enum slot_when slot_when(const struct slot_window *w, struct str day, int64_t start);
/* 1: the clinic, or the room, has a holiday on this day. */
int slot_holiday(struct db *db, int64_t room, struct str day, struct err *err);

/* Opens the slots of all rooms' hours for the days up to the last one that is to be open. Number of those opened, or -errno. */
int64_t slot_open_ahead(struct db *db, int64_t now, struct err *err);
/*
 * The hours of a room on this weekday are others now: slots of the days that are open follow them. Those that nobody has a place in
 * go; those that somebody has stay, closed; `kept` is how many bookings these are.
 */
int slot_follow_hours(struct db *db, int64_t now, int64_t room, int weekday, int64_t *kept, struct err *err);

#endif
