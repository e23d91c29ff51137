/*
 * What keeps patients' data from whoever has the database alone: one key in a file outside of it.
 *
 * Of the 32 bytes in the file four keys are derived (BLAKE2b, keyed, by purpose): for sealing (XChaCha20-Poly1305 with a
 * random nonce; the row's kind and name are authenticated with it, so that a sealed text can't be moved to another row), for
 * keyed hashes of what is looked up (phone, code, session), for the pass between the two kiosks, and for forms.
 */
#ifndef KHIEN_KIOSK_SEAL_H
#define KHIEN_KIOSK_SEAL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
	SEAL_KEY = 32,
	SEAL_EXTRA = 24 + 16, /* bytes that sealing adds */
	SEAL_HASH = 16,
	CODE_LENGTH = 10,    /* of a lookup code: 32^10, 50 bits */
	SESSION_LENGTH = 43, /* of a session's secret, base64url of 32 bytes */
};

struct seal;

/*
 * The key in this file; made (0600) where `make` is set and there is none. -EPERM: others than its owner may read it;
 * -EBADMSG: it is no key.
 */
int seal_open(struct seal **ret, const char *key_file, bool make, struct err *err);
/* Wipes it. */
void seal_close(struct seal *s);
/* The derived key for the pass between kiosks (TLS-PSK), and for signing forms and cookies. */
void seal_link_key(const struct seal *s, unsigned char key[SEAL_KEY]);
void seal_form_key(const struct seal *s, unsigned char key[SEAL_KEY]);

/* Appends the sealed text as bytes. `what` and `row` name its place, as "person" and the booking's ref. */
void seal_text(const struct seal *s, const char *what, struct str row, struct str text, struct buf *out);
/* -EBADMSG: it was not sealed for this row, or with another key, or was changed. */
int seal_read(const struct seal *s, const char *what, struct str row, struct str sealed, struct buf *out);
/* Keyed: for columns that are looked up. `what` keeps equal texts of different columns apart. */
void seal_hash(const struct seal *s, const char *what, struct str text, unsigned char hash[SEAL_HASH]);

/* A lookup code: 10 of 23456789ABCDEFGHJKMNOPQRSTUVWXYZ, shown as XXXXX-XXXXX. NUL-terminated. */
void code_make(char code[CODE_LENGTH + 1]);
/* As a person writes it (lower case, blanks, dashes, O for 0, ...), made even. False: it can't be one. */
bool code_read(struct str text, char code[CODE_LENGTH + 1]);
/* A phone number as people write it -> digits with the country (84...); at most 15. False: it is none. */
bool phone_read(struct str text, char phone[16]);
/* 0912345678 -> 09****678; Nguyễn Văn An -> N** V** An. Appended. */
void mask_phone(struct str phone, struct buf *out);
void mask_name(struct str name, struct buf *out);

/* Argon2id by libsodium, in its own format; verifying takes constant time for equal lengths. */
enum { PASSWORD_STORED = 128, PASSWORD_MIN = 10 };
int password_make(struct str password, char stored[PASSWORD_STORED], struct err *err);
bool password_is(const char *stored, struct str password);

#endif
