/* The CA: made once, signs within request_check(). Profile: RFC 5280, ECDSA on P-256 with SHA-256. */
#include "pki/x509.h"

#include "os/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CA_DAYS = 3652 };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* --- what both kinds of certificate have --- */

/* 16 bytes from the system, but for two bits: a serial number is positive (RFC 5280, 4.1.2.2), and of constant length. */
static int set_serial(gnutls_x509_crt_t crt)
{
	unsigned char serial[16];
	int code = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));
	serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40);
	return code ? code : gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
}

static int set_times(gnutls_x509_crt_t crt, int64_t now_s, uint32_t days, time_t no_later)
{
	time_t until = (time_t)(now_s + (int64_t)days * X509_DAY_S);
	int code = gnutls_x509_crt_set_activation_time(crt, (time_t)(now_s - X509_BACKDATE_S));
	if (no_later && until > no_later)
		until = no_later;
	return code ? code : gnutls_x509_crt_set_expiration_time(crt, until);
}

static int set_text(gnutls_x509_crt_t crt, const char *oid, struct str text)
{
	return gnutls_x509_crt_set_dn_by_oid(crt, oid, 0, text.p, (unsigned)text.n);
}

/* The key identifier of a certificate's own key; set as its subject's. */
static int set_key_id(gnutls_x509_crt_t crt, unsigned char *id, size_t *n)
{
	int code = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA1, id, n);
	return code ? code : gnutls_x509_crt_set_subject_key_id(crt, id, *n);
}

static int export(gnutls_x509_crt_t crt, struct buf *out, struct err *err)
{
	gnutls_datum_t text;
	int code = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &text);
	if (code)
		return x509_fail(err, code, "write a certificate");
	buf_add(out, (struct str){ (const char *)text.data, text.size });
	gnutls_free(text.data);
	return out->failed ? err_set(err, -ENOMEM, "write a certificate: %m") : 0;
}

/* --- the CA's own --- */

static int self_sign(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, struct str unit, int64_t now_s)
{
	unsigned char id[32];
	size_t n = sizeof(id);
	int code = gnutls_x509_crt_set_version(crt, 3);
	if (!code)
		code = set_serial(crt);
	if (!code)
		code = set_times(crt, now_s, CA_DAYS, 0);
	if (!code)
		code = set_text(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, unit);
	if (!code)
		code = set_text(crt, GNUTLS_OID_X520_COMMON_NAME, STR("khien CA"));
	if (!code)
		code = gnutls_x509_crt_set_key(crt, key);
	if (!code)
		code = gnutls_x509_crt_set_basic_constraints(crt, 1, 0);
	if (!code)
		code = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
	if (!code)
		code = set_key_id(crt, id, &n);
	if (!code)
		code = gnutls_x509_crt_set_authority_key_id(crt, id, n);
	return code ? code : gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
}

static int make(const char *dir, struct str unit, const struct clock *clock, struct err *err)
{
	CLEANUP(x509_key_done) gnutls_x509_privkey_t key = NULL;
	CLEANUP(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	CLEANUP(buf_free) struct buf pem = { 0 };
	int code = x509_key_find(&key, dir, "ca.key", false, err);
	if (code)
		return code;
	code = gnutls_x509_crt_init(&crt);
	if (!code)
		code = self_sign(crt, key, unit, clock_wall(clock) / CLOCK_S);
	if (code)
		return x509_fail(err, code, "make the CA's certificate");
	code = export(crt, &pem, err);
	return code ? code : atomic_write(dir, "ca.crt", buf_str(&pem), 0644, err);
}

static bool is_there(int dir, const char *name)
{
	return !faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) || errno != ENOENT;
}

int pki_ca_init(const char *dir, struct str unit, const struct clock *clock, bool *made, struct err *err)
{
	if (!pki_is_title(unit))
		return err_set(err, -EINVAL,
		               "the unit's name: 1 to %d bytes of UTF-8, all visible, no blank at its ends",
		               PKI_TITLE_MAX);
	if (mkdir(dir, 0755) && errno != EEXIST)
		return err_set(err, -errno, "make folder '%s': %m", dir);
	/* two that start at once make one CA */
	CLEANUP(close_fd) int lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX))
		return err_set(err, -errno, "lock folder '%s': %m", dir);
	bool has_key = is_there(lock, "ca.key"), has_crt = is_there(lock, "ca.crt");
	if (has_crt && !has_key)
		return err_set(
		        err, -ENOENT,
		        "'%s/ca.crt' is there, but ca.key is not: put it back from a backup, or remove ca.crt for a "
		        "new CA, which no shipper knows yet",
		        dir);
	int code = has_crt ? 0 : make(dir, unit, clock, err);
	if (!code)
		*made = !has_crt;
	return code;
}

/* --- signing --- */

