/*
 * Messages over a stream: 4 bytes of length, the highest first, and as many bytes. Bounded both ways: one that is longer than
 * `max` ends the stream, and more than `max` and a half of what wasn't taken yet by the other end isn't kept.
 */
#ifndef KHIEN_KIOSK_FRAMES_H
#define KHIEN_KIOSK_FRAMES_H

#include "base/buf.h"

#include <sys/types.h>

struct frames {
	struct buf in, out;
	size_t used, sent;
	size_t max; /* bytes of a message */
};

void frames_init(struct frames *f, size_t max);
void frames_free(struct frames *f);

/*
 * recv() and send(), or what is like them: bytes, 0 the other end is gone, -EAGAIN or another -errno.
 */
typedef ssize_t frames_read_fn(void *arg, char *to, size_t n);
typedef ssize_t frames_write_fn(void *arg, const char *from, size_t n);

/* Reads what there is, up to 256 KiB. 0: nothing or something was there; -EPIPE: the end; -errno. */
int frames_read(struct frames *f, frames_read_fn *fn, void *arg);
/* 1: the next whole message, borrowed until frames_read(); 0: there is none yet; -EMSGSIZE: it is too long. */
int frames_next(struct frames *f, struct str *message);
/* Two parts make one message; either may be empty. -EMSGSIZE, -ENOBUFS: it isn't kept. */
int frames_put(struct frames *f, struct str a, struct str b);
/* Writes what goes out now. 0, also when some is left; -errno. */
int frames_write(struct frames *f, frames_write_fn *fn, void *arg);
static inline bool frames_pending(const struct frames *f)
{
	return f->sent < f->out.n;
}

/* Both over a non-blocking socket; arg points to the descriptor. */
frames_read_fn frames_recv;
frames_write_fn frames_send;

#endif
