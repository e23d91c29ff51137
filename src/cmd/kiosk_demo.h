/* The demo of khien kiosk, in its parts: a hospital that doesn't exist. Inside of the command. */
#ifndef KHIEN_CMD_KIOSK_DEMO_H
#define KHIEN_CMD_KIOSK_DEMO_H

#include "cmd/kiosk.h"

struct demo {
	const struct kiosk *k;
	struct kiosk_line *line;
	uint64_t chance;           /* state of the generator */
	char secret[65];           /* what its bank signs with */
	int64_t paid;              /* the number of its bank's last notice */
	json_t *places;            /* as the kiosk's "places" has it */
	json_t *called;            /* by room: the booking that is inside */
	char admin[24], clerk[24]; /* their passwords, told when they are made */
};

/* Asks; NULL where it was refused or couldn't be asked, which ends the line. Takes over `call`. */
json_t *demo_ask(struct demo *d, json_t *call);
/* [0, n) */
unsigned demo_chance(struct demo *d, unsigned n);

/* --- kiosk_demo_people.c --- */

/* Adds name, phone, born and priority of somebody who doesn't exist. */
void demo_person(struct demo *d, json_t *call);
/* Settings, specialties, rooms, hours and staff. */
int demo_hospital(struct demo *d, struct err *err);

/* --- kiosk_demo_bank.c --- */

int demo_bank_open(struct demo *d, const char *folder, struct err *err);
/* Money came in for this payment: SePay's notice, signed. What part of it: per cent. */
void demo_pay(struct demo *d, const json_t *payment, unsigned part);

#endif
