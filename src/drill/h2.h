/*
 * As much of HTTP/2 (RFC 9113) as a bot speaks: one request at a time, its headers as literals, no table of headers kept, so that of an
 * answer's block (RFC 7541) the first field is :status, and no more of it is read.
 */
#ifndef KHIEN_DRILL_H2_H
#define KHIEN_DRILL_H2_H

#include "base/buf.h"

enum { H2_OUT = 2048, H2_BLOCK_MAX = 1024 };

struct h2 {
	char out[H2_OUT]; /* to be sent: the caller's to take away */
	uint32_t n_out;
	uint32_t stream; /* of the request under way; 0: none yet */
	uint32_t left;   /* of the frame's body */
	uint32_t credit; /* bytes of bodies that came since the window was opened */
	uint8_t head[9], n_head;
	uint8_t start[16], n_start; /* of the body */
	bool going, closing;        /* the preface is out; GOAWAY came */
	uint16_t status;
};

/* The header block of a GET. -EMSGSIZE: more than H2_BLOCK_MAX. */
int drill_h2_block(struct buf *to, bool tls, const char *host, const char *path, const char *browser);
/* Puts a request out. -ENOSPC: what there was is not away yet; -EPIPE: the connection has had its day. */
int drill_h2_ask(struct h2 *h, struct str block);
/* What came. 1: answered, h->status; 0: more has to come; -ECONNRESET: this request was refused; -EPROTO. */
int drill_h2_take(struct h2 *h, struct str in);

#endif
