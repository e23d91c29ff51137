/* A renewal: the next certificate only for who holds the key of the one before. */
#include "pki/x509.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

enum { VARIANT = sodium_base64_VARIANT_ORIGINAL };

static void text_of(struct str name, struct str public_key, struct buf *out)
{
	static const char head[] = "khien renewal 1"; /* with its NUL */
	buf_add(out, (struct str){ head, sizeof(head) });
	buf_add(out, name);
	buf_putc(out, '\0');
	buf_add(out, public_key);
}

static int sign(gnutls_x509_privkey_t key, struct str text, gnutls_datum_t *signature)
{
	const gnutls_datum_t data = { (unsigned char *)text.p, (unsigned)text.n };
	gnutls_privkey_t k = NULL;
	int code = gnutls_privkey_init(&k);
	if (!code)
		code = gnutls_privkey_import_x509(k, key, 0);
	if (!code)
		code = gnutls_privkey_sign_data2(k, GNUTLS_SIGN_ECDSA_SHA256, 0, &data, signature);
	if (k)
		gnutls_privkey_deinit(k);
	return code;
}

int pki_renewal_proof(struct str key, struct str name, struct str public_key, struct buf *out, struct err *err)
{
	CLEANUP(x509_key_done) gnutls_x509_privkey_t k = NULL;
	CLEANUP(buf_free) struct buf text = { 0 };
	gnutls_datum_t signature = { 0 };
	int code = x509_key_read(&k, key, err);
	if (code)
		return code;
	text_of(name, public_key, &text);
	code = text.failed ? GNUTLS_E_MEMORY_ERROR : sign(k, buf_str(&text), &signature);
	if (code)
		return x509_fail(err, code, "sign a renewal");
	const size_t n = sodium_base64_encoded_len(signature.size, VARIANT);
	char *to = buf_room(out, n);
	if (to) {
		sodium_bin2base64(to, n, signature.data, signature.size, VARIANT);
		out->n += n - 1;
	}
	gnutls_free(signature.data);
	return to ? 0 : err_set(err, -ENOMEM, "sign a renewal: %m");
}

static bool is_text(gnutls_x509_crt_t crt, const char *oid, struct str want)
{
	char text[PKI_TITLE_MAX + 1];
	size_t n = sizeof(text);
	return !gnutls_x509_crt_get_dn_by_oid(crt, oid, 0, 0, text, &n) && str_eq((struct str){ text, n }, want);
}

static bool is_serial(gnutls_x509_crt_t crt, struct str want)
{
	unsigned char raw[PKI_SERIAL / 2];
	char hex[PKI_SERIAL + 1] = "";
	size_t n = sizeof(raw);
	if (gnutls_x509_crt_get_serial(crt, raw, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", raw[i]);
	return str_eq(str_from(hex), want);
}

/* Signed by this CA for the name that it asks for, and not over. */
static bool is_prior(const struct ca *ca, const struct pki_request *r, gnutls_x509_crt_t crt, int64_t now_s)
{
	unsigned verdict = 0;
	return !gnutls_x509_crt_verify(crt, &ca->crt, 1, GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &verdict) && !verdict &&
	       gnutls_x509_crt_get_expiration_time(crt) > (time_t)now_s && is_serial(crt, r->serial) &&
	       is_text(crt, GNUTLS_OID_X520_COMMON_NAME, r->common_name) &&
	       is_text(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, r->organization);
}

static bool is_signed(gnutls_x509_crt_t crt, const struct pki_request *r)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	unsigned char raw[X509_PROOF_MAX];
	gnutls_pubkey_t key = NULL;
	size_t n = 0;
	if (sodium_base642bin(raw, sizeof(raw), r->proof.p, r->proof.n, NULL, &n, NULL, VARIANT) ||
	    gnutls_pubkey_init(&key))
		return false;
	text_of(r->common_name, r->public_key, &text);
	const gnutls_datum_t data = { (unsigned char *)text.p, (unsigned)text.n }, signature = { raw, (unsigned)n };
	const bool good = !text.failed && !gnutls_pubkey_import_x509(key, crt, 0) &&
	                  gnutls_pubkey_verify_data2(key, GNUTLS_SIGN_ECDSA_SHA256, 0, &data, &signature) >= 0;
	gnutls_pubkey_deinit(key);
	return good;
}

int renewal_check(const struct ca *ca, const struct pki_request *r, int64_t now_s, struct err *err)
{
	CLEANUP(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	if (x509_read(&crt, r->prior, NULL) || !is_prior(ca, r, crt, now_s))
		return err_set(err, -EPERM, "the certificate that it has is not the one that it says");
	return is_signed(crt, r) ? 0 : err_set(err, -EPERM, "the proof is not by the key of the certificate before");
}
