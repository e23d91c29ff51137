#include "pki/fixture.h"

#include <sys/wait.h>

static mode_t mode_of(const struct fixture *f, const char *name)
{
	struct stat st;
	assert_int_equal(lstat(fixture_path(f, name), &st), 0);
	return st.st_mode & 07777;
}

static bool same(const struct buf *a, const struct buf *b)
{
	return str_eq(buf_str(a), buf_str(b));
}

static void made_once(void **state)
{
	struct fixture *f = *state;
	struct pki_info info;
	bool made = true;
	char hex[PKI_FINGERPRINT + 1];
	mode_t old = umask(077);
	fixture_ca(f);
	umask(old);
	assert_int_equal(mode_of(f, "ca.key"), 0600);
	assert_int_equal(mode_of(f, "ca.crt"), 0644);

	struct buf crt = fixture_read(f, "ca.crt"), key = fixture_read(f, "ca.key");
	assert_int_equal(pki_read(buf_str(&crt), &info, NULL), 0);
	assert_string_equal(info.subject, "CN=khien CA,O=Bệnh viện");
	assert_string_equal(info.issuer, info.subject);
	assert_true(info.is_ca);
	assert_string_equal(info.names, "");
	int64_t now_s = clock_wall(&f->clock) / CLOCK_S;
	assert_int_equal(info.from, (now_s - X509_BACKDATE_S) * CLOCK_S);
	assert_int_equal(info.until, (now_s + 3652ll * X509_DAY_S) * CLOCK_S);
	assert_int_equal(pki_fingerprint(buf_str(&crt), hex, NULL), 0);
	assert_string_equal(hex, info.fingerprint);
	assert_int_equal(strspn(hex, "0123456789abcdef"), PKI_FINGERPRINT);

	assert_int_equal(pki_ca_init(f->dir, STR("Other"), &f->clock, &made, NULL), 0);
	assert_false(made);
	struct buf crt2 = fixture_read(f, "ca.crt"), key2 = fixture_read(f, "ca.key");
	assert_true(same(&crt, &crt2) && same(&key, &key2));
	buf_free(&crt), buf_free(&key), buf_free(&crt2), buf_free(&key2);
}

static void halves(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct ca ca;
	bool made = false;
	fixture_ca(f);
	/* the certificate is lost: made again for the same key */
	struct buf key = fixture_read(f, "ca.key");
	assert_int_equal(unlink(fixture_path(f, "ca.crt")), 0);
	assert_int_equal(ca_open(&ca, f->dir, &err), -ENOENT);
	assert_int_equal(pki_ca_init(f->dir, STR("Unit"), &f->clock, &made, &err), 0);
	assert_true(made);
	struct buf key2 = fixture_read(f, "ca.key");
	assert_true(same(&key, &key2));
	assert_int_equal(ca_open(&ca, f->dir, &err), 0);
	ca_done(&ca);
	/* the key is lost: nobody makes another in silence */
	assert_int_equal(unlink(fixture_path(f, "ca.key")), 0);
	made = true;
	assert_int_equal(pki_ca_init(f->dir, STR("Unit"), &f->clock, &made, &err), -ENOENT);
	assert_non_null(strstr(err.text, "backup"));
	assert_true(made); /* untouched */
	assert_int_equal(access(fixture_path(f, "ca.key"), F_OK), -1);
	buf_free(&key), buf_free(&key2);
}

static void two_at_once(void **state)
{
	struct fixture *f = *state;
	int sum = 0, status;
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			bool made = false;
			int code = pki_ca_init(f->dir, STR("Unit"), &f->clock, &made, NULL);
			_exit(code ? 100 : made);
		}
	for (int i = 0; i < 4; i++) {
		assert_true(wait(&status) > 0 && WIFEXITED(status));
		sum += WEXITSTATUS(status);
	}
	assert_int_equal(sum, 1);
	struct ca ca;
	assert_int_equal(ca_open(&ca, f->dir, NULL), 0);
	ca_done(&ca);
}

