/*
 * Certificates: the hub's own CA (X.509, RFC 5280; ECDSA P-256, by GnuTLS), and the process that alone holds its key.
 *
 * In a folder: ca.crt and ca.key (0600, made by `khien ca init` or on the hub's first start), hub.crt and hub.key,
 * order.key (0600) and order.pub, and approvers: who may approve destructive orders, a key and a name a line. The signer
 * is forked while little is in memory, reads ca.key, enters the sandbox and then does one thing: sign a certificate for
 * a public key that it is sent, within what is permitted below. The key never leaves it.
 *
 * The signer that lives on beside a hub (signer_posts) signs less: certificates of posts - clients, for the CA's own
 * unit, without names, for PKI_POST_DAYS at most - and orders, those that a post would accept and no others.
 */
#ifndef KHIEN_PKI_PKI_H
#define KHIEN_PKI_PKI_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "order/order.h"

enum {
	PKI_FINGERPRINT = 64, /* hex digits of SHA-256 over the certificate's DER */
	PKI_TITLE_MAX = 64,   /* RFC 5280, ub-common-name and ub-organization-name; for us bytes */
	PKI_NAMES_MAX = 16,   /* of one certificate */
	PKI_POST_DAYS = 30,   /* of a post's */
	PKI_SERIAL = 40,      /* hex digits of a serial number */
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
/* The O of its subject, of a CA its unit; -ENOENT: it has none that is a title. And its serial number, hex. */
int pki_unit(struct str pem, char unit[PKI_TITLE_MAX + 1], struct err *err);
int pki_serial(struct str pem, char serial[PKI_SERIAL + 1], struct err *err);
/* Appends the text of dir/name, a certificate's file ("ca.crt", "hub.crt"). No link is followed. */
int pki_load(const char *dir, const char *name, struct buf *pem, struct err *err);

enum pki_use { PKI_SERVER = 1, PKI_CLIENT = 2 };

struct pki_request {
	struct str public_key;   /* PEM, SubjectPublicKeyInfo */
	struct str common_name;  /* pki_is_title() */
	const struct str *names; /* pki_is_name() */
	size_t n_names;          /* at most PKI_NAMES_MAX; of a server at least one */
	enum pki_use use;
	uint32_t days;           /* 1 to 397 */
	struct str organization; /* pki_is_title(), or empty */
	/*
	 * Of a renewal, else empty: the certificate that it follows, PEM, its serial number, and pki_renewal_proof() by
	 * its key. -EPERM: it is not the CA's, or of another name or number, has ended, or the proof is not right.
	 */
	struct str prior, serial, proof;
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
/* The one that lives on: see above. -ENOENT: there is no CA, or no order.key. */
int signer_posts(struct signer **ret, const char *dir, const struct clock *clock, struct err *err);
/*
 * The hub's signature of an order (order/order.h), which has its approval where it needs one. -EPERM: a post would refuse
 * it, or it is no approver of this hub's, and why. Others as of signer_sign().
 */
int signer_order(struct signer *s, struct order_sealed *order, struct err *err);

/* order.key and order.pub, made where there are none; the public half. */
int pki_order_init(const char *dir, unsigned char public[ORDER_KEY], struct err *err);
/* Those of `approvers`: fn returns non-zero to stop, which is returned. No file: none. -EBADMSG names the line. */
int pki_approvers(const char *dir, int (*fn)(void *arg, const unsigned char public[ORDER_KEY], struct str name),
                  void *arg, struct err *err);
/* -EEXIST: it is there; -E2BIG: there are ORDER_KEYS_MAX. A hub that runs knows it from its next start on. */
int pki_approver_add(const char *dir, const unsigned char public[ORDER_KEY], struct str name, struct err *err);
/* by its name or its key; -ENOENT. */
int pki_approver_remove(const char *dir, struct str which, struct err *err);

/*
 * Appends the proof, base64, that who asks for a certificate for public_key (PEM) holds the key of the one before, too;
 * key: that one's, PEM.
 */
int pki_renewal_proof(struct str key, struct str name, struct str public_key, struct buf *out, struct err *err);

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
