/* Inside of pki/: what its files share on top of GnuTLS. */
#ifndef KHIEN_PKI_X509_H
#define KHIEN_PKI_X509_H

#include "pki/pki.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

enum {
	X509_FILE_MAX = 64 << 10,  /* of a certificate or key in PEM */
	X509_KEY_MAX = 4 << 10,    /* of a public key in PEM */
	X509_PROOF_MAX = 256,      /* of a renewal, base64 */
	X509_NAME_MAX = 253,       /* RFC 1035, written with dots */
	X509_DAYS_MAX = 397,       /* what browsers take: CA/Browser Forum, Baseline Requirements 6.3.2 */
	X509_BACKDATE_S = 60 * 60, /* for clocks that are behind */
	X509_DAY_S = 24 * 60 * 60,
};

/* -errno for what GnuTLS said; `what` stands before its words. */
int x509_fail(struct err *err, int code, const char *what);

/* The first certificate of a PEM text; the caller frees it. */
int x509_read(gnutls_x509_crt_t *ret, struct str pem, struct err *err);
/* Its names, each a DNS name or address as text; at most max are written. Returns how many there are, or -errno. */
int x509_names(gnutls_x509_crt_t crt, char names[][X509_NAME_MAX + 1], int max);

int x509_unit(gnutls_x509_crt_t crt, char unit[PKI_TITLE_MAX + 1], struct err *err);

void x509_crt_done(gnutls_x509_crt_t *crt);
void x509_key_done(gnutls_x509_privkey_t *key); /* GnuTLS overwrites what it held */

/* Appends the private key (PKCS #8, RFC 5958) as PEM; no copy of it stays. */
int x509_key_pem(gnutls_x509_privkey_t key, struct buf *out, struct err *err);
int x509_key_new(gnutls_x509_privkey_t *ret, struct err *err);
int x509_key_read(gnutls_x509_privkey_t *ret, struct str pem, struct err *err);
/*
 * The key in dir/name; a new one where there is none (replace: or none that can be used), on the disk before anything is
 * signed for it.
 */
int x509_key_find(gnutls_x509_privkey_t *ret, const char *dir, const char *name, bool replace, struct err *err);
/* Appends its public half as PEM. */
int x509_public_pem(gnutls_x509_privkey_t key, struct buf *out, struct err *err);
bool x509_key_fits(gnutls_x509_privkey_t key, gnutls_x509_crt_t crt);

/* Overwrites what it holds before it frees it: for a buffer that held a key. */
void x509_wipe(struct buf *b);
/*
 * Appends the content of dir/name, a regular file of at most X509_FILE_MAX. secret: others than its owner may have no
 * right to it (-EPERM).
 */
int x509_file(const char *dir, const char *name, bool secret, struct buf *out, struct err *err);

/* Is it an address; or a host name as RFC 1123 has it, which no address is? */
bool x509_is_address(struct str name, unsigned char binary[16], unsigned *n);
bool x509_is_host(struct str name);

/* What may be signed at all; -EPERM, and why. */
int request_check(const struct pki_request *r, struct err *err);

/* --- ca.c --- */

struct ca {
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
};

/* Reads ca.crt and ca.key. -ENOENT: there is none. */
int ca_open(struct ca *ret, const char *dir, struct err *err);
void ca_done(struct ca *ca);
/* The certificate of a request, checked here, appended as PEM. */
int ca_sign(const struct ca *ca, const struct pki_request *r, const struct clock *clock, struct buf *out,
            struct err *err);

/* --- renewal.c --- */

/* Whether r->prior, r->serial and r->proof are as pki.h has it. 0 or -EPERM. */
int renewal_check(const struct ca *ca, const struct pki_request *r, int64_t now_s, struct err *err);

/* --- order_key.c --- */

/* What signs orders: the hub's key, and who may approve. */
struct order_desk {
	char unit[PKI_TITLE_MAX + 1];
	unsigned char secret[ORDER_SECRET];
	struct order_trust trust; /* as a post has it, but for its name */
};

/* -ENOENT: there is no order.key. The caller wipes it. */
int order_desk_open(struct order_desk *ret, const char *dir, const char *unit, struct err *err);
/* -EPERM: a post would refuse it, and why. */
int order_desk_sign(const struct order_desk *d, struct order_sealed *order, const struct clock *clock, struct err *err);

#endif
