#include "post/http.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHAIN_MAX = 8, READ_AT_ONCE = 16 << 10, READS = 16 /* of a step */, ALERTS = 4 };

struct http {
	int fd;
	gnutls_session_t tls; /* NULL: plain */
	gnutls_certificate_credentials_t credentials;
	char host[256];
	unsigned char print[HTTP_PRINT];
	bool pinned; /* by print */
	bool shaken; /* hands */
	bool asked, closed;
	struct buf head;
	struct str body;
	size_t sent; /* of both */
	struct answer answer;
	uint64_t moved;
};

/* --- whom to trust --- */

static int fail(struct err *err, int code, int gnutls, const char *what)
{
	return err_set(err, code, "%s: %s", what, gnutls_strerror(gnutls));
}

/* The certificate of a chain whose SHA-256 is `print`, alone, as what is trusted; and the chain judged by it. */
static int verify_pinned(struct http *h, const gnutls_datum_t *chain, unsigned n, unsigned *status)
{
	gnutls_x509_crt_t crt[CHAIN_MAX] = { NULL };
	gnutls_x509_trust_list_t list = NULL;
	unsigned found = n, made = 0;
	int code = gnutls_x509_trust_list_init(&list, 0);
	for (; made < n && !code; made++) {
		unsigned char print[HTTP_PRINT];
		size_t size = sizeof(print);
		code = gnutls_x509_crt_init(&crt[made]);
		if (!code)
			code = gnutls_x509_crt_import(crt[made], &chain[made], GNUTLS_X509_FMT_DER);
		if (!code)
			code = gnutls_x509_crt_get_fingerprint(crt[made], GNUTLS_DIG_SHA256, print, &size);
		if (!code && size == sizeof(print) && memcmp(print, h->print, size) == 0)
			found = made;
	}
	*status = GNUTLS_CERT_INVALID;
	if (!code && found < n && gnutls_x509_trust_list_add_cas(list, &crt[found], 1, 0) == 1) {
		gnutls_typed_vdata_st what[] = {
			{ GNUTLS_DT_DNS_HOSTNAME, (unsigned char *)h->host, 0 },
			{ GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)GNUTLS_KP_TLS_WWW_SERVER, 0 },
		};
		code = gnutls_x509_trust_list_verify_crt2(list, crt, n, what, ARRAY_LEN(what), 0, status, NULL);
	}
	for (unsigned i = 0; i < made; i++)
		gnutls_x509_crt_deinit(crt[i]);
	if (list)
		gnutls_x509_trust_list_deinit(list, 0);
	return code;
}

/* Called within the handshake, before anything of a request is sent. */
static int verify(gnutls_session_t session)
{
	struct http *h = gnutls_session_get_ptr(session);
	unsigned n = 0, status = GNUTLS_CERT_INVALID;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
	int code = 0;
	if (!chain || !n || n > CHAIN_MAX)
		return GNUTLS_E_CERTIFICATE_ERROR;
	if (h->pinned) {
		code = verify_pinned(h, chain, n, &status);
	} else {
		gnutls_typed_vdata_st what[] = {
			{ GNUTLS_DT_DNS_HOSTNAME, (unsigned char *)h->host, 0 },
			{ GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)GNUTLS_KP_TLS_WWW_SERVER, 0 },
		};
		code = gnutls_certificate_verify_peers(session, what, ARRAY_LEN(what), &status);
	}
	return code < 0 || status ? GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR : 0;
}

static gnutls_datum_t datum(struct str s)
{
	return (gnutls_datum_t){ (unsigned char *)s.p, (unsigned)s.n };
}

