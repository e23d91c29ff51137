#include "kiosk/frames.h"

#include <errno.h>
#include <sys/socket.h>

enum { AT_ONCE = 256 << 10, KEPT = 1 << 20, LENGTH = 4 };

void frames_init(struct frames *f, size_t max)
{
	*f = (struct frames){ .max = max };
	f->in.max = max + LENGTH + AT_ONCE;
	f->out.max = max + max / 2 + LENGTH;
}

void frames_free(struct frames *f)
{
	buf_free(&f->in);
	buf_free(&f->out);
	f->used = f->sent = 0;
}

/* What was used goes; a buffer that once was large doesn't stay so. */
static void drop(struct buf *b, size_t *used)
{
	if (*used == b->n && b->cap > KEPT) {
		const size_t max = b->max;
		buf_free(b);
		*b = (struct buf){ .max = max };
	} else if (*used) {
		memmove(b->p, b->p + *used, b->n - *used);
		b->n -= *used;
	}
	*used = 0;
}

int frames_read(struct frames *f, frames_read_fn *fn, void *arg)
{
	drop(&f->in, &f->used);
	char *to = buf_room(&f->in, AT_ONCE);
	if (!to)
		return -ENOMEM;
	ssize_t n = fn(arg, to, AT_ONCE);
	if (n > 0)
		f->in.n += (size_t)n;
	else if (n != -EAGAIN)
		return n ? (int)n : -EPIPE;
	return 0;
}

int frames_next(struct frames *f, struct str *message)
{
	size_t n = 0, left = f->in.n - f->used;
	const unsigned char *at = (const unsigned char *)f->in.p + f->used;
	if (left < LENGTH)
		return 0;
	for (size_t i = 0; i < LENGTH; i++)
		n = n << 8 | at[i];
	if (n > f->max)
		return -EMSGSIZE;
	if (left - LENGTH < n)
		return 0;
	*message = (struct str){ f->in.p + f->used + LENGTH, n };
	f->used += LENGTH + n;
	return 1;
}

int frames_put(struct frames *f, struct str a, struct str b)
{
	size_t n = a.n + b.n;
	if (a.n > f->max || b.n > f->max || n > f->max)
		return -EMSGSIZE;
	if (f->sent)
		drop(&f->out, &f->sent);
	char *to = buf_room(&f->out, LENGTH + n);
	f->out.failed = false; /* it is whole as it is: nothing of this one went in */
	if (!to)
		return -ENOBUFS;
	for (size_t i = 0; i < LENGTH; i++)
		to[i] = (char)(n >> (8 * (LENGTH - 1 - i)));
	if (a.n)
		memcpy(to + LENGTH, a.p, a.n);
	if (b.n)
		memcpy(to + LENGTH + a.n, b.p, b.n);
	f->out.n += LENGTH + n;
	return 0;
}

int frames_write(struct frames *f, frames_write_fn *fn, void *arg)
{
	while (frames_pending(f)) {
		ssize_t n = fn(arg, f->out.p + f->sent, f->out.n - f->sent);
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		f->sent += (size_t)n;
	}
	drop(&f->out, &f->sent);
	return 0;
}

static ssize_t result(ssize_t n)
{
	if (n >= 0)
		return n;
	return errno == EINTR ? -EAGAIN : -errno;
}

ssize_t frames_recv(void *arg, char *to, size_t n)
{
	return result(recv(*(const int *)arg, to, n, MSG_DONTWAIT));
}

ssize_t frames_send(void *arg, const char *from, size_t n)
{
	return result(send(*(const int *)arg, from, n, MSG_DONTWAIT | MSG_NOSIGNAL));
}
