#include "collect/tls.h"

#include "base/utf8.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* RFC 9662 and RFC 9325: no key exchange without forward secrecy, no cipher without authentication, no weak certificate. */
static const char priorities[] =
        "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"
        "-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD:%PROFILE_MEDIUM";

enum { HANDSHAKE_BYTES = 32 << 10, STEPS = 8 };

struct tls {
	unsigned refs;
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t priorities;
	bool any;
};

struct tls_session {
	struct tls *tls;
	gnutls_session_t session;
	int fd;
	bool done, over; /* shaken hands; nothing can be sent any more */
	char name[TLS_NAME + 1];
	char why[256]; /* the client's certificate is not good */
};

static gnutls_datum_t datum(struct str s)
{
	return (gnutls_datum_t){ (unsigned char *)s.p, (unsigned)s.n };
}

/* --- whom we are and whom we trust --- */

/* The hub gives certificates with a unit (O) to posts alone, each by its own list of who is revoked, which is not here. */
static bool is_post(gnutls_session_t session)
{
	unsigned n = 0;
	char unit[8];
	size_t size = sizeof(unit);
	gnutls_x509_crt_t crt;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
	if (!chain || !n || gnutls_x509_crt_init(&crt) < 0)
		return true;
	const bool none = gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) >= 0 &&
	                  gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, 0, unit, &size) ==
	                          GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
	gnutls_x509_crt_deinit(crt);
	return !none;
}

static int verify(gnutls_session_t session)
{
	struct tls_session *s = gnutls_session_get_ptr(session);
	gnutls_typed_vdata_st use = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
		                      .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT };
	gnutls_datum_t text = { 0 };
	unsigned status = 0;
	int code = gnutls_certificate_verify_peers(session, &use, 1, &status);
	if (code >= 0 && !status && !is_post(session))
		return 0;
	if (code >= 0 && !status)
		snprintf(s->why, sizeof(s->why), "it is a post's certificate, which is not for syslog");
	else if (code < 0 || gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) < 0)
		snprintf(s->why, sizeof(s->why), "its certificate can't be checked: %s", gnutls_strerror(code));
	else
		snprintf(s->why, sizeof(s->why), STR_FMT,
		         STR_ARG(str_trim((struct str){ (char *)text.data, text.size })));
	gnutls_free(text.data);
	return GNUTLS_E_CERTIFICATE_ERROR;
}

