#include "kiosk/follow_message.h"

#include <errno.h>

enum { CHANGE_HEAD = 3 * 8 + 16 + 4 };

static void put_number(struct buf *out, uint64_t n, unsigned bytes)
{
	while (bytes--)
		buf_putc(out, (char)(n >> (8 * bytes)));
}

/* From the front of s, which is cut; the caller knows that there are so many. */
static uint64_t take_number(struct str *s, unsigned bytes)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < bytes; i++)
		n = n << 8 | (unsigned char)s->p[i];
	*s = str_sub(*s, bytes, s->n);
	return n;
}

static void take_hash(struct str *s, unsigned char hash[16])
{
	memcpy(hash, s->p, 16);
	*s = str_sub(*s, 16, s->n);
}

void message_put(const struct message *m, struct buf *out)
{
	put_number(out, m->kind, 1);
	put_number(out, m->role, 1);
	put_number(out, m->alone, 1);
	put_number(out, m->flag, 1);
	put_number(out, (uint64_t)m->epoch, 8);
	put_number(out, (uint64_t)m->seq, 8);
	put_number(out, (uint64_t)m->last, 8);
	buf_add(out, (struct str){ (const char *)m->answer, sizeof(m->answer) });
	buf_add(out, m->body);
}

int message_read(struct str frame, struct message *ret)
{
	if (frame.n < MESSAGE_HEAD)
		return -EPROTO;
	struct message m = { .kind = (enum message_kind)take_number(&frame, 1) };
	m.role = (uint8_t)take_number(&frame, 1);
	m.alone = (uint8_t)take_number(&frame, 1);
	m.flag = (uint8_t)take_number(&frame, 1);
	m.epoch = (int64_t)take_number(&frame, 8);
	m.seq = (int64_t)take_number(&frame, 8);
	m.last = (int64_t)take_number(&frame, 8);
	take_hash(&frame, m.answer);
	m.body = frame;
	if (m.kind < MESSAGE_HELLO || m.kind >= N_MESSAGES || m.alone > 1 || m.epoch < 0 ||
	    m.epoch > MESSAGE_EPOCH_MAX || m.seq < 0 || m.last < 0)
		return -EPROTO;
	*ret = m;
	return 0;
}

void message_put_change(const struct desk_change *change, struct buf *body)
{
	put_number(body, (uint64_t)change->seq, 8);
	put_number(body, (uint64_t)change->epoch, 8);
	put_number(body, (uint64_t)change->at, 8);
	buf_add(body, (struct str){ (const char *)change->answer, sizeof(change->answer) });
	put_number(body, change->call.n, 4);
	buf_add(body, change->call);
}

int message_take_change(struct str *body, struct desk_change *ret)
{
	struct str s = *body;
	if (!s.n)
		return 0;
	if (s.n < CHANGE_HEAD)
		return -EPROTO;
	struct desk_change c = { .seq = (int64_t)take_number(&s, 8) };
	c.epoch = (int64_t)take_number(&s, 8);
	c.at = (int64_t)take_number(&s, 8);
	take_hash(&s, c.answer);
	size_t n = take_number(&s, 4);
	if (n > s.n || c.seq < 1 || c.epoch < 0)
		return -EPROTO;
	c.call = str_sub(s, 0, n);
	*body = str_sub(s, n, s.n);
	*ret = c;
	return 1;
}