static void refused_files(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct ca ca;
	bool made;
	assert_int_equal(ca_open(&ca, f->dir, &err), -ENOENT);
	assert_int_equal(pki_ca_init(f->dir, STR("a\nb"), &f->clock, &made, &err), -EINVAL);
	assert_int_equal(pki_ca_init("/nonexistent/dir", STR("a"), &f->clock, &made, &err), -ENOENT);
	fixture_ca(f);
	struct buf key = fixture_read(f, "ca.key"), other = { 0 }, public = { 0 };

	assert_int_equal(chmod(fixture_path(f, "ca.key"), 0640), 0);
	assert_int_equal(ca_open(&ca, f->dir, &err), -EPERM);
	assert_non_null(strstr(err.text, "chmod 600"));

	assert_int_equal(pki_key_new(&other, &public, &err), 0);
	fixture_write(f, "ca.key", buf_str(&other), 0600);
	assert_int_equal(ca_open(&ca, f->dir, &err), -EBADMSG);
	fixture_write(f, "ca.key", STR("-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n"), 0600);
	assert_int_equal(ca_open(&ca, f->dir, &err), -EBADMSG);
	fixture_write(f, "ca.key", STR(""), 0600);
	assert_int_equal(ca_open(&ca, f->dir, &err), -EBADMSG);

	/* no link is followed, no FIFO waited for, nothing endless read */
	unlink(fixture_path(f, "ca.key"));
	fixture_write(f, "leaf.key", buf_str(&key), 0600);
	assert_int_equal(symlink(fixture_path(f, "leaf.key"), fixture_path(f, "ca.key")), 0);
	assert_int_equal(ca_open(&ca, f->dir, &err), -ELOOP);
	unlink(fixture_path(f, "ca.key"));
	assert_int_equal(mkfifo(fixture_path(f, "ca.key"), 0600), 0);
	assert_int_equal(ca_open(&ca, f->dir, &err), -EBADMSG);
	fixture_write(f, "ca.key", buf_str(&key), 0600);
	assert_int_equal(truncate(fixture_path(f, "ca.key"), X509_FILE_MAX + 1), 0);
	assert_int_equal(ca_open(&ca, f->dir, &err), -EBADMSG);
	fixture_write(f, "ca.key", buf_str(&key), 0600);
	assert_int_equal(ca_open(&ca, f->dir, &err), 0);
	ca_done(&ca);
	x509_wipe(&key), x509_wipe(&other), buf_free(&public);
}

static const struct str names[] = { STR("hub.example"), STR("10.0.0.7"), STR("2001:db8::7") };

static int sign(struct fixture *f, struct str public_key, enum pki_use use, struct buf *pem, struct err *err)
{
	const struct pki_request r = { .public_key = public_key,
		                       .common_name = STR("hub.example"),
		                       .names = names,
		                       .n_names = ARRAY_LEN(names),
		                       .use = use,
		                       .days = 30 };
	struct ca ca;
	assert_int_equal(ca_open(&ca, f->dir, NULL), 0);
	int code = ca_sign(&ca, &r, &f->clock, pem, err);
	ca_done(&ca);
	return code;
}

/* Runs a command that stands in PATH; its exit status, or -1 where there is no such program. */
static int run(const char *command)
{
	int status = -1;
	FILE *p = popen(command, "r");
	assert_non_null(p);
	char line[512], last[512] = "";
	while (fgets(line, sizeof(line), p))
		snprintf(last, sizeof(last), "%s", line);
	status = pclose(p);
	if (status && status != 127 << 8)
		print_message("%s: %s", command, last);
	return status == 127 << 8 ? -1 : status;
}