static int load(struct tls *t, const struct listener_tls *config, struct err *err)
{
	gnutls_datum_t certificate = datum(config->certificate), key = datum(config->key), ca = datum(config->ca);
	gnutls_certificate_credentials_t c = t->credentials;
	int code = gnutls_certificate_set_x509_key_mem2(c, &certificate, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (code < 0)
		return err_set(err, -EINVAL, "certificate and key: %s", gnutls_strerror(code));
	if (config->any)
		return 0;
	code = gnutls_certificate_set_x509_trust_mem(c, &ca, GNUTLS_X509_FMT_PEM);
	if (code <= 0)
		return err_set(err, -EINVAL, "the clients' CA: %s", code ? gnutls_strerror(code) : "no certificate");
	gnutls_certificate_set_verify_function(c, verify);
	return 0;
}

int tls_new(struct tls **ret, const struct listener_tls *config, struct err *err)
{
	struct tls *t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(err, -ENOMEM, "TLS: %m");
	*t = (struct tls){ .refs = 1, .any = config->any };
	int code = gnutls_certificate_allocate_credentials(&t->credentials);
	if (code >= 0)
		code = gnutls_priority_init(&t->priorities, priorities, NULL);
	code = code < 0 ? err_set(err, -EINVAL, "TLS: %s", gnutls_strerror(code)) : load(t, config, err);
	if (code)
		tls_unref(t);
	else
		*ret = t;
	return code;
}

struct tls *tls_ref(struct tls *t)
{
	t->refs++;
	return t;
}

void tls_unref(struct tls *t)
{
	if (!t || --t->refs)
		return;
	if (t->credentials)
		gnutls_certificate_free_credentials(t->credentials);
	if (t->priorities)
		gnutls_priority_deinit(t->priorities);
	free(t);
}

/* --- a session --- */

/* The system calls are ours to choose: the sandbox knows these. */
static ssize_t push(gnutls_transport_ptr_t ptr, const void *p, size_t n)
{
	const struct tls_session *s = ptr;
	return send(s->fd, p, n, MSG_NOSIGNAL);
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *p, size_t n)
{
	const struct tls_session *s = ptr;
	return recv(s->fd, p, n, 0);
}

int tls_session_new(struct tls_session **ret, struct tls *t, int fd)
{
	struct tls_session *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	if (gnutls_init(&s->session, GNUTLS_SERVER | GNUTLS_NONBLOCK) < 0) {
		free(s);
		return -ENOMEM;
	}
	s->tls = tls_ref(t);
	s->fd = fd;
	gnutls_session_t session = s->session;
	gnutls_session_set_ptr(session, s);
	gnutls_transport_set_ptr(session, s);
	gnutls_transport_set_push_function(session, push);
	gnutls_transport_set_pull_function(session, pull);
	gnutls_handshake_set_max_packet_length(session, HANDSHAKE_BYTES);
	gnutls_certificate_server_set_request(session, t->any ? GNUTLS_CERT_IGNORE : GNUTLS_CERT_REQUIRE);
	if (gnutls_priority_set(session, t->priorities) < 0 ||
	    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, t->credentials) < 0) {
		s->over = true;
		tls_session_free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

/* What is odd in a name is shown as '?'; one with a NUL in it, which other programs would cut there, is none. */
static void read_name(struct tls_session *s)
{
	unsigned n = 0;
	char cn[256];
	size_t size = sizeof(cn), at = 0;
	gnutls_x509_crt_t crt;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(s->session, &n);
	if (!chain || !n || gnutls_x509_crt_init(&crt) < 0)
		return;
	if (gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) < 0 ||
	    gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, cn, &size) < 0 || strlen(cn) != size)
		size = 0;
	gnutls_x509_crt_deinit(crt);
	for (struct str rest = str_trim((struct str){ cn, size }); rest.n;) {
		size_t len = utf8_len(rest);
		bool good = len > 1 || (len && rest.p[0] >= ' ' && rest.p[0] != 0x7f);
		size_t use = good ? len : 1;
		if (at + use > TLS_NAME)
			break;
		memcpy(s->name + at, good ? rest.p : "?", use);
		at += use;
		rest = str_sub(rest, use, rest.n);
	}
	s->name[at] = '\0';
}

int tls_handshake(struct tls_session *s, struct err *err)
{
	int code = GNUTLS_E_AGAIN;
	for (int i = 0; i < STEPS; i++) {
		code = gnutls_handshake(s->session);
		if (code >= 0 || gnutls_error_is_fatal(code) || code == GNUTLS_E_AGAIN)
			break;
	}
	if (code >= 0) {
		s->done = true;
		if (!s->tls->any)
			read_name(s);
		return 0;
	}
	if (!gnutls_error_is_fatal(code))
		return gnutls_record_get_direction(s->session) ? -EINPROGRESS : -EAGAIN;
	gnutls_alert_send_appropriate(s->session, code);
	s->over = true;
	return err_set(err, -EPROTO, "%s", *s->why ? s->why : gnutls_strerror(code));
}

const char *tls_name(const struct tls_session *s)
{
	return s->name;
}

long tls_read(struct tls_session *s, char *to, size_t n)
{
	for (int i = 0; i < STEPS; i++) {
		ssize_t got = gnutls_record_recv(s->session, to, n);
		if (got >= 0)
			return got;
		if (got == GNUTLS_E_AGAIN)
			return -EAGAIN;
		if (gnutls_error_is_fatal((int)got) || got == GNUTLS_E_REHANDSHAKE) {
			s->over = true;
			return -EPROTO;
		}
	}
	return -EAGAIN; /* warnings, for which others don't wait */
}

bool tls_pending(const struct tls_session *s)
{
	return gnutls_record_check_pending(s->session) > 0;
}

void tls_session_free(struct tls_session *s)
{
	if (!s)
		return;
	if (s->done && !s->over)
		gnutls_bye(s->session, GNUTLS_SHUT_WR);
	gnutls_deinit(s->session);
	tls_unref(s->tls);
	free(s);
}
