/* Who works here: sessions and passwords. The operations themselves are staff_ops. */
#ifndef KHIEN_KIOSK_STAFF_H
#define KHIEN_KIOSK_STAFF_H

#include "kiosk/desk.h"

enum {
	SESSION_HOURS = 12,
	SIGN_A_SECOND = 3, /* passwords that are checked in a second, of all people together: each costs much */
	LOGIN_MAX = 32,
	STAFF_NAME = 100,
};

/* Of one desk. Zero-initialised is a new one. */
struct sign_pace {
	int64_t second;
	unsigned checked;
	char decoy[PASSWORD_STORED]; /* what is checked for a login that nobody has: of a password that nobody knows */
};

struct session {
	int64_t staff;
	uint32_t roles;
	char hash[2 * SEAL_HASH + 1]; /* hex */
};

/* Whose session this is, by its secret. -ENOENT: of nobody, or it is over, or they don't work here any more. */
int session_find(struct db *db, const struct seal *seal, struct str secret, int64_t now, struct session *ret,
                 struct err *err);

#endif
