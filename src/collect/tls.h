/* One TLS session of a client with a listener (GnuTLS). Nothing blocks; no file, no socket. Inside of collect. */
#ifndef KHIEN_COLLECT_TLS_H
#define KHIEN_COLLECT_TLS_H

#include "collect/collect.h"

/* Certificate, key and whom to trust; counted, as sessions outlive a renewal. */
struct tls;

int tls_new(struct tls **ret, const struct listener_tls *config, struct err *err);
struct tls *tls_ref(struct tls *t);
void tls_unref(struct tls *t);

struct tls_session;

enum { TLS_NAME = 64 };

/* fd is borrowed and non-blocking. */
int tls_session_new(struct tls_session **ret, struct tls *t, int fd);
/*
 * A step of the handshake. 0: done, and the client's certificate is good, where one is asked for. -EAGAIN: when there is
 * something to read; -EINPROGRESS: when something can be written; -errno: it failed, and the client was told.
 */
int tls_handshake(struct tls_session *s, struct err *err);
/* The common name of the certificate that was verified, safe to show, UTF-8; empty: there is none. */
const char *tls_name(const struct tls_session *s);
/* Bytes; 0: the other side said that it is over; -EAGAIN; -errno. n of NET_READ takes at least a whole record. */
long tls_read(struct tls_session *s, char *to, size_t n);
/* Something was read from the descriptor already that tls_read() would give. */
bool tls_pending(const struct tls_session *s);
/* Says good-bye if that needs no waiting. */
void tls_session_free(struct tls_session *s);

#endif
