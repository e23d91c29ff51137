/* Whether a certificate that a hub gave is one that this post asked for, before anything of it is kept. */
#include "post/identity.h"

#include "pki/pki.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

enum { ID = 32 };

static gnutls_datum_t datum(const struct buf *b)
{
	return (gnutls_datum_t){ (unsigned char *)b->p, (unsigned)b->n };
}

/* By the CA alone, for a client. When it holds is for the hub to judge: our clock may be wrong. */
static bool is_signed(gnutls_x509_crt_t certificate, gnutls_x509_crt_t ca)
{
	gnutls_typed_vdata_st purpose = { GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT, 0 };
	gnutls_x509_trust_list_t list = NULL;
	unsigned status = GNUTLS_CERT_INVALID;
	int code = gnutls_x509_trust_list_init(&list, 0);
	if (!code && gnutls_x509_trust_list_add_cas(list, &ca, 1, 0) == 1)
		code = gnutls_x509_trust_list_verify_crt2(list, &certificate, 1, &purpose, 1,
		                                          GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status, NULL);
	if (list)
		gnutls_x509_trust_list_deinit(list, 0);
	return !code && !status && !gnutls_x509_crt_get_ca_status(certificate, NULL);
}

static bool is_for(gnutls_x509_crt_t certificate, const char *oid, const char *wanted)
{
	char text[PKI_TITLE_MAX + 1];
	size_t n = sizeof(text);
	int more = gnutls_x509_crt_get_dn_by_oid(certificate, oid, 0, 0, text, &n);
	return !more && strlen(text) == n && strcmp(text, wanted) == 0;
}

static bool has_key(gnutls_x509_crt_t certificate, const struct buf *key)
{
	const gnutls_datum_t pem = datum(key);
	unsigned char theirs[ID], ours[ID];
	size_t n = sizeof(theirs), m = sizeof(ours);
	gnutls_x509_privkey_t k;
	if (gnutls_x509_privkey_init(&k))
		return false;
	const bool same = !gnutls_x509_privkey_import2(k, &pem, GNUTLS_X509_FMT_PEM, NULL, 0) &&
	                  !gnutls_x509_privkey_get_key_id(k, GNUTLS_KEYID_USE_SHA256, ours, &m) &&
	                  !gnutls_x509_crt_get_key_id(certificate, GNUTLS_KEYID_USE_SHA256, theirs, &n) && n == m &&
	                  memcmp(theirs, ours, n) == 0;
	gnutls_x509_privkey_deinit(k);
	return same;
}

int identity_check(const struct identity *i, struct err *err)
{
	const gnutls_datum_t pem = datum(&i->certificate), ca_pem = datum(&i->ca);
	gnutls_x509_crt_t certificate = NULL, ca = NULL;
	const char *why = NULL;
	if (gnutls_x509_crt_init(&certificate) || gnutls_x509_crt_init(&ca) ||
	    gnutls_x509_crt_import(certificate, &pem, GNUTLS_X509_FMT_PEM) ||
	    gnutls_x509_crt_import(ca, &ca_pem, GNUTLS_X509_FMT_PEM))
		why = "it can't be read";
	else if (!is_signed(certificate, ca))
		why = "the CA has not signed it for a client";
	else if (!is_for(certificate, GNUTLS_OID_X520_COMMON_NAME, i->name) ||
	         !is_for(certificate, GNUTLS_OID_X520_ORGANIZATION_NAME, i->unit))
		why = "it is for another post";
	else if (!has_key(certificate, &i->key))
		why = "it is for another key";
	if (certificate)
		gnutls_x509_crt_deinit(certificate);
	if (ca)
		gnutls_x509_crt_deinit(ca);
	return why ? err_set(err, -EACCES, "the certificate that the hub gave: %s", why) : 0;
}
