/* One patient's way: what he does when a page is there. Inside of the room. */
#ifndef KHIEN_DRILL_PATIENT_H
#define KHIEN_DRILL_PATIENT_H

#include "drill/visit.h"

enum patient_at {
	PATIENT_FIRST,
	PATIENT_SPECIALTY,
	PATIENT_DAY,
	PATIENT_FORM,
	PATIENT_TICKET,
	PATIENT_PAID, /* looks whether the money has arrived */
	PATIENT_READS,
	PATIENT_DONE,
};

struct patient {
	struct browser *browser, *bank; /* bank: that the kiosk is told of his money by */
	const struct drill_patients *how;
	const struct line_way *to_bank;
	uint64_t number;    /* name and phone are made of it */
	double begun, acts; /* acts: when he goes on; 0: he doesn't think */
	uint8_t at, pages, looks;
	bool told; /* the kiosk knows of his money */
	char next[PAGE_PATH];
	struct buf post;
	char headers[256]; /* of the bank's call */
};

/* Where a person would click: the pick-th (chance) of the links that match a shape; "" in `to`: there is none. */
void drill_patient_link(struct visits *v, struct str html, const struct browser *b, const char *shape,
                        char to[PAGE_PATH]);
/* The form of a place at the kiosk, filled in. False: it has none, or no free place. */
bool drill_patient_fill(struct visits *v, struct str html, uint64_t number, struct buf *to);
/* What a ticket says of money: "paid", "open", ...; reference (10 characters) and amount to be paid. False: nothing. */
struct patient_bill {
	char state[16], reference[24];
	uint64_t amount;
};
bool drill_patient_bill(struct str html, struct patient_bill *ret);
/* A bank's notice as SePay sends it, signed: headers and body. */
int drill_patient_notice(const struct patient_bill *bill, const char *secret, const char *account, uint64_t number,
                         int64_t wall_s, char headers[256], struct buf *body);

#endif