static int set_credentials(struct http *h, const struct http_tls *tls, struct err *err)
{
	const gnutls_datum_t ca = datum(tls->ca), certificate = datum(tls->certificate), key = datum(tls->key);
	int code = gnutls_certificate_allocate_credentials(&h->credentials);
	if (!code && tls->ca.n) {
		code = gnutls_certificate_set_x509_trust_mem(h->credentials, &ca, GNUTLS_X509_FMT_PEM);
		code = code == 1 ? 0 : code < 0 ? code : GNUTLS_E_NO_CERTIFICATE_FOUND;
	}
	if (!code && certificate.size)
		code = gnutls_certificate_set_x509_key_mem(h->credentials, &certificate, &key, GNUTLS_X509_FMT_PEM);
	if (code < 0)
		return fail(err, -EINVAL, code, "certificates of the post");
	gnutls_certificate_set_verify_function(h->credentials, verify);
	return 0;
}

static int begin_tls(struct http *h, const struct http_tls *tls, struct err *err)
{
	int code;
	if (!tls->host.n || tls->host.n >= sizeof(h->host))
		return err_set(err, -EINVAL, "the hub's name is too long");
	memcpy(h->host, tls->host.p, tls->host.n);
	memcpy(h->print, tls->print, sizeof(h->print));
	h->pinned = !tls->ca.n;
	if ((code = set_credentials(h, tls, err)))
		return code;
	code = gnutls_init(&h->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
	if (code)
		return fail(err, -ENOMEM, code, "TLS");
	gnutls_session_set_ptr(h->tls, h);
	code = gnutls_set_default_priority_append(h->tls, "-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", NULL, 0);
	if (!code)
		code = gnutls_credentials_set(h->tls, GNUTLS_CRD_CERTIFICATE, h->credentials);
	if (!code && !strchr(h->host, ':') && strspn(h->host, "0123456789.") != tls->host.n)
		code = gnutls_server_name_set(h->tls, GNUTLS_NAME_DNS, h->host, tls->host.n);
	if (code)
		return fail(err, -EINVAL, code, "TLS");
	gnutls_transport_set_int(h->tls, h->fd);
	return 0;
}

/* --- the connection --- */

int http_new(struct http **ret, int fd, const struct http_tls *tls, struct err *err)
{
	struct http *h = calloc(1, sizeof(*h));
	const int on = 1;
	if (!h) {
		close(fd);
		return err_set(err, -ENOMEM, "connect: %m");
	}
	h->fd = fd;
	h->head.max = 64 << 10;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	int code = tls ? begin_tls(h, tls, err) : 0;
	if (code)
		http_free(h);
	else
		*ret = h;
	return code;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	if (h->tls) {
		if (h->shaken && !h->closed)
			gnutls_bye(h->tls, GNUTLS_SHUT_WR); /* what doesn't go out at once stays */
		gnutls_deinit(h->tls);
	}
	if (h->credentials)
		gnutls_certificate_free_credentials(h->credentials);
	close(h->fd);
	answer_done(&h->answer);
	buf_free(&h->head);
	free(h);
}

int http_fd(const struct http *h)
{
	return h->fd;
}

int http_ask(struct http *h, const struct http_request *r)
{
	h->head.n = h->sent = 0;
	h->head.failed = false;
	buf_printf(&h->head, "%s %s HTTP/1.1\r\nHost: " STR_FMT "\r\nUser-Agent: khien/" KHIEN_VERSION "\r\n",
	           r->method, r->path, STR_ARG(r->host));
	if (r->body.n || strcmp(r->method, "POST") == 0)
		buf_printf(&h->head, "Content-Length: %zu\r\n", r->body.n);
	buf_add(&h->head, r->header);
	buf_add(&h->head, STR("\r\n"));
	h->body = r->body;
	answer_reset(&h->answer);
	h->asked = true;
	return h->head.failed ? -ENOMEM : 0;
}

static int shake(struct http *h, struct err *err)
{
	int code = gnutls_handshake(h->tls);
	if (!code) {
		h->shaken = true;
		h->moved++;
		return 0;
	}
	if (code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED)
		return gnutls_record_get_direction(h->tls) ? -EINPROGRESS : -EAGAIN;
	if (!gnutls_error_is_fatal(code))
		return -EAGAIN;
	h->closed = true;
	if (code == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR || code == GNUTLS_E_CERTIFICATE_ERROR)
		return err_set(err, -EACCES, "its certificate is not one of the CA that this post trusts, for '%s'",
		               h->host);
	if (code == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return err_set(err, -EPROTO, "it ended the TLS handshake: %s",
		               gnutls_alert_get_name(gnutls_alert_get(h->tls)));
	return fail(err, -EPROTO, code, "TLS handshake");
}

static long put(struct http *h, struct str s)
{
	ssize_t n;
	if (h->tls) {
		n = gnutls_record_send(h->tls, s.p, s.n);
		return n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED ? -EAGAIN : n < 0 ? -EPIPE : n;
	}
	n = send(h->fd, s.p, s.n, MSG_NOSIGNAL);
	return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
}

static long get(struct http *h, char *to, size_t room)
{
	ssize_t n;
	if (h->tls) {
		unsigned alerts = 0;
		do
			n = gnutls_record_recv(h->tls, to, room);
		while (n == GNUTLS_E_WARNING_ALERT_RECEIVED && ++alerts < ALERTS);
		return n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED ? -EAGAIN : n < 0 ? -EPIPE : n;
	}
	n = recv(h->fd, to, room, 0);
	return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
}

/* 0: all is sent; -EAGAIN; -EPIPE: the other end takes no more, which its answer may explain. */
static int send_some(struct http *h)
{
	const size_t all = h->head.n + h->body.n;
	while (h->sent < all) {
		const bool in_head = h->sent < h->head.n;
		struct str s = in_head ? buf_str(&h->head) : h->body;
		s = str_sub(s, in_head ? h->sent : h->sent - h->head.n, s.n);
		long n = put(h, s);
		if (n < 0)
			return (int)n;
		h->sent += (size_t)n;
		h->moved += (uint64_t)n;
	}
	return 0;
}

static int receive_some(struct http *h, struct err *err)
{
	char bytes[READ_AT_ONCE];
	/* others have their turn, too: what lies in the socket is told again, what lies in the session is not */
	for (unsigned i = 0; !answer_is_whole(&h->answer); i++) {
		if (i >= READS && !(h->tls && gnutls_record_check_pending(h->tls)))
			return -EAGAIN;
		long n = get(h, bytes, sizeof(bytes));
		if (n == -EAGAIN)
			return -EAGAIN;
		if (n <= 0) {
			h->closed = true;
			/* TLS that ends without good-bye may have been cut off: then only a length is to be believed */
			int code = n == 0 ? answer_close(&h->answer) : -EPIPE;
			return code ? err_set(err, -EPIPE, "it closed the connection before its answer was whole") : 0;
		}
		h->moved += (uint64_t)n;
		const long got = n;
		n = answer_feed(&h->answer, (struct str){ bytes, (size_t)n });
		if (n >= 0 && (n < got || (h->tls && gnutls_record_check_pending(h->tls))) &&
		    answer_is_whole(&h->answer))
			h->answer.keeps = false; /* what nobody asked for would pass for the next answer */
		if (n < 0)
			return err_set(err, (int)n, "its answer is no HTTP, or too long");
	}
	return 0;
}

int http_step(struct http *h, struct err *err)
{
	int code = h->tls && !h->shaken ? shake(h, err) : 0;
	if (code || !h->asked)
		return code;
	int sent = send_some(h);
	code = receive_some(h, err);
	if (!code) {
		h->asked = false;
		h->answer.keeps = h->answer.keeps && !sent && !h->closed;
		return 0;
	}
	if (code == -EAGAIN && sent == -EAGAIN)
		return -EINPROGRESS;
	if (code == -EAGAIN && sent)
		return err_set(err, -EPIPE, "it closed the connection");
	return code;
}

const struct answer *http_answer(const struct http *h)
{
	return &h->answer;
}

uint64_t http_moved(const struct http *h)
{
	return h->moved;
}
