/*
 * What browsers send: forms and cookies; and the secrets that go with them. Pure functions over bytes.
 *
 * A form's token is base64url of { hour (4 bytes), random (16), keyed BLAKE2b over action, hour, random, visitor, session (16) }:
 * good for the hour it was made in and the two after it, for one action, and for one browser. Its random part names the form: who
 * sends it twice means it once.
 */
#ifndef KHIEN_KIOSK_WEB_FORM_H
#define KHIEN_KIOSK_WEB_FORM_H

#include "base/buf.h"
#include "base/str.h"

enum {
	FORM_FIELDS = 64,
	FORM_NAME = 32,
	TOKEN_LENGTH = 48, /* base64url of 36 bytes */
	TOKEN_ONCE = 22,   /* base64url of 16 bytes */
	VISITOR_LENGTH = 22,
};

/* --- forms --- */

struct form {
	struct {
		struct str name, value;
	} fields[FORM_FIELDS];
	size_t n;
};

/*
 * application/x-www-form-urlencoded; decodes within `body`, which the fields are views of. -EBADMSG: a value isn't UTF-8, has a NUL
 * or a % that stands for nothing, or a name stands twice; -E2BIG: more than FORM_FIELDS.
 */
int form_read(struct form *f, char *body, size_t n);
/* multipart/form-data with this Content-Type, the same way; files are fields like others, and may hold any bytes but NUL. */
int form_read_multipart(struct form *f, struct str type, char *body, size_t n);
/* p NULL: not there. */
struct str form_field(const struct form *f, struct str name);

/* --- cookies --- */

enum cookie { COOKIE_VISITOR, COOKIE_SESSION, COOKIE_TICKET, COOKIE_LANG, N_COOKIES };
extern const char *const cookie_names[N_COOKIES];
/* Of a Cookie header; p NULL: not there. Only of letters, digits, - and _, at most 512: else it isn't there. */
struct str cookie_find(struct str header, enum cookie cookie);

/* --- secrets: `key` has SEAL_KEY bytes --- */

struct token_of {
	struct str action, visitor, session;
	int64_t now; /* µs since 1970 UTC */
};
void visitor_make(char visitor[VISITOR_LENGTH + 1]);
void token_make(const unsigned char *key, const struct token_of *of, char token[TOKEN_LENGTH + 1]);
bool token_good(const unsigned char *key, const struct token_of *of, struct str token);
/* Of a good one: its random part. */
void token_once(struct str token, char once[TOKEN_ONCE + 1]);

/* What a cookie may hold without telling: XSalsa20-Poly1305 in base64url. `what` keeps kinds apart. */
void cookie_seal(const unsigned char *key, const char *what, struct str text, struct buf *out);
/* -EBADMSG: not ours, of another kind, or changed. */
int cookie_open(const unsigned char *key, const char *what, struct str sealed, struct buf *out);

#endif
