/*
 * One connection of a client to a hub: HTTP/1.1 over TLS 1.2 or 1.3 (GnuTLS), one request after the other. Nothing
 * blocks, nothing is opened: works within the sandbox, on a descriptor from dial.h.
 */
#ifndef KHIEN_POST_HTTP_H
#define KHIEN_POST_HTTP_H

#include "base/err.h"
#include "post/answer.h"

enum { HTTP_PRINT = 32, HTTP_PIECES = 16 };

struct http_tls {
	struct str host; /* the name or address that the hub's certificate has to be for */
	struct str ca;   /* PEM: the one that is trusted; empty: the one in the hub's chain whose SHA-256 is `print` */
	unsigned char print[HTTP_PRINT];
	struct str certificate, key; /* PEM: the client's own; empty: it shows none */
};

struct http;

/* Takes fd, which is connected and non-blocking, also when it fails. tls NULL: plain text. What tls points to is read at once. */
int http_new(struct http **ret, int fd, const struct http_tls *tls, struct err *err);
void http_free(struct http *h);
int http_fd(const struct http *h);

struct http_request {
	const char *method, *path; /* borrowed until the answer */
	struct str host;           /* value of Host */
	struct str header;         /* further lines, each with its CRLF */
	struct str body;           /* borrowed until the answer */
	bool once;                 /* a client asks it over a fresh connection, and never again by itself */
};
/* Begins. 0 or -ENOMEM. */
int http_ask(struct http *h, const struct http_request *r);
/*
 * As far as it goes. 0: the answer is whole; -EAGAIN: when there is something to read; -EINPROGRESS: when something can
 * be written, too; other -errno, and err: the connection is over. -EACCES: it isn't the hub that is trusted.
 */
int http_step(struct http *h, struct err *err);
/* Until the next http_ask(). */
const struct answer *http_answer(const struct http *h);
/* Whether a byte of the request went out, and of the answer came in: what a timeout says. */
uint64_t http_moved(const struct http *h);

#endif
