/* Keys: made, written as PEM, and overwritten in memory when they are no longer needed. */
#include "os/atomic.h"
#include "pki/x509.h"

#include <errno.h>
#include <stdlib.h>

void x509_key_done(gnutls_x509_privkey_t *key)
{
	gnutls_x509_privkey_deinit(*key);
	*key = NULL;
}

void x509_wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap);
	buf_free(b);
}

int x509_key_new(gnutls_x509_privkey_t *ret, struct err *err)
{
	gnutls_x509_privkey_t key;
	int code = gnutls_x509_privkey_init(&key);
	if (code)
		return x509_fail(err, code, "make a key");
	code = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	if (code) {
		gnutls_x509_privkey_deinit(key);
		return x509_fail(err, code, "make a key");
	}
	*ret = key;
	return 0;
}

int x509_key_read(gnutls_x509_privkey_t *ret, struct str pem, struct err *err)
{
	const gnutls_datum_t text = { (unsigned char *)pem.p, (unsigned)pem.n };
	gnutls_x509_privkey_t key;
	if (pem.n > X509_FILE_MAX)
		return err_set(err, -EFBIG, "read a key: it has more than %d bytes", X509_FILE_MAX);
	int code = gnutls_x509_privkey_init(&key);
	if (code)
		return x509_fail(err, code, "read a key");
	/* plain: a password is asked for by nobody here */
	code = gnutls_x509_privkey_import2(key, &text, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN);
	if (code) {
		gnutls_x509_privkey_deinit(key);
		return x509_fail(err, code, "read a key");
	}
	*ret = key;
	return 0;
}

/* Appends and frees; secret: overwrites too. */
static int take(gnutls_datum_t *text, bool secret, struct buf *out, struct err *err)
{
	buf_add(out, (struct str){ (const char *)text->data, text->size });
	if (secret)
		explicit_bzero(text->data, text->size);
	gnutls_free(text->data);
	return out->failed ? err_set(err, -ENOMEM, "write a key: %m") : 0;
}

int x509_key_pem(gnutls_x509_privkey_t key, struct buf *out, struct err *err)
{
	gnutls_datum_t text;
	int code = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &text);
	return code ? x509_fail(err, code, "write a key") : take(&text, true, out, err);
}

int x509_public_pem(gnutls_x509_privkey_t key, struct buf *out, struct err *err)
{
	gnutls_privkey_t private = NULL;
	gnutls_pubkey_t public = NULL;
	gnutls_datum_t text;
	int code = gnutls_privkey_init(&private);
	if (!code)
		code = gnutls_pubkey_init(&public);
	if (!code)
		code = gnutls_privkey_import_x509(private, key, 0);
	if (!code)
		code = gnutls_pubkey_import_privkey(public, private, 0, 0);
	if (!code)
		code = gnutls_pubkey_export2(public, GNUTLS_X509_FMT_PEM, &text);
	if (public)
		gnutls_pubkey_deinit(public);
	if (private)
		gnutls_privkey_deinit(private);
	return code ? x509_fail(err, code, "write a public key") : take(&text, false, out, err);
}

int pki_key_new(struct buf *key, struct buf *public_key, struct err *err)
{
	CLEANUP(x509_key_done) gnutls_x509_privkey_t k = NULL;
	CLEANUP(buf_free) struct buf public = { 0 };
	int code = x509_key_new(&k, err);
	if (!code)
		code = x509_public_pem(k, &public, err);
	if (!code)
		code = x509_key_pem(k, key, err);
	if (code)
		return code;
	buf_add(public_key, buf_str(&public));
	return public_key->failed ? err_set(err, -ENOMEM, "write a public key: %m") : 0;
}

bool x509_key_fits(gnutls_x509_privkey_t key, gnutls_x509_crt_t crt)
{
	unsigned char of_key[32], of_crt[32];
	size_t n = sizeof(of_key), m = sizeof(of_crt);
	return !gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, of_key, &n) &&
	       !gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, of_crt, &m) && n == m &&
	       memcmp(of_key, of_crt, n) == 0;
}

int x509_key_find(gnutls_x509_privkey_t *ret, const char *dir, const char *name, bool replace, struct err *err)
{
	CLEANUP(x509_key_done) gnutls_x509_privkey_t fresh = NULL;
	CLEANUP(x509_wipe) struct buf there = { 0 };
	CLEANUP(x509_wipe) struct buf pem = { 0 };
	int code = x509_file(dir, name, true, &there, err);
	bool none = code == -ENOENT;
	if (!code)
		code = x509_key_read(ret, buf_str(&there), err);
	if (!code || !(none || replace))
		return code;
	code = x509_key_new(&fresh, err);
	if (!code)
		code = x509_key_pem(fresh, &pem, err);
	if (!code)
		code = atomic_write(dir, name, buf_str(&pem), 0600, err);
	if (code)
		return code;
	*ret = fresh;
	fresh = NULL;
	return 0;
}
