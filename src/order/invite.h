/*
 * What `khien hub token --post` prints, and `khien post enrol` takes: where the hub is, which CA it has, and a secret
 * that lets one post in, once. "khien1." and base64url (RFC 4648, without padding) of
 *
 *   u8 how many hubs, each: u8 length, "HOST:PORT" or "[ADDRESS]:PORT"
 *   32 bytes SHA-256 of the CA certificate's DER
 *   32 bytes secret
 *
 * Who reads it can enrol in the post's place: the secret is sent to nobody but a hub whose chain ends at that CA.
 */
#ifndef KHIEN_ORDER_INVITE_H
#define KHIEN_ORDER_INVITE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { INVITE_HUBS = 8, INVITE_HUB = 255, INVITE_PRINT = 32, INVITE_SECRET = 32, INVITE_SECRET_TEXT = 43 };

struct invite {
	char hubs[INVITE_HUBS][INVITE_HUB + 1];
	size_t n_hubs; /* at least 1 */
	unsigned char fingerprint[INVITE_PRINT], secret[INVITE_SECRET];
};

/* Appends the text; the caller wipes it. -EINVAL: no hub, or one that is none. */
int invite_print(const struct invite *i, struct buf *out, struct err *err);
/* Blanks at the ends are passed over. -EINVAL: that is no token of a hub for a post. The caller wipes *ret. */
int invite_read(struct invite *ret, struct str text, struct err *err);
/* As POST /v1/enrol has it: base64url, and a NUL. */
void invite_secret(const struct invite *i, char text[INVITE_SECRET_TEXT + 1]);

#endif
