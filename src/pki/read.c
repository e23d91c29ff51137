/* Certificates and keys as they are found: in files and as text. */
#include "pki/x509.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int x509_fail(struct err *err, int code, const char *what)
{
	int ret = code == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EBADMSG;
	return err_set(err, ret, "%s: %s", what, gnutls_strerror(code));
}

void x509_crt_done(gnutls_x509_crt_t *crt)
{
	gnutls_x509_crt_deinit(*crt);
	*crt = NULL;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static int read_all(int fd, size_t size, struct buf *out)
{
	char *at = buf_room(out, size + 1);
	size_t n = 0;
	if (!at)
		return -ENOMEM;
	while (n <= size) {
		ssize_t got = read(fd, at + n, size + 1 - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	if (n > size)
		return -EAGAIN; /* it grew */
	out->n += n;
	return 0;
}

int x509_file(const char *dir, const char *name, bool secret, struct buf *out, struct err *err)
{
	char path[4096];
	struct stat st;
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, -ENAMETOOLONG, "read '%s/%s': %m", dir, name);
	/* what waits on opening (a FIFO) or stands elsewhere (a link) is none of ours */
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st))
		return err_set(err, -errno, "read '%s': %m", path);
	if (!S_ISREG(st.st_mode) || st.st_size > X509_FILE_MAX)
		return err_set(err, -EBADMSG, "read '%s': it is no file of at most %d bytes", path, X509_FILE_MAX);
	if (secret && (st.st_mode & 077))
		return err_set(err, -EPERM,
		               "read '%s': others may read it; 'chmod 600' it, or make a new one if they did", path);
	int code = read_all(fd, (size_t)st.st_size, out);
	return code ? err_set(err, code, "read '%s': %m", path) : 0;
}

int pki_load(const char *dir, const char *name, struct buf *pem, struct err *err)
{
	return x509_file(dir, name, false, pem, err);
}

int x509_read(gnutls_x509_crt_t *ret, struct str pem, struct err *err)
{
	const gnutls_datum_t text = { (unsigned char *)pem.p, (unsigned)pem.n };
	gnutls_x509_crt_t crt;
	if (pem.n > X509_FILE_MAX)
		return err_set(err, -EFBIG, "read a certificate: it has more than %d bytes", X509_FILE_MAX);
	int code = gnutls_x509_crt_init(&crt);
	if (code)
		return x509_fail(err, code, "read a certificate");
	code = gnutls_x509_crt_import(crt, &text, GNUTLS_X509_FMT_PEM);
	if (code) {
		gnutls_x509_crt_deinit(crt);
		return x509_fail(err, code, "read a certificate");
	}
	*ret = crt;
	return 0;
}

int x509_names(gnutls_x509_crt_t crt, char names[][X509_NAME_MAX + 1], int max)
{
	int n = 0;
	for (unsigned i = 0;; i++) {
		char value[X509_NAME_MAX + 1];
		size_t size = sizeof(value);
		int type = gnutls_x509_crt_get_subject_alt_name(crt, i, value, &size, NULL);
		if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return n;
		if (type < 0 && type != GNUTLS_E_SHORT_MEMORY_BUFFER)
			return -EBADMSG;
		if (n == max)
			continue;
		if (type == GNUTLS_SAN_DNSNAME && !memchr(value, '\0', size))
			snprintf(names[n++], sizeof(names[0]), "%.*s", (int)size, value);
		else if (type == GNUTLS_SAN_IPADDRESS && (size == 4 || size == 16) &&
		         inet_ntop(size == 4 ? AF_INET : AF_INET6, value, names[n], sizeof(names[0])))
			n++;
	}
}

static int fingerprint(gnutls_x509_crt_t crt, char hex[PKI_FINGERPRINT + 1])
{
	unsigned char sum[PKI_FINGERPRINT / 2];
	size_t n = sizeof(sum);
	int code = gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, sum, &n);
	for (size_t i = 0; !code && i < sizeof(sum); i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	return code;
}

int pki_fingerprint(struct str pem, char hex[PKI_FINGERPRINT + 1], struct err *err)
{
	CLEANUP(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	int code = x509_read(&crt, pem, err);
	if (code)
		return code;
	code = fingerprint(crt, hex);
	return code ? x509_fail(err, code, "read a certificate") : 0;
}

/* A name as RFC 4514 writes it. */
static int name_text(gnutls_x509_crt_t crt, int (*get)(gnutls_x509_crt_t, gnutls_datum_t *, unsigned), char *to,
                     size_t size)
{
	gnutls_datum_t text = { 0 };
	int code = get(crt, &text, 0);
	if (code)
		return code;
	snprintf(to, size, "%.*s", (int)text.size, (const char *)text.data);
	gnutls_free(text.data);
	return 0;
}

int pki_read(struct str pem, struct pki_info *ret, struct err *err)
{
	CLEANUP(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	char names[PKI_NAMES_MAX][X509_NAME_MAX + 1];
	struct pki_info info = { 0 };
	int code = x509_read(&crt, pem, err);
	if (code)
		return code;
	code = name_text(crt, gnutls_x509_crt_get_dn3, info.subject, sizeof(info.subject));
	if (!code)
		code = name_text(crt, gnutls_x509_crt_get_issuer_dn3, info.issuer, sizeof(info.issuer));
	if (!code)
		code = fingerprint(crt, info.fingerprint);
	if (code)
		return x509_fail(err, code, "read a certificate");
	info.from = (int64_t)gnutls_x509_crt_get_activation_time(crt) * CLOCK_S;
	info.until = (int64_t)gnutls_x509_crt_get_expiration_time(crt) * CLOCK_S;
	info.is_ca = gnutls_x509_crt_get_ca_status(crt, NULL) > 0;
	int n = x509_names(crt, names, PKI_NAMES_MAX);
	if (n < 0)
		return err_set(err, n, "read a certificate: its names are not as RFC 5280 has them");
	for (int i = 0, at = 0; i < n && at < (int)sizeof(info.names); i++)
		at += snprintf(info.names + at, sizeof(info.names) - (size_t)at, "%s%s", i ? ", " : "", names[i]);
	*ret = info;
	return 0;
}

int pki_unit(struct str pem, char unit[PKI_TITLE_MAX + 1], struct err *err)
{
	CLEANUP(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	int code = x509_read(&crt, pem, err);
	return code ? code : x509_unit(crt, unit, err);
}

int x509_unit(gnutls_x509_crt_t crt, char unit[PKI_TITLE_MAX + 1], struct err *err)
{
	char text[PKI_TITLE_MAX + 1];
	size_t n = sizeof(text);
	if (gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, 0, text, &n) ||
	    n > PKI_TITLE_MAX || !pki_is_title((struct str){ text, n }))
		return err_set(err, -ENOENT, "the certificate names no unit");
	memcpy(unit, text, n);
	unit[n] = '\0';
	return 0;
}

int pki_serial(struct str pem, char serial[PKI_SERIAL + 1], struct err *err)
{
	CLEANUP(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	unsigned char raw[PKI_SERIAL / 2];
	size_t n = sizeof(raw);
	int code = x509_read(&crt, pem, err);
	if (code)
		return code;
	code = gnutls_x509_crt_get_serial(crt, raw, &n);
	for (size_t i = 0; !code && i < n; i++)
		snprintf(serial + 2 * i, 3, "%02x", raw[i]);
	return code ? x509_fail(err, code, "read a certificate's serial number") : 0;
}
