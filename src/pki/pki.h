/*
 * Certificates: the hub's own CA (X.509, RFC 5280; ECDSA P-256, by GnuTLS), and the process that alone holds its key.
 *
 * In a folder: ca.crt and ca.key (0600, made by `khien ca init` or on the hub's first start), hub.crt and hub.key. The
 * signer is forked while little is in memory, reads ca.key, enters the sandbox and then does one thing: sign a
 * certificate for a public key that it is sent, within what is permitted below. The key never leaves it.
 */
#ifndef KHIEN_PKI_PKI_H
#define KHIEN_PKI_PKI_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

enum {
	PKI_FINGERPRINT = 64, /* hex digits of SHA-256 over the certificate's DER */
	PKI_TITLE_MAX = 64,   /* RFC 5280, ub-common-name and ub-organization-name; for us bytes */
	PKI_NAMES_MAX = 16,   /* of one certificate */
};

/* Can a certificate be for it? A host name (RFC 1123), or an address as inet_pton(3) reads it. */
bool pki_is_name(struct str s);
/* Can a unit or a sender be called so? 1 to PKI_TITLE_MAX bytes of UTF-8, all visible, no blank at the ends. */
bool pki_is_title(struct str s);

/* Makes ca.key and ca.crt (10 years) where there are none; *made says so. `unit` names whose CA it is. */
int pki_ca_init(const char *dir, struct str unit, const struct clock *clock, bool *made, struct err *err);
/* SHA-256 of a PEM certificate's DER, hex. */
int pki_fingerprint(struct str pem, char hex[PKI_FINGERPRINT + 1], struct err *err);

struct pki_info {
	char subject[256], issuer[256], fingerprint[PKI_FINGERPRINT + 1];
	int64_t from, until; /* µs */
	char names[512];     /* DNS names and addresses, ", " between */
	bool is_ca;
};
int pki_read(struct str pem, struct pki_info *ret, struct err *err);
/* Appends the text of dir/name, a certificate's file ("ca.crt", "hub.crt"). No link is followed. */
int pki_load(const char *dir, const char *name, struct buf *pem, struct err *err);

enum pki_use { PKI_SERVER = 1, PKI_CLIENT = 2 };

struct pki_request {
	struct str public_key;   /* PEM, SubjectPublicKeyInfo */
	struct str common_name;  /* pki_is_title() */
	const struct str *names; /* pki_is_name() */
	size_t n_names;          /* at most PKI_NAMES_MAX; of a server at least one */
	enum pki_use use;
	uint32_t days; /* 1 to 397 */
};

struct signer;
/*
 * Forks it. -ENOENT: there is no CA in dir. It ends with signer_free() or this process, whichever is first; a copy of
 * *ret in a process forked later can only be freed there, which leaves the signer alone. One process asks.
 */
int signer_start(struct signer **ret, const char *dir, const struct clock *clock, struct err *err);
/* The layers of its sandbox that this machine doesn't permit, and why; empty: it has all. */
const char *signer_lacks(const struct signer *s);
/*
 * Its answer: the certificate, PEM, appended to out. -EPERM: not permitted, and why: names are host names (RFC 1123, no
 * wildcard) and addresses, the key is ECDSA on P-256. -EPIPE, -ETIMEDOUT: the signer is gone or stuck: start another.
 */
int signer_sign(struct signer *s, const struct pki_request *r, struct buf *out, struct err *err);
void signer_free(struct signer *s);

/* A new key (ECDSA P-256): private and public PEM. The caller wipes `key`. */
int pki_key_new(struct buf *key, struct buf *public_key, struct err *err);
/*
 * hub.key and hub.crt for these names (1 to 16), made or renewed (within 30 days of the end, when names are missing, or
 * for another CA) through the signer; *renewed says so. Both are appended as PEM; the caller wipes `key`. Where it can't
 * be renewed, but holds still, it is given as it is: 0, *renewed false, and err says why.
 */
int pki_hub(const char *dir, struct signer *s, const struct str *names, size_t n, const struct clock *clock,
            struct buf *key, struct buf *certificate, bool *renewed, struct err *err);
/* The same, renewed whatever is there. */
int pki_hub_new(const char *dir, struct signer *s, const struct str *names, size_t n, struct buf *key,
                struct buf *certificate, struct err *err);

#endif
