/*
 * Output that nobody is kept waiting by: whole texts to a terminal, a pipe, a socket or a file. What its reader has not
 * taken is held, up to OUTLET_HELD; beyond that a text is shed, whole, and counted.
 *
 * A reader that reads on is waited for: 2 s at once and a tenth of the time in the long run, at most. For one that takes
 * nothing for 0.2 s nobody waits until it reads again.
 */
#ifndef KHIEN_CMD_OUTLET_H
#define KHIEN_CMD_OUTLET_H

#include "base/buf.h"
#include "base/clock.h"

enum { OUTLET_HELD = 8 << 20 };

struct outlet {
	int fd;
	const struct clock *clock;
	bool is_socket, may_block; /* may_block: the descriptor is another's too, who wants it as it is */
	struct buf held;
	size_t sent;                /* of held */
	int64_t patience, refilled; /* µs that may be waited; monotonic */
	bool stalled;
	uint64_t shed, told; /* texts; told: those that outlet_recovered() has counted */
	int failed;          /* -errno: nobody reads any more */
};

/* The descriptor stays the caller's. */
void outlet_init(struct outlet *o, int fd, const struct clock *clock);
void outlet_done(struct outlet *o);
/* 0, also when it was shed; -errno: nobody reads any more. */
int outlet_write(struct outlet *o, struct str text);
/* What is held goes on, as far as it does now; or, to be called a few times a second, in some 20 ms. */
int outlet_flush(struct outlet *o);
int outlet_push(struct outlet *o);
/* The end: waits for the reader, 2 s at most. */
int outlet_end(struct outlet *o);
/* How many texts were shed while the reader was away, once it has read all that was held; 0: none, or not yet. */
uint64_t outlet_recovered(struct outlet *o);

/*
 * Writing to fd fails with EAGAIN from now on, in this process and its children, instead of waiting: a pipe or a terminal
 * is opened anew, so that whoever else has it isn't concerned. Where that is not permitted all stays as it was.
 */
void outlet_unblock(int fd);

#endif