/* The extensions, as RFC 5280 asks for them. */
static void profile(struct fixture *f, struct str pem, enum pki_use use)
{
	gnutls_x509_crt_t crt, ca;
	unsigned usage, critical, pathlen_ca;
	unsigned char serial[32], of_ca[32], of_leaf[32];
	char oid[64];
	size_t n = sizeof(serial), m = sizeof(of_ca), k = sizeof(of_leaf), o = sizeof(oid);
	int pathlen = -2;
	struct buf ca_pem = fixture_read(f, "ca.crt");
	assert_int_equal(x509_read(&crt, pem, NULL), 0);
	assert_int_equal(x509_read(&ca, buf_str(&ca_pem), NULL), 0);
	assert_int_equal(gnutls_x509_crt_get_version(crt), 3);
	assert_int_equal(gnutls_x509_crt_get_basic_constraints(crt, &critical, &pathlen_ca, NULL), 0);
	assert_int_equal(pathlen_ca, 0);
	assert_int_equal(gnutls_x509_crt_get_basic_constraints(ca, &critical, &pathlen_ca, &pathlen), 1);
	assert_true(critical && pathlen_ca && pathlen == 0);
	assert_int_equal(gnutls_x509_crt_get_key_usage(crt, &usage, &critical), 0);
	assert_true(critical && usage == GNUTLS_KEY_DIGITAL_SIGNATURE);
	assert_int_equal(gnutls_x509_crt_get_key_usage(ca, &usage, &critical), 0);
	assert_true(critical && usage == (GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN));
	assert_int_equal(gnutls_x509_crt_get_key_purpose_oid(crt, 0, oid, &o, &critical), 0);
	assert_string_equal(oid, use == PKI_SERVER ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT);
	o = sizeof(oid);
	assert_int_equal(gnutls_x509_crt_get_key_purpose_oid(crt, 1, oid, &o, &critical),
	                 GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE);
	assert_int_equal(gnutls_x509_crt_get_serial(crt, serial, &n), 0);
	assert_true(n == 16 && serial[0] >= 0x40 && serial[0] < 0x80);
	assert_int_equal(gnutls_x509_crt_get_subject_key_id(ca, of_ca, &m, NULL), 0);
	assert_int_equal(gnutls_x509_crt_get_authority_key_id(crt, of_leaf, &k, NULL), 0);
	assert_true(m == k && memcmp(of_ca, of_leaf, m) == 0);
	assert_int_equal(gnutls_x509_crt_get_signature_algorithm(crt), GNUTLS_SIGN_ECDSA_SHA256);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_crt_deinit(ca);
	buf_free(&ca_pem);
}

