#include "os/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_AT_ONCE = 1 << 20, KEPT = 1 << 20 };

int link_init(struct link *l, int fd, uint32_t kinds)
{
	*l = (struct link){
		.fd = fd, .kinds = kinds, .in.max = LINK_MESSAGE_MAX + READ_AT_ONCE, .out.max = LINK_MESSAGE_MAX
	};
	int flags = fcntl(fd, F_GETFL);
	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) ? -errno : 0;
}

void link_done(struct link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	buf_free(&l->in);
	buf_free(&l->out);
	l->fd = -1;
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

int link_read(struct link *l)
{
	drop(&l->in, &l->used);
	char *to = buf_room(&l->in, READ_AT_ONCE);
	if (!to)
		return -ENOMEM;
	ssize_t n = read(l->fd, to, READ_AT_ONCE);
	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
	l->in.n += (size_t)n;
	return 0;
}

int link_next(struct link *l, struct link_head *head, struct str *body)
{
	size_t left = l->in.n - l->used;
	if (left < sizeof(*head))
		return 0;
	memcpy(head, l->in.p + l->used, sizeof(*head));
	if (head->size > LINK_MESSAGE_MAX - sizeof(*head) || !head->kind || head->kind >= l->kinds)
		return -EPROTO;
	if (left - sizeof(*head) < head->size)
		return 0;
	*body = (struct str){ l->in.p + l->used + sizeof(*head), head->size };
	l->used += sizeof(*head) + head->size;
	return 1;
}

void link_put(struct link *l, const struct link_head *head, struct str body)
{
	struct link_head h = *head;
	h.size = body.n;
	buf_add(&l->out, (struct str){ (const char *)&h, sizeof(h) });
	buf_add(&l->out, body);
}

int link_flush(struct link *l)
{
	int code = 0;
	while (!code && link_pending(l)) {
		ssize_t n = send(l->fd, l->out.p + l->sent, l->out.n - l->sent, MSG_NOSIGNAL);
		if (n >= 0)
			l->sent += (size_t)n;
		else if (errno != EINTR)
			code = errno == EAGAIN ? -EAGAIN : -EPIPE;
	}
	if (l->out.failed) /* a message is missing, or half of it */
		return -ENOMEM;
	/* under steady load it is never empty; half at a time is moved, so that each byte is but once */
	if (l->sent >= l->out.n / 2)
		drop(&l->out, &l->sent);
	return code == -EAGAIN ? 0 : code;
}
