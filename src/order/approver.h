/*
 * An approver's key: a person's, for orders that destroy. Its file is a text that only its passphrase opens:
 *
 *   khien approver key 1
 *   name NAME
 *   public ed25519:...
 *   secret BASE64 of: salt (16), u32 passes, u64 bytes of memory, nonce (24), sealed seed (32 + 16)
 *
 * The passphrase becomes a key by Argon2id (RFC 9106, libsodium's crypto_pwhash); the seed is sealed by
 * XChaCha20-Poly1305 with all that stands before it: none of it can be changed.
 */
#ifndef KHIEN_ORDER_APPROVER_H
#define KHIEN_ORDER_APPROVER_H

#include "order/order.h"

enum { APPROVER_FILE = 1024, APPROVER_PASSPHRASE = 8 /* bytes, at least */ };

/* Appends the file's text, with a new key. passes, bytes 0: crypto_pwhash's "moderate", some 256 MiB and a second. */
int approver_new(struct str name, struct str passphrase, uint32_t passes, uint64_t bytes, struct buf *out,
                 struct err *err);

struct approver {
	char name[ORDER_NAME + 1];
	unsigned char public[ORDER_KEY];
};
/* -EBADMSG: no such file. */
int approver_read(struct approver *ret, struct str file, struct err *err);
/* Its secret, for order_sign(); the caller wipes it. -EACCES: another passphrase, or the file was changed. */
int approver_open(struct str file, struct str passphrase, unsigned char secret[ORDER_SECRET], struct err *err);

#endif