int ca_open(struct ca *ret, const char *dir, struct err *err)
{
	CLEANUP(x509_wipe) struct buf key = { 0 };
	CLEANUP(buf_free) struct buf crt = { 0 };
	struct ca ca = { 0 };
	int code = x509_file(dir, "ca.crt", false, &crt, err);
	if (!code)
		code = x509_file(dir, "ca.key", true, &key, err);
	if (!code)
		code = x509_read(&ca.crt, buf_str(&crt), err);
	if (!code)
		code = x509_key_read(&ca.key, buf_str(&key), err);
	if (!code && !x509_key_fits(ca.key, ca.crt))
		code = err_set(err, -EBADMSG, "'%s': ca.key is not the key of ca.crt", dir);
	if (!code)
		*ret = ca;
	else
		ca_done(&ca);
	return code;
}

void ca_done(struct ca *ca)
{
	x509_crt_done(&ca->crt);
	x509_key_done(&ca->key);
}

static int set_names(gnutls_x509_crt_t crt, const struct pki_request *r)
{
	int code = 0;
	for (size_t i = 0; i < r->n_names && !code; i++) {
		unsigned char binary[16];
		unsigned n;
		struct str name = r->names[i];
		if (x509_is_address(name, binary, &n))
			code = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, binary, n,
			                                            GNUTLS_FSAN_APPEND);
		else
			code = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name.p, (unsigned)name.n,
			                                            GNUTLS_FSAN_APPEND);
	}
	return code;
}

/* On P-256 and no other curve or kind: what khien makes, and what every program can check. */
static int set_key(gnutls_x509_crt_t crt, struct str pem, struct err *err)
{
	const gnutls_datum_t text = { (unsigned char *)pem.p, (unsigned)pem.n };
	gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
	gnutls_pubkey_t key;
	int code = gnutls_pubkey_init(&key);
	if (code)
		return x509_fail(err, code, "read the public key");
	code = gnutls_pubkey_import(key, &text, GNUTLS_X509_FMT_PEM);
	if (!code && gnutls_pubkey_get_pk_algorithm(key, NULL) == GNUTLS_PK_ECDSA)
		code = gnutls_pubkey_export_ecc_raw2(key, &curve, NULL, NULL, 0);
	if (!code)
		code = gnutls_pubkey_verify_params(key);
	bool ours = !code && curve == GNUTLS_ECC_CURVE_SECP256R1;
	if (ours)
		code = gnutls_x509_crt_set_pubkey(crt, key);
	gnutls_pubkey_deinit(key);
	if (code)
		return err_set(err, -EPERM, "the public key can't be read: %s", gnutls_strerror(code));
	return ours ? 0 : err_set(err, -EPERM, "the public key is not ECDSA on P-256");
}

static int fill(gnutls_x509_crt_t crt, const struct ca *ca, const struct pki_request *r, int64_t now_s)
{
	unsigned char id[32], of_ca[32];
	size_t n = sizeof(id), m = sizeof(of_ca);
	const char *purpose = r->use == PKI_SERVER ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;
	int code = gnutls_x509_crt_set_version(crt, 3);
	if (!code)
		code = set_serial(crt);
	if (!code)
		code = set_times(crt, now_s, r->days, gnutls_x509_crt_get_expiration_time(ca->crt));
	if (!code && r->organization.n)
		code = set_text(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, r->organization);
	if (!code)
		code = set_text(crt, GNUTLS_OID_X520_COMMON_NAME, r->common_name);
	if (!code)
		code = set_names(crt, r);
	if (!code)
		code = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
	if (!code)
		code = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (!code)
		code = gnutls_x509_crt_set_key_purpose_oid(crt, purpose, 0);
	if (!code)
		code = set_key_id(crt, id, &n);
	if (!code)
		code = gnutls_x509_crt_get_subject_key_id(ca->crt, of_ca, &m, NULL);
	if (!code)
		code = gnutls_x509_crt_set_authority_key_id(crt, of_ca, m);
	return code ? code : gnutls_x509_crt_sign2(crt, ca->crt, ca->key, GNUTLS_DIG_SHA256, 0);
}

int ca_sign(const struct ca *ca, const struct pki_request *r, const struct clock *clock, struct buf *out,
            struct err *err)
{
	CLEANUP(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	int64_t now_s = clock_wall(clock) / CLOCK_S;
	int code = request_check(r, err);
	if (code)
		return code;
	if (gnutls_x509_crt_get_expiration_time(ca->crt) <= (time_t)now_s)
		return err_set(err, -EPERM, "the CA's own certificate has ended: nothing it signs would be taken");
	code = gnutls_x509_crt_init(&crt);
	if (code)
		return x509_fail(err, code, "sign a certificate");
	code = set_key(crt, r->public_key, err);
	if (code)
		return code;
	code = fill(crt, ca, r, now_s);
	return code ? x509_fail(err, code, "sign a certificate") : export(crt, out, err);
}
