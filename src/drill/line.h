/* One connection: from an address of its own, TCP, TLS where that is wanted. Nothing blocks. */
#ifndef KHIEN_DRILL_LINE_H
#define KHIEN_DRILL_LINE_H

#include "base/err.h"
#include "base/str.h"

#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <sys/types.h>

enum line_at { LINE_CLOSED, LINE_CONNECTS, LINE_SHAKES, LINE_OPEN };

/* What all connections to one place share. */
struct line_way {
	struct sockaddr_storage to;
	const char *host;
	gnutls_certificate_credentials_t credentials; /* NULL: no TLS */
	gnutls_priority_t priority;
	bool h2;        /* ALPN */
	bool anonymous; /* the source may be taken although no interface has it */
};
/* Lasts as long as the process that it is made for. */
int drill_line_way_init(struct line_way *w, const struct sockaddr_storage *to, bool tls, bool h2, const char *host,
                        struct err *err);

struct line {
	int fd;
	uint8_t at;  /* enum line_at */
	bool resets; /* ends with RST: what was a flood's leaves no TIME_WAIT behind */
	gnutls_session_t tls;
};

/* Zeroed is closed. 0, or -errno: then it is closed. */
int drill_line_open(struct line *l, const struct line_way *way, const struct sockaddr_storage *from);
void drill_line_close(struct line *l);
/* On with connecting: 0 it is open; -EAGAIN: when epoll says so; -errno: it can't be had, close it. */
int drill_line_go(struct line *l, const struct line_way *way);
/* Bytes; -EAGAIN; -EPIPE: the other end is gone; other -errno. recv: 0 is the end. */
ssize_t drill_line_send(struct line *l, struct str bytes);
ssize_t drill_line_recv(struct line *l, char *to, size_t room);

#endif
