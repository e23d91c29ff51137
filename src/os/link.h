/*
 * Messages over a stream socket between two processes of one program: a head and bytes. Both are forks, so shapes are the
 * machine's own. Nothing blocks; who reads believes nothing: the other end may be in an attacker's hands.
 */
#ifndef KHIEN_OS_LINK_H
#define KHIEN_OS_LINK_H

#include "base/buf.h"

struct link_head {
	uint32_t kind; /* of the two's own; 0 is none */
	int32_t code;
	uint64_t seq, n, size; /* size: bytes that follow */
};

enum { LINK_MESSAGE_MAX = 64 << 20 };

struct link {
	int fd;         /* non-blocking stream socket */
	uint32_t kinds; /* a message's kind is below it */
	struct buf in, out;
	size_t used, sent;
};

/* Takes fd, also when it fails. */
int link_init(struct link *l, int fd, uint32_t kinds);
void link_done(struct link *l);
/* Reads what is there. 0; -EPIPE: the other end is gone. */
int link_read(struct link *l);
/* The next whole message; its body is borrowed until link_read(). 0: there is none yet; -EPROTO: that is no message. */
int link_next(struct link *l, struct link_head *head, struct str *body);
void link_put(struct link *l, const struct link_head *head, struct str body);
/* Writes as much as goes out now. 0, also when some is left (link_pending); -EPIPE. */
int link_flush(struct link *l);
static inline bool link_pending(const struct link *l)
{
	return l->sent < l->out.n;
}

#endif
