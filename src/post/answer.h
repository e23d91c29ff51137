/*
 * The answer to an HTTP/1.1 request (RFC 9112), read piece by piece in bounded memory. A hub is foreign too: until it
 * has shown its certificate, and after it was stolen.
 */
#ifndef KHIEN_POST_ANSWER_H
#define KHIEN_POST_ANSWER_H

#include "base/buf.h"

enum {
	ANSWER_HEAD =
	        16 << 10, /* bytes, at most: status line and header; also of a chunk's line, and of the whole trailer */
	ANSWER_BODY = 1 << 20, /* also of all chunks' lines */
	ANSWER_INTERIM = 8,    /* heads that say "go on" */
};

enum answer_part {
	ANSWER_IN_HEAD,
	ANSWER_IN_BODY,
	ANSWER_IN_CHUNK_LINE,
	ANSWER_IN_CHUNK,
	ANSWER_IN_TRAILER,
	ANSWER_WHOLE
};

/* {0} is ready for the first byte. */
struct answer {
	int status;           /* 200 to 599, once `part` is not ANSWER_IN_HEAD */
	unsigned retry_after; /* s; 0: not said */
	bool keeps;           /* the connection can be used again */
	struct buf body;
	/* inside */
	enum answer_part part;
	struct buf line; /* of the head, chunk line or trailer, as far as it came */
	uint64_t left;
	bool until_close;
	bool after_chunk; /* its CRLF is to come */
	unsigned interim; /* heads before that of the answer */
	size_t lines;     /* bytes of chunk lines, or of the trailer */
};

void answer_done(struct answer *a);
/* Ready for the next one. */
void answer_reset(struct answer *a);
/* Takes bytes: how many, all but what follows a whole answer; -EBADMSG: this is no answer; -E2BIG. */
long answer_feed(struct answer *a, struct str bytes);
/* The connection is closed: 0, where that is how the body ends; -EPIPE: the answer is cut off. */
int answer_close(struct answer *a);

static inline bool answer_is_whole(const struct answer *a)
{
	return a->part == ANSWER_WHOLE;
}

#endif
