/* Ctrl-C during long work: SIGINT and SIGTERM wait until they are asked for, so that the work can end well. */
#ifndef KHIEN_CMD_INTERRUPT_H
#define KHIEN_CMD_INTERRUPT_H

#include <stdbool.h>

struct interrupt {
	int fd; /* -1: signals do what they always do */
	bool came;
};

void interrupt_begin(struct interrupt *i);
/* Whether one came since. */
bool interrupt_came(struct interrupt *i);
void interrupt_end(struct interrupt *i);

#endif
