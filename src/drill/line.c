#include "drill/line.h"
#include "drill/address.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static void way_done(struct line_way *w)
{
	if (w->credentials)
		gnutls_certificate_free_credentials(w->credentials);
	if (w->priority)
		gnutls_priority_deinit(w->priority);
	w->credentials = NULL;
	w->priority = NULL;
}

int drill_line_way_init(struct line_way *w, const struct sockaddr_storage *to, bool tls, bool h2, const char *host,
                        struct err *err)
{
	struct line_way way = { .to = *to, .host = host, .h2 = h2, .anonymous = !drill_address_is_loopback(to) };
	/* Nobody is believed for his certificate: the address is one of the drill's own. */
	if (tls && (gnutls_certificate_allocate_credentials(&way.credentials) ||
	            gnutls_priority_init(&way.priority, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", NULL))) {
		way_done(&way);
		return err_set(err, -ENOMEM, "TLS: %m");
	}
	*w = way;
	return 0;
}

/* --- TLS --- */

static int tls_begin(struct line *l, const struct line_way *way)
{
	static const gnutls_datum_t h2 = { (unsigned char *)"h2", 2 }, h1 = { (unsigned char *)"http/1.1", 8 };
	if (gnutls_init(&l->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS)) {
		l->tls = NULL;
		return -ENOMEM;
	}
	gnutls_priority_set(l->tls, way->priority);
	gnutls_credentials_set(l->tls, GNUTLS_CRD_CERTIFICATE, way->credentials);
	gnutls_server_name_set(l->tls, GNUTLS_NAME_DNS, way->host, strlen(way->host));
	gnutls_alpn_set_protocols(l->tls, way->h2 ? &h2 : &h1, 1, 0);
	gnutls_transport_set_int(l->tls, l->fd);
	return 0;
}

static int tls_code(ssize_t n)
{
	if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
		return -EAGAIN;
	return gnutls_error_is_fatal((int)n) ? -EPIPE : -EAGAIN;
}

/* --- TCP --- */

static int open_socket(const struct line_way *way, const struct sockaddr_storage *from)
{
	const int on = 1, v6 = way->to.ss_family == AF_INET6;
	int fd = socket(way->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
	           sizeof(on)); /* the port when it connects: 28,000 each */
	if (way->anonymous || v6)
		setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_FREEBIND : IP_FREEBIND, &on, sizeof(on));
	if ((from && bind(fd, (const struct sockaddr *)from, drill_address_size(from))) ||
	    (connect(fd, (const struct sockaddr *)&way->to, drill_address_size(&way->to)) && errno != EINPROGRESS)) {
		const int code = -errno;
		close(fd);
		return code;
	}
	return fd;
}

int drill_line_open(struct line *l, const struct line_way *way, const struct sockaddr_storage *from)
{
	const int fd = open_socket(way, from);
	if (fd < 0)
		return fd;
	*l = (struct line){ .fd = fd, .at = LINE_CONNECTS, .resets = l->resets };
	return 0;
}

void drill_line_close(struct line *l)
{
	const struct linger reset = { .l_onoff = 1 };
	if (l->at == LINE_CLOSED)
		return;
	if (l->tls)
		gnutls_deinit(l->tls);
	if (l->resets)
		setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(l->fd);
	*l = (struct line){ .fd = -1, .resets = l->resets };
}

int drill_line_go(struct line *l, const struct line_way *way)
{
	if (l->at == LINE_CONNECTS) {
		int code = 0;
		socklen_t size = sizeof(code);
		if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &code, &size))
			return -errno;
		if (code)
			return -code;
		l->at = way->credentials ? LINE_SHAKES : LINE_OPEN;
		if (way->credentials && (code = tls_begin(l, way)))
			return code;
	}
	if (l->at == LINE_SHAKES) {
		const int n = gnutls_handshake(l->tls);
		if (n)
			return tls_code(n);
		l->at = LINE_OPEN;
	}
	return 0;
}

ssize_t drill_line_send(struct line *l, struct str bytes)
{
	if (l->tls) {
		const ssize_t n = gnutls_record_send(l->tls, bytes.p, bytes.n);
		return n < 0 ? tls_code(n) : n;
	}
	const ssize_t n = send(l->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

ssize_t drill_line_recv(struct line *l, char *to, size_t room)
{
	if (l->tls) {
		const ssize_t n = gnutls_record_recv(l->tls, to, room);
		if (n == GNUTLS_E_PREMATURE_TERMINATION)
			return 0;
		return n < 0 ? tls_code(n) : n;
	}
	const ssize_t n = recv(l->fd, to, room, 0);
	return n < 0 ? -errno : n;
}
