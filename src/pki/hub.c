/* The hub's own certificate: kept, and made anew before it ends or when it lacks a name. */
#include "os/atomic.h"
#include "pki/x509.h"

#include <errno.h>
#include <strings.h>

enum { RENEW_DAYS = 30 };

static bool has_name(char have[][X509_NAME_MAX + 1], int n_have, struct str name)
{
	unsigned char wanted[16], there[16];
	unsigned n, m;
	bool address = x509_is_address(name, wanted, &n);
	for (int i = 0; i < n_have; i++) {
		struct str h = str_from(have[i]);
		if (address ? x509_is_address(h, there, &m) && n == m && memcmp(wanted, there, n) == 0
		            : h.n == name.n && strncasecmp(h.p, name.p, h.n) == 0)
			return true;
	}
	return false;
}

/* What stands in the folder, as far as it can be used. */
struct found {
	struct buf key, crt;
	bool holds; /* the two fit, are signed by this CA and haven't ended */
	bool fresh; /* and have long to go, and all the names */
};

static void found_done(struct found *f)
{
	x509_wipe(&f->key);
	buf_free(&f->crt);
}

static bool signed_by(gnutls_x509_crt_t crt, const char *dir)
{
	CLEANUP(x509_crt_done) gnutls_x509_crt_t ca = NULL;
	CLEANUP(buf_free) struct buf pem = { 0 };
	unsigned verdict = 0;
	if (x509_file(dir, "ca.crt", false, &pem, NULL) || x509_read(&ca, buf_str(&pem), NULL))
		return false;
	/* of the times only its own count here, by the clock that was handed in */
	return !gnutls_x509_crt_verify(crt, &ca, 1, GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &verdict) && !verdict;
}

static void find(struct found *f, const char *dir, const struct str *names, size_t n, int64_t now_s)
{
	CLEANUP(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	CLEANUP(x509_key_done) gnutls_x509_privkey_t key = NULL;
	char have[PKI_NAMES_MAX][X509_NAME_MAX + 1];
	if (x509_file(dir, "hub.key", true, &f->key, NULL) || x509_file(dir, "hub.crt", false, &f->crt, NULL) ||
	    x509_read(&crt, buf_str(&f->crt), NULL) || x509_key_read(&key, buf_str(&f->key), NULL))
		return;
	int64_t left = (int64_t)gnutls_x509_crt_get_expiration_time(crt) - now_s;
	f->holds = left > 0 && x509_key_fits(key, crt) && signed_by(crt, dir);
	f->fresh = f->holds && left > (int64_t)RENEW_DAYS * X509_DAY_S;
	int n_have = x509_names(crt, have, PKI_NAMES_MAX);
	for (size_t i = 0; i < n; i++)
		f->fresh = f->fresh && has_name(have, n_have, names[i]);
}

static int give(const struct buf *from_key, const struct buf *from_crt, struct buf *key, struct buf *crt,
                struct err *err)
{
	buf_add(key, buf_str(from_key));
	buf_add(crt, buf_str(from_crt));
	return key->failed || crt->failed ? err_set(err, -ENOMEM, "the hub's certificate: %m") : 0;
}

/* The key stays: so one file changes, and whenever this ends the two fit. */
int pki_hub_new(const char *dir, struct signer *s, const struct str *names, size_t n, struct buf *key,
                struct buf *certificate, struct err *err)
{
	CLEANUP(x509_key_done) gnutls_x509_privkey_t k = NULL;
	CLEANUP(x509_wipe) struct buf private = { 0 };
	CLEANUP(buf_free) struct buf public = { 0 };
	CLEANUP(buf_free) struct buf crt = { 0 };
	if (!n)
		return err_set(err, -EINVAL, "the hub's certificate needs a name");
	int code = x509_key_find(&k, dir, "hub.key", true, err);
	if (!code)
		code = x509_key_pem(k, &private, err);
	if (!code)
		code = x509_public_pem(k, &public, err);
	if (code)
		return code;
	const struct pki_request r = { .public_key = buf_str(&public),
		                       .common_name = str_sub(names[0], 0, PKI_TITLE_MAX),
		                       .names = names,
		                       .n_names = n,
		                       .use = PKI_SERVER,
		                       .days = X509_DAYS_MAX };
	code = signer_sign(s, &r, &crt, err);
	if (!code)
		code = atomic_write(dir, "hub.crt", buf_str(&crt), 0644, err);
	return code ? code : give(&private, &crt, key, certificate, err);
}

int pki_hub(const char *dir, struct signer *s, const struct str *names, size_t n, const struct clock *clock,
            struct buf *key, struct buf *certificate, bool *renewed, struct err *err)
{
	CLEANUP(found_done) struct found f = { 0 };
	find(&f, dir, names, n, clock_wall(clock) / CLOCK_S);
	int code = f.fresh ? 0 : pki_hub_new(dir, s, names, n, key, certificate, err);
	bool made = !f.fresh && !code;
	/* on a full disk the old one does */
	if (!made && f.holds)
		code = give(&f.key, &f.crt, key, certificate, err);
	if (!code)
		*renewed = made;
	return code;
}
