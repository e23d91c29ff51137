/* A room's line: read in queue_line.c, called from in queue.c, shown in queue_show.c. */
#ifndef KHIEN_KIOSK_QUEUE_INSIDE_H
#define KHIEN_KIOSK_QUEUE_INSIDE_H

#include "kiosk/ops.h"
#include "kiosk/queue.h"

enum {
	QUEUE_LINE = 2000, /* of a line that are looked at: those who came first */
	QUEUE_REF = 64,
	QUEUE_LABEL = 40,
};

struct seat {
	char ref[QUEUE_REF], label[QUEUE_LABEL];
	int64_t since;
};

struct line {
	struct queue_one *ones; /* in the order in which they will be called */
	struct seat *seats;     /* by their tags */
	size_t n;
	int64_t in_row;
	bool paused;
	struct queue_rule rule;
	char day[11];
	int64_t midnight;
};

/* Today's, for one room after the other. line_done() also where it fails. */
int line_begin(struct call *c, struct line *l, struct err *err);
void line_done(struct line *l);
int line_read(struct call *c, struct line *l, int64_t room, struct err *err);
/* As on the ticket: the letter of the room that gave the number, and it. */
void queue_label(char label[QUEUE_LABEL], struct str letter, int64_t number);

int queue_waiting(struct call *c, struct err *err);
int queue_day_list(struct call *c, struct err *err);
int queue_board(struct call *c, struct err *err);

#endif
