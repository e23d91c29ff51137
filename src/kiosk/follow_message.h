/*
 * What kiosks and the register say to each other: one shape for all of it, whole numbers with the highest byte first.
 *
 *   kind 1  role 1  alone 1  flag 1  epoch 8  seq 8  last 8  answer 16  body ...
 *
 *   HELLO     both, first: role, alone, epoch; seq, last (epoch of that change) and answer (its hash); body: the name
 *   CHANGES   primary: body: one or more; epoch: the primary's
 *   HAVE      standby: seq is on the disk
 *   OFFER     primary: epoch may begin behind seq       TAKEN     standby: noted; epoch as offered
 *   TOGETHER  primary: epoch has begun, and is theirs
 *   COPY      primary: body: a piece; flag: 1 the first, 2 the last
 *   MORE      standby: the next piece, please           NEED      standby: a copy, please
 *   PING      both, so that silence means something
 *   ASK       to the register: what do you hold? last: the question's number
 *   SET       to it: from epoch `seq` to { epoch, body, alone }; flag 1: a person is sure; last: as above
 *   VALUE     from it: { epoch, body, alone }; last: of the question
 */
#ifndef KHIEN_KIOSK_FOLLOW_MESSAGE_H
#define KHIEN_KIOSK_FOLLOW_MESSAGE_H

#include "base/buf.h"
#include "kiosk/desk.h"

enum message_kind {
	MESSAGE_HELLO = 1,
	MESSAGE_CHANGES,
	MESSAGE_HAVE,
	MESSAGE_OFFER,
	MESSAGE_TAKEN,
	MESSAGE_TOGETHER,
	MESSAGE_COPY,
	MESSAGE_MORE,
	MESSAGE_NEED,
	MESSAGE_PING,
	MESSAGE_ASK,
	MESSAGE_SET,
	MESSAGE_VALUE,
	N_MESSAGES,
};
static const int64_t MESSAGE_EPOCH_MAX = INT64_MAX / 2; /* there is always a next one */
enum { MESSAGE_COPY_FIRST = 1, MESSAGE_COPY_LAST = 2, MESSAGE_HEAD = 4 + 3 * 8 + 16 };

struct message {
	enum message_kind kind;
	uint8_t role, alone, flag;
	int64_t epoch, seq, last;
	unsigned char answer[16];
	struct str body; /* borrowed */
};

void message_put(const struct message *m, struct buf *out);
/* -EPROTO: it is none. Epochs and numbers aren't negative, alone is 0 or 1. */
int message_read(struct str frame, struct message *ret);

/* One change, appended to a body. */
void message_put_change(const struct desk_change *change, struct buf *body);
/* 1: the next one, borrowed from the body, which is cut; 0: that was all; -EPROTO. */
int message_take_change(struct str *body, struct desk_change *ret);

#endif