static void signs(void **state)
{
	static const enum pki_use uses[] = { PKI_SERVER, PKI_CLIENT };
	struct fixture *f = *state;
	struct buf key = { 0 }, public = { 0 };
	char command[512], before[PKI_FINGERPRINT + 1] = "";
	bool checked = false;
	fixture_ca(f);
	assert_int_equal(pki_key_new(&key, &public, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
		struct buf pem = { 0 };
		struct err err = { 0 };
		struct pki_info info;
		assert_int_equal(sign(f, buf_str(&public), uses[i], &pem, &err), 0);
		assert_int_equal(pki_read(buf_str(&pem), &info, NULL), 0);
		assert_string_equal(info.subject, "CN=hub.example");
		assert_string_equal(info.issuer, "CN=khien CA,O=Bệnh viện");
		assert_string_equal(info.names, "hub.example, 10.0.0.7, 2001:db8::7");
		assert_false(info.is_ca);
		assert_int_equal(info.until / CLOCK_S, clock_wall(&f->clock) / CLOCK_S + 30 * X509_DAY_S);
		assert_string_not_equal(info.fingerprint, before);
		snprintf(before, sizeof(before), "%s", info.fingerprint);
		profile(f, buf_str(&pem), uses[i]);
		fixture_write(f, "leaf.crt", buf_str(&pem), 0600);
		snprintf(command, sizeof(command), "certtool --verify --load-ca-certificate %s --infile %s 2>&1",
		         fixture_path(f, "ca.crt"), fixture_path(f, "leaf.crt"));
		int status = run(command);
		assert_true(status <= 0);
		checked = checked || status == 0;
		snprintf(command, sizeof(command), "openssl verify -x509_strict -purpose %s -CAfile %s %s 2>&1",
		         uses[i] == PKI_SERVER ? "sslserver" : "sslclient", fixture_path(f, "ca.crt"),
		         fixture_path(f, "leaf.crt"));
		status = run(command);
		assert_true(status <= 0);
		checked = checked || status == 0;
		buf_free(&pem);
	}
	if (!checked)
		print_message("neither certtool nor openssl is here to check with\n");
	x509_wipe(&key), buf_free(&public);
}

static void only_our_kind_of_key(void **state)
{
	static const struct {
		gnutls_pk_algorithm_t kind;
		unsigned bits;
	} others[] = { { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1) },
		       { GNUTLS_PK_RSA, 2048 },
		       { GNUTLS_PK_EDDSA_ED25519, 0 } };
	static const struct str texts[] = { STR("x"),
		                            STR("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n") };
	struct fixture *f = *state;
	struct buf pem = { 0 };
	fixture_ca(f);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		gnutls_x509_privkey_t key;
		struct buf public = { 0 };
		struct err err = { 0 };
		assert_int_equal(gnutls_x509_privkey_init(&key), 0);
		assert_int_equal(gnutls_x509_privkey_generate(key, others[i].kind, others[i].bits, 0), 0);
		assert_int_equal(x509_public_pem(key, &public, NULL), 0);
		assert_int_equal(sign(f, buf_str(&public), PKI_SERVER, &pem, &err), -EPERM);
		assert_non_null(strstr(err.text, "P-256"));
		gnutls_x509_privkey_deinit(key);
		buf_free(&public);
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(sign(f, texts[i], PKI_SERVER, &pem, NULL), -EPERM);
	assert_int_equal(pem.n, 0);
}

static void not_beyond_its_own_end(void **state)
{
	struct fixture *f = *state;
	struct buf key = { 0 }, public = { 0 }, pem = { 0 }, ca_pem;
	struct pki_info info, ca;
	struct err err = { 0 };
	fixture_ca(f);
	ca_pem = fixture_read(f, "ca.crt");
	assert_int_equal(pki_read(buf_str(&ca_pem), &ca, NULL), 0);
	assert_int_equal(pki_key_new(&key, &public, NULL), 0);
	clock_advance(&f->clock, ca.until - clock_wall(&f->clock) - 3 * DAY_US);
	assert_int_equal(sign(f, buf_str(&public), PKI_SERVER, &pem, &err), 0);
	assert_int_equal(pki_read(buf_str(&pem), &info, NULL), 0);
	assert_int_equal(info.until, ca.until);
	clock_advance(&f->clock, 3 * DAY_US);
	assert_int_equal(sign(f, buf_str(&public), PKI_SERVER, &pem, &err), -EPERM);
	x509_wipe(&key), buf_free(&public), buf_free(&pem), buf_free(&ca_pem);
}

static void read_refuses(void **state)
{
	struct pki_info info;
	char hex[PKI_FINGERPRINT + 1], big[X509_FILE_MAX + 1];
	memset(big, 'A', sizeof(big));
	assert_int_equal(pki_read(STR(""), &info, NULL), -EBADMSG);
	assert_int_equal(pki_read(STR("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"), &info, NULL),
	                 -EBADMSG);
	assert_int_equal(pki_fingerprint(STR("no"), hex, NULL), -EBADMSG);
	assert_int_equal(pki_fingerprint((struct str){ big, sizeof(big) }, hex, NULL), -EFBIG);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(made_once),
		TEST(halves),
		TEST(two_at_once),
		TEST(refused_files),
		TEST(signs),
		TEST(only_our_kind_of_key),
		TEST(not_beyond_its_own_end),
		TEST(read_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
